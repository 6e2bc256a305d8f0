// From a finished segment to a sealed record: takes the segment's leaf from the forward-only path,
// which then forgets it and all before; packs, seals, wipes the plaintext that it made.
#pragma once

#include "keys/record.hpp"
#include "keys/tree.hpp"
#include "segment/payload.hpp"

namespace callward::segment {

inline constexpr std::size_t kAudioRecordBytes = keys::kRecordOverheadBytes + kAudioPayloadBytes;

class SealingWriter {
 public:
  SealingWriter(const CallId& call, std::uint8_t stream, keys::ForwardKeys path)
      : call_(call), stream_(stream), path_(std::move(path)) {}

  // The record of `index`; indices only grow. `payload` holds the packed plaintext afterwards (it
  // goes on to the listener and is wiped by its owner). kErased: the path does not reach `index`
  // (any more).
  Result<Bytes> seal(keys::RecordCipher& cipher, Entropy& entropy, std::uint32_t index,
                     std::uint8_t codec, const AudioSegment& segment, AudioPayload& payload);
  // After a reissue or an adoption.
  void replace_path(keys::ForwardKeys path) { path_ = std::move(path); }
  // What could still be derived, to be frozen when the keeper is gone.
  [[nodiscard]] std::vector<keys::TreeNode> remaining() const { return path_.remaining(); }
  [[nodiscard]] std::uint8_t stream() const { return stream_; }

 private:
  CallId call_;
  std::uint8_t stream_;
  keys::ForwardKeys path_;
};

}  // namespace callward::segment
