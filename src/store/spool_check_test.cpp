#include "store/spool_check.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "store/spool.hpp"

namespace callward::store {
namespace {

class SpoolCheck : public ::testing::Test {
 protected:
  void SetUp() override {
    dir = ::testing::TempDir() + "callward-spool-check-" + std::to_string(::getpid());
    std::filesystem::remove_all(dir);
    auto spool = *Spool::open(vfs, {.dir = dir, .file_bytes = kFileBytes}, [](auto&, auto&) {});
    SeededEntropy entropy{4};
    for (std::size_t bytes = 1; bytes < 200; bytes += 7)
      frames.push_back(
          *spool->append(FrameType::kDerived, CallId::random(entropy), Bytes(bytes, 0x5a)));
    spool.reset();
    file = dir + "/spool-00000001.cws";
    ASSERT_TRUE(std::filesystem::exists(file));
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
  std::size_t findings() { return check_spool(vfs, dir)->size(); }
  void put(std::uint64_t at, std::uint8_t flip) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const auto was = static_cast<char>(stream.get());
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(was ^ flip));
  }

  static constexpr std::uint64_t kFileBytes = 64u << 10;
  RealVfs vfs;
  std::string dir, file;
  std::vector<FrameRef> frames;
};

TEST_F(SpoolCheck, EveryFlippedByteIsFound) {
  ASSERT_EQ(findings(), 0u);
  const auto used = frames.back().offset + frames.back().bytes;
  std::uint64_t flipped = 0;
  for (std::uint64_t at = 0; at < kFileBytes; at += at < used + 64 ? 1 : 509, ++flipped) {
    put(at, static_cast<std::uint8_t>(1u << at % 8));
    EXPECT_GT(findings(), 0u) << "byte " << at;
    put(at, static_cast<std::uint8_t>(1u << at % 8));
  }
  EXPECT_EQ(findings(), 0u);
  std::printf("spool: %llu bytes flipped, each found\n", static_cast<unsigned long long>(flipped));
}

TEST_F(SpoolCheck, ATruncatedTailIsFound) {
  std::filesystem::resize_file(file, kFileBytes - 1);
  EXPECT_EQ(findings(), 1u);
  std::filesystem::resize_file(file, frames.back().offset + 8);
  EXPECT_GE(findings(), 1u);
  std::filesystem::resize_file(file, 100);
  EXPECT_GE(findings(), 1u);
}

// A restart uses a file again whose calls are all gone: the frames that stand in it are no damage.
TEST_F(SpoolCheck, FramesOfAnEarlierLifeAreNoDamage) {
  for (int life = 0; life < 3; ++life) {
    std::vector<CallId> calls;
    auto spool = *Spool::open(vfs, {.dir = dir, .file_bytes = kFileBytes},
                              [&](const FrameView& frame, auto&) { calls.push_back(frame.call); });
    for (const auto& call : calls) spool->free_call(call);
    SeededEntropy entropy{static_cast<std::uint64_t>(40 + life)};
    ASSERT_TRUE(spool->append(FrameType::kDerived, CallId::random(entropy), Bytes(30, 1)));
    spool.reset();
    EXPECT_EQ(findings(), 0u) << check_spool(vfs, dir)->front();
  }
}

TEST_F(SpoolCheck, WhatWasSetAsideIsNamed) {
  std::filesystem::rename(file, file + ".bad");
  EXPECT_EQ(check_spool(vfs, dir)->at(0), "spool-00000001.cws.bad: was set aside as unreadable");
}

}  // namespace
}  // namespace callward::store
