// Each process's policy, entered for good in a child of this test, which then tries what it must
// not be able to do.
#include "app/sandbox.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

namespace callward::app {
namespace {

// What a child found, over a pipe.
struct Findings {
  bool entered = false, memory_locked = false, no_new_privs = false, dumpable = true, core = true;
  bool inet = false, inet6 = false, packet = false, netlink = false, vsock = false,
       unix_socket = false;
  bool writes_own = false, reads_config = false, writes_outside = false, reads_outside = false,
       empties_outside = false;
  bool executes = false, traces = false, maps = false, resolves = false;
  int landlock = 0;
};

bool can_socket(int family, int type) {
  const int fd = ::socket(family, type, 0);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}
bool can_open(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}
bool can_resolve() {
  bool found = false;
  std::thread([&found] {
    addrinfo* list = nullptr;
    found = ::getaddrinfo("localhost", "25", nullptr, &list) == 0;
    if (found) ::freeaddrinfo(list);
  }).join();
  return found;
}
bool can_execute() {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execl("/bin/true", "true", nullptr);
    ::_exit(9);
  }
  int status = -1;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

Findings look(const SandboxReport& report, const std::string& own, const std::string& outside) {
  Findings found;
  found.entered = report.seccomp;
  found.memory_locked = report.memory_locked;
  found.landlock = report.landlock_abi;
  found.no_new_privs = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  found.dumpable = ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0;
  rlimit core{};
  found.core = ::getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0;
  found.inet = can_socket(AF_INET, SOCK_STREAM) || can_socket(AF_INET, SOCK_DGRAM);
  found.inet6 = can_socket(AF_INET6, SOCK_STREAM);
  found.packet = can_socket(AF_PACKET, SOCK_RAW);
  found.netlink = ::socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) >= 0;
  found.vsock = can_socket(AF_VSOCK, SOCK_STREAM) || can_socket(AF_ALG, SOCK_SEQPACKET);
  found.unix_socket = can_socket(AF_UNIX, SOCK_STREAM);
  found.writes_own = can_open(own + "/new", O_RDWR | O_CREAT);
  found.reads_outside = can_open(outside + "/secret", O_RDONLY);
  found.empties_outside = can_open(outside + "/secret", O_RDONLY | O_TRUNC) ||
                          ::truncate((outside + "/secret").c_str(), 0) == 0;
  found.writes_outside =
      can_open(outside + "/new", O_RDWR | O_CREAT) || ::unlink((outside + "/secret").c_str()) == 0;
  found.reads_outside = can_open(outside + "/secret", O_RDONLY);
  found.executes = can_execute();
  found.resolves = found.inet && can_resolve();
  found.traces = ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr) == 0 || errno == ESRCH;
  void* page = ::mmap(nullptr, 4'096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  found.maps = page != MAP_FAILED;
  return found;
}

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(dir);
    std::filesystem::remove_all(outside);
    for (const char* folder : {"/run", "/keeper/mirror-1/store", "/keeper/mirror-1/anchor", "/log",
                               "/spool", "/objects", "/server", "/tls"})
      std::filesystem::create_directories(dir + folder);
    std::filesystem::create_directories(outside);
    std::ofstream(outside + "/secret") << "s";
    config = *parse_config("", dir + "/callward.toml");
  }
  void TearDown() override {
    std::filesystem::remove_all(dir);
    std::filesystem::remove_all(outside);
  }
  Findings enter(const std::string& process, const std::string& own,
                 const std::string& other = {}) {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe(pipe.data()), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      const auto report = enter_sandbox(policy_of(process, config));
      const auto found = report ? look(*report, own, other.empty() ? outside : other) : Findings{};
      const bool told = ::write(pipe[1], &found, sizeof found) == sizeof found;
      ::_exit(told ? 0 : 1);
    }
    ::close(pipe[1]);
    Findings found;
    EXPECT_EQ(::read(pipe[0], &found, sizeof found), static_cast<ssize_t>(sizeof found));
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << process << " " << status;
    return found;
  }
  std::string dir = "/tmp/cws-" + std::to_string(::getpid());
  std::string outside = "/tmp/cws-outside-" + std::to_string(::getpid());
  Config config;
};

TEST_F(Sandbox, NobodyGainsRightsTracesOrSpeaksStrangeFamilies) {
  for (const char* process : {"keeper", "recorder", "signal", "listener", "courier", "server"}) {
    const auto found = enter(process, dir + "/run");
    EXPECT_TRUE(found.entered) << process;
    EXPECT_TRUE(found.no_new_privs) << process;
    EXPECT_FALSE(found.core) << process;
    EXPECT_FALSE(found.traces) << process;
    EXPECT_FALSE(found.packet) << process;
    EXPECT_FALSE(found.netlink) << process;
    EXPECT_FALSE(found.vsock) << process;
    EXPECT_TRUE(found.unix_socket) << process;
    EXPECT_TRUE(found.writes_own) << process;
    EXPECT_TRUE(found.maps) << process;
    if (found.landlock > 0) EXPECT_FALSE(found.writes_outside) << process;
  }
}

TEST_F(Sandbox, WhoHoldsKeysOrSpeechHasNoNetworkAndCannotBeRead) {
  for (const char* process : {"keeper", "listener", "courier"}) {  // without a channel, that one
    const auto found = enter(process, dir + "/run");
    EXPECT_FALSE(found.inet) << process;
    EXPECT_FALSE(found.inet6) << process;
  }
  for (const char* process : {"keeper", "listener", "recorder", "courier"})
    EXPECT_FALSE(enter(process, dir + "/run").dumpable) << process;
  for (const char* process : {"recorder", "signal", "server"})
    EXPECT_TRUE(enter(process, dir + "/run").inet) << process;
}

TEST_F(Sandbox, OnlyTheListenerStartsPrograms) {
  for (const char* process : {"keeper", "recorder", "signal", "courier", "server"})
    EXPECT_FALSE(enter(process, dir + "/run").executes) << process;
  EXPECT_TRUE(enter("listener", dir + "/run").executes);
}

TEST_F(Sandbox, EachHasItsOwnFoldersAndNoOthers) {
  if (enter("keeper", dir + "/run").landlock == 0)
    GTEST_SKIP() << "the kernel has no Landlock here";
  const std::vector<std::pair<std::string, std::string>> own = {
      {"keeper", "/keeper/mirror-1/store"},
      {"keeper", "/log"},
      {"recorder", "/spool"},
      {"recorder", "/objects"},
      {"server", "/server"}};
  for (const auto& [process, folder] : own)
    EXPECT_TRUE(enter(process, dir + folder).writes_own) << process << folder;
  const std::vector<std::pair<std::string, std::string>> foreign = {
      {"keeper", "/spool"},    {"keeper", "/objects"},  {"keeper", "/server"},
      {"recorder", "/keeper"}, {"recorder", "/log"},    {"recorder", "/server"},
      {"signal", "/keeper"},   {"signal", "/spool"},    {"signal", "/server"},
      {"server", "/keeper"},   {"server", "/spool"},    {"server", "/objects"},
      {"server", "/log"},      {"listener", "/keeper"}, {"listener", "/objects"},
      {"courier", "/keeper"},  {"courier", "/log"},     {"courier", "/server"}};
  for (const auto& [process, folder] : foreign)
    EXPECT_FALSE(enter(process, dir + folder).writes_own) << process << folder;
  for (const char* process : {"keeper", "recorder", "signal", "courier", "server"})
    EXPECT_FALSE(enter(process, dir + "/run").reads_outside) << process;
}

// With it one acts as the operator: two of these have a network, and hear strangers.
TEST_F(Sandbox, NobodyButTheServerReadsTheCommandLinesToken) {
  EXPECT_EQ(config.token_file(), dir + "/server/cli.token");
  std::ofstream(dir + "/server/secret") << "s";
  if (enter("keeper", dir + "/run").landlock == 0)
    GTEST_SKIP() << "the kernel has no Landlock here";
  for (const char* process : {"keeper", "recorder", "signal", "listener", "courier"})
    EXPECT_FALSE(enter(process, dir + "/run", dir + "/server").reads_outside) << process;
}

// It starts a recogniser from wherever that lies, and hears strangers: it must not reach a key.
TEST_F(Sandbox, TheListenerReadsTheMachineButNoKeysAndNoRecordings) {
  for (const char* folder : {"/keeper", "/keeper/mirror-1/store", "/objects", "/spool", "/log",
                             "/server", "/tls", "", "/lib"}) {
    std::filesystem::create_directories(dir + folder);
    std::ofstream(dir + folder + "/secret") << "s";
  }
  const auto mirror = outside + "/disk-2/keys";
  std::filesystem::create_directories(mirror);
  std::ofstream(mirror + "/secret") << "s";
  std::filesystem::create_symlink(dir + "/keeper", outside + "/way-in");
  config.keys.mirrors.push_back({mirror, mirror + "-anchor"});
  config.listener.grammar_dir = dir + "/lib";
  if (enter("listener", dir + "/run").landlock == 0)
    GTEST_SKIP() << "the kernel has no Landlock here";
  const auto reads = [&](const std::string& folder) {
    return enter("listener", dir + "/run", folder).reads_outside;
  };
  for (const char* folder :
       {"/keeper", "/keeper/mirror-1/store", "/objects", "/spool", "/log", "/server", "/tls", ""})
    EXPECT_FALSE(reads(dir + folder)) << folder;
  EXPECT_FALSE(reads(mirror));
  EXPECT_FALSE(reads(outside + "/way-in"));
  EXPECT_TRUE(reads(outside));       // its neighbour
  EXPECT_TRUE(reads(dir + "/lib"));  // named by the configuration
  EXPECT_TRUE(enter("listener", dir + "/run").executes);
}

TEST_F(Sandbox, OnlyAListenerThatIsToldToOpensAGpu) {
  EXPECT_EQ(policy_of("listener", config).write, std::vector<std::string>{config.run_dir});
  config.listener.device = "cuda";
  for (const auto* process : {"keeper", "recorder", "listener", "signal", "courier", "server"})
    for (const auto& path : policy_of(process, config).write) {
      const bool gpu = path.starts_with("/dev/nvidia");
      EXPECT_TRUE(!gpu || std::string_view(process) == "listener") << process << path;
    }
}

// The server shows the log, and must not be able to wipe it: nor may anybody empty what it may
// read.
TEST_F(Sandbox, WhatMayBeReadCannotBeEmptied) {
  const std::vector<std::pair<std::string, std::string>> readers = {
      {"server", dir + "/log"}, {"server", dir + "/objects"}, {"listener", outside}};
  for (const auto& [process, folder] : readers) {
    std::ofstream(folder + "/secret") << "s";
    const auto found = enter(process, dir + "/run", folder);
    EXPECT_TRUE(found.entered) << process;
    EXPECT_TRUE(found.reads_outside) << process << folder;
    EXPECT_FALSE(found.empties_outside) << process << folder;
    EXPECT_EQ(std::filesystem::file_size(folder + "/secret"), 1u) << process << folder;
  }
}

// What a name leads to it looks up on a thread, as libcurl does; and it reads its own secrets, also
// one that was put in another's place, but nobody else's.
TEST_F(Sandbox, TheCourierReachesItsServersAndItsOwnFilesAlone) {
  for (const char* folder : {"/courier", "/keeper", "/log", "/server", "/tls", "/objects"}) {
    std::filesystem::create_directories(dir + folder);
    std::ofstream(dir + folder + "/secret") << "s";
  }
  config = *parse_config(
      "[courier]\nsmtp_url = \"smtp://mail.example.com\"\nmail_from = \"c@example.com\"\n"
      "smtp_credential_file = \"courier/not-yet\"\n",
      dir + "/callward.toml");
  const auto found = enter("courier", dir + "/run", dir + "/courier");
  EXPECT_TRUE(found.inet && found.inet6);
  EXPECT_TRUE(found.resolves);
  EXPECT_TRUE(found.reads_outside);
  if (found.landlock == 0) GTEST_SKIP() << "the kernel has no Landlock here";
  EXPECT_FALSE(found.writes_outside || found.empties_outside);
  for (const char* folder : {"/keeper", "/log", "/server", "/tls", "/objects"})
    EXPECT_FALSE(enter("courier", dir + "/run", dir + folder).reads_outside) << folder;
}

TEST_F(Sandbox, TheServersDatabaseMayLieElsewhere) {
  const auto elsewhere = outside + "/db";
  std::filesystem::create_directories(elsewhere);
  config.server.database = elsewhere + "/x.db";
  EXPECT_TRUE(enter("server", elsewhere).writes_own);
}

// A recogniser with its model loaded: no files, no sockets, no programs.
TEST_F(Sandbox, TheWorkersFilterLeavesOnlyWhatIsOpen) {
  auto program = worker_filter();
  ASSERT_TRUE(program);
  ASSERT_EQ(program->size() % sizeof(sock_filter), 0u);
  const pid_t pid = ::fork();
  if (pid == 0) {
    sock_fprog raw{static_cast<unsigned short>(program->size() / sizeof(sock_filter)),
                   reinterpret_cast<sock_filter*>(program->data())};
    int bad = 0;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw) != 0)
      ::_exit(99);
    if (can_open("/etc/passwd", O_RDONLY)) bad |= 1;
    if (can_socket(AF_INET, SOCK_STREAM)) bad |= 2;
    if (can_socket(AF_UNIX, SOCK_STREAM)) bad |= 4;
    if (can_execute()) bad |= 8;
    if (can_open(dir + "/run/x", O_RDWR | O_CREAT)) bad |= 16;
    if (::getpid() <= 0) bad |= 32;
    ::_exit(bad);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace callward::app
