// Whom a request waits for, and since when: what people outside the console are reminded of. Pure:
// a request, the role chart, the limits and the time give the reminders that are due by now, each
// with what makes it that one, so that whoever sends them sends each once.
//
//   state                    who                                         when
//   assigned                 its expert                                  at once
//   verified                 authorised persons who may release          at once
//   half released            authorised persons who may be the second    at once
//   half broken              those, too; the owners (alarm)              at once
//   open, broken             the owners (alarm)                          at once
//   assigned to half broken  whoever it waits for, and the requester     some time before it lapses
//   closed, expired, revoked the requester's superior, else the owners   at once; when overdue
//
// A reminder says nothing about a customer: a request's id, what it waits for, until when.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "disclose/request.hpp"
#include "keys/courier_protocol.hpp"

namespace callward::disclose {

using keys::kWaitsMax;
using keys::Waits;
const char* to_text(Waits waits);

struct Reminder {
  RequestId request;
  Waits waits{};
  PersonId to;
  std::int64_t since = 0;  // UTC ms: of the step that it is about
  std::int64_t until = 0;  // UTC ms: when that ends; 0: never

  // One reminder is one of these.
  using Key = std::tuple<RequestId, Waits, PersonId, std::int64_t>;
  [[nodiscard]] Key key() const { return {request, waits, to, since}; }
};

inline constexpr std::size_t kRemindedMax = 32;             // persons of one step
inline constexpr std::int64_t kAlarmMs = 7 * 86'400'000ll;  // an alarm that is older is history

// Those that are due by now; of a state that has not been seen before all of it.
std::vector<Reminder> reminders_due(const Request& request, const World& world,
                                    std::int64_t lapse_before_ms);

}  // namespace callward::disclose
