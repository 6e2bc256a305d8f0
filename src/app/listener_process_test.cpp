#include "app/listener_process.hpp"

#include <fstream>

#include "app/listener_test_rig.hpp"
#include "app/sandbox.hpp"
#include "codec/audio_file.hpp"
#include "keys/record.hpp"

namespace callward::app {
namespace {

using test::covers;
using test::ListenerRig;
using test::password_call;
using test::ScriptedCall;

const auto& kTexts = test::kPasswordTexts;
constexpr std::uint32_t kSecretFirst = 50, kSecretEnd = 80;

std::string words_of(const std::vector<keys::DerivedPut>& derived, std::uint8_t stream) {
  std::string text;
  for (const auto& item : derived) {
    if (item.kind != static_cast<std::uint8_t>(keys::RecordKind::kWords) || item.stream != stream)
      continue;
    const auto words = listen::parse_words(item.plaintext.expose());
    EXPECT_TRUE(words);
    if (words)
      for (const auto& word : *words) text += word.text + " ";
  }
  return text;
}

// What holds for the whole call once it is over.
void expect_heard(const ListenerRig& rig, const ScriptedCall& call) {
  const auto& keeper = *rig.keeper;
  EXPECT_TRUE(covers(keeper.orders, 0, kSecretFirst, kSecretEnd));
  EXPECT_TRUE(covers(keeper.orders, 1, kSecretFirst + 1, kSecretEnd - 1)) << "the echo";
  EXPECT_FALSE(covers(keeper.orders, 0, 120, 150));
  EXPECT_EQ(keeper.heard[0], call.segments());
  EXPECT_EQ(keeper.heard[1], call.segments());
  EXPECT_EQ(words_of(keeper.derived, 0).find("sunshine"), std::string::npos);
  EXPECT_NE(words_of(keeper.derived, 0).find("prints the page"), std::string::npos);
  EXPECT_NE(words_of(keeper.derived, 1).find("What is the password"), std::string::npos);
  for (const auto& item : keeper.derived) {
    EXPECT_EQ(item.streams, 1u << item.stream);
    EXPECT_FALSE(item.stream == 0 && item.first < kSecretEnd && kSecretFirst < item.end)
        << "derived from what was ordered away";
  }
}

TEST(ListenerProcess, OrdersThenClearsThenDerivesAndIsDone) {
  ListenerRig rig("whole", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->orders.empty(); }));
  EXPECT_EQ(rig.keeper->orders[0].reason, "password");
  EXPECT_EQ(rig.keeper->orders[0].actor, "listener");
  for (const auto& cleared : rig.keeper->cleared)
    for (const auto& mark : cleared.marks) EXPECT_LE(mark.upto, 10u) << "past an open question";
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_heard(rig, call);
  EXPECT_TRUE(rig.keeper->heard_again.empty());
  EXPECT_TRUE(rig.status_has("\"calls_done\":1")) << rig.listener->status_json();
  EXPECT_TRUE(rig.status_has("\"degraded\":\"\"")) << rig.listener->status_json();
}

TEST(ListenerProcess, NothingIsClearedBeforeItsOrderIsAcknowledged) {
  ListenerRig rig("ack", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.keeper->acknowledges = false;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->orders.empty(); }));
  rig.pump(1'500);
  EXPECT_LE(rig.keeper->heard[0], 10u);
  // The keeper dies with the order in its hands; its successor gets the same one.
  const auto first = rig.keeper->orders[0];
  rig.keeper->die();
  rig.pump(100);
  rig.keeper->orders.clear();
  rig.keeper->acknowledges = true;
  rig.keeper->live();
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->orders.empty(); }));
  EXPECT_EQ(rig.keeper->orders[0].order, first.order);
  EXPECT_EQ(rig.keeper->orders[0].ranges, first.ranges);
  ASSERT_TRUE(rig.all_heard());
  expect_heard(rig, call);
}

class BadWorkers : public testing::TestWithParam<const char*> {};
TEST_P(BadWorkers, AWorkerThatFailsIsReplacedAndNothingIsLost) {
  const auto state = callward::test::fresh_dir(std::string("worker-") + GetParam()) + "/state";
  ListenerRig rig(GetParam(), ListenerRig::scripted(state, GetParam(), kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_heard(rig, call);
  EXPECT_TRUE(rig.status_has("\"restarts\":1")) << rig.listener->status_json();
  EXPECT_TRUE(rig.status_has("\"turns_failed\":1")) << rig.listener->status_json();
}
INSTANTIATE_TEST_SUITE_P(ListenerProcess, BadWorkers, testing::Values("die", "hang", "babble"));

TEST(ListenerProcess, WithoutARecogniserItStaysUpSaysSoAndClearsNothing) {
  ListenerRig rig("none", {"/nonexistent/recogniser"});
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call, 0, true);
  rig.recorder->audio(call, 0, 150);
  rig.pump(1'500);
  EXPECT_TRUE(rig.status_has("\"ready\":true"));
  EXPECT_TRUE(rig.status_has("\"degraded\":\"no_recogniser\"")) << rig.listener->status_json();
  EXPECT_EQ(rig.keeper->heard[0], 0u);
  EXPECT_TRUE(rig.keeper->derived.empty());
  rig.recorder->audio(call, 150, 200);
  rig.pump(300);
  EXPECT_LE(rig.recorder->credit, 400u) << "an import waits when nobody hears it";
}

TEST(ListenerProcess, AJumpIsHeardAgainThroughTheKeeper) {
  ListenerRig rig("jump", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, 40);
  rig.recorder->audio(call, 90, call.segments());  // the answer was dropped on the way
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_heard(rig, call);
  // On a busy machine the tail may be asked for as well: the keeper's list of what is unheard
  // overtook the audio. It is heard twice then, and nothing is lost.
  int gaps = 0;
  for (const auto& range : rig.keeper->heard_again) {
    gaps += range.first == 40;
    EXPECT_TRUE(range.first == 40 || range.first >= 90) << range.first;
    EXPECT_LE(range.end - range.first, kHearAgainSegments);
  }
  EXPECT_EQ(gaps, 2) << "one a stream";
}

TEST(ListenerProcess, AfterItsRestartItHearsAgainWhatWasNotCleared) {
  ListenerRig rig("restart", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, 60);  // it dies within the answer
  rig.pump(1'000);
  rig.listener.reset();
  const auto heard = rig.keeper->heard[0];
  EXPECT_LE(heard, 10u);
  rig.start();
  ASSERT_TRUE(rig.until([&] { return rig.recorder->greeted; }));
  rig.recorder->open(call, 60);
  rig.recorder->audio(call, 60, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_heard(rig, call);
}

TEST(ListenerProcess, AnEndedCallThatNobodyHeardIsFetched) {
  ListenerRig rig("fetch", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->ended = true;
  rig.keeper->call = &call;  // the recorder never speaks of it
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_heard(rig, call);
}

TEST(ListenerProcess, WipesAndSaysSo) {
  ListenerRig rig("wipe", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, 30);
  rig.pump(300);
  rig.keeper->wipe(call.id, {0, 50, 80});  // before it comes: a button was pressed
  ASSERT_TRUE(rig.until([&] { return rig.keeper->wiped == 1; }));
  rig.recorder->audio(call, 30, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  EXPECT_EQ(words_of(rig.keeper->derived, 0).find("sunshine"), std::string::npos);
  EXPECT_NE(words_of(rig.keeper->derived, 1).find("What is the password"), std::string::npos);
  EXPECT_EQ(rig.keeper->heard[0], call.segments());
}

TEST(ListenerProcess, ImportsArePacedByWhatIsHeard) {
  ListenerRig rig("import", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call, 0, true);
  rig.recorder->audio(call, 0, call.segments());
  EXPECT_TRUE(rig.until([&] { return rig.recorder->credit == 2 * call.segments(); }));
}

TEST(ListenerProcess, CallsThatNoKeeperKnowsAreNotReleased) {
  ListenerRig rig("unknown", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = password_call(rig.entropy);
  rig.keeper->call = &call;
  rig.keeper->knows = false;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.pump(2'000);
  EXPECT_TRUE(rig.keeper->derived.empty());
  EXPECT_TRUE(rig.keeper->cleared.empty());
  rig.keeper->knows = rig.keeper->ended = true;  // adopted
  ASSERT_TRUE(rig.all_heard());
  expect_heard(rig, call);
}

// The recogniser that ships, on a call that a synthesiser speaks.
TEST(ListenerProcess, TheRealRecogniserFindsASpokenPassword) {
  const std::string source = CALLWARD_SOURCE_DIR;
  const auto python = source + "/build/venv/bin/python";
  if (!std::filesystem::exists(python)) GTEST_SKIP() << "no recogniser is installed (tools/setup)";
  const std::string demo = "/tmp/cwl-demo-" + std::to_string(::getpid());
  const auto made = std::system(
      ("python3 " + source + "/tools/demo/make_calls.py " + demo + " >/dev/null 2>&1").c_str());
  if (made != 0) GTEST_SKIP() << "no synthesiser is installed (flite, sox)";
  ListenerRig rig("real", {python, source + "/worker/recogniser.py"});
  rig.limits.turn_ms_max = 30'000;
  rig.listener.reset();
  rig.start();
  ASSERT_TRUE(rig.until([&] { return rig.recorder->greeted; }));
  ScriptedCall call;
  call.id = CallId::random(rig.entropy);
  auto channels = codec::read_audio(rig.vfs, demo + "/incoming_password.wav", 8'000 * 120);
  ASSERT_TRUE(channels) << channels.error().message;
  for (std::size_t side = 0; side < 2; ++side) {
    call.sides[side] = std::move((*channels)[side]);
    call.sides[side].resize(call.sides[side].size() / 800 * 800);
  }
  std::filesystem::remove_all(demo);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard(120)) << rig.listener->status_json();
  // The answer stands at 17.50 to 19.94 s.
  EXPECT_TRUE(covers(rig.keeper->orders, 0, 175, 200));
  EXPECT_FALSE(covers(rig.keeper->orders, 0, 52, 96)) << "the customer's first words stay";
  const auto agent = words_of(rig.keeper->derived, 1), customer = words_of(rig.keeper->derived, 0);
  EXPECT_NE(agent.find("password"), std::string::npos) << agent;
  EXPECT_NE(customer.find("printer"), std::string::npos) << customer;
  EXPECT_NE(customer.find("prints"), std::string::npos) << customer;
  for (const auto* digit : {"seven", "nine", "7", "4", "9"})
    EXPECT_EQ(customer.find(digit), std::string::npos) << customer;
}

}  // namespace
}  // namespace callward::app
