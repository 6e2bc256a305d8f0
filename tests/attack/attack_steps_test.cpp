// A captured server, and people who want more than they may: steps that are not theirs, not now,
// not in this order, or were made already.
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

using people::Role;

class Steps : public ::testing::Test, public OfficeRig {
 protected:
  std::uint32_t leaf(const CustomerId& customer, const std::string& field) {
    return leaf_of.at({customer, field});
  }
  // Released to nobody: whoever's browser asks sees nothing of it.
  void expect_closed(const RequestId& id, const CustomerId& customer) {
    for (const auto& field : {"email", "phone", "password"})
      EXPECT_FALSE(view(id, tom, browser(tom), customer, field)) << field;
  }
};

TEST_F(Steps, NoApprovalIsNoneHoweverItIsSpelt) {
  const auto customer = carla();
  const auto id = verified(customer);
  expect_closed(id, customer);
  const Said said{.kind = "release", .fields = {leaf(customer, "email")}};
  // Signed by nobody, by who asked, by who verified, by who runs the machine, by the owner.
  const auto step = *draft(id, anna, said);
  EXPECT_FALSE(put_signed(step, {}, said));
  EXPECT_FALSE(put_signed(step, {anna.id, {}}, said));
  for (const auto* who : {&tom, &eve, &rita, &olga, &max}) {
    EXPECT_FALSE(act(id, *who, said));
    auto theirs = step;
    theirs.event.by = anna.id;
    EXPECT_FALSE(put(theirs, *who, said)) << "in Anna's name";
    EXPECT_FALSE(put_signed(theirs, {anna.id, sign(theirs, *who).said}, said));
  }
  auto nobody = step;
  nobody.event.by = {};
  EXPECT_FALSE(put_signed(nobody, {}, said)) << "as if the system did it";
  EXPECT_FALSE(put(nobody, anna, said));
  auto none = said;
  none.fields = {};
  EXPECT_FALSE(act(id, anna, none)) << "no field";
  EXPECT_EQ(state_word(id), "verified");
  expect_closed(id, customer);
  EXPECT_TRUE(put(*draft(id, anna, said), anna, said));
}

TEST_F(Steps, TheSystemsStepsAreNobodysToMake) {
  const auto customer = carla();
  const auto id = *request(tom, customer, {"email"});
  for (const char* kind : {"assign", "no_answer", "time", "revoke", "pass"}) {
    auto step = *draft(id, tom, {.kind = kind, .words = kVerdict});
    step.event.expert = emil.id;
    EXPECT_FALSE(put(step, tom, {.kind = kind, .words = kVerdict})) << kind;
    step.event.by = {};
    EXPECT_FALSE(put_signed(step, {}, {.kind = kind, .words = kVerdict})) << kind;
  }
  EXPECT_EQ(state_word(id), "requested");
}

TEST_F(Steps, ASecondAccountOfOnePersonHasNoPasskey) {
  now = office->now();
  const Someone twin{people::test::id_of(30), tom.device};
  ASSERT_TRUE(apply(person(twin.id, people::bit(Role::kAgent), olga.id), {olga}));
  ASSERT_TRUE(put_change(all.back()));
  auto invited = change(people::ChangeKind::kInvited, twin.id);
  invited.invite = crypto::sha256(Bytes(32, 30));
  ASSERT_TRUE(apply(invited, {olga}));
  ASSERT_TRUE(put_change(all.back()));
  auto enrolled = with_key(people::ChangeKind::kFirstKey, twin);
  enrolled.token = Bytes(32, 30);
  EXPECT_FALSE(put_change(signed_by(enrolled, {twin}))) << "Tom's own authenticator";
  // Nor does anybody become an authorised person by one signature, or by the same one twice.
  const auto given = person(max.id, people::bit(Role::kAuthorised), olga.id);
  EXPECT_FALSE(put_change(signed_by(given, {olga})));
  EXPECT_FALSE(put_change(signed_by(given, {olga, olga})));
  EXPECT_FALSE(put_change(signed_by(given, {olga, max}))) << "with who is given it";
  EXPECT_FALSE(put_change(signed_by(given, {max, olga})));
  EXPECT_FALSE(put_change(signed_by(given, {olga, tom})));
  EXPECT_TRUE(put_change(signed_by(given, {olga, rita})));
}

TEST_F(Steps, AGroupOfTheSameNameElsewhereIsNobody) {
  // Another company's chart: the same ids, other keys.
  Company others;
  const auto customer = carla();
  const auto id = verified(customer);
  const Said said{.kind = "release", .fields = {leaf(customer, "email")}};
  EXPECT_FALSE(put(*draft(id, anna, said), others.anna, said));
  for (const auto& change : others.all) EXPECT_FALSE(put_change(change));
  EXPECT_EQ(state_word(id), "verified");
}

TEST_F(Steps, WhoLosesTheRoleTakesTheReleaseAlong) {
  const auto customer = carla();
  const auto id = opened(customer);
  EXPECT_TRUE(view(id, tom, browser(tom), customer, "email"));
  ASSERT_TRUE(change_roles(anna, people::bit(Role::kAgent), {olga}));
  expect_closed(id, customer);
}

TEST_F(Steps, SoDoesTheExpertWhoVerifiedIt) {
  const auto customer = carla();
  const auto id = opened(customer);
  ASSERT_TRUE(change_roles(eve, people::bit(Role::kAgent), {olga}));
  expect_closed(id, customer);
}

TEST_F(Steps, WhoAskedAndIsGoneSeesNothing) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto key = browser(tom);
  const auto said = viewing(customer, "email", key);
  const auto step = *draft(id, tom, said);
  now = office->now();
  ASSERT_TRUE(apply(change(people::ChangeKind::kLeft, tom.id), {olga}));
  ASSERT_TRUE(put_change(all.back()));
  EXPECT_FALSE(put(step, tom, said));
}

TEST_F(Steps, WordsThatSayNothingAreNoReason) {
  const auto customer = carla();
  duty(eve);
  for (const char* concern :
       {"", ".", " ", "\n\n\n", "....................................",
        "aaaaaaaaaaaaaaaaaaaaaaaaaa", "why why why why why why why why", "needed",
        "asdf asdf asdf asdf asdf asdf asdf", "                                        x",
        "12345678901234567890 1234567890 1234567890"})
    EXPECT_FALSE(request(tom, customer, {"email"}, concern)) << concern;
  const auto id = *request(tom, customer, {"email"});
  keeper->tick();
  ASSERT_TRUE(ring(id, eve, customer));
  talk();
  ASSERT_TRUE(check(id, eve, customer, "service_word", "blue heron")->match);
  ASSERT_TRUE(check(id, eve, customer, "name", "carla muster")->match);
  hang_up();
  for (const char* verdict :
       {"", ".", "It is genuine indeed", "yes\nyes\nyes", "It is genuine so\n.\nIt was that person",
        "The request is genuine\nThe request is genuine"})
    EXPECT_FALSE(act(id, eve, {.kind = "pass", .words = verdict})) << verdict;
  // Words that were signed, and others that are handed in.
  const Said said{.kind = "pass", .words = kVerdict};
  auto step = *draft(id, eve, said);
  auto other = said;
  other.words = std::string(kVerdict) + " and more";
  EXPECT_FALSE(put(step, eve, other));
  step.words = {};
  EXPECT_FALSE(put(step, eve, said)) << "no words at all";
  ASSERT_TRUE(act(id, eve, said));
  for (const char* why : {"", ".", "no", "nonononono"})
    EXPECT_FALSE(act(id, anna, {.kind = "decline", .words = why})) << why;
}

TEST_F(Steps, NobodyWishesForMoreThanThePolicyLets) {
  const auto customer = carla();
  const auto most = policy().policy.limits.window_ms_max;
  const auto ask_for = [&](std::int64_t window_ms, const std::string& category) {
    return act({}, tom,
               {.kind = "ask",
                .fields = {leaf_of.at({customer, "email"})},
                .window_ms = window_ms,
                .words = kConcern,
                .category = category},
               customer, 1);
  };
  EXPECT_FALSE(ask_for(most + 1, "billing"));
  EXPECT_FALSE(ask_for(most, "whatever"));
  const auto asked = ask_for(most, "billing");
  ASSERT_TRUE(asked) << asked.error().message;
  boot();
  EXPECT_EQ(state_word(asked->request), "requested") << "read back from the log";
  EXPECT_FALSE(ask_for(0, "")) << "about nothing";
  for (const auto& found : judge(entries()).findings)
    EXPECT_NE(found.rule->weight, audit::RuleWeight::kBreach) << found.rule->name;
}

// A policy is changed while people are at work: what was done by the one before was done.
TEST_F(Steps, APolicyThatIsStricterByNowDropsNoRequestOfBefore) {
  const auto customer = carla();
  const auto seen = opened(customer), waits = verified(customer);
  ASSERT_TRUE(view(seen, tom, browser(tom), customer, "email"));
  ASSERT_TRUE(act(seen, tom, {.kind = "end"}));
  policy_text = std::string(kPolicy) + "[disclosure]\nchecks = 4\nnumber_days = 365\n";
  for (int restarts = 0; restarts < 3; ++restarts) {
    boot();
    EXPECT_EQ(state_word(seen), "closed") << restarts;
    EXPECT_EQ(state_word(waits), "verified") << restarts;
  }
  const auto released = release(waits, anna, customer, {"email"});
  ASSERT_TRUE(released) << released.error().message;
  ASSERT_TRUE(act(seen, max, {.kind = "review", .words = kWhy}));
  const auto third = request(tom, customer, {"email"});
  ASSERT_TRUE(third);
  policy_text = kPolicy;
  boot();
  EXPECT_EQ(state_word(waits), "open");
  EXPECT_EQ(state_word(seen), "over");
  EXPECT_NE(state_word(*third), "over");
  std::optional<std::uint64_t> newest;
  const auto all_of_it = entries();
  for (std::uint64_t index = 0; index < all_of_it.size(); ++index) {
    if (all_of_it[index].type != "policy_in_force") continue;
    EXPECT_EQ(all_of_it[index].prev_step, newest) << "each names the one before it";
    newest = index;
  }
  for (const auto& found : judge(entries()).findings)
    EXPECT_NE(found.rule->weight, audit::RuleWeight::kBreach) << found.rule->name << found.what;
}

// A keeper of before did not write down where the log states the policy.
TEST_F(Steps, NorDoesOneThatComesAfterAnUpgrade) {
  const auto customer = carla();
  const auto seen = opened(customer), waits = verified(customer);
  ASSERT_TRUE(act(seen, tom, {.kind = "end"}));
  ticks(61'000);
  stop();
  {
    auto old = *keys::KeyStore::open(vfs, entropy, paths, wrap);
    const auto size = old->log_size();
    auto head = *vault::Head::decode((*old->get(keys::kVaultHeadRow))->expose());
    EXPECT_NE(head.policy_entry, 0u);
    head.policy_entry = 0;
    old->stage_put(keys::kVaultHeadRow, head.encode());
    ASSERT_TRUE(old->commit(size));
  }
  policy_text = std::string(kPolicy) + "[disclosure]\nchecks = 4\nnumber_days = 365\n";
  for (int restarts = 0; restarts < 3; ++restarts) {
    boot();
    EXPECT_EQ(state_word(seen), "closed") << restarts;
    EXPECT_EQ(state_word(waits), "verified") << restarts;
  }
}

TEST_F(Steps, WhatIsOverStaysOver) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto key = browser(tom);
  ASSERT_TRUE(act(id, tom, {.kind = "end"}));
  EXPECT_FALSE(view(id, tom, key, customer, "email"));
  EXPECT_FALSE(release(id, abe, customer, {"email"}));
  EXPECT_FALSE(act(id, eve, {.kind = "pass", .words = kVerdict}));
  EXPECT_FALSE(act(id, eve, {.kind = "ring", .record = record(customer, "phone")}));
  boot();
  EXPECT_FALSE(view(id, tom, browser(tom), customer, "email"));
  ASSERT_TRUE(act(id, max, {.kind = "review", .words = kWhy}));
  for (const auto& kind : {"view", "release", "review", "break", "withdraw", "end"})
    EXPECT_FALSE(act(id, tom, {.kind = kind, .fields = {leaf(customer, "email")}})) << kind;
}

TEST_F(Steps, AWithdrawnRequestIsNotAskedAgainByReplay) {
  const auto customer = carla();
  Said said{.kind = "ask", .fields = {leaf(customer, "email")}, .words = kConcern};
  const auto asking = *draft({}, tom, said, customer, 1);
  const auto signature = sign(asking, tom);
  ASSERT_TRUE(put_signed(asking, signature, said));
  EXPECT_FALSE(put_signed(asking, signature, said)) << "while it runs";
  ASSERT_TRUE(act(asking.request, tom, {.kind = "withdraw"}));
  EXPECT_FALSE(put_signed(asking, signature, said)) << "the server wants it again";
  boot();
  EXPECT_FALSE(put_signed(asking, signature, said)) << "of another keeper";
}

TEST_F(Steps, ARequestsIdIsTheKeepersToGive) {
  const auto customer = carla();
  const auto old = verified(customer);
  ASSERT_TRUE(act(old, anna, {.kind = "decline", .words = kWhy}));
  ASSERT_EQ(state_word(old), "over");
  // Under the old number what was said about that request would be this one's.
  Said said{.kind = "ask", .fields = {leaf(customer, "email")}, .words = kConcern};
  auto asking = *draft({}, emil, said, customer, 1);
  asking.request = old;
  EXPECT_FALSE(put(asking, emil, said));
}

TEST_F(Steps, AStepFitsOnePlaceOfOneRequest) {
  const auto customer = carla();
  const auto first = verified(customer);
  const auto second = verified(customer);
  const Said said{.kind = "release", .fields = {leaf(customer, "email")}};
  const auto step = *draft(first, anna, said);
  const auto signature = sign(step, anna);
  auto moved = step;
  moved.request = second;
  EXPECT_FALSE(put_signed(moved, signature, said));
  moved.before = draft(second, anna, said)->before;
  EXPECT_FALSE(put_signed(moved, signature, said));
  EXPECT_EQ(state_word(second), "verified");
  ASSERT_TRUE(put_signed(step, signature, said));
  EXPECT_FALSE(put_signed(step, signature, said)) << "twice";
  // A view, handed in again.
  const auto key = browser(tom);
  const auto viewed = viewing(customer, "email", key);
  const auto view_step = *draft(first, tom, viewed);
  const auto view_signature = sign(view_step, tom);
  ASSERT_TRUE(put_signed(view_step, view_signature, viewed));
  EXPECT_FALSE(put_signed(view_step, view_signature, viewed));
  EXPECT_EQ(state(first).at("views").as_int64(), 1);
}

TEST_F(Steps, StepsComeInTheirOrder) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"email", "phone"});
  keeper->tick();
  EXPECT_FALSE(release(id, anna, customer, {"email"}));
  EXPECT_FALSE(act(id, eve, {.kind = "pass", .words = kVerdict}));
  EXPECT_FALSE(check(id, eve, customer, "service_word", "blue heron"));
  expect_closed(id, customer);
  // Drafted in the right order, handed in the other way round.
  const Said ring_it{.kind = "ring", .record = record(customer, "phone")};
  const auto ring_step = *draft(id, eve, ring_it);
  auto pass_step = *draft(id, eve, {.kind = "pass", .words = kVerdict});
  pass_step.number += 1;
  pass_step.before = *disclose::hash_of(ring_step);
  EXPECT_FALSE(put(pass_step, eve, {.kind = "pass", .words = kVerdict}));
  ASSERT_TRUE(put(ring_step, eve, ring_it));
  EXPECT_FALSE(put(pass_step, eve, {.kind = "pass", .words = kVerdict}))
      << "no call-back, no check";
}

TEST_F(Steps, WhatWasReleasedIsNotWidened) {
  const auto customer = carla();
  const auto id = verified(customer);
  const Said said{.kind = "release", .fields = {leaf(customer, "email")}, .window_ms = 60'000};
  const auto step = *draft(id, anna, said);
  const auto signature = sign(step, anna);
  auto wider = step;
  wider.event.fields = {leaf(customer, "phone"), leaf(customer, "email")};
  std::ranges::sort(wider.event.fields);
  EXPECT_FALSE(put_signed(wider, signature, said));
  auto longer = step;
  longer.event.window_ms = 600'000;
  EXPECT_FALSE(put_signed(longer, signature, said));
  auto beyond = said;
  beyond.window_ms = 61 * 60'000;
  EXPECT_FALSE(act(id, anna, beyond)) << "beyond what the policy lets";
  beyond = said;
  beyond.fields = {leaf(customer, "password")};
  EXPECT_FALSE(act(id, anna, beyond)) << "not asked for";
  ASSERT_TRUE(put_signed(step, signature, said));
  const auto key = browser(tom);
  EXPECT_FALSE(view(id, tom, key, customer, "phone"));
  EXPECT_FALSE(release(id, abe, customer, {"email", "phone"})) << "a second one widens it";
  auto both = viewing(customer, "email", key);
  both.fields.push_back(leaf(customer, "phone"));
  EXPECT_FALSE(act(id, tom, both));
  // The record of another field under the number of the one that is released.
  auto swapped = viewing(customer, "email", key);
  swapped.record.record = record(customer, "phone").record;
  EXPECT_FALSE(act(id, tom, swapped));
  swapped.record = record(customer, "phone");
  EXPECT_FALSE(act(id, tom, swapped));
  ticks(60'000);
  EXPECT_FALSE(view(id, tom, key, customer, "email")) << "the minute that was given is over";
}

TEST_F(Steps, TwoGrantsOfOneCustomerAreTwo) {
  const auto customer = carla();
  const auto mail = opened(customer, {"email"});
  const auto phone = opened(customer, {"phone"});
  const auto key = browser(tom);
  EXPECT_FALSE(view(mail, tom, key, customer, "phone"));
  EXPECT_FALSE(view(phone, tom, key, customer, "email"));
  // A view of the one, signed, handed in for the other.
  const auto said = viewing(customer, "phone", key);
  auto step = *draft(phone, tom, said);
  const auto signature = sign(step, tom);
  step.request = mail;
  EXPECT_FALSE(put_signed(step, signature, said));
  // Another customer's field of the same number.
  const auto other = carla();
  auto theirs = viewing(other, "email", key);
  EXPECT_FALSE(act(mail, tom, theirs)) << "Carla's grant, another customer's record";
  EXPECT_EQ(*view(mail, tom, key, customer, "email"), "Carla@Example.com");
}

TEST_F(Steps, NobodyActsTwiceOnOneRequest) {
  // Abe verifies and releases elsewhere; here he rang.
  ASSERT_TRUE(change_roles(
      abe, static_cast<people::Roles>(people::bit(Role::kAuthorised) | people::bit(Role::kExpert)),
      {olga, max}, "203"));
  const auto customer = carla();
  duty(abe);
  const auto id = *request(tom, customer, {"email"});
  keeper->tick();
  ASSERT_EQ(state(id).at("expert").as_string(), abe.id.hex());
  ASSERT_TRUE(ring(id, abe, customer));
  office->dial_over(dials.back().dial, {.cause = "no_answer_customer"});
  round();
  duty(eve);
  duty(abe, false);
  ASSERT_EQ(state(id).at("expert").as_string(), eve.id.hex());
  ASSERT_TRUE(ring(id, eve, customer));
  talk();
  ASSERT_TRUE(check(id, eve, customer, "service_word", "blue heron")->match);
  ASSERT_TRUE(check(id, eve, customer, "name", "carla muster")->match);
  hang_up();
  ASSERT_TRUE(act(id, eve, {.kind = "pass", .words = kVerdict}));
  EXPECT_FALSE(release(id, abe, customer, {"email"})) << "who rang the customer before";
  judges(id, anna);
  EXPECT_TRUE(release(id, anna, customer, {"email"}));
}

TEST_F(Steps, WhoRevokedItDoesNotReviewIt) {
  const auto customer = carla();
  const auto id = opened(customer);
  ASSERT_TRUE(act(id, max, {.kind = "revoke", .words = kWhy}));
  EXPECT_FALSE(view(id, tom, browser(tom), customer, "email"));
  EXPECT_FALSE(act(id, max, {.kind = "review", .words = kWhy}));
  EXPECT_FALSE(act(id, tom, {.kind = "review", .words = kWhy}));
  EXPECT_FALSE(act(id, anna, {.kind = "review", .words = kWhy}));
  EXPECT_TRUE(act(id, olga, {.kind = "review", .words = kWhy}));
}

TEST_F(Steps, AnExpertIsNobodysSubordinateHere) {
  const auto customer = carla();
  now = office->now();
  auto moved = person(eve.id, people::bit(Role::kExpert), max.id);
  moved.extension = "201";
  ASSERT_TRUE(apply(moved, {olga}));
  ASSERT_TRUE(put_change(all.back()));
  duty(eve);
  const auto id = *request(max, customer, {"email"});
  keeper->tick();
  EXPECT_EQ(state_word(id), "requested") << "Eve answers to Max";
  duty(emil);
  keeper->tick();
  EXPECT_EQ(state(id).at("expert").as_string(), emil.id.hex());
  // An expert asks: another one verifies.
  const auto own = *request(emil, customer, {"email"});
  keeper->tick();
  EXPECT_EQ(state(own).at("expert").as_string(), eve.id.hex());
}

// A requester who types in data, too, fills the customer behind the release: what has to be said to
// stop and to judge what runs has its room all the same.
TEST_F(Steps, AFullCustomerIsRevokedAllTheSame) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto broken = *request(tom, customer, {"email"});
  ASSERT_TRUE(
      ask(&Office::hold_customer, keys::HoldCustomer{customer, true, max.id.hex(), kReason}));
  auto stored = store_values({{"query", "again"}}, customer, 1);
  for (int i = 0; stored; ++i)
    stored = store_values(
        {{"query", "again " + std::to_string(i)}, {"name", "Carla"}, {"phone", "+16502531111"}},
        customer, 1);
  ASSERT_EQ(stored.error().code, Errc::kFull);
  const auto versions = [&] {
    return ask(&Office::customer_state, keys::CustomerStateRequest{customer})->fields.size();
  };
  EXPECT_GE(versions() + vault::Customer::kWordsKept + 3, vault::Customer::kVersionsMax);
  // Nor by asking, and taking it back, nor by saying something with what needs no words.
  const auto said_with = [&](const std::string& kind) {
    const Said said{.kind = kind, .words = kWhy};
    return act(broken, tom, said).error().code;
  };
  EXPECT_EQ(said_with("withdraw"), Errc::kMalformed);
  for (;;) {
    const auto one = request(tom, customer, {"email"});
    if (!one) {
      EXPECT_EQ(one.error().code, Errc::kFull) << one.error().message;
      break;
    }
    ASSERT_TRUE(act(*one, tom, {.kind = "withdraw"}));
  }
  EXPECT_LE(versions(), vault::Customer::kVersionsMax);
  const Said said{.kind = "break", .fields = {leaf_of.at({customer, "email"})}, .words = kWhy};
  EXPECT_TRUE(act(broken, anna, said));
  EXPECT_TRUE(act(broken, abe, said));
  for (const auto& one : {id, broken}) {
    const auto revoked = act(one, anna, {.kind = "revoke", .words = kWhy});
    ASSERT_TRUE(revoked) << revoked.error().message;
    EXPECT_EQ(state_word(one), "revoked");
    EXPECT_TRUE(act(one, max, {.kind = "review", .words = kWhy}));
  }
}

// So many of one customer's are open at once as have room for what is said about each.
TEST_F(Steps, SoManyOfOneCustomerAsHaveRoom) {
  const auto customer = carla();
  const std::vector<const Someone*> all_who_ask = {&tom, &max, &eve, &emil, &anna, &abe, &olga};
  std::size_t open = 0;
  std::optional<Errc> refused;
  for (const auto* who : all_who_ask)
    for (std::size_t i = 0; i < Office::kRequestsPerPersonMax; ++i) {
      const auto one = request(*who, customer, {"email"});
      open += one ? 1 : 0;
      if (!one) refused = one.error().code;
    }
  EXPECT_EQ(open, Office::kRequestsPerCustomerMax);
  EXPECT_EQ(refused, Errc::kFull);
}

TEST_F(Steps, GlassIsNotBrokenAlone) {
  const auto customer = carla();
  const auto id = *request(tom, customer, {"phone"});
  const Said said{.kind = "break", .fields = {leaf(customer, "phone")}, .words = kWhy};
  EXPECT_FALSE(act(id, tom, said));
  EXPECT_FALSE(act(id, olga, said));
  ASSERT_TRUE(act(id, anna, said));
  expect_closed(id, customer);
  EXPECT_FALSE(act(id, anna, said));
  const auto step = *draft(id, abe, said);
  EXPECT_FALSE(put_signed(step, {abe.id, sign(step, anna).said}, said));
  auto more = said;
  more.fields.push_back(leaf(customer, "email"));
  EXPECT_FALSE(act(id, abe, more));
  boot();
  EXPECT_EQ(state_word(id), "half_broken");
  expect_closed(id, customer);
  // Who wanted it first and is no authorised person any more wants nothing.
  ASSERT_TRUE(change_roles(anna, people::bit(Role::kAgent), {olga}));
  EXPECT_FALSE(act(id, abe, said));
  // An authorised person who asks breaks nothing for themselves.
  const auto own = *request(abe, customer, {"phone"});
  EXPECT_FALSE(act(own, abe, said));
}

}  // namespace
}  // namespace callward::attack
