// The event loop of the processes that have no HTTP: epoll, timers, and functions posted by other
// threads. One thread runs it; every callback runs on that thread.
//
// A callback may unwatch any descriptor, cancel any timer, and stop the loop. It must not run it
// again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "io/fd.hpp"

namespace callward::io {

class Loop {
 public:
  using Handler = std::function<void(std::uint32_t epoll_events)>;
  using Task = std::function<void()>;
  using TimerId = std::uint64_t;

  static Result<std::unique_ptr<Loop>> create(Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // EPOLLIN | EPOLLOUT ...; level-triggered. The loop does not own `fd`.
  Status watch(int fd, std::uint32_t events, Handler handler);
  Status modify(int fd, std::uint32_t events);
  void unwatch(int fd);

  TimerId after_ms(std::int64_t delay_ms, Task task);
  TimerId every_ms(std::int64_t period_ms,
                   Task task);  // drifts never: due times are start + n * period
  void cancel(TimerId timer);

  // From any thread; runs on the loop's thread soon. At most kPostedMax wait; false beyond.
  bool post(Task task);
  // Called once after each round of callbacks: the place for a group commit. One only.
  void set_round_end(Task task) { round_end_ = std::move(task); }
  // SIGTERM and SIGINT become a call of `task` (signalfd; blocks them for this thread and later
  // ones).
  Status on_stop_signal(Task task);

  Status run();                               // until stop()
  Status run_once(std::int64_t wait_ms_max);  // one round, for tests and for foreign loops
  void stop() { running_ = false; }
  [[nodiscard]] int poll_fd() const { return epoll_.get(); }
  [[nodiscard]] std::int64_t next_due_ms() const;  // ms until the next timer, -1 without one

  static constexpr std::size_t kPostedMax = 65'536;
  static constexpr int kEventsPerRoundMax = 256;

 private:
  struct Timer {
    TimerId id;
    std::int64_t period_ms;  // 0: once
    Task task;
  };
  explicit Loop(Clock& clock) : clock_(clock) {}
  Status start();
  void run_due();
  void run_posted();

  Clock& clock_;
  Fd epoll_, wake_, signals_;
  bool running_ = false;
  std::unordered_map<int, std::shared_ptr<Handler>> handlers_;
  std::multimap<std::int64_t, Timer> timers_;  // by due time, monotonic ms
  std::unordered_map<TimerId, std::int64_t> timer_due_;
  TimerId next_timer_ = 1;
  Task round_end_;
  std::mutex posted_mutex_;
  std::vector<Task> posted_;
};

}  // namespace callward::io
