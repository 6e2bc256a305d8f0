// A customer's values as records (keys/record.hpp): sealed by one leaf of the customer's tree,
// bound to customer, case, field and version, so that one that was swapped opens nowhere else.
// Their length tells little: values are filled up to a multiple of 64 bytes.
// docs/formats/customer.md
#pragma once

#include "keys/record.hpp"
#include "vault/customer.hpp"

namespace callward::vault {

// Whose a value is: SHA-256("CWF1" || customer || case u32 || leaf u32 || field), its first half.
keys::RecordOwner owner_of(const CustomerId& customer, CaseNumber of_case, Leaf leaf,
                           std::string_view field);

// kind: kField, or kStatement for what was said about a request.
Result<Bytes> seal_value(keys::RecordCipher& cipher, Entropy& entropy, const Customer& customer,
                         const Version& version, keys::RecordKind kind, ByteView value);
// kErased: its leaf is gone. kCorrupt: it is another's, or was changed. kMalformed.
Result<SecretBytes> open_value(keys::RecordCipher& cipher, const Customer& customer,
                               const Version& version, keys::RecordKind kind, ByteView record);

}  // namespace callward::vault
