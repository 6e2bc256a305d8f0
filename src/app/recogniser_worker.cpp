#include "app/recogniser_worker.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace callward::app {
namespace {

constexpr int kFdsClosedMax = 4'096;
constexpr int kParkedFd = 64;  // both descriptors wait here while 3 and 4 are made free

Result<io::Fd> filter_memory(ByteView filter) {
  io::Fd memory(::memfd_create("worker-filter", MFD_CLOEXEC));
  if (!memory.valid()) return fail_errno("memfd_create");
  std::size_t written = 0;
  while (written < filter.size()) {
    const auto n = ::write(memory.get(), filter.data() + written, filter.size() - written);
    if (n <= 0) return fail_errno("write to memfd");
    written += static_cast<std::size_t>(n);
  }
  return memory;
}

// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void become_worker(char* const* argv, char* const* environment, int socket,
                                int filter) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a listener that dies leaves no worker behind
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int parked = ::fcntl(socket, F_DUPFD, kParkedFd);
  const int parked_filter = filter >= 0 ? ::fcntl(filter, F_DUPFD, kParkedFd) : -1;
  const int null = ::open("/dev/null", O_RDONLY);
  if (parked < 0 || null < 0 || ::dup2(null, 0) < 0 || ::dup2(2, 1) < 0 ||
      ::dup2(parked, kWorkerFd) < 0)
    ::_exit(126);
  if (parked_filter >= 0) ::dup2(parked_filter, kWorkerFilterFd);
  for (int fd = parked_filter >= 0 ? kWorkerFilterFd + 1 : kWorkerFd + 1; fd < kFdsClosedMax; ++fd)
    ::close(fd);
  ::execve(argv[0], argv, environment);
  ::_exit(127);
}

}  // namespace

Result<WorkerProcess> start_worker(const std::vector<std::string>& argv, ByteView filter) {
  if (argv.empty()) return fail(Errc::kConfig, "listener.worker names no program");
  if (::access(argv[0].c_str(), X_OK) != 0)
    return fail(Errc::kNotFound, "the recogniser " + argv[0] + " is not there");
  int pair[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return fail_errno("socketpair");
  io::Fd ours(pair[0]), theirs(pair[1]);
  io::Fd memory;
  if (!filter.empty()) memory = TRY(filter_memory(filter));
  std::vector<char*> args;
  for (const auto& arg : argv) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  // Nothing of our environment but what a program needs to find its libraries. And what a worker
  // frees is overwritten at once, so that no turn outlives its erasure in somebody's heap: glibc's
  // allocator does that when told, if it keeps no thread caches, which it does not wipe; Python's
  // own allocator and MKL's stand aside for it.
  std::vector<std::string> variables = {
      "PATH=/usr/local/bin:/usr/bin:/bin",
      "LANG=C.UTF-8",
      "HOME=/nonexistent",
      "GLIBC_TUNABLES=glibc.malloc.perturb=90:glibc.malloc.tcache_count=0",
      "PYTHONMALLOC=malloc",
      "MKL_DISABLE_FAST_MM=1"};
  if (memory.valid())
    variables.push_back("CALLWARD_WORKER_FILTER_FD=" + std::to_string(kWorkerFilterFd));
  std::vector<char*> environment;
  for (auto& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork");
  if (pid == 0) become_worker(args.data(), environment.data(), theirs.get(), memory.get());
  return WorkerProcess{pid, std::move(ours)};
}

}  // namespace callward::app
