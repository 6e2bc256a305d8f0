// Dialogues as text. Each line is one turn: who speaks, a mark, and what is said.
//
//   "A: ..."   nothing of it may be erased        "C! ..."  all of it must be
//   "C~ ..."   what stands in [brackets] must be; of the rest a margin may
//   "C? ..."   is not asserted                    who: A agent, C customer, E either (mixed stream)
//
// <failed>, <looped>, <mumbled> stand for what the recogniser could not make out.
#include "listen/conversation.hpp"

#include "listen/grammar_files_test.hpp"

namespace callward::listen {
namespace {

using test::english;
using test::words_of;

class Dialogue {
 public:
  void run(const std::vector<std::string>& lines) {
    for (const auto& line : lines) say(line);
    for (const auto& turn : turns_) check(turn);
  }
  [[nodiscard]] bool open() const { return talk_.open_since_ms().has_value(); }
  void pass_ms(std::uint32_t ms) { now_ += ms; }

 private:
  struct Turn {
    std::string line;
    std::uint8_t stream = 0;
    std::vector<Word> words;
    std::vector<bool> marked;
    std::uint32_t start_ms = 0, end_ms = 0;
  };

  void say(const std::string& line) {
    Turn turn{.line = line, .stream = static_cast<std::uint8_t>(line[0] == 'A' ? 1 : 0)};
    std::string text = line.substr(3);
    Heard heard;
    heard.side = line[0] == 'A' ? Side::kAgent : line[0] == 'C' ? Side::kCustomer : Side::kEither;
    heard.stream = turn.stream;
    std::uint8_t confidence = 220;
    if (text == "<failed>") heard.failed = true, text = "x x x";
    if (text == "<looped>") heard.flags = kLooped, text = "the the the the the the";
    if (text == "<mumbled>") confidence = 30, text = "some thing or other";
    bool marked = line[1] == '!';
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '[') marked = true;
      if (text[i] == ']') marked = false;
      if (text[i] == '[' || text[i] == ']') continue;
      if (i == 0 || text[i] == ' ') turn.marked.push_back(marked || text[i + 1] == '[');
      plain += text[i];
    }
    turn.start_ms = now_;
    turn.words = words_of(plain, now_ + 100, confidence);
    turn.end_ms = turn.words.back().end_ms + 150;
    turn.marked.resize(turn.words.size(), line[1] == '!');
    heard.start_ms = turn.start_ms;
    heard.end_ms = turn.end_ms;
    if (!heard.failed) heard.words = turn.words;
    for (const auto& finding : talk_.hear(heard)) findings_.push_back(finding);
    now_ = turn.end_ms + 700;
    turns_.push_back(std::move(turn));
  }

  [[nodiscard]] bool erased(const Turn& turn, std::uint32_t from, std::uint32_t to) const {
    return std::any_of(findings_.begin(), findings_.end(), [&](const Finding& f) {
      return f.stream == turn.stream && f.start_ms <= from && to <= f.end_ms;
    });
  }
  void check(const Turn& turn) const {
    const char mark = turn.line[1];
    if (mark == '!') {
      EXPECT_TRUE(erased(turn, turn.start_ms, turn.end_ms)) << turn.line;
      return;
    }
    for (std::size_t i = 0; i < turn.words.size(); ++i) {
      const bool gone = erased(turn, turn.words[i].start_ms + 50, turn.words[i].end_ms - 50);
      if (mark == ':') EXPECT_FALSE(gone) << turn.words[i].text << "  in  " << turn.line;
      if (mark == '~' && turn.marked[i])
        EXPECT_TRUE(gone) << turn.words[i].text << "  in  " << turn.line;
    }
  }

  Conversation talk_{english()};
  std::uint32_t now_ = 0;
  std::vector<Turn> turns_;
  std::vector<Finding> findings_;
};

struct Case {
  const char* name;
  std::vector<std::string> lines;
};
void PrintTo(const Case& dialogue, std::ostream* out) { *out << dialogue.name; }

class Dialogues : public testing::TestWithParam<Case> {};
TEST_P(Dialogues, EraseWhatIsSecretAndNothingElse) { Dialogue().run(GetParam().lines); }

const std::vector<Case> kSecrets = {
    {"PasswordAsked",
     {"A: I can help you with that. What is the password of your account?",
      "C! It is sunshine seven four.", "A: Thank you. One moment please.",
      "C: The printer still does not work."}},
    {"PasswordWithoutADigit",
     {"A: Could you tell me your password please?", "C! Butterfly.", "A: Thanks, that works."}},
    {"PasswordSpelledWithNato",
     {"A: Can you spell the password for me?", "C! tango bravo kilo four seven", "A: Okay."}},
    {"PasswordAfterAStall",
     {"A: What is your password?", "C: Um, hold on.", "C! rabbit underscore nine"}},
    {"PasswordInTwoTurns",
     {"A: And your password?", "C! capital R as in romeo", "A: Mm hm.", "C! then abbit four two"}},
    {"PasswordCorrected",
     {"A: What's your password?", "C! giraffe seven", "C! no sorry, giraffe nine", "A: Okay."}},
    {"PasswordReadBack",
     {"A: What is your password?", "C! It's elephant four four two",
      "A~ So that's [elephant] four four two?", "C: Yes."}},
    {"PasswordSaidAgainLater",
     {"A: What is the password?", "C! It is marmalade seven", "A: Thank you.",
      "A: Where do you live?", "C: In the north of the country.",
      "A: I see. Is the printer on now?", "C~ Yes. And you noted [marmalade] did you?"}},
    {"PasswordVolunteered",
     {"C~ Hello, I can't log in and my password is [sunflower seven three]"}},
    {"PasswordVolunteeredAfterAPause", {"C? Well, my password is", "C! pineapple four four"}},
    {"PasswordTold",
     {"A: I have reset it for you.", "A~ Your new password is [winter eight two five]"}},
    {"PinAsked", {"A: Please tell me your pin.", "C! four seven one nine", "A: Thank you."}},
    {"PinAskedTwice",
     {"A: What is your four digit pin?", "C! four seven", "A: Sorry, could you repeat that?",
      "C! four seven one nine"}},
    {"PinReadBack", {"A: Can you give me your pin?", "C! 4 7 1 9", "A~ [4 7 1 9], thank you."}},
    {"CardAsked",
     {"A: Can I have the card number please?", "C! 4 5 3 9 1 4 8 8", "A: Mm hm.",
      "C! 0 3 4 3 6 4 6 7"}},
    {"CardVolunteered", {"C~ I'd like to pay, it's [4539 1488 0343 6467] you see"}},
    {"CvvAskedInAShortClause",
     {"A: What is the card number?", "C! 4539 1488 0343 6467",
      "A: And the three digits on the back?", "C! seven one four"}},
    {"OneTimeCode",
     {"A: I just sent you a text with a six digit code. Can you read it to me?",
      "C! nine one five two zero three"}},
    {"DoubleSeven", {"A: What's your pin?", "C! double seven one oh"}},
    {"SocialSecurity",
     {"A: And the last four of your social security number?", "C! six six one two"}},
    {"SecurityAnswer",
     {"A: What is your mother's maiden name?", "C! Kowalczyk.", "A: Perfect, thank you."}},
    {"FirstPet", {"A: What was the name of your first pet?", "C! Whiskers."}},
    {"NotRecognisedAfterAQuestion", {"A: What is your password?", "C! <failed>", "A: Okay."}},
    {"LoopedAfterAQuestion", {"A: What is your pin?", "C! <looped>"}},
    {"MumbledAfterAQuestion", {"A: What is your password?", "C! <mumbled>"}},
    {"DigitsThatNobodyExplains", {"C~ Well then, [seven four nine two five eight] and so on"}},
    {"QuestionAndAnswerOnOneStream",
     {"E: What is the password of your account?", "E! It is seven four nine two"}},
};

const std::vector<Case> kHarmless = {
    {"Phone", {"A: What is your phone number?", "C: It's five five five, one two three four."}},
    {"PhoneReadBack",
     {"A: Can I have your phone number?", "C: 5 5 5 1 2 3 4", "A: So that is 5 5 5 1 2 3 4?",
      "C: Yes, that's right."}},
    {"Order", {"A: What is the order number?", "C: It is eight eight four one two."}},
    {"TicketTold", {"A: Your ticket number is four four seven one."}},
    {"OwnLabel", {"C: My order number is nine one seven three two."}},
    {"Date", {"A: When did you buy it?", "C: On March the fourteenth."}},
    {"Price", {"A: It costs forty nine dollars and ninety five cents a month."}},
    {"PrinterModel", {"A: Which model is it?", "C: It's the H P 4 2 5."}},
    {"Declined",
     {"A: What is your password?", "C: I don't remember it.", "A: No problem. I will reset it.",
      "C: Thank you very much."}},
    {"SmallTalkAfterTheAnswer",
     {"A: What is your pin?", "C! four seven one nine", "A: Thank you. Is the printer switched on?",
      "C: Yes, it prints the page now and everything is fine."}},
    {"InstructionThatEndsWithAgain",
     {"A: What is the password of your account?", "C! It is seven four nine two five eight.",
      "A: Thank you, please switch the printer off and then on again.",
      "C: Now it prints the page. Thank you very much for your help."}},
    {"PasswordResetIsNoQuestion",
     {"A: I can send you a password reset link.", "C: Yes, that would be very kind of you."}},
    {"NeverTell",
     {"A: Please never share your password with anybody.", "C: Of course, I know about that."}},
    {"MumbledWithoutAQuestion", {"A: How can I help you today?", "C: <mumbled>"}},
    {"PlainTalk",
     {"A: Thank you for calling. How can I help?", "C: My router has a red light since Monday.",
      "A: I see. For how long did you wait for the technician?", "C: For two hours or so."}},
};

// No phrase of the grammar knows these questions: the models that ship do.
const std::vector<Case> kModelled = {
    {"WhatTheyTypeToGetIn",
     {"A: And what do you type in to get into the account?", "C! It's butterscotch nine two.",
      "A: Lovely, thanks."}},
    {"TheLongOneOnTheCard",
     {"A: Could I have the long one across the front, please?",
      "C! Five three seven six, eight eight five nine, oh five three eight.", "A: Thank you."}},
    {"TheOneThatJustArrived",
     {"A: I have just sent something to your mobile, could you read that out to me?",
      "C! Nine one five two zero three.", "A: Great."}},
    {"TheFourThatYouPressAtTheMachine",
     {"A: And the number you press at the cash machine?", "C! Four seven one nine.", "A: Thanks."}},
    {"WhatTheyCalledTheirDog",
     {"A: What did you call your very first dog?", "C! Buttons.", "A: Perfect."}},
    {"WhereItIsSentTo",
     {"A: What's the best number to ring you back on?",
      "C: It's oh two oh, five five five, one two three four.", "A: Lovely, thank you."}},
    {"OnTheLabel",
     {"A: Could you read me what's printed on the label underneath?",
      "C: It says seven five V H M four two L.", "A: Thank you."}},
    {"TheReference",
     {"A: Have you got the reference from the email we sent?",
      "C: Yes, it's eight eight four one two seven.", "A: Lovely."}},
};

std::string name_of(const testing::TestParamInfo<Case>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Secrets, Dialogues, testing::ValuesIn(kSecrets), name_of);
INSTANTIATE_TEST_SUITE_P(Modelled, Dialogues, testing::ValuesIn(kModelled), name_of);
INSTANTIATE_TEST_SUITE_P(Harmless, Dialogues, testing::ValuesIn(kHarmless), name_of);

TEST(Conversation, AQuestionIsOpenUntilItsAnswerIsOver) {
  Conversation talk(english());
  const auto hear = [&](Side side, std::uint32_t start_ms, std::string_view text) {
    Heard heard{.stream = static_cast<std::uint8_t>(side), .side = side, .start_ms = start_ms};
    heard.words = words_of(text, start_ms + 100);
    heard.end_ms = heard.words.back().end_ms + 100;
    (void)talk.hear(heard);
    return heard.end_ms;
  };
  EXPECT_FALSE(talk.open_since_ms());
  hear(Side::kAgent, 1'000, "What is your password?");
  EXPECT_EQ(talk.open_since_ms(), 1'000u) << "clearance stays before the question";
  const auto end = hear(Side::kCustomer, 5'000, "It's pineapple");
  talk.advance(end + 1'000);
  EXPECT_TRUE(talk.open_since_ms()) << "the answer may go on";
  talk.advance(end + 5'000);
  EXPECT_FALSE(talk.open_since_ms());
  hear(Side::kAgent, 60'000, "And your pin?");
  EXPECT_TRUE(talk.open_since_ms());
  talk.advance(60'000 + 90'000);
  EXPECT_FALSE(talk.open_since_ms()) << "an unanswered question is forgotten";
}

TEST(Conversation, KeyedDigitsAreSecretUnlessAHarmlessThingWasAsked) {
  Conversation talk(english());
  auto findings = talk.keyed({0, 1'000, 1'100, '5'});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, Secret::kDigits);
  Heard heard{.stream = 1, .side = Side::kAgent, .start_ms = 5'000, .end_ms = 7'000};
  heard.words = words_of("Please enter your phone number.", 5'100);
  (void)talk.hear(heard);
  EXPECT_TRUE(talk.keyed({0, 8'000, 8'100, '5'}).empty());
}

// Whatever is said, in whatever order and times: findings lie within the call, and a secret's
// finding on a stream belongs to a stream that spoke.
TEST(Conversation, AnyWordsInAnyOrder) {
  const std::vector<std::string> phrases = {"what is your password",
                                            "it is",
                                            "seven",
                                            "4539 1488 0343 6467",
                                            "um",
                                            "no sorry",
                                            "your phone number",
                                            "my pin is",
                                            "could you repeat that",
                                            "thank you",
                                            "tango",
                                            "new password is",
                                            "again",
                                            "forty nine dollars",
                                            "?",
                                            "...",
                                            "-",
                                            "the three digits on the back"};
  std::uint32_t seed = 11;
  const auto random = [&seed](std::uint32_t below) {
    seed = seed * 1'664'525 + 1'013'904'223;
    return (seed >> 10) % below;
  };
  for (int round = 0; round < 400; ++round) {
    Conversation talk(english());
    std::uint32_t now = 0;
    for (int turn = 0; turn < 25; ++turn) {
      Heard heard;
      heard.side = static_cast<Side>(random(3));
      heard.stream = static_cast<std::uint8_t>(random(2));
      heard.start_ms = now += random(8'000);
      std::string text;
      for (auto n = random(6); n > 0; --n) text += phrases[random(18)] + " ";
      heard.words = words_of(text, now, static_cast<std::uint8_t>(random(256)));
      heard.end_ms = heard.words.empty() ? now + 500 : heard.words.back().end_ms;
      heard.failed = random(20) == 0;
      heard.no_speech = static_cast<std::uint8_t>(random(256));
      for (const auto& finding : talk.hear(heard)) {
        EXPECT_LE(finding.start_ms, finding.end_ms);
        EXPECT_LE(finding.end_ms, heard.end_ms);
        EXPECT_EQ(finding.stream, heard.stream);
      }
      now = heard.end_ms;
      if (const auto open = talk.open_since_ms()) EXPECT_LE(*open, now);
    }
  }
}

}  // namespace
}  // namespace callward::listen
