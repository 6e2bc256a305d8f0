#include "vault/blind_index.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <set>

#include "base/entropy.hpp"

namespace callward::vault {
namespace {

struct Store {
  std::map<std::uint64_t, Bytes> rows;
  std::size_t written = 0;
  BlindIndex index{{[this](std::uint64_t bucket) -> Result<std::optional<SecretBytes>> {
                      const auto at = rows.find(bucket);
                      if (at == rows.end()) return std::optional<SecretBytes>();
                      return std::optional(SecretBytes(at->second));
                    },
                    [this](std::uint64_t bucket, const SecretBytes& content) {
                      rows[bucket] = to_bytes(content.expose());
                      ++written;
                    }},
                   {}};
};

Token token_of(std::uint64_t value) {
  SeededEntropy entropy(1);
  return make_token(entropy.key(), FieldKind::kPhone, std::to_string(value));
}

TEST(BlindIndexes, TokensAreOfAKeyAKindAndAValue) {
  SeededEntropy entropy(1);
  const auto key = entropy.key(), other = entropy.key();
  const auto token = make_token(key, FieldKind::kPhone, "+442079460000");
  EXPECT_EQ(token, make_token(key, FieldKind::kPhone, "+442079460000"));
  EXPECT_NE(token, make_token(other, FieldKind::kPhone, "+442079460000"));
  EXPECT_NE(token, make_token(key, FieldKind::kName, "+442079460000"));
  EXPECT_NE(token, make_token(key, FieldKind::kPhone, "+442079460001"));
}

TEST(BlindIndexes, AreWhatASetOfPairsIs) {
  EXPECT_TRUE(rc::check("add, remove, find against a set", [] {
    Store store;
    std::set<std::pair<std::uint64_t, std::uint64_t>> model;
    for (int i = 0; i < 600; ++i) {
      const auto value = *rc::gen::inRange<std::uint64_t>(0, 300);
      const auto row = *rc::gen::inRange<std::uint64_t>(0, 4) + (std::uint64_t{1} << 28);
      if (*rc::gen::inRange(0, 4) > 0) {
        RC_ASSERT(store.index.add(token_of(value), row).has_value());
        model.emplace(value, row);
      } else {
        RC_ASSERT(store.index.remove(token_of(value), row).has_value());
        model.erase({value, row});
      }
    }
    RC_ASSERT(store.index.head().tokens == model.size());
    for (std::uint64_t value = 0; value < 300; ++value) {
      std::vector<std::uint64_t> expected;
      for (const auto& [v, row] : model)
        if (v == value) expected.push_back(row);
      RC_ASSERT(*store.index.find(token_of(value)) == expected);
    }
    // Another keeper opens it with the same head.
    BlindIndex again({[&](std::uint64_t bucket) -> Result<std::optional<SecretBytes>> {
                        const auto at = store.rows.find(bucket);
                        if (at == store.rows.end()) return std::optional<SecretBytes>();
                        return std::optional(SecretBytes(at->second));
                      },
                      {}},
                     store.index.head());
    for (const auto& [value, row] : model) RC_ASSERT(!again.find(token_of(value))->empty());
  }));
}

TEST(BlindIndexes, GrowByABucketAtATime) {
  Store store;
  for (std::uint64_t value = 0; value < 20'000; ++value) {
    const auto before = store.written;
    ASSERT_TRUE(store.index.add(token_of(value), value));
    ASSERT_LE(store.written - before, 3u) << "an entry, and one bucket in two";
  }
  std::size_t longest = 0;
  for (const auto& [bucket, content] : store.rows) longest = std::max(longest, content.size());
  EXPECT_EQ(store.rows.size(), 20'000 / BlindIndex::kTokensPerBucket);
  EXPECT_LT(longest, 3 + 21 * 10 * BlindIndex::kTokensPerBucket);
  for (std::uint64_t value = 0; value < 20'000; value += 97)
    EXPECT_EQ(*store.index.find(token_of(value)), std::vector{value});
  EXPECT_TRUE(store.index.find(token_of(20'001))->empty());
}

TEST(BlindIndexes, ManyWithOneValueHaveALimit) {
  Store store;
  for (std::uint64_t row = 0; row < BlindIndex::kBucketEntriesMax; ++row)
    ASSERT_TRUE(store.index.add(token_of(1), row));
  EXPECT_EQ(store.index.add(token_of(1), 1 << 20).error().code, Errc::kFull);
  EXPECT_EQ(store.index.find(token_of(1))->size(), BlindIndex::kBucketEntriesMax);
}

TEST(BlindIndexes, ABucketCutOrTurnedIsRefused) {
  Store store;
  for (std::uint64_t value = 0; value < 8; ++value)
    ASSERT_TRUE(store.index.add(token_of(value), value));
  const auto whole = store.rows.at(0);
  const auto code = [&](const Bytes& content) {
    store.rows[0] = content;
    const auto found = store.index.find(token_of(1));
    return found ? Errc::kState : found.error().code;
  };
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
    EXPECT_NE(code({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes)}),
              Errc::kState);
  auto turned = whole;
  std::rotate(turned.begin() + 3, turned.begin() + 24, turned.end());
  EXPECT_EQ(code(turned), Errc::kMalformed);
  auto newer = whole;
  ++newer[0];
  EXPECT_EQ(code(newer), Errc::kUnsupported);
}

}  // namespace
}  // namespace callward::vault
