// Proof of erasure (docs/formats/proof.md): what an auditor takes away and checks without us.
//
//   statement   the keeper's word about one call: which nodes of its tree it still has (their
//               places, never their keys), how far each stream goes, mirrors, epoch
//   entries     those of the audit log about this call, each with its inclusion path
//   checkpoint  the signed tree head that the paths lead to
//
// The log's entry `key_statement` holds the statement's hash, so that one signature, the
// checkpoint's, stands for all of it, and witnesses' cosignatures do too. The reader recomputes
// that the nodes are the exact complement of what was logged as erased or lost before that entry,
// and that keeper and log name the same ranges: so whoever hands the proof on can leave nothing
// out.
//
// It cannot prove that nobody copied a key before; nor that the keeper says all that it has. For
// the second there is the challenge (docs/formats/proof.md).
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

#include "audit/merkle.hpp"
#include "audit/note.hpp"
#include "base/id.hpp"
#include "keys/keeper_protocol.hpp"

namespace callward::erase {

// [stream, first, end) of an audio stream; nothing for what is none.
std::optional<keys::SegmentRange> read_range(const boost::json::value& item);
// Whether a `retention_intended` names this row: one of its `rows`, [first, end), holds it.
bool names_row(const boost::json::value& rows, std::int64_t row);

struct NodePlace {
  std::uint8_t level = 0;
  std::uint32_t index = 0;
  bool operator==(const NodePlace&) const = default;
};

struct KeyStatement {
  struct Mirror {
    std::string state;  // "good", "left_out", "retired"
    bool confirmed = false;
    std::uint64_t epoch = 0;
    std::string assurance;
    bool operator==(const Mirror&) const = default;
  };
  CallId call;
  std::int64_t at = 0;      // UTC ms
  std::uint64_t epoch = 0;  // in force
  bool row = false;         // false: the key store has no row for this call
  bool live = false;        // it runs: leaves beyond its last segment are there to be used
  std::vector<Mirror> mirrors;
  struct Stream {
    std::uint8_t stream = 0;
    std::uint32_t end = 0;    // one past its last segment; 0 while the call runs
    std::uint32_t heard = 0;  // before it everything was heard: what is kept there opens for people
  };
  std::vector<Stream> streams;              // the call's audio streams
  std::vector<NodePlace> nodes;             // sorted by first leaf
  std::vector<keys::SegmentRange> erased;   // joined: gone, by orders that were carried out
  std::vector<keys::SegmentRange> ordered;  // joined: closed, and not known to be gone everywhere
  std::vector<keys::SegmentRange> held;     // joined: closed, and a person must decide
  bool operator==(const KeyStatement&) const;
};

inline constexpr std::size_t kStatementBytesMax = 4u << 20;
inline constexpr std::size_t kProofBytesMax = 64u << 20;
inline constexpr std::size_t kProofEntriesMax = 100'000;

std::string encode_statement(const KeyStatement& statement);  // canonical JSON (RFC 8785)
// kMalformed, kUnsupported for another version, kTooLarge.
Result<KeyStatement> decode_statement(const std::string& text);

struct ErasureProof {
  struct LoggedEntry {
    std::uint64_t index = 0;
    std::string text;  // as it stands in the log
    std::vector<audit::Hash> path;
  };
  std::string statement;
  std::vector<LoggedEntry> entries;  // by index
  std::string checkpoint;            // signed note
  std::string verifier_key;          // a hint: who checks brings a key of their own
};
std::string encode_proof(const ErasureProof& proof);
Result<ErasureProof> decode_proof(const std::string& text);

// What a proof says, once it was checked.
struct ErasedLine {
  keys::SegmentRange range;
  std::string order, reason, source;
  std::int64_t ordered_at = 0, erased_at = 0;  // UTC ms; erased_at 0: not gone yet
  std::uint64_t intended_index = 0, erased_index = 0, epoch = 0;
  bool confirmed = false;  // by every mirror
};
struct ProofReport {
  KeyStatement statement;
  audit::Checkpoint checkpoint;
  std::uint64_t statement_index = 0;
  std::vector<ErasedLine> erased;
  std::vector<keys::SegmentRange> kept, lost;
  std::vector<keys::SegmentRange> opens;  // of what is kept: heard, and not closed
  bool call_data_open = false;            // numbers and names: stream 15
  std::string object_root;                // of `call_sealed`; empty: not sealed yet
  std::vector<std::string> findings;      // empty: the proof holds
  std::vector<std::string> notes;         // what is true and a reader must know
  [[nodiscard]] bool holds() const { return findings.empty(); }
};
// Offline, from the proof and the log's key alone. An Error only for what cannot be read at all.
Result<ProofReport> check_proof(const ErasureProof& proof, const audit::NamedKey& key);

}  // namespace callward::erase
