// A random value, said in random ways within other talk, is found; another value is not.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>

#include "listen/grammar_files_test.hpp"
#include "listen/sounds.hpp"
#include "listen/typed_secret.hpp"

namespace callward::listen {
namespace {

using test::english;

template <class T, std::size_t N>
T one_of(const std::array<T, N>& list) {
  return list[*rc::gen::inRange<std::size_t>(0, N)];
}

constexpr std::array<std::string_view, 10> kDigits = {"zero", "one", "two",   "three", "four",
                                                      "five", "six", "seven", "eight", "nine"};
constexpr std::array<std::string_view, 8> kTens = {"twenty", "thirty",  "forty",  "fifty",
                                                   "sixty",  "seventy", "eighty", "ninety"};
constexpr std::array<std::string_view, 26> kNato = {
    "alpha",  "bravo", "charlie", "delta",  "echo",     "foxtrot", "golf",   "hotel",  "india",
    "juliet", "kilo",  "lima",    "mike",   "november", "oscar",   "papa",   "quebec", "romeo",
    "sierra", "tango", "uniform", "victor", "whiskey",  "xray",    "yankee", "zulu"};
constexpr std::array<std::string_view, 26> kNames = {
    "ay", "bee", "cee", "dee", "ee", "eff", "gee", "aitch", "eye", "jay", "kay", "el", "em",
    "en", "owe", "pea", "cue", "ar", "ess", "tee", "u",     "vee", "w",   "ex",  "y",  "zee"};
constexpr std::array<std::string_view, 26> kExplained = {
    "adam", "boy",  "cat",   "david",  "egg",     "frank", "george", "henry", "ida",
    "john", "king", "lucy",  "mary",   "nora",    "ocean", "peter",  "queen", "robert",
    "sam",  "tom",  "union", "violin", "william", "xray",  "yellow", "zebra"};
constexpr std::array<std::string_view, 6> kWords = {"sunshine", "falcon",  "biscuit",
                                                    "umbrella", "thunder", "marigold"};
constexpr std::array<std::pair<char, std::string_view>, 8> kSymbols = {{{'@', "at sign"},
                                                                        {'#', "hash"},
                                                                        {'$', "dollar sign"},
                                                                        {'-', "dash"},
                                                                        {'_', "underscore"},
                                                                        {'!', "exclamation mark"},
                                                                        {'.', "dot"},
                                                                        {'?', "question mark"}}};
constexpr std::array<std::string_view, 6> kFillers = {"um", "uh", "and then", "so", "er", "then"};
// Talk without a digit, letter or word of a value, so that a value's neighbours are known.
constexpr std::array<std::string_view, 5> kTalk = {
    "the printer prints nothing since this morning", "please help me with my bill",
    "my wife said that it works at home", "that would be very kind", "what do you think about it"};

std::string a_value() {
  std::string value;
  const auto kind = *rc::gen::inRange(0, 3);
  if (kind == 0) {  // PIN, code, card
    const auto size = *rc::gen::elementOf(std::vector<int>{4, 5, 6, 8, 16});
    for (int i = 0; i < size; ++i) value += static_cast<char>('0' + *rc::gen::inRange(0, 10));
    return value;
  }
  if (kind == 1) {  // a word and some digits
    value = one_of(kWords);
    const auto size = *rc::gen::inRange(2, 5);
    for (int i = 0; i < size; ++i) value += static_cast<char>('0' + *rc::gen::inRange(0, 10));
    return value;
  }
  const auto size = *rc::gen::inRange(6, 13);
  for (int i = 0; i < size; ++i) {
    const auto what = *rc::gen::inRange(0, 8);
    const bool symbol = what == 7 && i > 0 && i + 1 < size;
    if (symbol)
      value += one_of(kSymbols).first;
    else if (what < 3)
      value += static_cast<char>('0' + *rc::gen::inRange(0, 10));
    else
      value += static_cast<char>((what == 3 ? 'A' : 'a') + *rc::gen::inRange(0, 26));
  }
  return value + "42k";  // not symbols alone
}

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool digit(char c) { return c >= '0' && c <= '9'; }

std::string say_letter(char c) {
  const bool upper = c < 'a';
  const auto at = static_cast<std::size_t>((c | 0x20) - 'a');
  std::string said;
  if (upper) said = *rc::gen::element("capital ", "upper case ", "");
  if (!upper && *rc::gen::inRange(0, 6) == 0) said = *rc::gen::element("small ", "lower case ");
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      return said + std::string(kNato[at]);
    case 1:
      return said + static_cast<char>(c | 0x20) + " as in " + std::string(kExplained[at]);
    case 2:  // names that are no words; "a" and "i" are
      if (c != 'a' && c != 'A') return said + std::string(kNames[at]);
      [[fallthrough]];
    default:
      return said + static_cast<char>(c & ~0x20);
  }
}

// What is said of the value from `at` on; how many characters it was.
std::pair<std::string, std::size_t> say_some(const std::string& value, std::size_t at) {
  const char c = value[at];
  for (const auto word : kWords)
    if (value.compare(at, word.size(), word) == 0) return {std::string(word), word.size()};
  const bool pair = at + 1 < value.size() && digit(c) && digit(value[at + 1]);
  if (at + 1 < value.size() && value[at + 1] == c && *rc::gen::inRange(0, 2) == 0) {
    if (digit(c)) return {"double " + std::string(kDigits[c - '0']), 2};
    if (letter(c) && c >= 'a' && c != 'u') return {std::string("double ") + c, 2};
  }
  // "Twenty" for 2 0 only where no 1 to 9 follows: "twenty one" is something else.
  const bool tens =
      pair && c >= '2' && (value[at + 1] != '0' || at + 2 >= value.size() || !digit(value[at + 2]));
  if (tens && *rc::gen::inRange(0, 3) == 0) {
    const std::string said(kTens[c - '2']);
    if (value[at + 1] == '0') return {said, 2};
    return {said + " " + std::string(kDigits[value[at + 1] - '0']), 2};
  }
  if (pair && *rc::gen::inRange(0, 4) == 0) return {value.substr(at, 2), 2};
  if (digit(c)) {
    if (c == '0' && *rc::gen::inRange(0, 3) == 0) return {"oh", 1};
    return {*rc::gen::inRange(0, 2) == 0 ? std::string(1, c) : std::string(kDigits[c - '0']), 1};
  }
  if (letter(c)) return {say_letter(c), 1};
  for (const auto& [symbol, name] : kSymbols)
    if (symbol == c) return {std::string(name), 1};
  return {"", 1};
}

struct Said {
  HeardTurns turns;
  std::uint32_t start_ms = 0, end_ms = 0;  // of the value
};

void say(Said& said, HeardTurn& turn, const std::string& text) {
  for (const auto& word : test::words_of(text, turn.end_ms)) {
    turn.words.push_back(word);
    turn.end_ms = word.end_ms;
  }
  said.end_ms = turn.end_ms;
}

Said said_of(const std::string& value) {
  Said said;
  const auto turn_at = [](std::uint32_t ms) {
    return HeardTurn{.start_ms = ms, .end_ms = ms, .words = {}};
  };
  auto turn = turn_at(1'000);
  say(said, turn, std::string(one_of(kTalk)));
  const auto close = [&] {
    const auto next = turn.end_ms + 1'200;
    said.turns.push_back(std::move(turn));
    turn = turn_at(next);
  };
  if (*rc::gen::inRange(0, 2) == 0) close();
  said.start_ms = turn.end_ms;
  for (std::size_t at = 0; at < value.size();) {
    auto [text, count] = say_some(value, at);
    say(said, turn, text);
    at += count;
    if (at == value.size()) break;
    if (*rc::gen::inRange(0, 6) == 0) say(said, turn, std::string(one_of(kFillers)));
    if (*rc::gen::inRange(0, 10) == 0) close();
  }
  const auto end_ms = said.end_ms;
  if (*rc::gen::inRange(0, 2) == 0) close();
  say(said, turn, std::string(one_of(kTalk)));
  close();
  said.end_ms = end_ms;
  return said;
}

std::string text_of(const HeardTurns& turns) {
  std::string text;
  for (const auto& turn : turns) {
    for (const auto& word : turn.words) text += word.text + " ";
    text += "/ ";
  }
  return text;
}

TypedFinding look_for(const std::string& value, const HeardTurns& turns) {
  const auto secret = TypedSecret::create(as_bytes(value));
  RC_ASSERT(secret.has_value());
  return secret->search(english(), turns, 0);
}

TEST(TypedSecretProperty, WhatIsSaidIsFound) {
  EXPECT_TRUE(rc::check([] {
    const auto value = a_value();
    const auto said = said_of(value);
    RC_LOG() << value << ": " << text_of(said.turns);
    const auto finding = look_for(value, said.turns);
    for (const auto& turn : said.turns)
      for (const auto& word : turn.words) {
        if (word.start_ms < said.start_ms || word.end_ms > said.end_ms) continue;
        RC_ASSERT(std::any_of(finding.places.begin(), finding.places.end(), [&](const auto& p) {
          return p.start_ms <= word.start_ms && word.end_ms <= p.end_ms;
        }));
      }
  }));
}

TEST(TypedSecretProperty, AnotherValueIsNot) {
  EXPECT_TRUE(rc::check([] {
    const auto value = a_value();
    const auto other = fold_text(a_value());
    const auto folded = fold_text(value);
    // Two values that have three characters in common in a row may be parts of each other.
    for (std::size_t i = 0; i + 3 <= other.size(); ++i)
      RC_PRE(folded.find(other.substr(i, 3)) == std::string::npos);
    // "Twenty one" may be 2 0 1 as well: what differs in zeros alone is not another value.
    const auto without_zeros = [](std::string text) {
      std::erase(text, '0');
      return text;
    };
    RC_PRE(without_zeros(folded).find(without_zeros(other)) == std::string::npos);
    const auto said = said_of(value);
    RC_LOG() << other << " in " << value << ": " << text_of(said.turns);
    RC_ASSERT(look_for(other, said.turns).places.empty());
  }));
}

// Whatever stands there: places lie within turns, by time and apart, and a beginning is no later
// than its last part.
TEST(TypedSecretProperty, PlacesAreOrdered) {
  EXPECT_TRUE(rc::check([] {
    const auto value = a_value();
    auto said = said_of(value);
    const auto again = said_of(value);
    const auto after = said.turns.back().end_ms;
    for (auto turn : again.turns) {
      turn.start_ms += after;
      turn.end_ms += after;
      for (auto& word : turn.words) word.start_ms += after, word.end_ms += after;
      said.turns.push_back(std::move(turn));
    }
    for (auto& turn : said.turns) turn.believed = *rc::gen::inRange(0, 8) != 0;
    const auto finding = look_for(value, said.turns);
    std::uint32_t before = 0;
    for (const auto& place : finding.places) {
      RC_ASSERT(place.start_ms >= before);
      RC_ASSERT(place.end_ms > place.start_ms);
      RC_ASSERT(place.end_ms <= said.turns.back().end_ms);
      before = place.end_ms;
    }
    if (finding.open) RC_ASSERT(finding.open->since_ms <= finding.open->last_ms);
  }));
}

TEST(Sounds, AreAlikeOrNot) {
  const auto apart = [](const char* a, const char* b) {
    return sound_distance(sounds_of(a), sounds_of(b), 20);
  };
  EXPECT_EQ(apart("sunshine", "sonshine"), 0u);
  EXPECT_EQ(apart("falcon", "falkon"), 0u);
  EXPECT_EQ(apart("photo", "foto"), 0u);
  EXPECT_EQ(apart("biscuit", "piscuit"), 1u);
  EXPECT_GT(apart("biscuit", "basket"), 1u);
  EXPECT_GT(apart("sunshine", "sunshade"), 2u);
  EXPECT_EQ(sound_distance("aaaa", "sssssssss", 3), 4u) << "stops beyond the bound";
  EXPECT_TRUE(rc::check([] {
    const auto a = *rc::gen::container<std::string>(rc::gen::inRange('a', 'z'));
    const auto b = *rc::gen::container<std::string>(rc::gen::inRange('a', 'z'));
    RC_ASSERT(sounds_of(a).size() <= 2 * a.size());
    RC_ASSERT(sound_distance(sounds_of(a), sounds_of(a), 0) == 0u);
    RC_ASSERT(sound_distance(sounds_of(a), sounds_of(b), 9) ==
              sound_distance(sounds_of(b), sounds_of(a), 9));
  }));
}

}  // namespace
}  // namespace callward::listen
