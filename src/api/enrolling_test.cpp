// An enrolment whose last answer was lost: the chart has the passkey, and somebody has to come in.
#include "api/people_rig_test.hpp"

namespace callward::api {
namespace {

using test::PeopleRig;
using test::Somebody;

struct Enrolments : ::testing::Test, PeopleRig {
  // The owner to be, with the link of `init`.
  std::string about_to_found() {
    olga = {"olga", {}, "nine quiet rivers", device()};
    olga.id = people.add("olga", people::kBeforeChart, std::nullopt)->id;
    auto token = *people.make_enrolment(olga.id);
    founding = crypto::sha256(*from_hex(token));
    return token;
  }
  // The keeper takes it; its answer does not come, and the log's files are not read yet.
  void lose(Somebody& who, const std::string& token, const Key32* secret = nullptr) {
    const auto number = keepers.number();
    publishes = false;
    answer_lost = true;
    EXPECT_EQ(enrol(who, token, secret).status, 503);
    answer_lost = false;
    EXPECT_EQ(keepers.number(), number + 1) << "it is in the chart";
    EXPECT_EQ(passphrase(who).status, 401) << "and the server knows of nothing";
  }
  Response finish(const Somebody& who, const std::string& token) {
    return send("POST", "/v1/enrolments/finish",
                {{"token", token}, {"signature", signature_by(who, {})}});
  }
  void read_the_log() {
    publishes = true;
    ASSERT_TRUE(audit_log->publish());
    ASSERT_TRUE(roster.follow());
  }
  // As by a server that was killed in between.
  void forget_the_desk(const std::string& token) {
    (void)service.desk.enrolments.take(to_hex(crypto::sha256(as_bytes(token))),
                                       clock.monotonic_ms());
  }
};

TEST_F(Enrolments, AFoundingWhoseAnswerWasLostIsFinishedOnceMore) {
  const auto token = about_to_found();
  lose(olga, token);
  read_the_log();
  const auto done = finish(olga, token);
  ASSERT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(sign_in(olga).status, 201);
  EXPECT_EQ(finish(olga, token).status, 403) << "a link is good once";
}

TEST_F(Enrolments, AServerThatWasKilledInBetweenLocksNobodyOut) {
  const auto token = about_to_found();
  lose(olga, token);
  forget_the_desk(token);
  read_the_log();
  // The page was closed: the link, opened once more, says what to do.
  const auto begun = send("POST", "/v1/enrolments/begin", {{"token", token}});
  EXPECT_EQ(begun.status, 409);
  EXPECT_NE(begun.body.find("sign in with the passphrase that you set"), std::string::npos);
  EXPECT_EQ(sign_in(olga).status, 201);
}

TEST_F(Enrolments, WhereTheLogHasItTheSameRequestIsAnswered) {
  const auto token = about_to_found();
  answer_lost = true;
  const auto done = enrol(olga, token);
  EXPECT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(sign_in(olga).status, 201);
}

TEST_F(Enrolments, OfAnInvitationTheSameAndWhoHasTheLinkAloneChangesNothingOfIt) {
  found();
  auto max = named("max", "agent");
  const auto link = invite(max);
  ASSERT_TRUE(roster.follow());
  lose(max, link.token, &link.secret);
  auto server = max;
  server.device = device();
  server.passphrase = "three green lanterns beside";
  EXPECT_EQ(enrol(server, link.token).status, 403) << "without the link's secret";
  read_the_log();
  const auto done = finish(max, link.token);
  ASSERT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(passphrase(server).status, 401);
  EXPECT_EQ(sign_in(max).status, 201);
}

// What was given and never taken opens nothing.
TEST_F(Enrolments, WhatTheChartDoesNotHaveIsNotCompleted) {
  found();
  auto max = named("max", "agent");
  const auto link = invite(max);
  keepers_away = true;
  EXPECT_EQ(enrol(max, link).status, 503);
  keepers_away = false;
  ASSERT_TRUE(roster.follow());
  EXPECT_EQ(passphrase(max).status, 401);
  EXPECT_EQ(finish(max, link.token).status, 403) << "signed by nothing of it";
  EXPECT_EQ(passphrase(max).status, 401);
  EXPECT_EQ(enrol(max, link).status, 201) << "and the link is still good";
}

}  // namespace
}  // namespace callward::api
