// Recognised words as tokens that the conversation model can weigh: digits said or written,
// letters, NATO words, symbols, amounts. A recogniser writes "four seven" as "4 7", "47", "4-7" or
// "four seven".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "listen/grammar.hpp"
#include "listen/worker_protocol.hpp"

namespace callward::listen {

inline constexpr std::size_t kTokensMax = 2'048;  // of one turn

enum class TokenKind : std::uint8_t {
  kWord,
  kDigits,    // "473", "four", "twenty", "TR44": value and weight say how many
  kLetters,   // "b", "KB"
  kSpelling,  // "tango"
  kSymbol,    // "underscore"
  kModifier,  // "double", "capital", "sign"
  kFiller,    // what may stand between the parts
  kAmount,    // a number that is a price, date, time or quantity by what stands beside it
};

struct Token {
  std::string text;  // lower case, no punctuation
  TokenKind kind = TokenKind::kWord;
  std::string value;         // digits or letters
  std::uint32_t weight = 0;  // secret-like parts in it
  bool strong = false;       // begins a run by itself
  bool homophone = false;    // a digit if it stands in an answer ("for", "to")
  bool clause_end = false;   // . ? ! after it
  bool question = false;     // ? after it
  std::uint32_t start_ms = 0, end_ms = 0;
  std::uint8_t confidence = 0;
};

std::vector<Token> tokenize(const Grammar& grammar, std::span<const Word> words);
std::vector<MatchWord> match_words(std::span<const Token> tokens);

// Secret-like tokens that follow each other, with what may stand between (fillers, corrections,
// symbols).
struct Run {
  std::size_t begin = 0, end = 0;
  std::uint32_t weight = 0;
  std::string digits;  // digits and letters as said
};
// `lenient`: in an answer "for" and "to" are digits. `skip[i]`: token i belongs to a cue and counts
// not.
std::vector<Run> find_runs(const Grammar& grammar, std::span<const Token> tokens,
                           const std::vector<bool>& skip, bool lenient);

}  // namespace callward::listen
