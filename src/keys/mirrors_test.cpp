// Mirrors that fail, differ, come and go; damage that is found and healed.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/failing_vfs_test.hpp"
#include "keys/key_store.hpp"

namespace callward::keys {
namespace {

class KeyMirrors : public ::testing::Test {
 protected:
  void SetUp() override {
    dir = ::testing::TempDir() + "cw-mirrors-" + std::to_string(::getpid());
    std::filesystem::remove_all(dir);
    for (const char* name : {"a", "b"})
      paths.push_back({dir + "/" + name + "/store", dir + "/" + name + "/anchor"});
    ASSERT_TRUE(KeyStore::create(vfs, entropy, paths, wrap));
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  std::unique_ptr<KeyStore> open(const std::vector<MirrorPaths>& some) {
    auto store = KeyStore::open(vfs, entropy, some, wrap);
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }
  std::unique_ptr<KeyStore> open() { return open(paths); }
  static SecretBytes row(std::string_view text) { return SecretBytes(as_bytes(text)); }
  static Status erase(KeyStore& store, std::uint64_t log_size = 0) {
    TRY(store.write_pages(log_size));
    TRY(store.put_epoch());
    TRY(store.switch_superblock());
    TRY(store.reread());
    return store.destroy_old();
  }
  static std::string text(KeyStore& store, std::uint64_t number) {
    auto found = store.get(number);
    if (!found) return found.error().message;
    return *found ? std::string(as_text((*found)->expose())) : "none";
  }
  void refuse(const std::string& part, FileCall call) {
    vfs.refuse = [this, part, call](const std::string& path, FileCall now) {
      return now == call && path.find(dir + part) == 0;
    };
  }
  // Damages the page that holds leaf `leaf` in one mirror: the last byte of its range.
  void damage_leaf(std::size_t mirror, std::uint64_t leaf) {
    auto tree = *PageTree::open(
        vfs, entropy, paths[mirror].store_dir,
        *open_file_anchor(vfs, entropy, paths[mirror].anchor_dir, wrap, AnchorMode::kExisting));
    const auto file = *vfs.open(paths[mirror].store_dir + "/pages", OpenMode::kReadWrite);
    for (std::uint64_t at = 2 * kSuperblockBytes; at < tree->file_bytes(); at += 64) {
      Bytes head(16);
      ASSERT_TRUE(file->read_at(at, head));
      if (as_text(ByteView(head).first(4)) != "CWK1" || head[6] != 0 ||
          load_le<std::uint64_t>(head.data() + 8) != leaf)
        continue;
      flip(paths[mirror].store_dir + "/pages", at + 45);
    }
    ASSERT_FALSE(tree->leaf_rows(leaf)) << "the page was damaged";
  }
  void flip(const std::string& path, std::uint64_t at) {
    const auto file = *RealVfs().open(path, OpenMode::kReadWrite);
    Bytes byte(1);
    ASSERT_TRUE(file->read_at(at, byte));
    byte[0] ^= 0x10;
    ASSERT_TRUE(file->write_at(at, byte));
  }

  FailingVfs vfs;
  SystemEntropy entropy;
  Key32 wrap = SeededEntropy(4).key();
  std::string dir;
  std::vector<MirrorPaths> paths;
};

TEST_F(KeyMirrors, APageDamagedInOneMirrorIsReadFromTheOtherAndHealed) {
  {
    auto store = open();
    for (std::uint64_t i = 0; i < 200; ++i) store->stage_put(i, row("row " + std::to_string(i)));
    ASSERT_TRUE(store->commit(1));
  }
  damage_leaf(0, 1);
  damage_leaf(1, 4);
  auto store = open();
  EXPECT_EQ(store->check()->size(), 2u);
  for (std::uint64_t i = 0; i < 200; ++i) EXPECT_EQ(text(*store, i), "row " + std::to_string(i));
  std::uint64_t seen = 0;
  ASSERT_TRUE(store->for_each([&](std::uint64_t number, ByteView content) -> Status {
    EXPECT_EQ(number, seen++) << "each row once, in order, whoever reads it";
    EXPECT_EQ(as_text(content), "row " + std::to_string(number));
    return {};
  }));
  EXPECT_EQ(seen, 200u);
  EXPECT_EQ(store->unconfirmed(), 0u);
  ASSERT_TRUE(store->commit(2)) << "nothing is staged: it heals all the same";
  EXPECT_TRUE(store->check()->empty());
  store.reset();
  store = open({paths[1]});
  EXPECT_EQ(text(*store, 130), "row 130");
}

TEST_F(KeyMirrors, APageDamagedEverywhereIsAnErrorAndNotAnEmptyRow) {
  {
    auto store = open();
    store->stage_put(3, row("three"));
    store->stage_put(40, row("forty"));
    ASSERT_TRUE(store->commit(1));
  }
  damage_leaf(0, 0);
  damage_leaf(1, 0);
  auto store = open();
  EXPECT_EQ(store->get(3).error().code, Errc::kCorrupt);
  EXPECT_EQ(text(*store, 40), "forty");
  store->stage_put(41, row("forty-one"));
  ASSERT_TRUE(store->commit(2)) << "the rest goes on";
  EXPECT_EQ(text(*store, 41), "forty-one");
  store->stage_put(4, row("four"));
  EXPECT_EQ(store->commit(3).error().code, Errc::kCorrupt) << "rows are not forgotten to make room";
}

// One mirror misses an erasure; later a write fails for the other. It must not be believed again:
// it still holds what was erased.
TEST_F(KeyMirrors, OneThatMissedAnErasureIsNotBelievedWhenTheOtherFails) {
  auto store = open();
  store->stage_put(1, row("secret"));
  ASSERT_TRUE(store->commit(1));
  refuse("/b", FileCall::kWrite);
  store->stage_drop(1);
  ASSERT_TRUE(erase(*store, 2));
  EXPECT_EQ(store->unconfirmed(), 1u);
  EXPECT_FALSE(store->mirrors()[1].confirmed);
  refuse("", FileCall::kWrite);
  store->stage_put(2, row("two"));
  EXPECT_EQ(store->commit(3).error().code, Errc::kIo);
  vfs.refuse = nullptr;
  ASSERT_TRUE(store->commit(3));
  EXPECT_FALSE(store->mirrors()[1].good);
  EXPECT_EQ(store->unconfirmed(), 1u);
  // The next erasure ends what lives there, and says so.
  store->stage_drop(2);
  ASSERT_TRUE(erase(*store, 4));
  EXPECT_EQ(store->unconfirmed(), 0u);
  EXPECT_TRUE(store->mirrors()[1].confirmed);
  store.reset();
  EXPECT_EQ(KeyStore::open(vfs, entropy, {paths[1]}, wrap).error().code, Errc::kCorrupt);
}

// Whatever is refused once, with one mirror: the same call again does it.
TEST_F(KeyMirrors, ASingleMirrorGoesOnAfterARefusal) {
  for (int refused = 0;; ++refused) {
    auto store = open({paths[0]});
    store->stage_put(1, row("secret " + std::to_string(refused)));
    ASSERT_TRUE(store->commit(1));
    store->stage_drop(1);
    int call = 0;
    vfs.refuse = [&](const std::string&, FileCall now) {
      return now != FileCall::kOpen && call++ == refused;
    };
    auto done = erase(*store, 2);
    const bool finished = done && call <= refused;
    if (!done) done = erase(*store, 2);
    vfs.refuse = nullptr;
    ASSERT_TRUE(done) << refused << ": " << done.error().message;
    EXPECT_EQ(text(*store, 1), "none");
    EXPECT_EQ(store->unconfirmed(), 0u) << refused;
    EXPECT_EQ(store->mirrors()[0].living, std::vector<std::uint64_t>{store->epoch()}) << refused;
    const auto findings = *store->check();
    EXPECT_TRUE(findings.empty()) << refused << ": " << findings[0];
    if (finished) break;
  }
}

TEST_F(KeyMirrors, OneThatCannotDestroyYetIsUnconfirmedUntilItDid) {
  auto store = open();
  store->stage_put(1, row("secret"));
  ASSERT_TRUE(store->commit(1));
  store->stage_drop(1);
  ASSERT_TRUE(store->write_pages(2));
  ASSERT_TRUE(store->put_epoch());
  ASSERT_TRUE(store->switch_superblock());
  ASSERT_TRUE(store->reread());
  refuse("/b/anchor", FileCall::kWrite);
  ASSERT_TRUE(store->destroy_old());
  EXPECT_EQ(store->unconfirmed(), 1u);
  EXPECT_TRUE(store->mirrors()[1].good) << "it has switched; only the old key lives";
  EXPECT_EQ(store->mirrors()[1].living.size(), 2u);
  vfs.refuse = nullptr;
  ASSERT_TRUE(store->destroy_old());
  EXPECT_EQ(store->unconfirmed(), 0u);
  EXPECT_TRUE(store->check()->empty());
}

TEST_F(KeyMirrors, AMissingDiskIsNotMadeAndTheOthersGoOn) {
  {
    auto store = open();
    store->stage_put(1, row("secret"));
    ASSERT_TRUE(store->commit(1));
  }
  std::filesystem::rename(dir + "/b", dir + "/away");
  auto store = open();
  EXPECT_FALSE(std::filesystem::exists(dir + "/b")) << "an empty mount point is not a mirror";
  EXPECT_EQ(store->unconfirmed(), 1u);
  store->stage_drop(1);
  ASSERT_TRUE(erase(*store, 2));
  EXPECT_EQ(store->unconfirmed(), 1u);
  EXPECT_EQ(store->repair_mirror(1).error().code, Errc::kNotFound)
      << "what is away is not repaired: it would be confirmed, and still open what is erased";
  EXPECT_FALSE(std::filesystem::exists(dir + "/b"));
  // It returns: destroyed before it is filled anew, and of the same epoch as the other.
  std::filesystem::rename(dir + "/away", dir + "/b");
  ASSERT_TRUE(store->repair_mirror(1));
  EXPECT_EQ(store->unconfirmed(), 0u);
  EXPECT_EQ(store->mirrors()[1].epoch, store->epoch());
  EXPECT_EQ(store->mirrors()[1].living, std::vector<std::uint64_t>{store->epoch()});
  store->stage_put(2, row("two"));
  ASSERT_TRUE(erase(*store, 3));
  store.reset();
  store = open();
  EXPECT_EQ(store->unconfirmed(), 0u);
  store = open({paths[1]});
  EXPECT_EQ(text(*store, 1), "none");
  EXPECT_EQ(text(*store, 2), "two");
}

// A mirror is filled anew, and the filling ends somewhere: what stands there must not open by
// itself as a store without rows, and a key that lives there is not confirmed as gone.
TEST_F(KeyMirrors, OneThatWasFilledHalfIsNoStoreAndNotConfirmed) {
  auto store = open();
  for (std::uint64_t i = 0; i < 70; ++i) store->stage_put(i, row("row " + std::to_string(i)));
  ASSERT_TRUE(store->commit(1));
  refuse("/b/store", FileCall::kWrite);
  store->stage_put(70, row("seventy"));
  ASSERT_TRUE(store->commit(2));
  ASSERT_FALSE(store->mirrors()[1].good);
  int living = 0;
  for (int refused = 0;; ++refused) {
    SCOPED_TRACE("call " + std::to_string(refused));
    int call = 0;
    vfs.refuse = [&](const std::string& path, FileCall) {
      return path.starts_with(dir + "/b") && call++ >= refused;
    };
    const bool filled = store->repair_mirror(1).has_value();
    vfs.refuse = nullptr;
    if (auto alone = KeyStore::open(vfs, entropy, {paths[1]}, wrap))
      EXPECT_EQ(text(**alone, 3), "row 3");
    if (filled) break;
    const auto anchor =
        *open_file_anchor(vfs, entropy, paths[1].anchor_dir, wrap, AnchorMode::kExisting);
    const bool lives = !anchor->epochs()->empty();
    living += lives ? 1 : 0;
    if (lives) EXPECT_EQ(store->unconfirmed(), 1u);
  }
  EXPECT_GT(living, 0) << "some of them left a key";
  EXPECT_EQ(store->unconfirmed(), 0u);
  EXPECT_TRUE(store->mirrors()[1].good);
}

TEST_F(KeyMirrors, ADiskThatIsGoneForGoodIsReplacedWhenAPersonSaysSo) {
  {
    auto store = open();
    store->stage_put(1, row("one"));
    ASSERT_TRUE(store->commit(1));
  }
  std::filesystem::remove_all(dir + "/b");
  auto store = open();
  ASSERT_TRUE(store->repair_mirror(1, MirrorFill::kNewDisk));
  EXPECT_EQ(store->unconfirmed(), 0u);
  store.reset();
  store = open({paths[1]});
  EXPECT_EQ(text(*store, 1), "one");
}

TEST_F(KeyMirrors, ARetiredMirrorIsNoLongerWaitedFor) {
  auto store = open();
  store->stage_put(1, row("secret"));
  ASSERT_TRUE(erase(*store, 1));
  std::filesystem::rename(dir + "/b", dir + "/away");
  store = open();
  ASSERT_EQ(store->unconfirmed(), 1u);
  const auto unknown = *store->retire(1);
  ASSERT_TRUE(unknown);
  EXPECT_EQ(*unknown, 0u) << "it was not there when the store opened: its epoch is not known";
  EXPECT_EQ(store->unconfirmed(), 0u);
  EXPECT_TRUE(store->mirrors()[1].retired);
  EXPECT_EQ(store->retire(0).error().code, Errc::kState) << "the last one stays";
  auto retired = paths;
  retired[1].retired = true;
  store = open(retired);
  EXPECT_EQ(store->unconfirmed(), 0u);
  EXPECT_TRUE(store->check()->empty());
  std::filesystem::rename(dir + "/away", dir + "/b");
  ASSERT_TRUE(store->repair_mirror(1)) << "and it may come back";
  EXPECT_FALSE(store->mirrors()[1].retired);
  EXPECT_TRUE(store->mirrors()[1].good);
  // One that answers is destroyed as it is retired: nothing is left to be unconfirmed.
  EXPECT_FALSE(*store->retire(1));
  EXPECT_EQ(KeyStore::open(vfs, entropy, {paths[1]}, wrap).error().code, Errc::kCorrupt);
}

// erasure.md 8, test 4: each lost in turn, retired, returning.
TEST_F(KeyMirrors, EachInTurnIsLostRetiredAndComesBackDestroyed) {
  paths.push_back({dir + "/c/store", dir + "/c/anchor"});
  std::filesystem::remove_all(dir + "/a");
  std::filesystem::remove_all(dir + "/b");
  ASSERT_TRUE(KeyStore::create(vfs, entropy, paths, wrap));
  auto store = open();
  std::uint64_t log_size = 1;
  for (std::size_t lost = 0; lost < paths.size(); ++lost) {
    SCOPED_TRACE(lost);
    const auto secret = 10 + lost;
    store->stage_put(1, row("kept"));
    store->stage_put(secret, row("secret"));
    ASSERT_TRUE(store->commit(++log_size));
    const auto home = dir + "/" + std::string(1, static_cast<char>('a' + lost));
    const auto seen = store->epoch();
    store.reset();
    std::filesystem::copy(home, dir + "/old", std::filesystem::copy_options::recursive);
    std::filesystem::rename(home, dir + "/away");
    store = open();
    store->stage_drop(secret);
    ASSERT_TRUE(erase(*store, ++log_size));
    EXPECT_EQ(store->unconfirmed(), 1u);
    ASSERT_TRUE(store->retire(lost));
    EXPECT_EQ(store->unconfirmed(), 0u);
    // The survivors remember it, whoever opens them next.
    store.reset();
    store = open();
    ASSERT_TRUE(store->mirrors()[lost].retired);
    EXPECT_FALSE(store->mirrors()[lost].confirmed);
    EXPECT_GT(store->epoch(), seen);
    // Its disk is back while nobody looked: it is not believed, though it opens by itself.
    std::filesystem::rename(dir + "/away", home);
    EXPECT_EQ(text(*open({paths[lost]}), secret), "secret") << "this is what must be destroyed";
    store.reset();
    store = open();
    EXPECT_TRUE(store->mirrors()[lost].retired);
    EXPECT_EQ(text(*store, secret), "none");
    ASSERT_TRUE(store->repair_mirror(lost));
    EXPECT_FALSE(store->mirrors()[lost].retired);
    // An older copy of it, put back over what is there: neither it nor the mixture opens.
    store.reset();
    for (const char* part : {"/store", "/anchor"}) {
      std::filesystem::copy(home, dir + "/good", std::filesystem::copy_options::recursive);
      std::filesystem::remove_all(home + part);
      std::filesystem::copy(dir + "/old" + part, home + part,
                            std::filesystem::copy_options::recursive);
      EXPECT_FALSE(KeyStore::open(vfs, entropy, {paths[lost]}, wrap)) << "epochs mixed: " << part;
      std::filesystem::remove_all(home);
      std::filesystem::rename(dir + "/good", home);
    }
    std::filesystem::remove_all(home);
    std::filesystem::rename(dir + "/old", home);
    store = open();
    EXPECT_FALSE(store->mirrors()[lost].good) << "older than the others";
    EXPECT_EQ(text(*store, secret), "none");
    ASSERT_TRUE(store->repair_mirror(lost));
    store.reset();
    store = open();
    for (const auto& mirror : store->mirrors()) EXPECT_TRUE(mirror.good && !mirror.retired);
    for (const auto& path : paths) {
      EXPECT_EQ(text(*open({path}), 1), "kept");
      EXPECT_EQ(text(*open({path}), secret), "none");
    }
  }
}

// The state of a mirror that was retired without having missed anything: as new as the others.
TEST_F(KeyMirrors, ARetiredMirrorThatMissedNothingIsOlderAllTheSame) {
  auto store = open();
  store->stage_put(1, row("one"));
  ASSERT_TRUE(store->commit(1));
  store.reset();
  std::filesystem::rename(dir + "/a", dir + "/away");
  store = open();
  ASSERT_TRUE(store->retire(0));
  store.reset();
  std::filesystem::rename(dir + "/away", dir + "/a");
  store = open();
  EXPECT_TRUE(store->mirrors()[0].retired);
  EXPECT_TRUE(store->mirrors()[1].good);
}

// A disk that goes away while it is being filled takes the epoch's key with it: whatever is erased
// afterwards may open there.
TEST_F(KeyMirrors, OneThatGoesAwayWhileItIsFilledIsUnconfirmed) {
  int opened = 0;
  for (const bool retired : {false, true}) {
    bool whole = false;
    for (int calls = 0; !whole; ++calls) {
      SCOPED_TRACE((retired ? "retired, " : "returning, ") + std::to_string(calls));
      std::filesystem::remove_all(dir);
      ASSERT_TRUE(KeyStore::create(vfs, entropy, paths, wrap));
      std::filesystem::rename(dir + "/b", dir + "/away");
      auto store = open();
      store->stage_put(1, row("secret"));
      ASSERT_TRUE(erase(*store, 1));
      if (retired) ASSERT_TRUE(store->retire(1));
      std::filesystem::rename(dir + "/away", dir + "/b");
      int left = calls;
      vfs.refuse = [&](const std::string& path, FileCall) {
        return path.find(dir + "/b") == 0 && left-- <= 0;
      };
      store->stage_put(3, row("staged meanwhile"));
      whole = store->repair_mirror(1) && store->mirrors()[1].good;
      if (whole) {
        vfs.refuse = nullptr;
        EXPECT_TRUE(store->commit(3));
        EXPECT_TRUE(open()->mirrors()[1].good) << "as new as the other";
      }
      for (const bool restarted : {false, true}) {
        if (restarted) store.reset();
        if (restarted) store = open();
        const auto mirror = store->mirrors()[1];
        vfs.refuse = nullptr;
        const auto there = KeyStore::open(vfs, entropy, {paths[1]}, wrap);
        vfs.refuse = [&](const std::string& path, FileCall) { return path.find(dir + "/b") == 0; };
        const bool opens = there && text(**there, 1) == "secret";
        opened += opens;
        EXPECT_FALSE(opens && mirror.confirmed && !mirror.good);
        if (restarted || mirror.good) continue;
        store->stage_put(2, row("two"));
        ASSERT_TRUE(erase(*store, 2));
        EXPECT_FALSE(opens && store->mirrors()[1].confirmed) << "erased, and its key lives";
      }
      vfs.refuse = nullptr;
    }
  }
  EXPECT_GT(opened, 0) << "some of these disks could be read";
}

TEST_F(KeyMirrors, AnotherInstallationsMirrorIsNotDestroyed) {
  const std::vector<MirrorPaths> other{{dir + "/c/store", dir + "/c/anchor"}};
  const auto other_wrap = SeededEntropy(44).key();
  ASSERT_TRUE(KeyStore::create(vfs, entropy, other, other_wrap));
  auto store = open({paths[0], other[0]});
  EXPECT_EQ(store->repair_mirror(1).error().code, Errc::kDenied);
  EXPECT_TRUE(KeyStore::open(vfs, entropy, other, other_wrap));
}

// Every byte of every superblock, page and anchor slot in force: found, and named with its file.
TEST_F(KeyMirrors, EveryFlippedByteIsFound) {
  {
    auto store = open();
    for (std::uint64_t i = 0; i < 30; ++i) store->stage_put(i * 9, row("row " + std::to_string(i)));
    ASSERT_TRUE(store->commit(1));
    store->stage_drop(0);
    ASSERT_TRUE(erase(*store, 2));
    ASSERT_TRUE(store->check()->empty());
  }
  const auto pages = paths[0].store_dir + "/pages";
  const auto tree = *PageTree::open(
      vfs, entropy, paths[0].store_dir,
      *open_file_anchor(vfs, entropy, paths[0].anchor_dir, wrap, AnchorMode::kExisting));
  const auto whole = *RealVfs().read_file(pages, 1 << 20);
  const auto found_at = [&](std::uint64_t at) {
    flip(pages, at);
    auto store = KeyStore::open(vfs, entropy, paths, wrap);
    EXPECT_TRUE(store) << "the other mirror carries it";
    const auto findings = *(*store)->check();
    flip(pages, at);
    for (const auto& finding : findings) EXPECT_EQ(finding.find(dir + "/a"), 0u) << finding;
    return !findings.empty();
  };
  for (std::uint64_t at = 0; at < 2 * kSuperblockBytes; at += at % kSuperblockBytes > 60 ? 97 : 1)
    EXPECT_TRUE(found_at(at)) << at;
  // A page is found damaged at each of its bytes, or, if no tree leads to it any more, at none.
  std::uint64_t in_force = 2 * kSuperblockBytes;
  for (std::uint64_t at = 2 * kSuperblockBytes; at < tree->file_bytes(); at += 64) {
    if (as_text(ByteView(whole).subspan(at, 4)) != "CWK1") continue;
    const auto bytes = kPageOverheadBytes + load_le<std::uint32_t>(whole.data() + at + 16);
    const bool known = found_at(at);
    for (std::uint64_t i = 1; i < bytes; ++i)
      ASSERT_EQ(found_at(at + i), known) << at << " + " << i;
    if (known) in_force += FreeSpace::rounded(bytes);
  }
  EXPECT_EQ(in_force, tree->used_bytes());
  EXPECT_TRUE(open()->check()->empty());
}

}  // namespace
}  // namespace callward::keys
