#include "disclose/parts.hpp"

#include <algorithm>

namespace callward::disclose {

bool has_part(const Request& request, const PersonId& person) {
  return person == request.requester || person == request.expert || person == request.released_by ||
         person == request.second;
}

bool answers_for(const people::Chart& chart, const PersonId& person, const Request& request) {
  using people::Role;
  return chart.here(person) != nullptr &&
         (chart.is(person, Role::kAuthorised) || chart.is(person, Role::kOwner) ||
          chart.answers_to(request.requester, person));
}

bool may_read_words(const people::Chart& chart, const PersonId& person, const Request& request) {
  return chart.here(person) != nullptr &&
         (has_part(request, person) || answers_for(chart, person, request));
}

std::size_t look_ups_per_day(const people::Chart& chart) {
  const auto members =
      static_cast<std::size_t>(std::ranges::count_if(chart.members(), [&](const auto& item) {
        const auto* member = chart.here(item.first);
        return member != nullptr && (member->roles & kTakesCalls) != 0;
      }));
  return std::max(kLookUpsPerDayAllMin, members * kLookUpsPerDayOfEach);
}

}  // namespace callward::disclose
