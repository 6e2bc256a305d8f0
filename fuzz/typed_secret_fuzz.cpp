// Any value, looked for in any words of a recogniser: places lie within the turns, in order and
// apart, and every one of them touches a word. The first byte says how long the value is; then
// come words: a byte of what it is, and its text.
#include "base/check.hpp"
#include "listen/typed_secret.hpp"

namespace {

using namespace callward;
using namespace callward::listen;

constexpr std::size_t kWordsMax = 400;  // a search of more costs time and finds nothing new

const Grammar& grammar() {
  static const Grammar parsed = [] {
    const std::string head = "callward-grammar 1\n";
    auto made = Grammar::parse(
        {{"numbers.txt",
          head + "[digit 4]\nfour\n[digit 7]\nseven\n[digit 20]\ntwenty\n[digit 100]\nhundred\n"
                 "[zeros 2]\nhundred\n[homophone 4]\nfor\n[repeat 2]\ndouble\n[filler]\num\nno\n"
                 "sorry\n[modifier]\ncapital\n[spelling]\ntango\n[spelling other]\ntom\n"
                 "[letter u]\nyou\n[symbol #]\nhash\n[sign ?]\nquestion\n[between]\nand\n"
                 "[spelled by]\nas\nin\nfor\n[near]\nbcdet\n[unit]\ndollars\n"},
         {"cues.txt", head + "[secret password]\npassword~\n"},
         {"phrases.txt", head + "[correction]\nno sorry\n"},
         {"common.txt", head + "[common]\nand\nthe\n"}});
    CHECK(made.has_value());
    return std::move(*made);
  }();
  return parsed;
}

HeardTurns turns_of(ByteReader& in) {
  HeardTurns turns(1);
  std::size_t words = 0;
  while (in.ok() && in.remaining() > 0 && words < kWordsMax) {
    const auto what = in.u8();
    auto& turn = turns.back();
    if ((what & 0xC0) == 0xC0) {  // the next turn; sometimes one that was not recognised
      const auto start = turn.end_ms + (what & 15) * 300;
      turns.push_back({.start_ms = start, .end_ms = start + 100, .words = {}});
      turns.back().believed = (what & 16) != 0;
      turns.back().keyed = (what & 48) == 48;
      continue;
    }
    const auto text = in.bytes(std::min<std::size_t>(in.remaining(), what & 15));
    const auto end = turn.end_ms + (what & 16 ? 0 : 200);
    turn.words.push_back({turn.end_ms, end, static_cast<std::uint8_t>(what & 32 ? 10 : 220),
                          std::string(as_text(text))});
    turn.end_ms = end;
    ++words;
  }
  return turns;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in({data, size});
  const auto length = in.u8();
  const auto value = in.bytes(std::min<std::size_t>(in.remaining(), length));
  const auto secret = TypedSecret::create(value);
  const auto turns = turns_of(in);
  if (!secret) return 0;
  const auto finding = secret->search(grammar(), turns, 0);
  std::uint32_t before = 0;
  for (const auto& place : finding.places) {
    CHECK(before == 0 || place.start_ms > before);
    CHECK(place.start_ms <= place.end_ms);
    CHECK(place.end_ms <= turns.back().end_ms);
    before = place.end_ms;
  }
  if (finding.open) CHECK(finding.open->since_ms <= finding.open->last_ms);
  // What stands later is not seen from there.
  const auto rest = secret->search(grammar(), turns, turns.size() - 1);
  for (const auto& place : rest.places) CHECK(place.start_ms >= turns.back().start_ms);
  return 0;
}
