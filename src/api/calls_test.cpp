// The table of calls: what the recorder tells, paging, filters, objects that are found again; and
// the routes that read it.
#include "api/catalog.hpp"

#include <set>

#include "api/rig_test.hpp"
#include "keys/record.hpp"

namespace callward::api {
namespace {

using test::header_of;
using test::json_of;
using test::Rig;

constexpr std::int64_t kNoon = 1'795'521'600'000;  // 2026-11-24T12:00:00Z

struct Calls : ::testing::Test, Rig {
  std::string token = signed_in("ada");
  void SetUp() override { start_peers(); }
  Response get(const std::string& target) { return ask("GET", target, token); }
};

TEST_F(Calls, PagesMeetWithoutOverlapEvenWhereTimesAreEqual) {
  std::set<std::string> all;
  for (int i = 0; i < 25; ++i) {
    const auto event = call(store::CallPhase::kComplete, kNoon + i / 10);
    all.insert(event.call.hex());
    ASSERT_TRUE(catalog.apply(event));
  }
  std::set<std::string> seen;
  std::string cursor;
  int pages = 0;
  std::int64_t before = kNoon + 1'000;
  do {
    const auto response = get("/v1/calls?limit=10" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(response.status, 200);
    auto page = json_of(response);
    for (const auto& item : page["calls"].as_array()) {
      EXPECT_TRUE(seen.insert(std::string(item.at("id").as_string())).second);
      EXPECT_LE(item.at("started_at").as_int64(), before);
      before = item.at("started_at").as_int64();
    }
    cursor = page["next_cursor"].is_null() ? "" : std::string(page["next_cursor"].as_string());
    ++pages;
  } while (!cursor.empty() && pages < 10);
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(seen, all);
}

TEST_F(Calls, FiltersByDayPhaseAndDirection) {
  ASSERT_TRUE(catalog.apply(call(store::CallPhase::kComplete, kNoon)));
  ASSERT_TRUE(catalog.apply(call(store::CallPhase::kLive, kNoon + 43'199'999)));
  ASSERT_TRUE(
      catalog.apply(call(store::CallPhase::kLive, kNoon + 43'200'000, keys::Direction::kOutgoing)));
  const auto count = [&](const std::string& query) {
    return json_of(get("/v1/calls?" + query))["calls"].as_array().size();
  };
  EXPECT_EQ(count("day=2026-11-24"), 2u);
  EXPECT_EQ(count("day=2026-11-25"), 1u);
  EXPECT_EQ(count("phase=live"), 2u);
  EXPECT_EQ(count("phase=live&day=2026-11-24"), 1u);
  EXPECT_EQ(count("direction=outgoing"), 1u);
  EXPECT_EQ(count("direction=outgoing&phase=complete"), 0u);
  EXPECT_EQ(json_of(get("/v1/days"))["days"].as_array().size(), 2u);
}

TEST_F(Calls, WhatIsNoFilterIsRefused) {
  for (const char* query :
       {"day=2026-02-31", "day=2026-1-1", "day=2026-1-1xx", "day=%202026-1-1", "day=2026-11-24T",
        "day=x", "cursor=x", "cursor=.", "cursor=1.zz", "cursor=1", "limit=0", "limit=1001",
        "limit=-1", "limit=1e3", "phase=dead", "direction=up",
        "cursor=1%27%20OR%201=1.00000000000000000000000000000000"})
    EXPECT_EQ(get(std::string("/v1/calls?") + query).status, 400) << query;
}

TEST_F(Calls, OneThatDoesNotExistIsNotFoundByAnyRoute) {
  for (const char* id : {"00000000000000000000000000000000", "xyz", "..", "%27", "1;DROP"})
    for (const char* rest : {"", "/account", "/records?kind=audio", "/object"})
      EXPECT_EQ(get("/v1/calls/" + std::string(id) + rest).status, 404) << id << rest;
}

TEST_F(Calls, AnObjectComesWholeOrByRange) {
  auto event = call(store::CallPhase::kComplete, kNoon);
  event.object = publish(event);
  ASSERT_TRUE(catalog.apply(event));
  const auto path = "/v1/calls/" + event.call.hex() + "/object";
  const auto whole = get(path);
  ASSERT_EQ(whole.status, 200);
  const auto size = whole.body.size();
  EXPECT_EQ(whole.body.substr(0, 4), "CWO1");
  EXPECT_EQ(header_of(whole, "Accept-Ranges"), "bytes");
  EXPECT_EQ(header_of(whole, "Content-Disposition"),
            "attachment; filename=\"" + event.call.hex() + "-recording.bin\"");
  const auto range = [&](const std::string& header) {
    auto wanted = request("GET", path, token);
    wanted.headers["range"] = header;
    return router->handle(wanted);
  };
  const auto piece = range("bytes=2-5");
  EXPECT_EQ(piece.status, 206);
  EXPECT_EQ(piece.body, whole.body.substr(2, 4));
  EXPECT_EQ(header_of(piece, "Content-Range"), "bytes 2-5/" + std::to_string(size));
  EXPECT_EQ(range("bytes=-68").body, whole.body.substr(size - 68));
  EXPECT_EQ(range("bytes=" + std::to_string(size - 1) + "-").body.size(), 1u);
  const auto beyond = range("bytes=" + std::to_string(size) + "-");
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.content_type, "application/problem+json");
  EXPECT_EQ(header_of(beyond, "Content-Range"), "bytes */" + std::to_string(size));
  EXPECT_EQ(range("bytes=x-5").status, 200);
}

TEST_F(Calls, RecordsComeByKindStreamAndSegments) {
  auto event = call(store::CallPhase::kComplete, kNoon);
  event.object = publish(event);
  ASSERT_TRUE(catalog.apply(event));
  const auto path = "/v1/calls/" + event.call.hex() + "/records";
  const auto bytes = get(path + "?kind=audio&stream=1&first=1&end=3");
  ASSERT_EQ(bytes.status, 200);
  EXPECT_EQ(header_of(bytes, "Content-Disposition"),
            "attachment; filename=\"" + event.call.hex() + "-audio.bin\"");
  const auto header = keys::RecordHeader::parse(as_bytes(bytes.body));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->stream, 1);
  EXPECT_EQ(header->first, 1u);
  EXPECT_EQ(bytes.body.size(), 2 * header->record_bytes());
  EXPECT_EQ(get(path + "?kind=words").body, "");  // there is no derived object
  for (const char* bad :
       {"", "?kind=all", "?kind=audio&stream=16", "?kind=audio&first=-1",
        "?kind=audio&first=5&end=4", "?kind=audio&first=0&end=601", "?kind=audio&first=1048577"})
    EXPECT_EQ(get(path + bad).status, 400) << bad;
}

TEST_F(Calls, ObjectsThatTheTableDoesNotKnowAreFoundAgain) {
  const auto event = call(store::CallPhase::kComplete, kNoon);
  const auto name = publish(event);
  std::filesystem::create_directories(dir + "/objects/2026/11/24");
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/objects/2026/11/24/damaged.cwo", as_bytes("CWO1?")));
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/objects/stray.txt", as_bytes("x")));
  ASSERT_TRUE(catalog.catch_up());
  const auto found = catalog.find(event.call);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->object, name);
  EXPECT_EQ(found->phase, store::CallPhase::kComplete);
  EXPECT_EQ(found->ends.size(), 2u);
  ASSERT_TRUE(catalog.catch_up());
  EXPECT_EQ(catalog.list({})->size(), 1u);
}

// The news that a call is complete went by while the server was away: what the object says stands.
TEST_F(Calls, ACallThatEndedUnseenIsSettledFromItsObject) {
  auto event = call(store::CallPhase::kListening, kNoon);
  const auto still_live = call(store::CallPhase::kLive, kNoon);
  ASSERT_TRUE(catalog.apply(event));
  ASSERT_TRUE(catalog.apply(still_live));
  {
    const std::lock_guard lock(told);
    live.push_back(still_live);
  }
  publish(event);
  ASSERT_TRUE(catalog.settle({still_live}));
  CallFilter open;
  open.phase = store::CallPhase::kLive;
  EXPECT_EQ(catalog.list(open)->size(), 1u);
  open.phase = store::CallPhase::kComplete;
  ASSERT_EQ(catalog.list(open)->size(), 1u);
  EXPECT_EQ(catalog.list(open)->front().call, event.call);
}

TEST_F(Calls, TheRecorderKnowsBetterWhileACallIsItsOwn) {
  auto event = call(store::CallPhase::kLive, kNoon);
  ASSERT_TRUE(catalog.apply(event));
  event.ends = {{0, 77}, {1, 77}};
  {
    const std::lock_guard lock(told);
    live.push_back(event);
  }
  EXPECT_EQ(catalog.find(event.call)->ends[0].end_index, 77u);
}

TEST_F(Calls, WithKeeperAndRecorderAwayReadersAreToldAtOnce) {
  auto event = call(store::CallPhase::kLive, kNoon);
  ASSERT_TRUE(catalog.apply(event));
  keeper_peer.reset();
  recorder_peer.reset();
  const auto path = "/v1/calls/" + event.call.hex();
  EXPECT_EQ(get(path).status, 200);
  EXPECT_EQ(get(path + "/account").status, 503);
  EXPECT_EQ(get(path + "/records?kind=audio").status, 503);
  EXPECT_EQ(ask("GET", "/readyz").status, 503);
  EXPECT_EQ(get("/v1/system").status, 200);
  start_peers();
  EXPECT_EQ(get(path + "/account").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
}

TEST_F(Calls, MetricsAreFlatNumbers) {
  const auto text = get("/metrics").body;
  EXPECT_NE(text.find("callward_recorder_ports_free 9\n"), std::string::npos);
  EXPECT_NE(text.find("callward_keeper_deep_rows 7\n"), std::string::npos);
}

TEST_F(Calls, MetricsHaveWhatTheSupervisorWasToldByEachProcess) {
  test::ScriptedPeer supervisor(
      dir + "/supervisor.sock", [](io::Channel& channel, io::Frame& frame) {
        channel.reply(frame, store::SupervisorStatus{R"({"ready":true,"processes":[
      {"name":"signal","ready":true,"restarts":2,"status":{"malformed":5,
       "refused":{"no_sdp":3,"odd name\n":1},
       "queues":[{"name":"signal.news","depth":1,"bound":9,"refused":4}]}},
      {"name":"listener","ready":true,"restarts":0,"status":{"lag_ms":1200,"degraded":"behind"}},
      {"name":"keeper","ready":false,"restarts":0,"status":{"epoch":1}},
      {"name":"server","ready":true,"restarts":0,"status":{"connections_refused":6}}]})"});
      });
  const auto text = get("/metrics").body;
  for (const char* line :
       {"callward_process_ready{process=\"signal\"} 1",
        "callward_process_ready{process=\"keeper\"} 0",
        "callward_process_restarts{process=\"signal\"} 2", "callward_signal_malformed 5",
        "callward_signal_refused_no_sdp 3", "callward_signal_refused_odd_name_ 1",
        "callward_queue_refused{process=\"signal\",queue=\"signal_news\"} 4",
        "callward_listener_lag_ms 1200", "callward_listener_degraded 1",
        "callward_server_connections_refused 6", "callward_keeper_epoch 3"})
    EXPECT_NE(text.find(std::string(line) + "\n"), std::string::npos) << line << "\n" << text;
  EXPECT_EQ(text.find("callward_keeper_epoch 1\n"), std::string::npos) << "its own word, once";
}

// The peers send events to every connection of a server; one that idles must not pile them up.
TEST_F(Calls, IdleConnectionsAreClosed) {
  ASSERT_TRUE(recorder.call<store::RecorderStatus>(store::RecorderStatusRequest{}));
  EXPECT_EQ(recorder.idle(), 1u);
  recorder.close_idle();
  EXPECT_EQ(recorder.idle(), 1u);  // young
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  recorder.close_idle(10);
  EXPECT_EQ(recorder.idle(), 0u);
  ASSERT_TRUE(recorder.call<store::RecorderStatus>(store::RecorderStatusRequest{}));
}

}  // namespace
}  // namespace callward::api
