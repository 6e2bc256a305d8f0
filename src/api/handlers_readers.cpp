// Keys of browsers beside the one that a session began with: a page that was loaded anew, and a
// command line that reads in somebody's name, once that person's passkey has signed its key.
#include <algorithm>

#include "api/service.hpp"

namespace callward::api {
namespace {

// Taken by the keeper, or not kept. What the session had too many of the keeper forgets.
Status take_reader(Service& service, const Request& request, SignedReader& given) {
  if (request.session->by != people::CameBy::kPasskey)
    return fail(Errc::kDenied, "sign in with a passkey first");
  given.reader.session = request.session->id;
  TRY(check_reader(service, given));
  const auto gone = TRY(service.people.add_reader(given.reader));
  const auto& reader = given.reader;
  const auto put = service.keeper.call<keys::Ack>(reader_put(reader));
  if (!put) {
    (void)service.people.forget_reader(reader.key);
    return tl::unexpected<Error>(put.error());
  }
  for (const auto& one : gone)
    (void)service.keeper.call<keys::Ack>(keys::ReaderDrop{one.person, one.key});
  return {};
}

Result<Response> add(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  auto given = TRY(signed_reader_of(body, request.session->person.id));
  TRY(body.finish());
  TRY(take_reader(service, request, given));
  return Response::json({{"reader_key", to_hex(given.reader.key)}}, 201);
}

Result<Response> ask(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  ReaderRequest wanted;
  std::ranges::copy(TRY(body.bytes("reader_key", 32, 32)), wanted.key.begin());
  wanted.scope.call = TRY(CallId::parse(TRY(body.text("call", 32, 32))));
  wanted.scope.purpose = TRY(purpose_of(body));
  wanted.what = TRY(body.text("what", 1, 200));
  TRY(body.finish());
  const auto id = to_hex(service.entropy.array<16>());
  TRY(service.desk.reader_requests.put(id, "operator", wanted, service.clock.monotonic_ms()));
  return Response::json({{"reader_request", id},
                         {"address", service.origin + "/consent?request=" + id},
                         {"seconds", Desk::kReaderRequestMs / 1'000}},
                        201);
}

Result<ReaderRequest> found(Service& service, const Request& request) {
  auto wanted =
      service.desk.reader_requests.look(request.parameters.at("id"), service.clock.monotonic_ms());
  if (!wanted) return fail(Errc::kNotFound, "no such request, or its time is over");
  return std::move(*wanted);
}

Result<Response> look(Service& service, const Request& request) {
  const auto wanted = TRY(found(service, request));
  return Response::json({{"reader_key", to_hex(wanted.key)},
                         {"call", wanted.scope.call.hex()},
                         {"purpose", keys::to_text(wanted.scope.purpose)},
                         {"what", wanted.what},
                         {"person", wanted.person ? wanted.person->hex() : std::string()},
                         {"at", service.keepers_clock.utc_ms()}});
}

Result<Response> sign(Service& service, const Request& request) {
  auto wanted = TRY(found(service, request));
  auto body = TRY(BodyReader::parse(request.body));
  auto given = TRY(signed_reader_of(body, request.session->person.id));
  TRY(body.finish());
  if (wanted.person) return fail(Errc::kState, "somebody has signed it already");
  if (given.reader.key != wanted.key)
    return fail(Errc::kMalformed, "another key than the command line's");
  given.reader.call = wanted.scope.call;
  given.reader.purpose = static_cast<std::uint8_t>(wanted.scope.purpose);
  TRY(take_reader(service, request, given));
  wanted.person = request.session->person.id;
  if (!service.desk.reader_requests.replace(request.parameters.at("id"), wanted,
                                            service.clock.monotonic_ms()))
    return fail(Errc::kNotFound, "its time is over");
  return Response::empty();
}

// The command line is done, or gave up.
Result<Response> end(Service& service, const Request& request) {
  const auto wanted = TRY(found(service, request));
  (void)service.desk.reader_requests.take(request.parameters.at("id"),
                                          service.clock.monotonic_ms());
  if (wanted.person) {
    TRY(service.people.forget_reader(wanted.key));
    TRY(service.keeper.call<keys::Ack>(keys::ReaderDrop{*wanted.person, wanted.key}));
  }
  return Response::empty();
}

}  // namespace

Result<std::string> actor_of(Service& service, const Request& request,
                             const std::string& reader_request) {
  if (reader_request.empty()) return request.actor();
  if (!request.is_operator) return fail(Errc::kMalformed, "a reader_request is the command line's");
  const auto wanted =
      service.desk.reader_requests.look(reader_request, service.clock.monotonic_ms());
  if (!wanted || !wanted->person) return fail(Errc::kDenied, "nobody has signed this key");
  return wanted->person->hex();
}

void add_reader_routes(Service& service, std::vector<Route>& routes) {
  const auto act = [&service](Result<Response> (*handler)(Service&, const Request&)) {
    return guarded([&service, handler](const Request& r) { return handler(service, r); });
  };
  routes.push_back({"POST", "/v1/own/readers", "addReader", act(add)});
  routes.push_back({"POST", "/v1/reader-requests", "askToRead", act(ask)});
  routes.push_back({"GET", "/v1/reader-requests/{id}", "getReaderRequest", act(look)});
  routes.push_back({"POST", "/v1/reader-requests/{id}/signature", "signReaderRequest", act(sign)});
  routes.push_back({"DELETE", "/v1/reader-requests/{id}", "endReaderRequest", act(end)});
}

}  // namespace callward::api
