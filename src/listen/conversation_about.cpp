// What the turn model adds to the grammar's phrases: questions that nobody wrote down, secrets that
// nobody asked for, numbers that are harmless by what is said around them, read-backs.
#include <algorithm>

#include "listen/conversation.hpp"

namespace callward::listen {

// Of each clause the word of the two that counts more: of it alone, or together with the one before
// ("There is a code in the e-mail. Could you read it to me?").
void Conversation::look_up_abouts(Weighing& w) const {
  const auto* model = grammar_.turns();
  if (model == nullptr) return;
  const std::span<const Token> tokens(w.tokens);
  std::size_t before = 0;
  for (auto& clause : w.clauses) {
    clause.about = model->weigh(tokens.subspan(clause.begin, clause.end - clause.begin));
    if (before < clause.begin) {
      const auto both = model->weigh(tokens.subspan(before, clause.end - before));
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

// A secret that is said without being asked for, or told: its digits and letters, or, of those that
// may be any word, all of the clause.
void Conversation::weigh_said_about(Weighing& w, const Clause& clause) {
  const auto& about = clause.about;
  if (about.says < limits_.says_min || w.whole) return;
  bool found = false;
  for (std::size_t i = 0; i < w.runs.size(); ++i) {
    const auto run = w.runs[i];
    if (w.run_done[i] || run.begin < clause.begin || run.begin >= clause.end) continue;
    find_part(w, run.begin, run.end, about.said);
    found = true;
  }
  if (!found && !any_word(about.said)) return;
  if (any_word(about.said)) find_part(w, clause.begin, clause.end, about.said);
  if (topic_.state == State::kAsked) return answer_went_on(w.heard);
  const auto side = w.heard.side == Side::kEither ? Side::kCustomer : w.heard.side;
  ask(about.said, side, w.heard, State::kAnswered);
  topic_.told = side == Side::kAgent;
  answer_went_on(w.heard);
}

// Only where no secret is being talked about: in doubt it is one.
void Conversation::weigh_harmless_about(Weighing& w, const Clause& clause) {
  const auto& about = clause.about;
  const bool secret = topic_.state == State::kAsked || topic_.state == State::kAnswered;
  if (secret && fresh(w.heard)) return;
  if (may_ask(w.heard.side) && about.asks_harmless >= limits_.harmless_min)
    return be_harmless(w.heard, 0);
  if (about.says_harmless < limits_.harmless_min) return;
  for (std::size_t i = 0; i < w.runs.size(); ++i) {
    const auto& run = w.runs[i];
    if (run.begin < clause.begin || run.begin >= clause.end || remembered_digits(run.digits) ||
        kind_of_run(run) == Secret::kCard)
      continue;
    w.run_done[i] = true;
  }
}

// Right after an answer the other side says it again: by the words around it, or not to be
// understood.
void Conversation::weigh_read_back(Weighing& w) {
  const bool answered = topic_.state == State::kAnswered || topic_.state == State::kAsked;
  if (grammar_.turns() == nullptr || w.whole || !answered || topic_.piece_ms == 0 ||
      !fresh(w.heard) || w.heard.side == topic_.answerer || w.heard.start_ms < topic_.piece_ms)
    return;
  const bool by_words = std::any_of(w.clauses.begin(), w.clauses.end(), [&](const Clause& clause) {
    return clause.about.reads_back >= limits_.reads_back_min;
  });
  if (by_words || unbelievable(w.heard)) find_whole(w, topic_.kind);
}

}  // namespace callward::listen
