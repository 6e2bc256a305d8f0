// Publishing beside the one who appends: by the log's own thread.
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
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
  // Nearly as large as an entry may be.
  Entry large_entry() {
    boost::json::array orders;
    for (int i = 0; i < 1'500; ++i) orders.emplace_back(boost::json::string(32, 'a'));
    return {"erased", "keeper", "-", 1, {{"orders", std::move(orders)}, {"epoch", 1}}};
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
  // Until it is there, or the log has failed.
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
  Status told;
  for (int i = 0; i < 10'000 && told; ++i) {
    told = log->publish_beside();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(told.error().code, Errc::kIo) << "what went wrong, to who asks first";
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

// What is being written is not published either: it counts with what came after it.
TEST_F(PublishBeside, WhatIsBeingWrittenCountsUnderThatBound) {
  constexpr std::size_t kHalf = Log::kUnpublishedMax / 2;
  ASSERT_TRUE(add(kHalf));
  hold_tiles();
  ASSERT_TRUE(log->publish_beside());
  reached.get_future().wait();
  ASSERT_TRUE(add(kHalf - 1));
  auto last = std::async(std::launch::async, [this] { return add(1); });
  EXPECT_EQ(last.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout)
      << "nothing more until there is room";
  gate.set_value();
  ASSERT_TRUE(last.get());
  EXPECT_LT(log->size() - log->published_size(), Log::kUnpublishedMax);
  EXPECT_EQ(log->published_size(), kHalf) << "and it waits for that much, not for all";
}

// Entries of 64 KiB fill memory long before there are many of them.
TEST_F(PublishBeside, LargeEntriesHaveABoundInBytes) {
  const auto large = large_entry();
  const auto bytes = encode_entry(large)->size();
  std::uint64_t unpublished = 0;
  for (std::size_t added = 0; added < Log::kUnpublishedBytesMax; added += 200 * bytes) {
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(log->stage(large));
    ASSERT_TRUE(log->commit());
    unpublished = (log->size() - log->published_size()) * bytes;
  }
  EXPECT_LT(unpublished, Log::kUnpublishedBytesMax);
  EXPECT_GT(log->published_size(), 0u);
}

// A disk that takes the journal and no tile (no inode left): each time the log fails, is opened
// anew, takes some more. Nothing that was answered is lost, and once there is room all is well.
TEST_F(PublishBeside, TilesThatCanNeverBeWrittenLoseNothing) {
  std::uint64_t answered = 0;
  vfs.refuse = [](const std::string& path, FileCall call) {
    return call == FileCall::kOpen && path.find("/tile/") != std::string::npos &&
           path.ends_with(".new");
  };
  for (int life = 0; life < 4; ++life) {
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(add(100));
      answered += 100;
    }
    ASSERT_TRUE(log->publish_beside());
    publish_until(answered);
    EXPECT_TRUE(log->failed());
    EXPECT_FALSE(add(1));
    log = open();
    ASSERT_EQ(log->size(), answered);
    EXPECT_EQ(log->published_size(), 0u);
  }
  vfs.refuse = {};
  publish_until(answered);
  expect_good(answered);
}

// A hand-over: who takes over opens the log when let_go() has returned, whatever was on its way.
TEST_F(PublishBeside, LettingGoWaitsForWhatIsBeingWritten) {
  ASSERT_TRUE(add(300));
  hold_tiles();
  ASSERT_TRUE(log->publish_beside());
  reached.get_future().wait();
  ASSERT_TRUE(add(5));
  auto gone = std::async(std::launch::async, [this] { log->let_go(); });
  EXPECT_EQ(gone.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  gate.set_value();
  gone.get();
  auto next = open();
  EXPECT_EQ(next->size(), 305u);
  EXPECT_EQ(next->published_size(), 300u) << "what it had begun is whole";
  EXPECT_FALSE(log->publish_beside());
  EXPECT_FALSE(log->publish());
  std::swap(log, next);
  next.reset();  // the old one's end changes nothing
  ASSERT_TRUE(add(1));
  ASSERT_TRUE(log->publish());
  expect_good(306);
}

// Its end while it writes: nothing is written behind it, and the next one reads what is there.
TEST_F(PublishBeside, ItsEndWaitsForWhatIsBeingWritten) {
  ASSERT_TRUE(add(300));
  hold_tiles();
  ASSERT_TRUE(log->publish_beside());
  reached.get_future().wait();
  auto ended = std::async(std::launch::async, [this] { log.reset(); });
  EXPECT_EQ(ended.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  gate.set_value();
  ended.get();
  log = open();
  EXPECT_EQ(log->published_size(), 300u);
  expect_good(300);
}

// A machine that gives no thread (a limit on processes or memory): published all the same, by who
// asks. A process of its own, with no room for a stack.
TEST_F(PublishBeside, WithoutAThreadItIsPublishedByWhoAsks) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's own memory is limited as well";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // no stack of an earlier thread is at hand
  ASSERT_TRUE(add(300));
  const auto without_stacks = [this] {
    rlimit none{};
    std::ifstream("/proc/self/statm") >> none.rlim_cur;
    none.rlim_cur = none.rlim_cur * static_cast<rlim_t>(::getpagesize()) + (2u << 20);
    none.rlim_max = none.rlim_cur;
    const bool set = ::setrlimit(RLIMIT_AS, &none) == 0;
    const bool done = set && log->publish_beside().has_value();
    std::filesystem::remove_all(dir);
    std::_Exit(done && log->published_size() == 300 ? 0 : 1);
  };
  EXPECT_EXIT(without_stacks(), ::testing::ExitedWithCode(0), "");
}

// Who reads it waits for what is being written: until then what is where changes under him.
TEST_F(PublishBeside, ReadingWaitsForWhatIsBeingWritten) {
  ASSERT_TRUE(add(300));
  hold_tiles();
  ASSERT_TRUE(log->publish_beside());
  reached.get_future().wait();
  auto count = std::async(std::launch::async, [this] {
    std::uint64_t entries = 0;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t, const Entry&) -> Status {
      ++entries;
      return {};
    }));
    return entries;
  });
  EXPECT_EQ(count.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  gate.set_value();
  EXPECT_EQ(count.get(), 300u);
}

// A journal that is large enough is followed by the next one while some of it is in no tile yet:
// it stays until all of it is, and the tiles of that may fail.
TEST_F(PublishBeside, AJournalStaysUntilAllOfItIsUnderACheckpoint) {
  ASSERT_TRUE(add(1));
  vfs.refuse = [this, open = gate.get_future().share()](const std::string& path, FileCall call) {
    if (call != FileCall::kWrite || path.find("/tile/") == std::string::npos) return false;
    if (!std::exchange(held, true)) {
      reached.set_value();
      open.wait();
    }
    return path.find(".p/201") != std::string::npos;  // the second checkpoint's
  };
  ASSERT_TRUE(log->publish_beside());
  reached.get_future().wait();
  for (std::size_t i = 0; i < 200; ++i) ASSERT_TRUE(log->stage(large_entry()));
  ASSERT_TRUE(log->commit());
  gate.set_value();
  publish_until(1);
  EXPECT_EQ(log->published_size(), 1u);
  publish_until(201);
  ASSERT_TRUE(log->failed());
  vfs.refuse = {};
  log = open();
  EXPECT_EQ(log->size(), 201u);
  ASSERT_TRUE(log->publish());
  expect_good(201);
}

// Journals are rotated while tiles are written: entries of both are read back, and the older one
// goes only when all of it is under a checkpoint.
TEST_F(PublishBeside, AJournalIsRotatedBesideIt) {
  const auto large = large_entry();
  std::uint64_t answered = 0;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(log->stage(large));
    ASSERT_TRUE(log->commit());
    answered += 30;
    ASSERT_TRUE(log->publish_beside());
    if (round % 4 != 3) continue;  // dies with it, sometimes while it writes
    log = nullptr;
    log = open();
    ASSERT_EQ(log->size(), answered);
  }
  ASSERT_TRUE(add(1));
  publish_until(++answered);
  std::size_t journals = 0;
  const auto names = *vfs.list(dir);
  for (const auto& name : names) journals += name.starts_with(kJournalPrefix);
  EXPECT_EQ(journals, 1u);
  EXPECT_GT(log->published_size(), 0u);
  expect_good(answered);
}

}  // namespace
}  // namespace callward::audit
