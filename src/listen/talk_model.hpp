// What a stretch of talk is about: it asks for a secret, says one, or does neither. A linear
// model (multinomial logistic regression) over words and short phrases, the second net beside the
// grammar's cues: people ask in more ways than anybody writes down, and recognisers write what was
// said otherwise. Pure. Trained by tools/listening/train; a language's model is its file turns.txt:
//
//   callward-turns 1
//   # comments
//   classes none | ask password | ...      the names of all classes, none first
//   bias -12 3 ...                         one number a class, in hundredths
//   feature<TAB>class:weight class:weight  by the class's number, in hundredths
//
// Strict: anything else is kMalformed with the line. A class's name is an act and, of secrets, a
// kind: "none", "ask harmless", "ask KIND", "say harmless", "say KIND", "read back"; KIND is a
// reason of erasing (listen/grammar.hpp).
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "listen/grammar.hpp"
#include "listen/tokens.hpp"

namespace callward::listen {

inline constexpr std::size_t kTurnClassesMax = 64;
inline constexpr std::size_t kTurnFeaturesMax = 1u << 17;
inline constexpr std::size_t kTurnTokensMax = 64;  // of a stretch: its last ones are looked at

enum class Act : std::uint8_t { kNone, kAsksHarmless, kAsks, kSaysHarmless, kSays, kReadsBack };

// Probabilities, 0 to 1; together at most 1, what is missing is kNone.
struct About {
  float asks = 0, says = 0;  // a secret, of whatever kind
  Secret asked{}, said{};    // the likeliest kind of each
  float asks_harmless = 0, says_harmless = 0, reads_back = 0;
};

class TurnModel {
 public:
  static Result<TurnModel> parse(std::string_view text);
  // Of the whole stretch, as one.
  [[nodiscard]] About weigh(std::span<const Token> tokens) const;

 private:
  struct Class {
    Act act{};
    Secret kind{};
  };
  struct Weight {
    std::uint8_t cls = 0;
    std::int16_t hundredths = 0;
  };
  static Result<Class> class_of(std::string_view name);
  Status add_classes(std::string_view line);
  Status add_bias(std::string_view line);
  Status add_feature(std::string_view line);

  std::vector<Class> classes_;
  std::vector<int> bias_;
  std::unordered_map<std::string, std::vector<Weight>> weights_;
};

// The features of a stretch, each once; what train.py learns from, and weigh() looks up.
std::vector<std::string> turn_features(std::span<const Token> tokens);

}  // namespace callward::listen
