#include "listen/talk_model.hpp"

#include <algorithm>

#include "listen/grammar_files_test.hpp"

namespace callward::listen {
namespace {

using test::english;
using test::words_of;

std::vector<Token> said(std::string_view text) { return tokenize(english(), words_of(text)); }

const std::string kWords = "callward-turns 2\nwords your pin is my password it costs\n";
const std::string kHead = kWords + "model turns\nclasses none | ask pin | say pin | ask harmless\n";

Errc refused(const std::string& text) {
  const auto model = TalkModel::parse(text);
  EXPECT_FALSE(model) << text;
  return model ? Errc::kState : model.error().code;
}

TEST(TalkModel, IsReadStrictly) {
  const std::string turns = "bias 1 2 -3 4\n=pin\t1:250 2:-30\n";
  ASSERT_TRUE(TalkModel::parse(kHead + turns));
  EXPECT_FALSE(TalkModel::parse(kHead + turns)->judges());
  const std::string clauses = "model clauses\nclasses keep | erase\nbias 0 -1\n#\t1:3\n";
  ASSERT_TRUE(TalkModel::parse(kHead + turns + clauses));
  EXPECT_TRUE(TalkModel::parse(kHead + turns + clauses)->judges());
  for (const auto& text :
       {std::string(), std::string("callward-turns 1\n"), kWords, kWords + "model turns\n",
        kWords + "model turns\nbias 1\n", kWords + "model turns\nclasses ask pin\nbias 1\n",
        kWords + "model turns\nclasses none | ask nobody\nbias 1 1\n", kWords + clauses,
        kWords + "words new  word\n" + turns, kWords + "words your\n" + turns, kHead + clauses,
        kHead + turns + turns, kHead + turns + "model turns\nclasses none\nbias 1\n",
        kHead + turns + "model clauses\nclasses erase | keep\nbias 0 0\n"})
    EXPECT_EQ(refused(text), Errc::kMalformed) << text;
  for (const auto* rest :
       {"bias 1 2 3\n", "bias 1 2 3 x\n", "=pin\t1:2\n", "bias 1 2 3 4\npin 1:2\n",
        "bias 1 2 3 4\npin\t4:2\n", "bias 1 2 3 4\npin\t1:40000\n", "bias 1 2 3 4\npin\t1\n",
        "bias 1 2 3 4\npin\t1:1\npin\t1:2\n", "bias 1 2 3 4\npin\t1:1 1:2\n",
        "bias 1 2 3 4\n\t1:2\n"})
    EXPECT_EQ(refused(kHead + rest), Errc::kMalformed) << rest;
  EXPECT_EQ(refused(kHead + std::string(kLanguageFileBytesMax, '#')), Errc::kTooLarge);
  const auto bad = TalkModel::parse(kHead + "bias 1 2 3 4\n# a comment\npin\t9:1\n");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message.substr(0, 7), "line 7:");
}

TEST(TalkModel, GivesTheShareOfEachAct) {
  const auto model = TalkModel::parse(kHead + "bias 0 0 0 0\n=pin\t1:300\n=# .. pin\t2:900\n");
  ASSERT_TRUE(model);
  const auto asked = model->about(said("your pin"));
  EXPECT_NEAR(asked.asks, 20.0855F / 23.0855F, 1e-3);  // e^3 of e^3 + 3
  EXPECT_EQ(asked.asked, Secret::kPin);
  EXPECT_NEAR(asked.says + asked.asks_harmless, 2 / 23.0855F, 1e-3);
  const auto stated = model->about(said("4 7 is my pin"));
  EXPECT_GT(stated.says, 0.9F);
  EXPECT_EQ(stated.said, Secret::kPin);
  EXPECT_EQ(model->about({}).asks, 0.0F);
}

std::vector<std::string> features(const TalkModel& model, std::string_view text) {
  const auto tokens = said(text);
  const StretchFeatures found(tokens, model.symbols(tokens));
  std::vector<std::string> names(found.all().begin(), found.all().end());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(TalkModel, NumbersAndLettersAreWhatTheyAreAndNotWhich) {
  const auto model = TalkModel::parse(kHead + "bias 0 0 0 0\n");
  ASSERT_TRUE(model);
  const auto has = [](const std::vector<std::string>& all, std::string_view one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  const auto digits = features(*model, "it is 4 7 1 9");
  EXPECT_EQ(digits, features(*model, "it is 8 0 0 2"));
  EXPECT_TRUE(has(digits, "=is #some"));
  EXPECT_TRUE(has(digits, "^ it is"));
  EXPECT_FALSE(has(digits, "?"));
  EXPECT_TRUE(has(features(*model, "your password?"), "?"));
  EXPECT_TRUE(has(features(*model, "your password?"), "r pas"));
  EXPECT_TRUE(has(features(*model, "it costs 20 dollars"), "=costs #amount"));
}

TEST(TalkModel, AWordThatMeansNothingIsAnyWord) {
  const auto model = TalkModel::parse(kHead + "bias 0 0 0 0\n");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->symbols(said("my password is marmalade tiger")),
            (std::vector<std::string>{"my", "password", "is", "*", "*"}));
}

}  // namespace
}  // namespace callward::listen
