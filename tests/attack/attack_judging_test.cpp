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
  bool hears(std::uint32_t segments = 300, std::uint8_t stream = 0, std::uint32_t from = 0) {
    const auto opened = hear_sound(anna, key, segments, stream, from);
    round();
    return opened && !opened->sealed.empty();
  }
  // A step that no draft of the keeper's was made for: the server's own.
  Errc releases_undrafted() {
    auto step = draft(id, anna, {.kind = "decline", .words = kWhy});
    EXPECT_TRUE(step);
    step->event.kind = disclose::EventKind::kRelease;
    step->event.fields = {leaf_of.at({customer, "email"})};
    step->words = {};
    const auto done = put_signed(*step, sign(*step, anna), {.kind = "release"});
    return done ? Errc{} : done.error().code;
  }
  CustomerId customer;
  RequestId id;
  Key32 key;
};

TEST_F(Judging, WhoReleasesHasReadTheConcernAndHeardTheCallBack) {
  EXPECT_EQ(releases(anna), Errc::kState) << "unread, unheard";
  EXPECT_EQ(releases_undrafted(), Errc::kState) << "whoever drafted it";
  ASSERT_TRUE(hears());
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
  ASSERT_TRUE(open_record(recording, words_of(recording), anna.id.hex(), key));
  round();
  EXPECT_EQ(releases(anna), Errc::kState);
  ASSERT_TRUE(reads(1));
  EXPECT_EQ(releases(anna), Errc::kState) << "a transcript is not heard";
  ASSERT_TRUE(hears());
  EXPECT_EQ(releases(anna), Errc{});
}

// As much of the customer's side as a call-back needs at all, each tenth of a second once.
TEST_F(Judging, ALittleOfItOrTheExpertsSideIsNotHeard) {
  ASSERT_TRUE(reads(1));
  ASSERT_TRUE(hears(300, 1));
  EXPECT_EQ(releases(anna), Errc::kState) << "the expert's side";
  ASSERT_TRUE(hears(299));
  ASSERT_TRUE(hears(200, 0, 50));
  EXPECT_EQ(releases(anna), Errc::kState) << "half a minute lacks a tenth of a second";
  EXPECT_EQ(log_types()["call_back_heard"], 0);
  ASSERT_TRUE(hears(1, 0, 299));
  EXPECT_EQ(log_types()["call_back_heard"], 1);
  EXPECT_EQ(releases(anna), Errc{});
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

// What is erased of it gives no key, whatever else is asked for with it.
TEST_F(Judging, SoundThatIsRefusedBesideWordsThatOpenIsNotHeard) {
  ASSERT_TRUE(reads(1));
  const auto words = words_of(recording);
  auto header = *keys::parse_record(words);
  header.kind = keys::RecordKind::kAudio;  // a commitment that fits nothing
  header.streams = 0;
  header.last = header.first;
  Answer<keys::Opened> answer;
  keys::Open message{.call = recording,
                     .actor = anna.id.hex(),
                     .purpose = keys::OpenPurpose::kPlay,
                     .reason_hash = std::string(64, 'a'),
                     .headers = {header.encode(), keys::parse_record(words)->encode()}};
  message.reader_key = *crypto::x25519_public(key);
  keeper->open(message, answer.reply());
  round();
  ASSERT_TRUE(answer.value) << answer.value.error().message;
  for (const auto& entry : entries())
    if (entry.type == "opened") {
      EXPECT_EQ(entry.data.at("given"), 1);
      EXPECT_FALSE(entry.data.contains("sound"));
    }
  EXPECT_EQ(releases(anna), Errc::kState);
}

// A restart between any two: what counts stands in the log.
TEST_F(Judging, AKeeperThatStartsAnewKnowsWhatWasReadAndHeard) {
  ASSERT_TRUE(reads(1));
  ticks(60'000);  // rows are written: the log before them is not read again
  boot();
  key = browser(anna);
  ASSERT_TRUE(hears());
  ticks(60'000);
  boot();
  EXPECT_EQ(releases(anna), Errc{});
  EXPECT_EQ(state_word(id), "open");
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

// Wherever the disk fails: the keys are out and their entry is durable, and the request's own is not;
// or neither. What is not in the log was not heard.
TEST_F(Judging, WhatCouldNotBeLoggedWasNotHeard) {
  ASSERT_TRUE(reads(1));
  ticks(60'000);  // the recording's keys are on the disk, too
  const Said release{.kind = "release", .fields = {leaf_of.at({customer, "email"})}};
  bool only_opened = false, heard = false;
  for (std::uint64_t call = 0; call < 60 && !heard; ++call) {
    key = browser(anna);
    const auto opened = log_types()["opened"];
    vfs.plan(call, sim::Fault::kNoSpace);
    (void)hear_sound(anna, key);
    round();
    vfs.plan(1'000'000, sim::Fault::kNone);
    stop();
    vfs.restart(sim::Survival::kSome);
    boot();
    heard = log_types()["call_back_heard"] == 1;
    only_opened = only_opened || (!heard && log_types()["opened"] > opened);
    EXPECT_EQ(draft(id, anna, release).has_value(), heard) << call;
    EXPECT_EQ(judge(entries()).breaches, 0u) << call;
  }
  EXPECT_TRUE(only_opened);
  ASSERT_TRUE(heard);
  EXPECT_EQ(releases(anna), Errc{});
}

// Read for the first time in the round of a step: each follows the other, for the next keeper too.
TEST_F(Judging, AFirstReadingBesideAStepFollowsIt) {
  const auto concern = statements.at({id, 1});
  const auto hers = browser(abe);
  const Said said{.kind = "decline", .words = kWhy};
  const auto step = *draft(id, anna, said);
  const auto message = message_of(step, sign(step, anna), said);
  const auto read = post(&Office::read_words,
                         keys::ReadWords{id, 1, abe.id, *crypto::x25519_public(hers), concern});
  const auto put = post(&Office::step_put, message);
  round();
  EXPECT_TRUE(read->value);
  EXPECT_FALSE(put->value) << "one after the other";
  EXPECT_TRUE(act(id, anna, said));
  boot();
  EXPECT_EQ(state_word(id), "over");
  EXPECT_EQ(judge(entries()).breaches, 0u);
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
  auto silent = all_of_it;  // the answers taken out
  for (auto& entry : silent)
    if (entry.type == "disclosure_step" && entry.data.at("kind") == "review") {
      entry.data.erase("needed");
      entry.data.erase("used");
    }
  EXPECT_GT(judge(silent).breaches, 0u) << "it is not what was signed";
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
