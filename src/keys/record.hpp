// The sealed record: one format for audio segments, for what is computed from them, and for a
// call's own data (docs/formats/record.md). Little-endian:
//
//    0 "CWR1"            4 version u8 = 1   5 kind u8   6 stream u8   7 codec u8
//    8 first u32        12 last u32        16 payload_bytes u32      20 streams u16   22 u16 = 0
//   24 salt[16]         40 commitment[32]  72 ciphertext[payload_bytes]              .. tag[16]
//
//   all but derived:   key = SHA-256("CWE1" || kind || salt || leaf)
//   derived:           key = SHA-256("CWD1" || kind || salt || leaves of all streams in `streams`
//                            and all segments first..last, by stream, then index)
//   both:              commitment = SHA-256("CWC1" || kind || salt || key)
//                      AES-256-GCM, nonce 0, AAD = bytes 0..71 || owner (16 bytes: the call id; of
//                      what is a customer's: vault/field_record.hpp)
//
// Each key is used once (fresh salt). The commitment is compared before decrypting, because GCM
// does not commit to its key.
#pragma once

#include <array>
#include <functional>

#include "base/bytes.hpp"
#include "base/entropy.hpp"
#include "base/id.hpp"
#include "base/secret.hpp"
#include "crypto/aead.hpp"
#include "crypto/sha256.hpp"

namespace callward::keys {

enum class RecordKind : std::uint8_t {
  kAudio = 1,
  kWords = 2,
  kPeaks = 3,
  kFindings = 4,
  kCallData = 16,
  kField = 17,     // one version of one field of a customer
  kStatement = 18  // what somebody said in words about a request
};
constexpr const char* to_text(RecordKind kind) {
  switch (kind) {
    case RecordKind::kAudio:
      return "audio";
    case RecordKind::kWords:
      return "words";
    case RecordKind::kPeaks:
      return "peaks";
    case RecordKind::kFindings:
      return "findings";
    case RecordKind::kCallData:
      return "call_data";
    case RecordKind::kField:
      return "field";
    case RecordKind::kStatement:
      return "statement";
  }
  return "unknown";
}
constexpr bool is_derived(RecordKind kind) {
  return kind == RecordKind::kWords || kind == RecordKind::kPeaks || kind == RecordKind::kFindings;
}

inline constexpr std::size_t kRecordHeaderBytes = 72;
inline constexpr std::size_t kRecordOverheadBytes = kRecordHeaderBytes + crypto::kAeadTagBytes;
inline constexpr std::uint8_t kRecordVersion = 1;
inline constexpr std::uint32_t kRecordPayloadBytesMax = 1u << 20;
// A derived record may cover so many segments of so many streams.
inline constexpr std::uint32_t kDerivedSegmentsMax = 1'024;

using HeaderBytes = std::array<std::uint8_t, kRecordHeaderBytes>;
using Salt = std::array<std::uint8_t, 16>;

struct RecordHeader {
  RecordKind kind{};
  std::uint8_t stream = 0;
  std::uint8_t codec = 0;             // audio: 0 PCMU, 8 PCMA
  std::uint32_t first = 0, last = 0;  // segments, both inclusive; call data: the counter
  std::uint32_t payload_bytes = 0;
  std::uint16_t streams = 0;  // derived: mask of the streams whose leaves seal it; else 0
  Salt salt{};
  std::array<std::uint8_t, 32> commitment{};

  // kMalformed, kUnsupported (a version or kind that we do not know), kTooLarge.
  static Result<RecordHeader> parse(ByteView raw);
  [[nodiscard]] HeaderBytes encode() const;
  [[nodiscard]] std::size_t record_bytes() const { return kRecordOverheadBytes + payload_bytes; }
};

// Header of a whole record whose length is checked against it.
Result<RecordHeader> parse_record(ByteView record);

Key32 record_key(RecordKind kind, const Salt& salt, const Key32& leaf);
// Collects the leaves of a derived record in their order.
class DerivedKeyBuilder {
 public:
  DerivedKeyBuilder(RecordKind kind, const Salt& salt);
  void add(const Key32& leaf) { hash_.update(leaf.expose()); }
  Key32 finish();

 private:
  crypto::Sha256 hash_;
};

using LeafSource = std::function<Result<Key32>(std::uint8_t stream, std::uint32_t index)>;
// The key of any record, its leaves taken from `leaf_source`; its error when one cannot be had.
Result<Key32> key_of_record(const RecordHeader& header, const LeafSource& leaf_source);
[[nodiscard]] bool commitment_matches(const RecordHeader& header, const Key32& key);

// Whose a record is: bound to it as associated data, so that it opens in no other place.
struct RecordOwner {
  std::array<std::uint8_t, 16> bytes{};
  RecordOwner() = default;
  RecordOwner(const CallId& call) : bytes(call.bytes) {}  // NOLINT: a call is the usual owner
};

// Seals and opens; keeps one cipher context. One thread at a time.
class RecordCipher {
 public:
  // `header` gives kind, stream, codec, first, last, streams; salt and commitment are made here.
  Bytes seal(Entropy& entropy, RecordHeader header, const RecordOwner& owner, ByteView plain,
             const Key32& leaf);
  // With all leaves of a derived record.
  Result<Bytes> seal_derived(Entropy& entropy, RecordHeader header, const RecordOwner& owner,
                             ByteView plain, const LeafSource& leaf_source);
  // With the record's own key. kCorrupt: the commitment or the tag does not fit.
  Result<SecretBytes> open(ByteView record, const RecordOwner& owner, const Key32& key);

 private:
  Bytes seal_with(RecordHeader header, const RecordOwner& owner, ByteView plain, const Key32& key);
  crypto::Aes256Gcm gcm_;
};

}  // namespace callward::keys
