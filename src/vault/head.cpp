#include "vault/head.hpp"

#include <algorithm>
#include <cstring>

namespace callward::vault {
namespace {

void write(ByteWriter& out, const Kept& kept) {
  out.u16(static_cast<std::uint16_t>(kept.reference_days));
  out.u16(static_cast<std::uint16_t>(kept.contact_days));
  out.i64(kept.since);
  const auto state = kept.retention ? keys::encode_retention(*kept.retention) : std::string();
  out.u16(static_cast<std::uint16_t>(state.size()));
  out.bytes(as_bytes(state));
}

Result<Kept> read_kept(ByteReader& in) {
  Kept kept;
  kept.reference_days = in.u16();
  kept.contact_days = in.u16();
  kept.since = in.i64();
  const auto state = in.bytes(in.u16());
  const Keep days{.reference_days = kept.reference_days, .contact_days = kept.contact_days};
  if (!in.ok() || (kept.known() ? !check_keep(days) : kept.contact_days != 0) || kept.since < 0)
    return fail(Errc::kMalformed, "vault's head: days that no policy may have");
  if (!state.empty()) kept.retention = TRY(keys::decode_retention(as_text(state)));
  return kept;
}

}  // namespace

SecretBytes Head::encode() const {
  ByteWriter out;
  out.u8(kVersion);
  out.u64(next_customer);
  out.u64(spare_end);
  out.u8(index.level);
  out.u32(index.split);
  out.u64(index.tokens);
  out.u64(chart_entry);
  out.bytes(chart_head);
  out.i64(time);
  out.bytes(line.boot);
  out.i64(line.utc_ms);
  out.i64(line.monotonic_ms);
  out.bytes(policy);
  out.u16(static_cast<std::uint16_t>(running.size()));
  for (const auto entry : running) out.u64(entry);
  out.u16(static_cast<std::uint16_t>(owed.size()));
  for (const auto& order : owed) out.bytes(order.bytes);
  write(out, kept);
  out.u64(policy_entry);
  SecretBytes row(out.size() + 2 * Key32::size());
  auto* at = row.expose_mut().data();
  std::memcpy(at, out.view().data(), out.size());
  std::memcpy(at + out.size(), search_key.expose().data(), Key32::size());
  std::memcpy(at + out.size() + Key32::size(), compare_key.expose().data(), Key32::size());
  return row;
}

Result<Head> Head::decode(ByteView raw) {
  ByteReader in(raw);
  const auto version = in.u8();
  if (version > kVersion || version < kVersionWithoutKept)
    return fail(Errc::kUnsupported, "vault's head of another version");
  Head head;
  head.next_customer = in.u64();
  head.spare_end = in.u64();
  head.index.level = in.u8();
  head.index.split = in.u32();
  head.index.tokens = in.u64();
  head.chart_entry = in.u64();
  head.chart_head = in.array<32>();
  head.time = in.i64();
  head.line.boot = in.array<16>();
  head.line.utc_ms = in.i64();
  head.line.monotonic_ms = in.i64();
  head.policy = in.array<32>();
  const auto running = in.u16();
  for (int i = 0; i < running && in.ok(); ++i) head.running.push_back(in.u64());
  const auto owed = in.u16();
  for (int i = 0; i < owed && in.ok(); ++i) head.owed.push_back({in.array<16>()});
  if (version > kVersionWithoutKept) head.kept = TRY(read_kept(in));
  if (version > kVersionWithoutPolicyEntry) head.policy_entry = in.u64();
  const auto search = in.bytes(Key32::size());
  const auto compare = in.bytes(Key32::size());
  if (!in.ok() || in.remaining() != 0 || owed > kOwedMax || running > kRunningMax ||
      head.index.level > BlindIndex::kLevelMax ||
      head.index.split >= std::uint64_t{1} << head.index.level ||
      head.next_customer < keys::kCustomerRowsFrom || head.next_customer > head.spare_end ||
      head.spare_end > keys::kCustomerRowsEnd)
    return fail(Errc::kMalformed, "vault's head contradicts itself");
  std::memcpy(head.search_key.expose_mut().data(), search.data(), Key32::size());
  std::memcpy(head.compare_key.expose_mut().data(), compare.data(), Key32::size());
  return head;
}

}  // namespace callward::vault
