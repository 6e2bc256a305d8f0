#include <unistd.h>

#include <filesystem>

#include "erase/keeper_rig_test.hpp"
#include "erase/proof.hpp"

namespace callward::erase {
namespace {

struct RealDisk {
  RealVfs disk;
  std::string folder = ::testing::TempDir() + "cw-keeper-" + std::to_string(::getpid());
};

class Keepers : public ::testing::Test, public RealDisk, public KeeperRig {
 protected:
  Keepers() : KeeperRig(disk, folder) {}
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
};

TEST_F(Keepers, OnlyHeardSegmentsOpen) {
  const auto call = begin();
  record(call, 100);
  EXPECT_EQ(open(call, 0, 5), kUnheardState);
  hear(call, 50);
  EXPECT_EQ(open(call, 0, 5), "audio");
  EXPECT_EQ(open(call, 1, 49), "audio");
  EXPECT_EQ(open(call, 1, 50), kUnheardState);
  EXPECT_EQ(open_record(call, call_data), "{}");
  EXPECT_GE(log_types()["opened"], 4);
}

TEST_F(Keepers, ASecretFoundInTimeNeverTouchesADisk) {
  const auto call = begin();
  record(call, 200);
  const auto epoch = store->epoch();
  order(call, {{0, 20, 40}, {1, 20, 40}});
  keeper->end_round();
  hear(call, 200);
  EXPECT_EQ(store->epoch(), epoch);  // no switch was needed
  EXPECT_EQ(open(call, 0, 30), kErasedState);
  EXPECT_EQ(open(call, 0, 40), "audio");
  const auto types = log_types();
  EXPECT_EQ(types.at("erase_intended"), 1);
  EXPECT_EQ(types.at("erased"), 1);
  EXPECT_EQ(states.back(), keys::OrderOutcome::kErased);
}

TEST_F(Keepers, APersistedSecretCostsAnEpochAndStaysGoneOverARestart) {
  const auto call = begin();
  record(call, 100);
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "bye", {{0, 100}, {1, 100}}}, ended.reply());
  hear(call, 100);
  keeper->listen_done({call});
  keeper->end_round();
  const auto epoch = store->epoch();
  order(call, {{0, 10, 20}}, false);
  keeper->end_round();
  EXPECT_EQ(store->epoch(), epoch + 1);
  EXPECT_EQ(open(call, 0, 15), kErasedState);
  boot();
  EXPECT_EQ(open(call, 0, 15), kErasedState);
  EXPECT_EQ(open(call, 0, 20), "audio");
  EXPECT_EQ(open(call, 1, 15), "audio");
  const auto state = *keeper->call_state(call);
  ASSERT_EQ(state.erased.size(), 1u);
  EXPECT_EQ(state.erased[0].reason, "password");
  EXPECT_EQ(state.erased[0].outcome, keys::OrderOutcome::kErased);
}

TEST_F(Keepers, AcceptedMeansClosedEvenBeforeItIsLogged) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  Answer<keys::OrderAccepted> answer;
  keeper->erase_order({OrderId::random(entropy), call, {{0, 10, 20}}, "pin", "x"}, true,
                      answer.reply());
  EXPECT_EQ(keeper->call_state(call)->erased.size(), 1u);
  EXPECT_FALSE(answer.came);  // nothing is durable yet
  EXPECT_EQ(open(call, 0, 15), kErasedState);
}

// The recorder's clock runs ahead of ours by up to a segment or two; what it has then is no less
// unheard.
TEST_F(Keepers, OfARunningCallEverythingBeyondTheMarkIsUnheard) {
  const auto call = begin();
  record(call, 40);
  hear(call, 25);
  const auto running = keeper->call_state(call)->unheard;
  ASSERT_FALSE(running.empty());
  EXPECT_EQ(running[0], (SegmentRange{0, 25, keys::kIndexMax + 1}));
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "bye", {{0, 41}, {1, 41}}}, ended.reply());
  EXPECT_EQ(keeper->call_state(call)->unheard[0], (SegmentRange{0, 25, 41}));
}

TEST_F(Keepers, DerivedDataIsSealedUnderItsSourceAndDiesWithIt) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  keys::DerivedPut put{.call = call, .kind = 2, .stream = 0, .streams = 1, .first = 20, .end = 40};
  put.plaintext = SecretBytes(as_bytes("words"));
  ASSERT_TRUE(keeper->derived_put(put));
  ASSERT_EQ(derived.size(), 1u);
  EXPECT_EQ(open_record(call, derived[0]), "words");
  order(call, {{0, 39, 45}});
  keeper->end_round();
  EXPECT_EQ(open_record(call, derived[0]), kErasedState);
  ASSERT_TRUE(keeper->derived_put(put));  // refused silently: its source is gone
  EXPECT_EQ(derived.size(), 1u);
}

TEST_F(Keepers, TheListenerHasBoundsAPersonHasNot) {
  const auto call = begin();
  record(call, 1'000);
  hear(call, 1'000);
  order(call, {{0, 0, 900}, {1, 0, 400}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kHeld);
  keeper->end_round();
  EXPECT_EQ(open(call, 0, 10), kErasedState);  // closed, though a person must still decide
  EXPECT_EQ(log_types()["order_held"], 1);
  order(call, {{0, 0, 900}}, false);
  EXPECT_EQ(outcome, keys::OrderOutcome::kAccepted);
}

// A listener that was taken over: whatever it orders, the orders of other calls are carried out.
TEST_F(Keepers, AFloodOfHeldRangesClosesItsCallAndHarmsNoOther) {
  const auto call = begin();
  record(call, 3'000);
  hear(call, 3'000);
  order(call, {{0, 0, 2'900}, {1, 0, 650}});  // about its bound
  for (std::uint32_t i = 0; i < 20; ++i) {
    std::vector<keys::SegmentRange> many;
    for (std::uint32_t at = 0; at < 1'024; ++at)
      many.push_back({1, 701 + 2 * at + i % 2, 702 + 2 * at + i % 2});
    order(call, many);
    EXPECT_EQ(outcome, keys::OrderOutcome::kHeld);
    keeper->end_round();
  }
  EXPECT_EQ(open(call, 1, 2'990), kErasedState) << "closed whole, until a person decides";
  EXPECT_EQ(open_record(call, call_data), "{}");
  const auto other = begin();
  record(other, 3'000);
  hear(other, 3'000);
  order(other, {{0, 20, 40}});
  keeper->end_round();
  EXPECT_EQ(states.back(), keys::OrderOutcome::kErased);
  EXPECT_EQ(open(other, 0, 30), kErasedState);
  EXPECT_EQ(open(other, 0, 41), "audio");
}

TEST_F(Keepers, VeryManyHolesAreJoinedAndTheRowKeepsItsLimit) {
  const auto call = begin();
  record(call, 4'000);
  hear(call, 4'000);
  clock.advance_ms(60'000);
  keeper->tick();
  for (int i = 0; i < 4; ++i) {
    std::vector<keys::SegmentRange> many;
    for (std::uint32_t at = 0; at < 480; ++at)
      many.push_back({0, 8 * at + 2 * static_cast<std::uint32_t>(i),
                      8 * at + 2 * static_cast<std::uint32_t>(i) + 1});
    order(call, many, false);
    keeper->end_round();
    ASSERT_EQ(states.back(), keys::OrderOutcome::kErased);
    EXPECT_EQ(open(call, 0, 8 * 100 + 2 * static_cast<std::uint32_t>(i)), kErasedState);
  }
  EXPECT_EQ(open(call, 1, 100), "audio");
}

TEST_F(Keepers, AnOpenQuestionHoldsBackItselfAndNotWhatWasBefore) {
  const auto call = begin();
  record(call, 400);
  hear(call, 100);
  keeper->cleared({call, {{0, 150}, {1, 150}}, true});
  keeper->end_round();
  clock.advance_ms(31'000);
  keeper->tick();
  boot();  // the keeper died: what is not on a disk is gone
  EXPECT_EQ(open(call, 0, 99), "audio");
  EXPECT_NE(open(call, 0, 120), "audio");
}

TEST_F(Keepers, OrdersOutsideACallAreRefused) {
  const auto call = begin();
  record(call, 10);
  const auto refused = [&](std::vector<SegmentRange> ranges, const char* reason) {
    Answer<keys::OrderAccepted> answer;
    keeper->erase_order({OrderId::random(entropy), call, std::move(ranges), reason, "x"}, true,
                        answer.reply());
    keeper->end_round();
    return !answer.value.has_value();
  };
  EXPECT_TRUE(refused({{99, 0, 1}}, "pin"));
  EXPECT_TRUE(refused({{15, 0, 1}}, "pin"));
  EXPECT_TRUE(refused({{0, 5, 5}}, "pin"));
  EXPECT_TRUE(refused({{0, 400, 500}}, "pin"));
  EXPECT_FALSE(refused({{0, 8, 500}},
                       "pin"));  // cut at the end, not refused: its beginning may hold the secret
  EXPECT_TRUE(refused({{0, 0, 1}}, "because"));
  EXPECT_TRUE(refused({}, "pin"));
}

TEST_F(Keepers, RepeatedOrdersAreAnsweredAndDoneOnce) {
  const auto call = begin();
  record(call, 50);
  const auto id = order(call, {{0, 1, 2}});
  keeper->end_round();
  Answer<keys::OrderAccepted> again;
  keeper->erase_order({id, call, {{0, 1, 2}}, "password", "x"}, true, again.reply());
  keeper->end_round();
  EXPECT_EQ(again.value->outcome, keys::OrderOutcome::kErased);
  EXPECT_EQ(log_types()["erase_intended"], 1);
}

TEST_F(Keepers, UnfinishedOrdersAreFinishedAfterADeath) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  keeper->stop();  // persisted
  boot();
  answer_wipes = false;  // dies between intended and erased
  order(call, {{0, 10, 20}}, false);
  keeper->end_round();
  EXPECT_EQ(log_types()["erased"], 0);
  answer_wipes = true;
  boot();
  EXPECT_GE(log_types()["erased"], 1);
  EXPECT_EQ(open(call, 0, 15), kErasedState);
  EXPECT_EQ(open(call, 0, 25), "audio");
}

TEST_F(Keepers, AdoptionTakesOnlyWhatIsPastAndPuncturesOrders) {
  const auto call = begin();
  record(call, 100);
  hear(call, 60);
  clock.advance_ms(31'000);
  keeper->tick();  // persists [0, 60)
  order(call, {{0, 70, 80}});
  keeper->end_round();
  // The keeper dies; the recorder froze nodes from index 100.
  keys::Adopt adopt{.call = call,
                    .source = keys::CallSource::kSiprec,
                    .direction = keys::Direction::kIncoming,
                    .streams = 0b11,
                    .started_at = 0,
                    .spare = false,
                    .first_index = 65};
  adopt.nodes = nodes.slice(keys::leaf_of(0, 65), keys::leaf_of(2, 0)).take_nodes();
  boot();
  EXPECT_EQ(open(call, 0, 10), "audio");
  Answer<keys::Adopted> adopted;
  keeper->adopt(std::move(adopt), adopted.reply());
  keeper->end_round();
  ASSERT_TRUE(adopted.value) << adopted.value.error().message;
  EXPECT_EQ(adopted.value->lost_from[0], 60u);
  hear(call, 100);
  EXPECT_EQ(open(call, 0, 75), kErasedState);  // logged order
  EXPECT_EQ(open(call, 0, 62), kErasedState);  // lost with the keeper
  EXPECT_EQ(open(call, 0, 90), "audio");
  EXPECT_EQ(open(call, 1, 75), "audio");
  // Not closed alone: what the recorder handed back of it is in no memory either.
  Answer<keys::Proved> proved;
  keeper->prove({call, "operator"}, proved.reply());
  keeper->end_round();
  ASSERT_TRUE(proved.value);
  const auto said = decode_statement(proved.value->statement);
  ASSERT_TRUE(said);
  for (const auto& node : said->nodes) {
    const auto first = node.index << (keys::kTreeLevels - node.level);
    const auto end = (node.index + 1) << (keys::kTreeLevels - node.level);
    EXPECT_FALSE(first < keys::leaf_of(0, 80) && end > keys::leaf_of(0, 70)) << node.index;
  }
  // A second time (our answer was lost): nothing more is lost. Of a call nobody began: refused.
  for (const auto& id : {call, CallId::random(entropy)}) {
    keys::Adopt more{.call = id, .streams = 0b11, .first_index = 70};
    more.nodes = nodes.slice(keys::leaf_of(0, 70), keys::leaf_of(2, 0)).take_nodes();
    Answer<keys::Adopted> again;
    keeper->adopt(std::move(more), again.reply());
    keeper->end_round();
    ASSERT_EQ(again.value.has_value(), id == call);
    if (again.value) EXPECT_EQ(again.value->lost_from[0], 70u);
  }
  EXPECT_EQ(keeper->call_state(call)->lost.size(), 2u);
  EXPECT_EQ(open(call, 0, 75), kErasedState);
}

TEST_F(Keepers, ALogOlderThanTheKeysIsRefused) {
  const auto call = begin();
  record(call, 10);
  hear(call, 10);
  keeper->stop();
  keeper.reset();
  log.reset();
  store.reset();
  std::filesystem::remove_all(dir + "/log");
  store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
  log = std::move(*audit::Log::open(vfs, dir + "/log", "test/log", seed));
  keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, Keeper::Outbox{});
  EXPECT_EQ(keeper->start().error().code, Errc::kCorrupt);
}

TEST_F(Keepers, ALateListenerIsPersistedPastAndItIsSaid) {
  const auto call = begin();
  record(call, 2'000);
  keeper->tick();
  EXPECT_EQ(log_types()["cleared_unheard"], 1);
  EXPECT_EQ(open(call, 0, 5), kUnheardState);  // kept, but for nobody's ears
  boot();
  hear(call, 100);
  EXPECT_EQ(open(call, 0, 5), "audio");
}

}  // namespace
}  // namespace callward::erase
