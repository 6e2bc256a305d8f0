// `callward serve`: starts the processes, restarts them with back-off, keeps the recorder's sockets
// over its restarts, collects heartbeats, and stops everything in the order in which calls flow.
//
//   waiting --[back-off over]--> starting --[first heartbeat with ready]--> running
//      ^                            |                                          |
//      +------- child ended --------+------------------------------------------+
//   any --[stop]--> stopping --[child ended]--> stopped
//
// A planned restart of the keeper (supervisor_restart.cpp): the new process runs beside the old one
// until it has taken over; then it is the child, or the old one still is.
//
// A running child whose heartbeats stop for Pulse::kSilentNs hangs: it is killed, and so restarted.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "app/pulse.hpp"
#include "base/clock.hpp"
#include "io/frame.hpp"
#include "io/loop.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {

enum class ChildState : std::uint8_t { kWaiting, kStarting, kRunning, kStopping, kStopped };

class Supervisor {
 public:
  Supervisor(Config config, Clock& clock) : config_(std::move(config)), clock_(clock) {}
  // Runs until SIGTERM or SIGINT; the ready line goes to standard output once all processes are.
  Status run();

 private:
  struct Child {
    std::string name;
    ChildState state = ChildState::kWaiting;
    pid_t pid = -1;
    std::uint32_t restarts = 0;
    std::int64_t since_ms = 0;  // UTC, of the present state
    std::int64_t started_ns = 0;
    std::int64_t back_off_ms = 0;
    std::string last_exit;
    std::string status = "{}";  // of the last heartbeat
    Pulse pulse;
    std::string address;
    std::string program;              // "": the one that we are
    std::weak_ptr<io::Channel> link;  // its heartbeats come there
  };
  struct Restart {
    pid_t fresh = -1, old = -1;  // `old` once `fresh` is the child
    std::string program, why;
    std::weak_ptr<io::Channel> asker;
    std::uint32_t asked_id = 0;
    std::int64_t began_ns = 0;
    bool old_died = false;
    io::Loop::TimerId deadline = 0;
  };

  Status prepare();
  Status listen();
  void start(Child& child);
  void reap();
  void ended(Child& child, int wait_status);
  void on_frame(io::Channel& channel, io::Frame frame);
  void on_heartbeat(const io::Channel& channel, const store::Heartbeat& beat);
  void list_fds(io::Channel& channel, const io::Frame& request);
  std::shared_ptr<io::Channel> shared(const io::Channel& channel) const;
  void restart_keeper(io::Channel& channel, const io::Frame& request);
  Status may_restart(const io::Channel& asker) const;
  Status begin_restart(Restart& restart);
  void restart_refused(const io::Channel& channel, const io::Frame& frame);
  void restart_done();
  bool restart_ended(pid_t pid, int wait_status);
  void restart_over(const Status& outcome);
  void announce_when_ready();
  void watch_pulses();
  void begin_stop();
  void stop_next();
  Child* find(const std::string& name);
  Child* find(pid_t pid);
  std::string status_json() const;
  void set_state(Child& child, ChildState state);

  Config config_;
  Clock& clock_;
  std::unique_ptr<io::Loop> loop_;
  std::unique_ptr<io::ChannelServer> server_;
  std::vector<std::shared_ptr<io::Channel>> channels_;
  std::vector<Child> children_;
  std::map<std::string, io::Fd> fds_;
  io::Fd child_signals_;
  std::int64_t watched_ns_ = 0;
  std::string program_;  // by the path that it was started with
  std::optional<Restart> restart_;
  bool announced_ = false;
  bool stopping_ = false;
  bool stop_wanted_ = false;  // once the restart is over
  std::size_t stop_at_ = 0;
  io::Loop::TimerId stop_timer_ = 0;
};

// For the child, after fork(). `program`: "" is the one that we are; `take_over`: a descriptor to
// inherit, or -1.
[[noreturn]] void become_child(const std::string& name, const std::string& config_file,
                               const std::string& program, int take_over);

}  // namespace callward::app
