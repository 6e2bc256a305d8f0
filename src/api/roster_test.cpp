// The chart on the server's side, and a log that is another one than it has read or was told of.
#include "api/people_rig_test.hpp"

namespace callward::api {
namespace {

using test::PeopleRig;

struct Rosters : ::testing::Test, PeopleRig {
  void SetUp() override {
    found();
    ASSERT_TRUE(roster.follow());
    before = keepers;
    std::filesystem::copy(dir + "/log", dir + "/back", std::filesystem::copy_options::recursive);
  }
  // Keeper and log as they were when there was the owner alone, going on from there.
  void set_back() { back = std::move(*audit::Log::open(vfs, dir + "/back", kLogOrigin, log_seed)); }
  void say(const audit::Entry& entry) {
    ASSERT_TRUE(back->stage(entry));
    ASSERT_TRUE(back->commit());
    ASSERT_TRUE(back->publish());
  }
  void say_anything() {
    say({.type = "looked_up",
         .actor = "keeper",
         .subject = "-",
         .at = clock.utc_ms(),
         .data = {{"field", "name"}, {"found", 0}}});
  }
  // Another change than the one that was made since.
  void say_another_change() {
    people::Change made{.number = before.number() + 1, .before = before.head()};
    made.at = clock.utc_ms();
    made.kind = people::ChangeKind::kPerson;
    made.person = PersonId::random(entropy);
    made.roles = people::bit(people::Role::kAgent);
    made.answers_to = olga.id;
    const auto hash = *people::hash_of(made);
    audit::Entry entry{.type = "chart_changed",
                       .actor = olga.id.hex(),
                       .subject = made.person.hex(),
                       .at = clock.utc_ms(),
                       .data = people::to_json(made)};
    entry.signature = people::signatures_to_json({{olga.id, olga.device->sign(party, hash)}});
    say(entry);
  }
  std::unique_ptr<Roster> anew(const std::string& log) {
    auto made = std::make_unique<Roster>(
        *database, people, party,
        Roster::Place{dir + "/" + log, {kLogOrigin, *crypto::ed25519_public(log_seed)}, &vfs});
    const auto loaded = made->load();
    EXPECT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ((*made->chart())->head(), keepers.head()) << "what was taken is not forgotten";
    return made;
  }
  std::int64_t rows(const std::string& table) {
    return database->query("SELECT count(*) FROM " + table)->at(0).number(0);
  }
  people::Chart before{party};
  std::unique_ptr<audit::Log> back;
};

// The keeper took two changes and more; the log that comes back has another one in their place.
TEST_F(Rosters, ALogThatBringsAnotherChangeThanWasTakenIsCorruptAndIsNotWrittenDown) {
  publishes = false;
  join("max", "agent");
  EXPECT_EQ(rows("chart_ahead"), 3);
  set_back();
  say_another_change();
  for (int starts = 0; starts < 2; ++starts) {
    const auto fooled = anew("back");
    EXPECT_EQ(fooled->follow().error().code, Errc::kCorrupt);
    EXPECT_EQ(fooled->follow().error().code, Errc::kCorrupt) << "and stays so";
    EXPECT_FALSE(fooled->differs().empty());
    EXPECT_EQ(rows("chart_changes"), 1);
    EXPECT_EQ(rows("chart_ahead"), 3);
  }
  // The log as it was: all is well.
  ASSERT_TRUE(audit_log->publish());
  const auto good = anew("log");
  ASSERT_TRUE(good->follow());
  EXPECT_EQ(good->differs(), "");
  EXPECT_EQ(rows("chart_changes"), 4);
  EXPECT_EQ(rows("chart_ahead"), 0);
}

// A database into which an older server wrote both starts, with what the log says.
TEST_F(Rosters, WhatWasTakenAndDoesNotGoOnFromWhatWasReadKeepsNoServerFromStarting) {
  publishes = false;
  join("max", "agent");
  set_back();
  say_another_change();
  std::string entry;
  const auto texts = audit::read_bundle(vfs, dir + "/back", 0, back->published_size());
  for (const auto& text : *texts)
    if (text.find("chart_changed") != std::string::npos) entry = text;
  ASSERT_TRUE(database->execute("INSERT INTO chart_changes VALUES (2, ?1)", {entry}));
  ASSERT_TRUE(database->execute("DELETE FROM chart_ahead WHERE number <= 2"));
  Roster started(*database, people, party,
                 {dir + "/back", {kLogOrigin, *crypto::ed25519_public(log_seed)}, &vfs});
  ASSERT_TRUE(started.load());
  EXPECT_EQ((*started.chart())->number(), 2u);
  EXPECT_EQ(rows("chart_ahead"), 0);
  EXPECT_TRUE(started.follow());
}

// Set back to before changes that were read already.
TEST_F(Rosters, ALogThatWasSetBackIsSaidUntilItIsWhatItWas) {
  join("max", "agent");
  ASSERT_TRUE(roster.follow());
  EXPECT_EQ(rows("chart_changes"), 4);
  set_back();
  {
    const auto ahead = anew("back");
    EXPECT_EQ(ahead->follow().error().code, Errc::kState);
    EXPECT_NE(ahead->differs().find("set back"), std::string::npos) << ahead->differs();
    EXPECT_EQ(ahead->follow().error().code, Errc::kState) << "and stays so";
    EXPECT_TRUE(ahead->admit(people.session(olgas))) << "who is here goes on";
  }
  say_another_change();
  EXPECT_EQ(anew("back")->follow().error().code, Errc::kCorrupt);
  const auto good = anew("log");
  ASSERT_TRUE(good->follow());
  EXPECT_EQ(good->differs(), "");
  EXPECT_EQ(rows("chart_ahead"), 0);
}

// A change that was taken stands in no log that has grown three times since.
TEST_F(Rosters, ALogThatGoesOnWithoutWhatWasTakenIsSaid) {
  publishes = false;
  join("max", "agent");
  set_back();
  const auto ahead = anew("back");
  EXPECT_TRUE(ahead->follow()) << "its files may be behind";
  EXPECT_TRUE(ahead->follow());
  EXPECT_TRUE(ahead->follow()) << "nothing has come since, however often it is looked at";
  say_anything();
  EXPECT_TRUE(ahead->follow());
  say_anything();
  EXPECT_EQ(ahead->follow().error().code, Errc::kState);
  EXPECT_FALSE(ahead->differs().empty());
}

}  // namespace
}  // namespace callward::api
