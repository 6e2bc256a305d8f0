#include "listen/loudness.hpp"

#include <algorithm>
#include <cmath>

namespace callward::listen {
namespace {
constexpr float kSilenceDb =
    -80;  // lost packets and muted lines: no floor to measure sound against
}  // namespace

void Loudness::push(std::span<const std::int16_t> samples) {
  double sum = 0;
  for (const auto sample : samples) sum += double{1} * sample * sample;
  const auto mean = samples.empty() ? 0.0 : sum / static_cast<double>(samples.size());
  const auto level =
      static_cast<float>(10 * std::log10(std::max(mean, 1e-3) / (32768.0 * 32768.0)));
  const auto floor = last_.empty() ? kSilenceDb : *std::min_element(last_.begin(), last_.end());
  held_.push_back(level >= limits_.loud_db && level >= floor + limits_.over_floor_db);
  last_.push_back(std::max(level, kSilenceDb));
  if (last_.size() > limits_.floor_segments) last_.pop_front();
}

bool Loudness::loud(std::uint32_t index) const {
  return index >= base_ && index - base_ < held_.size() && held_[index - base_];
}

void Loudness::forget_before(std::uint32_t index) {
  while (base_ < index && !held_.empty()) held_.pop_front(), ++base_;
}

void Loudness::wipe(std::uint32_t first, std::uint32_t end) {
  for (auto index = std::max(first, base_); index < end && index - base_ < held_.size(); ++index)
    held_[index - base_] = false;
}

}  // namespace callward::listen
