// The receipt for a customer, as JSON or as text to be handed over.
#include "api/customer_helpers.hpp"
#include "api/receipt.hpp"

namespace callward::api {
namespace {

constexpr std::int64_t kEntriesMax = 20'000;  // of a customer, and of each of their requests

Result<Response> give(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  const auto format = request.query.find("format");
  const bool text = format != request.query.end() && format->second == "text";
  if (format != request.query.end() && !text && format->second != "json")
    return fail(Errc::kMalformed, "format is json or text");
  TRY(service.follow_customers());
  CustomerTables tables(service.database);
  ReceiptSource source{.customer = id, .made_at = service.clock.utc_ms()};
  source.log = TRY(tables.log_of(id.hex(), {}, kEntriesMax));
  // One that is erased whole has a receipt still: the log says what became of it.
  if (source.log.empty()) return fail(Errc::kNotFound, "no such customer");
  const auto state = service.keeper.call<keys::CustomerState>(keys::CustomerStateRequest{id});
  if (!state && state.error().code != Errc::kNotFound) return tl::unexpected<Error>(state.error());
  if (state) {
    TRY(may_see(service, who, id));
    source.held = state->held;
    source.fields = state->fields;
  }
  for (const auto& one : TRY(tables.requests_of(id)))
    source.requests.push_back({TRY(tables.request(one, service.policy.limits)),
                               TRY(tables.log_of(one.hex(), {}, kEntriesMax))});
  const auto json = receipt(source, service.policy);
  if (!text) return Response::json(json);
  Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"receipt-" + id.hex() + ".txt\"");
  response.body = receipt_text(json);
  return response;
}

}  // namespace

void add_receipt_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/customers/{id}/receipt", "getCustomerReceipt",
                    guarded([&](const Request& r) { return give(service, r); })});
}

}  // namespace callward::api
