#include "disclose/recordings.hpp"

#include <algorithm>
#include <array>

#include "disclose/parts.hpp"

namespace callward::disclose {

using people::Role;

std::string_view to_text(Hearing right) {
  return right == Hearing::kReview ? "review" : "call_back";
}

namespace {

// The verdict was given, and nobody has closed the matter.
bool is_to_be_judged(State state) {
  using enum State;
  constexpr std::array kStates = {kVerified, kHalfReleased, kHalfBroken, kOpen,
                                  kClosed,   kExpired,      kRevoked};
  return std::ranges::find(kStates, state) != kStates.end();
}

}  // namespace

Result<Hearing> may_hear(const people::Chart& chart, const PersonId& person,
                         const Request* call_back) {
  if (call_back != nullptr && (person == call_back->requester || person == call_back->expert))
    return fail(Errc::kDenied, "who asked, and who rang, do not hear the call-back");
  if (call_back != nullptr && is_to_be_judged(call_back->state) &&
      answers_for(chart, person, *call_back))
    return Hearing::kCallBack;
  if (chart.is(person, Role::kReviewer)) return Hearing::kReview;
  return fail(Errc::kDenied,
              "reviewers hear calls; a call-back is also heard by who may release or review");
}

}  // namespace callward::disclose
