// The signal process: the shell around capture::Session. Holds the sessions of all peers, the link
// to the recorder, and what has to be told to the recorder when it is away.
//
// After its own restart it asks the recorder for the sessions that run and goes on with them; SIP
// waits in the sockets meanwhile (at most kRestoreWaitMs), so that a BYE of an old dialog finds it.
// SIGTERM ends no session: whoever starts us again goes on, and peers that wait in vain end theirs
// by their session timers.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/config.hpp"
#include "app/process.hpp"
#include "app/signal_call.hpp"
#include "app/signal_callbacks.hpp"
#include "base/clock.hpp"
#include "base/entropy.hpp"
#include "io/frame.hpp"

namespace callward::app {

inline constexpr std::int64_t kRestoreWaitMs = 2'000;
inline constexpr std::int64_t kRecorderTimeoutMs = 8'000;
inline constexpr std::size_t kRecorderNewsMax = 20'000;  // ends and missed calls, recorder away
// Refused calls of one cause and code: so many a minute are told one by one, the rest as a number
// at its end. Strangers can refuse themselves as often as they like; the log must not grow with it.
inline constexpr std::uint32_t kMissedSinglyMax = 60;
inline constexpr std::int64_t kMissedMinuteMs = 60'000;
inline constexpr std::int64_t kLastNewsMs = 1'000;  // at our own end
inline constexpr std::size_t kSessionsSpare = 64;   // over recorder.calls_max: ended ones linger

class Signal final : public SignalHost, private CallBackRecorder {
 public:
  Signal(io::Loop& loop, Clock& clock, Entropy& entropy, const Config& config);
  ~Signal() override;
  Status bind();  // before the sandbox: nothing is read yet
  Status start();
  Status run();  // until stop()
  void stop() { running_ = false; }
  void set_on_ready(std::function<void()> on_ready) { on_ready_ = std::move(on_ready); }
  Status step(std::int64_t wait_ms_max);

  [[nodiscard]] const std::string& address() const { return sip_->address(); }
  [[nodiscard]] bool ready() const { return recorder_ready_; }
  [[nodiscard]] std::size_t sessions() const { return calls_.size(); }
  [[nodiscard]] std::string status_json() const;

  SipStack& sip() override { return *sip_; }
  std::int64_t now_ms() override { return clock_.monotonic_ms(); }
  void ask_recorder(io::Frame frame, std::uint64_t serial,
                    std::function<void(SignalCall&, Result<io::Frame>)> on_reply) override;
  void tell_telephone(const CallId& call, const std::string& telephone) override;
  void end_recording(const CallId& call, const std::string& cause) override;
  [[nodiscard]] bool recorder_ready() const override { return recorder_ready_; }
  void ask(io::Frame frame, std::function<void(Result<io::Frame>)> on_reply) override;
  [[nodiscard]] const CallBacks& call_backs() const { return call_backs_; }
  void report_missed(const std::string& cause, std::uint16_t sip_status) override;
  void counted(const char* what) override { ++counters_[what]; }
  void ended(SignalCall& call) override;

 private:
  using News = std::variant<store::SessionEnd, store::CallMissed>;

  void on_request(nta_incoming_t* irq, const sip_t& sip);
  void on_invite(nta_incoming_t* irq, const sip_t& sip);
  void on_connected();
  void greet_again();
  void on_lost();
  void on_event(io::Frame frame);
  void on_sessions(const store::Sessions& sessions);
  void restore(const store::Session& saved);
  void sweep();
  void tell(News news);
  void tell_missed(bool at_once);
  void send_news();
  void news_answered(News news, const Result<io::Frame>& reply);
  SignalCall* find(std::uint64_t serial);
  template <class Act>
  void each_call(Act act);

  io::Loop& loop_;
  Clock& clock_;
  Entropy& entropy_;
  const Config& config_;
  capture::SessionConfig session_config_;
  std::unique_ptr<SipStack> sip_;
  std::unique_ptr<io::Client> recorder_;
  CallBacks call_backs_;
  std::function<void()> on_ready_;
  bool running_ = true;
  bool recorder_ready_ = false;  // greeted, and its sessions are known
  bool listed_ = false;          // once since our start
  std::int64_t started_ms_ = 0;
  std::uint64_t next_serial_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<SignalCall>> calls_;
  std::unordered_map<std::string, std::uint64_t> by_key_;
  std::vector<std::uint64_t> ended_;  // destroyed when no callback is on the stack
  std::deque<News> news_;             // the recorder has not taken these yet
  std::size_t news_under_way_ = 0;
  std::uint64_t news_refused_ = 0, sessions_refused_ = 0;
  std::map<std::string, std::uint64_t> counters_;
  std::map<std::string, std::uint64_t> refused_;  // by cause
  struct Missed {
    std::int64_t began_ms = 0;
    std::uint32_t singly = 0;
    std::uint64_t beyond = 0;
  };
  std::map<std::pair<std::string, std::uint16_t>, Missed> missed_;  // our own causes: few
};

}  // namespace callward::app
