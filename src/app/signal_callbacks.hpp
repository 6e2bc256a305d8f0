// The call-backs of the signal process: the link to the keeper, who orders them; those that run.
//
// Without [callback] there is no link and nothing runs. The keeper's absence ends nothing: what it
// did not hear is told when it is back. Our own end (SIGTERM) hangs up, as the relay ends with us;
// what an earlier process left open is hung up from what the recorder kept of it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "app/signal_callback.hpp"
#include "base/clock.hpp"
#include "base/vfs.hpp"

namespace callward::app {

inline constexpr std::size_t kEndedDialsKept = 256;       // their ends, for a keeper that
inline constexpr std::int64_t kEndedDialKeptMs = 60'000;  // comes back
inline constexpr std::int64_t kKeeperHelloTimeoutMs = 5'000;

// What the call-backs need of the recorder's link.
class CallBackRecorder {
 public:
  virtual ~CallBackRecorder() = default;
  virtual SipStack& sip() = 0;
  [[nodiscard]] virtual bool recorder_ready() const = 0;
  // The reply comes later, in every case exactly once.
  virtual void ask(io::Frame frame, std::function<void(Result<io::Frame>)> on_reply) = 0;
  virtual void tell_telephone(const CallId& call, const std::string& telephone) = 0;
  virtual void end_recording(const CallId& call, const std::string& cause) = 0;
};

class CallBacks final : public CallBackHost {
 public:
  CallBacks(io::Loop& loop, Clock& clock, Entropy& entropy, const Config& config,
            CallBackRecorder& recorder);
  ~CallBacks() override;
  Status read_secrets(Vfs& vfs);  // before the sandbox
  Status start();                 // behind it: the relay's thread is to stand in it, too

  // What became of an earlier process's call-back, if `saved` is one: it is hung up. False: it is
  // none.
  bool end_of_before(const store::Session& saved);
  void recorder_lost();
  void recorder_back();
  void dead(const CallId& call);
  void tick();
  void reap();  // with no callback on the stack
  void stop();  // hang up all; then wait until over()
  [[nodiscard]] bool over() const { return calls_.empty() && leaving_.empty(); }

  [[nodiscard]] std::size_t running() const { return calls_.size(); }
  [[nodiscard]] QueueGauge gauge() const {
    return {"signal.call_backs", calls_.size(), keys::kDialsMax, refused_};
  }
  [[nodiscard]] std::optional<QueueGauge> keeper_gauge() const;
  [[nodiscard]] std::string status_json() const;

 private:
  SipStack& sip() override { return recorder_.sip(); }
  Relay& relay() override { return *relay_; }
  Entropy& entropy() override { return entropy_; }
  std::int64_t now_ms() override { return clock_.monotonic_ms(); }
  void ask_recorder(io::Frame frame, std::uint64_t serial,
                    std::function<void(CallBackCall&, Result<io::Frame>)> on_reply) override;
  void tell_telephone(const CallId& call, const std::string& telephone) override {
    recorder_.tell_telephone(call, telephone);
  }
  void end_recording(const CallId& call, const std::string& cause) override;
  void tell_keeper(const keys::DialProgress& progress) override;

  void on_keeper_connected();
  void greet_again();
  void on_keeper_event(io::Frame frame);
  void on_dial(const io::Frame& frame);
  void on_hang_up(const keys::HangUp& order);
  keys::DialRefusal take(keys::Dial& order);
  CallBackCall* find(std::uint64_t serial);
  template <class Act>
  void each(Act act);

  // Legs of an earlier process: a BYE, and nobody waits for more.
  struct Leaving;

  io::Loop& loop_;
  Clock& clock_;
  Entropy& entropy_;
  const Config& config_;
  CallBackRecorder& recorder_;
  std::optional<DigestCredential> credential_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<io::Client> keeper_;
  bool keeper_ready_ = false, stopping_ = false;
  std::uint64_t next_serial_ = 1;
  std::map<std::uint64_t, std::unique_ptr<CallBackCall>> calls_;
  std::vector<std::unique_ptr<Leaving>> leaving_;
  struct Ended {
    keys::DialProgress progress;
    std::int64_t until_ms = 0;
  };
  std::deque<Ended> ended_;
  std::uint64_t refused_ = 0, ends_dropped_ = 0;
};

// As a header may hold it and a URI may be made of it. Empty: neither an extension nor a SIP URI.
std::string expert_target(const std::string& expert, const std::string& uri_template);
// E.164 (ITU-T): '+' and 7 to 15 digits.
bool is_e164(std::string_view number);

}  // namespace callward::app
