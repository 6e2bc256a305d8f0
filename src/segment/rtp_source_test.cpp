#include "segment/rtp_source.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "segment/kept_packets.hpp"
#include "segment/segmenter.hpp"

namespace callward::segment {
namespace {

using enum SourceVerdict;
using Policy = SourcePolicy;

constexpr std::int64_t kMs = 1'000'000;

Endpoint at(const char* address, std::uint16_t port) { return *parse_endpoint(address, port); }
const Endpoint kClient = at("192.0.2.10", 4000);
const Endpoint kOtherPort = at("192.0.2.10", 4711);
const Endpoint kThirdPort = at("192.0.2.10", 4713);
const Endpoint kNat = at("198.51.100.7", 0);  // the signalling's address
const Endpoint kBehindNat = at("198.51.100.7", 61'000);
const Endpoint kStranger = at("203.0.113.66", 4000);
const Endpoint kOtherStranger = at("203.0.113.67", 4000);

struct Heard {
  std::int64_t ms;
  Endpoint from;
  SourceVerdict expected;
  bool audio = true;
};
struct Story {
  const char* name;
  Policy policy;
  std::vector<Endpoint> announced;
  std::vector<Heard> packets;
};

const std::vector<Story>& stories() {
  static const std::vector<Story> all = {
      {"announced alone",
       Policy::kLatch,
       {kClient},
       {{0, kClient, kTaken}, {20, kClient, kAccepted}, {9'000, kClient, kAccepted}}},
      {"a stranger while it speaks",
       Policy::kLatch,
       {kClient},
       {{0, kClient, kTaken}, {10, kStranger, kWaits}, {20, kClient, kAccepted}}},
      {"a stranger before it speaks",
       Policy::kLatch,
       {kClient},
       {{10, kStranger, kWaits},
        {1'990, kStranger, kWaits},
        {1'995, kClient, kTaken},
        {2'010, kStranger, kWaits}}},
      {"a stranger's packets now and then in its long silence",
       Policy::kLatch,
       {kClient},
       {{0, kClient, kTaken},
        {20, kClient, kAccepted},
        {40, kClient, kAccepted},
        {60'000, kStranger, kWaits},
        {61'100, kStranger, kWaits},
        {62'200, kStranger, kWaits}}},
      {"a client that goes on from elsewhere",
       Policy::kLatch,
       {kClient},
       {{0, kClient, kTaken},
        {20, kClient, kAccepted},
        {40, kClient, kAccepted},
        {8'000, kStranger, kWaits},
        {9'000, kStranger, kWaits},
        {10'000, kStranger, kWaits},
        {10'020, kStranger, kWaits, false},
        {10'039, kStranger, kWaits},
        {10'040, kStranger, kTaken},
        {10'060, kStranger, kAccepted},
        {10'080, kClient, kTaken},
        {10'100, kStranger, kWaits}}},
      {"one forged packet of the announced one holds for two seconds",
       Policy::kLatch,
       {kClient},
       {{2'000, kStranger, kTaken},
        {2'010, kClient, kTaken},
        {2'020, kStranger, kWaits},
        {4'000, kStranger, kWaits},
        {4'020, kStranger, kTaken}}},
      {"forged digits of the announced one take nothing",
       Policy::kLatch,
       {kClient},
       {{0, kClient, kAccepted, false},
        {2'000, kStranger, kTaken},
        {2'010, kClient, kRefused, false},
        {2'020, kStranger, kAccepted}}},
      {"nothing from the announced one",
       Policy::kLatch,
       {kClient},
       {{100, kStranger, kWaits},
        {2'000, kStranger, kTaken},
        {2'020, kStranger, kAccepted},
        {2'030, kOtherStranger, kWaits},
        {4'000, kOtherStranger, kWaits},
        {4'020, kOtherStranger, kTaken},
        {4'030, kStranger, kWaits},
        {4'040, kClient, kTaken},
        {4'050, kOtherStranger, kWaits},
        {4'060, kClient, kAccepted},
        {4'080, kClient, kAccepted},
        {9'000, kOtherStranger, kWaits}}},
      {"digits alone take nothing",
       Policy::kLatch,
       {kClient},
       {{3'000, kStranger, kWaits, false},
        {3'020, kStranger, kTaken, true},
        {3'040, kStranger, kAccepted, false}}},
      {"the announced one may begin with digits",
       Policy::kLatch,
       {kClient},
       {{0, kClient, kAccepted, false}, {20, kClient, kTaken}, {40, kClient, kAccepted, false}}},
      {"asymmetric RTP",
       Policy::kLatch,
       {kClient},
       {{0, kOtherPort, kTaken},
        {20, kOtherPort, kAccepted},
        {30, kThirdPort, kWaits},
        {40, kOtherPort, kAccepted},
        {60, kOtherPort, kAccepted},
        {70, kStranger, kWaits},
        {5'000, kStranger, kWaits},
        {5'010, kThirdPort, kTaken},
        {5'020, kClient, kTaken},
        {5'030, kThirdPort, kWaits}}},
      {"behind a NAT",
       Policy::kLatch,
       {at("10.0.0.5", 4000), kNat},
       {{0, kBehindNat, kTaken}, {10, kStranger, kWaits}, {20, kBehindNat, kAccepted}}},
      {"its own address takes over a stranger's",
       Policy::kLatch,
       {kClient},
       {{2'000, kStranger, kTaken}, {2'010, kOtherPort, kTaken}, {2'020, kStranger, kWaits}}},
      {"nobody knows the address",
       Policy::kLatch,
       {},
       {{0, kStranger, kTaken},
        {10, kOtherStranger, kWaits},
        {20, kStranger, kAccepted},
        {2'019, kOtherStranger, kWaits},
        {2'020, kOtherStranger, kTaken}}},
      {"IPv6",
       Policy::kLatch,
       {at("2001:db8::10", 4000)},
       {{0, at("2001:db8::10", 4000), kTaken}, {10, at("2001:db8::66", 4000), kWaits}}},
      {"strictly",
       Policy::kAnnounced,
       {kClient},
       {{0, kOtherPort, kRefused}, {9'000, kStranger, kRefused}, {9'010, kClient, kTaken}}},
      {"strictly, without a port",
       Policy::kAnnounced,
       {at("192.0.2.10", 0)},
       {{0, kOtherPort, kTaken}, {10, kThirdPort, kWaits}, {20, kOtherPort, kAccepted}}},
      {"strictly, without an address", Policy::kAnnounced, {}, {{9'000, kClient, kRefused}}},
      {"anybody",
       Policy::kAny,
       {kClient},
       {{0, kStranger, kAccepted, false}, {10, kClient, kAccepted}, {20, kStranger, kAccepted}}},
  };
  return all;
}

TEST(RtpSource, Stories) {
  for (const auto& story : stories()) {
    SCOPED_TRACE(story.name);
    SourceRule rule;
    rule.announce(story.announced, 0);
    std::uint64_t refused = 0;
    for (const auto& heard : story.packets) {
      SCOPED_TRACE(heard.ms);
      EXPECT_EQ(rule.judge(story.policy, heard.from, heard.audio, heard.ms * kMs), heard.expected);
      refused += heard.expected == kRefused || heard.expected == kWaits ? 1 : 0;
    }
    EXPECT_EQ(rule.refused(), refused);
  }
}

TEST(RtpSource, ANewAddressHasAChangeOver) {
  for (const auto policy : {Policy::kLatch, Policy::kAnnounced}) {
    SourceRule rule;
    rule.announce({kClient}, 0);
    ASSERT_EQ(rule.judge(policy, kClient, true, 100 * kMs), kTaken);
    const auto moved = at("192.0.2.99", 5000);
    rule.announce({moved}, 10'000 * kMs);
    EXPECT_EQ(rule.judge(policy, kClient, true, 10'020 * kMs), kAccepted) << "still of before";
    EXPECT_EQ(rule.judge(policy, kStranger, true, 10'030 * kMs),
              policy == Policy::kLatch ? kWaits : kRefused);
    EXPECT_EQ(rule.judge(policy, moved, true, 10'040 * kMs), kTaken);
    EXPECT_EQ(rule.judge(policy, kClient, true, 10'050 * kMs), kAccepted) << "both for a while";
    EXPECT_EQ(rule.judge(policy, moved, true, 10'060 * kMs), kAccepted);
    EXPECT_EQ(rule.judge(policy, moved, true, 10'080 * kMs), kAccepted);
    const auto over_ms = 10'000 + kChangeOverNs / kMs;
    EXPECT_EQ(rule.judge(policy, kClient, true, over_ms * kMs),
              policy == Policy::kLatch ? kWaits : kRefused);
    EXPECT_EQ(rule.judge(policy, moved, true, (over_ms + 20) * kMs), kAccepted);
  }
}

TEST(RtpSource, AClientBehindANatKeepsItsStreamOverANewAnnouncement) {
  SourceRule rule;
  rule.announce({kClient}, 0);
  ASSERT_EQ(rule.judge(Policy::kLatch, kStranger, true, 2'000 * kMs), kTaken);
  rule.announce({at("192.0.2.10", 5000)}, 10'000 * kMs);
  for (int ms = 10'020; ms < 20'000; ms += 20)
    ASSERT_EQ(rule.judge(Policy::kLatch, kStranger, true, ms * kMs), kAccepted) << ms;
  rule.announce({at("192.0.2.10", 5000)}, 20'000 * kMs);  // a refresh: nothing new
  EXPECT_EQ(rule.judge(Policy::kLatch, kStranger, true, 20'020 * kMs), kAccepted);
}

TEST(RtpSource, AHoldIsNoSilenceThatAStrangerMayUse) {
  SourceRule rule;
  rule.announce({kClient}, 0);
  EXPECT_EQ(rule.judge(Policy::kLatch, kStranger, false, 30'000 * kMs), kWaits);  // on hold
  rule.wait_again(30'000 * kMs);                                                  // resumed
  EXPECT_EQ(rule.judge(Policy::kLatch, kStranger, true, 30'020 * kMs), kWaits);
  EXPECT_EQ(rule.judge(Policy::kLatch, kClient, true, 30'040 * kMs), kTaken);
}

TEST(RtpSource, ANewRecorderGoesOnWithWhatTheOldOneKnew) {
  for (const auto& holder : {kClient, kOtherPort}) {
    SourceRule old;
    old.announce({kClient}, 0);
    ASSERT_EQ(old.judge(Policy::kLatch, holder, true, 0), kTaken);
    SourceRule rule;
    rule.restore(old.announced(), old.holder(), old.held(), 60'000 * kMs);
    EXPECT_EQ(rule.judge(Policy::kLatch, kStranger, true, 60'010 * kMs), kWaits);
    EXPECT_EQ(rule.judge(Policy::kLatch, kThirdPort, true, 60'020 * kMs), kWaits);
    EXPECT_EQ(rule.judge(Policy::kLatch, kStranger, true, 69'999 * kMs), kWaits);
    EXPECT_EQ(rule.judge(Policy::kLatch, holder, true, 69'999 * kMs), kAccepted);
    EXPECT_EQ(rule.judge(Policy::kLatch, kStranger, true, 71'000 * kMs), kWaits);
  }
}

TEST(KeptPackets, KeepsEachOnesPacketsAndSaysWhatIsGone) {
  KeptPackets kept;
  const Bytes packet(172, 1);
  EXPECT_EQ(kept.earliest_ns(), INT64_MAX);
  for (int i = 0; i < 100; ++i) {
    kept.keep(kStranger, packet, true, i * 20 * kMs);
    kept.keep(kOtherStranger, packet, false, (i * 20 + 5) * kMs);
  }
  EXPECT_EQ(kept.earliest_ns(), 0);
  auto all = kept.take(kStranger);
  EXPECT_EQ(all.packets.size(), 100u);
  EXPECT_EQ(all.packets.back().arrival_ns, 1'980 * kMs);
  EXPECT_EQ(all.lost_from_ns, all.lost_upto_ns);
  EXPECT_EQ(kept.earliest_ns(), INT64_MAX) << "the other's are gone, too";
  EXPECT_TRUE(kept.take(kOtherStranger).packets.empty());

  // Too long: the newest stay, and where the others came is said.
  for (int i = 0; i < 250; ++i) kept.keep(kStranger, packet, true, i * 20 * kMs);
  EXPECT_GE(kept.earliest_ns(), 4'980 * kMs - kKeptNsMax);
  all = kept.take(kStranger);
  EXPECT_LE(all.packets.size() * packet.size(), kKeptBytesMax);
  EXPECT_EQ(all.lost_from_ns, 0);
  EXPECT_EQ(all.lost_upto_ns, all.packets.front().arrival_ns);

  // Too many, too large, of one sender too many.
  for (int i = 0; i < 400; ++i) kept.keep(kStranger, Bytes(13, 1), true, i * kMs);
  EXPECT_EQ(kept.take(kStranger).packets.size(), kKeptPacketsMax);
  for (int i = 0; i < 40; ++i) kept.keep(kStranger, Bytes(1'400, 1), true, i * kMs);
  EXPECT_EQ(kept.take(kStranger).packets.size(), kKeptBytesMax / 1'400);
  for (std::uint16_t i = 0; i <= kKeptSourcesMax; ++i) {
    kept.keep(at("203.0.113.9", static_cast<std::uint16_t>(i + 1)), packet, i == 2, 7 * kMs);
    kept.keep(at("203.0.113.9", static_cast<std::uint16_t>(i + 1)), packet, i == 2, 9 * kMs);
  }
  const auto none = kept.take(at("203.0.113.9", kKeptSourcesMax + 1));
  EXPECT_TRUE(none.packets.empty());
  EXPECT_EQ(none.lost_from_ns, 7 * kMs);
  EXPECT_EQ(none.lost_upto_ns, 9 * kMs);

  // Who has fallen silent holds nothing up.
  kept.keep(kStranger, packet, true, 0);
  kept.expire(kKeptNsMax + 1);
  EXPECT_EQ(kept.earliest_ns(), INT64_MAX);
  EXPECT_TRUE(kept.take_first().packets.empty());
  kept.keep(kOtherStranger, packet, false, 0);
  kept.keep(kStranger, packet, true, 1);
  EXPECT_EQ(kept.take_first().packets.front().arrival_ns, 1) << "digits alone take nothing";
}

// What a stream records, as bytes: samples, presence, codec, digits, and the account.
struct Recorded final : SegmentSink {
  void on_segment(std::uint32_t index, std::uint8_t codec, const AudioSegment& segment) override {
    out.push_back(static_cast<std::uint8_t>(index));
    out.push_back(codec);
    AudioPayload payload;
    pack_payload(segment, payload);
    const auto bytes = payload.expose();
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  void on_account(std::uint32_t start_ms, std::uint32_t end_ms, store::AccountState state,
                  std::string_view) override {
    for (const auto value : {start_ms, end_ms, static_cast<std::uint32_t>(state)})
      for (int shift = 0; shift < 32; shift += 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  Bytes out;
};

struct Arriving {
  std::int64_t at_ns;
  Endpoint from;
  wire::RtpPacket packet;
};
Bytes record(const std::vector<Arriving>& packets, std::int64_t end_ms) {
  SourceRule rule;
  rule.announce({kClient}, 0);
  Recorded sink;
  store::StreamAccount account;
  SegmenterConfig config;
  config.event_payload_type = 101;
  Segmenter segmenter(config, 0, store::StreamMode::kActive, account, sink);
  KeptPackets kept;
  for (const auto& one : packets) {
    const bool audio = one.packet.payload_type == 0;
    const auto verdict = rule.judge(Policy::kLatch, one.from, audio, one.at_ns);
    if (verdict == kWaits) kept.keep(one.from, wire::write_rtp(one.packet), audio, one.at_ns);
    if (verdict == kWaits || verdict == kRefused) continue;
    if (verdict == kAccepted && one.from == rule.held()) kept.clear();
    if (verdict == kTaken)
      for (const auto& before : kept.take(one.from).packets)
        segmenter.on_packet(*wire::parse_rtp(before.datagram.expose()), before.arrival_ns);
    segmenter.on_packet(one.packet, one.at_ns);
  }
  segmenter.finish(static_cast<std::uint32_t>(end_ms));
  return sink.out;
}

// Forged audio and digits with everything right but the sender, at any time and from any number of
// addresses: the recording is the same, byte by byte.
RC_GTEST_PROP(RtpSourceProperty, ForgedPacketsChangeNothingWhileTheAnnouncedSourceSpeaks, ()) {
  SeededEntropy noise(*rc::gen::arbitrary<std::uint32_t>());
  const auto count = *rc::gen::inRange(50, 300);
  std::vector<Bytes> payloads;  // packets point into them
  payloads.reserve(static_cast<std::size_t>(count) * 8);
  std::vector<Arriving> honest, all;
  for (int i = 0; i < count; ++i) {
    payloads.emplace_back(160);
    noise.fill(payloads.back());
    Arriving own{i * 20 * kMs, kClient, {}};
    own.packet.sequence = static_cast<std::uint16_t>(i);
    own.packet.timestamp = static_cast<std::uint32_t>(i) * 160;
    own.packet.ssrc = 5;
    own.packet.payload = payloads.back();
    const auto forged = *rc::gen::inRange(0, 6);
    // The client's first packet comes first: before it the stream is nobody's.
    honest.push_back(own);
    all.push_back(own);
    for (int k = 0; k < forged; ++k) {
      const bool digit = *rc::gen::arbitrary<bool>();
      payloads.emplace_back(digit ? Bytes{5, 0x8A, 3, 32} : Bytes(160, 0x11));
      Arriving other = own;
      other.at_ns += *rc::gen::inRange(1, 20) * kMs;
      other.from = *rc::gen::element(kOtherPort, kThirdPort, kStranger, kOtherStranger);
      other.packet.payload_type = digit ? 101 : 0;
      other.packet.sequence = static_cast<std::uint16_t>(i + *rc::gen::inRange(0, 3));
      other.packet.timestamp = own.packet.timestamp + *rc::gen::element(0u, 160u, 320u);
      other.packet.ssrc = *rc::gen::element(5u, 6u);
      other.packet.payload = payloads.back();
      all.push_back(other);
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Arriving& a, const Arriving& b) { return a.at_ns < b.at_ns; });
  RC_ASSERT(record(honest, count * 20) == record(all, count * 20));
}

}  // namespace
}  // namespace callward::segment
