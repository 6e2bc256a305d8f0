// SDP of a call-back's legs (RFC 3264, 8866): our offers, what the peer's answer or offer means for
// the relay, and our answer to an offer. One audio stream, G.711, telephone-events under one
// number.
// No address or name but the relay's is ever written: nothing of one leg stands in the other's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "wire/sdp.hpp"

namespace callward::capture {

inline constexpr std::uint8_t kEventPayloadType = 101;  // as most do; kept the same on both legs

// Our side of a leg.
struct OwnMedia {
  std::string address;  // the relay's
  std::uint16_t port = 0;
  std::uint64_t session_id = 0, version = 0;  // RFC 8866, 5.2: the version grows with each change
};

// What a peer has said.
struct PeerMedia {
  std::optional<Endpoint> rtp, rtcp;  // nothing: held as of RFC 2543, or no usable address
  std::uint8_t codec = 0;             // 0 PCMU, 8 PCMA: the first that both have
  bool events = false;                // telephone-event under kEventPayloadType
  bool sends = true, receives = true;
  bool operator==(const PeerMedia&) const = default;
};

// Codecs in our order of preference.
std::string write_call_offer(const OwnMedia& own, const std::vector<std::uint8_t>& codecs);

// Of an answer or an offer. kMalformed: not SDP. kUnsupported: no audio stream over plain RTP with
// one of these codecs.
Result<PeerMedia> read_call_media(std::string_view sdp, const std::vector<std::uint8_t>& codecs);

// The answer to an offer that read_call_media has read with the one codec of the call: that stream,
// and every other one refused. kUnsupported as above.
Result<std::string> write_call_answer(std::string_view offer, std::uint8_t codec,
                                      const OwnMedia& own);

}  // namespace callward::capture
