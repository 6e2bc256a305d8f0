// Vectors of the key tree and of records; vectors_test.hpp says what they are for.
#include "keys/vectors_test.hpp"

#include "keys/record.hpp"

namespace callward::keys {
namespace {

using namespace vectors;

using Ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

Cover punctured(const Key32& root, std::uint8_t levels, const Ranges& ranges) {
  auto cover = Cover::whole(root.clone(), levels);
  for (const auto& [first, end] : ranges) cover.puncture(first, end);
  return cover;
}
json::array to_json(const Ranges& ranges) {
  json::array all;
  for (const auto& [first, end] : ranges) all.push_back(json::array{first, end});
  return all;
}
Ranges ranges_from(const json::value& item) {
  Ranges ranges;
  for (const auto& range : item.at("punctured").as_array())
    ranges.emplace_back(range.at(0).to_number<std::uint32_t>(),
                        range.at(1).to_number<std::uint32_t>());
  return ranges;
}

// ---- tree ---------------------------------------------------------------------------------------

json::object cover_case(const char* name, const Key32& root, std::uint8_t levels,
                        const Ranges& ranges, const std::vector<std::uint32_t>& probes) {
  const auto cover = punctured(root, levels, ranges);
  json::array opens, closed;
  for (const auto leaf : probes) {
    if (const auto key = cover.leaf(leaf))
      opens.push_back(json::array{leaf, hex(*key)});
    else
      closed.push_back(leaf);
  }
  return {{"name", name},        {"kind", "cover"},  {"outcome", "ok"},
          {"root", hex(root)},   {"levels", levels}, {"punctured", to_json(ranges)},
          {"cover", hex(cover)}, {"opens", opens},   {"closed", closed}};
}

void add_bad_covers(SeededEntropy& entropy, std::vector<json::object>& cases) {
  struct Node {
    std::uint8_t level;
    std::uint32_t index;
  };
  const auto raw_cover = [&](std::uint16_t count, const std::vector<Node>& nodes) {
    ByteWriter out;
    out.u16(count);
    for (const auto& node : nodes) {
      out.u8(node.level);
      for (int shift = 0; shift < 24; shift += 8)
        out.u8(static_cast<std::uint8_t>(node.index >> shift));
      out.bytes(entropy.array<32>());
    }
    return out.take();
  };
  const auto add = [&](const char* name, const Bytes& raw) {
    cases.push_back({{"name", name},
                     {"kind", "cover"},
                     {"outcome", outcome_of(Cover::parse(raw))},
                     {"levels", kTreeLevels},
                     {"cover", to_hex(raw)}});
  };
  add("nothing at all", {});
  add("half a count", {1});
  add("one node announced, none there", raw_cover(1, {}));
  add("no node announced, one there", raw_cover(0, {{4, 3}}));
  auto cut = raw_cover(1, {{4, 3}});
  cut.pop_back();
  add("the last key is one byte short", cut);
  add("a level below the leaves", raw_cover(1, {{25, 0}}));
  add("an index beyond its level", raw_cover(1, {{3, 8}}));
  add("an index beyond level 0", raw_cover(1, {{0, 1}}));
  add("unsorted", raw_cover(2, {{4, 3}, {4, 2}}));
  add("the same node twice", raw_cover(2, {{4, 3}, {4, 3}}));
  add("a node beneath another", raw_cover(2, {{1, 0}, {4, 1}}));
  add("a node above another", raw_cover(2, {{4, 0}, {1, 0}}));
}

json::object forward_case(const char* name, const Cover& given, std::uint8_t stream,
                          const std::vector<std::uint32_t>& indices) {
  ForwardKeys forward(given, stream);
  json::array takes;
  for (const auto index : indices) {
    const auto key = forward.take(index);
    takes.push_back(json::array{index, key ? json::value(hex(*key)) : json::value(nullptr)});
  }
  return {{"name", name},        {"kind", "forward"},
          {"outcome", "ok"},     {"levels", kTreeLevels},
          {"cover", hex(given)}, {"stream", stream},
          {"takes", takes},      {"rest", hex(*Cover::from_nodes(forward.remaining()))}};
}

std::vector<json::object> tree_cases() {
  SeededEntropy entropy(0x74726565);
  const auto root = entropy.key();
  const auto whole = Cover::whole(root.clone());
  std::vector<json::object> cases;
  const auto add_leaf = [&](const char* name, std::uint8_t stream, std::uint32_t index) {
    cases.push_back({{"name", name},
                     {"kind", "leaf"},
                     {"outcome", "ok"},
                     {"root", hex(root)},
                     {"stream", stream},
                     {"index", index},
                     {"leaf", hex(*whole.leaf(leaf_of(stream, index)))}});
  };
  add_leaf("first segment of the customer", 0, 0);
  add_leaf("first segment of the agent", 1, 0);
  add_leaf("a segment after three hours", 1, 108'000);
  add_leaf("the call's own data", 15, 0);
  add_leaf("the very last leaf", 15, kIndexMax);
  const std::vector<std::uint32_t> small{0, 1, 2, 3, 4, 5, 6, 7};
  cases.push_back(cover_case("three levels, nothing punctured", root, 3, {}, small));
  cases.push_back(cover_case("three levels, one leaf", root, 3, {{5, 6}}, small));
  cases.push_back(cover_case("three levels, across the middle", root, 3, {{3, 5}}, small));
  cases.push_back(
      cover_case("three levels, two orders that overlap", root, 3, {{1, 3}, {2, 4}}, small));
  cases.push_back(cover_case("three levels, everything", root, 3, {{0, 8}}, small));
  cases.push_back(cover_case("three levels, an empty range", root, 3, {{4, 4}}, small));
  cases.push_back(cover_case("a password of two seconds in the customer's stream", root,
                             kTreeLevels, {{leaf_of(0, 100), leaf_of(0, 120)}},
                             {leaf_of(0, 99), leaf_of(0, 100), leaf_of(0, 119), leaf_of(0, 120),
                              leaf_of(1, 110), leaf_of(15, 0)}));
  cases.push_back(cover_case("digits in both streams and the call's data", root, kTreeLevels,
                             {{leaf_of(0, 0), leaf_of(0, 37)},
                              {leaf_of(1, 5), leaf_of(1, 37)},
                              {leaf_of(15, 0), leaf_of(15, 1)}},
                             {leaf_of(0, 36), leaf_of(0, 37), leaf_of(1, 4), leaf_of(1, 5),
                              leaf_of(15, 0), leaf_of(15, 1)}));
  const auto cleared = whole.slice(leaf_of(0, 0), leaf_of(0, 300));
  cases.push_back({{"name", "30 s of the customer's stream cleared, cut from the whole"},
                   {"kind", "slice"},
                   {"outcome", "ok"},
                   {"root", hex(root)},
                   {"levels", kTreeLevels},
                   {"punctured", json::array{}},
                   {"first", leaf_of(0, 0)},
                   {"end", leaf_of(0, 300)},
                   {"cover", hex(cleared)}});
  add_bad_covers(entropy, cases);
  const auto start = whole.slice(leaf_of(0, 0), leaf_of(15, 0));
  cases.push_back(forward_case("the four nodes of a call's start, never back", start, 2,
                               {0, 1, 1, 0, 5, 4, 299, 300}));
  cases.push_back(forward_case("a reissue from segment 1000",
                               whole.slice(leaf_of(1, 1'000), leaf_of(2, 0)), 1,
                               {999, 1'000, 1'001, 1'000}));
  cases.push_back(forward_case("up to the last index", start, 14, {kIndexMax, kIndexMax}));
  return cases;
}

TEST(Vectors, TreeIsWhatItWas) {
  same_as_file("tree.json", text_of("callward key tree", tree_cases()));
}

void check_cover(const json::value& item) {
  const auto levels = number<std::uint8_t>(item, "levels");
  auto cover = Cover::parse(bytes(item, "cover"), levels);
  ASSERT_EQ(outcome_of(cover), text(item, "outcome"));
  if (!cover) return;
  EXPECT_EQ(hex(punctured(key_from(item, "root"), levels, ranges_from(item))), text(item, "cover"));
  for (const auto& leaf : item.at("opens").as_array())
    EXPECT_EQ(hex(*cover->leaf(leaf.at(0).to_number<std::uint32_t>())),
              std::string(leaf.at(1).as_string()));
  for (const auto& leaf : item.at("closed").as_array())
    EXPECT_EQ(cover->leaf(leaf.to_number<std::uint32_t>()).error().code, Errc::kErased);
}

void check_forward(const json::value& item) {
  ForwardKeys forward(*Cover::parse(bytes(item, "cover")), number<std::uint8_t>(item, "stream"));
  for (const auto& take : item.at("takes").as_array()) {
    const auto key = forward.take(take.at(0).to_number<std::uint32_t>());
    ASSERT_EQ(key.has_value(), !take.at(1).is_null());
    if (key) EXPECT_EQ(hex(*key), std::string(take.at(1).as_string()));
  }
  EXPECT_EQ(hex(*Cover::from_nodes(forward.remaining())), text(item, "rest"));
}

TEST(Vectors, TreeReads) {
  const auto cases = cases_of("tree.json");
  ASSERT_GE(cases.size(), 25u);
  for (const auto& item : cases) {
    SCOPED_TRACE(text(item, "name"));
    const auto kind = text(item, "kind");
    if (kind == "leaf") {
      const auto cover = Cover::whole(key_from(item, "root"));
      EXPECT_EQ(
          hex(*cover.leaf(leaf_of(number<std::uint8_t>(item, "stream"), number(item, "index")))),
          text(item, "leaf"));
    } else if (kind == "cover") {
      check_cover(item);
    } else if (kind == "slice") {
      const auto cover = punctured(key_from(item, "root"), number<std::uint8_t>(item, "levels"),
                                   ranges_from(item));
      EXPECT_EQ(hex(cover.slice(number(item, "first"), number(item, "end"))), text(item, "cover"));
    } else {
      ASSERT_EQ(kind, "forward");
      check_forward(item);
    }
  }
}

// ---- record -------------------------------------------------------------------------------------

// What a reader does, step by step, and the step at which it refuses.
struct Reading {
  std::string outcome = "ok", at;
  std::string key, payload;
};

Reading read_record(ByteView record, const CallId& call, const Cover& cover) {
  Reading reading;
  const auto stop = [&](const Error& error, const char* at) {
    reading.outcome = to_string(error.code);
    reading.at = at;
    return reading;
  };
  const auto header = RecordHeader::parse(record);
  if (!header) return stop(header.error(), "header");
  if (const auto whole = parse_record(record); !whole) return stop(whole.error(), "length");
  const auto key = key_of_record(
      *header, [&](auto stream, auto index) { return cover.leaf(leaf_of(stream, index)); });
  if (!key) return stop(key.error(), "leaf");
  const auto opened = RecordCipher().open(record, call, *key);
  if (!opened)
    return stop(opened.error(), commitment_matches(*header, *key) ? "tag" : "commitment");
  reading.key = hex(*key);
  reading.payload = to_hex(opened->expose());
  return reading;
}

class RecordCases {
 public:
  std::vector<json::object> make() {
    const auto audio = audio_record(0, 42, Bytes(848, 0xFF));
    const auto words = derived_record(RecordKind::kWords, 0, 0b11, 40, 59, Bytes(1'024, 0));
    add("audio: a segment of silence", audio);
    add("audio: A-law, the agent", audio_record(1, kIndexMax, Bytes(848, 0xD5), 8));
    add("audio: an empty payload", audio_record(0, 7, {}));
    add("words under both streams", words);
    add("peaks under one stream",
        derived_record(RecordKind::kPeaks, 1, 0b10, 40, 49, Bytes(128, 0x30)));
    add("findings under three streams",
        derived_record(RecordKind::kFindings, 2, 0b111, 1, 1, to_bytes(as_bytes("{}"))));
    RecordHeader data{.kind = RecordKind::kCallData, .stream = kCallDataStream, .first = 3};
    add("the call's own data",
        cipher_.seal(entropy_, data, call_, as_bytes(R"({"direction":"incoming"})"),
                     *whole_.leaf(leaf_of(kCallDataStream, 3))));
    add_erased(audio, words);
    add_bad_headers(audio, words);
    add_bad_seals(audio);
    return std::move(cases_);
  }

 private:
  Bytes audio_record(std::uint8_t stream, std::uint32_t index, ByteView plain,
                     std::uint8_t codec = 0) {
    RecordHeader header{
        .kind = RecordKind::kAudio, .stream = stream, .codec = codec, .first = index};
    return cipher_.seal(entropy_, header, call_, plain, *whole_.leaf(leaf_of(stream, index)));
  }
  Bytes derived_record(RecordKind kind, std::uint8_t stream, std::uint16_t streams,
                       std::uint32_t first, std::uint32_t last, ByteView plain) {
    RecordHeader header{
        .kind = kind, .stream = stream, .first = first, .last = last, .streams = streams};
    return *cipher_.seal_derived(entropy_, header, call_, plain, [&](auto s, auto index) {
      return whole_.leaf(leaf_of(s, index));
    });
  }
  void add(const char* name, const Bytes& record) { add(name, record, call_, whole_); }
  void add(const char* name, const Bytes& record, const CallId& call, const Cover& cover) {
    const auto reading = read_record(record, call, cover);
    json::object item{{"name", name}, {"outcome", reading.outcome}};
    if (reading.outcome != "ok") item["fails_at"] = reading.at;
    item["call"] = call.hex();
    item["cover"] = hex(cover);
    item["record"] = to_hex(record);
    if (reading.outcome == "ok") {
      item["key"] = reading.key;
      item["payload"] = reading.payload;
    }
    cases_.push_back(std::move(item));
  }
  void add_erased(const Bytes& audio, const Bytes& words) {
    auto cover = whole_.clone();
    cover.puncture(leaf_of(0, 42), leaf_of(0, 43));
    add("audio whose leaf is punctured", audio, call_, cover);
    add("words with one punctured segment", words, call_, cover);
    cover = whole_.clone();
    cover.puncture(leaf_of(1, 59), leaf_of(1, 60));
    add("words with the other stream's last segment punctured", words, call_, cover);
    cover = whole_.clone();
    cover.puncture(leaf_of(0, 0), leaf_of(0, 40));
    cover.puncture(leaf_of(0, 60), leaf_of(1, 40));
    add("words with everything around them punctured", words, call_, cover);
  }
  void add_bad_headers(const Bytes& audio, const Bytes& words) {
    const auto with = [&](const char* name, const Bytes& good, std::size_t at, std::uint8_t value) {
      auto bad = good;
      bad[at] = value;
      add(name, bad);
    };
    add("an empty file", {});
    add("a header cut off", Bytes(audio.begin(), audio.begin() + 71));
    add("a header and nothing behind", Bytes(audio.begin(), audio.begin() + 72));
    add("one byte short", Bytes(audio.begin(), audio.end() - 1));
    auto longer = audio;
    longer.push_back(0);
    add("one byte too many", longer);
    with("another magic", audio, 0, 'X');
    with("version 0", audio, 4, 0);
    with("version 2", audio, 4, 2);
    with("an unknown kind", audio, 5, 99);
    with("stream 16", audio, 6, 16);
    with("audio of several segments", audio, 12, 43);
    with("first behind last", words, 8, 60);
    with("an index over 20 bits", audio, 10, 0x10);
    with("a payload over its limit", audio, 18, 0x11);
    with("audio with a mask of streams", audio, 20, 1);
    with("words without a mask of streams", words, 20, 0);
    with("words over too many segments", words, 13, 0x10);
    with("a reserved byte in use", audio, 22, 1);
  }
  void add_bad_seals(const Bytes& audio) {
    const auto flipped = [&](const char* name, std::size_t at) {
      auto bad = audio;
      bad[at] ^= 1;
      add(name, bad);
    };
    flipped("a flipped bit in the salt", 24);
    flipped("a flipped bit in the commitment", 71);
    flipped("a flipped bit in the codec", 7);
    flipped("a flipped bit in the ciphertext", 72);
    flipped("a flipped bit in the tag", audio.size() - 1);
    auto moved = audio;
    moved[8] = moved[12] = 43;
    add("moved to another segment", moved);
    moved = audio;
    moved[6] = 1;
    add("moved to another stream", moved);
    moved = audio;
    moved[5] = static_cast<std::uint8_t>(RecordKind::kCallData);
    add("passed off as another kind", moved);
    add("of another call", audio, CallId::random(entropy_), whole_);
    add("under another call's tree", audio, call_, Cover::whole(entropy_.key()));
    add("encrypted well, committed to another key", committed_elsewhere());
  }
  // GCM alone would open this: only the commitment tells.
  Bytes committed_elsewhere() {
    auto record = audio_record(0, 8, as_bytes("opens under two keys"));
    auto header = *parse_record(record);
    const auto key = record_key(header.kind, header.salt, *whole_.leaf(leaf_of(0, 8)));
    entropy_.fill(header.commitment);
    const auto head = header.encode();
    std::memcpy(record.data(), head.data(), head.size());
    crypto::Aes256Gcm().seal(MutByteView(record).subspan(kRecordHeaderBytes), key, {}, head,
                             call_.bytes, as_bytes("opens under two keys"));
    return record;
  }

  SeededEntropy entropy_{0x7265636F};
  Cover whole_ = Cover::whole(entropy_.key());
  CallId call_ = CallId::random(entropy_);
  RecordCipher cipher_;
  std::vector<json::object> cases_;
};

TEST(Vectors, RecordIsWhatItWas) {
  same_as_file("record.json", text_of("callward record", RecordCases().make()));
}

TEST(Vectors, RecordReads) {
  const auto cases = cases_of("record.json");
  ASSERT_GE(cases.size(), 35u);
  std::map<std::string, int> kinds;
  for (const auto& item : cases) {
    SCOPED_TRACE(text(item, "name"));
    const auto reading =
        read_record(bytes(item, "record"), call_from(item), *Cover::parse(bytes(item, "cover")));
    EXPECT_EQ(reading.outcome, text(item, "outcome"));
    if (reading.outcome == "ok") {
      EXPECT_EQ(reading.key, text(item, "key"));
      EXPECT_EQ(reading.payload, text(item, "payload"));
    } else {
      EXPECT_EQ(reading.at, text(item, "fails_at"));
    }
    ++kinds[reading.outcome + " " + reading.at];
  }
  // Each kind of failure has at least one case.
  for (const char* kind : {"ok ", "malformed header", "malformed length", "unsupported header",
                           "too_large header", "erased leaf", "corrupt commitment", "corrupt tag"})
    EXPECT_GE(kinds[kind], 1) << kind;
}

}  // namespace
}  // namespace callward::keys
