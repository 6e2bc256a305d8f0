#include "capture/session.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.hpp"
#include "capture/call_data.hpp"

namespace callward::capture {
namespace {

using To = action::Reply::To;

constexpr std::uint16_t kSetOf(std::initializer_list<Phase> phases) {
  std::uint16_t set = 0;
  for (const auto phase : phases)
    set = static_cast<std::uint16_t>(set | 1u << static_cast<unsigned>(phase));
  return set;
}

template <class T, std::size_t I = 0>
constexpr std::size_t index_of() {
  if constexpr (std::is_same_v<std::variant_alternative_t<I, Event>, T>)
    return I;
  else
    return index_of<T, I + 1>();
}

// Option tags (RFC 3261, 20.32) that ask nothing of us that we don't do.
constexpr std::array<std::string_view, 10> kKnownOptions = {
    "siprec", "timer",    "100rel", "replaces", "histinfo",
    "path",   "outbound", "gruu",   "tdialog",  "record-aware"};

std::string cause_of(Errc code) {
  switch (code) {
    case Errc::kFull:
      return "overload";
    case Errc::kBusy:
      return "busy";
    case Errc::kUnavailable:
      return "recorder_away";
    case Errc::kTimeout:
      return "recorder_timeout";
    default:
      return "recorder_error";
  }
}

}  // namespace

struct Session::Rule {
  Phase from;
  std::size_t event;
  void (Session::*handler)(Event&);
  std::uint16_t next;  // the phases that may hold afterwards
};

// Every legal pair of phase and event. What is not here is a late or stray message: requests are
// answered 481, the rest is let go.
const Session::Rule* Session::find_rule(Phase phase, std::size_t event) {
  using enum Phase;
  static constexpr auto kRequest = index_of<event::Request>();
  static constexpr auto kAck = index_of<event::Ack>();
  static constexpr auto kAckTimeout = index_of<event::AckTimeout>();
  static constexpr auto kCancel = index_of<event::Cancel>();
  static constexpr auto kBye = index_of<event::Bye>();
  static constexpr auto kTick = index_of<event::Tick>();
  static constexpr auto kOpened = index_of<event::Opened>();
  static constexpr auto kUpdated = index_of<event::Updated>();
  static constexpr auto kRefused = index_of<event::Refused>();
  static constexpr auto kDead = index_of<event::Dead>();
  static constexpr auto kLost = index_of<event::RecorderLost>();
  static constexpr auto kBack = index_of<event::RecorderBack>();
  static constexpr auto kRefreshOk = index_of<event::RefreshOk>();
  static constexpr auto kRefreshFailed = index_of<event::RefreshFailed>();
  static constexpr Rule kRules[] = {
      {kIdle, kRequest, &Session::open, kSetOf({kOpening, kEnded})},

      {kOpening, kOpened, &Session::opened, kSetOf({kAnswered, kEnded})},
      {kOpening, kRefused, &Session::refused, kSetOf({kEnded})},
      {kOpening, kLost, &Session::refused, kSetOf({kEnded})},
      {kOpening, kCancel, &Session::cancel, kSetOf({kOpening})},
      {kOpening, kBye, &Session::bye_while_opening, kSetOf({kOpening})},
      {kOpening, kRequest, &Session::not_now, kSetOf({kOpening})},

      {kAnswered, kAck, &Session::acknowledged, kSetOf({kActive})},
      {kAnswered, kAckTimeout, &Session::acknowledged, kSetOf({kActive})},
      {kAnswered, kRequest, &Session::update, kSetOf({kUpdating, kAnswered, kActive})},
      {kAnswered, kBye, &Session::bye, kSetOf({kEnded})},
      {kAnswered, kTick, &Session::tick, kSetOf({kAnswered, kEnded})},
      {kAnswered, kDead, &Session::dead, kSetOf({kEnded})},
      {kAnswered, kLost, &Session::lost, kSetOf({kAnswered})},
      {kAnswered, kBack, &Session::back, kSetOf({kAnswered})},
      {kAnswered, kUpdated, &Session::resumed, kSetOf({kAnswered})},
      {kAnswered, kRefused, &Session::resume_refused, kSetOf({kReopening, kAnswered})},

      {kActive, kRequest, &Session::update, kSetOf({kUpdating, kAnswered, kActive})},
      {kActive, kBye, &Session::bye, kSetOf({kEnded})},
      {kActive, kTick, &Session::tick, kSetOf({kActive, kEnded})},
      {kActive, kDead, &Session::dead, kSetOf({kEnded})},
      {kActive, kLost, &Session::lost, kSetOf({kActive})},
      {kActive, kBack, &Session::back, kSetOf({kActive})},
      {kActive, kUpdated, &Session::resumed, kSetOf({kActive})},
      {kActive, kRefused, &Session::resume_refused, kSetOf({kReopening, kActive})},
      {kActive, kRefreshOk, &Session::refresh_ok, kSetOf({kActive})},
      {kActive, kRefreshFailed, &Session::refresh_failed, kSetOf({kActive, kEnded})},

      {kUpdating, kUpdated, &Session::updated, kSetOf({kAnswered, kActive})},
      {kUpdating, kRefused, &Session::update_refused, kSetOf({kActive})},
      {kUpdating, kLost, &Session::update_interrupted, kSetOf({kActive})},
      {kUpdating, kRequest, &Session::not_now, kSetOf({kUpdating})},
      {kUpdating, kCancel, &Session::ignore, kSetOf({kUpdating})},
      {kUpdating, kBye, &Session::bye, kSetOf({kEnded})},
      {kUpdating, kDead, &Session::dead, kSetOf({kEnded})},

      {kReopening, kOpened, &Session::reopened, kSetOf({kActive})},
      {kReopening, kRefused, &Session::reopen_refused, kSetOf({kEnded})},
      {kReopening, kLost, &Session::reopen_refused, kSetOf({kEnded})},
      {kReopening, kBye, &Session::bye, kSetOf({kEnded})},
      {kReopening, kRequest, &Session::not_now, kSetOf({kReopening})},

      {kEnded, kOpened, &Session::gone, kSetOf({kEnded})},
  };
  for (const auto& rule : kRules)
    if (rule.from == phase && rule.event == event) return &rule;
  return nullptr;
}

Actions Session::on(Event event, std::int64_t now_ms) {
  now_ms_ = now_ms;
  if (const auto* rule = find_rule(phase_, event.index())) {
    (this->*rule->handler)(event);
    CHECK((rule->next >> static_cast<unsigned>(phase_) & 1u) != 0);
  } else if (std::holds_alternative<event::Request>(event) ||
             std::holds_alternative<event::Bye>(event)) {
    out_.push_back(action::Reply{.to = To::kThis, .status = 481});
  }
  return std::exchange(out_, {});
}

std::vector<Lane> Session::streams() const {
  std::vector<Lane> out;
  for (const auto& lane : kept_.lanes)
    if (lane.recorded) out.push_back(lane);
  return out;
}

// First INVITE ------------------------------------------------------------------------------------

void Session::refuse_first(std::uint16_t status, std::string cause,
                           std::vector<std::string> unsupported) {
  out_.push_back(
      action::Reply{.to = To::kThis, .status = status, .unsupported = std::move(unsupported)});
  out_.push_back(action::ReportMissed{std::move(cause), status});
  phase_ = Phase::kEnded;
}

// False: an option is required that we don't know, and the request was answered.
bool Session::check_options(const SipRequest& sip, bool report) {
  std::vector<std::string> unknown;
  for (const auto& option : sip.require)
    if (std::find(kKnownOptions.begin(), kKnownOptions.end(), option) == kKnownOptions.end())
      unknown.push_back(option);
  if (unknown.empty()) return true;
  if (report)
    refuse_first(420, "bad_extension", std::move(unknown));
  else
    out_.push_back(
        action::Reply{.to = To::kThis, .status = 420, .unsupported = std::move(unknown)});
  return false;
}

void Session::open(Event& event) {
  auto& sip = std::get<event::Request>(event).sip;
  if (sip.is_update) {  // an UPDATE makes no session: not a call, so not a missing one
    out_.push_back(action::Reply{.to = To::kThis, .status = 481});
    phase_ = Phase::kEnded;
    return;
  }
  if (!check_options(sip, true)) return;
  auto offer = read_offer(sip.content_type, sip.body);
  if (!offer) return refuse_first(offer.error().status, offer.error().cause);
  offer->signalling = sip.source;
  if (!offer->has_sdp) return refuse_first(488, "no_sdp");
  auto plan = plan_first(*offer, config_.own);
  if (!plan) return refuse_first(plan.error().status, plan.error().cause);
  kept_.flags = offer->flags;
  for (const auto& flag : plan->flags) add_flag(kept_.flags, flag);
  if (!sip.recording_client) add_flag(kept_.flags, "not_siprec");
  kept_.lanes = plan->lanes;
  kept_.sdp_text = offer->sdp_text;
  kept_.direction = plan->direction;
  kept_.sdp_id = sdp_id_;
  kept_.call_id = sip.call_id;
  kept_.from = sip.from;
  kept_.to = sip.to;
  kept_.contact = sip.contact;
  kept_.user_agent = sip.user_agent;
  kept_.session_id = sip.session_id;
  kept_.telephones.take(*offer, *plan, config_.own);
  if (offer->metadata_raw.empty() && !sip.recording_client) {
    kept_.telephones.take_addresses(sip.from, sip.to, config_.own);
    const auto flag = to_flag(attestation_of(sip.from));
    if (!flag.empty() && !config_.own.owns(parse_address(sip.from))) add_flag(kept_.flags, flag);
  }
  set_timer(sip);
  kept_.call_data = call_data(*offer, *plan);
  pending_is_update_ = false;
  out_.push_back(action::Hold{});
  out_.push_back(
      action::OpenRecording{kept_.direction, streams(), kept_.call_data.clone(), kept_.flags});
  phase_ = Phase::kOpening;
}

SecretBytes Session::call_data(const Offer& offer, const Plan& plan) const {
  return write_call_data(
      {kept_.call_id, kept_.from, kept_.to, kept_.contact, kept_.user_agent, kept_.session_id},
      offer, plan, kept_.flags);
}

// True: the recorder told one port for each stream.
bool Session::set_ports(const std::vector<std::uint16_t>& ports) {
  std::size_t next = 0;
  for (auto& lane : kept_.lanes) {
    if (!lane.recorded) continue;
    if (next == ports.size()) return false;
    lane.port = ports[next++];
  }
  return next == ports.size();
}

void Session::reply_with_session(To to) {
  const auto offer = read_sdp_parts(kept_.sdp_text);
  CHECK(offer.has_value());  // it was read before it was kept
  ++kept_.sdp_version;
  action::Reply reply{.to = to, .status = 200};
  reply.sdp =
      write_answer(*offer, kept_.lanes, config_.media_address, kept_.sdp_id, kept_.sdp_version);
  reply.session_expires_s = kept_.interval_s;
  reply.refresher = kept_.refresher;
  out_.push_back(std::move(reply));
  refreshed_ms_ = now_ms_;
}

void Session::opened(Event& event) {
  auto& news = std::get<event::Opened>(event);
  kept_.call = news.call;
  if (cancelled_) {
    out_.push_back(action::EndRecording{cancel_cause_});
    phase_ = Phase::kEnded;
    return;
  }
  if (!set_ports(news.ports)) {
    out_.push_back(action::EndRecording{"bad_ports"});
    out_.push_back(action::Reply{.to = To::kPending, .status = 500});
    out_.push_back(action::ReportMissed{"recorder_error", 500});
    phase_ = Phase::kEnded;
    return;
  }
  reply_with_session(To::kPending);
  tell_telephone();
  phase_ = Phase::kAnswered;
}

void Session::refused(Event& event) {
  phase_ = Phase::kEnded;
  if (cancelled_) return;
  const auto* why = std::get_if<event::Refused>(&event);
  out_.push_back(action::Reply{.to = To::kPending, .status = 503, .retry_after_s = kRetryAfterS});
  out_.push_back(
      action::ReportMissed{cause_of(why != nullptr ? why->code : Errc::kUnavailable), 503});
}

// The recorder's answer is still awaited: only then is there a call to end.
void Session::cancel(Event&) {
  if (cancelled_) return;
  cancelled_ = true;
  cancel_cause_ = "cancel";
  out_.push_back(action::Reply{.to = To::kPending, .status = 487});
}

void Session::bye_while_opening(Event&) {
  out_.push_back(action::Reply{.to = To::kThis, .status = 200});
  if (cancelled_) return;
  cancelled_ = true;
  cancel_cause_ = "bye";
  out_.push_back(action::Reply{.to = To::kPending, .status = 487});
}

// The recorder opened a call that was given up meanwhile.
void Session::gone(Event& event) {
  kept_.call = std::get<event::Opened>(event).call;
  out_.push_back(action::EndRecording{"bye"});
}

void Session::acknowledged(Event& event) {
  // Without an ACK the dialog should be ended (RFC 3261, 13.3.1.4). A recorder goes on: if no media
  // comes either, the recorder ends the call; if it comes, ending would lose it.
  if (std::holds_alternative<event::AckTimeout>(event)) add_flag(kept_.flags, "no_ack");
  phase_ = Phase::kActive;
}

// Changes -----------------------------------------------------------------------------------------

// A second offer while the first waits for the recorder (RFC 3261, 14.2).
void Session::not_now(Event&) {
  out_.push_back(action::Reply{.to = To::kThis, .status = 500, .retry_after_s = 1});
}

void Session::update(Event& event) {
  auto& sip = std::get<event::Request>(event).sip;
  if (!check_options(sip, false)) return;
  auto offer = read_offer(sip.content_type, sip.body);
  if (!offer) {
    out_.push_back(action::Reply{.to = To::kThis, .status = offer.error().status});
    return;
  }
  offer->signalling = sip.source;
  set_timer(sip);
  refreshed_ms_ = now_ms_;
  if (!offer->has_sdp && offer->metadata_raw.empty()) return answer_refresh(sip.is_update);
  lanes_before_ = kept_.lanes;
  sdp_before_ = kept_.sdp_text;
  telephones_before_ = kept_.telephones;
  pending_is_update_ = sip.is_update;
  auto data = take_offer(*offer);
  const bool needs_port = std::any_of(kept_.lanes.begin(), kept_.lanes.end(), [](const Lane& lane) {
    return lane.recorded && lane.port == 0;
  });
  if (away_ && !needs_port) {  // the recorder will hear it when it is back: ResumeRecording tells
                               // all streams
    reply_with_session(To::kThis);
    phase_ = sip.is_update ? Phase::kActive : Phase::kAnswered;
    return;
  }
  if (away_) {
    kept_.lanes = lanes_before_;
    kept_.sdp_text = sdp_before_;
    kept_.telephones = telephones_before_;
    out_.push_back(action::Reply{.to = To::kThis, .status = 500, .retry_after_s = kRetryAfterS});
    return;
  }
  out_.push_back(action::Hold{});
  out_.push_back(action::UpdateRecording{streams(), std::move(data)});
  phase_ = Phase::kUpdating;
}

// A request without SDP and metadata only keeps the session alive (RFC 4028, 7.4).
void Session::answer_refresh(bool is_update) {
  if (is_update) {
    out_.push_back(action::Reply{.to = To::kThis,
                                 .status = 200,
                                 .session_expires_s = kept_.interval_s,
                                 .refresher = kept_.refresher});
    return;
  }
  reply_with_session(To::kThis);
  phase_ = Phase::kAnswered;
}

// Makes the offer's lanes ours; gives the call's data if new metadata came with it.
SecretBytes Session::take_offer(const Offer& offer) {
  for (const auto& flag : offer.flags) add_flag(kept_.flags, flag);
  if (offer.has_sdp) {
    const auto plan = plan_next(offer, kept_.lanes);
    kept_.lanes = plan.lanes;
    kept_.sdp_text = offer.sdp_text;
    kept_.telephones.take(offer, plan, config_.own);
    for (const auto& flag : plan.flags) add_flag(kept_.flags, flag);
    return offer.metadata_raw.empty() ? SecretBytes() : call_data(offer, plan);
  }
  auto kept_offer = read_sdp_parts(kept_.sdp_text);
  CHECK(kept_offer.has_value());
  kept_offer->metadata = offer.metadata;
  kept_offer->metadata_raw = offer.metadata_raw;
  const auto plan = plan_next(*kept_offer, kept_.lanes);
  kept_.telephones.take(*kept_offer, plan, config_.own);
  return call_data(*kept_offer, plan);
}

void Session::updated(Event& event) {
  if (!set_ports(std::get<event::Updated>(event).ports)) return update_refused(event);
  reply_with_session(To::kPending);
  tell_telephone();
  phase_ = pending_is_update_ ? Phase::kActive : Phase::kAnswered;
}

void Session::update_refused(Event&) {
  kept_.lanes = lanes_before_;
  kept_.sdp_text = sdp_before_;
  kept_.telephones = telephones_before_;
  // 500 to a re-INVITE leaves the session as it was (RFC 3261, 14.2).
  out_.push_back(action::Reply{.to = To::kPending, .status = 500, .retry_after_s = kRetryAfterS});
  phase_ = Phase::kActive;
}

void Session::update_interrupted(Event& event) {
  away_ = true;
  update_refused(event);
}

// Ends --------------------------------------------------------------------------------------------

void Session::stop(std::string_view cause, bool send_bye) {
  if (phase_ != Phase::kReopening) out_.push_back(action::EndRecording{std::string(cause)});
  if (send_bye) out_.push_back(action::SendBye{});
  phase_ = Phase::kEnded;
}

void Session::bye(Event&) {
  out_.push_back(action::Reply{.to = To::kThis, .status = 200});
  if (phase_ == Phase::kUpdating) out_.push_back(action::Reply{.to = To::kPending, .status = 487});
  stop("bye", false);
}

void Session::dead(Event&) {
  if (phase_ == Phase::kUpdating) out_.push_back(action::Reply{.to = To::kPending, .status = 487});
  out_.push_back(action::SendBye{});
  phase_ = Phase::kEnded;
}

// Session timer (RFC 4028) ------------------------------------------------------------------------

void Session::set_timer(const SipRequest& sip) {
  kept_.allows_update = kept_.allows_update || sip.allows_update;
  if (!sip.supports_timer && sip.session_expires_s == 0) {
    kept_.interval_s = 0;
    kept_.refresher = Refresher::kNone;
    return;
  }
  // A wish is granted as it is, even under our own minimum: a refusal would cost the recording.
  kept_.interval_s = sip.session_expires_s != 0
                         ? sip.session_expires_s
                         : std::max(config_.session_expires_s, kSessionExpiresSMin);
  kept_.refresher =
      sip.refresher == Refresher::kUs || !sip.supports_timer ? Refresher::kUs : Refresher::kPeer;
  refreshed_ms_ = now_ms_;
}

std::int64_t Session::deadline_ms() const {
  const bool timed =
      (phase_ == Phase::kAnswered || phase_ == Phase::kActive) && kept_.interval_s != 0;
  if (!timed) return std::numeric_limits<std::int64_t>::max();
  const std::int64_t interval_ms = std::int64_t{kept_.interval_s} * 1000;
  if (kept_.refresher == Refresher::kUs && !refreshing_) return refreshed_ms_ + interval_ms / 2;
  // The side that does not refresh ends the session shortly before it expires (RFC 4028, 10).
  return refreshed_ms_ + interval_ms - std::min<std::int64_t>(32'000, interval_ms / 3);
}

void Session::tick(Event&) {
  if (now_ms_ < deadline_ms()) return;
  if (kept_.refresher == Refresher::kUs && !refreshing_ && phase_ == Phase::kActive) {
    refreshing_ = true;
    tell_ports_anew();
    return;
  }
  if (kept_.refresher == Refresher::kUs && !refreshing_) {  // not acknowledged yet: ask again later
    refreshed_ms_ = now_ms_;
    return;
  }
  stop("session_timer", true);
}

void Session::refresh_ok(Event&) {
  refreshing_ = false;
  refreshed_ms_ = now_ms_;
}

void Session::refresh_failed(Event& event) {
  const auto status = std::get<event::RefreshFailed>(event).status;
  const bool over = status == 481 || status == 408;  // the peer has no such dialog, or is not there
  refreshing_ = false;
  // Anything else leaves the dialog as it is (RFC 3261, 14.1): the timer tries again.
  if (over) return stop("session_timer", false);
  refreshed_ms_ = now_ms_ - std::int64_t{kept_.interval_s} * 500 + 5'000;
}

// An UPDATE refreshes without a word on media; a re-INVITE also says our ports.
void Session::tell_ports_anew() {
  const auto offer = read_sdp_parts(kept_.sdp_text);
  CHECK(offer.has_value());
  action::SendRefresh refresh{.by_update = refreshing_ && kept_.allows_update,
                              .session_expires_s = kept_.interval_s,
                              .refresher = kept_.refresher};
  if (!refresh.by_update) {
    if (!refreshing_) ++kept_.sdp_version;
    refresh.sdp =
        write_answer(*offer, kept_.lanes, config_.media_address, kept_.sdp_id, kept_.sdp_version);
  }
  out_.push_back(std::move(refresh));
}

// The recorder's restart --------------------------------------------------------------------------

void Session::lost(Event&) { away_ = true; }

void Session::back(Event&) {
  away_ = false;
  out_.push_back(action::ResumeRecording{});
  told_.reset();
  tell_telephone();
}

void Session::tell_telephone() {
  auto telephone = kept_.telephones.at(kept_.lanes);
  if (told_ == telephone) return;
  told_ = telephone;
  out_.push_back(action::TellTelephone{std::move(telephone)});
}

void Session::resumed(Event& event) {
  const auto before = kept_.lanes;
  if (!set_ports(std::get<event::Updated>(event).ports)) {
    kept_.lanes = before;
    return;
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].port == kept_.lanes[i].port) continue;
    refreshing_ = false;
    return tell_ports_anew();
  }
}

// The recorder knows nothing of the call any more: what is left of it becomes a call of its own.
void Session::resume_refused(Event& event) {
  const auto code = std::get<event::Refused>(event).code;
  if (code == Errc::kUnavailable || code == Errc::kTimeout)
    return;  // lost again: RecorderBack comes again
  add_flag(kept_.flags, "continued");
  for (auto& lane : kept_.lanes) lane.port = 0;
  out_.push_back(
      action::OpenRecording{kept_.direction, streams(), kept_.call_data.clone(), kept_.flags});
  phase_ = Phase::kReopening;
}

void Session::reopened(Event& event) {
  auto& news = std::get<event::Opened>(event);
  kept_.call = news.call;
  (void)set_ports(news.ports);
  told_.reset();
  tell_telephone();
  refreshing_ = false;
  phase_ = Phase::kActive;
  tell_ports_anew();
}

void Session::reopen_refused(Event&) {
  out_.push_back(action::ReportMissed{"recorder_lost_call", 0});
  out_.push_back(action::SendBye{});
  phase_ = Phase::kEnded;
}

// Own restart -------------------------------------------------------------------------------------

SecretBytes Session::save() const { return SecretBytes(pack(kept_)); }

Result<Session> Session::restore(const SessionConfig& config, ByteView saved, const CallId& call,
                                 const std::vector<std::uint16_t>& ports, std::int64_t now_ms) {
  Session session(config, 0);
  if (auto kept = unpack<Kept>(saved))
    session.kept_ = std::move(*kept);
  else
    session.kept_ = TRY(unpack<KeptBefore>(saved)).kept;
  if (!read_sdp_parts(session.kept_.sdp_text))
    return fail(Errc::kMalformed, "saved session has no readable SDP");
  session.kept_.call = call;
  if (!session.set_ports(ports)) return fail(Errc::kMalformed, "saved session has other streams");
  session.sdp_id_ = session.kept_.sdp_id;
  // Answers may have been given after the state was saved; their versions must not come again.
  session.kept_.sdp_version += 1000;
  session.phase_ = Phase::kActive;
  session.refreshed_ms_ = session.now_ms_ = now_ms;
  return session;
}

}  // namespace callward::capture
