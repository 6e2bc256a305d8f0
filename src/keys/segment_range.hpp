// Stretches of a call's streams, and their algebra: every question of what of a call is kept,
// closed, erased or was heard is one of these.
#pragma once

#include <cstdint>
#include <vector>

namespace callward::keys {

// Segments [first, end) of one stream, of 100 ms each.
struct SegmentRange {
  static constexpr std::int64_t kSegmentMs = 100;
  std::uint8_t stream = 0;
  std::uint32_t first = 0, end = 0;
  template <class V>
  void visit(V& v) {
    v(stream, first, end);
  }
  bool operator==(const SegmentRange&) const = default;
};

// Joins what touches or overlaps, per stream; sorted by stream, then time. Takes any ranges with
// first < end; the others below take what it gave, and give what it would.
std::vector<SegmentRange> join(std::vector<SegmentRange> ranges);
// a without b.
std::vector<SegmentRange> without(const std::vector<SegmentRange>& a,
                                  const std::vector<SegmentRange>& b);
std::vector<SegmentRange> both(const std::vector<SegmentRange>& a,
                               const std::vector<SegmentRange>& b);
// How many segments, of all streams.
std::uint64_t segments_in(const std::vector<SegmentRange>& joined);

}  // namespace callward::keys
