#include "base/bytes.hpp"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace callward {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int base64_value(char c) {
  const auto at = kBase64.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

#if defined(__x86_64__)
// Three lanes at once, because the instruction takes three cycles and one can start in each. A
// lane's sum goes on behind the next lane by a table: what kLaneBytes zero bytes make of it.
constexpr std::size_t kLaneBytes = 256;

constexpr std::array<std::array<std::uint32_t, 256>, 4> make_lane_table() {
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < of_bit.size(); ++bit) {
    std::uint32_t crc = 1u << bit;
    for (std::size_t i = 0; i < kLaneBytes; ++i) crc = kCrcTable[crc & 0xFF] ^ (crc >> 8);
    of_bit[bit] = crc;
  }
  std::array<std::array<std::uint32_t, 256>, 4> table{};
  for (std::size_t byte = 0; byte < 4; ++byte)
    for (std::uint32_t value = 0; value < 256; ++value)
      for (std::size_t bit = 0; bit < 8; ++bit)
        if ((value >> bit & 1) != 0) table[byte][value] ^= of_bit[byte * 8 + bit];
  return table;
}
constexpr auto kLaneTable = make_lane_table();

std::uint32_t behind_lane(std::uint64_t crc) {
  return kLaneTable[0][crc & 0xFF] ^ kLaneTable[1][crc >> 8 & 0xFF] ^
         kLaneTable[2][crc >> 16 & 0xFF] ^ kLaneTable[3][crc >> 24 & 0xFF];
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse(ByteView bytes, std::uint32_t crc) {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t wide = crc;
  for (; left >= 3 * kLaneBytes; left -= 3 * kLaneBytes, at += 2 * kLaneBytes) {
    std::uint64_t second = 0, third = 0;
    for (const auto* end = at + kLaneBytes; at < end; at += 8) {
      wide = _mm_crc32_u64(wide, load_le<std::uint64_t>(at));
      second = _mm_crc32_u64(second, load_le<std::uint64_t>(at + kLaneBytes));
      third = _mm_crc32_u64(third, load_le<std::uint64_t>(at + 2 * kLaneBytes));
    }
    wide = behind_lane(behind_lane(wide) ^ second) ^ third;
  }
  for (; left >= 8; left -= 8, at += 8) wide = _mm_crc32_u64(wide, load_le<std::uint64_t>(at));
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; left > 0; --left, ++at) narrow = _mm_crc32_u8(narrow, *at);
  return narrow;
}
#endif

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const auto byte : bytes) {
    out.push_back(kHexDigits[byte >> 4]);
    out.push_back(kHexDigits[byte & 15]);
  }
  return out;
}

std::string in_fours(ByteView bytes, const char* between) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    text += (i == 0 ? "" : between) + to_hex(bytes.subspan(i, 2));
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return fail(Errc::kMalformed, "hexadecimal text has an odd length");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return fail(Errc::kMalformed, "not a hexadecimal digit");
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::string to_base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16;
    if (have > 1) group |= static_cast<std::uint32_t>(bytes[i + 1]) << 8;
    if (have > 2) group |= bytes[i + 2];
    out.push_back(kBase64[group >> 18 & 63]);
    out.push_back(kBase64[group >> 12 & 63]);
    out.push_back(have > 1 ? kBase64[group >> 6 & 63] : '=');
    out.push_back(have > 2 ? kBase64[group & 63] : '=');
  }
  return out;
}

Result<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return fail(Errc::kMalformed, "base64 text is not a multiple of 4");
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t pad = i + 4 == text.size() ? padding : 0;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const int value = k < 4 - pad ? base64_value(text[i + k]) : 0;
      if (value < 0) return fail(Errc::kMalformed, "not a base64 digit");
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    if (pad > 0 && (group & (pad == 1 ? 0xFFu : 0xFFFFu)) != 0)
      return fail(Errc::kMalformed, "base64 padding bits are not zero");
    for (std::size_t k = 0; k < 3 - pad; ++k)
      out.push_back(static_cast<std::uint8_t>(group >> (16 - 8 * k)));
  }
  return out;
}

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) noexcept {
  std::uint32_t crc = ~seed;
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("sse4.2");
  if (fast) return ~crc32c_sse(bytes, crc);
#endif
  for (const auto byte : bytes) crc = kCrcTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

}  // namespace callward
