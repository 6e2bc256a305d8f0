#include "audit/note.hpp"

#include <charconv>

namespace callward::audit {
namespace {

constexpr std::uint8_t kAlgorithmEd25519 = 1;
constexpr std::string_view kSignatureMark = "\xE2\x80\x94 ";  // em dash, space

std::array<std::uint8_t, 4> key_hash(const std::string& name, const crypto::PublicKey& key) {
  const std::array<std::uint8_t, 2> separator{'\n', kAlgorithmEd25519};
  const auto digest = crypto::sha256({as_bytes(name), separator, key});
  return {digest[0], digest[1], digest[2], digest[3]};
}

std::string body_of(const Checkpoint& checkpoint) {
  return checkpoint.origin + "\n" + std::to_string(checkpoint.size) + "\n" +
         to_base64(checkpoint.root) + "\n";
}

Result<Checkpoint> parse_body(std::string_view body) {
  Checkpoint checkpoint;
  const auto line = [&body]() -> std::string_view {
    const auto end = body.find('\n');
    if (end == std::string_view::npos) return {};
    const auto text = body.substr(0, end);
    body.remove_prefix(end + 1);
    return text;
  };
  checkpoint.origin = std::string(line());
  const auto size = line();
  const auto root = line();
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), checkpoint.size);
  const bool leading_zero = size.size() > 1 && size[0] == '0';
  if (checkpoint.origin.empty() || size.empty() || error != std::errc{} ||
      end != size.data() + size.size() || leading_zero)
    return fail(Errc::kMalformed, "checkpoint's origin or size cannot be read");
  const auto raw = TRY(from_base64(root));
  if (raw.size() != checkpoint.root.size())
    return fail(Errc::kMalformed, "checkpoint's root has a wrong length");
  std::copy(raw.begin(), raw.end(), checkpoint.root.begin());
  return checkpoint;
}

}  // namespace

std::string verifier_key(const std::string& name, const crypto::PublicKey& key) {
  Bytes tagged{kAlgorithmEd25519};
  tagged.insert(tagged.end(), key.begin(), key.end());
  return name + "+" + to_hex(key_hash(name, key)) + "+" + to_base64(tagged);
}

Result<NamedKey> parse_verifier_key(const std::string& text) {
  const auto wrong = [] { return fail(Errc::kMalformed, "not a verifier key (name+hash+key)"); };
  const auto first = text.find('+');
  if (first == std::string::npos) return wrong();
  const auto second = text.find('+', first + 1);
  if (second == std::string::npos) return wrong();
  auto last = text.size();
  while (last > 0 && (text[last - 1] == '\n' || text[last - 1] == '\r')) --last;
  const auto raw = TRY(from_base64(std::string_view(text).substr(second + 1, last - second - 1)));
  if (raw.size() != 33 || raw[0] != kAlgorithmEd25519) return wrong();
  NamedKey named;
  named.name = text.substr(0, first);
  std::copy(raw.begin() + 1, raw.end(), named.key.begin());
  if (to_hex(key_hash(named.name, named.key)) != text.substr(first + 1, second - first - 1))
    return wrong();
  return named;
}

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const Key32& seed) {
  const auto body = body_of(checkpoint);
  const auto key = TRY(crypto::ed25519_public(seed));
  const auto signature = TRY(crypto::ed25519_sign(seed, as_bytes(body)));
  const auto hash = key_hash(checkpoint.origin, key);
  Bytes blob(hash.begin(), hash.end());
  blob.insert(blob.end(), signature.begin(), signature.end());
  return body + "\n" + std::string(kSignatureMark) + checkpoint.origin + " " + to_base64(blob) +
         "\n";
}

Result<Checkpoint> open_checkpoint(const std::string& note, const NamedKey& key) {
  if (note.size() > kNoteBytesMax) return fail(Errc::kTooLarge, "note is over its limit");
  const auto gap = note.rfind("\n\n");
  if (gap == std::string::npos || note.back() != '\n')
    return fail(Errc::kMalformed, "not a signed note");
  const auto body = note.substr(0, gap + 1);
  std::string_view lines = std::string_view(note).substr(gap + 2);
  const auto wanted = key_hash(key.name, key.key);
  bool verified = false;
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    auto line = lines.substr(0, end);
    lines.remove_prefix(end + 1);
    if (line.substr(0, kSignatureMark.size()) != kSignatureMark)
      return fail(Errc::kMalformed, "not a signature line");
    line.remove_prefix(kSignatureMark.size());
    const auto space = line.find(' ');
    if (space == std::string_view::npos) return fail(Errc::kMalformed, "not a signature line");
    const auto blob = TRY(from_base64(line.substr(space + 1)));
    if (blob.size() != 68 || line.substr(0, space) != key.name ||
        !equal(ByteView(blob).first(4), wanted))
      continue;
    if (!crypto::ed25519_verify(key.key, as_bytes(body), ByteView(blob).subspan(4)))
      return fail(Errc::kCorrupt, "checkpoint's signature does not hold");
    verified = true;
  }
  if (!verified) return fail(Errc::kCorrupt, "checkpoint has no signature of " + key.name);
  auto checkpoint = TRY(parse_body(body));
  if (checkpoint.origin != key.name) return fail(Errc::kCorrupt, "checkpoint is of another log");
  return checkpoint;
}

}  // namespace callward::audit
