#include "api/keepers_clock.hpp"

namespace callward::api {

// It was that time at some moment between the question and now: the middle is off by half of that.
bool KeepersClock::told(std::int64_t utc_ms, std::int64_t asked_ms) {
  const auto now = clock_.monotonic_ms();
  const auto took = now - asked_ms;
  if (utc_ms <= 0 || utc_ms > kUtcMsMax || took < 0 || took > kAnswerMsMax) return false;
  const std::lock_guard lock(mutex_);
  told_ = Told{.ahead_ms = utc_ms - (asked_ms + took / 2), .at_ms = now};
  return true;
}

std::int64_t KeepersClock::utc_ms() {
  const auto now = clock_.monotonic_ms();
  const std::lock_guard lock(mutex_);
  if (!told_ || now - told_->at_ms >= kToldForMs) return clock_.utc_ms();
  return now + told_->ahead_ms;
}

std::int64_t KeepersClock::wall_ms(std::int64_t at) {
  return at == 0 ? 0 : at - utc_ms() + clock_.utc_ms();
}

}  // namespace callward::api
