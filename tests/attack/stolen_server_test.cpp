// An administrator with everything that is the server's: its database, which they write as they
// like, its certificate's key, by which they hear every word of it, its link to the keeper, and
// whoever else is in it with them. Sessions are forged, roles, requests, records and passkeys
// written over; a field is not read.
#include "disclose/parts.hpp"
#include "vault_api_rig.hpp"

namespace callward::attack {
namespace {

using api::test::json_of;

const char* const kEmail = "Carla@Example.com";

std::string digest_of(const std::string& token) { return to_hex(crypto::sha256(as_bytes(token))); }

// The guards are the server's own: whose session it is, its tables say. A token is its person's id.
struct StolenServer : ::testing::Test, VaultRig {
  StolenServer() {
    router = std::make_unique<api::Router>(
        api::routes(service),
        api::Router::Guards{
            .session = [this](const std::string& t) { return roster.admit(persons.session(t)); },
            .look = [this](const std::string& t) { return roster.admit(persons.look(t)); },
            .operator_token = "the-operators-token",
            .refusals = &service.refusals});
    for (const auto* one : {&olga, &max, &tom, &eve, &emil, &anna, &abe, &rita}) forge(one->id);
    forge(agent());
    follow();
    customer = store_carla();
    EXPECT_EQ(call(eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  }
  void write(const std::string& sql, const std::vector<db::Value>& values = {}) {
    const auto written = database->execute(sql, values);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_GT(*written, 0) << "nothing was written by: " << sql;
  }
  // A row of theirs, and a session as if they had come with their passkey just now.
  void forge(const PersonId& who) {
    write("INSERT OR IGNORE INTO persons VALUES (?1, ?2, 0, NULL, 0)",
          {who.hex(), "p" + who.hex().substr(0, 8)});
    write(
        "INSERT INTO sessions (token, id, person, started_at, seen_at, came_by) VALUES "
        "(?1, ?2, ?3, ?4, ?4, 1)",
        {digest_of(who.hex()), "s" + who.hex(), who.hex(), clock.utc_ms()});
  }
  std::string open_request() {
    const auto id = ask_for(tom, customer, {"email"});
    keeper->tick();
    follow();
    open(id);
    return id;
  }
  std::string asked_request() {
    const auto id = ask_for(tom, customer, {"email"});
    keeper->tick();
    follow();
    return id;
  }
  boost::json::object breaking(const std::string& id) {
    return {{"request", id}, {"kind", "break"}, {"fields", boost::json::array{leaf.at("email")}}};
  }
  // The keeper took no step of it since: its own state, and nothing that was read.
  void expect_untouched(const std::string& id, const std::string& state) {
    EXPECT_EQ(state_word(*RequestId::parse(id)), state);
    EXPECT_EQ(log_types()["query_read"], 0);
    for (const auto& entry : entries())
      EXPECT_FALSE(entry.type == "disclosure_step" && entry.data.at("kind") == "view");
  }
  Someone thief_as(const Someone& who) { return {who.id, device}; }

  std::string customer;
  std::shared_ptr<people::test::Authenticator> device = fresh_device();
};

TEST_F(StolenServer, AForgedSessionIsNobodysPasskey) {
  const auto id = open_request();
  EXPECT_EQ(call(tom.id, "GET", "/v1/requests/" + id).status, 200) << "the server takes it";
  const auto mine = entropy.key();
  const auto key = *crypto::x25519_public(mine);
  // As the requester: by a passkey of one's own, and by none.
  EXPECT_EQ(see(thief_as(tom), id, mine).error().message, "403");
  const auto draft = call(tom.id, "POST", "/v1/request-drafts", viewing(id, key));
  ASSERT_EQ(draft.status, 200) << draft.body;
  const auto text = json_of(draft).at("step").as_string();
  for (const char* signature : {"", "{}", "null"})
    EXPECT_GE(call(tom.id, "POST", "/v1/request-steps", {{"step", text}, {"signature", signature}})
                  .status,
              400);
  // The browser's key, written where the server keeps those that passkeys have bound, and handed
  // to the keeper as it does after a restart.
  const auto at = office->now();
  const auto said = people::to_json(people::PersonSignature{
      tom.id, device->sign(people::test::kParty, keys::reader_challenge(tom.id, key, at, {}))});
  write(
      "INSERT INTO readers (key, person, at, passkey, signature, session) VALUES "
      "(?1, ?2, ?3, '', ?4, ?5)",
      {to_hex(key), tom.id.hex(), at, boost::json::serialize(said), "s" + tom.id.hex()});
  EXPECT_EQ(bind(thief_as(tom), key, at).error().code, Errc::kDenied);
  expect_untouched(id, "open");
  // As those who release, of another request; as the owner, who would make one of them.
  const auto other = asked_request();
  for (const auto& one : {anna, abe})
    EXPECT_EQ(act_by(thief_as(one), breaking(other), kWhy).status, 403);
  EXPECT_FALSE(
      change_roles(rita, people::bit(people::Role::kAuthorised), {thief_as(olga), thief_as(max)}));
  expect_untouched(other, "assigned");
  // The same by Tom's own hand opens it; what he signed is no good a second time.
  const auto toms = browser(tom);
  const auto view_text = std::string(
      json_of(call(tom.id, "POST", "/v1/request-drafts", viewing(id, *crypto::x25519_public(toms))))
          .at("step")
          .as_string());
  EXPECT_EQ(put_text(tom, view_text).status, 201);
  EXPECT_NE(put_text(tom, view_text).status, 201);
  EXPECT_EQ(*see(tom, id, toms), kEmail);
}

TEST_F(StolenServer, ARoleWrittenIntoTheDatabaseIsNone) {
  const auto id = asked_request();
  write("UPDATE persons SET roles = 511 WHERE id = ?1", {rita.id.hex()});
  EXPECT_EQ(act_by(rita, breaking(id), kWhy).status, 403) << "her passkey is her own, the role not";
  // Past the server, in its place.
  const auto field = static_cast<std::uint32_t>(leaf.at("email"));
  const Said said{.kind = "break", .fields = {field}, .words = kWhy};
  EXPECT_FALSE(act(*RequestId::parse(id), rita, said));
  const Said release{.kind = "release", .fields = {field}};
  EXPECT_FALSE(act(*RequestId::parse(id), rita, release));
  EXPECT_FALSE(ask(&Office::duty_put, keys::DutyPut{rita.id, true})) << "nor is she an expert";
  // The chart itself, in the server's copy: with it the server does not even come up.
  write(
      "UPDATE chart_changes SET entry = replace(entry, '\"roles\":\"administrator\"', "
      "'\"roles\":\"authorised\"') WHERE entry LIKE '%\"roles\":\"administrator\"%'");
  api::Roster again(*database, persons, people::test::kParty, {"/log", log_key, &vfs});
  EXPECT_FALSE(again.load());
  expect_untouched(id, "assigned");
}

TEST_F(StolenServer, ARequestThatTheDatabaseSaysIsOpenIsNot) {
  const auto good = open_request();
  const auto id = asked_request();
  // Every row that a request leaves in the tables, written over with those of one that is open.
  write("DELETE FROM customer_log WHERE subject = ?1", {id});
  write(
      "INSERT INTO customer_log SELECT ?1, entry, type, at, actor, replace(data, ?2, ?1) FROM "
      "customer_log WHERE subject = ?2",
      {id, good});
  write(
      "UPDATE requests SET (state, deadline, expert, released_by, second, folded, folded_to) = "
      "(SELECT state, deadline, expert, released_by, second, folded, folded_to FROM requests "
      "WHERE id = ?2) WHERE id = ?1",
      {id, good});
  // Tom is in it with them: his own passkey, his own key.
  const auto key = browser(tom);
  const auto refused = see(tom, id, key);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "409");
  const auto field = static_cast<std::uint32_t>(leaf.at("email"));
  const auto row = rows("SELECT record FROM customer_records WHERE field = 'email'");
  ASSERT_EQ(row.size(), 1u);
  const Said said{.kind = "view",
                  .fields = {field},
                  .reader = *crypto::x25519_public(key),
                  .record = {field, row[0].blob(0)}};
  EXPECT_FALSE(act(*RequestId::parse(id), tom, said)) << "asked of the keeper itself";
  expect_untouched(id, "assigned");
  EXPECT_EQ(*see(tom, good, key), kEmail) << "which it would, of one that is";
}

TEST_F(StolenServer, RecordsPutInEachOthersPlaceOpenNothing) {
  const auto carlas = leaf;
  const auto stored = call(
      agent(), "POST", "/v1/intakes",
      intake_body({{"name", "Dora"}, {"phone", "(650) 253-0001"}, {"email", "dora@d.example"}}));
  ASSERT_EQ(stored.status, 201) << stored.body;
  const auto dora = std::string(json_of(stored).at("customer").as_string());
  const auto id = open_request();
  const auto key = browser(tom);
  const auto carlas_own = rows("SELECT record FROM customer_records WHERE customer = '" + customer +
                               "' AND field = 'email'")[0]
                              .blob(0);
  const auto put_there = [&](const std::string& of, const std::string& field) {
    write(
        "UPDATE customer_records SET record = (SELECT record FROM customer_records WHERE "
        "customer = ?2 AND field = ?3) WHERE customer = ?1 AND field = 'email'",
        {customer, of, field});
  };
  for (const auto& [of, field] :
       {std::pair{dora, "email"}, {dora, "name"}, {customer, "phone"}, {customer, "query"}}) {
    put_there(of, field);
    EXPECT_FALSE(see(tom, id, key)) << field << " of " << of;
  }
  // Whose the row is, exchanged: the other's field at the leaf that was released.
  write("UPDATE customer_records SET record = ?2 WHERE customer = ?1 AND field = 'email'",
        {dora, carlas_own});
  EXPECT_FALSE(see(tom, id, key));
  expect_untouched(id, "open");
  write("UPDATE customer_records SET record = ?2 WHERE customer = ?1 AND field = 'email'",
        {customer, carlas_own});
  EXPECT_EQ(*see(tom, id, key), kEmail);
}

TEST_F(StolenServer, APasskeyWrittenOverAnothersSignsNothing) {
  const auto id = asked_request();
  const auto before = rows(
      "SELECT number, entry FROM chart_changes WHERE entry LIKE '%first_key%' "
      "AND entry LIKE '%" +
      anna.id.hex() + "%'");
  ASSERT_EQ(before.size(), 1u);
  // The server's copy names the thief's key for Anna's, and all is signed with it that can be.
  auto entry = boost::json::parse(before[0].text(1)).as_object();
  people::Change first = *people::change_from_json(entry.at("data").as_object());
  first.key = key_of(*device);
  people::SignedChange whole{
      first, {{anna.id, device->sign(people::test::kParty, *people::hash_of(first))}}};
  entry.at("data") = people::to_json(first);
  write("UPDATE chart_changes SET entry = ?2 WHERE number = ?1",
        {before[0].number(0), boost::json::serialize(entry)});
  api::Roster again(*database, persons, people::test::kParty, {"/log", log_key, &vfs});
  EXPECT_FALSE(again.load());
  EXPECT_FALSE(put_change(whole)) << "the keeper has Anna's first key already";
  auto replaced = change(people::ChangeKind::kKeyReplaced, anna.id);
  replaced.key = key_of(*device);
  EXPECT_FALSE(put_change(signed_by(replaced, {thief_as(anna)})));
  EXPECT_FALSE(put_change(signed_by(replaced, {thief_as(olga), thief_as(max)})));
  for (const auto& one : {anna, abe})
    EXPECT_EQ(act_by(thief_as(one), breaking(id), kWhy).status, 403);
  expect_untouched(id, "assigned");
  EXPECT_EQ(act_by(anna, breaking(id), kWhy).status, 201) << "her own does";
}

TEST_F(StolenServer, WhoSpeaksToTheKeeperInItsPlaceReadsNothing) {
  const auto id = *RequestId::parse(open_request());
  const auto mine = entropy.key();
  const auto key = *crypto::x25519_public(mine);
  const auto field = [&](const std::string& name) {
    const auto found = rows("SELECT record FROM customer_records WHERE field = '" + name + "'");
    return keys::FieldRecord{static_cast<std::uint32_t>(leaf.at(name)), found.at(0).blob(0)};
  };
  const auto of = *CustomerId::parse(customer);
  // The query of a case that is Tom's, the words of a request, to a key that no passkey bound.
  for (const auto& who : {tom.id, rita.id, anna.id, olga.id}) {
    EXPECT_EQ(
        ask(&Office::read_query, keys::ReadQuery{of, 1, who, key, field("query")}).error().code,
        Errc::kDenied);
    const auto words = rows("SELECT record FROM customer_records WHERE number = 1 AND request = '" +
                            id.hex() + "'");
    ASSERT_EQ(words.size(), 1u);
    EXPECT_FALSE(ask(&Office::read_words, keys::ReadWords{id, 1, who, key, {0, words[0].blob(0)}}));
  }
  // The administrator's own bound key: their role is not the one that reads.
  const auto own = browser(rita);
  const auto own_key = *crypto::x25519_public(own);
  EXPECT_FALSE(ask(&Office::read_query, keys::ReadQuery{of, 1, rita.id, own_key, field("query")}));
  EXPECT_FALSE(ask(&Office::read_query, keys::ReadQuery{of, 1, tom.id, own_key, field("query")}));
  EXPECT_FALSE(ask(
      &Office::assign_case,
      keys::AssignCase{.customer = of, .of_case = 1, .technician = rita.id, .actor = max.id.hex()}))
      << "nor is the case given to who is no technician";
  expect_untouched(id.hex(), "open");
  // The same, asked by who may.
  const auto toms = browser(tom);
  EXPECT_TRUE(ask(&Office::read_query,
                  keys::ReadQuery{of, 1, tom.id, *crypto::x25519_public(toms), field("query")}));
}

// Look-ups tell who has a value, to whoever has a session; and whoever has the server seals guesses
// of their own, in everybody's name: so many a day, in all.
TEST_F(StolenServer, WhatItSealsItselfFindsFew) {
  const std::vector<PersonId> names = {olga.id, max.id,  tom.id, eve.id,
                                       emil.id, anna.id, abe.id, agent()};
  const auto guess = [&](const PersonId& who) {
    const auto actor = who.hex();
    return ask(&Office::look_up,
               keys::LookUp{actor, "phone", seal("+16502530001", "find", {actor, "phone"})});
  };
  std::map<PersonId, std::size_t> answered;
  std::size_t all = 0;
  const auto a_day_of = [&](const std::vector<PersonId>& who, int hours) {
    for (int minute = 0; minute < hours * 60; ++minute, clock.advance_ms(60'000))
      for (const auto& one : who)
        for (std::size_t i = 0; i < Office::kLookUpsPerMinute; ++i) {
          const auto found = guess(one);
          if (!found) {
            EXPECT_EQ(found.error().code, Errc::kFull);
            break;
          }
          ++answered[one];
          ++all;
        }
  };
  a_day_of({tom.id}, 1);
  EXPECT_EQ(answered[tom.id], disclose::kLookUpsPerDay);
  EXPECT_TRUE(guess(max.id)) << "another's are not spent";
  ++all;
  clock.advance_ms(60'000);
  a_day_of(names, 1);
  EXPECT_EQ(all, disclose::look_ups_per_day(office->chart()));
  EXPECT_EQ(all, disclose::kLookUpsPerDayAllMin) << "of so few people";
  for (const auto& [who, times] : answered) EXPECT_LE(times, disclose::kLookUpsPerDay);
  EXPECT_EQ(guess(agent()).error().code, Errc::kFull);
  clock.advance_ms(Office::kLookUpDayMs - 3 * 3'600'000);
  EXPECT_FALSE(guess(max.id)) << "not a day later";
  clock.advance_ms(3 * 3'600'000);
  EXPECT_TRUE(guess(max.id)) << "a day later";
  for (const auto& found : judge(entries()).findings)
    EXPECT_NE(found.rule->name, "looked-up-within-bounds") << found.what;
}

// With the certificate's key every byte between the browsers and the server is heard.
TEST_F(StolenServer, NothingThatCrossesTheWireIsAValue) {
  const auto id = open_request();
  EXPECT_EQ(*see(tom, id, browser(tom)), kEmail);
  EXPECT_GT(wire.size(), 5'000u);
  EXPECT_NE(wire.find(id), std::string::npos) << "it is the wire of this";
  for (const char* value : {"Carla", "carla", "Muster", "6502530", "2530000", "xample.com",
                            "sunshine", "Heron", "heron", "No picture", "router was replaced"})
    EXPECT_EQ(wire.find(value), std::string::npos) << value;
}

}  // namespace
}  // namespace callward::attack
