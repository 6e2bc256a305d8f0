// Any bytes as what a log's folder holds: a journal, an entry bundle, a tile, their names, a signed
// note. What is read is written back the same.
#include "audit/log.hpp"
#include "audit/tiles.hpp"
#include "base/check.hpp"

namespace {

using namespace callward;

void read_journal(ByteView raw) {
  const auto scan = audit::scan_journal(raw, 7);
  CHECK(scan.end <= raw.size() && (scan.torn || scan.end == raw.size()));
  CHECK(scan.batches.empty() || scan.batches.back().end == scan.first + scan.entries.size());
  Bytes again;
  std::size_t at = 0;
  auto index = scan.first;
  for (const auto& batch : scan.batches) {
    const auto count = batch.end - index;
    const auto bytes = audit::journal_batch(index, std::span(scan.entries).subspan(at, count));
    again.insert(again.end(), bytes.begin(), bytes.end());
    at += count;
    index = batch.end;
  }
  CHECK(equal(again, raw.first(scan.end)));
}

// The checksum would stop nearly every mutation: set it right where a frame begins the bytes.
Bytes repaired(ByteView raw) {
  auto out = to_bytes(raw);
  if (out.size() < audit::kJournalHeaderBytes) return out;
  std::copy_n("CWJB", 4, out.begin());
  const auto body = load_le<std::uint32_t>(out.data() + 4);
  if (body > out.size() - audit::kJournalHeaderBytes) return out;
  Bytes covered(out.begin() + 4, out.begin() + 20);
  covered.insert(covered.end(), out.begin() + audit::kJournalHeaderBytes,
                 out.begin() + audit::kJournalHeaderBytes + body);
  store_le(out.data() + 20, crc32c(covered));
  return out;
}

void read_bundle(ByteView raw) {
  for (const std::uint64_t count : {1u, 2u, 256u}) {
    const auto entries = audit::parse_bundle(raw, count);
    if (!entries) continue;
    Bytes again;
    for (const auto& entry : *entries) audit::append_bundle_entry(again, entry);
    CHECK(entries->size() == count && equal(again, raw));
    for (const auto& entry : *entries) (void)audit::decode_entry(entry);
  }
  (void)audit::decode_entry(std::string(as_text(raw)));
}

void read_names(ByteView raw) {
  const auto text = as_text(raw);
  if (const auto name = audit::parse_tile_name(text)) {
    const auto path = name->bundle ? audit::bundle_path(name->index, name->width)
                                   : audit::tile_path(name->level, name->index, name->width);
    CHECK(path == text || path == "tile/" + std::string(text));
  }
  if (const auto first = audit::parse_journal_name(text))
    CHECK(audit::journal_name(*first) == text);
  if (const auto hashes = audit::parse_tile(raw, 2)) CHECK(hashes->size() == 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView raw(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      read_journal(raw);
      break;
    case 1:
      read_journal(repaired(raw));
      break;
    case 2:
      read_bundle(raw);
      break;
    default:
      read_names(raw);
      (void)audit::open_checkpoint(std::string(as_text(raw)), audit::NamedKey{});
  }
  return 0;
}
