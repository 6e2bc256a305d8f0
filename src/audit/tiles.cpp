// Paths, bundles and journal frames: the pure part of the log's files.
#include <algorithm>

#include "audit/log.hpp"

namespace callward::audit {
namespace {

constexpr std::uint32_t kJournalMagic = 0x314A5743;  // "CWJ1"

// tlog-tiles: three digits a path element, all but the last with an x in front.
std::string number_path(std::uint64_t index) {
  const auto three = [](std::uint64_t n) {
    auto text = std::to_string(n);
    return std::string(3 - text.size(), '0') + text;
  };
  std::string path = three(index % 1000);
  for (index /= 1000; index > 0; index /= 1000) path = "x" + three(index % 1000) + "/" + path;
  return path;
}

std::string with_width(std::string path, std::uint64_t width) {
  return width == kTileWidth ? path : path + ".p/" + std::to_string(width);
}

std::uint32_t frame_crc(std::uint32_t length, std::uint64_t index, std::string_view text) {
  std::array<std::uint8_t, 12> head;
  store_le(head.data(), length);
  store_le(head.data() + 4, index);
  return crc32c(as_bytes(text), crc32c(head));
}

// Whether a valid frame stands at the front of `in`; its index and text.
bool read_frame(ByteView in, std::uint64_t* index, std::string_view& text) {
  if (in.size() < kJournalFrameHeaderBytes || load_le<std::uint32_t>(in.data()) != kJournalMagic) return false;
  const auto length = load_le<std::uint32_t>(in.data() + 4);
  const auto found = load_le<std::uint64_t>(in.data() + 8);
  if (length > kEntryBytesMax || in.size() - kJournalFrameHeaderBytes < length) return false;
  text = as_text(in.subspan(kJournalFrameHeaderBytes, length));
  if (load_le<std::uint32_t>(in.data() + 16) != frame_crc(length, found, text)) return false;
  *index = found;
  return true;
}

}  // namespace

std::string tile_path(std::uint32_t level, std::uint64_t index, std::uint64_t width) {
  return with_width("tile/" + std::to_string(level) + "/" + number_path(index), width);
}

std::string bundle_path(std::uint64_t index, std::uint64_t width) {
  return with_width("tile/entries/" + number_path(index), width);
}

Bytes journal_frame(std::uint64_t index, std::string_view text) {
  ByteWriter out;
  const auto length = static_cast<std::uint32_t>(text.size());
  out.u32(kJournalMagic);
  out.u32(length);
  out.u64(index);
  out.u32(frame_crc(length, index, text));
  out.text(text);
  return out.take();
}

JournalScan scan_journal(ByteView content, std::uint64_t first) {
  JournalScan scan;
  scan.first = first;
  std::uint64_t index = 0;
  std::string_view text;
  while (scan.end < content.size()) {
    if (!read_frame(content.subspan(scan.end), &index, text) || index != first + scan.entries.size()) break;
    scan.entries.emplace_back(text);
    scan.end += kJournalFrameHeaderBytes + text.size();
  }
  scan.torn = scan.end < content.size();
  for (auto at = scan.end + 1; scan.torn && at < content.size() && !scan.valid_after_tear; ++at)
    scan.valid_after_tear = read_frame(content.subspan(at), &index, text);
  return scan;
}

Result<std::vector<std::string>> parse_bundle(ByteView content, std::uint64_t count) {
  std::vector<std::string> entries;
  std::size_t at = 0;
  while (at < content.size()) {
    if (content.size() - at < 2) return fail(Errc::kCorrupt, "entry bundle ends within a length");
    const auto length = load_be<std::uint16_t>(content.data() + at);
    at += 2;
    if (content.size() - at < length) return fail(Errc::kCorrupt, "entry bundle ends within an entry");
    entries.emplace_back(as_text(content.subspan(at, length)));
    at += length;
  }
  if (entries.size() != count) return fail(Errc::kCorrupt, "entry bundle has another number of entries");
  return entries;
}

}  // namespace callward::audit
