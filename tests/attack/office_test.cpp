// What the office does when all is as it should be: the promise, from the agent's form to the
// review.
#include "base/own_stack_test.hpp"
#include "tests/attack/office_rig.hpp"
#include "tests/attack/phones_rig.hpp"

namespace callward::attack {
namespace {

class Offices : public ::testing::Test, public OfficeRig {};

TEST_F(Offices, FromTheFormToTheReview) {
  const auto customer = carla();
  EXPECT_EQ(typed.size(), 0u);  // in no live call
  const auto id = verified(customer);
  EXPECT_EQ(dials.back().expert, "201");
  EXPECT_EQ(dials.back().number, "+16502530000");
  EXPECT_EQ(state_word(id), "verified");
  const auto released = release(id, anna, customer, {"email"});
  ASSERT_TRUE(released) << released.error().message;
  EXPECT_EQ(state_word(id), "open");
  const auto key = browser(tom);
  const auto seen = view(id, tom, key, customer, "email");
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(*seen, "Carla@Example.com");
  EXPECT_FALSE(view(id, tom, key, customer, "phone"));  // asked for, and not released
  ticks(16 * 60'000);
  EXPECT_EQ(state_word(id), "expired");
  EXPECT_FALSE(view(id, tom, key, customer, "email"));
  EXPECT_TRUE(act(id, max, {.kind = "review", .words = kWhy}));
  EXPECT_EQ(state_word(id), "over");
  const auto types = log_types();
  EXPECT_EQ(types.at("disclosure_step"), 8);
  EXPECT_EQ(types.at("check_made"), 2);
  EXPECT_EQ(types.at("call_back_made"), 1);
}

TEST_F(Offices, ItGoesOnWhereItWasAfterARestart) {
  const auto customer = carla();
  const auto id = verified(customer);
  boot();
  EXPECT_EQ(state_word(id), "verified");
  ASSERT_TRUE(release(id, anna, customer, {"email"}));
  boot();
  EXPECT_EQ(state_word(id), "open");
  const auto key = browser(tom);
  EXPECT_EQ(*view(id, tom, key, customer, "email"), "Carla@Example.com");
  boot();
  EXPECT_EQ(state(id).at("views").as_int64(), 1);
  EXPECT_FALSE(view(id, tom, key, customer, "email"));  // the key was bound with another keeper
  EXPECT_EQ(*view(id, tom, browser(tom), customer, "email"), "Carla@Example.com");
}

TEST_F(Offices, SecretsGoByTheirHourAndLeaveNoKey) {
  const auto customer = carla();
  const auto epoch = store->epoch();
  ticks(23 * 3'600'000);
  EXPECT_TRUE(gone.empty());
  ticks(61 * 60'000);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].leaves, std::vector{leaf_of.at({customer, "password"})});
  EXPECT_GT(store->epoch(), epoch);
  const auto types = log_types();
  EXPECT_EQ(types.at("fields_erase_intended"), 1);
  EXPECT_EQ(types.at("erased"), 1);
}

TEST_F(Offices, ASecretIsGoneOnceItWasSeen) {
  const auto customer = carla();
  const auto id = verified(customer, {"password"});
  ASSERT_TRUE(release(id, anna, customer, {"password"}));
  const auto key = browser(tom);
  EXPECT_EQ(*view(id, tom, key, customer, "password"), "sunshine42");
  keeper->tick();
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_FALSE(view(id, tom, key, customer, "password"));
}

TEST_F(Offices, ContactsCanOnlyBeComparedOnceTheCaseIsClosed) {
  const auto customer = carla();
  ASSERT_TRUE(ask(&Office::close_case,
                  keys::CloseCase{customer, 1, agent().hex(), {record(customer, "email")}}));
  keeper->tick();
  const auto state_now = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
  std::map<std::string, int> states;
  for (const auto& field : state_now->fields) states[field.field] = field.state;
  EXPECT_EQ(states.at("email"), 2);
  EXPECT_EQ(states.at("name"), 1);
  EXPECT_EQ(states.count("password"), 0u);
  duty(eve);
  EXPECT_FALSE(request(tom, customer, {"email"}));  // cannot be read any more
  const auto id = request(tom, customer, {"name"});
  ASSERT_TRUE(id);
  keeper->tick();
  ASSERT_TRUE(ring(*id, eve, customer));
  talk();
  EXPECT_FALSE(check(*id, eve, customer, "email", "carl@example.com")->match);
  EXPECT_TRUE(check(*id, eve, customer, "email", "CARLA@example.com")->match);
}

TEST_F(Offices, AKnownCustomerIsFoundAndNothingElseIsSaid) {
  const auto customer = carla();
  const auto look = [&](const std::string& field, const std::string& value) {
    const auto actor = agent().hex();
    return ask(&Office::look_up, keys::LookUp{actor, field, seal(value, "find", {actor, field})});
  };
  const auto found = look("phone", "650-253-0000");
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->customers.size(), 1u);
  EXPECT_EQ(found->customers[0].customer, customer);
  EXPECT_EQ(found->customers[0].open_cases, std::vector{1u});
  EXPECT_EQ(look("name", "  CARLA  muster ")->customers.size(), 1u);
  EXPECT_EQ(look("email", "carla@example.com")->customers.size(), 1u);
  EXPECT_EQ(look("email", "carl@example.com")->customers.size(), 0u);
  EXPECT_FALSE(look("password", "sunshine42"));  // nobody is found by a secret
  boot();
  EXPECT_EQ(look("name", "Carla Muster")->customers.size(), 1u);
}

// The agent's page asks by the call; the number itself it never has.
TEST_F(Offices, WhoIsOnTheLineIsFoundByTheCallAlone) {
  const auto customer = carla();
  (void)agent();
  give_extension(ada, "311");
  const auto of = [](const std::string& number) { return call_data(number, "311"); };
  const auto look = [&](const CallId& call, const PersonId& by) {
    return ask(&Office::look_up_caller, keys::LookUpCaller{by.hex(), call});
  };
  const auto call = begin(of("+16502530000"), keys::CallSource::kSiprec);
  const auto found = look(call, agent());
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->customers.size(), 1u);
  EXPECT_EQ(found->customers[0].customer, customer);
  EXPECT_EQ(found->customers[0].open_cases, std::vector{1u});
  const auto said = entries().back();
  EXPECT_EQ(said.type, "looked_up");
  EXPECT_EQ(said.actor, agent().hex());
  EXPECT_EQ(said.subject, call.hex());
  EXPECT_EQ(said.data.at("found").as_int64(), 1);
  EXPECT_EQ(look(begin(of("+16502539999"), keys::CallSource::kSiprec), agent())->customers.size(),
            0u);
  for (const std::string& none : {of("anonymous"), of(""), std::string("{}"), std::string("{"),
                                  std::string("[]"), std::string(R"({"customer":7})")})
    EXPECT_EQ(look(begin(none, keys::CallSource::kSiprec), agent()).error().code, Errc::kNotFound)
        << none;
  EXPECT_EQ(look(begin(of("+16502530000"), keys::CallSource::kCallBack), agent()).error().code,
            Errc::kNotFound)
      << "who rings a customer back learns no more of them";
  EXPECT_EQ(look(call, rita.id).error().code, Errc::kDenied);
  // The number comes later, or is another one: what the call said last counts.
  Answer<keys::SealedRecord> sealed;
  keeper->call_data_put({call, to_bytes(as_bytes(of("+16502539999")))}, sealed.reply());
  EXPECT_EQ(look(call, agent())->customers.size(), 0u);
  EXPECT_TRUE(end(call));
  EXPECT_EQ(look(call, agent()).error().code, Errc::kNotFound);
  const auto actor = agent().hex();
  for (std::size_t i = 0; i < Office::kLookUpsPerMinute; ++i)
    (void)ask(&Office::look_up, keys::LookUp{actor, "name", seal("x", "find", {actor, "name"})});
  EXPECT_EQ(look(begin(of("+16502530000"), keys::CallSource::kSiprec), agent()).error().code,
            Errc::kBusy)
      << "one share of look-ups, however one looks";
}

// Whatever the libraries do with a number: nothing of it is left on the stack, a short one included,
// which they copy from place to place.
TEST_F(Offices, ACallersNumberIsNotLeftOnTheStack) {
  (void)agent();
  give_extension(ada, "311");
  test::OwnStack stack;
  for (const std::string digits : {"2025550187", "6502530047"})
    for (const std::string prefix : {"+1", ""}) {
      const auto call = CallId::random(entropy);
      const auto data = to_bytes(as_bytes(R"({"version":1,"customer":{"number":")" + prefix +
                                          digits + R"("},"agent":{"number":"311"}})"));
      stack.run([&] { office->call_says(call, data); });
      round();
      EXPECT_FALSE(stack.holds(digits)) << digits;
      EXPECT_FALSE(stack.holds(digits.substr(0, 8))) << digits;
      EXPECT_TRUE(ask(&Office::look_up_caller, keys::LookUpCaller{agent().hex(), call}))
          << "and it was read";
    }
}

TEST_F(Offices, ACorrectionReplacesAndTakesTheOldOneOutOfTheIndex) {
  const auto customer = carla();
  ASSERT_TRUE(store_values({{"phone", "+1 650 253 1111"}}, customer, 1));
  keeper->tick();
  ASSERT_EQ(gone.size(), 1u);
  const auto actor = agent().hex();
  const auto look = [&](const std::string& value) {
    return ask(&Office::look_up,
               keys::LookUp{actor, "phone", seal(value, "find", {actor, "phone"})})
        ->customers.size();
  };
  EXPECT_EQ(look("+16502530000"), 0u);
  EXPECT_EQ(look("+16502531111"), 1u);
}

TEST_F(Offices, AChangedNumberTakesASecondOneToRelease) {
  const auto customer = carla();
  ASSERT_TRUE(store_values({{"phone", "+1 650 253 1111"}}, customer, 1));
  const auto id = verified(customer, {"email"});
  EXPECT_EQ(dials.back().number, "+16502531111");
  ASSERT_TRUE(release(id, anna, customer, {"email"}));
  EXPECT_EQ(state_word(id), "half_released");
  EXPECT_FALSE(release(id, anna, customer, {"email"}));
  ASSERT_TRUE(release(id, abe, customer, {"email"}));
  EXPECT_EQ(state_word(id), "open");
}

// The log has it, the rows do not: power went before they were written.
TEST_F(Offices, WhatWasAnsweredIsThereAfterADeathAndFoundAgain) {
  ticks(1'000);
  (void)agent();
  const auto stored = store_values({{"name", "Carla Muster"}, {"phone", "+16502530000"}});
  const auto lost = store_values({{"name", "Karl Klein"}, {"phone", "+16502531111"}});
  ASSERT_TRUE(stored && lost);
  boot();
  ASSERT_EQ(
      ask(&Office::customer_state, keys::CustomerStateRequest{stored->customer})->fields.size(),
      2u);
  ticks(6'000);
  ASSERT_EQ(wanted.size(), 2u);
  for (const auto& one : wanted) {
    keys::RecordsPut put{one.customer, {}};
    if (one.customer == stored->customer)
      for (const auto leaf : one.leaves)
        put.records.push_back({leaf, records[{one.customer, leaf}]});
    EXPECT_TRUE(ask(&Office::records_put, put));
  }
  keeper->tick();
  const auto actor = agent().hex();
  const auto look = [&](const std::string& name) {
    return ask(&Office::look_up, keys::LookUp{actor, "name", seal(name, "find", {actor, "name"})})
        ->customers.size();
  };
  EXPECT_EQ(look("Carla Muster"), 1u);
  EXPECT_EQ(look("Karl Klein"), 0u);  // the server never had it: nobody was told that it is there
  EXPECT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{lost->customer}));
  EXPECT_EQ(log_types().at("fields_void"), 1);
  const auto next = store_values({{"name", "Nora Neu"}, {"phone", "+16502532222"}});
  ASSERT_TRUE(next);
  EXPECT_NE(next->customer, lost->customer);
}

TEST_F(Offices, ACustomerWhoWantsItGoneIsGone) {
  const auto customer = carla();
  const auto erase = [&](const Someone& by) {
    return ask(&Office::erase_fields, keys::EraseFields{customer, true, 0, by.id.hex(), kReason});
  };
  EXPECT_FALSE(
      ask(&Office::erase_fields, keys::EraseFields{customer, true, 0, agent().hex(), kReason}));
  EXPECT_EQ(erase(max)->outcome, keys::OrderOutcome::kHeld);
  EXPECT_EQ(erase(max)->outcome, keys::OrderOutcome::kHeld);  // the same person is one person
  EXPECT_EQ(erase(olga)->outcome, keys::OrderOutcome::kAccepted);
  keeper->tick();
  EXPECT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{customer}));
  boot();
  EXPECT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{customer}));
  const auto actor = agent().hex();
  EXPECT_EQ(ask(&Office::look_up,
                keys::LookUp{actor, "name", seal("Carla Muster", "find", {actor, "name"})})
                ->customers.size(),
            0u);
}

TEST_F(Offices, ATechnicianReadsTheQueryOfTheirOpenCaseAndNothingElse) {
  const auto customer = carla();
  const auto key = browser(tom);
  const auto read = [&](const std::string& field) {
    return ask(
        &Office::read_query,
        keys::ReadQuery{customer, 1, tom.id, *crypto::x25519_public(key), record(customer, field)});
  };
  EXPECT_FALSE(read("query"));  // not theirs yet
  ASSERT_TRUE(ask(&Office::assign_case, keys::AssignCase{customer, 1, tom.id, agent().hex()}));
  EXPECT_TRUE(read("query"));
  EXPECT_FALSE(read("name"));
  EXPECT_FALSE(read("email"));
  boot();
  EXPECT_FALSE(read("query"));  // whose key is it?
}

TEST_F(Offices, WhatWasSaidIsReadByWhoHasAPartInIt) {
  const auto customer = carla();
  const auto id = verified(customer);
  const auto read = [&](const Someone& who) -> std::string {
    const auto key = browser(who);
    const auto answer =
        ask(&Office::read_words,
            keys::ReadWords{id, 1, who.id, *crypto::x25519_public(key), statements.at({id, 1})});
    if (!answer) return "";
    Bytes aad(id.bytes.begin(), id.bytes.end());
    aad.resize(20);
    store_le(aad.data() + 16, std::uint32_t{1});
    const auto text =
        crypto::hpke_open(key, answer->enc, as_bytes("callward reader v1"), aad, answer->sealed);
    return text ? std::string(as_text(text->expose())) : "";
  };
  EXPECT_EQ(read(anna), kConcern);
  EXPECT_EQ(read(eve), kConcern);
  EXPECT_EQ(read(max), kConcern);  // Tom answers to him
  EXPECT_EQ(read(emil), "");       // an expert, of another request
  EXPECT_EQ(read(rita), "");       // the administrator
}

TEST_F(Offices, ACodeGoesToTheAddressOnFileAndCountsAsACheck) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"phone"});
  keeper->tick();
  ASSERT_TRUE(ring(id, eve, customer));
  talk();
  const auto send = [&](const std::string& field) {
    return ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, field)});
  };
  EXPECT_FALSE(send("phone"));  // that is what was dialled
  EXPECT_FALSE(send("password"));
  ASSERT_TRUE(send("email"));
  ASSERT_EQ(codes.size(), 1u);
  EXPECT_EQ(codes[0].address, "carla@example.com");
  EXPECT_EQ(codes[0].code.size(), 8u);
  const auto say = [&](const std::string& code) {
    return ask(&Office::check_code, keys::CheckCode{id, eve.id, seal(code, "code", {id.hex()})});
  };
  EXPECT_FALSE(say("00000001")->match);
  EXPECT_TRUE(say(codes[0].code.substr(0, 4) + " " + codes[0].code.substr(4))->match);
  EXPECT_FALSE(say(codes[0].code));  // once
  EXPECT_EQ(check(id, eve, customer, "service_word", "blue heron")->passed, 2u);
  hang_up();
  EXPECT_TRUE(act(id, eve, {.kind = "pass", .words = kVerdict}));
}

// By text message, too: to a number that is not the one that was dialled, in whatever field and
// spelling that one stands.
TEST(OfficeCodes, ACodeGoesByTextMessageToAnotherNumberAlone) {
  OfficeRig rig(kPolicyOfPhones);
  const auto stored = rig.store_values({{"name", "Carla Muster"},
                                        {"phone", "(650) 253-0000"},
                                        {"mobile", "+49 1511 2345678"},
                                        {"work", "+1 650 253 0000"}});
  ASSERT_TRUE(stored) << stored.error().message;
  const auto customer = stored->customer;
  rig.duty(rig.eve);
  const auto id = *rig.request(rig.tom, customer, {"phone"});
  rig.keeper->tick();
  const auto send = [&](const std::string& field) {
    return rig.ask(&Office::send_code, keys::SendCode{id, rig.eve.id, rig.record(customer, field)});
  };
  EXPECT_FALSE(send("mobile")) << "nobody was rung";
  ASSERT_TRUE(rig.ring(id, rig.eve, customer));
  EXPECT_EQ(rig.dials.back().number, "+16502530000");
  EXPECT_FALSE(send("mobile")) << "nobody has answered";
  rig.talk();
  EXPECT_EQ(send("phone").error().code, Errc::kDenied);
  EXPECT_EQ(send("work").error().code, Errc::kDenied) << "another field, the same number";
  EXPECT_TRUE(rig.codes.empty());
  ASSERT_TRUE(send("mobile"));
  ASSERT_EQ(rig.codes.size(), 1u);
  EXPECT_EQ(rig.codes[0].channel, "sms");
  EXPECT_EQ(rig.codes[0].address, "+4915112345678");
  const auto said =
      rig.ask(&Office::check_code,
              keys::CheckCode{id, rig.eve.id, rig.seal(rig.codes[0].code, "code", {id.hex()})});
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_TRUE(said->match);
  EXPECT_EQ(said->passed, 1u);
  // One that came after the request was asked proves nothing, and what it replaced neither.
  const auto before = rig.record(customer, "mobile");
  rig.clock.advance_ms(1'000);
  ASSERT_TRUE(rig.store_values({{"mobile", "+44 20 7946 0000"}}, customer, 1));
  EXPECT_EQ(send("mobile").error().code, Errc::kDenied);
  EXPECT_FALSE(rig.ask(&Office::send_code, keys::SendCode{id, rig.eve.id, before}));
  EXPECT_EQ(rig.codes.size(), 1u);
}

TEST_F(Offices, NothingIsComparedBeforeTheCustomerIsOnTheLineNorWhatCameAfterTheRequest) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"email"});
  keeper->tick();
  ASSERT_TRUE(ring(id, eve, customer));
  EXPECT_FALSE(check(id, eve, customer, "name", "carla muster"));
  EXPECT_FALSE(ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, "email")}));
  talk(1);
  EXPECT_TRUE(check(id, eve, customer, "name", "carla muster")->match);
  ASSERT_TRUE(
      store_values({{"service_word", "my own"}, {"email", "me@evil.example"}}, customer, 1));
  EXPECT_FALSE(check(id, eve, customer, "service_word", "my own"));
  EXPECT_FALSE(ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, "email")}));
}

TEST_F(Offices, WhatWasSaidAboutARequestIsErasedWithTheCustomerAlone) {
  const auto customer = carla();
  const auto id = verified(customer);
  EXPECT_FALSE(
      ask(&Office::erase_fields,
          keys::EraseFields{customer, false, statements.at({id, 1}).leaf, max.id.hex(), "wish"}));
}

TEST_F(Offices, TheOneWhoGoesOffDutyLeavesItToAnother) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"email"});
  keeper->tick();
  EXPECT_EQ(state(id).at("expert").as_string(), eve.id.hex());
  duty(emil);
  duty(eve, false);
  EXPECT_EQ(state(id).at("expert").as_string(), emil.id.hex());
}

// Whoever was given none for longest is next; coming back makes nobody that.
TEST_F(Offices, WhoGoesOffAndOnIsLast) {
  const auto customer = carla();
  const auto next = [&] {  // and it is begun, so that nobody leaves it to another
    const auto id = *request(tom, customer, {"email"});
    keeper->tick();
    const auto expert = std::string(state(id).at("expert").as_string());
    EXPECT_TRUE(ring(id, expert == eve.id.hex() ? eve : emil, customer));
    return expert;
  };
  duty(emil);
  duty(eve);
  EXPECT_EQ(next(), emil.id.hex()) << "he came first";
  EXPECT_EQ(next(), eve.id.hex());
  duty(eve, false);
  duty(eve);
  EXPECT_EQ(next(), emil.id.hex());
  duty(eve, false);
  duty(eve);
  duty(emil, false);
  duty(emil);
  EXPECT_EQ(next(), eve.id.hex()) << "she came back before him";
  // A new keeper has it from the log, in whatever order it is told who is there.
  for (const bool eve_first : {true, false}) {
    boot();
    duty(eve_first ? eve : emil);
    duty(eve_first ? emil : eve);
    told();
    EXPECT_EQ(next(), emil.id.hex());
    EXPECT_EQ(next(), eve.id.hex());
  }
  // Nor does it help to go while that one is being told.
  boot();
  duty(eve);
  duty(emil);
  duty(emil, false);
  duty(emil);
  told();
  EXPECT_EQ(next(), eve.id.hex());
}

class Leaving : public Offices {
 protected:
  void SetUp() override {
    customer = carla();
    duty(eve);
    id = *request(tom, customer, {"email"});
    keeper->tick();
    ASSERT_EQ(expert(), eve.id.hex());
  }
  std::string expert() { return std::string(state(id).at("expert").as_string()); }
  void expect_clean() {
    for (const auto& found : judge(entries()).findings)
      ADD_FAILURE() << found.rule->name << " at " << found.index << ": " << found.what;
  }
  CustomerId customer;
  RequestId id;
};

TEST_F(Leaving, WhereNobodyIsThereItGoesToWhoComesNext) {
  duty(eve, false);
  ticks(1'000);
  EXPECT_EQ(state_word(id), "assigned");
  EXPECT_EQ(expert(), eve.id.hex()) << "nobody else is there";
  duty(emil);
  EXPECT_EQ(expert(), emil.id.hex());
  duty(eve);
  ticks(Office::kDutyToldMs);
  EXPECT_EQ(expert(), emil.id.hex()) << "it is his, while he is there";
  ASSERT_TRUE(ring(id, emil, customer));
  duty(emil, false);
  ticks(1'000);
  EXPECT_EQ(expert(), emil.id.hex()) << "he has begun";
  expect_clean();
}

TEST_F(Leaving, WhoComesBackFirstHasItStill) {
  duty(eve, false);
  ticks(1'000);
  duty(eve);
  duty(emil);
  ticks(Office::kDutyToldMs);
  EXPECT_EQ(expert(), eve.id.hex());
  expect_clean();
}

TEST_F(Leaving, WhoLosesTheRoleLosesIt) {
  duty(emil);
  ASSERT_TRUE(change_roles(eve, people::bit(people::Role::kAgent), {olga}));
  ticks(1'000);
  EXPECT_EQ(expert(), emil.id.hex());
  expect_clean();
}

TEST_F(Leaving, WhoLeavesTheCompanyLosesIt) {
  duty(emil);
  now = office->now();
  ASSERT_TRUE(apply(change(people::ChangeKind::kLeft, eve.id), {olga}));
  ASSERT_TRUE(put_change(all.back()));
  ticks(1'000);
  EXPECT_EQ(expert(), emil.id.hex());
  expect_clean();
}

TEST_F(Leaving, WhoAnswersToWhoAskedFromNowOnLosesIt) {
  duty(emil);
  const auto of_max = *request(max, customer, {"email"});
  keeper->tick();
  const auto theirs = state(of_max).at("expert").as_string();
  const auto& moved = theirs == emil.id.hex() ? emil : eve;
  now = office->now();
  auto under = person(moved.id, people::bit(people::Role::kExpert), max.id);
  under.extension = "299";
  ASSERT_TRUE(apply(under, {olga}));
  ASSERT_TRUE(put_change(all.back()));
  ticks(1'000);
  EXPECT_EQ(state(of_max).at("expert").as_string(),
            boost::json::string(moved.id == emil.id ? eve.id.hex() : emil.id.hex()));
  EXPECT_EQ(expert(), eve.id.hex()) << "of who asks who is not above her";
  expect_clean();
}

// A keeper that starts knows of nobody's duty: the server tells it, one after the other, however
// long that takes, and then that this was all.
TEST_F(Leaving, ARestartTakesNothingFromWhoIsThere) {
  boot();
  duty(emil);
  ticks(10 * Office::kDutyToldMs);
  EXPECT_EQ(expert(), eve.id.hex()) << "not all was told";
  told(true, false);
  ticks(10 * Office::kDutyToldMs);
  EXPECT_EQ(expert(), eve.id.hex()) << "nor by who reads";
  duty(eve);
  told();
  ticks(Office::kDutyToldMs);
  ticks(1'000);
  EXPECT_EQ(expert(), eve.id.hex());
  expect_clean();
}

TEST_F(Leaving, AfterARestartWhoIsNotToldOfIsOffAndTheLogSaysIt) {
  boot();
  duty(emil);
  told();
  ticks(Office::kDutyToldMs - 1'000);
  told();  // again, to the same one: that begins nothing anew
  ticks(1'000);
  ticks(1'000);
  EXPECT_EQ(expert(), emil.id.hex());
  const auto all_of_it = entries();
  const auto said = std::ranges::find_if(all_of_it, [](const audit::Entry& entry) {
    return entry.type == "duty_changed" && entry.actor == "keeper";
  });
  ASSERT_NE(said, all_of_it.end());
  EXPECT_EQ(said->subject, eve.id.hex());
  expect_clean();
}

// Of somebody of whom a new keeper was not told yet the log says that they are on duty.
TEST_F(Leaving, WhoGoesBeforeANewKeeperWasToldOfThemGoesAndLeavesIt) {
  boot();
  duty(emil);
  const auto said = [this] {
    const auto all_of_it = entries();
    return std::ranges::count_if(all_of_it, [this](const audit::Entry& entry) {
      return entry.type == "duty_changed" && entry.actor == eve.id.hex() &&
             !entry.data.at("on").as_bool();
    });
  };
  ASSERT_EQ(said(), 0);
  duty(eve, false);
  ticks(1'000);
  EXPECT_EQ(said(), 1);
  EXPECT_EQ(expert(), emil.id.hex());
  duty(eve, false);
  EXPECT_EQ(said(), 1) << "once";
  const auto before = entries().size();
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(ask(&Office::duty_put, keys::DutyPut{PersonId::random(entropy), false}));
  EXPECT_EQ(entries().size(), before) << "of nobody in the chart it says nothing";
  expect_clean();
}

// Whoever has a key that holds is not sent to sign in anew while a new keeper is just being told.
TEST_F(Leaving, WhoReadsIsNotSentAwayByAKeeperThatBegins) {
  const auto key = browser(eve);
  const auto public_key = *crypto::x25519_public(key);
  const auto read = [&] {
    return ask(&Office::read_words,
               keys::ReadWords{id, 1, eve.id, public_key, statements.at({id, 1})});
  };
  ASSERT_TRUE(read());
  boot();
  EXPECT_EQ(read().error().code, Errc::kUnavailable);
  told(false, true);
  EXPECT_EQ(read().error().code, Errc::kUnavailable) << "of duty alone";
  told(true, false);
  EXPECT_EQ(read().error().code, Errc::kDenied) << "hers is not among them";
  ASSERT_TRUE(bind(eve, public_key, office->now()));
  EXPECT_TRUE(read());
}

// One and the same round has both: in the log nothing stands behind what makes it wrong.
TEST_F(Leaving, InOneRoundNothingIsGivenToWhoGoesJustThen) {
  const auto goes = post<keys::Ack>(&Office::duty_put, keys::DutyPut{eve.id, false});
  const auto comes = post<keys::Ack>(&Office::duty_put, keys::DutyPut{emil.id, true});
  const auto back = post<keys::Ack>(&Office::duty_put, keys::DutyPut{eve.id, true});
  EXPECT_EQ(back->value.error().code, Errc::kBusy) << "one after the other";
  keeper->tick();
  round();
  ticks(1'000);
  EXPECT_TRUE(goes->value && comes->value);
  EXPECT_EQ(expert(), emil.id.hex());
  expect_clean();
}

TEST_F(Offices, NobodyThereIsTriedAgain) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"email"});
  keeper->tick();
  ASSERT_TRUE(ring(id, eve, customer));
  office->dial_over(dials.back().dial, {.cause = "no_answer_customer"});
  keeper->end_round();
  keeper->tick();
  EXPECT_EQ(state_word(id), "assigned");
  ASSERT_TRUE(ring(id, eve, customer));
  talk(10);  // too short to tell
  hang_up(10);
  EXPECT_EQ(state_word(id), "assigned");
  EXPECT_EQ(state(id).at("rings").as_int64(), 2);
}

TEST_F(Offices, WhatIsToldAgainMakesNoCallBackShorter) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"email"});
  keeper->tick();
  ASSERT_TRUE(ring(id, eve, customer));
  talk(50);
  office->dial_connected(dials.back().dial);  // with the recording's name, which came late
  clock.advance_ms(10'000);
  hang_up(60);
  EXPECT_EQ(state(id).at("call_seconds").as_int64(), 60);
}

TEST_F(Offices, BreakGlassTakesTwoAndAReview) {
  const auto customer = carla();
  const auto break_open = [&] {
    const auto id = *request(tom, customer, {"phone"});
    Said said{.kind = "break", .fields = {leaf_of.at({customer, "phone"})}, .words = kWhy};
    EXPECT_TRUE(act(id, anna, said));
    EXPECT_FALSE(act(id, anna, said));
    EXPECT_FALSE(act(id, eve, said));
    EXPECT_EQ(state_word(id), "half_broken");
    EXPECT_FALSE(view(id, tom, browser(tom), customer, "phone"));
    EXPECT_TRUE(act(id, abe, said));
    EXPECT_EQ(state_word(id), "open");
    EXPECT_EQ(*view(id, tom, browser(tom), customer, "phone"), "(650) 253-0000");
    EXPECT_TRUE(act(id, tom, {.kind = "end"}));
    EXPECT_EQ(state_word(id), "closed");
    return id;
  };
  const auto breaches = [this] {
    std::vector<std::string> names;
    for (const auto& found : judge(entries()).findings) names.emplace_back(found.rule->name);
    return names;
  };
  // By none of those who had a part in it; by whoever the requester answers to, in words.
  const auto id = break_open();
  for (const auto& one : {tom, anna, abe, eve})
    EXPECT_FALSE(act(id, one, {.kind = "review", .words = kWhy}));
  EXPECT_FALSE(act(id, max, {.kind = "review"}));
  EXPECT_EQ(state_word(id), "closed");
  EXPECT_TRUE(act(id, max, {.kind = "review", .words = kWhy}));
  EXPECT_EQ(state_word(id), "over");
  EXPECT_EQ(breaches(), std::vector<std::string>{});
  // One that nobody reviews within a day is a breach, in the log for good.
  (void)break_open();
  ticks(policy().policy.limits.review_ms - 60'000);
  EXPECT_EQ(breaches(), std::vector<std::string>{});
  for (int i = 0; i < 18; ++i) ticks(10 * 60'000);
  duty(eve);  // an entry that says what time it is
  EXPECT_EQ(breaches(), std::vector<std::string>{"broken-is-reviewed"});
}

}  // namespace
}  // namespace callward::attack
