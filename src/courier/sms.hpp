// One text message as the gateway gets it: docs/sms-gateway.md is the contract.
#pragma once

#include "courier/letter.hpp"

namespace callward::courier {

inline constexpr std::size_t kSmsKeyBytesMin = 32, kSmsKeyBytesMax = 256;

// {"id":"<32 hex>","to":"+49…","text":"…","sent_at":"2026-11-24T08:30:00.123Z"}; the same bytes for
// each try: what is signed beside it is the time of the try.
SecretBytes build_sms(const Letter& letter);

// HMAC-SHA-256 (RFC 2104) under the shared key of: timestamp ‖ body, in lower-case hexadecimal.
std::string sms_signature(ByteView key, std::string_view timestamp, ByteView body);

}  // namespace callward::courier
