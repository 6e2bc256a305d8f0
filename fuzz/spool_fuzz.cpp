// Any bytes as a spool file: the scan ends, yields only frames of the file's generation whose
// checksum is right, in order and without overlap; and what it yields may be replayed into a call.
#include <algorithm>

#include "base/check.hpp"
#include "store/spool_call.hpp"

namespace {

class MemoryFile final : public callward::VfsFile {
 public:
  explicit MemoryFile(callward::ByteView content) : content_(content) {}
  callward::Result<std::size_t> read_at(std::uint64_t offset, callward::MutByteView out) override {
    if (offset >= content_.size()) return std::size_t{0};
    const auto n = std::min<std::size_t>(out.size(), content_.size() - offset);
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
    return n;
  }
  callward::Status write_at(std::uint64_t, callward::ByteView) override { return {}; }
  callward::Status sync_data() override { return {}; }
  callward::Status preallocate(std::uint64_t) override { return {}; }
  callward::Status truncate(std::uint64_t) override { return {}; }
  callward::Result<std::uint64_t> size() override { return content_.size(); }

 private:
  callward::ByteView content_;
};

// Sets the checksum of every frame-like place right, so that the payloads are reached.
void repair(callward::Bytes& raw, std::uint64_t generation) {
  using namespace callward;
  using namespace callward::store;
  for (std::size_t at = kSpoolFileHeadBytes; at + kFrameHeadBytes <= raw.size();
       at += kFrameAlignment) {
    auto* frame = raw.data() + at;
    if (std::memcmp(frame, "CWSF", 4) != 0) continue;
    store_le(frame + 8, generation);
    const auto length = load_le<std::uint32_t>(frame + 32);
    if (length > raw.size() - at - kFrameHeadBytes) continue;
    store_le(frame + 36,
             crc32c(ByteView(frame + kFrameHeadBytes, length), crc32c(ByteView(frame, 36))));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  using namespace callward::store;
  (void)parse_spool_file_head(ByteView(data, size));
  // Frames straight from the input, behind a head that is right.
  Bytes raw(kSpoolFileHeadBytes);
  raw.insert(raw.end(), data, data + size);
  const SpoolFileHead head{5, std::max<std::uint64_t>(raw.size(), kSpoolFileBytesMin)};
  if (size > 0 && (data[size - 1] & 1) != 0) repair(raw, head.generation);
  MemoryFile file(raw);
  SpoolCall call{CallId{}};
  std::uint64_t last_end = kSpoolFileHeadBytes;
  const auto outcome =
      scan_spool_file(file, head, [&](const FrameView& frame, std::uint64_t at, std::size_t bytes) {
        CHECK(at >= last_end && bytes == frame_bytes(frame.payload.size()));
        last_end = at + bytes;
        const auto again = parse_frame(ByteView(raw).subspan(at), head.generation);
        CHECK(again.has_value() && again->bytes == bytes);
        call.recovered(frame,
                       {1, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(bytes)});
      });
  CHECK(outcome.has_value() && outcome->end == last_end);
  call.fill_holes();
  for (const auto& account : call.accounts) {
    std::uint32_t at = 0;
    for (const auto& interval : account.intervals()) {
      CHECK(interval.start_ms >= at && interval.end_ms > interval.start_ms);
      at = interval.end_ms;
    }
  }
  return 0;
}
