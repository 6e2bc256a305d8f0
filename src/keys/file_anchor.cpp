#include <sys/vfs.h>

#include <algorithm>
#include <array>

#include "crypto/aead.hpp"
#include "keys/anchor.hpp"

namespace callward::keys {
namespace {

constexpr std::string_view kMagic = "CWAN";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kUsedBytes = 80;
constexpr std::uint64_t kFileBytes = kAnchorSlots * kAnchorSlotBytes;

// File systems that write elsewhere and leave the old block (values of statfs.f_type, from
// statfs(2) and linux/magic.h; bcachefs: fs/bcachefs/bcachefs_format.h).
struct Outplace {
  std::int64_t type;
  const char* name;
};
constexpr Outplace kOutplace[] = {{0x9123683E, "btrfs"},   {0x2FC12FC1, "zfs"},
                                  {0x794C7630, "overlay"}, {0xF2F52010, "f2fs"},
                                  {0x3434, "nilfs2"},      {0xCA451A4E, "bcachefs"}};

enum class SlotState : std::uint8_t { kEmpty, kUsed, kDamaged };

struct Slot {
  SlotState state = SlotState::kEmpty;
  std::uint64_t epoch = 0;
  std::string why;  // something is wrong with it, even if it is used
  Bytes raw;
};

class FileAnchor final : public Anchor {
 public:
  FileAnchor(std::string path, std::unique_ptr<VfsFile> file, Entropy& entropy, const Key32& wrap)
      : path_(std::move(path)), file_(std::move(file)), entropy_(entropy), wrap_(wrap.clone()) {}

  Status put(std::uint64_t epoch, const Key32& key) override {
    std::size_t target = kAnchorSlots;
    SlotState best = SlotState::kUsed;
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot) {
      const auto content = TRY(read_slot(slot));
      if (content.state == SlotState::kUsed && content.epoch == epoch)
        return fail(Errc::kExists,
                    "the anchor has a key of epoch " + std::to_string(epoch) + " already");
      if (content.state == SlotState::kUsed || best == SlotState::kEmpty) continue;
      best = content.state;
      target = slot;
    }
    if (target == kAnchorSlots) return fail(Errc::kFull, "the anchor has no free slot");
    return write_slot(target, seal(epoch, key));
  }

  Result<Key32> get(std::uint64_t epoch) override {
    bool damaged = false;
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot) {
      const auto content = TRY(read_slot(slot));
      damaged = damaged || content.state == SlotState::kDamaged;
      if (content.state == SlotState::kUsed && content.epoch == epoch) return open(content.raw);
    }
    const auto what = "the anchor has no key of epoch " + std::to_string(epoch);
    return damaged ? fail(Errc::kCorrupt, what + ", and a damaged slot")
                   : fail(Errc::kNotFound, what);
  }

  Status destroy(std::uint64_t epoch) override {
    bool any = false;
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot) {
      const auto content = TRY(read_slot(slot));
      if (content.state == SlotState::kUsed && content.epoch != epoch) continue;
      if (content.state == SlotState::kEmpty && !unsettled_[slot]) continue;
      TRY(wipe_slot(slot));
      any = true;
    }
    if (!any)
      return fail(Errc::kNotFound, "the anchor has no key of epoch " + std::to_string(epoch));
    return {};
  }
  Status destroy_others(std::uint64_t keep) override {
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot)
      if (const auto content = TRY(read_slot(slot));
          content.state != SlotState::kUsed || content.epoch != keep)
        TRY(wipe_slot(slot));
    return {};
  }
  Status destroy_all() override {
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot)
      if (const auto content = TRY(read_slot(slot));
          content.state == SlotState::kUsed && !open(content.raw))
        return fail(Errc::kDenied,
                    path_ + ": is sealed under another credential; it is not ours to destroy");
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot) TRY(wipe_slot(slot));
    return {};
  }

  Result<std::vector<std::uint64_t>> epochs() override {
    std::vector<std::uint64_t> all;
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot)
      if (const auto content = TRY(read_slot(slot)); content.state == SlotState::kUsed)
        all.push_back(content.epoch);
    std::sort(all.begin(), all.end());
    return all;
  }

  Result<std::vector<std::string>> check() override {
    std::vector<std::string> findings;
    for (std::size_t slot = 0; slot < kAnchorSlots; ++slot) {
      const auto content = TRY(read_slot(slot));
      auto why = content.why;
      if (content.state == SlotState::kUsed && why.empty())
        if (auto opened = open(content.raw); !opened) why = opened.error().message;
      if (why.empty()) continue;
      const auto from = slot * kAnchorSlotBytes;
      findings.push_back(path_ + ": bytes " + std::to_string(from) + "-" +
                         std::to_string(from + kAnchorSlotBytes - 1) + ": anchor slot " +
                         std::to_string(slot) + ": " + why);
    }
    return findings;
  }

  [[nodiscard]] std::string assurance() const override {
    return "file: overwritten in place (weakest)";
  }

 private:
  Result<Slot> read_slot(std::size_t slot) {
    Slot content;
    content.raw.resize(kAnchorSlotBytes);
    const auto got = TRY(file_->read_at(slot * kAnchorSlotBytes, content.raw));
    const auto zero = [](std::uint8_t byte) { return byte == 0; };
    if (got == kAnchorSlotBytes && std::all_of(content.raw.begin(), content.raw.end(), zero))
      return content;
    content.state = SlotState::kDamaged;
    content.why = got < kAnchorSlotBytes ? "is cut off" : "neither a key nor empty";
    if (got < kUsedBytes || as_text(ByteView(content.raw).first(4)) != kMagic) return content;
    content.epoch = load_le<std::uint64_t>(content.raw.data() + 8);
    const auto crc = load_le<std::uint32_t>(content.raw.data() + 76);
    if (crc == crc32c(ByteView(content.raw).first(76))) {
      content.state = SlotState::kUsed;
      if (got == kAnchorSlotBytes) content.why.clear();
    } else if (open(content.raw)) {
      content.state = SlotState::kUsed;
      content.why = "its checksum is damaged; the key is whole";
    }
    if (content.why.empty() &&
        !std::all_of(content.raw.begin() + kUsedBytes, content.raw.end(), zero))
      content.why = "has stray bytes behind the key";
    return content;
  }

  // An empty slot is written, too: after an error of a sync, in this life or an earlier one, the
  // system's cache may show zeros that the disk does not hold.
  Status wipe_slot(std::size_t slot) {
    unsettled_[slot] = true;
    Bytes noise(kAnchorSlotBytes);
    entropy_.fill(noise);
    TRY(write_slot(slot, noise));
    TRY(write_slot(slot, Bytes(kAnchorSlotBytes, 0)));
    unsettled_[slot] = false;
    return {};
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
    const auto plain =
        crypto::aead_open(wrap_, nonce, ByteView(raw).first(16), ByteView(raw).subspan(28, 48));
    if (!plain) return fail(Errc::kCorrupt, "the key does not open: wrong credential, or damaged");
    return Key32(std::span<const std::uint8_t, 32>(plain->expose().data(), 32));
  }

  std::string path_;
  std::unique_ptr<VfsFile> file_;
  Entropy& entropy_;
  Key32 wrap_;
  std::array<bool, kAnchorSlots> unsettled_{};  // a wipe of it has failed
};

}  // namespace

// A folder that was there already may have been made by an attempt that a loss of power cut short:
// it is synced, too, where that is allowed.
Status make_durable_dirs(Vfs& vfs, const std::string& dir) {
  std::vector<std::string> missing, there;
  for (std::string at = dir; parent_of(at) != at; at = parent_of(at))
    (vfs.exists(at) ? there : missing).push_back(at);
  TRY(vfs.make_dirs(dir));
  for (const auto& folder : missing) TRY(vfs.sync_dir(parent_of(folder)));
  for (const auto& folder : there) (void)vfs.sync_dir(parent_of(folder));
  return {};
}

Status check_file_system(std::int64_t type, const std::string& dir) {
  for (const auto& known : kOutplace)
    if ((type & 0xFFFFFFFF) == known.type)
      return fail(Errc::kUnsupported,
                  dir + ": " + known.name +
                      " does not overwrite in place; a file anchor cannot forget there");
  return {};
}

Status check_overwrites_in_place(const std::string& dir) {
  struct statfs info{};
  if (::statfs(dir.c_str(), &info) != 0) return fail_errno("statfs " + dir);
  return check_file_system(static_cast<std::int64_t>(info.f_type), dir);
}

Result<std::unique_ptr<Anchor>> open_file_anchor(Vfs& vfs, Entropy& entropy, const std::string& dir,
                                                 const Key32& wrap, AnchorMode mode) {
  const bool create = mode == AnchorMode::kCreate;
  if (create) TRY(make_durable_dirs(vfs, dir));
  const auto path = dir + "/slots";
  auto file = TRY(vfs.open(path, create ? OpenMode::kCreate : OpenMode::kReadWrite));
  if (dynamic_cast<RealVfs*>(&vfs) != nullptr) TRY(check_overwrites_in_place(dir));
  // A file that was cut off is filled up, never emptied: what is left of it may be the living key.
  if (const auto size = TRY(file->size()); create && size < kFileBytes) {
    TRY(file->write_at(size, Bytes(kFileBytes - size, 0)));
    TRY(file->sync_data());
  }
  if (create) TRY(vfs.sync_dir(dir));
  return std::unique_ptr<Anchor>(
      std::make_unique<FileAnchor>(path, std::move(file), entropy, wrap));
}

}  // namespace callward::keys
