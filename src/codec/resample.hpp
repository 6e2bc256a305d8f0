// Any usual rate to 8 kHz: a polyphase filter with linear phase (Kaiser-windowed sinc), so nothing
// is shifted against the other channel. At 8 kHz the samples pass as they are, bit by bit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"

namespace callward::codec {

inline constexpr std::uint32_t kRateHz = 8000;
inline constexpr std::uint32_t kSourceRateHzMax = 192'000;
inline constexpr std::uint32_t kPhasesMax =
    640;  // 8000 / gcd(rate, 8000): 22,050 Hz has 160, 44,100 Hz 80

class Resampler {
 public:
  // kUnsupported: below 8 kHz, above 192 kHz, or a rate with too many phases.
  static Result<Resampler> create(std::uint32_t source_rate_hz);

  std::vector<std::int16_t> push(std::span<const std::int16_t> samples);
  // What the filter still holds; afterwards out has ceil(in * 8000 / rate) samples in all.
  std::vector<std::int16_t> finish();

 private:
  Resampler(std::uint32_t up, std::uint32_t down);
  void produce(std::uint64_t available, std::vector<std::int16_t>& out);

  std::uint32_t up_ = 1, down_ = 1;      // out rate : in rate, in lowest terms
  std::size_t taps_ = 1;                 // of one phase; odd
  std::vector<float> phases_;            // up_ rows of taps_
  std::vector<std::int16_t> history_;    // the inputs from `first_` on
  std::uint64_t first_ = 0, taken_ = 0;  // positions on the input's scale
  std::uint64_t made_ = 0;               // outputs so far
};

}  // namespace callward::codec
