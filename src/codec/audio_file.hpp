// Sound files in and out, by libsndfile: WAV, FLAC, Ogg (Opus, Vorbis) and whatever else it reads,
// as 16-bit samples at 8 kHz; WAV out. Files of any length pass through a small buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/vfs.hpp"

namespace callward::codec {

inline constexpr std::uint32_t kChannelsMax = 8;
inline constexpr std::uint64_t kImportHoursMax = 29;  // what one call's key tree can hold

// One vector a channel, all of one length.
using Channels = std::vector<std::vector<std::int16_t>>;

class AudioReader {
 public:
  // kMalformed: not a sound file that libsndfile reads. kUnsupported: its rate or channels.
  // kTooLarge: longer than kImportHoursMax.
  static Result<std::unique_ptr<AudioReader>> open(std::unique_ptr<VfsFile> file);
  static Result<std::unique_ptr<AudioReader>> open(Bytes content);
  ~AudioReader();
  AudioReader(const AudioReader&) = delete;
  AudioReader& operator=(const AudioReader&) = delete;

  [[nodiscard]] std::uint32_t channels() const;
  [[nodiscard]] std::uint32_t source_rate_hz() const;
  [[nodiscard]] std::uint64_t samples() const;  // of a channel, at 8 kHz; as the header promises
  // The next samples of each channel, usually about `wanted` (1..65,536); empty channels at the
  // end.
  Result<Channels> read(std::size_t wanted);

 private:
  struct State;
  explicit AudioReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// All of it at once. kTooLarge: over `samples_max` a channel.
Result<Channels> read_audio(Vfs& vfs, const std::string& path, std::uint64_t samples_max);

// A 16-bit PCM WAV of 8 kHz; the channels must be of one length.
Result<Bytes> write_wav(const Channels& channels);

}  // namespace callward::codec
