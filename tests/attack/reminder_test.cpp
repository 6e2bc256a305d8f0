// Reminders and alarms over real requests: the keeper's log, followed by the server's tables; a
// clock by hand, a courier by hand, a database that outlives the book.
#include "api/reminder_book.hpp"
#include "vault_api_rig.hpp"

namespace callward::attack {
namespace {

using api::ReminderBook;
using api::test::json_of;
using disclose::Waits;
using keys::DeliveryOutcome;
using SetBy = ReminderBook::SetBy;

constexpr std::int64_t kMinute = 60'000, kHour = 60 * kMinute;

class Reminding : public ::testing::Test, public VaultRig {
 protected:
  void SetUp() override {
    fresh_book();
    for (const auto& [who, address] : addresses())
      ASSERT_TRUE(book->set_address(who.id, address,
                                    who.id == olga.id ? SetBy::kPasskey : SetBy::kSession));
    customer = store_carla();
    EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  }
  std::vector<std::pair<Someone, std::string>> addresses() {
    return {{eve, "eve@example.com"}, {anna, "anna@example.com"}, {abe, "abe@example.com"},
            {max, "max@example.com"}, {olga, "olga@example.com"}, {tom, "tom@example.com"}};
  }
  // As a server that starts: nothing but its database is left.
  void fresh_book() {
    book = std::make_unique<ReminderBook>(*database, service.keepers_clock, chance,
                                          api::ReminderSettings{.on = true});
    service.reminders = book.get();
    ASSERT_TRUE(book->load(service.policy.limits));
  }
  std::vector<ReminderBook::Letter> turn() {
    auto letters = book->turn(chart, service.policy.limits, *persons.on_duty());
    EXPECT_TRUE(letters) << letters.error().message;
    return letters ? std::move(*letters) : std::vector<ReminderBook::Letter>();
  }
  // One turn, of which the courier takes all.
  std::map<std::string, Waits> told() {
    std::map<std::string, Waits> out;
    for (const auto& letter : turn()) {
      out[letter.address] = letter.reminder.waits;
      EXPECT_TRUE(book->ended(letter.id, DeliveryOutcome::kTaken, "taken"));
    }
    return out;
  }
  using Told = std::map<std::string, Waits>;
  std::string asked() {
    const auto id = ask_for(tom, customer, {"email"});
    keeper->tick();
    follow();
    return id;
  }
  void verify(const std::string& id) {
    EXPECT_EQ(act_by(eve, {{"request", id}, {"kind", "ring"}}).status, 201);
    talk();
    EXPECT_EQ(check_by(eve, id, "service_word", "blue  heron").status, 200);
    EXPECT_EQ(check_by(eve, id, "name", "carla muster").status, 200);
    hang_up();
    EXPECT_EQ(act_by(eve, {{"request", id}, {"kind", "pass"}}, kVerdict).status, 201);
  }
  Response break_glass(const std::string& id, const Someone& by) {
    return act_by(
        by, {{"request", id}, {"kind", "break"}, {"fields", boost::json::array{leaf.at("email")}}},
        kWhy);
  }
  std::size_t alarms_of(const Someone& who) {
    const auto answer = call(who.id, "GET", "/v1/own/alarms");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json_of(answer).at("count").to_number<std::size_t>();
  }

  std::unique_ptr<ReminderBook> book;
  std::string customer;
};

TEST_F(Reminding, EachStepReachesWhomItWaitsForOnce) {
  const auto id = asked();
  EXPECT_EQ(told(), (Told{{"eve@example.com", Waits::kCallBack}}));
  EXPECT_TRUE(told().empty()) << "once";
  verify(id);
  EXPECT_EQ(told(),
            (Told{{"anna@example.com", Waits::kRelease}, {"abe@example.com", Waits::kRelease}}));
  const boost::json::object release{
      {"request", id}, {"kind", "release"}, {"fields", boost::json::array{leaf.at("email")}}};
  judges(id, anna);
  EXPECT_EQ(act_by(anna, release).status, 201);
  EXPECT_EQ(told(), (Told{{"tom@example.com", Waits::kOpened}})) << "his time runs";
  EXPECT_TRUE(told().empty()) << "once";
  EXPECT_EQ(act_by(tom, {{"request", id}, {"kind", "end"}}).status, 201);
  EXPECT_EQ(told(), (Told{{"max@example.com", Waits::kReview}}));
  clock.advance_ms(24 * kHour);
  EXPECT_EQ(told(), (Told{{"max@example.com", Waits::kReviewOverdue},
                          {"olga@example.com", Waits::kReviewOverdue}}));
  EXPECT_EQ(act_by(max, {{"request", id}, {"kind", "review"}}, kWhy).status, 201);
  EXPECT_TRUE(told().empty());
  const auto counts = book->counts();
  EXPECT_EQ(counts->taken, 7);
  EXPECT_EQ(counts->waiting, 0);
}

// Each end that is not the requester's own doing, once, and a server that starts anew says no more.
TEST_F(Reminding, WhoAskedIsToldWhatBecameOfIt) {
  const auto step_by = [&](const Someone& who, const std::string& id, const char* kind) {
    EXPECT_EQ(act_by(who, {{"request", id}, {"kind", kind}}, kWhy).status, 201) << kind;
  };
  const auto once = [&](const Told& wanted) {
    EXPECT_EQ(told(), wanted);
    fresh_book();
    EXPECT_TRUE(told().empty()) << "once, whoever starts anew";
  };
  const auto declined = asked();
  verify(declined);
  (void)told();
  step_by(abe, declined, "decline");
  once({{"tom@example.com", Waits::kDeclined}});

  const auto refused = asked();
  EXPECT_EQ(act_by(eve, {{"request", refused}, {"kind", "ring"}}).status, 201);
  (void)told();
  step_by(eve, refused, "fail");
  once({{"tom@example.com", Waits::kNotVerified}, {"max@example.com", Waits::kReported}});

  (void)asked();
  (void)told();
  ticks(policy().policy.limits.ring_ms);
  follow();
  once({{"tom@example.com", Waits::kLapsed}});

  const auto revoked = asked();
  open(revoked);
  (void)told();
  step_by(anna, revoked, "revoke");
  once({{"tom@example.com", Waits::kRevoked}, {"max@example.com", Waits::kReview}});
}

TEST_F(Reminding, WhoAskedWhatIsKeptIsToldThatItIsConfirmed) {
  ASSERT_TRUE(book->set_address(ada.id, "ada@example.com", SetBy::kSession));
  const auto put = act_by(ada,
                          {{"kind", "ask"},
                           {"customer", customer},
                           {"case", 1},
                           {"category", "own_data"},
                           {"fields", boost::json::array{}}},
                          kConcern);
  ASSERT_EQ(put.status, 201) << put.body;
  verify(std::string(json_of(put).at("request").as_string()));
  EXPECT_EQ(told(), (Told{{"ada@example.com", Waits::kConfirmed}}));
  EXPECT_TRUE(told().empty());
}

TEST_F(Reminding, WhereNobodyIsOnDutyExpertsAreToldAndThePageSaysSo) {
  EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", false}}).status, 200);
  ASSERT_TRUE(book->set_address(emil.id, "emil@example.com", SetBy::kSession));
  const auto id = asked();
  EXPECT_EQ(told(),
            (Told{{"eve@example.com", Waits::kOffDuty}, {"emil@example.com", Waits::kOffDuty}}));
  EXPECT_TRUE(told().empty()) << "once";
  const auto assigns = [](const boost::json::object& said) {
    for (const auto& next : said.at("next").as_array())
      if (next.at("step").as_string() == "assign") return std::string(next.at("who").as_string());
    return std::string();
  };
  const auto path = "/v1/requests/" + id;
  for (const auto& where : {path, path + "/timeline"}) {
    const auto said = json_of(call(tom.id, "GET", where));
    EXPECT_TRUE(said.at("no_expert").as_bool()) << where;
    EXPECT_EQ(assigns(said), "nobody: no expert is on duty who may take it");
  }
  EXPECT_EQ(call(emil.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  keeper->tick();
  follow();
  const auto said = json_of(call(tom.id, "GET", path));
  EXPECT_FALSE(said.at("no_expert").as_bool());
  EXPECT_EQ(said.at("state").as_string(), "assigned");
  EXPECT_EQ(told(), (Told{{"emil@example.com", Waits::kCallBack}}));
}

// An expert goes, and nobody else is there: who asked sees it, and those who may come are told.
TEST_F(Reminding, WhereTheExpertHasGoneItIsToldAndGivenToWhoComes) {
  ASSERT_TRUE(book->set_address(emil.id, "emil@example.com", SetBy::kSession));
  const auto id = asked();
  EXPECT_EQ(told(), (Told{{"eve@example.com", Waits::kCallBack}}));
  EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", false}}).status, 200);
  ticks(1'000);
  follow();
  const auto shown = [&] { return json_of(call(tom.id, "GET", "/v1/requests/" + id)); };
  EXPECT_TRUE(shown().at("no_expert").as_bool());
  EXPECT_EQ(shown().at("state").as_string(), "assigned");
  EXPECT_EQ(told(),
            (Told{{"eve@example.com", Waits::kOffDuty}, {"emil@example.com", Waits::kOffDuty}}));
  EXPECT_EQ(call(emil.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  ticks(1'000);
  follow();
  EXPECT_FALSE(shown().at("no_expert").as_bool());
  EXPECT_EQ(told(), (Told{{"emil@example.com", Waits::kCallBack}}));
}

TEST_F(Reminding, WhereNobodyMayReleaseItAnyMoreTheOwnerIsTold) {
  const auto id = asked();
  verify(id);
  (void)told();
  for (const auto& one : {anna, abe})
    ASSERT_TRUE(change_roles(one, people::bit(people::Role::kAgent), {olga}));
  ticks(1'000);
  follow();
  EXPECT_EQ(told(), (Told{{"olga@example.com", Waits::kNoReleaser}}));
  const auto shown = json_of(call(tom.id, "GET", "/v1/requests/" + id));
  for (const auto& next : shown.at("next").as_array())
    if (next.at("step").as_string() == "release")
      EXPECT_EQ(next.at("who").as_string(), "nobody: there is no authorised person who may");
  EXPECT_TRUE(told().empty()) << "once";
}

TEST_F(Reminding, AServerThatDiesSendsTheSameOneAgainAndNoOther) {
  asked();
  const auto before = turn();
  ASSERT_EQ(before.size(), 1u);
  EXPECT_TRUE(turn().empty()) << "it is on its way";
  fresh_book();
  const auto after = turn();
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after[0].id, before[0].id) << "to the courier it is a repeat";
  EXPECT_TRUE(book->ended(after[0].id, DeliveryOutcome::kTaken, "taken"));
  fresh_book();
  EXPECT_TRUE(turn().empty()) << "sent, whoever asks";
  for (int i = 0; i < 3; ++i) {
    clock.advance_ms(kMinute);
    fresh_book();
    EXPECT_TRUE(turn().empty());
  }
}

TEST_F(Reminding, ACourierThatIsAwayOrFullIsAskedAgainAndWhatIsDoneIsNotTold) {
  const auto id = asked();
  auto letters = turn();
  ASSERT_EQ(letters.size(), 1u);
  book->later(letters[0].id, ReminderBook::kAgainMs);
  EXPECT_TRUE(turn().empty());
  clock.advance_ms(ReminderBook::kAgainMs);
  letters = turn();
  ASSERT_EQ(letters.size(), 1u);
  book->all_later();
  EXPECT_EQ(turn().size(), 1u);
  book->all_later();
  EXPECT_EQ(act_by(eve, {{"request", id}, {"kind", "ring"}}).status, 201);
  EXPECT_TRUE(turn().empty()) << "she rings already";
  EXPECT_EQ(rows("SELECT state FROM reminders WHERE state = 'moot'").size(), 1u);
}

TEST_F(Reminding, WhatFailsIsCountedAndNotSentForEver) {
  asked();
  const auto letters = turn();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_TRUE(book->ended(letters[0].id, DeliveryOutcome::kRefused, "smtp_550"));
  EXPECT_TRUE(turn().empty());
  const auto counts = *book->counts();
  EXPECT_EQ(counts.failed, 1);
  EXPECT_EQ(counts.failing, "smtp_550");
}

TEST_F(Reminding, WhoHasNoAddressIsCountedAndToldOnceThereIsOne) {
  ASSERT_TRUE(book->set_address(eve.id, "", SetBy::kSession));
  asked();
  EXPECT_TRUE(turn().empty());
  EXPECT_EQ(book->counts()->without_address, 1);
  ASSERT_TRUE(book->set_address(eve.id, "eve@example.org", SetBy::kSession));
  EXPECT_EQ(told(), (Told{{"eve@example.org", Waits::kCallBack}}));
  EXPECT_EQ(book->counts()->without_address, 0);
}

TEST_F(Reminding, WhatIsAboutToLapseIsTold) {
  asked();
  (void)told();
  clock.advance_ms(policy().policy.limits.ring_ms - kHour);
  EXPECT_EQ(told(),
            (Told{{"eve@example.com", Waits::kLapses}, {"tom@example.com", Waits::kLapses}}));
  EXPECT_TRUE(told().empty());
}

// A machine that was suspended, a wall clock that was set: the keeper knows nothing of it, and what
// is said of a request is what the keeper goes by.
TEST_F(Reminding, WhatIsDueGoesByTheKeepersTime) {
  const auto id = asked();
  (void)told();
  clock.jump_utc_ms(10 * policy().policy.limits.ring_ms);
  EXPECT_TRUE(told().empty()) << "for the keeper it does not lapse yet";
  fresh_book();
  EXPECT_TRUE(told().empty());
  clock.jump_utc_ms(-20 * policy().policy.limits.ring_ms);
  clock.advance_ms(policy().policy.limits.ring_ms - kHour);
  follow();
  const auto letters = turn();
  ASSERT_EQ(letters.size(), 2u);
  for (const auto& letter : letters) {
    EXPECT_EQ(letter.reminder.waits, Waits::kLapses);
    EXPECT_EQ(service.keepers_clock.wall_ms(letter.deadline), clock.utc_ms() + kHour)
        << "to a courier, which has the wall clock";
  }
  ASSERT_EQ(break_glass(id, anna).status, 201);
  EXPECT_EQ(alarms_of(olga), 1u);
  clock.jump_utc_ms(100 * 24 * kHour);
  EXPECT_EQ(alarms_of(olga), 1u);
}

TEST_F(Reminding, BreakGlassReachesTheOwnerAtOnceAndStandsUntilItIsOpened) {
  const auto id = asked();
  (void)told();
  EXPECT_EQ(alarms_of(olga), 0u);
  ASSERT_EQ(break_glass(id, anna).status, 201);
  const auto alarm = turn();
  ASSERT_EQ(alarm.size(), 2u);
  for (const auto& letter : alarm) {
    const bool owner = letter.address == "olga@example.com";
    EXPECT_EQ(letter.reminder.waits, owner ? Waits::kBroken : Waits::kSecond) << letter.address;
    EXPECT_EQ(letter.deadline - clock.utc_ms(),
              owner ? ReminderBook::kAlarmDeliverMs : ReminderBook::kDeliverMs);
    EXPECT_TRUE(book->ended(letter.id, DeliveryOutcome::kTaken, "taken"));
  }
  EXPECT_EQ(alarms_of(olga), 1u);
  EXPECT_EQ(call(anna.id, "GET", "/v1/own/alarms").status, 403) << "owners only";
  EXPECT_EQ(call(rita.id, "PUT", "/v1/own/alarms/" + id).status, 403);
  fresh_book();
  EXPECT_EQ(alarms_of(olga), 1u) << "a server that starts anew shows it still";
  EXPECT_EQ(call(olga.id, "PUT", "/v1/own/alarms/" + id).status, 204);
  EXPECT_EQ(alarms_of(olga), 0u);
  fresh_book();
  EXPECT_EQ(alarms_of(olga), 0u) << "seen is seen";
  clock.advance_ms(kMinute);
  ASSERT_EQ(break_glass(id, abe).status, 201);
  EXPECT_EQ(word_of(id), "open");
  EXPECT_EQ(alarms_of(olga), 1u) << "open is another one";
  EXPECT_EQ(told(),
            (Told{{"olga@example.com", Waits::kBroken}, {"tom@example.com", Waits::kOpened}}));
  EXPECT_EQ(call(olga.id, "PUT", "/v1/own/alarms/" + std::string(32, 'a')).status, 404);
}

TEST_F(Reminding, AnAddressIsOnesOwnToSetAndAnOwnersIsAnOwners) {
  const auto put = [&](const Someone& who, const std::string& target, const std::string& address) {
    return call(who.id, "PUT", target, {{"address", address}}).status;
  };
  const auto mail_of = [](const Someone& who) { return "/v1/people/" + who.id.hex() + "/mail"; };
  EXPECT_EQ(put(eve, "/v1/own/mail", "eve@new.example"), 200);
  EXPECT_EQ(*book->address_of(eve.id, false), "eve@new.example");
  ASSERT_EQ(appended.size(), 1u);
  EXPECT_EQ(appended[0].type, "mail_changed");
  EXPECT_EQ(appended[0].data.find("new.example"), std::string::npos);
  EXPECT_EQ(put(eve, "/v1/own/mail", "eve@new.example"), 200);
  EXPECT_EQ(appended.size(), 1u) << "nothing has changed";
  EXPECT_EQ(put(rita, mail_of(eve), "eve@other.example"), 200) << "the administrator";
  EXPECT_EQ(put(rita, mail_of(olga), "rita@evil.example"), 403) << "not an owner's alarms";
  EXPECT_EQ(call(rita.id, "GET", mail_of(olga)).status, 403);
  // An owner's takes the passkey: with a session alone nobody sends alarms elsewhere.
  EXPECT_EQ(put(olga, "/v1/own/mail", "olga@new.example"), 400);
  EXPECT_EQ(put(olga, mail_of(olga), "olga@new.example"), 400);
  const auto signed_by = [&](const Someone& signs, const char* act,
                             std::string_view of = "olga@new.example") -> boost::json::object {
    const auto asked = json_of(call(olga.id, "POST", "/v1/own/confirmation", {{"act", act}}));
    const auto nonce = *from_hex(asked.at("nonce").as_string());
    const auto challenge =
        crypto::sha256({as_bytes("CWS1 own act mail"), as_bytes(std::string_view("\0", 1)),
                        olga.id.bytes, nonce, crypto::sha256({olga.id.bytes, as_bytes(of)})});
    return {{"address", "olga@new.example"},
            {"signature", people::to_json(people::PersonSignature{
                              olga.id, signs.device->sign(people::test::kParty, challenge)})}};
  };
  EXPECT_EQ(call(olga.id, "PUT", "/v1/own/mail", signed_by(eve, "mail")).status, 403);
  EXPECT_EQ(
      call(olga.id, "PUT", "/v1/own/mail", signed_by(olga, "mail", "olga@other.example")).status,
      403)
      << "signed for another address";
  EXPECT_EQ(call(olga.id, "PUT", "/v1/own/mail", signed_by(olga, "codes")).status, 409)
      << "asked for something else";
  EXPECT_EQ(*book->address_of(olga.id, true), "olga@example.com");
  EXPECT_EQ(call(olga.id, "PUT", "/v1/own/mail", signed_by(olga, "mail")).status, 200);
  EXPECT_EQ(*book->address_of(olga.id, true), "olga@new.example");
  // One that lies there from before, and counts for nothing, goes with the word that takes it away.
  ASSERT_TRUE(book->set_address(olga.id, "rita@evil.example", SetBy::kSession));
  auto none = signed_by(olga, "mail", "");
  none["address"] = "";
  EXPECT_EQ(call(olga.id, "PUT", "/v1/own/mail", none).status, 200);
  EXPECT_EQ(*book->address_of(olga.id, false), "");
  EXPECT_EQ(put(anna, mail_of(eve), "anna@evil.example"), 403);
  EXPECT_EQ(call(anna.id, "GET", mail_of(eve)).status, 403);
  for (const auto& bad :
       std::vector<std::string>{"eve", "eve@example.com\r\nBcc: x@example.com", "a@b@c.example",
                                "<eve@example.com>", std::string(255, 'a')})
    EXPECT_EQ(put(eve, "/v1/own/mail", bad), 400) << bad;
  EXPECT_EQ(put(eve, "/v1/own/mail", ""), 200);
  EXPECT_EQ(*book->address_of(eve.id, false), "");
}

// What goes to the courier: nothing of a customer.
TEST_F(Reminding, ALetterHasNothingOfTheCustomer) {
  const auto id = asked();
  verify(id);
  for (const auto& letter : turn()) {
    EXPECT_EQ(letter.reminder.request.hex(), id);
    EXPECT_NE(letter.reminder.until, 0);
  }
  for (const auto& row : rows("SELECT id, request, person, state, reason FROM reminders"))
    for (std::size_t column = 0; column < 5; ++column)
      EXPECT_EQ(row.text(column).find(customer), std::string::npos);
}

TEST_F(Reminding, DryRunsAreOwnersAndAdministrators) {
  const std::string path = "/v1/system/retention/fields";
  for (const auto& who : {tom, eve, anna, max}) {
    EXPECT_EQ(call(who.id, "GET", path).status, 403);
    EXPECT_EQ(call(who.id, "POST", path + "/dry-runs").status, 403);
  }
  EXPECT_EQ(call(PersonId{}, "GET", path).status, 401);
  EXPECT_EQ(call(rita.id, "GET", path).status, 200);
  EXPECT_EQ(call(olga.id, "POST", path + "/dry-runs").status, 202);
  EXPECT_EQ(call(olga.id, "POST", path + "/dry-runs").status, 429) << "one at a time";
  keeper->tick();
  const auto counted = json_of(call(rita.id, "GET", path)).at("dry_run").as_object();
  EXPECT_EQ(counted.at("state").as_string(), "done");
  EXPECT_EQ(counted.at("customers").to_number<int>(), 1);
  auto text = vault::default_policy_text();
  EXPECT_EQ(
      call(rita.id, "POST", path + "/dry-runs", {{"policy", "[keep]\nsecret_hours = 99"}}).status,
      400);
  EXPECT_EQ(call(rita.id, "POST", path + "/dry-runs", {{"policy", 7}}).status, 400);
  text.replace(text.find("# reference_days = 365"), 22, "reference_days = 3000 ");
  const auto relaxed = call(rita.id, "POST", path + "/dry-runs", {{"policy", text}});
  ASSERT_EQ(relaxed.status, 202) << relaxed.body;
  EXPECT_EQ(json_of(relaxed).at("relaxes").as_array().size(), 1u);
}

// Through the server: an owner's, with what they were shown; nobody else's word is carried further.
TEST_F(Reminding, OnAStricterPolicyAnOwnerHasTheWord) {
  const std::string path = "/v1/system/retention/fields", word = path + "/confirmation";
  policy_text = std::string(kPolicy) + "[keep]\nreference_days = 30\ncontact_days = 3\n";
  boot();
  clock.advance_ms(61'000);
  keeper->tick();
  const auto at = json_of(call(olga.id, "GET", path));
  EXPECT_TRUE(at.at("waits").as_bool());
  EXPECT_EQ(at.at("in_force").at("reference_days").to_number<int>(), 365);
  disclose::OwnersWord said{.by = olga.id,
                            .customers = at.at("to_confirm").to_number<std::uint64_t>(),
                            .keep = {.reference_days = 30, .contact_days = 3}};
  std::ranges::copy(*from_hex(at.at("nonce").as_string()), said.nonce.begin());
  said.reason_hash = crypto::sha256(as_bytes("a reason"));
  const auto body = [&](const Someone& signer) -> boost::json::object {
    const people::PersonSignature signature{
        signer.id, signer.device->sign(people::test::kParty, disclose::hash_of(said))};
    return {{"customers", said.customers},
            {"keep", at.at("keep")},
            {"stop", at.at("stop")},
            {"nonce", at.at("nonce")},
            {"reason_hash", to_hex(said.reason_hash)},
            {"signature", people::to_json(signature)}};
  };
  for (const auto& who : {tom, eve, anna, max, rita})
    EXPECT_EQ(call(who.id, "POST", word, body(who)).status, 403);
  EXPECT_EQ(call(olga.id, "POST", word, body(max)).status, 403) << "signed by another";
  auto lacks = body(olga);
  lacks.erase("nonce");
  EXPECT_EQ(call(olga.id, "POST", word, lacks).status, 400);
  auto more = body(olga);
  more["customers"] = said.customers + 1;
  EXPECT_EQ(call(olga.id, "POST", word, more).status, 403) << "not what was signed";
  const auto taken = call(olga.id, "POST", word, body(olga));
  ASSERT_EQ(taken.status, 200) << taken.body;
  EXPECT_FALSE(json_of(taken).at("waits").as_bool());
  EXPECT_EQ(json_of(taken).at("in_force").at("reference_days").to_number<int>(), 30);
  EXPECT_EQ(call(olga.id, "POST", word, body(olga)).status, 409) << "nothing waits any more";
}

}  // namespace
}  // namespace callward::attack
