// The vault's own row, the last of the key store (ADR 13): what it needs to know at its next start.
// docs/formats/customer.md
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/id.hpp"
#include "crypto/sha256.hpp"
#include "keys/retention_guard.hpp"
#include "vault/blind_index.hpp"
#include "vault/policy.hpp"

namespace callward::vault {

// Where counted time stood at a moment of the monotonic clock, and in which boot of the machine:
// another boot's monotonic clock says nothing about it.
struct TimeLine {
  std::array<std::uint8_t, 16> boot{};  // zero: not known
  std::int64_t utc_ms = 0, monotonic_ms = 0;
  bool operator==(const TimeLine&) const = default;
};

// How long what is stored is kept, as an owner let it be, and how retention stands.
struct Kept {
  // Days that are in force for what is stored: those of the policy, or longer ones, until an owner
  // confirms the policy's. 0 days of reference: not known (by a head that did not say it).
  std::int64_t reference_days = 0, contact_days = 0;
  std::int64_t since = 0;  // UTC ms: since then the policy states less; 0: it does not
  std::optional<keys::RetentionState> retention;  // counts customers; nothing: never looked yet
  [[nodiscard]] bool known() const { return reference_days != 0; }
};

struct Head {
  static constexpr std::uint8_t kVersion = 195;
  // Read, and written anew as the newest: of `policy_entry` nothing is known, of `kept` neither.
  static constexpr std::uint8_t kVersionWithoutPolicyEntry = 194, kVersionWithoutKept = 193;
  static constexpr std::size_t kOwedMax = 1'000, kRunningMax = 10'000;

  std::uint64_t next_customer = keys::kCustomerRowsFrom;  // the next one to be somebody's
  std::uint64_t spare_end = keys::kCustomerRowsFrom;      // those before have keys on the disk
  IndexHead index;
  Key32 search_key, compare_key;
  // The newest change of the role chart: its entry, plus one (0: there is none), and its hash, so
  // that a log without it is known as an older one.
  std::uint64_t chart_entry = 0;
  crypto::Digest chart_head{};
  std::int64_t time = 0;           // UTC ms, counted: after another boot, from here at the earliest
  TimeLine line;                   // within a boot: exactly on from here
  crypto::Digest policy{};         // that stands in the log as in force
  std::uint64_t policy_entry = 0;  // where it does, plus one; 0: not known
  // The last entries of requests that are not over, or not reviewed.
  std::vector<std::uint64_t> running;
  // Erasures of which the log says that they are intended, and not yet that they are done.
  std::vector<OrderId> owed;
  Kept kept;

  [[nodiscard]] SecretBytes encode() const;
  static Result<Head> decode(ByteView raw);
};

}  // namespace callward::vault
