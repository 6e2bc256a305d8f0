// What every anchor must keep to, as a typed test suite: an engine instantiates it with a fixture
// that has
//   std::unique_ptr<Anchor> open();            the same anchor again, as after a restart
//   std::unique_ptr<Anchor> open_foreign();    the same place under another credential; null:
//   cannot be had bool holds(ByteView bytes);                whether the anchor's place still holds
//   these bytes
#pragma once

#include <gtest/gtest.h>

#include "keys/anchor.hpp"

namespace callward::keys {

template <class Place>
class AnchorContract : public ::testing::Test {
 protected:
  static bool same(const Key32& a, const Key32& b) {
    return equal_constant_time(a.expose(), b.expose());
  }
  Place place;
  SeededEntropy seeded{11};
};
TYPED_TEST_SUITE_P(AnchorContract);

TYPED_TEST_P(AnchorContract, KeepsKeysAcrossRestarts) {
  const auto one = this->seeded.key();
  const auto two = this->seeded.key();
  ASSERT_TRUE(this->place.open()->put(7, one));
  ASSERT_TRUE(this->place.open()->put(8, two));
  auto anchor = this->place.open();
  EXPECT_EQ(*anchor->epochs(), (std::vector<std::uint64_t>{7, 8}));
  EXPECT_TRUE(this->same(*anchor->get(7), one));
  EXPECT_TRUE(this->same(*anchor->get(8), two));
  EXPECT_EQ(anchor->get(9).error().code, Errc::kNotFound);
  EXPECT_EQ(anchor->put(8, one).error().code, Errc::kExists);
  EXPECT_TRUE(this->same(*anchor->get(8), two));
  EXPECT_TRUE(anchor->check()->empty());
  EXPECT_FALSE(anchor->assurance().empty());
}

TYPED_TEST_P(AnchorContract, WhatIsDestroyedIsGone) {
  auto anchor = this->place.open();
  const auto stays = this->seeded.key();
  ASSERT_TRUE(anchor->put(1, this->seeded.key()));
  ASSERT_TRUE(anchor->put(2, stays));
  ASSERT_TRUE(anchor->destroy(1));
  EXPECT_EQ(anchor->get(1).error().code, Errc::kNotFound);
  EXPECT_EQ(anchor->destroy(1).error().code, Errc::kNotFound);
  EXPECT_EQ(*this->place.open()->epochs(), std::vector<std::uint64_t>{2});
  EXPECT_TRUE(this->same(*this->place.open()->get(2), stays));
  ASSERT_TRUE(anchor->put(1, stays)) << "the place of a destroyed key can be used again";
}

TYPED_TEST_P(AnchorContract, DestroyOthersKeepsOne) {
  auto anchor = this->place.open();
  ASSERT_TRUE(anchor->put(4, this->seeded.key()));
  ASSERT_TRUE(anchor->put(5, this->seeded.key()));
  ASSERT_TRUE(anchor->destroy_others(5));
  EXPECT_EQ(*anchor->epochs(), std::vector<std::uint64_t>{5});
  ASSERT_TRUE(anchor->destroy_others(5)) << "nothing to do is no error";
  ASSERT_TRUE(anchor->destroy_all());
  EXPECT_TRUE(anchor->epochs()->empty());
  ASSERT_TRUE(anchor->destroy_all());
}

// A hundred epochs one after the other, as a store lives; no key is ever found in the place as it
// is, nor after its epoch was destroyed.
TYPED_TEST_P(AnchorContract, ManyEpochs) {
  auto anchor = this->place.open();
  ASSERT_TRUE(anchor->put(1, this->seeded.key()));
  for (std::uint64_t epoch = 2; epoch < 100; ++epoch) {
    const auto key = this->seeded.key();
    ASSERT_TRUE(anchor->put(epoch, key));
    EXPECT_FALSE(this->place.holds(key.expose())) << "never in the clear";
    ASSERT_TRUE(anchor->destroy(epoch - 1));
    if (epoch % 10 == 0) anchor = this->place.open();
    EXPECT_EQ(*anchor->epochs(), std::vector<std::uint64_t>{epoch});
    EXPECT_TRUE(this->same(*anchor->get(epoch), key));
  }
}

TYPED_TEST_P(AnchorContract, AnotherCredentialNeitherReadsNorDestroys) {
  const auto key = this->seeded.key();
  ASSERT_TRUE(this->place.open()->put(3, key));
  auto foreign = this->place.open_foreign();
  if (!foreign) GTEST_SKIP() << "this anchor has one credential only";
  EXPECT_EQ(foreign->get(3).error().code, Errc::kCorrupt);
  EXPECT_EQ(foreign->destroy_all().error().code, Errc::kDenied);
  EXPECT_TRUE(this->same(*this->place.open()->get(3), key));
}

REGISTER_TYPED_TEST_SUITE_P(AnchorContract, KeepsKeysAcrossRestarts, WhatIsDestroyedIsGone,
                            DestroyOthersKeepsOne, ManyEpochs,
                            AnotherCredentialNeitherReadsNorDestroys);

}  // namespace callward::keys
