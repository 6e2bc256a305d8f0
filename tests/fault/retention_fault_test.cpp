// Retention, and the keeper dies at every single call that it makes to the disk, its own state's
// file included; or the call is refused. However it went: what is due is gone in the end, keys
// first, then ciphertext, then its row; what is under a legal hold is whole; and the log's rules
// hold.
#include <set>

#include "audit/rules.hpp"
#include "erase/keeper_rig_test.hpp"
#include "sim/sim_vfs.hpp"

namespace callward::erase {
namespace {

using sim::Fault;
using sim::SimVfs;
using sim::Survival;

constexpr std::int64_t kDays = 30;
constexpr const char* kStateFile = "/k/retention";

class Age : public KeeperRig {
 public:
  Age(SimVfs& disk, std::uint64_t seed) : KeeperRig(disk, "/k"), sim_(disk) {
    entropy = SeededEntropy(seed * 17 + 3);
    policy.retention.days = {kDays, kDays, kDays, kDays};
  }
  void make() {
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    ASSERT_TRUE(begin_keeper());
    for (int i = 0; i < 3; ++i) finished();
    Answer<keys::Ack> held;
    keeper->set_hold({calls_[0], true, "operator", std::string(64, 'a')}, held.reply());
    ticks(70, 10'000);  // long enough for its state to be written
    ASSERT_TRUE(held.value);
  }
  // The days go by, the fault comes, and everybody does what they do until it is over.
  void grow_old(Survival survival) {
    for (int round = 0; round < 12 && !over(); ++round) {
      ticks(160, 1'800'000);
      ticks(40, 1'000);
      if (sim_.down()) {
        ++deaths_;
        sim_.restart(survival);
        const auto begun = begin_keeper();
        ASSERT_TRUE(begun) << begun.error().message;
      }
      mend();
    }
  }
  void verdict() {
    EXPECT_TRUE(over()) << "what is due is gone";
    EXPECT_EQ(objects_, std::set<CallId>{calls_[0]});
    const auto kept = *keeper->call_state(calls_[0]);
    EXPECT_TRUE(kept.known && kept.erased.empty() && kept.lost.empty()) << "the hold holds";
    audit::RuleChecker checker;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      checker.add(index, *audit::encode_entry(entry));
      return {};
    }));
    for (const auto& finding : checker.finish().findings)
      if (finding.rule->weight == audit::RuleWeight::kBreach &&
          finding.rule->name != "call-is-sealed")
        ADD_FAILURE() << finding.rule->name << ": " << finding.what;
  }
  [[nodiscard]] int deaths() const { return deaths_; }

 private:
  bool over() {
    if (sim_.down() || log->failed()) return false;
    for (const auto& mirror : store->mirrors())  // else its old epoch is destroyed with the mending
      if (!mirror.good || !mirror.confirmed) return false;
    const bool gone = std::none_of(calls_.begin() + 1, calls_.end(), [this](const CallId& id) {
      const auto state = keeper->call_state(id);
      return !state || state->known;
    });
    return gone && !sim_.down();  // to look at mirrors and rows are calls to the disk, too
  }
  Status begin_keeper() {
    keeper.reset();
    log.reset();
    store.reset();
    store = TRY(keys::KeyStore::open(vfs, entropy, paths, wrap));
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (!store->mirrors()[i].good) TRY(store->repair_mirror(i));
    log = TRY(audit::Log::open(vfs, dir + "/log", "test/log", seed));
    auto out = outbox();
    out.remove_objects = [this](const keys::RemoveObjects& message, auto done) {
      keys::ObjectsRemoved removed;
      for (const auto& one : message.calls) {
        objects_.erase(one.call);
        removed.fates.push_back(keys::ObjectFate::kGone);
      }
      done(std::move(removed));
    };
    out.load_retention = [this]() -> Result<std::string> {
      if (!vfs.exists(kStateFile)) return fail(Errc::kNotFound, "none yet");
      return std::string(as_text(TRY(vfs.read_file(kStateFile, 1u << 16))));
    };
    out.save_retention = [this](const std::string& text) {
      return vfs.write_file_atomic(kStateFile, as_bytes(text));
    };
    keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, std::move(out));
    return keeper->start();
  }
  void finished() {
    const auto id = begin();
    clock.advance_ms(5'000);
    Answer<keys::Ack> ended;
    keeper->call_end({id, clock.utc_ms(), "bye", {{0, 50}, {1, 50}}}, ended.reply());
    hear(id, 50);
    keeper->listen_done({id});
    keeper->end_round();
    calls_.push_back(id);
    objects_.insert(id);
  }
  void ticks(int count, std::int64_t step_ms) {
    for (int i = 0; i < count && !sim_.down(); ++i) {
      clock.advance_ms(step_ms);
      keeper->tick();
      keeper->end_round();
    }
  }

  SimVfs& sim_;
  std::vector<CallId> calls_;
  std::set<CallId> objects_;
  int deaths_ = 0;
};

void grow_old_with(std::uint64_t at, Fault fault, Survival survival,
                   std::uint64_t* calls = nullptr) {
  SimVfs disk(at + 1);
  for (const char* folder : {"/k", "/k/a", "/k/b"}) ASSERT_TRUE(disk.make_dirs(folder));
  for (const char* folder : {"/", "/k"}) ASSERT_TRUE(disk.sync_dir(folder));
  Age age(disk, at + 5);
  age.make();
  age.clock.advance_ms(kDays * kDayMs);
  disk.plan(at, fault);
  age.grow_old(survival);
  if (calls != nullptr) *calls = disk.calls();
  // Another seed may get by with some calls less; the fault is not for the verdict.
  const bool kills = fault == Fault::kKill || fault == Fault::kPowerLoss;
  EXPECT_EQ(age.deaths(), kills && disk.calls() > at ? 1 : 0);
  disk.plan(0, Fault::kNone);
  if (!::testing::Test::HasFailure()) age.verdict();
}

void at_every_call(Fault fault, Survival survival) {
  std::uint64_t calls = 0;
  grow_old_with(0, Fault::kNone, Survival::kSome, &calls);
  EXPECT_GT(calls, 500u);
  for (std::uint64_t at = 0; at < calls; ++at) {
    SCOPED_TRACE("at call " + std::to_string(at) + " of " + std::to_string(calls));
    grow_old_with(at, fault, survival);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(RetentionDies, KilledAtEveryCall) { at_every_call(Fault::kKill, Survival::kEverything); }
TEST(RetentionDies, WithoutPowerAtEveryCall) { at_every_call(Fault::kPowerLoss, Survival::kSome); }
TEST(RetentionLives, WithAnErrorAtEveryCall) { at_every_call(Fault::kIoError, Survival::kSome); }
TEST(RetentionLives, WithoutSpaceAtEveryCall) { at_every_call(Fault::kNoSpace, Survival::kSome); }

}  // namespace
}  // namespace callward::erase
