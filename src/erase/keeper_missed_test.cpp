// The disk took an entry and would not say so: who asked was refused, and the entry stands in the
// log. What it says holds, for this keeper and for the next one.
#include <unistd.h>

#include <filesystem>

#include "audit/rules.hpp"
#include "base/failing_vfs_test.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

using keys::HeldDecision;

struct MissedDisk {
  FailingVfs disk;
  std::string folder = ::testing::TempDir() + "cw-missed-" + std::to_string(::getpid());
};

class RefusedAndLogged : public ::testing::Test, public MissedDisk, public KeeperRig {
 protected:
  RefusedAndLogged() : KeeperRig(disk, folder) {}
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
    call = begin();
    record(call, 1'000);
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  // Written, and its sync says no, until it is back.
  void lose_syncs() {
    disk.refuse = [](const std::string& path, FileCall what) {
      return what == FileCall::kSync && path.find("/journal-") != std::string::npos;
    };
  }
  void log_is_back() {
    disk.refuse = {};
    mend();
  }
  // Opened and read, and its next sync fails again.
  void log_fails_again() {
    disk.refuse = {};
    auto fresh = audit::Log::open(vfs, dir + "/log", "test/log", seed);
    ASSERT_TRUE(fresh);
    lose_syncs();
    keeper->resume_log(**fresh);
    log = std::move(*fresh);
  }
  Errc end(const CallId& of) {
    Answer<keys::Ack> ended;
    keeper->call_end({of, clock.utc_ms(), "bye", {{0, 1'000}, {1, 1'000}}}, ended.reply());
    keeper->end_round();
    return ended.value ? Errc{} : ended.value.error().code;
  }
  void is_heard() {
    ASSERT_EQ(end(call), Errc{});
    hear(call, 1'000);
    keeper->listen_done({call});
    keeper->end_round();
  }
  Errc erase_all() {
    Answer<keys::OrderAccepted> answer;
    whole = OrderId::random(entropy);
    keeper->erase_call({whole, call, "customer_request", ada}, answer.reply());
    keeper->end_round();
    return answer.value ? Errc{} : answer.value.error().code;
  }
  Errc decide(const std::string& who, HeldDecision decision = HeldDecision::kErase) {
    Answer<keys::HeldDecided> answer;
    keeper->decide_held({call, whole, decision, who, std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    return answer.value ? Errc{} : answer.value.error().code;
  }
  Errc hold(bool on) {
    Answer<keys::Ack> answer;
    keeper->set_hold({call, on, ada, std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    return answer.value ? Errc{} : answer.value.error().code;
  }
  // Long enough for the rules to want every end, and with an entry that shows that time has passed.
  std::map<std::string, int> broken_rules() {
    clock.advance_ms(15 * 60'000);
    keeper->tick();
    (void)begin();
    audit::RuleChecker checker;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      checker.add(index, *audit::encode_entry(entry));
      return {};
    }));
    std::map<std::string, int> out;
    for (const auto& finding : checker.finish().findings)
      if (!finding.rule->name.starts_with("opened-"))  // nobody signs in here, nor says why
        ++out[std::string(finding.rule->name)];
    return out;
  }
  // What a start would not see: rows that count the entry as known.
  void rows_are_written() {
    clock.advance_ms(31'000);
    keeper->tick();
    keeper->end_round();
  }
  const std::map<std::string, int> none;

  CallId call;
  OrderId whole;
  std::string ada = PersonId::random(entropy).hex(), bob = PersonId::random(entropy).hex();
};

TEST_F(RefusedAndLogged, ACallEndsOnce) {
  lose_syncs();
  EXPECT_EQ(end(call), Errc::kIo);
  log_is_back();
  EXPECT_EQ(end(call), Errc{}) << "the recorder says it again";
  EXPECT_EQ(log_types()["call_ended"], 1);
  EXPECT_EQ(broken_rules()["call-begins-once"], 0);
}

// The log took nothing of it; then it is back, and a round of persisting comes before the recorder.
TEST_F(RefusedAndLogged, AnEndThatIsInNoLogIsLoggedByTheNextKeeper) {
  disk.refuse = [](const std::string& path, FileCall what) {
    return what == FileCall::kWrite && path.find("/journal-") != std::string::npos;
  };
  EXPECT_EQ(end(call), Errc::kIo);
  log_is_back();
  ASSERT_EQ(log_types()["call_ended"], 0);
  rows_are_written();
  boot();
  EXPECT_EQ(end(call), Errc{}) << "the recorder says it again";
  EXPECT_EQ(log_types()["call_ended"], 1);
  boot();
  EXPECT_EQ(end(call), Errc{});
  EXPECT_EQ(log_types()["call_ended"], 1) << "said twice, logged once";
}

TEST_F(RefusedAndLogged, ARoundOfPersistingThatMetAFailedLogIsMadeUpForAtOnce) {
  hear(call, 800);
  lose_syncs();
  ASSERT_NE(hold(true), Errc{}) << "the log has failed";
  clock.advance_ms(31'000);
  keeper->tick();
  log_is_back();
  clock.advance_ms(1'000);
  keeper->tick();
  boot();
  EXPECT_EQ(open(call, 0, 700), "audio");
}

TEST_F(RefusedAndLogged, ACallBeginsOnce) {
  lose_syncs();
  const auto second = begin();  // recorded all the same, on keys in memory
  const auto begun = [&] {
    int count = 0;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      count += entry.type == "call_started" && entry.subject == second.hex() ? 1 : 0;
      return {};
    }));
    return count;
  };
  log_is_back();
  EXPECT_EQ(begun(), 1);
  EXPECT_EQ(broken_rules()["call-begins-once"], 0);
}

TEST_F(RefusedAndLogged, WhatAPersonOrderedIsHeld) {
  is_heard();
  lose_syncs();
  EXPECT_EQ(erase_all(), Errc::kIo);
  log_is_back();
  EXPECT_EQ(open(call, 0, 5), kErasedState) << "as the log says";
  EXPECT_EQ(keeper->held_calls().total, 1u);
  EXPECT_EQ(decide(ada), Errc::kDenied) << "who ordered it";
  rows_are_written();
  boot();
  EXPECT_EQ(open(call, 0, 5), kErasedState);
  EXPECT_EQ(decide(bob), Errc{});
  EXPECT_FALSE(keeper->call_state(call)->known);
  EXPECT_EQ(broken_rules(), none);
}

TEST_F(RefusedAndLogged, WhatTwoDecidedIsErased) {
  is_heard();
  ASSERT_EQ(erase_all(), Errc{});
  lose_syncs();
  EXPECT_EQ(decide(bob), Errc::kIo);
  log_is_back();
  EXPECT_FALSE(keeper->call_state(call)->known) << "nobody has to ask again";
  EXPECT_EQ(log_types()["held_decided"], 1);
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_EQ(broken_rules(), none);
}

TEST_F(RefusedAndLogged, WhatWasKeptOpensAgain) {
  is_heard();
  ASSERT_EQ(erase_all(), Errc{});
  lose_syncs();
  EXPECT_EQ(decide(bob, HeldDecision::kKeep), Errc::kIo);
  log_is_back();
  EXPECT_EQ(open(call, 0, 5), "audio");
  EXPECT_EQ(keeper->held_calls().total, 0u);
  rows_are_written();
  boot();
  EXPECT_EQ(open(call, 0, 5), "audio");
  EXPECT_EQ(log_types()["held_decided"], 1);
  EXPECT_EQ(broken_rules(), none);
}

// What was read once is not read again, though no write succeeded between two failures.
TEST_F(RefusedAndLogged, WhatWasDecidedIsDoneOnceOverTwoFailures) {
  is_heard();
  ASSERT_EQ(erase_all(), Errc{});
  lose_syncs();
  EXPECT_EQ(decide(bob), Errc::kIo);
  log_fails_again();
  log_fails_again();
  log_is_back();
  EXPECT_FALSE(keeper->call_state(call)->known);
  EXPECT_EQ(log_types()["held_decided"], 1);
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_EQ(broken_rules(), none);
}

TEST_F(RefusedAndLogged, OfTwoFailuresInARowEachIsReadOnce) {
  is_heard();
  lose_syncs();
  EXPECT_EQ(erase_all(), Errc::kIo);
  log_is_back();
  lose_syncs();
  EXPECT_EQ(hold(true), Errc::kIo);
  log_is_back();
  EXPECT_EQ(keeper->held_calls().total, 1u);
  lose_syncs();
  EXPECT_EQ(decide(bob, HeldDecision::kKeep), Errc::kIo);
  log_is_back();
  lose_syncs();
  EXPECT_EQ(hold(false), Errc::kIo);
  log_is_back();
  EXPECT_EQ(keeper->held_calls().total, 0u);
  EXPECT_EQ(open(call, 0, 5), "audio") << "nothing of it is held a second time";
  rows_are_written();
  boot();
  EXPECT_EQ(open(call, 0, 5), "audio");
  EXPECT_EQ(broken_rules(), none);
}

TEST_F(RefusedAndLogged, ALegalHoldIsAsTheLogSays) {
  is_heard();
  for (const bool on : {true, false}) {
    lose_syncs();
    EXPECT_EQ(hold(on), Errc::kIo);
    log_is_back();
    EXPECT_EQ(keeper->holds().total, on ? 1u : 0u);
    rows_are_written();
    boot();
    EXPECT_EQ(keeper->holds().total, on ? 1u : 0u);
    EXPECT_EQ(log_types()[on ? "hold_set" : "hold_lifted"], 1);
  }
  ASSERT_EQ(erase_all(), Errc{}) << "it is lifted";
  EXPECT_EQ(decide(bob), Errc{});
  EXPECT_EQ(broken_rules(), none);
}

}  // namespace
}  // namespace callward::erase
