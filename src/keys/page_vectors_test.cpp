// Vectors of the key store's pages; vectors_test.hpp says what they are for.
#include "keys/page_tree.hpp"
#include "keys/vectors_test.hpp"

namespace callward::keys {
namespace {

using namespace vectors;

// ---- pages --------------------------------------------------------------------------------------

json::array to_json(const Rows& rows) {
  json::array all;
  for (const auto& [slot, row] : rows) all.push_back(json::array{slot, to_hex(row.expose())});
  return all;
}
json::array to_json(const Children& children) {
  json::array all;
  for (const auto& [slot, child] : children)
    all.push_back(json::array{slot, child.offset, child.bytes, hex(child.key)});
  return all;
}

// One case read as its kind says; what it gives is written beside it.
json::object read_page_case(json::object item) {
  const json::value view(item);
  const auto kind = text(view, "kind");
  const auto raw = bytes(view, "bytes");
  const auto settle = [&](const auto& result, const auto& on_good) {
    item["outcome"] = outcome_of(result);
    if (result) on_good(*result);
  };
  if (kind == "page") {
    const auto id =
        page_id(number<std::uint8_t>(view, "level"), number<std::uint64_t>(view, "index"));
    auto key = key_from(view, "key");
    if (const auto salt = page_salt(raw); salt && id.role == PageRole::kRoot)
      key = root_page_key(*salt, key);
    settle(open_page(id, key, raw),
           [&](const SecretBytes& payload) { item["payload"] = to_hex(payload.expose()); });
  } else if (kind == "rows") {
    settle(decode_rows(raw), [&](const Rows& rows) { item["rows"] = to_json(rows); });
  } else if (kind == "inner") {
    settle(decode_children(raw),
           [&](const Children& children) { item["children"] = to_json(children); });
  } else if (kind == "root") {
    settle(decode_root(raw), [&](const Root& root) {
      item["next_row"] = root.next_row;
      item["history"] = to_hex(root.history);
      item["children"] = to_json(root.children);
    });
  } else {
    settle(decode_superblock(raw), [&](const Superblock& block) {
      item["generation"] = block.generation;
      item["epoch"] = block.epoch;
      item["root_offset"] = block.root_offset;
      item["root_bytes"] = block.root_bytes;
      item["log_size"] = block.log_size;
    });
  }
  return item;
}

class PageCases {
 public:
  std::vector<json::object> make() {
    Rows rows;
    rows.emplace(0, SecretBytes(entropy_.array<40>()));
    rows.emplace(7, SecretBytes());
    rows.emplace(31, SecretBytes(entropy_.array<5>()));
    const auto leaf = to_bytes(encode_rows(rows).expose());
    Children children;
    children[0] = {8'192, 4'000, entropy_.key()};
    children[255] = {1ull << 40, 57, entropy_.key()};
    const auto inner = to_bytes(encode_children(children).expose());
    const auto root = to_bytes(
        encode_root({66, entropy_.array<sizeof(History)>(), std::move(children)}).expose());
    add("rows", "a leaf page's rows", leaf);
    add("inner", "an inner page's children", inner);
    add("root", "the root's payload", root);
    add_bad_payloads(leaf, inner, root);
    add_pages(leaf, inner, root);
    add_superblocks();
    return std::move(cases_);
  }

 private:
  void add(const char* kind, const char* name, const Bytes& raw) {
    cases_.push_back(read_page_case({{"name", name}, {"kind", kind}, {"bytes", to_hex(raw)}}));
  }
  void add_page(const char* name, std::uint8_t level, std::uint64_t index, const Key32& key,
                const Bytes& raw) {
    cases_.push_back(read_page_case({{"name", name},
                                     {"kind", "page"},
                                     {"level", level},
                                     {"index", index},
                                     {"key", hex(key)},
                                     {"bytes", to_hex(raw)}}));
  }
  static Bytes with(Bytes raw, std::size_t at, std::uint8_t value) {
    raw[at] = value;
    return raw;
  }
  static Bytes shorter(Bytes raw) {
    raw.pop_back();
    return raw;
  }
  void add_bad_payloads(const Bytes& leaf, const Bytes& inner, const Bytes& root) {
    add("rows", "rows: nothing at all", {});
    add("rows", "rows: one byte short", shorter(leaf));
    add("rows", "rows: more announced than are there", with(leaf, 0, 4));
    add("rows", "rows: fewer announced than are there", with(leaf, 0, 2));
    add("rows", "rows: more than a page may hold", with(leaf, 0, 33));
    add("rows", "rows: a slot beyond the page", with(leaf, 1, 32));
    add("rows", "rows: slots that descend", with(leaf, 1, 8));
    add("rows", "rows: a row over its limit", with(leaf, 4, 5));
    add("inner", "inner: one byte short", shorter(inner));
    add("inner", "inner: more announced than are there", with(inner, 0, 3));
    add("inner", "inner: the same slot twice", with(inner, 47, 0));
    add("root", "root: too short for a row number and a history", Bytes(23));
    add("root", "root: one byte short", shorter(root));
  }
  void add_pages(const Bytes& leaf, const Bytes& inner, const Bytes& root) {
    const auto key = entropy_.key();
    const auto salt = entropy_.array<16>();
    const auto page = seal_page(page_id(0, 77), key, {}, leaf);
    const auto root_page = seal_page(page_id(kRootLevel, 0), root_page_key(salt, key), salt, root);
    add_page("a leaf page", 0, 77, key, page);
    add_page("an inner page", 2, 3, key, seal_page(page_id(2, 3), key, {}, inner));
    add_page("a root page under its epoch key", kRootLevel, 0, key, root_page);
    add_page("a root page under the next epoch's key", kRootLevel, 0, entropy_.key(), root_page);
    add_page("a root page with another salt", kRootLevel, 0, key,
             with(root_page, 24, static_cast<std::uint8_t>(~root_page[24])));
    add_page("under another key", 0, 77, entropy_.key(), page);
    add_page("in another page's place", 0, 78, key, page);
    add_page("in an inner page's place", 1, 77, key, page);
    add_page("a flipped bit in the ciphertext", 0, 77, key,
             with(page, 40, static_cast<std::uint8_t>(page[40] ^ 1)));
    add_page("a flipped bit in the tag", 0, 77, key,
             with(page, page.size() - 1, static_cast<std::uint8_t>(page.back() ^ 1)));
    add_page("a reserved byte in use", 0, 77, key, with(page, 7, 1));
    add_page("another magic", 0, 77, key, with(page, 0, 'X'));
    add_page("another version", 0, 77, key, with(page, 4, 2));
    add_page("one byte short", 0, 77, key, shorter(page));
    add_page("a header cut off", 0, 77, key, Bytes(page.begin(), page.begin() + 39));
    add_page("a payload over its limit", 0, 77, key, with(page, 19, 1));
  }
  void add_superblocks() {
    auto good = encode_superblock({.generation = 9,
                                   .epoch = 4,
                                   .root_offset = 12'288,
                                   .root_bytes = 1'100,
                                   .log_size = 70'001});
    const auto sealed_again = [](Bytes raw) {
      store_le(raw.data() + 48, crc32c(ByteView(raw).first(48)));
      return raw;
    };
    good.resize(64);  // what follows is zeros
    add("superblock", "a superblock", good);
    add("superblock", "a superblock never written", Bytes(64));
    add("superblock", "a superblock with a flipped bit", with(good, 16, 5));
    add("superblock", "a superblock with a flipped checksum",
        with(good, 48, static_cast<std::uint8_t>(good[48] ^ 1)));
    add("superblock", "a superblock of a later version", sealed_again(with(good, 4, 2)));
    add("superblock", "a superblock cut off", Bytes(good.begin(), good.begin() + 51));
  }

  SeededEntropy entropy_{0x70616765};
  std::vector<json::object> cases_;
};

TEST(Vectors, PageIsWhatItWas) {
  same_as_file("page.json", text_of("callward key store page", PageCases().make()));
}

TEST(Vectors, PageReads) {
  const auto cases = cases_of("page.json");
  ASSERT_GE(cases.size(), 35u);
  std::map<std::string, int> kinds;
  for (const auto& item : cases) {
    SCOPED_TRACE(text(item, "name"));
    EXPECT_EQ(json::serialize(read_page_case(item.as_object())), json::serialize(item));
    ++kinds[text(item, "kind") + " " + text(item, "outcome")];
  }
  for (const char* kind :
       {"page ok", "page malformed", "page unsupported", "page corrupt", "rows ok",
        "rows malformed", "inner ok", "inner malformed", "root ok", "root malformed",
        "superblock ok", "superblock malformed", "superblock corrupt", "superblock unsupported"})
    EXPECT_GE(kinds[kind], 1) << kind;
}

}  // namespace
}  // namespace callward::keys
