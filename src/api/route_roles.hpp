// Who may call which route. One table, generated from the specification (x-roles in openapi.yaml)
// by tools/route_roles; the router asks it and nothing else. `tools/route_roles --table` prints it.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "people/roles.hpp"

namespace callward::api {

inline constexpr people::Roles kAnyone = 0;  // no session needed
// Nobody has this one: what the specification does not name is called by nobody.
inline constexpr people::Roles kNobody = 0x8000;

struct RouteRoles {
  std::string_view operation;
  people::Roles roles = kNobody;
};
const std::vector<RouteRoles>& route_roles();
people::Roles roles_of(std::string_view operation);

constexpr people::Roles roles_of(std::initializer_list<people::Role> roles) {
  people::Roles all = 0;
  for (const auto role : roles) all = static_cast<people::Roles>(all | people::bit(role));
  return all;
}

}  // namespace callward::api
