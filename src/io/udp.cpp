#include "io/udp.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace callward::io {

Result<Fd> bind_udp(const std::string& address, std::uint16_t port, int buffer_bytes) {
  sockaddr_storage where{};
  socklen_t size = 0;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&where);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&where);
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    size = sizeof *v6;
  } else {
    return fail(Errc::kConfig, address + ": not an IP address");
  }
  Fd fd(::socket(where.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("socket");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), size) != 0) {
    if (errno == EADDRINUSE) return fail(Errc::kFull, "UDP port is taken");
    return fail_errno("bind");
  }
  return fd;
}

Result<std::uint16_t> local_port(const Fd& socket) {
  sockaddr_storage where{};
  socklen_t size = sizeof where;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&where), &size) != 0)
    return fail_errno("getsockname");
  return where.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6*>(&where)->sin6_port)
                                     : ntohs(reinterpret_cast<sockaddr_in*>(&where)->sin_port);
}

namespace {

Endpoint endpoint_of(const sockaddr_storage& from) {
  Endpoint out;
  if (from.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    std::memcpy(out.address.data(), &v6.sin6_addr, 16);
    out.port = ntohs(v6.sin6_port);
  } else if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    out.address[10] = out.address[11] = 0xFF;
    std::memcpy(out.address.data() + 12, &v4.sin_addr, 4);
    out.port = ntohs(v4.sin_port);
  }
  return out;
}

}  // namespace

bool send_udp(const Fd& socket, ByteView packet, const Endpoint& to) {
  sockaddr_storage where{};
  socklen_t size = 0;
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::equal(kMapped.begin(), kMapped.end(), to.address.begin())) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(where);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(to.port);
    std::memcpy(&v4.sin_addr, to.address.data() + 12, 4);
    size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(where);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(to.port);
    std::memcpy(&v6.sin6_addr, to.address.data(), 16);
    size = sizeof v6;
  }
  return ::sendto(socket.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&where),
                  size) == static_cast<ssize_t>(packet.size());
}

Result<std::size_t> UdpSweeper::sweep(int fd, std::size_t packets_max, const OnPacket& on_packet) {
  std::array<mmsghdr, kSweep> messages;
  std::array<iovec, kSweep> parts;
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(timespec))> bytes;
  };
  std::array<Control, kSweep> controls;
  std::array<sockaddr_storage, kSweep> senders;
  std::size_t total = 0;
  while (total < packets_max) {
    const auto want = std::min(kSweep, packets_max - total);
    for (std::size_t i = 0; i < want; ++i) {
      parts[i] = {buffers_[i].data(), buffers_[i].size()};
      messages[i] = {};
      messages[i].msg_hdr.msg_name = &senders[i];
      messages[i].msg_hdr.msg_namelen = sizeof senders[i];
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_control = controls[i].bytes.data();
      messages[i].msg_hdr.msg_controllen = controls[i].bytes.size();
    }
    const int got =
        ::recvmmsg(fd, messages.data(), static_cast<unsigned>(want), MSG_DONTWAIT, nullptr);
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNREFUSED) break;
      return fail_errno("recvmmsg");
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
      std::int64_t at_ns = 0;
      for (auto* c = CMSG_FIRSTHDR(&messages[i].msg_hdr); c != nullptr;
           c = CMSG_NXTHDR(&messages[i].msg_hdr, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec ts{};
        std::memcpy(&ts, CMSG_DATA(c), sizeof ts);
        at_ns = ts.tv_sec * 1'000'000'000LL + ts.tv_nsec;
      }
      const bool truncated = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
      on_packet(ByteView(buffers_[i].data(), messages[i].msg_len), at_ns, truncated,
                endpoint_of(senders[i]));
    }
    total += static_cast<std::size_t>(got);
    if (static_cast<std::size_t>(got) < want) break;
  }
  return total;
}

}  // namespace callward::io
