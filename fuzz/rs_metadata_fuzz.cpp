// Any text as metadata: every list and text within its limit.
#include "base/bytes.hpp"
#include "base/check.hpp"
#include "wire/rs_metadata.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  const auto metadata = wire::parse_rs_metadata(as_text({data, size}));
  if (!metadata) return 0;
  CHECK(metadata->sessions.size() <= wire::kMetadataItemsMax);
  CHECK(metadata->streams.size() <= wire::kMetadataItemsMax);
  CHECK(metadata->participants.size() <= wire::kMetadataItemsMax);
  for (const auto& stream : metadata->streams) {
    CHECK(stream.id.size() <= wire::kMetadataTextBytesMax &&
          stream.label.size() <= wire::kMetadataTextBytesMax);
    (void)wire::sender_of(*metadata, stream.label);
  }
  for (const auto& who : metadata->participants) {
    CHECK(who.name.size() <= wire::kMetadataTextBytesMax &&
          who.aor.size() <= wire::kMetadataTextBytesMax);
    CHECK(who.send.size() <= wire::kMetadataItemsMax && who.recv.size() <= wire::kMetadataItemsMax);
  }
  return 0;
}
