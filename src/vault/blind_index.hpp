// Found without being read: from the token of a value to the rows of the customers who have it. A
// token is the first 16 bytes of HMAC-SHA256 under a key that the keeper alone has; equal values
// have equal tokens, and nobody else can make one. It stands in rows of the key store, so that what
// is erased there is gone.
//
// Linear hashing (Litwin 1980): as tokens come, one bucket after the other is split in two, and
// none of the others is touched. A bucket holds few, because the store writes 32 rows at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/secret.hpp"
#include "keys/key_store.hpp"
#include "vault/policy.hpp"

namespace callward::vault {

using Token = std::array<std::uint8_t, 16>;
// The value as it was normalised; equal values of different kinds have different tokens.
Token make_token(const Key32& key, FieldKind kind, std::string_view normalised);

struct IndexHead {
  std::uint8_t level = 0;    // 2^level buckets, and
  std::uint32_t split = 0;   // so many of them split in two
  std::uint64_t tokens = 0;  // entries in all
};

class BlindIndex {
 public:
  static constexpr std::uint64_t kTokensPerBucket = 8;  // on average
  static constexpr std::uint8_t kLevelMax = 26;
  static constexpr std::size_t kBucketEntriesMax = 4'096;  // many customers with one number
  static constexpr std::uint8_t kBucketVersion = 129;

  // Where the buckets stand: nothing for one that was never written.
  struct Rows {
    std::function<Result<std::optional<SecretBytes>>(std::uint64_t bucket)> get;
    std::function<void(std::uint64_t bucket, SecretBytes content)> put;
  };
  BlindIndex(Rows rows, IndexHead head) : rows_(std::move(rows)), head_(head) {}

  // One entry: adding what is there changes nothing. kFull: too many with this token.
  Status add(const Token& token, std::uint64_t row);
  Status remove(const Token& token, std::uint64_t row);
  [[nodiscard]] Result<std::vector<std::uint64_t>> find(const Token& token) const;
  [[nodiscard]] const IndexHead& head() const { return head_; }  // to be kept with the rows

 private:
  struct Entry {
    Token token{};
    std::uint64_t row = 0;
    auto operator<=>(const Entry&) const = default;
  };
  using Bucket = std::vector<Entry>;  // sorted
  [[nodiscard]] std::uint64_t bucket_of(const Token& token) const;
  [[nodiscard]] Result<Bucket> read(std::uint64_t bucket) const;
  void write(std::uint64_t bucket, const Bucket& entries);
  Status split_one();
  Rows rows_;
  IndexHead head_;
};

}  // namespace callward::vault
