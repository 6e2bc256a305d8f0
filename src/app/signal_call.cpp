#include "app/signal_call.hpp"

#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_tagarg.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/event_log.hpp"

namespace callward::app {
namespace {

namespace action = capture::action;
namespace event = capture::event;

// The recorder's protocol and capture share meaning and values.
static_assert(static_cast<int>(store::Party::kMixed) == static_cast<int>(capture::Party::kMixed));
static_assert(static_cast<int>(store::StreamMode::kRemoved) ==
              static_cast<int>(capture::Mode::kRemoved));
static_assert(store::kTelephoneBytesMax == capture::kTelephoneBytesMax);
static_assert(static_cast<int>(keys::Direction::kOutgoing) ==
              static_cast<int>(capture::Direction::kOutgoing));

}  // namespace

SignalCall::SignalCall(SignalHost& host, const capture::SessionConfig& config, std::uint64_t serial,
                       std::string key, capture::Session session)
    : host_(host),
      config_(config),
      serial_(serial),
      key_(std::move(key)),
      session_(std::move(session)) {}

SignalCall::~SignalCall() {
  if (pending_ != nullptr) ::nta_incoming_destroy(pending_);
  for (auto* irq : unacknowledged_) ::nta_incoming_destroy(irq);
  if (refresh_ != nullptr) ::nta_outgoing_destroy(refresh_);
  if (leg_ != nullptr) ::nta_leg_destroy(leg_);
}

Result<std::unique_ptr<SignalCall>> SignalCall::restore(SignalHost& host,
                                                        const capture::SessionConfig& config,
                                                        std::uint64_t serial,
                                                        const store::Session& saved) {
  auto state = TRY(unpack<SavedDialog>(saved.dialog.expose()));
  if (state.version != kSavedDialogVersion)
    return fail(Errc::kUnsupported, "dialog of another version");
  auto session = TRY(capture::Session::restore(config, state.session.expose(), saved.call,
                                               saved.ports, host.now_ms()));
  auto call =
      std::make_unique<SignalCall>(host, config, serial, std::move(state.key), std::move(session));
  call->dialog_ = std::move(state.dialog);
  call->leg_ = TRY(host.sip().restore_leg(call->dialog_, on_dialog_request, call.get()));
  return call;
}

void SignalCall::on(capture::Event event) {
  auto actions = session_.on(std::move(event), host_.now_ms());
  for (auto& todo : actions) std::visit([this](auto& one) { perform(one); }, todo);
  if (session_.phase() == capture::Phase::kEnded && openings_ == 0 && !told_ended_) {
    told_ended_ = true;
    host_.ended(*this);
  }
}

// ---- what the peer sends ------------------------------------------------------------------------

void SignalCall::first_invite(nta_incoming_t* irq, const sip_t& sip) {
  dialog_.call_id = sip.sip_call_id->i_id;
  dialog_.tcp = came_over_tcp(sip);
  leg_ = host_.sip().create_leg(irq, sip, on_dialog_request, this);
  if (leg_ == nullptr) {
    host_.report_missed("no_dialog", 500);
    answer(irq, 500);
    told_ended_ = true;
    return host_.ended(*this);
  }
  // As they stand in the dialog: with both tags.
  const std::string tag = ::nta_leg_get_tag(leg_);
  dialog_.local = header_text(sip.sip_to);
  if (sip.sip_to->a_tag == nullptr) dialog_.local += ";tag=" + tag;
  dialog_.remote = header_text(sip.sip_from);
  offer(irq, sip);
}

void SignalCall::offer(nta_incoming_t* irq, const sip_t& sip) {
  if (sip.sip_request->rq_method == sip_method_invite) {
    if (unacknowledged_.size() >= kUnacknowledgedMax) return answer(irq, 500, 1);
    ::nta_incoming_bind(irq, on_ack_or_cancel, this);
    ::nta_incoming_treply(irq, SIP_100_TRYING, TAG_END());
  }
  this_ = irq;
  auto read = read_sip_request(sip);
  read.source = source_of(irq);
  on(event::Request{std::move(read)});
  if (this_ != nullptr) {  // the machine answers every request; this would be its error, not ours
    answer(std::exchange(this_, nullptr), 500);
    log_event("signal.unanswered", {{"phase", static_cast<int>(session_.phase())}});
  }
}

int SignalCall::on_dialog_request(void* self, nta_leg_t*, nta_incoming_t* irq, const sip_t* sip) {
  static_cast<SignalCall*>(self)->request(irq, *sip);
  return 0;
}

void SignalCall::request(nta_incoming_t* irq, const sip_t& sip) {
  switch (sip.sip_request->rq_method) {
    case sip_method_invite:
    case sip_method_update:
      // A target refresh (RFC 3261, 12.2.2): the peer may have moved.
      if (sip.sip_contact != nullptr) ::nta_leg_server_route(leg_, nullptr, sip.sip_contact);
      return offer(irq, sip);
    case sip_method_bye:
      this_ = irq;
      on(event::Bye{});
      if (this_ != nullptr) answer(std::exchange(this_, nullptr), 481);
      return;
    case sip_method_ack:
      return ::nta_incoming_destroy(irq);
    case sip_method_info:
      // Keyed digits may come so; the recorder cannot take them yet. 200, for a refusal would make
      // some peers end the call.
      host_.counted("info_not_taken");
      return answer(irq, 200);
    case sip_method_options:
      return answer(irq, 200);
    case sip_method_prack:
      return answer(irq, 481);
    case sip_method_unknown:
      return answer(irq, 501);
    default:
      return answer(irq, 405);
  }
}

int SignalCall::on_ack_or_cancel(void* self, nta_incoming_t* irq, const sip_t* sip) {
  auto& call = *static_cast<SignalCall*>(self);
  if (sip == nullptr || sip->sip_request == nullptr) {
    call.acknowledged(irq, true);
  } else if (sip->sip_request->rq_method == sip_method_ack) {
    call.acknowledged(irq, false);
  } else if (sip->sip_request->rq_method == sip_method_cancel && irq == call.pending_) {
    call.host_.counted("cancelled");
    call.on(event::Cancel{});
  }
  return 0;
}

void SignalCall::acknowledged(nta_incoming_t* irq, bool timed_out) {
  const auto known = std::find(unacknowledged_.begin(), unacknowledged_.end(), irq);
  if (known == unacknowledged_.end()) return;
  unacknowledged_.erase(known);
  ::nta_incoming_destroy(irq);
  if (timed_out) {
    host_.counted("no_ack");
    return on(event::AckTimeout{});
  }
  on(event::Ack{});
}

int SignalCall::on_response(void* self, nta_outgoing_t* orq, const sip_t* sip) {
  auto& call = *static_cast<SignalCall*>(self);
  const int status = ::nta_outgoing_status(orq);
  if (status < 200 || orq != call.refresh_) return 0;
  call.refresh_ = nullptr;
  const bool good = status < 300;
  if (good && ::nta_outgoing_method(orq) == sip_method_invite && sip != nullptr) {
    ::nta_leg_client_reroute(call.leg_, nullptr, sip->sip_contact, 0);
    auto* ack = ::nta_outgoing_tcreate(call.leg_, nullptr, nullptr, nullptr, SIP_METHOD_ACK,
                                       nullptr, SIPTAG_CSEQ(sip->sip_cseq), TAG_END());
    if (ack != nullptr) ::nta_outgoing_destroy(ack);
  }
  ::nta_outgoing_destroy(orq);
  if (good)
    call.on(event::RefreshOk{});
  else
    call.on(event::RefreshFailed{static_cast<std::uint16_t>(status)});
  return 0;
}

// ---- what the session wants ---------------------------------------------------------------------

void SignalCall::perform(const action::Reply& reply) {
  auto*& slot = reply.to == To::kThis ? this_ : pending_;
  auto* irq = std::exchange(slot, nullptr);
  if (irq == nullptr) return;
  if (::nta_incoming_status(irq) < 200) send_reply(irq, reply, host_.sip().contact(dialog_.tcp));
  if (reply.status < 300 && ::nta_incoming_method(irq) == sip_method_invite)
    unacknowledged_.push_back(irq);  // the library repeats the 200 until its ACK comes
  else
    ::nta_incoming_destroy(irq);
}

void SignalCall::perform(const action::Hold&) {
  CHECK(pending_ == nullptr);
  pending_ = std::exchange(this_, nullptr);
}

std::vector<store::StreamSpec> SignalCall::specs(const std::vector<capture::Lane>& lanes) const {
  std::vector<store::StreamSpec> out;
  for (const auto& lane : lanes) {
    store::StreamSpec spec;
    spec.stream = lane.stream;
    spec.party = static_cast<store::Party>(lane.party);
    spec.mode = static_cast<store::StreamMode>(lane.mode);
    spec.codec = lane.codec;
    spec.payload_type = lane.payload_type;
    spec.event_payload_type = lane.event_payload_type;
    out.push_back(spec);
  }
  return out;
}

std::vector<store::StreamSource> SignalCall::sources(
    const std::vector<capture::Lane>& lanes) const {
  std::vector<store::StreamSource> out;
  for (const auto& lane : lanes) out.push_back({lane.stream, lane.sources});
  return out;
}

SecretBytes SignalCall::saved() {
  SavedDialog state;
  state.key = key_;
  if (leg_ != nullptr) dialog_ = host_.sip().save_leg(leg_, dialog_);
  state.dialog = dialog_;
  state.session = session_.save();
  auto raw = pack(state);
  SecretBytes out{ByteView(raw)};
  wipe(raw);
  return out;
}

void SignalCall::ask(io::Frame frame) {
  const auto question = ++question_;
  const bool opening = frame.type == store::SessionOpen::kType;
  openings_ += opening ? 1 : 0;
  host_.ask_recorder(std::move(frame), serial_,
                     [question, opening](SignalCall& call, Result<io::Frame> reply) {
                       call.recorder_said(question, opening, std::move(reply));
                     });
}

void SignalCall::recorder_said(std::uint64_t question, bool opening, Result<io::Frame> reply) {
  openings_ -= opening ? 1 : 0;
  // Only the answer to what was asked last counts; but a call that was opened is always heard of,
  // for it has to be ended.
  const bool newest = question == question_;
  if (!reply) {
    if (newest) on(event::Refused{reply.error().code});
  } else if (opening) {
    if (auto opened = unpack<store::SessionOpened>(reply->body))
      return on(event::Opened{opened->call, std::move(opened->ports)});
    on(event::Refused{Errc::kMalformed});
  } else if (newest) {
    if (auto updated = unpack<store::SessionUpdated>(reply->body))
      return on(event::Updated{std::move(updated->ports)});
    on(event::Refused{Errc::kMalformed});
  }
  if (session_.phase() == capture::Phase::kEnded && openings_ == 0 && !told_ended_) {
    told_ended_ = true;
    host_.ended(*this);
  }
}

void SignalCall::perform(action::OpenRecording& open) {
  store::SessionOpen message;
  message.direction = static_cast<keys::Direction>(open.direction);
  message.media_address = config_.media_address;
  message.streams = specs(open.streams);
  message.sources = sources(open.streams);
  message.call_data = std::move(open.call_data);
  message.flags = std::move(open.flags);
  message.dialog = saved();
  ask(io::make_frame(message));
}

void SignalCall::perform(action::UpdateRecording& update) {
  store::SessionUpdate message;
  message.call = session_.call();
  message.streams = specs(update.streams);
  message.sources = sources(update.streams);
  message.call_data = std::move(update.call_data);
  message.dialog = saved();
  ask(io::make_frame(message));
}

void SignalCall::perform(const action::ResumeRecording&) {
  store::SessionResume message;
  message.session.call = session_.call();
  const auto lanes = session_.streams();
  message.session.streams = specs(lanes);
  message.session.sources = sources(lanes);
  for (const auto& lane : lanes) message.session.ports.push_back(lane.port);
  message.session.dialog = saved();
  ask(io::make_frame(message));
}

void SignalCall::perform(const action::TellTelephone& tell) {
  host_.tell_telephone(session_.call(), tell.telephone);
}

void SignalCall::perform(const action::EndRecording& end) {
  host_.end_recording(session_.call(), end.cause);
}

void SignalCall::perform(const action::ReportMissed& missed) {
  host_.report_missed(missed.cause, missed.sip_status);
}

void SignalCall::perform(const action::SendBye&) {
  if (refresh_ != nullptr) ::nta_outgoing_destroy(std::exchange(refresh_, nullptr));
  host_.counted("byes_sent");
  // Without a callback: the library sends it until it is answered, and nobody waits.
  auto* bye = ::nta_outgoing_tcreate(leg_, nullptr, nullptr, nullptr, SIP_METHOD_BYE, nullptr,
                                     SIPTAG_USER_AGENT_STR(kSipServer), TAG_END());
  if (bye == nullptr) return log_event("signal.bye_not_sent");
  ::nta_outgoing_destroy(bye);
}

void SignalCall::perform(const action::SendRefresh& refresh) {
  if (refresh_ != nullptr) return;  // the answer to the one under way counts for this one too
  host_.counted("refreshes_sent");
  const auto contact = host_.sip().contact(dialog_.tcp);
  std::string expires;  // here we are the uac
  if (refresh.session_expires_s != 0)
    expires = std::to_string(refresh.session_expires_s) +
              (refresh.refresher == capture::Refresher::kUs ? ";refresher=uac" : ";refresher=uas");
  refresh_ = ::nta_outgoing_tcreate(
      leg_, on_response, this, nullptr, refresh.by_update ? sip_method_update : sip_method_invite,
      refresh.by_update ? "UPDATE" : "INVITE", nullptr, SIPTAG_CONTACT_STR(contact.c_str()),
      SIPTAG_USER_AGENT_STR(kSipServer), SIPTAG_ALLOW_STR(kSipAllow),
      SIPTAG_SUPPORTED_STR(kSipSupported),
      TAG_IF(!expires.empty(), SIPTAG_SESSION_EXPIRES_STR(expires.c_str())),
      TAG_IF(!refresh.sdp.empty(), SIPTAG_CONTENT_TYPE_STR("application/sdp")),
      TAG_IF(!refresh.sdp.empty(), SIPTAG_PAYLOAD_STR(refresh.sdp.c_str())), TAG_END());
  if (refresh_ == nullptr) on(event::RefreshFailed{500});
}

}  // namespace callward::app
