// SDP (RFC 4566) as recording clients offer it, and the answer of a recording server (RFC 3264,
// 7866). One pass, no recursion. What a recorder does not need is skipped; what it needs is read
// leniently.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace callward::wire {

inline constexpr std::size_t kSdpBytesMax = 64 * 1024;
inline constexpr std::size_t kSdpLinesMax = 2048;
inline constexpr std::size_t kSdpMediaMax = 32;
inline constexpr std::size_t kSdpFormatsMax = 64;  // in one m-line
inline constexpr std::size_t kSdpLineBytesMax =
    2048;  // longer lines are cut: no attribute of use is longer

enum class MediaDirection : std::uint8_t { kSendRecv, kSendOnly, kRecvOnly, kInactive };

struct SdpCodec {
  std::uint8_t payload_type = 0;
  std::string name;  // upper case: "PCMU"; of static types too, if they had no rtpmap
  std::uint32_t clock_rate = 0;
  std::uint8_t channels = 1;
  std::string parameters;  // of a=fmtp; empty if none
};

struct SdpMedia {
  std::string kind;                  // "audio", lower case
  std::uint16_t port = 0;            // 0: the offerer has taken the stream away (or refused it)
  std::string protocol;              // "RTP/AVP"
  std::vector<std::string> formats;  // as they stand in the m-line
  std::vector<SdpCodec> codecs;      // the numeric formats, in the offerer's order of preference
  std::string address;               // of c=, its own or the session's; empty if there is none
  MediaDirection direction = MediaDirection::kSendRecv;
  bool zero_address = false;  // c=0.0.0.0: hold as of RFC 2543
  std::string label;          // RFC 4574; may be a word
  std::string record;         // a=record:on|off|paused (RFC 7866, 6.3), lower case; empty if absent
  bool rtcp_mux = false;
  std::uint16_t ptime_ms = 0;  // 0: not said
};

struct Sdp {
  std::string origin_user, origin_id, origin_version, origin_address;
  std::vector<SdpMedia> media;
  std::vector<std::string> flags;  // "sdp_line_skipped", "sdp_line_cut", ...
};

// kMalformed: it does not begin with v=0, or an m-line makes no sense. kTooLarge: over a limit
// above.
Result<Sdp> parse_sdp(std::string_view text);

// The telephone-event codec (RFC 4733) that goes with `codec`'s clock rate, if it was offered.
const SdpCodec* find_telephone_event(const SdpMedia& media, std::uint32_t clock_rate);
const SdpCodec* find_codec(const SdpMedia& media, std::string_view name, std::uint32_t clock_rate);

// One m-line of an answer, in the offer's order.
struct AnswerMedia {
  const SdpMedia* offered = nullptr;
  std::uint16_t port = 0;            // 0: refused, or taken away by the offerer
  const SdpCodec* codec = nullptr;   // null when the port is 0
  const SdpCodec* events = nullptr;  // telephone-event, if accepted
};
struct SdpAnswer {
  std::string address;  // "127.0.0.1", "2001:db8::1"
  std::uint64_t session_id = 0;
  std::uint64_t version = 0;  // grows with each changed answer (RFC 3264, 8)
  std::vector<AnswerMedia> media;
};
// recvonly for what is sent to us, inactive where the offer is inactive or recvonly; labels are
// repeated; "a=record:on" where we take media.
std::string write_sdp_answer(const SdpAnswer& answer);

}  // namespace callward::wire
