#include "wire/sdp.hpp"

#include <gtest/gtest.h>

namespace callward::wire {
namespace {

constexpr std::string_view kOffer =
    "v=0\r\no=src 12 34 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\na=sendonly\r\n"
    "m=audio 4000 RTP/AVP 96 0 8 101\r\nc=IN IP4 192.0.2.8/127\r\na=rtpmap:96 opus/48000/2\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 "
    "0-15\r\na=label:1\r\na=ptime:20\r\na=record:on\r\n"
    "m=audio 4002/2 RTP/AVP 8\r\na=label:agent\r\na=inactive\r\n"
    "m=video 0 RTP/AVP 31\r\n"
    "m=application 9 UDP/BFCP *\r\n";

TEST(Sdp, LevelsDirectionsAndCodecs) {
  const auto sdp = parse_sdp(kOffer);
  ASSERT_TRUE(sdp) << sdp.error().message;
  EXPECT_EQ(sdp->origin_id, "12");
  EXPECT_EQ(sdp->origin_version, "34");
  ASSERT_EQ(sdp->media.size(), 4u);
  const auto& first = sdp->media[0];
  EXPECT_EQ(first.address, "192.0.2.8") << "its own c= line wins";
  EXPECT_EQ(first.direction, MediaDirection::kSendOnly) << "the session's direction";
  EXPECT_EQ(first.ptime_ms, 20);
  EXPECT_EQ(first.record, "on");
  ASSERT_EQ(first.codecs.size(), 4u);
  EXPECT_EQ(first.codecs[0].name, "OPUS");
  EXPECT_EQ(first.codecs[0].channels, 2);
  ASSERT_NE(find_codec(first, "PCMU", 8000), nullptr) << "a static type needs no rtpmap";
  ASSERT_NE(find_telephone_event(first, 8000), nullptr);
  EXPECT_EQ(find_telephone_event(first, 8000)->parameters, "0-15");
  EXPECT_EQ(find_telephone_event(first, 48000), nullptr);
  const auto& second = sdp->media[1];
  EXPECT_EQ(second.port, 4002);
  EXPECT_EQ(second.address, "192.0.2.7");
  EXPECT_EQ(second.direction, MediaDirection::kInactive);
  EXPECT_EQ(second.label, "agent");
  EXPECT_EQ(sdp->media[2].port, 0);
  EXPECT_EQ(sdp->media[3].formats, std::vector<std::string>{"*"});
}

TEST(Sdp, AZeroAddressIsTheOldWayToHold) {
  const auto sdp = parse_sdp("v=0\nc=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n");
  ASSERT_TRUE(sdp);
  EXPECT_TRUE(sdp->media[0].zero_address);
  const auto none = parse_sdp("v=0\nm=audio 4000 RTP/AVP 0\n");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->media[0].zero_address) << "no c= line at all is something else";
}

TEST(Sdp, TheAnswerHasOneLineForEachOffered) {
  const auto offer = parse_sdp(kOffer);
  ASSERT_TRUE(offer);
  SdpAnswer answer{.address = "127.0.0.1", .session_id = 7, .version = 2, .media = {}};
  const auto& media = offer->media;
  answer.media = {
      {&media[0], 30000, find_codec(media[0], "PCMU", 8000), find_telephone_event(media[0], 8000)},
      {&media[1], 30002, find_codec(media[1], "PCMA", 8000), nullptr},
      {&media[2], 0, nullptr, nullptr},
      {&media[3], 0, nullptr, nullptr}};
  EXPECT_EQ(
      write_sdp_answer(answer),
      "v=0\r\no=callward 7 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
      "m=audio 30000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
      "a=fmtp:101 0-15\r\na=label:1\r\na=recvonly\r\na=record:on\r\n"
      "m=audio 30002 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=label:agent\r\na=inactive\r\n"
      "m=video 0 RTP/AVP 31\r\na=inactive\r\n"
      "m=application 0 UDP/BFCP *\r\na=inactive\r\n");
}

TEST(Sdp, AnAnswerToIp6NamesIt) {
  const auto text = write_sdp_answer({.address = "::1", .media = {}});
  EXPECT_NE(text.find("c=IN IP6 ::1\r\n"), std::string::npos);
}

TEST(Sdp, NothingOfTheOfferCanBreakALineOfTheAnswer) {
  const auto offer =
      parse_sdp(std::string_view("v=0\nm=audio 4000 RTP/AVP 0\na=label:x\ry\0z\n", 41));
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->media[0].label, "x y z");
  EXPECT_EQ(offer->flags, std::vector<std::string>{"sdp_control_characters"});
}

TEST(Sdp, OddLinesAreSkippedAndFlagged) {
  const auto sdp = parse_sdp(
      "v=0\r\nnonsense\r\n  m=audio 4000 RTP/AVP 0\r\na=rtpmap:0\r\na=rtpmap:x y\r\na=\r\n");
  ASSERT_TRUE(sdp);
  ASSERT_EQ(sdp->media.size(), 1u);
  EXPECT_NE(find_codec(sdp->media[0], "PCMU", 8000), nullptr);
  EXPECT_EQ(sdp->flags, std::vector<std::string>{"sdp_line_skipped"});
}

TEST(Sdp, WhatIsNoSdpIsRefusedAndLimitsHold) {
  EXPECT_EQ(parse_sdp("").error().code, Errc::kMalformed);
  EXPECT_EQ(parse_sdp("<recording/>").error().code, Errc::kMalformed);
  EXPECT_EQ(parse_sdp("v=0\nm=audio notaport RTP/AVP 0\n").error().code, Errc::kMalformed);
  EXPECT_EQ(parse_sdp("v=0\nm=audio 70000 RTP/AVP 0\n").error().code, Errc::kMalformed);
  EXPECT_EQ(parse_sdp("v=0" + std::string(kSdpBytesMax, ' ') + "x").error().code, Errc::kTooLarge);
  std::string many = "v=0\n", formats = "v=0\nm=audio 1 RTP/AVP";
  for (std::size_t i = 0; i <= kSdpMediaMax; ++i) many += "m=audio 4000 RTP/AVP 0\n";
  EXPECT_EQ(parse_sdp(many).error().code, Errc::kTooLarge);
  for (std::size_t i = 0; i <= kSdpFormatsMax; ++i) formats += " 0";
  EXPECT_EQ(parse_sdp(formats + "\n").error().code, Errc::kTooLarge);
  std::string lines = "v=0\n";
  for (std::size_t i = 0; i <= kSdpLinesMax; ++i) lines += "a=x\n";
  EXPECT_EQ(parse_sdp(lines).error().code, Errc::kTooLarge);
}

}  // namespace
}  // namespace callward::wire
