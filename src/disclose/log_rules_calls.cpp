// At whose telephone a call is, by the log's entries, and what is done in it.
#include <boost/json.hpp>
#include <utility>

#include "disclose/log_rules.hpp"
#include "disclose/parts.hpp"

namespace callward::disclose {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

}  // namespace

// The chart is that of this entry: whoever has left since, or has another telephone, was there.
void LogRules::call_at(const Now& now) {
  const auto id = CallId::parse(now.entry.subject);
  const auto& said = now.entry.data.at("person").as_string();
  if (!id) return now.breaks("call-at-by-chart", "no call");
  if (said.empty()) return;
  const auto person = PersonId::parse(said);
  const auto* member = person && chart_ ? chart_->here(*person) : nullptr;
  if (member == nullptr)
    return now.breaks("call-at-by-chart", "at the telephone of nobody who is there");
  if (member->extension.empty())
    return now.breaks("call-at-by-chart", "at the telephone of somebody who has none");
  if (const auto call = calls_.find(*id); call != calls_.end()) call->second.were.insert(*person);
}

// By whom: at any time before, for what was typed or asked just before a transfer is logged behind
// it.
void LogRules::check_in_call(const Now& now, std::string_view call) const {
  if (keeper_.rules < 1) return;  // keepers before held nobody to it
  const auto id = CallId::parse(call);
  const auto person = PersonId::parse(now.entry.actor);
  const auto at = id ? calls_.find(*id) : calls_.end();
  if (!person || at == calls_.end() || !at->second.were.contains(*person))
    now.breaks("in-call-by-whose-it-is",
               now.entry.type + " by somebody at whose telephone the call never was");
}

void LogRules::looked_up(const Now& now) {
  if (now.entry.subject == "-") return count_looked_up(now);
  check_in_call(now, now.entry.subject);
  count_caller(now);
}

void LogRules::count_caller(const Now& now) {
  if (keeper_.rules >= kRulesOfTyped &&
      callers_.count(now.entry.at / kDayMs, now.entry.actor) == kDays * kCallerLookUpsPerDay + 1)
    now.breaks("looked-up-within-bounds", "more on one day by calls' numbers than one person may");
}

void LogRules::count_looked_up(const Now& now) {
  if (keeper_.rules < kRulesOfActs || !chart_) return;
  if (const auto day = now.entry.at / kDayMs; day != looked_.day) looked_ = {.day = day};
  if (std::exchange(takers_of_, chart_last_) != chart_last_ || look_ups_ == 0)
    look_ups_ = look_ups_per_day(*chart_);
  looked_.most = std::max(looked_.most, look_ups_);
  if (++looked_.all == kDays * looked_.most + 1)
    now.breaks("looked-up-within-bounds", "more on one day than all may look up");
  if (++looked_.by[now.entry.actor] == kDays * kLookUpsPerDay + 1)
    now.breaks("looked-up-within-bounds", "more on one day than one person may look up");
}

// Said once more, of one side that becomes both, it is the same stretch.
void LogRules::private_on(const Now& now) {
  if (private_.insert(std::string(now.entry.data.at("order").as_string())).second)
    check_in_call(now, now.entry.subject);
}

}  // namespace callward::disclose
