#include "people/roles.hpp"

#include <array>

namespace callward::people {
namespace {

struct RoleWord {
  Role role;
  std::string_view word;
};
constexpr std::array kRoleWords = {
    RoleWord{Role::kAgent, "agent"},           RoleWord{Role::kTechnician, "technician"},
    RoleWord{Role::kExpert, "expert"},         RoleWord{Role::kAuthorised, "authorised"},
    RoleWord{Role::kSupervisor, "supervisor"}, RoleWord{Role::kReviewer, "reviewer"},
    RoleWord{Role::kOwner, "owner"},           RoleWord{Role::kAdministrator, "administrator"},
    RoleWord{Role::kAuditor, "auditor"},       RoleWord{Role::kOperator, "operator"}};

}  // namespace

std::optional<Role> parse_role(std::string_view word) {
  for (const auto& item : kRoleWords)
    if (item.word == word) return item.role;
  return std::nullopt;
}

std::vector<std::string> role_words(Roles roles) {
  std::vector<std::string> words;
  for (const auto& item : kRoleWords)
    if (has(roles, item.role)) words.emplace_back(item.word);
  return words;
}

}  // namespace callward::people
