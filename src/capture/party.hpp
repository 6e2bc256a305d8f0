// Who is one of us: addresses as telephone systems write them, compared with the lists of own
// numbers and own domains from the configuration.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace callward::capture {

struct Address {
  std::string user;  // "+15551234", "7001", "ann": escapes (%2B) decoded; empty if there is none
  std::string host;  // lower case, without port; empty if there is none
};

// "sip:+1555@host:5060;user=phone", "<sips:ann@host>", "tel:+1-555-0100", "ann@host", "7001".
Address parse_address(std::string_view text);

// What the carriers say of a caller's number (STIR/SHAKEN, RFC 8224 and ATIS-1000074), as a session
// border controller that has checked it says it: the URI's parameter `verstat` (3GPP TS 24.229,
// 7.2A.20), with the carrier's level where it is named. It is shown, and counts for nothing.
enum class Attestation : std::uint8_t { kNone, kFailed, kPassed, kFull, kPartial, kGateway };

// Of the URI alone: a display name is the caller's own word. Where it is said more than once, not
// the same, it has failed. "No-TN-Validation", and what nobody knows: kNone.
Attestation attestation_of(std::string_view text);
// The flag of a call: "attested_a" (full), "attested_b" (partial), "attested_c" (gateway),
// "attested" (no level named), "attestation_failed"; empty for none.
std::string_view to_flag(Attestation attestation);

class OwnParties {
 public:
  // Numbers: "7001", "+49 30 1234", or with a final '*' for all that begin so. Signs between digits
  // and a leading '+' do not matter; names ("ann") are compared without case. Domains:
  // "pbx.example", or "*.example" for everything beneath.
  OwnParties(const std::vector<std::string>& numbers, const std::vector<std::string>& domains);
  [[nodiscard]] bool owns(const Address& address) const;
  [[nodiscard]] bool empty() const { return numbers_.empty() && domains_.empty(); }

 private:
  std::vector<std::string> numbers_, domains_;
};

}  // namespace callward::capture
