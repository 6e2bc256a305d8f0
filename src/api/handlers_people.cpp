// Who is here: the list, a name more, links, other people's sessions.
#include <algorithm>

#include "api/service.hpp"

namespace callward::api {
namespace {

using people::Role;

boost::json::array words_of(people::Roles roles) {
  boost::json::array words;
  for (const auto& word : people::role_words(roles)) words.emplace_back(word);
  return words;
}

std::string id_or_nothing(const PersonId& id) { return id.is_zero() ? std::string() : id.hex(); }

boost::json::object person_json(const people::Person& person, const people::Chart& chart,
                                const std::vector<PersonId>& on_duty) {
  const auto* member = chart.find(person.id);
  const bool founded = chart.number() > 0;
  boost::json::object json{{"person", person.id.hex()},
                           {"name", person.name},
                           {"state", "named"},
                           {"roles", words_of(founded ? people::Roles{0} : person.roles)},
                           {"answers_to", ""},
                           {"extension", ""},
                           {"passkeys", 0},
                           {"custodians", boost::json::array{}},
                           {"on_duty", false}};
  if (!founded) json["state"] = "here";
  if (member == nullptr) return json;
  json["state"] = member->left                         ? "left"
                  : !member->keys.empty()              ? "here"
                  : member->invite != crypto::Digest{} ? "invited"
                                                       : "added";
  json["roles"] = words_of(member->roles);
  json["answers_to"] = id_or_nothing(member->answers_to);
  json["extension"] = member->extension;
  json["passkeys"] = member->keys.size();
  for (const auto& custodian : member->custodians)
    json["custodians"].as_array().emplace_back(custodian.hex());
  json["on_duty"] = std::ranges::find(on_duty, person.id) != on_duty.end();
  return json;
}

Result<Response> list(Service& service) {
  const auto chart = TRY(service.roster.chart());
  const auto on_duty = TRY(service.people.on_duty());
  boost::json::array items, lacks, lacks_for_two;
  for (const auto& person : TRY(service.people.all()))
    items.emplace_back(person_json(person, *chart, on_duty));
  for (const auto& words : chart->lacks()) lacks.emplace_back(words);
  for (const auto& words : chart->lacks_for_two()) lacks_for_two.emplace_back(words);
  return Response::json({{"founded", chart->number() > 0},
                         {"number", chart->number()},
                         {"head", chart->number() > 0 ? to_hex(chart->head()) : std::string()},
                         {"lacks", std::move(lacks)},
                         {"lacks_for_two", std::move(lacks_for_two)},
                         {"people", std::move(items)}});
}

// One's own passkeys, or another's for who may take them away.
Result<Response> one(Service& service, const Request& request) {
  const auto person = TRY(person_named(service, request.parameters.at("id")));
  const auto chart = TRY(service.roster.chart());
  const bool own = request.session && request.session->person.id == person.id;
  const bool owner = request.session && people::has(request.session->person.roles, Role::kOwner);
  auto json = person_json(person, *chart, TRY(service.people.on_duty()));
  boost::json::array keys;
  if (const auto* member = chart->find(person.id); member != nullptr && (own || owner))
    for (const auto& key : member->keys)
      keys.push_back({{"id", to_hex(key.id)},
                      {"algorithm", key.algorithm},
                      {"fingerprint", fingerprint(key)}});
  json["keys"] = std::move(keys);
  json["code"] = (own || owner) && TRY(service.people.has_code(person.id));
  const auto offer = service.people.offered(person.id);
  json["offers"] = offer ? fingerprint(offer->key) : std::string();
  return Response::json(std::move(json));
}

Result<people::Roles> roles_of(const std::vector<std::string>& words) {
  people::Roles roles = 0;
  for (const auto& word : words) {
    const auto role = people::parse_role(word);
    if (!role || !people::has(people::kBeforeChart, *role))
      return fail(Errc::kMalformed, "before the role chart there are reviewer and owner");
    roles = static_cast<people::Roles>(roles | people::bit(*role));
  }
  return roles;
}

// A name; what for says the chart, once it is founded. Before that the operator says it.
Result<Response> add(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  const auto name = TRY(body.text("name", 1, 64));
  const auto words = TRY(body.texts("roles", 2, 0));
  TRY(body.finish());
  const bool founded = TRY(service.roster.chart())->number() > 0;
  if (founded != words.empty())
    return fail(Errc::kMalformed,
                founded ? "roles are given in the role chart, signed" : "a person needs a role");
  if (!founded && !request.is_operator)
    return fail(Errc::kDenied, "before the role chart is founded, `callward user add` does this");
  const auto roles = TRY(roles_of(words));
  if (TRY(service.people.find(name))) return fail(Errc::kExists, "this name is taken");
  const auto person = TRY(service.people.add(name, roles, std::nullopt));
  TRY(service.log(
      "person_added", request.actor(), person.id.hex(),
      {{"roles", words_of(roles)}, {"by", request.is_operator ? "operator" : "owner"}}));
  return Response::json({{"person", person.id.hex()}, {"name", person.name}}, 201);
}

// Before the chart is founded: the operator's link, and the owner's that founds it.
Result<Response> make_link(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  TRY(body.finish());
  const auto person = TRY(person_named(service, request.parameters.at("id")));
  if (TRY(service.roster.chart())->number() > 0)
    return fail(Errc::kState,
                "who comes in now is invited by an owner, who signs it in the "
                "console: " +
                    service.roster.party().origin);
  TRY(service.log("link_made", request.actor(), person.id.hex(), {{"kind", "enrolment"}}));
  const auto token = TRY(service.people.make_enrolment(person.id));
  return Response::json({{"link", link_of(service, token)}, {"token", token}}, 201);
}

// By it somebody whose passkeys are gone offers a new one. It opens nothing by itself.
Result<Response> make_recovery(Service& service, const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  TRY(body.finish());
  const auto chart = TRY(founded_chart(service));
  const auto person = TRY(person_named(service, request.parameters.at("id")));
  const auto& by = request.session->person.id;
  const auto* member = chart->here(person.id);
  if (member == nullptr) return fail(Errc::kState, "nobody who is in the role chart");
  // Who has none is invited, but for those whose passkey is nobody's alone to give.
  if (member->keys.empty() &&
      chart->key_first(next_change(service, *chart, people::ChangeKind::kInvited, person.id)))
    return fail(Errc::kState, "nobody who has a passkey: invite them instead");
  const bool custodian = std::ranges::find(member->custodians, by) != member->custodians.end();
  if (by == person.id || (!custodian && !chart->is(by, Role::kOwner)))
    return fail(Errc::kDenied, "an owner does this, or one of the person's custodians");
  TRY(service.log("link_made", request.actor(), person.id.hex(), {{"kind", "recovery"}}));
  const auto token = TRY(service.people.make_enrolment(person.id, true));
  return Response::json({{"link", link_of(service, token)}}, 201);
}

Result<Response> sessions(Service& service, const Request& request) {
  const auto person = TRY(person_named(service, request.parameters.at("id")));
  boost::json::array items;
  for (const auto& session : TRY(service.people.sessions(person.id)))
    items.push_back({{"id", session.id},
                     {"started_at", session.started_at},
                     {"seen_at", session.seen_at},
                     {"came_by", people::to_text(session.by)},
                     {"current", request.session && session.id == request.session->id}});
  return Response::json({{"sessions", std::move(items)}});
}

Result<Response> end_sessions(Service& service, const Request& request) {
  const auto person = TRY(person_named(service, request.parameters.at("id")));
  std::int64_t ended = 0;
  for (const auto& session : TRY(service.people.sessions(person.id))) {
    TRY(end_one_session(service, session, request.actor(), "revoked"));
    ++ended;
  }
  return Response::json({{"ended", ended}});
}

}  // namespace

void add_people_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back(
      {"GET", "/v1/people", "listPeople", guarded([&](const Request&) { return list(service); })});
  routes.push_back({"POST", "/v1/people", "addPerson",
                    guarded([&](const Request& r) { return add(service, r); })});
  routes.push_back({"GET", "/v1/people/{id}", "getPerson",
                    guarded([&](const Request& r) { return one(service, r); })});
  routes.push_back({"POST", "/v1/people/{id}/enrolment", "makeEnrolment",
                    guarded([&](const Request& r) { return make_link(service, r); })});
  routes.push_back({"POST", "/v1/people/{id}/recovery", "makeRecovery",
                    guarded([&](const Request& r) { return make_recovery(service, r); })});
  routes.push_back({"GET", "/v1/people/{id}/sessions", "listSessionsOf",
                    guarded([&](const Request& r) { return sessions(service, r); })});
  routes.push_back({"DELETE", "/v1/people/{id}/sessions", "revokeSessionsOf",
                    guarded([&](const Request& r) { return end_sessions(service, r); })});
}

}  // namespace callward::api
