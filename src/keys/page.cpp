#include "keys/page.hpp"

#include <concepts>

#include "base/check.hpp"
#include "crypto/aead.hpp"
#include "crypto/sha256.hpp"

namespace callward::keys {
namespace {

constexpr std::string_view kMagic = "CWK1";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kRootHeadBytes = 8 + sizeof(History);
constexpr std::size_t kChildBytes = 45;

std::array<std::uint8_t, kPageHeaderBytes> header_of(const PageId& id, std::size_t payload_bytes,
                                                     const std::array<std::uint8_t, 16>& salt) {
  std::array<std::uint8_t, kPageHeaderBytes> head{};
  std::memcpy(head.data(), kMagic.data(), 4);
  head[4] = kVersion;
  head[5] = static_cast<std::uint8_t>(id.role);
  head[6] = id.level;
  store_le(head.data() + 8, id.index);
  store_le(head.data() + 16, static_cast<std::uint32_t>(payload_bytes));
  std::memcpy(head.data() + 24, salt.data(), salt.size());
  return head;
}

Result<std::uint32_t> check_header(ByteView page) {
  if (page.size() < kPageOverheadBytes)
    return fail(Errc::kMalformed, "page is shorter than its header");
  if (as_text(page.first(4)) != kMagic) return fail(Errc::kMalformed, "page has a wrong magic");
  if (page[4] != kVersion) return fail(Errc::kUnsupported, "page of an unknown version");
  const auto bytes = load_le<std::uint32_t>(page.data() + 16);
  if (bytes > kPagePayloadBytesMax || page.size() != kPageOverheadBytes + bytes)
    return fail(Errc::kMalformed, "page's length contradicts its header");
  return bytes;
}

// Fills a SecretBytes of a known size; nothing reallocates, so no unwiped copy stays behind.
class Filler {
 public:
  explicit Filler(std::size_t size) : out_(size), at_(out_.expose_mut().data()) {}
  template <std::unsigned_integral Int>
  void put(Int value) {
    store_le(at_, value);
    at_ += sizeof(Int);
  }
  void put(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  SecretBytes take() {
    CHECK(at_ == out_.expose().data() + out_.size());
    return std::move(out_);
  }

 private:
  SecretBytes out_;
  std::uint8_t* at_;
};

void fill_children(Filler& out, const Children& children) {
  out.put(static_cast<std::uint16_t>(children.size()));
  for (const auto& [slot, child] : children) {
    out.put(slot);
    out.put(child.offset);
    out.put(child.bytes);
    out.put(child.key.expose());
  }
}

}  // namespace

Bytes seal_page(const PageId& id, const Key32& key, const std::array<std::uint8_t, 16>& salt,
                ByteView payload) {
  CHECK(payload.size() <= kPagePayloadBytesMax);
  const auto head = header_of(id, payload.size(), salt);
  Bytes page(kPageOverheadBytes + payload.size());
  std::memcpy(page.data(), head.data(), head.size());
  crypto::Aes256Gcm().seal(MutByteView(page).subspan(kPageHeaderBytes), key, {}, head, {}, payload);
  return page;
}

Result<SecretBytes> open_page(const PageId& id, const Key32& key, ByteView page) {
  const auto bytes = TRY(check_header(page));
  const auto expected = header_of(id, bytes, TRY(page_salt(page)));
  if (!equal(page.first(kPageHeaderBytes), expected))
    return fail(Errc::kCorrupt, "page is not the one that belongs here");
  auto plain =
      crypto::aead_open(key, {}, page.first(kPageHeaderBytes), page.subspan(kPageHeaderBytes));
  if (!plain) return fail(Errc::kCorrupt, "page does not open under its key");
  return plain;
}

Result<std::array<std::uint8_t, 16>> page_salt(ByteView page) {
  TRY(check_header(page));
  std::array<std::uint8_t, 16> salt{};
  std::memcpy(salt.data(), page.data() + 24, salt.size());
  return salt;
}

Key32 root_page_key(const std::array<std::uint8_t, 16>& salt, const Key32& epoch_key) {
  Key32 key;
  crypto::sha256_into(key, {as_bytes("CWP1"), salt, epoch_key.expose()});
  return key;
}

SecretBytes encode_children(const Children& children) {
  Filler out(2 + children.size() * kChildBytes);
  fill_children(out, children);
  return out.take();
}

Result<Children> decode_children(ByteView payload) {
  ByteReader in(payload);
  const auto count = in.u16();
  if (!in.ok() || count > kChildrenPerInner || in.remaining() != count * kChildBytes)
    return fail(Errc::kMalformed, "inner page of a wrong length");
  Children children;
  int last = -1;
  for (int i = 0; i < count; ++i) {
    const auto slot = in.u8();
    if (slot <= last) return fail(Errc::kMalformed, "inner page's slots are not ascending");
    last = slot;
    auto& child = children[slot];
    child.offset = in.u64();
    child.bytes = in.u32();
    std::memcpy(child.key.expose_mut().data(), in.bytes(32).data(), 32);
  }
  return children;
}

SecretBytes encode_root(const Root& root) {
  Filler out(kRootHeadBytes + 2 + root.children.size() * kChildBytes);
  out.put(root.next_row);
  out.put(ByteView(root.history));
  fill_children(out, root.children);
  return out.take();
}

Result<Root> decode_root(ByteView payload) {
  if (payload.size() < kRootHeadBytes) return fail(Errc::kMalformed, "root page is too short");
  Root root;
  root.next_row = load_le<std::uint64_t>(payload.data());
  std::memcpy(root.history.data(), payload.data() + 8, root.history.size());
  root.children = TRY(decode_children(payload.subspan(kRootHeadBytes)));
  return root;
}

SecretBytes encode_rows(const Rows& rows) {
  std::size_t size = 1;
  for (const auto& [slot, row] : rows) size += 5 + row.size();
  Filler out(size);
  out.put(static_cast<std::uint8_t>(rows.size()));
  for (const auto& [slot, row] : rows) {
    out.put(slot);
    out.put(static_cast<std::uint32_t>(row.size()));
    out.put(row.expose());
  }
  return out.take();
}

Result<Rows> decode_rows(ByteView payload) {
  ByteReader in(payload);
  const auto count = in.u8();
  if (count > kRowsPerLeaf) return fail(Errc::kMalformed, "leaf page has too many rows");
  Rows rows;
  int last = -1;
  for (int i = 0; i < count; ++i) {
    const auto slot = in.u8();
    const auto bytes = in.u32();
    if (!in.ok() || slot <= last || slot >= kRowsPerLeaf || bytes > kRowBytesMax)
      return fail(Errc::kMalformed, "leaf page's rows contradict themselves");
    last = slot;
    rows.emplace(slot, SecretBytes(in.bytes(bytes)));
  }
  if (!in.done()) return fail(Errc::kMalformed, "leaf page has missing or surplus bytes");
  return rows;
}

}  // namespace callward::keys
