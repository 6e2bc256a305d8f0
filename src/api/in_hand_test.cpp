#include "api/in_hand.hpp"

#include <gtest/gtest.h>

#include "base/entropy.hpp"

namespace callward::api {
namespace {

struct Hands {
  SeededEntropy entropy{3};
  InHand in_hand;
  PersonId ada = PersonId::random(entropy), ben = PersonId::random(entropy);
  CustomerId carla = CustomerId::random(entropy);
};

TEST(InHand, WhoFoundThemHasThemForAShift) {
  Hands h;
  h.in_hand.note(h.ada, h.carla, 1'000);
  EXPECT_TRUE(h.in_hand.has(h.ada, h.carla, 1'000));
  EXPECT_FALSE(h.in_hand.has(h.ben, h.carla, 1'000));
  EXPECT_FALSE(h.in_hand.has(h.ada, CustomerId::random(h.entropy), 1'000));
  h.in_hand.note(h.ada, h.carla, 5'000);  // once more: as long again, and one place
  EXPECT_TRUE(h.in_hand.has(h.ada, h.carla, 4'999 + InHand::kKeptMs));
  EXPECT_FALSE(h.in_hand.has(h.ada, h.carla, 5'000 + InHand::kKeptMs));
}

TEST(InHand, TheOldestGoes) {
  Hands h;
  h.in_hand.note(h.ada, h.carla, 0);
  for (std::size_t i = 1; i < InHand::kOfPersonMax; ++i)
    h.in_hand.note(h.ada, CustomerId::random(h.entropy), 1);
  EXPECT_TRUE(h.in_hand.has(h.ada, h.carla, 1));
  h.in_hand.note(h.ada, CustomerId::random(h.entropy), 1);
  EXPECT_FALSE(h.in_hand.has(h.ada, h.carla, 1));
  h.in_hand.note(h.ben, h.carla, 2);
  for (std::size_t i = 2; i < InHand::kPeopleMax; ++i)
    h.in_hand.note(PersonId::random(h.entropy), h.carla, 3);
  EXPECT_TRUE(h.in_hand.has(h.ben, h.carla, 3));
  h.in_hand.note(PersonId::random(h.entropy), h.carla, 3);  // Ada was idle longest
  EXPECT_TRUE(h.in_hand.has(h.ben, h.carla, 3));
  h.in_hand.note(PersonId::random(h.entropy), h.carla, 3);
  EXPECT_FALSE(h.in_hand.has(h.ben, h.carla, 3));
}

}  // namespace
}  // namespace callward::api
