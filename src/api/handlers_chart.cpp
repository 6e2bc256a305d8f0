// Changes of the role chart: drafted here, signed in browsers, taken by the keeper.
//
// A draft lies on the desk until it is signed; one that takes two people waits there for the second
// one. The chart moves on with every change: what was drafted before is void then. Who may sign is
// in the chart (people/chart.hpp), here and in the keeper; nothing here is believed.
#include <algorithm>

#include "api/service.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {
namespace {

using people::Change;
using people::ChangeKind;
using people::Role;

Result<boost::json::object> draft_json(const std::string& id, const Draft& draft,
                                       const people::Chart& chart) {
  auto json = TRY(change_json(draft.change));
  json["draft"] = id;
  json["by"] = draft.by.hex();
  json["takes_two"] = chart.takes_two(draft.change);
  json["signed"] = draft.first ? 1 : 0;
  json["until"] = draft.until;
  return json;
}

Result<PersonId> id_of(const std::string& text, bool may_be_nobody) {
  if (text.empty() && may_be_nobody) return PersonId{};
  auto id = PersonId::parse(text);
  if (!id || id->is_zero()) return fail(Errc::kMalformed, "no person's id");
  return id;
}

Status read_person(Service& service, BodyReader& body, Change& change) {
  people::Roles roles = 0;
  for (const auto& word : TRY(body.texts("roles", 9, 0))) {
    const auto role = people::parse_role(word);
    if (!role || !people::has(people::kChartRoles, *role))
      return fail(Errc::kMalformed, "no such role");
    roles = static_cast<people::Roles>(roles | people::bit(*role));
  }
  change.roles = roles;
  change.answers_to = TRY(id_of(TRY(body.text("answers_to", 0, 32)), true));
  change.extension = TRY(body.text("extension", 0, people::Chart::kExtensionBytesMax));
  TRY(person_named(service, change.person.hex()));
  return {};
}

Status read_added_key(Service& service, BodyReader& body, Change& change) {
  const auto given = TRY(registration_of(body));
  const auto made =
      service.desk.enrolments.take("own:" + change.person.hex(), service.clock.monotonic_ms());
  if (!made) return fail(Errc::kState, "that took too long: begin the passkey anew");
  change.key = TRY(people::check_registration(service.roster.party(), made->challenge, given));
  return {};
}

Status read_removed_key(const people::Chart& chart, BodyReader& body, Change& change) {
  const auto id = TRY(body.bytes("passkey", 1, people::kPasskeyIdBytesMax));
  const auto* member = chart.find(change.person);
  if (member == nullptr ||
      std::ranges::find(member->keys, id, &people::Passkey::id) == member->keys.end())
    return fail(Errc::kNotFound, "no such passkey");
  change.key.id = id;
  return {};
}

Status read_custodians(BodyReader& body, Change& change) {
  for (const auto& text : TRY(body.texts("custodians", 2, 0)))
    change.custodians.push_back(TRY(id_of(text, false)));
  return {};
}

Result<crypto::Digest> digest_of(BodyReader& body, const char* name) {
  const auto bytes = TRY(body.bytes(name, 32, 32));
  crypto::Digest digest;
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

// Who may draft it is who may sign it first: others have no use for it.
Status may_draft(const people::Chart& chart, const PersonId& by, const Change& change) {
  using enum ChangeKind;
  const bool own = by == change.person;
  const auto* member = chart.find(change.person);
  const bool custodian =
      member != nullptr && std::ranges::find(member->custodians, by) != member->custodians.end();
  const bool owner = chart.is(by, Role::kOwner);
  const bool may = change.kind == kKeyAdded || change.kind == kCustodians ? own
                   : change.kind == kKeyRemoved                           ? own || owner
                   : change.kind == kKeyReplaced ? !own && (owner || custodian)
                                                 : owner;
  return may ? Status{} : fail(Errc::kDenied, "an owner does this, or whom it is about");
}

Result<ChangeKind> kind_of(const std::string& word) {
  using enum ChangeKind;
  for (const auto kind :
       {kPerson, kLeft, kInvited, kKeyAdded, kKeyRemoved, kKeyReplaced, kCustodians})
    if (word == people::to_text(kind)) return kind;
  return fail(Errc::kMalformed, "no change that is drafted here");
}

Result<Draft> read_draft(Service& service, const Request& request, const people::Chart& chart) {
  using enum ChangeKind;
  auto body = TRY(BodyReader::parse(request.body));
  const auto kind = TRY(kind_of(TRY(body.text("kind", 1, 32))));
  const auto about = TRY(id_of(TRY(body.text("person", 32, 32)), false));
  Draft draft{.change = next_change(service, chart, kind, about), .by = request.session->person.id};
  TRY(may_draft(chart, draft.by, draft.change));
  if (kind == kPerson) TRY(read_person(service, body, draft.change));
  if (kind == kKeyAdded) TRY(read_added_key(service, body, draft.change));
  if (kind == kKeyRemoved) TRY(read_removed_key(chart, body, draft.change));
  if (kind == kCustodians) TRY(read_custodians(body, draft.change));
  if (kind == kKeyReplaced) draft.change.key = TRY(service.people.offered(about)).key;
  if (kind == kInvited) {
    // Made by the owner's browser: what the link holds, the server never has.
    draft.change.invite = TRY(digest_of(body, "invite"));
    draft.link = TRY(digest_of(body, "link"));
  }
  TRY(body.finish());
  draft.until = service.clock.utc_ms() + Desk::kDraftMs;
  return draft;
}

Result<Response> create(Service& service, const Request& request) {
  const auto chart = TRY(founded_chart(service));
  auto draft = TRY(read_draft(service, request, *chart));
  TRY(chart->drafted(draft.change));
  TRY(chart->key_first(draft.change));
  const auto id = to_hex(service.entropy.array<16>());
  auto json = TRY(draft_json(id, draft, *chart));
  const auto by = draft.by.hex();
  TRY(service.desk.drafts.put(id, by, std::move(draft), service.clock.monotonic_ms()));
  return Response::json(std::move(json), 201);
}

bool may_see(const people::Chart& chart, const Draft& draft, const PersonId& person) {
  return draft.by == person || (draft.first && chart.may_be_second(draft.change, draft.by, person));
}

Result<Response> list(Service& service, const Request& request) {
  const auto chart = TRY(service.roster.chart());
  const auto now = service.clock.monotonic_ms();
  boost::json::array items;
  for (const auto& [id, draft] : service.desk.drafts.all(now)) {
    if (!chart->drafted(draft.change)) {
      (void)service.desk.drafts.take(id, now);  // the chart has moved on
      continue;
    }
    if (may_see(*chart, draft, request.session->person.id))
      items.emplace_back(TRY(draft_json(id, draft, *chart)));
  }
  return Response::json({{"drafts", std::move(items)}});
}

Result<Response> withdraw(Service& service, const Request& request) {
  const auto& id = request.parameters.at("id");
  const auto now = service.clock.monotonic_ms();
  const auto draft = service.desk.drafts.look(id, now);
  if (!draft || draft->by != request.session->person.id)
    return fail(Errc::kNotFound, "no such draft");
  (void)service.desk.drafts.take(id, now);
  return Response::empty();
}

// What the server itself has to do with a change that is so now.
Result<boost::json::object> done(Service& service, const Draft& draft,
                                 const keys::ChartTaken& taken) {
  boost::json::object json{{"number", taken.number}, {"head", to_hex(taken.head)}};
  if (draft.change.kind == ChangeKind::kInvited)
    TRY(service.people.keep_link(draft.change.person, draft.link));
  if (draft.change.kind == ChangeKind::kKeyReplaced) {
    TRY(service.people.take_offer(draft.change.person));
    drop_ended_readers(service);
  }
  return json;
}

// The offer that was drafted is the one that stands, passphrase and all.
Status check_offer(Service& service, const Change& change) {
  if (change.kind != ChangeKind::kKeyReplaced) return {};
  const auto offer = TRY(service.people.offered(change.person));
  return offer.key.id == change.key.id && offer.key.key == change.key.key
             ? Status{}
             : fail(Errc::kState, "this person offers another passkey by now: draft it anew");
}

Result<Response> take(Service& service, const std::string& id, const Draft& draft,
                      std::vector<people::PersonSignature> signatures) {
  TRY(check_offer(service, draft.change));
  const auto taken = TRY(put_change(service, {draft.change, std::move(signatures)}));
  (void)service.desk.drafts.take(id, service.clock.monotonic_ms());
  service.events.publish("people", "{}");
  return Response::json(TRY(done(service, draft, taken)));
}

Result<Response> sign(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto signature = TRY(signature_of(body));
  TRY(body.finish());
  const auto& id = request.parameters.at("id");
  const auto& person = request.session->person.id;
  const auto now = service.clock.monotonic_ms();
  const auto chart = TRY(founded_chart(service));
  auto draft = service.desk.drafts.look(id, now);
  if (!draft || !may_see(*chart, *draft, person)) return fail(Errc::kNotFound, "no such draft");
  if (!chart->drafted(draft->change)) {
    (void)service.desk.drafts.take(id, now);
    return fail(Errc::kState, "the role chart has moved on: draft it anew");
  }
  if (signature.person != person) return fail(Errc::kDenied, "one signs what one sends oneself");
  if (draft->first) return take(service, id, *draft, {*draft->first, signature});
  TRY(chart->check_one(draft->change, signature));
  if (!chart->takes_two(draft->change)) return take(service, id, *draft, {signature});
  draft->first = signature;
  if (!service.desk.drafts.replace(id, *draft, now)) return fail(Errc::kNotFound, "no such draft");
  service.events.publish("people", "{}");
  return Response::json(TRY(draft_json(id, *draft, *chart)), 202);
}

}  // namespace

void add_chart_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/chart/drafts", "listDrafts",
                    guarded([&](const Request& r) { return list(service, r); })});
  routes.back().polls = true;
  routes.push_back({"POST", "/v1/chart/drafts", "createDraft",
                    guarded([&](const Request& r) { return create(service, r); })});
  routes.push_back({"DELETE", "/v1/chart/drafts/{id}", "withdrawDraft",
                    guarded([&](const Request& r) { return withdraw(service, r); })});
  routes.push_back({"POST", "/v1/chart/drafts/{id}/signature", "signDraft",
                    guarded([&](const Request& r) { return sign(service, r); })});
}

}  // namespace callward::api
