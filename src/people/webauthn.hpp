// Passkeys: what a person's authenticator says through a browser, checked by libfido2 (W3C Web
// Authentication Level 2, 7.1 and 7.2; of Level 3 that what is backed up must be able to be).
//
// A challenge is 32 bytes that the caller makes: random where somebody signs in, the hash of what
// is agreed to where somebody acts. The person's presence and verification (PIN, finger) are asked
// for always, so that one passkey is two factors.
//
// No attestation and no extensions are asked for; an attestation is not believed, extensions are
// refused. Whose key it is, is what the role chart says.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.hpp"

namespace callward::people {

struct RelyingParty {
  std::string id;      // the host, as browsers know it: "calls.example"
  std::string origin;  // "https://calls.example:8443"
};

using Challenge = std::array<std::uint8_t, 32>;

// COSE algorithms (RFC 9053): those that every authenticator has one of.
inline constexpr std::int32_t kEs256 = -7, kEdDsa = -8;
// The specification lets ids be 1,023 bytes; those in use have some 300 at most, and a text of the
// log has 1,024 digits.
inline constexpr std::size_t kPasskeyIdBytesMax = 512;
inline constexpr std::size_t kAuthenticatorDataBytesMax = 4'096;
inline constexpr std::size_t kClientDataBytesMax = 4'096;
inline constexpr std::size_t kSignatureBytesMax = 1'024;

struct Passkey {
  Bytes id;  // the authenticator's name for it; public
  std::int32_t algorithm = 0;
  Bytes key;                // public: ES256 x ‖ y (64 bytes), EdDSA 32 bytes
  std::uint32_t count = 0;  // signatures so far, 0 where the authenticator does not count
};

struct Registration {
  std::string client_data;   // JSON, as the browser gave it
  Bytes authenticator_data;  // response.getAuthenticatorData()
};
struct Assertion {
  Bytes passkey;  // its id
  std::string client_data;
  Bytes authenticator_data, signature;
};

// Whether a key can be this: a point of ES256's curve; of EdDSA's, one of the group of prime order
// alone: under others signatures hold that nobody made.
bool is_key(std::int32_t algorithm, ByteView key);

// kMalformed: it cannot be read, is no key, or is of an algorithm that is not taken. kDenied: it
// answers another challenge, comes from another origin, or nobody was verified.
Result<Passkey> check_registration(const RelyingParty& party, const Challenge& challenge,
                                   const Registration& given);
// The number of signatures so far. kDenied also when the signature does not hold, and when the
// count did not grow: somebody has a copy of the key.
Result<std::uint32_t> check_assertion(const RelyingParty& party, const Challenge& challenge,
                                      const Passkey& passkey, const Assertion& given);

std::string to_base64url(ByteView bytes);  // RFC 4648, 5, without padding, as browsers write it

}  // namespace callward::people
