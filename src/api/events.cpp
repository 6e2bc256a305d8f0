#include "api/events.hpp"

namespace callward::api {

void EventHub::publish(std::string type, std::string data) {
  const std::lock_guard lock(mutex_);
  events_.push_back({next_++, std::move(type), std::move(data)});
  if (events_.size() > kKeptMax) events_.pop_front();
}

std::vector<Event> EventHub::after(std::uint64_t after) {
  const std::lock_guard lock(mutex_);
  std::vector<Event> out;
  if (events_.empty() || events_.back().id <= after) {
    // An id from before this process started: everything may have changed.
    if (after >= next_) out.push_back({next_ - 1, "system", R"({"reload":true})"});
    return out;
  }
  if (events_.front().id > after + 1)
    out.push_back({events_.front().id - 1, "system", R"({"reload":true})"});
  for (const auto& event : events_)
    if (event.id > after) out.push_back(event);
  return out;
}

std::uint64_t EventHub::last() {
  const std::lock_guard lock(mutex_);
  return next_ - 1;
}

}  // namespace callward::api
