// Erasing a customer's fields, which nobody signs: by one name, in everybody's name, with half a
// word of somebody who has gone, beside what is just being asked. And what is found by who rings.
#include "disclose/parts.hpp"
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

using people::Role;

class Erasing : public ::testing::Test, public OfficeRig {
 protected:
  void SetUp() override { customer = carla(); }
  keys::EraseFields one(const char* field, const PersonId& by) const {
    return {customer, false, leaf_of.at({customer, field}), by.hex(), kReason};
  }
  keys::EraseFields all_of_it(const PersonId& by) const {
    return {customer, true, 0, by.hex(), kReason};
  }
  Errc refusal(const keys::EraseFields& order) {
    const auto answer = ask(&Office::erase_fields, order);
    return answer ? Errc{} : answer.error().code;
  }
  keys::OrderOutcome outcome(const keys::EraseFields& order) {
    const auto answer = ask(&Office::erase_fields, order);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? answer->outcome : keys::OrderOutcome{};
  }
  static std::string broken(const std::vector<audit::Entry>& entries, std::string_view rule) {
    std::string what;
    for (const auto& found : judge(entries).findings)
      if (found.rule->name == rule) what += found.what + "; ";
    return what;
  }
  static std::vector<audit::Entry> by_rules(std::vector<audit::Entry> entries, int rules) {
    for (auto& entry : entries)
      if (entry.type == "keeper_started") entry.data["rules"] = rules;
    return entries;
  }
  CustomerId customer;
};

TEST_F(Erasing, OneNameErasesNothingThatARequestStandsOn) {
  const auto id = *request(tom, customer, {"email"});
  for (const auto* field : {"name", "phone", "query", "email", "service_word"})
    for (const auto& by : {agent(), tom.id, max.id, olga.id})
      EXPECT_EQ(refusal(one(field, by)), Errc::kState) << field;
  boot();
  EXPECT_EQ(refusal(one("phone", agent())), Errc::kState) << "after a restart";
  EXPECT_EQ(refusal(one("password", agent())), Errc{}) << "a secret goes all the same";
  ASSERT_TRUE(act(id, tom, {.kind = "withdraw"}));
  EXPECT_EQ(refusal(one("phone", agent())), Errc{});
  round();
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

TEST_F(Erasing, TheRuleFindsAFieldThatWentMeanwhile) {
  const auto id = *request(tom, customer, {"email"});
  ASSERT_TRUE(act(id, tom, {.kind = "withdraw"}));
  ASSERT_EQ(refusal(one("phone", agent())), Errc{});
  round();
  auto bad = entries();
  ASSERT_EQ(judge(bad).breaches, 0u);
  const auto end = std::ranges::find_if(
      bad.rbegin(), bad.rend(), [](const auto& entry) { return entry.type == "disclosure_step"; });
  ASSERT_NE(end, bad.rend());
  *end = {.type = "config_changed", .actor = "operator", .subject = "-", .at = end->at};
  EXPECT_NE(broken(bad, "erased-when-settled"), "");
  EXPECT_EQ(broken(by_rules(bad, 3), "erased-when-settled"), "");
}

// A captured server, in one agent's name, of every customer.
TEST_F(Erasing, OneNameErasesSoMuchADay) {
  for (std::size_t i = 0; i < disclose::kErasuresPerDay; ++i)
    ASSERT_EQ(refusal(all_of_it(max.id)), Errc{}) << i;
  EXPECT_EQ(refusal(all_of_it(max.id)), Errc::kFull);
  EXPECT_EQ(refusal(one("email", max.id)), Errc::kFull);
  EXPECT_EQ(refusal(one("password", max.id)), Errc{}) << "a secret goes all the same";
  EXPECT_EQ(refusal(one("email", agent())), Errc{}) << "another's are not spent";
  clock.advance_ms(Office::kLookUpDayMs - 60'000);
  EXPECT_EQ(refusal(one("query", max.id)), Errc::kFull) << "not a day later";
  clock.advance_ms(60'000);
  EXPECT_EQ(refusal(one("query", max.id)), Errc{});
  EXPECT_EQ(broken(entries(), "erased-within-bounds"), "");
}

TEST_F(Erasing, TheRuleCountsThem) {
  ASSERT_EQ(refusal(all_of_it(max.id)), Errc{});
  auto much = entries();
  const auto last = much.back();
  ASSERT_EQ(last.type, "erasure_ordered");
  for (std::size_t i = 1; i < 2 * disclose::kErasuresPerDay; ++i) much.push_back(last);
  EXPECT_EQ(broken(much, "erased-within-bounds"), "");
  auto next_day = last;
  next_day.at += 86'400'000;
  auto over_days = much;
  over_days.push_back(next_day);
  EXPECT_EQ(broken(over_days, "erased-within-bounds"), "");
  much.push_back(last);
  EXPECT_NE(broken(much, "erased-within-bounds"), "");
  EXPECT_EQ(broken(by_rules(much, 3), "erased-within-bounds"), "");
}

// ---- half a word --------------------------------------------------------------------------------

TEST_F(Erasing, HalfAnErasureEndsWithTheRoleOfWhoOrderedIt) {
  EXPECT_EQ(outcome(all_of_it(max.id)), keys::OrderOutcome::kHeld);
  ASSERT_TRUE(change_roles(rita, people::bit(Role::kSupervisor), {olga, max}));
  const auto left = change_roles(max, people::bit(Role::kAgent), {olga});
  ASSERT_TRUE(left) << left.error().message;
  EXPECT_EQ(outcome(all_of_it(olga.id)), keys::OrderOutcome::kHeld) << "nobody else's word counts";
  auto bad = entries();
  ASSERT_EQ(bad.back().type, "erasure_ordered");
  EXPECT_EQ(bad.back().data.at("confirmed"), false);
  EXPECT_EQ(outcome(all_of_it(rita.id)), keys::OrderOutcome::kAccepted);
  round();
  EXPECT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{customer}));
  EXPECT_EQ(judge(entries()).breaches, 0u);
  bad.back().data.at("confirmed") = true;
  EXPECT_NE(broken(bad, "two-erase-a-customer"), "");
  EXPECT_EQ(broken(by_rules(bad, 3), "two-erase-a-customer"), "");
}

TEST_F(Erasing, HalfAnErasureIsForADayOfThisWeek) {
  EXPECT_EQ(outcome(all_of_it(max.id)), keys::OrderOutcome::kHeld);
  clock.advance_ms(disclose::kErasureProposedMs + 2 * 3'600'000);
  EXPECT_EQ(outcome(all_of_it(olga.id)), keys::OrderOutcome::kHeld);
  auto bad = entries();
  bad.back().data.at("confirmed") = true;
  EXPECT_NE(broken(bad, "two-erase-a-customer"), "");
  EXPECT_EQ(broken(by_rules(bad, 3), "two-erase-a-customer"), "");
  clock.advance_ms(disclose::kErasureProposedMs - 3'600'000);
  EXPECT_EQ(outcome(all_of_it(max.id)), keys::OrderOutcome::kAccepted);
  round();
  EXPECT_EQ(broken(entries(), "two-erase-a-customer"), "");
}

// What is asked while it is on its way to the log would be asked of nobody; its concern would go.
TEST_F(Erasing, NobodyAsksBesideIt) {
  ASSERT_EQ(refusal(all_of_it(max.id)), Errc{});
  const Said wish{.kind = "ask", .fields = {leaf_of.at({customer, "name"})}, .words = kConcern};
  const auto step = *draft({}, tom, wish, customer, 1);
  const auto message = message_of(step, sign(step, tom), wish);
  const auto gone_now = post(&Office::erase_fields, all_of_it(olga.id));
  const auto asked = post(&Office::step_put, message);
  round();
  ASSERT_FALSE(asked->value);
  EXPECT_EQ(asked->value.error().code, Errc::kBusy);
  EXPECT_TRUE(gone_now->value);
  round();
  EXPECT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{customer}));
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

TEST_F(Erasing, OfWhatIsHeldOneAsksAllTheSame) {
  const Said wish{.kind = "ask", .fields = {leaf_of.at({customer, "name"})}, .words = kConcern};
  const auto step = *draft({}, tom, wish, customer, 1);
  const auto message = message_of(step, sign(step, tom), wish);
  const auto held = post(&Office::erase_fields, all_of_it(max.id));
  const auto beside = post(&Office::step_put, message);
  round();
  EXPECT_TRUE(held->value);
  EXPECT_FALSE(beside->value) << "in one round it may be the last word";
  EXPECT_TRUE(request(tom, customer, {"name"})) << "a round later";
}

// ---- who rings ----------------------------------------------------------------------------------

// A number can be spoofed: who rings a colluding agent's telephone is a guess, as what is typed is.
TEST_F(Erasing, NumbersThatRingAreLookedUpSoOftenADay) {
  (void)agent();
  give_extension(ada, "311");
  const auto call = begin(call_data("+16502530000", "311"));
  const auto actor = agent().hex();
  const auto look = [&] {
    const auto found = ask(&Office::look_up_caller, keys::LookUpCaller{actor, call});
    return found ? Errc{} : found.error().code;
  };
  const auto type = [&] {
    const auto found =
        ask(&Office::look_up, keys::LookUp{actor, "name", seal("x", "find", {actor, "name"})});
    return found ? Errc{} : found.error().code;
  };
  std::size_t n = 0;
  const auto next = [&] {
    if (++n % Office::kLookUpsPerMinute == 0) clock.advance_ms(60'000);
  };
  for (std::size_t i = 0; i < disclose::kLookUpsPerDay; ++i, next()) ASSERT_EQ(type(), Errc{}) << i;
  EXPECT_EQ(type(), Errc::kFull);
  next();
  for (std::size_t i = 0; i < disclose::kCallerLookUpsPerDay; ++i, next())
    ASSERT_EQ(look(), Errc{}) << i << ": one's own call is found all the same";
  EXPECT_EQ(look(), Errc::kFull);
  auto bad = entries();
  EXPECT_EQ(broken(bad, "looked-up-within-bounds"), "");
  clock.advance_ms(Office::kLookUpDayMs);
  EXPECT_EQ(look(), Errc{}) << "a day later";
  const auto last = bad.back();
  ASSERT_EQ(last.subject, call.hex());
  const auto of_the_day = std::ranges::count_if(bad, [&](const auto& entry) {
    return entry.type == "looked_up" && entry.subject == call.hex() &&
           entry.at / 86'400'000 == last.at / 86'400'000;
  });
  for (auto i = static_cast<std::size_t>(of_the_day); i <= 2 * disclose::kCallerLookUpsPerDay; ++i)
    bad.push_back(last);
  EXPECT_NE(broken(bad, "looked-up-within-bounds"), "");
  EXPECT_EQ(broken(by_rules(bad, 3), "looked-up-within-bounds"), "");
}

}  // namespace
}  // namespace callward::attack
