// Checks a log's folder against itself and its public key, by re-deriving the tree from the entries.
#pragma once

#include <string>
#include <vector>

#include "audit/log.hpp"

namespace callward::audit {

struct VerifyReport {
  std::uint64_t entries = 0;       // under the checkpoint
  std::uint64_t journal_entries = 0;  // durable beyond it
  std::uint64_t files = 0;
  Hash root{};
  std::vector<std::string> findings;  // what is wrong: one line each, with the file; empty: all is well
  std::vector<std::string> warnings;  // surplus files, time that goes back
  [[nodiscard]] bool good() const { return findings.empty(); }
};

// An Error only when the folder cannot be read at all.
Result<VerifyReport> verify_log(Vfs& vfs, const std::string& dir, const NamedKey& key);

}  // namespace callward::audit
