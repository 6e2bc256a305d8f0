#include "store/object.hpp"

#include <algorithm>
#include <tuple>

#include "base/check.hpp"

namespace callward::store {
namespace {

constexpr std::string_view kHeadMagic = "CWO1";
constexpr std::string_view kFooterMagic = "CWOF";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kWriteBytes = 1u << 20;
constexpr std::size_t kFooterCrcAt = kObjectFooterBytes - 4;
constexpr std::size_t kStreamsMax = 16;

bool has_magic(ByteView in, std::string_view magic) {
  return in.size() >= magic.size() && std::memcmp(in.data(), magic.data(), magic.size()) == 0;
}

void put_entry(ByteWriter& out, const ObjectEntry& entry) {
  out.u64(entry.offset);
  out.u32(entry.bytes);
  out.u32(entry.first);
  out.u32(entry.last);
  out.u8(static_cast<std::uint8_t>(entry.kind));
  out.u8(entry.stream);
  out.u8(entry.codec);
  out.u8(0);
}

Status check_head(const ObjectHead& head) {
  if (head.streams.size() > kStreamsMax) return fail(Errc::kMalformed, "object: too many streams");
  for (const auto& stream : head.streams)
    if (stream.stream >= kStreamsMax - 1 || stream.party > Party::kMixed)
      return fail(Errc::kMalformed, "object: a stream that cannot be");
  if (!keys::is_call_source(head.source)) return fail(Errc::kMalformed, "object: source");
  if (head.direction > keys::Direction::kOutgoing)
    return fail(Errc::kMalformed, "object: direction");
  return {};
}

}  // namespace

Bytes make_object_head(ObjectKind kind, const ObjectHead& head) {
  const auto packed = pack(head);
  ByteWriter out;
  out.text(kHeadMagic);
  out.u16(kVersion);
  out.u16(static_cast<std::uint16_t>(kind));
  out.u32(static_cast<std::uint32_t>(kObjectHeadFixedBytes + packed.size() + 4));
  out.u32(0);
  out.bytes(packed);
  out.u32(crc32c(out.view()));
  return out.take();
}

// ---- writing ------------------------------------------------------------------------------------

Result<ObjectWriter> ObjectWriter::begin(VfsFile& file, ObjectKind kind, const ObjectHead& head) {
  ObjectWriter writer(file);
  const auto block = make_object_head(kind, head);
  if (block.size() > kObjectHeadBytesMax) return fail(Errc::kTooLarge, "object: head");
  writer.merkle_.add(block);
  TRY(writer.write(block));
  return writer;
}

Status ObjectWriter::write(ByteView bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return buffer_.size() >= kWriteBytes ? flush() : Status{};
}

Status ObjectWriter::flush() {
  if (buffer_.empty()) return {};
  TRY(file_->write_at(flushed_, buffer_));
  flushed_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status ObjectWriter::add(ByteView record) {
  const auto header = TRY(keys::parse_record(record));
  if (records_ >= kObjectRecordsMax) return fail(Errc::kTooLarge, "object: records");
  put_entry(index_, {flushed_ + buffer_.size(), static_cast<std::uint32_t>(record.size()),
                     header.first, header.last, header.kind, header.stream, header.codec});
  ++records_;
  merkle_.add(record);
  return write(record);
}

Result<ObjectSummary> ObjectWriter::finish() {
  const ObjectSummary summary{merkle_.root(), merkle_.leaves(),
                              flushed_ + buffer_.size() + index_.size() + kObjectFooterBytes};
  ByteWriter footer;
  footer.text(kFooterMagic);
  footer.u16(kVersion);
  footer.u16(0);
  footer.u64(flushed_ + buffer_.size());
  footer.u32(records_);
  footer.u32(0);
  footer.u64(summary.leaves);
  footer.bytes(summary.root);
  footer.u32(crc32c(footer.view(), crc32c(index_.view())));
  CHECK(footer.size() == kObjectFooterBytes);
  TRY(write(index_.view()));
  TRY(write(footer.view()));
  TRY(flush());
  TRY(file_->sync_data());
  return summary;
}

// ---- reading ------------------------------------------------------------------------------------

Result<ObjectReader> ObjectReader::open(std::shared_ptr<VfsFile> file) {
  ObjectReader reader(std::move(file));
  reader.size_ = TRY(reader.file_->size());
  TRY(reader.read_head());
  TRY(reader.read_index());
  return reader;
}

Result<Bytes> ObjectReader::read(std::uint64_t offset, std::uint64_t bytes) const {
  Bytes out(bytes);
  if (TRY(file_->read_at(offset, out)) != bytes)
    return fail(Errc::kCorrupt, "object: shorter than it says");
  return out;
}

Status ObjectReader::read_head() {
  if (size_ < kObjectHeadFixedBytes + 4 + kObjectFooterBytes)
    return fail(Errc::kMalformed, "object: too short");
  const auto fixed = TRY(read(0, kObjectHeadFixedBytes));
  if (!has_magic(fixed, kHeadMagic)) return fail(Errc::kMalformed, "not an object");
  if (load_le<std::uint16_t>(fixed.data() + 4) != kVersion)
    return fail(Errc::kUnsupported, "object: of another version");
  const auto kind = load_le<std::uint16_t>(fixed.data() + 6);
  if (kind != 1 && kind != 2) return fail(Errc::kUnsupported, "object: of an unknown kind");
  kind_ = static_cast<ObjectKind>(kind);
  head_bytes_ = load_le<std::uint32_t>(fixed.data() + 8);
  if (head_bytes_ < kObjectHeadFixedBytes + 4 || head_bytes_ > kObjectHeadBytesMax ||
      head_bytes_ > size_ - kObjectFooterBytes || load_le<std::uint32_t>(fixed.data() + 12) != 0)
    return fail(Errc::kMalformed, "object: head length");
  const auto block = TRY(read(0, head_bytes_));
  const auto content = ByteView(block).first(block.size() - 4);
  if (crc32c(content) != load_le<std::uint32_t>(block.data() + content.size()))
    return fail(Errc::kCorrupt, "object: checksum of the head");
  head_ = TRY(unpack<ObjectHead>(content.subspan(kObjectHeadFixedBytes)));
  return check_head(head_);
}

Status ObjectReader::read_index() {
  const auto footer = TRY(read(size_ - kObjectFooterBytes, kObjectFooterBytes));
  if (!has_magic(footer, kFooterMagic)) return fail(Errc::kCorrupt, "object: its end is missing");
  ByteReader in(ByteView(footer).subspan(4));
  const auto version = in.u16();
  const auto reserved = in.u16();
  const auto index_offset = in.u64();
  const auto records = in.u32();
  const auto reserved_too = in.u32();
  summary_.leaves = in.u64();
  summary_.root = in.array<32>();
  summary_.bytes = size_;
  if (version != kVersion) return fail(Errc::kUnsupported, "object: footer of another version");
  if (reserved != 0 || reserved_too != 0 || records > kObjectRecordsMax ||
      summary_.leaves != std::uint64_t{records} + 1 || index_offset < head_bytes_ ||
      index_offset > size_ ||
      index_offset + std::uint64_t{records} * kObjectIndexEntryBytes + kObjectFooterBytes != size_)
    return fail(Errc::kCorrupt, "object: footer does not fit the file");
  const auto index = TRY(read(index_offset, std::uint64_t{records} * kObjectIndexEntryBytes));
  if (crc32c(ByteView(footer).first(kFooterCrcAt), crc32c(index)) !=
      load_le<std::uint32_t>(footer.data() + kFooterCrcAt))
    return fail(Errc::kCorrupt, "object: checksum of index and footer");
  ByteReader rows(index);
  std::uint64_t at = head_bytes_;
  entries_.reserve(records);
  for (std::uint32_t i = 0; i < records; ++i) {
    ObjectEntry entry;
    entry.offset = rows.u64();
    entry.bytes = rows.u32();
    entry.first = rows.u32();
    entry.last = rows.u32();
    entry.kind = static_cast<keys::RecordKind>(rows.u8());
    entry.stream = rows.u8();
    entry.codec = rows.u8();
    if (rows.u8() != 0 || entry.offset != at || entry.bytes < keys::kRecordOverheadBytes ||
        entry.offset + entry.bytes > index_offset)
      return fail(Errc::kCorrupt, "object: the index does not fit the records");
    at += entry.bytes;
    entries_.push_back(entry);
    by_segment_.push_back(i);
  }
  if (at != index_offset) return fail(Errc::kCorrupt, "object: bytes between records and index");
  const auto key = [this](std::uint32_t i) {
    const auto& e = entries_[i];
    return std::tuple(e.kind, e.stream, e.first, i);
  };
  std::sort(by_segment_.begin(), by_segment_.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  return {};
}

Result<Bytes> ObjectReader::record(const ObjectEntry& entry) const {
  return read(entry.offset, entry.bytes);
}

Result<std::vector<Bytes>> ObjectReader::records(keys::RecordKind kind, std::uint8_t stream,
                                                 std::uint32_t first, std::uint32_t end,
                                                 std::size_t max) const {
  std::vector<Bytes> out;
  // A derived record may begin before `first` and still touch the range.
  const auto from = first > keys::kDerivedSegmentsMax ? first - keys::kDerivedSegmentsMax : 0;
  auto at = std::lower_bound(by_segment_.begin(), by_segment_.end(), std::tuple(kind, stream, from),
                             [this](std::uint32_t i, const auto& wanted) {
                               const auto& e = entries_[i];
                               return std::tuple(e.kind, e.stream, e.first) < wanted;
                             });
  for (; at != by_segment_.end() && out.size() < max; ++at) {
    const auto& entry = entries_[*at];
    if (entry.kind != kind || entry.stream != stream || entry.first >= end) break;
    if (entry.last < first) continue;
    out.push_back(TRY(record(entry)));
  }
  return out;
}

template <class OnLeaf>
Status ObjectReader::each_leaf(const OnLeaf& on_leaf) const {
  TRY(on_leaf(ByteView(TRY(read(0, head_bytes_))), nullptr));
  // Records lie one behind the other: read many at once.
  for (std::size_t i = 0; i < entries_.size();) {
    std::size_t last = i;
    std::uint64_t bytes = entries_[i].bytes;
    while (last + 1 < entries_.size() && bytes + entries_[last + 1].bytes <= kWriteBytes)
      bytes += entries_[++last].bytes;
    const auto raw = TRY(read(entries_[i].offset, bytes));
    std::size_t at = 0;
    for (; i <= last; ++i) {
      TRY(on_leaf(ByteView(raw).subspan(at, entries_[i].bytes), &entries_[i]));
      at += entries_[i].bytes;
    }
  }
  return {};
}

Status ObjectReader::verify() const {
  MerkleBuilder merkle;
  TRY(each_leaf([&](ByteView leaf, const ObjectEntry* entry) -> Status {
    merkle.add(leaf);
    if (entry == nullptr) return {};
    const auto header = keys::parse_record(leaf);
    if (!header)
      return fail(Errc::kCorrupt, "object: record at " + std::to_string(entry->offset) + ": " +
                                      header.error().message);
    if (header->first != entry->first || header->last != entry->last ||
        header->kind != entry->kind || header->stream != entry->stream ||
        header->codec != entry->codec)
      return fail(Errc::kCorrupt, "object: record at " + std::to_string(entry->offset) +
                                      " is not what the index says");
    return {};
  }));
  if (merkle.leaves() != summary_.leaves || merkle.root() != summary_.root)
    return fail(Errc::kCorrupt, "object: the Merkle root does not match");
  return {};
}

Result<std::vector<Digest>> ObjectReader::prove(std::uint64_t leaf) const {
  if (leaf >= summary_.leaves) return fail(Errc::kNotFound, "object: no such leaf");
  std::vector<Digest> hashes;
  TRY(each_leaf([&](ByteView data, const ObjectEntry*) -> Status {
    hashes.push_back(merkle_leaf(data));
    return {};
  }));
  return merkle_inclusion(hashes, leaf);
}

}  // namespace callward::store
