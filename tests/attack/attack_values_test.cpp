// Values: ciphertext that was swapped, sealed values used for what they were not sealed for, keys
// of somebody else's browser, and questions asked until the answer is known.
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

using people::Role;

class Values : public ::testing::Test, public OfficeRig {
 protected:
  explicit Values(std::string policy_of_it = kPolicy) : OfficeRig(std::move(policy_of_it)) {}
  RequestId ringing(const CustomerId& customer, const Someone& by) {
    const auto id = request(by, customer, {"email"});
    EXPECT_TRUE(id) << id.error().message;
    keeper->tick();
    EXPECT_TRUE(ring(*id, eve, customer));
    return *id;
  }
  RequestId own_data_talking(const CustomerId& customer, const Someone& by) {
    clock.advance_ms(1'000);
    const auto asked =
        act({}, by, {.kind = "ask", .words = kConcern, .category = "own_data"}, customer, 1);
    EXPECT_TRUE(asked) << asked.error().message;
    keeper->tick();
    EXPECT_TRUE(ring(asked->request, eve, customer));
    talk();
    return asked->request;
  }
  RequestId talking(const CustomerId& customer, const Someone& by) {
    const auto id = ringing(customer, by);
    talk();
    return id;
  }
  std::string id_with_letters() {
    now = office->now();
    const auto one = join(0xAB, people::bit(Role::kAgent));
    for (auto i = all.size() - 3; i < all.size(); ++i) EXPECT_TRUE(put_change(all[i]));
    return one.id.hex();
  }
  void nobody_answers() {
    office->dial_over(dials.back().dial, {.cause = "no_answer_customer"});
    round();
  }
};

TEST_F(Values, ARecordOpensInItsOwnPlaceOnly) {
  const auto customer = carla(), other = carla();
  ASSERT_TRUE(store_values({{"query", "Another question of hers"}}, customer, 0));  // a second case
  const auto old = record(customer, "email");
  const auto id = opened(customer, {"email"});
  const auto key = browser(tom);
  const auto try_record = [&](const Bytes& raw) {
    auto said = viewing(customer, "email", key);
    said.record.record = raw;
    return act(id, tom, said);
  };
  for (const char* field : {"name", "phone", "query", "password"})
    EXPECT_FALSE(try_record(record(customer, field).record)) << field;
  EXPECT_FALSE(try_record(record(other, "email").record)) << "another customer's";
  for (std::size_t at = 0; at < old.record.size(); at += 7) {
    auto raw = old.record;
    raw[at] ^= 1;
    EXPECT_FALSE(try_record(raw)) << at;
  }
  EXPECT_FALSE(try_record({}));
  EXPECT_FALSE(try_record(Bytes(old.record.begin(), old.record.end() - 1)));
  // A newer version, and the older one's ciphertext: each is another field.
  ASSERT_TRUE(store_values({{"email", "new@example.com"}}, customer, 1));
  keeper->tick();
  auto said = viewing(customer, "email", key);
  EXPECT_FALSE(act(id, tom, said)) << "the newer one was not released";
  EXPECT_FALSE(try_record(old.record)) << "the older one is gone";
}

// A secret goes at its first use, and is said in no call that is kept: it proves nobody. What it is
// of is its class, whatever kind: a policy may call a name one.
TEST_F(Values, ASecretIsComparedWithNothing) {
  const auto customer = carla();
  duty(eve);
  const auto id = talking(customer, tom);
  const auto refused = check(id, eve, customer, "password", "sunshine42");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kNotFound);
  EXPECT_FALSE(check(id, eve, customer, "password", "wrong")) << "neither word tells anything";
  EXPECT_EQ(log_types()["check_made"], 0);
  EXPECT_TRUE(check(id, eve, customer, "service_word", "blue heron")->match);
  stop();
  policy_text.replace(policy_text.find("kind = \"name\""), 13,
                      "kind = \"name\"\nclass = \"secret\"");
  policy_text.replace(policy_text.find("search = true"), 13, "");
  boot();
  told();
  duty(eve);
  const auto second = carla();
  const auto next = talking(second, tom);
  EXPECT_FALSE(check(next, eve, second, "name", "carla muster"));
  EXPECT_TRUE(check(next, eve, second, "email", "carla@example.com")->match);
  stop();
  policy_text.replace(policy_text.find("kind = \"email\""), 14,
                      "kind = \"email\"\nclass = \"secret\"");
  policy_text.replace(policy_text.find("search = true", policy_text.find("id = \"email\"")), 13,
                      "");
  boot();
  told();
  duty(eve);
  const auto third = carla();
  const auto last = talking(third, tom);
  const keys::SendCode code{last, eve.id, record(third, "email")};
  EXPECT_FALSE(ask(&Office::send_code, code)) << "nor is a code sent to what is a secret";
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

TEST_F(Values, WhatWasSealedServesOnePurpose) {
  const auto customer = carla();
  duty(eve);
  const auto id = talking(customer, tom);
  const auto leaf = leaf_of.at({customer, "service_word"});
  const auto intake_id = keys::IntakeId::random(entropy);
  const auto refused = [&](const keys::SealedValue& given) {
    return !ask(&Office::check_field, keys::CheckField{id, eve.id, {leaf, {}}, given});
  };
  EXPECT_TRUE(refused(seal("blue heron", "field", {intake_id.hex(), "service_word"})));
  EXPECT_TRUE(refused(seal("blue heron", "words", {id.hex(), "1"})));
  EXPECT_TRUE(refused(seal("blue heron", "code", {id.hex()})));
  EXPECT_TRUE(refused(seal("blue heron", "find", {eve.id.hex(), "service_word"})));
  EXPECT_TRUE(refused(seal("blue heron", "check", {id.hex(), std::to_string(leaf + 1)})));
  EXPECT_TRUE(refused(
      seal("blue heron", "check", {RequestId::random(entropy).hex(), std::to_string(leaf)})));
  const auto good = seal("blue heron", "check", {id.hex(), std::to_string(leaf)});
  auto of_another_key = good;
  of_another_key.key ^= 1;
  EXPECT_TRUE(refused(of_another_key));
  EXPECT_TRUE(ask(&Office::check_field, keys::CheckField{id, eve.id, {leaf, {}}, good})->match);
  // Typed for one form, stored by another; and for one field, stored as another.
  auto form = intake({{"name", "A"}, {"phone", "+16502530001"}});
  auto moved = form;
  moved.intake = keys::IntakeId::random(entropy);
  EXPECT_FALSE(ask(&Office::store_fields, moved));
  auto crossed = form;
  std::swap(crossed.fields[0].value, crossed.fields[1].value);
  EXPECT_FALSE(ask(&Office::store_fields, crossed));
  // Messages of one context: in their order, all of those before, each once.
  auto turned = form;
  std::swap(turned.fields[0], turned.fields[1]);
  EXPECT_FALSE(ask(&Office::store_fields, turned));
  auto later = intake({{"name", "A"}, {"phone", "+16502530001"}, {"email", "a@b.example"}});
  later.fields.erase(later.fields.begin());
  EXPECT_FALSE(ask(&Office::store_fields, later));
  // Each to a key of its own, in any order, or some of them: as whoever else seals may do it.
  auto alone = intake({{"name", "B"}, {"phone", "+16502530002"}});
  alone.fields.push_back({"email", seal("b@c.example", "field", {alone.intake.hex(), "email"})});
  alone.fields.insert(alone.fields.begin(), {"query", seal("What else is there", "field",
                                                           {alone.intake.hex(), "query"})});
  EXPECT_TRUE(ask(&Office::store_fields, alone));
  ASSERT_TRUE(ask(&Office::store_fields, form));
  EXPECT_EQ(ask(&Office::store_fields, form).error().code, Errc::kExists) << "twice";
  clock.advance_ms(Office::kIntakeKeyMs);
  keeper->tick();
  EXPECT_FALSE(ask(&Office::store_fields, form)) << "an hour later";
  clock.advance_ms(2 * Office::kIntakeKeyMs);
  keeper->tick();
  EXPECT_FALSE(ask(&Office::store_fields, form)) << "three hours later";
  boot();
  EXPECT_FALSE(ask(&Office::store_fields, form)) << "to another keeper";
}

TEST_F(Values, ACustomersIdIsNotGuessed) {
  const auto customer = carla();
  auto guess = customer;
  for (std::size_t at = 6; at < guess.bytes.size(); ++at) {
    guess = customer;
    guess.bytes[at] ^= 1;
    EXPECT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{guess}));
    EXPECT_FALSE(ask(&Office::close_case, keys::CloseCase{guess, 1, agent().hex(), {}}));
  }
  for (std::uint8_t low = 0; low < 8; ++low) {
    guess = customer;
    guess.bytes[0] = static_cast<std::uint8_t>(low + customer.bytes[0] + 1);
    EXPECT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{guess}));
  }
  EXPECT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{}));
}

TEST_F(Values, ThreeWrongAnswersAreAllThereAreOverRequestsAndRestarts) {
  for (const char* field : {"service_word", "name"}) {
    const auto customer = carla();
    duty(eve);
    auto id = talking(customer, tom);
    EXPECT_FALSE(check(id, eve, customer, field, "one guess")->match);
    nobody_answers();
    ASSERT_TRUE(act(id, tom, {.kind = "withdraw"}));
    boot();
    duty(eve);
    id = talking(customer, abe);  // another one asks
    EXPECT_FALSE(check(id, eve, customer, field, "two guesses")->match);
    boot();
    duty(eve);
    id = talking(customer, anna);
    EXPECT_EQ(check(id, eve, customer, field, "three guesses")->tries_left, 0);
    EXPECT_FALSE(check(id, eve, customer, field, "four guesses"));
    const auto right = std::string(field) == "name" ? "carla muster" : "blue heron";
    EXPECT_FALSE(check(id, eve, customer, field, right)) << "locked for the right one, too";
    nobody_answers();
    duty(eve, false);
  }
}

TEST_F(Values, NothingIsComparedBeforeAnybodyHasAnswered) {
  const auto customer = carla();
  duty(eve);
  const auto id = ringing(customer, tom);
  EXPECT_FALSE(check(id, eve, customer, "service_word", "blue heron"));
  EXPECT_FALSE(ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, "email")}));
  talk();
  EXPECT_FALSE(check(id, emil, customer, "service_word", "blue heron")) << "not the expert";
  EXPECT_FALSE(check(id, tom, customer, "service_word", "blue heron"));
  EXPECT_FALSE(check(id, eve, customer, "phone", "+16502530000")) << "what was dialled";
  EXPECT_FALSE(check(id, eve, customer, "query", "No picture on the second screen"));
  EXPECT_TRUE(check(id, eve, customer, "service_word", "blue heron")->match);
  EXPECT_EQ(check(id, eve, customer, "service_word", "blue heron")->passed, 1u)
      << "one check, however often";
}

TEST_F(Values, WhatWasTypedSinceProvesNothing) {
  const auto customer = carla();
  duty(eve);
  const auto id = ringing(customer, tom);
  clock.advance_ms(1'000);
  ASSERT_TRUE(
      store_values({{"email", "tom@example.com"}, {"service_word", "toms word"}}, customer, 1));
  talk();
  EXPECT_FALSE(check(id, eve, customer, "service_word", "toms word"));
  EXPECT_FALSE(check(id, eve, customer, "email", "tom@example.com"));
  EXPECT_FALSE(ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, "email")}));
  EXPECT_TRUE(codes.empty());
  EXPECT_TRUE(check(id, eve, customer, "name", "carla muster")->match);
}

TEST_F(Values, ACodeIsNotGuessed) {
  const auto customer = carla();
  duty(eve);
  const auto id = talking(customer, tom);
  const auto say = [&](const std::string& code) {
    return ask(&Office::check_code, keys::CheckCode{id, eve.id, seal(code, "code", {id.hex()})});
  };
  const auto send = [&] {
    return ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, "email")});
  };
  EXPECT_FALSE(say("00000000")) << "none was sent";
  int tries = 0;
  for (std::size_t sent = 0; sent < Office::kCodesMax; ++sent) {
    ASSERT_TRUE(send());
    for (int i = 0; i < 5; ++i)
      if (const auto said = say("0000000" + std::to_string(i))) tries += !said->match;
    EXPECT_FALSE(say(codes.back().code)) << "locked";
  }
  EXPECT_EQ(tries, 9);
  EXPECT_FALSE(send()) << "no fourth one";
  boot();
  duty(eve);
  keeper->tick();
  ASSERT_TRUE(ring(id, eve, customer));
  talk();
  EXPECT_FALSE(send()) << "nor after a restart";
}

TEST_F(Values, AnOldCodeIsNone) {
  const auto customer = carla();
  duty(eve);
  const auto id = talking(customer, tom);
  ASSERT_TRUE(ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, "email")}));
  clock.advance_ms(Office::kCodeMs);
  EXPECT_FALSE(ask(&Office::check_code,
                   keys::CheckCode{id, eve.id, seal(codes[0].code, "code", {id.hex()})}));
}

TEST_F(Values, ACallBackIsWhatTheKeeperSawOfIt) {
  const auto customer = carla();
  duty(eve);
  const auto id = ringing(customer, tom);
  const auto passes = [&] { return act(id, eve, {.kind = "pass", .words = kVerdict}); };
  // Somebody else's dial, a dial of the server's own.
  office->dial_connected(DialId::random(entropy));
  office->dial_recorded(DialId::random(entropy), CallId::random(entropy));
  office->dial_over(DialId::random(entropy), {.answered = true, .talked_ms = 100'000});
  EXPECT_FALSE(passes());
  // Said to have been long and answered; nobody saw it connect.
  clock.advance_ms(100'000);
  office->dial_over(dials.back().dial, {.answered = true, .talked_ms = 100'000});
  round();
  EXPECT_EQ(state_word(id), "assigned");
  ASSERT_TRUE(ring(id, eve, customer));
  talk(60, false);  // never recorded
  ASSERT_TRUE(check(id, eve, customer, "service_word", "blue heron")->match);
  ASSERT_TRUE(check(id, eve, customer, "name", "carla muster")->match);
  hang_up();
  EXPECT_EQ(state_word(id), "assigned");
  EXPECT_FALSE(passes());
  ASSERT_TRUE(ring(id, eve, customer));
  talk(10);
  hang_up(1'000);  // longer than anybody saw
  EXPECT_EQ(state_word(id), "assigned");
  ASSERT_TRUE(ring(id, eve, customer));
  talk(60);
  hang_up();
  // Facts of the server's own, signed by an expert who does not look.
  auto step = *draft(id, eve, {.kind = "pass", .words = kVerdict});
  step.event.checks = 2;
  EXPECT_FALSE(put(step, eve, {.kind = "pass", .words = kVerdict}));
  step = *draft(id, eve, {.kind = "pass", .words = kVerdict});
  step.event.call_back.number_age_days += 100;
  EXPECT_FALSE(put(step, eve, {.kind = "pass", .words = kVerdict}));
  EXPECT_FALSE(passes()) << "checks of another call count for none";
}

// Nobody releases what asks for own data: who changed the number may not have changed the proof too.
TEST_F(Values, WhatCameWithAYoungNumberProvesNothingOfOwnData) {
  const auto customer = carla();
  duty(eve);
  const auto old_mail = leaf_of.at({customer, "email"});
  clock.advance_ms(60'000);
  ASSERT_TRUE(store_values({{"phone", "(650) 253-0009"}}, customer, 1));
  const auto honest = own_data_talking(customer, ada);
  EXPECT_TRUE(check(honest, eve, customer, "service_word", "blue heron")->match);
  EXPECT_TRUE(check(honest, eve, customer, "name", "carla muster")->match);
  EXPECT_TRUE(check(honest, eve, customer, "email", "carla@example.com")->match);
  hang_up();
  ASSERT_TRUE(act(honest, eve, {.kind = "pass", .words = kVerdict}));
  EXPECT_EQ(state_word(honest), "confirmed");
  const auto findings = [&](const std::vector<audit::Entry>& log_entries) {
    std::string names;
    for (const auto& found : judge(log_entries).findings)
      names += std::string(found.rule->name) + ": " + found.what + "; ";
    return names;
  };
  EXPECT_EQ(findings(entries()), "");
  // Its receipt is for who asked, and for nobody of a request that is not confirmed.
  const auto handed = [&](const PersonId& actor) {
    auto with = entries();
    auto& entry = with.emplace_back(with.back());
    entry = {
        .type = "receipt_given", .actor = actor.hex(), .subject = honest.hex(), .at = entry.at};
    return findings(with);
  };
  EXPECT_EQ(handed(ada.id), "");
  EXPECT_EQ(handed(eve.id), "receipt-to-who-asked: to somebody else; ");
  const auto later = [&](std::int64_t ms) {
    auto with = entries();
    with.push_back({.type = "receipt_given",
                    .actor = ada.id.hex(),
                    .subject = honest.hex(),
                    .at = with.back().at + ms});
    return findings(with);
  };
  EXPECT_EQ(later(14 * 60'000), "");
  EXPECT_NE(later(3'600'000).find("receipt-to-who-asked: its time was over"), std::string::npos);
  auto forged = entries();  // a keeper that took the number itself, stored a minute ago, as a proof
  for (auto& entry : forged)
    if (entry.type == "check_made" && entry.data.at("leaf").as_int64() == old_mail)
      entry.data["leaf"] = std::int64_t{leaf_of.at({customer, "phone"})};
  EXPECT_NE(findings(forged).find("checks-hold: own data"), std::string::npos) << findings(forged);

  ASSERT_TRUE(
      store_values({{"service_word", "Red Fox"}, {"email", "ada@example.com"}}, customer, 1));
  const auto taken_over = own_data_talking(customer, ada);
  EXPECT_FALSE(check(taken_over, eve, customer, "service_word", "red fox"));
  EXPECT_FALSE(check(taken_over, eve, customer, "email", "ada@example.com"));
  EXPECT_FALSE(
      ask(&Office::send_code, keys::SendCode{taken_over, eve.id, record(customer, "email")}));
  EXPECT_TRUE(codes.empty());
  EXPECT_TRUE(check(taken_over, eve, customer, "name", "carla muster")->match);
  hang_up();
  EXPECT_FALSE(act(taken_over, eve, {.kind = "pass", .words = kVerdict}));
  auto given_away = entries();
  given_away.push_back({.type = "receipt_given",
                        .actor = ada.id.hex(),
                        .subject = taken_over.hex(),
                        .at = given_away.back().at});
  EXPECT_EQ(findings(given_away),
            "receipt-to-who-asked: nobody confirmed that it is the customer; ");
  // Fields are another matter: two release them.
  EXPECT_EQ(findings(entries()), "");
}

// What is as old as a number has to be proves it still, and where the number is old, what is new.
TEST_F(Values, WhatIsOldEnoughOrOfAnOldNumberProvesOwnData) {
  constexpr std::int64_t kDay = 86'400'000;
  const auto customer = carla();
  duty(eve);
  const auto confirmed_by = [&](const char* mail) {
    const auto id = own_data_talking(customer, ada);
    for (const auto& [field, said] :
         {std::pair("service_word", "blue heron"), {"name", "carla muster"}, {"email", mail}}) {
      const auto checked = check(id, eve, customer, field, said);
      EXPECT_TRUE(checked && checked->match) << field;
    }
    hang_up();
    EXPECT_TRUE(act(id, eve, {.kind = "pass", .words = kVerdict}));
    return state_word(id);
  };
  clock.advance_ms(kDay);
  ASSERT_TRUE(store_values({{"email", "second@example.com"}}, customer, 1));
  clock.advance_ms(31 * kDay);
  ASSERT_TRUE(store_values({{"phone", "(650) 253-0009"}}, customer, 1));
  EXPECT_EQ(confirmed_by("second@example.com"), "confirmed");
  clock.advance_ms(31 * kDay);
  keeper->tick();
  ASSERT_TRUE(store_values({{"email", "third@example.com"}}, customer, 1));
  EXPECT_EQ(confirmed_by("third@example.com"), "confirmed");
  for (const auto& found : judge(entries()).findings)
    EXPECT_NE(found.rule->name, "checks-hold") << found.what;
}

// Whoever has the mailbox can say its address, too: together that is one proof, where nobody
// releases. Where somebody does, the code is one of its own.
// However many fields of the policy hold its address.
class Mailboxes : public Values {
 protected:
  Mailboxes()
      : Values(std::string(kPolicy) +
               "[[field]]\nid = \"bills\"\nlabel = \"Bills\"\nkind = \"email\"\n") {}
};

TEST_F(Mailboxes, OneAddressInTwoFieldsIsOneProof) {
  const auto customer = carla();
  ASSERT_TRUE(store_values({{"bills", "carla@example.com"}}, customer, 1));
  for (int hours = 0; hours < 26; ++hours) ticks(3'600'000);  // the password goes in its time
  ticks(40 * 86'400'000ll);                                   // the number is old
  duty(eve);
  const auto id = own_data_talking(customer, tom);
  EXPECT_TRUE(check(id, eve, customer, "bills", "carla@example.com")->match);
  EXPECT_TRUE(ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, "email")}));
  const auto checked =
      ask(&Office::check_code,
          keys::CheckCode{id, eve.id, seal(codes.back().code, "code", {id.hex()})});
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->passed, 1u);
  hang_up();
  EXPECT_FALSE(act(id, eve, {.kind = "pass", .words = kVerdict}));
  boot();  // as the log tells it
  EXPECT_FALSE(act(id, eve, {.kind = "pass", .words = kVerdict}));
  for (const auto& found : judge(entries()).findings)
    ADD_FAILURE() << found.rule->name << found.what;
  // Nor where a keeper calls it something else in the log.
  const auto forged = [&](const char* type, const char* name, const char* value) {
    auto log_entries = entries();
    for (auto& entry : log_entries)
      if (entry.type == type && entry.data.at(name).as_string() == "email")
        entry.data[name] = value;
    std::set<std::string> rules;
    for (const auto& found : judge(log_entries).findings) rules.emplace(found.rule->name);
    return rules;
  };
  EXPECT_EQ(forged("code_sent", "channel", "sms"), std::set<std::string>{"checks-hold"});
  EXPECT_EQ(forged("check_made", "kind", "name"), std::set<std::string>{"checks-hold"});
}

TEST_F(Values, AMailboxIsOneProofOfOwnData) {
  const auto customer = carla();
  duty(eve);
  const auto by_mailbox = [&](const RequestId& id) {
    EXPECT_TRUE(check(id, eve, customer, "email", "carla@example.com")->match);
    EXPECT_TRUE(ask(&Office::send_code, keys::SendCode{id, eve.id, record(customer, "email")}));
    EXPECT_TRUE(ask(&Office::check_code,
                    keys::CheckCode{id, eve.id, seal(codes.back().code, "code", {id.hex()})})
                    ->match);
    hang_up();
    return act(id, eve, {.kind = "pass", .words = kVerdict}).has_value();
  };
  EXPECT_FALSE(by_mailbox(own_data_talking(customer, tom)));
  EXPECT_TRUE(by_mailbox(talking(customer, tom)));
  for (const auto& found : judge(entries()).findings) ADD_FAILURE() << found.rule->name;
}

TEST_F(Values, ABrowsersKeyIsItsOwners) {
  const auto key = *crypto::x25519_public(entropy.key());
  const auto bind_as = [&](const Someone& whose, const Someone& signs) {
    const auto challenge = keys::reader_challenge(whose.id, key, office->now(), {});
    const people::PersonSignature said{whose.id,
                                       signs.device->sign(people::test::kParty, challenge)};
    return ask(
        &Office::reader_put,
        keys::ReaderPut{
            whose.id, key, office->now(), boost::json::serialize(people::to_json(said)), {}});
  };
  EXPECT_FALSE(bind_as(tom, eve));
  EXPECT_FALSE(bind_as({people::test::id_of(99), tom.device}, tom));
  tom.device->verifies = false;
  EXPECT_FALSE(bind_as(tom, tom)) << "no PIN, no finger";
  tom.device->verifies = true;
  tom.device->present = false;
  EXPECT_FALSE(bind_as(tom, tom));
  tom.device->present = true;
  tom.device->origin = "https://calls.example.evil";
  EXPECT_FALSE(bind_as(tom, tom)) << "another origin";
  tom.device->origin = "";
  tom.device->type = "webauthn.create";
  EXPECT_FALSE(bind_as(tom, tom));
  tom.device->type = "";
  tom.device->more = R"(,"crossOrigin":true)";
  EXPECT_FALSE(bind_as(tom, tom)) << "from within another page";
  tom.device->more = "";
  EXPECT_FALSE(bind(tom, key, office->now() - Office::kReaderMs - 1));
  EXPECT_FALSE(bind(tom, key, office->now() + 10 * 60'000));
  EXPECT_FALSE(office->reads_with(tom.id, key));
  ASSERT_TRUE(bind(tom, key, office->now()));
  EXPECT_TRUE(office->reads_with(tom.id, key));
  EXPECT_FALSE(office->reads_with(eve.id, key));
  ticks(Office::kReaderMs);
  EXPECT_FALSE(office->reads_with(tom.id, key)) << "half a day later";
}

// The public key stands in the log: whoever binds it as well opens nothing, and would have the log
// name two people for one key.
TEST_F(Values, AKeyThatIsAnothersIsNotBound) {
  const auto key = *crypto::x25519_public(browser(tom));
  EXPECT_EQ(bind(eve, key, office->now()).error().code, Errc::kDenied);
  const keys::ReaderScope once{CallId::random(entropy), keys::OpenPurpose::kPlay};
  EXPECT_EQ(bind(eve, key, office->now(), once).error().code, Errc::kDenied);
  EXPECT_TRUE(bind(tom, key, office->now())) << "again";
  // Nor when it is his no more.
  ASSERT_TRUE(ask(&Office::reader_drop, keys::ReaderDrop{tom.id, key}));
  EXPECT_EQ(bind(eve, key, office->now()).error().code, Errc::kDenied);
  ASSERT_TRUE(bind(tom, key, office->now()));
  ticks(2 * Office::kReaderMs);
  EXPECT_EQ(bind(eve, key, office->now()).error().code, Errc::kDenied);
  // Of two who come in one round one has it.
  const auto fresh = *crypto::x25519_public(entropy.key());
  const auto posted = [&](const Someone& who) {
    const auto challenge = keys::reader_challenge(who.id, fresh, office->now(), {});
    const people::PersonSignature said{who.id, who.device->sign(people::test::kParty, challenge)};
    return post<keys::Ack>(
        &Office::reader_put,
        keys::ReaderPut{
            who.id, fresh, office->now(), boost::json::serialize(people::to_json(said)), {}});
  };
  const auto his = posted(tom), hers = posted(eve);
  round();
  EXPECT_TRUE(his->value);
  EXPECT_EQ(hers->value.error().code, Errc::kDenied);
  EXPECT_TRUE(office->reads_with(tom.id, fresh));
  EXPECT_FALSE(office->reads_with(eve.id, fresh));
  // A new keeper, once it was told.
  boot();
  ASSERT_TRUE(bind(tom, fresh, office->now()));
  EXPECT_EQ(bind(eve, fresh, office->now()).error().code, Errc::kDenied);
}

TEST_F(Values, APasskeyThatIsGoneTakesItsBrowsersAlong) {
  const auto customer = carla();
  const auto id = opened(customer);
  const Someone second{tom.id, fresh_device()};
  now = office->now();
  ASSERT_TRUE(apply(with_key(people::ChangeKind::kKeyAdded, second), {tom}));
  ASSERT_TRUE(put_change(all.back()));
  const auto by_first = browser(tom), by_second = browser(second);
  EXPECT_TRUE(view(id, tom, by_second, customer, "email"));
  const auto said = viewing(customer, "email", by_first);
  const auto step = *draft(id, second, said);
  now = office->now();
  auto removed = change(people::ChangeKind::kKeyRemoved, tom.id);
  removed.key.id = second.device->sign(people::test::kParty, {}).passkey;
  ASSERT_TRUE(apply(removed, {tom}));
  ASSERT_TRUE(put_change(all.back()));
  EXPECT_FALSE(put(step, second, said)) << "signed by the passkey that is gone";
  EXPECT_FALSE(view(id, tom, by_second, customer, "email")) << "to a key that it bound";
  EXPECT_EQ(*view(id, tom, by_first, customer, "email"), "Carla@Example.com");
}

TEST_F(Values, APersonIsCountedUnderOneName) {
  carla();
  const auto look = [&](const std::string& actor) {
    return ask(&Office::look_up, keys::LookUp{actor, "name", seal("x", "find", {actor, "name"})});
  };
  auto person = id_with_letters();
  for (std::size_t i = 0; i < Office::kLookUpsPerMinute; ++i) ASSERT_TRUE(look(person));
  EXPECT_FALSE(look(person));
  auto shouted = person;
  for (auto& c : shouted) c = static_cast<char>(std::toupper(c));
  EXPECT_FALSE(look(shouted));
}

}  // namespace
}  // namespace callward::attack
