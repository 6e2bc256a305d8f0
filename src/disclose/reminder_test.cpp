#include "disclose/reminder.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

#include "disclose/company_rig_test.hpp"

namespace callward::disclose {
namespace {

using test::Company;
using enum EventKind;
using people::Role;

constexpr std::int64_t kMinute = 60'000, kHour = 60 * kMinute;

class Reminders : public ::testing::Test, public Company {
 protected:
  Request request = ask(asked(tom.id), world)->next;
  std::vector<PersonId> on_duty{eve.id};

  void go(const Event& event) {
    auto done = step(request, event, world);
    ASSERT_TRUE(done) << to_text(event.kind) << ": " << done.error().message;
    request = done->next;
  }
  static Event passed(const PersonId& by, std::int64_t number_age = 400) {
    Event event{.kind = kPass, .by = by, .checks = 2};
    event.call_back = {.answered = true,
                       .recorded = true,
                       .number_on_file = true,
                       .seconds = 40,
                       .number_age_days = number_age};
    event.call_back.call.bytes[0] = 1;
    return event;
  }
  void verified(std::int64_t number_age = 400) {
    go({.kind = kAssign, .expert = eve.id});
    go({.kind = kRing, .by = eve.id});
    go(passed(eve.id, number_age));
  }
  std::vector<Reminder> due() const { return reminders_due(request, world, {on_duty, kHour}); }
  std::set<PersonId> of(Waits waits) const {
    std::set<PersonId> people;
    for (const auto& one : due())
      if (one.waits == waits) EXPECT_TRUE(people.insert(one.to).second) << "twice";
    return people;
  }
  using People = std::set<PersonId>;
};

TEST_F(Reminders, EachStateRemindsWhoeverItWaitsFor) {
  EXPECT_TRUE(due().empty()) << "Eve is on duty: it is given to her";
  go({.kind = kAssign, .expert = eve.id});
  EXPECT_EQ(of(Waits::kCallBack), People{eve.id});
  EXPECT_EQ(due().size(), 1u);
  EXPECT_EQ(due()[0].until, world.now + limits.ring_ms);
  go({.kind = kRing, .by = eve.id});
  EXPECT_TRUE(due().empty()) << "she is at it";
  go(passed(eve.id, 1));
  EXPECT_EQ(of(Waits::kRelease), (People{anna.id, abe.id}));
  go({.kind = kRelease, .by = anna.id, .fields = {2}});
  EXPECT_EQ(of(Waits::kSecond), People{abe.id}) << "not the one who has";
  EXPECT_TRUE(of(Waits::kRelease).empty());
  go({.kind = kRelease, .by = abe.id, .fields = {2}});
  EXPECT_EQ(of(Waits::kOpened), People{tom.id}) << "his time runs";
  EXPECT_EQ(due().size(), 1u);
  EXPECT_EQ(due()[0].until, request.until);
  world.now = request.until - 1;
  EXPECT_EQ(of(Waits::kOpened), People{tom.id});
  world.now = request.until;
  EXPECT_TRUE(due().empty()) << "nothing is open any more";
  world.now = request.opened_at;
  go({.kind = kEnd, .by = tom.id});
  EXPECT_EQ(of(Waits::kReview), People{max.id}) << "the requester's superior";
  EXPECT_TRUE(of(Waits::kReviewOverdue).empty());
  world.now += limits.review_ms;
  EXPECT_EQ(of(Waits::kReviewOverdue), (People{max.id, olga.id}));
  go({.kind = kReview, .by = max.id});
  EXPECT_TRUE(due().empty());
}

TEST_F(Reminders, WhoeverTheTableWouldNotLetIsNotReminded) {
  auto asks = asked(anna.id);  // an authorised person asks for herself
  request = ask(asks, world)->next;
  verified();
  EXPECT_EQ(of(Waits::kRelease), People{abe.id});
  EXPECT_TRUE(apply(person(abe.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_TRUE(of(Waits::kRelease).empty()) << "whose role was taken away";
}

TEST_F(Reminders, TheReviewGoesToAnOwnerWhereTheSuperiorHadAPart) {
  verified();
  go({.kind = kRelease, .by = anna.id, .fields = {2}});
  go({.kind = kRevoke, .by = max.id});
  EXPECT_EQ(of(Waits::kReview), People{olga.id}) << "Max, whom Tom answers to, stopped it";
}

TEST_F(Reminders, TheReviewGoesToNobodyWhereTheOnlyOwnerHadAPart) {
  request = ask(asked(max.id), world)->next;  // answers to Olga
  verified();
  go({.kind = kRelease, .by = anna.id, .fields = {2}});
  go({.kind = kRevoke, .by = olga.id});
  EXPECT_TRUE(of(Waits::kReview).empty()) << "the only owner stopped it: nobody may";
}

TEST_F(Reminders, BeforeItLapsesBothSidesAreTold) {
  verified();
  const auto end = deadline(request, limits);
  world.now = end - kHour - 1;
  EXPECT_TRUE(of(Waits::kLapses).empty());
  world.now = end - kHour;
  EXPECT_EQ(of(Waits::kLapses), (People{anna.id, abe.id, tom.id}));
  world.now = end;
  EXPECT_TRUE(due().empty()) << "it is over";
}

TEST_F(Reminders, WhereTimeIsShortItComesInTheLastQuarter) {
  limits.release_ms = 20 * kMinute;
  verified();
  EXPECT_TRUE(of(Waits::kLapses).empty()) << "not with the first one";
  world.now += 15 * kMinute;
  EXPECT_FALSE(of(Waits::kLapses).empty());
}

TEST_F(Reminders, BreakGlassAlarmsTheOwnersAtOnceAndAtEachStep) {
  go({.kind = kBreak, .by = anna.id, .fields = {2}});
  EXPECT_EQ(of(Waits::kBroken), People{olga.id});
  EXPECT_EQ(of(Waits::kSecond), People{abe.id});
  const auto first = due()[0].key();
  world.now += kMinute;
  EXPECT_EQ(due()[0].key(), first) << "the same one, however often one looks";
  go({.kind = kBreak, .by = abe.id, .fields = {2}});
  EXPECT_EQ(of(Waits::kBroken), People{olga.id});
  EXPECT_NE(due()[0].key(), first) << "open: another alarm";
  const auto second = due()[0].key();
  world.now = request.until;
  go({.kind = kTime});
  EXPECT_EQ(due()[0].key(), second) << "said, though it is over when somebody looks";
  world.now = std::get<3>(second) + kAlarmMs;
  EXPECT_TRUE(of(Waits::kBroken).empty()) << "history";
}

// One alarm a step of breaking, whatever becomes of it.
TEST_F(Reminders, WhatWasHalfBrokenAndEndsIsNoNewAlarm) {
  for (const auto how : {kTime, kDecline}) {
    request = ask(asked(tom.id), world)->next;
    go({.kind = kBreak, .by = anna.id, .fields = {2}});
    const auto alarm = due()[0];
    ASSERT_EQ(alarm.waits, Waits::kBroken);
    world.now += how == kTime ? limits.release_ms : kMinute;
    go({.kind = how, .by = how == kTime ? PersonId{} : abe.id});
    ASSERT_EQ(of(Waits::kBroken), People{olga.id});
    EXPECT_EQ(due()[0].key(), alarm.key()) << to_text(how);
  }
}

TEST_F(Reminders, WhoAskedIsToldForADayWhatBecameOfIt) {
  go({.kind = kAssign, .expert = eve.id});
  go({.kind = kRing, .by = eve.id});
  const auto rung = request;
  go({.kind = kFail, .by = eve.id});
  EXPECT_EQ(of(Waits::kNotVerified), People{tom.id});
  EXPECT_EQ(of(Waits::kReported), People{max.id}) << "whom he answers to";
  EXPECT_EQ(due().size(), 2u);
  world.now += kNewsMs - 1;
  EXPECT_EQ(due().size(), 2u);
  ++world.now;
  EXPECT_TRUE(due().empty()) << "history";
  EXPECT_TRUE(apply(change(people::ChangeKind::kLeft, tom.id), {olga}));
  world.now -= 1;
  EXPECT_TRUE(of(Waits::kNotVerified).empty()) << "nobody who has left";
  EXPECT_EQ(of(Waits::kReported), People{olga.id}) << "who answers to nobody: an owner";
  request = rung;
  world.now = deadline(request, limits);
  go({.kind = kTime});
  EXPECT_TRUE(due().empty()) << "he is not here";
}

// The one who refused it is not who hears of it as its superior.
TEST_F(Reminders, ARefusalIsReportedToWhoHadNoPartInIt) {
  EXPECT_TRUE(
      apply(person(max.id, people::bit(Role::kSupervisor) | people::bit(Role::kExpert), olga.id),
            {olga, eve}));
  go({.kind = kAssign, .expert = max.id});
  go({.kind = kRing, .by = max.id});
  go({.kind = kFail, .by = max.id});
  EXPECT_EQ(of(Waits::kReported), People{olga.id});
}

TEST_F(Reminders, WhereNoExpertIsOnDutyThoseWhoMayTakeItAreTold) {
  on_duty.clear();
  EXPECT_EQ(of(Waits::kOffDuty), (People{eve.id, emil.id}));
  EXPECT_EQ(due().size(), 2u);
  EXPECT_EQ(due()[0].until, deadline(request, limits));
  EXPECT_TRUE(lacks_expert(request, chart, on_duty));
  on_duty = {emil.id};
  EXPECT_TRUE(due().empty());
  EXPECT_FALSE(lacks_expert(request, chart, on_duty));
  // On duty is one who may not, for he answers to who asks.
  request = ask(asked(max.id), world)->next;
  EXPECT_TRUE(apply(person(emil.id, people::bit(Role::kExpert), max.id), {olga}));
  EXPECT_EQ(of(Waits::kOffDuty), People{eve.id});
  // An expert who asks is none for it.
  request = ask(asked(eve.id), world)->next;
  on_duty = {eve.id};
  EXPECT_EQ(of(Waits::kOffDuty), People{emil.id});
  world.now = deadline(request, limits) - kHour;
  EXPECT_EQ(of(Waits::kLapses), People{eve.id}) << "who asked, before it lapses";
  world.now += kHour;
  EXPECT_TRUE(due().empty());
}

// Who has it is not there, nor anybody else: it waits as if nobody had it.
TEST_F(Reminders, WhereTheExpertHasGoneThoseWhoMayTakeItAreTold) {
  go({.kind = kAssign, .expert = eve.id});
  EXPECT_FALSE(lacks_expert(request, chart, on_duty));
  on_duty = {emil.id};
  EXPECT_FALSE(lacks_expert(request, chart, on_duty)) << "it is given to him, by the keeper";
  EXPECT_TRUE(of(Waits::kOffDuty).empty());
  on_duty.clear();
  EXPECT_TRUE(lacks_expert(request, chart, on_duty));
  EXPECT_EQ(of(Waits::kOffDuty), (People{eve.id, emil.id})) << "she may come back";
  EXPECT_EQ(due().size(), 2u);
  EXPECT_EQ(due()[0].until, deadline(request, limits));
  for (const auto& one : {eve, emil})
    EXPECT_TRUE(apply(person(one.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_EQ(of(Waits::kNoExpert), People{olga.id});
  world.now = deadline(request, limits);
  EXPECT_TRUE(due().empty());
}

TEST_F(Reminders, WhereNobodyMayReleaseItTheOwnersAreTold) {
  verified(1);
  EXPECT_FALSE(lacks_releaser(request, world));
  EXPECT_TRUE(of(Waits::kNoReleaser).empty());
  go({.kind = kRelease, .by = anna.id, .fields = {2}});
  EXPECT_TRUE(apply(person(abe.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_TRUE(lacks_releaser(request, world)) << "there is no second one";
  EXPECT_EQ(of(Waits::kNoReleaser), People{olga.id});
  EXPECT_TRUE(of(Waits::kSecond).empty());
  EXPECT_EQ(due().size(), 1u);
  EXPECT_EQ(due()[0].until, deadline(request, limits));
  request = ask(asked(tom.id), world)->next;
  verified();
  EXPECT_EQ(of(Waits::kRelease), People{anna.id});
  EXPECT_TRUE(apply(person(anna.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_EQ(of(Waits::kNoReleaser), People{olga.id});
  world.now = deadline(request, limits);
  EXPECT_TRUE(due().empty());
  EXPECT_FALSE(lacks_releaser(request, world));
}

TEST_F(Reminders, WhereThereIsNoExpertTheOwnersAreTold) {
  on_duty.clear();
  for (const auto& one : {eve, emil})
    EXPECT_TRUE(apply(person(one.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_EQ(of(Waits::kNoExpert), People{olga.id});
  EXPECT_EQ(due().size(), 1u);
}

// Whom each step of the table tells, and whom the letters reach: the same, for every step that there
// is, on every way to it.
class EachStep : public ::testing::Test, public Company {
 protected:
  using Tells = std::set<Action>;
  const std::vector<PersonId> nobody;

  static Action told_by(Waits waits) {
    switch (waits) {
      case Waits::kCallBack:
        return Action::kTellExpert;
      case Waits::kRelease:
      case Waits::kSecond:
      case Waits::kNoReleaser:
        return Action::kTellAuthorised;
      case Waits::kReview:
      case Waits::kReported:
        return Action::kTellManager;
      case Waits::kBroken:
        return Action::kAlarmOwner;
      case Waits::kOffDuty:
      case Waits::kNoExpert:
        return Action::kFindExpert;
      default:
        return Action::kTellRequester;
    }
  }
  bool is_meant(const Reminder& one, const Request& r) const {
    using people::Role;
    switch (told_by(one.waits)) {
      case Action::kTellExpert:
        return one.to == r.expert;
      case Action::kTellAuthorised:
        if (one.waits == Waits::kNoReleaser) return one.to == olga.id;
        return chart.is(one.to, Role::kAuthorised) &&
               std::ranges::find(r.acted, one.to) == r.acted.end();
      case Action::kTellManager:
        return one.to == olga.id || one.to == max.id;
      case Action::kAlarmOwner:
        return one.to == olga.id;
      case Action::kFindExpert:
        return chart.is(one.to, Role::kExpert);
      default:
        return one.to == tom.id;
    }
  }
  // Of what has just happened.
  void reaches(const Request& r, const std::vector<Action>& actions) {
    Tells wanted, found;
    for (const auto action : actions)
      if (action != Action::kDial && action != Action::kWipeReaders) wanted.insert(action);
    // It is given to somebody who is on duty, as the keeper does it.
    const std::vector<PersonId> hers{r.expert};
    for (const auto& one :
         reminders_due(r, world, {r.state == State::kAssigned ? hers : nobody, 0})) {
      if (one.since != world.now) continue;  // an alarm of before
      found.insert(told_by(one.waits));
      EXPECT_TRUE(is_meant(one, r)) << to_text(one.waits);
      const bool stands = one.waits == Waits::kOpened || one.waits == Waits::kConfirmed;
      if (stands) EXPECT_EQ(one.until, deadline(r, limits)) << "until when it is so";
    }
    EXPECT_EQ(found, wanted) << to_text(r.came_from) << ' ' << to_text(r.came_by) << ' '
                             << to_text(r.state);
  }
  std::vector<Event> events_of(const Request& r, EventKind kind) const {
    std::vector<Event> all;
    for (const auto& by : {PersonId{}, tom.id, max.id, olga.id, eve.id, anna.id, abe.id})
      for (const std::int64_t age : {1, 400}) {
        Event event{.kind = kind, .by = by, .expert = eve.id, .checks = 3, .fields = {2}};
        event.call_back = {.answered = true, .recorded = true, .number_on_file = true};
        event.call_back.seconds = 40;
        event.call_back.number_age_days = age;
        event.call_back.call.bytes[0] = 1;
        if (!r.released.empty()) event.fields = {r.released[0]};
        if (r.state == State::kAssigned) event.expert = r.expert == eve.id ? emil.id : eve.id;
        all.push_back(event);
      }
    return all;
  }
  void walk(const Request& r) {
    for (const auto kind : possible(r))
      for (const auto& event : events_of(r, kind)) {
        const auto before = world.now;
        world.now = kind == kTime ? deadline(r, limits) : before + 1;
        if (const auto done = step(r, event, world)) {
          const bool own = asks_own_data(r);
          rows.insert({r.state, kind, own});
          if (kind != kView) reaches(done->next, done->actions);
          const auto& next = done->next;
          const bool young = next.call_back.number_age_days == 1;
          if (seen.insert({next.state, next.came_from, next.came_by, event.by, own, young}).second)
            walk(next);
        }
        world.now = before;
      }
  }
  std::set<std::tuple<State, EventKind, bool>> rows;
  std::set<std::tuple<State, State, EventKind, PersonId, bool, bool>> seen;
};

TEST_F(EachStep, OfTheTableReachesWhomItTellsAndNobodyElse) {
  for (const auto& wanted : {asked(tom.id), asked_own(tom.id)}) {
    const auto fresh = ask(wanted, world);
    ASSERT_TRUE(fresh);
    reaches(fresh->next, fresh->actions);
    walk(fresh->next);
  }
  for (const auto& row : table())
    for (const bool own : {false, true}) {
      const bool opens = row.from == State::kVerified || row.from == State::kHalfReleased ||
                         row.from == State::kOpen || row.from == State::kHalfBroken;
      if (row.asks == (own ? Asks::kFields : Asks::kOwnData) || (own && opens) ||
          (!own && row.from == State::kConfirmed))
        continue;
      EXPECT_TRUE(rows.contains({row.from, row.event, own}))
          << "never tried: " << to_text(row.from) << ' ' << to_text(row.event) << own;
    }
}

// Looked at every so often, in any history: each reminder is the same one until the next step, none
// comes of nothing, and none names somebody whom the table would refuse.
TEST(ReminderHistories, AreSteady) {
  EXPECT_TRUE(rc::check("random histories", [] {
    Company company;
    auto& world = company.world;
    auto request = ask(company.asked(company.tom.id), world)->next;
    const std::vector<PersonId> people = {company.tom.id, company.eve.id,  company.anna.id,
                                          company.abe.id, company.olga.id, company.max.id};
    std::set<Reminder::Key> seen;
    for (int i = 0; i < 40; ++i) {
      Event event{.kind = static_cast<EventKind>(*rc::gen::inRange<int>(0, kEventKinds)),
                  .by = *rc::gen::elementOf(people),
                  .checks = 2,
                  .fields = {2}};
      if (event.kind == kAssign || event.kind == kNoAnswer || event.kind == kTime) event.by = {};
      event.expert = company.eve.id;
      event.call_back = {.answered = true, .recorded = true, .number_on_file = true, .seconds = 40};
      event.call_back.call.bytes[0] = 1;
      event.call_back.number_age_days = *rc::gen::elementOf(std::vector<std::int64_t>{1, 400});
      if (auto done = step(request, event, world)) request = done->next;
      world.now += *rc::gen::elementOf(std::vector{kMinute, kHour, 9 * kHour});
      std::set<Reminder::Key> now;
      const std::vector<PersonId> on_duty = {company.eve.id};
      for (const auto& one : reminders_due(request, world, {on_duty, kHour})) {
        RC_ASSERT(now.insert(one.key()).second);
        RC_ASSERT(!one.to.is_zero() && one.since != 0 && one.since <= world.now);
        RC_ASSERT(one.request == request.id);
        if (one.waits == Waits::kRelease || one.waits == Waits::kSecond)
          RC_ASSERT(one.to != request.requester && one.to != request.expert &&
                    one.to != request.released_by);
      }
      seen.merge(now);
    }
    RC_ASSERT(seen.size() < 60u);
  }));
}

}  // namespace
}  // namespace callward::disclose
