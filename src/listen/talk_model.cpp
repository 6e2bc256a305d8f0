#include "listen/talk_model.hpp"

#include <algorithm>

#include "base/secret.hpp"
#include "listen/language_lines.hpp"

namespace callward::listen {
namespace {

constexpr std::string_view kHeader = "callward-turns 2";
constexpr std::size_t kSkipReach = 4;  // words between the two of a skipping pair, at most
constexpr std::size_t kLettersMin = 3, kLettersMax = 5;  // in a row
constexpr std::uint32_t kLongDigits = 6, kSomeDigits = 3;
constexpr std::string_view kOther = "*";

}  // namespace

// "4 7 1" is one number of three digits, "4 b 7" one of three parts.
std::vector<std::string> TalkModel::symbols(std::span<const Token> tokens) const {
  if (tokens.size() > kTurnTokensMax) tokens = tokens.last(kTurnTokensMax);
  const auto symbol_of = [this](const Token& token) -> std::string {
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
        return words_.contains(token.text) ? token.text : std::string(kOther);
    }
  };
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

StretchFeatures::StretchFeatures(std::span<const Token> tokens,
                                 const std::vector<std::string>& symbols) {
  if (tokens.size() > kTurnTokensMax) tokens = tokens.last(kTurnTokensMax);
  add_words(symbols);
  add_letters(tokens);
  if (std::any_of(tokens.begin(), tokens.end(), [](const Token& t) { return t.question; }))
    words_.emplace_back("?");
  std::unordered_set<std::string_view> found(words_.begin(), words_.end());
  const auto whole = [this](std::size_t at) {  // no character of several bytes is cut
    return at == letters_.size() || (letters_[at] & 0xC0) != 0x80;
  };
  for (auto length = kLettersMin; length <= kLettersMax; ++length)
    for (std::size_t at = 0; at + length <= letters_.size(); ++at)
      if (whole(at) && whole(at + length))
        found.insert(std::string_view(letters_).substr(at, length));
  all_.assign(found.begin(), found.end());
}

StretchFeatures::~StretchFeatures() {
  wipe(letters_.data(), letters_.size());
  for (auto& word : words_) wipe(word.data(), word.size());
}

// A word begins with "=", so that none is taken for letters in a row.
void StretchFeatures::add_words(const std::vector<std::string>& words) {
  const auto count = words.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto first = "=" + words[i];
    words_.push_back(first);
    if (i + 1 < count) words_.push_back(first + " " + words[i + 1]);
    if (i + 2 < count) words_.push_back(first + " " + words[i + 1] + " " + words[i + 2]);
    for (auto to = i + 2; to < count && to <= i + 1 + kSkipReach; ++to)
      words_.push_back(first + " .. " + words[to]);
  }
  if (count == 0) return;
  words_.push_back("^ " + words[0] + (count > 1 ? " " + words[1] : ""));
  words_.push_back((count > 1 ? "=" + words[count - 2] + " " : "=") + words[count - 1] + " $");
  words_.emplace_back(count <= 2 ? "<=2" : count <= 5 ? "<=5" : count <= 12 ? "<=12" : ">12");
}

// As it is written, a space before, between and behind the words. Digits and letters that are
// spelled are one "#" each.
void StretchFeatures::add_letters(std::span<const Token> tokens) {
  std::size_t size = 1;
  for (const auto& token : tokens) size += token.text.size() + 1;
  letters_.reserve(size);  // growing would leave copies behind
  letters_ += ' ';
  for (const auto& token : tokens) {
    const bool part = token.kind == TokenKind::kDigits || token.kind == TokenKind::kLetters ||
                      token.kind == TokenKind::kSpelling || token.kind == TokenKind::kAmount;
    letters_ += part ? std::string_view("#") : std::string_view(token.text);
    letters_ += ' ';
  }
  if (letters_.size() <= kTalkLettersMax) return;
  const auto extra = letters_.size() - kTalkLettersMax;
  std::copy(letters_.begin() + static_cast<std::ptrdiff_t>(extra), letters_.end(),
            letters_.begin());
  wipe(letters_.data() + kTalkLettersMax, extra);
  letters_.resize(kTalkLettersMax);
}

Result<TalkModel::Class> TalkModel::class_of(std::string_view name) {
  if (name == "none") return Class{};
  if (name == "read back") return Class{.act = Act::kReadsBack, .kind = {}};
  if (name == "answer") return Class{.act = Act::kAnswers, .kind = {}};
  if (name == "decline") return Class{.act = Act::kDeclines, .kind = {}};
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

Status TalkModel::add_line(std::string_view line) {
  constexpr std::string_view kWords = "words ";
  // A feature may begin with '#' (a number), but has a tab.
  if (line.empty() || (line.front() == '#' && line.find('\t') == std::string_view::npos)) return {};
  if (line == "model turns" || line == "model clauses") {
    auto& model = line == "model turns" ? turns_ : clauses_;
    if (!model.classes().empty() || (filling_ != nullptr && !filling_->whole()))
      return fail(Errc::kMalformed, "each model once, and whole");
    filling_ = &model;
    return {};
  }
  if (filling_ != nullptr) return filling_->add_line(line);
  if (!line.starts_with(kWords)) return fail(Errc::kMalformed, "words, then models");
  for (const auto word : split(line.substr(kWords.size()), ' '))
    if (word.empty() || !words_.emplace(word).second)
      return fail(Errc::kMalformed, "a word that is none, or stands there twice");
  if (words_.size() > kTalkWordsMax) return fail(Errc::kTooLarge, "too many words");
  return {};
}

Status TalkModel::check() {
  if (!turns_.whole() || (filling_ != nullptr && !filling_->whole()))
    return fail(Errc::kMalformed, "a model that is missing or not whole");
  for (const auto& name : turns_.classes()) acts_.push_back(TRY(class_of(name)));
  if (acts_.front().act != Act::kNone)
    return fail(Errc::kMalformed, "classes of turns begin with none");
  if (clauses_.whole() && clauses_.classes() != std::vector<std::string>{"keep", "erase"})
    return fail(Errc::kMalformed, "classes of clauses are keep and erase");
  filling_ = nullptr;
  return {};
}

Result<TalkModel> TalkModel::parse(std::string_view text) {
  if (text.size() > kLanguageFileBytesMax)
    return fail(Errc::kTooLarge, "a turn model over the limit");
  TalkModel model;
  std::size_t number = 0;
  for (const auto line : split(text, '\n')) {
    Status read;
    if (++number == 1)
      read = line == kHeader ? Status{} : fail(Errc::kMalformed, "not a turn model");
    else
      read = model.add_line(line);
    if (!read)
      return fail(read.error().code,
                  "line " + std::to_string(number) + ": " + read.error().message);
  }
  TRY(model.check());
  return model;
}

About TalkModel::about(std::span<const Token> tokens) const {
  if (tokens.empty()) return {};
  auto words = symbols(tokens);
  const auto shares = turns_.shares(StretchFeatures(tokens, words).all());
  for (auto& word : words) wipe(word.data(), word.size());
  About about;
  float best_asked = 0, best_said = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const auto share = shares[i];
    switch (acts_[i].act) {
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
      case Act::kAnswers:
        about.answers += share;
        break;
      case Act::kDeclines:
        about.declines += share;
        break;
      case Act::kAsks:
        about.asks += share;
        if (share >= best_asked) best_asked = share, about.asked = acts_[i].kind;
        break;
      case Act::kSays:
        about.says += share;
        if (share >= best_said) best_said = share, about.said = acts_[i].kind;
        break;
    }
  }
  return about;
}

std::optional<float> TalkModel::erase(std::span<const std::string_view> features) const {
  if (!clauses_.whole()) return std::nullopt;
  return clauses_.shares(features)[1];
}

}  // namespace callward::listen
