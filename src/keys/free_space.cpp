#include "keys/free_space.hpp"

#include "base/check.hpp"

namespace callward::keys {

void FreeSpace::add(std::uint64_t offset, std::uint64_t bytes) {
  by_offset_[offset] = bytes;
  by_size_.emplace(bytes, offset);
  free_bytes_ += bytes;
}

void FreeSpace::drop(std::map<std::uint64_t, std::uint64_t>::iterator hole) {
  by_size_.erase({hole->second, hole->first});
  free_bytes_ -= hole->second;
  by_offset_.erase(hole);
}

std::uint64_t FreeSpace::take(std::uint64_t bytes) {
  bytes = rounded(bytes);
  const auto fitting = by_size_.lower_bound({bytes, 0});
  if (fitting == by_size_.end()) {
    const auto offset = end_;
    end_ += bytes;
    return offset;
  }
  const auto [size, offset] = *fitting;
  drop(by_offset_.find(offset));
  if (size > bytes) add(offset + bytes, size - bytes);
  return offset;
}

void FreeSpace::give(std::uint64_t offset, std::uint64_t bytes) {
  bytes = rounded(bytes);
  if (bytes == 0) return;
  const auto next = by_offset_.lower_bound(offset);
  CHECK(offset + bytes <= end_);
  CHECK(next == by_offset_.end() || offset + bytes <= next->first);
  if (next != by_offset_.end() && offset + bytes == next->first) {
    bytes += next->second;
    drop(next);
  }
  if (const auto after = by_offset_.lower_bound(offset); after != by_offset_.begin()) {
    const auto before = std::prev(after);
    CHECK(before->first + before->second <= offset);
    if (before->first + before->second == offset) {
      offset = before->first;
      bytes += before->second;
      drop(before);
    }
  }
  if (offset + bytes == end_) {
    end_ = offset;
  } else {
    add(offset, bytes);
  }
}

}  // namespace callward::keys
