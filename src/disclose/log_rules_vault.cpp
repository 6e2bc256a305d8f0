// What the log says of customers' data, held to the rules: who typed it, when it goes, what a hold
// keeps.
#include <algorithm>
#include <boost/json.hpp>

#include "disclose/log_rules.hpp"
#include "disclose/owners_word.hpp"
#include "disclose/parts.hpp"

namespace callward::disclose {
namespace {

using people::Role;

constexpr std::int64_t kSecretMs = 24 * 3'600'000;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::string_view kByRetention = "retention", kByWish = "customer";
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

void LogRules::note_case(OfCase& begun, const audit::Entry& entry) {
  const auto* days = entry.data.if_contains("days");
  const auto* list = days == nullptr ? nullptr : days->if_array();
  if (list == nullptr || list->size() != 2 || !(*list)[0].is_int64() || !(*list)[1].is_int64())
    return;  // an older keeper's
  begun.reference_days = (*list)[0].get_int64();
  begun.contact_days = (*list)[1].get_int64();
}

void LogRules::fields_stored(const Now& now) {
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return now.breaks("stored-by-somebody", "of no customer");
  const auto person = PersonId::parse(now.entry.actor);
  const auto* member = person && chart_ ? chart_->here(*person) : nullptr;
  const bool types = member != nullptr && (member->roles & kTakesCalls) != 0;
  const bool fresh = now.entry.data.at("new_customer").as_bool();
  if (!types && (now.entry.actor != "customer" || fresh))
    now.breaks("stored-by-somebody", "by nobody in the role chart who types in data");
  if (const auto& call = now.entry.data.at("call").as_string(); !call.empty()) {
    check_in_call(now, call);
    check_typed(now, call);
  }
  auto& customer = customers_[*id];
  const auto of_case = case_of(now.entry);
  if (now.entry.data.at("new_case").as_bool()) {
    customer.open_cases.try_emplace(of_case);
    note_case(customer.cases[of_case], now.entry);
  }
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
                  .kind = std::string(item.get_array()[2].get_string()),
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
  for (const auto& item : now.entry.data.at("fields").as_array()) {
    const auto leaf = leaf_of(item, 2);
    if (!leaf) continue;
    const auto field = customer.fields.find(*leaf);
    // A contact that can only be compared went once already, to be read no more.
    const auto& why = item.get_array()[1].get_string();
    if (field != customer.fields.end() && why == kByRetention)
      check_kept(now, customer, field->second);
    if (why == kByWish) check_wished(now, customer, *leaf);
    begun(*leaf);
  }
  if (!now.entry.data.at("whole").as_bool()) return;
  for (const auto& [leaf, field] : customer.fields)
    if (!field.gone) begun(leaf);
}

// Not before the days in force, nor those of then when a case was closed, or what was promised when
// the field's case began, whichever is least, after the end of the last case.
void LogRules::check_kept(const Now& now, const OfCustomer& customer, const OfField& field) {
  if (kept_stopped_ && now.entry.at > kept_stopped_->at + grace_.erase_ms)
    now.breaks("field-retention-by-owner", field.field + " goes, and retention had stopped");
  if (!keep_ || field.of_class == "secret") return;
  const bool contact = field.of_class == "contact";
  auto days = contact ? keep_->contact_days : keep_->reference_days;
  if (const auto own = customer.cases.find(field.of_case); own != customer.cases.end())
    if (const auto said = contact ? own->second.contact_days : own->second.reference_days;
        own->second.reference_days != 0)
      days = std::min(days, said);
  std::int64_t until = 0;
  for (const auto& [number, one] : customer.cases) {
    if (one.closed_at == 0)
      return now.breaks("field-retention-in-time", field.field + " goes by retention, and case " +
                                                       std::to_string(number) + " is open");
    const auto by_then = contact ? one.contact_until : one.reference_until;
    const auto by_now = one.closed_at + days * kDayMs;
    until = std::max(until, by_then == 0 ? by_now : std::min(by_then, by_now));
  }
  if (now.entry.at + grace_.age_ms < until)
    now.breaks("field-retention-in-time", field.field + " goes by retention " +
                                              std::to_string((until - now.entry.at) / kDayMs) +
                                              " days before the log lets it");
}

// In force are the days of the policy, or longer ones until an owner confirms the policy's.
void LogRules::note_keep(const Now& now) {
  const auto* stated = now.entry.data.if_contains("keep");
  const auto* days = now.entry.data.if_contains("in_force");
  if (stated == nullptr) {
    if (by_owner_) now.breaks("field-retention-by-owner", "a policy without its days");
    return keep_.reset();
  }
  auto keep = keep_from_json(*stated);
  if (!keep) return now.breaks("policy-within-bounds", keep.error().message);
  const auto* list = days == nullptr ? nullptr : days->if_array();
  if (list != nullptr && list->size() == 2 && (*list)[0].is_int64() && (*list)[1].is_int64()) {
    by_owner_ = true;
    const auto reference = (*list)[0].get_int64(), contact = (*list)[1].get_int64();
    if (reference < keep->reference_days || contact < keep->contact_days)
      now.breaks("field-retention-by-owner", "days in force that are less than the policy's");
    keep->reference_days = reference;
    keep->contact_days = contact;
  } else if (by_owner_) {
    now.breaks("field-retention-by-owner", "a policy without the days that are in force");
  }
  const bool shorter = keep_ && (keep->reference_days < keep_->reference_days ||
                                 keep->contact_days < keep_->contact_days);
  if (by_owner_ && shorter && !customers_.empty())
    now.breaks("field-retention-by-owner", "what is stored is kept for less, and no owner said so");
  keep_ = *keep;
}

void LogRules::field_retention_stopped(const Now& now) {
  kept_stopped_ = {now.index, now.entry.at};
}

void LogRules::field_retention_confirmed(const Now& now) {
  const auto taken = [&]() -> Status {
    if (!chart_) return fail(Errc::kState, "no role chart yet");
    const auto person = TRY(PersonId::parse(now.entry.actor));
    const auto word = TRY(owners_word_from_json(person, now.entry.data));
    const auto said = TRY(people::signatures_from_json(now.entry.signature));
    if (said.size() != 1 || said[0].person != person || !chart_->is(person, Role::kOwner))
      return fail(Errc::kDenied, "not signed by an owner");
    TRY(chart_->check(person, hash_of(word), said[0].said));
    if (!words_.insert(word.nonce).second) return fail(Errc::kExists, "one word, taken twice");
    keep_ = word.keep;
    kept_stopped_.reset();
    return {};
  }();
  if (!taken) now.breaks("field-retention-by-owner", taken.error().message);
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

// ---- what people do to it -----------------------------------------------------------------------

// Nobody signs these: the keeper asks the chart, and so does this.
void LogRules::check_role(const Now& now, people::Roles roles) const {
  if (keeper_.rules < kRulesOfActs) return;
  const auto person = PersonId::parse(now.entry.actor);
  const auto* member = person && chart_ ? chart_->here(*person) : nullptr;
  if (member == nullptr || (member->roles & roles) == 0)
    now.breaks("customer-acts-by-role",
               now.entry.type + " by nobody in the role chart who may do this");
}

void LogRules::check_wished(const Now& now, const OfCustomer& customer, std::uint32_t leaf) const {
  if (keeper_.rules < kRulesOfActs || customer.all_at != 0) return;
  const auto field = customer.fields.find(leaf);
  if (field == customer.fields.end() || !field->second.ordered)
    now.breaks("two-erase-a-customer", "it goes by the customer's wish, and nobody ordered it");
}

// Two who confirm at once both do, of the same order. What the keeper was just counting a minute
// ahead, or forgot after a month, is not held against it.
void LogRules::order_all(const Now& now, OfCustomer& customer) {
  if (customer.all_at != 0 && now.entry.at > customer.all_at + grace_.erase_ms) {
    customer.all_by.clear();
    customer.all_at = 0;
  }
  const auto person = PersonId::parse(now.entry.actor).value_or(PersonId{});
  const bool asks_when = keeper_.rules >= kRulesOfTyped;
  const bool by_another = std::ranges::any_of(customer.all_by, [&](const auto& one) {
    const auto* first = chart_ ? chart_->here(one.first) : nullptr;
    const bool still = first != nullptr && (first->roles & kLeads) != 0 &&
                       now.entry.at <= one.second + kErasureProposedMs + grace_.age_ms;
    return one.first != person && (still || !asks_when);
  });
  customer.all_by[person] = now.entry.at;
  const bool confirmed = now.entry.data.at("confirmed").as_bool();
  if (confirmed) customer.all_at = now.entry.at;
  if (keeper_.rules < kRulesOfActs) return;
  if (confirmed && !by_another)
    now.breaks("two-erase-a-customer", "confirmed, and nobody else had ordered it");
  check_settled(now, customer);
}

void LogRules::check_settled(const Now& now, const OfCustomer& customer) const {
  if (!limits_) return;
  for (const auto& id : customer.requests) {
    const auto& request = requests_.at(id).chain.request();
    const bool forgotten =
        is_over(request.state) &&
        now.entry.at + grace_.erase_ms >= deadline(request, *limits_) + kReviewKeptMs;
    if (!is_settled(request.state) && !forgotten)
      return now.breaks("erased-when-settled",
                        "its request " + id.hex() + " is " + to_text(request.state));
  }
}

void LogRules::case_closed(const Now& now) {
  check_role(now, kServes);
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return;
  auto& customer = customers_[*id];
  customer.open_cases.erase(case_of(now.entry));
  auto& closed = customer.cases[case_of(now.entry)];
  closed.closed_at = now.entry.at;
  if (keep_) {
    closed.reference_until = now.entry.at + keep_->reference_days * kDayMs;
    closed.contact_until = now.entry.at + keep_->contact_days * kDayMs;
  }
  customer.changed_at = now.entry.at;
  for (auto& [leaf, field] : customer.fields)
    if (field.of_class == "secret" && field.of_case == case_of(now.entry))
      due_soon(field, now.entry.at);
}

void LogRules::case_assigned(const Now& now) {
  check_role(now, kAssigns);
  const auto& to = now.entry.data.at("person").as_string();
  const auto technician = PersonId::parse(to).value_or(PersonId{});
  if (keeper_.rules >= kRulesOfActs && !to.empty() &&
      !(chart_ && chart_->is(technician, Role::kTechnician)))
    now.breaks("customer-acts-by-role", "a case is given to no technician with a passkey");
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return;
  auto& cases = customers_[*id].open_cases;
  if (const auto at = cases.find(case_of(now.entry)); at != cases.end()) at->second = technician;
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
  const bool all = now.entry.data.at("all").as_bool();
  check_role(now, all ? kLeads : kServes);
  const auto id = CustomerId::parse(now.entry.subject);
  if (!id) return;
  auto& customer = customers_[*id];
  customer.changed_at = now.entry.at;
  if (all) {
    count_ordered(now);
    return order_all(now, customer);
  }
  const auto leaf = static_cast<std::uint32_t>(now.entry.data.at("leaf").as_int64());
  const auto at = customer.fields.find(leaf);
  if (at == customer.fields.end()) return;
  at->second.ordered = true;
  if (at->second.of_class == "secret") return due_soon(at->second, now.entry.at);
  count_ordered(now);
  if (keeper_.rules >= kRulesOfTyped) check_settled(now, customer);
}

void LogRules::count_ordered(const Now& now) {
  if (keeper_.rules >= kRulesOfTyped &&
      ordered_.count(now.entry.at / kDayMs, now.entry.actor) == kDays * kErasuresPerDay + 1)
    now.breaks("erased-within-bounds", "more was ordered on one day than one person may");
}

void LogRules::customer_hold(const Now& now) {
  check_role(now, kLeads);
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
