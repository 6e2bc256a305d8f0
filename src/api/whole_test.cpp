// Whole calls, legal holds, mirrors that are given up: who may, and what the keeper is told.
#include "api/rig_test.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {
namespace {

using test::json_of;
using test::Rig;

constexpr std::int64_t kNoon = 1'795'521'600'000;

struct Whole : ::testing::Test, Rig {
  std::string reviewer = signed_in("ada");
  std::string owner = signed_in("eve", people::bit(people::Role::kOwner));
  store::CallEvent event = call(store::CallPhase::kComplete, kNoon);
  std::string path = "/v1/calls/" + event.call.hex();
  void SetUp() override {
    start_peers();
    event.account = {{0, store::RecorderState::kSealed, 0, 5'000, ""}};
    ASSERT_TRUE(catalog.apply(event));
  }
};

TEST_F(Whole, APersonsOrderIsHeldAndCarriesThePerson) {
  const std::string body = R"({"reason_code":"customer_request","reason":"asked for in writing"})";
  const auto response = ask("POST", path + "/whole-erasure", reviewer, body);
  ASSERT_EQ(response.status, 202) << response.body;
  EXPECT_EQ(json_of(response).at("outcome").as_string(), "held");
  ASSERT_EQ(whole_orders.size(), 1u);
  EXPECT_EQ(whole_orders[0].call, event.call);
  EXPECT_EQ(whole_orders[0].actor, people.find("ada").value()->id.hex());
  EXPECT_EQ(ask("POST", path + "/whole-erasure", reviewer,
                R"({"reason_code":"whim","reason":"none given"})")
                .status,
            400);
  EXPECT_EQ(ask("POST", path + "/whole-erasure", {}, body).status, 401);
  EXPECT_EQ(whole_orders.size(), 1u);
}

TEST_F(Whole, OnlyTheOwnerSetsAHoldAndGivesUpAMirror) {
  const std::string hold = R"({"state":"set","reason":"a court asked"})";
  EXPECT_EQ(ask("POST", path + "/hold", reviewer, hold).status, 403);
  EXPECT_EQ(ask("POST", path + "/hold", owner, hold).status, 200);
  ASSERT_EQ(holds.size(), 1u);
  EXPECT_TRUE(holds[0].on);
  EXPECT_EQ(holds[0].reason_hash.size(), 64u);
  EXPECT_EQ(ask("POST", path + "/hold", owner, R"({"state":"on","reason":"a court"})").status, 400);
  const std::string reason = R"({"reason":"burnt down"})";
  EXPECT_EQ(ask("POST", "/v1/system/mirrors/2/retirement", reviewer, reason).status, 403);
  const auto retirement = ask("POST", "/v1/system/mirrors/2/retirement", owner, reason);
  ASSERT_EQ(retirement.status, 200) << retirement.body;
  ASSERT_EQ(retired.size(), 1u);
  EXPECT_EQ(retired[0].number, 2u);
  // The reason is not in the log, and can be proved.
  const auto said = json_of(retirement);
  const auto r = *from_hex(said.at("r").as_string());
  EXPECT_EQ(retired[0].reason_hash, to_hex(crypto::sha256({r, as_bytes("burnt down")})));
  for (const char* wrong : {"0x2", "-1", "two", "2.", "99999999999"})
    EXPECT_EQ(ask("POST", std::string("/v1/system/mirrors/") + wrong + "/retirement", owner, reason)
                  .status,
              404)
        << wrong;
}

TEST_F(Whole, TheOwnerHasABackupsManifestLogged) {
  const std::string hash(64, 'a');
  const auto body = [](const std::string& manifest) {
    return R"({"manifest":")" + manifest + R"(","files":3,"log_size":7})";
  };
  EXPECT_EQ(ask("POST", "/v1/backups", reviewer, body(hash)).status, 403);
  EXPECT_EQ(ask("POST", "/v1/backups", owner, body(std::string(64, 'g'))).status, 400);
  const auto logged = ask("POST", "/v1/backups", owner, body(hash));
  ASSERT_EQ(logged.status, 201) << logged.body;
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(json_of(logged).at("index").to_number<std::size_t>(), log.size());
  EXPECT_EQ(log.back().type, "backup_made");
  EXPECT_EQ(boost::json::parse(log.back().data).at("manifest").as_string(), hash);
}

TEST_F(Whole, TheAccountOfACallWithoutARowSaysErasedAndNamesRetiredMirrors) {
  {
    const std::lock_guard lock(told);
    state.known = false;
  }
  const auto account = json_of(ask("GET", path + "/account", reviewer));
  const auto& intervals = account.at("intervals").as_array();
  ASSERT_EQ(intervals.size(), 1u);
  EXPECT_EQ(intervals[0].at("state").as_string(), "erased");
  EXPECT_EQ(intervals[0].at("reason").as_string(), "whole_call");
  EXPECT_EQ(boost::json::serialize(account.at("unconfirmed_mirrors")),
            R"([{"mirror":2,"epoch":7}])");
}

}  // namespace
}  // namespace callward::api
