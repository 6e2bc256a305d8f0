// The log, followed: what it says of customers and requests, in the server's tables.
#include <algorithm>
#include <array>

#include "api/customer_tables.hpp"
#include "audit/daily.hpp"
#include "audit/tiles.hpp"
#include "base/event_log.hpp"
#include "base/pack.hpp"
#include "disclose/chain.hpp"
#include "disclose/limits_json.hpp"
#include "quality/marks.hpp"

namespace callward::api {
namespace {

constexpr std::string_view kRead = "customers";
constexpr std::array<std::string_view, 8> kOfCustomer = {
    "fields_stored", "fields_void", "erasure_ordered",   "case_closed",
    "case_assigned", "query_read",  "customer_hold_set", "customer_hold_lifted"};
constexpr std::array<std::string_view, 7> kOfRequest = {
    "disclosure_step", "check_made", "code_sent",    "call_back_made",
    "call_back_heard", "words_read", "receipt_given"};
constexpr std::string_view kPolicy = "policy_in_force", kOfAll = "-";
constexpr std::string_view kDuty = "duty_changed", kByKeeperItself = "keeper";
constexpr std::string_view kGoing = "fields_erase_intended", kErased = "erased";

bool among(const auto& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}
// What was projected, by a program that knows this version of it.
constexpr std::uint8_t kFoldedVersion = 3;
Bytes pack_folded(const disclose::Request& request) {
  auto raw = pack(request);
  raw.insert(raw.begin(), kFoldedVersion);
  return raw;
}
Result<disclose::Request> unpack_folded(ByteView raw) {
  if (raw.empty() || raw[0] != kFoldedVersion)
    return fail(Errc::kUnsupported, "of another program");
  return unpack<disclose::Request>(raw.subspan(1));
}
bool is_followed(std::string_view type) {
  return among(kOfCustomer, type) || among(kOfRequest, type) || type == kGoing || type == kPolicy ||
         type == kDuty || is_of_calls(type) || quality::is_mark(type);
}

std::int64_t number_at(const boost::json::object& data, const char* name) {
  const auto* value = data.if_contains(name);
  return value != nullptr && (value->is_int64() || value->is_uint64())
             ? value->to_number<std::int64_t>()
             : 0;
}
bool flag_at(const boost::json::object& data, const char* name) {
  const auto* value = data.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

}  // namespace

std::string text_at(const boost::json::object& data, const char* name) {
  const auto* value = data.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Status CustomerTables::note(std::uint64_t index, const std::string& subject,
                            const audit::Entry& entry) {
  TRY(db_.execute("INSERT OR REPLACE INTO customer_log VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                  {subject, static_cast<std::int64_t>(index), entry.type, entry.at, entry.actor,
                   boost::json::serialize(entry.data)}));
  return {};
}

namespace {

// Of a list of leaves, or of lists that begin with one.
std::set<std::int64_t> leaves_in(const boost::json::object& data, std::string_view field) {
  std::set<std::int64_t> leaves;
  const auto* list = data.if_contains(field);
  if (list == nullptr || !list->is_array()) return leaves;
  for (const auto& item : list->get_array()) {
    const auto* pair = item.if_array();
    const auto& leaf = pair != nullptr && !pair->empty() ? pair->front() : item;
    if (leaf.is_int64()) leaves.insert(leaf.get_int64());
  }
  return leaves;
}

}  // namespace

Status CustomerTables::take_customer(std::uint64_t index, const audit::Entry& entry) {
  TRY(note(index, entry.subject, entry));
  if (entry.type == "fields_stored") TRY(call_is_told(text_at(entry.data, "call"), entry.at));
  const auto number = number_at(entry.data, "case");
  if (entry.type == "fields_stored" && flag_at(entry.data, "new_case"))
    TRY(keep_case({.customer = TRY(CustomerId::parse(entry.subject)),
                   .number = static_cast<std::uint32_t>(number),
                   .opened_at = entry.at,
                   .opened_by = PersonId::parse(entry.actor).value_or(PersonId{}),
                   .call = CallId::parse(text_at(entry.data, "call")).value_or(CallId{})}));
  if (entry.type == "case_closed")
    TRY(db_.execute("UPDATE customer_cases SET closed_at = ?3 WHERE customer = ?1 AND number = ?2",
                    {entry.subject, number, entry.at}));
  if (entry.type == "case_assigned")
    TRY(db_.execute("UPDATE customer_cases SET technician = ?3 WHERE customer = ?1 AND number = ?2",
                    {entry.subject, number, text_at(entry.data, "person")}));
  return entry.type == "fields_void" ? take_void(entry) : Status{};
}

// Nobody was given what these leaves were to hold: a case that began with nothing else did not
// begin.
Status CustomerTables::take_void(const audit::Entry& entry) {
  const auto leaves = leaves_in(entry.data, "leaves");
  for (const auto& row :
       TRY(db_.query("SELECT data FROM customer_log WHERE subject = ?1 AND type = 'fields_stored'",
                     {entry.subject}))) {
    boost::system::error_code error;
    const auto stored = boost::json::parse(row.text(0), error);
    if (error || !stored.is_object() || !flag_at(stored.get_object(), "new_case")) continue;
    const auto all = leaves_in(stored.get_object(), "fields");
    if (!std::ranges::includes(leaves, all)) continue;
    TRY(db_.execute("DELETE FROM customer_cases WHERE customer = ?1 AND number = ?2",
                    {entry.subject, number_at(stored.get_object(), "case")}));
  }
  return {};
}

// From here on these open to nobody: their ciphertext is worth nothing, and goes.
Status CustomerTables::take_going(const audit::Entry& entry) {
  TRY(db_.execute("INSERT OR REPLACE INTO customer_orders VALUES (?1, ?2)",
                  {text_at(entry.data, "order"), entry.subject}));
  if (const auto* fields = entry.data.if_contains("fields"); fields && fields->is_array())
    for (const auto& field : fields->get_array())
      if (field.is_array() && !field.get_array().empty() && field.get_array()[0].is_int64())
        TRY(db_.execute("DELETE FROM customer_records WHERE customer = ?1 AND leaf = ?2",
                        {entry.subject, field.get_array()[0].get_int64()}));
  if (!flag_at(entry.data, "whole")) return {};
  for (const char* table : {"customer_records", "customer_cases", "customer_forms"})
    TRY(db_.execute(std::string("DELETE FROM ") + table + " WHERE customer = ?1", {entry.subject}));
  return {};
}

// It names orders; which customer's they are says what intended them, which is older.
Status CustomerTables::take_erased(std::uint64_t index, const audit::Entry& entry) {
  const auto* orders = entry.data.if_contains("orders");
  if (orders == nullptr || !orders->is_array()) return {};
  for (const auto& order : orders->get_array()) {
    if (!order.is_string()) continue;
    const std::string id(order.get_string());
    for (const auto& row :
         TRY(db_.query("SELECT customer FROM customer_orders WHERE id = ?1", {id}))) {
      auto mine = entry;
      mine.subject = row.text(0);
      mine.data["orders"] = boost::json::array{id};
      TRY(note(index, mine.subject, mine));
    }
  }
  return {};
}

Status CustomerTables::take(std::uint64_t index, const audit::Entry& entry, Touched& touched) {
  if (among(kOfCustomer, entry.type)) return take_customer(index, entry);
  if (entry.type == kErased) TRY(take_erased(index, entry));
  if (is_of_calls(entry.type)) return take_of_call(index, entry);
  if (quality::is_mark(entry.type)) return note(index, entry.subject, entry);
  if (entry.type == kGoing) {
    TRY(note(index, entry.subject, entry));
    return take_going(entry);
  }
  if (entry.type == kPolicy) return note(index, std::string(kOfAll), entry);
  // What people say of themselves stands in the table of duty before it stands in the log.
  if (entry.type == kDuty) {
    const auto person = PersonId::parse(entry.subject);
    if (person && entry.actor == kByKeeperItself && !flag_at(entry.data, "on"))
      touched.missed[*person] = entry.at;
    return {};
  }
  if (!among(kOfRequest, entry.type)) return {};
  // One that names no request is whoever's wrote it: nobody else waits for it.
  const auto id = RequestId::parse(entry.subject);
  if (!id) return {};
  TRY(note(index, entry.subject, entry));
  touched.requests.insert(*id);
  if (entry.type == "disclosure_step") touched.stepped.insert(*id);
  if (entry.type == "call_back_made") return call_is_told(text_at(entry.data, "call"), entry.at);
  return {};
}

// ---- requests -----------------------------------------------------------------------------------

// Those of then: what a policy says today says nothing of what was done under another. Of a log
// that does not tell, today's.
disclose::Limits CustomerTables::limits_at(std::int64_t entry, const disclose::Limits& today) {
  const auto rows = db_.query(
      "SELECT data FROM customer_log WHERE subject = ?1 AND entry < ?2 AND type = ?3 "
      "ORDER BY entry DESC LIMIT 1",
      {std::string(kOfAll), entry, std::string(kPolicy)});
  if (!rows || rows->empty()) return today;
  boost::system::error_code error;
  const auto json = boost::json::parse((*rows)[0].text(0), error);
  const auto* list = error || !json.is_object() ? nullptr : json.get_object().if_contains("limits");
  if (list == nullptr || !list->is_array()) return today;
  return disclose::limits_from_json(list->get_array()).value_or(today);
}

// On from where it was projected; who is not there yet, or was by another program, from the
// beginning. The keeper judged each step; what it makes of the request says the same table.
Result<CustomerTables::Folded> CustomerTables::fold(const RequestId& id,
                                                    const disclose::Limits& today,
                                                    std::int64_t end) {
  Folded folded;
  const auto kept = db_.query("SELECT folded, folded_to FROM requests WHERE id = ?1", {id.hex()});
  if (kept && !kept->empty()) {
    if (auto before = unpack_folded((*kept)[0].blob(0)); before && before->id == id)
      folded = {.request = std::move(*before), .to = (*kept)[0].number(1), .stale = {}};
    else
      folded.stale = (*kept)[0].blob(0);
  }
  auto& now = folded.request;
  for (const auto& row :
       TRY(db_.query("SELECT data, entry FROM customer_log WHERE subject = ?1 AND type = "
                     "'disclosure_step' AND entry > ?3 AND entry < ?4 ORDER BY entry LIMIT ?2",
                     {id.hex(), kStepsMax, folded.to, end}))) {
    folded.to = row.number(1);
    boost::system::error_code error;
    const auto json = boost::json::parse(row.text(0), error);
    if (error || !json.is_object()) return fail(Errc::kCorrupt, "a step that is none");
    const auto step = TRY(disclose::step_from_json(json.get_object()));
    if (step.number == 1) {
      now = disclose::begun(disclose::wanted_of(step), step.at);
    } else {
      now = TRY(disclose::follow(now, step.event, limits_at(folded.to, today), step.at));
    }
  }
  if (now.id.is_zero()) return fail(Errc::kNotFound, "no such request");
  return folded;
}

Result<std::int64_t> CustomerTables::followed_to() {
  const auto rows =
      TRY(db_.query("SELECT next FROM log_read WHERE what = ?1", {std::string(kRead)}));
  return rows.empty() ? std::int64_t{0} : rows[0].number(0);
}

// What a program of before folded is folded anew once, and kept: but not what was not followed yet,
// for the limits of then are not known here yet. Nor where its row has become another meanwhile.
Result<disclose::Request> CustomerTables::request(const RequestId& id,
                                                  const disclose::Limits& limits) {
  const auto followed = TRY(followed_to());
  auto folded = TRY(fold(id, limits, kAll));
  if (folded.stale && folded.to < followed)
    if (const auto kept = db_.execute(
            "UPDATE requests SET folded = ?2, folded_to = ?3 WHERE id = ?1 AND folded = ?4",
            {id.hex(), pack_folded(folded.request), folded.to, *folded.stale});
        !kept)
      log_event("server.request_not_kept", {{"why", kept.error().message}});
  return std::move(folded.request);
}

Result<bool> CustomerTables::has_step(const RequestId& id, std::uint32_t number) {
  const auto rows = TRY(
      db_.query("SELECT COUNT(*) FROM customer_log WHERE subject = ?1 AND type = 'disclosure_step'",
                {id.hex()}));
  return !rows.empty() && rows[0].number(0) >= std::int64_t{number};
}

// As far as the log was read: what is read anew knows later steps, and not yet the limits of then.
Status CustomerTables::project(const RequestId& id, const disclose::Limits& limits,
                               std::int64_t end, Touched& touched) {
  auto found = fold(id, limits, end);
  if (!found) {
    // It stands as it stood; the others go on.
    log_event("server.request_not_followed",
              {{"request", id.hex()}, {"why", found.error().message}});
    return {};
  }
  for (const auto& row : TRY(db_.query("SELECT expert FROM requests WHERE id = ?1", {id.hex()})))
    if (const auto before = PersonId::parse(row.text(0));
        before && *before != found->request.expert)
      touched.left[id].insert(*before);
  return keep_request(found->request, found->to, limits);
}

Status CustomerTables::keep_request(const disclose::Request& r, std::int64_t to,
                                    const disclose::Limits& limits) {
  const auto text = [](const PersonId& person) {
    return person.is_zero() ? std::string() : person.hex();
  };
  const std::vector<db::Value> values{r.id.hex(),
                                      r.customer.hex(),
                                      std::string(disclose::to_text(r.state)),
                                      r.asked_at,
                                      disclose::deadline(r, limits),
                                      text(r.requester),
                                      text(r.expert),
                                      text(r.released_by),
                                      text(r.second),
                                      r.broken_at,
                                      pack_folded(r),
                                      to};
  TRY(db_.execute(
      "INSERT OR REPLACE INTO requests (id, customer, state, asked_at, deadline, requester, "
      "expert, released_by, second, broken_at, folded, folded_to) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
      values));
  return {};
}

Result<std::vector<LogRow>> CustomerTables::log_of(const std::string& subject,
                                                   std::optional<std::uint64_t> after,
                                                   std::int64_t limit,
                                                   const boost::json::array& types) {
  std::vector<LogRow> found;
  for (const auto& row : TRY(db_.query(
           "SELECT entry, type, at, actor, data FROM customer_log WHERE subject = ?1 AND entry > "
           "?2 AND (?4 = '[]' OR type IN (SELECT value FROM json_each(?4))) ORDER BY entry LIMIT "
           "?3",
           {subject, after ? static_cast<std::int64_t>(*after) : std::int64_t{-1}, limit,
            boost::json::serialize(types)}))) {
    boost::system::error_code error;
    auto data = boost::json::parse(row.text(4), error);
    if (error || !data.is_object()) return fail(Errc::kCorrupt, "an entry's copy that is none");
    found.push_back({.entry = static_cast<std::uint64_t>(row.number(0)),
                     .type = row.text(1),
                     .actor = row.text(3),
                     .at = row.number(2),
                     .data = std::move(data.get_object())});
  }
  return found;
}

// ---- following ----------------------------------------------------------------------------------

// Copies only: records are no copies, and stay.
Status CustomerTables::begin_anew() {
  for (const char* table : {"customer_cases", "requests", "customer_log", "customer_orders",
                            "trail_calls", "trail_log"})
    TRY(db_.execute(std::string("DELETE FROM ") + table));
  return {};
}

Status CustomerTables::follow_log(const std::string& log_dir, const audit::NamedKey& key, Vfs& vfs,
                                  const disclose::Limits& limits, Touched& news) {
  const auto size = TRY(audit::read_checkpoint(vfs, log_dir + "/checkpoint", key)).checkpoint.size;
  auto next = static_cast<std::uint64_t>(TRY(followed_to()));
  // A log that is shorter than what was read of it is another: read from its beginning.
  const bool other = next > size;
  if (other) next = 0;
  const auto limit = std::min(size, next + kBundlesPerTurn * audit::kTileWidth);
  while (next < limit || other) {
    const auto bundle = next / audit::kTileWidth;
    const auto texts = next == size
                           ? std::vector<std::string>()
                           : TRY(audit::read_bundle(
                                 vfs, log_dir, bundle,
                                 std::min(audit::kTileWidth, size - bundle * audit::kTileWidth)));
    const auto end = texts.empty() ? next : bundle * audit::kTileWidth + texts.size();
    Touched touched;
    TRY(db_.transaction([&]() -> Status {
      if (other && next == 0) TRY(begin_anew());
      for (auto i = next; i < end; ++i) {
        const auto& text = texts[i - bundle * audit::kTileWidth];
        if (!is_followed(audit::type_in(text))) continue;
        const auto entry = audit::decode_entry(text);
        if (!entry) continue;  // of a newer kind
        TRY(take(i, *entry, touched));
      }
      for (const auto& id : std::exchange(touched.stepped, {}))
        TRY(project(id, limits, static_cast<std::int64_t>(end), touched));
      TRY(db_.execute(
          "INSERT INTO log_read VALUES (?1, ?2) ON CONFLICT (what) DO UPDATE SET next = ?2",
          {std::string(kRead), static_cast<std::int64_t>(end)}));
      return {};
    }));
    news.requests.merge(touched.requests);
    for (auto& [id, people] : touched.left) news.left[id].merge(people);
    for (const auto& [person, at] : touched.missed) news.missed[person] = at;
    next = end;
    if (next >= limit) break;
  }
  return {};
}

}  // namespace callward::api
