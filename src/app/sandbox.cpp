#include "app/sandbox.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>

#include "app/vault_policy.hpp"
#include "base/event_log.hpp"
#include "base/vfs.hpp"
#include "io/fd.hpp"

namespace callward::app {
namespace {

// System calls by what they are for. Names that libseccomp does not know on this architecture are
// skipped.
constexpr std::array kCore = {"read",
                              "write",
                              "readv",
                              "writev",
                              "close",
                              "fstat",
                              "newfstatat",
                              "lseek",
                              "mmap",
                              "mprotect",
                              "munmap",
                              "brk",
                              "mremap",
                              "madvise",
                              "rt_sigaction",
                              "rt_sigprocmask",
                              "rt_sigreturn",
                              "rt_sigtimedwait",
                              "sigaltstack",
                              "futex",
                              "futex_waitv",
                              "sched_yield",
                              "nanosleep",
                              "clock_nanosleep",
                              "clock_gettime",
                              "clock_getres",
                              "gettimeofday",
                              "time",
                              "getpid",
                              "getppid",
                              "gettid",
                              "exit",
                              "exit_group",
                              "epoll_create1",
                              "epoll_ctl",
                              "epoll_wait",
                              "epoll_pwait",
                              "epoll_pwait2",
                              "eventfd2",
                              "signalfd4",
                              "timerfd_create",
                              "timerfd_settime",
                              "poll",
                              "ppoll",
                              "select",
                              "pselect6",
                              "pipe2",
                              "dup",
                              "dup2",
                              "dup3",
                              "fcntl",
                              "getrandom",
                              "set_robust_list",
                              "get_robust_list",
                              "rseq",
                              "clone",
                              "clone3",
                              "set_tid_address",
                              "tgkill",
                              "restart_syscall",
                              "prlimit64",
                              "getrlimit",
                              "sysinfo",
                              "uname",
                              "getuid",
                              "geteuid",
                              "getgid",
                              "getegid",
                              "membarrier",
                              "sched_getaffinity",
                              "sched_setaffinity",
                              "sched_getparam",
                              "sched_getscheduler",
                              "getrusage",
                              "times",
                              "getcpu",
                              "arch_prctl",
                              "prctl",
                              "mlock",
                              "mlock2",
                              "munlock",
                              "mlockall",
                              "munlockall",
                              "ioctl",
                              "mincore",
                              "sendmsg",
                              "recvmsg",
                              "sendto",
                              "recvfrom",
                              "getsockopt",
                              "setsockopt",
                              "getsockname",
                              "getpeername",
                              "shutdown",
                              "memfd_create",
                              "wait4",
                              "waitid",
                              "kill"};
constexpr std::array kSockets = {"socketpair", "connect", "bind",     "listen",
                                 "accept",     "accept4", "sendmmsg", "recvmmsg"};
// Not openat2: its flags lie in memory, where no filter sees them.
constexpr std::array kFiles = {
    "creat",      "stat",      "lstat",      "statx",           "statfs",    "fstatfs",
    "access",     "faccessat", "faccessat2", "getdents64",      "getcwd",    "readlink",
    "readlinkat", "rename",    "renameat",   "renameat2",       "unlink",    "unlinkat",
    "mkdir",      "mkdirat",   "rmdir",      "pread64",         "pwrite64",  "preadv",
    "pwritev",    "fsync",     "fdatasync",  "sync_file_range", "fallocate", "ftruncate",
    "chmod",      "fchmod",    "fchmodat",   "umask",           "flock",     "utimensat",
    "fadvise64",  "chdir",     "link",       "linkat"};
constexpr std::array kExec = {"execve",      "execveat",    "vfork",   "setsid",
                              "setpgid",     "close_range", "getpgrp", "sched_setscheduler",
                              "setpriority", "getpriority"};

struct ReleaseFilter {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

template <std::size_t N>
Status allow_all(void* filter, const std::array<const char*, N>& names) {
  for (const char* name : names) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) continue;
    if (const int rc = ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
        rc != 0 && rc != -EEXIST)
      return fail_errno(std::string("seccomp rule for ") + name, -rc);
  }
  return {};
}

Status allow_socket(void* filter, std::initializer_list<scmp_arg_cmp> conditions) {
  const std::vector<scmp_arg_cmp> all(conditions);
  const int rc = ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket),
                                          static_cast<unsigned int>(all.size()), all.data());
  if (rc != 0 && rc != -EEXIST) return fail_errno("seccomp rule for socket", -rc);
  return {};
}

// socket() by family: Unix for everybody; the Internet's for who needs it, with the kernel's table
// of addresses (NETLINK_ROUTE), which libraries look into. Never raw frames, nor whatever families
// a kernel has besides.
Status allow_sockets(void* filter, bool network) {
  TRY(allow_all(filter, kSockets));
  TRY(allow_socket(filter, {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)}));
  if (!network) return {};
  TRY(allow_socket(filter, {SCMP_A0(SCMP_CMP_EQ, AF_INET)}));
  TRY(allow_socket(filter, {SCMP_A0(SCMP_CMP_EQ, AF_INET6)}));
  return allow_socket(filter,
                      {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE)});
}

// Whoever opens a file for reading only must not empty it by the way: Linux takes O_TRUNC with
// O_RDONLY, and Landlock asks for the right to write only from its third version on.
Status allow_opens(void* filter) {
  const auto allow = [filter](int number, scmp_arg_cmp condition) -> Status {
    const int rc = ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &condition);
    if (rc != 0 && rc != -EEXIST) return fail_errno("seccomp rule for open", -rc);
    return {};
  };
  TRY(allow(SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, O_TRUNC, 0)));
  TRY(allow(SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_TRUNC, 0)));
  for (const scmp_datum_t mode : {O_WRONLY, O_RDWR}) {
    TRY(allow(SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, mode)));
    TRY(allow(SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, mode)));
  }
  return {};
}

Result<Filter> build_filter(const SandboxPolicy& policy) {
  // Refused calls answer EPERM rather than kill: a library's optional probe must not end a
  // recording.
  Filter filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return fail(Errc::kIo, "seccomp_init failed");
  TRY(allow_all(filter.get(), kCore));
  TRY(allow_all(filter.get(), kFiles));
  TRY(allow_opens(filter.get()));
  TRY(allow_sockets(filter.get(), policy.network));
  if (policy.exec) TRY(allow_all(filter.get(), kExec));
  return filter;
}

constexpr std::uint64_t kReadRights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kTruncateRight = 1ull << 14;  // known from Landlock's third version on
constexpr int kTruncateAbi = 3;
constexpr std::uint64_t kWriteRights =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM;
// Rights that make sense on a plain file; the kernel refuses the others there.
constexpr std::uint64_t kFileRights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                      LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncateRight;

Status allow_beneath(int ruleset, const std::string& path, std::uint64_t rights) {
  const io::Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT || errno == EACCES) return {};  // not there, or out of reach: no right
    return fail_errno("open " + path);
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat " + path);
  if (!S_ISDIR(info.st_mode)) rights &= kFileRights;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = rights;
  rule.parent_fd = fd.get();
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return fail_errno("landlock rule for " + path);
  return {};
}

Result<int> restrict_files(const SandboxPolicy& policy) {
  const auto abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 0) return 0;
  landlock_ruleset_attr attributes{};
  const auto write_rights = kWriteRights | (abi >= kTruncateAbi ? kTruncateRight : 0);
  attributes.handled_access_fs = kReadRights | write_rights;
  const io::Fd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!ruleset.valid()) return fail_errno("landlock_create_ruleset");
  for (const auto& path : policy.read) TRY(allow_beneath(ruleset.get(), path, kReadRights));
  for (const auto& path : policy.write)
    TRY(allow_beneath(ruleset.get(), path, kReadRights | write_rights));
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return fail_errno("landlock_restrict_self");
  return static_cast<int>(abi);
}

Result<bool> lock_memory() {
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  ::setrlimit(RLIMIT_MEMLOCK,
              &all);  // works for root and CAP_SYS_RESOURCE; else the limit as it is
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return true;
  log_event("sandbox.memory_not_locked", {{"errno", errno}});
  return false;
}

bool lies_in(const std::string& path, const std::string& folder) {
  return path == folder ||
         (path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 &&
          (folder == "/" || path[folder.size()] == '/'));
}

// Every file and folder of the machine but these: Landlock only ever allows, so what stands beside
// the way to each of them is named. No symbolic links, which could point into them: a path through
// one is judged by where it leads.
void all_but(const std::set<std::string>& kept_out, const std::string& dir,
             std::vector<std::string>& out) {
  constexpr std::size_t kNamedMax = 20'000;
  std::error_code error;
  for (auto at = std::filesystem::directory_iterator(dir, error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    const auto path = at->path().string();
    const bool inside = std::any_of(kept_out.begin(), kept_out.end(),
                                    [&](const std::string& kept) { return lies_in(path, kept); });
    std::error_code unknown;
    if (inside || at->is_symlink(unknown) || out.size() >= kNamedMax) continue;
    const bool on_the_way =
        std::any_of(kept_out.begin(), kept_out.end(),
                    [&](const std::string& kept) { return lies_in(kept, path); });
    if (on_the_way)
      all_but(kept_out, path, out);
    else
      out.push_back(path);
  }
}

// The recogniser's program, its libraries and its model may lie anywhere, so the listener reads
// everything; but it hears strangers, and must never read keys: nor recordings, nor the server's
// side. What is configured inside of those folders is named again by itself.
std::vector<std::string> listener_reads(const Config& config) {
  std::set<std::string> kept_out;
  const auto keep_out = [&kept_out](const std::string& path) {
    std::error_code error;  // by its real name: a folder may be reached through a link
    const auto real = std::filesystem::weakly_canonical(path, error);
    kept_out.insert(error ? path : real.string());
  };
  keep_out(config.data_dir);
  for (const auto& mirror : config.keys.mirrors) {
    keep_out(mirror.store_dir);
    keep_out(mirror.anchor_dir);
  }
  for (const auto* path : {&config.keys.credential_file, &config.recorder.spool_dir,
                           &config.recorder.objects_dir, &config.log.dir, &config.server.tls_key})
    keep_out(*path);
  keep_out(parent_of(config.server.database));
  std::vector<std::string> reads;
  all_but(kept_out, "/", reads);
  reads.push_back(config.listener.grammar_dir);
  if (!config.listener.model.empty()) reads.push_back(config.listener.model);
  for (const auto& word : config.listener.worker_argv)
    if (!word.empty() && word[0] == '/') reads.push_back(word);
  return reads;
}

// NVIDIA's device files as they are when the listener starts.
void add_gpus(std::vector<std::string>& writes) {
  std::error_code error;
  for (auto at = std::filesystem::directory_iterator("/dev", error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error))
    if (at->path().filename().string().starts_with("nvidia")) writes.push_back(at->path().string());
}

}  // namespace

SandboxPolicy policy_of(const std::string& process, const Config& config) {
  const std::vector<std::string> system = {"/etc",         "/usr/lib",   "/usr/share",
                                           "/lib",         "/lib64",     "/dev/null",
                                           "/dev/urandom", "/proc/self", "/proc/meminfo"};
  SandboxPolicy policy;
  policy.read = system;
  policy.write = {config.run_dir};
  if (process == "keeper") {
    policy.lock_memory = true;
    policy.write.push_back(config.data_dir + "/keeper");
    policy.write.push_back(config.log.dir);
    for (const auto& mirror : config.keys.mirrors) {
      policy.write.push_back(mirror.store_dir);
      policy.write.push_back(mirror.anchor_dir);
    }
    policy.read.push_back(config.keys.credential_file);
    policy.read.push_back(config.vault.policy_file);
    policy.read.emplace_back(kBootIdFile);
  } else if (process == "recorder") {
    policy.lock_memory = true;
    policy.network = true;
    policy.write.push_back(config.recorder.spool_dir);
    policy.write.push_back(config.recorder.objects_dir);
  } else if (process == "signal") {
    policy.network = true;
  } else if (process == "listener") {
    policy.lock_memory = true;
    policy.exec = true;
    policy.read = listener_reads(config);  // the worker drops files itself once loaded
    if (config.listener.device != "cpu") add_gpus(policy.write);
  } else if (process == "courier") {
    policy.lock_memory = true;  // codes pass through it
    policy.network = config.courier.any();
    for (const auto* path : {&config.courier.smtp_credential_file, &config.courier.smtp_ca_file,
                             &config.courier.sms_key_file, &config.courier.sms_ca_file})
      if (!path->empty()) policy.read.push_back(parent_of(*path));
    // Where /etc/resolv.conf may lead to.
    for (const auto* path : {"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"})
      policy.read.emplace_back(path);
  } else if (process == "server") {
    policy.network = true;
    policy.write.push_back(parent_of(config.server.database));
    policy.read.push_back(config.log.dir);
    policy.write.push_back(config.log.dir + "/witness");
    policy.write.push_back(config.log.dir + "/daily");
    policy.read.push_back(config.recorder.objects_dir);
    policy.read.push_back(config.server.console_dir);
    policy.read.push_back(config.server.tls_certificate);
    policy.read.push_back(config.server.tls_key);
    policy.read.push_back(config.vault.policy_file);
    policy.read.push_back("/sys/fs");
  }
  return policy;
}

Result<SandboxReport> enter_sandbox(const SandboxPolicy& policy) {
  SandboxReport report;
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return fail_errno("setrlimit core");
  if (policy.lock_memory) {
    report.memory_locked = TRY(lock_memory());
    // A process that is not dumpable can be neither traced nor read through /proc by its own user.
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno("prctl dumpable");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("prctl no_new_privs");
  report.landlock_abi = TRY(restrict_files(policy));
  const auto filter = TRY(build_filter(policy));
  if (const int rc = ::seccomp_load(filter.get()); rc != 0) return fail_errno("seccomp_load", -rc);
  report.seccomp = true;
  return report;
}

Result<Bytes> worker_filter() {
  Filter filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return fail(Errc::kIo, "seccomp_init failed");
  TRY(allow_all(filter.get(), kCore));
  const io::Fd memory(static_cast<int>(::syscall(SYS_memfd_create, "filter", MFD_CLOEXEC)));
  if (!memory.valid()) return fail_errno("memfd_create");
  if (const int rc = ::seccomp_export_bpf(filter.get(), memory.get()); rc != 0)
    return fail_errno("seccomp_export_bpf", -rc);
  struct stat info{};
  if (::fstat(memory.get(), &info) != 0) return fail_errno("fstat");
  Bytes program(static_cast<std::size_t>(info.st_size));
  if (::pread(memory.get(), program.data(), program.size(), 0) != info.st_size)
    return fail_errno("pread");
  return program;
}

}  // namespace callward::app
