// SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869).
#pragma once

#include <openssl/sha.h>

#include <array>
#include <initializer_list>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace callward::crypto {

using Digest = std::array<std::uint8_t, 32>;

// Incremental; wipes its state when it goes, because what it hashed may be a key.
class Sha256 {
 public:
  Sha256() { reset(); }
  ~Sha256() { wipe(&state_, sizeof state_); }
  Sha256(const Sha256&) = default;
  Sha256& operator=(const Sha256&) = default;
  void reset();
  Sha256& update(ByteView bytes);
  void finish(std::span<std::uint8_t, 32> out);  // then reset() before the next use
  Digest finish() {
    Digest out;
    finish(out);
    return out;
  }

 private:
  SHA256_CTX state_;
};

Digest sha256(ByteView bytes);
Digest sha256(std::initializer_list<ByteView> parts);  // of their concatenation
// The same into a key.
void sha256_into(Key32& out, std::initializer_list<ByteView> parts);

// At most 55 bytes: one compression of an already padded block, without a context's overhead.
// The tree's hot path (erasure.md 1). CHECKs the length.
void sha256_one_block(std::span<std::uint8_t, 32> out, ByteView message);

Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

Key32 hkdf_extract(ByteView salt, ByteView input_key);
// out.size() <= 255 * 32.
void hkdf_expand(MutByteView out, const Key32& pseudo_random_key, ByteView info);

}  // namespace callward::crypto
