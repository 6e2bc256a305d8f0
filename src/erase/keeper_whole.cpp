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
  return std::find(kOurs.begin(), kOurs.end(), actor) == kOurs.end();
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

// Too many ranges of the call are held: most of what is closed no machine took for a secret, and
// two persons erase it. The first one's word is an order, held as any; the listener's number for
// all of it goes on standing for it.
void Keeper::propose_closed(CallKeys& call, const Decision& decision, const std::string& actor,
                            Reply<keys::HeldDecided> reply) {
  if (call.proposals.size() >= kProposalsPerCallMax)
    return reply(fail(Errc::kState, "too much of this call waits for a person: keep it"));
  auto staged = stage_entry("order_held", "keeper", call.id.hex(),
                            {{"order", decision.order.hex()},
                             {"reason", kReasons[decision.reason]},
                             {"source", actor},
                             {"ranges", ranges_json(decision.ranges)}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  call.proposals.push_back(
      {decision.order, PersonId::parse(actor).value_or(PersonId{}), decision.reason});
  call.dirty = true;
  after_log([this, id = call.id, order = decision.order, reply](Status logged) {
    if (logged) return reply(keys::HeldDecided{order, keys::OrderOutcome::kHeld});
    if (const auto still = find(id))
      std::erase_if((*still)->proposals, [&](const Proposal& item) { return item.order == order; });
    reply(tl::unexpected<Error>(logged.error()));
  });
}

void Keeper::erase_call(const keys::EraseCall& message, Reply<keys::OrderAccepted> reply) {
  if (const auto known = known_orders_.find(message.order); known != known_orders_.end())
    return reply(keys::OrderAccepted{message.order, known->second});
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  const auto reason = reason_number(message.reason);
  if (!reason) return reply(fail(Errc::kMalformed, "unknown reason code"));
  if (message.reason == kPrivateReason)
    return reply(fail(Errc::kDenied, "private is what an agent is, not a call that is ordered"));
  if (!may_act(message.actor))
    return reply(fail(Errc::kDenied, "a person orders, or the operator"));
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
  auto staged = stage_entry("order_held", "keeper", call.id.hex(),
                            {{"order", message.order.hex()},
                             {"reason", message.reason},
                             {"source", message.actor},
                             {"ranges", ranges_json(ranges)},
                             {"whole", true}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  call.propose_drop({message.order, PersonId::parse(message.actor).value_or(PersonId{}), *reason});
  note_waiting(call);
  new_rows_ = true;
  answer_held(message.order, call.id, ranges, message.reason, std::move(reply));
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
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  if ((*found)->to_be_dropped())
    return reply(fail(Errc::kState, "two persons have decided: the call is being erased"));
  if (message.on && deciding_whole_.contains(message.call))
    return reply(fail(Errc::kBusy, "a person is just deciding about this call; ask again"));
  auto staged = stage_entry(message.on ? "hold_set" : "hold_lifted", message.actor,
                            message.call.hex(), {{"reason_hash", message.reason_hash}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  // In force from here on if set, from the entry on if lifted.
  if (message.on) (*found)->legal_hold = (*found)->dirty = true;
  after_log([this, id = message.call, on = message.on, reply](Status logged) {
    const auto still = find(id);
    if (!logged || !still)
      return reply(tl::unexpected<Error>(logged ? still.error() : logged.error()));
    (*still)->legal_hold = on;
    (*still)->dirty = true;
    if (on)
      on_hold_.insert(id);
    else
      on_hold_.erase(id);
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
