#include "capture/offer.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "capture/call_data.hpp"
#include "capture/test_bodies.hpp"

namespace callward::capture {
namespace {

using Flags = std::vector<std::string>;

const OwnParties kOwn({"7*"}, {"pbx.example"});
const std::vector<TestStream> kTwo = {{"1"}, {.label = "2", .port = 4002}};

struct RoleCase {
  const char* name;
  std::vector<TestStream> streams;
  std::vector<TestParty> parties;
  std::vector<int> numbers;  // expected stream number per m-line
  Direction direction;
  Flags flags;
};

std::vector<RoleCase> role_cases() {
  const TestParty customer1{"sip:+15551@c", "Ann", "1", "true"},
      agent2{"sip:7001@c", "Bo", "2", "false"};
  const TestParty agent1{"sip:7001@c", "Bo", "1", "true"},
      customer2{"sip:+15551@c", "Ann", "2", "false"};
  auto quiet1 = customer1, quiet2 = agent2;
  quiet1.calling = quiet2.calling = "";
  return {
      {"incoming", kTwo, {customer1, agent2}, {0, 1}, Direction::kIncoming, {}},
      {"outgoing", kTwo, {agent1, customer2}, {1, 0}, Direction::kOutgoing, {}},
      {"incoming_agent_listed_first", kTwo, {agent2, customer1}, {0, 1}, Direction::kIncoming, {}},
      {"caller_by_order",
       kTwo,
       {quiet1, quiet2},
       {0, 1},
       Direction::kIncoming,
       {"direction_guessed"}},
      {"own_by_domain",
       kTwo,
       {{"sip:x@pbx.example", "", "1", "true"}, {"sip:y@c", "", "2", ""}},
       {1, 0},
       Direction::kOutgoing,
       {}},
      {"nobody_is_ours",
       kTwo,
       {{"sip:1@c", "", "1", ""}, {"sip:2@c", "", "2", ""}},
       {0, 1},
       Direction::kUnknown,
       {"roles_guessed"}},
      {"both_are_ours",
       kTwo,
       {{"sip:71@c", "", "1", ""}, {"sip:72@c", "", "2", ""}},
       {0, 1},
       Direction::kUnknown,
       {"roles_guessed"}},
      {"only_ours_is_known",
       kTwo,
       {{"sip:71@c", "", "1", "true"}},
       {1, 0},
       Direction::kOutgoing,
       {}},
      {"one_line",
       {{"1"}},
       {customer1, agent2},
       {0},
       Direction::kIncoming,
       {"mixed", "direction_guessed"}},
      {"conference",
       {{"1"}, {"2"}, {"3"}, {"4"}},
       {{"sip:71@c", "", "1", ""},
        {"sip:72@c", "", "2", ""},
        {"sip:55@c", "", "3", "true"},
        {"sip:56@c", "", "4", ""}},
       {1, 2, 0, 3},
       Direction::kIncoming,
       {}},
  };
}

// Who vouches for the caller's number.
std::vector<RoleCase> attested_cases() {
  const TestParty agent2{"sip:7001@c", "Bo", "2", "false"};
  return {
      {"attested",
       kTwo,
       {{"sip:+15551;verstat=TN-Validation-Passed-A@c", "Ann", "1", "true"}, agent2},
       {0, 1},
       Direction::kIncoming,
       {"attested_a"}},
      {"not_attested_by_who_is_there_besides",
       kTwo,
       {{"sip:+15551@c", "Ann", "1", "true"},
        agent2,
        {"sip:+15552;verstat=TN-Validation-Passed-A@c", "Cy", "3", ""}},
       {0, 1},
       Direction::kIncoming,
       {}},
      {"not_attested_where_nobody_knows_who_rang",
       kTwo,
       {{"sip:+15551;verstat=TN-Validation-Passed-A@c", "Ann", "1", ""},
        {"sip:+15552;verstat=TN-Validation-Failed@c", "Cy", "2", ""}},
       {0, 1},
       Direction::kUnknown,
       {"roles_guessed", "attestation_failed"}},
      {"not_attested_by_who_is_ours_or_was_dialled",
       kTwo,
       {{"sip:7001@c;verstat=TN-Validation-Passed-A", "Bo", "1", "true"},
        {"sip:+15551@c;verstat=TN-Validation-Passed-A", "Ann", "2", "false"}},
       {1, 0},
       Direction::kOutgoing,
       {}},
  };
}

TEST(Roles, WhoIsTheCustomer) {
  auto cases = role_cases();
  for (auto& one : attested_cases()) cases.push_back(std::move(one));
  for (const auto& given : cases) {
    const auto offer =
        read_offer(kMultipart, test_body(test_sdp(given.streams), test_metadata(given.parties)));
    ASSERT_TRUE(offer) << given.name << " " << offer.error().cause;
    const auto plan = plan_first(*offer, kOwn);
    ASSERT_TRUE(plan) << given.name;
    std::vector<int> numbers;
    for (const auto& lane : plan->lanes) numbers.push_back(lane.stream);
    EXPECT_EQ(numbers, given.numbers) << given.name;
    EXPECT_EQ(plan->direction, given.direction) << given.name;
    EXPECT_EQ(plan->flags, given.flags) << given.name;
    for (const auto& lane : plan->lanes) {
      const auto expected = given.streams.size() == 1 ? Party::kMixed
                            : lane.stream == 0        ? Party::kCustomer
                            : lane.stream == 1        ? Party::kAgent
                                                      : Party::kOther;
      EXPECT_EQ(lane.party, expected) << given.name;
    }
  }
}

TEST(Roles, WithoutMetadataTheFirstStreamIsTheCustomers) {
  const auto offer = read_offer("application/sdp", test_sdp(kTwo));
  ASSERT_TRUE(offer);
  const auto plan = plan_first(*offer, kOwn);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lanes[0].party, Party::kCustomer);
  EXPECT_EQ(plan->flags, (Flags{"no_metadata", "roles_guessed"}));
}

TEST(Offer, UnreadableMetadataIsKeptAndTheCallIsRecorded) {
  const auto offer = read_offer(kMultipart, test_body(test_sdp(kTwo), "<recording><oops"));
  ASSERT_TRUE(offer);
  EXPECT_FALSE(offer->metadata);
  ASSERT_EQ(offer->metadata_raw.size(), 1u);
  EXPECT_EQ(offer->metadata_raw[0], "<recording><oops");
  EXPECT_EQ(offer->flags, Flags{"metadata_unreadable"});
  EXPECT_TRUE(plan_first(*offer, kOwn));
}

TEST(Offer, WhatCannotBeRecordedIsRefusedWithTheRightCode) {
  const auto refused = [](std::string_view type, const std::string& body) -> Refusal {
    const auto offer = read_offer(type, body);
    if (!offer) return offer.error();
    const auto plan = plan_first(*offer, kOwn);
    return plan ? Refusal{} : plan.error();
  };
  const struct {
    Refusal got;
    std::uint16_t status;
    const char* cause;
  } cases[] = {
      {refused("text/plain", "hello"), 415, "unsupported_body"},
      {refused("application/sdp", std::string(70'000, 'v')), 513, "body_too_large"},
      {refused("multipart/mixed;boundary=b", "nothing"), 400, "bad_body"},
      {refused("application/sdp", "v=0\r\nm=audio x y\r\n"), 400, "bad_sdp"},
      {refused("application/sdp", "v=0\r\n"), 488, "no_media"},
      {refused("application/sdp", test_sdp({{.port = 0}})), 488, "no_media"},
      {refused("application/sdp", test_sdp({{.formats = "18 3"}})), 488, "no_codec"},
      {refused("application/sdp", test_sdp({{.protocol = "RTP/SAVP"}})), 488,
       "unsupported_transport"},
      {refused("application/sdp", "v=0\r\nm=video 4000 RTP/AVP 31\r\n"), 488, "no_media"},
  };
  for (const auto& [got, status, cause] : cases) {
    EXPECT_EQ(got.status, status) << cause;
    EXPECT_EQ(got.cause, cause);
  }
}

TEST(Offer, OneStreamOfTwoIsBetterThanNone) {
  const auto offer =
      read_offer("application/sdp", test_sdp({{.formats = "18"}, {.label = "2", .formats = "8"}}));
  ASSERT_TRUE(offer);
  auto plan = plan_first(*offer, kOwn);
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->lanes[0].recorded);
  EXPECT_EQ(plan->lanes[1].codec, 8);
  EXPECT_NE(std::find(plan->flags.begin(), plan->flags.end(), "stream_refused"), plan->flags.end());
  plan->lanes[1].port = 30'000;
  const auto answer = write_answer(*offer, plan->lanes, "127.0.0.1", 1, 1);
  EXPECT_NE(answer.find("m=audio 0 RTP/AVP 18"), std::string::npos);
  EXPECT_NE(answer.find("m=audio 30000 RTP/AVP 8"), std::string::npos);
}

TEST(Offer, HoldResumeAddAndRemoveKeepStreamNumbers) {
  const auto read = [](const std::vector<TestStream>& streams) {
    return *read_offer("application/sdp", test_sdp(streams));
  };
  auto lanes = plan_first(read(kTwo), kOwn)->lanes;
  auto held = kTwo;
  held[0].direction = "inactive";
  lanes = plan_next(read(held), lanes).lanes;
  EXPECT_EQ(lanes[0].mode, Mode::kOnHold);
  EXPECT_EQ(lanes[1].mode, Mode::kActive);
  auto more = kTwo;
  more.push_back({.label = "3"});
  const auto added = plan_next(read(more), lanes);
  lanes = added.lanes;
  EXPECT_EQ(added.flags, Flags{"stream_added"});
  EXPECT_EQ(lanes[0].mode, Mode::kActive);
  EXPECT_EQ(lanes[2].stream, 2);
  EXPECT_EQ(lanes[2].party, Party::kOther);
  more[1].port = 0;
  lanes = plan_next(read(more), lanes).lanes;
  EXPECT_EQ(lanes[1].mode, Mode::kRemoved);
  lanes = plan_next(read(kTwo), lanes).lanes;
  EXPECT_EQ(lanes[1].mode, Mode::kActive);
  EXPECT_EQ(lanes[1].stream, 1);
  EXPECT_EQ(lanes[2].mode, Mode::kRemoved) << "an m-line left out has no stream any more";
}

// The SDP's address is 192.0.2.1 unless said otherwise.
std::vector<Endpoint> sources_of(std::string sdp, const char* signalling,
                                 const std::vector<Lane>& before = {}) {
  auto offer = read_sdp_parts({std::move(sdp)});
  EXPECT_TRUE(offer.has_value());
  if (signalling != nullptr) offer->signalling = parse_endpoint(signalling, 5060);
  if (!before.empty()) return plan_next(*offer, before).lanes.at(0).sources;
  const auto plan = plan_first(*offer, kOwn);
  EXPECT_TRUE(plan.has_value());
  return plan->lanes.at(0).sources;
}
std::string with_address(const std::string& address, int port = 4000) {
  auto sdp = test_sdp({{.port = port}});
  const std::string line = "c=IN IP4 192.0.2.1";
  return sdp.replace(sdp.find(line), line.size(), "c=" + address);
}

TEST(Offer, SaysWhoSends) {
  using Sources = std::vector<Endpoint>;
  const auto at = [](const char* address, std::uint16_t port) {
    return *parse_endpoint(address, port);
  };
  EXPECT_EQ(sources_of(with_address("IN IP4 192.0.2.1"), "198.51.100.7"),
            Sources{at("192.0.2.1", 4000)});
  EXPECT_EQ(sources_of(with_address("IN IP6 2001:db8::5"), nullptr),
            Sources{at("2001:db8::5", 4000)});
  EXPECT_EQ(sources_of(with_address("IN IP4 10.0.0.5"), "198.51.100.7"),
            (Sources{at("10.0.0.5", 4000), at("198.51.100.7", 0)}));
  EXPECT_EQ(sources_of(with_address("IN IP4 10.0.0.5"), "10.0.0.5"), Sources{at("10.0.0.5", 4000)});
  EXPECT_EQ(sources_of(with_address("IN IP4 192.0.2.1", 9), nullptr), Sources{at("192.0.2.1", 0)});
  EXPECT_EQ(sources_of(with_address("IN IP4 media.example"), "198.51.100.7"), Sources{});
  EXPECT_EQ(sources_of(with_address("IN IP4 0.0.0.0"), nullptr), Sources{});
  // A media line's own address counts before the session's.
  auto own = with_address("IN IP4 192.0.2.1");
  own.insert(own.find("a=label"), "c=IN IP4 192.0.2.8\r\n");
  EXPECT_EQ(sources_of(own, nullptr), Sources{at("192.0.2.8", 4000)});
  // Held by 0.0.0.0, or taken away: as before. Moved: as said.
  auto first = read_sdp_parts({with_address("IN IP4 192.0.2.1")});
  const auto lanes = plan_first(*first, kOwn)->lanes;
  EXPECT_EQ(sources_of(with_address("IN IP4 0.0.0.0"), nullptr, lanes),
            Sources{at("192.0.2.1", 4000)});
  EXPECT_EQ(sources_of(with_address("IN IP4 192.0.2.1", 0), nullptr, lanes),
            Sources{at("192.0.2.1", 4000)});
  EXPECT_EQ(sources_of(with_address("IN IP4 192.0.2.9", 5000), nullptr, lanes),
            Sources{at("192.0.2.9", 5000)});
}

TEST(Offer, WhatNeverHadMediaIsSilentNotHeld) {
  const auto offer =
      read_offer("application/sdp", test_sdp({{.direction = "inactive"}, {.label = "2"}}));
  const auto plan = plan_first(*offer, kOwn);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lanes[0].mode, Mode::kSilent);
  EXPECT_EQ(plan->lanes[1].mode, Mode::kActive);
}

TEST(Offer, MoreStreamsThanACallHoldsAreRefusedNotTheCall) {
  const auto offer = read_offer("application/sdp", test_sdp(std::vector<TestStream>(20)));
  const auto plan = plan_first(*offer, kOwn);
  ASSERT_TRUE(plan);
  EXPECT_EQ(std::count_if(plan->lanes.begin(), plan->lanes.end(),
                          [](const auto& lane) { return lane.recorded; }),
            15);
}

TEST(CallData, IsJsonWhateverThePeerSent) {
  EXPECT_EQ(valid_utf8("a\xC3\xA4\xF0\x9F\x98\x80"), "a\xC3\xA4\xF0\x9F\x98\x80");
  EXPECT_EQ(valid_utf8("\xC3"), "\xEF\xBF\xBD");
  EXPECT_EQ(valid_utf8("\xC0\x80x\xED\xA0\x80"),
            "\xEF\xBF\xBD\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  const auto offer = read_offer(
      kMultipart, test_body(test_sdp(kTwo), test_metadata({{"sip:+15551@c", "A\"b", "1", ""},
                                                           {"sip:7001@c", "", "2", ""}})));
  const auto plan = plan_first(*offer, kOwn);
  const auto data = write_call_data({.call_id = "x\xFFy"}, *offer, *plan, {"flag"});
  const std::string text(as_text(data.expose()));
  EXPECT_NE(text.find(R"("customer":{"number":"+15551","name":"A\"b","uri":"sip:+15551@c"})"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"("agent":{"number":"7001",)"), std::string::npos);
  EXPECT_NE(text.find(R"({"stream":1,"party":"agent","label":"2")"), std::string::npos);
  EXPECT_NE(text.find("\"call_id\":\"x\xEF\xBF\xBDy\""), std::string::npos);
  EXPECT_NE(text.find(R"("flags":["flag"],"metadata":[")"), std::string::npos);
}

}  // namespace
}  // namespace callward::capture
