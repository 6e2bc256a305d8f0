#include "disclose/chain.hpp"

#include <gtest/gtest.h>

#include "disclose/company_rig_test.hpp"

namespace callward::disclose {
namespace {

using enum EventKind;
using people::Role;
using people::test::kParty;
using test::Someone;

class Chains : public ::testing::Test, public test::Company {
 protected:
  Chain chain;

  ChainStep step_of(const Event& event, const Chain* of = nullptr) {
    if (of == nullptr) of = &chain;
    ChainStep made;
    made.request = of->request().id;
    made.number = of->number() + 1;
    made.before = of->head();
    made.at = world.now;
    made.event = event;
    if (needs_words(event.kind)) made.words[0] = 1;
    if (event.kind == kView) made.reader_key[0] = 9;
    return made;
  }
  ChainStep asking(const Someone& by, std::uint8_t id = 1) {
    ChainStep made = step_of({.by = by.id, .fields = {2, 4, 9}});
    made.number = 1;
    made.before = {};
    made.request = {};
    made.request.bytes[0] = id;
    made.customer.bytes[0] = 7;
    made.of_case = 1;
    made.words[0] = 1;
    return made;
  }
  static SignedStep signed_by(const ChainStep& step, const Someone& who) {
    return {step, people::PersonSignature{who.id, who.device->sign(kParty, *hash_of(step))}};
  }
  Status go(Event event, const Someone* who = nullptr, Chain* on = nullptr) {
    if (on == nullptr) on = &chain;
    if (who != nullptr) event.by = who->id;
    const auto step = step_of(event, on);
    const auto done =
        on->apply(who != nullptr ? signed_by(step, *who) : SignedStep{step, {}}, world);
    if (!done) return tl::unexpected<Error>(done.error());
    return {};
  }
  Errc refused(const SignedStep& next) {
    const auto head = chain.head();
    const auto done = chain.apply(next, world);
    EXPECT_EQ(chain.head(), head);
    EXPECT_FALSE(done);
    return done ? Errc::kIo : done.error().code;
  }
  static Event passing(std::uint32_t checks = 2) {
    Event event{.kind = kPass, .checks = checks};
    event.call_back = {.answered = true,
                       .recorded = true,
                       .number_on_file = true,
                       .seconds = 40,
                       .number_age_days = 400};
    event.call_back.call.bytes[0] = 1;
    return event;
  }
  void verified(Chain* on = nullptr, std::uint8_t id = 1) {
    if (on == nullptr) on = &chain;
    ASSERT_TRUE(on->apply(signed_by(asking(tom, id), tom), world));
    ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}, nullptr, on));
    ASSERT_TRUE(go({.kind = kRing}, &eve, on));
    ASSERT_TRUE(go(passing(), &eve, on));
  }
  void opened() {
    verified();
    ASSERT_TRUE(go({.kind = kRelease, .fields = {2, 4}}, &anna));
  }
};

TEST_F(Chains, EachStepIsSignedByWhoDoesIt) {
  EXPECT_EQ(refused({asking(tom), {}}), Errc::kDenied);
  EXPECT_EQ(refused(signed_by(asking(tom), max)), Errc::kDenied) << "for somebody else";
  auto forged = signed_by(asking(tom), max);
  forged.signature->person = tom.id;
  EXPECT_EQ(refused(forged), Errc::kDenied);
  opened();
  EXPECT_EQ(chain.request().state, State::kOpen);
  EXPECT_TRUE(go({.kind = kView, .fields = {4}}, &tom));
  EXPECT_FALSE(go({.kind = kView, .fields = {9}}, &tom));
}

TEST_F(Chains, NoStepOfAnotherPlaceOrRequestFits) {
  verified();
  Chain other;
  verified(&other, 2);
  const auto release = step_of({.kind = kRelease, .by = anna.id, .fields = {2, 4}}, &other);
  EXPECT_EQ(refused(signed_by(release, anna)), Errc::kState) << "of another request";
  auto moved = signed_by(release, anna);
  moved.step.request = chain.request().id;
  moved.step.before = chain.head();
  EXPECT_EQ(refused(moved), Errc::kDenied) << "its signature is over the other one";
  ASSERT_TRUE(go({.kind = kRelease, .fields = {2}}, &anna));
  const auto view = signed_by(step_of({.kind = kView, .by = tom.id, .fields = {2}}), tom);
  ASSERT_TRUE(chain.apply(view, world));
  EXPECT_EQ(refused(view), Errc::kState) << "replayed";
}

TEST_F(Chains, NothingIsWidenedAfterItWasSigned) {
  verified();
  auto release = signed_by(step_of({.kind = kRelease, .by = anna.id, .fields = {2}}), anna);
  auto wider = release;
  wider.step.event.fields = {2, 4};
  EXPECT_EQ(refused(wider), Errc::kDenied);
  auto longer = release;
  longer.step.event.window_ms = limits.window_ms_max;
  EXPECT_EQ(refused(longer), Errc::kDenied);
  ASSERT_TRUE(chain.apply(release, world));
  auto view = signed_by(step_of({.kind = kView, .by = tom.id, .fields = {2}}), tom);
  view.step.reader_key[3] ^= 1;
  EXPECT_EQ(refused(view), Errc::kDenied) << "another browser's key";
  view = signed_by(step_of({.kind = kView, .by = tom.id, .fields = {2}}), tom);
  view.step.reader_key = {};
  EXPECT_EQ(refused(view), Errc::kMalformed);
}

// What it is about and how long it is wished are signed with the rest; a step that says neither is
// what it always was.
TEST_F(Chains, ACategoryIsSignedAndOfTheFirstStepAlone) {
  const auto plain = asking(tom);
  EXPECT_FALSE(to_json(plain).contains("category"));
  auto said = plain;
  said.category = "billing";
  said.event.window_ms = 600'000;
  EXPECT_NE(*hash_of(said), *hash_of(plain));
  auto forged = signed_by(said, tom);
  forged.step.category = "safety";
  EXPECT_EQ(refused(forged), Errc::kDenied);
  forged = signed_by(said, tom);
  forged.step.event.window_ms = 900'000;
  EXPECT_EQ(refused(forged), Errc::kDenied);
  auto none = said;
  none.category = "anything";
  EXPECT_EQ(refused(signed_by(none, tom)), Errc::kMalformed);
  ASSERT_TRUE(chain.apply(signed_by(said, tom), world));
  EXPECT_EQ(chain.request().category, "billing");
  EXPECT_EQ(chain.request().wished_ms, 600'000);
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  auto ring = step_of({.kind = kRing, .by = eve.id});
  ring.category = "billing";
  EXPECT_EQ(refused(signed_by(ring, eve)), Errc::kMalformed);
  EXPECT_FALSE(step_from_json(to_json(ring)));
  EXPECT_EQ(step_from_json(to_json(said))->category, "billing");
}

// What was wished binds nobody, and widens nothing: the policy's bound holds for who releases.
TEST_F(Chains, AWishIsNoRelease) {
  auto said = asking(tom);
  said.event.window_ms = limits.window_ms_max;
  ASSERT_TRUE(chain.apply(signed_by(said, tom), world));
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  ASSERT_TRUE(go({.kind = kRing}, &eve));
  ASSERT_TRUE(go(passing(), &eve));
  EXPECT_FALSE(go({.kind = kRelease, .fields = {2}, .window_ms = limits.window_ms_max + 1}, &anna));
  ASSERT_TRUE(go({.kind = kRelease, .fields = {2}}, &anna));
  EXPECT_EQ(chain.request().until, world.now + limits.window_ms) << "as usual, not as wished";
}

TEST_F(Chains, TheSystemsStepsAreNobodysByHand) {
  ASSERT_TRUE(chain.apply(signed_by(asking(tom), tom), world));
  auto assign = step_of({.kind = kAssign, .by = tom.id, .expert = eve.id});
  EXPECT_EQ(refused(signed_by(assign, tom)), Errc::kDenied) << "the requester does not choose";
  assign = step_of({.kind = kAssign, .expert = eve.id});
  EXPECT_EQ(refused(signed_by(assign, eve)), Errc::kDenied);
  auto other = assign;
  other.customer.bytes[0] = 8;
  EXPECT_EQ(refused({other, {}}), Errc::kMalformed) << "whose it is was said";
  ASSERT_TRUE(chain.apply({assign, {}}, world));
  ASSERT_TRUE(go({.kind = kRing}, &eve));
  EXPECT_EQ(refused({step_of(passing()), {}}), Errc::kDenied) << "nobody passes by itself";
}

TEST_F(Chains, WhoLosesRoleOrKeyLosesWhatTheyReleased) {
  opened();
  ASSERT_TRUE(apply(change(people::ChangeKind::kLeft, anna.id), {olga}));
  EXPECT_FALSE(go({.kind = kView, .fields = {2}}, &tom));
  // The requester's own passkey is taken away.
  ASSERT_TRUE(apply(person(anna.id, people::bit(Role::kAgent), olga.id), {olga}));
  EXPECT_FALSE(go({.kind = kView, .fields = {2}}, &tom)) << "coming back gives nothing back";
}

TEST_F(Chains, AWordOfWhyIsOne) {
  verified();
  auto decline = step_of({.kind = kDecline, .by = anna.id});
  decline.words = {};
  EXPECT_EQ(refused(signed_by(decline, anna)), Errc::kMalformed);
  for (const auto* bad : {"", ".", "            ", "because", "aaaaaaaaaaaaaaaaaaaaaaaaaaa",
                          "abc abc abc abc abc abc abc abc", "please please please please please",
                          "x y z x y z x y z x y z x y z x y z x y z", "12345678901234567890 1234"})
    EXPECT_FALSE(is_concern(bad)) << bad;
  for (const auto* good :
       {"The customer cannot sign in after the update of the router",
        "Kunde möchte die Rechnung an seine neue Anschrift", "Клиент не может войти в систему"})
    EXPECT_TRUE(is_concern(good)) << good;
}

TEST_F(Chains, WhatTheLogKeepsReadsBackAndNothingElseDoes) {
  ASSERT_TRUE(chain.apply(signed_by(asking(tom), tom), world));
  ASSERT_TRUE(go({.kind = kAssign, .expert = eve.id}));
  ASSERT_TRUE(go({.kind = kRing}, &eve));
  for (const auto& step :
       {asking(tom), step_of(passing()), step_of({.kind = kView, .by = tom.id, .fields = {4}})}) {
    const auto json = to_json(step);
    const auto read = step_from_json(json);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*hash_of(*read), *hash_of(step));
    for (const auto& [name, value] : json) {
      auto lacking = json;
      lacking.erase(name);
      EXPECT_FALSE(step_from_json(lacking)) << std::string(name);
      auto wrong = json;
      wrong[name] = nullptr;
      EXPECT_FALSE(step_from_json(wrong)) << std::string(name);
    }
    auto more = json;
    more["more"] = 1;
    EXPECT_FALSE(step_from_json(more));
  }
}

}  // namespace
}  // namespace callward::disclose
