// `callward retention fields`: how far the erasure of customers' fields is, and dry runs.
#include <chrono>
#include <cstdio>
#include <thread>

#include "app/cli.hpp"
#include "app/json_fields.hpp"
#include "app/vault_policy.hpp"

namespace callward::app {
namespace {

using namespace json_fields;

constexpr const char* kPath = "/v1/system/retention/fields";

struct Column {
  const char* name;
  const char* title;
};
constexpr Column kColumns[] = {{"due", "due"},     {"hour", "1 h"},    {"day", "1 day"},
                               {"week", "1 week"}, {"month", "30 d"},  {"year", "365 d"},
                               {"later", "later"}, {"no_end", "open"}, {"held", "held"}};

std::string fields(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " field" : " fields");
}
std::string customers(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " customer" : " customers");
}
std::string cell(const std::string& text, int width) {
  const auto missing = width - static_cast<int>(text.size());
  return missing > 0 ? std::string(static_cast<std::size_t>(missing), ' ') + text : text;
}
std::string left(const std::string& text, std::size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

// Until it has gone round all customers; how far it is goes to stderr, now and then.
Result<value> follow_dry_run(const CliContext& context, HttpClient& http, value retention) {
  for (int i = 1; text(object(retention, "dry_run"), "state") == "running"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    retention = TRY(http.get(kPath));
    const auto& run = object(retention, "dry_run");
    if (i % 50 == 0 && !context.json)
      std::fprintf(stderr, "counted %lld of %lld rows\n",
                   static_cast<long long>(number(run, "scanned")),
                   static_cast<long long>(number(run, "rows")));
  }
  return retention;
}

Result<ExitCode> dry_run(const CliContext& context, HttpClient& http, const std::string& file) {
  boost::json::object body;
  if (!file.empty()) {
    RealVfs vfs;
    body["policy"] = std::string(as_text(TRY(vfs.read_file(file, kPolicyBytesMax))));
  }
  const auto begun = TRY(http.post(std::string(kPath) + "/dry-runs", body));
  auto retention = TRY(follow_dry_run(context, http, begun));
  const auto& relaxes = array(begun, "relaxes");
  const auto& run = object(retention, "dry_run");
  TRY(check_dry_run(object(begun, "dry_run"), run));
  if (context.json) {
    auto json = run;
    if (json.is_object()) json.get_object()["relaxes"] = relaxes;
    print_json(json);
  } else {
    for (const auto& line : field_forecast_lines(run)) std::printf("%s\n", line.c_str());
    for (const auto& line : relaxes)
      if (const auto* said = line.if_string()) std::printf("relaxes: %s\n", said->c_str());
  }
  return relaxes.empty() ? ExitCode::kDone : ExitCode::kFoundBad;
}

std::string percent(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (kPlain.find(c) != std::string_view::npos)
      out.push_back(c);
    else
      out += "%" + to_hex(ByteView(&byte, 1));
  }
  return out;
}

std::string days(const value& keep) {
  return std::to_string(number(keep, "reference_days")) + " days of reference and " +
         std::to_string(number(keep, "contact_days")) + " of contact";
}

// What waits for an owner, and what they say about it.
void add_waiting(const value& retention, std::vector<std::string>& lines) {
  if (const auto why = text(retention, "stop_why"); !why.empty())
    lines.push_back("STOPPED, secrets alone go: " + why);
  if (const auto since = number(retention, "shorter_since"); since > 0)
    lines.push_back("WAITING for an owner since " + short_time(since) + ": the policy states " +
                    days(object(retention, "keep")) + "; what is stored is kept by " +
                    days(object(retention, "in_force")));
  if (!flag(retention, "waits")) return;
  if (number(retention, "counted_at") == 0) {
    lines.emplace_back("it is just being counted how many customers that means");
    return;
  }
  const auto count = number(retention, "to_confirm");
  lines.push_back("of " + customers(count) +
                  " something would go at once. If that is right: callward retention fields "
                  "confirm --customers " +
                  std::to_string(count) + " --reason ...");
}

}  // namespace

std::string field_confirm_address(const std::string& origin, const FieldConfirmOptions& options) {
  return origin + "/system/retention#customers=" + std::to_string(options.customers) +
         "&reason=" + percent(options.reason);
}

Result<ExitCode> command_retention_fields_confirm(const CliContext& context,
                                                  const FieldConfirmOptions& options) {
  constexpr int kTries = 600;
  constexpr std::size_t kReasonMin = 3, kReasonMax = 500;
  if (options.reason.size() < kReasonMin || options.reason.size() > kReasonMax)
    return fail(Errc::kConfig, "--reason: 3 to 500 bytes");
  const auto http = TRY(HttpClient::create(context.config));
  auto retention = TRY(http->get(kPath));
  if (!flag(retention, "waits"))
    return fail(Errc::kState, "nothing waits for an owner's word (callward retention fields)");
  if (number(retention, "counted_at") == 0)
    return fail(Errc::kBusy, "it is just being counted: ask again in a moment");
  if (const auto count = number(retention, "to_confirm"); count != options.customers)
    return fail(Errc::kState, "of " + customers(count) + " something would go at once, not of " +
                                  std::to_string(options.customers) +
                                  ": look at `callward retention fields` again");
  std::fprintf(stderr, "An owner signs it with their passkey, within ten minutes:\n%s\n",
               field_confirm_address(context.config.server.origin, options).c_str());
  for (int i = 0; i < kTries && flag(retention, "waits"); ++i) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    retention = TRY(http->get(kPath));
  }
  if (flag(retention, "waits")) return fail(Errc::kTimeout, "nobody has signed it");
  if (context.json)
    print_json(retention);
  else
    for (const auto& line : field_retention_lines(retention)) std::printf("%s\n", line.c_str());
  return ExitCode::kDone;
}

Status check_dry_run(const value& begun, const value& run) {
  const auto state = text(run, "state");
  if (state == "failed") return fail(Errc::kUnavailable, text(run, "why"));
  if (state != "running" && state != "done")
    return fail(Errc::kUnavailable,
                "the keeper has started anew, and the count is lost: ask again");
  if (number(run, "at") != number(begun, "at") || object(run, "keep") != object(begun, "keep"))
    return fail(Errc::kUnavailable, "somebody else has begun another count: ask again");
  return {};
}

std::vector<std::string> field_retention_lines(const value& retention) {
  std::vector<std::string> lines;
  add_waiting(retention, lines);
  if (text(retention, "state") == "stopped" && text(retention, "stop").empty())
    lines.push_back("STOPPED, nothing is erased: " + text(retention, "why"));
  const auto since = number(retention, "since");
  if (since > 0)
    lines.push_back("erasing since " + short_time(since) + ": " +
                    fields(number(retention, "done")) + " of " +
                    customers(number(retention, "done_customers")) + " gone");
  lines.push_back("due: " + fields(number(retention, "due")) +
                  ", in hand: " + std::to_string(number(retention, "in_hand")));
  if (const auto due = number(retention, "due_customers"); due > 0)
    lines.push_back("over by the days in force: something of " + customers(due) + "; today " +
                    std::to_string(number(retention, "may")) + " may go");
  if (const auto at = number(retention, "batch_at"); at > 0)
    lines.push_back("last batch: " + fields(number(retention, "batch")) + ", " + short_time(at));
  const auto& last = object(retention, "last");
  if (const auto until = number(last, "until"); since == 0 && until > 0)
    lines.push_back("last time: " + fields(number(last, "fields")) + " of " +
                    customers(number(last, "customers")) + ", " +
                    short_time(number(last, "since")) + " to " + short_time(until));
  if (const auto waiting = number(retention, "unconfirmed"); waiting > 0)
    lines.push_back("done here, and waiting for a mirror: " + customers(waiting));
  if (const auto errors = number(retention, "errors"); errors > 0)
    lines.push_back("rows or rounds that failed: " + std::to_string(errors) +
                    ", the last one: " + text(retention, "why"));
  lines.push_back("this round: " + std::to_string(number(retention, "scanned")) + " of " +
                  std::to_string(number(retention, "rows")) + " rows");
  return lines;
}

std::vector<std::string> field_forecast_lines(const value& forecast) {
  std::vector<std::string> lines;
  const auto& keep = object(forecast, "keep");
  lines.push_back("counted at " + short_time(number(forecast, "at")) + ", " +
                  customers(number(forecast, "customers")) + ", of " +
                  std::to_string(number(forecast, "due_customers")) +
                  " something would go at once; by " +
                  std::to_string(number(keep, "reference_days")) + " days of reference, " +
                  std::to_string(number(keep, "contact_days")) + " of contact, " +
                  std::to_string(number(keep, "secret_hours")) + " hours of secrets");
  auto head = left("class", 13) + left("kind", 13);
  for (const auto& column : kColumns) head += cell(column.title, 8);
  lines.push_back(head);
  std::int64_t to_compare = 0, held_due = 0;
  for (const auto& row : array(forecast, "classes")) {
    auto line = left(text(row, "class"), 13) + left(text(row, "kind"), 13);
    for (const auto& column : kColumns)
      line += cell(std::to_string(number(object(row, "goes"), column.name)), 8);
    lines.push_back(line);
    to_compare += number(row, "to_compare");
    held_due += number(row, "held_due");
  }
  lines.push_back(
      "each field stands where it goes first; open: a case is, and its days have not "
      "begun; held: it stays");
  if (to_compare > 0)
    lines.push_back(fields(to_compare) + " can only be compared once the open cases are closed");
  if (held_due > 0) lines.push_back(fields(held_due) + " would be gone, were there no legal hold");
  return lines;
}

Result<ExitCode> command_retention_fields(const CliContext& context,
                                          const FieldRetentionOptions& options) {
  const auto http = TRY(HttpClient::create(context.config));
  if (options.dry_run) return dry_run(context, *http, options.policy);
  const auto retention = TRY(http->get(kPath));
  if (context.json)
    print_json(retention);
  else
    for (const auto& line : field_retention_lines(retention)) std::printf("%s\n", line.c_str());
  return text(retention, "state") == "stopped" || flag(retention, "waits") ? ExitCode::kFoundBad
                                                                           : ExitCode::kDone;
}

}  // namespace callward::app
