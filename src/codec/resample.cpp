#include "codec/resample.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace callward::codec {
namespace {

constexpr double kKaiserBeta = 8.0;   // about 80 dB of stop band
constexpr double kCutoffHz = 3700.0;  // -6 dB; telephone speech ends at 3400
constexpr double kHalfWidthMs = 4.0;  // of the filter: 32 zero crossings of an 8 kHz sinc each side

// The modified Bessel function of order 0, by its series; 30 terms suffice for arguments up to 10.
double bessel_i0(double x) {
  double sum = 1.0, term = 1.0;
  for (int k = 1; k < 30; ++k) {
    term *= (x / (2.0 * k)) * (x / (2.0 * k));
    sum += term;
  }
  return sum;
}

double filter_at(double seconds, double half_width) {
  const double inside = 1.0 - (seconds / half_width) * (seconds / half_width);
  if (inside <= 0.0) return 0.0;
  const double x = 2.0 * kCutoffHz * seconds * std::numbers::pi;
  const double sinc = std::abs(x) < 1e-12 ? 1.0 : std::sin(x) / x;
  return sinc * bessel_i0(kKaiserBeta * std::sqrt(inside)) / bessel_i0(kKaiserBeta);
}

}  // namespace

Result<Resampler> Resampler::create(std::uint32_t source_rate_hz) {
  if (source_rate_hz < kRateHz || source_rate_hz > kSourceRateHzMax)
    return fail(Errc::kUnsupported, "sample rate must be 8 kHz to 192 kHz");
  const auto common = std::gcd(source_rate_hz, kRateHz);
  if (kRateHz / common > kPhasesMax)
    return fail(Errc::kUnsupported, "sample rate has no simple ratio to 8 kHz");
  return Resampler(kRateHz / common, source_rate_hz / common);
}

Resampler::Resampler(std::uint32_t up, std::uint32_t down) : up_(up), down_(down) {
  if (up == down) return;
  const double rate = static_cast<double>(kRateHz) * down / up;
  const double half_width = kHalfWidthMs / 1000.0;
  const auto half_taps = static_cast<std::size_t>(std::ceil(half_width * rate));
  taps_ = 2 * half_taps + 1;
  phases_.resize(static_cast<std::size_t>(up_) * taps_);
  for (std::size_t phase = 0; phase < up_; ++phase) {
    // Tap t weighs the input that lies (t - half_taps) samples after the output's integer position;
    // the output itself lies phase/up of a sample after it.
    float* row = phases_.data() + phase * taps_;
    double sum = 0.0;
    for (std::size_t tap = 0; tap < taps_; ++tap) {
      const double offset = static_cast<double>(tap) - static_cast<double>(half_taps) -
                            static_cast<double>(phase) / up_;
      const double value = filter_at(offset / rate, half_width);
      row[tap] = static_cast<float>(value);
      sum += value;
    }
    for (std::size_t tap = 0; tap < taps_; ++tap) row[tap] = static_cast<float>(row[tap] / sum);
  }
}

std::vector<std::int16_t> Resampler::push(std::span<const std::int16_t> samples) {
  taken_ += samples.size();
  if (phases_.empty()) {
    made_ += samples.size();
    return {samples.begin(), samples.end()};
  }
  history_.insert(history_.end(), samples.begin(), samples.end());
  std::vector<std::int16_t> out;
  produce(taken_, out);
  return out;
}

std::vector<std::int16_t> Resampler::finish() {
  std::vector<std::int16_t> out;
  if (phases_.empty()) return out;
  produce(taken_ + taps_, out);  // silence behind the end
  return out;
}

void Resampler::produce(std::uint64_t available, std::vector<std::int16_t>& out) {
  const std::uint64_t half_taps = taps_ / 2;
  const std::uint64_t outputs_max = (taken_ * up_ + down_ - 1) / down_;
  for (; made_ < outputs_max; ++made_) {
    const std::uint64_t position = made_ * down_ / up_;
    const std::size_t phase = made_ * down_ % up_;
    if (position + half_taps >= available) break;
    const float* row = phases_.data() + phase * taps_;
    double sum = 0.0;
    for (std::size_t tap = 0; tap < taps_; ++tap) {
      const std::uint64_t at = position + tap;  // shifted by half_taps, to stay unsigned
      if (at < half_taps || at - half_taps < first_ || at - half_taps >= taken_) continue;
      sum += static_cast<double>(row[tap]) * history_[at - half_taps - first_];
    }
    out.push_back(static_cast<std::int16_t>(std::clamp(std::lround(sum), -32768L, 32767L)));
  }
  // Keep only what the next output can still reach.
  const std::uint64_t next = made_ * down_ / up_;
  const std::uint64_t keep = next > half_taps ? next - half_taps : 0;
  if (keep > first_) {
    const auto drop = std::min<std::uint64_t>(keep - first_, history_.size());
    history_.erase(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(drop));
    first_ += drop;
  }
}

}  // namespace callward::codec
