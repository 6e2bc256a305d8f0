// The right to write an audit log and the key store that goes with it: an exclusive lock (flock(2))
// on the log's folder. Who opens either of them holds it as long as he has them open: the keeper,
// `fsck`, `fsck --try-keys`, `mirror renew`.
//
// A key store is never written without its log, so that one lock stands for both; it lies on the
// folder itself, which nobody removes and puts anew as he would a file. It goes with the process,
// however that ends. Where the file system has no such locks, nothing is opened.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "io/fd.hpp"

namespace callward::app {

class WriterLock {
 public:
  // A process that was killed holds it until the kernel has taken it apart.
  static constexpr std::int64_t kDyingMs = 2'000;
  // kBusy: another has it, for `wait_ms` at least.
  static Result<WriterLock> take(const std::string& log_dir, std::int64_t wait_ms = 0);

 private:
  explicit WriterLock(io::Fd folder) : folder_(std::move(folder)) {}
  io::Fd folder_;
};

}  // namespace callward::app
