// What heard words may stand for, when the characters of a typed value are looked for in them:
// words are taken apart into atoms, and arcs lead over one or more atoms by the characters that
// they may say. "forty two" is 4 2; "see" is c; "double you" is w, and u u; "b as in boy" is b.
// Pure; the words of the language come from the grammar.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "listen/grammar.hpp"
#include "listen/tokens.hpp"
#include "listen/worker_protocol.hpp"

namespace callward::listen {

// One turn of a stream as it is remembered for the search.
struct HeardTurn {
  std::uint32_t start_ms = 0, end_ms = 0;  // since the call began; of voice detection
  bool believed = true;     // false: not recognised, or not as it should be: anything may be in it
  bool keyed = false;       // no speech: one keyed digit
  std::vector<Word> words;  // times since the call began
};
using HeardTurns = std::deque<HeardTurn>;

inline constexpr std::uint8_t kWordConfidenceMin = 56;  // of 255; below it a word may be any other

// A word, or one character of "TR44".
struct Atom {
  std::string text;  // lower case; empty: a turn that was not recognised
  std::uint32_t start_ms = 0, end_ms = 0;
  std::uint32_t turn = 0;   // its number among those given
  bool part = false;        // a digit, letter or spelling word: stands in a run
  bool free = false;        // may stand between the parts: "um", "capital", "and then"
  bool repeated = false;    // "double" stands before it: it is never one of itself
  bool modifier = false;    // "capital", "sign": belongs to the part beside it
  bool wild = false;        // not believed: may be any part
  bool amount = false;      // of a price, date, time
  bool clause_end = false;  // . ? ! after it
  bool corrects = false;    // "no, sorry" begins here
  bool retracted = false;   // a part that such a phrase takes back
};

enum class ArcKind : std::uint8_t { kDigits = 1, kLetters = 2, kSymbol = 4, kWord = 8 };

// Evidence is counted in tenths of a bit: a digit is one of ten, a letter one of 26. A name that is
// an ordinary word, too ("see", "you", "for"), says less; a word of a password as much as its
// rarity.
struct Arc {
  std::uint32_t from = 0, to = 0;  // over atoms [from, to)
  std::string text;                // the characters that it says, in lower case
  std::int32_t gain = 0;           // for all of them
  ArcKind kind{};
  bool whole_word = false;   // compared as a word: "password" says p4ssw0rd, near sounds count
  bool common_word = false;  // ... but no near sounds: there are too many words like it
};

inline constexpr std::int32_t kDigitGain = 33, kLetterGain = 47, kExplainedGain = 52,
                              kNameGain = 30, kWeakGain = 20, kSymbolGain = 40, kWordGain = 100,
                              kWordLetterGain = 12, kWordGainMax = 200, kShortWordLetterGain = 25,
                              kCommonWordLetterGain = 8, kCommonWordGainMax = 60;

// Folds to what is compared: ASCII lower case, accents dropped; 0 for what has no ASCII form.
std::string fold_text(std::string_view utf8);

struct Spoken {
  std::vector<Atom> atoms;
  std::vector<Arc> arcs;  // by `from`

  Spoken() = default;
  ~Spoken();  // wiped: they are what was heard
  Spoken(Spoken&&) = default;
  Spoken& operator=(Spoken&&) = delete;
};

// Of turns [from, size).
Spoken spoken_of(const Grammar& grammar, const HeardTurns& turns, std::size_t from);

}  // namespace callward::listen
