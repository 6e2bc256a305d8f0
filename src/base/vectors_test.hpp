// Byte-exact vectors of the formats (tests/vectors/*.json): written by CALLWARD_WRITE_VECTORS=1,
// read ever after. tests/vectors/README.md says what the fields mean. For tests.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "base/bytes.hpp"
#include "base/vfs.hpp"

namespace callward::vectors {

namespace json = boost::json;

inline std::string path_of(const std::string& name) {
  return std::string(CALLWARD_SOURCE_DIR) + "/tests/vectors/" + name;
}

inline std::string text_of(std::string_view format, const std::vector<json::object>& cases) {
  std::string text =
      "{\n  \"format\": \"" + std::string(format) + "\",\n  \"version\": 1,\n  \"cases\": [\n";
  for (std::size_t i = 0; i < cases.size(); ++i)
    text += "    " + json::serialize(cases[i]) + (i + 1 < cases.size() ? ",\n" : "\n");
  return text + "  ]\n}\n";
}

// Compares the file with what the seed gives, or writes it when asked to.
inline void same_as_file(const std::string& name, const std::string& text) {
  RealVfs vfs;
  if (std::getenv("CALLWARD_WRITE_VECTORS") != nullptr)
    ASSERT_TRUE(vfs.write_file_atomic(path_of(name), as_bytes(text)));
  const auto raw = vfs.read_file(path_of(name), 16u << 20);
  ASSERT_TRUE(raw);
  EXPECT_EQ(as_text(*raw), text) << name
                                 << ": what the program makes now differs from what it made before";
}

inline json::array cases_of(const std::string& name) {
  RealVfs vfs;
  const auto raw = vfs.read_file(path_of(name), 16u << 20);
  if (!raw) return {};
  return json::parse(as_text(*raw)).as_object().at("cases").as_array();
}

inline std::string text(const json::value& item, const char* field) {
  return std::string(item.at(field).as_string());
}
inline Bytes bytes(const json::value& item, const char* field) {
  return *from_hex(text(item, field));
}
template <class Int = std::uint32_t>
Int number(const json::value& item, const char* field) {
  return item.at(field).to_number<Int>();
}
template <class T>
std::string outcome_of(const Result<T>& result) {
  return result ? "ok" : std::string(to_string(result.error().code));
}

}  // namespace callward::vectors
