#include "keys/segment_range.hpp"

#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace callward::keys {
namespace {

using Segments = std::set<std::pair<int, int>>;  // stream and index: what the ranges stand for

// Few streams and low indices, so that ranges touch, overlap and lie within one another.
std::vector<SegmentRange> some_ranges() {
  const auto count = *rc::gen::inRange<std::size_t>(0, 12);
  std::vector<SegmentRange> ranges;
  for (std::size_t i = 0; i < count; ++i) {
    const auto first = *rc::gen::inRange<std::uint32_t>(0, 24);
    const auto length = *rc::gen::inRange<std::uint32_t>(1, 9);
    ranges.push_back({*rc::gen::inRange<std::uint8_t>(0, 3), first, first + length});
  }
  return ranges;
}

Segments segments_of(const std::vector<SegmentRange>& ranges) {
  Segments out;
  for (const auto& range : ranges)
    for (auto i = range.first; i < range.end; ++i) out.emplace(range.stream, static_cast<int>(i));
  return out;
}

// Sorted, nothing empty, and nothing that touches what comes before it.
bool is_joined(const std::vector<SegmentRange>& ranges) {
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].first >= ranges[i].end) return false;
    if (i == 0 || ranges[i - 1].stream < ranges[i].stream) continue;
    if (ranges[i - 1].stream > ranges[i].stream || ranges[i - 1].end >= ranges[i].first)
      return false;
  }
  return true;
}

Segments kept_of(const Segments& a, const Segments& b, bool in_b) {
  Segments out;
  for (const auto& one : a)
    if (b.contains(one) == in_b) out.insert(one);
  return out;
}

TEST(SegmentRanges, JoinedTheyAreTheSameSegmentsAndNoneTouch) {
  EXPECT_TRUE(rc::check([] {
    const auto ranges = some_ranges();
    const auto joined = join(ranges);
    RC_ASSERT(is_joined(joined));
    RC_ASSERT(segments_of(joined) == segments_of(ranges));
    RC_ASSERT(segments_in(joined) == segments_of(ranges).size());
    RC_ASSERT(join(joined) == joined);
  }));
}

TEST(SegmentRanges, WithoutAndBothAreThoseOfSets) {
  EXPECT_TRUE(rc::check([] {
    const auto a = join(some_ranges()), b = join(some_ranges());
    const auto rest = without(a, b), common = both(a, b);
    RC_ASSERT(is_joined(rest));
    RC_ASSERT(is_joined(common));
    RC_ASSERT(segments_of(rest) == kept_of(segments_of(a), segments_of(b), false));
    RC_ASSERT(segments_of(common) == kept_of(segments_of(a), segments_of(b), true));
  }));
}

}  // namespace
}  // namespace callward::keys
