// Attacks on signing in, sessions and enrolment.

#include "api/rig_test.hpp"

namespace callward::api {
namespace {

using test::header_of;
using test::json_of;
using test::Rig;

struct Attack : ::testing::Test, Rig {
  void SetUp() override {
    start_peers();
    ASSERT_TRUE(people.add("ada", 1, phrase("nine quiet rivers")));
    ASSERT_TRUE(people.add("bob", 1, phrase("seven tall chimneys")));
  }
  Response sign_in(const std::string& name, const std::string& passphrase,
                   const std::string& peer = "10.0.0.9", const std::string& cookie = {}) {
    auto wanted = request(
        "POST", "/v1/session", cookie,
        boost::json::serialize(boost::json::object{{"name", name}, {"passphrase", passphrase}}));
    wanted.peer = peer;
    return router->handle(wanted);
  }
  static std::string token_of(const Response& response) {
    const auto value = header_of(response, "Set-Cookie");
    const auto begin = value.find('=') + 1;
    return value.substr(begin, value.find(';') - begin);
  }
  std::size_t logged(const std::string& type) {
    const std::lock_guard lock(told);
    return static_cast<std::size_t>(
        std::count_if(log.begin(), log.end(), [&](const auto& e) { return e.type == type; }));
  }
};

TEST_F(Attack, TheCookieIsBoundToThisHostAndOutOfReachOfScripts) {
  const auto response = sign_in("ada", "nine quiet rivers");
  ASSERT_EQ(response.status, 201) << response.body;
  const auto cookie = header_of(response, "Set-Cookie");
  EXPECT_EQ(cookie.rfind("__Host-callward=", 0), 0u);
  for (const char* attribute : {"; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict"})
    EXPECT_NE(cookie.find(attribute), std::string::npos) << attribute;
  EXPECT_EQ(cookie.find("Domain"), std::string::npos);
  EXPECT_EQ(response.body.find(token_of(response)), std::string::npos);
  EXPECT_EQ(token_of(response).size(), 64u);
  const auto out = ask("DELETE", "/v1/session", token_of(response));
  EXPECT_EQ(out.status, 204);
  EXPECT_NE(header_of(out, "Set-Cookie").find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v1/session", token_of(response)).status, 401);
}

TEST_F(Attack, ASessionIsNeverFixedByWhoPlantsACookie) {
  const std::string planted(64, 'a');
  const auto response = sign_in("ada", "nine quiet rivers", "10.0.0.9", planted);
  EXPECT_NE(token_of(response), planted);
  EXPECT_EQ(ask("GET", "/v1/session", planted).status, 401);
  const auto own = token_of(response);
  const auto second = sign_in("ada", "nine quiet rivers", "10.0.0.9", own);
  EXPECT_NE(token_of(second), own);  // and a valid one is not taken up either
  // The public id of a session, and the hash under which it is kept, open nothing.
  EXPECT_EQ(ask("GET", "/v1/session", std::string(json_of(second)["id"].as_string())).status, 401);
  const auto rows = *database->query("SELECT token FROM sessions");
  for (const auto& row : rows) {
    EXPECT_NE(row.text(0), own);
    EXPECT_EQ(ask("GET", "/v1/session", row.text(0)).status, 401);
  }
}

TEST_F(Attack, NobodyEndsAnothersSessionNorWritesOfItInTheLog) {
  const auto ada = sign_in("ada", "nine quiet rivers");
  const auto bob = sign_in("bob", "seven tall chimneys");
  const auto adas_id = std::string(json_of(ada)["id"].as_string());
  const auto end = [&](const std::string& id, const Response& who, const char* passphrase) {
    return ask("POST", "/v1/sessions/" + id + "/ending", token_of(who),
               boost::json::serialize(boost::json::object{{"passphrase", passphrase}}))
        .status;
  };
  EXPECT_EQ(end(adas_id, bob, "seven tall chimneys"), 404);
  EXPECT_EQ(end("any%20words%20of%20mine", bob, "seven tall chimneys"), 404);
  EXPECT_EQ(logged("session_ended"), 0u);
  EXPECT_EQ(ask("GET", "/v1/session", token_of(ada)).status, 200);
  const auto list = ask("GET", "/v1/sessions", token_of(bob));
  EXPECT_EQ(list.body.find(adas_id), std::string::npos);
  EXPECT_EQ(end(adas_id, ada, "seven tall chimneys"), 403) << "not her passphrase";
  EXPECT_EQ(ask("POST", "/v1/sessions/ending", token_of(ada), "{}").status, 400) << "none";
  EXPECT_EQ(logged("session_ended"), 0u);
  EXPECT_EQ(end(adas_id, ada, "nine quiet rivers"), 204);
  EXPECT_EQ(logged("session_ended"), 1u);
}

TEST_F(Attack, GuessingIsSlowedByAccountAndByAddress) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(sign_in("ada", "wrong", "10.1.0.1").status, 401);
  EXPECT_EQ(sign_in("ada", "nine quiet rivers", "10.1.0.2").status, 429);    // the account
  EXPECT_EQ(sign_in("bob", "seven tall chimneys", "10.1.0.1").status, 429);  // the address
  EXPECT_EQ(sign_in("bob", "seven tall chimneys", "10.1.0.3").status, 201);  // neither
  clock.advance_ms(600'000);
  EXPECT_EQ(sign_in("ada", "nine quiet rivers", "10.1.0.2").status, 201);
}

TEST_F(Attack, OldMistakesOfAnAddressAreForgotten) {
  for (int i = 0; i < 12; ++i) {
    (void)sign_in("nobody" + std::to_string(i), "wrong", "10.1.0.1");
    clock.advance_ms(301'000);
  }
  clock.advance_ms(people::People::kFailuresForgottenMs);
  EXPECT_EQ(sign_in("ada", "wrong", "10.1.0.1").status, 401);
  EXPECT_EQ(sign_in("bob", "seven tall chimneys", "10.1.0.1").status, 201);  // one slip is free
}

// A throttled try costs nothing to send: it must not cost an entry of the log each.
TEST_F(Attack, AFloodOfTriesDoesNotFloodTheLog) {
  for (int i = 0; i < 100; ++i) (void)sign_in("ada", "wrong", "10.1.0.1");
  EXPECT_LE(logged("sign_in_failed"), 5u);
  EXPECT_GE(logged("sign_in_failed"), 4u);  // three wrong, one throttled
}

TEST_F(Attack, UnknownNamesAnswerLikeWrongPassphrases) {
  const auto unknown = sign_in("mallory", "wrong", "10.2.0.1");
  const auto wrong = sign_in("ada", "wrong", "10.2.0.2");
  EXPECT_EQ(unknown.status, wrong.status);
  EXPECT_EQ(unknown.body, wrong.body);
}

TEST_F(Attack, EnrolmentLinksWorkOnceInTimeAndEndOldSessions) {
  const auto person = *people.find("ada").value();
  const auto enrol = [&](const std::string& token, const std::string& passphrase) {
    return ask(
        "POST", "/v1/enrolments", {},
        boost::json::serialize(boost::json::object{{"token", token}, {"passphrase", passphrase}}));
  };
  const auto session = token_of(sign_in("ada", "nine quiet rivers"));
  const auto link = *people.make_enrolment(person.id);
  EXPECT_EQ(enrol(link, "short").status, 400);  // and is not used up by it
  EXPECT_EQ(enrol(link, "four brown kettles").status, 201);
  EXPECT_EQ(enrol(link, "four brown kettles").status, 403);
  EXPECT_EQ(ask("GET", "/v1/session", session).status, 401);
  EXPECT_EQ(sign_in("ada", "nine quiet rivers").status, 401);
  const auto late = *people.make_enrolment(person.id);
  clock.advance_ms(people::People::kEnrolmentMsMax + 1);
  EXPECT_EQ(enrol(late, "five green ladders").status, 403);
  EXPECT_EQ(enrol(std::string(64, '0'), "five green ladders").status, 403);
  const auto rows = *database->query("SELECT token FROM enrolments");
  for (const auto& row : rows) EXPECT_EQ(enrol(row.text(0), "five green ladders").status, 403);
}

// While there is no role chart the old passphrase is all that can be shown.
TEST_F(Attack, APassphraseIsChangedByWhoHasTheOldOne) {
  const auto ada = token_of(sign_in("ada", "nine quiet rivers"));
  const auto other = token_of(sign_in("ada", "nine quiet rivers"));
  const auto change = [&](const std::string& old, const std::string& wanted) {
    return ask("POST", "/v1/own/passphrase", ada,
               boost::json::serialize(
                   boost::json::object{{"passphrase", old}, {"new_passphrase", wanted}}))
        .status;
  };
  EXPECT_EQ(change("wrong", "four brown kettles"), 403);
  EXPECT_EQ(change("nine quiet rivers", "password1234"), 400);
  EXPECT_EQ(change("nine quiet rivers", "adaadaadaadaada"), 400) << "her name";
  EXPECT_EQ(change("nine quiet rivers", "nine quiet rivers"), 400) << "the same";
  log_fails = true;
  EXPECT_EQ(change("nine quiet rivers", "four brown kettles"), 503);
  log_fails = false;
  EXPECT_EQ(ask("GET", "/v1/session", other).status, 200) << "without the entry nothing is so";
  EXPECT_EQ(change("nine quiet rivers", "four brown kettles"), 204);
  EXPECT_EQ(logged("passphrase_changed"), 1u);
  EXPECT_EQ(ask("GET", "/v1/session", ada).status, 200);
  EXPECT_EQ(ask("GET", "/v1/session", other).status, 401);
  EXPECT_EQ(sign_in("ada", "nine quiet rivers").status, 401);
  EXPECT_EQ(sign_in("ada", "four brown kettles").status, 201);
  const std::lock_guard lock(told);
  for (const auto& entry : log)
    EXPECT_EQ(entry.data.find("kettles"), std::string::npos) << entry.data;
}

TEST_F(Attack, WithoutAnEntryInTheLogThereIsNoEnrolment) {
  const auto link = *people.make_enrolment((*people.find("ada").value()).id);
  const auto body = boost::json::serialize(
      boost::json::object{{"token", link}, {"passphrase", "four brown kettles"}});
  const auto session = token_of(sign_in("ada", "nine quiet rivers"));
  log_fails = true;
  EXPECT_EQ(ask("POST", "/v1/enrolments", {}, body).status, 503);
  log_fails = false;
  EXPECT_EQ(ask("GET", "/v1/session", session).status, 200);
  EXPECT_EQ(sign_in("ada", "four brown kettles").status, 401);
  const auto logged = log.size();
  EXPECT_EQ(ask("POST", "/v1/enrolments", {}, body).status, 201) << "the link was not used up";
  EXPECT_EQ(log.size(), logged + 1);
  EXPECT_EQ(ask("POST", "/v1/enrolments", {}, body).status, 403);
  EXPECT_EQ(log.size(), logged + 1) << "nor is what was refused an entry";
}

TEST_F(Attack, WithoutAnEntryInTheLogThereIsNoSession) {
  log_fails = true;
  EXPECT_EQ(sign_in("ada", "nine quiet rivers").status, 503);
  EXPECT_TRUE(database->query("SELECT 1 FROM sessions")->empty());
  EXPECT_EQ(sign_in("ada", "wrong").status, 503);
}

TEST_F(Attack, BodiesThatAreNoSignInAreRefused) {
  for (const char* body :
       {"", "{}", "[]", R"({"name":"ada"})", R"({"name":"ada","passphrase":5})",
        R"({"name":"","passphrase":"x"})", R"({"name":"ada","passphrase":"x","roles":["owner"]})",
        R"({"name":{"$ne":1},"passphrase":"x"})"})
    EXPECT_EQ(ask("POST", "/v1/session", {}, body).status, 400) << body;
  EXPECT_EQ(sign_in(std::string(65, 'a'), "x").status, 400);
  EXPECT_EQ(sign_in("ada", std::string(1'025, 'a')).status, 400);
  EXPECT_EQ(sign_in("ada' OR '1'='1", "x").status, 401);
}

}  // namespace
}  // namespace callward::api
