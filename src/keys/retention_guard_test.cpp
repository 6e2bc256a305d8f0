#include "keys/retention_guard.hpp"

#include <gtest/gtest.h>

namespace callward::keys {
namespace {

constexpr std::int64_t kHour = 3'600'000, kNow = 1'700'000'000'000;

RetentionGuard running() {
  RetentionGuard guard(RetentionState::since(kNow), 100);
  EXPECT_FALSE(guard.observe(kNow, 1'000));
  guard.spend(60);
  EXPECT_EQ(guard.may_erase(0), 40);
  return guard;
}

TEST(RetentionGuard, AWordOfThePastIsForItsNumberAndItsStop) {
  auto guard = running();
  guard.stop(RetentionStop::kVolume, 500);
  guard.confirm_again(500, kNow, "");
  EXPECT_TRUE(guard.stopped()) << "said before it stopped";
  guard.confirm_again(500, kNow, "volume");
  EXPECT_FALSE(guard.stopped());
  EXPECT_EQ(guard.may_erase(0), 540);
  EXPECT_EQ(guard.now(), kNow);
}

TEST(RetentionGuard, AWordOfThePastMovesNoClockThatWasLookedAt) {
  auto guard = running();
  const auto ahead = kNow + 1'000 * kHour;
  EXPECT_TRUE(guard.observe(ahead, 2'000));
  for (const auto* stop : {"", "volume", "clock_ahead"}) {
    guard.confirm_again(500, kNow, stop);
    EXPECT_EQ(to_text(guard.state().stop), "clock_ahead");
    EXPECT_LT(guard.now(), kNow + kHour);
  }
  guard.confirm(500);  // a new one: that clock is right
  EXPECT_FALSE(guard.stopped());
  EXPECT_EQ(guard.now(), ahead);
}

TEST(RetentionGuard, AWordReadAtAStartGoesOnFromWhenItWasSaid) {
  auto state = running().state();
  RetentionGuard next(state, 100);
  next.confirm_again(500, kNow + kHour, "");
  EXPECT_TRUE(next.observe(kNow + 3 * kHour, 5)) << "two hours that nobody counted";
  RetentionGuard soon(state, 100);
  soon.confirm_again(500, kNow + kHour, "");
  EXPECT_FALSE(soon.observe(kNow + kHour + 1'000, 5));
  EXPECT_EQ(soon.may_erase(0), 540) << "the day has spent what it has spent";
}

}  // namespace
}  // namespace callward::keys
