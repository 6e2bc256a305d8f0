#include "io/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "base/check.hpp"

namespace callward::io {

void Fd::reset() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<std::unique_ptr<Loop>> Loop::create(Clock& clock) {
  std::unique_ptr<Loop> loop(new Loop(clock));
  TRY(loop->start());
  return loop;
}

Loop::~Loop() = default;

Status Loop::start() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail_errno("epoll_create1");
  wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return fail_errno("eventfd");
  return watch(wake_.get(), EPOLLIN, [this](std::uint32_t) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto n = ::read(wake_.get(), &count, sizeof count);
    run_posted();
  });
}

Status Loop::watch(int fd, std::uint32_t events, Handler handler) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
  handlers_[fd] = std::make_shared<Handler>(std::move(handler));
  return {};
}

Status Loop::modify(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) return fail_errno("epoll_ctl");
  return {};
}

void Loop::unwatch(int fd) {
  if (handlers_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::after_ms(std::int64_t delay_ms, Task task) {
  const auto due = clock_.monotonic_ms() + std::max<std::int64_t>(0, delay_ms);
  const auto id = next_timer_++;
  timers_.emplace(due, Timer{id, 0, std::move(task)});
  timer_due_[id] = due;
  return id;
}

Loop::TimerId Loop::every_ms(std::int64_t period_ms, Task task) {
  CHECK(period_ms > 0);
  const auto due = clock_.monotonic_ms() + period_ms;
  const auto id = next_timer_++;
  timers_.emplace(due, Timer{id, period_ms, std::move(task)});
  timer_due_[id] = due;
  return id;
}

void Loop::cancel(TimerId timer) {
  const auto known = timer_due_.find(timer);
  if (known == timer_due_.end()) return;
  const auto [begin, end] = timers_.equal_range(known->second);
  for (auto at = begin; at != end; ++at) {
    if (at->second.id != timer) continue;
    timers_.erase(at);
    break;
  }
  timer_due_.erase(known);
}

bool Loop::post(Task task) {
  {
    const std::lock_guard lock(posted_mutex_);
    if (posted_.size() >= kPostedMax) return false;
    posted_.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(wake_.get(), &one, sizeof one);
  return true;
}

void Loop::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(posted_mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

Status Loop::on_stop_signal(Task task) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno("pthread_sigmask");
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return fail_errno("signalfd");
  return watch(signals_.get(), EPOLLIN, [this, task = std::move(task)](std::uint32_t) {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) task();
  });
}

std::int64_t Loop::next_due_ms() const {
  if (timers_.empty()) return -1;
  return std::max<std::int64_t>(0, timers_.begin()->first - clock_.monotonic_ms());
}

void Loop::run_due() {
  const auto now = clock_.monotonic_ms();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto node = timers_.extract(timers_.begin());
    const auto id = node.mapped().id;
    if (node.mapped().period_ms == 0) {
      timer_due_.erase(id);
      node.mapped().task();
      continue;
    }
    // The next due time is set before the task runs, so that the task may cancel its own timer.
    // Rounds that were missed (a stopped machine) are skipped, not made up.
    const auto period = node.mapped().period_ms;
    auto due = node.key() + period;
    if (due <= now) due += (now - due) / period * period + period;
    auto task = node.mapped().task;
    node.key() = due;
    timer_due_[id] = due;
    timers_.insert(std::move(node));
    task();
  }
}

Status Loop::run_once(std::int64_t wait_ms_max) {
  auto wait = next_due_ms();
  if (wait < 0 || wait > wait_ms_max) wait = wait_ms_max;
  std::array<epoll_event, kEventsPerRoundMax> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerRoundMax,
                                 static_cast<int>(std::min<std::int64_t>(wait, 60'000)));
  if (count < 0 && errno != EINTR) return fail_errno("epoll_wait");
  for (int i = 0; i < count; ++i) {
    const auto found = handlers_.find(events[static_cast<std::size_t>(i)].data.fd);
    if (found == handlers_.end()) continue;  // unwatched by an earlier callback of this round
    const auto handler = found->second;      // keeps it alive if it unwatches itself
    (*handler)(events[static_cast<std::size_t>(i)].events);
  }
  run_due();
  if (round_end_) round_end_();
  return {};
}

Status Loop::run() {
  running_ = true;
  while (running_) TRY(run_once(60'000));
  return {};
}

}  // namespace callward::io
