// What of a recogniser's answer is believed, besides what it says of itself: an engine that
// invents, repeats itself from turn to turn or leaves words out often does not know.
//
// Not believed means: it counts as the secret after a secret question (conversation.hpp, invariant
// 1), and changes nothing elsewhere.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "listen/worker_protocol.hpp"

namespace callward::listen {

inline constexpr std::size_t kWordBytesMax = 255;      // longer is no word
inline constexpr std::uint32_t kSameAnswersMax = 3;    // so many turns with the same words are none
inline constexpr std::uint32_t kLittleFromMs = 2'200;  // shorter speech may well be one word
// Slow digits are a second apart, spelled words less: who speaks on says a word in so long.
inline constexpr std::uint32_t kWordEachMs = 1'500;

// RFC 3629; U+0000 too is refused: it is in no word.
bool is_utf8(std::string_view text);
// Words within the bounds, of text, none empty.
bool well_formed(std::span<const Word> words);
// Words are missing: somebody spoke longer than they take.
bool says_too_little(std::span<const Word> words, std::uint32_t speech_ms);

// The same words turn after turn, whatever was said. Only a hash of them stays here: of few digits
// it tells them to whoever has the key, so who outlives a call gives one of its own.
class SameAnswers {
 public:
  explicit SameAnswers(std::uint64_t key = 0) : key_(key) {}
  // How many answers in a row, this one included, had these words. An empty one counts for nothing.
  std::uint32_t count(std::span<const Word> words);
  void forget();
  ~SameAnswers();

 private:
  std::uint64_t key_ = 0;
  std::uint64_t last_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace callward::listen
