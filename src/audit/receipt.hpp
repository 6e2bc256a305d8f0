// Receipts: C2SP tlog-proof. That an entry stands in the log, checked offline with the log's key.
//
//   c2sp.org/tlog-proof@v1
//   extra <base64 of the entry>        (ours always; optional in the format, and never believed:
//   index <number>                      the proof binds it)
//   <base64 of a hash, a line each: the inclusion proof, from the leaf's sibling up>
//   <empty line>
//   <the checkpoint, with its signatures>
#pragma once

#include <optional>

#include "audit/note.hpp"
#include "base/vfs.hpp"

namespace callward::audit {

struct Receipt {
  std::optional<Bytes> extra;
  std::uint64_t index = 0;
  std::vector<Hash> proof;
  std::string note;
};
inline constexpr std::size_t kReceiptBytesMax = 192u << 10;  // an entry in base64, and a note
inline constexpr std::size_t kInclusionProofMax = 63;        // hashes
std::string encode_receipt(const Receipt& receipt);
Result<Receipt> parse_receipt(std::string_view text);

// Of entry `index`, from the log's published files; under the newest checkpoint that witnesses
// signed where that covers it, else under the newest. kNotFound: not published (yet).
Result<Receipt> make_receipt(Vfs& vfs, const std::string& dir, const NamedKey& key,
                             std::uint64_t index);

struct ReceiptCheck {
  Checkpoint checkpoint;
  std::string entry;
  std::vector<Cosignature> cosignatures;  // of the policy's keys
};
// `entry`: the bytes that are to stand there; without them those that the receipt carries.
// kCorrupt: it proves nothing.
Result<ReceiptCheck> check_receipt(const Receipt& receipt, std::optional<ByteView> entry,
                                   const NamedKey& key, const WitnessPolicy& witnesses);

}  // namespace callward::audit
