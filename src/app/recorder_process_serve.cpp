// What the recorder answers: signal, listener, server, importers.
#include <algorithm>
#include <array>

#include "app/recorder_process.hpp"
#include "base/event_log.hpp"

namespace callward::app {

namespace {

constexpr std::size_t kStreamsPerCallMax = store::kAudioStreamsMax;
constexpr std::size_t kFlagsMax = 32, kWordBytesMax = 64;

// A word as it may stand in a log entry: nothing that a person could have typed into a SIP header.
bool is_word(const std::string& text) {
  return !text.empty() && text.size() <= kWordBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

Status check_streams(const std::vector<store::StreamSpec>& streams) {
  if (streams.empty() || streams.size() > kStreamsPerCallMax)
    return fail(Errc::kMalformed, "a call has 1 to 15 streams");
  std::set<std::uint8_t> seen;
  for (const auto& stream : streams) {
    if (stream.stream >= kStreamsPerCallMax || !seen.insert(stream.stream).second)
      return fail(Errc::kMalformed, "stream numbers: 0 to 14, each once");
    if (stream.codec != segment::kCodecPcmu && stream.codec != segment::kCodecPcma)
      return fail(Errc::kUnsupported, "codec: PCMU (0) or PCMA (8)");
    if (stream.clock_rate != 8000) return fail(Errc::kUnsupported, "clock rate: 8000");
    if (stream.party > store::Party::kMixed || stream.mode < store::StreamMode::kActive ||
        stream.mode > store::StreamMode::kRemoved)
      return fail(Errc::kMalformed, "party or mode");
  }
  return {};
}

Status check_flags(const std::vector<std::string>& flags) {
  if (flags.size() > kFlagsMax || !std::all_of(flags.begin(), flags.end(), is_word))
    return fail(Errc::kMalformed, "flags are at most 32 words of a-z, 0-9, _");
  return {};
}

store::CallPhase public_phase(RecorderPhase phase) {
  switch (phase) {
    case RecorderPhase::kStarting:
    case RecorderPhase::kReissue:
    case RecorderPhase::kLive:
      return store::CallPhase::kLive;
    case RecorderPhase::kEnding:
    case RecorderPhase::kSealing:
      return store::CallPhase::kSealing;
    case RecorderPhase::kListening:
      return store::CallPhase::kListening;
    case RecorderPhase::kComplete:
      return store::CallPhase::kComplete;
  }
  return store::CallPhase::kComplete;
}

}  // namespace

const std::unordered_map<std::uint16_t, Recorder::Rule>& Recorder::handlers() {
  constexpr auto kSignal = bit(store::ClientRole::kSignal),
                 kListener = bit(store::ClientRole::kListener),
                 kServer = bit(store::ClientRole::kServer),
                 kImporter = bit(store::ClientRole::kImporter);
  constexpr std::uint8_t kAnybody = 0xFF;
  static const std::unordered_map<std::uint16_t, Rule> table{
      {store::Hello::kType, {&Recorder::on_hello, kAnybody}},
      {store::SessionOpen::kType, {&Recorder::on_session_open, kSignal}},
      {store::CallBackOpen::kType, {&Recorder::on_call_back_open, kSignal}},
      {store::SessionUpdate::kType, {&Recorder::on_session_update, kSignal}},
      {store::SessionEnd::kType, {&Recorder::on_session_end, kSignal}},
      {store::SessionList::kType, {&Recorder::on_session_list, kSignal}},
      {store::SessionResume::kType, {&Recorder::on_session_resume, kSignal}},
      {store::SessionTelephone::kType, {&Recorder::on_session_telephone, kSignal}},
      {store::CallMissed::kType, {&Recorder::on_call_missed, kSignal}},
      {store::AudioCredit::kType, {&Recorder::on_audio_credit, kListener}},
      {store::CallList::kType, {&Recorder::on_call_list, kServer}},
      {store::CallGet::kType, {&Recorder::on_call_get, kServer}},
      {store::LiveAgentRequest::kType, {&Recorder::on_live_agent, kServer}},
      {store::LiveRecords::kType, {&Recorder::on_live_records, kServer}},
      {store::RecorderStatusRequest::kType, {&Recorder::on_status, kAnybody}},
      {store::ImportOpen::kType, {&Recorder::on_import_open, kImporter}},
      {store::ImportAudio::kType, {&Recorder::on_import_audio, kImporter}},
      {store::ImportEnd::kType, {&Recorder::on_import_end, kImporter}},
  };
  return table;
}

void Recorder::on_hello(Peer& peer, io::Frame& frame) {
  const auto hello = unpack<store::Hello>(frame.body);
  if (!hello || hello->version != store::kRecorderProtocolVersion)
    return refuse(peer, frame, Errc::kUnsupported, "another version of the recorder's protocol");
  if (peer_check_ && !peer_check_(peer.channel->peer_pid(), hello->role)) {
    log_event("recorder.peer_refused", {{"says", static_cast<unsigned>(hello->role)}});
    return refuse(peer, frame, Errc::kDenied, "this process has another part to play");
  }
  peer.role = hello->role;
  peer.channel->reply(frame, store::Welcome{});
  if (peer.role != store::ClientRole::kListener) return;
  listener_ = peer.serial;
  for (auto& [id, call] : calls_)
    if (call->phase == RecorderPhase::kLive) open_audio(*call, true);
}

// ---- signal -------------------------------------------------------------------------------------

void Recorder::on_session_open(Peer& peer, io::Frame& frame) {
  auto open = unpack<store::SessionOpen>(frame.body);
  if (!open) return refuse(peer, frame, Errc::kMalformed, open.error().message);
  open_session(peer, frame, std::move(*open), std::nullopt);
}

void Recorder::on_call_back_open(Peer& peer, io::Frame& frame) {
  auto open = unpack<store::CallBackOpen>(frame.body);
  if (!open) return refuse(peer, frame, Errc::kMalformed, open.error().message);
  if (open->dial.is_zero()) return refuse(peer, frame, Errc::kMalformed, "a call-back of no dial");
  open_session(peer, frame, std::move(open->session), open->dial);
}

void Recorder::open_session(Peer& peer, io::Frame& frame, store::SessionOpen open,
                            std::optional<DialId> dial) {
  if (const auto ok = check_streams(open.streams); !ok)
    return refuse(peer, frame, ok.error().code, ok.error().message);
  if (const auto ok = check_flags(open.flags); !ok)
    return refuse(peer, frame, ok.error().code, ok.error().message);
  std::string why;
  if (!may_admit(why)) {
    ++calls_refused_;
    return refuse(peer, frame, Errc::kBusy, why);
  }
  auto opening = std::make_shared<Opening>();
  opening->peer = peer.serial;
  opening->source = dial ? keys::CallSource::kCallBack : keys::CallSource::kSiprec;
  opening->dial = dial;
  opening->direction = open.direction;
  opening->media_address = open.media_address.empty() ? config_.media_address : open.media_address;
  opening->streams = std::move(open.streams);
  opening->sources = std::move(open.sources);
  opening->flags = std::move(open.flags);
  opening->call_data = std::move(open.call_data);
  opening->dialog = std::move(open.dialog);
  opening->started_at = clock_.utc_ms();
  opening->started_ns = clock_.monotonic_ns();
  // Before the keeper is asked: a call that has no port never began.
  for (const auto& stream : opening->streams) {
    if (stream.mode == store::StreamMode::kRemoved) continue;
    auto bound = bind_port(opening->media_address);
    if (!bound) {
      ++calls_refused_;
      return refuse(peer, frame, bound.error().code, bound.error().message);
    }
    opening->sockets.emplace(stream.stream, std::move(*bound));
  }
  opening->request = std::move(frame);
  open_call(opening);
}

void Recorder::on_session_update(Peer& peer, io::Frame& frame) {
  auto update = unpack<store::SessionUpdate>(frame.body);
  if (!update) return refuse(peer, frame, Errc::kMalformed, update.error().message);
  if (const auto ok = check_streams(update->streams); !ok)
    return refuse(peer, frame, ok.error().code, ok.error().message);
  auto* call = find_for_signal(update->call);
  if (call == nullptr || call->phase != RecorderPhase::kLive)
    return refuse(peer, frame, Errc::kNotFound, "no such live call");
  const auto ports = apply_streams(*call, update->streams);
  if (!ports) return refuse(peer, frame, ports.error().code, ports.error().message);
  call->announce_sources(update->sources);
  if (!update->dialog.empty()) call->dialog = std::move(update->dialog);
  if (!update->call_data.empty()) {
    keys::CallDataPut put{call->id(), to_bytes(update->call_data.expose())};
    keeper_->request(
        put, kKeeperTimeoutMs, [this, id = call->id(), alive = alive_](Result<io::Frame> reply) {
          if (!*alive) return;
          auto* again = find(id);
          const auto sealed =
              reply ? unpack<keys::SealedRecord>(reply->body) : tl::unexpected(reply.error());
          if (again == nullptr || !sealed)
            return log_event("recorder.call_data_not_sealed", {{"call", id.hex()}});
          (void)again->put(store::FrameType::kCallData, sealed->record);
        });
    wipe(put.call_data);
  }
  peer.channel->reply(frame, store::SessionUpdated{*ports});
  announce(*call);
}

void Recorder::on_session_end(Peer& peer, io::Frame& frame) {
  const auto end = unpack<store::SessionEnd>(frame.body);
  if (!end || !is_word(end->cause)) return refuse(peer, frame, Errc::kMalformed, "call and cause");
  if (auto* call = find_for_signal(end->call);
      call != nullptr && call->phase == RecorderPhase::kLive)
    end_call(*call, end->cause);
  else if (call != nullptr && call->phase == RecorderPhase::kReissue)
    call->dialog.clear();                    // ends when its keys come
  peer.channel->reply(frame, store::Ack{});  // ended already: the same to signal
}

void Recorder::on_session_list(Peer& peer, io::Frame& frame) {
  store::Sessions sessions;
  for (const auto& [id, call] : calls_) {
    if (call->phase != RecorderPhase::kLive || call->imported()) continue;
    store::Session session;
    session.call = id;
    for (const auto& line : call->lines) {
      session.streams.push_back(line->spec);
      session.ports.push_back(line->port);
    }
    session.dialog = call->dialog.clone();
    sessions.sessions.push_back(std::move(session));
  }
  peer.channel->reply(frame, sessions);
}

void Recorder::on_session_resume(Peer& peer, io::Frame& frame) {
  auto resume = unpack<store::SessionResume>(frame.body);
  if (!resume) return refuse(peer, frame, Errc::kMalformed, resume.error().message);
  auto* call = find_for_signal(resume->session.call);
  if (call == nullptr ||
      (call->phase != RecorderPhase::kLive && call->phase != RecorderPhase::kReissue))
    return refuse(peer, frame, Errc::kNotFound, "no such live call");
  call->dialog = std::move(resume->session.dialog);
  if (call->phase ==
      RecorderPhase::kReissue) {  // its keys are on the way; its ports are what they were
    peer.channel->reply(frame, store::SessionUpdated{resume->session.ports});
    return;
  }
  if (const auto ok = check_streams(resume->session.streams); !ok)
    return refuse(peer, frame, ok.error().code, ok.error().message);
  const auto ports = apply_streams(*call, resume->session.streams);
  if (!ports) return refuse(peer, frame, ports.error().code, ports.error().message);
  call->announce_sources(resume->session.sources);
  peer.channel->reply(frame, store::SessionUpdated{*ports});
}

void Recorder::on_session_telephone(Peer&, io::Frame& frame) {
  auto said = unpack<store::SessionTelephone>(frame.body);
  if (!said || said->telephone.size() > store::kTelephoneBytesMax) return;
  auto* call = find_for_signal(said->call);
  if (call == nullptr || call->telephone == said->telephone) return;
  call->telephone = std::move(said->telephone);
  call->at_told = false;
  tell_at(*call);   // before the server hears of it
  announce(*call);  // who asked too early asks again
}

void Recorder::on_call_missed(Peer& peer, io::Frame& frame) {
  const auto missed = unpack<store::CallMissed>(frame.body);
  if (!missed || !is_word(missed->cause) || missed->count == 0)
    return refuse(peer, frame, Errc::kMalformed, "a cause is one word, and no call is no entry");
  keys::LogAppend entry;
  entry.type = "call_missing";
  entry.actor = "recorder";
  entry.subject = "-";
  entry.data = "{\"cause\":\"" + missed->cause + "\",\"count\":" + std::to_string(missed->count) +
               ",\"sip_status\":" + std::to_string(missed->sip_status) + "}";
  if (!append_log(std::move(entry)))  // signal tells it again
    return refuse(peer, frame, Errc::kBusy, "too many entries wait for the keeper");
  peer.channel->reply(frame, store::Ack{});
}

// ---- listener -----------------------------------------------------------------------------------

void Recorder::open_audio(RecorderCall& call, bool from_now) {
  const auto peer = peers_.find(listener_);
  if (peer == peers_.end()) return;
  store::AudioOpen open;
  open.call = call.id();
  for (const auto& line : call.lines) open.streams.push_back(line->spec);
  open.first_index = from_now ? call.next_index() : 0;
  open.import = call.imported();
  if (!peer->second.channel->send(open)) ++audio_overflows_;
}

void Recorder::push_audio(const RecorderCall& call, std::uint8_t stream, std::uint8_t codec,
                          std::uint32_t index, const segment::AudioPayload& payload) {
  const auto import = imports_.find(call.id());
  const auto peer = peers_.find(listener_);
  bool sent = false;
  if (peer != peers_.end()) {
    store::Audio audio;
    audio.call = call.id();
    audio.stream = stream;
    audio.codec = codec;
    audio.index = index;
    audio.payload = SecretBytes(payload.expose());
    sent = peer->second.channel->send(audio);
    if (!sent) ++audio_overflows_;
  }
  if (import != imports_.end()) ++(sent ? import->second.unheard : import->second.fresh);
}

void Recorder::on_audio_credit(Peer& peer, io::Frame& frame) {
  const auto credit = unpack<store::AudioCredit>(frame.body);
  if (!credit || peer.serial != listener_) return;
  const auto import = imports_.find(credit->call);
  if (import == imports_.end()) return;
  const auto heard = std::min(credit->segments, import->second.unheard);
  import->second.unheard -= heard;
  import->second.fresh += heard;
  grant_credits();
}

// What was heard, or durable where nobody listens, may be sent again. Called after each commit too.
void Recorder::grant_credits() {
  for (auto& [id, import] : imports_) {
    if (import.fresh == 0) continue;
    const auto peer = peers_.find(import.peer);
    if (peer == peers_.end()) continue;
    if (peer->second.channel->send(store::ImportCredit{id, import.fresh})) import.fresh = 0;
  }
}

// ---- server -------------------------------------------------------------------------------------

store::CallEvent Recorder::event_of(const RecorderCall& call) const {
  store::CallEvent event;
  event.call = call.id();
  event.phase = public_phase(call.phase);
  event.streams = call.spooled.streams;
  event.ends = call.ends();
  event.account = call.spooled.account();
  if (const auto& begin = call.spooled.begin) {
    event.sequence = begin->sequence;
    event.source = begin->source;
    event.direction = begin->direction;
    event.started_at = begin->started_at;
    event.flags = begin->flags;
    if (call.sealed)
      event.object =
          store::object_name(call.id(), begin->started_at, store::ObjectKind::kRecording);
  }
  if (call.spooled.ended) event.ended_at = call.spooled.ended->ended_at;
  return event;
}

void Recorder::announce(const RecorderCall& call) {
  if (std::none_of(peers_.begin(), peers_.end(),
                   [](const auto& p) { return p.second.role == store::ClientRole::kServer; }))
    return;
  const auto event = event_of(call);
  for (auto& [serial, peer] : peers_)
    if (peer.role == store::ClientRole::kServer)
      (void)peer.channel->send(event);  // a full queue: it lists again
}

void Recorder::on_call_list(Peer& peer, io::Frame& frame) {
  store::Calls list;
  for (const auto& [id, call] : calls_)
    if (call->phase != RecorderPhase::kStarting) list.calls.push_back(event_of(*call));
  peer.channel->reply(frame, list);
}

void Recorder::on_call_get(Peer& peer, io::Frame& frame) {
  const auto get = unpack<store::CallGet>(frame.body);
  const auto* call = get ? find(get->call) : nullptr;
  if (call == nullptr)
    return refuse(peer, frame, Errc::kNotFound, "not here: see the object store");
  peer.channel->reply(frame, event_of(*call));
}

namespace {

// Whose stream is whose may be a guess, or lost with the call's beginning: then none is named, so
// that nobody's voice is kept in place of the agent's.
std::uint16_t agents_streams(const RecorderCall& call) {
  constexpr std::array kUnsure = {"roles_guessed", "streams_by_order", "mixed", "continuation",
                                  "begin_damaged"};
  if (!call.spooled.begin) return 0;
  for (const auto& flag : call.spooled.begin->flags)
    if (std::ranges::find(kUnsure, flag) != kUnsure.end()) return 0;
  std::uint16_t mask = 0;
  for (const auto& line : call.lines)
    if (line->spec.party == store::Party::kAgent)
      mask = static_cast<std::uint16_t>(mask | 1u << line->spec.stream);
  return mask;
}

}  // namespace

void Recorder::on_live_agent(Peer& peer, io::Frame& frame) {
  const auto asked = unpack<store::LiveAgentRequest>(frame.body);
  const auto* call = asked ? find(asked->call) : nullptr;
  if (call == nullptr || public_phase(call->phase) != store::CallPhase::kLive)
    return refuse(peer, frame, Errc::kNotFound, "no such live call");
  if (!call->telephone && !call->imported())  // a file is at nobody's
    return refuse(peer, frame, Errc::kUnavailable, "signal has yet to say it");
  peer.channel->reply(frame, store::LiveAgent{call->telephone.value_or(""), agents_streams(*call)});
}

void Recorder::on_live_records(Peer& peer, io::Frame& frame) {
  const auto wanted = unpack<store::LiveRecords>(frame.body);
  if (!wanted || wanted->end < wanted->first || wanted->end - wanted->first > kLiveRecordsMax)
    return refuse(peer, frame, Errc::kMalformed, "at most 600 segments");
  const auto* call = find(wanted->call);
  if (call == nullptr)
    return refuse(peer, frame, Errc::kNotFound, "not here: see the object store");
  const auto kind = static_cast<keys::RecordKind>(wanted->kind);
  auto records = call->spooled.records(*spool_, kind, wanted->stream, wanted->first, wanted->end,
                                       kLiveRecordsMax);
  if (!records) return refuse(peer, frame, records.error().code, records.error().message);
  // Sealed meanwhile: what left the spool stands in the objects; what is fresh stands in the spool.
  if (call->sealed && call->spooled.begin) {
    const auto object =
        keys::is_derived(kind) ? store::ObjectKind::kDerived : store::ObjectKind::kRecording;
    if (const auto reader = store::open_object(
            objects_, store::object_name(call->id(), call->spooled.begin->started_at, object)))
      if (auto older =
              reader->records(kind, wanted->stream, wanted->first, wanted->end, kLiveRecordsMax)) {
        older->insert(older->end(), std::make_move_iterator(records->begin()),
                      std::make_move_iterator(records->end()));
        records = std::move(older);
      }
  }
  peer.channel->reply(frame, store::Records{std::move(*records)});
}

void Recorder::on_status(Peer& peer, io::Frame& frame) {
  peer.channel->reply(frame, store::RecorderStatus{status_json()});
}

// ---- importers ----------------------------------------------------------------------------------

void Recorder::on_import_open(Peer& peer, io::Frame& frame) {
  auto open = unpack<store::ImportOpen>(frame.body);
  if (!open) return refuse(peer, frame, Errc::kMalformed, open.error().message);
  if (const auto ok = check_streams(open->streams); !ok)
    return refuse(peer, frame, ok.error().code, ok.error().message);
  std::string why;
  if (!may_admit(why)) return refuse(peer, frame, Errc::kBusy, why);
  auto opening = std::make_shared<Opening>();
  opening->peer = peer.serial;
  opening->source = keys::CallSource::kImport;
  opening->direction = open->direction;
  opening->streams = std::move(open->streams);
  opening->flags = {"imported"};
  opening->call_data = std::move(open->call_data);
  opening->started_at = open->started_at != 0 ? open->started_at : clock_.utc_ms();
  opening->started_ns = clock_.monotonic_ns();
  opening->request = std::move(frame);
  open_call(opening);
}

void Recorder::on_import_audio(Peer& peer, io::Frame& frame) {
  const auto audio = unpack<store::ImportAudio>(frame.body);
  auto* call = audio ? find(audio->call) : nullptr;
  const auto import = audio ? imports_.find(audio->call) : imports_.end();
  if (call == nullptr || import == imports_.end() || import->second.peer != peer.serial ||
      call->phase != RecorderPhase::kLive)
    return;
  if (const auto done = call->import_audio(audio->stream, audio->index, audio->samples.expose());
      !done) {
    // A file that is not what it was said to be: keep what came, end here.
    log_event("recorder.import_refused",
              {{"call", call->id().hex()}, {"why", done.error().message}});
    return end_call(*call, "import_end");
  }
}

void Recorder::on_import_end(Peer& peer, io::Frame& frame) {
  const auto end = unpack<store::ImportEnd>(frame.body);
  auto* call = end ? find(end->call) : nullptr;
  const auto import = end ? imports_.find(end->call) : imports_.end();
  if (call == nullptr || import == imports_.end())
    return refuse(peer, frame, Errc::kNotFound, "no such import");
  if (call->sealed_logged) {
    peer.channel->reply(frame, store::Ack{});
    return;
  }
  import->second.end = std::move(frame);
  if (call->phase == RecorderPhase::kLive) end_call(*call, "import_end");
}

}  // namespace callward::app
