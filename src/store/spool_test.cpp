#include "store/spool.hpp"
#include "base/fresh_dir_test.hpp"
#include "store/spool_call.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <future>
#include <random>

namespace callward::store {
namespace {

std::string fresh_dir(const std::string& name) { return test::fresh_dir("spool-" + name); }

// A disk that can be told to refuse.
class FaultyVfs final : public Vfs {
 public:
  struct Faults {
    std::atomic<bool> no_space{false}, no_write{false}, no_sync{false};
    std::mutex mutex;
    std::map<std::string, std::size_t> unsynced;  // bytes written of it, and no sync since
    std::string no_sync_of;
    std::size_t written_there = 0;  // in no_sync_of
    std::function<void()> after_head_or_remove;
    void let_sync() {
      const std::lock_guard lock(mutex);
      no_sync_of.clear();
    }
    std::size_t unsynced_bytes() {
      const std::lock_guard lock(mutex);
      std::size_t sum = 0;
      for (const auto& [path, bytes] : unsynced) sum += bytes;
      return sum;
    }
  };
  class File final : public VfsFile {
   public:
    File(std::unique_ptr<VfsFile> inner, std::string path, Faults& faults)
        : inner_(std::move(inner)), path_(std::move(path)), faults_(faults) {}
    Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) override {
      return inner_->read_at(offset, out);
    }
    Status write_at(std::uint64_t offset, ByteView in) override {
      if (faults_.no_write) return fail(Errc::kIo, "injected");
      const std::lock_guard lock(faults_.mutex);
      faults_.unsynced[path_] += in.size();
      if (path_ == faults_.no_sync_of) faults_.written_there += in.size();
      TRY(inner_->write_at(offset, in));
      if (offset == 0 && faults_.after_head_or_remove) faults_.after_head_or_remove();
      return {};
    }
    Status sync_data() override {
      const std::lock_guard lock(faults_.mutex);
      if (faults_.no_sync || path_ == faults_.no_sync_of) {
        faults_.unsynced[path_] = std::max<std::size_t>(faults_.unsynced[path_], 1);
        return fail(Errc::kIo, "injected");
      }
      faults_.unsynced.erase(path_);
      return inner_->sync_data();
    }
    Status preallocate(std::uint64_t size) override {
      if (faults_.no_space) return fail(Errc::kFull, "injected");
      return inner_->preallocate(size);
    }
    Status truncate(std::uint64_t size) override { return inner_->truncate(size); }
    Result<std::uint64_t> size() override { return inner_->size(); }

   private:
    std::unique_ptr<VfsFile> inner_;
    std::string path_;
    Faults& faults_;
  };
  Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) override {
    auto inner = TRY(real_.open(path, mode));
    return std::unique_ptr<VfsFile>(std::make_unique<File>(std::move(inner), path, faults));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return real_.rename(from, to);
  }
  Status remove(const std::string& path) override {
    const std::lock_guard lock(faults.mutex);
    faults.unsynced.erase(path);
    TRY(real_.remove(path));
    if (faults.after_head_or_remove) faults.after_head_or_remove();
    return {};
  }
  Status make_dirs(const std::string& path) override { return real_.make_dirs(path); }
  Status sync_dir(const std::string& path) override { return real_.sync_dir(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return real_.list(path);
  }
  bool exists(const std::string& path) override { return real_.exists(path); }
  Status set_read_only(const std::string& path) override { return real_.set_read_only(path); }
  Faults faults;

 private:
  RealVfs real_;
};

struct Kept {
  FrameType type;
  CallId call;
  Bytes payload;
  FrameRef ref;
  bool operator==(const Kept&) const = default;
};

SpoolOptions small(const std::string& dir) {
  SpoolOptions options;
  options.dir = dir;
  options.file_bytes = kSpoolFileBytesMin;
  options.files_max = 6;
  options.commit_ms = 1;
  return options;
}

std::unique_ptr<Spool> open_spool(Vfs& vfs, const SpoolOptions& options,
                                  std::vector<Kept>* kept = nullptr,
                                  RecoveryReport* report = nullptr) {
  auto spool = Spool::open(
      vfs, options,
      [&](const FrameView& frame, const FrameRef& ref) {
        if (kept != nullptr)
          kept->push_back({frame.type, frame.call, to_bytes(frame.payload), ref});
      },
      report);
  EXPECT_TRUE(spool) << (spool ? "" : spool.error().message);
  return spool ? std::move(*spool) : nullptr;
}

void wait_durable(Spool& spool) {
  std::promise<void> done;
  spool.when_durable([&] { done.set_value(); });
  done.get_future().wait();
}

// Appends, waiting for room where the test is faster than the disk.
FrameRef must_append(Spool& spool, FrameType type, const CallId& call, ByteView payload) {
  for (;;) {
    auto ref = spool.append(type, call, payload);
    if (ref) return *ref;
    wait_durable(spool);
  }
}

TEST(Spool, WhatIsDurableIsFoundAgainInOrder) {
  RealVfs vfs;
  const auto dir = fresh_dir("order");
  SeededEntropy entropy(1);
  std::mt19937 dice(1);
  std::vector<Kept> written;
  {
    auto spool = open_spool(vfs, small(dir));
    for (int i = 0; i < 200; ++i) {
      Kept frame{i % 3 == 0 ? FrameType::kAccount : FrameType::kAudio,
                 CallId::random(entropy),
                 Bytes(dice() % 1500),
                 {}};
      entropy.fill(frame.payload);
      frame.ref = must_append(*spool, frame.type, frame.call, frame.payload);
      written.push_back(frame);
      if (i % 17 == 0) wait_durable(*spool);
      const auto& any = written[dice() % written.size()];  // from the queue or from the disk
      Bytes back;
      ASSERT_TRUE(
          spool->read_frames(any.ref.file, any.ref.offset, any.ref.bytes,
                             [&](const FrameView& view) { back = to_bytes(view.payload); }));
      ASSERT_EQ(back, any.payload);
    }
  }
  std::vector<Kept> found;
  RecoveryReport report;
  auto spool = open_spool(vfs, small(dir), &found, &report);
  EXPECT_EQ(found, written);
  EXPECT_EQ(report.damaged_bytes, 0u);
  EXPECT_GT(report.files, 2u);
  for (const auto& frame : found)
    EXPECT_TRUE(spool->read_frames(frame.ref.file, frame.ref.offset, frame.ref.bytes,
                                   [](const FrameView&) {}));
}

TEST(Spool, FilesAreFreedWhenAllTheirCallsAre) {
  RealVfs vfs;
  const auto dir = fresh_dir("free");
  SeededEntropy entropy(2);
  std::vector<CallId> calls;
  {
    auto spool = open_spool(vfs, small(dir));
    // Many times more than all files hold: possible only because they are used again.
    for (int i = 0; i < 40; ++i) {
      const auto call = CallId::random(entropy);
      for (int k = 0; k < 20; ++k) must_append(*spool, FrameType::kAudio, call, Bytes(900));
      calls.push_back(call);
      if (calls.size() > 3) {
        spool->free_call(calls.front());
        calls.erase(calls.begin());
      }
    }
    wait_durable(*spool);
    EXPECT_LE(spool->gauges().files, 6u);
  }
  std::vector<Kept> found;
  auto spool = open_spool(vfs, small(dir), &found);
  std::map<CallId, int> frames;
  for (const auto& frame : found) ++frames[frame.call];
  for (const auto& call : calls) EXPECT_EQ(frames[call], 20);
}

// A call ends; the file in which that was said is used again; an older one, with frames of it, is
// kept by a call that goes on. After a restart the ended one must not look like one that runs.
TEST(Spool, ACallThatWasFreedIsNotFoundAliveWhateverFilesAreUsedAgain) {
  RealVfs vfs;
  const auto dir = fresh_dir("freed");
  SeededEntropy entropy(3);
  const auto stays = CallId::random(entropy);
  std::vector<CallId> ended;
  const auto fill = [&](Spool& spool, const CallId& call) {
    for (int k = 0; k < 25; ++k) must_append(spool, FrameType::kAudio, call, Bytes(900));
  };
  {
    auto spool = open_spool(vfs, small(dir));
    must_append(*spool, FrameType::kAudio, stays, Bytes(900));
    for (int i = 0; i < 60; ++i) {
      ended.push_back(CallId::random(entropy));
      fill(*spool, ended.back());
      must_append(*spool, FrameType::kCallFreed, ended.back(), {});
      spool->free_call(ended.back());
      wait_durable(*spool);
      if (i == 20) must_append(*spool, FrameType::kAudio, stays, Bytes(900));
    }
    EXPECT_LE(spool->gauges().files, 7u);
  }
  for (int restarts = 0; restarts < 3; ++restarts) {
    std::vector<Kept> found;
    auto spool = open_spool(vfs, small(dir), &found);
    std::set<CallId> alive;
    for (const auto& frame : found) {
      if (frame.type == FrameType::kCallFreed)
        alive.erase(frame.call);
      else
        alive.insert(frame.call);
    }
    EXPECT_EQ(alive, std::set<CallId>{stays});
    // What ended keeps no file: only the two that the other call stands in, and a spare or two.
    for (int i = 0; i < 3; ++i) {
      fill(*spool, ended.front());
      must_append(*spool, FrameType::kCallFreed, ended.front(), {});
      spool->free_call(ended.front());
      wait_durable(*spool);
      wait_durable(*spool);
    }
    EXPECT_LE(spool->gauges().files, 7u);
  }
}

// That a call was freed is said between two rounds of the writer. Killed at any moment from there
// on, the recorder finds all of the call, or that it was freed: never a rest without its beginning.
TEST(Spool, NoFileIsUsedAgainBeforeItIsDurableThatItsCallsWereFreed) {
  namespace fs = std::filesystem;
  FaultyVfs vfs;
  const auto dir = fresh_dir("mark");
  SeededEntropy entropy(5);
  const auto call = CallId::random(entropy);
  auto options = small(dir);
  options.commit_ms = 0;
  std::vector<std::string> killed_at;
  {
    auto spool = open_spool(vfs, options);
    must_append(*spool, FrameType::kCallBegin, call, {});
    for (int k = 0; k < 200; ++k) must_append(*spool, FrameType::kAudio, call, Bytes(900));
    vfs.faults.after_head_or_remove = [&] {
      killed_at.push_back(dir + "-" + std::to_string(killed_at.size()));
      fs::remove_all(killed_at.back());
      fs::copy(dir, killed_at.back());
    };
    std::promise<void> freed;
    spool->when_durable([&] {  // the writer's next act is to tidy
      EXPECT_TRUE(spool->append(FrameType::kCallFreed, call, {}));
      spool->free_call(call);
      freed.set_value();
    });
    freed.get_future().wait();
    for (int i = 0; i < 4; ++i) wait_durable(*spool);
  }
  ASSERT_GE(killed_at.size(), 3u) << "the files that held it are used again";
  RealVfs real;
  for (const auto& copy : killed_at) {
    std::vector<Kept> found;
    options.dir = copy;
    auto spool = open_spool(real, options, &found);
    const auto is = [&](FrameType type) {
      return std::ranges::any_of(found, [&](const Kept& k) { return k.type == type; });
    };
    EXPECT_TRUE(found.empty() || is(FrameType::kCallFreed) || is(FrameType::kCallBegin)) << copy;
  }
}

TEST(Spool, StaleFramesOfAnEarlierLifeAreNotFound) {
  Bytes content = make_spool_file_head(8, kSpoolFileBytesMin);
  CallId call;
  append_frame(content, FrameType::kAudio, 8, call, as_bytes("now"));
  append_frame(content, FrameType::kAudio, 7, call, as_bytes("earlier"));
  append_frame(content, FrameType::kAudio, 7, call, as_bytes("earlier"));
  content.resize(kSpoolFileBytesMin);
  RealVfs vfs;
  const auto dir = fresh_dir("stale");
  ASSERT_TRUE(vfs.make_dirs(dir));
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/spool-00000001.cws", content));
  std::vector<Kept> found;
  RecoveryReport report;
  auto spool = open_spool(vfs, small(dir), &found, &report);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(as_text(found[0].payload), "now");
  EXPECT_EQ(report.damaged_bytes, 0u);
}

RC_GTEST_PROP(SpoolScan, DamageCostsOnlyTheFramesThatItHit, ()) {
  SeededEntropy entropy(*rc::gen::arbitrary<std::uint32_t>());
  Bytes content = make_spool_file_head(3, kSpoolFileBytesMin);
  std::vector<std::pair<std::size_t, std::size_t>> places;
  std::vector<Bytes> payloads;
  const auto count = *rc::gen::inRange(1, 30);
  for (int i = 0; i < count; ++i) {
    Bytes payload(*rc::gen::inRange<std::size_t>(0, 1200));
    entropy.fill(payload);
    const auto start = content.size();
    append_frame(content, FrameType::kAudio, 3, CallId::random(entropy), payload);
    places.emplace_back(start, start + kFrameHeadBytes + payload.size());
    payloads.push_back(payload);
  }
  const auto used = content.size();
  content.resize(kSpoolFileBytesMin);
  std::vector<bool> hit(places.size());
  const auto flips = *rc::gen::inRange(0, 5);
  for (int i = 0; i < flips; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(kSpoolFileHeadBytes, used);
    const auto run = *rc::gen::inRange<std::size_t>(1, 400);
    for (auto k = at; k < std::min(at + run, used); ++k) {
      content[k] ^= 0x41;
      for (std::size_t f = 0; f < places.size(); ++f)
        if (k >= places[f].first && k < places[f].second) hit[f] = true;
    }
  }
  struct MemoryFile final : VfsFile {
    explicit MemoryFile(Bytes& bytes) : bytes(bytes) {}
    Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) override {
      const auto n = std::min<std::size_t>(
          out.size(), bytes.size() - std::min<std::size_t>(bytes.size(), offset));
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
      return n;
    }
    Status write_at(std::uint64_t, ByteView) override { return {}; }
    Status sync_data() override { return {}; }
    Status preallocate(std::uint64_t) override { return {}; }
    Status truncate(std::uint64_t) override { return {}; }
    Result<std::uint64_t> size() override { return bytes.size(); }
    Bytes& bytes;
  } file(content);
  std::vector<Bytes> found;
  const auto outcome = scan_spool_file(file, {3, kSpoolFileBytesMin},
                                       [&](const FrameView& frame, std::uint64_t, std::size_t) {
                                         found.push_back(to_bytes(frame.payload));
                                       });
  RC_ASSERT(outcome.has_value());
  // A place flipped twice may be whole again: every frame found was written, every frame not hit is
  // found.
  std::size_t at = 0;
  for (std::size_t f = 0; f < payloads.size(); ++f) {
    if (at < found.size() && found[at] == payloads[f])
      ++at;
    else
      RC_ASSERT(hit[f]);
  }
  RC_ASSERT(at == found.size());
}

TEST(Spool, AFullDiskRefusesNewCallsAndKeepsTheRunningOnes) {
  FaultyVfs vfs;
  const auto dir = fresh_dir("full");
  CallId call;
  call.bytes[0] = 1;
  auto spool = open_spool(vfs, small(dir));
  vfs.faults.no_space = true;
  std::uint64_t accepted = 0;
  for (int i = 0; i < 1000 && spool->append(FrameType::kAudio, call, Bytes(900)); ++i) ++accepted;
  EXPECT_GT(accepted, 50u);  // what was preallocated is used up
  EXPECT_LT(accepted, 200u);
  wait_durable(*spool);
  wait_durable(*spool);
  EXPECT_FALSE(spool->can_admit());
  EXPECT_EQ(spool->append(FrameType::kAudio, call, Bytes(900)).error().code, Errc::kFull);
  EXPECT_GT(spool->gauges().refused_frames, 0u);
  vfs.faults.no_space = false;  // space came back: it goes on by itself
  while (!spool->can_admit()) wait_durable(*spool);
  EXPECT_TRUE(spool->append(FrameType::kAudio, call, Bytes(900)));
}

TEST(Spool, AWriteThatFailsIsRepeatedUntilItWorks) {
  for (const bool sync_only : {false, true}) {
    FaultyVfs vfs;
    const auto dir = fresh_dir(sync_only ? "sync" : "write");
    CallId call;
    call.bytes[0] = 1;
    std::vector<Kept> found;
    {
      auto spool = open_spool(vfs, small(dir));
      (sync_only ? vfs.faults.no_sync : vfs.faults.no_write) = true;
      std::atomic<bool> durable{false};
      ASSERT_TRUE(spool->append(FrameType::kAudio, call, as_bytes("kept")));
      spool->when_durable([&] { durable = true; });
      while (spool->gauges().write_errors < 3) std::this_thread::yield();
      EXPECT_FALSE(durable);
      EXPECT_FALSE(spool->can_admit());
      ASSERT_TRUE(spool->append(FrameType::kAudio, call, as_bytes("also")));
      vfs.faults.no_write = vfs.faults.no_sync = false;
      wait_durable(*spool);
      EXPECT_TRUE(durable);
    }
    auto spool = open_spool(vfs, small(dir), &found);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(as_text(found[0].payload), "kept");
    EXPECT_EQ(as_text(found[1].payload), "also");
  }
}

// A recorder is killed between a write and its sync. The next one reads the frames in the system's
// cache, and goes on with the call: they must be durable before it is told that anything is.
TEST(Spool, WhatAnEarlierLifeWroteAndDidNotSyncIsDurableFirst) {
  FaultyVfs vfs;
  const auto dir = fresh_dir("unsynced");
  CallId call;
  call.bytes[0] = 1;
  {
    auto spool = open_spool(vfs, small(dir));
    wait_durable(*spool);
    vfs.faults.no_sync = true;
    ASSERT_TRUE(spool->append(FrameType::kAudio, call, as_bytes("kept")));
    while (spool->gauges().write_errors < 1) std::this_thread::yield();
  }
  EXPECT_GT(vfs.faults.unsynced_bytes(), 0u);
  vfs.faults.no_sync = false;
  std::vector<Kept> found;
  auto spool = open_spool(vfs, small(dir), &found);
  ASSERT_EQ(found.size(), 1u);
  wait_durable(*spool);
  EXPECT_EQ(vfs.faults.unsynced_bytes(), 0u) << "nothing was appended, and something was recovered";
}

// As with its own: after a sync that failed it is written once more, and nobody is told before.
TEST(Spool, WhatItRecoveredIsWrittenAgainWhenItsSyncFails) {
  FaultyVfs vfs;
  const auto dir = fresh_dir("recovered");
  CallId call;
  call.bytes[0] = 1;
  {
    auto spool = open_spool(vfs, small(dir));
    ASSERT_TRUE(spool->append(FrameType::kAudio, call, as_bytes("kept")));
    wait_durable(*spool);
  }
  vfs.faults.no_sync_of = dir + "/spool-00000001.cws";
  vfs.faults.written_there = 0;
  std::vector<Kept> found;
  {
    auto spool = open_spool(vfs, small(dir), &found);
    ASSERT_EQ(found.size(), 1u);
    std::atomic<bool> durable{false};
    spool->when_durable([&] { durable = true; });
    while (spool->gauges().write_errors < 3) std::this_thread::yield();
    EXPECT_FALSE(durable);
    EXPECT_FALSE(spool->can_admit());
    EXPECT_GE(vfs.faults.written_there, found[0].ref.offset + found[0].ref.bytes);
    vfs.faults.let_sync();
    wait_durable(*spool);
    EXPECT_TRUE(durable);
  }
  EXPECT_EQ(vfs.faults.unsynced_bytes(), 0u);
  found.clear();
  auto spool = open_spool(vfs, small(dir), &found);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(as_text(found[0].payload), "kept");
}

TEST(Spool, ItsQueueHasABound) {
  FaultyVfs vfs;
  auto options = small(fresh_dir("bound"));
  options.queue_bytes_max = 10'000;
  auto spool = open_spool(vfs, options);
  vfs.faults.no_write = true;
  CallId call;
  int accepted = 0;
  while (spool->append(FrameType::kAudio, call, Bytes(900))) ++accepted;
  EXPECT_EQ(accepted, 10);
  EXPECT_EQ(spool->gauges().queue.refused, 1u);
  vfs.faults.no_write = false;
}

TEST(SpoolCall, OfACallBackItKnowsWhose) {
  CallId id;
  id.bytes[0] = 1;
  SpoolCall call(id);
  EXPECT_FALSE(call.dial);
  SpoolDial said;
  said.dial.bytes.fill(0xD1);
  call.recovered({FrameType::kDial, id, pack(said)}, {1, 4096, 64});
  call.recovered({FrameType::kDial, id, Bytes(15)}, {1, 4160, 64});  // damaged
  EXPECT_EQ(call.dial, said.dial);
  EXPECT_EQ(call.unreadable_frames(), 1u);
}

TEST(SpoolCall, TheLastWordOnItsSourcesCounts) {
  CallId id;
  id.bytes[0] = 1;
  SpoolCall call(id);
  const auto recovered = [&](FrameType type, const Bytes& payload) {
    call.recovered({type, id, payload}, {1, 4096, 64});
  };
  SpoolCallBegin begin;
  begin.flags = {"mixed"};
  recovered(FrameType::kCallBegin, pack(begin));
  const auto client = *parse_endpoint("192.0.2.1", 4000);
  SpoolSources said;
  said.sources = {{0, {client}, 0, {}}};
  said.flags = begin.flags;
  recovered(FrameType::kSources, pack(said));
  said.sources[0].holder = 1;
  said.sources[0].held = client;
  said.flags.push_back("rtp_refused");
  recovered(FrameType::kSources, pack(said));
  recovered(FrameType::kSources, Bytes(3));  // damaged: what was said before holds
  ASSERT_EQ(call.sources.size(), 1u);
  EXPECT_EQ(call.sources[0].holder, 1u);
  EXPECT_EQ(call.sources[0].announced, std::vector{client});
  EXPECT_EQ(call.sources[0].held, client);
  EXPECT_EQ(call.object_head().flags, (std::vector<std::string>{"mixed", "rtp_refused"}));
  EXPECT_EQ(call.unreadable_frames(), 1u);
}

TEST(Spool, AnUnreadableFileIsSetAsideNotOverwritten) {
  RealVfs vfs;
  const auto dir = fresh_dir("bad");
  ASSERT_TRUE(vfs.make_dirs(dir));
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/spool-00000001.cws", Bytes(5000, 0x55)));
  auto newer = make_spool_file_head(1, kSpoolFileBytesMin);
  newer[4] = 2;  // version
  store_le(newer.data() + 24, crc32c(ByteView(newer).first(24)));
  EXPECT_EQ(parse_spool_file_head(newer).error().code, Errc::kUnsupported);
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/spool-00000002.cws", newer));
  RecoveryReport report;
  auto spool = open_spool(vfs, small(dir), nullptr, &report);
  EXPECT_EQ(report.unreadable_files.size(), 2u);
  EXPECT_TRUE(vfs.exists(dir + "/spool-00000001.cws.bad"));
  CallId call;
  EXPECT_TRUE(spool->append(FrameType::kAudio, call, as_bytes("goes on")));
}

// Killed between the making of a file and its head: no call was ever in it, and each such death
// would else cost a file's space for good.
TEST(Spool, ASpareWhoseMakingWasCutOffIsRemoved) {
  RealVfs vfs;
  const auto dir = fresh_dir("unfinished");
  ASSERT_TRUE(vfs.make_dirs(dir));
  const auto make = [&](const char* name, std::uint64_t bytes) {
    const auto file = vfs.open(dir + name, OpenMode::kCreateNew);
    ASSERT_TRUE(file);
    if (bytes > 0) {
      ASSERT_TRUE((*file)->preallocate(bytes));
    }
  };
  make("/spool-00000001.cws", 0);
  make("/spool-00000002.cws", kSpoolFileBytesMin);
  // One byte that is not zero far behind the head: it may have been a call's.
  make("/spool-00000003.cws", kSpoolFileBytesMin);
  ASSERT_TRUE((*vfs.open(dir + "/spool-00000003.cws", OpenMode::kReadWrite))
                  ->write_at(kSpoolFileBytesMin - 1, Bytes{1}));
  RecoveryReport report;
  const auto spool = open_spool(vfs, small(dir), nullptr, &report);
  EXPECT_EQ(report.unfinished_files, 2u);
  EXPECT_EQ(report.unreadable_files, std::vector<std::string>{"spool-00000003.cws"});
  EXPECT_FALSE(vfs.exists(dir + "/spool-00000001.cws.bad"));
  EXPECT_FALSE(vfs.exists(dir + "/spool-00000002.cws.bad"));
  EXPECT_TRUE(vfs.exists(dir + "/spool-00000003.cws.bad"));
}

}  // namespace
}  // namespace callward::store
