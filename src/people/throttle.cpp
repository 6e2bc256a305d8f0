#include "people/throttle.hpp"

#include <algorithm>

namespace callward::people {

Status Throttle::check(const std::string& key) const {
  const auto found = failures_.find(key);
  if (found == failures_.end()) return {};
  const auto wait = found->second.not_before_ms - clock_.monotonic_ms();
  if (wait <= 0) return {};
  return fail(Errc::kBusy, "too many tries; wait " + std::to_string((wait + 999) / 1'000) + " s");
}

void Throttle::count(const std::string& key) {
  if (failures_.size() >= kKeysMax) failures_.clear();
  auto& failures = failures_[key];
  constexpr std::uint32_t kFree = 2;
  const auto now = clock_.monotonic_ms();
  // Old failures are forgotten: else the rare mistakes of all who share an address would add up.
  if (failures.count > 0 && now - failures.not_before_ms > kForgottenMs) failures.count = 0;
  ++failures.count;
  const auto doublings = failures.count > kFree ? std::min(failures.count - kFree, 9u) : 0;
  const auto wait = doublings == 0 ? 0 : std::min<std::int64_t>(kWaitMsMax, 1'000ll << doublings);
  failures.not_before_ms = now + wait;
}

Status Throttle::may_try(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return check(key);
}

Status Throttle::begin_try(const std::string& key) {
  const std::lock_guard lock(mutex_);
  TRY(check(key));
  count(key);
  return {};
}

void Throttle::failed(const std::string& key) {
  const std::lock_guard lock(mutex_);
  count(key);
}

void Throttle::passed(const std::string& key) {
  const std::lock_guard lock(mutex_);
  failures_.erase(key);
}

}  // namespace callward::people
