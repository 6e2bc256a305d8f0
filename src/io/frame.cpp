#include "io/frame.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.hpp"

namespace callward::io {
namespace {

constexpr std::size_t kReadChunkBytes = 64u << 10;
constexpr int kListenBacklog = 64;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Errc::kConfig, path + ": too long for a Unix socket (at most 107 bytes)");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Of the process that made the connection, at that moment.
ucred peer_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return {.pid = -1, .uid = static_cast<uid_t>(-1), .gid = static_cast<gid_t>(-1)};
  return credentials;
}

// recvmsg that keeps descriptors that ride along. Returns bytes, 0 at the end, -1 with errno.
ssize_t receive_with_fds(int fd, MutByteView out, std::deque<Fd>& fds, int flags) {
  iovec part{out.data(), out.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 8)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto got = ::recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int passed = -1;
      std::memcpy(&passed, CMSG_DATA(c) + i * sizeof(int), sizeof passed);
      fds.emplace_back(passed);
    }
  }
  return got;
}

ssize_t send_with_fd(int fd, ByteView in, const Fd& attached, int flags) {
  iovec part{const_cast<std::uint8_t*>(in.data()), in.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (attached.valid()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    const int raw = attached.get();
    std::memcpy(CMSG_DATA(c), &raw, sizeof raw);
  }
  return ::sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

// The top bit of `flags` says that a descriptor rides with this frame, so that the receiver takes
// it from its list at the right frame even when reads merge several frames.
constexpr std::uint16_t kFrameHasFd = 0x8000;

Bytes serialize(const Frame& frame) {
  Bytes bytes(kFrameHeaderBytes + frame.body.size());
  store_le(bytes.data(), static_cast<std::uint32_t>(frame.body.size()));
  store_le(bytes.data() + 4, frame.type);
  const auto fd_flag = frame.fd.valid() ? kFrameHasFd : std::uint16_t{0};
  store_le(bytes.data() + 6, static_cast<std::uint16_t>(frame.flags | fd_flag));
  store_le(bytes.data() + 8, frame.id);
  std::copy(frame.body.begin(), frame.body.end(), bytes.begin() + kFrameHeaderBytes);
  return bytes;
}

struct Header {
  std::uint32_t length;
  std::uint16_t type, flags;
  std::uint32_t id;
};
Header parse_header(const std::uint8_t* at) {
  return {load_le<std::uint32_t>(at), load_le<std::uint16_t>(at + 4),
          load_le<std::uint16_t>(at + 6), load_le<std::uint32_t>(at + 8)};
}

Frame to_frame(const Header& header, ByteView body, std::deque<Fd>& fds) {
  Frame frame;
  frame.type = header.type;
  frame.flags = static_cast<std::uint16_t>(header.flags & ~kFrameHasFd);
  frame.id = header.id;
  frame.body = to_bytes(body);
  if ((header.flags & kFrameHasFd) != 0 && !fds.empty()) {
    frame.fd = std::move(fds.front());
    fds.pop_front();
  }
  return frame;
}

}  // namespace

SecretBytes frame_bytes(const Frame& frame) {
  auto raw = serialize(frame);
  SecretBytes bytes{ByteView(raw)};
  wipe(raw);
  return bytes;
}

// Channel -----------------------------------------------------------------------------------------

Channel::Channel(Loop& loop, Fd fd, ChannelLimits limits)
    : loop_(loop), fd_(std::move(fd)), limits_(std::move(limits)) {
  const auto peer = peer_of(fd_.get());
  peer_uid_ = static_cast<int>(peer.uid);
  peer_pid_ = peer.pid;
}

Result<std::unique_ptr<Channel>> Channel::create(Loop& loop, Fd fd, ChannelLimits limits) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno("fcntl");
  std::unique_ptr<Channel> channel(new Channel(loop, std::move(fd), std::move(limits)));
  auto* self = channel.get();
  TRY(loop.watch(self->fd_.get(), EPOLLIN,
                 [self](std::uint32_t events) { self->on_events(events); }));
  return channel;
}

Result<std::unique_ptr<Channel>> Channel::create(Loop& loop, Carried carried,
                                                 ChannelLimits limits) {
  auto channel = TRY(create(loop, std::move(carried.fd), std::move(limits)));
  channel->input_ = to_bytes(carried.input.expose());
  channel->input_used_ = channel->input_.size();
  if (!carried.output.empty()) {
    channel->queued_bytes_ = carried.output.size();
    channel->output_.push_back({to_bytes(carried.output.expose()), 0, {}});
  }
  channel->take_up_soon();
  return channel;
}

Channel::~Channel() {
  close();
  wipe(input_);
}

void Channel::set_handlers(OnFrame on_frame, OnClose on_close) {
  on_frame_ = std::make_shared<OnFrame>(std::move(on_frame));
  on_close_ = std::move(on_close);
}

void Channel::close() {
  *alive_ = false;
  if (!fd_.valid()) return;
  loop_.unwatch(fd_.get());
  fd_.reset();
  for (auto& waiting : output_) wipe(waiting.bytes);
  output_.clear();
  queued_bytes_ = 0;
}

bool Channel::send(Frame frame) {
  const auto size = kFrameHeaderBytes + frame.body.size();
  if (!fd_.valid()) return false;
  if (frame.body.size() > limits_.frame_bytes_max ||
      queued_bytes_ + size > limits_.queue_bytes_max) {
    ++refused_;
    return false;
  }
  output_.push_back({serialize(frame), 0, std::move(frame.fd)});
  queued_bytes_ += size;
  // Try at once: most frames leave without waiting for the loop. An error shows again as an event.
  if (!want_write_ && !paused_) (void)flush();
  return true;
}

// What is queued is sent and what was read is taken when the loop comes round: handlers may not be
// set yet, and no callback comes from inside of a call.
void Channel::take_up_soon() {
  loop_.after_ms(0, [this, alive = alive_] {
    if (!*alive || paused_) return;
    if (!flush() || !parse()) {
      if (*alive) lost();
    }
  });
}

void Channel::pause() {
  if (paused_ || !fd_.valid()) return;
  paused_ = true;
  want_write_ = false;
  loop_.unwatch(fd_.get());  // a peer that hangs up would be reported without end
}

Status Channel::resume() {
  if (!paused_ || !fd_.valid()) return {};
  paused_ = false;
  TRY(loop_.watch(fd_.get(), EPOLLIN, [this](std::uint32_t events) { on_events(events); }));
  take_up_soon();
  return {};
}

Result<Carried> Channel::carry() const {
  if (!paused_ || !fd_.valid()) return fail(Errc::kState, "the connection is not at rest");
  Carried carried;
  carried.fd = Fd(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!carried.fd.valid()) return fail_errno("dup");
  carried.input = SecretBytes(ByteView(input_).first(input_used_));
  carried.output = SecretBytes(queued_bytes_);
  std::size_t at = 0;
  for (const auto& waiting : output_) {
    const auto rest = ByteView(waiting.bytes).subspan(waiting.sent);
    std::copy(rest.begin(), rest.end(), carried.output.expose_mut().begin() + at);
    at += rest.size();
  }
  return carried;
}

bool Channel::send_front() {
  auto& front = output_.front();
  const auto rest = ByteView(front.bytes).subspan(front.sent);
  const auto n = send_with_fd(fd_.get(), rest, front.fd, MSG_DONTWAIT);
  if (n <= 0) return false;
  front.fd.reset();  // it rode on the first byte
  front.sent += static_cast<std::size_t>(n);
  queued_bytes_ -= static_cast<std::size_t>(n);
  if (front.sent == front.bytes.size()) {
    wipe(front.bytes);
    output_.pop_front();
  }
  return true;
}

bool Channel::flush() {
  while (!output_.empty()) {
    if (send_front()) continue;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    break;
  }
  const bool want = !output_.empty();
  if (want != want_write_) {
    want_write_ = want;
    (void)loop_.modify(fd_.get(), want ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
  return true;
}

void Channel::on_events(std::uint32_t events) {
  const auto alive = alive_;
  if ((events & EPOLLOUT) != 0 && !flush()) return lost();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  const bool more = read_some();
  if (!parse()) {
    if (*alive) lost();
    return;
  }
  if (*alive && !more && !paused_) lost();
}

// False at the end of the stream or at an error.
bool Channel::read_some() {
  if (input_.size() - input_used_ < kReadChunkBytes) {
    // Growing would leave an unwiped copy of the old bytes, so it is done by hand.
    Bytes larger(std::max(input_.size() * 2, input_used_ + kReadChunkBytes));
    std::copy_n(input_.begin(), input_used_, larger.begin());
    wipe(input_);
    input_ = std::move(larger);
  }
  const auto room = MutByteView(input_).subspan(input_used_);
  const auto n = receive_with_fds(fd_.get(), room, input_fds_, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  input_used_ += static_cast<std::size_t>(n);
  return n > 0;
}

// False when a frame breaks the limits. Handlers may destroy this channel: `alive` tells.
bool Channel::parse() {
  const auto alive = alive_;
  const auto on_frame = on_frame_;  // a handler that destroys the channel must not destroy itself
  std::size_t at = 0;
  while (!paused_ && input_used_ - at >= kFrameHeaderBytes) {
    const auto header = parse_header(input_.data() + at);
    if (header.length > limits_.frame_bytes_max) return false;
    const auto whole = kFrameHeaderBytes + header.length;
    if (input_used_ - at < whole) break;
    auto frame = to_frame(header, ByteView(input_).subspan(at + kFrameHeaderBytes, header.length),
                          input_fds_);
    at += whole;
    if (on_frame && *on_frame) (*on_frame)(std::move(frame));
    if (!*alive) return false;
  }
  if (at > 0) {
    std::copy(input_.begin() + static_cast<std::ptrdiff_t>(at),
              input_.begin() + static_cast<std::ptrdiff_t>(input_used_), input_.begin());
    wipe(MutByteView(input_).subspan(input_used_ - at, at));
    input_used_ -= at;
  }
  return true;
}

void Channel::lost() {
  auto on_close = on_close_;
  close();
  if (on_close) on_close();
}

// ChannelServer -----------------------------------------------------------------------------------

Result<std::unique_ptr<ChannelServer>> ChannelServer::listen(Loop& loop, const std::string& path,
                                                             ChannelLimits limits,
                                                             OnAccept on_accept) {
  const auto address = TRY(address_of(path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("socket");
  ::unlink(path.c_str());
  const auto old_mask = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int saved = errno;
  ::umask(old_mask);
  if (bound != 0) return fail_errno("bind " + path, saved);
  return take_over(loop, std::move(fd), path, std::move(limits), std::move(on_accept));
}

// listen() once more, on a socket that another process made: from then on the kernel names us to
// those who connect.
Result<std::unique_ptr<ChannelServer>> ChannelServer::take_over(Loop& loop, Fd listening,
                                                                const std::string& path,
                                                                ChannelLimits limits,
                                                                OnAccept on_accept) {
  if (::listen(listening.get(), kListenBacklog) != 0) return fail_errno("listen " + path);
  std::unique_ptr<ChannelServer> server(
      new ChannelServer(loop, std::move(listening), "", std::move(limits), std::move(on_accept)));
  TRY(server->resume());
  server->path_ = path;  // from here on it is ours to remove
  return server;
}

ChannelServer::~ChannelServer() {
  loop_.unwatch(fd_.get());
  if (!path_.empty()) ::unlink(path_.c_str());
}

void ChannelServer::accept_one() {
  Fd accepted(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted.valid()) return;
  auto channel = Channel::create(loop_, std::move(accepted), limits_);
  if (channel) on_accept_(std::move(*channel));
}

void ChannelServer::pause() { loop_.unwatch(fd_.get()); }

Status ChannelServer::resume() {
  return loop_.watch(fd_.get(), EPOLLIN, [this](std::uint32_t) { accept_one(); });
}

Result<Fd> ChannelServer::carry() const {
  Fd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return fail_errno("dup");
  return copy;
}

Result<Fd> connect_unix(const std::string& path) {
  const auto address = TRY(address_of(path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED)
      return fail(Errc::kUnavailable, path + ": nobody listens there");
    return fail_errno("connect " + path);
  }
  return fd;
}

// Client ------------------------------------------------------------------------------------------

Client::Client(Loop& loop, std::string path, ChannelLimits limits, std::uint16_t error_type)
    : loop_(loop), path_(std::move(path)), limits_(std::move(limits)), error_type_(error_type) {}

Client::~Client() { stop(); }

void Client::start(OnConnect on_connect, OnLost on_lost, Channel::OnFrame on_event) {
  on_connect_ = std::move(on_connect);
  on_lost_ = std::move(on_lost);
  on_event_ = std::move(on_event);
  running_ = true;
  try_connect();
}

void Client::stop() {
  running_ = false;
  loop_.cancel(retry_);
  channel_.reset();
  for (auto& [id, open] : open_) loop_.cancel(open.timer);
  open_.clear();
}

QueueGauge Client::gauge() const {
  return channel_ ? channel_->gauge() : QueueGauge{limits_.name, 0, limits_.queue_bytes_max, 0};
}

void Client::try_connect() {
  if (!running_) return;
  auto fd = connect_unix(path_);
  if (!fd) return retry_later();
  auto channel = Channel::create(loop_, std::move(*fd), limits_);
  if (!channel) return retry_later();
  channel_ = std::move(*channel);
  channel_->set_handlers([this](Frame frame) { on_frame(std::move(frame)); },
                         [this] { on_lost_now(); });
  back_off_ms_ = 50;
  if (on_connect_) on_connect_();
}

void Client::retry_later() {
  constexpr std::int64_t kBackOffMaxMs = 2'000;
  retry_ = loop_.after_ms(back_off_ms_, [this] { try_connect(); });
  back_off_ms_ = std::min(back_off_ms_ * 2, kBackOffMaxMs);
}

void Client::on_lost_now() {
  std::vector<std::uint32_t> ids;
  for (const auto& [id, open] : open_) ids.push_back(id);
  for (const auto id : ids) finish(id, fail(Errc::kUnavailable, path_ + ": connection lost"));
  if (on_lost_) on_lost_();
  // The channel is on the call stack here; it goes when the loop comes round.
  loop_.after_ms(0, [this] { try_connect(); });
}

void Client::on_frame(Frame frame) {
  if ((frame.flags & kFrameIsReply) == 0) {
    if (on_event_) on_event_(std::move(frame));
    return;
  }
  const auto id = frame.id;
  if (frame.type == error_type_) return finish(id, tl::unexpected<Error>(unpack_error(frame.body)));
  finish(id, std::move(frame));
}

void Client::finish(std::uint32_t id, Result<Frame> outcome) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;  // answered after its time-out
  auto open = std::move(found->second);
  open_.erase(found);
  loop_.cancel(open.timer);
  open.on_reply(std::move(outcome));
}

void Client::request(Frame frame, std::int64_t timeout_ms, OnReply on_reply) {
  const auto id = next_id_++;
  if (next_id_ == 0) next_id_ = 1;
  frame.id = id;
  const bool sent = connected() && channel_->send(std::move(frame));
  const auto timer = loop_.after_ms(sent ? timeout_ms : 0, [this, id, sent] {
    if (sent) return finish(id, fail(Errc::kTimeout, path_ + ": no answer in time"));
    finish(id, fail(Errc::kUnavailable, path_ + ": not connected, or its queue is full"));
  });
  open_[id] = Open{std::move(on_reply), timer};
}

// BlockingClient ----------------------------------------------------------------------------------

namespace {
std::int64_t now_ms() { return SystemClock().monotonic_ms(); }
}  // namespace

Result<std::unique_ptr<BlockingClient>> BlockingClient::connect(const std::string& path,
                                                                std::size_t frame_bytes_max,
                                                                std::uint16_t error_type) {
  auto fd = TRY(connect_unix(path));
  return std::unique_ptr<BlockingClient>(
      new BlockingClient(std::move(fd), frame_bytes_max, error_type));
}

Status BlockingClient::send(Frame frame) {
  auto bytes = serialize(frame);
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const auto n = send_with_fd(fd_.get(), ByteView(bytes).subspan(sent), frame.fd, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      wipe(bytes);
      return fail(Errc::kUnavailable, "connection lost while sending");
    }
    frame.fd.reset();  // it rode on the first byte
    sent += static_cast<std::size_t>(n);
  }
  wipe(bytes);
  return {};
}

Result<Frame> BlockingClient::receive(std::int64_t timeout_ms) {
  const auto deadline = now_ms() + timeout_ms;
  TRY(fill(header_, header_got_, deadline));
  const auto header = parse_header(header_.data());
  if (header.length > frame_bytes_max_) return fail(Errc::kTooLarge, "frame over its limit");
  incoming_.body.resize(header.length);
  TRY(fill(incoming_.body, body_got_, deadline));
  header_got_ = body_got_ = 0;
  auto frame = std::exchange(incoming_, Frame{});
  frame.type = header.type;
  frame.flags = static_cast<std::uint16_t>(header.flags & ~kFrameHasFd);
  frame.id = header.id;
  if ((header.flags & kFrameHasFd) != 0 && !received_fds_.empty()) {
    frame.fd = std::move(received_fds_.front());
    received_fds_.pop_front();
  }
  return frame;
}

// The deadline may pass at any byte: `got` says where to go on.
Status BlockingClient::fill(MutByteView out, std::size_t& got, std::int64_t deadline_ms) {
  while (got < out.size()) {
    const auto left = deadline_ms - now_ms();
    if (left <= 0) return fail(Errc::kTimeout, "no answer in time");
    timeval wait{left / 1000, left % 1000 * 1000};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    const auto n = receive_with_fds(fd_.get(), out.subspan(got), received_fds_, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    if (n <= 0) return fail(Errc::kUnavailable, "connection lost");
    got += static_cast<std::size_t>(n);
  }
  return {};
}

Result<Frame> BlockingClient::call(Frame frame, std::int64_t timeout_ms,
                                   const std::function<void(Frame)>& on_event) {
  const auto id = next_id_++;
  if (next_id_ == 0) next_id_ = 1;
  frame.id = id;
  TRY(send(std::move(frame)));
  const auto deadline = now_ms() + timeout_ms;
  while (true) {
    auto reply = TRY(receive(std::max<std::int64_t>(1, deadline - now_ms())));
    if ((reply.flags & kFrameIsReply) != 0 && reply.id == id) {
      if (reply.type == error_type_) return tl::unexpected<Error>(unpack_error(reply.body));
      return reply;
    }
    if ((reply.flags & kFrameIsReply) == 0 && on_event) on_event(std::move(reply));
  }
}

Error unpack_error(ByteView body) {
  ByteReader in(body);
  const auto code = in.u8();
  const auto text = in.bytes(in.u32());
  if (!in.ok() || code > static_cast<std::uint8_t>(Errc::kCrypto))
    return {Errc::kMalformed, "error reply that cannot be read"};
  return {static_cast<Errc>(code), std::string(as_text(text))};
}

}  // namespace callward::io
