// The recorder: segments sealed under forward-only keys, frames in the spool, an object at the end.
#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "sim/world_ask.hpp"

namespace callward::sim {

using store::FrameType;

void World::start_recorder() {
  std::map<CallId, store::SpoolCall> found;
  std::set<CallId> freed;
  store::RecoveryReport report;
  auto spool = store::Spool::open(
      recorder_vfs_,
      {.dir = "/r/spool",
       .file_bytes = store::kSpoolFileBytesMin * 4,
       .files_max = 200,
       .commit_ms = 0},
      [&](const store::FrameView& frame, const store::FrameRef& ref) {
        found.try_emplace(frame.call, frame.call).first->second.recovered(frame, ref);
        if (frame.type == FrameType::kCallFreed) freed.insert(frame.call);
      },
      &report);
  if (!spool) {
    expect(!settling_, "the spool does not open: " + spool.error().message);
    return;
  }
  spool_ = std::move(*spool);
  recorder_back_at_ = 0;
  note("the recorder is there, with " + std::to_string(found.size()) + " calls");
  for (auto& call : calls_) {
    const auto known = found.find(call->id);
    if (freed.contains(call->id)) expect(call->sealed, "freed, and never sealed");
    if (freed.contains(call->id) || (known == found.end() && call->seal_told)) continue;
    if (known == found.end() || !known->second.begin) {
      // One that was never durable is no call.
      expect(!call->begin_durable, "a call is gone from the spool");
      call->listened_told = call->end_told = call->seal_told = call->ended = true;
      call->begin_durable = false;
      continue;
    }
    auto& spooled = known->second;
    spooled.fill_holes();
    expect(!call->end_told || spooled.ended.has_value(), "an end that was told is gone");
    call->ended = spooled.ended.has_value();
    call->spooled = std::move(spooled);
    call->waits_for_keys = !call->ended;
  }
}

// What it had in memory goes: keys, and frames that were not durable (their records may be there).
void World::recorder_died() {
  note("the recorder died");
  told_running_ = false;
  ++counts_.recorder_deaths;
  spool_.reset();
  uncommitted_.clear();
  for (auto& call : calls_) {
    call->spooled.reset();
    for (auto& writer : call->writers) writer.reset();
    call->frozen.clear();
    call->needs_adoption = call->waits_for_keys = false;
  }
}

bool World::put(SimCall& call, FrameType type, ByteView payload) {
  if (!spool_) return false;
  const auto ref = spool_->append(type, call.id, payload);
  if (!ref) return false;
  call.spooled->appended(type, payload, *ref);
  return true;
}

void World::begin_call() {
  if (!keeper_ || !spool_ || !spool_->can_admit()) return;
  auto call = std::make_unique<SimCall>();
  call->id = CallId::random(recorder_entropy_);
  call->started_at = clock_.utc_ms();
  call->begun_ms = clock_.monotonic_ms();
  call->settled_beyond = log_->size();
  auto started = ask<keys::CallStarted>(
      &erase::Keeper::call_start, {call->id, keys::CallSource::kSiprec, keys::Direction::kIncoming,
                                   0b11, call->started_at, to_bytes(as_bytes("{}"))});
  if (!started || !*started) return;
  note("a call begins: " + name_of(call->id));
  call->start_unsettled = log_->failed() || keys_->log_size() <= call->settled_beyond;
  call->row = (*started)->row;
  const auto cover = keys::Cover::from_nodes(std::move((*started)->nodes));
  expect(cover.has_value(), "the keeper's nodes are no cover");
  call->spooled.emplace(call->id);
  store::SpoolCallBegin begin;
  begin.sequence = calls_.size() + 1;
  begin.row = call->row;
  begin.source = keys::CallSource::kSiprec;
  begin.direction = keys::Direction::kIncoming;
  begin.started_at = call->started_at;
  for (std::uint8_t stream = 0; stream < kSimStreams; ++stream) {
    call->writers[stream].emplace(call->id, stream, keys::ForwardKeys(*cover, stream));
    store::StreamSpec spec;
    spec.stream = stream;
    spec.party = static_cast<store::Party>(stream);
    spec.mode = store::StreamMode::kActive;
    begin.streams.push_back(spec);
  }
  if (!put(*call, FrameType::kCallBegin, pack(begin))) return;
  (void)put(*call, FrameType::kCallData, (*started)->call_data_record);
  call->spooled->streams = begin.streams;
  call->spooled->begin = begin;
  calls_.push_back(std::move(call));
}

void World::record(SimCall& call, std::uint32_t segments) {
  for (std::uint32_t i = 0; i < segments; ++i, ++call.next)
    for (std::uint8_t stream = 0; stream < kSimStreams; ++stream) {
      segment::AudioSegment audio;
      audio.samples.fill(static_cast<std::uint8_t>(call.next));
      audio.present.set_all();
      segment::AudioPayload payload;
      const auto record =
          call.writers[stream]->seal(cipher_, recorder_entropy_, call.next, 0, audio, payload);
      if (!record) {
        // Only of an index that the recorder was told to leave out.
        expect(false, "no key for the next segment: " + record.error().message);
        return;
      }
      ++counts_.records;
      expect(record->size() == segment::kAudioRecordBytes, "a record's size tells something");
      const auto header = keys::RecordHeader::parse(*record);
      expect(salts_.insert(header->salt).second, "a salt was used twice");
      expect(commitments_.insert(header->commitment).second, "a key was used twice");
      auto& account = call.spooled->accounts[stream];
      const auto start_ms = call.next * 100;
      if (!put(call, FrameType::kAudio, *record)) {
        account_lost(call, stream, call.next, call.next + 1, store::kLostSpoolFull);
        continue;
      }
      account.assign(start_ms, start_ms + 100, store::AccountState::kSealed);
      call.spooled->end_index[stream] = call.next + 1;
      auto& attempts = call.records[{stream, call.next}];
      attempts.push_back({crypto::sha256(*record), header->encode(), false});
      uncommitted_.push_back({&call, stream, call.next, attempts.size() - 1});
    }
}

void World::account_lost(SimCall& call, std::uint8_t stream, std::uint32_t first, std::uint32_t end,
                         std::string_view cause) {
  if (first >= end) return;
  call.spooled->accounts[stream].assign(first * 100, end * 100, store::AccountState::kLost, cause);
  (void)put(call, FrameType::kAccount,
            pack(store::SpoolAccount{{{stream, store::RecorderState::kLost, first * 100, end * 100,
                                       std::string(cause)}}}));
}

bool World::wait_durable() {
  struct State {
    std::mutex mutex;
    std::condition_variable done;
    bool durable = false;
  };
  const auto state = std::make_shared<State>();
  spool_->when_durable([state] {
    const std::lock_guard lock(state->mutex);
    state->durable = true;
    state->done.notify_all();
  });
  std::unique_lock lock(state->mutex);
  while (!state->durable) {
    if (recorder_vfs_.down()) return false;
    state->done.wait_for(lock, std::chrono::milliseconds(1));
  }
  return true;
}

// The spool's thread is at rest when this returns: so a seed's calls to the disk are always the same.
bool World::commit() {
  if (!spool_) return false;
  std::uint64_t calls = 0;
  do {
    calls = recorder_vfs_.calls();
    if (!wait_durable()) return false;
    for (auto& one : uncommitted_)
      one.call->records[{one.stream, one.index}][one.attempt].durable = true;
    uncommitted_.clear();
  } while (recorder_vfs_.calls() != calls);
  if (recorder_vfs_.down()) return false;
  for (auto& call : calls_)
    if (call->spooled && call->spooled->begin) call->begin_durable = true;
  return true;
}

// ---- the keeper was away, or the recorder --------------------------------------------------------

void World::tell_running() {
  if (!keeper_ || !spool_) return;
  keys::RunningCalls message;
  for (const auto& call : calls_)
    if (call->spooled) message.calls.push_back(call->id);
  const auto told = ask<keys::Ack>(&erase::Keeper::running_calls, std::move(message));
  told_running_ = told && *told;
}

void World::adopt(SimCall& call) {
  keys::Adopt message{.call = call.id,
                      .source = keys::CallSource::kSiprec,
                      .direction = keys::Direction::kIncoming,
                      .streams = 0b11,
                      .started_at = call.started_at,
                      .spare = call.adopt_as_new,
                      .first_index = call.frozen_index};
  for (const auto& node : call.frozen) message.nodes.push_back(node.clone());
  auto adopted = ask<keys::Adopted>(&erase::Keeper::adopt, std::move(message));
  if (!adopted) return;
  if (!*adopted) {
    if (adopted->error().code != Errc::kState) return;  // again later
    // It does not know the call: its start was not logged. Or it does: its end is in the log, and
    // only the answer was lost. Told both ways, it is the latter.
    if (!call.adopt_as_new) {
      call.adopt_as_new = true;
      return adopt(call);
    }
    expect(call.ended, "not adopted, and it runs: " + adopted->error().message);
    call.needs_adoption = call.adopt_as_new = false;
    call.frozen.clear();
    return;
  }
  expect(!call.adopt_as_new || call.start_unsettled, "a call whose start was logged is not known");
  call.adopt_as_new = false;
  note(name_of(call.id) + " is adopted, from " + std::to_string(call.frozen_index));
  for (std::uint8_t stream = 0; stream < kSimStreams; ++stream)
    account_lost(call, stream, (*adopted)->lost_from[stream], call.frozen_index,
                 store::kLostKeeper);
  call.needs_adoption = false;
  call.frozen.clear();
}

void World::lost_with_both(SimCall& call) {
  call.keyless = true;
  for (std::uint8_t stream = 0; stream < kSimStreams; ++stream)
    account_lost(call, stream, 0, call.spooled->end_index[stream], store::kLostKeeper);
}

void World::reissue(SimCall& call) {
  auto reissued = ask<keys::Reissued>(&erase::Keeper::reissue, {call.id});
  if (!reissued || recorder_vfs_.down()) return;
  call.waits_for_keys = false;
  if (!*reissued) {
    const auto code = reissued->error().code;
    if (code == Errc::kUnavailable) {
      call.waits_for_keys = true;
      return;
    }
    if (code == Errc::kNotFound) {
      expect(call.start_unsettled, "a call whose start was logged is not known");
      lost_with_both(call);
    }
    end_call(call, "recovered");
    return;
  }
  const auto cover = keys::Cover::from_nodes(std::move((*reissued)->nodes));
  expect(cover.has_value(), "the keeper's nodes are no cover");
  auto first = (*reissued)->first_index;
  for (const auto end : call.spooled->end_index) first = std::max(first, end);
  note(name_of(call.id) + " is reissued, from " + std::to_string(first));
  for (std::uint8_t stream = 0; stream < kSimStreams; ++stream) {
    account_lost(call, stream, call.spooled->accounts[stream].end_ms() / 100, first,
                 store::kLostRecorder);
    call.writers[stream].emplace(call.id, stream, keys::ForwardKeys(*cover, stream));
  }
  call.next = first;
}

// ---- the end -------------------------------------------------------------------------------------

void World::end_call(SimCall& call, const char* cause) {
  if (!spool_ || !call.spooled) return;
  note(name_of(call.id) + " ends: " + cause);
  store::SpoolCallEnded ended{clock_.utc_ms(), cause, {}};
  for (std::uint8_t stream = 0; stream < kSimStreams; ++stream)
    ended.ends.push_back({stream, call.spooled->accounts[stream].end_ms() / 100});
  if (!put(call, FrameType::kCallEnded, pack(ended))) return;
  call.spooled->ended = ended;
  call.ended = true;
  call.next = 0;  // what was never durable does not exist
  for (const auto& end : ended.ends) {
    call.ends[end.stream] = end.end_index;
    call.next = std::max(call.next, end.end_index);
  }
  (void)commit();
}

// In the order of the product: told the keeper, sealed, told, freed.
void World::finish_call(SimCall& call) {
  if (!call.ended || !call.spooled || !keeper_ || !spool_ || call.seal_told) return;
  if (!commit()) return;
  // What it froze goes to the keeper before the end does.
  if (call.needs_adoption) adopt(call);
  if (call.needs_adoption || !keeper_) return;
  if (!call.end_told) {
    const auto& ended = *call.spooled->ended;
    auto told = ask<keys::Ack>(&erase::Keeper::call_end,
                               {call.id, ended.ended_at, ended.cause, ended.ends});
    const auto code = told && !*told ? told->error().code : Errc::kState;
    if (!told || (code != Errc::kState && code != Errc::kNotFound)) return;
    if (code == Errc::kNotFound && !call.keyless) {
      expect(call.start_unsettled, "a call whose start was logged is not known at its end");
      lost_with_both(call);
    }
    call.end_told = true;
  }
  if (!commit()) return;
  const auto sealed = store::seal_call(*spool_, *call.spooled, objects_);
  if (!sealed || recorder_vfs_.down()) return;
  if (call.sealed) expect(sealed->root == call.summary.root, "sealed again, it is another object");
  call.summary = *sealed;
  call.sealed = true;
  auto told = ask<keys::Ack>(&erase::Keeper::call_sealed,
                             {call.id, sealed->root, sealed->leaves, sealed->bytes});
  const auto code = told && !*told ? told->error().code : Errc::kState;
  if (!told ||
      (code != Errc::kExists && code != Errc::kState && !(code == Errc::kNotFound && call.keyless)))
    return;
  call.seal_told = true;
  for (auto& writer : call.writers) writer.reset();
  note(name_of(call.id) + " is sealed");
  (void)put(call, FrameType::kCallFreed, {});
  spool_->free_call(call.id);
  (void)commit();
}

}  // namespace callward::sim
