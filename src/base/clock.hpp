// Time comes through this interface. Wall time is UTC milliseconds since 1970; monotonic time is
// nanoseconds since an arbitrary start and never goes back.
#pragma once

#include <cstdint>
#include <string>

namespace callward {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t utc_ms() = 0;
  virtual std::int64_t monotonic_ns() = 0;
  std::int64_t monotonic_ms() { return monotonic_ns() / 1'000'000; }
};

class SystemClock final : public Clock {
 public:
  std::int64_t utc_ms() override;
  std::int64_t monotonic_ns() override;
};

// Moves only when told to: for tests and the simulator.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t utc_ms = 1'700'000'000'000) : utc_ms_(utc_ms) {}
  std::int64_t utc_ms() override { return utc_ms_; }
  std::int64_t monotonic_ns() override { return monotonic_ns_; }
  void advance_ms(std::int64_t ms) {
    utc_ms_ += ms;
    monotonic_ns_ += ms * 1'000'000;
  }
  void jump_utc_ms(std::int64_t ms) { utc_ms_ += ms; }  // a wall clock set by hand

 private:
  std::int64_t utc_ms_;
  std::int64_t monotonic_ns_ = 0;
};

// "2026-11-24T08:30:00.123Z" (RFC 3339, UTC).
std::string format_utc(std::int64_t utc_ms);

}  // namespace callward
