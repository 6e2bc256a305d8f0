#include "crypto/hpke.hpp"

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

detail::HpkeContext key_schedule(const Key32& shared, ByteView info) {
  constexpr std::uint8_t kModeBase = 0;
  const auto psk_id_hash = labeled_extract(kHpkeSuite, {}, "psk_id_hash", {});
  const auto info_hash = labeled_extract(kHpkeSuite, {}, "info_hash", info);
  ByteWriter context;
  context.u8(kModeBase);
  context.bytes(psk_id_hash.expose());
  context.bytes(info_hash.expose());
  const auto secret = labeled_extract(kHpkeSuite, shared.expose(), "secret", {});
  Key32 key;
  AeadNonce nonce{};
  labeled_expand(key.expose_mut(), kHpkeSuite, secret, "key", context.view());
  labeled_expand(nonce, kHpkeSuite, secret, "base_nonce", context.view());
  return {std::move(key), nonce};
}

}  // namespace

Result<Key32> detail::kem_shared_secret(const Key32& ephemeral, const PublicKey& receiver) {
  const auto enc = TRY(x25519_public(ephemeral));
  const auto dh = TRY(x25519(ephemeral, receiver));
  return kem_secret(dh, enc, receiver);
}

AeadNonce detail::HpkeContext::nonce() const {
  auto nonce = base_;
  for (std::size_t i = 0; i < sizeof sequence_; ++i)
    nonce[nonce.size() - 1 - i] ^= static_cast<std::uint8_t>(sequence_ >> (8 * i));
  return nonce;
}

// ---- who seals ----------------------------------------------------------------------------------

Result<HpkeSender> HpkeSender::with(const Key32& ephemeral, const PublicKey& receiver,
                                    ByteView info) {
  const auto enc = TRY(x25519_public(ephemeral));
  const auto dh = TRY(x25519(ephemeral, receiver));
  return HpkeSender(enc, key_schedule(kem_secret(dh, enc, receiver), info));
}

Result<HpkeSender> HpkeSender::make(Entropy& entropy, const PublicKey& receiver, ByteView info) {
  return with(entropy.key(), receiver, info);
}

Bytes HpkeSender::seal(ByteView aad, ByteView plain) {
  auto sealed = aead_seal(context_.key(), context_.nonce(), aad, plain);
  context_.next();
  return sealed;
}

Result<HpkeSealed> hpke_seal(Entropy& entropy, const PublicKey& receiver, ByteView info,
                             ByteView aad, ByteView plain) {
  auto sender = TRY(HpkeSender::make(entropy, receiver, info));
  return HpkeSealed{sender.enc(), sender.seal(aad, plain)};
}

// ---- who opens ----------------------------------------------------------------------------------

Result<HpkeReceiver> HpkeReceiver::make(const Key32& secret, const PublicKey& receiver,
                                        const PublicKey& enc, ByteView info) {
  const auto dh = TRY(x25519(secret, enc));
  return HpkeReceiver(key_schedule(kem_secret(dh, enc, receiver), info));
}

Result<SecretBytes> HpkeReceiver::open(ByteView aad, ByteView ciphertext) {
  auto plain = TRY(aead_open(context_.key(), context_.nonce(), aad, ciphertext));
  context_.next();
  return plain;
}

Result<SecretBytes> hpke_open(const Key32& receiver_secret, const PublicKey& enc, ByteView info,
                              ByteView aad, ByteView ciphertext) {
  const auto receiver = TRY(x25519_public(receiver_secret));
  return TRY(HpkeReceiver::make(receiver_secret, receiver, enc, info)).open(aad, ciphertext);
}

}  // namespace callward::crypto
