// What is refused is told and counted, a flood of it is not a flood of lines, and no line says what
// was asked with.
#include "api/refusals.hpp"

#include "api/people_rig_test.hpp"

namespace callward::api {
namespace {

using test::PeopleRig;
using test::Rig;

struct Told {
  ManualClock clock;
  std::vector<Refusal> lines;
  std::vector<std::uint64_t> more;
  Refusals refusals{clock, [this](const Refusal& one) { lines.push_back(one); },
                    [this](std::uint64_t untold) { more.push_back(untold); }};
  std::uint64_t count(Refused why) const {
    return refusals.counts().at(static_cast<std::size_t>(why));
  }
};

TEST(Refusals, EachKindOfAnAskerIsToldOnceAMinute) {
  Told told;
  for (int i = 0; i < 5; ++i) told.refusals.note({Refused::kRole, "listHeld", "ada", "10.0.0.1"});
  told.refusals.note({Refused::kRole, "listHeld", "bob", "10.0.0.1"});
  told.refusals.note({Refused::kRole, "addPerson", "ada", "10.0.0.1"});
  EXPECT_EQ(told.lines.size(), 3u);
  EXPECT_EQ(told.count(Refused::kRole), 7u);
  told.clock.advance_ms(60'000);
  told.refusals.note({Refused::kRole, "listHeld", "ada", "10.0.0.1"});
  EXPECT_EQ(told.lines.size(), 4u);
  EXPECT_EQ(told.more, std::vector<std::uint64_t>{4}) << "what was not told is told as a number";
}

TEST(Refusals, AFloodOfAddressesIsNoFloodOfLines) {
  Told told;
  for (int i = 0; i < 10'000; ++i)
    told.refusals.note({Refused::kSignIn, "signIn", "-", "10.0." + std::to_string(i)});
  EXPECT_EQ(told.lines.size(), Refusals::kLinesMax);
  EXPECT_EQ(told.count(Refused::kSignIn), 10'000u);
  told.clock.advance_ms(60'000);
  told.refusals.note({Refused::kSignIn, "signIn", "-", "10.0.1"});
  EXPECT_EQ(told.more, std::vector<std::uint64_t>{10'000 - Refusals::kLinesMax});
}

TEST(Refusals, ASessionThatIsOverIsCountedOnly) {
  Told told;
  told.refusals.note({Refused::kNoSession, "getSession", "-", "10.0.0.1"});
  EXPECT_TRUE(told.lines.empty());
  EXPECT_EQ(told.count(Refused::kNoSession), 1u);
}

// With a role chart, people, and whoever comes along.
struct RefusedHere : ::testing::Test, PeopleRig {
  Told told_here;
  Router guarded_router{
      routes(service),
      {.session = [this](const std::string& t) { return roster.admit(people.session(t)); },
       .operator_token = "the-operators-token",
       .refusals = &told_here.refusals}};
  void SetUp() override { found(); }
  Refusal last(Request request) {
    request.peer = "192.0.2.7";
    told_here.lines.clear();
    told_here.clock.advance_ms(60'000);
    (void)guarded_router.handle(std::move(request));
    return told_here.lines.empty() ? Refusal{Refused::kTls, "nothing was told", "", ""}
                                   : told_here.lines.front();
  }
  void expect(const Refusal& got, Refused why, const std::string& operation,
              const std::string& actor) {
    EXPECT_STREQ(to_text(got.why), to_text(why)) << operation;
    EXPECT_EQ(got.operation, operation);
    EXPECT_EQ(got.actor, actor);
    EXPECT_EQ(got.address, "192.0.2.7");
  }
};

TEST_F(RefusedHere, WhoIsTurnedAwayLeavesALineWithAnAddress) {
  const auto max = join("max", "agent");
  const auto maxs = session_of(max), id = max.id.hex();
  expect(last(request("POST", "/v1/people", maxs, "{}")), Refused::kRole, "addPerson", id);
  expect(last(request("GET", "/v1/people/" + std::string(32, '7'), maxs)), Refused::kNotThere,
         "getPerson", id);
  auto bare = request("POST", "/v1/own/code", maxs, "{}");
  bare.headers.erase("x-callward");
  expect(last(bare), Refused::kNoHeader, "makeCode", "-");
  expect(last(request("POST", "/v1/own/code", maxs, "{\"more\":1}")), Refused::kMalformed,
         "makeCode", id);
  auto token = request("GET", "/v1/session");
  token.headers["authorization"] = "Bearer the-operators-tokem";
  expect(last(token), Refused::kOperatorToken, "getSession", "-");
  expect(last(request("GET", "/v1/nothing", maxs)), Refused::kNoRoute, "-", "-");
  const auto link = boost::json::serialize(Json{{"token", std::string(64, '0')}});
  expect(last(request("POST", "/v1/enrolments/begin", {}, link)), Refused::kDenied,
         "beginEnrolment", "-");
  auto form = request("GET", "/v1/form");
  form.headers["x-form-token"] = std::string(64, '0');
  expect(last(form), Refused::kNotThere, "getForm", "-");
  const auto weak = set_up_codes(max, maxs);
  const auto code = token_of(sign_in_by_code(max, this->code(weak)));
  expect(last(request("POST", "/v1/own/passkeys", code, "{}")), Refused::kCodeSession,
         "beginPasskey", id);
  EXPECT_EQ(told_here.count(Refused::kTls), 0u);
}

// Nobody known by that name: of whom it was the address is all there is.
TEST_F(RefusedHere, AFailedSignInUnderAnUnknownNameLeavesItsAddressAndNoWordsOfItsOwn) {
  const auto body = boost::json::serialize(
      Json{{"name", "mallory.of.elsewhere"}, {"passphrase", "hunter2 hunter2"}});
  const auto line = last(request("POST", "/v1/session", {}, body));
  expect(line, Refused::kSignIn, "signIn", "-");
  for (const auto& text : {line.operation, line.actor, line.address}) {
    EXPECT_EQ(text.find("mallory"), std::string::npos);
    EXPECT_EQ(text.find("hunter"), std::string::npos);
  }
  ASSERT_EQ(logged("sign_in_failed"), 1u);
  const std::lock_guard lock(told);
  for (const auto& entry : log) EXPECT_EQ(entry.data.find("192.0.2"), std::string::npos);
}

TEST_F(RefusedHere, WhatIsDoneIsNoRefusal) {
  for (const char* path : {"/v1/session", "/v1/people", "/v1/sessions", "/healthz"})
    EXPECT_EQ(last(request("GET", path, olgas)).operation, "nothing was told") << path;
}

TEST(Refusals, StandAmongTheMetrics) {
  Rig rig;
  const auto token = rig.signed_in("ada");
  EXPECT_EQ(rig.ask("POST", "/v1/people", token, "{}").status, 403);
  const auto metrics = rig.ask("GET", "/metrics", token);
  EXPECT_NE(metrics.body.find("callward_server_refused{why=\"role\"} 1\n"), std::string::npos)
      << metrics.body;
  EXPECT_NE(metrics.body.find("callward_server_refused{why=\"tls\"} 0\n"), std::string::npos);
  EXPECT_EQ(metrics.content_type, "text/plain; version=0.0.4; charset=utf-8");
}

// A person reads; a machine that takes all there is is slowed, whatever it takes.
TEST(Reads, OfOnePersonAreBoundedByTheMinuteAndByTheHour) {
  Rig rig;
  const auto ada = rig.signed_in("ada"), bob = rig.signed_in("bob");
  const auto open = [&](const std::string& token) {
    return rig.ask("POST", "/v1/calls/" + std::string(32, '0') + "/openings", token, "{}").status;
  };
  for (std::size_t i = 0; i < Service::kReadsOfPersonAMinute; ++i) ASSERT_EQ(open(ada), 404);
  EXPECT_EQ(open(ada), 429);
  EXPECT_EQ(rig.ask("GET", "/v1/log/entries/0/receipt", ada).status, 429) << "of all kinds";
  EXPECT_EQ(open(bob), 404) << "each has their own";
  EXPECT_EQ(rig.ask("GET", "/v1/session", ada).status, 200) << "and nothing else is slowed";
  auto by_operator = rig.request("GET", "/v1/log/entries/0/receipt");
  by_operator.headers["authorization"] = "Bearer the-operators-token";
  EXPECT_NE(rig.router->handle(by_operator).status, 429);
  rig.clock.advance_ms(60'000);
  EXPECT_EQ(open(ada), 404);
  // In the hours that follow: some calls each minute, and then no more before the next hour.
  rig.clock.advance_ms(3'600'000);
  const auto again = rig.people.sign_in("bob", Rig::phrase("nine quiet rivers"), "10.0.0.1")->token;
  std::size_t taken = 0;
  for (int minute = 0; minute < 59; ++minute) {
    for (int i = 0; i < 200; ++i) taken += open(again) == 404 ? 1 : 0;
    rig.clock.advance_ms(60'000);
  }
  EXPECT_LE(taken, 2 * Service::kReadsOfPersonAnHour);
  EXPECT_GE(taken, Service::kReadsOfPersonAnHour);
}

}  // namespace
}  // namespace callward::api
