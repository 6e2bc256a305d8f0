// The key store under every fault at every call: a loss of power, a killed process, EIO, ENOSPC.
//
// Each history runs on a simulated disk (sim/sim_vfs.hpp says what it may do). After the fault the
// store is opened anew as the keeper does it, and four things must hold:
//   (1) it opens, and its rows are those before the batch or those behind it, never a mixture;
//   (2) what was confirmed as erased is opened by no page ever written together with any key that
//   still lives; (3) once repaired and settled, `check` finds nothing; (4) the batch can be done
//   again, and then (2) holds.
#include <gtest/gtest.h>

#include "keys/key_store.hpp"
#include "sim/sim_vfs.hpp"

namespace callward::keys {
namespace {

using sim::Fault;
using sim::SimVfs;
using sim::Survival;
using Content = std::map<std::uint64_t, std::string>;

constexpr std::string_view kSecret = "cover of the segments that hold the password";

// ---- what somebody can open who kept everything ever written and has the anchors of today ----

class Hunter {
 public:
  Hunter(SimVfs& vfs, const MirrorPaths& paths, const Key32& wrap) {
    for (const auto& write : vfs.ever_written())
      if (write.path == paths.store_dir + "/pages" && write.content.size() > kPageHeaderBytes)
        pages_.push_back(write.content);
    SystemEntropy entropy;
    auto anchor = open_file_anchor(vfs, entropy, paths.anchor_dir, wrap);
    if (!anchor) return;
    const auto epochs = (*anchor)->epochs();
    if (!epochs) return;
    for (const auto epoch : *epochs)
      if (auto key = (*anchor)->get(epoch)) epoch_keys_.push_back(std::move(*key));
  }
  // Every row that any page ever written leads to.
  std::set<std::string> rows() {
    for (const auto& page : pages_)
      for (const auto& epoch_key : epoch_keys_)
        if (const auto salt = page_salt(page)) open_root(page, root_page_key(*salt, epoch_key));
    return std::move(found_);
  }

 private:
  void open_root(const Bytes& page, const Key32& key) {
    const auto payload = open_page(page_id(kRootLevel, 0), key, page);
    if (!payload) return;
    const auto root = decode_root(payload->expose());
    if (root) open_children(kRootLevel, 0, root->children);
  }
  void open_children(std::uint8_t level, std::uint64_t index, const Children& children) {
    for (const auto& [slot, child] : children)
      open_below(static_cast<std::uint8_t>(level - 1), index << 8 | slot, child.key);
  }
  void open_below(std::uint8_t level, std::uint64_t index, const Key32& key) {
    for (const auto& page : pages_) {
      const auto payload = open_page(page_id(level, index), key, page);
      if (!payload) continue;
      if (level > 0) {
        if (const auto children = decode_children(payload->expose()))
          open_children(level, index, *children);
      } else if (const auto rows = decode_rows(payload->expose())) {
        for (const auto& [slot, row] : *rows) found_.insert(std::string(as_text(row.expose())));
      }
    }
  }

  std::vector<Bytes> pages_;
  std::vector<Key32> epoch_keys_;
  std::set<std::string> found_;
};

// ---- a store with a past, and the batch that is tried ----

struct World {
  explicit World(std::size_t mirrors) {
    const char* names[] = {"/disk1", "/disk2", "/disk3"};
    for (std::size_t i = 0; i < mirrors; ++i)
      paths.push_back({std::string(names[i]) + "/store", std::string(names[i]) + "/anchor"});
  }
  World(const World& other, std::uint64_t seed)
      : paths(other.paths),
        wrap(other.wrap.clone()),
        entropy(seed * 2 + 1),
        vfs(other.vfs.fork(seed)) {}

  Result<std::unique_ptr<KeyStore>> open() { return KeyStore::open(vfs, entropy, paths, wrap); }
  bool hunter_opens(std::string_view row) {
    for (const auto& path : paths)
      if (Hunter(vfs, path, wrap).rows().contains(std::string(row))) return true;
    return false;
  }

  std::vector<MirrorPaths> paths;
  Key32 wrap = SeededEntropy(99).key();
  SeededEntropy entropy{7};
  SimVfs vfs{7};
};

SecretBytes row(std::string_view text) { return SecretBytes(as_bytes(text)); }

Status erase(KeyStore& store) {
  TRY(store.write_pages(1));
  TRY(store.put_epoch());
  TRY(store.switch_superblock());
  TRY(store.reread());
  return store.destroy_old();
}

Result<Content> content_of(KeyStore& store) {
  Content all;
  TRY(store.for_each([&](std::uint64_t number, ByteView content) -> Status {
    all[number] = std::string(as_text(content));
    return {};
  }));
  for (const auto& [number, content] : all) {
    const auto one = TRY(store.get(number));
    if (!one || as_text(one->expose()) != content)
      return fail(Errc::kCorrupt, "get and for_each disagree");
  }
  return all;
}

// Rows over several leaf pages; pages freed and used again; two epochs gone.
void make_past(World& world) {
  for (const auto& path : world.paths) {
    ASSERT_TRUE(world.vfs.make_dirs(parent_of(path.store_dir)));
    ASSERT_TRUE(world.vfs.sync_dir("/"));
  }
  ASSERT_TRUE(KeyStore::create(world.vfs, world.entropy, world.paths, world.wrap));
  for (const auto& path : world.paths) ASSERT_TRUE(world.vfs.sync_dir(parent_of(path.store_dir)));
  auto store = *world.open();
  for (std::uint64_t i = 0; i < 70; i += 3) store->stage_put(i, row("row " + std::to_string(i)));
  ASSERT_TRUE(store->commit(1));
  store->stage_drop(9);
  ASSERT_TRUE(erase(*store));
  store->stage_put(5, row(kSecret));
  store->stage_put(9'000, row("far away"));
  ASSERT_TRUE(store->commit(1));
  store->stage_drop(12);
  ASSERT_TRUE(erase(*store));
}

void stage_batch(KeyStore& store) {
  store.stage_drop(5);
  store.stage_put(6, row("what is left of a call"));
  store.stage_put(700, row("a new call"));
}

// As the keeper does at its start: mirrors that fell behind are destroyed and filled anew, other
// epochs destroyed.
void settle(KeyStore& store) {
  for (std::size_t i = 0; i < store.mirrors().size(); ++i)
    if (!store.mirrors()[i].good) ASSERT_TRUE(store.repair_mirror(i)) << store.mirrors()[i].why;
  ASSERT_TRUE(store.destroy_stale());
  const auto findings = store.check();
  ASSERT_TRUE(findings);
  EXPECT_TRUE(findings->empty()) << findings->front();
}

using Batch = std::function<Status(KeyStore&)>;

class KeyStoreFaults : public ::testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    make_past(past);
    if (HasFatalFailure()) return;
    World twin(past, 1);
    auto store = *twin.open();
    before = *content_of(*store);
    stage_batch(*store);
    ASSERT_TRUE(erase(*store));
    behind = *content_of(*store);
    ASSERT_NE(before, behind);
    ASSERT_EQ(before.at(5), kSecret);
  }
  // How many calls the batch makes when nothing goes wrong.
  std::uint64_t calls_of(const Batch& batch) {
    World world(past, 2);
    auto store = *world.open();
    stage_batch(*store);
    world.vfs.plan(0, Fault::kNone);
    EXPECT_TRUE(batch(*store));
    return world.vfs.calls();
  }
  // (1), (3), (4) for a machine that came up again.
  void recovers(World& world, bool was_erased) {
    auto store = world.open();
    ASSERT_TRUE(store) << store.error().message;
    const auto now = content_of(**store);
    ASSERT_TRUE(now) << now.error().message;
    EXPECT_TRUE(*now == before || *now == behind);
    if (was_erased) EXPECT_EQ(*now, behind);
    settle(**store);
    if (was_erased) EXPECT_FALSE(world.hunter_opens(kSecret));
    stage_batch(**store);
    const auto again = erase(**store);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*content_of(**store), behind);
    EXPECT_FALSE(world.hunter_opens(kSecret));
    settle(**store);
  }

  World past{GetParam()};
  Content before, behind;
};

INSTANTIATE_TEST_SUITE_P(Mirrors, KeyStoreFaults, ::testing::Values(1, 2, 3));

// Without this the rest would prove nothing.
TEST_P(KeyStoreFaults, TheHunterFindsWhatIsNotErased) {
  World world(past, 3);
  EXPECT_TRUE(world.hunter_opens(kSecret));
  EXPECT_TRUE(world.hunter_opens("row 3"));
  EXPECT_FALSE(world.hunter_opens("row 9")) << "erased two epochs ago";
  auto store = *world.open();
  stage_batch(*store);
  ASSERT_TRUE(store->write_pages(1));
  ASSERT_TRUE(store->put_epoch());
  ASSERT_TRUE(store->switch_superblock());
  ASSERT_TRUE(store->reread());
  EXPECT_TRUE(world.hunter_opens(kSecret)) << "until the old epoch key is destroyed";
  ASSERT_TRUE(store->destroy_old());
  EXPECT_FALSE(world.hunter_opens(kSecret));
  EXPECT_TRUE(world.hunter_opens("row 3"));
}

TEST_P(KeyStoreFaults, MachineGoesOffAtEveryCallOfAnErasure) {
  const auto calls = calls_of(erase);
  ASSERT_GT(calls, 10u);
  for (std::uint64_t call = 0; call <= calls; ++call) {
    for (const auto fault : {Fault::kKill, Fault::kPowerLoss}) {
      for (const auto survival :
           {Survival::kNothing, Survival::kEverything, Survival::kSome, Survival::kSome}) {
        SCOPED_TRACE("call " + std::to_string(call) + " of " + std::to_string(calls) + ", fault " +
                     std::to_string(static_cast<int>(fault)) + ", survival " +
                     std::to_string(static_cast<int>(survival)));
        World world(past, call * 8 + static_cast<std::uint64_t>(survival) * 2 + 1);
        auto store = *world.open();
        stage_batch(*store);
        world.vfs.plan(call, fault);
        const bool erased = erase(*store).has_value() && store->unconfirmed() == 0;
        store.reset();
        world.vfs.restart(survival);
        recovers(world, erased);
        if (HasFatalFailure()) return;
        if (fault == Fault::kKill) break;  // nothing is volatile then
      }
    }
  }
}

// A killed writer's superblock stands in the system's cache, and whoever comes next reads it there.
// The key of the state beneath it must not go before that superblock is on the disk: else a loss of
// power leaves the older state, and no key.
TEST_P(KeyStoreFaults, KilledAtEveryCallOfAnErasureAndThenThePowerGoes) {
  const auto start = [](World& world) -> Status { return TRY(world.open())->destroy_stale(); };
  const auto calls = calls_of(erase);
  for (std::uint64_t call = 0; call <= calls; ++call) {
    World killed(past, call);
    {
      auto store = *killed.open();
      stage_batch(*store);
      killed.vfs.plan(call, Fault::kKill);
      (void)erase(*store);
    }
    killed.vfs.restart();
    for (std::uint64_t at = 0, begun = 0; at <= begun; ++at) {
      for (const auto survival : {Survival::kNothing, Survival::kSome}) {
        SCOPED_TRACE("killed at call " + std::to_string(call) + ", power gone at call " +
                     std::to_string(at) + " of the start, survival " +
                     std::to_string(static_cast<int>(survival)));
        World world(killed, call * 1'000 + at);
        world.vfs.plan(at, Fault::kPowerLoss);
        const bool started = start(world).has_value();
        begun = world.vfs.calls();
        if (!world.vfs.down()) {  // behind its last call
          world.vfs.plan(0, Fault::kPowerLoss);
          (void)world.vfs.exists("/");
        }
        world.vfs.restart(survival);
        auto store = world.open();
        ASSERT_TRUE(store) << (started ? "after" : "in") << " the start: " << store.error().message;
        const auto now = content_of(**store);
        ASSERT_TRUE(now) << now.error().message;
        EXPECT_TRUE(*now == before || *now == behind);
      }
    }
  }
}

TEST_P(KeyStoreFaults, MachineGoesOffAtEveryCallOfACommit) {
  const Batch commit = [](KeyStore& store) { return store.commit(2); };
  const auto calls = calls_of(commit);
  for (std::uint64_t call = 0; call <= calls; ++call) {
    for (const auto survival : {Survival::kNothing, Survival::kEverything, Survival::kSome}) {
      SCOPED_TRACE("call " + std::to_string(call) + ", survival " +
                   std::to_string(static_cast<int>(survival)));
      World world(past, call * 4 + static_cast<std::uint64_t>(survival) + 1);
      auto store = *world.open();
      stage_batch(*store);
      world.vfs.plan(call, Fault::kPowerLoss);
      const bool committed = store->commit(2).has_value() && store->unconfirmed() == 0;
      store.reset();
      world.vfs.restart(survival);
      if (committed) EXPECT_EQ(*content_of(**world.open()), behind);
      recovers(world, false);
      if (HasFatalFailure()) return;
    }
  }
}

// One call is refused, the machine runs on. What the store then says must be true.
TEST_P(KeyStoreFaults, EveryCallOfAnErasureIsRefusedOnce) {
  const auto calls = calls_of(erase);
  for (std::uint64_t call = 0; call < calls; ++call) {
    for (const auto fault : {Fault::kIoError, Fault::kNoSpace}) {
      SCOPED_TRACE("call " + std::to_string(call) + " of " + std::to_string(calls) + ", fault " +
                   std::to_string(static_cast<int>(fault)));
      World world(past, call + 1);
      auto store = *world.open();
      stage_batch(*store);
      world.vfs.plan(call, fault);
      const bool done = erase(*store).has_value();
      if (done && store->unconfirmed() == 0) {
        EXPECT_FALSE(world.hunter_opens(kSecret)) << "said to be erased everywhere";
        EXPECT_EQ(*content_of(*store), behind);
      } else if (done) {
        for (std::size_t i = 0; i < world.paths.size(); ++i)
          if (store->mirrors()[i].confirmed)
            EXPECT_FALSE(Hunter(world.vfs, world.paths[i], world.wrap)
                             .rows()
                             .contains(std::string(kSecret)));
      } else {
        store->forget_attempt();
      }
      const bool erased = done && store->unconfirmed() == 0;
      store.reset();
      world.vfs.restart();
      recovers(world, erased);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(KeyStoreFaults, EveryCallOfOpeningIsRefusedOnceAndHarmsNothing) {
  // An older state under the same epoch stands beside the newest.
  World later(past, 4);
  Content newest;
  {
    auto store = *later.open();
    store->stage_put(8, row("later"));
    ASSERT_TRUE(store->commit(1));
    newest = *content_of(*store);
  }
  World counting(later, 5);
  counting.vfs.plan(0, Fault::kNone);
  ASSERT_TRUE(counting.open());
  const auto calls = counting.vfs.calls();
  for (std::uint64_t call = 0; call < calls; ++call) {
    for (const auto fault : {Fault::kIoError, Fault::kNoSpace, Fault::kKill, Fault::kPowerLoss}) {
      SCOPED_TRACE("call " + std::to_string(call) + " of " + std::to_string(calls) + ", fault " +
                   std::to_string(static_cast<int>(fault)));
      World world(later, call + 1);
      world.vfs.plan(call, fault);
      // Refused, or the newest state: a disk that does not answer once makes no older one true.
      if (auto refused = world.open())
        if (const auto content = content_of(**refused)) EXPECT_EQ(*content, newest);
      world.vfs.restart();
      auto store = world.open();
      ASSERT_TRUE(store) << store.error().message;
      EXPECT_EQ(*content_of(**store), newest);
      EXPECT_EQ((*store)->unconfirmed(), 0u);
    }
  }
}

// The store is made, the power goes at once: it is there whole, or can be made.
TEST_P(KeyStoreFaults, MachineGoesOffBehindTheMaking) {
  for (const auto survival :
       {Survival::kNothing, Survival::kSome, Survival::kSome, Survival::kSome}) {
    World world(GetParam());
    ASSERT_TRUE(KeyStore::create(world.vfs, world.entropy, world.paths, world.wrap));
    world.vfs.plan(0, Fault::kPowerLoss);
    (void)world.vfs.exists("/disk1");
    world.vfs.restart(survival);
    auto store = world.open();
    ASSERT_TRUE(store) << "what create() reported as made did not outlive the power: "
                       << store.error().message;
    EXPECT_EQ((*store)->unconfirmed(), 0u);
  }
}

}  // namespace
}  // namespace callward::keys
