// The body of a SIPREC request: multipart/mixed (RFC 2046, 5.1; RFC 5621) with SDP and rs-metadata.
//
// Recording clients in the field break the format in many ways, and a call that is refused for its
// body is a call that nobody recorded. So whatever can be understood in one way only is understood,
// and a flag says what was odd. One pass over the body, no recursion (a multipart within is an
// unknown part).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace callward::wire {

inline constexpr std::size_t kBodyBytesMax = 64 * 1024;
inline constexpr std::size_t kBodyPartsMax = 16;
inline constexpr std::size_t kPartHeaderLinesMax = 32;
inline constexpr std::size_t kBoundaryBytesMax = 200;  // RFC 2046 says 70; vendors exceed it

struct BodyPart {
  std::string type;         // "application/sdp": lower case, without parameters; empty if not given
  std::string disposition;  // "session", "recording-session": lower case; empty if not given
  std::string_view body;    // into the message
};

struct Multipart {
  std::vector<BodyPart> parts;
  std::vector<std::string> flags;  // "boundary_mismatch", "boundary_missing", "body_unterminated"
};

// kMalformed: no delimiter found at all. kTooLarge: over one of the limits above.
Result<Multipart> parse_multipart(std::string_view content_type, std::string_view body);

// What a SIPREC request carries, however it was wrapped.
struct SiprecBody {
  std::vector<std::string_view> sdp;       // usually one; in order
  std::vector<std::string_view> metadata;  // usually one; rs-metadata as it came
  std::size_t unknown_parts = 0;
  std::vector<std::string> flags;  // those of Multipart, "two_sdp_parts", "part_type_guessed", ...
};

// Accepts multipart/*, a bare application/sdp, a bare application/rs-metadata(+xml), and bodies
// whose Content-Type is missing or wrong but whose first bytes leave no doubt. An empty body gives
// an empty SiprecBody. kUnsupported: the type is known to be something else (SIP 415).
Result<SiprecBody> parse_siprec_body(std::string_view content_type, std::string_view body);

}  // namespace callward::wire
