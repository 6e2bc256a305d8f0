// Covers from any bytes, and any sequence of operations on a small tree against a set of leaf
// numbers.
#include <set>

#include "base/check.hpp"
#include "base/entropy.hpp"
#include "keys/tree.hpp"

namespace {

using namespace callward;
using namespace callward::keys;

// What parses is sorted, disjoint and written back byte for byte; each node opens its borders and
// no more.
void read_cover(ByteView raw) {
  const auto cover = Cover::parse(raw);
  if (!cover) return;
  CHECK(equal(cover->serialize().expose(), raw));
  std::uint64_t end = 0, leaves = 0;
  for (const auto& node : cover->nodes()) {
    const auto first = node.first_leaf(kTreeLevels), past = node.end_leaf(kTreeLevels);
    CHECK(first >= end && past > first && past <= 1u << kTreeLevels);
    CHECK(cover->opens(first) && cover->leaf(past - 1).has_value());
    CHECK(first == end || !cover->opens(first - 1));
    end = past;
    leaves += past - first;
  }
  CHECK(cover->leaf_count() == leaves);
  ForwardKeys forward(*cover, 3);
  const auto index = raw.size() > 8 ? load_le<std::uint32_t>(raw.data() + 4) & kIndexMax : 0u;
  const auto key = forward.take(index);
  CHECK(key.has_value() == cover->opens(leaf_of(3, index)));
  CHECK(!forward.take(index).has_value());
  const auto rest = Cover::from_nodes(forward.remaining());
  CHECK(rest.has_value());
  CHECK(rest->slice(0, leaf_of(3, index) + 1).empty());
}

// A tree of 8 levels under puncture, slice and merge, beside the obvious set.
void operate(ByteView script) {
  constexpr std::uint8_t kLevels = 8;
  constexpr std::uint32_t kLeaves = 1u << kLevels;
  auto cover = Cover::whole(Key32(), kLevels);
  const auto whole = Cover::whole(Key32(), kLevels);
  std::set<std::uint32_t> alive;
  for (std::uint32_t leaf = 0; leaf < kLeaves; ++leaf) alive.insert(leaf);
  const std::size_t steps_max = 16;
  for (std::size_t at = 0; at + 3 <= script.size() && at < 3 * steps_max; at += 3) {
    std::uint32_t first = script[at + 1], end = script[at + 2] + 1u;
    if (first > end) std::swap(first, end);
    switch (script[at] % 3) {
      case 0:
        cover.puncture(first, end);
        alive.erase(alive.lower_bound(first), alive.lower_bound(end));
        break;
      case 1:
        cover = cover.slice(first, end);
        alive.erase(alive.begin(), alive.lower_bound(first));
        alive.erase(alive.lower_bound(end), alive.end());
        break;
      case 2: {
        // Merging what is disjoint keeps both; what overlaps is refused and changes nothing.
        const bool disjoint = alive.lower_bound(first) == alive.lower_bound(end);
        CHECK(cover.merge(whole.slice(first, end)).has_value() == disjoint);
        if (disjoint)
          for (auto leaf = first; leaf < end; ++leaf) alive.insert(leaf);
        break;
      }
    }
    CHECK(cover.leaf_count() == alive.size());
  }
  for (std::uint32_t leaf = 0; leaf < kLeaves; ++leaf) {
    const auto key = cover.leaf(leaf);
    CHECK(key.has_value() == alive.contains(leaf));
    if (key) CHECK(equal_constant_time(key->expose(), whole.leaf(leaf)->expose()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView rest(data + 1, size - 1);
  data[0] % 2 == 0 ? read_cover(rest) : operate(rest);
  return 0;
}
