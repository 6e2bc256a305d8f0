// What is held for a person: lists and decisions; and the history of a call.
#include "api/rig_test.hpp"
#include "audit/log.hpp"

namespace callward::api {
namespace {

using test::json_of;
using test::Rig;

constexpr std::int64_t kNoon = 1'795'521'600'000;

struct HeldForAPerson : ::testing::Test, Rig {
  std::string token = signed_in("ada");
  store::CallEvent event = call(store::CallPhase::kComplete, kNoon);
  OrderId order = OrderId::random(entropy), other = OrderId::random(entropy);
  std::string path = "/v1/calls/" + event.call.hex();
  void SetUp() override {
    start_peers();
    event.account = {{0, store::RecorderState::kSealed, 0, 5'000, ""}};
    ASSERT_TRUE(catalog.apply(event));
    using keys::OrderOutcome;
    state.known = true;
    state.erased = {{{0, 10, 20}, "card", OrderOutcome::kHeld, order},
                    {{1, 10, 30}, "card", OrderOutcome::kHeld, order},
                    {{0, 30, 35}, "pin", OrderOutcome::kErased, {}},
                    {{0, 36, 38}, "pin", OrderOutcome::kIntended, OrderId::random(entropy)},
                    {{0, 40, 41}, "otp", OrderOutcome::kHeld, other}};
    waiting = {event.call};
  }
  Response decide(const std::string& body, const std::string& key = {},
                  const std::string& as = {}) {
    auto wanted =
        request("POST", path + "/held/" + order.hex() + "/decision", as.empty() ? token : as, body);
    if (!key.empty()) wanted.headers["idempotency-key"] = key;
    return router->handle(wanted);
  }
};

TEST_F(HeldForAPerson, OrdersAreListedWithTheirRangesOfACallAndOfAll) {
  const auto of_call = json_of(ask("GET", path + "/held", token));
  const auto& orders = of_call.at("orders").as_array();
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_EQ(boost::json::serialize(orders[0]),
            R"({"order":")" + order.hex() +
                R"(","reason_code":"card","total_ms":3000,"ranges":[)"
                R"({"stream":"customer","start_ms":1000,"end_ms":2000},)"
                R"({"stream":"agent","start_ms":1000,"end_ms":3000}]})");
  EXPECT_EQ(orders[1].at("order").as_string(), other.hex());
  const auto all = json_of(ask("GET", "/v1/held", token));
  EXPECT_EQ(all.at("total").to_number<int>(), 1);
  EXPECT_EQ(all.at("calls").at(0).at("call").as_string(), event.call.hex());
  EXPECT_EQ(all.at("calls").at(0).at("orders"), of_call.at("orders"));
}

TEST_F(HeldForAPerson, TheCallSaysHowManyWaitAndWhatIsOnlyIntendedIsNotErased) {
  const auto info = json_of(ask("GET", path, token));
  EXPECT_EQ(info.at("held_orders").to_number<int>(), 2);
  EXPECT_EQ(info.at("totals").at("erased").to_number<int>(), 500);
  EXPECT_EQ(info.at("totals").at("sealed").to_number<int>(), 4'500);
  const auto account = ask("GET", path + "/account", token).body;
  EXPECT_NE(
      account.find(R"("start_ms":3600,"end_ms":3800,"state":"sealed","reason":"erase_intended")"),
      std::string::npos)
      << account;
}

TEST_F(HeldForAPerson, ADecisionNamesItsPersonAndItsReasonOnlyAsHash) {
  const auto kept = decide(R"({"decision":"keep","reason":"it was an article number"})");
  ASSERT_EQ(kept.status, 200) << kept.body;
  EXPECT_EQ(json_of(kept).at("outcome").as_string(), "kept");
  EXPECT_EQ(json_of(kept).at("id").as_string(), order.hex());
  ASSERT_EQ(decisions.size(), 1u);
  EXPECT_EQ(decisions[0].call, event.call);
  EXPECT_EQ(decisions[0].order, order);
  EXPECT_EQ(decisions[0].decision, keys::HeldDecision::kKeep);
  EXPECT_EQ(decisions[0].actor, people.find("ada").value()->id.hex());
  EXPECT_EQ(decisions[0].reason_hash.size(), 64u);
  const auto erased = decide(R"({"decision":"erase","reason":"a card number"})");
  EXPECT_EQ(erased.status, 202);
  EXPECT_EQ(json_of(erased).at("outcome").as_string(), "accepted");
  service.on_order_state({order, event.call, keys::OrderOutcome::kErased, {}, "card"});
  const auto after = json_of(ask("GET", "/v1/orders/" + order.hex(), token));
  EXPECT_EQ(after.at("outcome").as_string(), "erased");
}

TEST_F(HeldForAPerson, WhatIsNoDecisionIsRefusedBeforeTheKeeperHearsOfIt) {
  for (const char* body :
       {"{", "{}", R"({"decision":"keep"})", R"({"reason":"because"})",
        R"({"decision":"maybe","reason":"because"})", R"({"decision":"keep","reason":"x"})",
        R"({"decision":"keep","reason":"because","order":"00"})"})
    EXPECT_EQ(decide(body).status, 400) << body;
  const std::string good = R"({"decision":"keep","reason":"because"})";
  EXPECT_EQ(ask("POST", path + "/held/00/decision", token, good).status, 404);
  EXPECT_EQ(ask("POST", "/v1/calls/" + std::string(32, '0') + "/held/" + order.hex() + "/decision",
                token, good)
                .status,
            404);
  EXPECT_EQ(decide(good, {}, "no session").status, 401);
  auto foreign = request("POST", path + "/held/" + order.hex() + "/decision", token, good);
  foreign.headers.erase("x-callward");
  EXPECT_EQ(router->handle(foreign).status, 403);
  EXPECT_TRUE(decisions.empty());
}

TEST_F(HeldForAPerson, OneKeyIsOneDecisionAndRefusalsAreTold) {
  const std::string keep = R"({"decision":"keep","reason":"because"})";
  const auto first = decide(keep, "k1");
  EXPECT_EQ(decide(keep, "k1").body, first.body);
  EXPECT_EQ(decide(R"({"decision":"erase","reason":"because"})", "k1").status, 409);
  EXPECT_EQ(decisions.size(), 1u);
  decision_refused = Errc::kNotFound;
  EXPECT_EQ(decide(keep).status, 404);
  decision_refused = Errc::kState;
  EXPECT_EQ(decide(keep).status, 409);
  keeper_peer.reset();
  EXPECT_EQ(decide(keep).status, 503);
  EXPECT_EQ(ask("GET", "/v1/held", token).status, 503);
}

// `erased` names orders, not calls: the history of a call has it all the same, on whatever page.
TEST_F(HeldForAPerson, TheHistoryOfACallSaysThatItsOrdersAreErased) {
  const auto seed = entropy.key();
  auto opened = audit::Log::open(vfs, service.log_dir, "test/log", seed);
  ASSERT_TRUE(opened) << opened.error().message;
  auto& log_file = **opened;
  const auto stage = [&](const char* type, const std::string& subject, boost::json::object data) {
    ASSERT_TRUE(log_file.stage({type, "keeper", subject, kNoon, std::move(data)}));
  };
  const auto intended = [&](const std::string& subject, const OrderId& id) {
    stage("erase_intended", subject,
          {{"order", id.hex()},
           {"reason", "card"},
           {"source", "listener"},
           {"ranges", boost::json::array(1, boost::json::array{0, 1, 2})},
           {"epoch", 1}});
  };
  const auto erased = [&](const OrderId& id) {
    stage("erased", "-",
          {{"orders", boost::json::array{boost::json::string(id.hex())}}, {"epoch", 2}});
  };
  const auto foreign = CallId::random(entropy).hex();
  intended(event.call.hex(), order);                            // 0
  intended(foreign, other);                                     // 1
  erased(other);                                                // 2
  erased(order);                                                // 3
  stage("listened", event.call.hex(), {{"heard_live", true}});  // 4
  ASSERT_TRUE(log_file.commit());
  ASSERT_TRUE(log_file.publish());
  service.log_key = {"test/log", *crypto::ed25519_public(seed)};
  const auto types = [&](const std::string& query) {
    const auto response = ask("GET", "/v1/log/entries?" + query, token);
    std::string out;
    const auto json = json_of(response);
    for (const auto& entry : json.at("entries").as_array())
      out += std::to_string(entry.at("index").to_number<int>()) + " " +
             std::string(entry.at("type").as_string()) + "; ";
    const auto& next = json.at("next_before");
    return out + (next.is_null() ? "end" : std::to_string(next.to_number<int>()));
  };
  const auto subject = "subject=" + event.call.hex();
  EXPECT_EQ(types(subject), "4 listened; 3 erased; 0 erase_intended; end");
  EXPECT_EQ(types(subject + "&limit=1"), "4 listened; 4");
  EXPECT_EQ(types(subject + "&type=erased"), "3 erased; end");
  EXPECT_EQ(types("subject=" + foreign), "2 erased; 1 erase_intended; end");
  // The page ends between the two: what stands on it is matched by what is older.
  EXPECT_EQ(types("limit=1&before=4&" + subject), "3 erased; 0 erase_intended; end");
  EXPECT_EQ(types("limit=2"), "4 listened; 3 erased; 3");
  EXPECT_EQ(types("subject=-&limit=1"), "3 erased; 3");
}

}  // namespace
}  // namespace callward::api
