// The API with its real router, database, people, catalog and object store over scripted peers on
// Unix sockets, and (where a test asks for it) the real HTTPS server on a loopback port.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "api/http_server.hpp"
#include "api/migrations.hpp"
#include "api/reminder_book.hpp"
#include "api/service.hpp"
#include "api/static_files.hpp"
#include "base/fresh_dir_test.hpp"
#include "keys/tree.hpp"

namespace callward::api::test {

inline std::string fresh_dir(const std::string& name) {
  static std::atomic<int> count{0};
  return callward::test::fresh_dir("api-" + name + "-" + std::to_string(++count));
}

// A process at the other end of a Unix socket, which answers as the test says. The answering
// function runs on the peer's own thread.
class ScriptedPeer {
 public:
  using Answer = std::function<void(io::Channel&, io::Frame&)>;
  ScriptedPeer(const std::string& path, Answer answer) : answer_(std::move(answer)) {
    loop_ = std::move(*io::Loop::create(clock_));
    server_ = std::move(*io::ChannelServer::listen(*loop_, path, {"peer", 4u << 20, 64u << 20},
                                                   [this](std::unique_ptr<io::Channel> channel) {
                                                     auto* raw = channel.get();
                                                     raw->set_handlers(
                                                         [this, raw](io::Frame frame) {
                                                           ++frames;
                                                           answer_(*raw, frame);
                                                         },
                                                         [] {});
                                                     channels_.push_back(std::move(channel));
                                                     ++connections;
                                                   }));
    thread_ = std::thread([this] { (void)loop_->run(); });
  }
  ~ScriptedPeer() {
    (void)loop_->post([this] { loop_->stop(); });
    thread_.join();
  }
  void broadcast(const std::function<io::Frame()>& make) {
    (void)loop_->post([this, make] {
      for (auto& channel : channels_)
        if (channel->open()) (void)channel->send(make());
    });
  }
  std::atomic<int> frames{0}, connections{0};

 private:
  SystemClock clock_;
  Answer answer_;
  std::unique_ptr<io::Loop> loop_;
  std::unique_ptr<io::ChannelServer> server_;
  std::vector<std::unique_ptr<io::Channel>> channels_;
  std::thread thread_;
};

struct Rig {
  std::string dir = fresh_dir("rig");
  ManualClock clock;
  SystemEntropy entropy;
  RealVfs vfs;
  Key32 log_seed = entropy.key();
  static constexpr const char* kLogOrigin = "test/log";
  std::unique_ptr<db::Database> database;
  people::People people;
  Roster roster;
  store::FileObjectStore objects{vfs, dir + "/objects"};
  Link keeper{dir + "/keeper.sock", keys::kKeeperFrameBytesMax, keeper_hello};
  Link recorder{dir + "/recorder.sock", store::kRecorderFrameBytesMax, recorder_hello};
  Catalog catalog;
  EventHub events;
  Service service;
  std::unique_ptr<Router> router;
  // What the scripted keeper and recorder were told.
  std::mutex told;
  std::vector<keys::LogAppend> log;
  std::vector<keys::EraseOrder> orders;
  keys::OrderOutcome order_outcome = keys::OrderOutcome::kAccepted;  // of every order
  std::optional<Errc> order_refused;
  std::vector<keys::Open> openings;
  keys::CallState state;        // of every call
  std::vector<CallId> waiting;  // calls that wait for a person
  std::vector<keys::DecideHeld> decisions;
  std::optional<Errc> decision_refused;
  std::vector<keys::EraseCall> whole_orders;
  std::vector<keys::SetHold> holds;
  std::vector<keys::RetireMirror> retired;
  std::vector<keys::RunRetention> runs;
  std::vector<keys::ConfirmRetention> confirmations;
  std::vector<store::CallEvent> live;  // what the recorder knows; under `told`
  std::uint16_t streams_of_every_agent = 0;
  std::string agent_of_every_call;    // as the recorder says, ...
  std::optional<Errc> agent_refused;  // ... or why it does not; both under `told`
  std::atomic<int> erase_delay_ms{0};
  std::atomic<bool> log_fails{false};
  // What else the keeper answers; false: nothing.
  std::function<bool(io::Channel&, io::Frame&)> people_answers;
  std::unique_ptr<ScriptedPeer> keeper_peer, recorder_peer;

  Rig()
      : database(std::move(*db::open_sqlite(dir + "/server.db", server_migrations()))),
        people(*database, clock, entropy, {1, 8u << 20}),
        roster(
            *database, people, {"calls.example", "https://calls.example"},
            {dir + "/log", audit::NamedKey{kLogOrigin, *crypto::ed25519_public(log_seed)}, &vfs}),
        catalog(*database, objects, keeper, recorder),
        service{.clock = clock,
                .entropy = entropy,
                .vfs = vfs,
                .database = *database,
                .people = people,
                .roster = roster,
                .catalog = catalog,
                .keeper = keeper,
                .recorder = recorder,
                .events = events,
                .objects = objects,
                .log_dir = dir + "/log",
                .log_key = {},
                .supervisor_socket = dir + "/supervisor.sock",
                .time_zone = "UTC",
                .disks = {dir}} {
    std::filesystem::create_directories(dir + "/objects");
    state.known = true;
    EXPECT_TRUE(roster.follow());  // there is no log yet; some tests write one of their own
    router = std::make_unique<Router>(
        routes(service),
        Router::Guards{
            .session = [this](const std::string& t) { return roster.admit(people.session(t)); },
            .look = [this](const std::string& t) { return roster.admit(people.look(t)); },
            .operator_token = "the-operators-token",
            .refusals = &service.refusals});
  }
  ~Rig() {
    keeper_peer.reset();
    recorder_peer.reset();
    std::filesystem::remove_all(dir);
  }
  void start_peers() {
    keeper_peer = std::make_unique<ScriptedPeer>(
        dir + "/keeper.sock", [this](io::Channel& c, io::Frame& f) { keeper_answers(c, f); });
    recorder_peer = std::make_unique<ScriptedPeer>(
        dir + "/recorder.sock", [this](io::Channel& c, io::Frame& f) { recorder_answers(c, f); });
  }
  void held_is_decided(io::Channel& channel, io::Frame& frame) {
    decisions.push_back(*unpack<keys::DecideHeld>(frame.body));
    const auto& asked = decisions.back();
    if (decision_refused)
      channel.reply(frame, keys::ErrorReply{*decision_refused, "nothing is held"});
    else
      channel.reply(frame,
                    keys::HeldDecided{asked.order, asked.decision == keys::HeldDecision::kErase
                                                       ? keys::OrderOutcome::kAccepted
                                                       : keys::OrderOutcome::kKept});
  }
  void retention_is_asked(io::Channel& channel, io::Frame& frame) {
    if (frame.type == keys::HoldsAmongRequest::kType)
      return void(channel.reply(frame, keys::HoldsAmong{waiting}));
    const bool asked = frame.type == keys::RetentionStatusRequest::kType;
    if (frame.type == keys::RunRetention::kType)
      runs.push_back(*unpack<keys::RunRetention>(frame.body));
    if (frame.type == keys::ConfirmRetention::kType)
      confirmations.push_back(*unpack<keys::ConfirmRetention>(frame.body));
    const std::string state = asked ? "waiting" : "running";
    channel.reply(frame, keys::RetentionStatus{R"({"state":")" + state + R"(","due":3})"});
  }
  void an_order_is_given(io::Channel& channel, io::Frame& frame) {
    orders.push_back(*unpack<keys::EraseOrder>(frame.body));
    if (erase_delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(erase_delay_ms));
    if (order_refused)
      channel.reply(frame, keys::ErrorReply{*order_refused, "not known"});
    else
      channel.reply(frame, keys::OrderAccepted{orders.back().order, order_outcome});
  }
  void keeper_answers(io::Channel& channel, io::Frame& frame) {
    const std::lock_guard lock(told);
    switch (frame.type) {
      case keys::Hello::kType:
        channel.reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
        return;
      case keys::LogAppend::kType:
        if (log_fails) {
          channel.reply(frame, keys::ErrorReply{Errc::kUnavailable, "the log cannot be written"});
          return;
        }
        log.push_back(*unpack<keys::LogAppend>(frame.body));
        channel.reply(frame, keys::LogAppended{log.size()});
        return;
      case keys::CallDataPut::kType:
        channel.reply(frame, keys::SealedRecord{unpack<keys::CallDataPut>(frame.body)->call_data});
        return;
      case keys::EraseOrder::kType:
        return an_order_is_given(channel, frame);
      case keys::Open::kType: {
        openings.push_back(*unpack<keys::Open>(frame.body));
        keys::Opened opened;
        opened.states.assign(openings.back().headers.size(), 1);
        channel.reply(frame, opened);
        return;
      }
      case keys::CallStateRequest::kType:
        channel.reply(frame, state);
        return;
      case keys::HeldCallsRequest::kType:
        channel.reply(frame, keys::HeldCalls{waiting.size(), waiting});
        return;
      case keys::DecideHeld::kType:
        return held_is_decided(channel, frame);
      case keys::EraseCall::kType:
        whole_orders.push_back(*unpack<keys::EraseCall>(frame.body));
        channel.reply(frame,
                      keys::OrderAccepted{whole_orders.back().order, keys::OrderOutcome::kHeld});
        return;
      case keys::SetHold::kType:
        holds.push_back(*unpack<keys::SetHold>(frame.body));
        channel.reply(frame, keys::Ack{});
        return;
      case keys::HoldsRequest::kType:
        channel.reply(frame, keys::Holds{waiting.size(), waiting});
        return;
      case keys::HoldsAmongRequest::kType:
      case keys::RetentionStatusRequest::kType:
      case keys::RunRetention::kType:
      case keys::ConfirmRetention::kType:
        return retention_is_asked(channel, frame);
      case keys::RetireMirror::kType:
        retired.push_back(*unpack<keys::RetireMirror>(frame.body));
        channel.reply(frame, keys::MirrorRetired{false, 7});
        return;
      case keys::KeeperStatusRequest::kType:
        channel.reply(frame, keys::KeeperStatus{R"({"epoch":3,"deep":{"rows":7},"mirrors":)"
                                                R"([{"good":true,"epoch":9},{"retired":true,)"
                                                R"("confirmed":false,"epoch":7}]})"});
        return;
      default:
        if (!people_answers || !people_answers(channel, frame))
          channel.reply(frame, keys::ErrorReply{Errc::kUnsupported, "unknown message"});
    }
  }
  void recorder_answers(io::Channel& channel, io::Frame& frame) {
    const std::lock_guard lock(told);
    switch (frame.type) {
      case store::Hello::kType:
        channel.reply(frame, store::Welcome{});
        return;
      case store::CallGet::kType: {
        const auto wanted = unpack<store::CallGet>(frame.body)->call;
        for (const auto& event : live)
          if (event.call == wanted) {
            channel.reply(frame, event);
            return;
          }
        channel.reply(frame, keys::ErrorReply{Errc::kNotFound, "not here"});
        return;
      }
      case store::LiveAgentRequest::kType:
        if (agent_refused)
          channel.reply(frame, keys::ErrorReply{*agent_refused, "not now"});
        else
          channel.reply(frame, store::LiveAgent{agent_of_every_call, streams_of_every_agent});
        return;
      case store::LiveRecords::kType: {
        const auto ask = *unpack<store::LiveRecords>(frame.body);
        if (ask.end < ask.first || ask.end - ask.first > 600)
          channel.reply(frame, keys::ErrorReply{Errc::kMalformed, "at most 600 segments"});
        else
          channel.reply(frame, store::Records{{record(ask.kind, ask.stream, ask.first)}});
        return;
      }
      case store::RecorderStatusRequest::kType:
        channel.reply(frame, store::RecorderStatus{R"({"calls":2,"ports":{"free":9}})"});
        return;
      default:
        channel.reply(frame, keys::ErrorReply{Errc::kUnsupported, "unknown message"});
    }
  }

  Bytes record(std::uint8_t kind, std::uint8_t stream, std::uint32_t index) {
    keys::RecordCipher cipher;
    keys::RecordHeader header;
    header.kind = static_cast<keys::RecordKind>(kind);
    header.stream = stream;
    header.first = header.last = index;
    const Bytes plain(24);
    return cipher.seal(entropy, header, CallId{}, plain, entropy.key());
  }
  store::CallEvent call(store::CallPhase phase, std::int64_t started_at,
                        keys::Direction direction = keys::Direction::kIncoming) {
    store::CallEvent event{.call = CallId::random(entropy),
                           .phase = phase,
                           .source = keys::CallSource::kSiprec,
                           .direction = direction,
                           .started_at = started_at};
    event.streams = {{.stream = 0, .party = store::Party::kCustomer},
                     {.stream = 1, .party = store::Party::kAgent}};
    event.ends = {{0, 50}, {1, 50}};
    return event;
  }
  // A published recording of five audio records of each stream.
  std::string publish(const store::CallEvent& event) {
    store::ObjectHead head;
    head.call = event.call;
    head.source = event.source;
    head.direction = event.direction;
    head.started_at = event.started_at;
    head.ended_at = event.started_at + 500;
    head.cause = "bye";
    head.streams = {{0, store::Party::kCustomer, 0, 5}, {1, store::Party::kAgent, 0, 5}};
    const auto done = store::write_object(
        objects, store::ObjectKind::kRecording, head,
        [&](const store::RecordSink& sink) -> Status {
          for (std::uint32_t i = 0; i < 5; ++i)
            for (std::uint8_t stream = 0; stream < 2; ++stream) TRY(sink(record(1, stream, i)));
          return {};
        },
        false);
    EXPECT_TRUE(done) << done.error().message;
    return store::object_name(event.call, event.started_at, store::ObjectKind::kRecording);
  }

  static SecretBytes phrase(std::string_view text) { return SecretBytes(as_bytes(text)); }
  std::string signed_in(const std::string& name, people::Roles roles = 1) {
    EXPECT_TRUE(people.add(name, roles, phrase("nine quiet rivers")));
    return people.sign_in(name, phrase("nine quiet rivers"), "10.0.0.1")->token;
  }
  // As the browser would: with the header that writes need.
  Request request(const std::string& method, const std::string& target,
                  const std::string& token = {}, const std::string& body = {}) {
    Request request;
    request.method = method;
    EXPECT_TRUE(parse_target(target, request)) << target;
    request.body = body;
    request.peer = "10.0.0.2";
    request.headers["x-callward"] = "1";
    if (!token.empty()) request.headers["cookie"] = std::string(kSessionCookie) + "=" + token;
    return request;
  }
  Response ask(const std::string& method, const std::string& target, const std::string& token = {},
               const std::string& body = {}) {
    return router->handle(request(method, target, token, body));
  }
};

inline std::string header_of(const Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return {};
}
inline boost::json::object json_of(const Response& response) {
  boost::system::error_code error;
  auto json = boost::json::parse(response.body, error);
  EXPECT_FALSE(error) << response.body;
  return error ? boost::json::object{} : json.as_object();
}

}  // namespace callward::api::test
