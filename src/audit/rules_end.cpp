// What a log lacks when it has been read to its end: calls without an end or a seal, orders that
// were never done.
#include <algorithm>

#include "audit/rules.hpp"

namespace callward::audit {
namespace {

std::string minutes(std::int64_t ms) { return std::to_string(ms / 60'000) + " min"; }

}  // namespace

void RuleChecker::finish_calls() {
  for (const auto& [id, call] : calls_) {
    if (!call.started.set) continue;
    if (call.ended.set) {
      if (!call.sealed.set && !call.empty && call.ended.at + grace_.seal_ms < newest_at_)
        find("call-is-sealed", call.ended.index, id,
             "ended " + minutes(newest_at_ - call.ended.at) + " ago, and never sealed");
      continue;
    }
    if (keeper_started_at_ > call.alive_at && keeper_started_at_ + grace_.adopt_ms < newest_at_)
      find("call-ends", call.started.index, id,
           "it ran when the keeper was started anew, and nobody took it on or ended it");
    else if (call.started.at + grace_.running_ms < newest_at_)
      find("call-runs-long", call.started.index, id,
           "for " + minutes(newest_at_ - call.started.at));
  }
}

// All that was held went with other orders: nobody has anything to decide.
bool RuleChecker::is_gone(const std::string& id, const Order& order) const {
  const auto call = calls_.find(order.call);
  if (call == calls_.end() || !call->second.closed.contains(id)) return false;
  std::set<Range> gone;  // by stream and beginning
  for (const auto& [other, ranges] : call->second.closed)
    if (const auto at = orders_.find(other); at != orders_.end() && at->second.erased.set)
      gone.insert(ranges.begin(), ranges.end());
  const auto& held = call->second.closed.at(id);
  return !held.empty() && std::all_of(held.begin(), held.end(), [&](const Range& range) {
    auto upto = range.first;
    for (const auto& part : gone)
      if (part.stream == range.stream && part.first <= upto) upto = std::max(upto, part.end);
    return upto >= range.end;
  });
}

void RuleChecker::finish_orders() {
  for (const auto& [id, order] : orders_) {
    const auto subject = order.call.empty() ? std::string("-") : order.call;
    if (order.held.set && !order.decided && order.held.at + grace_.held_ms < newest_at_ &&
        !is_gone(id, order))
      find("held-is-decided", order.held.index, subject,
           "order " + id + " has waited for " + minutes(newest_at_ - order.held.at));
    if (order.private_on.set && !order.private_off.set && !order.intended.set &&
        order.private_on.at + grace_.private_ms < newest_at_)
      find("private-ends", order.private_on.index, subject, "order " + id + " has no end");
    if (order.private_erases && !order.intended.set &&
        order.private_off.at + grace_.erase_ms < newest_at_)
      find("private-ends", order.private_off.index, subject,
           "order " + id + " ended, and nothing of it was erased");
    if (order.missed.set && !order.intended.set && !order.held.set &&
        order.missed.at + grace_.erase_ms < newest_at_)
      find("missed-is-erased", order.missed.index, subject,
           "order " + id + " was never taken: erase it by hand");
    const auto& begun =
        order.to_erase.index > order.intended.index ? order.to_erase : order.intended;
    if (!begun.set) continue;
    const auto done = std::max(order.erased.set ? order.erased.index + 1 : 0,
                               order.unconfirmed.set ? order.unconfirmed.index + 1 : 0);
    if (done <= begun.index) {
      if (begun.at + grace_.erase_ms < newest_at_)
        find("erase-is-done", begun.index, subject,
             "order " + id + " was intended " + minutes(newest_at_ - begun.at) +
                 " ago, and never done");
    } else if (order.unconfirmed.set &&
               (!order.erased.set || order.erased.index < order.unconfirmed.index)) {
      find("erase-is-confirmed", order.unconfirmed.index, subject,
           "order " + id + " is not confirmed by every mirror");
    }
  }
}

RulesReport RuleChecker::finish() {
  finish_calls();
  finish_orders();
  finish_retention();
  if (judge_ != nullptr) judge_->finish(newest_at_, finder());
  std::stable_sort(report_.findings.begin(), report_.findings.end(),
                   [](const auto& a, const auto& b) { return a.index < b.index; });
  return std::move(report_);
}

}  // namespace callward::audit
