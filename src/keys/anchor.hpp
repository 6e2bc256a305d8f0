// Where epoch keys live and die. The whole guarantee of erasing rests on destroy().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/entropy.hpp"
#include "base/secret.hpp"
#include "base/vfs.hpp"

namespace callward::keys {

class Anchor {
 public:
  virtual ~Anchor() = default;
  virtual Status put(std::uint64_t epoch, const Key32& key) = 0;   // durable when it returns; kFull: no slot
  virtual Result<Key32> get(std::uint64_t epoch) = 0;              // kNotFound, kCorrupt
  virtual Status destroy(std::uint64_t epoch) = 0;                 // gone, durably, when it returns
  virtual Result<std::vector<std::uint64_t>> epochs() = 0;         // that live, ascending
  // One word for people and proofs: what destroy() is worth here.
  [[nodiscard]] virtual std::string assurance() const = 0;
};

// `file`: two slots of 4 KiB, overwritten in place and synced; keys wrapped under `wrap`. The weakest level:
// flash and virtual disks may keep what was overwritten. Refuses file systems that never overwrite in place
// (btrfs, zfs, overlay) with kUnsupported.
//
//   slot: 0 "CWAN"  4 version u8 = 1  5 reserved[3]  8 epoch u64  16 nonce[12]  28 wrapped[32]  60 tag[16]  76 CRC-32C u32
Result<std::unique_ptr<Anchor>> open_file_anchor(Vfs& vfs, Entropy& entropy, const std::string& dir, const Key32& wrap);
inline constexpr std::size_t kAnchorSlotBytes = 4'096;
inline constexpr std::size_t kAnchorSlots = 2;

// kUnsupported where overwriting in place cannot be had. Only real paths.
Status check_overwrites_in_place(const std::string& dir);

}  // namespace callward::keys
