// What reviewers say of the listener: a secret that it missed, which is erased at once; an erasure
// that was needless; a call that they have listened to wholly. And the figures that follow.
#include <algorithm>

#include "api/customer_tables.hpp"
#include "api/service.hpp"
#include "quality/leak_log.hpp"
#include "quality/marks.hpp"

namespace callward::api {
namespace {

constexpr std::int64_t kMarksMax = 1'000;  // of a call, that are listed

boost::json::array ranges_json(const std::vector<keys::SegmentRange>& ranges) {
  boost::json::array out;
  for (const auto& range : ranges)
    out.push_back(boost::json::array{range.stream, range.first, range.end});
  return out;
}

// What nobody has listened to yet was not missed; and a call-back is judged, whole, by its request.
Result<store::CallEvent> reviewed_call(Service& service, const Request& request) {
  auto event = TRY(call_of(service, request));
  if (event.phase != store::CallPhase::kComplete)
    return fail(Errc::kState, "the listener is not done with this call: erase it, it is no miss");
  if (event.source == keys::CallSource::kCallBack)
    return fail(Errc::kState, "a call-back is no part of this: erase it when its request is over");
  if (TRY(service.catalog.retired(event.call)))
    return fail(Errc::kErased, "its retention is over: its keys are destroyed");
  return event;
}

struct Words {
  std::string kind, cause;
};
Result<Words> words_of(BodyReader& body, const auto& kinds, const auto& causes) {
  Words words{TRY(body.text("kind", 1, 32)), TRY(body.text("cause", 1, 32))};
  if (!quality::is_one_of(kinds, words.kind)) return fail(Errc::kMalformed, "unknown kind");
  if (!quality::is_one_of(causes, words.cause)) return fail(Errc::kMalformed, "unknown cause");
  return words;
}

// In the log before it is ordered: an order that is refused leaves a secret that is known of, and
// the log's rules say so.
Result<Response> missed(Service& service, const Request& request) {
  const auto event = TRY(reviewed_call(service, request));
  auto body = TRY(BodyReader::parse(request.body));
  const auto side = TRY(side_of(body));
  const auto words = TRY(words_of(body, quality::kMissedKinds, quality::kMissedCauses));
  TRY(body.finish());
  const auto order = TRY(order_for(service, event, side, words.kind, request.actor()));
  TRY(service.log(std::string(quality::kMissedEntry), order.actor, event.call.hex(),
                  {{"order", order.order.hex()},
                   {"kind", words.kind},
                   {"cause", words.cause},
                   {"ranges", ranges_json(order.ranges)}}));
  ++service.marks_made.missed;
  return give_order(service, order, "the listener missed it: " + words.cause);
}

// What the listener erases by. A person may order for the same reasons: the report leaves that out.
bool is_listeners(const std::string& reason) {
  constexpr std::array<std::string_view, 3> kOthers = {"digits", "unrecognised", "typed_secret"};
  return quality::is_one_of(quality::kMissedKinds, reason) || quality::is_one_of(kOthers, reason);
}

Result<Response> needless(Service& service, const Request& request) {
  const auto event = TRY(reviewed_call(service, request));
  auto body = TRY(BodyReader::parse(request.body));
  const auto start_ms = TRY(body.number("start_ms", 0, 1ll << 40));
  const auto end_ms = TRY(body.number("end_ms", 1, 1ll << 40));
  const auto words = TRY(words_of(body, quality::kNeedlessKinds, quality::kNeedlessCauses));
  TRY(body.finish());
  if (end_ms <= start_ms) return fail(Errc::kMalformed, "end_ms must lie behind start_ms");
  const auto state = TRY(service.keeper.call<keys::CallState>(keys::CallStateRequest{event.call}));
  std::vector<keys::SegmentRange> ranges;
  for (const auto& erased : state.erased) {
    if (erased.outcome == keys::OrderOutcome::kHeld || !is_listeners(erased.reason)) continue;
    const auto first = std::max<std::int64_t>(erased.range.first, start_ms / 100);
    const auto end = std::min<std::int64_t>(erased.range.end, (end_ms + 99) / 100);
    if (first < end)
      ranges.push_back({erased.range.stream, static_cast<std::uint32_t>(first),
                        static_cast<std::uint32_t>(end)});
  }
  ranges = keys::join(std::move(ranges));
  if (ranges.empty())
    return fail(Errc::kState, "nothing is erased there for a secret: there is nothing to mark");
  TRY(service.log(std::string(quality::kNeedlessEntry), request.actor(), event.call.hex(),
                  {{"kind", words.kind}, {"cause", words.cause}, {"ranges", ranges_json(ranges)}}));
  ++service.marks_made.needless;
  return Response::json({{"ranges", ranges_json(ranges)}}, 201);
}

Result<Response> reviewed(Service& service, const Request& request) {
  const auto event = TRY(reviewed_call(service, request));
  auto body = TRY(BodyReader::parse(request.body));
  const auto chosen = TRY(body.text("chosen", 1, 16));
  TRY(body.finish());
  if (!quality::is_one_of(quality::kChosen, chosen))
    return fail(Errc::kMalformed, "chosen is random or reason");
  TRY(service.log(std::string(quality::kReviewedEntry), request.actor(), event.call.hex(),
                  {{"chosen", chosen}}));
  ++service.marks_made.reviewed;
  return Response::json({{"call", event.call.hex()}}, 201);
}

std::string at_or_empty(const boost::json::object& data, const char* name) {
  const auto* value = data.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<Response> marks(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  boost::json::array items;
  for (const auto& row : TRY(CustomerTables(service.database)
                                 .log_of(event.call.hex(), std::nullopt, kMarksMax,
                                         {quality::kMissedEntry, quality::kNeedlessEntry,
                                          quality::kReviewedEntry}))) {
    const auto* ranges = row.data.if_contains("ranges");
    items.push_back({{"type", row.type},
                     {"at", row.at},
                     {"by", row.actor},
                     {"kind", at_or_empty(row.data, "kind")},
                     {"cause", at_or_empty(row.data, "cause")},
                     {"chosen", at_or_empty(row.data, "chosen")},
                     {"ranges", ranges == nullptr ? boost::json::array{} : *ranges}});
  }
  return Response::json({{"marks", std::move(items)}});
}

Result<Response> report(Service& service, const Request& request) {
  const auto text = [&](const char* name) -> std::string {
    const auto at = request.query.find(name);
    return at == request.query.end() ? std::string() : at->second;
  };
  const auto window = TRY(quality::window_of(text("from"), text("to")));
  // One reads the log at a time; who waited would hold a thread of the server's.
  const std::unique_lock lock(service.reporting, std::try_to_lock);
  if (!lock) return fail(Errc::kBusy, "the report is just being made for somebody; ask again");
  return Response::json(quality::to_json(
      TRY(quality::leaks_in_log(service.vfs, service.log_dir, service.log_key, window))));
}

}  // namespace

std::string Service::MarksMade::status_json() const {
  return boost::json::serialize(boost::json::object{
      {"missed", missed.load()}, {"needless", needless.load()}, {"reviewed", reviewed.load()}});
}

void add_review_routes(Service& service, std::vector<Route>& routes) {
  const auto write = [&](const char* path, const char* operation, auto act) {
    routes.push_back(
        {"POST", path, operation,
         once(service, guarded([&service, act](const Request& r) { return act(service, r); }))});
  };
  write("/v1/calls/{id}/missed", "markMissed", missed);
  write("/v1/calls/{id}/needless", "markNeedless", needless);
  write("/v1/calls/{id}/reviews", "markReviewed", reviewed);
  routes.push_back({"GET", "/v1/calls/{id}/marks", "listMarks",
                    guarded([&](const Request& r) { return marks(service, r); })});
  routes.push_back({"GET", "/v1/listening/report", "getListeningReport",
                    guarded([&](const Request& r) { return report(service, r); })});
}

}  // namespace callward::api
