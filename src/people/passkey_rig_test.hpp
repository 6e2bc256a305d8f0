// An authenticator of the test's own: keys by OpenSSL, everything else as Web Authentication writes
// it. Real ones are met in the browser's stories.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>

#include <memory>

#include "crypto/curve25519.hpp"
#include "crypto/sha256.hpp"
#include "people/webauthn.hpp"

namespace callward::people::test {

class Authenticator {
 public:
  explicit Authenticator(std::uint8_t seed, std::int32_t algorithm = kEs256)
      : algorithm_(algorithm), id_(32, seed) {
    if (algorithm == kEs256)
      pair_.reset(EVP_EC_gen("P-256"));
    else
      seed_.expose_mut()[0] = seed;
  }
  bool verifies = true, present = true;  // flags of what it says next
  std::uint32_t count = 0;               // said as it is
  std::string type, origin;              // instead of the right ones
  std::string more;                      // further fields of the client data

  Registration enrol(const RelyingParty& party, const Challenge& challenge) {
    auto data = head(party, 0x40);
    data.resize(data.size() + 16);  // AAGUID
    data.push_back(0);
    data.push_back(static_cast<std::uint8_t>(id_.size()));
    append(data, id_);
    append(data, cose());
    return {client_data(party, challenge, "webauthn.create"), data};
  }
  Assertion sign(const RelyingParty& party, const Challenge& challenge) {
    return sign_over(client_data(party, challenge, "webauthn.get"), head(party, 0));
  }
  // Whatever it is told to, as no good authenticator would.
  Assertion sign_over(const std::string& client_data, const Bytes& authenticator_data) {
    auto message = authenticator_data;
    append(message, crypto::sha256(as_bytes(client_data)));
    return {id_, client_data, authenticator_data, signature(message)};
  }

 private:
  static void append(Bytes& to, ByteView what) { to.insert(to.end(), what.begin(), what.end()); }
  [[nodiscard]] Bytes head(const RelyingParty& party, std::uint8_t flags) const {
    Bytes data;
    append(data, crypto::sha256(as_bytes(party.id)));
    data.push_back(static_cast<std::uint8_t>(flags | (present ? 1 : 0) | (verifies ? 4 : 0)));
    for (int shift = 24; shift >= 0; shift -= 8)
      data.push_back(static_cast<std::uint8_t>(count >> shift));
    return data;
  }
  [[nodiscard]] std::string client_data(const RelyingParty& party, const Challenge& challenge,
                                        const std::string& ceremony) const {
    return R"({"type":")" + (type.empty() ? ceremony : type) + R"(","challenge":")" +
           to_base64url(challenge) + R"(","origin":")" + (origin.empty() ? party.origin : origin) +
           "\"" + more + "}";
  }
  [[nodiscard]] Bytes cose() const {
    if (algorithm_ == kEdDsa) {
      Bytes key{0xA4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20};
      append(key, *crypto::ed25519_public(seed_));
      return key;
    }
    std::array<std::uint8_t, 65> point{};
    std::size_t length = 0;
    EVP_PKEY_get_octet_string_param(pair_.get(), "encoded-pub-key", point.data(), point.size(),
                                    &length);
    Bytes key{0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20};
    append(key, ByteView(point).subspan(1, 32));
    append(key, Bytes{0x22, 0x58, 0x20});
    append(key, ByteView(point).subspan(33, 32));
    return key;
  }
  [[nodiscard]] Bytes signature(ByteView message) const {
    if (algorithm_ == kEdDsa) return to_bytes(*crypto::ed25519_sign(seed_, message));
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
    Bytes out(80);
    std::size_t length = out.size();
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, pair_.get());
    EVP_DigestSign(context.get(), out.data(), &length, message.data(), message.size());
    out.resize(length);
    return out;
  }

  std::int32_t algorithm_;
  Bytes id_;
  Key32 seed_;
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pair_{nullptr, EVP_PKEY_free};
};

}  // namespace callward::people::test
