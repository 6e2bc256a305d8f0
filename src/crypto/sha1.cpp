#include "crypto/sha1.hpp"

#include <openssl/evp.h>

#include "base/check.hpp"

namespace callward::crypto {

std::array<std::uint8_t, 20> sha1(ByteView bytes) {
  std::array<std::uint8_t, 20> out{};
  unsigned length = 0;
  CHECK(::EVP_Digest(bytes.data(), bytes.size(), out.data(), &length, ::EVP_sha1(), nullptr) == 1);
  CHECK(length == out.size());
  return out;
}

}  // namespace callward::crypto
