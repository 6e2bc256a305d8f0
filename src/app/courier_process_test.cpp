// The courier with a keeper and a server that are scripts, and threads that try what the test says.
// Against real servers: tests/e2e/courier_test.py.
#include "app/courier_process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "app/courier_desk.hpp"
#include "app/peer_test_rig.hpp"
#include "base/fresh_dir_test.hpp"

namespace callward::app {
namespace {

using courier::Attempt;
using courier::Verdict;
using keys::DeliveryOutcome;

// The keeper's side of its socket, with the keeper's own desk behind it.
class KeeperSide final : public test::SocketPeer {
 public:
  KeeperSide(io::Loop& loop, const std::string& path, CourierDesk& desk)
      : SocketPeer(loop, path, keys::kKeeperFrameBytesMax), desk_(desk) {}
  void go() {
    die();
    desk_.lost(now_);
  }

 private:
  void on_frame(io::Channel& channel, io::Frame& frame) override {
    if ((frame.flags & io::kFrameIsReply) != 0) return desk_.on_reply(frame);
    const auto hello = unpack<keys::Hello>(frame.body);
    ASSERT_TRUE(hello && hello->role == keys::PeerRole::kCourier);
    channel.reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
    desk_.connected(++now_, [&channel](io::Frame out) { return channel.send(std::move(out)); });
  }
  CourierDesk& desk_;
  std::uint64_t now_ = 0;
};

class CourierProcess : public ::testing::Test {
 protected:
  void SetUp() override {
    loop = std::move(*io::Loop::create(clock));
    keeper = std::make_unique<KeeperSide>(*loop, dir + "/keeper.sock", desk);
    keeper->live();
  }
  void TearDown() override {
    courier.reset();
    if (keeper) keeper->die();
  }
  void start(bool sms = false) {
    Courier::Setup setup{.loop = *loop,
                         .clock = clock,
                         .keeper_socket = dir + "/keeper.sock",
                         .own_socket = dir + "/courier.sock",
                         .is_server = [this](int pid) { return pid == ::getpid() && is_server; },
                         .mail = {},
                         .sms = {},
                         .console = "https://calls.example"};
    setup.mail = [this](const courier::Letter& letter, std::int64_t) {
      const std::lock_guard lock(mutex);
      sent.emplace_back(as_text(letter.message.address.expose()));
      texts.emplace_back(as_text(letter.message.text.expose()));
      return answer;
    };
    if (sms) setup.sms = setup.mail;
    courier = std::make_unique<Courier>(std::move(setup));
    ASSERT_TRUE(courier->listen());
    courier->start();
  }
  void until(const std::function<bool()>& done) {
    for (int i = 0; i < 2'000 && !done(); ++i) {
      ASSERT_TRUE(loop->run_once(10));
      desk.tick();
    }
    ASSERT_TRUE(done());
  }
  std::size_t tries() {
    const std::lock_guard lock(mutex);
    return sent.size();
  }
  keys::Remind reminder(std::string_view address = "eve@example.com") {
    keys::Remind out;
    out.id = keys::DeliveryId::random(entropy);
    out.waits = keys::Waits::kRelease;
    out.address = SecretBytes(as_bytes(address));
    out.request = RequestId::random(entropy);
    out.deadline = clock.utc_ms() + 60'000;
    return out;
  }
  keys::Deliver message(std::string_view address = "ann@example.com") {
    keys::Deliver out;
    out.id = keys::DeliveryId::random(entropy);
    out.channel = keys::DeliveryChannel::kEmail;
    out.address = SecretBytes(as_bytes(address));
    out.text = SecretBytes(as_bytes("918273"));
    out.deadline = clock.utc_ms() + 60'000;
    return out;
  }

  SystemClock clock;
  SeededEntropy entropy{7};
  std::string dir = callward::test::fresh_dir("cw-courier");
  std::unique_ptr<io::Loop> loop;
  std::vector<keys::Delivered> told;
  CourierDesk desk{clock, [this](const keys::Delivered& said) { told.push_back(said); }};
  std::unique_ptr<KeeperSide> keeper;
  std::unique_ptr<Courier> courier;
  std::mutex mutex;
  std::vector<std::string> sent, texts;
  Attempt answer{Verdict::kTaken, "taken"};
  bool is_server = true;
};

TEST_F(CourierProcess, WhatTheKeeperAsksForIsTriedAndItsEndTold) {
  start();
  ASSERT_TRUE(desk.deliver(message()));
  ASSERT_TRUE(desk.deliver(message("not an address")));
  until([&] { return told.size() == 2; });
  for (const auto& said : told)
    EXPECT_EQ(said.outcome,
              said.reason == "bad_address" ? DeliveryOutcome::kRefused : DeliveryOutcome::kTaken);
  EXPECT_EQ(tries(), 1u);
  const auto status = courier->status_json();
  EXPECT_NE(status.find("\"email\":{\"configured\":true,\"sent\":1,\"refused\":1"),
            std::string::npos)
      << status;
  EXPECT_NE(status.find("\"sms\":{\"configured\":false"), std::string::npos) << status;
  EXPECT_EQ(status.find("ann@"), std::string::npos);
}

TEST_F(CourierProcess, AKeeperThatComesBackIsToldWhatEndedMeanwhile) {
  start();
  answer = {Verdict::kLater, "smtp_451"};
  ASSERT_TRUE(desk.deliver(message()));
  until([&] { return tries() == 1; });
  keeper->go();
  {
    const std::lock_guard lock(mutex);
    answer = {Verdict::kTaken, "taken"};
  }
  until([&] { return tries() == 2; });
  EXPECT_TRUE(told.empty());
  keeper->live();
  until([&] { return told.size() == 1; });
  EXPECT_EQ(told[0].outcome, DeliveryOutcome::kTaken);
  EXPECT_EQ(tries(), 2u) << "it is not sent a third time";
}

TEST_F(CourierProcess, OnOurSocketTheServerAloneIsHeard) {
  start();
  io::Client client(*loop, dir + "/courier.sock", {"test", keys::kCourierFrameBytesMax},
                    keys::ErrorReply::kType);
  client.start([] {}, [] {}, [](io::Frame) {});
  until([&] { return client.connected(); });
  const auto ask = [&](const auto& request) {
    std::optional<Result<io::Frame>> reply;
    client.request(request, 5'000, [&](Result<io::Frame> got) { reply = std::move(got); });
    until([&] { return reply.has_value(); });
    return std::move(*reply);
  };
  EXPECT_EQ(ask(message()).error().code, Errc::kDenied);
  const keys::Hello as_server{keys::kKeeperProtocolVersion, keys::PeerRole::kServer};
  is_server = false;
  EXPECT_EQ(ask(as_server).error().code, Errc::kDenied);
  EXPECT_EQ(ask(message()).error().code, Errc::kDenied);
  is_server = true;
  EXPECT_EQ(ask(keys::Hello{keys::kKeeperProtocolVersion, keys::PeerRole::kRecorder}).error().code,
            Errc::kDenied);
  EXPECT_EQ(ask(keys::Hello{99, keys::PeerRole::kServer}).error().code, Errc::kUnsupported);
  EXPECT_EQ(tries(), 0u);
  ASSERT_TRUE(ask(as_server));
  EXPECT_EQ(ask(keys::KeeperStatusRequest{}).error().code, Errc::kUnsupported);
  const auto reply = ask(reminder());
  ASSERT_TRUE(reply);
  EXPECT_EQ(unpack<keys::Delivered>(reply->body)->outcome, DeliveryOutcome::kTaken);
  client.stop();
}

// A server that somebody took over: no text of its own, no code, no header of a stranger's, and no
// flood.
TEST_F(CourierProcess, TheServerHasRemindersSentAndNothingElse) {
  start(true);
  io::Client client(*loop, dir + "/courier.sock", {"test", keys::kCourierFrameBytesMax},
                    keys::ErrorReply::kType);
  client.start([] {}, [] {}, [](io::Frame) {});
  until([&] { return client.connected(); });
  const auto ask = [&](const auto& request) {
    std::optional<Result<io::Frame>> reply;
    client.request(request, 5'000, [&](Result<io::Frame> got) { reply = std::move(got); });
    until([&] { return reply.has_value(); });
    return std::move(*reply);
  };
  ASSERT_TRUE(ask(keys::Hello{keys::kKeeperProtocolVersion, keys::PeerRole::kServer}));
  EXPECT_EQ(ask(message()).error().code, Errc::kDenied);
  auto text_message = message("+4915112345678");
  text_message.channel = keys::DeliveryChannel::kSms;
  EXPECT_EQ(ask(text_message).error().code, Errc::kDenied);
  EXPECT_EQ(tries(), 0u);
  auto other = reminder();
  other.waits = static_cast<keys::Waits>(keys::kWaitsMax + 1);
  EXPECT_EQ(ask(other).error().code, Errc::kMalformed);
  const auto bad = ask(reminder("eve@example.com>\r\nRCPT TO:<mallory@example.net"));
  ASSERT_TRUE(bad);
  EXPECT_EQ(unpack<keys::Delivered>(bad->body)->reason, "bad_address");
  const auto good = reminder();
  ASSERT_TRUE(ask(good));
  ASSERT_TRUE(ask(good)) << "asked again it is told again";
  ASSERT_EQ(tries(), 1u);
  EXPECT_NE(texts[0].find("https://calls.example/requests/" + good.request.hex()),
            std::string::npos);
  std::size_t most = 0;
  for (; most < keys::kRemindersPerHourMax + 5; ++most)
    if (const auto one = ask(good); !one) {
      EXPECT_EQ(one.error().code, Errc::kFull);
      break;
    }
  EXPECT_LT(most, keys::kRemindersPerHourMax);
  auto alarm = reminder();
  alarm.waits = keys::Waits::kBroken;
  EXPECT_TRUE(ask(alarm)) << "an owner's alarm has a share of its own";
  ASSERT_TRUE(desk.deliver(message()));  // the keeper's codes go on
  until([&] { return told.size() == 1; });
  client.stop();
}

TEST_F(CourierProcess, AsManyAsThereAreThreadsAreTriedAtOnceAndTheEndWaitsForThem) {
  std::atomic<int> running = 0, most = 0;
  std::atomic<bool> go_on = false;
  auto sender = std::make_unique<CourierSender>(
      "test",
      [&](const courier::Letter&, std::int64_t) {
        most = std::max(most.load(), ++running);
        while (!go_on) std::this_thread::yield();
        --running;
        return Attempt{Verdict::kTaken, "taken"};
      },
      [](const courier::LetterKey&, const Attempt&) {});
  for (std::size_t i = 0; i < CourierSender::kThreads; ++i) {
    ASSERT_TRUE(sender->has_room());
    courier::Letter letter{message(), 0};
    sender->give({{courier::Source::kKeeper, letter.message.id},
                  std::make_shared<const courier::Letter>(std::move(letter)),
                  1'000});
  }
  EXPECT_FALSE(sender->has_room());
  while (running < static_cast<int>(CourierSender::kThreads)) std::this_thread::yield();
  go_on = true;
  sender.reset();
  EXPECT_EQ(running, 0);
  EXPECT_EQ(most, static_cast<int>(CourierSender::kThreads));
}

}  // namespace
}  // namespace callward::app
