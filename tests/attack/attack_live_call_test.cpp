// Whose call it is: the recorder and the signed chart say it, and a server that names another's
// call, or the wrong agent, gets nothing of it.
#include "keys/typed_protocol.hpp"
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

class LiveCalls : public ::testing::Test, public OfficeRig {
 protected:
  LiveCalls() {
    (void)agent();
    give_extension(ada, "31-1");
    bob = colleague(21, "Bob");
  }
  std::shared_ptr<Answer<keys::FoundCustomers>> look(const CallId& call, const Someone& by) {
    auto answer = post(&Office::look_up_caller, keys::LookUpCaller{by.id.hex(), call});
    keeper->end_round();
    return answer;
  }
  std::shared_ptr<Answer<keys::FieldsStored>> type(const CallId& call, const std::string& by) {
    auto message = intake({{"name", "E"}, {"phone", "+16502530004"}, {"password", "sunshine42"}});
    message.actor = by;
    message.call = call;
    auto answer = post(&Office::store_fields, message);
    keeper->end_round();
    return answer;
  }
  std::shared_ptr<Answer<keys::PrivateState>> press(const CallId& call, const Someone& by,
                                                    bool on = true) {
    return press(call, by.id, on);
  }
  std::shared_ptr<Answer<keys::PrivateState>> press(const CallId& call, const PersonId& by,
                                                    bool on = true) {
    auto answer = std::make_shared<Answer<keys::PrivateState>>();
    keeper->private_mode({call, on, by.hex(), 0}, [answer](Result<keys::PrivateState> outcome) {
      answer->came = true;
      answer->value = std::move(outcome);
    });
    keeper->end_round();
    return answer;
  }
  bool is_private(const CallId& call) {
    Answer<keys::PrivateState> looked;
    keeper->private_look({call}, looked.reply());
    return looked.value && looked.value->on;
  }
  // From its next write on, until it is opened anew.
  void log_goes() { vfs.plan(0, sim::Fault::kNoSpace); }
  void log_comes_back() {
    ASSERT_TRUE(log->failed());
    vfs.plan(1'000'000, sim::Fault::kNone);
    log = *audit::Log::open(vfs, "/log", "test/log", seed);
    keeper->resume_log(*log);
    keeper->tick();
  }
  // So long that nobody waits any more.
  void wait() {
    ticks(Office::kActWaitsMs);
    keeper->end_round();
  }
  template <class Reply>
  void expect_refused(const std::shared_ptr<Answer<Reply>>& answer, Errc code) {
    EXPECT_TRUE(answer->came);
    ASSERT_FALSE(answer->value);
    EXPECT_EQ(answer->value.error().code, code) << answer->value.error().message;
  }
  // Whose each entry says that the call is, in their order.
  std::vector<std::string> said(const CallId& call) {
    std::vector<std::string> people;
    for (const auto& entry : entries())
      if (entry.type == "call_at" && entry.subject == call.hex())
        people.emplace_back(entry.data.at("person").as_string());
    return people;
  }
  void expect_rules_hold() {
    for (const auto& found : judge(entries()).findings)
      ADD_FAILURE() << found.rule->name << " at " << found.index << ": " << found.what;
  }
  Someone bob;
  const std::string number = call_data("+16502530000");
};

TEST_F(LiveCalls, TheLogHasAtWhoseTelephoneACallIs) {
  const auto call = begin(number);
  EXPECT_TRUE(said(call).empty()) << "nobody has said it";
  EXPECT_TRUE(at_telephone(call, "311"));
  EXPECT_TRUE(at_telephone(call, "3 11"));
  EXPECT_EQ(said(call), std::vector{ada.id.hex()}) << "said twice, and no change";
  EXPECT_TRUE(at_telephone(call, "bob"));
  EXPECT_TRUE(at_telephone(call, "999"));
  EXPECT_TRUE(at_telephone(call, ""));
  EXPECT_TRUE(at_telephone(call, "311"));
  EXPECT_EQ(said(call), (std::vector<std::string>{ada.id.hex(), bob.id.hex(), "", ada.id.hex()}));
  EXPECT_EQ(at_telephone(call, std::string(65, '3')).error().code, Errc::kMalformed);
  EXPECT_EQ(at_telephone(CallId::random(entropy), "311").error().code, Errc::kNotFound);
  EXPECT_TRUE(end(call));
  EXPECT_EQ(at_telephone(call, "bob").error().code, Errc::kState);
  const auto file = begin(number, keys::CallSource::kImport);
  EXPECT_EQ(at_telephone(file, "311").error().code, Errc::kState) << "a file is at nobody's";
  expect_rules_hold();
}

TEST_F(LiveCalls, WhoeverElseIsNamedGetsNothingOfIt) {
  const auto call = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  const auto found = look(call, bob);
  const auto typed_in = type(call, bob.id.hex());
  const auto pressed = press(call, bob);
  EXPECT_FALSE(found->came || typed_in->came || pressed->came) << "it may just be passed on";
  wait();
  expect_refused(found, Errc::kDenied);
  expect_refused(typed_in, Errc::kDenied);
  expect_refused(pressed, Errc::kDenied);
  expect_refused(type(call, "customer"), Errc::kDenied);
  const auto strange = type(CallId::random(entropy), ada.id.hex());
  wait();
  expect_refused(strange, Errc::kUnavailable);
  EXPECT_EQ(log_types()["looked_up"], 0);
  EXPECT_EQ(log_types()["private_on"], 0);
  EXPECT_TRUE(look(call, ada)->value);
  EXPECT_TRUE(type(call, ada.id.hex())->value);
  EXPECT_TRUE(press(call, ada)->value);
  expect_rules_hold();
}

TEST_F(LiveCalls, WhatIsAskedTooSoonWaits) {
  const auto call = begin(number);
  const auto found = look(call, ada);
  const auto typed_in = type(call, ada.id.hex());
  const auto pressed = press(call, ada);
  EXPECT_FALSE(found->came || typed_in->came || pressed->came);
  EXPECT_FALSE(keeper->quiet()) << "a planned restart would leave them without an answer";
  EXPECT_TRUE(at_telephone(call, "311"));
  EXPECT_TRUE(found->value && typed_in->value && pressed->value);
  EXPECT_TRUE(keeper->quiet());
  // Of a transfer the server hears as soon as the keeper.
  const auto passed_on = look(call, bob);
  EXPECT_FALSE(passed_on->came);
  EXPECT_TRUE(at_telephone(call, "bob"));
  EXPECT_TRUE(passed_on->value);
  // For so long.
  const auto late = look(begin(number), ada);
  wait();
  expect_refused(late, Errc::kUnavailable);
  expect_rules_hold();
}

// Who asks for what is refused anyway takes nobody else's place.
TEST_F(LiveCalls, OnesOwnActsAloneAreTooMany) {
  const auto call = begin(number);
  std::vector<std::shared_ptr<Answer<keys::PrivateState>>> many;
  for (std::size_t i = 0; i <= Office::kActsWaitingInCallMax; ++i) many.push_back(press(call, bob));
  EXPECT_FALSE(many[Office::kActsWaitingInCallMax - 1]->came);
  expect_refused(many.back(), Errc::kUnavailable);
  const auto typed_in = type(call, bob.id.hex());
  EXPECT_FALSE(typed_in->came) << "what is typed takes other places than privacy";
  many.clear();
  for (std::size_t i = 0; i <= Office::kActsWaitingByMax; ++i)
    many.push_back(press(begin(number), bob));
  expect_refused(many.back(), Errc::kUnavailable);
  const auto pressed = press(call, ada);
  EXPECT_FALSE(pressed->came);
  EXPECT_TRUE(at_telephone(call, "311"));
  EXPECT_TRUE(pressed->value);
}

TEST_F(LiveCalls, PrivacyHasPlacesThatNothingElseTakes) {
  std::vector<Someone> many;
  const auto places = Office::kActsWaitingMax - Office::kPressesWaitingMin;
  for (std::size_t i = 0; i * Office::kActsWaitingByMax < places; ++i)
    many.push_back(colleague(static_cast<std::uint8_t>(30 + i), "many" + std::to_string(i)));
  for (std::size_t i = 0; i < places; ++i) {
    const auto waits = type(CallId::random(entropy), many[i / Office::kActsWaitingByMax].id.hex());
    ASSERT_FALSE(waits->came) << i;
  }
  const auto call = begin(number);
  expect_refused(type(call, ada.id.hex()), Errc::kUnavailable);
  expect_refused(look(call, ada), Errc::kUnavailable);
  const auto pressed = press(call, ada);
  EXPECT_FALSE(pressed->came);
  EXPECT_TRUE(at_telephone(call, "311"));
  EXPECT_TRUE(pressed->value);
  wait();
  expect_rules_hold();
}

// "Nobody's" is a person of zeros in memory, which is no person to act as.
TEST_F(LiveCalls, InACallAtNobodysTelephoneNobodyActs) {
  const auto call = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  ASSERT_TRUE(at_telephone(call, ""));
  const auto pressed = press(call, PersonId{});
  const auto typed_in = type(call, PersonId{}.hex());
  wait();
  expect_refused(pressed, Errc::kDenied);
  expect_refused(typed_in, Errc::kDenied);
  EXPECT_FALSE(is_private(call));
  expect_rules_hold();
}

// Whoever has a telephone is not whoever takes calls.
TEST_F(LiveCalls, WhoHasNoRoleForCallsActsInNone) {
  const auto call = begin(number);
  ASSERT_TRUE(at_telephone(call, "201"));
  EXPECT_EQ(said(call), std::vector{eve.id.hex()});
  expect_refused(press(call, eve), Errc::kDenied);
  expect_refused(look(call, eve), Errc::kDenied);
  EXPECT_FALSE(is_private(call));
  // A role that goes while an act waits.
  const auto other = begin(number);
  const auto pressed = press(other, bob);
  EXPECT_FALSE(pressed->came);
  ASSERT_TRUE(change_roles(bob, people::bit(people::Role::kAuditor), {olga}, "bob"));
  EXPECT_TRUE(at_telephone(other, "bob"));
  wait();
  expect_refused(pressed, Errc::kDenied);
  expect_rules_hold();
}

TEST_F(LiveCalls, WhoPassedItOnMayStillStoreWhatWasSaidToThem) {
  const auto call = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  ASSERT_TRUE(press(call, ada)->value);
  ASSERT_TRUE(at_telephone(call, "bob"));
  typed.clear();
  EXPECT_TRUE(type(call, ada.id.hex())->value);
  EXPECT_EQ(typed.size(), 1u) << "a secret is looked for where it was said";
  const auto found = look(call, ada);
  EXPECT_TRUE(press(call, ada, false)->value) << "who made it private ends it";
  clock.advance_ms(90'000);
  const auto pressed = press(call, ada);
  wait();
  expect_refused(found, Errc::kDenied);
  expect_refused(pressed, Errc::kDenied);
  EXPECT_TRUE(look(call, bob)->value);
  EXPECT_TRUE(press(call, bob)->value);
  expect_rules_hold();
}

// What nobody may read is looked for where it was said: a service word as a password. What opens or
// is found again is not: a name stands in half the sentences of a call.
TEST_F(LiveCalls, AServiceWordIsLookedForWhereItWasSaidAsASecretIs) {
  const auto call = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  typed.clear();
  auto message = intake({{"name", "Dora Muster"},
                         {"phone", "650 253 0001"},
                         {"email", "dora@example.com"},
                         {"service_word", "Grey  Gull"},
                         {"password", "moonlight43"}});
  message.call = call;
  const auto answer = post(&Office::store_fields, message);
  round();
  ASSERT_TRUE(answer->value) << answer->value.error().message;
  using Typed = std::pair<std::string, std::string>;
  EXPECT_EQ(std::vector<Typed>(typed.begin(), typed.end()),
            (std::vector<Typed>{{"service_word", "Grey  Gull"}, {"password", "moonlight43"}}));
  // In no call there is nothing to look through.
  typed.clear();
  ASSERT_TRUE(store_values({{"service_word", "Black Swan"}}, answer->value->customer, 1));
  EXPECT_EQ(typed.size(), 0u);
}

// Of every kind that a policy can call a secret: the keeper takes the search by its kind.
TEST(TypedKinds, HasEachThatAFieldCanBe) {
  for (std::uint8_t n = 1; n <= static_cast<std::uint8_t>(vault::FieldKind::kServiceWord); ++n)
    EXPECT_NE(std::ranges::find(keys::kTypedKinds,
                                std::string_view(vault::to_text(static_cast<vault::FieldKind>(n)))),
              keys::kTypedKinds.end())
        << vault::to_text(static_cast<vault::FieldKind>(n));
}

TEST_F(LiveCalls, WhatWasTypedIsTakenShortlyAfterItsEnd) {
  const auto call = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  ASSERT_TRUE(end(call));
  EXPECT_TRUE(type(call, ada.id.hex())->value);
  const auto others = type(call, bob.id.hex());
  wait();
  expect_refused(others, Errc::kDenied);
  ticks(Office::kAfterCallMs);
  const auto late = type(call, ada.id.hex());
  wait();
  expect_refused(late, Errc::kUnavailable);
}

TEST_F(LiveCalls, AChartThatChangesMeanwhileCounts) {
  const auto call = begin(number), other = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  ASSERT_TRUE(at_telephone(other, "77"));
  ASSERT_TRUE(change_roles(ada, people::bit(people::Role::kAgent), {olga}, "77"));
  EXPECT_EQ(said(call), (std::vector<std::string>{ada.id.hex(), ""}));
  EXPECT_EQ(said(other), (std::vector<std::string>{"", ada.id.hex()}));
  ASSERT_TRUE(change_roles(bob, people::bit(people::Role::kAgent), {olga}, "311"));
  EXPECT_EQ(said(call).back(), bob.id.hex());
  EXPECT_TRUE(look(call, bob)->value);
  expect_rules_hold();
}

TEST_F(LiveCalls, AKeeperThatIsStartedAnewIsToldAgain) {
  const auto call = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  boot();
  const auto typed_in = type(call, ada.id.hex());
  const auto pressed = press(call, ada);
  EXPECT_FALSE(typed_in->came || pressed->came);
  EXPECT_TRUE(at_telephone(call, "311"));
  EXPECT_TRUE(typed_in->value);
  EXPECT_TRUE(pressed->value);
  EXPECT_EQ(said(call).size(), 2u);
  expect_rules_hold();
}

TEST_F(LiveCalls, ItsOwnDataTellsItUntilItIsSaid) {
  const auto call = begin(call_data("+16502530000", "311"));
  EXPECT_EQ(said(call), std::vector{ada.id.hex()});
  EXPECT_TRUE(look(call, ada)->value);
  const auto guessed = begin(call_data("+16502530000", "+16502539999"));
  EXPECT_TRUE(said(guessed).empty()) << "whom nobody knows is no agent";
  EXPECT_TRUE(at_telephone(call, ""));
  Answer<keys::SealedRecord> sealed;
  keeper->call_data_put({call, to_bytes(as_bytes(call_data("", "bob")))}, sealed.reply());
  keeper->end_round();
  EXPECT_EQ(said(call), (std::vector<std::string>{ada.id.hex(), ""})) << "who knows has said it";
  expect_rules_hold();
}

// The server seals notes in a call: they are none of what the call says of itself.
TEST_F(LiveCalls, ANoteInACallIsNotItsData) {
  (void)carla();  // has the number that the note names
  const auto call = begin(call_data("+16502539999"));
  const auto nobody_yet = begin(call_data(""));
  ASSERT_TRUE(at_telephone(call, "311"));
  for (const auto& one : {call, nobody_yet}) {
    Answer<keys::SealedRecord> sealed;
    keeper->note_put({one, to_bytes(as_bytes(call_data("+16502530000", "bob")))}, sealed.reply());
    keeper->end_round();
    EXPECT_TRUE(sealed.value);
  }
  EXPECT_EQ(look(call, ada)->value->customers.size(), 0u);
  EXPECT_TRUE(said(nobody_yet).empty());
}

// What the log does not have is nobody's.
TEST_F(LiveCalls, NothingIsDoneByWhatTheLogDidNotTake) {
  const auto call = begin(number);
  vfs.plan(0, sim::Fault::kNoSpace);
  EXPECT_FALSE(at_telephone(call, "311"));
  const auto typed_in = type(call, ada.id.hex());
  const auto pressed = press(call, ada);
  wait();
  EXPECT_TRUE(typed_in->came && pressed->came);
  EXPECT_FALSE(typed_in->value || pressed->value);
  boot();
  ASSERT_TRUE(at_telephone(call, "311"));
  EXPECT_TRUE(press(call, ada)->value);
}

// Privacy closes keys and opens none: it follows the recorder's word where the log cannot.
TEST_F(LiveCalls, WhileTheLogIsAwayPrivacyFollowsTheRecorder) {
  const auto call = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  log_goes();
  EXPECT_FALSE(at_telephone(call, "bob"));
  ASSERT_TRUE(log->failed());
  const auto adas = press(call, ada);
  wait();
  expect_refused(adas, Errc::kDenied);
  EXPECT_FALSE(is_private(call));
  expect_refused(press(call, PersonId{}), Errc::kDenied);
  expect_refused(press(call, bob), Errc::kUnavailable);  // closed, and not logged
  EXPECT_TRUE(is_private(call));
  expect_refused(look(call, bob), Errc::kUnavailable);
  expect_refused(type(call, bob.id.hex()), Errc::kUnavailable);
  // One that begins meanwhile, and is long over before the log is back.
  const auto fresh = begin(number);
  const auto soon = press(fresh, ada);
  EXPECT_FALSE(soon->came) << "nobody has said it";
  EXPECT_FALSE(at_telephone(fresh, "311"));
  wait();
  EXPECT_TRUE(soon->came);
  EXPECT_TRUE(is_private(fresh));
  (void)end(fresh);
  ticks(2 * Office::kAfterCallMs);
  EXPECT_FALSE(keeper->quiet()) << "a keeper that took over would not know whose it was";
  log_comes_back();
  EXPECT_EQ(said(call), (std::vector{ada.id.hex(), bob.id.hex()}));
  EXPECT_EQ(said(fresh), std::vector{ada.id.hex()});
  EXPECT_EQ(log_types()["private_on"], 2);
  expect_rules_hold();
  EXPECT_TRUE(keeper->quiet());
  EXPECT_TRUE(look(call, bob)->value);
}

// What the recorder said while the log was away stands in it when it is back, though nobody
// pressed; and by a guess nobody is private.
TEST_F(LiveCalls, WhatWasSaidMeanwhileIsLogged) {
  const auto call = begin(number), other = begin(number);
  ASSERT_TRUE(at_telephone(call, "311"));
  log_goes();
  EXPECT_FALSE(at_telephone(call, "bob"));
  EXPECT_FALSE(at_telephone(other, ""));
  const auto guessed = begin(call_data("+16502530000", "311"));
  const auto pressed = press(guessed, ada);
  const auto nobodys = press(other, ada);
  wait();
  expect_refused(pressed, Errc::kUnavailable);
  expect_refused(nobodys, Errc::kDenied);
  EXPECT_FALSE(is_private(guessed) || is_private(other));
  log_comes_back();
  EXPECT_EQ(said(call), (std::vector{ada.id.hex(), bob.id.hex()}));
  EXPECT_EQ(said(other), std::vector{std::string()});
  const auto adas = press(call, ada);
  wait();
  expect_refused(adas, Errc::kDenied);
  EXPECT_TRUE(press(call, bob)->value);
  expect_rules_hold();
}

// ---- the log alone ------------------------------------------------------------------------------

class CallRules : public LiveCalls {
 protected:
  using Log = std::vector<audit::Entry>;
  CallRules() {
    call = begin(number);
    EXPECT_TRUE(at_telephone(begin(number), "bob"));
    EXPECT_TRUE(at_telephone(call, "311"));
    EXPECT_TRUE(look(call, ada)->value);
    EXPECT_TRUE(type(call, ada.id.hex())->value);
    EXPECT_TRUE(press(call, ada)->value);
    good = entries();
  }
  template <class Change>
  Log with(const std::string& type_of_it, const Change& change) {
    auto bad = good;
    for (auto& entry : bad)
      if (entry.type == type_of_it &&
          (entry.subject == call.hex() || type_of_it == "fields_stored"))
        change(entry);
    return bad;
  }
  static int breaches(const Log& log_entries, const std::string& rule) {
    int count = 0;
    for (const auto& found : judge(log_entries).findings)
      count += found.rule->name == rule && found.rule->weight == audit::RuleWeight::kBreach;
    return count;
  }
  static constexpr const char* kBy = "in-call-by-whose-it-is";
  static constexpr const char* kChart = "call-at-by-chart";
  CallId call;
  Log good;
};

TEST_F(CallRules, ActsInACallAreOfWhoseItIsOrWas) {
  expect_rules_hold();
  for (const char* type_of_it : {"looked_up", "fields_stored", "private_on"}) {
    EXPECT_EQ(breaches(with(type_of_it, [&](auto& entry) { entry.actor = bob.id.hex(); }), kBy), 1)
        << type_of_it;
    EXPECT_EQ(breaches(with(type_of_it, [](auto& entry) { entry.actor = "operator"; }), kBy), 1)
        << type_of_it;
  }
  // Left out, or said only later.
  auto without = good;
  std::erase_if(without, [&](const auto& entry) {
    return entry.type == "call_at" && entry.subject == call.hex();
  });
  EXPECT_EQ(breaches(without, kBy), 3);
  auto later = without;
  later.push_back(*std::ranges::find_if(good, [&](const auto& entry) {
    return entry.type == "call_at" && entry.subject == call.hex();
  }));
  EXPECT_EQ(breaches(later, kBy), 3);
  // Whose it was once may be late with what they typed.
  auto passed_on = good;
  auto next = *std::ranges::find(good, "call_at", &audit::Entry::type);
  next.subject = call.hex();
  next.data = {{"person", bob.id.hex()}};
  passed_on.push_back(next);
  auto stored = *std::ranges::find(good, "fields_stored", &audit::Entry::type);
  stored.data.at("fields") = boost::json::array{};
  passed_on.push_back(stored);
  EXPECT_EQ(breaches(passed_on, kBy), 0);
  // A log of before says of no call at whose telephone it is.
  auto old = good;
  std::erase_if(old, [](const auto& entry) { return entry.type == "call_at"; });
  EXPECT_EQ(breaches(old, kBy), 3) << "all of them left out, of a keeper that says them";
  for (auto& entry : old)
    if (entry.type == "keeper_started") entry.data.erase("rules");
  EXPECT_EQ(breaches(old, kBy), 0);
}

TEST_F(CallRules, ACallIsAtSomebodysOfTheChart) {
  const auto says = [&](const std::string& person) {
    return with("call_at", [&](auto& entry) { entry.data.at("person") = person; });
  };
  EXPECT_EQ(breaches(says(""), kChart), 0);
  EXPECT_EQ(breaches(says(max.id.hex()), kChart), 1) << "has no telephone";
  EXPECT_EQ(breaches(says(people::test::id_of(99).hex()), kChart), 1) << "nobody";
  EXPECT_EQ(breaches(says("somebody"), kChart), 1);
  EXPECT_EQ(breaches(with("call_at", [](auto& entry) { entry.subject = "x"; }), kChart), 1);
  // By the chart of then: whoever has left since was there, and is no more.
  now = office->now();
  ASSERT_TRUE(apply(change(people::ChangeKind::kLeft, ada.id), {olga}));
  ASSERT_TRUE(put_change(all.back()));
  EXPECT_EQ(said(call).back(), "") << "nobody's any more";
  expect_rules_hold();
  auto left = entries();
  auto again = *std::ranges::find_if(left, [&](const auto& entry) {
    return entry.type == "call_at" && entry.subject == call.hex();
  });
  again.at = left.back().at;
  left.push_back(again);
  EXPECT_EQ(breaches(left, kChart), 1);
}

}  // namespace
}  // namespace callward::attack
