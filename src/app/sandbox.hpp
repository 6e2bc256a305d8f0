// What a process may still do once it has opened what it needs.
//
//   no-new-privs, not dumpable, no core; memory locked where keys or plaintext live;
//   seccomp: an allow-list of system calls, without the network's families, exec or files as asked;
//   Landlock (where the kernel has it): only the folders named.
//
// The rules are per process and stand in one table (sandbox.cpp, policy_of).
#pragma once

#include <string>
#include <vector>

#include "app/config.hpp"
#include "base/bytes.hpp"

namespace callward::app {

struct SandboxPolicy {
  bool lock_memory = false;        // mlockall: keys or plaintext live here
  bool network = false;            // AF_INET, AF_INET6
  bool exec = false;               // may start programs (the listener starts recognisers)
  std::vector<std::string> read;   // folders or files
  std::vector<std::string> write;  // folders
};

SandboxPolicy policy_of(const std::string& process, const Config& config);

struct SandboxReport {
  bool memory_locked = false;
  int landlock_abi = 0;  // 0: the kernel has none
  bool seccomp = false;
};
// Irrevocable. Fails when the kernel refuses a part that it has; a part that it has not is in the
// report.
Result<SandboxReport> enter_sandbox(const SandboxPolicy& policy);

// The seccomp program that a recogniser worker installs once its model is loaded: no files, no
// sockets, no exec; as an array of struct sock_filter.
Result<Bytes> worker_filter();

}  // namespace callward::app
