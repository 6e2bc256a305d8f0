// The life of a call in the recorder: opened, ended, sealed, freed; and found again after a crash.
#include <algorithm>

#include "app/recorder_process.hpp"
#include "base/check.hpp"
#include "base/event_log.hpp"

namespace callward::app {

using store::FrameType;

namespace {

constexpr std::uint32_t kSegmentMs = segment::kSegmentMs;
constexpr std::size_t kDerivedPerTaskMax = 100'000;

std::uint16_t mask_of(const std::vector<store::StreamSpec>& streams) {
  std::uint16_t mask = 0;
  for (const auto& stream : streams) mask = static_cast<std::uint16_t>(mask | 1u << stream.stream);
  return mask;
}

}  // namespace

// ---- opening ------------------------------------------------------------------------------------

Result<std::pair<io::Fd, std::uint16_t>> Recorder::bind_port(const std::string& address) {
  const std::uint32_t first = config_.rtp_port_first, last = config_.rtp_port_last;
  for (std::uint32_t tried = first; tried <= last; tried += 2) {
    if (next_port_ < first || next_port_ > last)
      next_port_ = (first + 1) & ~1u;  // RTP stands on even ports
    const auto port = static_cast<std::uint16_t>(next_port_);
    next_port_ += 2;
    auto fd = io::bind_udp(address, port, kSocketBufferBytes);
    if (fd) {
      const auto bound = TRY(io::local_port(*fd));
      return std::pair(std::move(*fd), bound);
    }
    if (fd.error().code != Errc::kFull) return tl::unexpected(fd.error());
  }
  return fail(Errc::kFull, "no_ports");
}

void Recorder::open_call(const std::shared_ptr<Opening>& opening) {
  const auto id = CallId::random(system_entropy_);
  const auto use_spare = [this, opening](const std::string& why) {
    const auto peer = peers_.find(opening->peer);
    if (spares_.empty()) {
      ++calls_refused_;
      log_event("recorder.no_keys", {{"why", why}});
      if (peer != peers_.end())
        refuse(peer->second, opening->request, Errc::kUnavailable, "keeper_away");
      return;
    }
    auto root = std::move(spares_.front());
    spares_.pop_front();
    keys::CallStarted started;
    started.nodes = std::move(root.nodes);
    begin_call(opening, root.call, std::move(started), true);
  };
  if (!keeper_ready_) return use_spare("keeper away");
  keys::CallStart start;
  start.call = id;
  start.source = opening->source;
  start.direction = opening->direction;
  start.streams = mask_of(opening->streams);
  start.started_at = opening->started_at;
  start.call_data = to_bytes(opening->call_data.expose());
  opening_.insert(id);
  keeper_->request(
      start, kCallStartTimeoutMs,
      [this, id, opening, use_spare, alive = alive_](Result<io::Frame> reply) {
        if (!*alive) return;
        opening_.erase(id);
        auto started =
            reply ? unpack<keys::CallStarted>(reply->body) : tl::unexpected(reply.error());
        if (started) return begin_call(opening, id, std::move(*started), false);
        const auto code = started.error().code;
        if (code == Errc::kUnavailable || code == Errc::kTimeout || code == Errc::kBusy) {
          use_spare(started.error().message);
          // It may have begun there all the same: that one has no recording.
          told_running_ = false;
          tell_running_again_ = telling_running_;  // what is on its way names it still
          return tell_running();
        }
        ++calls_refused_;
        if (const auto peer = peers_.find(opening->peer); peer != peers_.end())
          refuse(peer->second, opening->request, code, started.error().message);
      });
  wipe(start.call_data);
}

void Recorder::begin_call(const std::shared_ptr<Opening>& opening, const CallId& id,
                          keys::CallStarted started, bool spare) {
  const auto peer = peers_.find(opening->peer);
  const bool continuation = opening->continues.has_value();
  auto call = std::make_shared<RecorderCall>(*tools_, id);
  call->started_ns = opening->started_ns;
  call->media_address = opening->media_address;
  call->dialog = std::move(opening->dialog);
  call->telephone = std::move(opening->telephone);
  store::SpoolCallBegin begin;
  begin.sequence = ++sequence_;
  begin.row = started.row;
  begin.source = opening->source;
  begin.direction = opening->direction;
  begin.started_at = opening->started_at;
  begin.streams = opening->streams;
  begin.flags = std::move(opening->flags);
  begin.spare = spare;
  call->spooled.begin = begin;
  call->spooled.dial = opening->dial;
  call->phase = RecorderPhase::kLive;
  if (spare) {
    call->call_data = std::move(opening->call_data);
    call->needs_adoption = true;
    call->frozen_index = 0;
    for (const auto& node : started.nodes) call->frozen.push_back(node.clone());
  }
  const auto begun = [&]() -> Result<std::vector<std::uint16_t>> {
    TRY(call->take_keys(std::move(started.nodes)));
    TRY(call->put(FrameType::kCallBegin, pack(begin)));
    if (opening->dial) TRY(call->put(FrameType::kDial, pack(store::SpoolDial{*opening->dial})));
    if (!started.call_data_record.empty())
      TRY(call->put(FrameType::kCallData, started.call_data_record));
    call->spooled.streams.clear();
    auto ports = TRY(apply_streams(*call, opening->streams, &opening->sockets));
    call->announce_sources(opening->sources);
    return ports;
  }();
  calls_.emplace(id, call);
  ++calls_total_;
  if (!begun || (peer == peers_.end() && !continuation)) {
    // The log says that it began: it ends at once, visibly.
    if (peer != peers_.end())
      refuse(peer->second, opening->request, begun ? Errc::kState : begun.error().code,
             begun ? "" : begun.error().message);
    ++calls_refused_;
    if (call->spooled.streams.empty()) call->spooled.streams = opening->streams;
    return end_call(*call, "cancel");
  }
  turns_[calls_total_ % kTicksPerTurn].push_back(call);
  if (continuation) {
    continued_[*opening->continues] = id;
    log_event("recorder.call_continued", {{"call", opening->continues->hex()}, {"by", id.hex()}});
  } else if (call->imported()) {
    imports_[id].peer = opening->peer;
    peer->second.channel->reply(opening->request, store::ImportOpened{id, kImportCreditSegments});
  } else {
    peer->second.channel->reply(opening->request, store::SessionOpened{id, *begun});
  }
  open_audio(*call, false);
  announce(*call);
  tell_keeper(*call);
}

// The keeper cannot issue for this call any more (its root died with an earlier keeper, and now
// this recorder has lost its nodes too): it is sealed as it is, and a new one goes on with its
// streams and sockets.
void Recorder::continue_call(RecorderCall& call) {
  auto opening = std::make_shared<Opening>();
  opening->source = call.spooled.begin->source;
  opening->direction = call.spooled.begin->direction;
  opening->dial = call.spooled.dial;
  opening->started_at = clock_.utc_ms();
  opening->started_ns = clock_.monotonic_ns();
  opening->media_address = call.media_address;
  opening->streams = call.spooled.streams;
  opening->sources = call.announced_sources();
  opening->flags = {"continuation"};
  opening->call_data = SecretBytes(as_bytes("{\"continues\":\"" + call.id().hex() + "\"}"));
  opening->dialog = std::move(call.dialog);
  opening->telephone = call.telephone;
  opening->continues = call.id();
  for (auto& line : call.lines) {
    if (!line->socket.valid()) continue;
    if (fd_drop_) fd_drop_(socket_name(call.id(), line->spec.stream));
    opening->sockets.emplace(line->spec.stream, std::pair(std::move(line->socket), line->port));
  }
  call.lines.clear();
  call.phase = RecorderPhase::kLive;
  end_call(call, "recovered");
  open_call(opening);
}

// What signalling says now: new streams get a socket and begin here, removed ones lose theirs.
Result<std::vector<std::uint16_t>> Recorder::apply_streams(
    RecorderCall& call, const std::vector<store::StreamSpec>& streams, SocketMap* given) {
  const auto now_ns = std::max<std::int64_t>(call.elapsed_ns(), 0);
  const bool fresh = call.spooled.streams.empty();
  std::vector<std::uint16_t> ports;
  for (const auto& spec : streams) {
    auto* line = call.line(spec.stream);
    if (line == nullptr) {
      io::Fd socket;
      std::uint16_t port = 0;
      if (!call.imported() && spec.mode != store::StreamMode::kRemoved) {
        const auto& address =
            call.media_address.empty() ? config_.media_address : call.media_address;
        std::pair<io::Fd, std::uint16_t> bound;
        if (given != nullptr && given->count(spec.stream) != 0)
          bound = std::move(given->at(spec.stream));
        else
          bound = TRY(bind_port(address));
        socket = std::move(bound.first);
        port = bound.second;
        if (fd_put_) fd_put_(socket_name(call.id(), spec.stream), socket.get());
      }
      const auto first = fresh ? 0 : static_cast<std::uint32_t>(now_ns / 1'000'000 / kSegmentMs);
      line = &call.add_line(spec, std::move(socket), port, first,
                            static_cast<std::uint32_t>(config_.jitter_ms));
    } else if (line->segmenter != nullptr) {
      call.tick();  // what came before the change belongs to before
      line->segmenter->set_mode(spec.mode, now_ns);
      if (spec.mode != line->spec.mode) call.streams_wait_again(spec.stream);
      line->segmenter->set_types(spec.codec, spec.payload_type, spec.event_payload_type);
      line->spec = spec;
      if (spec.mode == store::StreamMode::kRemoved && line->socket.valid()) {
        line->socket.reset();
        if (fd_drop_) fd_drop_(socket_name(call.id(), spec.stream));
      }
    }
    ports.push_back(line->port);
  }
  // A stream that is not named any more is removed; the account keeps it.
  for (auto& line : call.lines)
    if (line->segmenter != nullptr &&
        std::none_of(streams.begin(), streams.end(),
                     [&](const auto& s) { return s.stream == line->spec.stream; })) {
      line->spec.mode = store::StreamMode::kRemoved;
      line->segmenter->set_mode(store::StreamMode::kRemoved, now_ns);
      line->socket.reset();
      if (fd_drop_) fd_drop_(socket_name(call.id(), line->spec.stream));
    }
  call.spooled.streams.clear();
  for (const auto& line : call.lines) call.spooled.streams.push_back(line->spec);
  call.flush_account();
  if (!fresh)
    (void)call.put(FrameType::kState,
                   pack(store::SpoolState{call.spooled.streams,
                                          static_cast<std::uint32_t>(now_ns / 1'000'000)}));
  return ports;
}

// ---- ending, sealing ----------------------------------------------------------------------------

void Recorder::end_call(RecorderCall& call, const std::string& cause) {
  CHECK(call.phase == RecorderPhase::kLive);
  store::SpoolCallEnded ended;
  ended.cause = cause;
  ended.ends = call.finish();
  ended.ended_at = clock_.utc_ms();
  if (call.imported() || cause == "recovered") {
    std::uint32_t last = 0;
    for (const auto& end : ended.ends) last = std::max(last, end.end_index);
    ended.ended_at = call.spooled.begin->started_at + std::int64_t{last} * kSegmentMs;
  }
  if (const auto foreign = call.foreign_packets(); foreign > 0)
    log_event("recorder.rtp_foreign", {{"call", call.id().hex()}, {"packets", foreign}});
  (void)call.put(FrameType::kCallEnded, pack(ended));
  call.spooled.ended = ended;
  call.phase = RecorderPhase::kEnding;
  call.dialog.clear();
  if (fd_drop_)
    for (const auto& line : call.lines)
      if (line->segmenter != nullptr) fd_drop_(socket_name(call.id(), line->spec.stream));
  if (const auto peer = peers_.find(listener_); peer != peers_.end())
    (void)peer->second.channel->send(store::AudioClose{call.id(), ended.ends});
  announce(call);
  spool_->when_durable([this, id = call.id(), alive = alive_] {
    loop_.post([this, id, alive] {
      if (!*alive) return;
      if (auto* again = find(id)) {
        again->durable = true;
        tell_keeper(*again);
      }
    });
  });
}

void Recorder::advance_phase(const CallId& id) {
  auto* call = find(id);
  if (call == nullptr) return;
  if (call->phase == RecorderPhase::kEnding && call->end_logged) {
    call->phase = RecorderPhase::kSealing;
    seal(*call);
  } else if (call->phase == RecorderPhase::kSealing && call->sealed_logged) {
    // The object has it all: only what is still derived stays in the spool, under the same call.
    (void)call->put(FrameType::kCallFreed, {});
    spool_->free_call(id);
    call->spooled.forget_runs();
    call->lines.clear();
    (void)call->put(FrameType::kCallBegin, pack(*call->spooled.begin));
    (void)call->put(FrameType::kCallEnded, pack(*call->spooled.ended));
    for (const auto& record : call->fresh_derived) (void)call->put(FrameType::kDerived, record);
    call->phase = RecorderPhase::kListening;
    announce(*call);
    if (const auto import = imports_.find(id); import != imports_.end()) {
      const auto peer = peers_.find(import->second.peer);
      if (import->second.end && peer != peers_.end())
        peer->second.channel->reply(*import->second.end, store::Ack{});
      imports_.erase(import);
    }
    if (call->spooled.listened) listening_over(*call);
  } else if (call->phase == RecorderPhase::kListening && call->spooled.listened &&
             !call->writing_derived) {
    call->fresh_derived.empty() ? complete(*call) : seal(*call);
  }
}

// Hands the call to the sealer's thread: a copy, because derived records go on coming.
void Recorder::seal(RecorderCall& call) {
  const bool object = !call.sealed.has_value();
  if (object ? call.sealing : call.writing_derived) return;
  SealTask task{call.id(), call.spooled, {}, object, call.spooled.begin->sequence};
  if (object)
    call.sealing = true;  // the copy's own derived frames are read by the sealer
  else {
    call.writing_derived = true;
    task.derived = call.fresh_derived;
  }
  if (object) call.fresh_derived.clear();
  if (!seal_queue_.push(std::move(task))) {
    log_event("recorder.sealer_full");
    (object ? call.sealing : call.writing_derived) = false;
  }
}

void Recorder::run_sealer() {
  while (true) {
    auto task = seal_queue_.pop(std::chrono::milliseconds(500));
    if (!task) {
      if (seal_queue_.closed()) return;
      continue;
    }
    if (task->removal) {
      remove_now(task->removal);
      continue;
    }
    Result<store::ObjectSummary> sealed = store::ObjectSummary{};
    Status derived;
    auto records = std::move(task->derived);
    if (task->seal) {
      sealed = store::seal_call(*spool_, task->spooled, objects_);
      if (auto more = task->spooled.derived(*spool_))
        records = std::move(*more);
      else
        derived = tl::unexpected(more.error());
      save_sequence(task->sequence);
    }
    const auto count = task->seal ? 0 : records.size();
    if (sealed && derived && !records.empty()) {
      if (records.size() > kDerivedPerTaskMax) records.resize(kDerivedPerTaskMax);
      if (const auto written =
              store::extend_derived(objects_, task->spooled.object_head(), records);
          !written)
        derived = tl::unexpected(written.error());
    }
    loop_.post([this, id = task->call, sealed, derived, count, seal = task->seal, alive = alive_] {
      if (*alive) on_sealed(id, sealed, derived, count, seal);
    });
  }
}

void Recorder::on_sealed(const CallId& id, Result<store::ObjectSummary> sealed, Status derived,
                         std::size_t count, bool was_seal) {
  auto* call = find(id);
  if (call == nullptr) return;
  (was_seal ? call->sealing : call->writing_derived) = false;
  if (!sealed || !derived) {
    const auto& error = sealed ? derived.error() : sealed.error();
    log_event("recorder.seal_failed", {{"call", id.hex()}, {"why", error.message}});
    // The spool has it all; once more in a while.
    loop_.after_ms(5'000, [this, id, alive = alive_] {
      if (!*alive) return;
      if (auto* again = find(id); again != nullptr && (!again->sealed || again->spooled.listened))
        seal(*again);
    });
    return;
  }
  if (was_seal) {
    call->sealed = *sealed;
    tell_keeper(*call);
    return;
  }
  call->fresh_derived.erase(call->fresh_derived.begin(),
                            call->fresh_derived.begin() + static_cast<std::ptrdiff_t>(count));
  advance_phase(id);
}

// ---- derived data, and the end of it ------------------------------------------------------------

void Recorder::add_derived(const CallId& id, Bytes record) {
  const auto header = keys::parse_record(record);
  if (!header || (!keys::is_derived(header->kind) && header->kind != keys::RecordKind::kCallData))
    return log_event("recorder.derived_malformed", {{"call", id.hex()}});
  auto* call = find(id);
  if (call == nullptr) {
    // Long complete: the derived object is made anew.
    const auto name = find_object(id, store::ObjectKind::kRecording);
    const auto reader = name ? store::open_object(objects_, *name) : tl::unexpected(name.error());
    if (!reader) return log_event("recorder.derived_homeless", {{"call", id.hex()}});
    if (const auto done = store::extend_derived(objects_, reader->head(), {record}); !done)
      log_event("recorder.derived_failed", {{"call", id.hex()}, {"why", done.error().message}});
    return;
  }
  const auto type =
      header->kind == keys::RecordKind::kCallData ? FrameType::kCallData : FrameType::kDerived;
  (void)call->put(type, record);
  const bool copied = call->sealing || call->sealed.has_value();
  if (!copied || type != FrameType::kDerived) return;
  call->fresh_derived.push_back(std::move(record));
  if (call->phase == RecorderPhase::kListening && call->fresh_derived.size() >= kFreshDerivedMax)
    seal(*call);
}

void Recorder::listening_over(RecorderCall& call) {
  if (!call.spooled.listened) (void)call.put(FrameType::kListened, {});
  call.spooled.listened = true;
  advance_phase(call.id());
}

void Recorder::complete(RecorderCall& call) {
  (void)call.put(FrameType::kCallFreed, {});
  spool_->free_call(call.id());
  call.phase = RecorderPhase::kComplete;
  announce(call);
  drop_soon(call.id());
}

// Not now: somebody on the stack may still look at it.
void Recorder::drop_soon(const CallId& id) {
  loop_.after_ms(0, [this, id, alive = alive_] {
    if (!*alive) return;
    calls_.erase(id);
    std::erase_if(continued_, [&](const auto& link) { return link.second == id; });
  });
}

Result<std::string> Recorder::find_object(const CallId& id, store::ObjectKind kind) {
  constexpr std::int64_t kDayMs = 86'400'000;
  constexpr std::size_t kFoundMax = 1'024;
  const auto key = std::pair(id, kind);
  if (const auto known = found_objects_.find(key); known != found_objects_.end()) {
    if (objects_.exists(known->second)) return known->second;
    found_objects_.erase(known);
  }
  const auto now = clock_.utc_ms() + kDayMs;
  for (int day = 0; day < kObjectDaysBackMax; ++day) {
    auto name = store::object_name(id, now - day * kDayMs, kind);
    if (!objects_.exists(name)) continue;
    if (found_objects_.size() >= kFoundMax) found_objects_.clear();
    found_objects_.emplace(key, name);
    return name;
  }
  return fail(Errc::kNotFound, "no object of this call");
}

void Recorder::save_sequence(std::uint64_t sequence) {
  const auto path = config_.spool_dir + "/sequence";
  const auto old = vfs_.read_file(path, 64);
  const auto before = old ? std::strtoull(std::string(as_text(*old)).c_str(), nullptr, 10) : 0;
  if (sequence <= before) return;
  if (const auto done = vfs_.write_file_atomic(path, as_bytes(std::to_string(sequence))); !done)
    log_event("recorder.sequence_not_saved", {{"why", done.error().message}});
}

}  // namespace callward::app
