// X25519 (RFC 7748) and Ed25519 (RFC 8032) by OpenSSL; what a key is, by libsodium. Keys
// are the RFCs' raw 32 bytes.
#pragma once

#include <array>

#include "base/bytes.hpp"
#include "base/entropy.hpp"
#include "base/secret.hpp"

namespace callward::crypto {

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

// kCrypto if the library refuses.
Result<PublicKey> x25519_public(const Key32& secret);
// kMalformed for a peer's key that gives the all-zero secret (RFC 7748, 6.1).
Result<Key32> x25519(const Key32& secret, const PublicKey& peer);

Result<PublicKey> ed25519_public(const Key32& seed);
Result<Signature> ed25519_sign(const Key32& seed, ByteView message);
// Whether a seed can lead to this key: canonical, on the curve, in the group of prime order. For
// any other there are signatures that hold for many messages, or that not every verifier takes.
bool ed25519_is_key(const PublicKey& key);
// False also for what is no key.
bool ed25519_verify(const PublicKey& key, ByteView message, ByteView signature);

}  // namespace callward::crypto
