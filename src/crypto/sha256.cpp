#include "crypto/sha256.hpp"

#include <algorithm>

#include "base/check.hpp"

// The low-level SHA256_* functions are marked deprecated in OpenSSL 3 in favour of EVP, whose fetch
// and context cost more than the compression itself here (measured: 0.3 against 0.07 us). They are
// stable and use the processor's SHA instructions.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace callward::crypto {

void Sha256::reset() { CHECK(SHA256_Init(&state_) == 1); }

Sha256& Sha256::update(ByteView bytes) {
  if (!bytes.empty()) CHECK(SHA256_Update(&state_, bytes.data(), bytes.size()) == 1);
  return *this;
}

void Sha256::finish(std::span<std::uint8_t, 32> out) {
  CHECK(SHA256_Final(out.data(), &state_) == 1);
}

Digest sha256(ByteView bytes) { return Sha256().update(bytes).finish(); }

Digest sha256(std::initializer_list<ByteView> parts) {
  Sha256 hash;
  for (const auto part : parts) hash.update(part);
  return hash.finish();
}

void sha256_into(Key32& out, std::initializer_list<ByteView> parts) {
  Sha256 hash;
  for (const auto part : parts) hash.update(part);
  hash.finish(out.expose_mut());
}

void sha256_one_block(std::span<std::uint8_t, 32> out, ByteView message) {
  constexpr std::size_t kBlock = 64;
  constexpr std::size_t kMessageMax = 55;  // one byte of padding and eight of length must fit
  CHECK(message.size() <= kMessageMax);
  std::array<std::uint8_t, kBlock> block{};
  std::copy(message.begin(), message.end(), block.begin());
  block[message.size()] = 0x80;
  const auto bits = message.size() * 8;
  block[62] = static_cast<std::uint8_t>(bits >> 8);
  block[63] = static_cast<std::uint8_t>(bits);
  SHA256_CTX state;
  SHA256_Init(&state);
  SHA256_Transform(&state, block.data());
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint32_t word = __builtin_bswap32(state.h[i]);
    std::memcpy(out.data() + 4 * i, &word, 4);
  }
  wipe(block.data(), block.size());
  wipe(&state, sizeof state);
}

Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  std::array<std::uint8_t, 64> inner{};
  if (key.size() > inner.size()) {
    const auto shortened = sha256(key);
    std::memcpy(inner.data(), shortened.data(), shortened.size());
  } else if (!key.empty()) {
    std::memcpy(inner.data(), key.data(), key.size());
  }
  auto outer = inner;
  for (auto& byte : inner) byte ^= 0x36;
  for (auto& byte : outer) byte ^= 0x5C;
  Sha256 hash;
  hash.update(inner);
  for (const auto part : parts) hash.update(part);
  const auto digest = hash.finish();
  const auto result = sha256({outer, digest});
  wipe(inner.data(), inner.size());
  wipe(outer.data(), outer.size());
  return result;
}

Key32 hkdf_extract(ByteView salt, ByteView input_key) {
  auto digest = hmac_sha256(salt, {input_key});
  Key32 key{std::span<const std::uint8_t, 32>(digest)};
  wipe(digest.data(), digest.size());
  return key;
}

void hkdf_expand(MutByteView out, const Key32& pseudo_random_key, ByteView info) {
  CHECK(out.size() <= 255 * 32);
  Digest block{};
  std::size_t block_size = 0;
  std::uint8_t counter = 0;
  while (!out.empty()) {
    ++counter;
    block = hmac_sha256(pseudo_random_key.expose(),
                        {ByteView(block).first(block_size), info, ByteView(&counter, 1)});
    block_size = block.size();
    const auto take = std::min(block.size(), out.size());
    std::memcpy(out.data(), block.data(), take);
    out = out.subspan(take);
  }
  wipe(block.data(), block.size());
}

}  // namespace callward::crypto
