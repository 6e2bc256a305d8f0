#include "listen/turn_model.hpp"

#include <algorithm>

#include "listen/grammar_files_test.hpp"

namespace callward::listen {
namespace {

using test::english;
using test::words_of;

std::vector<Token> said(std::string_view text) { return tokenize(english(), words_of(text)); }

const std::string kHead = "callward-turns 1\nclasses none | ask pin | say pin | ask harmless\n";

Errc refused(const std::string& text) {
  const auto model = TurnModel::parse(text);
  EXPECT_FALSE(model) << text;
  return model ? Errc::kState : model.error().code;
}

TEST(TurnModel, IsReadStrictly) {
  ASSERT_TRUE(TurnModel::parse(kHead + "bias 1 2 -3 4\npin\t1:250 2:-30\n"));
  for (const auto* text :
       {"", "callward-turns 2\n", "callward-turns 1\n", "callward-turns 1\nbias 1\n",
        "callward-turns 1\nclasses ask pin\nbias 1\n",
        "callward-turns 1\nclasses none | ask nobody\nbias 1 1\n"})
    EXPECT_EQ(refused(text), Errc::kMalformed) << text;
  for (const auto* rest :
       {"bias 1 2 3\n", "bias 1 2 3 x\n", "pin\t1:2\n", "bias 1 2 3 4\npin 1:2\n",
        "bias 1 2 3 4\npin\t4:2\n", "bias 1 2 3 4\npin\t1:40000\n", "bias 1 2 3 4\npin\t1\n",
        "bias 1 2 3 4\npin\t1:1\npin\t1:2\n", "bias 1 2 3 4\n\t1:2\n"})
    EXPECT_EQ(refused(kHead + rest), Errc::kMalformed) << rest;
  EXPECT_EQ(refused(kHead + std::string(kLanguageFileBytesMax, '#')), Errc::kTooLarge);
  const auto bad = TurnModel::parse(kHead + "bias 1 2 3 4\n# a comment\npin\t9:1\n");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message.substr(0, 7), "line 5:");
}

TEST(TurnModel, GivesTheShareOfEachAct) {
  const auto model = TurnModel::parse(kHead + "bias 0 0 0 0\npin\t1:300\n# .. pin\t2:900\n");
  ASSERT_TRUE(model);
  const auto asked = model->weigh(said("your pin"));
  EXPECT_NEAR(asked.asks, 20.0855F / 23.0855F, 1e-3);  // e^3 of e^3 + 3
  EXPECT_EQ(asked.asked, Secret::kPin);
  EXPECT_NEAR(asked.says + asked.asks_harmless, 2 / 23.0855F, 1e-3);
  const auto stated = model->weigh(said("4 7 is my pin"));
  EXPECT_GT(stated.says, 0.9F);
  EXPECT_EQ(stated.said, Secret::kPin);
  EXPECT_EQ(model->weigh({}).asks, 0.0F);
}

TEST(TurnModel, NumbersAndLettersAreWhatTheyAreAndNotWhich) {
  const auto has = [](const std::vector<std::string>& all, std::string_view one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  const auto digits = turn_features(said("it is 4 7 1 9"));
  EXPECT_EQ(digits, turn_features(said("it is 8 0 0 2")));
  EXPECT_TRUE(has(digits, "is #some"));
  EXPECT_TRUE(has(digits, "it .. #some"));
  EXPECT_TRUE(has(digits, "^ it is"));
  EXPECT_FALSE(has(digits, "?"));
  EXPECT_TRUE(has(turn_features(said("your password?")), "?"));
  EXPECT_TRUE(has(turn_features(said("your password?")), "passw~"));
  EXPECT_TRUE(has(turn_features(said("it costs 20 dollars")), "costs #amount"));
}

}  // namespace
}  // namespace callward::listen
