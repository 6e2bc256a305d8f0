#include "keys/free_space.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace callward::keys {
namespace {

TEST(FreeSpace, TakesTheSmallestHoleThatFits) {
  FreeSpace space(8'192);
  const auto a = space.take(640);
  const auto b = space.take(100);
  const auto c = space.take(128);
  const auto d = space.take(1);
  EXPECT_EQ(a, 8'192u);
  EXPECT_EQ(b, a + 640);
  EXPECT_EQ(c, b + 128);
  EXPECT_EQ(d, c + 128);
  EXPECT_EQ(space.end(), d + 64);
  space.give(a, 640);
  space.give(c, 128);
  EXPECT_EQ(space.free_bytes(), 768u);
  EXPECT_EQ(space.take(128), c);
  EXPECT_EQ(space.take(128), a);
  space.give(c, 128);
  space.give(b, 100);
  EXPECT_EQ(space.holes(), 1u) << "neighbours are joined";
  space.give(d, 1);
  EXPECT_EQ(space.end(), a + 128) << "a hole at the end moves the end back";
  EXPECT_EQ(space.free_bytes(), 0u);
}

// Against a map of every 64-byte cell.
RC_GTEST_PROP(FreeSpace, NeverGivesTheSameByteTwice, ()) {
  FreeSpace space(0);
  std::vector<bool> used;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> held;
  const auto steps = *rc::gen::inRange(1, 200);
  for (int i = 0; i < steps; ++i) {
    if (held.empty() || *rc::gen::inRange(0, 5) < 3) {
      const auto bytes = *rc::gen::inRange<std::uint64_t>(1, 900);
      const auto offset = space.take(bytes);
      const auto cells = FreeSpace::rounded(bytes) / 64;
      if (used.size() < offset / 64 + cells) used.resize(offset / 64 + cells);
      for (std::uint64_t cell = offset / 64; cell < offset / 64 + cells; ++cell) {
        RC_ASSERT(!used[cell]);
        used[cell] = true;
      }
      held.emplace_back(offset, bytes);
    } else {
      const auto at = *rc::gen::inRange<std::size_t>(0, held.size());
      const auto [offset, bytes] = held[at];
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
      for (std::uint64_t cell = offset / 64; cell < offset / 64 + FreeSpace::rounded(bytes) / 64;
           ++cell)
        used[cell] = false;
      space.give(offset, bytes);
    }
    std::uint64_t in_use = 0;
    for (const auto& [offset, bytes] : held) in_use += FreeSpace::rounded(bytes);
    RC_ASSERT(in_use + space.free_bytes() == space.end());
  }
}

}  // namespace
}  // namespace callward::keys
