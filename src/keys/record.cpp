#include "keys/record.hpp"

#include "base/check.hpp"

namespace callward::keys {
namespace {

constexpr std::string_view kMagic = "CWR1";
constexpr std::uint8_t kStreamMax = 15;

std::array<std::uint8_t, 32> commitment_of(RecordKind kind, const Salt& salt, const Key32& key) {
  std::array<std::uint8_t, 53> message{'C', 'W', 'C', '1', static_cast<std::uint8_t>(kind)};
  std::memcpy(message.data() + 5, salt.data(), salt.size());
  std::memcpy(message.data() + 21, key.expose().data(), 32);
  std::array<std::uint8_t, 32> out{};
  crypto::sha256_one_block(out, message);
  wipe(message.data(), message.size());
  return out;
}

bool known(std::uint8_t kind) {
  switch (static_cast<RecordKind>(kind)) {
    case RecordKind::kAudio:
    case RecordKind::kWords:
    case RecordKind::kPeaks:
    case RecordKind::kFindings:
    case RecordKind::kCallData:
    case RecordKind::kField:
    case RecordKind::kStatement:
      return true;
  }
  return false;
}

}  // namespace

Result<RecordHeader> RecordHeader::parse(ByteView raw) {
  ByteReader in(raw);
  const auto magic = in.bytes(4);
  const auto version = in.u8();
  const auto kind = in.u8();
  RecordHeader header;
  header.stream = in.u8();
  header.codec = in.u8();
  header.first = in.u32();
  header.last = in.u32();
  header.payload_bytes = in.u32();
  header.streams = in.u16();
  const auto reserved = in.u16();
  header.salt = in.array<16>();
  header.commitment = in.array<32>();
  if (!in.ok()) return fail(Errc::kMalformed, "record is shorter than its header");
  if (as_text(magic) != kMagic) return fail(Errc::kMalformed, "record has a wrong magic");
  if (version != kRecordVersion)
    return fail(Errc::kUnsupported,
                "record of version " + std::to_string(version) + "; this program knows 1");
  if (!known(kind))
    return fail(Errc::kUnsupported, "record of unknown kind " + std::to_string(kind));
  header.kind = static_cast<RecordKind>(kind);
  if (header.payload_bytes > kRecordPayloadBytesMax)
    return fail(Errc::kTooLarge, "record's payload is over its limit");
  const bool derived = is_derived(header.kind);
  if (reserved != 0 || header.stream > kStreamMax || header.first > header.last ||
      header.last >= 1u << 20 || derived != (header.streams != 0) ||
      (!derived && header.first != header.last) ||
      (derived && header.last - header.first >= kDerivedSegmentsMax))
    return fail(Errc::kMalformed, "record's header contradicts itself");
  return header;
}

HeaderBytes RecordHeader::encode() const {
  HeaderBytes out{};
  std::memcpy(out.data(), kMagic.data(), 4);
  out[4] = kRecordVersion;
  out[5] = static_cast<std::uint8_t>(kind);
  out[6] = stream;
  out[7] = codec;
  store_le(out.data() + 8, first);
  store_le(out.data() + 12, last);
  store_le(out.data() + 16, payload_bytes);
  store_le(out.data() + 20, streams);
  std::memcpy(out.data() + 24, salt.data(), salt.size());
  std::memcpy(out.data() + 40, commitment.data(), commitment.size());
  return out;
}

Result<RecordHeader> parse_record(ByteView record) {
  auto header = TRY(RecordHeader::parse(record));
  if (record.size() != header.record_bytes())
    return fail(Errc::kMalformed, "record's length contradicts its header");
  return header;
}

Key32 record_key(RecordKind kind, const Salt& salt, const Key32& leaf) {
  std::array<std::uint8_t, 53> message{'C', 'W', 'E', '1', static_cast<std::uint8_t>(kind)};
  std::memcpy(message.data() + 5, salt.data(), salt.size());
  std::memcpy(message.data() + 21, leaf.expose().data(), 32);
  Key32 key;
  crypto::sha256_one_block(key.expose_mut(), message);
  wipe(message.data(), message.size());
  return key;
}

DerivedKeyBuilder::DerivedKeyBuilder(RecordKind kind, const Salt& salt) {
  const auto byte = static_cast<std::uint8_t>(kind);
  hash_.update(as_bytes("CWD1")).update(ByteView(&byte, 1)).update(salt);
}

Key32 DerivedKeyBuilder::finish() {
  Key32 key;
  hash_.finish(key.expose_mut());
  return key;
}

Result<Key32> key_of_record(const RecordHeader& header, const LeafSource& leaf_source) {
  if (!is_derived(header.kind))
    return record_key(header.kind, header.salt, TRY(leaf_source(header.stream, header.first)));
  DerivedKeyBuilder builder(header.kind, header.salt);
  for (std::uint8_t stream = 0; stream <= kStreamMax; ++stream) {
    if ((header.streams >> stream & 1) == 0) continue;
    for (auto index = header.first; index <= header.last; ++index)
      builder.add(TRY(leaf_source(stream, index)));
  }
  return builder.finish();
}

bool commitment_matches(const RecordHeader& header, const Key32& key) {
  return equal_constant_time(commitment_of(header.kind, header.salt, key), header.commitment);
}

Bytes RecordCipher::seal_with(RecordHeader header, const RecordOwner& owner, ByteView plain,
                              const Key32& key) {
  CHECK(plain.size() <= kRecordPayloadBytesMax);
  header.payload_bytes = static_cast<std::uint32_t>(plain.size());
  header.commitment = commitment_of(header.kind, header.salt, key);
  const auto head = header.encode();
  Bytes record(header.record_bytes());
  std::memcpy(record.data(), head.data(), head.size());
  gcm_.seal(MutByteView(record).subspan(kRecordHeaderBytes), key, {}, head, owner.bytes, plain);
  return record;
}

Bytes RecordCipher::seal(Entropy& entropy, RecordHeader header, const RecordOwner& owner,
                         ByteView plain, const Key32& leaf) {
  CHECK(!is_derived(header.kind));
  header.streams = 0;
  header.last = header.first;
  entropy.fill(header.salt);
  return seal_with(header, owner, plain, record_key(header.kind, header.salt, leaf));
}

Result<Bytes> RecordCipher::seal_derived(Entropy& entropy, RecordHeader header,
                                         const RecordOwner& owner, ByteView plain,
                                         const LeafSource& leaf_source) {
  CHECK(is_derived(header.kind) && header.streams != 0);
  if (header.first > header.last || header.last - header.first >= kDerivedSegmentsMax ||
      header.last > 0xFFFFF)
    return fail(Errc::kMalformed, "derived record covers too much");
  entropy.fill(header.salt);
  return seal_with(header, owner, plain, TRY(key_of_record(header, leaf_source)));
}

Result<SecretBytes> RecordCipher::open(ByteView record, const RecordOwner& owner,
                                       const Key32& key) {
  const auto header = TRY(parse_record(record));
  if (!commitment_matches(header, key))
    return fail(Errc::kCorrupt, "record is committed to another key");
  SecretBytes plain(header.payload_bytes);
  TRY(gcm_.open(plain.expose_mut(), key, {}, record.first(kRecordHeaderBytes), owner.bytes,
                record.subspan(kRecordHeaderBytes)));
  return plain;
}

}  // namespace callward::keys
