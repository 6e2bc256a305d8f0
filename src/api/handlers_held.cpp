// What is held for a person: who waits, and the decision.
#include <map>

#include "api/service.hpp"
#include "erase/reasons.hpp"

namespace callward::api {
namespace {

std::int64_t ms_of(std::uint32_t index) { return std::int64_t{index} * 100; }

// The held orders of one call, in the order of their first range.
Result<boost::json::array> held_orders(Service& service, const CallId& call) {
  const auto state = TRY(service.keeper.call<keys::CallState>(keys::CallStateRequest{call}));
  std::vector<OrderId> sequence;
  std::map<OrderId, boost::json::object> orders;
  for (const auto& held : state.erased) {
    if (held.outcome != keys::OrderOutcome::kHeld) continue;
    auto& order = orders[held.order];
    if (order.empty()) {
      sequence.push_back(held.order);
      order = {{"order", held.order.hex()},
               {"reason_code", held.reason},
               {"total_ms", 0},
               {"ranges", boost::json::array{}}};
    }
    order["ranges"].as_array().push_back({{"stream", store::stream_name(held.range.stream)},
                                          {"start_ms", ms_of(held.range.first)},
                                          {"end_ms", ms_of(held.range.end)}});
    order["total_ms"] =
        order["total_ms"].to_number<std::int64_t>() + ms_of(held.range.end - held.range.first);
  }
  boost::json::array out;
  for (const auto& id : sequence) out.push_back(std::move(orders[id]));
  return out;
}

Result<Response> list_held(Service& service) {
  const auto waiting = TRY(service.keeper.call<keys::HeldCalls>(keys::HeldCallsRequest{}));
  boost::json::array calls;
  for (const auto& id : waiting.calls) {
    const auto event = service.catalog.find(id);
    if (!event && event.error().code != Errc::kNotFound)
      return tl::unexpected<Error>(event.error());
    auto orders = TRY(held_orders(service, id));
    if (orders.empty()) continue;  // decided meanwhile
    calls.push_back({{"call", id.hex()},
                     {"started_at",
                      event ? boost::json::value(event->started_at) : boost::json::value(nullptr)},
                     {"orders", std::move(orders)}});
  }
  return Response::json({{"total", waiting.total}, {"calls", std::move(calls)}});
}

Result<Response> held_of_call(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  return Response::json(
      {{"call", event.call.hex()}, {"orders", TRY(held_orders(service, event.call))}});
}

Result<Response> decide(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  const auto order = OrderId::parse(request.parameters.at("order"));
  if (!order) return fail(Errc::kNotFound, "no such order");
  auto body = TRY(BodyReader::parse(request.body));
  const auto word = TRY(body.text("decision", 1, 8));
  const auto reason = TRY(body.text("reason", 3, 500));
  TRY(body.finish());
  if (word != "erase" && word != "keep") return fail(Errc::kMalformed, "decision is erase or keep");
  const bool erase = word == "erase";
  keys::DecideHeld message{
      .call = event.call,
      .order = *order,
      .decision = erase ? keys::HeldDecision::kErase : keys::HeldDecision::kKeep,
      .actor = request.actor(),
      .reason_hash = ""};
  message.reason_hash = TRY(
      seal_reason(service, event.call, message.actor, erase ? "held_erase" : "held_keep", reason));
  const auto decided = TRY(service.keeper.call<keys::HeldDecided>(message));
  OrderInfo info{event.call.hex(), "", decided.outcome};
  {
    const std::lock_guard lock(service.orders_mutex);
    const auto known = service.orders.find(order->hex());
    // The order's end may have been told before this answer was read: the later word stands.
    if (known != service.orders.end()) {
      if (known->second.outcome == keys::OrderOutcome::kErased)
        info.outcome = known->second.outcome;
      info.reason = known->second.reason;
    }
  }
  service.remember_order(order->hex(), info);
  return Response::json(order_json(order->hex(), info), erase ? 202 : 200);
}

}  // namespace

void add_held_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back(
      {"GET", "/v1/held", "listHeld", guarded([&](const Request&) { return list_held(service); })});
  routes.push_back({"GET", "/v1/calls/{id}/held", "listHeldOfCall",
                    guarded([&](const Request& r) { return held_of_call(service, r); })});
  routes.push_back({"POST", "/v1/calls/{id}/held/{order}/decision", "decideHeld",
                    once(service, guarded([&](const Request& r) { return decide(service, r); }))});
}

}  // namespace callward::api
