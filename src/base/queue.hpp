// Queues with a name and a bound. A full one refuses; what it refused is counted and shown (system
// page).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "base/check.hpp"

namespace callward {

struct QueueGauge {
  std::string name;
  std::uint64_t depth = 0;
  std::uint64_t bound = 0;
  std::uint64_t refused = 0;  // since start
};

// For one thread.
template <class T>
class BoundedQueue {
 public:
  BoundedQueue(std::string name, std::size_t bound) : name_(std::move(name)), bound_(bound) {
    CHECK(bound > 0);
  }
  [[nodiscard]] bool push(T item) {
    if (items_.size() >= bound_) {
      ++refused_;
      return false;
    }
    items_.push_back(std::move(item));
    return true;
  }
  std::optional<T> pop() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }
  T& front() { return items_.front(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] QueueGauge gauge() const { return {name_, items_.size(), bound_, refused_}; }

 private:
  std::string name_;
  std::size_t bound_;
  std::uint64_t refused_ = 0;
  std::deque<T> items_;
};

// Between threads; `close` wakes every waiter and lets what is queued be drained.
template <class T>
class SharedQueue {
 public:
  SharedQueue(std::string name, std::size_t bound) : queue_(std::move(name), bound) {}
  [[nodiscard]] bool push(T item) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || !queue_.push(std::move(item))) return false;
    }
    ready_.notify_one();
    return true;
  }
  // Waits at most `wait`; nothing when that passed, or when closed and drained.
  std::optional<T> pop(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, wait, [this] { return closed_ || !queue_.empty(); });
    return queue_.pop();
  }
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }
  [[nodiscard]] bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  [[nodiscard]] QueueGauge gauge() const {
    const std::lock_guard lock(mutex_);
    return queue_.gauge();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  BoundedQueue<T> queue_;
  bool closed_ = false;
};

}  // namespace callward
