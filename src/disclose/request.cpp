#include "disclose/request.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace callward::disclose {
namespace {

using people::Role;
using enum State;
using enum EventKind;

constexpr people::Roles kMayAsk = people::bit(Role::kAgent) | people::bit(Role::kTechnician) |
                                  people::bit(Role::kExpert) | people::bit(Role::kAuthorised) |
                                  people::bit(Role::kSupervisor) | people::bit(Role::kOwner);

Status denied(std::string why) { return fail(Errc::kDenied, std::move(why)); }

// ---- who ----------------------------------------------------------------------------------------

WhyNot what_they_did(const Request& r, const PersonId& person) {
  if (!has_acted(r, person)) return WhyNot::kNothing;
  if (person == r.requester) return WhyNot::kAsked;
  if (person == r.expert) return WhyNot::kVerifies;
  return person == r.released_by || person == r.second ? WhyNot::kReleased : WhyNot::kActed;
}

WhyNot by_the_system(const Request&, const PersonId& by, const World&) {
  return by.is_zero() ? WhyNot::kNothing : WhyNot::kSystem;
}
WhyNot by_the_requester(const Request& r, const PersonId& by, const World& w) {
  return by == r.requester && w.chart.here(by) != nullptr ? WhyNot::kNothing : WhyNot::kRequester;
}
// Looks into what was released: while those whose word it is may still give it.
WhyNot by_who_looks(const Request& r, const PersonId& by, const World& w) {
  if (const auto why = by_the_requester(r, by, w); why != WhyNot::kNothing) return why;
  if (w.now < r.opened_at) return WhyNot::kNotYet;  // a clock that was set back
  for (const auto& person : {r.released_by, r.second})
    if (!person.is_zero() && !w.chart.is(person, Role::kAuthorised)) return WhyNot::kReleaserGone;
  return r.broken || w.chart.is(r.expert, Role::kExpert) ? WhyNot::kNothing : WhyNot::kVerifierGone;
}
WhyNot by_its_expert(const Request& r, const PersonId& by, const World& w) {
  if (by != r.expert) return WhyNot::kItsExpert;
  return may_verify(r, by, w.chart) ? WhyNot::kNothing : WhyNot::kMayNotVerify;
}
WhyNot by_its_expert_once_more(const Request& r, const PersonId& by, const World& w) {
  if (const auto why = by_its_expert(r, by, w); why != WhyNot::kNothing) return why;
  return r.rings < w.limits.rings_max ? WhyNot::kNothing : WhyNot::kNoTryLeft;
}
WhyNot by_an_authorised(const Request& r, const PersonId& by, const World& w) {
  return w.chart.is(by, Role::kAuthorised) ? what_they_did(r, by) : WhyNot::kAuthorised;
}
// What the first one signed counts while that one may sign it.
WhyNot by_another_authorised(const Request& r, const PersonId& by, const World& w) {
  if (const auto why = by_an_authorised(r, by, w); why != WhyNot::kNothing) return why;
  return w.chart.is(r.released_by, Role::kAuthorised) ? WhyNot::kNothing : WhyNot::kFirstGone;
}
// Whoever the requester answers to, and who signs steps at all: who only runs the system, reads the
// log or hears calls does not, and the next one above them is it.
bool is_superior(const Request& r, const PersonId& by, const World& w) {
  const auto* member = w.chart.here(by);
  return member != nullptr && (member->roles & kMayAsk) != 0 && w.chart.answers_to(r.requester, by);
}
WhyNot by_who_may_stop_it(const Request& r, const PersonId& by, const World& w) {
  if (by.is_zero()) return WhyNot::kNothing;
  if (by == r.requester) return WhyNot::kAsked;
  const bool may =
      w.chart.is(by, Role::kAuthorised) || w.chart.is(by, Role::kOwner) || is_superior(r, by, w);
  return may ? WhyNot::kNothing : WhyNot::kStopper;
}
WhyNot by_a_superior(const Request& r, const PersonId& by, const World& w) {
  if (const auto did = what_they_did(r, by); did != WhyNot::kNothing) return did;
  const bool may = is_superior(r, by, w) || w.chart.is(by, Role::kOwner);
  return may && w.chart.here(by) != nullptr ? WhyNot::kNothing : WhyNot::kSuperior;
}

// For whoever asked the keeper all the same: who does it, or what keeps everybody from it.
const char* refusal(WhyNot why, EventKind kind) {
  switch (why) {
    case WhyNot::kTimeOver:
      return "its time is over";
    case WhyNot::kNotYet:
      return "the window has not begun";
    case WhyNot::kSystem:
      return "nobody does this by hand";
    case WhyNot::kRequester:
      return "the requester does this";
    case WhyNot::kItsExpert:
    case WhyNot::kMayNotVerify:
      return "the expert to whom it was assigned does this";
    case WhyNot::kNoTryLeft:
      return "the customer was tried often enough";
    case WhyNot::kFirstGone:
      return "who released first may not release any more";
    case WhyNot::kReleaserGone:
      return "who released it may not release any more";
    case WhyNot::kVerifierGone:
      return "who verified it may not verify any more";
    default:
      break;
  }
  if (kind == kRevoke)
    return "an authorised person, an owner or the requester's superior does this";
  return kind == kReview
             ? "a superior of the requester does this, or an owner, who did nothing else"
             : "an authorised person does this, who did nothing else on this request";
}

// ---- what must hold -----------------------------------------------------------------------------

Status nothing(const Request&, const Event&, const World&) { return {}; }

Status an_expert_who_may(const Request& r, const Event& e, const World& w) {
  return may_verify(r, e.expert, w.chart) ? Status{} : denied("this expert may not verify it");
}
// Nobody is given anew what is theirs: its time would begin again.
Status another_expert_who_may(const Request& r, const Event& e, const World& w) {
  return e.expert == r.expert ? denied("it is this expert's already") : an_expert_who_may(r, e, w);
}
Status verified(const Request& r, const Event& e, const World& w) {
  const auto& call = e.call_back;
  if (call.call.is_zero() || !call.answered || !call.recorded || !call.number_on_file)
    return denied("no answered and recorded call to the number on file");
  if (call.seconds < w.limits.call_seconds_min) return denied("the call-back was too short");
  if (e.checks < checks_needed(r, call, w.limits)) return denied("too few checks were passed");
  return {};
}
Status some_of_what_was_asked(const Request& r, const Event& e, const World& w) {
  if (e.window_ms < 0 || e.window_ms > w.limits.window_ms_max) return denied("too long a window");
  const auto& fields = e.fields;
  if (fields.empty() || !std::ranges::is_sorted(fields) ||
      std::ranges::adjacent_find(fields) != fields.end() ||
      !std::ranges::includes(r.fields, fields))
    return denied("release what was asked for, or less; at least one field");
  return {};
}
// The second one signs what the first one signed, or less of it.
Status no_more_than_the_first(const Request& r, const Event& e, const World& w) {
  TRY(some_of_what_was_asked(r, e, w));
  const auto usual = [&w](std::int64_t ms) { return ms == 0 ? w.limits.window_ms : ms; };
  return std::ranges::includes(r.released, e.fields) && usual(e.window_ms) <= r.until
             ? Status{}
             : denied("no more than the first one released");
}
Status a_field_that_is_open(const Request& r, const Event& e, const World&) {
  return e.fields.size() == 1 && std::ranges::binary_search(r.released, e.fields[0])
             ? Status{}
             : denied("this field was not released");
}
// What nobody looked at was used for nothing. (Own data shows no field: whether the receipt was
// handed over is for who reviews to find out.)
Status used_if_seen(const Request& r, const Event& e, const World&) {
  return e.found.used && r.views == 0 && !asks_own_data(r)
             ? denied("it was not used: nobody has seen any of it")
             : Status{};
}
Status time_is_over(const Request& r, const Event&, const World& w) {
  const auto end = deadline(r, w.limits);
  return end != 0 && w.now >= end ? Status{} : fail(Errc::kState, "its time is not over");
}

// ---- the table ----------------------------------------------------------------------------------

using Person = WhyNot (*)(const Request&, const PersonId&, const World&);
using Rule = Status (*)(const Request&, const Event&, const World&);
struct Row {
  State from;
  EventKind event;
  State to;
  Person who;
  Rule holds;
  std::array<Action, 3> actions;
  std::uint8_t count;
  Asks asks = Asks::kAny;
};
constexpr auto none = Action::kTellRequester;  // fills what `count` leaves out

using enum Action;
constexpr std::array kTable = {
    Row{kRequested, kAssign, kAssigned, by_the_system, an_expert_who_may, {kTellExpert}, 1},
    Row{kRequested, kWithdraw, kWithdrawn, by_the_requester, nothing, {none}, 0},
    Row{kRequested,
        kBreak,
        kHalfBroken,
        by_an_authorised,
        some_of_what_was_asked,
        {kAlarmOwner, kTellAuthorised},
        2,
        Asks::kFields},
    Row{kRequested, kTime, kLapsed, by_the_system, time_is_over, {kTellRequester}, 1},
    Row{kAssigned, kAssign, kAssigned, by_the_system, another_expert_who_may, {kTellExpert}, 1},
    Row{kAssigned, kRing, kCalling, by_its_expert_once_more, nothing, {kDial}, 1},
    Row{kAssigned, kWithdraw, kWithdrawn, by_the_requester, nothing, {none}, 0},
    Row{kAssigned,
        kBreak,
        kHalfBroken,
        by_an_authorised,
        some_of_what_was_asked,
        {kAlarmOwner, kTellAuthorised},
        2,
        Asks::kFields},
    Row{kAssigned, kTime, kLapsed, by_the_system, time_is_over, {kTellRequester}, 1},
    Row{kCalling, kNoAnswer, kAssigned, by_the_system, nothing, {kTellExpert}, 1},
    Row{kCalling, kPass, kVerified, by_its_expert, verified, {kTellAuthorised}, 1, Asks::kFields},
    Row{kCalling, kPass, kConfirmed, by_its_expert, verified, {kTellRequester}, 1, Asks::kOwnData},
    Row{kCalling, kFail, kRefused, by_its_expert, nothing, {kTellRequester, kTellManager}, 2},
    Row{kCalling, kTime, kLapsed, by_the_system, time_is_over, {kTellRequester}, 1},
    Row{kVerified, kRelease, kOpen, by_an_authorised, some_of_what_was_asked, {kTellRequester}, 1},
    Row{kVerified, kDecline, kRefused, by_an_authorised, nothing, {kTellRequester}, 1},
    Row{kVerified, kWithdraw, kWithdrawn, by_the_requester, nothing, {none}, 0},
    Row{kVerified, kTime, kLapsed, by_the_system, time_is_over, {kTellRequester}, 1},
    Row{kHalfReleased,
        kRelease,
        kOpen,
        by_another_authorised,
        no_more_than_the_first,
        {kTellRequester},
        1},
    Row{kHalfReleased, kDecline, kRefused, by_an_authorised, nothing, {kTellRequester}, 1},
    Row{kHalfReleased, kWithdraw, kWithdrawn, by_the_requester, nothing, {none}, 0},
    Row{kHalfReleased, kTime, kLapsed, by_the_system, time_is_over, {kTellRequester}, 1},
    Row{kHalfBroken,
        kBreak,
        kOpen,
        by_another_authorised,
        no_more_than_the_first,
        {kAlarmOwner, kTellRequester},
        2},
    Row{kHalfBroken,
        kDecline,
        kRefused,
        by_an_authorised,
        nothing,
        {kTellRequester},  // the owners' alarm was when somebody began to break it
        1},
    Row{kHalfBroken, kTime, kLapsed, by_the_system, time_is_over, {kTellRequester}, 1},
    Row{kOpen, kView, kOpen, by_who_looks, a_field_that_is_open, {none}, 0},
    Row{kOpen, kEnd, kClosed, by_the_requester, nothing, {kWipeReaders, kTellManager}, 2},
    Row{kOpen,
        kRevoke,
        kRevoked,
        by_who_may_stop_it,
        nothing,
        {kWipeReaders, kTellManager, kTellRequester},
        3},
    Row{kOpen, kTime, kExpired, by_the_system, time_is_over, {kWipeReaders, kTellManager}, 2},
    Row{kConfirmed, kEnd, kClosed, by_the_requester, nothing, {kTellManager}, 1},
    Row{kConfirmed,
        kRevoke,
        kRevoked,
        by_who_may_stop_it,
        nothing,
        {kTellManager, kTellRequester},
        2},
    Row{kConfirmed, kTime, kExpired, by_the_system, time_is_over, {kTellManager}, 1},
    Row{kClosed, kReview, kReviewed, by_a_superior, used_if_seen, {none}, 0},
    Row{kExpired, kReview, kReviewed, by_a_superior, used_if_seen, {none}, 0},
    Row{kRevoked, kReview, kReviewed, by_a_superior, used_if_seen, {none}, 0},
};

bool is_about(const Row& row, const Request& request, State from) {
  const auto asks = asks_own_data(request) ? Asks::kOwnData : Asks::kFields;
  return row.from == from && (row.asks == Asks::kAny || row.asks == asks);
}

tl::unexpected<Error> nothing_that_happens(const Request& request, EventKind event) {
  return fail(Errc::kState, std::string(to_text(event)) + " is nothing that happens to what is " +
                                to_text(request.state));
}

const Row* row_of(const Request& request, State from, EventKind event) {
  const auto at = std::ranges::find_if(
      kTable, [&](const Row& row) { return row.event == event && is_about(row, request, from); });
  return at == kTable.end() ? nullptr : &*at;
}
const Row* row_of(const Request& request, EventKind event) {
  return row_of(request, request.state, event);
}

// Of the first one who releases a row says nothing: it is the second one's turn.
std::vector<Action> actions_of(const Row& row, State after) {
  if (after == kHalfReleased) return {kTellAuthorised};
  return {row.actions.begin(), row.actions.begin() + row.count};
}

// ---- what changes -------------------------------------------------------------------------------

void enter(Request& r, State to, EventKind by, std::int64_t now) {
  if (r.state == to && to != kAssigned) return;
  r.since = now;
  r.came_from = r.state;
  r.came_by = by;
  r.state = to;
}

// Released or broken open by one; by the second, or where one is enough, open.
void let_open(Request& r, const Event& e, const Limits& limits, std::int64_t now, bool takes_two) {
  const auto window = e.window_ms == 0 ? limits.window_ms : e.window_ms;
  r.released = e.fields;
  if (takes_two && r.released_by.is_zero()) {
    r.released_by = e.by;
    r.until = window;  // its length until it opens
    return enter(r, e.kind == kBreak ? kHalfBroken : kHalfReleased, e.kind, now);
  }
  (r.released_by.is_zero() ? r.released_by : r.second) = e.by;
  r.opened_at = now;
  r.until = now + window;
  enter(r, kOpen, e.kind, now);
}

Request changed(Request r, const Event& e, const Limits& limits, std::int64_t now, State to) {
  if (!e.by.is_zero() && e.by != r.requester && std::ranges::find(r.acted, e.by) == r.acted.end())
    r.acted.push_back(e.by);
  switch (e.kind) {
    case kAssign:
      r.expert = e.expert;
      break;
    case kRing:
      ++r.rings;
      r.call_back = {};
      break;
    case kPass:
      r.call_back = e.call_back;
      r.checks = e.checks;
      break;
    case kRelease:
      let_open(r, e, limits, now, r.call_back.number_age_days < limits.number_days_young);
      return r;
    case kBreak:
      r.broken = true;
      r.broken_at = now;
      let_open(r, e, limits, now, true);
      return r;
    case kView:
      ++r.views;
      break;
    case kReview:
      r.reviewed_by = e.by;
      r.found = e.found;
      break;
    default:
      break;
  }
  enter(r, to, e.kind, now);
  return r;
}

}  // namespace

bool may_verify(const Request& request, const PersonId& expert, const people::Chart& chart) {
  return chart.is(expert, Role::kExpert) && expert != request.requester &&
         !chart.answers_to(expert, request.requester) && expert != request.released_by &&
         expert != request.second;
}

bool has_acted(const Request& r, const PersonId& person) {
  return person == r.requester || person == r.expert ||
         std::ranges::find(r.acted, person) != r.acted.end();
}

Turn turn_of(const Request& request, const PersonId& person, const World& world) {
  const auto if_they = [&](EventKind kind, Turn turn) {
    const bool may = why_not(request, kind, person, world) == WhyNot::kNothing;
    return may && !person.is_zero() ? turn : Turn::kNone;
  };
  switch (request.state) {
    case kAssigned:
      return if_they(kRing, Turn::kVerify);
    case kCalling:
      return if_they(kPass, Turn::kVerify);
    case kVerified:
    case kHalfReleased:
      return if_they(kRelease, Turn::kRelease);
    case kHalfBroken:
      return if_they(kBreak, Turn::kRelease);
    case kOpen:
      return if_they(kView, Turn::kWindow);
    case kConfirmed:
      return if_they(kEnd, Turn::kWindow);
    case kClosed:
    case kExpired:
    case kRevoked:
      return if_they(kReview, Turn::kReview);
    default:
      return Turn::kNone;
  }
}

Result<Step> ask(const Request& wanted, const World& world) {
  const auto* member = world.chart.here(wanted.requester);
  if (member == nullptr || member->keys.empty() || (member->roles & kMayAsk) == 0)
    return fail(Errc::kDenied, "somebody who works with customers asks");
  if (wanted.id.is_zero() || wanted.customer.is_zero() || wanted.of_case == 0)
    return fail(Errc::kMalformed, "of no customer or no case");
  if (!wanted.category.empty() && !is_category(wanted.category))
    return fail(Errc::kMalformed, "no such category");
  auto fresh = begun(wanted, world.now);
  std::ranges::sort(fresh.fields);
  const auto twice = std::ranges::unique(fresh.fields);
  fresh.fields.erase(twice.begin(), twice.end());
  if (asks_own_data(fresh)) {
    if (!fresh.fields.empty() || fresh.wished_ms != 0)
      return fail(Errc::kMalformed, "who asks what is kept names no field and no time");
  } else if (fresh.fields.empty() || fresh.fields.size() > world.limits.fields_max)
    return fail(Errc::kMalformed, "asks for no field, or for too many");
  return Step{std::move(fresh), {kFindExpert}};
}

WhyNot why_not(const Request& request, EventKind kind, const PersonId& by, const World& world) {
  const auto* row = row_of(request, kind);
  if (row == nullptr) return WhyNot::kState;
  // A deadline that passed unseen is passed all the same.
  const auto end = deadline(request, world.limits);
  const auto grace = is_over(request.state) ? kReviewKeptMs : 0;
  if (kind != kTime && end != 0 && world.now >= end + grace) return WhyNot::kTimeOver;
  return row->who(request, by, world);
}

Result<Step> step(const Request& request, const Event& event, const World& world) {
  const auto why = why_not(request, event.kind, event.by, world);
  if (why == WhyNot::kState) return nothing_that_happens(request, event.kind);
  if (why != WhyNot::kNothing)
    return fail(why == WhyNot::kTimeOver ? Errc::kState : Errc::kDenied, refusal(why, event.kind));
  const auto* row = row_of(request, event.kind);
  TRY(row->holds(request, event, world));
  auto next = changed(request, event, world.limits, world.now, row->to);
  auto actions = actions_of(*row, next.state);
  return Step{std::move(next), std::move(actions)};
}

Request begun(const Request& wanted, std::int64_t at) {
  return {.id = wanted.id,
          .customer = wanted.customer,
          .of_case = wanted.of_case,
          .requester = wanted.requester,
          .fields = wanted.fields,
          .category = wanted.category,
          .wished_ms = wanted.wished_ms,
          .asked_at = at,
          .since = at};
}

Result<Request> follow(const Request& request, const Event& event, const Limits& limits,
                       std::int64_t at) {
  const auto* row = row_of(request, event.kind);
  if (row == nullptr) return nothing_that_happens(request, event.kind);
  return changed(request, event, limits, at, row->to);
}

std::int64_t deadline(const Request& request, const Limits& limits) {
  switch (request.state) {
    case kRequested:
      return request.since + limits.assign_ms;
    case kAssigned:
      return request.since + limits.ring_ms;
    case kCalling:
      return request.since + limits.call_ms;
    case kVerified:
    case kHalfReleased:
    case kHalfBroken:
      return request.since + limits.release_ms;
    case kOpen:
      return request.until;
    case kConfirmed:
      return request.since + limits.window_ms;
    case kClosed:
    case kExpired:
    case kRevoked:
      return request.since + limits.review_ms;
    default:
      return 0;
  }
}

std::vector<EventKind> possible(const Request& request) {
  std::vector<EventKind> kinds;
  for (const auto& row : kTable)
    if (is_about(row, request, request.state)) kinds.push_back(row.event);
  return kinds;
}

bool asks_own_data(const Request& request) { return request.category == kOwnData; }

bool was_confirmed(const Request& request) {
  static constexpr std::array kSince = {State::kConfirmed, kClosed, kExpired, kRevoked, kReviewed};
  return asks_own_data(request) && std::ranges::find(kSince, request.state) != kSince.end();
}

std::uint32_t checks_needed(const Request& request, const CallBack& call, const Limits& limits) {
  const auto least = std::max(1u, limits.checks_min);
  // Nobody releases what asks for own data: where a second one would have to, a check stands in.
  const bool young = call.number_age_days < limits.number_days_young;
  return asks_own_data(request) && young ? least + 1 : least;
}

std::string counts_as(const Request& request, std::string_view kind, bool by_mail,
                      FieldNumber leaf) {
  const bool code = kind == kByCode;
  const auto mailbox = vault::to_text(vault::FieldKind::kEmail);
  if (asks_own_data(request) && (code ? by_mail : kind == mailbox)) return std::string(mailbox);
  return code ? std::string(kByCode) : std::to_string(leaf);
}

std::vector<TableRow> table() {
  std::vector<TableRow> rows;
  for (const auto& row : kTable)
    rows.push_back({row.from, row.event, row.to, row.asks, actions_of(row, row.to)});
  return rows;
}

std::vector<Action> asked_for(const Request& request) {
  if (request.state == kRequested) return {kFindExpert};
  const auto* row = row_of(request, request.came_from, request.came_by);
  const bool leads_here =
      row != nullptr && (row->to == request.state || request.state == kHalfReleased);
  return leads_here ? actions_of(*row, request.state) : std::vector<Action>();
}

bool is_over(State state) {
  static constexpr std::array kOver = {kClosed,  kExpired, kRevoked,  kReviewed,
                                       kRefused, kLapsed,  kWithdrawn};
  return std::ranges::find(kOver, state) != kOver.end();
}

bool is_category(std::string_view word) {
  return std::ranges::find(kCategories, word) != kCategories.end();
}

bool is_settled(State state) {
  return state == kReviewed || state == kRefused || state == kLapsed || state == kWithdrawn;
}

}  // namespace callward::disclose
