// What a person does about themselves: passphrase, passkeys, one-time codes, duty.
//
// What changes how somebody comes in takes more than their session: the passkey signs anew, over a
// number that was made for this act in this session (confirm() of the desk).
#include <algorithm>

#include "api/service.hpp"
#include "base/event_log.hpp"

namespace callward::api {
namespace {

using people::Role;

constexpr std::array kOwnActs = {OwnAct::kPassphrase, OwnAct::kCodes, OwnAct::kNoCodes,
                                 OwnAct::kEndSessions, OwnAct::kMail};

// The browser makes the challenge itself, of what it means to do.
Result<Response> ask_to_confirm(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto word = TRY(body.text("act", 1, 32));
  TRY(body.finish());
  const auto act = std::ranges::find_if(kOwnActs, [&](auto one) { return word == to_text(one); });
  if (act == kOwnActs.end()) return fail(Errc::kMalformed, "no act that is confirmed");
  const auto chart = TRY(founded_chart(service));
  const auto& session = *request.session;
  const Confirming fresh{.act = *act, .nonce = service.entropy.array<32>()};
  TRY(service.desk.confirmations.put(session.id + to_text(*act), session.id, fresh,
                                     service.clock.monotonic_ms()));
  boost::json::array keys;
  if (const auto* member = chart->find(session.person.id))
    for (const auto& key : member->keys) keys.emplace_back(to_hex(key.id));
  return Response::json({{"nonce", to_hex(fresh.nonce)},
                         {"person", session.person.id.hex()},
                         {"party", service.roster.party().id},
                         {"passkeys", std::move(keys)}},
                        201);
}

// While somebody thinks of a new one: as it will be judged, before anything is asked of them.
Result<Response> rate_passphrase(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto passphrase = TRY(passphrase_of(body));
  TRY(body.finish());
  const auto good = check_passphrase(service, request.session->person, passphrase);
  // A list that cannot be read is no fault of the passphrase's.
  if (!good && good.error().code != Errc::kMalformed) return tl::unexpected<Error>(good.error());
  return Response::json({{"lacks", good ? std::string() : good.error().message}});
}

Status end_others(Service& service, const people::Session& own) {
  for (const auto& session : TRY(service.people.sessions(own.person.id)))
    if (session.id != own.id)
      TRY(end_one_session(service, session, own.person.id.hex(), "passphrase_changed"));
  return {};
}

// Without the entries it stays as it was. With them whatever the old passphrase began is over: the
// other sessions, and sign-ins that wait for their second factor.
Result<Response> change_passphrase(Service& service, const Request& request) {
  const bool founded = TRY(service.roster.chart())->number() > 0;
  auto body = TRY(BodyReader::parse(request.body));
  const auto old = TRY(passphrase_of(body));
  const auto wanted = TRY(passphrase_of(body, "new_passphrase"));
  std::optional<people::PersonSignature> signature;
  if (founded) signature = TRY(signature_of(body));
  TRY(body.finish());
  const auto& person = request.session->person;
  TRY(check_passphrase(service, person, wanted));
  if (equal_constant_time(old.expose(), wanted.expose()))
    return fail(Errc::kMalformed, "this passphrase is the one that you have");
  // The passkey first: with a session alone nobody tries old passphrases here.
  if (signature) TRY(confirm(service, request, OwnAct::kPassphrase, *signature));
  TRY(show_passphrase(service, request, old));
  const auto hash = TRY(service.people.hash(wanted));
  const auto subject = person.id.hex();
  // Before anything has changed: an error says that nothing has.
  TRY(end_others(service, *request.session));
  TRY(service.log("passphrase_changed", subject, subject, {{"session", request.session->id}}));
  TRY(service.people.set_passphrase(person.id, hash));
  service.desk.sign_ins.drop(subject);
  // Who came in by the old one meanwhile. It is changed by now: without an entry, if need be.
  if (auto ended = end_others(service, *request.session); !ended) {
    log_event("server.sessions_not_ended", {{"why", ended.error().message}});
    (void)service.people.end_sessions(person.id, request.session->id);
  }
  return Response::empty();
}

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
  TRY(founded_chart(service));
  auto body = TRY(BodyReader::parse(request.body));
  const auto signature = TRY(signature_of(body));
  TRY(body.finish());
  const auto& person = request.session->person;
  if (TRY(service.people.has_code(person.id)))
    return fail(Errc::kExists, "codes are set up already: take them away first");
  TRY(confirm(service, request, OwnAct::kCodes, signature));
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

Result<Response> drop_own_code(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto signature = TRY(signature_of(body));
  TRY(body.finish());
  TRY(confirm(service, request, OwnAct::kNoCodes, signature));
  return drop_code(service, request, request.session->person.id);
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
  TRY(put_duty(service, person, on));
  return Response::json({{"on", on}});
}

}  // namespace

void add_own_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/own/confirmation", "askToConfirm",
                    guarded([&](const Request& r) { return ask_to_confirm(service, r); })});
  routes.push_back({"POST", "/v1/own/passphrase", "changePassphrase",
                    guarded([&](const Request& r) { return change_passphrase(service, r); })});
  routes.push_back({"POST", "/v1/own/passphrase/rating", "ratePassphrase",
                    guarded([&](const Request& r) { return rate_passphrase(service, r); })});
  routes.push_back({"POST", "/v1/own/passkeys", "beginPasskey",
                    guarded([&](const Request& r) { return begin_passkey(service, r); })});
  routes.push_back({"POST", "/v1/own/code", "makeCode",
                    guarded([&](const Request& r) { return make_code(service, r); })});
  routes.push_back({"POST", "/v1/own/code/removal", "dropCode",
                    guarded([&](const Request& r) { return drop_own_code(service, r); })});
  routes.push_back({"POST", "/v1/own/code/confirmation", "confirmCode",
                    guarded([&](const Request& r) { return confirm_code(service, r); })});
  routes.push_back({"POST", "/v1/own/duty", "setDuty",
                    guarded([&](const Request& r) { return duty(service, r); })});
  routes.push_back({"DELETE", "/v1/people/{id}/code", "resetCode",
                    guarded([&](const Request& r) { return drop_anothers_code(service, r); })});
}

}  // namespace callward::api
