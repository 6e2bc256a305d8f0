// The account of a call: what became of every millisecond of every stream. Intervals of one stream
// follow each other without overlap and without a hole from 0 to the stream's end.
//
// Two halves make it: the recorder knows what was received (it cannot open what it recorded); the
// keeper knows what is erased, not yet heard, or lost by its own death. `merge_account` lays one
// over the other:
//   erased covers everything · lost by the keeper covers sealed and unheard · unheard covers
//   sealed · what is about to be erased stays sealed, with that reason, and covers unheard.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "keys/keeper_protocol.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::store {

// The only states that there are.
enum class AccountState : std::uint8_t { kSealed, kUnheard, kErased, kLost, kOnHold, kSilent };
std::string_view to_string(AccountState state) noexcept;

struct AccountInterval {
  std::uint32_t start_ms = 0, end_ms = 0;
  AccountState state{};
  std::string reason;  // erased: a reason code; lost: a cause; sealed: why nothing of it opens
  bool operator==(const AccountInterval&) const = default;
};

// Causes of a loss.
inline constexpr std::string_view kLostNetwork = "network";  // never came
inline constexpr std::string_view kLostLate = "late";        // came after its segment was sealed
inline constexpr std::string_view kLostNoMedia =
    "no_media";  // signalling says media, none came at all
// Came from where signalling had not said, more of it than is kept until that one is believed.
inline constexpr std::string_view kLostRefused = "refused";
inline constexpr std::string_view kLostRecorder = "recorder";  // the recorder was away
// Why nothing opens of what is sealed: ordered away, and a person must decide; or about to be
// destroyed, and not known to be gone from every mirror.
inline constexpr std::string_view kSealedHeld = "held";
inline constexpr std::string_view kSealedIntended = "erase_intended";
inline constexpr std::string_view kLostKeeper = "keeper";  // its key died with the keeper
inline constexpr std::string_view kLostSpoolFull = "spool_full";
inline constexpr std::string_view kLostDamaged = "damaged";  // the spool's frame cannot be read

// One stream's intervals. Cheap to extend at its end, which is what the recorder does ten times a
// second.
class StreamAccount {
 public:
  // Beyond so many intervals, sealed ones shorter than a threshold between two losses are counted
  // as lost too (an account may overstate a loss, never hide one).
  static constexpr std::size_t kIntervalsMax = 8192;

  void assign(std::uint32_t start_ms, std::uint32_t end_ms, AccountState state,
              std::string_view reason = {});
  // Only where it now is `from` (and, unless empty, has `from_reason`). Returns the ranges that it
  // changed.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> amend(
      std::uint32_t start_ms, std::uint32_t end_ms, AccountState from, std::string_view from_reason,
      AccountState to, std::string_view to_reason = {});
  // Everything from `end_ms` on is forgotten; a hole before it becomes `filler`.
  void finish(std::uint32_t end_ms, AccountState filler, std::string_view reason);

  [[nodiscard]] const std::vector<AccountInterval>& intervals() const { return intervals_; }
  [[nodiscard]] std::uint32_t end_ms() const {
    return intervals_.empty() ? 0 : intervals_.back().end_ms;
  }
  [[nodiscard]] std::uint64_t total_ms(AccountState state) const;

 private:
  void put(std::vector<AccountInterval> replacement, std::size_t first, std::size_t last);
  void coarsen();
  std::vector<AccountInterval> intervals_;
};

// A stream whose account is known, as it stands in events, spool and object.
std::vector<RecorderInterval> to_recorder_intervals(std::uint8_t stream,
                                                    const StreamAccount& account);
// kMalformed: intervals overlap, are empty or run backwards.
Result<std::vector<StreamAccount>> from_recorder_intervals(
    const std::vector<RecorderInterval>& intervals, std::size_t streams_max);

struct AccountedStream {
  std::uint8_t stream = 0;
  std::vector<AccountInterval> intervals;
};
// `recorder`: the recorder's half; `state`: the keeper's. Streams that the recorder does not know
// are left out.
Result<std::vector<AccountedStream>> merge_account(const std::vector<RecorderInterval>& recorder,
                                                   const keys::CallState& state);

// "customer", "agent", then "party2" ...
std::string stream_name(std::uint8_t stream);
// {"call":"…","intervals":[
//   {"stream":"customer","start_ms":0,"end_ms":1200,"state":"sealed","reason":""},…]}
std::string account_json(const CallId& call, const std::vector<AccountedStream>& streams);

}  // namespace callward::store
