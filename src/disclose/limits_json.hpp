// The limits of a policy as `policy_in_force` states them in the log: a list of whole numbers.
#pragma once

#include <boost/json/array.hpp>
#include <optional>

#include "vault/policy.hpp"

namespace callward::disclose {

using vault::Limits;

boost::json::array limits_to_json(const Limits& limits);
// Nothing: those of no policy.
std::optional<Limits> limits_from_json(const boost::json::array& list);

}  // namespace callward::disclose
