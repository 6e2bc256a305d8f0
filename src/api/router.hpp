// From a request to its handler: one table of routes, their roles and what guards them. api_test
// holds the table and openapi.yaml to each other.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/http.hpp"
#include "api/refusals.hpp"
#include "api/route_roles.hpp"

namespace callward::api {

using Handler = std::function<Response(const Request&)>;

struct Route {
  std::string method, pattern;  // "/v1/calls/{id}"
  std::string operation;
  Handler handler;
  // A write that who came in by a one-time code may do, too. They look, and do no more: a code
  // signs nothing.
  bool with_code = false;
  // The console asks it by itself, on every screen: it is no use of the session, which ends by
  // idleness all the same.
  bool polls = false;
  people::Roles roles = kNobody;  // routes() takes them from the table
};

class Router {
 public:
  struct Guards {
    std::function<Result<people::Session>(const std::string& token)> session;
    // The same, and it does not count as use.
    std::function<Result<people::Session>(const std::string& token)> look;
    std::string operator_token;    // empty: none
    Refusals* refusals = nullptr;  // is told what was refused
  };
  Router(std::vector<Route> routes, Guards guards)
      : routes_(std::move(routes)), guards_(std::move(guards)) {}

  // 404, 405, 401, 403 (role, a write without X-Callward, a code for a passkey), or the handler's
  // answer.
  Response handle(Request request) const;
  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Outcome {
    Response response;
    std::string operation = "-";
    std::optional<Refused> why = {};  // where the status does not say it
  };
  Outcome find(Request& request) const;
  Outcome serve(const Route& route, Request& request) const;
  Status authenticate(const Route& route, Request& request) const;
  std::vector<Route> routes_;
  Guards guards_;
};

std::string cookie(const std::string& header, const std::string& name);
inline constexpr const char* kSessionCookie = "__Host-callward";

}  // namespace callward::api
