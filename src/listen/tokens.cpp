#include "listen/tokens.hpp"

#include <algorithm>
#include <array>

namespace callward::listen {
namespace {

constexpr std::size_t kBetweenMax = 4;       // fillers between two parts of a run
constexpr std::size_t kAmountTokensMax = 4;  // "one hundred twenty two dollars"
constexpr std::uint32_t kAmountWeightMax = 6;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// "$49.95", "10%", "21st", "3:30", "7pm": numbers that say themselves what they are.
bool is_written_amount(std::string_view raw) {
  if (raw.empty() || std::none_of(raw.begin(), raw.end(), is_digit)) return false;
  if (raw.front() == '$' || raw.back() == '%' || raw.find("\xC2\xA3") == 0 ||
      raw.find("\xE2\x82\xAC") == 0)
    return true;
  std::string low;
  for (const char c : raw) low += lower(c);
  while (!low.empty() && !is_digit(low.back()) && !is_letter(low.back())) low.pop_back();
  for (const std::string_view tail : {"st", "nd", "rd", "th", "am", "pm", "s", "gb", "mb"}) {
    if (low.size() > tail.size() && low.ends_with(tail) &&
        std::all_of(low.begin(), low.end() - static_cast<std::ptrdiff_t>(tail.size()),
                    [](char c) { return is_digit(c) || c == ':'; }))
      return true;
  }
  const auto point = low.find_first_of(".:");
  return point != std::string::npos && point > 0 && low.size() - point == 3 &&
         is_digit(low[point + 1]) && is_digit(low[point + 2]) &&
         std::all_of(low.begin(), low.begin() + static_cast<std::ptrdiff_t>(point), is_digit);
}

struct Piece {
  std::string text;
  bool upper = false;  // all of it in capitals
};

// "one-time" -> one, time; "what's" -> whats; "4-7-3" -> 4, 7, 3; "#9" -> hash, 9.
std::vector<Piece> pieces_of(std::string_view raw) {
  static constexpr std::array<std::pair<char, std::string_view>, 12> kSigns = {{{'#', "hash"},
                                                                                {'@', "at"},
                                                                                {'_', "underscore"},
                                                                                {'*', "star"},
                                                                                {'&', "ampersand"},
                                                                                {'+', "plus"},
                                                                                {'=', "equals"},
                                                                                {'$', "dollar"},
                                                                                {'%', "percent"},
                                                                                {'/', "slash"},
                                                                                {'\\', "backslash"},
                                                                                {'~', "tilde"}}};
  std::vector<Piece> pieces(1);
  const auto cut = [&pieces] {
    if (!pieces.back().text.empty()) pieces.emplace_back();
  };
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (is_digit(c) || is_letter(c)) {
      if (pieces.back().text.empty()) pieces.back().upper = true;
      pieces.back().upper = pieces.back().upper && (is_upper(c) || is_digit(c));
      pieces.back().text += lower(c);
    } else if (c == '\'') {
      pieces.back().upper = false;
    } else {
      const bool joins =
          c == ',' && i > 0 && i + 1 < raw.size() && is_digit(raw[i - 1]) && is_digit(raw[i + 1]);
      if (joins) continue;  // "938,570": grouped by the recogniser, not by the speaker
      cut();
      for (const auto& [sign, name] : kSigns) {
        if (c != sign) continue;
        pieces.back().text = name;
        cut();
      }
    }
  }
  if (pieces.back().text.empty()) pieces.pop_back();
  return pieces;
}

// Words that begin with a curly apostrophe and the like are treated as the plain ones.
std::string plain_apostrophes(std::string_view raw) {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw.substr(i, 3) == "\xE2\x80\x99") {
      out += '\'';
      i += 2;
    } else {
      out += raw[i];
    }
  }
  return out;
}

void classify_number(Token& token, int number) {
  token.kind = TokenKind::kDigits;
  token.strong = true;
  token.value = std::to_string(number == 100 ? 0 : number);
  token.weight = number == 100 ? 1 : static_cast<std::uint32_t>(token.value.size());
}

void classify(const Grammar& grammar, Token& token, bool upper) {
  const auto& text = token.text;
  const auto digits = static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_digit));
  if (digits > 0) {
    token.kind = TokenKind::kDigits;
    token.value = text;
    token.weight = static_cast<std::uint32_t>(text.size());
    token.strong = true;
    return;
  }
  if (const auto number = grammar.digit(text)) {
    classify_number(token, *number);
    token.strong = text != "o";
    if (text == "oh" || text == "o")
      token.strong = false, token.homophone = true, token.kind = TokenKind::kLetters;
    return;
  }
  token.homophone = grammar.homophone(text).has_value();
  if (token.homophone) token.value = std::to_string(*grammar.homophone(text));
  if (grammar.is_spelling(text))
    token.kind = TokenKind::kSpelling, token.value = text.substr(0, 1), token.weight = 1;
  else if (grammar.repeat(text))
    token.kind = TokenKind::kModifier, token.weight = 1;
  else if (text.size() == 1 && text != "a" && text != "i")
    token.kind = TokenKind::kLetters, token.value = text, token.weight = 1, token.strong = true;
  else if (upper && text.size() >= 2 && text.size() <= 4 &&
           text.find_first_of("aeiou") == std::string::npos)
    token.kind = TokenKind::kLetters, token.value = text,
    token.weight = static_cast<std::uint32_t>(text.size());
  else if (grammar.is_symbol(text))
    token.kind = TokenKind::kSymbol;
  else if (grammar.is_modifier(text))
    token.kind = TokenKind::kModifier;
  else if (grammar.is_filler(text))
    token.kind = TokenKind::kFiller;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// "this one", "one of them": no digit.
void demote_pronoun(std::vector<Token>& tokens, std::size_t i) {
  if (tokens[i].text != "one") return;
  const auto before = i > 0 ? std::string_view(tokens[i - 1].text) : std::string_view{};
  const auto after =
      i + 1 < tokens.size() ? std::string_view(tokens[i + 1].text) : std::string_view{};
  if (!is_one_of(before,
                 {"this", "that", "which", "the", "another", "no", "any", "each", "every", "new",
                  "old", "other", "right", "only", "wrong", "good", "last", "first", "next"}) &&
      !is_one_of(after, {"of", "more", "moment", "second", "sec", "time", "thing"}))
    return;
  tokens[i].kind = TokenKind::kWord;
  tokens[i].weight = 0;
  tokens[i].strong = false;
}

bool is_month(std::string_view word) {
  return is_one_of(word, {"january", "february", "march", "april", "june", "july", "august",
                          "september", "october", "november", "december"});
}

// "14th", "fourteenth".
bool is_ordinal(const Token& token) {
  return token.kind == TokenKind::kAmount || token.text.ends_with("th") ||
         is_one_of(token.text, {"first", "second", "third"});
}

void to_amount(Token& token) {
  token.kind = TokenKind::kAmount;
  token.strong = false;
  token.weight = 0;
}

// "forty nine dollars", "March the fourteenth, 2024".
void mark_amounts(const Grammar& grammar, std::vector<Token>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!grammar.is_unit(tokens[i].text)) continue;
    std::uint32_t weight = 0;
    std::size_t first = i;
    // "dollar sign" is a symbol of a password; "dollars" and "dollar" after a number are not.
    const bool sign = i + 1 < tokens.size() && tokens[i + 1].text == "sign";
    while (!sign && first > 0 && i - first < kAmountTokensMax &&
           (tokens[first - 1].kind == TokenKind::kDigits ||
            (first < i && tokens[first - 1].text == "and")))
      weight += tokens[--first].weight;
    const bool longer = first > 0 && tokens[first - 1].kind == TokenKind::kDigits;
    if (weight > 0 && weight <= kAmountWeightMax && !longer)
      for (auto at = first; at < i; ++at) to_amount(tokens[at]);
    if (!is_month(tokens[i].text)) continue;
    std::uint32_t after = 0;
    for (auto at = i + 1;
         at < tokens.size() && at <= i + kAmountTokensMax && after < kAmountWeightMax; ++at) {
      if (tokens[at].kind != TokenKind::kDigits) {
        if (tokens[at].text == "the" || tokens[at].text == "of" || is_ordinal(tokens[at])) continue;
        break;
      }
      after += tokens[at].weight;
      to_amount(tokens[at]);
    }
  }
}

void append_word(const Grammar& grammar, const Word& word, std::vector<Token>& tokens) {
  const auto raw = plain_apostrophes(word.text);
  const bool amount = is_written_amount(raw);
  auto pieces = pieces_of(raw);
  if (amount) {
    std::string all;
    for (const char c : raw)
      if (is_digit(c) || is_letter(c)) all += lower(c);
    pieces = {{all, false}};
  }
  const auto first = tokens.size();
  const auto span = word.end_ms > word.start_ms ? word.end_ms - word.start_ms : 0;
  for (std::size_t i = 0; i < pieces.size() && tokens.size() < kTokensMax; ++i) {
    Token token;
    token.text = std::move(pieces[i].text);
    token.start_ms = word.start_ms + static_cast<std::uint32_t>(span * i / pieces.size());
    token.end_ms = word.start_ms + static_cast<std::uint32_t>(span * (i + 1) / pieces.size());
    token.confidence = word.confidence;
    classify(grammar, token, pieces[i].upper);
    if (amount) to_amount(token);
    tokens.push_back(std::move(token));
  }
  if (tokens.size() == first || raw.empty()) return;
  const char last = raw.back();
  tokens.back().question = last == '?';
  tokens.back().clause_end = last == '?' || last == '.' || last == '!';
}

}  // namespace

std::vector<Token> tokenize(const Grammar& grammar, std::span<const Word> words) {
  std::vector<Token> tokens;
  for (const auto& word : words) append_word(grammar, word, tokens);
  for (std::size_t i = 0; i < tokens.size(); ++i) demote_pronoun(tokens, i);
  mark_amounts(grammar, tokens);
  return tokens;
}

std::vector<MatchWord> match_words(std::span<const Token> tokens) {
  std::vector<MatchWord> words;
  words.reserve(tokens.size());
  for (const auto& token : tokens)
    words.push_back(
        {token.text, token.kind == TokenKind::kDigits || token.kind == TokenKind::kAmount});
  return words;
}

namespace {

// Whether token i counts as a part, given what stands near it.
struct PartFinder {
  std::span<const Token> tokens;
  const std::vector<bool>& skip;
  bool lenient;

  [[nodiscard]] bool strong(std::size_t i) const { return !skip[i] && tokens[i].strong; }
  [[nodiscard]] bool near_strong(std::size_t i) const {
    const auto from = i >= 2 ? i - 2 : 0;
    for (auto at = from; at <= i + 2 && at < tokens.size(); ++at)
      if (at != i && (strong(at) || (!skip[at] && tokens[at].kind == TokenKind::kSpelling &&
                                     tokens[i].kind == TokenKind::kSpelling)))
        return true;
    return false;
  }
  [[nodiscard]] bool part(std::size_t i) const {
    if (skip[i]) return false;
    const auto& token = tokens[i];
    if (token.strong) return true;
    if (token.kind == TokenKind::kSpelling || token.kind == TokenKind::kLetters)
      return near_strong(i);
    return lenient && token.homophone && near_strong(i);
  }
  [[nodiscard]] bool between(std::size_t i) const {
    const auto& token = tokens[i];
    return !skip[i] &&
           (token.kind == TokenKind::kFiller || token.kind == TokenKind::kSymbol ||
            token.kind == TokenKind::kModifier || token.homophone || token.text == "a" ||
            token.text == "i" || token.text == "the" || token.text == "for");
  }
  [[nodiscard]] bool trim(std::size_t i) const {
    return !skip[i] &&
           (tokens[i].kind == TokenKind::kSymbol || tokens[i].kind == TokenKind::kModifier);
  }
};

void add_part(const Grammar& grammar, std::span<const Token> tokens, std::size_t i, Run& run) {
  const auto& token = tokens[i];
  std::uint32_t times = 1;
  if (i > 0)
    if (const auto repeat = grammar.repeat(tokens[i - 1].text))
      times = static_cast<std::uint32_t>(*repeat);
  const auto weight = std::max<std::uint32_t>(token.weight, 1);
  // "forty nine" are the two digits 4 and 9.
  const bool tens = i > 0 && tokens[i - 1].kind == TokenKind::kDigits && token.value.size() == 1 &&
                    tokens[i - 1].value.size() == 2 && tokens[i - 1].value[1] == '0' &&
                    token.value != "0" &&
                    tokens[i - 1].text.find_first_of("0123456789") == std::string::npos;
  if (tens && !run.digits.empty()) {
    run.digits.back() = token.value[0];
    return;
  }
  run.weight += weight * times;
  for (std::uint32_t n = 0; n < times; ++n) run.digits += token.value;
}

}  // namespace

std::vector<Run> find_runs(const Grammar& grammar, std::span<const Token> tokens,
                           const std::vector<bool>& skip, bool lenient) {
  const PartFinder finder{tokens, skip, lenient};
  std::vector<Run> runs;
  std::size_t i = 0;
  while (i < tokens.size()) {
    if (!finder.part(i)) {
      ++i;
      continue;
    }
    Run run{.begin = i, .end = i + 1, .weight = 0, .digits = {}};
    add_part(grammar, tokens, i, run);
    for (auto at = i + 1;
         at < tokens.size() && at - run.end <= kBetweenMax && !tokens[run.end - 1].question; ++at) {
      if (finder.part(at)) {
        add_part(grammar, tokens, at, run);
        run.end = at + 1;
      } else if (!finder.between(at)) {
        break;
      }
    }
    while (run.begin > 0 && finder.trim(run.begin - 1) &&
           (runs.empty() || runs.back().end < run.begin))
      --run.begin;
    while (run.end < tokens.size() && finder.trim(run.end)) ++run.end;
    i = run.end;
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace callward::listen
