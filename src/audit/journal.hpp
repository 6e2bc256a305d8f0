// The journal's bytes: one frame for each batch that was committed together (docs/formats/log.md).
//
//   0 "CWJB" 4    4 body_bytes u32    8 first index u64    16 count u32    20 CRC-32C u32 of
//   bytes 4..19 and the body 24 body: `count` times u16 big-endian length, entry (all else
//   little-endian)
//
// A batch stands or falls as a whole. Before a batch is written the one in front of it is durable,
// so at a loss of power only the last batch can be torn: a frame that holds, behind bytes that do
// not, means damage.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace callward::audit {

inline constexpr std::string_view kJournalPrefix = "journal-";
inline constexpr std::size_t kJournalHeaderBytes = 24;
inline constexpr std::size_t kBatchBytesMax = 16u << 20;  // a body

// "journal-" and 20 digits: the index of the first entry that it may hold.
std::string journal_name(std::uint64_t first);
// kMalformed for any other name.
Result<std::uint64_t> parse_journal_name(std::string_view name);

// CHECKs kBatchBytesMax and that each entry is at most 65,535 bytes.
Bytes journal_batch(std::uint64_t first, std::span<const std::string> entries);

struct JournalBatch {
  std::uint64_t offset = 0;  // of its frame in the file
  std::uint64_t end = 0;     // the index behind its last entry
};
struct JournalScan {
  std::uint64_t first = 0;           // index of the first entry
  std::vector<std::string> entries;  // of all batches that hold, from the file's beginning
  std::vector<JournalBatch> batches;
  std::uint64_t end = 0;          // bytes that those batches take
  bool torn = false;              // bytes follow that are no batch
  bool valid_after_tear = false;  // ... and behind them one that holds: damage, not a torn tail
};
JournalScan scan_journal(ByteView content, std::uint64_t first);

// An entry bundle of tlog-tiles, and a batch's body: u16 big-endian length, entry. kCorrupt unless
// it is exactly `count` entries.
void append_bundle_entry(Bytes& bundle, std::string_view entry);
Result<std::vector<std::string>> parse_bundle(ByteView content, std::uint64_t count);

}  // namespace callward::audit
