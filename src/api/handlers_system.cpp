// Processes, disks, queues; events; health.
#include <sys/statvfs.h>

#include <cctype>
#include <charconv>

#include "api/service.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {
namespace {

boost::json::value parse_or_empty(const std::string& text) {
  boost::system::error_code error;
  auto json = boost::json::parse(text, error);
  return error ? boost::json::value(boost::json::object{}) : std::move(json);
}

boost::json::array disks_json(const std::vector<std::string>& folders) {
  boost::json::array disks;
  for (const auto& folder : folders) {
    struct statvfs info{};
    if (::statvfs(folder.c_str(), &info) != 0) continue;
    disks.push_back({{"path", folder},
                     {"size_bytes", info.f_blocks * info.f_frsize},
                     {"free_bytes", info.f_bavail * info.f_frsize}});
  }
  return disks;
}

// null: there is none.
boost::json::value ask_supervisor(const Service& service) {
  auto supervisor = io::BlockingClient::connect(
      service.supervisor_socket, store::kRecorderFrameBytesMax, keys::ErrorReply::kType);
  if (!supervisor) return nullptr;
  const auto status =
      (*supervisor)->call<store::SupervisorStatus>(store::SupervisorStatusRequest{}, 2'000);
  return status ? parse_or_empty(status->json) : boost::json::value(nullptr);
}

Result<Response> system(Service& service) {
  boost::json::object out{
      {"ready", false}, {"time_zone", service.time_zone}, {"processes", boost::json::array{}}};
  if (const auto status = ask_supervisor(service); status.is_object()) {
    if (const auto* ready = status.get_object().if_contains("ready")) out["ready"] = *ready;
    if (const auto* processes = status.get_object().if_contains("processes"))
      out["processes"] = *processes;
  }
  const auto recorder =
      service.recorder.call<store::RecorderStatus>(store::RecorderStatusRequest{}, 2'000);
  const auto keeper = service.keeper.call<keys::KeeperStatus>(keys::KeeperStatusRequest{}, 2'000);
  out["recorder"] =
      recorder ? parse_or_empty(recorder->json) : boost::json::value(boost::json::object{});
  out["keeper"] = keeper ? parse_or_empty(keeper->json) : boost::json::value(boost::json::object{});
  out["disks"] = disks_json(service.disks);
  return Response::json(out);
}

Response events(Service& service, const Request& request) {
  Response response;
  const auto roles =
      request.is_operator ? people::bit(people::Role::kOperator) : request.session->person.roles;
  const auto person = request.is_operator ? PersonId{} : request.session->person.id;
  response.place = service.events.stream_of(person);
  if (!response.place)
    return Response::problem(429, "too many", "you have too many live screens open");
  response.event_stream = true;
  response.events_after = service.events.last();
  response.may_see = [roles, person](const Event& event) { return event.tells(roles, person); };
  if (const auto last = request.header("last-event-id"); !last.empty())
    response.events_after = std::strtoull(last.c_str(), nullptr, 10);
  return response;
}

// Only what a metric's name may hold; the rest are our own words already.
std::string metric_word(std::string_view word) {
  std::string out(word);
  for (auto& c : out)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return out;
}

// Prometheus text: what the status objects count, flattened.
void flatten(const std::string& prefix, const boost::json::value& json, std::string& out) {
  if (json.is_object()) {
    for (const auto& item : json.get_object())
      flatten(prefix + "_" + metric_word(item.key()), item.value(), out);
  } else if (json.is_int64() || json.is_uint64() || json.is_bool()) {
    const auto number = json.is_bool() ? (json.get_bool() ? 1 : 0) : json.to_number<std::int64_t>();
    out += prefix + " " + std::to_string(number) + "\n";
  }
}

void add_queues(const std::string& process, const boost::json::array& queues, std::string& out) {
  for (const auto& queue : queues) {
    const auto* name = queue.is_object() ? queue.get_object().if_contains("name") : nullptr;
    if (name == nullptr || !name->is_string()) continue;
    const auto labels =
        "{process=\"" + process + "\",queue=\"" + metric_word(name->get_string()) + "\"} ";
    for (const char* field : {"depth", "bound", "refused"})
      if (const auto* number = queue.get_object().if_contains(field);
          number != nullptr && (number->is_int64() || number->is_uint64()))
        out += std::string("callward_queue_") + field + labels +
               std::to_string(number->to_number<std::int64_t>()) + "\n";
  }
}

// What the supervisor knows of a process; keeper and recorder say the rest themselves.
void add_process(const boost::json::object& process, std::string& out) {
  const auto* name_value = process.if_contains("name");
  if (name_value == nullptr || !name_value->is_string()) return;
  const auto name = metric_word(name_value->get_string());
  for (const char* field : {"ready", "restarts", "rss_bytes", "heartbeat_ms"})
    if (const auto* value = process.if_contains(field))
      flatten(std::string("callward_process_") + field + "{process=\"" + name + "\"}", *value, out);
  const auto* status = process.if_contains("status");
  if (status == nullptr || !status->is_object()) return;
  if (const auto* queues = status->get_object().if_contains("queues");
      queues != nullptr && queues->is_array())
    add_queues(name, queues->get_array(), out);
  if (name == "keeper" || name == "recorder") return;
  flatten("callward_" + name, *status, out);
  if (const auto* degraded = status->get_object().if_contains("degraded");
      degraded != nullptr && degraded->is_string())  // a word, empty when it is not
    flatten("callward_" + name + "_degraded", !degraded->get_string().empty(), out);
}

Response metrics(Service& service) {
  std::string out;
  if (const auto status =
          service.recorder.call<store::RecorderStatus>(store::RecorderStatusRequest{}, 2'000))
    flatten("callward_recorder", parse_or_empty(status->json), out);
  if (const auto status =
          service.keeper.call<keys::KeeperStatus>(keys::KeeperStatusRequest{}, 2'000))
    flatten("callward_keeper", parse_or_empty(status->json), out);
  if (const auto status = ask_supervisor(service); status.is_object())
    if (const auto* processes = status.get_object().if_contains("processes");
        processes != nullptr && processes->is_array())
      for (const auto& process : processes->get_array())
        if (process.is_object()) add_process(process.get_object(), out);
  const auto refused = service.refusals.counts();
  for (std::size_t i = 0; i < refused.size(); ++i)
    out += std::string("callward_server_refused{why=\"") + to_text(static_cast<Refused>(i)) +
           "\"} " + std::to_string(refused[i]) + "\n";
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = out;
  return response;
}

Response ready(Service& service) {
  const bool good =
      service.keeper.call<keys::KeeperStatus>(keys::KeeperStatusRequest{}, 1'000).has_value() &&
      service.recorder.call<store::RecorderStatus>(store::RecorderStatusRequest{}, 1'000)
          .has_value();
  return Response::json({{"ready", good}}, good ? 200 : 503);
}

// There is no call whose data the reason could be sealed with: who asks keeps it, and the number
// that makes its hash in the log provable.
Result<Response> retire_mirror(Service& service, const Request& request) {
  const auto& word = request.parameters.at("number");
  std::uint32_t number = 0;
  if (const auto read = std::from_chars(word.data(), word.data() + word.size(), number);
      read.ec != std::errc() || read.ptr != word.data() + word.size())
    return fail(Errc::kNotFound, "no such mirror");
  auto body = TRY(BodyReader::parse(request.body));
  const auto reason = TRY(body.text("reason", 3, 500));
  TRY(body.finish());
  const auto r = service.entropy.array<16>();
  const auto hash = to_hex(crypto::sha256({r, as_bytes(reason)}));
  const auto retired = TRY(
      service.keeper.call<keys::MirrorRetired>(keys::RetireMirror{number, request.actor(), hash}));
  return Response::json({{"mirror", number},
                         {"destroyed", retired.destroyed},
                         {"epoch", retired.epoch},
                         {"r", to_hex(r)},
                         {"reason_hash", hash}});
}

// The log names the manifest: the receipt of the entry is the backup's signature.
Result<Response> backup_made(Service& service, const Request& request) {
  constexpr std::int64_t kCountMax = (1ll << 53) - 1;
  auto body = TRY(BodyReader::parse(request.body));
  const auto manifest = TRY(body.text("manifest", 64, 64));
  const auto files = TRY(body.number("files", 0, kCountMax));
  const auto log_size = TRY(body.number("log_size", 0, kCountMax));
  TRY(body.finish());
  if (manifest.find_first_not_of("0123456789abcdef") != std::string::npos)
    return fail(Errc::kMalformed, "manifest is a SHA-256 in hexadecimal digits");
  const boost::json::object data{{"manifest", manifest}, {"files", files}, {"log_size", log_size}};
  const auto logged = TRY(service.keeper.call<keys::LogAppended>(
      keys::LogAppend{"backup_made", request.actor(), "-", boost::json::serialize(data)}));
  return Response::json({{"index", logged.index}}, 201);
}

}  // namespace

void add_system_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back(
      {"GET", "/v1/system", "getSystem", guarded([&](const Request&) { return system(service); })});
  routes.push_back({"POST", "/v1/system/mirrors/{number}/retirement", "retireMirror",
                    guarded([&](const Request& r) { return retire_mirror(service, r); })});
  routes.push_back({"POST", "/v1/backups", "logBackup",
                    guarded([&](const Request& r) { return backup_made(service, r); })});
  routes.push_back(
      {"GET", "/v1/events", "streamEvents", [&](const Request& r) { return events(service, r); }});
  routes.push_back({"GET", "/healthz", "healthz",
                    [](const Request&) { return Response::json({{"alive", true}}); }});
  routes.push_back({"GET", "/readyz", "readyz", [&](const Request&) { return ready(service); }});
  routes.push_back(
      {"GET", "/metrics", "metrics", [&](const Request&) { return metrics(service); }});
}

}  // namespace callward::api
