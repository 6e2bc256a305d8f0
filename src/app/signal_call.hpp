// One recording session of a peer: its dialog and transactions (nta) around the pure
// capture::Session. What the session decides is done here: answers, messages to the recorder, our
// own requests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/signal_sip.hpp"
#include "capture/session.hpp"
#include "io/frame.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {

inline constexpr std::uint8_t kSavedDialogVersion = 1;
inline constexpr std::size_t kUnacknowledgedMax = 8;  // answered INVITEs of a dialog without ACK

// What the recorder keeps for us; it hands it back after our restart.
struct SavedDialog {
  std::uint8_t version = kSavedDialogVersion;
  std::string key;  // names the session for our whole life, also in a later process
  DialogState dialog;
  SecretBytes session;
  template <class V>
  void visit(V& v) {
    v(version, key, dialog, session);
  }
};

class SignalCall;

// What a session needs of the process.
class SignalHost {
 public:
  virtual ~SignalHost() = default;
  virtual SipStack& sip() = 0;
  virtual std::int64_t now_ms() = 0;
  // The reply comes to the call of that serial, if it still lives; never from inside this.
  virtual void ask_recorder(io::Frame frame, std::uint64_t serial,
                            std::function<void(SignalCall&, Result<io::Frame>)> on_reply) = 0;
  virtual void tell_telephone(const CallId& call, const std::string& telephone) = 0;
  virtual void end_recording(const CallId& call, const std::string& cause) = 0;
  virtual void report_missed(const std::string& cause, std::uint16_t sip_status) = 0;
  virtual void counted(const char* what) = 0;
  virtual void ended(SignalCall& call) = 0;  // may be destroyed once the callbacks are over
};

class SignalCall {
 public:
  SignalCall(SignalHost& host, const capture::SessionConfig& config, std::uint64_t serial,
             std::string key, capture::Session session);
  // A call of an earlier process. kMalformed: the saved state is not ours.
  static Result<std::unique_ptr<SignalCall>> restore(SignalHost& host,
                                                     const capture::SessionConfig& config,
                                                     std::uint64_t serial,
                                                     const store::Session& saved);
  ~SignalCall();
  SignalCall(const SignalCall&) = delete;
  SignalCall& operator=(const SignalCall&) = delete;

  void first_invite(nta_incoming_t* irq, const sip_t& sip);
  void on(capture::Event event);

  [[nodiscard]] std::uint64_t serial() const { return serial_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const CallId& call() const { return session_.call(); }
  [[nodiscard]] const std::string& media_address() const { return config_.media_address; }
  [[nodiscard]] bool due(std::int64_t now_ms) const { return now_ms >= session_.deadline_ms(); }

 private:
  using To = capture::action::Reply::To;
  static int on_dialog_request(void* self, nta_leg_t* leg, nta_incoming_t* irq, const sip_t* sip);
  static int on_ack_or_cancel(void* self, nta_incoming_t* irq, const sip_t* sip);
  static int on_response(void* self, nta_outgoing_t* orq, const sip_t* sip);
  void request(nta_incoming_t* irq, const sip_t& sip);
  void offer(nta_incoming_t* irq, const sip_t& sip);
  void acknowledged(nta_incoming_t* irq, bool timed_out);

  void perform(const capture::action::Reply& reply);
  void perform(const capture::action::Hold&);
  void perform(capture::action::OpenRecording& open);
  void perform(capture::action::UpdateRecording& update);
  void perform(const capture::action::ResumeRecording&);
  void perform(const capture::action::TellTelephone& tell);
  void perform(const capture::action::EndRecording& end);
  void perform(const capture::action::ReportMissed& missed);
  void perform(const capture::action::SendBye&);
  void perform(const capture::action::SendRefresh& refresh);

  void ask(io::Frame frame);
  void recorder_said(std::uint64_t question, bool opening, Result<io::Frame> reply);
  SecretBytes saved();
  std::vector<store::StreamSpec> specs(const std::vector<capture::Lane>& lanes) const;
  std::vector<store::StreamSource> sources(const std::vector<capture::Lane>& lanes) const;

  SignalHost& host_;
  const capture::SessionConfig& config_;
  std::uint64_t serial_;
  std::string key_;
  capture::Session session_;
  DialogState dialog_;
  nta_leg_t* leg_ = nullptr;
  nta_incoming_t* this_ = nullptr;               // the request of the event that is being handled
  nta_incoming_t* pending_ = nullptr;            // waits for the recorder
  std::vector<nta_incoming_t*> unacknowledged_;  // INVITEs that were answered 200
  nta_outgoing_t* refresh_ = nullptr;
  std::uint64_t question_ = 0;  // of the newest request to the recorder
  std::size_t openings_ = 0;    // SessionOpen without a reply
  bool told_ended_ = false;
};

}  // namespace callward::app
