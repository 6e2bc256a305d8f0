// One mirror of the key store: a copy-on-write radix tree of sealed pages in one file, and its
// anchor.
//
//   pages file:  0 superblock A (4 KiB) · 4096 superblock B · 8192 pages, 64-byte aligned
//   superblock:  0 "CWSB" 4 version u8=1 5 reserved[3] 8 generation u64 16 epoch u64 24 root offset
//   u64
//                32 root bytes u32  36 reserved u32  40 log size u64   48 CRC-32C u32
//
// A page is never overwritten while the superblock in force leads to it. An erasure rewrites the
// path from leaf to root, nothing else. What is free is not written anywhere: opening walks the
// inner pages. After an error of switch_superblock() nobody knows which superblock the disk holds:
// forget_attempt(), then open again before anything else is written.
//
// The order of a switch of epochs, and what a crash behind each step leaves:
//
//   write_pages(next)   old superblock, old epoch: the new pages are unreferenced
//   put_epoch()         both epoch keys live, old superblock: the next opening destroys the newer
//   key switch_superblock() both live, new superblock: the next opening destroys the older key
//   reread()            (proves that what is on the disk opens under the new key alone)
//   destroy_old()       only the new key lives: what was dropped is gone
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "keys/anchor.hpp"
#include "keys/free_space.hpp"
#include "keys/page.hpp"

namespace callward::keys {

struct Superblock {
  std::uint64_t generation = 0;
  std::uint64_t epoch = 0;
  std::uint64_t root_offset = 0;
  std::uint32_t root_bytes = 0;
  std::uint64_t log_size = 0;  // of the audit log when this was committed
};
inline constexpr std::size_t kSuperblockBytes = 4'096;
Bytes encode_superblock(const Superblock& block);
Result<Superblock> decode_superblock(ByteView raw);

// nullopt: the row is dropped.
using RowChanges = std::map<std::uint64_t, std::optional<SecretBytes>>;
struct Commit {
  std::uint64_t next_row = 0;
  std::uint64_t log_size = 0;
  bool new_epoch = false;  // seal the root under a key that does not stand in the anchor yet
  History history{};       // of the state after it
};
// Rows of a leaf page as another mirror has them.
using LeafRowsSource = std::function<Result<Rows>(std::uint64_t leaf)>;

class PageTree {
 public:
  // Makes a tree of this generation, epoch and log size, with these rows. kExists if there is one.
  // A mirror that is filled anew takes the epoch number of the others, so that the log's entries
  // name the same epoch for all; and until all its rows are durable there is no tree at all: one
  // without them, opened by itself, would be believed. After an error a key may live in the anchor.
  static Result<std::unique_ptr<PageTree>> create(Vfs& vfs, Entropy& entropy,
                                                  const std::string& dir,
                                                  std::unique_ptr<Anchor> anchor,
                                                  const Superblock& begin = {1, 1},
                                                  const RowChanges& rows = {}, Commit commit = {});
  // kCorrupt: no superblock leads to a root that a living epoch key opens.
  static Result<std::unique_ptr<PageTree>> open(Vfs& vfs, Entropy& entropy, const std::string& dir,
                                                std::unique_ptr<Anchor> anchor);

  Result<std::optional<SecretBytes>> get(std::uint64_t row);
  // Rows [from, end), ascending; reads no page that has none of them.
  Status for_each(const std::function<Status(std::uint64_t row, ByteView content)>& on_row,
                  std::uint64_t from = 0, std::uint64_t end = kRowsMax);
  Result<Rows> leaf_rows(std::uint64_t leaf);

  // Step by step; an error leaves the state in force as it was (in memory too), until
  // switch_superblock() returned. A leaf that did not open since the last commit, or does not now,
  // is written anew from `other`. kTooLarge: a row over kRowBytesMax.
  Status write_pages(const RowChanges& changes, const Commit& commit,
                     const LeafRowsSource& other = {});
  Status put_epoch();
  Status switch_superblock();
  Status reread();
  Status destroy_old();
  void forget_attempt();  // nothing to forget is no error

  // Epochs in the anchor besides the one in force: left by a crash. Destroy them once the log
  // agrees.
  Result<std::vector<std::uint64_t>> stale_epochs();
  Status destroy_stale();
  Status destroy_everything();  // no state that was ever written here opens again

  [[nodiscard]] const Superblock& superblock() const { return block_; }
  [[nodiscard]] std::uint64_t next_row() const { return root_.next_row; }
  [[nodiscard]] const History& history() const { return root_.history; }
  [[nodiscard]] std::uint64_t used_bytes() const { return free_.end() - free_.free_bytes(); }
  [[nodiscard]] std::uint64_t file_bytes() const { return free_.end(); }
  [[nodiscard]] bool old_epoch_lives() const { return old_epoch_.has_value(); }
  [[nodiscard]] std::size_t damaged_leaves() const { return damaged_.size(); }
  Anchor& anchor() { return *anchor_; }

  // Reads both superblocks, every page in force and every anchor slot; one line a finding, with the
  // byte range.
  Result<std::vector<std::string>> check();

 private:
  struct Extent {
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  struct Attempt {
    Superblock block;
    Root root;
    std::map<std::pair<std::uint8_t, std::uint64_t>, Children>
        inner;  // changed inner pages by level, index
    std::vector<Extent> written, freed;
    std::vector<std::uint64_t> healed;  // leaves written anew
    std::optional<Key32> epoch_key;     // of a new epoch
  };
  PageTree(Vfs& vfs, Entropy& entropy, std::string dir, std::unique_ptr<Anchor> anchor);
  Status open_file(OpenMode mode);
  Status load(const Superblock& block, const Key32& epoch_key);
  Result<SecretBytes> read_page(const PageId& id, std::uint64_t offset, std::uint32_t bytes,
                                const Key32& key);
  Result<const Children*> inner(std::uint8_t level, std::uint64_t index);
  Result<const ChildRef*> leaf_ref(std::uint64_t leaf);
  Result<Children> inner_for_change(std::uint8_t level, std::uint64_t index);
  Status change_level(std::uint8_t level,
                      const std::map<std::uint64_t, std::optional<ChildRef>>& changed,
                      std::map<std::uint64_t, std::optional<ChildRef>>& parents);
  Status settle();
  Status write_tree(const RowChanges& changes, const LeafRowsSource& other);
  Status write_root(const Commit& commit);
  Result<std::optional<ChildRef>> write_leaf(std::uint64_t leaf, RowChanges::const_iterator begin,
                                             RowChanges::const_iterator end,
                                             const LeafRowsSource& other);
  Result<ChildRef> write_page(const PageId& id, ByteView payload);
  Status find_free_space();
  void check_superblocks(std::vector<std::string>& findings);
  void check_pages(std::vector<std::string>& findings);

  Vfs& vfs_;
  Entropy& entropy_;
  std::string dir_;
  std::unique_ptr<Anchor> anchor_;
  std::unique_ptr<VfsFile> file_;
  Superblock block_;
  Root root_;
  std::map<std::pair<std::uint8_t, std::uint64_t>, Children> cache_;  // inner pages below the root
  FreeSpace free_{2 * kSuperblockBytes};
  std::set<std::uint64_t> damaged_;  // leaves that did not open
  std::string passed_over_;          // a newer superblock that could not be opened, and why
  std::optional<std::uint64_t>
      given_up_;  // generation of a newer superblock whose epoch key is dead
  std::optional<Attempt> attempt_;
  std::optional<std::uint64_t> old_epoch_;  // lives still; the switch away from it is not ended
  bool settled_ = false;
};

}  // namespace callward::keys
