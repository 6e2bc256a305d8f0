#include "listen/conversation.hpp"

#include <algorithm>

#include "base/secret.hpp"
#include "listen/turn_part.hpp"

namespace callward::listen {
namespace {

constexpr std::size_t kRareWordLetters = 4;
constexpr std::uint32_t kSecretWeightMin = 2;  // so many secret-like tokens need no question
constexpr std::size_t kCardDigitsMin = 13;     // no phone, ticket or order number is as long
constexpr std::size_t kCardDigitsMax = 19;
constexpr std::size_t kLabelReach = 14;  // tokens between a label and its number
constexpr std::size_t kShortClause = 5;
constexpr std::size_t kCorrectionReach = 2;
constexpr std::uint8_t kNoSpeechSure = 200;

void wipe_text(std::string& text) { wipe(text.data(), text.size()); }

bool near(std::string_view a, std::string_view b) {  // at most one letter apart
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > 1) return false;
  std::size_t i = 0;
  while (i < a.size() && a[i] == b[i]) ++i;
  const auto rest_a = a.substr(i), rest_b = b.substr(i);
  if (rest_b.empty()) return true;
  return a.size() == b.size() ? rest_a.substr(1) == rest_b.substr(1) : rest_a == rest_b.substr(1);
}

}  // namespace

// Room for all of it: growing would leave copies behind.
Conversation::Conversation(const Grammar& grammar, ConversationLimits limits)
    : grammar_(grammar), limits_(limits) {
  secret_words_.reserve(kMemoryMax);
  secret_digits_.reserve(kMemoryMax);
  kept_digits_.reserve(kMemoryMax);
}

Conversation::~Conversation() {
  for (auto& word : secret_words_) wipe_text(word);
  for (auto& digits : secret_digits_) wipe_text(digits);
  for (auto& digits : kept_digits_) wipe_text(digits);
}

// ---- time ---------------------------------------------------------------------------------------

void Conversation::advance(std::uint32_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  std::uint32_t life = 0;
  switch (topic_.state) {
    case State::kNone:
      return;
    case State::kNamed:
    case State::kAsked:
      life = limits_.asked_ms_max;
      break;
    case State::kAnswered:
      life = limits_.answered_ms_max;
      break;
    case State::kHarmless:
      life = limits_.harmless_ms_max;
      break;
  }
  if (now_ms_ > topic_.last_ms + life) topic_ = {};
}

std::optional<std::uint32_t> Conversation::open_since_ms() const {
  if (topic_.state == State::kAsked && topic_.piece_ms == 0) return topic_.since_ms;
  const bool answering = topic_.state == State::kAsked || topic_.state == State::kAnswered;
  if (answering && topic_.piece_ms != 0 && now_ms_ < topic_.piece_ms + limits_.settle_ms)
    return topic_.since_ms;
  return std::nullopt;
}

void Conversation::ask(Secret kind, Side answerer, const Heard& heard, State state) {
  topic_ = {.state = state,
            .kind = kind,
            .answerer = answerer,
            .told = false,
            .since_ms = heard.start_ms,
            .last_ms = heard.end_ms,
            .piece_ms = 0,
            .piece_stream = 0,
            .moved_on = 0};
}

void Conversation::be_harmless(const Heard& heard) {
  topic_ = {};
  topic_.state = State::kHarmless;
  topic_.since_ms = heard.start_ms;
  topic_.last_ms = heard.end_ms;
}

void Conversation::answer_went_on(const Heard& heard) {
  topic_.piece_ms = topic_.last_ms = heard.end_ms;
  topic_.piece_stream = heard.stream;
  topic_.moved_on = 0;
}

// One stream that carries both sides (a mixed recording) may ask as well as answer.
bool Conversation::answers(Side side) const {
  return side == topic_.answerer || side == Side::kEither;
}
bool Conversation::may_ask(Side side) { return side != Side::kCustomer; }

// ---- what a turn is -----------------------------------------------------------------------------

bool Conversation::unbelievable(const Heard& heard) const {
  if (heard.failed || heard.flags != 0 || heard.words.empty()) return true;
  std::uint32_t sum = 0;
  for (const auto& word : heard.words) sum += word.confidence;
  const auto mean = sum / heard.words.size();
  return mean < limits_.confidence_min || (heard.no_speech > kNoSpeechSure && mean < 128);
}

bool Conversation::is_rare(const Token& token) const {
  return token.kind == TokenKind::kWord && token.text.size() >= kRareWordLetters &&
         !grammar_.is_common(token.text);
}

bool Conversation::remembered(const Token& token) const {
  if (!is_rare(token)) return false;
  return std::any_of(secret_words_.begin(), secret_words_.end(), [&](const std::string& word) {
    return token.text == word ||
           (word.size() >= 5 && token.text.size() >= 5 && near(token.text, word));
  });
}

bool Conversation::remembered_digits(const std::string& digits) const {
  if (digits.size() < kRememberedDigitsMin) return false;
  return std::any_of(secret_digits_.begin(), secret_digits_.end(), [&](const std::string& known) {
    return known.size() >= kRememberedDigitsMin &&
           (known.find(digits) != std::string::npos || digits.find(known) != std::string::npos);
  });
}

// A card's digits, and a secret said again: no model takes them back (invariants 2 and 3).
bool Conversation::sure_of(const Weighing& w, std::size_t begin, std::size_t end) const {
  const bool in_runs = std::any_of(w.runs.begin(), w.runs.end(), [&](const Run& run) {
    return run.begin < end && begin < run.end &&
           (kind_of_run(run) == Secret::kCard || remembered_digits(run.digits));
  });
  const auto tokens = std::span(w.tokens).subspan(begin, end - begin);
  return in_runs || std::any_of(tokens.begin(), tokens.end(),
                                [this](const Token& token) { return remembered(token); });
}

void Conversation::remember(const Weighing& w, std::size_t begin, std::size_t end) {
  for (auto i = begin; i < end && i < w.tokens.size(); ++i)
    if (is_rare(w.tokens[i]) && !w.cue_token[i] && !remembered(w.tokens[i]) &&
        secret_words_.size() < kMemoryMax)
      secret_words_.push_back(w.tokens[i].text);
  for (const auto& run : w.runs)
    if (run.begin >= begin && run.end <= end && run.digits.size() >= 3 &&
        secret_digits_.size() < kMemoryMax)
      secret_digits_.push_back(run.digits);
}

std::vector<Conversation::Clause> Conversation::clauses_of(const Weighing& w) {
  std::vector<Clause> clauses;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < w.tokens.size(); ++i) {
    if (!w.tokens[i].clause_end && i + 1 < w.tokens.size()) continue;
    clauses.push_back({begin, i + 1, w.tokens[i].question, {}});
    begin = i + 1;
  }
  return clauses;
}

bool Conversation::is_request(const Weighing& w, const Clause& clause) const {
  if (clause.question) return true;
  for (auto at = clause.begin; at < clause.end; ++at)
    if (const auto end = grammar_.match_at(PhraseClass::kRequest, w.words, at);
        end && *end <= clause.end)
      return true;
  return false;
}

// Whether tokens [begin, end) are made of acknowledgements, stalling and declining alone.
bool Conversation::only_phrases(const Weighing& w, std::size_t begin, std::size_t end,
                                bool* declined) const {
  *declined = false;
  for (auto i = begin; i < end; ++i)
    if (grammar_.match_at(PhraseClass::kDecline, w.words, i)) *declined = true;
  auto i = begin;
  while (i < end) {
    std::size_t next = i;
    for (const auto cls : {PhraseClass::kAcknowledge, PhraseClass::kStall})
      if (const auto to = grammar_.match_at(cls, w.words, i)) next = std::max(next, *to);
    if (next == i && (w.tokens[i].kind == TokenKind::kFiller || w.tokens[i].text == "the" ||
                      w.tokens[i].text == "a"))
      next = i + 1;
    if (next == i) return false;
    i = next;
  }
  return true;
}

// ---- findings -----------------------------------------------------------------------------------

void Conversation::find_whole(Weighing& w, Secret kind, bool sure) {
  w.whole = true;
  w.proposals.push_back({.finding = {w.heard.stream, w.from_ms, w.heard.end_ms, kind},
                         .begin = 0,
                         .end = w.tokens.size(),
                         .sure = sure || sure_of(w, 0, w.tokens.size())});
  w.run_done.assign(w.runs.size(), true);
}

void Conversation::find_part(Weighing& w, std::size_t begin, std::size_t end, Secret kind) {
  const auto& heard = w.heard;
  const auto part = part_of_turn({heard.start_ms, heard.end_ms},
                                 {w.tokens[begin].start_ms, w.tokens[end - 1].end_ms}, begin == 0,
                                 end == w.tokens.size(), limits_.margin_ms);
  w.proposals.push_back({.finding = {heard.stream, part.start_ms, part.end_ms, kind},
                         .begin = begin,
                         .end = end,
                         .sure = sure_of(w, begin, end)});
  for (std::size_t i = 0; i < w.runs.size(); ++i)
    if (w.runs[i].begin < end && begin < w.runs[i].end) w.run_done[i] = true;
}

void Conversation::settle(Weighing& w) {
  for (const auto& proposal : w.proposals) {
    w.findings.push_back(proposal.finding);
    remember(w, proposal.begin, proposal.end);
  }
}

Secret Conversation::kind_of_run(const Run& run) const {
  const bool card = run.digits.size() >= kCardDigitsMin && run.digits.size() <= kCardDigitsMax;
  return card ? Secret::kCard : Secret::kSecretLike;
}

// ---- answers ------------------------------------------------------------------------------------

bool Conversation::fresh(const Heard& heard) const {
  return topic_.piece_ms == 0 || heard.start_ms <= topic_.piece_ms + limits_.continue_ms;
}

// The answerer speaks while the question is open: what is not plainly something else is the secret.
void Conversation::weigh_answer(Weighing& w) {
  if (unbelievable(w.heard) || w.tokens.empty()) {  // "..." is no answer either
    find_whole(w, Secret::kUnrecognised, true);
    answer_went_on(w.heard);
    return;
  }
  bool declined = false;
  const bool phrases = only_phrases(w, 0, w.tokens.size(), &declined);
  if (phrases || (declined && w.runs.empty())) {
    topic_.last_ms = w.heard.end_ms;
    return;
  }
  // "my phone number is ..." to another question: all that is said is labelled, by the speaker
  // himself.
  const bool labelled =
      !w.runs.empty() && std::all_of(w.runs.begin(), w.runs.end(), [&](const Run& run) {
        return harmless_label(w, run).has_value();
      });
  const bool silent =
      w.runs.empty() && w.tokens.size() >= 3;  // for digits: recognised, and none said
  if (!any_word(topic_.kind) && (labelled || silent)) {
    topic_.last_ms = w.heard.end_ms;
    return;
  }
  find_whole(w, w.runs.empty() && !any_word(topic_.kind) ? Secret::kUnrecognised : topic_.kind);
  answer_went_on(w.heard);
}

// "It is sunshine four two": from behind the assertion to the last thing that may be part of a
// secret.
bool Conversation::stated_value(Weighing& w, std::size_t from, std::size_t to, Secret kind) {
  std::size_t last = from;
  for (auto i = from; i < to; ++i) {
    const auto& token = w.tokens[i];
    const bool in_run = std::any_of(w.runs.begin(), w.runs.end(),
                                    [i](const Run& run) { return i >= run.begin && i < run.end; });
    if (in_run || (any_word(kind) && !w.cue_token[i] && is_rare(token))) last = i + 1;
  }
  if (last == from) return false;
  find_part(w, from, last, kind);
  return true;
}

// A secret's name in the speaker's own statement: "my password is ...", "... that's my pin".
void Conversation::weigh_own_secret(Weighing& w, const Clause& clause, const Match& cue) {
  const auto kind = static_cast<Secret>(cue.phrase->kind);
  const auto side = w.heard.side == Side::kEither ? Side::kCustomer : w.heard.side;
  const auto assert_at = [&]() -> std::optional<std::size_t> {
    for (auto at = cue.end; at < std::min(w.tokens.size(), cue.end + 4); ++at)
      if (const auto end = grammar_.match_at(PhraseClass::kAssert, w.words, at)) return end;
    return std::nullopt;
  }();
  const auto next_label = [&] {
    for (const auto& other : w.cues)
      if (other.begin >= cue.end && other.phrase->cls == PhraseClass::kHarmless) return other.begin;
    return w.tokens.size();
  }();
  const auto from = assert_at.value_or(cue.end);
  const bool may_state =
      assert_at || std::any_of(w.runs.begin(), w.runs.end(), [&](const Run& run) {
        return run.begin >= cue.end && run.begin <= cue.end + 3;
      });
  if (may_state && from < next_label && stated_value(w, from, next_label, kind)) {
    const auto since = topic_.state == State::kAsked ? topic_.since_ms : w.heard.start_ms;
    ask(kind, side, w.heard, State::kAnswered);
    topic_.since_ms = since;
    topic_.told = side == Side::kAgent;
    answer_went_on(w.heard);
    return;
  }
  const bool at_end = from + 1 >= w.tokens.size() || (assert_at && *assert_at >= clause.end);
  if (assert_at && at_end) {  // "my password is", and a pause: the value comes in the next turn
    ask(kind, side, w.heard, State::kAsked);
    topic_.told = side == Side::kAgent;
  } else if (topic_.state == State::kNone || topic_.state == State::kHarmless) {
    ask(kind, Side::kCustomer, w.heard, State::kNamed);
  }
}

// The agent tells a password that was made for the customer.
void Conversation::weigh_told(Weighing& w, const Clause& clause) {
  for (auto at = clause.begin; at < clause.end; ++at) {
    const auto end = grammar_.match_at(PhraseClass::kTold, w.words, at);
    if (!end || *end > clause.end) continue;
    ask(Secret::kPassword, Side::kAgent, w.heard, State::kAsked);
    topic_.told = true;
    return;
  }
}

// ---- cues ---------------------------------------------------------------------------------------

void Conversation::weigh_cues(Weighing& w, const Clause& clause) {
  const Match* secret = nullptr;
  const Match* harmless = nullptr;
  for (const auto& cue : w.cues) {
    if (cue.begin < clause.begin || cue.begin >= clause.end) continue;
    if (cue.phrase->cls == PhraseClass::kSecret) secret = &cue;
    if (cue.phrase->cls == PhraseClass::kHarmless) harmless = &cue;
  }
  if (secret == nullptr && harmless == nullptr) return weigh_small_talk(w, clause);
  const bool request = is_request(w, clause);
  const bool agent = may_ask(w.heard.side);
  if (secret != nullptr) {
    // "And the three digits on the back?" needs no verb: a short clause of an agent asks.
    const bool short_ask = agent && clause.end - clause.begin <= (secret->end - secret->begin) + 3;
    if (agent && (request || short_ask) && !topic_.told)
      return ask(static_cast<Secret>(secret->phrase->kind), Side::kCustomer, w.heard,
                 State::kAsked);
    if (!request || !clause.question) return weigh_own_secret(w, clause, *secret);
    if (topic_.state == State::kNone)
      ask(static_cast<Secret>(secret->phrase->kind), Side::kCustomer, w.heard, State::kNamed);
    return;
  }
  const bool unanswered = topic_.state == State::kAsked && topic_.piece_ms == 0;
  const bool own_number = std::any_of(w.runs.begin(), w.runs.end(), [&](const Run& run) {
    return run.begin >= harmless->end && run.begin < clause.end + 2;
  });
  if (agent ? (request || !unanswered) : (own_number && !unanswered))
    be_harmless(w.heard);
  else if (topic_.state == State::kNone)
    be_harmless(w.heard);
}

// A clause that names nothing: "Can you say it again?", "Okay.", "Is there anything else?"
void Conversation::weigh_small_talk(Weighing& w, const Clause& clause) {
  // "I am sending a code to your phone. What does it say?" Whoever answers without a digit loses
  // nothing by it; any words would be lost, so there it must be asked by name.
  if (topic_.state == State::kNamed && !any_word(topic_.kind) && may_ask(w.heard.side) &&
      is_request(w, clause))
    return ask(topic_.kind, Side::kCustomer, w.heard, State::kAsked);
  const bool secret = topic_.state == State::kAsked || topic_.state == State::kAnswered;
  if (!secret || w.heard.side == topic_.answerer) return;
  for (auto at = clause.begin; at < clause.end; ++at) {
    const auto end = grammar_.match_at(PhraseClass::kReask, w.words, at);
    if (!end || *end > clause.end) continue;
    // "... off, and then on again" at a long clause's end asks for nothing.
    const bool plain = *end - at >= 2 || clause.end - clause.begin <= kShortClause;
    const bool started = at == clause.begin || clause.question || (*end == clause.end && plain);
    if (!started) continue;
    topic_.state = State::kAsked;
    topic_.last_ms = w.heard.end_ms;
    topic_.piece_ms = 0;
    topic_.moved_on = 0;
    return;
  }
  if (topic_.state == State::kAsked && topic_.piece_ms == 0)
    return;  // still waiting for the answer
  // "Thank you": the asker has what he wanted. Digits and what was said before stay secret.
  bool closed = false;
  for (auto at = clause.begin; at < clause.end; ++at)
    if (const auto end = grammar_.match_at(PhraseClass::kClosing, w.words, at))
      closed = closed || *end <= clause.end;
  if (closed && topic_.state == State::kAsked) topic_.state = State::kAnswered;
  bool acknowledged = true;
  for (auto at = clause.begin; at < clause.end;) {
    const auto end = grammar_.match_at(PhraseClass::kAcknowledge, w.words, at);
    if (!end && w.tokens[at].kind != TokenKind::kFiller) acknowledged = false;
    at = std::max(at + 1, end.value_or(0));
  }
  if (acknowledged) return;
  topic_.state = State::kAnswered;
  const bool other_question = clause.question && is_request(w, clause);
  topic_.moved_on += other_question ? 2 : 1;
  if (topic_.moved_on >= 3) topic_ = {};
}

void Conversation::weigh_clause(Weighing& w, const Clause& clause) {
  if (may_ask(w.heard.side)) weigh_told(w, clause);
  const bool telling = topic_.told && topic_.state == State::kAsked && may_ask(w.heard.side);
  if (telling) {
    for (auto at = clause.begin; at < clause.end; ++at) {
      const auto end = grammar_.match_at(PhraseClass::kAssert, w.words, at);
      if (!end || *end >= clause.end || clause.question) continue;
      if (!stated_value(w, *end, w.tokens.size(), topic_.kind)) continue;
      topic_.state = State::kAnswered;
      return answer_went_on(w.heard);
    }
  }
  if (weigh_asked_about(w, clause)) return;
  weigh_cues(w, clause);
}

void Conversation::weigh_clauses(Weighing& w) {
  // In the order in which it was said: digits belong to what was asked before them, not after.
  for (const auto& clause : w.clauses) {
    weigh_clause(w, clause);
    weigh_runs(w, clause);
  }
}

// ---- runs ---------------------------------------------------------------------------------------

// The label nearest before the run, or right behind it, in the speaker's own turn.
std::optional<Match> Conversation::harmless_label(const Weighing& w, const Run& run) const {
  const Match* nearest = nullptr;
  for (const auto& cue : w.cues) {
    if (cue.phrase->cls == PhraseClass::kNothing) continue;
    if (cue.end <= run.begin && run.begin - cue.end <= kLabelReach) nearest = &cue;
    // "4 4 7 1 is the ticket"; but not "4 4 7 1. What is your address?"
    if (nearest == nullptr && cue.begin >= run.end && cue.begin - run.end <= 3 &&
        !w.asks_at[cue.begin])
      nearest = &cue;
  }
  if (nearest == nullptr || nearest->phrase->cls != PhraseClass::kHarmless) return std::nullopt;
  return *nearest;
}

std::optional<Secret> Conversation::secret_label(const Weighing& w, const Run& run) const {
  const Match* nearest = nullptr;
  for (const auto& cue : w.cues) {
    if (cue.end <= run.begin && run.begin - cue.end <= kLabelReach) nearest = &cue;
    if (nearest == nullptr && cue.begin >= run.end && cue.begin - run.end <= 4) nearest = &cue;
  }
  if (nearest == nullptr || nearest->phrase->cls != PhraseClass::kSecret) return std::nullopt;
  return static_cast<Secret>(nearest->phrase->kind);
}

void Conversation::weigh_runs(Weighing& w, const Clause& clause) {
  for (std::size_t i = 0; i < w.runs.size() && !w.whole; ++i) {
    const auto& run = w.runs[i];
    if (w.run_done[i] || run.begin < clause.begin || run.begin >= clause.end) continue;
    if (kind_of_run(run) == Secret::kCard) {
      find_part(w, run.begin, run.end, Secret::kCard);
      continue;
    }
    const bool known = remembered_digits(run.digits);
    const auto harmless = harmless_label(w, run);
    if (harmless && !known) continue;
    const bool open = topic_.state == State::kAsked || topic_.state == State::kAnswered;
    if (const auto label = secret_label(w, run); label && run.weight >= kSecretWeightMin) {
      find_part(w, run.begin, run.end, *label);
    } else if (open && fresh(w.heard)) {
      find_part(w, run.begin, run.end, topic_.kind);
      if (answers(w.heard.side)) answer_went_on(w.heard);
      topic_.last_ms = w.heard.end_ms;
    } else if (known) {
      find_part(w, run.begin, run.end,
                topic_.state == State::kNone ? Secret::kSecretLike : topic_.kind);
    } else if (topic_.state == State::kHarmless) {
      topic_.last_ms = w.heard.end_ms;
    } else if (run.weight >= kSecretWeightMin) {
      find_part(w, run.begin, run.end,
                topic_.state == State::kNamed ? topic_.kind : Secret::kSecretLike);
    }
  }
}

// A word of a secret said again.
void Conversation::weigh_memory(Weighing& w) {
  std::optional<std::size_t> first, last;
  for (std::size_t i = 0; i < w.tokens.size(); ++i) {
    if (!remembered(w.tokens[i])) continue;
    if (!first) first = i;
    last = i;
  }
  if (!first || w.whole) return;
  auto begin = *first, end = *last + 1;
  for (const auto& run : w.runs)  // digits beside it belong to it
    if (run.begin <= end + 3 && begin <= run.end + 3)
      begin = std::min(begin, run.begin), end = std::max(end, run.end);
  find_part(w, begin, end,
            topic_.state == State::kAsked || topic_.state == State::kAnswered
                ? topic_.kind
                : Secret::kSecretLike);
}

// Corrections and read-backs without a digit or a remembered word, right after an answer of any
// words.
void Conversation::weigh_leftovers(Weighing& w) {
  if (w.whole || topic_.state != State::kAnswered || !any_word(topic_.kind) || !fresh(w.heard) ||
      topic_.piece_ms == 0)
    return;
  if (w.heard.start_ms < topic_.piece_ms) return;
  const auto cls = answers(w.heard.side) ? PhraseClass::kCorrection : PhraseClass::kReadback;
  const bool rare = std::any_of(w.tokens.begin(), w.tokens.end(),
                                [&](const Token& token) { return is_rare(token); });
  if (!rare || w.tokens.empty() || !w.cues.empty() || w.tokens.size() > 12) return;
  if (!grammar_.match_at(cls, w.words, 0) && !answers(w.heard.side)) return;
  if (answers(w.heard.side)) {  // "no, sorry, ..."; a "not" further on corrects nothing
    const auto correction = grammar_.find(cls, w.words);
    if (!correction || correction->begin > kCorrectionReach) return;
  }
  find_whole(w, topic_.kind);
  if (answers(w.heard.side)) answer_went_on(w.heard);
}

// ---- entry --------------------------------------------------------------------------------------

std::vector<Finding> Conversation::hear(const Heard& heard) {
  advance(heard.start_ms);
  Weighing w{.heard = heard,
             .tokens = tokenize(grammar_, heard.words),
             .words = {},
             .cues = {},
             .cue_token = {},
             .clauses = {},
             .asks_at = {},
             .runs = {},
             .run_done = {},
             .proposals = {},
             .findings = {},
             .from_ms = heard.start_ms};
  // A pause inside an answer goes with it: a low digit may have hidden there.
  const bool same = topic_.piece_ms != 0 && topic_.piece_stream == heard.stream &&
                    topic_.piece_ms <= heard.start_ms;
  if (same && heard.start_ms - topic_.piece_ms <= limits_.join_ms) w.from_ms = topic_.piece_ms;
  const auto before = topic_;
  w.words = match_words(w.tokens);
  w.cues = grammar_.cues(w.words);
  w.cue_token.assign(w.tokens.size(), false);
  for (const auto& cue : w.cues)
    for (auto i = cue.begin; i < cue.end; ++i) w.cue_token[i] = true;
  const bool answering = topic_.state == State::kAsked && answers(heard.side) && !topic_.told;
  w.asks_at.assign(w.tokens.size(), false);
  w.clauses = clauses_of(w);
  look_up_abouts(w);
  for (const auto& clause : w.clauses)
    if (may_ask(heard.side) && is_request(w, clause))
      std::fill(w.asks_at.begin() + static_cast<std::ptrdiff_t>(clause.begin),
                w.asks_at.begin() + static_cast<std::ptrdiff_t>(clause.end), true);
  w.runs = find_runs(grammar_, w.tokens, w.cue_token, answering);
  w.run_done.assign(w.runs.size(), false);
  if (answering && fresh(heard)) weigh_answer(w);
  if (!w.whole) {
    weigh_memory(w);
    weigh_leftovers(w);
    weigh_clauses(w);
  }
  if (judged()) judge(w, before);
  settle(w);
  for (auto& token : w.tokens) wipe_text(token.text), wipe_text(token.value);
  for (auto& run : w.runs) wipe_text(run.digits);
  return std::move(w.findings);
}

std::vector<Finding> Conversation::keyed(const Keyed& keyed) {
  advance(keyed.start_ms);
  if (topic_.state == State::kHarmless) {
    topic_.last_ms = std::max(topic_.last_ms, keyed.end_ms);
    return {};
  }
  if (topic_.state == State::kAsked || topic_.state == State::kAnswered) {
    topic_.last_ms = topic_.piece_ms = std::max(topic_.last_ms, keyed.end_ms);
    topic_.piece_stream = keyed.stream;
  }
  return {{keyed.stream, keyed.start_ms, keyed.end_ms, Secret::kDigits}};
}

}  // namespace callward::listen
