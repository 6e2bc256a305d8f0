#include "base/vfs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace callward {
namespace {

class RealFile final : public VfsFile {
 public:
  explicit RealFile(int fd) : fd_(fd) {}
  ~RealFile() override { ::close(fd_); }
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const auto n =
          ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read");
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }
  Status write_at(std::uint64_t offset, ByteView in) override {
    std::size_t done = 0;
    while (done < in.size()) {
      const auto n =
          ::pwrite(fd_, in.data() + done, in.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("write");
      done += static_cast<std::size_t>(n);
    }
    return {};
  }
  Status sync_data() override {
    if (::fdatasync(fd_) != 0) return fail_errno("fdatasync");
    return {};
  }
  Status preallocate(std::uint64_t size) override {
    if (::fallocate(fd_, 0, 0, static_cast<off_t>(size)) != 0) return fail_errno("fallocate");
    return {};
  }
  Status truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return fail_errno("ftruncate");
    return {};
  }
  Result<std::uint64_t> size() override {
    struct stat info{};
    if (::fstat(fd_, &info) != 0) return fail_errno("fstat");
    return static_cast<std::uint64_t>(info.st_size);
  }
  Result<std::uint64_t> written_end() override {
    constexpr int kExtentsMax = 100'000;
    const auto whole = TRY(size());
    off_t end = 0;
    for (int i = 0; i < kExtentsMax; ++i) {
      const auto data = ::lseek(fd_, end, SEEK_DATA);
      if (data < 0) return errno == ENXIO ? static_cast<std::uint64_t>(end) : whole;
      const auto hole = ::lseek(fd_, data, SEEK_HOLE);
      if (hole <= data) return whole;
      end = hole;
      if (static_cast<std::uint64_t>(end) >= whole) return whole;
    }
    return whole;
  }

 private:
  int fd_;
};

}  // namespace

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<Bytes> Vfs::read_file(const std::string& path, std::size_t size_max) {
  const auto file = TRY(open(path, OpenMode::kRead));
  const auto size = TRY(file->size());
  if (size > size_max) return fail(Errc::kTooLarge, path + ": larger than its limit");
  Bytes content(size);
  const auto got = TRY(file->read_at(0, content));
  content.resize(got);
  return content;
}

Status Vfs::write_file_atomic(const std::string& path, ByteView content) {
  const auto fresh = path + ".new";
  if (exists(fresh)) TRY(remove(fresh));
  {
    const auto file = TRY(open(fresh, OpenMode::kCreateNew));
    TRY(file->write_at(0, content));
    TRY(file->sync_data());
  }
  TRY(rename(fresh, path));
  return sync_dir(parent_of(path));
}

Result<std::unique_ptr<VfsFile>> RealVfs::open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::kRead:
      flags |= O_RDONLY;
      break;
    case OpenMode::kReadWrite:
      flags |= O_RDWR;
      break;
    case OpenMode::kCreate:
      flags |= O_RDWR | O_CREAT;
      break;
    case OpenMode::kCreateNew:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  const int fd = ::open(path.c_str(), flags, 0600);
  if (fd >= 0) return std::unique_ptr<VfsFile>(std::make_unique<RealFile>(fd));
  if (errno == ENOENT) return fail(Errc::kNotFound, path + ": no such file");
  if (errno == EEXIST) return fail(Errc::kExists, path + ": is there already");
  return fail_errno(path);
}

Status RealVfs::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno("rename " + to);
  return {};
}

Status RealVfs::remove(const std::string& path) {
  if (::remove(path.c_str()) == 0) return {};
  const int error = errno;
  if (error != EPERM) return fail_errno("remove " + path, error);
  // Not for want of a right: the file, or its folder, may not be changed (chattr +i).
  return fail(Errc::kDenied, "remove " + path + ": " + std::strerror(error));
}

Status RealVfs::make_dirs(const std::string& path) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const auto part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir " + part);
  }
  return {};
}

Status RealVfs::sync_dir(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_errno("open " + path);
  const int rc = ::fsync(fd);
  const int saved = errno;
  ::close(fd);
  if (rc != 0) return fail_errno("fsync " + path, saved);
  return {};
}

Result<std::vector<std::string>> RealVfs::list(const std::string& path) {
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) {
    if (errno == ENOENT) return fail(Errc::kNotFound, path + ": no such folder");
    return fail_errno(path);
  }
  std::vector<std::string> names;
  while (const auto* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

bool RealVfs::exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Status RealVfs::set_read_only(const std::string& path) {
  if (::chmod(path.c_str(), 0444) != 0) return fail_errno("chmod " + path);
  return {};
}

}  // namespace callward
