#include "wire/rtp.hpp"

namespace callward::wire {
namespace {

template <class Int>
void put_be(Bytes& out, Int value) {
  for (std::size_t i = sizeof(Int); i-- > 0;)
    out.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
}

constexpr std::uint8_t kRtcpSenderReport = 200;
constexpr std::uint8_t kRtcpReceiverReport = 201;
constexpr std::uint8_t kRtcpSourceDescription = 202;
constexpr std::uint8_t kRtcpBye = 203;

}  // namespace

Result<RtpPacket> parse_rtp(ByteView datagram) {
  if (datagram.size() > kRtpPacketBytesMax) return fail(Errc::kTooLarge, "RTP packet too large");
  if (datagram.size() < kRtpHeaderBytes) return fail(Errc::kMalformed, "RTP packet too short");
  if (datagram[0] >> 6 != 2) return fail(Errc::kMalformed, "not RTP version 2");
  const bool padded = (datagram[0] & 0x20) != 0;
  const bool extended = (datagram[0] & 0x10) != 0;
  std::size_t begin = kRtpHeaderBytes + 4u * (datagram[0] & 0x0F);
  if (extended) {
    if (begin + 4 > datagram.size()) return fail(Errc::kMalformed, "RTP extension cut off");
    begin += 4 + 4u * load_be<std::uint16_t>(datagram.data() + begin + 2);
  }
  std::size_t end = datagram.size();
  if (begin > end) return fail(Errc::kMalformed, "RTP header cut off");
  if (padded) {
    const std::size_t padding = datagram[end - 1];
    if (padding == 0 || padding > end - begin)
      return fail(Errc::kMalformed, "RTP padding too long");
    end -= padding;
  }
  RtpPacket packet;
  packet.marker = (datagram[1] & 0x80) != 0;
  packet.payload_type = datagram[1] & 0x7F;
  packet.sequence = load_be<std::uint16_t>(datagram.data() + 2);
  packet.timestamp = load_be<std::uint32_t>(datagram.data() + 4);
  packet.ssrc = load_be<std::uint32_t>(datagram.data() + 8);
  packet.payload = datagram.subspan(begin, end - begin);
  return packet;
}

Bytes write_rtp(const RtpPacket& packet) {
  Bytes out;
  out.reserve(kRtpHeaderBytes + packet.payload.size());
  out.push_back(0x80);
  out.push_back(
      static_cast<std::uint8_t>((packet.marker ? 0x80 : 0) | (packet.payload_type & 0x7F)));
  put_be(out, packet.sequence);
  put_be(out, packet.timestamp);
  put_be(out, packet.ssrc);
  out.insert(out.end(), packet.payload.begin(), packet.payload.end());
  return out;
}

bool is_rtcp(ByteView datagram) {
  return datagram.size() >= 8 && datagram[0] >> 6 == 2 && datagram[1] >= 192 && datagram[1] <= 223;
}

Result<Rtcp> parse_rtcp(ByteView datagram) {
  Rtcp out;
  std::size_t at = 0;
  for (std::size_t count = 0; at < datagram.size(); ++count) {
    if (count == kRtcpPacketsMax)
      return fail(Errc::kTooLarge, "too many RTCP packets in a datagram");
    const auto rest = datagram.subspan(at);
    if (rest.size() < 4 || rest[0] >> 6 != 2) return fail(Errc::kMalformed, "not RTCP");
    const std::size_t size = 4u * (load_be<std::uint16_t>(rest.data() + 2) + 1u);
    if (size > rest.size()) return fail(Errc::kMalformed, "RTCP packet cut off");
    const std::size_t items = rest[0] & 0x1F;
    if (rest[1] == kRtcpSenderReport) {
      if (size < 28) return fail(Errc::kMalformed, "RTCP sender report cut off");
      out.reports.push_back({.ssrc = load_be<std::uint32_t>(rest.data() + 4),
                             .ntp = load_be<std::uint64_t>(rest.data() + 8),
                             .rtp_timestamp = load_be<std::uint32_t>(rest.data() + 16),
                             .packets = load_be<std::uint32_t>(rest.data() + 20)});
    } else if (rest[1] == kRtcpBye) {
      if (size < 4 + 4 * items) return fail(Errc::kMalformed, "RTCP BYE cut off");
      for (std::size_t i = 0; i < items; ++i)
        out.bye.push_back(load_be<std::uint32_t>(rest.data() + 4 + 4 * i));
    }
    at += size;
  }
  return out;
}

namespace {

void put_with_length(Bytes& out, ByteView packet) {
  const auto at = out.size();
  out.insert(out.end(), packet.begin(), packet.end());
  const auto words = packet.size() / 4 - 1;
  out[at + 2] = static_cast<std::uint8_t>(words >> 8);
  out[at + 3] = static_cast<std::uint8_t>(words);
  out[at] = static_cast<std::uint8_t>(out[at] & ~0x20u);  // padding was behind what is kept
}

// One chunk: the source, its CNAME, and zeros up to the next word.
void put_cname(Bytes& out, ByteView ssrc, std::string_view cname) {
  const auto text = as_bytes(cname.substr(0, 0xFF));
  Bytes sdes{0x81, kRtcpSourceDescription, 0, 0};
  sdes.insert(sdes.end(), ssrc.begin(), ssrc.end());
  sdes.push_back(1);
  sdes.push_back(static_cast<std::uint8_t>(text.size()));
  sdes.insert(sdes.end(), text.begin(), text.end());
  sdes.resize((sdes.size() / 4 + 1) * 4);
  put_with_length(out, sdes);
}

}  // namespace

Bytes anonymous_rtcp(ByteView datagram, std::string_view cname) {
  Bytes out;
  std::size_t at = 0, written = 1;  // our name is one
  for (std::size_t count = 0; at < datagram.size(); ++count) {
    const auto rest = datagram.subspan(at);
    if (count == kRtcpPacketsMax || rest.size() < 4 || rest[0] >> 6 != 2) return {};
    const std::size_t size = 4u * (load_be<std::uint16_t>(rest.data() + 2) + 1u);
    if (size > rest.size()) return {};
    const std::size_t items = rest[0] & 0x1F;
    const bool report = rest[1] == kRtcpSenderReport || rest[1] == kRtcpReceiverReport;
    if (count == 0 && !report) return {};
    std::size_t kept = 0;
    if (report) kept = (rest[1] == kRtcpSenderReport ? 28 : 8) + 24 * items;
    if (rest[1] == kRtcpBye) kept = 4 + 4 * items;
    if (kept > size || (kept != 0 && ++written > kRtcpPacketsMax)) return {};
    if (kept != 0) put_with_length(out, rest.first(kept));
    if (count == 0) put_cname(out, rest.subspan(4, 4), cname);
    at += size;
  }
  return out;
}

}  // namespace callward::wire
