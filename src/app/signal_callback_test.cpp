// Call-backs with real sockets: one that plays the proxy and both phones, message by message, and
// keeper and recorder that are scripts.
#include <arpa/inet.h>

#include <sstream>

#include "app/signal_test_rig.hpp"

namespace callward::app::signal_test {
namespace {

using keys::DialCause;
using keys::DialState;

constexpr const char* kNumber = "+4915112345678";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class ScriptedKeeper final : public test::SocketPeer {
 public:
  ScriptedKeeper(io::Loop& loop, const std::string& dir)
      : SocketPeer(loop, dir + "/keeper.sock", keys::kKeeperFrameBytesMax) {
    live();
  }
  std::vector<keys::DialTaken> taken;
  std::vector<keys::DialProgress> told;
  std::size_t greeted = 0;
  io::Channel* signal = nullptr;

 private:
  void on_frame(io::Channel& channel, io::Frame& frame) override {
    switch (frame.type) {
      case keys::Hello::kType:
        EXPECT_EQ(unpack<keys::Hello>(frame.body)->role, keys::PeerRole::kSignal);
        channel.reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
        signal = &channel;
        ++greeted;
        return;
      case keys::DialTaken::kType:
        taken.push_back(*unpack<keys::DialTaken>(frame.body));
        return;
      case keys::DialProgress::kType:
        told.push_back(*unpack<keys::DialProgress>(frame.body));
        return;
      default:
        FAIL() << "signal says " << frame.type;
    }
  }
};

// The proxy, and behind it both phones.
struct Far {
  Far() : fd(std::move(*io::bind_udp("127.0.0.1", 0, 1 << 20))) {
    local = "127.0.0.1:" + std::to_string(*io::local_port(fd));
  }
  void send(const std::string& text) {
    EXPECT_TRUE(io::send_udp(fd, as_bytes(text), *parse_endpoint("127.0.0.1", signal_port)));
  }
  void read() {
    std::string buffer(70'000, '\0');
    for (;;) {
      const auto size = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size <= 0) return;
      got.push_back(buffer.substr(0, static_cast<std::size_t>(size)));
      all += got.back();
    }
  }
  io::Fd fd;
  std::string local, all;
  std::uint16_t signal_port = 0;
  std::vector<std::string> got;
};

std::string header(const std::string& text, const std::string& name) {
  const auto at = text.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 4;
  return text.substr(begin, text.find("\r\n", begin) - begin);
}
std::string all_of(const std::string& text, const std::string& name) {
  std::string out;
  for (auto at = text.find("\r\n" + name + ": "); at != std::string::npos;
       at = text.find("\r\n" + name + ": ", at + 2))
    out += text.substr(at + 2, text.find("\r\n", at + 2) - at);
  return out;
}
std::uint16_t media_port(const std::string& text) {
  const auto at = text.find("m=audio ");
  return at == std::string::npos ? 0 : static_cast<std::uint16_t>(std::stoi(text.substr(at + 8)));
}

std::string sdp(const std::string& direction = "sendrecv", int codec = 0) {
  return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 45000 "
         "RTP/AVP " +
         std::to_string(codec) + "\r\na=" + direction + "\r\n";
}

struct CallBackRig {
  explicit CallBackRig(const std::string& name, const std::function<void(Config&)>& more = {})
      : signal("callback-" + name, 0, [&](SignalRig& rig) {
          keeper = std::make_unique<ScriptedKeeper>(*rig.loop, rig.dir);
          auto& callback = rig.config.callback;
          callback.proxy = "sip:" + far.local;
          callback.from = "sip:+442079460000@company.test";
          callback.expert_uri = "sip:{extension}@pbx.test";
          callback.customer_uri = "sip:{number}@trunk.test";
          callback.media_address = "127.0.0.1";
          callback.rtp_port_first = 34'000;
          callback.rtp_port_last = 34'399;
          if (more) more(rig.config);
        }) {
    far.signal_port = signal.port();
    EXPECT_TRUE(until([this] { return keeper->greeted == 1; }));
  }
  ~CallBackRig() {
    signal.signal.reset();
    keeper.reset();
  }
  template <class Condition>
  bool until(Condition condition, int ms = 5'000) {
    return signal.until(
        [&] {
          far.read();
          return condition();
        },
        ms);
  }
  void settle() {
    (void)until([] { return false; }, 100);
  }
  DialId dial(std::uint32_t ring_ms = 60'000) {
    keys::Dial order;
    order.dial = DialId::random(entropy);
    order.expert = "7001";
    order.number = SecretBytes(as_bytes(std::string_view(kNumber)));
    order.deadline_ms = 600'000;
    order.ring_expert_ms = order.ring_customer_ms = ring_ms;
    const auto before = keeper->taken.size();
    keeper->signal->send(order, 5);
    EXPECT_TRUE(until([&] { return keeper->taken.size() > before; }));
    return order.dial;
  }
  // The next message of this kind, taken out; of a dialog, if one is given.
  std::string next(const std::string& method, const std::string& call_id = {}, int ms = 5'000) {
    std::string found;
    (void)until(
        [&] {
          for (std::size_t i = 0; i < far.got.size(); ++i) {
            const auto& text = far.got[i];
            if (text.compare(0, method.size() + 1, method + " ") != 0) continue;
            if (!call_id.empty() && header(text, "Call-ID") != call_id) continue;
            found = text;
            far.got.erase(far.got.begin() + static_cast<std::ptrdiff_t>(i));
            return true;
          }
          return false;
        },
        ms);
    return found;
  }
  std::string answer_text(const std::string& request, const std::string& status,
                          const std::string& body = {}, const std::string& extra = {}) {
    const auto to = header(request, "To");
    return "SIP/2.0 " + status + "\r\n" + all_of(request, "Via") +
           "From: " + header(request, "From") + "\r\nTo: " + to +
           (has(to, ";tag=") ? "" : ";tag=far" + header(request, "Call-ID").substr(0, 6)) +
           "\r\nCall-ID: " + header(request, "Call-ID") + "\r\nCSeq: " + header(request, "CSeq") +
           "\r\nContact: <sip:phone@" + far.local + ">\r\n" + extra +
           (body.empty() ? "" : "Content-Type: application/sdp\r\n") +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  void answer(const std::string& request, const std::string& status, const std::string& body = {},
              const std::string& extra = {}) {
    far.send(answer_text(request, status, body, extra));
  }
  // A request of a phone within the dialog that this INVITE began.
  void request(const std::string& invite, const std::string& method, const std::string& body = {}) {
    const auto id = header(invite, "Call-ID");
    far.send(method + " sip:callward@" + signal.signal->address() +
             " SIP/2.0\r\nVia: SIP/2.0/UDP " + far.local + ";branch=z9hG4bKfar" +
             std::to_string(++branches) + "\r\nMax-Forwards: 70\r\nFrom: " + header(invite, "To") +
             ";tag=far" + id.substr(0, 6) + "\r\nTo: " + header(invite, "From") +
             "\r\nCall-ID: " + id + "\r\nCSeq: " + std::to_string(cseq += 1) + " " + method +
             "\r\nContact: <sip:phone@" + far.local + ">\r\n" +
             (body.empty() ? "" : "Content-Type: application/sdp\r\n") +
             "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  // Both have answered; the INVITEs.
  std::pair<std::string, std::string> talk() {
    id = dial();
    auto expert = next("INVITE");
    answer(expert, "200 OK", sdp());
    EXPECT_FALSE(next("ACK", header(expert, "Call-ID")).empty());
    auto customer = next("INVITE");
    answer(customer, "200 OK", sdp());
    EXPECT_FALSE(next("ACK", header(customer, "Call-ID")).empty());
    EXPECT_TRUE(told(DialState::kConnected));
    return {expert, customer};
  }
  bool told(DialState state) {
    return until([&] {
      return !keeper->told.empty() && keeper->told.back().dial == id &&
             keeper->told.back().state == state;
    });
  }
  DialCause end() {
    EXPECT_TRUE(told(DialState::kEnded));
    return keeper->told.empty() ? DialCause::kNone : keeper->told.back().cause;
  }
  [[nodiscard]] store::StreamMode mode(std::size_t stream) const {
    return signal.recorder->updates.back().streams.at(stream).mode;
  }

  Far far;
  SystemEntropy entropy;
  std::unique_ptr<ScriptedKeeper> keeper;
  SignalRig signal;
  DialId id;
  int branches = 0, cseq = 0;
};

TEST(CallBack, FromTheOrderToTheEnd) {
  CallBackRig rig("whole");
  rig.id = rig.dial();
  EXPECT_EQ(rig.keeper->taken.back().refusal, keys::DialRefusal::kNone);
  const auto expert = rig.next("INVITE");
  ASSERT_FALSE(expert.empty());
  EXPECT_TRUE(has(expert, "INVITE sip:7001@pbx.test SIP/2.0"));
  EXPECT_TRUE(has(expert, "From: <sip:+442079460000@company.test>;tag="));
  ASSERT_EQ(rig.signal.recorder->opens.size(), 1u) << "before anybody is called";
  const auto& open = rig.signal.recorder->opens[0];
  EXPECT_EQ(rig.signal.recorder->dials, std::vector{rig.id});
  ASSERT_EQ(rig.signal.recorder->telephones.size(), 1u);
  EXPECT_EQ(rig.signal.recorder->telephones[0].telephone, "7001") << "the expert's, not the number";
  EXPECT_EQ(rig.signal.recorder->telephones[0].call,
            rig.signal.recorder->live_calls.begin()->first);
  EXPECT_EQ(open.direction, keys::Direction::kOutgoing);
  ASSERT_EQ(open.streams.size(), 2u);
  EXPECT_EQ(open.streams[0].party, store::Party::kCustomer);
  EXPECT_EQ(open.streams[1].party, store::Party::kAgent);
  EXPECT_EQ(open.streams[0].mode, store::StreamMode::kSilent);
  EXPECT_TRUE(has(std::string(as_text(open.call_data.expose())), kNumber)) << "sealed, there alone";
  ASSERT_EQ(open.sources.size(), 2u);
  EXPECT_NE(open.sources[0].announced, open.sources[1].announced);

  rig.answer(expert, "180 Ringing");
  rig.answer(expert, "200 OK", sdp());
  EXPECT_FALSE(rig.next("ACK", header(expert, "Call-ID")).empty());
  const auto customer = rig.next("INVITE");
  EXPECT_TRUE(has(customer, "INVITE sip:+4915112345678@trunk.test SIP/2.0")) << customer;
  EXPECT_TRUE(has(customer, "From: <sip:+442079460000@company.test>;tag="));
  EXPECT_FALSE(has(customer, "7001"));
  EXPECT_NE(media_port(customer), media_port(expert));
  EXPECT_TRUE(has(customer, "RTP/AVP 0 101\r\n")) << "what the expert's phone has taken";
  rig.answer(customer, "200 OK", sdp());
  EXPECT_FALSE(rig.next("ACK", header(customer, "Call-ID")).empty());
  EXPECT_TRUE(rig.told(DialState::kConnected));
  EXPECT_EQ(rig.mode(0), store::StreamMode::kActive);
  EXPECT_EQ(rig.mode(1), store::StreamMode::kActive);
  EXPECT_EQ(rig.keeper->told.back().call, rig.signal.recorder->updates.back().call);

  rig.request(expert, "BYE");
  const auto bye = rig.next("BYE", header(customer, "Call-ID"));
  ASSERT_FALSE(bye.empty());
  rig.answer(bye, "200 OK");
  EXPECT_EQ(rig.end(), DialCause::kHungUpExpert);
  EXPECT_TRUE(rig.until([&] { return rig.signal.recorder->ends.size() == 1; }));
  EXPECT_EQ(rig.signal.recorder->ends[0].cause, "bye");
  EXPECT_TRUE(rig.until([&] { return rig.signal.signal->call_backs().running() == 0; }));
  std::vector<DialState> states;
  for (const auto& told : rig.keeper->told) states.push_back(told.state);
  EXPECT_EQ(states,
            (std::vector{DialState::kRingingExpert, DialState::kExpertAnswered,
                         DialState::kRingingCustomer, DialState::kConnected, DialState::kEnded}));
}

TEST(CallBack, NothingOfTheCustomersLegIsSaidToTheExpert) {
  CallBackRig rig("secret");
  std::string to_expert;
  const auto [expert, customer] = rig.talk();
  const auto id = header(expert, "Call-ID");
  rig.request(customer, "INVITE", sdp("sendonly"));
  rig.request(expert, "INVITE", sdp("sendrecv"));
  rig.request(expert, "OPTIONS");
  rig.settle();
  rig.request(customer, "BYE");
  rig.answer(rig.next("BYE", id), "200 OK");
  EXPECT_EQ(rig.end(), DialCause::kHungUpCustomer);
  std::istringstream lines(rig.far.all);
  std::string message, line;
  const auto judge = [&] {
    if (!has(message, "Call-ID: " + id)) return;
    to_expert += message;
    EXPECT_FALSE(has(message, "4915112345678") || has(message, "trunk.test")) << message;
    EXPECT_FALSE(has(message, header(customer, "Call-ID"))) << message;
  };
  while (std::getline(lines, line)) {
    const bool first = has(line, " SIP/2.0\r") || line.starts_with("SIP/2.0 ");
    if (first) {
      judge();
      message.clear();
    }
    message += line + "\n";
  }
  judge();
  EXPECT_TRUE(has(to_expert, "INVITE sip:7001") && has(to_expert, "BYE ")) << "it was looked at";
}

TEST(CallBack, AHoldIsAnsweredAndTold) {
  CallBackRig rig("hold");
  const auto [expert, customer] = rig.talk();
  rig.request(customer, "INVITE", sdp("inactive"));
  const auto held = rig.next("SIP/2.0 200", header(customer, "Call-ID"));
  EXPECT_TRUE(has(held, "a=inactive") && media_port(held) == media_port(customer)) << held;
  EXPECT_TRUE(rig.until([&] { return rig.mode(0) == store::StreamMode::kOnHold; }));
  EXPECT_EQ(rig.mode(1), store::StreamMode::kActive);
  rig.request(customer, "UPDATE", sdp("sendrecv"));
  EXPECT_TRUE(rig.until([&] { return rig.mode(0) == store::StreamMode::kActive; }));
  // Without an offer: ours, as it was.
  rig.request(expert, "INVITE");
  const auto ours = rig.next("SIP/2.0 200", header(expert, "Call-ID"));
  EXPECT_EQ(media_port(ours), media_port(expert));
  rig.request(expert, "INVITE", sdp("sendrecv", 8));
  EXPECT_FALSE(rig.next("SIP/2.0 488", header(expert, "Call-ID")).empty()) << "another codec";
  rig.request(expert, "REFER");
  EXPECT_FALSE(rig.next("SIP/2.0 405", header(expert, "Call-ID")).empty());
  EXPECT_EQ(rig.keeper->told.back().state, DialState::kConnected);
}

TEST(CallBack, A200ThatComesAgainIsAcknowledgedAgain) {
  CallBackRig rig("again");
  rig.id = rig.dial();
  const auto expert = rig.next("INVITE");
  rig.answer(expert, "200 OK", sdp());
  EXPECT_FALSE(rig.next("ACK").empty());
  rig.answer(expert, "200 OK", sdp());
  EXPECT_FALSE(rig.next("ACK", header(expert, "Call-ID")).empty());
  EXPECT_TRUE(rig.next("BYE", "", 300).empty()) << "it is the same answer";
  EXPECT_EQ(rig.keeper->told.back().state, DialState::kRingingCustomer);
}

TEST(CallBack, HungUpWhileItRings) {
  CallBackRig rig("cancel");
  rig.id = rig.dial();
  const auto expert = rig.next("INVITE");
  rig.answer(expert, "180 Ringing");
  rig.settle();
  rig.keeper->signal->send(keys::HangUp{rig.id});
  const auto cancel = rig.next("CANCEL");
  ASSERT_FALSE(cancel.empty());
  rig.answer(cancel, "200 OK");
  EXPECT_EQ(rig.end(), DialCause::kByKeeper);
  // Too late: it was answered at the same moment.
  rig.answer(expert, "200 OK", sdp());
  EXPECT_FALSE(rig.next("ACK").empty());
  const auto bye = rig.next("BYE");
  ASSERT_FALSE(bye.empty());
  rig.answer(bye, "200 OK");
  EXPECT_TRUE(rig.until([&] { return rig.signal.signal->call_backs().running() == 0; }));
  EXPECT_EQ(rig.signal.recorder->ends.size(), 1u);
  EXPECT_TRUE(rig.next("INVITE", "", 200).empty()) << "the customer is not called";
}

TEST(CallBack, WithoutARecorderNobodyIsCalled) {
  CallBackRig rig("full");
  rig.signal.recorder->refuse_open = Errc::kBusy;
  rig.id = rig.dial();
  EXPECT_EQ(rig.end(), DialCause::kNotRecorded);
  rig.signal.recorder->die();
  EXPECT_TRUE(rig.until([&] { return !rig.signal.signal->ready(); }));
  (void)rig.dial();
  EXPECT_EQ(rig.keeper->taken.back().refusal, keys::DialRefusal::kNotRecorded);
  EXPECT_TRUE(rig.next("INVITE", "", 300).empty());
}

TEST(CallBack, AnAnswerWithoutACodecOfOursIsHungUp) {
  CallBackRig rig("codec");
  rig.id = rig.dial();
  const auto expert = rig.next("INVITE");
  rig.answer(expert, "200 OK", sdp("sendrecv", 18));
  EXPECT_FALSE(rig.next("ACK").empty());
  rig.answer(rig.next("BYE"), "200 OK");
  EXPECT_EQ(rig.end(), DialCause::kFailed);
}

TEST(CallBack, WhereItIsSentOnToIsNotFollowed) {
  CallBackRig rig("moved");
  rig.id = rig.dial();
  rig.answer(rig.next("INVITE"), "302 Moved Temporarily");
  EXPECT_EQ(rig.end(), DialCause::kFailed);
  EXPECT_TRUE(rig.next("INVITE", "", 200).empty());
}

TEST(CallBack, TheProxysQuestionIsAnsweredOnce) {
  CallBackRig rig("digest", [](Config& config) {
    config.callback.user = "us";
    config.callback.realm = "trunk.test";
    config.callback.password_file = config.run_dir + "/password";
    RealVfs vfs;
    ASSERT_TRUE(vfs.write_file_atomic(config.callback.password_file, as_bytes("a secret\n")));
  });
  const std::string asks =
      "Proxy-Authenticate: Digest realm=\"trunk.test\", nonce=\"n1\", qop=\"auth\"\r\n";
  const std::string another =
      "WWW-Authenticate: Digest realm=\"a phone\", nonce=\"n2\", qop=\"auth\"\r\n";
  rig.id = rig.dial();
  const auto first = rig.next("INVITE");
  EXPECT_FALSE(has(first, "Authorization"));
  rig.answer(first, "407 Proxy Authentication Required", {}, asks);
  const auto second = rig.next("INVITE");
  EXPECT_TRUE(has(second, "Proxy-Authorization: Digest username=\"us\"")) << second;
  EXPECT_TRUE(has(second, "uri=\"sip:7001@pbx.test\""));
  EXPECT_EQ(header(second, "Call-ID"), header(first, "Call-ID"));
  EXPECT_NE(header(second, "CSeq"), header(first, "CSeq"));
  rig.answer(second, "407 Proxy Authentication Required", {}, asks);
  EXPECT_EQ(rig.end(), DialCause::kFailed);

  rig.id = rig.dial();
  rig.answer(rig.next("INVITE"), "401 Unauthorized", {}, another);
  EXPECT_EQ(rig.end(), DialCause::kFailed) << "a realm that is not ours learns nothing";
}

TEST(CallBack, AKeeperThatComesBackIsToldAgain) {
  CallBackRig rig("keeper");
  const auto [expert, customer] = rig.talk();
  const auto running = rig.id;
  rig.keeper->die();
  rig.settle();
  rig.keeper->told.clear();
  rig.keeper->live();
  EXPECT_TRUE(rig.until([&] { return rig.keeper->greeted == 2; }));
  EXPECT_TRUE(rig.told(DialState::kConnected)) << "they talk on";
  rig.keeper->die();
  rig.settle();
  rig.request(customer, "BYE");
  rig.answer(rig.next("BYE", header(expert, "Call-ID")), "200 OK");
  rig.keeper->live();
  EXPECT_EQ(rig.end(), DialCause::kHungUpCustomer);
  EXPECT_EQ(rig.keeper->told.back().dial, running);
}

TEST(CallBack, OurOwnEndHangsUp) {
  CallBackRig rig("stop");
  const auto [expert, customer] = rig.talk();
  rig.signal.signal->stop();
  EXPECT_TRUE(rig.signal.signal->run());
  for (const auto& invite : {expert, customer})
    EXPECT_FALSE(rig.next("BYE", header(invite, "Call-ID"), 500).empty());
  EXPECT_EQ(rig.signal.recorder->ends.size(), 1u);
  EXPECT_EQ(rig.keeper->told.back().cause, DialCause::kSignalLost);
}

TEST(CallBack, WhatAnEarlierProcessLeftOpenIsHungUp) {
  CallBackRig rig("restart");
  const auto [expert, customer] = rig.talk();
  const auto call = rig.keeper->told.back().call;
  rig.signal.config.sip.port = rig.signal.port();
  rig.signal.signal.reset();  // as if it had been killed
  rig.far.got.clear();
  rig.signal.start();
  for (const auto& invite : {expert, customer}) {
    const auto bye = rig.next("BYE", header(invite, "Call-ID"));
    ASSERT_FALSE(bye.empty());
    EXPECT_EQ(header(bye, "From"), header(invite, "From")) << "of the same dialog";
    rig.answer(bye, "200 OK");
  }
  EXPECT_EQ(rig.end(), DialCause::kSignalLost);
  EXPECT_TRUE(rig.until([&] { return rig.signal.recorder->ends.size() == 1; }));
  EXPECT_EQ(rig.signal.recorder->ends[0].call, call);
  EXPECT_TRUE(rig.until([&] { return rig.signal.signal->call_backs().over(); }));
}

TEST(CallBack, WhomToCallIsExactlyWhatMayBe) {
  EXPECT_EQ(expert_target("7001", "sip:{extension}@pbx.test"), "sip:7001@pbx.test");
  EXPECT_EQ(expert_target("sip:ann@pbx.test;transport=udp", "x"), "sip:ann@pbx.test;transport=udp");
  for (const std::string bad : {"", "70 01", "7001>", "sip:7001", "sip:a@b\r\nX: 1", "tel:+44",
                                "a@b", "sip:a@b?Subject=x", "7001;x"})
    EXPECT_EQ(expert_target(bad, "sip:{extension}@pbx.test"), "") << bad;
  EXPECT_EQ(expert_target(std::string(keys::kDialExpertBytesMax + 1, '7'), "x"), "");
  EXPECT_TRUE(is_e164("+4915112345678") && is_e164("+1234567") && is_e164("+123456789012345"));
  for (const std::string bad :
       {"", "+", "4915112345678", "+123456", "+1234567890123456", "+49151x345678"})
    EXPECT_FALSE(is_e164(bad)) << bad;
}

}  // namespace
}  // namespace callward::app::signal_test
