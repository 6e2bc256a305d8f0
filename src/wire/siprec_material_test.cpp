// What each vendor's body in the material folder means to us: the golden expectations.
#include "wire/material_test.hpp"
#include "wire/multipart.hpp"
#include "wire/rs_metadata.hpp"
#include "wire/sdp.hpp"

namespace callward::wire {
namespace {

using Flags = std::vector<std::string>;

struct Stream {
  std::string label;
  std::uint16_t port;
  std::string sender_aor;  // empty: the metadata does not say
};

struct Expected {
  std::string file, content_type;
  Flags body_flags;
  std::vector<Stream> streams;
  std::vector<std::string> aors, names;
  std::string session;
  Flags metadata_flags;
};

const Expected kExpected[] = {
    {"acme-siprec-offer.txt",
     "multipart/mixed;boundary=unique-boundary-1",
     {},
     {{"16777227", 20106, "sip:9000@192.168.50.102"},
      {"16777228", 20110, "sip:1002@192.168.50.10"}},
     {"sip:9000@192.168.50.102", "sip:1002@192.168.50.10"},
     {"9000", "1002"},
     "AavRXwIIQj1Q39eJulTipQ==",
     {}},
    {"broadworks-offer.txt",
     "multipart/mixed;boundary=UniqueBroadWorksBoundary",
     {"part_type_guessed"},
     {{"1", 22294, ""}},
     {},
     {},
     "",
     {"metadata_empty"}},
    {"cisco-siprec-offer.txt",
     "multipart/mixed;boundary=uniqueBoundary",
     {"body_unterminated"},
     {{"1", 10292, "sip:7301@35.162.237.204"}, {"2", 10294, "sip:7300@35.162.237.204"}},
     {"sip:7301@35.162.237.204", "sip:7300@35.162.237.204"},
     {"", "7300"},
     "kQNhKFdEEeeJ9tD/VsPGWA==",
     {}},
    {"connectel-offer.txt",
     "multipart/mixed; boundary=\"OSS-unique-boundary-42\"",
     {},
     {{"1", 35011, ""}, {"2", 35012, ""}},
     {"sip:0771121212@52.57.92.239", "sip:0760516936@sip-cust1.connectel.io"},
     {"test_user;lang=en-US;id=22", ""},
     "2+hKdGY+QvCKu8HYTdBouQ==",
     {}},
    {"connectel-offer2.txt",
     "multipart/mixed;boundary=OSS-unique-boundary-42",
     {},
     {{"1", 35011, ""}, {"2", 35012, ""}},
     {"sip:0771121212@52.57.92.239", "sip:0760516936@sip-cust1.connectel.io"},
     {"test_user;lang=en-US", ""},
     "2+hKdGY+QvCKu8HYTdBouQ==",
     {}},
    {"inactive-sdp-offer.txt",
     "multipart/mixed;boundary=uniqueBoundary",
     {},
     {{"1", 19254, ""}, {"2", 19236, ""}},
     {"sip:0733165805@192.168.40.34", "sip:+972546136443@192.168.10.140"},
     {"", ""},
     "GZBIusaXEeuxxK1dFIaIyA==",
     {}},
    {"non-siprec-payload.txt", "application/sdp", {}, {{"1", 10292, ""}}, {}, {}, "", {}},
    {"procomm-siprec-offer.txt",
     "multipart/mixed;boundary=another",
     {"boundary_mismatch", "body_unterminated"},
     {{"a_leg", 12654, "sip:016190200@87.252.209.116"},
      {"b_leg", 12686, "Extension-016190619@speechpath.ie"}},
     {"sip:016190200@87.252.209.116", "Extension-016190619@speechpath.ie"},
     {"016190200", "Speechpath-Main-Line 016190619"},
     "ho9aUhEQTRS+31th7sHStA==",
     {}},
};

class VendorBody : public testing::TestWithParam<Expected> {};

TEST_P(VendorBody, MeansWhatItShould) {
  const auto& expected = GetParam();
  MATERIAL_OR_SKIP(text, "siprec/" + expected.file);
  const auto body = parse_siprec_body(expected.content_type, text);
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(body->flags, expected.body_flags);
  ASSERT_EQ(body->sdp.size(), 1u);
  const auto sdp = parse_sdp(body->sdp[0]);
  ASSERT_TRUE(sdp) << sdp.error().message;

  RsMetadata metadata;
  if (!body->metadata.empty()) {
    const auto parsed = parse_rs_metadata(body->metadata[0]);
    ASSERT_TRUE(parsed) << parsed.error().message;
    metadata = *parsed;
  }
  EXPECT_EQ(metadata.flags, expected.metadata_flags);
  ASSERT_EQ(sdp->media.size(), expected.streams.size());
  for (std::size_t i = 0; i < sdp->media.size(); ++i) {
    const auto& media = sdp->media[i];
    EXPECT_EQ(media.kind, "audio");
    EXPECT_EQ(media.label, expected.streams[i].label);
    EXPECT_EQ(media.port, expected.streams[i].port);
    EXPECT_EQ(media.direction, expected.file == "inactive-sdp-offer.txt"
                                   ? MediaDirection::kInactive
                                   : MediaDirection::kSendOnly);
    EXPECT_TRUE(find_codec(media, "PCMU", 8000) || find_codec(media, "PCMA", 8000));
    const auto* sender = sender_of(metadata, media.label);
    EXPECT_EQ(sender != nullptr ? sender->aor : "", expected.streams[i].sender_aor);
  }
  ASSERT_EQ(metadata.participants.size(), expected.aors.size());
  for (std::size_t i = 0; i < expected.aors.size(); ++i) {
    EXPECT_EQ(metadata.participants[i].aor, expected.aors[i]);
    EXPECT_EQ(metadata.participants[i].name, expected.names[i]);
  }
  EXPECT_EQ(metadata.sessions.empty() ? "" : metadata.sessions[0].id, expected.session);
}

INSTANTIATE_TEST_SUITE_P(Material, VendorBody, testing::ValuesIn(kExpected), [](const auto& given) {
  auto name = given.param.file.substr(0, given.param.file.find('.'));
  for (auto& c : name)
    if (c == '-') c = '_';
  return name;
});

TEST(VendorMetadata, AcmeSaysWhoCalled) {
  MATERIAL_OR_SKIP(text, "siprec/acme-siprec-offer.txt");
  const auto body = parse_siprec_body("multipart/mixed;boundary=unique-boundary-1", text);
  ASSERT_TRUE(body && !body->metadata.empty());
  const auto metadata = parse_rs_metadata(body->metadata[0]);
  ASSERT_TRUE(metadata && metadata->participants.size() == 2);
  EXPECT_EQ(metadata->participants[0].calling, true);
  EXPECT_EQ(metadata->participants[1].calling, false);
}

TEST(VendorSdp, BareDescriptionsWithIceAndBandwidthLines) {
  for (const auto* file : {"siprec/sample-sdps.txt", "siprec/sample-sdp2.txt"}) {
    MATERIAL_OR_SKIP(text, file);
    const auto split = text.find("__split_here__");
    ASSERT_NE(split, std::string::npos);
    for (const auto& part : {text.substr(0, split), text.substr(split + 14)}) {
      const auto sdp = parse_sdp(part);
      ASSERT_TRUE(sdp) << sdp.error().message;
      ASSERT_EQ(sdp->media.size(), 1u);
      EXPECT_EQ(sdp->media[0].direction, MediaDirection::kSendOnly);
      EXPECT_FALSE(sdp->media[0].address.empty());
      EXPECT_TRUE(sdp->flags.empty());
    }
  }
}

}  // namespace
}  // namespace callward::wire
