// A person decides about what the listener ordered beyond its bounds.
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "base/failing_vfs_test.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

using keys::HeldDecision;
using keys::OrderOutcome;

struct HeldDisk {
  RealVfs disk;
  std::string folder = ::testing::TempDir() + "cw-held-" + std::to_string(::getpid());
};

class Held : public ::testing::Test, public HeldDisk, public KeeperRig {
 protected:
  // Most of what is here is held; what one person may of it is another test's matter.
  Held() : KeeperRig(disk, folder) { policy.person_share_percent = 95; }
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  Result<keys::HeldDecided> decide(const CallId& call, const OrderId& order, HeldDecision decision,
                                   const std::string& who = "person") {
    Answer<keys::HeldDecided> answer;
    keeper->decide_held({call, order, decision, who, "hash"}, answer.reply());
    keeper->end_round();
    return answer.value;
  }
  Errc refusal(const CallId& call, const OrderId& order, HeldDecision decision) {
    const auto answer = decide(call, order, decision);
    EXPECT_FALSE(answer);
    return answer ? Errc{} : answer.error().code;
  }
  // 100 s, heard; 1,800 of 2,000 segments are ordered away: beyond the listener's share.
  CallId with_held(bool on_disk) {
    const auto call = begin();
    record(call, 1'000);
    if (!on_disk) held_ = order(call, {{0, 0, 900}, {1, 0, 900}});
    hear(call, 1'000);
    persist();
    if (on_disk) held_ = order(call, {{0, 0, 900}, {1, 0, 900}});
    EXPECT_EQ(outcome, OrderOutcome::kHeld);
    return call;
  }
  void persist() {
    clock.advance_ms(31'000);
    keeper->tick();
  }
  void end(const CallId& call, std::uint32_t segments) {
    Answer<keys::Ack> ended;
    keeper->call_end({call, clock.utc_ms(), "bye", {{0, segments}, {1, segments}}}, ended.reply());
    keeper->end_round();
    EXPECT_TRUE(ended.value);
  }
  // So many ranges beyond the bound that the call is closed whole; ended and heard.
  CallId closed_call() {
    const auto call = begin();
    record(call, 3'000);
    hear(call, 1'000);
    persist();
    order(call, {{0, 0, 2'900}, {1, 0, 690}});
    std::vector<keys::SegmentRange> many;
    for (std::uint32_t at = 0; at < 400; ++at) many.push_back({1, 701 + 2 * at, 702 + 2 * at});
    held_ = order(call, many);
    hear(call, 3'000);
    return call;
  }
  std::vector<SegmentRange> lost_in_log(const CallId& call) {
    std::vector<SegmentRange> lost;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      if (entry.type != "keeper_adopted" || entry.subject != call.hex()) return {};
      for (const auto& item : entry.data.at("lost").as_array())
        lost.push_back({static_cast<std::uint8_t>(item.at(0).to_number<unsigned>()),
                        item.at(1).to_number<std::uint32_t>(),
                        item.at(2).to_number<std::uint32_t>()});
      return {};
    }));
    return lost;
  }
  CallKeys row() { return *CallKeys::decode_row(0, (*store->get(0))->expose()); }
  std::uint64_t waiting() { return keeper->held_calls().total; }

  OrderId held_;
};

TEST_F(Held, StateNamesTheOrderAndTheCallIsListed) {
  const auto call = with_held(true);
  const auto state = *keeper->call_state(call);
  ASSERT_EQ(state.erased.size(), 2u);
  EXPECT_EQ(state.erased[0].order, held_);
  EXPECT_EQ(state.erased[0].outcome, OrderOutcome::kHeld);
  EXPECT_EQ(keeper->held_calls().calls, std::vector<CallId>{call});
  EXPECT_NE(keeper->status_json().find("\"calls_to_decide\":1"), std::string::npos);
}

// A listener that asks again for what is held has still no say about it, under whatever number.
TEST_F(Held, OrderingItAgainErasesNothing) {
  const auto call = with_held(true);
  order(call, {{0, 0, 900}, {1, 0, 900}});
  EXPECT_EQ(outcome, OrderOutcome::kHeld);
  Answer<keys::OrderAccepted> again;
  keeper->erase_order({held_, call, {{0, 0, 900}, {1, 0, 900}}, "password", ""}, true,
                      again.reply());
  keeper->end_round();
  EXPECT_EQ(again.value->outcome, OrderOutcome::kHeld);
  EXPECT_EQ(log_types()["erase_intended"], 0);
  EXPECT_EQ(keeper->call_state(call)->erased.size(), 4u) << "two orders of two ranges";
}

TEST_F(Held, KeptOpensAgain) {
  const auto call = with_held(true);
  EXPECT_EQ(open(call, 0, 10), kErasedState);
  const auto decided = decide(call, held_, HeldDecision::kKeep);
  ASSERT_TRUE(decided) << decided.error().message;
  EXPECT_EQ(decided->outcome, OrderOutcome::kKept);
  EXPECT_EQ(states.back(), OrderOutcome::kKept);
  EXPECT_EQ(open(call, 0, 10), "audio");
  EXPECT_EQ(open(call, 1, 399), "audio");
  EXPECT_TRUE(keeper->call_state(call)->erased.empty());
  EXPECT_TRUE(keeper->call_state(call)->lost.empty());
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(log_types()["held_decided"], 1);
  EXPECT_EQ(log_types()["erased"], 0);
}

// Nothing of it was on a disk while it was held; after the decision it goes there, and a later
// keeper opens it.
TEST_F(Held, KeptGoesFromMemoryToTheDisk) {
  const auto call = with_held(false);
  EXPECT_FALSE(row().cover.opens(keys::leaf_of(0, 10)));
  ASSERT_TRUE(decide(call, held_, HeldDecision::kKeep));
  persist();
  EXPECT_TRUE(row().cover.opens(keys::leaf_of(0, 10)));
  boot();
  EXPECT_EQ(open(call, 0, 10), "audio");
  EXPECT_TRUE(keeper->call_state(call)->lost.empty());
}

// What was erased beside it stays erased.
TEST_F(Held, KeptBringsBackNothingThatIsGone) {
  const auto call = begin();
  record(call, 1'000);
  hear(call, 1'000);
  order(call, {{0, 100, 200}});
  held_ = order(call, {{0, 0, 900}, {1, 0, 900}});
  ASSERT_EQ(outcome, OrderOutcome::kHeld);
  ASSERT_TRUE(decide(call, held_, HeldDecision::kKeep));
  EXPECT_EQ(open(call, 0, 150), kErasedState);
  EXPECT_EQ(open(call, 0, 99), "audio");
  EXPECT_EQ(open(call, 0, 200), "audio");
  EXPECT_TRUE(keeper->call_state(call)->lost.empty());
}

TEST_F(Held, ErasedIsAnOrdinaryOrderOfThatPerson) {
  const auto call = with_held(true);
  const auto epoch = store->epoch();
  const auto decided = decide(call, held_, HeldDecision::kErase);
  ASSERT_TRUE(decided) << decided.error().message;
  EXPECT_EQ(decided->order, held_);
  EXPECT_EQ(decided->outcome, OrderOutcome::kAccepted);
  EXPECT_EQ(states.back(), OrderOutcome::kErased);
  EXPECT_EQ(store->epoch(), epoch + 1) << "its keys stood on the disk";
  EXPECT_EQ(open(call, 0, 10), kErasedState);
  EXPECT_EQ(open(call, 0, 950), "audio");
  const auto state = *keeper->call_state(call);
  ASSERT_EQ(state.erased.size(), 2u);
  EXPECT_EQ(state.erased[0].outcome, OrderOutcome::kErased);
  EXPECT_EQ(waiting(), 0u);
  std::string source;
  ASSERT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
    if (entry.type == "erase_intended") {
      source = std::string(entry.data.at("source").as_string());
      EXPECT_EQ(entry.data.at("order").as_string(), held_.hex());
    }
    return {};
  }));
  EXPECT_EQ(source, "person");
  keeper->stop();
  boot();
  EXPECT_EQ(open(call, 0, 10), kErasedState);
  EXPECT_FALSE(row().cover.opens(keys::leaf_of(0, 10)));
}

TEST_F(Held, RepeatedItIsAnsweredAlikeAndDoneOnce) {
  const auto call = with_held(true);
  Answer<keys::HeldDecided> first, second, contrary;
  keeper->decide_held({call, held_, HeldDecision::kKeep, "person", "hash"}, first.reply());
  keeper->decide_held({call, held_, HeldDecision::kKeep, "person", "hash"}, second.reply());
  keeper->decide_held({call, held_, HeldDecision::kErase, "other", "hash"}, contrary.reply());
  EXPECT_FALSE(first.came || second.came) << "before it is durable";
  EXPECT_EQ(contrary.value.error().code, Errc::kState);
  keeper->end_round();
  ASSERT_TRUE(first.value && second.value);
  EXPECT_EQ(second.value->outcome, OrderOutcome::kKept);
  EXPECT_EQ(decide(call, held_, HeldDecision::kKeep)->outcome, OrderOutcome::kKept);
  EXPECT_EQ(refusal(call, held_, HeldDecision::kErase), Errc::kState);
  EXPECT_EQ(log_types()["held_decided"], 1);
}

TEST_F(Held, WhatIsNotHeldIsNothingToDecide) {
  const auto call = with_held(true);
  const auto other = begin();
  EXPECT_EQ(refusal(call, OrderId::random(entropy), HeldDecision::kKeep), Errc::kNotFound);
  EXPECT_EQ(refusal(other, held_, HeldDecision::kErase), Errc::kNotFound);
  EXPECT_EQ(refusal(CallId::random(entropy), held_, HeldDecision::kErase), Errc::kNotFound);
  EXPECT_EQ(refusal(call, held_, HeldDecision{3}), Errc::kMalformed);
  const auto done = order(call, {{1, 900, 910}}, false);
  EXPECT_EQ(refusal(call, done, HeldDecision::kKeep), Errc::kNotFound) << "an ordinary order";
  EXPECT_EQ(log_types()["held_decided"], 0);
  EXPECT_EQ(waiting(), 1u);
}

TEST_F(Held, AClosedCallIsDecidedAsAWhole) {
  const auto call = closed_call();
  EXPECT_EQ(refusal(call, held_, HeldDecision::kKeep), Errc::kState) << "it still runs";
  end(call, 3'000);
  keeper->listen_done({call});
  keeper->end_round();
  EXPECT_EQ(open(call, 1, 2'990), kErasedState);
  EXPECT_EQ(refusal(call, OrderId::random(entropy), HeldDecision::kKeep), Errc::kState);
  const auto state = *keeper->call_state(call);
  EXPECT_EQ(std::count_if(state.erased.begin(), state.erased.end(),
                          [&](const auto& range) { return range.order == held_; }),
            2);
  ASSERT_TRUE(decide(call, held_, HeldDecision::kKeep));
  EXPECT_EQ(open(call, 1, 2'990), "audio");
  EXPECT_EQ(open(call, 1, 705), "audio");
  EXPECT_EQ(open(call, 0, 100), kErasedState) << "within its bound it was erased";
  EXPECT_TRUE(keeper->call_state(call)->lost.empty());
  persist();
  boot();
  EXPECT_EQ(open(call, 1, 2'990), "audio");
}

TEST_F(Held, AClosedCallIsErasedAsAWhole) {
  const auto call = closed_call();
  end(call, 3'000);
  EXPECT_EQ(decide(call, held_, HeldDecision::kErase)->outcome, OrderOutcome::kHeld);
  ASSERT_TRUE(decide(call, held_, HeldDecision::kErase, PersonId::random(entropy).hex()));
  EXPECT_EQ(states.back(), OrderOutcome::kErased);
  EXPECT_EQ(open(call, 1, 2'990), kErasedState);
  EXPECT_EQ(open_record(call, call_data), "{}");
  EXPECT_EQ(waiting(), 0u);
  const auto state = *keeper->call_state(call);
  for (const auto& range : state.erased) EXPECT_EQ(range.outcome, OrderOutcome::kErased);
  keeper->stop();
  for (const std::uint32_t i : {0u, 695u, 999u, 2'999u})
    EXPECT_FALSE(row().cover.opens(keys::leaf_of(1, i))) << i;
}

// Closed, ended, and the keeper died: what it had in memory is lost, and the account says so when
// the rest is opened again.
TEST_F(Held, OfAClosedCallWhatDiedWithAKeeperIsAccounted) {
  const auto call = closed_call();
  end(call, 3'000);
  keeper->listen_done({call});
  keeper->end_round();
  persist();
  boot();
  EXPECT_EQ(waiting(), 1u);
  ASSERT_TRUE(decide(call, held_, HeldDecision::kKeep));
  EXPECT_EQ(open(call, 1, 695), "audio");
  EXPECT_EQ(open(call, 1, 2'990), kErasedState);
  std::vector<SegmentRange> of_agent;
  const auto state = *keeper->call_state(call);
  for (const auto& range : state.lost)
    if (range.stream == 1) of_agent.push_back(range);
  EXPECT_EQ(of_agent, (std::vector<SegmentRange>{{1, 2'710, 3'000}}))
      << "what was heard too late to wait stands on the disk, the rest does not";
  const auto logged = lost_in_log(call);
  for (const auto& range : state.lost)
    EXPECT_NE(std::find(logged.begin(), logged.end(), range), logged.end()) << range.first;
}

// Held in memory only, and the keeper dies before a person has looked: nothing is left to keep.
TEST_F(Held, OfARunningCallWhatDiedWithAKeeperIsAccounted) {
  const auto call = with_held(false);
  end(call, 1'000);
  keeper->listen_done({call});
  persist();
  boot();
  EXPECT_EQ(keeper->held_calls().calls, std::vector<CallId>{call});
  ASSERT_TRUE(decide(call, held_, HeldDecision::kKeep));
  EXPECT_EQ(open(call, 0, 950), "audio");
  EXPECT_EQ(open(call, 0, 10), kErasedState);
  EXPECT_EQ(keeper->call_state(call)->lost, (std::vector<SegmentRange>{{0, 0, 900}, {1, 0, 900}}));
  EXPECT_EQ(lost_in_log(call), keeper->call_state(call)->lost) << "a proof explains it by the log";
}

// The keeper died before anything was persisted, the recorder with it, and the call ended then.
TEST_F(Held, OfACallThatEndedWithoutItsKeysWhatIsKeptIsAccounted) {
  const auto call = begin();
  record(call, 1'000);
  held_ = order(call, {{0, 0, 900}, {1, 0, 900}});
  boot();
  end(call, 1'000);
  ASSERT_TRUE(decide(call, held_, HeldDecision::kKeep));
  EXPECT_EQ(open(call, 0, 10), kErasedState);
  const std::vector<SegmentRange> all{{0, 0, 1'000}, {1, 0, 1'000}};
  EXPECT_EQ(join(keeper->call_state(call)->lost), all);
  EXPECT_EQ(join(lost_in_log(call)), all);
}

// The row was not written behind the decision: the next keeper finds the loss in the log, and says
// it no second time.
TEST_F(Held, WhatIsLostWithADecisionIsLoggedOnce) {
  const auto call = with_held(false);
  end(call, 1'000);
  keeper->listen_done({call});
  persist();
  boot();
  const auto rows = dir + "/rows";
  std::filesystem::create_directories(rows);
  for (const char* mirror : {"/a", "/b"})
    std::filesystem::copy(dir + mirror, rows + mirror, std::filesystem::copy_options::recursive);
  ASSERT_TRUE(decide(call, held_, HeldDecision::kKeep));
  const auto lost = lost_in_log(call);
  EXPECT_EQ(lost, (std::vector<SegmentRange>{{0, 0, 900}, {1, 0, 900}}));
  for (const char* mirror : {"/a", "/b"}) {  // as if it had died between log and row
    std::filesystem::remove_all(dir + mirror);
    std::filesystem::copy(rows + mirror, dir + mirror, std::filesystem::copy_options::recursive);
  }
  for (int i = 0; i < 2; ++i) {
    boot();
    EXPECT_EQ(lost_in_log(call), lost);
    EXPECT_EQ(keeper->call_state(call)->lost, lost);
  }
}

// A keeper that dies right behind the entry: the next one does what the person said, once.
TEST_F(Held, ADecisionIsCarriedOutByTheNextKeeper) {
  for (const auto decision : {HeldDecision::kKeep, HeldDecision::kErase}) {
    const auto call = with_held(true);
    ASSERT_TRUE(decide(call, held_, decision));
    boot();  // no row was written since
    EXPECT_EQ(open(call, 0, 10),
              decision == HeldDecision::kKeep ? "audio" : std::string(kErasedState));
    EXPECT_EQ(open(call, 0, 950), "audio");
    // Told alike while the log stands beyond the rows; later there is nothing held to decide.
    if (decision == HeldDecision::kKeep)
      EXPECT_EQ(decide(call, held_, decision)->outcome, OrderOutcome::kKept);
    else
      EXPECT_EQ(refusal(call, held_, decision), Errc::kNotFound);
    EXPECT_EQ(waiting(), 0u);
    boot();
    EXPECT_EQ(open(call, 0, 10),
              decision == HeldDecision::kKeep ? "audio" : std::string(kErasedState));
  }
  EXPECT_EQ(log_types()["held_decided"], 2);
}

// Kept, but the keeper that had it in memory died before the next round: lost, and said once.
TEST_F(Held, KeptInMemoryAndDeadBeforeTheRoundIsLost) {
  const auto call = with_held(false);
  ASSERT_TRUE(decide(call, held_, HeldDecision::kKeep));
  const auto before = log_types()["keeper_adopted"];
  for (int i = 0; i < 2; ++i) {
    boot();
    EXPECT_EQ(keeper->call_state(call)->lost,
              (std::vector<SegmentRange>{{0, 0, 900}, {1, 0, 900}}));
    EXPECT_EQ(log_types()["keeper_adopted"], before + 1);
    EXPECT_EQ(open(call, 0, 10), kErasedState);
    EXPECT_EQ(open(call, 0, 950), "audio");
  }
}

TEST_F(Held, AnEntryAloneIsEnough) {
  const auto call = with_held(true);
  // As if it had died between the entry and its effect.
  ASSERT_TRUE(log->stage({"held_decided",
                          "person",
                          call.hex(),
                          clock.utc_ms(),
                          {{"order", held_.hex()},
                           {"decision", "erase"},
                           {"reason", "password"},
                           {"ranges", boost::json::parse("[[0,0,900],[1,0,900]]")},
                           {"whole", false},
                           {"reason_hash", "hash"}}}));
  ASSERT_TRUE(log->commit());
  boot();
  EXPECT_EQ(log_types()["erase_intended"], 1);
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_EQ(states.back(), OrderOutcome::kErased);
  EXPECT_FALSE(row().cover.opens(keys::leaf_of(0, 10)));
  EXPECT_TRUE(row().cover.opens(keys::leaf_of(0, 950)));
}

TEST(HeldWithoutALog, NothingIsDecided) {
  FailingVfs failing;
  KeeperRig rig(failing, ::testing::TempDir() + "cw-held-log-" + std::to_string(::getpid()));
  rig.policy.person_share_percent = 95;
  std::filesystem::remove_all(rig.dir);
  ASSERT_TRUE(keys::KeyStore::create(failing, rig.entropy, rig.paths, rig.wrap));
  rig.boot();
  const auto call = rig.begin();
  rig.record(call, 1'000);
  rig.hear(call, 1'000);
  const auto held = rig.order(call, {{0, 0, 900}, {1, 0, 900}});
  failing.refuse = [&](const std::string& path, FileCall what) {
    return what != FileCall::kOpen && path.starts_with(rig.dir + "/log");
  };
  Answer<keys::HeldDecided> answer;
  rig.keeper->decide_held({call, held, HeldDecision::kKeep, "person", "hash"}, answer.reply());
  rig.keeper->end_round();
  EXPECT_FALSE(answer.value);
  EXPECT_EQ(rig.keeper->call_state(call)->erased.size(), 2u);
  // An order that is held, and whose entry fails, is repeated: it is held all the same, and once.
  Answer<keys::OrderAccepted> unlogged, repeated;
  const keys::EraseOrder more{
      OrderId::random(rig.entropy), call, {{0, 0, 950}, {1, 0, 950}}, "pin", ""};
  rig.keeper->erase_order(more, true, unlogged.reply());
  rig.keeper->end_round();
  EXPECT_FALSE(unlogged.value);
  failing.refuse = {};
  rig.mend();
  rig.keeper->erase_order(more, true, repeated.reply());
  rig.keeper->end_round();
  ASSERT_TRUE(repeated.value);
  EXPECT_EQ(repeated.value->outcome, OrderOutcome::kHeld);
  EXPECT_EQ(rig.keeper->call_state(call)->erased.size(), 4u);
  Answer<keys::HeldDecided> again;
  rig.keeper->decide_held({call, held, HeldDecision::kErase, "person", "hash"}, again.reply());
  rig.keeper->end_round();
  ASSERT_TRUE(again.value) << again.value.error().message;
  EXPECT_EQ(rig.states.back(), OrderOutcome::kErased);
  std::filesystem::remove_all(rig.dir);
}

// Rows of version 1 did not say which orders are held: all that they hold is one order.
TEST_F(Held, RowsOfVersionsOneAndTwoAreRead) {
  const auto call = with_held(true);
  keeper->stop();
  auto now = row();
  auto raw = now.encode_row();
  Bytes old(raw.expose().begin(), raw.expose().end());
  // Nor did those of version 2 say who ordered what: a byte, the number of such orders.
  constexpr std::ptrdiff_t kProposalsAt = 32;
  ASSERT_EQ(old[kProposalsAt], 0);
  old.erase(old.begin() + kProposalsAt);
  old[0] = 2;
  const auto second = CallKeys::decode_row(0, old);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->blocked[1].order, held_);
  EXPECT_FALSE(second->legal_hold || second->drop || !second->proposals.empty());
  old[0] = 1;
  // The ids of the two held ranges are taken out: 14 bytes into each block.
  const Bytes id(held_.bytes.begin(), held_.bytes.end());
  for (int i = 0; i < 2; ++i) {
    const auto at = std::search(old.begin(), old.end(), id.begin(), id.end());
    ASSERT_NE(at, old.end());
    old.erase(at, at + 16);
  }
  const auto read = CallKeys::decode_row(0, old);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->blocked.size(), 2u);
  EXPECT_EQ(read->blocked[0].range, now.blocked[0].range);
  EXPECT_EQ(read->blocked[0].kept_below, now.blocked[0].kept_below);
  EXPECT_EQ(read->blocked[1].order.hex(), call.hex());
  old[0] = 5;
  EXPECT_EQ(CallKeys::decode_row(0, old).error().code, Errc::kUnsupported);
}

}  // namespace
}  // namespace callward::erase
