// Byte vectors, views, hexadecimal, and the little-endian reader and writer of all our own formats.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace callward {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutByteView = std::span<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
inline bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

std::string to_hex(ByteView bytes);
// The same in groups of four digits, for eyes and voices; an even number of bytes.
std::string in_fours(ByteView bytes, const char* between);
Result<Bytes> from_hex(std::string_view text);
std::string to_base64(ByteView bytes);
Result<Bytes> from_base64(std::string_view text);  // standard alphabet, with padding, strict

// CRC-32C (Castagnoli), as in RFC 3720; the SSE4.2 instruction where the processor has it.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0) noexcept;

template <class Int>
inline void store_le(std::uint8_t* out, Int value) noexcept {
  for (std::size_t i = 0; i < sizeof(Int); ++i)
    out[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i));
}
template <class Int>
inline Int load_le(const std::uint8_t* in) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Int); ++i)
    value |= static_cast<std::uint64_t>(in[i]) << (8 * i);
  return static_cast<Int>(value);
}
template <class Int>
inline Int load_be(const std::uint8_t* in) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Int); ++i) value = value << 8 | in[i];
  return static_cast<Int>(value);
}

// Appends to a byte vector, little-endian.
class ByteWriter {
 public:
  ByteWriter() = default;
  explicit ByteWriter(std::size_t expected) { out_.reserve(expected); }
  void u8(std::uint8_t v) { out_.push_back(v); }
  void u16(std::uint16_t v) { put(v); }
  void u32(std::uint32_t v) { put(v); }
  void u64(std::uint64_t v) { put(v); }
  void i64(std::int64_t v) { put(static_cast<std::uint64_t>(v)); }
  void bytes(ByteView v) { out_.insert(out_.end(), v.begin(), v.end()); }
  void text(std::string_view v) { bytes(as_bytes(v)); }
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] ByteView view() const { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  template <class Int>
  void put(Int v) {
    std::array<std::uint8_t, sizeof(Int)> raw;
    store_le(raw.data(), v);
    bytes(raw);
  }
  Bytes out_;
};

// Reads from a view, little-endian; a read past the end makes it bad for good and returns zeros, so
// a caller may read a whole header and ask once.
class ByteReader {
 public:
  explicit ByteReader(ByteView in) : in_(in) {}
  std::uint8_t u8() { return get<std::uint8_t>(); }
  std::uint16_t u16() { return get<std::uint16_t>(); }
  std::uint32_t u32() { return get<std::uint32_t>(); }
  std::uint64_t u64() { return get<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(get<std::uint64_t>()); }
  ByteView bytes(std::size_t count) {
    if (count > in_.size() - at_ || bad_) {
      bad_ = true;
      return {};
    }
    const auto view = in_.subspan(at_, count);
    at_ += count;
    return view;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    if (const auto view = bytes(N); view.size() == N) std::memcpy(out.data(), view.data(), N);
    return out;
  }
  void skip(std::size_t count) { (void)bytes(count); }
  [[nodiscard]] std::size_t remaining() const { return bad_ ? 0 : in_.size() - at_; }
  [[nodiscard]] std::size_t offset() const { return at_; }
  [[nodiscard]] bool ok() const { return !bad_; }
  [[nodiscard]] bool done() const { return !bad_ && at_ == in_.size(); }
  void set_bad() { bad_ = true; }

 private:
  template <class Int>
  Int get() {
    const auto view = bytes(sizeof(Int));
    return view.size() == sizeof(Int) ? load_le<Int>(view.data()) : Int{0};
  }
  ByteView in_;
  std::size_t at_ = 0;
  bool bad_ = false;
};

}  // namespace callward
