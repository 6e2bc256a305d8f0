#include "app/recorder_process.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "app/sandbox.hpp"
#include "base/event_log.hpp"

namespace callward::app {

namespace {

constexpr std::size_t kPeersMax = 256;

io::ChannelLimits peer_limits() {
  return {"recorder.peer", store::kRecorderFrameBytesMax, kListenerQueueBytesMax};
}

}  // namespace

Recorder::Recorder(io::Loop& loop, Clock& clock, Entropy& entropy, Vfs& vfs, RecorderConfig config,
                   std::string run_dir)
    : loop_(loop),
      clock_(clock),
      system_entropy_(entropy),
      entropy_(entropy),
      vfs_(vfs),
      config_(std::move(config)),
      run_dir_(std::move(run_dir)),
      objects_(vfs, config_.objects_dir),
      next_port_(config_.rtp_port_first) {}

Recorder::~Recorder() { stop(); }

void Recorder::set_fd_store(std::function<void(const std::string&, int)> put,
                            std::function<void(const std::string&)> drop) {
  fd_put_ = std::move(put);
  fd_drop_ = std::move(drop);
}

Status Recorder::listen() {
  TRY(vfs_.make_dirs(config_.spool_dir));
  TRY(vfs_.make_dirs(config_.objects_dir));
  server_ = TRY(io::ChannelServer::listen(
      loop_, run_dir_ + "/recorder.sock", peer_limits(),
      [this](std::unique_ptr<io::Channel> channel) { on_accept(std::move(channel)); }));
  return {};
}

void Recorder::stop() {
  if (!*alive_) return;
  *alive_ = false;
  for (const auto timer : timers_) loop_.cancel(timer);
  if (reader_.joinable()) reader_.join();
  if (spool_ != nullptr)
    for (auto& [id, call] : calls_)
      if (call->phase == RecorderPhase::kLive)
        call->tick();  // what has come is sealed before we go
  if (keeper_ != nullptr) keeper_->stop();
  seal_queue_.close();
  if (sealer_.joinable()) sealer_.join();
  peers_.clear();
  server_.reset();
  spool_.reset();
}

// ---- the turn of each call ----------------------------------------------------------------------

void Recorder::tick() {
  if (!ready_) {
    turn_ = (turn_ + 1) % kTicksPerTurn;
    if (turn_ == 0) collect_early();
    return;
  }
  const auto now_ns = clock_.monotonic_ns();
  if (last_turn_ns_ != 0)
    lag_ms_max_ = std::max(lag_ms_max_, (now_ns - last_turn_ns_) / 1'000'000 - kTickMs);
  last_turn_ns_ = now_ns;
  turn_ = (turn_ + 1) % kTicksPerTurn;
  auto& turn = turns_[turn_];
  for (std::size_t i = 0; i < turn.size(); ++i) {
    auto& call = *turn[i];
    if (call.phase != RecorderPhase::kLive) continue;
    call.tick();
    const auto idle_from = std::max<std::int64_t>(call.last_packet_ns(), 0);
    const bool expects = std::any_of(call.lines.begin(), call.lines.end(), [](const auto& line) {
      return line->segmenter != nullptr && line->spec.mode == store::StreamMode::kActive;
    });
    if (expects && call.elapsed_ns() - idle_from > config_.rtp_timeout_s * 1'000'000'000) {
      if (auto* signal = peer_of_role(store::ClientRole::kSignal))
        signal->channel->send(store::SessionDead{call.id(), "rtp_timeout"});
      end_call(call, "rtp_timeout");
    } else if (call.next_index() >= segment::kIndexEnd - 1) {
      end_call(call, "session_timer");  // 29 hours: the tree has no further leaves
    }
  }
}

void Recorder::each_second() {
  if (!ready_) return;
  struct statvfs disk{};
  if (::statvfs(config_.spool_dir.c_str(), &disk) == 0) {
    const bool low =
        static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize < config_.disk_reserve_bytes;
    if (low != disk_low_) log_event(low ? "recorder.disk_low" : "recorder.disk_ok");
    disk_low_ = low;
  }
  if (lag_ms_max_ > 200) log_event("recorder.late", {{"ms", lag_ms_max_}});
  lag_ms_max_ = 0;
  for (auto& turn : turns_)
    std::erase_if(turn, [](const CallPtr& call) { return call->phase > RecorderPhase::kLive; });
  for (auto& [id, call] : calls_)
    tell_keeper(*call);  // what a full queue or a time-out left undone
  tell_running();
  refill_spares();
  send_log();
}

bool Recorder::may_admit(std::string& why) const {
  std::size_t live = opening_.size();
  for (const auto& turn : turns_) live += turn.size();
  if (!ready_)
    why = "starting";
  else if (live >= config_.calls_max)
    why = "overload";
  else if (disk_low_ || !spool_->can_admit())
    why = "disk_full";
  else
    return true;
  return false;
}

bool Recorder::may_tell_source() {
  const auto minute = clock_.monotonic_ns() / 60'000'000'000;
  if (minute != source_events_minute_) source_events_ = 0;
  source_events_minute_ = minute;
  return source_events_++ < kSourceEventsPerMinute;
}

// ---- peers --------------------------------------------------------------------------------------

void Recorder::on_accept(std::unique_ptr<io::Channel> channel) {
  if (channel->peer_uid() != static_cast<int>(::geteuid()) || peers_.size() >= kPeersMax) return;
  const auto serial = next_peer_++;
  auto& peer = peers_[serial];
  peer.serial = serial;
  peer.channel = std::move(channel);
  peer.channel->set_handlers(
      [this, serial](io::Frame frame) { on_frame(serial, std::move(frame)); },
      [this, serial] { on_peer_gone(serial); });
}

void Recorder::on_frame(std::uint64_t serial, io::Frame frame) {
  const auto peer = peers_.find(serial);
  if (peer == peers_.end()) return;
  if (!ready_ && frame.type != store::Hello::kType) {  // the spool is being read
    if (early_frames_.size() >= kEarlyFramesMax)
      return refuse(peer->second, frame, Errc::kBusy, "starting");
    early_frames_.emplace_back(serial, std::move(frame));
    return;
  }
  const auto handler = handlers().find(frame.type);
  if (handler == handlers().end())
    return refuse(peer->second, frame, Errc::kUnsupported, "unknown message");
  const bool greeted = peer->second.role != store::ClientRole{};
  if (!greeted && frame.type != store::Hello::kType)
    return refuse(peer->second, frame, Errc::kState, "say hello first");
  if (greeted && (handler->second.roles & bit(peer->second.role)) == 0)
    return refuse(peer->second, frame, Errc::kDenied, "not a message of this peer's role");
  (this->*handler->second.handler)(peer->second, frame);
}

void Recorder::on_peer_gone(std::uint64_t serial) {
  if (listener_ == serial) {
    listener_ = 0;
    // Nobody hears: what was sent ahead is credited, imports go on at the spool's pace.
    for (auto& [id, import] : imports_) import.fresh += std::exchange(import.unheard, 0);
  }
  std::vector<CallId> orphans;
  for (const auto& [id, import] : imports_)
    if (import.peer == serial && !import.end) orphans.push_back(id);
  for (const auto& id : orphans)
    if (auto* call = find(id); call != nullptr && call->phase == RecorderPhase::kLive)
      end_call(*call, "cancel");
  // Its channel is on the call stack.
  loop_.after_ms(0, [this, serial, alive = alive_] {
    if (*alive) peers_.erase(serial);
  });
}

Recorder::Peer* Recorder::peer_of_role(store::ClientRole role) {
  for (auto at = peers_.rbegin(); at != peers_.rend(); ++at)  // the latest one
    if (at->second.role == role && at->second.channel->open()) return &at->second;
  return nullptr;
}

void Recorder::refuse(Peer& peer, const io::Frame& request, Errc code, const std::string& message) {
  if (request.id != 0) peer.channel->reply(request, keys::ErrorReply{code, message});
}

RecorderCall* Recorder::find(const CallId& id) {
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second.get();
}

RecorderCall* Recorder::find_for_signal(const CallId& id) {
  auto now = id;
  for (auto next = continued_.find(now); next != continued_.end(); next = continued_.find(now))
    now = next->second;
  return find(now);
}

Recorder::CallPtr Recorder::find_shared(const CallId& id) {
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second;
}

std::string Recorder::status_json() const {
  if (spool_ == nullptr) return "{\"ready\":false}";
  std::size_t live = 0, listening = 0, at_telephone = 0;
  segment::SegmenterCounters sum;
  for (const auto& [id, call] : calls_) {
    live += call->phase == RecorderPhase::kLive ? 1 : 0;
    at_telephone +=
        call->phase == RecorderPhase::kLive && !call->telephone.value_or("").empty() ? 1 : 0;
    listening += call->phase == RecorderPhase::kListening ? 1 : 0;
    for (const auto& line : call->lines) {
      if (line->segmenter == nullptr) continue;
      const auto& c = line->segmenter->counters();
      sum.late += c.late;
      sum.duplicate += c.duplicate;
      sum.unknown_type += c.unknown_type;
      sum.stray += c.stray;
      sum.source_changes += c.source_changes;
      sum.drift_steps += c.drift_steps;
    }
  }
  const auto& packets = tools_->counters;
  const auto spool = spool_->gauges();
  const auto n = [](std::uint64_t value) { return std::to_string(value); };
  std::vector<QueueGauge> queues{spool.queue, seal_queue_.gauge()};
  if (keeper_ != nullptr) queues.push_back(keeper_->gauge());
  for (const auto& [serial, peer] : peers_)
    if (peer.role == store::ClientRole::kListener) {
      auto gauge = peer.channel->gauge();
      gauge.name = "recorder.listener";
      queues.push_back(gauge);
    }
  return "{\"ready\":" + std::string(ready_ && keeper_ready_ ? "true" : "false") +
         ",\"calls\":{\"live\":" + n(live) + ",\"at_telephone\":" + n(at_telephone) +
         ",\"listening\":" + n(listening) + ",\"held\":" + n(calls_.size()) +
         ",\"total\":" + n(calls_total_) + ",\"refused\":" + n(calls_refused_) +
         ",\"max\":" + n(config_.calls_max) + "},\"spool\":{\"files\":" + n(spool.files) +
         ",\"files_max\":" + n(spool.files_max) + ",\"spares\":" + n(spool.spares) +
         ",\"file_bytes\":" + n(spool.file_bytes) + ",\"commits\":" + n(spool.commits) +
         ",\"write_errors\":" + n(spool.write_errors) +
         ",\"failing\":" + (spool.failing ? "true" : "false") +
         ",\"disk_low\":" + (disk_low_ ? "true" : "false") +
         "},\"packets\":{\"received\":" + n(packets.received) +
         ",\"malformed\":" + n(packets.malformed) + ",\"truncated\":" + n(packets.truncated) +
         ",\"foreign\":" + n(packets.foreign) +
         ",\"sources_latched\":" + n(packets.sources_latched) + ",\"late\":" + n(sum.late) +
         ",\"duplicate\":" + n(sum.duplicate) + ",\"unknown_type\":" + n(sum.unknown_type) +
         ",\"stray\":" + n(sum.stray) + ",\"source_changes\":" + n(sum.source_changes) +
         ",\"drift_steps\":" + n(sum.drift_steps) + "},\"segments\":{\"sealed\":" +
         n(packets.segments - packets.unsealed - packets.unspooled) +
         ",\"unsealed\":" + n(packets.unsealed) + ",\"unspooled\":" + n(packets.unspooled) +
         "},\"listener\":{\"connected\":" + (listener_ != 0 ? "true" : "false") +
         ",\"overflowed\":" + n(audio_overflows_) + "},\"spare_roots\":" + n(spares_.size()) +
         ",\"log_waiting\":" + n(pending_log_.size()) + ",\"queues\":" + queues_json(queues) + "}";
}

// ---- the process --------------------------------------------------------------------------------

namespace {

// Sockets that an earlier recorder left with the supervisor.
std::vector<std::pair<std::string, io::Fd>> fetch_sockets(const std::string& path) {
  std::vector<std::pair<std::string, io::Fd>> out;
  auto client = io::BlockingClient::connect(path, 1u << 20, keys::ErrorReply::kType);
  if (!client) return out;  // no supervisor: started by hand
  const auto listed =
      (*client)->call(io::make_frame(store::FdListRequest{}), 5'000, [&](io::Frame frame) {
        if (frame.type != store::FdItem::kType || !frame.fd.valid()) return;
        if (auto item = unpack<store::FdItem>(frame.body))
          out.emplace_back(item->name, std::move(frame.fd));
      });
  if (!listed) log_event("recorder.no_sockets", {{"why", listed.error().message}});
  return out;
}

Status want_descriptors(std::uint64_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fail_errno("getrlimit");
  if (limit.rlim_cur < wanted && limit.rlim_max > limit.rlim_cur) {
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur < wanted)
    return fail(
        Errc::kConfig,
        "only " + std::to_string(limit.rlim_cur) + " file descriptors are allowed, " +
            std::to_string(wanted) +
            " are needed for recorder.calls_max: raise the limit (ulimit -n) or lower calls_max");
  return {};
}

}  // namespace

Status run_recorder(const ProcessContext& context) {
  SystemClock clock;
  SystemEntropy entropy;
  RealVfs vfs;
  const auto loop = TRY(io::Loop::create(clock));
  TRY(want_descriptors(std::uint64_t{context.config.recorder.calls_max} * 2 + 256));
  Recorder recorder(*loop, clock, entropy, vfs, context.config.recorder, context.config.run_dir);
  TRY(loop->on_stop_signal([&] { loop->stop(); }));
  recorder.set_peer_check([&](int pid, store::ClientRole role) {
    static constexpr std::array kNames = {"", "signal", "listener", "server", "", "supervisor"};
    const auto at = static_cast<std::size_t>(role);
    if (role == store::ClientRole::kImporter) return true;  // the command line: any process of ours
    const auto child = child_of_pid(context.config, pid);
    return child && at < kNames.size() && *child == kNames[at];
  });
  TRY(recorder.listen());
  auto sockets = fetch_sockets(context.config.socket("supervisor"));
  TRY(enter_sandbox(policy_of(context.name, context.config)));
  SupervisorLink link(*loop, context, [&] { return recorder.status_json(); });
  recorder.set_fd_store(
      [&](const std::string& name, int fd) {
        auto frame = io::make_frame(store::FdPut{name});
        frame.fd = io::Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
        if (frame.fd.valid() && link.client().connected())
          link.client().channel()->send(std::move(frame));
      },
      [&](const std::string& name) { (void)link.client().send(store::FdDrop{name}); });
  std::optional<Error> failed;
  recorder.set_on_failed([&](Error error) {
    failed = std::move(error);
    loop->stop();
  });
  recorder.start(std::move(sockets));
  link.beat();
  auto ran = loop->run();
  recorder.stop();
  if (failed) return tl::unexpected(*failed);
  return ran;
}

}  // namespace callward::app
