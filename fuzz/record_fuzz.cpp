// Any bytes as a sealed record: what parses is written back the same; what does not fit its
// commitment or tag does not open; and a record that the fuzzer shaped opens only when it is what
// sealing makes.
#include "base/check.hpp"
#include "keys/record.hpp"
#include "keys/tree.hpp"

namespace {

using namespace callward;
using namespace callward::keys;

// As if the attacker knew the key: commitment and tag set right, so that the fuzzer gets behind
// them.
Bytes resealed(ByteView raw, const RecordHeader& parsed, const CallId& call, const Cover& cover) {
  RecordCipher cipher;
  SeededEntropy entropy(1);
  const auto payload = raw.subspan(kRecordHeaderBytes, parsed.payload_bytes);
  const auto leaves = [&](std::uint8_t stream, std::uint32_t index) {
    return cover.leaf(leaf_of(stream, index));
  };
  if (is_derived(parsed.kind)) return *cipher.seal_derived(entropy, parsed, call, payload, leaves);
  return cipher.seal(entropy, parsed, call, payload, *leaves(parsed.stream, parsed.first));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView raw(data, size);
  const auto header = RecordHeader::parse(raw);
  if (!header) {
    CHECK(!parse_record(raw).has_value());
    return 0;
  }
  CHECK(equal(header->encode(), raw.first(kRecordHeaderBytes)));
  const auto whole = parse_record(raw);
  CHECK(whole.has_value() == (size == header->record_bytes()));
  if (!whole) return 0;

  static const auto cover = Cover::whole(Key32());
  const CallId call{};
  const auto leaves = [&](std::uint8_t stream, std::uint32_t index) {
    return cover.leaf(leaf_of(stream, index));
  };
  const auto key = key_of_record(*header, leaves);
  CHECK(key.has_value());
  RecordCipher cipher;
  if (const auto opened = cipher.open(raw, call, *key)) CHECK(commitment_matches(*header, *key));

  auto good = resealed(raw, *header, call, cover);
  const auto again = parse_record(good);
  CHECK(again.has_value() && again->kind == header->kind && again->first == header->first &&
        again->last == header->last);
  const auto good_key = key_of_record(*again, leaves);
  const auto opened = cipher.open(good, call, *good_key);
  CHECK(opened.has_value() &&
        equal(opened->expose(), raw.subspan(kRecordHeaderBytes, header->payload_bytes)));
  // One bit anywhere, chosen by the input, and it is refused.
  const auto at = load_le<std::uint32_t>(header->salt.data()) % good.size();
  good[at] ^= static_cast<std::uint8_t>(1u << (header->salt[4] % 8));
  if (const auto broken = parse_record(good)) {
    const auto broken_key = key_of_record(*broken, leaves);
    CHECK(!broken_key.has_value() || !cipher.open(good, call, *broken_key).has_value());
  }
  return 0;
}
