// What the office is made of, its erasures, and the turns that the keeper gives it.
#include "disclose/office.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "disclose/limits_json.hpp"

namespace callward::disclose {

Office::Office(Clock& clock, Entropy& entropy, keys::KeyStore& store, keys::Ledger& ledger,
               OfficePolicy policy, Outbox outbox)
    : clock_(clock),
      entropy_(entropy),
      ledger_(ledger),
      policy_(std::move(policy)),
      outbox_(std::move(outbox)),
      book_(entropy, store),
      chart_(policy_.party) {}

Status Office::ready() {
  if (ledger_.log_failed())
    return fail(Errc::kUnavailable, "the audit log cannot be written: nothing is read or changed");
  if (!known_)
    return fail(Errc::kUnavailable, "people and requests are just being read; ask again");
  // What is asked now would stand in the log behind a change that it was not judged by.
  if (chart_staged_) return fail(Errc::kBusy, "the role chart is just being changed; ask again");
  return {};
}

// ---- erasing ------------------------------------------------------------------------------------

void Office::use_up(vault::Customer& customer, vault::Leaf leaf) {
  customer.used(leaf);
  book_.touch(customer);
  note_going(customer);
}

void Office::note_going(vault::Customer& customer, bool whole) {
  const auto leaves = customer.leaves_to_go();
  if ((leaves.empty() && !whole) || going_of_.contains(customer.id())) return;
  going_of_.insert(customer.id());
  going_[OrderId::random(entropy_)] = {.customer = customer.id(), .leaves = leaves, .whole = whole};
}

bool Office::erasure_due() const {
  return std::ranges::any_of(going_, [](const auto& g) { return !g.second.taken; });
}

Status Office::intend() {
  std::size_t chosen = 0;
  for (auto& [order, going] : going_) {
    if (going.taken || chosen >= kErasuresPerTurnMax) continue;
    ++chosen;
    going.chosen = true;
    if (going.logged) continue;
    auto customer = book_.find(going.customer);
    boost::json::array fields;
    if (customer) {
      going.leaves = (*customer)->leaves_to_go();
      for (const auto leaf : going.leaves) {
        const auto* version = (*customer)->find(leaf);
        const auto* why = version->state == vault::FieldState::kCompareOnly
                              ? to_text(vault::GoneBy::kCaseClosed)
                              : to_text(version->gone_by);
        boost::json::array item;
        item.emplace_back(std::int64_t{leaf});
        item.emplace_back(why);
        fields.emplace_back(std::move(item));
      }
    }
    TRY(ledger_.stage(
        {.type = "fields_erase_intended",
         .actor = "keeper",
         .subject = going.customer.hex(),
         .data = {{"order", order.hex()}, {"fields", std::move(fields)}, {"whole", going.whole}}}));
  }
  return {};
}

Status Office::puncture() {
  for (auto& [order, going] : going_) {
    if (!going.chosen || going.taken) continue;
    going.logged = true;
    auto& owed = book_.change_head().owed;
    // Beyond its bound (a mirror that is away for long) an erasure is done and not remembered as
    // owed: after a restart its `erased` stays out, rather than its key in.
    if (owed.size() < vault::Head::kOwedMax && std::ranges::find(owed, order) == owed.end())
      owed.push_back(order);
    if (going.punctured) continue;
    if (auto customer = book_.find(going.customer)) {
      TRY(book_.puncture(**customer));
      if (going.whole) book_.drop(**customer);
    }
    going.punctured = true;
  }
  return {};
}

std::vector<OrderId> Office::destroyed() {
  std::vector<OrderId> done;
  for (auto& [order, going] : going_) {
    if (!going.chosen || !going.punctured || going.taken) continue;
    going.taken = true;
    going.chosen = false;
    done.push_back(order);
  }
  return done;
}

void Office::erased(const std::vector<OrderId>& orders, bool confirmed) {
  std::uint64_t passed = 0;
  for (const auto& order : orders) {
    const auto at = going_.find(order);
    if (at == going_.end()) continue;
    const auto customer = at->second.customer;
    // A mirror that is away keeps nobody's next erasure from going on, nor anybody else's: here it
    // is done, and counts. When the mirror is back it is only confirmed.
    const bool first = !at->second.unconfirmed;
    if (first && !customer.is_zero()) outbox_.fields_gone({customer, at->second.leaves});
    if (confirmed) {
      std::erase(book_.change_head().owed, order);
      going_.erase(at);
      unconfirmed_ -= first ? 0 : 1;
    } else if (first && unconfirmed_ >= kUnconfirmedMax) {
      going_.erase(at);
    } else {
      at->second.unconfirmed = true;
      unconfirmed_ += first ? 1 : 0;
    }
    if (!first) continue;
    going_of_.erase(customer);
    if (auto left = book_.find(customer)) note_going(**left);
    passed += count_passed(customer);
  }
  note_batch(passed);
}

void Office::erase_again(const std::vector<OrderId>& orders) {
  for (const auto& order : orders)
    if (const auto at = going_.find(order); at != going_.end()) at->second.taken = false;
}

void Office::mirrors_are_back() {
  for (auto& [order, going] : going_)
    if (going.unconfirmed) going.taken = false;
}

// ---- turns --------------------------------------------------------------------------------------

void Office::tick() {
  if (known_ && !ledger_.log_failed()) {
    miss_experts();
    pass_deadlines();
  }
  tick_calls();
  watch_kept();
  scan_customers();
  forecast_on();
  book_.let_go();
  if (book_.make_spare() || book_.dirty() >= kDirtyMax) ledger_.write_rows();
  if (!wanted_.empty() && clock_.monotonic_ms() >= next_wanted_ms_) {
    next_wanted_ms_ = clock_.monotonic_ms() + kWantedEveryMs;
    want_records();
  }
  keep_time();
  const auto mono = clock_.monotonic_ms();
  for (auto& [person, readers] : readers_)
    std::erase_if(readers, [mono](const auto& reader) { return reader.until_ms <= mono; });
  std::erase_if(readers_, [](const auto& item) { return item.second.empty(); });
  std::erase_if(intakes_,
                [mono](const auto& item) { return mono - item.second > 2 * kIntakeKeyMs; });
  std::erase_if(drafted_, [mono](const auto& item) { return mono - item.second > kDraftMs; });
  while (!intake_.empty() && mono - intake_.back().begun_ms > 2 * kIntakeKeyMs) intake_.pop_back();
}

// The head names the last entry of each request that is not over.
void Office::keep_running() {
  auto& running = book_.change_head().running;
  running.clear();
  for (const auto& [id, request] : requests_)
    if (request.logged && running.size() < vault::Head::kRunningMax)
      running.push_back(*request.logged);
}

bool Office::counts(const CallBack& made) const {
  return !made.call.is_zero() && made.answered && made.recorded &&
         made.seconds >= policy_.policy.limits.call_seconds_min;
}

void Office::pass_deadlines() {
  const auto time = now();
  std::vector<RequestId> late, without_expert, broken_off, forgotten;
  for (const auto& [id, running] : requests_) {
    const auto& request = running.chain.request();
    const auto end = deadline(request, policy_.policy.limits);
    if (is_settled(request.state) && time > request.since + kSettledKeptMs) forgotten.push_back(id);
    if (running.staged || end == 0) continue;
    if (is_over(request.state)) {
      if (time >= end + kReviewKeptMs) forgotten.push_back(id);
      continue;
    }
    if (time >= end) late.push_back(id);
    // Who dialled it was another keeper: what became of that call-back nobody can say.
    // So, too, of one that was too short while a step was just being made.
    if (time < end && request.state == State::kCalling && !running.dialling &&
        !counts(running.call_back))
      broken_off.push_back(id);
    if (time < end && waits_for_expert(request)) without_expert.push_back(id);
  }
  for (const auto& id : late) system_step(id, EventKind::kTime);
  for (const auto& id : without_expert) find_expert(id);
  for (const auto& id : broken_off) system_step(id, EventKind::kNoAnswer);
  for (const auto& id : forgotten) requests_.erase(id);
  if (!forgotten.empty()) keep_running();
}

std::string Office::status_json() const {
  std::size_t open = 0, waiting = 0;
  for (const auto& [id, running] : requests_) {
    open += running.chain.request().state == State::kOpen;
    waiting += !is_over(running.chain.request().state);
  }
  return boost::json::serialize(
      boost::json::object{{"customers", book_.head().next_customer - keys::kCustomerRowsFrom},
                          {"people", chart_.members().size()},
                          {"requests", waiting},
                          {"open", open},
                          {"experts_on_duty", on_duty_.size()},
                          {"readers", readers_.size()},
                          {"erasures_waiting", going_.size()},
                          {"retention", retention_json()}});
}

}  // namespace callward::disclose
