// The policy: what is asked of customers, what class each answer is of, how long it is kept, what a
// disclosure takes. One TOML file; the page that tells callers is made from it, and `callward
// policy check` judges it. docs/policy.md
//
// Bounds that no policy can widen stand here: what is kept for reference is name, phone and query;
// a secret lives a day at most; a release takes a call-back and two checks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace callward::vault {

enum class FieldClass : std::uint8_t {
  kReference = 1,    // kept until retention ends
  kContact = 2,      // readable while a case is open, then compare-only
  kSecret = 3,       // gone at first use, at the end of the case, or after a day
  kServiceWord = 4,  // compare-only from the start
};
enum class FieldKind : std::uint8_t {
  kName = 1,
  kPhone = 2,
  kQuery = 3,
  kEmail = 4,
  kAddress = 5,
  kText = 6,
  kPassword = 7,
  kPin = 8,
  kCard = 9,
  kCode = 10,
  kServiceWord = 11,
};
const char* to_text(FieldClass c);
const char* to_text(FieldKind kind);
Result<FieldClass> parse_class(std::string_view word);
Result<FieldKind> parse_kind(std::string_view word);

struct FieldSpec {
  std::string id;     // [a-z][a-z0-9_]*, at most 32
  std::string label;  // for people
  FieldKind kind{};
  FieldClass of_class{};
  bool required = false;
  bool search = false;  // found by its exact value, blindly
};

// How long each part of a disclosure may take, how much of it there may be.
struct Limits {
  std::int64_t assign_ms = 4 * 3'600'000;   // until an expert has it
  std::int64_t ring_ms = 24 * 3'600'000;    // until the customer was reached
  std::int64_t call_ms = 3'600'000;         // from ringing to a verdict
  std::int64_t release_ms = 8 * 3'600'000;  // from the verdict to the release
  std::int64_t window_ms = 15 * 60'000;     // open, unless less is said
  std::int64_t window_ms_max = 60 * 60'000;
  std::int64_t review_ms = 24 * 3'600'000;
  std::int64_t call_seconds_min = 30;
  std::uint32_t checks_min = 2;         // besides the call-back
  std::uint32_t rings_max = 5;          // tries to reach the customer
  std::int64_t number_days_young = 30;  // changed since: two release
  std::size_t fields_max = 32;
};

// How long what is stored is kept.
struct Keep {
  std::int64_t reference_days = 365;  // after a case is closed
  std::int64_t contact_days = 30;     // of a compare-only value, after a case is closed
  std::int64_t secret_hours = 24;
  bool operator==(const Keep&) const = default;
};
inline constexpr std::int64_t kReferenceDaysMax = 3'650, kSecretHoursMax = 24;
// kConfig: beyond the bounds that no policy can widen.
Status check_keep(const Keep& keep);

struct Policy {
  std::string company, contact;  // who it is, and where customers ask about their data
  std::string region = "ZZ";     // ISO 3166: whose numbers have no country code; ZZ: nobody's
  Keep keep;
  std::vector<FieldSpec> fields;  // in the order of the form
  Limits limits;

  [[nodiscard]] const FieldSpec* find(const std::string& id) const;
};
inline constexpr std::size_t kFieldsMax = 64;

// kConfig: what is wrong with it, with the line or the field.
Result<Policy> parse_policy(const std::string& text, const std::string& file);
// What `wanted` would relax of what `now` promises of data that is there already; empty: nothing.
std::vector<std::string> relaxes(const Policy& now, const Policy& wanted);
std::string default_policy_text();

}  // namespace callward::vault
