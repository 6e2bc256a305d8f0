// One-time forms: a customer types one value of an open case, by a link. The token stands in the
// link's fragment, which no server and no log sees, and comes as a header; only its SHA-256 is
// kept. It takes one value, once, for half an hour.
#include "api/customer_helpers.hpp"
#include "crypto/sha256.hpp"
#include "vault/policy_page.hpp"

namespace callward::api {
namespace {

constexpr const char* kTokenHeader = "x-form-token";
constexpr std::size_t kTokenBytes = 32;

Result<std::string> token_hash(const Request& request) {
  const auto raw = from_hex(request.header(kTokenHeader));
  if (!raw || raw->size() != kTokenBytes)
    return fail(Errc::kNotFound, "this link is not valid any more; ask for a new one");
  return to_hex(crypto::sha256(*raw));
}

Status within_limit(Service& service, const Request& request) {
  return service.form_tries.may(request.peer) ? Status{}
                                              : fail(Errc::kBusy, "too many tries; wait a minute");
}

Result<Response> make(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  TRY(may_see(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  const auto field = TRY(body.text("field", 1, 32));
  TRY(body.finish());
  if (service.policy.find(field) == nullptr)
    return fail(Errc::kMalformed, "the policy knows no such field");
  CustomerTables tables(service.database);
  const auto of_case = TRY(number_of(request, "case"));
  const auto row = TRY(tables.find_case(id, of_case));
  if (!row || row->closed_at != 0) return fail(Errc::kNotFound, "no such open case");
  const auto token = service.entropy.array<kTokenBytes>();
  const auto now = service.clock.utc_ms();
  const Form form{.token_hash = to_hex(crypto::sha256(token)),
                  .customer = id,
                  .of_case = of_case,
                  .field = field,
                  .by = who.id,
                  .until = now + CustomerTables::kFormMs};
  TRY(tables.make_form(form, now));
  return Response::json({{"url", service.origin + "/form#" + to_hex(token)}, {"until", form.until}},
                        201);
}

// No personal data: whoever has the link learns what the company asks, and nothing of whom.
Result<Response> show(Service& service, const Request& request) {
  TRY(within_limit(service, request));
  const auto form =
      TRY(CustomerTables(service.database).form(TRY(token_hash(request)), service.clock.utc_ms()));
  const auto* spec = service.policy.find(form.field);
  if (spec == nullptr) return fail(Errc::kNotFound, "the policy asks for this no more");
  const auto key = TRY(service.keeper.call<keys::IntakeKey>(keys::IntakeKeyRequest{}));
  return Response::json({{"company", service.policy.company},
                         {"contact", service.policy.contact},
                         {"field", spec->id},
                         {"label", spec->label},
                         {"kind", vault::to_text(spec->kind)},
                         {"class", vault::to_text(spec->of_class)},
                         {"kept", vault::kept_for(spec->of_class, service.policy.keep)},
                         {"until", form.until},
                         {"key", std::int64_t{key.key}},
                         {"public_key", to_base64(key.public_key)}});
}

// Whoever is first has the form; a value that the keeper does not take gives it back, so often.
Result<Response> send(Service& service, const Request& request) {
  TRY(within_limit(service, request));
  auto body = TRY(BodyReader::parse(request.body));
  const auto intake = keys::IntakeId{fixed<16>(TRY(body.hex("intake", 16)))};
  auto value = TRY(sealed_value(TRY(body.object("value"))));
  TRY(body.finish());
  CustomerTables tables(service.database);
  const auto now = service.clock.utc_ms();
  const auto form = TRY(tables.form(TRY(token_hash(request)), now));
  if (!TRY(tables.use_form(form.token_hash, now)))
    return fail(Errc::kNotFound, "this link is not valid any more; ask for a new one");
  keys::StoreFields message{
      .intake = intake, .actor = "customer", .customer = form.customer, .of_case = form.of_case};
  message.fields.push_back({form.field, std::move(value)});
  const auto stored = of_sender(service.keeper.call<keys::FieldsStored>(message));
  if (!stored) {
    // Of one that did not answer in time nobody knows whether it took it: the form stays used.
    if (stored.error().code != Errc::kTimeout) TRY(tables.give_form_back(form.token_hash));
    return tl::unexpected<Error>(stored.error());
  }
  for (const auto& field : stored->fields)
    TRY(tables.keep_field(stored->customer, stored->of_case, field));
  return Response::empty();
}

}  // namespace

void add_form_routes(Service& service, std::vector<Route>& routes) {
  // Each link is another one, and is shown once: nothing of it is kept for a repetition.
  routes.push_back({"POST", "/v1/customers/{id}/cases/{case}/forms", "makeForm",
                    guarded([&](const Request& r) { return make(service, r); })});
  routes.push_back(
      {"GET", "/v1/form", "getForm", guarded([&](const Request& r) { return show(service, r); })});
  routes.push_back({"POST", "/v1/form", "sendForm",
                    guarded([&](const Request& r) { return send(service, r); })});
}

}  // namespace callward::api
