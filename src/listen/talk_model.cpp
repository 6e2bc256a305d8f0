#include "listen/turn_model.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace callward::listen {
namespace {

constexpr std::string_view kHeader = "callward-turns 1";
constexpr std::size_t kSkipReach = 4;    // words between the two of a skipping pair, at most
constexpr std::size_t kStemLetters = 5;  // of a word, in case its end was heard wrongly
constexpr std::uint32_t kLongDigits = 6, kSomeDigits = 3;

// What a token is to the model: numbers and letters are what they are, not which.
std::string symbol_of(const Token& token) {
  switch (token.kind) {
    case TokenKind::kDigits:
      return "#";
    case TokenKind::kAmount:
      return "#amount";
    case TokenKind::kLetters:
      return "#letter";
    case TokenKind::kSpelling:
      return "#nato";
    default:
      return token.text;
  }
}

// "4 7 1" is one number of three digits, "4 b 7" one of three parts.
std::vector<std::string> symbols_of(std::span<const Token> tokens) {
  if (tokens.size() > kTurnTokensMax) tokens = tokens.last(kTurnTokensMax);
  std::vector<std::string> symbols;
  std::uint32_t parts = 0;  // of the number that the last symbol is
  for (const auto& token : tokens) {
    auto symbol = symbol_of(token);
    if (symbol.front() != '#' || symbol == "#amount") {
      parts = 0;
      symbols.push_back(std::move(symbol));
      continue;
    }
    const bool goes_on = parts > 0;
    parts += std::max<std::uint32_t>(token.weight, 1);
    const bool mixed = goes_on && symbols.back() != symbol;
    if (parts >= kSomeDigits && (symbol == "#" || mixed))
      symbol = parts >= kLongDigits ? "#long" : "#some";
    if (goes_on)
      symbols.back() = std::move(symbol);
    else
      symbols.push_back(std::move(symbol));
  }
  return symbols;
}

template <class Number>
Result<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return fail(Errc::kMalformed, "not a number");
  return value;
}

std::vector<std::string_view> words_of(std::string_view line, char by) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto at = std::min(line.find(by), line.size());
    if (at > 0) words.push_back(line.substr(0, at));
    line.remove_prefix(std::min(at + 1, line.size()));
  }
  return words;
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::vector<std::string> turn_features(std::span<const Token> tokens) {
  const auto words = symbols_of(tokens);
  std::set<std::string> found;
  const auto count = words.size();
  for (std::size_t i = 0; i < count; ++i) {
    found.insert(words[i]);
    if (words[i].size() > kStemLetters && words[i].front() != '#')
      found.insert(words[i].substr(0, kStemLetters) + "~");
    if (i + 1 < count) found.insert(words[i] + " " + words[i + 1]);
    if (i + 2 < count) found.insert(words[i] + " " + words[i + 1] + " " + words[i + 2]);
    for (auto to = i + 2; to < count && to <= i + 1 + kSkipReach; ++to)
      found.insert(words[i] + " .. " + words[to]);
  }
  if (count > 0) {
    found.insert("^ " + words[0] + (count > 1 ? " " + words[1] : ""));
    found.insert((count > 1 ? words[count - 2] + " " : "") + words[count - 1] + " $");
    found.insert(count <= 2 ? "<=2" : count <= 5 ? "<=5" : count <= 12 ? "<=12" : ">12");
  }
  if (std::any_of(tokens.begin(), tokens.end(), [](const Token& t) { return t.question; }))
    found.insert("?");
  return {found.begin(), found.end()};
}

Result<TurnModel::Class> TurnModel::class_of(std::string_view name) {
  if (name == "none") return Class{};
  if (name == "read back") return Class{.act = Act::kReadsBack, .kind = {}};
  for (const auto& [verb, act, harmless] :
       {std::tuple{std::string_view("ask "), Act::kAsks, Act::kAsksHarmless},
        std::tuple{std::string_view("say "), Act::kSays, Act::kSaysHarmless}}) {
    if (!name.starts_with(verb)) continue;
    const auto what = name.substr(verb.size());
    if (what == "harmless") return Class{.act = harmless, .kind = {}};
    if (const auto kind = secret_of(what)) return Class{.act = act, .kind = *kind};
  }
  return fail(Errc::kMalformed, "an unknown class");
}

Status TurnModel::add_classes(std::string_view line) {
  for (const auto name : words_of(line, '|')) classes_.push_back(TRY(class_of(trim(name))));
  if (classes_.empty() || classes_.size() > kTurnClassesMax || classes_[0].act != Act::kNone)
    return fail(Errc::kMalformed, "classes begin with none");
  return {};
}

Status TurnModel::add_bias(std::string_view line) {
  for (const auto word : words_of(line, ' ')) bias_.push_back(TRY(number_of<int>(word)));
  if (bias_.size() != classes_.size())
    return fail(Errc::kMalformed, "as many biases as there are classes");
  return {};
}

Status TurnModel::add_feature(std::string_view line) {
  const auto tab = line.find('\t');
  if (tab == std::string_view::npos || tab == 0)
    return fail(Errc::kMalformed, "a feature, a tab, and its weights");
  if (weights_.size() >= kTurnFeaturesMax) return fail(Errc::kTooLarge, "too many features");
  std::vector<Weight> weights;
  for (const auto word : words_of(line.substr(tab + 1), ' ')) {
    const auto colon = std::min(word.find(':'), word.size());
    const auto cls = TRY(number_of<std::uint8_t>(word.substr(0, colon)));
    if (cls >= classes_.size() || colon == word.size())
      return fail(Errc::kMalformed, "class:weight");
    weights.push_back({cls, TRY(number_of<std::int16_t>(word.substr(colon + 1)))});
  }
  if (!weights_.emplace(line.substr(0, tab), std::move(weights)).second)
    return fail(Errc::kMalformed, "a feature that stands there twice");
  return {};
}

Result<TurnModel> TurnModel::parse(std::string_view text) {
  if (text.size() > kLanguageFileBytesMax)
    return fail(Errc::kTooLarge, "a turn model over the limit");
  TurnModel model;
  std::size_t number = 0;
  for (auto rest = text; !rest.empty();) {
    const auto at = std::min(rest.find('\n'), rest.size());
    const auto line = rest.substr(0, at);
    rest.remove_prefix(std::min(at + 1, rest.size()));
    const auto read = [&]() -> Status {
      if (++number == 1)
        return line == kHeader ? Status{} : fail(Errc::kMalformed, "not a turn model");
      if (line.empty() || line.front() == '#') {
        // A feature may begin with '#' (a number), but has a tab.
        if (line.find('\t') == std::string_view::npos) return {};
      }
      if (model.classes_.empty() && line.starts_with("classes "))
        return model.add_classes(line.substr(8));
      if (model.bias_.empty() && line.starts_with("bias ")) return model.add_bias(line.substr(5));
      if (model.bias_.empty()) return fail(Errc::kMalformed, "classes, then their bias");
      return model.add_feature(line);
    }();
    if (!read)
      return fail(read.error().code,
                  "line " + std::to_string(number) + ": " + read.error().message);
  }
  if (model.bias_.empty()) return fail(Errc::kMalformed, "no classes");
  return model;
}

About TurnModel::weigh(std::span<const Token> tokens) const {
  if (tokens.empty()) return {};
  std::vector<double> sums(bias_.begin(), bias_.end());
  for (const auto& feature : turn_features(tokens))
    if (const auto found = weights_.find(feature); found != weights_.end())
      for (const auto& weight : found->second) sums[weight.cls] += weight.hundredths;
  const auto most = *std::max_element(sums.begin(), sums.end());
  double all = 0;
  for (auto& sum : sums) all += sum = std::exp((sum - most) / 100);
  About about;
  float best_asked = 0, best_said = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto share = static_cast<float>(sums[i] / all);
    switch (classes_[i].act) {
      case Act::kNone:
        break;
      case Act::kAsksHarmless:
        about.asks_harmless += share;
        break;
      case Act::kSaysHarmless:
        about.says_harmless += share;
        break;
      case Act::kReadsBack:
        about.reads_back += share;
        break;
      case Act::kAsks:
        about.asks += share;
        if (share >= best_asked) best_asked = share, about.asked = classes_[i].kind;
        break;
      case Act::kSays:
        about.says += share;
        if (share >= best_said) best_said = share, about.said = classes_[i].kind;
        break;
    }
  }
  return about;
}

}  // namespace callward::listen
