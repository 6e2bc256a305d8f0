// Destruction has bounds for persons, too: whole calls take two, legal holds stop both.
#include <unistd.h>

#include <filesystem>

#include "audit/rules.hpp"
#include "base/failing_vfs_test.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

using keys::HeldDecision;
using keys::OrderOutcome;

class WholeCalls : public ::testing::Test, public KeeperRig {
 protected:
  WholeCalls()
      : KeeperRig(disk(), ::testing::TempDir() + "cw-whole-" + std::to_string(::getpid())) {}
  static FailingVfs& disk() {
    static FailingVfs failing;
    return failing;
  }
  // No entry becomes durable until mend().
  void refuse_log() {
    disk().refuse = [this](const std::string& path, FileCall what) {
      return what != FileCall::kOpen && path.starts_with(dir + "/log");
    };
  }
  void log_is_back() {
    disk().refuse = {};
    mend();
  }
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
    call = heard(1'000);
  }
  void TearDown() override {
    disk().refuse = {};
    std::filesystem::remove_all(dir);
  }

  CallId heard(std::uint32_t segments) {
    const auto id = begin();
    record(id, segments);
    Answer<keys::Ack> ended;
    keeper->call_end({id, clock.utc_ms(), "bye", {{0, segments}, {1, segments}}}, ended.reply());
    hear(id, segments);
    keeper->listen_done({id});
    keeper->end_round();
    return id;
  }
  Result<keys::OrderAccepted> erase_all(const std::string& who) {
    Answer<keys::OrderAccepted> answer;
    whole = OrderId::random(entropy);
    keeper->erase_call({whole, call, "customer_request", who}, answer.reply());
    keeper->end_round();
    EXPECT_TRUE(answer.came);
    return std::move(answer.value);
  }
  Result<keys::HeldDecided> decide(const OrderId& order, const std::string& who,
                                   HeldDecision decision = HeldDecision::kErase) {
    Answer<keys::HeldDecided> answer;
    keeper->decide_held({call, order, decision, who, std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    return std::move(answer.value);
  }
  void hold(bool on) {
    Answer<keys::Ack> answer;
    keeper->set_hold({call, on, ada, std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    EXPECT_TRUE(answer.value);
  }
  OrderOutcome person_orders(std::vector<SegmentRange> ranges, const std::string& who) {
    last = OrderId::random(entropy);
    Answer<keys::OrderAccepted> answer;
    keeper->erase_order({last, call, std::move(ranges), "reviewer", who}, false, answer.reply());
    keeper->end_round();
    return answer.value ? answer.value->outcome : OrderOutcome::kRefused;
  }
  std::map<std::string, int> broken_rules() {
    audit::RuleChecker checker;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      checker.add(index, *audit::encode_entry(entry));
      return {};
    }));
    std::map<std::string, int> out;
    for (const auto& finding : checker.finish().findings) ++out[std::string(finding.rule->name)];
    return out;
  }

  CallId call;
  OrderId whole, last;
  std::string ada = PersonId::random(entropy).hex(), bob = PersonId::random(entropy).hex();
};

TEST_F(WholeCalls, OnePersonOnlyClosesItAndTheSameOneCannotConfirm) {
  const auto accepted = erase_all(ada);
  ASSERT_TRUE(accepted) << accepted.error().message;
  EXPECT_EQ(accepted->outcome, OrderOutcome::kHeld);
  EXPECT_EQ(open(call, 0, 5), kErasedState) << "closed to everybody";
  EXPECT_EQ(decide(whole, ada).error().code, Errc::kDenied);
  boot();
  EXPECT_EQ(decide(whole, ada).error().code, Errc::kDenied) << "known after a restart, too";
  EXPECT_EQ(log_types()["erase_intended"], 0);
  ASSERT_TRUE(decide(whole, bob, HeldDecision::kKeep));
  EXPECT_EQ(open(call, 0, 5), "audio") << "kept: open again";
  EXPECT_TRUE(broken_rules()["two-erase-a-call"] == 0);
}

TEST_F(WholeCalls, ConfirmedByAnotherEveryKeyGoesAndTheRow) {
  const auto data = call_data;
  EXPECT_EQ(open_record(call, data), "{}");
  ASSERT_TRUE(erase_all("operator"));
  EXPECT_EQ(decide(whole, "operator").error().code, Errc::kDenied)
      << "the command line is one person, whoever types";
  const auto epoch = store->epoch();
  ASSERT_TRUE(decide(whole, bob));
  EXPECT_GT(store->epoch(), epoch);
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_FALSE(keeper->call_state(call)->known) << "no row";
  EXPECT_NE(open_record(call, data), "{}") << "its own data went with it";
  EXPECT_NE(open(call, 0, 5), "audio");
  boot();
  EXPECT_FALSE(keeper->call_state(call)->known);
  EXPECT_TRUE(store->check()->empty());
  const auto row = store->get(0);
  EXPECT_TRUE(row && !*row) << "nor in the key store";
}

// Everything in its row is gone, and the keeper dies before it lets go of the row.
TEST_F(WholeCalls, AKeeperThatDiesInBetweenFinishesIt) {
  answer_wipes = false;
  ASSERT_TRUE(erase_all(ada));
  ASSERT_TRUE(decide(whole, bob));
  EXPECT_EQ(log_types()["erased"], 0) << "others still hold something";
  const auto row = CallKeys::decode_row(0, (*store->get(0))->expose());
  EXPECT_TRUE(row->cover.nodes().empty()) << "its own data's key is destroyed with an epoch, too";
  answer_wipes = true;
  boot();
  keeper->end_round();
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_FALSE(keeper->call_state(call)->known);
}

TEST_F(WholeCalls, ALegalHoldStopsBothAndOutlivesTheKeeper) {
  hold(true);
  EXPECT_EQ(erase_all(ada).error().code, Errc::kState);
  EXPECT_EQ(log_types()["hold_refused"], 1);
  boot();
  EXPECT_EQ(erase_all(ada).error().code, Errc::kState);
  EXPECT_EQ(keeper->holds().calls, std::vector<CallId>{call});
  EXPECT_EQ(person_orders({{0, 0, 1'000}, {1, 0, 1'000}}, ada), OrderOutcome::kRefused);
  EXPECT_EQ(person_orders({{0, 0, 10}}, ada), OrderOutcome::kAccepted)
      << "a secret goes all the same";
  hold(false);
  ASSERT_TRUE(erase_all(ada));
  hold(true);  // set between the two
  EXPECT_EQ(decide(whole, bob).error().code, Errc::kState);
  hold(false);
  EXPECT_TRUE(decide(whole, bob));
  EXPECT_EQ(broken_rules()["hold-is-kept"], 0);
}

// The keeper dies before the row has it: the log is enough.
TEST_F(WholeCalls, ALegalHoldIsInForceFromItsEntryOn) {
  Answer<keys::Ack> answer;
  keeper->set_hold({call, true, ada, std::string(64, 'a')}, answer.reply());
  ASSERT_TRUE(log->commit());
  boot();
  EXPECT_EQ(erase_all(ada).error().code, Errc::kState);
  EXPECT_EQ(keeper->holds().calls, std::vector<CallId>{call});
}

TEST_F(WholeCalls, BeyondAPersonsShareASecondOneConfirms) {
  // 2,000 segments: half of them is what one person may.
  EXPECT_EQ(person_orders({{0, 0, 600}}, ada), OrderOutcome::kAccepted);
  EXPECT_EQ(person_orders({{1, 0, 390}}, ada), OrderOutcome::kAccepted);
  EXPECT_EQ(person_orders({{1, 390, 900}}, ada), OrderOutcome::kHeld) << "slice by slice, too";
  EXPECT_EQ(open(call, 1, 500), kErasedState);
  EXPECT_EQ(decide(last, ada).error().code, Errc::kDenied);
  boot();
  EXPECT_EQ(decide(last, ada).error().code, Errc::kDenied);
  ASSERT_TRUE(decide(last, bob));
  EXPECT_EQ(log_types()["erased"], 3);
  EXPECT_EQ(open(call, 1, 950), "audio");
}

// What a captured server would try: to be taken for the listener, whose orders one person confirms.
TEST_F(WholeCalls, AServerThatCallsItselfTheListenerIsRefused) {
  EXPECT_EQ(person_orders({{0, 0, 10}}, "listener"), OrderOutcome::kRefused);
  EXPECT_EQ(person_orders({{0, 0, 1'000}, {1, 0, 1'000}}, "keeper"), OrderOutcome::kRefused);
  EXPECT_EQ(erase_all("listener").error().code, Errc::kDenied);
  EXPECT_EQ(erase_all(PersonId{}.hex()).error().code, Errc::kDenied) << "nobody";
  ASSERT_TRUE(erase_all(ada));
  EXPECT_EQ(decide(whole, "listener").error().code, Errc::kDenied);
  // Names that are no person's id are the operator, one person, however many there are.
  ASSERT_TRUE(decide(whole, bob, HeldDecision::kKeep));
  ASSERT_TRUE(erase_all("operator"));
  EXPECT_EQ(decide(whole, "somebody").error().code, Errc::kDenied);
  EXPECT_EQ(log_types()["erase_intended"], 0);
}

// The listener held so much of it that all of it is closed: most of that no machine took for a
// secret, and one person's word would be the end of the whole call.
class ClosedByTheListener : public WholeCalls {
 protected:
  void SetUp() override {
    WholeCalls::SetUp();
    call = begin();
    record(call, 3'000);
    order(call, {{0, 0, 2'900}, {1, 0, 690}});
    std::vector<SegmentRange> many;
    for (std::uint32_t at = 0; at < 400; ++at) many.push_back({1, 701 + 2 * at, 702 + 2 * at});
    closing = order(call, many);
    Answer<keys::Ack> ended;
    keeper->call_end({call, clock.utc_ms(), "bye", {{0, 3'000}, {1, 3'000}}}, ended.reply());
    hear(call, 3'000);
    keeper->listen_done({call});
    keeper->end_round();
  }
  OrderId closing;
};

TEST_F(ClosedByTheListener, OnePersonAloneDoesNotEraseIt) {
  const auto intended = log_types()["erase_intended"];
  const auto first = decide(closing, ada);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->outcome, OrderOutcome::kHeld);
  EXPECT_EQ(decide(closing, ada).error().code, Errc::kDenied);
  EXPECT_EQ(keeper->held_calls().total, 1u);
  boot();
  EXPECT_EQ(decide(closing, ada).error().code, Errc::kDenied) << "known after a restart, too";
  EXPECT_EQ(log_types()["erase_intended"], intended);
  ASSERT_TRUE(decide(closing, bob));
  EXPECT_EQ(open(call, 1, 2'990), kErasedState);
  EXPECT_EQ(open_record(call, call_data), "{}") << "nobody ordered that";
  EXPECT_EQ(broken_rules()["two-erase-a-call"], 0);
}

TEST_F(ClosedByTheListener, OnePersonOpensItAgain) {
  ASSERT_TRUE(decide(closing, ada));
  ASSERT_TRUE(decide(closing, ada, HeldDecision::kKeep)) << "keeping takes no second one";
  EXPECT_EQ(open(call, 1, 2'990), "audio");
  EXPECT_EQ(keeper->held_calls().total, 0u);
}

TEST_F(ClosedByTheListener, ALegalHoldStopsIt) {
  hold(true);
  EXPECT_EQ(decide(closing, ada).error().code, Errc::kState);
  EXPECT_EQ(log_types()["hold_refused"], 1);
  hold(false);
  ASSERT_TRUE(decide(closing, ada));
  hold(true);
  EXPECT_EQ(decide(closing, bob).error().code, Errc::kState) << "set between the two";
  EXPECT_EQ(log_types()["held_decided"], 0);
}

// What the listener wants gone one person confirms; under a legal hold not the whole call.
TEST_F(WholeCalls, ALegalHoldStopsWhatTheListenerWantsBeyondAPersonsShare) {
  call = begin();
  record(call, 1'000);
  hear(call, 1'000);
  const auto all = order(call, {{0, 0, 1'000}, {1, 0, 1'000}});
  ASSERT_EQ(outcome, OrderOutcome::kHeld);
  hold(true);
  EXPECT_EQ(decide(all, bob).error().code, Errc::kState);
  EXPECT_EQ(person_orders({{0, 0, 1'000}, {1, 0, 1'000}}, bob), OrderOutcome::kRefused)
      << "nor by ordering the same anew";
  EXPECT_EQ(log_types()["hold_refused"], 2);
  EXPECT_EQ(log_types()["erase_intended"], 0);
  EXPECT_EQ(person_orders({{0, 0, 100}}, bob), OrderOutcome::kAccepted) << "a secret still goes";
  hold(false);
  EXPECT_EQ(decide(all, bob)->outcome, OrderOutcome::kHeld) << "nor is it one person's otherwise";
  EXPECT_TRUE(decide(all, ada));
  EXPECT_EQ(open(call, 0, 500), kErasedState);
}

// A listener that somebody else commands, and one person: 2,000 segments, and not the end of them.
class ListenerAndOnePerson : public WholeCalls {
 protected:
  void SetUp() override {
    WholeCalls::SetUp();
    call = begin();
    record(call, 1'000);
    hear(call, 1'000);
  }
  std::uint64_t ordered_away() {
    std::vector<SegmentRange> ranges;
    const auto state = *keeper->call_state(call);
    for (const auto& block : state.erased)
      if (block.outcome != OrderOutcome::kHeld) ranges.push_back(block.range);
    std::uint64_t count = 0;
    for (const auto& range : join(ranges)) count += range.end - range.first;
    return count;
  }
};

TEST_F(ListenerAndOnePerson, WhatIsConfirmedCountsForThePersonsShare) {
  const auto most = order(call, {{0, 0, 1'000}, {1, 0, 300}});
  ASSERT_EQ(outcome, OrderOutcome::kHeld);
  const auto first = decide(most, ada);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->outcome, OrderOutcome::kHeld) << "more than half of the call";
  EXPECT_EQ(log_types()["held_decided"], 0);
  EXPECT_EQ(decide(most, ada).error().code, Errc::kDenied);
  EXPECT_EQ(person_orders({{0, 0, 1'000}, {1, 0, 300}}, ada), OrderOutcome::kHeld)
      << "nor by ordering the same anew";
  boot();
  EXPECT_EQ(decide(most, ada).error().code, Errc::kDenied) << "known after a restart, too";
  ASSERT_TRUE(decide(most, bob));
  EXPECT_EQ(open(call, 1, 100), kErasedState);
  EXPECT_EQ(broken_rules()["two-erase-a-call"], 0);
}

TEST_F(ListenerAndOnePerson, SliceBySliceTheyAreStoppedToo) {
  order(call, {{0, 0, 1'000}, {1, 0, 200}});
  ASSERT_EQ(outcome, OrderOutcome::kAccepted) << "its share";
  std::vector<OrderId> held;
  for (std::uint32_t at = 200; at < 1'000; at += 100) {
    held.push_back(order(call, {{1, at, at + 100}}));
    ASSERT_EQ(outcome, OrderOutcome::kHeld);
  }
  EXPECT_EQ(decide(held[0], ada)->outcome, OrderOutcome::kAccepted)
      << "what is small one person confirms";
  for (const auto& one : held) (void)decide(one, ada);
  EXPECT_EQ(ordered_away(), 1'800u);
  EXPECT_EQ(open(call, 1, 950), kErasedState) << "closed it is";
  EXPECT_EQ(keeper->held_calls().total, 1u);
  ASSERT_TRUE(decide(held.back(), bob));
  EXPECT_EQ(ordered_away(), 1'900u);
}

// Each is measured with those before it, also when they come together.
TEST_F(ListenerAndOnePerson, AllAtOnceTheyAreStoppedToo) {
  order(call, {{0, 0, 1'000}, {1, 0, 200}});
  std::vector<OrderId> held;
  for (std::uint32_t at = 200; at < 1'000; at += 100)
    held.push_back(order(call, {{1, at, at + 100}}));
  std::vector<Answer<keys::HeldDecided>> answers(held.size());
  for (std::size_t i = 0; i < held.size(); ++i)
    keeper->decide_held({call, held[i], keys::HeldDecision::kErase, ada, std::string(64, '0')},
                        answers[i].reply());
  keeper->end_round();
  EXPECT_EQ(ordered_away(), 1'800u);
}

// With very many holes the pieces between them go, too: they count.
TEST_F(ListenerAndOnePerson, ManySmallHolesAreNoWayAroundAShare) {
  std::vector<SegmentRange> holes;
  for (std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}})
    for (std::uint32_t i = 0; i < 510; ++i) holes.push_back({stream, i * 39, i * 39 + 1});
  for (const bool listener : {true, false}) {
    call = begin();
    record(call, 20'000);
    hear(call, 20'000);
    if (listener)
      order(call, holes);
    else
      outcome = person_orders(holes, ada);
    EXPECT_EQ(outcome, OrderOutcome::kHeld);
    EXPECT_EQ(ordered_away(), 0u);
  }
}

TEST_F(ListenerAndOnePerson, TheListenerThatComesLastIsStopped) {
  ASSERT_EQ(person_orders({{0, 0, 1'000}}, ada), OrderOutcome::kAccepted) << "her share";
  for (std::uint32_t at = 0; at < 1'000; at += 50) order(call, {{1, at, at + 50}});
  EXPECT_EQ(ordered_away(), 1'800u);
  EXPECT_EQ(outcome, OrderOutcome::kHeld);
}

TEST_F(ListenerAndOnePerson, TheFirstPersonsWordThatWasNotLoggedIsNoOrder) {
  const auto most = order(call, {{0, 0, 1'000}, {1, 0, 300}});
  refuse_log();
  EXPECT_FALSE(decide(most, ada));
  log_is_back();
  EXPECT_EQ(decide(most, bob)->outcome, OrderOutcome::kHeld) << "he is the first";
  EXPECT_TRUE(decide(most, ada));
}

// However short it is: 15 s of two sides are within the 30 s that the listener always may.
TEST_F(WholeCalls, OnePersonAloneErasesNoShortCallEither) {
  call = heard(150);
  EXPECT_EQ(person_orders({{0, 0, 150}, {1, 0, 150}}, ada), OrderOutcome::kHeld);
  EXPECT_EQ(person_orders({{0, 0, 150}}, ada), OrderOutcome::kAccepted) << "half of it";
}

// A listener that orders everything erased, one range after the other.
TEST_F(WholeCalls, AListenerThatWantsEverythingGoneGetsItsShareAndNoMore) {
  const auto live = begin();
  record(live, 1'000);
  hear(live, 1'000);
  for (std::uint32_t at = 0; at < 1'000; at += 50)
    order(live, {{0, at, at + 50}, {1, at, at + 50}});
  std::uint64_t erased = 0, held = 0;
  const auto state = *keeper->call_state(live);
  for (const auto& block : state.erased)
    (block.outcome == OrderOutcome::kHeld ? held : erased) += block.range.end - block.range.first;
  EXPECT_LE(erased, 2'000u * 60 / 100);
  EXPECT_EQ(erased + held, 2'000u) << "the rest is closed, and waits for a person";
}

// Two persons erase a call, and the log is where that can be seen: what is not in it no second one
// confirms, neither when the log is back nor after a restart.
TEST_F(WholeCalls, AnOrderThatWasNotLoggedIsNobodysToConfirm) {
  refuse_log();
  EXPECT_FALSE(erase_all(ada)) << "she is told";
  log_is_back();
  EXPECT_EQ(decide(whole, bob).error().code, Errc::kNotFound);
  EXPECT_EQ(keeper->held_calls().total, 0u);
  EXPECT_EQ(open(call, 0, 5), "audio") << "nothing was ordered";
  keeper->stop();
  boot();
  EXPECT_EQ(decide(whole, bob).error().code, Errc::kNotFound);
  EXPECT_EQ(log_types()["order_held"], 0);
  ASSERT_TRUE(erase_all(ada)) << "asked again";
  ASSERT_TRUE(decide(whole, bob));
  EXPECT_FALSE(keeper->call_state(call)->known);
}

TEST_F(WholeCalls, APersonsShareThatWasNotLoggedIsNobodysToConfirmEither) {
  refuse_log();
  EXPECT_EQ(person_orders({{0, 0, 1'000}, {1, 0, 100}}, ada), OrderOutcome::kRefused);
  log_is_back();
  EXPECT_EQ(decide(last, bob).error().code, Errc::kNotFound);
  EXPECT_EQ(keeper->held_calls().total, 0u);
  keeper->stop();
  boot();
  EXPECT_EQ(decide(last, bob).error().code, Errc::kNotFound);
  EXPECT_EQ(person_orders({{0, 0, 1'000}, {1, 0, 100}}, ada), OrderOutcome::kHeld);
  ASSERT_TRUE(decide(last, bob));
  EXPECT_EQ(open(call, 1, 50), kErasedState);
}

// The entry is durable and the keeper dies: the next one has it from the log.
TEST_F(WholeCalls, AnOrderIsInForceFromItsEntryOn) {
  Answer<keys::OrderAccepted> answer;
  whole = OrderId::random(entropy);
  keeper->erase_call({whole, call, "customer_request", ada}, answer.reply());
  EXPECT_FALSE(answer.came);
  Answer<keys::OrderAccepted> other;
  keeper->erase_call({OrderId::random(entropy), call, "customer_request", bob}, other.reply());
  EXPECT_FALSE(other.value) << "one at a time";
  ASSERT_TRUE(log->commit());
  boot();
  EXPECT_EQ(open(call, 0, 5), kErasedState);
  EXPECT_EQ(decide(whole, ada).error().code, Errc::kDenied);
  EXPECT_TRUE(decide(whole, bob));
}

// A row that says to have seen the entry must know the order: what a round writes for a call that
// begins is written when it does. The machine dies right behind that.
TEST_F(WholeCalls, AnOrderStandsInEachRowThatCountsItsEntry) {
  Answer<keys::OrderAccepted> answer;
  whole = OrderId::random(entropy);
  const auto as_it_was = dir + "/as-it-was";
  keeper->log_append(
      {"config_changed", "keeper", "-", "{\"hash\":\"" + std::string(64, '0') + "\"}"}, 0xFF,
      [&](const Result<keys::LogAppended>&) {
        std::filesystem::create_directories(as_it_was);
        for (const char* part : {"/a", "/b", "/log"})
          std::filesystem::copy(dir + part, as_it_was + part,
                                std::filesystem::copy_options::recursive);
      });
  ASSERT_FALSE(std::filesystem::exists(as_it_was)) << "it waits for the round";
  keeper->erase_call({whole, call, "customer_request", ada}, answer.reply());
  (void)begin();
  ASSERT_TRUE(std::filesystem::exists(as_it_was));
  for (const char* part : {"/a", "/b", "/log"}) {
    std::filesystem::remove_all(dir + part);
    std::filesystem::rename(as_it_was + part, dir + part);
  }
  boot();
  EXPECT_EQ(decide(whole, ada).error().code, Errc::kDenied);
  EXPECT_TRUE(decide(whole, bob));
}

// Lifted and set again in one round: no row may say the one and count the other's entry.
TEST_F(WholeCalls, AHoldStandsInEachRowThatCountsItsEntry) {
  const auto as_it_was = dir + "/as-it-was";
  const auto hold = [&](bool on, Reply<keys::Ack> reply) {
    keeper->set_hold({call, on, "operator", std::string(64, '0')}, std::move(reply));
  };
  hold(false, [&](const Result<keys::Ack>&) {
    std::filesystem::create_directories(as_it_was);
    for (const char* part : {"/a", "/b", "/log"})
      std::filesystem::copy(dir + part, as_it_was + part, std::filesystem::copy_options::recursive);
  });
  hold(true, [](const Result<keys::Ack>&) {});
  keeper->end_round();
  ASSERT_TRUE(std::filesystem::exists(as_it_was));
  for (const char* part : {"/a", "/b", "/log"}) {
    std::filesystem::remove_all(dir + part);
    std::filesystem::rename(as_it_was + part, dir + part);
  }
  boot();
  EXPECT_EQ(keeper->holds().total, 1u);
}

// What waited for a second person went with another order: there is nothing of it to decide, and it
// takes none of the places that a call has.
TEST_F(WholeCalls, WhatIsGoneMeanwhileWaitsForNobody) {
  ASSERT_EQ(person_orders({{0, 0, 1'000}, {1, 0, 10}}, ada), OrderOutcome::kHeld);
  ASSERT_TRUE(decide(last, bob));
  for (std::uint32_t i = 1; i <= 20; ++i) {
    ASSERT_EQ(person_orders({{1, i * 40, i * 40 + 10}}, ada), OrderOutcome::kHeld) << i;
    const auto inner = last;
    ASSERT_EQ(person_orders({{1, i * 40, i * 40 + 20}}, bob), OrderOutcome::kHeld) << i;
    ASSERT_TRUE(decide(last, ada));
    EXPECT_EQ(decide(inner, bob).error().code, Errc::kNotFound);
    EXPECT_EQ(keeper->held_calls().total, 0u);
  }
  keeper->stop();
  EXPECT_TRUE(CallKeys::decode_row(0, (*store->get(0))->expose())->proposals.empty());
  clock.advance_ms(48 * 3'600'000);
  boot();
  EXPECT_EQ(broken_rules()["held-is-decided"], 0) << "nobody has anything to decide";
}

// Nor do they in rows that were written before: they are read as what they are.
TEST_F(WholeCalls, ARowWhoseProposalsHoldNothingIsReadWithoutThem) {
  CallKeys row;
  row.id = call;
  row.streams = 0b11;
  row.proposals = {{OrderId::random(entropy), PersonId::random(entropy), 0},
                   {OrderId::random(entropy), PersonId::random(entropy), 0}};
  row.blocked = {{{0, 1, 5}, 0, BlockState::kHeld, row.proposals[1].order}};
  const auto read = CallKeys::decode_row(0, row.encode_row().expose());
  ASSERT_TRUE(read);
  ASSERT_EQ(read->proposals.size(), 1u);
  EXPECT_EQ(read->proposals[0].order, row.proposals[1].order);
  row.closed = true;  // then one stands for all of it, and has no range of its own
  row.closed_by = row.proposals[0].order;
  EXPECT_EQ(CallKeys::decode_row(0, row.encode_row().expose())->proposals.size(), 2u);
}

TEST_F(WholeCalls, ARunningCallIsNotErasedWhole) {
  call = begin();
  record(call, 100);
  EXPECT_EQ(erase_all(ada).error().code, Errc::kState);
}

}  // namespace
}  // namespace callward::erase
