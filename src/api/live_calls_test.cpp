// Whose call is live, how often an address may try, and who is told of an event.
#include "api/live_calls.hpp"

#include "api/rig_test.hpp"

namespace callward::api {
namespace {

using test::json_of;
using test::Rig;

CallId call_of(std::uint8_t n) {
  CallId id;
  id.bytes[0] = n;
  return id;
}

TEST(LiveCalls, TheNewestAtATelephoneIsItsCall) {
  LiveCalls calls;
  EXPECT_FALSE(calls.at("7001"));
  calls.begin({call_of(1), "7001", 10});
  calls.begin({call_of(2), "7001", 20});
  calls.begin({call_of(3), "7002", 30});
  calls.begin({call_of(4), "", 40});  // at nobody's telephone
  EXPECT_EQ(calls.at("7001")->call, call_of(2));
  EXPECT_FALSE(calls.at(""));
  EXPECT_EQ(calls.end(call_of(2))->extension, "7001");
  EXPECT_FALSE(calls.end(call_of(2)));
  EXPECT_EQ(calls.at("7001")->call, call_of(1));
  EXPECT_TRUE(calls.knows(call_of(4)));
}

TEST(LiveCalls, ATelephoneIsItselfInEachSpelling) {
  LiveCalls calls;
  calls.begin({call_of(1), "+49 30 123456", 10});
  calls.begin({call_of(2), "Ann", 20});
  for (const auto* spelt : {"+4930123456", "004930123456", "49-30-123456"})
    EXPECT_EQ(calls.at(spelt)->call, call_of(1)) << spelt;
  EXPECT_EQ(calls.at("ANN")->call, call_of(2));
  EXPECT_FALSE(calls.at("30123456"));
  calls.begin({call_of(3), "-", 30});
  EXPECT_FALSE(calls.at("-")) << "no telephone";
}

TEST(LiveCalls, OneThatGoesToAnotherTelephoneIsThere) {
  LiveCalls calls;
  EXPECT_FALSE(calls.begin({call_of(1), "7001", 10}));
  EXPECT_EQ(calls.begin({call_of(1), "7002", 10})->extension, "7001");
  EXPECT_FALSE(calls.at("7001"));
  EXPECT_EQ(calls.find(call_of(1))->extension, "7002");
  calls.begin({call_of(2), "7003", 10});
  const auto over = calls.keep({call_of(2), call_of(9)});
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].call, call_of(1));
  EXPECT_FALSE(calls.find(call_of(1)));
  EXPECT_TRUE(calls.knows(call_of(2)));
}

TEST(LiveCalls, AreBounded) {
  LiveCalls calls;
  CallId id;
  for (std::size_t i = 0; i < LiveCalls::kCallsMax; ++i) {
    store_le(id.bytes.data(), i + 1);
    calls.begin({id, "", 0});
  }
  calls.begin({call_of(255), "7001", 0});
  store_le(id.bytes.data(), std::uint64_t{LiveCalls::kCallsMax} + 7);
  calls.begin({id, "7002", 0});
  EXPECT_FALSE(calls.at("7002")) << "one more is nobody's";
  EXPECT_TRUE(calls.at("7001")) << "one that is known may change";
}

TEST(TryLimit, HoldsForEachForAllAndAMinute) {
  ManualClock clock;
  TryLimit limit(clock, 2, 3);
  EXPECT_TRUE(limit.may("a"));
  EXPECT_TRUE(limit.may("a"));
  EXPECT_FALSE(limit.may("a"));
  EXPECT_TRUE(limit.may("b"));
  EXPECT_FALSE(limit.may("c"));  // all together
  clock.advance_ms(60'000);
  EXPECT_TRUE(limit.may("a"));
}

TEST(TryLimit, KeepsABoundedNumberOfAddresses) {
  ManualClock clock;
  TryLimit limit(clock, 1, 1'000'000);
  for (std::size_t i = 0; i < TryLimit::kKeysMax; ++i) ASSERT_TRUE(limit.may(std::to_string(i)));
  EXPECT_FALSE(limit.may("one more"));
}

struct AgentsRig : Rig {
  std::string ada = signed_in("ada", people::bit(people::Role::kAgent)),
              bob = signed_in("bob", people::bit(people::Role::kAgent));
  PersonId is_ada = people.session(ada)->person.id, is_bob = people.session(bob)->person.id;
  AgentsRig() {
    service.person_at = [this](const std::string& at) {
      return at == "7001"   ? std::optional(is_ada)
             : at == "7002" ? std::optional(is_bob)
                            : std::nullopt;
    };
    service.extension_of = [this](const PersonId& id) {
      return id == is_ada ? "7001" : id == is_bob ? "7002" : "";
    };
    start_peers();
  }
  void says(const std::string& agent, std::optional<Errc> refused = std::nullopt) {
    const std::lock_guard lock(told);
    agent_of_every_call = agent;
    agent_refused = refused;
  }
  std::vector<std::string> seen(const std::string& token) {
    const auto stream = ask("GET", "/v1/events", token);
    std::vector<std::string> types;
    for (const auto& one : events.after(0))
      if (stream.may_see(one)) types.push_back(one.type);
    return types;
  }
  // "": none.
  std::string live_call(const std::string& token) {
    const auto call = json_of(ask("GET", "/v1/live-call", token))["call"];
    return call.is_string() ? std::string(call.as_string()) : std::string();
  }
};

// What the recorder says of a call's telephone is told to whose it is, and to nobody else.
TEST(LiveCalls, AreToldToTheirAgentAlone) {
  AgentsRig rig;
  rig.says("7001");
  const auto event = rig.call(store::CallPhase::kLive, 5);
  rig.service.on_call_event(event);
  EXPECT_EQ(rig.seen(rig.ada), std::vector<std::string>{"live_call"});
  EXPECT_TRUE(rig.seen(rig.bob).empty());
  EXPECT_EQ(rig.seen(rig.signed_in("rita")), std::vector<std::string>{"call"});
  EXPECT_EQ(rig.live_call(rig.ada), event.call.hex());
  EXPECT_EQ(rig.live_call(rig.bob), "");
  rig.service.on_call_event(event);
  EXPECT_EQ(rig.seen(rig.ada).size(), 1u) << "no news";
  auto over = event;
  over.phase = store::CallPhase::kSealing;
  rig.service.on_call_event(over);
  EXPECT_EQ(rig.seen(rig.ada), (std::vector<std::string>{"live_call", "live_call"}));
  EXPECT_FALSE(rig.service.live_calls.knows(event.call));
  EXPECT_EQ(rig.live_call(rig.ada), "");
}

TEST(LiveCalls, ATransferIsToldToBoth) {
  AgentsRig rig;
  rig.says("7001");
  const auto event = rig.call(store::CallPhase::kLive, 5);
  rig.service.on_call_event(event);
  rig.says("7002");
  rig.service.on_call_event(event);
  EXPECT_EQ(rig.live_call(rig.ada), "");
  EXPECT_EQ(rig.live_call(rig.bob), event.call.hex());
  EXPECT_EQ(rig.seen(rig.ada).size(), 2u);
  EXPECT_EQ(rig.seen(rig.bob).size(), 1u);
}

TEST(LiveCalls, WhatTheRecorderCannotSayYetStaysAsItWas) {
  AgentsRig rig;
  const auto event = rig.call(store::CallPhase::kLive, 5);
  rig.says("", Errc::kUnavailable);
  rig.service.on_call_event(event);
  EXPECT_TRUE(rig.service.live_calls.knows(event.call));
  EXPECT_EQ(rig.live_call(rig.ada), "");
  rig.says("7001");
  rig.service.on_call_event(event);
  EXPECT_EQ(rig.live_call(rig.ada), event.call.hex());
  rig.says("", Errc::kUnavailable);  // a recorder that came back
  rig.service.on_call_event(event);
  EXPECT_EQ(rig.live_call(rig.ada), event.call.hex());
  EXPECT_EQ(rig.seen(rig.ada).size(), 1u);
}

TEST(LiveCalls, WhatEndedWhileNobodyListenedIsOver) {
  AgentsRig rig;
  rig.says("7001");
  const auto gone = rig.call(store::CallPhase::kLive, 5);
  auto sealing = rig.call(store::CallPhase::kLive, 6);
  rig.service.on_call_event(gone);
  rig.service.on_call_event(sealing);
  sealing.phase = store::CallPhase::kSealing;
  rig.service.settle_live({sealing});
  EXPECT_EQ(rig.live_call(rig.ada), "");
  EXPECT_EQ(rig.seen(rig.ada).size(), 4u);
}

}  // namespace
}  // namespace callward::api
