// Bodies as vendors send them, from the material folder (CALLWARD_MATERIAL, or ../shared/material
// beside the repository). Tests that use it skip where it is absent.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace callward::wire {

inline std::string material_dir() {
  const char* chosen = std::getenv("CALLWARD_MATERIAL");
  return chosen != nullptr ? chosen : std::string(CALLWARD_SOURCE_DIR) + "/../shared/material";
}
inline std::string read_material(const std::string& name) {
  std::ifstream file(material_dir() + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace callward::wire

// NOLINTBEGIN(bugprone-macro-parentheses): what is declared cannot stand in parentheses
#define MATERIAL_OR_SKIP(variable, name)                              \
  const std::string variable = ::callward::wire::read_material(name); \
  if (variable.empty()) GTEST_SKIP() << "material is absent: " << (name)
// NOLINTEND(bugprone-macro-parentheses)
