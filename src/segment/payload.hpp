// The plaintext of one audio record: 100 ms of one stream, always the same size, whatever was in
// it.
//
//   0    samples[800]      G.711 as received; a missing one is the codec's silence (0xFF µ-law,
//   0xD5 A-law) 800  present[13]       bit i, least significant first: millisecond i (8 samples)
//   was received whole 813  digits_count u8   0..8 814  digits[8]         each { digit u8 ASCII,
//   start_ms u8 0..99, length_10ms u16 }, unused ones zero 846  flags u8          bit 0 on hold,
//   bit 1 silent, bit 2 first after a gap 847  reserved u8       zero
//
// Keyed digits (RFC 4733) stand nowhere else in the recording.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace callward::segment {

inline constexpr std::uint32_t kSegmentMs = 100;
inline constexpr std::uint32_t kSamplesPerMs = 8;
inline constexpr std::uint32_t kSegmentSamples = kSegmentMs * kSamplesPerMs;
inline constexpr std::size_t kPresentBytes = 13;
inline constexpr std::size_t kDigitsPerSegmentMax = 8;
inline constexpr std::size_t kAudioPayloadBytes = 848;

inline constexpr std::uint8_t kFlagOnHold = 1;
inline constexpr std::uint8_t kFlagSilent = 2;
inline constexpr std::uint8_t kFlagAfterGap = 4;

inline constexpr std::uint8_t kCodecPcmu = 0;
inline constexpr std::uint8_t kCodecPcma = 8;
constexpr std::uint8_t codec_silence(std::uint8_t codec) {
  return codec == kCodecPcma ? 0xD5 : 0xFF;
}

struct Digit {
  char digit = 0;                 // 0-9 * # A-D
  std::uint8_t start_ms = 0;      // within the segment
  std::uint16_t length_10ms = 0;  // as far as known when the segment was sealed
  bool operator==(const Digit&) const = default;
};

// One bit a millisecond of a segment.
class MsBits {
 public:
  [[nodiscard]] bool test(std::uint32_t ms) const { return (raw_[ms / 8] >> (ms % 8) & 1) != 0; }
  void set(std::uint32_t ms) {
    raw_[ms / 8] = static_cast<std::uint8_t>(raw_[ms / 8] | 1u << (ms % 8));
  }
  void set_all() {
    for (std::uint32_t ms = 0; ms < kSegmentMs; ++ms) set(ms);
  }
  [[nodiscard]] bool all() const {
    for (std::size_t i = 0; i < 12; ++i)
      if (raw_[i] != 0xFF) return false;
    return raw_[12] == 0x0F;
  }
  [[nodiscard]] bool none() const { return raw_ == std::array<std::uint8_t, kPresentBytes>{}; }
  std::array<std::uint8_t, kPresentBytes>& raw() { return raw_; }
  [[nodiscard]] const std::array<std::uint8_t, kPresentBytes>& raw() const { return raw_; }
  bool operator==(const MsBits&) const = default;

 private:
  std::array<std::uint8_t, kPresentBytes> raw_{};
};

// A segment before it is packed and after it was unpacked. Wiped when it goes.
struct AudioSegment {
  std::array<std::uint8_t, kSegmentSamples> samples{};
  MsBits present;
  std::uint8_t digits_count = 0;
  std::array<Digit, kDigitsPerSegmentMax> digits{};
  std::uint8_t flags = 0;

  AudioSegment() = default;
  ~AudioSegment() { clear(); }
  AudioSegment(const AudioSegment&) = delete;
  AudioSegment& operator=(const AudioSegment&) = delete;
  void clear() {
    wipe(samples.data(), samples.size());
    wipe(digits.data(), sizeof digits);
    present = {};
    digits_count = flags = 0;
  }
};

using AudioPayload = SecretArray<kAudioPayloadBytes>;

void pack_payload(const AudioSegment& segment, AudioPayload& out);
// kMalformed: another size, more than 8 digits, a character that is no key, or reserved bits set.
Status unpack_payload(ByteView payload, AudioSegment& out);

}  // namespace callward::segment
