// Recording object: one immutable file a call. Derived object: the same container beside it, for
// what was computed from the call; it is replaced as a whole when there is more.
// docs/formats/object.md has the table.
//
//   head block · records, one after another, as they were sealed · index · footer
//
//   head    0 "CWO1"   4 version u16 (1) · kind u16 (1 recording, 2 derived)
//           8 head_bytes u32 · reserved u32
//           16 packed ObjectHead (base/pack.hpp)   .. crc32c u32 of all before it
//   index   per record, in their order, 24 bytes each: offset u64 · bytes u32 · first u32 ·
//           last u32 · kind u8 · stream u8 · codec u8 · reserved u8
//   footer  0 "CWOF"   4 version u16 (1) · reserved u16 · index_offset u64 · records u32 ·
//           reserved u32 · leaves u64 · root[32] · crc32c u32 of index and footer before it;
//           68 bytes, at the end of the file
//
// Root: RFC 6962 over leaf 0 = the whole head block, then each record's bytes. It verifies for
// ever, whatever was erased: it is over ciphertext. No personal data: roles, times, and the account
// are all that stands open.
#pragma once

#include <memory>
#include <optional>

#include "base/vfs.hpp"
#include "keys/record.hpp"
#include "store/merkle.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::store {

enum class ObjectKind : std::uint16_t { kRecording = 1, kDerived = 2 };

inline constexpr std::size_t kObjectHeadFixedBytes = 16;
inline constexpr std::size_t kObjectHeadBytesMax = 8u << 20;
inline constexpr std::size_t kObjectIndexEntryBytes = 24;
inline constexpr std::size_t kObjectFooterBytes = 68;
inline constexpr std::uint32_t kObjectRecordsMax = 1u
                                                   << 25;  // 15 streams of 29 hours, and then some

struct ObjectStream {
  std::uint8_t stream = 0;
  Party party{};
  std::uint8_t codec = 0;       // at the call's start
  std::uint32_t end_index = 0;  // one past the last segment
  template <class V>
  void visit(V& v) {
    v(stream, party, codec, end_index);
  }
};
struct ObjectHead {
  CallId call;
  std::uint64_t sequence = 0;  // the recorder's running number
  keys::CallSource source{};
  keys::Direction direction{};
  std::int64_t started_at = 0, ended_at = 0;  // UTC ms
  std::string cause;                          // of the end
  std::vector<ObjectStream> streams;
  std::vector<std::string> flags;
  std::vector<RecorderInterval> account;  // the recorder's half; empty in a derived object
  template <class V>
  void visit(V& v) {
    v(call, sequence, source, direction, started_at, ended_at, cause, streams, flags, account);
  }
};

struct ObjectEntry {
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0, first = 0, last = 0;
  keys::RecordKind kind{};
  std::uint8_t stream = 0, codec = 0;
};
struct ObjectSummary {
  Digest root{};
  std::uint64_t leaves = 0, bytes = 0;
};

Bytes make_object_head(ObjectKind kind, const ObjectHead& head);

// Writes head, records, index, footer into a file that is not yet visible to readers.
class ObjectWriter {
 public:
  // `file` is empty and stays the caller's.
  static Result<ObjectWriter> begin(VfsFile& file, ObjectKind kind, const ObjectHead& head);
  // kMalformed: not a whole record.
  Status add(ByteView record);
  // Syncs. The writer is done for.
  Result<ObjectSummary> finish();

 private:
  explicit ObjectWriter(VfsFile& file) : file_(&file) {}
  Status write(ByteView bytes);
  Status flush();
  VfsFile* file_;
  Bytes buffer_;
  std::uint64_t flushed_ = 0;
  MerkleBuilder merkle_;
  ByteWriter index_;
  std::uint32_t records_ = 0;
};

// Reads any part of an object. `open` checks head, index and footer with their checksums, not the
// records.
class ObjectReader {
 public:
  // kMalformed, kUnsupported (version or kind), kCorrupt (a checksum).
  static Result<ObjectReader> open(std::shared_ptr<VfsFile> file);

  [[nodiscard]] ObjectKind kind() const { return kind_; }
  [[nodiscard]] const ObjectHead& head() const { return head_; }
  [[nodiscard]] const std::vector<ObjectEntry>& entries() const { return entries_; }
  [[nodiscard]] const ObjectSummary& summary() const { return summary_; }
  [[nodiscard]] Result<Bytes> record(const ObjectEntry& entry) const;
  // Records of this kind and stream that touch [first, end), in the index's order, at most `max`.
  // Found by binary search: recordings are sorted by segment.
  [[nodiscard]] Result<std::vector<Bytes>> records(keys::RecordKind kind, std::uint8_t stream,
                                                   std::uint32_t first, std::uint32_t end,
                                                   std::size_t max) const;
  // Reads everything: every record parses and equals its entry, nothing stands between them, the
  // root is the footer's. kCorrupt names the first thing that is wrong.
  [[nodiscard]] Status verify() const;
  // Inclusion proof of leaf n (0 is the head, record i is leaf i + 1); reads everything.
  [[nodiscard]] Result<std::vector<Digest>> prove(std::uint64_t leaf) const;

 private:
  explicit ObjectReader(std::shared_ptr<VfsFile> file) : file_(std::move(file)) {}
  Status read_head();
  Status read_index();
  [[nodiscard]] Result<Bytes> read(std::uint64_t offset, std::uint64_t bytes) const;
  template <class OnLeaf>
  Status each_leaf(const OnLeaf& on_leaf) const;

  std::shared_ptr<VfsFile> file_;
  std::uint64_t size_ = 0;
  std::uint64_t head_bytes_ = 0;
  ObjectKind kind_{};
  ObjectHead head_;
  std::vector<ObjectEntry> entries_;
  std::vector<std::uint32_t> by_segment_;  // positions in entries_, by (kind, stream, first)
  ObjectSummary summary_;
};

}  // namespace callward::store
