// Frames of the spool. docs/formats/spool.md has the same table, and what recovery does with it.
//
//   0  "CWSF" 4 · type u8 · version u8 (1) · reserved u16     8  file generation u64
//   16 call_id[16]                                            32 length u32 (payload)   36 crc32c
//   u32 40 payload[length], zeros to the next multiple of 8
//
// The checksum covers bytes 0..35 and the payload. A file begins with a block of 4096 bytes:
//
//   0  "CWSP" 4 · version u16 (1) · reserved u16 · generation u64 · file bytes u64 · crc32c u32 of
//   bytes 0..23
//
// Files are used again: a frame counts only when its generation is the file's.
#pragma once

#include <functional>

#include "base/bytes.hpp"
#include "base/id.hpp"
#include "base/vfs.hpp"

namespace callward::store {

inline constexpr std::size_t kFrameHeadBytes = 40;
inline constexpr std::size_t kFrameAlignment = 8;
inline constexpr std::size_t kFramePayloadBytesMax = 4u << 20;
inline constexpr std::size_t kSpoolFileHeadBytes = 4096;
inline constexpr std::uint64_t kSpoolFileBytesMin = 1u << 16;
inline constexpr std::uint64_t kSpoolFileBytesMax = 1ull << 31;

enum class FrameType : std::uint8_t {
  kCallBegin = 1,  // packed SpoolCallBegin
  kAudio = 2,      // a sealed record of kind 1
  kState = 3,      // packed SpoolState: signalling changed the streams
  kAccount = 4,    // packed SpoolAccount: what is not simply sealed
  kDerived = 5,    // a sealed record of kinds 2..4
  kCallEnded = 6,  // packed SpoolCallEnded
  kLogEntry = 7,  // packed keys::LogAppend that waits for the keeper; call_id is the entry's own id
  kLogEntryDone = 8,  // the keeper has it
  kCallFreed = 9,     // object written, verified, logged: the call's frames are of no more use
  kCallData = 10,     // a sealed record of kind 16
  kListened = 11,     // the listener is done with the call
  kSources = 12,      // packed SpoolSources: whose packets each stream takes
  kDial = 13,         // packed SpoolDial: the call is the recording of a call-back
};
bool is_frame_type(std::uint8_t type) noexcept;

struct FrameView {
  FrameType type{};
  CallId call;
  ByteView payload;
};

// Whole length of a frame with that payload.
constexpr std::size_t frame_bytes(std::size_t payload_bytes) {
  return (kFrameHeadBytes + payload_bytes + kFrameAlignment - 1) / kFrameAlignment *
         kFrameAlignment;
}
// CHECKs the payload's bound.
void append_frame(Bytes& out, FrameType type, std::uint64_t generation, const CallId& call,
                  ByteView payload);
// The frame that begins at the first byte. kNotFound: no frame of this generation; kCorrupt: one
// begins, but its checksum, length or type is wrong. `bytes` is its whole length.
struct ParsedFrame {
  FrameView frame;
  std::size_t bytes = 0;
};
Result<ParsedFrame> parse_frame(ByteView in, std::uint64_t generation);

Bytes make_spool_file_head(std::uint64_t generation, std::uint64_t file_bytes);
struct SpoolFileHead {
  std::uint64_t generation = 0, file_bytes = 0;
};
// kMalformed: not a spool file, or damaged; kUnsupported: of another version.
Result<SpoolFileHead> parse_spool_file_head(ByteView in);

// Bytes of a file that should be frames and are not.
struct Damage {
  std::uint64_t from = 0, to = 0;
};
struct ScanOutcome {
  std::uint64_t frames = 0;
  std::uint64_t end = kSpoolFileHeadBytes;  // behind the last valid frame
  std::vector<Damage> damage;  // between valid frames; what follows the last one is simply unused
};
// Every valid frame of one file in order, skipping damage: at a bad place the search goes on, 8
// bytes at a time, for the next frame of this generation. Memory: one window of about 8 MB.
using OnFrame =
    std::function<void(const FrameView& frame, std::uint64_t offset, std::size_t bytes)>;
Result<ScanOutcome> scan_spool_file(VfsFile& file, const SpoolFileHead& head,
                                    const OnFrame& on_frame);

}  // namespace callward::store
