// Whole calls erased by two persons, and legal holds.
#include "api/service.hpp"
#include "erase/reasons.hpp"

namespace callward::api {
namespace {

// The first of two: the order is held, and another person confirms it as any held order.
Result<Response> erase_call(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  auto body = TRY(BodyReader::parse(request.body));
  const auto code = TRY(body.text("reason_code", 1, 32));
  const auto reason = TRY(body.text("reason", 3, 500));
  TRY(body.finish());
  if (!erase::reason_number(code)) return fail(Errc::kMalformed, "unknown reason code");
  const keys::EraseCall message{OrderId::random(service.entropy), event.call, code,
                                request.actor()};
  TRY(seal_reason(service, event.call, message.actor, "erase_call", reason));
  const auto accepted = TRY(service.keeper.call<keys::OrderAccepted>(message));
  const OrderInfo info{event.call.hex(), code, accepted.outcome};
  service.remember_order(message.order.hex(), info);
  return Response::json(order_json(message.order.hex(), info), 202);
}

Result<Response> set_hold(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  auto body = TRY(BodyReader::parse(request.body));
  const auto word = TRY(body.text("state", 1, 8));
  const auto reason = TRY(body.text("reason", 3, 500));
  TRY(body.finish());
  if (word != "set" && word != "lifted") return fail(Errc::kMalformed, "state is set or lifted");
  keys::SetHold message{event.call, word == "set", request.actor(), ""};
  message.reason_hash =
      TRY(seal_reason(service, event.call, message.actor, "hold_" + word, reason));
  TRY(service.keeper.call<keys::Ack>(message));
  return Response::json({{"call", event.call.hex()}, {"hold", message.on}});
}

Result<Response> list_holds(Service& service) {
  const auto holds = TRY(service.keeper.call<keys::Holds>(keys::HoldsRequest{}));
  boost::json::array calls;
  for (const auto& id : holds.calls) calls.emplace_back(id.hex());
  return Response::json({{"total", holds.total}, {"calls", std::move(calls)}});
}

}  // namespace

void add_whole_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back(
      {"POST", "/v1/calls/{id}/whole-erasure", "eraseCall",
       once(service, guarded([&](const Request& r) { return erase_call(service, r); }))});
  routes.push_back({"POST", "/v1/calls/{id}/hold", "setHold",
                    guarded([&](const Request& r) { return set_hold(service, r); })});
  routes.push_back({"GET", "/v1/holds", "listHolds",
                    guarded([&](const Request&) { return list_holds(service); })});
}

}  // namespace callward::api
