// The verification: checks of which the expert learns whether they fit, one-time codes, and what
// was said with a step.
#include "api/customer_helpers.hpp"

namespace callward::api {
namespace {

// Of a request that this person may see at all; the keeper asks whose it is to verify.
Result<disclose::Request> seen(Service& service, const Acting& who, const RequestId& id) {
  auto found = TRY(CustomerTables(service.database).request(id, service.policy.limits));
  TRY(may_see(service, who, found));
  return found;
}
Result<disclose::Request> to_verify(Service& service, const Acting& who, const RequestId& id) {
  auto found = TRY(seen(service, who, id));
  if (found.expert != who.id)
    return fail(Errc::kDenied, "the expert to whom it was assigned does this");
  return found;
}

boost::json::object checked_json(const keys::Checked& checked) {
  return {{"match", checked.match},
          {"tries_left", std::int64_t{checked.tries_left}},
          {"passed", std::int64_t{checked.passed}}};
}

// What can only be compared has no record: the keeper has its token.
Result<Response> check_field(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(request_of(request));
  const auto found = TRY(to_verify(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  const auto leaf = static_cast<std::uint32_t>(TRY(body.number("leaf", 0, 0xFFFF'FFFF)));
  auto given = TRY(sealed_value(TRY(body.object("given"))));
  TRY(body.finish());
  const auto checked = TRY(service.keeper.call<keys::Checked>(
      keys::CheckField{.request = id,
                       .expert = who.id,
                       .field = TRY(CustomerTables(service.database).record(found.customer, leaf)),
                       .given = std::move(given)}));
  return Response::json(checked_json(checked));
}

Result<Response> send_code(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(request_of(request));
  const auto found = TRY(to_verify(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  const auto leaf = static_cast<std::uint32_t>(TRY(body.number("leaf", 0, 0xFFFF'FFFF)));
  TRY(body.finish());
  TRY(service.keeper.call<keys::Ack>(
      keys::SendCode{.request = id,
                     .expert = who.id,
                     .field = TRY(CustomerTables(service.database).record(found.customer, leaf))}));
  return Response::empty();
}

Result<Response> check_code(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(request_of(request));
  TRY(to_verify(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  auto given = TRY(sealed_value(TRY(body.object("given"))));
  TRY(body.finish());
  return Response::json(checked_json(TRY(service.keeper.call<keys::Checked>(
      keys::CheckCode{.request = id, .expert = who.id, .given = std::move(given)}))));
}

Result<Response> read_words(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(request_of(request));
  TRY(seen(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  const auto key = TRY(reader_key(body));
  TRY(body.finish());
  const auto number = TRY(number_of(request, "number"));
  const auto value = TRY(service.keeper.call<keys::ValueRead>(
      keys::ReadWords{.request = id,
                      .number = number,
                      .person = who.id,
                      .reader_key = key,
                      .statement = TRY(CustomerTables(service.database).statement(id, number))}));
  return Response::json(to_json(value), 201);
}

}  // namespace

void add_verification_routes(Service& service, std::vector<Route>& routes) {
  const auto act = [&service](Result<Response> (*handler)(Service&, const Request&)) {
    return guarded([&service, handler](const Request& r) { return handler(service, r); });
  };
  // A check is a try, and a code is sent: what is repeated with its key is not counted again.
  routes.push_back(
      {"POST", "/v1/requests/{id}/checks", "checkField", once(service, act(check_field))});
  routes.push_back({"POST", "/v1/requests/{id}/codes", "sendCode", once(service, act(send_code))});
  routes.push_back(
      {"POST", "/v1/requests/{id}/code-checks", "checkCode", once(service, act(check_code))});
  routes.push_back(
      {"POST", "/v1/requests/{id}/words/{number}/openings", "openWords", act(read_words)});
}

}  // namespace callward::api
