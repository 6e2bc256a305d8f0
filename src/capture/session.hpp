// The SIPREC session machine: one recording session (RFC 7866), as a table. Pure: what happens
// comes in as an event with the present time, what is to be done goes out as actions; sockets, SIP
// parsing, timers and the recorder are the shell's.
//
//   idle --[INVITE]--> opening --[recorder: opened]--> answered --[ACK]--> active
//   active --[re-INVITE, UPDATE]--> updating --[recorder: updated]--> answered or active
//   active --[recorder has lost the call]--> reopening --[recorder: opened]--> active (ports are
//   told anew) any --[BYE, CANCEL, session timer, recorder: dead, refused]--> ended
//
// INVARIANTS
//   (1) 200 is said to the first INVITE only after the recorder has opened the call: never
//       "recording" with nothing on disk.
//   (2) A first INVITE that is refused by us (not CANCELled) gives exactly one ReportMissed, with
//       the word why.
//   (3) A call that the recorder opened gives exactly one EndRecording, unless the recorder itself
//       ended it.
//   (4) Streams keep their numbers for the whole call.
//   (5) At whose telephone the call is, is told for each call that the recorder opened, when it
//       changes, and to a recorder that comes back.
//   (6) Every request gets exactly one final answer; one request at most waits for the recorder.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/id.hpp"
#include "base/pack.hpp"
#include "base/secret.hpp"
#include "capture/offer.hpp"
#include "capture/telephones.hpp"

namespace callward::capture {

inline constexpr std::uint32_t kRetryAfterS = 5;
inline constexpr std::uint32_t kSessionExpiresSMin = 90;  // what we ask for ourselves (RFC 4028, 4)

enum class Refresher : std::uint8_t { kNone = 0, kPeer = 1, kUs = 2 };

// An INVITE or UPDATE, read by the shell. Texts are a peer's: never logged, sealed with the call's
// data.
struct SipRequest {
  bool is_update = false;
  std::optional<Endpoint> source;  // whose packet or connection it was
  std::string call_id, from, to, contact, user_agent, session_id;  // session_id: RFC 7989
  std::string content_type, body;
  std::vector<std::string> require;        // option tags
  bool recording_client = false;           // Require: siprec, or +sip.src in the Contact
  bool supports_timer = false;             // Supported or Require: timer
  bool allows_update = false;              // Allow: UPDATE
  std::uint32_t session_expires_s = 0;     // 0: not given
  Refresher refresher = Refresher::kNone;  // uac = the peer, uas = us
};

namespace event {
struct Request {
  SipRequest sip;
};  // INVITE, re-INVITE, UPDATE
struct Ack {};
struct AckTimeout {};  // 200 was repeated for 32 s, and no ACK came
struct Cancel {};      // of the pending INVITE
struct Bye {};
struct Tick {};  // deadline_ms() has come
struct Opened {
  CallId call;
  std::vector<std::uint16_t> ports;
};
struct Updated {
  std::vector<std::uint16_t> ports;
};
struct Refused {
  Errc code{};
};  // the recorder said no to what was asked last
struct Dead {
  std::string cause;
};  // the recorder ended the call (no media)
struct RecorderLost {};  // its socket broke
struct RecorderBack {};
struct RefreshOk {};  // our UPDATE or re-INVITE was answered with 2xx
struct RefreshFailed {
  std::uint16_t status = 0;
};
}  // namespace event
using Event =
    std::variant<event::Request, event::Ack, event::AckTimeout, event::Cancel, event::Bye,
                 event::Tick, event::Opened, event::Updated, event::Refused, event::Dead,
                 event::RecorderLost, event::RecorderBack, event::RefreshOk, event::RefreshFailed>;

namespace action {
// A final answer. To the request of this event, or to the one that waited for the recorder.
struct Reply {
  enum class To : std::uint8_t { kThis, kPending };
  To to = To::kThis;
  std::uint16_t status = 200;
  std::string sdp;                      // application/sdp, or empty
  std::uint32_t retry_after_s = 0;      // 0: none
  std::uint32_t session_expires_s = 0;  // 0: no Session-Expires
  Refresher refresher = Refresher::kNone;
  std::vector<std::string> unsupported;  // of a 420
};
struct Hold {};  // no answer yet: the request of this event becomes the pending one
struct OpenRecording {
  Direction direction{};
  std::vector<Lane> streams;
  SecretBytes call_data;
  std::vector<std::string> flags;
};
struct UpdateRecording {
  std::vector<Lane> streams;
  SecretBytes call_data;
};  // call_data empty: unchanged
struct ResumeRecording {};  // tell a recorder that was restarted of this session
// At whose telephone the call is; empty: nobody's, or several. No answer comes.
struct TellTelephone {
  std::string telephone;
};
struct EndRecording {
  std::string cause;
};
struct ReportMissed {
  std::string cause;
  std::uint16_t sip_status = 0;
};
struct SendBye {};
// UPDATE without a body, or re-INVITE with SDP. It repeats the session timer: without
// Session-Expires the peer would take the timer for ended (RFC 4028, 7.4 and 9).
struct SendRefresh {
  bool by_update = false;
  std::string sdp;
  std::uint32_t session_expires_s = 0;  // 0: no Session-Expires
  Refresher refresher = Refresher::kNone;
};
}  // namespace action
using Action =
    std::variant<action::Reply, action::Hold, action::OpenRecording, action::UpdateRecording,
                 action::ResumeRecording, action::TellTelephone, action::EndRecording,
                 action::ReportMissed, action::SendBye, action::SendRefresh>;
using Actions = std::vector<Action>;

enum class Phase : std::uint8_t {
  kIdle,
  kOpening,
  kAnswered,
  kActive,
  kUpdating,
  kReopening,
  kEnded
};

struct SessionConfig {
  OwnParties own{{}, {}};
  std::string media_address = "127.0.0.1";
  std::uint32_t session_expires_s = 1800;
};

class Session {
 public:
  // `sdp_id` names the session in our SDP (any number).
  Session(const SessionConfig& config, std::uint64_t sdp_id) : config_(config), sdp_id_(sdp_id) {}

  Actions on(Event event, std::int64_t now_ms);

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] const CallId& call() const { return kept_.call; }
  [[nodiscard]] std::vector<Lane> streams()
      const;  // the recorded lanes, in the order told to the recorder
  [[nodiscard]] std::int64_t deadline_ms()
      const;  // of the next Tick; a very late time if there is none

  // What the recorder keeps for us over our own restart (opaque to it, as sealed as it is in
  // memory).
  [[nodiscard]] SecretBytes save() const;
  // Active again as it was; ports as the recorder says. kMalformed: not our bytes.
  static Result<Session> restore(const SessionConfig& config, ByteView saved, const CallId& call,
                                 const std::vector<std::uint16_t>& ports, std::int64_t now_ms);

 private:
  struct Rule;
  static const Rule* find_rule(Phase phase, std::size_t event);

  void open(Event& event);
  void opened(Event& event);
  void refused(Event& event);
  void cancel(Event& event);
  void bye_while_opening(Event& event);
  void not_now(Event& event);
  void acknowledged(Event& event);
  void update(Event& event);
  void updated(Event& event);
  void update_refused(Event& event);
  void update_interrupted(Event& event);
  void bye(Event& event);
  void tick(Event& event);
  void dead(Event& event);
  void lost(Event& event);
  void back(Event& event);
  void resumed(Event& event);
  void resume_refused(Event& event);
  void reopened(Event& event);
  void reopen_refused(Event& event);
  void refresh_ok(Event& event);
  void refresh_failed(Event& event);
  void gone(Event& event);
  void ignore(Event&) {}

  bool check_options(const SipRequest& sip, bool report);
  void refuse_first(std::uint16_t status, std::string cause,
                    std::vector<std::string> unsupported = {});
  void reply_with_session(action::Reply::To to);
  void answer_refresh(bool is_update);
  SecretBytes take_offer(const Offer& offer);
  void set_timer(const SipRequest& sip);
  bool set_ports(const std::vector<std::uint16_t>& ports);
  SecretBytes call_data(const Offer& offer, const Plan& plan) const;
  void tell_ports_anew();
  void tell_telephone();
  void stop(std::string_view cause, bool send_bye);

  // Kept over a restart.
  struct Kept {
    CallId call;
    std::vector<Lane> lanes;
    std::vector<std::string> sdp_text;  // the last offer that was accepted
    std::vector<std::string> flags;
    SecretBytes call_data;  // as given at the opening, for a reopening
    Direction direction = Direction::kUnknown;
    std::uint64_t sdp_id = 0, sdp_version = 0;
    std::uint32_t interval_s = 0;  // session timer; 0: none
    Refresher refresher = Refresher::kNone;
    bool allows_update = false;
    std::string call_id, from, to, contact, user_agent, session_id;
    Telephones telephones;
    template <class V>
    void visit_before(V& v) {
      v(call, lanes, sdp_text, flags, call_data, direction, sdp_id, sdp_version, interval_s,
        refresher, allows_update, call_id, from, to, contact, user_agent, session_id);
    }
    template <class V>
    void visit(V& v) {
      visit_before(v);
      v(telephones);
    }
  };
  struct KeptBefore {  // by a version that did not know of telephones
    Kept kept;
    template <class V>
    void visit(V& v) {
      kept.visit_before(v);
    }
  };

  const SessionConfig& config_;
  std::uint64_t sdp_id_;
  Phase phase_ = Phase::kIdle;
  Kept kept_;
  std::optional<std::string> told_;  // to this recorder, of this call
  Telephones telephones_before_;
  std::vector<Lane> lanes_before_;  // while updating: what holds again if the recorder refuses
  std::vector<std::string> sdp_before_;
  bool pending_is_update_ = false;
  bool cancelled_ = false;
  std::string cancel_cause_;
  bool away_ = false;  // the recorder's socket is broken
  bool refreshing_ = false;
  std::int64_t refreshed_ms_ = 0;
  std::int64_t now_ms_ = 0;
  Actions out_;
};

}  // namespace callward::capture
