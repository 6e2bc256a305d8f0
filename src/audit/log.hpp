// The audit log: a Merkle transparency log in the C2SP formats (tlog-tiles, tlog-checkpoint).
//
//   dir/checkpoint                    signed note over the tree's size and root
//   dir/tile/<L>/<N>[.p/<W>]          up to 256 hashes of level 8L
//   dir/tile/entries/<N>[.p/<W>]      entry bundles: u16 big-endian length, entry
//   dir/journal-<first index>         what is durable and perhaps not yet in tiles (docs/formats/log.md)
//
// The life of an entry:
//   staged ── commit(): one fdatasync for all ──▶ durable ── publish(): tiles, then checkpoint ──▶ published
//
// INVARIANTS
//   (1) commit() returned success => the staged entries survive a crash with their indices.
//   (2) Tiles and bundles that a checkpoint needs are durable before the checkpoint is.
//   (3) After a failed write nothing more is taken (Errc::kState) until the log is opened anew: what part
//       of a batch reached the disk is then known again.
//   (4) The journal is cut only where an uncommitted batch was torn; damage elsewhere is kCorrupt.
//
// One thread.
#pragma once

#include <functional>
#include <memory>

#include "audit/entry.hpp"
#include "audit/merkle.hpp"
#include "audit/note.hpp"
#include "base/clock.hpp"
#include "base/vfs.hpp"

namespace callward::audit {

inline constexpr std::uint64_t kTileWidth = 256;

class Log {
 public:
  static Result<std::unique_ptr<Log>> open(Vfs& vfs, const std::string& dir, const std::string& origin,
                                           const Key32& signing_seed);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // The index that the entry will have. Nothing is durable yet.
  Result<std::uint64_t> stage(const Entry& entry);
  // Makes all staged entries durable, or none counts: on an error the log has failed (3).
  Status commit();
  [[nodiscard]] bool has_staged() const { return !staged_.empty(); }
  // Brings what is durable into tiles and signs a checkpoint. At most once a second is enough.
  Status publish();

  [[nodiscard]] std::uint64_t size() const { return durable_size_; }       // durable
  [[nodiscard]] std::uint64_t published_size() const { return published_size_; }
  [[nodiscard]] bool failed() const { return failed_; }
  // Durable entries [first, size()), in order; stops at the first error of `on_entry`.
  Status replay(std::uint64_t first, const std::function<Status(std::uint64_t index, const Entry&)>& on_entry);

  static constexpr std::uint64_t kJournalBytesMax = 8u << 20;   // then a new one is begun
  static constexpr std::size_t kStagedBytesMax = 16u << 20;

 private:
  struct Level {
    std::uint64_t full = 0;        // hashes in full tiles
    std::vector<Hash> partial;     // of the tile that grows
  };
  Log(Vfs& vfs, std::string dir, std::string origin, Key32 seed);
  Status load_checkpoint();
  Status load_edge();
  Status load_journals();
  Status load_journal(const std::string& name, bool newest);
  Status start_journal(std::uint64_t first);
  Status integrate(std::string text);
  Status add_hash(std::uint32_t tile_level, const Hash& hash);
  Status write_partials();
  Status write_synced(const std::string& path, ByteView content);
  Status sync_dirs();
  Status drop_old_journals();
  Result<std::string> read_entry_text(std::uint64_t index);

  Vfs& vfs_;
  std::string dir_, origin_;
  Key32 seed_;
  bool failed_ = false;

  CompactRange tree_;              // of what is integrated
  std::vector<Level> levels_;      // tiles' right edge, by tile level
  Bytes bundle_;                   // of the bundle that grows
  std::uint64_t published_size_ = 0;
  std::uint64_t durable_size_ = 0;
  std::vector<std::string> pending_;  // durable, not integrated: from tree_.size()
  std::vector<std::string> staged_;
  std::size_t staged_bytes_ = 0;
  std::vector<std::string> dirty_dirs_;

  std::unique_ptr<VfsFile> journal_;
  std::string journal_name_;
  std::uint64_t journal_end_ = 0;
};

// Paths below the log's folder (tlog-tiles).
std::string tile_path(std::uint32_t level, std::uint64_t index, std::uint64_t width);
std::string bundle_path(std::uint64_t index, std::uint64_t width);

// A journal frame: "CWJ1" u32 length, u64 index, u32 CRC-32C over length, index and text; then the text.
inline constexpr std::size_t kJournalFrameHeaderBytes = 20;
Bytes journal_frame(std::uint64_t index, std::string_view text);
struct JournalScan {
  std::vector<std::string> entries;
  std::uint64_t first = 0;       // index of the first one
  std::uint64_t end = 0;         // bytes that hold valid frames
  bool torn = false;             // bytes follow that are no frame
  bool valid_after_tear = false; // ... and a valid frame stands behind them: damage, not a torn tail
};
JournalScan scan_journal(ByteView content, std::uint64_t first);
Result<std::vector<std::string>> parse_bundle(ByteView content, std::uint64_t count);

}  // namespace callward::audit
