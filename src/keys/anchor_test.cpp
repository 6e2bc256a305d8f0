#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/failing_vfs_test.hpp"
#include "keys/anchor_contract_test.hpp"

namespace callward::keys {
namespace {

struct FilePlace {
  FilePlace() : dir(::testing::TempDir() + "cw-anchor-" + std::to_string(::getpid())) {
    std::filesystem::remove_all(dir);
  }
  ~FilePlace() { std::filesystem::remove_all(dir); }
  std::unique_ptr<Anchor> open(const Key32& key, AnchorMode mode = AnchorMode::kCreate) {
    return std::move(*open_file_anchor(vfs, entropy, dir, key, mode));
  }
  std::unique_ptr<Anchor> open() { return open(wrap); }
  std::unique_ptr<Anchor> open_foreign() { return open(SeededEntropy(99).key()); }
  Bytes raw() { return *RealVfs().read_file(dir + "/slots", 1 << 20); }
  void write(std::uint64_t offset, ByteView bytes) {
    ASSERT_TRUE((*RealVfs().open(dir + "/slots", OpenMode::kReadWrite))->write_at(offset, bytes));
  }
  bool holds(ByteView bytes) {
    const auto all = raw();
    return std::search(all.begin(), all.end(), bytes.begin(), bytes.end()) != all.end();
  }
  FailingVfs vfs;
  SystemEntropy entropy;
  Key32 wrap = SeededEntropy(5).key();
  std::string dir;
};

INSTANTIATE_TYPED_TEST_SUITE_P(File, AnchorContract, FilePlace);

class FileAnchors : public ::testing::Test {
 protected:
  FilePlace place;
  SeededEntropy seeded{12};
};

TEST_F(FileAnchors, RefusesFileSystemsThatWriteElsewhere) {
  for (const std::int64_t type : {0x9123683EL, 0x2FC12FC1L, 0x794C7630L, 0xF2F52010L})
    EXPECT_EQ(check_file_system(type, "x").error().code, Errc::kUnsupported);
  EXPECT_EQ(check_file_system(static_cast<std::int64_t>(static_cast<std::int32_t>(0x9123683E)), "x")
                .error()
                .code,
            Errc::kUnsupported)
      << "f_type is signed on some machines";
  EXPECT_TRUE(check_file_system(0xEF53, "x")) << "ext4";
  EXPECT_TRUE(check_file_system(0x58465342, "x")) << "xfs";
}

TEST_F(FileAnchors, AMissingAnchorIsNotMade) {
  EXPECT_EQ(open_file_anchor(place.vfs, place.entropy, place.dir, place.wrap, AnchorMode::kExisting)
                .error()
                .code,
            Errc::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(place.dir));
}

TEST_F(FileAnchors, ACutOffFileLosesOnlyWhatWasCutOff) {
  const auto key = seeded.key();
  ASSERT_TRUE(place.open()->put(1, key));
  std::filesystem::resize_file(place.dir + "/slots", kAnchorSlotBytes + 100);
  for (const auto mode : {AnchorMode::kExisting, AnchorMode::kCreate}) {
    auto anchor = place.open(place.wrap, mode);
    ASSERT_TRUE(anchor->get(1));
    EXPECT_EQ(anchor->check()->empty(), mode == AnchorMode::kCreate);
  }
}

// Every single byte of both slots: the damage is found, never the wrong key, never another epoch's.
TEST_F(FileAnchors, EveryFlippedByteIsFound) {
  const auto one = seeded.key();
  ASSERT_TRUE(place.open()->put(1, one));
  ASSERT_TRUE(place.open()->put(2, seeded.key()));
  auto anchor = place.open();
  const auto whole = place.raw();
  int unreadable = 0;
  for (std::size_t at = 0; at < whole.size(); at += at % kAnchorSlotBytes < 96 ? 1 : 61) {
    const std::uint8_t flipped = whole[at] ^ 0x20;
    place.write(at, {&flipped, 1});
    const auto findings = *anchor->check();
    ASSERT_EQ(findings.size(), 1u) << at;
    EXPECT_NE(findings[0].find(at < kAnchorSlotBytes ? "bytes 0-4095" : "bytes 4096-8191"),
              std::string::npos)
        << findings[0];
    const auto got = anchor->get(1);
    if (got) EXPECT_TRUE(equal_constant_time(got->expose(), one.expose())) << at;
    unreadable += !got;
    place.write(at, {&whole[at], 1});
  }
  EXPECT_EQ(unreadable, 76)
      << "magic, version, epoch, nonce, key and tag; not the checksum, not the zeros";
  EXPECT_TRUE(anchor->check()->empty());
}

// The overwriting itself was torn: noise in one half of the slot, the key in the other. Nothing of
// it stays once that epoch, or whatever is not in force, was destroyed.
TEST_F(FileAnchors, ATornSlotIsWipedToo) {
  for (const bool at_start : {false, true}) {
    auto anchor = place.open();
    ASSERT_TRUE(anchor->put(1, seeded.key()));
    const auto sealed = place.raw();
    const auto wrapped = ByteView(sealed).subspan(28, 48);
    ASSERT_TRUE(anchor->put(2, seeded.key()));
    place.write(0, Bytes(16, 0x5A));
    EXPECT_EQ(*anchor->epochs(), std::vector<std::uint64_t>{2});
    EXPECT_TRUE(place.holds(wrapped));
    ASSERT_TRUE(at_start ? place.open()->destroy_others(2) : anchor->destroy(1));
    EXPECT_FALSE(place.holds(wrapped));
    EXPECT_TRUE(anchor->check()->empty());
    ASSERT_TRUE(anchor->destroy_all());
  }
}

TEST_F(FileAnchors, AnEmptySlotIsTakenBeforeADamagedOne) {
  auto anchor = place.open();
  const auto living = seeded.key();
  ASSERT_TRUE(anchor->put(1, living));
  const auto before = place.raw();
  place.write(30, Bytes(1, static_cast<std::uint8_t>(before[30] ^
                                                     1)));  // damaged, and perhaps not beyond help
  ASSERT_TRUE(anchor->put(2, seeded.key()));
  place.write(30, {&before[30], 1});
  EXPECT_TRUE(equal_constant_time(anchor->get(1)->expose(), living.expose()));
}

// A refused write or sync anywhere in destroy(): it says so, and the next call ends what it began.
TEST_F(FileAnchors, DestroyIsTriedAgainAfterARefusal) {
  for (int refused = 0; refused < 4; ++refused) {
    auto anchor = place.open();
    ASSERT_TRUE(anchor->put(1, seeded.key()));
    const auto wrapped = place.raw();
    int call = 0;
    place.vfs.refuse = [&](const std::string&, FileCall) { return call++ == refused; };
    EXPECT_EQ(anchor->destroy(1).error().code, Errc::kIo);
    const int before = call;
    ASSERT_TRUE(anchor->destroy(1)) << refused;
    EXPECT_EQ(call - before, 4) << "noise, sync, zeros, sync: all of it again";
    place.vfs.refuse = nullptr;
    EXPECT_FALSE(place.holds(ByteView(wrapped).subspan(28, 48)));
    EXPECT_TRUE(anchor->epochs()->empty());
  }
}

}  // namespace
}  // namespace callward::keys
