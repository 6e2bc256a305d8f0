// What the listener ordered beyond its bounds is held; a person decides. How that is done:
//
// One person erases of it what one person may of a call (within_bounds); beyond it the first one's
// word is an order that waits for a second one (keeper_whole.cpp).
//
// The entry held_decided is durable before anything changes. Then either the held ranges are an
// ordinary order of that person (erase_intended, erased), under the held order's own number; or
// they open again, go to the disk with the next round, and what has no key any more (it was in a
// keeper's memory that died) is accounted and logged as lost.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {
namespace {

constexpr std::string_view kEraseWord = "erase";
constexpr std::string_view kKeepWord = "keep";

std::string_view word_of(keys::HeldDecision decision) {
  return decision == keys::HeldDecision::kErase ? kEraseWord : kKeepWord;
}

}  // namespace

void Keeper::note_waiting(const CallKeys& call) {
  if (call.waits_for_a_person())
    waiting_.insert(call.id);
  else
    waiting_.erase(call.id);
}

keys::HeldCalls Keeper::held_calls() const {
  keys::HeldCalls out{.total = waiting_.size(), .calls = {}};
  for (const auto& id : waiting_) {
    if (out.calls.size() >= kHeldListMax) break;
    out.calls.push_back(id);
  }
  return out;
}

// True when this order was decided already, or is being decided: then it is answered as it was.
bool Keeper::answer_decided(const keys::DecideHeld& message,
                            const Reply<keys::HeldDecided>& reply) {
  const auto known = decided_.find(message.order);
  if (known == decided_.end()) return false;
  if (known->second != message.decision) {
    reply(
        fail(Errc::kState, "a person has decided already: " + std::string(word_of(known->second))));
    return true;
  }
  after_log([this, id = message.order, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    const auto outcome = known_orders_.find(id);
    reply(keys::HeldDecided{
        id, outcome == known_orders_.end() ? keys::OrderOutcome::kAccepted : outcome->second});
  });
  return true;
}

// What the person decides about; an error that says why there is nothing to decide.
Result<Decision> Keeper::decision_of(const CallKeys& call, const keys::DecideHeld& message) {
  if (call.closed && message.order != call.closed_by)
    return fail(
        Errc::kState,
        "so many ranges of this call are held that all of it is closed: decide about order " +
            call.closed_by.hex() + ", which stands for the whole call");
  if (call.closed && !call.ended)
    return fail(Errc::kState,
                "all of the call is closed, and it still runs: decide when it has ended");
  auto decision = call.held_under(message.order);
  if (decision.ranges.empty())
    return fail(Errc::kNotFound, "nothing of this call is held under this order");
  decision.erase = message.decision == keys::HeldDecision::kErase;
  if (decision.erase) decision.ranges = joined_with_neighbours(call, std::move(decision.ranges));
  return decision;
}

// What a person ordered, another one confirms.
Status Keeper::may_decide(const CallKeys& call, const keys::DecideHeld& message) const {
  if (!may_act(message.actor)) return fail(Errc::kDenied, "a person decides, or the operator");
  if (message.decision == keys::HeldDecision::kErase) TRY(may_order(call, message.actor));
  const auto* proposal = call.proposal_of(message.order);
  if (proposal == nullptr || message.decision != keys::HeldDecision::kErase) return {};
  if (PersonId::parse(message.actor).value_or(PersonId{}) == proposal->by)
    return fail(Errc::kDenied, "who ordered it cannot confirm it: a second person must");
  return {};
}

// Under a legal hold nobody confirms what a person ordered, nor the end of all that is closed; what
// the listener wants gone is, within what a person may order.
bool Keeper::stopped_by_hold(const CallKeys& call, const Decision& decision) const {
  return call.legal_hold && decision.erase &&
         (call.closed || call.proposal_of(decision.order) != nullptr ||
          !within_bounds(call, decision.ranges, false));
}

void Keeper::decide_held(const keys::DecideHeld& message, Reply<keys::HeldDecided> reply) {
  if (message.decision != keys::HeldDecision::kErase &&
      message.decision != keys::HeldDecision::kKeep)
    return reply(fail(Errc::kMalformed, "a decision is erase or keep"));
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  if (answer_decided(message, reply)) return;
  if (auto may = may_decide(call, message); !may) return reply(tl::unexpected<Error>(may.error()));
  auto decision = decision_of(call, message);
  if (!decision) return reply(tl::unexpected<Error>(decision.error()));
  if (stopped_by_hold(call, *decision))
    return refuse_held(call, message.order, message.actor, std::move(reply));
  if (decision->erase && call.proposal_of(message.order) == nullptr &&
      (decision->whole || !within_bounds(call, decision->ranges, false)))
    return propose_decision(call, message.order, message.actor, std::move(reply));
  if (orders_.size() >= kOrdersWaitingMax) return reply(fail(Errc::kFull, "too many orders wait"));
  auto staged = stage_entry("held_decided", message.actor, call.id.hex(),
                            {{"order", message.order.hex()},
                             {"decision", word_of(message.decision)},
                             {"reason", kReasons[decision->reason]},
                             {"ranges", ranges_json(decision->ranges)},
                             {"whole", decision->whole},
                             {"reason_hash", message.reason_hash}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  if (decided_.size() >= kDecidedMax) decided_.clear();
  decided_[message.order] = message.decision;
  if (decision->whole) deciding_whole_.insert(call.id);
  if (decision->erase) deciding_[message.order] = {call.id, decision->ranges};
  const auto outcome = std::make_shared<Result<keys::OrderOutcome>>(keys::OrderOutcome::kAccepted);
  with_log([this, id = call.id, decision = std::move(*decision), actor = message.actor,
            outcome](const Status& logged) {
    const auto still = find(id);
    deciding_whole_.erase(id);
    deciding_.erase(decision.order);
    if (logged && still) {
      *outcome = carry_out(**still, decision, actor);
      return;
    }
    decided_.erase(decision.order);  // it stays held; the person asks again
    *outcome = tl::unexpected<Error>(logged ? still.error() : logged.error());
  });
  after_log([order = message.order, outcome, reply](const Status&) {
    if (!*outcome) return reply(tl::unexpected<Error>(outcome->error()));
    reply(keys::HeldDecided{order, **outcome});
  });
}

keys::OrderOutcome Keeper::carry_out(CallKeys& call, const Decision& decision,
                                     const std::string& actor) {
  call.take(decision);
  note_waiting(call);
  if (decision.erase) {
    orders_.push_back(
        {decision.order, call.id, decision.ranges, decision.reason, actor, false, {}});
    return known_orders_[decision.order] = keys::OrderOutcome::kAccepted;
  }
  // Of a call that was closed whole nothing went to the disk meanwhile: its end may be gone, too.
  // So may that of one that has ended, for which nobody brings nodes any more.
  std::vector<SegmentRange> lost;
  for (auto range : decision.ranges) {
    if (!decision.whole && !call.ended)
      range.end = std::min(range.end, call.persisted[range.stream]);
    const auto gone = call.missing(range);
    lost.insert(lost.end(), gone.begin(), gone.end());
  }
  if (!lost.empty()) {
    // Row and log both: the account reads the one, a proof of erasure the other. A log that takes
    // nothing now has failed, and the next keeper says it when it replays the decision.
    (void)stage_entry("keeper_adopted", "keeper", call.id.hex(),
                      {{"first", lost.back().end}, {"lost", ranges_json(lost)}});
    call.lost.insert(call.lost.end(), lost.begin(), lost.end());
  }
  call.skip_lost();
  outbox_.order_state({decision.order, call.id, keys::OrderOutcome::kKept, decision.ranges,
                       std::string(kReasons[decision.reason])});
  return known_orders_[decision.order] = keys::OrderOutcome::kKept;
}

std::optional<Decision> Keeper::decision_in(const audit::Entry& entry) {
  const auto order = OrderId::parse(std::string_view(entry.data.at("order").as_string()));
  if (!order) return std::nullopt;
  Decision decision{.order = *order,
                    .erase = entry.data.at("decision").as_string() == kEraseWord,
                    .whole = entry.data.at("whole").as_bool()};
  decision.reason =
      reason_number(std::string_view(entry.data.at("reason").as_string())).value_or(0);
  decision.ranges = parse_ranges(entry.data.at("ranges"));
  return decision;
}

void Keeper::replay_decision(CallKeys& call, const audit::Entry& entry) {
  const auto said = decision_in(entry);
  if (!said) return;
  const auto& decision = *said;
  call.take(decision);
  decided_[decision.order] =
      decision.erase ? keys::HeldDecision::kErase : keys::HeldDecision::kKeep;
  if (decision.erase) return;  // an order that waits, as any other
  known_orders_[decision.order] = keys::OrderOutcome::kKept;
  // Beyond the persisted mark start() accounts, or the recorder hands back.
  for (auto range : decision.ranges) {
    range.end = std::min(range.end, call.persisted[range.stream]);
    if (range.first >= range.end) continue;
    auto& lost = lost_at_start_[call.id];
    for (const auto& gone : call.missing(range)) {
      lost.push_back(gone);
      call.lost.push_back(gone);
    }
  }
  call.skip_lost();
}

// What a keeper before this one has logged as lost, and whose row was not written behind it, is
// taken into the account and not logged again. (Of a running call the recorder hands back what it
// has, and adoption says anew what is lost.)
void Keeper::replay_lost(CallKeys& call, const audit::Entry& entry) {
  if (!call.ended) return;
  const auto said = parse_ranges(entry.data.at("lost"));
  const auto has = [](const std::vector<SegmentRange>& list, const SegmentRange& range) {
    return std::find(list.begin(), list.end(), range) != list.end();
  };
  for (const auto& range : said)
    if (!has(call.lost, range)) call.lost.push_back(range);
  call.skip_lost();
  call.dirty = true;
  if (const auto at = lost_at_start_.find(call.id); at != lost_at_start_.end())
    std::erase_if(at->second, [&](const SegmentRange& range) { return has(said, range); });
}

}  // namespace callward::erase
