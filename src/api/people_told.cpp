#include "api/people_told.hpp"

#include <algorithm>

#include "api/service.hpp"
#include "base/event_log.hpp"

namespace callward::api {
namespace {

constexpr auto kAnswerMs = PeopleOwed::kAnswerMs;

bool is_away(const Error& error) {
  return error.code == Errc::kUnavailable || error.code == Errc::kTimeout;
}
// Of what was asked, not of when: the same again is refused again.
bool is_refused(const Error& error) {
  return error.code == Errc::kDenied || error.code == Errc::kMalformed ||
         error.code == Errc::kUnsupported || error.code == Errc::kNotFound;
}

bool told_all(Service& service, const keys::PeopleTold& what) {
  const auto told = service.keeper.call<keys::Ack>(what, kAnswerMs);
  // A keeper of before does not ask for it.
  return told || told.error().code == Errc::kUnsupported;
}

// Whether there is none that it was not told of.
bool tell_readers(Service& service) {
  const auto living = service.people.readers(true);
  if (!living) {
    log_event("server.readers", {{"why", living.error().message}});
    return false;
  }
  bool all = true;
  for (const auto& reader : *living) {
    // What a command line has asked for is over before long: it asks again.
    if (!reader.call.is_zero()) continue;
    const auto put = service.keeper.call<keys::Ack>(reader_put(reader), kAnswerMs);
    if (put) continue;
    // A session whose key the keeper does not take reads nothing: better that it says so.
    if (is_refused(put.error())) {
      log_event("server.reader_refused",
                {{"person", reader.person.hex()}, {"why", put.error().message}});
      (void)service.people.end_session(reader.session, reader.person);
      continue;
    }
    all = false;
    if (is_away(put.error())) break;
  }
  return all && told_all(service, {.readers = true, .duty = false});
}

// Under `changing`, as both tables stand.
Status settle_duty(Service& service, const PersonId& person, bool on) {
  auto& owed = service.people_owed;
  TRY(service.people.set_duty(person, on));
  owed.unsure.erase(person);
  if (on)
    owed.on_since[person] = service.clock.utc_ms();
  else
    owed.on_since.erase(person);
  service.lacking_owed = true;
  return {};
}

Status tell_one(Service& service, const PersonId& person) {
  auto& owed = service.people_owed;
  const std::lock_guard lock(owed.changing);
  const auto all = TRY(service.people.on_duty());
  const bool on = std::ranges::find(all, person) != all.end();
  if (!on && !owed.unsure.contains(person)) return {};  // gone off meanwhile, and said so
  const auto put = service.keeper.call<keys::Ack>(keys::DutyPut{person, on}, kAnswerMs);
  if (put) {
    if (on) owed.on_since[person] = service.clock.utc_ms();
    owed.unsure.erase(person);
    return {};
  }
  if (is_refused(put.error())) return settle_duty(service, person, false);
  return tl::unexpected<Error>(put.error());
}

bool tell_duty(Service& service) {
  const auto on_duty = service.people.on_duty();
  if (!on_duty) {
    log_event("server.duty", {{"why", on_duty.error().message}});
    return false;
  }
  std::set<PersonId> all(on_duty->begin(), on_duty->end());
  {
    const std::lock_guard lock(service.people_owed.changing);
    all.insert(service.people_owed.unsure.begin(), service.people_owed.unsure.end());
  }
  bool told = true;
  for (const auto& person : all) {
    const auto one = tell_one(service, person);
    if (one) continue;
    told = false;
    if (is_away(one.error())) break;
  }
  return told && told_all(service, {.readers = false, .duty = true});
}

}  // namespace

void owe_people(Service& service) {
  service.people_owed.readers = true;
  service.people_owed.duty = true;
}

// Each for itself: what goes wrong with one of them keeps the other from nothing.
void tell_people(Service& service) {
  auto& owed = service.people_owed;
  if (owed.duty.exchange(false) && !tell_duty(service)) owed.duty = true;
  if (owed.readers.exchange(false) && !tell_readers(service)) owed.readers = true;
}

Status put_duty(Service& service, const PersonId& person, bool on) {
  auto& owed = service.people_owed;
  const std::lock_guard lock(owed.changing);
  const auto put = service.keeper.call<keys::Ack>(keys::DutyPut{person, on}, kAnswerMs);
  if (!put && (is_refused(put.error()) || put.error().code == Errc::kBusy))
    return tl::unexpected<Error>(put.error());
  auto settled =
      put ? settle_duty(service, person, on) : Status(tl::unexpected<Error>(put.error()));
  if (settled) return settled;
  owed.unsure.insert(person);
  owed.duty = true;
  return settled;
}

Status missed_on_duty(Service& service, const PersonId& person, std::int64_t at) {
  auto& owed = service.people_owed;
  const std::lock_guard lock(owed.changing);
  // Who came on duty since is there. Both times are of this machine's wall clock, by which entries
  // are dated; one that was set in between makes them differ until duty changes, or is told, again.
  if (const auto since = owed.on_since.find(person);
      since != owed.on_since.end() && since->second >= at)
    return {};
  const auto all = TRY(service.people.on_duty());
  if (std::ranges::find(all, person) == all.end()) return {};
  log_event("server.missed_on_duty", {{"person", person.hex()}});
  return settle_duty(service, person, false);
}

}  // namespace callward::api
