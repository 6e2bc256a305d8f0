#include "listen/derived.hpp"

#include <gtest/gtest.h>

namespace callward::listen {
namespace {

TEST(Derived, WordsComeBackAsTheyWere) {
  const std::vector<Word> words = {
      {10'200, 10'480, 250, "Good"}, {10'480, 10'900, 3, "M\xC3\xBCller"}, {11'900, 12'050, 0, ""}};
  const auto payload = words_payload(10'000, words);
  ASSERT_EQ(payload.size(), kWordsPayloadBytes);
  const auto back = parse_words(payload.expose());
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 3u);
  EXPECT_EQ((*back)[0].start_ms, 200u);
  EXPECT_EQ((*back)[0].end_ms, 480u);
  EXPECT_EQ((*back)[1].text, "M\xC3\xBCller");
  EXPECT_EQ((*back)[1].confidence, 3);
  EXPECT_EQ((*back)[2].text, "");
}

TEST(Derived, TheSizeTellsNothing) {
  EXPECT_EQ(words_payload(0, {}).size(), kWordsPayloadBytes);
  const std::vector<Word> many(500, Word{100, 200, 9, "characteristically"});
  const auto full = words_payload(0, many);
  EXPECT_EQ(full.size(), kWordsPayloadBytes);
  const auto back = parse_words(full.expose());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->size(), (kWordsPayloadBytes - 2) / (6 + 18)) << "as many as fit";
  EXPECT_EQ(peaks_payload({}).size(), kPeaksPayloadBytes);
  EXPECT_EQ(peaks_payload(std::vector<std::uint8_t>(70, 1)).size(), kPeaksPayloadBytes);
}

TEST(Derived, LongTextIsCutAtACharacter) {
  std::string text = "x";
  for (int i = 0; i < 100; ++i) text += "\xC3\xA9";
  const auto back = parse_words(words_payload(0, std::vector<Word>{{0, 1, 1, text}}).expose());
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 1u);
  EXPECT_EQ((*back)[0].text.size(), 119u);
}

TEST(Derived, WordsBeforeTheWindowAreLeftOut) {
  const auto back =
      parse_words(words_payload(1'000, std::vector<Word>{{900, 1'100, 1, "no"}}).expose());
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->empty());
}

TEST(Derived, BrokenPayloadsAreRefused) {
  EXPECT_FALSE(parse_words(Bytes(10)));
  Bytes raw(kWordsPayloadBytes);
  raw[0] = 0xFF;
  raw[1] = 0xFF;
  EXPECT_FALSE(parse_words(raw)) << "more words than fit";
  raw[0] = 1;
  raw[1] = 0;
  EXPECT_TRUE(parse_words(raw));
  raw[2] = 5;  // begins after its end
  EXPECT_FALSE(parse_words(raw));
  std::uint32_t seed = 3;
  for (int i = 0; i < 20'000; ++i) {
    for (auto& byte : raw) byte = static_cast<std::uint8_t>((seed = seed * 1'664'525 + 1) >> 24);
    raw[1] = 0;
    (void)parse_words(raw);  // must not read beyond: the sanitizers watch
  }
}

TEST(Derived, PeakLevelsRiseWithLoudness) {
  EXPECT_EQ(peak_level(0), 0);
  std::uint8_t last = 0;
  for (std::uint32_t loudest = 0; loudest <= 32'768; loudest += 16) {
    const auto level = peak_level(loudest);
    EXPECT_GE(level, last);
    last = level;
  }
  EXPECT_GE(last, 240);
}

}  // namespace
}  // namespace callward::listen
