#include "vault/forecast.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace callward::vault {
namespace {

struct Span {
  GoesBy by;
  const char* word;
  std::int64_t ms;  // from now; 0: no time says it
};
constexpr std::int64_t kHourMs = 3'600'000, kDayMs = 24 * kHourMs;
constexpr std::array<Span, kGoesBy> kSpans = {{{GoesBy::kDue, "due", 0},
                                               {GoesBy::kHour, "hour", kHourMs},
                                               {GoesBy::kDay, "day", kDayMs},
                                               {GoesBy::kWeek, "week", 7 * kDayMs},
                                               {GoesBy::kMonth, "month", 30 * kDayMs},
                                               {GoesBy::kYear, "year", 365 * kDayMs},
                                               {GoesBy::kLater, "later", 0},
                                               {GoesBy::kNoEnd, "no_end", 0},
                                               {GoesBy::kHeld, "held", 0}}};

GoesBy goes_by(std::int64_t until, std::int64_t now) {
  if (until == 0) return GoesBy::kNoEnd;
  if (until <= now) return GoesBy::kDue;
  for (const auto& span : kSpans)
    if (span.ms != 0 && until <= now + span.ms) return span.by;
  return GoesBy::kLater;
}

}  // namespace

const char* to_text(GoesBy by) { return kSpans.at(static_cast<std::size_t>(by)).word; }

void Forecast::add(const Customer& customer) {
  bool any = false;
  const bool open =
      std::ranges::any_of(customer.cases(), [](const auto& one) { return one.closed_at == 0; });
  for (const auto& version : customer.versions()) {
    if (version.state == FieldState::kGone) continue;
    any = true;
    auto& row = rows_[{version.of_class, version.kind}];
    const bool readable = version.state == FieldState::kReadable;
    ++(readable ? row.readable : row.compare_only);
    if (readable && open && version.of_class == FieldClass::kContact) ++row.to_compare;
    const bool held = customer.held() && version.of_class != FieldClass::kSecret;
    const auto by = goes_by(customer.until(version, keep_), now_);
    if (held && by == GoesBy::kDue) ++row.held_due;
    ++row.goes.at(static_cast<std::size_t>(held ? GoesBy::kHeld : by));
  }
  customers_ += any ? 1 : 0;
  due_customers_ += customer.over(keep_, {.secrets = 0, .kept = now_}) != 0 ? 1 : 0;
}

boost::json::object Forecast::to_json() const {
  boost::json::array classes;
  for (const auto& [key, row] : rows_) {
    boost::json::object goes;
    for (const auto& span : kSpans)
      goes[span.word] = row.goes.at(static_cast<std::size_t>(span.by));
    classes.push_back({{"class", to_text(key.first)},
                       {"kind", to_text(key.second)},
                       {"readable", row.readable},
                       {"compare_only", row.compare_only},
                       {"to_compare", row.to_compare},
                       {"held_due", row.held_due},
                       {"goes", std::move(goes)}});
  }
  return {{"at", now_},
          {"keep", boost::json::object{{"reference_days", keep_.reference_days},
                                       {"contact_days", keep_.contact_days},
                                       {"secret_hours", keep_.secret_hours}}},
          {"customers", customers_},
          {"due_customers", due_customers_},
          {"classes", std::move(classes)}};
}

}  // namespace callward::vault
