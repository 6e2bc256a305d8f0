#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <thread>

#include "io/frame.hpp"
#include "io/loop.hpp"
#include "io/udp.hpp"

namespace callward::io {
namespace {

struct Ping {
  static constexpr std::uint16_t kType = 1;
  std::uint32_t number = 0;
  Bytes filler;
  template <class V>
  void visit(V& v) {
    v(number, filler);
  }
};
struct Pong {
  static constexpr std::uint16_t kType = 2;
  std::uint32_t number = 0;
  template <class V>
  void visit(V& v) {
    v(number);
  }
};
struct Refusal {
  static constexpr std::uint16_t kType = 99;
  Errc code{};
  std::string message;
  template <class V>
  void visit(V& v) {
    v(code, message);
  }
};

class Frames : public ::testing::Test {
 protected:
  void SetUp() override {
    loop = *Loop::create(clock);
    path = ::testing::TempDir() + "cw-io-" + std::to_string(::getpid()) + ".sock";
  }
  void run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 2'000 && !done(); ++i) ASSERT_TRUE(loop->run_once(10));
    ASSERT_TRUE(done());
  }
  void serve(std::size_t queue_bytes_max = 16u << 20) {
    server = *ChannelServer::listen(
        *loop, path, {"test", 1u << 20, queue_bytes_max}, [this](std::unique_ptr<Channel> channel) {
          auto* raw = channel.get();
          raw->set_handlers([this, raw](Frame frame) { answer(*raw, std::move(frame)); },
                            [this] { ++closed; });
          channels.push_back(std::move(channel));
        });
  }
  void answer(Channel& channel, Frame frame) {
    if (frame.fd.valid()) got_fd = std::move(frame.fd);
    const auto ping = unpack<Ping>(frame.body);
    ASSERT_TRUE(ping);
    if (ping->number == 13) {
      channel.reply(frame, Refusal{Errc::kDenied, "no"});
      return;
    }
    if (ping->number != 7) channel.reply(frame, Pong{ping->number + 1});
  }
  SystemClock clock;
  std::unique_ptr<Loop> loop;
  std::string path;
  std::unique_ptr<ChannelServer> server;
  std::vector<std::unique_ptr<Channel>> channels;
  Fd got_fd;
  int closed = 0;
};

TEST_F(Frames, RequestsGetTheirReplies) {
  Client client(*loop, path, {"client"}, Refusal::kType);
  int connects = 0;
  client.start([&] { ++connects; }, [] {}, {});
  serve();  // after the client's first try: it comes back by itself
  run_until([&] { return connects == 1; });
  std::vector<std::uint32_t> numbers;
  std::vector<Errc> errors;
  const auto take = [&](Result<Frame> frame) {
    if (frame)
      numbers.push_back(unpack<Pong>(frame->body)->number);
    else
      errors.push_back(frame.error().code);
  };
  client.request(Ping{1, Bytes(300'000, 5)}, 2'000, take);
  client.request(Ping{2, {}}, 2'000, take);
  client.request(Ping{13, {}}, 2'000, take);
  run_until([&] { return numbers.size() == 2 && errors.size() == 1; });
  client.request(Ping{7, {}}, 20, take);  // never answered
  run_until([&] { return errors.size() == 2; });
  EXPECT_EQ(numbers, (std::vector<std::uint32_t>{2, 3}));
  EXPECT_EQ(errors, (std::vector<Errc>{Errc::kDenied, Errc::kTimeout}));
}

TEST_F(Frames, ALostConnectionEndsRequestsAndComesBack) {
  serve();
  Client client(*loop, path, {"client"}, Refusal::kType);
  int connects = 0;
  int losses = 0;
  client.start([&] { ++connects; }, [&] { ++losses; }, {});
  run_until([&] { return connects == 1 && channels.size() == 1; });
  std::vector<Errc> errors;
  client.request(Ping{7, {}}, 5'000,
                 [&](Result<Frame> frame) { errors.push_back(frame.error().code); });
  run_until([&] { return client.channel()->gauge().depth == 0; });
  channels.clear();
  run_until([&] { return connects == 2; });
  EXPECT_EQ(losses, 1);
  EXPECT_EQ(errors, std::vector<Errc>{Errc::kUnavailable});
}

TEST_F(Frames, AFullQueueRefusesAndCounts) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const Fd other(pair[1]);
  auto channel = *Channel::create(*loop, Fd(pair[0]), {"narrow", 1u << 20, 1u << 20});
  bool refused = false;
  for (int i = 0; i < 100 && !refused; ++i) refused = !channel->send(Ping{1, Bytes(100'000, 1)});
  EXPECT_TRUE(refused);
  EXPECT_EQ(channel->gauge().refused, 1u);
  EXPECT_FALSE(channel->send(Ping{1, Bytes(2u << 20, 1)}));  // over the frame's limit
}

TEST_F(Frames, AFrameOverTheLimitClosesTheChannel) {
  serve();
  auto fd = *connect_unix(path);
  run_until([&] { return channels.size() == 1; });
  Bytes header(kFrameHeaderBytes, 0xFF);
  ASSERT_EQ(::write(fd.get(), header.data(), header.size()), static_cast<ssize_t>(header.size()));
  run_until([&] { return closed == 1; });
}

TEST_F(Frames, DescriptorsRideAlong) {
  serve();
  auto client = *BlockingClient::connect(path, 1u << 20, Refusal::kType);
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const Fd reader(pipe_fds[0]);
  auto frame = make_frame(Ping{7, {}});
  frame.fd = Fd(pipe_fds[1]);
  ASSERT_TRUE(client->send(std::move(frame)));
  run_until([&] { return got_fd.valid(); });
  ASSERT_EQ(::write(got_fd.get(), "x", 1), 1);
  char c = 0;
  ASSERT_EQ(::read(reader.get(), &c, 1), 1);
  EXPECT_EQ(c, 'x');
}

// An event that comes when a waiting thread's time is just over: half of it was taken, the rest was
// read as the next frame's header, and the event was lost.
TEST_F(Frames, ATimeoutInTheMiddleOfAFrameLosesNothing) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const Fd sender(ends[0]);
  auto client = BlockingClient::over(Fd(ends[1]), 1u << 20, Refusal::kType);
  const auto bytes = frame_bytes(make_frame(Ping{7, Bytes(100)}));
  const std::size_t cuts[] = {0, 5, kFrameHeaderBytes, kFrameHeaderBytes + 3, bytes.size()};
  for (std::size_t i = 1; i < std::size(cuts); ++i) {
    const auto part = bytes.expose().subspan(cuts[i - 1], cuts[i] - cuts[i - 1]);
    ASSERT_EQ(::send(sender.get(), part.data(), part.size(), 0), static_cast<ssize_t>(part.size()));
    const auto frame = client->receive(20);
    if (i + 1 < std::size(cuts)) {
      ASSERT_FALSE(frame);
      EXPECT_EQ(frame.error().code, Errc::kTimeout);
    } else {
      ASSERT_TRUE(frame) << frame.error().message;
      EXPECT_EQ(unpack<Ping>(frame->body)->number, 7u);
    }
  }
}

TEST_F(Frames, TimersRunInOrderAndCanBeCancelled) {
  std::string order;
  loop->after_ms(20, [&] { order += 'b'; });
  loop->after_ms(1, [&] { order += 'a'; });
  const auto never = loop->after_ms(5, [&] { order += 'x'; });
  loop->cancel(never);
  int beats = 0;
  Loop::TimerId beat = 0;
  beat = loop->every_ms(3, [&] {
    if (++beats == 3) loop->cancel(beat);
  });
  run_until([&] { return order == "ab" && beats == 3; });
}

TEST(Udp, SweepsWithTimeStamps) {
  auto socket = *bind_udp("127.0.0.1", 0, 1 << 20);
  const auto port = *local_port(socket);
  EXPECT_EQ(bind_udp("127.0.0.1", port, 1 << 16).error().code, Errc::kFull);
  EXPECT_EQ(bind_udp("nowhere", 0, 1 << 16).error().code, Errc::kConfig);
  const Fd sender(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (std::uint8_t i = 0; i < 50; ++i)
    ASSERT_EQ(::sendto(sender.get(), &i, 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 1);
  const auto expected = parse_endpoint("127.0.0.1", *local_port(sender));
  UdpSweeper sweeper;
  std::vector<std::uint8_t> got;
  ASSERT_TRUE(
      sweeper.sweep(socket.get(), 1'000,
                    [&](ByteView packet, std::int64_t at_ns, bool truncated, const Endpoint& from) {
                      got.push_back(packet[0]);
                      EXPECT_GT(at_ns, 1'600'000'000'000'000'000);
                      EXPECT_FALSE(truncated);
                      EXPECT_TRUE(expected == from);
                    }));
  ASSERT_EQ(got.size(), 50u);
  EXPECT_EQ(got[49], 49);
}

// A connection goes to another loop in the middle of everything: half a frame read, some waiting to
// be sent, some in the socket. The peer gets every frame once, in order, and nothing twice.
TEST_F(Frames, AConnectionThatIsCarriedOverLosesAndDoublesNothing) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const ChannelLimits limits{"carried", 1u << 20, 16u << 20};
  auto old = *Channel::create(*loop, Fd(ends[0]), limits);
  std::vector<std::uint32_t> taken;
  const auto take = [&](Frame frame) { taken.push_back(unpack<Ping>(frame.body)->number); };
  old->set_handlers(take, [] {});
  auto peer = BlockingClient::over(Fd(ends[1]), 1u << 20, Refusal::kType);
  ASSERT_TRUE(peer->send(make_frame(Ping{1, {}})));
  run_until([&] { return taken.size() == 1; });
  // More than the socket takes: some stays in the queue, one of them half sent.
  for (std::uint32_t i = 0; i < 40; ++i) ASSERT_TRUE(old->send(Ping{i, Bytes(50'000)}));
  EXPECT_GT(old->gauge().depth, 0u);
  const auto half = frame_bytes(make_frame(Ping{2, Bytes(100)}));
  ASSERT_EQ(::send(peer->fd(), half.expose().data(), 30, 0), 30);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(loop->run_once(1));
  EXPECT_FALSE(old->carry()) << "not at rest";
  old->pause();
  EXPECT_TRUE(old->send(Ping{40, {}})) << "waits";
  auto carried = old->carry();
  ASSERT_TRUE(carried) << carried.error().message;
  EXPECT_EQ(carried->input.size(), 30u);
  old.reset();

  auto other = *Loop::create(clock);
  auto fresh = *Channel::create(*other, std::move(*carried), limits);
  fresh->set_handlers(take, [] {});
  ASSERT_GT(::send(peer->fd(), half.expose().data() + 30, half.size() - 30, 0), 0);
  ASSERT_TRUE(peer->send(make_frame(Ping{3, {}})));
  std::vector<std::uint32_t> got;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    for (int i = 0; i <= 40; ++i)
      if (const auto frame = peer->receive(5'000)) got.push_back(unpack<Ping>(frame->body)->number);
    done = true;
  });
  for (int i = 0; i < 10'000 && !(done && taken.size() == 3); ++i)
    if (!other->run_once(1)) break;
  reader.join();
  std::vector<std::uint32_t> all(41);
  std::iota(all.begin(), all.end(), 0u);
  EXPECT_EQ(got, all);
  EXPECT_EQ(taken, (std::vector<std::uint32_t>{1, 2, 3}));
}

TEST_F(Frames, APausedConnectionTakesUpWhereItStopped) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  auto channel = *Channel::create(*loop, Fd(ends[0]), {"paused"});
  std::vector<std::uint32_t> taken;
  bool lost = false;
  channel->set_handlers(
      [&](Frame frame) {
        taken.push_back(unpack<Ping>(frame.body)->number);
        if (taken.size() == 1) channel->pause();  // in the middle of what was read at once
      },
      [&] { lost = true; });
  auto peer = BlockingClient::over(Fd(ends[1]), 1u << 20, Refusal::kType);
  for (std::uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(peer->send(make_frame(Ping{i, {}})));
  peer.reset();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(loop->run_once(1));
  EXPECT_EQ(taken.size(), 1u);
  EXPECT_FALSE(lost);
  ASSERT_TRUE(channel->resume());
  run_until([&] { return lost; });
  EXPECT_EQ(taken, (std::vector<std::uint32_t>{0, 1, 2}));
}

TEST_F(Frames, AListeningSocketGoesOverWithWhoeverWaits) {
  serve();
  server->pause();
  auto waiting = BlockingClient::connect(path, 1u << 20, Refusal::kType);
  ASSERT_TRUE(waiting);
  ASSERT_TRUE((*waiting)->send(make_frame(Ping{7, {}}, 1)));
  auto socket = server->carry();
  ASSERT_TRUE(socket);
  server->leave_path();
  server.reset();
  std::uint32_t got = 0;
  server = *ChannelServer::take_over(
      *loop, std::move(*socket), path, {"test"}, [&](std::unique_ptr<Channel> channel) {
        channel->set_handlers([&](Frame frame) { got = unpack<Ping>(frame.body)->number; }, [] {});
        channels.push_back(std::move(channel));
      });
  run_until([&] { return got == 7; });
  EXPECT_TRUE(BlockingClient::connect(path, 1u << 20, Refusal::kType)) << "the path is there still";
}

}  // namespace
}  // namespace callward::io
