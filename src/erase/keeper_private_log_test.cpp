// Private, and the log refuses the entry: when it begins, when it ends, and when the keeper dies
// before the log is back. What was said meanwhile is gone and accounted all the same, nothing else
// is, and the log explains it.
#include "erase/private_rig_test.hpp"

namespace callward::erase {
namespace {

class PrivateWithoutLog : public PrivateMode {
 protected:
  void hand_back(const CallId& call, std::uint32_t first_index) {
    Answer<keys::Adopted> adopted;
    keeper->adopt({.call = call,
                   .source = keys::CallSource::kSiprec,
                   .direction = keys::Direction::kIncoming,
                   .streams = 0b11,
                   .first_index = first_index,
                   .nodes = nodes.slice(0, keys::leaf_of(15, 0)).take_nodes()},
                  adopted.reply());
    keeper->end_round();
    ASSERT_TRUE(adopted.value) << adopted.value.error().message;
  }
  void hand_over() {
    keeper->rest(true);
    ASSERT_TRUE(keeper->quiet());
    const auto raw = encode_handed(keeper->hand_over());
    ASSERT_TRUE(raw);
    keeper->freeze();
    keeper.reset();
    log.reset();
    store.reset();
    store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
    log = std::move(*audit::Log::open(vfs, dir + "/log", "test/log", seed));
    keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, outbox());
    ASSERT_TRUE(keeper->take_over(*decode_handed(raw->expose())));
    keeper->serve_on();
  }
  void expect_counts(int on, int off) {
    auto types = log_types();
    EXPECT_EQ(types["private_on"], on);
    EXPECT_EQ(types["private_off"], off);
    EXPECT_EQ(broken_rules(), std::vector<std::string>{});
  }
};

TEST_F(PrivateWithoutLog, AtOnItIsClosedAndNotSaidToBe) {
  const auto call = talk(10);
  lose_log();
  EXPECT_EQ(refusal(call, true), Errc::kUnavailable);
  EXPECT_EQ(refusal(call, true), Errc::kUnavailable) << "pressed again";
  pass(5);
  log_is_back();  // 5 s more
  const auto again = say(call, true);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->on);
  EXPECT_EQ(again->left_ms, 170'000u) << "from the first press on";
  pass(10);
  ASSERT_TRUE(say(call, false));
  pass(31);
  hear(call, 600);
  EXPECT_EQ(erased_segments(call), 200u + Keeper::kAheadSegmentsMax);
  EXPECT_EQ(open(call, 0, 99), "audio");
  EXPECT_EQ(open(call, 0, 100), kErasedState);
  EXPECT_EQ(open(call, 0, 330), "audio");
  expect_counts(1, 1);
}

// Nobody presses again, the log is back, the row is written, the keeper dies: what it then erases
// is what the log knows of.
TEST_F(PrivateWithoutLog, AtOnAndTheKeeperDiesLater) {
  const auto call = talk(10, 600);
  lose_log();
  EXPECT_EQ(refusal(call, true), Errc::kUnavailable);
  log_is_back();
  EXPECT_EQ(log_types()["private_on"], 1) << "said as soon as it can be";
  pass(40);
  hear(call, 500);
  boot();
  hand_back(call, 600);
  pass(400);
  hear(call, 4'000);
  EXPECT_EQ(erased_segments(call), 1'800u);
  EXPECT_EQ(open(call, 0, 1'850), kErasedState);
  EXPECT_EQ(open(call, 0, 1'900), "audio");
  expect_counts(1, 0);
}

// The keeper dies with the log away: nobody was told that it is private, and nothing is left of it.
TEST_F(PrivateWithoutLog, AtOnAndTheKeeperDiesAtOnce) {
  const auto call = talk(10, 600);
  pass(31);
  lose_log();
  EXPECT_EQ(refusal(call, true), Errc::kUnavailable);
  pass(5);
  disk.refuse = {};
  boot();
  hand_back(call, 460);
  pass(60);
  hear(call, 900);
  EXPECT_EQ(erased_segments(call), 0u);
  expect_counts(0, 0);
}

TEST_F(PrivateWithoutLog, AtOffItEndsWhereItWasSaid) {
  const auto call = talk(10, 600);
  ASSERT_TRUE(say(call, true));
  pass(20);
  lose_log();
  EXPECT_EQ(refusal(call, false), Errc::kUnavailable);
  EXPECT_EQ(refusal(call, true), Errc::kBusy) << "one after the other";
  pass(30);
  log_is_back();
  pass(1);
  hear(call, 650);
  EXPECT_EQ(erased_segments(call), 200u + Keeper::kAheadSegmentsMax);
  EXPECT_EQ(open(call, 0, 300), kErasedState);
  EXPECT_EQ(open(call, 0, 320), "audio") << "what was said after it";
  ASSERT_EQ(entries("private_off").size(), 1u);
  EXPECT_EQ(entries("private_off")[0].at("cause").as_string(), "off");
  EXPECT_EQ(entries("private_off")[0].at("actor").as_string(), kAgent);
  expect_counts(1, 1);
}

TEST_F(PrivateWithoutLog, AtOffAndTheKeeperDiesItIsErasedToItsBound) {
  const auto call = talk(10, 600);
  ASSERT_TRUE(say(call, true));
  pass(20);
  lose_log();
  EXPECT_EQ(refusal(call, false), Errc::kUnavailable);
  disk.refuse = {};
  boot();
  hand_back(call, 300);
  pass(400);
  hear(call, 4'000);
  EXPECT_EQ(erased_segments(call), 1'800u);
  EXPECT_EQ(open(call, 0, 1'900), "audio");
  expect_counts(1, 0);
}

TEST_F(PrivateWithoutLog, AtTheBoundNothingBeyondItIsClosed) {
  const auto call = talk(10, 900);
  ASSERT_TRUE(say(call, true));
  lose_log();
  pass(600);
  log_is_back();
  pass(1);
  hear(call, 6'100);
  EXPECT_EQ(erased_segments(call), 1'800u);
  EXPECT_EQ(open(call, 0, 1'899), kErasedState);
  EXPECT_EQ(open(call, 0, 1'900), "audio");
  ASSERT_EQ(entries("private_off").size(), 1u);
  EXPECT_EQ(entries("private_off")[0].at("cause").as_string(), "bound");
}

TEST_F(PrivateWithoutLog, AtTheCallsEnd) {
  const auto call = talk(10);
  ASSERT_TRUE(say(call, true));
  pass(20);
  lose_log();
  for (const bool there : {false, true}) {
    if (there) log_is_back();
    Answer<keys::Ack> ended;
    keeper->call_end({call, clock.utc_ms(), "bye", {{0, 290}, {1, 290}}}, ended.reply());
    keeper->end_round();
    EXPECT_EQ(ended.value.has_value(), there);
  }
  pass(1);
  hear(call, 290);
  keeper->listen_done({call});
  keeper->end_round();
  EXPECT_EQ(erased_segments(call), 190u);
  EXPECT_EQ(open(call, 0, 99), "audio");
  expect_counts(1, 1);
}

// A planned restart while the log is away: whoever takes over says what is still to be said.
TEST_F(PrivateWithoutLog, AHandOverCarriesWhatIsNotLogged) {
  std::size_t begun = 0;
  for (const bool off_too : {false, true}) {
    SCOPED_TRACE(off_too);
    const auto call = talk(10, 600);
    lose_log();
    EXPECT_EQ(refusal(call, true), Errc::kUnavailable);
    if (off_too) {
      pass(10);
      EXPECT_EQ(refusal(call, false), Errc::kUnavailable);
    }
    disk.refuse = {};
    hand_over();
    if (off_too) pass(1);  // both ends with the first tick
    EXPECT_EQ(entries("private_on").size(), ++begun);
    if (off_too) {
      ASSERT_EQ(entries("private_off").size(), begun) << "at once: it is over";
      EXPECT_EQ(entries("private_off").back().at("cause").as_string(), "off");
      EXPECT_EQ(entries("private_off").back().at("actor").as_string(), kAgent);
    }
    pass(200);
    EXPECT_EQ(erased_segments(call), off_too ? 100u + Keeper::kAheadSegmentsMax : 1'800u);
    EXPECT_EQ(broken_rules(), std::vector<std::string>{});
  }
}

// Said twice before anybody was answered, or with the call's end: one end.
TEST_F(PrivateWithoutLog, TwoEndsInOneRoundAreOne) {
  const auto call = talk(10), other = talk(10);
  ASSERT_TRUE(say(call, true));
  ASSERT_TRUE(say(other, true));
  pass(20);
  Answer<keys::PrivateState> first, second, with_end;
  keeper->private_mode({call, false, kAgent}, first.reply());
  keeper->private_mode({call, false, kAgent}, second.reply());
  keeper->private_mode({other, false, kAgent}, with_end.reply());
  Answer<keys::Ack> ended;
  keeper->call_end({other, clock.utc_ms(), "bye", {{0, 290}, {1, 290}}}, ended.reply());
  keeper->end_round();
  EXPECT_TRUE(first.value && second.value && with_end.value && ended.value);
  EXPECT_FALSE(first.value->on || second.value->on);
  expect_counts(2, 2);
}

}  // namespace
}  // namespace callward::erase
