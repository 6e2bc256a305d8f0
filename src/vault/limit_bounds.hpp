// The limits of a disclosure as a list of numbers, and what each may be: one table for the policy's
// file, for what the log states (disclose/limits_json) and for the rule that judges it.
#pragma once

#include <array>
#include <optional>

#include "vault/policy.hpp"

namespace callward::vault {

struct LimitBound {
  const char* key;  // in [disclosure] of a policy
  std::int64_t unit;
  std::int64_t least, most;  // of units
};
inline constexpr std::int64_t kLimitMinuteMs = 60'000, kLimitHourMs = 3'600'000;
// In the order in which the log states them.
inline constexpr std::array kLimitBounds = {LimitBound{"assign_hours", kLimitHourMs, 1, 72},
                                            LimitBound{"ring_hours", kLimitHourMs, 1, 168},
                                            LimitBound{"call_minutes", kLimitMinuteMs, 5, 240},
                                            LimitBound{"release_hours", kLimitHourMs, 1, 72},
                                            LimitBound{"window_minutes", kLimitMinuteMs, 1, 60},
                                            LimitBound{"window_minutes_max", kLimitMinuteMs, 1, 60},
                                            LimitBound{"review_hours", kLimitHourMs, 1, 24},
                                            LimitBound{"call_seconds", 1, 30, 600},
                                            LimitBound{"checks", 1, 2, 5},
                                            LimitBound{"rings", 1, 1, 20},
                                            LimitBound{"number_days", 1, 30, 365},
                                            LimitBound{"fields", 1, 1, 64}};

using LimitNumbers = std::array<std::int64_t, kLimitBounds.size()>;
LimitNumbers numbers_of(const Limits& limits);
// kConfig: beyond the bounds, with the limit's name.
Result<Limits> limits_of(const LimitNumbers& numbers);

}  // namespace callward::vault
