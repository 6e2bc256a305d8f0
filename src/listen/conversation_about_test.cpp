// What a turn model adds to the grammar's phrases, on dialogues whose questions no phrase knows: by
// a model that was made for them.
#include "listen/conversation.hpp"
#include "listen/grammar_files_test.hpp"

namespace callward::listen {
namespace {

using test::words_of;

const Grammar& modelled() {
  static const Grammar grammar =
      test::english_with({{"turns.txt",
                           "callward-turns 1\n"
                           "classes none | ask password | say security_answer | ask harmless | say "
                           "harmless | read back\n"
                           "bias 300 0 0 0 0 0\n"
                           "goes there\t1:900\n"
                           "below .. user\t1:200\n"
                           "let .. that\t1:250\n"
                           "#letter mail\t1:250\n"
                           "mum .. a\t2:900\n"
                           "sewn on\t3:900\n"
                           "on the sleeve\t4:900\n"
                           "did i hear\t5:900\n"}});
  return grammar;
}

class Talk {
 public:
  // What is erased of it.
  std::vector<Finding> say(Side side, std::string_view text, std::uint8_t confidence = 220) {
    Heard heard{.stream = static_cast<std::uint8_t>(side == Side::kAgent ? 1 : 0),
                .side = side,
                .start_ms = now_,
                .end_ms = now_,
                .words = words_of(text, now_ + 100, confidence)};
    heard.end_ms = heard.words.back().end_ms + 150;
    now_ = heard.end_ms + 700;
    return talk_.hear(heard);
  }
  std::vector<Finding> agent(std::string_view text) { return say(Side::kAgent, text); }
  std::vector<Finding> customer(std::string_view text) { return say(Side::kCustomer, text); }

 private:
  Conversation talk_{modelled()};
  std::uint32_t now_ = 0;
};

TEST(About, AQuestionThatNoPhraseKnowsMakesItsAnswerSecret) {
  Talk talk;
  EXPECT_TRUE(talk.agent("And the bit below your user name, what goes there?").empty());
  EXPECT_FALSE(talk.customer("That would be marmalade tiger.").empty());
}

TEST(About, ACustomerAsksForNothing) {
  Talk talk;
  EXPECT_TRUE(talk.customer("And the bit below my user name, what goes there?").empty());
  EXPECT_TRUE(talk.customer("I see a small field and nothing else.").empty());
}

TEST(About, TwoSentencesAreAQuestionTogether) {
  Talk talk;
  EXPECT_TRUE(talk.agent("There is an e-mail for you. Would you let me have that?").empty());
  EXPECT_FALSE(talk.customer("Marmalade tiger nine.").empty());
  Talk other;
  EXPECT_TRUE(other.agent("There is an e-mail for you.").empty());
  EXPECT_TRUE(other.customer("Marmalade tiger it is then.").empty());
}

TEST(About, ASecretThatNobodyAskedForIsFoundByWhatIsSaidAroundIt) {
  Talk talk;
  EXPECT_FALSE(talk.customer("My mum was a Kowalczyk in those days.").empty());
}

TEST(About, AReadBackGoesByItsWordsOrWhenItIsNotUnderstood) {
  for (const auto confidence : {std::uint8_t{220}, std::uint8_t{30}}) {
    Talk talk;
    EXPECT_TRUE(talk.agent("What is the password?").empty());
    EXPECT_FALSE(talk.customer("It is marmalade tiger.").empty());
    EXPECT_FALSE(talk.say(Side::kAgent,
                          confidence > 90 ? "Did I hear armor aid there?" : "some thing or so",
                          confidence)
                     .empty());
  }
}

TEST(About, WhatIsHarmlessByTheModelStaysUnlessASecretIsAskedFor) {
  Talk talk;
  EXPECT_TRUE(talk.agent("Then the one that is sewn on?").empty());
  EXPECT_TRUE(talk.customer("8 8 4 1 2.").empty());
  Talk other;
  EXPECT_TRUE(other.customer("It has 8 8 4 1 2 on the sleeve.").empty());
  Talk secret;
  EXPECT_TRUE(secret.agent("What is your pin?").empty());
  EXPECT_FALSE(secret.customer("It has 8 8 4 1 on the sleeve.").empty());
}

}  // namespace
}  // namespace callward::listen
