#include "people/invitation.hpp"

#include "base/pack.hpp"
#include "crypto/sha256.hpp"

namespace callward::people {
namespace {

// One name for each use: nothing that is hashed for one is worth anything for another.
constexpr std::string_view kSeed = "CWS1 invitation key";
constexpr std::string_view kLink = "CWS1 invitation link";
constexpr std::string_view kInvite = "CWS1 invitation";
constexpr std::string_view kFirstKey = "CWS1 first key";

}  // namespace

Key32 invitation_seed(const Key32& secret) {
  return Key32(crypto::sha256({as_bytes(kSeed), secret.expose()}));
}

crypto::Digest invitation_link(const Key32& secret) {
  return crypto::sha256({as_bytes(kLink), secret.expose()});
}

crypto::Digest invite_of(const crypto::PublicKey& key) {
  return crypto::sha256({as_bytes(kInvite), key});
}

crypto::Digest invitation_hash(const PersonId& person, const crypto::Digest& invite,
                               const Passkey& passkey) {
  // What has no fixed length comes with it, so that no two passkeys are hashed alike.
  std::array<std::uint8_t, 6> form;
  store_le(form.data(), static_cast<std::uint32_t>(passkey.algorithm));
  store_le(form.data() + 4, static_cast<std::uint16_t>(passkey.id.size()));
  return crypto::sha256({as_bytes(kFirstKey), person.bytes, invite, form, passkey.id, passkey.key});
}

Result<Bytes> answer_invitation(const Key32& secret, const PersonId& person,
                                const Passkey& passkey) {
  const auto seed = invitation_seed(secret);
  const auto key = TRY(crypto::ed25519_public(seed));
  const auto signature =
      TRY(crypto::ed25519_sign(seed, invitation_hash(person, invite_of(key), passkey)));
  Bytes token(key.begin(), key.end());
  token.insert(token.end(), signature.begin(), signature.end());
  return token;
}

bool fits_invitation(const crypto::Digest& invite, const Change& first_key) {
  const ByteView token = first_key.token;
  if (token.size() == kPlainTokenBytes) return crypto::sha256(token) == invite;
  if (token.size() != kInvitationTokenBytes) return false;
  ByteReader in(token);
  const auto key = in.array<32>();
  return invite_of(key) == invite &&
         crypto::ed25519_verify(key, invitation_hash(first_key.person, invite, first_key.key),
                                in.bytes(kInvitationTokenBytes - key.size()));
}

}  // namespace callward::people
