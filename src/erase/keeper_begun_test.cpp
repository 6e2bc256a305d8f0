// Calls of which a crash has left nothing but that they began.
#include <unistd.h>

#include <filesystem>

#include "base/failing_vfs_test.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

struct RefusingDisk {
  FailingVfs disk;
  std::string folder = ::testing::TempDir() + "cw-begun-" + std::to_string(::getpid());
};

class KeeperBegun : public ::testing::Test, public RefusingDisk, public KeeperRig {
 protected:
  KeeperBegun() : KeeperRig(disk, folder) {}
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  void mirrors_refuse(bool refuse) {
    disk.refuse = [refuse](const std::string& path, FileCall call) {
      return refuse && call != FileCall::kOpen && path.find("/store/") != std::string::npos;
    };
  }
  // By the log it began; no mirror took its row; the keeper died.
  CallId begin_without_row() {
    mirrors_refuse(true);
    const auto call = begin();
    mirrors_refuse(false);
    return call;
  }
  void end(const CallId& call, std::uint32_t at, const char* cause) {
    Answer<keys::Ack> ended;
    keeper->call_end({call, clock.utc_ms(), cause, {{0, at}, {1, at}}}, ended.reply());
    keeper->end_round();
    EXPECT_TRUE(ended.value) << ended.value.error().message;
  }
  Result<keys::Ack> tell_running(std::vector<CallId> calls) {
    Answer<keys::Ack> told;
    keeper->running_calls({std::move(calls)}, told.reply());
    keeper->end_round();
    return told.value;
  }
  std::string cause_of_end(const CallId& call) {
    std::string cause = "none";
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      if (entry.type == "call_ended" && entry.subject == call.hex())
        cause = std::string(entry.data.at("cause").as_string());
      return {};
    }));
    return cause;
  }
};

TEST_F(KeeperBegun, TheRecorderHandsItsKeysBackToOneWhoseRowIsGone) {
  const auto call = begin_without_row();
  boot();
  keys::Adopt adopt{.call = call,
                    .streams = 0b11,
                    .started_at = clock.utc_ms(),
                    .spare = false,
                    .first_index = 3};
  adopt.nodes = nodes.slice(keys::leaf_of(0, 3), keys::leaf_of(2, 0)).take_nodes();
  Answer<keys::Adopted> adopted;
  keeper->adopt(std::move(adopt), adopted.reply());
  keeper->end_round();
  ASSERT_TRUE(adopted.value) << adopted.value.error().message;
  EXPECT_EQ(adopted.value->lost_from.at(0), 0u);
  record(call, 50);
  hear(call, 50);
  EXPECT_EQ(open(call, 0, 2), kErasedState);
  EXPECT_EQ(open(call, 0, 20), "audio");
}

TEST_F(KeeperBegun, WithoutAnyKeyItEndsAsAnyOtherAndIsLost) {
  const auto call = begin_without_row();
  record(call, 100);
  boot();
  Answer<keys::Reissued> reissued;
  keeper->reissue({call}, reissued.reply());
  EXPECT_EQ(reissued.value.error().code, Errc::kErased) << "its root died with another keeper";
  end(call, 100, "recovered");
  const std::vector<SegmentRange> all{{0, 0, 100}, {1, 0, 100}};
  EXPECT_EQ(keeper->call_state(call)->lost, all);
  boot();
  EXPECT_EQ(keeper->call_state(call)->lost, all);
  EXPECT_EQ(log_types()["call_ended"], 1);
}

// What was ordered of it is gone, and is said to be.
TEST_F(KeeperBegun, AnOrderAboutItIsDone) {
  mirrors_refuse(true);
  answer_wipes = false;  // the keeper dies before others have wiped theirs
  const auto call = begin();
  record(call, 100);
  (void)order(call, {{0, 10, 20}});
  mirrors_refuse(false);
  EXPECT_EQ(log_types()["erase_intended"], 1);
  EXPECT_EQ(log_types()["erased"], 0);
  answer_wipes = true;
  boot();
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_EQ(open(call, 0, 12), kErasedState);
}

// The answer was lost with the keeper: it is given again, and is no new order, however little of
// the call is known now.
TEST_F(KeeperBegun, AnOrderThatWasDoneIsAnsweredSoWhenItIsRepeated) {
  mirrors_refuse(true);
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  const auto done = order(call, {{0, 10, 20}}, false);
  EXPECT_EQ(log_types()["erased"], 1);
  mirrors_refuse(false);
  boot();
  Answer<keys::OrderAccepted> again;
  keeper->erase_order({done, call, {{0, 10, 20}}, "password", "person"}, false, again.reply());
  keeper->end_round();
  ASSERT_TRUE(again.value) << again.value.error().message;
  EXPECT_EQ(again.value->outcome, keys::OrderOutcome::kErased);
  EXPECT_EQ(log_types()["erase_intended"], 1);
  EXPECT_EQ(log_types()["order_held"], 0);
}

TEST_F(KeeperBegun, TwoOfThemKeepTheirRowsApart) {
  mirrors_refuse(true);
  const auto first = begin(), second = begin();
  mirrors_refuse(false);
  boot();
  const auto third = begin();
  end(first, 10, "recovered");
  end(second, 20, "recovered");
  boot();
  EXPECT_EQ(keeper->call_state(first)->ends.at(0).end_index, 10u);
  EXPECT_EQ(keeper->call_state(second)->ends.at(0).end_index, 20u);
  EXPECT_TRUE(keeper->call_state(third)->live);
}

TEST_F(KeeperBegun, WhatTheRecorderDoesNotHaveEndsWithoutASegment) {
  const auto gone = begin(), there = begin();
  ASSERT_TRUE(tell_running({there}));
  EXPECT_EQ(cause_of_end(gone), keys::kNeverRecorded);
  EXPECT_EQ(cause_of_end(there), "none");
  EXPECT_TRUE(keeper->call_state(gone)->listened) << "there is nothing to hear";
  EXPECT_TRUE(keeper->call_state(there)->live);
  boot();
  EXPECT_FALSE(keeper->call_state(gone)->live);
  EXPECT_TRUE(keeper->call_state(gone)->listened);
  ASSERT_TRUE(tell_running({there}));
  EXPECT_EQ(log_types()["call_ended"], 1) << "once";
}

// A recorder with an empty spool folder, the disk not mounted: no key may go because of it.
TEST_F(KeeperBegun, WhatWasHeardIsNotTidiedAway) {
  const auto call = begin();
  record(call, 100);
  hear(call, 50);
  ASSERT_TRUE(tell_running({}));
  EXPECT_TRUE(keeper->call_state(call)->live);
  EXPECT_EQ(open(call, 0, 20), "audio");
}

// Nobody hears it, and it lives in memory alone: it is older than any that died with its first
// frame.
TEST_F(KeeperBegun, WhatNobodyHeardYetIsNotTidiedAwayEither) {
  policy.persist_unheard = false;
  boot();
  const auto call = begin();
  record(call, 3'000);
  ASSERT_TRUE(tell_running({}));
  EXPECT_TRUE(keeper->call_state(call)->live);
  Answer<keys::Reissued> reissued;
  keeper->reissue({call}, reissued.reply());
  ASSERT_TRUE(reissued.value);
  EXPECT_FALSE(reissued.value->nodes.empty());
}

TEST_F(KeeperBegun, WhenTheLogFailedItIsSaidTheNextTime) {
  const auto gone = begin();
  disk.refuse = [](const std::string& path, FileCall call) {
    return call == FileCall::kSync && path.find("/log/") != std::string::npos;
  };
  EXPECT_FALSE(tell_running({}));
  disk.refuse = nullptr;
  mend();
  ASSERT_TRUE(tell_running({}));
  EXPECT_EQ(cause_of_end(gone), keys::kNeverRecorded);
}

}  // namespace
}  // namespace callward::erase
