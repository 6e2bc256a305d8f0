#include "base/event_log.hpp"

#include <unistd.h>

#include "base/clock.hpp"

namespace callward {
namespace {
std::string& process_name() {
  static std::string name = "callward";
  return name;
}
}  // namespace

void set_log_process(std::string name) { process_name() = std::move(name); }

std::string json_quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

void log_event(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = "{\"at\":\"" + format_utc(SystemClock().utc_ms()) +
                     "\",\"process\":" + json_quote(process_name()) +
                     ",\"event\":" + json_quote(event);
  for (const auto& field : fields) {
    line += ",";
    line += json_quote(field.key);
    line += ":";
    line += field.quoted ? json_quote(field.text) : field.text;
  }
  line += "}\n";
  // One write, so that lines of several processes do not mix; a full pipe or closed standard error
  // must not stop a recorder, so the outcome is not looked at.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace callward
