// What the talk models add to the grammar's phrases and take from them: dialogues whose questions
// no phrase knows, by models that were made for them.
#include "listen/conversation.hpp"
#include "listen/grammar_files_test.hpp"

namespace callward::listen {
namespace {

using test::words_of;

// A clause goes when the other side has asked for a secret, or it says one; not when something
// harmless was wanted.
const Grammar& modelled() {
  static const Grammar grammar = test::english_with(
      {{"turns.txt",
        "callward-turns 2\n"
        "words and the bit below your user name what goes there that would be is an e-mail for you "
        "let me have i see a small field nothing else then one sewn on my mum was in those days it "
        "has\n"
        "model turns\n"
        "classes none | ask password | say security_answer | ask harmless\n"
        "bias 300 0 0 0\n"
        "=goes there\t1:900\n"
        "=would .. let\t1:250\n"
        "=for you\t1:250\n"
        "=mum .. a\t2:900\n"
        "=sewn on\t3:900\n"
        "model clauses\n"
        "classes keep | erase\n"
        "bias 0 -300\n"
        "other|asks3\t1:600\n"
        "own|says3\t1:600\n"
        "other|wants3\t1:-900\n"
        "rule|secret_like\t1:400\n"}});
  return grammar;
}

class Talk {
 public:
  explicit Talk(const Grammar& grammar = modelled()) : talk_(grammar) {}
  // What is erased of it.
  std::vector<Finding> say(Side side, std::string_view text, std::uint8_t confidence = 220) {
    Heard heard{.stream = static_cast<std::uint8_t>(side == Side::kAgent ? 1 : 0),
                .side = side,
                .start_ms = now_,
                .end_ms = now_,
                .words = words_of(text, now_ + 100, confidence)};
    heard.end_ms = heard.words.back().end_ms + 150;
    start_ = now_, end_ = heard.end_ms;
    now_ = heard.end_ms + 700;
    return talk_.hear(heard);
  }
  std::vector<Finding> agent(std::string_view text) { return say(Side::kAgent, text); }
  std::vector<Finding> customer(std::string_view text) { return say(Side::kCustomer, text); }
  [[nodiscard]] bool whole(const std::vector<Finding>& findings) const {
    return findings.size() == 1 && findings[0].start_ms <= start_ && findings[0].end_ms == end_;
  }
  [[nodiscard]] std::uint32_t start_ms() const { return start_; }

 private:
  Conversation talk_;
  std::uint32_t now_ = 0, start_ = 0, end_ = 0;
};

TEST(Judged, AQuestionThatNoPhraseKnowsMakesItsAnswerSecret) {
  Talk talk;
  EXPECT_TRUE(talk.agent("And the bit below your user name, what goes there?").empty());
  const auto found = talk.customer("That would be marmalade tiger.");
  EXPECT_TRUE(talk.whole(found));
  EXPECT_EQ(found.at(0).kind, Secret::kPassword);
}

TEST(Judged, TwoSentencesAreAQuestionTogether) {
  Talk talk;
  EXPECT_TRUE(talk.agent("There is an e-mail for you. Would you let me have that?").empty());
  EXPECT_FALSE(talk.customer("Marmalade tiger nine.").empty());
  Talk other;
  EXPECT_TRUE(other.agent("There is an e-mail for me.").empty());
  EXPECT_TRUE(other.customer("Marmalade tiger it is then.").empty());
}

TEST(Judged, ASmallWordBetweenQuestionAndAnswerIsNoTurn) {
  Talk talk;
  (void)talk.agent("And the bit below your user name, what goes there?");
  (void)talk.customer("One moment.");
  (void)talk.agent("Okay.");
  EXPECT_FALSE(talk.customer("Marmalade tiger nine.").empty());
}

TEST(Judged, ASecretThatNobodyAskedForIsFoundByWhatIsSaidAroundIt) {
  Talk talk;
  const auto found = talk.customer("My mum was a Kowalczyk in those days.");
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].kind, Secret::kSecurityAnswer);
}

TEST(Judged, WhatTheRulesWouldEraseStaysWhenSomethingHarmlessWasWanted) {
  Talk talk;
  EXPECT_FALSE(talk.customer("8 8 4 1 2.").empty()) << "digits that nothing explains";
  Talk other;
  EXPECT_TRUE(other.agent("Then the one that is sewn on?").empty());
  EXPECT_TRUE(other.customer("8 8 4 1 2.").empty());
}

TEST(Judged, ANumberThatStayedMayBeSaidAgain) {
  Talk talk;
  EXPECT_TRUE(talk.agent("Then the one that is sewn on?").empty());
  EXPECT_TRUE(talk.customer("8 8 4 1 2.").empty());
  EXPECT_TRUE(talk.agent("Fine. And how is the weather over there?").empty());
  EXPECT_TRUE(talk.customer("8 8 4 1 2.").empty());
  EXPECT_FALSE(talk.customer("7 3 5 9 0.").empty());
}

// Whoever chose a number that is said elsewhere in the call loses nothing by it.
TEST(Judged, ASecretThatHasTheDigitsOfANumberThatStayedGoes) {
  const std::string order = "My order number is 4 4 7 1.";
  for (const auto& [kept, asked, answer] : std::vector<std::array<std::string, 3>>{
           {order, "What is your pin?", "4 4 7 1."},
           {"My phone number is 5 5 5 0 1 2 3 4 4 7 1.", "What is your pin?", "4 4 7 1."},
           {order, "What is your password?", "The password is tiger 4 4 7 1."},
           {"My phone number is 6 7 8 9.", "What is your social security number?",
            "1 2 3 4 5 6 7 8 9."},
           {"My order number is 6 4 6 7.", "What is your card number?",
            "4 5 3 9 1 4 8 8 0 3 4 3 6 4 6 7."}}) {
    Talk talk(test::english());
    EXPECT_TRUE(talk.customer(kept).empty()) << kept;
    EXPECT_TRUE(talk.agent(asked).empty());
    EXPECT_FALSE(talk.customer(answer).empty()) << kept << " " << answer;
  }
}

TEST(Judged, OfWhatTheRulesAreSureNothingStays) {
  Talk card;
  EXPECT_TRUE(card.agent("Then the one that is sewn on?").empty());
  EXPECT_FALSE(card.customer("4 5 3 9 1 4 8 8 0 3 4 3 6 4 6 7.").empty());
  Talk asked;
  EXPECT_TRUE(asked.agent("What is your password? Then the one that is sewn on?").empty());
  EXPECT_FALSE(asked.customer("4 5 3 9 1 4 8 8 0 3 4 3 6 4 6 7.").empty());
  Talk again;
  EXPECT_TRUE(again.agent("And the bit below your user name, what goes there?").empty());
  EXPECT_FALSE(again.customer("That would be marmalade 8 8 4 1 2.").empty());
  EXPECT_TRUE(again.agent("What is your password? Then the one that is sewn on?").empty());
  EXPECT_FALSE(again.customer("Well, 8 8 4 1 2.").empty());
  EXPECT_FALSE(again.customer("I said marmalade.").empty());
  Talk unheard;
  EXPECT_TRUE(unheard.agent("What is your password?").empty());
  const auto found = unheard.say(Side::kCustomer, "Some thing or other.", 30);
  EXPECT_TRUE(unheard.whole(found));
  EXPECT_EQ(found.at(0).kind, Secret::kUnrecognised);
}

TEST(Judged, OfALongClauseOnlyItsDigitsGo) {
  Talk talk;
  const auto found = talk.customer(
      "It has been like that since I came home in the evening and it says 8 8 4 1 2 and then no "
      "more.");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_GT(found[0].start_ms, talk.start_ms() + 3'000);
}

}  // namespace
}  // namespace callward::listen
