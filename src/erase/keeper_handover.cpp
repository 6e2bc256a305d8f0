// A planned restart, both sides: the keeper that comes to rest and tells what it knows, and the one
// that goes on from there. Between hand_over() and either end the old one does nothing at all; the
// new one writes what opening log and key store mends, and one entry of the log, until it is the
// keeper. That they do not meet is the caller's to see to (app/writer_lock.hpp).
#include <algorithm>

#include "audit/rules.hpp"
#include "base/event_log.hpp"
#include "erase/handover.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {
namespace {

constexpr std::uint64_t kRowsAheadMax = 1'000'000;  // allotted, and in no committed page yet

}  // namespace

// Orders that were taken are tried once more, so that whoever sent them is answered; what still
// waits then is handed over.
void Keeper::rest(bool resting) {
  if (resting) {
    retry_orders_ms_ = 0;
    end_round();
  }
  resting_ = resting;
}

// Nothing waits for the log, for others' memory, or to be answered.
bool Keeper::quiet() const {
  return after_.empty() && effects_.empty() && batches_.empty() && !log_->has_staged() &&
         (tenant_ == nullptr || !tenant_->has_waiting()) && !orders_due() &&
         std::none_of(orders_.begin(), orders_.end(),
                      [](const Order& order) { return !order.replies.empty(); });
}

HandedState Keeper::hand_over() const {
  HandedState state;
  state.epoch = store_.epoch();
  state.log_size = log_->size();
  state.next_row = store_.next_row();
  for (const auto& [id, call] : calls_) state.calls.push_back(to_handed(*call));
  const auto to_list = [](const auto& orders) {
    std::vector<HandedOrder> out;
    for (const auto& order : orders)
      out.push_back({order.id, order.call, order.ranges, order.reason, order.source, order.logged});
    return out;
  };
  state.orders = to_list(orders_);
  state.unconfirmed = to_list(unconfirmed_);
  for (const auto& [id, outcome] : known_orders_) state.known_orders.push_back({id, outcome});
  for (const auto& [id, decision] : decided_) state.decided.push_back({id, decision});
  state.sealed.assign(sealed_.begin(), sealed_.end());
  state.unlogged_listens = unlogged_listens_;
  state.privates = handed_privates();
  state.new_rows = new_rows_;
  state.last_persist_ms = last_persist_ms_;
  state.retry_orders_ms = retry_orders_ms_;
  state.orders_done = orders_done_;
  state.opened = opened_;
  return state;
}

void Keeper::freeze() { log_->let_go(); }

void Keeper::hand_over_failed(const std::string& why) {
  hand_over_failure_ = why;  // logged by resume_log(): until then the log is the other one's
  for (auto& [id, call] : calls_) call->dirty = true;
}

Status Keeper::take_over(HandedState state) {
  if (log_->size() < std::max(store_.log_size(), state.log_size))
    return fail(Errc::kCorrupt, "the audit log here is shorter than the one that was handed over");
  if (store_.epoch() != state.epoch)
    return fail(Errc::kState, "the key store here is not the one that was handed over");
  TRY(holds_the_newest());
  begin_retention();
  TRY(store_.for_each(
      [this](std::uint64_t row, ByteView content) -> Status {
        const auto call = TRY(CallKeys::decode_row(row, content));
        rows_[call.id] = row;
        note_held(call);
        note_age(call);
        note_husk(call);
        return {};
      },
      0, keys::kCallRowsEnd));
  for (auto& handed : state.calls) {
    auto call = std::make_unique<CallKeys>(TRY(from_handed(std::move(handed))));
    const auto known = rows_.emplace(call->id, call->row);
    if (known.first->second != call->row)
      return fail(Errc::kState, "a handed call has another row here");
    call->dirty = true;  // what the old one had staged for its row died with it
    note_held(*call);
    note_age(*call);
    retention_.ciphertext.erase(call->id);
    note_husk(*call);
    calls_[call->id] = std::move(call);
  }
  if (state.next_row > store_.next_row() + kRowsAheadMax)
    return fail(Errc::kMalformed, "handed rows are too far ahead");
  while (store_.next_row() < state.next_row) (void)store_.allot_row();
  const auto take = [](std::vector<HandedOrder>& from, auto& to) {
    for (auto& order : from)
      to.push_back({order.id,
                    order.call,
                    std::move(order.ranges),
                    order.reason,
                    std::move(order.source),
                    order.logged,
                    {}});
  };
  take(state.orders, orders_);
  take(state.unconfirmed, unconfirmed_);
  for (const auto& order : orders_)
    if (of_retention(order)) retention_.in_hand.insert(order.call);
  for (const auto& order : unconfirmed_)
    if (of_retention(order)) retention_.in_hand.insert(order.call);
  for (const auto& known : state.known_orders) known_orders_[known.order] = known.outcome;
  for (const auto& decided : state.decided) decided_[decided.order] = decided.decision;
  sealed_.insert(state.sealed.begin(), state.sealed.end());
  unlogged_listens_ = std::move(state.unlogged_listens);
  take_privates(state.privates);
  if (tenant_ != nullptr) TRY(tenant_->begin());
  new_rows_ = state.new_rows;
  last_persist_ms_ = state.last_persist_ms;
  retry_orders_ms_ = state.retry_orders_ms;
  orders_done_ = state.orders_done;
  opened_ = state.opened;
  TRY(stage_entry("keeper_started", "keeper", "-",
                  {{"epoch", store_.epoch()},
                   {"mirrors", store_.mirrors().size()},
                   {"log_size", log_->size()},
                   {"handed_over", true},
                   {"calls", calls_.size()},
                   {"rules", audit::kRulesStated}}));
  return commit_log();
}

// From here on this one is the keeper, and what a start does besides may be done.
void Keeper::serve_on() {
  if (const auto gone = store_.destroy_stale(); !gone)
    log_event("keeper.stale_epochs", {{"why", gone.error().message}});
  log_unlogged();
  watch_mirrors();
  end_round();
}

}  // namespace callward::erase
