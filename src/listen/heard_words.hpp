// What the parts of a call's listener do with heard words.
#pragma once

#include "base/secret.hpp"
#include "listen/call_listener.hpp"

namespace callward::listen {

inline void wipe_word(Word& word) { wipe(word.text.data(), word.text.size()); }
inline Interval segments_of(const Word& word) {
  return {word.start_ms / kListenSegmentMs, word.end_ms / kListenSegmentMs + 1};
}

}  // namespace callward::listen
