// Founding, inviting, signing in, recovering: what people do, over the routes that their browsers
// use.
#include "api/people_rig_test.hpp"

namespace callward::api {
namespace {

using test::json_of;
using test::PeopleRig;
using test::Somebody;
using Json = boost::json::object;

struct Company : ::testing::Test, PeopleRig {
  void SetUp() override { found(); }
  std::string state_of(const Somebody& who) {
    return std::string(
        json_of(ask("GET", "/v1/people/" + who.id.hex(), olgas)).at("state").as_string());
  }
};

TEST_F(Company, TheOwnerFoundsTheChartWithOneLinkAndComesInByHerPasskey) {
  const auto me = json_of(ask("GET", "/v1/session", olgas));
  EXPECT_EQ(me.at("came_by").as_string(), "passkey");
  EXPECT_EQ(me.at("roles"), (boost::json::array{"reviewer", "owner"}));
  const auto list = json_of(ask("GET", "/v1/people", olgas));
  EXPECT_TRUE(list.at("founded").as_bool());
  EXPECT_EQ(list.at("number").as_int64(), 1);
  EXPECT_FALSE(list.at("lacks").as_array().empty()) << "a release takes three";
  EXPECT_EQ(list.at("lacks_for_two").as_array().size(), 1u) << "and break-glass a second one";
  ASSERT_EQ(readers.size(), 1u);
  EXPECT_EQ(readers[0].person, olga.id);
}

TEST_F(Company, SomebodyIsNamedGivenARoleInvitedAndComesIn) {
  auto max = named("max", "");
  EXPECT_EQ(state_of(max), "added");
  for (const auto* role : {"supervisor", "reviewer", "administrator", "auditor", "expert"})
    EXPECT_EQ(send("POST", "/v1/chart/drafts", person_body(max, role), olgas).status, 409) << role;
  const auto link = invite(max);
  EXPECT_EQ(state_of(max), "invited");
  EXPECT_EQ(send("POST", "/v1/chart/drafts", person_body(max, "auditor"), olgas).status, 409);
  const auto done = enrol(max, link);
  ASSERT_EQ(done.status, 201) << done.body;
  EXPECT_TRUE(json_of(done).at("waits").as_bool());
  EXPECT_EQ(state_of(max), "here");
  // Until there is a role nobody comes in by it, and who it is is told so.
  const auto early = sign_in(max);
  EXPECT_EQ(early.status, 409);
  EXPECT_NE(early.body.find("an owner gives you one"), std::string::npos) << early.body;
  EXPECT_EQ(people.sessions(max.id)->size(), 0u);
  EXPECT_EQ(logged("sign_in_failed"), 1u);
  give(max, "supervisor");
  const auto session = session_of(max);
  EXPECT_EQ(json_of(ask("GET", "/v1/session", session)).at("roles"),
            (boost::json::array{"supervisor"}));
  EXPECT_EQ(ask("GET", "/v1/calls", session).status, 403) << "supervisors read no calls here";
  EXPECT_EQ(ask("GET", "/v1/calls", olgas).status, 200);
}

// Whose passkeys were taken away is invited by one owner; who may second, or is a custodian, is not.
TEST_F(Company, WhoMaySecondGetsNoPasskeyByAnInvitation) {
  auto max = join("max", "supervisor"), rita = join("rita", "reviewer"), tom = join("tom", "agent");
  const auto remove = [this](const Somebody& whose) {
    const auto key = keepers.find(whose.id)->keys.at(0).id;
    EXPECT_EQ(
        change(olga, olgas,
               {{"kind", "key_removed"}, {"person", whose.id.hex()}, {"passkey", to_hex(key)}})
            .status,
        200);
  };
  const auto recovery = "/v1/people/" + max.id.hex() + "/recovery";
  remove(tom);
  EXPECT_EQ(send("POST", "/v1/people/" + tom.id.hex() + "/recovery", {}, olgas).status, 409);
  tom.device = device();
  const auto anew = enrol(tom, invite(tom));
  EXPECT_EQ(anew.status, 201) << anew.body;
  EXPECT_FALSE(json_of(anew).at("waits").as_bool());
  remove(max);
  const auto link = invitation();
  EXPECT_EQ(send("POST", "/v1/chart/drafts", invited_body(max, link), olgas).status, 409);
  // Two give it anew.
  const auto offered = send("POST", recovery, {}, olgas);
  ASSERT_EQ(offered.status, 201) << offered.body;
  max.device = device();
  const auto offer = enrol(max, tail_of(offered));
  ASSERT_EQ(offer.status, 202) << offer.body;
  const auto drafted = change(olga, olgas, {{"kind", "key_replaced"}, {"person", max.id.hex()}});
  ASSERT_EQ(drafted.status, 202) << drafted.body;
  ASSERT_EQ(sign(rita, session_of(rita), json_of(drafted)).status, 200);
  EXPECT_EQ(sign_in(max).status, 201);
}

// A link that was given before roles came after the passkey: nobody enrols by it now.
TEST_F(Company, AnInvitationThatIsOpenGivesNoRoleOfTheSecond) {
  auto max = named("max", "agent");
  const auto link = invite(max);
  // As a keeper before took it.
  people::Change given =
      next_change(service, *roster.chart().value(), people::ChangeKind::kPerson, max.id);
  given.roles = people::bit(people::Role::kSupervisor);
  given.answers_to = olga.id;
  const people::SignedChange old{given,
                                 {{olga.id, olga.device->sign(party, *people::hash_of(given))}}};
  ASSERT_TRUE(keepers.apply(old));
  ASSERT_TRUE(roster.take(old, {keepers.number(), keepers.head()}));
  const auto refused = enrol(max, link);
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_TRUE(keepers.find(max.id)->keys.empty());
}

TEST_F(Company, WhatTakesTwoWaitsForTheSecondAndIsListedToWhoMaySignIt) {
  const auto max = join("max", "supervisor");
  const auto tom = join("tom", "technician");
  const auto eve = join("eve", "agent");
  const auto maxs = session_of(max), toms = session_of(tom), eves = session_of(eve);
  const auto waiting = change(olga, olgas, person_body(eve, "expert"));
  ASSERT_EQ(waiting.status, 202) << waiting.body;
  const auto draft = json_of(waiting);
  const auto listed = [&](const std::string& session) {
    return json_of(ask("GET", "/v1/chart/drafts", session)).at("drafts").as_array().size();
  };
  EXPECT_EQ(listed(maxs), 1u);
  EXPECT_EQ(listed(olgas), 1u);
  EXPECT_EQ(listed(toms), 0u) << "a technician is no second one";
  EXPECT_EQ(listed(eves), 0u) << "nor is whom it is about";
  EXPECT_EQ(sign(tom, toms, draft).status, 404);
  EXPECT_EQ(sign(eve, eves, draft).status, 404);
  EXPECT_EQ(sign(olga, olgas, draft).status, 403) << "two are two people";
  const auto taken = sign(max, maxs, draft);
  EXPECT_EQ(taken.status, 200) << taken.body;
  EXPECT_EQ(json_of(ask("GET", "/v1/session", eves)).at("roles"), (boost::json::array{"expert"}));
  EXPECT_EQ(sign(max, maxs, draft).status, 404) << "once";
}

// What every screen asks by itself keeps nobody signed in who has gone away.
TEST_F(Company, WhatTheConsoleAsksByItselfIsNoUseOfTheSession) {
  ReminderBook book(*database, clock, entropy, {});
  service.reminders = &book;
  constexpr std::int64_t kMinute = 60'000;
  const auto polled = [&](std::int64_t ms) {
    for (std::int64_t gone = 0; gone < ms; gone += kMinute) {
      clock.advance_ms(kMinute);
      for (const auto* path : {"/v1/own/alarms", "/v1/chart/drafts", "/v1/system/retention/fields"})
        if (ask("GET", path, olgas).status == 401) return 401;  // no keeper is there for some
    }
    return 200;
  };
  EXPECT_EQ(polled(people::People::kIdleMsMax - kMinute), 200);
  EXPECT_EQ(ask("GET", "/v1/people", olgas).status, 200) << "that is a use";
  EXPECT_EQ(polled(people::People::kIdleMsMax), 200);
  EXPECT_EQ(polled(kMinute), 401);
}

// Whoever had a hand on it before has no hand on where an owner is alarmed.
TEST_F(Company, WhoBecomesAnOwnerSetsWhereTheyAreAlarmedAnew) {
  ReminderBook book(*database, clock, entropy, {});
  service.reminders = &book;
  const auto max = join("max", "supervisor");
  const auto eve = join("eve", "agent");
  const auto eves = session_of(eve);
  EXPECT_EQ(send("PUT", "/v1/own/mail", {{"address", "eve@example.com"}}, eves).status, 200);
  const auto become = [&](const char* role) {
    const auto draft = json_of(change(olga, olgas, person_body(eve, role)));
    EXPECT_EQ(sign(max, session_of(max), draft).status, 200) << role;
  };
  become("expert");
  EXPECT_EQ(*book.address_of(eve.id, false), "eve@example.com");
  become("owner");
  EXPECT_EQ(json_of(ask("GET", "/v1/own/mail", eves)).at("address"), "");
}

// Nor has whoever had one on the founder's before there was a company.
TEST_F(Company, TheFoundersAddressIsSetAnewToo) {
  ReminderBook book(*database, clock, entropy, {});
  service.reminders = &book;
  ASSERT_TRUE(book.set_address(olga.id, "olga@example.com", ReminderBook::SetBy::kSession));
  EXPECT_EQ(json_of(ask("GET", "/v1/own/mail", olgas)).at("address"), "");
}

TEST_F(Company, ADraftIsVoidWhenTheChartHasMovedOn) {
  const auto max = join("max", "supervisor");
  const auto eve = join("eve", "agent");
  const auto waiting = json_of(change(olga, olgas, person_body(eve, "authorised")));
  (void)named("tom", "technician");
  const auto maxs = session_of(max);
  EXPECT_EQ(sign(max, maxs, waiting).status, 409);
  EXPECT_TRUE(json_of(ask("GET", "/v1/chart/drafts", maxs)).at("drafts").as_array().empty());
}

TEST_F(Company, WhoLeftIsOutAtOnceAndTheKeeperForgetsTheBrowser) {
  const auto max = join("max", "supervisor");
  const auto maxs = session_of(max);
  EXPECT_EQ(ask("GET", "/v1/session", maxs).status, 200);
  const auto gone = change(olga, olgas, {{"kind", "left"}, {"person", max.id.hex()}});
  ASSERT_EQ(gone.status, 200) << gone.body;
  EXPECT_EQ(ask("GET", "/v1/session", maxs).status, 401);
  EXPECT_EQ(passphrase(max).status, 401);
  const std::lock_guard lock(told);
  ASSERT_EQ(drops.size(), 1u);
  EXPECT_EQ(drops[0].key, readers.back().key);
}

TEST_F(Company, ASecondPasskeyIsSignedByTheFirstAndTheFirstTakenAwayTakesItsSessionsAlong) {
  const auto begun = json_of(send("POST", "/v1/own/passkeys", {}, olgas));
  const auto second = device();
  const auto made = second->enrol(party, test::challenge_of(begun));
  const auto added = change(olga, olgas,
                            {{"kind", "key_added"},
                             {"person", olga.id.hex()},
                             {"client_data", made.client_data},
                             {"authenticator_data", to_hex(made.authenticator_data)}});
  ASSERT_EQ(added.status, 200) << added.body;
  auto with_second = olga;
  with_second.device = second;
  const auto other = session_of(with_second);
  const auto keys = json_of(ask("GET", "/v1/people/" + olga.id.hex(), other)).at("keys").as_array();
  ASSERT_EQ(keys.size(), 2u);
  const auto removed =
      change(with_second, other,
             {{"kind", "key_removed"}, {"person", olga.id.hex()}, {"passkey", keys[0].at("id")}});
  ASSERT_EQ(removed.status, 200) << removed.body;
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 401);
  EXPECT_EQ(ask("GET", "/v1/session", other).status, 200);
}

TEST_F(Company, TwoCustodiansGiveALostKeyAnewAndNeitherAlone) {
  const auto max = join("max", "supervisor"), tom = join("tom", "technician");
  const auto set = change(olga, olgas,
                          {{"kind", "custodians"},
                           {"person", olga.id.hex()},
                           {"custodians", boost::json::array{max.id.hex(), tom.id.hex()}}});
  ASSERT_EQ(set.status, 200) << set.body;
  const auto maxs = session_of(max), toms = session_of(tom);
  const auto link = send("POST", "/v1/people/" + olga.id.hex() + "/recovery", {}, maxs);
  ASSERT_EQ(link.status, 201) << link.body;
  auto anew = olga;
  anew.device = device();
  anew.passphrase = "four brown kettles";
  const auto offered = enrol(anew, tail_of(link));
  ASSERT_EQ(offered.status, 202) << offered.body;
  EXPECT_EQ(passphrase(anew).status, 401) << "nothing is set yet";
  const auto about = json_of(ask("GET", "/v1/people/" + olga.id.hex(), toms));
  EXPECT_EQ(about.at("offers"), json_of(offered).at("fingerprint"));
  const auto waiting = change(max, maxs, {{"kind", "key_replaced"}, {"person", olga.id.hex()}});
  ASSERT_EQ(waiting.status, 202) << waiting.body;
  EXPECT_EQ(json_of(waiting).at("fingerprint"), json_of(offered).at("fingerprint"));
  EXPECT_EQ(sign(max, maxs, json_of(waiting)).status, 403);
  const auto taken = sign(tom, toms, json_of(waiting));
  ASSERT_EQ(taken.status, 200) << taken.body;
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 401) << "what the lost key began has ended";
  EXPECT_EQ(sign_in(anew).status, 201);
}

TEST_F(Company, CodesAreSetUpConfirmedAndTakenAway) {
  const auto secret = set_up_codes(olga, olgas);
  const auto came = sign_in_by_code(olga, code(secret));
  ASSERT_EQ(came.status, 201) << came.body;
  EXPECT_EQ(json_of(came).at("came_by").as_string(), "code");
  const auto weak = token_of(came);
  EXPECT_EQ(ask("GET", "/v1/calls", weak).status, 200);
  EXPECT_EQ(confirmed(olga, olgas, "no_codes", "/v1/own/code/removal").status, 204);
  EXPECT_EQ(ask("GET", "/v1/session", weak).status, 401);
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 200);
}

// What a keeper that begins is told of people.
class NewKeeper : public Company {
 protected:
  void SetUp() override {
    Company::SetUp();
    const auto max = join("max", "supervisor");
    eve = join("eve", "agent");
    eves = session_of(eve);
    EXPECT_EQ(send("POST", "/v1/own/duty", {{"on", true}}, eves).status, 403);
    const auto waiting = json_of(change(olga, olgas, person_body(eve, "expert")));
    ASSERT_EQ(sign(max, session_of(max), waiting).status, 200);
    EXPECT_EQ(duty(true), 200);
  }
  unsigned duty(bool on) {
    return static_cast<unsigned>(send("POST", "/v1/own/duty", {{"on", on}}, eves).status);
  }
  void refuses(std::optional<Errc> reader, std::optional<Errc> duty) {
    const std::lock_guard lock(told);
    reader_refused = reader;
    duty_refused = duty;
  }
  // One turn: what it was told, and whether that was all of the readers, and of duty.
  void turn() {
    {
      const std::lock_guard lock(told);
      readers.clear();
      duties.clear();
      all_told.clear();
    }
    tell_people(service);
  }
  std::pair<int, int> all_of() {
    const std::lock_guard lock(told);
    return {static_cast<int>(std::ranges::count(all_told, true, &keys::PeopleTold::readers)),
            static_cast<int>(std::ranges::count(all_told, true, &keys::PeopleTold::duty))};
  }
  using Both = std::pair<int, int>;
  std::vector<keys::DutyPut> said_of_duty() {
    const std::lock_guard lock(told);
    return duties;
  }
  Somebody eve;
  std::string eves;
};

TEST_F(NewKeeper, IsToldWhoIsOnDutyAndWhoseKeysHoldAndThatThisWasAll) {
  const auto living = people.readers(true)->size();
  owe_people(service);
  turn();
  EXPECT_EQ(all_of(), Both(1, 1));
  {
    const std::lock_guard lock(told);
    EXPECT_EQ(readers.size(), living);
    ASSERT_EQ(duties.size(), 1u);
    EXPECT_EQ(duties[0].person, eve.id);
    EXPECT_TRUE(duties[0].on);
  }
  turn();
  EXPECT_EQ(all_of(), Both(0, 0)) << "once";
  EXPECT_TRUE(said_of_duty().empty());
}

TEST_F(NewKeeper, IsToldOfDutyThoughItTakesNoKey) {
  refuses(Errc::kBusy, std::nullopt);
  owe_people(service);
  turn();
  EXPECT_EQ(all_of(), Both(0, 1));
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 200) << "not now is not never";
  turn();
  EXPECT_EQ(all_of(), Both(0, 0)) << "duty is told";
  refuses(std::nullopt, std::nullopt);
  turn();
  EXPECT_EQ(all_of(), Both(1, 0));
}

TEST_F(NewKeeper, IsToldOfDutyUntilItTakesIt) {
  for (const auto why : {Errc::kBusy, Errc::kTimeout, Errc::kUnavailable}) {
    refuses(std::nullopt, why);
    owe_people(service);
    turn();
    EXPECT_EQ(all_of(), Both(1, 0));
    turn();
    EXPECT_FALSE(said_of_duty().empty());
    EXPECT_EQ(all_of(), Both(0, 0));
    refuses(std::nullopt, std::nullopt);
    turn();
    EXPECT_EQ(all_of(), Both(0, 1));
  }
  EXPECT_EQ(people.on_duty()->size(), 1u);
}

TEST_F(NewKeeper, WhomItDoesNotTakeIsNotOnDuty) {
  refuses(std::nullopt, Errc::kDenied);
  owe_people(service);
  turn();
  EXPECT_TRUE(people.on_duty()->empty());
  EXPECT_EQ(all_of(), Both(1, 1));
}

// Nobody knows whether it took it: then it is told what the person was told.
TEST_F(NewKeeper, WhatItDidNotAnswerIsToldAgainAsItStandsHere) {
  ASSERT_EQ(duty(false), 200);
  refuses(std::nullopt, Errc::kTimeout);
  EXPECT_NE(duty(true), 200u);
  EXPECT_TRUE(people.on_duty()->empty());
  refuses(std::nullopt, std::nullopt);
  turn();
  const auto off = said_of_duty();
  ASSERT_EQ(off.size(), 1u);
  EXPECT_FALSE(off[0].on);
  ASSERT_EQ(duty(true), 200);
  refuses(std::nullopt, Errc::kTimeout);
  EXPECT_NE(duty(false), 200u);
  EXPECT_EQ(people.on_duty()->size(), 1u);
  refuses(std::nullopt, std::nullopt);
  turn();
  const auto on = said_of_duty();
  ASSERT_EQ(on.size(), 1u);
  EXPECT_TRUE(on[0].on);
  turn();
  EXPECT_TRUE(said_of_duty().empty());
}

TEST_F(Company, AKeyThatANewKeeperDoesNotTakeEndsItsSession) {
  {
    const std::lock_guard lock(told);
    keepers = people::Chart(party);  // it knows nobody
  }
  owe_people(service);
  tell_people(service);
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 401);
}

// ---- the log ------------------------------------------------------------------------------------

TEST_F(Company, AServerThatStartsAnewReadsTheChartFromTheLogAlone) {
  const auto max = join("max", "supervisor");
  const auto empty = std::move(*db::open_sqlite(":memory:", server_migrations()));
  people::People nobody(*empty, clock, entropy, {1, 8u << 20});
  Roster fresh(*empty, nobody, party, {dir + "/log", service.log_key, &vfs});
  EXPECT_EQ(fresh.chart().error().code, Errc::kUnavailable) << "another key signs no log of ours";
  Roster again(*empty, nobody, party,
               {dir + "/log", {kLogOrigin, *crypto::ed25519_public(log_seed)}, &vfs});
  ASSERT_TRUE(again.follow());
  EXPECT_EQ((*again.chart())->head(), keepers.head());
  EXPECT_TRUE((*again.chart())->is(max.id, people::Role::kSupervisor));
  Roster third(*empty, nobody, party, {dir + "/nowhere", {}, &vfs});
  ASSERT_TRUE(third.load());
  EXPECT_EQ((*third.chart())->head(), keepers.head()) << "from the database";
}

// The log's files are a second behind what the keeper took, and a session begins at once.
TEST_F(Company, WhoHasJustComeInIsNotSentAwayByAServerThatStartsAnew) {
  ASSERT_TRUE(roster.follow());
  publishes = false;
  const auto max = join("max", "supervisor");
  const auto token = session_of(max);
  Roster anew(*database, people, party,
              {dir + "/log", {kLogOrigin, *crypto::ed25519_public(log_seed)}, &vfs});
  ASSERT_TRUE(anew.load());
  EXPECT_EQ((*anew.chart())->head(), keepers.head());
  EXPECT_TRUE(anew.admit(people.session(token)));
  ASSERT_TRUE(anew.follow());
  EXPECT_TRUE(anew.admit(people.session(token)));
  ASSERT_TRUE(audit_log->publish());
  ASSERT_TRUE(anew.follow());
  EXPECT_TRUE(anew.admit(people.session(token)));
  EXPECT_EQ(database->query("SELECT COUNT(*) FROM chart_ahead")->at(0).number(0), 0)
      << "what is read stands in one place";
}

TEST_F(Company, AFoundedChartIsNotForgottenWithItsLog) {
  ASSERT_TRUE(roster.follow());
  std::filesystem::remove_all(dir + "/log");
  EXPECT_TRUE(roster.follow());
  EXPECT_EQ((*roster.chart())->number(), 1u);
  EXPECT_EQ(passphrase(olga).status, 202) << "and the passphrase alone is not enough";
}

TEST_F(Company, AnotherLogsChartIsNotTaken) {
  ASSERT_TRUE(roster.follow());
  PeopleRig other;
  other.found();
  std::filesystem::remove_all(dir + "/log");
  std::filesystem::copy(other.dir + "/log", dir + "/log", std::filesystem::copy_options::recursive);
  Roster fooled(*database, people, party,
                {dir + "/log", {kLogOrigin, *crypto::ed25519_public(other.log_seed)}, &vfs});
  ASSERT_TRUE(fooled.load());
  ASSERT_TRUE(database->execute("DELETE FROM log_read"));
  EXPECT_EQ(fooled.follow().error().code, Errc::kCorrupt);
  EXPECT_EQ((*fooled.chart())->head(), keepers.head());
}

// ---- before there is a chart ----------------------------------------------------------------------

TEST(Unfounded, ThePassphraseIsAllAndTheOperatorNamesPeople) {
  PeopleRig rig;
  auto operator_asks = [&](const std::string& method, const std::string& path, const Json& body) {
    auto request = rig.request(method, path, {}, boost::json::serialize(body));
    request.headers["authorization"] = "Bearer the-operators-token";
    return rig.router->handle(request);
  };
  const auto added = operator_asks("POST", "/v1/people",
                                   {{"name", "ada"}, {"roles", boost::json::array{"reviewer"}}});
  ASSERT_EQ(added.status, 201) << added.body;
  const auto id = std::string(json_of(added).at("person").as_string());
  const auto link = operator_asks("POST", "/v1/people/" + id + "/enrolment", {});
  ASSERT_EQ(link.status, 201) << link.body;
  const auto token = json_of(link).at("token");
  EXPECT_EQ(
      rig.send("POST", "/v1/enrolments", {{"token", token}, {"passphrase", "password1234"}}).status,
      400);
  EXPECT_EQ(
      rig.send("POST", "/v1/enrolments", {{"token", token}, {"passphrase", "nine quiet rivers"}})
          .status,
      201);
  const auto came =
      rig.send("POST", "/v1/session", {{"name", "ada"}, {"passphrase", "nine quiet rivers"}});
  ASSERT_EQ(came.status, 201) << came.body;
  EXPECT_EQ(json_of(came).at("came_by").as_string(), "passphrase");
  const auto session = PeopleRig::token_of(came);
  EXPECT_EQ(rig.ask("GET", "/v1/calls", session).status, 200);
  // From the founding on it takes more, and at once.
  rig.found();
  EXPECT_EQ(rig.ask("GET", "/v1/calls", session).status, 401);
  EXPECT_EQ(rig.send("POST", "/v1/session", {{"name", "ada"}, {"passphrase", "nine quiet rivers"}})
                .status,
            401);
  EXPECT_EQ(operator_asks("POST", "/v1/people/" + id + "/enrolment", {}).status, 409);
}

TEST(Unfounded, WithoutALogThatCanBeReadNobodyComesIn) {
  PeopleRig rig;
  const auto token = rig.signed_in("ada");
  ASSERT_TRUE(rig.vfs.write_file_atomic(rig.dir + "/log/checkpoint", as_bytes("what is this")));
  Roster fresh(*rig.database, rig.people, rig.party,
               {rig.dir + "/log", {PeopleRig::kLogOrigin, {}}, &rig.vfs});
  ASSERT_TRUE(fresh.load());
  EXPECT_EQ(fresh.chart().error().code, Errc::kUnavailable);
  EXPECT_EQ(fresh.admit(rig.people.session(token)).error().code, Errc::kUnavailable);
  EXPECT_TRUE(rig.people.session(token)) << "and no session ends by it";
  std::filesystem::remove(rig.dir + "/log/checkpoint");
  EXPECT_TRUE(fresh.admit(rig.people.session(token))) << "no log yet is an empty one";
}

}  // namespace
}  // namespace callward::api
