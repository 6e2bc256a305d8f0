// Any datagram as RTP and RTCP: the payload lies within it; what is written again reads the same.
// And any sequence of event packets: a digit's news keeps its start, and its duration only grows.
// The first byte says which.
#include <algorithm>

#include "base/check.hpp"
#include "wire/dtmf.hpp"
#include "wire/rtp.hpp"

namespace {

using namespace callward;

// What is left for the other side is a compound datagram again, with our name and nobody else's:
// made anonymous once more it is the same.
void make_anonymous(ByteView datagram) {
  const auto once = wire::anonymous_rtcp(datagram, "us");
  if (once.empty()) return;
  CHECK(wire::is_rtcp(once) && wire::parse_rtcp(once).has_value());
  CHECK(equal(wire::anonymous_rtcp(once, "us"), once));
}

void read_datagram(ByteView datagram) {
  make_anonymous(datagram);
  if (wire::is_rtcp(datagram)) {
    if (const auto rtcp = wire::parse_rtcp(datagram))
      CHECK(rtcp->reports.size() <= wire::kRtcpPacketsMax &&
            rtcp->bye.size() <= 31 * wire::kRtcpPacketsMax);
  }
  const auto packet = wire::parse_rtp(datagram);
  if (!packet) return;
  CHECK(packet->payload.size() + wire::kRtpHeaderBytes <= datagram.size());
  CHECK(packet->payload.empty() || packet->payload.data() >= datagram.data());
  CHECK(packet->payload.data() + packet->payload.size() <= datagram.data() + datagram.size());
  const auto again = wire::write_rtp(*packet);
  const auto back = wire::parse_rtp(again);
  CHECK(back.has_value() && equal(back->payload, packet->payload) &&
        back->timestamp == packet->timestamp && back->sequence == packet->sequence &&
        back->marker == packet->marker);
}

void track_digits(ByteView script) {
  wire::DigitTracker tracker;
  ByteReader in(script);
  std::optional<wire::DigitNews> last;
  while (in.remaining() > 0) {
    wire::RtpPacket packet;
    packet.timestamp = in.u16() * 37u;
    packet.payload = in.bytes(std::min<std::size_t>(in.u8() % 40u, in.remaining()));
    for (const auto& news : tracker.push(packet)) {
      CHECK(wire::event_of_digit(news.digit).has_value());
      if (!news.fresh) {
        CHECK(last && last->digit == news.digit && last->start_ticks == news.start_ticks);
        CHECK(news.duration_ticks >= last->duration_ticks);
        CHECK(!last->ended);
      }
      last = news;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView rest(data + 1, size - 1);
  data[0] % 2 == 0 ? read_datagram(rest) : track_digits(rest);
  return 0;
}
