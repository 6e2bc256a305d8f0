// Files come through this interface, so that the simulator and the fault tests can tear, lose and
// refuse writes. Durable code calls sync_data() on the file and sync_dir() on its folder, in the
// order that its own head comment states.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace callward {

class VfsFile {
 public:
  virtual ~VfsFile() = default;
  // Reads up to out.size() bytes at `offset`; returns how many there were (short at the end of
  // file).
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) = 0;
  // Writes all of it or fails; what part reached the file is unknown after a failure.
  virtual Status write_at(std::uint64_t offset, ByteView in) = 0;
  virtual Status sync_data() = 0;                      // fdatasync(2)
  virtual Status preallocate(std::uint64_t size) = 0;  // fallocate(2); the size changes
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
  // One past the last byte that was ever written; what the file system cannot tell counts as
  // written. To be asked before the file is read: what was read may look written afterwards.
  virtual Result<std::uint64_t> written_end() { return size(); }
};

enum class OpenMode : std::uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read and write; made if absent (0600)
  kCreateNew,  // read and write; kExists if there
};

class Vfs {
 public:
  virtual ~Vfs() = default;
  virtual Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces
  // A file, or an empty folder. kDenied: it may not be changed (write-once).
  virtual Status remove(const std::string& path) = 0;
  virtual Status make_dirs(const std::string& path) = 0;  // 0700, like mkdir -p
  virtual Status sync_dir(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names, sorted
  virtual bool exists(const std::string& path) = 0;
  virtual Status set_read_only(const std::string& path) = 0;  // 0444

  // Whole file at once; kTooLarge above `size_max`.
  Result<Bytes> read_file(const std::string& path, std::size_t size_max);
  // New name, sync, rename over, sync of the folder: after it either the old or the new content is
  // there.
  Status write_file_atomic(const std::string& path, ByteView content);
};

class RealVfs final : public Vfs {
 public:
  Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_dirs(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  bool exists(const std::string& path) override;
  Status set_read_only(const std::string& path) override;
};

std::string parent_of(const std::string& path);

}  // namespace callward
