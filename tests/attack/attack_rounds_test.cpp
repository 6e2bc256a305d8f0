// What comes together in one round of the keeper: none of it is judged by what the other changes,
// and nothing of the log can be read two ways.
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

using people::Role;

class Rounds : public ::testing::Test, public OfficeRig {
 protected:
  people::SignedChange loses_role(const Someone& who) {
    now = office->now();
    return signed_by(person(who.id, people::bit(Role::kAgent), olga.id), {olga});
  }
  keys::StepPut viewing_message(const RequestId& id, const CustomerId& customer,
                                const std::string& field, const Key32& key) {
    const auto said = viewing(customer, field, key);
    const auto step = *draft(id, tom, said);
    return message_of(step, sign(step, tom), said);
  }
  int fields_of(const CustomerId& customer) {
    const auto state_now = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
    if (!state_now) return -1;
    return static_cast<int>(std::ranges::count(state_now->fields, 1, &keys::FieldState::state));
  }
};

TEST_F(Rounds, AViewBesideTheEndOfTheRole) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto key = browser(tom);
  // The change first.
  auto view_put = viewing_message(id, customer, "email", key);
  const auto change = loses_role(anna);
  const auto changed = post(&Office::chart_put, message_of(change));
  const auto seen = post(&Office::step_put, view_put);
  round();
  EXPECT_TRUE(changed->value);
  EXPECT_FALSE(seen->value);
  EXPECT_FALSE(ask(&Office::step_put, view_put));
  boot();
  EXPECT_EQ(state_word(id), "open") << "and the log holds nothing that cannot be judged";
  EXPECT_FALSE(view(id, tom, browser(tom), customer, "email"));
}

TEST_F(Rounds, AViewJustBeforeTheEndOfTheRole) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto key = browser(tom);
  const auto view_put = viewing_message(id, customer, "email", key);
  const auto seen = post(&Office::step_put, view_put);
  const auto changed = post(&Office::chart_put, message_of(loses_role(anna)));
  round();
  EXPECT_TRUE(changed->value);
  EXPECT_FALSE(seen->value) << "the role was gone when it was answered";
  boot();
  EXPECT_EQ(state(id).at("views").as_int64(), 1);
}

TEST_F(Rounds, AViewBesideTheRevocation) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto key = browser(tom);
  const auto view_put = viewing_message(id, customer, "email", key);
  const Said said{.kind = "revoke", .words = kWhy};
  const auto step = *draft(id, anna, said);
  const auto revoke = message_of(step, sign(step, anna), said);
  const auto revoked = post(&Office::step_put, revoke);
  const auto seen = post(&Office::step_put, view_put);
  round();
  EXPECT_TRUE(revoked->value);
  EXPECT_FALSE(seen->value);
  EXPECT_FALSE(ask(&Office::step_put, view_put));
  EXPECT_EQ(state_word(id), "revoked");
}

TEST_F(Rounds, OneSecretIsSeenOnce) {
  const auto customer = carla();
  duty(eve);
  std::vector<RequestId> both;
  for (int i = 0; i < 2; ++i) {
    const auto id = verified(customer, {"password"});
    ASSERT_TRUE(release(id, anna, customer, {"password"}));
    both.push_back(id);
  }
  const auto key = browser(tom);
  const auto one = viewing_message(both[0], customer, "password", key);
  const auto other = viewing_message(both[1], customer, "password", key);
  const auto first = post(&Office::step_put, one), second = post(&Office::step_put, other);
  round();
  EXPECT_TRUE(first->value);
  EXPECT_FALSE(second->value);
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

TEST_F(Rounds, AViewBesideTheErasure) {
  const auto customer = carla();
  const auto id = verified(customer, {"password"});
  ASSERT_TRUE(release(id, anna, customer, {"password"}));
  const auto view_put = viewing_message(id, customer, "password", browser(tom));
  const auto gone_now = post(&Office::erase_fields,
                             keys::EraseFields{customer, false, leaf_of.at({customer, "password"}),
                                               max.id.hex(), kReason});
  const auto seen = post(&Office::step_put, view_put);
  round();
  EXPECT_TRUE(gone_now->value);
  EXPECT_FALSE(seen->value);
}

TEST_F(Rounds, AHoldThatComesWithTheLastWordOnAnErasureKeepsAll) {
  const auto customer = carla();
  const auto erase = [&](const Someone& by) {
    return keys::EraseFields{customer, true, 0, by.id.hex(), kReason};
  };
  ASSERT_TRUE(ask(&Office::erase_fields, erase(max)));
  const auto held =
      post(&Office::hold_customer, keys::HoldCustomer{customer, true, olga.id.hex(), kReason});
  const auto erased = post(&Office::erase_fields, erase(olga));
  round();
  EXPECT_TRUE(held->value);
  EXPECT_EQ(fields_of(customer), 5);
  boot();
  round();
  EXPECT_EQ(fields_of(customer), 5);
}

TEST_F(Rounds, AHoldKeepsWhatIsCorrectedAndWhatACaseWouldTake) {
  const auto customer = carla();
  ASSERT_TRUE(
      ask(&Office::hold_customer, keys::HoldCustomer{customer, true, max.id.hex(), kReason}));
  ASSERT_TRUE(store_values({{"phone", "+16502531111"}}, customer, 1));
  ASSERT_TRUE(ask(&Office::close_case,
                  keys::CloseCase{customer, 1, agent().hex(), {record(customer, "email")}}));
  ticks(60'000);  // the keeper's time is on the disk
  ticks(400ll * 86'400'000);
  EXPECT_EQ(fields_of(customer), 5);  // the secret is gone, both numbers are there
  boot();
  EXPECT_EQ(fields_of(customer), 5);
  EXPECT_EQ(judge(entries()).breaches, 0u);
  ASSERT_TRUE(
      ask(&Office::hold_customer, keys::HoldCustomer{customer, false, max.id.hex(), kReason}));
  round();
  ticks(60'000);
  EXPECT_EQ(fields_of(customer), 0) << "a year and more is over";
}

// What somebody said stands among the customer's data: two names that nobody signed would take it
// from who has to judge a request, and a review's own words would have no place.
TEST_F(Rounds, WhatIsToBeReviewedOutlivesAnErasure) {
  const auto customer = carla();
  const auto erase = [](const CustomerId& whose, const Someone& by) {
    return keys::EraseFields{whose, true, 0, by.id.hex(), kReason};
  };
  const auto refused = [&](const char* when) {
    for (const auto* by : {&max, &olga})
      EXPECT_EQ(ask(&Office::erase_fields, erase(customer, *by)).error().code, Errc::kState)
          << when;
  };
  const auto broken = *request(tom, customer, {"phone"});
  refused("asked");
  const Said said{.kind = "break", .fields = {leaf_of.at({customer, "phone"})}, .words = kWhy};
  ASSERT_TRUE(act(broken, anna, said));
  refused("half broken");
  ASSERT_TRUE(act(broken, abe, said));
  refused("open");
  ASSERT_TRUE(
      ask(&Office::hold_customer, keys::HoldCustomer{customer, true, max.id.hex(), kReason}));
  ASSERT_TRUE(
      ask(&Office::hold_customer, keys::HoldCustomer{customer, false, max.id.hex(), kReason}));
  refused("open, and a hold lifted");
  ASSERT_TRUE(act(broken, tom, {.kind = "end"}));
  refused("to be reviewed");
  boot();
  refused("after a restart");
  const auto one = [&](const char* field) {
    return keys::EraseFields{customer, false, leaf_of.at({customer, field}), agent().hex(),
                             kReason};
  };
  for (const auto* field : {"name", "phone", "email", "service_word"})
    EXPECT_EQ(ask(&Office::erase_fields, one(field)).error().code, Errc::kState) << field;
  EXPECT_TRUE(ask(&Office::erase_fields, one("password"))) << "a secret goes all the same";
  const auto other = carla();
  EXPECT_TRUE(ask(&Office::erase_fields, erase(other, max))) << "another's";
  ASSERT_TRUE(act(broken, max, {.kind = "review", .words = kWhy}));
  // What is asked in the same round counts.
  ASSERT_TRUE(ask(&Office::erase_fields, erase(customer, max)));
  const Said wish{.kind = "ask", .fields = {leaf_of.at({customer, "name"})}, .words = kConcern};
  const auto step = *draft({}, tom, wish, customer, 1);
  const auto asked = post(&Office::step_put, message_of(step, sign(step, tom), wish));
  const auto gone_now = post(&Office::erase_fields, erase(customer, olga));
  round();
  EXPECT_TRUE(asked->value);
  EXPECT_EQ(gone_now->value.error().code, Errc::kState);
  ASSERT_TRUE(act(step.request, tom, {.kind = "withdraw"}));
  const auto gone = ask(&Office::erase_fields, erase(customer, olga));
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(gone->outcome, keys::OrderOutcome::kAccepted);
  round();
  EXPECT_EQ(fields_of(customer), -1);
  for (const auto& found : judge(entries()).findings)
    ADD_FAILURE() << found.rule->name << " at " << found.index << ": " << found.what;
}

TEST_F(Rounds, ACheckBesideTheCallsEndStaysInTheChain) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"email"});
  keeper->tick();
  ASSERT_TRUE(ring(id, eve, customer));
  talk();
  ASSERT_TRUE(check(id, eve, customer, "name", "carla muster")->match);
  const auto leaf = leaf_of.at({customer, "service_word"});
  const auto checked = post(
      &Office::check_field,
      keys::CheckField{
          id, eve.id, {leaf, {}}, seal("blue heron", "check", {id.hex(), std::to_string(leaf)})});
  hang_up();
  EXPECT_TRUE(checked->value->match);
  ticks(60'000);  // its rows are written: the next start reads the chain from its end
  boot();
  EXPECT_EQ(state(id).at("passed").as_array().size(), 2u);
  ASSERT_TRUE(act(id, eve, {.kind = "pass", .words = kVerdict}));
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

TEST_F(Rounds, ACorrectionThatIsNotLoggedTakesNothing) {
  const auto customer = carla();
  const auto before = fields_of(customer);
  const auto correction =
      intake({{"phone", "+16502531111"}, {"service_word", "another word"}}, customer, 1);
  vfs.plan(3, sim::Fault::kNoSpace);  // three looks whether the journal is there, then the write
  EXPECT_FALSE(ask(&Office::store_fields, correction));
  ASSERT_TRUE(log->failed());
  vfs.plan(1'000'000, sim::Fault::kNone);
  log = *audit::Log::open(vfs, "/log", "test/log", seed);
  keeper->resume_log(*log);
  ticks(60'000);
  ticks(60'000);
  EXPECT_EQ(fields_of(customer), before);
  verified(customer);  // to the old number, by the old word
  EXPECT_EQ(dials.back().number, "+16502530000");
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

}  // namespace
}  // namespace callward::attack
