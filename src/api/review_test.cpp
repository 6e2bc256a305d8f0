// Reviewers' marks: in the log first, then erased; words alone are kept; and the report on them.
#include "api/customer_tables.hpp"
#include "api/rig_test.hpp"
#include "audit/log.hpp"
#include "quality/marks.hpp"

namespace callward::api {
namespace {

using boost::json::array;
using boost::json::object;
using test::json_of;
using test::Rig;

constexpr std::int64_t kNoon = 1'795'521'600'000;

struct Review : ::testing::Test, Rig {
  std::string token = signed_in("ada");
  store::CallEvent event = call(store::CallPhase::kComplete, kNoon);
  std::string path = "/v1/calls/" + event.call.hex();
  void SetUp() override {
    start_peers();
    ASSERT_TRUE(catalog.apply(event));
  }
  static object missed() {
    return {{"stream", "both"},
            {"start_ms", 1'050},
            {"end_ms", 2'000},
            {"kind", "card"},
            {"cause", "read_back"}};
  }
  static object needless() {
    return {{"start_ms", 0}, {"end_ms", 5'000}, {"kind", "phone"}, {"cause", "no_question"}};
  }
  Response mark(const std::string& what, const object& body, const std::string& key = {}) {
    auto wanted = request("POST", path + "/" + what, token, boost::json::serialize(body));
    if (!key.empty()) wanted.headers["idempotency-key"] = key;
    return router->handle(wanted);
  }
  std::vector<keys::LogAppend> marks_logged() {
    const std::lock_guard lock(told);
    std::vector<keys::LogAppend> out;
    for (const auto& entry : log)
      if (quality::is_mark(entry.type)) out.push_back(entry);
    return out;
  }
};

TEST_F(Review, AMissedSecretIsCountedAndErasedByItsKind) {
  const auto response = mark("missed", missed());
  ASSERT_EQ(response.status, 202) << response.body;
  const auto logged = marks_logged();
  ASSERT_EQ(logged.size(), 1u);
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].reason, "card");
  EXPECT_EQ(orders[0].actor, people.find("ada").value()->id.hex());
  EXPECT_EQ(orders[0].ranges, (std::vector<keys::SegmentRange>{{0, 10, 20}, {1, 10, 20}}));
  EXPECT_EQ(logged[0].type, "secret_missed");
  EXPECT_EQ(logged[0].actor, orders[0].actor);
  EXPECT_EQ(logged[0].subject, event.call.hex());
  EXPECT_EQ(logged[0].data, R"({"order":")" + orders[0].order.hex() +
                                R"(","kind":"card","cause":"read_back",)"
                                R"("ranges":[[0,10,20],[1,10,20]]})");
  const auto again = mark("missed", missed(), "k");
  EXPECT_EQ(mark("missed", missed(), "k").body, again.body);
  EXPECT_EQ(orders.size(), 2u) << "one key is one mark";
  EXPECT_EQ(service.marks_made.status_json(), R"({"missed":2,"needless":0,"reviewed":0})");
}

// No log, no act; and an order that is refused leaves the mark, which the log's rules hold up.
TEST_F(Review, TheMarkIsInTheLogBeforeItIsOrdered) {
  log_fails = true;
  EXPECT_EQ(mark("missed", missed()).status, 503);
  EXPECT_TRUE(orders.empty());
  log_fails = false;
  {
    const std::lock_guard lock(told);
    order_refused = Errc::kFull;
  }
  EXPECT_NE(mark("missed", missed()).status, 202);
  EXPECT_EQ(marks_logged().size(), 1u);
}

TEST_F(Review, ANeedlessErasureIsMarkedWhereTheListenerErased) {
  using keys::OrderOutcome;
  EXPECT_EQ(mark("needless", needless()).status, 409) << "nothing is erased";
  state.erased = {{{0, 10, 20}, "secret_like", OrderOutcome::kErased, {}},
                  {{1, 10, 20}, "secret_like", OrderOutcome::kUnconfirmed, {}},
                  {{0, 25, 28}, "card", OrderOutcome::kHeld, {}},
                  {{0, 30, 35}, "customer_request", OrderOutcome::kErased, {}},
                  {{0, 36, 38}, "private", OrderOutcome::kErased, {}},
                  {{0, 40, 90}, "unrecognised", OrderOutcome::kErased, {}}};
  const auto response = mark("needless", needless());
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(marks_logged().at(0).data,
            R"({"kind":"phone","cause":"no_question","ranges":[[0,10,20],[0,40,50],[1,10,20]]})");
  EXPECT_TRUE(orders.empty());
  auto elsewhere = needless();
  elsewhere["start_ms"] = 2'100;
  elsewhere["end_ms"] = 3'900;
  EXPECT_EQ(mark("needless", elsewhere).status, 409);
}

TEST_F(Review, OnlyTheWordsThatThereAre) {
  const auto refused = [&](const char* what, object body, const char* field, const char* word) {
    body[field] = word;
    EXPECT_EQ(mark(what, body).status, 400) << what << " " << field << " " << word;
  };
  refused("missed", missed(), "kind", "customer_request");
  refused("missed", missed(), "kind", "phone");
  refused("missed", missed(), "cause", "it was 4 7 1 1");
  refused("missed", missed(), "words", "4711");
  refused("missed", missed(), "stream", "nobody");
  refused("needless", needless(), "kind", "card");
  refused("needless", needless(), "cause", "read_back");
  refused("reviews", {}, "chosen", "by me");
  EXPECT_TRUE(marks_logged().empty());
}

TEST_F(Review, OfWhatIsNotHeardYetAndOfCallBacksNothingIsMarked) {
  for (const auto phase : {store::CallPhase::kLive, store::CallPhase::kListening}) {
    auto other = call(phase, kNoon);
    ASSERT_TRUE(catalog.apply(other));
    path = "/v1/calls/" + other.call.hex();
    EXPECT_EQ(mark("missed", missed()).status, 409);
    EXPECT_EQ(mark("reviews", {{"chosen", "random"}}).status, 409);
  }
  auto back = call(store::CallPhase::kComplete, kNoon);
  back.source = keys::CallSource::kCallBack;
  ASSERT_TRUE(catalog.apply(back));
  path = "/v1/calls/" + back.call.hex();
  EXPECT_EQ(mark("missed", missed()).status, 409);
  EXPECT_TRUE(marks_logged().empty());
}

TEST_F(Review, ReviewersAndOwnersMarkAndOthersDoNot) {
  for (const auto role :
       {people::Role::kAgent, people::Role::kSupervisor, people::Role::kAuditor}) {
    token = signed_in("p" + std::to_string(people::bit(role)), people::bit(role));
    for (const char* what : {"missed", "needless", "reviews"})
      EXPECT_EQ(mark(what, missed()).status, 403);
    EXPECT_EQ(ask("GET", path + "/marks", token).status, 403);
  }
  token = signed_in("olga", people::bit(people::Role::kOwner));
  EXPECT_EQ(mark("reviews", {{"chosen", "random"}}).status, 201);
}

// As the keeper writes it; then a call's page and the report read it.
TEST_F(Review, MarksAndFiguresAreReadFromTheLog) {
  service.log_key = {kLogOrigin, *crypto::ed25519_public(log_seed)};
  const auto ada = people.find("ada").value()->id.hex();
  const auto id = event.call.hex();
  const array both{array{0, 0, 50}, array{1, 0, 50}};
  const std::vector<audit::Entry> entries = {
      {"call_started",
       "keeper",
       id,
       kNoon,
       {{"row", 1},
        {"source", "siprec"},
        {"direction", "incoming"},
        {"streams", 2},
        {"started_at", kNoon}}},
      {"call_ended", "keeper", id, kNoon, {{"ended_at", kNoon}, {"cause", "bye"}, {"ends", both}}},
      {"opened",
       ada,
       id,
       kNoon,
       {{"purpose", "play"},
        {"ranges", both},
        {"kinds", array{"audio"}},
        {"reason_hash", std::string(64, 'f')},
        {"given", 100},
        {"sound", both}}},
      {"secret_missed",
       ada,
       id,
       kNoon,
       {{"order", std::string(32, '1')},
        {"kind", "card"},
        {"cause", "keyed"},
        {"ranges", array{array{0, 10, 20}, array{1, 10, 20}}}}},
      {"call_reviewed", ada, id, kNoon + 1, {{"chosen", "random"}}}};
  const auto log_of_them = *audit::Log::open(vfs, service.log_dir, kLogOrigin, log_seed);
  for (const auto& entry : entries) ASSERT_TRUE(log_of_them->stage(entry));
  ASSERT_TRUE(log_of_them->commit());
  ASSERT_TRUE(log_of_them->publish());
  ASSERT_TRUE(service.follow_customers());
  const auto marks = json_of(ask("GET", path + "/marks", token)).at("marks").as_array();
  ASSERT_EQ(marks.size(), 2u);
  EXPECT_EQ(boost::json::serialize(marks[0]),
            R"({"type":"secret_missed","at":1795521600000,"by":")" + ada +
                R"(","kind":"card","cause":"keyed","chosen":"","ranges":[[0,10,20],[1,10,20]]})");
  const auto report = json_of(ask("GET", "/v1/listening/report?from=2026-11-24", token));
  EXPECT_EQ(report.at("calls").at("count").to_number<int>(), 1);
  EXPECT_EQ(report.at("calls").at("of").to_number<int>(), 1);
  EXPECT_EQ(report.at("missed").to_number<int>(), 1);
  EXPECT_EQ(json_of(ask("GET", "/v1/listening/report?to=2026-11-23", token))
                .at("calls")
                .at("of")
                .to_number<int>(),
            0);
  EXPECT_EQ(ask("GET", "/v1/listening/report?from=yesterday", token).status, 400);
  EXPECT_EQ(
      ask("GET", "/v1/listening/report", signed_in("sue", people::bit(people::Role::kSupervisor)))
          .status,
      200);
}

}  // namespace
}  // namespace callward::api
