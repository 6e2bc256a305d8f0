// The report, for machines and for people.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "quality/leak_report.hpp"

namespace callward::quality {
namespace {

using Counts = std::map<std::string, std::uint64_t>;

boost::json::object share_json(const Share& share) {
  const auto interval = share.interval();
  return {{"count", share.count}, {"of", share.of}, {"low", interval.low}, {"high", interval.high}};
}

boost::json::array counts_json(const Counts& counts) {
  boost::json::array out;
  for (const auto& [word, count] : counts) out.push_back({{"word", word}, {"count", count}});
  return out;
}

// Whole percents, but where that would make something of nothing, or nothing of something.
std::string percent(double share) {
  const auto value = share * 100;
  char text[32];
  const bool fine = (value > 0 && value < 1) || (value > 99 && value < 100);
  std::snprintf(text, sizeof text, fine ? "%.1f" : "%.0f", value);
  return text;
}

std::string between(const Share& share) {
  const auto interval = share.interval();
  return "between " + percent(interval.low) + " and " + percent(interval.high) + " %";
}

std::string counted(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string share_line(const Share& share) {
  const auto rate =
      share.of == 0 ? 0.0 : static_cast<double>(share.count) / static_cast<double>(share.of);
  return std::to_string(share.count) + " of " + std::to_string(share.of) + " (" + percent(rate) +
         " %), " + between(share);
}

std::string table(const char* title, const Counts& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> rows(counts.begin(), counts.end());
  std::ranges::stable_sort(rows, std::greater{}, [](const auto& row) { return row.second; });
  std::string out = title;
  for (const auto& [word, count] : rows)
    out += (out.back() == ':' ? " " : ", ") + word + " " + std::to_string(count);
  return out;
}

// So wide an interval is a guess, whatever stands in its middle.
constexpr double kWide = 0.2;

// What it says of all calls, and what cannot be said of so few, or of these.
std::vector<std::string> said(const LeakReport& report) {
  std::vector<std::string> lines;
  const auto interval = report.calls.interval();
  if (report.calls.of == 0)
    lines.emplace_back("no call reviewed: nothing can be said of what the listener misses");
  else
    lines.push_back(counted(report.calls.of, "call", "calls") +
                    " reviewed: " + between(report.calls) +
                    " of calls keep a secret (95 %, Wilson's score interval)");
  if (report.calls.of > 0 && interval.high - interval.low > kWide)
    lines.emplace_back(
        "too few calls to say more than that; with four times as many it is half as wide");
  if (report.random.of < report.calls.of)
    lines.push_back(counted(report.calls.of - report.random.of, "call was", "calls were") +
                    " chosen for a reason: the figures are of the reviewed calls, not of all; " +
                    (report.random.of == 0 ? std::string("none was chosen at random")
                                           : "of those chosen at random, as reviewers say, " +
                                                 share_line(report.random) + " keep a secret"));
  if (report.not_heard > 0)
    lines.push_back(counted(report.not_heard, "call is", "calls are") +
                    " left out: by the log nobody who reviewed it had heard nine tenths of it");
  if (report.missed_elsewhere > 0)
    lines.push_back(
        counted(report.missed_elsewhere, "more missed secret was", "more missed secrets were") +
        " marked in calls that nobody says to have heard wholly: not counted above");
  return lines;
}

}  // namespace

boost::json::object to_json(const LeakReport& report) {
  boost::json::object out{{"interval", "Wilson score, 95 %"},
                          {"calls", share_json(report.calls)},
                          {"random", share_json(report.random)},
                          {"secrets", share_json(report.secrets)},
                          {"found", report.found},
                          {"missed", report.missed},
                          {"needless", report.needless},
                          {"not_heard", report.not_heard},
                          {"missed_elsewhere", report.missed_elsewhere},
                          {"missed_kinds", counts_json(report.missed_kinds)},
                          {"missed_causes", counts_json(report.missed_causes)},
                          {"needless_kinds", counts_json(report.needless_kinds)},
                          {"needless_causes", counts_json(report.needless_causes)}};
  boost::json::array lines;
  for (const auto& line : said(report)) lines.emplace_back(line);
  out["lines"] = std::move(lines);
  return out;
}

std::vector<std::string> report_lines(const LeakReport& report) {
  auto lines = said(report);
  if (report.calls.of == 0) return lines;
  lines.push_back("calls with a missed secret: " + share_line(report.calls));
  lines.push_back("secrets missed, of those found or missed: " +
                  (report.secrets.of == 0 ? std::string("no secret in these calls")
                                          : share_line(report.secrets)));
  char rate[32];
  std::snprintf(rate, sizeof rate, "%.2f",
                static_cast<double>(report.needless) / static_cast<double>(report.calls.of));
  lines.push_back("needless erasures: " + std::to_string(report.needless) + ", " + rate +
                  " a reviewed call");
  if (report.missed > 0) {
    lines.push_back(table("missed, by kind:", report.missed_kinds));
    lines.push_back(table("missed, by cause:", report.missed_causes));
  }
  if (report.needless > 0) {
    lines.push_back(table("needless, by kind:", report.needless_kinds));
    lines.push_back(table("needless, by cause:", report.needless_causes));
  }
  return lines;
}

}  // namespace callward::quality
