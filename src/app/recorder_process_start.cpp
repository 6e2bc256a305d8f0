// The recorder's start: what an earlier one left. The spool is read on a thread of its own; what
// must not wait for it is done meanwhile: the keeper is asked for the keys of the calls whose
// sockets the supervisor kept, and their packets are taken from the kernel, with the time when they
// came. So a spool of many gigabytes costs no more audio than a small one.
#include <algorithm>

#include "app/recorder_process.hpp"
#include "base/event_log.hpp"

namespace callward::app {

using store::FrameType;

namespace {

constexpr std::int64_t kEarlyAgeNsMax = 60'000'000'000;  // of a packet in the kernel's buffer

segment::SourcePolicy source_policy(const RecorderConfig& config) {
  if (config.rtp_source == "announced") return segment::SourcePolicy::kAnnounced;
  if (config.rtp_source == "any") return segment::SourcePolicy::kAny;
  return segment::SourcePolicy::kLatch;
}

// "rtp:<call>:<stream>"
std::optional<std::pair<CallId, std::uint8_t>> parse_socket_name(std::string_view name) {
  constexpr std::string_view kPrefix = "rtp:";
  constexpr std::size_t kHexDigits = 32;
  if (!name.starts_with(kPrefix) || name.size() < kPrefix.size() + kHexDigits + 2)
    return std::nullopt;
  const auto call = CallId::parse(name.substr(kPrefix.size(), kHexDigits));
  const auto number = name.substr(kPrefix.size() + kHexDigits + 1);
  if (!call || number.size() > 2) return std::nullopt;
  unsigned stream = 0;
  for (const char digit : number) {
    if (digit < '0' || digit > '9') return std::nullopt;
    stream = stream * 10 + static_cast<unsigned>(digit - '0');
  }
  if (stream >= store::kAudioStreamsMax ||
      name != socket_name(*call, static_cast<std::uint8_t>(stream)))
    return std::nullopt;
  return std::pair(*call, static_cast<std::uint8_t>(stream));
}

// The call's first frame is damaged: what is left is sealed under what is known.
void make_begin(store::SpoolCall& spooled, std::uint64_t sequence, std::int64_t now_ms) {
  log_event("recorder.call_without_begin", {{"call", spooled.id().hex()}});
  store::SpoolCallBegin begin;
  begin.sequence = sequence;
  begin.source = keys::CallSource::kSiprec;
  begin.started_at = now_ms;
  begin.flags = {"begin_damaged"};
  for (std::uint8_t stream = 0; stream < store::kAudioStreamsMax; ++stream)
    if (spooled.end_index[stream] > 0)
      spooled.streams.push_back({stream, stream <= 1 ? store::Party{stream} : store::Party::kOther,
                                 store::StreamMode::kActive});
  begin.streams = spooled.streams;
  spooled.begin = begin;
}

}  // namespace

void Recorder::start(std::vector<std::pair<std::string, io::Fd>> sockets) {
  start_ns_ = clock_.monotonic_ns();
  for (auto& [name, fd] : sockets) {
    const auto parsed = parse_socket_name(name);
    if (!parsed || !fd.valid()) {
      if (fd_drop_) fd_drop_(name);
      continue;
    }
    early_[parsed->first].sockets.push_back({name, parsed->second, std::move(fd), {}});
  }
  keeper_ = std::make_unique<io::Client>(
      loop_, run_dir_ + "/keeper.sock",
      io::ChannelLimits{"recorder.keeper", keys::kKeeperFrameBytesMax, 64u << 20},
      keys::ErrorReply::kType);
  keeper_->start([this] { on_keeper_connected(); }, [this] { on_keeper_lost(); },
                 [this](io::Frame frame) { on_keeper_event(std::move(frame)); });
  timers_ = {loop_.every_ms(kTickMs, [this] { tick(); }),
             loop_.every_ms(1'000, [this] { each_second(); })};
  recovering_ = std::make_unique<Recovering>();
  reader_ = std::thread([this] { read_spool(); });
}

// On the reading thread: nothing of the recorder is touched but `recovering_`.
void Recorder::read_spool() {
  store::SpoolOptions options;
  options.dir = config_.spool_dir;
  options.file_bytes = config_.spool_file_bytes;
  options.files_max = config_.spool_files_max;
  auto report = std::make_shared<store::RecoveryReport>();
  auto spool = std::make_shared<Result<std::unique_ptr<store::Spool>>>(store::Spool::open(
      vfs_, options,
      [this](const store::FrameView& frame, const store::FrameRef& ref) {
        recovered_frame(frame, ref);
      },
      report.get()));
  loop_.post([this, spool, report, alive = alive_] {
    if (*alive) spool_read(std::move(*spool), *report);
  });
}

void Recorder::spool_read(Result<std::unique_ptr<store::Spool>> spool,
                          const store::RecoveryReport& report) {
  reader_.join();
  if (!spool) {
    if (on_failed_) on_failed_(spool.error());
    return;
  }
  spool_ = std::move(*spool);
  log_event("recorder.spool", {{"files", report.files},
                               {"frames", report.frames},
                               {"damaged_bytes", report.damaged_bytes},
                               {"unreadable_files", report.unreadable_files.size()},
                               {"ms", (clock_.monotonic_ns() - start_ns_) / 1'000'000}});
  tools_ = std::unique_ptr<RecorderTools>(
      new RecorderTools{clock_, *spool_, entropy_, {}, {}, {}, source_policy(config_), {}, {}});
  tools_->may_tell_source = [this] { return may_tell_source(); };
  tools_->on_audio = [this](const RecorderCall& call, std::uint8_t stream, std::uint8_t codec,
                            std::uint32_t index, const segment::AudioPayload& payload) {
    push_audio(call, stream, codec, index, payload);
  };
  sealer_ = std::thread([this] { run_sealer(); });
  collect_early();
  tools_->counters.received += early_truncated_;  // the others count when they are heard
  tools_->counters.truncated += std::exchange(early_truncated_, 0);
  recover();
  ready_ = true;
  for (auto& event : std::exchange(early_events_, {})) on_keeper_event(std::move(event));
  for (auto& [serial, frame] : std::exchange(early_frames_, {})) on_frame(serial, std::move(frame));
  if (keeper_ready_) tell_all();
}

// ---- before the spool is read -------------------------------------------------------------------

// The keeper gives keys from half a second ago on: each moment before it is asked is lost.
void Recorder::ask_early() {
  for (auto& [id, early] : early_) {
    if (early.asked) continue;
    early.asked = true;
    keeper_->request(
        keys::Reissue{id}, kKeeperTimeoutMs,
        [this, id = id, alive = alive_](Result<io::Frame> reply) {
          const auto at = *alive ? early_.find(id) : early_.end();
          auto answer = reply ? unpack<keys::Reissued>(reply->body) : tl::unexpected(reply.error());
          if (!*alive) return;
          const bool no_answer = !answer && (answer.error().code == Errc::kUnavailable ||
                                             answer.error().code == Errc::kTimeout);
          if (at != early_.end()) {
            at->second.asked = !no_answer;
            if (!no_answer) at->second.answer = std::move(answer);
          } else if (auto* call = find(id);  // the spool was read meanwhile
                     call != nullptr && call->phase == RecorderPhase::kReissue) {
            call->asking = false;
            reissue_answered(*call, std::move(answer));
          }
        });
  }
}

// Out of the kernel's buffers, which hold some seconds.
void Recorder::collect_early() {
  const auto now_ns = clock_.monotonic_ns();
  const auto utc_now_ns = clock_.utc_ms() * 1'000'000;
  for (auto& [id, early] : early_)
    for (auto& socket : early.sockets) {
      if (socket.packets.size() >= kEarlyPacketsMax || early_bytes_ >= kEarlyBytesMax) continue;
      (void)early_sweeper_.sweep(
          socket.fd.get(), kEarlyPacketsMax - socket.packets.size(),
          [&](ByteView datagram, std::int64_t at_utc_ns, bool truncated, const Endpoint& from) {
            if (truncated) {
              ++early_truncated_;
              return;
            }
            const auto age_ns = std::clamp<std::int64_t>(utc_now_ns - at_utc_ns, 0, kEarlyAgeNsMax);
            early_bytes_ += datagram.size();
            socket.packets.push_back({SecretBytes(datagram), now_ns - age_ns, from});
          });
    }
}

// ---- once it is read ----------------------------------------------------------------------------

void Recorder::recovered_frame(const store::FrameView& frame, const store::FrameRef& ref) {
  auto& found = *recovering_;
  switch (frame.type) {
    case FrameType::kLogEntry:
      if (auto entry = unpack<keys::LogAppend>(frame.payload))
        found.log[frame.call] = std::move(*entry);
      return;
    case FrameType::kLogEntryDone:
      found.log.erase(frame.call);
      return;
    case FrameType::kCallFreed:
      found.calls.erase(frame.call);
      return;
    default:
      break;
  }
  const auto [at, fresh] = found.calls.try_emplace(frame.call, frame.call);
  if (fresh) found.order.push_back(frame.call);
  at->second.recovered(frame, ref);
}

void Recorder::recover() {
  const auto found = std::move(recovering_);
  if (const auto saved = vfs_.read_file(config_.spool_dir + "/sequence", 64))
    sequence_ = std::strtoull(std::string(as_text(*saved)).c_str(), nullptr, 10);
  for (const auto& id : found->order) {
    const auto at = found->calls.find(id);
    if (at == found->calls.end()) continue;
    recover_call(std::move(at->second));
    found->calls.erase(at);
  }
  for (auto& [id, entry] : found->log) pending_log_.push_back({id, std::move(entry)});
  auto early = std::exchange(early_, {});
  early_bytes_ = 0;
  for (auto& [id, one] : early) {
    for (const auto& socket : one.sockets)  // of calls that are over
      if (socket.fd.valid() && fd_drop_) fd_drop_(socket.name);
    auto* call = find(id);
    if (call == nullptr || call->phase != RecorderPhase::kReissue) continue;
    if (!one.answer) {
      call->asking = one.asked;
      continue;
    }
    reissue_answered(*call, std::move(*one.answer));
    // The keeper that gave them died since: the next one has to be told.
    if (one.keeper_lost && call->phase == RecorderPhase::kLive && !call->lines.empty())
      call->freeze();
  }
}

void Recorder::take_waiting_sockets(RecorderCall& call) {
  const auto early = early_.find(call.id());
  if (early == early_.end()) return;
  for (const auto& spec : call.spooled.streams)
    for (auto& socket : early->second.sockets) {
      if (socket.stream != spec.stream || !socket.fd.valid()) continue;
      auto line = std::make_unique<RecorderCall::Line>(call, spec, keys::ForwardKeys{});
      line->port = io::local_port(socket.fd).value_or(0);
      line->socket = std::move(socket.fd);
      line->waiting = std::move(socket.packets);
      call.lines.push_back(std::move(line));
    }
}

void Recorder::recover_call(store::SpoolCall spooled) {
  const auto id = spooled.id();
  auto call = std::make_shared<RecorderCall>(*tools_, id);
  if (!spooled.begin) make_begin(spooled, ++sequence_, clock_.utc_ms());
  spooled.fill_holes();
  sequence_ = std::max(sequence_, spooled.begin->sequence);
  call->spooled = std::move(spooled);
  calls_.emplace(id, call);
  const auto& begin = *call->spooled.begin;
  call->started_ns = clock_.monotonic_ns() - (clock_.utc_ms() - begin.started_at) * 1'000'000;
  call->restore_sources();
  const auto name = store::object_name(id, begin.started_at, store::ObjectKind::kRecording);
  if (call->spooled.ended) {
    call->durable = true;
    const bool has_audio =
        std::any_of(call->spooled.end_index.begin(), call->spooled.end_index.end(),
                    [](auto end) { return end > 0; });
    const auto object = !has_audio && objects_.exists(name) ? store::open_object(objects_, name)
                                                            : fail(Errc::kNotFound, "");
    if (object) {  // sealed and logged before: only the listener's part is open
      call->sealed = object->summary();
      call->end_logged = call->sealed_logged = true;
      call->phase = RecorderPhase::kListening;
      for (std::size_t i = 0; i < object->head().streams.size(); ++i)
        call->spooled.end_index[object->head().streams[i].stream] =
            object->head().streams[i].end_index;
      if (auto derived = call->spooled.derived(*spool_)) call->fresh_derived = std::move(*derived);
      advance_phase(id);
      return;
    }
    call->phase = RecorderPhase::kEnding;
    return;
  }
  take_waiting_sockets(*call);
  if (call->lines.empty() || call->imported()) {
    call->lines.clear();
    call->phase = RecorderPhase::kLive;
    return end_call(*call, "recovered");
  }
  call->phase = RecorderPhase::kReissue;
  turns_[++calls_total_ % kTicksPerTurn].push_back(call);
  log_event("recorder.call_resumed", {{"call", id.hex()}, {"streams", call->lines.size()}});
}

}  // namespace callward::app
