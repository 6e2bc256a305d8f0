#include "app/cli_log.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <set>

#include "app/witness_carrier.hpp"
#include "audit/receipt.hpp"
#include "audit/rules.hpp"
#include "audit/tiles.hpp"
#include "audit/verify.hpp"
#include "disclose/log_rules.hpp"
#include "disclose/request.hpp"

namespace callward::app {
namespace {

constexpr std::size_t kKeyBytesMax = 1'024;

using Big = unsigned long long;

// Bytes that do not hold are found bad, whatever is wrong with them.
Result<ExitCode> found_bad(const std::string& what, const Error& error) {
  std::fprintf(stderr, "callward: %s: %s\n", what.c_str(), error.message.c_str());
  return error.code == Errc::kConfig ? ExitCode::kWrongUse : ExitCode::kFoundBad;
}

std::string witnesses_text(const std::vector<audit::Cosignature>& lines) {
  std::string out;
  for (const auto& line : lines)
    out += (out.empty() ? ", witnessed by " : ", ") + line.witness + " at " +
           short_time(static_cast<std::int64_t>(line.at_s) * 1'000);
  return out;
}

boost::json::array witnesses_json(const std::vector<audit::Cosignature>& lines) {
  boost::json::array out;
  for (const auto& line : lines) out.push_back({{"name", line.witness}, {"at_s", line.at_s}});
  return out;
}

}  // namespace

Result<std::string> key_text(const std::string& given) {
  RealVfs vfs;
  if (!vfs.exists(given)) return given;
  const auto raw = TRY(vfs.read_file(given, kKeyBytesMax));
  return std::string(as_text(raw));
}

// The commands ------------------------------------------------------------------------------------

CLI::App* LogCommands::command(const char* name, const char* text, Act act) {
  auto* sub = log_->add_subcommand(name, text);
  sub->callback([this, act] {
    *chosen_ = [this, act] {
      const auto outcome = (this->*act)();
      return static_cast<int>(outcome ? *outcome : report(outcome.error()));
    };
  });
  sub->add_flag("--json", json_, "for machines");
  return sub;
}

void LogCommands::place_options(CLI::App* sub, bool positional) {
  sub->add_option("--config", config_, "the configuration file (DIR/callward.toml)");
  sub->add_option(positional ? "dir" : "--dir", dir_, "a log's folder, instead of --config's");
}

void LogCommands::key_option(CLI::App* sub, bool required) {
  auto* key = sub->add_option("--key", key_,
                              "the log's verifier key, or a file with it: kept apart from the log");
  if (required) key->required();
}

void LogCommands::witness_options(CLI::App* sub) {
  sub->add_option("--witness-key", witness_keys_,
                  "a witness's verifier key, or a file with it; may be named again");
  sub->add_option("--witness-quorum", quorum_, "how many of them must have signed")
      ->check(CLI::Range(std::size_t{1}, std::size_t{16}));
}

void LogCommands::add(CLI::App& app, std::function<int()>& chosen) {
  chosen_ = &chosen;
  log_ = app.add_subcommand("log", "the audit log");
  log_->require_subcommand(1);
  auto* sub = command(
      "verify", "re-derive the log's tree from its entries; exit code 3 when something is wrong",
      &LogCommands::verify);
  place_options(sub, true);
  key_option(sub, false);
  witness_options(sub);
  sub = command("check", "hold the entries to the rules; exit code 3 when one is broken",
                &LogCommands::check);
  place_options(sub, true);
  key_option(sub, false);
  sub =
      command("receipt", "write the proof that an entry stands in the log", &LogCommands::receipt);
  sub->add_option("index", index_, "the entry's number, from 0")->required();
  sub->add_option("--out", out_, "the file, best named *.tlog-proof")->required();
  place_options(sub, false);
  sub =
      command("check-receipt", "check such a proof, without the log", &LogCommands::check_receipt);
  sub->add_option("file", file_)->required();
  sub->add_option("--entry", entry_, "a file with the entry; default: the one in the receipt");
  key_option(sub, true);
  witness_options(sub);
  sub = command("export", "write the checkpoint of a day, or of now, for a stranger's archive",
                &LogCommands::export_day);
  sub->add_option("--day", day_, "a UTC day that is over, 2026-11-24; default: now");
  sub->add_option("--since", since_, "an older export that it is to continue");
  sub->add_option("--out", out_, "the file")->required();
  place_options(sub, false);
  sub = command("check-export", "prove that each file continues the one before, without the log",
                &LogCommands::check_export);
  sub->add_option("files", files_, "oldest first")->required()->expected(1, 4'096);
  key_option(sub, true);
  witness_options(sub);
  sub = command("witness", "carry the newest checkpoint to the configured witnesses now",
                &LogCommands::witness);
  sub->add_option("--out", out_, "also write it, with their signatures, to a file");
  place_options(sub, false);
  command("types", "the table of entry types, as docs/log-entries.md", &LogCommands::types);
  command("rules", "the table of rules, as docs/log-rules.md", &LogCommands::rules);
  command("steps", "what may happen to a request, as docs/disclosure.md", &LogCommands::steps);
}

// Where and whose ---------------------------------------------------------------------------------

Result<audit::WitnessPolicy> LogCommands::witnesses(audit::WitnessPolicy configured) const {
  auto policy = witness_keys_.empty() ? std::move(configured) : audit::WitnessPolicy{};
  std::set<crypto::PublicKey> keys;
  for (const auto& given : witness_keys_) {
    const auto key = audit::parse_witness_key(TRY(key_text(given)));
    if (!key) return fail(Errc::kConfig, "--witness-key: " + key.error().message);
    if (!keys.insert(key->key).second)
      return fail(Errc::kConfig, "--witness-key names one key twice: it is one witness");
    policy.keys.push_back(*key);
  }
  if (quorum_) policy.quorum = *quorum_;
  if (quorum_ && policy.quorum > policy.keys.size())
    return fail(Errc::kConfig, "--witness-quorum is " + std::to_string(policy.quorum) + ", and " +
                                   std::to_string(policy.keys.size()) +
                                   " witnesses are named by --witness-key");
  return policy;
}

Result<LogCommands::Place> LogCommands::place() const {
  RealVfs vfs;
  Place place;
  place.dir = dir_;
  if (!config_.empty()) {
    const auto config = TRY(load_config(config_));
    if (place.dir.empty()) place.dir = config.log.dir;
    place.witnesses = config.log.witness_policy();
    place.ask = config.log.witnesses;
  }
  if (place.dir.empty()) return fail(Errc::kConfig, "name the log: --config FILE, or its folder");
  const auto text = key_.empty() ? place.dir + "/public.key" : key_;
  if (key_.empty() && !vfs.exists(text))
    return fail(Errc::kNotFound, text + ": no such file; name the log's key with --key");
  const auto key = audit::parse_verifier_key(TRY(key_text(text)));
  if (!key) return fail(Errc::kConfig, "the log's key: " + key.error().message);
  place.key = *key;
  place.witnesses = TRY(witnesses(std::move(place.witnesses)));
  place.witnesses_named = !witness_keys_.empty() || quorum_.has_value();
  return place;
}

// What they do ------------------------------------------------------------------------------------

Result<ExitCode> LogCommands::verify() {
  RealVfs vfs;
  const auto place = TRY(this->place());
  Progress shown(progress_wanted(json_), "entries of the log");
  const auto report = TRY(audit::verify_log(
      vfs, place.dir, place.key,
      [&](std::uint64_t done, std::uint64_t all) { shown.show(done, all); }, place.witnesses,
      place.witnesses_named));
  if (json_) {
    print_json({{"good", report.good()},
                {"entries", report.entries},
                {"journal_entries", report.journal_entries},
                {"files", report.files},
                {"days", report.days},
                {"witnessed_size", report.witnessed_size},
                {"witnesses", to_array(report.witnesses)},
                {"root", to_hex(report.root)},
                {"findings", to_array(report.findings)},
                {"warnings", to_array(report.warnings)}});
  } else {
    print_lines("bad", report.findings);
    print_lines("note", report.warnings);
    if (!report.witnesses.empty()) {
      print_lines("witness", report.witnesses);
      std::printf("witnessed: %llu entries\n", static_cast<Big>(report.witnessed_size));
    }
    std::printf("%s: %llu entries under the checkpoint, %llu behind it, %llu files, root %s\n",
                report.good() ? "good" : "DAMAGED", static_cast<Big>(report.entries),
                static_cast<Big>(report.journal_entries), static_cast<Big>(report.files),
                to_hex(report.root).substr(0, 16).c_str());
  }
  return report.good() ? ExitCode::kDone : ExitCode::kFoundBad;
}

Result<ExitCode> LogCommands::check() {
  RealVfs vfs;
  const auto place = TRY(this->place());
  Progress shown(progress_wanted(json_), "entries of the log");
  disclose::LogRules people_and_requests;
  const auto report = TRY(audit::check_rules(
      vfs, place.dir, place.key, {},
      [&](std::uint64_t done, std::uint64_t all) { shown.show(done, all); }, &people_and_requests));
  boost::json::array findings;
  for (const auto& finding : report.findings) {
    const auto* weight = audit::to_text(finding.rule->weight);
    if (json_)
      findings.push_back({{"rule", finding.rule->name},
                          {"weight", weight},
                          {"index", finding.index},
                          {"subject", finding.subject},
                          {"what", finding.what}});
    else
      std::printf("%s: entry %llu, %s: %s (%s)\n", weight, static_cast<Big>(finding.index),
                  finding.subject.c_str(), finding.what.c_str(),
                  std::string(finding.rule->name).c_str());
  }
  if (json_)
    print_json({{"good", report.good()},
                {"entries", report.entries},
                {"calls", report.calls},
                {"orders", report.orders},
                {"unknown_types", report.unknown},
                {"breaches", report.breaches},
                {"warnings", report.warnings},
                {"notes", report.notes},
                {"findings", std::move(findings)}});
  else
    std::printf(
        "%s: %llu entries, %llu calls, %llu orders; %llu breaches, %llu warnings, %llu notes\n",
        report.good() ? "kept" : "BROKEN", static_cast<Big>(report.entries),
        static_cast<Big>(report.calls), static_cast<Big>(report.orders),
        static_cast<Big>(report.breaches), static_cast<Big>(report.warnings),
        static_cast<Big>(report.notes));
  if (!json_ && report.unknown > 0)
    std::printf("note: %llu entries of types that this program does not know\n",
                static_cast<Big>(report.unknown));
  return report.good() ? ExitCode::kDone : ExitCode::kFoundBad;
}

Result<ExitCode> LogCommands::receipt() {
  RealVfs vfs;
  const auto place = TRY(this->place());
  const auto receipt = TRY(audit::make_receipt(vfs, place.dir, place.key, index_));
  TRY(vfs.write_file_atomic(out_, as_bytes(audit::encode_receipt(receipt))));
  const auto size = TRY(audit::open_checkpoint(receipt.note, place.key)).size;
  if (json_)
    print_json({{"file", out_}, {"index", index_}, {"size", size}});
  else
    std::printf("%s: entry %llu in a log of %llu\n", out_.c_str(), static_cast<Big>(index_),
                static_cast<Big>(size));
  return ExitCode::kDone;
}

Result<ExitCode> LogCommands::check_receipt() {
  RealVfs vfs;
  const auto key = audit::parse_verifier_key(TRY(key_text(key_)));
  if (!key) return fail(Errc::kConfig, "--key: " + key.error().message);
  const auto witnesses = TRY(this->witnesses());
  const auto raw = TRY(vfs.read_file(file_, audit::kReceiptBytesMax));
  std::optional<Bytes> entry;
  if (!entry_.empty()) entry = TRY(vfs.read_file(entry_, 1u << 17));
  const auto receipt = audit::parse_receipt(as_text(raw));
  if (!receipt) return found_bad(file_, receipt.error());
  const auto checked = audit::check_receipt(
      *receipt, entry ? std::optional<ByteView>(*entry) : std::nullopt, *key, witnesses);
  if (!checked) return found_bad(file_, checked.error());
  if (json_)
    print_json({{"good", true},
                {"index", receipt->index},
                {"origin", checked->checkpoint.origin},
                {"size", checked->checkpoint.size},
                {"root", to_hex(checked->checkpoint.root)},
                {"witnesses", witnesses_json(checked->cosignatures)},
                {"entry", checked->entry}});
  else
    std::printf("good: entry %llu of %s, in a log of %llu entries%s\n%s\n",
                static_cast<Big>(receipt->index), checked->checkpoint.origin.c_str(),
                static_cast<Big>(checked->checkpoint.size),
                witnesses_text(checked->cosignatures).c_str(), checked->entry.c_str());
  return ExitCode::kDone;
}

Result<ExitCode> LogCommands::export_day() {
  RealVfs vfs;
  const auto place = TRY(this->place());
  audit::Continuation day;
  if (day_.empty()) {
    auto newest = TRY(audit::read_checkpoint(vfs, place.dir + "/checkpoint", place.key));
    day.note = std::move(newest.note);
  } else {
    auto there = audit::read_day(vfs, place.dir, day_);
    if (!there && there.error().code == Errc::kNotFound)
      return fail(Errc::kNotFound,
                  day_ +
                      ": no such day; days are closed soon after midnight UTC while Callward "
                      "runs. Without --day: the log as it is now");
    day = TRY(std::move(there));
  }
  if (!since_.empty()) {
    const auto raw = TRY(vfs.read_file(since_, audit::kNoteBytesMax));
    const auto before = TRY(audit::parse_continuation(as_text(raw)));
    const auto old_size = TRY(audit::open_checkpoint(before.note, place.key)).size;
    day = TRY(audit::continue_from(vfs, place.dir, place.key, old_size, day.note));
    // Never handed out unless it holds.
    TRY(audit::check_continues(before, day, place.key, {}));
  }
  TRY(vfs.write_file_atomic(out_, as_bytes(audit::encode_continuation(day))));
  const auto size = TRY(audit::open_checkpoint(day.note, place.key)).size;
  if (json_)
    print_json({{"file", out_}, {"size", size}, {"since_size", day.old_size}});
  else
    std::printf("%s: a log of %llu entries, continuing one of %llu\n", out_.c_str(),
                static_cast<Big>(size), static_cast<Big>(day.old_size));
  return ExitCode::kDone;
}

Result<ExitCode> LogCommands::check_export() {
  RealVfs vfs;
  const auto key = audit::parse_verifier_key(TRY(key_text(key_)));
  if (!key) return fail(Errc::kConfig, "--key: " + key.error().message);
  const auto witnesses = TRY(this->witnesses());
  std::optional<audit::Continuation> before;
  boost::json::array sizes;
  for (const auto& file : files_) {
    const auto raw = TRY(vfs.read_file(file, audit::kNoteBytesMax));
    auto next = audit::parse_continuation(as_text(raw));
    if (!next) return found_bad(file, next.error());
    // The first one is held to its key, and to nothing before it.
    const auto checked = audit::check_continues(before ? *before : *next, *next, *key, witnesses);
    if (!checked && checked.error().code == Errc::kState)
      return fail(Errc::kConfig, file + ": " + checked.error().message);
    if (!checked) return found_bad(file, checked.error());
    sizes.push_back(checked->size);
    // The only times in such a file: those at which witnesses saw it.
    const auto seen = witnesses.keys.empty()
                          ? std::vector<audit::Cosignature>{}
                          : TRY(audit::check_cosignatures(next->note, witnesses));
    if (!json_)
      std::printf("%s: %llu entries%s%s\n", file.c_str(), static_cast<Big>(checked->size),
                  before ? ", continues the one before" : "", witnesses_text(seen).c_str());
    before = std::move(*next);
  }
  if (json_)
    print_json({{"good", true}, {"compared", files_.size() > 1}, {"sizes", std::move(sizes)}});
  else if (files_.size() > 1)
    std::printf("good: nothing was rewritten\n");
  else
    std::printf("the signature holds; name an older file before it to compare\n");
  return ExitCode::kDone;
}

Result<ExitCode> LogCommands::witness() {
  RealVfs vfs;
  const auto place = TRY(this->place());
  if (place.ask.empty())
    return fail(Errc::kConfig, "no witness is configured: [log] witnesses, with --config");
  const auto newest = TRY(audit::read_checkpoint(vfs, place.dir + "/checkpoint", place.key));
  const auto& checkpoint = newest.checkpoint;
  auto note = newest.note;
  bool alarm = false;
  std::size_t good = 0;
  boost::json::array list;
  for (const auto& one : place.ask) {
    audit::WitnessClient client(one, post_to_witness);
    const auto line =
        client.ask(newest.note, checkpoint, audit::tile_nodes(vfs, place.dir, checkpoint.size));
    if (line) note += line->line;
    good += line ? 1 : 0;
    alarm = alarm || audit::is_alarm(client.state());
    const auto why = line ? std::string() : line.error().message;
    if (json_)
      list.push_back({{"name", one.name},
                      {"state", audit::to_text(client.state())},
                      {"alarm", audit::is_alarm(client.state())},
                      {"why", why}});
    else
      std::printf("%s: %s\n", one.name.c_str(), line ? "signed" : why.c_str());
  }
  const bool quorum = good >= place.witnesses.quorum;
  if (!out_.empty() && good > 0) TRY(vfs.write_file_atomic(out_, as_bytes(note)));
  if (json_)
    print_json({{"size", checkpoint.size}, {"quorum", quorum}, {"witnesses", std::move(list)}});
  else
    std::printf("%zu of %zu signed the log of %llu entries; %zu are needed\n", good,
                place.ask.size(), static_cast<Big>(checkpoint.size), place.witnesses.quorum);
  return alarm ? ExitCode::kFoundBad : quorum ? ExitCode::kDone : ExitCode::kFailed;
}

Result<ExitCode> LogCommands::types() {
  std::fputs(audit::entry_types_markdown().c_str(), stdout);
  return ExitCode::kDone;
}

Result<ExitCode> LogCommands::steps() {
  std::fputs(disclose::table_markdown().c_str(), stdout);
  return ExitCode::kDone;
}

Result<ExitCode> LogCommands::rules() {
  std::fputs(audit::rules_markdown().c_str(), stdout);
  return ExitCode::kDone;
}

}  // namespace callward::app
