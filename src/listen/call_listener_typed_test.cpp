// Typed values in a call: before they came and after, on both streams, by voice and by keys.
#include "listen/call_rig_test.hpp"

namespace callward::listen {
namespace {

using test::CallRig;
using test::english;
using test::Speech;

// Nobody asks for anything, so that the conversation model finds nothing by itself.
const std::vector<Speech> kGarden = {
    {0, 1'000, 4'000, "My dog is called marigold and likes printers"},
    {1, 5'000, 8'000, "Let me write that down about printers please"},
    {1, 9'000, 12'000, "So marigold it is and that is very kind"},
    {0, 13'000, 16'000, "Yes marigold was the one that likes printers"},
};

SearchId search_id(std::uint8_t number) {
  SearchId id;
  id.bytes[0] = number;
  return id;
}

void play(CallRig& rig, std::uint32_t first, std::uint32_t end) {
  for (auto index = first; index < end; ++index) {
    rig.give(index);
    rig.work();
    rig.collect();
  }
}

TEST(CallListenerTyped, NothingIsFoundWithoutAValue) {
  CallRig rig(kGarden);
  rig.whole_call();
  EXPECT_TRUE(rig.ordered.empty());
  EXPECT_TRUE(rig.listener.remembers_all());
}

TEST(CallListenerTyped, WhatWasSaidBeforeItWasTypedIsOrderedOnEveryStream) {
  CallRig rig(kGarden);
  play(rig, 0, 220);
  EXPECT_GT(rig.cleared[0], 180u) << "all of it was heard and cleared before the value came";
  ASSERT_TRUE(rig.listener.search(search_id(1), as_bytes("marigold")));
  rig.collect();
  ASSERT_EQ(rig.listener.searches().size(), 1u);
  EXPECT_EQ(rig.listener.searches()[0].places, 3u);
  for (const auto kind : rig.kinds) EXPECT_EQ(kind, Secret::kTyped);
  for (std::uint8_t stream = 0; stream < 2; ++stream) {
    EXPECT_TRUE(rig.covered(stream, 2'600, 2'900)) << "said by the customer";
    EXPECT_TRUE(rig.covered(stream, 9'500, 9'700)) << "read back";
    EXPECT_TRUE(rig.covered(stream, 13'800, 14'000)) << "once more";
    EXPECT_FALSE(rig.covered(stream, 5'500, 7'500)) << "nothing of it was said";
  }
  rig.end();
  rig.work();
  rig.collect();
  EXPECT_TRUE(rig.listener.finished());
}

TEST(CallListenerTyped, WhatIsSaidLaterIsOrderedBeforeItIsCleared) {
  CallRig rig(kGarden);
  ASSERT_TRUE(rig.listener.search(search_id(1), as_bytes("Marigold")));
  for (std::uint32_t index = 0; index < 220; ++index) {
    rig.give(index);
    rig.work();
    for (const auto& order : rig.listener.take_orders())
      for (const auto& range : order.ranges) {
        EXPECT_GE(range.first, rig.cleared[range.stream]) << "cleared ahead of the search";
        rig.ordered.push_back(range);
      }
    rig.collect();
  }
  rig.end();
  rig.work();
  rig.collect();
  EXPECT_EQ(rig.listener.searches()[0].places, 3u);
  EXPECT_TRUE(rig.covered(0, 2'600, 2'900));
  EXPECT_TRUE(rig.covered(1, 9'500, 9'700));
  for (const auto& [stream, text] : rig.text)
    EXPECT_EQ(text.find("marigold"), std::string::npos) << text;
  EXPECT_NE(rig.text[0].find("likes"), std::string::npos) << rig.text[0];
}

TEST(CallListenerTyped, ClearanceWaitsForTheRestOfWhatMayHaveBegun) {
  CallRig rig({{0, 1'000, 4'000, "the printer was broken when i came there"},
               {0, 5'000, 8'000, "so i said to it marigold"},
               {0, 10'000, 12'000, "falcon thunder was the rest"},
               {0, 30'000, 32'000, "and then the printer was fine"}},
              400);
  ASSERT_TRUE(rig.listener.search(search_id(1), as_bytes("marigoldfalconthunder")));
  play(rig, 0, 100);
  EXPECT_LE(rig.cleared[0], 80u);
  EXPECT_GE(rig.cleared[0], 40u);
  play(rig, 100, 300);
  EXPECT_TRUE(rig.covered(0, 7'500, 8'000)) << "the first half";
  EXPECT_TRUE(rig.covered(0, 10'000, 10'800)) << "the second";
  EXPECT_GT(rig.cleared[0], 250u) << "it goes on once the value is over";
}

TEST(CallListenerTyped, ABeginningThatDoesNotGoOnIsWaitedForNoLongerThanItsBound) {
  CallRig rig({{0, 1'000, 3'000, "so i said to it marigold"}}, 300);
  ASSERT_TRUE(rig.listener.search(search_id(1), as_bytes("marigoldfalconthunder")));
  play(rig, 0, 110);
  EXPECT_LE(rig.cleared[0], 30u);
  play(rig, 110, 300);
  EXPECT_GT(rig.cleared[0], 200u);
  EXPECT_TRUE(rig.ordered.empty()) << "a third of it is not it";
}

TEST(CallListenerTyped, KeyedDigitsCount) {
  CallRig rig({{1, 500, 2'500, "What is your phone number?"}});
  const std::string digits = "5951";
  for (std::uint32_t i = 0; i < digits.size(); ++i)
    rig.digits[{0, 50 + 5 * i}] = {{digits[i], 20, 80}};
  play(rig, 0, 200);
  EXPECT_TRUE(rig.ordered.empty()) << "a phone number was asked for";
  ASSERT_TRUE(rig.listener.search(search_id(1), as_bytes("5951")));
  rig.collect();
  EXPECT_TRUE(rig.covered(0, 5'020, 6'600));
  EXPECT_EQ(rig.listener.searches()[0].places, 1u);
}

TEST(CallListenerTyped, ATurnThatFailedBetweenItsPartsGoesToo) {
  CallRig rig({{0, 1'000, 2'500, "so there is tiger falcon"},
               {0, 4'000, 6'000, "this one is not recognised"},
               {0, 7'000, 9'000, "thunder marigold and that was it then"}});
  for (std::uint32_t index = 0; index < 220; ++index) {
    rig.give(index);
    while (const auto job = rig.listener.take_vad()) rig.answer_vad(*job);
    while (const auto job = rig.listener.take_turn()) {
      const auto reply = rig.recognise(*job);
      if (reply.words.front().text == "this")
        rig.listener.turn_failed(job->id);
      else
        rig.listener.turn_done(job->id, reply);
    }
    rig.collect();
  }
  ASSERT_TRUE(rig.listener.search(search_id(1), as_bytes("tigerfalcon42thundermarigold")));
  rig.collect();
  EXPECT_TRUE(rig.covered(0, 4'100, 5'900)) << "4 2 may have been said there";
  EXPECT_EQ(rig.listener.searches()[0].places, 1u);
}

TEST(CallListenerTyped, WhatIsForgottenIsSaid) {
  CallListener listener(english(), {.remembered_words_max = 12});
  EXPECT_TRUE(listener.remembers_all());
  CallRig rig(kGarden);
  play(rig, 0, 220);
  EXPECT_TRUE(rig.listener.remembers_all());
  const auto words = rig.listener.remembered_words();
  EXPECT_GE(words, 30u);
  rig.listener.forget_older_words();
  EXPECT_LE(rig.listener.remembered_words(), words / 2);
  EXPECT_FALSE(rig.listener.remembers_all());
  ASSERT_TRUE(rig.listener.search(search_id(1), as_bytes("marigold")));
  rig.collect();
  EXPECT_FALSE(rig.covered(0, 2'600, 2'900));
  EXPECT_TRUE(rig.covered(0, 13'800, 14'000)) << "the newest stay";
}

TEST(CallListenerTyped, WhatTheKeeperWipedIsNotRemembered) {
  CallRig rig(kGarden);
  play(rig, 0, 220);
  for (std::uint8_t stream = 0; stream < 2; ++stream) rig.listener.wipe_range({stream, 0, 150});
  ASSERT_TRUE(rig.listener.search(search_id(1), as_bytes("marigold")));
  rig.collect();
  EXPECT_EQ(rig.listener.searches()[0].places, 0u);
}

TEST(CallListenerTyped, ValuesAreBoundedAndRepeatsChangeNothing) {
  CallRig rig(kGarden);
  EXPECT_EQ(rig.listener.search(search_id(1), as_bytes("")).error().code, Errc::kMalformed);
  EXPECT_EQ(rig.listener.search(search_id(1), as_bytes("7!")).error().code, Errc::kMalformed);
  for (std::uint8_t i = 0; i < kTypedPerCallMax; ++i)
    ASSERT_TRUE(rig.listener.search(search_id(i), as_bytes("marigold")));
  ASSERT_TRUE(rig.listener.search(search_id(0), as_bytes("another")));
  EXPECT_EQ(rig.listener.searches().size(), kTypedPerCallMax);
  EXPECT_EQ(rig.listener.search(search_id(77), as_bytes("1234")).error().code, Errc::kFull);
}

TEST(CallListenerTyped, AListenerThatBeganInTheMiddleKnowsIt) {
  CallListener context(english());
  context.open_stream(0, Side::kCustomer, 50, 200);
  EXPECT_TRUE(context.began_late());
  EXPECT_FALSE(context.remembers_all());
  ASSERT_TRUE(context.search(search_id(1), as_bytes("marigold")));
  CallListener anew(english());
  anew.open_stream(0, Side::kCustomer, 0, 200);
  anew.take_over(context);
  EXPECT_FALSE(anew.began_late());
  ASSERT_EQ(anew.searches().size(), 1u);
  EXPECT_EQ(anew.searches()[0].id, search_id(1));
  CallListener joined(english());
  joined.open_stream(0, Side::kCustomer, 0);
  joined.open_stream(1, Side::kAgent, 300, 300);
  EXPECT_FALSE(joined.began_late()) << "a stream that joined begins where it begins";
}

}  // namespace
}  // namespace callward::listen
