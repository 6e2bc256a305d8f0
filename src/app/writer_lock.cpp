#include "app/writer_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace callward::app {

Result<WriterLock> WriterLock::take(const std::string& log_dir, std::int64_t wait_ms) {
  io::Fd folder(::open(log_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return fail_errno(log_dir);
  constexpr std::int64_t kLookMs = 10;
  for (std::int64_t waited = 0;; waited += kLookMs) {
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) == 0) return WriterLock(std::move(folder));
    if (errno != EWOULDBLOCK) return fail_errno("flock " + log_dir);
    if (waited >= wait_ms) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
  }
  return fail(Errc::kBusy, log_dir + ": another process has this log and its key store open");
}

}  // namespace callward::app
