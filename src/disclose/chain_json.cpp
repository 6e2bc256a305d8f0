// Steps as JSON: what the log keeps, and what is hashed and signed.
#include "audit/entry.hpp"
#include "audit/fields.hpp"
#include "disclose/chain.hpp"

namespace callward::disclose {
namespace {

using audit::Fields;
using audit::hex_or_nothing;
using boost::json::object;

constexpr std::string_view kSignedAs = "CWS1 step";
constexpr std::string_view kAsks = "ask";
constexpr std::size_t kFieldsMax = 64;

template <class AnId>
std::string id_or_nothing(const AnId& id) {
  return id.is_zero() ? std::string() : id.hex();
}

std::string kind_word(const ChainStep& step) {
  return step.number == 1 ? std::string(kAsks) : to_text(step.event.kind);
}

Result<EventKind> kind_of(std::string_view word, std::uint32_t number) {
  if ((number == 1) != (word == kAsks)) return fail(Errc::kMalformed, "the first step asks");
  if (number == 1) return EventKind{};
  for (std::size_t i = 0; i < kEventKinds; ++i)
    if (word == to_text(static_cast<EventKind>(i))) return static_cast<EventKind>(i);
  return fail(Errc::kMalformed, "no such step");
}

Result<std::vector<FieldNumber>> numbers_of(Fields& fields, std::string_view name) {
  const auto* value = fields.any(name);
  if (value == nullptr || !value->is_array() || value->get_array().size() > kFieldsMax)
    return fail(Errc::kMalformed, "fields are a list of numbers");
  std::vector<FieldNumber> numbers;
  for (const auto& item : value->get_array()) {
    if (!item.is_int64() || item.get_int64() < 0 || item.get_int64() > 0xFFFF'FFFF)
      return fail(Errc::kMalformed, "fields are a list of numbers");
    numbers.push_back(static_cast<FieldNumber>(item.get_int64()));
  }
  return numbers;
}

Result<std::int64_t> number(Fields& fields, std::string_view name, std::int64_t most) {
  const auto value = TRY(fields.number(name));
  if (value < 0 || value > most)
    return fail(Errc::kMalformed, std::string(name) + " is out of range");
  return value;
}

Result<bool> flag(Fields& fields, std::string_view name) {
  const auto* value = fields.any(name);
  if (value == nullptr || !value->is_bool())
    return fail(Errc::kMalformed, std::string(name) + " is neither true nor false");
  return value->get_bool();
}

}  // namespace

object to_json(const ChainStep& step) {
  boost::json::array numbers;
  for (const auto field : step.event.fields) numbers.emplace_back(std::int64_t{field});
  const auto& call = step.event.call_back;
  object json{{"request", step.request.hex()},
              {"number", std::int64_t{step.number}},
              {"before", hex_or_nothing(step.before)},
              {"at", step.at},
              {"kind", kind_word(step)},
              {"by", id_or_nothing(step.event.by)},
              {"customer", id_or_nothing(step.customer)},
              {"case", std::int64_t{step.of_case}},
              {"fields", std::move(numbers)},
              {"expert", id_or_nothing(step.event.expert)},
              {"call", id_or_nothing(call.call)},
              {"answered", call.answered},
              {"recorded", call.recorded},
              {"number_on_file", call.number_on_file},
              {"seconds", call.seconds},
              {"number_age_days", call.number_age_days},
              {"checks", std::int64_t{step.event.checks}},
              {"window_ms", step.event.window_ms},
              {"words", hex_or_nothing(step.words)},
              {"reader_key", hex_or_nothing(step.reader_key)}};
  // Only where it was said: what was hashed and signed before there were categories stays as it is.
  if (!step.category.empty()) json["category"] = step.category;
  if (const auto& found = step.event.found; found.said) {
    json["needed"] = found.needed;
    json["used"] = found.used;
  }
  return json;
}

Result<ChainStep> step_from_json(const object& json) {
  constexpr std::int64_t kTimeMax = std::int64_t{1} << 52;
  Fields fields(json);
  ChainStep step;
  step.request = TRY(fields.id<RequestId>("request"));
  step.number = static_cast<std::uint32_t>(TRY(number(fields, "number", 0xFFFF'FFFF)));
  if (step.number == 0 || step.request.is_zero())
    return fail(Errc::kMalformed, "steps are numbered from 1, of a request");
  step.before = TRY(fields.digest("before"));
  step.at = TRY(number(fields, "at", kTimeMax));
  step.event.kind = TRY(kind_of(TRY(fields.text("kind")), step.number));
  step.event.by = TRY(fields.id<PersonId>("by"));
  step.customer = TRY(fields.id<CustomerId>("customer"));
  step.of_case = static_cast<CaseNumber>(TRY(number(fields, "case", 0xFFFF'FFFF)));
  step.event.fields = TRY(numbers_of(fields, "fields"));
  step.event.expert = TRY(fields.id<PersonId>("expert"));
  auto& call = step.event.call_back;
  call.call = TRY(fields.id<CallId>("call"));
  call.answered = TRY(flag(fields, "answered"));
  call.recorded = TRY(flag(fields, "recorded"));
  call.number_on_file = TRY(flag(fields, "number_on_file"));
  call.seconds = TRY(number(fields, "seconds", 1 << 30));
  call.number_age_days = TRY(number(fields, "number_age_days", 1 << 20));
  step.event.checks = static_cast<std::uint32_t>(TRY(number(fields, "checks", 1'000)));
  step.event.window_ms = TRY(number(fields, "window_ms", 1 << 30));
  step.words = TRY(fields.digest("words"));
  step.reader_key = TRY(fields.digest("reader_key"));
  if (json.contains("category")) {
    step.category = TRY(fields.text("category"));
    if (step.number != 1 || !is_category(step.category))
      return fail(Errc::kMalformed, "a category is one of a few words, of the first step");
  }
  if (json.contains("needed") || json.contains("used")) {
    step.event.found = {true, TRY(flag(fields, "needed")), TRY(flag(fields, "used"))};
    if (step.number == 1 || step.event.kind != EventKind::kReview)
      return fail(Errc::kMalformed, "a review says whether it was needed and whether it was used");
  }
  TRY(fields.finish());
  return step;
}

Result<crypto::Digest> hash_of(const ChainStep& step) {
  const auto text = TRY(audit::canonical_json(to_json(step)));
  return crypto::sha256({as_bytes(kSignedAs), as_bytes(text)});
}

}  // namespace callward::disclose
