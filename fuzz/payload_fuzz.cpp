// Any bytes as what stands inside a record: 100 ms of audio, and words. What is read is written
// again as it was read. The first byte says which; the rest is brought to the payload's size.
#include <algorithm>

#include "base/check.hpp"
#include "listen/derived.hpp"
#include "segment/payload.hpp"

namespace {

using namespace callward;

void read_audio(ByteView raw) {
  segment::AudioSegment once, again;
  if (!segment::unpack_payload(raw, once)) return;
  CHECK(once.digits_count <= segment::kDigitsPerSegmentMax);
  segment::AudioPayload packed;
  segment::pack_payload(once, packed);
  CHECK(segment::unpack_payload(packed.expose(), again).has_value());
  CHECK(once.samples == again.samples && once.present == again.present &&
        once.flags == again.flags && once.digits_count == again.digits_count &&
        once.digits == again.digits);
}

void read_words(ByteView raw) {
  const auto words = listen::parse_words(raw);
  if (!words) return;
  std::size_t bytes = 2;
  for (const auto& word : *words) {
    CHECK(word.start_ms <= word.end_ms);
    bytes += 6 + word.text.size();
  }
  CHECK(bytes <= listen::kWordsPayloadBytes);
  // Longer texts than we write are cut when written again: nothing else changes.
  const auto again = listen::parse_words(listen::words_payload(0, *words).expose());
  CHECK(again.has_value() && again->size() == words->size());
  for (std::size_t i = 0; i < words->size(); ++i) {
    const auto &was = (*words)[i], &is = (*again)[i];
    CHECK(was.start_ms == is.start_ms && was.end_ms == is.end_ms &&
          was.confidence == is.confidence && was.text.starts_with(is.text));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView rest(data + 1, size - 1);
  const bool audio = data[0] % 4 < 2;
  if (data[0] % 2 == 0) {  // of whatever size
    audio ? read_audio(rest) : read_words(rest);
    return 0;
  }
  auto raw = to_bytes(rest);
  raw.resize(audio ? segment::kAudioPayloadBytes : listen::kWordsPayloadBytes);
  audio ? read_audio(raw) : read_words(raw);
  return 0;
}
