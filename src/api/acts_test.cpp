// Opening, erasing, orders, Idempotency-Key.
#include <latch>

#include "api/rig_test.hpp"
#include "crypto/hpke.hpp"

namespace callward::api {
namespace {

using test::json_of;
using test::Rig;

constexpr std::int64_t kNoon = 1'795'521'600'000;

struct Acts : ::testing::Test, Rig {
  std::string token = signed_in("ada");
  store::CallEvent event = call(store::CallPhase::kComplete, kNoon);
  std::string path = "/v1/calls/" + event.call.hex();
  void SetUp() override {
    start_peers();
    event.object = publish(event);
    ASSERT_TRUE(catalog.apply(event));
  }
  static boost::json::object opening() {
    return {{"kinds", boost::json::array{"audio"}},
            {"start_ms", 0},
            {"end_ms", 500},
            {"reader_key", "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
            {"purpose", "play"},
            {"reason", "a complaint"}};
  }
  static boost::json::object erasure() {
    return {{"stream", "customer"},
            {"start_ms", 150},
            {"end_ms", 350},
            {"reason_code", "customer_request"},
            {"reason", "asked for by the caller"}};
  }
  Response open(const boost::json::object& body) {
    return ask("POST", path + "/openings", token, boost::json::serialize(body));
  }
  Response erase(const boost::json::object& body, const std::string& key = {},
                 const std::string& as = {}) {
    auto wanted =
        request("POST", path + "/erasures", as.empty() ? token : as, boost::json::serialize(body));
    if (!key.empty()) wanted.headers["idempotency-key"] = key;
    return router->handle(wanted);
  }
  std::size_t order_count() {
    const std::lock_guard lock(told);
    return orders.size();
  }
};

TEST_F(Acts, AnOpeningNamesItsRecordsItsActorAndAReasonOnlyAsHash) {
  const auto response = open(opening());
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(json_of(response)["records"].as_array().size(), 10u);
  ASSERT_EQ(openings.size(), 1u);
  EXPECT_EQ(openings[0].call, event.call);
  EXPECT_EQ(openings[0].headers.size(), 10u);
  EXPECT_EQ(openings[0].actor, people.find("ada").value()->id.hex());
  EXPECT_EQ(openings[0].reason_hash.size(), 64u);
  EXPECT_EQ(openings[0].reason_hash.find("complaint"), std::string::npos);
  for (const auto& entry : log) EXPECT_EQ(entry.data.find("complaint"), std::string::npos);
  auto one = opening();
  one["stream"] = 1;
  one["kinds"] = boost::json::array{"audio", "audio", "audio", "audio", "audio", "audio"};
  EXPECT_EQ(json_of(open(one))["records"].as_array().size(), 5u);  // each once
}

// Who decides about a release hears its call-back: no other call, no number, and nothing is done to it.
TEST_F(Acts, AnAuthorisedPersonHearsCallBacksOnly) {
  const auto anna = signed_in("anna", people::bit(people::Role::kAuthorised));
  auto back = call(store::CallPhase::kComplete, kNoon + 1'000);
  back.source = keys::CallSource::kCallBack;
  back.object = publish(back);
  ASSERT_TRUE(catalog.apply(back));
  const auto base = "/v1/calls/" + back.call.hex();
  const auto opened = [&](const std::string& of, const boost::json::object& body) {
    return ask("POST", of + "/openings", anna, boost::json::serialize(body)).status;
  };
  for (const char* part : {"", "/account", "/records?kind=audio"}) {
    EXPECT_EQ(ask("GET", base + part, anna).status, 200) << part;
    EXPECT_EQ(ask("GET", path + part, anna).status, 404) << part;
  }
  EXPECT_EQ(opened(base, opening()), 201);
  EXPECT_EQ(opened(path, opening()), 404);
  for (const char* kind : {"call_data", "notes"}) {
    auto about = opening();
    about["kinds"] = boost::json::array{"audio", kind};
    EXPECT_EQ(opened(base, about), 403) << kind;
    EXPECT_EQ(ask("GET", base + "/records?kind=" + kind, anna).status, 403) << kind;
  }
  for (const auto& elsewhere : {std::string("/v1/calls"), base + "/object", base + "/held"})
    EXPECT_EQ(ask("GET", elsewhere, anna).status, 403) << elsewhere;
  EXPECT_EQ(ask("POST", base + "/erasures", anna, boost::json::serialize(erasure())).status, 403);
  EXPECT_EQ(openings.size(), 1u);
}

TEST_F(Acts, WhatIsNoOpeningIsRefusedBeforeTheKeeperHearsOfIt) {
  const std::vector<std::pair<const char*, std::string>> wrong = {
      {"end_ms", "60001"},
      {"end_ms", "2199023255552"},
      {"end_ms", "-1"},
      {"end_ms", R"("500")"},
      {"end_ms", "1.5"},
      {"start_ms", "501"},
      {"start_ms", "-1"},
      {"stream", "16"},
      {"stream", R"("customer")"},
      {"kinds", "[]"},
      {"kinds", R"(["everything"])"},
      {"kinds", "[1]"},
      {"kinds", R"("audio")"},
      {"reader_key", R"("")"},
      {"reader_key", R"("AAAA")"},
      {"reader_key", "\"" + std::string(44, '!') + "\""},
      {"reader_key", "\"" + std::string(44, 'A') + "\""},  // 33 bytes
      {"purpose", R"("fun")"},
      {"reason", R"("x")"},
      {"reason", "\"" + std::string(501, 'x') + "\""},
      {"reason", "null"},
      {"actor", R"("somebody else")"},
      {"headers", "[]"}};
  for (const auto& [key, value] : wrong) {
    auto body = opening();
    body[key] = boost::json::parse(value);
    EXPECT_EQ(open(body).status, 400) << key << " " << value;
  }
  EXPECT_TRUE(openings.empty());
  EXPECT_EQ(ask("POST", path + "/openings", token, "{").status, 400);
}

// The keys come sealed to the reader's point; one without a shared secret must not be used.
TEST_F(Acts, PointsOfLowOrderHaveNoSharedSecret) {
  std::vector<crypto::PublicKey> points(4);
  points[1][0] = 1;
  points[2].fill(0xFF);  // p - 1: order 2
  points[2][0] = 0xEC;
  points[2][31] = 0x7F;
  points[3] = {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
               0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
               0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00};  // order 8
  for (const auto& point : points) {
    const auto sealed = crypto::hpke_seal(entropy, point, {}, {}, as_bytes("key"));
    ASSERT_FALSE(sealed);
    EXPECT_EQ(sealed.error().code, Errc::kMalformed);
  }
}

TEST_F(Acts, ALiveCallsOwnDataIsOpenedToo) {
  auto running = call(store::CallPhase::kLive, kNoon);
  ASSERT_TRUE(catalog.apply(running));
  auto body = opening();
  body["kinds"] = boost::json::array{"call_data", "audio"};
  const auto response = ask("POST", "/v1/calls/" + running.call.hex() + "/openings", token,
                            boost::json::serialize(body));
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(json_of(response)["records"].as_array().size(), 3u);
}

TEST_F(Acts, AnErasureTakesWholeSegmentsOfTheStreamsThatItNames) {
  const auto response = erase(erasure());
  ASSERT_EQ(response.status, 202) << response.body;
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].ranges, (std::vector<keys::SegmentRange>{{0, 1, 4}}));
  EXPECT_EQ(orders[0].actor, people.find("ada").value()->id.hex());
  auto both = erasure();
  both["stream"] = "both";
  both["end_ms"] = 1ll << 40;  // far beyond: no further than the call goes
  ASSERT_EQ(erase(both).status, 202);
  EXPECT_EQ(orders[1].ranges, (std::vector<keys::SegmentRange>{{0, 1, 50}, {1, 1, 50}}));
  const auto id = std::string(json_of(response)["id"].as_string());
  const auto order = ask("GET", "/v1/orders/" + id, token);
  EXPECT_EQ(json_of(order)["outcome"].as_string(), "accepted");
  service.on_order_state(
      {orders[0].order, event.call, keys::OrderOutcome::kErased, {}, "customer_request"});
  EXPECT_EQ(json_of(ask("GET", "/v1/orders/" + id, token))["outcome"].as_string(), "erased");
  EXPECT_EQ(ask("GET", "/v1/orders/" + std::string(32, '0'), token).status, 404);
}

// The keeper was restarted, or its event lost: it finished the order, and nobody was told.
TEST_F(Acts, AnOrderThatEndedOutOfReachIsAskedFor) {
  const auto id = std::string(json_of(erase(erasure()))["id"].as_string());
  service.ask_orders();
  EXPECT_EQ(json_of(ask("GET", "/v1/orders/" + id, token))["outcome"].as_string(), "accepted");
  {
    const std::lock_guard lock(told);
    order_outcome = keys::OrderOutcome::kErased;
  }
  service.ask_orders();
  EXPECT_EQ(json_of(ask("GET", "/v1/orders/" + id, token))["outcome"].as_string(), "erased");
  service.ask_orders();
  const std::lock_guard lock(told);
  ASSERT_EQ(orders.size(), 3u) << "one that is done is asked for no more";
  for (std::size_t i = 1; i < orders.size(); ++i) {
    EXPECT_EQ(orders[i].order, orders[0].order);
    EXPECT_TRUE(orders[i].ranges.empty()) << "asking orders nothing";
    EXPECT_EQ(orders[i].actor, "server") << "nor does a process";
  }
}

TEST_F(Acts, WhatTheKeeperDoesNotKnowIsForgottenAndOneThatIsAwayIsAskedAgain) {
  const auto id = std::string(json_of(erase(erasure()))["id"].as_string());
  const auto known = [&] { return ask("GET", "/v1/orders/" + id, token).status; };
  const auto refuse = [&](Errc code) {
    const std::lock_guard lock(told);
    order_refused = code;
  };
  for (const auto away : {Errc::kUnavailable, Errc::kTimeout, Errc::kBusy}) {
    refuse(away);
    service.ask_orders();
    EXPECT_EQ(known(), 200);
  }
  refuse(Errc::kDenied);
  service.ask_orders();
  EXPECT_EQ(known(), 404);
  // One that was never taken is nothing to ask for.
  refuse(Errc::kFull);
  EXPECT_NE(erase(erasure()).status, 202);
  const auto asked = order_count();
  service.ask_orders();
  EXPECT_EQ(order_count(), asked);
}

TEST_F(Acts, RangesThatOverflowOrLieBeyondTheCallEraseNothing) {
  const std::vector<std::pair<const char*, std::string>> wrong = {
      {"start_ms", "-1"},
      {"start_ms", "350"},
      {"start_ms", "1099511627777"},
      {"start_ms", "18446744073709551615"},
      {"end_ms", "0"},
      {"end_ms", "9223372036854775807"},
      {"end_ms", "-9223372036854775807"},
      {"stream", R"("everybody")"},
      {"stream", "0"},
      {"reason_code", R"("because")"},
      {"reason", R"("")"},
      {"order", R"("00")"}};
  for (const auto& [key, value] : wrong) {
    auto body = erasure();
    body[key] = boost::json::parse(value);
    EXPECT_EQ(erase(body).status, 400) << key << " " << value;
  }
  auto beyond = erasure();
  beyond["start_ms"] = 5'000;
  beyond["end_ms"] = 6'000;
  EXPECT_EQ(erase(beyond).status, 400);
  beyond["start_ms"] = (1ll << 40) - 1;
  beyond["end_ms"] = 1ll << 40;
  EXPECT_EQ(erase(beyond).status, 400);
  EXPECT_TRUE(orders.empty());
}

TEST_F(Acts, OneKeyIsOneWrite) {
  const auto first = erase(erasure(), "k1");
  ASSERT_EQ(first.status, 202);
  const auto again = erase(erasure(), "k1");
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.body, first.body);
  auto other = erasure();
  other["end_ms"] = 351;
  EXPECT_EQ(erase(other, "k1").status, 409);
  EXPECT_EQ(order_count(), 1u);
  EXPECT_EQ(erase(erasure(), "k2").status, 202);
  EXPECT_EQ(erase(erasure(), std::string(129, 'k')).status, 400);
  EXPECT_EQ(order_count(), 2u);
  clock.advance_ms(86'400'001);  // beyond a day it may be used anew
  const auto later = people.sign_in("ada", phrase("nine quiet rivers"), "x")->token;
  EXPECT_EQ(erase(other, "k1", later).status, 202);
}

TEST_F(Acts, KeysOfTwoPersonsHaveNothingToDoWithEachOther) {
  const auto bob = signed_in("bob");
  const auto first = erase(erasure(), "same");
  const auto his = erase(erasure(), "same", bob);
  ASSERT_EQ(his.status, 202);
  EXPECT_NE(his.body, first.body);
  EXPECT_EQ(order_count(), 2u);
  EXPECT_EQ(erase(erasure(), "same", bob).body, his.body);  // his answer was kept as well
  EXPECT_EQ(order_count(), 2u);
}

TEST_F(Acts, AFailedWriteIsNotRemembered) {
  auto wrong = erasure();
  wrong["reason_code"] = "because";
  EXPECT_EQ(erase(wrong, "k").status, 400);
  EXPECT_EQ(erase(erasure(), "k").status, 202);
}

TEST_F(Acts, OfSimultaneousOnesWithOneKeyOneIsDone) {
  erase_delay_ms = 200;
  constexpr int kThreads = 4;
  std::latch begin(kThreads);
  std::array<int, kThreads> statuses{};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      begin.arrive_and_wait();
      statuses[static_cast<std::size_t>(i)] = erase(erasure(), "k").status;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(order_count(), 1u);
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 202), 1);
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 409), kThreads - 1);
  EXPECT_EQ(erase(erasure(), "k").status, 202);
  EXPECT_EQ(order_count(), 1u);
}

TEST_F(Acts, NothingIsDoneWhileTheKeeperIsAway) {
  keeper_peer.reset();
  const auto response = erase(erasure(), "k");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(test::header_of(response, "Retry-After"), "2");
  EXPECT_EQ(open(opening()).status, 503);
}

}  // namespace
}  // namespace callward::api
