// tests/vectors/log.json: entries, an entry bundle, a tile, a checkpoint, a journal.
#include "audit/entry.hpp"
#include "audit/journal.hpp"
#include "audit/note.hpp"
#include "audit/tiles.hpp"
#include "base/vectors_test.hpp"

namespace callward::audit {
namespace {

using namespace vectors;

constexpr std::string_view kOrigin = "log.example/callward";
constexpr std::uint64_t kFirst = 1'000;

Key32 seed() {
  Key32 key;
  for (std::size_t i = 0; i < 32; ++i) key.expose_mut()[i] = static_cast<std::uint8_t>(i);
  return key;
}

std::vector<std::string> entries() {
  json::array ends;  // one range; braces within braces are a copy for some compilers
  ends.emplace_back(json::array{0, 0, 590});
  const std::vector<Entry> all = {
      {"keeper_started", "keeper", "-", 5, {{"epoch", 1}, {"mirrors", 2}, {"log_size", 0}}, {}, {}},
      {"call_missing",
       "recorder",
       "-",
       1'700'000'000'000,
       {{"sip_status", 503}, {"cause", "no\"ports"}},
       {},
       {}},
      {"call_ended",
       "keeper",
       "000102030405060708090a0b0c0d0e0f",
       1'700'000'060'000,
       {{"ended_at", 1'700'000'059'000}, {"cause", "bye"}, {"ends", ends}},
       1,
       {}},
  };
  std::vector<std::string> out;
  for (const auto& entry : all) out.push_back(encode_entry(entry).value());
  return out;
}

json::object made(const char* kind, std::string_view name, ByteView raw) {
  return {{"name", name}, {"kind", kind}, {"bytes", to_hex(raw)}};
}
json::object entry_case(std::string_view name, std::string_view raw) {
  auto out = made("entry", name, as_bytes(raw));
  out["outcome"] = outcome_of(decode_entry(raw));
  out["leaf"] = to_hex(leaf_hash(as_bytes(raw)));
  return out;
}
json::object bundle_case(std::string_view name, const Bytes& raw, std::uint64_t count) {
  auto out = made("bundle", name, raw);
  out["outcome"] = outcome_of(parse_bundle(raw, count));
  out["count"] = count;
  return out;
}
json::object tile_case(std::string_view name, const Bytes& raw, std::uint64_t width,
                       const Hash& root) {
  auto out = made("tile", name, raw);
  out["outcome"] = outcome_of(parse_tile(raw, width));
  out["width"] = width;
  out["root"] = to_hex(root);
  return out;
}
json::object checkpoint_case(std::string_view name, const std::string& note) {
  const NamedKey key{std::string(kOrigin), *crypto::ed25519_public(seed())};
  auto out = made("checkpoint", name, as_bytes(note));
  const auto opened = open_checkpoint(note, key);
  out["outcome"] = outcome_of(opened);
  out["verifier"] = verifier_key(key.name, key.key);
  if (opened) {
    out["size"] = opened->size;
    out["root"] = to_hex(opened->root);
  }
  return out;
}
// A journal is read as far as it holds: `held` entries, `torn` what follows them.
json::object journal_case(std::string_view name, const Bytes& raw) {
  auto out = made("journal", name, raw);
  const auto scan = scan_journal(raw, kFirst);
  out["outcome"] = scan.valid_after_tear ? "corrupt" : "ok";
  out["first"] = scan.first;
  out["held"] = scan.entries.size();
  out["end"] = scan.end;
  out["torn"] = scan.torn;
  return out;
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  return text.replace(text.find(what), what.size(), with);
}
template <class Change>
Bytes changed(Bytes bytes, Change change) {
  change(bytes);
  return bytes;
}

void add_entries(std::vector<json::object>& out, const std::vector<std::string>& texts) {
  for (const auto& text : texts) out.push_back(entry_case("as it is written", text));
  const auto& text = texts[1];
  out.push_back(entry_case("a space", replaced(text, ":", ": ")));
  out.push_back(entry_case("version 2", replaced(text, "\"v\":1", "\"v\":2")));
  out.push_back(entry_case("no such type", replaced(text, "call_missing", "call_nothing")));
  out.push_back(entry_case("a field too many", replaced(text, "\"data\":{", "\"data\":{\"a\":1,")));
  out.push_back(entry_case("a number that is not whole", replaced(text, "503", "503.5")));
  out.push_back(entry_case("cut", std::string_view(text).substr(0, text.size() - 1)));
}

void add_tiles(std::vector<json::object>& out, const std::vector<std::string>& texts) {
  Bytes bundle;
  std::vector<Hash> leaves;
  for (const auto& text : texts) {
    append_bundle_entry(bundle, text);
    leaves.push_back(leaf_hash(as_bytes(text)));
  }
  const auto tile = tile_bytes(leaves);
  const auto root = merkle_root(leaves);
  const auto shorter = [](Bytes& raw) { raw.pop_back(); };
  const auto longer = [](Bytes& raw) { raw.push_back(0); };
  out.push_back(bundle_case("three entries", bundle, 3));
  out.push_back(bundle_case("three, and four are wanted", bundle, 4));
  out.push_back(bundle_case("a bundle, cut", changed(bundle, shorter), 3));
  out.push_back(bundle_case("a bundle with a byte behind it", changed(bundle, longer), 3));
  out.push_back(tile_case("three hashes", tile, 3, root));
  out.push_back(tile_case("a tile, cut", changed(tile, shorter), 3, root));
  out.push_back(tile_case("a tile with a byte behind it", changed(tile, longer), 3, root));

  const auto note = *sign_checkpoint({std::string(kOrigin), 3, root}, seed());
  const auto another = *sign_checkpoint({std::string(kOrigin), 3, root}, Key32());
  out.push_back(checkpoint_case("of three entries", note));
  out.push_back(
      checkpoint_case("with a second signature", note + another.substr(another.find("\n\n") + 2)));
  out.push_back(checkpoint_case("another size than was signed", replaced(note, "\n3\n", "\n4\n")));
  out.push_back(checkpoint_case("of another key", another));
  out.push_back(
      checkpoint_case("of another log", *sign_checkpoint({"other.example/log", 3, root}, seed())));
  out.push_back(checkpoint_case("without a signature", note.substr(0, note.find("\n\n") + 1)));
  out.push_back(checkpoint_case("without its last line feed", note.substr(0, note.size() - 1)));
}

void add_journals(std::vector<json::object>& out, const std::vector<std::string>& texts) {
  const auto all = std::span(texts);
  const auto one = journal_batch(kFirst, all.first(2));
  const auto two = journal_batch(kFirst + 2, all.subspan(2));
  auto both = one;
  both.insert(both.end(), two.begin(), two.end());
  const auto cut = [&both](std::size_t by) {
    return Bytes(both.begin(), both.end() - static_cast<std::ptrdiff_t>(by));
  };
  out.push_back(journal_case("two batches", both));
  out.push_back(journal_case("nothing", {}));
  out.push_back(journal_case("the second one torn", cut(1)));
  out.push_back(journal_case("torn within a head", cut(two.size() - 10)));
  out.push_back(
      journal_case("a bit of the last", changed(both, [](Bytes& raw) { raw.back() ^= 1; })));
  out.push_back(
      journal_case("a bit of the first", changed(both, [](Bytes& raw) { raw[40] ^= 1; })));
}

std::vector<json::object> all_cases() {
  std::vector<json::object> out;
  const auto texts = entries();
  add_entries(out, texts);
  add_tiles(out, texts);
  add_journals(out, texts);
  return out;
}

TEST(LogVectors, AreTheBytesThatAreMadeNow) {
  same_as_file("log.json", text_of("callward log", all_cases()));
}

std::string read_again(const json::value& item, const Bytes& raw) {
  const auto kind = text(item, "kind");
  if (kind == "entry") return outcome_of(decode_entry(as_text(raw)));
  if (kind == "bundle") return outcome_of(parse_bundle(raw, number(item, "count")));
  if (kind == "tile") return outcome_of(parse_tile(raw, number(item, "width")));
  if (kind == "checkpoint")
    return outcome_of(
        open_checkpoint(std::string(as_text(raw)), *parse_verifier_key(text(item, "verifier"))));
  const auto scan = scan_journal(raw, kFirst);
  EXPECT_EQ(scan.entries.size(), number(item, "held")) << item.at("name");
  return scan.valid_after_tear ? "corrupt" : "ok";
}

TEST(LogVectors, AreReadAsTheySay) {
  int good = 0, bad = 0;
  for (const auto& item : cases_of("log.json")) {
    const auto outcome = read_again(item, bytes(item, "bytes"));
    EXPECT_EQ(outcome, text(item, "outcome")) << item.at("name");
    ++(outcome == "ok" ? good : bad);
  }
  EXPECT_EQ(good, 12);
  EXPECT_EQ(bad, 17);
}

}  // namespace
}  // namespace callward::audit
