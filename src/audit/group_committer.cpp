#include "audit/group_committer.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace callward::audit {

void GroupCommitter::Waiting::set(Turn next) {
  static_assert(sizeof(turn) == sizeof(std::uint32_t));
  auto* address = &turn;
  turn.store(next, std::memory_order_release);
  ::syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// A wake may be somebody else's who stood at this address before: only the value counts.
GroupCommitter::Waiting::Turn GroupCommitter::Waiting::wait() {
  for (;;) {
    const auto now = turn.load(std::memory_order_acquire);
    if (now != kWait) return static_cast<Turn>(now);
    ::syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, static_cast<std::uint32_t>(kWait), nullptr,
              nullptr, 0);
  }
}

Result<std::uint64_t> GroupCommitter::append(const Entry& entry) {
  Waiting mine;
  mine.text = TRY(encode_entry(entry));
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kWaitingMax) return fail(Errc::kBusy, "too many wait for the log");
    waiting_.push_back(&mine);
    if (!working_) {
      working_ = true;
      mine.turn = Waiting::kLead;
    }
  }
  if (mine.wait() == Waiting::kLead) lead(&mine);
  return std::move(mine.outcome);
}

// Whose turn it is stands first in the queue, or anywhere in it when nobody was in the log.
void GroupCommitter::lead(Waiting* mine) {
  std::vector<Waiting*> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(waiting_);
  }
  commit_batch(batch);
  // The next batch is on its way to the disk before the writers of this one are woken.
  pass_on();
  for (auto* one : batch)
    if (one != mine) one->set(Waiting::kDone);
}

// The turn goes to who publishes, else to the first that waits, else to nobody.
void GroupCommitter::pass_on() {
  Waiting* next = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (publisher_waits_ || waiting_.empty())
      working_ = false;
    else
      next = waiting_.front();
    if (publisher_waits_) free_.notify_one();
  }
  // It cannot go meanwhile: it waits for this.
  if (next != nullptr) next->set(Waiting::kLead);
}

// For who publishes. Whoever comes to append while it is asked for takes no turn before it.
void GroupCommitter::take_turn() {
  std::unique_lock lock(mutex_);
  publisher_waits_ = true;
  free_.wait(lock, [this] { return !working_; });
  publisher_waits_ = false;
  working_ = true;
}

// An entry that cannot be staged concerns its writer alone; a commit that fails concerns all.
void GroupCommitter::commit_batch(std::vector<Waiting*>& batch) {
  for (std::size_t at = 0; at < batch.size();) {
    const auto begin = at;
    for (; at < batch.size(); ++at) {
      const auto bytes = batch[at]->text.size();
      // A full batch goes first; an entry that alone is too much cannot be (64 KiB at most).
      if (log_.has_staged() && !log_.has_room(bytes)) break;
      batch[at]->outcome = log_.stage_encoded(std::move(batch[at]->text));
    }
    const auto committed = log_.commit();
    for (auto i = begin; i < at && !committed; ++i)
      if (batch[i]->outcome) batch[i]->outcome = tl::unexpected<Error>(committed.error());
  }
}

Status GroupCommitter::publish() {
  const std::lock_guard alone(publishing_);
  take_turn();
  const bool begun = log_.begin_publish();
  const bool failed = log_.failed();
  pass_on();
  if (failed) return fail(Errc::kUnavailable, "the log has failed");
  if (!begun) return {};
  auto written = log_.write_publish();
  take_turn();
  auto done = log_.end_publish(std::move(written));
  pass_on();
  return done;
}

}  // namespace callward::audit
