#include "codec/audio_file.hpp"

#include <sndfile.h>

#include <algorithm>
#include <optional>

#include "base/check.hpp"
#include "codec/resample.hpp"

namespace callward::codec {
namespace {

// libsndfile's view of one of our files, or of bytes in memory. A failed read looks like the end of
// the file to libsndfile; `error` keeps the reason.
struct Source {
  std::unique_ptr<VfsFile> file;
  Bytes content;
  std::uint64_t size = 0;
  std::uint64_t at = 0;
  bool writing = false;
  std::optional<Error> error;
};

Source& source(void* user) { return *static_cast<Source*>(user); }

sf_count_t on_length(void* user) { return static_cast<sf_count_t>(source(user).size); }

sf_count_t on_seek(sf_count_t offset, int whence, void* user) {
  auto& from = source(user);
  sf_count_t base = 0;
  if (whence == SEEK_CUR) base = static_cast<sf_count_t>(from.at);
  if (whence == SEEK_END) base = static_cast<sf_count_t>(from.size);
  sf_count_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0) return -1;
  from.at = static_cast<std::uint64_t>(target);
  return target;
}

sf_count_t on_read(void* out, sf_count_t count, void* user) {
  auto& from = source(user);
  if (count <= 0 || from.at >= from.size) return 0;
  const auto wanted = std::min(static_cast<std::uint64_t>(count), from.size - from.at);
  std::size_t got = 0;
  if (from.file) {
    const auto read = from.file->read_at(from.at, {static_cast<std::uint8_t*>(out), wanted});
    if (!read) {
      from.error = read.error();
      return 0;
    }
    got = *read;
  } else {
    std::memcpy(out, from.content.data() + from.at, wanted);
    got = wanted;
  }
  from.at += got;
  return static_cast<sf_count_t>(got);
}

sf_count_t on_write(const void* in, sf_count_t count, void* user) {
  auto& to = source(user);
  if (!to.writing || count < 0) return 0;
  const auto end = to.at + static_cast<std::uint64_t>(count);
  if (to.content.size() < end) to.content.resize(end);
  std::memcpy(to.content.data() + to.at, in, static_cast<std::size_t>(count));
  to.at = end;
  to.size = to.content.size();
  return count;
}

sf_count_t on_tell(void* user) { return static_cast<sf_count_t>(source(user).at); }

SF_VIRTUAL_IO kVirtualIo = {on_length, on_seek, on_read, on_write, on_tell};

}  // namespace

struct AudioReader::State {
  Source source;
  SF_INFO info{};
  SNDFILE* sound = nullptr;
  std::vector<Resampler> resamplers;
  std::vector<std::int16_t> interleaved;
  bool ended = false;

  ~State() {
    if (sound != nullptr) sf_close(sound);
  }

  Status start() {
    sound = sf_open_virtual(&kVirtualIo, SFM_READ, &info, &source);
    if (source.error) return tl::unexpected<Error>(*source.error);
    if (sound == nullptr)
      return fail(Errc::kMalformed,
                  std::string("not a readable sound file: ") + sf_strerror(nullptr));
    if (info.channels < 1 || info.channels > static_cast<int>(kChannelsMax))
      return fail(Errc::kUnsupported, "sound file has more than 8 channels");
    const auto rate = static_cast<std::uint32_t>(std::max(info.samplerate, 0));
    for (int channel = 0; channel < info.channels; ++channel)
      resamplers.push_back(TRY(Resampler::create(rate)));
    if (info.frames > static_cast<sf_count_t>(kImportHoursMax * 3600 * rate))
      return fail(Errc::kTooLarge, "sound file is longer than 29 hours");
    sf_command(sound, SFC_SET_SCALE_FLOAT_INT_READ, nullptr, SF_TRUE);
    return {};
  }

  Result<Channels> read(std::size_t wanted) {
    Channels out(resamplers.size());
    while (!ended && out[0].size() < wanted) {
      const auto frames = std::min<std::size_t>(4096, wanted);
      interleaved.resize(frames * resamplers.size());
      const auto got = sf_readf_short(sound, interleaved.data(), static_cast<sf_count_t>(frames));
      if (source.error) return tl::unexpected<Error>(*source.error);
      ended = got <= 0;
      std::vector<std::int16_t> one(ended ? 0 : static_cast<std::size_t>(got));
      for (std::size_t channel = 0; channel < resamplers.size(); ++channel) {
        for (std::size_t i = 0; i < one.size(); ++i)
          one[i] = interleaved[i * resamplers.size() + channel];
        const auto made = ended ? resamplers[channel].finish() : resamplers[channel].push(one);
        out[channel].insert(out[channel].end(), made.begin(), made.end());
      }
    }
    return out;
  }
};

AudioReader::AudioReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
AudioReader::~AudioReader() = default;

Result<std::unique_ptr<AudioReader>> AudioReader::open(std::unique_ptr<VfsFile> file) {
  auto state = std::make_unique<State>();
  state->source.size = TRY(file->size());
  state->source.file = std::move(file);
  TRY(state->start());
  return std::unique_ptr<AudioReader>(new AudioReader(std::move(state)));
}

Result<std::unique_ptr<AudioReader>> AudioReader::open(Bytes content) {
  auto state = std::make_unique<State>();
  state->source.size = content.size();
  state->source.content = std::move(content);
  TRY(state->start());
  return std::unique_ptr<AudioReader>(new AudioReader(std::move(state)));
}

std::uint32_t AudioReader::channels() const {
  return static_cast<std::uint32_t>(state_->resamplers.size());
}
std::uint32_t AudioReader::source_rate_hz() const {
  return static_cast<std::uint32_t>(state_->info.samplerate);
}
std::uint64_t AudioReader::samples() const {
  const std::uint64_t rate = source_rate_hz();
  return (static_cast<std::uint64_t>(std::max<sf_count_t>(state_->info.frames, 0)) * kRateHz +
          rate - 1) /
         rate;
}
Result<Channels> AudioReader::read(std::size_t wanted) {
  return state_->read(std::clamp<std::size_t>(wanted, 1, 65'536));
}

Result<Channels> read_audio(Vfs& vfs, const std::string& path, std::uint64_t samples_max) {
  auto reader = TRY(AudioReader::open(TRY(vfs.open(path, OpenMode::kRead))));
  Channels all(reader->channels());
  for (;;) {
    const auto some = TRY(reader->read(65'536));
    if (some[0].empty()) return all;
    if (all[0].size() + some[0].size() > samples_max)
      return fail(Errc::kTooLarge, "sound file is too long");
    for (std::size_t channel = 0; channel < all.size(); ++channel)
      all[channel].insert(all[channel].end(), some[channel].begin(), some[channel].end());
  }
}

Result<Bytes> write_wav(const Channels& channels) {
  CHECK(!channels.empty());
  for (const auto& channel : channels) CHECK(channel.size() == channels[0].size());
  Source target;
  target.writing = true;
  SF_INFO info{};
  info.samplerate = static_cast<int>(kRateHz);
  info.channels = static_cast<int>(channels.size());
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  SNDFILE* sound = sf_open_virtual(&kVirtualIo, SFM_WRITE, &info, &target);
  if (sound == nullptr)
    return fail(Errc::kUnsupported, std::string("cannot write a WAV: ") + sf_strerror(nullptr));
  std::vector<std::int16_t> interleaved(channels.size() * channels[0].size());
  for (std::size_t channel = 0; channel < channels.size(); ++channel)
    for (std::size_t i = 0; i < channels[channel].size(); ++i)
      interleaved[i * channels.size() + channel] = channels[channel][i];
  const auto frames = static_cast<sf_count_t>(channels[0].size());
  const auto written = sf_writef_short(sound, interleaved.data(), frames);
  const int closed = sf_close(sound);
  if (written != frames || closed != 0) return fail(Errc::kIo, "cannot write a WAV");
  return std::move(target.content);
}

}  // namespace callward::codec
