// Customers and their cases: chips of what is kept, never a value.
#include "api/customer_helpers.hpp"
#include "vault/customer.hpp"

namespace callward::api {
namespace {

using people::Role;

Result<keys::CustomerState> state_of(Service& service, const CustomerId& customer) {
  return service.keeper.call<keys::CustomerState>(keys::CustomerStateRequest{customer});
}

boost::json::object case_json(const keys::CaseState& one) {
  return {{"case", std::int64_t{one.number}},
          {"opened_at", one.opened_at},
          {"closed_at", one.closed_at},
          {"reference_until", one.reference_until},
          {"contact_until", one.contact_until},
          {"technician", one.technician.is_zero() ? "" : one.technician.hex()}};
}

// What was said about requests stands among the fields, and is none of a customer's.
bool is_field(const keys::FieldState& field) {
  return !field.field.empty() && field.field.front() != '~';
}

Result<Response> customer(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  TRY(may_see(service, who, id));
  const auto state = TRY(state_of(service, id));
  boost::json::array cases, fields;
  std::set<std::string> people;
  for (const auto& one : state.cases) {
    cases.push_back(case_json(one));
    people.insert(one.technician.hex());
  }
  for (const auto& field : state.fields)
    if (is_field(field)) fields.push_back(field_json(service, field));
  return Response::json({{"customer", id.hex()},
                         {"hold", state.held},
                         {"cases", std::move(cases)},
                         {"fields", std::move(fields)},
                         {"people", names_of(service, people)}});
}

// ---- lists --------------------------------------------------------------------------------------

Result<std::tuple<std::int64_t, std::string, std::int64_t>> parse_cursor(const std::string& text) {
  const auto first = text.find('.'), second = text.rfind('.');
  if (first == std::string::npos || first == second) return fail(Errc::kMalformed, "not a cursor");
  Request parts;
  parts.query = {{"at", text.substr(0, first)}, {"case", text.substr(second + 1)}};
  const auto customer = text.substr(first + 1, second - first - 1);
  const auto at = query_number(parts, "at", 0, 0, std::int64_t{1} << 52);
  const auto number = query_number(parts, "case", 0, 0, 0xFFFF'FFFF);
  if (!at || !number || !CustomerId::parse(customer)) return fail(Errc::kMalformed, "not a cursor");
  return std::tuple(*at, customer, *number);
}

Result<Response> cases(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto text = [&](const char* name) -> std::string {
    const auto at = request.query.find(name);
    return at == request.query.end() ? std::string() : at->second;
  };
  CaseFilter filter{.limit = TRY(query_number(request, "limit", 100, 1, 500))};
  const auto state = text("state");
  if (state == "open" || state == "closed")
    filter.open = state == "open";
  else if (!state.empty())
    return fail(Errc::kMalformed, "state is open or closed");
  if (const auto cursor = text("cursor"); !cursor.empty())
    filter.before = TRY(parse_cursor(cursor));
  // All of them are for those who lead; others have their own.
  if (!who.is(Role::kSupervisor) && !who.is(Role::kOwner)) {
    if (who.is(Role::kTechnician) && (!who.is(Role::kAgent) || text("mine") == "assigned"))
      filter.technician = who.id;
    else
      filter.opened_by = who.id;
  }
  boost::json::array items;
  boost::json::value next = nullptr;
  std::set<std::string> people;
  const auto found = TRY(CustomerTables(service.database).cases(filter));
  for (const auto& row : found) {
    items.push_back({{"customer", row.customer.hex()},
                     {"case", std::int64_t{row.number}},
                     {"opened_at", row.opened_at},
                     {"closed_at", row.closed_at},
                     {"opened_by", row.opened_by.is_zero() ? "" : row.opened_by.hex()},
                     {"technician", row.technician.is_zero() ? "" : row.technician.hex()},
                     {"call", row.call.is_zero() ? "" : row.call.hex()},
                     {"live", !row.call.is_zero() && service.live_calls.knows(row.call)}});
    people.insert({row.opened_by.hex(), row.technician.hex()});
  }
  if (static_cast<std::int64_t>(found.size()) == filter.limit)
    next = boost::json::string(std::to_string(found.back().opened_at) + "." +
                               found.back().customer.hex() + "." +
                               std::to_string(found.back().number));
  return Response::json({{"cases", std::move(items)},
                         {"people", names_of(service, people)},
                         {"next_cursor", std::move(next)}});
}

// ---- what becomes of a case ---------------------------------------------------------------------

// Contacts go along as records: from here on they can only be compared, and their tokens are made
// from them.
Result<Response> close(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  TRY(may_see(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  TRY(body.finish());
  CustomerTables tables(service.database);
  keys::CloseCase message{.customer = id,
                          .of_case = TRY(number_of(request, "case")),
                          .actor = who.id.hex(),
                          .contacts = {}};
  for (const auto& field : TRY(state_of(service, id)).fields) {
    if (field.of_class != static_cast<std::uint8_t>(vault::FieldClass::kContact) ||
        field.state != static_cast<std::uint8_t>(vault::FieldState::kReadable))
      continue;
    auto record = TRY(tables.record(id, field.leaf));
    if (!record.record.empty()) message.contacts.push_back(std::move(record));
  }
  TRY(service.keeper.call<keys::Ack>(message));
  TRY(tables.close(id, message.of_case, service.clock.utc_ms()));
  return Response::empty();
}

Result<Response> assign(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  TRY(may_see(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  const auto person = TRY(body.optional_hex("technician", 16));
  TRY(body.finish());
  const keys::AssignCase message{.customer = id,
                                 .of_case = TRY(number_of(request, "case")),
                                 .technician = PersonId{fixed<16>(person)},
                                 .actor = who.id.hex()};
  TRY(service.keeper.call<keys::Ack>(message));
  TRY(CustomerTables(service.database).assign(id, message.of_case, message.technician));
  return Response::empty();
}

Result<Response> read_query(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  TRY(may_see(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  const auto key = TRY(reader_key(body));
  TRY(body.finish());
  std::vector<std::string> queries;
  for (const auto& spec : service.policy.fields)
    if (spec.kind == vault::FieldKind::kQuery) queries.push_back(spec.id);
  const auto of_case = TRY(number_of(request, "case"));
  keys::ReadQuery message{
      .customer = id,
      .of_case = of_case,
      .person = who.id,
      .reader_key = key,
      .query = TRY(CustomerTables(service.database).newest(id, of_case, queries))};
  auto json = to_json(TRY(service.keeper.call<keys::ValueRead>(message)));
  json["leaf"] = std::int64_t{message.query.leaf};
  return Response::json(std::move(json), 201);
}

// ---- what the customer wants gone ---------------------------------------------------------------

Result<Response> erase(Service& service, const Request& request, bool all) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  TRY(may_see(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  const auto reason = TRY(reason_of(service, body));
  TRY(body.finish());
  const keys::EraseFields message{.customer = id,
                                  .all = all,
                                  .leaf = all ? 0 : TRY(number_of(request, "leaf")),
                                  .actor = who.id.hex(),
                                  .reason_hash = reason.hash};
  const auto erased = TRY(service.keeper.call<keys::FieldsErased>(message));
  return Response::json({{"customer", id.hex()},
                         {"outcome", to_text(erased.outcome)},
                         {"r", reason.r},
                         {"reason_hash", reason.hash}},
                        202);
}

Result<Response> hold(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto id = TRY(customer_of(request));
  TRY(may_see(service, who, id));
  auto body = TRY(BodyReader::parse(request.body));
  const auto word = TRY(body.text("state", 1, 8));
  const auto reason = TRY(reason_of(service, body));
  TRY(body.finish());
  if (word != "set" && word != "lifted") return fail(Errc::kMalformed, "state is set or lifted");
  TRY(service.keeper.call<keys::Ack>(keys::HoldCustomer{
      .customer = id, .on = word == "set", .actor = who.id.hex(), .reason_hash = reason.hash}));
  return Response::json({{"customer", id.hex()},
                         {"hold", word == "set"},
                         {"r", reason.r},
                         {"reason_hash", reason.hash}});
}

}  // namespace

void add_customer_routes(Service& service, std::vector<Route>& routes) {
  const auto act = [&service](Result<Response> (*handler)(Service&, const Request&)) {
    return guarded([&service, handler](const Request& r) { return handler(service, r); });
  };
  routes.push_back({"GET", "/v1/cases", "listCases", act(cases)});
  routes.push_back({"GET", "/v1/customers/{id}", "getCustomer", act(customer)});
  routes.push_back(
      {"POST", "/v1/customers/{id}/cases/{case}/closure", "closeCase", once(service, act(close))});
  routes.push_back({"POST", "/v1/customers/{id}/cases/{case}/technician", "assignCase",
                    once(service, act(assign))});
  // Not done once only: what it gives is for one reader's key, and is logged each time.
  routes.push_back(
      {"POST", "/v1/customers/{id}/cases/{case}/query-openings", "openQuery", act(read_query)});
  routes.push_back(
      {"POST", "/v1/customers/{id}/fields/{leaf}/erasure", "eraseField",
       once(service, guarded([&service](const Request& r) { return erase(service, r, false); }))});
  routes.push_back(
      {"POST", "/v1/customers/{id}/erasure", "eraseCustomer",
       once(service, guarded([&service](const Request& r) { return erase(service, r, true); }))});
  routes.push_back({"POST", "/v1/customers/{id}/hold", "holdCustomer", once(service, act(hold))});
}

}  // namespace callward::api
