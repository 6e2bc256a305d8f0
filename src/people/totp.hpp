// One-time codes of an authenticator application (RFC 6238: HMAC-SHA-1, six digits, 30 s), by
// liboath. They prove possession of a secret that this server has too: whoever came in with one has
// signed nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace callward::people {

using CodeSecret = SecretArray<20>;  // RFC 4226, 4: the length of SHA-1

inline constexpr std::int64_t kCodeStepMs = 30'000;
inline constexpr unsigned kCodeDigits = 6;
inline constexpr std::int64_t kCodeStepsOff = 1;  // clocks that differ by so much are taken

// kCrypto: the library refused. `digits` 6 to 8.
Result<std::string> code_of_step(ByteView secret, std::int64_t step, unsigned digits = kCodeDigits);
// The step to which this code belongs, within kCodeStepsOff of the time; nothing: to none. Its work
// does not depend on which.
Result<std::optional<std::int64_t>> step_of_code(ByteView secret, std::string_view code,
                                                 std::int64_t utc_ms);

std::string to_base32(ByteView bytes);  // RFC 4648, 6, without padding
// What applications read as a picture: "otpauth://totp/…".
std::string code_uri(std::string_view company, std::string_view name, ByteView secret);

}  // namespace callward::people
