// What people are here for. Bits, so that a person may hold several; nobody acts in two of them on
// one request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace callward::people {

enum class Role : std::uint16_t {
  kReviewer = 1,
  kOwner = 2,
  kOperator = 4,  // the command line on this machine; nobody's in the role chart
  kAgent = 8,
  kTechnician = 16,
  kExpert = 32,
  kAuthorised = 64,
  kSupervisor = 128,
  kAdministrator = 256,
  kAuditor = 512,
};
using Roles = std::uint16_t;

constexpr Roles bit(Role role) { return static_cast<Roles>(role); }
constexpr bool has(Roles roles, Role role) { return (roles & bit(role)) != 0; }

// Those that open something for others to see, or say who may: giving one takes two people, always.
inline constexpr Roles kTwoToGive = bit(Role::kExpert) | bit(Role::kAuthorised) | bit(Role::kOwner);
// Whoever has one of these may be the second of two. So giving one takes two as well, as soon as
// somebody is there who may, and a passkey of the person's own first: else an owner would make the
// second one for themselves.
inline constexpr Roles kMaySecond = kTwoToGive | bit(Role::kReviewer) | bit(Role::kSupervisor) |
                                    bit(Role::kAdministrator) | bit(Role::kAuditor);
// All that a chart knows.
inline constexpr Roles kChartRoles = kMaySecond | bit(Role::kAgent) | bit(Role::kTechnician);

// What there is before a chart is founded.
inline constexpr Roles kBeforeChart = bit(Role::kOwner) | bit(Role::kReviewer);

std::optional<Role> parse_role(std::string_view word);
std::vector<std::string> role_words(Roles roles);  // in the order of their table

}  // namespace callward::people
