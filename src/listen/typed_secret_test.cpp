#include "listen/typed_secret.hpp"

#include <gtest/gtest.h>

#include "listen/grammar_files_test.hpp"

namespace callward::listen {
namespace {

using test::english;

// Turns are parted by " / ", a second apart; words last 300 ms. In a turn that reads "?" nothing
// was recognised; a word in ~ is one of low confidence. [ ] stand around what must be found, ( )
// around what may go with it; what stands in neither must stay.
struct Script {
  HeardTurns turns;
  std::vector<TypedPlace> wanted, allowed;
};

void add_word(HeardTurn& turn, std::string text, Script& script) {
  const auto at = turn.end_ms;
  for (; !text.empty() && (text.front() == '[' || text.front() == '('); text.erase(0, 1))
    (text.front() == '[' ? script.wanted : script.allowed).push_back({at, 0});
  const auto end = at + 300;
  for (; !text.empty() && (text.back() == ']' || text.back() == ')'); text.pop_back())
    (text.back() == ']' ? script.wanted : script.allowed).back().end_ms = end;
  const bool doubtful = text.starts_with('~');
  if (doubtful) text.erase(0, 1);
  turn.words.push_back({at, end, static_cast<std::uint8_t>(doubtful ? 20 : 220), text});
  turn.end_ms = end;
}

Script script_of(std::string_view text) {
  Script script;
  std::uint32_t now_ms = 1'000;
  std::string word;
  HeardTurn turn{.start_ms = now_ms, .end_ms = now_ms, .words = {}};
  const auto close = [&] {
    turn.believed = !(turn.words.size() == 1 && turn.words[0].text == "?");
    if (!turn.believed) turn.words.clear();
    script.turns.push_back(turn);
    now_ms = turn.end_ms + 1'000;
    turn = {.start_ms = now_ms, .end_ms = now_ms, .words = {}};
  };
  for (const char c : std::string(text) + " ") {
    if (c != ' ') {
      word += c;
      continue;
    }
    if (word == "/")
      close();
    else if (!word.empty())
      add_word(turn, word, script);
    word.clear();
  }
  close();
  return script;
}

TypedFinding look_for(std::string_view value, const HeardTurns& turns) {
  auto secret = TypedSecret::create(as_bytes(value));
  EXPECT_TRUE(secret) << value;
  return secret->search(english(), turns, 0);
}

std::string text_of(const std::vector<TypedPlace>& places) {
  std::string text;
  for (const auto& p : places)
    text += std::to_string(p.start_ms) + "-" + std::to_string(p.end_ms) + " ";
  return text.empty() ? "nothing" : text;
}

struct Case {
  std::string_view value, heard;
};

// Each wanted stretch lies in a place, and no place reaches beyond wanted and allowed ones by more
// than the margin.
void expect_found(const Case& item) {
  const auto script = script_of(item.heard);
  const auto finding = look_for(item.value, script.turns);
  const auto shown = std::string(item.value) + " in: " + std::string(item.heard) + ": found " +
                     text_of(finding.places);
  for (const auto& want : script.wanted)
    EXPECT_TRUE(std::any_of(
        finding.places.begin(), finding.places.end(),
        [&](const auto& p) { return p.start_ms <= want.start_ms && want.end_ms <= p.end_ms; }))
        << shown << ", not " << want.start_ms << "-" << want.end_ms;
  constexpr std::uint32_t kMarginMs = 500;
  auto may = script.wanted;
  may.insert(may.end(), script.allowed.begin(), script.allowed.end());
  for (const auto& turn : script.turns)
    for (const auto& word : turn.words) {
      const bool ours = std::any_of(may.begin(), may.end(), [&](const auto& m) {
        return m.start_ms <= word.end_ms + kMarginMs && word.start_ms <= m.end_ms + kMarginMs;
      });
      const bool gone = std::any_of(
          finding.places.begin(), finding.places.end(),
          [&](const auto& p) { return p.start_ms < word.end_ms && word.start_ms < p.end_ms; });
      EXPECT_FALSE(gone && !ours) << shown << ", with \"" << word.text << "\"";
    }
}

// "..." stands for talk around it, so that the place is a part of its turn.
#define TALK "well then we can go on with what you told me before the printer broke "
#define MORE " and then the printer did make that noise which we talked about"

const std::vector<Case> kSpoken = {
    // Digits.
    {"1234", "my (pin is [one two three four])"},
    {"1234", "[1 2 3 4]"},
    {"1234", "[1234.]"},
    {"1234", "[12 34]"},
    {"1234", "[1-2-3-4]"},
    {"1234", "[twelve thirty four]"},
    {"1984", "[nineteen eighty four]"},
    {"1984", "[nineteen eighty-four]"},
    {"4207", "[forty two oh seven]"},
    {"4207", "[four two zero seven]"},
    {"4207", "[four two nought seven]"},
    {"4207", "[for two o seven]"},
    {"4200", "[forty two hundred]"},
    {"1905", "[nineteen hundred and five]"},
    {"2009", "[two thousand and nine]"},
    {"7742", "[double seven four two]"},
    {"7772", "[triple seven two]"},
    {"4488", "[double four double eight]"},
    {"2011", "[twenty eleven]"},
    {"2020", "[twenty twenty]"},
    {"062", "[zero six two]"},
    {"938570", "[nine three eight um five seven zero]"},
    {"938570", "[nine three eight / five seven zero]"},
    {"938570", "[938 570]"},
    {"938570", "[938,570]"},
    {"4020658387235207", "[4020 6583 8723 5207]"},
    {"4020 6583 8723 5207",
     "[forty twenty sixty five eighty three eighty seven twenty three fifty "
     "two oh seven]"},
    {"5591", TALK "[five five nine one]" MORE},
    // Letters.
    {"kbtr", "[k b t r]"},
    {"kbtr", "[KB TR]"},
    {"kbtr", "[kay bee tea are]"},
    {"cuwy", "[see you double you why]"},
    {"wwx9", "[double w x nine]"},
    {"tr44_kb9", "[capital t r four four underscore k b nine]"},
    {"TR44_KB9", "[TR44_KB9]"},
    {"TR44_kb9", "[capital T capital R forty four underscore lower case k b nine]"},
    {"TR44_kb9", "[upper case t are double four underscore small k bee nine]"},
    {"Tr7k55m", "[tango romeo seven kilo five five mike]"},
    {"Tr7k55m", "[tango romeo seven kilo double five mike]"},
    {"ab3x", "[alpha bravo three xray]"},
    {"ab3x", "[a for apple b for boy three x]"},
    {"ab3x", "[a as in adam b as in baker 3 x as in xylophone]"},
    {"bnm4", "[b like bravo n as in nancy m as in mike four]"},
    {"sgt7", "[sugar george tommy seven]"},
    {"ar00a01x", "[capital a um / capital ar um / double zero um / alpha um oh / 1 x]"},
    {"holloway", "[h o l l o w a y]"},
    {"holloway", "[h o double l o w a y]"},
    {"holloway", "[H-O-L-L-O-W-A-Y]"},
    // Words.
    {"sunshine42!", "it is [sunshine four two exclamation point]"},
    {"sunshine42!", "[sunshine forty-two]"},
    {"sunshine42!", "[sun shine 42]"},
    {"sunshine42!", "[sunshine42!]"},
    {"Sunshine42!", TALK "[sunshine]" MORE},
    {"tiger88$1", "[tiger eight eight dollar sign one]"},
    {"tiger88$1", "[tiger double eight dollar one]"},
    {"welcome73#9", "[welcome seven three hash nine]"},
    {"bluefalcon99", "[blue falcon ninety nine]"},
    {"Blue-Falcon 99", "[blue dash falcon space ninety nine]"},
    {"p4ssw0rd!", "[password exclamation mark]"},
    {"dr4gon7", "[dragon seven]"},
    {"hunter2", "[hunter two]"},
    {"biscuit", "(the word is [biscuit])"},
    {"Café99", "[cafe ninety nine]"},
    // Symbols.
    {"a1@b2#c3", "[a one at sign b two hash c three]"},
    {"q7-z9_k", "[q seven dash z nine underscore k]"},
    {"x4.y5/z", "[x four dot y five slash z]"},
    {"k9*m8&b", "[k nine star m eight and sign b]"},
    {"r2?d2!n", "[r two question mark d two bang n]"},
    // Misheard.
    {"sunshine42!", "[sonshine four two]"},
    {"falcon99", "[falkon ninety nine]"},
    {"kbt79", "[k d t seven nine]"},
    {"938570", "[nine three eight nine seven zero]"},
    {"holloway", "[H-L-L-W-I-Y]"},
    {"938570", "it is [~for three eight five seven zero ~and]"},
    {"5951", "[five nine nine one]"},
    {"5951", "[five ~line five one]"},
    {"938570", "[nine three eight / ? / seven zero]"},
    // Slips, fillers, corrections.
    {"4729", "[four seven no sorry two nine]"},
    {"4729", "[four seven three no sorry two nine]"},
    {"4729", "(four seven nine two) no sorry [four seven two nine]"},
    {"4729", "[four um seven and then two uh nine]"},
    {"4729", "[four four seven two nine]"},
    {"938570", "[nine three eight i mean five seven zero]"},
    {"278541779", "[two seven eight eight sorry five four one seven seven nine]"},
    // Read back, in part and more than once.
    {"4020658387235207", "(the card that ends in [five two zero seven])"},
    {"4020658387235207", "(starts with [four zero two zero])"},
    {"4020658387235207", TALK "[six five eight three eight seven]" MORE},
    {"938570", "so [938] [570] / [nine three eight five seven zero] yes"},
    {"938570", "[eight five seven zero] right"},
    {"tiger88$1", "[tiger eight eight]"},
    {"1234", "[one two three four] / okay / [one two three four]"},
    {"1234", "[one two three four one two three four]"},
    {"tr44_kb9", "(the end is [k b nine])"},
    // Service words: words of any dictionary, told, spelled and read back.
    {"Blue Heron", "my service word is [blue heron] please"},
    {"Blue  Heron", "it is [Blue Heron] / [blue] [heron] thank you"},
    {"Grey Gull", "that would be [grey gull]"},
    {"Grey Gull", "[g r e y] / (new word) [g u l l]"},
    {"marmalade", "it was [marmalade] / yes"},
};

TEST(TypedSecret, IsFoundHoweverItIsSaid) {
  EXPECT_GE(kSpoken.size(), 60u);
  for (const auto& item : kSpoken) expect_found(item);
}

const std::vector<Case> kHarmless = {
    {"1234", "my order number is one two three five"},
    {"1234", "call me on five five five one two three four"},
    {"1234", "call me on 555-1234"},
    {"1234", "the number is one two three four five six seven"},
    {"1234", "the ticket is 91234"},
    {"1234", "it costs twelve dollars thirty four"},
    {"1234", "one or two or three or four of them"},
    {"1234", "press one for sales two for support three for billing four for other things"},
    {"1234", "twelve people came and thirty four went"},
    {"1234", "i have one printer and two screens and three or four cables"},
    {"1234", "one two three hello"},
    {"1234", "four three two one"},
    {"1234", "it was 1243"},
    {"1984", "since March 1984"},
    {"1984", "nineteen eighty five"},
    {"1984", "it cost $19.84"},
    {"1984", "it costs nineteen eighty four dollars"},
    {"2024", "on march the fourteenth 2024"},
    {"2024", "it is twenty four hours"},
    {"7742", "the order is seven seven four three"},
    {"7742", "my phone number is two two seven seven four two one"},
    {"062", "room one six two zero"},
    {"062", "the code of the printer is 1062"},
    {"062", "sixty two"},
    {"938570", "order nine three eight four one two"},
    {"938570", "nine three eight"},
    {"938570", "the reference is 570 938"},
    {"938570", "call nine three eight five five five one two one two"},
    {"4020658387235207", "my number is four zero two five five five one two"},
    {"4020658387235207", "the tracking number is 8721 5208 6584"},
    {"4020658387235207", "order 4021 and invoice 5206"},
    {"4020658387235207", "zip code six five eight three nine"},
    {"kbtr", "can be true"},
    {"icu2", "i see you are here"},
    {"cuwy", "i see you there"},
    {"0201", "zero double zero two"},
    {"falcon323", "double one um double one um twenty three"},
    {"tr44_kb9", "the model is t r four five dash k c eight"},
    {"tr44_kb9", "it is a b nine"},
    {"Tr7k55m", "mike from quebec has a golf hotel in lima"},
    {"sunshine42!", "there are forty two of them"},
    {"sunshine42!", "the sun was shining when i called"},
    {"sunshine42!", "a sunshade for the garden"},
    {"welcome73#9", "you are welcome to call again"},
    {"tiger88$1", "the tiger is an animal"},
    {"tiger88$1", "it is eighty eight dollars and one cent"},
    {"bluefalcon99", "the blue one is ninety nine dollars"},
    {"password1", "i forgot my password"},
    {"p4ssw0rd!", "you can reset the pass after that"},
    {"computer99", "my computer does not start"},
    {"biscuit", "put it into the basket"},
    {"holloway", "hello i am on the way to the office"},
    {"ab3x", "a b testing with three of them"},
    {"5951", "nine one five five"},
    {"5951", "one five nine five one seven two"},
    {"4729", "four hundred and seventy of them and two or nine more"},
    {"Blue Heron", "the blue cable and the here on the left"},
    {"Grey Gull", "the grey one is full"},
};

TEST(TypedSecret, WhatIsHarmlessStays) {
  EXPECT_GE(kHarmless.size(), 40u);
  for (const auto& item : kHarmless) {
    const auto script = script_of(item.heard);
    const auto finding = look_for(item.value, script.turns);
    EXPECT_TRUE(finding.places.empty())
        << item.value << " in: " << item.heard << ": found " << text_of(finding.places);
  }
}

}  // namespace
}  // namespace callward::listen
