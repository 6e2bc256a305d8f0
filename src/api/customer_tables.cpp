#include "api/customer_tables.hpp"

#include "base/event_log.hpp"

namespace callward::api {
namespace {

constexpr const char* kNoForm = "this link is not valid any more; ask for a new one";

std::string id_text(const PersonId& id) { return id.is_zero() ? std::string() : id.hex(); }

template <class AnId>
AnId id_of(const std::string& text) {
  return AnId::parse(text).value_or(AnId{});
}

constexpr const char* kCaseColumns =
    "SELECT customer, number, opened_at, closed_at, opened_by, technician, call FROM "
    "customer_cases ";

CaseRow case_of(const db::Row& row) {
  return {.customer = id_of<CustomerId>(row.text(0)),
          .number = static_cast<std::uint32_t>(row.number(1)),
          .opened_at = row.number(2),
          .closed_at = row.number(3),
          .opened_by = id_of<PersonId>(row.text(4)),
          .technician = id_of<PersonId>(row.text(5)),
          .call = id_of<CallId>(row.text(6))};
}

keys::FieldRecord record_of(const db::Row& row) {
  return {static_cast<std::uint32_t>(row.number(0)), row.blob(1)};
}

}  // namespace

std::vector<std::string> customer_migrations() {
  return {
      "CREATE TABLE customer_records (customer TEXT NOT NULL, leaf INTEGER NOT NULL, of_case "
      "INTEGER NOT NULL, field TEXT NOT NULL, request TEXT NOT NULL, number INTEGER NOT NULL, "
      "record BLOB NOT NULL, PRIMARY KEY (customer, leaf)) STRICT;"
      "CREATE INDEX customer_records_request ON customer_records (request, number);"
      "CREATE TABLE customer_cases (customer TEXT NOT NULL, number INTEGER NOT NULL, opened_at "
      "INTEGER NOT NULL, closed_at INTEGER NOT NULL, opened_by TEXT NOT NULL, technician TEXT NOT "
      "NULL, call TEXT NOT NULL, PRIMARY KEY (customer, number)) STRICT;"
      "CREATE INDEX customer_cases_opened ON customer_cases (opened_at, customer, number);"
      "CREATE TABLE requests (id TEXT PRIMARY KEY, customer TEXT NOT NULL, state TEXT NOT NULL, "
      "asked_at INTEGER NOT NULL, deadline INTEGER NOT NULL, requester TEXT NOT NULL, expert TEXT "
      "NOT NULL, released_by TEXT NOT NULL, second TEXT NOT NULL) STRICT;"
      "CREATE INDEX requests_customer ON requests (customer);"
      "CREATE INDEX requests_requester ON requests (requester, asked_at, id);"
      "CREATE INDEX requests_state ON requests (state, deadline, id);"
      "CREATE TABLE customer_log (subject TEXT NOT NULL, entry INTEGER NOT NULL, type TEXT NOT "
      "NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (subject, "
      "entry)) STRICT, WITHOUT ROWID;"
      "CREATE TABLE customer_orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL) STRICT;"
      "CREATE TABLE customer_forms (token TEXT PRIMARY KEY, customer TEXT NOT NULL, of_case "
      "INTEGER NOT NULL, field TEXT NOT NULL, person TEXT NOT NULL, until INTEGER NOT NULL, used "
      "INTEGER NOT NULL, tries INTEGER NOT NULL) STRICT;"
      "CREATE INDEX customer_forms_case ON customer_forms (customer, of_case);"};
}

// A request as its steps have made it, and the last of them: so that no step is read twice.
std::vector<std::string> customer_later_migrations() {
  return {
      "ALTER TABLE requests ADD COLUMN folded BLOB NOT NULL DEFAULT x'';"
      "ALTER TABLE requests ADD COLUMN folded_to INTEGER NOT NULL DEFAULT -1;"};
}

// ---- records ------------------------------------------------------------------------------------

Status CustomerTables::keep_field(const CustomerId& customer, std::uint32_t of_case,
                                  const keys::StoredField& field) {
  if (field.record.empty()) return {};  // nothing readable is left of it
  TRY(db_.execute("INSERT OR REPLACE INTO customer_records VALUES (?1, ?2, ?3, ?4, '', 0, ?5)",
                  {customer.hex(), std::int64_t{field.leaf}, std::int64_t{of_case}, field.field,
                   field.record}));
  return {};
}

Status CustomerTables::keep_statement(const CustomerId& customer, const RequestId& request,
                                      std::uint32_t number, const keys::FieldRecord& statement) {
  TRY(db_.execute("INSERT OR REPLACE INTO customer_records VALUES (?1, ?2, 0, '', ?3, ?4, ?5)",
                  {customer.hex(), std::int64_t{statement.leaf}, request.hex(),
                   std::int64_t{number}, statement.record}));
  return {};
}

Result<keys::FieldRecord> CustomerTables::record(const CustomerId& customer, std::uint32_t leaf) {
  const auto rows = TRY(db_.query(
      "SELECT leaf, record FROM customer_records WHERE customer = ?1 AND leaf = ?2 AND request = "
      "''",
      {customer.hex(), std::int64_t{leaf}}));
  return rows.empty() ? keys::FieldRecord{leaf, {}} : record_of(rows[0]);
}

Result<keys::FieldRecord> CustomerTables::newest(const CustomerId& customer, std::uint32_t of_case,
                                                 const std::vector<std::string>& fields) {
  std::vector<db::Value> values{customer.hex(), std::int64_t{of_case}};
  std::string marks;
  for (const auto& field : fields) {
    values.emplace_back(field);
    marks += (marks.empty() ? "?" : ", ?") + std::to_string(values.size());
  }
  const auto rows = TRY(db_.query(
      "SELECT leaf, record FROM customer_records WHERE customer = ?1 AND of_case = ?2 AND field IN "
      "(" +
          marks + ") AND request = '' ORDER BY leaf DESC LIMIT 1",
      values));
  if (rows.empty()) return fail(Errc::kNotFound, "no such field in this case");
  return record_of(rows[0]);
}

Result<keys::FieldRecord> CustomerTables::statement(const RequestId& request,
                                                    std::uint32_t number) {
  const auto rows =
      TRY(db_.query("SELECT leaf, record FROM customer_records WHERE request = ?1 AND number = ?2",
                    {request.hex(), std::int64_t{number}}));
  if (rows.empty()) return fail(Errc::kNotFound, "nothing was said there");
  return record_of(rows[0]);
}

Status CustomerTables::gone(const CustomerId& customer, const std::vector<std::uint32_t>& leaves) {
  return db_.transaction([&]() -> Status {
    for (const auto leaf : leaves)
      TRY(db_.execute("DELETE FROM customer_records WHERE customer = ?1 AND leaf = ?2",
                      {customer.hex(), std::int64_t{leaf}}));
    return {};
  });
}

// ---- cases --------------------------------------------------------------------------------------

Status CustomerTables::keep_case(const CaseRow& row) {
  TRY(db_.execute(
      "INSERT INTO customer_cases VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (customer, "
      "number) DO UPDATE SET opened_at = ?3, opened_by = ?5, call = ?7",
      {row.customer.hex(), std::int64_t{row.number}, row.opened_at, row.closed_at,
       id_text(row.opened_by), id_text(row.technician),
       row.call.is_zero() ? std::string() : row.call.hex()}));
  return {};
}

Status CustomerTables::close(const CustomerId& customer, std::uint32_t number, std::int64_t at) {
  TRY(db_.execute("UPDATE customer_cases SET closed_at = ?3 WHERE customer = ?1 AND number = ?2",
                  {customer.hex(), std::int64_t{number}, at}));
  return {};
}

Status CustomerTables::assign(const CustomerId& customer, std::uint32_t number,
                              const PersonId& technician) {
  TRY(db_.execute("UPDATE customer_cases SET technician = ?3 WHERE customer = ?1 AND number = ?2",
                  {customer.hex(), std::int64_t{number}, id_text(technician)}));
  return {};
}

Result<std::optional<CaseRow>> CustomerTables::find_case(const CustomerId& customer,
                                                         std::uint32_t number) {
  const auto rows = TRY(db_.query(std::string(kCaseColumns) + "WHERE customer = ?1 AND number = ?2",
                                  {customer.hex(), std::int64_t{number}}));
  return rows.empty() ? std::optional<CaseRow>() : case_of(rows[0]);
}

Result<CallId> CustomerTables::call_of(const CustomerId& customer, std::uint32_t number,
                                       std::int64_t by) {
  const auto rows =
      TRY(db_.query("SELECT json_extract(data, '$.call') FROM customer_log WHERE subject = ?1 AND "
                    "type = 'fields_stored' AND json_extract(data, '$.case') = ?2 AND "
                    "json_extract(data, '$.call') <> '' AND at <= ?3 ORDER BY entry DESC LIMIT 1",
                    {customer.hex(), std::int64_t{number}, by}));
  return rows.empty() ? CallId{} : id_of<CallId>(rows[0].text(0));
}

Result<std::vector<CaseRow>> CustomerTables::cases(const CaseFilter& filter) {
  std::string sql = std::string(kCaseColumns) + "WHERE 1 = 1";
  std::vector<db::Value> values;
  const auto next = [&](db::Value value) {
    values.push_back(std::move(value));
    return "?" + std::to_string(values.size());
  };
  if (filter.opened_by) sql += " AND opened_by = " + next(filter.opened_by->hex());
  if (filter.technician) sql += " AND technician = " + next(filter.technician->hex());
  if (filter.open) sql += *filter.open ? " AND closed_at = 0" : " AND closed_at <> 0";
  if (filter.before) {
    const auto& [at, customer, number] = *filter.before;
    const auto first = next(at), second = next(customer);
    sql += " AND (opened_at, customer, number) < (" + first + ", " + second + ", " + next(number) +
           ")";
  }
  sql += " ORDER BY opened_at DESC, customer DESC, number DESC LIMIT " + next(filter.limit);
  std::vector<CaseRow> found;
  for (const auto& row : TRY(db_.query(sql, values))) found.push_back(case_of(row));
  return found;
}

Result<bool> CustomerTables::works_for(const PersonId& person, const CustomerId& customer) {
  return !TRY(db_.query("SELECT 1 FROM customer_cases WHERE customer = ?1 AND "
                        "(opened_by = ?2 OR (closed_at = 0 AND technician = ?2)) LIMIT 1",
                        {customer.hex(), person.hex()}))
              .empty();
}

// ---- requests -----------------------------------------------------------------------------------

Result<bool> CustomerTables::has_part(const PersonId& person, const CustomerId& customer) {
  return !TRY(db_.query("SELECT 1 FROM requests WHERE customer = ?1 AND (requester = ?2 OR expert "
                        "= ?2 OR released_by = ?2 OR second = ?2) LIMIT 1",
                        {customer.hex(), person.hex()}))
              .empty();
}

Result<bool> CustomerTables::is_asked_for(const CustomerId& customer) {
  return !TRY(db_.query("SELECT 1 FROM requests WHERE customer = ?1 LIMIT 1", {customer.hex()}))
              .empty();
}

Result<std::vector<RequestId>> CustomerTables::requests_of(const CustomerId& customer) {
  std::vector<RequestId> found;
  for (const auto& row :
       TRY(db_.query("SELECT id FROM requests WHERE customer = ?1 ORDER BY asked_at, id LIMIT 1000",
                     {customer.hex()})))
    found.push_back(id_of<RequestId>(row.text(0)));
  return found;
}

namespace {

// What a view shows, and in which order. ?1 is the person.
struct ViewText {
  const char* where;
  const char* place;
  bool descending;
};
ViewText text_of(RequestView view) {
  switch (view) {
    case RequestView::kMine:
      return {"requester = ?1", "asked_at", true};
    case RequestView::kVerify:
      return {"expert = ?1 AND state IN ('assigned', 'calling')", "deadline", false};
    case RequestView::kRelease:
      return {
          "state IN ('verified', 'half_released', 'half_broken') AND ?1 NOT IN (requester, "
          "expert, released_by)",
          "deadline", false};
    case RequestView::kReview:
      return {
          "state IN ('closed', 'expired', 'revoked') AND ?1 NOT IN (requester, expert, "
          "released_by, second)",
          "deadline", false};
    case RequestView::kAll:
      return {"?1 <> ''", "asked_at", true};
    case RequestView::kWaiting:
      return {
          "?1 <> '' AND state IN ('requested', 'assigned', 'verified', 'half_released', "
          "'half_broken')",
          "deadline", false};
    case RequestView::kWindow:
      return {"requester = ?1 AND state IN ('open', 'confirmed')", "deadline", false};
  }
  return {"0", "asked_at", true};
}

}  // namespace

Result<disclose::Request> CustomerTables::known(const RequestId& id,
                                                const disclose::Limits& limits) {
  auto found = request(id, limits);
  if (found) return found;
  log_event("server.request_unread", {{"request", id.hex()}, {"why", found.error().message}});
  const auto rows = TRY(db_.query(
      "SELECT customer, state, asked_at, requester, expert, released_by, second, broken_at FROM "
      "requests WHERE id = ?1",
      {id.hex()}));
  if (rows.empty()) return found;
  const auto& row = rows[0];
  disclose::Request stood{.id = id, .customer = id_of<CustomerId>(row.text(0))};
  std::size_t state = 0;
  while (state < disclose::kStates &&
         disclose::to_text(static_cast<disclose::State>(state)) != row.text(1))
    ++state;
  if (state == disclose::kStates) return fail(Errc::kCorrupt, "a state that is none");
  stood.state = static_cast<disclose::State>(state);
  stood.asked_at = row.number(2);
  stood.requester = id_of<PersonId>(row.text(3));
  stood.expert = id_of<PersonId>(row.text(4));
  stood.released_by = id_of<PersonId>(row.text(5));
  stood.second = id_of<PersonId>(row.text(6));
  stood.broken_at = row.number(7);
  stood.broken = stood.broken_at != 0;
  return stood;
}

Result<RequestPage> CustomerTables::requests(const RequestFilter& filter,
                                             const disclose::Limits& limits) {
  const auto text = text_of(filter.view);
  const auto* order = text.descending ? " DESC" : "";
  std::vector<db::Value> values{filter.person.hex(), filter.limit};
  std::string sql = std::string("SELECT id, ") + text.place + " FROM requests WHERE " + text.where;
  if (filter.of) {
    boost::json::array ids;
    for (const auto& one : *filter.of) ids.emplace_back(one.hex());
    values.emplace_back(boost::json::serialize(ids));
    sql += " AND requester IN (SELECT value FROM json_each(?3))";
  }
  const auto first = values.size() + 1;
  const auto behind = std::string(" AND (") + text.place + ", id) " +
                      (text.descending ? "<" : ">") + " (?" + std::to_string(first) + ", ?" +
                      std::to_string(first + 1) + ")";
  const auto rest = std::string(" ORDER BY ") + text.place + order + ", id" + order + " LIMIT ?2";
  RequestPage page{.requests = {}, .next = filter.after};
  for (std::int64_t looked_at = 0; looked_at < kLookedAtMax; looked_at += filter.limit) {
    auto bound = values;
    if (page.next) {
      bound.emplace_back(page.next->first);
      bound.emplace_back(page.next->second);
    }
    const auto rows = TRY(db_.query(sql + (page.next ? behind : "") + rest, bound));
    for (const auto& row : rows) {
      auto found = TRY(known(id_of<RequestId>(row.text(0)), limits));
      page.next = std::pair(row.number(1), row.text(0));
      if (filter.shows && !filter.shows(found)) continue;
      page.requests.push_back(std::move(found));
      if (static_cast<std::int64_t>(page.requests.size()) == filter.limit) return page;
    }
    if (static_cast<std::int64_t>(rows.size()) < filter.limit) {
      page.next.reset();
      break;
    }
  }
  return page;
}

// ---- one-time forms -----------------------------------------------------------------------------

Status CustomerTables::make_form(const Form& form, std::int64_t now) {
  TRY(db_.execute("DELETE FROM customer_forms WHERE until < ?1", {now - kFormsKeptMs}));
  return db_.transaction([&]() -> Status {
    const auto open = [&](const std::string& where,
                          std::vector<db::Value> values) -> Result<std::int64_t> {
      values.emplace_back(now);
      return TRY(db_.query("SELECT count(*) FROM customer_forms WHERE used = 0 AND until > ?" +
                               std::to_string(values.size()) + where,
                           values))[0]
          .number(0);
    };
    if (TRY(open("", {})) >= kFormsMax) return fail(Errc::kFull, "too many forms are open");
    if (TRY(open(" AND person = ?1", {form.by.hex()})) >= kFormsPerPersonMax)
      return fail(Errc::kBusy, "too many of your forms are open");
    if (TRY(open(" AND customer = ?1 AND of_case = ?2",
                 {form.customer.hex(), std::int64_t{form.of_case}})) >= kFormsPerCaseMax)
      return fail(Errc::kBusy, "too many forms of this case are open");
    TRY(db_.execute("INSERT INTO customer_forms VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0)",
                    {form.token_hash, form.customer.hex(), std::int64_t{form.of_case}, form.field,
                     form.by.hex(), form.until}));
    return {};
  });
}

// The case is asked, too: a form of one that was closed is worth nothing any more.
Result<Form> CustomerTables::form(const std::string& token_hash, std::int64_t now) {
  const auto rows = TRY(db_.query(
      "SELECT f.customer, f.of_case, f.field, f.person, f.until FROM customer_forms f JOIN "
      "customer_cases c ON c.customer = f.customer AND c.number = f.of_case WHERE f.token = ?1 AND "
      "f.used = 0 AND f.until > ?2 AND f.tries < ?3 AND c.closed_at = 0",
      {token_hash, now, kFormTriesMax}));
  if (rows.empty()) return fail(Errc::kNotFound, kNoForm);
  return Form{.token_hash = token_hash,
              .customer = id_of<CustomerId>(rows[0].text(0)),
              .of_case = static_cast<std::uint32_t>(rows[0].number(1)),
              .field = rows[0].text(2),
              .by = id_of<PersonId>(rows[0].text(3)),
              .until = rows[0].number(4)};
}

Result<bool> CustomerTables::use_form(const std::string& token_hash, std::int64_t now) {
  return TRY(db_.execute("UPDATE customer_forms SET used = 1, tries = tries + 1 WHERE token = ?1 "
                         "AND used = 0 AND until > ?2 AND tries < ?3",
                         {token_hash, now, kFormTriesMax})) == 1;
}

Status CustomerTables::give_form_back(const std::string& token_hash) {
  TRY(db_.execute("UPDATE customer_forms SET used = 0 WHERE token = ?1", {token_hash}));
  return {};
}

}  // namespace callward::api
