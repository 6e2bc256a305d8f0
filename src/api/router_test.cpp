// The guards in front of every route, and the table of routes against openapi.yaml.
#include "api/router.hpp"

#include <fstream>
#include <set>

#include "api/rig_test.hpp"

namespace callward::api {
namespace {

using test::header_of;
using test::Rig;

// "METHOD path operation", read from the file's own layout: two spaces a path, four a method, and
// the operationId on the method's line or below it.
std::set<std::string> documented() {
  std::ifstream file(std::string(CALLWARD_SOURCE_DIR) + "/src/api/openapi.yaml");
  EXPECT_TRUE(file.good());
  std::set<std::string> found;
  std::string line, path, method;
  bool in_paths = false;
  while (std::getline(file, line)) {
    if (line == "paths:") in_paths = true;
    if (line == "components:") in_paths = false;
    if (!in_paths) continue;
    const auto indent = line.find_first_not_of(' ');
    if (indent == 2) path = line.substr(2, line.find_last_of(':') - 2);
    if (indent == 4) {
      method = line.substr(4, line.find(':') - 4);
      for (auto& c : method) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    constexpr std::string_view kId = "operationId: ";
    if (const auto at = line.find(kId); at != std::string::npos) {
      const auto word = line.substr(at + kId.size());
      found.insert(method + " " + path + " " + word.substr(0, word.find_first_of(", }")));
    }
  }
  return found;
}

TEST(Routes, AreThoseOfTheDocumentAndNoOthers) {
  Rig rig;
  std::set<std::string> served;
  for (const auto& route : rig.router->routes())
    EXPECT_TRUE(served.insert(route.method + " " + route.pattern + " " + route.operation).second);
  EXPECT_GT(served.size(), 20u);
  EXPECT_EQ(served, documented());
}

// What the document calls open (security: []) is what needs no session here.
TEST(Routes, OpenOnesAreOpenInTheDocumentToo) {
  Rig rig;
  std::set<std::string> open;
  for (const auto& route : rig.router->routes())
    if (route.roles == kAnyone) open.insert(route.operation);
  EXPECT_EQ(open,
            (std::set<std::string>{"signIn", "signInByPasskey", "signInByCode", "enrol",
                                   "beginEnrolment", "givePasskey", "finishEnrolment", "healthz",
                                   "readyz", "policyPage", "getForm", "sendForm"}));
}

// The specification's words, read by themselves, against what the router asks.
TEST(Routes, AreForTheRolesThatTheDocumentNames) {
  Rig rig;
  std::map<std::string, people::Roles> said;
  std::ifstream file(std::string(CALLWARD_SOURCE_DIR) + "/src/api/openapi.yaml");
  std::string line, operation;
  while (std::getline(file, line)) {
    constexpr std::string_view kId = "operationId: ", kRoles = "x-roles: [";
    if (const auto at = line.find(kId); at != std::string::npos) {
      const auto word = line.substr(at + kId.size());
      operation = word.substr(0, word.find_first_of(", }"));
    }
    const auto at = line.find(kRoles);
    if (at == std::string::npos) continue;
    auto words = line.substr(at + kRoles.size());
    words = words.substr(0, words.find(']')) + ",";
    for (std::size_t end = 0; (end = words.find(',')) != std::string::npos;) {
      auto word = words.substr(0, end);
      words.erase(0, end + 1);
      word.erase(0, word.find_first_not_of(' '));
      const auto role = people::parse_role(word);
      said[operation] |= word == "any"        ? people::kChartRoles
                         : word == "operator" ? people::bit(people::Role::kOperator)
                         : role               ? people::bit(*role)
                                              : kNobody;
    }
  }
  for (const auto& route : rig.router->routes()) {
    EXPECT_EQ(route.roles, said.contains(route.operation) ? said[route.operation] : kAnyone)
        << route.operation;
    EXPECT_EQ(route.roles & kNobody, 0) << route.operation;
  }
  EXPECT_EQ(roles_of("nothing that there is"), kNobody);
}

// Every route with every single role: those who may not are refused before anything is done.
TEST(Routes, RefuseEveryRoleThatTheyAreNotFor) {
  Rig rig;
  for (const auto role :
       {people::Role::kReviewer, people::Role::kOwner, people::Role::kAgent,
        people::Role::kTechnician, people::Role::kExpert, people::Role::kAuthorised,
        people::Role::kSupervisor, people::Role::kAdministrator, people::Role::kAuditor}) {
    const auto token = rig.signed_in("p" + std::to_string(people::bit(role)), people::bit(role));
    for (const auto& route : rig.router->routes()) {
      if (route.roles == kAnyone || (route.roles & people::bit(role)) != 0) continue;
      auto path = route.pattern;
      for (auto at = path.find('{'); at != std::string::npos; at = path.find('{'))
        path = path.substr(0, at) + std::string(32, '0') + path.substr(path.find('}') + 1);
      EXPECT_EQ(rig.ask(route.method, path, token, "{}").status, 403) << path;
    }
  }
}

TEST(Router, NothingButTheOpenRoutesAnswersAStranger) {
  Rig rig;
  for (const auto& route : rig.router->routes()) {
    if (route.roles == kAnyone) continue;
    auto path = route.pattern;
    for (auto at = path.find('{'); at != std::string::npos; at = path.find('{'))
      path = path.substr(0, at) + "00" + path.substr(path.find('}') + 1);
    EXPECT_EQ(rig.ask(route.method, path).status, 401) << path;
    EXPECT_EQ(rig.ask(route.method, path, std::string(64, '0')).status, 401) << path;
    auto request = rig.request(route.method, path);
    for (const char* token : {"Bearer ", "Bearer x", "Bearer the-operators-toke",
                              "Bearer the-operators-tokenx", "bearer the-operators-token"}) {
      request.headers["authorization"] = token;
      EXPECT_EQ(rig.router->handle(request).status, 401) << path << token;
    }
  }
}

TEST(Router, AnEmptyOperatorTokenOpensNothing) {
  Rig rig;
  const Router router(routes(rig.service),
                      {.session = [&](const std::string& t) { return rig.people.session(t); },
                       .operator_token = ""});
  auto request = rig.request("GET", "/v1/session");
  request.headers["authorization"] = "Bearer ";
  EXPECT_EQ(router.handle(request).status, 401);
}

TEST(Router, EveryWriteNeedsTheHeaderThatNoForeignPageCanSend) {
  Rig rig;
  const auto token = rig.signed_in("ada");
  for (const auto& route : rig.router->routes()) {
    if (route.method == "GET") continue;
    auto path = route.pattern;
    if (const auto at = path.find('{'); at != std::string::npos)
      path = path.substr(0, at) + "00" + path.substr(path.find('}') + 1);
    auto request = rig.request(route.method, path, token, "{}");
    request.headers.erase("x-callward");
    request.headers["origin"] = "https://elsewhere.example";
    const auto response = rig.router->handle(request);
    EXPECT_EQ(response.status, 403) << path;
    EXPECT_NE(response.body.find("X-Callward"), std::string::npos);
  }
  EXPECT_TRUE(rig.people.session(token));  // nothing was done
}

TEST(Router, RolesAreAsked) {
  Rig rig;
  const auto token = rig.signed_in("ada");
  EXPECT_EQ(rig.ask("GET", "/v1/session", token).status, 200);
  // The operator of the command line reads, and has no session of its own to list or to end.
  auto request = rig.request("GET", "/v1/sessions");
  request.headers["authorization"] = "Bearer the-operators-token";
  EXPECT_EQ(rig.router->handle(request).status, 403);
  request.path = "/v1/session";
  EXPECT_EQ(rig.router->handle(request).status, 200);
  request.method = "DELETE";
  EXPECT_EQ(rig.router->handle(request).status, 403);
  const Router narrow({{"GET", "/owners", "x", [](const Request&) { return Response::empty(); },
                        false, false, people::bit(people::Role::kOwner)}},
                      {.session = [&](const std::string& t) { return rig.people.session(t); },
                       .operator_token = "o"});
  EXPECT_EQ(narrow.handle(rig.request("GET", "/owners", token)).status, 403);
  EXPECT_EQ(narrow.handle(rig.request("GET", "/owners", rig.signed_in("bob", 2))).status, 204);
}

TEST(Router, UnknownAddressesAndMethodsAreTold) {
  Rig rig;
  const auto token = rig.signed_in("ada");
  for (const char* path : {"/v1", "/v1/", "/v1/nothing", "/v1/session/", "//v1/session",
                           "/v1//session", "/v1/calls//account", "/v2/session", "/V1/session"})
    EXPECT_EQ(rig.ask("GET", path, token).status, 404) << path;
  const auto refused = rig.ask("PUT", "/v1/session", token);
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.content_type, "application/problem+json");
  EXPECT_EQ(header_of(refused, "Allow"), "POST, GET, HEAD, DELETE");
  for (const char* method : {"OPTIONS", "TRACE", "CONNECT", "PATCH", "get", ""})
    EXPECT_EQ(rig.ask(method, "/v1/days", token).status, 405) << method;
}

TEST(Router, HeadIsAGet) {
  Rig rig;
  const auto token = rig.signed_in("ada");
  EXPECT_EQ(rig.ask("HEAD", "/v1/session", token).status, 200);
  EXPECT_EQ(rig.ask("HEAD", "/v1/session").status, 401);
  EXPECT_EQ(rig.ask("HEAD", "/v1/enrolments", token).status, 405);  // only POST there
}

TEST(Router, AStreamEndsWithItsSession) {
  Rig rig;
  const Router router(routes(rig.service),
                      {.session = [&](const std::string& t) { return rig.people.session(t); },
                       .look = [&](const std::string& t) { return rig.people.look(t); },
                       .operator_token = ""});
  const auto token = rig.signed_in("ada");
  const auto response = router.handle(rig.request("GET", "/v1/events", token));
  ASSERT_TRUE(response.event_stream);
  ASSERT_TRUE(response.may_go_on);
  EXPECT_TRUE(response.may_go_on());
  rig.clock.advance_ms(people::People::kIdleMsMax / 2);
  EXPECT_TRUE(response.may_go_on());  // and this was no use of the session:
  rig.clock.advance_ms(people::People::kIdleMsMax / 2 + 1);
  EXPECT_FALSE(response.may_go_on());
}

// Else whoever has gone away stays signed in for as long as their page is open.
TEST(Router, WhatAPageAsksByItselfIsNoUseOfTheSession) {
  Rig rig;
  const Router router(routes(rig.service),
                      {.session = [&](const std::string& t) { return rig.people.session(t); },
                       .look = [&](const std::string& t) { return rig.people.look(t); },
                       .operator_token = ""});
  const auto ends_after = [&](const char* target, const char* who, const char* method = "GET") {
    const auto token = rig.signed_in(who);
    rig.clock.advance_ms(people::People::kIdleMsMax / 2);
    (void)router.handle(rig.request(method, target, token));
    rig.clock.advance_ms(people::People::kIdleMsMax / 2 + 1);
    return router.handle(rig.request("GET", "/v1/session", token)).status;
  };
  EXPECT_EQ(ends_after("/v1/sessions", "ada"), 200);
  EXPECT_EQ(ends_after("/v1/own/turns", "bob"), 401);
  EXPECT_EQ(ends_after("/v1/own/alarms", "cleo"), 401);
  EXPECT_EQ(ends_after("/v1/chart/drafts", "dan"), 401);
  EXPECT_EQ(ends_after("/v1/live-call/lookup", "eve", "POST"), 401);
}

}  // namespace
}  // namespace callward::api
