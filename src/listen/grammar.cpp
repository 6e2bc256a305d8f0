#include "listen/grammar.hpp"

#include <algorithm>

#include "listen/language_lines.hpp"
#include "listen/talk_model.hpp"

namespace callward::listen {
namespace {

constexpr std::array<std::string_view, 12> kReasons = {
    "password",    "pin",         "card",           "cvv",
    "otp",         "national_id", "spelled_secret", "security_answer",
    "secret_like", "digits",      "unrecognised",   "typed_secret"};

constexpr std::array<std::pair<std::string_view, PhraseClass>, 11> kPlainSections = {
    {{"nothing", PhraseClass::kNothing},
     {"request", PhraseClass::kRequest},
     {"reask", PhraseClass::kReask},
     {"acknowledge", PhraseClass::kAcknowledge},
     {"stall", PhraseClass::kStall},
     {"decline", PhraseClass::kDecline},
     {"assert", PhraseClass::kAssert},
     {"readback", PhraseClass::kReadback},
     {"correction", PhraseClass::kCorrection},
     {"told password", PhraseClass::kTold},
     {"closing", PhraseClass::kClosing}}};

constexpr std::string_view kHeader = "callward-grammar 1";
constexpr std::size_t kHarmlessKindsMax = 64;

bool word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
}

Result<Element> parse_element(std::string_view text) {
  Element element;
  if (text.starts_with('?')) {
    element.optional = true;
    text.remove_prefix(1);
  }
  if (text == "#") {
    element.kind = Element::Kind::kNumber;
    return element;
  }
  if (text.size() == 2 && text[0] == '*' && text[1] >= '1' && text[1] <= '9') {
    element.kind = Element::Kind::kGap;
    element.gap = static_cast<std::uint8_t>(text[1] - '0');
    return element;
  }
  for (const auto word : split(text, '|')) {
    const auto stem = word.ends_with('~') ? word.substr(0, word.size() - 1) : word;
    if (stem.empty() || !std::all_of(stem.begin(), stem.end(), word_character))
      return fail(Errc::kMalformed, "not a word");
    element.words.emplace_back(word);
  }
  return element;
}

bool fits(const Element& element, const MatchWord& word) {
  if (element.kind == Element::Kind::kNumber) return word.number;
  for (const auto& wanted : element.words) {
    if (wanted.back() == '~') {
      if (word.text.starts_with(std::string_view(wanted).substr(0, wanted.size() - 1))) return true;
    } else if (word.text == wanted) {
      return true;
    }
  }
  return false;
}

// The longest end at which elements [i..] match from word `at`. Depth is bounded by the elements.
std::optional<std::size_t> match_from(const std::vector<Element>& elements, std::size_t i,
                                      const std::vector<MatchWord>& words, std::size_t at) {
  if (i == elements.size()) return at;
  const auto& element = elements[i];
  std::optional<std::size_t> best;
  const auto take = [&best](std::optional<std::size_t> end) {
    if (end && (!best || *end > *best)) best = end;
  };
  if (element.kind == Element::Kind::kGap) {
    // The nearest continuation counts: a phrase should not reach further than it must.
    for (std::size_t skip = 0; skip <= element.gap && at + skip <= words.size() && !best; ++skip)
      take(match_from(elements, i + 1, words, at + skip));
    return best;
  }
  if (element.optional) take(match_from(elements, i + 1, words, at));
  if (at < words.size() && fits(element, words[at]))
    take(match_from(elements, i + 1, words, at + 1));
  return best;
}

}  // namespace

std::string_view reason_of(Secret kind) { return kReasons[static_cast<std::size_t>(kind)]; }

std::optional<Secret> secret_of(std::string_view reason) {
  const auto at = std::find(kReasons.begin(), kReasons.end(), reason);
  if (at == kReasons.end()) return std::nullopt;
  return static_cast<Secret>(at - kReasons.begin());
}

// Where the lines of a section go.
struct Grammar::Section {
  std::optional<PhraseClass> cls;
  std::uint8_t kind = 0;
  Numbers* numbers = nullptr;
  Words* words = nullptr;
  Characters* characters = nullptr;
  int value = 0;
  char character = 0;
};

bool Grammar::near(char a, char b) const {
  return std::any_of(near_.begin(), near_.end(), [&](const std::string& group) {
    return group.find(a) != std::string::npos && group.find(b) != std::string::npos;
  });
}

// Sections of single words. False: it is none of them.
Result<bool> Grammar::open_words(std::string_view heading, Section& section) {
  const auto space = heading.find(' ');
  const auto first = heading.substr(0, space);
  const auto rest =
      space == std::string_view::npos ? std::string_view{} : heading.substr(space + 1);
  const std::array<std::pair<std::string_view, Words*>, 9> words = {
      {{"spelling", &spelling_},
       {"modifier", &modifiers_},
       {"filler", &fillers_},
       {"unit", &units_},
       {"common", &common_},
       {"spelling other", &other_spelling_},
       {"spelled by", &explains_},
       {"between", &between_},
       {"near", &near_}}};
  for (const auto& [name, set] : words) {
    if (heading != name) continue;
    section.words = set;
    return true;
  }
  const std::array<std::pair<std::string_view, Characters*>, 3> named = {
      {{"symbol", &symbols_}, {"sign", &signs_}, {"letter", &letters_}}};
  for (const auto& [name, map] : named) {
    if (first != name) continue;
    if (rest.size() != 1 && rest != "space")
      return fail(Errc::kMalformed, "not one character, nor \"space\"");
    section.characters = map;
    section.character = rest == "space" ? ' ' : rest.front();
    return true;
  }
  const std::array<std::pair<std::string_view, Numbers*>, 4> numbers = {
      {{"digit", &digits_},
       {"homophone", &homophones_},
       {"repeat", &repeats_},
       {"zeros", &zeros_}}};
  for (const auto& [name, map] : numbers) {
    if (first != name) continue;
    section.value = number_of<int>(rest).value_or(-1);
    if (section.value < 0 || section.value > 100)
      return fail(Errc::kMalformed, "not a number of 0..100");
    section.numbers = map;
    return true;
  }
  return false;
}

Result<Grammar::Section> Grammar::open_section(std::string_view heading) {
  const auto space = heading.find(' ');
  const auto first = heading.substr(0, space);
  const auto rest =
      space == std::string_view::npos ? std::string_view{} : heading.substr(space + 1);
  Section section;
  for (const auto& [name, cls] : kPlainSections) {
    if (heading != name) continue;
    section.cls = cls;
    return section;
  }
  if (first == "secret") {
    const auto kind = secret_of(rest);
    if (!kind) return fail(Errc::kMalformed, "no such kind of secret");
    section.cls = PhraseClass::kSecret;
    section.kind = static_cast<std::uint8_t>(*kind);
    return section;
  }
  if (first == "harmless" && !rest.empty()) {
    auto at = std::find(harmless_names_.begin(), harmless_names_.end(), rest);
    if (at == harmless_names_.end()) {
      if (harmless_names_.size() >= kHarmlessKindsMax)
        return fail(Errc::kTooLarge, "too many harmless kinds");
      at = harmless_names_.insert(at, std::string(rest));
    }
    section.cls = PhraseClass::kHarmless;
    section.kind = static_cast<std::uint8_t>(at - harmless_names_.begin());
    return section;
  }
  if (TRY(open_words(heading, section))) return section;
  return fail(Errc::kMalformed, "unknown section");
}

Status Grammar::add(const Section& section, std::string_view line) {
  if (++count_ > kPhrasesMax) return fail(Errc::kTooLarge, "too many phrases");
  if (section.numbers != nullptr || section.words != nullptr || section.characters != nullptr) {
    if (!std::all_of(line.begin(), line.end(), word_character))
      return fail(Errc::kMalformed, "not a single word");
    if (section.numbers != nullptr)
      section.numbers->emplace(line, section.value);
    else if (section.characters != nullptr)
      (*section.characters)[std::string(line)] += section.character;
    else
      section.words->emplace(line);
    return {};
  }
  Phrase phrase{.cls = *section.cls, .kind = section.kind, .elements = {}};
  for (const auto part : split(line, ' ')) {
    if (part.empty()) continue;
    phrase.elements.push_back(TRY(parse_element(part)));
  }
  if (phrase.elements.size() > kPhraseElementsMax)
    return fail(Errc::kTooLarge, "phrase with too many parts");
  const auto solid = [](const Element& e) { return e.kind != Element::Kind::kGap && !e.optional; };
  if (phrase.elements.empty() || phrase.elements.front().kind == Element::Kind::kGap ||
      std::none_of(phrase.elements.begin(), phrase.elements.end(), solid))
    return fail(Errc::kMalformed, "phrase of gaps alone");
  phrases_[static_cast<std::size_t>(*section.cls)].push_back(std::move(phrase));
  return {};
}

Status Grammar::parse_file(const std::string& name, std::string_view text) {
  if (text.size() > kGrammarBytesMax) return fail(Errc::kTooLarge, name + ": over the limit");
  std::optional<Section> section;
  std::size_t number = 0;
  for (const auto raw : split(text, '\n')) {
    ++number;
    const auto line = trim(raw);
    const auto bad = [&](const Error& error) {
      return fail(error.code, name + ":" + std::to_string(number) + ": " + error.message);
    };
    if (number == 1) {
      if (line != kHeader)
        return bad({Errc::kUnsupported, "the first line must be \"" + std::string(kHeader) + "\""});
      continue;
    }
    if (line.empty() || (line[0] == '#' && !section)) continue;
    if (line.starts_with('[')) {
      if (!line.ends_with(']')) return bad({Errc::kMalformed, "section without an end"});
      auto opened = open_section(line.substr(1, line.size() - 2));
      if (!opened) return bad(opened.error());
      section = *opened;
      continue;
    }
    if (!section) return bad({Errc::kMalformed, "phrase before the first section"});
    if (auto added = add(*section, line); !added) return bad(added.error());
  }
  return {};
}

Result<Grammar> Grammar::parse(const std::map<std::string, std::string>& files) {
  Grammar grammar;
  for (const auto* name : {"numbers.txt", "cues.txt", "phrases.txt", "common.txt"}) {
    const auto at = files.find(name);
    if (at == files.end()) return fail(Errc::kNotFound, std::string("no file ") + name);
    TRY(grammar.parse_file(name, at->second));
  }
  if (grammar.phrases_[static_cast<std::size_t>(PhraseClass::kSecret)].empty() ||
      grammar.digits_.empty())
    return fail(Errc::kMalformed, "a language without cues or digits finds nothing");
  if (const auto at = files.find("turns.txt"); at != files.end()) {
    auto talk = TalkModel::parse(at->second);
    if (!talk) return fail(talk.error().code, "turns.txt: " + talk.error().message);
    grammar.talk_ = std::make_shared<const TalkModel>(std::move(*talk));
  }
  return grammar;
}

std::optional<std::size_t> Grammar::match_at(PhraseClass cls, const std::vector<MatchWord>& words,
                                             std::size_t at) const {
  std::optional<std::size_t> best;
  for (const auto& phrase : phrases_[static_cast<std::size_t>(cls)]) {
    const auto end = match_from(phrase.elements, 0, words, at);
    if (end && *end > at && (!best || *end > *best)) best = end;
  }
  return best;
}

std::optional<Match> Grammar::find(PhraseClass cls, const std::vector<MatchWord>& words,
                                   std::size_t from) const {
  for (std::size_t at = from; at < words.size(); ++at)
    if (const auto end = match_at(cls, words, at)) return Match{nullptr, at, *end};
  return std::nullopt;
}

std::vector<Match> Grammar::cues(const std::vector<MatchWord>& words) const {
  std::vector<Match> all;
  for (const auto cls : {PhraseClass::kSecret, PhraseClass::kHarmless, PhraseClass::kNothing})
    for (const auto& phrase : phrases_[static_cast<std::size_t>(cls)])
      for (std::size_t at = 0; at < words.size(); ++at)
        if (const auto end = match_from(phrase.elements, 0, words, at); end && *end > at)
          all.push_back({&phrase, at, *end});
  // Longest first; of equal length a secret before what is harmless: in doubt it is a secret.
  std::stable_sort(all.begin(), all.end(), [](const Match& a, const Match& b) {
    return a.end - a.begin > b.end - b.begin;
  });
  std::vector<Match> kept;
  for (const auto& match : all) {
    const bool inside = std::any_of(kept.begin(), kept.end(), [&](const Match& k) {
      return match.begin < k.end && k.begin < match.end;
    });
    if (!inside) kept.push_back(match);
  }
  std::sort(kept.begin(), kept.end(),
            [](const Match& a, const Match& b) { return a.begin < b.begin; });
  return kept;
}

}  // namespace callward::listen
