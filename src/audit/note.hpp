// Checkpoints (C2SP tlog-checkpoint) as signed notes (C2SP signed-note, Ed25519).
#pragma once

#include <string>

#include "audit/merkle.hpp"
#include "crypto/curve25519.hpp"

namespace callward::audit {

struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash root{};
};

inline constexpr std::size_t kNoteBytesMax = 64u << 10;

// "name+hash+base64": how a verifier key is written down.
std::string verifier_key(const std::string& name, const crypto::PublicKey& key);
struct NamedKey {
  std::string name;
  crypto::PublicKey key{};
};
Result<NamedKey> parse_verifier_key(const std::string& text);

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const Key32& seed);
// kMalformed for the note's form, kCorrupt when no signature of `key` holds. Other signatures are
// let be.
Result<Checkpoint> open_checkpoint(const std::string& note, const NamedKey& key);

}  // namespace callward::audit
