// At whose telephone a live call is: from the recording client's INVITE, through signal and the
// recorder as they are, to what the server's service tells an agent.
#include "api/rig_test.hpp"
#include "app/recorder_test_rig.hpp"
#include "app/signal_test_rig.hpp"
#include "base/telephone.hpp"

namespace callward::app {
namespace {

using signal_test::Dialog;
using signal_test::RawPeer;
using signal_test::SignalRig;

std::string body(const std::string& agent) {
  return capture::test_body(
      capture::test_sdp({{.label = "1"}, {.label = "2", .port = 4002}}),
      capture::test_metadata({{"sip:+15551@c", "Ann", "1", ""}, {agent, "Bo", "2", ""}}));
}

// Signal and recorder, over their sockets; the keeper is a script.
struct LiveRig {
  explicit LiveRig(const std::string& name)
      : signal("live-" + name, 0, [this](SignalRig& rig) {
          rig.recorder.reset();  // the script, that is; here comes a real one
          keeper = std::make_unique<test::TreeKeeper>(*rig.loop, rig.dir, entropy);
          keeper->live();
          config.spool_dir = rig.dir + "/spool";
          config.objects_dir = rig.dir + "/objects";
          config.spool_file_bytes = 4u << 20;
          config.disk_reserve_bytes = 0;
          config.rtp_port_first = static_cast<std::uint16_t>(20'000 + ::getpid() % 400 * 20);
          config.rtp_port_last = 29'999;
          start_recorder(rig);
        }) {
    EXPECT_TRUE(signal.until([&] { return recorder->ready() && !keeper->channels.empty(); }));
    server = std::make_unique<test::Peer>(*signal.loop, signal.dir + "/recorder.sock",
                                          store::ClientRole::kServer);
    client = std::make_unique<RawPeer>(signal.port());
    signal.peers = {client.get()};
  }
  ~LiveRig() {
    server.reset();
    signal.signal.reset();
    recorder.reset();
    keeper.reset();
  }
  void start_recorder(SignalRig& rig, std::vector<std::pair<std::string, io::Fd>> sockets = {}) {
    recorder = std::make_unique<Recorder>(*rig.loop, rig.clock, entropy, vfs, config, rig.dir);
    recorder->set_fd_store(
        [this](const std::string& name, int fd) {
          stored[name] = io::Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
        },
        [this](const std::string& name) { stored.erase(name); });
    ASSERT_TRUE(recorder->listen());
    recorder->start(std::move(sockets));
  }
  // INVITE, 200, ACK, as SignalRig::establish, with this agent.
  void establish(Dialog& dialog, const std::string& agent) {
    client->send(
        signal.request(*client, dialog, "INVITE", body(agent), SignalRig::siprec_headers()));
    const auto ok = signal.answer(*client, dialog.call_id, "INVITE");
    ASSERT_EQ(SignalRig::status_of(ok), 200) << ok;
    if (dialog.to_tag.empty()) dialog.to_tag = SignalRig::tag_of(ok);
    client->send(signal.request(*client, dialog, "ACK"));
    client->got.clear();
  }
  void bye(Dialog& dialog) {
    client->send(signal.request(*client, dialog, "BYE"));
    EXPECT_EQ(SignalRig::status_of(signal.answer(*client, dialog.call_id, "BYE")), 200);
  }
  Result<std::string> agent_of(const CallId& call) { return TRY(said_of(call)).extension; }
  // The streams in which the agent alone speaks; 0: nobody can say.
  std::uint16_t streams_of(const CallId& call) {
    const auto said = said_of(call);
    EXPECT_TRUE(said);
    return said ? said->streams : std::uint16_t{0xFFFF};
  }
  Result<store::LiveAgent> said_of(const CallId& call) {
    std::optional<Result<io::Frame>> got;
    server->client.request(store::LiveAgentRequest{call}, 5'000,
                           [&](Result<io::Frame> reply) { got = std::move(reply); });
    signal.until([&] { return got.has_value(); });
    if (!got) return fail(Errc::kTimeout, "no answer");
    if (!*got) return tl::unexpected((*got).error());
    return unpack<store::LiveAgent>((*got)->body);
  }
  // The calls that are live, as the server was told.
  [[nodiscard]] std::vector<CallId> live() const {
    std::map<CallId, store::CallPhase> phases;
    std::vector<CallId> out;
    for (const auto& event : server->all<store::CallEvent>()) phases[event.call] = event.phase;
    for (const auto& [call, phase] : phases)
      if (phase == store::CallPhase::kLive) out.push_back(call);
    return out;
  }
  bool until_agent(const CallId& call, const std::string& extension) {
    return signal.until([&] {
      const auto agent = agent_of(call);
      return agent && *agent == extension;
    });
  }

  SystemEntropy entropy;
  RealVfs vfs;
  RecorderConfig config;
  std::map<std::string, io::Fd> stored;
  std::unique_ptr<test::TreeKeeper> keeper;
  std::unique_ptr<Recorder> recorder;
  SignalRig signal;
  std::unique_ptr<test::Peer> server;
  std::unique_ptr<RawPeer> client;
};

TEST(LiveAgent, IsTheOneOfOursWhoSpeaksInTheCall) {
  LiveRig rig("whole");
  Dialog dialog{"a"};
  rig.establish(dialog, "sip:7001@pbx.example:5060;transport=tls");
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().size() == 1; }));
  const auto call = rig.live()[0];
  EXPECT_TRUE(rig.until_agent(call, "7001"));
  EXPECT_EQ(rig.streams_of(call), 0b10);
  // Transferred within the call.
  const auto before = rig.server->events.size();
  rig.establish(dialog, "tel:7002");
  EXPECT_TRUE(rig.until_agent(call, "7002"));
  EXPECT_GE(rig.server->events.size(), before + 2) << "the server is told to ask again";
  // One who is not ours: nobody's telephone, and no number of a customer goes to the server.
  rig.establish(dialog, "sip:+15552@elsewhere");
  EXPECT_TRUE(rig.until_agent(call, ""));
  rig.bye(dialog);
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().empty(); }));
  EXPECT_EQ(rig.agent_of(call).error().code, Errc::kNotFound) << "it is over";
  EXPECT_EQ(rig.agent_of(CallId::random(rig.entropy)).error().code, Errc::kNotFound);
}

TEST(LiveAgent, NobodysWhereNobodyOfOursIs) {
  LiveRig rig("nobody");
  Dialog dialog{"a"};
  rig.establish(dialog, "sip:+15552@elsewhere");
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().size() == 1; }));
  EXPECT_TRUE(rig.until_agent(rig.live()[0], ""));
  EXPECT_EQ(rig.streams_of(rig.live()[0]), 0) << "who is the customer is a guess";
}

TEST(LiveAgent, IsKnownAgainAfterTheRecordersDeathAndAfterSignals) {
  LiveRig rig("restart");
  Dialog dialog{"a"};
  rig.establish(dialog, "sip:7001@c");
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().size() == 1; }));
  const auto call = rig.live()[0];
  ASSERT_TRUE(rig.until_agent(call, "7001"));
  // Signal, first: the recorder remembers; the new one knows it from what the recorder kept for it.
  rig.signal.config.sip.port = rig.signal.port();
  rig.signal.signal.reset();
  rig.signal.start();
  EXPECT_TRUE(rig.until_agent(call, "7001"));
  const auto kill_recorder = [&] {
    std::vector<std::pair<std::string, io::Fd>> sockets;
    for (const auto& [name, fd] : rig.stored)
      sockets.emplace_back(name, io::Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
    rig.recorder.reset();
    rig.start_recorder(rig.signal, std::move(sockets));
  };
  kill_recorder();
  EXPECT_TRUE(rig.until_agent(call, "7001"));
  EXPECT_EQ(rig.signal.signal->sessions(), 1u);
}

// The keeper holds everybody to it: it is told of each change, and told again when it has forgotten.
TEST(LiveAgent, TheKeeperIsToldWhateverBecomesOfIt) {
  LiveRig rig("keeper");
  Dialog dialog{"a"};
  const auto told = [&](std::size_t count, const std::string& telephone) {
    return rig.signal.until([&] {
      return rig.keeper->at.size() >= count && rig.keeper->at.back().telephone == telephone;
    });
  };
  rig.establish(dialog, "sip:7001@c");
  ASSERT_TRUE(told(1, "7001"));
  const auto call = rig.keeper->at[0].call;
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().size() == 1; }));
  EXPECT_EQ(call, rig.live()[0]);
  rig.establish(dialog, "tel:7002");
  ASSERT_TRUE(told(2, "7002"));
  EXPECT_EQ(rig.keeper->at.size(), 2u) << "each once";
  // One that took over asks for it; one that is started anew is told without.
  ASSERT_FALSE(rig.keeper->channels.empty());
  rig.keeper->channels.back()->send(keys::CallsAtWanted{});
  EXPECT_TRUE(told(3, "7002"));
  rig.keeper->die();
  rig.keeper->at.clear();
  rig.keeper->live();
  EXPECT_TRUE(told(1, "7002"));
  // What it cannot take now it hears again.
  rig.keeper->at_refused = Errc::kBusy;
  rig.keeper->at.clear();
  rig.establish(dialog, "sip:7001@c");
  EXPECT_TRUE(told(2, "7001"));
  rig.keeper->at_refused.reset();
  rig.keeper->at.clear();
  EXPECT_TRUE(told(1, "7001"));
  rig.bye(dialog);
  EXPECT_EQ(rig.keeper->at.back().call, call);
}

TEST(LiveAgent, AnImportIsAtNobodys) {
  LiveRig rig("import");
  test::Peer importer(*rig.signal.loop, rig.signal.dir + "/recorder.sock",
                      store::ClientRole::kImporter);
  store::ImportOpen open;
  open.streams = {{0, store::Party::kCustomer, store::StreamMode::kActive, 0, 0, 0xFF}};
  std::optional<Result<io::Frame>> got;
  ASSERT_TRUE(rig.signal.until([&] { return importer.client.connected(); }));
  importer.client.request(open, 5'000, [&](Result<io::Frame> reply) { got = std::move(reply); });
  ASSERT_TRUE(rig.signal.until([&] { return got.has_value(); }));
  ASSERT_TRUE(*got) << got->error().message;
  const auto call = unpack<store::ImportOpened>((*got)->body)->call;
  const auto agent = rig.agent_of(call);
  ASSERT_TRUE(agent) << agent.error().message;
  EXPECT_EQ(*agent, "");
}

TEST(LiveAgent, IsAskedByTheServerAlone) {
  LiveRig rig("role");
  Dialog dialog{"a"};
  rig.establish(dialog, "sip:7001@c");
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().size() == 1; }));
  rig.server = std::make_unique<test::Peer>(*rig.signal.loop, rig.signal.dir + "/recorder.sock",
                                            store::ClientRole::kListener);
  ASSERT_TRUE(rig.signal.until([&] { return rig.server->client.connected(); }));
  EXPECT_EQ(rig.agent_of(CallId::random(rig.entropy)).error().code, Errc::kDenied);
}

// The server's own threads and links, at the recorder's socket; its people are a script.
struct ServedRig : LiveRig {
  explicit ServedRig(const std::string& name) : LiveRig(name) {
    std::filesystem::create_symlink(signal.dir + "/recorder.sock", api.dir + "/recorder.sock");
    ada = api.signed_in("ada", people::bit(people::Role::kAgent));
    bob = api.signed_in("bob", people::bit(people::Role::kAgent));
    const auto id_of = [this](const std::string& token) {
      return api.people.session(token)->person.id;
    };
    // As their charts say: spelt otherwise than the telephone system spells it.
    api.service.extension_of = [a = id_of(ada), b = id_of(bob)](const PersonId& who) {
      return who == a ? "70-01" : who == b ? "Bob" : "";
    };
    api.service.person_at = [a = id_of(ada),
                             b = id_of(bob)](const std::string& at) -> std::optional<PersonId> {
      const auto key = telephone_key(at);
      if (key == "7001") return a;
      return key == "bob" ? std::optional(b) : std::nullopt;
    };
    listen();
  }
  ~ServedRig() { pump.reset(); }
  void listen() {
    pump = std::make_unique<api::EventPump>(
        signal.dir + "/recorder.sock", store::kRecorderFrameBytesMax, api::recorder_hello,
        [this] {
          const auto calls = api.recorder.call<store::Calls>(store::CallList{});
          if (!calls) return;
          api.service.settle_live(calls->calls);
          for (const auto& event : calls->calls) api.service.on_call_event(event);
        },
        [this](const io::Frame& frame) {
          if (frame.type == store::CallEvent::kType)
            api.service.on_call_event(*unpack<store::CallEvent>(frame.body));
        });
    EXPECT_TRUE(signal.until([&] { return pump->connected(); }));
  }
  // What GET /v1/live-call says to this person: the call, or nothing.
  std::string live_call(const std::string& token) {
    const auto answer = api.ask("GET", "/v1/live-call", token);
    const auto json = boost::json::parse(answer.body);
    const auto* call = json.at("call").if_string();
    return call == nullptr ? std::string() : std::string(*call);
  }
  bool sees(const std::string& token, const std::string& call) {
    return signal.until([&] { return live_call(token) == call; });
  }
  std::size_t told(const std::string& token) {
    const auto stream = api.ask("GET", "/v1/events", token);
    std::size_t count = 0;
    for (const auto& one : api.events.after(0))
      count += one.type == "live_call" && stream.may_see(one) ? 1 : 0;
    return count;
  }
  api::test::Rig api;
  std::string ada, bob;
  std::unique_ptr<api::EventPump> pump;
};

TEST(LiveAgent, AnAgentsPageFindsItsCallAndLosesIt) {
  ServedRig rig("served");
  Dialog dialog{"a"};
  rig.establish(dialog, "sip:7001@c");
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().size() == 1; }));
  const auto call = rig.live()[0].hex();
  EXPECT_TRUE(rig.sees(rig.ada, call));
  EXPECT_EQ(rig.live_call(rig.bob), "");
  EXPECT_EQ(rig.told(rig.ada), 1u);
  EXPECT_EQ(rig.told(rig.bob), 0u);
  rig.establish(dialog, "sip:7999@c");  // transferred to whom the chart does not know
  EXPECT_TRUE(rig.sees(rig.ada, ""));
  rig.establish(dialog, "sip:7001@c;x=y");  // and back
  EXPECT_TRUE(rig.sees(rig.ada, call));
  EXPECT_EQ(rig.told(rig.ada), 3u);
  rig.bye(dialog);
  EXPECT_TRUE(rig.sees(rig.ada, ""));
  EXPECT_EQ(rig.told(rig.ada), 4u);
  EXPECT_EQ(rig.told(rig.bob), 0u);
}

TEST(LiveAgent, AServerThatWasAwayIsNotWrongForLong) {
  ServedRig rig("away");
  Dialog first{"a"}, second{"b"};
  rig.establish(first, "sip:7001@c");
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().size() == 1; }));
  ASSERT_TRUE(rig.sees(rig.ada, rig.live()[0].hex()));
  rig.pump.reset();
  rig.bye(first);
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().empty(); }));
  rig.listen();
  EXPECT_TRUE(rig.sees(rig.ada, "")) << "its end was missed";
  rig.pump.reset();
  rig.establish(second, "sip:7001@c");
  ASSERT_TRUE(rig.signal.until([&] { return rig.live().size() == 1; }));
  rig.listen();
  EXPECT_TRUE(rig.sees(rig.ada, rig.live()[0].hex())) << "its beginning was missed";
}

}  // namespace
}  // namespace callward::app
