// Hybrid public key encryption (RFC 9180), base mode, one message:
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
#pragma once

#include "crypto/curve25519.hpp"

namespace callward::crypto {

struct HpkeSealed {
  PublicKey enc{};   // the encapsulated key
  Bytes ciphertext;  // with its tag
};

// kMalformed for a receiver key without a shared secret. The ephemeral key comes from `entropy`.
Result<HpkeSealed> hpke_seal(Entropy& entropy, const PublicKey& receiver, ByteView info,
                             ByteView aad, ByteView plain);
// kCorrupt when key, info, aad or ciphertext do not fit together.
Result<SecretBytes> hpke_open(const Key32& receiver_secret, const PublicKey& enc, ByteView info,
                              ByteView aad, ByteView ciphertext);

namespace detail {
// The KEM's shared secret as the sender computes it.
Result<Key32> kem_shared_secret(const Key32& ephemeral, const PublicKey& receiver);
// With a given ephemeral key: for the RFC's vectors.
Result<HpkeSealed> hpke_seal_with(const Key32& ephemeral, const PublicKey& receiver, ByteView info,
                                  ByteView aad, ByteView plain);
}  // namespace detail

}  // namespace callward::crypto
