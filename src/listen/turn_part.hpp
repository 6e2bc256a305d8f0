// The stretch of a turn around some of its words.
#pragma once

#include <algorithm>
#include <cstdint>

namespace callward::listen {

struct Stretch {
  std::uint32_t start_ms = 0, end_ms = 0;
};

// A recogniser's times are not exact: the first and the last word are clipped to the turn's own
// limits, others get a margin within them.
constexpr Stretch part_of_turn(Stretch turn, Stretch words, bool first, bool last,
                               std::uint32_t margin_ms) {
  const auto early = words.start_ms > margin_ms ? words.start_ms - margin_ms : 0;
  const auto start = first ? turn.start_ms : std::max(turn.start_ms, early);
  const auto end = last ? turn.end_ms : std::min(turn.end_ms, words.end_ms + margin_ms);
  return {std::min(start, words.start_ms), std::max(end, words.end_ms)};
}

}  // namespace callward::listen
