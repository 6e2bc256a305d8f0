#include "disclose/limits_json.hpp"

#include <algorithm>
#include <array>

namespace callward::disclose {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

}  // namespace

boost::json::array limits_to_json(const Limits& limits) {
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

std::optional<Limits> limits_from_json(const boost::json::array& list) {
  constexpr std::size_t kLimits = 12;
  if (list.size() != kLimits) return std::nullopt;
  std::array<std::int64_t, kLimits> n{};
  for (std::size_t i = 0; i < kLimits; ++i) {
    if (!list[i].is_int64() || list[i].get_int64() < 0) return std::nullopt;
    n[i] = list[i].get_int64();
  }
  constexpr std::int64_t kMost = 1'000'000;
  if (n[8] < 2 || n[7] < 30 || n[5] > 3'600'000 || n[4] > n[5] || n[6] > kDayMs ||
      std::max({n[8], n[9], n[11]}) > kMost)
    return std::nullopt;
  return Limits{.assign_ms = n[0],
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
}

}  // namespace callward::disclose
