#include "app/supervisor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>

#include "app/program_path.hpp"
#include "base/event_log.hpp"
#include "base/vfs.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {
namespace {

// Start order; the stop order stands below. Keeper first: everybody needs it.
constexpr std::array kStartOrder = {"keeper", "recorder", "listener",
                                    "signal", "courier",  "server"};
// No new calls, then what runs is ended and sealed, then what is left is heard, then nobody reads,
// and nobody is written to.
struct StopStep {
  const char* process;
  std::int64_t wait_ms_max;  // then SIGKILL
};
constexpr std::array kStopOrder = {StopStep{"signal", 5'000},    StopStep{"recorder", 30'000},
                                   StopStep{"listener", 30'000}, StopStep{"server", 10'000},
                                   StopStep{"courier", 5'000},   StopStep{"keeper", 10'000}};
constexpr std::int64_t kBackOffFirstMs = 100;
constexpr std::int64_t kBackOffMaxMs = 5'000;
constexpr std::int64_t kStableNs =
    30'000'000'000;  // a child that ran this long starts again at once
constexpr std::size_t kChannelsMax = 256;
constexpr std::int64_t kWatchMs = 1'000;

const char* to_text(ChildState state) {
  switch (state) {
    case ChildState::kWaiting:
      return "waiting";
    case ChildState::kStarting:
      return "starting";
    case ChildState::kRunning:
      return "running";
    case ChildState::kStopping:
      return "stopping";
    case ChildState::kStopped:
      return "stopped";
  }
  return "unknown";
}

std::int64_t rss_bytes(pid_t pid) {
  if (pid <= 0) return 0;
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  statm >> size >> resident;
  return statm ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

std::string describe_exit(int status) {
  if (WIFEXITED(status)) return "exit " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return std::string("signal ") + std::to_string(WTERMSIG(status));
  return "unknown";
}

}  // namespace

void become_child(const std::string& name, const std::string& config_file,
                  const std::string& program, int take_over) {
  // A dead supervisor must not leave processes behind that nobody restarts.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // What listener and courier free is overwritten at once, by glibc's allocator, if it keeps no
  // thread caches: words, digits and codes pass through many short texts there, of libraries, too.
  if (name == "listener" || name == "courier")
    ::setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=90:glibc.malloc.tcache_count=0", 1);
  // A library's function that is looked up at its first call is so with all registers saved on the
  // stack, and what was copied last lies in them: all of them are looked up before there is any.
  ::setenv("LD_BIND_NOW", "1", 1);
  const auto fd = std::to_string(take_over);
  std::vector<const char*> argv = {"callward", "process", name.c_str(), "--config",
                                   config_file.c_str()};
  if (take_over >= 0) {
    ::fcntl(take_over, F_SETFD, 0);  // inherited
    argv.push_back("--take-over");
    argv.push_back(fd.c_str());
  }
  argv.push_back(nullptr);
  if (!program.empty()) ::execv(program.c_str(), const_cast<char* const*>(argv.data()));
  // Another program than the one that was asked for is no upgrade; a keeper that died comes back.
  if (!program.empty() && take_over >= 0) ::_exit(127);
  ::execv("/proc/self/exe", const_cast<char* const*>(argv.data()));
  ::_exit(127);
}

Status Supervisor::run() {
  TRY(prepare());
  TRY(listen());
  for (const char* name : kStartOrder) children_.push_back({.name = name});
  for (auto& child : children_) start(child);
  watched_ns_ = clock_.monotonic_ns();
  loop_->every_ms(kWatchMs, [this] { watch_pulses(); });
  TRY(loop_->run());
  log_event("supervisor.stopped");
  return {};
}

Status Supervisor::prepare() {
  RealVfs vfs;
  for (const auto& dir : {config_.run_dir, config_.recorder.spool_dir, config_.recorder.objects_dir,
                          config_.data_dir + "/server", config_.log.dir})
    TRY(vfs.make_dirs(dir));
  // One supervisor a data folder: two keepers on one key store would be a disaster.
  const int lock = ::open((config_.run_dir + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return fail_errno(config_.run_dir + "/lock");
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0)
    return fail(Errc::kState, config_.data_dir + ": another `callward serve` runs on this folder");
  ::signal(SIGPIPE, SIG_IGN);
  // Whoever descends from a child stays below us, and is known by that (may_restart()).
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  program_ = program_path();
  loop_ = TRY(io::Loop::create(clock_));
  TRY(loop_->on_stop_signal([this] { begin_stop(); }));
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  child_signals_ = io::Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!child_signals_.valid()) return fail_errno("signalfd");
  return loop_->watch(child_signals_.get(), EPOLLIN, [this](std::uint32_t) { reap(); });
}

Status Supervisor::listen() {
  server_ = TRY(io::ChannelServer::listen(
      *loop_, config_.socket("supervisor"), io::ChannelLimits{"supervisor"},
      [this](std::unique_ptr<io::Channel> channel) {
        std::erase_if(channels_, [](const auto& known) { return !known->open(); });
        if (channels_.size() >= kChannelsMax ||
            channel->peer_uid() != static_cast<int>(::geteuid()))
          return;
        auto* raw = channel.get();
        raw->set_handlers([this, raw](io::Frame frame) { on_frame(*raw, std::move(frame)); },
                          [] {});
        channels_.push_back(std::move(channel));
      }));
  return {};
}

void Supervisor::set_state(Child& child, ChildState state) {
  child.state = state;
  child.since_ms = clock_.utc_ms();
}

void Supervisor::start(Child& child) {
  child.started_ns = clock_.monotonic_ns();
  child.pulse.reset(child.started_ns);
  const pid_t pid = ::fork();
  if (pid == 0) become_child(child.name, config_.file, child.program, -1);
  if (pid < 0) {
    log_event("supervisor.fork_failed", {{"child", child.name}, {"errno", errno}});
    child.back_off_ms = kBackOffMaxMs;
    loop_->after_ms(child.back_off_ms, [this, name = child.name] {
      if (!stopping_) start(*find(name));
    });
    return;
  }
  child.pid = pid;
  set_state(child, ChildState::kStarting);
  log_event("supervisor.started", {{"child", child.name}, {"pid", pid}});
}

void Supervisor::reap() {
  signalfd_siginfo info{};
  while (::read(child_signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
  }
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG))
    if (auto* child = find(pid); !restart_ended(pid, status) && child != nullptr)
      ended(*child, status);
}

void Supervisor::ended(Child& child, int wait_status) {
  child.pid = -1;
  child.pulse.reset(clock_.monotonic_ns());
  child.last_exit = describe_exit(wait_status);
  log_event("supervisor.child_ended", {{"child", child.name}, {"how", child.last_exit}});
  if (stopping_) {
    set_state(child, ChildState::kStopped);
    return stop_next();
  }
  const bool stable = clock_.monotonic_ns() - child.started_ns > kStableNs;
  child.back_off_ms = stable || child.back_off_ms == 0
                          ? (stable ? 0 : kBackOffFirstMs)
                          : std::min(child.back_off_ms * 2, kBackOffMaxMs);
  // The first death restarts at once: a recorder may be away for half a second at most.
  const auto delay = child.restarts == 0 ? 0 : child.back_off_ms;
  ++child.restarts;
  set_state(child, ChildState::kWaiting);
  loop_->after_ms(delay, [this, name = child.name] {
    if (!stopping_) start(*find(name));
  });
}

void Supervisor::on_frame(io::Channel& channel, io::Frame frame) {
  // The sockets of running calls are the recorder's: whoever else asks for them would take its
  // packets.
  const bool about_sockets = frame.type == store::FdPut::kType ||
                             frame.type == store::FdDrop::kType ||
                             frame.type == store::FdListRequest::kType;
  if (about_sockets) {
    const auto* child = find(static_cast<pid_t>(channel.peer_pid()));
    if (child == nullptr || child->name != "recorder") {
      log_event("supervisor.sockets_refused", {{"pid", channel.peer_pid()}});
      if (frame.id != 0)
        channel.reply(frame, keys::ErrorReply{Errc::kDenied, "these are the recorder's"});
      return;
    }
  }
  switch (frame.type) {
    case store::Heartbeat::kType:
      if (const auto beat = unpack<store::Heartbeat>(frame.body)) on_heartbeat(channel, *beat);
      return;
    case store::FdPut::kType:
      if (const auto put = unpack<store::FdPut>(frame.body); put && frame.fd.valid()) {
        if (fds_.size() < store::kStoredFdsMax || fds_.count(put->name) != 0)
          fds_[put->name] = std::move(frame.fd);
        else
          log_event("supervisor.fd_store_full");
      }
      return;
    case store::FdDrop::kType:
      if (const auto drop = unpack<store::FdDrop>(frame.body)) fds_.erase(drop->name);
      return;
    case store::FdListRequest::kType:
      return list_fds(channel, frame);
    case store::WhoIs::kType: {
      const auto asked = unpack<store::WhoIs>(frame.body);
      const auto* child = asked ? find(static_cast<pid_t>(asked->pid)) : nullptr;
      channel.reply(frame, store::ChildName{child != nullptr ? child->name : std::string()});
      return;
    }
    case store::RestartKeeper::kType:
      return restart_keeper(channel, frame);
    case store::HandOverFailed::kType:
      return restart_refused(channel, frame);
    case store::SupervisorStatusRequest::kType:
      channel.reply(frame, store::SupervisorStatus{status_json()});
      return;
    default:
      channel.reply(frame, keys::ErrorReply{Errc::kUnsupported, "unknown message"});
  }
}

void Supervisor::list_fds(io::Channel& channel, const io::Frame& request) {
  for (const auto& [name, fd] : fds_) {
    auto item = io::make_frame(store::FdItem{name});
    item.fd = io::Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    if (item.fd.valid()) channel.send(std::move(item));
  }
  channel.reply(request, store::FdListEnd{static_cast<std::uint32_t>(fds_.size())});
}

void Supervisor::on_heartbeat(const io::Channel& channel, const store::Heartbeat& beat) {
  // By process id, not by the name in it: else the last words of a dead child would count for the
  // one that took its place, and any process for another.
  const auto pid = static_cast<pid_t>(channel.peer_pid());
  if (restart_ && pid == restart_->fresh && beat.process == "keeper") restart_done();
  auto* child = find(pid);
  if (child == nullptr || child->name != beat.process) return;
  child->link = shared(channel);
  boost::system::error_code error;
  const auto value = boost::json::parse(beat.json, error);
  if (error || !value.is_object()) return;
  child->status = beat.json;
  const auto& object = value.get_object();
  if (const auto* address = object.if_contains("address");
      address != nullptr && address->is_string())
    child->address = std::string(address->get_string());
  const auto* ready = object.if_contains("ready");
  child->pulse.beat(clock_.monotonic_ns(),
                    ready != nullptr && ready->is_bool() && ready->get_bool());
  if (child->pulse.said_ready() && child->state == ChildState::kStarting) {
    set_state(*child, ChildState::kRunning);
    announce_when_ready();
  }
}

// SIGKILL, as it does not answer; what follows is what follows every death. A child that is still
// starting may take its time: a keeper checks every page, a recorder reads its spool.
void Supervisor::watch_pulses() {
  const auto now = clock_.monotonic_ns();
  if (now - std::exchange(watched_ns_, now) >= Pulse::kFreshNs)  // it was we who did not run
    for (auto& child : children_) child.pulse.excuse(now);
  for (auto& child : children_) {
    if (child.state != ChildState::kRunning || child.pid <= 0 || !child.pulse.silent(now)) continue;
    log_event("supervisor.hung", {{"child", child.name}, {"pid", child.pid}});
    child.pulse.excuse(now);
    ::kill(child.pid, SIGKILL);
  }
}

void Supervisor::announce_when_ready() {
  if (announced_) return;
  const auto now = clock_.monotonic_ns();
  if (!std::all_of(children_.begin(), children_.end(),
                   [now](const Child& child) { return child.pulse.ready(now); }))
    return;
  announced_ = true;
  std::printf("{\"event\":\"ready\",\"https\":%s,\"sip\":%s}\n",
              json_quote("https://" + find("server")->address).c_str(),
              json_quote(find("signal")->address).c_str());
  std::fflush(stdout);
}

void Supervisor::begin_stop() {
  if (stopping_) return;
  stop_wanted_ = restart_.has_value();  // bounded: one of two keepers is at work on the other
  if (stop_wanted_) return;
  stopping_ = true;
  log_event("supervisor.stopping");
  stop_at_ = 0;
  stop_next();
}

// Called at the beginning and whenever a child has ended: asks the next living one to stop.
void Supervisor::stop_next() {
  loop_->cancel(stop_timer_);
  while (stop_at_ < kStopOrder.size()) {
    const auto& step = kStopOrder[stop_at_];
    auto* child = find(step.process);
    if (child->pid <= 0) {
      set_state(*child, ChildState::kStopped);
      ++stop_at_;
      continue;
    }
    if (child->state != ChildState::kStopping) {
      set_state(*child, ChildState::kStopping);
      ::kill(child->pid, SIGTERM);
    }
    const auto pid = child->pid;
    stop_timer_ = loop_->after_ms(step.wait_ms_max, [pid, name = child->name] {
      log_event("supervisor.killed", {{"child", name}});
      ::kill(pid, SIGKILL);
    });
    return;
  }
  loop_->stop();
}

Supervisor::Child* Supervisor::find(const std::string& name) {
  const auto at = std::find_if(children_.begin(), children_.end(),
                               [&](const Child& c) { return c.name == name; });
  return at == children_.end() ? nullptr : &*at;
}

Supervisor::Child* Supervisor::find(pid_t pid) {
  const auto at = std::find_if(children_.begin(), children_.end(),
                               [&](const Child& c) { return c.pid == pid; });
  return at == children_.end() ? nullptr : &*at;
}

std::string Supervisor::status_json() const {
  boost::json::array processes;
  const auto now = clock_.monotonic_ns();
  bool all_ready = true;
  for (const auto& child : children_) {
    all_ready = all_ready && child.pulse.ready(now);
    boost::system::error_code error;
    auto status = boost::json::parse(child.status, error);
    processes.push_back({{"name", child.name},
                         {"pid", child.pid},
                         {"state", to_text(child.state)},
                         {"ready", child.pulse.ready(now)},
                         {"heartbeat_ms", child.pulse.age_ns(now) / 1'000'000},
                         {"restarts", child.restarts},
                         {"since", format_utc(child.since_ms)},
                         {"rss_bytes", rss_bytes(child.pid)},
                         {"last_exit", child.last_exit},
                         {"status", std::move(status)}});
  }
  return boost::json::serialize(boost::json::object{
      {"ready", all_ready}, {"processes", std::move(processes)}, {"fds_stored", fds_.size()}});
}

}  // namespace callward::app
