// The call-back: who asked for it, or rang, and wants that nobody hears it, or to hear it alone; in
// whatever other role they have besides, and however long it is over.
#include <algorithm>

#include "disclose/recordings.hpp"
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

using people::Role;

class CallBack : public ::testing::Test, public OfficeRig {
 protected:
  // Who asks, and who rings, may hear calls besides: the technician Tom, and the expert Eve.
  void SetUp() override {
    ASSERT_TRUE(change_roles(rita, people::bit(Role::kReviewer), {olga}));
    now = office->now();
    auto change =
        person(tom.id, people::bit(Role::kTechnician) | people::bit(Role::kReviewer), max.id);
    ASSERT_TRUE(apply(change, {olga, max}));
    ASSERT_TRUE(put_change(all.back()));
    ASSERT_TRUE(change_roles(eve, people::bit(Role::kExpert) | people::bit(Role::kReviewer), {olga},
                             "201"));
    customer = carla();
  }
  RequestId ringing() {
    duty(eve);
    const auto asked = request(tom, customer, {"email"});
    EXPECT_TRUE(asked) << asked.error().message;
    keeper->tick();
    EXPECT_TRUE(ring(*asked, eve, customer));
    return *asked;
  }
  bool hears(const CallId& call, const Bytes& record, const Someone& who) {
    const auto opened = open_record(call, record, who.id.hex(), browser(who));
    return opened && opened->states.at(0) == static_cast<std::uint8_t>(keys::KeyState::kGiven);
  }
  // Of those who have a part in it nobody; a reviewer who has none.
  void expect_heard_by_others(const CallId& call, const Bytes& record, const char* when) {
    EXPECT_FALSE(hears(call, record, tom)) << when;
    EXPECT_FALSE(hears(call, record, eve)) << when;
    EXPECT_TRUE(hears(call, record, rita)) << when;
  }
  // The first second of the customer, unless it is said otherwise.
  Errc erases(const std::string& actor, bool listener = false, std::uint32_t first = 0,
              std::uint32_t end = 10, const char* reason = "card") {
    Answer<keys::OrderAccepted> answer;
    keeper->erase_order({.order = OrderId::random(entropy),
                         .call = recording,
                         .ranges = {{0, first, end}},
                         .reason = reason,
                         .actor = actor},
                        listener, answer.reply());
    keeper->end_round();
    keeper->tick();
    return answer.value ? Errc{} : answer.value.error().code;
  }
  std::string broken(const std::vector<audit::Entry>& entries,
                     std::string_view rule = "opened-by-right") {
    std::string names;
    for (const auto& found : judge(entries).findings)
      if (found.rule->name == rule) names += found.what + "; ";
    return names;
  }
  std::string broken() { return broken(entries()); }
  CustomerId customer;
};

TEST_F(CallBack, NobodyMakesItPrivate) {
  ringing();
  talk();
  for (const auto kept : {std::uint16_t{0}, std::uint16_t{0b10}}) {
    Answer<keys::PrivateState> answer;
    keeper->private_mode({recording, true, eve.id.hex(), kept}, answer.reply());
    keeper->end_round();
    ASSERT_TRUE(answer.came);
    ASSERT_FALSE(answer.value);
    EXPECT_EQ(answer.value.error().code, Errc::kDenied);
  }
  EXPECT_EQ(log_types()["private_on"], 0);
  EXPECT_EQ(log_types()["private_off"], 0);
}

TEST_F(CallBack, IsNotHeardByWhoAskedOrRangWhileItRuns) {
  ringing();
  talk();
  expect_heard_by_others(recording, words_of(recording), "while it runs");
  hang_up();
  expect_heard_by_others(recording, derived, "before the verdict");
  EXPECT_EQ(broken(), "");
}

TEST_F(CallBack, ThatWasTooShortIsNotHeardByThemOnceAnotherRings) {
  const auto id = ringing();
  talk(5);
  const auto first = recording;
  const auto words = words_of(first);
  hang_up(5);
  ASSERT_TRUE(ring(id, eve, customer));
  expect_heard_by_others(first, words, "while the second one rings");
  talk();
  hang_up();
  expect_heard_by_others(first, words, "after the second one");
  EXPECT_EQ(broken(), "");
}

TEST_F(CallBack, IsNotHeardByThemWhenItsRequestWasRefused) {
  const auto id = ringing();
  talk();
  const auto words = words_of(recording);
  hang_up();
  ASSERT_TRUE(act(id, eve, {.kind = "fail", .words = kWhy}));
  expect_heard_by_others(recording, words, "after the verdict");
  boot();
  expect_heard_by_others(recording, words, "after a restart");
  ticks(Office::kSettledKeptMs + 60'000);
  expect_heard_by_others(recording, words, "when nobody knows the request any more");
  EXPECT_EQ(broken(), "");
}

TEST_F(CallBack, IsNotHeardByThemWhenItsRequestWasWithdrawn) {
  const auto id = verified(customer);
  const auto words = words_of(recording);
  ASSERT_TRUE(act(id, tom, {.kind = "withdraw"}));
  ticks(60'000);
  boot();
  expect_heard_by_others(recording, words, "withdrawn");
}

TEST_F(CallBack, ThatIsNamedWhenItsTimeIsOverIsNotHeardByThem) {
  const auto id = ringing();
  ticks(60 * 60'000);
  ASSERT_EQ(state_word(id), "over");
  talk();  // the recorder names it when it can
  expect_heard_by_others(recording, words_of(recording), "lapsed while it rang");
}

// A keeper that died between its beginning and its name: whoever could have asked or rung.
TEST_F(CallBack, OfWhichNobodyKnowsWhoseItIsIsHeardByWhoCouldHaveNoPart) {
  dials.push_back({DialId::random(entropy), "201", ""});
  talk();
  expect_heard_by_others(recording, words_of(recording), "nobody's");
}

TEST_F(CallBack, IsErasedByNobodyBeforeItIsJudgedAndNeverByWhoAskedOrRang) {
  const auto id = ringing();
  talk();
  for (const auto& who : {tom.id.hex(), eve.id.hex()}) EXPECT_EQ(erases(who), Errc::kDenied);
  for (const auto& who : {rita.id.hex(), max.id.hex(), std::string("operator")})
    EXPECT_EQ(erases(who), Errc::kState) << "while it runs";
  EXPECT_TRUE(check(id, eve, customer, "service_word", "blue  heron")->match);
  EXPECT_TRUE(check(id, eve, customer, "name", "carla muster")->match);
  hang_up();
  ASSERT_TRUE(act(id, eve, {.kind = "pass", .words = kVerdict}));
  EXPECT_EQ(erases("operator"), Errc::kState) << "before it is reviewed";
  Answer<keys::OrderAccepted> whole;
  keeper->erase_call({OrderId::random(entropy), recording, "card", rita.id.hex()}, whole.reply());
  ASSERT_FALSE(whole.value);
  EXPECT_EQ(whole.value.error().code, Errc::kState);
  judges(id, anna);
  ASSERT_TRUE(release(id, anna, customer, {"email"}));
  ticks(16 * 60'000);
  ASSERT_TRUE(act(id, max, {.kind = "review", .words = kWhy}));
  EXPECT_EQ(log_types()["erase_intended"], 0);
  boot();
  for (const auto& who : {tom.id.hex(), eve.id.hex()}) EXPECT_EQ(erases(who), Errc::kDenied);
  EXPECT_EQ(erases(rita.id.hex()), Errc{}) << "as of any call";
  EXPECT_EQ(erases("operator", false, 10, 20), Errc{});

  // From the log alone: by who had a part in it, or before it was judged.
  constexpr std::string_view kRule = "call-back-is-kept";
  const auto good = entries();
  EXPECT_EQ(broken(good, kRule), "");
  const auto taken = std::ranges::find(good, "erase_intended", &audit::Entry::type);
  const auto made = std::ranges::find(good, "call_back_made", &audit::Entry::type);
  ASSERT_TRUE(taken != good.end() && made != good.end() && made < taken);
  auto by_eve = good;
  by_eve.at(static_cast<std::size_t>(taken - good.begin())).data["source"] = eve.id.hex();
  EXPECT_EQ(broken(by_eve, kRule), "who asked, and who rang, erase nothing of the call-back; ");
  for (const auto& who : {rita.id.hex(), std::string("operator")}) {
    auto early = good;
    auto entry = *taken;
    entry.data["source"] = who;
    early.insert(early.begin() + (made - good.begin()) + 1, entry);
    EXPECT_TRUE(broken(early, kRule).starts_with("its request was neither over nor reviewed"))
        << who;
  }
}

TEST_F(CallBack, TheListenersHeldOrdersAreNotConfirmedByWhoAskedOrRang) {
  ringing();
  talk();
  const auto order = OrderId::random(entropy);
  Answer<keys::OrderAccepted> held;
  keeper->erase_order({.order = order,
                       .call = recording,
                       .ranges = {{0, 0, 600}, {1, 0, 600}},
                       .reason = "card",
                       .actor = "listener"},
                      true, held.reply());
  keeper->end_round();
  ASSERT_TRUE(held.value);
  ASSERT_EQ(held.value->outcome, keys::OrderOutcome::kHeld);
  for (const auto& [who, why] :
       {std::pair{eve.id.hex(), Errc::kDenied}, std::pair{std::string("operator"), Errc::kState}}) {
    Answer<keys::HeldDecided> decided;
    keeper->decide_held({.call = recording,
                         .order = order,
                         .decision = keys::HeldDecision::kErase,
                         .actor = who,
                         .reason_hash = kReason},
                        decided.reply());
    keeper->end_round();
    ASSERT_FALSE(decided.value);
    EXPECT_EQ(decided.value.error().code, why);
  }
}

// What the listener takes stays its own matter; what is left has to be enough to judge by.
TEST_F(CallBack, OfWhichTooLittleIsLeftIsNoGroundForAVerdictNorForARelease) {
  const auto id = ringing();
  talk();
  EXPECT_TRUE(check(id, eve, customer, "service_word", "blue  heron")->match);
  EXPECT_TRUE(check(id, eve, customer, "name", "carla muster")->match);
  hang_up();
  EXPECT_EQ(erases("listener", true, 0, 290), Errc{});
  ASSERT_TRUE(act(id, eve, {.kind = "pass", .words = kVerdict}));
  EXPECT_EQ(erases("listener", true, 300, 600), Errc{});
  const auto released = release(id, anna, customer, {"email"});
  ASSERT_FALSE(released);
  EXPECT_EQ(released.error().code, Errc::kState);
  const auto second = ringing();
  talk();
  EXPECT_TRUE(check(second, eve, customer, "service_word", "blue  heron")->match);
  EXPECT_TRUE(check(second, eve, customer, "name", "carla muster")->match);
  hang_up();
  EXPECT_EQ(erases("listener", true, 0, 400), Errc{});
  const auto passed = act(second, eve, {.kind = "pass", .words = kVerdict});
  ASSERT_FALSE(passed);
  EXPECT_EQ(passed.error().code, Errc::kState);
}

TEST_F(CallBack, TheNumberDoesNotLeaveWithIt) {
  const auto id = verified(customer);
  const auto words = words_of(recording);
  EXPECT_TRUE(hears(recording, words, anna)) << "who may release";
  EXPECT_FALSE(hears(recording, recording_data, anna)) << "and not the number that was dialled";
  EXPECT_TRUE(hears(recording, words, max));
  EXPECT_FALSE(hears(recording, recording_data, max));
  EXPECT_FALSE(hears(recording, recording_data, tom));
  EXPECT_FALSE(hears(recording, recording_data, eve));
  EXPECT_TRUE(hears(recording, recording_data, rita)) << "a reviewer, as of any call";
  EXPECT_FALSE(id.is_zero());
  EXPECT_EQ(broken(), "");
}

// From the log alone: keys that an older keeper gave while the call-back ran, and the number.
TEST_F(CallBack, TheRuleFindsWhatWasHeardBeforeItWasSaidWhose) {
  ringing();
  talk();
  const auto hers = browser(eve);
  ASSERT_TRUE(hears(recording, words_of(recording), rita));
  hang_up();
  ASSERT_EQ(broken(), "");
  auto bad = entries();
  const auto opened = std::ranges::find(bad, "opened", &audit::Entry::type);
  ASSERT_NE(opened, bad.end());
  opened->actor = eve.id.hex();
  opened->data["reader"] = to_hex(*crypto::x25519_public(hers));
  std::string what;
  for (const auto& found : judge(bad).findings)
    if (found.rule->name == "opened-by-right") what += found.what;
  EXPECT_EQ(what, "who asked, and who rang, do not hear the call-back");
}

// ---- what is typed in it ------------------------------------------------------------------------

class TypedInCallBack : public CallBack {
 protected:
  // Eve takes calls besides, and the call-back is at her telephone.
  void SetUp() override {
    CallBack::SetUp();
    const auto roles = people::bit(Role::kExpert) | people::bit(Role::kAgent);
    ASSERT_TRUE(change_roles(eve, static_cast<people::Roles>(roles), {olga}, "201"));
    ringing();
    talk();
    ASSERT_TRUE(at_telephone(recording, "201"));
  }
  // What the customer said, as a password of theirs.
  keys::StoreFields refusal_as_password(const CallId& call) {
    auto message =
        intake({{"query", "No picture"}, {"password", "i did not agree to any of this"}}, customer);
    message.actor = eve.id.hex();
    message.call = call;
    return message;
  }
};

// Whoever rang would have what the customer refused looked for, and erased, by typing it.
TEST_F(TypedInCallBack, IsTakenForNoneOfItAndLookedForNowhere) {
  const auto stored = log_types()["fields_stored"];
  const auto refused = [&](const char* when) {
    const auto answer = ask(&Office::store_fields, refusal_as_password(recording));
    ASSERT_FALSE(answer) << when;
    EXPECT_EQ(answer.error().code, Errc::kDenied) << when;
  };
  refused("while it runs");
  hang_up();
  ASSERT_TRUE(end(recording));
  refused("just after its end");
  boot();
  refused("to a keeper that begins");
  EXPECT_EQ(log_types()["fields_stored"], stored);
  EXPECT_TRUE(ask(&Office::store_fields, refusal_as_password({}))) << "of no call it is taken";
  EXPECT_TRUE(typed.empty());
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

// Whoever asks: a listener that an older keeper had look for it, or one that was taken over.
TEST_F(TypedInCallBack, NothingOfItGoesForThatReason) {
  EXPECT_EQ(erases("", true, 0, 10, "typed_secret"), Errc::kMalformed);
  EXPECT_EQ(log_types()["erase_intended"], 0);
  EXPECT_EQ(erases("", true, 0, 10, "card"), Errc{}) << "what it hears by itself";
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

TEST_F(TypedInCallBack, TheRuleFindsBoth) {
  constexpr auto kTypedRule = "typed-not-in-call-backs";
  ASSERT_TRUE(ask(&Office::store_fields, refusal_as_password({})));
  ASSERT_EQ(erases("", true, 0, 10, "card"), Errc{});
  auto typed_in = entries(), gone = typed_in;
  ASSERT_EQ(broken(typed_in, kTypedRule), "");
  const auto stored = std::ranges::find_if(typed_in, [&](const auto& entry) {
    return entry.type == "fields_stored" && entry.actor == eve.id.hex();
  });
  ASSERT_NE(stored, typed_in.end());
  stored->data["call"] = recording.hex();
  EXPECT_EQ(broken(typed_in, kTypedRule), "fields are stored as typed in a call-back; ");
  const auto intended = std::ranges::find(gone, "erase_intended", &audit::Entry::type);
  ASSERT_NE(intended, gone.end());
  intended->data["reason"] = "typed_secret";
  EXPECT_EQ(broken(gone, kTypedRule), "of a call-back, what was typed is erased; ");
  // Keepers of before took both.
  for (auto* old : {&typed_in, &gone})
    for (auto& entry : *old)
      if (entry.type == "keeper_started") entry.data["rules"] = 3;
  EXPECT_EQ(broken(typed_in, kTypedRule) + broken(gone, kTypedRule), "");
}

}  // namespace
}  // namespace callward::attack
