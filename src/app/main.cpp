// callward: one binary. Commands for people, and `process NAME` for the supervisor's children.
#include <csignal>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/cli.hpp"
#include "app/cli_completion.hpp"
#include "app/cli_log.hpp"
#include "app/process.hpp"
#include "base/event_log.hpp"
#include "erase/reasons.hpp"

namespace callward::app {

namespace {

int exit_of(const Result<ExitCode>& outcome) {
  return static_cast<int>(outcome ? *outcome : report(outcome.error()));
}

int run_process(const std::string& name, const std::string& config_file, int take_over) {
  struct Entry {
    const char* name;
    Status (*run)(const ProcessContext&);
  };
  static constexpr Entry kProcesses[] = {{"keeper", run_keeper},   {"recorder", run_recorder},
                                         {"signal", run_signal},   {"listener", run_listener},
                                         {"courier", run_courier}, {"server", run_server}};
  set_log_process(name);
  ::signal(SIGPIPE, SIG_IGN);
  auto config = load_config(config_file);
  if (!config) return static_cast<int>(report(config.error()));
  const ProcessContext context{std::move(*config), name, take_over};
  for (const auto& entry : kProcesses) {
    if (name != entry.name) continue;
    const auto done = entry.run(context);
    if (done) return 0;
    log_event("process.failed",
              {{"code", to_string(done.error().code)}, {"why", done.error().message}});
    return 1;
  }
  return static_cast<int>(report({Errc::kConfig, "no process " + name}));
}

// The commands, each with its own options; what was chosen is run after parsing.
class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string(kVersionText));
    app_.failure_message(CLI::FailureMessage::help);
    add_start();
    add_calls();
    add_listen();
    add_acts();
    add_people();
    add_proofs();
    add_files();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      const int code = app_.exit(error);
      return code == 0 ? 0 : static_cast<int>(ExitCode::kWrongUse);
    }
    return chosen_();
  }

 private:
  CLI::App* command(const std::string& name, const std::string& text, CLI::App* parent = nullptr) {
    auto* sub = (parent == nullptr ? &app_ : parent)->add_subcommand(name, text);
    return sub;
  }
  CLI::App* with_config(CLI::App* sub, bool required = true) {
    auto* option =
        sub->add_option("--config", config_, "the configuration file (DIR/callward.toml)");
    if (required) option->required();
    sub->add_flag("--json", json_, "for machines");
    return sub;
  }
  void on(CLI::App* sub, std::function<Result<ExitCode>(const CliContext&)> act) {
    sub->callback([this, act = std::move(act)] {
      chosen_ = [this, act] {
        auto config = load_config(config_);
        if (!config) return static_cast<int>(report(config.error()));
        return exit_of(act(CliContext{std::move(*config), json_}));
      };
    });
  }

  void add_start() {
    auto* init = command("init", "make a data folder: configuration, keys, certificate, owner");
    init->add_option("--data", init_.dir, "the folder")->required();
    init->add_option("--owner", init_.owner, "the owner's name");
    init->add_option("--passphrase-file", init_.passphrase_file,
                     "take the owner's passphrase from a file; no enrolment link then");
    init->add_flag("--json", init_.json, "for machines");
    init->callback([this] { chosen_ = [this] { return exit_of(command_init(init_)); }; });
    on(with_config(
           command("serve", "start all processes; one JSON line when ready; until stopped")),
       command_serve);
    on(with_config(command("status", "processes, disks")), command_status);
    auto* restart = with_config(
        command("restart", "start a process anew, of an upgraded program too; nothing is lost"));
    restart->add_option("process", process_, "keeper")
        ->required()
        ->check(CLI::IsMember({"keeper"}));
    on(restart, [this](const CliContext& c) { return command_restart(c, process_); });
    auto* process = command("process", "one child process (the supervisor's business)")->group("");
    process->add_option("name", process_)->required();
    process->add_option("--config", config_)->required();
    process->add_option("--take-over", take_over_, "keeper: a socket to the one before it");
    process->callback(
        [this] { chosen_ = [this] { return run_process(process_, config_, take_over_); }; });
  }

  void add_calls() {
    auto* calls = with_config(command("calls", "list calls, newest first"));
    calls->add_option("--day", day_, "one UTC day, 2026-11-24");
    on(calls, [this](const CliContext& c) { return command_calls(c, day_); });
    auto* account = with_config(command("account", "what became of every second of a call"));
    account->add_option("call", call_)->required();
    on(account, [this](const CliContext& c) { return command_account(c, call_); });
    auto* transcript =
        with_config(command("transcript", "the words that are left of a call (a logged act)"));
    transcript->add_option("call", call_)->required();
    transcript->add_option("--reason", transcript_reason_, "why; sealed with the call");
    on(transcript,
       [this](const CliContext& c) { return command_transcript(c, call_, transcript_reason_); });
  }

  void add_listen() {
    auto* listen = command("listen", "how well secrets are found");
    listen->require_subcommand(1);
    auto* report = with_config(command(
        "report", "how much is missed and erased needlessly, by what reviewers marked", listen));
    report->add_option("--from", listen_report_.from, "the first UTC day of reviews, 2026-11-24");
    report->add_option("--to", listen_report_.to, "the last one");
    on(report, [this](const CliContext& c) { return command_listen_report(c, listen_report_); });
  }

  void add_acts() {
    auto* play = with_config(
        command("play", "write what may be opened of a call as WAV (logged as an export)"));
    play->add_option("call", play_.call)->required();
    play->add_option("--out", play_.out, "the WAV file")->required();
    play->add_option("--reason", play_.reason, "why; sealed with the call")->required();
    on(play, [this](const CliContext& c) { return command_play(c, play_); });
    auto* erase = with_config(command("erase", "erase a range of a call for ever, or all of it"));
    erase->add_option("call", erase_.call)->required();
    erase->add_flag("--all", erase_.all,
                    "the whole call, its own data too: held until another person confirms");
    erase->add_option("--stream", erase_.stream, "customer, agent or both")
        ->check(CLI::IsMember({"customer", "agent", "both"}));
    erase->add_option("--from", erase_.from_ms, "ms from the call's start")
        ->check(CLI::NonNegativeNumber);
    erase->add_option("--to", erase_.to_ms, "ms from the call's start")->check(CLI::PositiveNumber);
    std::vector<std::string> reasons(erase::kReasons.begin(), erase::kReasons.end());
    std::erase(reasons, erase::kRetentionReason);  // the keeper's own
    erase->add_option("--reason", erase_.reason_code, "the reason's code")
        ->required()
        ->check(CLI::IsMember(reasons));
    erase->add_option("--note", erase_.reason, "in words; sealed with the call")
        ->default_val("command line");
    on(erase, [this](const CliContext& c) { return command_erase(c, erase_); });
    on(with_config(
           command("held", "what the listener ordered beyond its bounds: a person decides")),
       command_held);
    auto* decide = with_config(
        command("decide", "about a held order: erase its ranges for ever, or open them again"));
    decide->add_option("call", decide_.call)->required();
    decide->add_option("--order", decide_.order, "as `callward held` names it")->required();
    auto* gone = decide->add_flag("--erase", decide_.erase, "destroy the keys; cannot be undone");
    decide->add_flag("--keep", decide_.keep, "open the ranges again")->excludes(gone);
    decide->add_option("--reason", decide_.reason, "why; sealed with the call")->required();
    on(decide, [this](const CliContext& c) { return command_decide(c, decide_); });
    auto* hold = command("hold", "legal holds: such a call is not erased as a whole");
    hold->require_subcommand(1);
    for (const bool set : {true, false}) {
      auto* one = with_config(
          command(set ? "set" : "lift", set ? "put a call under a legal hold" : "end it", hold));
      one->add_option("call", call_)->required();
      one->add_option("--reason", reason_, "why; sealed with the call")->required();
      on(one, [this, set](const CliContext& c) { return command_hold(c, call_, set, reason_); });
    }
    on(with_config(command("list", "calls under a legal hold", hold)), command_holds);
    add_retention();
    auto* import =
        with_config(command("import", "take in sound files: left customer, right agent"));
    import->add_option("files", import_.files)->required();
    import->add_flag("--wait", import_.wait, "return when listening and erasing are done");
    import->add_flag("--swapped", import_.swapped, "left agent, right customer");
    import->add_option("--direction", import_.direction)
        ->check(CLI::IsMember({"incoming", "outgoing", "unknown"}));
    on(import, [this](const CliContext& c) { return command_import(c, import_); });
  }

  void add_retention() {
    auto* retention = command("retention", "calls whose time is over; [retention] says when");
    retention->require_subcommand(1);
    on(with_config(command("status", "what is due, when it runs; exit code 3 when it has stopped",
                           retention)),
       command_retention_status);
    auto* run =
        with_config(command("run", "erase what is due now, not only once a day", retention));
    run->add_flag("--dry-run", retention_.dry_run, "say what would go, and do nothing");
    on(run, [this](const CliContext& c) { return command_retention_run(c, retention_); });
    auto* confirm = with_config(command(
        "confirm", "the owner: it has stopped, and may go on with so many calls", retention));
    confirm->add_option("--calls", retention_.calls, "as `callward retention status` says")
        ->required()
        ->check(CLI::NonNegativeNumber);
    confirm->add_option("--reason", retention_.reason, "why; its hash stands in the log")
        ->required();
    on(confirm, [this](const CliContext& c) { return command_retention_confirm(c, retention_); });
    auto* fields = with_config(
        command("fields", "customers' fields: what is due and erased; or what a policy would take",
                retention));
    auto* dry = fields->add_flag("--dry-run", field_retention_.dry_run,
                                 "count what would go by when, and do nothing");
    fields
        ->add_option("--policy", field_retention_.policy, "a policy file that is not in force yet")
        ->needs(dry);
    auto* word = fields->add_option(
        "act", field_act_,
        "confirm: an owner, who signs it in the console; the policy's days hold for what is "
        "stored, what has stopped goes on");
    word->check(CLI::IsMember({"confirm"}))->excludes(dry);
    auto* customers =
        fields
            ->add_option("--customers", field_confirm_.customers,
                         "confirm: of whom something goes at once, as `retention fields` says")
            ->check(CLI::NonNegativeNumber)
            ->needs(word);
    auto* reason =
        fields->add_option("--reason", field_confirm_.reason, "confirm: why; its hash is logged")
            ->needs(word);
    word->needs(customers)->needs(reason);
    on(fields, [this](const CliContext& c) {
      return field_act_.empty() ? command_retention_fields(c, field_retention_)
                                : command_retention_fields_confirm(c, field_confirm_);
    });
  }

  void add_people() {
    using Act = Result<ExitCode> (*)(const CliContext&, const UserOptions&);
    auto* user = command("user", "people: who is here; roles are signed in the console");
    user->require_subcommand(1);
    on(with_config(command("list", "who is here, what for, and what a release lacks", user)),
       command_user_list);
    const auto one = [&](const char* name, const char* text, Act act, CLI::App* parent) {
      auto* sub = with_config(command(name, text, parent));
      on(sub, [this, act](const CliContext& c) { return act(c, user_); });
      return sub;
    };
    auto* add = one("add", "a name more; before the role chart is founded, with a link",
                    command_user_add, user);
    add->add_option("name", user_.name)->required();
    add->add_option("--role", user_.role, "before the role chart: reviewer (the default) or owner")
        ->check(CLI::IsMember({"reviewer", "owner"}));
    one("invite", "a new link, before the role chart is founded", command_user_invite, user)
        ->add_option("name", user_.name)
        ->required();
    one("found", "the owner's one-time link that founds the role chart", command_user_found, user)
        ->add_option("name", user_.name, "which owner, where there are several");
    one("sessions", "somebody's sessions", command_user_sessions, user)
        ->add_option("name", user_.name)
        ->required();
    one("revoke", "end all of somebody's sessions", command_user_revoke, user)
        ->add_option("name", user_.name)
        ->required();
    auto* totp = command("totp", "somebody's one-time codes", user);
    totp->require_subcommand(1);
    one("reset", "take them away: of a telephone that is gone", command_user_totp_reset, totp)
        ->add_option("name", user_.name)
        ->required();
  }

  void add_proofs() {
    auto* prove = command("prove", "proofs of erasure, for an auditor");
    prove->require_subcommand(1);
    auto* erasure =
        with_config(command("erasure", "take a proof of what was erased of a call", prove));
    erasure->add_option("call", prove_.call)->required();
    erasure->add_option("--out", prove_.out, "the file for the proof");
    on(erasure, [this](const CliContext& c) { return command_prove_erasure(c, prove_); });
    auto* check =
        command("check", "check a proof, offline; exit code 3 when it does not hold", prove);
    check->add_option("file", prove_.out)->required();
    check->add_option("--key", prove_.key_file, "the log's public.key, as you got it another way");
    check->add_flag("--json", json_, "for machines");
    check->callback([this] {
      chosen_ = [this] { return exit_of(command_prove_check(prove_.out, prove_.key_file, json_)); };
    });
    auto* challenge = with_config(command(
        "challenge",
        "ask the keeper for random segments: kept ones open, erased ones do not; logged", prove));
    challenge->add_option("call", prove_.call)->required();
    challenge->add_option("--samples", prove_.samples, "of each kind")->check(CLI::Range(1, 1'000));
    on(challenge, [this](const CliContext& c) { return command_prove_challenge(c, prove_); });
  }

  void add_backup() {
    auto* backup = with_config(
        command("backup", "recordings, metadata, log, configuration into a folder; never keys"),
        false);
    backup->add_option("--out", backup_, "the folder; the second time only what is new is copied");
    auto* verify =
        command("verify", "every file against the manifest, and the manifest against the log's key",
                backup);
    verify->add_option("dir", verified_.dir)->required();
    verify->add_option("--key", verified_.key,
                       "the log's verifier key, or a file with it: kept apart from the backup");
    verify->add_option("--config", verified_.config, "or the configuration of the log");
    verify->add_flag("--allow-unsigned", verified_.allow_unsigned,
                     "take one that an older version made, which did not sign");
    verify->add_flag("--json", verified_.json, "for machines");
    backup->callback([this] {
      chosen_ = [this] {
        if (!verified_.dir.empty()) return exit_of(command_backup_verify(verified_));
        if (backup_.empty() || config_.empty())
          return static_cast<int>(report({Errc::kConfig, "backup needs --config and --out DIR"}));
        auto config = load_config(config_);
        if (!config) return static_cast<int>(report(config.error()));
        return exit_of(command_backup(CliContext{std::move(*config), json_}, backup_));
      };
    });
    auto* restore =
        command("restore",
                "a backup onto a new machine, with a mirror that survived; 3: something is lost");
    restore->add_option("backup", restore_.backup)->required();
    restore->add_option("--data", restore_.data, "the new data folder")->required();
    restore->add_option("--mirror", restore_.mirrors, "a folder with store/ and anchor/; repeated");
    restore->add_option("--credential", restore_.credential, "your copy of keeper/credential");
    restore->add_option("--log-key", restore_.log_key, "your copy of keeper/log.key");
    restore->add_flag("--allow-unsigned", restore_.allow_unsigned,
                      "take a backup that an older version made, which did not sign");
    restore->add_flag("--json", restore_.json, "for machines");
    restore->callback([this] { chosen_ = [this] { return exit_of(command_restore(restore_)); }; });
  }

  void add_files() {
    log_.add(app_, chosen_);
    auto* fsck = with_config(
        command("fsck", "check objects, log and key store; exit code 3 when something is wrong"));
    fsck->add_flag("--try-keys", try_keys_,
                   "instead: try every key on the disk on every record, and say what opens");
    on(fsck,
       [this](const CliContext& c) { return try_keys_ ? command_try_keys(c) : command_fsck(c); });
    auto* mirror = command("mirror", "mirrors of the key store");
    mirror->require_subcommand(1);
    auto* renew = with_config(
        command("renew", "stopped: fill a mirror anew whose disk is gone for good", mirror));
    renew->add_option("number", mirror_, "1 is the first of [keys] mirrors")->required();
    auto* retire = with_config(command(
        "retire", "running: give up a mirror that cannot be reached; erasures go on without it",
        mirror));
    retire->add_option("number", mirror_, "1 is the first of [keys] mirrors")->required();
    retire->add_option("--reason", reason_, "why; its hash stands in the log")->required();
    on(retire, [this](const CliContext& c) { return command_mirror_retire(c, mirror_, reason_); });
    on(renew, [this](const CliContext& c) { return command_mirror_renew(c, mirror_); });
    add_backup();
    add_policy();
    auto* config = command("config", "the configuration");
    config->require_subcommand(1);
    on(with_config(command("show", "what is in force", config)), command_config_show);
    command("completion", "a completion script for bash")->callback([this] {
      chosen_ = [this] {
        std::fputs(completion_script(app_).c_str(), stdout);
        return 0;
      };
    });
  }

  void add_policy() {
    auto* policy = command("policy", "what is asked of customers, and how long it is kept");
    policy->require_subcommand(1);
    auto* check = command(
        "check", "judge a policy file; exit code 3 when it is wrong, or relaxes something", policy);
    check->add_option("file", policy_.file)->required();
    check->add_option("--against", policy_.against, "the one in force: what would be relaxed");
    check->add_flag("--json", policy_.json, "for machines");
    check->callback(
        [this] { chosen_ = [this] { return exit_of(command_policy_check(policy_)); }; });
    auto* page = command("page", "the page for callers, as HTML", policy);
    auto* file = page->add_option("file", policy_.file, "a policy file");
    page->add_option("--config", policy_.config, "or the one in force")->excludes(file);
    page->callback([this] {
      chosen_ = [this] {
        if (policy_.file.empty() && policy_.config.empty())
          return static_cast<int>(report({Errc::kConfig, "of which policy? FILE or --config"}));
        return exit_of(command_policy_page(policy_));
      };
    });
  }

  CLI::App app_{"Callward: records calls, forgets secrets, proves both"};
  std::function<int()> chosen_;
  std::string backup_, reason_, config_, process_, day_, call_,
      transcript_reason_ = "read on the command line";
  bool json_ = false, try_keys_ = false;
  std::size_t mirror_ = 0;
  int take_over_ = -1;
  LogCommands log_;
  InitOptions init_;
  PlayOptions play_;
  EraseOptions erase_;
  ListenReportOptions listen_report_;
  DecideOptions decide_;
  BackupVerifyOptions verified_;
  RetentionOptions retention_;
  FieldRetentionOptions field_retention_;
  FieldConfirmOptions field_confirm_;
  std::string field_act_;
  ProveOptions prove_;
  ImportOptions import_;
  UserOptions user_;
  RestoreOptions restore_;
  PolicyOptions policy_;
};

}  // namespace
}  // namespace callward::app

int main(int argc, char** argv) { return callward::app::CommandLine().run(argc, argv); }
