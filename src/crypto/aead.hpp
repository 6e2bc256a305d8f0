// AES-256-GCM (NIST SP 800-38D), 96-bit nonce, 128-bit tag, by OpenSSL.
#pragma once

#include <memory>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace callward::crypto {

inline constexpr std::size_t kAeadTagBytes = 16;
inline constexpr std::size_t kAeadNonceBytes = 12;
using AeadNonce = std::array<std::uint8_t, kAeadNonceBytes>;

// A reusable context: every record has a key of its own, so re-keying must be cheap. One thread at
// a time.
class Aes256Gcm {
 public:
  Aes256Gcm();
  ~Aes256Gcm();
  Aes256Gcm(const Aes256Gcm&) = delete;
  Aes256Gcm& operator=(const Aes256Gcm&) = delete;

  // out.size() == plain.size() + kAeadTagBytes (CHECKed); ciphertext, then tag. `aad` in two parts
  // to spare a copy.
  void seal(MutByteView out, const Key32& key, const AeadNonce& nonce, ByteView aad,
            ByteView aad_more, ByteView plain);
  // out.size() == sealed.size() - kAeadTagBytes. kCorrupt when the tag does not fit; `out` is then
  // wiped.
  Status open(MutByteView out, const Key32& key, const AeadNonce& nonce, ByteView aad,
              ByteView aad_more, ByteView sealed);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

// One-shot forms.
Bytes aead_seal(const Key32& key, const AeadNonce& nonce, ByteView aad, ByteView plain);
Result<SecretBytes> aead_open(const Key32& key, const AeadNonce& nonce, ByteView aad,
                              ByteView sealed);

}  // namespace callward::crypto
