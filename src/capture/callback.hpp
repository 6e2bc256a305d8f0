// The call-back machine: third-party call control (RFC 3725) of two legs that we dial ourselves,
// the expert's first, then the customer's, and their recording; as a table. Pure, as session.hpp:
// events come in with the present time, actions go out; SIP, the relay and the recorder are the
// shell's.
//
//   idle --[start]--> opening --[recorder: opened]--> expert --[expert: answered]--> customer
//   customer --[customer: answered]--> joining --[recorder: updated]--> talking
//   talking --[recorder has lost the call]--> reopening --[recorder: opened]--> talking
//   any --[BYE, failure, time-out, keeper, recorder: refused, lost, dead]--> ending or ended
//   ending --[every INVITE that was cancelled has its answer]--> ended
//
// INVARIANTS
//   (1) No leg is dialled before the recorder has opened the call, and the gate of the relay is
//       open only while the recorder takes what passes: nobody talks unrecorded.
//   (2) The customer is dialled only once the expert has answered.
//   (3) When it has ended no dialog is open: an INVITE got its answer or was given up by time, what
//       was answered got a BYE or sent one.
//   (4) A call that the recorder opened gives exactly one EndRecording, unless the recorder itself
//       ended it or lost it.
//   (5) Exactly one end is told, with its cause.
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "base/id.hpp"
#include "base/result.hpp"
#include "capture/offer.hpp"
#include "keys/dial_protocol.hpp"

namespace callward::capture {

inline constexpr std::int64_t kCancelAnswerMs = 40'000;  // RFC 3261, 9.1: 64*T1, and some more

enum class Leg : std::uint8_t { kExpert = 0, kCustomer = 1 };
constexpr Leg other(Leg leg) { return leg == Leg::kExpert ? Leg::kCustomer : Leg::kExpert; }
enum class LegState : std::uint8_t { kNone, kInviting, kCancelling, kUp, kGone };

// What the relay lets through.
enum class Gate : std::uint8_t {
  kShut,   // nothing
  kEarly,  // from the customer to the expert: a tone, an announcement
  kOpen    // both ways
};

namespace callback_event {
struct Start {};
struct Opened {};   // the recorder has opened the call
struct Updated {};  // ... and taken what it was told last
struct Refused {    // ... or not
  Errc code{};
};
struct Dead {};  // the recorder ended the call
struct RecorderLost {};
struct RecorderBack {};
struct Early {  // the leg sends media before its answer
  Leg leg{};
};
struct Answered {  // 2xx; not usable: its SDP has no codec of ours
  Leg leg{};
  bool usable = true;
};
struct Failed {  // the final answer to the INVITE was not 2xx; 408: none came
  Leg leg{};
  std::uint16_t status = 0;
};
struct Hung {  // BYE
  Leg leg{};
};
struct Media {  // re-INVITE or UPDATE: whether it sends us sound from now on
  Leg leg{};
  bool sends = true;
};
struct HangUp {};  // the keeper's word
struct Stop {};    // our own process ends
struct Tick {};
}  // namespace callback_event
using CallBackEvent =
    std::variant<callback_event::Start, callback_event::Opened, callback_event::Updated,
                 callback_event::Refused, callback_event::Dead, callback_event::RecorderLost,
                 callback_event::RecorderBack, callback_event::Early, callback_event::Answered,
                 callback_event::Failed, callback_event::Hung, callback_event::Media,
                 callback_event::HangUp, callback_event::Stop, callback_event::Tick>;

namespace callback_action {
struct Open {              // a recording for both legs
  bool continued = false;  // the recorder has lost the first one
};
struct Update {};  // tell the recorder modes() and the dialogs
struct Resume {};  // tell a recorder that was restarted of this call
struct End {       // its recording
  const char* cause = "bye";
};
struct Invite {
  Leg leg{};
};
struct Cancel {
  Leg leg{};
};
struct SendBye {
  Leg leg{};
};
struct Drop {  // the answer to a CANCELled INVITE never came
  Leg leg{};
};
struct SetGate {
  Gate gate{};
};
struct Tell {  // the keeper
  keys::DialState state{};
  keys::DialCause cause{};
};
}  // namespace callback_action
using CallBackAction =
    std::variant<callback_action::Open, callback_action::Update, callback_action::Resume,
                 callback_action::End, callback_action::Invite, callback_action::Cancel,
                 callback_action::SendBye, callback_action::Drop, callback_action::SetGate,
                 callback_action::Tell>;
using CallBackActions = std::vector<CallBackAction>;

enum class CallBackPhase : std::uint8_t {
  kIdle,
  kOpening,
  kAbandoned,  // ended before the recorder has answered: if it opens the call, that ends at once
  kExpert,
  kCustomer,
  kJoining,
  kTalking,
  kReopening,
  kEnding,
  kEnded
};

struct CallBackTimes {
  std::int64_t deadline_ms = 0;  // all of it, from the start
  std::int64_t ring_expert_ms = 0, ring_customer_ms = 0;
};

class CallBack {
 public:
  explicit CallBack(const CallBackTimes& times) : times_(times) {}
  CallBackActions on(const CallBackEvent& event, std::int64_t now_ms);

  [[nodiscard]] CallBackPhase phase() const { return phase_; }
  [[nodiscard]] LegState leg(Leg leg) const { return legs_[static_cast<std::size_t>(leg)]; }
  [[nodiscard]] Gate gate() const { return gate_; }
  // What the recorder is to expect of a leg now.
  [[nodiscard]] Mode mode(Leg leg) const;
  [[nodiscard]] std::int64_t deadline_ms() const;  // of the next Tick; very late if there is none
  // Since both were connected; 0: they never were.
  [[nodiscard]] std::uint32_t talked_ms(std::int64_t now_ms) const;

 private:
  struct Rule;
  static const Rule* find_rule(CallBackPhase phase, std::size_t event);

  void start(const CallBackEvent& event);
  void opened(const CallBackEvent& event);
  void not_opened(const CallBackEvent& event);
  void abandon(const CallBackEvent& event);
  void opened_late(const CallBackEvent& event);
  void gone(const CallBackEvent& event);
  void answered(const CallBackEvent& event);
  void failed(const CallBackEvent& event);
  void hung(const CallBackEvent& event);
  void early(const CallBackEvent& event);
  void early_taken(const CallBackEvent& event);
  void early_refused(const CallBackEvent& event);
  void joined(const CallBackEvent& event);
  void unrecorded(const CallBackEvent& event);
  void dead(const CallBackEvent& event);
  void media(const CallBackEvent& event);
  void lost(const CallBackEvent& event);
  void back(const CallBackEvent& event);
  void update_refused(const CallBackEvent& event);
  void reopened(const CallBackEvent& event);
  void reopen_refused(const CallBackEvent& event);
  void hang_up(const CallBackEvent& event);
  void tick(const CallBackEvent& event);
  void answered_after_cancel(const CallBackEvent& event);
  void failed_after_cancel(const CallBackEvent& event);
  void ending_tick(const CallBackEvent& event);
  void ignore(const CallBackEvent&) {}

  LegState& state_of(Leg leg) { return legs_[static_cast<std::size_t>(leg)]; }
  void stop(keys::DialCause cause, const char* recording_cause);
  void set_gate(Gate gate);
  void settle();
  void tell(keys::DialState state, keys::DialCause cause = keys::DialCause::kNone);

  CallBackTimes times_;
  CallBackPhase phase_ = CallBackPhase::kIdle;
  std::array<LegState, 2> legs_{};
  std::array<bool, 2> sends_{true, true};
  Gate gate_ = Gate::kShut;
  bool recorded_ = false;  // a recording is open: it has to be ended
  bool early_ = false;     // the customer's side sends before its answer
  bool away_ = false;      // the recorder's socket is broken
  std::int64_t now_ms_ = 0, started_ms_ = 0, ringing_ms_ = 0, joined_ms_ = -1, ended_ms_ = 0;
  CallBackActions out_;
};

}  // namespace callward::capture
