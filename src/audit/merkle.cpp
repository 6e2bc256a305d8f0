#include "audit/merkle.hpp"

#include <bit>

#include "base/check.hpp"

namespace callward::audit {
namespace {

constexpr std::uint8_t kLeafPrefix = 0;
constexpr std::uint8_t kNodePrefix = 1;

// The largest power of two below n (n > 1).
std::uint64_t split_of(std::uint64_t n) { return std::bit_floor(n - 1); }

// Hash of leaves [begin, begin + size) where begin is a multiple of the subtree's natural size.
Result<Hash> range_hash(std::uint64_t begin, std::uint64_t size, const NodeSource& nodes) {
  if (std::has_single_bit(size)) {
    const auto level = static_cast<std::uint32_t>(std::countr_zero(size));
    return nodes(level, begin >> level);
  }
  const auto left = split_of(size);
  return node_hash(TRY(range_hash(begin, left, nodes)),
                   TRY(range_hash(begin + left, size - left, nodes)));
}

Status prove_inclusion(std::uint64_t leaf, std::uint64_t begin, std::uint64_t size,
                       const NodeSource& nodes, std::vector<Hash>& out) {
  if (size == 1) return {};
  const auto left = split_of(size);
  if (leaf < left) {
    TRY(prove_inclusion(leaf, begin, left, nodes, out));
    out.push_back(TRY(range_hash(begin + left, size - left, nodes)));
  } else {
    TRY(prove_inclusion(leaf - left, begin + left, size - left, nodes, out));
    out.push_back(TRY(range_hash(begin, left, nodes)));
  }
  return {};
}

Status prove_consistency(std::uint64_t old_size, std::uint64_t begin, std::uint64_t size,
                         bool whole, const NodeSource& nodes, std::vector<Hash>& out) {
  if (old_size == size) {
    if (!whole) out.push_back(TRY(range_hash(begin, size, nodes)));
    return {};
  }
  const auto left = split_of(size);
  if (old_size <= left) {
    TRY(prove_consistency(old_size, begin, left, whole, nodes, out));
    out.push_back(TRY(range_hash(begin + left, size - left, nodes)));
  } else {
    TRY(prove_consistency(old_size - left, begin + left, size - left, false, nodes, out));
    out.push_back(TRY(range_hash(begin, left, nodes)));
  }
  return {};
}

}  // namespace

Hash leaf_hash(ByteView entry) { return crypto::sha256({ByteView(&kLeafPrefix, 1), entry}); }
Hash node_hash(const Hash& left, const Hash& right) {
  return crypto::sha256({ByteView(&kNodePrefix, 1), left, right});
}
Hash empty_root() { return crypto::sha256(ByteView{}); }

Result<CompactRange> CompactRange::restore(std::uint64_t size, std::vector<Hash> roots) {
  if (static_cast<std::size_t>(std::popcount(size)) != roots.size())
    return fail(Errc::kCorrupt, "a tree of this size has another number of subtrees");
  CompactRange range;
  range.size_ = size;
  range.roots_ = std::move(roots);
  return range;
}

void CompactRange::append(const Hash& leaf, const OnNode& on_node) {
  Hash hash = leaf;
  std::uint64_t index = size_;
  std::uint32_t level = 0;
  if (on_node) on_node(level, index, hash);
  // Each trailing one bit of the old size is a full subtree that now gets its right sibling.
  for (; (size_ >> level & 1) != 0; ++level) {
    hash = node_hash(roots_.back(), hash);
    roots_.pop_back();
    index >>= 1;
    if (on_node) on_node(level + 1, index, hash);
  }
  roots_.push_back(hash);
  ++size_;
}

Hash CompactRange::root() const {
  if (roots_.empty()) return empty_root();
  Hash hash = roots_.back();
  for (auto left = roots_.rbegin() + 1; left != roots_.rend(); ++left)
    hash = node_hash(*left, hash);
  return hash;
}

Hash merkle_root(const std::vector<Hash>& leaves) {
  CompactRange range;
  for (const auto& leaf : leaves) range.append(leaf);
  return range.root();
}

Result<std::vector<Hash>> inclusion_proof(std::uint64_t leaf, std::uint64_t size,
                                          const NodeSource& nodes) {
  if (leaf >= size) return fail(Errc::kNotFound, "the tree has no such leaf");
  std::vector<Hash> proof;
  TRY(prove_inclusion(leaf, 0, size, nodes, proof));
  return proof;
}

Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t size,
                                            const NodeSource& nodes) {
  if (old_size > size) return fail(Errc::kNotFound, "the tree was never that large");
  std::vector<Hash> proof;
  if (old_size > 0) TRY(prove_consistency(old_size, 0, size, true, nodes, proof));
  return proof;
}

// RFC 9162, 2.1.3.2.
Status check_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size,
                       const std::vector<Hash>& proof, const Hash& root) {
  const auto wrong = [] {
    return fail(Errc::kCorrupt, "inclusion proof does not lead to the root");
  };
  if (index >= size) return wrong();
  auto fn = index;
  auto sn = size - 1;
  Hash hash = leaf;
  for (const auto& part : proof) {
    if (sn == 0) return wrong();
    if ((fn & 1) != 0 || fn == sn) {
      hash = node_hash(part, hash);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      hash = node_hash(hash, part);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0 || hash != root) return wrong();
  return {};
}

// RFC 9162, 2.1.4.2.
Status check_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t size,
                         const Hash& root, const std::vector<Hash>& proof) {
  const auto wrong = [] {
    return fail(Errc::kCorrupt, "consistency proof does not join the two roots");
  };
  if (old_size > size) return wrong();
  if (old_size == 0) return proof.empty() && old_root == empty_root() ? Status{} : wrong();
  if (old_size == size) return proof.empty() && old_root == root ? Status{} : wrong();
  auto parts = proof;
  if (std::has_single_bit(old_size)) parts.insert(parts.begin(), old_root);
  if (parts.empty()) return wrong();
  auto fn = old_size - 1;
  auto sn = size - 1;
  while ((fn & 1) != 0) {
    fn >>= 1;
    sn >>= 1;
  }
  Hash fr = parts.front();
  Hash sr = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (sn == 0) return wrong();
    if ((fn & 1) != 0 || fn == sn) {
      fr = node_hash(parts[i], fr);
      sr = node_hash(parts[i], sr);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      sr = node_hash(sr, parts[i]);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0 || fr != old_root || sr != root) return wrong();
  return {};
}

}  // namespace callward::audit
