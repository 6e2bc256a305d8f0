// Signing in with the passphrase, signing out, sessions.
#include <algorithm>

#include "api/service.hpp"

namespace callward::api {

std::string set_cookie(const std::string& token, std::int64_t seconds) {
  return std::string(kSessionCookie) + "=" + token +
         "; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds);
}

namespace {

// The entry is durable before the session is given out; without it there is none.
Result<Response> begin_by_passphrase(Service& service, const Request& request,
                                     const people::Person& person) {
  if (TRY(service.people.sessions(person.id)).size() >= people::People::kSessionsMax)
    TRY(end_session_before(service, request, person));  // it may be room enough
  TRY(make_room(service, person));
  const auto fresh = TRY(service.people.begin(person, people::CameBy::kPassphrase));
  const auto subject = person.id.hex();
  const auto told = [&]() -> Status {
    TRY(service.log("signed_in", subject, subject,
                    {{"session", fresh.session.id}, {"method", "passphrase"}}));
    return end_session_before(service, request, person);
  }();
  if (!told) {
    TRY(service.people.end_session(fresh.session.id, person.id));
    return tl::unexpected<Error>(told.error());
  }
  return session_answer(service, fresh);
}

// What the browser needs for the second factor. The ticket stands for the passphrase.
Result<Response> ask_for_second(Service& service, const people::Person& person,
                                const people::Member& member) {
  const auto ticket = to_hex(service.entropy.array<32>());
  boost::json::array keys;
  for (const auto& key : member.keys) keys.emplace_back(to_hex(key.id));
  const bool code = TRY(service.people.has_code(person.id));
  TRY(service.desk.sign_ins.put(ticket, person.id.hex(), {person}, service.clock.monotonic_ms()));
  return Response::json({{"ticket", ticket},
                         {"person", person.id.hex()},
                         {"passkeys", std::move(keys)},
                         {"code", code},
                         {"party", service.roster.party().id},
                         {"at", service.keepers_clock.utc_ms()}},
                        202);
}

Result<Response> refused(Service& service, const Error& error, const std::string& subject) {
  if (error.code == Errc::kDenied)
    TRY(service.log("sign_in_failed", "-", subject, {{"cause", "wrong"}}));
  else if (error.code == Errc::kBusy && service.may_log_throttled(subject))
    TRY(service.log("sign_in_failed", "-", subject, {{"cause", "throttled"}}));
  if (error.code == Errc::kDenied) return Response::problem(401, "denied", error.message);
  return tl::unexpected<Error>(error);
}

Result<Response> sign_in(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto name = TRY(body.text("name", 1, 64));
  const auto passphrase = TRY(passphrase_of(body));
  TRY(body.finish());
  const auto chart = TRY(service.roster.chart());
  const auto known = TRY(service.people.find(name));
  const auto subject = known ? known->id.hex() : std::string("-");
  const auto person = service.people.check(name, passphrase, request.peer);
  if (!person) return refused(service, person.error(), subject);
  if (chart->number() == 0) return begin_by_passphrase(service, request, *person);
  const auto* member = chart->here(person->id);
  if (member == nullptr)
    return refused(service, {Errc::kDenied, "name or passphrase is wrong"}, subject);
  return ask_for_second(service, *person, *member);
}

Result<Response> end(Service& service, const Request& request, const std::string& id,
                     const char* cause) {
  // Only what is one's own is ended, and only what is ended is logged: the entry's words are never
  // the asker's.
  const auto own = TRY(service.people.sessions(request.session->person.id));
  const auto at = std::ranges::find(own, id, &people::Session::id);
  if (at == own.end()) return fail(Errc::kNotFound, "no such session");
  TRY(end_one_session(service, *at, request.actor(), cause));
  auto response = Response::empty();
  if (id == request.session->id) response.headers.emplace_back("Set-Cookie", set_cookie("", 0));
  return response;
}

// Who has found a screen unlocked does not shut its owner out: whoever came by a passkey touches it
// before another session ends, who came by less says the passphrase once more.
Status confirm_ending(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  if (request.session->by == people::CameBy::kPasskey) {
    const auto signature = TRY(signature_of(body));
    TRY(body.finish());
    return confirm(service, request, OwnAct::kEndSessions, signature);
  }
  const auto passphrase = TRY(passphrase_of(body));
  TRY(body.finish());
  return show_passphrase(service, request, passphrase);
}

Result<Response> end_one(Service& service, const Request& request) {
  TRY(confirm_ending(service, request));
  return end(service, request, request.parameters.at("id"), "revoked");
}

Result<Response> end_others(Service& service, const Request& request) {
  TRY(confirm_ending(service, request));
  for (const auto& session : TRY(service.people.sessions(request.session->person.id)))
    if (session.id != request.session->id)
      TRY(end_one_session(service, session, request.actor(), "revoked"));
  return Response::empty();
}

Result<Response> list(Service& service, const Request& request) {
  boost::json::array items;
  for (const auto& session : TRY(service.people.sessions(request.session->person.id)))
    items.push_back({{"id", session.id},
                     {"started_at", session.started_at},
                     {"seen_at", session.seen_at},
                     {"came_by", people::to_text(session.by)},
                     {"current", session.id == request.session->id}});
  return Response::json({{"sessions", std::move(items)}});
}

}  // namespace

void add_session_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/session", "signIn",
                    guarded([&](const Request& r) { return sign_in(service, r); })});
  routes.push_back({"GET", "/v1/session", "getSession", [&service](const Request& r) {
                      if (r.is_operator)
                        return Response::json({{"id", "operator"},
                                               {"name", "operator"},
                                               {"person", "operator"},
                                               {"roles", boost::json::array{"operator"}},
                                               {"started_at", 0},
                                               {"came_by", "token"},
                                               {"time_zone", service.time_zone},
                                               {"at", service.clock.utc_ms()}});
                      return Response::json(session_json(service, *r.session));
                    }});
  routes.push_back({"DELETE", "/v1/session", "signOut", guarded([&](const Request& r) {
                      return end(service, r, r.session->id, "signed_out");
                    }),
                    true});
  routes.push_back({"GET", "/v1/sessions", "listSessions",
                    guarded([&](const Request& r) { return list(service, r); })});
  routes.push_back({"POST", "/v1/sessions/ending", "revokeOtherSessions",
                    guarded([&](const Request& r) { return end_others(service, r); }), true});
  routes.push_back({"POST", "/v1/sessions/{id}/ending", "revokeSession",
                    guarded([&](const Request& r) { return end_one(service, r); }), true});
}

}  // namespace callward::api
