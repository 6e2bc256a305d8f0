#include "app/keeper_process.hpp"

#include <unistd.h>

#include <algorithm>

#include "app/keeper_locked.hpp"
#include "app/keeper_state.hpp"
#include "app/sandbox.hpp"

namespace callward::app {
namespace {

constexpr std::int64_t kTickMs = 200;
constexpr std::int64_t kMendMs = 5'000;  // a failed log, a mirror that was left out: tried again
constexpr std::int64_t kFetchWaitMs = 5'000;
constexpr std::int64_t kWipeWaitMs = 1'000;
constexpr std::int64_t kRemoveWaitMs = 60'000;  // it waits for the disk, on a thread of its own
constexpr std::size_t kPeersMax = 64;

std::uint8_t writer_bit(PeerRole role) {
  switch (role) {
    case PeerRole::kRecorder:
      return audit::kByRecorder;
    case PeerRole::kListener:
      return audit::kByListener;
    case PeerRole::kServer:
      return audit::kByServer;
    case PeerRole::kSupervisor:
      return audit::kBySupervisor;
    case PeerRole::kCourier:  // it has nothing to log
    case PeerRole::kSignal:   // it writes no entries
      break;
  }
  return 0;
}

}  // namespace

const std::vector<KeeperProcess::Rule>& KeeperProcess::rules() {
  using K = erase::Keeper;
  using P = KeeperProcess;
  constexpr auto kRecorder = bit(PeerRole::kRecorder);
  constexpr auto kListener = bit(PeerRole::kListener);
  constexpr auto kServer = bit(PeerRole::kServer);
  constexpr auto kAll =
      static_cast<std::uint8_t>(kRecorder | kListener | kServer | bit(PeerRole::kSupervisor));
  static const std::vector<Rule> table = {
      {keys::Hello::kType, static_cast<std::uint8_t>(kAll | bit(PeerRole::kCourier)), &P::hello},
      {keys::LogAppend::kType, kAll, &P::log_append},
      {keys::KeeperStatusRequest::kType, kAll, &P::status},
      {keys::CallStart::kType, kRecorder,
       &P::request<keys::CallStart, keys::CallStarted, &K::call_start>},
      {keys::CallDataPut::kType, static_cast<std::uint8_t>(kRecorder | kServer), &P::call_data_put},
      {keys::CallAt::kType, kRecorder, &P::request<keys::CallAt, keys::Ack, &K::call_at>},
      {keys::Reissue::kType, kRecorder, &P::request<keys::Reissue, keys::Reissued, &K::reissue>},
      {keys::Adopt::kType, kRecorder, &P::adopt},
      {keys::SpareRoots::kType, kRecorder,
       &P::request<keys::SpareRoots, keys::SpareRootsGiven, &K::spare_roots>},
      {keys::CallEnd::kType, kRecorder, &P::request<keys::CallEnd, keys::Ack, &K::call_end>},
      {keys::CallSealed::kType, kRecorder,
       &P::request<keys::CallSealed, keys::Ack, &K::call_sealed>},
      {keys::RunningCalls::kType, kRecorder,
       &P::request<keys::RunningCalls, keys::Ack, &K::running_calls>},
      {keys::EraseOrder::kType, static_cast<std::uint8_t>(kListener | kServer), &P::order},
      {keys::Cleared::kType, kListener, &P::cleared},
      {keys::DerivedPut::kType, kListener, &P::derived},
      {keys::ListenDone::kType, kListener, &P::listen_done},
      {keys::TypedFound::kType, kListener, &P::typed_found},
      {keys::UnheardRequest::kType, kListener, &P::unheard},
      {keys::HearAgain::kType, kListener, &P::hear_again},
      {keys::Open::kType, kServer, &P::request<keys::Open, keys::Opened, &K::open>},
      {keys::CallStateRequest::kType, kServer, &P::call_state},
      {keys::DecideHeld::kType, kServer,
       &P::request<keys::DecideHeld, keys::HeldDecided, &K::decide_held>},
      {keys::HeldCallsRequest::kType, kServer, &P::held_calls},
      {keys::EraseCall::kType, kServer,
       &P::request<keys::EraseCall, keys::OrderAccepted, &K::erase_call>},
      {keys::SetHold::kType, kServer, &P::request<keys::SetHold, keys::Ack, &K::set_hold>},
      {keys::HoldsRequest::kType, kServer, &P::holds},
      {keys::PrivateMode::kType, kServer,
       &P::request<keys::PrivateMode, keys::PrivateState, &K::private_mode>},
      {keys::PrivateLook::kType, kServer,
       &P::request<keys::PrivateLook, keys::PrivateState, &K::private_look>},
      {keys::HoldsAmongRequest::kType, kServer, &P::holds_among},
      {keys::RetentionStatusRequest::kType, kServer,
       &P::request<keys::RetentionStatusRequest, keys::RetentionStatus, &K::retention_status>},
      {keys::RunRetention::kType, kServer,
       &P::request<keys::RunRetention, keys::RetentionStatus, &K::run_retention>},
      {keys::ConfirmRetention::kType, kServer,
       &P::request<keys::ConfirmRetention, keys::RetentionStatus, &K::confirm_retention>},
      {keys::RetireMirror::kType, kServer,
       &P::request<keys::RetireMirror, keys::MirrorRetired, &K::retire_mirror>},
      {keys::DialProgress::kType, bit(PeerRole::kSignal), &P::dial_progress},
      {keys::DialRecorded::kType, kRecorder, &P::dial_recorded},
      {keys::Prove::kType, kServer, &P::request<keys::Prove, keys::Proved, &K::prove>},
  };
  return table;
}

Status KeeperProcess::run() {
  loop_ = TRY(io::Loop::create(clock_));
  TRY(loop_->on_stop_signal([this] { asked_to_stop(); }));
  if (context_.take_over >= 0) return serve(TRY(take_over()));
  const auto opened = open_state(WriterLock::kDyingMs);
  const auto report = TRY(enter_sandbox(policy_of("keeper", context_.config)));
  log_event("keeper.sandboxed",
            {{"memory_locked", report.memory_locked}, {"landlock", report.landlock_abi}});
  if (!opened && !TRY(serve_locked(*loop_, context_, entropy_, opened.error().message,
                                   [this] { return open_state(0); })))
    return {};  // asked to stop
  server_ = TRY(io::ChannelServer::listen(
      *loop_, context_.config.socket("keeper"), limits(),
      [this](std::unique_ptr<io::Channel> channel) { accept(std::move(channel)); }));
  return serve(nullptr);
}

io::ChannelLimits KeeperProcess::limits() const {
  return {"keeper.out", keys::kKeeperFrameBytesMax, 64u << 20};
}

// `taken`: from whom it was taken over, to be told.
Status KeeperProcess::serve(std::unique_ptr<TakingOver> taken) {
  if (taken) {
    taken->serving();
    taken.reset();
    keeper_->serve_on();
    // Who was not told that another keeper serves now: it says again what only a keeper's memory
    // has.
    broadcast(PeerRole::kRecorder, keys::CallsAtWanted{});
    broadcast(PeerRole::kServer, keys::PeopleWanted{});
  }
  link_ = std::make_unique<SupervisorLink>(
      *loop_, context_, [this] { return heartbeat(); },
      [this](io::Frame frame) { on_supervisor(std::move(frame)); });
  loop_->every_ms(kTickMs, [this] {
    if (frozen_) return;
    keeper_->tick();
    courier_.tick();
    dials_.tick();
    typed_.tick();
  });
  loop_->every_ms(kMendMs, [this] {
    if (!frozen_) mend();
  });
  loop_->set_round_end([this] {
    if (!frozen_) keeper_->end_round();
  });
  auto outcome = loop_->run();
  link_.reset();
  if (gone_) return outcome;  // all of it is another's now
  if (frozen_)
    return outcome ? fail(Errc::kBusy,
                          "another process holds log and key "
                          "store, and does not end")
                   : outcome;
  keeper_->stop();
  return outcome;
}

// All or nothing: what was opened before a failure is let go, for the next try.
Status KeeperProcess::open_state(std::int64_t lock_wait_ms) {
  auto opened = try_open_state(lock_wait_ms);
  if (!opened) {
    office_.reset();
    keeper_.reset();
    log_.reset();
    store_.reset();
    lock_.reset();
  }
  return opened;
}

Status KeeperProcess::try_open_state(std::int64_t lock_wait_ms) {
  TRY(open_files(lock_wait_ms));
  return keeper_->start();
}

Status KeeperProcess::open_files(std::int64_t lock_wait_ms) {
  const auto& config = context_.config;
  TRY(vfs_.make_dirs(config.log.dir));
  lock_ = TRY(WriterLock::take(config.log.dir, lock_wait_ms));
  const auto secrets = TRY(load_keeper_secrets(vfs_, config));
  store_ = TRY(keys::KeyStore::open(vfs_, entropy_, mirror_paths(config), secrets.anchor_wrap));
  log_ = TRY(audit::Log::open(vfs_, config.log.dir, config.log.origin, secrets.log_seed));
  keeper_ = std::make_unique<erase::Keeper>(clock_, entropy_, *store_, *log_, policy(), outbox());
  TRY(open_office());
  return {};
}

// Whether one came back.
bool KeeperProcess::repair_mirrors() {
  bool any = false;
  const auto mirrors = store_->mirrors();
  for (std::size_t i = 0; i < mirrors.size(); ++i) {
    if (mirrors[i].good) continue;
    if (!mirrors[i].retired)
      log_event("keeper.mirror_repair",
                {{"mirror", mirrors[i].store_dir}, {"why", mirrors[i].why}});
    const auto repaired = store_->repair_mirror(i);
    if (repaired && mirrors[i].retired)
      keeper_->retired_is_back(static_cast<std::uint32_t>(i + 1));
    else if (!repaired && !mirrors[i].retired)  // of a retired one nobody waits for news
      log_event("keeper.mirror_lost",
                {{"mirror", mirrors[i].store_dir}, {"why", repaired.error().message}});
    any = any || repaired.has_value();
  }
  return any;
}

// What failed while we run is tried again: keys that are only in memory would
// die with a restart.
void KeeperProcess::mend() {
  if (log_->failed()) {
    const auto secrets = load_keeper_secrets(vfs_, context_.config);
    const auto& config = context_.config.log;
    auto fresh = secrets
                     ? audit::Log::open(vfs_, config.dir, config.origin, secrets->log_seed)
                     : Result<std::unique_ptr<audit::Log>>(tl::unexpected<Error>(secrets.error()));
    if (!fresh) return log_event("keeper.log_still_failed", {{"why", fresh.error().message}});
    keeper_->resume_log(**fresh);
    log_ = std::move(*fresh);
  }
  const bool stale = store_->unconfirmed() != 0;
  const bool repaired = repair_mirrors();
  if (!stale && !repaired) return;
  if (const auto gone = store_->destroy_stale(); !gone)
    log_event("keeper.stale_epochs", {{"why", gone.error().message}});
  keeper_->mirrors_are_back();
}

erase::KeeperPolicy KeeperProcess::policy() const {
  const auto& keys = context_.config.keys;
  return {.clear_deadline_ms = keys.clear_deadline_s * 1'000,
          .persist_unheard = keys.on_deadline == "persist",
          .persist_every_ms = keys.persist_every_s * 1'000,
          .question_open_ms_max = keys.question_open_s_max * 1'000,
          .listener_share_percent = keys.listener_share_percent,
          .person_share_percent = keys.person_share_percent,
          .private_s_max = keys.private_s_max,
          .private_share_percent = keys.private_share_percent,
          .publish_beside = true,
          .retention = context_.config.retention.policy()};
}

erase::Keeper::Outbox KeeperProcess::outbox() {
  return {
      .derived_sealed =
          [this](const keys::DerivedSealed& message) { broadcast(PeerRole::kRecorder, message); },
      .listening_done =
          [this](const keys::ListeningDone& message) {
            broadcast(PeerRole::kRecorder, message);
            typed_.call_over(message.call);
          },
      .order_state =
          [this](const keys::OrderState& message) {
            broadcast(PeerRole::kListener, message);
            broadcast(PeerRole::kServer, message);
          },
      .wipe = [this](const keys::WipeRanges& message,
                     std::function<void()> done) { wipe_everywhere(message, std::move(done)); },
      .remove_objects =
          [this](const keys::RemoveObjects& message,
                 std::function<void(Result<keys::ObjectsRemoved>)> done) {
            remove_objects(message, std::move(done));
          },
      .load_retention = [this] { return load_retention_state(vfs_, context_.config); },
      .save_retention =
          [this](const std::string& text) {
            return vfs_.write_file_atomic(context_.config.retention_file(), as_bytes(text));
          }};
}

void KeeperProcess::accept(std::unique_ptr<io::Channel> channel) {
  if (channel->peer_uid() != static_cast<int>(::geteuid()) || peers_.size() >= kPeersMax) return;
  add_peer(std::move(channel));
}

KeeperProcess::Peer& KeeperProcess::add_peer(std::unique_ptr<io::Channel> channel) {
  auto peer = std::make_unique<Peer>();
  peer->id = next_peer_++;
  peer->channel = std::move(channel);
  const auto id = peer->id;
  peer->channel->set_handlers([this, id](io::Frame frame) { on_frame(id, std::move(frame)); },
                              [this, id] { on_close(id); });
  return *(peers_[id] = std::move(peer));
}

KeeperProcess::Peer* KeeperProcess::find(std::uint64_t id) {
  const auto at = peers_.find(id);
  return at == peers_.end() || !at->second->channel->open() ? nullptr : at->second.get();
}

void KeeperProcess::on_close(std::uint64_t id) {
  const auto at = peers_.find(id);
  if (at == peers_.end()) return;
  courier_.lost(id);
  auto asked = std::move(at->second->asked);
  at->second->asked.clear();
  for (auto& [frame, done] : asked) done(fail(Errc::kUnavailable, "the peer went away"));
  // It said something before it went away: that is ours to take.
  if (!at->second->held.empty() && handing_) (void)handing_->abandon("a peer went away meanwhile");
  // The channel is on the call stack: it goes when the loop comes round.
  loop_->after_ms(0, [this, id] { peers_.erase(id); });
}

void KeeperProcess::on_frame(std::uint64_t id, io::Frame frame) {
  auto* peer = find(id);
  if (peer == nullptr) return;
  if ((frame.flags & io::kFrameIsReply) != 0) {
    if (peer->role == PeerRole::kCourier) return courier_.on_reply(frame);
    const auto asked = peer->asked.find(frame.id);
    if (asked == peer->asked.end()) return;
    auto done = std::move(asked->second);
    peer->asked.erase(asked);
    return done(std::move(frame));
  }
  const bool wanted = office_->has_waiting() && keeper_hears_at_rest(frame.type, peer->role);
  if (resting_ && !wanted) return hold(*peer, std::move(frame));
  take(*peer, std::move(frame));
}

void KeeperProcess::take(Peer& peer, io::Frame frame) {
  const auto* rule = find_rule(frame.type);
  if (rule == nullptr) return refuse(peer, frame, {Errc::kUnsupported, "unknown message"});
  if (frame.type != keys::Hello::kType && (!peer.greeted || (rule->roles & bit(peer.role)) == 0))
    return refuse(peer, frame, {Errc::kDenied, "not a message of this peer's role"});
  (this->*rule->handler)(peer, std::move(frame));
}

void KeeperProcess::wipe_everywhere(const keys::WipeRanges& message, std::function<void()> done) {
  auto waiting = std::make_shared<int>(1);
  const auto one_less = [waiting, done = std::move(done)](Result<io::Frame>) {
    if (--*waiting == 0) done();
  };
  std::vector<std::uint64_t> holders;
  for (const auto& [id, peer] : peers_)
    if (peer->greeted && (peer->role == PeerRole::kRecorder || peer->role == PeerRole::kListener))
      holders.push_back(id);
  for (const auto id : holders) {
    auto* peer = find(id);
    if (peer == nullptr) continue;
    ++*waiting;
    ask(*peer, message, kWipeWaitMs, [this, id, one_less](Result<io::Frame> answer) {
      // One that does not answer hears nothing more and must come back as a
      // fresh one; the supervisor ends a process that hangs.
      if (auto* silent = find(id); !answer && silent != nullptr) {
        log_event("keeper.holder_cut", {{"role", static_cast<unsigned>(silent->role)}});
        silent->channel->close();
        on_close(id);
      }
      one_less(std::move(answer));
    });
  }
  one_less(fail(Errc::kState, "the one that was counted ahead"));
}

void KeeperProcess::remove_objects(const keys::RemoveObjects& message,
                                   std::function<void(Result<keys::ObjectsRemoved>)> done) {
  for (auto& [id, holder] : peers_) {
    if (!holder->greeted || holder->role != PeerRole::kRecorder || !holder->channel->open())
      continue;
    return ask(*holder, message, kRemoveWaitMs, [done](Result<io::Frame> answer) {
      done(answer ? unpack<keys::ObjectsRemoved>(answer->body)
                  : Result<keys::ObjectsRemoved>(tl::unexpected<Error>(answer.error())));
    });
  }
  done(fail(Errc::kUnavailable, "the recorder is not there"));
}

void KeeperProcess::hello(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::Hello>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  const auto role = static_cast<unsigned>(message->role);
  static constexpr std::array<std::string_view, 7> kNames = {
      "", "recorder", "listener", "server", "supervisor", "signal", "courier"};
  if (message->version != keys::kKeeperProtocolVersion || role >= kNames.size() ||
      kNames[role].empty())
    return refuse(peer, frame, {Errc::kUnsupported, "another version of the protocol"});
  // Who it is, the supervisor says: a captured server would call itself the
  // listener.
  const auto child = child_of_pid(context_.config, peer.channel->peer_pid());
  if (!child || *child != kNames[role]) {
    log_event("keeper.peer_refused", {{"says", kNames[role]}, {"is", child ? *child : "unknown"}});
    return refuse(peer, frame, {Errc::kDenied, "this process has another part to play"});
  }
  peer.role = message->role;
  peer.greeted = true;
  peer.channel->reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
  if (peer.role == PeerRole::kListener) typed_.listener_came();
  courier_came(peer);
}

void KeeperProcess::courier_came(Peer& peer) {
  if (peer.role != PeerRole::kCourier) return;
  courier_.connected(peer.id, [this, id = peer.id](io::Frame message) {
    auto* there = find(id);
    return there != nullptr && there->channel->send(std::move(message));
  });
}

// What a call says of itself is its recorder's to say: of anybody else it is a note that is sealed.
void KeeperProcess::call_data_put(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::CallDataPut>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  auto reply = replier<keys::SealedRecord>(peer, frame);
  if (peer.role == PeerRole::kRecorder)
    keeper_->call_data_put(*message, std::move(reply));
  else
    keeper_->note_put(*message, std::move(reply));
}

void KeeperProcess::adopt(Peer& peer, io::Frame frame) {
  auto message = unpack<keys::Adopt>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  keeper_->adopt(std::move(*message), replier<keys::Adopted>(peer, frame));
}

void KeeperProcess::log_append(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::LogAppend>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  keeper_->log_append(*message, writer_bit(peer.role), replier<keys::LogAppended>(peer, frame));
}

void KeeperProcess::status(Peer& peer, io::Frame frame) {
  peer.channel->reply(frame, keys::KeeperStatus{heartbeat()});
}

void KeeperProcess::order(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::EraseOrder>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  keeper_->erase_order(*message, peer.role == PeerRole::kListener,
                       replier<keys::OrderAccepted>(peer, frame));
}

void KeeperProcess::cleared(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::Cleared>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  keeper_->cleared(*message);
}

void KeeperProcess::derived(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::DerivedPut>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  if (auto done = keeper_->derived_put(*message); !done) refuse(peer, frame, done.error());
}

void KeeperProcess::listen_done(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::ListenDone>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  keeper_->listen_done(*message);
}

void KeeperProcess::typed_found(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::TypedFound>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  typed_.found(*message);
}

bool KeeperProcess::send_typed(const keys::SearchTyped& message) {
  for (auto& [id, peer] : peers_)
    if (peer->greeted && peer->role == PeerRole::kListener && peer->channel->open())
      return peer->channel->send(io::make_secret_frame(message));
  return false;
}

void KeeperProcess::unheard(Peer& peer, io::Frame frame) {
  peer.channel->reply(frame, keeper_->unheard());
}

void KeeperProcess::hear_again(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::HearAgain>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  if (auto may = keeper_->may_hear_again(*message); !may) return refuse(peer, frame, may.error());
  auto reply = replier<keys::HeardAgain>(peer, frame);
  for (auto& [id, holder] : peers_) {
    if (!holder->greeted || holder->role != PeerRole::kRecorder || !holder->channel->open())
      continue;
    const auto& range = message->range;
    return ask(*holder, keys::FetchCipher{message->call, range.stream, range.first, range.end},
               kFetchWaitMs, [this, wanted = *message, reply](Result<io::Frame> answer) {
                 if (!answer) return reply(tl::unexpected<Error>(answer.error()));
                 auto fetched = unpack<keys::CipherFetched>(answer->body);
                 if (!fetched) return reply(tl::unexpected<Error>(fetched.error()));
                 keeper_->hear_again(wanted, std::move(fetched->records), reply);
               });
  }
  reply(fail(Errc::kUnavailable, "the recorder is not there"));
}

std::uint8_t KeeperProcess::roles_of(std::uint16_t type) {
  const auto* rule = find_rule(type);
  return rule == nullptr ? 0 : rule->roles;
}

void KeeperProcess::held_calls(Peer& peer, io::Frame frame) {
  peer.channel->reply(frame, keeper_->held_calls());
}

void KeeperProcess::holds(Peer& peer, io::Frame frame) {
  peer.channel->reply(frame, keeper_->holds());
}

void KeeperProcess::holds_among(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::HoldsAmongRequest>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  peer.channel->reply(frame, keeper_->holds_among(*message));
}

void KeeperProcess::call_state(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::CallStateRequest>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  auto state = keeper_->call_state(message->call);
  if (!state) return refuse(peer, frame, state.error());
  peer.channel->reply(frame, *state);
}

std::string KeeperProcess::heartbeat() const {
  auto json = keeper_->status_json();
  std::vector<QueueGauge> gauges{courier_.gauge(), dials_.gauge()};
  for (const auto& [id, peer] : peers_) {
    auto gauge = peer->channel->gauge();
    gauge.name = "keeper.out." + std::to_string(static_cast<int>(peer->role));
    gauges.push_back(gauge);
  }
  gauges.push_back(typed_.gauge());
  json.pop_back();
  return json + ",\"vault\":" + office_->status_json() +
         ",\"ready\":true,\"queues\":" + queues_json(gauges) + "}";
}

Status run_keeper(const ProcessContext& context) { return KeeperProcess(context).run(); }

bool keeper_hears(std::uint16_t type, keys::PeerRole role) {
  return (KeeperProcess::roles_of(type) >> static_cast<unsigned>(role) & 1) != 0;
}

bool keeper_hears_at_rest(std::uint16_t type, keys::PeerRole role) {
  return type == keys::CallAt::kType && role == keys::PeerRole::kRecorder;
}

}  // namespace callward::app
