#include "api/keepers_clock.hpp"

#include <gtest/gtest.h>

namespace callward::api {
namespace {

constexpr std::int64_t kHour = 3'600'000;

TEST(KeepersClock, GoesOnAsTheKeeperCountsWhateverTheWallClockSays) {
  ManualClock wall;
  KeepersClock clock(wall);
  EXPECT_EQ(clock.utc_ms(), wall.utc_ms()) << "nobody was asked";
  const auto keepers = wall.utc_ms() - 5 * kHour;  // the machine was suspended so long
  ASSERT_TRUE(clock.told(keepers, wall.monotonic_ms()));
  EXPECT_EQ(clock.utc_ms(), keepers);
  wall.jump_utc_ms(7 * kHour);
  EXPECT_EQ(clock.utc_ms(), keepers);
  wall.advance_ms(9'000);
  EXPECT_EQ(clock.utc_ms(), keepers + 9'000);
  EXPECT_EQ(clock.monotonic_ms(), wall.monotonic_ms());
  EXPECT_EQ(clock.wall_ms(clock.utc_ms() + 4'000), wall.utc_ms() + 4'000);
  EXPECT_EQ(clock.wall_ms(0), 0) << "never";
}

TEST(KeepersClock, IsTheWallClocksOnceTheKeeperSaysNothingAnyMore) {
  ManualClock wall;
  KeepersClock clock(wall);
  ASSERT_TRUE(clock.told(wall.utc_ms() + kHour, wall.monotonic_ms()));
  wall.advance_ms(KeepersClock::kToldForMs - 1);
  EXPECT_EQ(clock.utc_ms(), wall.utc_ms() + kHour);
  wall.advance_ms(1);
  EXPECT_EQ(clock.utc_ms(), wall.utc_ms());
  EXPECT_EQ(clock.wall_ms(7), 7);
}

TEST(KeepersClock, BelievesNoTimeThatIsNoneAndNoAnswerThatTookLong) {
  ManualClock wall;
  KeepersClock clock(wall);
  const auto keepers = wall.utc_ms() + kHour;
  ASSERT_TRUE(clock.told(keepers, wall.monotonic_ms()));
  const auto asked = wall.monotonic_ms();
  for (const auto none : {std::int64_t{0}, std::int64_t{-1}, KeepersClock::kUtcMsMax + 1})
    EXPECT_FALSE(clock.told(none, asked));
  EXPECT_FALSE(clock.told(keepers, asked + 1)) << "answered before it was asked";
  wall.advance_ms(KeepersClock::kAnswerMsMax + 1);
  EXPECT_FALSE(clock.told(keepers, asked));
  EXPECT_EQ(clock.utc_ms(), keepers + KeepersClock::kAnswerMsMax + 1);
  ASSERT_TRUE(clock.told(keepers, wall.monotonic_ms() - 400));
  EXPECT_EQ(clock.utc_ms(), keepers + 200) << "from the middle of the way there and back";
}

}  // namespace
}  // namespace callward::api
