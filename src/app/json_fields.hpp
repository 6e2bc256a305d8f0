// What the server answers, as commands print it: a field that is missing, or of another type, reads
// as zero or empty, so that an older service is shown as far as it goes. Not for what is acted on.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

namespace callward::app::json_fields {

using boost::json::value;

inline const value* member(const value& json, const char* key) {
  return json.is_object() ? json.get_object().if_contains(key) : nullptr;
}
inline std::int64_t number(const value& json, const char* key) {
  const auto* found = member(json, key);
  return found != nullptr && (found->is_int64() || found->is_uint64())
             ? found->to_number<std::int64_t>()
             : 0;
}
inline std::string text(const value& json, const char* key) {
  const auto* found = member(json, key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}
inline bool flag(const value& json, const char* key) {
  const auto* found = member(json, key);
  return found != nullptr && found->is_bool() && found->get_bool();
}
inline const value& object(const value& json, const char* key) {
  static const value kEmpty = boost::json::object{};
  const auto* found = member(json, key);
  return found != nullptr && found->is_object() ? *found : kEmpty;
}
inline const boost::json::array& array(const value& json, const char* key) {
  static const boost::json::array kEmpty;
  const auto* found = member(json, key);
  return found != nullptr && found->is_array() ? found->get_array() : kEmpty;
}

}  // namespace callward::app::json_fields
