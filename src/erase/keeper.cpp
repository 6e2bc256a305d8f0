#include "erase/keeper.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/check.hpp"
#include "base/event_log.hpp"

namespace callward::erase {
namespace {

constexpr std::int64_t kCallMsMax = 100ll << keys::kIndexBits;  // as far as an index reaches

boost::json::array ends_json(const std::vector<keys::StreamEnd>& ends) {
  boost::json::array out;
  for (const auto& end : ends) out.push_back(boost::json::array{end.stream, 0, end.end_index});
  return out;
}

}  // namespace

Keeper::Keeper(Clock& clock, Entropy& entropy, keys::KeyStore& store, audit::Log& log,
               KeeperPolicy policy, Outbox outbox)
    : clock_(clock),
      entropy_(entropy),
      store_(store),
      log_(&log),
      policy_(policy),
      outbox_(std::move(outbox)) {
  last_persist_ms_ = clock_.monotonic_ms();
}

Result<CallKeys*> Keeper::find(const CallId& id) {
  if (const auto known = calls_.find(id); known != calls_.end()) return known->second.get();
  const auto row = rows_.find(id);
  if (row == rows_.end()) return fail(Errc::kNotFound, "no such call");
  auto content = TRY(store_.get(row->second));
  if (!content) return fail(Errc::kErased, "the call's row is gone");
  auto call = std::make_unique<CallKeys>(TRY(CallKeys::decode_row(row->second, content->expose())));
  call->begun_ms = begun_ms(call->source, call->started_at);
  auto* raw = call.get();
  calls_[id] = std::move(call);
  return raw;
}

Result<std::uint64_t> Keeper::OwnLedger::stage(audit::Entry entry) {
  entry.at = keeper_.clock_.utc_ms();
  return keeper_.log_->stage(entry);
}

void Keeper::OwnLedger::after_log(std::function<void(Status)> act) {
  keeper_.after_log([this, act = std::move(act)](Status logged) {
    if (logged && keeper_.new_rows_)
      return act(fail(Errc::kUnavailable, "the key store could not be written"));
    act(std::move(logged));
  });
}

Status Keeper::stage_entry(std::string type, std::string actor, std::string subject,
                           boost::json::object data) {
  auto staged = log_->stage(
      {std::move(type), std::move(actor), std::move(subject), clock_.utc_ms(), std::move(data)});
  if (!staged) return tl::unexpected<Error>(staged.error());
  return {};
}

// Monotonic time of index 0. From here on nobody who sets a wall clock moves a call's bounds. An
// import's audio is older than its import, and comes as fast as it can: its clock begins now.
std::int64_t Keeper::begun_ms(keys::CallSource source, std::int64_t started_at) const {
  if (source == keys::CallSource::kImport) return clock_.monotonic_ms();
  return clock_.monotonic_ms() -
         std::clamp<std::int64_t>(clock_.utc_ms() - started_at, 0, kCallMsMax);
}

// Retention counts from when a call began, and the recorder says when that was. One that was taken
// over makes no call older than a call can be, nor one that is never over. Imports are as old as
// they are.
std::int64_t Keeper::believed_start(keys::CallSource source, std::int64_t said) const {
  const auto latest = clock_.utc_ms() + RetentionGuard::kClockJumpMs;
  if (source == keys::CallSource::kImport) return std::min(said, latest);
  return std::clamp(said, clock_.utc_ms() - kCallMsMax, latest);
}

// After a restart the wall clock says when a call began, and it may have been set since. What is
// held of the call says how long it has lasted at least; the recorder, how long it had when it
// froze the keys.
void Keeper::has_lasted(CallKeys& call, std::uint32_t segments) const {
  if (call.source == keys::CallSource::kImport) return;
  call.begun_ms = std::min(call.begun_ms, clock_.monotonic_ms() - std::int64_t{segments} * 100);
}

// Behind the last segment that may be spoken of now. Of a call that another keeper began nobody
// here knows that for sure: an order must not be cut because a clock was set back, and the
// listener's share bounds it all the same.
std::uint32_t Keeper::index_limit(const CallKeys& call) const {
  if (call.source == keys::CallSource::kImport || !call.rooted) return keys::kIndexMax + 1;
  return std::min(elapsed_segments(call) + kAheadSegmentsMax, keys::kIndexMax + 1);
}

std::uint32_t Keeper::elapsed_segments(const CallKeys& call) const {
  const auto elapsed_ms = std::max<std::int64_t>(0, clock_.monotonic_ms() - call.begun_ms);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(elapsed_ms / 100, keys::kIndexMax));
}

boost::json::array Keeper::ranges_json(const std::vector<SegmentRange>& ranges) const {
  boost::json::array out;
  for (const auto& range : ranges)
    out.push_back(boost::json::array{range.stream, range.first, range.end});
  return out;
}

Status Keeper::stage_dirty_rows() {
  Status outcome;
  for (auto& [id, call] : calls_) {
    if (!call->dirty) continue;
    call->join_erased(kRangesPerCallMax);
    auto row = call->encode_row();
    if (row.size() >
        keys::kRowBytesMax) {  // kRangesPerCallMax is there so that this does not happen
      outcome = fail(Errc::kTooLarge, "the row of call " + id.hex() + " is over its limit");
      log_event("keeper.row_too_large", {{"call", id.hex()}, {"bytes", row.size()}});
      continue;
    }
    store_.stage_put(call->row, std::move(row));
    call->dirty = false;
  }
  if (tenant_ != nullptr)
    if (auto staged = tenant_->stage_rows(); !staged) outcome = std::move(staged);
  return outcome;
}

Status Keeper::commit_rows() {
  (void)stage_dirty_rows();  // said in the log; the other rows are persisted all the same
  auto done = store_.commit(log_->size());
  if (done && tenant_ != nullptr) tenant_->rows_written();
  watch_mirrors();
  return done;
}

// Stream 15's node is on the disk before the call's start is answered: a keeper that dies a second
// later can adopt it.
void Keeper::commit_new_rows() {
  if (!new_rows_) return;
  if (auto done = commit_rows(); !done)
    return log_event("keeper.persist_failed", {{"why", done.error().message}});
  new_rows_ = false;
}

// Recorder ----------------------------------------------------------------------------------------

Status Keeper::stage_started(const CallKeys& call) {
  return stage_entry("call_started", "keeper", call.id.hex(),
                     {{"row", call.row},
                      {"source", to_text(call.source)},
                      {"direction", to_text(call.direction)},
                      {"streams", call.streams},
                      {"started_at", call.started_at}});
}

void Keeper::call_start(const keys::CallStart& message, Reply<keys::CallStarted> reply) {
  if (rows_.count(message.call) != 0)
    return reply(fail(Errc::kExists, "this call has begun already"));
  if (message.streams == 0 || (message.streams & 0x8000) != 0)
    return reply(fail(Errc::kMalformed, "no audio stream, or stream 15"));
  if (store_.next_row() >= keys::kCallRowsEnd)
    return reply(fail(Errc::kFull, "the key store has had as many calls as it can number"));
  auto call = std::make_unique<CallKeys>();
  call->id = message.call;
  call->row = store_.allot_row();
  call->source = message.source;
  call->direction = message.direction;
  call->declare(message.streams);
  call->started_at = believed_start(message.source, message.started_at);
  call->begun_ms = begun_ms(message.source, call->started_at);
  call->rooted = true;
  call->cover = keys::Cover::whole(entropy_.key());
  call->dirty = true;
  auto record = seal_call_data(*call, message.call_data);
  if (!record) return reply(tl::unexpected<Error>(record.error()));
  call->start_logged = false;
  auto staged = stage_started(*call);
  tell_tenant(*call, message.call_data);  // what it says of the call stands behind its beginning
  rows_[call->id] = call->row;
  note_age(*call);
  auto* raw = call.get();
  calls_[raw->id] = std::move(call);
  new_rows_ = true;
  // Recording goes on when the log fails: the call's keys then live in memory only, and nothing of
  // it opens.
  after_log([this, id = raw->id, record = std::move(*record), reply,
             staged = staged.has_value()](Status logged) mutable {
    auto* begun = *find(id);
    begun->start_logged = staged && logged.has_value();  // else resume_log() does it
    if (!begun->start_logged) log_event("keeper.call_not_logged", {{"call", id.hex()}});
    keys::CallStarted started;
    started.row = begun->row;
    started.nodes = begun->cover.slice(keys::leaf_of(0, 0), keys::leaf_of(keys::kCallDataStream, 0))
                        .take_nodes();
    started.call_data_record = std::move(record);
    reply(std::move(started));
  });
}

void Keeper::reissue(const keys::Reissue& message, Reply<keys::Reissued> reply) {
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  if (call.ended) return reply(fail(Errc::kState, "the call has ended"));
  if (!call.rooted)
    return reply(
        fail(Errc::kErased, "its root died with another keeper; begin a continuation call"));
  constexpr std::uint32_t kBackSegments = 5;  // 0.5 s: the recorder may have lost that much
  keys::Reissued reissued;
  const auto elapsed = elapsed_segments(call);
  reissued.first_index = call.issued_from;
  if (call.source != keys::CallSource::kImport && elapsed > kBackSegments)
    reissued.first_index = std::max(call.issued_from, elapsed - kBackSegments);
  call.issued_from = reissued.first_index;
  keys::Cover nodes;
  for (std::uint8_t stream = 0; stream < 15; ++stream)
    CHECK(nodes
              .merge(call.cover.slice(keys::leaf_of(stream, reissued.first_index),
                                      keys::leaf_of(static_cast<std::uint8_t>(stream + 1), 0)))
              .has_value());
  reissued.nodes = nodes.take_nodes();
  reply(std::move(reissued));
}

keys::SpareRootsGiven make_spare_roots(Entropy& entropy, std::uint16_t wanted) {
  keys::SpareRootsGiven given;
  for (int i = 0; i < std::min(wanted, kSpareRootsMax); ++i) {
    const auto cover = keys::Cover::whole(entropy.key());
    given.roots.push_back(
        {CallId::random(entropy),
         cover.slice(keys::leaf_of(0, 0), keys::leaf_of(keys::kCallDataStream, 0)).take_nodes()});
  }
  return given;
}

void Keeper::spare_roots(const keys::SpareRoots& message, Reply<keys::SpareRootsGiven> reply) {
  reply(make_spare_roots(entropy_, message.wanted));
}

void Keeper::call_end(const keys::CallEnd& message, Reply<keys::Ack> reply) {
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  for (const auto& end : message.streams)
    if (end.stream >= keys::kCallDataStream || end.end_index > keys::kIndexMax + 1)
      return reply(fail(Errc::kMalformed, "no such stream or index"));
  auto& call = **found;
  if (tenant_ != nullptr) tenant_->call_is_over(call.id);
  if (!call.end_logged) {  // else said twice: the first answer was lost
    auto staged = stage_entry("call_ended", "recorder", call.id.hex(),
                              {{"ended_at", message.ended_at},
                               {"cause", message.cause},
                               {"ends", ends_json(message.streams)}});
    if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  }
  if (!call.ended) {
    for (const auto& end : message.streams) {
      call.declare(static_cast<std::uint16_t>(1u << end.stream));
      call.ends[end.stream] = end.end_index;
    }
    call.ended = true;
    call.listened = call.listened || call.is_empty();
    call.dirty = true;
    // No leaf beyond the end will ever be used: give them up.
    for (std::uint8_t stream = 0; stream < 15; ++stream) {
      call.heard[stream] = std::min(call.heard[stream], call.ends[stream]);
      const auto end = keys::leaf_of(stream, 0) + (call.has_stream(stream) ? call.ends[stream] : 0);
      call.cover.puncture(end, keys::leaf_of(static_cast<std::uint8_t>(stream + 1), 0));
    }
    account_missing(call);
    note_age(call);
  }
  if (privates_.count(call.id) != 0) end_private(call, "call_ended", "keeper", nullptr);
  // At the end at once what is heard goes to the disk, with the entry: less is lost when we die in
  // the next half minute.
  if (!call.question_open) call.persist_upto(call.heard);
  new_rows_ = true;
  with_log([this, id = call.id](const Status& logged) {
    const auto still = find(id);
    if (logged && still) (*still)->end_logged = (*still)->dirty = true;
  });
  after_log([reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::Ack{});
  });
}

void Keeper::call_sealed(const keys::CallSealed& message, Reply<keys::Ack> reply) {
  if (rows_.count(message.call) == 0) return reply(fail(Errc::kNotFound, "no such call"));
  if (sealed_.count(message.call) == 0) {
    auto staged = stage_entry("call_sealed", "recorder", message.call.hex(),
                              {{"root", to_hex(message.root)},
                               {"leaves", message.leaves},
                               {"bytes", message.object_bytes}});
    if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  }
  after_log([this, id = message.call, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    sealed_.insert(id);
    reply(keys::Ack{});
  });
}

void Keeper::log_append(const keys::LogAppend& message, std::uint8_t writer,
                        Reply<keys::LogAppended> reply) {
  const auto* type = audit::find_entry_type(message.type);
  if (type == nullptr || (type->writers & writer) == 0)
    return reply(fail(Errc::kDenied, "this process may not write entries of that type"));
  boost::system::error_code error;
  auto data = boost::json::parse(message.data, error);
  if (error || !data.is_object())
    return reply(fail(Errc::kMalformed, "entry's data is not a JSON object"));
  const auto index = log_->stage(
      {message.type, message.actor, message.subject, clock_.utc_ms(), data.get_object()});
  if (!index) return reply(tl::unexpected<Error>(index.error()));
  after_log([index = *index, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::LogAppended{index});
  });
}

// Rounds ------------------------------------------------------------------------------------------

void Keeper::resume_log(audit::Log& fresh) {
  log_ = &fresh;
  log_error_.clear();
  log_event("keeper.log_resumed", {{"size", log_->size()}});
  if (auto read = take_missed(); !read) {
    log_error_ = read.error().message;
    log_event("keeper.log_not_read", {{"why", log_error_}});
    return log_->let_go();  // it is opened anew once more
  }
  if (tenant_ != nullptr)
    if (auto read = tenant_->log_is_back(known_upto_); !read) {
      log_error_ = read.error().message;
      log_event("keeper.log_not_read", {{"why", log_error_}});
      return log_->let_go();  // it is opened anew once more
    }
  log_unlogged();
  retry_orders_ms_ = 0;
  end_round();
}

// What could not be logged when it happened.
void Keeper::log_unlogged() {
  if (!hand_over_failure_.empty() &&
      stage_entry("hand_over_failed", "keeper", "-", {{"why", hand_over_failure_}}))
    hand_over_failure_.clear();
  std::vector<CallId> begun;
  for (const auto& [id, call] : calls_)
    if (!call->start_logged && stage_started(*call)) begun.push_back(id);
  after_log([this, begun](Status logged) {
    if (!logged) return;
    for (const auto& id : begun)
      if (const auto still = find(id)) (*still)->start_logged = true;
  });
  if (tenant_ != nullptr) tenant_->log_calls_at();  // before what was private by it
  log_privates();
  for (const auto& id : std::exchange(unlogged_listens_, {})) listen_done({id});
}

void Keeper::mirrors_are_back() {
  if (store_.unconfirmed() != 0) return;
  if (tenant_ != nullptr) tenant_->mirrors_are_back();
  for (auto& order : unconfirmed_) orders_.push_back(std::move(order));
  unconfirmed_.clear();
}

Status Keeper::commit_log() {
  auto logged = log_->commit();
  for (auto& effect : std::exchange(effects_, {})) effect(logged);
  if (logged) known_upto_ = log_->size();
  return logged;
}

void Keeper::end_round() {
  constexpr int kRoundsMax =
      8;  // what runs after the log may stage more; what is left waits for the next round
  for (int round = 0; round < kRoundsMax && has_work(); ++round) {
    auto logged = commit_log();
    if (!logged) {
      // Said once, not with every round of a log that stays away.
      if (log_error_ != logged.error().message)
        log_event("keeper.log_failed", {{"why", logged.error().message}});
      log_error_ = logged.error().message;
    } else {
      commit_new_rows();
    }
    auto acts = std::move(after_);
    after_.clear();
    for (auto& act : acts) act(logged);
    if (log_->failed()) return answer_unlogged(logged);
    run_orders();
  }
}

void Keeper::tick() {
  const auto now = clock_.monotonic_ms();
  for (const auto& batch : std::vector(batches_))
    if (batch->deadline_ms <= now) finish_batch(batch);
  watch_mirrors();
  if (!unconfirmed_.empty() || tenant_ != nullptr) mirrors_are_back();
  tick_private();
  if (now - last_persist_ms_ >= policy_.persist_every_ms) {
    if (!persist_again_) persist_deadlines();
    // A round that a log or a disk refused comes again soon: what it did not keep, a death would
    // cost.
    constexpr std::int64_t kAgainMs = 1'000;
    persist_again_ = !persist_round(false);
    last_persist_ms_ = persist_again_ ? now - policy_.persist_every_ms + kAgainMs : now;
  }
  if (!log_->failed() && now - last_publish_ms_ >= 1'000) {
    last_publish_ms_ = now;
    auto published = policy_.publish_beside ? log_->publish_beside() : log_->publish();
    if (!published) {
      log_error_ = published.error().message;
      log_event("keeper.publish_failed", {{"why", log_error_}});
    }
  }
  tick_retention();
  if (tenant_ != nullptr) tenant_->tick();
  end_round();
}

// Persists what was heard; `everything`: of all calls, else only what moved. False: not done.
bool Keeper::persist_round(bool everything) {
  if (log_->failed()) return false;
  for (auto& [id, call] : calls_) {
    if (call->question_open && !everything &&
        clock_.monotonic_ms() - call->question_since_ms < policy_.question_open_ms_max) {
      // Never across a question; but what was heard before it need not wait for its answer.
      call->persist_upto(call->heard_before_question);
      continue;
    }
    call->persist_upto(call->heard);
    call->dirty = call->dirty || call->heard_moved;
    call->heard_moved = false;
  }
  drop_husks();
  if (auto done = commit_rows(); !done) {
    log_event("keeper.persist_failed", {{"why", done.error().message}});
    return false;
  }
  forget_finished();
  return true;
}

// A listener that is behind: keys of what nobody heard are kept all the same (policy), and it is
// said.
void Keeper::persist_deadlines() {
  if (!policy_.persist_unheard) return;
  std::vector<std::pair<CallKeys*, decltype(CallKeys::persisted)>> late;
  for (auto& [id, call] : calls_) {
    if (call->source == keys::CallSource::kImport && !call->ended)
      continue;  // its time is not the clock's
    const auto now = elapsed_segments(*call);
    const auto deadline = static_cast<std::uint32_t>(policy_.clear_deadline_ms / 100);
    if (now <= deadline) continue;
    if (call->question_open &&
        clock_.monotonic_ms() - call->question_since_ms < policy_.question_open_ms_max)
      continue;
    std::vector<SegmentRange> ranges;
    auto marks = call->persisted;
    for (std::uint8_t stream = 0; stream < 15; ++stream) {
      if (!call->has_stream(stream)) continue;
      auto due = now - deadline;
      if (call->ended) due = std::min(due, call->ends[stream]);
      const auto from = std::max(call->heard[stream], call->persisted[stream]);
      if (due <= from) continue;
      // Nothing to keep: its keys are still with the recorder, which will hand them back.
      if (call->cover.slice(keys::leaf_of(stream, from), keys::leaf_of(stream, due)).empty())
        continue;
      ranges.push_back({stream, from, due});
      marks[stream] = due;
    }
    if (ranges.empty()) continue;
    if (!stage_entry("cleared_unheard", "keeper", id.hex(), {{"ranges", ranges_json(ranges)}}))
      break;
    late.emplace_back(call.get(), marks);
  }
  // The entry is durable before a mark moves: a log that fails leaves the keys in memory.
  if (auto logged = commit_log(); !logged) {
    log_error_ = logged.error().message;
    return;
  }
  for (auto& [call, marks] : late) call->persist_upto(marks);
}

// Ended, heard to the end, on the disk: its keys need not stay in memory.
void Keeper::forget_finished() {
  std::erase_if(calls_, [this](const auto& item) {
    const auto& call = *item.second;
    if (!call.ended || !call.end_logged || !call.start_logged || !call.listened || call.dirty)
      return false;
    // What was held before it touched a disk lives here only, until a person has decided.
    if (call.closed) return false;
    for (const auto& block : call.blocked)
      if (block.state == BlockState::kOrdered ||
          (block.state == BlockState::kHeld && block.range.end > block.kept_below))
        return false;
    return std::none_of(orders_.begin(), orders_.end(),
                        [&](const Order& order) { return order.call == call.id; });
  });
}

void Keeper::stop() {
  end_round();
  persist_round(true);
  if (policy_.persist_unheard) {
    std::vector<std::pair<CallKeys*, decltype(CallKeys::persisted)>> unheard;
    for (auto& [id, call] : calls_) {
      if (call->listened) continue;
      std::vector<SegmentRange> ranges;
      auto marks = call->persisted;
      for (std::uint8_t stream = 0; stream < 15; ++stream) {
        if (!call->has_stream(stream)) continue;
        const auto end = call->ended ? call->ends[stream]
                                     : std::min(elapsed_segments(*call) + 1, keys::kIndexMax);
        if (end <= marks[stream]) continue;
        ranges.push_back({stream, marks[stream], end});
        marks[stream] = end;
      }
      if (ranges.empty() ||
          !stage_entry("cleared_unheard", "keeper", id.hex(), {{"ranges", ranges_json(ranges)}}))
        continue;
      unheard.emplace_back(call.get(), marks);
    }
    if (commit_log()) {
      for (auto& [call, marks] : unheard) call->persist_upto(marks);
      (void)commit_rows();
    }
  }
  if (!log_->failed()) (void)log_->publish();
}

std::string Keeper::status_json() const {
  boost::json::array mirrors;
  for (const auto& mirror : store_.mirrors())
    mirrors.push_back({{"store", mirror.store_dir},
                       {"good", mirror.good},
                       {"retired", mirror.retired},
                       {"confirmed", mirror.confirmed},
                       {"why", mirror.why},
                       {"epoch", mirror.epoch},
                       {"assurance", mirror.assurance}});
  std::uint64_t live = 0;
  std::uint64_t unheard_calls = 0;
  for (const auto& [id, call] : calls_) {
    live += !call->ended;
    unheard_calls += call->ended && !call->listened;
  }
  return boost::json::serialize(boost::json::object{{"epoch", store_.epoch()},
                                                    {"rows", rows_.size()},
                                                    {"live_calls", live},
                                                    {"calls_to_hear", unheard_calls},
                                                    {"mirrors", std::move(mirrors)},
                                                    {"orders_waiting", orders_.size()},
                                                    {"orders_done", orders_done_},
                                                    {"calls_to_decide", waiting_.size()},
                                                    {"openings", opened_},
                                                    {"retention", retention_json()},
                                                    {"log",
                                                     {{"size", log_->size()},
                                                      {"published", log_->published_size()},
                                                      {"failed", log_->failed()},
                                                      {"why", log_error_}}}});
}

}  // namespace callward::erase
