// A front of the log for many threads: append() comes back when the entry is durable. Whoever finds
// nobody committing takes all that waits and commits it with one fdatasync, for the others too;
// meanwhile the next batch gathers, and its first writer commits it next. No thread of its own.
//
// Entries are encoded by their own writers, before anybody waits; each writer is woken by itself;
// and publishing goes on beside the commits: only its beginning and its end take a turn.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "audit/log.hpp"

namespace callward::audit {

class GroupCommitter {
 public:
  explicit GroupCommitter(Log& log) : log_(log) {}  // nobody else touches the log meanwhile
  GroupCommitter(const GroupCommitter&) = delete;
  GroupCommitter& operator=(const GroupCommitter&) = delete;

  // The entry's index, durable. kBusy above kWaitingMax writers; kMalformed, kFull of the entry
  // alone; else why the log failed.
  Result<std::uint64_t> append(const Entry& entry);
  Status publish();  // one at a time; entries are appended meanwhile

  static constexpr std::size_t kWaitingMax = 16'384;

 private:
  // On its writer's stack. A futex, for one sleep and one wake each: once `turn` is set its writer
  // may be gone, and of it the wake uses the address alone.
  struct Waiting {
    enum Turn : std::uint32_t { kWait, kLead, kDone };
    std::string text;
    Result<std::uint64_t> outcome = std::uint64_t{0};
    std::atomic<std::uint32_t> turn{kWait};

    void set(Turn next);
    Turn wait();
  };
  void lead(Waiting* mine);
  void take_turn();
  void pass_on();
  void commit_batch(std::vector<Waiting*>& batch);

  Log& log_;
  std::mutex mutex_;
  std::condition_variable free_;  // for who publishes
  std::vector<Waiting*> waiting_;
  bool working_ = false;          // somebody is in the log
  bool publisher_waits_ = false;  // ... and who publishes is next
  std::mutex publishing_;
};

}  // namespace callward::audit
