#include "listen/spoken.hpp"

#include <algorithm>
#include <array>

#include "base/secret.hpp"

namespace callward::listen {
namespace {

constexpr std::size_t kRetractedMax = 6;      // parts that one "no, sorry" takes back
constexpr std::size_t kCorrectionReach = 3;   // fillers between them and it
constexpr std::size_t kRepeatReach = 3;       // "double capital letter t"
constexpr std::size_t kExplainWordsMax = 2;   // "as in", "for the"
constexpr std::size_t kSplitLettersMax = 2;   // "TR44": two letters; "sunshine42": a word
constexpr std::size_t kJoinedLettersMin = 3;  // each half of "sun shine"

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

// U+00C0..U+00FF without accents; '?' has no such form.
constexpr std::string_view kLatin1 =
    "aaaaaaaceeeeiiii?nooooo?ouuuuy?saaaaaaaceeeeiiii?nooooo?ouuuuy?y";
static_assert(kLatin1.size() == 64);

struct Splitter {
  const Grammar& grammar;
  Spoken& out;

  void add(const Token& token, std::string text, std::size_t at, std::size_t of,
           std::uint32_t turn) const {
    const auto span = token.end_ms - token.start_ms;
    Atom atom;
    atom.start_ms = token.start_ms + static_cast<std::uint32_t>(std::uint64_t{span} * at / of);
    atom.end_ms =
        token.start_ms + static_cast<std::uint32_t>(std::uint64_t{span} * (at + text.size()) / of);
    atom.turn = turn;
    atom.wild = token.confidence < kWordConfidenceMin;
    atom.amount = token.kind == TokenKind::kAmount;
    const bool character = text.size() == 1 && (is_digit(text[0]) || text[0] != 'i');
    atom.part = (character && text != "a") || token.kind == TokenKind::kSpelling ||
                (grammar.digit(text).has_value() && !token.homophone);
    atom.modifier = grammar.is_modifier(text);
    atom.free = grammar.is_filler(text) || grammar.is_modifier(text) || grammar.is_between(text) ||
                grammar.zeros(text).has_value();
    if (token.kind == TokenKind::kWord && text == "one") atom.part = false;  // "this one"
    atom.text = std::move(text);
    out.atoms.push_back(std::move(atom));
  }

  // Digits one by one, and letters that no word is made of.
  void split(const Token& token, std::uint32_t turn) const {
    const auto text = fold_text(token.text);
    const bool digits = std::any_of(text.begin(), text.end(), is_digit);
    if (text.empty()) return;
    const bool letters = token.kind == TokenKind::kLetters && !grammar.digit(text);  // not "oh"
    if (!digits && !letters) {
      add(token, text, 0, text.size(), turn);
    } else {
      for (std::size_t i = 0; i < text.size();) {
        auto end = i + 1;
        if (is_letter(text[i]))
          while (end < text.size() && is_letter(text[end])) ++end;
        const bool apart = end - i <= kSplitLettersMax || !digits;
        if (apart) end = i + 1;
        add(token, text.substr(i, end - i), i, text.size(), turn);
        i = end;
      }
    }
    out.atoms.back().clause_end = token.clause_end;
  }
};

// Where a correction begins, and which parts it takes back.
void mark_corrections(const Grammar& grammar, std::vector<Atom>& atoms) {
  std::vector<MatchWord> words;
  words.reserve(atoms.size());
  for (const auto& atom : atoms) words.push_back({atom.text, false});
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    if (!grammar.match_at(PhraseClass::kCorrection, words, i)) continue;
    atoms[i].corrects = true;
    std::size_t at = i;
    for (std::size_t over = 0;
         at > 0 && over < kCorrectionReach && !atoms[at - 1].part && atoms[at - 1].free; ++over)
      --at;
    for (std::size_t back = 0; at > 0 && back < kRetractedMax && atoms[at - 1].part; ++back)
      atoms[--at].retracted = true;
  }
}

class ArcMaker {
 public:
  ArcMaker(const Grammar& grammar, Spoken& out) : grammar_(grammar), out_(out) {}

  void make(std::uint32_t at) {
    const auto& text = atom(at).text;
    if (text.empty()) return;
    if (!atom(at).repeated) {
      numbers(at);
      letters(at);
      explained(at);
    }
    for (const char c : grammar_.symbol(text)) add(at, at + 1, c, kSymbolGain, ArcKind::kSymbol);
    for (const char c : grammar_.sign(text)) add(at, at + 1, c, kWeakGain, ArcKind::kSymbol);
    repeats(at);
    words(at);
  }

 private:
  [[nodiscard]] const Atom& atom(std::size_t at) const { return out_.atoms[at]; }
  [[nodiscard]] bool has(std::size_t at) const { return at < out_.atoms.size(); }

  void add(std::uint32_t from, std::uint32_t to, std::string text, std::int32_t gain,
           ArcKind kind) {
    out_.arcs.push_back({from, to, std::move(text), gain, kind});
  }
  void add(std::uint32_t from, std::uint32_t to, char c, std::int32_t gain, ArcKind kind) {
    add(from, to, std::string(1, c), gain, kind);
  }

  // "4", "four", "fourteen", "forty two", "twenty"; "nineteen hundred", "two thousand"; "for".
  void numbers(std::uint32_t at) {
    const auto& text = atom(at).text;
    if (text.size() == 1 && is_digit(text[0]))
      return add(at, at + 1, text, kDigitGain, ArcKind::kDigits);
    if (const auto zeros = grammar_.zeros(text)) {
      // Of "one thousand two hundred" nothing is said but the order; "two thousand and nine" says
      // two zeros, "one hundred and five" one.
      for (int count = 1; count <= *zeros; ++count)
        add(at, at + 1, std::string(static_cast<std::size_t>(count), '0'),
            kDigitGain / 2 * (count + 1), ArcKind::kDigits);
      return;
    }
    if (const auto homophone = grammar_.homophone(text))
      add(at, at + 1, std::to_string(*homophone), kWeakGain, ArcKind::kDigits);
    const auto number = grammar_.digit(text);
    if (!number || *number >= 100) return;
    const auto said = std::to_string(*number);
    const auto gain = kDigitGain * static_cast<std::int32_t>(said.size());
    const bool tens = *number >= 20 && has(at + 1) && atom(at + 1).turn == atom(at).turn;
    const auto unit = tens ? grammar_.digit(atom(at + 1).text) : std::nullopt;
    const bool two = unit && *unit >= 1 && *unit <= 9;
    if (two) add(at, at + 2, std::to_string(*number + *unit), gain, ArcKind::kDigits);
    // "Forty one" is rarely 4 0 1.
    add(at, at + 1, said, two ? gain / 4 : gain, ArcKind::kDigits);
  }

  // What letter one atom names, by itself: "b", "bee", "bravo", "boy".
  void letters(std::uint32_t at) {
    const auto& text = atom(at).text;
    if (text.size() == 1 && is_letter(text[0])) {
      const bool word = text == "a" || text == "i";
      add(at, at + 1, text, word ? kWeakGain : kLetterGain, ArcKind::kLetters);
    }
    const auto named = grammar_.is_common(text) ? kWeakGain : kNameGain;
    for (const char c : grammar_.letter(text)) add(at, at + 1, c, named, ArcKind::kLetters);
    if (grammar_.is_spelling(text))
      add(at, at + 1, text[0], kLetterGain, ArcKind::kLetters);
    else if (grammar_.is_other_spelling(text))
      add(at, at + 1, text[0], named, ArcKind::kLetters);
  }

  // "double seven", "triple capital b"; "double you" is a letter as well.
  void repeats(std::uint32_t at) {
    const auto times = grammar_.repeat(atom(at).text);
    if (!times) return;
    auto next = at + 1;
    for (std::size_t over = 0; has(next) && over < kRepeatReach && atom(next).modifier; ++over)
      ++next;
    if (!has(next)) return;
    out_.atoms[next].repeated = true;
    const auto known = static_cast<std::ptrdiff_t>(out_.arcs.size());
    numbers(next);
    letters(next);
    const std::vector<Arc> said(out_.arcs.begin() + known, out_.arcs.end());
    out_.arcs.erase(out_.arcs.begin() + known, out_.arcs.end());
    for (const auto& arc : said) {  // what is not one character cannot be doubled
      if (arc.text.size() != 1 || arc.to != next + 1) continue;
      add(at, arc.to, std::string(static_cast<std::size_t>(*times), arc.text[0]), arc.gain * *times,
          arc.kind);
      if (*times == 2 && arc.text == "u" && next == at + 1)
        add(at, arc.to, 'w', kNameGain, ArcKind::kLetters);
    }
  }

  // "b as in boy", "a for apple", "t like in tango": the word behind it is no part of the value.
  void explained(std::uint32_t at) {
    auto word = at + 1;
    while (has(word) && word - at <= kExplainWordsMax && grammar_.explains(atom(word).text)) ++word;
    if (word == at + 1 || !has(word) || atom(word).text.size() < 2) return;
    const auto known = static_cast<std::ptrdiff_t>(out_.arcs.size());
    letters(at);
    const std::vector<Arc> said(out_.arcs.begin() + known, out_.arcs.end());
    out_.arcs.erase(out_.arcs.begin() + known, out_.arcs.end());
    for (const auto& arc : said)
      if (arc.text[0] == atom(word).text[0])
        add(at, word + 1, arc.text, kExplainedGain, ArcKind::kLetters);
  }

  // A word said whole, and two that the recogniser made of one ("sun shine").
  void words(std::uint32_t at) {
    const auto& text = atom(at).text;
    if (text.size() < 2 || !std::all_of(text.begin(), text.end(), is_letter)) return;
    word(at, at + 1, text, grammar_.is_common(text));
    if (!has(at + 1) || atom(at + 1).turn != atom(at).turn) return;
    const auto& next = atom(at + 1).text;
    if (text.size() < kJoinedLettersMin || next.size() < kJoinedLettersMin) return;
    if (std::all_of(next.begin(), next.end(), is_letter))
      word(at, at + 2, text + next, grammar_.is_common(text) && grammar_.is_common(next));
  }
  void word(std::uint32_t from, std::uint32_t to, std::string text, bool common) {
    const auto letters = static_cast<std::int32_t>(text.size());
    auto gain = letters < 4 ? kShortWordLetterGain * letters
                            : std::min(kWordGain + kWordLetterGain * (letters - 4), kWordGainMax);
    if (common) gain = std::min(kCommonWordLetterGain * letters, kCommonWordGainMax);
    if (!grammar_.letter(text).empty()) gain = std::min(gain, kWeakGain);  // "ar" is r
    Arc arc{from, to, std::move(text), gain, ArcKind::kWord};
    arc.whole_word = true;
    arc.common_word = common;
    out_.arcs.push_back(std::move(arc));
  }

  const Grammar& grammar_;
  Spoken& out_;
};

}  // namespace

Spoken::~Spoken() {
  for (auto& atom : atoms) wipe(atom.text.data(), atom.text.size());
  for (auto& arc : arcs) wipe(arc.text.data(), arc.text.size());
}

std::string fold_text(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());  // growing would leave copies behind
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) {
      const bool upper = c >= 'A' && c <= 'Z';
      out += static_cast<char>(upper ? c - 'A' + 'a' : c);
      continue;
    }
    const auto next = i + 1 < utf8.size() ? static_cast<unsigned char>(utf8[i + 1]) : 0u;
    char folded = 0;
    if (c == 0xC3 && next >= 0x80 && next < 0xC0) folded = kLatin1[next - 0x80];
    out += folded == '?' ? '\0' : folded;
    while (i + 1 < utf8.size() && (static_cast<unsigned char>(utf8[i + 1]) & 0xC0) == 0x80) ++i;
  }
  return out;
}

Spoken spoken_of(const Grammar& grammar, const HeardTurns& turns, std::size_t from) {
  Spoken spoken;
  for (auto number = from; number < turns.size(); ++number) {
    const auto& turn = turns[number];
    auto tokens = tokenize(grammar, turn.words);
    const auto first = spoken.atoms.size();
    const Splitter splitter{grammar, spoken};
    for (const auto& token : tokens) splitter.split(token, static_cast<std::uint32_t>(number));
    for (auto& token : tokens) wipe(token.text.data(), token.text.size());
    if (turn.believed) continue;
    if (spoken.atoms.size() == first) {
      Atom atom;
      atom.start_ms = turn.start_ms;
      atom.end_ms = turn.end_ms;
      atom.turn = static_cast<std::uint32_t>(number);
      spoken.atoms.push_back(std::move(atom));
    }
    for (auto at = first; at < spoken.atoms.size(); ++at) spoken.atoms[at].wild = true;
  }
  mark_corrections(grammar, spoken.atoms);
  ArcMaker maker(grammar, spoken);
  for (std::uint32_t at = 0; at < spoken.atoms.size(); ++at) maker.make(at);
  return spoken;
}

}  // namespace callward::listen
