// Everything the handlers need, and the table of routes over it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "api/backend.hpp"
#include "api/catalog.hpp"
#include "api/desk.hpp"
#include "api/events.hpp"
#include "api/in_hand.hpp"
#include "api/keepers_clock.hpp"
#include "api/live_calls.hpp"
#include "api/people_told.hpp"
#include "api/roster.hpp"
#include "api/router.hpp"
#include "audit/note.hpp"
#include "base/clock.hpp"
#include "base/entropy.hpp"
#include "disclose/request.hpp"
#include "keys/vault_protocol.hpp"
#include "people/leaked.hpp"
#include "people/people.hpp"
#include "vault/policy.hpp"

namespace callward::api {

class ReminderBook;
struct Today;

struct OrderInfo {
  std::string call, reason;
  keys::OrderOutcome outcome{};
};

struct Service {
  Clock& clock;
  Entropy& entropy;
  Vfs& vfs;
  db::Database& database;
  people::People& people;
  Roster& roster;
  Catalog& catalog;
  Link& keeper;
  Link& recorder;
  EventHub& events;
  store::ObjectStore& objects;
  std::string log_dir;
  audit::NamedKey log_key;
  std::string supervisor_socket;
  std::string time_zone;
  std::vector<std::string> disks;  // folders whose space is shown
  audit::WitnessPolicy witness_policy = {};
  std::function<boost::json::object()> witness_state = {};  // of the log's witnesses
  std::string company = {};                                 // as the policy names it
  Key32 code_key = {};                         // that seals the secrets of one-time codes
  vault::Policy policy = {};                   // in force
  std::string origin = {};                     // of the console, "https://host"
  const people::LeakedList* leaked = nullptr;  // what the installation brings; none: not asked
  // The telephone of a person in the role chart, and whose one is; nothing: not known.
  std::function<std::string(const PersonId&)> extension_of = {};
  std::function<std::optional<PersonId>(const std::string&)> person_at = {};

  // Every judgement of a request's time goes by it, and whatever is signed for the keeper is dated
  // by it.
  KeepersClock keepers_clock{clock};

  LiveCalls live_calls = {};
  InHand in_hand{};
  // One-time forms are open to whoever has the link: so many tries a minute.
  static constexpr std::size_t kFormTriesOfAddress = 20, kFormTriesOfAll = 3'000;
  TryLimit form_tries{clock, kFormTriesOfAddress, kFormTriesOfAll};

  // Told and counted; the router and the HTTPS server say them.
  Refusals refusals{clock};

  // What people read by one piece after the other: enough for a person, not for a machine that
  // takes all there is. Of one person; the operator is whoever has this machine.
  static constexpr std::size_t kReadsOfPersonAMinute = 240, kReadsOfPersonAnHour = 3'000;
  static constexpr std::size_t kReadsOfAllAMinute = 10'000, kReadsOfAllAnHour = 200'000;
  TryLimit reads_a_minute{clock, kReadsOfPersonAMinute, kReadsOfAllAMinute};
  TryLimit reads_an_hour{clock, kReadsOfPersonAnHour, kReadsOfAllAnHour, 3'600'000};

  Desk desk{};

  ReminderBook* reminders = nullptr;  // of whom requests wait for; nullptr: nobody is reminded

  std::mutex orders_mutex;
  std::unordered_map<std::string, OrderInfo> orders;  // since start; at most kOrdersMax
  static constexpr std::size_t kOrdersMax = 100'000;

  // Writes with an Idempotency-Key that run now: actor, space, key.
  std::mutex running_mutex;
  std::unordered_set<std::string> running;

  PeopleOwed people_owed{};

  // As many as a keeper has that are not over: of others nobody is told that nobody is there.
  static constexpr std::int64_t kLackingMax = 5'000;
  std::int64_t lacking_max = kLackingMax;
  std::atomic<bool> lacking_owed{false};  // duty or roles have changed since it was looked at
  bool lacking_beyond = false;            // and the log says so
  std::mutex lacking_mutex;
  std::set<RequestId> lacking;  // for which nobody is there; at most lacking_max

  std::mutex following;  // held while the log is followed: one after the other, in its order
  std::mutex proving;    // held while a proof of erasure is put together
  std::mutex reporting;  // held while the log is read for the listener's report

  // Reviewers' marks since the start, for whoever watches; the log has all of them.
  struct MarksMade {
    std::atomic<std::uint64_t> missed{0}, needless{0}, reviewed{0};
    [[nodiscard]] std::string status_json() const;
  };
  MarksMade marks_made{};

  static constexpr std::int64_t kThrottledLogEveryMs = 60'000;
  std::mutex throttled_mutex;
  std::unordered_map<std::string, std::int64_t> throttled_logged;  // monotonic ms, by subject

  // Entry in the audit log, durable when it returns.
  Status log(const std::string& type, const std::string& actor, const std::string& subject,
             const boost::json::object& data);
  void remember_order(const std::string& id, OrderInfo info);
  // Unless more was heard of it since it stood so.
  void forget_order(const std::string& id, keys::OrderOutcome as);
  // A refused try costs its sender nothing, an entry costs us a write to the disk and stays for
  // ever: one a minute for each person (and one for all unknown names).
  bool may_log_throttled(const std::string& subject);
  // Events from recorder and keeper.
  void on_call_event(const store::CallEvent& event);
  void on_order_state(const keys::OrderState& state);
  void on_fields_gone(const keys::FieldsGone& message);
  // A keeper that was killed asks what of its last answers came.
  void on_records_wanted(const keys::RecordsWanted& message);
  // What the log says of customers and requests since the last time; screens are told.
  Status follow_customers();
  // Whoever may see a request is told of its news; `besides`, who may not any more.
  void tell_request(const disclose::Request& request, std::set<PersonId> besides = {});
  // Duty and roles are no step of any request, and may be why one waits: whoever sees one of which
  // that has changed is told. On the server's turn, once about every second where `lacking_owed`:
  // it reads all that wait.
  void tell_lacking();
  Status tell_lacking_now();
  // Whether it is another than when it was looked at last.
  bool note_lacking(const disclose::Request& request, const Today& now);
  // Whose telephone a live call is at: asked of the recorder with each of its news, as it may go
  // from one to another; told to whose it is, and to whose it was.
  void note_live(const store::CallEvent& event);
  // All that the recorder has: what ended while nobody listened to it is over.
  void settle_live(const std::vector<store::CallEvent>& calls);
  void tell_live(const LiveCalls::Live& live);
  // What time it is for the keeper: at each connection to it, and every KeepersClock::kAskEveryMs.
  void ask_time();
  // Of orders under way when the keeper was out of reach: how they went meanwhile. One that it does
  // not know any more is forgotten here, too: the call's account says how it went.
  void ask_orders();
  static constexpr std::size_t kOrdersAskedMax = 10'000;
  static constexpr std::int64_t kOrderAnswerMs = 2'000;  // else the keeper is away again
  // A request that was asked shows once a checkpoint covers it, about a second later: its answer
  // waits for that, about so long at most, and whoever has it finds it. 0: it does not.
  std::int64_t step_shows_ms = 2'500;
  static constexpr std::int64_t kStepLookMs = 50;
  static constexpr std::size_t kStepWaitersMax = 3;  // at once; the others do not wait
  std::atomic<std::size_t> step_waiters{0};
  std::function<void(std::int64_t)> pause = [](std::int64_t ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  };
};

std::vector<Route> routes(Service& service);

// By part; each adds its rows.
void add_session_routes(Service& service, std::vector<Route>& routes);
void add_second_routes(Service& service, std::vector<Route>& routes);
void add_reader_routes(Service& service, std::vector<Route>& routes);
// Who opens: of a command line the person who signed its key (`reader_request`). kDenied: nobody
// did.
Result<std::string> actor_of(Service& service, const Request& request,
                             const std::string& reader_request);
void add_enrolment_routes(Service& service, std::vector<Route>& routes);
void add_people_routes(Service& service, std::vector<Route>& routes);
void add_own_routes(Service& service, std::vector<Route>& routes);
void add_chart_routes(Service& service, std::vector<Route>& routes);
void add_call_routes(Service& service, std::vector<Route>& routes);
void add_opening_routes(Service& service, std::vector<Route>& routes);
void add_held_routes(Service& service, std::vector<Route>& routes);
void add_review_routes(Service& service, std::vector<Route>& routes);
void add_whole_routes(Service& service, std::vector<Route>& routes);
void add_log_routes(Service& service, std::vector<Route>& routes);
void add_proof_routes(Service& service, std::vector<Route>& routes);
void add_retention_routes(Service& service, std::vector<Route>& routes);
void add_system_routes(Service& service, std::vector<Route>& routes);
void add_intake_routes(Service& service, std::vector<Route>& routes);
void add_customer_routes(Service& service, std::vector<Route>& routes);
void add_request_routes(Service& service, std::vector<Route>& routes);
void add_verification_routes(Service& service, std::vector<Route>& routes);
void add_form_routes(Service& service, std::vector<Route>& routes);
void add_agent_routes(Service& service, std::vector<Route>& routes);
void add_reminder_routes(Service& service, std::vector<Route>& routes);
void add_receipt_routes(Service& service, std::vector<Route>& routes);

// Helpers that several parts use.
const char* to_text(keys::OrderOutcome outcome);
boost::json::object order_json(const std::string& id, const OrderInfo& info);
Result<store::CallEvent> call_of(Service& service, const Request& request);
// ... of whoever may ask of every call, though they hear none.
Result<store::CallEvent> any_call_of(Service& service, const Request& request);
// Who is neither reviewer nor owner: hears what was said in a call-back, and learns no number.
bool hears_call_backs_only(const Request& request);
std::optional<keys::RecordKind> parse_kind(std::string_view word);
// A reason in words is sealed under the call's own data, and its salted hash goes into the log.
Result<std::string> seal_reason(Service& service, const CallId& call, const std::string& actor,
                                const std::string& act, const std::string& reason);

// An order to erase [start_ms, end_ms) of a side: customer, agent or both. kMalformed: there
// is nothing of the call there. Not given to the keeper yet.
struct Side {
  std::string stream;
  std::int64_t start_ms = 0, end_ms = 0;
};
Result<Side> side_of(BodyReader& body);
Result<keys::EraseOrder> order_for(Service& service, const store::CallEvent& event,
                                   const Side& side, const std::string& code,
                                   const std::string& actor);
// Sealed with the call: why. Then it is given, and followed.
Result<Response> give_order(Service& service, const keys::EraseOrder& order,
                            const std::string& reason);

// A write that is sent twice with one Idempotency-Key is done once; the second gets the first one's
// answer, or 409 while the first one runs. Keys of different actors have nothing to do with each
// other.
Handler once(Service& service, const Handler& handler);

// 429 beyond what one person reads in a minute or an hour.
Handler bounded(Service& service, Handler handler);

// Runs a function that may fail as a handler.
template <class Function>
Handler guarded(Function function) {
  return [function](const Request& request) -> Response {
    auto response = function(request);
    return response ? std::move(*response) : Response::of(response.error());
  };
}

}  // namespace callward::api
