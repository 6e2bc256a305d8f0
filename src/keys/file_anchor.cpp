#include <sys/vfs.h>

#include <algorithm>

#include "crypto/aead.hpp"
#include "keys/anchor.hpp"

namespace callward::keys {
namespace {

constexpr std::string_view kMagic = "CWAN";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kUsedBytes = 80;

// File systems that write elsewhere and leave the old block (values of statfs.f_type, from statfs(2)).
constexpr std::int64_t kBtrfs = 0x9123683E;
constexpr std::int64_t kZfs = 0x2FC12FC1;
constexpr std::int64_t kOverlay = 0x794C7630;

class FileAnchor final : public Anchor {
 public:
  FileAnchor(std::unique_ptr<VfsFile> file, Entropy& entropy, const Key32& wrap)
      : file_(std::move(file)), entropy_(entropy), wrap_(wrap.clone()) {}

  Status put(std::uint64_t epoch, const Key32& key) override {
    const auto there = TRY(epochs());
    if (std::find(there.begin(), there.end(), epoch) != there.end()) return fail(Errc::kExists, "epoch is there already");
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot) {
      if (TRY(read_slot(slot)).used) continue;
      return write_slot(slot, seal(epoch, key));
    }
    return fail(Errc::kFull, "anchor has no free slot");
  }

  Result<Key32> get(std::uint64_t epoch) override {
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot) {
      const auto content = TRY(read_slot(slot));
      if (!content.used || content.epoch != epoch) continue;
      return open(content.raw);
    }
    return fail(Errc::kNotFound, "anchor has no key of this epoch");
  }

  Status destroy(std::uint64_t epoch) override {
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot) {
      const auto content = TRY(read_slot(slot));
      if (!content.used || content.epoch != epoch) continue;
      // Noise first, then zeros: a lost second write leaves an unreadable slot, never the key.
      Bytes noise(kAnchorSlotBytes);
      entropy_.fill(noise);
      TRY(write_slot(slot, noise));
      TRY(write_slot(slot, Bytes(kAnchorSlotBytes, 0)));
      return {};
    }
    return fail(Errc::kNotFound, "anchor has no key of this epoch");
  }

  Result<std::vector<std::uint64_t>> epochs() override {
    std::vector<std::uint64_t> all;
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot)
      if (const auto content = TRY(read_slot(slot)); content.used) all.push_back(content.epoch);
    std::sort(all.begin(), all.end());
    return all;
  }

  [[nodiscard]] std::string assurance() const override { return "file: overwritten in place (weakest)"; }

 private:
  struct Slot {
    bool used = false;
    std::uint64_t epoch = 0;
    Bytes raw;
  };

  Result<Slot> read_slot(std::size_t slot) {
    Slot content;
    content.raw.resize(kUsedBytes);
    const auto got = TRY(file_->read_at(slot * kAnchorSlotBytes, content.raw));
    if (got < kUsedBytes || as_text(ByteView(content.raw).first(4)) != kMagic) return content;
    const auto crc = load_le<std::uint32_t>(content.raw.data() + 76);
    if (crc != crc32c(ByteView(content.raw).first(76))) return content;  // torn: as good as free
    content.used = true;
    content.epoch = load_le<std::uint64_t>(content.raw.data() + 8);
    return content;
  }

  Status write_slot(std::size_t slot, const Bytes& raw) {
    TRY(file_->write_at(slot * kAnchorSlotBytes, raw));
    return file_->sync_data();
  }

  Bytes seal(std::uint64_t epoch, const Key32& key) {
    Bytes raw(kAnchorSlotBytes, 0);
    std::memcpy(raw.data(), kMagic.data(), 4);
    raw[4] = kVersion;
    store_le(raw.data() + 8, epoch);
    const auto nonce = entropy_.array<crypto::kAeadNonceBytes>();
    std::memcpy(raw.data() + 16, nonce.data(), nonce.size());
    const auto sealed = crypto::aead_seal(wrap_, nonce, ByteView(raw).first(16), key.expose());
    std::memcpy(raw.data() + 28, sealed.data(), sealed.size());
    store_le(raw.data() + 76, crc32c(ByteView(raw).first(76)));
    return raw;
  }

  Result<Key32> open(const Bytes& raw) {
    if (raw[4] != kVersion) return fail(Errc::kUnsupported, "anchor slot of an unknown version");
    crypto::AeadNonce nonce{};
    std::memcpy(nonce.data(), raw.data() + 16, nonce.size());
    const auto plain = crypto::aead_open(wrap_, nonce, ByteView(raw).first(16), ByteView(raw).subspan(28, 48));
    if (!plain) return fail(Errc::kCorrupt, "anchor slot does not open: wrong credential, or damaged");
    return Key32(std::span<const std::uint8_t, 32>(plain->expose().data(), 32));
  }

  std::unique_ptr<VfsFile> file_;
  Entropy& entropy_;
  Key32 wrap_;
};

}  // namespace

Status check_overwrites_in_place(const std::string& dir) {
  struct statfs info {};
  if (::statfs(dir.c_str(), &info) != 0) return fail_errno("statfs " + dir);
  const auto type = static_cast<std::int64_t>(info.f_type) & 0xFFFFFFFF;
  if (type == kBtrfs || type == kZfs || type == kOverlay)
    return fail(Errc::kUnsupported, dir + ": this file system (btrfs, zfs or overlay) never overwrites in place; "
                                          "a file anchor cannot forget there");
  return {};
}

Result<std::unique_ptr<Anchor>> open_file_anchor(Vfs& vfs, Entropy& entropy, const std::string& dir, const Key32& wrap) {
  TRY(vfs.make_dirs(dir));
  if (dynamic_cast<RealVfs*>(&vfs) != nullptr) TRY(check_overwrites_in_place(dir));
  const auto path = dir + "/slots";
  const bool fresh = !vfs.exists(path);
  auto file = TRY(vfs.open(path, OpenMode::kCreate));
  if (fresh || TRY(file->size()) < kAnchorSlots * kAnchorSlotBytes) {
    TRY(file->truncate(kAnchorSlots * kAnchorSlotBytes));
    TRY(file->write_at(0, Bytes(kAnchorSlots * kAnchorSlotBytes, 0)));
    TRY(file->sync_data());
    TRY(vfs.sync_dir(dir));
  }
  return std::unique_ptr<Anchor>(std::make_unique<FileAnchor>(std::move(file), entropy, wrap));
}

}  // namespace callward::keys
