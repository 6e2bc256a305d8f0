// A recogniser that answers whatever it likes, at any time: the listener's order of things holds.
// Never is a mark moved back, nothing derived from what was ordered away, and an engine's words
// never reach beyond their turn.
#include <map>

#include "base/check.hpp"
#include "listen/call_listener.hpp"

namespace {

using namespace callward;
using namespace callward::listen;

const Grammar& grammar() {
  static const Grammar parsed = [] {
    const std::string head = "callward-grammar 1\n";
    auto made = Grammar::parse(
        {{"numbers.txt",
          head + "[digit 4]\nfour\n[digit 7]\nseven\n[repeat 2]\ndouble\n[filler]\num\n"},
         {"cues.txt", head + "[secret password]\npassword~\n[secret pin]\npin\n[harmless phone]\n"
                             "phone\n[nothing]\nreset *3 password\n"},
         {"phrases.txt", head +
                             "[request]\nwhat is\n[reask]\nagain\n[acknowledge]\nokay\n[assert]\n"
                             "it is\n[told password]\nnew password\n[correction]\nno sorry\n"},
         {"common.txt", head}});
    CHECK(made.has_value());
    return std::move(*made);
  }();
  return parsed;
}

struct Watch {
  std::map<std::uint8_t, std::uint32_t> cleared;
  std::vector<StreamRange> ordered;

  void collect(CallListener& listener) {
    for (const auto& order : listener.take_orders())
      for (const auto& range : order.ranges) {
        CHECK(range.first < range.end);
        ordered.push_back(range);
      }
    if (const auto clearance = listener.take_clearance())
      for (const auto& [stream, upto] : clearance->marks) {
        CHECK(upto >= cleared[stream]);
        cleared[stream] = upto;
      }
    for (const auto& item : listener.take_derived()) {
      CHECK(item.first < item.end);
      for (const auto& range : ordered)
        CHECK(range.stream != item.stream || item.end <= range.first || range.end <= item.first);
      if (item.words) CHECK(parse_words(item.payload.expose()).has_value());
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in({data, size});
  CallListener listener(grammar());
  listener.open_stream(0, Side::kCustomer, 0);
  listener.open_stream(1, Side::kAgent, 0);
  Watch watch;
  std::vector<std::int16_t> samples(kListenSegmentSamples, 300);
  std::vector<std::uint64_t> turns;
  while (in.ok() && in.remaining() > 0) {
    const auto op = in.u8();
    const auto stream = static_cast<std::uint8_t>(op >> 7);
    switch (op & 7) {
      case 0:
      case 1:
        for (int i = 0; i < 1 + (op >> 3 & 15); ++i) {
          const PayloadDigit digit{'5', 40, 60};
          (void)listener.audio(stream, listener.next_index(stream), samples,
                               std::span(&digit, op & 1));
        }
        break;
      case 2:
        if (const auto job = listener.take_vad(stream)) {
          const auto windows = job->pcm.size() / (2 * kVadWindowSamples);
          const auto raw = in.bytes(std::min(in.remaining(), windows));
          Bytes probabilities(windows, raw.empty() ? 0 : raw.back());
          std::copy(raw.begin(), raw.end(), probabilities.begin());
          if ((op & 8) != 0) probabilities.push_back(0);  // one too many
          listener.vad_done(stream, probabilities);
        }
        break;
      case 3:
        if (const auto job = listener.take_turn()) turns.push_back(job->id);
        break;
      case 4: {  // a reply as it came over the socket, or what does not even unpack
        const auto raw = in.bytes(std::min<std::size_t>(in.remaining(), in.u8()));
        const auto reply = unpack<RecogniseReply>(raw);
        const auto id = turns.empty() ? in.u8() : turns.back();
        if (!turns.empty()) turns.pop_back();
        reply ? listener.turn_done(id, *reply) : listener.turn_failed(id);
        break;
      }
      case 5:
        listener.vad_failed(stream);
        break;
      case 6:
        listener.wipe_range({stream, op, std::uint32_t{op} + (op >> 3 & 7)});
        break;
      case 7:
        if ((op & 0x78) == 0x78)
          listener.end_stream(stream, listener.next_index(stream));
        else
          (void)listener.skip(stream, listener.next_index(stream) + (op >> 3 & 15));
        break;
    }
    watch.collect(listener);
  }
  return 0;
}
