#include "segment/sealing_writer.hpp"

namespace callward::segment {

Result<Bytes> SealingWriter::seal(keys::RecordCipher& cipher, Entropy& entropy, std::uint32_t index,
                                  std::uint8_t codec, const AudioSegment& segment,
                                  AudioPayload& payload) {
  const auto leaf = TRY(path_.take(index));
  pack_payload(segment, payload);
  keys::RecordHeader header;
  header.kind = keys::RecordKind::kAudio;
  header.stream = stream_;
  header.codec = codec;
  header.first = header.last = index;
  return cipher.seal(entropy, header, call_, payload.expose(), leaf);
}

}  // namespace callward::segment
