// Calls: list, one, account, ciphertext.
#include <charconv>
#include <ctime>

#include "api/service.hpp"

namespace callward::api {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

Result<std::int64_t> parse_day(const std::string& day) {
  std::tm parts{};
  if (::strptime(day.c_str(), "%Y-%m-%d", &parts) == nullptr)
    return fail(Errc::kMalformed, "day must look like 2026-11-24");
  const auto at = static_cast<std::int64_t>(::timegm(&parts)) * 1'000;
  // Back to text: so a 31 February and whatever else strptime() lets through are no days.
  if (format_utc(at).substr(0, 10) != day)
    return fail(Errc::kMalformed, "day must look like 2026-11-24");
  return at;
}

Result<std::pair<std::int64_t, std::string>> parse_cursor(const std::string& cursor) {
  const auto dot = cursor.find('.');
  std::int64_t at = 0;
  if (dot == std::string::npos) return fail(Errc::kMalformed, "not a cursor");
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + dot, at);
  if (error != std::errc{} || end != cursor.data() + dot || !CallId::parse(cursor.substr(dot + 1)))
    return fail(Errc::kMalformed, "not a cursor");
  return std::pair(at, cursor.substr(dot + 1));
}

Result<CallFilter> filter_of(const Request& request) {
  CallFilter filter;
  const auto text = [&](const char* name) -> std::string {
    const auto at = request.query.find(name);
    return at == request.query.end() ? std::string() : at->second;
  };
  if (const auto day = text("day"); !day.empty()) {
    filter.from = TRY(parse_day(day));
    filter.until = *filter.from + kDayMs;
  }
  if (const auto cursor = text("cursor"); !cursor.empty())
    filter.before = TRY(parse_cursor(cursor));
  if (const auto phase = text("phase"); !phase.empty()) {
    for (const auto candidate : {store::CallPhase::kLive, store::CallPhase::kSealing,
                                 store::CallPhase::kListening, store::CallPhase::kComplete})
      if (phase == to_text(candidate)) filter.phase = candidate;
    if (!filter.phase)
      return fail(Errc::kMalformed, "phase is live, sealing, listening or complete");
  }
  if (const auto direction = text("direction"); !direction.empty()) {
    for (const auto candidate :
         {keys::Direction::kIncoming, keys::Direction::kOutgoing, keys::Direction::kUnknown})
      if (direction == to_text(candidate)) filter.direction = candidate;
    if (!filter.direction)
      return fail(Errc::kMalformed, "direction is incoming, outgoing or unknown");
  }
  filter.limit = TRY(query_number(request, "limit", 200, 1, 1'000));
  return filter;
}

Result<Response> list(Service& service, const Request& request) {
  const auto filter = TRY(filter_of(request));
  boost::json::array calls;
  boost::json::value next = nullptr;
  const auto events = TRY(service.catalog.list(filter));
  const auto holds = service.catalog.holds_among(events);
  for (const auto& event : events) calls.push_back(TRY(service.catalog.to_json(event, &holds)));
  if (static_cast<std::int64_t>(events.size()) == filter.limit)
    next = boost::json::string(std::to_string(events.back().started_at) + "." +
                               events.back().call.hex());
  return Response::json({{"calls", std::move(calls)}, {"next_cursor", std::move(next)}});
}

// Retired, and not destroyed: what was erased since may open with what stands there.
boost::json::array retired_mirrors(Service& service) {
  boost::json::array out;
  const auto status = service.keeper.call<keys::KeeperStatus>(keys::KeeperStatusRequest{}, 2'000);
  boost::system::error_code error;
  const auto json = status ? boost::json::parse(status->json, error) : boost::json::value();
  const auto* mirrors = json.is_object() ? json.get_object().if_contains("mirrors") : nullptr;
  if (mirrors == nullptr || !mirrors->is_array()) return out;
  std::int64_t number = 0;
  for (const auto& mirror : mirrors->get_array()) {
    ++number;
    const auto* object = mirror.if_object();
    const auto flag = [object](const char* name) {
      const auto* value = object == nullptr ? nullptr : object->if_contains(name);
      return value != nullptr && value->is_bool() && value->get_bool();
    };
    const auto* epoch = object == nullptr ? nullptr : object->if_contains("epoch");
    if (flag("retired") && !flag("confirmed") && epoch != nullptr)
      out.push_back({{"mirror", number}, {"epoch", *epoch}});
  }
  return out;
}

Result<Response> account(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  Response response;
  response.body = store::account_json(event.call, TRY(service.catalog.account(event)));
  if (auto retired = retired_mirrors(service); !retired.empty()) {
    response.body.pop_back();
    response.body += ",\"unconfirmed_mirrors\":" + boost::json::serialize(retired) + "}";
  }
  return response;
}

// Ciphertext, under a name of ours: nobody's browser shows it, nor stores it under what an address
// says.
Response download(Bytes content, const CallId& call, std::string_view what) {
  auto response = Response::bytes(std::move(content));
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"" + call.hex() +
                                                           "-" + std::string(what) + ".bin\"");
  return response;
}

Result<Response> records(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  const auto word = request.query.find("kind");
  const bool about =
      word != request.query.end() &&
      (word->second == "notes" || word->second == keys::to_text(keys::RecordKind::kCallData));
  if (about && hears_call_backs_only(request))
    return fail(Errc::kDenied, "who hears a call-back learns no number of it");
  if (word != request.query.end() && word->second == "notes") {
    Bytes all;
    for (const auto& row : TRY(service.database.query(
             "SELECT record FROM notes WHERE call = ?1 ORDER BY at LIMIT 1000",
             {event.call.hex()}))) {
      const auto record = row.blob(0);
      all.insert(all.end(), record.begin(), record.end());
    }
    return download(std::move(all), event.call, "notes");
  }
  const auto kind = parse_kind(word == request.query.end() ? "" : word->second);
  if (!kind)
    return fail(Errc::kMalformed, "kind is audio, words, peaks, findings, call_data or notes");
  const auto stream =
      TRY(query_number(request, "stream", *kind == keys::RecordKind::kCallData ? 15 : 0, 0, 15));
  const auto first = TRY(query_number(request, "first", 0, 0, 1 << 20));
  const auto end = TRY(query_number(request, "end", first + 600, first, std::int64_t{first} + 600));
  Bytes all;
  for (const auto& record : TRY(service.catalog.records(
           event, *kind, static_cast<std::uint8_t>(stream), static_cast<std::uint32_t>(first),
           static_cast<std::uint32_t>(end))))
    all.insert(all.end(), record.begin(), record.end());
  return download(std::move(all), event.call, keys::to_text(*kind));
}

Result<Response> object(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  if (event.object.empty()) return fail(Errc::kState, "the call is not sealed yet");
  if (TRY(service.catalog.retired(event.call)) && !service.objects.exists(event.object))
    return fail(Errc::kErased, "its retention is over: its keys are destroyed, its object deleted");
  const auto file = TRY(service.objects.open(event.object));
  const auto size = TRY(file->size());
  const auto range = parse_range(request.header("range"), size);
  if (!range) {
    auto response = Response::problem(416, "range not satisfiable");
    response.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return response;
  }
  constexpr std::uint64_t kAnswerBytesMax = 64u << 20;
  const auto first = *range ? (*range)->first : 0;
  const auto last = *range ? (*range)->last : size - 1;
  if (last - first >= kAnswerBytesMax)
    return fail(Errc::kTooLarge, "ask for at most 64 MiB at a time");
  Bytes content(last - first + 1);
  content.resize(TRY(file->read_at(first, content)));
  auto response = download(std::move(content), event.call, "recording");
  response.headers.emplace_back("Accept-Ranges", "bytes");
  if (*range) {
    response.status = 206;
    response.headers.emplace_back(
        "Content-Range",
        "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(size));
  }
  return response;
}

Result<Response> days(Service& service) {
  boost::json::array items;
  for (const auto& [day, count] : TRY(service.catalog.days()))
    items.push_back({{"day", day}, {"calls", count}});
  return Response::json({{"days", std::move(items)}, {"time_zone", service.time_zone}});
}

}  // namespace

void add_call_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back(
      {"GET", "/v1/days", "listDays", guarded([&](const Request&) { return days(service); })});
  routes.push_back({"GET", "/v1/calls", "listCalls",
                    guarded([&](const Request& r) { return list(service, r); })});
  routes.push_back(
      {"GET", "/v1/calls/{id}", "getCall", guarded([&](const Request& r) -> Result<Response> {
         return Response::json(TRY(service.catalog.to_json(TRY(call_of(service, r)))));
       })});
  routes.push_back({"GET", "/v1/calls/{id}/account", "getAccount",
                    guarded([&](const Request& r) { return account(service, r); })});
  routes.push_back({"GET", "/v1/calls/{id}/records", "getRecords",
                    guarded([&](const Request& r) { return records(service, r); })});
  routes.push_back({"GET", "/v1/calls/{id}/object", "getObject",
                    guarded([&](const Request& r) { return object(service, r); })});
}

}  // namespace callward::api
