// The vectors of the key tree, of records and of key-store pages:
// tests/vectors/{tree,record,page}.json, good ones and each kind of bad, with the kind of failure
// named. Read here, by tests/vectors/check.mjs (an implementation of its own), and by the console.
#pragma once

#include "base/id.hpp"
#include "base/vectors_test.hpp"
#include "keys/tree.hpp"

namespace callward::keys::vectors {

using namespace callward::vectors;

inline Key32 key_from(const json::value& item, const char* field) {
  return Key32(std::span<const std::uint8_t, 32>(bytes(item, field).data(), 32));
}
inline CallId call_from(const json::value& item) { return *CallId::parse(text(item, "call")); }
inline std::string hex(const Key32& key) { return to_hex(key.expose()); }
inline std::string hex(const Cover& cover) { return to_hex(cover.serialize().expose()); }

}  // namespace callward::keys::vectors
