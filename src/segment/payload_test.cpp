#include "segment/payload.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace callward::segment {
namespace {

TEST(Payload, LayoutIsByteExact) {
  AudioSegment segment;
  for (std::size_t i = 0; i < kSegmentSamples; ++i)
    segment.samples[i] = static_cast<std::uint8_t>(i);
  segment.present.set(0);
  segment.present.set(9);
  segment.present.set(99);
  segment.digits_count = 2;
  segment.digits[0] = {'5', 7, 12};
  segment.digits[1] = {'#', 99, 0x1234};
  segment.flags = kFlagAfterGap;
  AudioPayload payload;
  pack_payload(segment, payload);
  const auto raw = payload.expose();
  EXPECT_EQ(raw[799], 799 & 0xFF);
  EXPECT_EQ(raw[800], 1);
  EXPECT_EQ(raw[801], 2);
  EXPECT_EQ(raw[812], 8);
  EXPECT_EQ(raw[813], 2);
  EXPECT_EQ(raw[814], '5');
  EXPECT_EQ(raw[815], 7);
  EXPECT_EQ(raw[816], 12);
  EXPECT_EQ(raw[818], '#');
  EXPECT_EQ(raw[820], 0x34);
  EXPECT_EQ(raw[821], 0x12);
  EXPECT_EQ(raw[822], 0);
  EXPECT_EQ(raw[846], kFlagAfterGap);
  EXPECT_EQ(raw[847], 0);
}

RC_GTEST_PROP(Payload, RoundTrips, ()) {
  AudioSegment segment;
  for (auto& sample : segment.samples) sample = *rc::gen::arbitrary<std::uint8_t>();
  for (std::uint32_t ms = 0; ms < kSegmentMs; ++ms)
    if (*rc::gen::arbitrary<bool>()) segment.present.set(ms);
  segment.digits_count = *rc::gen::inRange<std::uint8_t>(0, kDigitsPerSegmentMax + 1);
  for (std::size_t i = 0; i < segment.digits_count; ++i)
    segment.digits[i] = {*rc::gen::elementOf(std::string("0123456789*#ABCD")),
                         *rc::gen::inRange<std::uint8_t>(0, 100),
                         *rc::gen::arbitrary<std::uint16_t>()};
  segment.flags = *rc::gen::inRange<std::uint8_t>(0, 8);
  AudioPayload payload;
  pack_payload(segment, payload);
  AudioSegment back;
  RC_ASSERT(unpack_payload(payload.expose(), back).has_value());
  RC_ASSERT(back.samples == segment.samples);
  RC_ASSERT(back.present == segment.present);
  RC_ASSERT(back.digits == segment.digits);
  RC_ASSERT(back.flags == segment.flags);
}

TEST(Payload, RefusesWhatIsNotOne) {
  AudioSegment out;
  EXPECT_FALSE(unpack_payload(Bytes(847), out));
  EXPECT_FALSE(unpack_payload(Bytes(849), out));
  const auto broken = [&](std::size_t at, std::uint8_t value) {
    Bytes raw(kAudioPayloadBytes);
    raw[at] = value;
    return !unpack_payload(raw, out);
  };
  EXPECT_TRUE(broken(812, 0x10));  // a hundred-and-first millisecond
  EXPECT_TRUE(broken(813, 9));     // nine digits
  EXPECT_TRUE(broken(813, 1));     // a digit that is no key
  EXPECT_TRUE(broken(846, 8));
  EXPECT_TRUE(broken(847, 1));
  EXPECT_FALSE(broken(846, 7));
}

}  // namespace
}  // namespace callward::segment
