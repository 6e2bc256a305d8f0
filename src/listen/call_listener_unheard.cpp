// Sound that voice detection did not take for speech while a secret question was open: whispered,
// shouted into a bent line, under music, or before a detector that is broken. Nobody knows what it
// says, so it counts as the answer.
#include <algorithm>

#include "listen/call_listener.hpp"

namespace callward::listen {

void CallListener::add_spoken(Stream& stream, std::uint32_t start_ms, std::uint32_t end_ms) {
  stream.spoken.push_back(
      {start_ms / kListenSegmentMs, (end_ms + kListenSegmentMs - 1) / kListenSegmentMs});
}

void CallListener::look_unheard(Stream& stream, std::uint32_t upto, bool open) {
  for (; stream.unheard_next < upto; ++stream.unheard_next) {
    const auto index = stream.unheard_next;
    std::erase_if(stream.spoken, [index](const Interval& turn) { return turn.end <= index; });
    const bool spoken = std::any_of(stream.spoken.begin(), stream.spoken.end(),
                                    [index](const Interval& turn) { return turn.first <= index; });
    const bool asked = open && index * kListenSegmentMs >= asked_end_ms_;
    if (asked && !spoken && stream.loudness.loud(index)) {
      if (stream.unheard_loud++ == 0) stream.unheard.first = index;
      stream.unheard.end = index + 1;
    } else if (index >= stream.unheard.end + limits_.unheard_pause_segments) {
      order_unheard(stream);
    }
    if (stream.unheard.end - stream.unheard.first >= limits_.unheard_segments_max)
      order_unheard(stream);
  }
  const bool over = stream.end_index && stream.unheard_next >= *stream.end_index;
  if (!open || over) order_unheard(stream);
  stream.loudness.forget_before(stream.unheard_next);
}

void CallListener::order_unheard(Stream& stream) {
  const bool enough = stream.unheard_loud >= limits_.unheard_segments_min;
  const auto found = std::exchange(stream.unheard, {});
  stream.unheard_loud = 0;
  if (!enough) return;
  order({stream.number, found.first * kListenSegmentMs, found.end * kListenSegmentMs,
         Secret::kUnrecognised},
        limits_.pad_before_ms, limits_.pad_after_ms);
}

}  // namespace callward::listen
