// An agent who stays private: what is said meanwhile is gone, and no way of pressing the button
// erases more than its bounds.
#include "erase/private_rig_test.hpp"

namespace callward::erase {
namespace {

TEST_F(PrivateMode, WhatIsSaidMeanwhileIsErasedOnBothStreamsAndNothingElse) {
  const auto call = talk(10);
  const auto on = say(call, true);
  ASSERT_TRUE(on) << on.error().message;
  EXPECT_TRUE(on->on);
  EXPECT_EQ(on->left_ms, 180'000u);
  EXPECT_EQ(on->times, 1u);
  pass(20);
  hear(call, 300);
  EXPECT_EQ(open(call, 0, 150), kErasedState) << "closed while it is on, heard or not";
  const auto off = say(call, false);
  ASSERT_TRUE(off);
  EXPECT_FALSE(off->on);
  pass(40);
  hear(call, 700);
  for (std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}}) {
    EXPECT_EQ(open(call, stream, 99), "audio");
    EXPECT_EQ(open(call, stream, 100), kErasedState);
    EXPECT_EQ(open(call, stream, 300), kErasedState);
    EXPECT_EQ(open(call, stream, 300 + Keeper::kAheadSegmentsMax), "audio");
  }
  const auto intended = entries("erase_intended");
  ASSERT_EQ(intended.size(), 1u);
  EXPECT_EQ(intended[0].at("source").as_string(), kAgent);
  EXPECT_EQ(intended[0].at("reason").as_string(), "private");
  EXPECT_EQ(log_types()["erased"], 1);
  ASSERT_EQ(entries("private_off").size(), 1u);
  EXPECT_EQ(entries("private_on")[0].at("actor").as_string(), kAgent);
  EXPECT_EQ(entries("private_off")[0].at("cause").as_string(), "off");
}

// Clearance does not persist keys inside the open stretch: the row alone opens nothing of it.
TEST_F(PrivateMode, NoKeyOfAnOpenStretchIsInARow) {
  const auto call = talk(10);
  ASSERT_TRUE(say(call, true));
  pass(40);
  hear(call, 490);
  pass(35);
  const auto row = *CallKeys::decode_row(0, (*store->get(0))->expose());
  EXPECT_GT(row.persisted[0], 400u);
  EXPECT_TRUE(row.cover.leaf(keys::leaf_of(0, 99)));
  for (std::uint32_t index : {100u, 300u, 489u})
    EXPECT_FALSE(row.cover.leaf(keys::leaf_of(1, index))) << index;
}

TEST_F(PrivateMode, RepeatsChangeNothing) {
  const auto call = talk(10);
  ASSERT_TRUE(say(call, false)) << "never begun: nothing to end";
  ASSERT_TRUE(say(call, true));
  pass(30);
  const auto again = say(call, true);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->left_ms, 150'000u) << "pressing again makes it no longer";
  EXPECT_EQ(again->times, 1u);
  ASSERT_TRUE(say(call, false));
  ASSERT_TRUE(say(call, false));
  EXPECT_EQ(log_types()["private_on"], 1);
  EXPECT_EQ(log_types()["private_off"], 1);
}

// A third party is added while it is private: closed as soon as anybody knows of it.
TEST_F(PrivateMode, AStreamThatBeginsMeanwhileIsClosedAsWell) {
  const auto call = talk(10);
  keys::ForwardKeys forward(nodes, 2);
  for (std::uint32_t i = 0; i < 500; ++i)
    records[{2, i}] =
        cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = 2, .first = i}, call,
                    as_bytes("audio"), *forward.take(i));
  ASSERT_TRUE(say(call, true));
  pass(10);
  keeper->cleared({call, {{2, 190}}, false});
  keeper->end_round();
  EXPECT_EQ(open(call, 2, 99), "audio");
  EXPECT_EQ(open(call, 2, 150), kErasedState);
  ASSERT_TRUE(say(call, false));
  pass(20);
  keeper->cleared({call, {{2, 400}}, false});
  keeper->end_round();
  EXPECT_EQ(erased_segments(call, 2), 100u + Keeper::kAheadSegmentsMax);
  EXPECT_EQ(open(call, 2, 150), kErasedState);
  EXPECT_EQ(open(call, 2, 250), "audio");
}

// Attacks ----------------------------------------------------------------------------------------

TEST_F(PrivateMode, WhoNeverSaysOffIsPrivateForThreeMinutesOnly) {
  const auto call = talk(10, 600);
  ASSERT_TRUE(say(call, true));
  pass(400);
  hear(call, 4'100);
  EXPECT_EQ(erased_segments(call), 1'800u);
  EXPECT_EQ(open(call, 0, 1'899), kErasedState);
  EXPECT_EQ(open(call, 0, 1'900), "audio");
  const auto off = entries("private_off");
  ASSERT_EQ(off.size(), 1u);
  EXPECT_EQ(off[0].at("cause").as_string(), "bound");
  EXPECT_EQ(off[0].at("actor").as_string(), "keeper");
}

TEST_F(PrivateMode, WhoPressesAgainAtOnceWaitsAndErasesNoMoreThanTheShare) {
  const auto call = talk(0, 10);
  for (int second = 0; second < 1'500; ++second) {
    (void)say(call, true);
    pass(1);
  }
  // 25 % of 25 minutes, the pauses between all of them; refusals are counted, not written one by
  // one.
  EXPECT_LE(erased_segments(call), 3'750u);
  EXPECT_GE(erased_segments(call), 1'800u);
  std::uint32_t last_end = 0;
  for (const auto& on : entries("private_on")) {
    const auto range = on.at("ranges").at(0);
    const auto first = range.at(1).to_number<std::uint32_t>();
    if (last_end != 0) {
      EXPECT_GE(first, last_end + Keeper::kPrivatePauseSegments);
    }
    last_end = range.at(2).to_number<std::uint32_t>();
  }
  const auto refused = entries("private_refused");
  EXPECT_LE(refused.size(), 151u);
  EXPECT_GE(refused.size(), 50u);
  EXPECT_GE(refused.at(1).at("count").to_number<int>(), 9);
}

TEST_F(PrivateMode, OnePersonIsPrivateInFewCallsAtOnce) {
  const auto one = talk(10), two = talk(10), three = talk(10);
  ASSERT_TRUE(say(one, true));
  ASSERT_TRUE(say(two, true));
  EXPECT_EQ(refusal(three, true), Errc::kState);
  EXPECT_EQ(entries("private_refused").at(0).at("cause").as_string(), "many_calls");
  EXPECT_TRUE(say(three, true, kOther)) << "another agent's call is its own matter";
  ASSERT_TRUE(say(one, false));
  ASSERT_TRUE(say(three, false, kOther));
}

TEST_F(PrivateMode, OnlyACallThatRunsIsPrivate) {
  EXPECT_EQ(refusal(CallId::random(entropy), true), Errc::kNotFound);
  const auto call = talk(10);
  end(call, 100);
  EXPECT_EQ(refusal(call, true), Errc::kState);
  EXPECT_EQ(erased_segments(call), 0u);
  EXPECT_EQ(open(call, 0, 50), "audio");
}

TEST_F(PrivateMode, NothingBeforeThePressIsReached) {
  const auto call = talk(60);
  clock.jump_utc_ms(-3'600'000);  // a wall clock that is set back moves nothing
  ASSERT_TRUE(say(call, true));
  pass(10);
  ASSERT_TRUE(say(call, false));
  EXPECT_EQ(open(call, 0, 599), "audio");
  EXPECT_EQ(erased_segments(call), 100u + Keeper::kAheadSegmentsMax);
  // Nor by an order that claims the reason.
  for (const bool listener : {true, false}) {
    Answer<keys::OrderAccepted> answer;
    keeper->erase_order({OrderId::random(entropy), call, {{0, 0, 10}}, "private", kAgent}, listener,
                        answer.reply());
    keeper->end_round();
    EXPECT_EQ(answer.value.error().code, Errc::kDenied);
  }
}

TEST_F(PrivateMode, AnotherPersonNeitherEndsNorBeginsIt) {
  const auto call = talk(10);
  ASSERT_TRUE(say(call, true));
  EXPECT_EQ(refusal(call, false, kOther), Errc::kDenied);
  EXPECT_EQ(refusal(call, true, kOther), Errc::kDenied);
  EXPECT_EQ(refusal(call, false, "server"), Errc::kDenied);
  pass(30);
  hear(call, 400);
  EXPECT_EQ(open(call, 0, 350), kErasedState) << "still private";
  EXPECT_EQ(entries("private_refused").at(0).at("cause").as_string(), "other_person");
}

TEST_F(PrivateMode, ItEndsWithTheCall) {
  const auto call = talk(10);
  ASSERT_TRUE(say(call, true));
  pass(20);
  end(call, 290);
  hear(call, 290);
  EXPECT_EQ(erased_segments(call), 190u);
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_EQ(entries("private_off").at(0).at("cause").as_string(), "call_ended");
}

// A keeper dies: whatever was said while it was private stays closed, after every kind of death,
// and the bound is still the bound.
TEST_F(PrivateMode, AKeeperThatDiesLeavesItErasedUpToTheBound) {
  for (const bool row_first : {false, true}) {
    SCOPED_TRACE(row_first);
    const auto call = talk(10, 600);
    ASSERT_TRUE(say(call, true));
    pass(row_first ? 40 : 5);  // past a round of persisting, or before it: only the log has it
    const auto at = row_first ? 500u : 150u;
    hear(call, at);
    boot();
    Answer<keys::Adopted> adopted;
    keeper->adopt({.call = call,
                   .source = keys::CallSource::kSiprec,
                   .direction = keys::Direction::kIncoming,
                   .streams = 0b11,
                   .first_index = at,
                   .nodes = nodes.slice(0, keys::leaf_of(15, 0)).take_nodes()},
                  adopted.reply());
    keeper->end_round();
    ASSERT_TRUE(adopted.value) << adopted.value.error().message;
    pass(400);
    hear(call, 4'000);
    for (std::uint32_t index = 100; index < 1'900; index += 50)
      EXPECT_EQ(open(call, 0, index), kErasedState) << index;
    EXPECT_EQ(open(call, 0, 1'900), "audio");
    EXPECT_EQ(erased_segments(call), 1'800u);
  }
}

TEST_F(PrivateMode, AKeeperThatDiesAfterOffErasesWhatWasPrivateAlone) {
  const auto call = talk(10, 600);
  ASSERT_TRUE(say(call, true));
  pass(5);
  ASSERT_TRUE(say(call, false));
  pass(40);
  hear(call, 500);
  pass(31);  // persisted
  boot();
  EXPECT_EQ(erased_segments(call), 50u + Keeper::kAheadSegmentsMax);
  EXPECT_EQ(open(call, 0, 120), kErasedState);
  EXPECT_EQ(open(call, 0, 190), "audio");
}

// Its row was written while it was private; where it ended only the log knows.
TEST_F(PrivateMode, AKeeperThatDiesRightAfterOffReadsItsEndFromTheLog) {
  const auto call = talk(10, 600);
  ASSERT_TRUE(say(call, true));
  pass(35);
  ASSERT_TRUE(say(call, false));
  boot();
  EXPECT_EQ(erased_segments(call), 350u + Keeper::kAheadSegmentsMax);
  Answer<keys::Adopted> adopted;
  keeper->adopt({.call = call,
                 .source = keys::CallSource::kSiprec,
                 .direction = keys::Direction::kIncoming,
                 .streams = 0b11,
                 .first_index = 450,
                 .nodes = nodes.slice(0, keys::leaf_of(15, 0)).take_nodes()},
                adopted.reply());
  keeper->end_round();
  ASSERT_TRUE(adopted.value) << adopted.value.error().message;
  pass(100);
  hear(call, 1'000);
  EXPECT_EQ(open(call, 0, 460), kErasedState);
  EXPECT_EQ(open(call, 0, 480), "audio");
}

TEST_F(PrivateMode, AHandOverKeepsWhoAndWhen) {
  const auto call = talk(10, 600);
  ASSERT_TRUE(say(call, true));
  pass(30);
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
  EXPECT_EQ(refusal(call, false, kOther), Errc::kDenied);
  EXPECT_EQ(say(call, true)->left_ms, 150'000u);
  pass(200);
  EXPECT_EQ(erased_segments(call), 1'800u);
  EXPECT_EQ(entries("private_off").at(0).at("cause").as_string(), "bound");
}

}  // namespace
}  // namespace callward::erase
