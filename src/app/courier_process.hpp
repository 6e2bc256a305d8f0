// The courier's process: brings short messages to people outside, for the keeper (over its socket,
// as its client) and for the server (over ours). What it does with a letter is courier/book; how a
// try is made, courier_transport.
//
// INVARIANTS
//   (1) Who asks on our socket is the server and nobody else: the kernel's process id, by the
//       supervisor's word. It can have reminders sent, in our words (courier/reminder), so many an
//       hour, and nothing else: neither a code nor a text of its own.
//   (2) Each Deliver has one reply: its outcome, or kFull at once. A repeat moves the reply to the
//       newer request; of a connection that broke nothing is answered, and its letters go on.
//   (3) No address, no text and no word of a stranger's reaches a log line or the status.
//   (4) The loop never waits for the network: threads do (courier_sender).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "app/config.hpp"
#include "app/courier_sender.hpp"
#include "app/process.hpp"
#include "courier/book.hpp"
#include "courier/reminder.hpp"

namespace callward::app {

class Courier {
 public:
  using PeerCheck = std::function<bool(int pid)>;  // is it the server?
  struct Setup {
    io::Loop& loop;
    Clock& clock;
    std::string keeper_socket, own_socket;
    PeerCheck is_server;
    CourierSender::TryOne mail, sms;  // empty: the channel is not configured
    std::string console;              // where reminders lead, "https://host"
  };
  static constexpr std::int64_t kTickMs = 100;
  static constexpr std::int64_t kGreetAgainMs = 1'000;
  static constexpr std::int64_t kKeeperWaitMs = 8'000;
  static constexpr std::size_t kPeersMax = 64;

  explicit Courier(Setup setup);
  ~Courier();
  Status listen();
  void start();  // after the sandbox: threads inherit it
  [[nodiscard]] std::string status_json() const;

 private:
  struct Peer {
    std::unique_ptr<io::Channel> channel;
    bool greeted = false;
  };
  // Where a letter's end is told: the connection (of the keeper: 0), and the request's frame.
  struct Waiter {
    std::uint64_t peer = 0;
    std::uint32_t frame = 0;
  };

  void accept(std::unique_ptr<io::Channel> channel);
  void on_peer(std::uint64_t id, const io::Frame& frame);
  void hello(Peer& peer, const io::Frame& frame);
  void greet_keeper();
  void on_keeper_lost();
  void on_keeper(const io::Frame& frame);
  void deliver(courier::Source source, std::uint64_t peer, const io::Frame& frame,
               Result<keys::Deliver> message);
  void remind(std::uint64_t peer, const io::Frame& frame);
  void on_tried(keys::DeliveryChannel channel, const courier::LetterKey& key,
                const courier::Attempt& attempt);
  void ended(const courier::Book::End& end);
  void tick();
  void give_out();
  io::Channel* channel_of(std::uint64_t peer);

  Setup setup_;
  courier::Book book_;
  courier::HourLimit reminders_{keys::kRemindersPerHourMax};
  courier::HourLimit alarms_{
      keys::kAlarmsPerHourMax};  // of their own: no flood of reminders stops them
  std::map<courier::LetterKey, Waiter> waiters_;
  std::unique_ptr<io::ChannelServer> server_;
  std::map<std::uint64_t, Peer> peers_;
  std::uint64_t next_peer_ = 1;
  std::unique_ptr<io::Client> keeper_;
  bool keeper_knows_us_ = false;
  io::Loop::TimerId timer_ = 0, greet_ = 0;
  std::unique_ptr<CourierSender> mail_, sms_;  // last: their threads end first
};

}  // namespace callward::app
