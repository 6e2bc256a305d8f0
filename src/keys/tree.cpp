#include "keys/tree.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "crypto/sha256.hpp"

namespace callward::keys {

void derive_child(Key32& out, const Key32& parent, int bit) {
  std::array<std::uint8_t, 37> message{'C', 'W', 'T', '1', static_cast<std::uint8_t>(bit)};
  std::memcpy(message.data() + 5, parent.expose().data(), 32);
  crypto::sha256_one_block(out.expose_mut(), message);
  wipe(message.data(), message.size());
}

namespace {

TreeNode child_of(const TreeNode& parent, int bit) {
  TreeNode child;
  child.level = static_cast<std::uint8_t>(parent.level + 1);
  child.index = parent.index << 1 | static_cast<std::uint32_t>(bit);
  derive_child(child.key, parent.key, bit);
  return child;
}

}  // namespace

Cover Cover::whole(Key32 root, std::uint8_t levels) {
  Cover cover(levels);
  cover.nodes_.push_back({0, 0, std::move(root)});
  return cover;
}

Result<Cover> Cover::from_nodes(std::vector<TreeNode> nodes, std::uint8_t levels) {
  if (nodes.size() > kNodesMax) return fail(Errc::kTooLarge, "cover has too many nodes");
  std::uint64_t end = 0;
  for (const auto& node : nodes) {
    if (node.level > levels || (static_cast<std::uint64_t>(node.index) >> node.level) != 0)
      return fail(Errc::kMalformed, "cover has a node beyond its tree");
    if (node.first_leaf(levels) < end)
      return fail(Errc::kMalformed, "cover's nodes overlap or are unsorted");
    end = static_cast<std::uint64_t>(node.index + 1ull) << (levels - node.level);
  }
  Cover cover(levels);
  cover.nodes_ = std::move(nodes);
  return cover;
}

const TreeNode* Cover::find(std::uint32_t leaf) const {
  const auto after = std::upper_bound(
      nodes_.begin(), nodes_.end(), leaf,
      [this](std::uint32_t l, const TreeNode& n) { return l < n.first_leaf(levels_); });
  if (after == nodes_.begin()) return nullptr;
  const auto& node = *std::prev(after);
  return leaf < node.end_leaf(levels_) ? &node : nullptr;
}

bool Cover::opens(std::uint32_t leaf) const { return find(leaf) != nullptr; }

Result<Key32> Cover::leaf(std::uint32_t leaf) const {
  const auto* node = find(leaf);
  if (node == nullptr) return fail(Errc::kErased, "no key leads there any more");
  Key32 key = node->key.clone();
  for (int shift = levels_ - node->level - 1; shift >= 0; --shift) {
    Key32 next;
    derive_child(next, key, static_cast<int>(leaf >> shift & 1));
    key = std::move(next);
  }
  return key;
}

// The parts of `node` that lie outside [first, end). Recursion is bounded by the levels.
void Cover::keep_part(TreeNode node, std::uint32_t first, std::uint32_t end,
                      std::vector<TreeNode>& out) const {
  const auto node_first = node.first_leaf(levels_);
  const auto node_end = node.end_leaf(levels_);
  if (node_end <= first || node_first >= end) {
    out.push_back(std::move(node));
    return;
  }
  if (node_first >= first && node_end <= end) return;  // wiped as it goes out of scope
  keep_part(child_of(node, 0), first, end, out);
  keep_part(child_of(node, 1), first, end, out);
}

void Cover::puncture(std::uint32_t first, std::uint32_t end) {
  CHECK(first <= end && end <= 1u << levels_);
  if (first == end) return;
  std::vector<TreeNode> kept;
  kept.reserve(nodes_.size() + 2u * levels_);
  for (auto& node : nodes_) keep_part(std::move(node), first, end, kept);
  nodes_ = std::move(kept);
}

void Cover::keep_only(std::uint32_t first, std::uint32_t end) {
  puncture(0, first);
  puncture(end, 1u << levels_);
}

Cover Cover::slice(std::uint32_t first, std::uint32_t end) const {
  Cover part(levels_);
  for (const auto& node : nodes_)
    if (node.end_leaf(levels_) > first && node.first_leaf(levels_) < end)
      part.nodes_.push_back(node.clone());
  part.keep_only(first, end);
  return part;
}

Status Cover::merge(Cover other) {
  CHECK(levels_ == other.levels_);
  auto all = clone();
  for (auto& node : other.nodes_) all.nodes_.push_back(std::move(node));
  std::sort(all.nodes_.begin(), all.nodes_.end(), [this](const TreeNode& a, const TreeNode& b) {
    return a.first_leaf(levels_) < b.first_leaf(levels_);
  });
  auto checked = from_nodes(std::move(all.nodes_), levels_);
  if (!checked) return fail(Errc::kState, "covers overlap");
  nodes_ = std::move(checked->nodes_);
  return {};
}

Cover Cover::clone() const {
  Cover twin(levels_);
  twin.nodes_.reserve(nodes_.size());
  for (const auto& node : nodes_) twin.nodes_.push_back(node.clone());
  return twin;
}

std::uint64_t Cover::leaf_count() const {
  std::uint64_t count = 0;
  for (const auto& node : nodes_) count += 1ull << (levels_ - node.level);
  return count;
}

SecretBytes Cover::serialize() const {
  SecretBytes out(2 + nodes_.size() * kNodeBytes);
  auto* at = out.expose_mut().data();
  store_le(at, static_cast<std::uint16_t>(nodes_.size()));
  at += 2;
  for (const auto& node : nodes_) {
    *at++ = node.level;
    for (int i = 0; i < 3; ++i) *at++ = static_cast<std::uint8_t>(node.index >> (8 * i));
    std::memcpy(at, node.key.expose().data(), 32);
    at += 32;
  }
  return out;
}

Result<Cover> Cover::parse(ByteView raw, std::uint8_t levels) {
  ByteReader in(raw);
  const auto count = in.u16();
  if (!in.ok() || in.remaining() != count * kNodeBytes)
    return fail(Errc::kMalformed, "cover of a wrong length");
  std::vector<TreeNode> nodes(count);
  for (auto& node : nodes) {
    node.level = in.u8();
    const auto index = in.array<3>();
    node.index = static_cast<std::uint32_t>(index[0] | index[1] << 8 | index[2] << 16);
    std::memcpy(node.key.expose_mut().data(), in.bytes(32).data(), 32);
  }
  return from_nodes(std::move(nodes), levels);
}

ForwardKeys::ForwardKeys(const Cover& cover, std::uint8_t stream) : stream_(stream) {
  auto part = cover.slice(leaf_of(stream, 0), leaf_of(stream, 0) + kIndexMax + 1).take_nodes();
  stack_.reserve(part.size() + kTreeLevels);
  for (auto node = part.rbegin(); node != part.rend(); ++node) stack_.push_back(std::move(*node));
}

Result<Key32> ForwardKeys::take(std::uint32_t index) {
  const auto leaf = leaf_of(stream_, index);
  while (!stack_.empty() && stack_.back().end_leaf(kTreeLevels) <= leaf) stack_.pop_back();
  while (!stack_.empty() && stack_.back().first_leaf(kTreeLevels) <= leaf) {
    const TreeNode node = std::move(stack_.back());
    stack_.pop_back();
    if (node.level == kTreeLevels) return node.key.clone();
    auto right = child_of(node, 1);
    const bool go_left = leaf < right.first_leaf(kTreeLevels);
    stack_.push_back(std::move(right));
    if (go_left) stack_.push_back(child_of(node, 0));
  }
  return fail(Errc::kErased, "this leaf is past, or was never given");
}

std::vector<TreeNode> ForwardKeys::remaining() const {
  std::vector<TreeNode> nodes;
  for (auto node = stack_.rbegin(); node != stack_.rend(); ++node) nodes.push_back(node->clone());
  return nodes;
}

}  // namespace callward::keys
