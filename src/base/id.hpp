// 128-bit random identifiers with a type each: a call's id cannot be passed where a person's is
// due.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "base/entropy.hpp"

namespace callward {

template <class Tag>
struct Id {
  std::array<std::uint8_t, 16> bytes{};

  static Id random(Entropy& entropy) {
    Id id;
    entropy.fill(id.bytes);
    return id;
  }
  static Result<Id> parse(std::string_view hex) {
    if (hex.size() != 32) return fail(Errc::kMalformed, "an id has 32 hexadecimal digits");
    const auto raw = TRY(from_hex(hex));
    Id id;
    std::memcpy(id.bytes.data(), raw.data(), 16);
    return id;
  }
  [[nodiscard]] std::string hex() const { return to_hex(bytes); }
  [[nodiscard]] bool is_zero() const { return *this == Id{}; }
  auto operator<=>(const Id&) const = default;
};

using CallId = Id<struct CallTag>;
using PersonId = Id<struct PersonTag>;
using OrderId = Id<struct OrderTag>;
using CustomerId = Id<struct CustomerTag>;
using DialId = Id<struct DialTag>;        // a call that we dial
using RequestId = Id<struct RequestTag>;  // for a customer's data
using SearchId = Id<struct SearchTag>;    // of a typed value, for where it was said

}  // namespace callward

template <class Tag>
struct std::hash<callward::Id<Tag>> {
  std::size_t operator()(const callward::Id<Tag>& id) const noexcept {
    return callward::load_le<std::size_t>(id.bytes.data());  // random bytes are their own hash
  }
};
