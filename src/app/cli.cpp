#include "app/cli.hpp"

#include <unistd.h>

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

void print_lines(const char* label, const std::vector<std::string>& lines) {
  for (const auto& line : lines) std::printf("%s: %s\n", label, line.c_str());
}

boost::json::array to_array(const std::vector<std::string>& lines) {
  boost::json::array out;
  for (const auto& line : lines) out.emplace_back(line);
  return out;
}

bool progress_wanted(bool json) { return !json && ::isatty(STDERR_FILENO) != 0; }

Progress::~Progress() {
  if (shown_) std::fprintf(out_, "\r\033[K");
}

void Progress::show(std::uint64_t done, std::uint64_t all) {
  constexpr std::int64_t kEveryMs = 200;
  if (!wanted_) return;
  const auto now = SystemClock().monotonic_ms();
  if (shown_ && now < next_ms_) return;
  shown_ = true;
  next_ms_ = now + kEveryMs;
  std::fprintf(out_, "\r\033[K%s: %llu of %llu", what_, static_cast<unsigned long long>(done),
               static_cast<unsigned long long>(all));
  std::fflush(out_);
}

std::string short_time(std::int64_t utc_ms) { return format_utc(utc_ms).substr(0, 19) + "Z"; }

std::string short_duration(std::int64_t ms) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%lld:%02lld.%lld", static_cast<long long>(ms / 60'000),
                static_cast<long long>(ms / 1'000 % 60), static_cast<long long>(ms / 100 % 10));
  return text.data();
}

}  // namespace callward::app
