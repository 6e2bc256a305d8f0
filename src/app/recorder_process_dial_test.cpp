// The recording of a call-back: opened as one, told to the keeper as one, over every death.
#include "app/recorder_test_rig.hpp"

namespace callward::app {
namespace {

using namespace test;

struct DialRig : Rig {
  using Rig::Rig;
  store::SessionOpened open_call_back() {
    store::CallBackOpen open;
    open.dial.bytes.fill(0xD1);
    open.session.direction = keys::Direction::kOutgoing;
    open.session.media_address = "127.0.0.1";
    open.session.streams = {{0, store::Party::kCustomer, store::StreamMode::kSilent, 0, 0, 101},
                            {1, store::Party::kAgent, store::StreamMode::kSilent, 0, 0, 101}};
    open.session.call_data = SecretBytes(as_bytes("{}"));
    dial = open.dial;
    const auto opened = ask<store::SessionOpened>(*signal, open);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened.value_or(store::SessionOpened{});
  }
  [[nodiscard]] bool told(const CallId& call) const {
    return !keeper->dials.empty() && keeper->dials.back().dial == dial &&
           keeper->dials.back().call == call;
  }
  DialId dial;
};

TEST(RecorderDial, TheKeeperIsToldWhoseRecordingItIs) {
  DialRig rig("dial");
  const auto session = rig.open_call_back();
  ASSERT_EQ(session.ports.size(), 2u);
  ASSERT_EQ(rig.keeper->started.size(), 1u);
  EXPECT_EQ(rig.keeper->started[0].source, keys::CallSource::kCallBack);
  ASSERT_TRUE(rig.until([&] { return rig.told(session.call); }));
  rig.pump(70'000);  // ringing, for as long as it takes: nothing comes, and that is no time-out
  EXPECT_TRUE(rig.keeper->ended.empty());
  EXPECT_EQ(rig.keeper->dials.size(), 1u) << "once";
  Sender customer(rig.clock, session.ports[0], 1, 0);
  store::SessionUpdate joined;
  joined.call = session.call;
  joined.streams = {{0, store::Party::kCustomer, store::StreamMode::kActive, 0, 0, 101},
                    {1, store::Party::kAgent, store::StreamMode::kActive, 0, 0, 101}};
  ASSERT_TRUE(rig.ask<store::SessionUpdated>(*rig.signal, joined));
  for (int i = 0; i < 100; ++i) {
    customer.send();
    rig.pump(20);
  }
  const auto object = rig.sealed_object(session.call);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ(object->head().source, keys::CallSource::kCallBack);
  EXPECT_GE(rig.listen_to(*object, 0).opened, 18u);
}

TEST(RecorderDial, AnotherKeeperIsToldAgainAndTheEndWaitsForIt) {
  DialRig rig("dial-keeper");
  const auto session = rig.open_call_back();
  ASSERT_TRUE(rig.until([&] { return rig.told(session.call); }));
  rig.keeper->die();
  rig.pump(500);
  rig.keeper->dials.clear();
  rig.keeper->dial_refused = Errc::kBusy;
  rig.keeper->live();
  ASSERT_TRUE(rig.until([&] { return rig.told(session.call); })) << "once it was adopted";
  EXPECT_EQ(rig.keeper->adopted.size(), 1u);
  ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{session.call, "cancel"}));
  rig.pump(3'000);
  EXPECT_TRUE(rig.keeper->ended.empty()) << "whose it is comes first";
  rig.keeper->dial_refused.reset();
  ASSERT_TRUE(rig.until([&] { return rig.keeper->ended.size() == 1; }));
}

TEST(RecorderDial, AKeeperThatWillNeverTakeItKeepsNoCallFromEnding) {
  DialRig rig("dial-refused");
  rig.keeper->dial_refused = Errc::kUnsupported;
  const auto session = rig.open_call_back();
  ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{session.call, "cancel"}));
  EXPECT_TRUE(rig.until([&] { return rig.keeper->ended.size() == 1; }));
}

TEST(RecorderDial, ARecorderThatWasRestartedStillKnowsIt) {
  DialRig rig("dial-restart");
  const auto session = rig.open_call_back();
  ASSERT_TRUE(rig.until([&] { return rig.told(session.call); }));
  ASSERT_TRUE(rig.until([&] {
    return rig.recorder->status_json().find("\"name\":\"spool\",\"depth\":0,") != std::string::npos;
  }));
  // As if killed here: what is on disk, and the sockets that the supervisor has.
  const auto copy = rig.dir + "/spool-as-it-was";
  std::filesystem::copy(rig.config.spool_dir, copy, std::filesystem::copy_options::recursive);
  std::vector<std::pair<std::string, io::Fd>> sockets;
  for (auto& [name, fd] : rig.stored)
    sockets.emplace_back(name, io::Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
  rig.signal.reset();
  rig.recorder.reset();
  rig.keeper->dials.clear();
  auto config = rig.config;
  config.spool_dir = copy;
  rig.recorder = rig.start_recorder(config, std::move(sockets));
  EXPECT_TRUE(rig.until([&] { return rig.told(session.call); }));
}

TEST(RecorderDial, NoDialNoCallBack) {
  DialRig rig("dial-none");
  store::CallBackOpen open;
  open.session.streams = {{0, store::Party::kCustomer, store::StreamMode::kSilent, 0, 0, 101}};
  const auto opened = rig.ask<store::SessionOpened>(*rig.signal, open);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kMalformed);
}

}  // namespace
}  // namespace callward::app
