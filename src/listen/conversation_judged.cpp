// What the talk models add to the grammar's phrases (listen/talk_model.hpp): questions that nobody
// wrote down; and, clause by clause, whether to erase what the rules propose and what they do not.
#include <algorithm>

#include "listen/conversation.hpp"

namespace callward::listen {
namespace {

constexpr std::size_t kPastsMax = 8;  // turns of the call that are remembered as context
constexpr std::size_t kRareLetters = 3;
constexpr std::size_t kShortValue = 8;  // a clause with more tokens is cut down to its digits

std::string_view name_of(int state) {
  constexpr std::array<std::string_view, 5> kNames = {"none", "named", "asked", "answered",
                                                      "harmless"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace

bool Conversation::judged() const {
  const auto* talk = grammar_.talk();
  return talk != nullptr && (judge_ != nullptr || talk->judges());
}

// Of each clause the word of the two that counts more: of it alone, or together with the one before
// ("There is a code in the e-mail. Could you read it to me?").
void Conversation::look_up_abouts(Weighing& w) const {
  const auto* model = grammar_.talk();
  if (model == nullptr) return;
  const std::span<const Token> tokens(w.tokens);
  std::size_t before = 0;
  for (auto& clause : w.clauses) {
    clause.about = model->about(tokens.subspan(clause.begin, clause.end - clause.begin));
    if (before < clause.begin) {
      const auto both = model->about(tokens.subspan(before, clause.end - before));
      if (std::max(both.asks, both.says) > std::max(clause.about.asks, clause.about.says))
        clause.about = both;
    }
    before = clause.begin;
  }
}

// A question for a secret. The grammar knows its kind better, where it has a name for it.
bool Conversation::weigh_asked_about(const Weighing& w, const Clause& clause) {
  const auto& about = clause.about;
  if (!may_ask(w.heard.side) || topic_.told || about.asks < limits_.asks_min) return false;
  auto kind = about.asked;
  for (const auto& cue : w.cues)
    if (cue.begin >= clause.begin && cue.begin < clause.end &&
        cue.phrase->cls == PhraseClass::kSecret)
      kind = static_cast<Secret>(cue.phrase->kind);
  ask(kind, Side::kCustomer, w.heard, State::kAsked);
  return true;
}

std::string_view Conversation::content_in(const Weighing& w, const Clause& clause) const {
  Content content;
  for (auto i = clause.begin; i < clause.end; ++i) {
    const auto& token = w.tokens[i];
    if (token.kind == TokenKind::kDigits) content.digits += std::max(token.weight, 1u);
    if (token.kind == TokenKind::kLetters || token.kind == TokenKind::kSpelling)
      content.letters += std::max(token.weight, 1u);
    if (token.kind == TokenKind::kAmount) content.amount = true;
    if (token.kind == TokenKind::kWord && token.text.size() >= kRareLetters &&
        !grammar_.talk()->knows(token.text))
      ++content.rare;
  }
  content.phrases = only_phrases(w, clause.begin, clause.end, &content.declined);
  return content_of(content);
}

Secret Conversation::kind_in(const Weighing& w, const Clause& clause, const Topic& before) const {
  for (const auto& proposal : w.proposals)
    if (proposal.meets(clause.begin, clause.end)) return proposal.finding.kind;
  if (before.state == State::kAsked || before.state == State::kAnswered) return before.kind;
  return clause.about.says >= limits_.says_min ? clause.about.said : Secret::kSecretLike;
}

ClauseView Conversation::view_of(const Weighing& w, const Clause& clause) const {
  ClauseView view{.agent = w.heard.side == Side::kAgent, .start_ms = w.heard.start_ms};
  int others = 0;
  for (auto past = pasts_.rbegin(); past != pasts_.rend(); ++past) {
    const bool other = past->stream != w.heard.stream || w.heard.side == Side::kEither;
    if (other && !past->small && others < 2) (others++ == 0 ? view.other : view.earlier) = &*past;
    if (past->stream == w.heard.stream && view.last == nullptr) view.last = &*past;
  }
  view.rule = kNoRule;
  for (const auto& proposal : w.proposals)
    if (proposal.meets(clause.begin, clause.end)) view.rule = reason_of(proposal.finding.kind);
  for (const auto& cue : w.cues) {
    if (cue.begin < clause.begin || cue.begin >= clause.end) continue;
    view.secret_cue = view.secret_cue || cue.phrase->cls == PhraseClass::kSecret;
    view.harmless_cue = view.harmless_cue || cue.phrase->cls == PhraseClass::kHarmless;
  }
  std::uint32_t sum = 0;
  for (auto i = clause.begin; i < clause.end; ++i) sum += w.tokens[i].confidence;
  view.confidence =
      static_cast<std::uint8_t>(sum / std::max<std::size_t>(1, clause.end - clause.begin));
  view.secret_known = secret_known_;
  return view;
}

// The turn as those that come after it see it.
Conversation::Past Conversation::past_of(const Weighing& w) const {
  Past past;
  past.stream = w.heard.stream;
  past.end_ms = w.heard.end_ms;
  bool declined = false;
  past.small = only_phrases(w, 0, w.tokens.size(), &declined) && !declined;
  float most = -1;
  for (const auto& clause : w.clauses) {
    past.question = past.question || clause.question;
    const auto& about = clause.about;
    const auto weight = std::max({2 * about.asks, about.says, about.asks_harmless});
    if (weight <= most) continue;
    most = weight;
    past.about = about;
  }
  return past;
}

// A number stands in the clause, and `fits` is true of each.
template <class Fits>
bool Conversation::all_runs(const Weighing& w, const Clause& clause, const Fits& fits) {
  std::size_t runs = 0;
  for (const auto& run : w.runs) {
    if (run.begin < clause.begin || run.begin >= clause.end) continue;
    if (!fits(run)) return false;
    ++runs;
  }
  return runs > 0;
}

// "My number is ...": the speaker says of every number in it that it is something else.
bool Conversation::explained(const Weighing& w, const Clause& clause) const {
  return all_runs(w, clause, [&](const Run& run) { return harmless_label(w, run).has_value(); });
}

// A ticket's number that was told is said again while it is written down. Only the very same
// number, while no secret is talked about.
bool Conversation::known_to_stay(const Weighing& w, const Clause& clause) const {
  return all_runs(w, clause, [this](const Run& run) {
    return std::find(kept_digits_.begin(), kept_digits_.end(), run.digits) != kept_digits_.end();
  });
}

void Conversation::remember_kept(const Weighing& w) {
  for (const auto& run : w.runs) {
    const bool erased = std::any_of(w.proposals.begin(), w.proposals.end(),
                                    [&](const Proposal& p) { return p.meets(run.begin, run.end); });
    if (!erased && run.digits.size() >= kRememberedDigitsMin && kept_digits_.size() < kMemoryMax)
      kept_digits_.push_back(run.digits);
  }
}

// Each clause by the model; what the rules are sure of stays as they found it.
void Conversation::judge(Weighing& w, const Topic& before) {
  const std::span<const Token> tokens(w.tokens);
  std::vector<Said> said;
  for (const auto& clause : w.clauses)
    said.push_back({.about = clause.about, .question = clause.question});
  const bool open = before.state == State::kAsked;
  for (std::size_t i = 0; i < w.clauses.size(); ++i) {
    auto& clause = w.clauses[i];
    auto view = view_of(w, clause);
    view.own = &said[i];
    view.before = i > 0 ? &said[i - 1] : nullptr;
    view.topic = name_of(static_cast<int>(before.state));
    view.kind = of_secret(before) ? reason_of(before.kind) : std::string_view();
    view.content = content_in(w, clause);
    const auto features = clause_features(view);
    const auto clause_tokens = tokens.subspan(clause.begin, clause.end - clause.begin);
    const auto least = view.rule != kNoRule               ? limits_.stay_max
                       : open                             ? limits_.erase_min
                       : before.state == State::kHarmless ? limits_.harmless_min
                                                          : limits_.unasked_min;
    clause.erase =
        judge_ ? judge_(features, clause_tokens)
               : grammar_.talk()
                         ->erase(std::vector<std::string_view>(features.begin(), features.end()))
                         .value_or(1) >= least;
    const bool other = view.rule == kNoRule && !view.secret_cue && explained(w, clause);
    const bool talked_of = of_secret(before) || of_secret(topic_) || view.secret_cue;
    const bool again = !talked_of && known_to_stay(w, clause);
    if (!judge_ && (other || again)) clause.erase = false;
    said[i].secret = clause.erase;
  }
  settle_judged(w, before);
  remember_kept(w);
  auto past = past_of(w);
  past.secret = !w.proposals.empty();
  secret_known_ = secret_known_ || past.secret;
  if (pasts_.size() == kPastsMax) pasts_.erase(pasts_.begin());
  pasts_.push_back(past);
}

// The rules' proposals stay where the model does not say that they should not; what it adds are
// whole clauses, and the whole turn where most of an answer is secret.
void Conversation::settle_judged(Weighing& w, const Topic& before) {
  std::size_t erased = 0;
  for (const auto& clause : w.clauses) erased += clause.erase ? clause.end - clause.begin : 0;
  std::erase_if(w.proposals, [&](const Proposal& proposal) {
    return !proposal.sure && std::none_of(w.clauses.begin(), w.clauses.end(), [&](const Clause& c) {
      return c.erase && proposal.meets(c.begin, c.end);
    });
  });
  w.whole = false;
  const auto first =
      std::find_if(w.clauses.begin(), w.clauses.end(), [](const Clause& c) { return c.erase; });
  if (first != w.clauses.end()) {
    const auto kind = kind_in(w, *first, before);
    const bool answering = before.state == State::kAsked && answers(w.heard.side);
    const bool short_one = any_word(kind) || w.tokens.size() <= kShortValue;
    if ((answering && 2 * erased >= w.tokens.size()) ||
        (short_one && erased + 1 >= w.tokens.size())) {
      w.proposals.clear();
      find_whole(w, kind);
    }
  }
  for (const auto& clause : w.clauses)
    if (clause.erase && !w.whole) find_clause(w, clause, kind_in(w, clause, before));
  if (erased > 0 && (topic_.state == State::kAsked || topic_.state == State::kAnswered) &&
      answers(w.heard.side))
    answer_went_on(w.heard);
}

void Conversation::find_clause(Weighing& w, const Clause& clause, Secret kind) {
  for (const auto& proposal : w.proposals)
    if (proposal.meets(clause.begin, clause.end)) return;
  auto begin = clause.begin, end = clause.end;
  if (!any_word(kind) && end - begin > kShortValue) {  // "so I type ... and it says ..."
    auto first = end, last = begin;
    for (const auto& run : w.runs)
      if (run.begin >= begin && run.begin < end)
        first = std::min(first, run.begin), last = std::max(last, run.end);
    if (first < last) begin = first, end = last;
  }
  find_part(w, begin, end, kind);
}

}  // namespace callward::listen
