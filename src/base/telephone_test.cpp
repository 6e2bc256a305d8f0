#include "base/telephone.hpp"

#include <gtest/gtest.h>

namespace callward {
namespace {

TEST(Telephone, SpellingsOfOneAreOne) {
  const struct {
    const char *a, *b;
  } same[] = {
      {"7001", "7001"},
      {"Ann", "aNN"},
      {"70-01", "7001"},
      {"+49 (30) 12-34.5", "+4930123 45"},
      {"+493012345", "493012345"},
      {"+493012345", "00493012345"},
      {"0049 30 12345", "+49-30-12345"},
  };
  for (const auto& [a, b] : same) EXPECT_EQ(telephone_key(a), telephone_key(b)) << a << " " << b;
}

TEST(Telephone, OthersAreOthers) {
  const struct {
    const char *a, *b;
  } others[] = {
      {"7001", "7002"},
      {"7001", "17001"},
      {"0012", "12"},              // an extension, not the USA
      {"00700123", "700123"},      // too short for a country and a number
      {"03012345", "+493012345"},  // of which country?
      {"a.b", "ab"},               // signs of a word are its own
      {"7001a", "70-01a"},
      {"*7001", "7001"},
      {"00ann123456", "ann123456"},
  };
  for (const auto& [a, b] : others) EXPECT_NE(telephone_key(a), telephone_key(b)) << a << " " << b;
}

TEST(Telephone, NoDigitAndNoLetterIsNone) {
  for (const auto* none : {"", "+", "- ()", ".."}) {
    EXPECT_EQ(plain_telephone(none), "") << none;
    EXPECT_EQ(telephone_key(none), "") << none;
  }
}

// Whoever configures "0049*" means what begins so as it is written.
TEST(Telephone, PlainKeepsThePrefixThatIsDialled) {
  EXPECT_EQ(plain_telephone("0049 30 123456"), "004930123456");
}

}  // namespace
}  // namespace callward
