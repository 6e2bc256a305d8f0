// `callward fsck --try-keys`: what whoever takes the whole disk, anchors and credential included,
// can open of each call. It tries every key that the key store still leads to on every record that
// there is, and believes no account.
#include <cstdio>
#include <map>

#include "app/cli.hpp"
#include "app/keeper_state.hpp"
#include "erase/call_keys.hpp"
#include "keys/key_store.hpp"
#include "keys/record.hpp"
#include "store/account.hpp"
#include "store/object_store.hpp"

namespace callward::app {
namespace {

constexpr std::int64_t kSegmentMs = 100;

struct Tried {
  // Of audio, per stream: runs [from_ms, to_ms) in the order of the call, and whether they open.
  struct Run {
    std::int64_t from_ms = 0, to_ms = 0;
    bool opens = false;
  };
  std::map<std::uint8_t, std::vector<Run>> audio;
  std::uint64_t derived_open = 0, derived_closed = 0;
  std::vector<std::string> findings;  // a key that is there, and a record that it does not open
};

void add_run(std::vector<Tried::Run>& runs, std::uint32_t index, bool opens) {
  const auto from = std::int64_t{index} * kSegmentMs;
  if (!runs.empty() && runs.back().opens == opens && runs.back().to_ms == from)
    runs.back().to_ms += kSegmentMs;
  else
    runs.push_back({from, from + kSegmentMs, opens});
}

class KeyTrial {
 public:
  KeyTrial(store::ObjectStore& objects, std::map<CallId, keys::Cover> covers)
      : objects_(objects), covers_(std::move(covers)) {}

  Status object(const std::string& name) {
    const auto reader = TRY(store::open_object(objects_, name));
    const auto& id = reader.head().call;
    auto& tried = calls_[id];
    const auto cover = covers_.find(id);
    for (const auto& entry : reader.entries()) {
      if (entry.kind == keys::RecordKind::kCallData) continue;
      const auto record = TRY(reader.record(entry));
      const auto header = TRY(keys::parse_record(record));
      const bool opens = cover != covers_.end() && open(tried, id, cover->second, header, record);
      if (header.kind == keys::RecordKind::kAudio)
        add_run(tried.audio[header.stream], header.first, opens);
      else
        ++(opens ? tried.derived_open : tried.derived_closed);
    }
    return {};
  }
  [[nodiscard]] const std::map<CallId, Tried>& calls() const { return calls_; }

 private:
  bool open(Tried& tried, const CallId& id, const keys::Cover& cover,
            const keys::RecordHeader& header, ByteView record) {
    const auto key = keys::key_of_record(header, [&](std::uint8_t stream, std::uint32_t index) {
      return cover.leaf(keys::leaf_of(stream, index));
    });
    if (!key) return false;
    // Two records of one index (a recorder's restart): each has its own key, from the same leaf.
    if (cipher_.open(record, id, *key)) return true;
    tried.findings.push_back("stream " + std::to_string(header.stream) + ", segment " +
                             std::to_string(header.first) + ": its key is there and does not fit");
    return false;
  }

  store::ObjectStore& objects_;
  std::map<CallId, keys::Cover> covers_;
  std::map<CallId, Tried> calls_;
  keys::RecordCipher cipher_;
};

Result<std::map<CallId, keys::Cover>> covers_on_disk(Vfs& vfs, Entropy& entropy,
                                                     const Config& config) {
  const auto opened = TRY(open_keys(vfs, entropy, config));
  std::map<CallId, keys::Cover> covers;
  TRY(opened.store->for_each(
      [&](std::uint64_t row, ByteView content) -> Status {
        auto call = TRY(erase::CallKeys::decode_row(row, content));
        covers[call.id] = std::move(call.cover);
        return {};
      },
      0, keys::kCallRowsEnd));
  return covers;
}

boost::json::object to_json(const CallId& id, const Tried& tried) {
  boost::json::array audio, findings;
  for (const auto& [stream, runs] : tried.audio)
    for (const auto& run : runs)
      audio.push_back({{"stream", store::stream_name(stream)},
                       {"start_ms", run.from_ms},
                       {"end_ms", run.to_ms},
                       {"opens", run.opens}});
  for (const auto& line : tried.findings) findings.emplace_back(line);
  return {{"call", id.hex()},
          {"audio", std::move(audio)},
          {"derived_open", tried.derived_open},
          {"derived_closed", tried.derived_closed},
          {"findings", std::move(findings)}};
}

void print_call(const CallId& id, const Tried& tried) {
  std::printf("%s\n", id.hex().c_str());
  for (const auto& [stream, runs] : tried.audio)
    for (const auto& run : runs)
      std::printf("  %-9s  %10s  %10s  %s\n", store::stream_name(stream).c_str(),
                  short_duration(run.from_ms).c_str(), short_duration(run.to_ms).c_str(),
                  run.opens ? "opens" : "does not open: no key leads there");
  std::printf("  derived records: %llu open, %llu do not\n",
              static_cast<unsigned long long>(tried.derived_open),
              static_cast<unsigned long long>(tried.derived_closed));
  for (const auto& line : tried.findings) std::printf("  bad: %s\n", line.c_str());
}

}  // namespace

Result<ExitCode> command_try_keys(const CliContext& context) {
  if (is_running(context.config))
    return fail(Errc::kState,
                "Callward runs on this folder; stop it first: its key store has one opener");
  RealVfs vfs;
  SystemEntropy entropy;
  store::FileObjectStore objects(vfs, context.config.recorder.objects_dir);
  KeyTrial trial(objects, TRY(covers_on_disk(vfs, entropy, context.config)));
  std::vector<std::string> paths;
  list_objects(objects, "", 0, paths);
  {
    Progress shown(progress_wanted(context.json), "objects");
    std::uint64_t done = 0;
    for (const auto& path : paths) {
      shown.show(done++, paths.size());
      TRY(trial.object(path));
    }
  }
  bool good = true;
  boost::json::array calls;
  for (const auto& [id, tried] : trial.calls()) {
    good = good && tried.findings.empty();
    if (context.json)
      calls.push_back(to_json(id, tried));
    else
      print_call(id, tried);
  }
  if (context.json) print_json({{"good", good}, {"calls", std::move(calls)}});
  return good ? ExitCode::kDone : ExitCode::kFoundBad;
}

}  // namespace callward::app
