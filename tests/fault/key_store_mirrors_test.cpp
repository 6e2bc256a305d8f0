// Mirrors of the key store that are lost, fall behind, come back, or are put back from an older
// copy.
//
// What must hold: a range that was erased is not shown by any mirror that comes back, by itself or
// mixed with others; and the store goes on while one mirror is good.
#include <gtest/gtest.h>

#include "keys/key_store.hpp"
#include "sim/sim_vfs.hpp"

namespace callward::keys {
namespace {

using sim::Fault;
using sim::SimVfs;

SecretBytes row(std::string_view text) { return SecretBytes(as_bytes(text)); }

class Mirrors : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* disk : {"/a", "/b"}) ASSERT_TRUE(vfs.make_dirs(disk));
    ASSERT_TRUE(vfs.sync_dir("/"));
    ASSERT_TRUE(KeyStore::create(vfs, entropy, both, wrap));
    for (const char* disk : {"/a", "/b"}) ASSERT_TRUE(vfs.sync_dir(disk));
    auto store = *open(both);
    store->stage_put(1, row("secret"));
    store->stage_put(2, row("kept"));
    ASSERT_TRUE(store->commit(1));
  }
  Result<std::unique_ptr<KeyStore>> open(const std::vector<MirrorPaths>& paths) {
    return KeyStore::open(vfs, entropy, paths, wrap);
  }
  static Status erase(KeyStore& store) {
    TRY(store.write_pages(2));
    TRY(store.put_epoch());
    TRY(store.switch_superblock());
    TRY(store.reread());
    return store.destroy_old();
  }
  // Row 1 as a reader sees it.
  static std::string shown(KeyStore& store) {
    const auto found = store.get(1);
    if (!found) return "error";
    return *found ? std::string(as_text((*found)->expose())) : "none";
  }
  void swap_disk(const std::string& disk, const std::map<std::string, Bytes>& image) {
    for (const auto& [path, content] : vfs.image(disk)) {
      ASSERT_TRUE(vfs.remove(path));
      ASSERT_TRUE(
          vfs.sync_dir(parent_of(path)));  // else a loss of power would remove what is put back
    }
    vfs.put_back(image);
  }
  void erase_on(const std::vector<MirrorPaths>& paths) {
    auto store = open(paths);
    ASSERT_TRUE(store);
    (*store)->stage_drop(1);
    ASSERT_TRUE(erase(**store));
    ASSERT_EQ(shown(**store), "none");
  }
  // However the disks stand now: no reader sees row 1, and after repair all agree.
  void expect_erased() {
    auto store = open(both);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ(shown(**store), "none");
    for (std::size_t i = 0; i < both.size(); ++i)
      if (!(*store)->mirrors()[i].good) ASSERT_TRUE((*store)->repair_mirror(i));
    ASSERT_TRUE((*store)->destroy_stale());
    EXPECT_TRUE((*store)->check()->empty());
    EXPECT_EQ((*store)->unconfirmed(), 0u);
    store->reset();
    for (const auto& alone : {first, second}) {
      auto one = open(alone);
      ASSERT_TRUE(one);
      EXPECT_EQ(shown(**one), "none");
    }
  }

  SimVfs vfs{3};
  SeededEntropy entropy{4};
  Key32 wrap = SeededEntropy(5).key();
  std::vector<MirrorPaths> first{{"/a/store", "/a/anchor"}}, second{{"/b/store", "/b/anchor"}},
      both{first[0], second[0]};
};

TEST_F(Mirrors, OneThatWasAwayDuringAnErasureIsNotBelieved) {
  for (const auto& [away, here] :
       {std::pair(std::string("/a"), second), std::pair(std::string("/b"), first)}) {
    SCOPED_TRACE(away);
    const auto old = vfs.image(away);
    erase_on(here);
    swap_disk(away, old);
    auto store = *open(both);
    EXPECT_EQ(store->unconfirmed(), 1u)
        << "it still holds the old epoch, and everybody must be told";
    store.reset();
    expect_erased();
    store = *open(both);
    store->stage_put(1, row("secret"));
    ASSERT_TRUE(store->commit(1));
  }
}

// The machine stops between the two superblocks; the one that is ahead is away; the other goes on
// alone for as many steps as to look as new as the first. Then the first comes back.
TEST_F(Mirrors, TheSameGenerationWithAnotherPastIsNotBelieved) {
  for (std::uint64_t call = 0;; ++call) {
    SCOPED_TRACE("machine off at call " + std::to_string(call));
    SimVfs past = vfs.fork(call + 10);
    auto store = *open(both);
    store->stage_put(3, row("a call that begins"));
    vfs.plan(call, Fault::kKill);
    const bool done = store->commit(2).has_value();
    store.reset();
    const bool finished = done && !vfs.down();
    vfs.restart();
    for (int alone = 1; alone <= 2; ++alone) {
      SimVfs now = vfs.fork(call + 100);
      const auto ahead = vfs.image("/a");
      erase_on(second);
      for (int i = 1; i < alone; ++i) {
        auto one = *open(second);
        one->stage_put(4, row("more"));
        ASSERT_TRUE(one->commit(3));
      }
      swap_disk("/a", ahead);
      expect_erased();
      vfs = std::move(now);
    }
    vfs = std::move(past);
    if (finished || HasFailure()) break;
  }
}

TEST_F(Mirrors, OlderCopiesPutBackDoNotOpen) {
  const auto old_a = vfs.image("/a"), old_b = vfs.image("/b");
  erase_on(both);
  const auto pages_only = [](std::map<std::string, Bytes> image, const std::string& disk) {
    std::erase_if(image,
                  [&](const auto& file) { return !file.first.starts_with(disk + "/store"); });
    return image;
  };
  // Pages of yesterday beside the anchors of today: noise.
  vfs.put_back(pages_only(old_a, "/a"));
  expect_erased();
  vfs.put_back(pages_only(old_a, "/a"));
  vfs.put_back(pages_only(old_b, "/b"));
  EXPECT_EQ(open(both).error().code, Errc::kCorrupt);
}

TEST_F(Mirrors, AnAnchorWithoutItsKeysOpensNothingAndTheOtherCarriesOn) {
  auto image = vfs.image("/a");
  image["/a/anchor/slots"] = Bytes(image["/a/anchor/slots"].size(), 0);
  swap_disk("/a", image);
  auto store = *open(both);
  EXPECT_EQ(store->unconfirmed(), 1u);
  EXPECT_EQ(shown(*store), "secret");
  store->stage_drop(1);
  ASSERT_TRUE(erase(*store));
  store.reset();
  expect_erased();
}

TEST_F(Mirrors, AnAnchorUnderAnotherPagesFileOpensNothing) {
  // The anchors of the two mirrors, swapped.
  auto a = vfs.image("/a/anchor"), b = vfs.image("/b/anchor");
  vfs.put_back(
      {{"/a/anchor/slots", b["/b/anchor/slots"]}, {"/b/anchor/slots", a["/a/anchor/slots"]}});
  EXPECT_EQ(open(both).error().code, Errc::kCorrupt);
  vfs.put_back(
      {{"/a/anchor/slots", a["/a/anchor/slots"]}, {"/b/anchor/slots", b["/b/anchor/slots"]}});
  EXPECT_EQ(shown(**open(both)), "secret");
}

TEST_F(Mirrors, TheMachineGoesOffAtEveryCallOfARepair) {
  const auto old = vfs.image("/a");
  erase_on(second);
  swap_disk("/a", old);
  for (std::uint64_t call = 0;; ++call) {
    for (const auto fault : {Fault::kKill, Fault::kPowerLoss, Fault::kIoError}) {
      SCOPED_TRACE("call " + std::to_string(call) + ", fault " +
                   std::to_string(static_cast<int>(fault)));
      SimVfs before = vfs.fork(call);
      auto store = *open(both);
      ASSERT_FALSE(store->mirrors()[0].good);
      vfs.plan(call, fault);
      const bool repaired = store->repair_mirror(0).has_value();
      const bool finished = repaired && vfs.calls() <= call;
      store.reset();
      vfs.restart();
      expect_erased();
      vfs = std::move(before);
      if (finished) return;
      if (HasFailure()) return;
    }
  }
}

// Killed at every call of a filling, gone on with what then opens, and then without power: what opened
// and was written to since is there, and not what stood there before the filling.
TEST_F(Mirrors, OneThatAKilledLifeFilledOutlivesALossOfPower) {
  const auto old = vfs.image("/a");
  erase_on(second);
  swap_disk("/a", old);
  int opened = 0;
  for (std::uint64_t call = 0;; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    SimVfs before = vfs.fork(call);
    auto store = *open(both);
    vfs.plan(call, Fault::kKill);
    const bool finished = store->repair_mirror(0).has_value();
    store.reset();
    vfs.restart();
    store = *open(both);
    const bool good = store->mirrors()[0].good;
    store->stage_put(3, row("later"));
    ASSERT_TRUE(store->commit(3));
    store.reset();
    vfs.plan(0, Fault::kPowerLoss);
    (void)vfs.exists("/");
    vfs.restart(sim::Survival::kNothing);
    if (good) {
      ++opened;
      const auto alone = open(first);
      ASSERT_TRUE(alone) << alone.error().message;
      EXPECT_EQ(as_text((*(*alone)->get(3))->expose()), "later");
    }
    vfs = std::move(before);
    if (finished) break;
  }
  EXPECT_GT(opened, 1) << "some were killed when they could be opened already";
}

TEST_F(Mirrors, ARowOverItsLimitIsRefusedAndNothingIsLost) {
  auto store = *open(both);
  store->stage_put(3, SecretBytes(kRowBytesMax + 1));
  EXPECT_EQ(store->commit(1).error().code, Errc::kTooLarge);
  store.reset();
  store = *open(both);
  EXPECT_EQ(shown(*store), "secret");
  EXPECT_TRUE(store->check()->empty());
}

TEST_F(Mirrors, EveryFlippedByteOfAnAnchorIsFound) {
  const auto size = vfs.image("/a/anchor").begin()->second.size();
  for (std::uint64_t at = 0; at < size; ++at) {
    vfs.flip("/a/anchor/slots", at, 0x20);
    auto store = *open(both);
    EXPECT_EQ(shown(*store), "secret");
    EXPECT_FALSE(store->check()->empty()) << "byte " << at;
    store.reset();
    vfs.flip("/a/anchor/slots", at, 0x20);
  }
}

}  // namespace
}  // namespace callward::keys
