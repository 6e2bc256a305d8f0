// Beginning again: rows, what the log says beyond them, what was intended, and calls whose keys
// lived on in the recorder.
#include <algorithm>
#include <boost/json.hpp>

#include "audit/rules.hpp"
#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {

Status Keeper::start() {
  if (log_->size() < store_.log_size())
    return fail(Errc::kCorrupt, "the audit log (" + std::to_string(log_->size()) +
                                    " entries) is older than the key store (" +
                                    std::to_string(store_.log_size()) + "): opening is refused");
  TRY(holds_the_newest());
  begin_retention();
  std::vector<CallId> emptied;
  TRY(store_.for_each(
      [&](std::uint64_t row, ByteView content) -> Status {
        auto call = std::make_unique<CallKeys>(TRY(CallKeys::decode_row(row, content)));
        call->begun_ms = begun_ms(call->source, call->started_at);
        for (std::size_t stream = 0; stream < keys::kCallDataStream; ++stream)
          has_lasted(*call, std::max(call->heard[stream], call->persisted[stream]));
        rows_[call->id] = row;
        const bool unfinished =
            std::any_of(call->blocked.begin(), call->blocked.end(),
                        [](const Blocked& block) { return block.state == BlockState::kOrdered; });
        note_held(*call);
        note_age(*call);
        if (call->is_husk()) emptied.push_back(call->id);
        if (!call->ended || !call->listened || unfinished) calls_[call->id] = std::move(call);
        return {};
      },
      0, keys::kCallRowsEnd));
  TRY(log_->replay(store_.log_size(), [this](std::uint64_t, const audit::Entry& entry) {
    return replay_entry(entry);
  }));
  retire_as_logged();
  for (const auto& [id, call] : calls_) {
    note_held(*call);
    note_age(*call);
    note_husk(*call);
  }
  for (const auto& id : emptied) note_husk(*TRY(find(id)));
  if (tenant_ != nullptr) TRY(tenant_->begin());
  TRY(store_.destroy_stale());
  resume_intended();
  TRY(account_lost_ends());
  TRY(stage_entry("keeper_started", "keeper", "-",
                  {{"epoch", store_.epoch()},
                   {"mirrors", store_.mirrors().size()},
                   {"log_size", log_->size()},
                   {"handed_over", false},
                   {"calls", 0},
                   {"rules", audit::kRulesStated}}));
  watch_mirrors();
  end_round();
  if (log_->failed()) return fail(Errc::kIo, "audit log: " + log_error_);
  drop_husks();
  return log_->publish();
}

// A source that repeats a held order is answered as it was.
void Keeper::note_held(const CallKeys& call) {
  note_waiting(call);
  if (call.legal_hold)
    on_hold_.insert(call.id);
  else
    on_hold_.erase(call.id);
  for (const auto& block : call.blocked)
    if (block.state == BlockState::kHeld) known_orders_[block.order] = keys::OrderOutcome::kHeld;
  if (call.closed) known_orders_[call.closed_by] = keys::OrderOutcome::kHeld;
}

// What the log says beyond the rows: ends and orders. Puncturing again is harmless.
Status Keeper::replay_entry(const audit::Entry& entry) {
  if (entry.type == "erased") {
    replay_erased(entry);
    return {};
  }
  if (entry.type == "mirror_retired" || entry.type == "mirror_returned") replay_mirror(entry);
  if (entry.type == "retention_intended" || entry.type == "objects_deleted")
    replay_retention(entry);
  const auto id = CallId::parse(entry.subject);
  if (!id) return {};
  if (entry.type == "call_sealed") sealed_.insert(*id);
  if (entry.type == "call_started") TRY(replay_started(*id, entry));
  if (rows_.find(*id) == rows_.end()) return {};
  auto* call = TRY(find(*id));
  if (entry.type == "call_ended") {
    call->ended = call->end_logged = true;
    for (const auto& end : entry.data.at("ends").as_array()) {
      const auto stream = static_cast<std::uint8_t>(end.at(0).to_number<unsigned>() & 15);
      if (stream == keys::kCallDataStream) continue;
      call->declare(static_cast<std::uint16_t>(1u << stream));
      call->ends[stream] = end.at(2).to_number<std::uint32_t>();
    }
    call->listened = call->listened || call->is_empty();
    call->dirty = true;
  } else if (entry.type == "listened") {
    call->listened = true;
    call->dirty = true;
  } else if (entry.type == "erase_intended" || entry.type == "order_held") {
    replay_ranges(*call, entry);
  } else if (entry.type == "private_on" || entry.type == "private_off") {
    replay_private(*call, entry);
  } else if (entry.type == "hold_set" || entry.type == "hold_lifted") {
    call->legal_hold = entry.type == "hold_set";
    call->dirty = true;
  } else if (entry.type == "held_decided") {
    replay_decision(*call, entry);
    new_rows_ = true;  // so that what is lost is accounted once, and not again with every start
  } else if (entry.type == "keeper_adopted") {
    replay_lost(*call, entry);
  }
  return {};
}

std::vector<SegmentRange> Keeper::parse_ranges(const boost::json::value& json) {
  std::vector<SegmentRange> ranges;
  for (const auto& item : json.as_array()) {
    const SegmentRange range{static_cast<std::uint8_t>(item.at(0).to_number<unsigned>()),
                             item.at(1).to_number<std::uint32_t>(),
                             item.at(2).to_number<std::uint32_t>()};
    if (range.stream > 14 || range.end > 1u << 20 || range.first >= range.end) continue;
    ranges.push_back(range);
  }
  return ranges;
}

namespace {

// How far the stream is known as lost already, from a persisted mark on.
std::uint32_t lost_upto(const CallKeys& call, std::uint8_t stream) {
  std::uint32_t upto = 0;
  for (const auto& range : call.lost)
    if (range.stream == stream && range.first <= std::max(call.persisted[stream], upto))
      upto = std::max(upto, range.end);
  return upto;
}

}  // namespace

void Keeper::replay_ranges(CallKeys& call, const audit::Entry& entry) {
  const auto reason =
      reason_number(std::string_view(entry.data.at("reason").as_string())).value_or(0);
  const auto order =
      OrderId::parse(std::string_view(entry.data.at("order").as_string())).value_or(OrderId{});
  const auto state = entry.type == "order_held" ? BlockState::kHeld : BlockState::kOrdered;
  if (state == BlockState::kHeld && entry.data.at("source").as_string() != "listener") {
    const Proposal proposal{
        order,
        PersonId::parse(std::string_view(entry.data.at("source").as_string())).value_or(PersonId{}),
        reason};
    if (entry.data.if_contains("whole") != nullptr) return call.propose_drop(proposal);
    if (call.proposal_of(order) == nullptr && call.proposals.size() < kProposalsPerCallMax)
      call.proposals.push_back(proposal);
  }
  for (const auto& range : parse_ranges(entry.data.at("ranges"))) {
    // The row may say it already. Each order stands for itself, whatever others ask for the same.
    const auto there =
        std::find_if(call.blocked.begin(), call.blocked.end(), [&](const Blocked& block) {
          return block.range == range && block.order == order &&
                 (block.state == BlockState::kErased || block.state == state);
        });
    if (there != call.blocked.end()) {
      // Intended anew after it was gone (the log had failed in between): it gets its end anew.
      if (state == BlockState::kOrdered) there->state = state;
      continue;
    }
    if (state == BlockState::kHeld) {
      call.hold({range}, reason, order);
      continue;
    }
    if (entry.data.at("source").as_string() == "listener")
      call.listener_segments += call.not_yet_ordered({range});
    call.blocked.push_back({range, reason, state, order, call.persisted[range.stream]});
    call.dirty = true;
  }
}

// These were gone from every mirror when it was written: unless all mirrors, anchors too, were put
// back from a copy of an earlier epoch. Then the keys are there again, and are destroyed again.
void Keeper::replay_erased(const audit::Entry& entry) {
  if (const auto epoch = entry.data.at("epoch").to_number<std::uint64_t>();
      epoch > store_.epoch()) {
    log_event("keeper.store_older_than_log", {{"epoch", store_.epoch()}, {"logged", epoch}});
    return;
  }
  std::set<OrderId> done;
  for (const auto& item : entry.data.at("orders").as_array())
    if (const auto id = item.is_string() ? OrderId::parse(std::string_view(item.as_string()))
                                         : fail(Errc::kMalformed, ""))
      done.insert(*id);
  // Whoever gave one, and was not answered, gives it again: it was done.
  for (const auto& id : done) known_orders_[id] = keys::OrderOutcome::kErased;
  for (auto& [id, call] : calls_) {
    for (auto& block : call->blocked) {
      if (block.state != BlockState::kOrdered || !done.contains(block.order)) continue;
      block.state = BlockState::kErased;
      call->puncture(block.range);
    }
    if (call->dirty) call->settle_held();
  }
}

// A call that had ended, and whose last stretch was in memory alone: nobody has those keys any
// more. (Of a call that runs the recorder hands back what it froze, and adoption says what is
// lost.)
Status Keeper::account_lost_ends() {
  for (auto& [id, call] : calls_) {
    std::vector<SegmentRange> lost;
    for (std::uint8_t stream = 0; call->ended && stream < keys::kCallDataStream; ++stream) {
      if (!call->has_stream(stream)) continue;
      const auto from = std::max(call->persisted[stream], lost_upto(*call, stream));
      if (from >= call->ends[stream]) continue;
      lost.push_back({stream, from, call->ends[stream]});
    }
    call->lost.insert(call->lost.end(), lost.begin(), lost.end());
    // What a person decided to keep, and had its keys in a memory that is gone, is in it already.
    for (const auto& range : lost_at_start_[id]) lost.push_back(range);
    if (lost.empty()) continue;
    TRY(stage_entry("keeper_adopted", "keeper", id.hex(),
                    {{"first", lost.back().end}, {"lost", ranges_json(lost)}}));
    call->skip_lost();
    call->dirty = true;
  }
  lost_at_start_.clear();
  return {};
}

// A call ends whose keys nobody handed back: the recorder had died as well. Said now, before the
// object is sealed; at the next start it would be too late for whoever reads the account meanwhile.
void Keeper::account_missing(CallKeys& call) {
  std::vector<SegmentRange> lost;
  for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream)
    if (call.has_stream(stream))
      for (const auto& gone : call.missing({stream, 0, call.ends[stream]})) lost.push_back(gone);
  if (lost.empty()) return;
  call.lost.insert(call.lost.end(), lost.begin(), lost.end());
  call.skip_lost();
  call.dirty = true;
  (void)stage_entry("keeper_adopted", "keeper", call.id.hex(),
                    {{"first", lost.back().end}, {"lost", ranges_json(lost)}});
}

// Ordered, and not known to be gone: carried out again, under the same number, whoever asks again
// for it.
void Keeper::resume_intended() {
  for (auto& [id, call] : calls_) {
    std::map<OrderId, Order> again;
    for (auto& block : call->blocked) {
      if (block.state != BlockState::kOrdered) continue;
      if (block.order.is_zero()) block.order = OrderId::random(entropy_);
      auto& order = again[block.order];
      order.id = block.order;
      order.call = id;
      order.reason = block.reason;
      const bool retired = call->to_be_dropped() && kReasons[block.reason] == kRetentionReason;
      order.source = retired ? kRetentionSource : "recovery";
      if (retired) retention_.in_hand.insert(id);
      order.ranges.push_back(block.range);
    }
    for (auto& [order_id, order] : again) {
      known_orders_[order_id] = keys::OrderOutcome::kAccepted;
      order.ranges = join(std::move(order.ranges));
      orders_.push_back(std::move(order));
    }
  }
  // The calls of one order of retention stand together again.
  std::stable_sort(orders_.begin(), orders_.end(), [](const Order& a, const Order& b) {
    return (of_retention(a) ? a.id : OrderId{}) < (of_retention(b) ? b.id : OrderId{});
  });
}

// Adoption --------------------------------------------------------------------------------------

void Keeper::adopt(keys::Adopt message, Reply<keys::Adopted> reply) {
  if (message.streams == 0 || (message.streams & 0x8000) != 0)
    return reply(fail(Errc::kMalformed, "no audio stream, or stream 15"));
  if (message.first_index > keys::kIndexMax) return reply(fail(Errc::kMalformed, "no such index"));
  const auto nodes = keys::Cover::from_nodes(std::move(message.nodes));
  if (!nodes) return reply(tl::unexpected<Error>(nodes.error()));
  const bool known = rows_.count(message.call) != 0;
  if (!known && !message.spare) return reply(fail(Errc::kState, "the log knows no such call"));
  if (sealed_.count(message.call) != 0) return reply(fail(Errc::kState, "the call is sealed"));
  if (!known) {
    auto fresh = std::make_unique<CallKeys>();
    fresh->id = message.call;
    fresh->row = store_.allot_row();
    fresh->source = message.source;
    fresh->direction = message.direction;
    fresh->start_logged = false;
    fresh->started_at = believed_start(message.source, message.started_at);
    add_without_root(std::move(fresh));
  }
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  if (call.ended) return reply(fail(Errc::kState, "the call has ended"));
  call.declare(message.streams);
  if (!call.rooted && call.source != keys::CallSource::kImport)
    call.begun_ms = clock_.monotonic_ms() - std::int64_t{message.first_index} * 100;
  keys::Adopted adopted;
  adopted.row = call.row;
  const auto losses = call.lost.size();
  if (auto taken = adopt_nodes(call, *nodes, message.first_index, adopted); !taken)
    return reply(tl::unexpected<Error>(taken.error()));
  call.dirty = true;
  // On a spare root it is sealed here; again, when the answer to the first time was lost.
  if (message.spare)
    if (auto record = seal_call_data(call, message.call_data))
      adopted.call_data_record = std::move(*record);
  if (!call.start_logged) (void)stage_started(call);
  if (message.spare) tell_tenant(call, message.call_data);
  const std::vector<SegmentRange> lost(call.lost.begin() + static_cast<std::ptrdiff_t>(losses),
                                       call.lost.end());
  (void)stage_entry("keeper_adopted", "keeper", call.id.hex(),
                    {{"first", message.first_index}, {"lost", ranges_json(lost)}});
  after_log([this, id = call.id, adopted = std::make_shared<keys::Adopted>(std::move(adopted)),
             reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    if (const auto still = find(id)) (*still)->start_logged = true;
    reply(std::move(*adopted));
  });
}

// Takes in what we do not hold, past the persisted mark. A call that we hold already (the recorder
// lost its socket, not us; or our first answer) loses nothing.
Status Keeper::adopt_nodes(CallKeys& call, const keys::Cover& nodes, std::uint32_t first_index,
                           keys::Adopted& adopted) {
  adopted.lost_from.assign(15, first_index);
  for (std::uint8_t stream = 0; stream < 15; ++stream) {
    if (!call.has_stream(stream)) continue;
    const auto from = std::max(first_index, call.persisted[stream]);
    const auto stream_end = keys::leaf_of(static_cast<std::uint8_t>(stream + 1), 0);
    if (!call.cover.slice(keys::leaf_of(stream, from), stream_end).empty()) {
      // What was lost at the first time is said again.
      for (const auto& range : call.lost)
        if (range.stream == stream && range.end == first_index)
          adopted.lost_from[stream] = range.first;
      continue;
    }
    auto part = nodes.slice(keys::leaf_of(stream, from), stream_end);
    // Every logged order is punctured before the nodes are taken in: an ordered range never opens
    // again.
    for (const auto& block : call.blocked)
      if (block.range.stream == stream)
        part.puncture(keys::leaf_of(stream, block.range.first),
                      keys::leaf_of(stream, block.range.end));
    TRY(call.cover.merge(std::move(part)));
    adopted.lost_from[stream] = std::min(first_index, call.persisted[stream]);
    if (first_index <= call.persisted[stream]) continue;
    call.lost.push_back({stream, call.persisted[stream], first_index});
  }
  call.skip_lost();
  return {};
}

}  // namespace callward::erase
