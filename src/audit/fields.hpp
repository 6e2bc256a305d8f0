// The fields of a JSON object, read strictly: each must be there, of its kind, and written the one
// way that there is; finish() says whether there were others. For what is signed or in the log.
#pragma once

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "crypto/sha256.hpp"

namespace callward::audit {

class Fields {
 public:
  explicit Fields(const boost::json::object& json) : json_(json) {}
  Result<std::string_view> text(std::string_view name) {
    const auto* field = take(name);
    if (field == nullptr || !field->is_string())
      return fail(Errc::kMalformed, std::string(name) + " is missing or no text");
    return std::string_view(field->get_string());
  }
  Result<std::int64_t> number(std::string_view name) {
    const auto* field = take(name);
    if (field == nullptr || !field->is_int64())
      return fail(Errc::kMalformed, std::string(name) + " is missing or no whole number");
    return field->get_int64();
  }
  Result<Bytes> bytes(std::string_view name, std::size_t most) {
    const auto hex = TRY(text(name));
    if (hex.size() > 2 * most) return fail(Errc::kTooLarge, std::string(name) + " is too long");
    auto raw = from_hex(hex);
    // One way to write it: what is signed is text.
    if (!raw || to_hex(*raw) != hex) return fail(Errc::kMalformed, std::string(name) + ": no hex");
    return raw;
  }
  Result<crypto::Digest> digest(std::string_view name) {
    const auto raw = TRY(bytes(name, 32));
    crypto::Digest digest{};
    if (raw.empty()) return digest;  // zeros are written as nothing
    if (raw.size() != digest.size() || std::ranges::all_of(raw, [](auto b) { return b == 0; }))
      return fail(Errc::kMalformed, std::string(name) + ": no hash");
    std::ranges::copy(raw, digest.begin());
    return digest;
  }
  // Zeros are written as nothing.
  template <class AnId>
  Result<AnId> id(std::string_view name) {
    const auto hex = TRY(text(name));
    if (hex.empty()) return AnId{};
    auto id = AnId::parse(hex);
    if (!id || id->is_zero() || id->hex() != hex)
      return fail(Errc::kMalformed, std::string(name) + ": no id");
    return id;
  }
  // Of another kind; null: missing.
  const boost::json::value* any(std::string_view name) { return take(name); }
  Status finish() const {
    return taken_ == json_.size() ? Status{} : fail(Errc::kMalformed, "a field too many");
  }

 private:
  const boost::json::value* take(std::string_view name) {
    ++taken_;
    return json_.if_contains(name);
  }
  const boost::json::object& json_;
  std::size_t taken_ = 0;
};

inline std::string hex_or_nothing(ByteView bytes) {
  return std::ranges::all_of(bytes, [](auto b) { return b == 0; }) ? std::string() : to_hex(bytes);
}

}  // namespace callward::audit
