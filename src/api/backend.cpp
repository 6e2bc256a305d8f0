#include "api/backend.hpp"

#include <chrono>

namespace callward::api {
namespace {

// Refusals come as replies like any other: one may say kUnavailable or kTimeout over a connection
// that is as good as ever.
constexpr std::uint16_t kNoErrorType = 0;

}  // namespace

Link::Link(std::string path, std::size_t frame_bytes_max, io::Frame (*hello)())
    : path_(std::move(path)), frame_bytes_max_(frame_bytes_max), hello_(hello) {}

Result<std::unique_ptr<io::BlockingClient>> Link::connect() {
  auto client = TRY(io::BlockingClient::connect(path_, frame_bytes_max_, kNoErrorType));
  const auto reply = TRY(client->call(hello_(), 5'000));
  if (reply.type == keys::ErrorReply::kType)
    return tl::unexpected<Error>(io::unpack_error(reply.body));
  return client;
}

Result<io::Frame> Link::exchange(io::Frame frame, std::int64_t timeout_ms) {
  std::unique_ptr<io::BlockingClient> client;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      client = std::move(idle_.back().client);
      idle_.pop_back();
    }
  }
  io::Frame again;
  again.type = frame.type;
  again.body = frame.body;
  const bool reused = client != nullptr;
  if (!client) client = TRY(connect());
  auto reply = client->call(std::move(frame), timeout_ms);
  if (!reply && reply.error().code == Errc::kUnavailable && reused) {
    // The peer was restarted since: everything that idles is dead too.
    {
      const std::lock_guard lock(mutex_);
      idle_.clear();
    }
    client = TRY(connect());
    reply = client->call(std::move(again), timeout_ms);
  }
  // After a time-out the late reply would stand in the next request's way.
  // After what cannot be read nobody knows where the next frame begins.
  if (!reply) return reply;
  {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleMax)
      idle_.push_back({std::move(client), std::chrono::steady_clock::now()});
  }
  if (reply->type == keys::ErrorReply::kType)
    return tl::unexpected<Error>(io::unpack_error(reply->body));
  return reply;
}

void Link::close_idle(std::int64_t older_than_ms) {
  const auto before = std::chrono::steady_clock::now() - std::chrono::milliseconds(older_than_ms);
  const std::lock_guard lock(mutex_);
  std::erase_if(idle_, [before](const Idle& idle) { return idle.since < before; });
}

std::size_t Link::idle() {
  const std::lock_guard lock(mutex_);
  return idle_.size();
}

io::Frame keeper_hello() {
  return io::make_frame(keys::Hello{keys::kKeeperProtocolVersion, keys::PeerRole::kServer});
}
io::Frame recorder_hello() {
  return io::make_frame(store::Hello{store::kRecorderProtocolVersion, store::ClientRole::kServer});
}

EventPump::EventPump(std::string path, std::size_t frame_bytes_max, io::Frame (*hello)(),
                     std::function<void()> on_connect,
                     std::function<void(const io::Frame&)> on_event, std::function<void()> on_turn,
                     std::int64_t turn_ms)
    : path_(std::move(path)),
      frame_bytes_max_(frame_bytes_max),
      hello_(hello),
      on_connect_(std::move(on_connect)),
      on_event_(std::move(on_event)),
      on_turn_(std::move(on_turn)),
      turn_(turn_ms),
      thread_([this] { run(); }) {}

EventPump::~EventPump() {
  stop_ = true;
  thread_.join();
}

void EventPump::run() {
  while (!stop_) {
    auto client = io::BlockingClient::connect(path_, frame_bytes_max_, keys::ErrorReply::kType);
    if (!client || !(*client)->call(hello_(), 2'000, on_event_)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      continue;
    }
    connected_ = true;
    on_connect_();
    auto turned = std::chrono::steady_clock::now();
    while (!stop_) {
      const auto frame = (*client)->receive(500);
      if (frame)
        on_event_(*frame);
      else if (frame.error().code != Errc::kTimeout)
        break;
      if (!on_turn_ || std::chrono::steady_clock::now() - turned < turn_) continue;
      on_turn_();
      turned = std::chrono::steady_clock::now();
    }
    connected_ = false;
  }
}

}  // namespace callward::api
