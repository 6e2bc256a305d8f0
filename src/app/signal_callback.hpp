// One call-back: its two legs (signal_leg), the relay between them and its recording, around the
// pure capture::CallBack. What the machine decides is done here.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/relay.hpp"
#include "app/signal_leg.hpp"
#include "capture/callback.hpp"
#include "capture/callback_media.hpp"
#include "io/frame.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {

// Other than of a SavedDialog (signal_call.hpp): the first byte tells them apart.
inline constexpr std::uint8_t kSavedCallBackVersion = 0x81;

// What the recorder keeps for us, so that after our own restart no dialog is left open.
struct SavedCallBack {
  std::uint8_t version = kSavedCallBackVersion;
  DialId dial;
  std::vector<DialogState> legs;  // those that are up
  template <class V>
  void visit(V& v) {
    v(version, dial, legs);
  }
};

class CallBackCall;

// What a call-back needs of the process.
class CallBackHost {
 public:
  virtual ~CallBackHost() = default;
  virtual SipStack& sip() = 0;
  virtual Relay& relay() = 0;
  virtual Entropy& entropy() = 0;
  virtual std::int64_t now_ms() = 0;
  // The reply comes to the call-back of that serial, if it still lives; never from inside this.
  virtual void ask_recorder(io::Frame frame, std::uint64_t serial,
                            std::function<void(CallBackCall&, Result<io::Frame>)> on_reply) = 0;
  virtual void tell_telephone(const CallId& call, const std::string& telephone) = 0;
  virtual void end_recording(const CallId& call, const std::string& cause) = 0;
  virtual void tell_keeper(const keys::DialProgress& progress) = 0;
};

// What stands in the configuration and in the order.
struct CallBackPlan {
  DialId dial;
  capture::CallBackTimes times;
  std::string proxy, from;
  std::string expert_target, customer_target;  // URIs; the second holds the number
  SecretBytes number;
  std::vector<std::uint8_t> codecs;
  std::string media_address;     // of the relay, towards the legs
  std::string recorder_address;  // where the recorder has its sockets
  const DigestCredential* credential = nullptr;
};

class CallBackCall final : public LegOwner {
 public:
  CallBackCall(CallBackHost& host, std::uint64_t serial, CallBackPlan plan)
      : host_(host), serial_(serial), plan_(std::move(plan)), machine_(plan_.times) {}
  ~CallBackCall() override;
  CallBackCall(const CallBackCall&) = delete;
  CallBackCall& operator=(const CallBackCall&) = delete;

  Status start();  // kFull: no ports
  void on(const capture::CallBackEvent& event);

  [[nodiscard]] const DialId& dial() const { return plan_.dial; }
  [[nodiscard]] const CallId& call() const { return call_; }
  [[nodiscard]] std::uint64_t serial() const { return serial_; }
  [[nodiscard]] bool due(std::int64_t now_ms) const { return now_ms >= machine_.deadline_ms(); }
  [[nodiscard]] bool ended() const { return told_.state == keys::DialState::kEnded; }
  // The latest that was told; of state 0: nothing yet.
  [[nodiscard]] const keys::DialProgress& told() const { return told_; }
  // Nothing of it waits for an answer of anybody.
  [[nodiscard]] bool over() const;

 private:
  void leg_early(capture::Leg leg, std::string_view sdp) override;
  void leg_answered(capture::Leg leg, std::string_view sdp) override;
  void leg_failed(capture::Leg leg, std::uint16_t status) override;
  void leg_hung(capture::Leg leg) override;
  std::optional<std::string> leg_offered(capture::Leg leg, std::string_view sdp) override;
  std::string leg_offer(capture::Leg leg) override;
  void leg_offer_answered(capture::Leg leg, std::string_view sdp) override;

  void perform(const capture::callback_action::Open& open);
  void perform(const capture::callback_action::Update&);
  void perform(const capture::callback_action::Resume&);
  void perform(const capture::callback_action::End& end);
  void perform(const capture::callback_action::Invite& invite);
  void perform(const capture::callback_action::Cancel& cancel);
  void perform(const capture::callback_action::SendBye& bye);
  void perform(const capture::callback_action::Drop& drop);
  void perform(const capture::callback_action::SetGate& gate);
  void perform(const capture::callback_action::Tell& tell);

  void tell_telephone();
  void ask(io::Frame frame, bool opening);
  void recorder_said(std::uint64_t question, bool opening, Result<io::Frame> reply);
  void set_ports(const std::vector<std::uint16_t>& ports);
  void take_media(capture::Leg leg, const capture::PeerMedia& media);
  std::vector<std::uint8_t> codecs() const;
  capture::OwnMedia own_media(capture::Leg leg) const;
  std::vector<store::StreamSpec> specs() const;
  std::vector<store::StreamSource> sources() const;
  SecretBytes saved();
  SecretBytes call_data() const;

  CallBackHost& host_;
  std::uint64_t serial_;
  CallBackPlan plan_;
  capture::CallBack machine_;
  std::array<std::unique_ptr<CallLeg>, 2> legs_;            // by capture::Leg
  std::array<std::optional<capture::PeerMedia>, 2> media_;  // what each said last
  std::array<std::uint64_t, 2> sdp_versions_{1, 1};
  Relay::Ports ports_;
  std::array<std::uint16_t, 2> recorder_ports_{};
  CallId call_;
  keys::DialProgress told_;
  std::uint64_t sdp_id_ = 0;
  std::uint64_t question_ = 0;  // of the newest request to the recorder
  std::size_t asked_ = 0;       // openings without a reply
};

}  // namespace callward::app
