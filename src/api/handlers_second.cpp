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

// Entry and keeper before the cookie: without either there is no session.
Result<Response> begin(Service& service, const Second& second, people::CameBy by,
                       const people::Reader* reader) {
  if (!service.desk.sign_ins.take(second.ticket, service.clock.monotonic_ms()))
    return not_signed_in("begin anew with the passphrase");
  const auto fresh = TRY(service.people.begin(second.person, by, reader));
  const auto subject = second.person.id.hex();
  const auto told = [&]() -> Status {
    TRY(service.log("signed_in", subject, subject,
                    {{"session", fresh.session.id}, {"method", people::to_text(by)}}));
    if (reader != nullptr)
      TRY(service.keeper.call<keys::Ack>(
          keys::ReaderPut{reader->person, reader->key, reader->at, reader->signature}));
    return {};
  }();
  if (!told) {
    TRY(service.people.end_session(fresh.session.id, second.person.id));
    return tl::unexpected<Error>(told.error());
  }
  auto session = TRY(service.roster.admit(fresh.session));
  return session_answer({std::move(session), fresh.token});
}

// What the passkey signs: this browser's key, this person, now.
crypto::Digest reader_challenge(const people::Reader& reader) {
  std::array<std::uint8_t, 8> at{};
  store_le(at.data(), reader.at);
  return crypto::sha256({as_bytes("CWS1 reader"), reader.person.bytes, reader.key, at});
}

Status check_reader(Service& service, const people::Reader& reader,
                    const people::PersonSignature& signature) {
  const auto age = service.clock.utc_ms() - reader.at;
  if (age > kSignedAgoMsMax || age < -kSignedAheadMsMax)
    return fail(Errc::kDenied, "signed too long ago, or by a clock that is ahead");
  const auto chart = TRY(service.roster.chart());
  const auto challenge = reader_challenge(reader);
  if (signature.person != reader.person)
    return fail(Errc::kDenied, "this passkey does not fit this sign-in");
  if (!chart->check(reader.person, challenge, signature.said))
    return fail(Errc::kDenied, "this passkey does not fit this sign-in");
  if (!TRY(service.people.first_use(challenge)))
    return fail(Errc::kDenied, "this was signed in with before");
  return {};
}

Result<Response> by_passkey(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto second = TRY(half_signed_in(service, body));
  people::Reader reader{.person = second.person.id};
  std::ranges::copy(TRY(body.bytes("reader_key", 32, 32)), reader.key.begin());
  reader.at = TRY(body.number("at", 0, audit::kEntryNumberMax));
  const auto signature = TRY(signature_of(body));
  TRY(body.finish());
  if (second.ticket.empty()) return not_signed_in("begin anew with the passphrase");
  const auto throttled = "passkey:" + second.person.id.hex();
  if (auto may = service.people.throttle().begin_try(throttled); !may)
    return failed(service, second, may.error(), "passkey");
  if (auto good = check_reader(service, reader, signature); !good) {
    if (good.error().code != Errc::kDenied) return tl::unexpected<Error>(good.error());
    return failed(service, second, good.error(), "passkey");
  }
  service.people.throttle().passed(throttled);
  reader.passkey = signature.said.passkey;
  reader.signature = boost::json::serialize(people::to_json(signature));
  return begin(service, second, people::CameBy::kPasskey, &reader);
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
  return begin(service, second, people::CameBy::kCode, nullptr);
}

}  // namespace

void add_second_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/session/passkey", "signInByPasskey",
                    guarded([&](const Request& r) { return by_passkey(service, r); })});
  routes.push_back({"POST", "/v1/session/code", "signInByCode",
                    guarded([&](const Request& r) { return by_code(service, r); })});
}

}  // namespace callward::api
