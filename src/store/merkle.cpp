#include "store/merkle.hpp"

#include <bit>

#include "base/check.hpp"

namespace callward::store {
namespace {

constexpr std::array<std::uint8_t, 1> kLeafPrefix{0}, kNodePrefix{1};

Digest root_of(const std::vector<Digest>& hashes, std::uint64_t first, std::uint64_t count) {
  MerkleBuilder builder;
  for (std::uint64_t i = 0; i < count; ++i) builder.add_hash(hashes[first + i]);
  return builder.root();
}

}  // namespace

Digest merkle_leaf(ByteView data) { return crypto::sha256({ByteView(kLeafPrefix), data}); }
Digest merkle_node(const Digest& left, const Digest& right) {
  return crypto::sha256({ByteView(kNodePrefix), left, right});
}

void MerkleBuilder::add_hash(const Digest& leaf) {
  stack_.push_back(leaf);
  for (auto done = leaves_; (done & 1) != 0; done >>= 1) {
    const auto right = stack_.back();
    stack_.pop_back();
    stack_.back() = merkle_node(stack_.back(), right);
  }
  ++leaves_;
}

Digest MerkleBuilder::root() const {
  if (stack_.empty()) return crypto::sha256(ByteView{});
  auto root = stack_.back();
  for (auto i = stack_.size() - 1; i > 0; --i) root = merkle_node(stack_[i - 1], root);
  return root;
}

std::vector<Digest> merkle_inclusion(const std::vector<Digest>& hashes, std::uint64_t leaf) {
  CHECK(leaf < hashes.size());
  std::vector<Digest> from_top;
  std::uint64_t first = 0, count = hashes.size();
  while (count > 1) {
    const auto left = std::bit_floor(count - 1);  // the largest power of two below count
    if (leaf - first < left) {
      from_top.push_back(root_of(hashes, first + left, count - left));
      count = left;
    } else {
      from_top.push_back(root_of(hashes, first, left));
      first += left;
      count -= left;
    }
  }
  return {from_top.rbegin(), from_top.rend()};
}

// RFC 9162, 2.1.3.2.
bool merkle_included(const Digest& leaf_hash, std::uint64_t leaf, std::uint64_t leaves,
                     const std::vector<Digest>& proof, const Digest& root) {
  if (leaf >= leaves) return false;
  auto at = leaf, last = leaves - 1;
  auto hash = leaf_hash;
  for (const auto& sibling : proof) {
    if (last == 0) return false;
    if ((at & 1) != 0 || at == last) {
      hash = merkle_node(sibling, hash);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = merkle_node(hash, sibling);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

}  // namespace callward::store
