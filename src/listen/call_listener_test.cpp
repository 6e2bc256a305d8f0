#include "listen/call_rig_test.hpp"

namespace callward::listen {
namespace {

using test::CallRig;
using test::english;
using test::kPasswordCall;

TEST(CallListener, ASecretIsOrderedAndTheRestIsClearedAndDerived) {
  CallRig rig(kPasswordCall);
  rig.whole_call();
  EXPECT_TRUE(rig.listener.finished());
  rig.expect_secrets_gone();
  EXPECT_EQ(rig.kinds.front(), Secret::kPassword);
  EXPECT_TRUE(rig.covered(1, 5'100, 7'900)) << "the far side's echo";
  EXPECT_EQ(rig.cleared[0], 220u);
  EXPECT_EQ(rig.cleared[1], 220u);
  EXPECT_EQ(rig.text[0].find("sunshine"), std::string::npos);
  EXPECT_NE(rig.text[0].find("prints the page"), std::string::npos);
  EXPECT_NE(rig.text[1].find("What is the password"), std::string::npos);
  // Each second that was not ordered away has its peaks.
  for (std::uint32_t index = 0; index < 220; ++index)
    for (std::uint8_t stream = 0; stream < 2; ++stream) {
      const bool derived = std::any_of(
          rig.derived_ranges.begin(), rig.derived_ranges.end(),
          [&](const auto& r) { return r.stream == stream && r.first <= index && index < r.end; });
      EXPECT_NE(derived, rig.covered(stream, index * 100, index * 100 + 100)) << index;
    }
}

TEST(CallListener, TheOrderComesSoonAndClearanceWaitsForTheAnswer) {
  CallRig rig(kPasswordCall);
  std::uint32_t ordered_at = 0;
  for (std::uint32_t index = 0; index < 160; ++index) {
    rig.give(index);
    rig.work();
    rig.collect();
    if (index > 45 && index < 80) {
      EXPECT_LE(rig.cleared[0], 9u) << "cleared past a question whose answer is not over";
      EXPECT_TRUE(rig.question_open || index < 50);
    }
    if (ordered_at == 0 && !rig.ordered.empty()) ordered_at = index;
  }
  EXPECT_GE(ordered_at, 80u);
  EXPECT_LE(ordered_at, 180u) << "within 10 s of the end of the turn";
}

TEST(CallListener, WithoutRecognisersNothingIsClearedAndAudioIsBounded) {
  CallRig rig({});
  std::uint32_t index = 0;
  for (; index < 3'000; ++index)
    if (!rig.listener.audio(0, index, rig.samples(0, index), {})) break;
  EXPECT_EQ(index, 1'800u) << "180 s";
  EXPECT_EQ(rig.listener.audio(0, index, rig.samples(0, index), {}).error().code, Errc::kFull);
  EXPECT_FALSE(rig.listener.take_clearance());
  EXPECT_TRUE(rig.listener.take_derived().empty());
  EXPECT_EQ(rig.listener.buffered_ms(), 180'000u);
}

TEST(CallListener, VoiceDetectedButNotRecognisedIsNotCleared) {
  CallRig rig(kPasswordCall);
  for (std::uint32_t index = 0; index < 220; ++index) {
    rig.give(index);
    while (const auto job = rig.listener.take_vad()) rig.answer_vad(*job);
    rig.collect();
  }
  EXPECT_EQ(rig.cleared[0], 0u);
  EXPECT_EQ(rig.cleared[1], 0u);
  rig.end();
  EXPECT_FALSE(rig.listener.finished());
}

TEST(CallListener, AnAnswerThatFailsThreeTimesIsErased) {
  CallRig rig(kPasswordCall);
  int asked = 0;
  for (std::uint32_t index = 0; index < 220; ++index) {
    rig.give(index);
    while (const auto job = rig.listener.take_vad()) rig.answer_vad(*job);
    while (const auto job = rig.listener.take_turn()) {
      if (rig.recognise(*job).words.front().text == "It") {
        ++asked;
        rig.listener.turn_failed(job->id);
      } else {
        rig.listener.turn_done(job->id, rig.recognise(*job));
      }
    }
    rig.collect();
  }
  EXPECT_EQ(asked, 3);
  rig.expect_secrets_gone();
  EXPECT_EQ(rig.kinds.front(), Secret::kUnrecognised);
}

TEST(CallListener, KeyedDigitsAreOrderedWithThePausesBetweenThem) {
  CallRig rig({});
  for (std::uint32_t i = 0; i < 4; ++i)
    rig.digits[{0, 30 + 5 * i}] = {{static_cast<char>('1' + i), 20, 90}};
  rig.whole_call();
  EXPECT_TRUE(rig.listener.finished());
  EXPECT_TRUE(rig.covered(0, 3'000, 4'600));
  EXPECT_TRUE(rig.covered(1, 3'100, 4'600)) << "the other stream carries the tones' echo";
  EXPECT_FALSE(rig.covered(0, 0, 200));
  EXPECT_EQ(rig.kinds.front(), Secret::kDigits);
}

TEST(CallListener, WhatTheKeeperTellsToWipeIsZeroHereAndWhenItComesLate) {
  CallRig rig(kPasswordCall);
  for (std::uint32_t index = 0; index < 60; ++index) rig.give(index);  // nothing heard yet
  rig.listener.wipe_range({0, 50, 80});
  for (std::uint32_t index = 60; index < 220; ++index) rig.give(index);
  std::size_t loud = 0;
  while (const auto job = rig.listener.take_vad()) {
    if (job->stream == 0)
      for (std::size_t i = 0; i < job->pcm.size(); i += 2)
        loud += load_le<std::int16_t>(job->pcm.expose().data() + i) == CallRig::level(1);
    rig.answer_vad(*job);
  }
  EXPECT_EQ(loud, 0u);
  rig.work();
  rig.collect();
  EXPECT_EQ(rig.text[0].find("sunshine"), std::string::npos);
}

TEST(CallListener, ALostDetectorBeginsAnewAndNothingIsSkipped) {
  CallRig rig(kPasswordCall);
  int lost = 0;
  for (std::uint32_t index = 0; index < 220; ++index) {
    rig.give(index);
    while (const auto job = rig.listener.take_vad()) {
      if (index % 7 == 3 && lost < 20) {
        ++lost;
        rig.listener.vad_failed(job->stream);
        const auto again = rig.listener.take_vad(job->stream);
        ASSERT_TRUE(again);
        EXPECT_TRUE(again->begin);
        EXPECT_EQ(again->pcm.size(), job->pcm.size());
        rig.answer_vad(*again);
      } else {
        rig.answer_vad(*job);
      }
    }
    rig.work();
    rig.collect();
  }
  rig.end();
  rig.work();
  rig.collect();
  rig.listener.vad_failed(0);  // over: no meaning
  EXPECT_GT(lost, 10);
  EXPECT_TRUE(rig.listener.finished());
  rig.expect_secrets_gone();
}

TEST(CallListener, AfterARestartTheContextIsHeardAndTheMarkStands) {
  CallListener listener(english());
  listener.open_stream(0, Side::kCustomer, 100, 250);
  listener.open_stream(1, Side::kAgent, 100, 250);
  EXPECT_EQ(listener.next_index(0), 100u);
  const std::vector<std::int16_t> silence(kListenSegmentSamples, 0);
  std::uint32_t first_derived = ~0u;
  for (std::uint32_t index = 100; index < 400; ++index) {
    for (std::uint8_t stream = 0; stream < 2; ++stream)
      ASSERT_TRUE(listener.audio(stream, index, silence, {}));
    while (const auto job = listener.take_vad())
      listener.vad_done(job->stream, Bytes(job->pcm.size() / 512, 0));
    ASSERT_TRUE(listener.take_orders().empty());
    if (const auto clearance = listener.take_clearance())
      for (const auto& [stream, upto] : clearance->marks) EXPECT_GE(upto, 250u);
    for (const auto& item : listener.take_derived())
      first_derived = std::min(first_derived, item.first);
  }
  EXPECT_EQ(first_derived, 240u) << "the last second before the mark had not been derived";
}

TEST(CallListener, JumpsCountAsSilence) {
  CallListener listener(english());
  listener.open_stream(0, Side::kCustomer, 0);
  const std::vector<std::int16_t> silence(kListenSegmentSamples, 0);
  ASSERT_TRUE(listener.audio(0, 5, silence, {}));
  EXPECT_EQ(listener.next_index(0), 6u);
  ASSERT_TRUE(listener.skip(0, 10));
  EXPECT_EQ(listener.next_index(0), 10u);
  ASSERT_TRUE(listener.audio(0, 3, silence, {})) << "heard already: no error";
  EXPECT_FALSE(listener.audio(4, 0, silence, {}));
  EXPECT_FALSE(listener.audio(0, 10, std::span(silence).first(10), {}));
}

// Answers come late, in any order, or not at all at first; streams are fed in unequal pieces.
TEST(CallListener, InvariantsHoldForAnyTiming) {
  for (std::uint32_t seed = 1; seed <= 150; ++seed) {
    std::uint32_t state = seed;
    const auto random = [&state](std::uint32_t below) {
      state = state * 1'664'525 + 1'013'904'223;
      return (state >> 10) % below;
    };
    CallRig rig(kPasswordCall);
    std::vector<VadJob> vads;
    std::vector<TurnJob> turns;
    std::array<std::uint32_t, 2> next{};
    bool ended = false;
    for (int step = 0; step < 40'000 && !rig.listener.finished(); ++step) {
      const auto act = random(6);
      const auto stream = static_cast<std::uint8_t>(random(2));
      if (act < 2 && next[stream] < 220) {
        for (auto n = random(30); n > 0 && next[stream] < 220; --n, ++next[stream])
          ASSERT_TRUE(
              rig.listener.audio(stream, next[stream], rig.samples(stream, next[stream]), {}));
      } else if (act == 2) {
        if (auto job = rig.listener.take_vad()) vads.push_back(std::move(*job));
      } else if (act == 3) {
        if (auto job = rig.listener.take_turn()) turns.push_back(std::move(*job));
      } else if (act == 4 && !vads.empty()) {
        const auto at = random(static_cast<std::uint32_t>(vads.size()));
        random(8) == 0 ? rig.listener.vad_failed(vads[at].stream) : rig.answer_vad(vads[at]);
        vads.erase(vads.begin() + at);
      } else if (act == 5 && !turns.empty()) {
        const auto at = random(static_cast<std::uint32_t>(turns.size()));
        random(8) == 0 ? rig.listener.turn_failed(turns[at].id)
                       : rig.listener.turn_done(turns[at].id, rig.recognise(turns[at]));
        turns.erase(turns.begin() + at);
      }
      if (!ended && next[0] == 220 && next[1] == 220) rig.end(), ended = true;
      rig.collect();
    }
    EXPECT_TRUE(rig.listener.finished()) << "seed " << seed;
    rig.expect_secrets_gone();
    EXPECT_EQ(rig.text[0].find("sunshine"), std::string::npos);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace callward::listen
