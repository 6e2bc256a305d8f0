// The key tree of a call or a customer: a puncturable pseudo-random function (Goldreich,
// Goldwasser, Micali 1986) of 24 levels. A leaf is named by 4 bits of stream and 20 bits of index;
// every node is 32 bytes, and
//
//   child(key, bit) = SHA-256("CWT1" || bit || key)          bit is one byte, 0 or 1
//
// so that a node opens exactly the leaves beneath it, and nothing above or beside it.
//
// A *cover* is a set of nodes, disjoint and sorted, from which exactly the openable leaves follow.
// To
// *puncture* a range replaces each node that contains some of it by the siblings along its borders.
// The reverse does not exist.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace callward::keys {

inline constexpr std::uint8_t kTreeLevels = 24;
inline constexpr std::uint32_t kIndexBits = 20;
inline constexpr std::uint32_t kIndexMax = (1u << kIndexBits) - 1;  // 29 hours of segments
inline constexpr std::uint8_t kStreamsMax = 16;
inline constexpr std::uint8_t kCallDataStream = 15;

// Position of a leaf among the 2^24. An index behind the last is the next stream's first: the end
// of a range.
constexpr std::uint32_t leaf_of(std::uint8_t stream, std::uint32_t index) {
  return (static_cast<std::uint32_t>(stream) << kIndexBits) + index;
}

// A node that opens the leaves beneath it: `level` bits of path from the root (0 is the root),
// `index` those bits, right-aligned.
struct TreeNode {
  std::uint8_t level = 0;
  std::uint32_t index = 0;
  Key32 key;
  template <class V>
  void visit(V& v) {
    v(level, index, key);
  }
  [[nodiscard]] TreeNode clone() const { return {level, index, key.clone()}; }
  // First leaf beneath it, and one past the last, in a tree of `levels`.
  [[nodiscard]] std::uint32_t first_leaf(std::uint8_t levels) const {
    return index << (levels - level);
  }
  [[nodiscard]] std::uint32_t end_leaf(std::uint8_t levels) const {
    return (index + 1) << (levels - level);
  }
};

void derive_child(Key32& out, const Key32& parent, int bit);

class Cover {
 public:
  Cover() = default;
  explicit Cover(std::uint8_t levels) : levels_(levels) {}
  // Everything beneath a root.
  static Cover whole(Key32 root, std::uint8_t levels = kTreeLevels);
  // Nodes as they came from elsewhere. kMalformed: unsorted, overlapping, or beyond the tree.
  static Result<Cover> from_nodes(std::vector<TreeNode> nodes, std::uint8_t levels = kTreeLevels);

  [[nodiscard]] bool opens(std::uint32_t leaf) const;
  // kErased when no node of the cover leads to it.
  [[nodiscard]] Result<Key32> leaf(std::uint32_t leaf) const;

  // Gives up [first, end): the nodes that led there are wiped.
  void puncture(std::uint32_t first, std::uint32_t end);
  // Gives up everything but [first, end).
  void keep_only(std::uint32_t first, std::uint32_t end);
  // A copy that opens what this opens within [first, end), and nothing else.
  [[nodiscard]] Cover slice(std::uint32_t first, std::uint32_t end) const;
  // Takes over the nodes of a disjoint cover. kState when they overlap.
  Status merge(Cover other);
  [[nodiscard]] Cover clone() const;

  [[nodiscard]] const std::vector<TreeNode>& nodes() const { return nodes_; }
  std::vector<TreeNode> take_nodes() { return std::move(nodes_); }
  [[nodiscard]] std::uint8_t levels() const { return levels_; }
  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  // How many leaves it opens.
  [[nodiscard]] std::uint64_t leaf_count() const;

  // u16 count, then for each node: level u8, index u24, key[32]; little-endian.
  [[nodiscard]] SecretBytes serialize() const;
  static Result<Cover> parse(ByteView raw, std::uint8_t levels = kTreeLevels);
  static constexpr std::size_t kNodeBytes = 36;
  static constexpr std::size_t kNodesMax = 65'535;

 private:
  void keep_part(TreeNode node, std::uint32_t first, std::uint32_t end,
                 std::vector<TreeNode>& out) const;
  [[nodiscard]] const TreeNode* find(std::uint32_t leaf) const;

  std::uint8_t levels_ = kTreeLevels;
  std::vector<TreeNode> nodes_;  // by first leaf
};

// The writer's end of one stream: yields each leaf once, in order, and forgets it and everything
// before. About two derivations a segment.
class ForwardKeys {
 public:
  ForwardKeys() = default;
  // Nodes that open leaves of `stream`; others are dropped.
  ForwardKeys(const Cover& cover, std::uint8_t stream);
  // The leaf of `index`; afterwards only later ones can be had. kErased for one that is past or was
  // not given.
  Result<Key32> take(std::uint32_t index);
  // What could still be derived: to be frozen when the keeper dies.
  [[nodiscard]] std::vector<TreeNode> remaining() const;
  [[nodiscard]] bool empty() const { return stack_.empty(); }

 private:
  std::uint8_t stream_ = 0;
  std::vector<TreeNode> stack_;  // the nearest leaf's node at the back
};

}  // namespace callward::keys
