#include "app/dial_desk.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <optional>
#include <vector>

namespace callward::app {
namespace {

using keys::DialCause;
using keys::DialState;

DialId id_of(std::uint8_t filler) {
  DialId id;
  id.bytes.fill(filler);
  return id;
}
CallId call_of(std::uint8_t filler) {
  CallId id;
  id.bytes.fill(filler);
  return id;
}

struct Desk {
  ManualClock clock;
  std::vector<DialNews> news;
  std::vector<DialId> hung_up;
  std::vector<std::function<void(Result<keys::DialTaken>)>> asked;
  DialDesk desk{clock,
                {.dial =
                     [this](const keys::Dial&, std::function<void(Result<keys::DialTaken>)> done) {
                       asked.push_back(std::move(done));
                     },
                 .hang_up = [this](const keys::HangUp& order) { hung_up.push_back(order.dial); },
                 .news = [this](const DialNews& one) { news.push_back(one); }}};

  std::optional<Status> dial(std::uint8_t id, std::uint32_t deadline_ms = 60'000) {
    keys::Dial order;
    order.dial = id_of(id);
    order.deadline_ms = deadline_ms;
    auto outcome = std::make_shared<std::optional<Status>>();
    last = outcome;
    desk.dial(order, [outcome](Status status) { *outcome = std::move(status); });
    return *outcome;
  }
  void taken(keys::DialRefusal refusal = keys::DialRefusal::kNone) {
    asked.back()(keys::DialTaken{{}, refusal});
  }
  void progress(std::uint8_t id, DialState state, DialCause cause = DialCause::kNone) {
    desk.progress(
        {.dial = id_of(id), .state = state, .cause = cause, .call = call_of(0xEE), .talked_ms = 5});
  }
  std::shared_ptr<std::optional<Status>> last;
};

TEST(DialDesk, ADialFromItsOrderToItsEnd) {
  Desk rig;
  EXPECT_FALSE(rig.dial(1));
  rig.taken();
  ASSERT_TRUE(*rig.last && (*rig.last)->has_value());
  rig.progress(1, DialState::kRingingExpert);
  rig.desk.recorded({id_of(1), call_of(9)});
  rig.desk.recorded({id_of(1), call_of(9)});  // told again: no news
  rig.progress(1, DialState::kConnected);
  rig.progress(1, DialState::kExpertAnswered);  // late
  rig.progress(1, DialState::kConnected);       // again
  rig.progress(1, DialState::kEnded, DialCause::kHungUpCustomer);
  rig.progress(1, DialState::kEnded, DialCause::kFailed);
  ASSERT_EQ(rig.news.size(), 4u);
  EXPECT_TRUE(rig.news[0].call.is_zero()) << "what signal says of the call does not count";
  EXPECT_EQ(rig.news[1].call, call_of(9));
  EXPECT_EQ(rig.news[3].state, DialState::kEnded);
  EXPECT_EQ(rig.news[3].cause, DialCause::kHungUpCustomer);
  EXPECT_EQ(rig.news[3].call, call_of(9));
  EXPECT_EQ(rig.desk.running(), 0u);
  EXPECT_FALSE(rig.desk.hang_up(id_of(1)));
}

TEST(DialDesk, TheRecorderMaySpeakAfterTheEnd) {
  Desk rig;
  (void)rig.dial(1);
  rig.taken();
  rig.progress(1, DialState::kEnded, DialCause::kBusy);
  rig.desk.recorded({id_of(1), call_of(3)});
  ASSERT_EQ(rig.news.size(), 2u);
  EXPECT_EQ(rig.news[1].call, call_of(3));
  EXPECT_EQ(rig.news[1].state, DialState::kEnded);
}

TEST(DialDesk, WhyNotIsSaid) {
  using enum keys::DialRefusal;
  const std::vector<std::pair<keys::DialRefusal, Errc>> cases = {
      {kNotConfigured, Errc::kConfig},
      {kMalformed, Errc::kMalformed},
      {kRuns, Errc::kExists},
      {kFull, Errc::kFull},
      {kNotRecorded, Errc::kUnavailable},
      {keys::DialRefusal{77}, Errc::kMalformed}};
  for (const auto& [refusal, code] : cases) {
    Desk rig;
    (void)rig.dial(1);
    rig.taken(refusal);
    ASSERT_TRUE(*rig.last && !**rig.last);
    EXPECT_EQ((*rig.last)->error().code, code);
    EXPECT_TRUE(rig.hung_up.empty());
    EXPECT_EQ(rig.desk.running(), 0u);
  }
}

TEST(DialDesk, WithoutAnAnswerItIsHungUp) {
  Desk rig;
  (void)rig.dial(1);
  rig.asked.back()(fail(Errc::kTimeout, "no answer"));
  EXPECT_EQ((*rig.last)->error().code, Errc::kTimeout);
  EXPECT_EQ(rig.hung_up, std::vector{id_of(1)});
  EXPECT_EQ(rig.desk.running(), 0u);
}

TEST(DialDesk, OneIdOnceAndNotTooMany) {
  Desk rig;
  ASSERT_TRUE(rig.dial(0));
  EXPECT_EQ((*rig.last)->error().code, Errc::kMalformed);
  for (std::uint8_t i = 1; i <= keys::kDialsMax; ++i) EXPECT_FALSE(rig.dial(i));
  ASSERT_TRUE(rig.dial(1));
  EXPECT_EQ((*rig.last)->error().code, Errc::kExists);
  ASSERT_TRUE(rig.dial(200));
  EXPECT_EQ((*rig.last)->error().code, Errc::kFull);
  EXPECT_EQ(rig.desk.running(), keys::kDialsMax);
}

TEST(DialDesk, WhoIsNeverToldTheEndTellsItAfterTheDeadline) {
  Desk rig;
  (void)rig.dial(1, 60'000);
  rig.taken();
  rig.progress(1, DialState::kConnected);
  rig.clock.advance_ms(60'000 + kDialGraceMs - 1);
  rig.desk.tick();
  EXPECT_EQ(rig.news.size(), 1u);
  rig.clock.advance_ms(1);
  rig.desk.tick();
  ASSERT_EQ(rig.news.size(), 2u);
  EXPECT_EQ(rig.news[1].cause, DialCause::kSignalLost);
  EXPECT_EQ(rig.hung_up, std::vector{id_of(1)});
  rig.clock.advance_ms(kDialEndedKeptMs);
  rig.desk.tick();
  EXPECT_EQ(rig.desk.gauge().depth, 0u);
}

TEST(DialDesk, AKeeperThatWasRestartedIsToldWhatRuns) {
  Desk rig;
  rig.progress(7, DialState::kConnected);
  rig.desk.recorded({id_of(7), call_of(4)});
  EXPECT_EQ(rig.desk.running(), 1u);
  EXPECT_TRUE(rig.desk.hang_up(id_of(7)));
  rig.progress(7, DialState::kEnded, DialCause::kByKeeper);
  ASSERT_EQ(rig.news.size(), 3u);
  EXPECT_EQ(rig.news[2].call, call_of(4));
}

// Any words of a signal and a recorder that are broken: bounded, in order, one end each.
TEST(DialDesk, AnyWordsKeepTheOrderAndTheBound) {
  EXPECT_TRUE(rc::check([] {
    Desk rig;
    const auto steps = *rc::gen::container<std::vector<std::array<std::uint8_t, 4>>>(
        rc::gen::arbitrary<std::array<std::uint8_t, 4>>());
    for (const auto& step : steps) {
      const auto id = static_cast<std::uint8_t>(step[1] % 3);
      if (step[0] % 4 == 0) (void)rig.dial(id);
      if (step[0] % 4 == 1) rig.progress(id, DialState{step[2]}, DialCause{step[3]});
      if (step[0] % 4 == 2)
        rig.progress(id, DialState{static_cast<std::uint8_t>(step[2] % 6)},
                     step[2] % 6 == 5 ? DialCause::kBusy : DialCause::kNone);
      if (step[0] % 4 == 3) rig.desk.recorded({id_of(id), call_of(step[2])});
    }
    RC_ASSERT(rig.desk.gauge().depth <= 2u);  // of ids 1 and 2; none of zero
    std::map<DialId, DialState> latest;
    for (const auto& news : rig.news) {
      auto& state = latest[news.dial];
      RC_ASSERT(news.state >= state);
      RC_ASSERT(news.state <= DialState::kEnded);
      state = news.state;
    }
  }));
}

}  // namespace
}  // namespace callward::app
