#include "store/spool_frame.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace callward::store {
namespace {

constexpr std::string_view kFrameMagic = "CWSF";
constexpr std::string_view kFileMagic = "CWSP";
constexpr std::uint8_t kFrameVersion = 1;
constexpr std::uint16_t kFileVersion = 1;
constexpr std::size_t kCrcAt = 36;
constexpr std::size_t kFileCrcAt = 24;
constexpr std::size_t kDamageListMax = 1024;  // of one file; later ones are joined to the last
// Holds any frame whole, and enough beyond it that a scan reads each byte about once.
constexpr std::size_t kWindowBytes = frame_bytes(kFramePayloadBytesMax) * 2;

bool has_magic(ByteView in, std::string_view magic) {
  return in.size() >= magic.size() && std::memcmp(in.data(), magic.data(), magic.size()) == 0;
}

// A part of a file in memory, moved forward as the scan goes.
class Window {
 public:
  Window(VfsFile& file, std::uint64_t end)
      : file_(file), end_(end), buffer_(std::min<std::uint64_t>(kWindowBytes, end)) {}
  // What stands from `offset` on: at least one whole frame's worth unless the file ends before.
  Result<ByteView> at(std::uint64_t offset) {
    const auto wanted = std::min<std::uint64_t>(frame_bytes(kFramePayloadBytesMax), end_ - offset);
    if (offset < base_ || offset + wanted > base_ + used_) {
      base_ = offset;
      used_ = 0;
      const auto room = std::min<std::uint64_t>(buffer_.size(), end_ - offset);
      used_ =
          TRY(file_.read_at(offset, MutByteView(buffer_).first(static_cast<std::size_t>(room))));
    }
    return ByteView(buffer_).subspan(static_cast<std::size_t>(offset - base_),
                                     used_ - static_cast<std::size_t>(offset - base_));
  }

 private:
  VfsFile& file_;
  std::uint64_t end_;
  Bytes buffer_;
  std::uint64_t base_ = 0;
  std::size_t used_ = 0;
};

void note_damage(ScanOutcome& outcome, std::uint64_t from, std::uint64_t to) {
  if (outcome.damage.size() >= kDamageListMax)
    outcome.damage.back().to = to;
  else
    outcome.damage.push_back({from, to});
}

}  // namespace

bool is_frame_type(std::uint8_t type) noexcept {
  return type >= static_cast<std::uint8_t>(FrameType::kCallBegin) &&
         type <= static_cast<std::uint8_t>(FrameType::kDial);
}

void append_frame(Bytes& out, FrameType type, std::uint64_t generation, const CallId& call,
                  ByteView payload) {
  CHECK(payload.size() <= kFramePayloadBytesMax);
  const auto start = out.size();
  out.resize(start + frame_bytes(payload.size()));  // zeros behind the payload included
  auto* at = out.data() + start;
  std::memcpy(at, kFrameMagic.data(), 4);
  at[4] = static_cast<std::uint8_t>(type);
  at[5] = kFrameVersion;
  store_le<std::uint16_t>(at + 6, 0);
  store_le(at + 8, generation);
  std::memcpy(at + 16, call.bytes.data(), 16);
  store_le(at + 32, static_cast<std::uint32_t>(payload.size()));
  if (!payload.empty()) std::memcpy(at + kFrameHeadBytes, payload.data(), payload.size());
  store_le(at + kCrcAt, crc32c(payload, crc32c(ByteView(at, kCrcAt))));
}

Result<ParsedFrame> parse_frame(ByteView in, std::uint64_t generation) {
  if (in.size() < kFrameHeadBytes || !has_magic(in, kFrameMagic) ||
      load_le<std::uint64_t>(in.data() + 8) != generation)
    return fail(Errc::kNotFound, "no frame here");
  const auto length = load_le<std::uint32_t>(in.data() + 32);
  if (length > kFramePayloadBytesMax || frame_bytes(length) > in.size())
    return fail(Errc::kCorrupt, "spool frame: length");
  const auto payload = in.subspan(kFrameHeadBytes, length);
  if (crc32c(payload, crc32c(in.first(kCrcAt))) != load_le<std::uint32_t>(in.data() + kCrcAt))
    return fail(Errc::kCorrupt, "spool frame: checksum");
  if (in[5] != kFrameVersion || !is_frame_type(in[4]))
    return fail(Errc::kUnsupported, "spool frame: version or type of a newer recorder");
  ParsedFrame parsed;
  parsed.frame.type = static_cast<FrameType>(in[4]);
  std::memcpy(parsed.frame.call.bytes.data(), in.data() + 16, 16);
  parsed.frame.payload = payload;
  parsed.bytes = frame_bytes(length);
  return parsed;
}

Bytes make_spool_file_head(std::uint64_t generation, std::uint64_t file_bytes) {
  Bytes head(kSpoolFileHeadBytes);
  std::memcpy(head.data(), kFileMagic.data(), 4);
  store_le(head.data() + 4, kFileVersion);
  store_le(head.data() + 8, generation);
  store_le(head.data() + 16, file_bytes);
  store_le(head.data() + kFileCrcAt, crc32c(ByteView(head).first(kFileCrcAt)));
  return head;
}

Result<SpoolFileHead> parse_spool_file_head(ByteView in) {
  if (in.size() < kSpoolFileHeadBytes || !has_magic(in, kFileMagic) ||
      crc32c(in.first(kFileCrcAt)) != load_le<std::uint32_t>(in.data() + kFileCrcAt))
    return fail(Errc::kMalformed, "not a spool file, or its first block is damaged");
  if (load_le<std::uint16_t>(in.data() + 4) != kFileVersion)
    return fail(Errc::kUnsupported, "spool file of another version");
  SpoolFileHead head{load_le<std::uint64_t>(in.data() + 8), load_le<std::uint64_t>(in.data() + 16)};
  if (head.file_bytes < kSpoolFileBytesMin || head.file_bytes > kSpoolFileBytesMax)
    return fail(Errc::kMalformed, "spool file: size");
  return head;
}

Result<ScanOutcome> scan_spool_file(VfsFile& file, const SpoolFileHead& head,
                                    const OnFrame& on_frame) {
  ScanOutcome outcome;
  // Not what nobody ever wrote: reading 256 MB of it would cost a recorder that comes back a
  // second.
  const auto end = std::min(head.file_bytes, TRY(file.written_end()));
  Window window(file, end);
  std::uint64_t at = kSpoolFileHeadBytes;
  bool searching = false;
  while (at + kFrameHeadBytes <= end) {
    const auto view = TRY(window.at(at));
    if (const auto parsed = parse_frame(view, head.generation)) {
      if (searching) note_damage(outcome, outcome.end, at);
      searching = false;
      on_frame(parsed->frame, at, parsed->bytes);
      ++outcome.frames;
      at += parsed->bytes;
      outcome.end = at;
      continue;
    }
    searching = true;
    at += kFrameAlignment;
    // Most of what is searched is unused space: run through it without parsing.
    std::size_t ahead = kFrameAlignment;
    while (ahead + kFrameHeadBytes <= view.size() && view[ahead] != 'C') ahead += kFrameAlignment;
    at += ahead - kFrameAlignment;
    if (view.size() < kFrameHeadBytes) break;  // the file is shorter than it was said to be
  }
  return outcome;
}

}  // namespace callward::store
