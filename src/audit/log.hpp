// The audit log: a Merkle transparency log in the C2SP formats (tlog-tiles, tlog-checkpoint).
//
//   dir/checkpoint                    signed note over the tree's size and root
//   dir/tile/<L>/<N>[.p/<W>]          up to 256 hashes of level 8L
//   dir/tile/entries/<N>[.p/<W>]      entry bundles: u16 big-endian length, entry
//   dir/journal-<first index>         what is durable and perhaps not yet in tiles
//   (docs/formats/log.md)
//
// The life of an entry:
//   staged ── commit(): one fdatasync for all ──▶ durable ── publish(): tiles, then checkpoint ──▶
//   published
//
// INVARIANTS
//   (1) commit() returned success => the staged entries survive a crash with their indices.
//   (2) Tiles and bundles that a checkpoint needs are durable before the checkpoint is.
//   (3) After a failed write nothing more is taken (Errc::kUnavailable) until the log is opened
//   anew: what part
//       of a batch reached the disk is then known again. A batch that was refused may turn out to
//       be there.
//   (4) The journal is cut only where an uncommitted batch was torn: at its end, beyond the
//   checkpoint.
//       Damage elsewhere is kCorrupt, and nothing is changed.
//   (5) Partial tiles go when the full one is under a durable checkpoint; the journal when all of
//   it is.
//   (6) failed() => no thread of ours writes there any more: it may be opened anew.
//
// Many writers, one fdatasync: a loop stages what has come, commits once, then answers all of it.
// Called by one thread; publish_beside() has one of its own for what it writes, and nobody waits
// for that. One process: who opens a log keeps a second one out before (app/writer_lock.hpp); who
// hands it to another calls let_go() before, and opens it anew if he goes on.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "audit/entry.hpp"
#include "audit/merkle.hpp"
#include "audit/note.hpp"
#include "audit/tiles.hpp"
#include "base/clock.hpp"
#include "base/vfs.hpp"

namespace callward::audit {

class Log {
 public:
  static Result<std::unique_ptr<Log>> open(Vfs& vfs, const std::string& dir,
                                           const std::string& origin, const Key32& signing_seed);
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
  // The same without waiting: takes the end of the one before, if it has come, and then begins one.
  // The checkpoint is there when it is there; published_size() says so with the next call. The
  // thread is made by the first call, so a sandbox must be entered before.
  Status publish_beside();

  [[nodiscard]] std::uint64_t size() const { return durable_size_; }  // durable
  [[nodiscard]] std::uint64_t published_size() const { return published_size_; }
  [[nodiscard]] bool failed() const { return failed_; }
  // Another is about to write there: as after a failure nothing more is taken (3), (6).
  void let_go();
  // Durable entries [first, size()), in order; stops at the first error of `on_entry`.
  Status replay(std::uint64_t first,
                const std::function<Status(std::uint64_t index, const Entry&)>& on_entry);

  static constexpr std::uint64_t kJournalBytesMax = 8u << 20;  // then a new one is begun
  static constexpr std::size_t kStagedBytesMax = kBatchBytesMax;
  // Durable and not under a checkpoint, what is just being written included: at either bound
  // commit() waits until there is room, so that memory has a bound where more is appended than the
  // disk takes as tiles.
  static constexpr std::size_t kUnpublishedMax = 262'144;
  static constexpr std::size_t kUnpublishedBytesMax = 128u << 20;

 private:
  struct Level {
    std::uint64_t full = 0;     // hashes in full tiles
    std::vector<Hash> partial;  // of the tile that grows
    bool grown = false;         // since the last checkpoint
  };
  class Publisher;
  Log(Vfs& vfs, std::string dir, std::string origin, Key32 seed);
  [[nodiscard]] bool begin_publish();  // false: there is nothing to do
  Status write_publish();              // by whatever thread: touches nothing that the others do
  Status end_publish(Status written);
  Status settle_publish();  // waits for the one that is on its way
  [[nodiscard]] bool over_bounds() const;
  Status make_room();
  void fail_now();
  Status make_folders();
  Status load_checkpoint();
  Status load_edge();
  Status load_growing_bundle();
  Status load_journals();
  Status load_journal(const std::string& name, bool newest);
  Status settle_journal(VfsFile& file, ByteView content, const JournalScan& scan);
  Status still_there();
  Status start_journal(std::uint64_t first);
  Status integrate(const std::string& text);
  Status add_hash(std::uint32_t tile_level, const Hash& hash);
  Status write_partials();
  Status write_checkpoint();
  Status write_synced(const std::string& path, ByteView content);
  Status sync_dirs();
  Status rotate_journal();
  Status drop_old_journals();
  void drop_partials_of(const std::string& full_path);
  void drop_stale_partials();

  Vfs& vfs_;
  std::string dir_, origin_;
  Key32 seed_;
  bool failed_ = false;

  CompactRange tree_;          // of what is integrated
  std::vector<Level> levels_;  // tiles' right edge, by tile level
  Bytes bundle_;               // the bundle that grows
  bool have_checkpoint_ = false;
  std::uint64_t published_size_ = 0;
  std::uint64_t durable_size_ = 0;
  std::vector<std::string> publishing_;  // durable, being integrated: from tree_.size()
  std::vector<std::string> pending_;     // durable, behind those
  std::vector<std::string> staged_;
  std::size_t publishing_bytes_ = 0, pending_bytes_ = 0, staged_bytes_ = 0;
  std::set<std::string>
      folders_;  // those whose names, and all above, are durable or in dirty_dirs_
  std::set<std::string> dirty_dirs_;    // to be synced before the checkpoint
  std::vector<std::string> completed_;  // full tiles and bundles written since the last checkpoint

  std::unique_ptr<VfsFile> journal_;
  std::string journal_name_;
  std::uint64_t journal_first_ = 0;
  std::uint64_t journal_end_ = 0;
  bool old_journals_ = false;  // some before it are there, not yet wholly under a checkpoint
  std::unique_ptr<Publisher> publisher_;  // last: its thread writes into the others
};

}  // namespace callward::audit
