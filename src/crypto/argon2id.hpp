// Argon2id (RFC 9106) by libsodium.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace callward::crypto {

struct Argon2Cost {
  unsigned long long passes = 3;
  std::size_t memory_bytes = 64u << 20;
};

// PHC string "$argon2id$v=19$m=...": salt from the kernel. kFull when the memory cannot be had.
Result<std::string> hash_passphrase(const SecretBytes& passphrase, const Argon2Cost& cost = {});
// Takes the time that the hash's own parameters ask for, right or wrong.
bool verify_passphrase(const std::string& hash, const SecretBytes& passphrase);

// A key from a passphrase and a salt, for wrapping.
Result<Key32> derive_key(const SecretBytes& passphrase, const std::array<std::uint8_t, 16>& salt,
                         const Argon2Cost& cost = {});

}  // namespace callward::crypto
