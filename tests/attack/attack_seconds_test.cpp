// One owner who would be two people: by a role that they give themselves, by a passkey that they make
// for somebody else. What the keeper refuses, and what `log check` says of a log that has it.
#include "people/invitation.hpp"
#include "tests/attack/log_rules_rig.hpp"

namespace callward::attack {
namespace {

class Seconds : public ::testing::Test, public LogRulesRig {};

// One owner who makes the second of two for themselves.
TEST_F(Seconds, WhoMayBeTheSecondIsMadeByTwo) {
  const auto breaks = [](const Log& log_entries, std::string_view rule) {
    return std::ranges::any_of(judge(log_entries).findings,
                               [&](const auto& found) { return found.rule->name == rule; });
  };
  auto log_entries = entries();
  const auto reviewer = person(tom.id, people::bit(people::Role::kReviewer), max.id);
  EXPECT_EQ(put_change(signed_by(reviewer, {olga})).error().code, Errc::kDenied) << "the keeper";
  expect(with(log_entries, reviewer, {olga}), "second-by-two");
  expect_clean(with(log_entries, reviewer, {olga, max}));
  // A log of before, when one was enough.
  expect_clean(of_rules(with(log_entries, reviewer, {olga}), 1));
  // All who might have been are taken away, which takes one; then it would begin anew.
  for (const auto& one : {eve, emil, anna, abe, rita, max}) {
    if (one.id == max.id) {  // of the only one left nobody else can be the second
      const auto more =
          people::bit(people::Role::kSupervisor) | people::bit(people::Role::kReviewer);
      expect_clean(
          with(log_entries, person(max.id, static_cast<people::Roles>(more), olga.id), {olga}));
    }
    const auto agent_now = person(one.id, people::bit(people::Role::kAgent), olga.id);
    log_entries = with(log_entries, agent_now, {olga});
    ASSERT_TRUE(apply(agent_now, {olga}));
  }
  const auto anew = person(tom.id, people::bit(people::Role::kReviewer), max.id);
  log_entries = with(log_entries, anew, {olga});
  EXPECT_FALSE(breaks(log_entries, "second-by-two"));
  expect(log_entries, "second-begun-anew", audit::RuleWeight::kWarning);
}

// One owner who takes another's passkeys away, invites them anew and opens the link themselves
// would be two people, and both that others need.
TEST_F(Seconds, AnInvitationMakesNoSecondPersonOfOneOwner) {
  now = office->now();
  const auto key_removed = [this](const Someone& whose) {
    auto made = change(people::ChangeKind::kKeyRemoved, whose.id);
    made.key.id = key_of(*whose.device).id;
    return made;
  };
  Key32 secret;
  secret.expose_mut()[0] = 7;
  const auto invited = [&](const Someone& whose) {
    auto made = change(people::ChangeKind::kInvited, whose.id);
    made.invite = people::invite_of(*crypto::ed25519_public(people::invitation_seed(secret)));
    return made;
  };
  const auto taken = [this](const people::Change& made, const std::vector<Someone>& by) {
    ASSERT_TRUE(apply(made, by));
    const auto put = put_change(all.back());
    ASSERT_TRUE(put) << put.error().message;
  };
  const auto refused = [this](const people::Change& made, const std::vector<Someone>& by) {
    const auto put = put_change(signed_by(made, by));
    EXPECT_FALSE(put);
    return put ? Errc::kIo : put.error().code;
  };
  agent();
  auto custodians = change(people::ChangeKind::kCustodians, rita.id);
  custodians.custodians = {ada.id, tom.id};
  taken(custodians, {rita});
  for (const auto& whose : {max, tom}) {  // a supervisor; a technician, and Rita's custodian
    taken(key_removed(whose), {olga});
    EXPECT_EQ(refused(invited(whose), {olga}), Errc::kState);
    const auto bad = with(entries(), invited(whose), {olga});
    expect(bad, "key-before-role");
    expect_clean(of_rules(bad, 3));
  }
  // An invitation of before, under which the role is still theirs.
  const Someone puppet{max.id, fresh_device()};
  auto log_entries = of_rules(with(entries(), invited(max), {olga}), 3);
  ASSERT_TRUE(apply(invited(max), {olga}));
  auto enrolled = with_key(people::ChangeKind::kFirstKey, puppet);
  enrolled.token = *people::answer_invitation(secret, puppet.id, enrolled.key);
  const auto before = with(log_entries, enrolled, {puppet});
  expect_clean(before);
  audit::Entry started = of(log_entries, "keeper_started");
  started.data["rules"] = 4;
  say(log_entries, started);
  expect(with(log_entries, enrolled, {puppet}), "key-before-role");
}

// What may second is given to nobody who has no passkey, by two neither: whoever has the link would
// have the role.
TEST_F(Seconds, ARoleThatMaySecondComesAfterThePasskey) {
  now = office->now();
  const auto of_somebody = [&](people::Roles roles) {
    return person(people::test::id_of(40), roles, olga.id);
  };
  for (const auto role : {people::Role::kReviewer, people::Role::kSupervisor,
                          people::Role::kAdministrator, people::Role::kAuditor}) {
    const auto given = of_somebody(people::bit(role));
    EXPECT_EQ(put_change(signed_by(given, {olga, max})).error().code, Errc::kState);
    const auto bad = with(entries(), given, {olga, max});
    expect(bad, "key-before-role");
    expect_clean(of_rules(bad, 3));
  }
  // Named with no role, or with one that seconds nothing, somebody waits for their passkey.
  for (const people::Roles roles : {people::Roles{0}, people::bit(people::Role::kAgent)}) {
    ASSERT_TRUE(apply(of_somebody(roles), {olga}));
    const auto put = put_change(all.back());
    EXPECT_TRUE(put) << put.error().message;
  }
  expect_clean(entries());
}

}  // namespace
}  // namespace callward::attack
