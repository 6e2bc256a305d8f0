// What happened, for live screens: a bounded ring of the last events, read by any number of
// streams.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "people/roles.hpp"

namespace callward::api {

struct Event {
  std::uint64_t id = 0;
  std::string type;  // "call", "order", "system", "live_call", "request"
  std::string data;  // one line of JSON
  // Who is told: whoever has one of the roles, and these people. Both empty: everybody.
  people::Roles roles = 0;
  std::set<PersonId> people;
  [[nodiscard]] bool tells(people::Roles has, const PersonId& person) const {
    return (roles == 0 && people.empty()) || (roles & has) != 0 || people.contains(person);
  }
};
// Of calls and orders: those who may list them.
inline constexpr people::Roles kCallEventRoles = people::bit(people::Role::kReviewer) |
                                                 people::bit(people::Role::kOwner) |
                                                 people::bit(people::Role::kOperator);

class EventHub {
 public:
  static constexpr std::size_t kKeptMax = 2'000;
  // Ids go on over restarts when `first_id` is beyond all that an earlier process gave: so a reader
  // that comes back with an old id is told to load anew, and never takes new events for its own
  // old ones.
  explicit EventHub(std::uint64_t first_id = 1) : next_(first_id) {}
  void publish(std::string type, std::string data, people::Roles roles = 0,
               std::set<PersonId> people = {});
  // Events behind `after`, oldest first. A reader that fell out of the ring gets what is left,
  // after an event "system" that tells it to load anew.
  std::vector<Event> after(std::uint64_t after);
  std::uint64_t last();

  // One more stream of this person (all operators are one), until it is let go of; nothing: they
  // have as many as one may have, so that nobody takes everybody's. The hub outlives it.
  static constexpr std::size_t kStreamsOfPersonMax = 32;
  std::shared_ptr<void> stream_of(const PersonId& person);

 private:
  std::mutex mutex_;
  std::map<PersonId, std::size_t> streams_;
  std::deque<Event> events_;
  std::uint64_t next_;
};

}  // namespace callward::api
