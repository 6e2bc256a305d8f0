// What people say, as data: cues, phrases, and how digits and letters are spoken. A language is a
// folder of four files (numbers.txt, cues.txt, phrases.txt, common.txt), each of this shape, and a
// model of what turns are about (turns.txt, listen/talk_model.hpp), which may be missing:
//
//   callward-grammar 1
//   # comments stand before the first section only: later a # is a number
//   [class name]          a section
//   one phrase a line     a|b one of these; word~ any word that begins so; ?word may be missing;
//                         *N up to N words (1..9); # a number; anything else is the word itself
//
// Strict: an unknown section, an odd character or anything over a bound is kMalformed with the
// line.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace callward::listen {

inline constexpr std::size_t kGrammarBytesMax = 256u << 10;     // of one file of phrases
inline constexpr std::size_t kLanguageFileBytesMax = 8u << 20;  // of any file of a language
inline constexpr std::size_t kPhrasesMax = 8'192;
inline constexpr std::size_t kPhraseElementsMax = 12;

// Kinds of secrets; the words are reasons of erasing.
enum class Secret : std::uint8_t {
  kPassword,
  kPin,
  kCard,
  kCvv,
  kOtp,
  kNationalId,
  kSpelledSecret,
  kSecurityAnswer,
  kSecretLike,
  kDigits,
  kUnrecognised,
  kTyped  // it was typed during the call
};
std::string_view reason_of(Secret kind);
std::optional<Secret> secret_of(std::string_view reason);
// Passwords and security answers may be any word; the others are digits (or letters).
constexpr bool any_word(Secret kind) {
  return kind == Secret::kPassword || kind == Secret::kSecurityAnswer ||
         kind == Secret::kSpelledSecret;
}

enum class PhraseClass : std::uint8_t {
  kSecret,
  kHarmless,
  kNothing,
  kRequest,
  kReask,
  kAcknowledge,
  kStall,
  kDecline,
  kAssert,
  kReadback,
  kCorrection,
  kTold,
  kClosing
};

// One part of a phrase.
struct Element {
  enum class Kind : std::uint8_t { kWords, kGap, kNumber } kind = Kind::kWords;
  bool optional = false;
  std::uint8_t gap = 0;            // kGap: up to so many words
  std::vector<std::string> words;  // kWords: one of these; a trailing '~' is a prefix
};
struct Phrase {
  PhraseClass cls{};
  std::uint8_t kind = 0;  // Secret, or the harmless kind's number
  std::vector<Element> elements;
};

// What a phrase is matched against: one word, already in lower case.
struct MatchWord {
  std::string_view text;
  bool number = false;
};
struct Match {
  const Phrase* phrase = nullptr;
  std::size_t begin = 0, end = 0;  // words [begin, end)
};

class TalkModel;

class Grammar {
 public:
  // File name (without folder) and content of each file of a language.
  static Result<Grammar> parse(const std::map<std::string, std::string>& files);

  // Every place where a cue (secret, harmless, nothing) stands: the longest at each, none inside
  // another.
  [[nodiscard]] std::vector<Match> cues(const std::vector<MatchWord>& words) const;
  // The end of the longest phrase of the class at `at`; nothing when none stands there.
  [[nodiscard]] std::optional<std::size_t> match_at(PhraseClass cls,
                                                    const std::vector<MatchWord>& words,
                                                    std::size_t at) const;
  [[nodiscard]] std::optional<Match> find(PhraseClass cls, const std::vector<MatchWord>& words,
                                          std::size_t from = 0) const;

  [[nodiscard]] std::optional<int> digit(std::string_view word) const {
    return lookup(digits_, word);
  }
  [[nodiscard]] std::optional<int> homophone(std::string_view word) const {
    return lookup(homophones_, word);
  }
  [[nodiscard]] std::optional<int> repeat(std::string_view word) const {
    return lookup(repeats_, word);
  }
  [[nodiscard]] bool is_spelling(std::string_view word) const { return spelling_.contains(word); }
  [[nodiscard]] bool is_symbol(std::string_view word) const { return symbols_.contains(word); }
  // What a word may stand for when a typed value is looked for: characters, or none.
  [[nodiscard]] std::string_view symbol(std::string_view word) const {
    return characters(symbols_, word);
  }
  [[nodiscard]] std::string_view sign(std::string_view word) const {
    return characters(signs_, word);
  }
  [[nodiscard]] std::string_view letter(std::string_view word) const {
    return characters(letters_, word);
  }
  [[nodiscard]] std::optional<int> zeros(std::string_view word) const {
    return lookup(zeros_, word);
  }
  [[nodiscard]] bool is_other_spelling(std::string_view word) const {
    return other_spelling_.contains(word);
  }
  [[nodiscard]] bool explains(std::string_view word) const { return explains_.contains(word); }
  [[nodiscard]] bool is_between(std::string_view word) const { return between_.contains(word); }
  [[nodiscard]] bool near(char a, char b) const;  // their names sound alike
  [[nodiscard]] bool is_modifier(std::string_view word) const { return modifiers_.contains(word); }
  [[nodiscard]] bool is_filler(std::string_view word) const { return fillers_.contains(word); }
  [[nodiscard]] bool is_unit(std::string_view word) const { return units_.contains(word); }
  [[nodiscard]] bool is_common(std::string_view word) const { return common_.contains(word); }
  [[nodiscard]] std::string_view harmless_name(std::uint8_t kind) const {
    return harmless_names_[kind];
  }
  // What learnt models say of talk (listen/talk_model.hpp); none where there is no turns.txt.
  [[nodiscard]] const TalkModel* talk() const { return talk_.get(); }

 private:
  using Words = std::set<std::string, std::less<>>;
  using Numbers = std::map<std::string, int, std::less<>>;
  using Characters = std::map<std::string, std::string, std::less<>>;  // a word may name several
  static std::optional<int> lookup(const Numbers& map, std::string_view word) {
    const auto at = map.find(word);
    return at == map.end() ? std::nullopt : std::optional<int>(at->second);
  }
  static std::string_view characters(const Characters& map, std::string_view word) {
    const auto at = map.find(word);
    return at == map.end() ? std::string_view{} : std::string_view(at->second);
  }
  struct Section;
  Status parse_file(const std::string& name, std::string_view text);
  Result<Section> open_section(std::string_view heading);
  Result<bool> open_words(std::string_view heading, Section& section);
  Status add(const Section& section, std::string_view line);

  std::array<std::vector<Phrase>, 13> phrases_;  // by class
  std::vector<std::string> harmless_names_;
  Numbers digits_, homophones_, repeats_, zeros_;
  Characters symbols_, signs_, letters_;
  Words spelling_, modifiers_, fillers_, units_, common_;
  Words other_spelling_, explains_, between_, near_;
  std::shared_ptr<const TalkModel> talk_;
  std::size_t count_ = 0;
};

}  // namespace callward::listen
