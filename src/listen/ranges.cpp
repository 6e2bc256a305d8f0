#include "listen/ranges.hpp"

#include <algorithm>

namespace callward::listen {

void IntervalSet::add(Interval interval) {
  if (interval.first >= interval.end) return;
  auto first =
      std::lower_bound(items_.begin(), items_.end(), interval.first,
                       [](const Interval& item, std::uint32_t at) { return item.end < at; });
  auto last = first;
  while (last != items_.end() && last->first <= interval.end) {
    interval.first = std::min(interval.first, last->first);
    interval.end = std::max(interval.end, last->end);
    ++last;
  }
  items_.insert(items_.erase(first, last), interval);
}

bool IntervalSet::touches(Interval interval) const {
  return std::any_of(items_.begin(), items_.end(), [&](const Interval& item) {
    return item.first < interval.end && interval.first < item.end;
  });
}

std::vector<Interval> IntervalSet::missing(Interval interval) const {
  std::vector<Interval> rest;
  auto at = interval.first;
  for (const auto& item : items_) {
    if (item.end <= at) continue;
    if (item.first >= interval.end) break;
    if (item.first > at) rest.push_back({at, item.first});
    at = item.end;
  }
  if (at < interval.end) rest.push_back({at, interval.end});
  return rest;
}

}  // namespace callward::listen
