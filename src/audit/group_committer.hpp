// A front of the log for many threads: append() comes back when the entry is durable. Whoever finds
// nobody committing takes all that waits and commits it with one fdatasync, for the others too;
// meanwhile the next batch gathers. No thread of its own.
#pragma once

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
  Result<std::uint64_t> append(Entry entry);
  Status publish();  // waits for its turn

  static constexpr std::size_t kWaitingMax = 16'384;

 private:
  struct Waiting {
    Entry entry;
    Result<std::uint64_t> outcome = std::uint64_t{0};
    bool done = false;
  };
  void commit_batch(std::vector<Waiting*>& batch);

  Log& log_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting*> waiting_;
  bool working_ = false;  // somebody is in the log
};

}  // namespace callward::audit
