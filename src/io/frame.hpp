// Framed messages over Unix stream sockets, between our own processes.
//
//   0 body length u32 · 4 type u16 · 6 flags u16 · 8 request id u32 · 12 body      (little-endian)
//
// File descriptors ride on the frame's first byte (SCM_RIGHTS), at most one a frame. Buffers are
// wiped when they are let go: bodies carry keys and audio. A frame over the channel's limit closes
// the channel; a full send queue refuses the frame and counts it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/bytes.hpp"
#include "base/pack.hpp"
#include "base/queue.hpp"
#include "base/secret.hpp"
#include "io/fd.hpp"
#include "io/loop.hpp"

namespace callward::io {

inline constexpr std::size_t kFrameHeaderBytes = 12;
inline constexpr std::uint16_t kFrameIsReply = 1;  // flags: the id is the other side's request id

struct Frame {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t id = 0;  // 0: an event, no reply
  Bytes body;
  Fd fd;  // usually none

  Frame() = default;
  Frame(Frame&&) = default;
  Frame& operator=(Frame&&) = default;
  ~Frame() { wipe(body); }
};

template <class Message>
Frame make_frame(const Message& message, std::uint32_t id = 0, std::uint16_t flags = 0) {
  Frame frame;
  frame.type = Message::kType;
  frame.flags = flags;
  frame.id = id;
  frame.body = pack(message);
  return frame;
}

// For what must leave no copy in the heap: the size is counted first, so that nothing grows.
template <class Message>
Frame make_secret_frame(const Message& message) {
  Frame frame;
  frame.type = Message::kType;
  const auto packed = pack_secret(message);
  frame.body = to_bytes(packed.expose());
  return frame;
}

// The frame as it stands on the wire, without what rides along.
SecretBytes frame_bytes(const Frame& frame);

// A connection on its way to another process: what was read of it and not yet taken, and what is
// still to be sent. Whoever has it goes on where the other stopped, and the peer notices nothing.
struct Carried {
  Fd fd;
  SecretBytes input, output;
};

struct ChannelLimits {
  std::string name;  // of the send queue, on the system page
  std::size_t frame_bytes_max = 1u << 20;
  std::size_t queue_bytes_max = 16u << 20;  // waiting to be sent
};

// One connection on a Loop. Callbacks never come from inside send().
class Channel {
 public:
  using OnFrame = std::function<void(Frame)>;
  using OnClose = std::function<void()>;

  static Result<std::unique_ptr<Channel>> create(Loop& loop, Fd fd, ChannelLimits limits);
  // Goes on with what another process carried over; frames come once the loop comes round.
  static Result<std::unique_ptr<Channel>> create(Loop& loop, Carried carried, ChannelLimits limits);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void set_handlers(OnFrame on_frame, OnClose on_close);
  // False: the queue is full (counted) or the channel is closed; nothing was sent.
  bool send(Frame frame);
  template <class Message>
  bool send(const Message& message, std::uint32_t id = 0, std::uint16_t flags = 0) {
    return send(make_frame(message, id, flags));
  }
  template <class Message>
  bool reply(const Frame& request, const Message& message) {
    return send(make_frame(message, request.id, kFrameIsReply));
  }
  [[nodiscard]] bool open() const { return fd_.valid(); }
  [[nodiscard]] QueueGauge gauge() const {
    return {limits_.name, queued_bytes_, limits_.queue_bytes_max, refused_};
  }
  [[nodiscard]] int peer_uid() const { return peer_uid_; }
  [[nodiscard]] int peer_pid() const { return peer_pid_; }  // as the kernel says; -1 unknown
  void close();                                             // no callback

  // Reads and writes nothing until resume(); what is sent meanwhile waits in the queue. A peer that
  // goes away meanwhile is noticed then.
  void pause();
  Status resume();
  // Of a paused channel: a copy, with the connection itself; this one keeps all it has.
  [[nodiscard]] Result<Carried> carry() const;

 private:
  struct Outgoing {
    Bytes bytes;
    std::size_t sent = 0;
    Fd fd;
  };
  Channel(Loop& loop, Fd fd, ChannelLimits limits);
  void on_events(std::uint32_t events);
  bool read_some();
  bool parse();
  bool flush();
  bool send_front();
  void lost();
  void take_up_soon();

  Loop& loop_;
  Fd fd_;
  ChannelLimits limits_;
  int peer_uid_ = -1, peer_pid_ = -1;
  std::shared_ptr<OnFrame> on_frame_;
  OnClose on_close_;
  Bytes input_;
  std::size_t input_used_ = 0;
  std::deque<Fd> input_fds_;
  std::deque<Outgoing> output_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t refused_ = 0;
  bool want_write_ = false;
  bool paused_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Listens at a path (made 0600; a stale socket there is replaced).
class ChannelServer {
 public:
  using OnAccept = std::function<void(std::unique_ptr<Channel>)>;
  static Result<std::unique_ptr<ChannelServer>> listen(Loop& loop, const std::string& path,
                                                       ChannelLimits limits, OnAccept on_accept);
  // Goes on with a socket that another process listened on, at this path.
  static Result<std::unique_ptr<ChannelServer>> take_over(Loop& loop, Fd listening,
                                                          const std::string& path,
                                                          ChannelLimits limits, OnAccept on_accept);
  ~ChannelServer();

  void pause();  // who connects waits
  Status resume();
  [[nodiscard]] Result<Fd> carry() const;  // the socket, for take_over()
  void leave_path() { path_.clear(); }     // it is another's now: not removed at the end

 private:
  ChannelServer(Loop& loop, Fd fd, std::string path, ChannelLimits limits, OnAccept on_accept)
      : loop_(loop),
        fd_(std::move(fd)),
        path_(std::move(path)),
        limits_(std::move(limits)),
        on_accept_(std::move(on_accept)) {}
  void accept_one();
  Loop& loop_;
  Fd fd_;
  std::string path_;
  ChannelLimits limits_;
  OnAccept on_accept_;
};

Result<Fd> connect_unix(const std::string& path);  // kUnavailable while nobody listens

// A connection that comes back: connects with back-off (50 ms doubling to 2 s), says so, and
// matches replies to requests. Requests that are open when the connection breaks end with
// kUnavailable.
class Client {
 public:
  using OnConnect = std::function<void()>;  // say Hello here
  using OnLost = std::function<void()>;
  using OnReply = std::function<void(Result<Frame>)>;  // ErrorReply frames come as an Error

  Client(Loop& loop, std::string path, ChannelLimits limits, std::uint16_t error_type);
  ~Client();
  void start(OnConnect on_connect, OnLost on_lost, Channel::OnFrame on_event);
  void stop();
  [[nodiscard]] bool connected() const { return channel_ != nullptr && channel_->open(); }
  Channel* channel() { return channel_.get(); }

  // The reply comes later on the loop, in every case exactly once.
  void request(Frame frame, std::int64_t timeout_ms, OnReply on_reply);
  template <class Message>
  void request(const Message& message, std::int64_t timeout_ms, OnReply on_reply) {
    request(make_frame(message), timeout_ms, std::move(on_reply));
  }
  template <class Message>
  bool send(const Message& message) {
    return connected() && channel_->send(message);
  }
  [[nodiscard]] QueueGauge gauge() const;

 private:
  struct Open {
    OnReply on_reply;
    Loop::TimerId timer;
  };
  void try_connect();
  void retry_later();
  void on_frame(Frame frame);
  void on_lost_now();
  void finish(std::uint32_t id, Result<Frame> outcome);

  Loop& loop_;
  std::string path_;
  ChannelLimits limits_;
  std::uint16_t error_type_;
  OnConnect on_connect_;
  OnLost on_lost_;
  Channel::OnFrame on_event_;
  std::unique_ptr<Channel> channel_;
  std::unordered_map<std::uint32_t, Open> open_;
  std::uint32_t next_id_ = 1;
  std::int64_t back_off_ms_ = 50;
  Loop::TimerId retry_ = 0;
  bool running_ = false;
};

// For threads that may wait (server handlers, command line): one request at a time.
class BlockingClient {
 public:
  static Result<std::unique_ptr<BlockingClient>> connect(const std::string& path,
                                                         std::size_t frame_bytes_max,
                                                         std::uint16_t error_type);
  // Over a connection that is there already.
  static std::unique_ptr<BlockingClient> over(Fd fd, std::size_t frame_bytes_max,
                                              std::uint16_t error_type) {
    return std::unique_ptr<BlockingClient>(
        new BlockingClient(std::move(fd), frame_bytes_max, error_type));
  }
  // Events that arrive while waiting go to `on_event` (may be empty).
  Result<Frame> call(Frame frame, std::int64_t timeout_ms,
                     const std::function<void(Frame)>& on_event = {});
  template <class Reply, class Message>
  Result<Reply> call(const Message& message, std::int64_t timeout_ms = 10'000) {
    const auto frame = TRY(call(make_frame(message), timeout_ms));
    if (frame.type != Reply::kType) return fail(Errc::kMalformed, "reply of another type");
    return unpack<Reply>(frame.body);
  }
  Status send(Frame frame);
  // kTimeout: nothing whole came. What came of a frame is kept, and the next call goes on with it.
  Result<Frame> receive(std::int64_t timeout_ms);
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  BlockingClient(Fd fd, std::size_t frame_bytes_max, std::uint16_t error_type)
      : fd_(std::move(fd)), frame_bytes_max_(frame_bytes_max), error_type_(error_type) {}
  Status fill(MutByteView out, std::size_t& got, std::int64_t deadline_ms);
  Fd fd_;
  std::size_t frame_bytes_max_;
  std::uint16_t error_type_;
  std::uint32_t next_id_ = 1;
  std::deque<Fd> received_fds_;
  // Of the frame that comes in: its header, its body, and how much of each is there.
  std::array<std::uint8_t, kFrameHeaderBytes> header_{};
  Frame incoming_;
  std::size_t header_got_ = 0, body_got_ = 0;
};

// The shape that every error reply has: u8 Errc, text. Unpacked without knowing the protocol's
// struct.
Error unpack_error(ByteView body);

}  // namespace callward::io
