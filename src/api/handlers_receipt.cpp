// The receipt for a customer, as JSON or as text to be handed over.
#include <algorithm>
#include <iterator>

#include "api/customer_helpers.hpp"
#include "api/receipt.hpp"
#include "disclose/parts.hpp"

namespace callward::api {
namespace {

// Of each kind, of a customer, each of their requests, each of their calls. What was erased and who
// read it are kinds of their own: nobody who looks often pushes out what was erased.
constexpr std::int64_t kEntriesMax = 20'000;
using Kinds = std::vector<boost::json::array>;
const Kinds& kinds_of_fields() {
  static const Kinds kinds{
      {"fields_stored", "fields_void", "call_back_made", "fields_erase_intended", "erased"},
      {"query_read"},
      {"disclosure_step"}};
  return kinds;
}
const Kinds& kinds_of_calls() {
  static const Kinds kinds{{"erase_intended", "retention_intended", "erased"},
                           {"opened", "exported"}};
  return kinds;
}

// `read(kind)` for each kind; `whole` is false after it when there is more than is shown.
template <class Read>
Result<std::vector<LogRow>> of_kinds(const Kinds& kinds, bool& whole, const Read& read) {
  std::vector<LogRow> all;
  for (const auto& kind : kinds) {
    auto rows = TRY(read(kind));
    whole = whole && static_cast<std::int64_t>(rows.size()) < kEntriesMax;
    std::ranges::move(rows, std::back_inserter(all));
  }
  std::ranges::sort(all, {}, &LogRow::entry);
  return all;
}

// What the keeper still has of the customer; nothing: erased whole.
Result<std::optional<keys::CustomerState>> state_of(Service& service, const CustomerId& id) {
  auto state = service.keeper.call<keys::CustomerState>(keys::CustomerStateRequest{id});
  if (state) return std::move(*state);
  if (state.error().code == Errc::kNotFound) return std::nullopt;
  return tl::unexpected<Error>(state.error());
}

Result<Response> receipt_of(Service& service, const Request& request, const CustomerId& id,
                            const std::optional<keys::CustomerState>& state) {
  const auto format = request.query.find("format");
  const bool text = format != request.query.end() && format->second == "text";
  if (format != request.query.end() && !text && format->second != "json")
    return fail(Errc::kMalformed, "format is json or text");
  TRY(service.follow_customers());
  CustomerTables tables(service.database);
  ReceiptSource source{.customer = id, .made_at = service.clock.utc_ms()};
  const auto told_of = [&](const std::string& subject) {
    return of_kinds(kinds_of_fields(), source.whole, [&](const boost::json::array& kind) {
      return tables.log_of(subject, {}, kEntriesMax, kind);
    });
  };
  source.log = TRY(told_of(id.hex()));
  // One that is erased whole has a receipt still: the log says what became of it.
  if (source.log.empty()) return fail(Errc::kNotFound, "no such customer");
  if (state) {
    source.held = state->held;
    source.fields = state->fields;
  }
  for (const auto& one : TRY(tables.requests_of(id)))
    source.requests.push_back(
        {TRY(tables.known(one, service.policy.limits)), TRY(told_of(one.hex()))});
  for (const auto& call : recorded_calls(source))
    source.calls[call] =
        TRY(of_kinds(kinds_of_calls(), source.whole, [&](const boost::json::array& kind) {
          return tables.trail_of(call, kEntriesMax, kind);
        }));
  const auto json = receipt(source, service.policy);
  if (!text) return Response::json(json);
  Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"receipt-" + id.hex() + ".txt\"");
  response.body = receipt_text(json);
  return response;
}

// One that is erased whole has no part in anything any more: whoever leads may have its receipt.
Result<Response> give(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  const auto state = TRY(state_of(service, id));
  if (state) TRY(may_see(service, who, id));
  if (!state && (who.roles & disclose::kLeads) == 0)
    return fail(Errc::kNotFound, "no such customer");
  return receipt_of(service, request, id, state);
}

// As the keeper has it: our copy may be a moment behind.
Result<bool> is_confirmed(Service& service, const RequestId& id) {
  const auto running = TRY(running_of(service, id));
  if (!running) return false;
  const auto* state = running->if_contains("state");
  const auto* end = running->if_contains("deadline");
  return state != nullptr && *state == disclose::to_text(disclose::State::kConfirmed) &&
         end != nullptr && end->is_int64() && service.keepers_clock.utc_ms() < end->get_int64();
}

// For who was called and asked what is kept: while it is confirmed that it was the customer, and to
// who asked for it. That it was handed over is an entry.
Result<Response> give_asked(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto found = TRY(visible(service, who, TRY(request_of(request))));
  if (who.id != found.requester) return fail(Errc::kDenied, "who asked hands it over");
  if (!TRY(is_confirmed(service, found.id)))
    return fail(Errc::kState, "nobody has confirmed that it is the customer, or it is over");
  auto response =
      TRY(receipt_of(service, request, found.customer, TRY(state_of(service, found.customer))));
  TRY(service.log("receipt_given", request.actor(), found.id.hex(), {}));
  return response;
}

}  // namespace

void add_receipt_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/customers/{id}/receipt", "getCustomerReceipt",
                    guarded([&](const Request& r) { return give(service, r); })});
  routes.push_back({"GET", "/v1/requests/{id}/receipt", "getRequestReceipt",
                    guarded([&](const Request& r) { return give_asked(service, r); })});
}

}  // namespace callward::api
