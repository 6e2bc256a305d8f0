// Signing in and out, sessions, enrolment.
#include <algorithm>

#include "api/service.hpp"

namespace callward::api {
namespace {

boost::json::object session_json(const people::Session& session) {
  boost::json::array roles;
  for (const auto& word : people::role_words(session.person.roles)) roles.emplace_back(word);
  return {{"id", session.id},
          {"name", session.person.name},
          {"person", session.person.id.hex()},
          {"roles", std::move(roles)},
          {"started_at", session.started_at}};
}

std::string set_cookie(const std::string& token, std::int64_t seconds) {
  return std::string(kSessionCookie) + "=" + token +
         "; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds);
}

Result<Response> sign_in(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto name = TRY(body.text("name", 1, 64));
  auto raw = TRY(body.text("passphrase", 1, 1'024));
  const SecretBytes passphrase(as_bytes(raw));
  wipe(raw.data(), raw.size());
  TRY(body.finish());
  const auto known = TRY(service.people.find(name));
  const auto subject = known ? known->id.hex() : std::string("-");
  auto fresh = service.people.sign_in(name, passphrase, request.peer);
  if (!fresh) {
    const auto code = fresh.error().code;
    if (code == Errc::kDenied)
      TRY(service.log("sign_in_failed", "-", subject, {{"cause", "wrong"}}));
    else if (code == Errc::kBusy && service.may_log_throttled(subject))
      TRY(service.log("sign_in_failed", "-", subject, {{"cause", "throttled"}}));
    if (code == Errc::kDenied) return Response::problem(401, "denied", fresh.error().message);
    return tl::unexpected<Error>(fresh.error());
  }
  // The entry is durable before the session is given out; without it there is none.
  if (auto logged = service.log("signed_in", subject, subject,
                                {{"session", fresh->session.id}, {"method", "passphrase"}});
      !logged) {
    TRY(service.people.end_session(fresh->session.id, fresh->session.person.id));
    return tl::unexpected<Error>(logged.error());
  }
  auto response = Response::json(session_json(fresh->session), 201);
  response.headers.emplace_back("Set-Cookie",
                                set_cookie(fresh->token, people::People::kAbsoluteMsMax / 1'000));
  return response;
}

Result<Response> end(Service& service, const Request& request, const std::string& id,
                     const char* cause) {
  if (!request.session) return Response::problem(403, "denied", "the operator has no session");
  // Only what is one's own is ended, and only what is ended is logged: the entry's words are never
  // the asker's.
  const auto own = TRY(service.people.sessions(request.session->person.id));
  if (std::none_of(own.begin(), own.end(), [&](const auto& session) { return session.id == id; }))
    return fail(Errc::kNotFound, "no such session");
  TRY(service.log("session_ended", request.actor(), request.actor(),
                  {{"session", id}, {"cause", cause}}));
  TRY(service.people.end_session(id, request.session->person.id));
  auto response = Response::empty();
  if (id == request.session->id) response.headers.emplace_back("Set-Cookie", set_cookie("", 0));
  return response;
}

Result<Response> list(Service& service, const Request& request) {
  boost::json::array items;
  for (const auto& session : TRY(service.people.sessions(request.session->person.id)))
    items.push_back({{"id", session.id},
                     {"started_at", session.started_at},
                     {"seen_at", session.seen_at},
                     {"current", session.id == request.session->id}});
  return Response::json({{"sessions", std::move(items)}});
}

Result<Response> enrol(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto token = TRY(body.text("token", 1, 64));
  auto raw = TRY(body.text("passphrase", 1, 1'024));
  const SecretBytes passphrase(as_bytes(raw));
  wipe(raw.data(), raw.size());
  TRY(body.finish());
  // What would be refused is refused before it is logged; what is logged is durable before it is
  // done. Without the entry the link stays as it was.
  TRY(people::People::check_passphrase(passphrase));
  const auto person = TRY(service.people.enrolling(token));
  boost::json::array roles;
  for (const auto& word : people::role_words(person.roles)) roles.emplace_back(word);
  TRY(service.log("person_added", person.id.hex(), person.id.hex(),
                  {{"roles", std::move(roles)}, {"by", "enrolment"}}));
  TRY(service.people.enrol(token, passphrase));
  return Response::json({{"name", person.name}}, 201);
}

}  // namespace

void add_session_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/session", "signIn",
                    guarded([&](const Request& r) { return sign_in(service, r); })});
  routes.push_back({"GET", "/v1/session", "getSession", [](const Request& r) {
                      if (r.is_operator)
                        return Response::json({{"id", "operator"},
                                               {"name", "operator"},
                                               {"person", "operator"},
                                               {"roles", boost::json::array{"operator"}},
                                               {"started_at", 0}});
                      return Response::json(session_json(*r.session));
                    }});
  routes.push_back({"DELETE", "/v1/session", "signOut", guarded([&](const Request& r) {
                      return end(service, r, r.session->id, "signed_out");
                    })});
  routes.push_back({"GET", "/v1/sessions", "listSessions",
                    guarded([&](const Request& r) { return list(service, r); })});
  routes.push_back({"DELETE", "/v1/sessions/{id}", "revokeSession", guarded([&](const Request& r) {
                      return end(service, r, r.parameters.at("id"), "revoked");
                    })});
  routes.push_back({"POST", "/v1/enrolments", "enrol",
                    guarded([&](const Request& r) { return enrol(service, r); })});
}

}  // namespace callward::api
