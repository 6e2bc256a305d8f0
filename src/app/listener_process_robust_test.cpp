// Workers that are wrong, dead or talk nonsense: nothing is cleared on their word, and it is said.
#include <fstream>

#include "app/listener_process.hpp"
#include "app/listener_test_rig.hpp"

namespace callward::app {
namespace {

using test::ListenerRig;
using test::password_call;
using test::ScriptedCall;

const auto& kTexts = test::kPasswordTexts;

bool ordered(const ListenerRig& rig, std::uint32_t first, std::uint32_t end) {
  return test::covers(rig.keeper->orders, 0, first, end);
}

// The first of the texts, between silence.
WorkerCheck scripted_check() {
  WorkerCheck check{.pcm = Bytes(2 * 3 * 8'000, 0),
                    .words = {"what", "is", "the", "password", "account"}};
  for (std::size_t i = 8'000; i < 16'000; ++i)
    store_le(check.pcm.data() + 2 * i, std::int16_t{1'000});
  return check;
}

struct Wrong {
  const char* mode;
  const char* said;
};

class WrongWorkers : public testing::TestWithParam<Wrong> {};

TEST_P(WrongWorkers, ClearNothingAndTheStatusSaysWhy) {
  const auto [mode, said] = GetParam();
  ListenerRig rig(std::string("wrong-") + mode,
                  ListenerRig::scripted("/dev/null", std::string(mode) + "!", kTexts), 1,
                  scripted_check());
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.until([&] { return rig.status_has(said); })) << rig.listener->status_json();
  EXPECT_TRUE(rig.status_has("\"degraded\":\"no_recogniser\"")) << rig.listener->status_json();
  rig.pump(1'000);
  EXPECT_EQ(rig.keeper->heard[0], 0u);
  EXPECT_TRUE(rig.keeper->orders.empty());
  EXPECT_TRUE(rig.keeper->derived.empty());
  EXPECT_FALSE(rig.keeper->done);
}

INSTANTIATE_TEST_SUITE_P(
    ListenerRobust, WrongWorkers,
    testing::Values(Wrong{"parrot", "does not understand the check's sentence"},
                    Wrong{"deaf", "does not tell the check's speech from silence"},
                    Wrong{"refuse", "does not tell the check's speech from silence"},
                    Wrong{"wont", "it cannot begin: no model is in this folder?"},
                    Wrong{"babble", "does not understand the check's sentence"},
                    Wrong{"die", "it went away"}, Wrong{"unasked", "it answers what nobody asked"}),
    [](const auto& given) { return std::string(given.param.mode); });

TEST(ListenerRobust, AWorkerThatUnderstandsTheCheckIsAsked) {
  ListenerRig rig("checked", ListenerRig::scripted("/dev/null", "well", kTexts), 1,
                  scripted_check());
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  EXPECT_TRUE(ordered(rig, 50, 80));
  EXPECT_TRUE(rig.status_has("\"turns\":4")) << rig.listener->status_json();
  EXPECT_TRUE(rig.status_has("\"why\":\"\"")) << rig.listener->status_json();
}

// In the middle of a call, without a check: it is given up, and the turn is another one's.
TEST(ListenerRobust, AnAnswerToWhatNobodyAskedIsNoAnswer) {
  const auto state = callward::test::fresh_dir("robust-unasked") + "/state";
  ListenerRig rig("unasked", ListenerRig::scripted(state, "unasked", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  EXPECT_TRUE(ordered(rig, 50, 80));
  EXPECT_TRUE(rig.status_has("\"restarts\":1")) << rig.listener->status_json();
}

TEST(ListenerRobust, ARefusalOfVoiceDetectionIsTheWorkersEndWhateverItsCode) {
  ListenerRig rig("refuse", ListenerRig::scripted("/dev/null", "refuse!", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  ASSERT_TRUE(rig.until([&] { return rig.status_has("does not detect voice as asked"); }))
      << rig.listener->status_json();
  rig.pump(2'000);
  EXPECT_EQ(rig.keeper->heard[0], 0u);
  EXPECT_FALSE(rig.status_has("\"restarts\":0")) << rig.listener->status_json();
}

TEST(ListenerRobust, TheSameWordsWhateverIsSaidAreTheWorkersEnd) {
  const auto state = callward::test::fresh_dir("robust-parrot") + "/state";
  ListenerRig rig("parrot", ListenerRig::scripted(state, "parrot", kTexts));
  ScriptedCall call;
  call.id = CallId::random(rig.entropy);
  for (auto& side : call.sides) side.assign(60 * 8'000, 0);
  for (std::uint32_t i = 0; i < 14; ++i) call.speak(1, 500 + 2'000 * i, 1'500 + 2'000 * i, 2);
  call.speak(1, 30'000, 33'000, 0);
  call.speak(0, 34'000, 37'000, 1);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  EXPECT_TRUE(rig.status_has("\"restarts\":1")) << rig.listener->status_json();
  EXPECT_TRUE(ordered(rig, 340, 370));
}

TEST(ListenerRobust, WhatAWorkerSaysOfItselfIsShownShortAndPlain) {
  ListenerRig rig("boast", ListenerRig::scripted("/dev/null", "boast!", kTexts));
  ASSERT_TRUE(rig.until([&] { return rig.status_has("scripted"); }));
  const auto status = rig.listener->status_json();
  EXPECT_LT(status.size(), 4'000u);
  for (const char c : status) EXPECT_TRUE(c >= 0x20 && c < 0x7F);
}

// ---- several workers ----------------------------------------------------------------------------

TEST(ListenerRobust, TwoWorkersShareTheWork) {
  ListenerRig rig("two", ListenerRig::scripted("/dev/null", "well", kTexts), 2, scripted_check());
  ScriptedCall call;
  call.id = CallId::random(rig.entropy);
  for (auto& side : call.sides) side.assign(100 * 8'000, 0);
  for (std::uint32_t i = 0; i < 40; ++i) call.speak(1, 500 + 2'000 * i, 1'500 + 2'000 * i, 2);
  rig.keeper->call = &call;
  ASSERT_TRUE(rig.until([&] { return rig.status_has("\"workers_ready\":2"); }));
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  EXPECT_FALSE(rig.status_has("\"turns\":0")) << rig.listener->status_json();
  EXPECT_TRUE(rig.status_has("\"degraded\":\"\"")) << rig.listener->status_json();
  // As often as on hold, it says the same of each turn: it is checked again, and goes on.
  EXPECT_FALSE(rig.status_has("\"restarts\":1")) << rig.listener->status_json();
}

TEST(ListenerRobust, ADeadWorkersTurnIsDoneByTheOtherAndTheStatusSaysThatOneIsMissing) {
  const auto state = callward::test::fresh_dir("robust-one-dies") + "/state";
  ListenerRig rig("one-dies", ListenerRig::scripted(state, "die", kTexts), 2);
  rig.limits.back_off_ms = 60'000;  // it stays away
  rig.listener.reset();
  std::filesystem::remove(state);
  rig.start();
  ASSERT_TRUE(rig.until([&] { return rig.recorder->greeted; }));
  ASSERT_TRUE(rig.until([&] { return !rig.status_has("\"state\":\"starting\""); }));
  auto call = password_call(rig.entropy);
  for (auto& side : call.sides) side.resize(60 * 8'000, 0);
  for (std::uint32_t i = 0; i < 40; ++i)  // so that each is asked
    call.speak(i % 2, 20'000 + 1'000 * (i / 2), 20'400 + 1'000 * (i / 2), 2 + i % 2);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  EXPECT_TRUE(ordered(rig, 50, 80));
  EXPECT_TRUE(rig.status_has("\"degraded\":\"fewer_recognisers\"")) << rig.listener->status_json();
  EXPECT_TRUE(rig.status_has("\"why\":\"it went away\"")) << rig.listener->status_json();
  EXPECT_TRUE(rig.status_has("\"state\":\"down\"")) << rig.listener->status_json();
}

// One call with a dozen older turns waits; the other one has asked for a secret.
TEST(ListenerRobust, TurnsAfterASecretQuestionGoFirst) {
  const auto log = callward::test::fresh_dir("robust-urgent") + "/log";
  ListenerRig rig("urgent", ListenerRig::scripted(log, "log!", kTexts));
  ScriptedCall talk;
  talk.id = CallId::random(rig.entropy);
  for (auto& side : talk.sides) side.assign(20 * 8'000, 0);
  for (std::uint32_t i = 0; i < 18; ++i) talk.speak(1, 200 + 1'000 * i, 500 + 1'000 * i, 2);
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(talk);
  rig.recorder->open(call);
  rig.recorder->audio(talk, 0, talk.segments());
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.recorder->close(talk);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.until([&] { return rig.keeper->done; })) << rig.listener->status_json();
  std::vector<int> asked;
  std::ifstream lines(log);
  for (int text = 0; lines >> text;) asked.push_back(text);
  const auto question = std::find(asked.begin(), asked.end(), 0);
  const auto answer = std::find(asked.begin(), asked.end(), 1);
  ASSERT_TRUE(question != asked.end() && answer != asked.end());
  // What else was asked between them began before the question was known.
  EXPECT_LE(answer - question, 2) << "older turns of the other call waited";
  EXPECT_LT(answer - asked.begin(), 10);
}

}  // namespace
}  // namespace callward::app
