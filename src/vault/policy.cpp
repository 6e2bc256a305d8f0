#include "vault/policy.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "settings/section.hpp"
#include "vault/limit_bounds.hpp"

namespace callward::vault {
namespace {

using settings::Section;
using enum FieldClass;

struct ClassWord {
  FieldClass of_class;
  const char* word;
};
constexpr std::array kClasses = {ClassWord{kReference, "reference"}, ClassWord{kContact, "contact"},
                                 ClassWord{kSecret, "secret"},
                                 ClassWord{FieldClass::kServiceWord, "service_word"}};

// What a kind may be kept as at most; everything may be a secret but what compares only.
struct KindRow {
  FieldKind kind;
  const char* word;
  FieldClass usual;
  bool may_reference, may_contact, may_search;
};
constexpr std::array kKinds = {
    KindRow{FieldKind::kName, "name", kReference, true, true, true},
    KindRow{FieldKind::kPhone, "phone", kReference, true, true, true},
    KindRow{FieldKind::kQuery, "query", kReference, true, true, false},
    KindRow{FieldKind::kEmail, "email", kContact, false, true, true},
    KindRow{FieldKind::kAddress, "address", kContact, false, true, false},
    KindRow{FieldKind::kText, "text", kContact, false, true, false},
    KindRow{FieldKind::kPassword, "password", kSecret, false, false, false},
    KindRow{FieldKind::kPin, "pin", kSecret, false, false, false},
    KindRow{FieldKind::kCard, "card", kSecret, false, false, false},
    KindRow{FieldKind::kCode, "code", kSecret, false, false, false},
    KindRow{FieldKind::kServiceWord, "service_word", FieldClass::kServiceWord, false, false, false},
};

const KindRow* kind_row(FieldKind kind) { return std::ranges::find(kKinds, kind, &KindRow::kind); }

bool good_id(const std::string& id) {
  return !id.empty() && id.size() <= 32 && id[0] >= 'a' && id[0] <= 'z' &&
         std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

Status check_field(const FieldSpec& field, const std::string& place) {
  const auto bad = [&](const std::string& why) { return fail(Errc::kConfig, place + why); };
  const auto& row = *kind_row(field.kind);
  if (!good_id(field.id)) return bad(".id must be a word of a to z, 0 to 9 and _");
  if (field.label.empty() || field.label.size() > 80) return bad(".label has 1 to 80 characters");
  const bool may = field.of_class == row.usual ||
                   (field.of_class == kReference && row.may_reference) ||
                   (field.of_class == kContact && row.may_contact) ||
                   (field.of_class == kSecret && row.usual != FieldClass::kServiceWord);
  if (!may)
    return bad(
        std::string(".class: a ") + row.word + " is kept as " + to_text(row.usual) +
        " at most, not as " + to_text(field.of_class) +
        (field.of_class == kReference ? ": for reference name, phone and query are kept" : ""));
  if (field.search && (!row.may_search || field.of_class == kSecret))
    return bad(".search is for names, phones and e-mail addresses that are kept");
  return {};
}

Result<FieldSpec> read_field(const toml::node& node, std::size_t number) {
  const auto place = "field " + std::to_string(number);
  const auto* table = node.as_table();
  if (table == nullptr) return fail(Errc::kConfig, place + " must be a [[field]] table");
  Section section(table, place);
  FieldSpec field;
  std::string kind, of_class;
  section.text("id", field.id);
  section.text("label", field.label);
  section.text("kind", kind);
  section.text("class", of_class);
  section.flag("required", field.required);
  section.flag("search", field.search);
  TRY(section.finish());
  const auto row = std::ranges::find_if(kKinds, [&](const auto& r) { return kind == r.word; });
  if (row == kKinds.end())
    return fail(Errc::kConfig, place + ".kind is none that there is: " + kind);
  field.kind = row->kind;
  field.of_class = row->usual;
  if (!of_class.empty()) {
    const auto word =
        std::ranges::find_if(kClasses, [&](const auto& c) { return of_class == c.word; });
    if (word == kClasses.end())
      return fail(Errc::kConfig, place + ".class is none that there is: " + of_class);
    field.of_class = word->of_class;
  }
  TRY(check_field(field, place));
  return field;
}

Status read_fields(const toml::table& root, std::vector<FieldSpec>& fields) {
  const auto* list = root["field"].as_array();
  if (list == nullptr || list->empty())
    return fail(Errc::kConfig, "a policy asks for something: [[field]] tables");
  if (list->size() > kFieldsMax) return fail(Errc::kConfig, "a policy has at most 64 fields");
  std::set<std::string> ids;
  for (const auto& node : *list) {
    fields.push_back(TRY(read_field(node, fields.size() + 1)));
    if (!ids.insert(fields.back().id).second)
      return fail(Errc::kConfig, "two fields are called " + fields.back().id);
  }
  const auto phone = std::ranges::any_of(fields, [](const auto& f) {
    return f.kind == FieldKind::kPhone && f.of_class == kReference && f.required;
  });
  return phone
             ? Status{}
             : fail(Errc::kConfig, "a required phone of class reference: it is what is rung back");
}

Status read_limits(const toml::table& root, Limits& limits) {
  Section section(root, "disclosure");
  auto numbers = numbers_of(limits);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto& bound = kLimitBounds[i];
    auto count = numbers[i] / bound.unit;
    section.number(bound.key, count, bound.least, bound.most);
    numbers[i] = count * bound.unit;
  }
  TRY(section.finish());
  limits = TRY(limits_of(numbers));
  return {};
}

int strictness(FieldClass of_class) {
  // A service word is never readable; a secret is gone in a day.
  return of_class == kReference ? 0 : of_class == kContact ? 1 : 2;
}

}  // namespace

const char* to_text(FieldClass c) {
  return std::ranges::find(kClasses, c, &ClassWord::of_class)->word;
}
const char* to_text(FieldKind kind) { return kind_row(kind)->word; }

Result<FieldClass> parse_class(std::string_view word) {
  for (const auto& row : kClasses)
    if (word == row.word) return row.of_class;
  return fail(Errc::kMalformed, "no such class of fields");
}
Result<FieldKind> parse_kind(std::string_view word) {
  for (const auto& row : kKinds)
    if (word == row.word) return row.kind;
  return fail(Errc::kMalformed, "no such kind of field");
}

Status check_keep(const Keep& keep) {
  const bool within = keep.reference_days >= 1 && keep.reference_days <= kReferenceDaysMax &&
                      keep.contact_days >= 0 && keep.secret_hours >= 1 &&
                      keep.secret_hours <= kSecretHoursMax;
  if (!within) return fail(Errc::kConfig, "keep: beyond the bounds of docs/policy.md");
  return keep.contact_days <= keep.reference_days
             ? Status{}
             : fail(Errc::kConfig, "keep.contact_days is above keep.reference_days");
}

const FieldSpec* Policy::find(const std::string& id) const {
  const auto at = std::ranges::find(fields, id, &FieldSpec::id);
  return at == fields.end() ? nullptr : &*at;
}

Result<Policy> parse_policy(const std::string& text, const std::string& file) {
  const auto root = TRY(settings::parse(text, file));
  TRY(settings::check_sections(root, {"company", "keep", "disclosure", "field"}));
  Policy policy;
  Section company(root, "company");
  company.text("name", policy.company);
  company.text("contact", policy.contact);
  company.text("region", policy.region);
  TRY(company.finish());
  if (policy.region.size() != 2 ||
      !std::ranges::all_of(policy.region, [](char c) { return c >= 'A' && c <= 'Z'; }))
    return fail(Errc::kConfig, "company.region is a country's two capital letters, or ZZ");
  if (policy.company.empty() || policy.contact.empty())
    return fail(Errc::kConfig,
                "company.name and company.contact tell callers who keeps their data");
  Section keep(root, "keep");
  keep.number("reference_days", policy.keep.reference_days, 1, kReferenceDaysMax);
  keep.number("contact_days", policy.keep.contact_days, 0, kReferenceDaysMax);
  keep.number("secret_hours", policy.keep.secret_hours, 1, kSecretHoursMax);
  TRY(keep.finish());
  TRY(check_keep(policy.keep));
  TRY(read_limits(root, policy.limits));
  TRY(read_fields(root, policy.fields));
  return policy;
}

std::vector<std::string> relaxes(const Policy& now, const Policy& wanted) {
  std::vector<std::string> lines;
  const auto longer = [&](const char* what, std::int64_t before, std::int64_t after,
                          const char* from) {
    if (after > before)
      lines.push_back(std::string(what) + " goes from " + std::to_string(before) + " to " +
                      std::to_string(after) + ": only what is stored " + from + " is kept longer");
  };
  constexpr const char* kOfCases = "in cases that are opened from then on";
  longer("keep.reference_days", now.keep.reference_days, wanted.keep.reference_days, kOfCases);
  longer("keep.contact_days", now.keep.contact_days, wanted.keep.contact_days, kOfCases);
  longer("keep.secret_hours", now.keep.secret_hours, wanted.keep.secret_hours, "from then on");
  for (const auto& field : wanted.fields) {
    const auto* before = now.find(field.id);
    if (before == nullptr) continue;
    if (strictness(field.of_class) < strictness(before->of_class))
      lines.push_back(field.id + " goes from " + to_text(before->of_class) + " to " +
                      to_text(field.of_class) + ": what is stored keeps its class");
    if (field.kind != before->kind)
      lines.push_back(field.id + " becomes a " + to_text(field.kind) + ", and was a " +
                      to_text(before->kind) + ": give it another id");
  }
  return lines;
}

std::string default_policy_text() {
  return R"(# What is asked of customers, how long it is kept, what a disclosure takes.
# `callward policy check FILE` judges it; callers read it at /policy.

[company]
name = "Example Support"
contact = "privacy@calls.example"
# region = "US"              # whose numbers are written without a country code

[keep]
# reference_days = 365       # name, phone and query, after a case is closed
# contact_days = 30          # what can only be compared then, e-mail and address
# secret_hours = 24          # passwords, PINs, cards, codes: at most

[disclosure]
# assign_hours = 4           # until an expert has it
# ring_hours = 24            # until the customer was reached
# call_minutes = 60          # from ringing to the expert's verdict
# release_hours = 8
# window_minutes = 15        # open, unless less is said
# window_minutes_max = 60
# review_hours = 24
# call_seconds = 30          # a call-back that is shorter counts for nothing
# checks = 2                 # besides the call-back
# rings = 5
# number_days = 30           # a number that was changed since takes two people to release
# fields = 32

[[field]]
id = "name"
label = "Name"
kind = "name"
required = true
search = true

[[field]]
id = "phone"
label = "Phone"
kind = "phone"
required = true
search = true

[[field]]
id = "query"
label = "Query"
kind = "query"

[[field]]
id = "email"
label = "E-mail"
kind = "email"
search = true

[[field]]
id = "password"
label = "Password"
kind = "password"

[[field]]
id = "service_word"
label = "Service word"
kind = "service_word"
)";
}

}  // namespace callward::vault
