// A secret that was typed, looked for in what was heard: where, and how surely, it or a part of it
// was said. Pure; it knows one stream at a time and nothing of audio.
//
// A local alignment of the value's characters with the heard words (spoken.hpp). What agrees earns
// evidence, in tenths of a bit; what was said and stands not in the value, or the reverse, costs.
//
// WHAT COUNTS. A value with little in it must not erase half a call, and a part of a long one
// must not be missed:
//   strong   20 bits and more (six digits; a rare word and two digits), anywhere in the value, with
//            mistakes in between: among the some thousand words of a call, of which a few hundred
//            are digits, it comes by chance once in thousands of calls.
//   whole    all of a short value: three digits and more, one near sound at most. One group in
//            10,000 is as a PIN of four digits by chance; so it must be said alone, not within a
//            longer number, and not as a price, date or time. From 12 bits on with mistakes.
//   end      the first or the last characters, 12 bits and more (four digits): there are only two
//            such places, and what is read back is one of them. Exactly, and alone.
// A single word of a password is found by itself when it is three quarters of it; a shorter one
// ("welcome" of "welcome73#9") only with what stands beside it.
// Words of low confidence, and turns that failed, between the parts count as parts: half of the
// evidence, at most half as many as were heard well.
#pragma once

#include <optional>

#include "base/secret.hpp"
#include "listen/spoken.hpp"

namespace callward::listen {

inline constexpr std::size_t kTypedValueBytesMax = 256;
inline constexpr std::size_t kTypedCharactersMax = 96;  // what is behind them is not looked for
inline constexpr std::size_t kTypedCharactersMin = 3;   // of letters and digits

struct TypedLimits {
  std::uint32_t gap_ms_max = 20'000;   // between two parts of one place
  std::uint32_t open_ms_max = 10'000;  // a beginning may go on so long after its last part
  std::uint32_t margin_ms = 500;       // as ConversationLimits: around a part of a turn
  std::uint32_t join_ms = 2'500;       // pauses inside a place are erased with it
  std::uint32_t alone_ms = 1'500;      // further apart, digits are another number
};

// Where it was said: a stretch of one turn, or of several and the short pauses between them.
struct TypedPlace {
  std::uint32_t start_ms = 0, end_ms = 0;
  bool operator==(const TypedPlace&) const = default;
};
struct TypedFinding {
  std::vector<TypedPlace> places;  // by time, apart from each other
  // The last words may be the beginning of the value: it began here, and its last part ended there.
  struct Open {
    std::uint32_t since_ms = 0, last_ms = 0;
  };
  std::optional<Open> open;
};

class TypedSecret {
 public:
  // UTF-8 as typed. kMalformed: empty, over the bound, or too little to look for.
  static Result<TypedSecret> create(ByteView value);

  // In turns [from, size) of one stream.
  [[nodiscard]] TypedFinding search(const Grammar& grammar, const HeardTurns& turns,
                                    std::size_t from, const TypedLimits& limits = {}) const;

 private:
  explicit TypedSecret(std::size_t size) : folded_(size) {}

  SecretBytes folded_;  // one byte a character; 0: it has no ASCII form
};

}  // namespace callward::listen
