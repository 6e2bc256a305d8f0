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
                                  kClosed,   kExpired,      kRevoked,    kConfirmed};
  return std::ranges::find(kStates, state) != kStates.end();
}

// Whoever asks, or rings, has one of these roles.
bool may_ask_or_ring(const people::Chart& chart, const PersonId& person) {
  constexpr std::array kRoles = {Role::kAgent,      Role::kTechnician, Role::kExpert,
                                 Role::kAuthorised, Role::kSupervisor, Role::kOwner};
  return std::ranges::any_of(kRoles, [&](Role role) { return chart.is(person, role); });
}

}  // namespace

void HeardSound::add(const keys::SegmentRange& range) {
  if (range.stream != kCustomerStream || range.end <= range.first) return;
  ranges_.push_back(range);
  ranges_ = join(std::move(ranges_));
}

std::int64_t HeardSound::ms() const {
  return static_cast<std::int64_t>(segments_in(ranges_)) * keys::SegmentRange::kSegmentMs;
}

bool has_part(const people::Chart& chart, const PersonId& person, const Heard& call) {
  if (call.of.has_part(person)) return true;
  if (call.request != nullptr)
    return person == call.request->requester || person == call.request->expert;
  return call.is_call_back && !call.of.is_known() && may_ask_or_ring(chart, person);
}

bool fits(const keys::ReaderScope& scope, const CallId& call, const keys::OpenAsked& asked) {
  if (!scope.is_some()) return true;
  const bool words = asked.purpose == keys::OpenPurpose::kTranscript;
  return scope.call == call && scope.purpose == asked.purpose && !asked.about &&
         (words ? !asked.sound : !asked.derived);
}

Result<Hearing> may_hear(const people::Chart& chart, const PersonId& person, const Heard& call) {
  if (has_part(chart, person, call))
    return fail(Errc::kDenied, "who asked, and who rang, do not hear the call-back");
  if (call.request != nullptr && is_to_be_judged(call.request->state) &&
      answers_for(chart, person, *call.request))
    return Hearing::kCallBack;
  if (chart.is(person, Role::kReviewer)) return Hearing::kReview;
  return fail(Errc::kDenied,
              "reviewers hear calls; a call-back is also heard by who may release or review");
}

}  // namespace callward::disclose
