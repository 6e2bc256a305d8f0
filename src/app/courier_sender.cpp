#include "app/courier_sender.hpp"

#include <chrono>

namespace callward::app {

CourierSender::CourierSender(std::string name, TryOne try_one, OnTried on_tried)
    : try_one_(std::move(try_one)),
      on_tried_(std::move(on_tried)),
      queue_(std::move(name), kThreads) {
  for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { run(); });
}

CourierSender::~CourierSender() {
  queue_.close();
  while (queue_.pop(std::chrono::milliseconds(0))) {
  }
  for (auto& thread : threads_) thread.join();
}

void CourierSender::give(courier::Book::Try letter) {
  CHECK(has_room() && queue_.push(std::move(letter)));
  ++under_way_;
}

void CourierSender::run() {
  for (;;) {
    auto one = queue_.pop(std::chrono::hours(1));
    if (!one) {
      if (queue_.closed()) return;
      continue;
    }
    auto attempt = try_one_(*one->letter, one->ms_max);
    const auto key = one->key;
    one.reset();  // wiped by whoever has it last, before its end is told
    on_tried_(key, std::move(attempt));
  }
}

}  // namespace callward::app
