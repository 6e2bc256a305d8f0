#include "app/signal_callbacks.hpp"

#include <algorithm>

#include "base/event_log.hpp"

namespace callward::app {
namespace {

namespace event = capture::callback_event;

constexpr std::int64_t kGreetAgainMs = 1'000;
constexpr std::size_t kPasswordBytesMax = 1'024;
constexpr std::size_t kLeavingMax = 2 * keys::kDialsMax;

std::string filled(const std::string& text, std::string_view name, std::string_view value) {
  auto out = text;
  const auto at = out.find(name);
  if (at != std::string::npos) out.replace(at, name.size(), value);
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

bool is_e164(std::string_view number) {
  return number.size() >= 8 && number.size() <= keys::kDialNumberBytesMax && number[0] == '+' &&
         std::all_of(number.begin() + 1, number.end(), is_digit);
}

std::string expert_target(const std::string& expert, const std::string& uri_template) {
  if (expert.empty() || expert.size() > keys::kDialExpertBytesMax) return {};
  const bool uri = expert.starts_with("sip:");
  // No header is added, and nothing of the request's line is left (RFC 3261, 19.1).
  const std::string_view marks = uri ? "-_.!~*'():@;=+$&/" : "-_.*+";
  if (!std::all_of(expert.begin(), expert.end(), [&](char c) {
        return is_digit(c) || is_letter(c) || marks.find(c) != std::string_view::npos;
      }))
    return {};
  if (!uri) return filled(uri_template, "{extension}", expert);
  return expert.find('@') == std::string::npos ? std::string() : expert;
}

struct CallBacks::Leaving final : LegOwner {
  void leg_early(capture::Leg, std::string_view) override {}
  void leg_answered(capture::Leg, std::string_view) override {}
  void leg_failed(capture::Leg, std::uint16_t) override {}
  void leg_hung(capture::Leg) override {}
  std::optional<std::string> leg_offered(capture::Leg, std::string_view) override {
    return std::nullopt;
  }
  std::string leg_offer(capture::Leg) override { return {}; }
  void leg_offer_answered(capture::Leg, std::string_view) override {}
  std::unique_ptr<CallLeg> leg;
};

CallBacks::CallBacks(io::Loop& loop, Clock& clock, Entropy& entropy, const Config& config,
                     CallBackRecorder& recorder)
    : loop_(loop), clock_(clock), entropy_(entropy), config_(config), recorder_(recorder) {}

CallBacks::~CallBacks() {
  if (keeper_ != nullptr) keeper_->stop();
  calls_.clear();  // they close their sockets in the relay
}

Status CallBacks::read_secrets(Vfs& vfs) {
  const auto& callback = config_.callback;
  if (callback.user.empty()) return {};
  auto raw = vfs.read_file(callback.password_file, kPasswordBytesMax);
  if (!raw)
    return fail(Errc::kConfig,
                "callback.password_file " + callback.password_file + ": " + raw.error().message);
  const auto end = std::find(raw->begin(), raw->end(), static_cast<std::uint8_t>('\n'));
  SecretBytes password(ByteView(*raw).first(static_cast<std::size_t>(end - raw->begin())));
  wipe(*raw);
  credential_ = TRY(DigestCredential::create(callback.user, callback.realm, std::move(password)));
  return {};
}

Status CallBacks::start() {
  const auto& callback = config_.callback;
  if (!callback.enabled()) return {};
  relay_ = TRY(Relay::create({callback.media_address, callback.rtp_port_first,
                              callback.rtp_port_last, config_.recorder.media_address},
                             entropy_));
  keeper_ = std::make_unique<io::Client>(
      loop_, config_.socket("keeper"),
      io::ChannelLimits{"signal.keeper", keys::kKeeperFrameBytesMax, 1u << 20},
      keys::ErrorReply::kType);
  keeper_->start([this] { on_keeper_connected(); }, [this] { keeper_ready_ = false; },
                 [this](io::Frame frame) { on_keeper_event(std::move(frame)); });
  return {};
}

CallBackCall* CallBacks::find(std::uint64_t serial) {
  const auto found = calls_.find(serial);
  return found == calls_.end() ? nullptr : found->second.get();
}

template <class Act>
void CallBacks::each(Act act) {
  std::vector<std::uint64_t> serials;
  for (const auto& [serial, call] : calls_) serials.push_back(serial);
  for (const auto serial : serials)
    if (auto* call = find(serial)) act(*call);
}

// ---- the keeper ---------------------------------------------------------------------------------

void CallBacks::on_keeper_connected() {
  keeper_->request(keys::Hello{keys::kKeeperProtocolVersion, keys::PeerRole::kSignal},
                   kKeeperHelloTimeoutMs, [this](Result<io::Frame> reply) {
                     const auto welcome =
                         reply ? unpack<keys::Welcome>(reply->body) : tl::unexpected(reply.error());
                     if (!welcome) {
                       log_event("signal.keeper_refused",
                                 {{"why", to_string(welcome.error().code)}});
                       return greet_again();
                     }
                     keeper_ready_ = true;
                     for (const auto& ended : ended_) (void)keeper_->send(ended.progress);
                     each([this](const CallBackCall& call) {
                       if (call.told().state != keys::DialState{} && !call.ended())
                         (void)keeper_->send(call.told());
                     });
                   });
}

// One that is locked, or that does not yet know its supervisor.
void CallBacks::greet_again() {
  loop_.after_ms(kGreetAgainMs, [this] {
    if (keeper_->connected() && !keeper_ready_) on_keeper_connected();
  });
}

void CallBacks::on_keeper_event(io::Frame frame) {
  if (frame.type == keys::Dial::kType) return on_dial(frame);
  if (frame.type != keys::HangUp::kType) return;
  if (const auto order = unpack<keys::HangUp>(frame.body)) on_hang_up(*order);
}

void CallBacks::on_dial(const io::Frame& frame) {
  auto order = unpack<keys::Dial>(frame.body);
  keys::DialTaken taken;
  if (order) {
    taken.dial = order->dial;
    taken.refusal = take(*order);
  } else {
    taken.refusal = keys::DialRefusal::kMalformed;
  }
  if (taken.refusal != keys::DialRefusal::kNone) {
    ++refused_;
    log_event("signal.dial_refused",
              {{"dial", taken.dial.hex()}, {"why", static_cast<unsigned>(taken.refusal)}});
  }
  if (auto* channel = keeper_->channel()) channel->reply(frame, taken);
}

void CallBacks::on_hang_up(const keys::HangUp& order) {
  each([&](CallBackCall& call) {
    if (call.dial() == order.dial) call.on(event::HangUp{});
  });
}

keys::DialRefusal CallBacks::take(keys::Dial& order) {
  using enum keys::DialRefusal;
  const auto& callback = config_.callback;
  const auto number = as_text(order.number.expose());
  const auto expert = expert_target(order.expert, callback.expert_uri);
  if (order.dial.is_zero() || expert.empty() || !is_e164(number) || order.ring_expert_ms == 0 ||
      order.ring_customer_ms == 0 || order.deadline_ms == 0 || order.deadline_ms > keys::kDialMsMax)
    return kMalformed;
  for (const auto& [serial, call] : calls_)
    if (call->dial() == order.dial) return kRuns;
  if (stopping_ || !recorder_.recorder_ready() || !relay_->works()) return kNotRecorded;
  if (calls_.size() >= keys::kDialsMax) return kFull;
  CallBackPlan plan{.dial = order.dial,
                    .times = {order.deadline_ms, order.ring_expert_ms, order.ring_customer_ms},
                    .proxy = callback.proxy,
                    .from = (callback.from_name.empty() ? "" : "\"" + callback.from_name + "\" ") +
                            "<" + callback.from + ">",
                    .expert_target = expert,
                    .customer_target = filled(callback.customer_uri, "{number}", number),
                    .number = std::move(order.number),
                    .codecs = {},
                    .media_address = callback.media_address,
                    .recorder_address = config_.recorder.media_address,
                    .credential = credential_ ? &*credential_ : nullptr};
  for (const auto& codec : callback.codecs) plan.codecs.push_back(codec == "pcma" ? 8 : 0);
  const auto serial = next_serial_++;
  auto& call = calls_[serial];
  call = std::make_unique<CallBackCall>(*this, serial, std::move(plan));
  if (const auto started = call->start(); !started) {
    log_event("signal.dial_no_ports", {{"why", to_string(started.error().code)}});
    calls_.erase(serial);
    return kFull;
  }
  return kNone;
}

void CallBacks::tell_keeper(const keys::DialProgress& progress) {
  if (progress.state == keys::DialState::kEnded) {
    if (ended_.size() >= kEndedDialsKept) {
      ended_.pop_front();
      ++ends_dropped_;
    }
    ended_.push_back({progress, now_ms() + kEndedDialKeptMs});
  }
  if (keeper_ready_) (void)keeper_->send(progress);
}

// ---- the recorder -------------------------------------------------------------------------------

void CallBacks::ask_recorder(io::Frame frame, std::uint64_t serial,
                             std::function<void(CallBackCall&, Result<io::Frame>)> on_reply) {
  recorder_.ask(std::move(frame),
                [this, serial, on_reply = std::move(on_reply)](Result<io::Frame> reply) {
                  if (auto* call = find(serial)) on_reply(*call, std::move(reply));
                });
}

void CallBacks::end_recording(const CallId& call, const std::string& cause) {
  recorder_.end_recording(call, cause);
}

void CallBacks::recorder_lost() {
  each([](CallBackCall& call) { call.on(event::RecorderLost{}); });
}

void CallBacks::recorder_back() {
  each([](CallBackCall& call) { call.on(event::RecorderBack{}); });
}

void CallBacks::dead(const CallId& id) {
  each([&](CallBackCall& call) {
    if (call.call() == id) call.on(event::Dead{});
  });
}

bool CallBacks::end_of_before(const store::Session& saved) {
  const auto raw = saved.dialog.expose();
  if (raw.empty() || raw[0] != kSavedCallBackVersion) return false;
  const auto state = unpack<SavedCallBack>(raw);
  if (!state) return false;
  for (const auto& [serial, call] : calls_)
    if (call->call() == saved.call) return true;  // it runs
  log_event("signal.dial_of_before", {{"dial", state->dial.hex()}, {"legs", state->legs.size()}});
  for (const auto& dialog : state->legs) {
    if (leaving_.size() >= kLeavingMax) break;
    auto leaving = std::make_unique<Leaving>();
    LegPlan plan{.leg = {},
                 .proxy = config_.callback.proxy,
                 .from = {},
                 .target = {},
                 .call_id = dialog.call_id,
                 .credential = credential_ ? &*credential_ : nullptr};
    auto leg = CallLeg::restore(sip(), entropy_, *leaving, std::move(plan), dialog);
    if (!leg) continue;
    leaving->leg = std::move(*leg);
    leaving->leg->bye();
    leaving_.push_back(std::move(leaving));
  }
  end_recording(saved.call, "signal_lost");
  tell_keeper({.dial = state->dial,
               .state = keys::DialState::kEnded,
               .cause = keys::DialCause::kSignalLost,
               .call = saved.call,
               .talked_ms = 0});
  return true;
}

// ---- time ---------------------------------------------------------------------------------------

void CallBacks::tick() {
  const auto now = now_ms();
  each([now](CallBackCall& call) {
    if (call.due(now)) call.on(event::Tick{});
  });
  while (!ended_.empty() && ended_.front().until_ms <= now) ended_.pop_front();
}

void CallBacks::reap() {
  std::erase_if(calls_, [](const auto& item) { return item.second->over(); });
  std::erase_if(leaving_, [](const auto& item) { return item->leg->quiet(); });
}

void CallBacks::stop() {
  stopping_ = true;
  each([](CallBackCall& call) { call.on(event::Stop{}); });
}

std::optional<QueueGauge> CallBacks::keeper_gauge() const {
  return keeper_ == nullptr ? std::nullopt : std::optional(keeper_->gauge());
}

std::string CallBacks::status_json() const {
  if (relay_ == nullptr) return "{\"configured\":false}";
  const auto& counters = relay_->counters();
  const auto n = [](const std::atomic<std::uint64_t>& value) {
    return std::to_string(value.load(std::memory_order_relaxed));
  };
  return "{\"configured\":true,\"running\":" + std::to_string(calls_.size()) +
         ",\"keeper\":" + (keeper_ready_ ? "true" : "false") +
         ",\"relay\":{\"works\":" + (relay_->works() ? "true" : "false") +
         ",\"relayed\":" + n(counters.relayed) + ",\"rtcp\":" + n(counters.rtcp) +
         ",\"shut\":" + n(counters.shut) + ",\"foreign\":" + n(counters.foreign) +
         ",\"malformed\":" + n(counters.malformed) + ",\"not_sent\":" + n(counters.not_sent) +
         ",\"not_copied\":" + n(counters.not_copied) + "}}";
}

}  // namespace callward::app
