// At whose telephone a call is, while it runs: who may act in it. The recorder says the telephone,
// the signed chart whose it is; the log has the person (`call_at`) before anything is done by it.
//
// Said again to each keeper, so nothing of it outlives one. A keeper that does not know it yet, or
// has yet to hear of a transfer, lets an act wait for it: the server, which names the call, may be
// quicker than the recorder.
//
// While the log cannot be written nothing is read or stored, and a press for privacy, which closes
// keys and opens none, is judged by the recorder's last word: the log has it when it is back.
#include <algorithm>
#include <boost/json.hpp>

#include "disclose/office.hpp"
#include "disclose/parts.hpp"

namespace callward::disclose {

PersonId Office::whose_is(const At& at) const {
  const auto* whose = chart_.by_extension(at.telephone);
  return whose == nullptr ? PersonId{} : *whose;
}

Office::At* Office::at_of(const CallId& call) {
  if (const auto known = at_.find(call); known != at_.end()) return &known->second;
  if (at_.size() >= kCallsAtMax)
    std::erase_if(at_, [](const auto& item) {
      return item.second.over_ms.has_value() && item.second.owed.empty();
    });
  return at_.size() >= kCallsAtMax ? nullptr : &at_[call];
}

void Office::call_is_at(const CallId& call, std::string_view telephone, bool begun,
                        std::function<void(Status)> done) {
  auto* at = at_of(call);
  if (at == nullptr) return done(fail(Errc::kFull, "more calls than can be at telephones"));
  at->telephone = telephone;
  at->told = true;
  auto may =
      begun ? ready() : Status(fail(Errc::kUnavailable, "the call's beginning is not logged yet"));
  if (may) return place(call, *at, std::move(done));
  ledger_.after_log([this](const Status&) { answer_waiting(); });  // who is private without it
  done(std::move(may));
}

void Office::log_calls_at() {
  if (!ready()) return;
  for (auto& [call, at] : at_) {
    for (const auto& person : std::vector(at.owed))
      if (at.staged != person) (void)stage_at(call, at, person);
    if (!at.over_ms && at.told) place(call, at, [](const Status&) {});
  }
}

// From the call's own data, which tells a call's first moments, and all that an older recorder
// says. Whom it takes for the agent may be a guess: only somebody of the chart counts, and only
// until it is said.
void Office::call_data_names(const CallId& call, std::string_view telephone) {
  if (!ready() || chart_.by_extension(telephone) == nullptr) return;
  auto* at = at_of(call);
  if (at == nullptr || at->told) return;
  at->telephone = telephone;
  place(call, *at, [](const Status&) {});
}

void Office::place(const CallId& call, At& at, std::function<void(Status)> done) {
  const auto person = whose_is(at);
  if ((at.staged ? at.staged : at.person) != person)
    if (auto staged = stage_at(call, at, person); !staged) return done(std::move(staged));
  ledger_.after_log(std::move(done));
}

Status Office::stage_at(const CallId& call, At& at, const PersonId& person) {
  TRY(ledger_.stage({.type = "call_at",
                     .actor = "keeper",
                     .subject = call.hex(),
                     .data = {{"person", person.is_zero() ? "" : person.hex()}}}));
  at.staged = person;
  ledger_.with_log([this, call, person](const Status& logged) {
    const auto here = at_.find(call);
    if (here == at_.end()) return;
    if (here->second.staged == person) here->second.staged.reset();
    if (logged) is_placed(here->second, person);
  });
  ledger_.after_log([this](const Status&) { answer_waiting(); });
  return {};
}

void Office::is_placed(At& at, const PersonId& person) {
  at.person = person;
  if (person.is_zero()) return;
  std::erase(at.owed, person);
  std::erase(at.were, person);
  if (at.were.size() >= kWereAtMax) at.were.erase(at.were.begin());
  at.were.push_back(person);
}

// The chart has changed: a telephone may have become another person's, or nobody's.
void Office::place_again() {
  for (auto& [call, at] : at_) {
    if (at.over_ms || (!at.person && !at.staged)) continue;
    if (whose_is(at) != (at.staged ? at.staged : at.person)) place(call, at, [](const Status&) {});
  }
}

// What was typed while the call was at somebody's telephone is that call's, though it was passed on
// meanwhile, or has just ended; anything else is done by who has it now. At nobody's it is a zero
// person's, who is no person.
Status Office::may_in_call(const CallId& call, std::string_view actor, InCall as) {
  const auto unknown = [] {
    return fail(Errc::kUnavailable, "at whose telephone the call is, is not known yet");
  };
  const bool by_word = as == InCall::kPress && ledger_.log_failed();
  if (!known_ && !by_word) return unknown();
  TRY(may_act(actor, kTakesCalls));
  const auto person = PersonId::parse(actor).value_or(PersonId{});
  const auto found = at_.find(call);
  if (found == at_.end()) return unknown();
  auto& at = found->second;
  if (by_word && at.told) return may_by_word(at, person);
  if (!at.person) return unknown();
  const bool may = !person.is_zero() &&
                   (at.person == person ||
                    (as == InCall::kWas && std::ranges::find(at.were, person) != at.were.end()));
  return may ? Status{} : fail(Errc::kDenied, "the call is not at this person's telephone");
}

// What stands in the log of whose call it was, it has to say before it says who was private in it.
Status Office::may_by_word(At& at, const PersonId& person) {
  if (person.is_zero() || whose_is(at) != person)
    return fail(Errc::kDenied, "the call is not at this person's telephone");
  const auto among = [&](const auto& people) {
    return std::ranges::find(people, person) != people.end();
  };
  if (among(at.were) || among(at.owed)) return {};
  if (at.owed.size() >= kWereAtMax)
    return fail(Errc::kFull, "the call was passed on too often while the log was away");
  at.owed.push_back(person);
  return {};
}

void Office::when_at(const CallId& call, std::string_view actor,
                     std::function<void(const Status&)> then) {
  when_in_call(call, actor, InCall::kPress, std::move(then));
}

bool Office::has_waiting() const {
  return !waiting_.empty() ||
         std::ranges::any_of(at_, [](const auto& item) { return !item.second.owed.empty(); });
}

// Whoever asks for what is refused anyway takes nobody else's place, and nothing takes those of
// privacy.
bool Office::has_place(const CallId& call, std::string_view actor, InCall as) const {
  const bool press = as == InCall::kPress;
  std::size_t others = 0, by = 0, in_call = 0;
  for (const auto& act : waiting_) {
    if ((act.as == InCall::kPress) != press) continue;
    ++others;
    if (act.actor != actor) continue;
    ++by;
    if (act.call == call) ++in_call;
  }
  return waiting_.size() < kActsWaitingMax &&
         (press || others < kActsWaitingMax - kPressesWaitingMin) && by < kActsWaitingByMax &&
         in_call < kActsWaitingInCallMax;
}

void Office::when_in_call(const CallId& call, std::string_view actor, InCall as,
                          std::function<void(const Status&)> then) {
  auto may = may_in_call(call, actor, as);
  const bool never = known_ && !may_act(actor, kTakesCalls);
  if (may || never || !has_place(call, actor, as)) return then(may);
  waiting_.push_back(
      {call, std::string(actor), as, clock_.monotonic_ms() + kActWaitsMs, std::move(then)});
}

// Those that may by now, and those that have waited long enough.
void Office::answer_waiting() {
  std::vector<std::pair<std::function<void(const Status&)>, Status>> answers;
  std::erase_if(waiting_, [&](WaitingAct& act) {
    auto may = may_in_call(act.call, act.actor, act.as);
    if (!may && clock_.monotonic_ms() < act.until_ms) return false;
    answers.emplace_back(std::move(act.then), std::move(may));
    return true;
  });
  for (const auto& [then, may] : answers) then(may);
}

void Office::call_is_over(const CallId& call) {
  callers_.erase(call);
  if (const auto at = at_.find(call); at != at_.end() && !at->second.over_ms)
    at->second.over_ms = clock_.monotonic_ms();
}

void Office::tick_calls() {
  answer_waiting();
  const auto mono = clock_.monotonic_ms();
  std::erase_if(at_, [mono](const auto& item) {
    return item.second.over_ms && item.second.owed.empty() &&
           mono - *item.second.over_ms > kAfterCallMs;
  });
}

}  // namespace callward::disclose
