// A policy with numbers besides the one that is dialled.
#pragma once

#include <string>

#include "office_rig.hpp"

namespace callward::attack {

inline const std::string kPolicyOfPhones = std::string(kPolicy) + R"(
[[field]]
id = "mobile"
label = "Mobile"
kind = "phone"
class = "contact"
[[field]]
id = "work"
label = "At work"
kind = "phone"
)";

}  // namespace callward::attack
