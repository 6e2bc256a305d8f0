// Sets of segment indices as sorted, disjoint half-open intervals.
#pragma once

#include <cstdint>
#include <vector>

namespace callward::listen {

struct Interval {
  std::uint32_t first = 0, end = 0;
  bool operator==(const Interval&) const = default;
};

class IntervalSet {
 public:
  void add(Interval interval);
  [[nodiscard]] bool touches(Interval interval) const;
  // What of `interval` is not in the set.
  [[nodiscard]] std::vector<Interval> missing(Interval interval) const;
  [[nodiscard]] const std::vector<Interval>& all() const { return items_; }

 private:
  std::vector<Interval> items_;
};

}  // namespace callward::listen
