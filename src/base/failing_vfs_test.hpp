// Real files that refuse: writes and syncs below a folder fail while `refuse` says so. For unit
// tests; losses of power are the simulator's business (sim/).
#pragma once

#include <functional>

#include "base/vfs.hpp"

namespace callward {

enum class FileCall : std::uint8_t { kOpen, kWrite, kSync };

class FailingVfs final : public Vfs {
 public:
  std::function<bool(const std::string& path, FileCall call)> refuse;

  Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) override {
    TRY(may(path, FileCall::kOpen));
    return std::unique_ptr<VfsFile>(
        std::make_unique<File>(*this, path, TRY(real_.open(path, mode))));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return real_.rename(from, to);
  }
  Status remove(const std::string& path) override { return real_.remove(path); }
  Status make_dirs(const std::string& path) override { return real_.make_dirs(path); }
  Status sync_dir(const std::string& path) override { return real_.sync_dir(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return real_.list(path);
  }
  bool exists(const std::string& path) override { return real_.exists(path); }
  Status set_read_only(const std::string& path) override { return real_.set_read_only(path); }

 private:
  class File final : public VfsFile {
   public:
    File(FailingVfs& vfs, std::string path, std::unique_ptr<VfsFile> real)
        : vfs_(vfs), path_(std::move(path)), real_(std::move(real)) {}
    Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) override {
      return real_->read_at(offset, out);
    }
    Status write_at(std::uint64_t offset, ByteView in) override {
      TRY(vfs_.may(path_, FileCall::kWrite));
      return real_->write_at(offset, in);
    }
    Status sync_data() override {
      TRY(vfs_.may(path_, FileCall::kSync));
      return real_->sync_data();
    }
    Status preallocate(std::uint64_t size) override { return real_->preallocate(size); }
    Status truncate(std::uint64_t size) override { return real_->truncate(size); }
    Result<std::uint64_t> size() override { return real_->size(); }

   private:
    FailingVfs& vfs_;
    std::string path_;
    std::unique_ptr<VfsFile> real_;
  };
  Status may(const std::string& path, FileCall call) const {
    if (refuse && refuse(path, call)) return fail(Errc::kIo, path + ": refused by the test");
    return {};
  }
  RealVfs real_;
};

}  // namespace callward
