// One-time links: a first passphrase and a first passkey, or a new one where all are gone.
//
// With a role chart (or to found it) it takes three steps: begin gives the challenge with which the
// browser makes a passkey; the passkey comes with the passphrase, and the change of the chart goes
// back; that one the new passkey signs. Nothing is done before the keeper has taken the change, and
// the link is used then. A recovery ends with the second step: others sign it.
#include <algorithm>

#include "api/service.hpp"
#include "crypto/sha256.hpp"
#include "people/invitation.hpp"

namespace callward::api {
namespace {

using people::ChangeKind;

// One and the same for whoever has no good link, whatever is wrong with it.
constexpr const char* kNoLink = "this link was used, or its time is over";

Result<Response> by_passphrase(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto token = TRY(body.text("token", 1, 64));
  const auto passphrase = TRY(passphrase_of(body));
  TRY(body.finish());
  if (TRY(service.roster.chart())->number() > 0)
    return fail(Errc::kState, "a passkey is needed, too: open the link in the console");
  // What would be refused is refused before it is logged; what is logged is durable before it is
  // done. Without the entry the link stays as it was.
  TRY(people::People::check_passphrase(passphrase));
  const auto person = TRY(service.people.enrolling(token));
  TRY(check_passphrase(service, person, passphrase));
  boost::json::array roles;
  for (const auto& word : people::role_words(person.roles)) roles.emplace_back(word);
  TRY(service.log("person_added", person.id.hex(), person.id.hex(),
                  {{"roles", std::move(roles)}, {"by", "enrolment"}}));
  TRY(service.people.enrol(token, passphrase));
  return Response::json({{"name", person.name}}, 201);
}

struct Opened {
  people::Person person;
  ChangeKind kind{};  // founded, first_key, key_replaced
  std::string id;     // on the desk
};

Result<Opened> open_link(Service& service, const std::string& token) {
  auto link = TRY(service.people.link(token));
  const auto chart = TRY(service.roster.chart());
  const auto id = to_hex(crypto::sha256(as_bytes(token)));
  if (chart->number() == 0) {
    if (!people::has(link.person.roles, people::Role::kOwner))
      return fail(Errc::kState, "the owner founds the role chart first");
    return Opened{std::move(link.person), ChangeKind::kFounded, id};
  }
  const auto* member = chart->here(link.person.id);
  if (member == nullptr || (!link.recovers && !member->keys.empty()))
    return fail(Errc::kDenied, kNoLink);
  const auto kind = link.recovers ? ChangeKind::kKeyReplaced : ChangeKind::kFirstKey;
  TRY(chart->key_first(next_change(service, *chart, kind, link.person.id)));
  return Opened{std::move(link.person), kind, id};
}

// The chart has exactly the passkey that was given by this link, and nobody was told: the keeper's
// answer was lost, or the server died. The passphrase that came with it holds from now on. nullopt:
// it is not so.
Result<std::optional<people::Person>> complete(Service& service, const std::string& token) {
  const auto kept = service.people.kept_enrolling(token);
  if (!kept && kept.error().code == Errc::kNotFound) return std::optional<people::Person>();
  if (!kept) return tl::unexpected<Error>(kept.error());
  const auto whose = TRY(service.people.enrolling(token));
  const auto chart = TRY(service.roster.chart());
  const auto* member = chart->here(whose.id);
  if (member == nullptr || member->keys.size() != 1 || member->keys[0].id != kept->key.id ||
      member->keys[0].key != kept->key.key)
    return std::optional<people::Person>();
  return std::optional(TRY(service.people.enrol_hashed(token, kept->passphrase)));
}

Result<Response> begin(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto token = TRY(body.text("token", 64, 64));
  TRY(body.finish());
  if (TRY(complete(service, token)))
    return fail(Errc::kState,
                "this was done already: sign in with the passphrase that you set, and the passkey");
  const auto opened = TRY(open_link(service, token));
  const Enrolling fresh{.challenge = service.entropy.array<32>()};
  TRY(service.desk.enrolments.put(opened.id, opened.id, fresh, service.clock.monotonic_ms()));
  return Response::json({{"name", opened.person.name},
                         {"person", opened.person.id.hex()},
                         {"kind", people::to_text(opened.kind)},
                         {"challenge", to_hex(fresh.challenge)},
                         {"party", service.roster.party().id}});
}

Result<Response> offer(Service& service, const std::string& token, const Opened& opened,
                       people::Passkey key, std::string hash) {
  const auto print = fingerprint(key);
  TRY(service.log("link_used", opened.person.id.hex(), opened.person.id.hex(),
                  {{"kind", "recovery"}}));
  TRY(service.people.offer(token, {std::move(key), std::move(hash)}));
  (void)service.desk.enrolments.take(opened.id, service.clock.monotonic_ms());
  return Response::json(
      {{"kind", people::to_text(opened.kind)}, {"change", nullptr}, {"fingerprint", print}}, 202);
}

Result<Response> give_passkey(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto token = TRY(body.text("token", 64, 64));
  const auto passphrase = TRY(passphrase_of(body));
  const auto given = TRY(registration_of(body));
  const auto invitation =
      TRY(from_hex(TRY(body.optional_hex("invitation", people::kInvitationTokenBytes))));
  TRY(body.finish());
  const auto opened = TRY(open_link(service, token));
  const auto now = service.clock.monotonic_ms();
  auto enrolling = service.desk.enrolments.look(opened.id, now);
  if (!enrolling) return fail(Errc::kState, "that took too long: open the link again");
  TRY(check_passphrase(service, opened.person, passphrase));
  auto key = TRY(people::check_registration(service.roster.party(), enrolling->challenge, given));
  auto hash = TRY(service.people.hash(passphrase));
  if (opened.kind == ChangeKind::kKeyReplaced)
    return offer(service, token, opened, std::move(key), std::move(hash));
  const auto chart = TRY(service.roster.chart());
  auto change = next_change(service, *chart, opened.kind, opened.person.id);
  change.token = opened.kind == ChangeKind::kFirstKey ? invitation : TRY(from_hex(token));
  change.key = std::move(key);
  if (opened.kind == ChangeKind::kFounded)
    change.roles = static_cast<people::Roles>(opened.person.roles & people::kChartRoles);
  TRY(chart->drafted(change));
  enrolling->change = change;
  enrolling->passphrase = std::move(hash);
  if (!service.desk.enrolments.replace(opened.id, std::move(*enrolling), now))
    return fail(Errc::kState, "that took too long: open the link again");
  auto json = TRY(change_json(change));
  json["kind"] = people::to_text(opened.kind);
  return Response::json(std::move(json), 202);
}

Result<Response> enrolled(Service& service, const people::Person& person) {
  const auto chart = TRY(service.roster.chart());
  const auto* member = chart->here(person.id);
  const bool waits = member == nullptr || member->roles == 0;
  return Response::json({{"name", person.name}, {"waits", waits}}, 201);
}

// Durable before the keeper is asked; and only what it would take, so that nobody who has the link
// alone puts something else in its place.
Status put_enrolling(Service& service, const std::string& token, const Enrolling& enrolling,
                     const people::PersonSignature& signature) {
  const people::SignedChange change{*enrolling.change, {signature}};
  auto trial = *TRY(service.roster.chart());
  TRY(trial.apply(change));
  TRY(service.people.keep_enrolling(token, {change.change.key, enrolling.passphrase}));
  TRY(put_change(service, change));
  return {};
}

// Sent again where the answer was lost, it is the same answer.
Result<Response> finish(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto token = TRY(body.text("token", 64, 64));
  const auto signature = TRY(signature_of(body));
  TRY(body.finish());
  if (const auto person = TRY(complete(service, token))) return enrolled(service, *person);
  const auto opened = TRY(open_link(service, token));
  const auto enrolling = service.desk.enrolments.look(opened.id, service.clock.monotonic_ms());
  if (!enrolling || !enrolling->change)
    return fail(Errc::kState, "first the passkey; or that took too long: open the link again");
  if (signature.person != opened.person.id)
    return fail(Errc::kDenied, "signed by another than whose link this is");
  const auto put = put_enrolling(service, token, *enrolling, signature);
  // Not answered is not refused: the log says.
  if (!put && service.roster.follow())
    if (const auto person = TRY(complete(service, token))) return enrolled(service, *person);
  TRY(put);
  const auto person = TRY(service.people.enrol_hashed(token, enrolling->passphrase));
  (void)service.desk.enrolments.take(opened.id, service.clock.monotonic_ms());
  return enrolled(service, person);
}

}  // namespace

void add_enrolment_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/enrolments", "enrol",
                    guarded([&](const Request& r) { return by_passphrase(service, r); })});
  routes.push_back({"POST", "/v1/enrolments/begin", "beginEnrolment",
                    guarded([&](const Request& r) { return begin(service, r); })});
  routes.push_back({"POST", "/v1/enrolments/passkey", "givePasskey",
                    guarded([&](const Request& r) { return give_passkey(service, r); })});
  routes.push_back({"POST", "/v1/enrolments/finish", "finishEnrolment",
                    guarded([&](const Request& r) { return finish(service, r); })});
}

}  // namespace callward::api
