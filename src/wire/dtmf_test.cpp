#include "wire/dtmf.hpp"

#include <gtest/gtest.h>

namespace callward::wire {
namespace {

class Sender {
 public:
  std::optional<DigitNews> send(char digit, std::uint32_t timestamp, std::uint16_t duration,
                                bool end = false) {
    payload_ = write_telephone_event({*event_of_digit(digit), end, 10, duration});
    const auto news = tracker_.push({.timestamp = timestamp, .payload = payload_});
    return news.empty() ? std::nullopt : std::optional(news.front());
  }
  DigitTracker tracker_;

 private:
  Bytes payload_;
};

TEST(Dtmf, EveryDigitHasItsEvent) {
  for (std::uint8_t event = 0; event < 16; ++event)
    EXPECT_EQ(event_of_digit(digit_of_event(event)), event);
  EXPECT_EQ(digit_of_event(16), '\0');  // flash
  EXPECT_EQ(event_of_digit('x'), std::nullopt);
  EXPECT_EQ(event_of_digit('\0'), std::nullopt);
}

TEST(Dtmf, ADigitIsToldOnceAndThenLengthened) {
  Sender sender;
  const auto first = sender.send('5', 1000, 160);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->fresh);
  EXPECT_EQ(first->digit, '5');
  EXPECT_EQ(sender.send('5', 1000, 160), std::nullopt) << "a duplicate";
  const auto second = sender.send('5', 1000, 320);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->fresh);
  EXPECT_EQ(second->duration_ticks, 320u);
  EXPECT_EQ(sender.send('5', 1000, 240), std::nullopt) << "out of order";
  const auto end = sender.send('5', 1000, 800, true);
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->ended);
  EXPECT_EQ(sender.send('5', 1000, 800, true), std::nullopt) << "the end's repetition";
  const auto next = sender.send('5', 2000, 160);
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->fresh) << "the same key again is another digit";
  EXPECT_EQ(sender.send('5', 1000, 800, true), std::nullopt) << "late, of the digit before";
}

TEST(Dtmf, OnlyTheEndArrived) {
  Sender sender;
  const auto news = sender.send('#', 500, 640, true);
  ASSERT_TRUE(news);
  EXPECT_TRUE(news->fresh && news->ended);
  EXPECT_EQ(news->digit, '#');
}

TEST(Dtmf, AVeryLongDigitGoesOnInSegments) {
  Sender sender;
  ASSERT_TRUE(sender.send('1', 100, 0xFFFF));
  const auto more = sender.send('1', 100 + 0xFFFF, 160);
  ASSERT_TRUE(more);
  EXPECT_FALSE(more->fresh);
  EXPECT_EQ(more->start_ticks, 100u);
  EXPECT_EQ(more->duration_ticks, 0xFFFFu + 160u);
}

TEST(Dtmf, SeveralDigitsInAPacketAreAllTold) {
  Bytes payload = write_telephone_event({4, true, 10, 400});
  const auto second = write_telephone_event({2, false, 10, 160});
  payload.insert(payload.end(), second.begin(), second.end());
  DigitTracker tracker;
  const auto news = tracker.push({.timestamp = 8000, .payload = payload});
  ASSERT_EQ(news.size(), 2u);
  EXPECT_EQ(news[0].digit, '4');
  EXPECT_EQ(news[1].digit, '2');
  EXPECT_EQ(news[1].start_ticks, 8400u);
}

TEST(Dtmf, MalformedPayloadsTellNothing) {
  DigitTracker tracker;
  EXPECT_TRUE(tracker.push({.payload = {}}).empty());
  const Bytes odd = {1, 2, 3};
  EXPECT_TRUE(tracker.push({.payload = odd}).empty());
  EXPECT_FALSE(parse_telephone_events(Bytes(4 * (kDtmfEventsPerPacketMax + 1))));
}

}  // namespace
}  // namespace callward::wire
