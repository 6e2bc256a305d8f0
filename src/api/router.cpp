#include "api/router.hpp"

#include "base/event_log.hpp"
#include "base/secret.hpp"

namespace callward::api {
namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    if (path[0] == '/') path.remove_prefix(1);
    const auto end = path.find('/');
    parts.push_back(path.substr(0, end));
    if (end == std::string_view::npos) break;
    path.remove_prefix(end);
  }
  return parts;
}

bool matches(const std::string& pattern, const std::string& path,
             std::map<std::string, std::string>& parameters) {
  const auto wanted = parts_of(pattern);
  const auto given = parts_of(path);
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].size() > 2 && wanted[i].front() == '{') {
      if (given[i].empty()) return false;
      parameters[std::string(wanted[i].substr(1, wanted[i].size() - 2))] = std::string(given[i]);
    } else if (wanted[i] != given[i]) {
      return false;
    }
  }
  return true;
}

std::optional<Refused> refused_by(int status) {
  switch (status) {
    case 400:
    case 413:
      return Refused::kMalformed;
    case 401:
      return Refused::kSignIn;  // a session that is missing is refused before the handler
    case 403:
      return Refused::kDenied;
    case 404:
      return Refused::kNotThere;
    case 429:
      return Refused::kTooMany;
    default:
      return std::nullopt;
  }
}

bool is_write(const std::string& method) { return method != "GET" && method != "HEAD"; }

}  // namespace

people::Roles roles_of(std::string_view operation) {
  for (const auto& row : route_roles())
    if (row.operation == operation) return row.roles;
  return kNobody;
}

std::string cookie(const std::string& header, const std::string& name) {
  std::string_view rest = header;
  while (!rest.empty()) {
    const auto end = rest.find(';');
    auto pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name)
      return std::string(pair.substr(equals + 1));
  }
  return {};
}

Status Router::authenticate(const Route& route, Request& request) const {
  constexpr std::string_view kBearer = "Bearer ";
  if (const auto authorization = request.header("authorization");
      authorization.rfind(kBearer, 0) == 0) {
    const auto token = authorization.substr(kBearer.size());
    if (guards_.operator_token.empty() ||
        !equal_constant_time(as_bytes(token), as_bytes(guards_.operator_token)))
      return fail(Errc::kDenied, "this token is not the operator's");
    request.is_operator = true;
    return {};
  }
  request.session_token = cookie(request.header("cookie"), kSessionCookie);
  if (request.session_token.empty()) return fail(Errc::kDenied, "not signed in");
  request.session =
      TRY((route.polls && guards_.look ? guards_.look : guards_.session)(request.session_token));
  return {};
}

Router::Outcome Router::serve(const Route& route, Request& request) const {
  Outcome out{.response = {}, .operation = route.operation};
  const auto refuse = [&out](Refused why, Response response) {
    out.why = why;
    out.response = std::move(response);
    return std::move(out);
  };
  // A browser sends this header across origins only after a preflight that nobody answers: no
  // CSRF.
  if (is_write(request.method) && request.header("x-callward").empty())
    return refuse(Refused::kNoHeader,
                  Response::problem(403, "denied", "writes need the header X-Callward"));
  if (route.roles != kAnyone) {
    if (auto who = authenticate(route, request); !who) {
      const bool token = !request.header("authorization").empty();
      return refuse(token ? Refused::kOperatorToken : Refused::kNoSession,
                    who.error().code == Errc::kDenied
                        ? Response::problem(401, "not signed in", who.error().message)
                        : Response::of(who.error()));
    }
    const auto roles =
        request.is_operator ? people::bit(people::Role::kOperator) : request.session->person.roles;
    if ((roles & route.roles) == 0)
      return refuse(Refused::kRole, Response::problem(403, "denied", "your role may not do this"));
    if (is_write(request.method) && !route.with_code && request.session &&
        request.session->by == people::CameBy::kCode)
      return refuse(Refused::kCodeSession,
                    Response::problem(403, "denied",
                                      "you came in with a code: for this, sign in with a passkey"));
  }
  out.response = route.handler(request);
  // A stream outlives its request, but not the session that asked for it.
  if (out.response.event_stream && request.session && guards_.look)
    out.response.may_go_on = [look = guards_.look, token = request.session_token] {
      return look(token).has_value();
    };
  return out;
}

Router::Outcome Router::find(Request& request) const {
  // A HEAD is a GET whose body is not sent (RFC 9110, 9.3.2).
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  for (const auto& route : routes_) {
    std::map<std::string, std::string> parameters;
    if (!matches(route.pattern, request.path, parameters)) continue;
    allowed += (allowed.empty() ? "" : ", ") + route.method;
    if (route.method == "GET") allowed += ", HEAD";
    if (route.method != method) continue;
    request.parameters = std::move(parameters);
    return serve(route, request);
  }
  if (!allowed.empty()) {
    auto response = Response::problem(405, "method not allowed");
    response.headers.emplace_back("Allow", allowed);
    return {.response = std::move(response), .why = Refused::kNoRoute};
  }
  return {.response = Response::problem(404, "not found", "no such address"),
          .why = Refused::kNoRoute};
}

Response Router::handle(Request request) const {
  auto out = find(request);
  const auto why = out.why ? out.why : refused_by(out.response.status);
  if (why && guards_.refusals != nullptr)
    guards_.refusals->note({*why, out.operation, request.actor(), request.peer});
  return std::move(out.response);
}

}  // namespace callward::api
