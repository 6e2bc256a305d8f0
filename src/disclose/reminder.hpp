// Who is told of a request by e-mail: whom it waits for, and what became of it. Pure: a request,
// the role chart, the limits, who is on duty and the time give the reminders that are due by now,
// each with what makes it that one, so that whoever sends them sends each once.
//
// Whom a step tells is the table's word (request.hpp, Action; docs/disclosure.md), at once:
//
//   kTellExpert      its expert, while it waits for the call-back; while that one is not there, nor
//                    anybody who may take it instead, those of kFindExpert
//   kTellAuthorised  those who may release it, or be the second, while it waits for them; where
//                    there is none the owners
//   kTellRequester   the requester: open or confirmed, while it is; declined, not verified, lapsed
//                    or revoked, for a day
//   kTellManager     the nearest superior of the requester who may review it, else the owners,
//                    until it is reviewed; of what its expert refused, one who had no part in it,
//                    for a day
//   kAlarmOwner      the owners, whatever comes of it
//   kFindExpert      nobody, if an expert on duty takes it; else the experts who may, but are not
//                    on duty, and where there is none of those the owners
//
// Besides, by time alone: some time before it lapses whoever it waits for, and the requester; when
// a review is overdue the owners, too.
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
inline constexpr std::int64_t kNewsMs = 86'400'000ll;       // and so is what became of a request

struct Rota {
  const std::vector<PersonId>& on_duty;  // as the server knows it
  std::int64_t lapse_before_ms = 0;
};

// It waits for a call-back, and none of those on duty may make it, who has it included: it waits
// for an expert to come on duty.
bool lacks_expert(const Request& request, const people::Chart& chart,
                  const std::vector<PersonId>& on_duty);
// It waits for a release, or for the second of two, and no authorised person may give it.
bool lacks_releaser(const Request& request, const World& world);

// Those that are due by now; of a state that has not been seen before all of it.
std::vector<Reminder> reminders_due(const Request& request, const World& world, const Rota& rota);

}  // namespace callward::disclose
