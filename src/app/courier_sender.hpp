// Threads that try letters, because a try waits on somebody else's machine: some for each channel,
// so that a mail server that hangs holds up no text message. A thread has one letter at a time, and
// whoever gives them gives only as many as there are threads: the queue between is never longer.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/queue.hpp"
#include "courier/book.hpp"

namespace callward::app {

class CourierSender {
 public:
  using TryOne = std::function<courier::Attempt(const courier::Letter&, std::int64_t ms_max)>;
  // Called on a thread of the sender's.
  using OnTried = std::function<void(const courier::LetterKey&, courier::Attempt)>;
  static constexpr std::size_t kThreads = 2;

  CourierSender(std::string name, TryOne try_one, OnTried on_tried);
  // Waits for the tries that run; what was given and not begun is let go.
  ~CourierSender();
  [[nodiscard]] bool has_room() const { return under_way_ < kThreads; }
  void give(courier::Book::Try letter);
  // On the giver's thread, for each OnTried.
  void took_back() { --under_way_; }

 private:
  void run();
  TryOne try_one_;
  OnTried on_tried_;
  SharedQueue<courier::Book::Try> queue_;
  std::size_t under_way_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace callward::app
