#include "api/customer_helpers.hpp"

#include <algorithm>
#include <charconv>

#include "crypto/sha256.hpp"
#include "disclose/parts.hpp"
#include "disclose/reminder.hpp"
#include "vault/customer.hpp"
#include "vault/policy_page.hpp"

namespace callward::api {

using people::Role;

Result<Acting> acting(const Request& request) {
  if (!request.session) return fail(Errc::kDenied, "a person does this, not the command line");
  return Acting{request.session->person.id, request.session->person.roles};
}

// ---- whose --------------------------------------------------------------------------------------

Result<CustomerId> customer_of(const Request& request) {
  const auto id = CustomerId::parse(request.parameters.at("id"));
  if (!id || id->is_zero()) return fail(Errc::kNotFound, "no such customer");
  return *id;
}

Result<RequestId> request_of(const Request& request) {
  const auto id = RequestId::parse(request.parameters.at("id"));
  if (!id || id->is_zero()) return fail(Errc::kNotFound, "no such request");
  return *id;
}

Result<std::uint32_t> number_of(const Request& request, const char* name) {
  const auto& text = request.parameters.at(name);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size())
    return fail(Errc::kNotFound, std::string("no such ") + name);
  return number;
}

Status may_see(Service& service, const Acting& who, const CustomerId& customer) {
  CustomerTables tables(service.database);
  // An agent has those whom a look-up found, or who began with them: not whose id they know.
  const auto at_hand = [&] {
    return who.is(Role::kAgent) &&
           service.in_hand.has(who.id, customer, service.clock.monotonic_ms());
  };
  if ((who.roles & disclose::kLeads) != 0 || at_hand() || TRY(tables.works_for(who.id, customer)) ||
      TRY(tables.has_part(who.id, customer)))
    return {};
  // Whoever may release it has to know what it is about.
  if (who.is(Role::kAuthorised) && TRY(tables.is_asked_for(customer))) return {};
  return fail(Errc::kNotFound, "no such customer");
}

Status may_see(Service& service, const Acting& who, const disclose::Request& request) {
  return (who.roles & kLookAtAll) != 0 ||
                 who_see(*TRY(service.roster.chart()), request).contains(who.id)
             ? Status{}
             : fail(Errc::kNotFound, "no such request");
}

std::set<PersonId> who_see(const people::Chart& chart, const disclose::Request& request) {
  std::set<PersonId> people{request.requester, request.expert, request.released_by, request.second};
  people.erase(PersonId{});
  const auto above = chart.superiors_of(request.requester);
  people.insert(above.begin(), above.end());
  return people;
}

Result<disclose::Request> visible(Service& service, const Acting& who, const RequestId& id) {
  CustomerTables tables(service.database);
  auto found = tables.request(id, service.policy.limits);
  if (!found && found.error().code == Errc::kNotFound && service.follow_customers())
    found = tables.request(id, service.policy.limits);
  if (!found) return found;
  TRY(may_see(service, who, *found));
  return found;
}

Result<std::optional<boost::json::object>> running_of(Service& service, const RequestId& id) {
  const auto state = service.keeper.call<keys::RequestState>(keys::RequestStateRequest{id});
  if (!state && state.error().code == Errc::kNotFound) return std::nullopt;
  return TRY(object_of(state));
}

// ---- sealed values ------------------------------------------------------------------------------

Result<keys::SealedValue> sealed_value(BodyReader body) {
  keys::SealedValue value;
  value.key = static_cast<std::uint32_t>(TRY(body.number("key", 0, 0xFFFF'FFFF)));
  const auto enc = from_base64(TRY(body.text("enc", 1, 64)));
  auto ciphertext = from_base64(TRY(body.text("ciphertext", 1, kSealedBytesMax * 4 / 3 + 4)));
  TRY(body.finish());
  if (!enc || enc->size() != value.enc.size() || !ciphertext)
    return fail(Errc::kMalformed, "enc and ciphertext are base64, enc of 32 bytes");
  if (ciphertext->size() > kSealedBytesMax) return fail(Errc::kTooLarge, "a value over its limit");
  std::ranges::copy(*enc, value.enc.begin());
  value.ciphertext = std::move(*ciphertext);
  return value;
}

boost::json::object found_json(Service& service, const Acting& who,
                               const keys::FoundCustomers& found) {
  boost::json::array customers;
  for (const auto& one : found.customers) {
    service.in_hand.note(who.id, one.customer, service.clock.monotonic_ms());
    boost::json::array open;
    for (const auto number : one.open_cases) open.emplace_back(std::int64_t{number});
    customers.push_back({{"customer", one.customer.hex()}, {"open_cases", std::move(open)}});
  }
  return {{"customers", std::move(customers)}};
}

boost::json::object to_json(const keys::ValueRead& value) {
  return {{"enc", to_base64(value.enc)}, {"sealed", to_base64(value.sealed)}};
}

Result<std::array<std::uint8_t, 32>> reader_key(BodyReader& body) {
  const auto raw = from_base64(TRY(body.text("reader_key", 1, 64)));
  std::array<std::uint8_t, 32> key{};
  if (!raw || raw->size() != key.size())
    return fail(Errc::kMalformed, "reader_key must be 32 bytes of base64");
  std::ranges::copy(*raw, key.begin());
  return key;
}

Result<Reason> reason_of(Service& service, BodyReader& body) {
  const auto reason = TRY(body.text("reason", 3, 500));
  const auto r = service.entropy.array<16>();
  return Reason{to_hex(r), to_hex(crypto::sha256({r, as_bytes(reason)}))};
}

// ---- as JSON ------------------------------------------------------------------------------------

// By the days that are in force for this one, which may be more than a policy states by now.
std::string kept_for(const keys::FieldState& field, const vault::Policy& policy) {
  const std::int64_t days = field.kept_days;
  return vault::kept_for(
      static_cast<vault::FieldClass>(field.of_class),
      {.reference_days = days, .contact_days = days, .secret_hours = policy.keep.secret_hours});
}

boost::json::object field_json(const Service& service, const keys::FieldState& field) {
  const auto* spec = service.policy.find(field.field);
  const auto of_class = static_cast<vault::FieldClass>(field.of_class);
  return {{"field", field.field},
          {"label", spec != nullptr ? spec->label : field.field},
          {"case", std::int64_t{field.of_case}},
          {"leaf", std::int64_t{field.leaf}},
          {"kind", vault::to_text(static_cast<vault::FieldKind>(field.kind))},
          {"class", vault::to_text(of_class)},
          {"state", vault::to_text(static_cast<vault::FieldState>(field.state))},
          {"stored_at", field.stored_at},
          {"gone_at", field.gone_at},
          {"kept", kept_for(field, service.policy)}};
}

std::string attestation_in(const std::vector<std::string>& flags) {
  const auto at = std::ranges::find_if(
      flags, [](const std::string& flag) { return flag.starts_with("attest"); });
  return at == flags.end() ? std::string() : *at;
}

boost::json::object names_of(Service& service, const std::set<std::string>& ids) {
  boost::json::object names;
  for (const auto& id : ids) {
    if (!PersonId::parse(id)) continue;
    const auto rows = service.database.query("SELECT name FROM persons WHERE id = ?1", {id});
    if (rows && !rows->empty()) names[id] = (*rows)[0].text(0);
  }
  return names;
}

// ---- who may go on ------------------------------------------------------------------------------

Result<Today> today(Service& service) {
  auto chart = TRY(service.roster.chart());
  const disclose::World world{*chart, service.policy.limits, service.keepers_clock.utc_ms()};
  return Today{std::move(chart), world, TRY(service.people.on_duty())};
}

bool no_expert_on_duty(const disclose::Request& request, const Today& today) {
  return disclose::lacks_expert(request, *today.chart, today.on_duty);
}

bool lacks_somebody(const disclose::Request& request, const Today& today) {
  return no_expert_on_duty(request, today) || disclose::lacks_releaser(request, today.world);
}

boost::json::array next_json(const disclose::Request& request, const PersonId& who,
                             const Today& today) {
  const bool no_expert = no_expert_on_duty(request, today);
  const bool no_releaser = disclose::lacks_releaser(request, today.world);
  const auto who_may = [&](disclose::EventKind kind) -> std::string {
    using enum disclose::EventKind;
    if (kind == kAssign && no_expert) return "nobody: no expert is on duty who may take it";
    if ((kind == kRelease || kind == kBreak) && no_releaser)
      return "nobody: there is no authorised person who may";
    return std::string(disclose::who_may(kind));
  };
  boost::json::array out;
  for (const auto kind : disclose::possible(request)) {
    const auto why = disclose::why_not(request, kind, who, today.world);
    out.push_back({{"step", disclose::to_text(kind)},
                   {"who", who_may(kind)},
                   {"me", why == disclose::WhyNot::kNothing ? "yes" : "no"},
                   {"why", disclose::to_text(why)}});
  }
  return out;
}

}  // namespace callward::api
