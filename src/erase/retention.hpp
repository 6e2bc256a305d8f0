// The bounds of retention: what time it is, as far as anybody may rely on it, and how much a day
// may destroy. Pure: no files, no keys, no log; the keeper feeds it (keeper_retention.cpp).
//
// Time. A wall clock is set by people, a monotonic one by nobody. From one trusted moment on time
// goes on by the monotonic clock; the wall clock is only compared with it, all in all and not step
// by step, so that many small steps are one large one. More than an hour apart: retention stops.
// Over a reboot the monotonic clock begins anew, and nothing tells a machine that was off from a
// clock that was set: more than an hour of that stops it as well.
//
// Volume. What is usual is the median of the days that had calls; a day may destroy twice that.
//
// What stopped stays stopped until the owner confirms, naming the number of calls that go.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/id.hpp"
#include "keys/keeper_protocol.hpp"

namespace callward::erase {

inline constexpr std::int64_t kDayMs = 86'400'000;

// Calls of a class are kept for as long as the configuration says.
enum class CallClass : std::uint8_t { kIncoming, kOutgoing, kUnknown, kImport };
inline constexpr std::array<std::string_view, 4> kCallClasses = {"incoming", "outgoing", "unknown",
                                                                 "import"};
CallClass class_of(keys::CallSource source, keys::Direction direction);

struct RetentionPolicy {
  std::array<std::int64_t, kCallClasses.size()> days{};  // by CallClass; 0: for ever
  [[nodiscard]] std::int64_t of(CallClass kind) const {
    return days[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] bool any() const { return days != decltype(days){}; }
};

// Why nothing is erased; the words stand in the log.
enum class RetentionStop : std::uint8_t { kNone, kClockAhead, kClockBack, kVolume, kState };
std::string_view to_text(RetentionStop stop);

// What outlives the keeper (keeper/retention; docs/formats/retention.md).
struct RetentionState {
  std::int64_t utc = 0;   // trusted time ...
  std::int64_t mono = 0;  // ... at this monotonic time, ms; -1: not known
  RetentionStop stop{};
  std::int64_t stopped_at = 0;  // trusted time
  std::int64_t by = 0;          // how far: ms of a clock, calls of a volume
  bool stop_logged = true;
  std::int64_t last_run = 0;  // trusted time of its end; 0: none yet
  std::int64_t last_erased = 0;
  std::int64_t confirmed = 0;             // calls that the owner lets go beyond a day's bound
  std::int64_t spent_day = 0, spent = 0;  // under the bound, this trusted UTC day
  struct Day {
    std::int64_t day = 0, calls = 0;  // erased, confirmed ones too
  };
  std::vector<Day> days;  // the latest, at most kDaysKept
  static constexpr std::size_t kDaysKept = 28;
};
std::string encode_retention(const RetentionState& state);
// kMalformed; kUnsupported for another version.
Result<RetentionState> decode_retention(std::string_view text);

class RetentionGuard {
 public:
  explicit RetentionGuard(RetentionState state) : state_(std::move(state)) {}

  // As often as the keeper looks at its clocks. True: it has just stopped.
  bool observe(std::int64_t utc_ms, std::int64_t mono_ms);
  // The time that calls are measured by: trusted, and never ahead of the wall clock.
  [[nodiscard]] std::int64_t now() const { return now_; }
  [[nodiscard]] std::int64_t wall() const { return wall_; }
  [[nodiscard]] bool stopped() const { return state_.stop != RetentionStop::kNone; }
  void stop(RetentionStop why, std::int64_t by);
  // How many calls may go now, of what a day may and of what was confirmed.
  [[nodiscard]] std::int64_t may_erase(std::int64_t usual) const;
  void spend(std::int64_t calls);
  void run_over(std::int64_t erased);
  // The owner's word: the wall clock is right, and so many calls may go at once.
  void confirm(std::int64_t calls);
  [[nodiscard]] RetentionState& state() { return state_; }
  [[nodiscard]] const RetentionState& state() const { return state_; }

  static constexpr std::int64_t kClockJumpMs = 3'600'000;
  static constexpr std::int64_t kTimesUsual = 2;
  static constexpr std::int64_t kFreeCalls = 10;  // a day: where hardly anybody calls
 private:
  [[nodiscard]] std::int64_t today() const;
  RetentionState state_;
  std::int64_t now_ = 0, wall_ = 0;
  bool first_ = true;
};

// What the keeper has in hand of it.
struct RetentionWork {
  struct Age {
    CallId call;
    std::int64_t started_at = 0;
    CallClass kind{};
    bool heard = false;  // it has ended, and was heard to its end
  };
  struct Due {                           // calls whose time is over
    std::vector<std::uint64_t> rows;     // those that may go, by class
    std::int64_t held = 0, unheard = 0;  // and those that may not: a legal hold; not heard yet
  };
  struct Taken {  // an order's class and the days that its calls were kept
    CallClass kind{};
    std::int64_t days = 0;
  };
  RetentionGuard guard{RetentionState{}};
  std::map<std::uint64_t, Age> ages;  // by row: every call that there is
  bool running = false;
  OrderId run;
  std::deque<std::uint64_t> due;  // rows that this run has still to look at
  std::int64_t erased = 0;        // by this run
  std::map<OrderId, Taken> taken;
  std::set<CallId> in_hand;     // taken, and still with a row: not due again
  std::set<CallId> refused;     // under a legal hold when they were due: said once
  std::set<CallId> ciphertext;  // no key is left; their objects are still to be deleted
  std::set<CallId> deleted;     // of the log, at start: those are deleted already
  CallId removed_last;          // the last that was asked for: the next ones are behind it
  bool removing = false;
  std::string not_removed;  // why, as it was said
  bool dirty = false;       // the state is not written
  bool written = true;      // the last time it was tried
  std::int64_t saved_ms = 0, next_ms = 0, remove_ms = 0, begun_ms = 0;  // monotonic
};

// Calls a day: of the days before `now` that had any, at most 28 days back, and (once there are
// enough of them) of the days on which retention erased.
std::int64_t usual_volume(const std::vector<std::int64_t>& started_at, std::int64_t now,
                          const std::vector<RetentionState::Day>& erased);

}  // namespace callward::erase
