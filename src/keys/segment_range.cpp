#include "keys/segment_range.hpp"

#include <algorithm>

namespace callward::keys {

std::vector<SegmentRange> join(std::vector<SegmentRange> ranges) {
  std::ranges::sort(ranges, [](const SegmentRange& a, const SegmentRange& b) {
    return a.stream != b.stream ? a.stream < b.stream : a.first < b.first;
  });
  std::vector<SegmentRange> out;
  for (const auto& range : ranges) {
    if (!out.empty() && out.back().stream == range.stream && range.first <= out.back().end)
      out.back().end = std::max(out.back().end, range.end);
    else
      out.push_back(range);
  }
  return out;
}

std::vector<SegmentRange> without(const std::vector<SegmentRange>& a,
                                  const std::vector<SegmentRange>& b) {
  std::vector<SegmentRange> out;
  auto cut = b.begin();
  for (auto rest : a) {
    while (cut != b.end() &&
           (cut->stream < rest.stream || (cut->stream == rest.stream && cut->end <= rest.first)))
      ++cut;
    for (auto at = cut; at != b.end() && at->stream == rest.stream && at->first < rest.end; ++at) {
      if (at->first > rest.first) out.push_back({rest.stream, rest.first, at->first});
      rest.first = std::min(at->end, rest.end);
    }
    if (rest.first < rest.end) out.push_back(rest);
  }
  return out;
}

std::vector<SegmentRange> both(const std::vector<SegmentRange>& a,
                               const std::vector<SegmentRange>& b) {
  return without(a, without(a, b));
}

std::uint64_t segments_in(const std::vector<SegmentRange>& joined) {
  std::uint64_t count = 0;
  for (const auto& range : joined) count += range.end - range.first;
  return count;
}

}  // namespace callward::keys
