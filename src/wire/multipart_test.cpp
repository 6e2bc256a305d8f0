#include "wire/multipart.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace callward::wire {
namespace {

using Flags = std::vector<std::string>;

constexpr std::string_view kSdp = "v=0\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n";
constexpr std::string_view kXml = "<?xml version=\"1.0\"?><recording xmlns=\"urn:x\"/>";

std::string body_of(std::string_view boundary, std::string_view first, std::string_view second) {
  const std::string b(boundary);
  return "--" + b + "\r\n" + std::string(first) + "\r\n--" + b + "\r\n" + std::string(second) +
         "\r\n--" + b + "--\r\n";
}
std::string sdp_part() { return "Content-Type: application/sdp\r\n\r\n" + std::string(kSdp); }
std::string xml_part() {
  return "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: "
         "recording-session\r\n\r\n" +
         std::string(kXml);
}

TEST(Multipart, PartsComeExactlyAsTheyWereSent) {
  const auto body = body_of("b1", sdp_part(), xml_part());
  const auto parsed = parse_multipart("multipart/mixed; boundary=b1", body);
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->parts.size(), 2u);
  EXPECT_EQ(parsed->parts[0].type, "application/sdp");
  EXPECT_EQ(parsed->parts[0].body, kSdp);
  EXPECT_EQ(parsed->parts[1].disposition, "recording-session");
  EXPECT_EQ(parsed->parts[1].body, kXml);
  EXPECT_TRUE(parsed->flags.empty());
}

struct Quirk {
  std::string name, content_type, body;
  std::size_t sdp, metadata, unknown;
  Flags flags;
};

std::vector<Quirk> quirks() {
  const std::string sdp(kSdp), xml(kXml);
  return {
      {"metadata_first",
       "multipart/mixed;boundary=b",
       body_of("b", xml_part(), sdp_part()),
       1,
       1,
       0,
       {}},
      {"quoted_boundary",
       "Multipart/Mixed; charset=x; Boundary=\"b;c d\"",
       body_of("b;c d", sdp_part(), xml_part()),
       1,
       1,
       0,
       {}},
      {"other_boundary",
       "multipart/mixed;boundary=x",
       body_of("y", sdp_part(), xml_part()),
       1,
       1,
       0,
       {"boundary_mismatch"}},
      {"no_boundary",
       "multipart/mixed",
       body_of("y", sdp_part(), xml_part()),
       1,
       1,
       0,
       {"boundary_missing"}},
      {"no_space",
       "multipart/mixed;boundary=b",
       body_of("b", "Content-Type:application/sdp\r\n\r\n" + sdp,
               "Content-Type:application/rs-metadata\r\n\r\n" + xml),
       1,
       1,
       0,
       {}},
      {"compact_and_folded",
       "multipart/mixed;boundary=b",
       body_of("b", "c: application/sdp\r\n\r\n" + sdp,
               "Content-Type: application/rs-metadata+xml;\r\n charset=utf-8\r\n\r\n" + xml),
       1,
       1,
       0,
       {}},
      {"two_sdp",
       "multipart/mixed;boundary=b",
       body_of("b", sdp_part(), sdp_part()),
       2,
       0,
       0,
       {"two_sdp_parts"}},
      {"unknown_part",
       "multipart/mixed;boundary=b",
       body_of("b", sdp_part(), "Content-Type: application/gtd\r\n\r\nIAM,"),
       1,
       0,
       1,
       {}},
      {"headerless_parts",
       "multipart/mixed;boundary=b",
       body_of("b", "\r\n" + sdp, xml),
       1,
       1,
       0,
       {"part_type_guessed"}},
      {"line_feeds_only",
       "multipart/mixed;boundary=b",
       "--b\nContent-Type: application/sdp\n\nv=0\n--b--\n",
       1,
       0,
       0,
       {}},
      {"preamble_and_padding",
       "multipart/mixed;boundary=b",
       "hello\r\n--b \t\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b-- \r\nbye",
       1,
       0,
       0,
       {}},
      {"wrong_outer_type",
       "text/plain",
       body_of("b", sdp_part(), xml_part()),
       1,
       1,
       0,
       {"boundary_missing", "body_type_guessed"}},
      {"no_outer_type", "", sdp, 1, 0, 0, {"part_type_guessed"}},
      {"bare_metadata", "application/rs-metadata+xml", xml, 0, 1, 0, {}},
      {"unreadable_but_declared",
       "multipart/mixed;boundary=b",
       body_of("b", sdp_part(), "Content-Disposition: recording-session\r\n\r\n%%%"),
       1,
       1,
       0,
       {"part_type_guessed"}},
      {"nothing", "", " \r\n", 0, 0, 0, {}},
      {"cut_off",
       "multipart/mixed;boundary=b",
       "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=",
       1,
       0,
       0,
       {"body_unterminated"}},
  };
}

TEST(SiprecBody, EveryQuirkIsUnderstood) {
  for (const auto& quirk : quirks()) {
    const auto body = parse_siprec_body(quirk.content_type, quirk.body);
    ASSERT_TRUE(body) << quirk.name << ": " << body.error().message;
    EXPECT_EQ(body->sdp.size(), quirk.sdp) << quirk.name;
    EXPECT_EQ(body->metadata.size(), quirk.metadata) << quirk.name;
    EXPECT_EQ(body->unknown_parts, quirk.unknown) << quirk.name;
    EXPECT_EQ(body->flags, quirk.flags) << quirk.name;
  }
}

TEST(SiprecBody, WhatCannotBeUnderstoodIsRefused) {
  const auto text = parse_siprec_body("text/plain", "hello");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::kUnsupported);
  const auto lone = parse_siprec_body("multipart/mixed;boundary=b", "no delimiter here");
  ASSERT_FALSE(lone);
  EXPECT_EQ(lone.error().code, Errc::kMalformed);
}

TEST(SiprecBody, LimitsHold) {
  EXPECT_EQ(parse_siprec_body("application/sdp", std::string(kBodyBytesMax + 1, 'v')).error().code,
            Errc::kTooLarge);
  std::string parts, headers = "--b\r\n";
  for (std::size_t i = 0; i <= kBodyPartsMax; ++i) parts += "--b\r\n\r\nx\r\n";
  EXPECT_EQ(parse_multipart("multipart/mixed;boundary=b", parts).error().code, Errc::kTooLarge);
  for (std::size_t i = 0; i <= kPartHeaderLinesMax; ++i) headers += "X: y\r\n";
  EXPECT_EQ(parse_multipart("multipart/mixed;boundary=b", headers).error().code, Errc::kTooLarge);
  const std::string long_boundary(kBoundaryBytesMax + 1, 'z');
  EXPECT_EQ(parse_multipart("multipart/mixed", "--" + long_boundary + "\r\n\r\nx").error().code,
            Errc::kTooLarge);
}

RC_GTEST_PROP(Multipart, AnyTwoContentsComeBack, ()) {
  // Any bytes but those that would be a delimiter themselves.
  const auto content =
      rc::gen::container<std::string>(rc::gen::distinctFrom(rc::gen::arbitrary<char>(), '-'));
  const auto first = *content, second = *content;
  const auto head = std::string("Content-Type: application/x\r\n\r\n");
  const auto body = body_of("edge", head + first, head + second);
  RC_PRE(body.size() < kBodyBytesMax);
  const auto parsed = parse_multipart("multipart/mixed;boundary=edge", body);
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(parsed->parts.size() == 2u);
  RC_ASSERT(parsed->parts[0].body == first);
  RC_ASSERT(parsed->parts[1].body == second);
}

}  // namespace
}  // namespace callward::wire
