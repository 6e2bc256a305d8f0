// Publishing beside the one who appends: by the log's own thread.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "audit/log.hpp"
#include "audit/verify.hpp"
#include "base/failing_vfs_test.hpp"

namespace callward::audit {
namespace {

class PublishBeside : public ::testing::Test {
 protected:
  void SetUp() override {
    dir = ::testing::TempDir() + "cw-publish-" + std::to_string(::getpid());
    std::filesystem::remove_all(dir);
    log = open();
  }
  void TearDown() override {
    log.reset();
    std::filesystem::remove_all(dir);
  }
  std::unique_ptr<Log> open() { return *Log::open(vfs, dir, "example.com/log", seed); }
  Status add(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      TRY(log->stage({"call_missing", "recorder", "-", 1, {{"cause", "test"}, {"sip_status", 1}}}));
    return log->commit();
  }
  // The next write of a tile stands still until the gate is open.
  void hold_tiles() {
    vfs.refuse = [this, open = gate.get_future().share()](const std::string& path, FileCall call) {
      if (call != FileCall::kWrite || path.find("/tile/") == std::string::npos) return false;
      if (!std::exchange(held, true)) reached.set_value();
      open.wait();
      return false;
    };
  }
  void publish_until(std::uint64_t size) {
    for (int i = 0; i < 10'000 && log->published_size() < size && !log->failed(); ++i) {
      (void)log->publish_beside();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void expect_good(std::uint64_t entries) {
    const auto report = *verify_log(vfs, dir, {"example.com/log", *crypto::ed25519_public(seed)});
    EXPECT_TRUE(report.good()) << report.findings.front();
    EXPECT_EQ(report.entries, entries);
  }

  FailingVfs vfs;
  SeededEntropy entropy{9};
  Key32 seed = entropy.key();
  std::string dir;
  std::unique_ptr<Log> log;
  bool held = false;
  std::promise<void> reached, gate;
};

TEST_F(PublishBeside, NobodyWaitsForIt) {
  ASSERT_TRUE(add(300));
  hold_tiles();
  ASSERT_TRUE(log->publish_beside());
  reached.get_future().wait();
  EXPECT_TRUE(add(700));
  EXPECT_TRUE(log->publish_beside()) << "one is on its way";
  EXPECT_EQ(log->size(), 1'000u);
  EXPECT_EQ(log->published_size(), 0u);
  gate.set_value();
  publish_until(1'000);
  EXPECT_EQ(log->published_size(), 1'000u);
  expect_good(1'000);
}

TEST_F(PublishBeside, WhoNeedsItDoneWaits) {
  ASSERT_TRUE(add(600));
  ASSERT_TRUE(log->publish_beside());
  ASSERT_TRUE(add(3));
  std::uint64_t seen = 0;
  ASSERT_TRUE(log->replay(0, [&](std::uint64_t index, const Entry&) -> Status {
    EXPECT_EQ(index, seen++);
    return {};
  }));
  EXPECT_EQ(seen, 603u);
  ASSERT_TRUE(log->publish_beside());
  ASSERT_TRUE(log->publish());
  EXPECT_EQ(log->published_size(), 603u);
  ASSERT_TRUE(add(5));
  ASSERT_TRUE(log->publish_beside());
  log.reset();  // its end, too
  log = open();
  EXPECT_EQ(log->size(), 608u);
  ASSERT_TRUE(log->publish());
  expect_good(608);
}

TEST_F(PublishBeside, AFailureIsToldWithTheNextCall) {
  ASSERT_TRUE(add(300));
  vfs.refuse = [](const std::string& path, FileCall call) {
    return call == FileCall::kWrite && path.find("/tile/") != std::string::npos;
  };
  ASSERT_TRUE(log->publish_beside());
  publish_until(300);
  EXPECT_TRUE(log->failed());
  EXPECT_EQ(log->publish_beside().error().code, Errc::kUnavailable);
  EXPECT_EQ(add(1).error().code, Errc::kUnavailable);
  vfs.refuse = {};
  log.reset();
  log = open();
  EXPECT_EQ(log->size(), 300u);
  ASSERT_TRUE(log->publish());
  expect_good(300);
}

// What has failed may be opened anew at once: so nothing of it may still be writing.
TEST_F(PublishBeside, AFailedCommitWaitsForWhatIsBeingWritten) {
  ASSERT_TRUE(add(300));
  std::atomic<bool> ended = false;
  vfs.refuse = [&](const std::string& path, FileCall call) {
    if (path.find("/journal-") != std::string::npos) return call == FileCall::kWrite;
    if (!path.ends_with("/checkpoint.new") && path.find("/checkpoint") == std::string::npos)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    else if (call == FileCall::kSync)
      ended = true;
    return false;
  };
  ASSERT_TRUE(log->publish_beside());
  EXPECT_FALSE(add(1));
  EXPECT_TRUE(log->failed());
  EXPECT_TRUE(ended) << "the thread was still at it";
  vfs.refuse = {};
  log = open();
  ASSERT_TRUE(add(1));
  ASSERT_TRUE(log->publish());
  expect_good(301);
}

TEST_F(PublishBeside, MemoryOfWhatIsNotPublishedHasABound) {
  constexpr std::size_t kBatch = 32'768;
  for (std::size_t added = 0; added < Log::kUnpublishedMax; added += kBatch) {
    EXPECT_EQ(log->published_size(), 0u);
    ASSERT_TRUE(add(kBatch));
  }
  EXPECT_EQ(log->published_size(), Log::kUnpublishedMax);
}

}  // namespace
}  // namespace callward::audit
