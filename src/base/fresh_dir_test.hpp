// Folders for tests: empty when a test asks for one, gone when the test program ends.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <set>
#include <string>

namespace callward::test {

class Folders {
 public:
  ~Folders() {
    std::error_code none;
    for (const auto& dir : dirs_) std::filesystem::remove_all(dir, none);
  }
  void add(const std::string& dir) {
    const std::lock_guard lock(mutex_);
    dirs_.insert(dir);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> dirs_;
};

// The name is the test's own; sockets in the folder need it short.
inline std::string fresh_dir(const std::string& name) {
  static Folders folders;
  const auto dir = ::testing::TempDir() + "cw-" + name + "-" + std::to_string(::getpid());
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  folders.add(dir);
  return dir;
}

}  // namespace callward::test
