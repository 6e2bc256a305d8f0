// What a stranger archives: the log's checkpoint at the end of each day, with the proof that it
// continues the day before. Whoever keeps yesterday's file can check tomorrow that nothing behind
// it was rewritten, without us.
//
//   dir/daily/2026-11-25.checkpoint    the signed note; witnesses' cosignatures when there are some
//   dir/daily/2026-11-25.consistency   "old SIZE", then the proof's hashes, a line each
//   dir/witness/checkpoint             the newest checkpoint that enough witnesses signed
//
// An exported day is the second file, an empty line, the first one: the body of tlog-witness's
// add-checkpoint, so that a witness can read it as it is.
#pragma once

#include <optional>

#include "audit/witness.hpp"
#include "base/vfs.hpp"

namespace callward::audit {

inline constexpr const char* kWitnessedFile = "witness/checkpoint";
inline constexpr const char* kWitnessFolder = "witness";
inline constexpr const char* kDailyFolder = "daily";

struct SignedCheckpoint {
  Checkpoint checkpoint;
  std::string note;
};
// Reads a note and holds it to the log's key.
Result<SignedCheckpoint> read_checkpoint(Vfs& vfs, const std::string& path, const NamedKey& key);

std::string day_of(std::int64_t utc_ms);  // "2026-11-25"
bool is_day(std::string_view text);
// The midnight at which it ends, UTC ms; nothing for 2026-02-30.
std::optional<std::int64_t> end_of_day(std::string_view day);
// A day's checkpoint is the first one after that midnight, or at the latest one of the day after:
// entries may be dated by so much on the wrong side of either end (they are published a second
// after they were dated, or a little more).
inline constexpr std::int64_t kDaySlackMs = 60'000;

// The days that are there, oldest first.
Result<std::vector<std::string>> list_days(Vfs& vfs, const std::string& dir);
// Writes a day's two files. kExists: they are there; a day is never written twice.
Status close_day(Vfs& vfs, const std::string& dir, const NamedKey& key, const std::string& day,
                 const std::string& note);
// As they were written.
Result<Continuation> read_day(Vfs& vfs, const std::string& dir, const std::string& day);
// `note` as the continuation of a log of `old_size`, proven from the tiles.
Result<Continuation> continue_from(Vfs& vfs, const std::string& dir, const NamedKey& key,
                                   std::uint64_t old_size, const std::string& note);

// Closes each UTC day soon after its end: under a checkpoint that witnesses signed since, or after
// a while under the newest one. A day in which nobody ran it stays without a file, and so does one
// that ended before the log began.
class DayCloser {
 public:
  DayCloser(Vfs& vfs, std::string dir, NamedKey key, bool witnessed)
      : vfs_(vfs), dir_(std::move(dir)), key_(std::move(key)), witnessed_(witnessed) {}
  // Now and then. The day that was closed, if one was.
  Result<std::optional<std::string>> tick(std::int64_t utc_ms);

  static constexpr std::int64_t kWitnessWaitMs = 15 * 60'000;

 private:
  Result<bool> began_before(std::int64_t utc_ms, std::uint64_t size);
  Vfs& vfs_;
  std::string dir_;
  NamedKey key_;
  bool witnessed_;
  std::string closed_;   // the newest day that needs no look any more
  std::string waiting_;  // the day that waits for witnesses, since when, and from what size on
  std::int64_t waiting_since_ms_ = 0;
  std::uint64_t waiting_size_ = 0;
};

// That `next` continues `before`. kCorrupt: it does not, or a signature does not hold; kState: its
// proof begins at another size than `before` has.
Result<Checkpoint> check_continues(const Continuation& before, const Continuation& next,
                                   const NamedKey& key, const WitnessPolicy& witnesses);

}  // namespace callward::audit
