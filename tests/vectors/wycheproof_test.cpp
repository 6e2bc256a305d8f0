// Others' vectors for what we encrypt, agree and sign with: Wycheproof's, and HPKE's own. Every
// vector is told of once: as valid, acceptable or invalid, with what came of it, or as not
// applicable, and why. tests/vectors/README.md has the policy on "acceptable" ones.
#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "base/vectors_test.hpp"
#include "crypto/aead.hpp"
#include "crypto/hpke.hpp"
#include "crypto/sha256.hpp"
#include "people/webauthn.hpp"

namespace callward {
namespace {

using namespace vectors;

constexpr std::size_t kFileBytesMax = 16u << 20;

// Nothing where the vectors are absent: then the test is skipped, or fails where they must be there.
json::value load(const std::string& path) {
  RealVfs vfs;
  const auto raw = vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + path, kFileBytesMax);
  if (!raw) return nullptr;
  return json::parse(as_text(*raw));
}

bool has(const json::value& test, std::string_view flag) {
  const auto& flags = test.at("flags").as_array();
  return std::find(flags.begin(), flags.end(), json::value(flag)) != flags.end();
}

template <std::size_t N>
std::array<std::uint8_t, N> fixed(const Bytes& raw) {
  std::array<std::uint8_t, N> out{};
  EXPECT_EQ(raw.size(), N);
  std::copy_n(raw.begin(), std::min(raw.size(), N), out.begin());
  return out;
}
Key32 key_of(const Bytes& raw) { return Key32{fixed<32>(raw)}; }

// What came of one file of vectors.
class Tally {
 public:
  explicit Tally(const char* what) : what_(what) {}
  ~Tally() {
    std::printf("%s:", what_);
    for (const auto& [outcome, count] : counts_) std::printf(" %u %s;", count, outcome.c_str());
    std::printf("\n");
  }
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  void tried(const json::value& test, bool accepted, bool wanted) {
    ++all;
    ++counts_[text(test, "result") + (accepted ? " accepted" : " refused")];
    EXPECT_EQ(accepted, wanted) << what_ << " " << number(test, "tcId") << " "
                                << json::serialize(test);
  }
  // By the vector's own word; nothing of it is "acceptable".
  void tried(const json::value& test, bool accepted) {
    EXPECT_NE(text(test, "result"), "acceptable") << what_ << " " << number(test, "tcId");
    tried(test, accepted, text(test, "result") == "valid");
  }
  void left(const char* why) {
    ++all;
    ++counts_[std::string("not applicable: ") + why];
  }
  unsigned all = 0;
  [[nodiscard]] unsigned of(const std::string& outcome) const {
    const auto found = counts_.find(outcome);
    return found == counts_.end() ? 0 : found->second;
  }

 private:
  const char* what_;
  std::map<std::string, unsigned> counts_;
};

template <class Each>
void each_test(const json::value& file, const Each& each) {
  for (const auto& group : file.at("testGroups").as_array())
    for (const auto& test : group.at("tests").as_array()) each(group, test);
}

#define LOAD_OR_SKIP(name, path)                                                             \
  const auto name = load(path);                                                              \
  if (name.is_null()) {                                                                      \
    if (std::getenv("CALLWARD_NEED_PEERS") != nullptr) FAIL() << "no " path ": tools/setup"; \
    GTEST_SKIP() << "no " path ": tools/setup installs it";                                  \
  }                                                                                          \
  static_assert(true)

#define PEERS "/build/peers/vectors/"

TEST(Wycheproof, Aes256Gcm) {
  LOAD_OR_SKIP(file, PEERS "Cipher/wycheproof/aes_gcm_test.json");
  Tally tally("AES-256-GCM");
  each_test(file, [&](const json::value& group, const json::value& test) {
    if (number(group, "keySize") != 256) return tally.left("a key of another length");
    if (number(group, "ivSize") != 96) return tally.left("a nonce of another length");
    const auto key = key_of(bytes(test, "key"));
    const auto nonce = fixed<crypto::kAeadNonceBytes>(bytes(test, "iv"));
    const auto plain = bytes(test, "msg"), aad = bytes(test, "aad");
    auto sealed = bytes(test, "ct");
    const auto tag = bytes(test, "tag");
    sealed.insert(sealed.end(), tag.begin(), tag.end());
    const auto opened = crypto::aead_open(key, nonce, aad, sealed);
    tally.tried(test, opened && equal(opened->expose(), plain));
    EXPECT_EQ(crypto::aead_seal(key, nonce, aad, plain) == sealed, text(test, "result") == "valid");
  });
  EXPECT_EQ(tally.all, number(file, "numberOfTests"));
  EXPECT_EQ(tally.of("valid accepted"), 39u);
  EXPECT_EQ(tally.of("invalid refused"), 27u);
}

TEST(Wycheproof, HmacSha256) {
  LOAD_OR_SKIP(file, "/tests/vectors/wycheproof_hmac_sha256.json");
  Tally tally("HMAC-SHA256");
  each_test(file, [&](const json::value& group, const json::value& test) {
    const auto whole = crypto::hmac_sha256(bytes(test, "key"), {bytes(test, "msg")});
    const auto given = ByteView(whole).first(number(group, "tagSize") / 8);
    tally.tried(test, equal_constant_time(given, bytes(test, "tag")));
  });
  EXPECT_EQ(tally.all, number(file, "numberOfTests"));
  EXPECT_EQ(tally.of("valid accepted"), 66u);
  EXPECT_EQ(tally.of("invalid refused"), 108u);
}

TEST(Wycheproof, HkdfSha256) {
  LOAD_OR_SKIP(file, PEERS "Protocol/wycheproof/hkdf_sha256_test.json");
  constexpr std::size_t kOutMax = 255 * 32;
  Tally tally("HKDF-SHA256");
  each_test(file, [&](const json::value&, const json::value& test) {
    const auto size = number<std::size_t>(test, "size");
    const auto key = crypto::hkdf_extract(bytes(test, "salt"), bytes(test, "ikm"));
    const auto info = bytes(test, "info");
    Bytes out(size);
    if (size > kOutMax) {  // no peer says how much: that is ours, and a CHECK
      EXPECT_DEATH(crypto::hkdf_expand(out, key, info), "out.size");
      return tally.tried(test, false);
    }
    crypto::hkdf_expand(out, key, info);
    tally.tried(test, out == bytes(test, "okm"));
  });
  EXPECT_EQ(tally.all, number(file, "numberOfTests"));
  EXPECT_EQ(tally.of("valid accepted"), 83u);
  EXPECT_EQ(tally.of("invalid refused"), 3u);
}

// Points of the twist and other spellings of a point are taken, as RFC 7748 wants it; a shared
// secret of zeros is refused, as it lets a peer choose.
TEST(Wycheproof, X25519) {
  LOAD_OR_SKIP(file, PEERS "Protocol/wycheproof/x25519_test.json");
  Tally tally("X25519");
  each_test(file, [&](const json::value&, const json::value& test) {
    const auto shared =
        crypto::x25519(key_of(bytes(test, "private")), fixed<32>(bytes(test, "public")));
    const bool right = shared && equal(shared->expose(), bytes(test, "shared"));
    EXPECT_EQ(right, shared.has_value()) << number(test, "tcId");
    tally.tried(test, right, !has(test, "ZeroSharedSecret"));
  });
  EXPECT_EQ(tally.all, number(file, "numberOfTests"));
  EXPECT_EQ(tally.of("valid accepted"), 264u);
  EXPECT_EQ(tally.of("acceptable accepted"), 223u);
  EXPECT_EQ(tally.of("acceptable refused"), 31u);
}

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

// By the steps that libfido2 takes: its own reading of the key, then OpenSSL over the hash.
bool es256_holds(ByteView x_and_y, ByteView message, ByteView signature) {
  const std::unique_ptr<es256_pk_t, void (*)(es256_pk_t*)> read(
      es256_pk_new(), [](es256_pk_t* key) { es256_pk_free(&key); });
  if (es256_pk_from_ptr(read.get(), x_and_y.data(), x_and_y.size()) != FIDO_OK) return false;
  const Key key(es256_pk_to_EVP_PKEY(read.get()));
  const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(
      EVP_PKEY_CTX_new(key.get(), nullptr), EVP_PKEY_CTX_free);
  const auto hash = crypto::sha256(message);
  return EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), hash.data(),
                         hash.size()) == 1;
}

// A passkey's whole check, of something else than what was signed: it must end as a refusal,
// whatever stands in the signature.
bool taken_by_passkey(std::int32_t algorithm, const Bytes& key, const Bytes& signature) {
  const people::RelyingParty party{"calls.example", "https://calls.example"};
  const people::Challenge challenge{};
  people::Assertion said{Bytes{1}, {}, {}, signature};
  said.client_data = R"({"type":"webauthn.get","challenge":")" + people::to_base64url(challenge) +
                     R"(","origin":"https://calls.example"})";
  said.authenticator_data = to_bytes(crypto::sha256(as_bytes(party.id)));
  said.authenticator_data.push_back(0x05);
  said.authenticator_data.resize(37);
  return check_assertion(party, challenge, {Bytes{1}, algorithm, key, 0}, said).has_value();
}

TEST(Wycheproof, EcdsaP256OfPasskeys) {
  LOAD_OR_SKIP(file, PEERS "Signature/wycheproof/ecdsa_secp256r1_sha256_test.json");
  Tally tally("ECDSA P-256 with SHA-256");
  each_test(file, [&](const json::value& group, const json::value& test) {
    auto point = bytes(group.at("publicKey"), "uncompressed");
    ASSERT_EQ(point.size(), 65u);
    const Bytes key(point.begin() + 1, point.end());
    const auto signature = bytes(test, "sig");
    tally.tried(test, es256_holds(key, bytes(test, "msg"), signature));
    EXPECT_FALSE(taken_by_passkey(people::kEs256, key, signature)) << number(test, "tcId");
  });
  EXPECT_EQ(tally.all, number(file, "numberOfTests"));
  EXPECT_EQ(tally.of("valid accepted"), 174u);
  EXPECT_EQ(tally.of("invalid refused"), 310u);
}

// Points that are a key's peers elsewhere; here they are keys that somebody enrols.
TEST(Wycheproof, PointsOfP256AsPasskeys) {
  LOAD_OR_SKIP(file, PEERS "Protocol/wycheproof/ecdh_secp256r1_ecpoint_test.json");
  Tally tally("P-256 points as keys");
  each_test(file, [&](const json::value&, const json::value& test) {
    const auto point = bytes(test, "public");
    if (point.size() != 65) return tally.left("a point that is not x and y");
    tally.tried(test, people::is_key(people::kEs256, ByteView(point).subspan(1)));
  });
  EXPECT_EQ(tally.all, number(file, "numberOfTests"));
  EXPECT_EQ(tally.of("valid accepted"), 330u);
  EXPECT_EQ(tally.of("invalid refused"), 16u);
}

// Keys of small or mixed order are refused: no seed leads to them.
TEST(Wycheproof, Ed25519) {
  LOAD_OR_SKIP(file, PEERS "Signature/wycheproof/ed25519_test.json");
  Tally tally("Ed25519");
  each_test(file, [&](const json::value& group, const json::value& test) {
    const auto key = bytes(group.at("publicKey"), "pk"), signature = bytes(test, "sig");
    const bool holds = crypto::ed25519_verify(fixed<32>(key), bytes(test, "msg"), signature);
    tally.tried(test, holds, text(test, "result") == "valid");
    EXPECT_FALSE(taken_by_passkey(people::kEdDsa, key, signature)) << number(test, "tcId");
  });
  EXPECT_EQ(tally.all, number(file, "numberOfTests"));
  EXPECT_EQ(tally.of("valid accepted"), 117u);
  EXPECT_EQ(tally.of("acceptable refused"), 29u);
  EXPECT_EQ(tally.of("invalid refused"), 64u);
}

TEST(HpkeVectors, X25519HkdfSha256Aes256Gcm) {
  LOAD_OR_SKIP(file, PEERS "Protocol/wycheproof/HPKE-test-vectors.json");
  unsigned tried = 0, left = 0;
  for (const auto& suite : file.as_array()) {
    if (number(suite, "mode") != 0 || number(suite, "kem_id") != 0x20 ||
        number(suite, "kdf_id") != 1 || number(suite, "aead_id") != 2) {
      ++left;
      continue;
    }
    const auto ephemeral = key_of(bytes(suite, "skEm")), secret = key_of(bytes(suite, "skRm"));
    const auto receiver = fixed<32>(bytes(suite, "pkRm"));
    const auto info = bytes(suite, "info");
    EXPECT_EQ(crypto::x25519_public(secret).value(), receiver);
    EXPECT_TRUE(equal(crypto::detail::kem_shared_secret(ephemeral, receiver)->expose(),
                      bytes(suite, "shared_secret")));
    auto sender = *crypto::HpkeSender::with(ephemeral, receiver, info);
    const auto enc = fixed<32>(bytes(suite, "enc"));
    EXPECT_EQ(sender.enc(), enc);
    auto opener = *crypto::HpkeReceiver::make(secret, receiver, enc, info);
    bool first = true;
    for (const auto& message : suite.at("encryptions").as_array()) {
      const auto aad = bytes(message, "aad"), sealed = bytes(message, "ct");
      EXPECT_EQ(sender.seal(aad, bytes(message, "pt")), sealed);
      // Alone it is the first of a context, and so only the first opens.
      EXPECT_EQ(crypto::hpke_open(secret, enc, info, aad, sealed).has_value(), first);
      const auto opened = opener.open(aad, sealed);
      ASSERT_TRUE(opened);
      EXPECT_TRUE(equal(opened->expose(), bytes(message, "pt")));
      EXPECT_FALSE(opener.open(aad, sealed)) << "opens once";
      first = false;
      ++tried;
    }
  }
  std::printf(
      "HPKE: %u messages of a context accepted; %u not applicable: other suites and modes;\n",
      tried, left);
  EXPECT_EQ(tried, 257u);
}

}  // namespace
}  // namespace callward
