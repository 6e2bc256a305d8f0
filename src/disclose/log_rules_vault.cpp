// What the log says of customers' data, held to the rules: who typed it, when it goes, what a hold
// keeps.
#include <algorithm>
#include <boost/json.hpp>

#include "disclose/log_rules.hpp"

namespace callward::disclose {
namespace {

using people::Role;

constexpr std::int64_t kSecretMs = 24 * 3'600'000;
constexpr std::int64_t kClocksMs = 60'000;  // between the time of an entry and the office's

std::uint32_t case_of(const audit::Entry& entry) {
  return static_cast<std::uint32_t>(entry.data.at("case").as_int64());
}

// [leaf, field, kind, class, gone at]
bool is_stored_field(const boost::json::value& item) {
  const auto* list = item.if_array();
  return list != nullptr && list->size() == 5 && (*list)[0].is_int64() &&
         (*list)[0].get_int64() >= 0 && (*list)[0].get_int64() <= 0xFFFF'FFFF &&
         (*list)[1].is_string() && (*list)[2].is_string() && (*list)[3].is_string() &&
         (*list)[4].is_int64();
}

// [leaf, word…]; nothing for what is none.
std::optional<std::uint32_t> leaf_of(const boost::json::value& item, std::size_t size) {
  if (!item.is_array() || item.get_array().size() != size || !item.get_array()[0].is_int64())
    return std::nullopt;
  for (std::size_t i = 1; i < size; ++i)
    if (!item.get_array()[i].is_string()) return std::nullopt;
  const auto leaf = item.get_array()[0].get_int64();
  return leaf >= 0 && leaf <= 0xFFFF'FFFF ? std::optional(static_cast<std::uint32_t>(leaf))
                                          : std::nullopt;
}

}  // namespace

void LogRules::due_soon(OfField& field, std::int64_t at) {
  field.due = field.due == 0 ? at : std::min(field.due, at);
}

void LogRules::fields_stored(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return now.breaks("stored-by-somebody", "of no customer");
  const auto person = PersonId::parse(now.entry.actor);
  const auto* member = person && chart_ ? chart_->find(*person) : nullptr;
  const bool types =
      member != nullptr && !member->left &&
      (people::has(member->roles, Role::kAgent) || people::has(member->roles, Role::kTechnician));
  const bool fresh = now.entry.data.at("new_customer").as_bool();
  if (!types && (now.entry.actor != "customer" || fresh))
    now.breaks("stored-by-somebody", "by nobody in the role chart who types in data");
  auto& customer = customers_[*id];
  const auto of_case = case_of(now.entry);
  if (now.entry.data.at("new_case").as_bool()) customer.open_cases.try_emplace(of_case);
  customer.changed_at = now.entry.at;
  for (const auto& item : now.entry.data.at("fields").as_array()) {
    const auto leaf =
        is_stored_field(item)
            ? std::optional(static_cast<std::uint32_t>(item.get_array()[0].get_int64()))
            : std::nullopt;
    if (!leaf || customer.fields.contains(*leaf)) {
      now.breaks("stored-by-somebody", "a field that is none, or of a number that was used");
      continue;
    }
    OfField field{.field = std::string(item.get_array()[1].get_string()),
                  .of_class = std::string(item.get_array()[3].get_string()),
                  .of_case = of_case,
                  .stored = {now.index, now.entry.at}};
    const auto gone_at = item.get_array()[4].get_int64();
    if (field.of_class == "secret") {
      field.due = std::min(gone_at, now.entry.at + kSecretMs + kClocksMs);
      if (gone_at > now.entry.at + kSecretMs + kClocksMs)
        now.breaks("secret-goes-in-time", field.field + " is to be kept for longer than a day");
    }
    const auto [newest, first] = customer.newest.try_emplace(field.field, *leaf);
    field.replaced = !first;
    newest->second = *leaf;
    customer.fields.emplace(*leaf, std::move(field));
  }
}

void LogRules::fields_void(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return now.breaks("stored-by-somebody", "of no customer");
  auto& fields = customers_[*id].fields;
  for (const auto& item : now.entry.data.at("leaves").as_array())
    if (!item.is_int64() || fields.erase(static_cast<std::uint32_t>(item.get_int64())) == 0)
      return now.breaks("stored-by-somebody", "it voids what was not stored");
}

void LogRules::fields_erase_intended(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return now.breaks("customer-hold-is-kept", "of no customer");
  auto& customer = customers_[*id];
  const auto begun = [&](std::uint32_t leaf) {
    check_hold(now, customer, leaf);
    const auto at = customer.fields.find(leaf);
    if (at == customer.fields.end()) return;  // words, or what was never answered
    auto& field = at->second;
    if (field.due != 0 && !field.gone && keeper_.at <= field.due &&
        now.entry.at > field.due + grace_.delete_ms / 24)
      now.breaks("secret-goes-in-time", field.field + " was to be gone before");
    field.gone = true;
  };
  for (const auto& item : now.entry.data.at("fields").as_array())
    if (const auto leaf = leaf_of(item, 2)) begun(*leaf);
  if (!now.entry.data.at("whole").as_bool()) return;
  for (const auto& [leaf, field] : customer.fields)
    if (!field.gone) begun(leaf);
}

// What was ordered just before a hold is carried out just behind it.
void LogRules::check_hold(const Now& now, const OfCustomer& customer, std::uint32_t leaf) {
  const auto field = customer.fields.find(leaf);
  if (!customer.held || field == customer.fields.end() || field->second.gone ||
      field->second.of_class == "secret" || field->second.of_class == "service_word")
    return;
  const bool before = customer.changed_at != 0 && customer.changed_at <= customer.held->at &&
                      customer.held->at - customer.changed_at < grace_.erase_ms &&
                      now.entry.at - customer.held->at < grace_.erase_ms;
  if (!before)
    now.breaks("customer-hold-is-kept", field->second.field + " goes under a legal hold");
}

void LogRules::case_closed(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return;
  auto& customer = customers_[*id];
  customer.open_cases.erase(case_of(now.entry));
  customer.changed_at = now.entry.at;
  for (auto& [leaf, field] : customer.fields)
    if (field.of_class == "secret" && field.of_case == case_of(now.entry))
      due_soon(field, now.entry.at);
}

void LogRules::case_assigned(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return;
  auto& cases = customers_[*id].open_cases;
  if (const auto at = cases.find(case_of(now.entry)); at != cases.end())
    at->second = PersonId::parse(now.entry.data.at("person").as_string()).value_or(PersonId{});
}

void LogRules::query_read(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  const auto person = PersonId::parse(now.entry.actor);
  if (!id || !person || !chart_)
    return now.breaks("query-read-by-whose-case", "by nobody, or of no customer");
  const auto& cases = customers_[*id].open_cases;
  const auto at = cases.find(case_of(now.entry));
  if (at == cases.end() || at->second != *person || !chart_->is(*person, Role::kTechnician))
    now.breaks("query-read-by-whose-case", "not by the technician of an open case");
}

void LogRules::erasure_ordered(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return;
  auto& customer = customers_[*id];
  customer.changed_at = now.entry.at;
  if (now.entry.data.at("all").as_bool()) return;
  const auto leaf = static_cast<std::uint32_t>(now.entry.data.at("leaf").as_int64());
  if (const auto at = customer.fields.find(leaf);
      at != customer.fields.end() && at->second.of_class == "secret")
    due_soon(at->second, now.entry.at);
}

void LogRules::customer_hold(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return now.breaks("customer-hold-is-kept", "of no customer");
  auto& customer = customers_[*id];
  if (now.entry.type == "customer_hold_set")
    customer.held = {now.index, now.entry.at};
  else
    customer.held.reset();
}

// A keeper that was away does it at its next start.
void LogRules::finish_secrets(std::int64_t newest_at, const Find& find) const {
  const auto late = grace_.delete_ms / 24;
  for (const auto& [id, customer] : customers_)
    for (const auto& [leaf, field] : customer.fields)
      if (field.due != 0 && !field.gone && newest_at > field.due + late &&
          newest_at > keeper_.at + grace_.erase_ms)
        find("secret-goes-in-time", field.stored.index, id.hex(), field.field + " is still there");
}

}  // namespace callward::disclose
