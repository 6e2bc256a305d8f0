// Any datagram as RTP and RTCP: the payload lies within it; what is written again reads the same.
#include "base/check.hpp"
#include "wire/rtp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  const ByteView datagram(data, size);
  if (wire::is_rtcp(datagram)) {
    if (const auto rtcp = wire::parse_rtcp(datagram))
      CHECK(rtcp->reports.size() <= wire::kRtcpPacketsMax &&
            rtcp->bye.size() <= 31 * wire::kRtcpPacketsMax);
  }
  const auto packet = wire::parse_rtp(datagram);
  if (!packet) return 0;
  CHECK(packet->payload.size() + wire::kRtpHeaderBytes <= size);
  CHECK(packet->payload.empty() || packet->payload.data() >= data);
  CHECK(packet->payload.data() + packet->payload.size() <= data + size);
  const auto again = wire::write_rtp(*packet);
  const auto back = wire::parse_rtp(again);
  CHECK(back.has_value() && equal(back->payload, packet->payload) &&
        back->timestamp == packet->timestamp && back->sequence == packet->sequence &&
        back->marker == packet->marker);
  return 0;
}
