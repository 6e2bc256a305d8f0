// Strength of passphrases, one-time codes, keys of browsers, recovery: what stands beside the
// passphrase.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "people/people.hpp"
#include "people/strength.hpp"

namespace callward::people {
namespace {

SecretBytes phrase(std::string_view text) { return SecretBytes(as_bytes(text)); }

TEST(Strength, WhatIsGuessedFirstIsRefusedAndFourWordsAreNot) {
  for (const char* weak :
       {"password1234", "qwertyuiop12", "Password2024!", "thisisapassword", "abcdefghijkl",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "19841984198419841984"})
    EXPECT_LT(strength_of(phrase(weak), {}), kStrengthMin) << weak;
  for (const char* good : {"nine quiet rivers", "four brown kettles", "kX9!vv2#pQ7zL"})
    EXPECT_GE(strength_of(phrase(good), {}), kStrengthMin) << good;
}

TEST(Strength, ThePersonsAndTheCompanysNamesCountForNothing) {
  const auto told = phrase("zyxolaventra quorbinex");
  EXPECT_GE(strength_of(told, {}), kStrengthMin);
  EXPECT_LT(strength_of(told, {"Zyxolaventra", "quorbinex@calls.example"}), kStrengthMin);
  const auto refused = People::check_passphrase(told, {"Zyxolaventra", "Quorbinex"});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("four words"), std::string::npos);
  EXPECT_EQ(refused.error().message.find("zyxo"), std::string::npos) << "the passphrase is told";
}

TEST(Strength, TheProductsNameAndWordsOfTheTradeCountForLittle) {
  for (const char* weak :
       {"callward recorder", "CallwardVault9", "supportagentcallward", "customersupportagent"})
    EXPECT_LT(strength_of(phrase(weak), {}), kStrengthMin) << weak;
  const auto host = phrase("zyxolaventra.example");
  EXPECT_GE(strength_of(host, {}), kStrengthMin);
  EXPECT_LT(strength_of(host, {"zyxolaventra.example"}), kStrengthMin);
}

TEST(Strength, AnyBytesAreRated) {
  EXPECT_TRUE(rc::check([] {
    const auto text = *rc::gen::arbitrary<std::string>();
    const auto score = strength_of(phrase(text), {*rc::gen::arbitrary<std::string>()});
    RC_ASSERT(score >= 0 && score <= 4);
  }));
}

// RFC 6238, appendix B: SHA-1, eight digits.
TEST(Codes, AreThoseOfTheStandard) {
  const auto secret = as_bytes("12345678901234567890");
  const std::pair<std::int64_t, const char*> vectors[] = {
      {59, "94287082"},         {1111111109, "07081804"}, {1111111111, "14050471"},
      {1234567890, "89005924"}, {2000000000, "69279037"}, {20000000000, "65353130"}};
  for (const auto& [seconds, code] : vectors)
    EXPECT_EQ(*code_of_step(secret, seconds / 30, 8), code) << seconds;
  EXPECT_EQ(**step_of_code(secret, "287082", 59'000), 1);
}

TEST(Codes, OneStepBeforeAndAfterIsTakenAndNoMore) {
  const auto secret = as_bytes("12345678901234567890");
  const std::int64_t now = 1'700'000'000'000;
  for (std::int64_t off = -3; off <= 3; ++off) {
    const auto step = now / kCodeStepMs + off;
    const auto found = *step_of_code(secret, *code_of_step(secret, step), now);
    EXPECT_EQ(found.has_value(), off >= -1 && off <= 1) << off;
    if (found) EXPECT_EQ(*found, step);
  }
  for (const char* none : {"", "00000", "0000000", "abcdef"})
    EXPECT_FALSE(step_of_code(secret, none, now)->has_value()) << none;
}

TEST(Codes, Base32IsThatOfTheStandard) {  // RFC 4648, 10
  for (const auto& [plain, text] : {std::pair{"f", "MY"},
                                    {"fo", "MZXQ"},
                                    {"foo", "MZXW6"},
                                    {"foob", "MZXW6YQ"},
                                    {"foobar", "MZXW6YTBOI"}})
    EXPECT_EQ(to_base32(as_bytes(plain)), text);
  EXPECT_EQ(code_uri("A & B", "ada", as_bytes("foobar")),
            "otpauth://totp/A%20%26%20B:ada?secret=MZXW6YTBOI&issuer=A%20%26%20B");
}

struct Second : ::testing::Test {
  static std::vector<std::string> tables() {
    auto all = migrations();
    for (auto& step : later_migrations()) all.push_back(std::move(step));
    for (auto& step : latest_migrations()) all.push_back(std::move(step));
    for (auto& step : enrolling_migrations()) all.push_back(std::move(step));
    return all;
  }
  std::unique_ptr<db::Database> database = std::move(*db::open_sqlite(":memory:", tables()));
  ManualClock clock;
  SystemEntropy entropy;
  People people{*database, clock, entropy, {1, 8u << 20}};
  Person ada = *people.add("ada", 1, phrase("nine quiet rivers"));
  Key32 key = entropy.key();

  std::string code(ByteView secret, std::int64_t off = 0) {
    return *code_of_step(secret, clock.utc_ms() / kCodeStepMs + off);
  }
  CodeSecret set_up() {
    auto secret = std::move(*people.new_code_secret(ada.id, key));
    EXPECT_TRUE(people.confirm_code(ada.id, code(secret.expose()), key));
    clock.advance_ms(kCodeStepMs);
    return secret;
  }
};

TEST_F(Second, ACodeIsGoodOnceAndOneBeforeItNeverAgain) {
  const auto secret = set_up();
  const auto now = code(secret.expose());
  ASSERT_TRUE(people.check_code(ada.id, now, key));
  EXPECT_EQ(people.check_code(ada.id, now, key).error().code, Errc::kDenied);
  EXPECT_EQ(people.check_code(ada.id, code(secret.expose(), -1), key).error().code, Errc::kDenied);
  clock.advance_ms(kCodeStepMs);
  EXPECT_TRUE(people.check_code(ada.id, code(secret.expose()), key));
}

TEST_F(Second, CodesAreNotGuessed) {
  const auto secret = set_up();
  int asked = 0;
  for (int i = 0; i < 1'000; ++i) {
    const auto tried = people.check_code(ada.id, "000000", key);
    asked += !tried && tried.error().code == Errc::kDenied ? 1 : 0;
  }
  EXPECT_EQ(asked, 3) << "of a thousand, three were looked at";
  EXPECT_EQ(people.check_code(ada.id, code(secret.expose()), key).error().code, Errc::kBusy);
  clock.advance_ms(Throttle::kWaitMsMax);
  EXPECT_TRUE(people.check_code(ada.id, code(secret.expose()), key));
}

TEST_F(Second, AnUnconfirmedSecretLetsNobodyIn) {
  const auto secret = std::move(*people.new_code_secret(ada.id, key));
  EXPECT_FALSE(*people.has_code(ada.id));
  EXPECT_EQ(people.check_code(ada.id, code(secret.expose()), key).error().code, Errc::kNotFound);
  EXPECT_FALSE(people.confirm_code(ada.id, "000000", key));
  ASSERT_TRUE(people.confirm_code(ada.id, code(secret.expose()), key));
  EXPECT_TRUE(*people.has_code(ada.id));
  EXPECT_EQ(people.new_code_secret(ada.id, key).error().code, Errc::kExists);
}

TEST_F(Second, TheDatabaseAloneDoesNotHaveTheSecret) {
  const auto secret = set_up();
  const auto sealed = database->query("SELECT secret FROM codes")->at(0).blob(0);
  const auto plain = secret.expose();
  EXPECT_EQ(std::search(sealed.begin(), sealed.end(), plain.begin(), plain.end()), sealed.end());
  EXPECT_EQ(people.check_code(ada.id, code(plain), entropy.key()).error().code, Errc::kNotFound);
  // And it serves nobody else's name.
  const auto bob = *people.add("bob", 1, phrase("seven tall chimneys"));
  ASSERT_TRUE(database->execute("UPDATE codes SET person = ?1", {bob.id.hex()}));
  EXPECT_FALSE(people.check_code(bob.id, code(plain), key));
}

TEST_F(Second, TakingTheCodesAwayEndsWhatCameByThem) {
  (void)set_up();
  const auto weak = *people.begin(ada, CameBy::kCode);
  const auto strong = *people.begin(ada, CameBy::kPasskey);
  ASSERT_TRUE(people.drop_code(ada.id));
  EXPECT_FALSE(people.session(weak.token));
  EXPECT_TRUE(people.session(strong.token));
  EXPECT_EQ(people.drop_code(ada.id).error().code, Errc::kNotFound);
}

// However a session ended, its browser's key stays here until the keeper was told.
TEST_F(Second, AReaderOutlivesItsSessionUntilItWasDropped) {
  Reader reader{.person = ada.id, .at = clock.utc_ms(), .passkey = {1, 2}, .signature = "{}"};
  reader.key[0] = 7;
  const auto fresh = *people.begin(ada, CameBy::kPasskey, &reader);
  ASSERT_EQ(people.readers(true)->size(), 1u);
  EXPECT_EQ(people.readers(true)->at(0).session, fresh.session.id);
  EXPECT_EQ(people.begin(ada, CameBy::kPasskey, &reader).error().code, Errc::kDenied);
  EXPECT_EQ(people.sessions(ada.id)->size(), 1u) << "and no session was left of it";
  clock.advance_ms(People::kIdleMsMax + 1);
  ASSERT_TRUE(people.drop_over());
  EXPECT_TRUE(people.readers(true)->empty());
  ASSERT_EQ(people.readers(false)->size(), 1u);
  EXPECT_EQ(people.readers(false)->at(0).key, reader.key);
  ASSERT_TRUE(people.forget_reader(reader.key));
  EXPECT_TRUE(people.readers(false)->empty());
}

TEST_F(Second, WhatIsUsedOnceIsRememberedLongerThanItIsFresh) {
  const Bytes what(32, 1);
  EXPECT_TRUE(*people.first_use(what));
  EXPECT_FALSE(*people.first_use(what));
  clock.advance_ms(5 * 60'000 + 60'000);
  ASSERT_TRUE(people.drop_over());
  EXPECT_FALSE(*people.first_use(what));
}

TEST_F(Second, ARecoveryLinkOffersAKeyAndSetsNothing) {
  const auto link = *people.make_enrolment(ada.id, true);
  EXPECT_FALSE(people.enrol(link, phrase("four brown kettles"))) << "it is no enrolment";
  const Offer offer{.key = {.id = {9}, .algorithm = kEdDsa, .key = Bytes(32, 3)},
                    .passphrase = *people.hash(phrase("four brown kettles"))};
  ASSERT_TRUE(people.offer(link, offer));
  EXPECT_FALSE(people.offer(link, offer)) << "once";
  EXPECT_FALSE(people.check("ada", phrase("four brown kettles"), "a"));
  const auto fresh = *people.begin(ada, CameBy::kPasskey);
  EXPECT_EQ(people.offered(ada.id)->key.key, offer.key.key);
  ASSERT_TRUE(people.take_offer(ada.id));
  EXPECT_TRUE(people.check("ada", phrase("four brown kettles"), "a"));
  EXPECT_FALSE(people.session(fresh.token));
  EXPECT_FALSE(people.take_offer(ada.id));
}

TEST_F(Second, ANewLinkVoidsTheOneBefore) {
  const auto first = *people.make_enrolment(ada.id);
  const auto second = *people.make_enrolment(ada.id);
  EXPECT_FALSE(people.enrolling(first));
  EXPECT_TRUE(people.enrolling(second));
}

TEST_F(Second, WhoLeftHasNothingLeftToComeInWith) {
  (void)set_up();
  const auto fresh = *people.begin(ada, CameBy::kPasskey);
  const auto link = *people.make_enrolment(ada.id);
  ASSERT_TRUE(people.set_duty(ada.id, true));
  ASSERT_TRUE(people.forget(ada.id));
  EXPECT_FALSE(people.session(fresh.token));
  EXPECT_FALSE(people.enrolling(link));
  EXPECT_FALSE(*people.has_code(ada.id));
  EXPECT_TRUE(people.on_duty()->empty());
  EXPECT_FALSE(people.check("ada", phrase("nine quiet rivers"), "b"));
  EXPECT_TRUE(people.find("ada")->has_value());
}

}  // namespace
}  // namespace callward::people
