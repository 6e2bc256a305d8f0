#include <gtest/gtest.h>
#include <sndfile.h>
#include <spandsp.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numbers>

#include "codec/audio_file.hpp"
#include "codec/g711.hpp"
#include "codec/inband_dtmf.hpp"
#include "codec/resample.hpp"

namespace callward::codec {
namespace {

std::vector<std::int16_t> tone(double hz, double rate, std::size_t count, double level = 10000) {
  std::vector<std::int16_t> out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<std::int16_t>(
        std::lround(level * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate)));
  return out;
}

double level_of(std::span<const std::int16_t> samples) {
  double sum = 0;
  for (const auto sample : samples) sum += static_cast<double>(sample) * sample;
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

TEST(Resampler, EightKilohertzPassesBitByBit) {
  auto resampler = Resampler::create(8000);
  ASSERT_TRUE(resampler);
  const auto in = tone(1000, 8000, 777);
  EXPECT_EQ(resampler->push(in), in);
  EXPECT_TRUE(resampler->finish().empty());
}

// A tone of the pass band comes out as the same tone at 8 kHz, at its place and level; one above
// the band is gone. However it is cut into pieces, the result is the same.
TEST(Resampler, TonesKeepPlaceAndLevel) {
  for (const std::uint32_t rate : {11025u, 16000u, 22050u, 44100u, 48000u, 96000u}) {
    const std::size_t count = rate;  // one second
    for (const double hz : {300.0, 1000.0, 3000.0}) {
      auto resampler = Resampler::create(rate);
      ASSERT_TRUE(resampler);
      const auto in = tone(hz, rate, count);
      auto out = resampler->push(in);
      const auto rest = resampler->finish();
      out.insert(out.end(), rest.begin(), rest.end());
      ASSERT_EQ(out.size(), 8000u) << rate;
      const auto ideal = tone(hz, 8000, 8000);
      for (std::size_t i = 100; i < 7900; ++i)
        ASSERT_NEAR(out[i], ideal[i], 60) << rate << " " << hz << " " << i;

      auto piecewise = Resampler::create(rate);
      std::vector<std::int16_t> pieces;
      for (std::size_t at = 0; at < in.size(); at += 317) {
        const auto some =
            piecewise->push(std::span(in).subspan(at, std::min<std::size_t>(317, in.size() - at)));
        pieces.insert(pieces.end(), some.begin(), some.end());
      }
      const auto last = piecewise->finish();
      pieces.insert(pieces.end(), last.begin(), last.end());
      EXPECT_EQ(pieces, out);
    }
    auto resampler = Resampler::create(rate);
    const auto gone = resampler->push(tone(5000, rate, count));
    EXPECT_LT(level_of(std::span(gone).subspan(100)), 10.0) << rate;
  }
}

TEST(Resampler, RatesWithoutASimpleRatioAreRefused) {
  for (const std::uint32_t rate : {0u, 4000u, 7999u, 8001u, 44101u, 192'001u})
    EXPECT_EQ(Resampler::create(rate).error().code, Errc::kUnsupported) << rate;
}

TEST(AudioFile, AWavComesBackBitByBit) {
  const Channels channels = {tone(440, 8000, 12345), tone(1700, 8000, 12345, 300)};
  const auto wav = write_wav(channels);
  ASSERT_TRUE(wav);
  auto reader = AudioReader::open(*wav);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->channels(), 2u);
  EXPECT_EQ((*reader)->samples(), 12345u);
  Channels back(2);
  for (;;) {
    const auto some = (*reader)->read(1000);
    ASSERT_TRUE(some);
    if ((*some)[0].empty()) break;
    for (std::size_t c = 0; c < 2; ++c)
      back[c].insert(back[c].end(), (*some)[c].begin(), (*some)[c].end());
  }
  EXPECT_EQ(back, channels);
}

TEST(AudioFile, OtherRatesAreBroughtToEightKilohertz) {
  const auto path = (std::filesystem::temp_directory_path() /
                     ("callward-audio-" + std::to_string(getpid()) + ".flac"))
                        .string();
  for (const int rate : {16000, 44100, 48000}) {
    SF_INFO info{};
    info.samplerate = rate;
    info.channels = 1;
    info.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
    SNDFILE* sound = sf_open(path.c_str(), SFM_WRITE, &info);
    ASSERT_NE(sound, nullptr);
    const auto in = tone(1000, rate, static_cast<std::size_t>(rate));
    ASSERT_EQ(sf_writef_short(sound, in.data(), rate), rate);
    sf_close(sound);
    RealVfs vfs;
    const auto out = read_audio(vfs, path, 100'000);
    ASSERT_TRUE(out) << out.error().message;
    ASSERT_EQ(out->size(), 1u);
    EXPECT_EQ((*out)[0].size(), 8000u);
    EXPECT_NEAR(level_of((*out)[0]), 10000 / std::sqrt(2.0), 60);
    EXPECT_EQ(read_audio(vfs, path, 7999).error().code, Errc::kTooLarge);
  }
  std::filesystem::remove(path);
}

TEST(AudioFile, WhatIsNoSoundIsRefused) {
  EXPECT_EQ(AudioReader::open(Bytes{}).error().code, Errc::kMalformed);
  EXPECT_EQ(AudioReader::open(to_bytes(as_bytes("RIFFxxxxWAVEfmt garbage"))).error().code,
            Errc::kMalformed);
  auto wav = *write_wav({tone(440, 8000, 4000)});
  wav.resize(2000);  // cut in the middle of the data: what is there is read
  auto reader = AudioReader::open(wav);
  ASSERT_TRUE(reader);
  const auto some = (*reader)->read(4000);
  ASSERT_TRUE(some);
  EXPECT_LT((*some)[0].size(), 1000u);
}

std::vector<std::int16_t> keyed(const char* digits, int on_ms, int off_ms) {
  auto* sender = dtmf_tx_init(nullptr);
  dtmf_tx_set_timing(sender, on_ms, off_ms);
  dtmf_tx_put(sender, digits, -1);
  std::vector<std::int16_t> out(800, 0);
  std::array<std::int16_t, 160> some{};
  for (;;) {
    const int made = dtmf_tx(sender, some.data(), 160);
    if (made <= 0) break;
    out.insert(out.end(), some.begin(), some.begin() + made);
  }
  dtmf_tx_free(sender);
  out.insert(out.end(), 800, 0);
  return out;
}

TEST(InbandDtmf, EveryDigitIsHeardThroughG711AndItsLimitsLieOutsideTheTone) {
  const char* digits = "0123456789*#ABCD";
  constexpr std::size_t kOn = 80 * 8, kOff = 70 * 8;
  const auto samples = decode(G711::kMuLaw, encode(G711::kMuLaw, keyed(digits, 80, 70)));
  InbandDtmf detector;
  std::vector<InbandDigit> ended;
  std::size_t fresh = 0;
  for (std::size_t at = 0; at < samples.size(); at += 160)
    for (const auto& news : detector.push(
             std::span(samples).subspan(at, std::min<std::size_t>(160, samples.size() - at)))) {
      if (news.ended) ended.push_back(news);
      fresh += news.ended ? 0 : 1;
    }
  for (const auto& news : detector.finish()) ended.push_back(news);
  EXPECT_EQ(fresh, 16u);
  ASSERT_EQ(ended.size(), 16u);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(ended[i].digit, digits[i]);
    const std::size_t start = 800 + i * (kOn + kOff);
    EXPECT_LE(ended[i].start_sample, start) << i;
    EXPECT_GE(ended[i].end_sample, start + kOn) << i;
    EXPECT_GE(ended[i].start_sample + 3 * 102, start) << i;
    EXPECT_LE(ended[i].end_sample, start + kOn + 3 * 102) << i;
  }
}

TEST(InbandDtmf, ADigitCutOffByTheEndIsTold) {
  auto samples = keyed("7", 200, 10);
  samples.resize(800 + 1000);
  InbandDtmf detector;
  const auto news = detector.push(samples);
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].digit, '7');
  const auto last = detector.finish();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_TRUE(last[0].ended);
  EXPECT_EQ(last[0].end_sample, 1800u);
}

// Runs over every test call: speech must not be taken for keys (Q.24 calls that talk-off), and the
// one call with keyed digits must give exactly those.
TEST(InbandDtmf, TestCallsHaveTheirKeyedDigitsAndNoOthers) {
  const char* chosen = std::getenv("CALLWARD_MATERIAL");
  const std::string folder =
      chosen != nullptr ? chosen : std::string(CALLWARD_SOURCE_DIR) + "/../shared/material";
  RealVfs vfs;
  if (!vfs.exists(folder + "/calls/call-024.flac")) GTEST_SKIP() << "material is absent: calls/";
  for (int call = 1; call <= 24; ++call) {
    char name[32];
    std::snprintf(name, sizeof name, "/calls/call-%03d.flac", call);
    const auto audio = read_audio(vfs, folder + name, 8000 * 3600);
    ASSERT_TRUE(audio) << name;
    ASSERT_EQ(audio->size(), 2u);
    std::string digits;
    for (const auto& channel : *audio) {
      // FLAC holds exactly what mu-law decodes to.
      ASSERT_EQ(decode(G711::kMuLaw, encode(G711::kMuLaw, channel)), channel);
      InbandDtmf detector;
      for (const auto& news : detector.push(channel))
        if (news.ended) digits += news.digit;
    }
    EXPECT_EQ(digits, call == 10 ? "9102428284899389#1320#" : "") << name;
  }
}

}  // namespace
}  // namespace callward::codec
