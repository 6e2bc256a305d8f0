// A disk in memory that loses power, refuses, and remembers everything ever written to it.
//
// FAULT MODEL (what a test may count on, and what it may not)
//   - A write is volatile until sync_data() of its file returned. At a loss of power each 512-byte
//   sector of
//     each volatile write survives or not, by itself; a sector is never torn.
//   - A file's or folder's name is volatile until sync_dir() of the folder that holds it returned;
//   of the
//     volatile changes of one folder a prefix survives, each folder by itself.
//   - A refused write (EIO, ENOSPC) may have left any prefix behind. A refused sync may have made
//   any of the
//     volatile sectors durable and *drops the rest*, while reads go on showing them (as Linux
//     does).
//   - A killed process loses nothing that a call had written.
//   - Not modelled: bits that rot by themselves (tests flip them by hand), reads that lie.
//
// Every call has a number, reads included; a fault is set for one number. The same seed gives the
// same run.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/entropy.hpp"
#include "base/vfs.hpp"

namespace callward::sim {

enum class Fault : std::uint8_t { kNone, kKill, kPowerLoss, kIoError, kNoSpace };
// What survives of what is volatile at a loss of power.
enum class Survival : std::uint8_t { kNothing, kEverything, kSome };

class SimVfs final : public Vfs {
 public:
  explicit SimVfs(std::uint64_t seed = 1);
  SimVfs(SimVfs&&) = default;
  SimVfs& operator=(SimVfs&&) = default;
  // A disk of its own with the same content, faults cleared. Handles stay with the original.
  [[nodiscard]] SimVfs fork(std::uint64_t seed) const;

  // The call with this number (the next one is 0) meets `fault`. After kKill and kPowerLoss every
  // call fails until restart().
  void plan(std::uint64_t call, Fault fault);
  [[nodiscard]] std::uint64_t calls() const;  // since plan()
  [[nodiscard]] bool down() const;
  // Old handles stay dead. After a loss of power `survival` decides what is left.
  void restart(Survival survival = Survival::kSome);

  struct Write {
    std::string path;  // at the time of writing
    std::uint64_t offset = 0;
    Bytes content;
  };
  // Everything that anybody ever tried to write, refused and lost writes included: what a medium
  // may keep.
  [[nodiscard]] const std::vector<Write>& ever_written() const;
  // Changes a byte where it lies: damage.
  void flip(const std::string& path, std::uint64_t offset, std::uint8_t mask);
  // A folder and all beneath it, as of now; and put back later: a disk that was away.
  [[nodiscard]] std::map<std::string, Bytes> image(const std::string& dir) const;
  void put_back(const std::map<std::string, Bytes>& image);

  Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_dirs(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  bool exists(const std::string& path) override;
  Status set_read_only(const std::string& path) override;

 private:
  struct Disk;
  class File;
  std::shared_ptr<Disk> disk_;
};

}  // namespace callward::sim
