// Whose turn a request is, as the server says it: "may I", "why not", the lists and their counts,
// held to what the keeper then takes.
#include "phones_rig.hpp"
#include "vault_api_rig.hpp"

namespace callward::attack {
namespace {

using api::test::json_of;

class Turns : public ::testing::Test, public VaultRig {
 protected:
  void SetUp() override {
    customer = store_carla();
    EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  }
  std::string asked() {
    const auto id = ask_for(tom, customer, {"email"});
    keeper->tick();
    follow();
    return id;
  }
  // "yes", or the reason in a word.
  std::string may(const Someone& who, const std::string& id, std::string_view step) {
    const auto answer = call(who.id, "GET", "/v1/requests/" + id);
    EXPECT_EQ(answer.status, 200) << answer.body;
    if (answer.status != 200) return "";
    const auto json = json_of(answer);
    for (const auto& one : json.at("next").as_array())
      if (one.at("step").as_string() == step)
        return one.at("me") == "yes" ? "yes" : std::string(one.at("why").as_string());
    return "no such step";
  }
  std::set<std::string> list(const Someone& who, const std::string& view) {
    const auto answer = call(who.id, "GET", "/v1/requests?view=" + view);
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::set<std::string> ids;
    if (answer.status != 200) return ids;
    const auto json = json_of(answer);
    for (const auto& one : json.at("requests").as_array()) {
      ids.insert(std::string(one.at("request").as_string()));
      if (view != "mine" && view != "all") EXPECT_EQ(one.at("turn").as_string(), view);
    }
    return ids;
  }
  boost::json::object turns(const Someone& who) {
    const auto answer = call(who.id, "GET", "/v1/own/turns");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200 ? json_of(answer) : boost::json::object();
  }
  using Ids = std::set<std::string>;
  std::string customer;
};

TEST_F(Turns, WhoRevokedItIsToldThatTheyDoNotReviewIt) {
  const auto id = asked();
  open(id);
  EXPECT_EQ(may(max, id, "revoke"), "yes");
  EXPECT_EQ(may(tom, id, "revoke"), "asked");
  EXPECT_EQ(act_by(max, {{"request", id}, {"kind", "revoke"}}, kWhy).status, 201);
  EXPECT_EQ(may(max, id, "review"), "acted");
  EXPECT_EQ(act_by(max, {{"request", id}, {"kind", "review"}}, kWhy).status, 403)
      << "as the keeper says, too";
  EXPECT_EQ(list(max, "review"), Ids());
  EXPECT_EQ(may(olga, id, "review"), "yes");
  EXPECT_EQ(list(olga, "review"), Ids{id});
  EXPECT_EQ(act_by(olga, {{"request", id}, {"kind", "review"}}, kWhy).status, 201);
  EXPECT_EQ(list(olga, "review"), Ids());
}

TEST_F(Turns, WhoWasItsExpertDoesNotReleaseIt) {
  const auto id = asked();
  EXPECT_EQ(act_by(eve, {{"request", id}, {"kind", "ring"}}).status, 201);
  hang_up();  // nobody was there
  keeper->tick();
  follow();
  ASSERT_EQ(word_of(id), "assigned");
  EXPECT_EQ(call(emil.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", false}}).status, 200);
  ticks(1'000);
  follow();
  ASSERT_TRUE(change_roles(eve, people::bit(people::Role::kAuthorised), {olga, max}));
  ticks(1'000);
  follow();
  EXPECT_EQ(may(emil, id, "ring"), "yes") << "it was given to somebody who may";
  EXPECT_EQ(act_by(emil, {{"request", id}, {"kind", "ring"}}).status, 201);
  talk();
  EXPECT_EQ(check_by(emil, id, "service_word", "blue  heron").status, 200);
  EXPECT_EQ(check_by(emil, id, "name", "carla muster").status, 200);
  hang_up();
  EXPECT_EQ(act_by(emil, {{"request", id}, {"kind", "pass"}}, kVerdict).status, 201);
  EXPECT_EQ(may(eve, id, "release"), "acted");
  EXPECT_EQ(list(eve, "release"), Ids());
  EXPECT_EQ(act_by(eve, {{"request", id},
                         {"kind", "release"},
                         {"fields", boost::json::array{leaf.at("email")}}})
                .status,
            403);
  EXPECT_EQ(may(anna, id, "release"), "yes");
  EXPECT_EQ(list(anna, "release"), Ids{id});
}

TEST_F(Turns, AReviewersListHasTheRequestsOfWhoAnswersToThem) {
  const auto id = asked();
  open(id);
  EXPECT_EQ(act_by(tom, {{"request", id}, {"kind", "end"}}).status, 201);
  EXPECT_EQ(list(max, "review"), Ids{id});
  // Another supervisor, to whom nobody of this request answers.
  now = office->now();
  const auto first = all.size();
  const auto sue = join(30, people::bit(people::Role::kSupervisor));
  for (auto i = first; i < all.size(); ++i) ASSERT_TRUE(put_change(all[i]));
  follow();
  EXPECT_EQ(list(sue, "review"), Ids());
  EXPECT_EQ(may(sue, id, "review"), "superior");
  EXPECT_EQ(turns(sue).at("review"), 0);
  const auto hears = [&](const Someone& whom) {
    return api::test::json_of(call(whom.id, "GET", "/v1/requests/" + id)).at("hears").as_bool();
  };
  EXPECT_TRUE(hears(max)) << "to whom Tom answers";
  EXPECT_TRUE(hears(anna));
  EXPECT_TRUE(hears(olga));
  EXPECT_FALSE(hears(sue)) << "a supervisor sees it, and hears only whom they answer for";
  EXPECT_FALSE(hears(tom));
  EXPECT_FALSE(hears(eve)) << "who rang";
  // Whoever is a superior may, whatever their roles: and sees it, then.
  now = office->now();
  ASSERT_TRUE(apply(person(tom.id, people::bit(people::Role::kTechnician), eve.id), {olga}));
  ASSERT_TRUE(put_change(all.back()));
  follow();
  EXPECT_EQ(list(max, "review"), Ids());
  EXPECT_EQ(may(eve, id, "review"), "verifies") << "she verified it";
  now = office->now();
  ASSERT_TRUE(apply(person(tom.id, people::bit(people::Role::kTechnician), emil.id), {olga}));
  ASSERT_TRUE(put_change(all.back()));
  follow();
  EXPECT_EQ(list(emil, "review"), Ids{id});
  EXPECT_EQ(may(emil, id, "review"), "yes");
  // Of the customer's fields who leads sees all; a superior by the chart those that were asked for.
  const auto fields_for = [&](const people::test::Someone& whom) {
    return api::test::json_of(call(whom.id, "GET", "/v1/requests/" + id)).at("fields").as_array();
  };
  EXPECT_GT(fields_for(max).size(), 4u);
  ASSERT_EQ(fields_for(emil).size(), 1u);
  EXPECT_EQ(fields_for(emil)[0].at("leaf").to_number<std::int64_t>(), leaf.at("email"));
  EXPECT_EQ(act_by(emil, {{"request", id}, {"kind", "review"}}, kWhy).status, 201);
}

// The pages of a list that is narrowed go on behind what they left out.
TEST_F(Turns, AListThatLeavesOutHasAllItsPages) {
  Ids ids;
  for (int i = 0; i < 5; ++i) {
    const auto id = asked();
    open(id);
    EXPECT_EQ(
        act_by(i % 2 == 0 ? tom : max, {{"request", id}, {"kind", i % 2 == 0 ? "end" : "revoke"}},
               i % 2 == 0 ? "" : kWhy)
            .status,
        201);
    if (i % 2 == 0) ids.insert(id);
    ticks(1'000);
    follow();
  }
  Ids found;
  std::string cursor;
  for (int page = 0; page < 10; ++page) {
    const auto answer = json_of(call(max.id, "GET", "/v1/requests?view=review&limit=1" + cursor));
    for (const auto& one : answer.at("requests").as_array())
      EXPECT_TRUE(found.insert(std::string(one.at("request").as_string())).second);
    if (answer.at("next_cursor").is_null()) break;
    cursor = "&cursor=" + std::string(answer.at("next_cursor").as_string());
  }
  EXPECT_EQ(found, ids);
  EXPECT_EQ(turns(max).at("review"), 3);
}

TEST_F(Turns, TheHeaderIsToldWhatWaitsForWhom) {
  const auto told = [&](const Someone& who) {
    const auto json = turns(who);
    return std::array{json.at("verify").to_number<int>(), json.at("release").to_number<int>(),
                      json.at("review").to_number<int>(),
                      static_cast<int>(json.at("windows").as_array().size())};
  };
  using Told = std::array<int, 4>;
  const auto id = asked();
  EXPECT_EQ(told(eve), (Told{1, 0, 0, 0}));
  EXPECT_EQ(told(emil), Told{}) << "it was given to another expert";
  EXPECT_EQ(told(anna), Told{}) << "breaking the glass waits for nobody";
  EXPECT_EQ(told(tom), Told{});
  open(id);
  EXPECT_EQ(told(eve), Told{});
  EXPECT_EQ(told(tom), (Told{0, 0, 0, 1}));
  const auto window = turns(tom).at("windows").as_array().at(0).as_object();
  EXPECT_EQ(window.at("request"), boost::json::string(id));
  EXPECT_EQ(window.at("until").to_number<std::int64_t>(),
            clock.utc_ms() + service.policy.limits.window_ms);
  EXPECT_EQ(told(max), Told{});
  // Its time is over, whether the keeper has said so or not.
  clock.advance_ms(service.policy.limits.window_ms);
  EXPECT_EQ(told(tom), Told{});
  ticks(1'000);
  follow();
  EXPECT_EQ(told(max), (Told{0, 0, 1, 0}));
  EXPECT_EQ(call(rita.id, "GET", "/v1/own/turns").status, 403) << "an administrator has none";
}

// A machine that was suspended, a wall clock that was set: may I, the lists and the counts say what
// the keeper then does.
TEST_F(Turns, TimeIsTheKeepersWhateverTheWallClockSays) {
  const auto& limits = policy().policy.limits;
  const auto id = asked();
  clock.jump_utc_ms(10 * limits.ring_ms);
  EXPECT_EQ(may(eve, id, "ring"), "yes");
  EXPECT_EQ(list(eve, "verify"), Ids{id});
  EXPECT_EQ(turns(eve).at("verify"), 1);
  open(id);
  clock.jump_utc_ms(-20 * limits.ring_ms);
  EXPECT_EQ(may(tom, id, "view"), "yes");
  EXPECT_EQ(turns(tom).at("windows").as_array().size(), 1u);
  const auto key = browser(tom);
  EXPECT_TRUE(see(tom, id, key));
  clock.advance_ms(limits.window_ms - 1);
  follow();
  EXPECT_EQ(may(tom, id, "view"), "yes");
  clock.advance_ms(1);
  EXPECT_EQ(may(tom, id, "view"), "time_over");
  EXPECT_EQ(turns(tom).at("windows").as_array().size(), 0u);
  EXPECT_FALSE(see(tom, id, key));
}

TEST_F(Turns, WithoutTheKeeperTimeIsTheWallClocks) {
  const auto id = asked();
  clock.jump_utc_ms(10 * policy().policy.limits.ring_ms);
  peer.reset();
  EXPECT_EQ(list(eve, "verify"), Ids{id}) << "as it said lately";
  clock.advance_ms(api::KeepersClock::kToldForMs);
  service.ask_time();
  EXPECT_EQ(list(eve, "verify"), Ids());
}

// ---- live ---------------------------------------------------------------------------------------

class Live : public Turns {
 protected:
  // Of whom are there news of it since the last time? By the roles and names of the events.
  std::set<PersonId> told(const std::string& id) {
    std::set<PersonId> people;
    for (const auto& event : events.after(seen)) {
      seen = event.id;
      if (event.type != "request" || event.data.find(id) == std::string::npos) continue;
      for (const auto& [person, member] : chart.members())
        if (event.tells(member.roles, person)) people.insert(person);
    }
    return people;
  }
  // Who sees it when they ask.
  std::set<PersonId> see_it(const std::string& id) {
    std::set<PersonId> people;
    for (const auto& [person, member] : chart.members())
      if (call(person, "GET", "/v1/requests/" + id).status == 200) people.insert(person);
    return people;
  }
  std::uint64_t seen = 0;
};

// Those above whoever asked, whatever their roles: each step of the way up.
TEST_F(Live, WhoeverSeesARequestIsToldOfItsNews) {
  now = office->now();
  const auto tess = join(40, people::bit(people::Role::kTechnician), emil.id);
  for (auto i = all.size() - 3; i < all.size(); ++i) ASSERT_TRUE(put_change(all[i]));
  follow();
  const auto id = ask_for(tess, customer, {"email"});
  keeper->tick();
  follow();
  ASSERT_EQ(word_of(id), "assigned");
  const std::set<PersonId> wanted{tess.id, emil.id, eve.id, anna.id, abe.id, max.id, olga.id};
  EXPECT_EQ(see_it(id), wanted) << "Emil, to whom she answers, is an expert alone";
  EXPECT_EQ(told(id), wanted);
  EXPECT_EQ(told(id), std::set<PersonId>()) << "no news";
  EXPECT_EQ(act_by(eve, {{"request", id}, {"kind", "ring"}}).status, 201);
  EXPECT_EQ(told(id), wanted);
}

TEST_F(Live, WhoLosesItIsToldAndSeesItNoMore) {
  const auto id = asked();
  (void)told(id);
  EXPECT_EQ(call(emil.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", false}}).status, 200);
  EXPECT_EQ(told(id), std::set<PersonId>()) << "no step yet, and somebody is there";
  ticks(1'000);
  follow();
  const auto heard = told(id);
  EXPECT_TRUE(heard.contains(eve.id));
  EXPECT_TRUE(heard.contains(emil.id));
  EXPECT_EQ(call(eve.id, "GET", "/v1/requests/" + id).status, 404);
}

// Duty and roles are no step of a request: whoever has its page open learns of it all the same.
TEST_F(Live, ThatNobodyIsThereIsNewsOfTheRequest) {
  const auto id = asked();
  (void)told(id);
  EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", false}}).status, 200);
  EXPECT_EQ(told(id), std::set<PersonId>()) << "on the server's turn, not in her request";
  service.tell_lacking();
  EXPECT_TRUE(told(id).contains(tom.id));
  service.tell_lacking();
  EXPECT_EQ(told(id), std::set<PersonId>()) << "once";
  for (const bool on : {true, false, true})
    EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", on}}).status, 200);
  EXPECT_EQ(told(id), std::set<PersonId>()) << "however often";
  service.tell_lacking();
  EXPECT_TRUE(told(id).contains(tom.id)) << "she is back";
  open(id);
  const auto other = asked();
  EXPECT_EQ(act_by(eve, {{"request", other}, {"kind", "ring"}}).status, 201);
  talk();
  EXPECT_EQ(check_by(eve, other, "service_word", "blue  heron").status, 200);
  EXPECT_EQ(check_by(eve, other, "name", "carla muster").status, 200);
  hang_up();
  EXPECT_EQ(act_by(eve, {{"request", other}, {"kind", "pass"}}, kVerdict).status, 201);
  (void)told(other);
  for (const auto& one : {anna, abe})
    ASSERT_TRUE(change_roles(one, people::bit(people::Role::kAgent), {olga}));
  follow();
  service.lacking_owed = true;  // as the server's process does at each change of the chart
  service.tell_lacking();
  EXPECT_TRUE(told(other).contains(tom.id)) << "nobody may release it";
}

TEST_F(Live, BeyondSoManyThatWaitTheOthersAreNotToldAndTheLogSaysSo) {
  const auto first = asked(), second = asked();
  (void)told(first);
  service.lacking_max = 1;
  EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", false}}).status, 200);
  service.tell_lacking();
  EXPECT_TRUE(service.lacking_beyond);
  EXPECT_EQ(service.lacking.size(), 1u);
  service.lacking_max = 2;
  service.lacking_owed = true;
  service.tell_lacking();
  EXPECT_FALSE(service.lacking_beyond);
  EXPECT_EQ(service.lacking.size(), 2u);
}

// The keeper's word counts for who is on duty: nobody is shown as there whom it misses.
TEST_F(Live, WhomTheKeeperMissesIsNotOnDutyForTheServerEither) {
  const auto id = asked();
  ASSERT_EQ(persons.on_duty()->size(), 1u);
  const auto missed = [this] {
    boot();
    OfficeRig::told();
    ticks(Office::kDutyToldMs);
    ticks(1'000);
  };
  missed();
  follow();
  EXPECT_TRUE(persons.on_duty()->empty());
  const auto no_expert = [&] {
    return json_of(call(tom.id, "GET", "/v1/requests/" + id)).at("no_expert");
  };
  EXPECT_EQ(no_expert(), boost::json::value(true));
  EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  EXPECT_EQ(no_expert(), boost::json::value(false));
  missed();
  // She came before the log was read as far.
  EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  follow();
  EXPECT_EQ(persons.on_duty()->size(), 1u);
}

// ---- the request of an expert --------------------------------------------------------------------

TEST(CodesByText, GoToAnotherNumberThanTheOneThatIsDialled) {
  VaultRig rig(kPolicyOfPhones);
  const auto stored = rig.call(rig.agent(), "POST", "/v1/intakes",
                               rig.intake_body({{"name", "Carla Muster"},
                                                {"phone", "(650) 253-0000"},
                                                {"mobile", "+49 1511 2345678"},
                                                {"work", "+1 650 253-0000"},
                                                {"email", "Carla@Example.com"}}));
  ASSERT_EQ(stored.status, 201) << stored.body;
  const auto json = json_of(stored);
  for (const auto& field : json.at("fields").as_array())
    rig.leaf[std::string(field.at("field").as_string())] =
        field.at("leaf").to_number<std::int64_t>();
  EXPECT_EQ(rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  const auto id = rig.ask_for(rig.tom, std::string(json.at("customer").as_string()), {"email"});
  rig.keeper->tick();
  rig.follow();
  EXPECT_EQ(rig.act_by(rig.eve, {{"request", id}, {"kind", "ring"}}).status, 201);
  rig.talk();
  const auto shown = json_of(rig.call(rig.eve.id, "GET", "/v1/requests/" + id));
  EXPECT_EQ(shown.at("dials").to_number<std::int64_t>(), rig.leaf.at("phone"));
  const auto send = [&](const Someone& who, const std::string& field) {
    return rig.call(who.id, "POST", "/v1/requests/" + id + "/codes", {{"leaf", rig.leaf.at(field)}})
        .status;
  };
  EXPECT_EQ(send(rig.eve, "phone"), 403);
  EXPECT_EQ(send(rig.eve, "work"), 403) << "the same number in another field";
  EXPECT_EQ(send(rig.emil, "mobile"), 404) << "an expert of other requests";
  EXPECT_EQ(send(rig.anna, "mobile"), 403);
  EXPECT_TRUE(rig.codes.empty());
  EXPECT_EQ(send(rig.eve, "mobile"), 204);
  ASSERT_EQ(rig.codes.size(), 1u);
  EXPECT_EQ(rig.codes[0].channel, "sms");
  EXPECT_EQ(rig.codes[0].address, "+4915112345678");
  const auto said = rig.call(rig.eve.id, "POST", "/v1/requests/" + id + "/code-checks",
                             {{"given", rig.sealed(rig.codes[0].code, "code", {id})}});
  ASSERT_EQ(said.status, 200) << said.body;
  EXPECT_EQ(json_of(said).at("match"), true);
}

// What the carriers said when the customer rang is shown where it is judged.
TEST_F(Turns, WhatTheCarriersSaidIsShownAtTheRequest) {
  const auto of_case = CallId::random(entropy);
  const auto typed_in = [&](const CallId& call, std::int64_t later_ms) {
    ASSERT_TRUE(database->execute(
        "UPDATE customer_log SET data = json_set(data, '$.call', ?1), at = at + ?2 WHERE type = "
        "'fields_stored'",
        {call.is_zero() ? std::string() : call.hex(), later_ms}));
  };
  const auto id = asked();
  const auto shown = [&](const Someone& who) {
    const auto answer = call(who.id, "GET", "/v1/requests/" + id);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return std::string(json_of(answer).at("attestation").as_string());
  };
  EXPECT_EQ(shown(eve), "") << "typed in no call";
  typed_in(of_case, 0);
  EXPECT_EQ(shown(eve), "") << "a call of which nothing is known";
  store::CallEvent event{.call = of_case, .phase = store::CallPhase::kLive};
  event.flags = {"roles_guessed", "attestation_failed"};
  ASSERT_TRUE(catalog.apply(event));
  EXPECT_EQ(shown(eve), "attestation_failed");
  EXPECT_EQ(shown(anna), "attestation_failed");
  typed_in(of_case, 1);
  EXPECT_EQ(shown(eve), "") << "a call of after it was asked";
  typed_in(of_case, -1);
  event.flags = {"roles_guessed"};
  ASSERT_TRUE(catalog.apply(event));
  EXPECT_EQ(shown(eve), "") << "nothing was said";
}

}  // namespace
}  // namespace callward::attack
