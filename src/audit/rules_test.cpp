#include "audit/rules_story_test.hpp"

namespace callward::audit {
namespace {

TEST(Rules, AWholeDayIsClean) {
  Story story;
  story.whole_call();
  story.signs_in();
  story.opens({range(0, 0, 60)}, 50, kPerson);
  story.opens({range(0, 0, 60)}, 50);
  story.opens({range(0, 30, 60)}, 12, kPerson, {"words", "peaks"}, "exported");
  story.opens({range(15, 0, 1)}, 1, kPerson, {"call_data"});
  story.say("session_ended", kPerson, kPerson, {{"session", "s1"}, {"cause", "signed_out"}});
  story.time_passes(120);
  story.expect_clean();
  EXPECT_EQ(story.check().calls, 1u);
  EXPECT_EQ(story.check().orders, 1u);
}

TEST(Rules, WhatStillRunsIsNoBreach) {
  Story story;
  story.keeper_starts();
  story.call_starts();
  story.intends();
  story.time_passes(9);
  story.expect_clean();
}

TEST(Rules, AnUnknownTypeIsCountedAndPassedOver) {
  Story story;
  story.say("never_heard_of", "keeper", "-", {{"x", 1}});
  story.expect_clean();
  EXPECT_EQ(story.check().unknown, 1u);
}

TEST(Rules, WhatIsNoEntryIsABreach) {
  for (const char* text :
       {"{}", "not json", "[]", R"({"type":"erased","at":"x"})",
        R"({"type":"erased","at":9223372036854775807,"actor":"a","subject":"b","data":{}})"}) {
    Story story;
    story.texts.emplace_back(text);
    story.expect("entry-readable");
  }
}

TEST(Rules, AnErasureThatWasIntendedIsDone) {
  Story story;
  story.keeper_starts();
  story.call_starts();
  story.intends();
  story.time_passes(11);
  story.expect("erase-is-done");
  story.erases();  // late, but done
  story.expect_clean();
  story.intends();  // tried again: must end again
  story.time_passes(11);
  story.expect("erase-is-done");
}

TEST(Rules, AMirrorThatIsAwayIsReportedUntilItConfirms) {
  Story story;
  story.keeper_starts();
  story.call_starts();
  story.intends();
  story.say("erase_unconfirmed", "keeper", "-",
            {{"orders", array{kOrder}}, {"epoch", 2}, {"unconfirmed_mirrors", 1}});
  story.time_passes(60);
  story.expect("erase-is-confirmed", RuleWeight::kWarning);
  story.erases();
  story.expect_clean();
}

TEST(Rules, WhatWasErasedWasIntended) {
  Story story;
  story.erases();
  story.expect("erased-was-intended");
  Story other;
  other.say("erase_unconfirmed", "keeper", "-",
            {{"orders", array{kOrder}}, {"epoch", 2}, {"unconfirmed_mirrors", 1}});
  other.expect("erased-was-intended");
}

TEST(Rules, OpeningNeedsAReason) {
  for (const char* type : {"opened", "exported"}) {
    Story story;
    story.call_starts();
    story.opens({range(0, 0, 10)}, 1, "operator", {"audio"}, type, "");
    story.expect("opened-with-reason");
  }
}

TEST(Rules, OpeningNeedsSomebodyWhoSignedIn) {
  Story story;
  story.call_starts();
  story.opens({range(0, 0, 10)}, 1, kPerson);
  story.expect("opened-by-somebody");
}

TEST(Rules, NobodyOpensAfterAllSessionsEnded) {
  Story story;
  story.call_starts();
  story.signs_in("s1");
  story.signs_in("s2");
  story.say("session_ended", kPerson, kPerson, {{"session", "s1"}, {"cause", "signed_out"}});
  story.time_passes(5);
  story.opens({range(0, 0, 10)}, 1, kPerson);
  story.expect_clean();
  story.say("session_ended", kPerson, kPerson, {{"session", "s2"}, {"cause", "signed_out"}});
  story.opens({range(0, 0, 10)}, 1, kPerson);  // was under way
  story.expect_clean();
  story.time_passes(2);
  story.opens({range(0, 0, 10)}, 1, kPerson);
  story.expect("opened-by-somebody");
}

TEST(Rules, NoKeyIsGivenOfWhatWasOrderedErased) {
  Story story;
  story.call_starts();
  story.opens({range(0, 10, 20)}, 10);  // before the order
  story.intends();
  story.erases();
  story.opens({range(0, 10, 20)}, 0);
  story.opens({range(0, 0, 30)}, 20);
  story.opens({range(1, 10, 20)}, 10);  // another stream
  story.expect_clean();
  auto one_more = story;
  one_more.opens({range(0, 0, 30)}, 21);
  one_more.expect("erased-stays-closed");
  story.opens({range(0, 12, 18)}, 1, "operator", {"words"});
  story.expect("erased-stays-closed");
}

TEST(Rules, WhatIsHeldStaysClosedUntilItIsKept) {
  Story story;
  story.call_starts();
  story.holds();
  auto early = story;
  early.opens({range(0, 10, 20)}, 1);
  early.expect("erased-stays-closed");
  auto whole = story;
  story.decides("keep");
  story.opens({range(0, 10, 20)}, 10);
  story.expect_clean();
  whole.decides("keep", true);
  whole.opens({range(0, 10, 20)}, 10);
  whole.expect_clean();
}

// An order's id names it; it takes nothing back of what was said under it before.
TEST(Rules, AnOrderThatIsSaidAgainOpensNothing) {
  Story erased;
  erased.call_starts();
  erased.intends(10, 20);
  erased.intends(900, 901);
  erased.erases();
  erased.opens({range(0, 0, 30)}, 20);
  erased.expect_clean();
  auto held = erased;
  erased.opens({range(0, 10, 20)}, 1);
  erased.expect("erased-stays-closed");
  held.say("order_held", "listener", kCall,
           {{"order", kOrder},
            {"reason", "card"},
            {"source", "listener"},
            {"ranges", array{range(0, 900, 901)}}});
  held.decides("keep");
  held.opens({range(0, 10, 20)}, 1);
  held.expect("erased-stays-closed");
}

TEST(Rules, AnOrderIsOfOneCall) {
  Story story;
  story.call_starts();
  story.intends();
  story.erases();
  const std::string other(32, 'd');
  story.say("call_started", "recorder", other,
            {{"row", 2},
             {"source", "siprec"},
             {"direction", "incoming"},
             {"streams", 2},
             {"started_at", story.at}});
  story.expect_clean();
  story.say("erase_intended", "listener", other,
            {{"order", kOrder},
             {"reason", "card"},
             {"source", "listener"},
             {"ranges", array{range(0, 10, 20)}},
             {"epoch", 1}});
  story.erases();
  story.expect("order-of-one-call");
}

// Ordered by `source`, confirmed by the operator.
Story confirmed(const std::string& source, bool hold, bool whole) {
  Story story;
  story.call_starts();
  story.call_ends();
  story.say("order_held", "keeper", kCall,
            {{"order", kOrder},
             {"reason", "card"},
             {"source", source},
             {"ranges", array{range(0, 0, 600)}}});
  if (hold) story.say("hold_set", "operator", kCall, {{"reason_hash", std::string(64, 'a')}});
  story.decides("erase", whole);
  story.intends(0, 600);
  story.erases();
  return story;
}

TEST(Rules, TwoErase) {
  const std::string another(32, 'e');
  confirmed(another, false, true).expect_clean();
  confirmed("listener", false, false).expect_clean();
  confirmed("operator", false, false).expect("two-erase-a-call");
  confirmed("listener", false, true).expect("two-erase-a-call");
}

TEST(Rules, NobodyConfirmsUnderALegalHold) {
  confirmed(std::string(32, 'e'), true, true).expect("hold-is-kept");
  confirmed("listener", true, false).expect_clean();
}

// A decision is about what was held then.
TEST(Rules, WhatIsHeldAgainIsDecidedAgain) {
  Story story;
  story.keeper_starts();
  story.call_starts();
  story.call_ends();
  story.seals();
  story.holds();
  story.decides("keep");
  story.holds();
  story.time_passes(25 * 60);
  story.expect("held-is-decided", RuleWeight::kWarning);
}

TEST(Rules, AProofIsAskedForBySomebodyAndOfACall) {
  const auto asks = [](Story& story, const std::string& actor) {
    story.say("key_statement", actor, kCall, {{"hash", kHash}});
  };
  Story story;
  auto never = story;
  asks(never, "operator");
  never.expect("call-begins");
  story.call_starts();
  auto stranger = story;
  asks(stranger, kPerson);
  stranger.expect("opened-by-somebody");
  story.signs_in();
  asks(story, kPerson);
  asks(story, "operator");
  story.expect_clean();
  EXPECT_EQ(story.check().unknown, 0u);
}

// It says that it has what the one before it had: the log knows how much that was.
TEST(Rules, AKeeperThatWasHandedOverHasTheCallsThatRan) {
  const auto handed = [](Story& story, int calls) {
    story.say(
        "keeper_started", "keeper", "-",
        {{"epoch", 1}, {"mirrors", 2}, {"log_size", 0}, {"handed_over", true}, {"calls", calls}});
  };
  Story story;
  story.call_starts();
  auto more = story;
  handed(more, 3);  // ended ones that the listener has not heard are among them
  more.time_passes(11);
  more.expect_clean();
  handed(story, 0);
  story.expect("handed-over-whole");
  story.time_passes(11);  // and it is a start as any other
  EXPECT_EQ(story.check().breaches, 2u);
  story.call_ends();
  story.expect("handed-over-whole");
  // What an earlier keeper had lost already is said there, once.
  Story lost;
  lost.call_starts();
  lost.keeper_starts();
  handed(lost, 0);
  lost.time_passes(11);
  lost.expect("call-ends");
}

TEST(Rules, WhatIsHeldIsDecided) {
  Story story;
  story.keeper_starts();
  story.call_starts();
  story.call_ends();
  story.seals();
  story.holds();
  story.time_passes(25 * 60);
  story.expect("held-is-decided", RuleWeight::kWarning);
  story.decides("keep");
  story.expect_clean();
}

TEST(Rules, WhatAPersonDecidedToEraseIsErased) {
  Story story;
  story.call_starts();
  story.holds();
  story.decides("erase");
  story.time_passes(11);
  story.expect("erase-is-done");
  story.intends();
  story.erases();
  story.expect_clean();
}

TEST(Rules, ACallThatEndedIsSealed) {
  Story story;
  story.call_starts();
  story.call_ends();
  story.time_passes(59);
  story.expect_clean();
  story.time_passes(2);
  story.expect("call-is-sealed");
}

// Cut off in its first moment: there is nothing to seal, and it is said.
TEST(Rules, ACallOfWhichNothingWasRecordedIsNamedAndNeedsNoSeal) {
  Story story;
  story.call_starts();
  story.say("call_ended", "recorder", kCall,
            {{"ended_at", story.at}, {"cause", "never_recorded"}, {"ends", array{}}});
  story.expect("call-was-recorded", RuleWeight::kWarning);
  story.time_passes(120);
  story.expect("call-was-recorded", RuleWeight::kWarning);
}

TEST(Rules, ACallThatRanAtARestartIsTakenOnOrEnded) {
  Story story;
  story.call_starts();
  story.keeper_starts();
  story.time_passes(11);
  story.expect("call-ends");
  Story handed_over;
  handed_over.call_starts();
  handed_over.say(
      "keeper_started", "keeper", "-",
      {{"epoch", 1}, {"mirrors", 2}, {"log_size", 0}, {"handed_over", true}, {"calls", 1}});
  handed_over.time_passes(11);
  handed_over.expect_clean();
  auto taken_on = story;
  taken_on.say("keeper_adopted", "keeper", kCall, {{"first", 5}, {"lost", array{}}});
  taken_on.expect_clean();
  story.call_ends();
  story.expect_clean();
}

TEST(Rules, ACallThatRunsForDaysIsAWarning) {
  Story story;
  story.keeper_starts();
  story.call_starts();
  story.time_passes(25 * 60);
  story.expect("call-runs-long", RuleWeight::kWarning);
}

TEST(Rules, ACallIsSealedAsOne) {
  Story story;
  story.call_starts();
  story.call_ends();
  story.seals('1');
  story.seals('1');
  story.expect_clean();
  story.seals('2');
  story.expect("sealed-as-one");
}

TEST(Rules, ACallBeginsOnceAndBeforeAllElse) {
  Story story;
  story.call_starts();
  auto twice = story;
  twice.call_starts();
  twice.expect("call-begins-once");
  story.call_ends();
  story.call_ends();
  story.expect("call-begins-once");
  Story never;
  never.seals();
  never.call_ends();
  never.expect("call-begins");
}

TEST(Rules, NothingIsHeardAgainAfterListening) {
  Story story;
  story.call_starts();
  story.say("heard_again", "keeper", kCall, {{"ranges", array{range(0, 0, 5)}}});
  story.listens();
  story.expect_clean();
  story.say("heard_again", "keeper", kCall, {{"ranges", array{range(0, 0, 5)}}});
  story.expect("heard-until-done");
}

TEST(Rules, WhatAReviewerCallsMissedIsErased) {
  const auto misses = [](Story& story, const std::string& actor) {
    story.say("secret_missed", actor, kCall,
              {{"order", kOrder},
               {"kind", "card"},
               {"cause", "volunteered"},
               {"ranges", array{range(0, 10, 20)}}});
  };
  Story story;
  story.call_starts();
  auto stranger = story;
  misses(stranger, kPerson);
  stranger.expect("opened-by-somebody");
  story.signs_in();
  misses(story, kPerson);
  story.expect_clean();  // it is about to be
  auto never = story;
  never.time_passes(11);
  never.expect("missed-is-erased", RuleWeight::kWarning);
  auto held = story;
  held.holds();
  held.time_passes(11);
  held.expect_clean();
  story.intends();
  story.erases();
  story.time_passes(11);
  story.expect_clean();
}

TEST(Rules, WhoReviewsACallHasSignedInAndTheCallBegan) {
  for (const char* type : {"call_reviewed", "erasure_needless"}) {
    const object data =
        std::string_view(type) == "call_reviewed"
            ? object{{"chosen", "random"}}
            : object{
                  {"kind", "phone"}, {"cause", "no_question"}, {"ranges", array{range(0, 10, 20)}}};
    Story story;
    story.signs_in();
    auto never = story;
    never.say(type, kPerson, kCall, data);
    never.expect("call-begins");
    story.call_starts();
    auto stranger = story;
    stranger.say(type, std::string(32, 'b'), kCall, data);
    stranger.expect("opened-by-somebody");
    story.say(type, kPerson, kCall, data);
    story.expect_clean();
  }
}

TEST(Rules, LossesAreNoted) {
  Story story;
  story.call_starts();
  story.say("keeper_adopted", "keeper", kCall, {{"first", 5}, {"lost", array{range(0, 2, 5)}}});
  story.expect("lost-with-the-keeper", RuleWeight::kNote);
}

TEST(Rules, TimeThatGoesBackIsAWarning) {
  Story story;
  story.keeper_starts();
  story.at -= 5 * kMinute;
  story.keeper_starts();
  story.expect("time-goes-on", RuleWeight::kWarning);
}

// A rule without a test that breaks it would be a promise that nobody checked.
TEST(Rules, EveryTypeOfTheTableIsKnownToTheRules) {
  for (const auto& type : entry_types()) {
    RuleChecker checker;
    checker.add(0, boost::json::serialize(object{{"type", type.name},
                                                 {"at", 1},
                                                 {"actor", "keeper"},
                                                 {"subject", "-"},
                                                 {"data", object{}}}));
    EXPECT_EQ(checker.finish().unknown, 0u) << type.name;
  }
}

TEST(Rules, TheDocumentIsThatOfTheTable) {
  RealVfs vfs;
  const auto text = vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + "/docs/log-rules.md", 1 << 20);
  ASSERT_TRUE(text) << "write it with: callward log rules > docs/log-rules.md";
  EXPECT_EQ(as_text(*text), rules_markdown());
}

}  // namespace
}  // namespace callward::audit
