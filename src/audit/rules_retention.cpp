// The rules of retention and legal holds: who went, when, and who let it go on.
#include <algorithm>
#include <boost/json.hpp>

#include "audit/rules.hpp"

namespace callward::audit {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kStreamEnd = std::int64_t{1} << 20;
constexpr std::int64_t kStreams = 15;
constexpr std::int64_t kRowsMax = 100'000;  // far beyond what one entry names
constexpr std::int64_t kTimesUsual = 2;
constexpr std::int64_t kFreeCalls = 10;
constexpr std::size_t kHashDigits = 64;

// [first, end) of a row list's item; nothing for what is none.
struct Rows {
  std::int64_t first = 0, end = 0;
};
std::vector<Rows> rows_of(const boost::json::object& data) {
  std::vector<Rows> out;
  const auto* list = data.if_contains("rows");
  if (list == nullptr || !list->is_array()) return out;
  for (const auto& item : list->get_array()) {
    const auto* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_int64() || !(*pair)[1].is_int64())
      continue;
    const Rows rows{(*pair)[0].get_int64(), (*pair)[1].get_int64()};
    if (rows.first >= 0 && rows.first < rows.end && rows.end - rows.first <= kRowsMax)
      out.push_back(rows);
  }
  return out;
}

}  // namespace

void RuleChecker::hold_set(const Entry& entry) {
  check_reader(entry);
  call_of(entry).hold = true;
}

void RuleChecker::hold_lifted(const Entry& entry) {
  check_reader(entry);
  call_of(entry).hold = false;
}

void RuleChecker::retention_run(const Entry& entry) {
  if (entry.actor != "keeper") check_reader(entry);
  const auto may = number_of(entry, "may");
  const auto bound = std::max(kFreeCalls, kTimesUsual * number_of(entry, "usual"));
  if (may > bound + let_go_)
    find("retention-within-bounds", entry.index, entry.subject,
         "it says that " + std::to_string(may) + " calls may go, and the bound is " +
             std::to_string(bound + let_go_));
  may_retire_ = may;
}

// Why this call may not have gone; each once.
void RuleChecker::check_retired(const Entry& entry, const std::string& id, const Call& call) {
  if (call.hold) find("hold-is-kept", entry.index, id, "taken by retention");
  if (!call.ended.set)
    find("retention-in-time", entry.index, id, "taken by retention, and it had not ended");
  const auto days = number_of(entry, "days");
  if (days < 1 || entry.at - call.began_at + grace_.age_ms < days * kDayMs)
    find("retention-in-time", entry.index, id,
         "taken by retention of " + std::to_string(days) + " days, " +
             std::to_string(std::max<std::int64_t>(0, entry.at - call.began_at) / kDayMs) +
             " days after it began");
}

void RuleChecker::retention_intended(const Entry& entry) {
  const auto id = text_of(entry, "order");
  auto& order = orders_[id];
  const bool again = order.intended.set;  // by a keeper that took it up: all was checked before
  if (!again) ++report_.orders;
  order.intended = {entry.index, entry.at, true};
  order.decided = true;
  std::int64_t calls = 0;
  for (const auto& rows : rows_of(entry.data))
    for (auto at = rows_.lower_bound(rows.first); at != rows_.end() && at->first < rows.end; ++at) {
      auto& call = calls_[at->second];
      ++calls;
      if (!again) check_retired(entry, at->second, call);
      if (call.retired_by.empty()) call.retired_by = id;
      // What a person had still to decide about goes with the rest.
      for (const auto& [other, ranges] : call.closed) orders_[other].decided = true;
      for (std::int64_t stream = 0; stream < kStreams; ++stream)
        call.closed[id].insert({stream, 0, kStreamEnd});
    }
  if (calls != number_of(entry, "calls"))
    find("retention-in-time", entry.index, entry.subject,
         "it names rows of " + std::to_string(calls) +
             " calls that began, and says that they are " +
             std::to_string(number_of(entry, "calls")));
  if (again) return;
  if (retention_stopped_)
    find("retention-stays-stopped", entry.index, entry.subject,
         std::to_string(calls) + " calls taken, and nobody had confirmed");
  if (calls > may_retire_)
    find("retention-within-bounds", entry.index, entry.subject,
         std::to_string(calls) + " calls taken, and " + std::to_string(may_retire_) + " might go");
  may_retire_ = std::max<std::int64_t>(0, may_retire_ - calls);
  // What was let go is taken first; the rest stays let go, for a keeper that died in the middle.
  let_go_ = std::max<std::int64_t>(0, let_go_ - calls);
}

void RuleChecker::objects_deleted(const Entry& entry) {
  for (const char* list : {"calls", "kept"})
    for (const auto& id : list_of(entry, list)) {
      auto& call = calls_[id];
      const auto order = orders_.find(call.retired_by);
      const bool gone = !call.retired_by.empty() && order != orders_.end() &&
                        (order->second.erased.set || order->second.unconfirmed.set);
      if (!gone)
        find("deleted-was-erased", entry.index, id, "its ciphertext went, and not its keys before");
      call.deleted = true;
    }
}

void RuleChecker::retention_stopped(const Entry& /*entry*/) {
  retention_stopped_ = true;
  may_retire_ = let_go_ = 0;
}

void RuleChecker::retention_confirmed(const Entry& entry) {
  if (text_of(entry, "reason_hash").size() != kHashDigits)
    find("opened-with-reason", entry.index, entry.subject, "confirmed without a reason's hash");
  check_reader(entry);
  retention_stopped_ = false;
  let_go_ = number_of(entry, "calls");
}

void RuleChecker::finish_retention() {
  for (const auto& [id, call] : calls_) {
    if (call.retired_by.empty() || call.deleted) continue;
    const auto& order = orders_[call.retired_by];
    if (order.erased.set && order.erased.at + grace_.delete_ms < newest_at_)
      find("retention-deletes", order.erased.index, id, "its ciphertext is still there");
  }
}

}  // namespace callward::audit
