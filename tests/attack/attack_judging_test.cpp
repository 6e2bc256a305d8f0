// Who releases has read the concern and heard the call-back, and a review answers its two questions:
// somebody who signs what they did not look at, or says of nothing that it was used.
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

class Judging : public ::testing::Test, public OfficeRig {
 protected:
  void SetUp() override {
    judged_by_all = false;
    customer = carla();
    id = verified(customer);
    key = browser(anna);
    signs_in(anna);
    keeper->cleared({.call = recording, .marks = {{0, 20}, {1, 20}}});
  }
  Errc releases(const Someone& who) {
    const auto done = release(id, who, customer, {"email"});
    return done ? Errc{} : done.error().code;
  }
  Result<keys::ValueRead> reads(std::uint32_t number) {
    auto read =
        ask(&Office::read_words, keys::ReadWords{id, number, anna.id, *crypto::x25519_public(key),
                                                 statements.at({id, number})});
    round();
    return read;
  }
  bool hears(const Bytes& record) {
    const auto opened = open_record(recording, record, anna.id.hex(), key);
    round();
    return opened && !opened->sealed.empty();
  }
  CustomerId customer;
  RequestId id;
  Key32 key;
};

TEST_F(Judging, WhoReleasesHasReadTheConcernAndHeardTheCallBack) {
  EXPECT_EQ(releases(anna), Errc::kState) << "unread, unheard";
  ASSERT_TRUE(hears(recording_sound));
  EXPECT_EQ(releases(anna), Errc::kState) << "unread";
  ASSERT_TRUE(reads(1));
  EXPECT_EQ(releases(abe), Errc::kState) << "what Anna read and heard, Abe did not";
  EXPECT_EQ(releases(eve), Errc::kDenied) << "who may not is told nothing else";
  EXPECT_EQ(releases(anna), Errc{});
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

TEST_F(Judging, OtherWordsAndWordsOfTheCallAreNotIt) {
  const auto verdict = statements.rbegin()->first.second;
  ASSERT_GT(verdict, 1u);
  ASSERT_TRUE(reads(verdict));
  ASSERT_TRUE(hears(words_of(recording)));
  EXPECT_EQ(releases(anna), Errc::kState);
  ASSERT_TRUE(reads(1));
  EXPECT_EQ(releases(anna), Errc::kState) << "a transcript is not heard";
  ASSERT_TRUE(hears(recording_sound));
  EXPECT_EQ(releases(anna), Errc{});
}

// All of it in one round, a restart between any two: what counts stands in the log.
TEST_F(Judging, AKeeperThatStartsAnewKnowsWhatWasReadAndHeard) {
  ASSERT_TRUE(reads(1));
  ticks(60'000);  // rows are written: the log before them is not read again
  boot();
  key = browser(anna);
  ASSERT_TRUE(hears(recording_sound));
  ticks(60'000);
  boot();
  EXPECT_EQ(releases(anna), Errc{});
  EXPECT_EQ(state_word(id), "open");
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

// A log that cannot be written: no keys leave, and nothing was heard.
TEST_F(Judging, WhatCouldNotBeLoggedWasNotHeard) {
  ASSERT_TRUE(reads(1));
  vfs.plan(0, sim::Fault::kNoSpace);
  EXPECT_FALSE(hears(recording_sound));
  vfs.plan(1'000'000, sim::Fault::kNone);
  boot();
  EXPECT_EQ(releases(anna), Errc::kState);
}

// The wire's words are not the keeper's: a draft with the answers left out, or of another step.
TEST_F(Judging, AReviewAnswersBothAndOfNothingSeenItIsNotSaidThatItWasUsed) {
  judges(id, anna);
  ASSERT_EQ(releases(anna), Errc{});
  ASSERT_TRUE(act(id, tom, {.kind = "end"}));
  const auto reviews = [&](const disclose::Found& found) {
    const auto done = act(id, max, {.kind = "review", .words = kWhy, .found = found});
    return done ? Errc{} : done.error().code;
  };
  EXPECT_EQ(reviews({}), Errc::kMalformed) << "no answer";
  EXPECT_EQ(reviews({true, true, true}), Errc::kDenied) << "used, though nobody looked";
  EXPECT_EQ(reviews({true, false, false}), Errc{});
  auto all_of_it = entries();
  const auto of = std::ranges::find_if(all_of_it, [](const auto& entry) {
    return entry.type == "disclosure_step" && entry.data.at("kind") == "review";
  });
  ASSERT_NE(of, all_of_it.end());
  EXPECT_EQ(of->data.at("needed"), false);
  EXPECT_EQ(of->data.at("used"), false);
  EXPECT_EQ(judge(all_of_it).breaches, 0u);
  of->data["needed"] = true;  // what was answered is what was signed
  EXPECT_GT(judge(all_of_it).breaches, 0u);
}

TEST_F(Judging, WhatWasSeenMayHaveBeenUsed) {
  judges(id, anna);
  ASSERT_EQ(releases(anna), Errc{});
  ASSERT_TRUE(view(id, tom, browser(tom), customer, "email"));
  ASSERT_TRUE(act(id, tom, {.kind = "end"}));
  EXPECT_TRUE(act(id, max, {.kind = "review", .words = kWhy, .found = {true, true, true}}));
}

}  // namespace
}  // namespace callward::attack
