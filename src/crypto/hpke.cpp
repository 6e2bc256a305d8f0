#include "crypto/hpke.hpp"

#include "crypto/aead.hpp"
#include "crypto/sha256.hpp"

namespace callward::crypto {
namespace {

// RFC 9180, 4.1 and 5.1: the identifiers of the suite.
constexpr std::array<std::uint8_t, 5> kKemSuite = {'K', 'E', 'M', 0x00, 0x20};
constexpr std::array<std::uint8_t, 10> kHpkeSuite = {'H',  'P',  'K',  'E',  0x00,
                                                     0x20, 0x00, 0x01, 0x00, 0x02};
constexpr std::string_view kVersion = "HPKE-v1";

Bytes labeled(ByteView suite, std::string_view label, ByteView input) {
  ByteWriter out;
  out.text(kVersion);
  out.bytes(suite);
  out.text(label);
  out.bytes(input);
  return out.take();
}

Key32 labeled_extract(ByteView suite, ByteView salt, std::string_view label, ByteView input_key) {
  auto input = labeled(suite, label, input_key);
  auto key = hkdf_extract(salt, input);
  wipe(input);
  return key;
}

void labeled_expand(MutByteView out, ByteView suite, const Key32& key, std::string_view label,
                    ByteView info) {
  const std::array<std::uint8_t, 2> length = {static_cast<std::uint8_t>(out.size() >> 8),
                                              static_cast<std::uint8_t>(out.size())};
  ByteWriter whole;
  whole.bytes(length);
  whole.bytes(labeled(suite, label, info));
  hkdf_expand(out, key, whole.view());
}

Key32 kem_secret(const Key32& dh, const PublicKey& enc, const PublicKey& receiver) {
  ByteWriter context;
  context.bytes(enc);
  context.bytes(receiver);
  const auto eae = labeled_extract(kKemSuite, {}, "eae_prk", dh.expose());
  Key32 shared;
  labeled_expand(shared.expose_mut(), kKemSuite, eae, "shared_secret", context.view());
  return shared;
}

struct Schedule {
  Key32 key;
  AeadNonce nonce{};
};

Schedule key_schedule(const Key32& shared, ByteView info) {
  constexpr std::uint8_t kModeBase = 0;
  const auto psk_id_hash = labeled_extract(kHpkeSuite, {}, "psk_id_hash", {});
  const auto info_hash = labeled_extract(kHpkeSuite, {}, "info_hash", info);
  ByteWriter context;
  context.u8(kModeBase);
  context.bytes(psk_id_hash.expose());
  context.bytes(info_hash.expose());
  const auto secret = labeled_extract(kHpkeSuite, shared.expose(), "secret", {});
  Schedule schedule;
  labeled_expand(schedule.key.expose_mut(), kHpkeSuite, secret, "key", context.view());
  labeled_expand(schedule.nonce, kHpkeSuite, secret, "base_nonce", context.view());
  return schedule;
}

}  // namespace

Result<Key32> detail::kem_shared_secret(const Key32& ephemeral, const PublicKey& receiver) {
  const auto enc = TRY(x25519_public(ephemeral));
  const auto dh = TRY(x25519(ephemeral, receiver));
  return kem_secret(dh, enc, receiver);
}

Result<HpkeSealed> detail::hpke_seal_with(const Key32& ephemeral, const PublicKey& receiver,
                                          ByteView info, ByteView aad, ByteView plain) {
  HpkeSealed sealed;
  sealed.enc = TRY(x25519_public(ephemeral));
  const auto dh = TRY(x25519(ephemeral, receiver));
  const auto schedule = key_schedule(kem_secret(dh, sealed.enc, receiver), info);
  sealed.ciphertext = aead_seal(schedule.key, schedule.nonce, aad, plain);
  return sealed;
}

Result<HpkeSealed> hpke_seal(Entropy& entropy, const PublicKey& receiver, ByteView info,
                             ByteView aad, ByteView plain) {
  return detail::hpke_seal_with(entropy.key(), receiver, info, aad, plain);
}

Result<SecretBytes> hpke_open(const Key32& receiver_secret, const PublicKey& enc, ByteView info,
                              ByteView aad, ByteView ciphertext) {
  const auto receiver = TRY(x25519_public(receiver_secret));
  const auto dh = TRY(x25519(receiver_secret, enc));
  const auto schedule = key_schedule(kem_secret(dh, enc, receiver), info);
  return aead_open(schedule.key, schedule.nonce, aad, ciphertext);
}

}  // namespace callward::crypto
