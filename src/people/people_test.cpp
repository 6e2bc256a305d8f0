#include "people/people.hpp"

#include <gtest/gtest.h>

#include "people/strength.hpp"

namespace callward::people {
namespace {

std::vector<std::string> all_migrations() {
  auto all = migrations();
  for (auto& step : later_migrations()) all.push_back(std::move(step));
  for (auto& step : latest_migrations()) all.push_back(std::move(step));
  for (auto& step : enrolling_migrations()) all.push_back(std::move(step));
  return all;
}

class Peoples : public ::testing::Test {
 protected:
  std::unique_ptr<db::Database> database =
      std::move(*db::open_sqlite(":memory:", all_migrations()));
  ManualClock clock;
  SystemEntropy entropy;
  People people{*database, clock, entropy, {1, 8u << 20}};
  static SecretBytes phrase(std::string_view text) { return SecretBytes(as_bytes(text)); }
};

TEST_F(Peoples, SignInGivesASessionThatEnds) {
  ASSERT_TRUE(people.add("owner", bit(Role::kOwner), phrase("nine quiet rivers")));
  const auto fresh = people.sign_in("owner", phrase("nine quiet rivers"), "127.0.0.1");
  ASSERT_TRUE(fresh);
  EXPECT_EQ(people.session(fresh->token)->person.name, "owner");
  EXPECT_FALSE(people.session(fresh->token + "x"));
  EXPECT_FALSE(people.session(fresh->session.id));  // the public id is no token
  clock.advance_ms(People::kIdleMsMax + 1);
  EXPECT_EQ(people.session(fresh->token).error().code, Errc::kDenied);
}

TEST_F(Peoples, SessionsHaveAnAbsoluteEnd) {
  ASSERT_TRUE(people.add("owner", 2, phrase("nine quiet rivers")));
  const auto fresh = people.sign_in("owner", phrase("nine quiet rivers"), "a");
  for (std::int64_t t = 0; t < People::kAbsoluteMsMax; t += People::kIdleMsMax / 2) {
    ASSERT_TRUE(people.session(fresh->token));
    clock.advance_ms(People::kIdleMsMax / 2);
  }
  clock.advance_ms(1);
  EXPECT_FALSE(people.session(fresh->token));
}

TEST_F(Peoples, FailuresAreThrottledByAccountAndAddress) {
  ASSERT_TRUE(people.add("owner", 2, phrase("nine quiet rivers")));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(people.sign_in("owner", phrase("wrong"), "a").error().code, Errc::kDenied);
  EXPECT_EQ(people.sign_in("owner", phrase("nine quiet rivers"), "b").error().code, Errc::kBusy);
  EXPECT_EQ(people.sign_in("somebody", phrase("x"), "a").error().code, Errc::kBusy);
  clock.advance_ms(600'000);
  EXPECT_TRUE(people.sign_in("owner", phrase("nine quiet rivers"), "b"));
  EXPECT_EQ(people.sign_in("nobody", phrase("x"), "c").error().message,
            people.sign_in("owner", phrase("x"), "d").error().message);
}

// How long an answer takes tells nothing: one hash is verified for each, at the same cost.
TEST_F(Peoples, UnknownNamesCostTheSameWork) {
  std::vector<std::string> costs;
  People counted{*database, clock, entropy, {1, 8u << 20}, [&](const auto& hash, const auto& said) {
                   costs.push_back(hash.substr(0, hash.find("p=") + 3));
                   return crypto::verify_passphrase(hash, said);
                 }};
  ASSERT_TRUE(counted.add("owner", 2, phrase("nine quiet rivers")));
  ASSERT_TRUE(counted.add("invited", 2, {}));
  for (const auto* name : {"owner", "nobody", "invited"})
    EXPECT_EQ(counted.sign_in(name, phrase("wrong"), name).error().code, Errc::kDenied);
  ASSERT_EQ(costs.size(), 3u);
  EXPECT_TRUE(costs[0].starts_with("$argon2id$")) << costs[0];
  EXPECT_EQ(costs[0], costs[1]);
  EXPECT_EQ(costs[0], costs[2]);
}

TEST_F(Peoples, EnrolmentLinksWorkOnceAndInTime) {
  const auto person = *people.add("new", 1, std::nullopt);
  EXPECT_FALSE(people.sign_in("new", phrase(""), "a"));
  const auto token = *people.make_enrolment(person.id);
  EXPECT_FALSE(people.enrol(token, phrase("short")));
  EXPECT_TRUE(people.enrol(token, phrase("seven tall chimneys")));
  EXPECT_FALSE(people.enrol(token, phrase("seven tall chimneys")));
  EXPECT_TRUE(people.sign_in("new", phrase("seven tall chimneys"), "z"));
  const auto late = *people.make_enrolment(person.id);
  clock.advance_ms(People::kEnrolmentMsMax + 1);
  EXPECT_FALSE(people.enrol(late, phrase("seven tall chimneys")));
}

TEST_F(Peoples, CharactersAreCountedAsPeopleCountThemAndBytesHaveABound) {
  for (const char* tooFew : {"四文字で", "\U0001F511\U0001F98A\U0001F30A", "çççççç", "elevenchars"})
    EXPECT_FALSE(People::check_passphrase(phrase(tooFew))) << tooFew;
  EXPECT_EQ(characters_of(phrase("四文字で")), 4u);
  EXPECT_EQ(characters_of(phrase("\xFF\x80\x80z")), 2u) << "what is no UTF-8 counts for less";
  EXPECT_TRUE(People::check_passphrase(phrase("静かな川が九つ流れている谷")));
  EXPECT_TRUE(People::check_passphrase(phrase("nine quiet rivers" + std::string(1'007, 'x'))));
  EXPECT_FALSE(People::check_passphrase(phrase("nine quiet rivers" + std::string(1'008, 'x'))));
}

TEST_F(Peoples, TheLiveSessionsOfAPersonHaveABound) {
  ASSERT_TRUE(people.add("a", 1, phrase("nine quiet rivers")));
  ASSERT_TRUE(people.add("b", 1, phrase("nine quiet rivers")));
  for (std::size_t i = 0; i < People::kSessionsMax; ++i)
    ASSERT_TRUE(people.sign_in("a", phrase("nine quiet rivers"), "x"));
  EXPECT_EQ(people.sign_in("a", phrase("nine quiet rivers"), "x").error().code, Errc::kBusy);
  EXPECT_TRUE(people.sign_in("b", phrase("nine quiet rivers"), "x")) << "each has their own";
  clock.advance_ms(People::kIdleMsMax + 1);
  EXPECT_TRUE(people.sign_in("a", phrase("nine quiet rivers"), "x")) << "what is over is none";
}

TEST_F(Peoples, APassphraseThatWasSetIsTheOneThatHolds) {
  const auto person = *people.add("a", 1, phrase("nine quiet rivers"));
  ASSERT_TRUE(people.set_passphrase(person.id, *people.hash(phrase("seven tall chimneys"))));
  EXPECT_FALSE(people.sign_in("a", phrase("nine quiet rivers"), "x"));
  EXPECT_TRUE(people.sign_in("a", phrase("seven tall chimneys"), "x"));
  EXPECT_EQ(people.set_passphrase(PersonId{}, "").error().code, Errc::kNotFound);
}

TEST_F(Peoples, OneMayEndOnesOwnSessionsOnly) {
  ASSERT_TRUE(people.add("a", 1, phrase("nine quiet rivers")));
  const auto b = *people.add("b", 1, phrase("nine quiet rivers"));
  const auto session = *people.sign_in("a", phrase("nine quiet rivers"), "x");
  EXPECT_FALSE(people.end_session(session.session.id, b.id));
  EXPECT_TRUE(people.end_session(session.session.id, session.session.person.id));
  EXPECT_FALSE(people.session(session.token));
}

TEST_F(Peoples, BadNamesAndPhrasesAreRefused) {
  EXPECT_FALSE(people.add("", 1, std::nullopt));
  EXPECT_FALSE(people.add("a b", 1, std::nullopt));
  EXPECT_FALSE(people.add("a", 1, phrase("aaaaaaaaaaaaaaa")));
  ASSERT_TRUE(people.add("a", 1, std::nullopt));
  EXPECT_EQ(people.add("a", 1, std::nullopt).error().code, Errc::kExists);
}

}  // namespace
}  // namespace callward::people
