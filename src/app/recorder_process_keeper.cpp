// The recorder as the keeper's client. What must be told of a call is told in its order: adoption
// (after a keeper's death), whose call-back it is, its end, its sealed object. A request that fails
// because the keeper is away is made again when it is back; each_second() asks again after anything
// else.
#include <algorithm>

#include "app/recorder_process.hpp"
#include "base/event_log.hpp"

namespace callward::app {

using store::FrameType;

void Recorder::on_keeper_connected() {
  keys::Hello hello;
  hello.role = keys::PeerRole::kRecorder;
  keeper_->request(hello, kKeeperTimeoutMs, [this, alive = alive_](Result<io::Frame> reply) {
    if (!*alive) return;
    const auto welcome = reply ? unpack<keys::Welcome>(reply->body) : tl::unexpected(reply.error());
    if (!welcome || welcome->version != keys::kKeeperProtocolVersion) {
      log_event("recorder.keeper_refused",
                {{"why", welcome ? "another version" : welcome.error().message}});
      return;
    }
    log_event("recorder.keeper_connected", {{"unlocked", welcome->unlocked}});
    keeper_locked_ = !welcome->unlocked;  // then it gives spare roots and nothing else
    refill_spares();
    if (keeper_locked_) return;
    keeper_ready_ = true;
    if (!ready_) return ask_early();
    tell_all();
  });
}

void Recorder::tell_all() {
  tell_running();
  std::vector<CallPtr> all;
  for (auto& [id, call] : calls_) all.push_back(call);
  for (auto& call : all) tell_keeper(*call);
  send_log();
}

// What we do not name here, and the keeper knows no more of than that it began, ends there: a start
// whose answer never came, or came to an earlier recorder that died with its first frame.
void Recorder::tell_running() {
  if (!keeper_ready_ || told_running_ || telling_running_) return;
  keys::RunningCalls message;
  for (const auto& [id, call] : calls_) message.calls.push_back(id);
  message.calls.insert(message.calls.end(), opening_.begin(), opening_.end());
  telling_running_ = true;
  keeper_->request(message, kKeeperTimeoutMs, [this, alive = alive_](Result<io::Frame> reply) {
    if (!*alive) return;
    telling_running_ = false;
    const bool again = std::exchange(tell_running_again_, false);
    told_running_ = keeper_ready_ && reply && unpack<keys::Ack>(reply->body) && !again;
  });
}

// From this moment on the keys of what is recorded exist nowhere but here: keep them for the next
// keeper.
void Recorder::on_keeper_lost() {
  if (!*alive_) return;
  keeper_ready_ = keeper_locked_ = false;
  for (auto& [id, call] : calls_) call->asked_listened = call->dial_told = call->at_told = false;
  asking_spares_ = sending_log_ = told_running_ = telling_running_ = false;
  early_events_.clear();  // of the one that is gone
  for (auto& [id, early] : early_) {
    early.asked = early.answer.has_value();
    early.keeper_lost = early.keeper_lost || early.answer.has_value();
  }
  std::size_t frozen = 0;
  for (auto& [id, call] : calls_) {
    if (call->phase == RecorderPhase::kStarting || call->phase == RecorderPhase::kReissue ||
        call->sealed_logged)
      continue;
    call->freeze();
    ++frozen;
  }
  log_event("recorder.keeper_lost", {{"calls_frozen", frozen}});
}

void Recorder::on_keeper_event(io::Frame frame) {
  if (!ready_) {  // the spool is being read
    if (early_events_.size() < kEarlyFramesMax) early_events_.push_back(std::move(frame));
    return;
  }
  switch (frame.type) {
    case keys::DerivedSealed::kType:
      if (auto sealed = unpack<keys::DerivedSealed>(frame.body))
        add_derived(sealed->call, std::move(sealed->record));
      return;
    case keys::ListeningDone::kType:
      if (const auto done = unpack<keys::ListeningDone>(frame.body))
        if (auto* call = find(done->call)) listening_over(*call);
      return;
    case keys::FetchCipher::kType:
      return fetch_cipher(frame);
    case keys::WipeRanges::kType:
      return wipe_ranges(std::move(frame), 18);
    case keys::RemoveObjects::kType:
      return remove_objects(std::move(frame));
    case keys::CallsAtWanted::kType:
      for (auto& [id, call] : calls_) {
        call->at_told = false;
        tell_at(*call);
      }
      return;
    default:
      log_event("recorder.keeper_said", {{"type", frame.type}});
  }
}

void Recorder::tell_keeper(RecorderCall& call) {
  tell_at(call);
  if (!keeper_ready_ || call.asking) return;
  if (call.phase == RecorderPhase::kReissue) return reissue(call);
  if (call.phase == RecorderPhase::kListening) return ask_listened(call);
  if (call.needs_adoption) return adopt(call);
  if (call.spooled.dial && !call.dial_told && !call.sealed_logged) return tell_dial(call);
  if (call.phase == RecorderPhase::kEnding && !call.end_logged) return tell_end(call);
  if (call.phase == RecorderPhase::kSealing && call.sealed && !call.sealed_logged)
    return tell_sealed(call);
}

// ---- adoption and reissue -----------------------------------------------------------------------

void Recorder::adopt(RecorderCall& call) {
  const auto& begin = *call.spooled.begin;
  keys::Adopt message;
  message.call = call.id();
  message.source = begin.source;
  message.direction = begin.direction;
  message.streams = call.spooled.stream_mask();
  message.started_at = begin.started_at;
  message.spare = (begin.spare && begin.row == 0) != call.adopt_as_new;
  message.first_index = call.frozen_index;
  for (const auto& node : call.frozen) message.nodes.push_back(node.clone());
  message.call_data = to_bytes(call.call_data.expose());
  call.asking = true;
  keeper_->request(message, kKeeperTimeoutMs,
                   [this, id = call.id(), alive = alive_](Result<io::Frame> reply) {
                     if (!*alive) return;
                     auto* again = find(id);
                     if (again == nullptr) return;
                     again->asking = false;
                     if (!reply) {
                       not_adopted(*again, reply.error());
                       return;
                     }
                     if (const auto adopted = unpack<keys::Adopted>(reply->body))
                       on_adopted(*again, *adopted);
                   });
  wipe(message.call_data);
}

// kState says either that the keeper knows the call when we thought it did not (an earlier answer
// was lost; it never died, only its socket did), or that it does not when we thought it did (the
// log failed then). Told both ways, a call that is refused twice is one whose keys the keeper has,
// or that has ended.
void Recorder::not_adopted(RecorderCall& call, const Error& error) {
  log_event("recorder.not_adopted", {{"call", call.id().hex()}, {"why", error.message}});
  if (error.code != Errc::kState && error.code != Errc::kDenied && error.code != Errc::kMalformed)
    return;  // again in a second
  if (!call.adopt_refused && error.code == Errc::kState) {
    call.adopt_refused = true;
    call.adopt_as_new = true;
    return tell_keeper(call);
  }
  call.frozen.clear();
  call.needs_adoption = call.adopt_refused = call.adopt_as_new = false;
  tell_keeper(call);
}

void Recorder::on_adopted(RecorderCall& call, const keys::Adopted& adopted) {
  for (std::size_t stream = 0;
       stream < adopted.lost_from.size() && stream < store::kAudioStreamsMax; ++stream)
    if (adopted.lost_from[stream] < call.frozen_index)
      call.account_lost(static_cast<std::uint8_t>(stream), adopted.lost_from[stream],
                        call.frozen_index, store::kLostKeeper);
  call.needs_adoption = call.adopt_refused = call.adopt_as_new = false;
  call.frozen.clear();  // wiped: from here on this process opens nothing of it
  call.call_data.clear();
  if (call.spooled.begin) call.spooled.begin->row = adopted.row;
  if (!adopted.call_data_record.empty())
    (void)call.put(FrameType::kCallData, adopted.call_data_record);
  call.flush_account();
  log_event("recorder.adopted", {{"call", call.id().hex()}, {"row", adopted.row}});
  tell_keeper(call);
}

void Recorder::reissue(RecorderCall& call) {
  call.asking = true;
  keeper_->request(keys::Reissue{call.id()}, kKeeperTimeoutMs,
                   [this, id = call.id(), alive = alive_](Result<io::Frame> reply) {
                     if (!*alive) return;
                     auto* again = find(id);
                     if (again == nullptr) return;
                     again->asking = false;
                     reissue_answered(*again, reply ? unpack<keys::Reissued>(reply->body)
                                                    : tl::unexpected(reply.error()));
                   });
}

// On a spare root, or its start never came to a disk, and both died: what was recorded opens for
// nobody.
void Recorder::keys_are_nowhere(RecorderCall& call) {
  for (const auto& stream : call.spooled.streams)
    call.account_lost(stream.stream, 0, segment::kIndexEnd, store::kLostKeeper);
  call.flush_account();
}

void Recorder::reissue_answered(RecorderCall& call, Result<keys::Reissued> reissued) {
  if (reissued) return on_reissued(call, std::move(*reissued));
  if (reissued.error().code == Errc::kUnavailable || reissued.error().code == Errc::kTimeout)
    return;  // again later
  log_event("recorder.not_reissued",
            {{"call", call.id().hex()}, {"why", reissued.error().message}});
  if (reissued.error().code == Errc::kNotFound) keys_are_nowhere(call);
  continue_call(call);
}

void Recorder::on_reissued(RecorderCall& call, keys::Reissued reissued) {
  // The lines so far hold only sockets; each begins anew with its keys and a segmenter.
  std::vector<std::unique_ptr<RecorderCall::Line>> found;
  std::swap(found, call.lines);
  call.phase = RecorderPhase::kLive;
  if (const auto taken = call.take_keys(std::move(reissued.nodes)); !taken) {
    log_event("recorder.bad_nodes", {{"call", call.id().hex()}, {"why", taken.error().message}});
    return end_call(call, "recovered");
  }
  for (auto& old : found) {
    const auto first = std::max(reissued.first_index, call.spooled.end_index[old->spec.stream]);
    auto& line = call.add_line(old->spec, std::move(old->socket), old->port, first,
                               static_cast<std::uint32_t>(config_.jitter_ms), store::kLostRecorder);
    call.hear_waiting(line, old->waiting);
  }
  call.flush_account();
  log_event("recorder.reissued",
            {{"call", call.id().hex()}, {"first_index", reissued.first_index}});
  open_audio(call, true);
  announce(call);
}

// ---- end and seal -------------------------------------------------------------------------------

namespace {
// The keeper has it already: a request that was carried out but not answered before it died.
bool done_before(const Error& error) {
  return error.code == Errc::kExists || error.code == Errc::kState;
}
bool come_again(const Error& error) {
  return error.code == Errc::kUnavailable || error.code == Errc::kTimeout ||
         error.code == Errc::kIo || error.code == Errc::kBusy || error.code == Errc::kFull;
}
}  // namespace

// The end waits for it: a keeper that hears of a call-back's end knows which recording it has. One
// that will never take it must not keep the call from ending.
void Recorder::tell_dial(RecorderCall& call) {
  call.asking = true;
  keeper_->request(keys::DialRecorded{*call.spooled.dial, call.id()}, kKeeperTimeoutMs,
                   [this, id = call.id(), alive = alive_](Result<io::Frame> reply) {
                     if (!*alive) return;
                     auto* again = find(id);
                     if (again == nullptr) return;
                     again->asking = false;
                     if (!reply && come_again(reply.error())) return;
                     if (!reply)
                       log_event("recorder.dial_not_taken",
                                 {{"call", id.hex()}, {"why", reply.error().message}});
                     again->dial_told = keeper_ready_;
                     tell_keeper(*again);
                   });
}

static_assert(store::kTelephoneBytesMax == keys::kCallTelephoneBytesMax);

// Beside whatever else is asked of the call: an agent may act in it as soon as this is known.
void Recorder::tell_at(RecorderCall& call) {
  if (!keeper_ready_ || !call.telephone || call.at_told || call.telling_at || call.needs_adoption ||
      call.phase != RecorderPhase::kLive)
    return;
  call.telling_at = true;
  keeper_->request(
      keys::CallAt{call.id(), *call.telephone}, kKeeperTimeoutMs,
      [this, id = call.id(), said = *call.telephone, alive = alive_](Result<io::Frame> reply) {
        if (!*alive) return;
        auto* again = find(id);
        if (again == nullptr) return;
        again->telling_at = false;
        if (again->telephone != said) return tell_at(*again);
        if (!reply && come_again(reply.error())) return;
        if (!reply)
          log_event("recorder.call_at_not_taken",
                    {{"call", id.hex()}, {"why", reply.error().message}});
        again->at_told = keeper_ready_;
      });
}

void Recorder::tell_end(RecorderCall& call) {
  if (!call.durable) return;
  keys::CallEnd message{call.id(), call.spooled.ended->ended_at, call.spooled.ended->cause,
                        call.spooled.ended->ends};
  call.asking = true;
  keeper_->request(
      message, kKeeperTimeoutMs, [this, id = call.id(), alive = alive_](Result<io::Frame> reply) {
        if (!*alive) return;
        auto* again = find(id);
        if (again == nullptr) return;
        again->asking = false;
        if (!reply && come_again(reply.error())) return;
        if (!reply && !done_before(reply.error()))
          log_event("recorder.end_not_logged",
                    {{"call", id.hex()}, {"why", reply.error().message}});
        if (!reply && reply.error().code == Errc::kNotFound) keys_are_nowhere(*again);
        again->end_logged = true;  // refused for good: the recording is sealed all the same
        advance_phase(id);
      });
}

void Recorder::tell_sealed(RecorderCall& call) {
  keys::CallSealed message{call.id(), call.sealed->root, call.sealed->leaves, call.sealed->bytes};
  call.asking = true;
  keeper_->request(message, kKeeperTimeoutMs,
                   [this, id = call.id(), alive = alive_](Result<io::Frame> reply) {
                     if (!*alive) return;
                     auto* again = find(id);
                     if (again == nullptr) return;
                     again->asking = false;
                     if (!reply && come_again(reply.error()))
                       return;  // the spool keeps its frames until the log has the root
                     if (!reply && !done_before(reply.error())) {
                       log_event("recorder.seal_not_logged",
                                 {{"call", id.hex()}, {"why", reply.error().message}});
                       // A call that the keeper never heard of has no key anywhere; the object
                       // stays as it is.
                       if (reply.error().code != Errc::kNotFound) return;
                     }
                     again->sealed_logged = true;
                     advance_phase(id);
                   });
}

// Whether the listener finished while this recorder was not there to be told.
void Recorder::ask_listened(RecorderCall& call) {
  if (call.asked_listened || call.spooled.listened) return;
  call.asked_listened = true;
  keeper_->request(keys::CallStateRequest{call.id()}, kKeeperTimeoutMs,
                   [this, id = call.id(), alive = alive_](Result<io::Frame> reply) {
                     if (!*alive) return;
                     const auto state = reply ? unpack<keys::CallState>(reply->body)
                                              : tl::unexpected(reply.error());
                     auto* again = find(id);
                     if (again == nullptr) return;
                     if (state && state->listened) return listening_over(*again);
                     // The keeper says so when it is; asked again in case that word was lost.
                     loop_.after_ms(kAskListenedMs, [this, id, alive = alive_] {
                       if (!*alive) return;
                       if (auto* later = find(id)) later->asked_listened = false;
                     });
                   });
}

// ---- spare roots, log entries -------------------------------------------------------------------

void Recorder::refill_spares() {
  if (!(keeper_ready_ || keeper_locked_) || asking_spares_ || spares_.size() >= kSpareRootsKept / 2)
    return;
  asking_spares_ = true;
  keys::SpareRoots message;
  message.wanted = static_cast<std::uint16_t>(kSpareRootsKept - spares_.size());
  keeper_->request(message, kKeeperTimeoutMs, [this, alive = alive_](Result<io::Frame> reply) {
    if (!*alive) return;
    asking_spares_ = false;
    auto given = reply ? unpack<keys::SpareRootsGiven>(reply->body) : tl::unexpected(reply.error());
    if (!given) return;
    for (auto& root : given->roots)
      if (spares_.size() < kSpareRootsKept) spares_.push_back(std::move(root));
  });
}

bool Recorder::append_log(keys::LogAppend entry) {
  if (pending_log_.size() >= kPendingLogMax) {
    log_event("recorder.log_queue_full");
    return false;
  }
  const auto id = CallId::random(system_entropy_);
  (void)spool_->append(FrameType::kLogEntry, id, pack(entry));
  pending_log_.push_back({id, std::move(entry)});
  send_log();
  return true;
}

void Recorder::send_log() {
  if (!keeper_ready_ || sending_log_ || pending_log_.empty()) return;
  sending_log_ = true;
  keeper_->request(pending_log_.front().entry, kKeeperTimeoutMs,
                   [this, alive = alive_](Result<io::Frame> reply) {
                     if (!*alive) return;
                     sending_log_ = false;
                     if (!reply && come_again(reply.error())) return;
                     if (!reply)
                       log_event("recorder.log_refused", {{"why", reply.error().message}});
                     const auto id = pending_log_.front().id;
                     pending_log_.pop_front();
                     (void)spool_->append(FrameType::kLogEntryDone, id, {});
                     spool_->free_call(id);
                     send_log();
                   });
}

// ---- what the keeper asks -----------------------------------------------------------------------

void Recorder::fetch_cipher(const io::Frame& request) {
  const auto wanted = unpack<keys::FetchCipher>(request.body);
  if (!wanted || wanted->end < wanted->first || wanted->end - wanted->first > kFetchRecordsMax) {
    keeper_->channel()->reply(request, keys::ErrorReply{Errc::kMalformed, "at most 150 segments"});
    return;
  }
  keys::CipherFetched fetched;
  const auto* call = find(wanted->call);
  if (call != nullptr && !call->spooled.runs().empty())
    if (auto records = call->spooled.records(*spool_, keys::RecordKind::kAudio, wanted->stream,
                                             wanted->first, wanted->end, kFetchRecordsMax))
      fetched.records = std::move(*records);
  if (fetched.records.empty())
    if (const auto name = find_object(wanted->call, store::ObjectKind::kRecording))
      if (const auto reader = store::open_object(objects_, *name))
        if (auto records = reader->records(keys::RecordKind::kAudio, wanted->stream, wanted->first,
                                           wanted->end, kFetchRecordsMax))
          fetched.records = std::move(*records);
  keeper_->channel()->reply(request, fetched);
}

// Plaintext of what is past is here only in the queue to the listener: it is drained within
// milliseconds, or not at all, and then the listener is cut off (its queue is wiped with the
// channel).
void Recorder::wipe_ranges(io::Frame request, int tries_left) {
  const auto peer = peers_.find(listener_);
  const bool empty = peer == peers_.end() || peer->second.channel->gauge().depth == 0;
  if (!empty && tries_left > 0) {
    auto held = std::make_shared<io::Frame>(std::move(request));
    loop_.after_ms(50, [this, held, tries_left, alive = alive_] {
      if (*alive) wipe_ranges(std::move(*held), tries_left - 1);
    });
    return;
  }
  if (!empty) {
    log_event("recorder.listener_cut", {{"why", "it does not read, and a range must be wiped"}});
    const auto serial = listener_;
    peer->second.channel->close();
    on_peer_gone(serial);
  }
  if (keeper_->connected()) keeper_->channel()->reply(request, keys::Ack{});
}

// Retention. A call that is still ours is not deleted: its spool would have it yet.
void Recorder::remove_objects(io::Frame request) {
  auto message = unpack<keys::RemoveObjects>(request.body);
  constexpr std::size_t kRemovePerRequestMax = 1'024;
  if (!message || message->calls.size() > kRemovePerRequestMax) {
    keeper_->channel()->reply(request, keys::ErrorReply{Errc::kMalformed, "no list of calls"});
    return;
  }
  auto removal = std::make_shared<Removal>();
  removal->request = std::move(request);
  removal->calls = std::move(message->calls);
  for (const auto& one : removal->calls) {
    removal->fates.push_back(find(one.call) == nullptr ? keys::ObjectFate::kGone
                                                       : keys::ObjectFate::kLater);
    for (const auto kind : {store::ObjectKind::kRecording, store::ObjectKind::kDerived})
      found_objects_.erase({one.call, kind});
  }
  SealTask task{CallId{}, store::SpoolCall(CallId{}), {}};
  task.removal = removal;
  if (seal_queue_.push(std::move(task))) return;
  keeper_->channel()->reply(removal->request,
                            keys::ErrorReply{Errc::kFull, "the sealer has too much to do"});
}

// On the sealer's thread. `fates` says beforehand which may go.
void Recorder::remove_now(const std::shared_ptr<Removal>& removal) {
  for (std::size_t i = 0; i < removal->calls.size(); ++i) {
    const auto& one = removal->calls[i];
    auto& fate = removal->fates[i];
    if (fate != keys::ObjectFate::kGone) continue;
    for (const auto kind : {store::ObjectKind::kDerived, store::ObjectKind::kRecording}) {
      const auto removed = objects_.remove(store::object_name(one.call, one.started_at, kind));
      if (removed || removed.error().code == Errc::kNotFound) continue;
      log_event("recorder.object_not_deleted",
                {{"call", one.call.hex()}, {"why", removed.error().message}});
      fate = removed.error().code == Errc::kDenied ? keys::ObjectFate::kKept
                                                   : keys::ObjectFate::kLater;
      break;
    }
  }
  loop_.post([this, removal, alive = alive_] {
    if (!*alive || !keeper_->connected()) return;
    keeper_->channel()->reply(removal->request, keys::ObjectsRemoved{std::move(removal->fates)});
  });
}

}  // namespace callward::app
