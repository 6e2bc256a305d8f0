// How long what is stored is kept, and by whose word it may go sooner, or in larger numbers.
#include <gtest/gtest.h>

#include "tests/attack/retention_rig.hpp"

namespace callward::attack {
namespace {

class Keeping : public RetentionRig {};

// A policy that is made stricter, or laxer, while the keeper is down: stricter holds for what is
// stored once an owner has said so, laxer never does.
TEST_F(Keeping, ANewPolicyShortensWhatIsThereByAnOwnersWordAndLengthensNothing) {
  const auto customer = carla();
  policy_text = keeping(3'000, 300);
  boot();
  close(customer, {record(customer, "email")});  // opened under 365 days
  EXPECT_EQ(fields_of(customer), 5u);
  policy_text = keeping(20, 10);
  boot();
  const auto until = [&] {
    const auto there = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
    return (there->cases[0].reference_until - there->cases[0].closed_at) / kDay;
  };
  EXPECT_EQ(until(), 365) << "nobody has confirmed it";
  ticks(10 * kDay);
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 5u);
  EXPECT_TRUE(progress().at("waits").as_bool());
  EXPECT_EQ(number(progress(), "to_confirm"), 1);
  EXPECT_EQ(number(dry_run(), "due_customers"), 1) << "the same number, by the policy as stated";
  ASSERT_TRUE(confirm(olga));
  EXPECT_EQ(until(), 20) << "as told";
  EXPECT_FALSE(progress().at("waits").as_bool());
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 4u);
  policy_text = keeping(3'000, 300);
  boot();
  EXPECT_FALSE(progress().at("waits").as_bool()) << "more holds at once";
  ticks(354 * kDay);
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 4u) << "365 days, as when it was stored";
  ticks(kDay);
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 0u);
  expect_rules_hold();
}

TEST_F(Keeping, AStricterPolicyTakesNothingThatIsStoredBeforeAnOwnerSaysSo) {
  const auto customer = carla(), open = known(1);
  close(customer, {record(customer, "email")});
  policy_text = keeping(2, 1);
  boot();
  close(open);  // a case that closes while it waits: as it was to stay
  const auto later = known(2);
  close(later);  // begun under the stricter one: that was promised, and holds
  // What a customer is told of it is what holds.
  const auto days = [&](const CustomerId& id) {
    std::set<std::uint32_t> kept;
    const auto state = ask(&Office::customer_state, keys::CustomerStateRequest{id});
    for (const auto& field : state->fields) kept.insert(field.kept_days);
    return kept;
  };
  EXPECT_EQ(days(customer), (std::set<std::uint32_t>{30, 365}));
  EXPECT_EQ(days(open), (std::set<std::uint32_t>{365}));
  EXPECT_EQ(days(later), (std::set<std::uint32_t>{2}));
  ticks(40 * kDay);
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 4u) << "30 days of the contact, which were in force";
  EXPECT_EQ(fields_of(open), 2u);
  EXPECT_EQ(fields_of(later), 0u);
  const auto since = number(progress(), "shorter_since");
  boot();
  EXPECT_EQ(number(progress(), "shorter_since"), since) << "over a restart, too";
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 4u);
  EXPECT_EQ(number(progress(), "to_confirm"), 2);
  ASSERT_TRUE(confirm(olga));
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 0u);
  EXPECT_EQ(fields_of(open), 0u);
  expect_rules_hold();
}

TEST_F(Keeping, AStricterHourOfSecretsHoldsAtOnce) {
  const auto customer = carla();
  ticks(61'000);
  policy_text = std::string(kPolicy) + "[keep]\nsecret_hours = 1\n";
  boot();
  EXPECT_FALSE(progress().at("waits").as_bool());
  ticks(kHour);
  ticks(61'000);
  EXPECT_TRUE(went("hours").contains({customer.hex(), leaf_of.at({customer, "password"})}));
  EXPECT_EQ(fields_of(customer), 5u);
}

TEST_F(Keeping, AnOwnerSaysWhatTheySeeOrNothing) {
  const auto customer = carla();
  close(customer);
  EXPECT_EQ(confirm(olga).error().code, Errc::kState) << "nothing waits";
  policy_text = keeping(3, 3);
  boot();
  ticks(4 * kDay);
  ticks(61'000);
  const auto right = word(olga);
  EXPECT_EQ(right.customers, 1u);
  const auto refused = [&](auto change, const Someone& by) {
    auto other = right;
    change(other);
    const auto put = put_word(other, by);
    return put ? std::optional<Errc>() : put.error().code;
  };
  const auto asis = [](disclose::OwnersWord&) {};
  EXPECT_EQ(refused([](auto& w) { w.customers = 0; }, olga), Errc::kState);
  EXPECT_EQ(refused([](auto& w) { w.customers = 2; }, olga), Errc::kState);
  EXPECT_EQ(refused([](auto& w) { w.keep.reference_days = 2; }, olga), Errc::kState);
  EXPECT_EQ(refused([](auto& w) { w.stop = "volume"; }, olga), Errc::kState);
  EXPECT_EQ(refused([](auto& w) { w.nonce[0] ^= 1; }, olga), Errc::kState);
  // By nobody who may: signed by another role, in an owner's name, or by no passkey of theirs.
  EXPECT_EQ(refused([&](auto& w) { w.by = max.id; }, max), Errc::kDenied);
  EXPECT_EQ(refused([&](auto& w) { w.by = anna.id; }, anna), Errc::kDenied);
  EXPECT_EQ(refused(asis, max), Errc::kDenied);
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 4u);
  EXPECT_EQ(refused(asis, olga), std::nullopt);
  EXPECT_EQ(refused(asis, olga), Errc::kState) << "one word, once";
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 0u);
  expect_rules_hold();
}

// Whoever has the server has all that it ever saw: words of before, an owner's other signatures, and
// every message. The days in force stay.
TEST_F(Keeping, ACapturedServerConfirmsNothing) {
  const auto customer = carla();
  close(customer);
  policy_text = keeping(30, 3);
  boot();
  ticks(61'000);
  const auto first = word(olga);
  const auto signature = sign(first, olga);
  ASSERT_TRUE(put_signed_word(first, signature));
  policy_text = keeping(3, 3);
  boot();
  ticks(4 * kDay);
  ticks(61'000);
  const auto now_asked = word(olga);
  EXPECT_EQ(put_signed_word(first, signature).error().code, Errc::kState) << "said before";
  EXPECT_EQ(put_signed_word(now_asked, signature).error().code, Errc::kDenied) << "of another";
  auto turned = signature;
  turned.person = max.id;
  EXPECT_EQ(put_signed_word(now_asked, turned).error().code, Errc::kDenied);
  // An owner's signature under something else: the key of their browser.
  const auto challenge = crypto::sha256(as_bytes("CWS1 reader"));
  const people::PersonSignature other{olga.id, olga.device->sign(people::test::kParty, challenge)};
  EXPECT_EQ(put_signed_word(now_asked, other).error().code, Errc::kDenied);
  auto message = message_of(now_asked, signature);
  message.signature = "{}";
  EXPECT_FALSE(ask(&Office::confirm_field_retention, message));
  // One that was signed and held back is worth nothing once another was taken.
  const auto held_back = sign(now_asked, olga);
  for (int i = 0; i < 3; ++i) {
    ticks(Office::kNonceMs);
    (void)progress();
  }
  EXPECT_EQ(put_signed_word(now_asked, held_back).error().code, Errc::kState);
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 4u);
  EXPECT_TRUE(progress().at("waits").as_bool());
  expect_rules_hold();
}

// More than a day may take: it stops before anything goes, over a restart, until an owner has seen
// the number. Secrets go.
TEST_F(Keeping, MoreThanUsualOnADayStopsAndWaits) {
  constexpr int kMany = 130;
  std::vector<CustomerId> all;
  for (int i = 0; i < kMany; ++i) all.push_back(known(i));
  ticks(61'000);
  for (int i = 0; i < 60; ++i) close(all[static_cast<std::size_t>(i)]);
  ticks(kHour);
  for (int i = 60; i < kMany; ++i) close(all[static_cast<std::size_t>(i)]);
  const auto there = [&] {
    return std::ranges::count_if(all, [&](const auto& id) { return fields_of(id) != 0; });
  };
  ticks(365 * kDay - kHour);
  ticks(61'000);
  EXPECT_EQ(there(), kMany - 60) << "60 are within a day's bound of 100";
  EXPECT_EQ(number(progress(), "may"), 40);
  boot();  // what the day has spent is known to the next keeper
  EXPECT_EQ(number(progress(), "may"), 40);
  const auto secret = known(kMany);
  ticks(kHour);
  ticks(61'000);
  EXPECT_EQ(there(), kMany - 60) << "70 more: all wait, not only those beyond the bound";
  EXPECT_EQ(progress().at("stop"), "volume");
  EXPECT_EQ(progress().at("state"), "stopped");
  EXPECT_EQ(number(progress(), "to_confirm"), 70);
  EXPECT_EQ(log_types()["field_retention_stopped"], 1);
  boot();
  ticks(23 * kHour);
  ticks(61'000);
  EXPECT_EQ(there(), kMany - 60) << "another day does not let them go, nor another keeper";
  EXPECT_TRUE(went("hours").contains({secret.hex(), leaf_of.at({secret, "password"})}));
  EXPECT_EQ(log_types()["field_retention_stopped"], 1) << "said once";
  ASSERT_TRUE(confirm(olga));
  ticks(61'000);
  EXPECT_EQ(there(), 0);
  EXPECT_EQ(progress().at("stop"), "");
  expect_rules_hold();
}

// The machine loses its power at any write of a round that takes: whoever comes next has counted
// each customer of that day once.
TEST_F(Keeping, WhatADayHasSpentIsKnownAfterADeathMidway) {
  constexpr int kSome = 12;
  std::vector<CustomerId> all;
  for (int i = 0; i < kSome; ++i) all.push_back(known(i));
  for (const auto& id : all) close(id);
  ticks(365 * kDay - kHour);
  clock.advance_ms(4 * kHour);  // a day that is not over soon
  const auto start_of_it = vfs.fork(1);
  int deaths = 0;
  for (std::uint64_t call = 1;; call += 2) {
    SCOPED_TRACE(call);
    stop();
    vfs = start_of_it.fork(call);
    boot();
    vfs.plan(call, sim::Fault::kPowerLoss);
    for (int i = 0; i < 5 && !vfs.down(); ++i) keeper->tick();
    const bool came_through = vfs.calls() < call;
    stop();
    vfs.restart(call % 4 == 1 ? sim::Survival::kSome : sim::Survival::kEverything);
    vfs.plan(1'000'000, sim::Fault::kNone);
    boot();
    for (int i = 0; i < 3; ++i) ticks(61'000);
    EXPECT_EQ(went("retention").size(), 2u * kSome);
    EXPECT_EQ(number(progress(), "may"), Office::kFreeCustomers - kSome);
    expect_rules_hold();
    if (::testing::Test::HasFailure()) break;
    deaths += came_through ? 0 : 1;
    if (came_through) break;
  }
  EXPECT_GT(deaths, 3);
}

TEST_F(Keeping, AClockThatJumpedStopsWhatIsKeptForDaysAndNoSecret) {
  const auto customer = carla(), closed = known(1);
  close(closed);
  ticks(61'000);
  clock.jump_utc_ms(400 * kDay);
  ticks(61'000);
  EXPECT_EQ(progress().at("stop"), "clock_ahead");
  boot();  // who starts anew believes no wall clock either
  ticks(61'000);
  EXPECT_EQ(progress().at("stop"), "clock_ahead");
  EXPECT_EQ(fields_of(closed), 2u);
  EXPECT_TRUE(went("hours").contains({customer.hex(), leaf_of.at({customer, "password"})}));
  clock.jump_utc_ms(-400 * kDay);  // set right: an owner says so all the same
  ticks(61'000);
  EXPECT_EQ(progress().at("stop"), "clock_ahead");
  EXPECT_EQ(number(progress(), "to_confirm"), 0);
  ASSERT_TRUE(confirm(olga));
  ticks(61'000);
  EXPECT_EQ(fields_of(closed), 2u);
  EXPECT_EQ(progress().at("stop"), "");
  expect_rules_hold();
}

// Over a crash: an owner's word stands in the log, and no row knows of it.
TEST_F(Keeping, AnOwnersWordOutlivesTheKeeperThatTookIt) {
  const auto customer = carla();
  close(customer);
  policy_text = keeping(3, 3);
  boot();
  ticks(4 * kDay);
  ticks(61'000);
  const auto before = vfs.image("/a"), before_b = vfs.image("/b");
  ASSERT_TRUE(confirm(olga));
  stop();
  vfs.put_back(before);
  vfs.put_back(before_b);
  boot();
  EXPECT_FALSE(progress().at("waits").as_bool());
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 0u);
  expect_rules_hold();
}

// The word comes while what is due by the days of before is just being taken: it is for all.
TEST_F(Keeping, AnOwnersWordWhileARoundTakesIsForWhatItNames) {
  constexpr int kDue = 5, kMore = 120;
  std::vector<CustomerId> all;
  for (int i = 0; i < kDue + kMore; ++i) all.push_back(known(i));
  for (int i = 0; i < kDue; ++i) close(all[static_cast<std::size_t>(i)]);
  for (int i = 0; i < 26; ++i) ticks(kHour);  // their secrets go by the hour
  ticks(299 * kDay);
  for (int i = kDue; i < kDue + kMore; ++i) close(all[static_cast<std::size_t>(i)]);
  policy_text = keeping(20, 20);
  boot();
  ticks(64 * kDay);
  ticks(61'000);
  ASSERT_TRUE(progress().at("waits").as_bool());
  clock.advance_ms(kDay);
  for (int i = 0; i < 50 && number(progress(), "due_customers") != kDue; ++i) keeper->tick();
  ASSERT_EQ(number(progress(), "to_confirm"), kDue + kMore);
  ASSERT_TRUE(confirm(olga));
  for (int i = 0; i < 3; ++i) ticks(61'000);
  EXPECT_EQ(progress().at("stop"), "");
  EXPECT_EQ(std::ranges::count_if(all, [&](const auto& id) { return fields_of(id) != 0; }), 0);
  expect_rules_hold();
}

// ... and adds to what the day has left, as it does for a keeper that lives.
TEST_F(Keeping, AnOwnersWordThatIsReadAgainForgetsNothingThatTheDaySpent) {
  constexpr int kGone = 60, kMore = 5;
  std::vector<CustomerId> all;
  for (int i = 0; i < kGone + kMore; ++i) all.push_back(known(i));
  for (int i = 0; i < kGone; ++i) close(all[static_cast<std::size_t>(i)]);
  ticks(364 * kDay);
  for (int i = kGone; i < kGone + kMore; ++i) close(all[static_cast<std::size_t>(i)]);
  ticks(kDay);
  policy_text = keeping(1, 1);
  boot();
  clock.advance_ms(kHour);
  for (int i = 0; i < 3; ++i) ticks(61'000);
  ASSERT_EQ(number(progress(), "may"), 40);
  ASSERT_EQ(number(progress(), "to_confirm"), kMore);
  const auto before = vfs.image("/a"), before_b = vfs.image("/b");
  ASSERT_TRUE(confirm(olga));
  EXPECT_EQ(number(progress(), "may"), 40 + kMore);
  stop();
  vfs.put_back(before);
  vfs.put_back(before_b);
  boot();
  EXPECT_EQ(number(progress(), "may"), 40 + kMore);
}

// The vault of the program before this one: its head says nothing of days, the log does.
TEST_F(Keeping, AHeadOfTheVersionBeforeTakesTheDaysFromTheLog) {
  const auto customer = carla();
  close(customer, {record(customer, "email")});
  ticks(61'000);
  stop();
  store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
  const auto known_upto = store->log_size();
  auto head = *vault::Head::decode((*store->get(keys::kVaultHeadRow))->expose());
  head.kept = {};
  auto row = to_bytes(head.encode().expose());
  constexpr std::ptrdiff_t kPolicyEntry = 8, kKeptEmpty = 2 + 2 + 8 + 2, kTwoKeys = 64;
  row.erase(row.end() - kTwoKeys - kPolicyEntry - kKeptEmpty, row.end() - kTwoKeys);
  row[0] = vault::Head::kVersionWithoutKept;
  store->stage_put(keys::kVaultHeadRow, SecretBytes(row));
  ASSERT_TRUE(store->commit(known_upto));
  policy_text = keeping(3, 3);
  boot();
  EXPECT_EQ(progress().at("in_force").at("reference_days").as_int64(), 365);
  EXPECT_EQ(progress().at("in_force").at("contact_days").as_int64(), 30);
  EXPECT_TRUE(progress().at("waits").as_bool());
  ticks(4 * kDay);
  ticks(61'000);
  EXPECT_EQ(fields_of(customer), 5u);
  expect_rules_hold();
}

// Rules over the log, shown what a keeper that breaks them would write.
TEST_F(Keeping, TheLogsRulesFindWhatWentBeforeItsTime) {
  const auto customer = carla();
  close(customer, {record(customer, "email")});
  ticks(10 * kDay);
  const auto name = leaf_of.at({customer, "name"}), mail = leaf_of.at({customer, "email"});
  const auto story = entries();
  const auto planted = [&](std::int64_t days, std::uint32_t leaf) {
    auto log_entries = story;
    boost::json::array item{std::int64_t{leaf}, "retention"};
    log_entries.push_back({.type = "fields_erase_intended",
                           .actor = "keeper",
                           .subject = customer.hex(),
                           .at = clock.utc_ms() + days * kDay,
                           .data = {{"order", std::string(32, 'd')},
                                    {"fields", boost::json::array(1, item)},
                                    {"whole", false}}});
    return broken(log_entries);
  };
  EXPECT_EQ(planted(0, name), std::set<std::string>{"field-retention-in-time"});
  EXPECT_EQ(planted(354, name), std::set<std::string>{"field-retention-in-time"});
  EXPECT_EQ(planted(355, name), std::set<std::string>{});
  EXPECT_EQ(planted(19, mail), std::set<std::string>{"field-retention-in-time"});
  EXPECT_EQ(planted(20, mail), std::set<std::string>{});
  // And a keeper that shortens by itself, or with another's word.
  policy_text = keeping(3, 3);
  boot();
  ticks(61'000);
  auto log_entries = entries();
  const auto stated = std::ranges::find_if(log_entries.rbegin(), log_entries.rend(),
                                           [](auto& e) { return e.type == "policy_in_force"; });
  ASSERT_NE(stated, log_entries.rend());
  EXPECT_EQ(boost::json::serialize(stated->data.at("in_force")), "[365,30]");
  const auto by_itself = [&](boost::json::array in_force) {
    auto other = entries();
    for (auto& entry : other)
      if (entry.type == "policy_in_force" &&
          boost::json::serialize(entry.data.at("keep")) == "[3,3,24]")
        entry.data["in_force"] = in_force;
    return broken(other);
  };
  EXPECT_EQ(by_itself({365, 30}), std::set<std::string>{});
  EXPECT_EQ(by_itself({3, 3}), std::set<std::string>{"field-retention-by-owner"});
  const auto said = word(olga);
  ASSERT_TRUE(put_signed_word(said, sign(said, olga)));
  auto forged = entries();
  ASSERT_EQ(forged.back().type, "field_retention_confirmed");
  EXPECT_EQ(broken(forged), std::set<std::string>{});
  forged.push_back(forged.back());
  EXPECT_EQ(broken(forged), std::set<std::string>{"field-retention-by-owner"}) << "taken twice";
  forged.pop_back();
  forged.back().data["customers"] = 1'000;
  EXPECT_EQ(broken(forged), std::set<std::string>{"field-retention-by-owner"});
}

}  // namespace
}  // namespace callward::attack
