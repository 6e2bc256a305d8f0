#include "keys/key_store.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <filesystem>

namespace callward::keys {
namespace {

class Stores : public ::testing::Test {
 protected:
  void SetUp() override {
    dir = ::testing::TempDir() + "cw-keys-" + std::to_string(::getpid());
    std::filesystem::remove_all(dir);
    for (const char* name : {"a", "b"})
      paths.push_back({dir + "/" + name + "/store", dir + "/" + name + "/anchor"});
    ASSERT_TRUE(KeyStore::create(vfs, entropy, paths, wrap));
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
  std::unique_ptr<KeyStore> open() {
    auto store = KeyStore::open(vfs, entropy, paths, wrap);
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }
  static Status erase_steps(KeyStore& store) {
    TRY(store.write_pages(0));
    TRY(store.put_epoch());
    TRY(store.switch_superblock());
    TRY(store.reread());
    return store.destroy_old();
  }
  static SecretBytes row(std::string_view text) { return SecretBytes(as_bytes(text)); }
  static std::string text(KeyStore& store, std::uint64_t number) {
    auto found = store.get(number);
    EXPECT_TRUE(found) << (found ? "" : found.error().message);
    if (!found) return "error";
    return *found ? std::string(as_text((*found)->expose())) : "none";
  }

  RealVfs vfs;
  SystemEntropy entropy;
  SeededEntropy seeded{4};
  Key32 wrap = seeded.key();
  std::string dir;
  std::vector<MirrorPaths> paths;
};

TEST_F(Stores, RowsSurviveReopening) {
  {
    auto store = open();
    EXPECT_EQ(store->allot_row(), 0u);
    EXPECT_EQ(store->allot_row(), 1u);
    store->stage_put(0, row("zero"));
    store->stage_put(1, row("one"));
    ASSERT_TRUE(store->commit(7));
  }
  auto store = open();
  EXPECT_EQ(text(*store, 0), "zero");
  EXPECT_EQ(text(*store, 1), "one");
  EXPECT_EQ(text(*store, 5'000'000), "none");
  EXPECT_EQ(store->next_row(), 2u);
  EXPECT_EQ(store->log_size(), 7u);
  EXPECT_TRUE(store->check()->empty());
}

TEST_F(Stores, AnotherCredentialOpensNothing) {
  EXPECT_EQ(KeyStore::open(vfs, entropy, paths, seeded.key()).error().code, Errc::kCorrupt);
}

TEST_F(Stores, RandomHistoriesMatchAMap) {
  EXPECT_TRUE(rc::check("put, drop, commit, erase, reopen against a map", [this] {
    std::filesystem::remove_all(dir);
    RC_ASSERT(KeyStore::create(vfs, entropy, paths, wrap).has_value());
    auto store = open();
    std::map<std::uint64_t, std::string> model, committed;
    const auto steps = *rc::gen::inRange(1, 30);
    for (int i = 0; i < steps; ++i) {
      const auto number = *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 80),
                                          rc::gen::inRange<std::uint64_t>(0, 200'000));
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
        case 1: {
          const auto content = *rc::gen::string<std::string>();
          store->stage_put(number, row(content));
          model[number] = content;
          break;
        }
        case 2:
          store->stage_drop(number);
          model.erase(number);
          break;
        case 3:
          RC_ASSERT(store->commit(0).has_value());
          committed = model;
          break;
        case 4:
          if (*rc::gen::arbitrary<bool>()) {
            RC_ASSERT(erase_steps(*store).has_value());
            committed = model;
          } else {
            store.reset();
            store = open();
            model = committed;
          }
          break;
      }
      for (const auto& [key, value] : model) RC_ASSERT(text(*store, key) == value);
    }
    RC_ASSERT(store->commit(0).has_value());
    std::map<std::uint64_t, std::string> listed;
    RC_ASSERT(store
                  ->for_each([&](std::uint64_t key, ByteView content) -> Status {
                    listed[key] = std::string(as_text(content));
                    return {};
                  })
                  .has_value());
    RC_ASSERT(listed == model);
    RC_ASSERT(store->check()->empty());
  }));
}

TEST_F(Stores, OldPagesAreNoiseAfterAnErasure) {
  auto store = open();
  store->stage_put(3, row("the secret cover"));
  store->stage_put(4, row("stays"));
  ASSERT_TRUE(store->commit(0));
  const auto old_pages = *vfs.read_file(paths[0].store_dir + "/pages", 1 << 24);
  store->stage_drop(3);
  ASSERT_TRUE(erase_steps(*store));
  EXPECT_EQ(text(*store, 3), "none");
  EXPECT_EQ(text(*store, 4), "stays");
  store.reset();
  // Whoever kept the old page file and takes today's anchor opens nothing of it.
  ASSERT_TRUE(vfs.write_file_atomic(paths[0].store_dir + "/pages", old_pages));
  auto anchor = *open_file_anchor(vfs, entropy, paths[0].anchor_dir, wrap);
  EXPECT_EQ(PageTree::open(vfs, entropy, paths[0].store_dir, std::move(anchor)).error().code,
            Errc::kCorrupt);
  // The other mirror carries the store, says so, and repairs its twin.
  auto again = open();
  EXPECT_EQ(text(*again, 4), "stays");
  EXPECT_EQ(again->unconfirmed(), 1u);
  EXPECT_FALSE(again->mirrors()[0].good);
  ASSERT_TRUE(again->repair_mirror(0));
  EXPECT_EQ(again->unconfirmed(), 0u);
  again->stage_put(9, row("nine"));
  ASSERT_TRUE(again->commit(0));
  again.reset();
  again = open();
  EXPECT_EQ(again->unconfirmed(), 0u);
  EXPECT_EQ(text(*again, 9), "nine");
  EXPECT_EQ(text(*again, 4), "stays");
}

// A crash behind each step: reopening shows the old or the new state, whole, and stale epochs die.
TEST_F(Stores, EveryStepMayBeTheLast) {
  for (int last = 0; last <= 5; ++last) {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(KeyStore::create(vfs, entropy, paths, wrap));
    auto store = open();
    store->stage_put(1, row("old"));
    ASSERT_TRUE(store->commit(0));
    store->stage_drop(1);
    if (last >= 1) ASSERT_TRUE(store->write_pages(0));
    if (last >= 2) ASSERT_TRUE(store->put_epoch());
    if (last >= 3) ASSERT_TRUE(store->switch_superblock());
    if (last >= 4) ASSERT_TRUE(store->reread());
    if (last >= 5) ASSERT_TRUE(store->destroy_old());
    store.reset();
    store = open();
    EXPECT_EQ(text(*store, 1), last >= 3 ? "none" : "old") << last;
    ASSERT_TRUE(store->destroy_stale());
    EXPECT_TRUE(store->check()->empty()) << last;
    store->stage_drop(1);
    ASSERT_TRUE(erase_steps(*store));
    EXPECT_EQ(text(*store, 1), "none");
  }
}

TEST_F(Stores, EveryFlippedByteIsFound) {
  {
    auto store = open();
    for (std::uint64_t i = 0; i < 40; ++i) store->stage_put(i, row("row " + std::to_string(i)));
    ASSERT_TRUE(store->commit(0));
    ASSERT_TRUE(erase_steps(*store));
    ASSERT_TRUE(store->check()->empty());
  }
  const auto path = paths[0].store_dir + "/pages";
  auto file = *vfs.open(path, OpenMode::kReadWrite);
  const auto tree = *PageTree::open(vfs, entropy, paths[0].store_dir,
                                    *open_file_anchor(vfs, entropy, paths[0].anchor_dir, wrap));
  const auto root = tree->superblock();
  int found = 0;
  for (std::uint64_t at = root.root_offset; at < root.root_offset + root.root_bytes; ++at) {
    Bytes byte(1);
    ASSERT_TRUE(file->read_at(at, byte));
    byte[0] ^= 4;
    ASSERT_TRUE(file->write_at(at, byte));
    auto store = KeyStore::open(vfs, entropy, paths, wrap);
    ASSERT_TRUE(store) << "the other mirror carries it";
    found += !(*store)->check()->empty();
    byte[0] ^= 4;
    ASSERT_TRUE(file->write_at(at, byte));
  }
  EXPECT_EQ(found, static_cast<int>(root.root_bytes));
}

}  // namespace
}  // namespace callward::keys
