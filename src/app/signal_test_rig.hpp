// The signal process with real SIP sockets and a recorder that is a script: it opens what it is
// asked to, remembers everything, and answers as told.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "app/peer_test_rig.hpp"
#include "app/signal_process.hpp"
#include "base/fresh_dir_test.hpp"
#include "capture/test_bodies.hpp"

namespace callward::app::signal_test {

class ScriptedRecorder final : public test::SocketPeer {
 public:
  ScriptedRecorder(io::Loop& loop, const std::string& dir)
      : SocketPeer(loop, dir + "/recorder.sock", store::kRecorderFrameBytesMax) {
    live();
  }
  template <class Message>
  void tell(const Message& message) {
    for (auto& channel : channels) channel->send(message);
  }
  void release() {  // answers the openings that were held back
    for (auto& [channel, frame] : std::exchange(held, {})) opened(*channel, frame);
  }

  std::optional<Errc> refuse_open;
  bool hold_open = false;
  bool forget = false;  // knows no call any more
  std::uint16_t next_port = 40'000;
  std::vector<store::SessionOpen> opens;
  std::vector<DialId> dials;  // of those that are call-backs
  std::vector<store::SessionUpdate> updates;
  std::vector<store::SessionEnd> ends;
  std::vector<store::Session> resumes;
  std::vector<store::CallMissed> missed;
  std::vector<store::SessionTelephone> telephones;
  std::map<CallId, store::Session> live_calls;
  std::vector<std::pair<io::Channel*, io::Frame>> held;

 private:
  std::vector<std::uint16_t> ports_for(std::size_t count, std::vector<std::uint16_t> ports) {
    while (ports.size() < count) ports.push_back(next_port = next_port + 2);
    return ports;
  }
  void opened(io::Channel& channel, const io::Frame& frame) {
    store::SessionOpen open;
    if (frame.type == store::CallBackOpen::kType) {
      auto whole = std::move(*unpack<store::CallBackOpen>(frame.body));
      dials.push_back(whole.dial);
      open = std::move(whole.session);
    } else {
      open = std::move(*unpack<store::SessionOpen>(frame.body));
    }
    store::Session session;
    SystemEntropy entropy;
    session.call = CallId::random(entropy);
    session.streams = open.streams;
    session.ports = ports_for(open.streams.size(), {});
    session.dialog = open.dialog.clone();
    channel.reply(frame, store::SessionOpened{session.call, session.ports});
    live_calls[session.call] = std::move(session);
    opens.push_back(std::move(open));
  }
  void on_frame(io::Channel& channel, io::Frame& frame) override {
    switch (frame.type) {
      case store::Hello::kType:
        channel.reply(frame, store::Welcome{});
        return;
      case store::SessionOpen::kType:
      case store::CallBackOpen::kType:
        if (refuse_open) {
          channel.reply(frame, keys::ErrorReply{*refuse_open, "no"});
        } else if (hold_open) {
          held.emplace_back(&channel, std::move(frame));
        } else {
          opened(channel, frame);
        }
        return;
      case store::SessionUpdate::kType: {
        auto update = std::move(*unpack<store::SessionUpdate>(frame.body));
        auto& session = live_calls[update.call];
        session.ports = ports_for(update.streams.size(), session.ports);
        session.streams = update.streams;
        session.dialog = update.dialog.clone();
        channel.reply(frame, store::SessionUpdated{session.ports});
        updates.push_back(std::move(update));
        return;
      }
      case store::SessionResume::kType: {
        auto resume = std::move(unpack<store::SessionResume>(frame.body)->session);
        if (forget)
          channel.reply(frame, keys::ErrorReply{Errc::kNotFound, "no such call"});
        else
          channel.reply(frame, store::SessionUpdated{resume.ports});
        resumes.push_back(std::move(resume));
        return;
      }
      case store::SessionEnd::kType:
        ends.push_back(*unpack<store::SessionEnd>(frame.body));
        live_calls.erase(ends.back().call);
        break;
      case store::CallMissed::kType:
        missed.push_back(*unpack<store::CallMissed>(frame.body));
        break;
      case store::SessionList::kType: {
        store::Sessions list;
        for (const auto& [id, call] : live_calls)
          list.sessions.push_back({call.call, call.streams, call.ports, call.dialog.clone()});
        channel.reply(frame, list);
        return;
      }
      case store::SessionTelephone::kType:
        telephones.push_back(*unpack<store::SessionTelephone>(frame.body));
        return;
      default:
        return;
    }
    channel.reply(frame, store::Ack{});
  }
};

// A recording client's socket, and messages as plain text.
struct RawPeer {
  explicit RawPeer(std::uint16_t port, bool tcp = false) : tcp(tcp) {
    fd = io::Fd(::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    sockaddr_in own{};
    socklen_t size = sizeof own;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size);
    local = "127.0.0.1:" + std::to_string(ntohs(own.sin_port));
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  }
  void send(const std::string& message) {
    EXPECT_EQ(::send(fd.get(), message.data(), message.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(message.size()));
  }
  void read() {
    std::string buffer(70'000, '\0');
    for (;;) {
      const auto n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (n <= 0) return;
      if (tcp) {
        stream.append(buffer, 0, static_cast<std::size_t>(n));
        cut();
      } else {
        got.push_back(buffer.substr(0, static_cast<std::size_t>(n)));
      }
    }
  }
  void cut() {
    for (;;) {
      const auto head = stream.find("\r\n\r\n");
      if (head == std::string::npos) return;
      const auto at = stream.find("Content-Length: ");
      const auto length = at == std::string::npos ? 0 : std::stoul(stream.substr(at + 16));
      if (stream.size() < head + 4 + length) return;
      got.push_back(stream.substr(0, head + 4 + length));
      stream.erase(0, head + 4 + length);
    }
  }
  bool tcp;
  io::Fd fd;
  std::string local, stream;
  std::vector<std::string> got;
};

struct Dialog {
  std::string call_id, to_tag, contact = "";
  int cseq = 1;
  std::string branch;
};

// Real time, which can be let pass.
struct ShiftedClock final : Clock {
  std::int64_t monotonic_ns() override { return real.monotonic_ns() + shift_ns; }
  std::int64_t utc_ms() override { return real.utc_ms() + shift_ns / 1'000'000; }
  SystemClock real;
  std::int64_t shift_ns = 0;
};

struct SignalRig {
  explicit SignalRig(const std::string& name, std::uint16_t port = 0,
                     const std::function<void(SignalRig&)>& before_start = {})
      : dir(callward::test::fresh_dir("signal-" + name)) {
    loop = std::move(*io::Loop::create(clock));
    recorder = std::make_unique<ScriptedRecorder>(*loop, dir);
    config.run_dir = dir;
    config.sip.port = port;
    config.sip.own_numbers = {"7*"};
    if (before_start) before_start(*this);
    start();
  }
  ~SignalRig() {
    signal.reset();
    recorder.reset();
    std::filesystem::remove_all(dir);
  }
  void start() {
    signal = std::make_unique<Signal>(*loop, clock, entropy, config);
    const auto bound = signal->bind();
    ASSERT_TRUE(bound) << bound.error().message;
    const auto started = signal->start();
    ASSERT_TRUE(started) << started.error().message;
    EXPECT_TRUE(until([this] { return signal->ready(); }));
  }
  template <class Condition>
  bool until(Condition condition, int ms = 3'000) {
    const auto end = clock.monotonic_ms() + ms;
    while (clock.monotonic_ms() < end) {
      for (auto* peer : peers) peer->read();
      if (condition()) return true;
      EXPECT_TRUE(signal->step(2));
    }
    return false;
  }
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(
        std::stoi(signal->address().substr(signal->address().rfind(':') + 1)));
  }

  // A request of a dialog; `extra` are whole header lines.
  std::string request(const RawPeer& peer, Dialog& dialog, const std::string& method,
                      const std::string& body = "", const std::string& extra = "") {
    if (method != "ACK" && method != "CANCEL") {
      dialog.branch = "z9hG4bK" + std::to_string(++branches);
      if (method != "INVITE" || !dialog.to_tag.empty()) ++dialog.cseq;
    }
    return method + " sip:srs@" + signal->address() + " SIP/2.0\r\nVia: SIP/2.0/" +
           (peer.tcp ? "TCP " : "UDP ") + peer.local + ";branch=" + dialog.branch +
           (method == "ACK" ? "a" : "") + "\r\nMax-Forwards: 70\r\nFrom: <sip:src@" + peer.local +
           ">;tag=from\r\nTo: <sip:srs@callward.test>" +
           (dialog.to_tag.empty() || method == "CANCEL" ? "" : ";tag=" + dialog.to_tag) +
           "\r\nCall-ID: " + dialog.call_id + "\r\nCSeq: " + std::to_string(dialog.cseq) + " " +
           method + "\r\nContact: <sip:src@" + peer.local + (peer.tcp ? ";transport=tcp" : "") +
           ">;+sip.src\r\n" + extra + "Content-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  static std::string siprec_headers() {
    return std::string("Require: siprec\r\nContent-Type: ") + capture::kMultipart + "\r\n";
  }
  static std::string siprec_body(const std::string& direction = "sendonly") {
    return capture::test_body(
        capture::test_sdp({{.label = "1", .direction = direction},
                           {.label = "2", .direction = direction, .port = 4002}}),
        capture::test_metadata({{"sip:+15551@c", "Ann", "1", ""}, {"sip:7001@c", "Bo", "2", ""}}));
  }
  // The first answer of that status (or 1xx-less final) to the dialog's Call-ID.
  std::string answer(RawPeer& peer, const std::string& call_id, const std::string& method,
                     int ms = 3'000) {
    std::string found;
    until(
        [&] {
          for (std::size_t i = 0; i < peer.got.size(); ++i) {
            const auto& text = peer.got[i];
            if (text.compare(0, 8, "SIP/2.0 ") != 0 || text[8] == '1') continue;
            if (text.find("Call-ID: " + call_id + "\r\n") == std::string::npos) continue;
            if (text.find(" " + method + "\r\n") == std::string::npos) continue;
            found = text;
            peer.got.erase(peer.got.begin() + static_cast<std::ptrdiff_t>(i));
            return true;
          }
          return false;
        },
        ms);
    return found;
  }
  static int status_of(const std::string& text) {
    return text.size() < 12 ? 0 : std::stoi(text.substr(8, 3));
  }
  static std::string tag_of(const std::string& text) {
    const auto to = text.find("\r\nTo: ");
    const auto tag = text.find(";tag=", to);
    return text.substr(tag + 5, text.find_first_of("\r\n;", tag + 5) - tag - 5);
  }
  // INVITE, 200, ACK.
  std::string establish(RawPeer& peer, Dialog& dialog, const std::string& extra = "") {
    peer.send(request(peer, dialog, "INVITE", siprec_body(), siprec_headers() + extra));
    const auto ok = answer(peer, dialog.call_id, "INVITE");
    EXPECT_EQ(status_of(ok), 200) << ok;
    dialog.to_tag = tag_of(ok);
    peer.send(request(peer, dialog, "ACK"));
    peer.got.clear();  // 100 Trying
    return ok;
  }
  int options(RawPeer& peer) {
    Dialog outside{"opt" + std::to_string(++branches), "", "", 1, ""};
    peer.send(request(peer, outside, "OPTIONS"));
    return status_of(answer(peer, outside.call_id, "OPTIONS"));
  }

  std::string dir;
  ShiftedClock clock;
  SystemEntropy entropy;
  Config config;
  std::unique_ptr<io::Loop> loop;
  std::unique_ptr<ScriptedRecorder> recorder;
  std::unique_ptr<Signal> signal;
  std::vector<RawPeer*> peers;
  int branches = 0;
};

}  // namespace callward::app::signal_test
