#include "store/spool_call.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace callward::store {
namespace {

constexpr std::uint32_t kRunBytesMax = 64u << 10;
constexpr std::uint32_t kSegmentMs = 100;

struct Segments {
  std::uint32_t first = 1, last = 0;
};

Segments segments_of(FrameType type, ByteView payload) {
  if (type != FrameType::kAudio) return {};
  const auto header = keys::RecordHeader::parse(payload);
  if (!header) return {};
  return {header->first, header->last};
}

AccountState account_state(RecorderState state) {
  switch (state) {
    case RecorderState::kSealed:
      return AccountState::kSealed;
    case RecorderState::kLost:
      return AccountState::kLost;
    case RecorderState::kOnHold:
      return AccountState::kOnHold;
    case RecorderState::kSilent:
      return AccountState::kSilent;
  }
  return AccountState::kLost;
}

void assign_all(const std::vector<RecorderInterval>& changes,
                std::array<StreamAccount, kAudioStreamsMax>& accounts) {
  for (const auto& change : changes)
    if (change.stream < kAudioStreamsMax)
      accounts[change.stream].assign(change.start_ms, change.end_ms, account_state(change.state),
                                     change.cause);
}

}  // namespace

void SpoolCall::note_run(FrameType type, ByteView payload, const FrameRef& ref) {
  const auto segments = segments_of(type, payload);
  const auto note_derived = [&] {
    const auto at = runs_.size() - 1;
    if (type == FrameType::kDerived && (derived_runs_.empty() || derived_runs_.back() != at))
      derived_runs_.push_back(at);
  };
  if (!runs_.empty()) {
    auto& run = runs_.back();
    if (run.file == ref.file && run.offset + run.bytes == ref.offset &&
        run.bytes + ref.bytes <= kRunBytesMax) {
      run.bytes += ref.bytes;
      if (segments.first <= segments.last) {
        run.first = run.first > run.last ? segments.first : std::min(run.first, segments.first);
        run.last = std::max(run.last, segments.last);
      }
      note_derived();
      return;
    }
  }
  runs_.push_back({ref.file, ref.offset, ref.bytes, segments.first, segments.last});
  note_derived();
}

void SpoolCall::appended(FrameType type, ByteView payload, const FrameRef& ref) {
  note_run(type, payload, ref);
}

void SpoolCall::recovered(const FrameView& frame, const FrameRef& ref) {
  const auto payload = frame.payload;
  switch (frame.type) {
    case FrameType::kCallBegin:
      if (auto said = unpack<SpoolCallBegin>(payload)) {
        begin = std::move(*said);
        streams = begin->streams;
      } else {
        ++unreadable_;
      }
      break;
    case FrameType::kState:
      if (auto said = unpack<SpoolState>(payload))
        streams = std::move(said->streams);
      else
        ++unreadable_;
      break;
    case FrameType::kAccount:
      if (const auto said = unpack<SpoolAccount>(payload))
        assign_all(said->changes, accounts);
      else
        ++unreadable_;
      break;
    case FrameType::kCallEnded:
      recovered_end(payload);
      break;
    case FrameType::kListened:
      listened = true;
      break;
    case FrameType::kSources:
      if (auto said = unpack<SpoolSources>(payload)) {
        sources = std::move(said->sources);
        if (begin) begin->flags = std::move(said->flags);
      } else {
        ++unreadable_;
      }
      break;
    case FrameType::kDial:
      recovered_dial(payload);
      break;
    case FrameType::kAudio: {
      const auto header = keys::parse_record(payload);
      if (!header || header->kind != keys::RecordKind::kAudio ||
          header->stream >= kAudioStreamsMax) {
        ++unreadable_;
        return;
      }
      auto& account = accounts[header->stream];
      const auto start_ms = header->first * kSegmentMs;
      // An index written twice: the first valid record wins, and so does its account.
      if (start_ms >= account.end_ms())
        account.assign(start_ms, start_ms + kSegmentMs, AccountState::kSealed);
      else
        account.amend(start_ms, start_ms + kSegmentMs, AccountState::kLost, kLostDamaged,
                      AccountState::kSealed);
      end_index[header->stream] = std::max(end_index[header->stream], header->first + 1);
      break;
    }
    case FrameType::kDerived:
    case FrameType::kCallData:
      break;
    case FrameType::kLogEntry:
    case FrameType::kLogEntryDone:
    case FrameType::kCallFreed:
      return;  // not of a call's content
  }
  note_run(frame.type, payload, ref);
}

void SpoolCall::recovered_end(ByteView payload) {
  if (auto said = unpack<SpoolCallEnded>(payload))
    ended = std::move(*said);
  else
    ++unreadable_;
}

void SpoolCall::recovered_dial(ByteView payload) {
  if (const auto said = unpack<SpoolDial>(payload))
    dial = said->dial;
  else
    ++unreadable_;
}

void SpoolCall::fill_holes() {
  for (std::size_t stream = 0; stream < kAudioStreamsMax; ++stream)
    if (end_index[stream] > 0)
      accounts[stream].finish(std::max(end_index[stream] * kSegmentMs, accounts[stream].end_ms()),
                              AccountState::kLost, kLostDamaged);
}

std::uint16_t SpoolCall::stream_mask() const {
  std::uint16_t mask = 0;
  for (const auto& stream : streams) mask = static_cast<std::uint16_t>(mask | 1u << stream.stream);
  return mask;
}

std::vector<RecorderInterval> SpoolCall::account() const {
  std::vector<RecorderInterval> out;
  for (std::size_t stream = 0; stream < kAudioStreamsMax; ++stream) {
    auto part = to_recorder_intervals(static_cast<std::uint8_t>(stream), accounts[stream]);
    out.insert(out.end(), std::make_move_iterator(part.begin()),
               std::make_move_iterator(part.end()));
  }
  return out;
}

ObjectHead SpoolCall::object_head() const {
  CHECK(begin.has_value());
  ObjectHead head;
  head.call = id_;
  head.sequence = begin->sequence;
  head.source = begin->source;
  head.direction = begin->direction;
  head.started_at = begin->started_at;
  head.flags = begin->flags;
  if (ended) {
    head.ended_at = ended->ended_at;
    head.cause = ended->cause;
  }
  for (const auto& stream : streams)
    if (stream.stream < kAudioStreamsMax)
      head.streams.push_back({stream.stream, stream.party, stream.codec, end_index[stream.stream]});
  head.account = account();
  return head;
}

Result<std::vector<Bytes>> SpoolCall::records(const Spool& spool, keys::RecordKind kind,
                                              std::uint8_t stream, std::uint32_t first,
                                              std::uint32_t end, std::size_t max) const {
  const bool audio = kind == keys::RecordKind::kAudio;
  std::vector<std::pair<std::uint32_t, Bytes>> found;
  std::set<std::uint32_t> seen;
  for (const auto& run : runs_) {
    if (audio && (run.first > run.last || run.last < first || run.first >= end)) continue;
    TRY(spool.read_frames(run.file, run.offset, run.bytes, [&](const FrameView& frame) {
      if (frame.call != id_ || found.size() >= max) return;
      const auto header = keys::parse_record(frame.payload);
      if (!header || header->kind != kind || header->stream != stream || header->last < first ||
          header->first >= end)
        return;
      if (audio && !seen.insert(header->first).second) return;
      found.emplace_back(header->first, to_bytes(frame.payload));
    }));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Bytes> out;
  out.reserve(found.size());
  for (auto& [index, record] : found) out.push_back(std::move(record));
  return out;
}

Status SpoolCall::each_recorded(const Spool& spool, const RecordSink& sink, bool salvage) const {
  std::array<std::vector<bool>, kAudioStreamsMax> seen;
  for (const auto& run : runs_) {
    Status outcome;
    TRY(spool.read_frames(
        run.file, run.offset, run.bytes,
        [&](const FrameView& frame) {
          if (!outcome || (frame.type != FrameType::kAudio && frame.type != FrameType::kCallData))
            return;
          const auto header = keys::parse_record(frame.payload);
          if (!header) return;
          if (header->kind == keys::RecordKind::kAudio) {
            if (header->stream >= kAudioStreamsMax) return;
            auto& had = seen[header->stream];
            if (had.size() <= header->first) had.resize(header->first + 1024);
            if (had[header->first]) return;
            had[header->first] = true;
          }
          outcome = sink(frame.payload);
        },
        salvage));
    TRY(std::move(outcome));
  }
  return {};
}

Result<std::vector<Bytes>> SpoolCall::derived(const Spool& spool) const {
  std::vector<Bytes> out;
  for (const auto at : derived_runs_) {
    const auto& run = runs_[at];
    TRY(spool.read_frames(run.file, run.offset, run.bytes, [&](const FrameView& frame) {
      if (frame.type == FrameType::kDerived) out.push_back(to_bytes(frame.payload));
    }));
  }
  return out;
}

namespace {

// What is still readable, and the account that is true of it.
Status account_for_damage(const Spool& spool, const SpoolCall& call, ObjectHead& head) {
  std::array<std::vector<bool>, kAudioStreamsMax> there;
  TRY(call.each_recorded(
      spool,
      [&](ByteView record) -> Status {
        const auto header = TRY(keys::parse_record(record));
        if (header.kind != keys::RecordKind::kAudio) return {};
        auto& had = there[header.stream];
        if (had.size() <= header.first) had.resize(header.first + 1024);
        had[header.first] = true;
        return {};
      },
      true));
  head.account.clear();
  for (std::size_t stream = 0; stream < kAudioStreamsMax; ++stream) {
    auto account = call.accounts[stream];
    for (std::uint32_t index = 0; index < call.end_index[stream]; ++index)
      if (index >= there[stream].size() || !there[stream][index])
        account.amend(index * kSegmentMs, (index + 1) * kSegmentMs, AccountState::kSealed, {},
                      AccountState::kLost, kLostDamaged);
    const auto part = to_recorder_intervals(static_cast<std::uint8_t>(stream), account);
    head.account.insert(head.account.end(), part.begin(), part.end());
  }
  head.flags.push_back("spool_damaged");
  return {};
}

}  // namespace

Result<ObjectSummary> seal_call(const Spool& spool, const SpoolCall& call, ObjectStore& store) {
  if (!call.begin || !call.ended) return fail(Errc::kState, "the call has not begun or not ended");
  auto head = call.object_head();
  const auto name = object_name(head.call, head.started_at, ObjectKind::kRecording);
  if (store.exists(name)) {
    const auto there = TRY(open_object(store, name));
    TRY(there.verify());
    TRY(store.make_durable(name));
    return there.summary();
  }
  auto written = write_object(
      store, ObjectKind::kRecording, head,
      [&](const RecordSink& sink) { return call.each_recorded(spool, sink); }, false);
  if (written || written.error().code != Errc::kCorrupt) return written;
  TRY(account_for_damage(spool, call, head));
  return write_object(
      store, ObjectKind::kRecording, head,
      [&](const RecordSink& sink) { return call.each_recorded(spool, sink, true); }, false);
}

}  // namespace callward::store
