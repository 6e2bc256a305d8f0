// Retention of calls: how long each class is kept, what the keeper has in hand of it, and what is
// usual. Its bounds are keys/retention_guard.hpp, which the keeper feeds (keeper_retention.cpp).
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
#include "keys/retention_guard.hpp"

namespace callward::erase {

using keys::decode_retention;
using keys::kDayMs;
using keys::RetentionGuard;
using keys::RetentionState;
using keys::RetentionStop;
using keys::why_stopped;

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
