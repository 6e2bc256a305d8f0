// Hybrid public key encryption (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
// AES-256-GCM. One message, or one after another within a context, which costs one agreement of
// keys for all of them.
#pragma once

#include "crypto/aead.hpp"
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
// RFC 9180, 5.2: the key of a context and the nonce of its next message.
class HpkeContext {
 public:
  HpkeContext(Key32 key, const AeadNonce& base) : key_(std::move(key)), base_(base) {}
  [[nodiscard]] const Key32& key() const { return key_; }
  [[nodiscard]] AeadNonce nonce() const;
  void next() { ++sequence_; }

 private:
  Key32 key_;
  AeadNonce base_;
  std::uint64_t sequence_ = 0;
};
}  // namespace detail

class HpkeSender {
 public:
  // kMalformed for a receiver key without a shared secret.
  static Result<HpkeSender> make(Entropy& entropy, const PublicKey& receiver, ByteView info);
  static Result<HpkeSender> with(const Key32& ephemeral, const PublicKey& receiver, ByteView info);
  [[nodiscard]] const PublicKey& enc() const { return enc_; }
  Bytes seal(ByteView aad, ByteView plain);

 private:
  HpkeSender(const PublicKey& enc, detail::HpkeContext context)
      : enc_(enc), context_(std::move(context)) {}
  PublicKey enc_;
  detail::HpkeContext context_;
};

class HpkeReceiver {
 public:
  // The receiver's public key belongs to the secret one: who opens often keeps it.
  static Result<HpkeReceiver> make(const Key32& secret, const PublicKey& receiver,
                                   const PublicKey& enc, ByteView info);
  // The next message. kCorrupt: it does not fit, and the one that is next stays so.
  Result<SecretBytes> open(ByteView aad, ByteView ciphertext);

 private:
  explicit HpkeReceiver(detail::HpkeContext context) : context_(std::move(context)) {}
  detail::HpkeContext context_;
};

}  // namespace callward::crypto
