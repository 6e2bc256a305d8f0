#include "wire/rs_metadata.hpp"

#include <gtest/gtest.h>

namespace callward::wire {
namespace {

using Flags = std::vector<std::string>;

// One meaning, in the spellings that are in use.
struct Spelling {
  const char* name;
  const char* text;
  Flags flags;
};
const Spelling kSpellings[] = {
    {"rfc7865",
     R"(<?xml version="1.0" encoding="UTF-8"?><recording xmlns="urn:ietf:params:xml:ns:recording:1">
        <datamode>complete</datamode><session session_id="S"><sipSessionID>ab;remote=cd</sipSessionID></session>
        <participant participant_id="A"><nameID aor="sip:100@x"><name xml:lang="en">Ann</name></nameID></participant>
        <participant participant_id="B"><nameID aor="sip:200@x"/></participant>
        <stream stream_id="1s" session_id="S"><label>1</label></stream>
        <stream stream_id="2s" session_id="S"><label>2</label></stream>
        <participantstreamassoc participant_id="A"><send>1s</send><recv>2s</recv></participantstreamassoc>
        <participantstreamassoc participant_id="B"><send>2s</send><recv>1s</recv></participantstreamassoc>
        </recording>)",
     {}},
    {"other_prefix_and_namespace",
     R"(<tns:recording xmlns:tns="urn:ietf:params:xml:ns:recording"><tns:dataMode>Complete</tns:dataMode>
        <tns:session id="S"><tns:sipSessionID>ab;remote=cd</tns:sipSessionID></tns:session>
        <tns:participantStreamAssoc participant_id="A"><tns:send>1s</tns:send></tns:participantStreamAssoc>
        <tns:participant participant_id="A" session="S"><tns:nameID aor="sip:100@x"><tns:name>Ann</tns:name></tns:nameID></tns:participant>
        <tns:participant id="B" session="S"><tns:nameID aor="sip:200@x"/><tns:send>2s</tns:send></tns:participant>
        <tns:stream id="1s" session="S"><tns:label>1</tns:label></tns:stream>
        <tns:stream id="2s" session="S"><tns:label>2</tns:label></tns:stream></tns:recording>)",
     {}},
    {"drafts_before_the_rfc",
     R"(  <recording_metadata xmlns="urn:ietf:params:xml:ns:siprec"><dataMode>complete</dataMode>
        <recording id="r"><requestor>SRC</requestor><type>selective</type></recording>
        <session id="S"><sipSessionID>ab;remote=cd</sipSessionID></session>
        <participant id="A" session="S"><aor>sip:100@x</aor><name>Ann</name><send><id>1s</id></send></participant>
        <participant id="B" session="S"><aor>sip:200@x</aor><send><id>2s</id></send></participant>
        <stream id="1s" session="S"><label>1</label><mode>separate</mode></stream>
        <stream id="2s" session="S"><label>2</label><mode>separate</mode></stream></recording_metadata>)",
     {}},
};

TEST(RsMetadata, TheSameMeaningInEverySpelling) {
  for (const auto& spelling : kSpellings) {
    const auto metadata = parse_rs_metadata(spelling.text);
    ASSERT_TRUE(metadata) << spelling.name << ": " << metadata.error().message;
    EXPECT_EQ(metadata->flags, spelling.flags) << spelling.name;
    EXPECT_FALSE(metadata->partial);
    ASSERT_EQ(metadata->sessions.size(), 1u) << spelling.name;
    EXPECT_EQ(metadata->sessions[0].id, "S");
    EXPECT_EQ(metadata->sessions[0].sip_session_id, "ab;remote=cd");
    ASSERT_EQ(metadata->participants.size(), 2u) << spelling.name;
    ASSERT_NE(sender_of(*metadata, "1"), nullptr) << spelling.name;
    ASSERT_NE(sender_of(*metadata, "2"), nullptr) << spelling.name;
    EXPECT_EQ(sender_of(*metadata, "1")->aor, "sip:100@x") << spelling.name;
    EXPECT_EQ(sender_of(*metadata, "1")->name, "Ann") << spelling.name;
    EXPECT_EQ(sender_of(*metadata, "2")->aor, "sip:200@x") << spelling.name;
    EXPECT_EQ(sender_of(*metadata, "3"), nullptr);
  }
}

TEST(RsMetadata, BroadWorksNumbersOfTheCall) {
  const auto metadata = parse_rs_metadata(
      R"(<recording_metadata xmlns="urn:ietf:params:xml:ns:siprec"><dataMode>partial</dataMode>
         <stream id="s" session="S"><label>1</label><mode>mixed</mode></stream>
         <extensiondata><bw:broadWorksRecordingMetadata xmlns:bw="http://schema.broadsoft.com/broadworksCallRecording">
         <bw:callType><bw:origCall><bw:callingPartyNumber>sip:+1555@x</bw:callingPartyNumber>
         <bw:calledPartyNumber>sip:7663@x;user=phone</bw:calledPartyNumber></bw:origCall></bw:callType>
         </bw:broadWorksRecordingMetadata></extensiondata></recording_metadata>)");
  ASSERT_TRUE(metadata);
  EXPECT_TRUE(metadata->partial);
  EXPECT_TRUE(metadata->streams.at(0).mixed);
  EXPECT_EQ(metadata->calling_number, "sip:+1555@x");
  EXPECT_EQ(metadata->called_number, "sip:7663@x;user=phone");
}

TEST(RsMetadata, EmptyStreamIdsDoNotMergeStreams) {
  const auto metadata = parse_rs_metadata(
      "<recording><stream stream_id=''><label>1</label></stream><stream "
      "stream_id=''><label>2</label></stream></recording>");
  ASSERT_TRUE(metadata);
  ASSERT_EQ(metadata->streams.size(), 2u);
  EXPECT_EQ(metadata->streams[1].label, "2");
  EXPECT_EQ(metadata->flags, Flags{"metadata_stream_id"});
  EXPECT_EQ(sender_of(*metadata, "1"), nullptr);
}

TEST(RsMetadata, AnotherRootAndNothingInIt) {
  const auto metadata = parse_rs_metadata("<other/>");
  ASSERT_TRUE(metadata);
  EXPECT_EQ(metadata->flags, (Flags{"metadata_root", "metadata_empty"}));
}

TEST(RsMetadata, DocumentTypesEndTheReading) {
  const auto bomb = parse_rs_metadata(
      R"(<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><recording>&b;</recording>)");
  ASSERT_FALSE(bomb);
  EXPECT_EQ(bomb.error().code, Errc::kMalformed);
  const auto outside = parse_rs_metadata(R"(<!DOCTYPE r SYSTEM "file:///etc/passwd"><recording/>)");
  EXPECT_FALSE(outside);
  EXPECT_FALSE(parse_rs_metadata("<recording>&undefined;</recording>"));
}

TEST(RsMetadata, LimitsHold) {
  std::string deep, wide = "<recording>", many = "<recording>";
  for (std::size_t i = 0; i <= kMetadataDepthMax; ++i) deep += "<a>";
  for (std::size_t i = 0; i <= kMetadataElementsMax; ++i) wide += "<a/>";
  for (std::size_t i = 0; i <= kMetadataItemsMax; ++i)
    many += "<participant id='" + std::to_string(i) + "'/>";
  EXPECT_EQ(parse_rs_metadata(deep).error().code, Errc::kTooLarge);
  EXPECT_EQ(parse_rs_metadata(wide).error().code, Errc::kTooLarge);
  EXPECT_EQ(parse_rs_metadata(many).error().code, Errc::kTooLarge);
  EXPECT_EQ(parse_rs_metadata(std::string(kMetadataBytesMax + 1, ' ')).error().code,
            Errc::kTooLarge);
  const auto cut = parse_rs_metadata("<recording><participant id='1'><name>" +
                                     std::string(5000, 'x') + "</name></participant></recording>");
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->participants[0].name.size(), kMetadataTextBytesMax);
  EXPECT_EQ(cut->flags, Flags{"metadata_cut"});
}

TEST(RsMetadata, NotXml) {
  for (const auto* text : {"", "hello", "<recording>", "<recording></other>", "\xFF\xFE<"})
    EXPECT_FALSE(parse_rs_metadata(text)) << text;
}

}  // namespace
}  // namespace callward::wire
