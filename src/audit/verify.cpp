#include "audit/verify.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace callward::audit {
namespace {

constexpr std::size_t kJournalBytesLimit =
    Log::kJournalBytesMax + kBatchBytesMax + kJournalHeaderBytes;
constexpr std::int64_t kBackwardsMsMax = 1'000;
constexpr std::int64_t kDayMs = 24 * 3'600'000;

std::string at_byte(std::uint64_t offset) { return "byte " + std::to_string(offset) + ": "; }
std::string numbered(std::uint64_t index) { return "entry " + std::to_string(index); }

class Verifier {
 public:
  Verifier(Vfs& vfs, std::string dir, const NamedKey& key, const VerifyProgress& progress,
           const WitnessPolicy& witnesses, bool witnesses_required)
      : vfs_(vfs),
        dir_(std::move(dir)),
        key_(key),
        progress_(progress),
        witnesses_(witnesses),
        witnesses_required_(witnesses_required) {}

  Result<VerifyReport> run() {
    TRY(collect("", 0));
    report_.files = files_.size();
    check_public_key();
    // Before the checkpoint: what is published meanwhile is not beyond it.
    read_days();
    read_witnessed();
    read_checkpoint();
    check_sizes();
    keep_from_ = first_of_journals();
    check_earlier();  // of an empty log
    for (std::uint64_t at = 0; at < checkpoint_.size; at += kTileWidth) {
      check_bundle(at, std::min(kTileWidth, checkpoint_.size - at));
      if (progress_) progress_(tree_.size(), checkpoint_.size);
      if (tree_.size() < std::min(at + kTileWidth, checkpoint_.size))
        break;  // neither entries nor hashes: said so
    }
    for (std::uint32_t level = 0; level < edge_.size(); ++level)
      if (!edge_[level].hashes.empty()) check_tile(level);
    check_root();
    check_journals();
    for (const auto& file : files_)
      if (!used_.contains(file)) check_surplus(file);
    report_.entries = tree_.size();
    report_.root = tree_.root();
    return std::move(report_);
  }

 private:
  struct Edge {
    std::uint64_t tile = 0;    // index of the tile that grows
    std::vector<Hash> hashes;  // as the entries give them
  };

  void finding(const std::string& file, const std::string& what) {
    if (report_.findings.size() < kFindingsMax) report_.findings.push_back(file + ": " + what);
  }
  void warning(const std::string& file, const std::string& what) {
    if (report_.warnings.size() < kFindingsMax) report_.warnings.push_back(file + ": " + what);
  }

  Status collect(const std::string& below, int depth) {
    constexpr int kDepthMax = 12;
    if (depth > kDepthMax) return {};
    for (const auto& name : TRY(vfs_.list(dir_ + (below.empty() ? "" : "/" + below)))) {
      const auto path = below.empty() ? name : below + "/" + name;
      // A folder can be listed; what vanished meanwhile is no file either.
      if (vfs_.list(dir_ + "/" + path))
        TRY(collect(path, depth + 1));
      else
        files_.insert(path);
    }
    return {};
  }

  void check_public_key() {
    used_.insert("public.key");
    if (!files_.contains("public.key")) return;
    const auto raw = vfs_.read_file(dir_ + "/public.key", kNoteBytesMax);
    const auto wanted = verifier_key(key_.name, key_.key) + "\n";
    if (!raw || as_text(*raw) != wanted)
      finding("public.key", "is not the key that the log is checked against");
  }

  // Earlier checkpoints --------------------------------------------------------------------------

  void read_days() {
    std::uint64_t before = 0;
    for (const auto& file : files_) {
      const std::string_view name = file;
      if (!name.starts_with("daily/") || !name.ends_with(".checkpoint")) continue;
      const auto day = std::string(name.substr(6, name.size() - 6 - 11));
      if (!is_day(day)) continue;
      used_.insert(file);
      const auto proof = "daily/" + day + ".consistency";
      used_.insert(proof);
      const auto read = read_day(vfs_, dir_, day);
      if (!read) {
        // The note, its proof, or one of them missing: the message names what.
        finding(files_.contains(proof) ? file : proof, read.error().message);
        continue;
      }
      const auto opened = open_checkpoint(read->note, key_);
      if (!opened) {
        finding(file, opened.error().message);
        continue;
      }
      if (read->old_size != before)
        finding(proof, "does not begin where the day before ended");
      else if (!day_before_.empty() || before == 0)
        check_day_proof(proof, *read, *opened);
      if (const auto end = end_of_day(day))
        day_ends_.emplace(opened->size, std::make_pair(file, *end));
      else
        finding(file, "is of no day that there is");
      before = opened->size;
      day_before_ = read->note;
      earlier_.emplace(opened->size, std::make_pair(file, opened->root));
      ++report_.days;
    }
  }

  // Entry `index` of time `at`, once for each entry in their order. A day ends no earlier than its
  // midnight, and it is closed before the next one. Where time went back the newest time counts.
  void hold_to_days(std::uint64_t index, std::int64_t at) {
    last_at_ = std::max(last_at_, at);
    const auto behind = day_ends_.equal_range(index);
    for (auto day = behind.first; day != behind.second; ++day)
      if (last_at_ < day->second.second - kDaySlackMs)
        finding(day->second.first,
                numbered(index) + " is of that day as well, and stands behind its end");
    const auto last = day_ends_.equal_range(index + 1);
    for (auto day = last.first; day != last.second; ++day)
      if (at >= day->second.second + kDayMs + kDaySlackMs)
        finding(day->second.first, numbered(index) + " is of a day after the next one");
  }

  void check_day_proof(const std::string& file, const Continuation& day, const Checkpoint& now) {
    if (day.old_size == 0) {
      if (!day.proof.empty()) finding(file, "holds a proof where none can be");
      return;
    }
    const auto old = open_checkpoint(day_before_, key_);
    if (old && !check_consistency(old->size, old->root, now.size, now.root, day.proof))
      finding(file, "does not join the day with the one before");
  }

  void read_witnessed() {
    used_.insert(kWitnessedFile);
    if (!files_.contains(kWitnessedFile)) {
      if (witnesses_.keys.empty()) return;
      const auto* what = "is missing: no checkpoint has a quorum of witnesses";
      return witnesses_required_ ? finding(kWitnessedFile, what) : warning(kWitnessedFile, what);
    }
    const auto read = audit::read_checkpoint(vfs_, dir_ + "/" + kWitnessedFile, key_);
    if (!read) return finding(kWitnessedFile, read.error().message);
    earlier_.emplace(read->checkpoint.size,
                     std::make_pair(std::string(kWitnessedFile), read->checkpoint.root));
    report_.witnessed_size = read->checkpoint.size;
    if (witnesses_.keys.empty()) return;
    const auto good = check_cosignatures(read->note, witnesses_);
    if (!good) return finding(kWitnessedFile, good.error().message);
    for (const auto& one : *good) report_.witnesses.push_back(one.witness);
  }

  void check_sizes() {
    if (!have_checkpoint_) return;
    for (const auto& [size, file_and_root] : earlier_)
      if (size > checkpoint_.size)
        finding(file_and_root.first,
                "has " + std::to_string(size) + " entries, and the log less: it was rolled back");
  }

  // Called whenever the tree has grown.
  void check_earlier() {
    const auto [begin, end] = earlier_.equal_range(tree_.size());
    for (auto at = begin; at != end; ++at)
      if (tree_.root() != at->second.second)
        finding(at->second.first, "its root is not that of the entries");
  }

  void read_checkpoint() {
    used_.insert("checkpoint");
    const auto note = vfs_.read_file(dir_ + "/checkpoint", kNoteBytesMax);
    if (!note) return finding("checkpoint", note.error().message);
    auto opened = open_checkpoint(std::string(as_text(*note)), key_);
    if (!opened) return finding("checkpoint", opened.error().message);
    checkpoint_ = std::move(*opened);
    have_checkpoint_ = true;
  }

  void check_root() {
    if (have_checkpoint_ && tree_.size() == checkpoint_.size && tree_.root() != checkpoint_.root)
      finding("checkpoint", "its root is not that of the entries");
  }

  // Entries, then the tree ------------------------------------------------------------------------

  void check_bundle(std::uint64_t begin, std::uint64_t width) {
    const auto index = begin / kTileWidth;
    const auto file = bundle_path(index, width);
    used_.insert(file);
    const auto entries = read_bundle(vfs_, dir_, index, width);
    if (entries) return check_entries(file, *entries);
    finding(file, entries.error().message);
    // The tile's hashes stand in, so that the rest is checked all the same.
    const auto leaves = read_tile(vfs_, dir_, 0, index, width);
    for (std::size_t i = 0; leaves && i < leaves->size(); ++i) append((*leaves)[i]);
  }

  void check_entries(const std::string& file, const std::vector<std::string>& entries) {
    std::uint64_t offset = 0;
    for (const auto& text : entries) {
      const auto at = check_entry(text);
      const auto index = tree_.size();
      if (!at) finding(file, at_byte(offset) + numbered(index) + ": " + at.error().message);
      if (at && *at + kBackwardsMsMax < last_at_)
        warning(file, numbered(index) + ": its time lies before that of an earlier one");
      if (at) hold_to_days(index, *at);
      append(leaf_hash(as_bytes(text)));
      offset += 2 + text.size();
    }
  }

  void append(const Hash& leaf) {
    if (tree_.size() >= keep_from_) kept_.push_back(leaf);
    tree_.append(leaf, [this](std::uint32_t level, std::uint64_t, const Hash& hash) {
      if (level % 8 != 0) return;
      if (edge_.size() <= level / 8) edge_.resize(level / 8 + 1);
      auto& edge = edge_[level / 8];
      edge.hashes.push_back(hash);
      if (edge.hashes.size() < kTileWidth) return;
      check_tile(level / 8);
      ++edge.tile;
      edge.hashes.clear();
    });
    if (earlier_.contains(tree_.size())) check_earlier();
  }

  void check_tile(std::uint32_t level) {
    const auto& edge = edge_[level];
    const auto width = edge.hashes.size();
    auto file = tile_path(level, edge.tile, width);
    used_.insert(file);
    auto hashes = read_tile(vfs_, dir_, level, edge.tile, width);
    if (!hashes) return finding(file, hashes.error().message);
    for (std::size_t i = 0; i < width; ++i)
      if ((*hashes)[i] != edge.hashes[i])
        return finding(file, at_byte(i * 32) + "hash " + std::to_string(i) + " is not what " +
                                 (level == 0 ? bundle_path(edge.tile, width) : "the entries") +
                                 " would give");
  }

  // Journals --------------------------------------------------------------------------------------

  std::vector<std::string> journals() {
    std::vector<std::string> names;
    if (const auto all = vfs_.list(dir_))
      std::copy_if(all->begin(), all->end(), std::back_inserter(names),
                   [](const auto& name) { return parse_journal_name(name).has_value(); });
    return names;
  }

  std::uint64_t first_of_journals() {
    const auto names = journals();
    return names.empty() ? ~std::uint64_t{0} : *parse_journal_name(names.front());
  }

  void check_journals() {
    constexpr int kTriesMax = 3;  // one may give way to the next while we look
    for (int i = 0; i < kTriesMax; ++i) {
      const auto names = journals();
      if (names.empty()) return finding("journal", "is missing");
      std::vector<JournalScan> scans;
      for (const auto& name : names)
        if (auto scan = read_journal(name, name == names.back())) scans.push_back(std::move(*scan));
      if (scans.size() < names.size() && i + 1 < kTriesMax) continue;
      for (const auto& file : files_)
        if (parse_journal_name(file)) used_.insert(file);
      if (scans.size() < names.size()) return finding("journal", "cannot be read");
      return compare_journals(names, scans);
    }
  }

  Result<JournalScan> read_journal(const std::string& name, bool newest) {
    constexpr int kTriesMax = 3;  // the newest may be in the middle of a write
    JournalScan scan;
    for (int i = 0; i < kTriesMax; ++i) {
      const auto raw = TRY(vfs_.read_file(dir_ + "/" + name, kJournalBytesLimit));
      scan = scan_journal(raw, TRY(parse_journal_name(name)));
      if (!scan.torn || !newest) break;
    }
    return scan;
  }

  void compare_journals(const std::vector<std::string>& names,
                        const std::vector<JournalScan>& scans) {
    auto reach = have_checkpoint_ ? tree_.size() : scans.front().first;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto& scan = scans[i];
      const auto end = scan.first + scan.entries.size();
      if (scan.torn)
        finding(names[i], at_byte(scan.end) +
                              "no batch that holds: damage, or a write that was not finished");
      if (scan.first > reach)
        finding(names[i], numbered(reach) + " and those up to this journal are missing");
      if (i + 1 == names.size() && end < tree_.size())
        finding(names[i], "ends at " + numbered(end) + ", before the checkpoint");
      compare_entries(names[i], scan);
      if (end > reach) report_.journal_entries += end - std::max(reach, scan.first);
      reach = std::max(reach, end);
    }
  }

  void compare_entries(const std::string& name, const JournalScan& scan) {
    for (std::size_t i = 0; i < scan.entries.size(); ++i) {
      const auto index = scan.first + i;
      if (index < tree_.size()) {
        // A newer journal than those seen at the start begins behind them.
        if (index < keep_from_) continue;
        if (leaf_hash(as_bytes(scan.entries[i])) !=
            kept_[static_cast<std::size_t>(index - keep_from_)])
          finding(name, numbered(index) + " is not that of the log");
      } else if (const auto at = check_entry(scan.entries[i]); !at) {
        finding(name, numbered(index) + ": " + at.error().message);
      } else if (index >= dated_) {  // two journals may both hold it
        hold_to_days(index, *at);
        dated_ = index + 1;
      }
    }
  }

  // What the checkpoint does not need -------------------------------------------------------------

  void check_surplus(const std::string& file) {
    if (file.ends_with(".new")) return warning(file, "left over from a crash");
    const auto name = parse_tile_name(file);
    if (!name) return warning(file, "not a file of the log");
    const auto hashes = name->bundle ? checkpoint_.size : checkpoint_.size >> (8 * name->level);
    const auto begin = name->index * kTileWidth;
    if (!have_checkpoint_) return;  // said so
    if (begin + name->width > hashes) return warning(file, "beyond the checkpoint");
    // Of an earlier checkpoint: it must be a beginning of the one that was checked.
    const auto width = std::min(kTileWidth, hashes - begin);
    if (!holds_beginning(file, *name, width))
      finding(file, "is not a beginning of what the log holds now");
  }

  // True also when the log removed it meanwhile, or when the whole one is bad (that is said of
  // itself).
  bool holds_beginning(const std::string& file, const TileName& name, std::uint64_t width) {
    const auto raw = vfs_.read_file(dir_ + "/" + file, kBundleBytesMax);
    if (!raw) return raw.error().code == Errc::kNotFound;
    if (name.bundle) {
      const auto whole = read_bundle(vfs_, dir_, name.index, width);
      if (!whole) return true;
      const auto part = parse_bundle(*raw, name.width);
      return part && std::equal(part->begin(), part->end(), whole->begin());
    }
    const auto whole = read_tile(vfs_, dir_, name.level, name.index, width);
    if (!whole) return true;
    const auto part = parse_tile(*raw, name.width);
    return part && std::equal(part->begin(), part->end(), whole->begin());
  }

  Vfs& vfs_;
  std::string dir_;
  NamedKey key_;
  const VerifyProgress& progress_;
  const WitnessPolicy& witnesses_;
  bool witnesses_required_;
  // Checkpoints of days and of witnesses, by size: their files and roots.
  std::multimap<std::uint64_t, std::pair<std::string, Hash>> earlier_;
  std::string day_before_;  // its note
  // Days by their sizes: their files, and the midnights at which they ended.
  std::multimap<std::uint64_t, std::pair<std::string, std::int64_t>> day_ends_;
  std::uint64_t dated_ = 0;  // of the journals' entries: those before were held to the days
  VerifyReport report_;
  std::set<std::string> files_, used_;
  Checkpoint checkpoint_;
  bool have_checkpoint_ = false;
  CompactRange tree_;
  std::vector<Edge> edge_;  // by tile level
  std::uint64_t keep_from_ = 0;
  std::vector<Hash> kept_;  // leaf hashes from keep_from_
  std::int64_t last_at_ = 0;
};

}  // namespace

Result<VerifyReport> verify_log(Vfs& vfs, const std::string& dir, const NamedKey& key,
                                const VerifyProgress& progress, const WitnessPolicy& witnesses,
                                bool witnesses_required) {
  return Verifier(vfs, dir, key, progress, witnesses, witnesses_required).run();
}

}  // namespace callward::audit
