// What people type: sealed to the keeper before it leaves the browser, passed on, and kept as the
// ciphertext that the keeper makes of it. And the policy, for forms and for callers.
#include "api/customer_helpers.hpp"
#include "vault/policy_page.hpp"

namespace callward::api {
namespace {

constexpr std::size_t kFieldsMax = 32;

Result<Response> intake_key(Service& service) {
  const auto key = TRY(service.keeper.call<keys::IntakeKey>(keys::IntakeKeyRequest{}));
  return Response::json({{"key", std::int64_t{key.key}},
                         {"public_key", to_base64(key.public_key)},
                         {"seconds", key.seconds}});
}

Response policy(const Service& service) {
  const auto& p = service.policy;
  boost::json::array fields;
  for (const auto& spec : p.fields)
    fields.push_back({{"id", spec.id},
                      {"label", spec.label},
                      {"kind", vault::to_text(spec.kind)},
                      {"class", vault::to_text(spec.of_class)},
                      {"required", spec.required},
                      {"search", spec.search},
                      {"kept", vault::kept_for(spec.of_class, p.keep)}});
  const auto& l = p.limits;
  return Response::json({{"company", p.company},
                         {"contact", p.contact},
                         {"region", p.region},
                         {"fields", std::move(fields)},
                         {"fields_max", kFieldsMax},
                         {"limits",
                          {{"assign_ms", l.assign_ms},
                           {"ring_ms", l.ring_ms},
                           {"call_ms", l.call_ms},
                           {"release_ms", l.release_ms},
                           {"window_ms", l.window_ms},
                           {"window_ms_max", l.window_ms_max},
                           {"review_ms", l.review_ms},
                           {"call_seconds_min", l.call_seconds_min},
                           {"checks_min", std::int64_t{l.checks_min}},
                           {"rings_max", std::int64_t{l.rings_max}},
                           {"fields_max", l.fields_max}}}});
}

Response page(const Service& service) {
  Response response;
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.body = vault::policy_page(service.policy);
  return response;
}

// In which live call it was typed the server says, not the browser.
Result<Response> store(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  auto body = TRY(BodyReader::parse(request.body));
  keys::StoreFields message{.actor = who.id.hex()};
  message.intake = keys::IntakeId{fixed<16>(TRY(body.hex("intake", 16)))};
  message.customer = CustomerId{fixed<16>(TRY(body.optional_hex("customer", 16)))};
  message.of_case =
      static_cast<std::uint32_t>(TRY(body.optional_number("case", 0, 0xFFFF'FFFF)).value_or(0));
  for (auto& field : TRY(body.objects("fields", kFieldsMax))) {
    keys::TypedField typed{.field = TRY(field.text("field", 1, 32)),
                           .value = TRY(sealed_value(TRY(field.object("value"))))};
    TRY(field.finish());
    message.fields.push_back(std::move(typed));
  }
  TRY(body.finish());
  if (message.customer.is_zero() && message.of_case != 0)
    return fail(Errc::kMalformed, "a case is a customer's: say whose");
  if (!message.customer.is_zero()) TRY(may_see(service, who, message.customer));
  if (service.extension_of)
    if (const auto live = service.live_calls.at(service.extension_of(who.id));
        live && !live->call_back)  // nothing is typed in one
      message.call = live->call;
  const auto stored = TRY(of_sender(service.keeper.call<keys::FieldsStored>(message)));
  // With what others typed meanwhile: a sync of the disk for all of it.
  TRY(service.database.write([&]() -> Status {
    CustomerTables tables(service.database);
    for (const auto& field : stored.fields)
      TRY(tables.keep_field(stored.customer, stored.of_case, field));
    if (message.of_case == 0)
      TRY(tables.keep_case({.customer = stored.customer,
                            .number = stored.of_case,
                            .opened_at = service.clock.utc_ms(),
                            .opened_by = who.id,
                            .call = message.call}));
    return {};
  }));
  service.in_hand.note(who.id, stored.customer, service.clock.monotonic_ms());
  boost::json::array fields;
  for (const auto& field : stored.fields)
    fields.push_back({{"field", field.field},
                      {"leaf", std::int64_t{field.leaf}},
                      {"class", vault::to_text(static_cast<vault::FieldClass>(field.of_class))},
                      {"gone_at", field.gone_at}});
  return Response::json({{"customer", stored.customer.hex()},
                         {"case", std::int64_t{stored.of_case}},
                         {"call", message.call.is_zero() ? "" : message.call.hex()},
                         {"fields", std::move(fields)}},
                        201);
}

Result<Response> look_up(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  auto body = TRY(BodyReader::parse(request.body));
  keys::LookUp message{.actor = who.id.hex(),
                       .field = TRY(body.text("field", 1, 32)),
                       .value = TRY(sealed_value(TRY(body.object("value"))))};
  TRY(body.finish());
  return Response::json(
      found_json(service, who, TRY(of_sender(service.keeper.call<keys::FoundCustomers>(message)))));
}

}  // namespace

void add_intake_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/intake-key", "getIntakeKey",
                    guarded([&](const Request&) { return intake_key(service); })});
  routes.push_back(
      {"GET", "/v1/policy", "getPolicy", [&](const Request&) { return policy(service); }});
  routes.push_back({"GET", "/policy", "policyPage", [&](const Request&) { return page(service); }});
  routes.push_back({"POST", "/v1/intakes", "storeIntake",
                    once(service, guarded([&](const Request& r) { return store(service, r); }))});
  // A logged act each time: sent again it is asked again.
  routes.push_back({"POST", "/v1/lookups", "lookUp",
                    guarded([&](const Request& r) { return look_up(service, r); })});
}

}  // namespace callward::api
