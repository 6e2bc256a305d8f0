// `callward user ...`: people, as far as the operator may: names, ends of sessions, codes taken
// away. What somebody is here for is signed in the console.
#include <algorithm>
#include <cstdio>

#include "app/cli.hpp"
#include "app/json_fields.hpp"
#include "app/vault_policy.hpp"

namespace callward::app {
namespace {

using namespace json_fields;

std::string joined(const boost::json::array& words) {
  std::string out;
  for (const auto& word : words)
    if (const auto* one = word.if_string()) out += (out.empty() ? "" : " ") + std::string(*one);
  return out;
}

Result<std::string> id_named(const value& people, const std::string& name) {
  for (const auto& person : array(people, "people"))
    if (text(person, "name") == name) return text(person, "person");
  return fail(Errc::kNotFound, "nobody is named " + name + "; `callward user list` shows who is");
}

struct Place {
  std::unique_ptr<HttpClient> http;
  value people;
  [[nodiscard]] bool founded() const { return flag(people, "founded"); }
};
Result<Place> ask_people(const CliContext& context) {
  Place place{TRY(HttpClient::create(context.config)), {}};
  place.people = TRY(place.http->get("/v1/people"));
  return place;
}

// What needs a signature is done where there is a passkey.
ExitCode to_the_console(const CliContext& context, const std::string& what) {
  const auto address = context.config.server.origin + "/people";
  if (context.json)
    print_json({{"needs_signature", true}, {"console", address}});
  else
    std::printf("%s An owner does that in the console, signed with a passkey:\n  %s\n",
                what.c_str(), address.c_str());
  return ExitCode::kFailed;
}

Result<value> make_link(Place& place, const std::string& name) {
  return place.http->post("/v1/people/" + TRY(id_named(place.people, name)) + "/enrolment",
                          boost::json::object{});
}

void print_link(const CliContext& context, const value& link, const char* what) {
  if (context.json)
    print_json({{"enrolment", text(link, "link")}});
  else
    std::printf("%s, once, within 72 hours:\n  %s\n", what, text(link, "link").c_str());
}

// Before a chart: whoever stands as owner in the database.
Result<std::string> owner_of(const value& people, const std::string& wanted) {
  std::vector<std::string> owners;
  for (const auto& person : array(people, "people"))
    if (std::ranges::count(array(person, "roles"), value("owner")) > 0)
      owners.push_back(text(person, "name"));
  if (!wanted.empty()) {
    if (std::ranges::find(owners, wanted) != owners.end()) return wanted;
    return fail(Errc::kConfig, wanted + " is no owner here");
  }
  if (owners.size() == 1) return owners.front();
  return fail(Errc::kConfig, owners.empty()
                                 ? "nobody is owner: callward user add NAME --role owner"
                                 : "there are several owners: name the one who founds the chart");
}

}  // namespace

std::vector<std::string> user_lines(const value& people) {
  std::vector<std::string> lines;
  const auto name_of = [&](const std::string& id) {
    for (const auto& person : array(people, "people"))
      if (text(person, "person") == id) return text(person, "name");
    return id;
  };
  for (const auto& person : array(people, "people")) {
    auto line = text(person, "name") + ": " + text(person, "state");
    if (const auto roles = joined(array(person, "roles")); !roles.empty()) line += ", " + roles;
    if (const auto up = text(person, "answers_to"); !up.empty())
      line += ", answers to " + name_of(up);
    if (const auto keys = number(person, "passkeys"); keys > 0)
      line += ", " + std::to_string(keys) + (keys == 1 ? " passkey" : " passkeys");
    if (flag(person, "on_duty")) line += ", on duty";
    lines.push_back(std::move(line));
  }
  if (!flag(people, "founded")) {
    lines.emplace_back(
        "no role chart is founded: passphrases alone open this. `callward user found` begins it");
    return lines;
  }
  for (const auto& lack : array(people, "lacks"))
    if (const auto* words = lack.if_string())
      lines.push_back("a release lacks: " + std::string(*words));
  for (const auto& lack : array(people, "lacks_for_two"))
    if (const auto* words = lack.if_string())
      lines.push_back("break-glass, and a release after a number that was changed lately, lack: " +
                      std::string(*words));
  return lines;
}

Result<ExitCode> command_user_list(const CliContext& context) {
  const auto place = TRY(ask_people(context));
  if (context.json)
    print_json(place.people);
  else
    for (const auto& line : user_lines(place.people)) std::printf("%s\n", line.c_str());
  return ExitCode::kDone;
}

Result<ExitCode> command_user_add(const CliContext& context, const UserOptions& options) {
  auto place = TRY(ask_people(context));
  boost::json::array roles;
  if (!place.founded())
    roles.emplace_back(options.role.empty() ? "reviewer" : options.role);
  else if (!options.role.empty())
    return to_the_console(context, "Roles are given in the role chart.");
  TRY(place.http->post("/v1/people",
                       boost::json::object{{"name", options.name}, {"roles", roles}}));
  if (place.founded()) {
    const auto address = context.config.server.origin + "/people";
    if (context.json)
      print_json({{"name", options.name}, {"enrolment", ""}, {"console", address}});
    else
      std::printf("%s is named. An owner gives the role and the invitation in the console:\n  %s\n",
                  options.name.c_str(), address.c_str());
    return ExitCode::kDone;
  }
  place.people = TRY(place.http->get("/v1/people"));
  print_link(context, TRY(make_link(place, options.name)),
             (options.name + " sets a passphrase here").c_str());
  return ExitCode::kDone;
}

Result<ExitCode> command_user_invite(const CliContext& context, const UserOptions& options) {
  auto place = TRY(ask_people(context));
  TRY(id_named(place.people, options.name));
  if (place.founded()) return to_the_console(context, "Invitations are signed.");
  print_link(context, TRY(make_link(place, options.name)),
             (options.name + " sets a passphrase here").c_str());
  return ExitCode::kDone;
}

Result<ExitCode> command_user_found(const CliContext& context, const UserOptions& options) {
  auto place = TRY(ask_people(context));
  if (place.founded())
    return fail(Errc::kState, "the role chart is founded; owners are made in the console: " +
                                  context.config.server.origin + "/people");
  const auto owner = TRY(owner_of(place.people, options.name));
  const auto link = TRY(make_link(place, owner));
  RealVfs vfs;
  TRY(keep_founding(vfs, context.config, text(link, "token")));
  print_link(context, link,
             (owner + " sets a passphrase and a passkey here, and founds the role chart").c_str());
  if (!context.json)
    for (const auto& line : founding_lines()) std::printf("%s\n", line.c_str());
  return ExitCode::kDone;
}

Result<ExitCode> command_user_sessions(const CliContext& context, const UserOptions& options) {
  const auto place = TRY(ask_people(context));
  const auto id = TRY(id_named(place.people, options.name));
  const auto sessions = TRY(place.http->get("/v1/people/" + id + "/sessions"));
  if (context.json) {
    print_json(sessions);
    return ExitCode::kDone;
  }
  for (const auto& session : array(sessions, "sessions"))
    std::printf("%s: since %s, seen %s, by %s\n", text(session, "id").c_str(),
                short_time(number(session, "started_at")).c_str(),
                short_time(number(session, "seen_at")).c_str(), text(session, "came_by").c_str());
  if (array(sessions, "sessions").empty()) std::printf("no session\n");
  return ExitCode::kDone;
}

Result<ExitCode> command_user_revoke(const CliContext& context, const UserOptions& options) {
  const auto place = TRY(ask_people(context));
  const auto id = TRY(id_named(place.people, options.name));
  const auto ended = TRY(place.http->remove("/v1/people/" + id + "/sessions"));
  if (context.json)
    print_json(ended);
  else
    std::printf("sessions ended: %lld\n", static_cast<long long>(number(ended, "ended")));
  return ExitCode::kDone;
}

Result<ExitCode> command_user_totp_reset(const CliContext& context, const UserOptions& options) {
  const auto place = TRY(ask_people(context));
  const auto id = TRY(id_named(place.people, options.name));
  TRY(place.http->remove("/v1/people/" + id + "/code"));
  if (context.json)
    print_json({{"reset", true}});
  else
    std::printf("%s has no one-time codes any more, and signs in with the passkey\n",
                options.name.c_str());
  return ExitCode::kDone;
}

std::vector<std::string> founding_lines() {
  return {
      "A release of customer data takes three different people: who asks, an expert who rings "
      "the customer back,",
      "and an authorised person who releases; the expert does not answer to who asks. Without a "
      "second authorised person",
      "nothing opens by break-glass, nor after the customer's number was changed lately. `callward "
      "user list` says who is missing.",
      "Against a lost passkey the owner adds a second one, or names two custodians, in the "
      "console: nobody else can help then."};
}

}  // namespace callward::app
