// The recorder's start on a slow disk, and whose packets it takes. See recorder_process_test.cpp.
#include <chrono>
#include <future>
#include <thread>

#include "app/recorder_test_rig.hpp"

namespace callward::app {
namespace {

using namespace test;

// A disk whose spool files can't be read until they may.
class SlowVfs final : public Vfs {
 public:
  Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) override {
    if (path.ends_with(".cws")) open_.wait();
    return real_.open(path, mode);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return real_.rename(from, to);
  }
  Status remove(const std::string& path) override { return real_.remove(path); }
  Status make_dirs(const std::string& path) override { return real_.make_dirs(path); }
  Status sync_dir(const std::string& path) override { return real_.sync_dir(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return real_.list(path);
  }
  bool exists(const std::string& path) override { return real_.exists(path); }
  Status set_read_only(const std::string& path) override { return real_.set_read_only(path); }
  std::promise<void> gate;

 private:
  std::shared_future<void> open_ = gate.get_future().share();
  RealVfs real_;
};

void announce(Rig& rig, const CallId& call, const std::vector<store::StreamSource>& sources) {
  store::SessionUpdate update;
  update.call = call;
  update.streams = {{0, store::Party::kCustomer, store::StreamMode::kActive, 0, 0, 101},
                    {1, store::Party::kAgent, store::StreamMode::kActive, 8, 8, 101}};
  update.sources = sources;
  ASSERT_TRUE(rig.ask<store::SessionUpdated>(*rig.signal, update));
}

// A telephone-event "5" that ends, from this sender's socket.
void key_digit(Sender& from, std::uint16_t sequence, std::uint32_t timestamp) {
  wire::RtpPacket packet;
  packet.payload_type = 101;
  packet.sequence = sequence;
  packet.timestamp = timestamp;
  packet.ssrc = 5;
  const Bytes payload{5, 0x8A, 3, 32};
  packet.payload = payload;
  const auto raw = wire::write_rtp(packet);
  EXPECT_EQ(::write(from.fd.get(), raw.data(), raw.size()), static_cast<ssize_t>(raw.size()));
}

TEST(Recorder, TakesNothingFromStrangersWhileTheAnnouncedOneSpeaks) {
  Rig rig("stranger");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0), agent(rig.clock, session.ports[1], 2, 8);
  // The same SSRC and payload type; one has the client's address and another port.
  Sender near(rig.clock, session.ports[0], 3, 0),
      far(rig.clock, session.ports[0], 4, 0, "127.0.0.2");
  announce(rig, session.call, {{0, {customer.here}}, {1, {agent.here}}});
  for (int i = 0; i < 150; ++i) {
    customer.send();
    agent.send();
    near.send();
    far.send();
    if (i % 10 == 0) key_digit(far, far.sequence++, far.timestamp);
    rig.pump(20);
  }
  EXPECT_NE(rig.recorder->status_json().find("\"foreign\":315,"), std::string::npos)
      << rig.recorder->status_json();
  auto object = rig.sealed_object(session.call);
  ASSERT_TRUE(object) << object.error().message;
  const auto heard = rig.listen_to(*object, 0);
  EXPECT_EQ(expect_equal(heard, customer.sent), customer.came_ms);
  EXPECT_EQ(heard.digits, 0u);
  const auto& flags = object->head().flags;
  EXPECT_EQ(std::count(flags.begin(), flags.end(), "rtp_refused"), 1);
  EXPECT_EQ(std::count(flags.begin(), flags.end(), "rtp_latched"), 0);
}

TEST(Recorder, TakesAClientThatSendsFromElsewhereAfterTwoSeconds) {
  Rig rig("latch");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0, "127.0.0.3");
  announce(rig, session.call, {{0, {*parse_endpoint("192.0.2.1", 4000)}}});
  for (int i = 0; i < 200; ++i) {
    customer.send();
    rig.pump(20);
  }
  key_digit(customer, customer.sequence++, customer.timestamp);
  auto object = rig.sealed_object(session.call);
  ASSERT_TRUE(object) << object.error().message;
  const auto heard = rig.listen_to(*object, 0);
  EXPECT_EQ(expect_equal(heard, customer.sent), customer.came_ms) << "nothing of the wait is gone";
  EXPECT_GT(heard.digits, 0u);
  const auto accounts = store::from_recorder_intervals(object->head().account, 2);
  ASSERT_TRUE(accounts);
  EXPECT_EQ((*accounts)[0].total_ms(store::AccountState::kLost), 0u);
  EXPECT_GE((*accounts)[0].total_ms(store::AccountState::kSealed), customer.came_ms);
  EXPECT_LT((*accounts)[0].total_ms(store::AccountState::kSilent), 300u);
  const auto& flags = object->head().flags;
  EXPECT_EQ(std::count(flags.begin(), flags.end(), "rtp_latched"), 1);
}

TEST(Recorder, WhoWaitedIsForgottenWhenTheAnnouncedOneSpeaks) {
  Rig rig("forgotten");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0),
      far(rig.clock, session.ports[0], 4, 0, "127.0.0.2");
  announce(rig, session.call, {{0, {customer.here}}});
  for (int i = 0; i < 150; ++i) {
    far.send();
    if (i >= 75) customer.send();
    rig.pump(20);
  }
  auto object = rig.sealed_object(session.call);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ(expect_equal(rig.listen_to(*object, 0), customer.sent), customer.came_ms);
}

TEST(Recorder, ACallShorterThanTheWaitIsHeard) {
  Rig rig("short");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0, "127.0.0.3");
  announce(rig, session.call, {{0, {*parse_endpoint("192.0.2.1", 4000)}}});
  for (int i = 0; i < 50; ++i) {
    customer.send();
    rig.pump(20);
  }
  auto object = rig.sealed_object(session.call);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ(expect_equal(rig.listen_to(*object, 0), customer.sent), customer.came_ms);
  const auto& flags = object->head().flags;
  EXPECT_EQ(std::count(flags.begin(), flags.end(), "rtp_latched"), 1);
}

// Without a re-INVITE: after ten seconds it is believed, and what is gone is said to be gone.
TEST(Recorder, AClientThatGoesOnFromElsewhereIsNotLost) {
  Rig rig("moved");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0),
      moved(rig.clock, session.ports[0], 4, 0, "127.0.0.2");
  announce(rig, session.call, {{0, {customer.here}}});
  for (int i = 0; i < 700; ++i) {
    if (i == 50) {  // the same stream by another way
      moved.sequence = customer.sequence;
      moved.timestamp = customer.timestamp;
    }
    (i < 50 ? customer : moved).send();
    rig.pump(20);
  }
  auto object = rig.sealed_object(session.call);
  ASSERT_TRUE(object) << object.error().message;
  const auto heard = rig.listen_to(*object, 0);
  const auto present =
      static_cast<std::uint32_t>(std::count(heard.present.begin(), heard.present.end(), true));
  EXPECT_GE(present, 1'000u + 13'000u - 8'500u);
  const auto accounts = store::from_recorder_intervals(object->head().account, 2);
  ASSERT_TRUE(accounts);
  std::uint32_t refused = 0;
  for (const auto& interval : (*accounts)[0].intervals())
    if (interval.reason == store::kLostRefused) refused += interval.end_ms - interval.start_ms;
  EXPECT_NEAR(refused, 14'000.0 - present, 150.0);
  EXPECT_LE((*accounts)[0].total_ms(store::AccountState::kLost), refused + 150);
  const auto& flags = object->head().flags;
  EXPECT_EQ(std::count(flags.begin(), flags.end(), "rtp_latched"), 1);
}

// The real time, and a thread that is stopped for a while when it asks for it for the n-th time.
class StallingClock final : public Clock {
 public:
  std::int64_t utc_ms() override { return pass(), real_.utc_ms(); }
  std::int64_t monotonic_ns() override { return pass(), real_.monotonic_ns(); }
  int reads_left = 0;
  std::function<void()> stall;

 private:
  void pass() {
    if (reads_left == 0) return;
    --reads_left;
    if (reads_left == 0) stall();
  }
  SystemClock real_;
};

// Wherever the recorder is stopped, what comes meanwhile is in time: the kernel says when it came.
TEST(Recorder, ItsOwnDelayMakesNoPacketLate) {
  const auto dir = fresh_dir("stall");
  RealVfs vfs;
  SystemEntropy entropy;
  store::SpoolOptions options;
  options.dir = dir + "/spool";
  options.file_bytes = 4u << 20;
  ASSERT_TRUE(vfs.make_dirs(options.dir));
  auto spool = store::Spool::open(vfs, options, [](const auto&, const auto&) {}, nullptr);
  ASSERT_TRUE(spool);
  StallingClock clock;
  RecorderTools tools{clock, **spool, entropy, {}, {}, {}, segment::SourcePolicy::kLatch, {}, {}};
  RecorderCall call(tools, CallId::random(entropy));
  call.spooled.begin.emplace();
  call.started_ns = clock.monotonic_ns();
  ASSERT_TRUE(call.take_keys(keys::Cover::whole(entropy.key()).take_nodes()));
  auto socket = io::bind_udp("127.0.0.1", 0, kSocketBufferBytes);
  ASSERT_TRUE(socket);
  const auto port = *io::local_port(*socket);
  const store::StreamSpec spec{0, store::Party::kCustomer, store::StreamMode::kActive, 0, 0, 101};
  call.spooled.streams = {spec};
  auto& line = call.add_line(spec, std::move(*socket), port, 0, 200);
  SystemClock real;
  Sender sender(real, port, 1, 0);
  const auto talk = [&](int packets, bool turns) {
    for (int i = 0; i < packets; ++i) {
      sender.send();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (turns && i % 5 == 4) call.tick();
    }
  };
  talk(20, true);
  int stalls = 0;
  for (int at = 1; at <= 5; ++at) {
    clock.stall = [&] {
      ++stalls;
      talk(25, false);
    };
    clock.reads_left = at;
    call.tick();
    clock.reads_left = 0;
    talk(5, true);
    EXPECT_EQ(line.segmenter->counters().late, 0u) << "stopped at its clock's reading " << at;
  }
  talk(15, true);
  EXPECT_GE(stalls, 3);
  // The sender's own pace leaves single milliseconds out; nothing is late.
  for (const auto& interval : call.spooled.accounts[0].intervals())
    EXPECT_NE(interval.reason, store::kLostLate) << interval.start_ms;
  (void)call.finish();
  spool->reset();
  std::filesystem::remove_all(dir);
}

// However long the spool takes to be read: the keys are asked for first, and what comes meanwhile is
// kept with its time. A stranger who speaks first after the restart gets nothing either.
TEST(Recorder, ReadingALongSpoolCostsNoAudio) {
  Rig rig("slow");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0),
      far(rig.clock, session.ports[0], 4, 0, "127.0.0.2");
  announce(rig, session.call, {{0, {customer.here}}});
  const auto talk = [&](int packets, bool stranger) {
    for (int i = 0; i < packets; ++i) {
      if (stranger) far.send();
      customer.send();
      rig.pump(20);
    }
  };
  talk(200, false);
  std::vector<std::pair<std::string, io::Fd>> sockets;
  for (auto& [name, fd] : rig.stored)
    sockets.emplace_back(name, io::Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
  rig.signal.reset();
  rig.recorder.reset();
  SlowVfs disk;
  rig.keeper->reissue_from =
      static_cast<std::uint32_t>(rig.clock.utc_ms() - 1'700'000'000'000) / 100 - 5;
  rig.recorder = rig.start_recorder(rig.config, std::move(sockets), &disk);
  talk(500, true);  // ten seconds
  EXPECT_FALSE(rig.recorder->ready());
  EXPECT_EQ(rig.keeper->reissues, 1u) << "asked before the spool was read";
  disk.gate.set_value();
  ASSERT_TRUE(rig.until([&] { return rig.recorder->ready(); }));
  rig.signal =
      std::make_unique<Peer>(*rig.loop, rig.dir + "/recorder.sock", store::ClientRole::kSignal);
  talk(100, true);
  ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{session.call, "bye"}));
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->sealed.empty(); }));
  EXPECT_EQ(rig.keeper->reissues, 1u);
  auto object = rig.object_of(session.call);
  ASSERT_TRUE(object);
  const auto heard = rig.listen_to(*object, 0);
  EXPECT_EQ(heard.closed, 0u);
  EXPECT_GE(expect_equal(heard, customer.sent), customer.came_ms - 500);
  const auto accounts = store::from_recorder_intervals(object->head().account, 2);
  ASSERT_TRUE(accounts);
  EXPECT_LE((*accounts)[0].total_ms(store::AccountState::kLost), 500u);
}

TEST(Recorder, ASpoolThatCannotBeOpenedIsSaid) {
  Rig rig("nospool");
  auto config = rig.config;
  config.spool_dir = rig.dir + "/file";
  ASSERT_TRUE(rig.vfs.write_file_atomic(config.spool_dir, as_bytes("no folder")));
  rig.signal.reset();
  rig.recorder.reset();
  Recorder recorder(*rig.loop, rig.clock, rig.system, rig.vfs, config, rig.dir);
  std::optional<Error> failed;
  recorder.set_on_failed([&](Error error) { failed = std::move(error); });
  recorder.start({});
  EXPECT_TRUE(rig.until([&] { return failed.has_value(); }));
  EXPECT_FALSE(recorder.ready());
}

}  // namespace
}  // namespace callward::app
