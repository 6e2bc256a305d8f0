// Whose call is live, how often an address may try, and who is told of an event.
#include "api/live_calls.hpp"

#include "api/rig_test.hpp"

namespace callward::api {
namespace {

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

// What the recorder says of a call's telephone is told to whose it is, and to nobody else.
TEST(LiveCalls, AreToldToTheirAgentAlone) {
  Rig rig;
  const auto agent = people::bit(people::Role::kAgent);
  const auto ada = rig.signed_in("ada", agent), bob = rig.signed_in("bob", agent);
  const auto who = rig.people.session(ada)->person.id;
  rig.service.person_at = [&](const std::string& extension) {
    return extension == "7001" ? std::optional(who) : std::nullopt;
  };
  rig.service.extension_of = [&](const PersonId& id) { return id == who ? "7001" : ""; };
  rig.agent_of_every_call = "7001";
  rig.start_peers();
  const auto event = rig.call(store::CallPhase::kLive, 5);
  rig.service.on_call_event(event);
  const auto seen = [&](const std::string& token) {
    const auto stream = rig.ask("GET", "/v1/events", token);
    std::vector<std::string> types;
    for (const auto& one : rig.events.after(0))
      if (stream.may_see(one)) types.push_back(one.type);
    return types;
  };
  EXPECT_EQ(seen(ada), std::vector<std::string>{"live_call"});
  EXPECT_TRUE(seen(bob).empty());
  EXPECT_EQ(seen(rig.signed_in("rita")), std::vector<std::string>{"call"});
  auto over = event;
  over.phase = store::CallPhase::kSealing;
  rig.service.on_call_event(over);
  EXPECT_EQ(seen(ada), (std::vector<std::string>{"live_call", "live_call"}));
  EXPECT_FALSE(rig.service.live_calls.knows(event.call));
}

}  // namespace
}  // namespace callward::api
