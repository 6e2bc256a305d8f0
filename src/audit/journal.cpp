#include "audit/journal.hpp"

#include <charconv>

#include "base/check.hpp"

namespace callward::audit {
namespace {

constexpr std::uint32_t kMagic = 0x424A5743;  // "CWJB"
constexpr std::size_t kNameDigits = 20;
constexpr std::size_t kEntryBytesLimit = 65'535;  // what a u16 can say

std::uint32_t frame_crc(ByteView header, ByteView body) {
  return crc32c(body, crc32c(header.subspan(4, 16)));
}

struct Batch {
  std::uint64_t first = 0;
  ByteView body;
  std::vector<std::string> entries;
};

Result<Batch> read_batch(ByteView in) {
  const auto none = [] { return fail(Errc::kCorrupt, "no batch"); };
  if (in.size() < kJournalHeaderBytes || load_le<std::uint32_t>(in.data()) != kMagic) return none();
  const auto bytes = load_le<std::uint32_t>(in.data() + 4);
  const auto count = load_le<std::uint32_t>(in.data() + 16);
  if (bytes > kBatchBytesMax || in.size() - kJournalHeaderBytes < bytes || count == 0)
    return none();
  Batch batch;
  batch.first = load_le<std::uint64_t>(in.data() + 8);
  batch.body = in.subspan(kJournalHeaderBytes, bytes);
  if (load_le<std::uint32_t>(in.data() + 20) !=
      frame_crc(in.first(kJournalHeaderBytes), batch.body))
    return none();
  batch.entries = TRY(parse_bundle(batch.body, count));
  return batch;
}

// Whether any batch stands in `in`. A tear that holds more false beginnings than an honest one can
// is damage too.
bool holds_batch(ByteView in) {
  constexpr int kBeginningsMax = 256;
  int beginnings = 0;
  for (std::size_t at = 0; at + kJournalHeaderBytes <= in.size(); ++at) {
    if (load_le<std::uint32_t>(in.data() + at) != kMagic) continue;
    if (++beginnings > kBeginningsMax || read_batch(in.subspan(at))) return true;
  }
  return false;
}

}  // namespace

std::string journal_name(std::uint64_t first) {
  const auto digits = std::to_string(first);
  return std::string(kJournalPrefix) + std::string(kNameDigits - digits.size(), '0') + digits;
}

Result<std::uint64_t> parse_journal_name(std::string_view name) {
  std::uint64_t first = 0;
  const auto wrong = [] { return fail(Errc::kMalformed, "not a journal's name"); };
  if (name.size() != kJournalPrefix.size() + kNameDigits || !name.starts_with(kJournalPrefix))
    return wrong();
  name.remove_prefix(kJournalPrefix.size());
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), first);
  if (error != std::errc{} || end != name.data() + name.size()) return wrong();
  return first;
}

Bytes journal_batch(std::uint64_t first, std::span<const std::string> entries) {
  Bytes out(kJournalHeaderBytes);
  for (const auto& entry : entries) append_bundle_entry(out, entry);
  const auto body = ByteView(out).subspan(kJournalHeaderBytes);
  CHECK(body.size() <= kBatchBytesMax);
  store_le(out.data(), kMagic);
  store_le(out.data() + 4, static_cast<std::uint32_t>(body.size()));
  store_le(out.data() + 8, first);
  store_le(out.data() + 16, static_cast<std::uint32_t>(entries.size()));
  store_le(out.data() + 20, frame_crc(ByteView(out).first(kJournalHeaderBytes), body));
  return out;
}

JournalScan scan_journal(ByteView content, std::uint64_t first) {
  JournalScan scan;
  scan.first = first;
  while (scan.end < content.size()) {
    auto batch = read_batch(content.subspan(scan.end));
    if (!batch || batch->first != first + scan.entries.size()) break;
    const auto offset = scan.end;
    scan.end += kJournalHeaderBytes + batch->body.size();
    for (auto& entry : batch->entries) scan.entries.push_back(std::move(entry));
    scan.batches.push_back({offset, first + scan.entries.size()});
  }
  scan.torn = scan.end < content.size();
  scan.valid_after_tear = scan.torn && holds_batch(content.subspan(scan.end));
  return scan;
}

void append_bundle_entry(Bytes& bundle, std::string_view entry) {
  CHECK(entry.size() <= kEntryBytesLimit);
  bundle.push_back(static_cast<std::uint8_t>(entry.size() >> 8));
  bundle.push_back(static_cast<std::uint8_t>(entry.size()));
  bundle.insert(bundle.end(), entry.begin(), entry.end());
}

Result<std::vector<std::string>> parse_bundle(ByteView content, std::uint64_t count) {
  std::vector<std::string> entries;
  std::size_t at = 0;
  while (at < content.size()) {
    if (content.size() - at < 2) return fail(Errc::kCorrupt, "entry bundle ends within a length");
    const auto length = load_be<std::uint16_t>(content.data() + at);
    at += 2;
    if (content.size() - at < length)
      return fail(Errc::kCorrupt, "entry bundle ends within an entry");
    entries.emplace_back(as_text(content.subspan(at, length)));
    at += length;
  }
  if (entries.size() != count)
    return fail(Errc::kCorrupt, "entry bundle has another number of entries");
  return entries;
}

}  // namespace callward::audit
