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

}  // namespace
}  // namespace callward::audit
