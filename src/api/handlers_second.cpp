// The second factor: a passkey that signs the browser's key, or a one-time code, which gives less.
#include <algorithm>

#include "api/service.hpp"
#include "audit/entry.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {
namespace {

Response not_signed_in(const char* why) { return Response::problem(401, "denied", why); }

struct Second {
  people::Person person;
  std::string ticket;
};

Result<Second> half_signed_in(Service& service, BodyReader& body) {
  const auto ticket = TRY(body.text("ticket", 64, 64));
  const auto half = service.desk.sign_ins.look(ticket, service.clock.monotonic_ms());
  return Second{half ? half->person : people::Person{}, half ? ticket : std::string()};
}

Result<Response> failed(Service& service, const Second& second, const Error& error,
                        const char* cause) {
  const auto subject = second.person.id.hex();
  const bool throttled = error.code == Errc::kBusy;
  if (!throttled || service.may_log_throttled(subject))
    TRY(service.log("sign_in_failed", "-", subject, {{"cause", throttled ? "throttled" : cause}}));
  if (throttled) return tl::unexpected<Error>(error);
  return not_signed_in(error.message.c_str());
}

// Entry and keeper before the cookie: without either there is no session, and the one that came
// along is not gone for nothing.
Result<Response> begin(Service& service, const Request& request, const Second& second,
                       people::CameBy by, const people::Reader* reader) {
  if (!service.desk.sign_ins.take(second.ticket, service.clock.monotonic_ms()))
    return not_signed_in("begin anew with the passphrase");
  // Who has shown who they are is told what they wait for; others have come no further.
  const auto chart = TRY(service.roster.chart());
  const auto* member = chart->here(second.person.id);
  if (member != nullptr && member->roles == 0) {
    const auto subject = second.person.id.hex();
    TRY(service.log("sign_in_failed", "-", subject, {{"cause", "no_role"}}));
    return fail(Errc::kState,
                "you are in the role chart and have no role in it: an owner gives you one, then "
                "sign in");
  }
  if (TRY(service.people.sessions(second.person.id)).size() >= people::People::kSessionsMax)
    TRY(end_session_before(service, request, second.person));  // it may be room enough
  TRY(make_room(service, second.person));
  const auto fresh = TRY(service.people.begin(second.person, by, reader));
  const auto subject = second.person.id.hex();
  const auto told = [&]() -> Status {
    TRY(service.log("signed_in", subject, subject,
                    {{"session", fresh.session.id}, {"method", people::to_text(by)}}));
    if (reader != nullptr) TRY(service.keeper.call<keys::Ack>(reader_put(*reader)));
    return end_session_before(service, request, second.person);
  }();
  if (!told) {
    TRY(service.people.end_session(fresh.session.id, second.person.id));
    return tl::unexpected<Error>(told.error());
  }
  auto session = TRY(service.roster.admit(fresh.session));
  return session_answer(service, {std::move(session), fresh.token});
}

// What the passkey signs: this browser's key, this person, now.
Result<Response> by_passkey(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto second = TRY(half_signed_in(service, body));
  const auto signed_key = TRY(signed_reader_of(body, second.person.id));
  TRY(body.finish());
  if (second.ticket.empty()) return not_signed_in("begin anew with the passphrase");
  const auto throttled = "passkey:" + second.person.id.hex();
  if (auto may = service.people.throttle().begin_try(throttled); !may)
    return failed(service, second, may.error(), "passkey");
  if (auto good = check_reader(service, signed_key); !good) {
    if (good.error().code != Errc::kDenied) return tl::unexpected<Error>(good.error());
    return failed(service, second, good.error(), "passkey");
  }
  service.people.throttle().passed(throttled);
  return begin(service, request, second, people::CameBy::kPasskey, &signed_key.reader);
}

Result<Response> by_code(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto second = TRY(half_signed_in(service, body));
  const auto code = TRY(body.text("code", people::kCodeDigits, people::kCodeDigits));
  TRY(body.finish());
  if (second.ticket.empty()) return not_signed_in("begin anew with the passphrase");
  const auto good = service.people.check_code(second.person.id, code, service.code_key);
  if (!good) {
    const auto why = good.error().code;
    if (why != Errc::kDenied && why != Errc::kBusy && why != Errc::kNotFound)
      return tl::unexpected<Error>(good.error());
    return failed(service, second, good.error(), "code");
  }
  return begin(service, request, second, people::CameBy::kCode, nullptr);
}

}  // namespace

void add_second_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/session/passkey", "signInByPasskey",
                    guarded([&](const Request& r) { return by_passkey(service, r); })});
  routes.push_back({"POST", "/v1/session/code", "signInByCode",
                    guarded([&](const Request& r) { return by_code(service, r); })});
}

}  // namespace callward::api
