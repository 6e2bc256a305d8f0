// `callward prove`: proofs of erasure, taken, checked and put to the test.
#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include "app/cli.hpp"
#include "app/keeper_state.hpp"
#include "app/reader.hpp"
#include "erase/call_keys.hpp"
#include "erase/proof.hpp"
#include "store/account.hpp"

namespace callward::app {
namespace {

using erase::ProofReport;
using keys::SegmentRange;

constexpr std::int64_t kSegmentMs = 100;

Result<erase::ErasureProof> fetch_proof(HttpClient& http, const std::string& call) {
  TRY(CallId::parse(call));
  return erase::decode_proof(boost::json::serialize(
      TRY(http.post("/v1/calls/" + call + "/erasure-proofs", boost::json::object{}))));
}

std::string stretch(const SegmentRange& range) {
  char text[96];
  std::snprintf(text, sizeof text, "%-9s %10s to %10s", store::stream_name(range.stream).c_str(),
                short_duration(range.first * kSegmentMs).c_str(),
                short_duration(range.end * kSegmentMs).c_str());
  return text;
}

boost::json::array to_json(const std::vector<SegmentRange>& ranges) {
  boost::json::array out;
  for (const auto& range : ranges)
    out.push_back({{"stream", store::stream_name(range.stream)},
                   {"start_ms", range.first * kSegmentMs},
                   {"end_ms", range.end * kSegmentMs}});
  return out;
}

boost::json::object to_json(const ProofReport& report) {
  boost::json::array erased, findings, notes;
  for (const auto& line : report.erased)
    erased.push_back({{"stream", store::stream_name(line.range.stream)},
                      {"start_ms", line.range.first * kSegmentMs},
                      {"end_ms", line.range.end * kSegmentMs},
                      {"reason", line.reason},
                      {"source", line.source},
                      {"order", line.order},
                      {"ordered_at", line.ordered_at},
                      {"erased_at", line.erased_at},
                      {"epoch", line.epoch},
                      {"confirmed", line.confirmed}});
  for (const auto& text : report.findings) findings.emplace_back(text);
  for (const auto& text : report.notes) notes.emplace_back(text);
  return {{"holds", report.holds()},
          {"call", report.statement.call.hex()},
          {"at", report.statement.at},
          {"origin", report.checkpoint.origin},
          {"log_size", report.checkpoint.size},
          {"epoch", report.statement.epoch},
          {"mirrors", report.statement.mirrors.size()},
          {"remaining_nodes", report.statement.nodes.size()},
          {"object_root", report.object_root},
          {"erased", std::move(erased)},
          {"kept", to_json(report.kept)},
          {"lost", to_json(report.lost)},
          {"findings", std::move(findings)},
          {"notes", std::move(notes)}};
}

void print_erased(const ProofReport& report) {
  if (report.erased.empty()) std::printf("Nothing of this call was erased.\n");
  if (!report.erased.empty())
    std::printf("\nErased\n  %-36s  %-18s  %-20s  %-20s  %7s\n", "stretch of the call", "reason",
                "ordered (UTC)", "gone (UTC)", "entries");
  for (const auto& line : report.erased)
    std::printf("  %-36s  %-18s  %-20s  %-20s  %llu, %s\n", stretch(line.range).c_str(),
                line.reason.c_str(), short_time(line.ordered_at).c_str(),
                line.erased_at == 0 ? "not yet" : short_time(line.erased_at).c_str(),
                static_cast<unsigned long long>(line.intended_index),
                line.erased_at == 0 ? "-" : std::to_string(line.erased_index).c_str());
}

void print_ranges(const char* title, const std::vector<SegmentRange>& ranges) {
  if (ranges.empty()) return;
  std::printf("\n%s\n", title);
  for (const auto& range : ranges) std::printf("  %s\n", stretch(range).c_str());
}

// The form for people: what an auditor files.
void print_report(const ProofReport& report) {
  const auto& said = report.statement;
  std::printf("PROOF OF ERASURE\n\ncall              %s\nstate of          %s\n",
              said.call.hex().c_str(), short_time(said.at).c_str());
  std::printf("log               %s, %llu entries; the keeper's statement is entry %llu\n",
              report.checkpoint.origin.c_str(),
              static_cast<unsigned long long>(report.checkpoint.size),
              static_cast<unsigned long long>(report.statement_index));
  std::printf("keys              epoch %llu, %zu tree nodes remain\n",
              static_cast<unsigned long long>(said.epoch), said.nodes.size());
  for (std::size_t i = 0; i < said.mirrors.size(); ++i)
    std::printf(
        "mirror %-10zu %s, epoch %llu, %s; %s\n", i + 1, said.mirrors[i].state.c_str(),
        static_cast<unsigned long long>(said.mirrors[i].epoch),
        said.mirrors[i].confirmed ? "no older key lives there" : "AN OLDER KEY MAY LIVE THERE",
        said.mirrors[i].assurance.c_str());
  if (!report.object_root.empty())
    std::printf("recording         Merkle root %s\n", report.object_root.c_str());
  std::printf("numbers, names    %s\n", report.call_data_open ? "kept, sealed" : "gone");
  print_erased(report);
  print_ranges("Kept: its keys are there", report.kept);
  print_ranges("Lost with a keeper that died: its keys are gone, nobody ordered it", report.lost);
  if (!report.notes.empty()) std::printf("\nMind\n");
  for (const auto& text : report.notes) std::printf("  %s\n", text.c_str());
  std::printf(
      "\nWhat this cannot prove: that nobody copied a key, or listened, before it was "
      "destroyed; and that\nthe keeper named every node it has (`callward prove challenge` "
      "asks it; SECURITY.md says what remains).\n\n");
  for (const auto& text : report.findings) std::printf("BAD: %s\n", text.c_str());
  std::printf("%s\n", report.holds()
                          ? "HOLDS: the keys that remain are the exact complement of what the log "
                            "says was erased or lost."
                          : "DOES NOT HOLD.");
}

Result<ExitCode> say(const ProofReport& report, bool json) {
  if (json)
    print_json(to_json(report));
  else
    print_report(report);
  return report.holds() ? ExitCode::kDone : ExitCode::kFoundBad;
}

struct Sample {
  std::uint8_t stream = 0;
  std::uint32_t index = 0;
  bool kept = false;
  std::string state;  // what the keeper answered; "no record" where the store has none
  bool opened = false;
};

// Each segment alike, from the kernel's generator: nobody can foresee which are asked for.
std::vector<Sample> draw(const std::vector<SegmentRange>& ranges, std::size_t count, bool kept,
                         Entropy& entropy) {
  const auto all = segments_in(ranges);  // apart, as a report has them
  std::map<std::uint64_t, Sample> drawn;
  while (drawn.size() < std::min<std::uint64_t>(count, all)) {
    const auto raw = entropy.array<8>();
    const auto pick = load_le<std::uint64_t>(raw.data()) % all;
    auto at = pick;
    for (const auto& range : ranges) {
      const auto length = range.end - range.first;
      if (at < length) {
        drawn[pick] = {range.stream, range.first + static_cast<std::uint32_t>(at), kept, {}, false};
        break;
      }
      at -= length;
    }
  }
  std::vector<Sample> out;
  for (auto& [pick, sample] : drawn) out.push_back(std::move(sample));
  return out;
}

Status ask(HttpClient& http, const CallId& call, const Consent* consent, Sample& sample) {
  sample.state = "no record";
  CallReader reader(http, call, "challenge", "proof of erasure: random samples", consent);
  return reader.read(
      {"audio"}, sample.index * kSegmentMs, (sample.index + 1) * kSegmentMs,
      [&](const OpenedRecord& record) {
        if (record.header.stream != sample.stream || record.header.first != sample.index) return;
        sample.state = record.state;
        sample.opened = sample.opened || !record.plain.empty();
      });
}

// A segment that the store has no record of (the recorder was away) says nothing, either way.
struct Counted {
  std::size_t asked = 0, as_said = 0, no_record = 0;
  [[nodiscard]] bool good() const {
    return as_said + no_record == asked && (asked == 0 || as_said > 0);
  }
};
bool as_said(const Sample& sample) {
  return sample.kept ? sample.opened : !sample.opened && sample.state == "erased";
}
Counted count(const std::vector<Sample>& samples, bool kept) {
  Counted counted;
  for (const auto& sample : samples) {
    if (sample.kept != kept) continue;
    ++counted.asked;
    counted.as_said += as_said(sample);
    counted.no_record += !sample.opened && sample.state == "no record";
  }
  return counted;
}

ExitCode say(const std::vector<Sample>& samples, const std::string& call, bool json) {
  const auto kept = count(samples, true);
  const auto erased = count(samples, false);
  const bool good = kept.good() && erased.good();
  if (json) {
    boost::json::array items;
    for (const auto& sample : samples)
      items.push_back({{"stream", store::stream_name(sample.stream)},
                       {"start_ms", sample.index * kSegmentMs},
                       {"expected", sample.kept ? "opens" : "does not open"},
                       {"state", sample.state},
                       {"opened", sample.opened}});
    print_json({{"good", good}, {"call", call}, {"samples", std::move(items)}});
    return good ? ExitCode::kDone : ExitCode::kFoundBad;
  }
  std::printf(
      "kept segments asked for: %zu, opened: %zu, without a record: %zu\n"
      "erased segments asked for: %zu, refused as erased: %zu, without a record: %zu\n%s\n",
      kept.asked, kept.as_said, kept.no_record, erased.asked, erased.as_said, erased.no_record,
      good ? "good: what is kept opens, what is erased does not" : "BAD: not what the proof says");
  for (const auto& sample : samples)
    if (!as_said(sample))
      std::printf("%s: %s\n", stretch({sample.stream, sample.index, sample.index + 1}).c_str(),
                  sample.state.c_str());
  return good ? ExitCode::kDone : ExitCode::kFoundBad;
}

}  // namespace

Result<ExitCode> command_prove_erasure(const CliContext& context, const ProveOptions& options) {
  RealVfs vfs;
  const auto http = TRY(HttpClient::create(context.config));
  const auto proof = TRY(fetch_proof(*http, options.call));
  if (!options.out.empty())
    TRY(vfs.write_file_atomic(options.out, as_bytes(erase::encode_proof(proof) + "\n")));
  // Not taken on trust, even from ourselves.
  const auto report = TRY(erase::check_proof(proof, TRY(load_log_key(vfs, context.config))));
  return say(report, context.json);
}

Result<ExitCode> command_prove_check(const std::string& file, const std::string& key_file,
                                     bool json) {
  RealVfs vfs;
  const auto raw = TRY(vfs.read_file(file, erase::kProofBytesMax));
  const auto proof = TRY(erase::decode_proof(std::string(as_text(raw))));
  std::string key = proof.verifier_key;
  if (!key_file.empty()) key = std::string(as_text(TRY(vfs.read_file(key_file, 1'024))));
  auto report = TRY(erase::check_proof(proof, TRY(audit::parse_verifier_key(key))));
  if (key_file.empty())
    report.notes.emplace_back(
        "checked with the key that the proof itself names: give --key with the log's key that you "
        "got another way");
  return say(report, json);
}

Result<ExitCode> command_prove_challenge(const CliContext& context, const ProveOptions& options) {
  RealVfs vfs;
  SystemEntropy entropy;
  const auto http = TRY(HttpClient::create(context.config));
  const auto proof = TRY(fetch_proof(*http, options.call));
  const auto report = TRY(erase::check_proof(proof, TRY(load_log_key(vfs, context.config))));
  if (!report.holds()) return say(report, context.json);
  std::vector<SegmentRange> gone;
  for (const auto& line : report.erased)
    if (line.erased_at != 0) gone.push_back(line.range);
  gone = join(std::move(gone));
  const auto call = TRY(CallId::parse(options.call));
  auto samples = draw(report.opens, options.samples, true, entropy);
  for (auto& sample : draw(gone, options.samples, false, entropy)) samples.push_back(sample);
  const auto consent =
      TRY(Consent::ask(*http, {call, keys::OpenPurpose::kChallenge}, "samples for a proof"));
  Progress shown(progress_wanted(context.json), "segments");
  for (std::size_t i = 0; i < samples.size(); ++i) {
    shown.show(i, samples.size());
    TRY(ask(*http, call, consent ? &*consent : nullptr, samples[i]));
  }
  return say(samples, options.call, context.json);
}

}  // namespace callward::app
