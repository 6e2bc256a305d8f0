#include "api/events.hpp"

namespace callward::api {

void EventHub::publish(std::string type, std::string data, people::Roles roles,
                       std::set<PersonId> people) {
  const std::lock_guard lock(mutex_);
  events_.push_back({next_++, std::move(type), std::move(data), roles, std::move(people)});
  if (events_.size() > kKeptMax) events_.pop_front();
}

std::vector<Event> EventHub::after(std::uint64_t after) {
  const std::lock_guard lock(mutex_);
  std::vector<Event> out;
  // An id that we do not have any more, or never gave: everything may have changed.
  const auto first = events_.empty() ? next_ : events_.front().id;
  const bool known = after < next_ && after >= first - 1;
  if (!known) {
    out.push_back({first - 1, "system", R"({"reload":true})", 0, {}});
    after = first - 1;
  }
  for (const auto& event : events_)
    if (event.id > after) out.push_back(event);
  return out;
}

std::uint64_t EventHub::last() {
  const std::lock_guard lock(mutex_);
  return next_ - 1;
}

std::shared_ptr<void> EventHub::stream_of(const PersonId& person) {
  const std::lock_guard lock(mutex_);
  auto& count = streams_[person];
  if (count >= kStreamsOfPersonMax) return nullptr;
  ++count;
  return {this, [person](void* hub) {
            auto& self = *static_cast<EventHub*>(hub);
            const std::lock_guard let_go(self.mutex_);
            const auto at = self.streams_.find(person);
            if (--at->second == 0) self.streams_.erase(at);
          }};
}

}  // namespace callward::api
