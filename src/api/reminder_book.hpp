// Which reminders are due, which went out, and to what address; and which alarms an owner has not
// seen yet. What is due says disclose/reminder; here each is made one row before it is
// sent, so that a server that dies sends the same one again, under the same id, and no other.
//
// INVARIANTS
//   (1) A reminder (request, what it waits for, person, step) is one row at most, with one id.
//   (2) Before each try it is looked whether it is still due: what was done meanwhile is `moot`.
//   (3) An address is its person's own word, or an administrator's or owner's; it stands in this
//       database alone, in no log, no status, no list. An owner's is one that an owner's passkey
//       signed: what was there before somebody became one counts for nothing.
//   (4) At most kWatchedMax requests are known, kWaitingMax reminders on their way.
//   (5) No letter is tried beyond the time that it names.
//
// Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/entropy.hpp"
#include "db/database.hpp"
#include "disclose/reminder.hpp"

namespace callward::api {

std::vector<std::string> reminder_migrations();

struct ReminderSettings {
  bool on = false;                           // a mail server is configured, and they are wanted
  std::int64_t lapse_before_ms = 3'600'000;  // told so long before a request lapses
};

class ReminderBook {
 public:
  static constexpr std::size_t kWatchedMax = 5'000;
  // Alarms besides: no other reminder takes their place.
  static constexpr std::size_t kWaitingMax = 500, kAlarmsWaitingMax = 500;
  static constexpr std::size_t kFreshMax = 1'000;
  static constexpr std::size_t kRequestsPerTurn = 200;
  static constexpr std::int64_t kSentKeptMs = 90 * 86'400'000ll;
  static constexpr std::int64_t kDeliverMs = 2 * 3'600'000, kAlarmDeliverMs = 24 * 3'600'000;
  static constexpr std::int64_t kForgetEveryMs = 3'600'000;
  static constexpr std::int64_t kAgainMs = 60'000;  // after a courier that was full
  // Whoever is told that nobody is on duty for one request is told of no other so long: it is the
  // same to do, and many requests of a night are no flood of letters. So, too, that nobody may
  // release.
  static constexpr std::int64_t kNudgeEveryMs = 3'600'000;

  ReminderBook(db::Database& database, Clock& clock, Entropy& entropy, ReminderSettings settings);

  // Every request that is not over, or was lately, once at the start; then each with a new step.
  Status load(const disclose::Limits& limits);
  void touched(const disclose::Request& request);

  struct Letter {
    keys::DeliveryId id;
    disclose::Reminder reminder;
    std::string address;
    std::int64_t deadline = 0;  // UTC ms
  };
  // One turn: those that are to be given to the courier now. Each is on its way until ended() or
  // later() says otherwise. `on_duty`: experts who are.
  Result<std::vector<Letter>> turn(const people::Chart& chart, const disclose::Limits& limits,
                                   const std::vector<PersonId>& on_duty);
  Status ended(const keys::DeliveryId& id, keys::DeliveryOutcome outcome,
               const std::string& reason);
  void later(const keys::DeliveryId& id, std::int64_t ms);  // it is tried again then
  void all_later();                                         // the courier is away

  // What is long over; once an hour, whether reminders go out or not.
  Status forget_old();

  struct Counts {
    bool on = false;
    std::int64_t taken = 0, failed = 0, waiting = 0;
    std::int64_t without_address = 0;  // due just now, for whom no address is known
    std::string failing;               // why the last one did not go out, until one does
  };
  Result<Counts> counts();

  // Who set it, an owner's passkey or a session alone. An owner has the former only.
  enum class SetBy : std::uint8_t { kSession, kPasskey };
  // kMalformed: not one that can be written to.
  static Status check_address(const std::string& address);
  // "": none that counts, for an owner or for somebody else.
  Result<std::string> address_of(const PersonId& person, bool owner);
  // "" takes it away.
  Status set_address(const PersonId& person, const std::string& address, SetBy by);

  struct Alarm {
    disclose::Request request;
    std::int64_t since = 0;  // UTC ms
  };
  // What was broken open and this person has not opened since; the newest first.
  Result<std::vector<Alarm>> alarms(const PersonId& person);
  Status alarm_seen(const PersonId& person, const RequestId& request);

 private:
  using Key = disclose::Reminder::Key;
  struct Sent {
    keys::DeliveryId id;
    disclose::Reminder reminder;
    bool out = false;         // at the courier
    std::int64_t due_ms = 0;  // monotonic: not before
    std::string ended;        // how, until its row says so; empty: not yet
    std::string reason;
  };
  [[nodiscard]] bool is_full(const disclose::Reminder& reminder) const;
  // An alarm that somebody may not have seen yet.
  [[nodiscard]] bool is_alarm(const disclose::Request& request) const;
  void make_room();
  static bool of_alarm(const disclose::Reminder& reminder) {
    return reminder.waits == disclose::Waits::kBroken;
  }
  static std::size_t waiting_max(bool alarms) { return alarms ? kAlarmsWaitingMax : kWaitingMax; }
  Status load_waiting(bool alarms);
  Result<bool> is_known(const disclose::Reminder& reminder);
  Status look_at(const disclose::Request& request, const disclose::World& world,
                 const disclose::Rota& rota, std::int64_t& without);
  Status moot(const disclose::World& world, const disclose::Rota& rota);
  // That somebody has to come on duty, for whom it was said of another request lately.
  [[nodiscard]] bool was_nudged(const disclose::Reminder& reminder) const;
  Status load_nudged();
  Status note(const keys::DeliveryId& id, const std::string& state, const std::string& reason);
  Status note_ended();
  std::vector<RequestId> next_ones();

  db::Database& db_;
  Clock& clock_;
  Entropy& entropy_;
  ReminderSettings settings_;
  std::mutex mutex_;
  std::map<RequestId, disclose::Request> watched_;
  std::set<RequestId> fresh_;    // touched since their last turn; at most kFreshMax
  RequestId next_;               // where the round goes on
  std::map<Key, Sent> waiting_;  // rows that have not ended
  std::set<Key> known_;          // rows that have, of what is watched
  std::map<RequestId, std::int64_t> without_;
  // Of the chart, UTC ms, by what they were told of.
  std::map<std::pair<PersonId, disclose::Waits>, std::int64_t> nudged_;
  std::string failing_;
  std::int64_t next_forget_ms_ = 0;
};

}  // namespace callward::api
