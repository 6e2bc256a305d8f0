// What the log alone says of retention: each way to break its rules, and that a good run breaks none.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>

#include "audit/entry.hpp"
#include "audit/rules.hpp"

namespace callward::audit {
namespace {

using boost::json::array;
using boost::json::object;

constexpr std::int64_t kDay = 86'400'000;
const std::string kHash(64, 'f');
const std::string kOrder(32, '7');

struct Log {
  std::vector<std::string> texts;
  std::int64_t at = 1'700'000'000'000;

  void say(const std::string& type, const std::string& actor, const std::string& subject,
           object data) {
    const auto text = encode_entry({type, actor, subject, at, std::move(data)});
    ASSERT_TRUE(text) << text.error().message;
    texts.push_back(*text);
    at += 1'000;
  }
  static std::string call(int row) { return std::string(31, 'c') + std::to_string(row); }
  void lives(int row, bool ends = true) {
    say("call_started", "keeper", call(row),
        {{"row", row},
         {"source", "siprec"},
         {"direction", "incoming"},
         {"streams", 1},
         {"started_at", at}});
    if (!ends) return;
    boost::json::value range = array{0, 0, 5};
    say("call_ended", "recorder", call(row),
        {{"ended_at", at}, {"cause", "bye"}, {"ends", array(1, range)}});
    say("call_sealed", "recorder", call(row), {{"root", kHash}, {"leaves", 1}, {"bytes", 1}});
  }
  void runs(int may = 10, int usual = 3, const std::string& who = "keeper") {
    say("retention_run", who, "-",
        {{"run", kOrder}, {"due", 1}, {"held", 0}, {"usual", usual}, {"may", may}});
  }
  void takes(int first, int end, int days = 30, const std::string& order = kOrder) {
    boost::json::value rows = array{first, end};
    say("retention_intended", "keeper", "-",
        {{"order", order},
         {"class", "incoming"},
         {"days", days},
         {"calls", end - first},
         {"rows", array(1, rows)},
         {"epoch", 1}});
  }
  void erased(const std::string& order = kOrder) {
    say("erased", "keeper", "-", {{"orders", array(1, boost::json::string(order))}, {"epoch", 2}});
  }
  void deletes(int row) {
    say("objects_deleted", "keeper", "-",
        {{"calls", array(1, boost::json::string(call(row)))}, {"kept", array{}}});
  }
  void confirms(int calls, const std::string& hash = kHash) {
    say("retention_confirmed", "operator", "-",
        {{"cause", "volume"}, {"calls", calls}, {"reason_hash", hash}});
  }
  void stops() { say("retention_stopped", "keeper", "-", {{"cause", "volume"}, {"by", 99}}); }

  [[nodiscard]] std::map<std::string, int> broken() const {
    RuleChecker checker;
    for (std::size_t i = 0; i < texts.size(); ++i) checker.add(i, texts[i]);
    std::map<std::string, int> out;
    for (const auto& finding : checker.finish().findings) ++out[std::string(finding.rule->name)];
    return out;
  }
};
using Broken = std::map<std::string, int>;

TEST(RetentionRules, ARunAsItShouldBeBreaksNone) {
  Log log;
  for (int row = 0; row < 3; ++row) log.lives(row);
  log.at += 30 * kDay;
  log.runs();
  log.takes(0, 3);
  log.takes(0, 3);  // a keeper that died, and began again
  log.erased();
  for (int row = 0; row < 3; ++row) log.deletes(row);
  log.at += 10 * kDay;
  log.runs();
  EXPECT_EQ(log.broken(), Broken{});
}

TEST(RetentionRules, NothingGoesBeforeItsTimeNorWithoutAnEnd) {
  Log log;
  log.lives(0);
  log.at += 29 * kDay;
  log.runs();
  log.takes(0, 1);
  log.erased();
  log.deletes(0);
  EXPECT_EQ(log.broken(), (Broken{{"retention-in-time", 1}}));
  Log running;
  running.lives(0, false);
  running.at += 31 * kDay;
  running.runs();
  running.takes(0, 1);
  EXPECT_EQ(running.broken()["retention-in-time"], 1);
  Log none;
  none.lives(0);
  none.at += 31 * kDay;
  none.runs();
  none.takes(0, 1, 0);
  EXPECT_EQ(none.broken()["retention-in-time"], 1) << "kept for ever is no retention";
  Log unknown;
  unknown.runs();
  unknown.takes(4, 6);
  EXPECT_EQ(unknown.broken()["retention-in-time"], 1) << "rows of calls that never began";
}

TEST(RetentionRules, ALegalHoldIsKept) {
  Log log;
  log.lives(0);
  log.say("hold_set", "operator", Log::call(0), {{"reason_hash", kHash}});
  log.at += 31 * kDay;
  log.runs();
  log.takes(0, 1);
  log.erased();
  log.deletes(0);
  EXPECT_EQ(log.broken(), (Broken{{"hold-is-kept", 1}}));
}

TEST(RetentionRules, ARunKeepsToItsBounds) {
  Log log;
  for (int row = 0; row < 20; ++row) log.lives(row);
  log.at += 31 * kDay;
  log.runs(20, 3);
  EXPECT_EQ(log.broken(), (Broken{{"retention-within-bounds", 1}})) << "20 may not go";
  Log more;
  for (int row = 0; row < 20; ++row) more.lives(row);
  more.at += 31 * kDay;
  more.runs(10, 5);
  more.takes(0, 12);
  EXPECT_EQ(more.broken()["retention-within-bounds"], 1) << "12, and 10 might";
  Log confirmed;
  for (int row = 0; row < 20; ++row) confirmed.lives(row);
  confirmed.at += 31 * kDay;
  confirmed.stops();
  confirmed.confirms(20);
  confirmed.runs(30, 5, "operator");
  confirmed.takes(0, 20);
  confirmed.erased();
  for (int row = 0; row < 20; ++row) confirmed.deletes(row);
  EXPECT_EQ(confirmed.broken(), Broken{});
}

// A keeper that died in the middle says it anew, with what is left of it; and no more than that.
TEST(RetentionRules, WhatWasLetGoIsLetGoOnce) {
  Log log;
  for (int row = 0; row < 20; ++row) log.lives(row);
  log.at += 31 * kDay;
  log.stops();
  log.confirms(20);
  log.runs(30, 5, "operator");
  log.takes(0, 15);
  log.runs(15, 5);
  EXPECT_EQ(log.broken(), Broken{});
  log.runs(16, 5);
  EXPECT_EQ(log.broken(), (Broken{{"retention-within-bounds", 1}}));
}

TEST(RetentionRules, ACallIsNoOlderThanACallCanBe) {
  Log log;
  log.lives(0);
  auto data = object{{"row", 1},
                     {"source", "siprec"},
                     {"direction", "incoming"},
                     {"streams", 1},
                     {"started_at", log.at - 100 * kDay}};
  log.say("call_started", "keeper", Log::call(1), data);
  data["row"] = 2;
  data["source"] = "import";  // as old as it is
  log.say("call_started", "keeper", Log::call(2), data);
  for (const int row : {1, 2}) {
    boost::json::value range = array{0, 0, 5};
    log.say("call_ended", "recorder", Log::call(row),
            {{"ended_at", log.at}, {"cause", "bye"}, {"ends", array(1, range)}});
    log.say("call_sealed", "recorder", Log::call(row),
            {{"root", kHash}, {"leaves", 1}, {"bytes", 1}});
  }
  log.at += 5 * kDay;
  log.runs();
  log.takes(1, 2);
  EXPECT_EQ(log.broken(), (Broken{{"retention-in-time", 1}}));
  log.takes(2, 3, 30, std::string(32, '8'));
  EXPECT_EQ(log.broken(), (Broken{{"retention-in-time", 1}}));
}

TEST(RetentionRules, WhatStoppedStaysStoppedUntilSomebodyConfirms) {
  Log log;
  log.lives(0);
  log.at += 31 * kDay;
  log.runs();
  log.stops();
  log.takes(0, 1);
  EXPECT_EQ(log.broken()["retention-stays-stopped"], 1);
  Log unsaid;
  unsaid.stops();
  unsaid.confirms(0, "");
  EXPECT_EQ(unsaid.broken()["opened-with-reason"], 1);
}

TEST(RetentionRules, CiphertextGoesBehindItsKeysAndWithinADay) {
  Log log;
  log.lives(0);
  log.deletes(0);
  EXPECT_EQ(log.broken(), (Broken{{"deleted-was-erased", 1}}));
  Log early;
  early.lives(0);
  early.at += 31 * kDay;
  early.runs();
  early.takes(0, 1);
  early.deletes(0);
  early.erased();
  EXPECT_EQ(early.broken(), (Broken{{"deleted-was-erased", 1}})) << "before its keys";
  Log late;
  late.lives(0);
  late.at += 31 * kDay;
  late.runs();
  late.takes(0, 1);
  late.erased();
  late.at += 2 * kDay;
  late.runs();
  EXPECT_EQ(late.broken(), (Broken{{"retention-deletes", 1}}));
}

}  // namespace
}  // namespace callward::audit
