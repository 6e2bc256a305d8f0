// The media relay of call-backs, in the signal process: RTP and RTCP between two legs, and of each
// RTP packet that passes a copy to the recorder, as a recording client would send it. A thread of
// its own moves the packets; everything else is called from the process's loop.
//
// INVARIANTS
//   (1) Nothing passes while the gate is shut: neither to the other leg nor to the recorder. What
//       passes goes to the recorder first.
//   (2) A leg's packets come from the address in its SDP; the first one there that sends holds it
//       (symmetric RTP) until its SDP names another.
//   (3) Nothing of a packet's sender reaches the other side but its RTP, and of RTCP what
//       wire::anonymous_rtcp leaves: no address, no name.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/endpoint.hpp"
#include "base/entropy.hpp"
#include "capture/callback.hpp"
#include "io/fd.hpp"
#include "io/udp.hpp"

namespace callward::app {

inline constexpr std::size_t kRelayedMax = keys::kDialsMax;  // calls; each has six sockets
inline constexpr std::size_t kRelaySweepMax = 64;            // packets of a socket at a time
inline constexpr int kRelayBufferBytes = 256 * 1024;         // two seconds of G.711, and some

struct RelayConfig {
  std::string address;  // ours towards the legs
  std::uint16_t port_first = 0, port_last = 0;
  std::string recorder_address;  // where the copies go, and are sent from
};

struct RelayCounters {
  std::atomic<std::uint64_t> relayed{0}, rtcp{0}, shut{0}, foreign{0}, malformed{0};
  std::atomic<std::uint64_t> not_sent{0}, not_copied{0};  // the kernel did not take it
};

class Relay {
 public:
  static Result<std::unique_ptr<Relay>> create(RelayConfig config, Entropy& entropy);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  struct Ports {
    std::array<std::uint16_t, 2> rtp{};  // by Leg; RTCP is the next one
    std::array<Endpoint, 2> copies{};    // where the copies of each leg's packets come from
  };
  // The sockets of a call, its gate shut. kFull: no ports, or kRelayedMax calls.
  Result<Ports> open(std::uint64_t call);
  void close(std::uint64_t call);
  void set_gate(std::uint64_t call, capture::Gate gate);
  // Where a leg's media is, as its SDP says. Nothing: held, or nowhere; it is sent nothing then.
  void set_peer(std::uint64_t call, capture::Leg leg, const std::optional<Endpoint>& rtp,
                const std::optional<Endpoint>& rtcp, bool receives);
  // The recorder's port for what this leg says; 0: none.
  void set_recorder(std::uint64_t call, capture::Leg leg, std::uint16_t port);

  [[nodiscard]] const RelayCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t calls() const;
  // False: its thread is gone, and nothing is relayed any more.
  [[nodiscard]] bool works() const { return works_; }

 private:
  struct Socket {
    io::Fd fd;
    std::optional<Endpoint> announced;  // by the peer's SDP
    std::optional<Endpoint> latched;    // who really sends from there
  };
  struct Side {
    Socket rtp, rtcp;
    bool receives = true;
    io::Fd copy;  // from which the recorder gets its copies
    std::optional<Endpoint> recorder;
    std::string cname;  // in what this leg is sent
  };
  struct Call {
    capture::Gate gate = capture::Gate::kShut;
    std::array<Side, 2> sides;
  };

  Relay(RelayConfig config, Entropy& entropy) : config_(std::move(config)), entropy_(entropy) {}
  Status start();
  void run();
  void sweep(std::uint64_t token);
  void pass(Call& call, std::size_t from, bool rtcp, ByteView packet);
  static bool comes_from_peer(Socket& socket, const Endpoint& from);
  Status bind_side(Side& side, Ports& ports, std::size_t which);
  Status watch(std::uint64_t call, const Call& watched);

  RelayConfig config_;
  Entropy& entropy_;
  io::Fd epoll_, wake_;
  std::thread thread_;
  std::atomic<bool> stopping_{false}, works_{true};
  mutable std::mutex mutex_;  // of calls_
  std::map<std::uint64_t, Call> calls_;
  std::uint32_t next_port_ = 0;
  io::UdpSweeper sweeper_;  // the thread's
  RelayCounters counters_;
};

}  // namespace callward::app
