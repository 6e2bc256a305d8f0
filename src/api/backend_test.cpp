#include "api/backend.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/clock.hpp"
#include "io/loop.hpp"

namespace callward::api {
namespace {

// A peer on a thread of its own, which answers as it is told.
class Links : public ::testing::Test {
 protected:
  Links() {
    loop_ = *io::Loop::create(clock_);
    server_ = *io::ChannelServer::listen(
        *loop_, path_, {"test", 1u << 20, 1u << 20}, [this](std::unique_ptr<io::Channel> channel) {
          auto* raw = channel.get();
          raw->set_handlers([this, raw](io::Frame frame) { answer(*raw, frame); }, [] {});
          channels_.push_back(std::move(channel));
        });
    thread_ = std::thread([this] {
      while (!over_) {
        ASSERT_TRUE(loop_->run_once(5));
        if (cut_.exchange(false)) channels_.clear();
      }
    });
  }
  ~Links() override {
    over_ = true;
    thread_.join();
  }
  void answer(io::Channel& channel, const io::Frame& frame) {
    if (frame.type == keys::Hello::kType) {
      ++greeted;
      channel.reply(frame, keys::Welcome{});
      return;
    }
    ++asked;
    if (refuses < 0)
      channel.reply(frame, keys::KeeperStatus{"{}"});
    else
      channel.reply(frame, keys::ErrorReply{static_cast<Errc>(refuses.load()), "not now"});
  }
  // As a peer that is started anew: its connections are gone.
  void cut() {
    cut_ = true;
    while (cut_) std::this_thread::yield();
  }
  Result<keys::KeeperStatus> ask() {
    return link.call<keys::KeeperStatus>(keys::KeeperStatusRequest{});
  }
  std::atomic<int> greeted = 0, asked = 0;
  std::atomic<int> refuses = -1;  // with this code

 private:
  std::string path_ = ::testing::TempDir() + "cw-link-" + std::to_string(::getpid()) + ".sock";
  SystemClock clock_;
  std::unique_ptr<io::Loop> loop_;
  std::unique_ptr<io::ChannelServer> server_;
  std::vector<std::unique_ptr<io::Channel>> channels_;
  std::atomic<bool> over_ = false, cut_ = false;
  std::thread thread_;

 protected:
  Link link{path_, 1u << 20, keeper_hello};
};

// It may have waited for its answer, and counts: whatever it is refused with, it is asked once.
TEST_F(Links, WhatIsRefusedIsNotAskedAgain) {
  ASSERT_TRUE(ask());
  for (const auto code : {Errc::kUnavailable, Errc::kTimeout, Errc::kTooLarge, Errc::kDenied}) {
    asked = 0;
    refuses = static_cast<int>(code);
    const auto refused = ask();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code);
    EXPECT_EQ(asked, 1) << "refused with " << static_cast<int>(code);
    EXPECT_EQ(link.idle(), 1u) << "the connection is good";
  }
  EXPECT_EQ(greeted, 1);
  refuses = -1;
  EXPECT_TRUE(ask());
}

TEST_F(Links, APeerThatIsStartedAnewIsAskedAnew) {
  ASSERT_TRUE(ask());
  cut();
  EXPECT_TRUE(ask());
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(greeted, 2);
  EXPECT_EQ(link.idle(), 1u);
}

}  // namespace
}  // namespace callward::api
