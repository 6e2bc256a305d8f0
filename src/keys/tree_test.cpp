#include "keys/tree.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "base/entropy.hpp"
#include "crypto/sha256.hpp"

namespace callward::keys {
namespace {

// The slow, obvious way: from the root down, by general-purpose hashing.
crypto::Digest reference_leaf(const Key32& root, std::uint32_t leaf, std::uint8_t levels) {
  crypto::Digest key{};
  std::memcpy(key.data(), root.expose().data(), 32);
  for (int shift = levels - 1; shift >= 0; --shift) {
    const auto bit = static_cast<std::uint8_t>(leaf >> shift & 1);
    key = crypto::sha256({as_bytes("CWT1"), ByteView(&bit, 1), key});
  }
  return key;
}

bool same(const Key32& key, const crypto::Digest& other) {
  return equal_constant_time(key.expose(), other);
}

TEST(Tree, LeavesAreAsTheFormatSays) {
  SeededEntropy entropy(1);
  const auto root = entropy.key();
  const auto cover = Cover::whole(root.clone());
  for (const auto leaf : {0u, 1u, leaf_of(1, 7), leaf_of(15, kIndexMax), leaf_of(3, 123'456)})
    EXPECT_TRUE(same(*cover.leaf(leaf), reference_leaf(root, leaf, kTreeLevels))) << leaf;
  for (std::uint8_t stream = 0; stream < kCallDataStream; ++stream)  // the end of a whole stream
    EXPECT_EQ(leaf_of(stream, kIndexMax + 1), leaf_of(static_cast<std::uint8_t>(stream + 1), 0));
}

// Anywhere in the range from the first case on; rapidcheck alone begins near its lower end.
template <class T>
rc::Gen<T> anywhere(T first, T end) {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(first, end));
}

// Puncturing against brute force: a set of leaf numbers says what must still open. Four in five
// trees are deep, so that a run compares a million leaves.
TEST(Tree, PunctureAgainstBruteForce) {
  std::uint64_t leaves_checked = 0;
  const bool held = rc::check(
      "puncture, slice, merge and serialisation keep exactly the leaves they should", [&] {
        const auto levels = static_cast<std::uint8_t>(
            *rc::gen::weightedOneOf<int>({{1, anywhere(1, 14)}, {4, rc::gen::just(14)}}));
        const auto size = 1u << levels;
        SeededEntropy entropy(*rc::gen::arbitrary<std::uint64_t>());
        const auto root = entropy.key();
        auto cover = Cover::whole(root.clone(), levels);
        std::vector<bool> alive(size, true);
        const auto rounds = *anywhere(0, 8);
        for (int i = 0; i < rounds; ++i) {
          const auto a = *anywhere(0u, size + 1);
          const auto b = *anywhere(0u, size + 1);
          cover.puncture(std::min(a, b), std::max(a, b));
          for (auto leaf = std::min(a, b); leaf < std::max(a, b); ++leaf) alive[leaf] = false;
        }
        const auto cut = *anywhere(0u, size + 1);
        auto left = cover.slice(0, cut);
        auto right = cover.slice(cut, size);
        auto again = *Cover::parse(cover.serialize().expose(), levels);
        std::uint64_t count = 0;
        for (std::uint32_t leaf = 0; leaf < size; ++leaf, ++leaves_checked) {
          const auto key = cover.leaf(leaf);
          RC_ASSERT(key.has_value() == alive[leaf]);
          RC_ASSERT(again.opens(leaf) == alive[leaf]);
          RC_ASSERT(left.opens(leaf) == (alive[leaf] && leaf < cut));
          RC_ASSERT(right.opens(leaf) == (alive[leaf] && leaf >= cut));
          if (key) RC_ASSERT(same(*key, reference_leaf(root, leaf, levels)));
          count += alive[leaf];
        }
        RC_ASSERT(cover.leaf_count() == count);
        RC_ASSERT(left.merge(std::move(right)).has_value());
        RC_ASSERT(left.leaf_count() == count);
      });
  EXPECT_TRUE(held);
  EXPECT_GE(leaves_checked, 1'000'000u);
  std::printf("leaves compared: %llu\n", static_cast<unsigned long long>(leaves_checked));
}

TEST(Tree, AMillionLeavesOfARealTree) {
  SeededEntropy entropy(7);
  const auto root = entropy.key();
  auto cover = Cover::whole(root.clone());
  std::vector<std::pair<std::uint32_t, std::uint32_t>> holes;
  for (int i = 0; i < 60; ++i) {
    const auto at = load_le<std::uint32_t>(entropy.array<4>().data()) % (1u << 20);
    const auto length = 1 + load_le<std::uint32_t>(entropy.array<4>().data()) % 300;
    holes.emplace_back(leaf_of(1, at), std::min(leaf_of(1, at) + length, leaf_of(2, 0)));
    cover.puncture(holes.back().first, holes.back().second);
  }
  std::vector<bool> alive(1u << 20, true);
  for (const auto& [first, end] : holes)
    for (auto leaf = first; leaf < end; ++leaf) alive[leaf - leaf_of(1, 0)] = false;
  for (std::uint32_t index = 0; index <= kIndexMax; ++index)
    ASSERT_EQ(cover.opens(leaf_of(1, index)), alive[index]) << index;
  EXPECT_TRUE(cover.opens(leaf_of(0, 5)));
  EXPECT_LE(cover.nodes().size(), 60u * 2 * kTreeLevels);
}

TEST(Tree, MalformedCoversAreRefused) {
  SeededEntropy entropy(2);
  const auto node = [&](std::uint8_t level, std::uint32_t index) {
    return TreeNode{level, index, entropy.key()};
  };
  const auto refused = [&](auto... nodes) {
    std::vector<TreeNode> all;
    (all.push_back(std::move(nodes)), ...);
    return !Cover::from_nodes(std::move(all)).has_value();
  };
  EXPECT_TRUE(refused(node(25, 0)));
  EXPECT_TRUE(refused(node(3, 8)));
  EXPECT_TRUE(refused(node(1, 1), node(1, 0)));
  EXPECT_TRUE(refused(node(1, 0), node(2, 1)));
  EXPECT_FALSE(refused(node(1, 0), node(2, 2)));
  EXPECT_FALSE(Cover::parse(Bytes{1, 0, 3}).has_value());
  EXPECT_FALSE(Cover::parse(Bytes{}).has_value());
}

TEST(ForwardKeys, YieldEachLeafOnceAndNeverGoBack) {
  SeededEntropy entropy(3);
  const auto root = entropy.key();
  const auto cover = Cover::whole(root.clone());
  auto forward = ForwardKeys(cover.slice(leaf_of(0, 0), leaf_of(15, 0)), 2);
  for (std::uint32_t index = 0; index < 300; index += 1 + index % 3) {
    const auto key = forward.take(index);
    ASSERT_TRUE(key);
    EXPECT_TRUE(same(*key, reference_leaf(root, leaf_of(2, index), kTreeLevels)));
    EXPECT_EQ(forward.take(index).error().code, Errc::kErased);
    if (index > 0) {
      EXPECT_EQ(forward.take(index - 1).error().code, Errc::kErased);
    }
  }
  // What remains opens later leaves only.
  const auto rest = *Cover::from_nodes(forward.remaining());
  EXPECT_FALSE(rest.opens(leaf_of(2, 100)));
  EXPECT_TRUE(rest.opens(leaf_of(2, 1'000)));
  EXPECT_FALSE(rest.opens(leaf_of(3, 1'000)));
  EXPECT_LE(rest.nodes().size(), 20u);
}

TEST(ForwardKeys, CallStartNeedsFourNodes) {
  SeededEntropy entropy(4);
  const auto cover = Cover::whole(entropy.key());
  EXPECT_EQ(cover.slice(leaf_of(0, 0), leaf_of(15, 0)).nodes().size(), 4u);
}

}  // namespace
}  // namespace callward::keys
