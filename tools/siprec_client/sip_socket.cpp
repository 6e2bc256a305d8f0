#include "sip_socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

namespace callward::siprec_client {
namespace {
constexpr std::int64_t kReconnectMs = 200;
constexpr std::size_t kOutputBytesMax = 64u << 20;
constexpr int kDatagramsPerTurnMax = 256;
}  // namespace

Result<std::unique_ptr<SipSocket>> SipSocket::open(io::Loop& loop, const Options& options,
                                                   OnMessage on_message,
                                                   std::function<void()> on_again) {
  std::unique_ptr<SipSocket> socket(new SipSocket(loop, options));
  socket->on_message_ = std::move(on_message);
  socket->on_again_ = std::move(on_again);
  TRY(socket->connect());
  return socket;
}

SipSocket::~SipSocket() {
  if (fd_.valid()) loop_.unwatch(fd_.get());
}

Status SipSocket::connect() {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(options_.port);
  if (::inet_pton(AF_INET, options_.host.c_str(), &to.sin_addr) != 1)
    return fail(Errc::kConfig, "--server wants an IPv4 address");
  fd_ = io::Fd(::socket(AF_INET, (options_.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) return fail_errno("socket");
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    return fail_errno("connect");
  ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  const int bytes = 4 << 20;  // a hundred answers at once
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&own), &size);
  char text[INET_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET, &own.sin_addr, text, sizeof text);
  address_ = text;
  port_ = ntohs(own.sin_port);
  return loop_.watch(fd_.get(), EPOLLIN, [this](std::uint32_t events) { on_events(events); });
}

void SipSocket::reconnect() {
  if (fd_.valid()) loop_.unwatch(fd_.get());
  fd_.reset();
  input_.clear();
  output_.clear();
  loop_.after_ms(kReconnectMs, [this] {
    if (connect())
      on_again_();
    else
      reconnect();
  });
}

void SipSocket::send(const std::string& message) {
  if (!fd_.valid()) return;  // said again when the connection is back
  if (!options_.tcp) {
    (void)!::send(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL);
    return;
  }
  if (output_.size() > kOutputBytesMax) return;
  output_ += message;
  if (!flush()) reconnect();
}

bool SipSocket::flush() {
  while (!output_.empty()) {
    const auto n = ::send(fd_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return false;
    if (n < 0) return loop_.modify(fd_.get(), EPOLLIN | EPOLLOUT).has_value();
    output_.erase(0, static_cast<std::size_t>(n));
  }
  return loop_.modify(fd_.get(), EPOLLIN).has_value();
}

void SipSocket::on_events(std::uint32_t events) {
  const bool whole = read() && ((events & EPOLLOUT) == 0 || flush());
  if (!whole) reconnect();
}

bool SipSocket::read() {
  std::string buffer(65'536, '\0');
  for (int i = 0; i < kDatagramsPerTurnMax; ++i) {
    const auto n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) {
      if (options_.tcp) return false;
      continue;  // ECONNREFUSED: nobody was there; requests are repeated
    }
    if (!options_.tcp) {
      if (const auto message = parse_sip(buffer.substr(0, static_cast<std::size_t>(n))))
        on_message_(*message);
      continue;
    }
    input_.append(buffer, 0, static_cast<std::size_t>(n));
    for (const auto& text : cut_messages(input_))
      if (const auto message = parse_sip(text)) on_message_(*message);
  }
  return true;
}

}  // namespace callward::siprec_client
