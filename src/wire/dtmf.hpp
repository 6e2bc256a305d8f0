// Keyed digits as RTP events (RFC 4733). A digit comes as many packets with one RTP timestamp (its
// start) and a growing duration; the last is sent three times with the end bit. A digit held longer
// than 65,535 ticks continues in segments whose timestamps follow each other without a gap (RFC
// 4733, 2.5.1.3).
//
//   0 event u8 · 1 E R volume(6) · 2 duration u16, ticks of the RTP clock       (several may
//   follow)
#pragma once

#include <optional>

#include "wire/rtp.hpp"

namespace callward::wire {

inline constexpr std::size_t kDtmfEventsPerPacketMax = 8;

struct TelephoneEvent {
  std::uint8_t event = 0;  // 0..15 are digits
  bool end = false;
  std::uint8_t volume = 0;  // -dBm0
  std::uint16_t duration_ticks = 0;
};

// kMalformed: empty or not a multiple of four bytes. kTooLarge: over kDtmfEventsPerPacketMax.
Result<std::vector<TelephoneEvent>> parse_telephone_events(ByteView payload);
Bytes write_telephone_event(const TelephoneEvent& event);

// '0'..'9' '*' '#' 'A'..'D' for 0..15; 0 for what is no digit (flash, tones, line events).
char digit_of_event(std::uint8_t event);
std::optional<std::uint8_t> event_of_digit(char digit);

// What one packet tells about a digit. The first news of a digit has `fresh`; later ones with the
// same `start_ticks` only lengthen it. A digit whose end was lost simply gets no more news,
// and after `ended` there is none.
struct DigitNews {
  char digit = 0;
  std::uint32_t start_ticks = 0;     // RTP timestamp of the digit's start, also for later segments
  std::uint32_t duration_ticks = 0;  // so far
  bool fresh = false;
  bool ended = false;
};

// One per stream. Packets may come late, twice or out of order; memory is constant.
class DigitTracker {
 public:
  // Empty when the packet tells nothing new: repeated, older, not a digit, or malformed. More than
  // one item only from senders that pack several events into a packet (RFC 4733, 2.5.1.5).
  std::vector<DigitNews> push(const RtpPacket& packet);
  void reset() { open_ = false; }  // SSRC changed: timestamps begin anew

 private:
  std::optional<DigitNews> push_event(const TelephoneEvent& event, std::uint32_t timestamp);

  bool open_ = false;  // there was a digit: the fields below speak of the latest one
  bool ended_ = false;
  char digit_ = 0;
  std::uint32_t start_ticks_ = 0;
  std::uint32_t segment_ticks_ = 0;  // RTP timestamp of the running segment
  std::uint32_t duration_ticks_ = 0;
};

}  // namespace callward::wire
