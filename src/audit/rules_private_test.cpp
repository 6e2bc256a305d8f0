// What the log alone says of agents that were private.
#include "audit/rules_story_test.hpp"

namespace callward::audit {
namespace {

// An agent's stretch: `to` is where the keeper says that it ended.
void stays_private(Story& story, int to, bool ends = true) {
  story.say("private_on", kPerson, kCall,
            {{"order", kOrder}, {"ranges", array{range(0, 100, 1'900)}}, {"times", 1}});
  if (!ends) return;
  story.say(
      "private_off", kPerson, kCall,
      {{"order", kOrder}, {"ranges", array{range(0, 100, to)}}, {"cause", "off"}, {"times", 1}});
}
void erases_private(Story& story, int to) {
  story.say("erase_intended", kPerson, kCall,
            {{"order", kOrder},
             {"reason", "private"},
             {"source", kPerson},
             {"ranges", array{range(0, 100, to)}},
             {"epoch", 1}});
  story.erases();
}

TEST(Rules, NobodyIsPrivateInACallBack) {
  Story story;
  story.keeper_starts();
  auto usual = story;
  usual.call_starts();
  stays_private(usual, 500);
  usual.expect_clean();
  story.say("call_started", "recorder", kCall,
            {{"row", 1},
             {"source", "call_back"},
             {"direction", "outgoing"},
             {"streams", 2},
             {"started_at", story.at}});
  stays_private(story, 500);
  story.expect("private-not-in-call-backs");
}

TEST(Rules, AnAgentIsPrivateForThreeMinutesAtMost) {
  Story story;
  story.keeper_starts();
  story.call_starts();
  auto too_long = story, never_on = story, endless = story;
  stays_private(story, 200);
  story.opens({range(0, 300, 310)}, 10);  // behind its end
  erases_private(story, 200);
  story.expect_clean();
  story.opens({range(0, 150, 160)}, 10);
  story.expect("erased-stays-closed");

  stays_private(too_long, 1'901);
  too_long.expect("private-is-short");
  erases_private(never_on, 200);
  never_on.expect("private-is-short");
  stays_private(endless, 0, false);
  endless.time_passes(9);
  endless.expect_clean();
  auto restarted = endless;
  endless.time_passes(3);
  endless.expect("private-ends");
  erases_private(restarted, 1'900);
  restarted.time_passes(3);
  restarted.expect_clean();
}

TEST(Rules, AnAgentIsPrivateWithinAShareOfTheCallAndWithPauses) {
  const auto with = [](int first, int end) {
    Story story;
    story.keeper_starts();
    story.call_starts();
    stays_private(story, 1'900);  // from 100
    erases_private(story, 1'900);
    story.say("private_on", kPerson, kCall,
              {{"order", std::string(32, '9')},
               {"ranges", array{range(0, first, end), range(1, 0, 10)}},
               {"times", 2}});
    return story;
  };
  with(6'000, 7'200).expect_clean();
  with(6'000, 7'201).expect("private-is-short");
  with(2'499, 2'500).expect("private-is-short");
  with(1'000, 1'100).expect("private-is-short");
  auto too_soon = with(6'000, 6'100);
  auto later = too_soon;
  const auto again = [](Story& story, int first) {
    story.say("private_on", kPerson, kCall,
              {{"order", std::string(32, '8')},
               {"ranges", array{range(0, first, first + 50)}},
               {"times", 3}});
  };
  again(too_soon, 6'699);
  too_soon.expect("private-is-short");
  again(later, 6'700);
  later.expect_clean();
}

TEST(Rules, WhatAnAgentWasPrivateForIsErased) {
  Story story;
  story.keeper_starts();
  story.call_starts();
  auto over_before = story;
  stays_private(story, 200);
  story.time_passes(9);
  story.expect_clean();
  auto late = story;
  story.time_passes(3);
  story.expect("private-ends");
  erases_private(late, 200);
  late.time_passes(3);
  late.expect_clean();
  // The call had ended before it began: there is nothing to erase.
  over_before.say("private_on", kPerson, kCall,
                  {{"order", kOrder}, {"ranges", array{range(0, 100, 1'900)}}, {"times", 1}});
  over_before.say("private_off", kPerson, kCall,
                  {{"order", kOrder}, {"ranges", array{}}, {"cause", "call_ended"}, {"times", 1}});
  over_before.time_passes(12);
  over_before.expect_clean();
}

// `kept`: streams that stay recorded. What is said of the sides fits what is closed.
TEST(Rules, WhereTheCustomerAloneIsPrivateTheAgentStays) {
  const auto says = [](Story& story, const char* type, const char* sides, array kept,
                       array ranges) {
    boost::json::object data{{"order", kOrder}, {"ranges", std::move(ranges)}, {"times", 1}};
    if (std::string_view(type) == "private_off") data["cause"] = "off";
    data["sides"] = sides;
    data["kept"] = std::move(kept);
    story.say(type, kPerson, kCall, data);
  };
  const auto begun = [&](const char* sides, array kept, array ranges) {
    Story story;
    story.keeper_starts();
    story.call_starts();
    says(story, "private_on", sides, std::move(kept), std::move(ranges));
    return story;
  };
  const array customer{range(0, 100, 1'900)}, all{range(0, 100, 1'900), range(1, 100, 1'900)};
  auto good = begun("customer", {1}, customer);
  auto widened = good, stays_wide = good, changed = good, agent_too = good;
  good.opens({range(1, 150, 160)}, 10);
  says(good, "private_off", "customer", {1}, {range(0, 100, 200)});
  erases_private(good, 200);
  good.expect_clean();
  begun("both", {}, all).expect_clean();
  // One side becomes both, and both ends.
  says(widened, "private_on", "both", {}, {range(0, 100, 1'900), range(1, 150, 1'900)});
  stays_wide = widened;
  says(widened, "private_off", "both", {}, {range(0, 100, 200), range(1, 150, 200)});
  widened.expect_clean();
  says(stays_wide, "private_on", "customer", {1}, customer);
  stays_wide.expect("private-keeps-the-agent");
  says(changed, "private_off", "both", {}, {range(0, 100, 200)});
  changed.expect("private-keeps-the-agent");
  says(agent_too, "private_off", "customer", {1}, {range(0, 100, 200), range(1, 100, 200)});
  agent_too.expect("private-keeps-the-agent");
  begun("customer", {}, customer).expect("private-keeps-the-agent");
  begun("both", {1}, customer).expect("private-keeps-the-agent");
  begun("customer", {0}, {range(1, 100, 1'900)}).expect("private-keeps-the-agent");
  begun("customer", {15}, customer).expect("private-keeps-the-agent");
  begun("customer", {1}, all).expect("private-keeps-the-agent");
}

}  // namespace
}  // namespace callward::audit
