#include "vault/limit_bounds.hpp"

namespace callward::vault {

LimitNumbers numbers_of(const Limits& limits) {
  return {limits.assign_ms,
          limits.ring_ms,
          limits.call_ms,
          limits.release_ms,
          limits.window_ms,
          limits.window_ms_max,
          limits.review_ms,
          limits.call_seconds_min,
          std::int64_t{limits.checks_min},
          std::int64_t{limits.rings_max},
          limits.number_days_young,
          static_cast<std::int64_t>(limits.fields_max)};
}

Result<Limits> limits_of(const LimitNumbers& n) {
  for (std::size_t i = 0; i < n.size(); ++i) {
    const auto& bound = kLimitBounds[i];
    if (n[i] < bound.least * bound.unit || n[i] > bound.most * bound.unit)
      return fail(Errc::kConfig, std::string("disclosure.") + bound.key + " must be " +
                                     std::to_string(bound.least) + " to " +
                                     std::to_string(bound.most));
  }
  const Limits limits{.assign_ms = n[0],
                      .ring_ms = n[1],
                      .call_ms = n[2],
                      .release_ms = n[3],
                      .window_ms = n[4],
                      .window_ms_max = n[5],
                      .review_ms = n[6],
                      .call_seconds_min = n[7],
                      .checks_min = static_cast<std::uint32_t>(n[8]),
                      .rings_max = static_cast<std::uint32_t>(n[9]),
                      .number_days_young = n[10],
                      .fields_max = static_cast<std::size_t>(n[11])};
  if (limits.window_ms > limits.window_ms_max)
    return fail(Errc::kConfig, "disclosure.window_minutes is above window_minutes_max");
  return limits;
}

}  // namespace callward::vault
