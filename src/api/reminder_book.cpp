#include "api/reminder_book.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <tuple>

#include "api/customer_tables.hpp"
#include "courier/letter.hpp"

namespace callward::api {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kWatchedMs =
    30 * kDayMs;  // of a request that nobody has to do with any more
constexpr const char* kWaiting = "waiting";

// The words of the states in which nobody has anything to do any more, as SQL names a set.
std::string settled_words() {
  std::string words;
  for (std::size_t i = 0; i < disclose::kStates; ++i)
    if (const auto state = static_cast<disclose::State>(i); disclose::is_settled(state))
      words += std::string(words.empty() ? "'" : ", '") + disclose::to_text(state) + "'";
  return words;
}

// That somebody has to come on duty, or has to be made an expert or authorised.
constexpr std::array kNudges = {disclose::Waits::kOffDuty, disclose::Waits::kNoExpert,
                                disclose::Waits::kNoReleaser};
bool is_nudge(const disclose::Reminder& reminder) {
  return std::ranges::find(kNudges, reminder.waits) != kNudges.end();
}

// A letter that comes when its time is over says what is no longer so. One that says it is: later.
std::int64_t try_until(const disclose::Reminder& reminder, std::int64_t now) {
  const bool alarm = reminder.waits == disclose::Waits::kBroken;
  const auto usual = now + (alarm ? ReminderBook::kAlarmDeliverMs : ReminderBook::kDeliverMs);
  return reminder.until > now ? std::min(usual, reminder.until) : usual;
}

}  // namespace

std::vector<std::string> reminder_migrations() {
  return {
      "CREATE TABLE reminders (id TEXT PRIMARY KEY, request TEXT NOT NULL, waits INTEGER NOT NULL, "
      "person TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, state TEXT NOT NULL, "
      "reason TEXT NOT NULL, at INTEGER NOT NULL, UNIQUE (request, waits, person, since)) STRICT;"
      "CREATE INDEX reminders_state ON reminders (state, at);"
      "CREATE TABLE people_mail (person TEXT PRIMARY KEY, address TEXT NOT NULL) STRICT;"
      "CREATE TABLE alarms_seen (request TEXT NOT NULL, person TEXT NOT NULL, at INTEGER NOT NULL, "
      "PRIMARY KEY (request, person)) STRICT;"};
}

ReminderBook::ReminderBook(db::Database& database, Clock& clock, Entropy& entropy,
                           ReminderSettings settings)
    : db_(database), clock_(clock), entropy_(entropy), settings_(settings) {}

Status ReminderBook::load(const disclose::Limits& limits) {
  const std::lock_guard lock(mutex_);
  CustomerTables tables(db_);
  for (const auto& row :
       TRY(db_.query("SELECT id FROM requests WHERE state NOT IN (" + settled_words() +
                         ") OR asked_at > ?1 OR broken_at > ?1 "
                         "ORDER BY broken_at > ?1 DESC, asked_at DESC LIMIT ?2",
                     {clock_.utc_ms() - kWatchedMs, static_cast<std::int64_t>(kWatchedMax)}))) {
    const auto id = RequestId::parse(row.text(0));
    const auto found =
        id ? tables.known(*id, limits) : Result<disclose::Request>(fail(Errc::kCorrupt, "no id"));
    if (found) watched_[*id] = *found;
  }
  TRY(load_waiting(true));
  TRY(load_waiting(false));
  return load_nudged();
}

Status ReminderBook::load_nudged() {
  for (const auto& row :
       TRY(db_.query("SELECT person, waits, MAX(at) FROM reminders WHERE waits IN (?1, ?2, ?3) AND "
                     "at > ?4 GROUP BY person, waits",
                     {static_cast<std::int64_t>(kNudges[0]), static_cast<std::int64_t>(kNudges[1]),
                      static_cast<std::int64_t>(kNudges[2]), clock_.utc_ms() - kNudgeEveryMs})))
    if (const auto person = PersonId::parse(row.text(0)))
      nudged_[{*person, static_cast<disclose::Waits>(row.number(1))}] = row.number(2);
  return {};
}

// Alarms, or all the others: each as many as may wait.
Status ReminderBook::load_waiting(bool alarms) {
  for (const auto& row :
       TRY(db_.query("SELECT id, request, waits, person, since, until FROM reminders WHERE state = "
                     "?1 AND (waits = ?2) = ?3 ORDER BY at LIMIT ?4",
                     {std::string(kWaiting), static_cast<std::int64_t>(disclose::Waits::kBroken),
                      std::int64_t{alarms}, static_cast<std::int64_t>(waiting_max(alarms))}))) {
    const auto id = keys::DeliveryId::parse(row.text(0));
    const auto request = RequestId::parse(row.text(1));
    const auto person = PersonId::parse(row.text(3));
    if (!id || !request || !person) continue;
    const disclose::Reminder reminder{*request, static_cast<disclose::Waits>(row.number(2)),
                                      *person, row.number(4), row.number(5)};
    waiting_[reminder.key()] = {.id = *id, .reminder = reminder};
  }
  return {};
}

bool ReminderBook::is_alarm(const disclose::Request& request) const {
  return request.broken_at != 0 && request.broken_at >= clock_.utc_ms() - kWatchedMs;
}

// First what is settled, then whatever is none, and, where there is nothing but alarms, the oldest.
void ReminderBook::make_room() {
  const auto rank = [this](const auto& item) {
    const auto& request = item.second;
    const bool alarm = is_alarm(request);
    return std::tuple(alarm, !disclose::is_settled(request.state),
                      alarm ? request.broken_at : request.asked_at);
  };
  const auto first = std::ranges::min_element(watched_, {}, rank);
  if (first != watched_.end()) watched_.erase(first);
}

void ReminderBook::touched(const disclose::Request& request) {
  const std::lock_guard lock(mutex_);
  if (watched_.size() >= kWatchedMax && !watched_.contains(request.id)) make_room();
  watched_[request.id] = request;
  // Where nothing goes out, none waits its turn; and beyond the bound the round comes by, too.
  if (settings_.on && fresh_.size() < kFreshMax) fresh_.insert(request.id);
}

// ---- what is due --------------------------------------------------------------------------------

Result<bool> ReminderBook::is_known(const disclose::Reminder& reminder) {
  const auto key = reminder.key();
  if (waiting_.contains(key) || known_.contains(key)) return true;
  const auto rows = TRY(db_.query(
      "SELECT 1 FROM reminders WHERE request = ?1 AND waits = ?2 AND person = ?3 AND since = ?4",
      {reminder.request.hex(), static_cast<std::int64_t>(reminder.waits), reminder.to.hex(),
       reminder.since}));
  if (rows.empty()) return false;
  known_.insert(key);
  return true;
}

bool ReminderBook::is_full(const disclose::Reminder& reminder) const {
  const bool alarm = of_alarm(reminder);
  const auto such = std::ranges::count_if(
      waiting_, [alarm](const auto& item) { return of_alarm(item.second.reminder) == alarm; });
  return static_cast<std::size_t>(such) >= waiting_max(alarm);
}

bool ReminderBook::was_nudged(const disclose::Reminder& reminder) const {
  const auto at = nudged_.find({reminder.to, reminder.waits});
  return is_nudge(reminder) && at != nudged_.end() &&
         std::abs(clock_.utc_ms() - at->second) < kNudgeEveryMs;
}

Status ReminderBook::look_at(const disclose::Request& request, const disclose::World& world,
                             const disclose::Rota& rota, std::int64_t& without) {
  for (const auto& reminder : disclose::reminders_due(request, world, rota)) {
    if (was_nudged(reminder)) continue;  // the next round, if it is due then
    if (TRY(is_known(reminder))) continue;
    if (TRY(address_of(reminder.to, world.chart.gives(reminder.to, people::Role::kOwner)))
            .empty()) {
      ++without;  // once there is an address, and it is due still, it goes out
      continue;
    }
    if (is_full(reminder)) continue;  // the next round, if it is due then
    const auto id = keys::DeliveryId::random(entropy_);
    TRY(db_.execute("INSERT INTO reminders VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', ?8)",
                    {id.hex(), reminder.request.hex(), static_cast<std::int64_t>(reminder.waits),
                     reminder.to.hex(), reminder.since, reminder.until, std::string(kWaiting),
                     clock_.utc_ms()}));
    waiting_[reminder.key()] = {.id = id, .reminder = reminder};
    if (is_nudge(reminder)) nudged_[{reminder.to, reminder.waits}] = clock_.utc_ms();
  }
  return {};
}

// Of what waits and is not with the courier: what nobody has to be told any more.
Status ReminderBook::moot(const disclose::World& world, const disclose::Rota& rota) {
  std::vector<Key> over;
  for (const auto& [key, sent] : waiting_) {
    if (sent.out) continue;
    const auto request = watched_.find(sent.reminder.request);
    // An alarm is due whatever we know of its request.
    if (request == watched_.end() && of_alarm(sent.reminder)) continue;
    const auto due = request == watched_.end()
                         ? std::vector<disclose::Reminder>()
                         : disclose::reminders_due(request->second, world, rota);
    if (std::ranges::find(due, key, &disclose::Reminder::key) == due.end()) over.push_back(key);
  }
  for (const auto& key : over) {
    TRY(note(waiting_.at(key).id, "moot", ""));
    waiting_.erase(key);
    known_.insert(key);
  }
  return {};
}

// Whose turn it is: those with a new step, then some of the others, round and round.
std::vector<RequestId> ReminderBook::next_ones() {
  std::vector<RequestId> turn;
  while (!fresh_.empty() && turn.size() < kRequestsPerTurn)
    turn.push_back(fresh_.extract(fresh_.begin()).value());
  auto at = watched_.upper_bound(next_);
  for (; at != watched_.end() && turn.size() < kRequestsPerTurn; ++at)
    turn.push_back(next_ = at->first);
  if (at == watched_.end()) next_ = RequestId{};
  return turn;
}

Result<std::vector<ReminderBook::Letter>> ReminderBook::turn(const people::Chart& chart,
                                                             const disclose::Limits& limits,
                                                             const std::vector<PersonId>& on_duty) {
  const std::lock_guard lock(mutex_);
  if (!settings_.on) return std::vector<Letter>();
  TRY(note_ended());
  const disclose::World world{chart, limits, clock_.utc_ms()};
  const disclose::Rota rota{on_duty, settings_.lapse_before_ms};
  for (const auto& id : next_ones()) {
    const auto request = watched_.find(id);
    if (request == watched_.end()) continue;
    std::int64_t without = 0;
    TRY(look_at(request->second, world, rota, without));
    if (without != 0)
      without_[id] = without;
    else
      without_.erase(id);
  }
  TRY(moot(world, rota));
  // All of them, or, where the database fails half-way, none: what is said to be out was given out.
  std::vector<Letter> letters;
  std::vector<Sent*> given;
  for (auto& [key, sent] : waiting_) {
    if (sent.out || sent.due_ms > clock_.monotonic_ms()) continue;
    const auto& to = sent.reminder.to;
    auto address = TRY(address_of(to, chart.gives(to, people::Role::kOwner)));
    if (address.empty()) continue;  // it was taken away meanwhile
    given.push_back(&sent);
    letters.push_back(
        {sent.id, sent.reminder, std::move(address), try_until(sent.reminder, world.now)});
  }
  for (auto* sent : given) sent->out = true;
  return letters;
}

Status ReminderBook::note(const keys::DeliveryId& id, const std::string& state,
                          const std::string& reason) {
  TRY(db_.execute("UPDATE reminders SET state = ?2, reason = ?3, at = ?4 WHERE id = ?1",
                  {id.hex(), state, reason, clock_.utc_ms()}));
  return {};
}

// What ended stays on its way until its row says so: else it would be sent once more.
Status ReminderBook::note_ended() {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto& sent = at->second;
    if (sent.ended.empty()) {
      ++at;
      continue;
    }
    TRY(note(sent.id, sent.ended, sent.reason));
    known_.insert(at->first);
    at = waiting_.erase(at);
  }
  return {};
}

Status ReminderBook::ended(const keys::DeliveryId& id, keys::DeliveryOutcome outcome,
                           const std::string& reason) {
  const std::lock_guard lock(mutex_);
  const auto at =
      std::ranges::find_if(waiting_, [&](const auto& item) { return item.second.id == id; });
  if (at == waiting_.end()) return {};
  at->second.ended = keys::to_text(outcome);
  at->second.reason = reason;
  failing_ = outcome == keys::DeliveryOutcome::kTaken ? "" : reason;
  return note_ended();
}

void ReminderBook::later(const keys::DeliveryId& id, std::int64_t ms) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, sent] : waiting_)
    if (sent.id == id && sent.ended.empty()) {
      sent.out = false;
      sent.due_ms = clock_.monotonic_ms() + ms;
    }
}

void ReminderBook::all_later() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, sent] : waiting_)
    if (sent.ended.empty()) sent.out = false;
}

Status ReminderBook::forget_old() {
  const std::lock_guard lock(mutex_);
  const auto mono = clock_.monotonic_ms();
  if (mono < next_forget_ms_) return {};
  const auto now = clock_.utc_ms();
  TRY(db_.execute("DELETE FROM reminders WHERE at < ?1", {now - kSentKeptMs}));
  TRY(db_.execute("DELETE FROM alarms_seen WHERE at < ?1", {now - kSentKeptMs}));
  next_forget_ms_ = mono + kForgetEveryMs;
  std::erase_if(watched_, [&](const auto& item) {
    const auto& request = item.second;
    return disclose::is_settled(request.state) && request.asked_at < now - kWatchedMs &&
           !is_alarm(request);
  });
  std::erase_if(known_, [&](const auto& key) { return !watched_.contains(std::get<0>(key)); });
  std::erase_if(without_, [&](const auto& item) { return !watched_.contains(item.first); });
  std::erase_if(nudged_, [&](const auto& item) { return item.second < now - kNudgeEveryMs; });
  return {};
}

Result<ReminderBook::Counts> ReminderBook::counts() {
  const std::lock_guard lock(mutex_);
  Counts counts{.on = settings_.on,
                .waiting = static_cast<std::int64_t>(waiting_.size()),
                .failing = failing_};
  for (const auto& row : TRY(db_.query("SELECT state, COUNT(*) FROM reminders GROUP BY state"))) {
    const auto state = row.text(0);
    if (state == "taken") counts.taken = row.number(1);
    if (state == "refused" || state == "given_up" || state == "no_channel")
      counts.failed += row.number(1);
  }
  for (const auto& [id, count] : without_) counts.without_address += count;
  return counts;
}

// ---- addresses ----------------------------------------------------------------------------------

Result<std::string> ReminderBook::address_of(const PersonId& person, bool owner) {
  const auto rows =
      TRY(db_.query("SELECT address FROM people_mail WHERE person = ?1 AND by_passkey >= ?2",
                    {person.hex(), std::int64_t{owner ? 1 : 0}}));
  return rows.empty() ? std::string() : rows[0].text(0);
}

Status ReminderBook::check_address(const std::string& address) {
  return address.empty() || courier::is_mail_address(address)
             ? Status{}
             : fail(Errc::kMalformed, "not an e-mail address that can be written to");
}

Status ReminderBook::set_address(const PersonId& person, const std::string& address, SetBy by) {
  if (address.empty()) {
    TRY(db_.execute("DELETE FROM people_mail WHERE person = ?1", {person.hex()}));
    return {};
  }
  TRY(check_address(address));
  TRY(
      db_.execute("INSERT OR REPLACE INTO people_mail (person, address, by_passkey) VALUES (?1, "
                  "?2, ?3)",
                  {person.hex(), address, std::int64_t{by == SetBy::kPasskey ? 1 : 0}}));
  return {};
}

// ---- alarms -------------------------------------------------------------------------------------

Result<std::vector<ReminderBook::Alarm>> ReminderBook::alarms(const PersonId& person) {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::int64_t> seen;
  for (const auto& row :
       TRY(db_.query("SELECT request, at FROM alarms_seen WHERE person = ?1", {person.hex()})))
    seen[row.text(0)] = row.number(1);
  std::vector<Alarm> alarms;
  for (const auto& [id, request] : watched_) {
    const auto since = request.broken_at;
    if (!is_alarm(request)) continue;
    const auto at = seen.find(id.hex());
    if (at == seen.end() || at->second < since) alarms.push_back({request, since});
  }
  std::ranges::sort(alarms, std::greater(), &Alarm::since);
  return alarms;
}

// By the step that was seen, not by a clock: the keeper's time may be ahead of ours.
Status ReminderBook::alarm_seen(const PersonId& person, const RequestId& request) {
  const std::lock_guard lock(mutex_);
  const auto at = watched_.find(request);
  const auto since = at == watched_.end() ? 0 : at->second.broken_at;
  if (since == 0) return fail(Errc::kNotFound, "no such alarm");
  TRY(db_.execute("INSERT OR REPLACE INTO alarms_seen VALUES (?1, ?2, ?3)",
                  {request.hex(), person.hex(), since}));
  return {};
}

}  // namespace callward::api
