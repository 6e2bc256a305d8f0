#include "app/listener_process.hpp"

#include <algorithm>

#include "app/sandbox.hpp"
#include "base/event_log.hpp"

namespace callward::app {

namespace {

constexpr std::int64_t kTickMs = 100;

io::ChannelLimits recorder_limits() {
  return {"listener.recorder", store::kRecorderFrameBytesMax, 16u << 20};
}
io::ChannelLimits keeper_limits() {
  return {"listener.keeper", keys::kKeeperFrameBytesMax, 64u << 20};
}

}  // namespace

Listener::Listener(io::Loop& loop, Clock& clock, Entropy& entropy, ListenerConfig config,
                   const std::string& run_dir, listen::Grammar grammar, Bytes worker_filter,
                   WorkerLimits worker_limits, WorkerCheck check)
    : loop_(loop),
      clock_(clock),
      entropy_(entropy),
      config_(std::move(config)),
      grammar_(std::move(grammar)),
      pool_(loop, clock, config_.worker_argv, std::move(worker_filter), config_.workers,
            worker_limits, std::move(check)),
      recorder_(loop, run_dir + "/recorder.sock", recorder_limits(), keys::ErrorReply::kType),
      keeper_(loop, run_dir + "/keeper.sock", keeper_limits(), keys::ErrorReply::kType) {}

Listener::~Listener() { stop(); }

void Listener::start() {
  running_ = started_ = true;
  pool_.start([](std::size_t) {}, [this](std::size_t worker) { on_worker_lost(worker); });
  keeper_.start([this] { on_keeper_connected(); }, [this] { on_keeper_lost(); },
                [this](io::Frame frame) { on_keeper_event(std::move(frame)); });
  recorder_.start([this] { on_recorder_connected(); }, [this] { recorder_ready_ = false; },
                  [this](io::Frame frame) { on_recorder_event(std::move(frame)); });
  timer_ = loop_.every_ms(kTickMs, [this] { tick(); });
  loop_.set_round_end([this] { round_end(); });
}

void Listener::stop() {
  if (!started_) return;
  started_ = running_ = false;
  loop_.set_round_end({});
  loop_.cancel(timer_);
  recorder_.stop();
  keeper_.stop();
  pool_.stop();
  calls_.clear();
}

// ---- the recorder -------------------------------------------------------------------------------

void Listener::on_recorder_connected() {
  for (auto& [id, call] : calls_) call->credit_owed = 0;
  recorder_.request(store::Hello{store::kRecorderProtocolVersion, store::ClientRole::kListener},
                    5'000, [this](Result<io::Frame> reply) {
                      recorder_ready_ = reply.has_value();
                      if (!reply)
                        log_event("listener.recorder_refuses", {{"why", reply.error().message}});
                    });
}

void Listener::on_recorder_event(io::Frame frame) {
  switch (frame.type) {
    case store::AudioOpen::kType: {
      const auto open = unpack<store::AudioOpen>(frame.body);
      auto* call = open ? find_or_make(open->call) : nullptr;
      if (call == nullptr) return;
      call->import = open->import;
      call->describe(open->streams, open->first_index == 0, handles_);
      return;
    }
    case store::Audio::kType: {
      auto audio = unpack<store::Audio>(frame.body);
      auto* call = audio ? find_or_make(audio->call) : nullptr;
      if (call == nullptr) return;
      if (call->import) ++call->credit_owed;
      call->live(std::move(*audio), handles_);
      return;
    }
    case store::AudioClose::kType: {
      const auto close = unpack<store::AudioClose>(frame.body);
      auto* call = close ? find_or_make(close->call) : nullptr;
      if (call != nullptr) call->close(close->ends, clock_.monotonic_ms(), handles_);
      return;
    }
    default:
      return;
  }
}

ListenedCall* Listener::find(const CallId& id, std::uint64_t serial) {
  const auto at = calls_.find(id);
  if (at == calls_.end() || at->second->serial() != serial) return nullptr;
  at->second->touched = true;
  return at->second.get();
}

ListenedCall* Listener::find_or_make(const CallId& id) {
  const auto at = calls_.find(id);
  if (at != calls_.end()) {
    at->second->touched = true;
    return at->second.get();
  }
  if (calls_.size() >= kListenedCallsMax) {  // heard later, through the keeper
    ++calls_refused_;
    return nullptr;
  }
  const auto now = clock_.monotonic_ms();
  auto made = std::make_unique<ListenedCall>(id, next_serial_++, grammar_, now, counters_);
  made->unknown_since_ms = now;
  next_poll_ms_ = std::min(next_poll_ms_, now + 500);
  return (calls_[id] = std::move(made)).get();
}

void Listener::drop(const CallId& id) {
  calls_.erase(id);
  next_poll_ms_ = std::min(next_poll_ms_, clock_.monotonic_ms());
}

// ---- what a round of the loop brought -----------------------------------------------------------

void Listener::round_end() {
  if (!running_) return;
  for (std::size_t worker = 0; worker < pool_.size(); ++worker)
    if (pool_.free(worker)) dispatch(worker);
  for (auto& [id, call] : calls_) {
    if (!call->touched) continue;  // the tick touches all
    call->touched = false;
    collect(*call);
    grant_credit(*call);
    hear_again(*call);
  }
}

void Listener::collect(ListenedCall& call) {
  if (!call.placed()) return;
  for (auto& order : call.listener().take_orders()) {
    PendingOrder pending;
    pending.message.order = OrderId::random(entropy_);
    pending.message.call = call.id();
    for (const auto& range : order.ranges)
      pending.message.ranges.push_back({range.stream, range.first, range.end});
    pending.message.reason = listen::reason_of(order.kind);
    pending.message.actor = "listener";
    for (const auto& range : pending.message.ranges) call.forget_derived(range);
    call.orders.push_back(std::move(pending));
    ++orders_sent_;
  }
  send_orders(call);
  send_results(call);
}

void Listener::grant_credit(ListenedCall& call) {
  if (call.credit_owed == 0 || !recorder_ready_ ||
      call.listener().buffered_ms() >= kCreditBelowMs || call.orders.size() >= kOrdersOpenMax)
    return;
  if (recorder_.send(store::AudioCredit{call.id(), call.credit_owed})) call.credit_owed = 0;
}

// ---- recognisers --------------------------------------------------------------------------------

// Urgent first (a question is open), then the oldest. A stream's voice detection stays with the
// worker that holds its state.
void Listener::dispatch(std::size_t worker) {
  ListenedCall* best = nullptr;
  std::optional<std::uint8_t> stream;
  bool best_urgent = false;
  std::int64_t best_due = 0;
  for (auto& [id, call] : calls_) {
    if (call->orders.size() >= kOrdersOpenMax || call->derived.size() >= kDerivedWaitingMax)
      continue;
    const bool urgent = call->listener().urgent();
    const auto offer = [&](std::uint32_t at_ms, std::optional<std::uint8_t> vad) {
      const auto due = call->origin_ms() + at_ms;
      if (best != nullptr && std::pair(!urgent, due) >= std::pair(!best_urgent, best_due)) return;
      best = call.get(), stream = vad, best_urgent = urgent, best_due = due;
    };
    for (const auto& [number, since_ms] : call->listener().vad_waiting()) {
      const auto& holder = call->lines().at(number).worker;
      if (!holder || *holder == worker) offer(since_ms, number);
    }
    if (const auto end_ms = call->listener().turn_waiting_ms()) offer(*end_ms, std::nullopt);
  }
  if (best == nullptr) return;
  if (stream)
    ask_vad(worker, *best, *stream);
  else
    ask_turn(worker, *best);
}

void Listener::ask_vad(std::size_t worker, ListenedCall& call, std::uint8_t stream) {
  auto job = call.listener().take_vad(stream);
  if (!job) return;
  auto& line = call.lines().at(stream);
  line.worker = worker;
  const auto windows = job->pcm.size() / (2 * listen::kVadWindowSamples);
  listen::VadRequest request{
      .stream = line.handle,
      .flags = static_cast<std::uint8_t>((job->begin ? listen::kVadBegin : 0) |
                                         (job->end ? listen::kVadEnd : 0)),
      .pcm = std::move(job->pcm)};
  pool_.ask(worker, io::make_frame(request), pool_.limits().vad_ms_max,
            [this, id = call.id(), serial = call.serial(), stream, worker,
             windows](Result<io::Frame> answer) {
              on_vad(id, serial, stream, worker, windows, std::move(answer));
            });
}

void Listener::on_vad(const CallId& id, std::uint64_t serial, std::uint8_t stream,
                      std::size_t worker, std::size_t windows, Result<io::Frame> answer) {
  auto* call = find(id, serial);
  const auto reply = answer && answer->type == listen::VadReply::kType
                         ? unpack<listen::VadReply>(answer->body)
                         : Result<listen::VadReply>(fail(Errc::kMalformed, "no answer"));
  if (reply && reply->probabilities.size() == windows) {
    if (call != nullptr) call->listener().vad_done(stream, reply->probabilities);
    return;
  }
  if (call != nullptr) {
    call->listener().vad_failed(stream);
    call->lines().at(stream).worker.reset();
  }
  // A worker that cannot tell speech from silence is of no use; a dead one is told already.
  if (answer || answer.error().code != Errc::kUnavailable)
    pool_.give_up(worker, "it does not detect voice as asked");
}

void Listener::ask_turn(std::size_t worker, ListenedCall& call) {
  auto job = call.listener().take_turn();
  if (!job) return;
  const auto length_ms = job->pcm.size() / 16;
  pool_.ask(worker, io::make_frame(listen::RecogniseRequest{std::move(job->pcm)}),
            pool_.limits().turn_ms_max,
            [this, id = call.id(), serial = call.serial(), turn = job->id, worker,
             length_ms](Result<io::Frame> answer) {
              if (answer) recognised_ms_ += length_ms;
              on_turn(id, serial, turn, worker, std::move(answer));
            });
}

void Listener::on_turn(const CallId& id, std::uint64_t serial, std::uint64_t turn,
                       std::size_t worker, Result<io::Frame> answer) {
  auto* call = find(id, serial);
  if (!answer) {  // refused by the engine, or the worker is gone
    ++turns_failed_;
    if (call != nullptr) call->listener().turn_failed(turn);
    return;
  }
  auto reply = answer->type == listen::RecogniseReply::kType
                   ? unpack<listen::RecogniseReply>(answer->body)
                   : Result<listen::RecogniseReply>(fail(Errc::kMalformed, "another type"));
  if (!reply || reply->words.size() > listen::kWorkerWordsMax) {
    ++turns_failed_;
    if (call != nullptr) call->listener().turn_failed(turn);
    return pool_.give_up(worker, "its words do not fit their message");
  }
  ++turns_;
  if (call != nullptr) call->listener().turn_done(turn, *reply);
  pool_.said(worker, *reply);
  for (auto& word : reply->words) wipe(word.text.data(), word.text.size());
}

void Listener::on_worker_lost(std::size_t worker) {
  for (auto& [id, call] : calls_)
    for (auto& [number, line] : call->lines()) {
      if (line.worker != worker) continue;
      line.worker.reset();
      call->listener().vad_failed(number);
    }
}

// ---- status -------------------------------------------------------------------------------------

std::uint32_t Listener::lag_ms() const {
  std::uint32_t lag = 0;
  for (const auto& [id, call] : calls_) lag = std::max(lag, call->lag_ms());
  return lag;
}

std::string Listener::degraded() const {
  if (pool_.tried() && pool_.ready_count() == 0) return "no_recogniser";
  if (!keeper_ready_) return "keeper_away";
  if (!recorder_ready_) return "recorder_away";
  if (lag_ms() > config_.behind_ms_max) return "behind";
  if (pool_.tried() && pool_.down_count() > 0) return "fewer_recognisers";
  return {};
}

std::string Listener::status_json() const {
  std::size_t waiting = 0, open = 0;
  for (const auto& [id, call] : calls_) {
    waiting += call->listener().turns_waiting();
    open += call->orders.size();
  }
  const auto number = [](const char* name, std::uint64_t value) {
    return ",\"" + std::string(name) + "\":" + std::to_string(value);
  };
  std::string out = std::string("{\"ready\":") + (pool_.tried() ? "true" : "false") +
                    ",\"degraded\":" + json_quote(degraded()) + ",\"why\":" +
                    json_quote(pool_.ready_count() < pool_.size() ? pool_.why_lost() : "");
  out += number("lag_ms", lag_ms()) + number("calls", calls_.size()) +
         number("calls_done", calls_done_) + number("calls_refused", calls_refused_) +
         number("turns_waiting", waiting) + number("turns", turns_) +
         number("turns_failed", turns_failed_) + number("turn_seconds", recognised_ms_ / 1'000) +
         number("workers_ready", pool_.ready_count()) + number("workers_down", pool_.down_count());
  out += ",\"orders\":{\"sent\":" + std::to_string(orders_sent_) +
         ",\"open\":" + std::to_string(open) + ",\"erased\":" + std::to_string(orders_erased_) +
         ",\"refused\":" + std::to_string(orders_refused_) + "}";
  std::size_t words = 0, searches = 0;
  for (const auto& [id, call] : calls_) {
    words += call->listener().remembered_words();
    searches += call->listener().searches().size();
  }
  out += ",\"typed\":{\"open\":" + std::to_string(searches) +
         ",\"asked\":" + std::to_string(typed_searches_) +
         ",\"places\":" + std::to_string(typed_places_) + "}";
  out += number("words_forgotten", words_forgotten_);
  out += number("live_dropped", counters_.live_dropped) +
         number("heard_again", counters_.heard_again) + number("missing", counters_.missing) +
         number("bad_payloads", counters_.bad_payloads);
  out += ",\"workers\":" + pool_.json() + ",\"queues\":" +
         queues_json({recorder_.gauge(),
                      keeper_.gauge(),
                      {"listener.words", words, kRememberedWordsMax, words_forgotten_}}) +
         "}";
  return out;
}

// ---- the process --------------------------------------------------------------------------------

Result<listen::Grammar> load_grammar(Vfs& vfs, const std::string& dir) {
  std::map<std::string, std::string> files;
  for (const auto& name : TRY(vfs.list(dir)))
    files[name] =
        std::string(as_text(TRY(vfs.read_file(dir + "/" + name, listen::kLanguageFileBytesMax))));
  return listen::Grammar::parse(files);
}

Status run_listener(const ProcessContext& context) {
  SystemClock clock;
  SystemEntropy entropy;
  RealVfs vfs;
  const auto loop = TRY(io::Loop::create(clock));
  TRY(loop->on_stop_signal([&loop] { loop->stop(); }));
  auto grammar = TRY(load_grammar(vfs, context.config.listener.grammar_dir));
  auto check = TRY(load_check(vfs, context.config.listener.check));
  auto filter = TRY(worker_filter());
  const auto report = TRY(enter_sandbox(policy_of("listener", context.config)));
  log_event("listener.sandboxed",
            {{"memory_locked", report.memory_locked}, {"landlock", report.landlock_abi}});
  Listener listener(*loop, clock, entropy, context.config.listener, context.config.run_dir,
                    std::move(grammar), std::move(filter), {}, std::move(check));
  SupervisorLink link(*loop, context, [&listener] { return listener.status_json(); });
  listener.start();
  auto outcome = loop->run();
  listener.stop();
  return outcome;
}

}  // namespace callward::app
