#include "app/keeper_locked.hpp"

#include <unistd.h>

#include <map>

#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::app {
namespace {

constexpr std::int64_t kTryAgainMs = 5'000;
constexpr std::size_t kPeersMax = 64;

class LockedKeeper {
 public:
  LockedKeeper(io::Loop& loop, const ProcessContext& context, Entropy& entropy, std::string why,
               const std::function<Status()>& open)
      : loop_(loop), context_(context), entropy_(entropy), why_(std::move(why)), open_(open) {}

  Result<bool> serve() {
    server_ = TRY(io::ChannelServer::listen(
        loop_, context_.config.socket("keeper"),
        io::ChannelLimits{"keeper.out", keys::kKeeperFrameBytesMax, 1u << 20},
        [this](std::unique_ptr<io::Channel> channel) { accept(std::move(channel)); }));
    SupervisorLink link(loop_, context_, [this] { return status(); });
    log_event("keeper.locked", {{"why", why_}});
    const auto timer = loop_.every_ms(kTryAgainMs, [this] { try_again(); });
    const auto outcome = loop_.run();
    loop_.cancel(timer);
    peers_.clear();
    server_.reset();
    TRY(outcome);
    return opened_;
  }

 private:
  struct Peer {
    std::unique_ptr<io::Channel> channel;
    keys::PeerRole role{};
  };

  void accept(std::unique_ptr<io::Channel> channel) {
    std::erase_if(peers_, [](const auto& item) { return !item.second.channel->open(); });
    if (channel->peer_uid() != static_cast<int>(::geteuid()) || peers_.size() >= kPeersMax) return;
    const auto id = next_peer_++;
    channel->set_handlers([this, id](io::Frame frame) { on_frame(peers_.at(id), frame); }, [] {});
    peers_[id].channel = std::move(channel);
  }

  void on_frame(Peer& peer, const io::Frame& frame) {
    if (frame.id == 0) return;  // an event: there is nobody to take it
    switch (frame.type) {
      case keys::Hello::kType: {
        const auto hello = unpack<keys::Hello>(frame.body);
        if (!hello || hello->version != keys::kKeeperProtocolVersion) break;
        peer.role = hello->role;
        peer.channel->reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, false});
        return;
      }
      case keys::SpareRoots::kType: {
        const auto wanted = unpack<keys::SpareRoots>(frame.body);
        if (!wanted || peer.role != keys::PeerRole::kRecorder) break;
        peer.channel->reply(frame, erase::make_spare_roots(entropy_, wanted->wanted));
        return;
      }
      case keys::KeeperStatusRequest::kType:
        peer.channel->reply(frame, keys::KeeperStatus{status()});
        return;
      default:
        break;
    }
    peer.channel->reply(frame, keys::ErrorReply{Errc::kUnavailable, "the keeper is locked"});
  }

  void try_again() {
    if (const auto done = open_(); done) {
      opened_ = true;
      loop_.stop();
    } else if (done.error().message != why_) {
      why_ = done.error().message;
      log_event("keeper.locked", {{"why", why_}});
    }
  }

  [[nodiscard]] std::string status() const {
    return "{\"ready\":false,\"locked\":true,\"why\":" + json_quote(why_) + ",\"queues\":[]}";
  }

  io::Loop& loop_;
  const ProcessContext& context_;
  Entropy& entropy_;
  std::string why_;
  const std::function<Status()>& open_;
  std::unique_ptr<io::ChannelServer> server_;
  std::map<std::uint64_t, Peer> peers_;
  std::uint64_t next_peer_ = 1;
  bool opened_ = false;
};

}  // namespace

Result<bool> serve_locked(io::Loop& loop, const ProcessContext& context, Entropy& entropy,
                          const std::string& why, const std::function<Status()>& open) {
  return LockedKeeper(loop, context, entropy, why, open).serve();
}

}  // namespace callward::app
