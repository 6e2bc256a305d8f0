// A recogniser that talks nonsense, and sound that is no speech: after a secret question all of it
// goes; without one nothing else is lost.
#include <cmath>
#include <random>

#include "listen/call_rig_test.hpp"

namespace callward::listen {
namespace {

using test::CallRig;
using test::kPasswordCall;
using test::words_of;

using Answer = std::function<void(RecogniseReply&)>;

// The whole call, with `answer` in place of what the recogniser says of speech `at`.
void play(CallRig& rig, const std::string& first_word, const Answer& answer) {
  const auto work = [&] {
    for (bool more = true; more;) {
      more = false;
      while (const auto job = rig.listener.take_vad()) rig.answer_vad(*job), more = true;
      while (const auto job = rig.listener.take_turn()) {
        auto reply = rig.recognise(*job);
        if (!reply.words.empty() && (first_word.empty() || reply.words[0].text == first_word))
          answer(reply);
        rig.listener.turn_done(job->id, reply);
        more = true;
      }
    }
  };
  for (std::uint32_t index = 0; index < 220; ++index) {
    rig.give(index);
    work();
    rig.collect();
  }
  rig.end();
  work();
  rig.collect();
}

struct Nonsense {
  const char* name;
  Answer answer;
};

const std::vector<Nonsense> kNonsense = {
    {"looped", [](RecogniseReply& r) { r.flags = kLooped; }},
    {"truncated", [](RecogniseReply& r) { r.flags = kTruncated; }},
    {"an unknown flag", [](RecogniseReply& r) { r.flags = 128; }},
    {"empty", [](RecogniseReply& r) { r.words.clear(); }},
    {"unsure",
     [](RecogniseReply& r) {
       for (auto& w : r.words) w.confidence = 40;
     }},
    {"not UTF-8", [](RecogniseReply& r) { r.words[0].text = "\xC0\xAFyes\xFF"; }},
    {"a zero byte", [](RecogniseReply& r) { r.words[0].text = std::string("no\0", 3); }},
    {"an empty word", [](RecogniseReply& r) { r.words[0].text.clear(); }},
    {"a huge word", [](RecogniseReply& r) { r.words[0].text.assign(900'000, 'a'); }},
    {"too many words", [](RecogniseReply& r) { r.words.assign(5'000, r.words[0]); }},
    {"as many as may be",
     [](RecogniseReply& r) {
       r.words.assign(kWorkerWordsMax, r.words[0]);
       r.flags = kLooped;
     }},
    {"times beyond the turn",
     [](RecogniseReply& r) {
       for (auto& w : r.words) w.start_ms = 0xFFFF'FFF0, w.end_ms = 3;
     }},
    {"a polite word in place of three seconds",
     [](RecogniseReply& r) { r.words = words_of("Okay."); }},
};

class RobustAnswers : public testing::TestWithParam<std::size_t> {};

TEST_P(RobustAnswers, AfterASecretQuestionTheAnswerGoesAndNothingOfItIsDerived) {
  CallRig rig(kPasswordCall);
  play(rig, "It", kNonsense[GetParam()].answer);
  EXPECT_TRUE(rig.listener.finished());
  rig.expect_secrets_gone();
  EXPECT_EQ(rig.cleared[0], 220u);
  EXPECT_EQ(rig.text[0].find("sunshine"), std::string::npos);
  EXPECT_NE(rig.text[0].find("prints the page"), std::string::npos) << "the rest stays";
}

TEST_P(RobustAnswers, WithoutASecretQuestionNothingIsLost) {
  CallRig rig({{1, 1'000, 4'000, "Is the printer switched on?"},
               {0, 5'000, 8'000, "It is and the page looks fine"},
               {1, 9'000, 11'000, "Thank you. Have a nice day"}});
  play(rig, "It", kNonsense[GetParam()].answer);
  EXPECT_TRUE(rig.listener.finished());
  EXPECT_TRUE(rig.ordered.empty());
  EXPECT_EQ(rig.cleared[0], 220u);
}

INSTANTIATE_TEST_SUITE_P(CallListener, RobustAnswers,
                         testing::Range(std::size_t{0}, kNonsense.size()), [](const auto& given) {
                           std::string name = kNonsense[given.param].name;
                           for (auto& c : name)
                             if (c == ' ' || c == '-') c = '_';
                           return name;
                         });

TEST(CallListenerRobust, AnswersForTurnsThatNobodyAskedChangeNothing) {
  CallRig rig(kPasswordCall);
  RecogniseReply harmless;
  harmless.words = words_of("Thank you very much");
  for (std::uint32_t index = 0; index < 220; ++index) {
    rig.give(index);
    for (const std::uint64_t id : {0ull, 1ull, 2ull, 3ull, 999ull, ~0ull}) {
      rig.listener.turn_done(id, harmless);
      rig.listener.turn_failed(id);
    }
    rig.listener.vad_done(7, Bytes(12, 0));
    while (const auto job = rig.listener.take_vad()) {
      rig.listener.vad_done(job->stream, Bytes(job->pcm.size() / 512 + 1, 0));  // one too many
      const auto again = rig.listener.take_vad(job->stream);
      ASSERT_TRUE(again) << "asked again";
      rig.answer_vad(*again);
    }
    rig.work();
    rig.collect();
  }
  rig.end();
  rig.work();
  rig.collect();
  EXPECT_TRUE(rig.listener.finished());
  rig.expect_secrets_gone();
}

TEST(CallListenerRobust, ATurnIsAnsweredOnce) {
  CallRig rig(kPasswordCall);
  RecogniseReply harmless;
  harmless.words = words_of("Okay. Thank you.");
  for (std::uint32_t index = 0; index < 220; ++index) {
    rig.give(index);
    while (const auto job = rig.listener.take_vad()) rig.answer_vad(*job);
    while (const auto job = rig.listener.take_turn()) {
      rig.listener.turn_done(job->id, rig.recognise(*job));
      rig.listener.turn_done(job->id, harmless);
    }
    rig.collect();
  }
  rig.expect_secrets_gone();
}

// The question is heard; from then on the engine says the same harmless words of everything.
TEST(CallListenerRobust, TheSameWordsTurnAfterTurnAreNotBelieved) {
  CallRig again({{1, 1'000, 4'000, "What is the password of your account?"},
                 {0, 5'000, 6'000, "sunshine"},
                 {0, 7'000, 8'000, "seven"},
                 {0, 9'000, 10'000, "four", true},
                 {0, 11'000, 12'000, "nine", true}});
  play(again, "", [](RecogniseReply& reply) {
    if (reply.words[0].text != "What") reply.words = words_of("Thank you.");
  });
  again.expect_secrets_gone();
}

TEST(CallListenerRobust, AnAnswerOfDotsIsNone) {
  CallRig rig({{1, 1'000, 3'000, "What is the password of your account?"},
               {0, 4'000, 5'000, "sunshine", true}});
  play(rig, "", [](RecogniseReply& reply) {
    if (reply.words[0].text != "What") reply.words = words_of("...");
  });
  rig.expect_secrets_gone();
}

// ---- sound that voice detection takes for none --------------------------------------------------

struct Sound {
  std::uint32_t start_ms = 0, end_ms = 0;
  int amplitude = 0;
};

// Customer's samples beside the rig's speech: noise in bursts, which the rig's detector denies.
class DeafRig : public CallRig {
 public:
  DeafRig(std::vector<test::Speech> speeches, std::vector<Sound> sounds)
      : CallRig(std::move(speeches)), sounds_(std::move(sounds)) {}
  void call() {
    std::mt19937 noise(7);
    for (std::uint32_t index = 0; index < 220; ++index) {
      for (std::uint8_t stream = 0; stream < 2; ++stream) {
        auto out = samples(stream, index);
        if (stream == 0)
          for (std::size_t i = 0; i < out.size(); ++i)
            for (const auto& sound : sounds_)
              if (const auto ms = index * 100 + i / 8; ms >= sound.start_ms && ms < sound.end_ms)
                out[i] = odd(noise, sound.amplitude);
        ASSERT_TRUE(listener.audio(stream, index, out, {}));
      }
      work_deaf();
      collect();
    }
    end();
    work_deaf();
    collect();
  }

 private:
  // No level of a speech, so that only what was said is speech here.
  static std::int16_t odd(std::mt19937& noise, int amplitude) {
    const auto value = static_cast<int>(noise() % static_cast<unsigned>(2 * amplitude)) - amplitude;
    return static_cast<std::int16_t>((value & ~15) + 7);
  }
  void work_deaf() {
    for (bool more = true; more;) {
      more = false;
      while (const auto job = listener.take_vad()) {
        Bytes probabilities;
        const auto pcm = job->pcm.expose();
        for (std::size_t at = 0; at < pcm.size(); at += 2 * kVadWindowSamples) {
          bool speech = false;
          for (std::size_t i = at; i < at + 2 * kVadWindowSamples; i += 2) {
            const auto value = load_le<std::int16_t>(pcm.data() + i);
            speech = speech || (value != 0 && (value & 15) != 7);
          }
          probabilities.push_back(speech ? 240 : 5);
        }
        listener.vad_done(job->stream, probabilities);
        more = true;
      }
      while (const auto job = listener.take_turn())
        listener.turn_done(job->id, recognise(*job)), more = true;
    }
  }
  std::vector<Sound> sounds_;
};

const std::vector<test::Speech> kAsked = {
    {1, 1'000, 4'000, "What is the password of your account?"},
    {1, 12'000, 14'000, "Thank you. Is the printer switched on?"},
    {0, 15'000, 18'000, "Yes it prints the page and everything is fine"}};

TEST(CallListenerRobust, LoudSoundThatIsNoSpeechCountsAsTheAnswer) {
  DeafRig rig(kAsked, {{5'000, 8'000, 20'000}});
  rig.call();
  EXPECT_TRUE(rig.listener.finished());
  EXPECT_TRUE(rig.covered(0, 5'000, 8'000));
  EXPECT_TRUE(rig.covered(1, 5'000, 7'900)) << "the far side's echo";
  EXPECT_EQ(rig.kinds.front(), Secret::kUnrecognised);
  EXPECT_FALSE(rig.covered(1, 1'000, 4'000)) << "the question stays";
  EXPECT_FALSE(rig.covered(0, 9'000, 14'000)) << "silence stays";
  EXPECT_EQ(rig.cleared[0], 220u);
}

// The question closes while the sound goes on: what was heard of it is ordered before it is cleared
// (collect() asserts it).
TEST(CallListenerRobust, SoundThatOutlivesTheQuestionIsOrderedBeforeItIsCleared) {
  for (const std::uint32_t end_ms : {9'200, 9'400, 9'600, 12'000}) {
    DeafRig rig({{1, 1'000, 3'000, "What is the password of your account?"},
                 {0, 4'000, 5'000, "sunshine", true}},
                {{5'500, end_ms, 20'000}});
    rig.call();
    rig.expect_secrets_gone();
    EXPECT_TRUE(rig.covered(0, 5'500, 8'000)) << end_ms;
  }
}

TEST(CallListenerRobust, AQuietAnswerCountsToo) {
  DeafRig rig(kAsked, {{0, 22'000, 30}, {5'000, 6'000, 400}});
  rig.call();
  EXPECT_TRUE(rig.covered(0, 5'000, 6'000));
}

TEST(CallListenerRobust, WithoutAQuestionLoudSoundStays) {
  DeafRig rig({{1, 1'000, 4'000, "Is the printer switched on?"}}, {{5'000, 9'000, 20'000}});
  rig.call();
  EXPECT_TRUE(rig.ordered.empty());
  EXPECT_EQ(rig.cleared[0], 220u);
}

TEST(CallListenerRobust, SteadyNoiseAndClicksAreNoAnswer) {
  DeafRig steady(kAsked, {{0, 22'000, 3'000}});
  steady.call();
  EXPECT_TRUE(steady.ordered.empty()) << "a noisy line";
  DeafRig click(kAsked, {{5'000, 5'200, 20'000}, {7'000, 7'150, 20'000}});
  click.call();
  for (const auto& range : click.ordered) EXPECT_GE(range.first, 145u) << "nobody answered yet";
}

TEST(CallListenerRobust, AtTheCallsEndToo) {
  DeafRig rig({{1, 15'000, 18'000, "What is the password of your account?"}},
              {{19'000, 22'000, 20'000}});
  rig.call();
  EXPECT_TRUE(rig.listener.finished());
  EXPECT_TRUE(rig.covered(0, 19'000, 22'000));
}

}  // namespace
}  // namespace callward::listen
