#include "app/relay.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/bytes.hpp"
#include "base/event_log.hpp"
#include "wire/rtp.hpp"

namespace callward::app {
namespace {

constexpr std::uint64_t kWakeToken = ~0ull;
constexpr int kEventsMax = 64;

// Which socket of which call: in an epoll event.
constexpr std::uint64_t token_of(std::uint64_t call, std::size_t side, bool rtcp) {
  return call << 2 | side << 1 | (rtcp ? 1u : 0u);
}

bool is_rtp(ByteView packet) {
  return packet.size() >= wire::kRtpHeaderBytes && packet[0] >> 6 == 2;
}

}  // namespace

Result<std::unique_ptr<Relay>> Relay::create(RelayConfig config, Entropy& entropy) {
  std::unique_ptr<Relay> relay(new Relay(std::move(config), entropy));
  TRY(relay->start());
  return relay;
}

Status Relay::start() {
  epoll_ = io::Fd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = io::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid()) return fail_errno("relay");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeToken;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
    return fail_errno("epoll_ctl");
  thread_ = std::thread([this] { run(); });
  return {};
}

Relay::~Relay() {
  stopping_ = true;
  const std::uint64_t one = 1;
  if (wake_.valid()) (void)!::write(wake_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

std::size_t Relay::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_.size();
}

// ---- the loop's side ----------------------------------------------------------------------------

// RTP on an even port, RTCP on the next (RFC 3550, 11).
Status Relay::bind_side(Side& side, Ports& ports, std::size_t which) {
  const std::uint32_t first = (config_.port_first + 1u) & ~1u, last = config_.port_last;
  for (std::uint32_t tried = first; tried + 1 <= last; tried += 2) {
    if (next_port_ < first || next_port_ + 1 > last) next_port_ = first;
    const auto port = static_cast<std::uint16_t>(next_port_);
    next_port_ += 2;
    auto rtp = io::bind_udp(config_.address, port, kRelayBufferBytes);
    if (!rtp && rtp.error().code == Errc::kFull) continue;
    if (!rtp) return tl::unexpected<Error>(rtp.error());
    auto rtcp =
        io::bind_udp(config_.address, static_cast<std::uint16_t>(port + 1), kRelayBufferBytes);
    if (!rtcp && rtcp.error().code == Errc::kFull) continue;
    if (!rtcp) return tl::unexpected<Error>(rtcp.error());
    side.copy = TRY(io::bind_udp(config_.recorder_address, 0, kRelayBufferBytes));
    const auto copy = parse_endpoint(config_.recorder_address, TRY(io::local_port(side.copy)));
    if (copy) ports.copies[which] = *copy;
    side.rtp.fd = std::move(*rtp);
    side.rtcp.fd = std::move(*rtcp);
    side.cname = to_hex(entropy_.array<12>());  // RFC 7022, 4.2: short-term and random
    ports.rtp[which] = port;
    return {};
  }
  return fail(Errc::kFull, "no ports for a call-back");
}

Status Relay::watch(std::uint64_t call, const Call& watched) {
  for (std::size_t side = 0; side < 2; ++side)
    for (const bool rtcp : {false, true}) {
      const auto& socket = rtcp ? watched.sides[side].rtcp : watched.sides[side].rtp;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = token_of(call, side, rtcp);
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.fd.get(), &event) != 0)
        return fail_errno("epoll_ctl");
    }
  return {};
}

Result<Relay::Ports> Relay::open(std::uint64_t call) {
  Call fresh;
  Ports ports;
  const std::lock_guard lock(mutex_);
  if (calls_.size() >= kRelayedMax || calls_.contains(call))
    return fail(Errc::kFull, "too many call-backs at a time");
  for (std::size_t side = 0; side < 2; ++side) TRY(bind_side(fresh.sides[side], ports, side));
  TRY(watch(call, fresh));
  calls_.emplace(call, std::move(fresh));
  return ports;
}

void Relay::close(std::uint64_t call) {
  const std::lock_guard lock(mutex_);
  calls_.erase(call);  // epoll forgets a descriptor that is closed
}

void Relay::set_gate(std::uint64_t call, capture::Gate gate) {
  const std::lock_guard lock(mutex_);
  if (const auto at = calls_.find(call); at != calls_.end()) at->second.gate = gate;
}

void Relay::set_peer(std::uint64_t call, capture::Leg leg, const std::optional<Endpoint>& rtp,
                     const std::optional<Endpoint>& rtcp, bool receives) {
  const std::lock_guard lock(mutex_);
  const auto at = calls_.find(call);
  if (at == calls_.end()) return;
  auto& side = at->second.sides[static_cast<std::size_t>(leg)];
  side.receives = receives;
  const auto set = [](Socket& socket, const std::optional<Endpoint>& announced) {
    if (socket.announced == announced) return;
    socket.announced = announced;
    socket.latched.reset();
  };
  set(side.rtp, rtp);
  set(side.rtcp, rtcp);
}

void Relay::set_recorder(std::uint64_t call, capture::Leg leg, std::uint16_t port) {
  const std::lock_guard lock(mutex_);
  const auto at = calls_.find(call);
  if (at == calls_.end()) return;
  auto& side = at->second.sides[static_cast<std::size_t>(leg)];
  side.recorder = port == 0 ? std::nullopt : parse_endpoint(config_.recorder_address, port);
}

// ---- the thread's side --------------------------------------------------------------------------

void Relay::run() {
  std::array<epoll_event, kEventsMax> events{};
  while (!stopping_) {
    const int ready = ::epoll_wait(epoll_.get(), events.data(), kEventsMax, -1);
    if (ready < 0 && errno != EINTR) {
      log_event("signal.relay_failed", {{"errno", errno}});
      works_ = false;
      return;
    }
    for (int i = 0; i < ready; ++i)
      if (events[static_cast<std::size_t>(i)].data.u64 != kWakeToken)
        sweep(events[static_cast<std::size_t>(i)].data.u64);
  }
}

bool Relay::comes_from_peer(Socket& socket, const Endpoint& from) {
  if (socket.latched) return *socket.latched == from;
  if (!socket.announced || !socket.announced->same_address(from)) return false;
  socket.latched = from;
  return true;
}

void Relay::sweep(std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  const auto at = calls_.find(token >> 2);
  if (at == calls_.end()) return;  // closed meanwhile
  auto& call = at->second;
  const std::size_t from = token >> 1 & 1;
  const bool rtcp = (token & 1) != 0;
  auto& side = call.sides[from];
  auto& socket = rtcp ? side.rtcp : side.rtp;
  const auto read =
      sweeper_.sweep(socket.fd.get(), kRelaySweepMax,
                     [&](ByteView packet, std::int64_t, bool truncated, const Endpoint& sender) {
                       if (truncated || !is_rtp(packet)) {
                         if (!rtcp || truncated || !wire::is_rtcp(packet)) {
                           ++counters_.malformed;
                           return;
                         }
                       }
                       if (!comes_from_peer(socket, sender)) {
                         ++counters_.foreign;
                         return;
                       }
                       pass(call, from, rtcp || wire::is_rtcp(packet), packet);
                     });
  (void)read;  // an error of the socket, as an ICMP message leaves it, is over once it is read
}

void Relay::pass(Call& call, std::size_t from, bool rtcp, ByteView packet) {
  using capture::Gate;
  const bool from_customer = from == static_cast<std::size_t>(capture::Leg::kCustomer);
  const bool open = call.gate == Gate::kOpen || (call.gate == Gate::kEarly && from_customer);
  if (!open) {
    ++counters_.shut;
    return;
  }
  auto& side = call.sides[from];
  auto& to = call.sides[1 - from];
  // The recorder first: what it does not get nobody hears.
  if (!rtcp && (!side.recorder || !io::send_udp(side.copy, packet, *side.recorder))) {
    ++counters_.not_copied;
    return;
  }
  auto& out = rtcp ? to.rtcp : to.rtp;
  const auto& target = out.latched ? out.latched : out.announced;
  if (!target || (!rtcp && !to.receives)) return;
  const bool sent = rtcp ? [&] {
    const auto anonymous = wire::anonymous_rtcp(packet, to.cname);
    return !anonymous.empty() && io::send_udp(out.fd, anonymous, *target);
  }()
                         : io::send_udp(out.fd, packet, *target);
  if (!sent)
    ++counters_.not_sent;
  else
    ++(rtcp ? counters_.rtcp : counters_.relayed);
}

}  // namespace callward::app
