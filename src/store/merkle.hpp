// The Merkle tree of RFC 6962 (2.1) over an object's leaves: leaf hash SHA-256(0 ‖ data), node
// SHA-256(1 ‖ left ‖ right).
#pragma once

#include <cstdint>
#include <vector>

#include "crypto/sha256.hpp"

namespace callward::store {

using crypto::Digest;

Digest merkle_leaf(ByteView data);
Digest merkle_node(const Digest& left, const Digest& right);

// The root of leaves that come one by one; memory grows with the logarithm of their count.
class MerkleBuilder {
 public:
  void add(ByteView data) { add_hash(merkle_leaf(data)); }
  void add_hash(const Digest& leaf);
  [[nodiscard]] std::uint64_t leaves() const { return leaves_; }
  [[nodiscard]] Digest root() const;  // of no leaves: SHA-256 of nothing

 private:
  std::vector<Digest> stack_;  // roots of the perfect subtrees, largest first
  std::uint64_t leaves_ = 0;
};

// RFC 6962, 2.1.1: the siblings from the leaf up. `hashes` are all leaf hashes; CHECKs leaf <
// count.
std::vector<Digest> merkle_inclusion(const std::vector<Digest>& hashes, std::uint64_t leaf);
bool merkle_included(const Digest& leaf_hash, std::uint64_t leaf, std::uint64_t leaves,
                     const std::vector<Digest>& proof, const Digest& root);

}  // namespace callward::store
