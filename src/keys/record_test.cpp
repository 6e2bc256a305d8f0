#include "keys/record.hpp"

#include <gtest/gtest.h>

#include "keys/tree.hpp"

namespace callward::keys {
namespace {

class Records : public ::testing::Test {
 protected:
  SeededEntropy entropy{5};
  Cover cover = Cover::whole(entropy.key());
  CallId call = CallId::random(entropy);
  RecordCipher cipher;
  LeafSource leaves = [this](std::uint8_t stream, std::uint32_t index) {
    return cover.leaf(leaf_of(stream, index));
  };

  Bytes audio(std::uint32_t index, ByteView plain) {
    RecordHeader header{.kind = RecordKind::kAudio, .stream = 1, .codec = 0, .first = index};
    return cipher.seal(entropy, header, call, plain, *cover.leaf(leaf_of(1, index)));
  }
  Result<SecretBytes> open(ByteView record) {
    const auto header = TRY(parse_record(record));
    return cipher.open(record, call, TRY(key_of_record(header, leaves)));
  }
};

TEST_F(Records, AudioOpensUntilItsLeafIsPunctured) {
  const Bytes plain(848, 9);
  const auto record = audio(42, plain);
  EXPECT_EQ(record.size(), kRecordOverheadBytes + 848);
  EXPECT_TRUE(equal(open(record)->expose(), plain));
  cover.puncture(leaf_of(1, 42), leaf_of(1, 43));
  EXPECT_EQ(open(record).error().code, Errc::kErased);
}

TEST_F(Records, DerivedDataDiesWithAnyOfItsLeaves) {
  RecordHeader header{
      .kind = RecordKind::kWords, .stream = 0, .first = 10, .last = 29, .streams = 0b11};
  const auto record = *cipher.seal_derived(entropy, header, call, as_bytes("words"), leaves);
  EXPECT_EQ(as_text(open(record)->expose()), "words");
  for (const auto leaf : {leaf_of(0, 10), leaf_of(1, 29)}) {
    auto before = cover.clone();
    cover.puncture(leaf, leaf + 1);
    EXPECT_EQ(open(record).error().code, Errc::kErased);
    cover = std::move(before);
  }
  cover.puncture(leaf_of(0, 30), leaf_of(1, 10));
  EXPECT_TRUE(open(record));
}

TEST_F(Records, EveryBitCounts) {
  const auto good = audio(3, as_bytes("hello"));
  for (std::size_t i = 0; i < good.size() * 8; ++i) {
    auto bad = good;
    bad[i / 8] = static_cast<std::uint8_t>(bad[i / 8] ^ 1u << (i % 8));
    EXPECT_FALSE(open(bad)) << "bit " << i;
  }
  for (std::size_t cut = 0; cut < good.size(); ++cut) EXPECT_FALSE(open(ByteView(good).first(cut)));
}

TEST_F(Records, AnotherOwnerOrAnotherKeyDoesNotOpen) {
  const auto record = audio(3, as_bytes("hello"));
  const auto header = *parse_record(record);
  const auto key = *key_of_record(header, leaves);
  EXPECT_EQ(cipher.open(record, CallId::random(entropy), key).error().code, Errc::kCorrupt);
  EXPECT_EQ(cipher.open(record, call, entropy.key()).error().message,
            "record is committed to another key");
}

TEST_F(Records, TheSameIndexWrittenTwiceHasFreshKeys) {
  const auto one = audio(3, as_bytes("hello"));
  const auto two = audio(3, as_bytes("hello"));
  EXPECT_FALSE(equal(ByteView(one).subspan(24), ByteView(two).subspan(24)));
}

TEST_F(Records, HeadersThatContradictThemselves) {
  const auto good = audio(3, as_bytes("x"));
  const auto with = [&](std::size_t at, std::uint8_t value) {
    auto bad = good;
    bad[at] = value;
    return RecordHeader::parse(bad);
  };
  EXPECT_EQ(with(0, 'X').error().code, Errc::kMalformed);
  EXPECT_EQ(with(4, 2).error().code, Errc::kUnsupported);
  EXPECT_EQ(with(5, 99).error().code, Errc::kUnsupported);
  EXPECT_EQ(with(6, 16).error().code, Errc::kMalformed);
  EXPECT_EQ(with(12, 9).error().code, Errc::kMalformed);  // audio of several segments
  EXPECT_EQ(with(19, 1).error().code, Errc::kTooLarge);
  EXPECT_EQ(with(20, 1).error().code, Errc::kMalformed);  // audio with a stream mask
  EXPECT_EQ(with(22, 1).error().code, Errc::kMalformed);  // reserved
}

}  // namespace
}  // namespace callward::keys
