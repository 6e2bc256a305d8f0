// Attacks on retention: by the server that asks, the recorder that says when a call began, whoever
// sets the clock, a disk that fails, and a death in the middle.
#include "erase/retention_rig_test.hpp"

namespace callward::erase {
namespace {

class RetentionAttack : public RetentionRig {
 protected:
  // A call whose end nobody ever said: its recorder died.
  CallId endless() {
    const auto id = begin();
    record(id, 50);
    hear(id, 50);
    return id;
  }
};

// The owner let 530 go: two batches, and the keeper dies between them. The rest goes with the next
// run, and the log's rules know that it was confirmed.
TEST_F(RetentionAttack, WhatTheOwnerLetGoIsNotForgottenInTheMiddle) {
  for (int i = 0; i < 530; ++i) calls.push_back(finished());
  clock.jump_utc_ms(kYearMs);
  ticks(200, kMinuteMs);
  ASSERT_EQ(report().at("state").as_string(), "stopped");
  Answer<keys::RetentionStatus> answer;
  keeper->confirm_retention({"operator", 530, std::string(64, 'a')}, answer.reply());
  keeper->end_round();
  ASSERT_TRUE(answer.value) << answer.value.error().message;
  recorder_there = false;  // husks stay, so that what is left can be told from what went
  clock.advance_ms(1'000);
  keeper->tick();
  ASSERT_EQ(log_types()["retention_intended"], 1) << "the first batch";
  begin_keeper();
  recorder_there = true;
  ticks(300);
  EXPECT_EQ(left(), 0u) << report();
  EXPECT_EQ(log_types()["retention_stopped"], 1);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

// What cannot go yet is no part of what would go: else calls that never end, which a captured
// recorder begins as it likes, stop retention for ever, whatever the owner confirms.
TEST_F(RetentionAttack, CallsThatNeverEndStopNobodysRetention) {
  std::vector<CallId> open;
  for (int i = 0; i < 15; ++i) open.push_back(endless());
  live(1, 3);
  live(kDays + 1);
  EXPECT_EQ(log_types()["retention_stopped"], 0) << report();
  EXPECT_EQ(left(), 0u) << "the three that ended";
  for (const auto& id : open) EXPECT_FALSE(gone(id));
  EXPECT_EQ(report().at("unheard").to_number<int>(), 15) << "and it is said";
  begin_keeper();
  live(2);
  EXPECT_EQ(log_types()["retention_stopped"], 0) << "nor after a restart";
  EXPECT_EQ(report().at("due").to_number<int>(), 0);
  // They end after all: now they count, and are too many for a day.
  for (const auto& id : open) {
    Answer<keys::Ack> ended;
    keeper->call_end({id, clock.utc_ms(), "bye", {{0, 50}, {1, 50}}}, ended.reply());
    hear(id, 50);
    keeper->listen_done({id});
    keeper->end_round();
  }
  live(2);
  EXPECT_EQ(log_types()["retention_stopped"], 1);
  ASSERT_TRUE(confirm(15));
  for (const auto& id : open) EXPECT_TRUE(gone(id));
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

// It has numbers and names, if no sound: its time comes as any other's.
TEST_F(RetentionAttack, ACallWithoutASegmentGoesToo) {
  const auto id = begin();
  Answer<keys::Ack> ended;
  keeper->call_end({id, clock.utc_ms(), "cancel", {{0, 0}, {1, 0}}}, ended.reply());
  keeper->end_round();
  live(kDays + 2);
  EXPECT_TRUE(gone(id)) << report();
}

// Objects that lie on a bad part of the disk are asked for again and again; those behind them go.
TEST_F(RetentionAttack, ObjectsThatCannotBeDeletedHoldNobodyUp) {
  live(7, 10);
  auto sorted = calls;
  std::sort(sorted.begin(), sorted.end());
  stuck = {sorted.begin(), sorted.begin() + Keeper::kRemovePerRequestMax};
  recorder_there = false;
  live(kDays + 2);
  ASSERT_EQ(left(), 70u) << "their keys are gone, and all wait for the recorder";
  recorder_there = true;
  ticks(60);
  EXPECT_EQ(left(), Keeper::kRemovePerRequestMax) << "only those that cannot be deleted";
  stuck.clear();
  ticks(60);
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

// A recorder that was taken over dates its calls as it likes. None can have lasted longer than an
// index reaches (29 hours), so none is taken for older.
TEST_F(RetentionAttack, ARecorderMakesNoCallOlderThanACallCanBe) {
  live(1, 2);
  const auto honest = calls;
  clock.jump_utc_ms(-kYearMs);  // what the recorder says, not what the keeper's clock shows
  const auto a_year_ago = clock.utc_ms();
  clock.jump_utc_ms(kYearMs);
  const auto id = CallId::random(entropy);
  Answer<keys::CallStarted> began;
  keeper->call_start({id, keys::CallSource::kSiprec, keys::Direction::kIncoming, 0b11, a_year_ago,
                      to_bytes(as_bytes("{}"))},
                     began.reply());
  keeper->end_round();
  ASSERT_TRUE(began.value);
  nodes = *keys::Cover::from_nodes(std::move(began.value->nodes));
  record(id, 50);
  Answer<keys::Ack> ended;
  keeper->call_end({id, clock.utc_ms(), "bye", {{0, 50}, {1, 50}}}, ended.reply());
  hear(id, 50);
  keeper->listen_done({id});
  keeper->end_round();
  live(kDays - 3);
  begin_keeper();
  live(1);
  EXPECT_FALSE(gone(id)) << "it is 28 days old";
  EXPECT_EQ(open(id, 0, 5), "audio");
  live(4);
  EXPECT_TRUE(gone(id));
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

// Nor younger than it is: it would stay for ever.
TEST_F(RetentionAttack, ARecorderMakesNoCallYoungerThanToday) {
  const auto id = CallId::random(entropy);
  Answer<keys::CallStarted> began;
  keeper->call_start({id, keys::CallSource::kSiprec, keys::Direction::kIncoming, 0b11,
                      clock.utc_ms() + 10 * kYearMs, to_bytes(as_bytes("{}"))},
                     began.reply());
  keeper->end_round();
  ASSERT_TRUE(began.value);
  nodes = *keys::Cover::from_nodes(std::move(began.value->nodes));
  record(id, 50);
  Answer<keys::Ack> ended;
  keeper->call_end({id, clock.utc_ms(), "bye", {{0, 50}, {1, 50}}}, ended.reply());
  hear(id, 50);
  keeper->listen_done({id});
  keeper->end_round();
  live(kDays + 2);
  EXPECT_TRUE(gone(id));
}

// The hold and the run are asked for in the same round: whichever comes first, the hold holds, or
// is refused before anybody relied on it.
TEST_F(RetentionAttack, AHoldAndARunInOneRound) {
  live(1, 4);
  live(kDays - 5);
  policy.retention.days[0] = kDays - 10;
  begin_keeper();
  Answer<keys::RetentionStatus> ran;
  Answer<keys::Ack> before, meanwhile;
  keeper->set_hold({calls[3], true, "operator", std::string(64, 'a')}, before.reply());
  keeper->run_retention({"operator", false}, ran.reply());
  keeper->set_hold({calls[1], true, "operator", std::string(64, 'a')}, meanwhile.reply());
  keeper->end_round();
  ASSERT_TRUE(ran.value) << ran.value.error().message;
  ticks(1);
  Answer<keys::Ack> late;
  keeper->set_hold({calls[2], true, "operator", std::string(64, 'a')}, late.reply());
  keeper->end_round();
  ticks(30);
  EXPECT_TRUE(before.value && meanwhile.value);
  EXPECT_FALSE(late.value) << "it had been taken, and is said so";
  EXPECT_EQ(open(calls[3], 0, 5), "audio");
  EXPECT_FALSE(gone(calls[1]));
  EXPECT_EQ(left(), 2u);
  begin_keeper();
  live(1);
  EXPECT_EQ(left(), 2u) << "after a restart as well";
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

// Holds are persons' business: the server cannot lift one in the name of a process of ours.
TEST_F(RetentionAttack, NoProcessLiftsAHold) {
  live(1, 1);
  hold(calls[0], true);
  for (const auto* who : {"keeper", "server", "recorder", "retention"}) {
    Answer<keys::Ack> answer;
    keeper->set_hold({calls[0], false, who, std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    EXPECT_EQ(answer.value.error().code, Errc::kDenied) << who;
  }
  live(kDays + 1);
  EXPECT_EQ(left(), 1u);
}

// The log fails in the middle of a batch, and somebody moves the clock before it is back.
TEST_F(RetentionAttack, ALogThatFailsLetsNothingGo) {
  live(1, 3);
  live(kDays - 1);
  const auto entries = log->size();
  log->let_go();
  ticks(24 * 6, 10 * kMinuteMs);
  EXPECT_EQ(log->size(), entries);
  mend();
  EXPECT_EQ(open(calls.back(), 0, 5), "audio");
  EXPECT_EQ(left(), 3u);
  ticks(24 * 6, 10 * kMinuteMs);
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

// A hold that the log refused is not said to be set, and holds all the same: nothing goes
// meanwhile, nor counts as due.
TEST_F(RetentionAttack, AHoldThatIsNotLoggedHolds) {
  live(1, 3);
  disk().refuse = [](const std::string& path, FileCall call) {
    return call == FileCall::kWrite && path.find("/journal-") != std::string::npos;
  };
  Answer<keys::Ack> answer;
  keeper->set_hold({calls[0], true, "operator", std::string(64, 'a')}, answer.reply());
  keeper->set_hold({calls[1], true, "operator", std::string(64, 'a')}, answer.reply());
  keeper->end_round();
  EXPECT_FALSE(answer.value);
  disk().refuse = {};
  mend();
  Answer<keys::Ack> again;
  keeper->set_hold({calls[0], true, "operator", std::string(64, 'a')}, again.reply());
  keeper->end_round();
  EXPECT_TRUE(again.value);
  live(kDays + 1);
  EXPECT_FALSE(gone(calls[0]));
  EXPECT_FALSE(gone(calls[1])) << "asked for once only";
  EXPECT_TRUE(gone(calls[2]));
  EXPECT_EQ(keeper->holds().total, 2u);
  EXPECT_EQ(report().at("due").to_number<int>(), 0);
  EXPECT_EQ(broken_rules(), (std::map<std::string, int>{}));
}

// Bounds over planned restarts: what a day may destroy was counted before it was handed over.
TEST_F(RetentionAttack, APlannedRestartRenewsNoBound) {
  live(2, 8);
  live(kDays - 2);
  for (int i = 0; i < 200 && left() > 8; ++i) ticks(1, 10 * kMinuteMs);
  ticks(5);
  ASSERT_EQ(left(), 8u);
  policy.retention.days[0] = kDays - 1;
  for (int restart = 0; restart < 3; ++restart) {
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
    EXPECT_EQ(run().error().code, Errc::kState) << "8 went today, and 10 may";
    EXPECT_EQ(left(), 8u);
  }
  EXPECT_EQ(log_types()["retention_stopped"], 1) << "said once, whoever has it in hand";
}

// The keeper dies with the entry in the log and nothing in its pages: the order is carried out, by
// its number, and no call of it is taken a second time.
TEST_F(RetentionAttack, AnOrderThatOnlyTheLogKnowsIsCarriedOut) {
  live(1, 2);
  live(kDays - 2);
  boost::json::value rows = boost::json::array{0, 1};
  const auto order = OrderId::random(entropy);
  ASSERT_TRUE(log->stage({"retention_intended",
                          "keeper",
                          "-",
                          clock.utc_ms(),
                          {{"order", order.hex()},
                           {"class", "incoming"},
                           {"days", kDays},
                           {"calls", 1},
                           {"rows", boost::json::array(1, rows)},
                           {"epoch", store->epoch()}}}));
  ASSERT_TRUE(log->commit());
  begin_keeper();
  EXPECT_EQ(log_types()["erased"], 1);
  ticks(5);
  EXPECT_TRUE(gone(calls[0]));
  EXPECT_FALSE(gone(calls[1])) << "it was not named, and its time is not over";
  EXPECT_EQ(log_types()["retention_intended"], 2) << "said again, as it was done again";
}

// That it was heard to its end only the log knows: it goes when its time is over, all the same.
TEST_F(RetentionAttack, ACallThatTheLogAloneKnowsAsHeardGoes) {
  const auto id = endless();
  Answer<keys::Ack> ended;
  keeper->call_end({id, clock.utc_ms(), "bye", {{0, 50}, {1, 50}}}, ended.reply());
  hear(id, 50);
  ticks(40);
  ASSERT_TRUE(
      log->stage({"listened", "listener", id.hex(), clock.utc_ms(), {{"heard_live", true}}}));
  ASSERT_TRUE(log->commit());
  begin_keeper();
  live(kDays + 2);
  EXPECT_TRUE(gone(id));
}

// Who starts, waits: a clock that comes right within a minute (NTP at boot) is seen before.
TEST_F(RetentionAttack, NothingGoesInTheFirstMinute) {
  live(1, 2);
  live(kDays - 2);
  keeper->stop();
  clock.advance_ms(3 * kDayMs);
  begin_keeper();
  const auto runs = log_types()["retention_run"];
  ticks(50);
  EXPECT_EQ(log_types()["retention_run"], runs);
  EXPECT_EQ(left(), 2u);
  ticks(60);
  EXPECT_EQ(log_types()["retention_run"], runs + 1);
  EXPECT_EQ(left(), 0u);
}

RetentionGuard counted_from(std::int64_t utc) {
  RetentionGuard guard(RetentionState{.utc = utc, .mono = 0});
  EXPECT_FALSE(guard.observe(utc, 0));
  return guard;
}

// A clock that goes to and fro over midnight, never an hour off, begins no new day each time.
TEST(RetentionGuardAttack, MidnightComesOnce) {
  auto guard = counted_from(100 * kDayMs + 30 * kMinuteMs);
  std::int64_t mono = 0;
  std::int64_t went = 0;
  for (int i = 0; i < 6; ++i) {
    mono += 1'000;
    const auto wall = 100 * kDayMs + 30 * kMinuteMs + mono - (i % 2 == 0 ? 0 : 59 * kMinuteMs);
    ASSERT_FALSE(guard.observe(wall, mono));
    const auto may = guard.may_erase(0);
    guard.spend(may);
    went += may;
  }
  EXPECT_EQ(went, RetentionGuard::kFreeCalls);
  EXPECT_EQ(guard.state().days.size(), 1u);
}

// A clock that was a year ahead, and the owner's word that it is right now: the day's count goes on
// from there, and tomorrow is a new day.
TEST(RetentionGuardAttack, ADayThatWasNeverOneBindsNobody) {
  auto guard = counted_from(100 * kDayMs);
  ASSERT_TRUE(guard.observe(100 * kDayMs + kYearMs, 1'000));
  guard.confirm(0);
  guard.spend(10);
  ASSERT_TRUE(guard.observe(100 * kDayMs, 2'000)) << "back again";
  guard.confirm(0);
  EXPECT_EQ(guard.may_erase(0), 0) << "10 went today, by whatever clock";
  ASSERT_FALSE(guard.observe(101 * kDayMs, 2'000 + kDayMs));
  EXPECT_EQ(guard.may_erase(0), RetentionGuard::kFreeCalls);
}

// A wall clock that is behind, within what it may be, erases nothing before its time by it either.
TEST(RetentionGuardAttack, NowIsNeverAheadOfTheWall) {
  auto guard = counted_from(100 * kDayMs);
  ASSERT_FALSE(guard.observe(100 * kDayMs + 30 * kMinuteMs, 60 * kMinuteMs));
  EXPECT_EQ(guard.now(), 100 * kDayMs + 30 * kMinuteMs);
  ASSERT_FALSE(guard.observe(100 * kDayMs + 120 * kMinuteMs, 61 * kMinuteMs));
  EXPECT_EQ(guard.now(), 100 * kDayMs + 61 * kMinuteMs) << "nor ahead of what was counted";
}

// The monotonic clock begins anew: how long the machine has been up is known, how long it was off
// is believed up to an hour.
TEST(RetentionGuardAttack, ARebootIsAsLongAsTheMachineIsUpAndAnHourAtMost) {
  const RetentionState before{.utc = 100 * kDayMs, .mono = 5 * kDayMs};
  RetentionGuard short_one(before);
  const auto wall = 100 * kDayMs + 120 * kMinuteMs + 30 * kMinuteMs;  // up for 2 h, off for 30 min
  EXPECT_FALSE(short_one.observe(wall, 120 * kMinuteMs));
  EXPECT_EQ(short_one.now(), wall);
  RetentionGuard long_one(before);
  EXPECT_TRUE(long_one.observe(wall + 31 * kMinuteMs, 120 * kMinuteMs));
  EXPECT_TRUE(long_one.stopped());
}

// What the owner let go was for one run.
TEST(RetentionGuardAttack, WhatWasConfirmedEndsWithItsRun) {
  auto guard = counted_from(100 * kDayMs);
  guard.stop(RetentionStop::kVolume, 100);
  guard.confirm(100);
  guard.spend(40);
  EXPECT_EQ(guard.may_erase(0), 60 + RetentionGuard::kFreeCalls);
  guard.run_over(40);
  EXPECT_EQ(guard.may_erase(0), RetentionGuard::kFreeCalls);
}

}  // namespace
}  // namespace callward::erase
