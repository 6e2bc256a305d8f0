// Any bytes as an object: open, verify, read ranges, prove. Never crashes; what verifies reads
// back.
#include <algorithm>

#include "base/check.hpp"
#include "store/object.hpp"

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

// The checksums would stop nearly every mutation at the door: set them right.
void repair(callward::Bytes& raw) {
  using namespace callward;
  using namespace callward::store;
  if (raw.size() < kObjectHeadFixedBytes + kObjectFooterBytes) return;
  const auto head = load_le<std::uint32_t>(raw.data() + 8);
  if (head >= 20 && head <= raw.size())
    store_le(raw.data() + head - 4, crc32c(ByteView(raw).first(head - 4)));
  const auto index = load_le<std::uint64_t>(raw.data() + raw.size() - kObjectFooterBytes + 8);
  if (index < raw.size() - 4)
    store_le(raw.data() + raw.size() - 4,
             crc32c(ByteView(raw).subspan(index, raw.size() - 4 - index)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  using namespace callward::store;
  if (size == 0) return 0;
  Bytes raw(data + 1, data + size);
  if ((data[0] & 1) != 0) repair(raw);
  const auto reader = ObjectReader::open(std::make_shared<MemoryFile>(raw));
  if (!reader) return 0;
  const bool whole = reader->verify().has_value();
  for (std::uint8_t stream = 0; stream < 3; ++stream)
    (void)reader->records(keys::RecordKind::kAudio, stream, data[0], data[0] + 100u, 16);
  (void)reader->prove(data[0]);
  if (whole)
    for (const auto& entry : reader->entries()) CHECK(reader->record(entry).has_value());
  return 0;
}
