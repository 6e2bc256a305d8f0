// What retention would do to customers' fields, by a policy that is in force or may come: how many,
// by when. It counts, and knows no value; nothing changes. The keeper shows it customer after
// customer (disclose/office_retention.cpp).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include <boost/json/object.hpp>

#include "vault/customer.hpp"

namespace callward::vault {

// When a field goes, from now: each in the first that fits. The words are those of the JSON.
enum class GoesBy : std::uint8_t {
  kDue,   // its time is over
  kHour,  // within an hour, …
  kDay,
  kWeek,
  kMonth,  // 30 days
  kYear,   // 365 days
  kLater,
  kNoEnd,  // a case of the customer is open: its days have not begun
  kHeld,   // under a legal hold: it stays, its time being over or not
};
inline constexpr std::size_t kGoesBy = 9;
const char* to_text(GoesBy by);

struct ForecastRow {  // fields of one class and kind
  std::array<std::uint64_t, kGoesBy> goes{};
  std::uint64_t readable = 0, compare_only = 0;
  std::uint64_t to_compare = 0;  // readable, and compare-only once the last open case is closed
  std::uint64_t held_due = 0;    // of kHeld: would go, were there no hold
};

class Forecast {
 public:
  // By `keep`, and never later than what the customer's rows promise already.
  Forecast(const Keep& keep, std::int64_t now) : keep_(keep), now_(now) {}
  void add(const Customer& customer);

  [[nodiscard]] const Keep& keep() const { return keep_; }
  [[nodiscard]] std::int64_t now() const { return now_; }
  [[nodiscard]] std::uint64_t customers() const { return customers_; }  // that have any field
  // Of whom something would go at once by retention; secrets, which go anyway, aside.
  [[nodiscard]] std::uint64_t due_customers() const { return due_customers_; }
  using Rows = std::map<std::pair<FieldClass, FieldKind>, ForecastRow>;
  [[nodiscard]] const Rows& rows() const { return rows_; }
  // {"at", "keep", "customers", "due_customers", "classes": [...]}: FieldForecast in the API.
  [[nodiscard]] boost::json::object to_json() const;

 private:
  Keep keep_;
  std::int64_t now_;
  std::uint64_t customers_ = 0, due_customers_ = 0;
  Rows rows_;
};

}  // namespace callward::vault
