#include "wire/dtmf.hpp"

#include <string_view>

namespace callward::wire {
namespace {

constexpr std::string_view kDigits = "0123456789*#ABCD";
constexpr std::uint32_t kSegmentTicksMax = 0xFFFF;

}  // namespace

Result<std::vector<TelephoneEvent>> parse_telephone_events(ByteView payload) {
  if (payload.empty() || payload.size() % 4 != 0)
    return fail(Errc::kMalformed, "telephone-event payload is not a multiple of four bytes");
  if (payload.size() / 4 > kDtmfEventsPerPacketMax)
    return fail(Errc::kTooLarge, "too many telephone events in a packet");
  std::vector<TelephoneEvent> events;
  for (std::size_t at = 0; at < payload.size(); at += 4) {
    events.push_back({.event = payload[at],
                      .end = (payload[at + 1] & 0x80) != 0,
                      .volume = static_cast<std::uint8_t>(payload[at + 1] & 0x3F),
                      .duration_ticks = load_be<std::uint16_t>(payload.data() + at + 2)});
  }
  return events;
}

Bytes write_telephone_event(const TelephoneEvent& event) {
  return {event.event, static_cast<std::uint8_t>((event.end ? 0x80 : 0) | (event.volume & 0x3F)),
          static_cast<std::uint8_t>(event.duration_ticks >> 8),
          static_cast<std::uint8_t>(event.duration_ticks & 0xFF)};
}

char digit_of_event(std::uint8_t event) { return event < kDigits.size() ? kDigits[event] : '\0'; }

std::optional<std::uint8_t> event_of_digit(char digit) {
  const auto at =
      kDigits.find(digit >= 'a' && digit <= 'd' ? static_cast<char>(digit - 32) : digit);
  if (at == std::string_view::npos || digit == '\0') return std::nullopt;
  return static_cast<std::uint8_t>(at);
}

std::vector<DigitNews> DigitTracker::push(const RtpPacket& packet) {
  std::vector<DigitNews> news;
  const auto events = parse_telephone_events(packet.payload);
  if (!events) return news;
  std::uint32_t timestamp = packet.timestamp;
  for (const auto& event : *events) {
    if (auto told = push_event(event, timestamp)) news.push_back(*told);
    timestamp += event.duration_ticks;  // events of one packet follow each other in time
  }
  return news;
}

std::optional<DigitNews> DigitTracker::push_event(const TelephoneEvent& event,
                                                  std::uint32_t timestamp) {
  const char digit = digit_of_event(event.event);
  if (digit == '\0') return std::nullopt;
  bool fresh = true;
  if (open_) {
    const auto ahead = timestamp_distance(timestamp, segment_ticks_);
    if (ahead < 0) return std::nullopt;  // a late packet of an earlier digit or segment
    const bool same_segment = ahead == 0 && digit == digit_;
    const auto segment_so_far = duration_ticks_ - (segment_ticks_ - start_ticks_);
    const bool next_segment = !ended_ && digit == digit_ && ahead != 0 &&
                              static_cast<std::uint32_t>(ahead) == kSegmentTicksMax &&
                              segment_so_far <= kSegmentTicksMax;
    if (same_segment || next_segment) {
      if (ended_) return std::nullopt;  // repetitions of the end
      fresh = false;
      segment_ticks_ = timestamp;
      const std::uint32_t duration = timestamp - start_ticks_ + event.duration_ticks;
      const bool longer = duration > duration_ticks_;
      if (!longer && !event.end) return std::nullopt;
      if (longer) duration_ticks_ = duration;
      ended_ = event.end;
    }
  }
  if (fresh) {
    open_ = true;
    ended_ = event.end;
    digit_ = digit;
    start_ticks_ = segment_ticks_ = timestamp;
    duration_ticks_ = event.duration_ticks;
  }
  return DigitNews{digit_, start_ticks_, duration_ticks_, fresh, ended_};
}

}  // namespace callward::wire
