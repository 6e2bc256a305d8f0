// How loud each segment of a stream is, against what it usually is: finds sound that voice
// detection took for none. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <span>

namespace callward::listen {

struct LoudLimits {
  float loud_db = -50;                 // of full scale: below it nobody understands anything
  float over_floor_db = 10;            // steady noise, hum and a held tone are no speech
  std::uint32_t floor_segments = 100;  // the floor is the quietest of so many
};

class Loudness {
 public:
  explicit Loudness(LoudLimits limits = {}) : limits_(limits) {}
  void begin_at(std::uint32_t index) { base_ = index; }
  // The next segment.
  void push(std::span<const std::int16_t> samples);
  // False also for what is not held.
  [[nodiscard]] bool loud(std::uint32_t index) const;
  void forget_before(std::uint32_t index);
  // It was ordered to be wiped: it is not loud any more. Its level stays part of the floor.
  void wipe(std::uint32_t first, std::uint32_t end);

 private:
  LoudLimits limits_;
  std::uint32_t base_ = 0;  // index of held_[0]
  std::deque<bool> held_;   // bounded: the caller forgets what was examined
  std::deque<float> last_;  // levels of the last floor_segments
};

}  // namespace callward::listen
