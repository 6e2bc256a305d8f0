// Any bytes as what a key store holds: superblocks, pages, and the payloads inside. What parses is
// written back byte for byte; nothing else is taken.
#include <algorithm>

#include "base/check.hpp"
#include "keys/page_tree.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  using namespace callward::keys;
  if (size == 0) return 0;
  const ByteView raw(data + 1, size - 1);
  switch (data[0] % 5) {
    case 0: {
      Bytes block = to_bytes(raw);
      block.resize(kSuperblockBytes);
      store_le(block.data() + 48,
               crc32c(ByteView(block).first(48)));  // else nearly every input stops there
      if (const auto parsed = decode_superblock(block)) {
        const auto again = decode_superblock(encode_superblock(*parsed));
        CHECK(again.has_value() && again->generation == parsed->generation &&
              again->root_offset == parsed->root_offset &&
              again->root_bytes == parsed->root_bytes && again->epoch == parsed->epoch &&
              again->log_size == parsed->log_size);
      }
      (void)decode_superblock(raw);
      break;
    }
    case 1:
      if (const auto rows = decode_rows(raw)) CHECK(equal(encode_rows(*rows).expose(), raw));
      break;
    case 2:
      if (const auto children = decode_children(raw))
        CHECK(equal(encode_children(*children).expose(), raw));
      break;
    case 3:
      if (const auto root = decode_root(raw)) CHECK(equal(encode_root(*root).expose(), raw));
      break;
    case 4: {
      const auto id = page_id(static_cast<std::uint8_t>(size % 4), size);
      CHECK(!open_page(id, Key32(), raw).has_value() || size > kPageOverheadBytes);
      const auto page =
          seal_page(id, Key32(), {}, raw.first(std::min<std::size_t>(raw.size(), 4'096)));
      CHECK(open_page(id, Key32(), page).has_value());
      auto broken = page;
      broken[load_le<std::uint16_t>(page.data() + page.size() - 2) % page.size()] ^= 0x10;
      CHECK(!open_page(id, Key32(), broken).has_value());
      break;
    }
  }
  return 0;
}
