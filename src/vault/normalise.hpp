// One way to write what people write in many: so that the same number, address or name is found and
// compared whoever typed it. Nothing here is shown to anybody.
#pragma once

#include <string_view>

#include "base/secret.hpp"
#include "vault/policy.hpp"

namespace callward::vault {

inline constexpr std::size_t kValueBytesMax = 4'000;  // of one field, UTF-8

// kMalformed: empty, over kValueBytesMax, not UTF-8, with control characters besides line breaks;
// of a phone, no number that could be one in `region` (ISO 3166, two letters) or elsewhere; of an
// e-mail, no address.
//
//   phone          E.164 (libphonenumber)
//   email          lower case (RFC 5321 lets the part before the @ differ by case; nobody's does)
//   name, word     NFKC, folded case, one blank between words (Unicode 15, ICU)
//   code, pin, card  without blanks and dashes
//   others         as they are
//
// Of what the libraries did with it nothing is left on the stack.
Result<SecretBytes> normalise(FieldKind kind, ByteView text, std::string_view region);

}  // namespace callward::vault
