// One leg of a call-back: a dialog that we begin ourselves (RFC 3261 as UAC), over `nta`. Requests
// of the peer within it are answered here or by its owner; what they mean is capture::CallBack's.
//
// Every request goes to the configured proxy, or along the dialog's route. A 401 or 407 of the
// proxy's realm is answered once a request. A 3xx is a failure: whom we call is not the network's
// to choose. No reason phrase, name or address of this leg leaves it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/signal_sip.hpp"
#include "app/sip_digest.hpp"
#include "base/entropy.hpp"
#include "capture/callback.hpp"

namespace callward::app {

inline constexpr std::size_t kLegUnacknowledgedMax = 8;  // re-INVITEs without an ACK

class LegOwner {
 public:
  virtual ~LegOwner() = default;
  // Never from inside a call of the leg's own functions.
  virtual void leg_early(capture::Leg leg, std::string_view sdp) = 0;
  virtual void leg_answered(capture::Leg leg, std::string_view sdp) = 0;  // acknowledged already
  virtual void leg_failed(capture::Leg leg, std::uint16_t status) = 0;
  virtual void leg_hung(capture::Leg leg) = 0;
  // A re-INVITE's or UPDATE's offer; nothing: 488.
  virtual std::optional<std::string> leg_offered(capture::Leg leg, std::string_view sdp) = 0;
  // For a re-INVITE without one: ours, and the ACK's answer.
  virtual std::string leg_offer(capture::Leg leg) = 0;
  virtual void leg_offer_answered(capture::Leg leg, std::string_view sdp) = 0;
};

struct LegPlan {
  capture::Leg leg{};
  std::string proxy;   // URI
  std::string from;    // a From header's value, without tag
  std::string target;  // whom to call: URI
  std::string call_id;
  const DigestCredential* credential = nullptr;  // none: a challenge is a failure
};

class CallLeg {
 public:
  CallLeg(SipStack& sip, Entropy& entropy, LegOwner& owner, LegPlan plan);
  // A dialog of an earlier process, to be ended with bye(). kMalformed: not one that we saved.
  static Result<std::unique_ptr<CallLeg>> restore(SipStack& sip, Entropy& entropy, LegOwner& owner,
                                                  LegPlan plan, const DialogState& saved);
  ~CallLeg();
  CallLeg(const CallLeg&) = delete;
  CallLeg& operator=(const CallLeg&) = delete;

  // False: it could not be sent; nothing more comes of it.
  bool invite(std::string sdp);
  void cancel();
  void bye();
  void drop();  // the INVITE's answer is waited for no longer

  [[nodiscard]] bool up() const { return up_; }
  // Nothing of it waits for an answer: it may be destroyed.
  [[nodiscard]] bool quiet() const { return bye_ == nullptr && (invite_ == nullptr || answered_); }
  // Of a leg that is up.
  [[nodiscard]] DialogState save();

 private:
  static int on_request(void* self, nta_leg_t*, nta_incoming_t* irq, const sip_t* sip);
  static int on_ack(void* self, nta_incoming_t* irq, const sip_t* sip);
  static int on_invite_response(void* self, nta_outgoing_t* orq, const sip_t* sip);
  static int on_bye_response(void* self, nta_outgoing_t* orq, const sip_t* sip);
  void request(nta_incoming_t* irq, const sip_t& sip);
  void offer(nta_incoming_t* irq, const sip_t& sip);
  void acknowledged(nta_incoming_t* irq, const sip_t* sip);
  void answered(const sip_t& sip);
  void acknowledge(const sip_t& sip);
  void provisional(int status, const sip_t& sip);
  bool send_invite();
  bool send_bye();
  // Whether the request may be sent again with an answer to this challenge.
  bool take_challenge(const sip_t* sip, int status, const char* method, const std::string& uri);
  bool create_leg();

  SipStack& sip_;
  Entropy& entropy_;
  LegOwner& owner_;
  LegPlan plan_;
  bool tcp_ = false;
  nta_leg_t* leg_ = nullptr;
  nta_outgoing_t* invite_ = nullptr;
  nta_outgoing_t* bye_ = nullptr;
  struct Unacknowledged {
    nta_incoming_t* irq = nullptr;
    bool offered = false;  // the SDP in our 200 was an offer
  };
  std::vector<Unacknowledged> unacknowledged_;
  std::string sdp_;            // of the INVITE
  std::string authorization_;  // the header's value that answers the last challenge
  bool to_proxy_ = true;       // whether the challenge was a proxy's
  bool challenged_ = false;    // this request has been sent again already
  bool up_ = false, answered_ = false, cancelled_ = false;
};

}  // namespace callward::app
