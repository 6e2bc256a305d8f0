// Requests for a customer's data: drafted, signed, put, listed, shown. The keeper judges each step;
// the server attaches the ciphertext that a step is about, and keeps the ciphertext of what was
// said.
#include <charconv>

#include "api/customer_helpers.hpp"
#include "disclose/chain.hpp"
#include "disclose/recordings.hpp"
#include "vault/customer.hpp"

namespace callward::api {
namespace {

using people::Role;

constexpr std::size_t kFieldsMax = 64, kCategoryBytesMax = 16;
constexpr std::size_t kStepBytesMax = 8'192, kSignatureBytesMax = 8'192;

boost::json::array numbers_json(const std::vector<disclose::FieldNumber>& numbers) {
  boost::json::array out;
  for (const auto number : numbers) out.emplace_back(std::int64_t{number});
  return out;
}
std::string text_of(const PersonId& id) { return id.is_zero() ? std::string() : id.hex(); }

// As the log says it.
boost::json::object request_json(Service& service, const disclose::Request& r, const Acting& who,
                                 const Today& today) {
  return {{"request", r.id.hex()},
          {"customer", r.customer.hex()},
          {"case", std::int64_t{r.of_case}},
          {"state", disclose::to_text(r.state)},
          {"since", r.since},
          {"deadline", disclose::deadline(r, service.policy.limits)},
          {"asked_at", r.asked_at},
          {"requester", text_of(r.requester)},
          {"expert", text_of(r.expert)},
          {"released_by", text_of(r.released_by)},
          {"second", text_of(r.second)},
          {"reviewed_by", text_of(r.reviewed_by)},
          {"asked", numbers_json(r.fields)},
          {"released", numbers_json(r.released)},
          {"opened_at", r.opened_at},
          {"until", r.state == disclose::State::kOpen ? r.until : 0},
          {"views", std::int64_t{r.views}},
          {"needed", r.found.said ? boost::json::value(r.found.needed) : nullptr},
          {"used", r.found.said ? boost::json::value(r.found.used) : nullptr},
          {"rings", std::int64_t{r.rings}},
          {"broken", r.broken},
          {"no_expert", no_expert_on_duty(r, today)},
          {"category", r.category},
          {"wished_ms", std::min(r.wished_ms, service.policy.limits.window_ms_max)},
          {"turn", disclose::to_text(disclose::turn_of(r, who.id, today.world))},
          {"next", next_json(r, who.id, today)}};
}

std::set<std::string> people_in(const disclose::Request& r) {
  return {r.requester.hex(), r.expert.hex(), r.released_by.hex(), r.second.hex(),
          r.reviewed_by.hex()};
}

// ---- steps --------------------------------------------------------------------------------------

Result<Response> draft(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  auto body = TRY(BodyReader::parse(request.body));
  keys::StepDraft message{.by = who.id};
  message.request = RequestId{fixed<16>(TRY(body.optional_hex("request", 16)))};
  message.kind = TRY(body.text("kind", 1, 16));
  message.customer = CustomerId{fixed<16>(TRY(body.optional_hex("customer", 16)))};
  message.of_case =
      static_cast<std::uint32_t>(TRY(body.optional_number("case", 0, 0xFFFF'FFFF)).value_or(0));
  message.fields = TRY(body.optional_numbers("fields", kFieldsMax));
  message.window_ms = TRY(body.optional_number("window_ms", 0, 1 << 30)).value_or(0);
  message.words = fixed<32>(TRY(body.optional_hex("words", 32)));
  message.reader_key = fixed<32>(TRY(body.optional_hex("reader_key", 32)));
  message.category = TRY(body.optional_text("category", kCategoryBytesMax));
  const auto needed = TRY(body.optional_flag("needed")), used = TRY(body.optional_flag("used"));
  if (needed.has_value() != used.has_value())
    return fail(Errc::kMalformed, "a review answers both: needed, used");
  message.answered = needed.has_value();
  message.needed = needed.value_or(false);
  message.used = used.value_or(false);
  if (!message.category.empty() && !disclose::is_category(message.category))
    return fail(Errc::kMalformed, "no such category");
  TRY(body.finish());
  if (message.request.is_zero())
    TRY(may_see(service, who, message.customer));
  else
    TRY(visible(service, who, message.request));
  return Response::json({{"step", TRY(service.keeper.call<keys::StepDrafted>(message)).step}});
}

// The number on file: what is newest of the phone that everybody is asked for. nullptr: there is
// none.
const keys::FieldState* number_of(const vault::Policy& policy, const keys::CustomerState& state) {
  const keys::FieldState* found = nullptr;
  for (const auto& spec : policy.fields) {
    if (spec.kind != vault::FieldKind::kPhone || spec.of_class != vault::FieldClass::kReference)
      continue;
    for (const auto& field : state.fields)
      if (field.field == spec.id &&
          field.state == static_cast<std::uint8_t>(vault::FieldState::kReadable) &&
          (found == nullptr || field.leaf > found->leaf))
        found = &field;
    if (found != nullptr) break;
  }
  return found;
}
Result<keys::FieldRecord> number_on_file(Service& service, const CustomerId& customer) {
  const auto state =
      TRY(service.keeper.call<keys::CustomerState>(keys::CustomerStateRequest{customer}));
  const auto* found = number_of(service.policy, state);
  if (found == nullptr) return fail(Errc::kState, "no number of this customer is on file");
  return CustomerTables(service.database).record(customer, found->leaf);
}

// Whoever is answered asks at once how the request stands: what the log will tell is waited for,
// rather than that a request that was just asked is not found. A keeper that signs no checkpoint
// now costs the wait, and the answer comes all the same. Who waits has one of the server's threads:
// few may, and the others are answered at once.
void until_it_shows(Service& service, const RequestId& id, std::uint32_t number) {
  struct Waiting {
    std::atomic<std::size_t>& count;
    ~Waiting() { --count; }
  } waiting{service.step_waiters};
  if (service.step_waiters.fetch_add(1) >= Service::kStepWaitersMax) return;
  CustomerTables tables(service.database);
  const auto end = service.clock.monotonic_ms() + service.step_shows_ms;
  while (service.clock.monotonic_ms() < end) {
    const auto there = tables.has_step(id, number);
    if (!there || *there || !service.follow_customers()) return;
    if (tables.has_step(id, number).value_or(true)) return;
    service.pause(Service::kStepLookMs);
  }
}

Result<Response> put(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  auto body = TRY(BodyReader::parse(request.body));
  keys::StepPut message{.step = TRY(body.text("step", 2, kStepBytesMax)),
                        .signature = TRY(body.text("signature", 2, kSignatureBytesMax))};
  if (auto words = TRY(body.optional_object("words")))
    message.words = TRY(sealed_value(std::move(*words)));
  TRY(body.finish());
  boost::system::error_code error;
  const auto json = boost::json::parse(message.step, error);
  if (error || !json.is_object()) return fail(Errc::kMalformed, "step must be a draft, as it came");
  const auto step = TRY(disclose::step_from_json(json.get_object()));
  if (step.event.by != who.id) return fail(Errc::kDenied, "a step is put by who signed it");
  auto customer = step.customer;
  if (step.number == 1)
    TRY(may_see(service, who, customer));
  else
    customer = TRY(visible(service, who, step.request)).customer;
  if (step.number != 1 && step.event.kind == disclose::EventKind::kRing)
    message.record = TRY(number_on_file(service, customer));
  if (step.number != 1 && step.event.kind == disclose::EventKind::kView &&
      step.event.fields.size() == 1)
    message.record = TRY(CustomerTables(service.database).record(customer, step.event.fields[0]));
  const auto taken = TRY(service.keeper.call<keys::StepTaken>(message));
  if (!taken.statement.record.empty())
    TRY(CustomerTables(service.database)
            .keep_statement(customer, taken.request, taken.number, taken.statement));
  if (step.number == 1) until_it_shows(service, taken.request, taken.number);
  boost::json::object out{{"request", taken.request.hex()}, {"number", std::int64_t{taken.number}}};
  if (!taken.value.sealed.empty()) out["value"] = to_json(taken.value);
  return Response::json(std::move(out), 201);
}

// ---- showing ------------------------------------------------------------------------------------

// Everybody who answers to this person, directly or over others.
std::vector<PersonId> answering_to(const people::Chart& chart, const PersonId& person) {
  std::vector<PersonId> found;
  for (const auto& [id, member] : chart.members())
    if (chart.answers_to(id, person)) found.push_back(id);
  return found;
}

// What waits for somebody's act is what the table lets them do: no more, no less.
void only_their_turn(RequestFilter& filter, const Today& today) {
  static constexpr std::array kTurns = {std::pair(RequestView::kVerify, disclose::Turn::kVerify),
                                        std::pair(RequestView::kRelease, disclose::Turn::kRelease),
                                        std::pair(RequestView::kReview, disclose::Turn::kReview),
                                        std::pair(RequestView::kWindow, disclose::Turn::kWindow)};
  const auto at = std::ranges::find(kTurns, filter.view, [](const auto& one) { return one.first; });
  if (at == kTurns.end()) return;
  filter.shows = [&today, turn = at->second, id = filter.person](const disclose::Request& r) {
    return disclose::turn_of(r, id, today.world) == turn;
  };
  if (filter.view == RequestView::kReview && !today.chart->is(filter.person, Role::kOwner))
    filter.of = answering_to(*today.chart, filter.person);
}

Result<RequestFilter> filter_of(const Request& request, const Acting& who) {
  const auto text = [&](const char* name) -> std::string {
    const auto at = request.query.find(name);
    return at == request.query.end() ? std::string() : at->second;
  };
  struct View {
    const char* word;
    RequestView view;
    people::Roles roles;  // zero: everybody's own
  };
  static constexpr std::array kViews = {
      View{"mine", RequestView::kMine, 0},
      View{"verify", RequestView::kVerify, roles_of({Role::kExpert})},
      View{"release", RequestView::kRelease, roles_of({Role::kAuthorised})},
      View{"review", RequestView::kReview, 0},  // whoever others answer to
      View{"all", RequestView::kAll,
           roles_of({Role::kAuthorised, Role::kSupervisor, Role::kOwner, Role::kAuditor})}};
  const auto word = text("view").empty() ? std::string("mine") : text("view");
  const auto* view =
      std::ranges::find_if(kViews, [&](const View& one) { return word == one.word; });
  if (view == kViews.end())
    return fail(Errc::kMalformed, "view is mine, verify, release, review or all");
  if (view->roles != 0 && (view->roles & who.roles) == 0)
    return fail(Errc::kDenied, "your role has no such list");
  RequestFilter filter{.view = view->view,
                       .person = who.id,
                       .of = {},
                       .shows = {},
                       .after = {},
                       .limit = TRY(query_number(request, "limit", 100, 1, 500))};
  if (const auto cursor = text("cursor"); !cursor.empty()) {
    const auto dot = cursor.find('.');
    Request part;
    part.query["at"] = cursor.substr(0, dot);
    const auto at = query_number(part, "at", 0, 0, std::int64_t{1} << 52);
    if (dot == std::string::npos || !at || !RequestId::parse(cursor.substr(dot + 1)))
      return fail(Errc::kMalformed, "not a cursor");
    filter.after = std::pair(*at, cursor.substr(dot + 1));
  }
  return filter;
}

Result<Response> list(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto now = TRY(today(service));
  auto filter = TRY(filter_of(request, who));
  only_their_turn(filter, now);
  const auto page = TRY(CustomerTables(service.database).requests(filter, service.policy.limits));
  boost::json::array items;
  std::set<std::string> people;
  for (const auto& one : page.requests) {
    items.push_back(request_json(service, one, who, now));
    people.merge(people_in(one));
  }
  boost::json::value next = nullptr;
  if (page.next)
    next = boost::json::string(std::to_string(page.next->first) + "." + page.next->second);
  return Response::json({{"requests", std::move(items)},
                         {"people", names_of(service, people)},
                         {"next_cursor", std::move(next)}});
}

// For the header of every screen: how many wait for whose session it is, and which windows of
// theirs are open.
Result<Response> turns(Service& service, const Request& request) {
  constexpr std::int64_t kCountedMax = 100;  // of each
  constexpr std::size_t kWindowsMax = 5;
  const auto who = TRY(acting(request));
  const auto now = TRY(today(service));
  bool more = false;
  const auto of = [&](RequestView view) -> Result<std::vector<disclose::Request>> {
    RequestFilter filter{
        .view = view, .person = who.id, .of = {}, .shows = {}, .after = {}, .limit = kCountedMax};
    only_their_turn(filter, now);
    auto page = TRY(CustomerTables(service.database).requests(filter, service.policy.limits));
    more = more || page.next.has_value();
    return std::move(page.requests);
  };
  boost::json::object out;
  out["verify"] = static_cast<std::int64_t>(TRY(of(RequestView::kVerify)).size());
  out["release"] = now.chart->is(who.id, Role::kAuthorised)
                       ? static_cast<std::int64_t>(TRY(of(RequestView::kRelease)).size())
                       : 0;
  out["review"] = static_cast<std::int64_t>(TRY(of(RequestView::kReview)).size());
  out["more"] = more;
  boost::json::array windows;
  for (const auto& one : TRY(of(RequestView::kWindow))) {
    if (windows.size() >= kWindowsMax) break;
    windows.push_back({{"request", one.id.hex()},
                       {"state", disclose::to_text(one.state)},
                       {"until", disclose::deadline(one, service.policy.limits)}});
  }
  out["windows"] = std::move(windows);
  return Response::json(std::move(out));
}

// What only the keeper knows while it runs: how the call-back is, what was compared.
Status add_running(Service& service, const RequestId& id, const PersonId& who,
                   boost::json::object& out) {
  const auto json = TRY(running_of(service, id));
  out["running"] = nullptr;
  if (!json) return {};
  boost::json::object running;
  for (const char* name :
       {"state", "deadline", "steps", "call", "call_seconds", "call_recorded", "ringing", "talking",
        "code_sent", "passed", "checks_needed", "locked", "words"})
    if (const auto* value = json->if_contains(name)) running[name] = *value;
  // Of who asks: others see it in the time-line.
  for (const char* name : {"read", "heard"})
    if (const auto* people = json->if_contains(name); people != nullptr && people->is_array())
      running[name] = std::ranges::find(people->get_array(), boost::json::value(who.hex())) !=
                      people->get_array().end();
  out["running"] = std::move(running);
  return {};
}

// What the carriers said of the caller's number when the customer rang last before it was asked.
Result<std::string> attestation_of(Service& service, const disclose::Request& request) {
  const auto call = TRY(CustomerTables(service.database)
                            .call_of(request.customer, request.of_case, request.asked_at));
  if (call.is_zero()) return std::string();
  const auto event = service.catalog.last_told(call);
  if (!event && event.error().code != Errc::kNotFound) return tl::unexpected<Error>(event.error());
  return event ? attestation_in(event->flags) : std::string();
}

// As the keeper judges it; and the routes of calls are these roles'.
bool hears(const people::Chart& chart, const Acting& who, const disclose::Request& request) {
  constexpr auto kRoutes =
      roles_of({Role::kAuthorised, Role::kSupervisor, Role::kReviewer, Role::kOwner});
  const disclose::Heard call_back{.is_call_back = true,
                                  .of = {request.id, request.requester, request.expert},
                                  .request = &request};
  return (who.roles & kRoutes) != 0 && disclose::may_hear(chart, who.id, call_back).has_value();
}

Result<Response> one(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(request_of(request));
  const auto found = TRY(visible(service, who, id));
  auto out = request_json(service, found, who, TRY(today(service)));
  TRY(add_running(service, id, who.id, out));
  // Which fields these numbers are: words of the policy, never a value.
  boost::json::array fields;
  const auto state =
      service.keeper.call<keys::CustomerState>(keys::CustomerStateRequest{found.customer});
  if (!state && state.error().code != Errc::kNotFound) return tl::unexpected<Error>(state.error());
  // Who sees the customer sees all of them; a superior of the requester, those that are asked for.
  const bool all = may_see(service, who, found.customer).has_value();
  const auto is_shown = [&](const keys::FieldState& field) {
    return !field.field.empty() && field.field.front() != '~' &&
           (all || std::ranges::binary_search(found.fields, field.leaf));
  };
  if (state)
    for (const auto& field : state->fields)
      if (is_shown(field)) fields.push_back(field_json(service, field));
  out["fields"] = std::move(fields);
  const auto* number = state ? number_of(service.policy, *state) : nullptr;
  out["dials"] = number == nullptr ? boost::json::value(nullptr) : std::int64_t{number->leaf};
  out["hears"] = hears(*TRY(service.roster.chart()), who, found);
  out["attestation"] = TRY(attestation_of(service, found));
  out["people"] = names_of(service, people_in(found));
  return Response::json(std::move(out));
}

Result<Response> timeline(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(request_of(request));
  const auto found = TRY(visible(service, who, id));
  const auto limit = TRY(query_number(request, "limit", 200, 1, 1'000));
  const auto after = TRY(query_number(request, "after", -1, -1, std::int64_t{1} << 50));
  const auto rows = TRY(
      CustomerTables(service.database)
          .log_of(id.hex(),
                  after < 0 ? std::optional<std::uint64_t>() : std::optional<std::uint64_t>(after),
                  limit));
  boost::json::array entries;
  auto people = people_in(found);
  for (const auto& row : rows) {
    people.insert(row.actor);
    entries.push_back({{"entry", row.entry},
                       {"type", row.type},
                       {"at", row.at},
                       {"actor", row.actor},
                       {"data", row.data}});
  }
  boost::json::value next = nullptr;
  if (static_cast<std::int64_t>(rows.size()) == limit) next = rows.back().entry;
  const auto now = TRY(today(service));
  return Response::json({{"request", id.hex()},
                         {"state", disclose::to_text(found.state)},
                         {"no_expert", no_expert_on_duty(found, now)},
                         {"deadline", disclose::deadline(found, service.policy.limits)},
                         {"entries", std::move(entries)},
                         {"next", next_json(found, who.id, now)},
                         {"people", names_of(service, people)},
                         {"next_after", std::move(next)}});
}

}  // namespace

void add_request_routes(Service& service, std::vector<Route>& routes) {
  const auto act = [&service](Result<Response> (*handler)(Service&, const Request&)) {
    return guarded([&service, handler](const Request& r) { return handler(service, r); });
  };
  routes.push_back({"POST", "/v1/request-drafts", "draftStep", act(draft)});
  // A step has its place in the chain: put twice, the second one does not fit. So no
  // Idempotency-Key, and no answer is kept that somebody's browser opens.
  routes.push_back({"POST", "/v1/request-steps", "putStep", act(put)});
  routes.push_back({"GET", "/v1/requests", "listRequests", act(list)});
  routes.push_back({"GET", "/v1/requests/{id}", "getRequest", act(one)});
  routes.push_back({"GET", "/v1/own/turns", "listTurns", act(turns)});
  routes.back().polls = true;  // of every screen, for its header
  routes.push_back({"GET", "/v1/requests/{id}/timeline", "getTimeline", act(timeline)});
}

}  // namespace callward::api
