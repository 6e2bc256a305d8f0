// RTP packets (RFC 3550, 5.1) and the little of RTCP (RFC 3550, 6) that a recorder uses. Pure:
// bytes in, a view out; nothing is copied, nothing is allocated, every length is checked.
//
//   0  V=2 P X CC · 1 M PT · 2 sequence u16 · 4 timestamp u32 · 8 ssrc u32 · 12 CC x csrc u32
//   [X: profile u16, words u16, words x u32] · payload · [P: padding, its last byte is the count]
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"

namespace callward::wire {

inline constexpr std::size_t kRtpHeaderBytes = 12;
inline constexpr std::size_t kRtpPacketBytesMax = 2048;  // larger than any Ethernet frame's payload
inline constexpr std::size_t kRtcpPacketsMax = 32;       // in one compound datagram

struct RtpPacket {
  bool marker = false;
  std::uint8_t payload_type = 0;  // 0..127
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;  // ticks of the payload's clock
  std::uint32_t ssrc = 0;
  ByteView payload;  // into the datagram; without header extension and padding; may be empty
};

// kMalformed: too short, not version 2, or its lengths do not fit. kTooLarge: over
// kRtpPacketBytesMax.
Result<RtpPacket> parse_rtp(ByteView datagram);

// Writes header and payload. No extension, no padding.
Bytes write_rtp(const RtpPacket& packet);

// a - b on the circle of 2^16 or 2^32: positive when a is ahead (RFC 1982).
constexpr std::int16_t sequence_distance(std::uint16_t a, std::uint16_t b) {
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(a - b));
}
constexpr std::int32_t timestamp_distance(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b);
}

// RTCP on the RTP port (RFC 5761): packet types 192..223 can't be RTP payload types 64..95 with
// marker.
bool is_rtcp(ByteView datagram);

struct RtcpSenderReport {
  std::uint32_t ssrc = 0;
  std::uint64_t ntp = 0;            // 32.32 seconds since 1900
  std::uint32_t rtp_timestamp = 0;  // the same instant on the stream's RTP clock
  std::uint32_t packets = 0;        // sent by this source so far
};
struct Rtcp {
  std::vector<RtcpSenderReport> reports;
  std::vector<std::uint32_t> bye;  // sources that have left
};
// A compound datagram; types other than SR and BYE are skipped. At most kRtcpPacketsMax packets.
Result<Rtcp> parse_rtcp(ByteView datagram);

// What of a compound datagram may go to the other side of a call without saying whose it is: sender
// and receiver reports and BYE, without profile extensions and reasons; in the place of every
// source description (RFC 3550, 6.5: names, numbers, often user@host) one CNAME of ours. Empty: it
// does not begin with a report, its lengths do not fit, or it is full: ours has no room in it.
Bytes anonymous_rtcp(ByteView datagram, std::string_view cname);

}  // namespace callward::wire
