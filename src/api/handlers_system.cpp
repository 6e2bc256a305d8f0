// Processes, disks, queues; events; health.
#include <sys/statvfs.h>

#include "api/service.hpp"

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

Result<Response> system(Service& service) {
  boost::json::object out{
      {"ready", false}, {"time_zone", service.time_zone}, {"processes", boost::json::array{}}};
  if (auto supervisor = io::BlockingClient::connect(
          service.supervisor_socket, store::kRecorderFrameBytesMax, keys::ErrorReply::kType)) {
    if (const auto status =
            (*supervisor)->call<store::SupervisorStatus>(store::SupervisorStatusRequest{}, 2'000)) {
      const auto json = parse_or_empty(status->json);
      if (json.is_object()) {
        if (const auto* ready = json.get_object().if_contains("ready")) out["ready"] = *ready;
        if (const auto* processes = json.get_object().if_contains("processes"))
          out["processes"] = *processes;
      }
    }
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
  response.event_stream = true;
  response.events_after = service.events.last();
  if (const auto last = request.header("last-event-id"); !last.empty())
    response.events_after = std::strtoull(last.c_str(), nullptr, 10);
  return response;
}

// Prometheus text: what the status objects count, flattened.
void flatten(const std::string& prefix, const boost::json::value& json, std::string& out) {
  if (json.is_object()) {
    for (const auto& item : json.get_object())
      flatten(prefix + "_" + std::string(item.key()), item.value(), out);
  } else if (json.is_int64() || json.is_uint64() || json.is_bool()) {
    const auto number = json.is_bool() ? (json.get_bool() ? 1 : 0) : json.to_number<std::int64_t>();
    out += prefix + " " + std::to_string(number) + "\n";
  }
}

Response metrics(Service& service) {
  std::string out;
  if (const auto status =
          service.recorder.call<store::RecorderStatus>(store::RecorderStatusRequest{}, 2'000))
    flatten("callward_recorder", parse_or_empty(status->json), out);
  if (const auto status =
          service.keeper.call<keys::KeeperStatus>(keys::KeeperStatusRequest{}, 2'000))
    flatten("callward_keeper", parse_or_empty(status->json), out);
  Response response;
  response.content_type = "text/plain; version=0.0.4";
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

}  // namespace

void add_system_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/system", "getSystem", kReaders,
                    guarded([&](const Request&) { return system(service); })});
  routes.push_back({"GET", "/v1/events", "streamEvents", kReaders,
                    [&](const Request& r) { return events(service, r); }});
  routes.push_back({"GET", "/healthz", "healthz", kAnyone,
                    [](const Request&) { return Response::json({{"alive", true}}); }});
  routes.push_back(
      {"GET", "/readyz", "readyz", kAnyone, [&](const Request&) { return ready(service); }});
  routes.push_back(
      {"GET", "/metrics", "metrics", kReaders, [&](const Request&) { return metrics(service); }});
}

}  // namespace callward::api
