// Which bytes of the pages file no committed page uses. Kept in memory alone and worked out anew
// from the tree at every opening, so that no crash can leave it wrong on the disk.
//
// INVARIANT: extents never overlap and never touch (neighbours are joined); all are multiples of 64
// bytes.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace callward::keys {

class FreeSpace {
 public:
  static constexpr std::uint64_t kAlignmentBytes = 64;
  static constexpr std::uint64_t rounded(std::uint64_t bytes) {
    return (bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  }

  // Everything from `end` on is unused and not listed.
  explicit FreeSpace(std::uint64_t end = 0) : end_(end) {}

  // The smallest hole that holds `bytes` (the lowest of equals), else the end of the file. O(log
  // holes).
  std::uint64_t take(std::uint64_t bytes);
  // Gives back what take() gave, or what a walk of the tree found between two pages. Joins
  // neighbours; a hole that reaches the end moves the end back.
  void give(std::uint64_t offset, std::uint64_t bytes);

  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] std::uint64_t free_bytes() const { return free_bytes_; }
  [[nodiscard]] std::size_t holes() const { return by_offset_.size(); }

 private:
  void add(std::uint64_t offset, std::uint64_t bytes);
  void drop(std::map<std::uint64_t, std::uint64_t>::iterator hole);

  std::map<std::uint64_t, std::uint64_t> by_offset_;           // offset -> bytes
  std::set<std::pair<std::uint64_t, std::uint64_t>> by_size_;  // (bytes, offset)
  std::uint64_t free_bytes_ = 0;
  std::uint64_t end_;
};

}  // namespace callward::keys
