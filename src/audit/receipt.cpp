#include "audit/receipt.hpp"

#include <charconv>

#include "audit/daily.hpp"
#include "audit/tiles.hpp"

namespace callward::audit {
namespace {

constexpr std::string_view kFirstLine = "c2sp.org/tlog-proof@v1\n";

tl::unexpected<Error> malformed(const char* what) {
  return fail(Errc::kMalformed, std::string("not a receipt (tlog-proof): ") + what);
}

// The next line without its feed; nothing when there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const auto line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

}  // namespace

std::string encode_receipt(const Receipt& receipt) {
  std::string out(kFirstLine);
  if (receipt.extra) out += "extra " + to_base64(*receipt.extra) + "\n";
  out += "index " + std::to_string(receipt.index) + "\n";
  for (const auto& hash : receipt.proof) out += to_base64(hash) + "\n";
  return out + "\n" + receipt.note;
}

Result<Receipt> parse_receipt(std::string_view text) {
  if (text.size() > kReceiptBytesMax) return fail(Errc::kTooLarge, "receipt is over its limit");
  if (!text.starts_with(kFirstLine)) return malformed("its first line is another");
  text.remove_prefix(kFirstLine.size());
  Receipt receipt;
  auto line = take_line(text);
  if (line && line->starts_with("extra ")) {
    receipt.extra = TRY(from_base64(line->substr(6)));
    line = take_line(text);
  }
  if (!line || !line->starts_with("index ")) return malformed("it has no index");
  const auto digits = line->substr(6);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), receipt.index);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() ||
      (digits.size() > 1 && digits[0] == '0'))
    return malformed("its index is no number");
  for (line = take_line(text); line && !line->empty(); line = take_line(text)) {
    const auto raw = TRY(from_base64(*line));
    if (raw.size() != sizeof(Hash)) return malformed("a line of its proof is no hash");
    if (receipt.proof.size() >= kInclusionProofMax) return malformed("its proof is too long");
    auto& hash = receipt.proof.emplace_back();
    std::copy(raw.begin(), raw.end(), hash.begin());
  }
  if (!line) return malformed("it ends before its checkpoint");
  receipt.note = std::string(text);
  return receipt;
}

Result<Receipt> make_receipt(Vfs& vfs, const std::string& dir, const NamedKey& key,
                             std::uint64_t index) {
  auto newest = TRY(read_checkpoint(vfs, dir + "/checkpoint", key));
  if (const auto signed_one = read_checkpoint(vfs, dir + "/" + kWitnessedFile, key);
      signed_one && signed_one->checkpoint.size > index &&
      signed_one->checkpoint.size <= newest.checkpoint.size)
    newest = *signed_one;
  const auto size = newest.checkpoint.size;
  if (index >= size)
    return fail(Errc::kNotFound, "entry " + std::to_string(index) +
                                     " is not published; the log has " + std::to_string(size));
  const auto bundle = index / kTileWidth;
  const auto width = std::min(kTileWidth, size - bundle * kTileWidth);
  const auto entries = TRY(read_bundle(vfs, dir, bundle, width));
  Receipt receipt;
  receipt.extra = to_bytes(as_bytes(entries[static_cast<std::size_t>(index % kTileWidth)]));
  receipt.index = index;
  receipt.proof = TRY(inclusion_proof(index, size, tile_nodes(vfs, dir, size)));
  receipt.note = newest.note;
  // Never handed out without having been checked: the files may be damaged.
  TRY(check_inclusion(leaf_hash(*receipt.extra), index, size, receipt.proof,
                      newest.checkpoint.root));
  return receipt;
}

Result<ReceiptCheck> check_receipt(const Receipt& receipt, std::optional<ByteView> entry,
                                   const NamedKey& key, const WitnessPolicy& witnesses) {
  if (!entry && !receipt.extra)
    return fail(Errc::kConfig, "the receipt carries no entry: name the file that holds it");
  const auto content = entry ? *entry : ByteView(*receipt.extra);
  ReceiptCheck check;
  check.checkpoint = TRY(open_checkpoint(receipt.note, key));
  if (!witnesses.keys.empty())
    check.cosignatures = TRY(check_cosignatures(receipt.note, witnesses));
  TRY(check_inclusion(leaf_hash(content), receipt.index, check.checkpoint.size, receipt.proof,
                      check.checkpoint.root));
  check.entry = std::string(as_text(content));
  return check;
}

}  // namespace callward::audit
