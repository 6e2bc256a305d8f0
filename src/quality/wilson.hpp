// How far a share may be from what was counted: the score interval of E. B. Wilson ("Probable
// inference, the law of succession, and statistical inference", Journal of the American Statistical
// Association 22, 1927), at 95 %. Unlike the plain one it says something of none and of all, too.
#pragma once

#include <cstdint>

namespace callward::quality {

inline constexpr double kZ95 = 1.959963984540054;  // of the normal distribution, both sides

struct Interval {
  double low = 0, high = 1;
};
// Of `count` among `of`; of none at all nothing can be said: from 0 to 1.
Interval wilson95(std::uint64_t count, std::uint64_t of);

struct Share {
  std::uint64_t count = 0, of = 0;
  [[nodiscard]] Interval interval() const { return wilson95(count, of); }
};

}  // namespace callward::quality
