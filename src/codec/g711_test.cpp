#include "codec/g711.hpp"

#include <gtest/gtest.h>
#include <spandsp.h>

namespace callward::codec {
namespace {

// spandsp is an implementation by other hands of the same recommendation.
TEST(G711, EveryCodeDecodesAsElsewhere) {
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<std::uint8_t>(code);
    EXPECT_EQ(decode(G711::kMuLaw, byte), ulaw_to_linear(byte)) << code;
    EXPECT_EQ(decode(G711::kALaw, byte), alaw_to_linear(byte)) << code;
  }
}

TEST(G711, KnownValuesOfTheRecommendation) {
  EXPECT_EQ(decode_mu(0x80), 32124);
  EXPECT_EQ(decode_mu(0x00), -32124);
  EXPECT_EQ(decode_mu(0xFF), 0);
  EXPECT_EQ(decode_mu(0x7F), 0);
  EXPECT_EQ(decode_a(0xAA), 32256);
  EXPECT_EQ(decode_a(0x2A), -32256);
  EXPECT_EQ(decode_a(0xD5), 8);
  EXPECT_EQ(decode_a(0x55), -8);
  EXPECT_EQ(encode_mu(0), kMuLawSilence);
  EXPECT_EQ(encode_a(0), kALawSilence);
  EXPECT_EQ(encode_mu(32767), 0x80);
  EXPECT_EQ(encode_mu(-32768), 0x00);
}

TEST(G711, ACodeSurvivesDecodingAndEncoding) {
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<std::uint8_t>(code);
    // Minus zero becomes plus zero.
    EXPECT_EQ(encode_mu(decode_mu(byte)), byte == 0x7F ? 0xFF : byte);
    EXPECT_EQ(encode_a(decode_a(byte)), byte);
  }
}

// The nearest code, for every sample there is; ties and the truncation of G.191 allow one step's
// half.
TEST(G711, EverySampleGetsACodeWithinHalfAStep) {
  for (int value = -32768; value <= 32767; ++value) {
    const auto sample = static_cast<std::int16_t>(value);
    const int magnitude = value < 0 ? -value : value;
    const int mu = decode_mu(encode_mu(sample)), a = decode_a(encode_a(sample));
    const int clipped = std::max(0, magnitude - 32635);
    EXPECT_LE(std::abs(mu - value), std::max(4, (magnitude + 132) / 32) + clipped) << value;
    EXPECT_LE(std::abs(a - value), std::max(16, magnitude / 31)) << value;
  }
}

TEST(G711, VectorsGoThroughTheSameTables) {
  const Bytes codes = {0x00, 0x55, 0xD5, 0xFF};
  const auto samples = decode(G711::kALaw, codes);
  ASSERT_EQ(samples.size(), 4u);
  EXPECT_TRUE(equal(encode(G711::kALaw, samples), codes));
}

}  // namespace
}  // namespace callward::codec
