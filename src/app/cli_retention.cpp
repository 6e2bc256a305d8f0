// `callward retention status | run | confirm`.
#include <chrono>
#include <cstdio>
#include <thread>

#include "app/cli.hpp"
#include "app/json_fields.hpp"

namespace callward::app {
namespace {

using namespace json_fields;

std::string calls(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " call" : " calls");
}

std::string time_or_never(std::int64_t at) { return at > 0 ? short_time(at) : "never"; }

ExitCode code_of(const value& retention) {
  return text(retention, "state") == "stopped" ? ExitCode::kFoundBad : ExitCode::kDone;
}

Result<ExitCode> show(const CliContext& context, const value& retention) {
  if (context.json)
    print_json(retention);
  else
    for (const auto& line : retention_lines(retention)) std::printf("%s\n", line.c_str());
  return code_of(retention);
}

Result<ExitCode> show_dry_run(const CliContext& context, const value& retention) {
  if (context.json) {
    print_json(retention);
    return code_of(retention);
  }
  const auto would = text(retention, "would");
  if (would == "erase")
    std::printf("a run now would erase %s\n", calls(number(retention, "due")).c_str());
  else if (would == "stop")
    std::printf("a run now would stop: %s are due, and %s may go today\n",
                calls(number(retention, "due")).c_str(), calls(number(retention, "may")).c_str());
  else
    std::printf("a run now would erase nothing\n");
  if (const auto* list = member(retention, "calls"); list != nullptr && list->is_array()) {
    for (const auto& call : list->get_array())
      if (const auto* id = call.if_string()) std::printf("%s\n", id->c_str());
    const auto shown = static_cast<std::int64_t>(list->get_array().size());
    if (const auto due = number(retention, "due"); due > shown)
      std::printf("and %s more\n", calls(due - shown).c_str());
  }
  return show(context, retention);
}

// Until the run is over, or a minute is: then it is told how far it is.
Result<value> follow_run(HttpClient& http, value retention) {
  constexpr int kTries = 300;
  for (int i = 0; i < kTries; ++i) {
    if (text(retention, "state") != "running" && number(retention, "objects_to_delete") == 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    retention = TRY(http.get("/v1/system/retention"));
  }
  return retention;
}

}  // namespace

std::vector<std::string> retention_lines(const value& retention) {
  std::vector<std::string> lines;
  const auto* days = member(retention, "days");
  std::string kept;
  if (days != nullptr && days->is_object())
    for (const auto& item : days->get_object()) {
      const std::string name(item.key());
      const auto count = number(*days, name.c_str());
      kept += (kept.empty() ? "" : ", ") + name + " " +
              (count == 0 ? "for ever" : std::to_string(count) + " days");
    }
  if (text(retention, "state") == "off") {
    lines.emplace_back("calls are kept for ever: no [retention] is set");
    return lines;
  }
  lines.push_back("kept: " + kept);
  lines.push_back("due: " + calls(number(retention, "due")) +
                  "; under a legal hold, and kept: " + std::to_string(number(retention, "held")));
  const auto next = number(retention, "next_run");
  lines.push_back("last run: " + time_or_never(number(retention, "last_run")) + ", " +
                  calls(number(retention, "last_erased")) + " erased; next: " +
                  (text(retention, "state") == "stopped" ? std::string("when the owner confirms")
                   : next > 0                            ? short_time(next)
                                                         : std::string("within a day")));
  if (const auto left = number(retention, "objects_to_delete"); left > 0)
    lines.push_back("keys gone, ciphertext still to be deleted: " + calls(left));
  if (const auto unheard = number(retention, "unheard"); unheard > 0)
    lines.push_back("as old, and not heard yet: " + calls(unheard));
  if (text(retention, "state") != "stopped") return lines;
  lines.push_back("STOPPED, nothing is erased: " + text(retention, "why"));
  lines.push_back("the clock says " + short_time(number(retention, "clock")) + "; by it " +
                  calls(number(retention, "to_confirm")) +
                  " are due. If both are right: callward retention confirm --calls " +
                  std::to_string(number(retention, "to_confirm")) + " --reason ...");
  return lines;
}

Result<ExitCode> command_retention_status(const CliContext& context) {
  const auto http = TRY(HttpClient::create(context.config));
  return show(context, TRY(http->get("/v1/system/retention")));
}

Result<ExitCode> command_retention_run(const CliContext& context, const RetentionOptions& options) {
  const auto http = TRY(HttpClient::create(context.config));
  auto retention =
      http->post("/v1/system/retention/runs", boost::json::object{{"dry_run", options.dry_run}});
  if (!retention) {
    const auto now = http->get("/v1/system/retention");
    if (!now || text(*now, "state") != "stopped") return tl::unexpected<Error>(retention.error());
    return show(context, *now);
  }
  if (options.dry_run) return show_dry_run(context, *retention);
  return show(context, TRY(follow_run(*http, std::move(*retention))));
}

Result<ExitCode> command_retention_confirm(const CliContext& context,
                                           const RetentionOptions& options) {
  const auto http = TRY(HttpClient::create(context.config));
  const auto confirmed =
      TRY(http->post("/v1/system/retention/confirmation",
                     boost::json::object{{"calls", options.calls}, {"reason", options.reason}}));
  auto retention = TRY(follow_run(*http, confirmed));
  if (retention.is_object())
    for (const char* key : {"r", "reason_hash"}) retention.get_object()[key] = text(confirmed, key);
  const auto code = TRY(show(context, retention));
  if (!context.json)
    std::printf("To prove the reason later, keep it with r = %s\n", text(confirmed, "r").c_str());
  return code;
}

}  // namespace callward::app
