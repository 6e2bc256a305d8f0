#include "wire/rtp.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace callward::wire {
namespace {

TEST(Rtp, HeaderExtensionCsrcAndPaddingAreLeftOut) {
  Bytes raw = {0xB1, 0x80, 0x12, 0x34, 0, 0, 0, 160, 1, 2, 3, 4,  // V2 P X CC=1, marker, PT 0
               9,    9,    9,    9,                               // csrc
               0xBE, 0xDE, 0,    1,    7, 7, 7, 7,                // extension of one word
               'a',  'b',  'c',  0,    0, 3};                     // three bytes of padding
  const auto packet = parse_rtp(raw);
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->marker);
  EXPECT_EQ(packet->payload_type, 0);
  EXPECT_EQ(packet->sequence, 0x1234);
  EXPECT_EQ(packet->timestamp, 160u);
  EXPECT_EQ(packet->ssrc, 0x01020304u);
  EXPECT_EQ(as_text(packet->payload), "abc");
}

TEST(Rtp, LengthsThatDoNotFitAreRefused) {
  const Bytes good = write_rtp({.payload = as_bytes("xyz")});
  ASSERT_TRUE(parse_rtp(good));
  EXPECT_FALSE(parse_rtp(ByteView(good).first(11)));
  auto bad = good;
  bad[0] = 0x8F;  // fifteen sources that are not there
  EXPECT_FALSE(parse_rtp(bad));
  bad[0] = 0x90;  // an extension that is not there
  EXPECT_FALSE(parse_rtp(bad));
  bad[0] = 0xA0;  // 'z' bytes of padding
  EXPECT_FALSE(parse_rtp(bad));
  bad[0] = 0x40;  // version 1
  EXPECT_FALSE(parse_rtp(bad));
  EXPECT_FALSE(parse_rtp(Bytes(kRtpPacketBytesMax + 1, 0x80)));
}

RC_GTEST_PROP(Rtp, WrittenIsReadBack,
              (bool marker, std::uint16_t sequence, std::uint32_t timestamp)) {
  const auto payload = *rc::gen::container<Bytes>(rc::gen::arbitrary<std::uint8_t>());
  const std::uint8_t type = *rc::gen::inRange<std::uint8_t>(0, 128);
  const Bytes raw = write_rtp({marker, type, sequence, timestamp, 77, payload});
  const auto back = parse_rtp(raw);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->marker == marker && back->payload_type == type && back->sequence == sequence);
  RC_ASSERT(back->timestamp == timestamp && back->ssrc == 77u && equal(back->payload, payload));
}

TEST(Rtp, DistancesGoAroundTheCircle) {
  EXPECT_EQ(sequence_distance(2, 65535), 3);
  EXPECT_EQ(sequence_distance(65535, 2), -3);
  EXPECT_EQ(timestamp_distance(10, 0xFFFFFFF6u), 20);
}

TEST(Rtcp, SenderReportAndByeAreRead) {
  Bytes raw = {0x80, 200, 0, 6, 0, 0,  0, 5, 1, 2,  3,    4,   5, 6, 7, 8, 0, 0,
               1,    0,   0, 0, 0, 50, 0, 0, 0, 99, 0x81, 203, 0, 1, 0, 0, 0, 5};
  ASSERT_TRUE(is_rtcp(raw));
  const auto rtcp = parse_rtcp(raw);
  ASSERT_TRUE(rtcp);
  ASSERT_EQ(rtcp->reports.size(), 1u);
  EXPECT_EQ(rtcp->reports[0].ntp, 0x0102030405060708u);
  EXPECT_EQ(rtcp->reports[0].rtp_timestamp, 256u);
  EXPECT_EQ(rtcp->reports[0].packets, 50u);
  EXPECT_EQ(rtcp->bye, std::vector<std::uint32_t>{5});
  // Cut anywhere but between the two packets it is refused.
  for (std::size_t cut = 1; cut < raw.size(); ++cut)
    EXPECT_EQ(parse_rtcp(ByteView(raw).first(cut)).has_value(), cut == 28) << cut;
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}
const Bytes kReport = {0x80, 201, 0, 1, 0, 0, 0, 7};
const Bytes kNamed = {0x81, 202, 0, 3, 0, 0, 0, 7, 1, 6, '+', '4', '9', '1', '5', '1'};

TEST(Rtcp, MadeAnonymousItHasOurNameOnly) {
  const auto got = anonymous_rtcp(joined({kReport, kNamed}), "us");
  const Bytes cname = {0x81, 202, 0, 3, 0, 0, 0, 7, 1, 2, 'u', 's', 0, 0, 0, 0};
  EXPECT_EQ(got, joined({kReport, cname}));
  // A sender report with a block, its profile's extension gone; BYE without its reason.
  Bytes sender(28 + 24 + 4, 0xAA);
  sender[0] = 0x81;
  sender[1] = 200;
  sender[2] = 0;
  sender[3] = 13;
  const Bytes bye = {0xA1, 203, 0, 3, 0, 0, 0, 7, 6, '+', '4', '9', '1', '5', '1', 1};
  const auto rest = anonymous_rtcp(joined({sender, kNamed, bye}), "us");
  ASSERT_EQ(rest.size(), 52u + 16u + 8u);
  EXPECT_EQ(rest[3], 12);
  EXPECT_EQ(Bytes(rest.begin() + 68, rest.end()), (Bytes{0x81, 203, 0, 1, 0, 0, 0, 7}));
  EXPECT_TRUE(parse_rtcp(rest));
}

TEST(Rtcp, WhatIsNotACompoundOfReportsIsDropped) {
  EXPECT_TRUE(anonymous_rtcp({}, "us").empty());
  EXPECT_TRUE(anonymous_rtcp(kNamed, "us").empty()) << "a report comes first";
  const auto whole = joined({kReport, kNamed});
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    EXPECT_EQ(anonymous_rtcp(ByteView(whole).first(cut), "us").empty(), cut != 8) << cut;
  auto short_report = kReport;
  short_report[0] = 0x81;  // one block, which is not there
  EXPECT_TRUE(anonymous_rtcp(short_report, "us").empty());
}

// With our name it would be a packet more than anybody takes.
TEST(Rtcp, ACompoundThatIsFullIsDroppedAndOneWithRoomIsTaken) {
  Bytes most;
  for (std::size_t i = 0; i + 1 < kRtcpPacketsMax; ++i)
    most.insert(most.end(), kReport.begin(), kReport.end());
  const auto made = anonymous_rtcp(most, "us");
  EXPECT_TRUE(parse_rtcp(made));
  EXPECT_EQ(anonymous_rtcp(made, "us"), made);
  most.insert(most.end(), kReport.begin(), kReport.end());
  ASSERT_TRUE(parse_rtcp(most));
  EXPECT_TRUE(anonymous_rtcp(most, "us").empty());
}

}  // namespace
}  // namespace callward::wire
