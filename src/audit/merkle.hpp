// RFC 6962 Merkle tree hashes, and their proofs (RFC 9162, 2.1).
//
//   leaf hash = SHA-256(0x00 || entry)      node hash = SHA-256(0x01 || left || right)
#pragma once

#include <functional>
#include <vector>

#include "base/bytes.hpp"
#include "crypto/sha256.hpp"

namespace callward::audit {

using Hash = crypto::Digest;

Hash leaf_hash(ByteView entry);
Hash node_hash(const Hash& left, const Hash& right);
Hash empty_root();  // SHA-256 of nothing

// The right edge of a growing tree: the roots of its full subtrees, largest first.
class CompactRange {
 public:
  // Roots of the full subtrees of a tree of `size`, largest first (as many as `size` has bits set).
  static Result<CompactRange> restore(std::uint64_t size, std::vector<Hash> roots);
  // `on_node(level, index, hash)` hears of each node that becomes complete, the leaf first.
  using OnNode = std::function<void(std::uint32_t level, std::uint64_t index, const Hash& hash)>;
  void append(const Hash& leaf, const OnNode& on_node = {});
  [[nodiscard]] Hash root() const;
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash> roots_;
};

Hash merkle_root(const std::vector<Hash>& leaves);

// Hash of the complete subtree `index` of 2^level leaves.
using NodeSource = std::function<Result<Hash>(std::uint32_t level, std::uint64_t index)>;
Result<std::vector<Hash>> inclusion_proof(std::uint64_t leaf, std::uint64_t size,
                                          const NodeSource& nodes);
Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t size,
                                            const NodeSource& nodes);
// kCorrupt when the proof does not lead to the root.
Status check_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size,
                       const std::vector<Hash>& proof, const Hash& root);
Status check_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t size,
                         const Hash& root, const std::vector<Hash>& proof);

}  // namespace callward::audit
