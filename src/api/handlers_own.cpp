// What a person does about themselves: passkeys, one-time codes, duty.
#include "api/service.hpp"

namespace callward::api {
namespace {

using people::Role;

// A second passkey: the browser makes it with this challenge, and the change is drafted with what
// it then says (createDraft, key_added).
Result<Response> begin_passkey(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  TRY(body.finish());
  const auto chart = TRY(founded_chart(service));
  const auto& person = request.session->person;
  const Enrolling fresh{.challenge = service.entropy.array<32>()};
  const auto id = "own:" + person.id.hex();
  TRY(service.desk.enrolments.put(id, id, fresh, service.clock.monotonic_ms()));
  boost::json::array keys;
  if (const auto* member = chart->find(person.id))
    for (const auto& key : member->keys) keys.emplace_back(to_hex(key.id));
  return Response::json({{"name", person.name},
                         {"person", person.id.hex()},
                         {"challenge", to_hex(fresh.challenge)},
                         {"party", service.roster.party().id},
                         {"passkeys", std::move(keys)}});
}

Result<Response> make_code(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  TRY(body.finish());
  TRY(founded_chart(service));
  const auto& person = request.session->person;
  const auto secret = TRY(service.people.new_code_secret(person.id, service.code_key));
  return Response::json({{"secret", people::to_base32(secret.expose())},
                         {"uri", people::code_uri(service.company, person.name, secret.expose())}},
                        201);
}

Result<Response> confirm_code(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto code = TRY(body.text("code", people::kCodeDigits, people::kCodeDigits));
  TRY(body.finish());
  const auto& person = request.session->person.id;
  TRY(service.people.confirm_code(person, code, service.code_key));
  // A wrong one is no entry; and without the entry there are none.
  if (auto logged = service.log("codes_changed", person.hex(), person.hex(), {{"on", true}});
      !logged) {
    TRY(service.people.drop_code(person));
    return tl::unexpected<Error>(logged.error());
  }
  return Response::empty();
}

Result<Response> drop_code(Service& service, const Request& request, const PersonId& person) {
  if (!TRY(service.people.has_code(person))) return fail(Errc::kNotFound, "no codes are set up");
  TRY(service.log("codes_changed", request.actor(), person.hex(), {{"on", false}}));
  TRY(service.people.drop_code(person));
  return Response::empty();
}

// The operator's, the administrator's and the owner's: for a telephone that is gone.
Result<Response> drop_anothers_code(Service& service, const Request& request) {
  return drop_code(service, request, TRY(person_named(service, request.parameters.at("id"))).id);
}

Result<Response> duty(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const bool on = TRY(body.flag("on"));
  TRY(body.finish());
  const auto chart = TRY(founded_chart(service));
  const auto& person = request.session->person.id;
  if (on && !chart->is(person, Role::kExpert)) return fail(Errc::kDenied, "experts are on duty");
  TRY(service.keeper.call<keys::Ack>(keys::DutyPut{person, on}));
  TRY(service.people.set_duty(person, on));
  return Response::json({{"on", on}});
}

}  // namespace

void add_own_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/own/passkeys", "beginPasskey",
                    guarded([&](const Request& r) { return begin_passkey(service, r); })});
  routes.push_back({"POST", "/v1/own/code", "makeCode",
                    guarded([&](const Request& r) { return make_code(service, r); })});
  routes.push_back({"DELETE", "/v1/own/code", "dropCode", guarded([&](const Request& r) {
                      return drop_code(service, r, r.session->person.id);
                    })});
  routes.push_back({"POST", "/v1/own/code/confirmation", "confirmCode",
                    guarded([&](const Request& r) { return confirm_code(service, r); })});
  routes.push_back({"POST", "/v1/own/duty", "setDuty",
                    guarded([&](const Request& r) { return duty(service, r); })});
  routes.push_back({"DELETE", "/v1/people/{id}/code", "resetCode",
                    guarded([&](const Request& r) { return drop_anothers_code(service, r); })});
}

}  // namespace callward::api
