#include "api/refusals.hpp"

#include "base/event_log.hpp"

namespace callward::api {

const char* to_text(Refused why) {
  static constexpr std::array<const char*, kRefusedKinds> kWords = {
      "sign_in", "no_session", "operator_token", "no_header", "role",     "code_session",
      "denied",  "not_there",  "no_route",       "malformed", "too_many", "tls"};
  return kWords.at(static_cast<std::size_t>(why));
}

Refusals::Refusals(Clock& clock)
    : Refusals(
          clock,
          [](const Refusal& one) {
            log_event("server.refused", {{"why", to_text(one.why)},
                                         {"operation", one.operation},
                                         {"actor", one.actor},
                                         {"address", one.address}});
          },
          [](std::uint64_t untold) { log_event("server.refused_more", {{"count", untold}}); }) {}

void Refusals::note(const Refusal& refusal) {
  const std::lock_guard lock(mutex_);
  ++counts_.at(static_cast<std::size_t>(refusal.why));
  constexpr std::int64_t kMinuteMs = 60'000;
  if (const auto minute = clock_.monotonic_ms() / kMinuteMs; minute != minute_) {
    if (untold_ > 0) tell_more_(untold_);
    minute_ = minute;
    untold_ = 0;
    told_.clear();
  }
  if (refusal.why == Refused::kNoSession) return;
  const auto key = std::string(to_text(refusal.why)) + " " + refusal.operation + " " +
                   refusal.actor + " " + refusal.address;
  if (told_.size() >= kLinesMax || !told_.insert(key).second) {
    ++untold_;
    return;
  }
  tell_one_(refusal);
}

std::array<std::uint64_t, kRefusedKinds> Refusals::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace callward::api
