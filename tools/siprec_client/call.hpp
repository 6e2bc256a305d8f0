// One recording session: INVITE with two streams and metadata, media in real time, hold and resume,
// CANCEL or BYE; and what became of it, as one JSON line.
//
//   idle → inviting → talking → ending → done         (inviting → done when refused or cancelled)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "media.hpp"
#include "options.hpp"
#include "sip_socket.hpp"
#include "wire/sdp.hpp"

namespace callward::siprec_client {

class Call {
 public:
  // `sounds`: the customer's and the agent's, already in the codec.
  Call(const Options& options, SipSocket& sip, Clock& clock, std::size_t index,
       const std::vector<std::shared_ptr<const Bytes>>& sounds);
  Status begin();
  void tick();
  void on_message(const SipMessage& message);
  void say_again();  // a TCP connection was made anew

  [[nodiscard]] bool done() const { return state_ == State::kDone; }
  [[nodiscard]] const std::string& call_id() const { return call_id_; }
  [[nodiscard]] bool as_intended() const;
  [[nodiscard]] std::string result() const;
  Status write_sent(const std::string& dir) const;

 private:
  enum class State { kIdle, kInviting, kTalking, kEnding, kDone };
  struct Outstanding {  // a request without its final answer
    std::string method, message;
    unsigned cseq = 0;
    std::int64_t next_ms = 0, interval_ms = 0, deadline_ms = 0;
    bool provisional = false;
  };
  std::string request(const std::string& method, unsigned cseq, const std::string& branch,
                      const std::string& headers = "", const std::string& body = "") const;
  void ask(const std::string& method, const std::string& headers = "",
           const std::string& body = "");
  void invite(bool active);
  void acknowledge(const SipMessage& answer);
  void on_answer(const SipMessage& answer);
  void on_invite_answer(const SipMessage& answer);
  void on_request(const SipMessage& request);
  void reply(const SipMessage& request, int status, const std::string& phrase,
             const std::string& body = "");
  void take_sdp(const std::string& body);
  void plan(std::int64_t now_ms);
  void repeat(std::int64_t now_ms);
  void bye();
  void end(std::string how);

  const Options& options_;
  SipSocket& sip_;
  Clock& clock_;
  State state_ = State::kIdle;
  std::string call_id_, tag_, session_, remote_target_, remote_to_;
  std::uint64_t sdp_version_ = 0;
  unsigned cseq_ = 0, invite_cseq_ = 0, branches_ = 0;
  std::string invite_branch_, last_ack_;
  std::vector<Outstanding> outstanding_;
  std::vector<MediaStream> streams_;
  bool taken_[2] = {false, false};  // the server gave the stream a port
  bool cancel_wanted_ = false, cancelled_ = false;
  enum class Hold { kNone, kAsked, kHeld, kResuming, kOver } hold_ = Hold::kNone;
  std::int64_t invited_ms_ = -1, answered_ms_ = -1, held_ms_ = -1;
  std::int64_t began_utc_ = 0, answered_utc_ = 0, ended_utc_ = 0;
  int sip_status_ = 0, change_status_ = 0;
  std::string ended_;
};

}  // namespace callward::siprec_client
