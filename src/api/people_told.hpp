// What a keeper has in its memory alone, and only the server can say: whose browsers' keys hold,
// and who is on duty. Each keeper that begins is told all of both, and that this was all; what it
// does not take is owed to it until it does.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "base/id.hpp"
#include "base/result.hpp"

namespace callward::api {

struct Service;

struct PeopleOwed {
  static constexpr std::int64_t kAnswerMs = 2'000;  // else the keeper is away

  std::atomic<bool> readers{false}, duty{false};

  // Held while one person's duty changes, here and at the keeper: neither overtakes the other.
  std::mutex changing;
  // At most as many as there are people.
  std::map<PersonId, std::int64_t> on_since;  // UTC ms: when the keeper took that they are
  std::set<PersonId> unsure;  // whom it was told of, and did not answer: told again what holds here
};

// At each connection to the keeper, and when one that took over asks for it.
void owe_people(Service& service);
// On the turn of the thread that listens to the keeper, about every second: tells what is owed.
void tell_people(Service& service);

// Somebody goes on duty, or off it. kDenied, kBusy: as it was. Any other error: the keeper is told
// again what holds here.
Status put_duty(Service& service, const PersonId& person, bool on);
// The keeper's own entry at `at` (UTC ms): it was told of all who are on duty, and not of them.
Status missed_on_duty(Service& service, const PersonId& person, std::int64_t at);

}  // namespace callward::api
