// A log in the making, told as a story, and what the rules say of it.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "audit/entry.hpp"
#include "audit/rules.hpp"

namespace callward::audit {

using boost::json::array;
using boost::json::object;

inline const std::string kCall(32, 'c');
inline const std::string kOrder(32, '0');
inline const std::string kPerson(32, 'a');
inline const std::string kHash(64, 'f');
inline constexpr std::int64_t kMinute = 60'000;

// A value, not an array: a list of one array is that array for clang, and a list of one for g++.
inline boost::json::value range(int stream, int first, int end) {
  return array{stream, first, end};
}

// A log in the making: entries as the keeper would write them.
struct Story {
  std::vector<std::string> texts;
  std::int64_t at = 1'700'000'000'000;

  void say(const std::string& type, const std::string& actor, const std::string& subject,
           object data) {
    const Entry entry{type, actor, subject, at, std::move(data)};
    const auto text = encode_entry(entry);
    // A type that this branch of the program does not know yet is written as it would be.
    texts.push_back(text ? *text
                         : boost::json::serialize(object{{"v", 1},
                                                         {"type", type},
                                                         {"actor", actor},
                                                         {"subject", subject},
                                                         {"at", at},
                                                         {"data", entry.data}}));
    at += 1'000;
  }
  void keeper_starts() {
    say("keeper_started", "keeper", "-", {{"epoch", 1}, {"mirrors", 2}, {"log_size", 0}});
  }
  void call_starts() {
    say("call_started", "recorder", kCall,
        {{"row", 1},
         {"source", "siprec"},
         {"direction", "incoming"},
         {"streams", 2},
         {"started_at", at}});
  }
  void call_ends() {
    say("call_ended", "recorder", kCall,
        {{"ended_at", at}, {"cause", "bye"}, {"ends", array{range(0, 0, 600)}}});
  }
  void seals(char root = '1') {
    say("call_sealed", "recorder", kCall,
        {{"root", std::string(64, root)}, {"leaves", 3}, {"bytes", 100}});
  }
  void listens() { say("listened", "keeper", kCall, {{"heard_live", true}}); }
  void intends(int first = 10, int end = 20) {
    say("erase_intended", "listener", kCall,
        {{"order", kOrder},
         {"reason", "card"},
         {"source", "listener"},
         {"ranges", array{range(0, first, end)}},
         {"epoch", 1}});
  }
  void erases() { say("erased", "keeper", "-", {{"orders", array{kOrder}}, {"epoch", 2}}); }
  void holds() {
    say("order_held", "listener", kCall,
        {{"order", kOrder},
         {"reason", "card"},
         {"source", "listener"},
         {"ranges", array{range(0, 10, 20)}}});
  }
  void decides(const std::string& decision, bool whole = false) {
    say("held_decided", "operator", kCall,
        {{"order", kOrder},
         {"decision", decision},
         {"reason", "card"},
         {"ranges", array{range(0, 10, 20)}},
         {"whole", whole},
         {"reason_hash", kHash}});
  }
  void opens(array ranges, int given, const std::string& actor = "operator",
             array kinds = {"audio"}, const std::string& type = "opened",
             const std::string& reason = kHash) {
    say(type, actor, kCall,
        {{"purpose", "play"},
         {"ranges", std::move(ranges)},
         {"kinds", std::move(kinds)},
         {"reason_hash", reason},
         {"given", given}});
  }
  void signs_in(const std::string& session = "s1") {
    say("signed_in", kPerson, kPerson, {{"session", session}, {"method", "passphrase"}});
  }
  void time_passes(std::int64_t minutes) {
    at += minutes * kMinute;
    say("call_missing", "recorder", "-", {{"cause", "ports"}, {"sip_status", 503}, {"count", 1}});
  }
  // A call as it should be, with an erasure in it.
  void whole_call() {
    keeper_starts();
    call_starts();
    intends();
    erases();
    call_ends();
    listens();
    seals();
  }

  [[nodiscard]] RulesReport check() const {
    RuleChecker checker;
    for (std::size_t i = 0; i < texts.size(); ++i) checker.add(i, texts[i]);
    return checker.finish();
  }
  // That this rule alone is broken, once, and how much it weighs.
  void expect(const std::string& rule, RuleWeight weight = RuleWeight::kBreach) const {
    const auto report = check();
    ASSERT_EQ(report.findings.size(), 1u) << rule;
    EXPECT_EQ(report.findings[0].rule->name, rule) << report.findings[0].what;
    EXPECT_EQ(report.findings[0].rule->weight, weight);
    EXPECT_EQ(report.good(), weight != RuleWeight::kBreach);
  }
  void expect_clean() const {
    const auto report = check();
    EXPECT_TRUE(report.findings.empty())
        << report.findings[0].rule->name << ": " << report.findings[0].what;
  }
};

}  // namespace callward::audit
