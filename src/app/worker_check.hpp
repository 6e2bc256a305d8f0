// A sentence that a recogniser must understand before it hears calls: so a model that is none, of
// another kind or of another language, and a program that answers nonsense, is found out before it
// clears anything. `listener.check` names a sound file; its words stand beside it in a text file of
// the same name. docs/listening-worker.md says how to make one.
#pragma once

#include <string>
#include <vector>

#include "base/vfs.hpp"
#include "listen/belief.hpp"

namespace callward::app {

inline constexpr std::uint32_t kCheckMsMin = 2'000;
inline constexpr std::uint32_t kCheckMsMax = 14'000;  // one turn
inline constexpr std::size_t kCheckWordsMin = 5;
inline constexpr std::size_t kCheckTextBytesMax = 4'096;

struct WorkerCheck {
  Bytes pcm;                       // 16-bit samples at 8 kHz; empty: nothing is checked
  std::vector<std::string> words;  // lower case

  // A quarter of its windows at least are speech, a tenth at least silence.
  [[nodiscard]] bool finds_voice(ByteView probabilities, std::size_t windows) const;
  // Half of its words at least were heard, in any order, and are believed.
  [[nodiscard]] bool understands(const listen::RecogniseReply& reply) const;
};

// kMalformed: not a sound of one channel of 2 to 14 s, or fewer than 5 words beside it.
Result<WorkerCheck> load_check(Vfs& vfs, const std::string& path);

}  // namespace callward::app
