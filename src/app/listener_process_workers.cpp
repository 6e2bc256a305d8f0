#include "app/listener_process_workers.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/check.hpp"
#include "base/entropy.hpp"
#include "base/event_log.hpp"
#include "listen/turns.hpp"
#include "listen/worker_protocol.hpp"

namespace callward::app {

namespace {
constexpr std::int64_t kTickMs = 100;
constexpr std::uint32_t kRateHz = 8'000;
constexpr std::uint32_t kWindowMsMin = 15'000;  // the longest turn that is made, with its margins
constexpr std::uint64_t kCheckStream = 0;       // calls' streams have other names

// What a stranger's program says of itself, fit to be shown and logged.
std::string shown(const std::string& text) {
  std::string out;
  for (const char c : text.substr(0, kWorkerTextMax)) out += c >= 0x20 && c < 0x7F ? c : '?';
  return out;
}
}  // namespace

WorkerPool::WorkerPool(io::Loop& loop, Clock& clock, std::vector<std::string> argv, Bytes filter,
                       std::size_t count, WorkerLimits limits, WorkerCheck check)
    : loop_(loop),
      clock_(clock),
      argv_(std::move(argv)),
      filter_(std::move(filter)),
      limits_(limits),
      check_(std::move(check)) {
  CHECK(count > 0);
  workers_.resize(count);
  std::array<std::uint8_t, 8> random{};
  SystemEntropy().fill(random);
  for (auto& worker : workers_) {
    worker.back_off_ms = limits_.back_off_ms;
    worker.same = listen::SameAnswers(std::bit_cast<std::uint64_t>(random));
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::start(OnWorker on_free, OnWorker on_lost) {
  on_free_ = std::move(on_free);
  on_lost_ = std::move(on_lost);
  for (std::size_t i = 0; i < workers_.size(); ++i) start_one(i);
  timer_ = loop_.every_ms(kTickMs, [this] { tick(); });
}

void WorkerPool::stop() {
  if (!*alive_) return;
  *alive_ = false;
  loop_.cancel(timer_);
  for (auto& worker : workers_) {
    worker.channel.reset();
    worker.on_answer = {};
    if (worker.pid > 0) ::kill(worker.pid, SIGKILL), dying_.push_back(worker.pid);
    worker.pid = -1;
    worker.state = State::kDown;
  }
  for (const auto pid : dying_) ::waitpid(pid, nullptr, 0);  // killed: they end at once
  dying_.clear();
}

bool WorkerPool::free(std::size_t index) const {
  return workers_[index].state == State::kFree && workers_[index].checked;
}

std::size_t WorkerPool::ready_count() const {
  return static_cast<std::size_t>(
      std::count_if(workers_.begin(), workers_.end(), [](const auto& w) { return w.checked; }));
}

std::size_t WorkerPool::down_count() const {
  return static_cast<std::size_t>(std::count_if(
      workers_.begin(), workers_.end(), [](const auto& w) { return w.state == State::kDown; }));
}

std::uint64_t WorkerPool::restarts() const {
  std::uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker.restarts;
  return sum;
}

void WorkerPool::start_one(std::size_t index) {
  auto& worker = workers_[index];
  auto started = start_worker(argv_, filter_);
  if (!started) return lose(index, started.error().message);
  worker.pid = started->pid;
  auto channel = io::Channel::create(
      loop_, std::move(started->socket),
      {"listener.worker", listen::kWorkerFrameBytesMax, 2 * listen::kWorkerFrameBytesMax});
  if (!channel) return lose(index, channel.error().message);
  worker.channel = std::move(*channel);
  worker.channel->set_handlers(
      [this, index](io::Frame frame) { on_frame(index, std::move(frame)); },
      [this, index] { lose(index, "it went away"); });
  worker.state = State::kStarting;
  worker.deadline_ms = clock_.monotonic_ms() + limits_.start_ms_max;
}

void WorkerPool::on_hello(std::size_t index, const io::Frame& frame) {
  auto& worker = workers_[index];
  if (frame.type == listen::WorkerError::kType) {  // it says itself why it cannot begin
    const auto error = unpack<listen::WorkerError>(frame.body);
    return lose(index,
                error ? "it cannot begin: " + shown(error->message) : "it does not say what it is");
  }
  const auto hello = unpack<listen::WorkerHello>(frame.body);
  if (frame.type != listen::WorkerHello::kType || !hello)
    return lose(index, "it does not say what it is");
  if (hello->version != listen::kWorkerProtocolVersion || hello->rate_hz != kRateHz ||
      hello->window_ms_max < kWindowMsMin || !hello->vad)
    return lose(index, "it speaks another version, or cannot do what is needed");
  worker.engine = shown(hello->engine + " " + hello->engine_version);
  worker.model = shown(hello->model);
  worker.confined = hello->confined;
  worker.state = State::kFree;
  if (check_.pcm.empty()) return be_ready(index);
  check_voice(index);
}

void WorkerPool::check_voice(std::size_t index) {
  constexpr std::size_t kWindowBytes = 2 * listen::kVadWindowSamples;
  const auto windows = check_.pcm.size() / kWindowBytes;
  listen::VadRequest request{
      .stream = kCheckStream,
      .flags = listen::kVadBegin | listen::kVadEnd,
      .pcm = SecretBytes(ByteView(check_.pcm).first(windows * kWindowBytes))};
  ask(index, io::make_frame(request), limits_.vad_ms_max,
      [this, index, windows](Result<io::Frame> answer) {
        if (!answer && answer.error().code == Errc::kUnavailable) return;  // lost already
        const auto reply = answer && answer->type == listen::VadReply::kType
                               ? unpack<listen::VadReply>(answer->body)
                               : Result<listen::VadReply>(fail(Errc::kMalformed, "no answer"));
        if (!reply || !check_.finds_voice(reply->probabilities, windows))
          return lose(index, "it does not tell the check's speech from silence: a wrong model?");
        check_words(index);
      });
}

void WorkerPool::check_words(std::size_t index) {
  ask(index, io::make_frame(listen::RecogniseRequest{SecretBytes(ByteView(check_.pcm))}),
      limits_.turn_ms_max, [this, index](Result<io::Frame> answer) {
        if (!answer && answer.error().code == Errc::kUnavailable) return;
        const auto reply =
            answer && answer->type == listen::RecogniseReply::kType
                ? unpack<listen::RecogniseReply>(answer->body)
                : Result<listen::RecogniseReply>(fail(Errc::kMalformed, "no answer"));
        if (!reply || !check_.understands(*reply))
          return lose(index, "it does not understand the check's sentence: a wrong model?");
        be_ready(index);
      });
}

void WorkerPool::be_ready(std::size_t index) {
  auto& worker = workers_[index];
  if (worker.checked) return;  // it was only asked again
  worker.checked = true;
  worker.up_since_ms = clock_.monotonic_ms();
  tried_ = true;
  if (ready_count() == workers_.size()) why_.clear();
  log_event("listener.worker_up", {{"worker", index},
                                   {"pid", worker.pid},
                                   {"engine", worker.engine},
                                   {"model", worker.model},
                                   {"checked", !check_.pcm.empty()},
                                   {"confined", worker.confined}});
  if (free(index)) on_free_(index);
}

void WorkerPool::said(std::size_t index, const listen::RecogniseReply& reply) {
  auto& worker = workers_[index];
  ++worker.turns;
  if (worker.same.count(reply.words) < kWorkerSameAnswersMax) return;
  worker.same.forget();
  // Music on hold is like that, too: it is asked what it understands before it hears anybody else.
  if (check_.pcm.empty() || !free(index))
    return lose(index, "it says the same words whatever it hears");
  check_voice(index);
}

void WorkerPool::on_frame(std::size_t index, io::Frame frame) {
  auto& worker = workers_[index];
  if (worker.state == State::kStarting) return on_hello(index, frame);
  if (worker.state != State::kBusy || frame.id != worker.asked)
    return lose(index, "it answers what nobody asked");
  auto done = std::move(worker.on_answer);
  worker.on_answer = {};
  worker.state = State::kFree;
  if (frame.type == listen::WorkerError::kType) {
    // Not with its own code: kUnavailable says that the worker is gone.
    done(fail(Errc::kState, "the recogniser refuses"));
  } else {
    done(std::move(frame));
  }
  if (*alive_ && free(index)) on_free_(index);
}

void WorkerPool::ask(std::size_t index, io::Frame request, std::int64_t timeout_ms,
                     OnAnswer on_answer) {
  auto& worker = workers_[index];
  CHECK(worker.state == State::kFree);
  worker.asked = request.id = next_id_;
  if (++next_id_ == 0) next_id_ = 1;
  worker.state = State::kBusy;
  worker.on_answer = std::move(on_answer);
  worker.deadline_ms = clock_.monotonic_ms() + timeout_ms;
  if (!worker.channel->send(std::move(request))) worker.deadline_ms = 0;  // given up by the tick
}

void WorkerPool::give_up(std::size_t index, const std::string& why) { lose(index, why); }

void WorkerPool::lose(std::size_t index, const std::string& why) {
  auto& worker = workers_[index];
  const auto now = clock_.monotonic_ms();
  log_event("listener.worker_lost", {{"worker", index}, {"pid", worker.pid}, {"why", why}});
  const bool was_up = std::exchange(worker.checked, false);
  if (was_up && now - worker.up_since_ms >= limits_.steady_ms)
    worker.back_off_ms = limits_.back_off_ms;
  if (worker.pid > 0) ::kill(worker.pid, SIGKILL), dying_.push_back(worker.pid);
  worker.pid = -1;
  if (worker.channel != nullptr) {
    worker.channel->close();
    // It may be on the stack: it goes when the loop comes round.
    auto old = std::make_shared<std::unique_ptr<io::Channel>>(std::move(worker.channel));
    loop_.after_ms(0, [old] {});
  }
  worker.state = State::kDown;
  worker.same.forget();
  ++worker.restarts;
  worker.retry_ms = now + worker.back_off_ms;
  worker.back_off_ms = std::min(2 * worker.back_off_ms, limits_.back_off_ms_max);
  tried_ = true;
  why_ = why;
  auto done = std::move(worker.on_answer);
  worker.on_answer = {};
  if (done) done(fail(Errc::kUnavailable, why));
  on_lost_(index);
}

void WorkerPool::reap() {
  std::erase_if(dying_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

void WorkerPool::tick() {
  const auto now = clock_.monotonic_ms();
  reap();
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    auto& worker = workers_[i];
    switch (worker.state) {
      case State::kDown:
        if (now >= worker.retry_ms) start_one(i);
        break;
      case State::kStarting:
        if (now >= worker.deadline_ms) lose(i, "its model was not loaded in time");
        break;
      case State::kBusy:
        if (now >= worker.deadline_ms) lose(i, "it did not answer in time");
        break;
      case State::kFree:
        break;
    }
  }
}

const char* WorkerPool::state_name(State state) {
  switch (state) {
    case State::kDown:
      return "down";
    case State::kStarting:
      return "starting";
    case State::kFree:
      return "idle";
    case State::kBusy:
      return "busy";
  }
  return "";
}

std::string WorkerPool::json() const {
  std::string out = "[";
  for (const auto& worker : workers_) {
    if (out.size() > 1) out += ",";
    const bool checking = !worker.checked && worker.state == State::kBusy;
    out += "{\"pid\":" + std::to_string(worker.pid) + ",\"state\":\"" +
           (checking ? "checking" : state_name(worker.state)) +
           "\",\"restarts\":" + std::to_string(worker.restarts) +
           ",\"turns\":" + std::to_string(worker.turns) +
           ",\"engine\":" + json_quote(worker.engine) + ",\"model\":" + json_quote(worker.model) +
           ",\"confined\":" + (worker.confined ? "true" : "false") + "}";
  }
  return out + "]";
}

}  // namespace callward::app
