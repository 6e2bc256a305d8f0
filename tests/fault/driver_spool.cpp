// The spool's commits, and how an ended call becomes an object.
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "driver.hpp"
#include "segment/sealing_writer.hpp"
#include "store/spool_call.hpp"

namespace callward::fault {
namespace {

using store::FrameType;

constexpr std::uint32_t kSteps = 12;
constexpr std::uint32_t kFramesPerStep = 9;
constexpr std::uint32_t kFreeAtStep = 5;
constexpr std::uint32_t kSegments = 150;  // of each stream of the call that is sealed
constexpr std::int64_t kStartedAt = 1'700'000'000'000;

CallId id_of(std::uint64_t number) {
  SeededEntropy entropy(number);
  return CallId::random(entropy);
}
const CallId kCall = id_of(501), kOldCall = id_of(502);

// The same bytes whoever asks.
Bytes record_of(const CallId& call, std::uint8_t stream, std::uint32_t index) {
  SeededEntropy entropy(1'000'000ull * (stream + 1) + index);
  keys::RecordCipher cipher;
  const Bytes plain(segment::kAudioPayloadBytes, 0x55);
  const auto leaf = entropy.key();
  return cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = stream, .first = index},
                     call, plain, leaf);
}
Bytes call_data() {
  SeededEntropy entropy(9);
  keys::RecordCipher cipher;
  const auto leaf = entropy.key();
  return cipher.seal(entropy, {.kind = keys::RecordKind::kCallData, .stream = 15}, kCall,
                     as_bytes("{}"), leaf);
}

store::SpoolCallBegin begin_of() {
  store::SpoolCallBegin begin;
  begin.sequence = 1;
  begin.source = keys::CallSource::kSiprec;
  begin.started_at = kStartedAt;
  for (std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}}) {
    store::StreamSpec spec;
    spec.stream = stream;
    spec.mode = store::StreamMode::kActive;
    begin.streams.push_back(spec);
  }
  return begin;
}

struct Recovered {
  std::unique_ptr<store::Spool> spool;
  store::RecoveryReport report;
  std::map<CallId, store::SpoolCall> calls;
  std::map<CallId, std::vector<std::pair<std::uint32_t, Bytes>>> audio;  // index, record; in order
  std::map<CallId, bool> freed;
};

store::SpoolOptions options_of(const Scene& scene) {
  return {.dir = scene.dir + "/spool", .file_bytes = 1u << 16, .files_max = 12, .commit_ms = 20};
}

Result<Recovered> recover(Vfs& vfs, const Scene& scene) {
  Recovered out;
  out.spool = TRY(store::Spool::open(
      vfs, options_of(scene),
      [&](const store::FrameView& frame, const store::FrameRef& ref) {
        out.calls.try_emplace(frame.call, frame.call).first->second.recovered(frame, ref);
        if (frame.type == FrameType::kCallFreed) out.freed[frame.call] = true;
        if (frame.type != FrameType::kAudio) return;
        if (const auto header = keys::parse_record(frame.payload))
          out.audio[frame.call].emplace_back(header->first, to_bytes(frame.payload));
      },
      &out.report));
  for (auto& [id, call] : out.calls) call.fill_holes();
  return out;
}

void wait_durable(store::Spool& spool) {
  std::mutex mutex;
  std::condition_variable done;
  bool durable = false;
  spool.when_durable([&] {
    const std::lock_guard lock(mutex);
    durable = true;
    done.notify_all();
  });
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return durable; });
}

// kFull: no file is left for a moment, because the disk refused one. The recorder accounts a loss
// then; here it is tried again, so that everything must be there in the end.
store::FrameRef append(store::Spool& spool, FrameType type, const CallId& call, ByteView payload) {
  constexpr int kPatienceMs = 5'000;
  for (int waited = 0;; waited += 10) {
    auto ref = spool.append(type, call, payload);
    if (ref) return *ref;
    if (waited > kPatienceMs) {
      say("stuck");
      std::exit(3);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// ---- commits -------------------------------------------------------------------------------------

void make_spool(const Scene& scene) {
  RealVfs vfs;
  need(vfs.make_dirs(scene.dir + "/spool"), "folder");
  auto start = need(recover(vfs, scene), "spool");
  append(*start.spool, FrameType::kCallBegin, kOldCall, pack(begin_of()));
  for (std::uint32_t i = 0; i < 30; ++i)
    append(*start.spool, FrameType::kAudio, kOldCall, record_of(kOldCall, 0, i));
  append(*start.spool, FrameType::kCallBegin, kCall, pack(begin_of()));
  wait_durable(*start.spool);
}

void act_spool(const Scene& scene) {
  RealVfs vfs;
  auto start = need(recover(vfs, scene), "spool");
  ready(other_thread());
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    if (step == kFreeAtStep) {
      append(*start.spool, FrameType::kCallFreed, kOldCall, {});
      start.spool->free_call(kOldCall);
    }
    for (std::uint32_t i = 0; i < kFramesPerStep; ++i) {
      const auto index = step * kFramesPerStep + i;
      append(*start.spool, FrameType::kAudio, kCall, record_of(kCall, 0, index));
    }
    wait_durable(*start.spool);
    say("durable " + std::to_string((step + 1) * kFramesPerStep));
  }
  say("done");
}

void expect_frames(const Recovered& found, std::uint32_t acknowledged) {
  const auto audio = found.audio.find(kCall);
  const auto count = audio == found.audio.end() ? 0 : audio->second.size();
  expect(count >= acknowledged, "of " + std::to_string(acknowledged) +
                                    " frames that were acknowledged there are " +
                                    std::to_string(count));
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [index, record] = audio->second[i];
    expect(index == i && record == record_of(kCall, 0, index), "a frame is not what was written");
  }
  const auto call = found.calls.find(kCall);
  if (call == found.calls.end() || !call->second.begin) return wrong("the call is gone");
  const auto& account = call->second.accounts[0];
  expect(account.end_ms() == count * 100 &&
             account.total_ms(store::AccountState::kSealed) == count * 100,
         "a second is not accounted for as sealed");
  expect(found.report.damaged_bytes == 0, "bytes are damaged");
  expect(found.report.unreadable_files.empty(), "a file was set aside");
}

void check_spool(const Scene& scene) {
  RealVfs vfs;
  std::uint32_t acknowledged = 0;
  for (const auto& line : scene.said_after("durable"))
    acknowledged = static_cast<std::uint32_t>(std::stoul(line));
  std::uint32_t count = 0;
  {
    auto found = recover(vfs, scene);
    if (!found) return wrong("the spool does not open: " + found.error().message);
    expect_frames(*found, acknowledged);
    count = static_cast<std::uint32_t>(found->audio[kCall].size());
    append(*found->spool, FrameType::kAudio, kCall, record_of(kCall, 0, count));
    wait_durable(*found->spool);
  }
  auto again = recover(vfs, scene);
  if (!again) return wrong("the spool does not open again: " + again.error().message);
  expect_frames(*again, count + 1);
}

// ---- sealing -------------------------------------------------------------------------------------

std::string object_path() {
  return store::object_name(kCall, kStartedAt, store::ObjectKind::kRecording);
}

void make_object(const Scene& scene) {
  RealVfs vfs;
  need(vfs.make_dirs(scene.dir + "/spool"), "folder");
  need(vfs.make_dirs(scene.dir + "/objects"), "folder");
  auto start = need(recover(vfs, scene), "spool");
  auto& spool = *start.spool;
  append(spool, FrameType::kCallBegin, kCall, pack(begin_of()));
  append(spool, FrameType::kCallData, kCall, call_data());
  for (std::uint32_t i = 0; i < kSegments; ++i)
    for (std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}})
      append(spool, FrameType::kAudio, kCall, record_of(kCall, stream, i));
  append(spool, FrameType::kCallEnded, kCall,
         pack(store::SpoolCallEnded{
             kStartedAt + kSegments * 100, "bye", {{0, kSegments}, {1, kSegments}}}));
  wait_durable(spool);
}

std::string describe(const store::ObjectSummary& summary) {
  return to_hex(summary.root) + " " + std::to_string(summary.leaves);
}

void act_object(const Scene& scene) {
  RealVfs vfs;
  auto start = need(recover(vfs, scene), "spool");
  store::FileObjectStore objects(vfs, scene.dir + "/objects");
  ready(this_thread());
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const auto sealed = store::seal_call(*start.spool, start.calls.at(kCall), objects);
    if (!sealed) {
      std::fprintf(stderr, "seal_call: %s\n", sealed.error().message.c_str());
      continue;
    }
    say("sealed " + describe(*sealed));
    append(*start.spool, FrameType::kCallFreed, kCall, {});
    wait_durable(*start.spool);
    start.spool->free_call(kCall);
    say("done");
    return;
  }
  say("stuck");
}

void check_records(const store::ObjectReader& reader) {
  std::array<std::uint32_t, 2> seen{};
  for (const auto& entry : reader.entries()) {
    const auto record = need(reader.record(entry), "record");
    if (entry.kind == keys::RecordKind::kCallData) {
      expect(record == call_data(), "the call's own data are others");
      continue;
    }
    expect(record == record_of(kCall, entry.stream, entry.first), "a record is another");
    expect(seen.at(entry.stream)++ == entry.first, "a record is missing, or there twice");
  }
  expect(seen[0] == kSegments && seen[1] == kSegments, "records are missing");
  std::uint32_t sealed_ms = 0;
  for (const auto& interval : reader.head().account)
    if (interval.state == store::RecorderState::kSealed)
      sealed_ms += interval.end_ms - interval.start_ms;
  expect(sealed_ms == 2 * kSegments * 100, "a second is not accounted for as sealed");
}

void check_object(const Scene& scene) {
  RealVfs vfs;
  store::FileObjectStore objects(vfs, scene.dir + "/objects");
  auto found = recover(vfs, scene);
  if (!found) return wrong("the spool does not open: " + found.error().message);
  const auto acknowledged = scene.said_after("sealed");
  const bool there = objects.exists(object_path());
  if (!acknowledged.empty() || found->freed[kCall])
    expect(there, "sealed and acknowledged, and there is no object");
  if (!found->calls.contains(kCall) || found->freed[kCall]) {
    if (!there) return wrong("neither the spool nor an object has the call");
  } else {
    const auto sealed = store::seal_call(*found->spool, found->calls.at(kCall), objects);
    if (!sealed) return wrong("it cannot be sealed: " + sealed.error().message);
    if (!acknowledged.empty())
      expect(describe(*sealed) == acknowledged.front(), "sealed again, it is another object");
  }
  const auto reader = store::open_object(objects, object_path());
  if (!reader) return wrong("the object does not open: " + reader.error().message);
  if (const auto verified = reader->verify(); !verified) wrong(verified.error().message);
  check_records(*reader);
  const auto names = need(objects.list("2023/11/14"), "list");
  expect(names.size() == 1, "something else is left in the object's folder");
}

}  // namespace

const Operation kSpool{"spool", make_spool, act_spool, check_spool};
const Operation kObject{"object", make_object, act_object, check_object};

}  // namespace callward::fault
