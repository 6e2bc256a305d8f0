// The keeper's process: sockets around erase::Keeper. One thread; one round of
// the loop is one commit of the log.
//
//   serving ──[the supervisor's HandOver]──▶ coming to rest ──[quiet]──▶ frozen
//   ──▶ gone
//      ▲                                          │                        │
//      └───────────[the new one failed]───────────┴────────────────────────┘
//
// (The other side, and who decides: keeper_handover.hpp.)
//
// INVARIANTS
//   (1) While it comes to rest no request of a peer is begun: it stays in the
//   socket, or is held if
//       the peer still owes us an answer. Nothing is dropped: it is handed
//       over, or taken later.
//   (2) Frozen it reads and writes nothing: no socket, no log, no key store.
//   (3) Log and key store are open for writing only under the writer's lock
//   (writer_lock.hpp).
//       Frozen it has let go of it, and goes on only once it has it back: the
//       new one has ended then, and whatever that wrote is read again.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/courier_desk.hpp"
#include "app/dial_desk.hpp"
#include "app/keeper_handover.hpp"
#include "app/process.hpp"
#include "app/writer_lock.hpp"
#include "base/event_log.hpp"
#include "disclose/office.hpp"
#include "erase/keeper.hpp"
#include "erase/typed_searches.hpp"

namespace callward::app {

using keys::PeerRole;

class KeeperProcess {
 public:
  explicit KeeperProcess(const ProcessContext& context) : context_(context) {}
  Status run();
  static std::uint8_t roles_of(std::uint16_t type);  // bits by PeerRole; 0: no such message

 private:
  struct Peer {
    std::unique_ptr<io::Channel> channel;
    std::uint64_t id = 0;
    PeerRole role{};
    bool greeted = false;
    // Requests of ours to this peer, by frame id.
    std::map<std::uint32_t, std::function<void(Result<io::Frame>)>> asked;
    // Came while the process rests, and waits.
    std::deque<io::Frame> held;
    std::size_t held_bytes = 0;
  };
  using Handler = void (KeeperProcess::*)(Peer&, io::Frame);
  struct Rule {
    std::uint16_t type;
    std::uint8_t roles;  // bits by PeerRole
    Handler handler;
  };
  static constexpr std::uint8_t bit(PeerRole role) {
    return static_cast<std::uint8_t>(1u << static_cast<unsigned>(role));
  }
  static const std::vector<Rule>& rules();

  Status open_state(std::int64_t lock_wait_ms);
  Status try_open_state(std::int64_t lock_wait_ms);
  Status open_files(std::int64_t lock_wait_ms);
  erase::KeeperPolicy policy() const;
  erase::Keeper::Outbox outbox();
  io::ChannelLimits limits() const;
  Status serve(std::unique_ptr<TakingOver> taken);
  void accept(std::unique_ptr<io::Channel> channel);
  Peer& add_peer(std::unique_ptr<io::Channel> channel);
  void on_frame(std::uint64_t peer, io::Frame frame);
  void take(Peer& peer, io::Frame frame);
  void on_close(std::uint64_t peer);
  Peer* find(std::uint64_t id);
  void courier_came(Peer& peer);
  template <class Message>
  void broadcast(PeerRole role, const Message& message) {
    for (auto& [id, peer] : peers_)
      if (peer->greeted && peer->role == role && peer->channel->open())
        peer->channel->send(message);
  }
  template <class Message>
  void ask(Peer& peer, const Message& message, std::int64_t wait_ms,
           std::function<void(Result<io::Frame>)> done) {
    const auto id = next_ask_++;
    if (next_ask_ == 0) next_ask_ = 1;
    if (!peer.channel->send(message, id))
      return done(fail(Errc::kFull, "the peer's queue is full"));
    peer.asked[id] = std::move(done);
    loop_->after_ms(wait_ms, [this, peer_id = peer.id, id] {
      const auto at = peers_.find(peer_id);
      if (at == peers_.end()) return;
      const auto asked = at->second->asked.find(id);
      if (asked == at->second->asked.end()) return;
      auto late = std::move(asked->second);
      at->second->asked.erase(asked);
      late(fail(Errc::kTimeout, "no answer in time"));
    });
  }
  void remove_objects(const keys::RemoveObjects& message,
                      std::function<void(Result<keys::ObjectsRemoved>)> done);
  void wipe_everywhere(const keys::WipeRanges& message, std::function<void()> done);

  // A reply that finds its peer again when it comes, or nobody.
  template <class Message>
  erase::Reply<Message> replier(const Peer& peer, const io::Frame& request) {
    return [this, id = peer.id, request_id = request.id](Result<Message> outcome) {
      auto* there = find(id);
      if (there == nullptr) return;
      if (outcome)
        there->channel->send(*outcome, request_id, io::kFrameIsReply);
      else
        there->channel->send(keys::ErrorReply{outcome.error().code, outcome.error().message},
                             request_id, io::kFrameIsReply);
    };
  }
  void refuse(Peer& peer, const io::Frame& request, const Error& error) {
    if (request.id == 0)
      log_event("keeper.event_refused", {{"type", request.type}, {"why", error.message}});
    else
      peer.channel->reply(request, keys::ErrorReply{error.code, error.message});
  }
  // Requests: message -> verb(message, reply).
  template <class Message, class Answer,
            void (erase::Keeper::*verb)(const Message&, erase::Reply<Answer>)>
  void request(Peer& peer, io::Frame frame) {
    auto message = unpack<Message>(frame.body);
    if (!message) return refuse(peer, frame, message.error());
    (keeper_.get()->*verb)(*message, replier<Answer>(peer, frame));
  }
  template <class Message, class Answer,
            void (disclose::Office::*verb)(const Message&, disclose::Reply<Answer>)>
  void office(Peer& peer, io::Frame frame) {
    auto message = unpack<Message>(frame.body);
    if (!message) return refuse(peer, frame, message.error());
    (office_.get()->*verb)(*message, replier<Answer>(peer, frame));
  }
  // keeper_process_vault.cpp
  static const std::vector<Rule>& vault_rules();
  static const Rule* find_rule(std::uint16_t type);
  Status open_office();
  disclose::Office::Outbox office_outbox();
  Status dial_out(const DialId& dial, const std::string& expert, SecretBytes number);
  void search_typed(const CallId& call, std::string_view kind, SecretBytes value);
  void tell_office(const DialNews& news);
  Status deliver_code(std::string_view channel, SecretBytes address, SecretBytes code);
  void hello(Peer& peer, io::Frame frame);
  void call_data_put(Peer& peer, io::Frame frame);
  void adopt(Peer& peer, io::Frame frame);
  void log_append(Peer& peer, io::Frame frame);
  void status(Peer& peer, io::Frame frame);
  void order(Peer& peer, io::Frame frame);
  void cleared(Peer& peer, io::Frame frame);
  void derived(Peer& peer, io::Frame frame);
  void listen_done(Peer& peer, io::Frame frame);
  void typed_found(Peer& peer, io::Frame frame);
  bool send_typed(const keys::SearchTyped& message);
  void unheard(Peer& peer, io::Frame frame);
  void hear_again(Peer& peer, io::Frame frame);
  void call_state(Peer& peer, io::Frame frame);
  void held_calls(Peer& peer, io::Frame frame);
  void holds(Peer& peer, io::Frame frame);
  void holds_among(Peer& peer, io::Frame frame);
  DialDesk::Ways dial_ways();
  void dial_progress(Peer& peer, io::Frame frame);
  void dial_recorded(Peer& peer, io::Frame frame);
  std::string heartbeat() const;
  void mend();
  bool repair_mirrors();

  // The planned restart (keeper_process_handover.cpp).
  void on_supervisor(io::Frame frame);
  HandingOver::Host hand_over_host();
  void hold(Peer& peer, io::Frame frame);
  bool at_rest();
  Result<FrozenProcess> freeze();
  void go_on(const std::string& why);
  void take_back(const std::string& why, std::int64_t waited_ms);
  void serve_again();
  void asked_to_stop();
  Result<std::unique_ptr<TakingOver>> take_over();
  Status open_taken(FrozenProcess& frozen);
  Status take_peers(FrozenProcess frozen);

  const ProcessContext& context_;
  SystemClock clock_;
  SystemEntropy entropy_;
  RealVfs vfs_;
  std::unique_ptr<io::Loop> loop_;
  std::optional<WriterLock> lock_;  // before what it guards: given up after that is closed
  std::unique_ptr<keys::KeyStore> store_;
  std::unique_ptr<audit::Log> log_;
  std::unique_ptr<erase::Keeper> keeper_;
  std::unique_ptr<disclose::Office> office_;
  // Not handed over: a new keeper is told again what runs, or its first news is of the end.
  DialDesk dials_{clock_, dial_ways()};
  // Not handed over with a planned restart: a listener that lives goes on with what it has.
  erase::TypedSearches typed_{[this](const keys::SearchTyped& m) { return send_typed(m); }};
  std::unique_ptr<io::ChannelServer> server_;
  CourierDesk courier_{clock_, {}};  // outcomes are told by set_on_outcome()
  std::map<std::uint64_t, std::unique_ptr<Peer>> peers_;
  std::uint64_t next_peer_ = 1;
  std::uint32_t next_ask_ = 1;
  std::unique_ptr<SupervisorLink> link_;
  std::unique_ptr<HandingOver> handing_;
  bool resting_ = false, frozen_ = false, gone_ = false, stop_wanted_ = false;
};

}  // namespace callward::app
