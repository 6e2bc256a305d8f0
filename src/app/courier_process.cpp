#include "app/courier_process.hpp"

#include <unistd.h>

#include <algorithm>

#include "app/courier_transport.hpp"
#include "app/sandbox.hpp"
#include "base/event_log.hpp"

namespace callward::app {

using courier::Source;
using keys::DeliveryChannel;

Courier::Courier(Setup setup)
    : setup_(std::move(setup)),
      book_(static_cast<bool>(setup_.mail), static_cast<bool>(setup_.sms)) {}

Courier::~Courier() {
  mail_.reset();  // what they tell now waits in the loop, and finds nobody
  sms_.reset();
  setup_.loop.cancel(timer_);
  setup_.loop.cancel(greet_);
  if (keeper_) keeper_->stop();
}

Status Courier::listen() {
  server_ = TRY(io::ChannelServer::listen(
      setup_.loop, setup_.own_socket, {"courier.out", keys::kCourierFrameBytesMax, 1u << 20},
      [this](std::unique_ptr<io::Channel> channel) { accept(std::move(channel)); }));
  return {};
}

void Courier::start() {
  const auto make = [this](const char* name, const CourierSender::TryOne& try_one,
                           DeliveryChannel channel) -> std::unique_ptr<CourierSender> {
    if (!try_one) return nullptr;
    // The loop outlives us; its tasks run on our thread, and on none once we are gone.
    return std::make_unique<CourierSender>(
        name, try_one, [this, channel](const courier::LetterKey& key, courier::Attempt attempt) {
          CHECK(setup_.loop.post([this, channel, key, attempt = std::move(attempt)] {
            on_tried(channel, key, attempt);
          }));
        });
  };
  mail_ = make("courier.email", setup_.mail, DeliveryChannel::kEmail);
  sms_ = make("courier.sms", setup_.sms, DeliveryChannel::kSms);
  keeper_ = std::make_unique<io::Client>(
      setup_.loop, setup_.keeper_socket,
      io::ChannelLimits{"courier.keeper.out", keys::kKeeperFrameBytesMax, 1u << 20},
      keys::ErrorReply::kType);
  keeper_->start([this] { greet_keeper(); }, [this] { on_keeper_lost(); },
                 [this](io::Frame frame) { on_keeper(frame); });
  timer_ = setup_.loop.every_ms(kTickMs, [this] { tick(); });
}

// ---- who asks -----------------------------------------------------------------------------------

void Courier::greet_keeper() {
  keeper_->request(keys::Hello{keys::kKeeperProtocolVersion, keys::PeerRole::kCourier},
                   kKeeperWaitMs, [this](Result<io::Frame> welcome) {
                     if (welcome) return (void)(keeper_knows_us_ = true);
                     log_event("courier.keeper_refused",
                               {{"why", to_string(welcome.error().code)}});
                     greet_ = setup_.loop.after_ms(kGreetAgainMs, [this] {
                       if (keeper_->connected() && !keeper_knows_us_) greet_keeper();
                     });
                   });
}

// Its letters go on; it asks for each again.
void Courier::on_keeper_lost() {
  keeper_knows_us_ = false;
  std::erase_if(waiters_, [](const auto& item) { return item.second.peer == 0; });
}

void Courier::on_keeper(const io::Frame& frame) {
  if (frame.id == 0) return;
  if (frame.type == keys::Deliver::kType)
    return deliver(Source::kKeeper, 0, frame, unpack<keys::Deliver>(frame.body));
  keeper_->channel()->reply(frame, keys::ErrorReply{Errc::kUnsupported, "unknown message"});
}

void Courier::accept(std::unique_ptr<io::Channel> channel) {
  std::erase_if(peers_, [](const auto& item) { return !item.second.channel->open(); });
  if (channel->peer_uid() != static_cast<int>(::geteuid()) || peers_.size() >= kPeersMax) return;
  const auto id = next_peer_++;
  channel->set_handlers([this, id](io::Frame frame) { on_peer(id, frame); }, [] {});
  peers_[id].channel = std::move(channel);
}

void Courier::on_peer(std::uint64_t id, const io::Frame& frame) {
  auto& peer = peers_.at(id);
  if (frame.id == 0 || (frame.flags & io::kFrameIsReply) != 0) return;
  if (frame.type == keys::Hello::kType) return hello(peer, frame);
  if (!peer.greeted)
    return (void)peer.channel->reply(frame, keys::ErrorReply{Errc::kDenied, "say Hello first"});
  if (frame.type == keys::Remind::kType) return remind(id, frame);
  if (frame.type == keys::Deliver::kType) {
    log_event("courier.peer_refused", {{"says", "deliver"}});
    return (void)peer.channel->reply(
        frame, keys::ErrorReply{Errc::kDenied, "the server has reminders sent, and no text"});
  }
  peer.channel->reply(frame, keys::ErrorReply{Errc::kUnsupported, "unknown message"});
}

void Courier::hello(Peer& peer, const io::Frame& frame) {
  const auto said = unpack<keys::Hello>(frame.body);
  if (!said || said->version != keys::kKeeperProtocolVersion)
    return (void)peer.channel->reply(
        frame, keys::ErrorReply{Errc::kUnsupported, "another version of the protocol"});
  if (said->role != keys::PeerRole::kServer || !setup_.is_server(peer.channel->peer_pid())) {
    log_event("courier.peer_refused", {{"says", static_cast<unsigned>(said->role)}});
    return (void)peer.channel->reply(
        frame, keys::ErrorReply{Errc::kDenied, "this process has another part to play"});
  }
  peer.greeted = true;
  peer.channel->reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
}

io::Channel* Courier::channel_of(std::uint64_t peer) {
  if (peer == 0) return keeper_->connected() ? keeper_->channel() : nullptr;
  const auto at = peers_.find(peer);
  return at == peers_.end() || !at->second.channel->open() ? nullptr : at->second.channel.get();
}

// ---- letters ------------------------------------------------------------------------------------

void Courier::remind(std::uint64_t peer, const io::Frame& frame) {
  auto asked = unpack<keys::Remind>(frame.body);
  const bool alarm = asked && asked->waits == keys::Waits::kBroken;
  if (asked && !(alarm ? alarms_ : reminders_).may(setup_.clock.monotonic_ms())) {
    log_event(alarm ? "courier.too_many_alarms" : "courier.too_many_reminders", {});
    asked = fail(Errc::kFull, "too many reminders this hour");
  }
  deliver(Source::kServer, peer, frame,
          asked ? courier::letter_of(std::move(*asked), setup_.console)
                : Result<keys::Deliver>(tl::unexpected<Error>(asked.error())));
}

void Courier::deliver(Source source, std::uint64_t peer, const io::Frame& frame,
                      Result<keys::Deliver> message) {
  auto* channel = channel_of(peer);
  if (!message)
    return (void)channel->reply(frame,
                                keys::ErrorReply{message.error().code, message.error().message});
  const courier::LetterKey key{source, message->id};
  const auto said =
      book_.add(source, std::move(*message), setup_.clock.monotonic_ms(), setup_.clock.utc_ms());
  if (!said)
    return (void)channel->reply(frame, keys::ErrorReply{said.error().code, said.error().message});
  waiters_[key] = {peer, frame.id};
  if (*said) return ended(**said);
  give_out();
}

void Courier::on_tried(DeliveryChannel channel, const courier::LetterKey& key,
                       const courier::Attempt& attempt) {
  (channel == DeliveryChannel::kSms ? sms_ : mail_)->took_back();
  const auto end = book_.tried(key, attempt, setup_.clock.monotonic_ms());
  if (end)
    ended(*end);
  else
    log_event("courier.later", {{"message", key.id.hex()},
                                {"channel", keys::to_text(channel)},
                                {"reason", attempt.reason}});
  give_out();
}

void Courier::ended(const courier::Book::End& end) {
  log_event("courier.ended", {{"message", end.key.id.hex()},
                              {"channel", keys::to_text(end.channel)},
                              {"for", end.key.source == Source::kKeeper ? "keeper" : "server"},
                              {"outcome", keys::to_text(end.said.outcome)},
                              {"reason", end.said.reason},
                              {"tries", end.tries}});
  const auto waiter = waiters_.find(end.key);
  if (waiter == waiters_.end()) return;
  if (auto* channel = channel_of(waiter->second.peer))
    channel->send(end.said, waiter->second.frame, io::kFrameIsReply);
  waiters_.erase(waiter);
}

void Courier::tick() {
  for (const auto& end : book_.expire(setup_.clock.monotonic_ms())) ended(end);
  give_out();
}

void Courier::give_out() {
  const auto now = setup_.clock.monotonic_ms();
  for (const auto channel : {DeliveryChannel::kEmail, DeliveryChannel::kSms}) {
    auto& sender = channel == DeliveryChannel::kSms ? sms_ : mail_;
    while (sender && sender->has_room()) {
      auto next = book_.take(channel, now);
      if (!next) break;
      sender->give(std::move(*next));
    }
  }
}

std::string Courier::status_json() const {
  const auto of = [this](DeliveryChannel channel) {
    const auto counts = book_.counts(channel);
    const auto number = [](const char* name, std::uint64_t value) {
      return ",\"" + std::string(name) + "\":" + std::to_string(value);
    };
    return "\"" + std::string(keys::to_text(channel)) +
           "\":{\"configured\":" + (book_.configured(channel) ? "true" : "false") +
           number("sent", counts.taken) + number("refused", counts.refused) +
           number("given_up", counts.given_up) + number("waiting", counts.waiting) +
           number("tries", counts.tries) + ",\"failing\":" + json_quote(counts.failing) + "}";
  };
  auto queues = book_.gauges();
  if (keeper_) queues.push_back(keeper_->gauge());
  return std::string("{\"ready\":true,\"keeper\":") + (keeper_knows_us_ ? "true" : "false") + "," +
         of(DeliveryChannel::kEmail) + "," + of(DeliveryChannel::kSms) +
         ",\"queues\":" + queues_json(queues) + "}";
}

Status run_courier(const ProcessContext& context) {
  SystemClock clock;
  RealVfs vfs;
  const auto& config = context.config;
  const auto loop = TRY(io::Loop::create(clock));
  TRY(loop->on_stop_signal([&loop] { loop->stop(); }));
  TRY(CourierTransport::init());
  CourierTransport transport(config.courier, vfs, clock);
  Courier::Setup setup{.loop = *loop,
                       .clock = clock,
                       .keeper_socket = config.socket("keeper"),
                       .own_socket = config.socket("courier"),
                       .is_server =
                           [&config](int pid) {
                             const auto child = child_of_pid(config, pid);
                             return child && *child == "server";
                           },
                       .mail = {},
                       .sms = {},
                       .console = config.server.origin};
  if (config.courier.smtp)
    setup.mail = [&](const courier::Letter& letter, std::int64_t ms_max) {
      return transport.mail(letter, ms_max);
    };
  if (config.courier.sms)
    setup.sms = [&](const courier::Letter& letter, std::int64_t ms_max) {
      return transport.sms(letter, ms_max);
    };
  Courier courier(std::move(setup));
  TRY(courier.listen());
  const auto report = TRY(enter_sandbox(policy_of("courier", config)));
  log_event("courier.sandboxed",
            {{"memory_locked", report.memory_locked}, {"landlock", report.landlock_abi}});
  courier.start();
  SupervisorLink link(*loop, context, [&courier] { return courier.status_json(); });
  auto outcome = loop->run();
  transport.stop();
  return outcome;
}

}  // namespace callward::app
