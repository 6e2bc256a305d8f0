#include <gtest/gtest.h>

#include "crypto/aead.hpp"
#include "crypto/argon2id.hpp"
#include "crypto/curve25519.hpp"
#include "crypto/hpke.hpp"
#include "crypto/sha256.hpp"

namespace callward::crypto {
namespace {

Key32 key_of(std::string_view hex) {
  const auto raw = *from_hex(hex);
  return Key32(std::span<const std::uint8_t, 32>(raw.data(), 32));
}
PublicKey public_of(std::string_view hex) {
  PublicKey key{};
  const auto raw = *from_hex(hex);
  std::copy(raw.begin(), raw.end(), key.begin());
  return key;
}

TEST(Sha256, FipsVectorsAndTheOneBlockForm) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(ByteView{})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  SeededEntropy entropy(1);
  for (std::size_t size = 0; size <= 55; ++size) {
    Bytes message(size);
    entropy.fill(message);
    Digest fast{};
    sha256_one_block(fast, message);
    EXPECT_EQ(fast, sha256(message)) << size;
  }
}

TEST(Hmac, Rfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(Bytes(20, 0x0B), {as_bytes("Hi There")})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(
      to_hex(hmac_sha256(Bytes(131, 0xAA),
                         {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")})),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hkdf, Rfc5869Case1) {
  const auto key = hkdf_extract(*from_hex("000102030405060708090a0b0c"), Bytes(22, 0x0B));
  Bytes out(42);
  hkdf_expand(out, key, *from_hex("f0f1f2f3f4f5f6f7f8f9"));
  EXPECT_EQ(to_hex(out),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST(Aead, KnownAnswerAndTampering) {
  // NIST GCM test case 14: zero key, zero nonce, 16 zero bytes.
  const Key32 zero;
  const auto sealed = aead_seal(zero, {}, {}, Bytes(16, 0));
  EXPECT_EQ(to_hex(sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  SeededEntropy entropy(3);
  const auto key = entropy.key();
  const auto good = aead_seal(key, {}, as_bytes("aad"), as_bytes("plain"));
  EXPECT_EQ(as_text(aead_open(key, {}, as_bytes("aad"), good)->expose()), "plain");
  EXPECT_EQ(aead_open(key, {}, as_bytes("aab"), good).error().code, Errc::kCorrupt);
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= 1;
    EXPECT_FALSE(aead_open(key, {}, as_bytes("aad"), bad)) << i;
  }
  EXPECT_EQ(aead_open(key, {}, {}, Bytes(15)).error().code, Errc::kMalformed);
}

TEST(Aead, OneContextServesManyKeys) {
  SeededEntropy entropy(4);
  Aes256Gcm gcm;
  const Bytes plain(848, 7);
  for (int i = 0; i < 20; ++i) {
    const auto key = entropy.key();
    Bytes sealed(plain.size() + kAeadTagBytes);
    gcm.seal(sealed, key, {}, as_bytes("a"), as_bytes("b"), plain);
    EXPECT_EQ(sealed, aead_seal(key, {}, as_bytes("ab"), plain));
    Bytes back(plain.size());
    EXPECT_TRUE(gcm.open(back, key, {}, as_bytes("ab"), {}, sealed));
    EXPECT_EQ(back, plain);
  }
}

TEST(X25519, BothSidesAgreeAndTheZeroPointIsRefused) {
  SeededEntropy entropy(5);
  const auto alice = entropy.key();
  const auto bob = entropy.key();
  const auto ab = *x25519(alice, *x25519_public(bob));
  const auto ba = *x25519(bob, *x25519_public(alice));
  EXPECT_TRUE(equal_constant_time(ab.expose(), ba.expose()));
  EXPECT_EQ(x25519(alice, PublicKey{}).error().code, Errc::kMalformed);
}

TEST(Ed25519, Rfc8032Test1) {
  const auto seed = key_of("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const auto key = *ed25519_public(seed);
  EXPECT_EQ(to_hex(key), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const auto signature = *ed25519_sign(seed, {});
  EXPECT_EQ(to_hex(signature),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39"
            "701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b");
  EXPECT_TRUE(ed25519_verify(key, {}, signature));
  EXPECT_FALSE(ed25519_verify(key, as_bytes("x"), signature));
}

// Zero times the base point is the neutral one: under it as a key, this signature would hold for all.
TEST(Ed25519, AKeyUnderWhichEverythingHoldsIsNone) {
  PublicKey neutral{};
  neutral[0] = 1;
  Bytes signature(64);
  signature[0] = 1;
  EXPECT_FALSE(ed25519_is_key(neutral));
  EXPECT_FALSE(ed25519_verify(neutral, as_bytes("anything"), signature));
  EXPECT_TRUE(ed25519_is_key(*ed25519_public(Key32{})));
}

TEST(Hpke, KemOfRfc9180A11) {
  const auto shared = *detail::kem_shared_secret(
      key_of("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"),
      public_of("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"));
  EXPECT_EQ(to_hex(shared.expose()),
            "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
}

TEST(Hpke, RoundTripAndEachPartBinds) {
  SeededEntropy entropy(6);
  const auto secret = entropy.key();
  const auto receiver = *x25519_public(secret);
  const auto sealed =
      *hpke_seal(entropy, receiver, as_bytes("info"), as_bytes("aad"), as_bytes("keys"));
  EXPECT_EQ(
      as_text(hpke_open(secret, sealed.enc, as_bytes("info"), as_bytes("aad"), sealed.ciphertext)
                  ->expose()),
      "keys");
  EXPECT_FALSE(hpke_open(secret, sealed.enc, as_bytes("inf0"), as_bytes("aad"), sealed.ciphertext));
  EXPECT_FALSE(hpke_open(secret, sealed.enc, as_bytes("info"), as_bytes("aae"), sealed.ciphertext));
  EXPECT_FALSE(
      hpke_open(entropy.key(), sealed.enc, as_bytes("info"), as_bytes("aad"), sealed.ciphertext));
}

// The keys are OpenSSL 3.4's, by the Python package cryptography 44.0.3.
TEST(Argon2id, DerivesWhatOpenSslDerives) {
  const auto derives = [](std::string_view phrase, std::uint8_t salt_from, Argon2Cost cost,
                          std::string_view key) {
    std::array<std::uint8_t, 16> salt{};
    for (std::size_t i = 0; i < salt.size(); ++i)
      salt[i] = static_cast<std::uint8_t>(salt_from + i);
    const auto derived = derive_key(SecretBytes(as_bytes(phrase)), salt, cost);
    return derived && to_hex(derived->expose()) == key;
  };
  EXPECT_TRUE(derives("correct horse battery staple", 0, {3, 64u << 20},
                      "0d1a3c6523c8f06e4e0af9c515aa5b5448cfebd6838f2d52c3d8b6ef8ddc3c2e"));
  EXPECT_TRUE(derives("", 240, {1, 8u << 20},
                      "5927b63971f90ff93d888993ae71c524ea69c5563bdeac36a688826044110e06"));
  EXPECT_TRUE(derives("Z\xC3\xBCrich \xF0\x9F\x94\x91", 16, {2, 19u << 20},
                      "3403ab2357f85c6d02d6aece864bb51527ba4e2919cee117d4ae377d1f6e2e93"));
}

TEST(Argon2id, VerifiesAndDerives) {
  const Argon2Cost cheap{1, 8u << 20};
  const SecretBytes right(as_bytes("correct horse battery"));
  const SecretBytes wrong(as_bytes("correct horse batterz"));
  const auto hash = *hash_passphrase(right, cheap);
  EXPECT_EQ(hash.rfind("$argon2id$v=19$", 0), 0u);
  EXPECT_TRUE(verify_passphrase(hash, right));
  EXPECT_FALSE(verify_passphrase(hash, wrong));
  const auto one = *derive_key(right, {}, cheap);
  const auto two = *derive_key(right, {}, cheap);
  const auto other = *derive_key(wrong, {}, cheap);
  EXPECT_TRUE(equal_constant_time(one.expose(), two.expose()));
  EXPECT_FALSE(equal_constant_time(one.expose(), other.expose()));
}

}  // namespace
}  // namespace callward::crypto
