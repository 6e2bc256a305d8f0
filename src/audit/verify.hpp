// Checks a log's folder against itself and its public key, by re-deriving the tree from the
// entries. May run while the keeper writes: the checkpoint read at the start is what is verified.
//
// Found: a flipped byte in any file of the log, a file that is missing, an entry that breaks its
// schema, a journal that does not continue the tree; a day's checkpoint or a witnessed one that is
// not a beginning of this log, or whose cosignatures do not hold; a day's that ends before its
// midnight or after the next one, by the entries' times. Warned: files that are not the
// log's, what a crash left over, time that goes back. Memory: the tree's right edge, and 32 bytes
// for each entry that a journal holds.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "audit/daily.hpp"
#include "audit/log.hpp"

namespace callward::audit {

struct VerifyReport {
  std::uint64_t entries = 0;          // under the checkpoint
  std::uint64_t journal_entries = 0;  // durable beyond it
  std::uint64_t files = 0;
  std::uint64_t days = 0;              // closed days that are beginnings of this log
  std::uint64_t witnessed_size = 0;    // of the newest checkpoint that witnesses signed; 0: none
  std::vector<std::string> witnesses;  // of the policy, whose cosignatures on it hold
  Hash root{};
  std::vector<std::string>
      findings;  // what is wrong: "file: byte N: why"; empty: all is well; at most kFindingsMax
  std::vector<std::string> warnings;  // at most kFindingsMax
  [[nodiscard]] bool good() const { return findings.empty(); }
};

inline constexpr std::size_t kFindingsMax = 1'000;

// Called now and then with entries done, and all of them.
using VerifyProgress = std::function<void(std::uint64_t done, std::uint64_t all)>;

// An Error only when the folder cannot be read at all. With witnesses in the policy, the checkpoint
// that they signed must hold their quorum; that there is none yet is a warning, or with
// `witnesses_required` a finding.
Result<VerifyReport> verify_log(Vfs& vfs, const std::string& dir, const NamedKey& key,
                                const VerifyProgress& progress = {},
                                const WitnessPolicy& witnesses = {},
                                bool witnesses_required = false);

}  // namespace callward::audit
