#include "app/signal_callback.hpp"

#include <algorithm>

#include "base/event_log.hpp"
#include "capture/call_data.hpp"

namespace callward::app {
namespace {

namespace action = capture::callback_action;
namespace event = capture::callback_event;
using capture::Leg;

constexpr std::size_t at(Leg leg) { return static_cast<std::size_t>(leg); }

// As in every call: the customer is stream 0, the agent (here the expert) stream 1.
constexpr std::array kLegOfStream = {Leg::kCustomer, Leg::kExpert};

}  // namespace

CallBackCall::~CallBackCall() { host_.relay().close(serial_); }

Status CallBackCall::start() {
  const auto random = host_.entropy().array<8>();
  sdp_id_ = load_le<std::uint64_t>(random.data()) >> 2;  // a positive number (RFC 8866)
  ports_ = TRY(host_.relay().open(serial_));
  told_.dial = plan_.dial;
  on(event::Start{});
  return {};
}

void CallBackCall::on(const capture::CallBackEvent& event) {
  for (const auto& todo : machine_.on(event, host_.now_ms()))
    std::visit([this](const auto& one) { perform(one); }, todo);
}

bool CallBackCall::over() const {
  return machine_.phase() == capture::CallBackPhase::kEnded && asked_ == 0 &&
         std::all_of(legs_.begin(), legs_.end(),
                     [](const auto& leg) { return leg == nullptr || leg->quiet(); });
}

// ---- what the legs say --------------------------------------------------------------------------

// The customer is offered what the expert's phone has taken: packets pass as they are.
std::vector<std::uint8_t> CallBackCall::codecs() const {
  const auto& expert = media_[at(Leg::kExpert)];
  return expert ? std::vector<std::uint8_t>{expert->codec} : plan_.codecs;
}

capture::OwnMedia CallBackCall::own_media(Leg leg) const {
  return {plan_.media_address, ports_.rtp[at(leg)], sdp_id_ + at(leg), sdp_versions_[at(leg)]};
}

void CallBackCall::take_media(Leg leg, const capture::PeerMedia& media) {
  media_[at(leg)] = media;
  host_.relay().set_peer(serial_, leg, media.rtp, media.rtcp, media.receives);
}

void CallBackCall::leg_early(Leg leg, std::string_view sdp) {
  if (leg != Leg::kCustomer) return;  // nobody hears it
  const auto media = capture::read_call_media(sdp, codecs());
  if (!media) return;
  take_media(leg, *media);
  on(event::Early{leg});
}

void CallBackCall::leg_answered(Leg leg, std::string_view sdp) {
  const auto media = capture::read_call_media(sdp, codecs());
  if (media)
    take_media(leg, *media);
  else
    log_event("signal.leg_not_usable", {{"dial", plan_.dial.hex()},
                                        {"leg", static_cast<unsigned>(leg)},
                                        {"why", to_string(media.error().code)}});
  on(event::Answered{leg, media.has_value()});
}

void CallBackCall::leg_failed(Leg leg, std::uint16_t status) { on(event::Failed{leg, status}); }

void CallBackCall::leg_hung(Leg leg) { on(event::Hung{leg}); }

std::optional<std::string> CallBackCall::leg_offered(Leg leg, std::string_view sdp) {
  const auto media = capture::read_call_media(sdp, codecs());
  if (!media) return std::nullopt;
  if (media_[at(leg)] != *media) ++sdp_versions_[at(leg)];
  auto answer = capture::write_call_answer(sdp, media->codec, own_media(leg));
  if (!answer) return std::nullopt;
  take_media(leg, *media);
  on(event::Media{leg, media->sends});
  return std::move(*answer);
}

std::string CallBackCall::leg_offer(Leg leg) {
  return capture::write_call_offer(own_media(leg), codecs());
}

void CallBackCall::leg_offer_answered(Leg leg, std::string_view sdp) {
  const auto media = capture::read_call_media(sdp, codecs());
  if (!media) return;  // it stays as it was
  take_media(leg, *media);
  on(event::Media{leg, media->sends});
}

// ---- the recorder -------------------------------------------------------------------------------

std::vector<store::StreamSpec> CallBackCall::specs() const {
  std::vector<store::StreamSpec> out;
  for (std::size_t stream = 0; stream < kLegOfStream.size(); ++stream) {
    const auto leg = kLegOfStream[stream];
    const auto& media = media_[at(leg)];
    store::StreamSpec spec;
    spec.stream = static_cast<std::uint8_t>(stream);
    spec.party = leg == Leg::kCustomer ? store::Party::kCustomer : store::Party::kAgent;
    spec.mode = static_cast<store::StreamMode>(machine_.mode(leg));
    spec.codec = spec.payload_type = codecs().front();
    // Each leg keys under our number, whatever it wants to be sent.
    spec.event_payload_type = capture::kEventPayloadType;
    if (media && !media->events) spec.event_payload_type = 0xFF;
    out.push_back(spec);
  }
  return out;
}

std::vector<store::StreamSource> CallBackCall::sources() const {
  std::vector<store::StreamSource> out;
  for (std::size_t stream = 0; stream < kLegOfStream.size(); ++stream)
    out.push_back({static_cast<std::uint8_t>(stream), {ports_.copies[at(kLegOfStream[stream])]}});
  return out;
}

SecretBytes CallBackCall::saved() {
  SavedCallBack state;
  state.dial = plan_.dial;
  for (const auto& leg : legs_)
    if (leg != nullptr && leg->up()) state.legs.push_back(leg->save());
  return pack_secret(state);
}

// Sealed by the keeper; it stands nowhere else.
SecretBytes CallBackCall::call_data() const {
  capture::Offer offer;
  capture::Plan plan;
  plan.direction = capture::Direction::kOutgoing;
  for (std::size_t stream = 0; stream < kLegOfStream.size(); ++stream) {
    capture::Lane lane;
    lane.recorded = true;
    lane.stream = static_cast<std::uint8_t>(stream);
    lane.party = stream == 0 ? capture::Party::kCustomer : capture::Party::kAgent;
    plan.lanes.push_back(lane);
  }
  std::string number = "tel:";
  number += as_text(plan_.number.expose());
  plan.speakers = {{number, ""}, {plan_.expert_target, ""}};
  capture::SipIdentity sip;
  sip.from = plan_.from;
  auto out = capture::write_call_data(sip, offer, plan, {"call_back"});
  wipe(number.data(), number.size());
  auto& kept = plan.speakers[0].uri;
  wipe(kept.data(), kept.size());
  return out;
}

void CallBackCall::ask(io::Frame frame, bool opening) {
  const auto question = ++question_;
  asked_ += opening ? 1 : 0;
  host_.ask_recorder(std::move(frame), serial_,
                     [question, opening](CallBackCall& call, Result<io::Frame> reply) {
                       call.recorder_said(question, opening, std::move(reply));
                     });
}

void CallBackCall::set_ports(const std::vector<std::uint16_t>& ports) {
  for (std::size_t stream = 0; stream < kLegOfStream.size(); ++stream) {
    const auto leg = kLegOfStream[stream];
    recorder_ports_[at(leg)] = ports[stream];
    host_.relay().set_recorder(serial_, leg, ports[stream]);
  }
}

// Only the answer to what was asked last counts; but a call that was opened is always heard of.
void CallBackCall::recorder_said(std::uint64_t question, bool opening, Result<io::Frame> reply) {
  asked_ -= opening ? 1 : 0;
  const bool newest = question == question_;
  const auto refused = [&](Errc code) {
    if (newest) on(event::Refused{code});
  };
  if (!reply) return refused(reply.error().code);
  if (opening) {
    const auto opened = unpack<store::SessionOpened>(reply->body);
    if (!opened || opened->ports.size() != kLegOfStream.size()) return refused(Errc::kMalformed);
    call_ = opened->call;
    set_ports(opened->ports);
    tell_telephone();
    return on(event::Opened{});
  }
  if (!newest) return;
  const auto updated = unpack<store::SessionUpdated>(reply->body);
  if (!updated || updated->ports.size() != kLegOfStream.size()) return refused(Errc::kMalformed);
  set_ports(updated->ports);
  on(event::Updated{});
}

void CallBackCall::perform(const action::Open& open) {
  store::CallBackOpen message;
  message.dial = plan_.dial;
  message.session.direction = keys::Direction::kOutgoing;
  message.session.media_address = plan_.recorder_address;
  message.session.streams = specs();
  message.session.sources = sources();
  message.session.call_data = call_data();
  message.session.dialog = saved();
  if (open.continued) message.session.flags = {"continued"};
  ask(io::make_frame(message), true);
}

void CallBackCall::perform(const action::Update&) {
  store::SessionUpdate message;
  message.call = call_;
  message.streams = specs();
  message.sources = sources();
  message.dialog = saved();
  ask(io::make_frame(message), false);
}

void CallBackCall::perform(const action::Resume&) {
  store::SessionResume message;
  message.session.call = call_;
  message.session.streams = specs();
  message.session.sources = sources();
  for (const auto leg : kLegOfStream) message.session.ports.push_back(recorder_ports_[at(leg)]);
  message.session.dialog = saved();
  ask(io::make_frame(message), false);
  tell_telephone();
}

// At the expert's, from before it rings: who is to talk finds the call when it does.
void CallBackCall::tell_telephone() {
  auto telephone = capture::parse_address(plan_.expert_target).user;
  if (telephone.size() > store::kTelephoneBytesMax) telephone.clear();
  host_.tell_telephone(call_, telephone);
}

void CallBackCall::perform(const action::End& end) { host_.end_recording(call_, end.cause); }

// ---- legs, relay, keeper ------------------------------------------------------------------------

void CallBackCall::perform(const action::Invite& invite) {
  const bool expert = invite.leg == Leg::kExpert;
  LegPlan plan{.leg = invite.leg,
               .proxy = plan_.proxy,
               .from = plan_.from,
               .target = expert ? plan_.expert_target : plan_.customer_target,
               .call_id = to_hex(host_.entropy().array<16>()),
               .credential = plan_.credential};
  auto& leg = legs_[at(invite.leg)];
  leg = std::make_unique<CallLeg>(host_.sip(), host_.entropy(), *this, std::move(plan));
  if (leg->invite(capture::write_call_offer(own_media(invite.leg), codecs()))) return;
  leg.reset();
  // As if nobody could be reached. An Invite is the last action of its step.
  on(event::Failed{invite.leg, 503});
}

void CallBackCall::perform(const action::Cancel& cancel) {
  if (auto& leg = legs_[at(cancel.leg)]) leg->cancel();
}

void CallBackCall::perform(const action::SendBye& bye) {
  if (auto& leg = legs_[at(bye.leg)]) leg->bye();
}

void CallBackCall::perform(const action::Drop& drop) {
  if (auto& leg = legs_[at(drop.leg)]) leg->drop();
}

void CallBackCall::perform(const action::SetGate& gate) {
  host_.relay().set_gate(serial_, gate.gate);
}

void CallBackCall::perform(const action::Tell& tell) {
  told_.state = tell.state;
  told_.cause = tell.cause;
  told_.call = call_;
  told_.talked_ms = machine_.talked_ms(host_.now_ms());
  log_event(
      "signal.dial",
      {{"dial", plan_.dial.hex()}, {"state", to_text(tell.state)}, {"cause", to_text(tell.cause)}});
  host_.tell_keeper(told_);
  if (!ended()) return;
  plan_.number.clear();
  wipe(plan_.customer_target.data(), plan_.customer_target.size());
}

}  // namespace callward::app
