// The report on the listener: known values, and what holds for any log.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <numeric>

#include "audit/log.hpp"
#include "erase/reasons.hpp"
#include "quality/leak_log.hpp"
#include "quality/marks.hpp"

namespace callward::quality {
namespace {

using boost::json::array;
using boost::json::object;

const std::string kPerson(32, 'a'), kOther(32, 'b');
std::string call_id(int i) {
  auto text = std::to_string(i);
  return std::string(32 - text.size(), '0') + text;
}
boost::json::value range(int stream, int first, int end) { return array{stream, first, end}; }

// A log in the making: oldest first, as it is written.
struct Story {
  std::vector<audit::Entry> entries;
  std::int64_t at = 1'700'000'000'000;

  void say(const std::string& type, const std::string& actor, const std::string& subject,
           object data) {
    entries.push_back({type, actor, subject, at, std::move(data)});
    at += 1'000;
  }
  // Two sides of a minute, of which the listener erased some.
  void call(int i, const array& found = {}) {
    say("call_started", "keeper", call_id(i),
        {{"row", i},
         {"source", "siprec"},
         {"direction", "incoming"},
         {"streams", 2},
         {"started_at", at}});
    for (const auto& one : found) erases(i, one, "listener");
    say("call_ended", "keeper", call_id(i),
        {{"ended_at", at}, {"cause", "bye"}, {"ends", array{range(0, 0, 600), range(1, 0, 600)}}});
  }
  void erases(int i, const boost::json::value& one, const std::string& source) {
    say("erase_intended", source, call_id(i),
        {{"order", call_id(1'000 + static_cast<int>(entries.size()))},
         {"reason", "password"},
         {"source", source},
         {"ranges", array{one}},
         {"epoch", 1}});
  }
  void hears(int i, int segments = 600, const std::string& by = kPerson) {
    const array both{range(0, 0, segments), range(1, 0, segments)};
    say("opened", by, call_id(i),
        {{"purpose", "play"},
         {"ranges", both},
         {"kinds", array{"audio"}},
         {"reason_hash", std::string(64, 'f')},
         {"given", 2 * segments},
         {"sound", both}});
  }
  void misses(int i, const boost::json::value& one, const std::string& kind = "pin",
              const std::string& cause = "volunteered") {
    say("secret_missed", kPerson, call_id(i),
        {{"order", call_id(9'000 + static_cast<int>(entries.size()))},
         {"kind", kind},
         {"cause", cause},
         {"ranges", array{one}}});
  }
  void needless(int i, const boost::json::value& one) {
    say("erasure_needless", kPerson, call_id(i),
        {{"kind", "phone"}, {"cause", "no_question"}, {"ranges", array{one}}});
  }
  void reviews(int i, const std::string& chosen = "random", const std::string& by = kPerson) {
    say("call_reviewed", by, call_id(i), {{"chosen", chosen}});
  }
  void whole(int i, const array& found = {}) {
    call(i, found);
    hears(i);
    reviews(i);
  }
  [[nodiscard]] LeakReport report(Window window = {}) const {
    LeakCount count(window);
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
      if (count.wants(entry->type, entry->subject)) count.add(*entry);
    return count.report();
  }
};

// ---- Wilson -------------------------------------------------------------------------------------

TEST(Wilson, KnownValues) {
  const auto near = [](std::uint64_t count, std::uint64_t of, double low, double high) {
    const auto interval = wilson95(count, of);
    EXPECT_NEAR(interval.low, low, 5e-5) << count << "/" << of;
    EXPECT_NEAR(interval.high, high, 5e-5) << count << "/" << of;
  };
  near(0, 3, 0, 0.5615);
  near(0, 10, 0, 0.2775);
  // As R's prop.test(..., correct = FALSE) gives them; 81 of 263 is Newcombe's example (1998).
  near(81, 263, 0.2553, 0.3662);
  near(15, 148, 0.0624, 0.1605);
  near(1, 29, 0.0061, 0.1718);
  near(10, 10, 0.7225, 1);
  near(0, 0, 0, 1);
}

RC_GTEST_PROP(Wilson, HoldsTheShareIsSymmetricAndNarrowsWithMore, ()) {
  const auto of = *rc::gen::inRange<std::uint64_t>(1, 100'000);
  const auto count = *rc::gen::inRange<std::uint64_t>(0, of + 1);
  const auto interval = wilson95(count, of);
  const auto share = static_cast<double>(count) / static_cast<double>(of);
  RC_ASSERT(0 <= interval.low && interval.low <= share);
  RC_ASSERT(share <= interval.high && interval.high <= 1);
  const auto mirrored = wilson95(of - count, of);
  RC_ASSERT(std::abs(mirrored.low - (1 - interval.high)) < 1e-9);
  const auto more = wilson95(4 * count, 4 * of);
  RC_ASSERT(more.high - more.low < interval.high - interval.low);
  const auto worse = wilson95(std::min(count + 1, of), of);
  RC_ASSERT(worse.low >= interval.low && worse.high >= interval.high);
}

// ---- what counts --------------------------------------------------------------------------------

TEST(LeakCount, CountsCallsSecretsAndWhatWasNeedless) {
  Story story;
  story.whole(1, {range(0, 10, 20), range(1, 20, 30), range(0, 100, 120)});  // two: the first touch
  story.call(2, {range(0, 10, 20)});
  story.hears(2);
  story.misses(2, range(0, 200, 230), "card", "read_back");
  story.needless(2, range(0, 10, 20));
  story.reviews(2, "reason");
  const auto report = story.report();
  EXPECT_EQ(report.calls.count, 1u);
  EXPECT_EQ(report.calls.of, 2u);
  EXPECT_EQ(report.random.count, 0u);
  EXPECT_EQ(report.random.of, 1u);
  EXPECT_EQ(report.found, 2u);
  EXPECT_EQ(report.missed, 1u);
  EXPECT_EQ(report.secrets.of, 3u);
  EXPECT_EQ(report.needless, 1u);
  EXPECT_EQ(report.missed_kinds, (std::map<std::string, std::uint64_t>{{"card", 1}}));
  EXPECT_EQ(report.missed_causes, (std::map<std::string, std::uint64_t>{{"read_back", 1}}));
  EXPECT_EQ(report.needless_kinds, (std::map<std::string, std::uint64_t>{{"phone", 1}}));
}

// Of both sides, of two reviewers: one secret; the newest word holds. Side by side: two secrets.
TEST(LeakCount, MarksThatOverlapAreOneAndThatTouchAreTwo) {
  Story story;
  story.call(1);
  story.hears(1);
  story.misses(1, range(0, 100, 120), "pin");
  story.misses(1, range(1, 110, 130), "card");
  story.misses(1, range(0, 130, 140), "cvv");
  story.reviews(1);
  const auto report = story.report();
  EXPECT_EQ(report.missed, 2u);
  EXPECT_EQ(report.missed_kinds, (std::map<std::string, std::uint64_t>{{"card", 1}, {"cvv", 1}}));
}

TEST(LeakCount, WhatWasFoundInPartIsMissedAndNotFound) {
  for (const auto& [cause, found] : {std::pair("cut_edge", 1u), std::pair("said_again", 2u)}) {
    Story story;
    story.call(1, {range(0, 100, 120), range(0, 300, 320)});
    story.hears(1);
    story.misses(1, range(0, 120, 126), "password", cause);
    story.reviews(1);
    EXPECT_EQ(story.report().found, found) << cause;
    EXPECT_EQ(story.report().missed, 1u);
  }
}

TEST(LeakCount, WhatAPersonErasedIsNeitherFoundNorNeedless) {
  Story story;
  story.call(1);
  story.erases(1, range(0, 50, 60), kPerson);
  story.hears(1);
  story.needless(1, range(0, 50, 60));
  story.reviews(1);
  EXPECT_EQ(story.report().found, 0u);
  EXPECT_EQ(story.report().needless, 0u);
}

// Beyond the listener's share a person decides; that the listener had found it stays so.
TEST(LeakCount, WhatWasHeldIsFoundUnlessAPersonKeptIt) {
  const std::string order(32, '7');
  for (const auto& [decision, whole, found] :
       {std::tuple("erase", false, 1u), std::tuple("keep", false, 0u),
        std::tuple("keep", true, 0u)}) {
    Story story;
    story.call(1);
    story.say("order_held", "keeper", call_id(1),
              {{"order", order},
               {"reason", "card"},
               {"source", "listener"},
               {"ranges", array{range(0, 0, 400)}}});
    story.hears(1, 300);  // half of it, but for what is held
    story.say("held_decided", kPerson, call_id(1),
              {{"order", whole ? std::string(32, '8') : order},
               {"decision", decision},
               {"reason", "card"},
               {"ranges", array{range(0, 0, 400)}},
               {"whole", whole},
               {"reason_hash", std::string(64, 'f')}});
    if (found == 1) story.erases(1, range(0, 0, 400), kPerson);
    story.hears(1, 600);
    story.reviews(1);
    EXPECT_EQ(story.report().calls.of, 1u);
    EXPECT_EQ(story.report().found, found) << decision << whole;
  }
  Story kept;  // it is open again: who reviews has to hear it
  kept.call(1);
  kept.say("order_held", "keeper", call_id(1),
           {{"order", order},
            {"reason", "card"},
            {"source", "listener"},
            {"ranges", array{range(0, 300, 600), range(1, 300, 600)}}});
  kept.hears(1, 300);
  kept.reviews(1);
  EXPECT_EQ(kept.report().calls.of, 1u);
  kept.entries.insert(kept.entries.end() - 1, {"held_decided",
                                               kPerson,
                                               call_id(1),
                                               kept.at,
                                               {{"order", order},
                                                {"decision", "keep"},
                                                {"reason", "card"},
                                                {"ranges", array{range(0, 300, 600)}},
                                                {"whole", false},
                                                {"reason_hash", std::string(64, 'f')}}});
  EXPECT_EQ(kept.report().not_heard, 1u);
}

// Half of what was erased was a secret: that half stays found.
TEST(LeakCount, NeedlessTakesOnlyItsOwnRange) {
  Story story;
  story.call(1, {range(0, 100, 200)});
  story.hears(1);
  story.needless(1, range(0, 150, 200));
  story.needless(1, range(0, 150, 200));  // said again
  story.reviews(1);
  EXPECT_EQ(story.report().found, 1u);
  EXPECT_EQ(story.report().needless, 1u);
}

// Whoever says "nothing missed" without listening makes a good figure of nothing.
TEST(LeakCount, WhoHadNoKeysOfTheSoundHasReviewedNothing) {
  Story story;
  story.call(1);
  story.reviews(1);  // nobody opened it
  story.call(2);
  story.hears(2, 500);
  story.reviews(2);  // five sixths
  story.call(3);
  story.hears(3, 600, kOther);
  story.reviews(3);  // another one heard it
  story.call(4);
  story.reviews(4);
  story.hears(4);  // afterwards
  story.call(5);
  story.hears(5, 545);
  story.misses(5, range(0, 1, 5));
  story.reviews(5);  // nine tenths
  story.call(6);
  story.misses(6, range(0, 1, 5));
  story.misses(6, range(0, 11, 15));
  const auto report = story.report();
  EXPECT_EQ(report.calls.of, 1u);
  EXPECT_EQ(report.not_heard, 4u);
  EXPECT_EQ(report.missed, 1u);
  EXPECT_EQ(report.missed_elsewhere, 2u);
}

TEST(LeakCount, WhatIsErasedNeedsNoHearing) {
  Story story;
  story.call(1, {range(0, 0, 590), range(1, 0, 590)});
  const array rest{range(0, 590, 600), range(1, 590, 600)};
  story.say("exported", kPerson, call_id(1),
            {{"purpose", "export"},
             {"ranges", rest},
             {"kinds", array{"audio"}},
             {"reason_hash", std::string(64, 'f')},
             {"given", 20},
             {"sound", rest}});
  story.reviews(1);
  EXPECT_EQ(story.report().calls.of, 1u);
}

TEST(LeakCount, AWindowTakesReviewsAndTheirMarksWheneverTheseWere) {
  Story story;
  story.call(1);
  story.hears(1);
  story.misses(1, range(0, 1, 5));
  const auto from = story.at;
  story.reviews(1);
  const auto to = story.at;
  story.whole(2);
  EXPECT_EQ(story.report({from, to}).calls.of, 1u);
  EXPECT_EQ(story.report({from, to}).calls.count, 1u);
  EXPECT_EQ(story.report({to, to + 100'000}).calls.of, 1u);
  EXPECT_EQ(story.report({to, to + 100'000}).calls.count, 0u);
  EXPECT_EQ(story.report({0, from}).calls.of, 0u);
}

// Whatever is marked: shares are shares, tables add up, and a call counts once.
RC_GTEST_PROP(LeakCount, TablesAddUp, ()) {
  Story story;
  const auto calls = *rc::gen::inRange(1, 8);
  std::uint64_t leaking = 0;
  for (int i = 1; i <= calls; ++i) {
    array found;
    for (int k = *rc::gen::inRange(0, 4); k > 0; --k) {
      const auto first = *rc::gen::inRange(0, 550);
      found.push_back(range(*rc::gen::inRange(0, 2), first, first + *rc::gen::inRange(1, 50)));
    }
    story.call(i, found);
    story.hears(i);
    const auto marks = *rc::gen::inRange(0, 4);
    leaking += marks > 0;
    for (int k = 0; k < marks; ++k) {
      const auto first = *rc::gen::inRange(0, 550);
      story.misses(i, range(0, first, first + *rc::gen::inRange(1, 50)),
                   std::string(*rc::gen::elementOf(kMissedKinds)),
                   std::string(*rc::gen::elementOf(kMissedCauses)));
    }
    for (const auto& one : found)
      if (*rc::gen::arbitrary<bool>()) story.needless(i, one);
    for (int k = *rc::gen::inRange(1, 3); k > 0; --k) story.reviews(i);
  }
  const auto report = story.report();
  const auto sum = [](const std::map<std::string, std::uint64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0},
                           [](auto all, const auto& item) { return all + item.second; });
  };
  RC_ASSERT(report.calls.of == static_cast<std::uint64_t>(calls));
  RC_ASSERT(report.calls.count == leaking);
  RC_ASSERT(sum(report.missed_kinds) == report.missed);
  RC_ASSERT(sum(report.missed_causes) == report.missed);
  RC_ASSERT(sum(report.needless_kinds) == report.needless);
  RC_ASSERT(sum(report.needless_causes) == report.needless);
  RC_ASSERT(report.secrets.of == report.found + report.missed);
  RC_ASSERT(report.not_heard == 0);
  for (const auto& entry : story.entries) RC_ASSERT(audit::encode_entry(entry).has_value());
}

// ---- words --------------------------------------------------------------------------------------

TEST(Report, SaysWhatCannotBeSaidOfSoFew) {
  Story story;
  for (int i = 1; i <= 3; ++i) story.whole(i);
  const auto lines = report_lines(story.report());
  EXPECT_EQ(lines.at(0),
            "3 calls reviewed: between 0 and 56 % of calls keep a secret (95 %, "
            "Wilson's score interval)");
  EXPECT_NE(lines.at(1).find("too few calls"), std::string::npos);
  EXPECT_NE(report_lines({}).at(0).find("no call reviewed"), std::string::npos);
}

TEST(Report, SaysWhoseCallsItIsOf) {
  Story story;
  story.whole(1);
  story.call(2);
  story.hears(2);
  story.reviews(2, "reason");
  story.call(3);
  story.reviews(3);
  const auto lines = report_lines(story.report());
  const auto says = [&](const char* what) {
    return std::ranges::any_of(lines, [&](const auto& l) { return l.find(what) != l.npos; });
  };
  EXPECT_TRUE(says("1 call was chosen for a reason"));
  EXPECT_TRUE(
      says("of those chosen at random, as reviewers say, 0 of 1 (0 %), between 0 and 79 %"));
  EXPECT_TRUE(says("1 call is left out"));
  Story reason;
  reason.call(1);
  reason.hears(1);
  reason.reviews(1, "reason");
  EXPECT_NE(report_lines(reason.report()).at(2).find("none was chosen at random"),
            std::string::npos);
}

TEST(Marks, WhatWasMissedIsErasedByAReasonThatThereIs) {
  for (const auto kind : kMissedKinds) EXPECT_TRUE(erase::reason_number(kind)) << kind;
}

TEST(Report, AWindowIsWholeDays) {
  const auto day = window_of("2026-11-24", "2026-11-24");
  ASSERT_TRUE(day);
  EXPECT_EQ(day->from, 1'795'478'400'000);
  EXPECT_EQ(day->to - day->from, 86'400'000);
  EXPECT_EQ(window_of("", "")->from, 0);
  EXPECT_FALSE(window_of("2026-11-25", "2026-11-24"));
  EXPECT_FALSE(window_of("yesterday", ""));
  EXPECT_FALSE(window_of("2026-02-30", ""));
}

// ---- the log ------------------------------------------------------------------------------------

struct InLog : ::testing::Test {
  RealVfs vfs;
  SeededEntropy entropy{7};
  Key32 seed = entropy.key();
  audit::NamedKey key{"example.com/log", *crypto::ed25519_public(seed)};
  std::string dir = ::testing::TempDir() + "cw-quality-" + std::to_string(::getpid());
  void SetUp() override { std::filesystem::remove_all(dir); }
  void TearDown() override { std::filesystem::remove_all(dir); }
  void write(const Story& story) {
    const auto log = *audit::Log::open(vfs, dir, "example.com/log", seed);
    for (const auto& entry : story.entries) ASSERT_TRUE(log->stage(entry));
    ASSERT_TRUE(log->commit());
    ASSERT_TRUE(log->publish());
  }
};

// Across bundles, and as the pure function has it.
TEST_F(InLog, IsReadBackwardsAsFarAsItsCallsReach) {
  Story story;
  const auto noise = [&](int count) {
    for (int i = 0; i < count; ++i)
      story.say("call_missing", "recorder", "-", {{"cause", "test"}, {"sip_status", 1}});
  };
  noise(300);
  story.call(1, {range(0, 10, 20)});
  noise(600);
  story.hears(1);
  story.misses(1, range(0, 100, 120));
  noise(10);
  const auto from = story.at;
  story.reviews(1);
  story.whole(2, {range(0, 10, 20)});
  noise(290);
  write(story);
  const auto report = leaks_in_log(vfs, dir, key, {from});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(boost::json::serialize(to_json(*report)),
            boost::json::serialize(to_json(story.report({from}))));
  EXPECT_EQ(report->calls.of, 2u);
  EXPECT_EQ(report->found, 2u);
}

TEST_F(InLog, AnotherLogsKeyOpensNothing) {
  write(Story{});
  EXPECT_FALSE(
      leaks_in_log(vfs, dir, {"example.com/log", *crypto::ed25519_public(entropy.key())}, {}));
}

}  // namespace
}  // namespace callward::quality
