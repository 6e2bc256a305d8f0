#include "capture/callback.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "base/check.hpp"

namespace callward::capture {
namespace {

namespace event = callback_event;
namespace action = callback_action;
using keys::DialCause;
using keys::DialState;

constexpr std::array kLegs = {Leg::kExpert, Leg::kCustomer};

constexpr std::uint16_t kSetOf(std::initializer_list<CallBackPhase> phases) {
  std::uint16_t set = 0;
  for (const auto phase : phases)
    set = static_cast<std::uint16_t>(set | 1u << static_cast<unsigned>(phase));
  return set;
}

template <class T, std::size_t I = 0>
constexpr std::size_t index_of() {
  if constexpr (std::is_same_v<std::variant_alternative_t<I, CallBackEvent>, T>)
    return I;
  else
    return index_of<T, I + 1>();
}

// RFC 3261, 21: the word for a final answer that refuses.
DialCause cause_of(Leg leg, std::uint16_t status) {
  const bool expert = leg == Leg::kExpert;
  switch (status) {
    case 408:  // nobody answered in time: here, or where it was forwarded to
    case 480:
    case 487:
      return expert ? DialCause::kNoAnswerExpert : DialCause::kNoAnswerCustomer;
    case 486:
    case 600:
      return expert ? DialCause::kBusyExpert : DialCause::kBusy;
    case 403:
    case 404:
    case 410:
    case 484:
    case 603:
    case 604:
    case 607:
    case 608:
      return expert ? DialCause::kRefusedExpert : DialCause::kRefused;
    default:
      return DialCause::kFailed;
  }
}

}  // namespace

struct CallBack::Rule {
  CallBackPhase from;
  std::size_t event;
  void (CallBack::*handler)(const CallBackEvent&);
  std::uint16_t next;  // the phases that may hold afterwards
};

// Every pair of phase and event that means something. What is not here is late or stray: let go.
const CallBack::Rule* CallBack::find_rule(CallBackPhase phase, std::size_t event) {
  using enum CallBackPhase;
  using C = CallBack;
  static constexpr auto kStart = index_of<event::Start>();
  static constexpr auto kOpened = index_of<event::Opened>();
  static constexpr auto kUpdated = index_of<event::Updated>();
  static constexpr auto kRefused = index_of<event::Refused>();
  static constexpr auto kDead = index_of<event::Dead>();
  static constexpr auto kLost = index_of<event::RecorderLost>();
  static constexpr auto kBack = index_of<event::RecorderBack>();
  static constexpr auto kEarly = index_of<event::Early>();
  static constexpr auto kAnswered = index_of<event::Answered>();
  static constexpr auto kFailed = index_of<event::Failed>();
  static constexpr auto kHung = index_of<event::Hung>();
  static constexpr auto kMedia = index_of<event::Media>();
  static constexpr auto kHangUp = index_of<event::HangUp>();
  static constexpr auto kStop = index_of<event::Stop>();
  static constexpr auto kTick = index_of<event::Tick>();
  static constexpr auto kOver = kSetOf({kEnding, kEnded});
  static constexpr auto kOr = [](CallBackPhase one) {
    return static_cast<std::uint16_t>(kOver | kSetOf({one}));
  };
  static constexpr Rule kRules[] = {
      {kIdle, kStart, &C::start, kSetOf({kOpening})},

      {kOpening, kOpened, &C::opened, kSetOf({kExpert})},
      {kOpening, kRefused, &C::not_opened, kSetOf({kEnded})},
      {kOpening, kLost, &C::not_opened, kSetOf({kEnded})},
      {kOpening, kHangUp, &C::abandon, kSetOf({kAbandoned})},
      {kOpening, kStop, &C::abandon, kSetOf({kAbandoned})},
      {kOpening, kTick, &C::abandon, kSetOf({kOpening, kAbandoned})},

      {kAbandoned, kOpened, &C::opened_late, kSetOf({kEnded})},
      {kAbandoned, kRefused, &C::gone, kSetOf({kEnded})},
      {kAbandoned, kLost, &C::gone, kSetOf({kEnded})},

      {kExpert, kAnswered, &C::answered, kOr(kCustomer) | kSetOf({kExpert})},
      {kExpert, kFailed, &C::failed, kOr(kExpert)},
      {kExpert, kRefused, &C::unrecorded, kOver},
      {kExpert, kDead, &C::dead, kOver},
      {kExpert, kLost, &C::unrecorded, kOver},
      {kExpert, kHangUp, &C::hang_up, kOver},
      {kExpert, kStop, &C::hang_up, kOver},
      {kExpert, kTick, &C::tick, kOr(kExpert)},

      {kCustomer, kEarly, &C::early, kSetOf({kCustomer})},
      {kCustomer, kUpdated, &C::early_taken, kSetOf({kCustomer})},
      {kCustomer, kRefused, &C::early_refused, kOr(kCustomer)},
      {kCustomer, kAnswered, &C::answered, kOr(kJoining) | kSetOf({kCustomer})},
      {kCustomer, kFailed, &C::failed, kOr(kCustomer)},
      {kCustomer, kHung, &C::hung, kOver},
      {kCustomer, kMedia, &C::media, kSetOf({kCustomer})},
      {kCustomer, kDead, &C::dead, kOver},
      {kCustomer, kLost, &C::unrecorded, kOver},
      {kCustomer, kHangUp, &C::hang_up, kOver},
      {kCustomer, kStop, &C::hang_up, kOver},
      {kCustomer, kTick, &C::tick, kOr(kCustomer)},

      {kJoining, kUpdated, &C::joined, kSetOf({kTalking})},
      {kJoining, kRefused, &C::unrecorded, kOver},
      {kJoining, kHung, &C::hung, kOver},
      {kJoining, kMedia, &C::media, kSetOf({kJoining})},
      {kJoining, kDead, &C::dead, kOver},
      {kJoining, kLost, &C::unrecorded, kOver},
      {kJoining, kHangUp, &C::hang_up, kOver},
      {kJoining, kStop, &C::hang_up, kOver},
      {kJoining, kTick, &C::tick, kOr(kJoining)},

      {kTalking, kHung, &C::hung, kOver},
      {kTalking, kMedia, &C::media, kSetOf({kTalking})},
      {kTalking, kDead, &C::dead, kOver},
      {kTalking, kLost, &C::lost, kSetOf({kTalking})},
      {kTalking, kBack, &C::back, kSetOf({kTalking})},
      {kTalking, kUpdated, &C::ignore, kSetOf({kTalking})},
      {kTalking, kRefused, &C::update_refused, kSetOf({kTalking, kReopening})},
      {kTalking, kHangUp, &C::hang_up, kOver},
      {kTalking, kStop, &C::hang_up, kOver},
      {kTalking, kTick, &C::tick, kOr(kTalking)},

      {kReopening, kOpened, &C::reopened, kSetOf({kTalking})},
      {kReopening, kRefused, &C::reopen_refused, kOver},
      {kReopening, kLost, &C::reopen_refused, kOver},
      {kReopening, kMedia, &C::media, kSetOf({kReopening})},
      {kReopening, kHung, &C::hung, kSetOf({kAbandoned})},
      {kReopening, kHangUp, &C::hang_up, kSetOf({kAbandoned})},
      {kReopening, kStop, &C::hang_up, kSetOf({kAbandoned})},
      {kReopening, kTick, &C::tick, kSetOf({kReopening, kAbandoned})},

      {kEnding, kAnswered, &C::answered_after_cancel, kOver},
      {kEnding, kFailed, &C::failed_after_cancel, kOver},
      {kEnding, kTick, &C::ending_tick, kOver},
  };
  for (const auto& rule : kRules)
    if (rule.from == phase && rule.event == event) return &rule;
  return nullptr;
}

CallBackActions CallBack::on(const CallBackEvent& event, std::int64_t now_ms) {
  now_ms_ = now_ms;
  if (const auto* rule = find_rule(phase_, event.index())) {
    (this->*rule->handler)(event);
    CHECK((rule->next >> static_cast<unsigned>(phase_) & 1u) != 0);
  }
  return std::exchange(out_, {});
}

Mode CallBack::mode(Leg leg) const {
  const bool together = phase_ == CallBackPhase::kJoining || phase_ == CallBackPhase::kTalking ||
                        phase_ == CallBackPhase::kReopening;
  if (!together) return leg == Leg::kCustomer && early_ ? Mode::kActive : Mode::kSilent;
  return sends_[static_cast<std::size_t>(leg)] ? Mode::kActive : Mode::kOnHold;
}

std::int64_t CallBack::deadline_ms() const {
  const auto whole = started_ms_ + times_.deadline_ms;
  switch (phase_) {
    case CallBackPhase::kExpert:
      return std::min(whole, ringing_ms_ + times_.ring_expert_ms);
    case CallBackPhase::kCustomer:
      return std::min(whole, ringing_ms_ + times_.ring_customer_ms);
    case CallBackPhase::kOpening:
    case CallBackPhase::kJoining:
    case CallBackPhase::kTalking:
    case CallBackPhase::kReopening:
      return whole;
    case CallBackPhase::kEnding:
      return ended_ms_ + kCancelAnswerMs;
    case CallBackPhase::kIdle:
    case CallBackPhase::kAbandoned:
    case CallBackPhase::kEnded:
      break;
  }
  return std::numeric_limits<std::int64_t>::max();
}

std::uint32_t CallBack::talked_ms(std::int64_t now_ms) const {
  if (joined_ms_ < 0) return 0;
  const bool over = phase_ == CallBackPhase::kEnding || phase_ == CallBackPhase::kEnded ||
                    phase_ == CallBackPhase::kAbandoned;
  return static_cast<std::uint32_t>((over ? ended_ms_ : now_ms) - joined_ms_);
}

void CallBack::tell(DialState state, DialCause cause) {
  out_.push_back(action::Tell{state, cause});
}

void CallBack::set_gate(Gate gate) {
  if (gate_ == gate) return;
  gate_ = gate;
  out_.push_back(action::SetGate{gate});
}

// The beginning -----------------------------------------------------------------------------------

void CallBack::start(const CallBackEvent&) {
  started_ms_ = now_ms_;
  out_.push_back(action::Open{});
  phase_ = CallBackPhase::kOpening;
}

void CallBack::opened(const CallBackEvent&) {
  recorded_ = true;
  ringing_ms_ = now_ms_;
  state_of(Leg::kExpert) = LegState::kInviting;
  phase_ = CallBackPhase::kExpert;
  tell(DialState::kRingingExpert);
  out_.push_back(action::Invite{Leg::kExpert});
}

void CallBack::not_opened(const CallBackEvent&) {
  ended_ms_ = now_ms_;
  tell(DialState::kEnded, DialCause::kNotRecorded);
  phase_ = CallBackPhase::kEnded;
}

void CallBack::abandon(const CallBackEvent& event) {
  const bool tick = std::holds_alternative<event::Tick>(event);
  if (tick && now_ms_ < deadline_ms()) return;
  ended_ms_ = now_ms_;
  tell(DialState::kEnded, tick                                         ? DialCause::kDeadline
                          : std::holds_alternative<event::Stop>(event) ? DialCause::kSignalLost
                                                                       : DialCause::kByKeeper);
  phase_ = CallBackPhase::kAbandoned;
}

void CallBack::opened_late(const CallBackEvent&) {
  out_.push_back(action::End{"cancel"});
  phase_ = CallBackPhase::kEnded;
}

void CallBack::gone(const CallBackEvent&) { phase_ = CallBackPhase::kEnded; }

// The legs ----------------------------------------------------------------------------------------

void CallBack::answered(const CallBackEvent& event) {
  const auto& news = std::get<event::Answered>(event);
  const auto awaited = phase_ == CallBackPhase::kExpert ? Leg::kExpert : Leg::kCustomer;
  if (news.leg != awaited) return;  // its 2xx again
  state_of(news.leg) = LegState::kUp;
  if (!news.usable) return stop(DialCause::kFailed, "cancel");
  if (news.leg == Leg::kCustomer) {
    phase_ = CallBackPhase::kJoining;
    out_.push_back(action::Update{});
    return;
  }
  ringing_ms_ = now_ms_;
  state_of(Leg::kCustomer) = LegState::kInviting;
  phase_ = CallBackPhase::kCustomer;
  tell(DialState::kExpertAnswered);
  out_.push_back(action::Update{});  // the recorder keeps the dialog for us
  tell(DialState::kRingingCustomer);
  out_.push_back(action::Invite{Leg::kCustomer});
}

void CallBack::failed(const CallBackEvent& event) {
  const auto& news = std::get<event::Failed>(event);
  if (state_of(news.leg) != LegState::kInviting) return;
  state_of(news.leg) = LegState::kGone;
  stop(cause_of(news.leg, news.status), "cancel");
}

void CallBack::hung(const CallBackEvent& event) {
  const auto leg = std::get<event::Hung>(event).leg;
  if (state_of(leg) == LegState::kUp) state_of(leg) = LegState::kGone;
  stop(leg == Leg::kExpert ? DialCause::kHungUpExpert : DialCause::kHungUpCustomer, "bye");
}

// What the customer's side plays before its answer may be said by somebody: recorded, too.
void CallBack::early(const CallBackEvent& event) {
  if (std::get<event::Early>(event).leg != Leg::kCustomer || early_) return;
  early_ = true;
  out_.push_back(action::Update{});
}

void CallBack::early_taken(const CallBackEvent&) {
  if (early_) set_gate(Gate::kEarly);
}

// Without it the expert waits in silence; a recorder that does not take the answer either ends it.
void CallBack::early_refused(const CallBackEvent&) {
  if (!early_) return stop(DialCause::kNotRecorded, "recorder_lost");
  early_ = false;
}

void CallBack::joined(const CallBackEvent&) {
  joined_ms_ = now_ms_;
  phase_ = CallBackPhase::kTalking;
  set_gate(Gate::kOpen);
  tell(DialState::kConnected);
}

void CallBack::media(const CallBackEvent& event) {
  const auto& news = std::get<event::Media>(event);
  auto& sends = sends_[static_cast<std::size_t>(news.leg)];
  if (sends == news.sends) return;
  sends = news.sends;
  // Ringing, it is not yet told; away, Resume tells it; reopening, the open one is told when it is.
  if (phase_ == CallBackPhase::kJoining || (phase_ == CallBackPhase::kTalking && !away_))
    out_.push_back(action::Update{});
}

// The recorder ------------------------------------------------------------------------------------

// Whether a recorder that was lost still has the call nobody knows: told its end when it is back.
void CallBack::unrecorded(const CallBackEvent&) { stop(DialCause::kNotRecorded, "recorder_lost"); }

void CallBack::dead(const CallBackEvent&) {
  recorded_ = false;
  stop(DialCause::kNotRecorded, "dead");
}

// Its sockets are kept by the supervisor: what is said meanwhile waits there.
void CallBack::lost(const CallBackEvent&) { away_ = true; }

void CallBack::back(const CallBackEvent&) {
  away_ = false;
  out_.push_back(action::Resume{});
}

void CallBack::update_refused(const CallBackEvent& event) {
  const auto code = std::get<event::Refused>(event).code;
  if (code == Errc::kUnavailable || code == Errc::kTimeout)
    return;  // lost again: RecorderBack comes again
  recorded_ = false;
  set_gate(Gate::kShut);
  out_.push_back(action::Open{.continued = true});
  phase_ = CallBackPhase::kReopening;
}

void CallBack::reopened(const CallBackEvent&) {
  recorded_ = true;
  phase_ = CallBackPhase::kTalking;
  set_gate(Gate::kOpen);
  out_.push_back(action::Update{});
}

void CallBack::reopen_refused(const CallBackEvent&) {
  stop(DialCause::kNotRecorded, "recorder_lost");
  if (phase_ == CallBackPhase::kAbandoned) phase_ = CallBackPhase::kEnded;
}

// The end -----------------------------------------------------------------------------------------

// Every way to the end goes through here, but for those before a leg was dialled.
void CallBack::stop(DialCause cause, const char* recording_cause) {
  set_gate(Gate::kShut);
  for (const auto leg : kLegs) {
    auto& state = state_of(leg);
    if (state == LegState::kInviting) {
      state = LegState::kCancelling;
      out_.push_back(action::Cancel{leg});
    } else if (state == LegState::kUp) {
      state = LegState::kGone;
      out_.push_back(action::SendBye{leg});
    }
  }
  if (std::exchange(recorded_, false)) out_.push_back(action::End{recording_cause});
  ended_ms_ = now_ms_;
  tell(DialState::kEnded, cause);
  if (phase_ == CallBackPhase::kReopening)
    phase_ = CallBackPhase::kAbandoned;  // the recorder's answer is still to come
  else
    settle();
}

void CallBack::settle() {
  const bool waits = std::any_of(legs_.begin(), legs_.end(),
                                 [](LegState state) { return state == LegState::kCancelling; });
  phase_ = waits ? CallBackPhase::kEnding : CallBackPhase::kEnded;
}

void CallBack::hang_up(const CallBackEvent& event) {
  const bool talked = joined_ms_ >= 0;
  stop(std::holds_alternative<event::Stop>(event) ? DialCause::kSignalLost : DialCause::kByKeeper,
       talked ? "bye" : "cancel");
}

void CallBack::tick(const CallBackEvent&) {
  if (now_ms_ < deadline_ms()) return;
  const bool whole = now_ms_ >= started_ms_ + times_.deadline_ms;
  const bool talked = joined_ms_ >= 0;
  if (whole) return stop(DialCause::kDeadline, talked ? "bye" : "cancel");
  stop(phase_ == CallBackPhase::kExpert ? DialCause::kNoAnswerExpert : DialCause::kNoAnswerCustomer,
       "cancel");
}

// The answer and our CANCEL crossed each other.
void CallBack::answered_after_cancel(const CallBackEvent& event) {
  const auto leg = std::get<event::Answered>(event).leg;
  if (state_of(leg) != LegState::kCancelling) return;
  state_of(leg) = LegState::kGone;
  out_.push_back(action::SendBye{leg});
  settle();
}

void CallBack::failed_after_cancel(const CallBackEvent& event) {
  const auto leg = std::get<event::Failed>(event).leg;
  if (state_of(leg) != LegState::kCancelling) return;
  state_of(leg) = LegState::kGone;
  settle();
}

void CallBack::ending_tick(const CallBackEvent&) {
  if (now_ms_ < deadline_ms()) return;
  for (const auto leg : kLegs) {
    if (state_of(leg) != LegState::kCancelling) continue;
    state_of(leg) = LegState::kGone;
    out_.push_back(action::Drop{leg});
  }
  settle();
}

}  // namespace callward::capture
