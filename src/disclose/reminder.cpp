#include "disclose/reminder.hpp"

#include <algorithm>
#include <array>

namespace callward::disclose {
namespace {

using people::Role;
using enum State;

// Everybody of this role whom the table would let do this now.
std::vector<PersonId> who_may_do(const Request& r, Event event, Role role, const World& world) {
  std::vector<PersonId> found;
  for (const auto& [id, member] : world.chart.members()) {
    if (found.size() >= kRemindedMax) break;
    if (!world.chart.is(id, role)) continue;
    event.by = id;
    if (step(r, event, world)) found.push_back(id);
  }
  return found;
}

std::vector<PersonId> owners(const World& world) {
  std::vector<PersonId> found;
  for (const auto& [id, member] : world.chart.members())
    if (found.size() < kRemindedMax && world.chart.is(id, Role::kOwner)) found.push_back(id);
  return found;
}

// For whom it waits in this state.
std::vector<PersonId> waits_for(const Request& r, const World& world) {
  switch (r.state) {
    case kAssigned:
      return may_verify(r, r.expert, world.chart) ? std::vector{r.expert} : std::vector<PersonId>{};
    case kVerified:
      return who_may_do(r, {.kind = EventKind::kRelease, .fields = r.fields}, Role::kAuthorised,
                        world);
    case kHalfReleased:
      return who_may_do(r, {.kind = EventKind::kRelease, .fields = r.released, .window_ms = 1},
                        Role::kAuthorised, world);
    case kHalfBroken:
      return who_may_do(r, {.kind = EventKind::kBreak, .fields = r.released, .window_ms = 1},
                        Role::kAuthorised, world);
    default:
      return {};
  }
}

// The nearest superior who may judge it; else the owners who may.
std::vector<PersonId> reviewers(const Request& r, const World& world, bool overdue) {
  std::vector<PersonId> found;
  const auto may = [&](const PersonId& id) {
    return step(r, {.kind = EventKind::kReview, .by = id}, world).has_value();
  };
  const auto* member = world.chart.find(r.requester);
  for (std::size_t level = 0; level < people::Chart::kLevelsMax && member != nullptr; ++level) {
    const auto superior = member->answers_to;
    if (superior.is_zero()) break;
    if (may(superior)) {
      found.push_back(superior);
      break;
    }
    member = world.chart.find(superior);
  }
  if (found.empty() || overdue)
    for (const auto& owner : owners(world))
      if (may(owner) && std::ranges::find(found, owner) == found.end()) found.push_back(owner);
  return found;
}

Waits what_waits(State state) {
  return state == kAssigned   ? Waits::kCallBack
         : state == kVerified ? Waits::kRelease
                              : Waits::kSecond;
}

bool awaits_review(State state) {
  return state == kClosed || state == kExpired || state == kRevoked;
}

}  // namespace

const char* to_text(Waits waits) {
  static constexpr std::array kWords = {"",       "call_back",      "release", "second",
                                        "review", "review_overdue", "lapses",  "broken"};
  static_assert(kWords.size() == kWaitsMax + 1);
  return kWords.at(static_cast<std::size_t>(waits));
}

std::vector<Reminder> reminders_due(const Request& request, const World& world,
                                    std::int64_t lapse_before_ms) {
  std::vector<Reminder> due;
  const auto end = deadline(request, world.limits);
  const auto remind = [&](Waits waits, const std::vector<PersonId>& people, std::int64_t since,
                          std::int64_t until) {
    for (const auto& id : people) due.push_back({request.id, waits, id, since, until});
  };
  if (const auto broken = request.broken_at; broken != 0 && world.now < broken + kAlarmMs)
    remind(Waits::kBroken, owners(world), broken, 0);
  if (awaits_review(request.state)) {
    remind(Waits::kReview, reviewers(request, world, false), request.since, end);
    if (world.now >= end)
      remind(Waits::kReviewOverdue, reviewers(request, world, true), request.since, end);
    return due;
  }
  auto people = waits_for(request, world);
  if (!people.empty()) remind(what_waits(request.state), people, request.since, end);
  const bool lapses = !people.empty() || request.state == kRequested;
  // Never so early that it comes with the first one.
  const auto before = std::min(lapse_before_ms, (end - request.since) / 4);
  if (!lapses || world.now < end - before || world.now >= end) return due;
  if (std::ranges::find(people, request.requester) == people.end())
    people.push_back(request.requester);
  remind(Waits::kLapses, people, request.since, end);
  return due;
}

}  // namespace callward::disclose
