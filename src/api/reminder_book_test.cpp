#include "api/reminder_book.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "api/customer_tables.hpp"
#include "api/rig_test.hpp"
#include "disclose/company_rig_test.hpp"

namespace callward::api {
namespace {

using disclose::EventKind;

class Book : public ::testing::Test, public disclose::test::Company {
 protected:
  using SetBy = ReminderBook::SetBy;
  ManualClock clock;
  SystemEntropy entropy;
  std::unique_ptr<db::Database> database =
      std::move(*db::open_sqlite(":memory:", server_migrations()));
  ReminderBook book{*database, clock, entropy, {.on = true}};
  std::vector<PersonId> on_duty{eve.id};

  Book() {
    EXPECT_TRUE(book.set_address(eve.id, "eve@example.org", SetBy::kSession));
    EXPECT_TRUE(book.set_address(olga.id, "olga@example.org", SetBy::kPasskey));
  }
  disclose::Request fresh(std::uint32_t number) {
    auto wanted = asked(tom.id);
    store_le(wanted.id.bytes.data(), number);
    return disclose::ask(wanted, {chart, limits, clock.utc_ms()})->next;
  }
  // Assigned to Eve, by now.
  disclose::Request request(std::uint32_t number) {
    return disclose::step(fresh(number), {.kind = EventKind::kAssign, .expert = eve.id},
                          {chart, limits, clock.utc_ms()})
        ->next;
  }
  disclose::Request opened(std::uint32_t number) {
    const disclose::World now{chart, limits, clock.utc_ms()};
    auto one = request(number);
    disclose::Event pass{.kind = EventKind::kPass, .by = eve.id, .checks = 2};
    pass.call_back = {.answered = true, .recorded = true, .number_on_file = true, .seconds = 40};
    pass.call_back.number_age_days = 400;
    pass.call_back.call.bytes[0] = 1;
    for (const auto& event :
         {disclose::Event{.kind = EventKind::kRing, .by = eve.id}, pass,
          disclose::Event{.kind = EventKind::kRelease, .by = anna.id, .fields = {2}}})
      one = disclose::step(one, event, now)->next;
    return one;
  }
  disclose::Request broken_open(const disclose::Request& one) {
    return disclose::step(one, {.kind = EventKind::kBreak, .by = anna.id, .fields = {2}},
                          {chart, limits, clock.utc_ms()})
        ->next;
  }
  // As what follows the log leaves it.
  void keep(const disclose::Request& r) {
    ASSERT_TRUE(CustomerTables(*database).keep_request(r, 1, limits));
  }
  std::vector<ReminderBook::Letter> turn() {
    auto letters = book.turn(chart, limits, on_duty);
    EXPECT_TRUE(letters) << letters.error().message;
    return letters.value_or(std::vector<ReminderBook::Letter>());
  }
  std::int64_t count(const std::string& sql) { return (*database->query(sql))[0].number(0); }
  // As a disk that is full, or a database that somebody holds.
  void fail(const std::string& table) {
    ASSERT_TRUE(database->execute("ALTER TABLE " + table + " RENAME TO away"));
  }
  void mend(const std::string& table) {
    ASSERT_TRUE(database->execute("ALTER TABLE away RENAME TO " + table));
  }
};

TEST_F(Book, ALetterIsGivenOutOnceAndAgainWhereTheCourierWasAway) {
  book.touched(request(1));
  const auto first = turn();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].address, "eve@example.org");
  EXPECT_TRUE(turn().empty());
  book.all_later();
  const auto again = turn();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].id, first[0].id);
  ASSERT_TRUE(book.ended(first[0].id, keys::DeliveryOutcome::kTaken, ""));
  book.all_later();
  EXPECT_TRUE(turn().empty());
  EXPECT_EQ(book.counts()->taken, 1);
}

// What a turn did not give out is not out.
TEST_F(Book, ATurnThatTheDatabaseFailsLosesNoLetter) {
  for (std::uint32_t i = 1; i <= 3; ++i) book.touched(request(i));
  ASSERT_TRUE(database->execute(
      "CREATE TRIGGER third BEFORE INSERT ON reminders WHEN (SELECT count(*) FROM reminders) = 2 "
      "BEGIN SELECT RAISE(ABORT, 'full'); END"));
  EXPECT_FALSE(book.turn(chart, limits, on_duty));
  ASSERT_TRUE(database->execute("DROP TRIGGER third"));
  fail("people_mail");
  EXPECT_FALSE(book.turn(chart, limits, on_duty)) << "where the letters are made";
  mend("people_mail");
  EXPECT_EQ(turn().size(), 3u);
}

TEST_F(Book, WhatEndedIsNotSentAgainWhereItsRowWasNotWritten) {
  book.touched(request(1));
  const auto letters = turn();
  ASSERT_EQ(letters.size(), 1u);
  fail("reminders");
  EXPECT_FALSE(book.ended(letters[0].id, keys::DeliveryOutcome::kTaken, ""));
  book.all_later();
  EXPECT_FALSE(book.turn(chart, limits, on_duty));
  mend("reminders");
  EXPECT_TRUE(turn().empty());
  EXPECT_EQ(count("SELECT count(*) FROM reminders WHERE state = 'taken'"), 1);
  EXPECT_EQ(book.counts()->waiting, 0);
}

// New steps come first; the round goes on where it was.
TEST_F(Book, ANewStepMakesNoOtherRequestWait) {
  constexpr auto kRound = static_cast<std::uint32_t>(ReminderBook::kRequestsPerTurn);
  for (std::uint32_t i = 1; i <= 3 * kRound; ++i) {
    auto one = request(1);
    one.id = {};
    one.id.bytes[0] = static_cast<std::uint8_t>(i >> 8);  // in the order of their numbers
    one.id.bytes[1] = static_cast<std::uint8_t>(i);
    book.touched(one);
  }
  for (int i = 0; i < 3; ++i) (void)turn();  // Eve's letters: as many as wait at most
  ASSERT_TRUE(database->execute("DELETE FROM reminders"));
  // All are due anew, to somebody of whom there was no address; a new step of the last one each
  // turn keeps none of them from its turn.
  auto last = request(1);
  last.id = {};
  last.id.bytes[0] = static_cast<std::uint8_t>((3 * kRound) >> 8);
  last.id.bytes[1] = static_cast<std::uint8_t>(3 * kRound);
  ASSERT_TRUE(book.set_address(eve.id, "", SetBy::kSession));
  for (int i = 0; i < 5; ++i) {
    book.touched(last);
    (void)turn();
  }
  const auto waiting = static_cast<std::int64_t>(ReminderBook::kWaitingMax);
  EXPECT_EQ(book.counts()->without_address, 3 * kRound - waiting) << "each of the others was seen";
}

// However much else waits, and however many requests there are: an alarm goes out and stays.
TEST_F(Book, AnAlarmHasAShareOfItsOwnAndIsNotForgotten) {
  const auto broken = broken_open(request(1));
  ASSERT_NE(broken.broken_at, 0);
  constexpr auto kMany = static_cast<std::uint32_t>(ReminderBook::kWaitingMax);
  for (std::uint32_t i = 2; i <= kMany + 200; ++i) book.touched(request(i));
  std::size_t letters = 0;
  for (int i = 0; i < 5; ++i) letters += turn().size();
  EXPECT_EQ(letters, ReminderBook::kWaitingMax) << "as many as wait at most";
  book.touched(broken);
  const auto alarm = turn();
  ASSERT_EQ(alarm.size(), 1u);
  EXPECT_EQ(alarm[0].reminder.waits, disclose::Waits::kBroken);
  EXPECT_EQ(alarm[0].address, "olga@example.org");

  for (std::uint32_t i = 0; i < ReminderBook::kWatchedMax + 500; ++i)
    book.touched(request(10'000 + i));
  ASSERT_EQ(book.alarms(olga.id)->size(), 1u) << "whoever else asks";
  EXPECT_TRUE(book.alarm_seen(olga.id, broken.id));
  EXPECT_TRUE(book.alarms(olga.id)->empty());
}

// A server that dies with as many letters waiting as may: those of alarms are sent by the next.
TEST_F(Book, AServerThatStartsHasEveryLetterThatWaits) {
  constexpr auto kMany = static_cast<std::uint32_t>(ReminderBook::kWaitingMax);
  for (std::uint32_t i = 2; i <= kMany + 1; ++i) {
    book.touched(request(i));
    keep(request(i));
  }
  for (int i = 0; i < 5; ++i) (void)turn();
  clock.advance_ms(1'000);
  const auto broken = broken_open(request(1));
  keep(broken);
  book.touched(broken);
  const auto alarm = turn();
  ASSERT_EQ(alarm.size(), 1u);
  ReminderBook next(*database, clock, entropy, {.on = true});
  ASSERT_TRUE(next.load(limits));
  const auto letters = *next.turn(chart, limits, on_duty);
  EXPECT_EQ(letters.size(), kMany + 1);
  EXPECT_TRUE(
      std::ranges::any_of(letters, [&](const auto& letter) { return letter.id == alarm[0].id; }));
}

TEST_F(Book, AnAlarmIsFoundAtAStartHoweverManyWereAskedSince) {
  keep(broken_open(request(1)));
  ASSERT_TRUE(database->execute("BEGIN"));
  clock.advance_ms(1'000);
  for (std::uint32_t i = 2; i <= ReminderBook::kWatchedMax + 1; ++i) keep(request(i));
  ASSERT_TRUE(database->execute("COMMIT"));
  ReminderBook next(*database, clock, entropy, {.on = true});
  ASSERT_TRUE(next.load(limits));
  EXPECT_EQ(next.alarms(olga.id)->size(), 1u);
}

// A window is short: a letter that comes after it says what is no longer so.
TEST_F(Book, ThatAWindowIsOpenIsNotTriedBeyondItsEnd) {
  ASSERT_TRUE(book.set_address(tom.id, "tom@example.org", SetBy::kSession));
  const auto open = opened(1);
  ASSERT_LT(open.until, clock.utc_ms() + ReminderBook::kDeliverMs);
  book.touched(open);
  const auto letters = turn();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].address, "tom@example.org");
  EXPECT_EQ(letters[0].reminder.waits, disclose::Waits::kOpened);
  EXPECT_EQ(letters[0].deadline, open.until);
  book.later(letters[0].id, 0);
  clock.advance_ms(open.until - clock.utc_ms());
  EXPECT_TRUE(turn().empty());
  EXPECT_EQ(count("SELECT count(*) FROM reminders WHERE state = 'moot'"), 1);
}

// Many who ask at night, with nobody on duty, are one letter an hour to each expert, after a start
// too.
TEST_F(Book, ThatNobodyIsOnDutyIsSaidOnceAnHour) {
  const auto is_nudge = [](const ReminderBook::Letter& letter) {
    return letter.reminder.waits == disclose::Waits::kOffDuty &&
           letter.address == "eve@example.org";
  };
  on_duty.clear();
  for (std::uint32_t i = 1; i <= 50; ++i) {
    book.touched(fresh(i));
    keep(fresh(i));
  }
  const auto first = turn();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_TRUE(is_nudge(first[0]));
  ASSERT_TRUE(book.ended(first[0].id, keys::DeliveryOutcome::kTaken, ""));
  clock.advance_ms(ReminderBook::kNudgeEveryMs - 1'000);
  EXPECT_TRUE(turn().empty());
  ReminderBook next(*database, clock, entropy, {.on = true});
  ASSERT_TRUE(next.load(limits));
  EXPECT_TRUE(next.turn(chart, limits, on_duty)->empty());
  clock.advance_ms(1'000);
  const auto second = turn();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_TRUE(is_nudge(second[0]));
  EXPECT_NE(second[0].reminder.request, first[0].reminder.request);
  // Nor is it said anew of what was hers, and she has left: she was told.
  book.touched(request(60));
  EXPECT_TRUE(turn().empty());
  // What waits for Eve alone is no such letter, and waits for no hour.
  on_duty = {eve.id};
  EXPECT_EQ(turn().size(), 1u);
  clock.advance_ms(ReminderBook::kNudgeEveryMs);
  EXPECT_TRUE(turn().empty()) << "she is on duty";
}

// Before somebody is an owner, a session alone says where they are reminded, or an administrator.
TEST_F(Book, AnOwnersAddressIsOneThatAPasskeySigned) {
  ASSERT_TRUE(book.set_address(olga.id, "rita@evil.example", SetBy::kSession));
  EXPECT_EQ(*book.address_of(olga.id, true), "");
  EXPECT_EQ(*book.address_of(olga.id, false), "rita@evil.example");
  const auto broken = broken_open(request(1));
  book.touched(broken);
  for (const auto& letter : turn()) EXPECT_NE(letter.address, "rita@evil.example");
  ASSERT_TRUE(book.set_address(olga.id, "olga@example.org", SetBy::kPasskey));
  const auto letters = turn();
  ASSERT_EQ(letters.size(), 1u) << "once there is one";
  EXPECT_EQ(letters[0].address, "olga@example.org");
}

// Where nothing goes out nothing piles up, and what is old is forgotten.
TEST_F(Book, WithoutAMailServerItForgetsAllTheSame) {
  ReminderBook off(*database, clock, entropy, {.on = false});
  const auto broken = broken_open(request(1));
  off.touched(broken);
  EXPECT_TRUE(off.turn(chart, limits, on_duty)->empty());
  ASSERT_EQ(off.alarms(olga.id)->size(), 1u) << "the console shows it";
  ASSERT_TRUE(off.alarm_seen(olga.id, broken.id));
  ASSERT_TRUE(off.forget_old());
  EXPECT_EQ(count("SELECT count(*) FROM alarms_seen"), 1);
  clock.advance_ms(ReminderBook::kSentKeptMs + ReminderBook::kForgetEveryMs);
  ASSERT_TRUE(off.forget_old());
  EXPECT_EQ(count("SELECT count(*) FROM alarms_seen"), 0);
}

}  // namespace
}  // namespace callward::api
