// What the log says of calls that are a customer's: what of them was erased, and who heard them.
#include <algorithm>
#include <array>

#include "api/customer_tables.hpp"

namespace callward::api {
namespace {

constexpr std::string_view kBegan = "call_started", kErased = "erased",
                           kRetention = "retention_intended";
constexpr std::array<std::string_view, 3> kOfCall = {"erase_intended", "opened", "exported"};

}  // namespace

std::vector<std::string> call_trail_migrations() {
  return {
      "CREATE TABLE trail_calls (call TEXT PRIMARY KEY, began_at INTEGER NOT NULL, row_number "
      "INTEGER NOT NULL, told INTEGER NOT NULL) STRICT;"
      "CREATE INDEX trail_calls_untold ON trail_calls (told, began_at);"
      "CREATE INDEX trail_calls_row ON trail_calls (row_number);"
      "CREATE TABLE trail_log (call TEXT NOT NULL, entry INTEGER NOT NULL, type TEXT NOT NULL, at "
      "INTEGER NOT NULL, actor TEXT NOT NULL, order_id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY "
      "KEY (call, entry)) STRICT, WITHOUT ROWID;"
      "CREATE INDEX trail_log_order ON trail_log (order_id);"
      // Of calls of before, too: read anew from the log.
      "DELETE FROM log_read WHERE what = 'customers';"};
}

bool is_of_calls(std::string_view type) {
  return type == kBegan || type == kErased || type == kRetention ||
         std::ranges::find(kOfCall, type) != kOfCall.end();
}

Status CustomerTables::note_call(std::uint64_t index, const std::string& call,
                                 const audit::Entry& entry) {
  TRY(db_.execute("INSERT OR REPLACE INTO trail_log VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                  {call, static_cast<std::int64_t>(index), entry.type, entry.at, entry.actor,
                   entry.type == kErased ? std::string() : text_at(entry.data, "order"),
                   boost::json::serialize(entry.data)}));
  return {};
}

// Whose call it is may be said a while after its end: until then each is followed, and what is
// nobody's then is forgotten.
Status CustomerTables::call_began(const audit::Entry& entry) {
  const auto* row = entry.data.if_contains("row");
  TRY(db_.execute("INSERT OR IGNORE INTO trail_calls VALUES (?1, ?2, ?3, 0)",
                  {entry.subject, entry.at,
                   row != nullptr && row->is_int64() ? row->get_int64() : std::int64_t{-1}}));
  const auto before = entry.at - kCallForgottenMs;
  TRY(
      db_.execute("DELETE FROM trail_log WHERE call IN (SELECT call FROM trail_calls WHERE told = "
                  "0 AND began_at < ?1)",
                  {before}));
  TRY(db_.execute("DELETE FROM trail_calls WHERE told = 0 AND began_at < ?1", {before}));
  return {};
}

Status CustomerTables::call_is_told(const std::string& call, std::int64_t at) {
  if (!CallId::parse(call)) return {};  // in no call
  TRY(
      db_.execute("INSERT INTO trail_calls VALUES (?1, ?2, -1, 1) ON CONFLICT (call) DO UPDATE SET "
                  "told = 1",
                  {call, at}));
  return {};
}

// It names orders; which call's they are says what intended them, which is older.
Status CustomerTables::take_erased_of_calls(std::uint64_t index, const audit::Entry& entry) {
  const auto* orders = entry.data.if_contains("orders");
  if (orders == nullptr || !orders->is_array()) return {};
  for (const auto& order : orders->get_array()) {
    if (!order.is_string() || order.get_string().empty()) continue;
    const std::string id(order.get_string());
    for (const auto& row : TRY(db_.query("SELECT call FROM trail_log WHERE order_id = ?1", {id}))) {
      // Of several orders of one call the entry is one: it has all of them, as the log's.
      TRY(note_call(index, row.text(0), entry));
    }
  }
  return {};
}

// Rows are never used twice (ADR 13). A call began before what took its row, and went once.
Status CustomerTables::take_retention(std::uint64_t index, const audit::Entry& entry) {
  const auto* rows = entry.data.if_contains("rows");
  if (rows == nullptr || !rows->is_array()) return {};
  for (const auto& item : rows->get_array()) {
    const auto* range = item.if_array();
    if (range == nullptr || range->size() != 2 || !(*range)[0].is_int64() ||
        !(*range)[1].is_int64())
      continue;
    for (const auto& row : TRY(db_.query(
             "SELECT call FROM trail_calls WHERE row_number >= ?1 AND row_number < ?2 AND "
             "began_at <= ?4 AND NOT EXISTS (SELECT 1 FROM trail_log WHERE trail_log.call = "
             "trail_calls.call AND type = ?3)",
             {(*range)[0].get_int64(), (*range)[1].get_int64(), std::string(kRetention),
              entry.at})))
      TRY(note_call(index, row.text(0), entry));
  }
  return {};
}

Status CustomerTables::take_of_call(std::uint64_t index, const audit::Entry& entry) {
  if (entry.type == kBegan) return call_began(entry);
  if (entry.type == kErased) return take_erased_of_calls(index, entry);
  if (entry.type == kRetention) return take_retention(index, entry);
  const auto known = TRY(db_.query("SELECT 1 FROM trail_calls WHERE call = ?1", {entry.subject}));
  return known.empty() ? Status{} : note_call(index, entry.subject, entry);
}

Result<std::vector<LogRow>> CustomerTables::trail_of(const std::string& call, std::int64_t limit,
                                                     const boost::json::array& types) {
  std::vector<LogRow> rows;
  for (const auto& row :
       TRY(db_.query("SELECT entry, type, actor, at, data FROM trail_log WHERE call = ?1 AND (?3 = "
                     "'[]' OR type IN (SELECT value FROM json_each(?3))) ORDER BY entry LIMIT ?2",
                     {call, limit, boost::json::serialize(types)}))) {
    boost::system::error_code error;
    const auto json = boost::json::parse(row.text(4), error);
    if (error || !json.is_object()) continue;
    rows.push_back({.entry = static_cast<std::uint64_t>(row.number(0)),
                    .type = row.text(1),
                    .actor = row.text(2),
                    .at = row.number(3),
                    .data = json.get_object()});
  }
  return rows;
}

}  // namespace callward::api
