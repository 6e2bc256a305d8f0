// The recogniser workers of the listener: started, asked one thing at a time, started again with
// back-off when one dies, stalls or talks nonsense.
//
// INVARIANTS
//   (1) Every job that was given ends once: with the worker's answer, or with an error.
//   (2) A worker that was given up is killed and reaped; its voice detection states are gone, and
//   `on_lost` says so before it is asked again.
//   (3) Nobody's call is given to a worker that has not understood the check (worker_check.hpp).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/recogniser_worker.hpp"
#include "app/worker_check.hpp"
#include "base/clock.hpp"
#include "io/frame.hpp"
#include "io/loop.hpp"

namespace callward::app {

inline constexpr std::size_t kWorkerTextMax = 120;  // of what a worker says of itself, shown
// The same words of so many turns in a row, whosever they are: it is checked again.
inline constexpr std::uint32_t kWorkerSameAnswersMax = 12;

struct WorkerLimits {
  std::int64_t start_ms_max = 60'000;  // its model is read from a cold disk
  std::int64_t vad_ms_max = 15'000;
  std::int64_t turn_ms_max = 30'000;
  std::int64_t back_off_ms = 500, back_off_ms_max = 30'000;
  std::int64_t steady_ms = 60'000;  // lived so long: back-off begins anew
};

class WorkerPool {
 public:
  using OnAnswer = std::function<void(Result<io::Frame>)>;
  // `on_free`: this worker can be asked. `on_lost`: it died.
  using OnWorker = std::function<void(std::size_t worker)>;

  WorkerPool(io::Loop& loop, Clock& clock, std::vector<std::string> argv, Bytes filter,
             std::size_t count, WorkerLimits limits = {}, WorkerCheck check = {});
  ~WorkerPool();
  void start(OnWorker on_free, OnWorker on_lost);
  void stop();

  [[nodiscard]] std::size_t size() const { return workers_.size(); }
  [[nodiscard]] const WorkerLimits& limits() const { return limits_; }
  [[nodiscard]] bool free(std::size_t worker) const;
  [[nodiscard]] std::size_t ready_count() const;  // passed the check and live
  [[nodiscard]] std::size_t down_count() const;   // ended or given up, not yet started again
  // One of all the starts has succeeded or failed: what we say of readiness means something.
  [[nodiscard]] bool tried() const { return tried_; }
  // Why the last one was lost; empty once all are there.
  [[nodiscard]] std::string why_lost() const { return why_; }
  // Only a free worker may be asked.
  void ask(std::size_t worker, io::Frame request, std::int64_t timeout_ms, OnAnswer on_answer);
  // `on_answer` with an error, and the worker is started anew: its answer was impossible.
  void give_up(std::size_t worker, const std::string& why);
  // What it said of a turn: one that says the same of every turn is checked, or given up.
  void said(std::size_t worker, const listen::RecogniseReply& reply);

  [[nodiscard]] std::string json() const;
  [[nodiscard]] std::uint64_t restarts() const;

 private:
  enum class State : std::uint8_t { kDown, kStarting, kFree, kBusy };
  struct Worker {
    State state = State::kDown;
    pid_t pid = -1;
    std::unique_ptr<io::Channel> channel;
    std::uint32_t asked = 0;  // id of the request that is out
    OnAnswer on_answer;
    std::int64_t deadline_ms = 0;  // of start or answer
    std::int64_t up_since_ms = 0;
    std::int64_t retry_ms = 0, back_off_ms = 0;
    std::uint64_t restarts = 0, turns = 0;
    bool checked = false;  // since it was started
    listen::SameAnswers same;
    bool confined = false;
    std::string engine, model;
  };
  static const char* state_name(State state);
  void start_one(std::size_t index);
  void on_frame(std::size_t index, io::Frame frame);
  void on_hello(std::size_t index, const io::Frame& frame);
  void check_voice(std::size_t index);
  void check_words(std::size_t index);
  void be_ready(std::size_t index);
  void lose(std::size_t index, const std::string& why);
  void reap();
  void tick();

  io::Loop& loop_;
  Clock& clock_;
  std::vector<std::string> argv_;
  Bytes filter_;
  WorkerLimits limits_;
  WorkerCheck check_;
  std::vector<Worker> workers_;
  std::vector<pid_t> dying_;
  OnWorker on_free_, on_lost_;
  io::Loop::TimerId timer_ = 0;
  std::uint32_t next_id_ = 1;
  bool tried_ = false;
  std::string why_ = "starting";
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace callward::app
