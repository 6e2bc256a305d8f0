#include "listen/tokens.hpp"

#include "listen/grammar_files_test.hpp"

namespace callward::listen {
namespace {

using test::english;
using test::words_of;

std::vector<Token> tokens_of(std::string_view text) { return tokenize(english(), words_of(text)); }
// The digits and letters of each run, joined with '|'.
std::string runs_of(std::string_view text, bool lenient = false) {
  const auto tokens = tokens_of(text);
  std::string out;
  for (const auto& run :
       find_runs(english(), tokens, std::vector<bool>(tokens.size(), false), lenient)) {
    if (!out.empty()) out += "|";
    out += run.digits;
  }
  return out;
}

TEST(Tokens, DigitsHoweverTheRecogniserWritesThem) {
  EXPECT_EQ(runs_of("4 7 3"), "473");
  EXPECT_EQ(runs_of("473"), "473");
  EXPECT_EQ(runs_of("4-7-3."), "473");
  EXPECT_EQ(runs_of("four seven three"), "473");
  EXPECT_EQ(runs_of("four, seven, um three"), "473");
  EXPECT_EQ(runs_of("938,570"), "938570");
  EXPECT_EQ(runs_of("forty nine"), "49");
  EXPECT_EQ(runs_of("double seven"), "77");
  EXPECT_EQ(runs_of("triple four"), "444");
  EXPECT_EQ(runs_of("four oh seven"), "407") << "oh between digits";
  EXPECT_EQ(runs_of("oh I see"), "") << "and alone";
}

TEST(Tokens, HomophonesCountOnlyInAnswers) {
  EXPECT_EQ(runs_of("four to seven", true), "427");
  EXPECT_EQ(runs_of("I want to go for it", true), "");
}

TEST(Tokens, LettersAndNato) {
  EXPECT_EQ(runs_of("tango bravo four"), "tb4");
  EXPECT_EQ(runs_of("we went to the hotel"), "") << "one word of the alphabet is a word";
  EXPECT_EQ(runs_of("capital K b seven"), "kb7");
}

TEST(Tokens, AmountsAreNoRuns) {
  for (const auto* text :
       {"forty nine dollars", "$49.95", "twenty percent", "at 3:30", "on March the fourteenth",
        "the 21st", "in five minutes", "two weeks ago", "this one", "one of them"})
    EXPECT_EQ(runs_of(text), "") << text;
  EXPECT_EQ(runs_of("dollar sign four seven"), "47") << "a symbol of a password";
}

TEST(Tokens, PiecesShareTheirWordsTime) {
  const std::vector<Word> words = {{1'000, 1'600, 200, "4-7-3?"}};
  const auto tokens = tokenize(english(), words);
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokens[0].start_ms, 1'000u);
  EXPECT_EQ(tokens[1].start_ms, 1'200u);
  EXPECT_EQ(tokens[2].end_ms, 1'600u);
  EXPECT_TRUE(tokens[2].question);
  EXPECT_FALSE(tokens[0].question);
}

TEST(Tokens, HostileTextIsBounded) {
  const std::vector<Word> words = {{0, 100, 1, std::string(100'000, '-') + std::string(9'000, '#')},
                                   {0, 0, 0, ""},
                                   {5, 1, 0, "\xE2\x80\x99\xFF\xFE"}};
  EXPECT_LE(tokenize(english(), words).size(), kTokensMax);
}

}  // namespace
}  // namespace callward::listen
