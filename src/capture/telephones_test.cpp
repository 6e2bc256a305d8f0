#include "capture/telephones.hpp"

#include <gtest/gtest.h>

#include "capture/test_bodies.hpp"

namespace callward::capture {
namespace {

const OwnParties kOwn({"7*", "+49 30 5550*"}, {"pbx.example"});
const std::vector<TestStream> kTwo = {{"1"}, {.label = "2", .port = 4002}};

// As the session does it: the first offer, then later ones.
struct Desk {
  Telephones telephones;
  std::vector<Lane> lanes;
  std::string take(const std::vector<TestStream>& streams, const std::string& metadata) {
    const auto offer = read_offer(kMultipart, test_body(test_sdp(streams), metadata));
    EXPECT_TRUE(offer);
    const auto plan = lanes.empty() ? *plan_first(*offer, kOwn) : plan_next(*offer, lanes);
    lanes = plan.lanes;
    telephones.take(*offer, plan, kOwn);
    return telephones.at(lanes);
  }
};
std::string of(const std::vector<TestParty>& parties,
               const std::vector<TestStream>& streams = kTwo) {
  return Desk().take(streams, test_metadata(parties));
}
std::string partial(const std::vector<TestParty>& parties) {
  auto text = test_metadata(parties);
  text.insert(text.find("<session"), "<datamode>partial</datamode>");
  return text;
}

TEST(Telephones, TheAgentsAsTheSystemWritesIt) {
  const struct {
    const char *aor, *telephone;
  } cases[] = {
      {"sip:7001@c", "7001"},
      {"SIP:7001@c:5061;transport=tls", "7001"},
      {"sips:7001;isub=3@[2001:db8::1];user=phone", "7001"},
      {"tel:7001", "7001"},
      {"tel:+49-30-5550-12;phone-context=x", "+49-30-5550-12"},
      {"sip:%2B4930555012@carrier", "+4930555012"},
      {"sip:0049305550@carrier", ""},  // own numbers say +49, and a prefix is not guessed there
      {"sip:Ann.B@pbx.example", "Ann.B"},
      {"\"B <sip:1@x>\" <sip:7001@c>", "7001"},
      {"7001", "7001"},
      {"sip:bob@elsewhere", ""},
      {"sip:pbx.example", ""},
      {"sip:@pbx.example", ""},
      {"", ""},
  };
  for (const auto& [aor, telephone] : cases) {
    std::string escaped;
    for (const char* c = aor; *c != 0; ++c)
      escaped += *c == '<' ? "&lt;" : *c == '"' ? "&quot;" : std::string(1, *c);
    EXPECT_EQ(of({{"sip:+15551@c", "Ann", "1", ""}, {escaped, "Bo", "2", ""}}), telephone) << aor;
  }
  EXPECT_EQ(of({{"sip:7" + std::string(kTelephoneBytesMax, '0') + "@c", "", "2", ""}}), "");
}

TEST(Telephones, NobodysOrSeveralIsNone) {
  EXPECT_EQ(of({{"sip:+15551@c", "", "1", ""}, {"sip:+15552@c", "", "2", ""}}), "")
      << "a customer's number is nobody's telephone";
  EXPECT_EQ(of({{"sip:7001@c", "", "1", ""}, {"sip:7002@c", "", "2", ""}}), "");
  EXPECT_EQ(of({{"sip:7001@c", "", "1", ""}, {"tel:70-01", "", "2", ""}}), "7001");
  Desk silent;
  EXPECT_EQ(silent.take(kTwo, "no XML"), "");
}

TEST(Telephones, WhereNoStreamIsSaidToBeOursTheOneWhoIsNamedCounts) {
  const std::string named =
      R"(<recording xmlns="urn:ietf:params:xml:ns:recording:1"><participant participant_id="a">)"
      R"(<nameID aor="sip:+15551@c"/></participant><participant participant_id="b">)"
      R"(<nameID aor="sip:7001@c"/></participant>)";
  const std::string third =
      R"(<participant participant_id="c"><nameID aor="sip:7003@c"/></participant>)";
  EXPECT_EQ(Desk().take({{"1"}}, named + "</recording>"), "7001") << "one stream, mixed";
  EXPECT_EQ(Desk().take(kTwo, named + third + "</recording>"), "");
  EXPECT_EQ(Desk().take({{"1"}}, R"(<recording><participant id="a"/><callingPartyNumber>+15551)"
                                 R"(</callingPartyNumber><calledPartyNumber>7001)"
                                 R"(</calledPartyNumber></recording>)"),
            "7001");
}

TEST(Telephones, LaterMetadataMaySayLittle) {
  Desk desk;
  ASSERT_EQ(
      desk.take(kTwo, test_metadata({{"sip:+15551@c", "", "1", ""}, {"sip:7001@c", "", "2", ""}})),
      "7001");
  auto held = kTwo;
  held[0].direction = held[1].direction = "inactive";
  EXPECT_EQ(desk.take(held, "no XML"), "7001");
  EXPECT_EQ(desk.take(held, partial({{"sip:+15552@c", "", "1", ""}})), "7001");
  EXPECT_EQ(desk.take(kTwo, partial({{"sip:7002@c", "", "2", ""}})), "7002")
      << "it was transferred";
  EXPECT_EQ(desk.take(kTwo, partial({{"sip:+15553@c", "", "2", ""}})), "")
      << "nobody of ours speaks, and two were named";
}

TEST(Telephones, AConferenceIsNobodysUntilOneIsLeft) {
  Desk desk;
  (void)desk.take(kTwo,
                  test_metadata({{"sip:+15551@c", "", "1", ""}, {"sip:7001@c", "", "2", ""}}));
  auto three = kTwo;
  three.push_back({.label = "3", .port = 4004});
  EXPECT_EQ(desk.take(three, partial({{"sip:7002@c", "", "3", ""}})), "");
  three[1].port = 0;  // the first one is gone
  EXPECT_EQ(desk.take(three, "no XML"), "7002");
}

TEST(Telephones, WithoutMetadataTheAddressesOfTheCallCount) {
  const auto of_addresses = [](const char* from, const char* to) {
    Telephones telephones;
    telephones.take_addresses(from, to, kOwn);
    return telephones.at({});
  };
  EXPECT_EQ(of_addresses("\"Bo\" <sip:7001@1.2.3.4>;tag=a", "<sip:recorder@pbx.example>"), "7001");
  EXPECT_EQ(of_addresses("<sip:+15551@c>;tag=a", "sip:7002@5.6.7.8;user=phone"), "7002");
  EXPECT_EQ(of_addresses("<sip:7001@c>", "<sip:7002@c>"), "");
  EXPECT_EQ(of_addresses("<sip:+15551@c>", "<sip:recorder@pbx.example>"), "");
}

TEST(Telephones, AreKeptWithTheSession) {
  Desk desk;
  (void)desk.take(kTwo,
                  test_metadata({{"sip:+15551@c", "", "1", ""}, {"sip:7001@c", "", "2", ""}}));
  const auto back = unpack<Telephones>(pack(desk.telephones));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->at(desk.lanes), "7001");
}

}  // namespace
}  // namespace callward::capture
