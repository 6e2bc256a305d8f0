#include "app/cli.hpp"

#include <array>
#include <cstdio>

#include "base/clock.hpp"

namespace callward::app {

ExitCode report(const Error& error) {
  std::fprintf(stderr, "callward: %s\n", error.message.c_str());
  switch (error.code) {
    case Errc::kConfig:
      return ExitCode::kWrongUse;
    case Errc::kCorrupt:
      return ExitCode::kFoundBad;
    default:
      return ExitCode::kFailed;
  }
}

void print_json(const boost::json::value& value) {
  std::printf("%s\n", boost::json::serialize(value).c_str());
}

std::string short_time(std::int64_t utc_ms) { return format_utc(utc_ms).substr(0, 19) + "Z"; }

std::string short_duration(std::int64_t ms) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%lld:%02lld.%lld", static_cast<long long>(ms / 60'000),
                static_cast<long long>(ms / 1'000 % 60), static_cast<long long>(ms / 100 % 10));
  return text.data();
}

}  // namespace callward::app
