#include "people/totp.hpp"

#include <liboath/oath.h>

#include <array>

namespace callward::people {
namespace {

std::string escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain)
      out += c;
    else
      (((out += '%') += kHex[byte >> 4]) += kHex[byte & 15]);
  }
  return out;
}

}  // namespace

Result<std::string> code_of_step(ByteView secret, std::int64_t step, unsigned digits) {
  static const int begun = ::oath_init();
  if (begun != OATH_OK) return fail(Errc::kCrypto, "liboath does not start");
  if (digits < 6 || digits > 8) return fail(Errc::kMalformed, "codes have six to eight digits");
  std::array<char, 9> code{};
  if (::oath_hotp_generate(reinterpret_cast<const char*>(secret.data()), secret.size(),
                           static_cast<std::uint64_t>(step), digits, false,
                           OATH_HOTP_DYNAMIC_TRUNCATION, code.data()) != OATH_OK)
    return fail(Errc::kCrypto, "liboath makes no code");
  return std::string(code.data());
}

Result<std::optional<std::int64_t>> step_of_code(ByteView secret, std::string_view code,
                                                 std::int64_t utc_ms) {
  std::optional<std::int64_t> found;
  const auto now = utc_ms / kCodeStepMs;
  for (auto step = now - kCodeStepsOff; step <= now + kCodeStepsOff; ++step)
    if (equal_constant_time(as_bytes(TRY(code_of_step(secret, step))), as_bytes(code)))
      found = step;
  return found;
}

std::string to_base32(ByteView bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out;
  std::uint32_t held = 0;
  int bits = 0;
  for (const auto byte : bytes) {
    held = held << 8 | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += kLetters[held >> (bits - 5) & 31];
  }
  if (bits > 0) out += kLetters[held << (5 - bits) & 31];
  return out;
}

std::string code_uri(std::string_view company, std::string_view name, ByteView secret) {
  const auto issuer = escaped(company);
  return "otpauth://totp/" + issuer + ":" + escaped(name) + "?secret=" + to_base32(secret) +
         "&issuer=" + issuer;
}

}  // namespace callward::people
