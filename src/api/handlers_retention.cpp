// Retention: how it stands, a run by hand, the owner's word after a stop; and of customers' fields,
// how far it is and what a policy would take.
#include <algorithm>

#include "api/customer_helpers.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {
namespace {

Result<Response> answer_of(const Result<keys::RetentionStatus>& status, int code = 200) {
  return Response::json(TRY(object_of(status)), code);
}

Result<Response> status(Service& service) {
  return answer_of(service.keeper.call<keys::RetentionStatus>(keys::RetentionStatusRequest{}));
}

Result<Response> run(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const bool dry_run = TRY(body.flag("dry_run"));
  TRY(body.finish());
  return answer_of(
      service.keeper.call<keys::RetentionStatus>(keys::RunRetention{request.actor(), dry_run}),
      dry_run ? 200 : 202);
}

// There is no call whose data the reason could be sealed with, as with a mirror's retirement: who
// confirms keeps it, and the number that makes its hash in the log provable.
Result<Response> confirm(Service& service, const Request& request) {
  constexpr std::int64_t kCallsMax = std::int64_t{1} << 40;
  auto body = TRY(BodyReader::parse(request.body));
  const auto calls = TRY(body.number("calls", 0, kCallsMax));
  const auto reason = TRY(body.text("reason", 3, 500));
  TRY(body.finish());
  const auto r = service.entropy.array<16>();
  const auto hash = to_hex(crypto::sha256({r, as_bytes(reason)}));
  auto response = TRY(answer_of(service.keeper.call<keys::RetentionStatus>(
      keys::ConfirmRetention{request.actor(), static_cast<std::uint64_t>(calls), hash})));
  auto json = boost::json::parse(response.body).as_object();
  json["r"] = to_hex(r);
  json["reason_hash"] = hash;
  return Response::json(std::move(json));
}

Result<Response> field_status(Service& service) {
  return Response::json(
      TRY(object_of(service.keeper.call<keys::FieldRetention>(keys::FieldRetentionRequest{}))));
}

// The file is read here and what it says of days and hours goes to the keeper, which takes no text.
Result<Response> dry_run_fields(Service& service, const Request& request) {
  constexpr std::size_t kPolicyBytesMax = 128u << 10;
  auto body = TRY(BodyReader::parse(request.body));
  const auto text = TRY(body.optional_text("policy", kPolicyBytesMax));
  TRY(body.finish());
  keys::ForecastFields message;
  boost::json::array relaxes;
  if (!text.empty()) {
    const auto wanted = vault::parse_policy(text, "policy");
    if (!wanted) return fail(Errc::kMalformed, wanted.error().message);
    const auto& keep = wanted->keep;
    message = {.in_force = false,
               .reference_days = static_cast<std::uint32_t>(keep.reference_days),
               .contact_days = static_cast<std::uint32_t>(keep.contact_days),
               .secret_hours = static_cast<std::uint32_t>(keep.secret_hours)};
    for (const auto& line : vault::relaxes(service.policy, *wanted)) relaxes.emplace_back(line);
  }
  auto json = TRY(object_of(service.keeper.call<keys::FieldRetention>(message)));
  json["relaxes"] = std::move(relaxes);
  return Response::json(std::move(json), 202);
}

// The owner's own words come hashed: they are between them and whoever asks them one day.
Result<Response> confirm_fields(Service& service, const Request& request) {
  constexpr std::int64_t kCustomersMax = std::int64_t{1} << 40, kNumberMax = 100'000;
  auto body = TRY(BodyReader::parse(request.body));
  keys::ConfirmFieldRetention message{.by = request.session->person.id};
  message.customers = static_cast<std::uint64_t>(TRY(body.number("customers", 0, kCustomersMax)));
  auto keep = TRY(body.object("keep"));
  const auto number = [&keep](const char* name) -> Result<std::uint32_t> {
    return static_cast<std::uint32_t>(TRY(keep.number(name, 0, kNumberMax)));
  };
  message.reference_days = TRY(number("reference_days"));
  message.contact_days = TRY(number("contact_days"));
  message.secret_hours = TRY(number("secret_hours"));
  TRY(keep.finish());
  message.stop = TRY(body.text("stop", 0, 16));
  std::ranges::copy(TRY(body.bytes("nonce", 16, 16)), message.nonce.begin());
  std::ranges::copy(TRY(body.bytes("reason_hash", 32, 32)), message.reason_hash.begin());
  message.signature = boost::json::serialize(people::to_json(TRY(signature_of(body))));
  TRY(body.finish());
  return Response::json(TRY(object_of(service.keeper.call<keys::FieldRetention>(message))));
}

}  // namespace

void add_retention_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/system/retention", "getRetention",
                    guarded([&](const Request&) { return status(service); })});
  routes.push_back({"POST", "/v1/system/retention/runs", "runRetention",
                    guarded([&](const Request& r) { return run(service, r); })});
  routes.push_back({"POST", "/v1/system/retention/confirmation", "confirmRetention",
                    guarded([&](const Request& r) { return confirm(service, r); })});
  routes.push_back({"GET", "/v1/system/retention/fields", "getFieldRetention",
                    guarded([&](const Request&) { return field_status(service); })});
  routes.back().polls = true;  // of every screen of an owner, for the banner
  routes.push_back({"POST", "/v1/system/retention/fields/confirmation", "confirmFieldRetention",
                    guarded([&](const Request& r) { return confirm_fields(service, r); })});
  routes.push_back({"POST", "/v1/system/retention/fields/dry-runs", "dryRunFieldRetention",
                    guarded([&](const Request& r) { return dry_run_fields(service, r); })});
}

}  // namespace callward::api
