// Between the thing under test and its simulated disk: one caller at a time, and folders that go
// away (a disk that is pulled out) and come back with what they held.
#pragma once

#include <mutex>
#include <set>

#include "sim/sim_vfs.hpp"

namespace callward::sim {

class GateVfs final : public Vfs {
 public:
  explicit GateVfs(SimVfs& disk) : disk_(disk) {}
  // All beneath it fails with EIO until it is back; open files too.
  void take_away(const std::string& folder);
  void bring_back(const std::string& folder);
  bool down();            // the machine is off
  std::uint64_t calls();  // that came through, ever

  Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_dirs(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  bool exists(const std::string& path) override;
  Status set_read_only(const std::string& path) override;

 private:
  class File;
  [[nodiscard]] Status check(const std::string& path) const;
  template <class Act>
  auto pass(const std::string& path, const Act& act) -> decltype(act()) {
    const std::lock_guard lock(mutex_);
    ++calls_;
    if (auto there = check(path); !there) return tl::unexpected<Error>(there.error());
    return act();
  }

  SimVfs& disk_;
  std::set<std::string> away_;
  std::uint64_t calls_ = 0;
  std::mutex mutex_;
};

}  // namespace callward::sim
