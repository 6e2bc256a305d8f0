// The call-back's table: the ways that it goes, and random histories that keep its invariants.
#include "capture/callback.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <optional>

namespace callward::capture {
namespace {

namespace event = callback_event;
namespace action = callback_action;
using keys::DialCause;
using keys::DialState;
using enum CallBackPhase;

constexpr CallBackTimes kTimes{600'000, 30'000, 45'000};

template <class T>
std::vector<T> all(const CallBackActions& actions) {
  std::vector<T> out;
  for (const auto& one : actions)
    if (const auto* found = std::get_if<T>(&one)) out.push_back(*found);
  return out;
}
template <class T>
bool has(const CallBackActions& actions) {
  return !all<T>(actions).empty();
}
std::optional<DialCause> end_of(const CallBackActions& actions) {
  for (const auto& tell : all<action::Tell>(actions))
    if (tell.state == DialState::kEnded) return tell.cause;
  return std::nullopt;
}

// A call-back and all that it has wanted so far.
struct Trial {
  CallBack call{kTimes};
  CallBackActions done;
  std::int64_t now = 1'000;
  CallBackActions on(const CallBackEvent& event, std::int64_t after_ms = 10) {
    now += after_ms;
    auto actions = call.on(event, now);
    done.insert(done.end(), actions.begin(), actions.end());
    return actions;
  }
  void expert() {
    on(event::Start{});
    on(event::Opened{});
  }
  void customer() {
    expert();
    on(event::Answered{Leg::kExpert});
  }
  void talking() {
    customer();
    on(event::Updated{});
    on(event::Answered{Leg::kCustomer});
    on(event::Updated{});
    ASSERT_EQ(call.phase(), kTalking);
  }
};

TEST(CallBack, BothAnswerAndTalk) {
  Trial run;
  auto actions = run.on(event::Start{});
  EXPECT_TRUE(has<action::Open>(actions));
  EXPECT_FALSE(has<action::Invite>(actions)) << "before there is a recording nobody is called";
  actions = run.on(event::Opened{});
  ASSERT_EQ(all<action::Invite>(actions).size(), 1u);
  EXPECT_EQ(all<action::Invite>(actions)[0].leg, Leg::kExpert);
  EXPECT_EQ(run.call.mode(Leg::kExpert), Mode::kSilent);
  actions = run.on(event::Answered{Leg::kExpert});
  ASSERT_EQ(all<action::Invite>(actions).size(), 1u);
  EXPECT_EQ(all<action::Invite>(actions)[0].leg, Leg::kCustomer);
  EXPECT_EQ(run.call.gate(), Gate::kShut);
  run.on(event::Updated{});
  EXPECT_EQ(run.call.gate(), Gate::kShut) << "the recorder's word was about the expert's dialog";
  actions = run.on(event::Answered{Leg::kCustomer});
  EXPECT_TRUE(has<action::Update>(actions));
  EXPECT_FALSE(has<action::SetGate>(actions)) << "the recorder has not yet taken it";
  EXPECT_EQ(run.call.mode(Leg::kCustomer), Mode::kActive);
  actions = run.on(event::Updated{});
  EXPECT_EQ(run.call.gate(), Gate::kOpen);
  run.on(event::Hung{Leg::kCustomer}, 31'000);
  EXPECT_EQ(run.call.phase(), kEnded);
  EXPECT_EQ(run.call.talked_ms(run.now + 9'999), 31'000u);
  std::vector<DialState> told;
  for (const auto& tell : all<action::Tell>(run.done)) told.push_back(tell.state);
  EXPECT_EQ(told,
            (std::vector{DialState::kRingingExpert, DialState::kExpertAnswered,
                         DialState::kRingingCustomer, DialState::kConnected, DialState::kEnded}));
  EXPECT_EQ(end_of(run.done), DialCause::kHungUpCustomer);
  ASSERT_EQ(all<action::SendBye>(run.done).size(), 1u);
  EXPECT_EQ(all<action::SendBye>(run.done)[0].leg, Leg::kExpert);
  EXPECT_EQ(all<action::End>(run.done).size(), 1u);
}

TEST(CallBack, AFailureIsToldByItsWord) {
  const std::vector<std::tuple<Leg, std::uint16_t, DialCause>> cases = {
      {Leg::kExpert, 486, DialCause::kBusyExpert},
      {Leg::kExpert, 600, DialCause::kBusyExpert},
      {Leg::kExpert, 480, DialCause::kNoAnswerExpert},
      {Leg::kExpert, 603, DialCause::kRefusedExpert},
      {Leg::kExpert, 503, DialCause::kFailed},
      {Leg::kCustomer, 486, DialCause::kBusy},
      {Leg::kCustomer, 408, DialCause::kNoAnswerCustomer},
      {Leg::kCustomer, 404, DialCause::kRefused},
      {Leg::kCustomer, 608, DialCause::kRefused},
      {Leg::kCustomer, 302, DialCause::kFailed},
      {Leg::kCustomer, 407, DialCause::kFailed},
      {Leg::kCustomer, 488, DialCause::kFailed}};
  for (const auto& [leg, status, cause] : cases) {
    Trial run;
    leg == Leg::kExpert ? run.expert() : run.customer();
    run.on(event::Failed{leg, status});
    EXPECT_EQ(run.call.phase(), kEnded) << status;
    EXPECT_EQ(end_of(run.done), cause) << status;
    EXPECT_EQ(has<action::SendBye>(run.done), leg == Leg::kCustomer) << "the expert has answered";
    EXPECT_EQ(all<action::End>(run.done).size(), 1u);
    EXPECT_EQ(run.call.gate(), Gate::kShut);
  }
}

TEST(CallBack, EachRingsForItsOwnTime) {
  Trial expert;
  expert.expert();
  expert.on(event::Tick{}, kTimes.ring_expert_ms - 1);
  EXPECT_EQ(expert.call.phase(), kExpert);
  auto actions = expert.on(event::Tick{}, 1);
  EXPECT_TRUE(has<action::Cancel>(actions));
  EXPECT_EQ(end_of(actions), DialCause::kNoAnswerExpert);
  EXPECT_EQ(expert.call.phase(), kEnding);
  expert.on(event::Failed{Leg::kExpert, 487});
  EXPECT_EQ(expert.call.phase(), kEnded);

  Trial customer;
  customer.customer();
  actions = customer.on(event::Tick{}, kTimes.ring_customer_ms);
  EXPECT_EQ(end_of(actions), DialCause::kNoAnswerCustomer);
  EXPECT_TRUE(has<action::SendBye>(actions) && has<action::Cancel>(actions));

  Trial whole;
  whole.talking();
  actions = whole.on(event::Tick{}, kTimes.deadline_ms);
  EXPECT_EQ(end_of(actions), DialCause::kDeadline);
  EXPECT_EQ(all<action::SendBye>(actions).size(), 2u);
}

TEST(CallBack, AnAnswerThatCrossesOurCancelIsHungUp) {
  Trial run;
  run.customer();
  run.on(event::HangUp{});
  EXPECT_EQ(run.call.phase(), kEnding);
  const auto actions = run.on(event::Answered{Leg::kCustomer});
  ASSERT_EQ(all<action::SendBye>(actions).size(), 1u);
  EXPECT_EQ(all<action::SendBye>(actions)[0].leg, Leg::kCustomer);
  EXPECT_FALSE(has<action::Tell>(actions)) << "its end was told";
  EXPECT_EQ(run.call.phase(), kEnded);
}

TEST(CallBack, ACancelWithoutAnAnswerIsGivenUp) {
  Trial run;
  run.expert();
  run.on(event::HangUp{});
  run.on(event::Tick{}, kCancelAnswerMs - 1);
  EXPECT_EQ(run.call.phase(), kEnding);
  const auto actions = run.on(event::Tick{}, 1);
  EXPECT_TRUE(has<action::Drop>(actions));
  EXPECT_EQ(run.call.phase(), kEnded);
}

TEST(CallBack, WithoutARecorderNobodyIsCalled) {
  for (const CallBackEvent& no :
       {CallBackEvent(event::Refused{Errc::kBusy}), CallBackEvent(event::RecorderLost{})}) {
    Trial run;
    run.on(event::Start{});
    run.on(no);
    EXPECT_EQ(end_of(run.done), DialCause::kNotRecorded);
    EXPECT_FALSE(has<action::Invite>(run.done));
    EXPECT_FALSE(has<action::End>(run.done));
  }
}

TEST(CallBack, GivenUpBeforeTheRecorderHasAnswered) {
  Trial run;
  run.on(event::Start{});
  run.on(event::HangUp{});
  EXPECT_EQ(end_of(run.done), DialCause::kByKeeper);
  EXPECT_EQ(run.call.phase(), kAbandoned);
  run.on(event::Opened{});
  EXPECT_EQ(run.call.phase(), kEnded);
  EXPECT_EQ(all<action::End>(run.done).size(), 1u);
  EXPECT_FALSE(has<action::Invite>(run.done));
}

TEST(CallBack, ARecorderThatIsLostBeforeTheyTalkEndsIt) {
  Trial run;
  run.customer();
  run.on(event::Answered{Leg::kCustomer});
  run.on(event::RecorderLost{});
  EXPECT_EQ(end_of(run.done), DialCause::kNotRecorded);
  EXPECT_EQ(all<action::SendBye>(run.done).size(), 2u);
  EXPECT_EQ(run.call.phase(), kEnded);
}

// As with SIPREC: its sockets are kept, so the call goes on; when it is back it is told of it.
TEST(CallBack, ARecorderThatComesBackGoesOnWithIt) {
  Trial run;
  run.talking();
  run.on(event::RecorderLost{});
  EXPECT_EQ(run.call.gate(), Gate::kOpen);
  run.on(event::Media{Leg::kExpert, false});
  EXPECT_TRUE(has<action::Resume>(run.on(event::RecorderBack{})));
  EXPECT_EQ(run.call.mode(Leg::kExpert), Mode::kOnHold) << "what it is told then";
  run.on(event::Updated{});
  EXPECT_EQ(run.call.phase(), kTalking);

  run.on(event::RecorderLost{});
  run.on(event::RecorderBack{});
  auto actions = run.on(event::Refused{Errc::kNotFound});
  EXPECT_TRUE(all<action::Open>(actions).at(0).continued);
  EXPECT_EQ(run.call.gate(), Gate::kShut) << "nobody records";
  actions = run.on(event::Opened{});
  EXPECT_EQ(run.call.gate(), Gate::kOpen);
  run.on(event::HangUp{});
  EXPECT_EQ(all<action::End>(run.done).size(), 1u) << "the first one the recorder has lost";
  EXPECT_EQ(run.call.phase(), kEnded);
}

TEST(CallBack, ADeadRecordingEndsItAndIsNotEndedAgain) {
  Trial run;
  run.talking();
  run.on(event::Dead{});
  EXPECT_EQ(end_of(run.done), DialCause::kNotRecorded);
  EXPECT_FALSE(has<action::End>(run.done));
  EXPECT_EQ(all<action::SendBye>(run.done).size(), 2u);
}

TEST(CallBack, EarlyMediaPassesOneWayOnceItIsRecorded) {
  Trial run;
  run.customer();
  run.on(event::Updated{});
  run.on(event::Early{Leg::kExpert});
  EXPECT_EQ(run.call.mode(Leg::kCustomer), Mode::kSilent);
  EXPECT_TRUE(has<action::Update>(run.on(event::Early{Leg::kCustomer})));
  EXPECT_EQ(run.call.mode(Leg::kCustomer), Mode::kActive);
  EXPECT_EQ(run.call.mode(Leg::kExpert), Mode::kSilent);
  EXPECT_EQ(run.call.gate(), Gate::kShut);
  run.on(event::Updated{});
  EXPECT_EQ(run.call.gate(), Gate::kEarly);
  EXPECT_FALSE(has<action::Update>(run.on(event::Early{Leg::kCustomer}))) << "told once";
  run.on(event::Answered{Leg::kCustomer});
  run.on(event::Updated{});
  EXPECT_EQ(run.call.gate(), Gate::kOpen);
}

TEST(CallBack, AnAnswerWithoutACodecOfOursIsHungUp) {
  for (const auto leg : {Leg::kExpert, Leg::kCustomer}) {
    Trial run;
    leg == Leg::kExpert ? run.expert() : run.customer();
    run.on(event::Answered{leg, false});
    EXPECT_EQ(end_of(run.done), DialCause::kFailed);
    EXPECT_EQ(run.call.phase(), kEnded);
    for (const auto one : {Leg::kExpert, Leg::kCustomer})
      EXPECT_NE(run.call.leg(one), LegState::kUp);
  }
}

TEST(CallBack, AHoldIsToldToTheRecorder) {
  Trial run;
  run.talking();
  EXPECT_TRUE(has<action::Update>(run.on(event::Media{Leg::kCustomer, false})));
  EXPECT_EQ(run.call.mode(Leg::kCustomer), Mode::kOnHold);
  EXPECT_FALSE(has<action::Update>(run.on(event::Media{Leg::kCustomer, false})));
  EXPECT_TRUE(has<action::Update>(run.on(event::Media{Leg::kCustomer, true})));
  EXPECT_EQ(run.call.mode(Leg::kCustomer), Mode::kActive);
}

// ---- random histories ---------------------------------------------------------------------------

rc::Gen<Leg> any_leg() { return rc::gen::element(Leg::kExpert, Leg::kCustomer); }

rc::Gen<CallBackEvent> any_event() {
  using Event = CallBackEvent;
  const auto plain = [](auto one) { return rc::gen::just(Event(one)); };
  return rc::gen::weightedOneOf<Event>(
      {{6, plain(event::Opened{})},
       {8, plain(event::Updated{})},
       {2, rc::gen::map(
               rc::gen::element(Errc::kNotFound, Errc::kBusy, Errc::kUnavailable, Errc::kTimeout),
               [](Errc code) { return Event(event::Refused{code}); })},
       {1, plain(event::Dead{})},
       {1, plain(event::RecorderLost{})},
       {2, plain(event::RecorderBack{})},
       {2, rc::gen::map(any_leg(), [](Leg leg) { return Event(event::Early{leg}); })},
       {8, rc::gen::map(
               rc::gen::pair(any_leg(), rc::gen::weightedElement<bool>({{9, true}, {1, false}})),
               [](const auto& pair) { return Event(event::Answered{pair.first, pair.second}); })},
       {2, rc::gen::map(
               rc::gen::pair(any_leg(), rc::gen::element<std::uint16_t>(486, 487, 503)),
               [](const auto& pair) { return Event(event::Failed{pair.first, pair.second}); })},
       {2, rc::gen::map(any_leg(), [](Leg leg) { return Event(event::Hung{leg}); })},
       {2, rc::gen::map(
               rc::gen::pair(any_leg(), rc::gen::arbitrary<bool>()),
               [](const auto& pair) { return Event(event::Media{pair.first, pair.second}); })},
       {1, plain(event::HangUp{})},
       {1, plain(event::Stop{})},
       {4, plain(event::Tick{})}});
}

// What a network, a recorder and a keeper would see.
struct World {
  std::array<int, 2> open_dialogs{},
      invites{};  // a dialog is open once its INVITE was answered 2xx
  std::array<bool, 2> inviting{};
  bool recording = false, asked = false;  // the recorder has it; Open waits for an answer
  int opened = 0, ended = 0, gone = 0, ends_told = 0;
  DialState latest{};

  void before(const CallBackEvent& event) {
    if (std::holds_alternative<event::Opened>(event) && asked) {
      recording = true;
      asked = false;
      ++opened;
    }
    if (std::holds_alternative<event::Dead>(event) && recording) {
      recording = false;
      ++gone;
    }
    if (const auto* news = std::get_if<event::Answered>(&event)) {
      auto& waits = inviting[static_cast<std::size_t>(news->leg)];
      if (waits) ++open_dialogs[static_cast<std::size_t>(news->leg)];
      waits = false;
    }
    if (const auto* news = std::get_if<event::Failed>(&event))
      inviting[static_cast<std::size_t>(news->leg)] = false;
    if (const auto* news = std::get_if<event::Hung>(&event))
      open_dialogs[static_cast<std::size_t>(news->leg)] = 0;
    if (std::holds_alternative<event::Refused>(event) ||
        std::holds_alternative<event::RecorderLost>(event))
      asked = false;
  }
  void after(const CallBackActions& actions, const CallBackEvent& event) {
    for (const auto& one : actions) {
      if (const auto* open = std::get_if<action::Open>(&one)) {
        if (open->continued) {  // it says that it has lost it
          recording = false;
          ++gone;
        }
        RC_ASSERT(!recording && !asked);
        asked = true;
      } else if (const auto* end = std::get_if<action::End>(&one)) {
        RC_ASSERT(recording);
        RC_ASSERT(!std::string_view(end->cause).empty());
        recording = false;
        ++ended;
      } else if (const auto* invite = std::get_if<action::Invite>(&one)) {
        const auto leg = static_cast<std::size_t>(invite->leg);
        RC_ASSERT(recording);
        RC_ASSERT(++invites[leg] == 1);
        if (invite->leg == Leg::kCustomer)
          RC_ASSERT(open_dialogs[static_cast<std::size_t>(Leg::kExpert)] == 1);
        inviting[leg] = true;
      } else if (const auto* bye = std::get_if<action::SendBye>(&one)) {
        auto& dialog = open_dialogs[static_cast<std::size_t>(bye->leg)];
        RC_ASSERT(dialog == 1);
        dialog = 0;
      } else if (const auto* cancel = std::get_if<action::Cancel>(&one)) {
        RC_ASSERT(inviting[static_cast<std::size_t>(cancel->leg)]);
      } else if (const auto* drop = std::get_if<action::Drop>(&one)) {
        RC_ASSERT(inviting[static_cast<std::size_t>(drop->leg)]);
        inviting[static_cast<std::size_t>(drop->leg)] = false;
      } else if (const auto* gate = std::get_if<action::SetGate>(&one)) {
        // Nobody talks unrecorded: it opens with the recorder's answer, and while it has the call.
        if (gate->gate == Gate::kShut) continue;
        RC_ASSERT(recording);
        RC_ASSERT(std::holds_alternative<event::Updated>(event) ||
                  std::holds_alternative<event::Opened>(event));
      } else if (const auto* tell = std::get_if<action::Tell>(&one)) {
        RC_ASSERT(tell->state > latest);
        latest = tell->state;
        RC_ASSERT((tell->state == DialState::kEnded) == (tell->cause != DialCause::kNone));
        ends_told += tell->state == DialState::kEnded ? 1 : 0;
      }
    }
  }
};

// Only a dialog that is there can be hung up by its peer; the rest comes as it likes.
bool may_come(const CallBackEvent& event, const World& world) {
  if (const auto* hung = std::get_if<event::Hung>(&event))
    return world.open_dialogs[static_cast<std::size_t>(hung->leg)] == 1;
  if (std::holds_alternative<event::Opened>(event)) return world.asked;
  if (std::holds_alternative<event::Updated>(event)) return world.recording && !world.asked;
  return true;
}

TEST(CallBack, NoHistoryLeavesADialogOpenOrLetsAnybodyTalkUnrecorded) {
  EXPECT_TRUE(rc::check([] {
    Trial run;
    World world;
    const auto step = [&](const CallBackEvent& event, std::int64_t after_ms) {
      if (!may_come(event, world)) return;
      world.before(event);
      world.after(run.on(event, after_ms), event);
      if (run.call.gate() != Gate::kShut) RC_ASSERT(world.recording);
      if (run.call.gate() == Gate::kOpen)
        RC_ASSERT(world.open_dialogs[0] == 1 && world.open_dialogs[1] == 1);
    };
    // Chance alone seldom gets far: so many steps of the good way come first.
    const std::vector<CallBackEvent> good = {event::Start{},
                                             event::Opened{},
                                             event::Answered{Leg::kExpert},
                                             event::Updated{},
                                             event::Answered{Leg::kCustomer},
                                             event::Updated{}};
    const auto upto = *rc::gen::inRange<std::size_t>(1, 2 * good.size());
    for (std::size_t i = 0; i < std::min(upto, good.size()); ++i) step(good[i], 10);
    const auto events = *rc::gen::container<std::vector<CallBackEvent>>(any_event());
    for (const auto& event : events) step(event, *rc::gen::inRange(0, 20'000));
    RC_CLASSIFY(run.call.talked_ms(run.now) > 0, "talked");
    // Whatever has been: time, and the recorder's last answer, end it.
    for (int i = 0; i < 8; ++i) {
      step(event::Tick{}, kTimes.deadline_ms + kCancelAnswerMs);
      step(event::Opened{}, 1);
    }
    RC_ASSERT(run.call.phase() == kEnded);
    RC_ASSERT(world.open_dialogs[0] == 0 && world.open_dialogs[1] == 0);
    RC_ASSERT(!world.inviting[0] && !world.inviting[1]);
    RC_ASSERT(!world.recording);
    RC_ASSERT(world.opened == world.ended + world.gone);
    RC_ASSERT(world.ends_told == 1);
  }));
}

}  // namespace
}  // namespace callward::capture
