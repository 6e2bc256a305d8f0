// Checkpoints (C2SP tlog-checkpoint) as signed notes (C2SP signed-note, Ed25519), and the
// cosignatures of witnesses under them (C2SP tlog-cosignature, "cosignature/v1").
#pragma once

#include <string>
#include <vector>

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

// Witnesses ---------------------------------------------------------------------------------------

// The same form with another algorithm byte (4): a log's key is never taken for a witness's.
struct WitnessKey {
  std::string name;
  crypto::PublicKey key{};
};
std::string witness_verifier_key(const WitnessKey& key);
Result<WitnessKey> parse_witness_key(const std::string& text);

// Whose cosignatures count, and how many of them are needed.
struct WitnessPolicy {
  std::vector<WitnessKey> keys;
  std::size_t quorum = 1;
};

struct Cosignature {
  std::string witness;
  std::uint64_t at_s = 0;  // POSIX seconds, as the witness says
  std::string line;        // as it stands in the note, with its line feed
};
// The one of `key` on the note's text. kNotFound: there is none; kCorrupt: it does not hold.
Result<Cosignature> find_cosignature(const std::string& note, const WitnessKey& key);
// Those of the policy's keys that hold, one a witness (told apart by the key's bytes). kCorrupt
// when fewer than the quorum do.
Result<std::vector<Cosignature>> check_cosignatures(const std::string& note,
                                                    const WitnessPolicy& policy);
// For tests of both sides, and for whoever would be a witness himself.
Result<std::string> cosign(const std::string& note, const std::string& name, const Key32& seed,
                           std::uint64_t at_s);

}  // namespace callward::audit
