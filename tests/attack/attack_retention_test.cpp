// Retention of fields: what is due goes, whenever the keeper dies; what it says of that is so; and a
// dry run touches nothing.
#include <gtest/gtest.h>

#include "tests/attack/retention_rig.hpp"

namespace callward::attack {
namespace {

class Retentions : public RetentionRig {};

TEST_F(Retentions, ADryRunCountsByClassAndChangesNothing) {
  const auto one = carla(), two = known(1);
  close(one, {record(one, "email")});
  ASSERT_TRUE(ask(&Office::hold_customer, keys::HoldCustomer{two, true, max.id.hex(), kReason}));
  const auto before = entries().size();
  auto run = dry_run();
  EXPECT_EQ(run.at("state"), "done");
  EXPECT_EQ(number(run, "customers"), 2);
  EXPECT_EQ(goes(run, "reference", "year"), 3);  // Carla's name, phone, query
  EXPECT_EQ(goes(run, "reference", "held"), 2);
  EXPECT_EQ(goes(run, "contact", "month"), 1);
  EXPECT_EQ(goes(run, "secret", "day"), 1);  // no hold keeps the other one's; Carla's is gone
  // A policy that is not in force: stricter ones show, laxer ones change nothing.
  run = dry_run({.in_force = false, .reference_days = 5, .contact_days = 1, .secret_hours = 1});
  EXPECT_EQ(goes(run, "reference", "week"), 3);
  EXPECT_EQ(goes(run, "contact", "day"), 1);
  EXPECT_EQ(goes(run, "secret", "hour"), 1);
  run = dry_run(
      {.in_force = false, .reference_days = 3'650, .contact_days = 900, .secret_hours = 24});
  EXPECT_EQ(goes(run, "reference", "year"), 3);
  EXPECT_EQ(goes(run, "contact", "month"), 1);
  EXPECT_EQ(entries().size(), before);
  EXPECT_EQ(fields_of(one), 5u);
  const auto said = boost::json::serialize(progress());
  for (const std::string secret : {"Carla", "sunshine", "Nora", "650253", "Heron"})
    EXPECT_EQ(said.find(secret), std::string::npos) << secret;
  EXPECT_EQ(said.find(one.hex()), std::string::npos);
}

TEST_F(Retentions, ADryRunIsOneAtATimeAndWithinThePolicysBounds) {
  carla();
  EXPECT_TRUE(ask(&Office::forecast_fields, keys::ForecastFields{}));
  ASSERT_EQ(progress().at("dry_run").at("state"), "running");
  EXPECT_EQ(ask(&Office::forecast_fields, keys::ForecastFields{}).error().code, Errc::kBusy);
  keeper->tick();
  EXPECT_EQ(progress().at("dry_run").at("state"), "done");
  const auto refused = [&](std::uint32_t reference, std::uint32_t contact, std::uint32_t secret) {
    const auto run =
        ask(&Office::forecast_fields, keys::ForecastFields{false, reference, contact, secret});
    return !run && run.error().code == Errc::kMalformed;
  };
  EXPECT_TRUE(refused(0, 0, 1));
  EXPECT_TRUE(refused(3'651, 0, 1));
  EXPECT_TRUE(refused(10, 11, 1));
  EXPECT_TRUE(refused(10, 0, 0));
  EXPECT_TRUE(refused(10, 0, 25));
  EXPECT_FALSE(refused(1, 0, 1));
}

TEST_F(Retentions, WhatCouldOnlyBeComparedIsErasedAndLoggedToo) {
  const auto customer = carla();
  const auto leaf = leaf_of.at({customer, "email"});
  close(customer, {record(customer, "email")});
  EXPECT_GT(rows_with_a_token(customer, leaf), 0);
  ticks(30 * kDay);
  ticks(61'000);
  EXPECT_EQ(went("retention"), (std::map<std::pair<std::string, std::int64_t>, int>{
                                   {{customer.hex(), std::int64_t{leaf}}, 1}}));
  EXPECT_EQ(rows_with_a_token(customer, leaf), 0) << "in an old page, too";
  expect_rules_hold();
}

// The keeper dies before a new case is in its row, and whoever comes next has a laxer policy: what
// was promised stands in the log, as does each policy's.
TEST_F(Retentions, WhatWasPromisedStandsInTheLogOverACrash) {
  policy_text = std::string(kPolicy) + "[keep]\nreference_days = 100\ncontact_days = 10\n";
  boot();
  const auto customer = carla();
  ticks(61'000);
  const auto before = vfs.image("/a"), before_b = vfs.image("/b");
  std::uint32_t of_case = 0;
  const auto stored = store_values({{"name", "Carla Cooper"}}, customer);
  ASSERT_TRUE(stored) << stored.error().message;
  of_case = stored->of_case;
  stop();
  vfs.put_back(before);
  vfs.put_back(before_b);
  policy_text = std::string(kPolicy) + "[keep]\nreference_days = 3000\ncontact_days = 300\n";
  boot();
  ASSERT_TRUE(ask(&Office::close_case,
                  keys::CloseCase{customer, 1, agent().hex(), {record(customer, "email")}}));
  ASSERT_TRUE(ask(&Office::close_case, keys::CloseCase{customer, of_case, agent().hex(), {}}));
  const auto there = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
  ASSERT_EQ(there->cases.size(), 2u);
  EXPECT_EQ(there->cases[1].reference_until, there->cases[1].closed_at + 100 * kDay);
  std::vector<std::string> stated;
  for (const auto& entry : entries())
    if (entry.type == "policy_in_force")
      stated.push_back(boost::json::serialize(entry.data.at("keep")));
  EXPECT_EQ(stated, (std::vector<std::string>{"[365,30,24]", "[100,10,24]", "[3000,300,24]"}));
  expect_rules_hold();
}

TEST_F(Retentions, ManyThatFallDueTogetherGoInBoundedTurnsAndAreCounted) {
  constexpr int kMany = static_cast<int>(Office::kPassingMax) + 1'150;
  std::vector<CustomerId> all;
  for (int i = 0; i < kMany; ++i) all.push_back(known(i));
  for (int i = 0; i < 5; ++i) ticks(61'000);
  EXPECT_EQ(progress().at("state"), "waiting");
  EXPECT_EQ(number(progress(), "due"), 0);
  gone.clear();
  clock.advance_ms(24 * kHour);
  std::size_t before = 0;
  bool all_were_counted = false;
  std::int64_t done = 0;
  for (int i = 0; i < 200 && (i < 5 || progress().at("state") == "erasing"); ++i) {
    clock.advance_ms(1'000);
    keeper->tick();
    const auto at = progress();
    EXPECT_LE(gone.size() - before, Office::kPassingMax);
    EXPECT_LE(number(at, "in_hand"), static_cast<std::int64_t>(Office::kPassingMax));
    all_were_counted = all_were_counted || number(at, "due") + number(at, "done") == kMany;
    if (number(at, "since") != 0) done = number(at, "done");
    if (gone.size() > before) {
      EXPECT_GT(number(at, "batch"), 0);
      EXPECT_LE(number(at, "batch"), static_cast<std::int64_t>(Office::kErasuresPerTurnMax));
      EXPECT_EQ(number(at, "batch_at"), office->now());
    }
    before = gone.size();
  }
  EXPECT_TRUE(all_were_counted);
  EXPECT_EQ(done, kMany);
  EXPECT_EQ(gone.size(), static_cast<std::size_t>(kMany));
  const auto last = progress();
  EXPECT_EQ(number(last, "due"), 0);
  EXPECT_EQ(number(last, "since"), 0);
  EXPECT_EQ(number(last.at("last").as_object(), "fields"), kMany);
  EXPECT_EQ(number(last.at("last").as_object(), "customers"), kMany);
  expect_rules_hold();
}

// A mirror is away for long: what is erased on the other one counts, and the others' time comes.
TEST_F(Retentions, AMirrorThatIsAwayHoldsNobodysErasureUp) {
  constexpr int kMany = static_cast<int>(Office::kPassingMax) + 20;
  std::vector<CustomerId> all;
  for (int i = 0; i < kMany; ++i) all.push_back(known(i));
  close(all[0]);  // whose turn comes a second time, while the mirror is away
  ticks(61'000);
  stop();
  const auto away = vfs.image("/b");
  for (const auto& [path, content] : away) ASSERT_TRUE(vfs.remove(path));
  mirrors_repaired = false;
  boot();
  gone.clear();
  clock.advance_ms(24 * kHour);
  for (int i = 0; i < 20; ++i) ticks(1'000);
  EXPECT_EQ(went("hours").size(), static_cast<std::size_t>(kMany) - 1);
  EXPECT_EQ(gone.size(), static_cast<std::size_t>(kMany) - 1);
  EXPECT_EQ(number(progress(), "unconfirmed"), kMany - 1);
  EXPECT_EQ(number(progress(), "due"), 0);
  ticks(61'000);
  EXPECT_EQ(progress().at("state"), "waiting") << "for nothing but a mirror";
  ASSERT_TRUE(ask(&Office::close_case, keys::CloseCase{all[1], 1, agent().hex(), {}}));
  ticks(61'000);
  ticks(364 * kDay);
  ticks(61'000);
  ticks(kDay);
  ticks(61'000);
  EXPECT_EQ(fields_of(all[1]), 0u) << "its first erasure waits for the mirror still";
  stop();
  vfs.put_back(away);
  mirrors_repaired = true;
  boot();
  for (int i = 0; i < 20; ++i) ticks(1'000);
  EXPECT_EQ(number(progress(), "unconfirmed"), 0);
  for (const auto& [leaf, times] : went("hours")) EXPECT_EQ(times, 1) << leaf.first;
  expect_rules_hold();
}

// One row that nobody can read, for whatever reason, is told of; who stands behind it is not kept.
TEST_F(Retentions, ARowThatCannotBeReadKeepsNobodyBehindIt) {
  const auto bad = known(1), behind = known(2);
  ticks(61'000);
  stop();
  store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
  const auto known_upto = store->log_size();
  store->stage_put(*vault::row_of(bad), SecretBytes(as_bytes("not a customer")));
  ASSERT_TRUE(store->commit(known_upto));
  boot();
  ticks(24 * kHour);
  ticks(61'000);
  EXPECT_EQ(fields_of(behind), 2u);
  EXPECT_TRUE(went("hours").contains({behind.hex(), leaf_of.at({behind, "password"})}));
  EXPECT_GT(number(progress(), "errors"), 0);
  EXPECT_NE(progress().at("why").as_string().find("row " + std::to_string(*vault::row_of(bad))),
            std::string::npos);
  EXPECT_EQ(dry_run().at("state"), "failed") << "it cannot count what it cannot read";
}

// The machine loses its power at any write of a round that erases: whoever comes next goes on.
// Nothing that is due is there in the end, nothing else is gone, each leaf went by the log once.
TEST_F(Retentions, AKeeperThatDiesMidwayGoesOnAndLosesNothing) {
  const auto closed = carla();
  std::vector<CustomerId> all;
  for (int i = 0; i < 12; ++i) all.push_back(known(i));
  close(closed, {record(closed, "email")});
  ASSERT_TRUE(ask(&Office::hold_customer, keys::HoldCustomer{all[3], true, max.id.hex(), kReason}));
  ticks(61'000);
  clock.advance_ms(24 * kHour);
  const auto start_of_it = vfs.fork(1);
  int deaths = 0;
  for (std::uint64_t call = 1;; call += 3) {
    SCOPED_TRACE(call);
    stop();
    vfs = start_of_it.fork(call);
    boot();
    vfs.plan(call, sim::Fault::kPowerLoss);
    for (int i = 0; i < 4 && !vfs.down(); ++i) keeper->tick();
    const bool came_through = vfs.calls() < call;
    stop();
    vfs.restart(call % 2 == 0 ? sim::Survival::kSome : sim::Survival::kEverything);
    vfs.plan(1'000'000, sim::Fault::kNone);
    boot();
    for (int i = 0; i < 3; ++i) ticks(61'000);
    EXPECT_EQ(number(progress(), "due"), 0);
    for (const auto& id : all) EXPECT_EQ(fields_of(id), 2u) << "name and phone stay, no password";
    EXPECT_EQ(fields_of(closed), 5u);
    for (const auto& id : all) {
      const auto leaf = leaf_of.at({id, "password"});
      EXPECT_TRUE(went("hours").contains({id.hex(), std::int64_t{leaf}}));
    }
    EXPECT_EQ(went("hours").size(), all.size());
    EXPECT_EQ(went("retention").size(), 0u);
    expect_rules_hold();
    if (::testing::Test::HasFailure()) break;
    deaths += came_through ? 0 : 1;
    if (came_through) break;
  }
  EXPECT_GT(deaths, 3);
}

}  // namespace
}  // namespace callward::attack
