#include "listen/grammar.hpp"

#include "listen/grammar_files_test.hpp"
#include "listen/tokens.hpp"

namespace callward::listen {
namespace {

using test::english;
using test::words_of;

Result<Grammar> parse_file(const std::string& phrases) {
  const std::string empty = "callward-grammar 1\n";
  return Grammar::parse({{"phrases.txt", phrases},
                         {"cues.txt", empty + "[secret pin]\npin\n"},
                         {"numbers.txt", empty + "[digit 1]\none\n"},
                         {"common.txt", empty}});
}
Result<Grammar> parse_phrases(const std::string& text) {
  return parse_file("callward-grammar 1\n" + text);
}
// [begin, end) of the longest phrase of the class at the first word.
std::optional<std::size_t> matched(const Grammar& grammar, PhraseClass cls, std::string_view text) {
  const auto tokens = tokenize(grammar, words_of(text));
  return grammar.match_at(cls, match_words(tokens), 0);
}
std::vector<std::pair<PhraseClass, std::string>> cues_of(std::string_view text) {
  const auto tokens = tokenize(english(), words_of(text));
  const auto words = match_words(tokens);
  std::vector<std::pair<PhraseClass, std::string>> out;
  for (const auto& cue : english().cues(words)) {
    std::string kind;
    if (cue.phrase->cls == PhraseClass::kSecret)
      kind = reason_of(static_cast<Secret>(cue.phrase->kind));
    if (cue.phrase->cls == PhraseClass::kHarmless) kind = english().harmless_name(cue.phrase->kind);
    out.emplace_back(cue.phrase->cls, kind);
  }
  return out;
}

TEST(Grammar, TheElementsOfAPhrase) {
  const auto grammar =
      parse_phrases("[stall]\none|two moment~\n?please wait\nhold *2 on\nlast # digits\n");
  ASSERT_TRUE(grammar) << grammar.error().message;
  const auto stall = [&](std::string_view text) {
    return matched(*grammar, PhraseClass::kStall, text);
  };
  EXPECT_EQ(stall("one moment"), 2u);
  EXPECT_EQ(stall("two moments now"), 2u) << "~ is a prefix";
  EXPECT_FALSE(stall("three moments"));
  EXPECT_EQ(stall("wait"), 1u);
  EXPECT_EQ(stall("please wait"), 2u) << "? may be missing";
  EXPECT_EQ(stall("hold on"), 2u);
  EXPECT_EQ(stall("hold it right on"), 4u) << "*2 is up to two words";
  EXPECT_FALSE(stall("hold it right there on"));
  EXPECT_EQ(stall("last 4 digits"), 3u) << "# is a number";
  EXPECT_FALSE(stall("last few digits"));
  EXPECT_FALSE(stall(""));
}

TEST(Grammar, WhatDoesNotFitIsRefusedWithItsLine) {
  const auto refused = [](const std::string& text) {
    const auto grammar = parse_file(text);
    return grammar ? std::string() : grammar.error().message;
  };
  EXPECT_EQ(refused("callward-grammar 1\n[stall]\nwait\n"), "");
  EXPECT_FALSE(Grammar::parse({})) << "files missing";
  EXPECT_NE(refused(""), "");
  EXPECT_NE(refused("callward-grammar 2\n[stall]\nwait\n"), "") << "another version";
  EXPECT_NE(refused("callward-grammar 1\nwait\n").find('2'), std::string::npos)
      << "a phrase before any section";
  EXPECT_NE(refused("callward-grammar 1\n[nonsense]\nwait\n").find('2'), std::string::npos);
  EXPECT_NE(refused("callward-grammar 1\n[stall]\nWait\n").find('3'), std::string::npos)
      << "capitals";
  EXPECT_NE(refused("callward-grammar 1\n[stall]\nhold *x on\n").find('3'), std::string::npos);
  EXPECT_NE(refused("callward-grammar 1\n[secret nothing_known]\nword\n"), "");
  std::string long_phrase = "callward-grammar 1\n[stall]\n";
  for (int i = 0; i < 20; ++i) long_phrase += "word ";
  EXPECT_NE(refused(long_phrase + "\n"), "") << "over kPhraseElementsMax";
  std::string many = "callward-grammar 1\n[stall]\n";
  for (std::size_t i = 0; i <= kPhrasesMax; ++i) many += "wait\n";
  EXPECT_NE(refused(many), "") << "over kPhrasesMax";
}

TEST(Grammar, ReasonsAreTheKeepersWordsBothWays) {
  for (const auto* word : {"password", "pin", "card", "cvv", "otp", "national_id", "spelled_secret",
                           "security_answer", "secret_like", "digits", "unrecognised"}) {
    const auto kind = secret_of(word);
    ASSERT_TRUE(kind) << word;
    EXPECT_EQ(reason_of(*kind), word);
  }
  EXPECT_FALSE(secret_of("reviewer"));
}

TEST(Grammar, CuesTheLongestAtEachPlaceWins) {
  using P = PhraseClass;
  const auto one = [](P cls, const char* kind) {
    return std::vector<std::pair<P, std::string>>{{cls, kind}};
  };
  EXPECT_EQ(cues_of("what is the password?"), one(P::kSecret, "password"));
  EXPECT_EQ(cues_of("your card number please"), one(P::kSecret, "card"));
  EXPECT_EQ(cues_of("the three digits on the back"), one(P::kSecret, "cvv"));
  EXPECT_EQ(cues_of("your social security number"), one(P::kSecret, "national_id"));
  EXPECT_EQ(cues_of("the code we texted you"), one(P::kSecret, "otp"));
  EXPECT_EQ(cues_of("your mother's maiden name"), one(P::kSecret, "security_answer"));
  EXPECT_EQ(cues_of("a password reset link"), one(P::kNothing, ""));
  EXPECT_EQ(cues_of("a zip code"), one(P::kHarmless, "address")) << "not the code of an otp";
  EXPECT_EQ(cues_of("your phone number"), one(P::kHarmless, "phone"));
  EXPECT_EQ(cues_of("the weather is nice"), (std::vector<std::pair<P, std::string>>{}));
}

}  // namespace
}  // namespace callward::listen
