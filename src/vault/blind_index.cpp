#include "vault/blind_index.hpp"

#include <algorithm>
#include <cstring>

#include "crypto/sha256.hpp"

namespace callward::vault {
namespace {

constexpr std::size_t kRowBytes = 5, kEntryBytes = 16 + kRowBytes, kHeadBytes = 3;

std::uint64_t low_bits(const Token& token, std::uint8_t bits) {
  return load_le<std::uint64_t>(token.data()) & ((std::uint64_t{1} << bits) - 1);
}

}  // namespace

Token make_token(const Key32& key, FieldKind kind, std::string_view normalised) {
  const std::array<std::uint8_t, 1> tag = {static_cast<std::uint8_t>(kind)};
  const auto mac =
      crypto::hmac_sha256(key.expose(), {as_bytes("CWT-find"), tag, as_bytes(normalised)});
  Token token;
  std::copy_n(mac.begin(), token.size(), token.begin());
  return token;
}

std::uint64_t BlindIndex::bucket_of(const Token& token) const {
  const auto bucket = low_bits(token, head_.level);
  return bucket >= head_.split ? bucket
                               : low_bits(token, static_cast<std::uint8_t>(head_.level + 1));
}

Result<BlindIndex::Bucket> BlindIndex::read(std::uint64_t bucket) const {
  const auto content = TRY(rows_.get(bucket));
  Bucket entries;
  if (!content) return entries;
  ByteReader in(content->expose());
  const auto version = in.u8();
  const auto count = in.u16();
  if (version != kBucketVersion) return fail(Errc::kUnsupported, "index: another version");
  if (!in.ok() || count > kBucketEntriesMax || in.remaining() != count * kEntryBytes)
    return fail(Errc::kMalformed, "index: a bucket of another length than it says");
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry;
    entry.token = in.array<16>();
    const auto row = in.array<kRowBytes>();
    for (std::size_t b = 0; b < kRowBytes; ++b)
      entry.row |= static_cast<std::uint64_t>(row[b]) << (8 * b);
    if (!entries.empty() && !(entries.back() < entry))
      return fail(Errc::kMalformed, "index: a bucket that is not sorted");
    entries.push_back(entry);
  }
  return entries;
}

void BlindIndex::write(std::uint64_t bucket, const Bucket& entries) {
  SecretBytes content(kHeadBytes + entries.size() * kEntryBytes);
  auto* at = content.expose_mut().data();
  *at++ = kBucketVersion;
  store_le(at, static_cast<std::uint16_t>(entries.size()));
  at += sizeof(std::uint16_t);
  for (const auto& entry : entries) {
    std::memcpy(at, entry.token.data(), entry.token.size());
    at += entry.token.size();
    for (std::size_t b = 0; b < kRowBytes; ++b)
      *at++ = static_cast<std::uint8_t>(entry.row >> (8 * b));
  }
  rows_.put(bucket, std::move(content));
}

Status BlindIndex::split_one() {
  if (head_.level >= kLevelMax) return {};  // from here on buckets grow
  const std::uint64_t from = head_.split;
  const auto to = from + (std::uint64_t{1} << head_.level);
  auto entries = TRY(read(from));
  Bucket moved;
  const auto bits = static_cast<std::uint8_t>(head_.level + 1);
  std::erase_if(entries, [&](const Entry& entry) {
    const bool goes = low_bits(entry.token, bits) == to;
    if (goes) moved.push_back(entry);
    return goes;
  });
  write(from, entries);
  write(to, moved);
  if (++head_.split == std::uint32_t{1} << head_.level) {
    ++head_.level;
    head_.split = 0;
  }
  return {};
}

Status BlindIndex::add(const Token& token, std::uint64_t row) {
  const auto bucket = bucket_of(token);
  auto entries = TRY(read(bucket));
  const Entry entry{token, row};
  const auto at = std::ranges::lower_bound(entries, entry);
  if (at != entries.end() && *at == entry) return {};
  if (entries.size() >= kBucketEntriesMax)
    return fail(Errc::kFull, "too many customers with one value");
  entries.insert(at, entry);
  write(bucket, entries);
  ++head_.tokens;
  const auto buckets = (std::uint64_t{1} << head_.level) + head_.split;
  return head_.tokens > buckets * kTokensPerBucket ? split_one() : Status{};
}

Status BlindIndex::remove(const Token& token, std::uint64_t row) {
  const auto bucket = bucket_of(token);
  auto entries = TRY(read(bucket));
  const Entry entry{token, row};
  const auto at = std::ranges::lower_bound(entries, entry);
  if (at == entries.end() || *at != entry) return {};
  entries.erase(at);
  write(bucket, entries);
  --head_.tokens;
  return {};
}

Result<std::vector<std::uint64_t>> BlindIndex::find(const Token& token) const {
  std::vector<std::uint64_t> rows;
  for (const auto& entry : TRY(read(bucket_of(token))))
    if (entry.token == token) rows.push_back(entry.row);
  return rows;
}

}  // namespace callward::vault
