// What every child process of the supervisor has in common: its configuration, and the link on
// which it says each second that it lives and what it is doing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/config.hpp"
#include "base/clock.hpp"
#include "base/entropy.hpp"
#include "base/vfs.hpp"
#include "io/frame.hpp"
#include "io/loop.hpp"
#include "keys/keeper_protocol.hpp"

namespace callward::app {

struct ProcessContext {
  Config config;
  std::string name;    // "keeper", "recorder", ...
  int take_over = -1;  // keeper: the socket on which the one before it hands over its state
};

// One function a process. Returns when the process was asked to stop (SIGTERM), or with the error
// that keeps it from working; the supervisor starts it again with back-off.
Status run_keeper(const ProcessContext& context);
// Whether the keeper takes this kind of message from that peer; its table says so.
bool keeper_hears(std::uint16_t type, keys::PeerRole role);
// While a planned restart rests and an act waits for it.
bool keeper_hears_at_rest(std::uint16_t type, keys::PeerRole role);
Status run_recorder(const ProcessContext& context);
Status run_signal(const ProcessContext& context);
Status run_listener(const ProcessContext& context);
Status run_courier(const ProcessContext& context);
Status run_server(const ProcessContext& context);

// Sends store::Heartbeat to run/supervisor.sock each second. `status` gives a JSON object; the key
// "ready" (bool) tells whether the process does its work, "address" ("127.0.0.1:5060") where it
// listens, "queues" ([{"name","depth","bound","refused"}]) its gauges. No supervisor there is no
// error. `on_event`: what the supervisor says by itself.
class SupervisorLink {
 public:
  SupervisorLink(io::Loop& loop, const ProcessContext& context, std::function<std::string()> status,
                 io::Channel::OnFrame on_event = {});
  ~SupervisorLink();
  // Sends one now: readiness should not wait a second.
  void beat();
  io::Client& client() { return *client_; }

 private:
  io::Loop& loop_;
  std::string name_;
  std::function<std::string()> status_;
  std::unique_ptr<io::Client> client_;
  io::Loop::TimerId timer_ = 0;
};

// The supervisor's word on which child has this process id ("" is none of them). Asked when a peer
// says Hello; waits for the supervisor, who answers within milliseconds. kUnavailable: there is no
// supervisor, and so no peer either.
Result<std::string> child_of_pid(const Config& config, int pid);

std::string queues_json(const std::vector<QueueGauge>& gauges);

}  // namespace callward::app
