// One writer of the log, also where two keepers' processes meet: a real old one in a process of its
// own; supervisor and new one are played here.
#include "app/writer_lock.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "app/keeper_handover.hpp"
#include "app/keeper_state.hpp"
#include "app/peer_test_rig.hpp"
#include "app/process.hpp"
#include "audit/log.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {
namespace {

class ScriptedSupervisor final : public test::SocketPeer {
 public:
  ScriptedSupervisor(io::Loop& loop, std::string path)
      : SocketPeer(loop, std::move(path), store::kRecorderFrameBytesMax) {}
  int beats = 0, told = 0;

 private:
  void on_frame(io::Channel&, io::Frame& frame) override {
    beats += frame.type == store::Heartbeat::kType ? 1 : 0;
    told += frame.type == store::HandOverFailed::kType ? 1 : 0;
  }
};

class OneWriter : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(dir);
    config.data_dir = dir;
    config.run_dir = dir + "/run";
    config.keys.credential_file = dir + "/credential/c";
    for (const char* name : {"/a", "/b"})
      config.keys.mirrors.push_back({dir + name + "/store", dir + name + "/anchor"});
    config.log.dir = dir + "/log";
    ASSERT_TRUE(vfs.make_dirs(config.run_dir));
    const auto made = create_keeper_state(vfs, entropy, config);
    ASSERT_TRUE(made) << made.error().message;
  }
  void TearDown() override {
    if (keeper > 0) {
      ::kill(keeper, SIGKILL);
      ::waitpid(keeper, nullptr, 0);
    }
    std::filesystem::remove_all(dir);
  }
  void start_keeper() {
    loop = *io::Loop::create(clock);
    supervisor = std::make_unique<ScriptedSupervisor>(*loop, config.socket("supervisor"));
    supervisor->live();
    keeper = ::fork();
    if (keeper == 0) ::_exit(run_keeper({config, "keeper"}) ? 0 : 1);
    ASSERT_TRUE(run_until([this] { return supervisor->beats > 0; }));
  }
  bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 2'000 && !done(); ++i) (void)loop->run_once(5);
    return done();
  }
  Errc refusal() const {
    const auto lock = WriterLock::take(config.log.dir);
    return lock ? Errc{} : lock.error().code;
  }
  std::unique_ptr<audit::Log> open_log() {
    const auto secrets = load_keeper_secrets(vfs, config);
    auto log = audit::Log::open(vfs, config.log.dir, config.log.origin, secrets->log_seed);
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }
  // The old one freezes and gives out its state.
  std::unique_ptr<TakingOver> hand_over() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    auto frame = io::make_frame(store::HandOver{});
    frame.fd = io::Fd(ends[0]);
    supervisor->channels.back()->send(std::move(frame));
    for (int i = 0; i < 10; ++i) (void)loop->run_once(5);
    auto taking = std::make_unique<TakingOver>(io::Fd(ends[1]));
    const auto frozen = taking->receive();
    EXPECT_TRUE(frozen) << frozen.error().message;
    return taking;
  }
  int end_keeper() {
    ::kill(keeper, SIGTERM);
    int status = -1;
    EXPECT_EQ(::waitpid(std::exchange(keeper, -1), &status, 0) > 0, true);
    return status;
  }

  std::string dir = ::testing::TempDir() + "cw-writer-" + std::to_string(::getpid());
  Config config;
  RealVfs vfs;
  SystemEntropy entropy;
  SystemClock clock;
  std::unique_ptr<io::Loop> loop;
  std::unique_ptr<ScriptedSupervisor> supervisor;
  pid_t keeper = -1;
};

TEST_F(OneWriter, ASecondOneIsRefusedUntilTheFirstIsGone) {
  {
    auto first = WriterLock::take(config.log.dir);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(refusal(), Errc::kBusy);
    const auto moved = std::move(*first);
    EXPECT_EQ(refusal(), Errc::kBusy);
  }
  EXPECT_EQ(refusal(), Errc{});
  EXPECT_FALSE(WriterLock::take(dir + "/nowhere"));
}

TEST_F(OneWriter, ARunningKeepersFilesOpenToNobodyElse) {
  start_keeper();
  EXPECT_EQ(refusal(), Errc::kBusy);
  const auto keys = open_keys(vfs, entropy, config);
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Errc::kBusy);
  EXPECT_EQ(end_keeper(), 0);
  EXPECT_TRUE(open_keys(vfs, entropy, config));
}

// The new one was stopped right before its commit, the old one gives the hand-over up, and only
// then the new one goes on: what it writes is behind nothing that the old one wrote meanwhile.
TEST_F(OneWriter, TheOldOneGoesOnWhenTheNewOneCanWriteNoMore) {
  start_keeper();
  auto taking = hand_over();
  auto lock = std::make_unique<Result<WriterLock>>(WriterLock::take(config.log.dir));
  EXPECT_TRUE(*lock) << "frozen it has let go";
  auto log = open_log();
  ASSERT_TRUE(log);
  const auto mine = log->size();
  ASSERT_TRUE(log->stage(
      {"keeper_started",
       "keeper",
       "-",
       clock.utc_ms(),
       {{"epoch", 1}, {"mirrors", 2}, {"log_size", mine}, {"handed_over", true}, {"calls", 0}}}));
  taking.reset();
  EXPECT_TRUE(run_until([this] { return supervisor->told >= 2; }))
      << "it says so again until the new one is gone";
  EXPECT_TRUE(log->commit());
  log.reset();
  lock.reset();  // as when the supervisor has killed it
  EXPECT_TRUE(run_until([this] { return refusal() == Errc::kBusy; }));
  EXPECT_EQ(end_keeper(), 0);

  log = open_log();
  ASSERT_TRUE(log);
  std::vector<std::string> types;
  EXPECT_TRUE(log->replay(mine, [&](std::uint64_t, const audit::Entry& entry) -> Status {
    types.push_back(entry.type);
    return {};
  }));
  ASSERT_GE(types.size(), 2u) << "an acknowledged entry was written over";
  EXPECT_EQ(types[0], "keeper_started");
  EXPECT_EQ(types[1], "hand_over_failed");
}

// Continued when the old one has gone on already: it can open nothing.
TEST_F(OneWriter, ANewOneThatIsLateFindsTheLogTaken) {
  start_keeper();
  auto taking = hand_over();
  taking.reset();
  EXPECT_TRUE(run_until([this] { return supervisor->told >= 1; }));
  EXPECT_TRUE(run_until([this] { return refusal() == Errc::kBusy; }));
  EXPECT_EQ(end_keeper(), 0);
}

}  // namespace
}  // namespace callward::app
