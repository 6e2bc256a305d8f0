#include "vault/field_record.hpp"

#include <algorithm>
#include <cstring>

#include "vault/normalise.hpp"

namespace callward::vault {
namespace {

constexpr std::size_t kLengthBytes = 2, kFilledTo = 64;

SecretBytes filled(ByteView value) {
  const auto whole = (kLengthBytes + value.size() + kFilledTo - 1) / kFilledTo * kFilledTo;
  SecretBytes out(whole);
  store_le(out.expose_mut().data(), static_cast<std::uint16_t>(value.size()));
  if (!value.empty())
    std::memcpy(out.expose_mut().data() + kLengthBytes, value.data(), value.size());
  return out;
}

}  // namespace

keys::RecordOwner owner_of(const CustomerId& customer, CaseNumber of_case, Leaf leaf,
                           std::string_view field) {
  std::array<std::uint8_t, 8> numbers{};
  store_le(numbers.data(), of_case);
  store_le(numbers.data() + 4, leaf);
  const auto whole = crypto::sha256({as_bytes("CWF1"), customer.bytes, numbers, as_bytes(field)});
  keys::RecordOwner owner;
  std::copy_n(whole.begin(), owner.bytes.size(), owner.bytes.begin());
  return owner;
}

Result<Bytes> seal_value(keys::RecordCipher& cipher, Entropy& entropy, const Customer& customer,
                         const Version& version, keys::RecordKind kind, ByteView value) {
  if (value.size() > kValueBytesMax) return fail(Errc::kTooLarge, "a value over its limit");
  const auto leaf = TRY(customer.cover().leaf(keys::leaf_of(0, version.leaf)));
  const auto plain = filled(value);
  return cipher.seal(
      entropy, {.kind = kind, .stream = 0, .first = version.leaf, .last = version.leaf},
      owner_of(customer.id(), version.of_case, version.leaf, version.field), plain.expose(), leaf);
}

Result<SecretBytes> open_value(keys::RecordCipher& cipher, const Customer& customer,
                               const Version& version, keys::RecordKind kind, ByteView record) {
  const auto header = TRY(keys::parse_record(record));
  if (header.kind != kind || header.stream != 0 || header.first != version.leaf)
    return fail(Errc::kCorrupt, "the record of another field");
  const auto key =
      TRY(keys::key_of_record(header, [&customer](std::uint8_t stream, std::uint32_t index) {
        return customer.cover().leaf(keys::leaf_of(stream, index));
      }));
  const auto plain = TRY(cipher.open(
      record, owner_of(customer.id(), version.of_case, version.leaf, version.field), key));
  const auto all = plain.expose();
  if (all.size() < kLengthBytes || all.size() % kFilledTo != 0)
    return fail(Errc::kMalformed, "a value of another form");
  const auto length = load_le<std::uint16_t>(all.data());
  if (length > kValueBytesMax || kLengthBytes + length > all.size())
    return fail(Errc::kMalformed, "a value of another form");
  return SecretBytes(all.subspan(kLengthBytes, length));
}

}  // namespace callward::vault
