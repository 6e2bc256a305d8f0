// Retention: calls whose time is over lose their keys, their row and their ciphertext.
//
//   due ──▶ retention_run logged ──▶ a batch: intended (one entry names its rows), keys destroyed
//   with the batch's epoch, `erased` ──▶ husks: rows without a key ──▶ the recorder deletes their
//   objects ──▶ objects_deleted logged ──▶ rows dropped
//
// The keeper decides by its own rows, its own time and its own count (erase/retention.hpp); whoever
// asks for a run only asks for it sooner. A keeper that dies anywhere finds in its rows what is to
// be done again: ordered and not erased, or erased and not deleted. The log has every step before
// it is taken.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {
namespace {

constexpr std::int64_t kRetrySaveMs = 10'000;
constexpr std::int64_t kRetryRunMs = 600'000;
constexpr std::int64_t kRetryRemoveMs = 10'000;

bool ended_by_retention(const CallKeys& call) {
  const auto reason = reason_number(kRetentionReason);
  return std::any_of(call.blocked.begin(), call.blocked.end(),
                     [&](const Blocked& block) { return block.reason == *reason; });
}

// All of its audio. A call without any is still named by one block: its row says what happens.
std::vector<SegmentRange> all_of(const CallKeys& call) {
  std::vector<SegmentRange> ranges;
  std::uint8_t any = 0;
  for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream) {
    if (!call.has_stream(stream)) continue;
    any = stream;
    if (call.ends[stream] > 0) ranges.push_back({stream, 0, call.ends[stream]});
  }
  if (ranges.empty()) ranges.push_back({any, 0, 1});
  return ranges;
}

// [first, end) of consecutive numbers, sorted.
boost::json::array runs_of(const std::vector<std::uint64_t>& rows) {
  boost::json::array out;
  for (std::size_t i = 0; i < rows.size();) {
    auto end = i + 1;
    while (end < rows.size() && rows[end] == rows[end - 1] + 1) ++end;
    boost::json::array run;
    run.emplace_back(rows[i]);
    run.emplace_back(rows[end - 1] + 1);
    out.emplace_back(std::move(run));
    i = end;
  }
  return out;
}

boost::json::array ids_json(const std::vector<CallId>& calls) {
  boost::json::array out;
  for (const auto& id : calls) out.emplace_back(id.hex());
  return out;
}

}  // namespace

// Beginning ---------------------------------------------------------------------------------------

// Without a state of its own, time is known from the log's newest entry: what no clock of ours has
// counted since is held against the wall clock as everything else.
void Keeper::begin_retention() {
  auto fresh = RetentionState::since(clock_.utc_ms());
  if (log_->size() > 0)
    (void)log_->replay(log_->size() - 1, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      fresh.utc = entry.at;
      return {};
    });
  auto& work = retention_;
  work.begun_ms = clock_.monotonic_ms();
  work.guard = RetentionGuard(fresh);
  if (!outbox_.load_retention) return;
  const auto text = outbox_.load_retention();
  if (!text && text.error().code == Errc::kNotFound) return;
  auto state = text ? decode_retention(*text)
                    : Result<RetentionState>(fail(text.error().code, text.error().message));
  if (state) {
    work.guard = RetentionGuard(std::move(*state));
    return;
  }
  log_event("keeper.retention_state", {{"why", state.error().message}});
  work.guard.stop(RetentionStop::kState, 0);
}

void Keeper::note_age(const CallKeys& call) {
  retention_.ages[call.row] = {call.id, call.started_at, class_of(call.source, call.direction),
                               call.ended && call.listened};
}

void Keeper::note_husk(const CallKeys& call) {
  if (!call.is_husk()) return;
  if (!ended_by_retention(call) || retention_.deleted.contains(call.id)) {
    husks_.insert(call.id);
    return;
  }
  retention_.ciphertext.insert(call.id);
  retention_.in_hand.insert(call.id);
}

// Its row may be older than the entry: then it is ordered as it was.
void Keeper::replay_retention(const audit::Entry& entry) {
  if (entry.type == "objects_deleted") {
    for (const char* list : {"calls", "kept"})
      for (const auto& item : entry.data.at(list).as_array())
        if (const auto id = CallId::parse(std::string_view(item.as_string())); id)
          retention_.deleted.insert(*id);
    return;
  }
  const auto order = OrderId::parse(std::string_view(entry.data.at("order").as_string()));
  if (!order) return;
  for (const auto& item : entry.data.at("rows").as_array()) {
    const auto end = item.at(1).to_number<std::uint64_t>();
    auto at = retention_.ages.lower_bound(item.at(0).to_number<std::uint64_t>());
    for (; at != retention_.ages.end() && at->first < end; ++at) {
      const auto found = find(at->second.call);
      if (!found) continue;
      auto& call = **found;
      const bool there = std::any_of(call.blocked.begin(), call.blocked.end(),
                                     [&](const Blocked& block) { return block.order == *order; });
      if (there || call.to_be_dropped()) continue;
      call.drop = true;
      call.take({*order, true, true, *reason_number(kRetentionReason), all_of(call)});
    }
  }
}

// What is due -------------------------------------------------------------------------------------

bool Keeper::is_over(const RetentionWork::Age& age, std::int64_t now) const {
  const auto days = policy_.retention.of(age.kind);
  return days > 0 && age.started_at <= now - days * kDayMs;
}

// What may not go does not count as due: else calls that never end, which a captured recorder
// begins as it likes, were more than usual for ever.
RetentionWork::Due Keeper::due_at(std::int64_t now) const {
  RetentionWork::Due due;
  std::array<std::vector<std::uint64_t>, kCallClasses.size()> by_class;
  for (const auto& [row, age] : retention_.ages) {
    if (!is_over(age, now) || !rows_.contains(age.call) || retention_.in_hand.contains(age.call))
      continue;
    if (on_hold_.contains(age.call))
      ++due.held;
    else if (!age.heard)
      ++due.unheard;
    else
      by_class[static_cast<std::size_t>(age.kind)].push_back(row);
  }
  for (const auto& rows : by_class) due.rows.insert(due.rows.end(), rows.begin(), rows.end());
  return due;
}

std::int64_t Keeper::usual_calls() const {
  std::vector<std::int64_t> started_at;
  started_at.reserve(retention_.ages.size());
  for (const auto& [row, age] : retention_.ages) started_at.push_back(age.started_at);
  const auto& guard = retention_.guard;
  return usual_volume(started_at, guard.now(), guard.state().days);
}

// Running -----------------------------------------------------------------------------------------

void Keeper::tick_retention() {
  auto& work = retention_;
  remove_ciphertext();
  if (!policy_.retention.any() || resting_) return;
  const auto mono = clock_.monotonic_ms();
  if (work.guard.observe(clock_.utc_ms(), mono)) work.dirty = true;
  if (work.guard.stopped()) {
    work.running = false;
    work.due.clear();
    log_stop();
  }
  if (mono - work.saved_ms >= (work.dirty ? kRetrySaveMs : RetentionState::kSaveEveryMs) ||
      (work.dirty && work.written))
    (void)save_retention();
  if (work.guard.stopped() || log_->failed() || mono < work.next_ms) return;
  if (work.running) return retire_batch();
  const auto& state = work.guard.state();
  if (mono - work.begun_ms < kRunAfterStartMs) return;
  if (state.last_run != 0 && work.guard.now() - state.last_run < kRunEveryMs) return;
  start_run("keeper");
}

Status Keeper::save_retention() {
  auto& work = retention_;
  work.saved_ms = clock_.monotonic_ms();
  work.written = false;
  if (outbox_.save_retention) {
    if (auto saved = outbox_.save_retention(encode_retention(work.guard.state())); !saved) {
      log_event("keeper.retention_state", {{"why", saved.error().message}});
      work.dirty = true;
      return saved;
    }
  }
  work.dirty = false;
  work.written = true;
  return {};
}

void Keeper::stop_retention(RetentionStop why, std::int64_t by) {
  retention_.guard.stop(why, by);
  retention_.running = false;
  retention_.due.clear();
  (void)save_retention();
  log_stop();
}

// Until it stands in the log, with every tick.
void Keeper::log_stop() {
  auto& state = retention_.guard.state();
  if (state.stop_logged || log_->failed()) return;
  log_event("keeper.retention_stopped", {{"cause", to_text(state.stop)}, {"by", state.by}});
  if (!stage_entry("retention_stopped", "keeper", "-",
                   {{"cause", to_text(state.stop)}, {"by", state.by}}))
    return;
  state.stop_logged = true;
  after_log([this](Status logged) {
    retention_.guard.state().stop_logged = logged.has_value();
    (void)save_retention();  // else a keeper that takes over says it again
  });
}

// Calls under a legal hold whose time is over; each is said once.
void Keeper::refuse_holds() {
  auto& work = retention_;
  for (const auto& id : on_hold_) {
    const auto row = rows_.find(id);
    const auto age = row == rows_.end() ? work.ages.end() : work.ages.find(row->second);
    if (age == work.ages.end() || !is_over(age->second, work.guard.now())) continue;
    if (work.refused.size() < kHeldListMax && work.refused.insert(id).second)
      (void)stage_entry("hold_refused", "keeper", id.hex(), {{"order", work.run.hex()}});
  }
}

void Keeper::start_run(const std::string& actor) {
  auto& work = retention_;
  const auto due = due_at(work.guard.now());
  const auto usual = usual_calls();
  const auto may = work.guard.may_erase(usual);
  if (static_cast<std::int64_t>(due.rows.size()) > may)
    return stop_retention(RetentionStop::kVolume, static_cast<std::int64_t>(due.rows.size()));
  work.run = OrderId::random(entropy_);
  refuse_holds();
  if (!stage_entry("retention_run", actor, "-",
                   {{"run", work.run.hex()},
                    {"due", due.rows.size()},
                    {"held", due.held},
                    {"usual", usual},
                    {"may", may}}))
    return;
  work.due.assign(due.rows.begin(), due.rows.end());
  work.erased = 0;
  after_log([this, run = work.run](Status logged) {
    if (retention_.run != run) return;
    retention_.running = logged.has_value() && !retention_.guard.stopped();
    if (!retention_.running) retention_.due.clear();
  });
}

// Whether it may still go: it was due when the run began. What may not is looked at again with the
// next run.
bool Keeper::may_be_retired(const CallKeys& call) const {
  return call.ended && call.listened && !call.legal_hold && !call.to_be_dropped() &&
         !deciding_whole_.contains(call.id) && !proposing_.contains(call.id);
}

// One batch of one class. The count is on the disk before the calls are taken.
void Keeper::retire_batch() {
  auto& work = retention_;
  if (!work.taken.empty()) return;  // the one before it is being carried out
  std::vector<CallKeys*> batch;
  std::optional<CallClass> kind;
  while (!work.due.empty() && batch.size() < kRetiredPerBatchMax) {
    const auto age = work.ages.find(work.due.front());
    if (age != work.ages.end() && kind && age->second.kind != *kind) break;
    work.due.pop_front();
    if (age == work.ages.end()) continue;
    const auto found = find(age->second.call);
    if (!found || !may_be_retired(**found)) continue;
    kind = age->second.kind;
    batch.push_back(*found);
  }
  if (batch.empty()) {
    if (work.due.empty()) run_over();
    return;
  }
  const auto before = work.guard;
  work.guard.spend(static_cast<std::int64_t>(batch.size()));
  if (!save_retention()) {
    work.guard = before;
    work.running = false;
    work.due.clear();
    work.next_ms = clock_.monotonic_ms() + kRetryRunMs;
    return;
  }
  const auto order = OrderId::random(entropy_);
  const auto reason = *reason_number(kRetentionReason);
  work.taken[order] = {*kind, policy_.retention.of(*kind)};
  for (auto* call : batch) {
    auto ranges = all_of(*call);
    call->drop = true;
    call->take({order, true, true, reason, ranges});
    note_waiting(*call);
    work.in_hand.insert(call->id);
    orders_.push_back(
        {order, call->id, std::move(ranges), reason, std::string(kRetentionSource), false, {}});
  }
}

void Keeper::run_over() {
  auto& work = retention_;
  work.running = false;
  work.guard.run_over(work.erased);
  std::erase_if(work.ages, [this](const auto& item) { return !rows_.contains(item.second.call); });
  (void)save_retention();
  log_event("keeper.retention_run", {{"erased", work.erased}});
}

// Intended ----------------------------------------------------------------------------------------

// One entry for all of an order's rows.
Status Keeper::stage_retention(const std::vector<Order*>& group) {
  const auto& order = *group.front();
  std::vector<std::uint64_t> rows;
  std::int64_t latest = 0;
  auto kind = CallClass::kUnknown;
  for (const auto* one : group) {
    const auto row = rows_.find(one->call);
    if (row == rows_.end()) continue;
    rows.push_back(row->second);
    if (const auto age = retention_.ages.find(row->second); age != retention_.ages.end()) {
      latest = std::max(latest, age->second.started_at);
      kind = age->second.kind;
    }
  }
  std::sort(rows.begin(), rows.end());
  // Resumed, the days that it was taken by are not known any more: how old its youngest is, is.
  const auto taken = retention_.taken.find(order.id);
  const auto days = taken != retention_.taken.end()
                        ? taken->second.days
                        : std::max<std::int64_t>(0, (clock_.utc_ms() - latest) / kDayMs);
  return stage_entry("retention_intended", "keeper", "-",
                     {{"order", order.id.hex()},
                      {"class", kCallClasses[static_cast<std::size_t>(kind)]},
                      {"days", days},
                      {"calls", rows.size()},
                      {"rows", runs_of(rows)},
                      {"epoch", store_.epoch()}});
}

Status Keeper::stage_retentions(std::vector<Order>& batch, std::vector<Order*>& staged) {
  std::map<OrderId, std::vector<Order*>> groups;
  for (auto& order : batch)
    if (of_retention(order) && !order.logged) groups[order.id].push_back(&order);
  for (auto& [id, group] : groups) {
    TRY(stage_retention(group));
    staged.insert(staged.end(), group.begin(), group.end());
  }
  return {};
}

// Ciphertext --------------------------------------------------------------------------------------

// Behind those that were asked for last, and round again: objects that cannot be deleted hold up
// nobody's.
keys::RemoveObjects Keeper::next_to_remove() const {
  const auto& work = retention_;
  keys::RemoveObjects message;
  auto at = work.ciphertext.upper_bound(work.removed_last);
  for (std::size_t looked = 0;
       looked < work.ciphertext.size() && message.calls.size() < kRemovePerRequestMax; ++looked) {
    if (at == work.ciphertext.end()) at = work.ciphertext.begin();
    const auto& id = *at++;
    const auto row = rows_.find(id);
    const auto age = row == rows_.end() ? work.ages.end() : work.ages.find(row->second);
    if (age != work.ages.end()) message.calls.push_back({id, age->second.started_at});
  }
  return message;
}

void Keeper::remove_ciphertext() {
  auto& work = retention_;
  if (work.removing || work.ciphertext.empty() || resting_ || log_->failed() ||
      !outbox_.remove_objects || clock_.monotonic_ms() < work.remove_ms)
    return;
  const auto message = next_to_remove();
  if (message.calls.empty()) return;
  std::vector<CallId> asked;
  for (const auto& one : message.calls) asked.push_back(one.call);
  work.removing = true;
  work.removed_last = asked.back();
  work.remove_ms = clock_.monotonic_ms() + kRetryRemoveMs;
  outbox_.remove_objects(message, [this, asked](Result<keys::ObjectsRemoved> done) {
    retention_.removing = false;
    ciphertext_removed(asked, done);
  });
}

void Keeper::ciphertext_removed(const std::vector<CallId>& asked,
                                const Result<keys::ObjectsRemoved>& done) {
  if (!done || done->fates.size() != asked.size()) {
    const auto why = done ? "not an answer to what was asked" : done.error().message;
    if (retention_.not_removed != why) log_event("keeper.objects_not_deleted", {{"why", why}});
    retention_.not_removed = why;  // said once, not with every try
    return;
  }
  retention_.not_removed.clear();
  std::vector<CallId> gone, kept;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (done->fates[i] == keys::ObjectFate::kGone) gone.push_back(asked[i]);
    if (done->fates[i] == keys::ObjectFate::kKept) kept.push_back(asked[i]);
  }
  if (gone.empty() && kept.empty()) return;
  if (gone.size() + kept.size() == asked.size()) retention_.remove_ms = 0;  // on to the next
  if (!stage_entry("objects_deleted", "keeper", "-",
                   {{"calls", ids_json(gone)}, {"kept", ids_json(kept)}}))
    return;
  gone.insert(gone.end(), kept.begin(), kept.end());
  after_log([this, gone](Status logged) {
    if (!logged) return;  // asked again, and the recorder says that they are gone
    for (const auto& id : gone) {
      retention_.ciphertext.erase(id);
      retention_.in_hand.erase(id);
      husks_.insert(id);
    }
    drop_husks();
  });
}

}  // namespace callward::erase
