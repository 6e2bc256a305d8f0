// The keeper's store of covers: rows of bytes, kept alike by one or more mirrors, each with its own
// pages and its own anchor. What is dropped is gone once every mirror destroyed its old epoch key.
//
//            ┌──────────── fails while another took the step; is older; does not open ───────────┐
//   good ────┤                                                                                   ▼
//     ▲      └─ its own step failed and nobody else took it: good still, the caller tries again
//     │                                                                                  left out
//     └────────────────── repair_mirror(): destroyed, then filled anew ──────────────────┤
//   retired ◀──────────── retire(): the owner's word; no longer waited for ──────────────┘
//
// INVARIANTS
//   (1) All good mirrors hold the same state: generation, epoch and history (page.hpp). One that
//       may not is left out until it was destroyed and filled anew: it could still open what the
//       others have dropped. The newest state is that of the largest log size, then epoch, then
//       generation.
//   (2) unconfirmed() == 0 means: no key lives in any mirror (retired ones apart) but those of the
//       state in force. A mirror that is left out is destroyed at the end of the next erasure, as
//       soon as it answers.
//       What is retired, and whether it was destroyed, the good mirrors say (the file `retired` in
//       their store folders): the word outlives a restart, and goes wherever a mirror goes.
//   (3) A page that does not open in one good mirror is read from another, and written anew at the
//       next commit. No page is ever "repaired" by forgetting its rows.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "keys/page_tree.hpp"

namespace callward::keys {

// Where the rows of each kind stand (ADR 13); within a kind they are numbered as they come.
inline constexpr std::uint64_t kCallRowsEnd = std::uint64_t{1} << 28;
inline constexpr std::uint64_t kCustomerRowsFrom = kCallRowsEnd;
inline constexpr std::uint64_t kCustomerRowsEnd = kCustomerRowsFrom + (std::uint64_t{1} << 27);
inline constexpr std::uint64_t kBucketRowsFrom = kCustomerRowsEnd;  // of the blind index
inline constexpr std::uint64_t kVaultHeadRow = kRowsMax - 1;

struct MirrorPaths {
  std::string store_dir;
  std::string anchor_dir;
  bool retired = false;
};
struct MirrorStatus {
  std::string store_dir;
  bool good = false;
  bool retired = false;
  bool confirmed = false;             // no old key lives there
  std::string why;                    // it is not good
  std::uint64_t epoch = 0;            // in force there; of a retired one: last seen (0: unknown)
  std::vector<std::uint64_t> living;  // epochs in its anchor; empty too if it does not answer
  std::string assurance;
};

// kNewDisk: a person said that the old one is gone for good.
enum class MirrorFill : std::uint8_t { kReturning, kNewDisk };

class KeyStore {
 public:
  // kExists if any mirror is there already.
  static Status create(Vfs& vfs, Entropy& entropy, const std::vector<MirrorPaths>& mirrors,
                       const Key32& wrap);
  // Opens the newest state; older or broken mirrors are named in mirrors(). Destroys nothing.
  // kCorrupt: none opens.
  static Result<std::unique_ptr<KeyStore>> open(Vfs& vfs, Entropy& entropy,
                                                const std::vector<MirrorPaths>& mirrors,
                                                const Key32& wrap);

  // Of a call; >= kCallRowsEnd: there are no more.
  std::uint64_t allot_row() { return next_row_++; }
  [[nodiscard]] std::uint64_t next_row() const { return next_row_; }
  // With what is staged; falls over to another mirror where a page is damaged. kCorrupt: damaged in
  // all.
  Result<std::optional<SecretBytes>> get(std::uint64_t row);
  // As committed, rows [from, end) in their order. What kinds of rows there are, and where each has
  // its place: ADR 13.
  Status for_each(const std::function<Status(std::uint64_t row, ByteView content)>& on_row,
                  std::uint64_t from = 0, std::uint64_t end = kRowsMax);
  // A row over kRowBytesMax makes every commit fail with kTooLarge until it is staged smaller or
  // dropped.
  void stage_put(std::uint64_t row, SecretBytes content) { staged_[row] = std::move(content); }
  void stage_drop(std::uint64_t row) { staged_[row] = std::nullopt; }
  [[nodiscard]] bool has_staged() const { return !staged_.empty(); }

  // Persists what is staged under the epoch in force, and heals damaged pages. After an error what
  // was staged stays staged (it may have been committed all the same), and the call may be made
  // again.
  Status commit(std::uint64_t log_size);

  // An erasure, in the steps of the design; the caller logs before the first and after the last.
  // Each succeeds while one good mirror took it. After an error of (2)-(4) no attempt is left and
  // the old state is in force; after one of (5) or (7) the new state is, and the old key may live.
  // Either way what was ordered is not gone, and the caller begins at (2) again: put_epoch() first
  // ends what was left undone.
  Status write_pages(std::uint64_t log_size);  // (2)
  Status put_epoch();                          // (3)
  Status switch_superblock();                  // (4)
  Status reread();                             // (5), (6)
  Status destroy_old();                        // (7)
  void forget_attempt();                       // nothing to forget is no error
  [[nodiscard]] std::uint64_t epoch() const;   // in force, of the first good mirror
  [[nodiscard]] std::uint32_t unconfirmed() const;

  // After a crash: the audit log must have at least log_size() entries, else the log is older than
  // the anchors and nothing may be destroyed nor opened. Once it agrees:
  [[nodiscard]] std::uint64_t log_size() const;
  Status destroy_stale();

  [[nodiscard]] std::vector<MirrorStatus> mirrors() const;
  // By number, without a look at a disk. `unread`, with the reason: could not be opened, so that
  // nobody knows how new the state is that stands there; they are left out, too.
  struct Roles {
    std::set<std::size_t> good, left_out;
    std::map<std::size_t, std::string> unread;
  };
  [[nodiscard]] Roles roles() const;
  // Destroys what the mirror holds, then fills it from a good one. Only after the log agreed.
  // kDenied: its anchor belongs to another credential. A retired mirror comes back this way, too.
  // kNotFound: kReturning, and there is no anchor: its disk is away, and holds what it held.
  Status repair_mirror(std::size_t index, MirrorFill how = MirrorFill::kReturning);
  // Takes the mirror out, until it comes back (repair_mirror). What lives there is destroyed if it
  // answers; if not, the epoch that it was last seen in (0: unknown) is returned, for the entry
  // "unconfirmed: mirror, epoch". kState: the last good.
  Result<std::optional<std::uint64_t>> retire(std::size_t index);

  // fsck: one line a finding; empty: every superblock, page and anchor slot of every mirror is
  // whole.
  Result<std::vector<std::string>> check();

 private:
  enum class Step : std::uint8_t { kWritePages, kPutEpoch, kSwitch, kReread, kDestroy };
  struct Mirror {
    MirrorPaths paths;
    std::unique_ptr<PageTree> tree;   // null: cannot be opened
    std::string why;                  // left out
    bool destroyed = false;           // left out, and no key lives there
    std::uint64_t retired_epoch = 0;  // last seen in, as it was retired
    [[nodiscard]] bool good() const { return tree != nullptr && why.empty() && !paths.retired; }
    [[nodiscard]] bool confirmed() const { return good() ? !tree->old_epoch_lives() : destroyed; }
  };
  KeyStore(Vfs& vfs, Entropy& entropy, const Key32& wrap)
      : vfs_(vfs), entropy_(entropy), wrap_(wrap.clone()) {}
  Result<std::unique_ptr<PageTree>> open_tree(const MirrorPaths& paths);
  void leave_out_others();
  [[nodiscard]] const Mirror* newest() const;
  Status read_retired();
  Status write_retired();
  Status note_filling(Mirror& mirror);
  Status write_staged(std::uint64_t log_size, bool new_epoch);
  Status take(Step step, const std::function<Status(PageTree&)>& action);
  void leave_out(Mirror& mirror, std::string why);
  void reopen(Mirror& mirror);
  bool destroy_left_out(Mirror& mirror);
  void note_damage(const Mirror& mirror, const Error& error);
  LeafRowsSource leaves_of_others(const PageTree* than);
  [[nodiscard]] PageTree* first_good() const;

  Vfs& vfs_;
  Entropy& entropy_;
  Key32 wrap_;
  std::vector<Mirror> mirrors_;
  RowChanges staged_;
  std::uint64_t next_row_ = 0;
  bool heal_ = false;  // a commit is due though nothing is staged
};

}  // namespace callward::keys
