#include "people/webauthn.hpp"

#include <gtest/gtest.h>

#include "people/passkey_rig_test.hpp"

namespace callward::people {
namespace {

using test::Authenticator;

const RelyingParty kParty{"calls.example", "https://calls.example:8443"};

Challenge challenge_of(std::uint8_t first) {
  Challenge challenge{};
  challenge[0] = first;
  return challenge;
}

class Passkeys : public ::testing::TestWithParam<std::int32_t> {
 protected:
  Authenticator device{7, GetParam()};
  Passkey key = *check_registration(kParty, challenge_of(1), device.enrol(kParty, challenge_of(1)));
  Errc refused(const Assertion& given, const Challenge& challenge = challenge_of(2)) {
    const auto outcome = check_assertion(kParty, challenge, key, given);
    return outcome ? Errc::kState : outcome.error().code;
  }
};

TEST_P(Passkeys, WhatItSignsHoldsForThisChallengeAndNoOther) {
  EXPECT_EQ(key.algorithm, GetParam());
  EXPECT_EQ(key.key.size(), GetParam() == kEs256 ? 64u : 32u);
  const auto said = device.sign(kParty, challenge_of(2));
  EXPECT_TRUE(check_assertion(kParty, challenge_of(2), key, said));
  EXPECT_EQ(refused(said, challenge_of(3)), Errc::kDenied) << "replayed";
}

TEST_P(Passkeys, EveryFlippedByteIsRefused) {
  const auto said = device.sign(kParty, challenge_of(2));
  const auto each = [&](std::size_t bytes,
                        const std::function<void(Assertion&, std::size_t)>& flip) {
    for (std::size_t at = 0; at < bytes; ++at) {
      auto other = said;
      flip(other, at);
      EXPECT_FALSE(check_assertion(kParty, challenge_of(2), key, other)) << at;
    }
  };
  each(said.client_data.size(), [](auto& s, auto at) { s.client_data[at] ^= 1; });
  each(said.authenticator_data.size(), [](auto& s, auto at) { s.authenticator_data[at] ^= 1; });
  each(said.signature.size(), [](auto& s, auto at) { s.signature[at] ^= 1; });
  each(said.passkey.size(), [](auto& s, auto at) { s.passkey[at] ^= 1; });
}

TEST_P(Passkeys, OthersKeysOriginsAndCeremoniesAreRefused) {
  Authenticator other{7, GetParam()};  // the same id, another key
  (void)other.enrol(kParty, challenge_of(1));
  if (GetParam() == kEs256) EXPECT_EQ(refused(other.sign(kParty, challenge_of(2))), Errc::kDenied);
  EXPECT_EQ(refused(device.sign({"other.example", kParty.origin}, challenge_of(2))), Errc::kDenied);
  for (const auto* origin : {"http://calls.example:8443", "https://calls.example",
                             "https://calls.example:8443.evil.example", "null"}) {
    device.origin = origin;
    EXPECT_EQ(refused(device.sign(kParty, challenge_of(2))), Errc::kDenied) << origin;
  }
  device.origin.clear();
  device.type = "webauthn.create";
  EXPECT_EQ(refused(device.sign(kParty, challenge_of(2))), Errc::kDenied);
  device.type.clear();
  for (const auto* more : {R"(,"crossOrigin":true)", R"(,"crossOrigin":"no")",
                           R"(,"topOrigin":"https://evil.example")"}) {
    device.more = more;
    EXPECT_EQ(refused(device.sign(kParty, challenge_of(2))), Errc::kDenied) << more;
  }
  device.more =
      R"(,"crossOrigin":false,"other_keys_can_be_added_here":"as the specification says")";
  EXPECT_TRUE(check_assertion(kParty, challenge_of(2), key, device.sign(kParty, challenge_of(2))));
}

TEST_P(Passkeys, NobodyPresentOrVerifiedIsNobody) {
  device.verifies = false;
  EXPECT_EQ(refused(device.sign(kParty, challenge_of(2))), Errc::kDenied);
  const auto unverified =
      check_registration(kParty, challenge_of(1), device.enrol(kParty, challenge_of(1)));
  ASSERT_FALSE(unverified);
  EXPECT_EQ(unverified.error().code, Errc::kDenied);
  device.verifies = true;
  device.present = false;
  EXPECT_EQ(refused(device.sign(kParty, challenge_of(2))), Errc::kDenied);
}

// Signed by the right key, and yet no authenticator says it.
TEST_P(Passkeys, FlagsThatContradictTheRestAreRefused) {
  const auto said = device.sign(kParty, challenge_of(2));
  const auto with = [&](std::uint8_t flags) {
    auto data = said.authenticator_data;
    data[32] |= flags;
    return device.sign_over(said.client_data, data);
  };
  EXPECT_EQ(refused(with(0x40)), Errc::kMalformed) << "a key is promised";
  EXPECT_EQ(refused(with(0x10)), Errc::kMalformed) << "backed up, though it cannot be";
  EXPECT_TRUE(check_assertion(kParty, challenge_of(2), key, with(0x08)));
  EXPECT_TRUE(check_assertion(kParty, challenge_of(2), key, with(0x18)));
  auto enrolled = device.enrol(kParty, challenge_of(1));
  enrolled.authenticator_data[32] |= 0x10;
  EXPECT_FALSE(check_registration(kParty, challenge_of(1), enrolled));
}

TEST_P(Passkeys, ACountThatDoesNotGrowIsACopy) {
  device.count = 5;
  key.count = *check_assertion(kParty, challenge_of(2), key, device.sign(kParty, challenge_of(2)));
  EXPECT_EQ(key.count, 5u);
  EXPECT_EQ(refused(device.sign(kParty, challenge_of(2))), Errc::kDenied);
  device.count = 0;
  EXPECT_EQ(refused(device.sign(kParty, challenge_of(2))), Errc::kDenied);
  device.count = 6;
  EXPECT_TRUE(check_assertion(kParty, challenge_of(2), key, device.sign(kParty, challenge_of(2))));
}

TEST_P(Passkeys, ARegistrationCutAnywhereIsRefused) {
  const auto whole = device.enrol(kParty, challenge_of(1));
  for (std::size_t bytes = 0; bytes < whole.authenticator_data.size(); ++bytes) {
    auto cut = whole;
    cut.authenticator_data.resize(bytes);
    EXPECT_FALSE(check_registration(kParty, challenge_of(1), cut)) << bytes;
  }
  EXPECT_FALSE(check_registration(kParty, challenge_of(2), whole));
}

// Of EdDSA the neutral point, under which one signature holds for every message; of ES256 a point
// beside the curve. Neither is enrolled, nor good where it stands already.
TEST_P(Passkeys, WhatNoSecretLeadsToIsNoKey) {
  auto given = device.enrol(kParty, challenge_of(1));
  auto none = key;
  std::fill(none.key.begin(), none.key.end(), std::uint8_t{0});
  none.key[0] = 1;
  auto& data = given.authenticator_data;
  const std::size_t key_at = 37 + 16 + 2 + 32 + 10;
  std::copy_n(none.key.begin(), 32, data.begin() + key_at);
  EXPECT_FALSE(is_key(none.algorithm, none.key));
  EXPECT_TRUE(is_key(key.algorithm, key.key));
  EXPECT_EQ(check_registration(kParty, challenge_of(1), given).error().code, Errc::kMalformed);
  auto said = device.sign(kParty, challenge_of(2));
  said.signature.assign(64, 0);
  said.signature[0] = 1;
  EXPECT_FALSE(check_assertion(kParty, challenge_of(2), none, said));
}

// One signature, one spelling: else what the log keeps could be changed and still hold.
TEST(Es256, OtherSpellingsOfASignatureAreRefused) {
  Authenticator device(7);
  const auto key =
      *check_registration(kParty, challenge_of(1), device.enrol(kParty, challenge_of(1)));
  const auto said = device.sign(kParty, challenge_of(2));
  ASSERT_TRUE(check_assertion(kParty, challenge_of(2), key, said));
  const auto refuses = [&](const std::function<void(Bytes&)>& spell) {
    auto other = said;
    spell(other.signature);
    return !check_assertion(kParty, challenge_of(2), key, other);
  };
  EXPECT_TRUE(refuses([](Bytes& s) { s.push_back(0); })) << "a byte behind it";
  EXPECT_TRUE(refuses([](Bytes& s) { s.insert(s.begin() + 1, 0x81); })) << "a long length";
  EXPECT_TRUE(refuses([](Bytes& s) { s.insert(s.begin() + 4, 0), ++s[1], ++s[3]; }))
      << "a zero before a number";
  EXPECT_TRUE(refuses([](Bytes& s) { s[1] = 0x80, s.insert(s.end(), 2, 0); }))
      << "a length that is found at the end";
}

// Five bytes that tell a reader of CBOR to make room for 20 GB; found by disclosure_fuzz.
TEST_P(Passkeys, WhatIsNoKeyIsNotDecoded) {
  auto given = device.enrol(kParty, challenge_of(1));
  auto& data = given.authenticator_data;
  const auto whole = data;
  const std::size_t key_at = 37 + 16 + 2 + 32;
  const std::array<std::uint8_t, 5> huge = {0x9A, 0x9A, 0x9A, 0x9A, 0x9A};
  data.resize(key_at);
  data.insert(data.end(), huge.begin(), huge.end());
  EXPECT_EQ(check_registration(kParty, challenge_of(1), given).error().code, Errc::kMalformed);
  data = whole;
  data.insert(data.end(), huge.begin(), huge.end());
  EXPECT_EQ(check_registration(kParty, challenge_of(1), given).error().code, Errc::kMalformed);
  auto said = device.sign(kParty, challenge_of(2));
  said.authenticator_data.insert(said.authenticator_data.end(), huge.begin(), huge.end());
  said.authenticator_data[32] |= 0x80;
  EXPECT_EQ(refused(said), Errc::kMalformed);
}

INSTANTIATE_TEST_SUITE_P(Algorithms, Passkeys, ::testing::Values(kEs256, kEdDsa),
                         [](const auto& one) { return one.param == kEs256 ? "Es256" : "EdDsa"; });

}  // namespace
}  // namespace callward::people
