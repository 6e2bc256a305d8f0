#include "app/courier_desk.hpp"

#include <gtest/gtest.h>

#include "keys/keeper_protocol.hpp"

namespace callward::app {
namespace {

using keys::Delivered;
using keys::DeliveryOutcome;

class Desk : public ::testing::Test {
 protected:
  static keys::DeliveryId id_of(std::uint32_t number) {
    keys::DeliveryId id;
    store_le(id.bytes.data(), number + 1);
    return id;
  }
  keys::Deliver message(std::uint32_t number, std::int64_t life_ms = 60'000) {
    keys::Deliver out;
    out.id = id_of(number);
    out.channel = keys::DeliveryChannel::kEmail;
    out.address = SecretBytes(as_bytes("ann@example.com"));
    out.subject = "Code";
    out.text = SecretBytes(as_bytes("918273"));
    out.deadline = clock.utc_ms() + life_ms;
    return out;
  }
  void connect(std::uint64_t channel = 1) {
    desk.connected(channel, [this](io::Frame frame) {
      if (full) return false;
      sent.push_back(std::move(frame));
      return true;
    });
  }
  void answer(const io::Frame& request, DeliveryOutcome outcome, const std::string& reason) {
    const auto asked = unpack<keys::Deliver>(request.body);
    ASSERT_TRUE(asked);
    desk.on_reply(
        io::make_frame(Delivered{asked->id, outcome, reason}, request.id, io::kFrameIsReply));
  }
  void error(const io::Frame& request, Errc code) {
    desk.on_reply(io::make_frame(keys::ErrorReply{code, "no"}, request.id, io::kFrameIsReply));
  }
  void pass(std::int64_t ms) {
    clock.advance_ms(ms);
    desk.tick();
  }

  ManualClock clock;
  std::vector<Delivered> told;
  CourierDesk desk{clock, [this](const Delivered& said) { told.push_back(said); }};
  std::vector<io::Frame> sent;
  bool full = false;
};

TEST_F(Desk, AMessageGoesOutAndItsOutcomeComesBack) {
  connect();
  ASSERT_TRUE(desk.deliver(message(1)));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].type, keys::Deliver::kType);
  EXPECT_NE(sent[0].id, 0u);
  EXPECT_EQ(as_text(unpack<keys::Deliver>(sent[0].body)->text.expose()), "918273");
  ASSERT_TRUE(desk.deliver(message(1))) << "the same again is the same";
  pass(30'000);
  EXPECT_EQ(sent.size(), 1u);
  answer(sent[0], DeliveryOutcome::kTaken, "taken");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].outcome, DeliveryOutcome::kTaken);
  EXPECT_EQ(desk.gauge().depth, 0u);
  answer(sent[0], DeliveryOutcome::kTaken, "taken");
  pass(100'000);
  EXPECT_EQ(told.size(), 1u) << "one outcome a message";
}

TEST_F(Desk, ACourierThatComesBackIsAskedAgain) {
  ASSERT_TRUE(desk.deliver(message(1)));
  EXPECT_TRUE(sent.empty());
  connect(1);
  ASSERT_EQ(sent.size(), 1u);
  desk.lost(1);
  ASSERT_TRUE(desk.deliver(message(2)));
  EXPECT_EQ(sent.size(), 1u);
  connect(2);
  EXPECT_EQ(sent.size(), 3u) << "both: the first one was not answered";
  desk.lost(1);  // the old connection's end comes late
  EXPECT_TRUE(desk.is_connected());
  answer(sent[0], DeliveryOutcome::kRefused, "smtp_550");  // an answer names its message
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].reason, "smtp_550");
  pass(30'000);
  EXPECT_EQ(sent.size(), 3u);
}

TEST_F(Desk, AtTheDeadlineItIsGivenUp) {
  ASSERT_TRUE(desk.deliver(message(1, 10'000)));
  pass(10'000 + CourierDesk::kAnswerMs - 1);
  EXPECT_TRUE(told.empty());
  pass(1);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].outcome, DeliveryOutcome::kGivenUp);
  EXPECT_EQ(told[0].reason, "no_courier");
  connect();
  ASSERT_TRUE(desk.deliver(message(2, 10'000)));
  pass(10'000 + CourierDesk::kAnswerMs);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1].reason, "no_answer");
  EXPECT_EQ(desk.deliver(message(3, 0)).error().code, Errc::kState);
  clock.jump_utc_ms(-3'600'000);  // the wall clock rules nothing once it waits
  ASSERT_TRUE(desk.deliver(message(4, 10'000)));
  clock.jump_utc_ms(7'200'000);
  pass(5'000);
  EXPECT_EQ(told.size(), 2u);
}

TEST_F(Desk, ACourierWithoutRoomIsAskedLaterAndOneThatRefusesIsBelieved) {
  connect();
  ASSERT_TRUE(desk.deliver(message(1)));
  error(sent[0], Errc::kFull);
  EXPECT_TRUE(told.empty());
  pass(CourierDesk::kAgainMs - 1);
  EXPECT_EQ(sent.size(), 1u);
  pass(1);
  ASSERT_EQ(sent.size(), 2u);
  error(sent[1], Errc::kMalformed);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].outcome, DeliveryOutcome::kRefused);
  full = true;  // the channel's own queue
  ASSERT_TRUE(desk.deliver(message(2)));
  full = false;
  pass(CourierDesk::kAgainMs);
  EXPECT_EQ(sent.size(), 3u);
}

TEST_F(Desk, SoManyMayWaitAndNoMore) {
  for (std::uint32_t i = 0; i < CourierDesk::kMessagesMax; ++i)
    ASSERT_TRUE(desk.deliver(message(i)));
  EXPECT_EQ(desk.deliver(message(5'000)).error().code, Errc::kFull);
  EXPECT_EQ(desk.gauge().refused, 1u);
  EXPECT_TRUE(desk.deliver(message(3))) << "one of those";
}

TEST_F(Desk, AHandlerMayAskForMore) {
  connect();
  desk.set_on_outcome([this](const Delivered& said) {
    told.push_back(said);
    const auto next = static_cast<std::uint32_t>(100 + told.size());
    if (told.size() < 3) ASSERT_TRUE(desk.deliver(message(next, 1'000)));
  });
  ASSERT_TRUE(desk.deliver(message(1, 1'000)));
  ASSERT_TRUE(desk.deliver(message(2, 1'000)));
  pass(1'000 + CourierDesk::kAnswerMs);
  pass(1'000 + CourierDesk::kAnswerMs);
  EXPECT_EQ(told.size(), 4u);
}

TEST_F(Desk, TheNextKeeperGoesOnWithAllOfIt) {
  connect();
  ASSERT_TRUE(desk.deliver(message(1, 10'000)));
  desk.lost(1);
  ASSERT_TRUE(desk.deliver(message(2, 50'000)));
  clock.advance_ms(2'000);
  const auto handed = desk.hand_over();
  EXPECT_EQ(desk.gauge().depth, 2u) << "the old one has all it had, should it go on";

  std::vector<Delivered> later;
  CourierDesk next(clock, [&](const Delivered& said) { later.push_back(said); });
  ASSERT_TRUE(next.take_over(handed.expose()));
  std::vector<io::Frame> frames;
  next.connected(7, [&](io::Frame frame) {
    frames.push_back(std::move(frame));
    return true;
  });
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_NE(frames[0].id, sent[0].id) << "a late answer to the old one answers nothing of these";
  next.on_reply(
      io::make_frame(keys::ErrorReply{Errc::kMalformed, "late"}, sent[0].id, io::kFrameIsReply));
  EXPECT_TRUE(later.empty());
  next.on_reply(io::make_frame(Delivered{id_of(1), DeliveryOutcome::kTaken, "taken"}, sent[0].id,
                               io::kFrameIsReply));
  ASSERT_EQ(later.size(), 1u) << "but one that names its message does";
  clock.advance_ms(48'000 + CourierDesk::kAnswerMs);
  next.tick();
  ASSERT_EQ(later.size(), 2u);
  EXPECT_EQ(later[1].outcome, DeliveryOutcome::kGivenUp);

  CourierDesk other(clock, {});
  EXPECT_TRUE(other.take_over({}));
  auto broken = to_bytes(handed.expose());
  broken[0] = 9;
  EXPECT_EQ(other.take_over(broken).error().code, Errc::kUnsupported);
  broken[0] = 1;
  broken.pop_back();
  EXPECT_FALSE(other.take_over(broken));
  EXPECT_EQ(other.gauge().depth, 0u);
}

}  // namespace
}  // namespace callward::app
