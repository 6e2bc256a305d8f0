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

// Customer only --------------------------------------------------------------------------------

TEST_F(PrivateMode, CustomerOnlyLeavesTheAgentsStreamRecorded) {
  const auto call = talk(10);
  const auto on = customer_only(call);
  ASSERT_TRUE(on) << on.error().message;
  EXPECT_TRUE(on->on);
  EXPECT_EQ(on->kept, 0b10);
  pass(20);
  hear(call, 300);
  EXPECT_EQ(open(call, 0, 150), kErasedState);
  EXPECT_EQ(open(call, 1, 150), "audio") << "the agent's own, while it is on";
  ASSERT_TRUE(say(call, false));
  pass(40);
  hear(call, 700);
  EXPECT_EQ(erased_segments(call, 0), 200u + Keeper::kAheadSegmentsMax);
  EXPECT_EQ(erased_segments(call, 1), 0u);
  for (const std::uint32_t index : {99u, 100u, 299u, 400u})
    EXPECT_EQ(open(call, 1, index), "audio") << index;
  const auto begun = entries("private_on"), ended = entries("private_off");
  ASSERT_EQ(begun.size(), 1u);
  ASSERT_EQ(ended.size(), 1u);
  for (const auto* said : {&begun[0], &ended[0]}) {
    EXPECT_EQ(said->at("sides").as_string(), "customer");
    EXPECT_EQ(said->at("kept"), (boost::json::array{1}));
  }
  EXPECT_EQ(broken_rules(), std::vector<std::string>{});
}

// Both sides at once, as it was before there was a choice.
TEST_F(PrivateMode, TheLogNamesBothSides) {
  const auto call = talk(10);
  ASSERT_TRUE(say(call, true));
  ASSERT_TRUE(say(call, false));
  EXPECT_EQ(entries("private_on").at(0).at("sides").as_string(), "both");
  EXPECT_EQ(entries("private_off").at(0).at("kept"), (boost::json::array{}));
  EXPECT_EQ(broken_rules(), std::vector<std::string>{});
}

TEST_F(PrivateMode, OneSideBecomesBothFromThenOnAndNeverBack) {
  const auto call = talk(10);
  ASSERT_TRUE(customer_only(call));
  pass(10);
  hear(call, 190);
  const auto both = say(call, true);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->kept, 0);
  EXPECT_EQ(both->left_ms, 170'000u) << "it ends when it would have";
  EXPECT_EQ(both->times, 1u);
  const auto back = customer_only(call);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->kept, 0) << "what was to be erased is erased";
  pass(10);
  ASSERT_TRUE(say(call, false));
  pass(40);
  hear(call, 700);
  EXPECT_EQ(open(call, 1, 199), "audio") << "nothing before the press is reached";
  EXPECT_EQ(open(call, 1, 200), kErasedState);
  EXPECT_EQ(open(call, 1, 290), kErasedState);
  EXPECT_EQ(erased_segments(call, 0), 200u + Keeper::kAheadSegmentsMax);
  EXPECT_EQ(erased_segments(call, 1), 100u + Keeper::kAheadSegmentsMax);
  const auto said = entries("private_on");
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0].at("sides").as_string(), "customer");
  EXPECT_EQ(said[1].at("sides").as_string(), "both");
  EXPECT_EQ(said[0].at("order"), said[1].at("order"));
  EXPECT_EQ(broken_rules(), std::vector<std::string>{});
}

// Whoever joins meanwhile is not the agent whose stream was named.
TEST_F(PrivateMode, AStreamThatBeginsWhileTheCustomerIsPrivateIsClosed) {
  const auto call = talk(10);
  keys::ForwardKeys forward(nodes, 2);
  for (std::uint32_t i = 0; i < 300; ++i)
    records[{2, i}] =
        cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = 2, .first = i}, call,
                    as_bytes("audio"), *forward.take(i));
  ASSERT_TRUE(customer_only(call));
  pass(10);
  keeper->cleared({call, {{2, 190}}, false});
  keeper->end_round();
  EXPECT_EQ(open(call, 2, 150), kErasedState);
  ASSERT_TRUE(say(call, false));
  EXPECT_EQ(erased_segments(call, 2), 100u + Keeper::kAheadSegmentsMax);
  EXPECT_EQ(broken_rules(), std::vector<std::string>{});
}

TEST_F(PrivateMode, TheCustomersStreamIsNeverKept) {
  const auto call = talk(10);
  for (const int kept : {0b1, 0b11, 0x8000, 0xFFFF}) {
    const auto refused = say(call, true, kAgent, static_cast<std::uint16_t>(kept));
    ASSERT_FALSE(refused) << kept;
    EXPECT_EQ(refused.error().code, Errc::kMalformed);
  }
  EXPECT_EQ(log_types()["private_on"], 0);
}

TEST_F(PrivateMode, HowItStandsCanBeAskedAndChangesNothing) {
  const auto call = talk(10);
  EXPECT_FALSE(look(call)->on);
  ASSERT_TRUE(customer_only(call));
  pass(30);
  const auto on = look(call);
  ASSERT_TRUE(on);
  EXPECT_TRUE(on->on);
  EXPECT_EQ(on->kept, 0b10);
  EXPECT_EQ(on->left_ms, 150'000u);
  ASSERT_TRUE(say(call, false));
  const auto off = look(call);
  EXPECT_FALSE(off->on);
  EXPECT_EQ(off->kept, 0);
  EXPECT_GT(off->wait_ms, 0u);
  EXPECT_EQ(log_types()["private_on"], 1);
  EXPECT_EQ(look(CallId::random(entropy)).error().code, Errc::kNotFound);
  end(call, 400);
  EXPECT_EQ(look(call).error().code, Errc::kState);
}

// The row may be older than the press, or than the second one: the log says the rest.
TEST_F(PrivateMode, AKeeperThatDiesKnowsWhichSideItWas) {
  for (const bool widened : {false, true})
    for (const bool row_first : {false, true}) {
      SCOPED_TRACE(std::to_string(widened) + std::to_string(row_first));
      const auto call = talk(10, 600);
      ASSERT_TRUE(customer_only(call));
      pass(row_first ? 40 : 5);
      const auto at = row_first ? 500u : 150u;
      if (widened) ASSERT_TRUE(say(call, true));
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
      // What is said is erased up to the bound: that is what the agent's page is told.
      for (const bool asked_off : {false, true}) {
        if (asked_off) ASSERT_TRUE(say(call, false));
        const auto still = look(call);
        EXPECT_TRUE(still->on);
        EXPECT_EQ(still->kept, widened ? 0 : 0b10);
        EXPECT_EQ(still->left_ms, (1'900u - at) * 100);
      }
      pass(400);
      EXPECT_FALSE(look(call)->on);
      hear(call, 4'000);
      EXPECT_EQ(erased_segments(call, 0), 1'800u);
      EXPECT_EQ(erased_segments(call, 1), widened ? 1'900u - at : 0u);
      EXPECT_EQ(open(call, 1, at + 50), widened ? kErasedState : "audio");
      EXPECT_EQ(open(call, 0, at + 50), kErasedState);
      EXPECT_EQ(broken_rules(), std::vector<std::string>{});
    }
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
  ASSERT_TRUE(customer_only(call));
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
  const auto still = customer_only(call);
  EXPECT_EQ(still->left_ms, 150'000u);
  EXPECT_EQ(still->kept, 0b10);
  pass(200);
  EXPECT_EQ(erased_segments(call), 1'800u);
  EXPECT_EQ(erased_segments(call, 1), 0u);
  EXPECT_EQ(entries("private_off").at(0).at("cause").as_string(), "bound");
}

}  // namespace
}  // namespace callward::erase
