// A sealed page of the key store (docs/formats/page.md). Little-endian:
//
//    0 "CWK1"   4 version u8 = 1   5 role u8 (1 leaf, 2 inner, 3 root)   6 level u8   7 reserved u8
//    8 index u64   16 payload_bytes u32   20 reserved u32   24 salt[16]   40 ciphertext   ..
//    tag[16]
//
// AES-256-GCM, nonce 0, AAD = bytes 0..39: a page that stands in another's place does not open. A
// page's key is fresh and random and stands in its parent; the root's is SHA-256("CWP1" || salt ||
// epoch key) (after Reardon, Basin, Capkun: On Secure Data Deletion, CCS 2013). So whoever lacks
// the epoch key has noise, however many old pages survived.
#pragma once

#include <array>
#include <map>

#include "base/bytes.hpp"
#include "base/entropy.hpp"
#include "base/secret.hpp"

namespace callward::keys {

inline constexpr std::size_t kPageHeaderBytes = 40;
inline constexpr std::size_t kPageOverheadBytes = kPageHeaderBytes + 16;
inline constexpr std::uint32_t kPagePayloadBytesMax =
    9u << 20;  // a leaf of 32 rows of their greatest size
inline constexpr std::uint32_t kRowsPerLeaf = 32;
inline constexpr std::uint32_t kChildrenPerInner = 256;
inline constexpr std::uint8_t kRootLevel = 3;  // leaves are level 0: 32 * 256^3 rows
inline constexpr std::uint64_t kRowsMax = 32ull * 256 * 256 * 256;

enum class PageRole : std::uint8_t { kLeaf = 1, kInner = 2, kRoot = 3 };

struct PageId {
  PageRole role{};
  std::uint8_t level = 0;
  std::uint64_t index = 0;
};
constexpr PageId page_id(std::uint8_t level, std::uint64_t index) {
  return {level == 0            ? PageRole::kLeaf
          : level == kRootLevel ? PageRole::kRoot
                                : PageRole::kInner,
          level, index};
}

// `salt` is only used by the root; zero elsewhere.
Bytes seal_page(const PageId& id, const Key32& key, const std::array<std::uint8_t, 16>& salt,
                ByteView payload);
// kMalformed, kUnsupported, kCorrupt (tag, or another page than `id`).
Result<SecretBytes> open_page(const PageId& id, const Key32& key, ByteView page);
Result<std::array<std::uint8_t, 16>> page_salt(ByteView page);
Key32 root_page_key(const std::array<std::uint8_t, 16>& salt, const Key32& epoch_key);

// Where a child page lies and what opens it.
struct ChildRef {
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  Key32 key;
};
// Inner page: u16 count, then { slot u8, offset u64, bytes u32, key[32] }, slots ascending.
using Children = std::map<std::uint8_t, ChildRef>;
SecretBytes encode_children(const Children& children);
Result<Children> decode_children(ByteView payload);
// Sixteen random bytes that each commit draws anew, the same for all mirrors: two mirrors hold the
// same state exactly when their histories are equal. A generation number alone could be reached on
// two ways.
using History = std::array<std::uint8_t, 16>;

// The root's payload: next row number u64, history[16], then as an inner page.
struct Root {
  std::uint64_t next_row = 0;
  History history{};
  Children children;
};
SecretBytes encode_root(const Root& root);
Result<Root> decode_root(ByteView payload);

// Leaf page: u8 count, then { slot u8, bytes u32, row }, slots ascending.
using Rows = std::map<std::uint8_t, SecretBytes>;
inline constexpr std::uint32_t kRowBytesMax = 256u << 10;
static_assert(1 + kRowsPerLeaf * (5 + kRowBytesMax) <= kPagePayloadBytesMax);
SecretBytes encode_rows(const Rows& rows);
Result<Rows> decode_rows(ByteView payload);

}  // namespace callward::keys
