// Customers and disclosures through the server's HTTP, with the real office behind it: what goes
// well, and everything that must not.
#include "api/receipt.hpp"
#include "vault_api_rig.hpp"

namespace callward::attack {
namespace {

using api::test::header_of;
using api::test::json_of;

const char* const kNobodys = "00000000000000000000000000000077";

std::string text_of(const boost::json::object& json, const char* name) {
  return std::string(json.at(name).as_string());
}

TEST(VaultApi, ADisclosureFromTheIntakeToTheReview) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  EXPECT_EQ(rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  const auto id = rig.ask_for(rig.tom, customer, {"email"});
  rig.keeper->tick();
  rig.follow();
  rig.open(id);
  // Only who asked sees it, with a key that their passkey signed.
  const auto key = rig.browser(rig.tom);
  const auto seen = rig.see(rig.tom, id, key);
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(*seen, "Carla@Example.com");
  EXPECT_EQ(rig.act_by(rig.tom, {{"request", id}, {"kind", "end"}}).status, 201);
  EXPECT_EQ(rig.act_by(rig.max, {{"request", id}, {"kind", "review"}}, kWhy).status, 201);
  EXPECT_EQ(rig.word_of(id), "reviewed");  // from the copy: the keeper is done with it
}

// A customer rings and asks what is kept of them: the same verification, and no way to a value.
TEST(VaultApi, WhoAsksWhatIsKeptOfThemGetsAReceiptAndNothingElse) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  EXPECT_EQ(rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  const auto own = [&](boost::json::array fields) {
    return rig.act_by(rig.ada,
                      {{"kind", "ask"},
                       {"customer", customer},
                       {"case", 1},
                       {"category", "own_data"},
                       {"fields", std::move(fields)}},
                      kConcern);
  };
  EXPECT_EQ(own({rig.leaf.at("email")}).status, 400) << "a field slips in";
  const auto asked = own({});
  ASSERT_EQ(asked.status, 201) << asked.body;
  const auto id = std::string(json_of(asked).at("request").as_string());
  const auto path = "/v1/requests/" + id;
  EXPECT_EQ(rig.call(rig.ada.id, "GET", path + "/receipt").status, 409) << "nobody was called yet";
  const boost::json::object opens{
      {"request", id}, {"kind", "break"}, {"fields", boost::json::array{rig.leaf.at("email")}}};
  EXPECT_EQ(rig.act_by(rig.anna, opens, "Somebody's life is at stake now").status, 409);

  EXPECT_EQ(rig.act_by(rig.eve, {{"request", id}, {"kind", "ring"}}).status, 201);
  rig.talk();
  const auto needed = [&] {
    const auto running = json_of(rig.call(rig.eve.id, "GET", path)).at("running").as_object();
    return running.at("checks_needed").to_number<int>();
  };
  EXPECT_EQ(needed(), 2) << "the number is an old one, while they talk too";
  EXPECT_EQ(rig.check_by(rig.eve, id, "service_word", "blue  heron").status, 200);
  rig.hang_up();
  EXPECT_EQ(rig.act_by(rig.eve, {{"request", id}, {"kind", "pass"}}, kVerdict).status, 403)
      << "the same verification: one check is too few";
  EXPECT_EQ(rig.check_by(rig.eve, id, "name", "carla muster").status, 200);
  EXPECT_EQ(needed(), 2);
  const auto passed = rig.act_by(rig.eve, {{"request", id}, {"kind", "pass"}}, kVerdict);
  ASSERT_EQ(passed.status, 201) << passed.body;
  EXPECT_EQ(rig.word_of(id), "confirmed");

  const auto given = rig.call(rig.ada.id, "GET", path + "/receipt");
  ASSERT_EQ(given.status, 200) << given.body;
  ASSERT_FALSE(rig.appended.empty());
  EXPECT_EQ(rig.appended.back().type, "receipt_given");
  EXPECT_EQ(rig.appended.back().subject, id);
  EXPECT_EQ(given.body.find("arla"), std::string::npos) << "no value";
  EXPECT_EQ(json_of(given).at("kept").as_array().size(), 6u);
  const auto text = rig.call(rig.ada.id, "GET", path + "/receipt?format=text");
  EXPECT_EQ(text.status, 200);
  EXPECT_NE(text.body.find("Erasing what is stored of a\n  customer leaves them"),
            std::string::npos)
      << "of a recorded call it is said that it stays";
  for (const auto& other : {rig.eve, rig.anna, rig.max})
    EXPECT_EQ(rig.call(other.id, "GET", path + "/receipt").status, 403)
        << "who asked hands it over";
  EXPECT_EQ(rig.call(rig.tom.id, "GET", path + "/receipt").status, 404) << "another's request";
  const boost::json::object release{
      {"request", id}, {"kind", "release"}, {"fields", boost::json::array{rig.leaf.at("email")}}};
  EXPECT_EQ(rig.act_by(rig.anna, release).status, 409) << "nothing opens";
  const boost::json::object view{
      {"request", id},
      {"kind", "view"},
      {"fields", boost::json::array{rig.leaf.at("email")}},
      {"reader_key", to_hex(*crypto::x25519_public(rig.browser(rig.ada)))}};
  EXPECT_EQ(rig.act_by(rig.ada, view).status, 409);

  rig.ticks(rig.policy().policy.limits.window_ms);
  rig.follow();
  EXPECT_EQ(rig.call(rig.ada.id, "GET", path + "/receipt").status, 409) << "its time is over";
  EXPECT_EQ(rig.word_of(id), "expired");
  EXPECT_EQ(rig.act_by(rig.olga, {{"request", id}, {"kind", "review"}}, kWhy).status, 201);
}

// What two released while the number was young stays what two released, whatever the policy says
// by now; and a list has the others where one cannot be read at all.
TEST(VaultApi, ARequestIsReadByTheLimitsOfThenAndOneThatIsNotTakesNoListDown) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  EXPECT_EQ(rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}}).status, 200);
  EXPECT_EQ(rig.call(rig.agent(), "POST", "/v1/intakes",
                     rig.intake_body({{"phone", "(650) 253-0009"}}, customer, 1))
                .status,
            201);
  const auto id = rig.ask_for(rig.tom, customer, {"email"});
  rig.keeper->tick();
  rig.follow();
  rig.leaf["phone"] += 6;
  rig.open(id);
  const auto second = rig.rows("SELECT second FROM requests WHERE id = '" + id + "'");
  ASSERT_EQ(second.at(0).text(0), rig.abe.id.hex()) << "two have released it";
  rig.service.policy.limits.number_days_young = 0;
  ASSERT_TRUE(rig.database->execute("UPDATE requests SET folded = x''"));
  EXPECT_EQ(rig.word_of(id), "open") << "by the limits of then";
  const auto listed = [&] {
    const auto all = rig.call(rig.olga.id, "GET", "/v1/requests?view=all");
    EXPECT_EQ(all.status, 200) << all.body;
    return json_of(all).at("requests").as_array();
  };
  ASSERT_EQ(listed().size(), 1u);
  ASSERT_TRUE(rig.database->execute("DELETE FROM customer_log WHERE subject = '-'"));
  ASSERT_TRUE(
      rig.database->execute("UPDATE customer_log SET data = '{}' WHERE type = 'disclosure_step'"));
  ASSERT_EQ(listed().size(), 1u) << "it was folded anew, and is not once more";
  ASSERT_TRUE(rig.database->execute("UPDATE requests SET folded = x''"));
  ASSERT_EQ(listed().size(), 1u) << "as it stood last";
  EXPECT_EQ(listed()[0].at("state"), "open");
  EXPECT_EQ(rig.call(rig.max.id, "GET", "/v1/customers/" + customer + "/receipt").status, 200);
}

// The log is read anew, beside steps that were read before: each by the limits of then, which are
// in a later part of the log than the request's beginning.
TEST(VaultApi, WhatIsReadAnewIsReadByTheLimitsOfThen) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  (void)rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}});
  const auto all = rig.entries();
  const auto first = std::ranges::find(all, "policy_in_force", &audit::Entry::type);
  ASSERT_NE(first, all.end());
  const auto state = [&](audit::Entry policy, std::int64_t window_ms) {
    policy.data["limits"].as_array()[4] = window_ms;
    ASSERT_TRUE(rig.log->stage(policy));
    ASSERT_TRUE(rig.log->commit());
  };
  const auto window_ms = first->data.at("limits").as_array()[4].to_number<std::int64_t>();
  state(*first, window_ms / 3);
  const auto id = rig.ask_for(rig.tom, customer, {"email"});
  rig.keeper->tick();
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(rig.log->stage({.type = "looked_up",
                                .actor = rig.tom.id.hex(),
                                .subject = "-",
                                .at = rig.clock.utc_ms(),
                                .data = {{"field", "name"}, {"found", 0}}}));
  state(*first, window_ms);
  rig.follow();
  rig.open(id);
  const auto until = [&] {
    return json_of(rig.call(rig.olga.id, "GET", "/v1/requests/" + id)).at("until");
  };
  const auto before = until();
  EXPECT_EQ(before, rig.state(*RequestId::parse(id)).at("until"));
  for (const char* statement :
       {"DELETE FROM log_read WHERE what = 'customers'",
        "DELETE FROM customer_log WHERE subject = '-'", "UPDATE requests SET folded = x''"})
    ASSERT_TRUE(rig.database->execute(statement));
  rig.follow();
  EXPECT_EQ(until(), before);
}

// No answer, list, time-line, receipt, event or row of the database holds a value.
TEST(VaultApi, NothingThatTheServerKeepsOrSaysHoldsAValue) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  (void)rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}});
  const auto id = rig.ask_for(rig.tom, customer, {"email"});
  rig.follow();
  std::string all;
  for (const auto& target : {"/v1/customers/" + customer, "/v1/customers/" + customer + "/receipt",
                             "/v1/customers/" + customer + "/receipt?format=text",
                             std::string("/v1/cases"), std::string("/v1/requests?view=all"),
                             "/v1/requests/" + id, "/v1/requests/" + id + "/timeline"}) {
    const auto answer = rig.call(rig.olga.id, "GET", target);
    EXPECT_EQ(answer.status, 200) << target << answer.body;
    all += answer.body;
  }
  for (const auto& row : rig.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")) {
    const auto rows = rig.database->query("SELECT * FROM " + row.text(0));
    ASSERT_TRUE(rows);
    for (const auto& one : *rows)
      for (std::size_t i = 0; i < 9; ++i) all += one.text(i) + std::string(as_text(one.blob(i)));
  }
  for (const auto& event : rig.events.after(0)) all += event.data;
  EXPECT_GT(all.size(), 4'000u);
  for (const char* value : {"Carla", "Muster", "6502530", "2530000", "Example.com", "sunshine",
                            "Heron", "heron", "No picture", "router was replaced"})
    EXPECT_EQ(all.find(value), std::string::npos) << value;
}

TEST(VaultApi, AnotherPersonsRequestIsNotThere) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  (void)rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}});
  const auto id = rig.ask_for(rig.tom, customer, {"email"});
  rig.follow();
  const auto ada = rig.agent();
  // Emil is an expert, and not its expert; Ada an agent who has nothing to do with it.
  for (const auto& who : {rig.emil.id, ada}) {
    EXPECT_EQ(rig.call(who, "GET", "/v1/requests/" + id).status, 404);
    EXPECT_EQ(rig.call(who, "GET", "/v1/requests/" + id + "/timeline").status, 404);
    EXPECT_EQ(
        rig.call(who, "POST", "/v1/request-drafts", {{"request", id}, {"kind", "withdraw"}}).status,
        404);
    EXPECT_EQ(rig.call(who, "POST", "/v1/requests/" + id + "/words/1/openings",
                       {{"reader_key", to_base64(Bytes(32, 1))}})
                  .status,
              404);
    EXPECT_EQ(json_of(rig.call(who, "GET", "/v1/requests")).at("requests").as_array().size(), 0u);
  }
  EXPECT_EQ(rig.check_by(rig.emil, id, "name", "carla muster").status, 404);
  EXPECT_EQ(rig.call(rig.emil.id, "POST", "/v1/requests/" + id + "/codes",
                     {{"leaf", rig.leaf.at("email")}})
                .status,
            404);
  // Tom sees his own, and does no other's part of it.
  EXPECT_EQ(rig.call(rig.tom.id, "GET", "/v1/requests/" + id).status, 200);
  EXPECT_EQ(rig.check_by(rig.tom, id, "name", "carla muster").status, 403);
  EXPECT_EQ(rig.call(rig.tom.id, "GET", "/v1/requests?view=verify").status, 403);
  EXPECT_EQ(rig.call(rig.tom.id, "GET", "/v1/requests?view=all").status, 403);
  EXPECT_EQ(rig.call(rig.anna.id, "GET", std::string("/v1/requests/") + kNobodys).status, 404);
}

// What somebody else has drafted, or signed, is put by nobody but them.
TEST(VaultApi, AStepIsPutByWhoSignedIt) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  (void)rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}});
  const auto id = rig.ask_for(rig.tom, customer, {"email"});
  rig.follow();
  const auto drafted =
      rig.call(rig.tom.id, "POST", "/v1/request-drafts", {{"request", id}, {"kind", "withdraw"}});
  ASSERT_EQ(drafted.status, 200) << drafted.body;
  const auto text = text_of(json_of(drafted), "step");
  const auto step = *disclose::step_from_json(boost::json::parse(text).as_object());
  const auto body = [&](const Someone& signer, const PersonId& named) -> boost::json::object {
    const people::PersonSignature signature{
        named, signer.device->sign(people::test::kParty, *disclose::hash_of(step))};
    return {{"step", text}, {"signature", boost::json::serialize(people::to_json(signature))}};
  };
  // Tom's own signed step in Anna's session; Anna's signature under Tom's step in his session.
  EXPECT_EQ(rig.call(rig.anna.id, "POST", "/v1/request-steps", body(rig.tom, rig.tom.id)).status,
            403);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", "/v1/request-steps", body(rig.anna, rig.tom.id)).status,
            403);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", "/v1/request-steps", body(rig.anna, rig.anna.id)).status,
            403);
  const auto mine = body(rig.tom, rig.tom.id);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", "/v1/request-steps", mine).status, 201);
  rig.keeper->tick();
  rig.follow();
  EXPECT_NE(rig.call(rig.tom.id, "POST", "/v1/request-steps", mine).status, 201);  // a second time
  EXPECT_EQ(rig.word_of(id), "withdrawn");
}

TEST(VaultApi, AnotherCustomersRecordIsOfNoUse) {
  VaultRig rig;
  rig.store_carla();
  const auto first = rig.leaf;
  const auto other = rig.call(rig.agent(), "POST", "/v1/intakes",
                              rig.intake_body({{"name", "Dora"}, {"phone", "(650) 253-0001"}}));
  ASSERT_EQ(other.status, 201) << other.body;
  const auto dora = text_of(json_of(other), "customer");
  const auto base = "/v1/customers/" + dora;
  // Tom has no part in either: not there, whichever of its parts is asked for.
  EXPECT_EQ(rig.call(rig.tom.id, "GET", base).status, 404);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", base + "/cases/1/closure").status, 404);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", base + "/cases/1/forms", {{"field", "email"}}).status,
            404);
  EXPECT_EQ(
      rig.call(rig.tom.id, "POST", base + "/fields/0/erasure", {{"reason", "why not"}}).status,
      404);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", base + "/cases/1/query-openings",
                     {{"reader_key", to_base64(Bytes(32, 1))}})
                .status,
            404);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", "/v1/intakes",
                     rig.intake_body({{"email", "x@example.com"}}, dora, 1))
                .status,
            404);
  EXPECT_EQ(rig.call(rig.eve.id, "GET", base).status, 404);
  EXPECT_EQ(rig.call(rig.anna.id, "GET", base + "/receipt").status, 404);
  EXPECT_EQ(rig.call(rig.olga.id, "GET", std::string("/v1/customers/") + kNobodys).status, 404);
  EXPECT_EQ(rig.call(rig.olga.id, "GET", "/v1/customers/..").status, 404);
  // A request of the one cannot name the other's case or fields that it does not have.
  EXPECT_EQ(rig.call(rig.agent(), "POST", base + "/cases/7/forms", {{"field", "email"}}).status,
            404);
}

TEST(VaultApi, ATechnicianReadsTheQueryOfTheirOwnOpenCase) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  const auto base = "/v1/customers/" + customer;
  const auto key = rig.browser(rig.tom);
  const boost::json::object ask{{"reader_key", to_base64(*crypto::x25519_public(key))}};
  EXPECT_EQ(rig.call(rig.tom.id, "POST", base + "/cases/1/query-openings", ask).status, 404);
  EXPECT_EQ(rig.call(rig.agent(), "POST", base + "/cases/1/technician",
                     {{"technician", rig.tom.id.hex()}})
                .status,
            204);
  const auto read = rig.call(rig.tom.id, "POST", base + "/cases/1/query-openings", ask);
  ASSERT_EQ(read.status, 201) << read.body;
  EXPECT_EQ(read.body.find("No picture"), std::string::npos);
  EXPECT_EQ(json_of(read).at("leaf").to_number<std::int64_t>(), rig.leaf.at("query"));
  const auto mine = json_of(rig.call(rig.tom.id, "GET", "/v1/cases"));
  EXPECT_EQ(mine.at("cases").as_array().size(), 1u);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", base + "/cases/1/closure").status, 204);
  EXPECT_EQ(rig.call(rig.tom.id, "POST", base + "/cases/1/query-openings", ask).status, 404);
}

TEST(VaultApi, WhatIsErasedIsNotKept) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  const auto count = [&] { return rig.database->query("SELECT 1 FROM customer_records")->size(); };
  const auto before = count();
  EXPECT_EQ(before, 5u);  // of a service word there is nothing to keep
  const auto base = "/v1/customers/" + customer;
  const auto path = base + "/fields/" + std::to_string(rig.leaf.at("email")) + "/erasure";
  const auto erased = rig.call(rig.agent(), "POST", path, {{"reason", "the customer's wish"}});
  ASSERT_EQ(erased.status, 202) << erased.body;
  rig.ticks(1'000);
  rig.follow();
  EXPECT_EQ(count(), before - 1);
  // All of it takes two: the same one twice is one.
  const auto all = [&](const Someone& who) {
    return rig.call(who.id, "POST", base + "/erasure", {{"reason", "the customer's wish"}});
  };
  EXPECT_EQ(text_of(json_of(all(rig.max)), "outcome"), "held");
  EXPECT_EQ(text_of(json_of(all(rig.max)), "outcome"), "held");
  EXPECT_EQ(text_of(json_of(all(rig.olga)), "outcome"), "accepted");
  rig.ticks(1'000);
  rig.follow();
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(rig.call(rig.max.id, "GET", base).status, 404);
  // And there is a receipt for it.
  const auto receipt = json_of(rig.call(rig.max.id, "GET", base + "/receipt"));
  EXPECT_EQ(receipt.at("kept").as_array().size(), 0u);
  EXPECT_GE(receipt.at("erased").as_array().size(), 5u);
  for (const auto& one : receipt.at("erased").as_array())
    EXPECT_GT(one.at("done_at").to_number<std::int64_t>(), 0);
  EXPECT_EQ(rig.call(rig.anna.id, "GET", base + "/receipt").status, 404)
      << "nobody may be asked to release it any more: it is for who leads";
}

// Whoever does one thing very often pushes nothing else out, and is not silently cut.
TEST(VaultApi, AReceiptLacksNothingBecauseOfMuchThatWasDone) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  rig.follow();
  const auto path = "/v1/customers/" + customer + "/receipt";
  const auto many = [&](const char* type, std::int64_t from) {
    ASSERT_TRUE(rig.database->execute(
        "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + 20000) "
        "INSERT INTO customer_log SELECT ?2, i, ?3, 5, 'somebody', '{\"leaf\":1}' FROM n",
        {from, customer, std::string(type)}));
  };
  const auto last = [&](const char* type, std::int64_t at) {
    ASSERT_TRUE(rig.database->execute(
        "INSERT INTO customer_log VALUES (?2, ?1, ?3, 6, 'the last', ?4)",
        {at, customer, std::string(type),
         std::string(R"({"leaf":1,"order":"o","fields":[[1,"correction"]]})")}));
  };
  many("case_assigned", 1'000'000);
  last("query_read", 1'100'000);
  auto receipt = json_of(rig.call(rig.max.id, "GET", path));
  ASSERT_EQ(receipt.at("read").as_array().size(), 1u);
  EXPECT_TRUE(receipt.at("whole").as_bool());
  many("query_read", 1'200'000);
  last("fields_erase_intended", 1'300'000);
  receipt = json_of(rig.call(rig.max.id, "GET", path));
  EXPECT_EQ(receipt.at("erased").as_array().size(), 1u) << "reading pushes no erasure out";
  EXPECT_FALSE(receipt.at("whole").as_bool());
  const auto text = rig.call(rig.max.id, "GET", path + "?format=text").body;
  EXPECT_NE(text.find("not whole"), std::string::npos);
}

// A receipt is of recordings, too: what was erased of a customer's calls, also before anything was
// typed in them, and who had keys of them; of nobody else's call, and of calls of before, when the
// log is read anew.
TEST(VaultApi, AReceiptSaysWhatOfTheCallsWasErasedAndWhoHeardThem) {
  VaultRig rig;
  const auto ada = rig.agent();
  rig.give_extension(rig.ada, "311");
  ASSERT_TRUE(
      rig.change_roles(rig.rita, people::bit(people::Role::kReviewer), {rig.olga, rig.max}));
  const auto call = rig.begin(OfficeRig::call_data("")), other = rig.begin("{}");
  ASSERT_TRUE(rig.at_telephone(call, "311"));
  const auto erase = [&](const CallId& of, std::uint8_t stream, std::uint32_t first,
                         std::uint32_t end, const char* reason) {
    Answer<keys::OrderAccepted> ordered;
    rig.keeper->erase_order(
        {OrderId::random(rig.entropy), of, {{stream, first, end}}, reason, "listener"}, true,
        ordered.reply());
    rig.round();
    rig.ticks(1'000);
  };
  rig.ticks(60'000);  // half a minute and more of each side: the listener's share of it
  erase(call, 0, 22, 25, "pin");
  erase(other, 0, 21, 24, "password");
  rig.follow();
  rig.service.live_calls.begin({call, "311", 5});
  rig.service.extension_of = [&](const PersonId& who) { return who == ada ? "311" : ""; };
  const auto stored = json_of(rig.call(
      ada, "POST", "/v1/intakes", rig.intake_body({{"name", "E"}, {"phone", "(650) 253-0004"}})));
  ASSERT_EQ(text_of(stored, "call"), call.hex());
  erase(call, 1, 27, 29, "typed_secret");
  const auto hers = rig.browser(rig.rita);
  const auto hears = [&](const CallId& of) {
    EXPECT_TRUE(rig.open_record(of, rig.words_of(of), rig.rita.id.hex(), hers));
  };
  hears(call);
  hears(other);
  hears(call);
  rig.ticks(40 * 60'000);
  hears(call);
  const auto path = "/v1/customers/" + text_of(stored, "customer") + "/receipt";
  const auto check = [&] {
    rig.follow();
    const auto receipt = json_of(rig.call(rig.max.id, "GET", path));
    ASSERT_EQ(receipt.at("recorded").as_array().size(), 1u);
    const auto& cut = receipt.at("erased_sound").as_array();
    ASSERT_EQ(cut.size(), 2u) << receipt;
    const auto is = [&](const auto& one, const char* stream, int from, int to, const char* reason) {
      EXPECT_EQ(text_of(one.as_object(), "call"), call.hex());
      EXPECT_EQ(text_of(one.as_object(), "stream"), stream);
      EXPECT_EQ(text_of(one.as_object(), "reason"), reason);
      EXPECT_EQ(one.at("from_ms"), from);
      EXPECT_EQ(one.at("to_ms"), to);
      EXPECT_GE(one.at("done_at").template to_number<std::int64_t>(),
                one.at("intended_at").template to_number<std::int64_t>());
    };
    is(cut[0], "customer", 2'200, 2'500, "pin");
    is(cut[1], "agent", 2'700, 2'900, "typed_secret");
    const auto& heard = receipt.at("heard").as_array();
    ASSERT_EQ(heard.size(), 2u) << "what lies close together is one";
    for (const auto& one : heard) {
      EXPECT_EQ(text_of(one.as_object(), "call"), call.hex());
      EXPECT_EQ(text_of(one.as_object(), "by"), rig.rita.id.hex());
      EXPECT_EQ(one.at("what"), (boost::json::array{"read"}));
    }
    const auto text = rig.call(rig.max.id, "GET", path + "?format=text").body;
    EXPECT_NE(text.find("your side from 0:02.2 to 0:02.5 of call " + call.hex().substr(0, 8) +
                        ", because: pin, opens to nobody since "),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("read by employee " + rig.rita.id.hex().substr(0, 8)), std::string::npos);
    EXPECT_EQ(text.find(other.hex().substr(0, 8)), std::string::npos);
  };
  check();
  ASSERT_TRUE(rig.database->execute("DELETE FROM log_read"));
  check();
  // What is nobody's is forgotten after the longest that a call can last.
  EXPECT_FALSE(rig.rows("SELECT 1 FROM trail_log WHERE call = '" + other.hex() + "'").empty());
  rig.ticks(32 * 3'600'000);
  (void)rig.begin("{}");
  check();
  EXPECT_TRUE(rig.rows("SELECT 1 FROM trail_log WHERE call = '" + other.hex() + "'").empty());
  EXPECT_TRUE(rig.rows("SELECT 1 FROM trail_calls WHERE call = '" + other.hex() + "'").empty());
}

// Retention names rows of keys. What the log said before a call began took nothing of it, whatever
// rows it names.
TEST(VaultApi, ARecordingThatWentByRetentionIsSaidToBeGone) {
  VaultRig rig;
  api::CustomerTables tables(*rig.database);
  std::uint64_t index = 1'000'000;
  std::int64_t at = 1'000'000;
  const auto say = [&](const char* type, const std::string& subject, boost::json::object data) {
    api::CustomerTables::Touched touched;
    at += 1'000;
    const auto taken = tables.take(
        index++,
        {.type = type, .actor = "keeper", .subject = subject, .at = at, .data = std::move(data)},
        touched);
    EXPECT_TRUE(taken) << taken.error().message;
  };
  const std::string first(32, '1'), second(32, '2'), customer(32, '3');
  const auto typed_in = [&](const std::string& call) {
    say("call_started", call, {{"row", 7}});
    say("fields_stored", customer, {{"call", call}, {"case", 1}});
  };
  const auto retained = [&](const char* order) {
    const boost::json::array rows{boost::json::array{0, 2}, boost::json::array{5, 8}};
    say("retention_intended", "-", {{"order", order}, {"rows", rows}});
    say("erased", "-", {{"orders", boost::json::array{"x", order}}});
  };
  const auto types = [&](const std::string& call) {
    std::string all;
    const auto trail = *tables.trail_of(call, 100);
    for (const auto& row : trail) all += row.type + " ";
    return all;
  };
  typed_in(first);
  retained("order-1");
  typed_in(second);
  EXPECT_EQ(types(first), "retention_intended erased ");
  EXPECT_EQ(types(second), "");
  index = 1'000'000, at = 1'000'000;  // all of it read again, over what is there
  typed_in(first);
  retained("order-1");
  EXPECT_EQ(types(second), "");
  typed_in(second);
  retained("order-2");
  EXPECT_EQ(types(first), "retention_intended erased ");
  EXPECT_EQ(types(second), "retention_intended erased ");
  api::ReceiptSource source{.customer = *CustomerId::parse(customer)};
  source.log = *tables.log_of(customer, {}, 100);
  source.calls[first] = *tables.trail_of(first, 100);
  ASSERT_EQ(api::recorded_calls(source), (std::vector{first, second}));
  const auto json = api::receipt(source, rig.policy().policy);
  const auto& gone = json.at("erased_sound").as_array();
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(text_of(gone[0].as_object(), "stream"), "");
  EXPECT_EQ(text_of(gone[0].as_object(), "reason"), "retention");
  EXPECT_GT(gone[0].at("done_at").to_number<std::int64_t>(), 0);
}

// Whose id somebody knows is not for that reason theirs: an agent has whom they found, for a shift.
TEST(VaultApi, AnAgentHasWhomTheyFoundAndNobodyElse) {
  VaultRig rig;
  const auto id = rig.store_carla();
  rig.now = rig.office->now();
  const auto ben = rig.join(31, people::bit(people::Role::kAgent));
  for (auto i = rig.all.size() - 3; i < rig.all.size(); ++i)
    ASSERT_TRUE(rig.put_change(rig.all[i]));
  rig.follow();
  const auto base = "/v1/customers/" + id;
  const auto sees = [&] { return rig.call(ben.id, "GET", base).status; };
  EXPECT_EQ(sees(), 404);
  EXPECT_EQ(rig.call(ben.id, "POST", base + "/cases/1/forms", {{"field", "email"}}).status, 404);
  EXPECT_EQ(rig.call(ben.id, "POST", "/v1/intakes",
                     rig.intake_body({{"email", "mallory@example.com"}}, id, 1))
                .status,
            404);
  const auto looked = [&](const std::string& name) {
    const boost::json::object body{{"field", "name"},
                                   {"value", rig.sealed(name, "find", {ben.id.hex(), "name"})}};
    return rig.call(ben.id, "POST", "/v1/lookups", body).status;
  };
  EXPECT_EQ(looked("Carla Monster"), 200);
  EXPECT_EQ(sees(), 404) << "found nobody";
  EXPECT_EQ(looked("Carla Muster"), 200);
  EXPECT_EQ(sees(), 200);
  rig.clock.advance_ms(api::InHand::kKeptMs);
  EXPECT_EQ(sees(), 404) << "the next shift";
  EXPECT_EQ(rig.call(rig.agent(), "GET", base).status, 200) << "whose case it is";
}

TEST(VaultApi, ALegalHoldIsSetByWhoLeads) {
  VaultRig rig;
  const auto base = "/v1/customers/" + rig.store_carla();
  const boost::json::object set{{"state", "set"}, {"reason", "a court asks"}};
  EXPECT_EQ(rig.call(rig.agent(), "POST", base + "/hold", set).status, 403);
  const auto held = rig.call(rig.max.id, "POST", base + "/hold", set);
  ASSERT_EQ(held.status, 200) << held.body;
  const auto json = json_of(held);
  EXPECT_EQ(text_of(json, "reason_hash"),
            to_hex(crypto::sha256({*from_hex(text_of(json, "r")), as_bytes("a court asks")})));
  EXPECT_EQ(rig.call(rig.max.id, "POST", base + "/erasure", {{"reason", "but I want it"}}).status,
            403);
  // A secret goes all the same, and the receipt says so.
  rig.follow();
  const auto receipt = json_of(rig.call(rig.max.id, "GET", base + "/receipt"));
  EXPECT_EQ(receipt.at("hold"), true);
  for (const auto& one : receipt.at("kept").as_array())
    EXPECT_EQ(text_of(one.as_object(), "kept"), text_of(one.as_object(), "class") == "secret"
                                                    ? "for 24 hours at most"
                                                    : "until a legal hold is lifted");
}

// ---- one-time forms -----------------------------------------------------------------------------

struct FormLink {
  std::string token;
};
FormLink link_of(VaultRig& rig, const std::string& customer, const std::string& field = "email") {
  const auto made = rig.call(rig.agent(), "POST", "/v1/customers/" + customer + "/cases/1/forms",
                             {{"field", field}});
  EXPECT_EQ(made.status, 201) << made.body;
  const auto url = text_of(json_of(made), "url");
  EXPECT_EQ(url.find("https://calls.example/form#"), 0u);
  return {url.substr(url.find('#') + 1)};
}
Response with_form(VaultRig& rig, const std::string& method, const std::string& token,
                   const boost::json::object& body = {}, const std::string& address = "10.0.0.9") {
  auto request = rig.request({}, method, "/v1/form", body);
  request.headers["x-form-token"] = token;
  request.peer = address;
  return rig.router->handle(request);
}
boost::json::object value_of(VaultRig& rig, const std::string& text,
                             const std::string& field = "email") {
  const auto intake = keys::IntakeId::random(rig.entropy).hex();
  return {{"intake", intake}, {"value", rig.sealed(text, "field", {intake, field})}};
}

TEST(VaultForms, TakeOneValueOnce) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  const auto link = link_of(rig, customer);
  const auto asked = with_form(rig, "GET", link.token);
  ASSERT_EQ(asked.status, 200) << asked.body;
  EXPECT_EQ(text_of(json_of(asked), "label"), "E-mail");
  EXPECT_EQ(asked.body.find(customer), std::string::npos);  // of whom: nobody who has it learns
  // What is no value gives the form back; then it is taken, and never again.
  EXPECT_EQ(with_form(rig, "POST", link.token, value_of(rig, "no address at all")).status, 400);
  EXPECT_EQ(with_form(rig, "POST", link.token, value_of(rig, "new@example.com")).status, 204);
  EXPECT_EQ(with_form(rig, "POST", link.token, value_of(rig, "b@example.com")).status, 404);
  EXPECT_EQ(with_form(rig, "GET", link.token).status, 404);
  rig.follow();
  const auto log = rig.log_types();
  EXPECT_EQ(log.at("fields_stored"), 2);
  // The token stands nowhere.
  for (const auto& row : rig.rows("SELECT token FROM customer_forms"))
    EXPECT_NE(row.text(0), link.token);
}

TEST(VaultForms, EndWithTheirTimeTheirTriesAndTheirCase) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  const auto late = link_of(rig, customer);
  rig.clock.advance_ms(api::CustomerTables::kFormMs);
  EXPECT_EQ(with_form(rig, "GET", late.token).status, 404);
  const auto tried = link_of(rig, customer);
  for (int i = 0; i < api::CustomerTables::kFormTriesMax; ++i)
    EXPECT_EQ(with_form(rig, "POST", tried.token, value_of(rig, "none")).status, 400);
  EXPECT_EQ(with_form(rig, "POST", tried.token, value_of(rig, "c@example.com")).status, 404);
  const auto closed = link_of(rig, customer);
  EXPECT_EQ(rig.call(rig.agent(), "POST", "/v1/customers/" + customer + "/cases/1/closure").status,
            204);
  EXPECT_EQ(with_form(rig, "POST", closed.token, value_of(rig, "c@example.com")).status, 404);
}

TEST(VaultForms, AreNotGuessedNorMadeWithoutEnd) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  for (int i = 0; i < api::CustomerTables::kFormsPerCaseMax; ++i) (void)link_of(rig, customer);
  EXPECT_EQ(rig.call(rig.agent(), "POST", "/v1/customers/" + customer + "/cases/1/forms",
                     {{"field", "email"}})
                .status,
            429);
  for (const char* token : {"", "00", "../../etc/passwd"})
    EXPECT_EQ(with_form(rig, "GET", token, {}, "10.1.0.1").status, 404);
  int refused = 0;
  for (int i = 0; i < 40; ++i)
    refused += with_form(rig, "GET", std::string(64, '0'), {}, "10.1.0.2").status == 429;
  EXPECT_EQ(refused, 40 - static_cast<int>(api::Service::kFormTriesOfAddress));
  EXPECT_EQ(with_form(rig, "GET", std::string(64, '0'), {}, "10.1.0.3").status, 404);
}

// A value that was sealed for another field, or another intake, does not open.
TEST(VaultForms, TakeWhatWasSealedForThemAndNothingElse) {
  VaultRig rig;
  const auto link = link_of(rig, rig.store_carla());
  auto moved = value_of(rig, "d@example.com");
  moved["intake"] = keys::IntakeId::random(rig.entropy).hex();
  EXPECT_EQ(with_form(rig, "POST", link.token, moved).status, 400);
  EXPECT_EQ(with_form(rig, "POST", link.token, value_of(rig, "Dora", "name")).status, 400);
  auto more = value_of(rig, "d@example.com");
  more["customer"] = kNobodys;
  EXPECT_EQ(with_form(rig, "POST", link.token, more).status, 400);
}

// ---- what comes from outside --------------------------------------------------------------------

TEST(VaultApi, WritesNeedTheHeaderAndKnownFieldsWithinTheirLimits) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  const auto agent = rig.agent();
  auto request = rig.request(agent, "POST", "/v1/intakes", rig.intake_body({{"name", "X"}}));
  request.headers.erase("x-callward");
  EXPECT_EQ(rig.router->handle(request).status, 403);
  const auto status = [&](const boost::json::object& body) {
    return rig.call(agent, "POST", "/v1/intakes", body).status;
  };
  auto body = rig.intake_body({{"name", "X"}, {"phone", "(650) 253-0002"}});
  for (const char* name : {"actor", "call", "person", "roles"}) {
    auto wrong = body;
    wrong[name] = kNobodys;
    EXPECT_EQ(status(wrong), 400) << name;
  }
  auto wrong = body;
  wrong["fields"].as_array()[0].as_object()["leaf"] = 1;
  EXPECT_EQ(status(wrong), 400);
  wrong = body;
  wrong["fields"].as_array()[0].at("value").as_object()["enc"] = "AAAA";
  EXPECT_EQ(status(wrong), 400);
  wrong = body;
  wrong["fields"].as_array()[0].at("value").as_object()["ciphertext"] = std::string(9'000, 'A');
  EXPECT_EQ(status(wrong), 400);
  wrong = body;
  while (wrong["fields"].as_array().size() < 33)
    wrong["fields"].as_array().push_back(body["fields"].as_array()[0]);
  EXPECT_EQ(status(wrong), 400);
  wrong = body;
  wrong["intake"] = "ZZ";
  EXPECT_EQ(status(wrong), 400);
  wrong = body;
  wrong["case"] = 1;  // of whom?
  EXPECT_EQ(status(wrong), 400);
  EXPECT_EQ(status(body), 201);
  EXPECT_EQ(status(body), 409);  // an intake is taken once
  EXPECT_EQ(rig.call(rig.max.id, "POST", "/v1/customers/" + customer + "/hold",
                     {{"state", "set"}, {"reason", "why"}, {"more", 1}})
                .status,
            400);
}

TEST(VaultApi, NothingInAnAddressBecomesAHeaderOrAStatement) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  rig.follow();
  Request split;
  EXPECT_FALSE(
      api::parse_target("/v1/customers/" + customer + "/receipt?format=text%0d%0aX:1", split));
  const auto olga = rig.olga.id;
  for (const char* cursor : {"1", "1.2", "x.y", "1'--.00", "1.' OR 1=1 --", "9e9.00"}) {
    auto request = rig.request(olga, "GET", "/v1/requests?view=all");
    request.query["cursor"] = cursor;
    EXPECT_EQ(rig.router->handle(request).status, 400) << cursor;
    request.path = "/v1/cases";
    EXPECT_EQ(rig.router->handle(request).status, 400) << cursor;
  }
  EXPECT_EQ(rig.call(olga, "GET", "/v1/customers/" + customer + "/receipt?format=csv").status, 400);
  const auto text = rig.call(olga, "GET", "/v1/customers/" + customer + "/receipt?format=text");
  EXPECT_EQ(header_of(text, "Content-Disposition"),
            "attachment; filename=\"receipt-" + customer + ".txt\"");
  // No line of it is a formula to a spreadsheet.
  std::istringstream lines(text.body);
  for (std::string line; std::getline(lines, line);)
    EXPECT_TRUE(line.empty() || std::string_view("=+-@\t\r").find(line[0]) == std::string::npos)
        << line;
}

// A name that is markup comes out in no answer, and what is of a customer is never sent as a page:
// neither its fields, nor a receipt, whose labels are the policy's. That a browser shows a name as
// text is a story of the console.
TEST(VaultApi, WhatIsOfACustomerIsNeverSentAsAPage) {
  VaultRig rig;
  for (auto& field : rig.service.policy.fields) field.label = "<img src=x onerror=label()>";
  const auto stored = rig.call(rig.agent(), "POST", "/v1/intakes",
                               rig.intake_body({{"name", "<img src=x onerror=named()>"},
                                                {"phone", "(650) 253-0003"},
                                                {"query", "<script>asked()</script>"}}));
  ASSERT_EQ(stored.status, 201) << stored.body;
  rig.follow();
  const auto base = "/v1/customers/" + text_of(json_of(stored), "customer");
  for (const auto& [target, type] : {std::pair{base, "application/json"},
                                     {base + "/receipt", "application/json"},
                                     {base + "/receipt?format=text", "text/plain; charset=utf-8"},
                                     {std::string("/v1/cases"), "application/json"},
                                     {base + "/%3Cimg%20src=x%3E", "application/problem+json"}}) {
    const auto answer = rig.call(rig.olga.id, "GET", target);
    EXPECT_EQ(answer.content_type, type) << target << answer.body;
    for (const char* piece : {"named()", "asked()"})
      EXPECT_EQ(answer.body.find(piece), std::string::npos) << target << " has " << piece;
  }
  const auto receipt = rig.call(rig.olga.id, "GET", base + "/receipt?format=text");
  EXPECT_NE(receipt.body.find("label()"), std::string::npos) << "the labels are in it, as text";
}

// What the keeper takes shows when a checkpoint covers it: the answer waits for that, and whoever
// has it finds the request. Played with a checkpoint that comes a moment after the answer.
TEST(VaultApi, ARequestThatWasJustAskedIsFound) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  EXPECT_EQ(rig.call(rig.agent(), "POST", "/v1/customers/" + customer + "/cases/1/technician",
                     {{"technician", rig.tom.id.hex()}})
                .status,
            204);
  rig.service.step_shows_ms = 60'000;
  std::size_t looks = 0;
  rig.follows = false;
  rig.service.pause = [&](std::int64_t ms) {
    rig.clock.advance_ms(ms);
    if (++looks == 3) EXPECT_TRUE(rig.log->publish());
  };
  const boost::json::object ask{{"kind", "ask"},
                                {"customer", customer},
                                {"case", 1},
                                {"category", "billing"},
                                {"fields", boost::json::array{rig.leaf.at("email")}}};
  const auto put = rig.act_by(rig.tom, ask, kConcern);
  ASSERT_EQ(put.status, 201) << put.body;
  EXPECT_EQ(looks, 3u);
  const auto id = text_of(json_of(put), "request");
  EXPECT_EQ(rig.call(rig.tom.id, "GET", "/v1/requests/" + id).status, 200);
  // A log that shows nothing costs its bound, and the answer comes.
  rig.service.step_shows_ms = 4 * api::Service::kStepLookMs;
  looks = 100;
  EXPECT_EQ(rig.act_by(rig.tom, ask, kConcern).status, 201);
  EXPECT_EQ(looks, 104u);
  // Few wait at once: the server's threads are for others, too.
  rig.service.step_waiters = api::Service::kStepWaitersMax;
  EXPECT_EQ(rig.act_by(rig.tom, ask, kConcern).status, 201);
  EXPECT_EQ(looks, 104u);
  EXPECT_EQ(rig.service.step_waiters, api::Service::kStepWaitersMax);
}

// ---- an agent's own call ------------------------------------------------------------------------

TEST(VaultApi, AnAgentsLiveCallIsTheirsAlone) {
  VaultRig rig;
  const auto ada = rig.agent();
  rig.give_extension(rig.ada, "311");
  const auto call = rig.begin(OfficeRig::call_data("")), other = CallId::random(rig.entropy);
  ASSERT_TRUE(rig.at_telephone(call, "311"));
  rig.service.live_calls.begin({call, "311", 5});
  rig.service.live_calls.begin({other, "312", 6});
  const auto current = [&] { return json_of(rig.call(ada, "GET", "/v1/live-call")).at("call"); };
  EXPECT_TRUE(current().is_null());  // nobody's telephone is known
  rig.service.extension_of = [&](const PersonId& who) { return who == ada ? "311" : ""; };
  EXPECT_EQ(std::string(current().as_string()), call.hex());
  const boost::json::object on{{"on", true}};
  EXPECT_EQ(rig.call(ada, "POST", "/v1/calls/" + call.hex() + "/private", on).status, 200);
  EXPECT_EQ(rig.call(ada, "POST", "/v1/calls/" + other.hex() + "/private", on).status, 404);
  ASSERT_EQ(rig.privacy.size(), 1u);
  EXPECT_EQ(rig.privacy[0].actor, ada.hex());
  // What is typed now is of this call, whatever the browser says.
  const auto stored = rig.call(ada, "POST", "/v1/intakes",
                               rig.intake_body({{"name", "E"}, {"phone", "(650) 253-0004"}}));
  EXPECT_EQ(text_of(json_of(stored), "call"), call.hex());
  const auto look = [&](const PersonId& who) {
    return rig.call(who, "POST", "/v1/live-call/lookup", boost::json::object{});
  };
  EXPECT_EQ(look(ada).status, 404) << "its number was told to no keeper";
  Answer<keys::SealedRecord> sealed;
  rig.keeper->call_data_put({call, to_bytes(as_bytes(OfficeRig::call_data("+16502530004")))},
                            sealed.reply());
  rig.keeper->end_round();
  const auto answer = json_of(look(ada));
  EXPECT_EQ(text_of(answer, "call"), call.hex()) << "which call it was looked up by";
  const auto found = answer.at("customers").as_array();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].at("customer"), json_of(stored).at("customer"));
  EXPECT_EQ(look(rig.anna.id).status, 403) << "no agent";
  rig.service.extension_of = [](const PersonId&) { return "312"; };
  EXPECT_EQ(look(ada).status, 404) << "another call is at the telephone";
  rig.service.extension_of = [](const PersonId&) { return "311"; };
  (void)rig.service.live_calls.end(call);
  EXPECT_TRUE(current().is_null());
}

// An expert who takes calls, too: the desk stays as it is while their call-back runs, and what is
// typed there is of no call.
TEST(VaultApi, ACallBackIsNotTheCallInWhichItWasTyped) {
  VaultRig rig;
  const auto ada = rig.agent();
  rig.give_extension(rig.ada, "311");
  rig.service.extension_of = [](const PersonId&) { return "311"; };
  const auto call = rig.begin(OfficeRig::call_data("")),
             back = rig.begin(OfficeRig::call_data(""), keys::CallSource::kCallBack);
  ASSERT_TRUE(rig.at_telephone(call, "311"));
  ASSERT_TRUE(rig.at_telephone(back, "311"));
  const auto typed = [&] {
    const auto stored = rig.call(ada, "POST", "/v1/intakes",
                                 rig.intake_body({{"name", "E"}, {"phone", "(650) 253-0004"}}));
    EXPECT_EQ(stored.status, 201) << stored.body;
    return text_of(json_of(stored), "call");
  };
  rig.service.live_calls.begin({.call = call, .extension = "311", .started_at = 5});
  rig.service.live_calls.begin(
      {.call = back, .extension = "311", .started_at = 6, .call_back = true});
  EXPECT_EQ(typed(), "");
  EXPECT_EQ(text_of(json_of(rig.call(ada, "GET", "/v1/live-call")), "call"), back.hex());
  (void)rig.service.live_calls.end(back);
  EXPECT_EQ(typed(), call.hex());
}

// ---- copies -------------------------------------------------------------------------------------

// What the server says may be done is what the keeper lets be done, and reading the log from its
// beginning gives the same copies.
TEST(VaultApi, CopiesAreWhatTheLogSays) {
  VaultRig rig;
  const auto customer = rig.store_carla();
  (void)rig.call(rig.eve.id, "POST", "/v1/own/duty", {{"on", true}});
  const auto id = rig.ask_for(rig.tom, customer, {"email"});
  rig.keeper->tick();
  rig.follow();
  rig.open(id);
  const auto dump = [&] {
    std::string all;
    for (const char* table : {"customer_cases", "requests", "customer_log", "customer_orders",
                              "trail_calls", "trail_log"})
      for (const auto& row : rig.rows(std::string("SELECT * FROM ") + table + " ORDER BY 1, 2"))
        for (std::size_t i = 0; i < 9; ++i)
          all += row.text(i) + ":" + std::to_string(row.number(i)) + ";";
    return all;
  };
  const auto before = dump();
  ASSERT_TRUE(rig.database->execute("UPDATE log_read SET next = 1000000 WHERE what = 'customers'"));
  rig.follow();
  EXPECT_EQ(dump(), before);
  // Over what is there, too: so an upgrade has it read.
  ASSERT_TRUE(rig.database->execute("DELETE FROM log_read WHERE what = 'customers'"));
  rig.follow();
  EXPECT_EQ(dump(), before);
  // What a server wrote of no request, or as if it were the policy, keeps nobody from the others.
  api::CustomerTables tables(*rig.database);
  api::CustomerTables::Touched touched;
  for (const char* subject : {"x", "", "-"})
    EXPECT_TRUE(tables.take(1'000'000, {.type = "receipt_given", .actor = "y", .subject = subject},
                            touched));
  EXPECT_TRUE(touched.requests.empty());
  EXPECT_EQ(dump(), before);
  const auto keeper = rig.state(*RequestId::parse(id));
  const auto copy = json_of(rig.call(rig.olga.id, "GET", "/v1/requests/" + id));
  for (const char* name : {"state", "since", "deadline", "requester", "expert", "released_by",
                           "second", "opened_at", "until", "views", "rings", "broken"})
    EXPECT_EQ(copy.at(name), keeper.at(name)) << name;
  // What was projected of it is read on from; without it, or by another program's, from the beginning.
  const auto kept = [&] {
    return rig.rows("SELECT hex(folded) || ' ' || folded_to FROM requests").at(0).text(0);
  };
  const auto folded_before = kept();
  EXPECT_GT(folded_before.size(), 200u);
  for (const char* folded : {"x''", "x'00112233'", "CAST(x'07' || substr(folded, 2) AS BLOB)"}) {
    ASSERT_TRUE(rig.database->execute(std::string("UPDATE requests SET folded = ") + folded));
    EXPECT_EQ(json_of(rig.call(rig.olga.id, "GET", "/v1/requests/" + id)), copy) << folded;
    EXPECT_EQ(kept(), folded_before) << "once, and kept";
  }
  EXPECT_EQ(rig.act_by(rig.tom, {{"request", id}, {"kind", "end"}}).status, 201);
  EXPECT_EQ(rig.word_of(id), "closed") << "goes on where nothing was projected";
  const auto timeline = json_of(rig.call(rig.tom.id, "GET", "/v1/requests/" + id + "/timeline"));
  EXPECT_GE(timeline.at("entries").as_array().size(), 7u);
  const auto& next = timeline.at("next").as_array();
  const auto review =
      std::ranges::find_if(next, [](const auto& one) { return one.at("step") == "review"; });
  ASSERT_NE(review, next.end());
  EXPECT_EQ(review->at("me"), "no");
  // The steps that are in it are not read again.
  ASSERT_TRUE(rig.database->execute("DELETE FROM customer_log WHERE type = 'disclosure_step'"));
  EXPECT_EQ(rig.word_of(id), "closed");
}

}  // namespace
}  // namespace callward::attack
