// The bounds of retention: what time it is, as far as anybody may rely on it, and how much a day
// may destroy. Pure: no files, no keys, no log. Calls have one (erase/keeper_retention.cpp), and
// customers' fields one of their own (disclose/office_keep.cpp).
//
// Time. A wall clock is set by people, a monotonic one by nobody. From one trusted moment on time
// goes on by the monotonic clock; the wall clock is only compared with it, all in all and not step
// by step, so that many small steps are one large one. More than an hour apart: retention stops.
// Over a reboot the monotonic clock begins anew, and nothing tells a machine that was off from a
// clock that was set: more than an hour of that stops it as well.
//
// Volume. What is usual is the median of the days on which anything went; a day may destroy twice
// that.
//
// What stopped stays stopped until the owner confirms, naming how many go.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace callward::keys {

inline constexpr std::int64_t kDayMs = 86'400'000;

// Why nothing is erased; the words stand in the log.
enum class RetentionStop : std::uint8_t { kNone, kClockAhead, kClockBack, kVolume, kState };
std::string_view to_text(RetentionStop stop);

// What outlives the keeper: of calls in keeper/retention, of customers' fields in the vault's head
// (docs/formats/retention.md, customer.md).
struct RetentionState {
  std::int64_t utc = 0;   // trusted time ...
  std::int64_t mono = 0;  // ... at this monotonic time, ms; -1: not known
  RetentionStop stop{};
  std::int64_t stopped_at = 0;  // trusted time
  std::int64_t by = 0;          // how far: ms of a clock, how many of a volume
  bool stop_logged = true;
  std::int64_t last_run = 0;  // trusted time of its end; 0: none yet
  std::int64_t last_erased = 0;
  std::int64_t confirmed = 0;             // what the owner lets go beyond a day's bound
  std::int64_t spent_day = 0, spent = 0;  // under the bound, this trusted UTC day
  struct Day {
    std::int64_t day = 0, gone = 0;  // confirmed ones too
  };
  std::vector<Day> days;  // the latest, at most kDaysKept
  static constexpr std::size_t kDaysKept = 28;
  static constexpr std::int64_t kSaveEveryMs = 600'000;  // how old its time on a disk may be
  // Of one who knows no more of time than this, from the newest entry of the log.
  static RetentionState since(std::int64_t utc) { return {.utc = utc, .mono = -1, .days = {}}; }
  // So many more went on this day, of what was confirmed first.
  void spend(std::int64_t day, std::int64_t count);
};
std::string encode_retention(const RetentionState& state);
// kMalformed; kUnsupported for another version.
Result<RetentionState> decode_retention(std::string_view text);

// For people, the same words in console and command line; of "calls", "customers".
std::string why_stopped(const RetentionState& state, std::string_view counted);

class RetentionGuard {
 public:
  // `free_a_day`: so many may go on any day, whatever is usual; by itself as is right for calls.
  explicit RetentionGuard(RetentionState state, std::int64_t free_a_day = kFreeCalls)
      : state_(std::move(state)), free_a_day_(free_a_day) {}

  // As often as the keeper looks at its clocks. True: it has just stopped.
  bool observe(std::int64_t utc_ms, std::int64_t mono_ms);
  // The time that ages are measured by: trusted, and never ahead of the wall clock.
  [[nodiscard]] std::int64_t now() const { return now_; }
  [[nodiscard]] std::int64_t wall() const { return wall_; }
  [[nodiscard]] bool stopped() const { return state_.stop != RetentionStop::kNone; }
  void stop(RetentionStop why, std::int64_t by);
  // How many may go now, of what a day may and of what was confirmed.
  [[nodiscard]] std::int64_t may_erase(std::int64_t usual) const;
  void spend(std::int64_t count);
  void run_over(std::int64_t erased);
  // The owner's word: the wall clock is right, and so many may go at once.
  void confirm(std::int64_t count);
  // ... which the log has and no state that was written: `stop` is what it was about. Where no
  // clock was looked at since, time goes on from when it was said, and a clock that has jumped is
  // told as ever. Else time is what was counted, and what has stopped since, or a clock has, stays.
  void confirm_again(std::int64_t count, std::int64_t said_at, std::string_view stop);
  [[nodiscard]] RetentionState& state() { return state_; }
  [[nodiscard]] const RetentionState& state() const { return state_; }

  static constexpr std::int64_t kClockJumpMs = 3'600'000;
  static constexpr std::int64_t kTimesUsual = 2;
  static constexpr std::int64_t kFreeCalls = 10;  // a day: where hardly anybody calls
 private:
  [[nodiscard]] std::int64_t today() const;
  void go_on();  // whatever it had stopped for
  void let_go(std::int64_t count, std::int64_t at);
  RetentionState state_;
  std::int64_t free_a_day_;
  std::int64_t now_ = 0, wall_ = 0;
  bool first_ = true;
};

std::int64_t day_of(std::int64_t at);                   // since 1970; -1: before it
std::int64_t median(std::vector<std::int64_t> values);  // the upper one; 0 of none
// What usually goes: the median of the days on which anything did, once there are enough of them.
// One large day, which the owner let go, says nothing.
std::int64_t usual_erased(const std::vector<RetentionState::Day>& erased);

}  // namespace callward::keys
