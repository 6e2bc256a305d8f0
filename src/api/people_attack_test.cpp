// Attacks on people's affairs: the second factor, links, drafts, other people's things.
#include "api/people_rig_test.hpp"
#include "crypto/sha1.hpp"

namespace callward::api {
namespace {

using test::header_of;
using test::json_of;
using test::PeopleRig;
using test::Somebody;
using Json = boost::json::object;

struct PeopleAttack : ::testing::Test, PeopleRig {
  void SetUp() override { found(); }
  Json half(const Somebody& who) {
    const auto response = passphrase(who);
    EXPECT_EQ(response.status, 202) << response.body;
    return json_of(response);
  }
  Response second(const Json& body) { return send("POST", "/v1/session/passkey", body); }
};

TEST_F(PeopleAttack, ThePassphraseAloneIsNoSession) {
  const auto response = passphrase(olga);
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(header_of(response, "Set-Cookie"), "");
  const auto ticket = std::string(json_of(response).at("ticket").as_string());
  EXPECT_EQ(ask("GET", "/v1/session", ticket).status, 401);
  auto request = this->request("GET", "/v1/session");
  request.headers["authorization"] = "Bearer " + ticket;
  EXPECT_EQ(router->handle(request).status, 401);
}

TEST_F(PeopleAttack, AnAssertionIsGoodOnce) {
  const auto body = passkey_body(olga, half(olga));
  ASSERT_EQ(second(body).status, 201);
  EXPECT_EQ(second(body).status, 401) << "the ticket is used";
  auto again = body;
  again["ticket"] = half(olga).at("ticket");
  EXPECT_EQ(second(again).status, 401) << "and so is what was signed";
  // Nor when the session is over, the row of its key gone, and the server another one.
  ASSERT_TRUE(people.end_sessions(olga.id));
  drop_ended_readers(service);
  ASSERT_TRUE(people.readers(false)->empty());
  again["ticket"] = half(olga).at("ticket");
  EXPECT_EQ(second(again).status, 401);
}

TEST_F(PeopleAttack, AnOldAssertionAndOneOfTomorrowAreRefused) {
  for (const std::int64_t off : {-kSignedAgoMsMax - 1, kSignedAheadMsMax + 1}) {
    auto body = passkey_body(olga, half(olga));
    const auto key = entropy.array<32>();
    const auto at = clock.utc_ms() + off;
    body["reader_key"] = to_hex(key);
    body["at"] = at;
    body["signature"] = signature_by(olga, reader_challenge(olga.id, key, at));
    EXPECT_EQ(second(body).status, 401) << off;
  }
}

TEST_F(PeopleAttack, WhatIsSignedIsThisKeyThisPersonAndThisTime) {
  const auto max = join("max", "supervisor");
  const auto good = passkey_body(olga, half(olga));
  const auto tried = [&](const char* field, const auto& value) {
    auto body = good;
    body[field] = value;
    clock.advance_ms(people::Throttle::kForgottenMs + people::Throttle::kWaitMsMax);
    body["ticket"] = half(olga).at("ticket");
    return second(body).status;
  };
  clock.advance_ms(1);
  EXPECT_EQ(tried("reader_key", to_hex(entropy.array<32>())), 401);
  EXPECT_EQ(tried("at", clock.utc_ms()), 401);
  EXPECT_EQ(tried("signature", passkey_body(max, good).at("signature")), 401);
  EXPECT_EQ(people.sessions(olga.id)->size(), 0u) << "hers is over by now";
}

TEST_F(PeopleAttack, AnotherPersonsAssertionIsNotTaken) {
  const auto max = join("max", "supervisor");
  const auto body = passkey_body(max, half(olga));
  EXPECT_EQ(second(body).status, 401) << "his own name in it";
  auto forged = body;
  forged["signature"].as_object()["person"] = olga.id.hex();
  EXPECT_EQ(second(forged).status, 401) << "her name, his key";
  const auto key = entropy.array<32>();
  forged["reader_key"] = to_hex(key);
  forged["at"] = clock.utc_ms();
  forged["signature"] = signature_by(max, reader_challenge(olga.id, key, clock.utc_ms()));
  forged["signature"].as_object()["person"] = olga.id.hex();
  clock.advance_ms(people::Throttle::kWaitMsMax);
  forged["at"] = clock.utc_ms();
  EXPECT_EQ(second(forged).status, 401);
}

TEST_F(PeopleAttack, AnotherOriginAnUnverifiedPersonAndAFrameAreRefused) {
  const auto fresh = [&] {
    clock.advance_ms(people::Throttle::kWaitMsMax + people::Throttle::kForgottenMs + 1);
    return passkey_body(olga, half(olga));
  };
  olga.device->origin = "https://calls.example.evil.test";
  EXPECT_EQ(second(fresh()).status, 401);
  olga.device->origin = {};
  olga.device->verifies = false;
  EXPECT_EQ(second(fresh()).status, 401);
  olga.device->verifies = true;
  olga.device->type = "webauthn.create";
  EXPECT_EQ(second(fresh()).status, 401);
  olga.device->type = {};
  olga.device->more = R"(,"crossOrigin":true)";
  EXPECT_EQ(second(fresh()).status, 401);
  olga.device->more = {};
  EXPECT_EQ(second(fresh()).status, 201);
}

TEST_F(PeopleAttack, AKeyThatTheChartDoesNotKnowIsNobodys) {
  auto thief = olga;
  thief.device = device();
  EXPECT_EQ(sign_in(thief).status, 401);
}

TEST_F(PeopleAttack, ASessionIsNotFixedByThoseWhoPlantCookiesOrTickets) {
  const std::string planted(64, 'a');
  auto body = passkey_body(olga, half(olga));
  auto request =
      this->request("POST", "/v1/session/passkey", planted, boost::json::serialize(body));
  const auto response = router->handle(request);
  ASSERT_EQ(response.status, 201);
  EXPECT_NE(token_of(response), planted);
  EXPECT_EQ(ask("GET", "/v1/session", planted).status, 401);
  // A ticket of one is no use for another: it says who comes in.
  const auto max = join("max", "supervisor");
  EXPECT_EQ(second(passkey_body(olga, half(max))).status, 401);
  EXPECT_EQ(second(passkey_body(olga, {{"ticket", std::string(64, '0')}})).status, 401);
}

TEST_F(PeopleAttack, ACodeOpensNothingThatAPasskeyOpens) {
  const auto max = join("max", "supervisor");
  const auto secret = set_up_codes(olga, olgas);
  const auto weak = token_of(sign_in_by_code(olga, code(secret)));
  ASSERT_EQ(ask("GET", "/v1/session", weak).status, 200);
  EXPECT_TRUE(readers.size() == 1) << "and no key of a browser was given to the keeper";
  std::size_t writes = 0, taken = 0;
  for (const auto& route : router->routes()) {
    if (route.method == "GET" || route.roles == kAnyone) continue;
    if (!people::has(route.roles, people::Role::kOwner)) continue;
    auto path = route.pattern;
    for (auto at = path.find('{'); at != std::string::npos; at = path.find('{'))
      path = path.substr(0, at) + max.id.hex() + path.substr(path.find('}') + 1);
    if (route.with_code) continue;
    ++writes;
    const auto answer = ask(route.method, path, weak, "{}");
    EXPECT_EQ(answer.status, 403) << route.operation;
    taken += answer.body.find("passkey") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(writes, 15u);
  EXPECT_EQ(taken, writes) << "each says why";
  std::set<std::string> may;
  for (const auto& route : router->routes())
    if (route.with_code) may.insert(route.operation);
  EXPECT_EQ(may, (std::set<std::string>{"signOut", "revokeSession", "revokeOtherSessions"}));
}

TEST_F(PeopleAttack, ACodeIsGoodOnceAndGuessingIsSlowed) {
  const auto secret = set_up_codes(olga, olgas);
  const auto now = code(secret);
  ASSERT_EQ(sign_in_by_code(olga, now).status, 201);
  EXPECT_EQ(sign_in_by_code(olga, now).status, 401);
  int refused = 0, slowed = 0;
  for (int i = 0; i < 20; ++i) {
    const auto answer = sign_in_by_code(olga, "000000");
    refused += answer.status == 401 ? 1 : 0;
    slowed += answer.status == 429 ? 1 : 0;
  }
  EXPECT_LE(refused, 3);
  EXPECT_GE(slowed, 17);
  EXPECT_EQ(sign_in_by_code(olga, code(secret)).status, 429) << "the right one too soon";
}

// ---- what changes how somebody comes in -------------------------------------------------------

constexpr const char* kOther = "eleven slow ferries";

TEST_F(PeopleAttack, APassphraseIsChangedByWhoHasTheOldOneAndThePasskey) {
  const auto max = join("max", "supervisor");
  const auto maxs = session_of(max), other = session_of(max);
  const Json body{{"passphrase", max.passphrase}, {"new_passphrase", kOther}};
  const std::string path = "/v1/own/passphrase";
  EXPECT_EQ(send("POST", path, body, maxs).status, 400) << "no passkey";
  auto wrong = body;
  wrong["passphrase"] = "not his passphrase";
  EXPECT_EQ(confirmed(max, maxs, "passphrase", path, wrong).status, 403);
  auto thief = max;
  thief.device = device();
  EXPECT_EQ(confirmed(thief, maxs, "passphrase", path, body).status, 403) << "another's passkey";
  EXPECT_EQ(confirmed(olga, maxs, "passphrase", path, body).status, 403);
  EXPECT_EQ(logged("passphrase_changed"), 0u);
  const auto half = json_of(passphrase(max));
  ASSERT_EQ(confirmed(max, maxs, "passphrase", path, body).status, 204);
  EXPECT_EQ(logged("passphrase_changed"), 1u);
  EXPECT_EQ(ask("GET", "/v1/session", maxs).status, 200);
  EXPECT_EQ(ask("GET", "/v1/session", other).status, 401) << "the others end";
  EXPECT_EQ(second(passkey_body(max, half)).status, 401) << "and what the old one had begun";
  EXPECT_EQ(passphrase(max).status, 401);
  auto now = max;
  now.passphrase = kOther;
  EXPECT_EQ(sign_in(now).status, 201);
}

TEST_F(PeopleAttack, AChangeOfThePassphraseThatIsRefusedChangedNothing) {
  const auto max = join("max", "supervisor");
  const auto maxs = session_of(max);
  (void)session_of(max);  // another one, to be ended
  ASSERT_TRUE(
      database->execute("CREATE TRIGGER full BEFORE DELETE ON sessions BEGIN SELECT "
                        "RAISE(ABORT, 'full'); END"));
  const Json body{{"passphrase", max.passphrase}, {"new_passphrase", kOther}};
  EXPECT_EQ(confirmed(max, maxs, "passphrase", "/v1/own/passphrase", body).status, 409);
  ASSERT_TRUE(database->execute("DROP TRIGGER full"));
  EXPECT_EQ(passphrase(max).status, 202) << "the old one holds";
  EXPECT_EQ(logged("passphrase_changed"), 0u);
}

TEST_F(PeopleAttack, TheOldPassphraseIsNotGuessedByChangingIt) {
  const std::string path = "/v1/own/passphrase";
  const auto before = logged("sign_in_failed");
  int refused = 0, slowed = 0;
  for (int i = 0; i < 20; ++i) {
    const Json body{{"passphrase", "guess " + std::to_string(i)}, {"new_passphrase", kOther}};
    const auto status = confirmed(olga, olgas, "passphrase", path, body).status;
    refused += status == 403 ? 1 : 0;
    slowed += status == 429 ? 1 : 0;
  }
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(slowed, 17);
  EXPECT_EQ(logged("sign_in_failed"), before + 4)
      << "three wrong ones, and once that it was slowed";
  const Json right{{"passphrase", olga.passphrase}, {"new_passphrase", kOther}};
  EXPECT_EQ(confirmed(olga, olgas, "passphrase", path, right).status, 429) << "too soon";
  EXPECT_EQ(passphrase(olga).status, 429) << "one and the same back-off as at the door";
}

TEST_F(PeopleAttack, ALeakedPassphraseIsRefusedWhereverOneIsSet) {
  const auto max = join("max", "supervisor");
  const auto maxs = session_of(max);
  auto eve = named("eve", "agent");
  const auto link = invite(eve);
  const std::string leaked = "seventeen blue lanterns";
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/leaked",
                                    as_bytes(to_hex(crypto::sha1(as_bytes(leaked))) + ":3\n")));
  const auto list = people::LeakedList::open(vfs, dir + "/leaked");
  ASSERT_TRUE(list);
  service.leaked = &*list;
  eve.passphrase = leaked;
  const auto refused = enrol(eve, link);
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("leaked"), std::string::npos) << refused.body;
  const auto rated = send("POST", "/v1/own/passphrase/rating", {{"passphrase", leaked}}, maxs);
  EXPECT_NE(json_of(rated).at("lacks").as_string().find("leaked"), std::string::npos);
  std::filesystem::resize_file(dir + "/leaked", 1);
  const auto unread = send("POST", "/v1/own/passphrase/rating", {{"passphrase", leaked}}, maxs);
  EXPECT_GE(unread.status, 500) << "a list that cannot be read says nothing of it: " << unread.body;
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/leaked.again",
                                    as_bytes(to_hex(crypto::sha1(as_bytes(leaked))) + ":3\n")));
  const auto again = people::LeakedList::open(vfs, dir + "/leaked.again");
  ASSERT_TRUE(again);
  service.leaked = &*again;
  const Json body{{"passphrase", max.passphrase}, {"new_passphrase", leaked}};
  EXPECT_EQ(confirmed(max, maxs, "passphrase", "/v1/own/passphrase", body).status, 400);
  const Json good{{"passphrase", max.passphrase}, {"new_passphrase", kOther}};
  EXPECT_EQ(confirmed(max, maxs, "passphrase", "/v1/own/passphrase", good).status, 204);
  eve.passphrase = kOther;
  EXPECT_EQ(enrol(eve, link).status, 201) << "the link was not used up";
}

TEST_F(PeopleAttack, AConfirmationIsGoodOnceForItsActItsSessionAndItsTime) {
  const auto used = confirmation(olga, olgas, "codes");
  EXPECT_EQ(send("POST", "/v1/own/code/removal", {{"signature", used}}, olgas).status, 409)
      << "of another act";
  const auto other = session_of(olga);
  EXPECT_EQ(send("POST", "/v1/own/code", {{"signature", used}}, other).status, 409)
      << "of another session";
  ASSERT_EQ(send("POST", "/v1/own/code", {{"signature", used}}, olgas).status, 201);
  EXPECT_EQ(send("POST", "/v1/own/code", {{"signature", used}}, olgas).status, 409) << "again";
  (void)confirmation(olga, olgas, "codes");
  EXPECT_EQ(send("POST", "/v1/own/code", {{"signature", used}}, olgas).status, 403)
      << "over another number";
  const auto late = confirmation(olga, olgas, "codes");
  clock.advance_ms(Desk::kConfirmMs + 1);
  EXPECT_EQ(send("POST", "/v1/own/code", {{"signature", late}}, olgas).status, 409);
  EXPECT_EQ(send("POST", "/v1/own/confirmation", {{"act", "anything"}}, olgas).status, 400);
}

TEST_F(PeopleAttack, ASessionAloneSetsUpNoCodesTakesNoneAwayAndEndsNoOther) {
  set_up_codes(olga, olgas);
  const auto other = session_of(olga);
  const auto id = std::string(json_of(ask("GET", "/v1/session", other)).at("id").as_string());
  for (const auto* path : {"/v1/own/code", "/v1/own/code/removal", "/v1/sessions/ending"})
    EXPECT_EQ(send("POST", path, {}, olgas).status, 400) << path;
  EXPECT_EQ(send("POST", "/v1/sessions/" + id + "/ending", {}, olgas).status, 400);
  EXPECT_TRUE(*people.has_code(olga.id));
  EXPECT_EQ(ask("GET", "/v1/session", other).status, 200);
  ASSERT_EQ(confirmed(olga, olgas, "end_sessions", "/v1/sessions/" + id + "/ending").status, 204);
  EXPECT_EQ(ask("GET", "/v1/session", other).status, 401);
}

// What was built against a screen that was left unlocked must not protect who sits before it.
TEST_F(PeopleAttack, AStolenCookieLocksItsOwnerOutOfNothing) {
  const auto junk = confirmation(olga, olgas, "codes");
  int slowed = 0;
  for (int i = 0; i < 20; ++i) {
    (void)send("POST", "/v1/own/confirmation", {{"act", "end_sessions"}}, olgas);
    slowed += send("POST", "/v1/sessions/ending", {{"signature", junk}}, olgas).status == 429;
  }
  EXPECT_GT(slowed, 10) << "the thief alone is slowed";
  const auto hers = session_of(olga);
  EXPECT_EQ(confirmed(olga, hers, "end_sessions", "/v1/sessions/ending").status, 204);
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 401) << "and is gone";
}

TEST_F(PeopleAttack, WhoCameByACodeEndsOtherSessionsByThePassphrase) {
  const auto secret = set_up_codes(olga, olgas);
  const auto weak = token_of(sign_in_by_code(olga, code(secret)));
  const std::string path = "/v1/sessions/ending";
  EXPECT_EQ(send("POST", path, {}, weak).status, 400);
  EXPECT_EQ(send("POST", path, {{"passphrase", "not her passphrase"}}, weak).status, 403);
  EXPECT_EQ(send("POST", path, {{"passphrase", olga.passphrase}}, olgas).status, 400)
      << "by a passkey it takes the passkey";
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 200);
  EXPECT_EQ(send("POST", path, {{"passphrase", olga.passphrase}}, weak).status, 204);
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 401);
  EXPECT_EQ(ask("GET", "/v1/session", weak).status, 200);
}

TEST_F(PeopleAttack, SigningInEndsTheSessionWhoseCookieCameAlong) {
  const auto max = join("max", "supervisor");
  const auto body = boost::json::serialize(passkey_body(max, half(max)));
  const auto ended = logged("session_ended");
  ASSERT_EQ(ask("POST", "/v1/session/passkey", olgas, body).status, 201);
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 401) << "whosever it was";
  EXPECT_EQ(logged("session_ended"), ended + 1);
  {
    const std::lock_guard lock(told);
    EXPECT_EQ(log.back().type, "session_ended") << "in this order";
    EXPECT_EQ(drops.size(), 1u) << "its browser's key is forgotten, too";
  }
  // A sign-in that comes to nothing ends nothing.
  const auto again = session_of(olga);
  auto wrong = passkey_body(max, half(max));
  wrong["reader_key"] = to_hex(entropy.array<32>());
  EXPECT_EQ(ask("POST", "/v1/session/passkey", again, boost::json::serialize(wrong)).status, 401);
  EXPECT_EQ(ask("GET", "/v1/session", again).status, 200);
}

// The database fails: what is refused has ended nothing.
TEST_F(PeopleAttack, ASignInThatCannotBeKeptEndsNoSession) {
  const auto body = boost::json::serialize(passkey_body(olga, half(olga)));
  ASSERT_TRUE(
      database->execute("CREATE TRIGGER full BEFORE INSERT ON sessions BEGIN SELECT "
                        "RAISE(ABORT, 'full'); END"));
  EXPECT_EQ(ask("POST", "/v1/session/passkey", olgas, body).status, 409);
  ASSERT_TRUE(database->execute("DROP TRIGGER full"));
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 200);
}

TEST_F(PeopleAttack, OneSessionTooManyEndsTheOneThatWasUsedLongestAgo) {
  std::vector<std::string> open{olgas};
  for (std::size_t i = 1; i < people::People::kSessionsMax; ++i) {
    clock.advance_ms(31'000);
    open.push_back(session_of(olga));
  }
  clock.advance_ms(31'000);
  EXPECT_EQ(ask("GET", "/v1/session", open[0]).status, 200) << "used just now";
  const auto ended = logged("session_ended");
  open.push_back(session_of(olga));
  EXPECT_EQ(logged("session_ended"), ended + 1);
  EXPECT_EQ(ask("GET", "/v1/session", open[1]).status, 401);
  open.erase(open.begin() + 1);
  for (const auto& token : open) EXPECT_EQ(ask("GET", "/v1/session", token).status, 200);
}

TEST_F(PeopleAttack, NobodyLearnsWhoIsHereFromTheFirstStep) {
  const auto max = named("max", "agent");  // invited by nobody, no passphrase
  const auto gone = join("gone", "agent");
  ASSERT_EQ(change(olga, olgas, {{"kind", "left"}, {"person", gone.id.hex()}}).status, 200);
  std::set<std::string> answers;
  for (const char* name : {"olga", "max", "gone", "nobody"}) {
    const auto response =
        send("POST", "/v1/session", {{"name", name}, {"passphrase", "wrong words here"}});
    answers.insert(std::to_string(response.status) + response.body);
    clock.advance_ms(people::Throttle::kForgottenMs + people::Throttle::kWaitMsMax);
  }
  EXPECT_EQ(answers.size(), 1u);
}

TEST_F(PeopleAttack, ALinkIsGoodOnceInTimeAndForItsPerson) {
  auto max = named("max", "agent");
  const auto link = invite(max);
  std::set<std::string> answers;
  auto late = named("late", "agent");
  const auto lates = invite(late);
  ASSERT_EQ(enrol(max, link).status, 201);
  auto thief = max;
  thief.device = device();
  answers.insert(enrol(thief, link).body);
  answers.insert(enrol(thief, std::string(64, '0')).body);
  clock.advance_ms(people::People::kEnrolmentMsMax + 1);
  answers.insert(enrol(late, lates).body);
  EXPECT_EQ(answers.size(), 1u) << "whatever is wrong with a link, the words are the same";
  EXPECT_NE(answers.begin()->find("\"status\":403"), std::string::npos);
  EXPECT_EQ(keepers.find(max.id)->keys.size(), 1u);
}

// The server has what opens the link, relays passkey and change, and is first: it has no key for it.
TEST_F(PeopleAttack, AnInvitationIsNotTheServersToUse) {
  auto max = named("max", "agent");
  const auto link = invite(max);
  auto server = max;
  server.device = device();
  Key32 guess;
  std::ranges::copy(*from_hex(link.token), guess.expose_mut().begin());
  EXPECT_EQ(enrol(server, link.token).status, 403) << "without an answer";
  EXPECT_EQ(enrol(server, link.token, &guess).status, 403) << "with what opens the link";
  EXPECT_TRUE(keepers.find(max.id)->keys.empty());
  EXPECT_EQ(enrol(max, link).status, 201) << "and it is still good";
}

TEST_F(PeopleAttack, ALinkAloneSetsNoPassphraseOnceThereIsAChart) {
  auto max = named("max", "agent");
  const auto link = invite(max);
  EXPECT_EQ(send("POST", "/v1/enrolments", {{"token", link.token}, {"passphrase", max.passphrase}})
                .status,
            409);
  EXPECT_EQ(enrol(max, link).status, 201) << "and it is still good";
}

TEST_F(PeopleAttack, AnEnrolmentTakesThePasskeyThatWasAskedFor) {
  auto max = named("max", "agent");
  const auto link = invite(max);
  const auto begun = json_of(send("POST", "/v1/enrolments/begin", {{"token", link.token}}));
  const auto challenge = test::challenge_of(begun);
  const auto given = [&](const people::Registration& made, const std::string& phrase) {
    const auto key = people::check_registration(party, challenge, made).value_or(people::Passkey{});
    return send("POST", "/v1/enrolments/passkey",
                {{"token", link.token},
                 {"passphrase", phrase},
                 {"client_data", made.client_data},
                 {"authenticator_data", to_hex(made.authenticator_data)},
                 {"invitation", to_hex(*people::answer_invitation(link.secret, max.id, key))}});
  };
  EXPECT_EQ(given(max.device->enrol(party, {}), max.passphrase).status, 403) << "another challenge";
  EXPECT_EQ(given(max.device->enrol({"evil.test", "https://evil.test"}, challenge), max.passphrase)
                .status,
            403);
  const auto weak = given(max.device->enrol(party, challenge), "max max max max");
  EXPECT_EQ(weak.status, 400);
  EXPECT_NE(weak.body.find("four words"), std::string::npos) << weak.body;
  const auto good = given(max.device->enrol(party, challenge), max.passphrase);
  ASSERT_EQ(good.status, 202) << good.body;
  auto other = max;
  other.device = device();
  const auto signature = signature_by(other, test::challenge_of(json_of(good)));
  EXPECT_EQ(send("POST", "/v1/enrolments/finish", {{"token", link.token}, {"signature", signature}})
                .status,
            403)
      << "signed by another key than the one that came";
  EXPECT_EQ(passphrase(max).status, 401) << "no passphrase before the chart has the key";
}

TEST_F(PeopleAttack, TheFoundingTakesTheTokenOfInitAndHappensOnce) {
  PeopleRig fresh;
  Somebody eve{"eve", {}, "nine quiet rivers", fresh.device()};
  eve.id = fresh.people.add("eve", people::kBeforeChart, std::nullopt)->id;
  fresh.founding = crypto::sha256(Bytes(32, 1));
  EXPECT_EQ(fresh.enrol(eve, *fresh.people.make_enrolment(eve.id)).status, 403)
      << "a link of the server's is no founding link";
  EXPECT_EQ((*fresh.roster.chart())->number(), 0u);
  EXPECT_EQ(fresh.passphrase(eve).status, 401);
  // Of one that is founded no other owner is made so.
  eve.id = people.add("eve", people::kBeforeChart, std::nullopt)->id;
  EXPECT_EQ(enrol(eve, *people.make_enrolment(eve.id)).status, 403);
}

TEST_F(PeopleAttack, SessionsOfOthersAreTheirs) {
  const auto max = join("max", "supervisor"), tom = join("tom", "agent");
  const auto maxs = session_of(max), toms = session_of(tom);
  const auto id = std::string(json_of(ask("GET", "/v1/session", maxs)).at("id").as_string());
  EXPECT_EQ(confirmed(tom, toms, "end_sessions", "/v1/sessions/" + id + "/ending").status, 404);
  EXPECT_EQ(ask("GET", "/v1/people/" + max.id.hex() + "/sessions", toms).status, 403);
  EXPECT_EQ(ask("DELETE", "/v1/people/" + max.id.hex() + "/sessions", toms).status, 403);
  EXPECT_EQ(ask("DELETE", "/v1/people/" + max.id.hex() + "/code", toms).status, 403);
  EXPECT_EQ(confirmed(tom, toms, "end_sessions", "/v1/sessions/ending").status, 204)
      << "all others: of one's own";
  EXPECT_EQ(ask("GET", "/v1/session", maxs).status, 200);
  EXPECT_EQ(ask("GET", "/v1/session", olgas).status, 200);
  EXPECT_EQ(ask("DELETE", "/v1/people/" + max.id.hex() + "/sessions", olgas).status, 200);
  EXPECT_EQ(ask("GET", "/v1/session", maxs).status, 401);
}

TEST_F(PeopleAttack, PasskeysAndDraftsOfOthersAreTheirs) {
  const auto max = join("max", "supervisor"), tom = join("tom", "supervisor");
  const auto maxs = session_of(max), toms = session_of(tom);
  const auto seen = json_of(ask("GET", "/v1/people/" + max.id.hex(), toms));
  EXPECT_TRUE(seen.at("keys").as_array().empty());
  const auto id = to_hex(keepers.find(max.id)->keys[0].id);
  for (const Json& body :
       {Json{{"kind", "key_removed"}, {"person", max.id.hex()}, {"passkey", id}},
        Json{
            {"kind", "custodians"}, {"person", max.id.hex()}, {"custodians", boost::json::array{}}},
        Json{{"kind", "left"}, {"person", max.id.hex()}}, invited_body(max, invitation()),
        person_body(tom, "owner")})
    EXPECT_EQ(send("POST", "/v1/chart/drafts", body, toms).status, 403)
        << boost::json::serialize(body);
  EXPECT_EQ(send("POST", "/v1/people/" + max.id.hex() + "/recovery", {}, toms).status, 403);
  const auto draft = json_of(
      send("POST", "/v1/chart/drafts",
           {{"kind", "custodians"}, {"person", max.id.hex()}, {"custodians", boost::json::array{}}},
           maxs));
  const auto name = std::string(draft.at("draft").as_string());
  EXPECT_EQ(sign(tom, toms, draft).status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/chart/drafts/" + name, toms).status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/chart/drafts/" + name, maxs).status, 204);
}

TEST_F(PeopleAttack, ASignatureIsGivenByWhoSendsIt) {
  const auto max = join("max", "supervisor"), eve = join("eve", "agent");
  const auto draft = json_of(send("POST", "/v1/chart/drafts", person_body(eve, "expert"), olgas));
  const auto path = "/v1/chart/drafts/" + std::string(draft.at("draft").as_string()) + "/signature";
  const auto challenge = test::challenge_of(draft);
  EXPECT_EQ(send("POST", path, {{"signature", signature_by(max, challenge)}}, olgas).status, 403);
  auto forged = signature_by(max, challenge);
  forged["person"] = olga.id.hex();
  EXPECT_EQ(send("POST", path, {{"signature", forged}}, olgas).status, 403);
  ASSERT_EQ(sign(olga, olgas, draft).status, 202);
  EXPECT_EQ(send("POST", path, {{"signature", signature_by(max, challenge)}}, olgas).status, 403)
      << "she sends his signature, too";
  EXPECT_FALSE(keepers.is(eve.id, people::Role::kExpert));
}

TEST_F(PeopleAttack, TheOperatorChangesNoChartAndComesInAsNobody) {
  const auto operates = [&](const std::string& method, const std::string& path, const Json& body) {
    auto request = this->request(method, path, {}, boost::json::serialize(body));
    request.headers["authorization"] = "Bearer the-operators-token";
    return router->handle(request).status;
  };
  EXPECT_EQ(operates("GET", "/v1/people", {}), 200);
  EXPECT_EQ(operates("POST", "/v1/chart/drafts", {{"kind", "left"}, {"person", olga.id.hex()}}),
            403);
  EXPECT_EQ(operates("POST", "/v1/people/" + olga.id.hex() + "/enrolment", {}), 409);
  EXPECT_EQ(operates("POST", "/v1/people/" + olga.id.hex() + "/recovery", {}), 403);
  EXPECT_EQ(operates("POST", "/v1/people", {{"name", "x"}, {"roles", boost::json::array{"owner"}}}),
            400);
  EXPECT_EQ(operates("POST", "/v1/own/code", {}), 403);
}

TEST_F(PeopleAttack, BodiesThatAreNoneAreRefusedAndChangeNothing) {
  const auto number = keepers.number();
  const auto routes = router->routes();
  for (const auto& route : routes) {
    if (route.method != "POST" || route.pattern.find("/v1/calls") == 0) continue;
    if (route.operation == "verifyLog") continue;  // has no body
    if (route.roles != kAnyone && !people::has(route.roles, people::Role::kOwner)) continue;
    auto path = route.pattern;
    if (const auto at = path.find('{'); at != std::string::npos)
      path = path.substr(0, at) + std::string(32, '1') + path.substr(path.find('}') + 1);
    for (const char* body : {"", "[]", "null", R"({"unknown":1})", R"({"token":{"$ne":1}})",
                             R"({"signature":[],"ticket":5})", R"({"kind":"founded","person":""})"})
      EXPECT_GE(ask("POST", path, olgas, body).status, 400) << route.operation << body;
  }
  EXPECT_EQ(keepers.number(), number);
}

TEST_F(PeopleAttack, WithoutTheKeeperNobodyComesInAndNothingIsLeftOpen) {
  const auto body = passkey_body(olga, half(olga));
  const auto before = people.sessions(olga.id)->size();
  log_fails = true;
  EXPECT_EQ(second(body).status, 503);
  EXPECT_EQ(people.sessions(olga.id)->size(), before);
  log_fails = false;
  EXPECT_EQ(sign_in(olga).status, 201);
}

TEST_F(PeopleAttack, TheDeskIsBoundedForEachPerson) {
  for (int i = 0; i < 50; ++i) (void)half(olga);
  EXPECT_LE(service.desk.sign_ins.size(), 8u);
  const auto max = join("max", "supervisor");
  for (int i = 0; i < 50; ++i)
    (void)send("POST", "/v1/chart/drafts", {{"kind", "left"}, {"person", max.id.hex()}}, olgas);
  EXPECT_LE(service.desk.drafts.size(), 8u);
}

}  // namespace
}  // namespace callward::api
