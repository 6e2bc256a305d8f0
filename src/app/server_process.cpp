// The server's process: HTTPS, sessions, metadata, ciphertext. It never holds content or keys.
#include <fcntl.h>
#include <sys/stat.h>

#include <boost/json.hpp>

#include "api/http_server.hpp"
#include "api/migrations.hpp"
#include "api/reminder_book.hpp"
#include "api/service.hpp"
#include "api/static_files.hpp"
#include "app/keeper_state.hpp"
#include "app/process.hpp"
#include "app/reminder_desk.hpp"
#include "app/sandbox.hpp"
#include "app/server_database.hpp"
#include "app/vault_policy.hpp"
#include "app/witness_carrier.hpp"
#include "base/event_log.hpp"

namespace callward::app {
namespace {

// A fresh token for the command line at each start, readable by this user only.
Result<std::string> write_cli_token(Vfs& vfs, Entropy& entropy, const Config& config) {
  auto token = to_hex(entropy.array<32>());
  TRY(vfs.write_file_atomic(config.token_file(), as_bytes(token + "\n")));
  return token;
}

// What seals the secrets of one-time codes. It lies beside the database and in no backup of it:
// who has a copy of the database alone has no code.
Result<Key32> load_code_key(Vfs& vfs, Entropy& entropy, const Config& config) {
  const auto file = parent_of(config.server.database) + "/codes.key";
  if (!vfs.exists(file)) TRY(vfs.write_file_atomic(file, entropy.key().expose()));
  auto raw = TRY(vfs.read_file(file, 33));
  if (raw.size() != 32) return fail(Errc::kCorrupt, file + " does not have 32 bytes");
  Key32 key{std::span<const std::uint8_t, 32>(raw)};
  wipe(raw);
  return key;
}

// Before the sandbox closes: the list may lie anywhere, and stays open.
Result<std::optional<people::LeakedList>> open_leaked(Vfs& vfs, const Config& config) {
  const auto& file = config.server.leaked_passphrases;
  if (file.empty()) return std::optional<people::LeakedList>();
  return std::optional<people::LeakedList>(TRY(people::LeakedList::open(vfs, file)));
}

api::HttpServer::Options http_options(const Config& config, api::Refusals& refusals) {
  return {.address = config.server.listen,
          .port = config.server.port,
          .certificate_file = config.server.tls_certificate,
          .key_file = config.server.tls_key,
          .threads = config.server.threads,
          .limits = {},
          .tls_failed = [&refusals](const std::string& address) {
            refusals.note({api::Refused::kTls, "-", "-", address});
          }};
}

// Ids grow over restarts.
std::uint64_t first_event(Clock& clock) {
  constexpr std::uint64_t kEventsPerMs = 1'000;  // more than ever come
  return static_cast<std::uint64_t>(clock.utc_ms()) * kEventsPerMs;
}

// The console's files to whoever asks for a path that is none of the API's.
api::Response answer(const api::Router& router, const api::StaticFiles& console,
                     api::Request request) {
  const bool is_api = request.path.rfind("/v1/", 0) == 0 || request.path == "/healthz" ||
                      request.path == "/readyz" || request.path == "/metrics" ||
                      request.path == "/policy";
  if (!is_api && (request.method == "GET" || request.method == "HEAD"))
    return console.serve(request);
  return router.handle(std::move(request));
}

// At each connection to the recorder: what became of calls while nobody listened.
void catch_up_calls(api::Service& service, api::Link& recorder, api::Catalog& catalog) {
  const auto calls = recorder.call<store::Calls>(store::CallList{});
  if (!calls) return;
  service.settle_live(calls->calls);
  for (const auto& event : calls->calls) service.on_call_event(event);
  if (auto settled = catalog.settle(calls->calls); !settled)
    log_event("server.settle_failed", {{"why", settled.error().message}});
}

// At each connection to the keeper: orders under way, and what it forgot with its memory.
void catch_up_keeper(api::Service& service) {
  service.ask_time();
  api::owe_people(service);
  api::tell_people(service);
  service.ask_orders();
}

// While there is a keeper: its time now and then, and what it did not take of what it was told.
class KeepersTurn {
 public:
  static constexpr std::int64_t kEveryMs = 1'000;
  explicit KeepersTurn(api::Service& service) : service_(service) {}
  void operator()() {
    api::tell_people(service_);
    const auto now = service_.clock.monotonic_ms();
    if (asked_ms_ && now - *asked_ms_ < api::KeepersClock::kAskEveryMs) return;
    asked_ms_ = now;
    service_.ask_time();
  }

 private:
  api::Service& service_;
  std::optional<std::int64_t> asked_ms_;
};

std::vector<std::string> disks_of(const Config& config) {
  return {config.data_dir, config.recorder.spool_dir, config.recorder.objects_dir, config.log.dir};
}

// What of the log leaves the house: checkpoints to witnesses, a file for each day. The log's folder
// is the keeper's, but for the two that are made here (ADR 11).
class LogOutside {
 public:
  LogOutside(api::Service& service, const LogConfig& log)
      : clock_(service.clock),
        carrier_({.clock = service.clock,
                  .vfs = service.vfs,
                  .log = log,
                  .key = service.log_key,
                  .post = post_to_witness,
                  .on_alarm = [&service] { service.events.publish("system", "{}"); }}),
        days_(service.vfs, log.dir, service.log_key, !log.witnesses.empty()) {
    service.witness_policy = log.witness_policy();
    service.witness_state = [this] { return carrier_.status(); };
    for (const auto* folder : {audit::kWitnessFolder, audit::kDailyFolder})
      if (const auto made = service.vfs.make_dirs(log.dir + "/" + folder); !made)
        log_event("server.log_folder", {{"why", made.error().message}});
  }
  void start(io::Loop& loop) {
    constexpr std::int64_t kEveryMs = 1'000;
    carrier_.start();
    loop.every_ms(kEveryMs, [this] { tick(); });
  }
  [[nodiscard]] boost::json::object status() const { return carrier_.status(); }

 private:
  void tick() {
    carrier_.tick();
    const auto closed = days_.tick(clock_.utc_ms());
    if (closed && *closed) log_event("server.day_closed", {{"day", **closed}});
    const auto trouble = closed ? std::string() : closed.error().message;
    if (!trouble.empty() && trouble != trouble_)  // once, not each second
      log_event("server.day_not_closed", {{"why", trouble}});
    trouble_ = trouble;
  }
  Clock& clock_;
  WitnessCarrier carrier_;
  audit::DayCloser days_;
  std::string trouble_;
};

// Of whom requests wait for: what is due, and the way to the courier.
class Reminders {
 public:
  Reminders(io::Loop& loop, api::Service& service, const Config& config)
      : book_(service.database, service.keepers_clock, service.entropy,
              {.on = config.reminders.email && config.courier.smtp.has_value(),
               .lapse_before_ms = config.reminders.lapse_minutes * 60'000}),
        desk_(loop, service, book_, config.socket("courier")) {
    service.reminders = &book_;
    desk_.start();
  }
  [[nodiscard]] std::string status_json() { return desk_.status_json(); }

 private:
  api::ReminderBook book_;
  ReminderDesk desk_;
};

// Telephones, as the role chart says today. While it cannot be read they are nobody's.
std::string extension_of(api::Roster& roster, const PersonId& id) {
  const auto chart = roster.chart();
  const auto* member = chart ? (*chart)->here(id) : nullptr;
  return member == nullptr ? std::string() : member->extension;
}
std::optional<PersonId> person_at(api::Roster& roster, const std::string& extension) {
  const auto chart = roster.chart();
  const auto* id = chart ? (*chart)->by_extension(extension) : nullptr;
  return id == nullptr ? std::nullopt : std::optional<PersonId>(*id);
}

// What an earlier server left, and what the chart says of telephones.
Status catch_up(api::Service& service) {
  auto& roster = service.roster;
  service.extension_of = [&roster](const PersonId& id) { return extension_of(roster, id); };
  service.person_at = [&roster](const std::string& at) { return person_at(roster, at); };
  TRY(roster.load());
  roster.on_change([&service] {
    service.events.publish("people", "{}");
    service.people_owed.duty = true;  // who may be no more is not, from here on
    service.lacking_owed = true;
  });
  TRY(service.reminders->load(service.policy.limits));
  if (auto caught = service.catalog.catch_up(); !caught)
    log_event("server.catch_up_failed", {{"why", caught.error().message}});
  return {};
}

// What the log says of calls whose retention is over, of people, of customers and of requests; and
// what became of sessions.
void follow_log(io::Loop& loop, api::Service& service) {
  constexpr std::int64_t kEveryMs = 1'000;
  loop.every_ms(kEveryMs, [&service, trouble = std::string()]() mutable {
    auto read = service.catalog.follow_log(service.log_dir, service.log_key, service.vfs);
    if (auto people = service.roster.follow(); read && !people) read = std::move(people);
    if (auto customers = service.follow_customers(); read && !customers)
      read = std::move(customers);
    if (auto over = service.people.drop_over(); read && !over) read = std::move(over);
    api::drop_ended_readers(service);
    service.tell_lacking();
    const auto why = read ? std::string() : read.error().message;
    if (!why.empty() && why != trouble) log_event("server.log_not_followed", {{"why", why}});
    trouble = why;  // once, not each second
  });
}

std::string state_json(bool ready, const std::string& address, std::uint64_t refused,
                       const boost::json::object& witnesses, const std::string& reminders,
                       const api::Service& service) {
  const auto differs = service.roster.differs();
  return "{\"ready\":" + std::string(ready ? "true" : "false") +
         ",\"address\":" + json_quote(address) +
         ",\"connections_refused\":" + std::to_string(refused) +
         ",\"degraded\":" + json_quote(differs.empty() ? "" : "chart_not_the_logs") +
         ",\"why\":" + json_quote(differs) + ",\"witnesses\":" + boost::json::serialize(witnesses) +
         ",\"reminders\":" + reminders + ",\"marks\":" + service.marks_made.status_json() +
         ",\"queues\":[]}";
}

// A session is what the role chart makes of it today.
api::Router::Guards guards_of(people::People& people, api::Roster& roster,
                              const std::string& operator_token, api::Refusals& refusals) {
  return {.session = [&](const std::string& token) { return roster.admit(people.session(token)); },
          .look = [&](const std::string& token) { return roster.admit(people.look(token)); },
          .operator_token = operator_token,
          .refusals = &refusals};
}

void close_idle(api::Link& keeper, api::Link& recorder) {
  keeper.close_idle();
  recorder.close_idle();
}

void on_recorder_frame(api::Service& service, const io::Frame& frame) {
  if (frame.type != store::CallEvent::kType) return;
  if (const auto event = unpack<store::CallEvent>(frame.body)) service.on_call_event(*event);
}

void on_keeper_frame(api::Service& service, const io::Frame& frame) {
  if (frame.type == keys::FieldsGone::kType)
    if (const auto gone = unpack<keys::FieldsGone>(frame.body)) service.on_fields_gone(*gone);
  if (frame.type == keys::RecordsWanted::kType)
    if (const auto wanted = unpack<keys::RecordsWanted>(frame.body))
      service.on_records_wanted(*wanted);
  if (frame.type == keys::PeopleWanted::kType) {
    api::owe_people(service);
    api::tell_people(service);
  }
  if (frame.type != keys::OrderState::kType) return;
  if (const auto state = unpack<keys::OrderState>(frame.body)) service.on_order_state(*state);
}

// Before there is a second thread: seccomp and Landlock hold for the thread that asks, and for
// those that it starts.
Status confine(const Config& config) {
  const auto report = TRY(enter_sandbox(policy_of("server", config)));
  log_event("server.sandboxed", {{"landlock", report.landlock_abi}});
  return {};
}

}  // namespace

Result<std::unique_ptr<db::Database>> open_server_database(Vfs& vfs, const Config& config) {
  TRY(vfs.make_dirs(parent_of(config.server.database)));
  return db::open_sqlite(config.server.database, api::server_migrations());
}

Status run_server(const ProcessContext& context) {
  const auto& config = context.config;
  SystemClock clock;
  SystemEntropy entropy;
  RealVfs vfs;
  const auto loop = TRY(io::Loop::create(clock));
  TRY(loop->on_stop_signal([&loop] { loop->stop(); }));
  const auto database = TRY(open_server_database(vfs, config));
  const auto log_key = TRY(load_log_key(vfs, config));
  const auto console = TRY(api::StaticFiles::load(vfs, config.server.console_dir));
  const auto token = TRY(write_cli_token(vfs, entropy, config));
  const auto company = TRY(load_policy(vfs, config)).company;
  auto code_key = TRY(load_code_key(vfs, entropy, config));

  api::Link keeper(config.socket("keeper"), keys::kKeeperFrameBytesMax, api::keeper_hello);
  api::Link recorder(config.socket("recorder"), store::kRecorderFrameBytesMax, api::recorder_hello);
  store::FileObjectStore objects(vfs, config.recorder.objects_dir);
  people::People people(*database, clock, entropy);
  api::Roster roster(*database, people, relying_party(config), {config.log.dir, log_key, &vfs});
  api::Catalog catalog(*database, objects, keeper, recorder);
  api::EventHub events(first_event(clock));
  const auto leaked = TRY(open_leaked(vfs, config));
  api::Service service{.clock = clock,
                       .entropy = entropy,
                       .vfs = vfs,
                       .database = *database,
                       .people = people,
                       .roster = roster,
                       .catalog = catalog,
                       .keeper = keeper,
                       .recorder = recorder,
                       .events = events,
                       .objects = objects,
                       .log_dir = config.log.dir,
                       .log_key = log_key,
                       .supervisor_socket = config.socket("supervisor"),
                       .time_zone = config.server.time_zone,
                       .disks = disks_of(config),
                       .company = company,
                       .code_key = std::move(code_key),
                       .policy = TRY(load_policy(vfs, config)),
                       .origin = config.server.origin,
                       .leaked = leaked ? &*leaked : nullptr};
  Reminders reminders(*loop, service, config);
  TRY(catch_up(service));
  LogOutside outside(service, config.log);
  const api::Router router(api::routes(service),
                           guards_of(people, roster, token, service.refusals));
  TRY(confine(config));
  const auto server = TRY(api::HttpServer::start(
      http_options(config, service.refusals),
      [&](api::Request request) { return answer(router, console, std::move(request)); }, events));
  const api::EventPump recorder_events(
      config.socket("recorder"), store::kRecorderFrameBytesMax, api::recorder_hello,
      [&] { catch_up_calls(service, recorder, catalog); },
      [&](const io::Frame& frame) { on_recorder_frame(service, frame); });
  const api::EventPump keeper_events(
      config.socket("keeper"), keys::kKeeperFrameBytesMax, api::keeper_hello,
      [&] { catch_up_keeper(service); }, [&](const io::Frame& f) { on_keeper_frame(service, f); },
      KeepersTurn(service), KeepersTurn::kEveryMs);
  loop->every_ms(api::Link::kIdleMsMax, [&] { close_idle(keeper, recorder); });
  outside.start(*loop);
  follow_log(*loop, service);
  const auto address = config.server.listen + ":" + std::to_string(server->port());
  SupervisorLink link(*loop, context, [&] {
    return state_json(recorder_events.connected() && keeper_events.connected(), address,
                      server->refused(), outside.status(), reminders.status_json(), service);
  });
  return loop->run();
}

}  // namespace callward::app
