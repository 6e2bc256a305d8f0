// Passphrases that were found in leaks: a list that the installation brings, in the form in which
// Have I Been Pwned gives its own away: a line each, SHA-1 in 40 hexadecimal digits, then maybe ':'
// and how often, in the order of the hashes. It may be as large as it likes: it is searched where
// it lies, by halving, and nothing of a passphrase leaves the machine.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/secret.hpp"
#include "base/vfs.hpp"

namespace callward::people {

class LeakedList {
 public:
  // kConfig: not such a list, or not in order (asked of some of its lines).
  static Result<LeakedList> open(Vfs& vfs, const std::string& path);
  // kCorrupt: a line that is none.
  Result<bool> has(const SecretBytes& passphrase) const;

  static constexpr std::size_t kLineBytesMax = 128;

 private:
  using Name = std::array<std::uint8_t, 20>;
  struct Line {
    std::uint64_t begin = 0, end = 0;  // end: where the next one begins
    Name name{};
  };
  LeakedList(std::unique_ptr<VfsFile> file, std::uint64_t size)
      : file_(std::move(file)), size_(size) {}
  // The first line that begins at `at` or behind it; its begin is size_ when there is none.
  Result<Line> line_from(std::uint64_t at) const;
  Status check_order() const;

  std::unique_ptr<VfsFile> file_;
  std::uint64_t size_ = 0;
};

}  // namespace callward::people
