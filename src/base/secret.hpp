// Types for key material and plaintext. They wipe themselves, are moved and never silently copied,
// and cannot be printed or compared with ==: tests/must_not_compile proves it. Memory is locked per
// process
// (app/ calls mlockall where keys or plaintext live), so a key costs its bytes and no page of its
// own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/bytes.hpp"

namespace callward {

// Overwrites with zeros in a way the optimiser may not drop.
inline void wipe(void* at, std::size_t size) noexcept { ::explicit_bzero(at, size); }
inline void wipe(MutByteView bytes) noexcept {
  if (!bytes.empty()) wipe(bytes.data(), bytes.size());
}
inline void wipe(Bytes& bytes) noexcept {
  wipe(MutByteView(bytes));
  bytes.clear();
}

// Compares in time that depends on the length alone.
bool equal_constant_time(ByteView a, ByteView b) noexcept;

// N bytes of key material.
template <std::size_t N>
class SecretArray {
 public:
  SecretArray() noexcept : bytes_{} {}
  explicit SecretArray(std::span<const std::uint8_t, N> from) noexcept {
    std::memcpy(bytes_.data(), from.data(), N);
  }
  ~SecretArray() { wipe(bytes_.data(), N); }
  SecretArray(SecretArray&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  SecretArray& operator=(SecretArray&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.clear();
    }
    return *this;
  }
  SecretArray(const SecretArray&) = delete;
  SecretArray& operator=(const SecretArray&) = delete;
  bool operator==(const SecretArray&) const = delete;

  [[nodiscard]] SecretArray clone() const noexcept { return SecretArray(expose()); }
  [[nodiscard]] std::span<const std::uint8_t, N> expose() const noexcept { return bytes_; }
  [[nodiscard]] std::span<std::uint8_t, N> expose_mut() noexcept { return bytes_; }
  void clear() noexcept { wipe(bytes_.data(), N); }
  static constexpr std::size_t size() { return N; }

 private:
  std::array<std::uint8_t, N> bytes_;
};

using Key32 = SecretArray<32>;

// Plaintext or key material of run-time size: wiped on destruction; never grows in place, so no
// unwiped copy stays behind in the heap.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size) : bytes_(size) {}
  explicit SecretBytes(ByteView from) : bytes_(from.begin(), from.end()) {}
  ~SecretBytes() { wipe(MutByteView(bytes_)); }
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {
    other.bytes_.clear();
  }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      wipe(MutByteView(bytes_));
      bytes_ = std::move(other.bytes_);
      other.bytes_.clear();
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  bool operator==(const SecretBytes&) const = delete;

  [[nodiscard]] SecretBytes clone() const { return SecretBytes(expose()); }
  [[nodiscard]] ByteView expose() const noexcept { return bytes_; }
  [[nodiscard]] MutByteView expose_mut() noexcept { return bytes_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  void clear() noexcept { wipe(bytes_); }

 private:
  Bytes bytes_;
};

// A name, number or other personal value that may be used but never printed: no operator<<, no fmt
// formatter. `reveal()` is the one word to grep for.
template <class T>
class Redacted {
 public:
  Redacted() = default;
  explicit Redacted(T value) : value_(std::move(value)) {}
  [[nodiscard]] const T& reveal() const noexcept { return value_; }

 private:
  T value_{};
};

}  // namespace callward
