// Further keys of a session, and command lines that read in somebody's name.
#include "api/people_rig_test.hpp"

namespace callward::api {
namespace {

using Json = boost::json::object;
using test::json_of;

class Readers : public ::testing::Test, public test::PeopleRig {
 protected:
  using Key = std::array<std::uint8_t, 32>;
  void SetUp() override { found(); }
  Key fresh_key() { return entropy.array<32>(); }
  Json signed_key(const test::Somebody& who, const Key& key, const keys::ReaderScope& scope = {}) {
    const auto at = clock.utc_ms();
    return {{"reader_key", to_hex(key)},
            {"at", at},
            {"signature", signature_by(who, keys::reader_challenge(who.id, key, at, scope))}};
  }
  static keys::ReaderScope scope(std::uint8_t call = 7,
                                 keys::OpenPurpose purpose = keys::OpenPurpose::kTranscript) {
    keys::ReaderScope scope{.call = {}, .purpose = purpose};
    scope.call.bytes[0] = call;
    return scope;
  }
  Response operators(const std::string& method, const std::string& path, const Json& body = {}) {
    auto request = this->request(method, path, "", boost::json::serialize(body));
    request.headers["authorization"] = "Bearer the-operators-token";
    return router->handle(request);
  }
  std::string asked_for(const Key& key) {
    const auto made = operators("POST", "/v1/reader-requests",
                                {{"reader_key", to_hex(key)},
                                 {"call", scope().call.hex()},
                                 {"purpose", "transcript"},
                                 {"what", "because"}});
    EXPECT_EQ(made.status, 201) << made.body;
    return std::string(json_of(made).at("reader_request").as_string());
  }
  bool dropped(const Key& key) const {
    return std::ranges::find(drops, key, &keys::ReaderDrop::key) != drops.end();
  }
};

TEST_F(Readers, APageThatWasLoadedAnewHasAKeyAgain) {
  const auto key = fresh_key();
  EXPECT_EQ(send("POST", "/v1/own/readers", signed_key(olga, key), olgas).status, 201);
  EXPECT_EQ(readers.back().key, key);
  EXPECT_EQ(readers.back().person, olga.id);
  // Twice the same is a replay; four at once, then the oldest is forgotten.
  EXPECT_NE(send("POST", "/v1/own/readers", signed_key(olga, key), olgas).status, 201);
  for (std::size_t i = 0; i < people::People::kReadersOfSessionMax; ++i) {
    clock.advance_ms(1'000);
    EXPECT_EQ(send("POST", "/v1/own/readers", signed_key(olga, fresh_key()), olgas).status, 201);
  }
  EXPECT_TRUE(dropped(key));
  // All go with the session.
  const auto last = readers.back().key;
  EXPECT_EQ(ask("DELETE", "/v1/session", olgas).status, 204);
  EXPECT_TRUE(dropped(last));
}

TEST_F(Readers, OnlyThePersonsPasskeyBindsAKey) {
  auto thief = olga;
  thief.device = device();
  EXPECT_NE(send("POST", "/v1/own/readers", signed_key(thief, fresh_key()), olgas).status, 201);
  const auto max = join("max", "supervisor");
  EXPECT_NE(send("POST", "/v1/own/readers", signed_key(max, fresh_key()), olgas).status, 201);
  auto another = signed_key(olga, fresh_key());
  another["reader_key"] = to_hex(fresh_key());
  EXPECT_NE(send("POST", "/v1/own/readers", another, olgas).status, 201);
  const auto weak = token_of(sign_in_by_code(olga, code(set_up_codes(olga, olgas))));
  EXPECT_EQ(send("POST", "/v1/own/readers", signed_key(olga, fresh_key()), weak).status, 403);
}

TEST_F(Readers, ACommandLineReadsInTheNameOfWhoSignedItsKey) {
  const auto key = fresh_key();
  const auto id = asked_for(key);
  const auto path = "/v1/reader-requests/" + id;
  EXPECT_EQ(json_of(operators("GET", path)).at("person"), "");
  const auto shown = json_of(ask("GET", path, olgas));
  EXPECT_EQ(shown.at("reader_key").as_string(), to_hex(key));
  EXPECT_EQ(shown.at("call").as_string(), scope().call.hex());
  EXPECT_EQ(shown.at("purpose").as_string(), "transcript");
  EXPECT_EQ(shown.if_contains("fingerprint"), nullptr) << "each screen makes its own";
  const auto sign = [&](const Key& of, const keys::ReaderScope& what) {
    return send("POST", path + "/signature", signed_key(olga, of, what), olgas).status;
  };
  EXPECT_EQ(sign(fresh_key(), scope()), 400) << "another key than the one that is shown";
  EXPECT_EQ(sign(key, {}), 403) << "for all that she may see";
  EXPECT_EQ(sign(key, scope(8)), 403) << "for another call";
  EXPECT_EQ(sign(key, scope(7, keys::OpenPurpose::kExport)), 403) << "for something else";
  EXPECT_EQ(sign(key, scope()), 204);
  EXPECT_EQ(readers.back().scope, scope());
  EXPECT_EQ(json_of(operators("GET", path)).at("person").as_string(), olga.id.hex());
  const auto max = join("max", "supervisor");
  EXPECT_EQ(
      send("POST", path + "/signature", signed_key(max, key, scope()), session_of(max)).status, 409)
      << "one person signs it";
  EXPECT_EQ(operators("DELETE", path).status, 204);
  EXPECT_TRUE(dropped(key));
  EXPECT_EQ(operators("GET", path).status, 404);
}

TEST_F(Readers, ARequestIsTheCommandLinesAndTimesOut) {
  const Json wanted{{"reader_key", to_hex(fresh_key())},
                    {"call", scope().call.hex()},
                    {"purpose", "transcript"},
                    {"what", "because"}};
  EXPECT_EQ(send("POST", "/v1/reader-requests", wanted, olgas).status, 403);
  const auto id = asked_for(fresh_key());
  EXPECT_EQ(ask("DELETE", "/v1/reader-requests/" + id, olgas).status, 403);
  clock.advance_ms(Desk::kReaderRequestMs);
  EXPECT_EQ(operators("GET", "/v1/reader-requests/" + id).status, 404);
}

}  // namespace
}  // namespace callward::api
