// A recogniser worker as a child process: started with one end of a socket pair as its descriptor
// 3, spoken to in the frames of listen/worker_protocol.hpp.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "io/fd.hpp"

namespace callward::app {

struct WorkerProcess {
  pid_t pid = -1;
  io::Fd socket;  // our end
};

inline constexpr int kWorkerFd = 3;
inline constexpr int kWorkerFilterFd = 4;

// `filter`: the seccomp program that it shall install once it has loaded its model (may be empty).
// The child inherits nothing else; its standard output goes to our standard error.
Result<WorkerProcess> start_worker(const std::vector<std::string>& argv, ByteView filter);

}  // namespace callward::app
