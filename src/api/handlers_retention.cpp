// Retention: how it stands, a run by hand, the owner's word after a stop.
#include "api/service.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {
namespace {

Result<Response> answer_of(const Result<keys::RetentionStatus>& status, int code = 200) {
  if (!status) return tl::unexpected<Error>(status.error());
  boost::system::error_code error;
  auto json = boost::json::parse(status->json, error);
  if (error || !json.is_object())
    return fail(Errc::kMalformed, "the keeper's answer is no JSON object");
  return Response::json(std::move(json.get_object()), code);
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

}  // namespace

void add_retention_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/system/retention", "getRetention",
                    guarded([&](const Request&) { return status(service); })});
  routes.push_back({"POST", "/v1/system/retention/runs", "runRetention",
                    guarded([&](const Request& r) { return run(service, r); })});
  routes.push_back({"POST", "/v1/system/retention/confirmation", "confirmRetention",
                    guarded([&](const Request& r) { return confirm(service, r); })});
}

}  // namespace callward::api
