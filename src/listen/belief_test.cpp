#include "listen/belief.hpp"

#include "listen/grammar_files_test.hpp"

namespace callward::listen {
namespace {

using test::words_of;

TEST(Belief, TextIsWhatRfc3629Allows) {
  for (const auto* good : {"", "plain", "f\xC3\xBCnf", "\xE2\x82\xAC", "\xED\x9F\xBF",
                           "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const auto* bad : {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\xAF", "\xED\xA0\x80", "\xE2\x82",
                          "\xF0\x80\x80\xAF", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "a\xFF"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
  EXPECT_FALSE(is_utf8(std::string_view("a\0b", 3)));
}

TEST(Belief, SlowDigitsAreEnoughWordsAndAPoliteWordIsNot) {
  EXPECT_FALSE(says_too_little(words_of("four seven one"), 4'000));
  EXPECT_FALSE(says_too_little(words_of("Yes."), 1'200));
  EXPECT_TRUE(says_too_little(words_of("Yes."), 2'500));
  EXPECT_TRUE(says_too_little(words_of("Thank you."), 4'000));
  EXPECT_FALSE(says_too_little({}, 1'000));
}

TEST(Belief, TheSameWordsAreCountedAndSilenceIsNot) {
  SameAnswers same;
  EXPECT_EQ(same.count(words_of("Thank you.")), 1u);
  EXPECT_EQ(same.count({}), 0u);
  EXPECT_EQ(same.count(words_of("Thank you.")), 2u);
  EXPECT_EQ(same.count(words_of("Thank you.")), 3u);
  EXPECT_EQ(same.count(words_of("Thankyou.")), 1u);
  EXPECT_EQ(same.count(words_of("Thank you.")), 1u);
}

}  // namespace
}  // namespace callward::listen
