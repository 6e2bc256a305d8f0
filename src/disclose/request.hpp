// A request for a customer's data, from the concern to the review. Pure: a request, an event and
// what is known besides give the request as it is then, and what is to be done. The same table
// stands behind the keeper's checks, the screens ("why can't I?") and docs/disclosure.md.
//
//   requested ─assign─▶ assigned ─ring─▶ calling ─pass─▶ verified ─release─▶ open ─end─▶ closed
//        │                 ▲  no answer │    │ fail          │  │            │ │            │
//    withdraw              └────────────┘    ▼      decline  │  │ half   time│ │revoke      ▼
//        ▼                                refused ◀──────────┘  ▼ released  ▼ ▼         reviewed
//    withdrawn      every state before open ─time─▶ lapsed      └─▶ open  expired revoked ─▲
//
// Break-glass goes round the call-back, never round people: two authorised persons open it, the
// owner is told at once, the review is due within a day.
//
// A customer who rings and asks what is kept of them (category `own_data`) goes the same way as far
// as the verdict: calling ─pass─▶ confirmed ─end, time, revoke─▶ as above. Such a request names no
// field, and none of its states opens any: the requester learns that it is the customer, and may
// hand over the receipt while it is confirmed.
//
// INVARIANTS (request_test.cpp tries to break them)
//   (1) Of requester, expert and who releases no two are one person, whatever their roles; nor is
//       the second of two who release one of them, nor an expert who rang and has left it since.
//   (2) What is open was verified, or was broken open by two; its fields are among those asked
//       for, its end is fixed when it opens.
//   (3) From a state that is over no event leads back.
//   (4) What asks for own data is never open, broken or released.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.hpp"
#include "people/chart.hpp"
#include "vault/customer.hpp"

namespace callward::disclose {

using vault::Limits;

using vault::CaseNumber;
using FieldNumber = std::uint32_t;  // of a customer, by the vault

enum class State : std::uint8_t {
  kRequested,
  kAssigned,
  kCalling,
  kVerified,
  kHalfReleased,  // one of two has released
  kHalfBroken,    // one of two wants it broken open
  kOpen,
  kClosed,  // the requester is done
  kExpired,
  kRevoked,
  kReviewed,
  kRefused,
  kLapsed,
  kWithdrawn,
  kConfirmed,  // own data: the call-back was with the customer, and nothing opens
};
inline constexpr std::size_t kStates = 15;

enum class EventKind : std::uint8_t {
  kAssign,
  kWithdraw,
  kRing,
  kNoAnswer,
  kPass,
  kFail,
  kRelease,
  kDecline,
  kBreak,
  kView,
  kEnd,
  kRevoke,
  kReview,
  kTime,
};
inline constexpr std::size_t kEventKinds = 14;

const char* to_text(State state);
const char* to_text(EventKind kind);

// What a request is about, in a word: so that who decides sees it before any sentence is opened.
// The words are those of the format: never given anew.
inline constexpr std::string_view kOwnData = "own_data";
inline constexpr std::array<std::string_view, 7> kCategories = {
    "repair", "billing", "contract", "complaint", "safety", "other", kOwnData};
bool is_category(std::string_view word);

// What the keeper knows itself of the call-back and the checks; nobody says it.
struct CallBack {
  CallId call;
  bool answered = false, recorded = false, number_on_file = false;
  std::int64_t seconds = 0;
  std::int64_t number_age_days = 0;
  template <class V>
  void visit(V& v) {
    v(call, answered, recorded, number_on_file, seconds, number_age_days);
  }
};

// The review's two answers. Not said: by a review from before there were any.
struct Found {
  bool said = false, needed = false, used = false;
  template <class V>
  void visit(V& v) {
    v(said, needed, used);
  }
};

struct Request {
  RequestId id;
  CustomerId customer;
  CaseNumber of_case = 0;
  PersonId requester;
  std::vector<FieldNumber> fields;  // asked for; sorted, each once
  std::string category;             // of kCategories; empty: not said
  std::int64_t wished_ms = 0;       // how long it is wished open; 0: as usual. Who releases decides
  std::int64_t asked_at = 0;        // UTC ms, as all times here
  State state = State::kRequested;
  std::int64_t since = 0;  // in this state
  // The step that led to it, which says who is told of it; of kRequested nothing: it was asked.
  State came_from = State::kRequested;
  EventKind came_by = EventKind::kTime;
  PersonId expert;
  std::uint32_t rings = 0;
  CallBack call_back;
  std::uint32_t checks = 0;    // passed
  bool broken = false;         // by break-glass
  std::int64_t broken_at = 0;  // the last step of it, whatever came after; 0: none
  PersonId released_by, second;
  std::vector<FieldNumber> released;
  std::int64_t opened_at = 0, until = 0;
  std::uint32_t views = 0;
  PersonId reviewed_by;
  Found found;                  // by the review
  std::vector<PersonId> acted;  // whoever took a step besides the requester, each once
  template <class V>
  void visit(V& v) {
    v(id, customer, of_case, requester, fields, category, wished_ms, asked_at, state, since,
      came_from, came_by, expert, rings, call_back, checks, broken, broken_at, released_by, second,
      released, opened_at, until, views, reviewed_by, found, acted);
  }
};

struct Event {
  EventKind kind{};
  PersonId by;      // zero: the system
  PersonId expert;  // assign
  CallBack call_back;
  std::uint32_t checks = 0;         // pass: as the keeper counted them
  std::vector<FieldNumber> fields;  // release, break: narrowed; view: the one
  std::int64_t window_ms = 0;       // release, break: 0 is the usual
  Found found;                      // review
};

struct World {
  const people::Chart& chart;
  const Limits& limits;
  std::int64_t now = 0;
};

// What is done of a step: by the keeper at once (kFindExpert, kDial), or by telling people of it,
// for as long as it is news to them (reminder.hpp).
enum class Action : std::uint8_t {
  kFindExpert,
  kTellExpert,
  kDial,
  kTellAuthorised,
  kTellRequester,
  kWipeReaders,  // whoever reads wipes what it has
  kAlarmOwner,
  kTellManager,  // a review is due; or an expert refused what somebody asked who answers to them
};

// Why a person may not take a step now. Its words are the interface's: never given anew.
enum class WhyNot : std::uint8_t {
  kNothing,       // they may
  kState,         // nothing that happens in this state
  kTimeOver,      // of the state
  kNotYet,        // the window begins later, by this clock
  kSystem,        // nobody does it by hand
  kRequester,     // the requester does it
  kItsExpert,     // the expert to whom it was assigned does it
  kMayNotVerify,  // it was assigned to them, and they may not verify it any more
  kNoTryLeft,     // the customer was tried often enough
  kAuthorised,    // an authorised person does it
  kStopper,       // an authorised person, an owner or a superior of the requester does it
  kSuperior,      // a superior of the requester or an owner does it
  kAsked,         // they asked for it
  kVerifies,      // it is theirs to verify, or was
  kReleased,      // they have released it
  kActed,         // they have taken another step on it
  kFirstGone,     // who released it first may not release any more
  kReleaserGone,  // ... who released what is open
  kVerifierGone,  // who verified what is open may not verify any more
};
inline constexpr std::size_t kWhyNots = 19;
const char* to_text(WhyNot why);

struct Step {
  Request next;
  std::vector<Action> actions;
};

// kState: nothing that may happen now. kDenied: not by this person, or something does not hold; the
// message says what.
Result<Step> step(const Request& request, const Event& event, const World& world);
// As far as it is the person's: kNothing where there is a step of this kind that step() takes from
// them now. It is what step() itself asks first; what they say with the step it asks besides.
WhyNot why_not(const Request& request, EventKind kind, const PersonId& by, const World& world);
// A new one: kDenied when this person may not ask, kMalformed when nothing sensible is asked for.
Result<Step> ask(const Request& wanted, const World& world);

// For copies of what the log says: what a step that the keeper has judged makes of a request, by
// the same table, and no question whether it might be. kState: nothing that happens to this state.
Request begun(const Request& wanted, std::int64_t at);
Result<Request> follow(const Request& request, const Event& event, const Limits& limits,
                       std::int64_t at);

// The table itself, for docs/disclosure.md (table_markdown) and whoever else tells of it.
enum class Asks : std::uint8_t { kAny, kFields, kOwnData };
struct TableRow {
  State from;
  EventKind event;
  State to;
  Asks asks;
  std::vector<Action> actions;
};
std::vector<TableRow> table();
// What the step asked for that led to the state in which the request is.
std::vector<Action> asked_for(const Request& request);
std::string table_markdown();

// A review that nobody makes may be made so long after its time; then the request is forgotten.
inline constexpr std::int64_t kReviewKeptMs = 30 * 86'400'000ll;
// When the state ends by itself; 0: never.
std::int64_t deadline(const Request& request, const Limits& limits);
// What may happen to it in its state, in the order of the table.
std::vector<EventKind> possible(const Request& request);
// The customer asks what is kept of them: no field is named, and none opens.
bool asks_own_data(const Request& request);
// ... and it was confirmed that it is the customer, whatever came of it since.
bool was_confirmed(const Request& request);
// How many checks a verdict needs after this call-back, besides it.
std::uint32_t checks_needed(const Request& request, const CallBack& call, const Limits& limits);
// What a check that was passed counts as, each once: a field, or a code. Where nobody releases, all
// that whoever has the mailbox can say is one: a code by mail, and every address on file, which may
// be the same. `kind`: as `check_made` says it; `by_mail`: of a code.
inline constexpr std::string_view kByCode = "code";
inline constexpr std::string_view kByMail = "email", kBySms = "sms";  // a code's channel
std::string counts_as(const Request& request, std::string_view kind, bool by_mail,
                      FieldNumber leaf);
bool is_over(State state);     // nobody sees anything any more
bool is_settled(State state);  // ... and nobody has anything to do with it: no review is due
// Who may do this, in words for a screen: "an authorised person who did nothing else …".
std::string_view who_may(EventKind kind);
// Has asked for it, has it to verify, or took a step on it.
bool has_acted(const Request& request, const PersonId& person);
// Whether this expert may take it: on nobody's word but the chart's.
bool may_verify(const Request& request, const PersonId& expert, const people::Chart& chart);

// What of it waits for this person's own act: what lists hold and the console counts.
enum class Turn : std::uint8_t {
  kNone,
  kVerify,   // to be rung, or judged: it was assigned to them
  kRelease,  // to be released, or as the second one to be released or broken open
  kReview,
  kWindow,  // theirs is open: fields, or that it is the customer
};
const char* to_text(Turn turn);
Turn turn_of(const Request& request, const PersonId& person, const World& world);

}  // namespace callward::disclose
