// A peer behind a Unix socket that is a script: it can come and go, and gets each frame. What the
// rigs of recorder, listener and signal share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "io/frame.hpp"

namespace callward::app::test {

class SocketPeer {
 public:
  SocketPeer(io::Loop& loop, std::string path, std::size_t frame_bytes_max)
      : loop_(loop), path_(std::move(path)), frame_bytes_max_(frame_bytes_max) {}
  virtual ~SocketPeer() = default;
  SocketPeer(const SocketPeer&) = delete;
  SocketPeer& operator=(const SocketPeer&) = delete;

  void live() {
    auto server = io::ChannelServer::listen(
        loop_, path_, {"test", frame_bytes_max_, 64u << 20},
        [this](std::unique_ptr<io::Channel> channel) {
          auto* raw = channel.get();
          raw->set_handlers([this, raw](io::Frame frame) { on_frame(*raw, frame); }, [] {});
          channels.push_back(std::move(channel));
        });
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }
  void die() {
    server_.reset();
    channels.clear();
  }

  std::vector<std::unique_ptr<io::Channel>> channels;

 private:
  virtual void on_frame(io::Channel& channel, io::Frame& frame) = 0;

  io::Loop& loop_;
  std::string path_;
  std::size_t frame_bytes_max_;
  std::unique_ptr<io::ChannelServer> server_;
};

}  // namespace callward::app::test
