#include "api/in_hand.hpp"

#include <algorithm>

namespace callward::api {

void InHand::note(const PersonId& person, const CustomerId& customer, std::int64_t now_ms) {
  const std::scoped_lock lock(mutex_);
  if (people_.size() >= kPeopleMax && !people_.contains(person))
    people_.erase(std::ranges::min_element(people_, {},
                                           [](const auto& item) { return item.second.back().at; }));
  auto& held = people_[person];
  std::erase_if(held, [&](const Held& one) { return one.customer == customer; });
  held.push_back({customer, now_ms});
  if (held.size() > kOfPersonMax) held.pop_front();
}

bool InHand::has(const PersonId& person, const CustomerId& customer, std::int64_t now_ms) const {
  const std::scoped_lock lock(mutex_);
  const auto held = people_.find(person);
  return held != people_.end() && std::ranges::any_of(held->second, [&](const Held& one) {
           return one.customer == customer && now_ms - one.at < kKeptMs;
         });
}

}  // namespace callward::api
