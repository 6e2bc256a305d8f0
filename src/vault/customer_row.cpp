// A customer's row in the key store (docs/formats/customer.md).
#include <algorithm>
#include <cstring>

#include "keys/page.hpp"
#include "vault/customer.hpp"

namespace callward::vault {
namespace {

constexpr std::size_t kVersionBytes = 32, kNodeBytes = 36;        // without what differs
constexpr std::uint8_t kFlagHeld = 1;                             // of a customer
constexpr std::uint8_t kCompares = 1, kFoundBy = 2, kMissed = 4;  // of a version

bool good_kind(FieldKind kind) {
  return kind >= FieldKind::kName && kind <= FieldKind::kServiceWord;
}
bool good_class(FieldClass c) {
  return c >= FieldClass::kReference && c <= FieldClass::kServiceWord;
}

void write(ByteWriter& out, const Version& version) {
  out.u8(static_cast<std::uint8_t>(version.field.size()));
  out.bytes(as_bytes(version.field));
  out.u8(static_cast<std::uint8_t>(version.kind));
  out.u8(static_cast<std::uint8_t>(version.of_class));
  out.u8(static_cast<std::uint8_t>(version.state));
  out.u8(static_cast<std::uint8_t>(version.gone_by));
  out.u32(version.of_case);
  out.u32(version.leaf);
  out.i64(version.stored_at);
  out.i64(version.gone_at);
  out.u8(static_cast<std::uint8_t>((version.compare ? kCompares : 0) |
                                   (version.found_by ? kFoundBy : 0) |
                                   (version.misses != 0 ? kMissed : 0)));
  if (version.compare) {
    out.bytes(version.compare->salt);
    out.bytes(version.compare->hash);
  }
  if (version.found_by) out.bytes(*version.found_by);
  if (version.misses != 0) out.u8(version.misses);
}

Result<Version> read_version(ByteReader& in) {
  Version version;
  version.field = std::string(as_text(in.bytes(in.u8())));
  version.kind = static_cast<FieldKind>(in.u8());
  version.of_class = static_cast<FieldClass>(in.u8());
  version.state = static_cast<FieldState>(in.u8());
  version.gone_by = static_cast<GoneBy>(in.u8());
  version.of_case = in.u32();
  version.leaf = in.u32();
  version.stored_at = in.i64();
  version.gone_at = in.i64();
  const auto flags = in.u8();
  if ((flags & kCompares) != 0) {
    CompareToken token;
    token.salt = in.array<16>();
    token.hash = in.array<32>();
    version.compare = token;
  }
  if ((flags & kFoundBy) != 0) version.found_by = in.array<16>();
  if ((flags & kMissed) != 0) version.misses = in.u8();
  const bool gone = version.state == FieldState::kGone;
  if (!in.ok() || (flags & ~(kCompares | kFoundBy | kMissed)) != 0 ||
      ((flags & kMissed) != 0) != (version.misses != 0) || version.misses > kMissesMax ||
      version.field.empty() || version.field.size() > 32 || !good_kind(version.kind) ||
      !good_class(version.of_class) || version.state < FieldState::kReadable ||
      version.state > FieldState::kGone || version.gone_by > GoneBy::kCustomer ||
      gone != (version.gone_by != GoneBy::kNothing) ||
      version.compare.has_value() != (version.state == FieldState::kCompareOnly))
    return fail(Errc::kMalformed, "customer's row: a field that contradicts itself");
  return version;
}

}  // namespace

// Each version has a leaf, each leaf that is open at most one node of its own; what follows the
// last one is covered by one a level.
std::size_t Customer::bytes_at_most() const {
  constexpr std::size_t kHeadBytes = 64, kCaseBytes = 60;
  constexpr std::size_t kFoundByBytes = 16, kTokenBytes = 48;
  const auto tokens = [](FieldClass of_class) {
    if (of_class == FieldClass::kSecret) return std::size_t{0};
    return kFoundByBytes + (of_class == FieldClass::kReference ? 0 : kTokenBytes);
  };
  std::size_t bytes = kHeadBytes + cases_.size() * kCaseBytes + 2 * keys::kTreeLevels * kNodeBytes;
  for (const auto& one : versions_)
    bytes += kVersionBytes + one.field.size() + kNodeBytes + tokens(one.of_class);
  return bytes;
}

std::size_t Customer::room_for_words() const {
  constexpr std::size_t kFieldBytes = 32, kFoundByBytes = 16;
  constexpr auto kWordsBytes = kVersionBytes + kFieldBytes + kNodeBytes + kFoundByBytes;
  const auto bytes = std::min<std::size_t>(bytes_at_most(), keys::kRowBytesMax);
  return std::min(kVersionsMax - std::min(kVersionsMax, versions_.size()),
                  (keys::kRowBytesMax - bytes) / kWordsBytes);
}

SecretBytes Customer::encode() const {
  ByteWriter head;
  head.u8(kCustomerRowVersion);
  head.bytes(id_.bytes);
  head.u8(held_ ? kFlagHeld : 0);
  head.u32(next_leaf_);
  head.u32(next_case_);
  head.i64(number_since_);
  head.u16(static_cast<std::uint16_t>(cases_.size()));
  for (const auto& one : cases_) {
    head.u32(one.number);
    head.i64(one.opened_at);
    head.i64(one.closed_at);
    head.i64(one.reference_until);
    head.i64(one.contact_until);
    head.bytes(one.technician.bytes);
    head.u16(one.reference_days);
    head.u16(one.contact_days);
  }
  head.u16(static_cast<std::uint16_t>(versions_.size()));
  for (const auto& version : versions_) write(head, version);
  const auto nodes = cover_.serialize();
  SecretBytes row(head.size() + nodes.size());
  std::memcpy(row.expose_mut().data(), head.view().data(), head.size());
  std::memcpy(row.expose_mut().data() + head.size(), nodes.expose().data(), nodes.size());
  return row;
}

Result<Customer> Customer::decode(std::uint64_t row, ByteView raw) {
  ByteReader in(raw);
  const auto row_version = in.u8();
  const bool with_days = row_version == kCustomerRowVersion;
  if (!with_days && row_version != kCustomerRowVersionWithoutDays)
    return fail(Errc::kUnsupported, "a customer's row of a version that is not known");
  Customer customer;
  customer.id_.bytes = in.array<16>();
  const auto said = row_of(customer.id_);
  if (!said || *said != row) return fail(Errc::kCorrupt, "a customer's row in another's place");
  const auto flags = in.u8();
  customer.held_ = (flags & kFlagHeld) != 0;
  customer.next_leaf_ = in.u32();
  customer.next_case_ = in.u32();
  customer.number_since_ = in.i64();
  const auto cases = in.u16();
  for (int i = 0; i < cases && in.ok(); ++i) {
    Case one;
    one.number = in.u32();
    one.opened_at = in.i64();
    one.closed_at = in.i64();
    one.reference_until = in.i64();
    one.contact_until = in.i64();
    one.technician.bytes = in.array<16>();
    if (with_days) one.reference_days = in.u16();
    if (with_days) one.contact_days = in.u16();
    if (one.number == 0 || one.number >= customer.next_case_)
      return fail(Errc::kMalformed, "customer's row: a case that is not numbered");
    customer.cases_.push_back(one);
  }
  const auto versions = in.u16();
  for (int i = 0; i < versions && in.ok(); ++i) {
    customer.versions_.push_back(TRY(read_version(in)));
    if (customer.versions_.back().leaf >= customer.next_leaf_)
      return fail(Errc::kMalformed, "customer's row: a leaf that is not used yet");
  }
  if (!in.ok() || (flags & ~kFlagHeld) != 0 || cases > kCasesMax || versions > kVersionsMax)
    return fail(Errc::kMalformed, "customer's row is cut off, or over its limits");
  customer.cover_ = TRY(keys::Cover::parse(in.bytes(in.remaining())));
  return customer;
}

}  // namespace callward::vault
