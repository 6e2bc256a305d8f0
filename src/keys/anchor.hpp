// Where epoch keys live and die. The whole guarantee of erasing rests on destroy().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/entropy.hpp"
#include "base/secret.hpp"
#include "base/vfs.hpp"

namespace callward::keys {

// What every anchor keeps to (keys/anchor_test.cpp runs the same contract over all of them):
//   put      durable when it returns; kExists: the epoch lives already; kFull: no slot. After a
//   failure the
//            key may live or not: the caller destroys that epoch before it goes on.
//   destroy  when it returns, no byte of that key is left where the anchor kept it, nor of any slot
//   that is
//            damaged beyond being told apart from it. kNotFound: nothing was there. After a
//            failure: again.
//   get      kNotFound, kCorrupt (damaged, or another credential).
class Anchor {
 public:
  virtual ~Anchor() = default;
  virtual Status put(std::uint64_t epoch, const Key32& key) = 0;
  virtual Result<Key32> get(std::uint64_t epoch) = 0;
  virtual Status destroy(std::uint64_t epoch) = 0;
  // Whatever is not `keep`, remains of torn writes included. Nothing to do is no error.
  virtual Status destroy_others(std::uint64_t keep) = 0;
  virtual Status destroy_all() = 0;  // kDenied: the keys are sealed under another credential
  virtual Result<std::vector<std::uint64_t>> epochs() = 0;  // that live, ascending
  // One line a damaged slot, with its file and byte range.
  virtual Result<std::vector<std::string>> check() = 0;
  // One word for people and proofs: what destroy() is worth here.
  [[nodiscard]] virtual std::string assurance() const = 0;
};

// `file`: two slots of 4 KiB, overwritten in place and synced; keys wrapped under `wrap`. The
// weakest level: flash and virtual disks may keep what was overwritten. Refuses file systems that
// write elsewhere and leave the old block (btrfs, zfs, overlay, f2fs, nilfs2, bcachefs) with
// kUnsupported.
//
//   DIR/slots, slot: 0 "CWAN"  4 version u8 = 1  5 reserved[3]  8 epoch u64  16 nonce[12]  28
//   wrapped[32]
//                    60 tag[16]  76 CRC-32C u32 of 0..75  80 zeros
//   wrapped, tag = AES-256-GCM(wrap, nonce, AAD = bytes 0..15, epoch key)
//
// A slot is empty (all zeros), used, or damaged (anything else: a torn write, a flipped bit). A
// slot whose tag fits is used even if its checksum does not. put() takes an empty slot before a
// damaged one; destroy() overwrites with noise, syncs, overwrites with zeros, syncs: a lost second
// write leaves noise, never the key.
enum class AnchorMode : std::uint8_t {
  kExisting,  // kNotFound if there is none: a disk that is not mounted must not look like an empty
              // anchor
  kCreate,
};
Result<std::unique_ptr<Anchor>> open_file_anchor(Vfs& vfs, Entropy& entropy, const std::string& dir,
                                                 const Key32& wrap,
                                                 AnchorMode mode = AnchorMode::kCreate);
inline constexpr std::size_t kAnchorSlotBytes = 4'096;
inline constexpr std::size_t kAnchorSlots = 2;

// As mkdir -p, and every name on the way is on the disk when it returns.
Status make_durable_dirs(Vfs& vfs, const std::string& dir);

// kUnsupported where overwriting in place cannot be had. Only real paths.
Status check_overwrites_in_place(const std::string& dir);
// The same for a value of statfs(2)'s f_type.
Status check_file_system(std::int64_t type, const std::string& dir);

}  // namespace callward::keys
