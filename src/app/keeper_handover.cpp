#include "app/keeper_handover.hpp"

#include <algorithm>

#include "base/event_log.hpp"

namespace callward::app {
namespace {

constexpr std::int64_t kLookMs = 5;
constexpr std::int64_t kAnswerMsMax = 15'000;   // TakeOver: the old one comes to rest first
constexpr std::int64_t kLastWordMsMax = 2'000;  // what was said before the end is there already
constexpr std::int64_t kConfirmMsMax = 30'000;  // longer than it stays frozen: it decides

struct TakeOver {  // -> Handed
  static constexpr std::uint16_t kType = 700;
  std::uint32_t version = kHandedProcessVersion;  // the newest that the new one knows
  template <class V>
  void visit(V& v) {
    v(version);
  }
};
struct Handed {
  static constexpr std::uint16_t kType = 800;
  std::uint64_t bytes = 0;
  std::uint32_t fds = 0;
  template <class V>
  void visit(V& v) {
    v(bytes, fds);
  }
};
struct NextPart {  // -> a frame whose body is the bytes from there on
  static constexpr std::uint16_t kType = 701;
  std::uint64_t offset = 0;
  template <class V>
  void visit(V& v) {
    v(offset);
  }
};
constexpr std::uint16_t kPartType = 801;
struct NextFd {  // -> FdPart, with one descriptor
  static constexpr std::uint16_t kType = 702;
  std::uint32_t index = 0;
  template <class V>
  void visit(V& v) {
    v(index);
  }
};
struct FdPart {
  static constexpr std::uint16_t kType = 802;
  std::uint32_t index = 0;
  template <class V>
  void visit(V& v) {
    v(index);
  }
};
template <std::uint16_t type>
struct Word {
  static constexpr std::uint16_t kType = type;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
using Taken = Word<703>;  // -> Go
using Go = Word<803>;
using Serving = Word<704>;    // event
using Abandoned = Word<804>;  // event of the old one
struct Refused {              // event of the new one
  static constexpr std::uint16_t kType = 705;
  std::string why;
  template <class V>
  void visit(V& v) {
    v(why);
  }
};

io::ChannelLimits limits() {
  return {"keeper.hand_over", kPartBytesMax + 1'024, 4 * kPartBytesMax};
}

}  // namespace

namespace {

struct HandedProcess1 {  // before there was a courier
  HandedProcess now;
  template <class V>
  void visit(V& v) {
    v(now.version, now.peer_protocol, now.keeper, now.peers, now.next_ask);
  }
};

Result<HandedProcess> decode_process1(ByteView raw) {
  auto old = TRY(unpack<HandedProcess1>(raw));
  old.now.version = kHandedProcessVersion;
  return std::move(old.now);
}

}  // namespace

Result<HandedProcess> decode_process(ByteView raw) {
  if (raw.size() > kHandedProcessBytesMax) return fail(Errc::kTooLarge, "too much was handed over");
  ByteReader in(raw);
  const auto version = in.u32();
  if (!in.ok() || version == 0) return fail(Errc::kMalformed, "a hand-over without a version");
  if (version > kHandedProcessVersion)
    return fail(Errc::kUnsupported, "a hand-over of version " + std::to_string(version) +
                                        ": this program knows up to " +
                                        std::to_string(kHandedProcessVersion));
  static_assert(kHandedProcessVersion == 2, "each version has its reader here");
  auto process = TRY(version == 1 ? decode_process1(raw) : unpack<HandedProcess>(raw));
  if (process.peers.size() > kHandedPeersMax) return fail(Errc::kMalformed, "too many peers");
  for (const auto& peer : process.peers) {
    const auto role = static_cast<unsigned>(peer.role);
    if (role > keys::kPeerRoleMax || peer.greeted != (role != 0))
      return fail(Errc::kMalformed, "a peer of no role");
  }
  if (process.peer_protocol != keys::kKeeperProtocolVersion)
    return fail(Errc::kUnsupported,
                "the other processes speak another protocol than this program: stop and start all");
  return process;
}

// The old one ------------------------------------------------------------------------------------

Result<std::unique_ptr<HandingOver>> HandingOver::begin(io::Loop& loop, io::Fd fd, Host host,
                                                        Waits waits) {
  std::unique_ptr<HandingOver> over(new HandingOver(loop, std::move(host), waits));
  auto* self = over.get();
  self->channel_ = TRY(io::Channel::create(loop, std::move(fd), limits()));
  self->channel_->set_handlers([self](io::Frame frame) { self->on_frame(std::move(frame)); },
                               [self] { self->on_close(); });
  self->wait(waits.start_ms, "the new keeper did not ask for the state in time");
  return over;
}

HandingOver::~HandingOver() {
  loop_.cancel(deadline_);
  loop_.cancel(looking_);
}

void HandingOver::wait(std::int64_t ms, const char* why) {
  loop_.cancel(deadline_);
  deadline_ = loop_.after_ms(ms, [this, why] { (void)abandon(why); });
}

bool HandingOver::abandon(const std::string& why) {
  if (state_ == State::kOver) return true;
  if (state_ == State::kDecided) return false;
  channel_->send(Abandoned{});
  end(why);
  return true;
}

void HandingOver::end(const std::string& why) {
  state_ = State::kOver;
  loop_.cancel(deadline_);
  loop_.cancel(looking_);
  channel_->close();
  fds_.clear();
  raw_ = SecretBytes();
  host_.go_on(why);
}

void HandingOver::on_close() {
  if (state_ == State::kOver) return;
  end("the new keeper ended before it served");
}

void HandingOver::on_frame(io::Frame frame) {
  if (frame.type == Refused::kType) {
    const auto refused = unpack<Refused>(frame.body);
    if (state_ != State::kOver && state_ != State::kDecided)
      end("the new keeper: " + (refused ? refused->why : "refused"));
    return;
  }
  if (frame.type == TakeOver::kType && state_ == State::kStarting) {
    const auto asked = unpack<TakeOver>(frame.body);
    if (!asked || asked->version < kHandedProcessVersion)
      return (void)abandon("the new program is older: it does not know this hand-over's version");
    asked_id_ = frame.id;
    state_ = State::kResting;
    wait(waits_.rest_ms, "what was under way did not end in time");
    host_.rest();
    looking_ = loop_.every_ms(kLookMs, [this] { look_whether_quiet(); });
    return;
  }
  if (frame.type == NextPart::kType && state_ == State::kFrozen) return give_part(frame);
  if (frame.type == NextFd::kType && state_ == State::kFrozen) return give_fd(frame);
  if (frame.type == Taken::kType && state_ == State::kFrozen) {
    loop_.cancel(deadline_);
    state_ = State::kDecided;
    channel_->reply(frame, Go{});
    return;
  }
  if (frame.type == Serving::kType && state_ == State::kDecided) {
    state_ = State::kOver;
    raw_ = SecretBytes();
    return host_.gone();
  }
  (void)abandon("the new keeper said something out of turn");
}

void HandingOver::look_whether_quiet() {
  if (state_ != State::kResting || !host_.quiet()) return;
  loop_.cancel(looking_);
  freeze();
}

void HandingOver::freeze() {
  state_ = State::kFrozen;
  auto frozen = host_.freeze();
  if (!frozen) return (void)abandon(frozen.error().message);
  raw_ = pack_secret(frozen->process);
  if (raw_.size() > kHandedProcessBytesMax)
    return (void)abandon("there is more state than may be handed over at once");
  fds_ = std::move(frozen->fds);
  log_event("keeper.frozen", {{"bytes", raw_.size()}, {"sockets", fds_.size()}});
  wait(waits_.frozen_ms, "the new keeper did not take over in time");
  auto handed = io::make_frame(Handed{raw_.size(), static_cast<std::uint32_t>(fds_.size())},
                               asked_id_, io::kFrameIsReply);
  channel_->send(std::move(handed));
}

void HandingOver::give_part(const io::Frame& request) {
  const auto next = unpack<NextPart>(request.body);
  if (!next || next->offset > raw_.size()) return (void)abandon("no such part");
  const auto rest = raw_.expose().subspan(static_cast<std::size_t>(next->offset));
  io::Frame part;
  part.type = kPartType;
  part.flags = io::kFrameIsReply;
  part.id = request.id;
  part.body = to_bytes(rest.first(std::min(rest.size(), kPartBytesMax)));
  channel_->send(std::move(part));
}

void HandingOver::give_fd(const io::Frame& request) {
  const auto next = unpack<NextFd>(request.body);
  if (!next || next->index >= fds_.size() || !fds_[next->index].valid())
    return (void)abandon("no such socket");
  auto part = io::make_frame(FdPart{next->index}, request.id, io::kFrameIsReply);
  part.fd = std::move(fds_[next->index]);
  channel_->send(std::move(part));
}

// The new one ------------------------------------------------------------------------------------

TakingOver::TakingOver(io::Fd fd)
    : client_(io::BlockingClient::over(std::move(fd), limits().frame_bytes_max,
                                       keys::ErrorReply::kType)) {}

Result<FrozenProcess> TakingOver::receive() {
  const auto handed = TRY(client_->call<Handed>(TakeOver{}, kAnswerMsMax));
  if (handed.bytes > kHandedProcessBytesMax || handed.fds > 1 + kHandedPeersMax)
    return fail(Errc::kTooLarge, "more than may be handed over at once");
  SecretBytes raw(static_cast<std::size_t>(handed.bytes));
  for (std::size_t at = 0; at < raw.size();) {
    const auto part = TRY(client_->call(io::make_frame(NextPart{at}), kAnswerMsMax));
    if (part.type != kPartType || part.body.empty() || part.body.size() > raw.size() - at)
      return fail(Errc::kMalformed, "a part of the state that does not fit");
    std::copy(part.body.begin(), part.body.end(), raw.expose_mut().begin() + at);
    at += part.body.size();
  }
  FrozenProcess frozen;
  frozen.process = TRY(decode_process(raw.expose()));
  if (handed.fds != 1 + frozen.process.peers.size())
    return fail(Errc::kMalformed, "sockets and peers do not match");
  for (std::uint32_t i = 0; i < handed.fds; ++i) {
    auto part = TRY(client_->call(io::make_frame(NextFd{i}), kAnswerMsMax));
    if (part.type != FdPart::kType || !part.fd.valid())
      return fail(Errc::kMalformed, "a socket that did not come");
    frozen.fds.push_back(std::move(part.fd));
  }
  return frozen;
}

Status TakingOver::confirm() {
  const auto listen = [this](const io::Frame& event) {
    abandoned_ = abandoned_ || event.type == Abandoned::kType;
  };
  const auto go = client_->call(io::make_frame(Taken{}), kConfirmMsMax, listen);
  if (go && go->type == Go::kType) return {};
  if (go) return fail(Errc::kMalformed, "the old keeper answered something else");
  if (go.error().code != Errc::kUnavailable) return tl::unexpected<Error>(go.error());
  // The connection is gone. What the old one said before that can still be read, to its end: only
  // then is it dead without a word, and not merely unread.
  constexpr int kLastWordsMax = 8;
  bool at_end = false;
  for (int i = 0; i < kLastWordsMax && !abandoned_ && !at_end; ++i) {
    const auto last = client_->receive(kLastWordMsMax);
    if (last)
      listen(*last);
    else if (last.error().code == Errc::kUnavailable)
      at_end = true;
    else
      return tl::unexpected<Error>(last.error());
  }
  if (!abandoned_ && !at_end) return fail(Errc::kState, "the old keeper goes on saying things");
  if (abandoned_) return fail(Errc::kState, "the old keeper gave the hand-over up");
  log_event("keeper.old_died", {{"taken_over", true}});
  return {};
}

void TakingOver::serving() { (void)client_->send(io::make_frame(Serving{})); }

void TakingOver::refuse(const std::string& why) {
  (void)client_->send(io::make_frame(Refused{why}));
}

}  // namespace callward::app
