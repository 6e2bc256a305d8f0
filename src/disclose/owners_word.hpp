// An owner's word on the retention of customers' fields: what was shown to them, signed by their
// passkey. The keeper asks for it before anything goes sooner than it was to go, or in numbers that
// are not usual (office_keep.cpp); the rules over the log ask whether it was given.
#pragma once

#include <array>
#include <string>

#include <boost/json/object.hpp>

#include "base/id.hpp"
#include "crypto/sha256.hpp"
#include "vault/policy.hpp"

namespace callward::disclose {

struct OwnersWord {
  PersonId by;
  std::uint64_t customers = 0;  // of whom something may go at once
  vault::Keep keep;             // that is in force from then on
  std::string stop;             // why retention had stopped (keys/retention_guard.hpp); or nothing
  std::array<std::uint8_t, 16> nonce{};  // of the keeper: once, and not for long
  crypto::Digest reason_hash{};
};

// What the passkey signs: SHA-256("CWS1 retention" || by || nonce || customers u64 ||
// reference_days u32 || contact_days u32 || secret_hours u32 || reason_hash || stop),
// little-endian.
crypto::Digest hash_of(const OwnersWord& word);
// The `data` of its entry in the log, and back. kMalformed.
boost::json::object to_json(const OwnersWord& word);
Result<OwnersWord> owners_word_from_json(const PersonId& by, const boost::json::object& data);

// [reference_days, contact_days, secret_hours], as entries have it. kMalformed: those of no policy.
boost::json::array keep_to_json(const vault::Keep& keep);
Result<vault::Keep> keep_from_json(const boost::json::value& list);

}  // namespace callward::disclose
