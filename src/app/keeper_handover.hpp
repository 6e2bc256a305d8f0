// The keeper's planned restart, on the socket between the old process and the new one. The new one
// asks, piece by piece; the old one alone decides which of the two is the keeper.
//
//   old                                     new
//   starting   ◀── TakeOver ──────────────  it has its configuration and its sandbox
//   resting        finishes what runs
//   frozen     ─── Handed ───────────────▶
//              ◀── NextPart, NextFd ... ──  the state, the sockets
//                                           takes the writer's lock, opens key store and log,
//                                           writes one entry
//              ◀── Taken ─────────────────
//   decided    ─── Go ───────────────────▶  serves
//              ◀── Serving ───────────────
//   gone           wipes, ends
//
// INVARIANTS
//   (1) Until Go the old one may give up: it says Abandoned and goes on with all it had. After Go
//       it goes on only if the connection breaks without Serving: then the new one died, and had
//       neither read from a peer nor erased a key.
//   (2) The new one serves after Go; or, with the whole state, when the connection breaks without
//       Abandoned: then the old one is dead.
//   (3) Only who holds the writer's lock (writer_lock.hpp) has log and key store open. The old one
//       lets go of it when frozen and goes on once it has it again, whatever either of them was
//       told: a new one that was stopped in the middle of its entry is waited for, or killed first.
//   (4) The bytes are wiped where they were. A version that is not known ends the hand-over, and
//       nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/frame.hpp"
#include "keys/keeper_protocol.hpp"

namespace callward::app {

inline constexpr std::uint32_t kHandedProcessVersion = 2;
inline constexpr std::size_t kHandedProcessBytesMax = 320u << 20;
inline constexpr std::size_t kHandedPeersMax = 64;
inline constexpr std::size_t kPartBytesMax = 1u << 20;

// A peer's connection: who it is, and what was on its way. Its socket goes beside.
struct HandedPeer {
  keys::PeerRole role{};
  bool greeted = false;
  SecretBytes input, output;
  template <class V>
  void visit(V& v) {
    v(role, greeted, input, output);
  }
};
struct HandedProcess {
  std::uint32_t version = kHandedProcessVersion;
  std::uint32_t peer_protocol = keys::kKeeperProtocolVersion;  // what the peers were greeted with
  SecretBytes keeper;                                          // erase::HandedState
  std::vector<HandedPeer> peers;
  std::uint32_t next_ask = 1;  // a late answer to the old one must not answer the new one
  SecretBytes courier;         // of CourierDesk; from version 2 on
  template <class V>
  void visit(V& v) {
    v(version, peer_protocol, keeper, peers, next_ask, courier);
  }
};
// One of version 1 comes out as one of today's. kUnsupported: a newer version, or peers that speak
// another protocol than this program.
Result<HandedProcess> decode_process(ByteView raw);

struct FrozenProcess {
  HandedProcess process;
  std::vector<io::Fd> fds;  // the listening socket, then one a peer
};

// The old one's side, on its loop.
class HandingOver {
 public:
  struct Host {
    std::function<void()> rest;   // begin nothing new
    std::function<bool()> quiet;  // nothing is outstanding any more
    std::function<Result<FrozenProcess>()> freeze;
    std::function<void(const std::string& why)> go_on;  // as if nothing had been, from any state
    std::function<void()> gone;                         // the other one serves
  };
  struct Waits {
    std::int64_t start_ms = 20'000;  // until the new one asks
    std::int64_t rest_ms = 8'000;    // more than any answer of a peer may take
    std::int64_t frozen_ms = 20'000;
  };
  static Result<std::unique_ptr<HandingOver>> begin(io::Loop& loop, io::Fd fd, Host host,
                                                    Waits waits);
  ~HandingOver();
  // False: it is decided, and no longer ours to say.
  bool abandon(const std::string& why);

 private:
  enum class State : std::uint8_t { kStarting, kResting, kFrozen, kDecided, kOver };
  HandingOver(io::Loop& loop, Host host, Waits waits)
      : loop_(loop), host_(std::move(host)), waits_(waits) {}
  void on_frame(io::Frame frame);
  void on_close();
  void look_whether_quiet();
  void freeze();
  void give_part(const io::Frame& request);
  void give_fd(const io::Frame& request);
  void end(const std::string& why);
  void wait(std::int64_t ms, const char* why);

  io::Loop& loop_;
  Host host_;
  Waits waits_;
  State state_ = State::kStarting;
  std::unique_ptr<io::Channel> channel_;
  io::Loop::TimerId deadline_ = 0, looking_ = 0;
  std::uint32_t asked_id_ = 0;  // of TakeOver
  SecretBytes raw_;
  std::vector<io::Fd> fds_;
};

// The new one's side; it may wait.
class TakingOver {
 public:
  explicit TakingOver(io::Fd fd);
  Result<FrozenProcess> receive();
  // Success: this process is the keeper now.
  Status confirm();
  void serving();
  void refuse(const std::string& why);

 private:
  std::unique_ptr<io::BlockingClient> client_;
  bool abandoned_ = false;
};

}  // namespace callward::app
