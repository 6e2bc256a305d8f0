// Commands that read files themselves: the log, the key store's check, the configuration.
#include <cstdio>

#include "app/cli.hpp"
#include "app/keeper_state.hpp"
#include "app/supervisor.hpp"
#include "audit/verify.hpp"
#include "db/database.hpp"
#include "io/frame.hpp"
#include "keys/key_store.hpp"
#include "store/object_store.hpp"
#include "store/recorder_protocol.hpp"
#include "store/spool_check.hpp"

namespace callward::app {
namespace {

constexpr const char* kKeysInUse =
    "the key store is in use: its pages are checked while Callward is stopped";
constexpr const char* kFilesInUse =
    "spool and database are in use: they are checked while Callward is stopped";

// Every object and its derived twin, read whole.
void check_objects(store::ObjectStore& objects, const std::vector<std::string>& paths,
                   bool progress, std::vector<std::string>& findings) {
  Progress shown(progress, "objects");
  std::uint64_t done = 0;
  for (const auto& path : paths) {
    shown.show(done++, paths.size());
    const auto reader = store::open_object(objects, path);
    if (!reader)
      findings.push_back(path + ": " + reader.error().message);
    else if (auto good = reader->verify(); !good)
      findings.push_back(path + ": " + good.error().message);
  }
}

Result<std::vector<std::string>> check_keys(Vfs& vfs, Entropy& entropy, const Config& config) {
  const auto keys = TRY(open_keys(vfs, entropy, config));
  return keys.store->check();
}

void take(const std::string& what, const Result<std::vector<std::string>>& checked,
          std::vector<std::string>& findings) {
  if (!checked) return findings.push_back(what + ": " + checked.error().message);
  for (const auto& line : *checked) findings.push_back(what + "/" + line);
}

// What recorder and server write to while they run.
void check_in_use(Vfs& vfs, const Config& config, std::vector<std::string>& findings) {
  if (vfs.exists(config.recorder.spool_dir))
    take("spool", store::check_spool(vfs, config.recorder.spool_dir), findings);
  if (vfs.exists(config.server.database))
    take("database", db::check_sqlite(config.server.database), findings);
}

// The log, with its progress.
Result<audit::VerifyReport> check_log(Vfs& vfs, const LogConfig& config, const audit::NamedKey& key,
                                      bool progress) {
  Progress shown(progress, "entries of the log");
  return audit::verify_log(
      vfs, config.dir, key, [&](std::uint64_t done, std::uint64_t all) { shown.show(done, all); },
      config.witness_policy());
}

}  // namespace

void list_objects(store::ObjectStore& objects, const std::string& folder, int depth,
                  std::vector<std::string>& paths) {
  constexpr int kDepth = 3;  // year, month, day
  const auto names = objects.list(folder);
  if (!names) return;
  for (const auto& name : *names) {
    const auto path = folder.empty() ? name : folder + "/" + name;
    if (depth < kDepth)
      list_objects(objects, path, depth + 1, paths);
    else if (path.ends_with(".cwo") || path.ends_with(".cwd"))
      paths.push_back(path);
  }
}

bool is_running(const Config& config) {
  return io::BlockingClient::connect(config.socket("supervisor"), store::kRecorderFrameBytesMax,
                                     keys::ErrorReply::kType)
      .has_value();
}

Result<ExitCode> command_serve(const CliContext& context) {
  SystemClock clock;
  TRY(Supervisor(context.config, clock).run());
  return ExitCode::kDone;
}

Result<ExitCode> command_fsck(const CliContext& context) {
  RealVfs vfs;
  SystemEntropy entropy;
  std::vector<std::string> findings, notes;
  std::vector<std::string> paths;
  store::FileObjectStore objects(vfs, context.config.recorder.objects_dir);
  list_objects(objects, "", 0, paths);
  check_objects(objects, paths, progress_wanted(context.json), findings);
  if (const auto key = load_log_key(vfs, context.config)) {
    if (const auto log = check_log(vfs, context.config.log, *key, progress_wanted(context.json)))
      for (const auto& line : log->findings) findings.push_back("log/" + line);
    else
      findings.push_back("log: " + log.error().message);
  } else {
    findings.push_back("log/public.key: " + key.error().message);
  }
  if (is_running(context.config))
    notes.emplace_back(kFilesInUse);
  else
    check_in_use(vfs, context.config, findings);
  // Two openers of one key store would be one too many: a keeper holds its lock, and between two
  // keepers of a planned restart it is nobody's to take.
  if (is_running(context.config))
    notes.emplace_back(kKeysInUse);
  else if (auto checked = check_keys(vfs, entropy, context.config))
    findings.insert(findings.end(), checked->begin(), checked->end());
  else if (checked.error().code == Errc::kBusy)
    notes.emplace_back(kKeysInUse);
  else
    findings.push_back("key store: " + checked.error().message);
  if (const auto state = load_retention_state(vfs, context.config)) {
    if (const auto read = erase::decode_retention(*state); !read)
      findings.push_back("keeper/retention: " + read.error().message);
  } else if (state.error().code != Errc::kNotFound) {
    findings.push_back("keeper/retention: " + state.error().message);
  }
  if (context.json) {
    print_json({{"good", findings.empty()},
                {"objects", paths.size()},
                {"findings", to_array(findings)},
                {"notes", to_array(notes)}});
  } else {
    print_lines("bad", findings);
    print_lines("note", notes);
    std::printf("%s: %zu objects read\n", findings.empty() ? "good" : "DAMAGED", paths.size());
  }
  return findings.empty() ? ExitCode::kDone : ExitCode::kFoundBad;
}

// A mirror whose disk is gone for good is filled anew on another. Never by itself: a disk that is
// only away would come back with keys that the others have destroyed.
Result<ExitCode> command_mirror_renew(const CliContext& context, std::size_t number) {
  RealVfs vfs;
  SystemEntropy entropy;
  const auto& config = context.config;
  if (is_running(config))
    return fail(Errc::kState, "stop Callward first: its key store has one opener");
  if (number < 1 || number > config.keys.mirrors.size())
    return fail(Errc::kConfig,
                "there are mirrors 1 to " + std::to_string(config.keys.mirrors.size()));
  const auto keys = TRY(open_keys(vfs, entropy, config));
  const auto& store = keys.store;
  const auto key = TRY(load_log_key(vfs, config));
  const auto log = TRY(audit::verify_log(vfs, config.log.dir, key));
  if (!log.good() || log.entries + log.journal_entries < store->log_size())
    return fail(Errc::kCorrupt,
                "the audit log is damaged or older than the key store: nothing is destroyed");
  if (store->mirrors()[number - 1].good) return fail(Errc::kState, "this mirror is good");
  TRY(store->repair_mirror(number - 1, keys::MirrorFill::kNewDisk));
  std::printf(
      "mirror %zu is filled anew in %s.\nIf its old disk still exists, destroy it: what was erased "
      "since it went away "
      "may open with what stands there.\n",
      number, config.keys.mirrors[number - 1].store_dir.c_str());
  return ExitCode::kDone;
}

// The owner gives up a mirror that cannot be reached: through the service, which goes on.
Result<ExitCode> command_mirror_retire(const CliContext& context, std::size_t number,
                                       const std::string& reason) {
  const auto http = TRY(HttpClient::create(context.config));
  const auto retired =
      TRY(http->post("/v1/system/mirrors/" + std::to_string(number) + "/retirement",
                     boost::json::object{{"reason", reason}}));
  if (context.json) {
    print_json(retired);
    return ExitCode::kDone;
  }
  if (retired.at("destroyed").as_bool()) {
    std::printf("mirror %zu answered as it was retired: no key lives there\n", number);
    return ExitCode::kDone;
  }
  const auto epoch = retired.at("epoch").to_number<std::uint64_t>();
  std::printf(
      "mirror %zu is retired; last seen in epoch %s. Erasures are done without it from now on, and "
      "every proof says so.\nDestroy its disk. If it comes back it is destroyed, then filled "
      "anew.\n"
      "To prove the reason later, keep it with r = %s\n",
      number, epoch == 0 ? "unknown" : std::to_string(epoch).c_str(),
      std::string(retired.at("r").as_string()).c_str());
  return ExitCode::kDone;
}

Result<ExitCode> command_config_show(const CliContext& context) {
  const auto& c = context.config;
  boost::json::array witnesses;
  for (const auto& witness : c.log.witnesses)
    witnesses.push_back({{"url", witness.url}, {"key", audit::witness_verifier_key(witness.key)}});
  boost::json::object retention;
  const auto kept = c.retention.policy();
  for (std::size_t i = 0; i < erase::kCallClasses.size(); ++i)
    retention[std::string(erase::kCallClasses[i]) + "_days"] = kept.days[i];
  const boost::json::object shown{
      {"file", c.file},
      {"data", {{"dir", c.data_dir}, {"run_dir", c.run_dir}}},
      {"keys",
       {{"credential_file", c.keys.credential_file},
        {"mirrors", c.keys.mirrors.size()},
        {"clear_deadline_s", c.keys.clear_deadline_s},
        {"on_deadline", c.keys.on_deadline}}},
      {"log",
       {{"dir", c.log.dir},
        {"origin", c.log.origin},
        {"witnesses", std::move(witnesses)},
        {"witness_quorum", c.log.witness_quorum},
        {"witness_every_s", c.log.witness_every_s}}},
      {"sip",
       {{"listen", c.sip.listen}, {"port", c.sip.port}, {"udp", c.sip.udp}, {"tcp", c.sip.tcp}}},
      {"callback",
       {{"proxy", c.callback.proxy},
        {"from", c.callback.from},
        {"media_address", c.callback.media_address},
        {"rtp_port_first", c.callback.rtp_port_first},
        {"rtp_port_last", c.callback.rtp_port_last}}},
      {"recorder",
       {{"spool_dir", c.recorder.spool_dir},
        {"objects_dir", c.recorder.objects_dir},
        {"rtp_port_first", c.recorder.rtp_port_first},
        {"rtp_port_last", c.recorder.rtp_port_last},
        {"calls_max", c.recorder.calls_max}}},
      {"listener",
       {{"workers", c.listener.workers},
        {"worker", boost::json::value_from(c.listener.worker_argv)},
        {"device", c.listener.device},
        {"grammar_dir", c.listener.grammar_dir},
        {"check", c.listener.check}}},
      {"server",
       {{"listen", c.server.listen},
        {"port", c.server.port},
        {"console_dir", c.server.console_dir},
        {"time_zone", c.server.time_zone}}},
      {"retention", std::move(retention)},
      {"courier",
       {{"smtp_url", c.courier.smtp ? c.courier.smtp->url() : ""},
        {"smtp_starttls", c.courier.smtp_starttls},
        {"mail_from", c.courier.mail_from},
        {"sms_url", c.courier.sms ? c.courier.sms->url() : ""}}},
      {"reminders", {{"email", c.reminders.email}, {"lapse_minutes", c.reminders.lapse_minutes}}}};
  print_json(shown);
  return ExitCode::kDone;
}

}  // namespace callward::app
