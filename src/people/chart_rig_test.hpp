// A company with an owner, and people who join it: real signatures by the test's authenticators.
#pragma once

#include <gtest/gtest.h>

#include "people/chart.hpp"
#include "people/invitation.hpp"
#include "people/passkey_rig_test.hpp"

namespace callward::people::test {

inline const RelyingParty kParty{"calls.example", "https://calls.example"};

inline PersonId id_of(std::uint8_t n) {
  PersonId id;
  id.bytes[0] = n;
  return id;
}

struct Someone {
  PersonId id;
  std::shared_ptr<Authenticator> device;
};

struct ChartRig {
  Chart chart{kParty};
  std::vector<SignedChange> all;  // that were taken
  std::uint8_t next_key = 1;
  std::int64_t now = 1'700'000'000'000;
  Someone olga{id_of(1), fresh_device()};
  std::optional<Someone> second;  // who may be, from when they have joined

  std::shared_ptr<Authenticator> fresh_device() {
    return std::make_shared<Authenticator>(next_key++);
  }
  Change change(ChangeKind kind, const PersonId& about) {
    Change made;
    made.number = chart.number() + 1;
    made.before = chart.head();
    made.at = now;
    made.kind = kind;
    made.person = about;
    return made;
  }
  static Passkey key_of(Authenticator& device) {
    return *check_registration(kParty, {}, device.enrol(kParty, {}));
  }
  static SignedChange signed_by(const Change& made, const std::vector<Someone>& people) {
    SignedChange whole{made, {}};
    for (const auto& one : people)
      whole.signatures.push_back({one.id, one.device->sign(kParty, *hash_of(made))});
    return whole;
  }
  Status apply(const Change& made, const std::vector<Someone>& people) {
    auto whole = signed_by(made, people);
    auto taken = chart.apply(whole);
    if (taken) all.push_back(std::move(whole));
    return taken;
  }
  Change person(const PersonId& about, Roles roles, const PersonId& answers_to) {
    auto made = change(ChangeKind::kPerson, about);
    made.roles = roles;
    made.answers_to = answers_to;
    return made;
  }
  Change with_key(ChangeKind kind, const Someone& about) {
    auto made = change(kind, about.id);
    made.key = key_of(*about.device);
    return made;
  }
  void found() {
    auto made = with_key(ChangeKind::kFounded, olga);
    made.roles = bit(Role::kOwner);
    made.token = Bytes(32, 77);
    ASSERT_TRUE(apply(made, {olga}));
  }
  // By the owner; where it takes two, with the first one who may be the second.
  Status by_owner(const Change& made) {
    return apply(made,
                 chart.takes_two(made) && second ? std::vector{olga, *second} : std::vector{olga});
  }
  // Somebody invited and enrolled; a role that may second comes then.
  Someone join(std::uint8_t n, Roles roles, PersonId answers_to = id_of(1)) {
    Someone one{id_of(n), fresh_device()};
    const auto later = (roles & kMaySecond) != 0;
    EXPECT_TRUE(by_owner(person(one.id, later ? Roles{0} : roles, answers_to)));
    Key32 secret;
    secret.expose_mut()[0] = n;
    auto invited = change(ChangeKind::kInvited, one.id);
    invited.invite = invite_of(*crypto::ed25519_public(invitation_seed(secret)));
    EXPECT_TRUE(apply(invited, {olga}));
    auto enrolled = with_key(ChangeKind::kFirstKey, one);
    enrolled.token = *answer_invitation(secret, one.id, enrolled.key);
    EXPECT_TRUE(apply(enrolled, {one}));
    if (later) EXPECT_TRUE(by_owner(person(one.id, roles, answers_to)));
    if (!second && (roles & kMaySecond) != 0) second = one;
    return one;
  }
};

}  // namespace callward::people::test
