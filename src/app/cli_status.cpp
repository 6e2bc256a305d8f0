// `callward status`: what runs, and in words what does not do its work and why.
#include <cstdio>

#include "app/cli.hpp"
#include "app/json_fields.hpp"
#include "io/frame.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {
namespace {

using namespace json_fields;

std::string seconds(std::int64_t ms) { return std::to_string(ms / 1'000) + " s"; }

// Why it does not do its work; empty when it does.
std::string why_not_ready(const value& process) {
  const auto& status = object(process, "status");
  const auto state = text(process, "state");
  const auto last_exit = text(process, "last_exit");
  if (state == "waiting" || state == "stopped")
    return state + (last_exit.empty() ? "" : ", its last end: " + last_exit);
  constexpr std::int64_t kSilentMs = 5'000;
  if (const auto age = number(process, "heartbeat_ms"); state == "running" && age >= kSilentMs)
    return "no heartbeat for " + seconds(age) + "; it is killed and restarted after 30 s";
  if (flag(process, "ready")) return {};
  const auto why = text(status, "why");
  if (flag(status, "locked")) return "locked: " + why;
  return (state == "starting" ? "starting" : "not ready") + (why.empty() ? "" : ": " + why);
}

void add_counts(const value& counts, const char* what, std::vector<std::string>& out) {
  std::string line;
  for (const auto& item : counts.get_object()) {
    if (!item.value().is_number() || item.value().to_number<std::int64_t>() == 0) continue;
    line += (line.empty() ? "" : ", ") + std::string(item.key()) + " " +
            std::to_string(item.value().to_number<std::int64_t>());
  }
  if (!line.empty()) out.push_back(what + line);
}

void add_refusals(const value& status, std::vector<std::string>& out) {
  add_counts(object(status, "refused"), "refused since its start: ", out);
  if (const auto n = number(status, "malformed"); n > 0)
    out.push_back("malformed messages since its start: " + std::to_string(n));
  if (const auto n = number(status, "connections_refused"); n > 0)
    out.push_back("connections refused since its start: " + std::to_string(n));
  for (const auto& queue : array(status, "queues"))
    if (const auto n = number(queue, "refused"); n > 0)
      out.push_back("queue " + text(queue, "name") + " was full " + std::to_string(n) + " times");
}

// What a word of `degraded` means for whoever reads it.
std::string meaning(const std::string& degraded) {
  if (degraded == "no_recogniser") return ": nobody hears the calls, so nothing of them is cleared";
  if (degraded == "fewer_recognisers")
    return ": some recognisers are missing, hearing takes longer";
  return {};
}

void add_troubles(const value& status, std::vector<std::string>& out) {
  if (const auto degraded = text(status, "degraded"); !degraded.empty()) {
    const auto why = text(status, "why");
    const auto* lag = status.is_object() ? status.get_object().if_contains("lag_ms") : nullptr;
    out.push_back("degraded: " + degraded + meaning(degraded) +
                  (why.empty() ? "" : " (" + why + ")") +
                  (lag == nullptr ? "" : ", lag " + seconds(number(status, "lag_ms"))));
  }
  std::size_t at = 0;
  for (const auto& mirror : array(status, "mirrors")) {
    ++at;
    if (flag(mirror, "retired"))
      out.push_back("mirror " + std::to_string(at) + " (" + text(mirror, "store") + ") is retired" +
                    (flag(mirror, "confirmed")
                         ? "; no key lives there"
                         : "; erased, unconfirmed: mirror " + std::to_string(at) + ", epoch " +
                               std::to_string(number(mirror, "epoch"))));
    else if (!flag(mirror, "good"))
      out.push_back("mirror " + std::to_string(at) + " (" + text(mirror, "store") +
                    ") is not good: " + text(mirror, "why"));
  }
  if (const auto& log = object(status, "log"); flag(log, "failed"))
    out.push_back("the audit log cannot be written: " + text(log, "why"));
  // One that is only away costs its signature; one that refuses says that the log is another.
  for (const auto& witness : array(object(status, "witnesses"), "list")) {
    const auto state = text(witness, "state");
    if (state == "good" || state == "new") continue;
    out.push_back((flag(witness, "alarm") ? "ALARM: witness " : "witness ") +
                  text(witness, "name") + ": " + text(witness, "why"));
  }
  if (const auto& retention = object(status, "retention"); text(retention, "state") == "stopped")
    out.push_back("retention has stopped, and erases nothing: " + text(retention, "why") +
                  " (callward retention status)");
  const auto& of_fields = object(object(status, "vault"), "retention");
  if (flag(of_fields, "waits"))
    out.push_back("retention of customers' fields waits for an owner: " +
                  (text(of_fields, "stop").empty() ? "the policy states less than was in force"
                                                   : text(of_fields, "stop_why")) +
                  " (callward retention fields)");
  for (const auto& [channel, what] :
       {std::pair("email", "e-mails"), std::pair("sms", "text messages")})
    if (const auto why = text(object(status, channel), "failing"); !why.empty())
      out.push_back(std::string(what) + " do not get out: " + why);
  const auto& spool = object(status, "spool");
  if (flag(spool, "failing")) out.emplace_back("the spool's disk fails");
  if (flag(spool, "disk_low")) out.emplace_back("the spool's disk is nearly full");
}

// Straight from the supervisor: also when the server is what is dead.
Result<value> ask_supervisor(const Config& config) {
  constexpr std::int64_t kWaitMs = 2'000;
  const auto supervisor = TRY(io::BlockingClient::connect(
      config.socket("supervisor"), store::kRecorderFrameBytesMax, keys::ErrorReply::kType));
  const auto status =
      TRY(supervisor->call<store::SupervisorStatus>(store::SupervisorStatusRequest{}, kWaitMs));
  boost::system::error_code error;
  auto json = boost::json::parse(status.json, error);
  if (error) return fail(Errc::kMalformed, "the supervisor's status is no JSON");
  return json;
}

bool server_works(const value& status) {
  for (const auto& process : array(status, "processes"))
    if (text(process, "name") == "server")
      return number(process, "pid") > 0 && text(process, "state") == "running" &&
             why_not_ready(process).find("heartbeat") == std::string::npos;
  return false;
}

Result<value> ask_server(const Config& config) {
  return TRY(HttpClient::create(config))->get("/v1/system");
}

void print_status(const value& system) {
  std::printf("%-10s  %-9s  %-5s  %8s  %8s  %9s\n", "process", "state", "ready", "pid", "restarts",
              "memory");
  for (const auto& process : array(system, "processes"))
    std::printf("%-10s  %-9s  %-5s  %8lld  %8lld  %6.0f MB\n", text(process, "name").c_str(),
                text(process, "state").c_str(), flag(process, "ready") ? "yes" : "NO",
                static_cast<long long>(number(process, "pid")),
                static_cast<long long>(number(process, "restarts")),
                static_cast<double>(number(process, "rss_bytes")) / 1e6);
  for (const auto& line : status_lines(system)) std::printf("%s\n", line.c_str());
  for (const auto& disk : array(system, "disks"))
    std::printf("%s: %.1f GB free\n", text(disk, "path").c_str(),
                static_cast<double>(number(disk, "free_bytes")) / 1e9);
}

}  // namespace

std::vector<std::string> status_lines(const value& system) {
  std::vector<std::string> lines;
  for (const auto& process : array(system, "processes")) {
    std::vector<std::string> notes;
    if (auto why = why_not_ready(process); !why.empty()) notes.push_back(std::move(why));
    add_troubles(object(process, "status"), notes);
    add_refusals(object(process, "status"), notes);
    for (const auto& note : notes) lines.push_back(text(process, "name") + ": " + note);
  }
  return lines;
}

Result<ExitCode> command_status(const CliContext& context) {
  const auto direct = ask_supervisor(context.config);
  auto system = !direct || server_works(*direct)
                    ? ask_server(context.config)
                    : Result<value>(fail(Errc::kUnavailable, "the server does not work"));
  const bool fallen_back = !system && direct;
  if (fallen_back) system = *direct;
  const auto shown = TRY(std::move(system));
  if (context.json)
    print_json(shown);
  else
    print_status(shown);
  if (fallen_back && !context.json)
    std::printf("the server does not answer: this is the supervisor's word alone\n");
  return flag(shown, "ready") && !fallen_back ? ExitCode::kDone : ExitCode::kFoundBad;
}

}  // namespace callward::app
