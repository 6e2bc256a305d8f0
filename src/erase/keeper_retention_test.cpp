// Destruction by time has bounds as well: it believes no clock that was set, and nobody who asks.
#include "erase/retention_rig_test.hpp"

namespace callward::erase {
namespace {

class Retention : public RetentionRig {};

TEST_F(Retention, WhatIsDueLosesKeysRowAndCiphertextDayByDay) {
  live(2, 3);
  const auto first = calls[0];
  live(kDays - 2);
  EXPECT_EQ(left(), 6u) << "nothing before its time";
  const auto epoch = store->epoch();
  live(1);
  EXPECT_EQ(left(), 3u) << "those of the first day";
  live(1);
  EXPECT_EQ(left(), 0u);
  EXPECT_GE(store->epoch(), epoch + 2);
  auto types = log_types();
  EXPECT_EQ(types["retention_intended"], 2) << "one entry for a day's rows";
  EXPECT_EQ(types["erased"], 2);
  EXPECT_EQ(types["objects_deleted"], 2);
  EXPECT_EQ(types["retention_stopped"], 0);
  EXPECT_GE(types["retention_run"], static_cast<int>(kDays)) << "each day, due or not";
  EXPECT_EQ(asked_to_remove.size(), 6u);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
  begin_keeper();
  EXPECT_TRUE(gone(first));
  EXPECT_TRUE(store->check()->empty());
}

TEST_F(Retention, ALegalHoldKeepsItAndThatIsLogged) {
  live(1, 2);
  hold(calls[0], true);
  live(kDays + 1);
  EXPECT_FALSE(gone(calls[0]));
  EXPECT_TRUE(gone(calls[1]));
  EXPECT_TRUE(keeper->call_state(calls[0])->erased.empty());
  EXPECT_EQ(log_types()["hold_refused"], 1);
  EXPECT_EQ(report().at("held").to_number<int>(), 1);
  hold(calls[0], false);
  live(1);
  EXPECT_TRUE(gone(calls[0]));
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

TEST_F(Retention, ADryRunSaysWhatWouldGoAndDoesNothing) {
  live(1, 4);
  live(kDays - 1);
  ticks(120, kMinuteMs);  // the day's run has been: what falls due now waits for the next
  const auto size = log->size();
  const auto dry = run(true);
  ASSERT_TRUE(dry);
  const auto said = boost::json::parse(dry->json).as_object();
  EXPECT_EQ(said.at("would").as_string(), "erase");
  EXPECT_EQ(said.at("calls").as_array().size(), said.at("due").to_number<std::size_t>());
  EXPECT_EQ(said.at("due").to_number<int>() + 4 - static_cast<int>(left()), 4);
  EXPECT_EQ(log->size(), size);
}

TEST_F(Retention, WithoutADaySetNothingEverGoes) {
  policy.retention = {};
  begin_keeper();
  live(1, 1);
  clock.advance_ms(10 * kYearMs);
  ticks(100);
  EXPECT_EQ(left(), 1u);
  EXPECT_EQ(run().error().code, Errc::kState);
  EXPECT_EQ(log_types()["retention_run"], 0);
}

// The attack: whoever may set the clock wants everything gone.
TEST_F(Retention, AClockAYearAheadErasesNothingUntilTheOwnerConfirms) {
  live(3, 3);
  clock.jump_utc_ms(kYearMs);
  ticks(2 * 24 * 6, 10 * kMinuteMs);
  nothing_is_erased_and("ahead");
  begin_keeper();
  ticks(2 * 24 * 6, 10 * kMinuteMs);
  nothing_is_erased_and("ahead");
  EXPECT_EQ(confirm(5).error().code, Errc::kState) << "who confirms knows how many go";
  EXPECT_EQ(left(), 9u);
  EXPECT_EQ(report().at("to_confirm").to_number<int>(), 9);
  const auto released = confirm(9);
  ASSERT_TRUE(released) << released.error().message;
  EXPECT_EQ(left(), 0u) << report();
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

TEST_F(Retention, AClockThatIsSetBackAgainErasedNothing) {
  live(3, 3);
  clock.jump_utc_ms(kYearMs);
  ticks(100);
  clock.jump_utc_ms(-kYearMs);
  live(1);
  EXPECT_EQ(left(), 9u);
  ASSERT_TRUE(confirm(0)) << "the owner has looked: none is due";
  live(kDays - 3);
  EXPECT_EQ(left(), 6u) << "and life goes on";
}

TEST_F(Retention, AClockSetForwardInSmallStepsIsAsFarAsAllOfThem) {
  live(3, 3);
  for (int i = 0; i < 24 * 40; ++i) {  // 59 minutes each minute
    clock.jump_utc_ms(59 * kMinuteMs);
    ticks(1, kMinuteMs);
  }
  nothing_is_erased_and("ahead");
}

TEST_F(Retention, AClockSetForwardWhileTheKeeperWasDownIsSeenAtItsStart) {
  live(3, 3);
  keeper->stop();
  clock.jump_utc_ms(kYearMs);
  begin_keeper();
  ticks(2 * 24 * 6, 10 * kMinuteMs);
  nothing_is_erased_and("ahead");
}

// Nothing tells a machine that was off from one whose clock was set; and a lost state is no state.
TEST_F(Retention, WithoutAStateTheLogsNewestEntrySaysWhatTimeItWas) {
  live(3, 3);
  keeper->stop();
  saved.clear();
  clock.advance_ms(2 * 3'600'000);
  begin_keeper();
  ticks(2 * 24 * 6, 10 * kMinuteMs);
  nothing_is_erased_and("ahead");
  saved = "{\"v\":2}";
  begin_keeper();
  ticks(100);
  EXPECT_NE(report().at("why").as_string().find("cannot be read"), std::string::npos);
  EXPECT_FALSE(run());
  ASSERT_TRUE(confirm(0));
  EXPECT_EQ(report().at("state").as_string(), "waiting");
}

TEST_F(Retention, MoreThanTwiceTheUsualStopsItUntilTheOwnerConfirms) {
  live(3, 4);
  live(1, 25);
  live(2, 4);
  live(kDays - 6);
  live(3);
  const auto before = left();
  EXPECT_EQ(before, calls.size() - 12) << "the ordinary days are gone";
  live(2);
  EXPECT_EQ(left(), before) << "25 at once are too many, and all wait";
  EXPECT_EQ(log_types()["retention_stopped"], 1);
  const auto due = report().at("to_confirm").to_number<std::uint64_t>();
  EXPECT_GE(due, 25u);
  ASSERT_TRUE(confirm(due));
  EXPECT_EQ(left(), before - due);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

// A captured server asks as often as it likes, and for whatever it likes.
TEST_F(Retention, WhoAsksOftenGetsADaysShareAndNoMore) {
  live(4, 4);
  policy.retention.days[0] = 1;  // three days of calls are due, 12 of 16
  begin_keeper();
  EXPECT_EQ(run().error().code, Errc::kState);
  EXPECT_EQ(run().error().code, Errc::kState);
  EXPECT_EQ(left(), 16u);
  Answer<keys::OrderAccepted> whole, order;
  keeper->erase_call({OrderId::random(entropy), calls[0], "retention", "operator"}, whole.reply());
  keeper->erase_order({OrderId::random(entropy), calls[0], {{0, 0, 5}}, "retention", "operator"},
                      false, order.reply());
  keeper->end_round();
  EXPECT_EQ(whole.value.error().code, Errc::kDenied) << "its reason is nobody else's";
  EXPECT_EQ(order.value.error().code, Errc::kDenied);
  EXPECT_EQ(run(false, "keeper").error().code, Errc::kDenied);
}

TEST_F(Retention, RunsByHandShareTheDaysBound) {
  live(2, 8);
  live(kDays - 2);
  for (int i = 0; i < 200 && left() > 8; ++i) ticks(1, 10 * kMinuteMs);
  ticks(5);
  ASSERT_EQ(left(), 8u) << "the first day's, by the daily run";
  policy.retention.days[0] = kDays - 1;
  begin_keeper();
  EXPECT_EQ(run().error().code, Errc::kState) << "8 went today, and 10 may";
  EXPECT_EQ(left(), 8u);
}

TEST_F(Retention, AnUnheardOrRunningCallWaits) {
  const auto running = begin();
  record(running, 50);
  live(1, 1);
  clock.advance_ms(0);
  live(kDays + 1);
  EXPECT_FALSE(gone(running));
  EXPECT_TRUE(gone(calls[0]));
  EXPECT_EQ(report().at("unheard").to_number<int>(), 1);
}

// A keeper that dies at any point: what was begun is finished, nothing is forgotten.
TEST_F(Retention, AKeeperThatDiesInBetweenFinishesIt) {
  live(1, 3);
  live(kDays - 1);
  answer_wipes = false;
  recorder_there = false;
  ticks(24 * 6, 10 * kMinuteMs);
  EXPECT_EQ(log_types()["retention_intended"], 1);
  answer_wipes = true;
  begin_keeper();
  EXPECT_EQ(log_types()["erased"], 1) << "keys first";
  ticks(5);
  EXPECT_EQ(left(), 3u) << "rows stay until the ciphertext is gone";
  EXPECT_EQ(open(calls[0], 0, 5), kErasedState);
  begin_keeper();
  ticks(60);
  EXPECT_EQ(log_types()["objects_deleted"], 0);
  recorder_there = true;
  ticks(30);
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(log_types()["objects_deleted"], 1);
  begin_keeper();
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

TEST_F(Retention, AStoreThatKeepsItsObjectsDoesNotKeepTheRows) {
  fate = keys::ObjectFate::kKept;
  live(1, 2);
  live(kDays + 1);
  EXPECT_EQ(left(), 0u);
  fate = keys::ObjectFate::kLater;
  live(1, 2);
  live(kDays + 1);
  EXPECT_EQ(left(), 2u) << "what failed is asked again";
  fate = keys::ObjectFate::kGone;
  ticks(30);
  EXPECT_EQ(left(), 0u);
}

TEST_F(Retention, WhatCannotBeCountedIsNotErased) {
  live(1, 2);
  live(kDays - 1);
  disk_writes = false;
  ticks(2 * 24 * 6, 10 * kMinuteMs);
  EXPECT_EQ(left(), 2u);
  EXPECT_EQ(log_types()["retention_intended"], 0);
  disk_writes = true;
  ticks(2 * 24 * 6, 10 * kMinuteMs);
  EXPECT_EQ(left(), 0u);
}

// All of its audio had been erased before, for another reason: that its retention is over is what a
// restart must find in its row, so that its ciphertext goes as well.
TEST(RetiredCall, RemembersThatItWasRetentionWhateverHadGoneBefore) {
  CallKeys call;
  call.declare(0b1);
  call.ended = call.drop = true;
  const auto reviewer = *reason_number("reviewer"), retention = *reason_number(kRetentionReason);
  call.blocked = {{{0, 0, 52}, reviewer, BlockState::kErased, {}, 0},
                  {{0, 0, 50}, retention, BlockState::kErased, {}, 0}};
  call.join_erased(Keeper::kRangesPerCallMax);
  const auto again = CallKeys::decode_row(1, call.encode_row().expose());
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->is_husk());
  EXPECT_TRUE(std::any_of(again->blocked.begin(), again->blocked.end(),
                          [&](const Blocked& block) { return block.reason == retention; }));
}

// Handed over in the middle: keys gone, objects not.
TEST_F(Retention, APlannedRestartInBetweenForgetsNothing) {
  live(1, 2);
  recorder_there = false;
  live(kDays + 1);
  keeper->rest(true);
  ASSERT_TRUE(keeper->quiet());
  auto state = keeper->hand_over();
  keeper->freeze();
  log.reset();
  store.reset();
  store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
  log = std::move(*audit::Log::open(vfs, dir + "/log", "test/log", seed));
  keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, retention_outbox());
  ASSERT_TRUE(keeper->take_over(std::move(state)));
  keeper->serve_on();
  recorder_there = true;
  ticks(30);
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

TEST(RetentionState, IsReadBackAndAnUnknownVersionIsRefused) {
  RetentionState state{.utc = 5, .mono = 7, .stop = RetentionStop::kVolume, .by = 3};
  state.days = {{1, 2}, {3, 4}};
  const auto text = encode_retention(state);
  const auto back = decode_retention(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(encode_retention(*back), text);
  auto newer = text;
  newer.replace(newer.find("\"v\":1"), 5, "\"v\":2");
  EXPECT_EQ(decode_retention(newer).error().code, Errc::kUnsupported);
  EXPECT_NE(decode_retention(newer).error().message.find("version 2"), std::string::npos);
  for (std::size_t cut = 0; cut + 1 < text.size(); ++cut)
    EXPECT_FALSE(decode_retention(text.substr(0, cut)));
}

TEST(RetentionVolume, IsTheMedianOfTheDaysThatHadCalls) {
  constexpr std::int64_t kNow = 100 * kDayMs;
  std::vector<std::int64_t> at;
  for (int day = 90; day < 100; ++day)
    for (int i = 0; i < (day == 95 ? 500 : day % 2 == 0 ? 10 : 12); ++i)
      at.push_back(day * kDayMs + i);
  EXPECT_EQ(usual_volume(at, kNow, {}), 12) << "one large day does not make it usual";
  EXPECT_EQ(usual_volume(at, kNow, {{99, 5'000}}), 12) << "nor one large erasure";
  std::vector<RetentionState::Day> erased;
  for (int day = 80; day < 90; ++day) erased.push_back({day, 300});
  EXPECT_EQ(usual_volume(at, kNow, erased), 300) << "business that shrinks still ends its calls";
  EXPECT_EQ(usual_volume({}, kNow, {}), 0);
}

}  // namespace
}  // namespace callward::erase
