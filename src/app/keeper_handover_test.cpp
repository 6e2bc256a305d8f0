// The two sides of a planned restart over a real socket: the old one on a loop, the new one in a
// thread. Whoever dies or is late at whichever step, exactly one of them is the keeper afterwards.
#include "app/keeper_handover.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "app/program_path.hpp"
#include "base/vfs.hpp"

namespace callward::app {
namespace {

constexpr std::size_t kStateBytes = 3 * kPartBytesMax + 17;  // more than a part

class HandOvers : public ::testing::Test {
 protected:
  void SetUp() override {
    loop = *io::Loop::create(clock);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  }
  HandingOver::Host host() {
    return {.rest = [this] { rested = true; },
            .quiet = [this] { return ++looked > 3; },
            .freeze = [this] { return frozen(); },
            .go_on = [this](const std::string& why) { went_on = why; },
            .gone = [this] { gone = true; }};
  }
  Result<FrozenProcess> frozen() {
    FrozenProcess out;
    out.process = process();
    for (int i = 0; i < 2; ++i) out.fds.emplace_back(::dup(STDOUT_FILENO));
    return out;
  }
  HandedProcess process() const {
    HandedProcess out;
    out.version = version;
    out.peer_protocol = protocol;
    out.keeper = SecretBytes(kStateBytes);
    for (std::size_t i = 0; i < kStateBytes; ++i)
      out.keeper.expose_mut()[i] = static_cast<std::uint8_t>(i * 7 >> 3);
    out.peers.push_back({keys::PeerRole::kListener, true, SecretBytes(as_bytes("half a fra")),
                         SecretBytes(as_bytes("rest of one"))});
    out.next_ask = 41;
    if (version > 1) out.courier = SecretBytes(as_bytes("messages"));
    return out;
  }
  // The old one on this thread, the new one on another, until one of them is the keeper.
  void run(const std::function<void(std::unique_ptr<TakingOver>&)>& fresh,
           HandingOver::Waits waits = {}) {
    auto old = HandingOver::begin(*loop, io::Fd(ends[0]), host(), waits);
    ASSERT_TRUE(old);
    handing = std::move(*old);
    std::thread other([&] {
      auto taking = std::make_unique<TakingOver>(io::Fd(ends[1]));
      fresh(taking);
    });
    for (int i = 0; i < 1'000 && !gone && went_on.empty() && handing; ++i)
      ASSERT_TRUE(loop->run_once(10));
    other.join();
  }

  SystemClock clock;
  std::unique_ptr<io::Loop> loop;
  std::array<int, 2> ends{};
  std::unique_ptr<HandingOver> handing;
  std::uint32_t version = kHandedProcessVersion, protocol = keys::kKeeperProtocolVersion;
  bool rested = false, gone = false;
  int looked = 0;
  std::string went_on;
};

TEST_F(HandOvers, AllOfItComesOverAndTheOldOneGoesLast) {
  std::atomic<bool> whole = false;
  run([&](auto& taking) {
    const auto got = taking->receive();
    ASSERT_TRUE(got) << got.error().message;
    whole = equal(pack_secret(got->process).expose(), pack_secret(process()).expose()) &&
            got->fds.size() == 2 && got->fds[0].valid() && got->fds[1].valid();
    const auto mine = taking->confirm();
    ASSERT_TRUE(mine) << mine.error().message;
    EXPECT_FALSE(gone) << "it keeps its state until the new one serves";
    taking->serving();
  });
  EXPECT_TRUE(whole);
  EXPECT_TRUE(rested);
  EXPECT_GT(looked, 3);
  EXPECT_TRUE(gone);
  EXPECT_EQ(went_on, "");
}

TEST_F(HandOvers, ANewOneThatDiesAtAnyStepGivesTheKeeperBack) {
  for (int step = 0; step < 3; ++step) {
    if (step > 0) {
      handing.reset();
      SetUp();
      went_on.clear();
      looked = 0;
    }
    run([&](auto& taking) {
      if (step >= 1) EXPECT_TRUE(taking->receive());
      if (step >= 2) EXPECT_TRUE(taking->confirm());
      taking.reset();  // as the kernel does it
    });
    EXPECT_FALSE(gone) << step;
    EXPECT_EQ(went_on, "the new keeper ended before it served") << step;
  }
}

TEST_F(HandOvers, ANewOneThatCannotOpenSaysWhy) {
  run([&](auto& taking) {
    EXPECT_TRUE(taking->receive());
    taking->refuse("no mirror opens");
  });
  EXPECT_EQ(went_on, "the new keeper: no mirror opens");
}

TEST_F(HandOvers, ANewerStateIsRefusedByTheNewOne) {
  version = kHandedProcessVersion + 1;
  run([&](auto& taking) {
    const auto got = taking->receive();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::kUnsupported);
    taking->refuse(got.error().message);
  });
  EXPECT_NE(went_on.find("version 3"), std::string::npos) << went_on;
}

TEST_F(HandOvers, PeersOfAnotherProtocolAreNotTakenOver) {
  protocol = keys::kKeeperProtocolVersion + 1;
  run([&](auto& taking) {
    const auto got = taking->receive();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::kUnsupported);
    taking->refuse(got.error().message);
  });
  EXPECT_NE(went_on.find("another protocol"), std::string::npos) << went_on;
}

// Too late: the old one has gone on, and the new one must not serve beside it.
TEST_F(HandOvers, ANewOneThatIsLateIsNoKeeper) {
  std::atomic<bool> served = false;
  run(
      [&](auto& taking) {
        const auto got = taking->receive();
        ASSERT_TRUE(got) << got.error().message;
        std::this_thread::sleep_for(std::chrono::milliseconds(3'000));
        served = taking->confirm().has_value();
      },
      {.frozen_ms = 2'000});  // the state itself takes its time under a sanitizer
  EXPECT_NE(went_on.find("in time"), std::string::npos) << went_on;
  EXPECT_FALSE(served);
}

// The old one gave up, and its word is slow to come: it is not dead. (It was taken for dead after a
// millisecond.)
TEST_F(HandOvers, AWordThatIsSlowToComeIsHeardToItsEnd) {
  constexpr std::uint16_t kAbandoned = 804;  // keeper_handover.cpp
  TakingOver taking{io::Fd(ends[1])};
  io::Frame word;
  word.type = kAbandoned;
  word.body = {0};
  const auto bytes = io::frame_bytes(word);
  ASSERT_EQ(::shutdown(ends[0], SHUT_RD), 0);  // what is sent to it fails
  std::thread old([&] {
    for (const auto& byte : bytes.expose()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ASSERT_EQ(::send(ends[0], &byte, 1, 0), 1);
    }
    ::close(ends[0]);
  });
  const auto mine = taking.confirm();
  old.join();
  EXPECT_FALSE(mine);
}

TEST_F(HandOvers, WhatDoesNotComeToRestIsNotHandedOver) {
  looked = -1'000'000;
  run([&](auto& taking) { EXPECT_FALSE(taking->receive()); }, {.rest_ms = 100});
  EXPECT_NE(went_on.find("did not end in time"), std::string::npos) << went_on;
}

// The old one died with everything handed over: the new one is the keeper, and nothing is lost.
TEST_F(HandOvers, AnOldOneThatDiesWithAllHandedOverLosesNothing) {
  std::atomic<bool> served = false;
  std::atomic<bool> received = false;
  auto old = HandingOver::begin(*loop, io::Fd(ends[0]), host(), {});
  ASSERT_TRUE(old);
  handing = std::move(*old);
  std::thread other([&] {
    TakingOver taking{io::Fd(ends[1])};
    EXPECT_TRUE(taking.receive());
    received = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    served = taking.confirm().has_value();
  });
  for (int i = 0; i < 1'000 && !received; ++i) ASSERT_TRUE(loop->run_once(10));
  handing.reset();  // its socket breaks without a word
  other.join();
  EXPECT_TRUE(served);
}

TEST_F(HandOvers, AnOldOneThatDiesInTheMiddleLeavesNoKeeper) {
  auto old = HandingOver::begin(*loop, io::Fd(ends[0]), host(), {});
  ASSERT_TRUE(old);
  handing = std::move(*old);
  std::thread other([&] {
    TakingOver taking{io::Fd(ends[1])};
    EXPECT_FALSE(taking.receive());
  });
  while (!rested) ASSERT_TRUE(loop->run_once(10));
  handing.reset();
  other.join();
}

// CALLWARD_WRITE_VECTORS=1 writes it anew.
TEST_F(HandOvers, TheFuzzersSeedIsOfTodaysLayout) {
  RealVfs vfs;
  const std::string seed = std::string(CALLWARD_SOURCE_DIR) + "/fuzz/corpus/handover/process";
  if (std::getenv("CALLWARD_WRITE_VECTORS") != nullptr) {
    auto made = process();
    made.keeper = SecretBytes(as_bytes("state"));
    ASSERT_TRUE(vfs.write_file_atomic(seed, pack_secret(made).expose()));
  }
  const auto read = decode_process(*vfs.read_file(seed, 1 << 20));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->peers.size(), 1u);
  EXPECT_EQ(as_text(read->courier.expose()), "messages");
}

TEST_F(HandOvers, WhatAKeeperOfVersion1HandsOverIsTaken) {
  RealVfs vfs;
  const auto raw =
      vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + "/tests/fixtures/keeper-process-1", 1 << 20);
  ASSERT_EQ(ByteReader(*raw).u32(), 1u);
  const auto read = decode_process(*raw);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->version, kHandedProcessVersion);
  EXPECT_EQ(read->next_ask, 41u);
  EXPECT_TRUE(read->courier.empty());
}

TEST(ProgramPath, IsTheNameNotTheFile) {
  const std::string dir = ::testing::TempDir() + "cw-path-" + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(dir.c_str(), 0700), 0);
  const auto real = dir + "/callward-1";
  const auto link = dir + "/callward";
  ASSERT_GE(::creat(real.c_str(), 0700), 0);
  ASSERT_EQ(::symlink("callward-1", link.c_str()), 0);
  EXPECT_EQ(program_path_of(link, "/", "", real), link) << "a link may be set anew";
  EXPECT_EQ(program_path_of("./callward", dir, "", real), link);
  EXPECT_EQ(program_path_of("callward", "/", "/usr/bin:" + dir, real), link);
  EXPECT_EQ(program_path_of("/bin/sh", "/", "", real), real) << "a word that names another file";
  EXPECT_EQ(program_path_of("callward", "/", "", dir + "/gone"), "");
  ::unlink(link.c_str());
  ::unlink(real.c_str());
  ::rmdir(dir.c_str());
}

TEST(ProgramPath, ChildrenOfAProcessAreKnown) {
  EXPECT_TRUE(descends_from(::getpid(), ::getpid()));
  EXPECT_TRUE(descends_from(::getpid(), ::getppid()));
  EXPECT_FALSE(descends_from(::getppid(), ::getpid()));
  EXPECT_TRUE(descends_from(0x3FFF'FFFF, ::getpid())) << "one that cannot be asked";
}

}  // namespace
}  // namespace callward::app
