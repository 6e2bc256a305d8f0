#include "people/chart.hpp"

#include <gtest/gtest.h>

#include "audit/entry.hpp"
#include "people/chart_rig_test.hpp"
#include "people/invitation.hpp"

namespace callward::people {
namespace {

using enum ChangeKind;

using test::id_of;
using test::kParty;
using test::Someone;
constexpr Roles kOwner = bit(Role::kOwner), kExpert = bit(Role::kExpert),
                kAuthorised = bit(Role::kAuthorised), kAgent = bit(Role::kAgent),
                kAdministrator = bit(Role::kAdministrator), kReviewer = bit(Role::kReviewer),
                kTechnician = bit(Role::kTechnician);

class Charts : public ::testing::Test, public test::ChartRig {
 protected:
  // Takes nothing, and the chart stays as it was.
  Errc refused(const SignedChange& next) {
    const auto head = chart.head();
    const auto done = chart.apply(next);
    EXPECT_EQ(chart.head(), head);
    EXPECT_FALSE(done);
    return done ? Errc::kIo : done.error().code;
  }
  Errc refused(const Change& made, const std::vector<Someone>& people) {
    return refused(signed_by(made, people));
  }
};

TEST_F(Charts, IsFoundedOnceByAnOwnersOwnKey) {
  auto made = with_key(kFounded, olga);
  EXPECT_EQ(refused(made, {olga}), Errc::kState) << "no role";
  made.roles = kOwner | kExpert;
  EXPECT_EQ(refused(made, {olga}), Errc::kState) << "nobody begins as two";
  made.roles = kOwner;
  const Someone other{olga.id, fresh_device()};
  EXPECT_EQ(refused(made, {other}), Errc::kDenied);
  EXPECT_EQ(refused(made, {}), Errc::kDenied);
  ASSERT_TRUE(apply(made, {olga}));
  EXPECT_TRUE(chart.is(olga.id, Role::kOwner));
  const Someone second{id_of(2), fresh_device()};
  auto again = with_key(kFounded, second);
  again.roles = kOwner;
  EXPECT_EQ(refused(again, {second}), Errc::kState);
}

TEST_F(Charts, OnlyAnOwnerMakesPeopleAndOnlyTheInvitedEnrol) {
  found();
  const auto anna = join(2, kAgent);
  EXPECT_TRUE(chart.is(anna.id, Role::kAgent));
  EXPECT_EQ(refused(person(id_of(3), kAgent, olga.id), {anna}), Errc::kDenied);
  EXPECT_EQ(refused(person(anna.id, kAgent | kReviewer, olga.id), {anna}), Errc::kDenied);
  ASSERT_TRUE(apply(person(id_of(3), kAgent, olga.id), {olga}));
  const Someone ben{id_of(3), fresh_device()};
  auto uninvited = with_key(kFirstKey, ben);
  uninvited.token = Bytes(32, 3);
  EXPECT_EQ(refused(uninvited, {ben}), Errc::kDenied);
  auto invited = change(kInvited, ben.id);
  invited.invite = crypto::sha256(Bytes(32, 3));
  ASSERT_TRUE(apply(invited, {olga}));
  auto enrolled = with_key(kFirstKey, ben);
  enrolled.token = Bytes(32, 4);
  EXPECT_EQ(refused(enrolled, {ben}), Errc::kDenied) << "another token";
  enrolled.token = Bytes(32, 3);
  enrolled.at = now + Chart::kInvitationMsMax + 1;
  EXPECT_EQ(refused(enrolled, {ben}), Errc::kDenied) << "too late";
  enrolled.at = now;
  enrolled.key = anna.device ? key_of(*anna.device) : Passkey{};
  EXPECT_EQ(refused(enrolled, {{ben.id, anna.device}}), Errc::kMalformed) << "somebody's already";
  enrolled = with_key(kFirstKey, ben);
  enrolled.token = Bytes(32, 3);
  ASSERT_TRUE(apply(enrolled, {ben}));
  const Someone late{ben.id, fresh_device()};
  auto again = with_key(kFirstKey, late);
  again.token = Bytes(32, 3);
  EXPECT_EQ(refused(again, {late}), Errc::kDenied) << "a link works once";
}

TEST_F(Charts, SomeRolesTakeTwoPeopleAndOnesOwnKeyFirst) {
  found();
  const auto eve = join(2, kAgent), max = join(3, kAdministrator), anna = join(4, kAgent);
  EXPECT_EQ(refused(person(eve.id, kExpert, olga.id), {olga}), Errc::kDenied) << "one is not two";
  EXPECT_EQ(refused(person(eve.id, kExpert, olga.id), {olga, olga}), Errc::kDenied);
  EXPECT_EQ(refused(person(eve.id, kExpert, olga.id), {olga, eve}), Errc::kDenied) << "herself";
  EXPECT_EQ(refused(person(eve.id, kExpert, olga.id), {olga, anna}), Errc::kDenied) << "an agent";
  EXPECT_EQ(refused(person(eve.id, kExpert, olga.id), {max, olga}), Errc::kDenied) << "no owner";
  EXPECT_EQ(refused(person(eve.id, kExpert, olga.id), {olga, max, anna}), Errc::kDenied);
  ASSERT_TRUE(apply(person(eve.id, kExpert, olga.id), {olga, max}));
  EXPECT_TRUE(chart.is(eve.id, Role::kExpert));
  EXPECT_FALSE(chart.is(eve.id, Role::kAgent)) << "all of the roles, not what is added";
  EXPECT_EQ(refused(person(id_of(9), kExpert, olga.id), {olga, max}), Errc::kState) << "no key yet";
  EXPECT_EQ(refused(person(olga.id, kOwner | kAuthorised, {}), {olga, olga}), Errc::kDenied);
  ASSERT_TRUE(apply(person(olga.id, kOwner | kAuthorised, {}), {olga, eve}));
  // What is taken away takes one.
  ASSERT_TRUE(apply(person(eve.id, kAgent, olga.id), {olga}));
  EXPECT_EQ(refused(person(eve.id, kAgent | kTechnician, olga.id), {olga, max}), Errc::kMalformed)
      << "a signature that nobody asked for";
}

// Whoever invites has the link: a first passkey is one owner's word, so nobody gets one who vouches
// for others. The chart itself takes both, as logs of before have them.
TEST_F(Charts, ARoleThatMaySecondComesAfterThePasskey) {
  found();
  const auto max = join(2, kAdministrator), anna = join(3, kAgent), ben = join(4, kAgent);
  const auto gone = [this](const Someone& whose) {
    auto made = change(kKeyRemoved, whose.id);
    made.key.id = key_of(*whose.device).id;
    return made;
  };
  const auto invites = [this](const Someone& whose) {
    return chart.key_first(change(kInvited, whose.id)) &&
           chart.key_first(change(kFirstKey, whose.id));
  };
  for (const auto roles :
       {kReviewer, kAdministrator, bit(Role::kSupervisor), bit(Role::kAuditor)}) {
    const auto nobody = person(id_of(9), static_cast<Roles>(kAgent | roles), olga.id);
    EXPECT_EQ(chart.key_first(nobody).error().code, Errc::kState) << roles;
    EXPECT_TRUE(chart.key_first(person(anna.id, static_cast<Roles>(kAgent | roles), olga.id)));
  }
  EXPECT_TRUE(chart.key_first(person(id_of(9), 0, olga.id)));
  EXPECT_TRUE(chart.key_first(person(id_of(9), kAgent | kTechnician, olga.id)));
  // An agent whose passkey was taken away is invited anew; an administrator is not, with the role.
  ASSERT_TRUE(apply(gone(anna), {olga}));
  ASSERT_TRUE(apply(gone(max), {olga}));
  EXPECT_TRUE(invites(anna));
  EXPECT_FALSE(invites(max));
  EXPECT_FALSE(chart.key_first(person(max.id, kAdministrator, olga.id))) << "nor keeps it";
  ASSERT_TRUE(apply(person(max.id, 0, olga.id), {olga}));
  EXPECT_TRUE(invites(max));
  // Nor who may give another's passkey anew: after leaving and coming back neither.
  const auto cleo = join(5, kAgent);
  auto custodians = change(kCustodians, cleo.id);
  custodians.custodians = {ben.id, olga.id};
  ASSERT_TRUE(apply(custodians, {cleo}));
  ASSERT_TRUE(apply(gone(ben), {olga}));
  EXPECT_FALSE(invites(ben));
  ASSERT_TRUE(apply(change(kLeft, ben.id), {olga}));
  ASSERT_TRUE(apply(person(ben.id, kAgent, olga.id), {olga}));
  EXPECT_FALSE(invites(ben));
  // Two give it anew, of who has none as of who has lost it.
  const auto rita = join(6, kReviewer);
  const Someone renewed{ben.id, fresh_device()};
  EXPECT_EQ(refused(with_key(kKeyReplaced, renewed), {olga}), Errc::kDenied);
  ASSERT_TRUE(apply(with_key(kKeyReplaced, renewed), {olga, rita}));
  EXPECT_TRUE(chart.is(ben.id, Role::kAgent));
}

// Somebody waits for their passkey, and for a role, without one.
TEST_F(Charts, SomebodyIsHereWithoutARole) {
  found();
  const auto max = join(2, kAdministrator);
  const auto dan = join(3, 0);
  ASSERT_NE(chart.here(dan.id), nullptr);
  EXPECT_EQ(chart.here(dan.id)->keys.size(), 1u);
  EXPECT_FALSE(chart.may_be_second(person(id_of(4), kReviewer, olga.id), olga.id, dan.id));
  EXPECT_EQ(refused(person(olga.id, 0, max.id), {olga}), Errc::kState) << "the last owner";
  ASSERT_TRUE(apply(person(dan.id, kExpert, olga.id), {olga, max}));
  EXPECT_TRUE(chart.is(dan.id, Role::kExpert));
}

TEST_F(Charts, AHierarchyHasNoCircles) {
  found();
  const auto anna = join(2, kAgent), ben = join(3, kAgent, id_of(2)),
             cleo = join(4, kAgent, id_of(3));
  EXPECT_TRUE(chart.answers_to(cleo.id, olga.id));
  EXPECT_TRUE(chart.answers_to(cleo.id, anna.id));
  EXPECT_FALSE(chart.answers_to(anna.id, cleo.id));
  EXPECT_FALSE(chart.answers_to(anna.id, anna.id));
  EXPECT_EQ(chart.superiors_of(cleo.id), (std::vector{ben.id, anna.id, olga.id}));
  EXPECT_TRUE(chart.superiors_of(olga.id).empty());
  EXPECT_TRUE(chart.superiors_of(id_of(99)).empty());
  EXPECT_EQ(refused(person(anna.id, kAgent, cleo.id), {olga}), Errc::kMalformed);
  EXPECT_EQ(refused(person(anna.id, kAgent, anna.id), {olga}), Errc::kMalformed);
  EXPECT_EQ(refused(person(anna.id, kAgent, id_of(99)), {olga}), Errc::kMalformed);
  EXPECT_EQ(refused(person(anna.id, kAgent, {}), {olga}), Errc::kMalformed);
  EXPECT_EQ(refused(change(kLeft, anna.id), {olga}), Errc::kState) << "ben answers to her";
  ASSERT_TRUE(apply(person(ben.id, kAgent, olga.id), {olga}));
  ASSERT_TRUE(apply(change(kLeft, anna.id), {olga}));
  EXPECT_FALSE(chart.is(anna.id, Role::kAgent));
  EXPECT_FALSE(chart.check(anna.id, {}, anna.device->sign(kParty, {})));
  // Deep, and no deeper.
  PersonId superior = cleo.id;
  Errc last{};
  for (std::uint8_t n = 20; n < 40; ++n) {
    const auto done = apply(person(id_of(n), kAgent, superior), {olga});
    if (!done) last = done.error().code;
    if (!done) break;
    superior = id_of(n);
  }
  EXPECT_EQ(last, Errc::kMalformed);
  EXPECT_TRUE(chart.answers_to(superior, olga.id)) << "seen to the top";
}

TEST_F(Charts, ATelephoneIsOnePersonsInWhateverSpelling) {
  const auto with = [&](std::uint8_t n, const char* extension) {
    auto made = person(id_of(n), kAgent, olga.id);
    made.extension = extension;
    return apply(made, {olga});
  };
  found();
  ASSERT_TRUE(with(2, "Desk-7"));
  ASSERT_TRUE(with(3, "+49-30-123456"));
  for (const auto* taken : {"desk-7", "DESK-7", "4930123456", "004930123456"})
    EXPECT_EQ(with(4, taken).error().code, Errc::kMalformed) << taken;
  for (const auto* none : {"-", "+", "..", "7001 ", "70/01"})
    EXPECT_EQ(with(4, none).error().code, Errc::kMalformed) << none;
  ASSERT_TRUE(with(4, "desk7"));
  ASSERT_TRUE(with(2, "DESK-7")) << "one's own, spelt anew";
  EXPECT_EQ(*chart.by_extension("desk-7"), id_of(2));
  EXPECT_EQ(*chart.by_extension("+49 (30) 123456"), id_of(3));
  EXPECT_EQ(chart.by_extension("30123456"), nullptr);
  EXPECT_EQ(chart.by_extension(""), nullptr);
  // A telephone that was given up, or whose owner left, is the next one's.
  ASSERT_TRUE(with(2, "desk-8"));
  EXPECT_EQ(chart.by_extension("desk-7"), nullptr);
  ASSERT_TRUE(with(5, "desk-7"));
  EXPECT_EQ(*chart.by_extension("desk-7"), id_of(5));
  ASSERT_TRUE(apply(change(kLeft, id_of(3)), {olga}));
  EXPECT_EQ(chart.here(id_of(3)), nullptr);
  EXPECT_EQ(chart.by_extension("+4930123456"), nullptr);
  ASSERT_TRUE(with(6, "+4930123456"));
  EXPECT_EQ(*chart.by_extension("+4930123456"), id_of(6));
}

// An owner alone makes the first one who may be the second; from then on it takes that one.
TEST_F(Charts, AnOwnerMakesNoSecondForThemselves) {
  found();
  const auto max = join(2, kAdministrator);
  const auto puppet = join(3, kAgent);
  for (const auto roles :
       {kReviewer, kAdministrator, bit(Role::kSupervisor), bit(Role::kAuditor)}) {
    const auto given = person(puppet.id, static_cast<Roles>(kAgent | roles), olga.id);
    EXPECT_TRUE(chart.takes_two(given));
    EXPECT_TRUE(chart.may_be_second(given, olga.id, max.id));
    EXPECT_FALSE(chart.may_be_second(given, olga.id, puppet.id));
    EXPECT_EQ(refused(given, {olga, puppet}), Errc::kDenied);
  }
  // Nor by a role more of the owner's own; what opens nothing and seconds nothing takes one.
  EXPECT_TRUE(chart.takes_two(person(olga.id, kOwner | kReviewer, {})));
  EXPECT_FALSE(chart.takes_two(person(puppet.id, kAgent | kTechnician, olga.id)));
  // Of the only one who may be the second nobody else can be: it takes one.
  EXPECT_FALSE(chart.takes_two(person(max.id, kAdministrator | kReviewer, olga.id)));
  ASSERT_TRUE(apply(person(puppet.id, kReviewer, olga.id), {olga, max}));
  EXPECT_TRUE(chart.takes_two(person(max.id, kAdministrator | kReviewer, olga.id)));
  // Who keeps the role, or gives it back, has none given.
  EXPECT_FALSE(chart.takes_two(person(puppet.id, kReviewer | kAgent, olga.id)));
}

// Whoever relays an invitation has link, passkey and change in hand, and not what signs.
TEST_F(Charts, AnInvitationIsForOnePersonsPasskeyAndNotForWhoRelaysIt) {
  found();
  Someone anna{id_of(2), fresh_device()}, server{id_of(2), fresh_device()};
  ASSERT_TRUE(apply(person(anna.id, kAgent, olga.id), {olga}));
  Key32 secret;
  secret.expose_mut()[0] = 42;
  auto invited = change(kInvited, anna.id);
  invited.invite = invite_of(*crypto::ed25519_public(invitation_seed(secret)));
  ASSERT_TRUE(apply(invited, {olga}));
  const auto mine = with_key(kFirstKey, anna);
  const auto token = *answer_invitation(secret, anna.id, mine.key);
  const auto first_key = [&](const Someone& whose, Bytes said) {
    auto made = with_key(kFirstKey, whose);
    made.token = std::move(said);
    return made;
  };
  const auto link = invitation_link(secret);  // what the server has
  const Bytes as_secret(link.begin(), link.end());
  Key32 guess;
  std::ranges::copy(link, guess.expose_mut().begin());
  for (const auto& said :
       {token, as_secret, Bytes(token.begin(), token.begin() + 32), Bytes(), Bytes(96),
        *answer_invitation(guess, anna.id, with_key(kFirstKey, server).key)})
    EXPECT_EQ(refused(first_key(server, said), {server}), Errc::kDenied) << to_hex(said);
  auto changed = token;
  changed[95] ^= 1;
  EXPECT_EQ(refused(first_key(anna, changed), {anna}), Errc::kDenied);
  ASSERT_TRUE(apply(first_key(anna, token), {anna}));
  EXPECT_TRUE(chart.is(anna.id, Role::kAgent));
}

TEST_F(Charts, TheLastOwnerAndTheLastKeyStay) {
  found();
  const auto max = join(2, kAdministrator);
  EXPECT_EQ(refused(change(kLeft, olga.id), {olga}), Errc::kState);
  EXPECT_EQ(refused(person(olga.id, kAgent, max.id), {olga}), Errc::kState);
  auto removed = change(kKeyRemoved, olga.id);
  removed.key.id = key_of(*olga.device).id;
  EXPECT_EQ(refused(removed, {olga}), Errc::kState);
  const auto rita = join(3, kReviewer, max.id);
  ASSERT_TRUE(apply(person(max.id, kOwner, {}), {olga, rita}));
  ASSERT_TRUE(apply(change(kLeft, olga.id), {max}));
}

TEST_F(Charts, KeysAreAddedByTheirPersonAndReplacedByTwoOthers) {
  found();
  const auto max = join(2, kAdministrator), rita = join(3, kReviewer);
  const Someone spare{max.id, fresh_device()};
  EXPECT_EQ(refused(with_key(kKeyAdded, spare), {spare}), Errc::kDenied) << "signed by itself";
  EXPECT_EQ(refused(with_key(kKeyAdded, spare), {olga}), Errc::kDenied);
  ASSERT_TRUE(apply(with_key(kKeyAdded, spare), {max}));
  auto lost = change(kKeyRemoved, max.id);
  lost.key.id = key_of(*max.device).id;
  EXPECT_EQ(refused(lost, {max}), Errc::kDenied) << "a key does not remove itself";
  EXPECT_EQ(refused(lost, {rita}), Errc::kDenied);
  ASSERT_TRUE(apply(lost, {spare}));
  EXPECT_FALSE(chart.check(max.id, {}, max.device->sign(kParty, {})));

  // All are gone: an owner and a second one, or two custodians.
  const auto cleo = join(5, kAgent), dan = join(6, kAgent);
  const Someone renewed{max.id, fresh_device()};
  EXPECT_EQ(refused(with_key(kKeyReplaced, renewed), {olga}), Errc::kDenied);
  EXPECT_EQ(refused(with_key(kKeyReplaced, renewed), {olga, cleo}), Errc::kDenied);
  EXPECT_EQ(refused(with_key(kKeyReplaced, renewed), {cleo, dan}), Errc::kDenied);
  ASSERT_TRUE(apply(with_key(kKeyReplaced, renewed), {olga, rita}));
  EXPECT_EQ(chart.find(max.id)->keys.size(), 1u) << "the others are gone";
  auto custodians = change(kCustodians, olga.id);
  custodians.custodians = {cleo.id, olga.id};
  EXPECT_EQ(refused(custodians, {olga}), Errc::kMalformed);
  custodians.custodians = {cleo.id, dan.id};
  EXPECT_EQ(refused(custodians, {renewed}), Errc::kDenied) << "one's own to name";
  ASSERT_TRUE(apply(custodians, {olga}));
  const Someone olga_anew{olga.id, fresh_device()};
  EXPECT_EQ(refused(with_key(kKeyReplaced, olga_anew), {cleo}), Errc::kDenied);
  EXPECT_EQ(refused(with_key(kKeyReplaced, olga_anew), {cleo, rita}), Errc::kDenied);
  ASSERT_TRUE(apply(with_key(kKeyReplaced, olga_anew), {cleo, dan}));
}

TEST_F(Charts, NoChangeIsLeftOutTurnedRoundOrSignedForAnother) {
  found();
  const auto first = signed_by(person(id_of(2), kAgent, olga.id), {olga});
  auto other = first;
  other.change.roles = kReviewer;
  EXPECT_EQ(refused(other), Errc::kDenied) << "what was signed is something else";
  ASSERT_TRUE(chart.apply(first));
  EXPECT_EQ(refused(first), Errc::kState) << "twice";
  auto skipped = person(id_of(3), kAgent, olga.id);
  ++skipped.number;
  EXPECT_EQ(refused(skipped, {olga}), Errc::kState);
  auto elsewhere = person(id_of(3), kAgent, olga.id);
  elsewhere.before[5] ^= 1;
  EXPECT_EQ(refused(elsewhere, {olga}), Errc::kState);
}

TEST_F(Charts, SaysWhatAReleaseStillNeeds) {
  found();
  EXPECT_EQ(chart.lacks().size(), 2u);
  const auto max = join(2, kAdministrator), eve = join(3, kAgent, id_of(2));
  ASSERT_TRUE(apply(person(eve.id, kExpert | kAuthorised, max.id), {olga, max}));
  EXPECT_EQ(chart.lacks().size(), 1u) << "one person is not two";
  ASSERT_TRUE(apply(person(max.id, kAdministrator | kAuthorised, olga.id), {olga, eve}));
  EXPECT_EQ(chart.lacks().size(), 1u) << "eve answers to max and to olga: who asks?";
  join(4, kAgent);
  EXPECT_TRUE(chart.lacks().empty());
}

// Break-glass, and a release after a number that was changed lately, take two: with one authorised
// person neither ever opens, and any other release does.
TEST_F(Charts, SaysWhatCannotBeWithoutASecondAuthorisedPerson) {
  const std::vector<std::string> second{"a second authorised person"};
  found();
  EXPECT_EQ(chart.lacks_for_two(), second);
  const auto max = join(2, kAdministrator), eve = join(3, kAgent), anna = join(4, kAgent);
  join(5, kAgent);
  ASSERT_TRUE(apply(person(eve.id, kExpert, olga.id), {olga, max}));
  ASSERT_TRUE(apply(person(anna.id, kAuthorised, olga.id), {olga, max}));
  EXPECT_TRUE(chart.lacks().empty()) << "three are enough for a release";
  EXPECT_EQ(chart.lacks_for_two(), second);
  ASSERT_TRUE(apply(person(eve.id, kExpert | kAuthorised, olga.id), {olga, max}));
  EXPECT_EQ(
      chart.lacks_for_two(),
      std::vector<std::string>{"a second authorised person who neither asks nor is the expert"});
  ASSERT_TRUE(apply(person(eve.id, kExpert, olga.id), {olga}));
  ASSERT_TRUE(apply(person(max.id, kAdministrator | kAuthorised, olga.id), {olga, anna}));
  EXPECT_TRUE(chart.lacks_for_two().empty());
  ASSERT_TRUE(apply(change(kLeft, anna.id), {olga}));
  EXPECT_TRUE(chart.lacks().empty());
  EXPECT_EQ(chart.lacks_for_two(), second) << "who has left";
}

TEST_F(Charts, WhatTheLogKeepsReadsBackAndNothingElseDoes) {
  found();
  auto made = with_key(kFirstKey, {id_of(2), fresh_device()});
  made.token = Bytes(32, 9);
  made.custodians = {id_of(3), id_of(4)};
  made.roles = kExpert | kAgent;
  const auto json = to_json(made);
  const auto read = change_from_json(json);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*hash_of(*read), *hash_of(made));
  for (const auto& [name, value] : json) {
    auto lacking = json;
    lacking.erase(name);
    EXPECT_FALSE(change_from_json(lacking)) << std::string(name);
    auto wrong = json;
    wrong[name] = nullptr;
    EXPECT_FALSE(change_from_json(wrong)) << std::string(name);
    auto upper = json;
    if (value.is_string() && !value.get_string().empty()) {
      upper[name] = std::string(value.get_string()) + " ";
      EXPECT_FALSE(change_from_json(upper)) << std::string(name);
    }
  }
  auto more = json;
  more["more"] = 1;
  EXPECT_FALSE(change_from_json(more));
  const PersonSignature signature{olga.id, olga.device->sign(kParty, *hash_of(made))};
  const auto again = signature_from_json(to_json(signature));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->said.signature, signature.said.signature);
  EXPECT_EQ(again->said.client_data, signature.said.client_data);
}

}  // namespace
}  // namespace callward::people
