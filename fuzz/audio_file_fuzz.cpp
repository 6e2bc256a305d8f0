// Any bytes as a sound file: what opens reads to its end, channels of one length, within its bound.
#include "base/check.hpp"
#include "codec/audio_file.hpp"

// A broken Ogg makes the Vorbis library itself leak a few kilobytes; ours are still found.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libvorbis\n"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  auto reader = codec::AudioReader::open(to_bytes({data, size}));
  if (!reader) return 0;
  CHECK((*reader)->channels() >= 1 && (*reader)->channels() <= codec::kChannelsMax);
  constexpr std::size_t kSamplesMax = 400'000;  // a header may promise hours of nothing
  std::size_t samples = 0;
  while (samples < kSamplesMax) {
    const auto part = (*reader)->read(8'000);
    if (!part) return 0;
    CHECK(part->size() == (*reader)->channels());
    for (const auto& channel : *part) CHECK(channel.size() == part->front().size());
    if (part->front().empty()) return 0;
    samples += part->front().size();
  }
  return 0;
}
