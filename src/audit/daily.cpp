#include "audit/daily.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "audit/entry.hpp"
#include "audit/tiles.hpp"
#include "base/clock.hpp"

namespace callward::audit {
namespace {

constexpr std::string_view kNoteEnding = ".checkpoint";
constexpr std::string_view kProofEnding = ".consistency";

std::string day_file(const std::string& dir, std::string_view day, std::string_view ending) {
  return dir + "/" + kDailyFolder + "/" + std::string(day) + std::string(ending);
}

}  // namespace

Result<SignedCheckpoint> read_checkpoint(Vfs& vfs, const std::string& path, const NamedKey& key) {
  const auto raw = TRY(vfs.read_file(path, kNoteBytesMax));
  SignedCheckpoint out;
  out.note = std::string(as_text(raw));
  auto opened = open_checkpoint(out.note, key);
  if (!opened) return fail(opened.error().code, path + ": " + opened.error().message);
  out.checkpoint = std::move(*opened);
  return out;
}

std::string day_of(std::int64_t utc_ms) { return format_utc(utc_ms).substr(0, 10); }

bool is_day(std::string_view text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

std::optional<std::int64_t> end_of_day(std::string_view day) {
  using namespace std::chrono;
  if (!is_day(day)) return std::nullopt;
  const auto part = [&](std::size_t at, std::size_t length) {
    unsigned number = 0;
    std::from_chars(day.data() + at, day.data() + at + length, number);
    return number;
  };
  const year_month_day date{year(static_cast<int>(part(0, 4))), month(part(5, 2)),
                            std::chrono::day(part(8, 2))};
  if (!date.ok()) return std::nullopt;
  return duration_cast<milliseconds>((sys_days(date) + days(1)).time_since_epoch()).count();
}

Result<std::vector<std::string>> list_days(Vfs& vfs, const std::string& dir) {
  std::vector<std::string> days;
  const auto names = vfs.list(dir + "/" + kDailyFolder);
  if (!names && names.error().code == Errc::kNotFound) return days;
  if (!names) return tl::unexpected<Error>(names.error());
  for (const auto& name : *names)
    if (const std::string_view view = name;
        view.ends_with(kNoteEnding) && is_day(view.substr(0, view.size() - kNoteEnding.size())))
      days.emplace_back(view.substr(0, 10));
  std::sort(days.begin(), days.end());
  return days;
}

Status close_day(Vfs& vfs, const std::string& dir, const NamedKey& key, const std::string& day,
                 const std::string& note) {
  if (!is_day(day)) return fail(Errc::kMalformed, "a day is YYYY-MM-DD");
  const auto note_file = day_file(dir, day, kNoteEnding);
  if (vfs.exists(note_file)) return fail(Errc::kExists, day + " is closed");
  std::uint64_t old_size = 0;
  for (const auto& earlier : TRY(list_days(vfs, dir)))
    if (earlier < day)
      old_size =
          TRY(read_checkpoint(vfs, day_file(dir, earlier, kNoteEnding), key)).checkpoint.size;
  const auto next = TRY(continue_from(vfs, dir, key, old_size, note));
  TRY(vfs.make_dirs(dir + "/" + kDailyFolder));
  // The note last: where it is, the proof is.
  auto proof = encode_continuation({next.old_size, next.proof, ""});
  proof.pop_back();  // the empty line
  TRY(vfs.write_file_atomic(day_file(dir, day, kProofEnding), as_bytes(proof)));
  return vfs.write_file_atomic(note_file, as_bytes(note));
}

Result<Continuation> read_day(Vfs& vfs, const std::string& dir, const std::string& day) {
  const auto note = TRY(vfs.read_file(day_file(dir, day, kNoteEnding), kNoteBytesMax));
  const auto proof = TRY(vfs.read_file(day_file(dir, day, kProofEnding), kNoteBytesMax));
  auto read = parse_continuation(std::string(as_text(proof)) + "\n" + std::string(as_text(note)));
  if (!read) return fail(read.error().code, day + ": " + read.error().message);
  return read;
}

Result<Continuation> continue_from(Vfs& vfs, const std::string& dir, const NamedKey& key,
                                   std::uint64_t old_size, const std::string& note) {
  const auto size = TRY(open_checkpoint(note, key)).size;
  if (old_size > size)
    return fail(Errc::kCorrupt, "the log has " + std::to_string(size) + " entries and had " +
                                    std::to_string(old_size) + " before: rolled back");
  return Continuation{old_size, TRY(consistency_proof(old_size, size, tile_nodes(vfs, dir, size))),
                      note};
}

Result<bool> DayCloser::began_before(std::int64_t utc_ms, std::uint64_t size) {
  const auto first = TRY(read_bundle(vfs_, dir_, 0, std::min(kTileWidth, size)));
  return TRY(check_entry(first.front())) < utc_ms;
}

Result<std::optional<std::string>> DayCloser::tick(std::int64_t utc_ms) {
  constexpr std::int64_t kDayMs = 24 * 3'600'000;
  const auto midnight = utc_ms / kDayMs * kDayMs;
  const auto day = day_of(midnight - 1);
  if (day <= closed_) return std::nullopt;
  if (vfs_.exists(day_file(dir_, day, kNoteEnding))) {
    closed_ = day;
    return std::nullopt;
  }
  auto newest = TRY(read_checkpoint(vfs_, dir_ + "/checkpoint", key_));
  const auto size = newest.checkpoint.size;
  if (size == 0 || !TRY(began_before(midnight, size))) {
    closed_ = day;  // it ended before the log began
    return std::nullopt;
  }
  if (witnessed_) {
    if (waiting_ != day) {
      waiting_ = day;
      waiting_since_ms_ = utc_ms;
      waiting_size_ = size;
    }
    const auto signed_one = read_checkpoint(vfs_, dir_ + "/" + kWitnessedFile, key_);
    const bool reached = signed_one && signed_one->checkpoint.size >= waiting_size_;
    if (!reached && utc_ms - waiting_since_ms_ < kWitnessWaitMs) return std::nullopt;
    if (reached) newest = *signed_one;
  }
  TRY(close_day(vfs_, dir_, key_, day, newest.note));
  closed_ = day;
  return std::optional<std::string>(day);
}

Result<Checkpoint> check_continues(const Continuation& before, const Continuation& next,
                                   const NamedKey& key, const WitnessPolicy& witnesses) {
  const auto old = TRY(open_checkpoint(before.note, key));
  auto now = TRY(open_checkpoint(next.note, key));
  if (!witnesses.keys.empty()) TRY(check_cosignatures(next.note, witnesses));
  if (now.size < old.size)
    return fail(Errc::kCorrupt, "it has " + std::to_string(now.size) + " entries, the older one " +
                                    std::to_string(old.size) + ": rolled back");
  // Of the same size the roots are all that there is to compare: no proof is needed.
  if (now.size == old.size)
    return now.root == old.root
               ? Result<Checkpoint>(now)
               : fail(Errc::kCorrupt, "two trees of one size: the log was rewritten");
  if (next.old_size != old.size)
    return fail(Errc::kState, "its proof begins at " + std::to_string(next.old_size) +
                                  " entries, and the older "
                                  "file has " +
                                  std::to_string(old.size) +
                                  ": name those between as well, or have it "
                                  "exported with --since");
  TRY(check_consistency(old.size, old.root, now.size, now.root, next.proof));
  return now;
}

}  // namespace callward::audit
