#include "api/catalog.hpp"

#include <algorithm>
#include <set>

#include "audit/daily.hpp"
#include "audit/tiles.hpp"
#include "base/clock.hpp"
#include "erase/reasons.hpp"

namespace callward::api {

// In the account: the row is gone, and which of the reasons it was says the log.
constexpr std::string_view kWholeCallReason = "whole_call";

const char* to_text(store::CallPhase phase) {
  switch (phase) {
    case store::CallPhase::kLive:
      return "live";
    case store::CallPhase::kSealing:
      return "sealing";
    case store::CallPhase::kListening:
      return "listening";
    case store::CallPhase::kComplete:
      return "complete";
  }
  return "complete";
}

std::vector<std::string> catalog_migrations() {
  return {
      "CREATE TABLE calls (id TEXT PRIMARY KEY, started_at INTEGER NOT NULL, phase INTEGER NOT "
      "NULL, direction INTEGER NOT NULL,"
      " object TEXT NOT NULL, event BLOB NOT NULL) STRICT;"
      "CREATE INDEX calls_started ON calls (started_at DESC, id DESC);"
      "CREATE TABLE notes (call TEXT NOT NULL, at INTEGER NOT NULL, record BLOB NOT NULL) STRICT;"
      "CREATE INDEX notes_call ON notes (call);"
      "CREATE TABLE idempotency (key TEXT PRIMARY KEY, actor TEXT NOT NULL, request TEXT NOT NULL, "
      "status INTEGER NOT NULL,"
      " body TEXT NOT NULL, at INTEGER NOT NULL) STRICT;",
      // A key is its actor's own: two persons may choose the same one.
      "DROP TABLE idempotency;"
      "CREATE TABLE idempotency (actor TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, "
      "status INTEGER NOT NULL,"
      " body TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (actor, key)) STRICT;",
      // Calls whose retention is over, and how far the log has been read for them.
      "CREATE TABLE retired (call TEXT PRIMARY KEY, kept INTEGER NOT NULL) STRICT;"
      "CREATE TABLE log_read (what TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;"};
}

Status Catalog::apply(const store::CallEvent& event) {
  TRY(
      db_.execute("INSERT INTO calls VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE "
                  "SET started_at = ?2, phase = ?3,"
                  " direction = ?4, object = ?5, event = ?6",
                  {event.call.hex(), event.started_at, static_cast<std::int64_t>(event.phase),
                   static_cast<std::int64_t>(event.direction), event.object, pack(event)}));
  return {};
}

Status Catalog::index_object(const std::string& name) {
  const auto reader = TRY(store::open_object(objects_, name));
  const auto& head = reader.head();
  store::CallEvent event{.call = head.call,
                         .sequence = head.sequence,
                         .phase = store::CallPhase::kComplete,
                         .source = head.source,
                         .direction = head.direction,
                         .started_at = head.started_at,
                         .ended_at = head.ended_at,
                         .account = head.account,
                         .flags = head.flags,
                         .object = name};
  for (const auto& stream : head.streams) {
    event.streams.push_back({.stream = stream.stream,
                             .party = stream.party,
                             .mode = store::StreamMode::kActive,
                             .codec = stream.codec});
    event.ends.push_back({stream.stream, stream.end_index});
  }
  return apply(event);
}

Status Catalog::catch_up() {
  std::set<std::string> known;
  for (const auto& row : TRY(db_.query("SELECT object FROM calls WHERE object <> ''")))
    known.insert(row.text(0));
  const auto below = [this](const std::string& folder) {
    return objects_.list(folder).value_or(std::vector<std::string>());
  };
  for (const auto& year : below(""))
    for (const auto& month : below(year))
      for (const auto& day : below(year + "/" + month))
        for (const auto& file : below(year + "/" + month + "/" + day)) {
          const auto name = year + "/" + month + "/" + day + "/" + file;
          if (file.size() < 4 || file.substr(file.size() - 4) != ".cwo" || known.count(name) != 0)
            continue;
          (void)index_object(name);  // a damaged one is fsck's business, not a reason not to start
        }
  return {};
}

Result<store::CallEvent> Catalog::last_told(const CallId& id) {
  const auto rows = TRY(db_.query("SELECT event FROM calls WHERE id = ?1", {id.hex()}));
  if (rows.empty()) return fail(Errc::kNotFound, "no such call");
  return unpack<store::CallEvent>(rows[0].blob(0));
}

Result<store::CallEvent> Catalog::find(const CallId& id) {
  auto event = TRY(last_told(id));
  if (event.phase == store::CallPhase::kComplete) return event;
  // The recorder knows better while the call is its own. Afterwards the object does: the news that
  // it is complete may have gone by while nobody listened.
  auto fresh = recorder_.call<store::CallEvent>(store::CallGet{id});
  if (fresh || fresh.error().code != Errc::kNotFound) return fresh ? *fresh : event;
  const auto name = store::object_name(event.call, event.started_at, store::ObjectKind::kRecording);
  if (!objects_.exists(name) || !index_object(name)) return event;
  return last_told(id);
}

Status Catalog::settle(const std::vector<store::CallEvent>& open) {
  std::set<std::string> still_open;
  for (const auto& event : open) still_open.insert(event.call.hex());
  const auto rows = TRY(db_.query("SELECT id FROM calls WHERE phase <> ?1",
                                  {static_cast<std::int64_t>(store::CallPhase::kComplete)}));
  for (const auto& row : rows)
    if (const auto id = CallId::parse(row.text(0)); id && still_open.count(row.text(0)) == 0)
      (void)find(*id);
  return {};
}

Result<std::vector<store::CallEvent>> Catalog::list(const CallFilter& filter) {
  std::string sql = "SELECT event FROM calls WHERE 1 = 1";
  std::vector<db::Value> values;
  const auto add = [&](const std::string& condition, db::Value value) {
    values.push_back(std::move(value));
    sql += " AND " + condition + std::to_string(values.size());
  };
  if (filter.from) add("started_at >= ?", *filter.from);
  if (filter.until) add("started_at < ?", *filter.until);
  if (filter.phase) add("phase = ?", static_cast<std::int64_t>(*filter.phase));
  if (filter.direction) add("direction = ?", static_cast<std::int64_t>(*filter.direction));
  if (filter.before) {
    values.emplace_back(filter.before->first);
    values.emplace_back(filter.before->second);
    const auto n = values.size();
    sql += " AND (started_at, id) < (?" + std::to_string(n - 1) + ", ?" + std::to_string(n) + ")";
  }
  values.emplace_back(filter.limit);
  sql += " ORDER BY started_at DESC, id DESC LIMIT ?" + std::to_string(values.size());
  std::vector<store::CallEvent> events;
  for (const auto& row : TRY(db_.query(sql, values)))
    events.push_back(TRY(unpack<store::CallEvent>(row.blob(0))));
  return events;
}

Result<std::vector<std::pair<std::string, std::int64_t>>> Catalog::days() {
  std::vector<std::pair<std::string, std::int64_t>> out;
  for (const auto& row : TRY(db_.query(
           "SELECT date(started_at / 1000, 'unixepoch') AS day, count(*) FROM calls GROUP BY day"
           " ORDER BY day DESC LIMIT 3660")))
    out.emplace_back(row.text(0), row.number(1));
  return out;
}

// A sealed call that the keeper has no row of went whole: its retention was over, or by two
// persons' word.
Status Catalog::complete_state(const store::CallEvent& event, keys::CallState& state) {
  if (state.known || event.phase != store::CallPhase::kComplete) return {};
  const bool over = TRY(retired(event.call));
  for (const auto& end : event.ends)
    if (end.end_index > 0)
      state.erased.push_back({{end.stream, 0, end.end_index},
                              std::string(over ? erase::kRetentionReason : kWholeCallReason),
                              keys::OrderOutcome::kErased,
                              {}});
  return {};
}

Result<std::vector<store::AccountedStream>> Catalog::account(const store::CallEvent& event) {
  auto state = TRY(keeper_.call<keys::CallState>(keys::CallStateRequest{event.call}));
  TRY(complete_state(event, state));
  return store::merge_account(event.account, state);
}

Result<boost::json::object> Catalog::to_json(const store::CallEvent& event,
                                             const std::set<CallId>* holds) {
  std::map<std::string, std::uint64_t> totals, reasons;
  std::set<OrderId> held;
  if (auto state = keeper_.call<keys::CallState>(keys::CallStateRequest{event.call})) {
    TRY(complete_state(event, *state));
    for (const auto& range : state->erased)
      if (range.outcome == keys::OrderOutcome::kHeld) held.insert(range.order);
    const auto merged =
        store::merge_account(event.account, *state).value_or(std::vector<store::AccountedStream>());
    for (const auto& stream : merged)
      for (const auto& interval : stream.intervals) {
        totals[std::string(store::to_string(interval.state))] +=
            interval.end_ms - interval.start_ms;
        if (interval.state == store::AccountState::kErased)
          reasons[interval.reason] += interval.end_ms - interval.start_ms;
      }
  }
  boost::json::object total_json, reason_json;
  for (const char* state : {"sealed", "unheard", "erased", "lost", "on_hold", "silent"})
    total_json[state] = totals[state];
  for (const auto& [reason, ms] : reasons) reason_json[reason] = ms;
  boost::json::array streams, flags;
  std::uint32_t end = 0;
  for (const auto& item : event.ends) end = std::max(end, item.end_index);
  for (const auto& stream : event.streams) {
    std::uint32_t stream_end = 0;
    for (const auto& item : event.ends)
      if (item.stream == stream.stream) stream_end = item.end_index;
    streams.push_back({{"stream", stream.stream},
                       {"name", store::stream_name(stream.stream)},
                       {"codec", stream.codec},
                       {"end_index", stream_end}});
  }
  for (const auto& flag : event.flags) flags.emplace_back(flag);
  const auto duration = event.ended_at > 0 && event.source != keys::CallSource::kImport
                            ? event.ended_at - event.started_at
                            : std::int64_t{end} * 100;
  return boost::json::object{
      {"id", event.call.hex()},
      {"started_at", event.started_at},
      {"ended_at",
       event.ended_at > 0 ? boost::json::value(event.ended_at) : boost::json::value(nullptr)},
      {"duration_ms", duration},
      {"direction", to_text(event.direction)},
      {"source", to_text(event.source)},
      {"phase", to_text(event.phase)},
      {"flags", std::move(flags)},
      {"streams", std::move(streams)},
      {"totals", std::move(total_json)},
      {"erased_by_reason", std::move(reason_json)},
      {"held_orders", held.size()},
      {"hold", holds != nullptr ? holds->contains(event.call) : !holds_among({event}).empty()},
      {"object_deleted", TRY(retired(event.call))}};
}

std::set<CallId> Catalog::holds_among(const std::vector<store::CallEvent>& events) {
  keys::HoldsAmongRequest ask;
  for (const auto& event : events) ask.calls.push_back(event.call);
  std::set<CallId> out;
  if (ask.calls.empty()) return out;
  if (const auto held = keeper_.call<keys::HoldsAmong>(ask))
    out.insert(held->calls.begin(), held->calls.end());
  return out;
}

Result<std::vector<Bytes>> Catalog::records(const store::CallEvent& event, keys::RecordKind kind,
                                            std::uint8_t stream, std::uint32_t first,
                                            std::uint32_t end) {
  if (event.phase != store::CallPhase::kComplete) {
    // The recorder gives a piece at a time; of a call's own data, which is counted and not timed,
    // the first piece is all that there is.
    constexpr std::uint32_t kLivePiece = 600;
    const store::LiveRecords ask{event.call, static_cast<std::uint8_t>(kind), stream, first,
                                 end - first > kLivePiece ? first + kLivePiece : end};
    auto live = recorder_.call<store::Records>(ask);
    if (live && !live->records.empty()) return std::move(live->records);
    if (!live && live.error().code != Errc::kNotFound) return tl::unexpected<Error>(live.error());
  }
  const auto object_kind =
      keys::is_derived(kind) ? store::ObjectKind::kDerived : store::ObjectKind::kRecording;
  const auto name = store::object_name(event.call, event.started_at, object_kind);
  if (!objects_.exists(name)) return std::vector<Bytes>();
  const auto reader = TRY(store::open_object(objects_, name));
  return reader.records(kind, stream, first, end, kRecordsMax);
}

}  // namespace callward::api
