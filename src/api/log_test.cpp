// The log's routes: entries, receipts, witnesses, verification.
#include "audit/log.hpp"
#include "api/rig_test.hpp"
#include "audit/receipt.hpp"

namespace callward::api {
namespace {

using test::json_of;
using test::Rig;

struct LogRoutes : ::testing::Test, Rig {
  std::string token = signed_in("ada");
  Key32 seed = entropy.key();
  void SetUp() override {
    service.log_key = {"example.com/log", *crypto::ed25519_public(seed)};
    auto log = *audit::Log::open(vfs, service.log_dir, service.log_key.name, seed);
    for (int i = 0; i < 300; ++i)
      ASSERT_TRUE(log->stage(
          {"call_missing", "recorder", "-", 1'000 + i, {{"cause", "ports"}, {"sip_status", i}}}));
    ASSERT_TRUE(log->commit());
    ASSERT_TRUE(log->publish());
  }
};

TEST_F(LogRoutes, AReceiptHoldsWithoutTheLog) {
  for (const int index : {0, 255, 256, 299}) {
    const auto path = "/v1/log/entries/" + std::to_string(index) + "/receipt";
    const auto response = ask("GET", path, token);
    ASSERT_EQ(response.status, 200) << response.body;
    const auto receipt = *audit::parse_receipt(response.body);
    EXPECT_EQ(receipt.index, static_cast<std::uint64_t>(index));
    const auto checked = audit::check_receipt(receipt, std::nullopt, service.log_key, {});
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_EQ(audit::decode_entry(checked->entry)->at, 1'000 + index);
    EXPECT_EQ(ask("GET", path, "").status, 401);
  }
  EXPECT_EQ(ask("GET", "/v1/log/entries/300/receipt", token).status, 404);
  for (const char* bad : {"x", "-1", "1x", "99999999999999999999999"})
    EXPECT_EQ(ask("GET", std::string("/v1/log/entries/") + bad + "/receipt", token).status, 400)
        << bad;
}

// The auditor reads the log and its proofs, the administrator how the system is: neither the other's.
TEST_F(LogRoutes, AnAuditorReadsItAndAnAdministratorSeesTheSystem) {
  const auto auditor = signed_in("tilo", people::bit(people::Role::kAuditor));
  const auto administrator = signed_in("udo", people::bit(people::Role::kAdministrator));
  for (const char* path : {"/v1/log/entries", "/v1/log/entries/0/receipt", "/v1/log/witnesses",
                           "/v1/log/checkpoint"}) {
    EXPECT_EQ(ask("GET", path, auditor).status, 200) << path;
    EXPECT_EQ(ask("GET", path, administrator).status, 403) << path;
  }
  EXPECT_TRUE(json_of(ask("POST", "/v1/log/verifications", auditor, "{}")).at("good").as_bool());
  for (const char* path : {"/v1/system", "/metrics"}) {
    EXPECT_EQ(ask("GET", path, administrator).status, 200) << path;
    EXPECT_EQ(ask("GET", path, auditor).status, 403) << path;
  }
  EXPECT_NE(ask("GET", "/v1/system/retention", administrator).status, 403);
  for (const char* path : {"/v1/system/retention/runs", "/v1/system/mirrors/1/retirement"})
    EXPECT_EQ(ask("POST", path, administrator, "{}").status, 403) << path;
  for (const auto& token : {auditor, administrator}) {
    EXPECT_EQ(ask("GET", "/v1/calls", token).status, 403);
    EXPECT_EQ(ask("GET", "/v1/held", token).status, 403);
  }
}

// A proof is of any call, and an auditor hears none: the keeper is asked for it.
TEST_F(LogRoutes, AnAuditorTakesAProofOfAnyCall) {
  store::CallEvent event;
  event.call = CallId::random(entropy);
  event.source = keys::CallSource::kSiprec;
  event.phase = store::CallPhase::kComplete;
  ASSERT_TRUE(catalog.apply(event));
  std::atomic<int> asked{0};
  people_answers = [&](io::Channel& channel, io::Frame& frame) {
    if (frame.type != keys::Prove::kType) return false;
    ++asked;
    channel.reply(frame, keys::ErrorReply{Errc::kState, "nothing of it is erased"});
    return true;
  };
  start_peers();
  const auto path = "/v1/calls/" + event.call.hex() + "/erasure-proofs";
  const auto auditor = signed_in("tilo", people::bit(people::Role::kAuditor));
  EXPECT_EQ(ask("POST", path, auditor).status, 409);
  EXPECT_EQ(asked, 1);
  const auto authorised = signed_in("anna", people::bit(people::Role::kAuthorised));
  EXPECT_EQ(ask("POST", path, authorised).status, 403);
  EXPECT_EQ(ask("POST", "/v1/calls/nocall/erasure-proofs", auditor).status, 404);
  EXPECT_EQ(asked, 1);
}

TEST_F(LogRoutes, WitnessesAreShownAndCounted) {
  EXPECT_EQ(ask("GET", "/v1/log/witnesses", "").status, 401);
  service.witness_state = [] {
    return boost::json::object{{"quorum", 1}, {"size", 7}, {"list", boost::json::array{}}};
  };
  EXPECT_EQ(json_of(ask("GET", "/v1/log/witnesses", token))["size"], 7);
  // One that is configured and has not signed yet is a remark of the verification.
  service.witness_policy = {{{"witness.example/1", {}}}, 1};
  const auto verified = json_of(ask("POST", "/v1/log/verifications", token, "{}"));
  EXPECT_TRUE(verified.at("good").as_bool());
  EXPECT_EQ(verified.at("warnings").as_array().size(), 1u);
}

}  // namespace
}  // namespace callward::api
