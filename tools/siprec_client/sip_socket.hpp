// The one SIP socket of all calls: UDP, or one TCP connection that comes back when it breaks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "io/fd.hpp"
#include "io/loop.hpp"
#include "options.hpp"
#include "sip_text.hpp"

namespace callward::siprec_client {

class SipSocket {
 public:
  using OnMessage = std::function<void(const SipMessage&)>;
  // `on_again`: a TCP connection was made anew, what is unanswered should be said again.
  static Result<std::unique_ptr<SipSocket>> open(io::Loop& loop, const Options& options,
                                                 OnMessage on_message,
                                                 std::function<void()> on_again);
  ~SipSocket();
  void send(const std::string& message);
  [[nodiscard]] const std::string& address() const { return address_; }  // ours, without the port
  [[nodiscard]] std::string contact() const {
    return address_ + ":" + std::to_string(port_) + (options_.tcp ? ";transport=tcp" : "");
  }
  [[nodiscard]] std::string via(const std::string& branch) const {
    return std::string("SIP/2.0/") + (options_.tcp ? "TCP " : "UDP ") + address_ + ":" +
           std::to_string(port_) + ";branch=" + branch;
  }

 private:
  SipSocket(io::Loop& loop, const Options& options) : loop_(loop), options_(options) {}
  Status connect();
  void reconnect();
  void on_events(std::uint32_t events);
  bool read();
  bool flush();

  io::Loop& loop_;
  const Options& options_;
  OnMessage on_message_;
  std::function<void()> on_again_;
  io::Fd fd_;
  std::string address_, input_, output_;
  std::uint16_t port_ = 0;
};

}  // namespace callward::siprec_client
