// Recordings: who wants to hear a call that is none of theirs.
#include <algorithm>
#include <ranges>

#include "disclose/recordings.hpp"
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

class Recordings : public ::testing::Test, public OfficeRig {
 protected:
  // The customer's own call, and the call-back of a request that was verified.
  void SetUp() override {
    ASSERT_TRUE(change_roles(rita, people::bit(people::Role::kReviewer), {olga}));
    customer = carla();
    id = verified(customer);
    words = words_of(recording);
  }
  Result<keys::Opened> hear(const std::string& actor, const Key32& key) {
    const auto header = keys::parse_record(words);
    EXPECT_TRUE(header);
    const auto answer = std::make_shared<Answer<keys::Opened>>();
    keys::Open message{.call = recording,
                       .actor = actor,
                       .purpose = keys::OpenPurpose::kPlay,
                       .reason_hash = std::string(64, 'a'),
                       .headers = {header->encode()}};
    message.reader_key = *crypto::x25519_public(key);
    keeper->open(message, answer->reply());
    if (between) between();
    keeper->end_round();
    return std::move(answer->value);
  }
  bool hears(const Someone& who) {
    const auto opened = hear(who.id.hex(), browser(who));
    return opened && opened->states.at(0) == static_cast<std::uint8_t>(keys::KeyState::kGiven);
  }
  audit::Entry last_opened() {
    for (auto& entry : std::views::reverse(all_entries = entries()))
      if (entry.type == "opened") return entry;
    return {};
  }
  // The rules that find something; this rig tells of no call's end and of no session.
  std::string broken(const std::vector<audit::Entry>& log_entries) {
    std::string names;
    for (const auto& found : judge(log_entries).findings)
      if (found.rule->name != "call-ends" && found.rule->name != "opened-by-somebody")
        names += std::string(found.rule->name) + ": " + found.what + "; ";
    return names;
  }
  CustomerId customer;
  RequestId id;
  Bytes words;  // of the call-back
  std::vector<audit::Entry> all_entries;
  std::function<void()> between;  // what comes in the same round
};

TEST_F(Recordings, OnlyReviewersAndWhoJudgesTheRequestHear) {
  for (const auto* who : {&tom, &eve, &emil, &ada}) EXPECT_FALSE(hears(*who));
  EXPECT_TRUE(hears(rita)) << "a reviewer";
  EXPECT_EQ(last_opened().data.at("right"), "review");
  EXPECT_TRUE(hears(anna)) << "who may release";
  EXPECT_EQ(last_opened().data.at("right"), "call_back");
  EXPECT_EQ(last_opened().data.at("request").as_string(), id.hex());
  EXPECT_TRUE(hears(max)) << "whom the requester answers to";
  EXPECT_EQ(broken(entries()), "");
}

TEST_F(Recordings, AreNobodysWithoutAPasskeysKey) {
  const auto hers = browser(rita);
  EXPECT_TRUE(hear(rita.id.hex(), hers));
  EXPECT_FALSE(hear("operator", hers)) << "the command line, and whoever has the server";
  EXPECT_FALSE(hear(rita.id.hex(), entropy.key())) << "a key that nobody signed";
  EXPECT_FALSE(hear(rita.id.hex(), browser(tom))) << "another's key";
  EXPECT_FALSE(hear(tom.id.hex(), hers));
  EXPECT_FALSE(hear(anna.id.hex(), hers)) << "in the name of who may";
  EXPECT_TRUE(ask(&Office::reader_drop, keys::ReaderDrop{rita.id, *crypto::x25519_public(hers)}));
  EXPECT_FALSE(hear(rita.id.hex(), hers)) << "after she signed out";
}

TEST_F(Recordings, ARoleThatIsTakenAwayInTheSameRoundGivesNothing) {
  const auto hers = browser(rita);
  between = [&] {
    now = office->now();
    auto change = person(rita.id, people::bit(people::Role::kAuditor), olga.id);
    ASSERT_TRUE(apply(change, {olga}));
    Answer<keys::ChartTaken> taken;
    office->chart_put(message_of(all.back()), taken.reply());
    round();
  };
  EXPECT_FALSE(hear(rita.id.hex(), hers));
}

TEST_F(Recordings, ACallBackIsHeardUntilItIsReviewedAndNotByWhoMadeIt) {
  ASSERT_TRUE(
      change_roles(eve, people::bit(people::Role::kExpert) | people::bit(people::Role::kReviewer),
                   {olga}, "201"));
  EXPECT_FALSE(hears(eve)) << "the expert who rang is a reviewer as well";
  ASSERT_TRUE(release(id, anna, customer, {"email"}));
  EXPECT_TRUE(hears(abe));
  ticks(16 * 60'000);
  EXPECT_TRUE(hears(max)) << "to review it";
  ASSERT_TRUE(act(id, max, {.kind = "review", .words = kWhy}));
  EXPECT_FALSE(hears(abe));
  EXPECT_FALSE(hears(max));
  EXPECT_TRUE(hears(rita)) << "as any call";
  EXPECT_EQ(broken(entries()), "");
}

// The rule sees in the log alone what the keeper would not have done.
TEST_F(Recordings, TheRuleFindsWhatWasHeardWithoutRight) {
  EXPECT_TRUE(hears(rita));
  const auto good = entries();
  ASSERT_EQ(broken(good), "");
  const auto spoilt = [&](const std::function<void(audit::Entry&)>& spoil) {
    auto bad = good;
    const auto at = std::ranges::find(bad, "opened", &audit::Entry::type);
    spoil(*at);
    for (const auto& found : judge(bad).findings)
      if (found.rule->name == "opened-by-right") return true;
    return false;
  };
  EXPECT_TRUE(spoilt([&](auto& e) { e.actor = tom.id.hex(); }));
  EXPECT_TRUE(spoilt([&](auto& e) { e.actor = "operator"; }));
  EXPECT_TRUE(spoilt([&](auto& e) { e.actor = anna.id.hex(); })) << "with another's key";
  EXPECT_TRUE(spoilt([&](auto& e) { e.data["reader"] = std::string(64, '0'); }));
  EXPECT_TRUE(spoilt([&](auto& e) { e.data.erase("reader"); }));
  EXPECT_TRUE(spoilt([&](auto& e) { e.data["right"] = "call_back"; }));
  EXPECT_FALSE(spoilt([](auto&) {}));
}

}  // namespace
}  // namespace callward::attack
