#include "segment/sealing_writer.hpp"

#include <gtest/gtest.h>

namespace callward::segment {
namespace {

TEST(SealingWriter, OpensWithItsLeafAndForgetsIt) {
  SeededEntropy entropy(4);
  const auto call = CallId::random(entropy);
  const auto tree = keys::Cover::whole(entropy.key());
  keys::RecordCipher cipher;
  SealingWriter writer(call, 1, keys::ForwardKeys(tree, 1));
  AudioSegment segment;
  segment.samples.fill(codec_silence(kCodecPcma));
  segment.samples[5] = 1;
  AudioPayload payload;
  for (const std::uint32_t index : {0u, 1u, 2u, 7u}) {
    const auto record = writer.seal(cipher, entropy, index, kCodecPcma, segment, payload);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->size(), kAudioRecordBytes);  // whatever is in it
    const auto header = keys::parse_record(*record);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->first, index);
    EXPECT_EQ(header->stream, 1);
    EXPECT_EQ(header->codec, kCodecPcma);
    const auto leaf = tree.leaf(keys::leaf_of(1, index));
    ASSERT_TRUE(leaf);
    const auto plain =
        cipher.open(*record, call, keys::record_key(header->kind, header->salt, *leaf));
    ASSERT_TRUE(plain);
    AudioSegment back;
    ASSERT_TRUE(unpack_payload(plain->expose(), back));
    EXPECT_EQ(back.samples, segment.samples);
  }
  EXPECT_EQ(writer.seal(cipher, entropy, 7, kCodecPcma, segment, payload).error().code,
            Errc::kErased);
  EXPECT_EQ(writer.seal(cipher, entropy, 3, kCodecPcma, segment, payload).error().code,
            Errc::kErased);
  // What is left opens nothing that was written.
  auto left = keys::Cover::from_nodes(writer.remaining());
  ASSERT_TRUE(left);
  for (std::uint32_t index = 0; index <= 7; ++index)
    EXPECT_FALSE(left->opens(keys::leaf_of(1, index)));
  EXPECT_TRUE(left->opens(keys::leaf_of(1, 8)));
  EXPECT_FALSE(left->opens(keys::leaf_of(0, 8)));
}

}  // namespace
}  // namespace callward::segment
