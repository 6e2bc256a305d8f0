#include "audit/group_committer.hpp"

namespace callward::audit {

Result<std::uint64_t> GroupCommitter::append(Entry entry) {
  Waiting mine{.entry = std::move(entry)};
  std::unique_lock lock(mutex_);
  if (waiting_.size() >= kWaitingMax) return fail(Errc::kBusy, "too many wait for the log");
  waiting_.push_back(&mine);
  changed_.wait(lock, [&] { return mine.done || !working_; });
  if (mine.done) return std::move(mine.outcome);
  working_ = true;
  std::vector<Waiting*> batch;
  batch.swap(waiting_);
  lock.unlock();
  commit_batch(batch);
  lock.lock();
  // Only now may the others' frames go: until here their entries were read.
  for (auto* one : batch) one->done = true;
  working_ = false;
  lock.unlock();
  changed_.notify_all();
  return std::move(mine.outcome);
}

// An entry that cannot be staged concerns its writer alone; a commit that fails concerns all.
void GroupCommitter::commit_batch(std::vector<Waiting*>& batch) {
  for (std::size_t at = 0; at < batch.size();) {
    const auto begin = at;
    for (; at < batch.size(); ++at) {
      batch[at]->outcome = log_.stage(batch[at]->entry);
      // A full batch goes first; an entry that alone is too much cannot be (64 KiB at most).
      if (!batch[at]->outcome && batch[at]->outcome.error().code == Errc::kFull &&
          log_.has_staged())
        break;
    }
    const auto committed = log_.commit();
    for (auto i = begin; i < at && !committed; ++i)
      if (batch[i]->outcome) batch[i]->outcome = tl::unexpected<Error>(committed.error());
  }
}

Status GroupCommitter::publish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !working_; });
  working_ = true;
  lock.unlock();
  auto done = log_.publish();
  lock.lock();
  working_ = false;
  lock.unlock();
  changed_.notify_all();
  return done;
}

}  // namespace callward::audit
