// The keeper's own time: one line, whatever keepers come and go and whatever a wall clock says.
#include <algorithm>

#include "disclose/office.hpp"

namespace callward::disclose {

std::int64_t Office::now() const { return utc_from_ + clock_.monotonic_ms() - mono_from_; }

// Nothing that is secret, and true whatever becomes of log and rows.
void Office::tell_time(const keys::TimeRequest& /*message*/, Reply<keys::TimeTold> reply) {
  reply(keys::TimeTold{now()});
}

// Within a boot the monotonic clock went on while no keeper ran: time is known to the millisecond.
// After another boot nobody knows how long the machine was off, and what had been counted only as
// far as the disk says, so that it may be some time ahead.
Status Office::begin_time() {
  mono_from_ = clock_.monotonic_ms();
  const auto& head = book_.head();
  const auto& line = head.line;
  const bool same_boot = policy_.boot != decltype(policy_.boot){} && line.boot == policy_.boot &&
                         line.monotonic_ms <= mono_from_;
  utc_from_ = std::max(clock_.utc_ms(),
                       same_boot ? line.utc_ms + mono_from_ - line.monotonic_ms : head.time);
  if (ledger_.log_size() != 0)
    utc_from_ = std::max(utc_from_, TRY(entry_at(ledger_.log_size() - 1)).at);
  return {};
}

// How far time has gone, for the next keeper: where its line is, once it has moved; and for another
// boot, with a window open, some time ahead of it, so that nobody counts anew what this one has
// counted. On the disk before a value leaves in that time (step_put).
void Office::keep_time() {
  const bool open = std::ranges::any_of(requests_, [](const auto& item) {
    return item.second.chain.request().state == State::kOpen;
  });
  const auto time = now();
  const auto& head = book_.head();
  const auto mono = clock_.monotonic_ms();
  const bool moved =
      head.line.boot != policy_.boot || head.line.utc_ms + mono - head.line.monotonic_ms != time;
  const bool behind = open ? time + kTimeAheadMs / 2 >= head.time : time >= head.time + kTimeKeptMs;
  if (!moved && !behind) return;
  auto& kept = book_.change_head();
  if (moved) kept.line = {policy_.boot, time, mono};
  if (behind) kept.time = open ? time + kTimeAheadMs : time;
  ledger_.write_rows();
}

}  // namespace callward::disclose
