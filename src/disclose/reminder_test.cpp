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
  std::vector<Reminder> due() const { return reminders_due(request, world, kHour); }
  std::set<PersonId> of(Waits waits) const {
    std::set<PersonId> people;
    for (const auto& one : due())
      if (one.waits == waits) EXPECT_TRUE(people.insert(one.to).second) << "twice";
    return people;
  }
  using People = std::set<PersonId>;
};

TEST_F(Reminders, EachStateRemindsWhoeverItWaitsFor) {
  EXPECT_TRUE(due().empty()) << "nobody has it";
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
  EXPECT_TRUE(due().empty()) << "open: the requester looks";
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
      for (const auto& one : reminders_due(request, world, kHour)) {
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
