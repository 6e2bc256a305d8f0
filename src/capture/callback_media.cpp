#include "capture/callback_media.hpp"

#include <algorithm>

namespace callward::capture {
namespace {

constexpr std::uint32_t kClockRate = 8000;

const char* name_of(std::uint8_t codec) { return codec == 8 ? "PCMA" : "PCMU"; }

std::string head(const OwnMedia& own) {
  const std::string net = own.address.find(':') == std::string::npos ? "IN IP4 " : "IN IP6 ";
  return "v=0\r\no=- " + std::to_string(own.session_id) + " " + std::to_string(own.version) + " " +
         net + own.address + "\r\ns=-\r\nc=" + net + own.address + "\r\nt=0 0\r\n";
}

std::string audio(std::uint16_t port, const std::vector<std::uint8_t>& codecs, bool events,
                  const char* direction) {
  std::string line = "m=audio " + std::to_string(port) + " RTP/AVP", maps;
  for (const auto codec : codecs) {
    line += " " + std::to_string(codec);
    maps += "a=rtpmap:" + std::to_string(codec) + " " + name_of(codec) + "/8000\r\n";
  }
  const auto type = std::to_string(kEventPayloadType);
  if (events) {
    line += " " + type;
    maps += "a=rtpmap:" + type + " telephone-event/8000\r\na=fmtp:" + type + " 0-16\r\n";
  }
  return line + "\r\n" + maps + "a=ptime:20\r\na=" + direction + "\r\n";
}

struct Found {
  std::size_t line = 0;
  std::uint8_t codec = 0;
};
// The first audio stream that we can take. A dynamic number for G.711 is not: packets pass as they
// are, and the other side knows the static one.
std::optional<Found> find_audio(const wire::Sdp& sdp, const std::vector<std::uint8_t>& codecs) {
  for (std::size_t i = 0; i < sdp.media.size(); ++i) {
    const auto& media = sdp.media[i];
    if (media.kind != "audio" || media.port == 0 || media.protocol != "RTP/AVP") continue;
    for (const auto& offered : media.codecs)
      for (const auto codec : codecs)
        if (offered.payload_type == codec && offered.name == name_of(codec) &&
            offered.clock_rate == kClockRate && offered.channels == 1)
          return Found{i, codec};
  }
  return std::nullopt;
}

bool has_events(const wire::SdpMedia& media) {
  const auto* events = wire::find_telephone_event(media, kClockRate);
  return events != nullptr && events->payload_type == kEventPayloadType;
}

// Our direction, where the peer says this one.
const char* mirrored(wire::MediaDirection direction) {
  switch (direction) {
    case wire::MediaDirection::kSendOnly:
      return "recvonly";
    case wire::MediaDirection::kRecvOnly:
      return "sendonly";
    case wire::MediaDirection::kInactive:
      return "inactive";
    case wire::MediaDirection::kSendRecv:
      break;
  }
  return "sendrecv";
}

}  // namespace

std::string write_call_offer(const OwnMedia& own, const std::vector<std::uint8_t>& codecs) {
  return head(own) + audio(own.port, codecs, true, "sendrecv");
}

Result<PeerMedia> read_call_media(std::string_view sdp, const std::vector<std::uint8_t>& codecs) {
  const auto parsed = TRY(wire::parse_sdp(sdp));
  const auto found = find_audio(parsed, codecs);
  if (!found) return fail(Errc::kUnsupported, "no G.711 audio that both sides have");
  const auto& media = parsed.media[found->line];
  using enum wire::MediaDirection;
  PeerMedia out;
  out.codec = found->codec;
  out.events = has_events(media);
  out.sends = (media.direction == kSendRecv || media.direction == kSendOnly) && !media.zero_address;
  out.receives =
      (media.direction == kSendRecv || media.direction == kRecvOnly) && !media.zero_address;
  out.rtp = parse_endpoint(media.address, media.port);
  if (media.port < 0xFFFF)
    out.rtcp = parse_endpoint(media.address, static_cast<std::uint16_t>(media.port + 1));
  if (!out.rtp) out.receives = false;
  return out;
}

Result<std::string> write_call_answer(std::string_view offer, std::uint8_t codec,
                                      const OwnMedia& own) {
  const auto parsed = TRY(wire::parse_sdp(offer));
  const auto found = find_audio(parsed, {codec});
  if (!found) return fail(Errc::kUnsupported, "no stream of this call's codec");
  std::string out = head(own);
  for (std::size_t i = 0; i < parsed.media.size(); ++i) {
    const auto& media = parsed.media[i];
    if (i == found->line) {
      out += audio(own.port, {codec}, has_events(media), mirrored(media.direction));
      continue;
    }
    // Refused (RFC 3264, 6): as it was offered, with port 0. Its words are the peer's own.
    out += "m=" + media.kind + " 0 " + media.protocol;
    for (const auto& format : media.formats) out += " " + format;
    out += media.formats.empty() ? " 0\r\n" : "\r\n";
  }
  return out;
}

}  // namespace callward::capture
