#include "quality/wilson.hpp"

#include <algorithm>
#include <cmath>

namespace callward::quality {

Interval wilson95(std::uint64_t count, std::uint64_t of) {
  if (of == 0) return {};
  const auto n = static_cast<double>(of);
  const auto p = static_cast<double>(std::min(count, of)) / n;
  const auto z2 = kZ95 * kZ95;
  const auto middle = (p + z2 / (2 * n)) / (1 + z2 / n);
  const auto half = kZ95 / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  // At the ends it is exactly 0 or 1; a rounding must not say otherwise.
  return {count == 0 ? 0 : std::max(0.0, middle - half),
          count >= of ? 1 : std::min(1.0, middle + half)};
}

}  // namespace callward::quality
