// The command line: one function a command. They print for people, or JSON with --json; errors say
// what to do.
#pragma once

#include <boost/json.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "app/http_client.hpp"
#include "store/object_store.hpp"

namespace callward::app {

// 0 done, 1 failed, 2 wrong use, 3 found something bad.
enum class ExitCode : int { kDone = 0, kFailed = 1, kWrongUse = 2, kFoundBad = 3 };
inline constexpr std::string_view kVersionText = "callward 0.1.0";

struct CliContext {
  Config config;
  bool json = false;
};

bool is_running(const Config& config);  // whether `serve` does, on this data folder
ExitCode report(const Error& error);    // to standard error; the exit code that fits
void print_json(const boost::json::value& value);
void print_lines(const char* label, const std::vector<std::string>& lines);
boost::json::array to_array(const std::vector<std::string>& lines);
std::string short_time(std::int64_t utc_ms);
std::string short_duration(std::int64_t ms);

// Progress goes to standard error, and only where a person looks: a terminal, and no --json.
bool progress_wanted(bool json);
// "objects: 12 of 345", over itself, a few times a second; gone when it ends.
class Progress {
 public:
  Progress(bool wanted, const char* what, std::FILE* out = stderr)
      : wanted_(wanted), what_(what), out_(out) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();
  void show(std::uint64_t done, std::uint64_t all);

 private:
  bool wanted_;
  const char* what_;
  std::FILE* out_;
  std::int64_t next_ms_ = 0;
  bool shown_ = false;
};

struct InitOptions {
  std::string dir, owner = "owner", passphrase_file;
  bool json = false;
};
Result<ExitCode> command_init(const InitOptions& options);
Result<ExitCode> command_serve(const CliContext& context);
Result<ExitCode> command_status(const CliContext& context);
// A planned restart of one process, without loss.
Result<ExitCode> command_restart(const CliContext& context, const std::string& process);
// What is wrong with which process, a line each; `system` is the supervisor's status or the API's.
std::vector<std::string> status_lines(const boost::json::value& system);
Result<ExitCode> command_calls(const CliContext& context, const std::string& day);
Result<ExitCode> command_account(const CliContext& context, const std::string& call);
Result<ExitCode> command_transcript(const CliContext& context, const std::string& call,
                                    const std::string& reason);
struct PlayOptions {
  std::string call, out, reason;
};
Result<ExitCode> command_play(const CliContext& context, const PlayOptions& options);
struct EraseOptions {
  std::string call, stream, reason_code, reason;
  std::int64_t from_ms = 0, to_ms = 0;
  bool all = false;
};
Result<ExitCode> command_erase(const CliContext& context, const EraseOptions& options);
Result<ExitCode> command_hold(const CliContext& context, const std::string& call, bool set,
                              const std::string& reason);
Result<ExitCode> command_holds(const CliContext& context);
struct RetentionOptions {
  bool dry_run = false;
  std::int64_t calls = 0;
  std::string reason;
};
// 3: it has stopped, and erases nothing until the owner confirms.
Result<ExitCode> command_retention_status(const CliContext& context);
Result<ExitCode> command_retention_run(const CliContext& context, const RetentionOptions& options);
Result<ExitCode> command_retention_confirm(const CliContext& context,
                                           const RetentionOptions& options);
// How it stands, for people; `retention` is the API's answer.
std::vector<std::string> retention_lines(const boost::json::value& retention);
struct FieldRetentionOptions {
  bool dry_run = false;
  std::string policy;  // file of a dry run; empty: the one in force
};
struct FieldConfirmOptions {
  std::int64_t customers = 0;
  std::string reason;
};
// Says where an owner signs it, with what it is of, and waits for that. kState: the number is
// another, or nothing waits. kTimeout: nobody has signed it.
Result<ExitCode> command_retention_fields_confirm(const CliContext& context,
                                                  const FieldConfirmOptions& options);
// Where an owner signs it: number and reason stand behind the #, which no browser sends.
std::string field_confirm_address(const std::string& origin, const FieldConfirmOptions& options);
// Customers' fields. 3: nothing is erased, an owner's word is waited for, or the policy of the dry
// run relaxes what is in force.
Result<ExitCode> command_retention_fields(const CliContext& context,
                                          const FieldRetentionOptions& options);
// Of the dry run that was begun: `run` is it, counting or counted. kUnavailable: it failed, was
// lost with a keeper that started anew, or is another's.
Status check_dry_run(const boost::json::value& begun, const boost::json::value& run);
std::vector<std::string> field_retention_lines(const boost::json::value& retention);
std::vector<std::string> field_forecast_lines(const boost::json::value& forecast);
// People, as far as the operator may. kFailed with the console's address: it takes a signature.
struct UserOptions {
  std::string name, role;
};
Result<ExitCode> command_user_list(const CliContext& context);
Result<ExitCode> command_user_add(const CliContext& context, const UserOptions& options);
Result<ExitCode> command_user_invite(const CliContext& context, const UserOptions& options);
// The owner's link that founds the role chart; an older one of it is worth nothing then.
Result<ExitCode> command_user_found(const CliContext& context, const UserOptions& options);
Result<ExitCode> command_user_sessions(const CliContext& context, const UserOptions& options);
Result<ExitCode> command_user_revoke(const CliContext& context, const UserOptions& options);
Result<ExitCode> command_user_totp_reset(const CliContext& context, const UserOptions& options);
// A line a person, then what is missing; `people` is the API's answer.
std::vector<std::string> user_lines(const boost::json::value& people);
std::vector<std::string> founding_lines();  // the least staffing, and recovery
struct PolicyOptions {
  std::string file, against, config;
  bool json = false;
};
struct PolicyFindings {
  std::vector<std::string> wrong;    // why it is no policy
  std::vector<std::string> relaxes;  // what it promises less than `against`
};
// kConfig: `against` is no policy. Errors of reading as they are.
Result<PolicyFindings> check_policy(Vfs& vfs, const std::string& file, const std::string& against);
// 3: it is wrong, or relaxes something.
Result<ExitCode> command_policy_check(const PolicyOptions& options);
Result<ExitCode> command_policy_page(const PolicyOptions& options);  // HTML
struct ListenReportOptions {
  std::string from, to;  // UTC days of the reviews; empty: from ever, until now
};
Result<ExitCode> command_listen_report(const CliContext& context,
                                       const ListenReportOptions& options);
Result<ExitCode> command_held(const CliContext& context);
struct DecideOptions {
  std::string call, order, reason;
  bool erase = false, keep = false;
};
Result<ExitCode> command_decide(const CliContext& context, const DecideOptions& options);
// A line a held range: the table of `callward held`; `held` is the API's answer.
std::vector<std::string> held_lines(const boost::json::value& held);
// 0 only for what is gone for good; else a sentence that says what the outcome means.
struct OrderEnding {
  ExitCode code{};
  std::string sentence;
};
OrderEnding ending_of_order(const std::string& outcome);
struct ImportOptions {
  std::vector<std::string> files;
  bool wait = false;
  bool swapped = false;  // left agent, right customer
  std::string direction = "incoming";
};
Result<ExitCode> command_import(const CliContext& context, const ImportOptions& options);
Result<ExitCode> command_fsck(const CliContext& context);
struct ProveOptions {
  std::string call, out, key_file;
  std::size_t samples = 16;  // of kept segments, and as many of erased ones
};
// A proof of erasure into a file; what it says, for people, when there is none.
Result<ExitCode> command_prove_erasure(const CliContext& context, const ProveOptions& options);
// Offline. Without a key file the key in the proof is used, and it is said that nothing stands for
// it.
Result<ExitCode> command_prove_check(const std::string& file, const std::string& key_file,
                                     bool json);
// Asks the living keeper for random segments: kept ones must open, erased ones must not.
Result<ExitCode> command_prove_challenge(const CliContext& context, const ProveOptions& options);
Result<ExitCode> command_try_keys(const CliContext& context);
Result<ExitCode> command_backup(const CliContext& context, const std::string& dir);
struct BackupVerifyOptions {
  std::string dir;
  std::string key;     // verifier key of the log, or a file with it; else the one in the backup
  std::string config;  // or whose log's it is
  bool allow_unsigned = false;
  bool json = false;
};
Result<ExitCode> command_backup_verify(const BackupVerifyOptions& options);
struct RestoreOptions {
  std::string backup, data, credential, log_key;
  std::vector<std::string> mirrors;  // folders that hold store/ and anchor/
  bool allow_unsigned = false;       // of an older version
  bool json = false;
};
// Onto a new machine, with a mirror that survived. Exit code 3 when something stays lost or closed.
Result<ExitCode> command_restore(const RestoreOptions& options);
Result<ExitCode> command_mirror_renew(const CliContext& context, std::size_t number);
Result<ExitCode> command_mirror_retire(const CliContext& context, std::size_t number,
                                       const std::string& reason);
Result<ExitCode> command_config_show(const CliContext& context);
// All objects of the store and their derived twins, by day.
void list_objects(store::ObjectStore& objects, const std::string& folder, int depth,
                  std::vector<std::string>& paths);

}  // namespace callward::app
