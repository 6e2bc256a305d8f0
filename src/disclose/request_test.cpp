#include "disclose/request.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>

#include "base/vfs.hpp"
#include "disclose/company_rig_test.hpp"

namespace callward::disclose {
namespace {

using test::Company;
using test::Someone;
using enum State;
using enum EventKind;
using people::Role;

class Requests : public ::testing::Test, public Company {
 protected:
  Request request = ask(asked(tom.id), world)->next;

  Result<Step> go(const Event& event) {
    auto done = step(request, event, world);
    if (done) request = done->next;
    return done;
  }
  Errc refused(const Event& event) {
    const auto done = step(request, event, world);
    EXPECT_FALSE(done) << to_text(event.kind);
    return done ? Errc::kIo : done.error().code;
  }
  static Event pass(const PersonId& by, std::int64_t number_age = 400) {
    Event event{.kind = kPass, .by = by, .checks = 2};
    event.call_back = {.answered = true,
                       .recorded = true,
                       .number_on_file = true,
                       .seconds = 40,
                       .number_age_days = number_age};
    event.call_back.call.bytes[0] = 1;
    return event;
  }
  static Event release(const PersonId& by, std::vector<FieldNumber> fields = {2, 4}) {
    return {.kind = kRelease, .by = by, .fields = std::move(fields)};
  }
  void verified(std::int64_t number_age = 400) {
    ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
    ASSERT_TRUE(go({.kind = kRing, .by = eve.id}));
    ASSERT_TRUE(go(pass(eve.id, number_age)));
  }
  Event view(FieldNumber field) { return {.kind = kView, .by = tom.id, .fields = {field}}; }
};

TEST_F(Requests, FromConcernToReview) {
  EXPECT_EQ(request.fields, (std::vector<FieldNumber>{2, 4, 9}));
  verified();
  const auto opened = go(release(anna.id));
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(request.state, kOpen);
  EXPECT_EQ(request.until, world.now + limits.window_ms);
  ASSERT_TRUE(go(view(4)));
  EXPECT_EQ(request.views, 1u);
  EXPECT_EQ(refused(view(9)), Errc::kDenied) << "narrowed away";
  EXPECT_EQ(refused({.kind = kView, .by = tom.id, .fields = {2, 4}}), Errc::kDenied);
  EXPECT_EQ(refused({.kind = kView, .by = eve.id, .fields = {2}}), Errc::kDenied);
  const auto ended = go({.kind = kEnd, .by = tom.id});
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->actions, (std::vector{Action::kWipeReaders, Action::kTellManager}));
  EXPECT_EQ(refused(view(4)), Errc::kState);
  EXPECT_EQ(refused({.kind = kReview, .by = anna.id}), Errc::kDenied);
  ASSERT_TRUE(go({.kind = kReview, .by = max.id}));
  EXPECT_EQ(request.state, kReviewed);
  EXPECT_TRUE(possible(request).empty());
}

TEST_F(Requests, WhoAsks) {
  EXPECT_TRUE(ask(asked(max.id), world));
  EXPECT_EQ(ask(asked(rita.id), world).error().code, Errc::kDenied)
      << "an administrator reads nothing";
  EXPECT_EQ(ask(asked(people::test::id_of(99)), world).error().code, Errc::kDenied);
  EXPECT_EQ(ask(asked(tom.id, {}), world).error().code, Errc::kMalformed);
  EXPECT_EQ(ask(asked(tom.id, std::vector<FieldNumber>(100, 3)), world)->next.fields.size(), 1u);
}

TEST_F(Requests, ZeroChecksAreNoneAndTheCallMustHaveBeenOne) {
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  EXPECT_EQ(refused(pass(eve.id)), Errc::kState) << "nobody was rung";
  ASSERT_TRUE(go({.kind = kRing, .by = eve.id}));
  limits.checks_min = 0;
  auto event = pass(eve.id);
  event.checks = 0;
  EXPECT_EQ(refused(event), Errc::kDenied) << "a policy of no checks still needs one";
  limits.checks_min = 2;
  for (const auto& spoil : std::vector<std::function<void(Event&)>>{
           [](Event& e) { e.checks = 1; }, [](Event& e) { e.call_back.answered = false; },
           [](Event& e) { e.call_back.recorded = false; },
           [](Event& e) { e.call_back.number_on_file = false; },
           [](Event& e) { e.call_back.seconds = 29; }, [](Event& e) { e.call_back.call = {}; }}) {
    auto spoilt = pass(eve.id);
    spoil(spoilt);
    EXPECT_EQ(refused(spoilt), Errc::kDenied);
  }
  EXPECT_EQ(refused(pass(emil.id)), Errc::kDenied) << "another expert";
  EXPECT_TRUE(go(pass(eve.id)));
}

TEST_F(Requests, AnExpertWhoAnswersToTheRequesterVerifiesNothing) {
  request = ask(asked(max.id), world)->next;
  ASSERT_TRUE(apply(person(eve.id, people::bit(Role::kExpert), max.id), {olga}));
  EXPECT_EQ(refused({.kind = kAssign, .expert = eve.id}), Errc::kDenied);
  EXPECT_EQ(refused({.kind = kAssign, .expert = anna.id}), Errc::kDenied) << "no expert";
  EXPECT_EQ(refused({.kind = kAssign, .by = max.id, .expert = emil.id}), Errc::kDenied)
      << "the requester does not choose";
  ASSERT_TRUE(go({.kind = kAssign, .expert = emil.id}));
  // Moved under the requester after the assignment.
  ASSERT_TRUE(apply(person(emil.id, people::bit(Role::kExpert), max.id), {olga}));
  EXPECT_EQ(refused({.kind = kRing, .by = emil.id}), Errc::kDenied);
}

TEST_F(Requests, WhatIsAnExpertsIsNotGivenToThemAnew) {
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  EXPECT_EQ(refused({.kind = kAssign, .expert = eve.id}), Errc::kDenied)
      << "its time would begin again";
  world.now += 1'000;
  ASSERT_TRUE(go({.kind = kAssign, .expert = emil.id}));
  EXPECT_EQ(request.since, world.now);
}

TEST_F(Requests, ANumberThatWasChangedLatelyTakesTwo) {
  verified(29);
  ASSERT_TRUE(go(release(anna.id, {2, 4})));
  EXPECT_EQ(request.state, kHalfReleased);
  EXPECT_EQ(refused(view(4)), Errc::kState);
  EXPECT_EQ(refused(release(anna.id)), Errc::kDenied) << "the same one";
  EXPECT_EQ(refused(release(abe.id, {2, 9})), Errc::kDenied) << "more than the first one";
  auto longer = release(abe.id);
  longer.window_ms = limits.window_ms_max;
  EXPECT_EQ(refused(longer), Errc::kDenied);
  ASSERT_TRUE(go(release(abe.id, {4})));
  EXPECT_EQ(request.state, kOpen);
  EXPECT_EQ(request.released, (std::vector<FieldNumber>{4}));
}

TEST_F(Requests, BreakGlassTakesTwoAndNeverOneself) {
  const Event first{.kind = kBreak, .by = anna.id, .fields = {2}};
  EXPECT_EQ(refused({.kind = kBreak, .by = tom.id, .fields = {2}}), Errc::kDenied);
  const auto half = go(first);
  ASSERT_TRUE(half);
  EXPECT_EQ(half->actions[0], Action::kAlarmOwner);
  EXPECT_EQ(request.state, kHalfBroken);
  EXPECT_EQ(refused(first), Errc::kDenied);
  ASSERT_TRUE(go({.kind = kBreak, .by = abe.id, .fields = {2}}));
  EXPECT_EQ(request.state, kOpen);
  EXPECT_TRUE(request.broken);
  EXPECT_TRUE(go(view(2)));
}

TEST_F(Requests, WhoAsksWhatIsKeptOfThemIsConfirmedAndNothingOpens) {
  const auto own = asked_own(tom.id);
  auto with_fields = own;
  with_fields.fields = {2};
  EXPECT_EQ(ask(with_fields, world).error().code, Errc::kMalformed) << "a field slips in";
  auto with_time = own;
  with_time.wished_ms = 60'000;
  EXPECT_EQ(ask(with_time, world).error().code, Errc::kMalformed);
  request = ask(own, world)->next;
  EXPECT_EQ(possible(request), (std::vector{kAssign, kWithdraw, kTime})) << "nobody breaks it open";
  EXPECT_EQ(refused({.kind = kBreak, .by = anna.id, .fields = {2}}), Errc::kState);
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  ASSERT_TRUE(go({.kind = kRing, .by = eve.id}));
  auto too_few = pass(eve.id);
  too_few.checks = 1;
  EXPECT_EQ(refused(too_few), Errc::kDenied) << "the same verification";
  EXPECT_EQ(refused(pass(eve.id, 29)), Errc::kDenied)
      << "a number that was changed lately, and no second person";
  auto one_more = pass(eve.id, 29);
  one_more.checks = 3;
  EXPECT_TRUE(step(request, one_more, world));
  const auto told = go(pass(eve.id));
  ASSERT_TRUE(told) << told.error().message;
  EXPECT_EQ(request.state, kConfirmed);
  EXPECT_EQ(told->actions, std::vector{Action::kTellRequester});
  EXPECT_EQ(refused(release(anna.id)), Errc::kState);
  EXPECT_EQ(refused(view(2)), Errc::kState);
  EXPECT_EQ(deadline(request, limits), world.now + limits.window_ms);
  EXPECT_EQ(refused({.kind = kEnd, .by = eve.id}), Errc::kDenied);
  ASSERT_TRUE(go({.kind = kEnd, .by = tom.id}));
  EXPECT_EQ(request.state, kClosed);
  ASSERT_TRUE(go({.kind = kReview, .by = max.id}));
}

TEST_F(Requests, WhatWasConfirmedEndsByItselfOrIsRevoked) {
  request = ask(asked_own(tom.id), world)->next;
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  ASSERT_TRUE(go({.kind = kRing, .by = eve.id}));
  ASSERT_TRUE(go(pass(eve.id)));
  EXPECT_EQ(refused({.kind = kRevoke, .by = tom.id}), Errc::kDenied);
  const auto revoked = step(request, {.kind = kRevoke, .by = max.id}, world);
  ASSERT_TRUE(revoked);
  EXPECT_EQ(revoked->next.state, kRevoked);
  EXPECT_EQ(refused({.kind = kTime}), Errc::kState) << "too early";
  world.now = deadline(request, limits);
  ASSERT_TRUE(go({.kind = kTime}));
  EXPECT_EQ(request.state, kExpired);
}

TEST_F(Requests, WhoeverLosesTheRoleTakesTheReleaseWithIt) {
  verified();
  ASSERT_TRUE(go(release(anna.id)));
  ASSERT_TRUE(apply(person(anna.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_EQ(refused(view(4)), Errc::kDenied);
}

TEST_F(Requests, TimeEndsEveryState) {
  const auto ends = [&](State as) {
    const auto now = world.now;
    EXPECT_EQ(refused({.kind = kTime}), Errc::kState) << "too early";
    world.now = deadline(request, limits);
    for (const auto kind : possible(request))
      if (kind != kTime)
        EXPECT_FALSE(step(request, {.kind = kind, .by = tom.id, .fields = {2}}, world))
            << "too late";
    const auto done = step(request, {.kind = kTime}, world);
    EXPECT_TRUE(done && done->next.state == as) << to_text(request.state);
    world.now = now;
  };
  ends(kLapsed);
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  ends(kLapsed);
  ASSERT_TRUE(go({.kind = kRing, .by = eve.id}));
  ends(kLapsed);
  ASSERT_TRUE(go(pass(eve.id, 1)));
  ends(kLapsed);
  ASSERT_TRUE(go(release(anna.id)));
  ends(kLapsed);
  ASSERT_TRUE(go(release(abe.id)));
  ends(kExpired);
  world.now = request.opened_at - 1;
  EXPECT_EQ(refused(view(4)), Errc::kDenied) << "a clock that was set back";
}

TEST(RequestTable, TheDocumentIsThatOfTheTable) {
  RealVfs vfs;
  const auto text =
      vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + "/docs/disclosure.md", 1 << 20);
  ASSERT_TRUE(text) << "write it with: callward log steps > docs/disclosure.md";
  EXPECT_EQ(as_text(*text), table_markdown());
}

// ---- why can't I? -------------------------------------------------------------------------------

TEST_F(Requests, WhyNotIsOfThePerson) {
  const auto why = [&](EventKind kind, const Someone& who) {
    return std::string(to_text(why_not(request, kind, who.id, world)));
  };
  EXPECT_EQ(why(kWithdraw, tom), "");
  EXPECT_EQ(why(kWithdraw, anna), "requester");
  EXPECT_EQ(why(kAssign, eve), "system");
  EXPECT_EQ(why(kRelease, anna), "not_now");
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  EXPECT_EQ(why(kRing, emil), "its_expert");
  ASSERT_TRUE(go({.kind = kRing, .by = eve.id}));
  request.rings = limits.rings_max;
  ASSERT_TRUE(go({.kind = kNoAnswer}));
  EXPECT_EQ(why(kRing, eve), "no_try_left");
  EXPECT_EQ(turn_of(request, eve.id, world), Turn::kNone) << "there is nothing that she could do";
  ASSERT_TRUE(go({.kind = kAssign, .expert = emil.id}));
  request.rings = 1;
  ASSERT_TRUE(go({.kind = kRing, .by = emil.id}));
  EXPECT_EQ(turn_of(request, emil.id, world), Turn::kVerify);
  ASSERT_TRUE(go(pass(emil.id)));
  EXPECT_EQ(why(kRelease, eve), "authorised");
  ASSERT_TRUE(apply(person(eve.id, people::bit(Role::kAuthorised), olga.id), {olga, max}));
  EXPECT_EQ(why(kRelease, eve), "acted") << "she rang, and has left it since";
  EXPECT_EQ(turn_of(request, eve.id, world), Turn::kNone);
  EXPECT_EQ(turn_of(request, anna.id, world), Turn::kRelease);
  ASSERT_TRUE(go(release(anna.id)));
  EXPECT_EQ(turn_of(request, tom.id, world), Turn::kWindow);
  EXPECT_EQ(why(kRevoke, tom), "asked");
  EXPECT_EQ(why(kRevoke, emil), "stopper");
  ASSERT_TRUE(go({.kind = kRevoke, .by = max.id}));
  EXPECT_EQ(why(kReview, max), "acted") << "his superior, who has revoked it";
  EXPECT_EQ(why(kReview, anna), "released");
  EXPECT_EQ(why(kReview, emil), "verifies");
  EXPECT_EQ(why(kReview, rita), "superior");
  EXPECT_EQ(turn_of(request, max.id, world), Turn::kNone);
  EXPECT_EQ(turn_of(request, olga.id, world), Turn::kReview);
}

TEST_F(Requests, AWindowThatOpensNothingIsNobodysTurn) {
  verified();
  ASSERT_TRUE(go(release(anna.id)));
  const auto why = [&] { return std::string(to_text(why_not(request, kView, tom.id, world))); };
  EXPECT_EQ(why(), "");
  world.now = request.until;
  EXPECT_EQ(why(), "time_over");
  EXPECT_EQ(turn_of(request, tom.id, world), Turn::kNone);
  world.now = request.opened_at;
  ASSERT_TRUE(apply(person(eve.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_EQ(why(), "verifier_lost_role");
  ASSERT_TRUE(apply(person(anna.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_EQ(why(), "releaser_lost_role");
  EXPECT_EQ(turn_of(request, tom.id, world), Turn::kNone);
}

// Who runs the system, or reads the log, signs no step: the next one above them does.
TEST_F(Requests, ASuperiorWhoSignsNoStepsReviewsNone) {
  verified();
  ASSERT_TRUE(go(release(anna.id)));
  ASSERT_TRUE(apply(person(max.id, people::bit(Role::kAdministrator), olga.id), {olga}));
  EXPECT_FALSE(step(request, {.kind = kRevoke, .by = max.id}, world));
  ASSERT_TRUE(go({.kind = kEnd, .by = tom.id}));
  EXPECT_EQ(turn_of(request, max.id, world), Turn::kNone);
  EXPECT_FALSE(step(request, {.kind = kReview, .by = max.id}, world));
  EXPECT_EQ(turn_of(request, olga.id, world), Turn::kReview);
}

TEST_F(Requests, AReviewThatNobodyMadeIsNobodysTurnAMonthLater) {
  verified();
  ASSERT_TRUE(go(release(anna.id)));
  ASSERT_TRUE(go({.kind = kEnd, .by = tom.id}));
  const auto end = deadline(request, world.limits);
  world.now = end + kReviewKeptMs - 1;
  EXPECT_EQ(turn_of(request, max.id, world), Turn::kReview) << "late, and still possible";
  ++world.now;
  EXPECT_EQ(turn_of(request, max.id, world), Turn::kNone) << "the keeper has forgotten it";
  EXPECT_FALSE(step(request, {.kind = kReview, .by = max.id}, world));
}

// Whoever would do this: without them few histories get anywhere.
PersonId who_does(const Company& company, const Request& request, EventKind kind) {
  switch (kind) {
    case kRing:
    case kPass:
    case kFail:
      return request.expert;
    case kWithdraw:
    case kView:
    case kEnd:
      return request.requester;
    case kRelease:
    case kBreak:
      return request.released_by == company.anna.id ? company.abe.id : company.anna.id;
    case kReview:
      return company.max.id;
    default:
      return {};
  }
}

Event anything(const Company& company, const std::vector<PersonId>& people,
               const Request& request) {
  Event event;
  // What may happen, mostly: else nothing ever gets far.
  const auto kinds = possible(request);
  event.kind = kinds.empty() || *rc::gen::inRange(0, 10) == 0
                   ? static_cast<EventKind>(*rc::gen::inRange(0, int(kEventKinds)))
                   : *rc::gen::elementOf(kinds);
  // Most do not give up.
  const bool ends = event.kind == kWithdraw || event.kind == kFail || event.kind == kDecline;
  if (ends && *rc::gen::inRange(0, 6) != 0) event.kind = kView;
  event.by = *rc::gen::elementOf(people);
  event.expert = *rc::gen::arbitrary<bool>() ? *rc::gen::elementOf(people) : company.eve.id;
  if (*rc::gen::inRange(0, 3) != 0) event.by = who_does(company, request, event.kind);
  event.checks = *rc::gen::elementOf(std::vector<std::uint32_t>{0, 1, 2, 3, 4});
  event.fields =
      *rc::gen::elementOf(std::vector<std::vector<FieldNumber>>{{2}, {2, 4}, {9}, {5}, {}});
  event.call_back.answered = event.call_back.number_on_file = event.call_back.recorded = true;
  event.call_back.seconds = *rc::gen::elementOf(std::vector<std::int64_t>{29, 30, 60});
  event.call_back.number_age_days = *rc::gen::elementOf(std::vector<std::int64_t>{1, 29, 30, 400});
  event.call_back.call.bytes[0] = 1;
  return event;
}

// Anything by anybody at any time: the invariants hold.
TEST(RequestTable, NobodyActsTwiceAndNothingOpensByAnotherWay) {
  const Company company;
  const std::vector<PersonId> people = {{},
                                        company.olga.id,
                                        company.max.id,
                                        company.tom.id,
                                        company.eve.id,
                                        company.emil.id,
                                        company.anna.id,
                                        company.abe.id,
                                        company.rita.id};
  std::map<State, int> seen;
  EXPECT_TRUE(rc::check("random histories", [&] {
    auto world = company.world;
    const bool own = *rc::gen::elementOf(std::vector<bool>{false, true});
    auto request =
        ask(own ? company.asked_own(company.tom.id) : company.asked(company.tom.id), world)->next;
    for (int i = 0; i < 60; ++i) {
      const auto event = anything(company, people, request);
      world.now += *rc::gen::inRange(0, 400'000);
      const auto before = request;
      const auto done = step(request, event, world);
      if (!done) continue;
      // A copy that follows what was judged is what was judged.
      const auto copy = follow(request, event, world.limits, world.now);
      RC_ASSERT(copy.has_value());
      RC_ASSERT(copy->state == done->next.state && copy->since == done->next.since &&
                copy->until == done->next.until && copy->released == done->next.released &&
                copy->released_by == done->next.released_by && copy->second == done->next.second &&
                copy->expert == done->next.expert && copy->views == done->next.views &&
                deadline(*copy, world.limits) == deadline(done->next, world.limits));
      request = done->next;
      ++seen[request.state];
      RC_ASSERT((!is_over(before.state) || request.state == kReviewed));
      std::vector<PersonId> acted;
      for (const auto& person : {request.requester, request.expert, request.released_by,
                                 request.second, request.reviewed_by})
        if (!person.is_zero()) acted.push_back(person);
      std::ranges::sort(acted);
      RC_ASSERT(std::ranges::adjacent_find(acted) == acted.end());
      RC_ASSERT(std::ranges::includes(request.fields, request.released));
      RC_ASSERT((!own || (request.state != kOpen && !request.broken && request.views == 0 &&
                          request.released_by.is_zero())));
      RC_ASSERT((request.state != kConfirmed || (own && request.checks >= 2)));
      if (request.state == kOpen) {
        RC_ASSERT(!request.released.empty());
        const bool two = !request.second.is_zero();
        const bool proven = request.checks >= 2 && !request.expert.is_zero();
        RC_ASSERT((request.broken ? two : proven));
        RC_ASSERT((before.state != kOpen || request.until == before.until));
        RC_ASSERT(request.until <= world.now + company.limits.window_ms_max);
      }
    }
  }));
  EXPECT_GT(seen[kOpen], 0);
  EXPECT_GT(seen[kReviewed], 0);
  EXPECT_GT(seen[kConfirmed], 0);
}

// What this person could best say with the step.
Event best(const Request& request, EventKind kind, const PersonId& by) {
  Event event{.kind = kind, .by = by, .checks = 99};
  event.call_back = {.answered = true,
                     .recorded = true,
                     .number_on_file = true,
                     .seconds = 3'600,
                     .number_age_days = 400};
  event.call_back.call.bytes[0] = 1;
  const bool first = request.released.empty();
  event.fields = first ? request.fields : request.released;
  event.window_ms = 1;
  if (kind == kView) event.fields = {first ? FieldNumber{0} : request.released.front()};
  return event;
}

// Charts of the same company in which somebody has moved, lost a role or left.
std::vector<people::Chart> charts_of_the_company() {
  std::vector<people::Chart> charts;
  const auto one = [&](const std::function<void(Company&)>& happens) {
    Company company;
    happens(company);
    charts.push_back(company.chart);
  };
  one([](Company&) {});
  one([](Company& c) {
    EXPECT_TRUE(c.apply(c.person(c.anna.id, people::bit(Role::kAgent), c.olga.id), {c.olga}));
  });
  one([](Company& c) {
    EXPECT_TRUE(c.apply(c.person(c.eve.id, people::bit(Role::kExpert), c.tom.id), {c.olga}));
  });
  one([](Company& c) {
    EXPECT_TRUE(
        c.apply(c.person(c.eve.id, people::bit(Role::kAuthorised), c.olga.id), {c.olga, c.max}));
  });
  one([](Company& c) {
    EXPECT_TRUE(c.apply(c.person(c.tom.id, people::bit(Role::kTechnician), c.abe.id), {c.olga}));
  });
  return charts;
}

// What somebody is told they may is what step() takes from them, and nothing besides.
TEST(RequestTable, WhatAPersonIsToldTheyMayIsWhatTheStepTakes) {
  const Company company;
  const auto charts = charts_of_the_company();
  const std::vector<PersonId> people = {company.olga.id, company.max.id,  company.tom.id,
                                        company.eve.id,  company.emil.id, company.anna.id,
                                        company.abe.id,  company.rita.id, people::test::id_of(99)};
  std::map<std::string, int> told;
  EXPECT_TRUE(rc::check("random histories", [&] {
    auto now = company.world.now;
    const bool own = *rc::gen::elementOf(std::vector<bool>{false, true});
    auto request =
        ask(own ? company.asked_own(company.tom.id) : company.asked(company.tom.id), company.world)
            ->next;
    for (int i = 0; i < 40; ++i) {
      auto with_nobody = people;
      with_nobody.emplace_back();
      const auto event = anything(company, with_nobody, request);
      now += *rc::gen::inRange(0, 400'000);
      const auto& chart =
          charts[static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(charts.size())))];
      const World world{chart, company.limits, now};
      const World late{chart, company.limits, std::max(now, deadline(request, company.limits))};
      auto kinds = possible(request);
      kinds.push_back(static_cast<EventKind>(*rc::gen::inRange(0, int(kEventKinds))));
      for (const auto& by : people)
        for (const auto kind : kinds)
          for (const auto* when : {&world, &late}) {
            const auto why = why_not(request, kind, by, *when);
            ++told[to_text(why)];
            RC_ASSERT((why == WhyNot::kNothing) ==
                      step(request, best(request, kind, by), *when).has_value());
            auto theirs = event;
            theirs.by = by;
            theirs.kind = kind;
            RC_ASSERT((why == WhyNot::kNothing || !step(request, theirs, *when)));
          }
      if (auto done = step(request, event, world)) request = std::move(done->next);
    }
  }));
  // Those that no run of it is without; the others WhyNotIsOfThePerson makes.
  for (const auto* word : {"", "not_now", "time_over", "system", "requester", "its_expert",
                           "authorised", "stopper", "superior", "asked", "verifies"})
    EXPECT_GT(told[word], 0) << word;
}

}  // namespace
}  // namespace callward::disclose
