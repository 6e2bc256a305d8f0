#include "disclose/limits_json.hpp"

#include "vault/limit_bounds.hpp"

namespace callward::disclose {

boost::json::array limits_to_json(const Limits& limits) {
  boost::json::array list;
  for (const auto number : vault::numbers_of(limits)) list.emplace_back(number);
  return list;
}

std::optional<Limits> limits_from_json(const boost::json::array& list) {
  vault::LimitNumbers numbers{};
  if (list.size() != numbers.size()) return std::nullopt;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!list[i].is_int64()) return std::nullopt;
    numbers[i] = list[i].get_int64();
  }
  auto limits = vault::limits_of(numbers);
  return limits ? std::optional(*limits) : std::nullopt;
}

}  // namespace callward::disclose
