// The keeper's planned restart, as its process sees it: coming to rest, what is
// handed over, going on; and the other side of it.
#include <algorithm>

#include "app/keeper_process.hpp"
#include "app/keeper_state.hpp"
#include "app/sandbox.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {
namespace {

constexpr std::size_t kHeldBytesMax = 8u << 20;  // a peer's, while it owes us an answer
// For the writer's lock, when the new one came to nothing. The supervisor kills
// that one when told, and if it cannot be told, after a minute.
constexpr std::int64_t kLockMsMax = 90'000, kLockLookMs = 20, kTellAgainMs = 1'000;

}  // namespace

// The old one
// ------------------------------------------------------------------------------------

void KeeperProcess::on_supervisor(io::Frame frame) {
  if (frame.type != store::HandOver::kType || !frame.fd.valid()) return;
  if (handing_) return;  // the other end is closed, and so told
  auto handing = HandingOver::begin(*loop_, std::move(frame.fd), hand_over_host(), {});
  if (!handing) return log_event("keeper.hand_over_failed", {{"why", handing.error().message}});
  handing_ = std::move(*handing);
  log_event("keeper.hand_over_begun");
}

HandingOver::Host KeeperProcess::hand_over_host() {
  return {.rest =
              [this] {
                resting_ = true;
                server_->pause();
                keeper_->rest(true);
              },
          .quiet = [this] { return at_rest(); },
          .freeze = [this] { return freeze(); },
          .go_on = [this](const std::string& why) { go_on(why); },
          .gone =
              [this] {
                gone_ = true;
                server_->leave_path();
                log_event("keeper.handed_over");
                loop_->stop();
              }};
}

void KeeperProcess::hold(Peer& peer, io::Frame frame) {
  peer.held_bytes += io::kFrameHeaderBytes + frame.body.size();
  peer.held.push_back(std::move(frame));
  if (peer.held_bytes > kHeldBytesMax) (void)handing_->abandon("a peer says too much meanwhile");
}

// Whoever owes us nothing is not read any more: what it says waits in its
// socket. Whoever does is read on for its answer alone; the recorder, while
// somebody waits to hear whose call it is, for that, too.
bool KeeperProcess::at_rest() {
  bool all = keeper_->quiet();
  const bool waits = office_->has_waiting();
  for (auto& [id, peer] : peers_) {
    if (!peer->channel->open()) continue;
    const bool is_waited_for = waits && peer->role == PeerRole::kRecorder;
    if (peer->asked.empty() && !is_waited_for)
      peer->channel->pause();
    else
      all = false;
  }
  return all;
}

Result<FrozenProcess> KeeperProcess::freeze() {
  frozen_ = true;
  FrozenProcess frozen;
  frozen.process.keeper = TRY(erase::encode_handed(keeper_->hand_over()));
  frozen.process.next_ask = next_ask_;
  frozen.process.courier = courier_.hand_over();
  frozen.fds.push_back(TRY(server_->carry()));
  for (auto& [id, peer] : peers_) {
    if (!peer->channel->open()) continue;
    auto carried = TRY(peer->channel->carry());
    SecretBytes input(peer->held_bytes + carried.input.size());
    auto at = input.expose_mut().begin();
    for (const auto& frame : peer->held) {
      const auto bytes = io::frame_bytes(frame);
      at = std::copy(bytes.expose().begin(), bytes.expose().end(), at);
    }
    std::copy(carried.input.expose().begin(), carried.input.expose().end(), at);
    frozen.process.peers.push_back(
        {peer->role, peer->greeted, std::move(input), std::move(carried.output)});
    frozen.fds.push_back(std::move(carried.fd));
  }
  keeper_->freeze();  // last: the log takes nothing more, and is the new one's
                      // to open
  lock_.reset();
  return frozen;
}

// As if nothing had been.
void KeeperProcess::go_on(const std::string& why) {
  log_event("keeper.hand_over_failed", {{"why", why}});
  if (frozen_) return take_back(why, 0);
  if (link_) (void)link_->client().send(store::HandOverFailed{why});
  serve_again();
}

// The new one may have log and key store open, and be anywhere in writing an
// entry, stopped or slow: nothing is ours until it has let go of the lock, by
// its end. Then the log is opened anew (now, or when it can be), with what
// stands there. A process that nobody can end in this time is a machine's
// trouble: then we end as well, keys in memory and all, and whoever comes next
// is locked and says so.
void KeeperProcess::take_back(const std::string& why, std::int64_t waited_ms) {
  // A message is lost while the supervisor cannot be reached: it is told until
  // it has acted.
  if (waited_ms % kTellAgainMs == 0 && link_)
    (void)link_->client().send(store::HandOverFailed{why});
  if (!lock_) {
    auto lock = WriterLock::take(context_.config.log.dir);
    if (!lock && waited_ms >= kLockMsMax) {
      log_event("keeper.lock_not_back", {{"why", lock.error().message}});
      return loop_->stop();
    }
    if (!lock)
      return (void)loop_->after_ms(
          kLockLookMs, [this, why, next = waited_ms + kLockLookMs] { take_back(why, next); });
    lock_ = std::move(*lock);
  }
  frozen_ = false;
  keeper_->freeze();  // it may have failed before it came to that
  keeper_->hand_over_failed(why);
  mend();
  serve_again();
}

void KeeperProcess::serve_again() {
  if (resting_) {
    resting_ = false;
    keeper_->rest(false);
    if (const auto listening = server_->resume(); !listening)
      log_event("keeper.not_listening", {{"why", listening.error().message}});
  }
  std::vector<std::uint64_t> ids;
  for (const auto& [id, peer] : peers_) ids.push_back(id);
  for (const auto id : ids) {
    const auto at = peers_.find(id);
    if (at == peers_.end()) continue;
    auto held = std::exchange(at->second->held, {});
    at->second->held_bytes = 0;
    for (auto& frame : held) take(*at->second, std::move(frame));
    if (const auto again = at->second->channel->resume(); !again) {
      at->second->channel->close();
      on_close(id);
    }
  }
  loop_->after_ms(0, [this] {
    handing_.reset();  // it is on the call stack now
    if (stop_wanted_) loop_->stop();
  });
}

// Not in the middle: either the state is ours again first, or it is the new
// one's, and so told.
void KeeperProcess::asked_to_stop() {
  if (!handing_) return loop_->stop();
  stop_wanted_ = true;
  (void)handing_->abandon("the keeper was asked to stop");
}

// The new one
// ------------------------------------------------------------------------------------

// Sandbox and locked memory come before the first byte of state. Until
// confirm() it writes, under the writer's lock, one entry of the log and what
// opening mends (a torn end, files that a crash left).
Result<std::unique_ptr<TakingOver>> KeeperProcess::take_over() {
  auto taking = std::make_unique<TakingOver>(io::Fd(context_.take_over));
  const auto taken = [&]() -> Status {
    const auto report = TRY(enter_sandbox(policy_of("keeper", context_.config)));
    log_event("keeper.sandboxed",
              {{"memory_locked", report.memory_locked}, {"landlock", report.landlock_abi}});
    auto frozen = TRY(taking->receive());
    TRY(open_taken(frozen));
    TRY(taking->confirm());
    return take_peers(std::move(frozen));
  }();
  if (taken) return taking;
  taking->refuse(taken.error().message);
  return tl::unexpected<Error>(taken.error());
}

Status KeeperProcess::open_taken(FrozenProcess& frozen) {
  auto state = TRY(erase::decode_handed(frozen.process.keeper.expose()));
  frozen.process.keeper = SecretBytes();
  TRY(open_files(0));
  TRY(keeper_->take_over(std::move(state)));
  TRY(courier_.take_over(frozen.process.courier.expose()));
  frozen.process.courier = SecretBytes();
  next_ask_ = frozen.process.next_ask;
  log_event("keeper.taken_over", {{"peers", frozen.process.peers.size()}});
  return {};
}

// A connection that cannot be gone on with is closed: its peer comes back as
// after a death.
Status KeeperProcess::take_peers(FrozenProcess frozen) {
  server_ = TRY(io::ChannelServer::take_over(
      *loop_, std::move(frozen.fds[0]), context_.config.socket("keeper"), limits(),
      [this](std::unique_ptr<io::Channel> channel) { accept(std::move(channel)); }));
  for (std::size_t i = 0; i < frozen.process.peers.size(); ++i) {
    auto& handed = frozen.process.peers[i];
    auto channel = io::Channel::create(
        *loop_, {std::move(frozen.fds[i + 1]), std::move(handed.input), std::move(handed.output)},
        limits());
    if (!channel) {
      log_event("keeper.peer_lost", {{"why", channel.error().message}});
      continue;
    }
    auto& peer = add_peer(std::move(*channel));
    peer.role = handed.role;
    peer.greeted = handed.greeted;
    courier_came(peer);
  }
  return {};
}

}  // namespace callward::app
