#include "app/signal_process.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "app/sandbox.hpp"
#include "base/event_log.hpp"
#include "base/vfs.hpp"

namespace callward::app {
namespace {

constexpr std::int64_t kSweepMs = 500;  // session timers are minutes
constexpr rlim_t kDescriptorsMax = 65'536;
constexpr std::int64_t kStepMsMax = 1'000;
constexpr std::int64_t kGreetAgainMs = 200;
constexpr std::size_t kNewsUnderWayMax = 64;

bool worth_repeating(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kTimeout || code == Errc::kBusy;
}

}  // namespace

Signal::Signal(io::Loop& loop, Clock& clock, Entropy& entropy, const Config& config)
    : loop_(loop),
      clock_(clock),
      entropy_(entropy),
      config_(config),
      session_config_{
          .own = capture::OwnParties(config.sip.own_numbers, config.sip.own_domains),
          .media_address = config.recorder.media_address,
          .session_expires_s = static_cast<std::uint32_t>(config.sip.session_expires_s)},
      call_backs_(loop, clock, entropy, config, *this) {}

Signal::~Signal() {
  if (recorder_ != nullptr) recorder_->stop();
  calls_.clear();  // their dialogs stand in sip_
}

Status Signal::bind() {
  sip_ = TRY(SipStack::create(
      config_.sip, [this](nta_incoming_t* irq, const sip_t& sip) { on_request(irq, sip); }));
  log_event("signal.listening", {{"udp", config_.sip.udp}, {"tcp", config_.sip.tcp}});
  RealVfs vfs;
  return call_backs_.read_secrets(vfs);
}

Status Signal::start() {
  started_ms_ = now_ms();
  recorder_ = std::make_unique<io::Client>(
      loop_, config_.socket("recorder"),
      io::ChannelLimits{"signal.recorder", store::kRecorderFrameBytesMax, 64u << 20},
      keys::ErrorReply::kType);
  recorder_->start([this] { on_connected(); }, [this] { on_lost(); },
                   [this](io::Frame frame) { on_event(std::move(frame)); });
  loop_.every_ms(kSweepMs, [this] { sweep(); });
  return call_backs_.start();
}

Status Signal::step(std::int64_t wait_ms_max) {
  // SIP waits until the sessions of an earlier process are known again.
  if (!listed_ && now_ms() < started_ms_ + kRestoreWaitMs) {
    TRY(loop_.run_once(std::min<std::int64_t>(wait_ms_max, 50)));
  } else {
    TRY(sip_->step(loop_, wait_ms_max));
  }
  for (const auto serial : std::exchange(ended_, {}))
    if (const auto call = calls_.find(serial); call != calls_.end()) {
      by_key_.erase(call->second->key());
      calls_.erase(call);
    }
  call_backs_.reap();
  return {};
}

Status Signal::run() {
  while (running_) TRY(step(kStepMsMax));
  // What the recorder has not heard is told now, as nobody remembers it after us.
  // Call-backs end with us, as their sound does.
  call_backs_.stop();
  const auto until = now_ms() + kLastNewsMs;
  do {
    tell_missed(true);
    const bool told = !recorder_ready_ || (news_.empty() && news_under_way_ == 0);
    if (told && call_backs_.over()) break;
    TRY(step(kSweepMs / 10));
  } while (now_ms() < until);
  return {};
}

SignalCall* Signal::find(std::uint64_t serial) {
  const auto found = calls_.find(serial);
  return found == calls_.end() ? nullptr : found->second.get();
}

template <class Act>
void Signal::each_call(Act act) {
  std::vector<std::uint64_t> serials;
  serials.reserve(calls_.size());
  for (const auto& [serial, call] : calls_) serials.push_back(serial);
  for (const auto serial : serials)
    if (auto* call = find(serial)) act(*call);
}

void Signal::ended(SignalCall& call) { ended_.push_back(call.serial()); }

void Signal::sweep() {
  const auto now = now_ms();
  each_call([now](SignalCall& call) {
    if (call.due(now)) call.on(capture::event::Tick{});
  });
  call_backs_.tick();
  tell_missed(false);
  send_news();
}

// ---- requests that belong to no dialog ----------------------------------------------------------

void Signal::on_request(nta_incoming_t* irq, const sip_t& sip) {
  const auto method = sip.sip_request->rq_method;
  if (method == sip_method_ack) return ::nta_incoming_destroy(irq);
  if (sip.sip_to->a_tag != nullptr) {  // of a dialog that we don't have
    ++counters_["outside_dialog"];
    return answer(irq, 481);
  }
  switch (method) {
    case sip_method_invite:
      return on_invite(irq, sip);
    case sip_method_options:
      ++counters_["options"];
      return answer(irq, 200);
    case sip_method_bye:
    case sip_method_cancel:
    case sip_method_update:
    case sip_method_prack:
    case sip_method_info:
      ++counters_["outside_dialog"];
      return answer(irq, 481);
    case sip_method_unknown:
    case sip_method_invalid:
      ++counters_["unknown_method"];
      return answer(irq, 501);
    default:
      ++counters_["unknown_method"];
      return answer(irq, 405);
  }
}

void Signal::on_invite(nta_incoming_t* irq, const sip_t& sip) {
  ++counters_["invites"];
  if (!running_ || calls_.size() >= config_.recorder.calls_max + kSessionsSpare) {
    ++sessions_refused_;
    report_missed("overload", 503);
    return answer(irq, 503, capture::kRetryAfterS);
  }
  const auto serial = next_serial_++;
  const auto random = entropy_.array<16>();
  const auto sdp_id = load_le<std::uint64_t>(random.data()) >> 2;  // a positive number (RFC 8866)
  auto& call = calls_[serial];
  call = std::make_unique<SignalCall>(*this, session_config_, serial, to_hex(random),
                                      capture::Session(session_config_, sdp_id));
  by_key_[call->key()] = serial;
  call->first_invite(irq, sip);
}

// ---- the recorder -------------------------------------------------------------------------------

void Signal::on_connected() {
  recorder_->request(
      store::Hello{store::kRecorderProtocolVersion, store::ClientRole::kSignal}, kRecorderTimeoutMs,
      [this](Result<io::Frame> welcome) {
        if (!welcome) {
          log_event("signal.recorder_refused", {{"why", to_string(welcome.error().code)}});
          return greet_again();
        }
        recorder_->request(store::SessionList{}, kRecorderTimeoutMs, [this](Result<io::Frame> r) {
          auto list = r ? unpack<store::Sessions>(r->body) : tl::unexpected(r.error());
          if (list) return on_sessions(*list);
          log_event("signal.no_sessions", {{"why", to_string(list.error().code)}});
          greet_again();
        });
      });
}

// A recorder that is starting says busy.
void Signal::greet_again() {
  loop_.after_ms(kGreetAgainMs, [this] {
    if (recorder_->connected() && !recorder_ready_) on_connected();
  });
}

void Signal::on_sessions(const store::Sessions& sessions) {
  recorder_ready_ = true;
  std::set<CallId> ending;  // in the list only because the recorder has not heard of their end
  for (const auto& news : news_)
    if (const auto* end = std::get_if<store::SessionEnd>(&news)) ending.insert(end->call);
  send_news();
  std::size_t restored = 0;
  for (const auto& saved : sessions.sessions) {
    if (ending.contains(saved.call) || call_backs_.end_of_before(saved)) continue;
    const auto state = unpack<SavedDialog>(saved.dialog.expose());
    if (!state) continue;  // not a session of ours; it ends when its media does
    if (by_key_.contains(state->key)) continue;
    if (!listed_) {
      restore(saved);
      ++restored;
    } else {
      // Opened while the connection broke: its peer was refused, nothing will come.
      end_recording(saved.call, "recorder_lost");
    }
  }
  if (!listed_) log_event("signal.restored", {{"calls", restored}});
  const bool first = !std::exchange(listed_, true);
  if (!first) each_call([](SignalCall& call) { call.on(capture::event::RecorderBack{}); });
  if (!first) call_backs_.recorder_back();
  if (on_ready_) on_ready_();
}

void Signal::restore(const store::Session& saved) {
  const auto serial = next_serial_++;
  auto call = SignalCall::restore(*this, session_config_, serial, saved);
  if (!call) {
    log_event("signal.not_restored",
              {{"call", saved.call.hex()}, {"why", to_string(call.error().code)}});
    return;
  }
  ++counters_["restored"];
  by_key_[(*call)->key()] = serial;
  calls_[serial] = std::move(*call);
}

void Signal::on_lost() {
  if (recorder_ready_) log_event("signal.recorder_lost", {{"calls", calls_.size()}});
  recorder_ready_ = false;
  each_call([](SignalCall& call) { call.on(capture::event::RecorderLost{}); });
  call_backs_.recorder_lost();
}

void Signal::on_event(io::Frame frame) {
  if (frame.type != store::SessionDead::kType) return;
  const auto dead = unpack<store::SessionDead>(frame.body);
  if (!dead) return;
  ++counters_["dead"];
  each_call([&](SignalCall& call) {
    if (call.call() == dead->call) call.on(capture::event::Dead{dead->cause});
  });
  call_backs_.dead(dead->call);
}

void Signal::ask_recorder(io::Frame frame, std::uint64_t serial,
                          std::function<void(SignalCall&, Result<io::Frame>)> on_reply) {
  auto deliver = [this, serial, on_reply = std::move(on_reply)](Result<io::Frame> reply) {
    if (auto* call = find(serial)) on_reply(*call, std::move(reply));
  };
  ask(std::move(frame), std::move(deliver));
}

void Signal::ask(io::Frame frame, std::function<void(Result<io::Frame>)> on_reply) {
  if (recorder_ready_)
    return recorder_->request(std::move(frame), kRecorderTimeoutMs, std::move(on_reply));
  loop_.after_ms(0, [on_reply = std::move(on_reply)] {
    on_reply(fail(Errc::kUnavailable, "the recorder is away"));
  });
}

// A recorder that is away is told with the call, when it is back.
void Signal::tell_telephone(const CallId& call, const std::string& telephone) {
  if (recorder_ready_) (void)recorder_->send(store::SessionTelephone{call, telephone});
}

void Signal::end_recording(const CallId& call, const std::string& cause) {
  ++counters_["ended_" + cause];
  tell(store::SessionEnd{call, cause});
}

void Signal::report_missed(const std::string& cause, std::uint16_t sip_status) {
  ++refused_[cause];
  auto& missed = missed_[{cause, sip_status}];
  if (missed.singly == 0 && missed.beyond == 0) missed.began_ms = now_ms();
  if (missed.singly >= kMissedSinglyMax || missed.beyond > 0 || news_.size() >= kRecorderNewsMax) {
    ++missed.beyond;
    return;
  }
  ++missed.singly;
  log_event("signal.refused", {{"cause", cause}, {"status", sip_status}, {"count", 1}});
  tell(store::CallMissed{cause, sip_status, 1});
}

// What was refused beyond kMissedSinglyMax, once its minute is over.
void Signal::tell_missed(bool at_once) {
  const auto now = now_ms();
  std::erase_if(missed_, [&](auto& item) {
    auto& [key, missed] = item;
    if (!at_once && now - missed.began_ms < kMissedMinuteMs) return false;
    if (missed.beyond > 0) {
      if (news_.size() >= kRecorderNewsMax) return false;  // later: nothing is left uncounted
      log_event("signal.refused",
                {{"cause", key.first}, {"status", key.second}, {"count", missed.beyond}});
      tell(store::CallMissed{key.first, key.second, missed.beyond});
    }
    return true;
  });
}

// Ends and missed calls must reach the log, whatever the recorder is doing now.
void Signal::tell(News news) {
  if (news_.size() >= kRecorderNewsMax) {
    ++news_refused_;
    return;
  }
  news_.push_back(std::move(news));
  send_news();
}

void Signal::send_news() {
  while (recorder_ready_ && !news_.empty() && news_under_way_ < kNewsUnderWayMax) {
    auto news = std::move(news_.front());
    news_.pop_front();
    ++news_under_way_;
    auto frame = std::visit([](const auto& message) { return io::make_frame(message); }, news);
    recorder_->request(std::move(frame), kRecorderTimeoutMs,
                       [this, news = std::move(news)](Result<io::Frame> reply) mutable {
                         news_answered(std::move(news), reply);
                       });
  }
}

void Signal::news_answered(News news, const Result<io::Frame>& reply) {
  --news_under_way_;
  if (reply) return send_news();
  if (!worth_repeating(reply.error().code)) {
    ++news_refused_;
    return log_event("signal.news_refused", {{"why", to_string(reply.error().code)}});
  }
  news_.push_front(
      std::move(news));  // the sweep sends it again; over the bound by what was under way
}

// ---- the process --------------------------------------------------------------------------------

std::string Signal::status_json() const {
  const auto object = [](const std::map<std::string, std::uint64_t>& counts) {
    std::string out = "{";
    for (const auto& [name, count] : counts)
      out += (out.size() > 1 ? "," : "") + json_quote(name) + ":" + std::to_string(count);
    return out + "}";
  };
  const std::size_t bound = config_.recorder.calls_max + kSessionsSpare;
  std::vector<QueueGauge> queues{
      {"signal.sessions", calls_.size(), bound, sessions_refused_},
      {"signal.news", news_.size() + news_under_way_, kRecorderNewsMax, news_refused_}};
  queues.push_back(call_backs_.gauge());
  if (recorder_ != nullptr) queues.push_back(recorder_->gauge());
  if (const auto keeper = call_backs_.keeper_gauge()) queues.push_back(*keeper);
  return "{\"ready\":" + std::string(recorder_ready_ ? "true" : "false") +
         ",\"address\":" + json_quote(address()) +
         ",\"sessions\":" + std::to_string(calls_.size()) +
         ",\"malformed\":" + std::to_string(sip_->malformed()) +
         ",\"call_backs\":" + call_backs_.status_json() + ",\"refused\":" + object(refused_) +
         ",\"counters\":" + object(counters_) + ",\"queues\":" + queues_json(queues) + "}";
}

namespace {

// Each TCP peer has a connection.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kDescriptorsMax);
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

// With `port = 0` the port of an earlier process is taken again if it is free: the peers of
// running sessions know no other.
std::string port_file(const Config& config) { return config.run_dir + "/signal.port"; }

Config with_port_of_before(Vfs& vfs, Config config) {
  if (config.sip.port != 0) return config;
  const auto text = vfs.read_file(port_file(config), 16);
  if (!text) return config;
  const auto port = std::strtoul(std::string(as_text(*text)).c_str(), nullptr, 10);
  if (port < 65'536) config.sip.port = static_cast<std::uint16_t>(port);
  return config;
}

void remember_port(Vfs& vfs, const Config& config, const std::string& address) {
  const auto port = address.substr(address.rfind(':') + 1) + "\n";
  if (const auto ok = vfs.write_file_atomic(port_file(config), as_bytes(port)); !ok)
    log_event("signal.port_not_remembered", {{"why", to_string(ok.error().code)}});
}

}  // namespace

Status run_signal(const ProcessContext& context) {
  SystemClock clock;
  SystemEntropy entropy;
  const auto loop = TRY(io::Loop::create(clock));
  RealVfs vfs;
  auto config = with_port_of_before(vfs, context.config);
  Signal signal(*loop, clock, entropy, config);
  TRY(loop->on_stop_signal([&] { signal.stop(); }));
  raise_descriptor_limit();
  auto bound = signal.bind();
  if (!bound && config.sip.port != context.config.sip.port) {  // taken by somebody else meanwhile
    config.sip.port = 0;
    bound = signal.bind();
  }
  TRY(bound);
  remember_port(vfs, config, signal.address());
  TRY(enter_sandbox(policy_of(context.name, context.config)));
  SupervisorLink link(*loop, context, [&] { return signal.status_json(); });
  signal.set_on_ready([&] { link.beat(); });  // it should not wait a second
  TRY(signal.start());
  return signal.run();
}

}  // namespace callward::app
