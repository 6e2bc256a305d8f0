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

// An owner is the top of the hierarchy: who may review a request hears what it stands on, whoever
// answers to whom. Then no more than any call.
TEST_F(Recordings, AnOwnerWhoIsNoSuperiorHearsACallBackThatIsToBeJudged) {
  const auto otto = colleague(21, "221");
  EXPECT_FALSE(hears(otto)) << "an agent";
  ASSERT_TRUE(change_roles(otto, people::bit(people::Role::kOwner), {olga, max}));
  ASSERT_FALSE(chart.answers_to(tom.id, otto.id));
  EXPECT_TRUE(hears(otto));
  EXPECT_EQ(last_opened().actor, otto.id.hex());
  EXPECT_EQ(last_opened().data.at("right"), "call_back");
  EXPECT_EQ(broken(entries()), "");
  auto as_reviewer = entries();  // by the rule, too, it is this right and no other
  for (auto& entry : as_reviewer)
    if (entry.type == "opened") entry.data["right"] = "review";
  EXPECT_NE(broken(as_reviewer).find("by another right than the entry says"), std::string::npos);
  ASSERT_TRUE(release(id, anna, customer, {"email"}));
  ASSERT_TRUE(act(id, tom, {.kind = "end"}));
  ASSERT_TRUE(act(id, otto, {.kind = "review", .words = kWhy})) << "and reviews it";
  EXPECT_FALSE(hears(otto)) << "it is a call as any other";
  EXPECT_EQ(broken(entries()), "");
}

// What a keeper that did not ask would have logged.
TEST_F(Recordings, TheRuleFindsAnOwnerWhoHeardItWhenItWasReviewed) {
  ASSERT_TRUE(hears(olga));
  ASSERT_TRUE(release(id, anna, customer, {"email"}));
  ASSERT_TRUE(act(id, tom, {.kind = "end"}));
  ASSERT_TRUE(act(id, max, {.kind = "review", .words = kWhy}));
  auto late = entries();
  ASSERT_EQ(broken(late), "");
  const auto opened =
      std::ranges::find_if(late, [](const auto& entry) { return entry.type == "opened"; });
  ASSERT_NE(opened, late.end());
  auto again = *opened;
  again.at = late.back().at;
  late.push_back(again);
  EXPECT_NE(broken(late).find("opened-by-right"), std::string::npos);
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
    ASSERT_TRUE(apply(change, {olga, max}));
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

// A key that a person signed for a command line: for one call, for one purpose, for ten minutes.
class Consents : public Recordings {
 protected:
  using Purpose = keys::OpenPurpose;
  Key32 signed_for(const keys::ReaderScope& scope) {
    auto key = entropy.key();
    EXPECT_TRUE(bind(rita, *crypto::x25519_public(key), office->now(), scope));
    return key;
  }
  bool opens(const Key32& key, const Bytes& record, Purpose purpose) {
    const auto opened = open_record(recording, record, rita.id.hex(), key, purpose);
    EXPECT_TRUE(opened || opened.error().code == Errc::kDenied) << opened.error().message;
    return opened.has_value();
  }
  // Of the call's first second, as a browser would ask for it: whatever becomes of it, by right.
  Bytes sound() {
    auto header = *keys::parse_record(words);
    header.kind = keys::RecordKind::kAudio;
    header.streams = 0;
    header.last = header.first;
    const auto raw = header.encode();
    auto record = words;
    std::ranges::copy(raw, record.begin());
    return record;
  }
};

TEST_F(Consents, AreForOneCallAndOnePurpose) {
  const auto key = signed_for({recording, Purpose::kTranscript});
  EXPECT_TRUE(opens(key, words, Purpose::kTranscript));
  for (const auto other : {Purpose::kPlay, Purpose::kExport, Purpose::kChallenge})
    EXPECT_FALSE(opens(key, words, other)) << keys::to_text(other);
  EXPECT_FALSE(opens(key, sound(), Purpose::kTranscript)) << "sound, under the name of words";
  EXPECT_FALSE(opens(key, recording_data, Purpose::kTranscript)) << "the number";
  const auto exported = signed_for({recording, Purpose::kExport});
  EXPECT_TRUE(opens(exported, sound(), Purpose::kExport));
  EXPECT_FALSE(opens(exported, words, Purpose::kExport)) << "words, under the name of sound";
  EXPECT_FALSE(opens(exported, recording_data, Purpose::kExport));
  auto another = recording;
  another.bytes[3] ^= 1;
  EXPECT_FALSE(opens(signed_for({another, Purpose::kTranscript}), words, Purpose::kTranscript))
      << "for another call";
  EXPECT_TRUE(opens(browser(rita), words, Purpose::kExport)) << "a browser's is for all";
  EXPECT_FALSE(office->reads_with(rita.id, *crypto::x25519_public(key)))
      << "no words of a request, no view, no query";
  EXPECT_EQ(broken(entries()), "");
}

TEST_F(Consents, EndAfterTenMinutesAndAreNeverMadeIntoMore) {
  const auto secret = entropy.key();
  const auto key = *crypto::x25519_public(secret);
  const keys::ReaderScope scope{recording, Purpose::kTranscript};
  const auto at = office->now();
  const auto put = [&](const keys::ReaderScope& said, const keys::ReaderScope& signed_as) {
    const people::PersonSignature signature{
        rita.id, rita.device->sign(people::test::kParty,
                                   keys::reader_challenge(rita.id, key, at, signed_as))};
    return ask(&Office::reader_put,
               keys::ReaderPut{rita.id, key, at, boost::json::serialize(people::to_json(signature)),
                               said})
        .has_value();
  };
  EXPECT_FALSE(put({}, scope)) << "taken for a browser's";
  EXPECT_FALSE(put(scope, {})) << "a browser's, taken for a command line's";
  EXPECT_FALSE(put({recording, Purpose::kExport}, scope));
  EXPECT_FALSE(put({recording, {}}, {recording, {}}));
  const auto unknown = static_cast<Purpose>(9);
  EXPECT_FALSE(put({recording, unknown}, {recording, unknown}));
  EXPECT_FALSE(put({{}, Purpose::kTranscript}, {{}, Purpose::kTranscript}));
  EXPECT_TRUE(put(scope, scope));
  EXPECT_TRUE(put(scope, scope)) << "the same again changes nothing";
  EXPECT_FALSE(put({}, {})) << "the same key, for all";
  EXPECT_TRUE(opens(secret, words, Purpose::kTranscript));
  ticks(keys::kConsentMs - 60'000);
  EXPECT_TRUE(opens(secret, words, Purpose::kTranscript));
  ticks(60'001);
  EXPECT_FALSE(opens(secret, words, Purpose::kTranscript)) << "its time is over";
  EXPECT_FALSE(put(scope, scope)) << "put once more";
}

TEST_F(Consents, TheRuleFindsWhatTheyWereNotFor) {
  const auto key = signed_for({recording, Purpose::kTranscript});
  ASSERT_TRUE(opens(key, words, Purpose::kTranscript));
  const auto good = entries();
  ASSERT_EQ(broken(good), "");
  const auto spoilt = [&](const char* type, const std::function<void(audit::Entry&)>& spoil) {
    auto bad = good;
    const auto at = std::ranges::find_if(std::views::reverse(bad),
                                         [&](const auto& e) { return e.type == type; });
    spoil(*at);
    return broken(bad);
  };
  const auto purpose = [](auto& e) { e.data["purpose"] = "export"; };
  EXPECT_NE(spoilt("opened", purpose).find("signed for another call"), std::string::npos);
  EXPECT_NE(spoilt("opened", [](auto& e) { e.data["kinds"] = boost::json::array{"audio"}; })
                .find("signed for another call"),
            std::string::npos);
  EXPECT_NE(spoilt("reader_bound", purpose).find("reader-is-signed"), std::string::npos);
  EXPECT_NE(spoilt("reader_bound", [](auto& e) { e.data.erase("call"); }).find("reader-is-signed"),
            std::string::npos);
}

// The rule sees in the log alone what the keeper would not have done.
TEST_F(Recordings, TheRuleFindsWhatWasHeardWithoutRight) {
  EXPECT_TRUE(hears(rita));
  const auto good = entries();
  ASSERT_EQ(broken(good), "");
  const auto spoilt = [&](const std::function<void(audit::Entry&)>& spoil) {
    auto bad = good;
    const auto at = std::ranges::find_if(
        bad, [&](const auto& e) { return e.type == "opened" && e.actor == rita.id.hex(); });
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
