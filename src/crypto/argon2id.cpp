#include "crypto/argon2id.hpp"

#include <sodium.h>

#include "base/check.hpp"

namespace callward::crypto {
namespace {
void start_sodium() {
  static const int started = ::sodium_init();
  CHECK(started >= 0);
}
const char* text_of(const SecretBytes& bytes) {
  // An empty one has no address; libsodium wants one all the same.
  return bytes.size() == 0 ? "" : reinterpret_cast<const char*>(bytes.expose().data());
}
}  // namespace

Result<std::string> hash_passphrase(const SecretBytes& passphrase, const Argon2Cost& cost) {
  start_sodium();
  std::array<char, crypto_pwhash_STRBYTES> out{};
  if (::crypto_pwhash_str_alg(out.data(), text_of(passphrase), passphrase.size(), cost.passes,
                              cost.memory_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0)
    return fail(Errc::kFull, "no memory for Argon2id");
  return std::string(out.data());
}

bool verify_passphrase(const std::string& hash, const SecretBytes& passphrase) {
  start_sodium();
  return ::crypto_pwhash_str_verify(hash.c_str(), text_of(passphrase), passphrase.size()) == 0;
}

Result<Key32> derive_key(const SecretBytes& passphrase, const std::array<std::uint8_t, 16>& salt,
                         const Argon2Cost& cost) {
  static_assert(crypto_pwhash_SALTBYTES == 16);
  start_sodium();
  Key32 key;
  if (::crypto_pwhash(key.expose_mut().data(), Key32::size(), text_of(passphrase),
                      passphrase.size(), salt.data(), cost.passes, cost.memory_bytes,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
    return fail(Errc::kFull, "no memory for Argon2id");
  return key;
}

}  // namespace callward::crypto
