// The log with its tiles written beside the loop, and a fault at every single call to the disk,
// whichever of the two threads makes it: killed, without power, an error, no space. Afterwards the
// log is opened anew, and
//   (1) every entry that was answered is there, at its index, and none is there twice;
//   (2) nobody but the one who asked hears of it late: after a failure nothing is taken until the
//   log is opened anew;
//   (3) the folder verifies, and goes on.
// The simulated disk is for one thread; a lock around each call makes which thread comes first a
// matter of chance, so a run is not the same twice. What must hold does not depend on it.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <thread>

#include "audit/verify.hpp"
#include "sim/sim_vfs.hpp"

namespace callward::audit {
namespace {

using sim::Fault;
using sim::SimVfs;
using sim::Survival;

class LockedVfs final : public Vfs {
 public:
  explicit LockedVfs(SimVfs& disk) : disk_(disk) {}
  Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) override {
    const std::lock_guard lock(mutex_);
    return std::unique_ptr<VfsFile>(std::make_unique<File>(mutex_, TRY(disk_.open(path, mode))));
  }
  Status rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    return disk_.rename(from, to);
  }
  Status remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return disk_.remove(path);
  }
  Status make_dirs(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return disk_.make_dirs(path);
  }
  Status sync_dir(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return disk_.sync_dir(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return disk_.list(path);
  }
  bool exists(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return disk_.exists(path);
  }
  Status set_read_only(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return disk_.set_read_only(path);
  }

 private:
  class File final : public VfsFile {
   public:
    File(std::mutex& mutex, std::unique_ptr<VfsFile> file)
        : mutex_(mutex), file_(std::move(file)) {}
    ~File() override {
      const std::lock_guard lock(mutex_);
      file_.reset();
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) override {
      const std::lock_guard lock(mutex_);
      return file_->read_at(offset, out);
    }
    Status write_at(std::uint64_t offset, ByteView in) override {
      const std::lock_guard lock(mutex_);
      return file_->write_at(offset, in);
    }
    Status sync_data() override {
      const std::lock_guard lock(mutex_);
      return file_->sync_data();
    }
    Status preallocate(std::uint64_t size) override {
      const std::lock_guard lock(mutex_);
      return file_->preallocate(size);
    }
    Status truncate(std::uint64_t size) override {
      const std::lock_guard lock(mutex_);
      return file_->truncate(size);
    }
    Result<std::uint64_t> size() override {
      const std::lock_guard lock(mutex_);
      return file_->size();
    }

   private:
    std::mutex& mutex_;
    std::unique_ptr<VfsFile> file_;
  };
  SimVfs& disk_;
  std::mutex mutex_;
};

// A loop that appends, some entries a round, and publishes beside.
class Writer {
 public:
  Writer(SimVfs& disk, Survival survival) : disk_(disk), vfs_(disk), survival_(survival) {}

  void write() {
    open();
    for (int round = 0; round < kRounds && !::testing::Test::HasFatalFailure(); ++round) {
      if (!log_ || log_->failed()) begin_again();
      if (round == kRounds / 2 && log_) log_->let_go();  // handed over in the middle of it
      if (log_ && !log_->failed()) append();
      if (log_ && !log_->failed()) (void)log_->publish_beside();
      if (log_ && round % 2 == 1) let_it_write();  // else the next ones come while it is at it
    }
  }
  void end() { log_.reset(); }
  // With a disk that is in order again.
  void verdict() {
    open();
    ASSERT_TRUE(log_);
    std::map<std::int64_t, std::uint64_t> found;
    ASSERT_TRUE(log_->replay(0, [&](std::uint64_t index, const Entry& entry) -> Status {
      EXPECT_TRUE(found.emplace(entry.at, index).second) << "twice";
      return {};
    }));
    for (const auto& [number, index] : answered_) {
      ASSERT_TRUE(found.contains(number)) << "answered, and lost: " << number;
      ASSERT_EQ(found[number], index);
    }
    ASSERT_TRUE(log_->publish());
    EXPECT_EQ(log_->published_size(), log_->size());
    const auto report = verify_log(vfs_, kDir, {kOrigin, *crypto::ed25519_public(seed_)});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->good()) << report->findings.front();
    EXPECT_EQ(report->entries, found.size());
    EXPECT_GE(found.size(), answered_.size());
    EXPECT_GE(answered_.size(), std::size_t{kRounds - 3} * kPerRound) << "one fault, one round";
  }

 private:
  static constexpr int kRounds = 12, kPerRound = 60;  // two full tiles, and the beginning of one
  static constexpr const char* kDir = "/log";
  static constexpr const char* kOrigin = "example.com/log";

  void open() {
    auto opened = Log::open(vfs_, kDir, kOrigin, seed_);
    if (opened) log_ = std::move(*opened);
  }
  void begin_again() {
    log_.reset();
    if (disk_.down()) disk_.restart(survival_);
    open();
  }
  void let_it_write() {
    constexpr int kTries = 10'000;
    for (int i = 0; i < kTries && !log_->failed() && log_->published_size() < log_->size(); ++i) {
      std::this_thread::yield();
      (void)log_->publish_beside();
    }
  }
  void append() {
    const auto first = log_->size();
    for (int i = 0; i < kPerRound; ++i)
      ASSERT_TRUE(log_->stage(
          {"call_missing", "recorder", "-", next_ + i, {{"cause", "test"}, {"sip_status", 1}}}));
    if (log_->commit())
      for (int i = 0; i < kPerRound; ++i)
        answered_[next_ + i] = first + static_cast<std::uint64_t>(i);
    else
      EXPECT_TRUE(log_->failed());
    next_ += kPerRound;
  }

  SimVfs& disk_;
  LockedVfs vfs_;
  Survival survival_;
  SeededEntropy entropy_{3};
  Key32 seed_ = entropy_.key();
  std::unique_ptr<Log> log_;
  std::int64_t next_ = 1;
  std::map<std::int64_t, std::uint64_t> answered_;  // by their number
};

void write_with(std::uint64_t at, Fault fault, Survival survival, std::uint64_t* calls = nullptr) {
  SimVfs disk(at + 1);
  disk.plan(at, fault);
  Writer writer(disk, survival);
  writer.write();
  if (calls != nullptr) *calls = disk.calls();
  writer.end();
  if (disk.down()) disk.restart(survival);
  disk.plan(0, Fault::kNone);
  if (!::testing::Test::HasFailure()) writer.verdict();
}

void at_every_call(Fault fault, Survival survival) {
  std::uint64_t calls = 0;
  write_with(1u << 30, fault, survival, &calls);
  EXPECT_GT(calls, 100u);
  for (std::uint64_t at = 0; at < calls && !::testing::Test::HasFailure(); ++at) {
    SCOPED_TRACE("at call " + std::to_string(at) + " of " + std::to_string(calls));
    write_with(at, fault, survival);
  }
}

TEST(LogBeside, KilledAtEveryCall) { at_every_call(Fault::kKill, Survival::kEverything); }
TEST(LogBeside, WithoutPowerAtEveryCallAndNothingVolatileSurvives) {
  at_every_call(Fault::kPowerLoss, Survival::kNothing);
}
TEST(LogBeside, WithoutPowerAtEveryCallAndSomeSectorsSurvive) {
  at_every_call(Fault::kPowerLoss, Survival::kSome);
}
TEST(LogBeside, WithAnErrorAtEveryCall) { at_every_call(Fault::kIoError, Survival::kSome); }
TEST(LogBeside, WithoutSpaceAtEveryCall) { at_every_call(Fault::kNoSpace, Survival::kSome); }

}  // namespace
}  // namespace callward::audit
