// What learnt models say of talk, the second net beside the grammar's phrases: people ask in more
// ways than anybody writes down, and recognisers write what was said otherwise. Pure. Two linear
// models over words and short phrases: of a stretch alone, what it is about (it asks for a secret,
// says one, or neither); of a clause among the talk around it (listen/clause_features.hpp), whether
// it is to be erased. Trained by tools/listening/train; a language's are its file turns.txt:
//
//   callward-turns 2
//   # comments
//   words a b c ...          words that mean something here; any other is "*"
//   model turns              then listen/linear_model.hpp's lines
//   model clauses
//
// Strict: anything else is kMalformed with the line. A class of "turns" is an act and, of secrets,
// a kind: "none" (the first), "ask harmless", "ask KIND", "say harmless", "say KIND", "read back",
// "answer", "decline"; KIND is a reason of erasing (listen/grammar.hpp). Those of "clauses" are
// "keep" and "erase".
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.hpp"
#include "listen/grammar.hpp"
#include "listen/linear_model.hpp"
#include "listen/tokens.hpp"

namespace callward::listen {

inline constexpr std::size_t kTurnTokensMax = 64;  // of a stretch: its last ones are looked at
inline constexpr std::size_t kTalkWordsMax = 1u << 14;
inline constexpr std::size_t kTalkLettersMax = 512;  // of a stretch: its last ones are looked at

enum class Act : std::uint8_t {
  kNone,
  kAsksHarmless,
  kAsks,
  kSaysHarmless,
  kSays,
  kReadsBack,
  kAnswers,  // what was asked before it says whether it is a secret
  kDeclines
};

// Probabilities, 0 to 1; together at most 1, what is missing is kNone.
struct About {
  float asks = 0, says = 0;  // a secret, of whatever kind
  Secret asked{}, said{};    // the likeliest kind of each
  float asks_harmless = 0, says_harmless = 0, reads_back = 0, answers = 0, declines = 0;
};

// The features of a stretch: of its symbols, and of the letters that it is written with, for what
// was heard as other words that sound alike. The letters may be of a secret: they stand here once,
// and are wiped with it.
class StretchFeatures {
 public:
  StretchFeatures(std::span<const Token> tokens, const std::vector<std::string>& symbols);
  ~StretchFeatures();
  StretchFeatures(const StretchFeatures&) = delete;
  StretchFeatures& operator=(const StretchFeatures&) = delete;
  [[nodiscard]] std::span<const std::string_view> all() const { return all_; }  // each once

 private:
  void add_words(const std::vector<std::string>& words);
  void add_letters(std::span<const Token> tokens);

  std::vector<std::string> words_;
  std::string letters_;
  std::vector<std::string_view> all_;
};

class TalkModel {
 public:
  static Result<TalkModel> parse(std::string_view text);

  // What the tokens are to the models: numbers and letters are what they are and not which, words
  // that mean nothing here are "*". So no value stands in it but one made of everyday words.
  [[nodiscard]] std::vector<std::string> symbols(std::span<const Token> tokens) const;
  // Of the whole stretch, as one.
  [[nodiscard]] About about(std::span<const Token> tokens) const;
  [[nodiscard]] bool knows(const std::string& word) const { return words_.contains(word); }
  [[nodiscard]] bool judges() const { return clauses_.whole(); }
  // The share of "erase"; nothing where the file has no such model.
  [[nodiscard]] std::optional<float> erase(std::span<const std::string_view> features) const;

 private:
  struct Class {
    Act act{};
    Secret kind{};
  };
  static Result<Class> class_of(std::string_view name);
  Status add_line(std::string_view line);
  Status check();

  std::unordered_set<std::string> words_;
  LinearModel turns_, clauses_;
  LinearModel* filling_ = nullptr;  // while it is read
  std::vector<Class> acts_;         // of turns_' classes
};

}  // namespace callward::listen
