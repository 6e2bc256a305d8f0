// Listening and erasing: clearance, orders, the batch.
#include <algorithm>
#include <boost/json.hpp>

#include "base/check.hpp"
#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {

namespace {

// A stream that a re-INVITE added: the recorder has its nodes since the call began, the listener
// hears it first.
void know_stream(CallKeys& call, std::uint8_t stream) {
  if (stream < keys::kCallDataStream && !call.ended)
    call.streams = static_cast<std::uint16_t>(call.streams | 1u << stream);
}

}  // namespace

void Keeper::cleared(const keys::Cleared& message) {
  auto found = find(message.call);
  if (!found) return;
  auto& call = **found;
  const auto limit = index_limit(call);
  const auto heard_before = call.heard;
  for (const auto& mark : message.marks) {
    know_stream(call, mark.stream);
    if (!call.has_stream(mark.stream)) continue;
    auto upto = std::min(mark.upto, limit);
    if (call.ended) upto = std::min(upto, call.ends[mark.stream]);
    if (upto <= call.heard[mark.stream]) continue;
    call.heard[mark.stream] = upto;
    call.heard_moved = true;
  }
  close_private(call);
  call.skip_lost();
  if (message.question_open && !call.question_open) {
    call.question_since_ms = clock_.monotonic_ms();
    call.heard_before_question = heard_before;
  }
  call.question_open = message.question_open;
}

Status Keeper::derived_put(const keys::DerivedPut& message) {
  auto& call = *TRY(find(message.call));
  const auto kind = static_cast<keys::RecordKind>(message.kind);
  if (!keys::is_derived(kind) || message.stream >= keys::kCallDataStream || message.streams == 0 ||
      (message.streams & 0x8000) != 0 || message.first >= message.end ||
      message.end > keys::kIndexMax + 1 ||
      message.end - message.first > keys::kDerivedSegmentsMax ||
      message.plaintext.size() > keys::kRecordPayloadBytesMax)
    return fail(Errc::kMalformed, "derived data of an impossible shape");
  const keys::RecordHeader header{.kind = kind,
                                  .stream = message.stream,
                                  .first = message.first,
                                  .last = message.end - 1,
                                  .streams = message.streams};
  auto record =
      cipher_.seal_derived(entropy_, header, call.id, message.plaintext.expose(),
                           [&call](std::uint8_t stream, std::uint32_t index) -> Result<Key32> {
                             if (call.is_blocked(stream, index))
                               return fail(Errc::kErased, "its source was ordered away");
                             return call.cover.leaf(keys::leaf_of(stream, index));
                           });
  if (!record)
    return record.error().code == Errc::kErased ? Status{}
                                                : Status(tl::unexpected<Error>(record.error()));
  outbox_.derived_sealed({call.id, std::move(*record)});
  return {};
}

void Keeper::listen_done(const keys::ListenDone& message) {
  auto found = find(message.call);
  if (!found || (*found)->listened || !(*found)->all_heard()) return;
  auto& call = **found;
  bool live = true;
  for (std::uint8_t stream = 0; stream < 15; ++stream)
    live = live && call.persisted[stream] <= call.heard[stream];
  if (!stage_entry("listened", "listener", call.id.hex(), {{"heard_live", live}})) return;
  call.listened = true;
  call.question_open = false;
  call.persist_upto(call.heard);  // with the same row: one that says "listened" is whole
  call.dirty = true;
  after_log([this, id = call.id](Status logged) {
    const auto still = find(id);
    if (!logged) {  // nobody was told: said again once the log is back
      if (still) (*still)->listened = false;
      unlogged_listens_.push_back(id);
      return;
    }
    if (still) note_age(**still);
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
  if (log_->failed()) return fail(Errc::kUnavailable, "the audit log cannot be written");
  return {};
}

void Keeper::hear_again(const keys::HearAgain& message, std::vector<Bytes> records,
                        Reply<keys::HeardAgain> reply) {
  if (auto may = may_hear_again(message); !may) return reply(tl::unexpected<Error>(may.error()));
  if (auto staged = stage_entry("heard_again", "listener", message.call.hex(),
                                {{"ranges", ranges_json({message.range})}});
      !staged)
    return reply(tl::unexpected<Error>(staged.error()));
  after_log([this, message, records = std::move(records), reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    const auto found = find(message.call);
    if (!found) return reply(tl::unexpected<Error>(found.error()));
    auto& call = **found;
    keys::HeardAgain heard;
    for (const auto& record : records) {
      const auto header = keys::parse_record(record);
      if (!header || header->kind != keys::RecordKind::kAudio ||
          header->stream != message.range.stream || header->first < message.range.first ||
          header->first >= message.range.end || call.is_blocked(header->stream, header->first))
        continue;
      const auto leaf = call.cover.leaf(keys::leaf_of(header->stream, header->first));
      if (!leaf) continue;
      auto plain =
          cipher_.open(record, call.id, keys::record_key(header->kind, header->salt, *leaf));
      if (plain) heard.segments.push_back({header->first, header->codec, std::move(*plain)});
    }
    reply(std::move(heard));
  });
}

// What of the order lies within the call, joined. An order that reaches beyond the end is cut
// there, not refused: its beginning may hold the secret.
Result<std::vector<SegmentRange>> Keeper::ranges_of(const CallKeys& call,
                                                    const keys::EraseOrder& message) const {
  constexpr std::size_t kRangesMax = 1'024;
  if (message.ranges.empty() || message.ranges.size() > kRangesMax)
    return fail(Errc::kMalformed, "no range, or too many");
  const auto limit = index_limit(call);
  std::vector<SegmentRange> ranges;
  for (auto range : message.ranges) {
    if (!call.has_stream(range.stream) || range.first >= range.end)
      return fail(Errc::kMalformed, "not a range of this call");
    range.end = std::min(range.end, call.ended ? call.ends[range.stream] : limit);
    if (range.first >= range.end) return fail(Errc::kMalformed, "range lies beyond the call");
    ranges.push_back(range);
  }
  return join(std::move(ranges));
}

// With very many holes in a call the smallest pieces between them go, too: each hole costs nodes of
// the row, and a row has its limit; a secret must not stay because of it.
std::vector<SegmentRange> Keeper::joined_with_neighbours(const CallKeys& call,
                                                         std::vector<SegmentRange> ranges) {
  auto closed = ranges;
  for (const auto& block : call.blocked)
    if (block.state != BlockState::kHeld) closed.push_back(block.range);
  closed = join(std::move(closed));
  if (closed.size() <= kRangesPerCallMax) return ranges;
  std::vector<SegmentRange> gaps;
  for (std::size_t i = 1; i < closed.size(); ++i)
    if (closed[i].stream == closed[i - 1].stream)
      gaps.push_back({closed[i].stream, closed[i - 1].end, closed[i].first});
  std::sort(gaps.begin(), gaps.end(), [](const SegmentRange& a, const SegmentRange& b) {
    return a.end - a.first < b.end - b.first;
  });
  gaps.resize(std::min(gaps.size(), closed.size() - kRangesPerCallMax));
  ranges.insert(ranges.end(), gaps.begin(), gaps.end());
  return join(std::move(ranges));
}

// The listener, and a person alone, may erase a share of a call; beyond it a person decides, of a
// person's order another one, and meanwhile it is closed. What persons ordered is all that is
// ordered and not the listener's: what they confirmed of the listener's orders, too. Nor may the
// two together be the end of a call, whoever comes last.
bool Keeper::within_bounds(const CallKeys& call, const std::vector<SegmentRange>& ranges,
                           bool from_listener) const {
  constexpr std::uint64_t kFreeSegments =
      300;  // 30 s over all streams: short calls may be mostly secret
  std::vector<SegmentRange> ordered;
  for (const auto& block : call.blocked)
    if (block.state != BlockState::kHeld) ordered.push_back(block.range);
  for (const auto& [order, decided] : deciding_)
    if (decided.first == call.id)
      ordered.insert(ordered.end(), decided.second.begin(), decided.second.end());
  const auto before = segments_in(join(std::move(ordered)));
  const auto of_persons = before - std::min(before, call.listener_segments);
  const auto asked = call.not_yet_ordered(ranges);
  const auto together =
      std::max({kTogetherPercent, policy_.listener_share_percent, policy_.person_share_percent});
  if (!from_listener)
    return within_share(call, of_persons + asked, policy_.person_share_percent, 0) &&
           within_share(call, before + asked, together, 0);
  return within_share(call, call.listener_segments + asked, policy_.listener_share_percent,
                      kFreeSegments) &&
         (of_persons == 0 || within_share(call, before + asked, together, kFreeSegments));
}

// `free`: segments that are within it however short the call is.
bool Keeper::within_share(const CallKeys& call, std::uint64_t asked, std::int64_t percent,
                          std::uint64_t free) const {
  std::uint64_t whole = 0;
  for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream)
    whole += length_of(call, stream);
  return asked <= std::max(free, whole * static_cast<std::uint64_t>(percent) / 100);
}

// In segments, so far, as the bounds count it.
std::uint64_t Keeper::length_of(const CallKeys& call, std::uint8_t stream) const {
  if ((call.declared >> stream & 1) == 0) return 0;
  if (call.ended) return call.ends[stream];
  const auto marked = std::max(call.heard[stream], call.persisted[stream]);
  if (call.source == keys::CallSource::kImport) return marked;
  // Of a call that another keeper began a wall clock may say how old it is, and a listener what it
  // has heard: the lesser counts.
  return call.rooted ? elapsed_segments(call) : std::min(marked, elapsed_segments(call));
}

// By the ranges that are closed or gone for this reason, and no other: rows keep them, so that a
// keeper that starts anew knows what was taken.
bool Keeper::within_typed(const CallKeys& call, const std::vector<SegmentRange>& ranges) const {
  auto typed = ranges;
  std::vector<SegmentRange> others;
  for (const auto& block : call.blocked)
    if (block.state != BlockState::kHeld)
      (kReasons[block.reason] == kTypedReason ? typed : others).push_back(block.range);
  std::array<std::uint64_t, keys::kStreamsMax> taken{};
  for (const auto& range : keys::without(join(std::move(typed)), join(std::move(others))))
    taken[range.stream] += range.end - range.first;
  for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream)
    if (taken[stream] >
        std::max(kTypedFreeSegments, length_of(call, stream) * kTypedSharePercent / 100))
      return false;
  return true;
}

// True when the order is known already; then it is answered as it was, or together with the first
// time.
bool Keeper::answer_repeat(const OrderId& id, const Reply<keys::OrderAccepted>& reply) {
  const auto known = known_orders_.find(id);
  if (known == known_orders_.end()) return false;
  for (auto& order : orders_) {
    if (order.id != id || order.logged) continue;
    constexpr std::size_t kRepliesMax = 8;
    if (order.replies.size() >= kRepliesMax) order.replies.erase(order.replies.begin());
    order.replies.push_back(reply);
    return true;
  }
  after_log([id, outcome = known->second, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::OrderAccepted{id, outcome});
  });
  return true;
}

void Keeper::erase_order(const keys::EraseOrder& message, bool from_listener,
                         Reply<keys::OrderAccepted> reply) {
  if (answer_repeat(message.order, reply)) return;
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  if (!from_listener)
    if (auto may = may_order(call, message.actor); !may)
      return reply(tl::unexpected<Error>(may.error()));
  if (from_listener && call.listened)
    return reply(fail(Errc::kDenied, "the listener is done with this call"));
  if (message.reason == kRetentionReason)
    return reply(fail(Errc::kDenied, "retention is the keeper's own reason"));
  const auto reason = reason_number(message.reason);
  if (!reason) return reply(fail(Errc::kMalformed, "unknown reason code"));
  if (message.reason == kPrivateReason)  // its bounds count what stands under it
    return reply(fail(Errc::kDenied, "private is what an agent is, not a range that is ordered"));
  const bool typed = message.reason == kTypedReason;
  // A request is judged by it, and who rang may be who typed. Impossible, not denied: a listener
  // asks again for what it is denied, and hears nothing to its end meanwhile.
  if (typed && call.is_call_back())
    return reply(fail(Errc::kMalformed, "nothing that is typed is looked for in a call-back"));
  if (from_listener)
    for (const auto& range : message.ranges) know_stream(call, range.stream);
  auto within = ranges_of(call, message);
  if (!within) return reply(tl::unexpected<Error>(within.error()));
  if (orders_.size() >= kOrdersWaitingMax) return reply(fail(Errc::kFull, "too many orders wait"));
  if (call.open_blocks() + within->size() > kOpenBlocksPerCallMax)
    return reply(fail(Errc::kFull, "too many orders wait for this call"));
  if (known_orders_.size() >= kKnownOrdersMax) known_orders_.clear();
  const std::string source = from_listener ? "listener" : message.actor;
  const auto ranges = joined_with_neighbours(call, *within);  // all of it counts
  if (!within_bounds(call, ranges, from_listener) || (typed && !within_typed(call, ranges))) {
    if (!from_listener && call.legal_hold)
      return refuse_held(call, message.order, source, std::move(reply));
    return hold_order(call, message, *within, source, std::move(reply));
  }
  if (from_listener) call.listener_segments += call.not_yet_ordered(ranges);
  for (const auto& range : ranges)
    call.blocked.push_back({range, *reason, BlockState::kOrdered, message.order});
  call.dirty = true;
  known_orders_[message.order] = keys::OrderOutcome::kAccepted;
  Order order{message.order, call.id, ranges, *reason, source, false, {}};
  order.replies.push_back(std::move(reply));
  orders_.push_back(std::move(order));
}

void Keeper::hold_order(CallKeys& call, const keys::EraseOrder& message,
                        const std::vector<SegmentRange>& ranges, const std::string& source,
                        Reply<keys::OrderAccepted> reply) {
  if (deciding_whole_.contains(call.id))
    return reply(fail(Errc::kBusy, "a person is just deciding about this call; ask again"));
  if (source != "listener") {
    // One place is left for who wants a call gone that is closed meanwhile (propose_decision).
    if (call.closed || call.proposals.size() + 1 >= kProposalsPerCallMax)
      return reply(
          fail(Errc::kState, "so much of this call waits for a person: decide that first"));
    return propose(call, {message.order, *reason_number(message.reason), source, ranges, false},
                   answer_proposed(message.order, call.id, ranges, message.reason, reply));
  }
  call.hold(ranges, *reason_number(message.reason), message.order);
  note_waiting(call);
  auto staged = stage_entry("order_held", "keeper", call.id.hex(),
                            {{"order", message.order.hex()},
                             {"reason", message.reason},
                             {"source", source},
                             {"ranges", ranges_json(ranges)}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  answer_held(message.order, call.id, ranges, message.reason, std::move(reply));
}

// Closed and logged as held: said to who ordered it, and told to all.
void Keeper::answer_held(const OrderId& order, const CallId& call,
                         const std::vector<SegmentRange>& ranges, const std::string& reason,
                         Reply<keys::OrderAccepted> reply) {
  known_orders_[order] = keys::OrderOutcome::kHeld;
  after_log([this, order, call, ranges, reason, reply = std::move(reply)](Status logged) {
    if (!logged) {
      known_orders_.erase(order);  // it stays closed; who ordered it asks again
      return reply(tl::unexpected<Error>(logged.error()));
    }
    reply(keys::OrderAccepted{order, keys::OrderOutcome::kHeld});
    outbox_.order_state({order, call, keys::OrderOutcome::kHeld, ranges, reason});
  });
}

void Keeper::answer(Order& order, const Status& logged) {
  auto replies = std::move(order.replies);
  order.replies.clear();
  for (auto& reply : replies) {
    if (logged)
      reply(keys::OrderAccepted{order.id, keys::OrderOutcome::kAccepted});
    else
      reply(fail(Errc::kUnavailable,
                 "closed to everybody, but not logged; ask again: " + logged.error().message));
  }
}

void Keeper::answer_unlogged(const Status& logged) {
  if (logged) return;
  for (auto& order : orders_) answer(order, logged);
}

// One batch of the orders that wait. Everything it does not finish stays in the queue and is tried
// again.
void Keeper::run_orders() {
  if (!orders_due()) return;
  auto count = static_cast<std::ptrdiff_t>(std::min(orders_.size(), kOrdersPerBatchMax));
  // An order of retention is of many calls, and one `erased` ends it for all of them.
  while (static_cast<std::size_t>(count) < orders_.size() &&
         orders_[static_cast<std::size_t>(count)].id ==
             orders_[static_cast<std::size_t>(count) - 1].id)
    ++count;
  std::vector<Order> batch(std::make_move_iterator(orders_.begin()),
                           std::make_move_iterator(orders_.begin() + count));
  orders_.erase(orders_.begin(), orders_.begin() + count);
  auto done = log_intended(batch);
  for (auto& order : batch) answer(order, order.logged ? Status() : done);
  if (done) done = destroy(batch);
  if (!done) {
    log_event("keeper.erase_not_done", {{"orders", batch.size()}, {"why", done.error().message}});
    for (auto& order : batch) orders_.push_back(std::move(order));
    retry_orders_ms_ = clock_.monotonic_ms() + kRetryOrdersMs;
    return;
  }
  auto waiting = std::make_shared<Batch>();
  waiting->orders = std::move(batch);
  if (tenant_ != nullptr) waiting->of_tenant = tenant_->destroyed();
  waiting->epoch = store_.epoch();
  waiting->deadline_ms = clock_.monotonic_ms() + policy_.wipe_wait_ms_max;
  batches_.push_back(waiting);
  ask_wipes(waiting);
}

Status Keeper::log_intended(std::vector<Order>& batch) {
  std::vector<Order*> staged;
  auto outcome = stage_retentions(batch, staged);
  if (outcome && tenant_ != nullptr) outcome = tenant_->intend();
  for (auto& order : batch) {
    if (!outcome) break;
    if (order.logged || of_retention(order)) continue;
    outcome = stage_entry("erase_intended", order.source, order.call.hex(),
                          {{"order", order.id.hex()},
                           {"reason", kReasons[order.reason]},
                           {"source", order.source},
                           {"ranges", ranges_json(order.ranges)},
                           {"epoch", store_.epoch()}});
    if (!outcome) break;
    staged.push_back(&order);
  }
  TRY(commit_log());
  for (auto* order : staged) order->logged = true;
  return outcome;
}

Status Keeper::destroy(const std::vector<Order>& batch) {
  bool on_disk = false;
  for (const auto& order : batch) {
    if (rows_.count(order.call) == 0) continue;  // it went whole meanwhile
    auto& call = *TRY(find(order.call));
    for (const auto& range : order.ranges) {
      on_disk = on_disk || call.may_be_on_disk(range);
      call.puncture(range);
    }
    if (!call.to_be_dropped()) continue;
    // The call's own data with it: numbers, names, reasons.
    call.cover.puncture(keys::leaf_of(keys::kCallDataStream, 0), 1u << keys::kTreeLevels);
    call.dirty = on_disk = true;
  }
  if (tenant_ != nullptr && tenant_->erasure_due()) {
    TRY(tenant_->puncture());
    on_disk = true;
  }
  if (!on_disk) return {};  // their keys never touched a disk: gone with the memory that held them
  // A row that cannot be written, of whatever call, must not keep the others' secrets alive.
  if (auto staged = stage_dirty_rows(); !staged) {
    if (tenant_ != nullptr && tenant_->erasure_due()) return staged;
    for (const auto& order : batch)
      if (rows_.count(order.call) != 0 && TRY(find(order.call))->dirty) return staged;
  }
  const auto steps = [this]() -> Status {
    TRY(store_.write_pages(log_->size()));
    TRY(store_.put_epoch());
    TRY(store_.switch_superblock());
    TRY(store_.reread());
    return store_.destroy_old();
  }();
  if (!steps) store_.forget_attempt();
  if (steps && tenant_ != nullptr) tenant_->rows_written();
  watch_mirrors();
  return steps;
}

void Keeper::ask_wipes(const std::shared_ptr<Batch>& batch) {
  std::unordered_map<CallId, std::vector<SegmentRange>> by_call;
  for (const auto& order : batch->orders)
    for (const auto& range : order.ranges) by_call[order.call].push_back(range);
  batch->waiting = static_cast<std::uint32_t>(by_call.size());
  if (batch->waiting == 0) return finish_batch(batch);  // of the tenant's alone
  for (auto& [call, ranges] : by_call) {
    outbox_.wipe({call, join(ranges)}, [this, batch] {
      if (batch->waiting == 0) return;
      --batch->waiting;
      if (batch->waiting == 0) finish_batch(batch);
    });
  }
}

void Keeper::finish_batch(const std::shared_ptr<Batch>& batch) {
  const auto known = std::find(batches_.begin(), batches_.end(), batch);
  if (known == batches_.end()) return;
  batches_.erase(known);
  const auto unconfirmed = store_.unconfirmed();
  auto staged = end_erased(*batch, unconfirmed);
  after_log([this, batch, unconfirmed, staged](Status logged) {
    // Gone, and not logged: done again from its beginning when the log is back, or at the next
    // start.
    if (!staged || !logged) {
      for (auto& order : batch->orders) {
        order.logged = false;
        orders_.push_back(std::move(order));
      }
      if (tenant_ != nullptr) tenant_->erase_again(batch->of_tenant);
      return;
    }
    for (auto& order : batch->orders) settle_order(order, unconfirmed);
    if (tenant_ != nullptr && !batch->of_tenant.empty())
      tenant_->erased(batch->of_tenant, unconfirmed == 0);
    drop_husks();
  });
}

Status Keeper::end_erased(const Batch& batch, std::uint32_t unconfirmed) {
  auto named = batch.of_tenant;
  for (const auto& order : batch.orders)  // each once: one of retention is of many calls
    if (named.empty() || named.back() != order.id) named.push_back(order.id);
  // An entry has its limit: many orders are several entries.
  for (std::size_t at = 0; at < named.size(); at += kOrdersPerEntryMax) {
    boost::json::array ids;
    for (auto i = at; i < std::min(named.size(), at + kOrdersPerEntryMax); ++i)
      ids.push_back(boost::json::string(named[i].hex()));
    boost::json::object data{{"orders", std::move(ids)}, {"epoch", batch.epoch}};
    if (unconfirmed != 0) data["unconfirmed_mirrors"] = unconfirmed;
    if (auto retired = retired_unconfirmed(); unconfirmed == 0 && !retired.empty())
      data["retired"] = std::move(retired);
    TRY(stage_entry(unconfirmed == 0 ? "erased" : "erase_unconfirmed", "keeper", "-",
                    std::move(data)));
  }
  return {};
}

void Keeper::settle_order(Order& order, std::uint32_t unconfirmed) {
  using keys::OrderOutcome;
  ++orders_done_;
  if (of_retention(order)) {
    ++retention_.erased;
    retention_.taken.erase(order.id);
  }
  const auto outcome = unconfirmed == 0 ? OrderOutcome::kErased : OrderOutcome::kUnconfirmed;
  known_orders_[order.id] = outcome;
  outbox_.order_state(
      {order.id, order.call, outcome, order.ranges, std::string(kReasons[order.reason])});
  if (unconfirmed == 0) return mark_erased(order);
  if (unconfirmed_.size() < kUnconfirmedMax) unconfirmed_.push_back(std::move(order));
}

void Keeper::mark_erased(const Order& order) {
  const auto found = find(order.call);
  if (!found) return;
  for (auto& block : (*found)->blocked)
    if (block.order == order.id && block.state == BlockState::kOrdered)
      block.state = BlockState::kErased;
  (*found)->settle_held();
  (*found)->dirty = true;
  note_waiting(**found);
  note_husk(**found);
}

}  // namespace callward::erase
