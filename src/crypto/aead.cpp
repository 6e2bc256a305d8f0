#include "crypto/aead.hpp"

#include <openssl/evp.h>

#include "base/check.hpp"

namespace callward::crypto {

struct Aes256Gcm::Contexts {
  // The cipher is fetched once: EVP_aes_256_gcm() would fetch it again at each re-keying.
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  EVP_CIPHER_CTX* seal = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* open = EVP_CIPHER_CTX_new();
  ~Contexts() {
    EVP_CIPHER_CTX_free(seal);
    EVP_CIPHER_CTX_free(open);
    EVP_CIPHER_free(cipher);
  }
};

Aes256Gcm::Aes256Gcm() : contexts_(std::make_unique<Contexts>()) {
  CHECK(contexts_->cipher != nullptr && contexts_->seal != nullptr && contexts_->open != nullptr);
  CHECK(EVP_EncryptInit_ex2(contexts_->seal, contexts_->cipher, nullptr, nullptr, nullptr) == 1);
  CHECK(EVP_DecryptInit_ex2(contexts_->open, contexts_->cipher, nullptr, nullptr, nullptr) == 1);
}

Aes256Gcm::~Aes256Gcm() = default;

void Aes256Gcm::seal(MutByteView out, const Key32& key, const AeadNonce& nonce, ByteView aad,
                     ByteView aad_more, ByteView plain) {
  CHECK(out.size() == plain.size() + kAeadTagBytes);
  auto* c = contexts_->seal;
  int n = 0;
  CHECK(EVP_EncryptInit_ex2(c, nullptr, key.expose().data(), nonce.data(), nullptr) == 1);
  if (!aad.empty())
    CHECK(EVP_EncryptUpdate(c, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
  if (!aad_more.empty())
    CHECK(EVP_EncryptUpdate(c, nullptr, &n, aad_more.data(), static_cast<int>(aad_more.size())) ==
          1);
  if (!plain.empty())
    CHECK(EVP_EncryptUpdate(c, out.data(), &n, plain.data(), static_cast<int>(plain.size())) == 1);
  CHECK(EVP_EncryptFinal_ex(c, out.data() + plain.size(), &n) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, out.data() + plain.size()) ==
        1);
}

Status Aes256Gcm::open(MutByteView out, const Key32& key, const AeadNonce& nonce, ByteView aad,
                       ByteView aad_more, ByteView sealed) {
  if (sealed.size() < kAeadTagBytes) return fail(Errc::kMalformed, "shorter than a tag");
  const auto size = sealed.size() - kAeadTagBytes;
  CHECK(out.size() == size);
  auto* c = contexts_->open;
  int n = 0;
  std::array<std::uint8_t, kAeadTagBytes> tag;
  std::memcpy(tag.data(), sealed.data() + size, tag.size());
  CHECK(EVP_DecryptInit_ex2(c, nullptr, key.expose().data(), nonce.data(), nullptr) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()) == 1);
  if (!aad.empty())
    CHECK(EVP_DecryptUpdate(c, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
  if (!aad_more.empty())
    CHECK(EVP_DecryptUpdate(c, nullptr, &n, aad_more.data(), static_cast<int>(aad_more.size())) ==
          1);
  if (size > 0)
    CHECK(EVP_DecryptUpdate(c, out.data(), &n, sealed.data(), static_cast<int>(size)) == 1);
  std::array<std::uint8_t, 16> rest;
  if (EVP_DecryptFinal_ex(c, rest.data(), &n) == 1) return {};
  wipe(out);
  return fail(Errc::kCorrupt, "authentication tag does not match");
}

Bytes aead_seal(const Key32& key, const AeadNonce& nonce, ByteView aad, ByteView plain) {
  Bytes out(plain.size() + kAeadTagBytes);
  Aes256Gcm().seal(out, key, nonce, aad, {}, plain);
  return out;
}

Result<SecretBytes> aead_open(const Key32& key, const AeadNonce& nonce, ByteView aad,
                              ByteView sealed) {
  if (sealed.size() < kAeadTagBytes) return fail(Errc::kMalformed, "shorter than a tag");
  SecretBytes out(sealed.size() - kAeadTagBytes);
  TRY(Aes256Gcm().open(out.expose_mut(), key, nonce, aad, {}, sealed));
  return out;
}

}  // namespace callward::crypto
