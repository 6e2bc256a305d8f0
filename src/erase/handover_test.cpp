// A planned restart: every field survives, nothing is lost, and one that fails changes nothing.
#include "erase/handover.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include <rapidcheck/gtest.h>

#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

constexpr std::uint64_t kFuzzSeed = 2;

// Any state that a keeper may be in, of any numbers at all.
class AnyState {
 public:
  explicit AnyState(std::uint64_t seed) : random_(seed), entropy_(seed) {}

  CallKeys call() {
    CallKeys call;
    call.id = CallId::random(entropy_);
    call.row = random_();
    call.source = flag() ? keys::CallSource::kSiprec : keys::CallSource::kImport;
    call.direction = static_cast<keys::Direction>(below(3));
    call.streams = static_cast<std::uint16_t>(below(0x8000));
    call.declared = static_cast<std::uint16_t>(call.streams & below(0x8000));
    call.started_at = static_cast<std::int64_t>(random_());
    for (auto* each : {&call.ended, &call.listened, &call.closed, &call.start_logged,
                       &call.end_logged, &call.rooted, &call.legal_hold, &call.drop,
                       &call.question_open, &call.dirty, &call.heard_moved})
      *each = flag();
    call.closed_by = OrderId::random(entropy_);
    call.begun_ms = static_cast<std::int64_t>(random_());
    call.issued_from = index();
    for (std::size_t i = 0; i < keys::kStreamsMax; ++i) {
      call.ends[i] = index();
      call.heard[i] = index();
      call.persisted[i] = index();
      call.heard_before_question[i] = index();
    }
    call.cover = keys::Cover::whole(entropy_.key());
    for (auto n = below(6); n > 0; --n) {
      call.lost.push_back(range());
      call.blocked.push_back({range(), static_cast<std::uint8_t>(below(kReasons.size())),
                              static_cast<BlockState>(1 + below(3)), OrderId::random(entropy_),
                              index()});
      call.puncture(call.lost.back());
      call.proposals.push_back({OrderId::random(entropy_), PersonId::random(entropy_),
                                static_cast<std::uint8_t>(below(kReasons.size()))});
    }
    call.listener_segments = random_();
    call.next_call_data = index();
    call.question_since_ms = static_cast<std::int64_t>(random_());
    call.call_back = {RequestId::random(entropy_), PersonId::random(entropy_),
                      PersonId::random(entropy_)};
    return call;
  }
  HandedState state() {
    HandedState state;
    state.epoch = random_();
    state.log_size = random_();
    state.next_row = random_();
    for (auto n = below(5); n > 0; --n) {
      state.calls.push_back(to_handed(call()));
      state.orders.push_back(order());
      state.unconfirmed.push_back(order());
      state.known_orders.push_back(
          {OrderId::random(entropy_), static_cast<keys::OrderOutcome>(1 + below(7))});
      state.decided.push_back(
          {OrderId::random(entropy_), static_cast<keys::HeldDecision>(1 + below(2))});
      state.sealed.push_back(CallId::random(entropy_));
      state.unlogged_listens.push_back(CallId::random(entropy_));
      const auto open = range();
      state.privates.push_back({CallId::random(entropy_), OrderId::random(entropy_), "person",
                                open.first, open.end, static_cast<std::int64_t>(random_()), flag(),
                                flag(), "off", "person", static_cast<std::uint16_t>(below(8) << 1),
                                flag() ? open.first : open.end});
    }
    state.new_rows = flag();
    state.last_persist_ms = static_cast<std::int64_t>(random_());
    state.retry_orders_ms = static_cast<std::int64_t>(random_());
    state.orders_done = random_();
    state.opened = random_();
    return state;
  }

 private:
  std::uint32_t below(std::uint64_t end) { return static_cast<std::uint32_t>(random_() % end); }
  bool flag() { return below(2) == 1; }
  std::uint32_t index() { return below(keys::kIndexMax + 2); }
  SegmentRange range() {
    const auto a = index();
    const auto b = index();
    return {static_cast<std::uint8_t>(below(15)), std::min(a, b), std::max(a, b)};
  }
  HandedOrder order() {
    return {OrderId::random(entropy_),
            CallId::random(entropy_),
            {range(), range()},
            static_cast<std::uint8_t>(below(kReasons.size())),
            "listener",
            flag()};
  }
  std::mt19937_64 random_;
  SeededEntropy entropy_;
};

bool same(const Blocked& a, const Blocked& b) {
  const auto& [range, reason, state, order, kept] = a;
  const auto& [range2, reason2, state2, order2, kept2] = b;
  return std::tie(range, reason, state, order, kept) ==
         std::tie(range2, reason2, state2, order2, kept2);
}

// Field by field, by another list than the codec's; a new field does not compile.
void expect_same(const CallKeys& a, const CallKeys& b) {
  const auto& [id, row, source, direction, streams, declared, started, ended, listened, closed,
               closed_by, hold, drop, proposals, start_logged, end_logged, rooted, begun, issued,
               ends, heard, persisted, blocked, lost, cover, listener, call_data, question, before,
               since, dirty, moved, call_back] = a;
  const auto& [id2, row2, source2, direction2, streams2, declared2, started2, ended2, listened2,
               closed2, closed_by2, hold2, drop2, proposals2, start_logged2, end_logged2, rooted2,
               begun2, issued2, ends2, heard2, persisted2, blocked2, lost2, cover2, listener2,
               call_data2, question2, before2, since2, dirty2, moved2, call_back2] = b;
  RC_ASSERT(std::tie(id, row, source, direction, streams, declared, started, ended, listened,
                     closed, closed_by, hold, drop, start_logged, end_logged, rooted, begun, issued,
                     ends, heard, persisted, lost, listener, call_data, question, before, since,
                     dirty, moved) ==
            std::tie(id2, row2, source2, direction2, streams2, declared2, started2, ended2,
                     listened2, closed2, closed_by2, hold2, drop2, start_logged2, end_logged2,
                     rooted2, begun2, issued2, ends2, heard2, persisted2, lost2, listener2,
                     call_data2, question2, before2, since2, dirty2, moved2));
  RC_ASSERT(call_back == call_back2);
  RC_ASSERT(std::equal(proposals.begin(), proposals.end(), proposals2.begin(), proposals2.end(),
                       [](const Proposal& x, const Proposal& y) {
                         return std::tie(x.order, x.by, x.reason) ==
                                std::tie(y.order, y.by, y.reason);
                       }));
  RC_ASSERT(std::equal(blocked.begin(), blocked.end(), blocked2.begin(), blocked2.end(), same));
  RC_ASSERT(equal(cover.serialize().expose(), cover2.serialize().expose()));
}

RC_GTEST_PROP(Handover, EveryFieldSurvives, (std::uint64_t seed)) {
  AnyState any(seed);
  const auto call = any.call();
  auto again = from_handed(to_handed(call));
  RC_ASSERT(again.has_value());
  expect_same(call, *again);

  const auto state = any.state();
  const auto raw = encode_handed(state);
  RC_ASSERT(raw.has_value());
  auto back = decode_handed(raw->expose());
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->calls.size() == state.calls.size());
  for (std::size_t i = 0; i < state.calls.size(); ++i) {
    const auto sent = from_handed(to_handed(*from_handed(std::move(back->calls[i]))));
    RC_ASSERT(sent.has_value());
    back->calls[i] = to_handed(*sent);
  }
  RC_ASSERT(equal(encode_handed(*back)->expose(), raw->expose()));
  RC_ASSERT(back->version == state.version && back->epoch == state.epoch &&
            back->log_size == state.log_size && back->next_row == state.next_row &&
            back->new_rows == state.new_rows && back->last_persist_ms == state.last_persist_ms &&
            back->retry_orders_ms == state.retry_orders_ms &&
            back->orders_done == state.orders_done && back->opened == state.opened &&
            back->sealed == state.sealed && back->unlogged_listens == state.unlogged_listens);
  RC_ASSERT(back->orders.size() == state.orders.size());
  for (std::size_t i = 0; i < state.orders.size(); ++i) {
    RC_ASSERT(back->orders[i].id == state.orders[i].id);
    RC_ASSERT(back->orders[i].ranges == state.orders[i].ranges);
    RC_ASSERT(back->orders[i].logged == state.orders[i].logged);
    RC_ASSERT(back->unconfirmed[i].call == state.unconfirmed[i].call);
    RC_ASSERT(back->known_orders[i].outcome == state.known_orders[i].outcome);
    RC_ASSERT(back->decided[i].order == state.decided[i].order);
    RC_ASSERT(back->decided[i].decision == state.decided[i].decision);
  }
}

RC_GTEST_PROP(Handover, WhatIsCutOffIsRefused, (std::uint64_t seed)) {
  const auto raw = encode_handed(AnyState(seed).state());
  const auto cut = *rc::gen::inRange<std::size_t>(0, raw->size());
  const auto read = decode_handed(raw->expose().first(cut));
  RC_ASSERT(!read.has_value());
  RC_ASSERT(read.error().code == Errc::kMalformed);
}

// A field that is added would leave the fuzzer outside: CALLWARD_WRITE_VECTORS=1 writes it anew.
TEST(Handover, TheFuzzersSeedIsOfTodaysLayout) {
  RealVfs vfs;
  const std::string seed = std::string(CALLWARD_SOURCE_DIR) + "/fuzz/corpus/handover/state";
  if (std::getenv("CALLWARD_WRITE_VECTORS") != nullptr)
    ASSERT_TRUE(vfs.write_file_atomic(seed, encode_handed(AnyState(kFuzzSeed).state())->expose()));
  const auto state = decode_handed(*vfs.read_file(seed, 1 << 20));
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_FALSE(state->calls.empty() || state->orders.empty() || state->decided.empty());
}

TEST(Handover, ANewerVersionIsRefusedByName) {
  HandedState state;
  state.version = kHandoverVersion + 1;
  const auto read = decode_handed(pack(state));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kUnsupported);
  EXPECT_NE(read.error().message.find("version 6"), std::string::npos) << read.error().message;
  state.version = 0;
  EXPECT_EQ(decode_handed(pack(state)).error().code, Errc::kMalformed);
}

TEST(Handover, WhatContradictsItselfIsRefused) {
  const auto refused = [](const std::function<void(HandedCall&)>& spoil) {
    HandedState state;
    state.calls.push_back(to_handed(AnyState(5).call()));
    EXPECT_TRUE(decode_handed(pack(state)));
    spoil(state.calls[0]);
    return !decode_handed(pack(state));
  };
  EXPECT_TRUE(refused([](HandedCall& call) { call.marks.pop_back(); }));
  EXPECT_TRUE(refused([](HandedCall& call) { call.marks[3].heard = keys::kIndexMax + 2; }));
  EXPECT_TRUE(refused([](HandedCall& call) { call.source = keys::CallSource{9}; }));
  EXPECT_TRUE(refused([](HandedCall& call) { call.streams |= 0x8000; }));
  EXPECT_TRUE(refused([](HandedCall& call) { call.lost.push_back({15, 0, 1}); }));
  EXPECT_TRUE(refused([](HandedCall& call) { call.lost.push_back({0, 2, 1}); }));
  EXPECT_TRUE(refused(
      [](HandedCall& call) { call.blocked.push_back({{0, 1, 2}, 200, BlockState::kHeld}); }));
  EXPECT_TRUE(
      refused([](HandedCall& call) { call.blocked.push_back({{0, 1, 2}, 0, BlockState{}}); }));
}

struct HandedDisk {
  RealVfs disk;
  std::string folder = ::testing::TempDir() + "cw-handover-" + std::to_string(::getpid());
};

class HandedKeeper : public ::testing::Test, public HandedDisk, public KeeperRig {
 protected:
  HandedKeeper() : KeeperRig(disk, folder) {}
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  struct Fresh {
    std::unique_ptr<keys::KeyStore> store;
    std::unique_ptr<audit::Log> log;
    std::unique_ptr<Keeper> keeper;
  };
  // As the two processes do it, up to the new one's word that it could serve.
  Result<Fresh> offer(const std::function<void(HandedState&)>& spoil = {}) {
    keeper->rest(true);
    for (int i = 0; i < 20 && !keeper->quiet(); ++i) {
      clock.advance_ms(100);
      keeper->tick();
    }
    if (!keeper->quiet()) return fail(Errc::kTimeout, "not at rest");
    auto state = keeper->hand_over();
    if (spoil) spoil(state);
    const auto raw = TRY(encode_handed(state));
    keeper->freeze();
    Fresh fresh;
    fresh.store = TRY(keys::KeyStore::open(vfs, entropy, paths, wrap));
    fresh.log = TRY(audit::Log::open(vfs, dir + "/log", "test/log", seed));
    fresh.keeper =
        std::make_unique<Keeper>(clock, entropy, *fresh.store, *fresh.log, policy, outbox());
    TRY(fresh.keeper->take_over(TRY(decode_handed(raw.expose()))));
    return fresh;
  }
  void restart() {
    auto fresh = offer();
    ASSERT_TRUE(fresh) << fresh.error().message;
    keeper = std::move(fresh->keeper);
    log = std::move(fresh->log);
    store = std::move(fresh->store);
    keeper->serve_on();
  }
  void go_on(const std::string& why) {
    keeper->hand_over_failed(why);
    auto fresh = audit::Log::open(vfs, dir + "/log", "test/log", seed);
    ASSERT_TRUE(fresh) << fresh.error().message;
    keeper->resume_log(**fresh);
    log = std::move(*fresh);
    keeper->rest(false);
    keeper->end_round();
  }
};

TEST_F(HandedKeeper, KeysThatTouchedNoDiskOpenAfterIt) {
  const auto call = begin();
  record(call, 400);
  hear(call, 300);
  const auto gone = order(call, {{0, 40, 60}});
  restart();
  EXPECT_EQ(open(call, 0, 20), "audio");
  EXPECT_EQ(open(call, 0, 299), "audio");
  EXPECT_EQ(open(call, 0, 45), kErasedState) << "ordered before, gone after";
  EXPECT_EQ(open(call, 0, 350), kUnheardState);
  EXPECT_EQ(open_record(call, call_data), "{}");
  hear(call, 400);
  EXPECT_EQ(open(call, 1, 399), "audio") << "heard by the one after";
  EXPECT_TRUE(keeper->call_state(call)->lost.empty());
  auto types = log_types();
  EXPECT_EQ(types["keeper_adopted"], 0);
  EXPECT_EQ(types["cleared_unheard"], 0);
  EXPECT_EQ(types["keeper_started"], 2);
  Answer<keys::OrderAccepted> repeated;  // its answer may have been lost: it is no new order
  keeper->erase_order({gone, call, {{0, 40, 60}}, "password", "person"}, true, repeated.reply());
  keeper->end_round();
  ASSERT_TRUE(repeated.value);
  EXPECT_EQ(repeated.value->outcome, keys::OrderOutcome::kErased);
  EXPECT_EQ(log_types()["erase_intended"], 1);
}

// What waits for a person waits on, with keys that touched no disk; a decision is remembered.
TEST_F(HandedKeeper, WhatIsHeldIsDecidedAfterIt) {
  const auto call = begin();
  record(call, 1'000);
  const auto held = order(call, {{0, 0, 900}, {1, 0, 900}});
  ASSERT_EQ(outcome, keys::OrderOutcome::kHeld);
  hear(call, 1'000);
  restart();
  EXPECT_EQ(open(call, 0, 10), kErasedState);
  EXPECT_EQ(keeper->held_calls().total, 1u);
  const auto decide = [&](keys::HeldDecision decision) {
    Answer<keys::HeldDecided> answer;
    keeper->decide_held({call, held, decision, "person", "hash"}, answer.reply());
    keeper->end_round();
    return answer.value;
  };
  ASSERT_TRUE(decide(keys::HeldDecision::kKeep));
  EXPECT_EQ(open(call, 0, 10), "audio");
  restart();
  EXPECT_EQ(open(call, 0, 10), "audio");
  EXPECT_EQ(keeper->held_calls().total, 0u);
  EXPECT_EQ(decide(keys::HeldDecision::kKeep)->outcome, keys::OrderOutcome::kKept);
  EXPECT_EQ(decide(keys::HeldDecision::kErase).error().code, Errc::kState);
  EXPECT_TRUE(keeper->call_state(call)->lost.empty());
  EXPECT_EQ(log_types()["held_decided"], 1);
}

TEST_F(HandedKeeper, ARunningCallGoesOnAsIfNothingHadBeen) {
  const auto call = begin();
  record(call, 600);
  restart();
  Answer<keys::Reissued> reissued;
  keeper->reissue({call}, reissued.reply());
  ASSERT_TRUE(reissued.value) << "its root came over";
  EXPECT_EQ(reissued.value->first_index, 595u) << "and its clock";
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "bye", {{0, 600}, {1, 600}}}, ended.reply());
  keeper->end_round();
  EXPECT_TRUE(ended.value);
  hear(call, 600);
  keeper->listen_done({call});
  keeper->end_round();
  EXPECT_TRUE(keeper->call_state(call)->listened);
  boot();  // and what it persisted is whole
  EXPECT_EQ(open(call, 0, 599), "audio");
  EXPECT_TRUE(keeper->call_state(call)->lost.empty());
}

TEST_F(HandedKeeper, AnOpenQuestionStillHoldsBackItself) {
  const auto call = begin();
  record(call, 400);
  hear(call, 100);
  keeper->cleared({call, {{0, 150}, {1, 150}}, true});
  keeper->end_round();
  restart();
  clock.advance_ms(31'000);
  keeper->tick();
  EXPECT_EQ(open(call, 0, 120), "audio");
  boot();  // it dies: what is not on a disk is gone
  EXPECT_EQ(open(call, 0, 99), "audio");
  EXPECT_NE(open(call, 0, 120), "audio");
}

// Numbers that were given to calls whose rows are in no committed page yet (the log had failed).
TEST_F(HandedKeeper, ARowNumberIsNeverGivenTwice) {
  begin();
  const auto next = store->next_row();
  const auto fresh = offer([](HandedState& state) { state.next_row += 3; });
  ASSERT_TRUE(fresh) << fresh.error().message;
  EXPECT_EQ(fresh->store->next_row(), next + 3);
}

TEST_F(HandedKeeper, ABatchThatWaitsForOthersMemoryIsFinishedFirst) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  answer_wipes = false;
  order(call, {{0, 10, 20}}, false);
  EXPECT_FALSE(keeper->quiet());
  restart();
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_EQ(open(call, 0, 15), kErasedState);
}

// Taken and answered, and the disk refused it: it waits, and the one after does it.
TEST_F(HandedKeeper, AnOrderThatWaitsIsCarriedOutByTheOneAfter) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  const auto waits = OrderId::random(entropy);
  auto fresh = offer([&](HandedState& state) {
    ASSERT_EQ(state.calls.size(), 1u);
    state.calls[0].blocked.push_back({{0, 10, 20}, 0, BlockState::kOrdered, waits});
    state.orders.push_back({waits, call, {{0, 10, 20}}, 0, "listener", false});
  });
  ASSERT_TRUE(fresh) << fresh.error().message;
  keeper = std::move(fresh->keeper);
  log = std::move(fresh->log);
  store = std::move(fresh->store);
  EXPECT_EQ(log_types()["erased"], 0);
  keeper->serve_on();
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_EQ(open(call, 0, 15), kErasedState);
}

TEST_F(HandedKeeper, ALegalHoldGoesWithIt) {
  const auto call = begin();
  Answer<keys::Ack> held;
  keeper->set_hold({call, true, "operator", std::string(64, 'a')}, held.reply());
  keeper->end_round();
  ASSERT_TRUE(held.value);
  restart();
  EXPECT_EQ(keeper->holds().calls, std::vector<CallId>{call});
}

// The new one got so far that it wrote its entry; then it died. Nothing of it counts.
TEST_F(HandedKeeper, AHandOverThatFailsChangesNothing) {
  const auto call = begin();
  record(call, 400);
  hear(call, 300);
  {
    const auto fresh = offer();
    ASSERT_TRUE(fresh) << fresh.error().message;
  }
  go_on("the new keeper ended before it served");
  EXPECT_EQ(open(call, 0, 299), "audio");
  order(call, {{0, 10, 20}});
  EXPECT_EQ(open(call, 0, 15), kErasedState);
  EXPECT_EQ(log_types()["hand_over_failed"], 1);
  EXPECT_EQ(log_types()["keeper_adopted"], 0);
  restart();  // and the next time it works
  EXPECT_EQ(open(call, 0, 299), "audio");
  EXPECT_EQ(open(call, 0, 15), kErasedState);
}

TEST_F(HandedKeeper, FrozenItActsNoMore) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  const auto size = log->size();
  ASSERT_TRUE(offer());
  keeper->tick();
  EXPECT_EQ(open(call, 0, 5), "error unavailable");
  EXPECT_EQ(log->size(), size);
}

TEST_F(HandedKeeper, AnotherKeyStoreOrLogIsRefused) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  EXPECT_FALSE(offer([](HandedState& state) { ++state.epoch; }));
  go_on("another key store");
  EXPECT_FALSE(offer([](HandedState& state) { state.log_size += 100; }));
  go_on("another log");
  EXPECT_FALSE(offer([](HandedState& state) { ++state.calls[0].row; }));
  go_on("another row");
  EXPECT_FALSE(offer([](HandedState& state) { state.next_row += 2'000'000; }));
  go_on("rows too far ahead");
  EXPECT_EQ(open(call, 0, 99), "audio");
}

}  // namespace
}  // namespace callward::erase
