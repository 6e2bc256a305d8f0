#include "app/pulse.hpp"

#include <gtest/gtest.h>

namespace callward::app {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Pulse, IsReadyOnlyWhileBeatsThatSaySoAreYoungerThanFiveSeconds) {
  Pulse pulse;
  pulse.reset(100 * kSecond);
  EXPECT_FALSE(pulse.ready(100 * kSecond));
  pulse.beat(101 * kSecond, true);
  EXPECT_TRUE(pulse.ready(105 * kSecond));
  EXPECT_FALSE(pulse.ready(106 * kSecond)) << "ready once is not ready for ever";
  pulse.beat(107 * kSecond, false);
  EXPECT_FALSE(pulse.ready(107 * kSecond)) << "it lives, and does not do its work";
  pulse.beat(108 * kSecond, true);
  EXPECT_TRUE(pulse.ready(108 * kSecond));
  pulse.reset(108 * kSecond);
  EXPECT_FALSE(pulse.ready(108 * kSecond)) << "what the dead one said is not the new one's word";
}

TEST(Pulse, HangsAfterThirtySecondsOfSilenceUnlessWeSlept) {
  Pulse pulse;
  pulse.beat(0, true);
  EXPECT_FALSE(pulse.silent(30 * kSecond - 1));
  EXPECT_TRUE(pulse.silent(30 * kSecond));
  pulse.excuse(30 * kSecond);
  EXPECT_FALSE(pulse.silent(59 * kSecond));
  pulse.beat(60 * kSecond, false);
  EXPECT_FALSE(pulse.silent(89 * kSecond)) << "not ready is not silent: a locked keeper beats";
}

}  // namespace
}  // namespace callward::app
