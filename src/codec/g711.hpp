// ITU-T G.711, mu-law (PCMU) and A-law (PCMA), bit-exact to the tables of the recommendation as its
// software library (G.191) computes them: 16-bit linear samples, left-justified (14 bits mu, 13
// bits A).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"

namespace callward::codec {

// The numbers are the static RTP payload types (RFC 3551).
enum class G711 : std::uint8_t { kMuLaw = 0, kALaw = 8 };

inline constexpr std::uint8_t kMuLawSilence = 0xFF;
inline constexpr std::uint8_t kALawSilence = 0xD5;
constexpr std::uint8_t silence_of(G711 law) {
  return law == G711::kMuLaw ? kMuLawSilence : kALawSilence;
}

constexpr std::int16_t decode_mu(std::uint8_t code) {
  const int inverted = ~code & 0xFF;
  const int exponent = (inverted >> 4) & 7;
  const int step = 8 << exponent;
  const int magnitude = (0x80 << exponent) + step * (inverted & 0x0F) + step / 2 - 132;
  return static_cast<std::int16_t>((code & 0x80) != 0 ? magnitude : -magnitude);
}

constexpr std::int16_t decode_a(std::uint8_t code) {
  const int folded = (code ^ 0x55) & 0x7F;
  const int exponent = folded >> 4;
  int magnitude = folded & 0x0F;
  if (exponent > 0) magnitude += 16;
  magnitude = (magnitude << 4) + 8;
  if (exponent > 1) magnitude <<= exponent - 1;
  return static_cast<std::int16_t>((code & 0x80) != 0 ? magnitude : -magnitude);
}

constexpr std::uint8_t encode_mu(std::int16_t sample) {
  int magnitude = ((sample < 0 ? ~sample : sample) >> 2) + 33;
  if (magnitude > 0x1FFF) magnitude = 0x1FFF;
  int segment = 1;
  for (int rest = magnitude >> 6; rest != 0; rest >>= 1) ++segment;
  const int code = (8 - segment) << 4 | (0x0F - ((magnitude >> segment) & 0x0F));
  return static_cast<std::uint8_t>(sample >= 0 ? code | 0x80 : code);
}

constexpr std::uint8_t encode_a(std::int16_t sample) {
  int code = (sample < 0 ? ~sample : sample) >> 4;
  if (code > 15) {
    int exponent = 1;
    for (; code > 31; code >>= 1) ++exponent;
    code = code - 16 + (exponent << 4);
  }
  return static_cast<std::uint8_t>((sample >= 0 ? code | 0x80 : code) ^ 0x55);
}

namespace detail {
template <std::int16_t (*decode)(std::uint8_t)>
constexpr std::array<std::int16_t, 256> decode_table() {
  std::array<std::int16_t, 256> table{};
  for (int code = 0; code < 256; ++code) table[code] = decode(static_cast<std::uint8_t>(code));
  return table;
}
}  // namespace detail
inline constexpr auto kMuLawTable = detail::decode_table<decode_mu>();
inline constexpr auto kALawTable = detail::decode_table<decode_a>();

inline std::int16_t decode(G711 law, std::uint8_t code) {
  return law == G711::kMuLaw ? kMuLawTable[code] : kALawTable[code];
}
constexpr std::uint8_t encode(G711 law, std::int16_t sample) {
  return law == G711::kMuLaw ? encode_mu(sample) : encode_a(sample);
}

std::vector<std::int16_t> decode(G711 law, ByteView codes);
Bytes encode(G711 law, std::span<const std::int16_t> samples);

}  // namespace callward::codec
