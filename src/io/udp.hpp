// UDP sockets for RTP: bound to one address, with kernel time stamps, read in sweeps.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "io/fd.hpp"

namespace callward::io {

// Bound and non-blocking, SO_TIMESTAMPNS on, receive buffer of `buffer_bytes`. kFull when the port
// is taken.
Result<Fd> bind_udp(const std::string& address, std::uint16_t port, int buffer_bytes);
Result<std::uint16_t> local_port(const Fd& socket);
// One datagram from a socket that is not connected. False: it was not taken (full buffer, another
// family than the socket's, no way there).
bool send_udp(const Fd& socket, ByteView packet, const Endpoint& to);

// recvmmsg in sweeps of kSweep until the socket is empty or `packets_max` are read. `at_utc_ns` is
// the kernel's time stamp (CLOCK_REALTIME), `from` the sender's address. Datagrams longer than
// kDatagramBytesMax are cut and `truncated` says so.
class UdpSweeper {
 public:
  static constexpr std::size_t kSweep = 32;
  static constexpr std::size_t kDatagramBytesMax = 2048;
  using OnPacket = std::function<void(ByteView packet, std::int64_t at_utc_ns, bool truncated,
                                      const Endpoint& from)>;
  Result<std::size_t> sweep(int fd, std::size_t packets_max, const OnPacket& on_packet);

 private:
  std::array<std::array<std::uint8_t, kDatagramBytesMax>, kSweep> buffers_{};
};

}  // namespace callward::io
