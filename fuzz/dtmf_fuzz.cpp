// Any sequence of event packets: a digit's news keeps its start, and its duration only grows.
#include <algorithm>

#include "base/check.hpp"
#include "wire/dtmf.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  wire::DigitTracker tracker;
  ByteReader in({data, size});
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
  return 0;
}
