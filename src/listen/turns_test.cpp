#include "listen/turns.hpp"

#include <gtest/gtest.h>

namespace callward::listen {
namespace {

// Probabilities of so many milliseconds, rounded to windows.
void add(std::vector<std::uint8_t>& to, std::uint32_t ms, std::uint8_t value) {
  to.insert(to.end(), ms / kVadWindowMs, value);
}

TEST(Turns, FromOnsetToEndWithMargins) {
  std::vector<std::uint8_t> p;
  add(p, 960, 0);
  add(p, 1'600, 240);
  add(p, 960, 0);
  TurnFinder finder;
  const auto turns = finder.push(p);
  ASSERT_EQ(turns.size(), 1u);
  EXPECT_EQ(turns[0].start_ms, 860u);
  EXPECT_EQ(turns[0].end_ms, 2'560u + 160u);
  EXPECT_FALSE(finder.in_turn());
}

TEST(Turns, AShortPauseDoesNotEndOneAndABurstIsNone) {
  std::vector<std::uint8_t> p;
  add(p, 640, 240);
  add(p, 320, 0);  // shorter than a pause
  add(p, 640, 240);
  add(p, 960, 0);
  add(p, 32, 240);  // a click
  add(p, 960, 0);
  TurnFinder finder;
  const auto turns = finder.push(p);
  ASSERT_EQ(turns.size(), 1u);
  EXPECT_EQ(turns[0].end_ms, 1'600u + 160u);
}

TEST(Turns, ALongOneIsCutAtItsQuietestPlaceWithoutAGap) {
  std::vector<std::uint8_t> p;
  add(p, 9'600, 230);
  add(p, 64, 90);  // the quietest, but no pause
  add(p, 9'600, 230);
  add(p, 640, 0);
  TurnFinder finder;
  const auto turns = finder.push(p);
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_TRUE(turns[0].cut);
  EXPECT_NEAR(turns[0].end_ms, 9'600, kVadWindowMs);
  EXPECT_EQ(turns[1].start_ms, turns[0].end_ms);
}

// Whatever the probabilities are: turns follow each other, none is over the limit by more than a
// window, none begins before what was settled, and speech is inside one.
TEST(Turns, HoldForAnyProbabilities) {
  std::uint32_t seed = 7;
  const auto random = [&seed] { return seed = seed * 1'664'525 + 1'013'904'223, seed >> 8; };
  for (int round = 0; round < 300; ++round) {
    TurnFinder finder;
    std::uint32_t last_end = 0, settled = 0, now = 0;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> turns;
    const auto check = [&](const Turn& turn) {
      EXPECT_LE(turn.start_ms, turn.end_ms);
      EXPECT_GE(turn.start_ms, last_end);
      EXPECT_GE(turn.start_ms, settled) << "a turn began where nothing was to begin any more";
      EXPECT_LE(turn.end_ms - turn.start_ms, 14'000u + 160u + kVadWindowMs);
      last_end = turn.end_ms;
      turns.emplace_back(turn.start_ms, turn.end_ms);
    };
    std::uint8_t level = 0;
    for (int step = 0; step < 60; ++step) {
      std::vector<std::uint8_t> p(random() % 40);
      for (auto& value : p) {
        if (random() % 12 == 0) level = static_cast<std::uint8_t>(random());
        value = level;
      }
      const auto before = finder.settled_ms();
      EXPECT_GE(before, settled);
      settled = before;
      for (const auto& turn : finder.push(p)) check(turn);
      now += static_cast<std::uint32_t>(p.size()) * kVadWindowMs;
      EXPECT_EQ(finder.heard_ms(), now);
    }
    if (const auto turn = finder.finish()) check(*turn);
  }
}

TEST(Turns, SkippingEndsWhatIsOpen) {
  std::vector<std::uint8_t> p;
  add(p, 640, 240);
  TurnFinder finder;
  EXPECT_TRUE(finder.push(p).empty());
  const auto turn = finder.skip_to(60'000);
  ASSERT_TRUE(turn);
  EXPECT_LE(turn->end_ms, 640u);
  EXPECT_EQ(finder.heard_ms(), 60'000u);
}

}  // namespace
}  // namespace callward::listen
