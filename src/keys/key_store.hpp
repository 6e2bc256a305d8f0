// The keeper's store of covers: rows of bytes, kept alike by one or more mirrors, each with its own pages
// and its own anchor. What is dropped is gone once every mirror destroyed its old epoch key.
//
// A mirror that fails is left out and named; the others go on; it returns by being destroyed and filled
// anew (repair_mirror). The store works while one mirror is good.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "keys/page_tree.hpp"

namespace callward::keys {

struct MirrorPaths {
  std::string store_dir;
  std::string anchor_dir;
};
struct MirrorStatus {
  std::string store_dir;
  bool good = false;
  bool retired = false;
  std::string why;          // it is not good
  std::uint64_t epoch = 0;  // in force there
  std::string assurance;
};

class KeyStore {
 public:
  // kExists if any mirror is there already.
  static Status create(Vfs& vfs, Entropy& entropy, const std::vector<MirrorPaths>& mirrors, const Key32& wrap);
  // Opens the newest generation; older or broken mirrors are named in mirrors(). kCorrupt: none opens.
  static Result<std::unique_ptr<KeyStore>> open(Vfs& vfs, Entropy& entropy, const std::vector<MirrorPaths>& mirrors,
                                                const Key32& wrap);

  std::uint64_t allot_row() { return next_row_++; }
  [[nodiscard]] std::uint64_t next_row() const { return next_row_; }
  // With what is staged; falls over to another mirror when one is damaged.
  Result<std::optional<SecretBytes>> get(std::uint64_t row);
  Status for_each(const std::function<Status(std::uint64_t row, ByteView content)>& on_row);  // as committed
  void stage_put(std::uint64_t row, SecretBytes content) { staged_[row] = std::move(content); }
  void stage_drop(std::uint64_t row) { staged_[row] = std::nullopt; }
  [[nodiscard]] bool has_staged() const { return !staged_.empty(); }

  // Persists what is staged under the epoch in force. On an error what was staged stays staged.
  Status commit(std::uint64_t log_size);

  // An erasure, in the steps of erasure.md 3; the caller logs before the first and after the last.
  // Each returns success while one good mirror took it. unconfirmed() counts mirrors that did not.
  Status write_pages(std::uint64_t log_size);  // (2)
  Status put_epoch();                          // (3)
  Status switch_superblock();                  // (4)
  Status reread();                             // (5), (6)
  Status destroy_old();                        // (7)
  void forget_attempt();
  [[nodiscard]] std::uint64_t epoch() const;   // in force, of the first good mirror
  [[nodiscard]] std::uint32_t unconfirmed() const;

  // After a crash, once the log agrees.
  [[nodiscard]] std::uint64_t log_size() const;
  Status destroy_stale();

  [[nodiscard]] std::vector<MirrorStatus> mirrors() const;
  Status repair_mirror(std::size_t index);  // destroys what it holds, fills it from a good one
  Result<std::vector<std::string>> check();

 private:
  struct Mirror {
    MirrorPaths paths;
    std::unique_ptr<PageTree> tree;  // null: cannot be opened
    std::string why;
    [[nodiscard]] bool good() const { return tree != nullptr && why.empty(); }
  };
  KeyStore(Vfs& vfs, Entropy& entropy, const Key32& wrap) : vfs_(vfs), entropy_(entropy), wrap_(wrap.clone()) {}
  Status each_good(const char* step, const std::function<Status(PageTree&)>& action);
  [[nodiscard]] const PageTree* first_good() const;

  Vfs& vfs_;
  Entropy& entropy_;
  Key32 wrap_;
  std::vector<Mirror> mirrors_;
  RowChanges staged_;
  std::uint64_t next_row_ = 0;
};

}  // namespace callward::keys
