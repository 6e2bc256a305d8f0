#include "audit/note.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace callward::audit {
namespace {

constexpr std::uint8_t kAlgorithmEd25519 = 1;
constexpr std::uint8_t kAlgorithmCosignature = 4;
constexpr std::size_t kKeyHashBytes = 4;
constexpr std::size_t kTimeBytes = 8;
constexpr std::string_view kSignatureMark = "\xE2\x80\x94 ";  // em dash, space

using KeyHash = std::array<std::uint8_t, kKeyHashBytes>;

KeyHash key_hash(const std::string& name, const crypto::PublicKey& key,
                 std::uint8_t algorithm = kAlgorithmEd25519) {
  const std::array<std::uint8_t, 2> separator{'\n', algorithm};
  const auto digest = crypto::sha256({as_bytes(name), separator, key});
  return {digest[0], digest[1], digest[2], digest[3]};
}

std::string written_key(const std::string& name, const crypto::PublicKey& key,
                        std::uint8_t algorithm) {
  Bytes tagged{algorithm};
  tagged.insert(tagged.end(), key.begin(), key.end());
  return name + "+" + to_hex(key_hash(name, key, algorithm)) + "+" + to_base64(tagged);
}

// A name is one word: no spaces, no plus (signed-note).
bool is_key_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '+' && c != 0x7F;
  });
}

Result<NamedKey> parse_key(const std::string& text, std::uint8_t algorithm) {
  const auto wrong = [] { return fail(Errc::kMalformed, "not a verifier key (name+hash+key)"); };
  const auto first = text.find('+');
  if (first == std::string::npos) return wrong();
  const auto second = text.find('+', first + 1);
  if (second == std::string::npos) return wrong();
  auto last = text.size();
  while (last > 0 && (text[last - 1] == '\n' || text[last - 1] == '\r')) --last;
  const auto raw = TRY(from_base64(std::string_view(text).substr(second + 1, last - second - 1)));
  if (raw.size() != 33) return wrong();
  if (raw[0] != algorithm)
    return fail(Errc::kMalformed, algorithm == kAlgorithmEd25519
                                      ? "not the key of a log (its algorithm byte is not 1)"
                                      : "not the key of a witness (its algorithm byte is not 4)");
  NamedKey named;
  named.name = text.substr(0, first);
  std::copy(raw.begin() + 1, raw.end(), named.key.begin());
  if (!is_key_name(named.name) || to_hex(key_hash(named.name, named.key, algorithm)) !=
                                      text.substr(first + 1, second - first - 1))
    return wrong();
  return named;
}

struct SignatureLine {
  std::string_view name;
  Bytes blob;             // key hash, then what the algorithm says
  std::string_view text;  // the whole line with its line feed
};
struct SplitNote {
  std::string_view body;  // with its last line feed
  std::vector<SignatureLine> lines;
};

// Views into `note`.
Result<SplitNote> split_note(const std::string& note) {
  constexpr std::size_t kLinesMax = 128;
  if (note.size() > kNoteBytesMax) return fail(Errc::kTooLarge, "note is over its limit");
  const auto gap = note.rfind("\n\n");
  if (gap == std::string::npos || note.back() != '\n')
    return fail(Errc::kMalformed, "not a signed note");
  const std::string_view whole = note;
  SplitNote split{whole.substr(0, gap + 1), {}};
  for (auto rest = whole.substr(gap + 2); !rest.empty();) {
    const auto end = rest.find('\n');
    const auto text = rest.substr(0, end + 1);
    auto line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!line.starts_with(kSignatureMark)) return fail(Errc::kMalformed, "not a signature line");
    line.remove_prefix(kSignatureMark.size());
    const auto space = line.find(' ');
    if (space == std::string_view::npos || split.lines.size() >= kLinesMax)
      return fail(Errc::kMalformed, "not a signature line");
    split.lines.push_back({line.substr(0, space), TRY(from_base64(line.substr(space + 1))), text});
  }
  return split;
}

std::string cosigned_message(std::string_view body, std::uint64_t at_s) {
  return "cosignature/v1\ntime " + std::to_string(at_s) + "\n" + std::string(body);
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
  return written_key(name, key, kAlgorithmEd25519);
}
Result<NamedKey> parse_verifier_key(const std::string& text) {
  return parse_key(text, kAlgorithmEd25519);
}

std::string witness_verifier_key(const WitnessKey& key) {
  return written_key(key.name, key.key, kAlgorithmCosignature);
}
Result<WitnessKey> parse_witness_key(const std::string& text) {
  auto named = TRY(parse_key(text, kAlgorithmCosignature));
  return WitnessKey{std::move(named.name), named.key};
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
  const auto split = TRY(split_note(note));
  const auto wanted = key_hash(key.name, key.key);
  bool verified = false;
  for (const auto& line : split.lines) {
    if (line.blob.size() != kKeyHashBytes + sizeof(crypto::Signature) || line.name != key.name ||
        !equal(ByteView(line.blob).first(kKeyHashBytes), wanted))
      continue;
    if (!crypto::ed25519_verify(key.key, as_bytes(split.body),
                                ByteView(line.blob).subspan(kKeyHashBytes)))
      return fail(Errc::kCorrupt, "checkpoint's signature does not hold");
    verified = true;
  }
  if (!verified) return fail(Errc::kCorrupt, "checkpoint has no signature of " + key.name);
  auto checkpoint = TRY(parse_body(split.body));
  if (checkpoint.origin != key.name) return fail(Errc::kCorrupt, "checkpoint is of another log");
  return checkpoint;
}

Result<Cosignature> find_cosignature(const std::string& note, const WitnessKey& key) {
  const auto split = TRY(split_note(note));
  const auto wanted = key_hash(key.name, key.key, kAlgorithmCosignature);
  constexpr auto kBlobBytes = kKeyHashBytes + kTimeBytes + sizeof(crypto::Signature);
  for (const auto& line : split.lines) {
    if (line.name != key.name || line.blob.size() < kKeyHashBytes ||
        !equal(ByteView(line.blob).first(kKeyHashBytes), wanted))
      continue;
    const auto wrong = [&] {
      return fail(Errc::kCorrupt, "the cosignature of " + key.name + " does not hold");
    };
    if (line.blob.size() != kBlobBytes) return wrong();
    const auto at_s = load_be<std::uint64_t>(line.blob.data() + kKeyHashBytes);
    if (at_s == 0 || at_s >> 63 != 0 ||
        !crypto::ed25519_verify(key.key, as_bytes(cosigned_message(split.body, at_s)),
                                ByteView(line.blob).subspan(kKeyHashBytes + kTimeBytes)))
      return wrong();
    return Cosignature{key.name, at_s, std::string(line.text)};
  }
  return fail(Errc::kNotFound, "no cosignature of " + key.name);
}

Result<std::vector<Cosignature>> check_cosignatures(const std::string& note,
                                                    const WitnessPolicy& policy) {
  std::vector<Cosignature> good;
  std::set<crypto::PublicKey> counted;  // one key is one witness, by whatever names it is listed
  std::string why;
  for (const auto& key : policy.keys) {
    if (counted.contains(key.key)) continue;
    auto one = find_cosignature(note, key);
    if (one) {
      counted.insert(key.key);
      good.push_back(std::move(*one));
    } else {
      why += (why.empty() ? "" : "; ") + one.error().message;
    }
  }
  if (good.size() < policy.quorum)
    return fail(Errc::kCorrupt, "witnesses: " + std::to_string(good.size()) + " of the " +
                                    std::to_string(policy.quorum) + " that are needed" +
                                    (why.empty() ? "" : " (" + why + ")"));
  return good;
}

Result<std::string> cosign(const std::string& note, const std::string& name, const Key32& seed,
                           std::uint64_t at_s) {
  const auto split = TRY(split_note(note));
  const auto key = TRY(crypto::ed25519_public(seed));
  const auto signature =
      TRY(crypto::ed25519_sign(seed, as_bytes(cosigned_message(split.body, at_s))));
  const auto hash = key_hash(name, key, kAlgorithmCosignature);
  Bytes blob(hash.begin(), hash.end());
  for (int shift = 56; shift >= 0; shift -= 8)
    blob.push_back(static_cast<std::uint8_t>(at_s >> shift));
  blob.insert(blob.end(), signature.begin(), signature.end());
  return std::string(kSignatureMark) + name + " " + to_base64(blob) + "\n";
}

}  // namespace callward::audit
