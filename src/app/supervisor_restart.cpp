// A planned restart of the keeper: the supervisor brings the two processes together and takes note
// of who is the keeper. Which of them it is they settle between themselves (keeper_handover.hpp).
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "app/program_path.hpp"
#include "app/supervisor.hpp"
#include "base/event_log.hpp"

namespace callward::app {
namespace {

constexpr std::int64_t kRestartMsMax = 60'000;  // more than both sides' own bounds together
constexpr std::int64_t kOldGoneMs = 5'000;      // it only has to wipe and end

bool can_run(const std::string& program) {
  return !program.empty() && ::access(program.c_str(), X_OK) == 0;
}

}  // namespace

std::shared_ptr<io::Channel> Supervisor::shared(const io::Channel& channel) const {
  const auto at = std::find_if(channels_.begin(), channels_.end(),
                               [&](const auto& known) { return known.get() == &channel; });
  return at == channels_.end() ? nullptr : *at;
}

// Of our own user whoever can connect may ask, but none of our children and what descends from
// them: each of them reads strangers' bytes. Which program is started nobody can say.
Status Supervisor::may_restart(const io::Channel& asker) const {
  if (descends_from(static_cast<pid_t>(asker.peer_pid()), ::getpid()))
    return fail(Errc::kDenied, "a restart is for the command line, not for a process of serve");
  if (stopping_ || stop_wanted_) return fail(Errc::kState, "everything is being stopped");
  if (restart_) return fail(Errc::kBusy, "the keeper is being restarted already");
  const auto keeper = std::find_if(children_.begin(), children_.end(),
                                   [](const Child& child) { return child.name == "keeper"; });
  if (keeper == children_.end() || keeper->pid <= 0 || keeper->state != ChildState::kRunning ||
      !keeper->pulse.ready(clock_.monotonic_ns()))
    return fail(Errc::kState,
                "the keeper does not do its work now (callward status says why): a locked or dead "
                "one has nothing to hand over");
  const auto link = keeper->link.lock();
  if (!link || !link->open()) return fail(Errc::kUnavailable, "the keeper cannot be told");
  return {};
}

void Supervisor::restart_keeper(io::Channel& channel, const io::Frame& request) {
  auto done = may_restart(channel);
  if (done) {
    Restart restart{.asker = shared(channel), .asked_id = request.id};
    done = begin_restart(restart);
    if (done) restart_ = std::move(restart);
  }
  if (done) return;
  log_event("supervisor.restart_refused", {{"why", done.error().message}});
  channel.reply(request, keys::ErrorReply{done.error().code, done.error().message});
}

Status Supervisor::begin_restart(Restart& restart) {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail_errno("socketpair");
  io::Fd ours(ends[0]);
  io::Fd theirs(ends[1]);
  // As it is now at the path that we were started by: an upgrade put another file there.
  restart.program = can_run(program_) ? program_ : find("keeper")->program;
  restart.began_ns = clock_.monotonic_ns();
  restart.fresh = ::fork();
  if (restart.fresh == 0) become_child("keeper", config_.file, restart.program, theirs.get());
  if (restart.fresh < 0) return fail_errno("fork");
  auto frame = io::make_frame(store::HandOver{});
  frame.fd = std::move(ours);
  if (const auto link = find("keeper")->link.lock(); !link || !link->send(std::move(frame)))
    restart.why = "the keeper could not be told";  // the new one finds nobody, and ends
  log_event("supervisor.restart_begun",
            {{"child", "keeper"}, {"pid", restart.fresh}, {"old", find("keeper")->pid}});
  restart.deadline = loop_->after_ms(kRestartMsMax, [this] {
    if (!restart_ || restart_->old > 0) return;
    restart_->why = "it took too long";
    ::kill(restart_->fresh, SIGKILL);  // the old one sees it, and goes on
  });
  return {};
}

// The old one says that it goes on: the other is none, whatever it does.
void Supervisor::restart_refused(const io::Channel& channel, const io::Frame& frame) {
  const auto failed = unpack<store::HandOverFailed>(frame.body);
  const auto* child = find(static_cast<pid_t>(channel.peer_pid()));
  if (!failed || !restart_ || restart_->old > 0 || child == nullptr || child->name != "keeper")
    return;
  if (restart_->why.empty()) restart_->why = failed->why;
  ::kill(restart_->fresh, SIGKILL);
}

// The new one's first heartbeat: it serves.
void Supervisor::restart_done() {
  auto& keeper = *find("keeper");
  if (restart_->old > 0) return;
  if (!restart_->old_died) restart_->old = keeper.pid;
  keeper.pid = restart_->fresh;
  keeper.program = restart_->program;
  keeper.started_ns = clock_.monotonic_ns();
  keeper.pulse.reset(keeper.started_ns);
  set_state(keeper, ChildState::kStarting);
  const auto ms = (keeper.started_ns - restart_->began_ns) / 1'000'000;
  log_event("supervisor.restart_done", {{"child", "keeper"}, {"pid", keeper.pid}, {"ms", ms}});
  if (const auto asker = restart_->asker.lock())
    asker->send(store::KeeperRestarted{static_cast<std::uint32_t>(keeper.pid),
                                       static_cast<std::uint32_t>(ms)},
                restart_->asked_id, io::kFrameIsReply);
  if (restart_->old_died) return restart_over({});
  loop_->cancel(restart_->deadline);
  restart_->deadline = loop_->after_ms(kOldGoneMs, [this] {
    if (restart_) ::kill(restart_->old, SIGKILL);
  });
}

// True: that was an end that the restart explains.
bool Supervisor::restart_ended(pid_t pid, int wait_status) {
  if (!restart_) return false;
  auto& keeper = *find("keeper");
  if (pid == restart_->old) {
    restart_over({});
    return true;
  }
  if (pid == keeper.pid && restart_->old <= 0) {
    // The old one ended first: if the new one has all, it serves and says so in a moment.
    log_event("supervisor.old_ended", {{"child", "keeper"}, {"status", wait_status}});
    restart_->old_died = true;
    keeper.pid = -1;
    keeper.pulse.reset(clock_.monotonic_ns());
    set_state(keeper, ChildState::kStarting);
    return true;
  }
  if (pid != restart_->fresh || restart_->old > 0) return false;
  const bool both_died = restart_->old_died;
  if (restart_->why.empty())
    restart_->why = both_died ? "both keepers ended" : "the new keeper ended before it served";
  restart_over(
      fail(Errc::kUnavailable, restart_->why + (both_died ? "" : "; the old one goes on")));
  if (both_died) ended(keeper, wait_status);  // as every death
  return true;
}

void Supervisor::restart_over(const Status& outcome) {
  loop_->cancel(restart_->deadline);
  if (!outcome) {
    log_event("supervisor.restart_failed", {{"why", outcome.error().message}});
    if (const auto asker = restart_->asker.lock())
      asker->send(keys::ErrorReply{outcome.error().code, outcome.error().message},
                  restart_->asked_id, io::kFrameIsReply);
  }
  restart_.reset();
  if (std::exchange(stop_wanted_, false)) begin_stop();
}

}  // namespace callward::app
