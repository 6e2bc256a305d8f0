// The server's ways to keeper and recorder: blocking requests for handler threads, and two threads
// that take events in.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "io/frame.hpp"
#include "keys/keeper_acts.hpp"
#include "keys/keeper_retention.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::api {

// A small pool of connections to one process; each says Hello when it is made. A request that finds
// none alive gets kUnavailable at once: screens should say so, not hang.
class Link {
 public:
  Link(std::string path, std::size_t frame_bytes_max, io::Frame (*hello)());
  template <class Reply, class Message>
  Result<Reply> call(const Message& message, std::int64_t timeout_ms = 10'000) {
    const auto frame = TRY(exchange(io::make_frame(message), timeout_ms));
    if (frame.type != Reply::kType) return fail(Errc::kMalformed, "reply of another type");
    return unpack<Reply>(frame.body);
  }
  static constexpr std::size_t kIdleMax = 16;
  static constexpr std::int64_t kIdleMsMax = 5'000;
  // Closes what idles for longer. Call it now and then: the peer sends events to every connection
  // of a server, and those that nobody reads would fill its queues.
  void close_idle(std::int64_t older_than_ms = kIdleMsMax);
  [[nodiscard]] std::size_t idle();

 private:
  struct Idle {
    std::unique_ptr<io::BlockingClient> client;
    std::chrono::steady_clock::time_point since;
  };
  Result<io::Frame> exchange(io::Frame frame, std::int64_t timeout_ms);
  Result<std::unique_ptr<io::BlockingClient>> connect();
  std::string path_;
  std::size_t frame_bytes_max_;
  io::Frame (*hello_)();
  std::mutex mutex_;
  std::vector<Idle> idle_;
};

io::Frame keeper_hello();
io::Frame recorder_hello();

// A thread that stays connected and hands every event on; `on_connect` runs after each Hello,
// `on_turn` about every `turn_ms` while it is connected.
class EventPump {
 public:
  EventPump(std::string path, std::size_t frame_bytes_max, io::Frame (*hello)(),
            std::function<void()> on_connect, std::function<void(const io::Frame&)> on_event,
            std::function<void()> on_turn = {}, std::int64_t turn_ms = 0);
  ~EventPump();
  [[nodiscard]] bool connected() const { return connected_; }

 private:
  void run();
  std::string path_;
  std::size_t frame_bytes_max_;
  io::Frame (*hello_)();
  std::function<void()> on_connect_;
  std::function<void(const io::Frame&)> on_event_;
  std::function<void()> on_turn_;
  std::chrono::milliseconds turn_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> connected_{false};
  std::thread thread_;
};

}  // namespace callward::api
