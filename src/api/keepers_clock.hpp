// What time it is for requests: as the keeper counts it, which judges each step by that and by
// nothing else. A machine that was suspended, or whose wall clock was set, makes the two differ
// until the keeper starts anew; whoever went by the wall clock here would hide what the keeper
// takes, and offer what it refuses.
//
// The keeper says its time now and then (keys::TimeRequest). Between two answers it goes on by the
// monotonic clock, which is the machine's and the same for both. While the keeper does not answer,
// or says what is no time, it is the wall clock's: then nobody can go on anyway.
//
// Thread-safe.
#pragma once

#include <mutex>
#include <optional>

#include "base/clock.hpp"

namespace callward::api {

class KeepersClock final : public Clock {
 public:
  static constexpr std::int64_t kAskEveryMs = 10'000;
  static constexpr std::int64_t kAnswerMsMax = 1'000;  // one that took longer says nothing exact
  static constexpr std::int64_t kToldForMs = 60'000;   // an answer holds so long
  static constexpr std::int64_t kUtcMsMax = 253'402'300'799'999;  // the year 9999 ends

  explicit KeepersClock(Clock& clock) : clock_(clock) {}
  // UTC ms, as the keeper said it when asked at `asked_ms` (monotonic). False: not believed, and
  // what it said before stands.
  bool told(std::int64_t utc_ms, std::int64_t asked_ms);
  std::int64_t utc_ms() override;
  std::int64_t monotonic_ns() override { return clock_.monotonic_ns(); }
  // The wall clock's for a moment in this time, for whoever knows no other: the courier. 0 stays.
  std::int64_t wall_ms(std::int64_t at);

 private:
  struct Told {
    std::int64_t ahead_ms = 0;  // of the monotonic clock
    std::int64_t at_ms = 0;     // monotonic
  };
  Clock& clock_;
  std::mutex mutex_;
  std::optional<Told> told_;
};

}  // namespace callward::api
