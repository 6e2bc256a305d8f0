// A mirror that is lost, given up by the owner, and comes back: what the keeper, the log and the
// proof say of it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "audit/rules.hpp"
#include "base/failing_vfs_test.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

class RetiredMirrors : public ::testing::Test {
 protected:
  void SetUp() override {
    dir = ::testing::TempDir() + "cw-retired-" + std::to_string(::getpid());
    std::filesystem::remove_all(dir);
    rig = std::make_unique<KeeperRig>(vfs, dir);
    ASSERT_TRUE(vfs.make_dirs(dir + "/log"));
    ASSERT_TRUE(keys::KeyStore::create(vfs, rig->entropy, rig->paths, rig->wrap));
    rig->boot();
    call = rig->begin();
    rig->record(call, 100);
    rig->hear(call, 100);
    rig->clock.advance_ms(31'000);
    rig->keeper->tick();
  }
  void TearDown() override {
    rig.reset();
    std::filesystem::remove_all(dir);
  }
  // The disk of mirror 2 goes away, and the keeper begins without it.
  void lose() {
    std::filesystem::rename(dir + "/b", dir + "/away");
    begin_anew();
  }
  void begin_anew() {
    rig->keeper->stop();
    rig->keeper.reset();
    rig->log.reset();
    rig->store.reset();
    rig->store = std::move(*keys::KeyStore::open(vfs, rig->entropy, rig->paths, rig->wrap));
    rig->log = std::move(*audit::Log::open(vfs, dir + "/log", "test/log", rig->seed));
    rig->keeper = std::make_unique<Keeper>(rig->clock, rig->entropy, *rig->store, *rig->log,
                                           rig->policy, rig->outbox());
    ASSERT_TRUE(rig->keeper->start());
  }
  Result<keys::MirrorRetired> retire(std::uint32_t number) {
    Answer<keys::MirrorRetired> answer;
    rig->keeper->retire_mirror({number, "operator", std::string(64, 'a')}, answer.reply());
    rig->keeper->end_round();
    rig->keeper->end_round();
    EXPECT_TRUE(answer.came);
    return std::move(answer.value);
  }
  // What `erased` says of mirrors that it leaves out, newest entry.
  std::string left_out() {
    std::string out = "no entry";
    EXPECT_TRUE(rig->log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      if (entry.type != "erased") return {};
      const auto* retired = entry.data.if_contains("retired");
      out = retired == nullptr ? "none" : boost::json::serialize(*retired);
      return {};
    }));
    return out;
  }
  std::uint64_t breaches() {
    audit::RuleChecker checker;
    EXPECT_TRUE(rig->log->replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      checker.add(index, *audit::encode_entry(entry));
      return {};
    }));
    std::uint64_t count = 0;
    for (const auto& finding : checker.finish().findings)
      count += finding.rule->name == "retired-by-a-person" || finding.rule->name == "erase-is-done";
    return count;
  }

  // Calls to this mirror are refused.
  void refuse(const char* mirror) {
    vfs.refuse = [folder = dir + mirror](const std::string& path, FileCall) {
      return path.starts_with(folder);
    };
  }
  // The keeper dies, and another one begins, as its process does it.
  Status begin_after_death() {
    rig->keeper.reset();
    rig->log.reset();
    rig->store.reset();
    rig->store = TRY(keys::KeyStore::open(vfs, rig->entropy, rig->paths, rig->wrap));
    rig->log = TRY(audit::Log::open(vfs, dir + "/log", "test/log", rig->seed));
    rig->keeper = std::make_unique<Keeper>(rig->clock, rig->entropy, *rig->store, *rig->log,
                                           rig->policy, rig->outbox());
    return rig->keeper->start();
  }

  FailingVfs vfs;
  std::string dir;
  std::unique_ptr<KeeperRig> rig;
  CallId call;
};

TEST_F(RetiredMirrors, AnErasureThatWaitsIsDoneWithoutItAndSaysSo) {
  lose();
  rig->order(call, {{0, 10, 20}}, false);
  EXPECT_EQ(rig->states.back(), keys::OrderOutcome::kUnconfirmed);
  EXPECT_EQ(left_out(), "no entry");
  const auto retired = retire(2);
  ASSERT_TRUE(retired) << retired.error().message;
  EXPECT_FALSE(retired->destroyed);
  EXPECT_EQ(rig->states.back(), keys::OrderOutcome::kErased);
  EXPECT_EQ(left_out(), "[[2,0]]") << "its epoch is not known: it was away when the keeper began";
  EXPECT_EQ(breaches(), 0u);
  EXPECT_NE(rig->keeper->status_json().find("\"retired\":true,\"confirmed\":false"),
            std::string::npos);
}

// Also when nobody says that the mirrors are back: a keeper that took over destroys what was left,
// and so does the next erasure.
TEST_F(RetiredMirrors, WhatWasUnconfirmedIsErasedOnceNothingIs) {
  lose();
  rig->order(call, {{0, 10, 20}}, false);
  ASSERT_EQ(rig->states.back(), keys::OrderOutcome::kUnconfirmed);
  std::filesystem::rename(dir + "/away", dir + "/b");
  ASSERT_TRUE(rig->store->repair_mirror(1));
  rig->keeper->tick();
  EXPECT_EQ(rig->states.back(), keys::OrderOutcome::kErased);
  EXPECT_EQ(left_out(), "none");
  EXPECT_EQ(breaches(), 0u);
}

TEST_F(RetiredMirrors, TheWordOutlivesTheKeeperAndEndsWhenTheMirrorIsBack) {
  lose();
  ASSERT_TRUE(retire(2));
  begin_anew();
  rig->order(call, {{0, 10, 20}}, false);
  EXPECT_EQ(left_out(), "[[2,0]]");
  std::filesystem::rename(dir + "/away", dir + "/b");
  ASSERT_TRUE(rig->store->repair_mirror(1)) << "destroyed first";
  rig->keeper->retired_is_back(2);
  rig->order(call, {{1, 10, 20}}, false);
  EXPECT_EQ(left_out(), "none");
  EXPECT_EQ(rig->open(call, 0, 15), kErasedState);
  EXPECT_EQ(rig->open(call, 0, 5), "audio");
  EXPECT_EQ(breaches(), 0u);
}

// It lacks the calls that began since, and the erasures: found alone, because the other disk does
// not answer just then, it would be believed, and the newer one destroyed as older when it is back.
TEST_F(RetiredMirrors, OneThatWasLeftOutIsNotTakenForTheTruthWhileTheOtherIsAway) {
  refuse("/b");
  const auto second = rig->begin();
  EXPECT_EQ(rig->log_types()["mirror_left_out"], 1) << "before its start is answered";
  rig->order(second, {{0, 0, 3}});
  EXPECT_EQ(rig->log_types()["mirror_left_out"], 1) << "once";
  refuse("/a");
  EXPECT_EQ(begin_after_death().error().code, Errc::kUnavailable);
  EXPECT_EQ(begin_after_death().error().code, Errc::kUnavailable) << "however often";
  vfs.refuse = nullptr;
  ASSERT_TRUE(begin_after_death());
  const auto state = rig->keeper->call_state(second);
  ASSERT_TRUE(state && state->known);
  EXPECT_EQ(state->erased.size(), 1u);
  EXPECT_EQ(breaches(), 0u);
}

TEST_F(RetiredMirrors, OneThatWasLeftOutIsBelievedAgainOnceItIsFilled) {
  refuse("/b");
  const auto second = rig->begin();
  vfs.refuse = nullptr;
  ASSERT_TRUE(rig->store->repair_mirror(1));
  rig->keeper->tick();
  refuse("/a");
  const auto begun = begin_after_death();
  ASSERT_TRUE(begun) << begun.error().message;
  EXPECT_TRUE(rig->keeper->call_state(second)->known);
}

// The owner took the other one out of the configuration: there is nothing newer to wait for.
TEST_F(RetiredMirrors, OneThatWasLeftOutIsBelievedWhenItIsAllThereIs) {
  refuse("/b");
  const auto second = rig->begin();
  vfs.refuse = nullptr;
  rig->paths.erase(rig->paths.begin());
  ASSERT_TRUE(begin_after_death());
  EXPECT_TRUE(rig->keeper->call_state(second)->known) << "by the log, and without a key";
  Answer<keys::Reissued> reissued;
  rig->keeper->reissue({second}, reissued.reply());
  EXPECT_EQ(reissued.value.error().code, Errc::kErased);
  EXPECT_EQ(rig->open(call, 0, 5), "audio");
}

// The next keeper reads both from the log, the row of neither being written since: the second word
// ends the first, and nobody has given the mirror up that is away once more.
TEST_F(RetiredMirrors, OneThatCameBackIsNotGivenUpAgainByTheNextKeeper) {
  lose();
  ASSERT_TRUE(retire(2));
  std::filesystem::rename(dir + "/away", dir + "/b");
  ASSERT_TRUE(rig->store->repair_mirror(1));
  rig->keeper->retired_is_back(2);
  ASSERT_TRUE(rig->log->commit());
  refuse("/b");
  ASSERT_TRUE(begin_after_death());
  EXPECT_FALSE(rig->store->mirrors()[1].retired);
  rig->order(call, {{0, 10, 20}}, false);
  EXPECT_EQ(rig->states.back(), keys::OrderOutcome::kUnconfirmed) << "it is waited for";
  ASSERT_TRUE(retire(2)) << "the owner may say so anew";
  EXPECT_EQ(rig->states.back(), keys::OrderOutcome::kErased);
  EXPECT_EQ(breaches(), 0u);
}

// Left out, given up, and back: it is as new as the other one, which may then be away for once.
TEST_F(RetiredMirrors, OneThatCameBackIsBelievedWhenTheOtherIsAway) {
  refuse("/b");
  const auto second = rig->begin();
  ASSERT_TRUE(retire(2));
  vfs.refuse = nullptr;
  ASSERT_TRUE(rig->store->repair_mirror(1));
  rig->keeper->retired_is_back(2);
  ASSERT_TRUE(rig->log->commit());
  refuse("/a");
  const auto begun = begin_after_death();
  ASSERT_TRUE(begun) << begun.error().message;
  EXPECT_TRUE(rig->keeper->call_state(second)->known);
}

// ... and left out anew it is not.
TEST_F(RetiredMirrors, OneThatCameBackAndIsLeftOutAnewIsNotTakenForTheTruth) {
  refuse("/b");
  (void)rig->begin();
  ASSERT_TRUE(retire(2));
  vfs.refuse = nullptr;
  ASSERT_TRUE(rig->store->repair_mirror(1));
  rig->keeper->retired_is_back(2);
  refuse("/b");
  const auto third = rig->begin();
  EXPECT_EQ(rig->log_types()["mirror_left_out"], 2);
  refuse("/a");
  EXPECT_EQ(begin_after_death().error().code, Errc::kUnavailable);
  vfs.refuse = nullptr;
  ASSERT_TRUE(begin_after_death());
  EXPECT_TRUE(rig->keeper->call_state(third)->known);
}

TEST_F(RetiredMirrors, OneThatIsGoodIsNotGivenUp) {
  EXPECT_EQ(retire(1).error().code, Errc::kState);
  EXPECT_EQ(retire(3).error().code, Errc::kNotFound);
  EXPECT_EQ(rig->log_types()["mirror_retired"], 0);
}

}  // namespace
}  // namespace callward::erase
