// The recorder with real sockets, real files and a manual clock. Its keeper here is a key tree with
// a socket: it issues nodes, seals nothing away, and remembers what it was told.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "app/peer_test_rig.hpp"
#include "app/recorder_process.hpp"
#include "base/fresh_dir_test.hpp"
#include "wire/rtp.hpp"

namespace callward::app::test {

inline std::string fresh_dir(const std::string& name) {
  return callward::test::fresh_dir("recorder-" + name);
}

class TreeKeeper final : public SocketPeer {
 public:
  TreeKeeper(io::Loop& loop, const std::string& dir, Entropy& entropy)
      : SocketPeer(loop, dir + "/keeper.sock", keys::kKeeperFrameBytesMax), entropy_(entropy) {}
  keys::Cover& tree(const CallId& call) {
    auto at = trees.find(call);
    if (at == trees.end()) at = trees.emplace(call, keys::Cover::whole(entropy_.key())).first;
    return at->second;
  }
  std::vector<keys::TreeNode> nodes_from(const CallId& call, std::uint32_t first) {
    std::vector<keys::TreeNode> out;
    for (std::uint8_t stream = 0; stream < 15; ++stream)
      for (auto& node :
           tree(call)
               .slice(keys::leaf_of(stream, first), keys::leaf_of(stream, 0) + (1u << 20))
               .take_nodes())
        out.push_back(std::move(node));
    return out;
  }
  void call_start(io::Channel& channel, const io::Frame& frame) {
    auto start = unpack<keys::CallStart>(frame.body);
    keys::CallStarted answer;
    answer.row = 7;
    answer.nodes = nodes_from(start->call, 0);
    channel.reply(frame, answer);
    started.push_back(std::move(*start));
  }
  void dial_recorded(io::Channel& channel, const io::Frame& frame) {
    dials.push_back(*unpack<keys::DialRecorded>(frame.body));
    if (dial_refused)
      channel.reply(frame, keys::ErrorReply{*dial_refused, "not now"});
    else
      channel.reply(frame, keys::Ack{});
  }
  void on_frame(io::Channel& channel, io::Frame& frame) override {
    switch (frame.type) {
      case keys::Hello::kType:
        channel.reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
        return;
      case keys::CallStart::kType:
        return call_start(channel, frame);
      case keys::SpareRoots::kType: {
        keys::SpareRootsGiven given;
        for (int i = 0; i < 3; ++i) {
          const auto call = CallId::random(entropy_);
          given.roots.push_back({call, nodes_from(call, 0)});
        }
        channel.reply(frame, given);
        return;
      }
      case keys::Reissue::kType: {
        if (reissue_refused) {
          channel.reply(frame,
                        keys::ErrorReply{Errc::kErased, "its root died with another keeper"});
          return;
        }
        ++reissues;
        const auto call = unpack<keys::Reissue>(frame.body)->call;
        channel.reply(frame, keys::Reissued{reissue_from, nodes_from(call, reissue_from)});
        return;
      }
      case keys::Adopt::kType: {
        adopted.push_back(std::move(*unpack<keys::Adopt>(frame.body)));
        channel.reply(frame, keys::Adopted{9, {lost_from, lost_from}, {}});
        return;
      }
      case keys::DialRecorded::kType:
        return dial_recorded(channel, frame);
      case keys::CallAt::kType:
        at.push_back(*unpack<keys::CallAt>(frame.body));
        if (at_refused) return (void)channel.reply(frame, keys::ErrorReply{*at_refused, "not now"});
        break;
      case keys::CallEnd::kType:
        ended.push_back(*unpack<keys::CallEnd>(frame.body));
        if (knows_nothing)
          return (void)channel.reply(frame, keys::ErrorReply{Errc::kNotFound, "no such call"});
        break;
      case keys::CallSealed::kType:
        sealed.push_back(*unpack<keys::CallSealed>(frame.body));
        if (knows_nothing)
          return (void)channel.reply(frame, keys::ErrorReply{Errc::kNotFound, "no such call"});
        break;
      case keys::RunningCalls::kType:
        running.push_back(unpack<keys::RunningCalls>(frame.body)->calls);
        if (std::exchange(running_refused, false))
          return (void)channel.reply(frame, keys::ErrorReply{Errc::kIo, "the log has failed"});
        break;
      case keys::LogAppend::kType:
        log.push_back(*unpack<keys::LogAppend>(frame.body));
        channel.reply(frame, keys::LogAppended{1});
        return;
      case keys::CipherFetched::kType:
        fetched = std::move(*unpack<keys::CipherFetched>(frame.body));
        return;
      case keys::ObjectsRemoved::kType:
        removed = *unpack<keys::ObjectsRemoved>(frame.body);
        return;
      default:
        return;
    }
    channel.reply(frame, keys::Ack{});
  }

  std::unordered_map<CallId, keys::Cover> trees;
  std::vector<keys::Adopt> adopted;
  std::vector<keys::CallStart> started;
  std::vector<keys::DialRecorded> dials;
  std::optional<Errc> dial_refused;
  std::vector<keys::CallAt> at;
  std::optional<Errc> at_refused;
  std::vector<keys::CallEnd> ended;
  std::vector<keys::CallSealed> sealed;
  std::vector<keys::LogAppend> log;
  std::optional<keys::CipherFetched> fetched;
  std::optional<keys::ObjectsRemoved> removed;
  std::uint32_t reissue_from = 0, lost_from = 0, reissues = 0;
  std::vector<std::vector<CallId>> running;
  bool reissue_refused = false, running_refused = false;
  bool knows_nothing = false;

 private:
  Entropy& entropy_;
};

// Any client of the recorder.
struct Peer {
  Peer(io::Loop& loop, const std::string& path, store::ClientRole role)
      : client(loop, path, {"peer", store::kRecorderFrameBytesMax, 64u << 20},
               keys::ErrorReply::kType) {
    client.start(
        [this, role] { (void)client.send(store::Hello{store::kRecorderProtocolVersion, role}); },
        [] {}, [this](io::Frame frame) { events.push_back(std::move(frame)); });
  }
  template <class Message>
  std::vector<Message> all() const {
    std::vector<Message> out;
    for (const auto& event : events)
      if (event.type == Message::kType) out.push_back(std::move(*unpack<Message>(event.body)));
    return out;
  }
  io::Client client;
  std::vector<io::Frame> events;
};

// Sends 20 ms a packet. When the clock went on without it, its timestamps go on too: it was silent.
struct Sender {
  Sender(Clock& clock, std::uint16_t port, std::uint32_t seed, std::uint8_t type,
         const char* from = "127.0.0.1")
      : type(type), random(seed), clock(clock) {
    fd = io::Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in own{};
    own.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, from, &own.sin_addr), 1);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
    here = *parse_endpoint(from, *io::local_port(fd));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  void send(bool lose = false) {
    const auto now_ms = clock.utc_ms();
    if (due_ms != 0 && now_ms > due_ms) {
      sent.resize(sent.size() + static_cast<std::size_t>(now_ms - due_ms) * 8);
      timestamp += static_cast<std::uint32_t>(now_ms - due_ms) * 8;
    }
    due_ms = now_ms + 20;
    came_ms += lose ? 0 : 20;
    wire::RtpPacket packet;
    packet.payload_type = type;
    packet.sequence = sequence++;
    packet.timestamp = timestamp;
    packet.ssrc = 5;
    Bytes payload(160);
    random.fill(payload);
    sent.insert(sent.end(), payload.begin(), payload.end());
    packet.payload = payload;
    timestamp += 160;
    const auto raw = wire::write_rtp(packet);
    if (!lose) (void)!::write(fd.get(), raw.data(), raw.size());
  }
  io::Fd fd;
  Endpoint here;
  std::uint8_t type;
  SeededEntropy random;
  Clock& clock;
  std::int64_t due_ms = 0;
  std::size_t came_ms = 0;
  std::uint16_t sequence = 65'500;
  std::uint32_t timestamp = 0xFFFF'F000;
  Bytes sent;
};

struct Rig {
  explicit Rig(const std::string& name) : dir(fresh_dir(name)), entropy(11) {
    loop = std::move(*io::Loop::create(clock));
    keeper = std::make_unique<TreeKeeper>(*loop, dir, entropy);
    keeper->live();
    config.spool_dir = dir + "/spool";
    config.objects_dir = dir + "/objects";
    config.spool_file_bytes = 4u << 20;
    config.disk_reserve_bytes = 0;
    config.rtp_port_first = static_cast<std::uint16_t>(30'000 + ::getpid() % 1000 * 20);
    config.rtp_port_last = 65'534;
    recorder = start_recorder(config, {});
    signal = std::make_unique<Peer>(*loop, dir + "/recorder.sock", store::ClientRole::kSignal);
    pump(200);
  }
  ~Rig() { std::filesystem::remove_all(dir); }
  std::unique_ptr<Recorder> start_recorder(const RecorderConfig& with,
                                           std::vector<std::pair<std::string, io::Fd>> sockets,
                                           Vfs* disk = nullptr) {
    auto made =
        std::make_unique<Recorder>(*loop, clock, system, disk != nullptr ? *disk : vfs, with, dir);
    made->set_fd_store([this](const std::string& name,
                              int fd) { stored[name] = io::Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); },
                       [this](const std::string& name) { stored.erase(name); });
    EXPECT_TRUE(made->listen());
    made->start(std::move(sockets));
    if (disk == nullptr) {
      EXPECT_TRUE(until([&] { return made->ready(); }));
    }
    return made;
  }
  void pump(int ms) {
    for (int i = 0; i < ms; i += 10) {
      clock.advance_ms(10);
      for (int k = 0; k < 4; ++k) (void)loop->run_once(0);
    }
  }
  // Until it holds; other threads work in real time.
  template <class Condition>
  bool until(Condition condition) {
    for (int i = 0; i < 5'000; ++i) {
      if (condition()) return true;
      clock.advance_ms(1);
      (void)loop->run_once(1);
    }
    return false;
  }
  template <class Reply, class Message>
  Result<Reply> ask(Peer& peer, const Message& message) {
    std::optional<Result<io::Frame>> got;
    peer.client.request(message, 5'000, [&](Result<io::Frame> reply) { got = std::move(reply); });
    until([&] { return got.has_value(); });
    if (!got) return fail(Errc::kTimeout, "no answer");
    if (!*got) return tl::unexpected(got->error());
    return unpack<Reply>((*got)->body);
  }
  store::SessionOpened open_call() {
    store::SessionOpen open;
    open.direction = keys::Direction::kIncoming;
    open.media_address = "127.0.0.1";
    open.streams = {{0, store::Party::kCustomer, store::StreamMode::kActive, 0, 0, 101},
                    {1, store::Party::kAgent, store::StreamMode::kActive, 8, 8, 101}};
    open.call_data = SecretBytes(as_bytes("{}"));
    open.flags = {"metadata_unreadable"};
    const auto opened = ask<store::SessionOpened>(*signal, open);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened.value_or(store::SessionOpened{});
  }
  // What the object holds of a stream, opened with the keeper's tree: samples, and which
  // milliseconds came.
  struct Recording {
    Bytes samples;
    std::vector<bool> present;
    std::uint32_t first = 0;
    std::size_t opened = 0, closed = 0, digits = 0;
  };
  Recording listen_to(const store::ObjectReader& object, std::uint8_t stream) {
    Recording out;
    const auto records = object.records(keys::RecordKind::kAudio, stream, 0, 1u << 20, 1u << 20);
    EXPECT_TRUE(records);
    for (const auto& record : *records) {
      const auto header = keys::parse_record(record);
      const auto leaf = keeper->tree(object.head().call).leaf(keys::leaf_of(stream, header->first));
      keys::RecordCipher cipher;
      const auto plain = cipher.open(record, object.head().call,
                                     keys::record_key(header->kind, header->salt, *leaf));
      if (!plain) {
        ++out.closed;
        continue;
      }
      ++out.opened;
      segment::AudioSegment segment;
      EXPECT_TRUE(segment::unpack_payload(plain->expose(), segment));
      out.digits += segment.digits_count;
      out.samples.resize((header->first + 1) * 800);
      out.present.resize((header->first + 1) * 100);
      std::copy(segment.samples.begin(), segment.samples.end(),
                out.samples.begin() + header->first * 800);
      for (std::uint32_t ms = 0; ms < 100; ++ms)
        out.present[header->first * 100 + ms] = segment.present.test(ms);
    }
    return out;
  }
  // The call ends, is sealed, and its object is opened.
  Result<store::ObjectReader> sealed_object(const CallId& call) {
    if (!ask<store::Ack>(*signal, store::SessionEnd{call, "bye"}))
      return fail(Errc::kTimeout, "the end of the call is not taken");
    if (!until([&] { return !keeper->sealed.empty(); }))
      return fail(Errc::kTimeout, "the call is not sealed");
    return object_of(call);
  }
  Result<store::ObjectReader> object_of(const CallId& call) {
    store::FileObjectStore objects(vfs, config.objects_dir);
    return store::open_object(
        objects, store::object_name(call, clock.utc_ms(), store::ObjectKind::kRecording));
  }

  std::string dir;
  ManualClock clock;
  SeededEntropy entropy;
  SystemEntropy system;
  RealVfs vfs;
  std::unique_ptr<io::Loop> loop;
  std::unique_ptr<TreeKeeper> keeper;
  RecorderConfig config;
  std::map<std::string, io::Fd> stored;
  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<Peer> signal;
};

// What is present without a gap was sent without one. Returns how many milliseconds there are.
inline std::size_t expect_equal(const Rig::Recording& got, const Bytes& sent) {
  std::ptrdiff_t at = -1;  // in `sent`, of the millisecond before; -1: a gap
  std::size_t present = 0;
  for (std::size_t ms = 0; ms < got.present.size(); ++ms) {
    if (!got.present[ms]) {
      at = -1;
      continue;
    }
    const auto* block = got.samples.data() + ms * 8;
    const auto found =
        at < 0 ? std::search(sent.begin(), sent.end(), block, block + 8) : sent.begin() + at + 8;
    if (sent.end() - found < 8 || !std::equal(block, block + 8, found)) {
      ADD_FAILURE() << "millisecond " << ms << " is not what was sent";
      return present;
    }
    at = found - sent.begin();
    ++present;
  }
  return present;
}

}  // namespace callward::app::test
