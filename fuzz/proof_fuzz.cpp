// Proofs of erasure come from strangers: whatever is in them is read or refused, and checked in time.
#include <cstdlib>

#include "erase/proof.hpp"

using namespace callward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto statement = erase::decode_statement(text))
    if (erase::encode_statement(*statement) != text) std::abort();  // one form alone
  auto proof = erase::decode_proof(text);
  if (!proof) return 0;
  // Most lies break at the signature: behind it, with a key of our own, they are looked at too.
  static const Key32 seed;
  static const audit::NamedKey key{"fuzz", *crypto::ed25519_public(seed)};
  (void)erase::check_proof(*proof, key);
  if (proof->entries.empty()) return 0;
  const auto only = audit::leaf_hash(as_bytes(proof->entries.front().text));
  proof->entries.resize(1);
  proof->entries.front().index = 0;
  proof->entries.front().path.clear();
  proof->checkpoint = *audit::sign_checkpoint({"fuzz", 1, only}, seed);
  (void)erase::check_proof(*proof, key);
  return 0;
}
