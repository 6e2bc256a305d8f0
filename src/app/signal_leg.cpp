#include "app/signal_leg.hpp"

#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_tagarg.h>

#include <algorithm>

#include "base/event_log.hpp"

namespace callward::app {
namespace {

const url_string_t* as_url(const std::string& text) {
  return reinterpret_cast<const url_string_t*>(text.c_str());
}

// As it stands in the request's first line, which is what a digest is made over.
std::string uri_of(nta_outgoing_t* orq) {
  std::array<char, 1'024> text{};
  const auto* uri = ::nta_outgoing_request_uri(orq);
  const auto size = uri == nullptr ? 0 : ::url_e(text.data(), text.size(), uri);
  return size > 0 && static_cast<std::size_t>(size) < text.size() ? std::string(text.data())
                                                                  : std::string();
}

std::string_view sdp_of(const sip_t& sip) {
  const auto* type = sip.sip_content_type;
  if (sip.sip_payload == nullptr || sip.sip_payload->pl_data == nullptr) return {};
  if (type == nullptr || type->c_type == nullptr ||
      ::strcasecmp(type->c_type, "application/sdp") != 0)
    return {};
  return {sip.sip_payload->pl_data, sip.sip_payload->pl_len};
}

// A final answer that says no more than it must: on a leg we are no recording server.
void end_with(nta_incoming_t* irq, int status) {
  ::nta_incoming_treply(irq, status, ::sip_status_phrase(status), SIPTAG_SERVER_STR(kSipServer),
                        SIPTAG_ALLOW_STR(kSipAllow), TAG_END());
  ::nta_incoming_destroy(irq);
}

std::vector<std::string> challenges_of(const sip_t& sip, bool proxy) {
  std::vector<std::string> out;
  const auto* next = proxy ? sip.sip_proxy_authenticate : sip.sip_www_authenticate;
  for (; next != nullptr; next = next->au_next) out.push_back(header_text(next));
  return out;
}

}  // namespace

CallLeg::CallLeg(SipStack& sip, Entropy& entropy, LegOwner& owner, LegPlan plan)
    : sip_(sip),
      entropy_(entropy),
      owner_(owner),
      plan_(std::move(plan)),
      tcp_(plan_.proxy.find("transport=tcp") != std::string::npos) {}

CallLeg::~CallLeg() {
  if (invite_ != nullptr) ::nta_outgoing_destroy(invite_);
  if (bye_ != nullptr) ::nta_outgoing_destroy(bye_);
  for (const auto& waiting : unacknowledged_) ::nta_incoming_destroy(waiting.irq);
  if (leg_ != nullptr) ::nta_leg_destroy(leg_);
}

Result<std::unique_ptr<CallLeg>> CallLeg::restore(SipStack& sip, Entropy& entropy, LegOwner& owner,
                                                  LegPlan plan, const DialogState& saved) {
  auto leg = std::make_unique<CallLeg>(sip, entropy, owner, std::move(plan));
  leg->tcp_ = saved.tcp;
  leg->leg_ = TRY(sip.restore_leg(saved, on_request, leg.get()));
  leg->up_ = leg->answered_ = true;
  return leg;
}

bool CallLeg::create_leg() {
  leg_ = sip_.begin_leg(plan_.from, "<" + plan_.target + ">", plan_.call_id, on_request, this);
  return leg_ != nullptr;
}

DialogState CallLeg::save() {
  DialogState state;
  state.call_id = plan_.call_id;
  state.tcp = tcp_;
  if (leg_ == nullptr) return state;
  const char* local = ::nta_leg_get_tag(leg_);
  const char* remote = ::nta_leg_get_rtag(leg_);
  state.local = plan_.from + ";tag=" + (local == nullptr ? "" : local);
  state.remote = "<" + plan_.target + ">;tag=" + (remote == nullptr ? "" : remote);
  return sip_.save_leg(leg_, state);
}

// ---- what we send -------------------------------------------------------------------------------

bool CallLeg::invite(std::string sdp) {
  sdp_ = std::move(sdp);
  return create_leg() && send_invite();
}

bool CallLeg::send_invite() {
  const auto contact = sip_.call_contact(tcp_);
  const bool proxy = !authorization_.empty() && to_proxy_;
  const bool server = !authorization_.empty() && !to_proxy_;
  invite_ = ::nta_outgoing_tcreate(
      leg_, on_invite_response, this, as_url(plan_.proxy), SIP_METHOD_INVITE, as_url(plan_.target),
      SIPTAG_CONTACT_STR(contact.c_str()), SIPTAG_USER_AGENT_STR(kSipServer),
      SIPTAG_ALLOW_STR(kSipAllow),
      TAG_IF(proxy, SIPTAG_PROXY_AUTHORIZATION_STR(authorization_.c_str())),
      TAG_IF(server, SIPTAG_AUTHORIZATION_STR(authorization_.c_str())),
      SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(sdp_.c_str()), TAG_END());
  return invite_ != nullptr;
}

void CallLeg::cancel() {
  if (invite_ == nullptr || answered_ || cancelled_) return;
  cancelled_ = true;
  // The library sends it once something has come of the INVITE (RFC 3261, 9.1).
  (void)::nta_outgoing_tcancel(invite_, nullptr, nullptr, SIPTAG_USER_AGENT_STR(kSipServer),
                               TAG_END());
}

void CallLeg::drop() {
  if (invite_ != nullptr) ::nta_outgoing_destroy(std::exchange(invite_, nullptr));
}

void CallLeg::bye() {
  if (leg_ == nullptr || !up_ || bye_ != nullptr) return;
  up_ = false;
  challenged_ = false;
  if (!send_bye()) log_event("signal.bye_not_sent");
}

bool CallLeg::send_bye() {
  const bool proxy = challenged_ && to_proxy_, server = challenged_ && !to_proxy_;
  bye_ = ::nta_outgoing_tcreate(
      leg_, on_bye_response, this, nullptr, SIP_METHOD_BYE, nullptr,
      SIPTAG_USER_AGENT_STR(kSipServer),
      TAG_IF(proxy, SIPTAG_PROXY_AUTHORIZATION_STR(authorization_.c_str())),
      TAG_IF(server, SIPTAG_AUTHORIZATION_STR(authorization_.c_str())), TAG_END());
  return bye_ != nullptr;
}

bool CallLeg::take_challenge(const sip_t* sip, int status, const char* method,
                             const std::string& uri) {
  if ((status != 401 && status != 407) || sip == nullptr || challenged_ ||
      plan_.credential == nullptr)
    return false;
  to_proxy_ = status == 407;
  auto said = plan_.credential->answer(challenges_of(*sip, to_proxy_), method, uri,
                                       to_hex(entropy_.array<8>()), 1);
  if (!said) {
    log_event("signal.challenge_not_answered", {{"why", to_string(said.error().code)}});
    return false;
  }
  authorization_ = std::move(*said);
  challenged_ = true;
  return true;
}

// ---- answers ------------------------------------------------------------------------------------

int CallLeg::on_invite_response(void* self, nta_outgoing_t* orq, const sip_t* sip) {
  auto& leg = *static_cast<CallLeg*>(self);
  if (orq != leg.invite_) return 0;
  const int status = ::nta_outgoing_status(orq);
  if (status < 200) {
    if (sip != nullptr) leg.provisional(status, *sip);
    return 0;
  }
  if (status < 300 && sip != nullptr) {
    leg.answered(*sip);
    return 0;
  }
  if (leg.answered_) return 0;
  const auto uri = uri_of(orq);
  ::nta_outgoing_destroy(std::exchange(leg.invite_, nullptr));
  if (!leg.cancelled_ && leg.take_challenge(sip, status, "INVITE", uri) && leg.send_invite())
    return 0;
  leg.owner_.leg_failed(leg.plan_.leg, static_cast<std::uint16_t>(status));
  return 0;
}

void CallLeg::provisional(int status, const sip_t& sip) {
  const auto sdp = sdp_of(sip);
  if (status > 100 && !sdp.empty() && !cancelled_) owner_.leg_early(plan_.leg, sdp);
}

void CallLeg::answered(const sip_t& sip) {
  if (answered_) return acknowledge(sip);  // our ACK was lost on its way
  answered_ = up_ = true;
  if (sip.sip_to->a_tag != nullptr) ::nta_leg_rtag(leg_, sip.sip_to->a_tag);
  if (sip.sip_contact != nullptr) {
    ::nta_leg_client_route(leg_, sip.sip_record_route, sip.sip_contact);
  } else {  // RFC 3261, 12.1.2 requires one; without it the peer is where it was called
    sip_.route_to(leg_, sip.sip_record_route, plan_.target);
  }
  acknowledge(sip);
  owner_.leg_answered(plan_.leg, sdp_of(sip));
}

void CallLeg::acknowledge(const sip_t& sip) {
  const bool proxy = challenged_ && to_proxy_, server = challenged_ && !to_proxy_;
  // With the INVITE's credentials (RFC 3261, 22.1), for a proxy that looks at every request.
  auto* ack = ::nta_outgoing_tcreate(
      leg_, nullptr, nullptr, nullptr, SIP_METHOD_ACK, nullptr, SIPTAG_CSEQ(sip.sip_cseq),
      TAG_IF(proxy, SIPTAG_PROXY_AUTHORIZATION_STR(authorization_.c_str())),
      TAG_IF(server, SIPTAG_AUTHORIZATION_STR(authorization_.c_str())), TAG_END());
  if (ack != nullptr) ::nta_outgoing_destroy(ack);
}

int CallLeg::on_bye_response(void* self, nta_outgoing_t* orq, const sip_t* sip) {
  auto& leg = *static_cast<CallLeg*>(self);
  const int status = ::nta_outgoing_status(orq);
  if (status < 200 || orq != leg.bye_) return 0;
  const auto uri = uri_of(orq);
  ::nta_outgoing_destroy(std::exchange(leg.bye_, nullptr));
  if (leg.take_challenge(sip, status, "BYE", uri)) (void)leg.send_bye();
  return 0;
}

// ---- what the peer sends ------------------------------------------------------------------------

int CallLeg::on_request(void* self, nta_leg_t*, nta_incoming_t* irq, const sip_t* sip) {
  static_cast<CallLeg*>(self)->request(irq, *sip);
  return 0;
}

void CallLeg::request(nta_incoming_t* irq, const sip_t& sip) {
  switch (sip.sip_request->rq_method) {
    case sip_method_ack:
      return ::nta_incoming_destroy(irq);
    case sip_method_bye:
      end_with(irq, up_ ? 200 : 481);
      if (std::exchange(up_, false)) owner_.leg_hung(plan_.leg);
      return;
    case sip_method_invite:
    case sip_method_update:
      if (!up_) return end_with(irq, 481);
      // A target refresh (RFC 3261, 12.2.2): the peer may have moved.
      if (sip.sip_contact != nullptr) ::nta_leg_server_route(leg_, nullptr, sip.sip_contact);
      return offer(irq, sip);
    case sip_method_info:  // keyed digits of a phone: they are not for us
    case sip_method_options:
      return end_with(irq, 200);
    case sip_method_prack:
      return end_with(irq, 481);
    case sip_method_unknown:
      return end_with(irq, 501);
    default:  // REFER among them: nobody is put through to anybody
      return end_with(irq, 405);
  }
}

// A hold, a resume, or only a sign of life (RFC 4028): who sends it refreshes, as we do not.
void CallLeg::offer(nta_incoming_t* irq, const sip_t& sip) {
  const bool invite = sip.sip_request->rq_method == sip_method_invite;
  const auto sdp = sdp_of(sip);
  if (invite && unacknowledged_.size() >= kLegUnacknowledgedMax) return answer(irq, 500, 1);
  std::string ours;
  if (!sdp.empty()) {
    auto said = owner_.leg_offered(plan_.leg, sdp);
    if (!said) return end_with(irq, 488);
    ours = std::move(*said);
  } else if (invite) {
    ours = owner_.leg_offer(plan_.leg);
  }
  const auto contact = sip_.call_contact(tcp_);
  if (invite) ::nta_incoming_bind(irq, on_ack, this);
  ::nta_incoming_treply(irq, SIP_200_OK, SIPTAG_SERVER_STR(kSipServer),
                        SIPTAG_CONTACT_STR(contact.c_str()), SIPTAG_ALLOW_STR(kSipAllow),
                        TAG_IF(!ours.empty(), SIPTAG_CONTENT_TYPE_STR("application/sdp")),
                        TAG_IF(!ours.empty(), SIPTAG_PAYLOAD_STR(ours.c_str())), TAG_END());
  if (invite)
    unacknowledged_.push_back({irq, sdp.empty()});
  else
    ::nta_incoming_destroy(irq);
}

int CallLeg::on_ack(void* self, nta_incoming_t* irq, const sip_t* sip) {
  auto& leg = *static_cast<CallLeg*>(self);
  const bool ack = sip != nullptr && sip->sip_request != nullptr &&
                   sip->sip_request->rq_method == sip_method_ack;
  if (ack || sip == nullptr || sip->sip_request == nullptr)
    leg.acknowledged(irq, ack ? sip : nullptr);
  return 0;
}

void CallLeg::acknowledged(nta_incoming_t* irq, const sip_t* sip) {
  const auto known = std::find_if(unacknowledged_.begin(), unacknowledged_.end(),
                                  [&](const auto& waiting) { return waiting.irq == irq; });
  if (known == unacknowledged_.end()) return;
  const bool offered = known->offered;
  unacknowledged_.erase(known);
  std::string said;  // the request is gone with its transaction
  if (sip != nullptr) said = sdp_of(*sip);
  ::nta_incoming_destroy(irq);
  if (offered && !said.empty() && up_) owner_.leg_offer_answered(plan_.leg, said);
}

}  // namespace callward::app
