// Messages between our own processes, as bytes: a struct lists its fields once, in `visit`, and is
// packed and unpacked from that list. Little-endian; every text, vector and byte string carries a
// u32 count and is bounded by the message itself.
//
//   struct CallEnd {
//     static constexpr std::uint16_t kType = 3;
//     CallId call;  std::vector<StreamEnd> streams;
//     template <class V> void visit(V& v) { v(call, streams); }
//   };
//   Bytes raw = pack(message);   Result<CallEnd> back = unpack<CallEnd>(raw);
//
// Unpacking is strict: bytes missing or left over are kMalformed. Enumerations are checked by
// whoever uses them (a switch without default), unless an overload of `valid(Enum)` found by ADL
// says no.
#pragma once

#include <concepts>
#include <optional>
#include <type_traits>

#include "base/bytes.hpp"
#include "base/id.hpp"
#include "base/secret.hpp"

namespace callward {

class Packer;
class Unpacker;

template <class T>
concept Packable = requires(T& value, Packer& packer) { value.visit(packer); };

class Packer {
 public:
  struct CountOnly {};
  Packer() = default;
  explicit Packer(std::size_t expected) : out_(expected) {}
  explicit Packer(CountOnly) : count_only_(true) {}
  template <class... T>
  void operator()(T&... fields) {
    (put(fields), ...);
  }
  Bytes take() { return out_.take(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void put(T value) {
    std::array<std::uint8_t, 8> wide;
    store_le(wide.data(), static_cast<std::uint64_t>(value));
    emit(ByteView(wide).first(sizeof(T)));
  }
  template <class Tag>
  void put(const Id<Tag>& id) {
    emit(id.bytes);
  }
  template <std::size_t N>
  void put(const std::array<std::uint8_t, N>& raw) {
    emit(raw);
  }
  template <std::size_t N>
  void put(const SecretArray<N>& key) {
    emit(key.expose());
  }
  void put(const SecretBytes& bytes) { blob(bytes.expose()); }
  void put(const Bytes& bytes) { blob(bytes); }
  void put(const std::string& text) { blob(as_bytes(text)); }
  template <class T>
    requires(!std::same_as<T, std::uint8_t>)
  void put(std::vector<T>& items) {
    put(static_cast<std::uint32_t>(items.size()));
    for (auto& item : items) put(item);
  }
  template <class T>
  void put(std::optional<T>& item) {
    put(static_cast<std::uint8_t>(item ? 1 : 0));
    if (item) put(*item);
  }
  template <Packable T>
  void put(T& nested) {
    nested.visit(*this);
  }
  void blob(ByteView bytes) {
    put(static_cast<std::uint32_t>(bytes.size()));
    emit(bytes);
  }
  void emit(ByteView bytes) {
    size_ += bytes.size();
    if (!count_only_) out_.bytes(bytes);
  }
  ByteWriter out_;
  std::size_t size_ = 0;
  bool count_only_ = false;
};

class Unpacker {
 public:
  explicit Unpacker(ByteView in) : in_(in) {}
  template <class... T>
  void operator()(T&... fields) {
    (get(fields), ...);
  }
  [[nodiscard]] bool done() const { return in_.done(); }

 private:
  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void get(T& value) {
    const auto raw = in_.array<sizeof(T)>();
    if constexpr (std::same_as<T, bool>) {
      if (raw[0] > 1) in_.set_bad();
      value = raw[0] == 1;
    } else {
      value = static_cast<T>(load_le<std::uint64_t>(widen(raw).data()));
    }
  }
  template <std::size_t N>
  static std::array<std::uint8_t, 8> widen(const std::array<std::uint8_t, N>& raw) {
    static_assert(N <= 8);
    std::array<std::uint8_t, 8> wide{};
    std::memcpy(wide.data(), raw.data(), N);
    return wide;
  }
  template <class Tag>
  void get(Id<Tag>& id) {
    id.bytes = in_.array<16>();
  }
  template <std::size_t N>
  void get(std::array<std::uint8_t, N>& raw) {
    raw = in_.array<N>();
  }
  template <std::size_t N>
  void get(SecretArray<N>& key) {
    if (const auto raw = in_.bytes(N); raw.size() == N)
      std::memcpy(key.expose_mut().data(), raw.data(), N);
  }
  void get(SecretBytes& bytes) { bytes = SecretBytes(blob()); }
  void get(Bytes& bytes) { bytes = to_bytes(blob()); }
  void get(std::string& text) { text = std::string(as_text(blob())); }
  template <class T>
    requires(!std::same_as<T, std::uint8_t>)
  void get(std::vector<T>& items) {
    const auto count = in_.u32();
    // Each item takes at least one byte, so a hostile count cannot make us reserve memory.
    if (count > in_.remaining()) return in_.set_bad();
    items.clear();
    for (std::uint32_t i = 0; i < count && in_.ok(); ++i) get(items.emplace_back());
  }
  template <class T>
  void get(std::optional<T>& item) {
    const auto flag = in_.u8();
    if (flag > 1) return in_.set_bad();
    item.reset();
    if (flag == 1) get(item.emplace());
  }
  template <Packable T>
  void get(T& nested) {
    nested.visit(*this);
  }
  ByteView blob() { return in_.bytes(in_.u32()); }
  ByteReader in_;
};

template <class T>
Bytes pack(const T& message) {
  Packer packer;
  const_cast<T&>(message).visit(packer);  // Packer only reads; one list of fields serves both ways
  return packer.take();
}

// For what must leave no trace: the size is counted first, so that nothing grows and leaves an
// unwiped copy behind.
template <class T>
SecretBytes pack_secret(const T& message) {
  Packer counter{Packer::CountOnly{}};
  const_cast<T&>(message).visit(counter);
  Packer packer(counter.size());
  const_cast<T&>(message).visit(packer);
  auto raw = packer.take();
  SecretBytes out{ByteView(raw)};
  wipe(raw);
  return out;
}

template <class T>
Result<T> unpack(ByteView raw) {
  T message{};
  Unpacker unpacker(raw);
  message.visit(unpacker);
  if (!unpacker.done()) return fail(Errc::kMalformed, "message has missing or surplus bytes");
  return message;
}

}  // namespace callward
