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

// A keeper that does as it is told.
struct PrivateRig : AgentsRig {
  std::vector<keys::PrivateMode> asked;
  std::optional<Errc> refused;
  keys::PrivateState now{};
  store::CallEvent event = call(store::CallPhase::kLive, 5);
  std::string path = "/v1/calls/" + event.call.hex() + "/private";
  PrivateRig() {
    people_answers = [this](io::Channel& channel, io::Frame& frame) {
      if (frame.type == keys::PrivateMode::kType) {
        asked.push_back(*unpack<keys::PrivateMode>(frame.body));
        now = {.on = asked.back().on, .kept = asked.back().kept, .left_ms = 170'000, .times = 1};
      } else if (frame.type != keys::PrivateLook::kType) {
        return false;
      }
      if (refused)
        channel.reply(frame, keys::ErrorReply{*refused, "not now"});
      else
        channel.reply(frame, now);
      return true;
    };
    says("7001");
    service.on_call_event(event);
  }
  void speaks_in(std::uint16_t streams) {
    const std::lock_guard lock(told);
    streams_of_every_agent = streams;
  }
  boost::json::object press(const std::string& body, int status = 200) {
    const auto answer = ask("POST", path, ada, body);
    EXPECT_EQ(answer.status, status) << answer.body;
    return json_of(answer);
  }
  boost::json::value state() { return json_of(ask("GET", "/v1/live-call", ada)).at("private"); }
};

TEST(Private, TheCustomerOnlyKeepsTheStreamsThatTheRecorderNames) {
  PrivateRig rig;
  rig.speaks_in(0b10);
  const auto on = rig.press(R"({"on":true,"sides":"customer"})");
  EXPECT_EQ(on.at("sides").as_string(), "customer");
  ASSERT_EQ(rig.asked.size(), 1u);
  EXPECT_EQ(rig.asked[0].kept, 0b10);
  (void)rig.press(R"({"on":true,"sides":"both"})");
  (void)rig.press(R"({"on":true})");
  const auto off = rig.press(R"({"on":false,"sides":"customer"})");
  EXPECT_TRUE(off.at("sides").is_null());
  for (std::size_t i = 1; i < rig.asked.size(); ++i) EXPECT_EQ(rig.asked[i].kept, 0) << i;
  (void)rig.press(R"({"on":true,"sides":"agent"})", 400);
  (void)rig.press(R"({"on":true,"sides":1})", 400);
  EXPECT_EQ(rig.asked.size(), 4u);
}

// Whose stream is whose nobody can say: both sides, rather than the wrong one.
TEST(Private, WhereNobodyKnowsTheAgentsStreamBothSidesAre) {
  PrivateRig rig;
  for (const std::uint16_t streams : {std::uint16_t{0}, std::uint16_t{0b1}, std::uint16_t{0b11}}) {
    rig.speaks_in(streams);
    const auto on = rig.press(R"({"on":true,"sides":"customer"})");
    EXPECT_EQ(on.at("sides").as_string(), "both") << "and the page is told so";
    EXPECT_EQ(rig.asked.back().kept, 0);
  }
  rig.speaks_in(0b10);
  rig.says("7001", Errc::kUnavailable);
  EXPECT_EQ(rig.press(R"({"on":true,"sides":"customer"})").at("sides").as_string(), "both");
}

// A page that is loaded anew, and another one of the same person.
TEST(Private, APageIsToldHowItStands) {
  PrivateRig rig;
  EXPECT_FALSE(rig.state().at("on").as_bool());
  rig.speaks_in(0b10);
  (void)rig.press(R"({"on":true,"sides":"customer"})");
  EXPECT_TRUE(rig.state().at("on").as_bool());
  EXPECT_EQ(rig.state().at("sides").as_string(), "customer");
  EXPECT_EQ(rig.state().at("left_ms").to_number<int>(), 170'000);
  const auto stream = rig.ask("GET", "/v1/events", rig.ada);
  std::vector<std::string> told;
  for (const auto& one : rig.events.after(0))
    if (one.type == "live_call" && stream.may_see(one)) told.push_back(one.data);
  ASSERT_EQ(told.size(), 2u) << "that it began, and that it is private";
  EXPECT_TRUE(boost::json::parse(told.back()).at("private").at("on").as_bool());
  EXPECT_EQ(rig.seen(rig.bob).size(), 0u);
  // A keeper that is away says nothing: neither does the page guess.
  {
    const std::lock_guard lock(rig.told);
    rig.refused = Errc::kUnavailable;
  }
  EXPECT_TRUE(rig.state().is_null());
  EXPECT_EQ(rig.live_call(rig.ada), rig.event.call.hex());
}

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
