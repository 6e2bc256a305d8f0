// What waits for its second half: bounds, times, and one taker.
#include "api/shelf.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

namespace callward::api {
namespace {

TEST(Shelf, AnOwnersOldestGoesAndAFullOneTakesNoMore) {
  Shelf<int> shelf({.all = 5, .of_owner = 2, .keep_ms = 100});
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(shelf.put("a" + std::to_string(i), "ada", i, 10 + i));
  EXPECT_EQ(shelf.size(), 2u);
  EXPECT_FALSE(shelf.look("a1", 20));
  EXPECT_EQ(*shelf.look("a2", 20), 2);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(shelf.put("b" + std::to_string(i), std::to_string(i), i, 20));
  EXPECT_EQ(shelf.put("c", "carl", 1, 20).error().code, Errc::kBusy);
  EXPECT_TRUE(shelf.put("a9", "ada", 9, 20)) << "in place of one's own there is room";
  EXPECT_TRUE(shelf.put("c", "carl", 1, 113)) << "and what is over makes some";
}

TEST(Shelf, NothingIsThereAfterItsTimeWhateverWasDoneMeanwhile) {
  Shelf<int> shelf({.all = 5, .of_owner = 5, .keep_ms = 100});
  ASSERT_TRUE(shelf.put("a", "ada", 1, 0));
  EXPECT_TRUE(shelf.replace("a", 2, 99));
  EXPECT_EQ(*shelf.look("a", 99), 2);
  EXPECT_FALSE(shelf.look("a", 100));
  EXPECT_FALSE(shelf.replace("a", 3, 100));
  EXPECT_FALSE(shelf.take("a", 100));
  EXPECT_TRUE(shelf.all(100).empty());
  EXPECT_FALSE(shelf.replace("never", 1, 0));
}

TEST(Shelf, OneTakesIt) {
  Shelf<int> shelf({.all = 1, .of_owner = 1, .keep_ms = 100});
  for (int round = 0; round < 200; ++round) {
    ASSERT_TRUE(shelf.put("a", "ada", round, 0));
    std::atomic<int> taken{0};
    const auto take = [&] { taken += shelf.take("a", 1) ? 1 : 0; };
    std::thread other(take);
    take();
    other.join();
    ASSERT_EQ(taken, 1);
  }
}

}  // namespace
}  // namespace callward::api
