// tests/vectors/derived.json: words and peaks as they stand inside their records.
#include "base/vectors_test.hpp"
#include "listen/derived.hpp"

namespace callward::listen {
namespace {

using namespace vectors;

json::object words_case(const char* name, std::uint32_t base_ms, const std::vector<Word>& words) {
  json::array said;
  const auto payload = words_payload(base_ms, words);
  const auto parsed = parse_words(payload.expose());
  if (parsed)
    for (const auto& word : *parsed)
      said.push_back(json::array{word.start_ms, word.end_ms, word.confidence, word.text});
  return {{"name", name},
          {"kind", "words"},
          {"outcome", outcome_of(parsed)},
          {"bytes", to_hex(payload.expose())},
          {"words", said}};
}

json::object spoilt(const char* name, const char* kind, Bytes payload) {
  return {{"name", name}, {"kind", kind}, {"outcome", "malformed"}, {"bytes", to_hex(payload)}};
}

json::object peaks_case(const char* name, const std::vector<std::uint32_t>& loudest) {
  Bytes levels;
  json::array of;
  for (const auto m : loudest) {
    levels.push_back(peak_level(m));
    of.push_back(m);
  }
  return {{"name", name},
          {"kind", "peaks"},
          {"outcome", "ok"},
          {"bytes", to_hex(peaks_payload(levels).expose())},
          {"loudest", of}};
}

std::vector<json::object> all_cases() {
  const std::vector<Word> three = {
      {10'200, 10'480, 250, "Good"}, {10'480, 10'900, 3, "M\xC3\xBCller"}, {11'900, 12'050, 0, ""}};
  std::string wide = "x";
  for (int i = 0; i < 100; ++i) wide += "\xC3\xA9";
  const auto good = to_bytes(words_payload(10'000, three).expose());
  const auto changed = [&good](std::size_t at, std::uint8_t value) {
    auto out = good;
    out[at] = value;
    return out;
  };
  auto many = Bytes(kWordsPayloadBytes);
  many[0] = 171;
  auto beyond = Bytes(kWordsPayloadBytes);
  beyond[0] = 5;  // four of 255 bytes fit
  for (std::size_t at = 2; at + 5 < beyond.size(); at += 6 + 255) beyond[at + 5] = 255;
  auto cells = Bytes(kPeaksPayloadBytes);
  cells[0] = kPeaksMax + 1;
  std::vector<std::uint32_t> second;
  for (std::uint32_t i = 0; i < kPeaksMax; ++i) second.push_back(i * i * 13);
  return {
      words_case("three words", 10'000, three),
      words_case("nobody spoke", 0, {}),
      words_case("as many as fit", 0, std::vector<Word>(500, {100, 200, 9, "characteristically"})),
      words_case("cut at a character's border", 0, {{0, 1, 1, wide}}),
      words_case("what begins before the record is left out", 10'300, three),
      spoilt("one byte short", "words", Bytes(good.begin(), good.end() - 1)),
      spoilt("more words than a record can hold", "words", many),
      spoilt("a text beyond the record's end", "words", beyond),
      spoilt("an end before its start", "words", changed(3, 0xFF)),
      peaks_case("a whole second", second),
      peaks_case("the loudest there is, and silence", {32'768, 0, 1, 131, 132, 32'635}),
      peaks_case("no cell", {}),
      spoilt("more cells than a second has", "peaks", cells),
      spoilt("one byte long", "peaks", Bytes(kPeaksPayloadBytes + 1)),
  };
}

TEST(DerivedVectors, AreTheBytesThatAreMadeNow) {
  same_as_file("derived.json", text_of("callward derived", all_cases()));
}

// Peaks are read by the console and by check.mjs only.
TEST(DerivedVectors, WordsAreReadAsTheySay) {
  int read = 0;
  for (const auto& item : cases_of("derived.json")) {
    if (text(item, "kind") != "words") continue;
    const auto words = parse_words(bytes(item, "bytes"));
    EXPECT_EQ(outcome_of(words), text(item, "outcome")) << item.at("name");
    ++read;
  }
  EXPECT_EQ(read, 9);
}

}  // namespace
}  // namespace callward::listen
