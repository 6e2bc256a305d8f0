// What was refused because the log failed, and stands in it all the same: it was written, and the
// disk would not say so. From here on it holds: a log that says what this keeper does not know
// would break the rules by itself, and be believed by the next keeper, unless rows were written
// meanwhile that count it as known.
#include <boost/json.hpp>

#include "erase/keeper.hpp"

namespace callward::erase {

Status Keeper::take_missed() {
  return log_->replay(
      known_upto_, [this](std::uint64_t, const audit::Entry& entry) { return take_missed(entry); });
}

// Erasures are begun and ended anew (`erase_intended`, `erased`); private stretches say both ends
// again; `listened` and `call_sealed` may be said twice. Beginnings and ends may not, and what
// people decided is done.
Status Keeper::take_missed(const audit::Entry& entry) {
  const auto id = CallId::parse(entry.subject);
  if (!id || rows_.find(*id) == rows_.end()) return {};
  const bool of_hold = entry.type == "hold_set" || entry.type == "hold_lifted";
  if (!of_hold && entry.type != "call_started" && entry.type != "call_ended" &&
      entry.type != "order_held" && entry.type != "held_decided")
    return {};
  auto& call = *TRY(find(*id));
  if (entry.type == "call_started") call.start_logged = true;
  if (entry.type == "call_ended") call.end_logged = true;
  if (entry.type == "order_held") {
    replay_ranges(call, entry);
    if (const auto order = OrderId::parse(std::string_view(entry.data.at("order").as_string())))
      known_orders_[*order] = keys::OrderOutcome::kHeld;
    note_waiting(call);
  }
  if (entry.type == "held_decided") {
    if (const auto decision = decision_in(entry)) {
      decided_[decision->order] =
          decision->erase ? keys::HeldDecision::kErase : keys::HeldDecision::kKeep;
      (void)carry_out(call, *decision, entry.actor);
    }
  }
  if (of_hold) {
    call.legal_hold = entry.type == "hold_set";
    if (call.legal_hold)
      on_hold_.insert(*id);
    else
      on_hold_.erase(*id);
  }
  call.dirty = true;
  new_rows_ = true;
  return {};
}

}  // namespace callward::erase
