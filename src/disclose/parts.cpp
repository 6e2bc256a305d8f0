#include "disclose/parts.hpp"

namespace callward::disclose {
namespace {

bool is_here(const people::Chart& chart, const PersonId& person) {
  const auto* member = chart.find(person);
  return member != nullptr && !member->left;
}

}  // namespace

bool has_part(const Request& request, const PersonId& person) {
  return person == request.requester || person == request.expert || person == request.released_by ||
         person == request.second;
}

bool answers_for(const people::Chart& chart, const PersonId& person, const Request& request) {
  using people::Role;
  return is_here(chart, person) &&
         (chart.is(person, Role::kAuthorised) || chart.is(person, Role::kOwner) ||
          chart.answers_to(request.requester, person));
}

bool may_read_words(const people::Chart& chart, const PersonId& person, const Request& request) {
  return is_here(chart, person) &&
         (has_part(request, person) || answers_for(chart, person, request));
}

}  // namespace callward::disclose
