// The operational log: one JSON line an event on standard error. Not the audit log. Only event ids,
// random ids, counts and error words go in, and the address from which somebody was refused; other
// personal data has types (SecretBytes, Redacted) that no overload here takes.
//
//   log_event("recorder.gap", {{"call", call.hex()}, {"stream", 1}, {"lost_ms", 40}});
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace callward {

struct LogField {
  template <std::integral Int>
  LogField(std::string_view key,
           Int number)  // NOLINT: implicit on purpose, it is a literal's shape
      : key(key), text(std::to_string(number)), quoted(false) {}
  LogField(std::string_view key, bool flag)
      : key(key), text(flag ? "true" : "false"), quoted(false) {}
  LogField(std::string_view key, std::string_view value) : key(key), text(value), quoted(true) {}
  LogField(std::string_view key, const char* value) : key(key), text(value), quoted(true) {}
  LogField(std::string_view key, const std::string& value) : key(key), text(value), quoted(true) {}

  std::string_view key;
  std::string text;
  bool quoted;
};

// Set once at start, before threads: the "process" of every line.
void set_log_process(std::string name);
void log_event(std::string_view event, std::initializer_list<LogField> fields = {});
// JSON string escape of `text`, with the quotes.
std::string json_quote(std::string_view text);

}  // namespace callward
