#include "api/desk.hpp"

#include <algorithm>

#include "api/service.hpp"
#include "audit/entry.hpp"
#include "base/event_log.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {

boost::json::object session_json(Service& service, const people::Session& session) {
  boost::json::array roles;
  for (const auto& word : people::role_words(session.person.roles)) roles.emplace_back(word);
  return {{"id", session.id},
          {"name", session.person.name},
          {"person", session.person.id.hex()},
          {"roles", std::move(roles)},
          {"started_at", session.started_at},
          {"came_by", people::to_text(session.by)},
          {"time_zone", service.time_zone},
          {"at", service.keepers_clock.utc_ms()}};
}

Response session_answer(Service& service, const people::NewSession& fresh) {
  auto response = Response::json(session_json(service, fresh.session), 201);
  response.headers.emplace_back("Set-Cookie",
                                set_cookie(fresh.token, people::People::kAbsoluteMsMax / 1'000));
  return response;
}

Status end_one_session(Service& service, const people::Session& session, const std::string& actor,
                       const char* cause) {
  TRY(service.log("session_ended", actor, session.person.id.hex(),
                  {{"session", session.id}, {"cause", cause}}));
  TRY(service.people.end_session(session.id, session.person.id));
  drop_ended_readers(service);
  return {};
}

Status make_room(Service& service, const people::Person& person) {
  auto own = TRY(service.people.sessions(person.id));
  std::ranges::sort(own, {}, &people::Session::seen_at);
  for (auto at = own.begin(); own.end() - at >= std::ptrdiff_t{people::People::kSessionsMax}; ++at)
    TRY(end_one_session(service, *at, person.id.hex(), "too_many"));
  return {};
}

Status end_session_before(Service& service, const Request& request, const people::Person& person) {
  const auto token = cookie(request.header("cookie"), kSessionCookie);
  if (token.empty()) return {};
  const auto before = service.people.look(token);
  if (!before && before.error().code == Errc::kDenied) return {};
  return end_one_session(service, TRY(before), person.id.hex(), "signed_in_anew");
}

const char* to_text(OwnAct act) {
  static constexpr std::array kWords = {"passphrase", "codes", "no_codes", "end_sessions", "mail"};
  return kWords.at(static_cast<std::size_t>(act));
}

people::Challenge own_act_challenge(OwnAct act, const PersonId& person,
                                    const std::array<std::uint8_t, 32>& nonce, ByteView about) {
  return crypto::sha256({as_bytes("CWS1 own act "), as_bytes(to_text(act)),
                         as_bytes(std::string_view("\0", 1)), person.bytes, nonce, about});
}

crypto::Digest about_mail(const PersonId& whose, std::string_view address) {
  return crypto::sha256({whose.bytes, as_bytes(address)});
}

Status confirm(Service& service, const Request& request, OwnAct act,
               const people::PersonSignature& signature, ByteView about) {
  const auto& session = *request.session;
  const auto& person = session.person.id;
  const auto asked =
      service.desk.confirmations.take(session.id + to_text(act), service.clock.monotonic_ms());
  if (!asked) return fail(Errc::kState, "that took too long: begin anew");
  // By session: who has stolen a cookie slows nobody down but themselves.
  const auto throttled = "confirm:" + session.id;
  TRY(service.people.throttle().begin_try(throttled));
  const auto chart = TRY(service.roster.chart());
  const auto challenge = own_act_challenge(act, person, asked->nonce, about);
  if (signature.person != person || !chart->check(person, challenge, signature.said)) {
    TRY(service.log("sign_in_failed", person.hex(), person.hex(), {{"cause", "passkey"}}));
    return fail(Errc::kDenied, "this was not signed by your passkey, or is of something else");
  }
  service.people.throttle().passed(throttled);
  return {};
}

Status show_passphrase(Service& service, const Request& request, const SecretBytes& passphrase) {
  const auto& person = request.session->person;
  const auto right = service.people.check(person.name, passphrase, request.peer);
  if (right) return {};
  const auto& error = right.error();
  const auto subject = person.id.hex();
  const bool throttled = error.code == Errc::kBusy;
  if (error.code == Errc::kDenied || (throttled && service.may_log_throttled(subject)))
    TRY(service.log("sign_in_failed", subject, subject,
                    {{"cause", throttled ? "throttled" : "passphrase"}}));
  if (error.code == Errc::kDenied) return fail(Errc::kDenied, "your present passphrase is wrong");
  return tl::unexpected<Error>(error);
}

void drop_ended_readers(Service& service) {
  constexpr std::int64_t kAnswerMs = 1'000;  // else the keeper is away, and forgot them itself
  const auto ended = service.people.readers(false);
  if (!ended) return log_event("server.readers", {{"why", ended.error().message}});
  for (const auto& reader : *ended) {
    if (!service.keeper.call<keys::Ack>(keys::ReaderDrop{reader.person, reader.key}, kAnswerMs))
      return;
    (void)service.people.forget_reader(reader.key);
  }
}

Result<keys::ChartTaken> put_change(Service& service, const people::SignedChange& change) {
  auto trial = *TRY(service.roster.chart());
  TRY(trial.apply(change));
  keys::ChartPut message{.change = boost::json::serialize(people::to_json(change.change)),
                         .signatures = {}};
  for (const auto& one : change.signatures)
    message.signatures.push_back(boost::json::serialize(people::to_json(one)));
  const auto taken = TRY(service.keeper.call<keys::ChartTaken>(message));
  TRY(service.roster.take(change, taken));
  drop_ended_readers(service);
  return taken;
}

people::Change next_change(Service& service, const people::Chart& chart, people::ChangeKind kind,
                           const PersonId& about) {
  people::Change change;
  change.number = chart.number() + 1;
  change.before = chart.head();
  change.at = service.keepers_clock.utc_ms();
  change.kind = kind;
  change.person = about;
  return change;
}

Result<boost::json::object> change_json(const people::Change& change) {
  boost::json::object json{{"change", people::to_json(change)},
                           {"challenge", to_hex(TRY(people::hash_of(change)))}};
  json["fingerprint"] = change.key.key.empty() ? std::string() : fingerprint(change.key);
  return json;
}

std::string fingerprint(const people::Passkey& key) {
  constexpr std::size_t kBytes = 10;  // 80 bits: nobody makes a second key with the same ones
  const auto digest = crypto::sha256({as_bytes("CWS1 passkey"), key.id, key.key});
  return in_fours(ByteView(digest).first(kBytes), " ");
}

Result<people::Registration> registration_of(BodyReader& body) {
  people::Registration given;
  given.client_data = TRY(body.text("client_data", 1, people::kClientDataBytesMax));
  given.authenticator_data =
      TRY(body.bytes("authenticator_data", 1, people::kAuthenticatorDataBytesMax));
  return given;
}

Result<people::PersonSignature> signature_of(BodyReader& body) {
  return people::signature_from_json(TRY(body.raw_object("signature")));
}

Result<SignedReader> signed_reader_of(BodyReader& body, const PersonId& person) {
  SignedReader given{.reader = {.person = person}};
  std::ranges::copy(TRY(body.bytes("reader_key", 32, 32)), given.reader.key.begin());
  given.reader.at = TRY(body.number("at", 0, audit::kEntryNumberMax));
  given.signature = TRY(signature_of(body));
  given.reader.passkey = given.signature.said.passkey;
  given.reader.signature = boost::json::serialize(people::to_json(given.signature));
  return given;
}

Result<keys::OpenPurpose> purpose_of(BodyReader& body) {
  const auto purpose = keys::purpose_of_text(TRY(body.text("purpose", 1, 16)));
  if (!purpose) return fail(Errc::kMalformed, "purpose is play, export, transcript or challenge");
  return *purpose;
}

keys::ReaderPut reader_put(const people::Reader& reader) {
  return {.person = reader.person,
          .key = reader.key,
          .at = reader.at,
          .signature = reader.signature,
          .scope = {reader.call, static_cast<keys::OpenPurpose>(reader.purpose)}};
}

Status check_reader(Service& service, const SignedReader& given) {
  const auto& [reader, signature] = given;
  const auto age = service.keepers_clock.utc_ms() - reader.at;
  if (age > kSignedAgoMsMax || age < -kSignedAheadMsMax)
    return fail(Errc::kDenied, "signed too long ago, or by a clock that is ahead");
  const auto chart = TRY(service.roster.chart());
  const auto challenge =
      keys::reader_challenge(reader.person, reader.key, reader.at, reader_put(reader).scope);
  if (signature.person != reader.person)
    return fail(Errc::kDenied, "this passkey does not fit this sign-in");
  if (!chart->check(reader.person, challenge, signature.said))
    return fail(Errc::kDenied, "this passkey does not fit this sign-in");
  if (!TRY(service.people.first_use(challenge)))
    return fail(Errc::kDenied, "this was signed in with before");
  return {};
}

Result<SecretBytes> passphrase_of(BodyReader& body, const char* name) {
  auto raw = TRY(body.text(name, 1, people::People::kPassphraseBytesMax));
  SecretBytes passphrase(as_bytes(raw));
  wipe(raw.data(), raw.size());
  return passphrase;
}

Status check_passphrase(const Service& service, const people::Person& person,
                        const SecretBytes& passphrase) {
  TRY(people::People::check_passphrase(passphrase,
                                       {person.name, service.company, service.roster.party().id}));
  if (service.leaked != nullptr && TRY(service.leaked->has(passphrase)))
    return fail(Errc::kMalformed,
                "this passphrase is in a list of leaked ones (0 of 4): take another");
  return {};
}

std::string link_of(Service& service, const std::string& token) {
  return service.roster.party().origin + "/enrol#" + token;
}

Result<people::Person> person_named(Service& service, const std::string& id) {
  const auto person = PersonId::parse(id);
  if (!person) return fail(Errc::kNotFound, "no such person");
  auto found = TRY(service.people.find(*person));
  if (!found) return fail(Errc::kNotFound, "no such person");
  return std::move(*found);
}

Result<std::shared_ptr<const people::Chart>> founded_chart(Service& service) {
  auto chart = TRY(service.roster.chart());
  if (chart->number() == 0)
    return fail(Errc::kState, "no role chart yet: `callward user found` gives the owner a link");
  return chart;
}

}  // namespace callward::api
