// The words of requests: those of states, steps, turns and reasons are of formats and the API, and
// are never given anew; who may do what is said in words for a screen.
#include <array>

#include "disclose/request.hpp"

namespace callward::disclose {

using enum EventKind;

const char* to_text(State state) {
  static constexpr std::array kWords = {"requested",     "assigned",    "calling",  "verified",
                                        "half_released", "half_broken", "open",     "closed",
                                        "expired",       "revoked",     "reviewed", "refused",
                                        "lapsed",        "withdrawn",   "confirmed"};
  static_assert(kWords.size() == kStates);
  return kWords.at(static_cast<std::size_t>(state));
}

const char* to_text(EventKind kind) {
  static constexpr std::array kWords = {"assign", "withdraw", "ring",    "no_answer", "pass",
                                        "fail",   "release",  "decline", "break",     "view",
                                        "end",    "revoke",   "review",  "time"};
  static_assert(kWords.size() == kEventKinds);
  return kWords.at(static_cast<std::size_t>(kind));
}

const char* to_text(WhyNot why) {
  static constexpr std::array kWords = {"",
                                        "not_now",
                                        "time_over",
                                        "not_yet",
                                        "system",
                                        "requester",
                                        "its_expert",
                                        "may_not_verify",
                                        "no_try_left",
                                        "authorised",
                                        "stopper",
                                        "superior",
                                        "asked",
                                        "verifies",
                                        "released",
                                        "acted",
                                        "first_lost_role",
                                        "releaser_lost_role",
                                        "verifier_lost_role"};
  static_assert(kWords.size() == kWhyNots);
  return kWords.at(static_cast<std::size_t>(why));
}

const char* to_text(Turn turn) {
  static constexpr std::array kWords = {"", "verify", "release", "review", "window"};
  return kWords.at(static_cast<std::size_t>(turn));
}

std::string_view who_may(EventKind kind) {
  switch (kind) {
    case kAssign:
    case kNoAnswer:
    case kTime:
      return "nobody: the system does it";
    case kWithdraw:
    case kView:
    case kEnd:
      return "the requester";
    case kRing:
    case kPass:
    case kFail:
      return "the expert to whom it was assigned";
    case kRelease:
    case kDecline:
    case kBreak:
      return "an authorised person who did nothing else on this request";
    case kRevoke:
      return "an authorised person, an owner, or a superior of the requester";
    case kReview:
      return "a superior of the requester, or an owner, who did nothing else on this request";
  }
  return "nobody";
}
}  // namespace callward::disclose
