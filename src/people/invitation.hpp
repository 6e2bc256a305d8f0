// How somebody who is invited proves it without the server's word. The owner's browser makes a
// secret, which only the link holds: what the owner signs (`invite`) is of the key that follows
// from it, and that key signs whose first passkey it is. So who relays link, passkey and change,
// and sees all of them but the secret, enrols no other passkey. docs/formats/chart.md
#pragma once

#include "base/secret.hpp"
#include "crypto/curve25519.hpp"
#include "people/chart.hpp"

namespace callward::people {

// `token` of a first key: the invitation's public key, then its signature.
inline constexpr std::size_t kInvitationTokenBytes = 96;
// ... from before there was such: the secret itself, of 32 bytes, as of the founder.
inline constexpr std::size_t kPlainTokenBytes = 32;

// From the link's secret, as the browser has it: the key's seed.
Key32 invitation_seed(const Key32& secret);
// ... and what opens the link at the server, which so has nothing that leads to the key.
crypto::Digest invitation_link(const Key32& secret);

// What the owner signs.
crypto::Digest invite_of(const crypto::PublicKey& key);
// What the invitation's key signs: this passkey, for this person, by this invitation.
crypto::Digest invitation_hash(const PersonId& person, const crypto::Digest& invite,
                               const Passkey& passkey);
// The token that a first key brings. kCrypto.
Result<Bytes> answer_invitation(const Key32& secret, const PersonId& person,
                                const Passkey& passkey);
// Whether this first key is the one that `invite` meant; takes those of before, too.
bool fits_invitation(const crypto::Digest& invite, const Change& first_key);

}  // namespace callward::people
