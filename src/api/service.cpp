#include "api/service.hpp"

#include <algorithm>

#include "api/customer_helpers.hpp"
#include "api/reminder_book.hpp"
#include "base/event_log.hpp"
#include "crypto/sha256.hpp"

namespace callward::api {

Status Service::log(const std::string& type, const std::string& actor, const std::string& subject,
                    const boost::json::object& data) {
  TRY(keeper.call<keys::LogAppended>(
      keys::LogAppend{type, actor, subject, boost::json::serialize(data)}));
  return {};
}

void Service::remember_order(const std::string& id, OrderInfo info) {
  const std::lock_guard lock(orders_mutex);
  if (orders.size() >= kOrdersMax) orders.clear();
  orders[id] = std::move(info);
}

void Service::forget_order(const std::string& id, keys::OrderOutcome as) {
  const std::lock_guard lock(orders_mutex);
  const auto known = orders.find(id);
  if (known != orders.end() && known->second.outcome == as) orders.erase(known);
}

bool Service::may_log_throttled(const std::string& subject) {
  const std::lock_guard lock(throttled_mutex);
  const auto now = clock.monotonic_ms();
  const auto [at, fresh] = throttled_logged.try_emplace(subject, now);
  if (!fresh && now - at->second < kThrottledLogEveryMs) return false;
  at->second = now;
  return true;
}

void Service::on_call_event(const store::CallEvent& event) {
  (void)catalog.apply(event);
  note_live(event);
  if (const auto json = catalog.to_json(event))
    events.publish("call", boost::json::serialize(*json), kCallEventRoles);
}

void Service::on_order_state(const keys::OrderState& state) {
  const OrderInfo info{state.call.hex(), state.reason, state.outcome};
  remember_order(state.order.hex(), info);
  events.publish("order", boost::json::serialize(order_json(state.order.hex(), info)),
                 kCallEventRoles);
  if (const auto event = catalog.find(state.call))
    if (const auto json = catalog.to_json(*event))
      events.publish("call", boost::json::serialize(*json), kCallEventRoles);
}

void Service::on_fields_gone(const keys::FieldsGone& message) {
  if (auto gone = CustomerTables(database).gone(message.customer, message.leaves); !gone)
    log_event("server.records_not_deleted",
              {{"why", gone.error().message}});  // the log says it, too
}

void Service::on_records_wanted(const keys::RecordsWanted& message) {
  keys::RecordsPut put{message.customer, {}};
  CustomerTables tables(database);
  for (const auto leaf : message.leaves)
    if (auto record = tables.record(message.customer, leaf); record && !record->record.empty())
      put.records.push_back(std::move(*record));
  if (const auto told = keeper.call<keys::Ack>(put); !told)
    log_event("server.records_not_told", {{"why", told.error().message}});  // it asks again
}

Status Service::follow_customers() {
  const std::lock_guard lock(following);
  CustomerTables tables(database);
  CustomerTables::Touched news;
  const auto followed = tables.follow_log(log_dir, log_key, vfs, policy.limits, news);
  const auto now =
      news.requests.empty() ? Result<Today>(fail(Errc::kNotFound, "no news")) : today(*this);
  for (const auto& id : news.requests) {
    const auto request = tables.known(id, policy.limits);
    if (!request) continue;
    if (reminders != nullptr) reminders->touched(*request);
    tell_request(*request, std::move(news.left[id]));
    if (now) (void)note_lacking(*request, *now);
  }
  for (const auto& [person, at] : news.missed)
    if (auto off = missed_on_duty(*this, person, at); !off)
      log_event("server.duty", {{"why", off.error().message}});
  return followed;
}

void Service::tell_request(const disclose::Request& request, std::set<PersonId> besides) {
  // Without the chart it is nobody's superior; what they see is judged when they ask.
  const auto chart = roster.chart();
  besides.merge(who_see(chart ? **chart : people::Chart(roster.party()), request));
  const auto text = boost::json::serialize(boost::json::object{
      {"request", request.id.hex()}, {"state", disclose::to_text(request.state)}});
  events.publish("request", text, kLookAtAll, std::move(besides));
}

void Service::tell_lacking() {
  if (!lacking_owed.exchange(false)) return;
  if (const auto told = tell_lacking_now(); !told) {
    log_event("server.lacking", {{"why", told.error().message}});
    lacking_owed = true;
  }
}

Status Service::tell_lacking_now() {
  constexpr std::int64_t kPage = 500;
  const auto now = TRY(today(*this));
  RequestFilter filter{.view = RequestView::kWaiting,
                       .person = {},
                       .of = {},
                       .shows = {},
                       .after = {},
                       .limit = std::min(kPage, lacking_max)};
  std::set<RequestId> seen;
  bool beyond = false;
  for (bool more = true; more && !beyond;) {
    const auto page = TRY(CustomerTables(database).requests(filter, policy.limits));
    for (const auto& request : page.requests) {
      beyond = static_cast<std::int64_t>(seen.size()) >= lacking_max;
      if (beyond) break;
      seen.insert(request.id);
      if (note_lacking(request, now)) tell_request(request);
    }
    filter.after = page.next;
    more = page.next.has_value();
  }
  if (beyond && !lacking_beyond) log_event("server.lacking_beyond", {{"looked_at", lacking_max}});
  lacking_beyond = beyond;
  const std::lock_guard lock(lacking_mutex);
  if (!beyond) std::erase_if(lacking, [&](const auto& id) { return !seen.contains(id); });
  return {};
}

bool Service::note_lacking(const disclose::Request& request, const Today& now) {
  const bool lacks = lacks_somebody(request, now);
  const std::lock_guard lock(lacking_mutex);
  if (!lacks) return lacking.erase(request.id) != 0;
  return static_cast<std::int64_t>(lacking.size()) < lacking_max &&
         lacking.insert(request.id).second;
}

void Service::ask_time() {
  const auto asked = clock.monotonic_ms();
  const auto said = keeper.call<keys::TimeTold>(keys::TimeRequest{}, KeepersClock::kAnswerMsMax);
  if (said) (void)keepers_clock.told(said->utc_ms, asked);
}

// An order that is sent again is answered as it stands. It names no range and no person: one that
// the keeper does not know is refused, so that asking can order nothing.
void Service::ask_orders() {
  using enum keys::OrderOutcome;
  std::vector<std::pair<std::string, OrderInfo>> open;
  {
    const std::lock_guard lock(orders_mutex);
    for (const auto& [id, info] : orders)
      if (info.outcome != kErased && info.outcome != kRefused && info.outcome != kKept)
        if (open.size() < kOrdersAskedMax) open.emplace_back(id, info);
  }
  for (const auto& [id, info] : open) {
    const auto order = OrderId::parse(id);
    const auto call = CallId::parse(info.call);
    if (!order || !call) continue;
    const auto now = keeper.call<keys::OrderAccepted>(
        keys::EraseOrder{*order, *call, {}, info.reason, "server"}, kOrderAnswerMs);
    if (now && now->outcome != info.outcome)
      on_order_state({*order, *call, now->outcome, {}, info.reason});
    if (now) continue;
    if (now.error().code != Errc::kDenied && now.error().code != Errc::kNotFound)
      return;  // away again: asked anew when it is back
    forget_order(id, info.outcome);
  }
}

const char* to_text(keys::OrderOutcome outcome) {
  switch (outcome) {
    case keys::OrderOutcome::kAccepted:
      return "accepted";
    case keys::OrderOutcome::kHeld:
      return "held";
    case keys::OrderOutcome::kIntended:
      return "intended";
    case keys::OrderOutcome::kErased:
      return "erased";
    case keys::OrderOutcome::kUnconfirmed:
      return "unconfirmed";
    case keys::OrderOutcome::kRefused:
      return "refused";
    case keys::OrderOutcome::kKept:
      return "kept";
  }
  return "refused";
}

boost::json::object order_json(const std::string& id, const OrderInfo& info) {
  return {{"id", id},
          {"call", info.call},
          {"outcome", to_text(info.outcome)},
          {"reason_code", info.reason}};
}

Result<store::CallEvent> any_call_of(Service& service, const Request& request) {
  const auto id = CallId::parse(request.parameters.at("id"));
  if (!id) return fail(Errc::kNotFound, "no such call");
  return service.catalog.find(*id);
}

Result<store::CallEvent> call_of(Service& service, const Request& request) {
  auto event = TRY(any_call_of(service, request));
  // An authorised person hears call-backs, and no other call.
  if (hears_call_backs_only(request) && event.source != keys::CallSource::kCallBack)
    return fail(Errc::kNotFound, "no such call");
  return event;
}

bool hears_call_backs_only(const Request& request) {
  using people::Role;
  return request.session &&
         (request.session->person.roles & roles_of({Role::kReviewer, Role::kOwner})) == 0;
}

std::optional<keys::RecordKind> parse_kind(std::string_view word) {
  using enum keys::RecordKind;
  for (const auto kind : {kAudio, kWords, kPeaks, kFindings, kCallData})
    if (word == to_text(kind)) return kind;
  return std::nullopt;
}

Result<std::string> seal_reason(Service& service, const CallId& call, const std::string& actor,
                                const std::string& act, const std::string& reason) {
  const auto r = service.entropy.array<16>();
  const auto text = boost::json::serialize(boost::json::object{{"act", act},
                                                               {"actor", actor},
                                                               {"at", service.clock.utc_ms()},
                                                               {"reason", reason},
                                                               {"r", to_hex(r)}});
  const auto sealed = TRY(
      service.keeper.call<keys::SealedRecord>(keys::CallDataPut{call, to_bytes(as_bytes(text))}));
  TRY(service.database.execute("INSERT INTO notes VALUES (?1, ?2, ?3)",
                               {call.hex(), service.clock.utc_ms(), sealed.record}));
  return to_hex(crypto::sha256({r, as_bytes(reason)}));
}

Handler bounded(Service& service, Handler handler) {
  return [&service, handler = std::move(handler)](const Request& request) -> Response {
    const bool this_minute = request.is_operator || service.reads_a_minute.may(request.actor());
    if (request.is_operator || (this_minute && service.reads_an_hour.may(request.actor())))
      return handler(request);
    auto response = Response::problem(429, "busy", "too many at once for one person; wait a while");
    response.headers.emplace_back("Retry-After", this_minute ? "3600" : "60");
    return response;
  };
}

namespace {

// By these somebody learns what is kept, or that it is there, one piece a request. A query opens to
// the technician of its open case alone; a field, by steps with bounds of their own.
constexpr std::array kReads = {"openCall",          "openWords",   "lookUp",
                               "lookUpCaller",      "getReceipt",  "getCustomerReceipt",
                               "getRequestReceipt", "proveErasure"};

}  // namespace

std::vector<Route> routes(Service& service) {
  std::vector<Route> all;
  add_session_routes(service, all);
  add_second_routes(service, all);
  add_reader_routes(service, all);
  add_enrolment_routes(service, all);
  add_people_routes(service, all);
  add_own_routes(service, all);
  add_chart_routes(service, all);
  add_call_routes(service, all);
  add_opening_routes(service, all);
  add_held_routes(service, all);
  add_review_routes(service, all);
  add_whole_routes(service, all);
  add_log_routes(service, all);
  add_proof_routes(service, all);
  add_retention_routes(service, all);
  add_reminder_routes(service, all);
  add_system_routes(service, all);
  add_intake_routes(service, all);
  add_customer_routes(service, all);
  add_request_routes(service, all);
  add_verification_routes(service, all);
  add_form_routes(service, all);
  add_agent_routes(service, all);
  add_receipt_routes(service, all);
  for (auto& route : all) {
    route.roles = roles_of(route.operation);
    if (std::ranges::find(kReads, route.operation) != kReads.end())
      route.handler = bounded(service, std::move(route.handler));
  }
  return all;
}

}  // namespace callward::api
