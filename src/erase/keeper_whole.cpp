// Whole calls, and legal holds.
//
//   erase_call ──▶ order_held (whole) ── another person: decide_held ──▶ erase_intended ──▶ erased
//                  closed, nothing gone       (keeper_held.cpp)      every key, stream 15 too
//                                                                                  │
//                                                              its row, without a key, is dropped
//
// The row stays until `erased` is in the log: a keeper that dies in between finds in it what is to
// be done again.
#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {

// Bounds are by who asks: a server that calls itself one of our processes is no person.
bool Keeper::may_act(std::string_view actor) {
  static constexpr std::array<std::string_view, 8> kOurs = {
      "listener", "keeper",     "recorder", "signal",
      "server",   "supervisor", "recovery", kRetentionSource};
  const auto person = PersonId::parse(actor);
  return (!person || !person->is_zero()) && std::ranges::find(kOurs, actor) == kOurs.end();
}

// What somebody has still to judge is not theirs to take away: the tenant says of which calls.
Status Keeper::may_order(const CallKeys& call, const std::string& actor) const {
  if (!may_act(actor)) return fail(Errc::kDenied, "a person orders, or the operator");
  if (tenant_ == nullptr) return {};
  return tenant_->may_erase({call.id, call.source, call.call_back}, actor);
}

// Logged, then said.
void Keeper::refuse_held(const CallKeys& call, const OrderId& order, const std::string& actor,
                         Refusal refusal) {
  auto staged = stage_entry("hold_refused", actor, call.id.hex(), {{"order", order.hex()}});
  if (!staged) return refusal(tl::unexpected<Error>(staged.error()));
  after_log([refusal = std::move(refusal)](Status) {
    refusal(fail(Errc::kState, "the call is under a legal hold"));
  });
}

// What one person orders, and another one must confirm, takes effect with its entry and not before:
// what is not in the log nobody confirms. One at a time of a call. `done`: kHeld, or why not.
void Keeper::propose(const CallKeys& call, const Proposed& proposed,
                     std::function<void(Status)> done) {
  if (proposing_.contains(call.id) || deciding_whole_.contains(call.id))
    return done(fail(Errc::kBusy, "a person is just deciding about this call; ask again"));
  boost::json::object data{{"order", proposed.order.hex()},
                           {"reason", kReasons[proposed.reason]},
                           {"source", proposed.actor},
                           {"ranges", ranges_json(proposed.ranges)}};
  if (proposed.whole) data["whole"] = true;
  auto staged = stage_entry("order_held", "keeper", call.id.hex(), std::move(data));
  if (!staged) return done(staged);
  proposing_.insert(call.id);
  if (proposed.whole) deciding_whole_.insert(call.id);
  with_log([this, id = call.id, proposed](const Status& logged) {
    proposing_.erase(id);
    if (proposed.whole) deciding_whole_.erase(id);
    const auto still = find(id);
    if (!logged || !still) return;
    auto& held = **still;
    const Proposal proposal{proposed.order, PersonId::parse(proposed.actor).value_or(PersonId{}),
                            proposed.reason};
    if (proposed.whole) {
      held.propose_drop(proposal);
    } else {
      if (held.proposal_of(proposed.order) == nullptr) held.proposals.push_back(proposal);
      held.hold(proposed.ranges, proposed.reason, proposed.order);
    }
    held.dirty = true;
    known_orders_[proposed.order] = keys::OrderOutcome::kHeld;
    note_waiting(held);
  });
  after_log(std::move(done));
}

std::function<void(Status)> Keeper::answer_proposed(const OrderId& order, const CallId& call,
                                                    const std::vector<SegmentRange>& ranges,
                                                    const std::string& reason,
                                                    Reply<keys::OrderAccepted> reply) {
  return [this, order, call, ranges, reason, reply = std::move(reply)](Status held) {
    if (!held) return reply(tl::unexpected<Error>(held.error()));
    reply(keys::OrderAccepted{order, keys::OrderOutcome::kHeld});
    outbox_.order_state({order, call, keys::OrderOutcome::kHeld, ranges, reason});
  };
}

// What a person alone may not decide: the first one's word is an order, held as any, under the
// number that stands for what is held already.
void Keeper::propose_decision(const CallKeys& call, const OrderId& order, const std::string& actor,
                              Reply<keys::HeldDecided> reply) {
  if (call.proposals.size() >= kProposalsPerCallMax)
    return reply(fail(Errc::kState, "too much of this call waits for a person: keep it"));
  const auto held = call.held_under(order);
  propose(call, {order, held.reason, actor, held.ranges, false}, [order, reply](Status done) {
    if (!done) return reply(tl::unexpected<Error>(done.error()));
    reply(keys::HeldDecided{order, keys::OrderOutcome::kHeld});
  });
}

void Keeper::erase_call(const keys::EraseCall& message, Reply<keys::OrderAccepted> reply) {
  if (answer_repeat(message.order, reply)) return;
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  const auto reason = reason_number(message.reason);
  if (!reason) return reply(fail(Errc::kMalformed, "unknown reason code"));
  if (message.reason == kPrivateReason)
    return reply(fail(Errc::kDenied, "private is what an agent is, not a call that is ordered"));
  if (auto may = may_order(call, message.actor); !may)
    return reply(tl::unexpected<Error>(may.error()));
  if (message.reason == kRetentionReason)
    return reply(fail(Errc::kDenied, "retention is the keeper's own reason"));
  if (call.legal_hold) return refuse_held(call, message.order, message.actor, std::move(reply));
  if (!call.ended || !call.listened)
    return reply(fail(Errc::kState, "a call is erased whole when it has ended and is heard"));
  if (call.waits_for_a_person() || call.drop)
    return reply(
        fail(Errc::kState, "something of this call waits for a person: decide that first"));
  std::vector<SegmentRange> ranges;
  for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream)
    if (call.has_stream(stream) && call.ends[stream] > 0)
      ranges.push_back({stream, 0, call.ends[stream]});
  if (ranges.empty()) return reply(fail(Errc::kState, "the call has nothing to erase"));
  propose(call, {message.order, *reason, message.actor, ranges, true},
          answer_proposed(message.order, call.id, ranges, message.reason, std::move(reply)));
}

// Rows that hold no key any more: no epoch is needed to let go of them. At once, so that a keeper
// that takes over finds them gone, too.
void Keeper::drop_husks() {
  if (husks_.empty()) return;
  for (const auto& id : husks_) {
    const auto row = rows_.find(id);
    if (row == rows_.end()) continue;
    store_.stage_drop(row->second);
    rows_.erase(row);
    calls_.erase(id);
    waiting_.erase(id);
    on_hold_.erase(id);
  }
  husks_.clear();
  if (auto dropped = commit_rows(); !dropped)  // it stays staged
    log_event("keeper.persist_failed", {{"why", dropped.error().message}});
}

void Keeper::set_hold(const keys::SetHold& message, Reply<keys::Ack> reply) {
  if (!may_act(message.actor))
    return reply(fail(Errc::kDenied, "a person sets a hold or lifts it, or the operator"));
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  if ((*found)->to_be_dropped())
    return reply(fail(Errc::kState, "it has been decided: the call is being erased"));
  if (message.on && deciding_whole_.contains(message.call))
    return reply(fail(Errc::kBusy, "a person is just deciding about this call; ask again"));
  auto staged = stage_entry(message.on ? "hold_set" : "hold_lifted", message.actor,
                            message.call.hex(), {{"reason_hash", message.reason_hash}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  // In force from here on if set, whatever the log says, from the entry on if lifted.
  if (message.on) {
    (*found)->legal_hold = (*found)->dirty = true;
    on_hold_.insert(message.call);
  }
  with_log([this, id = message.call, on = message.on](const Status& logged) {
    const auto still = find(id);
    if (!logged || !still) return;
    (*still)->legal_hold = on;
    (*still)->dirty = true;
    if (on)
      on_hold_.insert(id);
    else
      on_hold_.erase(id);
  });
  after_log([this, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    if (auto kept = commit_rows(); !kept)  // the log has it: a start reads it from there
      log_event("keeper.persist_failed", {{"why", kept.error().message}});
    reply(keys::Ack{});
  });
}

keys::Holds Keeper::holds() const {
  keys::Holds out{.total = on_hold_.size(), .calls = {}};
  for (const auto& id : on_hold_) {
    if (out.calls.size() >= kHeldListMax) break;
    out.calls.push_back(id);
  }
  return out;
}

}  // namespace callward::erase
