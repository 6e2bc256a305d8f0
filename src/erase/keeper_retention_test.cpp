// Destruction by time has bounds as well: it believes no clock that was set, and nobody who asks.
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "audit/rules.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

constexpr std::int64_t kDays = 30;
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kYearMs = 365 * kDayMs;

class Retention : public ::testing::Test, public KeeperRig {
 protected:
  Retention()
      : KeeperRig(disk(), ::testing::TempDir() + "cw-retention-" + std::to_string(::getpid())) {}
  static Vfs& disk() {
    static RealVfs real;
    return real;
  }
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    policy.retention.days = {kDays, kDays, 0, 0};
    begin_keeper();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  Keeper::Outbox retention_outbox() {
    auto out = outbox();
    out.remove_objects = [this](const keys::RemoveObjects& message, auto done) {
      for (const auto& one : message.calls) asked_to_remove.push_back(one.call);
      if (!recorder_there) return done(fail(Errc::kUnavailable, "the recorder is not there"));
      keys::ObjectsRemoved removed;
      removed.fates.assign(message.calls.size(), fate);
      done(std::move(removed));
    };
    out.load_retention = [this]() -> Result<std::string> {
      if (saved.empty()) return fail(Errc::kNotFound, "none yet");
      return saved;
    };
    out.save_retention = [this](const std::string& text) -> Status {
      if (!disk_writes) return fail(Errc::kIo, "the disk is gone");
      saved = text;
      return {};
    };
    return out;
  }
  void begin_keeper() {
    keeper.reset();
    log.reset();
    store.reset();
    store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
    log = std::move(*audit::Log::open(vfs, dir + "/log", "test/log", seed));
    keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, retention_outbox());
    const auto started = keeper->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  CallId finished() {
    const auto id = begin();
    record(id, 50);
    Answer<keys::Ack> ended;
    keeper->call_end({id, clock.utc_ms(), "bye", {{0, 50}, {1, 50}}}, ended.reply());
    hear(id, 50);
    keeper->listen_done({id});
    keeper->end_round();
    return id;
  }
  // So many days of ordinary life, with ticks: calls begin (`a_day` of them), time goes on.
  void live(int days, int a_day = 0) {
    for (int day = 0; day < days; ++day) {
      for (int i = 0; i < a_day; ++i) calls.push_back(finished());
      ticks(24 * 6, 10 * kMinuteMs);
    }
  }
  void ticks(int count, std::int64_t step_ms = 1'000) {
    for (int i = 0; i < count; ++i) {
      clock.advance_ms(step_ms);
      keeper->tick();
    }
  }
  boost::json::object report() {
    Answer<keys::RetentionStatus> answer;
    keeper->retention_status({}, answer.reply());
    return boost::json::parse(answer.value->json).as_object();
  }
  Result<keys::RetentionStatus> run(bool dry = false, const std::string& who = "operator") {
    Answer<keys::RetentionStatus> answer;
    keeper->run_retention({who, dry}, answer.reply());
    keeper->end_round();
    if (answer.value && !dry) ticks(30);
    return std::move(answer.value);
  }
  Result<keys::RetentionStatus> confirm(std::uint64_t count) {
    Answer<keys::RetentionStatus> answer;
    keeper->confirm_retention({"operator", count, std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    if (answer.value) ticks(30);
    return std::move(answer.value);
  }
  void hold(const CallId& id, bool on) {
    Answer<keys::Ack> answer;
    keeper->set_hold({id, on, "operator", std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    ASSERT_TRUE(answer.value);
  }
  bool gone(const CallId& id) { return !keeper->call_state(id)->known; }
  std::size_t left() {
    return static_cast<std::size_t>(
        std::count_if(calls.begin(), calls.end(), [&](const CallId& id) { return !gone(id); }));
  }
  std::map<std::string, int> broken_rules() {
    audit::RuleChecker checker;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      checker.add(index, *audit::encode_entry(entry));
      return {};
    }));
    std::map<std::string, int> out;
    for (const auto& finding : checker.finish().findings)
      if (finding.rule->name.find("retention") != std::string_view::npos ||
          finding.rule->name == "hold-is-kept" || finding.rule->name == "deleted-was-erased" ||
          finding.rule->name.starts_with("erase"))
        ++out[std::string(finding.rule->name) + ": " + finding.what];
    return out;
  }
  void nothing_is_erased_and(const std::string& cause) {
    EXPECT_EQ(left(), calls.size());
    EXPECT_EQ(log_types()["retention_intended"], 0);
    EXPECT_EQ(log_types()["retention_stopped"], 1);
    const auto status = report();
    EXPECT_EQ(status.at("state").as_string(), "stopped");
    EXPECT_NE(status.at("why").as_string().find(cause), std::string::npos) << status.at("why");
    EXPECT_FALSE(run()) << "not by hand either";
    EXPECT_EQ(left(), calls.size());
  }

  std::vector<CallId> calls, asked_to_remove;
  std::string saved;
  bool recorder_there = true, disk_writes = true;
  keys::ObjectFate fate = keys::ObjectFate::kGone;
};

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
