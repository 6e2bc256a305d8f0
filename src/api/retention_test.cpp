// Retention: who may, what the keeper is told, and what the log tells the server.
#include "api/rig_test.hpp"
#include "audit/log.hpp"
#include "crypto/curve25519.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {
namespace {

using test::json_of;
using test::Rig;

constexpr std::int64_t kNoon = 1'795'521'600'000;

struct RetentionApi : ::testing::Test, Rig {
  std::string reviewer = signed_in("ada");
  std::string owner = signed_in("eve", people::bit(people::Role::kOwner));
  void SetUp() override { start_peers(); }
};

TEST_F(RetentionApi, EverybodyReadsItAndOnlyTheOwnerRunsOrConfirms) {
  const auto status = ask("GET", "/v1/system/retention", reviewer);
  ASSERT_EQ(status.status, 200) << status.body;
  EXPECT_EQ(json_of(status).at("due").to_number<int>(), 3);
  const std::string run = R"({"dry_run":false})";
  EXPECT_EQ(ask("POST", "/v1/system/retention/runs", reviewer, run).status, 403);
  EXPECT_EQ(ask("POST", "/v1/system/retention/runs", owner, run).status, 202);
  EXPECT_EQ(ask("POST", "/v1/system/retention/runs", owner, R"({"dry_run":true})").status, 200);
  EXPECT_EQ(ask("POST", "/v1/system/retention/runs", owner, "{}").status, 400);
  EXPECT_EQ(ask("POST", "/v1/system/retention/runs", owner, R"({"dry_run":1})").status, 400);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_FALSE(runs[0].dry_run);
  EXPECT_TRUE(runs[1].dry_run);
  EXPECT_EQ(runs[0].actor, people.find("eve").value()->id.hex());
  const std::string word = R"({"calls":3,"reason":"the clock is right"})";
  EXPECT_EQ(ask("POST", "/v1/system/retention/confirmation", reviewer, word).status, 403);
  const auto confirmed = ask("POST", "/v1/system/retention/confirmation", owner, word);
  ASSERT_EQ(confirmed.status, 200) << confirmed.body;
  ASSERT_EQ(confirmations.size(), 1u);
  EXPECT_EQ(confirmations[0].calls, 3u);
  const auto r = *from_hex(json_of(confirmed).at("r").as_string());
  EXPECT_EQ(confirmations[0].reason_hash,
            to_hex(crypto::sha256({r, as_bytes("the clock is right")})));
  EXPECT_EQ(ask("POST", "/v1/system/retention/confirmation", owner, R"({"reason":"all"})").status,
            400);
}

TEST_F(RetentionApi, ACallSaysThatItIsUnderAHold) {
  const auto event = call(store::CallPhase::kComplete, kNoon);
  ASSERT_TRUE(catalog.apply(event));
  EXPECT_FALSE(json_of(ask("GET", "/v1/calls/" + event.call.hex(), reviewer)).at("hold").as_bool());
  waiting = {event.call};
  EXPECT_TRUE(json_of(ask("GET", "/v1/calls/" + event.call.hex(), reviewer)).at("hold").as_bool());
  const auto list = json_of(ask("GET", "/v1/calls", reviewer));
  EXPECT_TRUE(list.at("calls").at(0).at("hold").as_bool());
}

// The keeper has forgotten it; the log has not, nor has a server that was away when it was said.
TEST_F(RetentionApi, WhatTheLogSaysOfACallOutlivesTheKeepersRow) {
  auto event = call(store::CallPhase::kComplete, kNoon);
  event.account = {{0, store::RecorderState::kSealed, 0, 5'000, ""},
                   {1, store::RecorderState::kSealed, 0, 5'000, ""}};
  event.object = publish(event);
  ASSERT_TRUE(catalog.apply(event));
  ASSERT_TRUE(
      database->execute("INSERT INTO notes VALUES (?1, 1, ?2)", {event.call.hex(), Bytes(3)}));
  state.known = false;
  const auto path = "/v1/calls/" + event.call.hex();
  EXPECT_TRUE(json_of(ask("GET", path, reviewer))
                  .at("erased_by_reason")
                  .as_object()
                  .contains("whole_call"));

  const auto seed = entropy.key();
  const audit::NamedKey key{"test/log", *crypto::ed25519_public(seed)};
  const auto folder = dir + "/log";
  const auto say = [&](const std::string& type, boost::json::object data) {
    auto log = std::move(*audit::Log::open(vfs, folder, "test/log", seed));
    for (int i = 0; i < 300; ++i)
      ASSERT_TRUE(log->stage({"hold_lifted", "eve", "-", kNoon, {{"reason_hash", "x"}}}));
    ASSERT_TRUE(log->stage({type, "keeper", "-", kNoon, std::move(data)}));
    ASSERT_TRUE(log->commit());
    ASSERT_TRUE(log->publish());
  };
  const auto read = [&] {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(catalog.follow_log(folder, key, vfs));
  };
  say("objects_deleted", {{"calls", boost::json::array{}}, {"kept", boost::json::array{}}});
  read();
  EXPECT_FALSE(*catalog.retired(event.call));
  say("objects_deleted", {{"calls", boost::json::array(1, boost::json::string(event.call.hex()))},
                          {"kept", boost::json::array{}}});
  read();
  EXPECT_TRUE(*catalog.retired(event.call));
  EXPECT_TRUE(database->query("SELECT at FROM notes")->empty()) << "its notes went, too";
  ASSERT_TRUE(objects.remove(event.object));
  const auto said = json_of(ask("GET", path, reviewer));
  EXPECT_TRUE(said.at("object_deleted").as_bool());
  EXPECT_TRUE(said.at("erased_by_reason").as_object().contains("retention"));
  EXPECT_EQ(ask("GET", path + "/object", reviewer).status, 410);
  EXPECT_EQ(ask("GET", path + "/account", reviewer).status, 200);
  // A database from a backup, older than that: the log is read again.
  ASSERT_TRUE(database->execute("DELETE FROM retired"));
  ASSERT_TRUE(database->execute("UPDATE log_read SET next = 1000000"));
  read();
  EXPECT_TRUE(*catalog.retired(event.call));
}

// What happened to a call is found by the call, though retention names rows and orders.
TEST_F(RetentionApi, TheHistoryOfACallHasItsEnd) {
  const auto seed = entropy.key();
  service.log_key = {"test/log", *crypto::ed25519_public(seed)};
  const auto id = CallId::random(entropy).hex();
  const std::string ours(32, '1'), other(32, '2');
  auto log = std::move(*audit::Log::open(vfs, service.log_dir, "test/log", seed));
  const auto say = [&](const std::string& type, const std::string& subject,
                       boost::json::object data) {
    ASSERT_TRUE(log->stage({type, "keeper", subject, kNoon, std::move(data)}));
  };
  const auto takes = [&](const std::string& order, int first, int end) {
    boost::json::value rows = boost::json::array{first, end};
    say("retention_intended", "-",
        {{"order", order},
         {"class", "incoming"},
         {"days", 30},
         {"calls", end - first},
         {"rows", boost::json::array(1, rows)},
         {"epoch", 1}});
    say("erased", "-",
        {{"orders", boost::json::array(1, boost::json::string(order))}, {"epoch", 2}});
  };
  say("call_started", id,
      {{"row", 5},
       {"source", "siprec"},
       {"direction", "incoming"},
       {"streams", 1},
       {"started_at", 1}});
  takes(other, 7, 9);
  takes(ours, 4, 7);
  say("objects_deleted", "-",
      {{"calls", boost::json::array(1, boost::json::string(id))}, {"kept", boost::json::array{}}});
  say("objects_deleted", "-", {{"calls", boost::json::array{}}, {"kept", boost::json::array{}}});
  ASSERT_TRUE(log->commit());
  ASSERT_TRUE(log->publish());
  const auto found = json_of(ask("GET", "/v1/log/entries?subject=" + id, reviewer));
  std::vector<std::int64_t> indices;
  for (const auto& entry : found.at("entries").as_array())
    indices.push_back(entry.at("index").as_int64());
  EXPECT_EQ(indices, (std::vector<std::int64_t>{5, 4, 3, 0}));
}

}  // namespace
}  // namespace callward::api
