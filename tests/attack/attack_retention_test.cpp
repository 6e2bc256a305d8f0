// Retention of fields: what is due goes, whenever the keeper dies; what it says of that is so; and a
// dry run touches nothing.
#include <gtest/gtest.h>

#include "tests/attack/page_rig.hpp"

namespace callward::attack {
namespace {

constexpr std::int64_t kHour = 3'600'000, kDay = 24 * kHour;

class Retentions : public ::testing::Test, public PageRig {
 protected:
  boost::json::object progress() {
    Answer<keys::FieldRetention> answer;  // within a round: looking erases nothing
    office->field_retention({}, answer.reply());
    EXPECT_TRUE(answer.value);
    return boost::json::parse(answer.value->json).as_object();
  }
  static std::int64_t number(const boost::json::object& json, std::string_view name) {
    return json.at(name).to_number<std::int64_t>();
  }
  boost::json::object dry_run(const keys::ForecastFields& message = {}) {
    EXPECT_TRUE(ask(&Office::forecast_fields, message));
    for (int i = 0; i < 100 && progress().at("dry_run").at("state") == "running"; ++i)
      keeper->tick();
    return progress().at("dry_run").as_object();
  }
  static std::int64_t goes(const boost::json::object& run, std::string_view of_class,
                           std::string_view when) {
    std::int64_t sum = 0;
    for (const auto& row : run.at("classes").as_array())
      if (std::string_view(row.at("class").as_string()) == of_class)
        sum += row.at("goes").at(when).to_number<std::int64_t>();
    return sum;
  }
  static std::string keeping(int reference, int contact) {
    return std::string(kPolicy) + "[keep]\nreference_days = " + std::to_string(reference) +
           "\ncontact_days = " + std::to_string(contact) + "\n";
  }
  // What the owner's browser shows and has them sign.
  disclose::OwnersWord word(const Someone& by) {
    const auto at = progress();
    disclose::OwnersWord said{.by = by.id, .stop = std::string(at.at("stop").as_string())};
    said.customers = static_cast<std::uint64_t>(number(at, "to_confirm"));
    const auto& keep = at.at("keep").as_object();
    said.keep = {.reference_days = number(keep, "reference_days"),
                 .contact_days = number(keep, "contact_days"),
                 .secret_hours = number(keep, "secret_hours")};
    if (const auto raw = from_hex(std::string_view(at.at("nonce").as_string())); raw)
      std::copy_n(raw->begin(), std::min(raw->size(), said.nonce.size()), said.nonce.begin());
    said.reason_hash = crypto::sha256(as_bytes("the new contract says so"));
    return said;
  }
  static people::PersonSignature sign(const disclose::OwnersWord& said, const Someone& by) {
    return {by.id, by.device->sign(people::test::kParty, disclose::hash_of(said))};
  }
  static keys::ConfirmFieldRetention message_of(const disclose::OwnersWord& said,
                                                const people::PersonSignature& signature) {
    keys::ConfirmFieldRetention message{
        .by = said.by,
        .customers = said.customers,
        .reference_days = static_cast<std::uint32_t>(said.keep.reference_days),
        .contact_days = static_cast<std::uint32_t>(said.keep.contact_days),
        .secret_hours = static_cast<std::uint32_t>(said.keep.secret_hours),
        .stop = said.stop,
        .nonce = said.nonce,
        .reason_hash = said.reason_hash,
        .signature = boost::json::serialize(people::to_json(signature))};
    return message;
  }
  Result<keys::FieldRetention> put_signed_word(const disclose::OwnersWord& said,
                                               const people::PersonSignature& signature) {
    return ask(&Office::confirm_field_retention, message_of(said, signature));
  }
  Result<keys::FieldRetention> put_word(const disclose::OwnersWord& said, const Someone& by) {
    return put_signed_word(said, sign(said, by));
  }
  Result<keys::FieldRetention> confirm(const Someone& by) { return put_word(word(by), by); }
  static std::set<std::string> broken(const std::vector<audit::Entry>& log_entries) {
    std::set<std::string> names;
    for (const auto& found : judge(log_entries).findings)
      if (found.rule->weight == audit::RuleWeight::kBreach) names.emplace(found.rule->name);
    return names;
  }
  CustomerId known(int number) {
    std::string surname = "N";
    for (int rest = number + 26; rest != 0; rest /= 26)
      surname.push_back(static_cast<char>('a' + rest % 26));
    const auto stored = store_values({{"name", "Nora " + surname},
                                      {"phone", "+1650253" + std::to_string(1'000 + number)},
                                      {"password", "sunshine" + std::to_string(number)}});
    EXPECT_TRUE(stored) << stored.error().message;
    return stored->customer;
  }
  std::size_t fields_of(const CustomerId& customer) {
    const auto there = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
    return there ? there->fields.size() : 0;
  }
  void close(const CustomerId& customer, std::vector<keys::FieldRecord> contacts = {}) {
    ASSERT_TRUE(
        ask(&Office::close_case, keys::CloseCase{customer, 1, agent().hex(), std::move(contacts)}));
    keeper->tick();
  }
  // Each leaf that the log says went by its time, and how often.
  std::map<std::pair<std::string, std::int64_t>, int> went(std::string_view why) {
    std::map<std::pair<std::string, std::int64_t>, int> leaves;
    for (const auto& entry : entries())
      if (entry.type == "fields_erase_intended")
        for (const auto& item : entry.data.at("fields").as_array())
          if (std::string_view(item.at(1).as_string()) == why)
            ++leaves[{entry.subject, item.at(0).as_int64()}];
    return leaves;
  }
  // Rows of this customer on pages that a living key opens, which still have a token to compare by.
  int rows_with_a_token(const CustomerId& customer, std::uint32_t leaf) {
    int rows = 0;
    hunt(customer, [&](const vault::Customer& row) {
      const auto* version = row.find(leaf);
      rows += version != nullptr && version->compare;
    });
    return rows;
  }
};

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

// A policy that is made stricter, or laxer, while the keeper is down: stricter holds for what is
// stored once an owner has said so, laxer never does.
TEST_F(Retentions, ANewPolicyShortensWhatIsThereByAnOwnersWordAndLengthensNothing) {
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

TEST_F(Retentions, AStricterPolicyTakesNothingThatIsStoredBeforeAnOwnerSaysSo) {
  const auto customer = carla(), open = known(1);
  close(customer, {record(customer, "email")});
  policy_text = keeping(2, 1);
  boot();
  close(open);  // a case that closes while it waits: as it was to stay
  const auto later = known(2);
  close(later);  // begun under the stricter one: that was promised, and holds
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

TEST_F(Retentions, AStricterHourOfSecretsHoldsAtOnce) {
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

TEST_F(Retentions, AnOwnerSaysWhatTheySeeOrNothing) {
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
TEST_F(Retentions, ACapturedServerConfirmsNothing) {
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
TEST_F(Retentions, MoreThanUsualOnADayStopsAndWaits) {
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
TEST_F(Retentions, WhatADayHasSpentIsKnownAfterADeathMidway) {
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

TEST_F(Retentions, AClockThatJumpedStopsWhatIsKeptForDaysAndNoSecret) {
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
TEST_F(Retentions, AnOwnersWordOutlivesTheKeeperThatTookIt) {
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

// The vault of the program before this one: its head says nothing of days, the log does.
TEST_F(Retentions, AHeadOfTheVersionBeforeTakesTheDaysFromTheLog) {
  const auto customer = carla();
  close(customer, {record(customer, "email")});
  ticks(61'000);
  stop();
  store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
  const auto known_upto = store->log_size();
  auto head = *vault::Head::decode((*store->get(keys::kVaultHeadRow))->expose());
  head.kept = {};
  auto row = to_bytes(head.encode().expose());
  constexpr std::ptrdiff_t kKeptEmpty = 2 + 2 + 8 + 2, kTwoKeys = 64;
  row.erase(row.end() - kTwoKeys - kKeptEmpty, row.end() - kTwoKeys);
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
TEST_F(Retentions, TheLogsRulesFindWhatWentBeforeItsTime) {
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
