#include "crypto/curve25519.hpp"

#include <openssl/evp.h>
#include <sodium.h>

#include <memory>

namespace callward::crypto {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeKeyContext {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
struct FreeDigestContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeKeyContext>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigestContext>;

Key private_key(int type, const Key32& raw) {
  return Key(EVP_PKEY_new_raw_private_key(type, nullptr, raw.expose().data(), 32));
}

Result<PublicKey> public_of(int type, const Key32& raw) {
  const auto key = private_key(type, raw);
  PublicKey out{};
  std::size_t size = out.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1 || size != out.size())
    return fail(Errc::kCrypto, "cannot derive the public key");
  return out;
}

}  // namespace

Result<PublicKey> x25519_public(const Key32& secret) { return public_of(EVP_PKEY_X25519, secret); }
Result<PublicKey> ed25519_public(const Key32& seed) { return public_of(EVP_PKEY_ED25519, seed); }

Result<Key32> x25519(const Key32& secret, const PublicKey& peer) {
  const auto key = private_key(EVP_PKEY_X25519, secret);
  const Key other(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, peer.data(), peer.size()));
  if (!key || !other) return fail(Errc::kCrypto, "X25519 key refused");
  const KeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
  Key32 shared;
  std::size_t size = 32;
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), other.get()) != 1 ||
      EVP_PKEY_derive(context.get(), shared.expose_mut().data(), &size) != 1 || size != 32)
    return fail(Errc::kMalformed, "X25519: the peer's key gives no shared secret");
  return shared;
}

Result<Signature> ed25519_sign(const Key32& seed, ByteView message) {
  const auto key = private_key(EVP_PKEY_ED25519, seed);
  const DigestContext context(EVP_MD_CTX_new());
  Signature out{};
  std::size_t size = out.size();
  if (!key || !context ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()) != 1 ||
      size != out.size())
    return fail(Errc::kCrypto, "cannot sign");
  return out;
}

bool ed25519_is_key(const PublicKey& key) {
  return ::crypto_core_ed25519_is_valid_point(key.data()) == 1;
}

bool ed25519_verify(const PublicKey& public_key, ByteView message, ByteView signature) {
  const Key key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(), public_key.size()));
  const DigestContext context(EVP_MD_CTX_new());
  return ed25519_is_key(public_key) && key && context && signature.size() == 64 &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

}  // namespace callward::crypto
