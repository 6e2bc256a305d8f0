#include "sim/gate_vfs.hpp"

#include <algorithm>

namespace callward::sim {

class GateVfs::File final : public VfsFile {
 public:
  File(GateVfs& gate, std::unique_ptr<VfsFile> file, std::string path)
      : gate_(gate), file_(std::move(file)), path_(std::move(path)) {}
  Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) override {
    return gate_.pass(path_, [&] { return file_->read_at(offset, out); });
  }
  Status write_at(std::uint64_t offset, ByteView in) override {
    return gate_.pass(path_, [&] { return file_->write_at(offset, in); });
  }
  Status sync_data() override {
    return gate_.pass(path_, [&] { return file_->sync_data(); });
  }
  Status preallocate(std::uint64_t size) override {
    return gate_.pass(path_, [&] { return file_->preallocate(size); });
  }
  Status truncate(std::uint64_t size) override {
    return gate_.pass(path_, [&] { return file_->truncate(size); });
  }
  Result<std::uint64_t> size() override {
    return gate_.pass(path_, [&] { return file_->size(); });
  }

 private:
  GateVfs& gate_;
  std::unique_ptr<VfsFile> file_;
  std::string path_;
};

void GateVfs::take_away(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  away_.insert(folder);
}
void GateVfs::bring_back(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  away_.erase(folder);
}

bool GateVfs::down() {
  const std::lock_guard lock(mutex_);
  return disk_.down();
}
std::uint64_t GateVfs::calls() {
  const std::lock_guard lock(mutex_);
  return calls_;
}

Status GateVfs::check(const std::string& path) const {
  const bool away = std::any_of(away_.begin(), away_.end(), [&](const std::string& folder) {
    return path == folder || path.starts_with(folder + "/");
  });
  return away ? Status(fail(Errc::kIo, path + ": simulated: its disk is away")) : Status();
}

Result<std::unique_ptr<VfsFile>> GateVfs::open(const std::string& path, OpenMode mode) {
  return pass(path, [&]() -> Result<std::unique_ptr<VfsFile>> {
    return std::unique_ptr<VfsFile>(
        std::make_unique<File>(*this, TRY(disk_.open(path, mode)), path));
  });
}
Status GateVfs::rename(const std::string& from, const std::string& to) {
  return pass(to, [&] { return disk_.rename(from, to); });
}
Status GateVfs::remove(const std::string& path) {
  return pass(path, [&] { return disk_.remove(path); });
}
Status GateVfs::make_dirs(const std::string& path) {
  return pass(path, [&] { return disk_.make_dirs(path); });
}
Status GateVfs::sync_dir(const std::string& path) {
  return pass(path, [&] { return disk_.sync_dir(path); });
}
Result<std::vector<std::string>> GateVfs::list(const std::string& path) {
  return pass(path, [&] { return disk_.list(path); });
}
bool GateVfs::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ++calls_;
  return check(path) && disk_.exists(path);
}
Status GateVfs::set_read_only(const std::string& path) {
  return pass(path, [&] { return disk_.set_read_only(path); });
}

}  // namespace callward::sim
