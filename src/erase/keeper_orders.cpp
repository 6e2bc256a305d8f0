// Listening and erasing: clearance, orders, the batch.
#include <algorithm>
#include <boost/json.hpp>

#include "base/check.hpp"
#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {

void Keeper::cleared(const keys::Cleared& message) {
  auto found = find(message.call);
  if (!found) return;
  auto& call = **found;
  const auto limit = call.source == keys::CallSource::kImport ? keys::kIndexMax : elapsed_segments(call) + kAheadSegmentsMax;
  for (const auto& mark : message.marks) {
    if (!call.has_stream(mark.stream)) continue;
    auto upto = std::min(mark.upto, limit);
    if (call.ended) upto = std::min(upto, call.ends[mark.stream]);
    if (upto <= call.heard[mark.stream]) continue;
    call.heard[mark.stream] = upto;
    call.dirty = true;
  }
  if (message.question_open && !call.question_open) call.question_since_ms = clock_.monotonic_ms();
  call.question_open = message.question_open;
}

Status Keeper::derived_put(const keys::DerivedPut& message) {
  auto& call = *TRY(find(message.call));
  const auto kind = static_cast<keys::RecordKind>(message.kind);
  if (!keys::is_derived(kind) || message.streams == 0 || message.first >= message.end ||
      message.end - message.first > keys::kDerivedSegmentsMax || message.plaintext.size() > keys::kRecordPayloadBytesMax)
    return fail(Errc::kMalformed, "derived data of an impossible shape");
  const keys::RecordHeader header{.kind = kind, .stream = message.stream, .first = message.first, .last = message.end - 1, .streams = message.streams};
  auto record = cipher_.seal_derived(entropy_, header, call.id, message.plaintext.expose(),
                                     [&call](std::uint8_t stream, std::uint32_t index) -> Result<Key32> {
                                       if (call.is_blocked(stream, index)) return fail(Errc::kErased, "its source was ordered away");
                                       return call.cover.leaf(keys::leaf_of(stream, index));
                                     });
  if (!record) return record.error().code == Errc::kErased ? Status{} : Status(tl::unexpected<Error>(record.error()));
  outbox_.derived_sealed({call.id, std::move(*record)});
  return {};
}

void Keeper::listen_done(const keys::ListenDone& message) {
  auto found = find(message.call);
  if (!found || (*found)->listened || !(*found)->all_heard()) return;
  auto& call = **found;
  bool live = true;
  for (std::uint8_t stream = 0; stream < 15; ++stream) live = live && call.persisted[stream] <= call.heard[stream];
  if (!stage_entry("listened", "listener", call.id.hex(), {{"heard_live", live}})) return;
  call.listened = true;
  call.question_open = false;
  call.dirty = true;
  after_log([this, id = call.id](Status logged) {
    if (!logged) return;
    outbox_.listening_done({id});
    persist_round(false);
  });
}

keys::UnheardList Keeper::unheard() const {
  keys::UnheardList list;
  for (const auto& [id, call] : calls_) {
    if (call->listened) continue;
    keys::UnheardCall item{.call = id, .ended = call->ended};
    for (std::uint8_t stream = 0; stream < 15; ++stream) {
      if (!call->has_stream(stream)) continue;
      item.heard.push_back({stream, call->heard[stream]});
      item.ends.push_back({stream, call->ended ? call->ends[stream] : elapsed_segments(*call)});
    }
    list.calls.push_back(std::move(item));
  }
  return list;
}

Status Keeper::may_hear_again(const keys::HearAgain& message) {
  auto& call = *TRY(find(message.call));
  if (!call.has_stream(message.range.stream) || message.range.first >= message.range.end ||
      message.range.end - message.range.first > kHearAgainSegmentsMax)
    return fail(Errc::kMalformed, "not a range that may be heard again");
  if (call.listened) return fail(Errc::kDenied, "the call has been heard");
  if (log_.failed()) return fail(Errc::kUnavailable, "the audit log cannot be written");
  return {};
}

void Keeper::hear_again(const keys::HearAgain& message, std::vector<Bytes> records, Reply<keys::HeardAgain> reply) {
  if (auto may = may_hear_again(message); !may) return reply(tl::unexpected<Error>(may.error()));
  if (auto staged = stage_entry("heard_again", "listener", message.call.hex(), {{"ranges", ranges_json({message.range})}}); !staged)
    return reply(tl::unexpected<Error>(staged.error()));
  after_log([this, message, records = std::move(records), reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    const auto found = find(message.call);
    if (!found) return reply(tl::unexpected<Error>(found.error()));
    auto& call = **found;
    keys::HeardAgain heard;
    for (const auto& record : records) {
      const auto header = keys::parse_record(record);
      if (!header || header->kind != keys::RecordKind::kAudio || header->stream != message.range.stream ||
          header->first < message.range.first || header->first >= message.range.end || call.is_blocked(header->stream, header->first))
        continue;
      const auto leaf = call.cover.leaf(keys::leaf_of(header->stream, header->first));
      if (!leaf) continue;
      auto plain = cipher_.open(record, call.id, keys::record_key(header->kind, header->salt, *leaf));
      if (plain) heard.segments.push_back({header->first, header->codec, std::move(*plain)});
    }
    reply(std::move(heard));
  });
}

Status Keeper::check_order(const CallKeys& call, const keys::EraseOrder& message) const {
  constexpr std::size_t kRangesMax = 1'024;
  if (!reason_number(message.reason)) return fail(Errc::kMalformed, "unknown reason code");
  if (message.ranges.empty() || message.ranges.size() > kRangesMax) return fail(Errc::kMalformed, "no range, or too many");
  const auto limit = call.source == keys::CallSource::kImport ? keys::kIndexMax + 1 : elapsed_segments(call) + kAheadSegmentsMax;
  for (const auto& range : message.ranges) {
    if (!call.has_stream(range.stream) || range.first >= range.end) return fail(Errc::kMalformed, "not a range of this call");
    if (range.end > (call.ended ? std::max(call.ends[range.stream], 1u) : limit)) return fail(Errc::kMalformed, "range lies beyond the call");
  }
  return {};
}

// The listener may erase a share of a call by itself; beyond it a person decides, and meanwhile it is closed.
bool Keeper::within_bounds(const CallKeys& call, const std::vector<SegmentRange>& ranges) const {
  constexpr std::uint64_t kFreeSegments = 300;  // 30 s over all streams: short calls may be mostly secret
  std::uint64_t asked = call.listener_segments;
  for (const auto& range : ranges) asked += range.end - range.first;
  std::uint64_t whole = 0;
  for (std::uint8_t stream = 0; stream < 15; ++stream) {
    if (!call.has_stream(stream)) continue;
    if (call.ended) whole += call.ends[stream];
    else if (call.source == keys::CallSource::kImport) whole += call.heard[stream];
    else whole += elapsed_segments(call);
  }
  return asked <= std::max<std::uint64_t>(kFreeSegments, whole * static_cast<std::uint64_t>(policy_.listener_share_percent) / 100);
}

void Keeper::erase_order(const keys::EraseOrder& message, bool from_listener, Reply<keys::OrderAccepted> reply) {
  if (const auto known = known_orders_.find(message.order); known != known_orders_.end())
    return reply(keys::OrderAccepted{message.order, known->second});
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  if (auto good = check_order(call, message); !good) return reply(tl::unexpected<Error>(good.error()));
  if (orders_.size() >= kOrdersWaitingMax) return reply(fail(Errc::kFull, "too many orders wait"));
  const auto ranges = join(message.ranges);
  const auto reason = *reason_number(message.reason);
  const bool held = from_listener && !within_bounds(call, ranges);
  const std::string source = from_listener ? "listener" : message.actor;
  for (const auto& range : ranges) {
    call.blocked.push_back({range, reason, held ? BlockState::kHeld : BlockState::kOrdered, message.order});
    if (from_listener) call.listener_segments += range.end - range.first;
  }
  call.dirty = true;
  const auto outcome = held ? keys::OrderOutcome::kHeld : keys::OrderOutcome::kAccepted;
  if (known_orders_.size() >= kKnownOrdersMax) known_orders_.clear();
  known_orders_[message.order] = outcome;
  if (held) {
    (void)stage_entry("order_held", "keeper", call.id.hex(),
                      {{"order", message.order.hex()}, {"reason", message.reason}, {"source", source}, {"ranges", ranges_json(ranges)}});
    outbox_.order_state({message.order, call.id, outcome, ranges, message.reason});
  } else {
    orders_.push_back({message.order, call.id, ranges, reason, source, false});
  }
  reply(keys::OrderAccepted{message.order, outcome});
}

// One batch of all orders that wait. Everything it does not finish stays in the queue and is tried again.
void Keeper::run_orders() {
  if (orders_.empty()) return;
  std::vector<Order> batch(std::make_move_iterator(orders_.begin()), std::make_move_iterator(orders_.end()));
  orders_.clear();
  auto done = log_intended(batch);
  if (done) done = destroy(batch);
  if (!done) {
    log_event("keeper.erase_not_done", {{"orders", batch.size()}, {"why", done.error().message}});
    for (auto& order : batch) orders_.push_back(std::move(order));
    return;
  }
  auto waiting = std::make_shared<Batch>();
  waiting->orders = std::move(batch);
  waiting->epoch = store_.epoch();
  waiting->deadline_ms = clock_.monotonic_ms() + policy_.wipe_wait_ms_max;
  batches_.push_back(waiting);
  ask_wipes(waiting);
}

Status Keeper::log_intended(std::vector<Order>& batch) {
  for (auto& order : batch) {
    if (order.logged) continue;
    TRY(stage_entry("erase_intended", order.source, order.call.hex(),
                    {{"order", order.id.hex()}, {"reason", kReasons[order.reason]}, {"source", order.source},
                     {"ranges", ranges_json(order.ranges)}, {"epoch", store_.epoch()}}));
    order.logged = true;
  }
  auto logged = log_.commit();
  if (!logged)
    for (auto& order : batch) order.logged = false;
  return logged;
}

Status Keeper::destroy(const std::vector<Order>& batch) {
  bool on_disk = false;
  for (const auto& order : batch) {
    auto& call = *TRY(find(order.call));
    for (const auto& range : order.ranges) {
      on_disk = on_disk || call.was_persisted(range);
      call.puncture(range);
    }
  }
  if (!on_disk) return {};  // their keys never touched a disk: gone with the memory that held them
  stage_dirty_rows();
  const auto steps = [this]() -> Status {
    TRY(store_.write_pages(log_.size()));
    TRY(store_.put_epoch());
    TRY(store_.switch_superblock());
    TRY(store_.reread());
    return store_.destroy_old();
  }();
  if (!steps) store_.forget_attempt();
  return steps;
}

void Keeper::ask_wipes(const std::shared_ptr<Batch>& batch) {
  std::unordered_map<CallId, std::vector<SegmentRange>> by_call;
  for (const auto& order : batch->orders)
    for (const auto& range : order.ranges) by_call[order.call].push_back(range);
  batch->waiting = static_cast<std::uint32_t>(by_call.size());
  for (auto& [call, ranges] : by_call) {
    outbox_.wipe({call, join(ranges)}, [this, batch] {
      if (batch->waiting > 0 && --batch->waiting == 0) finish_batch(batch);
    });
  }
}

void Keeper::finish_batch(const std::shared_ptr<Batch>& batch) {
  const auto known = std::find(batches_.begin(), batches_.end(), batch);
  if (known == batches_.end()) return;
  batches_.erase(known);
  boost::json::array ids;
  for (const auto& order : batch->orders) ids.push_back(boost::json::string(order.id.hex()));
  const auto unconfirmed = store_.unconfirmed();
  if (!stage_entry("erased", "keeper", "-", {{"orders", std::move(ids)}, {"epoch", batch->epoch}, {"unconfirmed_mirrors", unconfirmed}}))
    return;  // the log failed: they stay "intended" in it, and the next start gives them again
  after_log([this, batch, unconfirmed](Status logged) {
    if (!logged) return;
    for (const auto& order : batch->orders) {
      if (unconfirmed == 0) mark_erased(order);
      ++orders_done_;
      const auto outcome = unconfirmed == 0 ? keys::OrderOutcome::kErased : keys::OrderOutcome::kUnconfirmed;
      known_orders_[order.id] = outcome;
      outbox_.order_state({order.id, order.call, outcome, order.ranges, std::string(kReasons[order.reason])});
    }
  });
}

void Keeper::mark_erased(const Order& order) {
  const auto found = find(order.call);
  if (!found) return;
  for (auto& block : (*found)->blocked)
    if (block.order == order.id && block.state == BlockState::kOrdered) block.state = BlockState::kErased;
  (*found)->dirty = true;
}

}  // namespace callward::erase
