#include <gtest/gtest.h>

#include <filesystem>

#include "audit/log.hpp"
#include "audit/rules.hpp"
#include "audit/verify.hpp"

namespace callward::audit {
namespace {

Hash numbered(std::uint64_t n) { return leaf_hash(as_bytes(std::to_string(n))); }

Hash reference_root(const std::vector<Hash>& leaves, std::size_t begin, std::size_t end) {
  if (begin == end) return empty_root();
  if (end - begin == 1) return leaves[begin];
  std::size_t split = 1;
  while (split * 2 < end - begin) split *= 2;
  return node_hash(reference_root(leaves, begin, begin + split),
                   reference_root(leaves, begin + split, end));
}

TEST(Merkle, RootsAndProofsOfEverySmallTree) {
  std::vector<Hash> leaves;
  CompactRange range;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Hash> nodes;
  const NodeSource source = [&](std::uint32_t level, std::uint64_t index) -> Result<Hash> {
    return nodes.at({level, index});
  };
  std::vector<Hash> roots{empty_root()};
  for (std::uint64_t size = 1; size <= 70; ++size) {
    leaves.push_back(numbered(size - 1));
    range.append(leaves.back(), [&](std::uint32_t level, std::uint64_t index, const Hash& h) {
      nodes[{level, index}] = h;
    });
    ASSERT_EQ(range.root(), reference_root(leaves, 0, leaves.size()));
    roots.push_back(range.root());
    for (std::uint64_t leaf = 0; leaf < size; ++leaf) {
      auto proof = *inclusion_proof(leaf, size, source);
      ASSERT_TRUE(check_inclusion(leaves[leaf], leaf, size, proof, range.root()));
      ASSERT_FALSE(check_inclusion(numbered(999), leaf, size, proof, range.root()));
      if (!proof.empty()) {
        proof.back()[0] ^= 1;
        ASSERT_FALSE(check_inclusion(leaves[leaf], leaf, size, proof, range.root()));
      }
    }
    for (std::uint64_t old = 0; old <= size; ++old) {
      const auto proof = *consistency_proof(old, size, source);
      ASSERT_TRUE(check_consistency(old, roots[old], size, range.root(), proof))
          << old << " " << size;
      if (old > 0 && old < size) {
        ASSERT_FALSE(check_consistency(old, roots[old - 1], size, range.root(), proof));
      }
    }
  }
}

TEST(Note, SignsAndRefuses) {
  SeededEntropy entropy(1);
  const auto seed = entropy.key();
  const NamedKey key{"example.com/log", *crypto::ed25519_public(seed)};
  EXPECT_EQ(parse_verifier_key(verifier_key(key.name, key.key))->key, key.key);
  EXPECT_FALSE(parse_verifier_key("a+b+c"));
  const auto note = *sign_checkpoint({key.name, 42, numbered(1)}, seed);
  EXPECT_EQ(open_checkpoint(note, key)->size, 42u);
  for (std::size_t i = 0; i < note.size(); ++i) {
    auto bad = note;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(open_checkpoint(bad, key)) << i;
  }
}

TEST(Entry, CanonicalFormIsStrict) {
  Entry entry{"call_missing", "recorder", "-", 5, {{"sip_status", 503}, {"cause", "no\"ports"}}};
  const auto text = *encode_entry(entry);
  EXPECT_EQ(
      text,
      R"({"actor":"recorder","at":5,"data":{"cause":"no\"ports","sip_status":503},"subject":"-","type":"call_missing","v":1})");
  EXPECT_TRUE(decode_entry(text));
  EXPECT_FALSE(decode_entry(" " + text));
  entry.data["count"] = 940;  // added later: entries with it and without are good
  EXPECT_TRUE(decode_entry(*encode_entry(entry)));
  entry.data["count"] = "many";
  EXPECT_FALSE(encode_entry(entry));
  entry.data["count"] = 1;
  entry.data["extra"] = 1;
  EXPECT_FALSE(encode_entry(entry));
  entry.data = {{"cause", "x"}, {"sip_status", 1.5}};
  EXPECT_FALSE(encode_entry(entry));
  entry.data = {{"cause", "x"}};
  EXPECT_FALSE(encode_entry(entry));
  entry.type = "unheard_of";
  EXPECT_FALSE(encode_entry(entry));
}

// Readers count with what they read: nothing that the table knows is below zero.
TEST(Entry, NumbersAndRangesAreNotNegative) {
  const auto with = [](const std::string& number) {
    return R"({"actor":"keeper","at":5,"data":{"first":)" + number + R"(,"lost":[[0,)" + number +
           R"(,7]]},"subject":"-","type":"keeper_adopted","v":1})";
  };
  EXPECT_TRUE(decode_entry(with("0")));
  EXPECT_TRUE(decode_entry(with("5")));
  EXPECT_FALSE(decode_entry(with("-1")));
  EXPECT_FALSE(check_entry(with("-1")));
  Entry entry{"keeper_adopted", "keeper", "-", 5, {}};
  for (const auto& range : {boost::json::array{0, -1, 7}, boost::json::array{-1, 0, 7},
                            boost::json::array{0, 0, -7}, boost::json::array{0, 0}}) {
    entry.data = {{"first", 0}, {"lost", boost::json::array{range}}};
    EXPECT_FALSE(encode_entry(entry));
  }
  entry.data = {{"first", -1}, {"lost", boost::json::array{}}};
  EXPECT_FALSE(encode_entry(entry));
}

TEST(Entry, TheDocumentIsThatOfTheTable) {
  RealVfs vfs;
  const auto text =
      vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + "/docs/log-entries.md", 1 << 20);
  ASSERT_TRUE(text) << "write it with: callward log types > docs/log-entries.md";
  EXPECT_EQ(as_text(*text), entry_types_markdown());
}

class Logs : public ::testing::Test {
 protected:
  void SetUp() override {
    dir = ::testing::TempDir() + "cw-log-" + std::to_string(::getpid());
    std::filesystem::remove_all(dir);
    key = {"example.com/log", *crypto::ed25519_public(seed)};
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
  std::unique_ptr<Log> open() {
    auto log = Log::open(vfs, dir, "example.com/log", seed);
    EXPECT_TRUE(log) << (log ? "" : log.error().message);
    return log ? std::move(*log) : nullptr;
  }
  void add(Log& log, int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_EQ(
          *log.stage(
              {"call_missing", "recorder", "-", 1'000 + i, {{"cause", "test"}, {"sip_status", i}}}),
          log.size() + static_cast<std::uint64_t>(i));
    ASSERT_TRUE(log.commit());
  }
  VerifyReport verify() { return *verify_log(vfs, dir, key); }

  RealVfs vfs;
  SeededEntropy entropy{9};
  Key32 seed = entropy.key();
  NamedKey key;
  std::string dir;
};

TEST_F(Logs, GrowsSurvivesReopeningAndVerifies) {
  std::uint64_t size = 0;
  for (const int batch : {1, 2, 250, 3, 1, 255, 256, 257, 600}) {
    auto log = open();
    ASSERT_EQ(log->size(), size);
    add(*log, batch);
    size += static_cast<std::uint64_t>(batch);
    if (batch % 2 != 0) ASSERT_TRUE(log->publish());  // otherwise the journal alone carries it over
  }
  auto log = open();
  ASSERT_TRUE(log->publish());
  const auto report = verify();
  EXPECT_TRUE(report.good()) << report.findings.front();
  EXPECT_EQ(report.entries, size);
  std::uint64_t seen = 0;
  ASSERT_TRUE(log->replay(0, [&](std::uint64_t index, const Entry& entry) -> Status {
    EXPECT_EQ(index, seen++);
    EXPECT_EQ(entry.type, "call_missing");
    return {};
  }));
  EXPECT_EQ(seen, size);
}

TEST_F(Logs, AFlippedByteInAnyFileIsFound) {
  {
    auto log = open();
    add(*log, 300);
    ASSERT_TRUE(log->publish());
    add(*log, 3);
    ASSERT_TRUE(log->publish());
    add(*log, 5);  // in the journal only
  }
  ASSERT_TRUE(
      vfs.write_file_atomic(dir + "/public.key", as_bytes(verifier_key(key.name, key.key) + "\n")));
  ASSERT_TRUE(verify().good());
  int files = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(dir)) {
    if (!item.is_regular_file()) continue;
    ++files;
    auto file = *vfs.open(item.path().string(), OpenMode::kReadWrite);
    const auto size = *file->size();
    for (std::uint64_t at = 0; at < size; at += std::max<std::uint64_t>(1, size / 23)) {
      Bytes byte(1);
      ASSERT_TRUE(file->read_at(at, byte));
      byte[0] ^= 0x10;
      ASSERT_TRUE(file->write_at(at, byte));
      EXPECT_FALSE(verify().good()) << item.path() << " byte " << at;
      byte[0] ^= 0x10;
      ASSERT_TRUE(file->write_at(at, byte));
    }
  }
  EXPECT_GE(files, 8);
  EXPECT_TRUE(verify().good());
}

TEST_F(Logs, MissingFilesAreFoundAndSurplusOnesWarned) {
  {
    auto log = open();
    add(*log, 300);
    ASSERT_TRUE(log->publish());
  }
  for (const char* file : {"checkpoint", "tile/0/000", "tile/entries/000", "tile/1/000.p/1"}) {
    ASSERT_TRUE(vfs.rename(dir + "/" + file, dir + ".aside"));
    EXPECT_FALSE(verify().good()) << file;
    ASSERT_TRUE(vfs.rename(dir + ".aside", dir + "/" + file));
  }
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/stray", as_bytes("x")));
  const auto report = verify();
  EXPECT_TRUE(report.good());
  EXPECT_EQ(report.warnings.size(), 1u);
}

TEST_F(Logs, ATornTailIsCutDamageInsideIsRefused) {
  {
    auto log = open();
    add(*log, 10);
    add(*log, 10);
  }
  const auto journal = dir + "/" + journal_name(0);
  const auto whole = *vfs.read_file(journal, 1 << 20);
  // A torn batch behind what was committed: whatever part of it is there.
  const std::vector<std::string> more(
      5, *encode_entry({"call_missing", "recorder", "-", 1, {{"cause", "x"}, {"sip_status", 1}}}));
  const auto batch = journal_batch(20, more);
  for (std::size_t cut = 1; cut < batch.size(); cut += 31) {
    auto torn = whole;
    torn.insert(torn.end(), batch.begin(), batch.end() - static_cast<std::ptrdiff_t>(cut));
    ASSERT_TRUE(vfs.write_file_atomic(journal, torn));
    EXPECT_EQ(open()->size(), 20u);
    EXPECT_EQ(vfs.read_file(journal, 1 << 20)->size(), whole.size());
  }
  auto holes = whole;
  holes.insert(holes.end(), batch.begin(), batch.end());
  for (std::size_t at = 0; at < 100; ++at) holes[whole.size() + at] = 0;
  ASSERT_TRUE(vfs.write_file_atomic(journal, holes));
  EXPECT_EQ(open()->size(), 20u);
  // Damage in front of a batch that holds.
  auto damaged = whole;
  damaged[whole.size() / 4] ^= 1;
  ASSERT_TRUE(vfs.write_file_atomic(journal, damaged));
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", seed).error().code, Errc::kCorrupt);
  EXPECT_EQ(vfs.read_file(journal, 1 << 20)->size(), whole.size());
}

TEST_F(Logs, WhatTheCheckpointCoversIsNeverCut) {
  {
    auto log = open();
    add(*log, 10);
    add(*log, 10);
    ASSERT_TRUE(log->publish());
  }
  const auto journal = dir + "/" + journal_name(0);
  const auto whole = *vfs.read_file(journal, 1 << 20);
  auto damaged = whole;
  damaged.back() ^= 1;  // in the last batch: looks like a torn tail, but it was published
  ASSERT_TRUE(vfs.write_file_atomic(journal, damaged));
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", seed).error().code, Errc::kCorrupt);
  damaged.resize(damaged.size() - 1);
  ASSERT_TRUE(vfs.write_file_atomic(journal, damaged));
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", seed).error().code, Errc::kCorrupt);
  ASSERT_TRUE(vfs.write_file_atomic(journal, {}));
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", seed).error().code, Errc::kCorrupt);
  EXPECT_FALSE(verify().good());
  ASSERT_TRUE(vfs.remove(journal));
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", seed).error().code, Errc::kCorrupt);
  EXPECT_FALSE(verify().good());
  ASSERT_TRUE(vfs.write_file_atomic(journal, whole));
  EXPECT_EQ(open()->size(), 20u);
}

TEST_F(Logs, ADamagedGrowingBundleIsNotCarriedOn) {
  {
    auto log = open();
    add(*log, 10);
    ASSERT_TRUE(log->publish());
  }
  const auto path = dir + "/tile/entries/000.p/10";
  auto raw = *vfs.read_file(path, 1 << 20);
  const auto at =
      std::search(raw.begin(), raw.end(), as_bytes("test").begin(), as_bytes("test").end());
  *at = 'T';
  ASSERT_TRUE(vfs.write_file_atomic(path, raw));
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", seed).error().code, Errc::kCorrupt);
}

// With a checkpoint a second, partial bundles would otherwise take a hundred times the space of the
// entries.
TEST_F(Logs, PartialTilesGoWhenTheFullOneIsThere) {
  auto log = open();
  for (int i = 0; i < 20; ++i) {
    add(*log, i == 0 ? 240 : 1);
    ASSERT_TRUE(log->publish());
  }
  EXPECT_FALSE(vfs.exists(dir + "/tile/0/000.p"));
  EXPECT_FALSE(vfs.exists(dir + "/tile/entries/000.p"));
  EXPECT_TRUE(vfs.exists(dir + "/tile/0/000"));
  EXPECT_EQ(vfs.list(dir + "/tile/0/001.p")->size(), 3u);  // of each checkpoint that was published
  const auto report = verify();
  EXPECT_TRUE(report.good()) << report.findings.front();
  EXPECT_TRUE(report.warnings.empty()) << report.warnings.front();
  // A crash left some: they go at the next opening.
  log.reset();
  ASSERT_TRUE(vfs.make_dirs(dir + "/tile/0/000.p"));
  const auto full = *vfs.read_file(dir + "/tile/0/000", kTileBytesMax);
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/tile/0/000.p/7", ByteView(full).first(7 * 32)));
  EXPECT_TRUE(verify().good());
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/tile/0/000.p/7", Bytes(7 * 32)));
  EXPECT_FALSE(verify().good());
  log = open();
  EXPECT_FALSE(vfs.exists(dir + "/tile/0/000.p"));
}

// A reader that holds yesterday's checkpoint still finds its tiles, grown or not.
TEST_F(Logs, ProofsFromTilesOfAnOlderCheckpoint) {
  auto log = open();
  std::vector<Hash> roots{empty_root()};
  std::vector<Hash> leaves;
  for (const std::uint64_t size : {200, 256, 300, 600, 1'000}) {
    while (log->size() < size)
      add(*log, static_cast<int>(std::min<std::uint64_t>(50, size - log->size())));
    ASSERT_TRUE(log->publish());
    leaves.clear();
    ASSERT_TRUE(log->replay(0, [&](std::uint64_t, const Entry& entry) -> Status {
      leaves.push_back(leaf_hash(as_bytes(*encode_entry(entry))));
      return {};
    }));
    const auto root = merkle_root(leaves);
    for (const std::uint64_t old : {1, 77, 200, 255, 256, 257, 300}) {
      if (old > size) continue;
      const auto nodes = tile_nodes(vfs, dir, size);
      const auto inclusion = inclusion_proof(old - 1, size, nodes);
      ASSERT_TRUE(inclusion) << inclusion.error().message;
      EXPECT_TRUE(check_inclusion(leaves[old - 1], old - 1, size, *inclusion, root));
      const auto consistency = consistency_proof(old, size, nodes);
      ASSERT_TRUE(consistency);
      EXPECT_TRUE(check_consistency(
          old, merkle_root({leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(old)}),
          size, root, *consistency));
    }
    EXPECT_EQ(tile_nodes(vfs, dir, size)(0, size).error().code, Errc::kNotFound);
    EXPECT_EQ(tile_nodes(vfs, dir, size)(63, 0).error().code, Errc::kNotFound);
    EXPECT_EQ(read_bundle(vfs, dir, 0, std::min<std::uint64_t>(size, 200))->size(),
              std::min<std::uint64_t>(size, 200));
  }
}

TEST_F(Logs, TheJournalIsReplacedWhenAllOfItIsInTiles) {
  auto log = open();
  const std::string filler(1'000, 'x');
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4'000; ++i)
      ASSERT_TRUE(
          log->stage({"call_missing", "recorder", "-", 1, {{"cause", filler}, {"sip_status", i}}}));
    ASSERT_TRUE(log->commit());
    ASSERT_TRUE(log->publish());
  }
  EXPECT_FALSE(vfs.exists(dir + "/" + journal_name(0)));
  EXPECT_TRUE(vfs.exists(dir + "/" + journal_name(8'000)));
  EXPECT_TRUE(verify().good());
  log = open();
  EXPECT_EQ(log->size(), 12'000u);
  add(*log, 3);
  log = open();
  EXPECT_EQ(log->size(), 12'003u);
}

TEST_F(Logs, WhatIsTooMuchAtOnceIsRefusedAndTheRestHolds) {
  auto log = open();
  const std::string filler(1'000, 'x');
  Result<std::uint64_t> staged = 0;
  std::uint64_t count = 0;
  while ((staged = log->stage(
              {"call_missing", "recorder", "-", 1, {{"cause", filler}, {"sip_status", 1}}})))
    ++count;
  EXPECT_EQ(staged.error().code, Errc::kFull);
  EXPECT_GT(count, 10'000u);
  ASSERT_TRUE(log->commit());
  EXPECT_EQ(open()->size(), count);
}

TEST_F(Logs, EntriesThatBreakTheTreeOrTheirSchemaAreNamed) {
  {
    auto log = open();
    add(*log, 300);
    ASSERT_TRUE(log->publish());
  }
  const auto path = dir + "/tile/entries/000";
  const auto whole = *vfs.read_file(path, 1 << 20);
  auto bad = whole;
  bad[2 + whole[1] + 2] = '[';  // the first byte of the second entry
  ASSERT_TRUE(vfs.write_file_atomic(path, bad));
  auto report = verify();
  ASSERT_FALSE(report.good());
  EXPECT_EQ(report.findings.front(), "tile/entries/000: byte " + std::to_string(2 + whole[1]) +
                                         ": entry 1: entry is not a JSON object");
  ASSERT_TRUE(vfs.remove(path));
  report = verify();  // its tile stands in: one thing is wrong, and it is named
  EXPECT_EQ(report.findings.size(), 1u);
  EXPECT_NE(report.findings.front().find("tile/entries/000"), std::string::npos);
}

// Whoever can write a bundle writes what keeps the rules: they are read as the checkpoint signs it.
TEST_F(Logs, TheRulesAreThoseOfTheEntriesThatAreSigned) {
  {
    auto log = open();
    add(*log, 300);
    ASSERT_TRUE(log->publish());
  }
  EXPECT_TRUE(check_rules(vfs, dir, key));
  for (const std::string name : {"000", "001.p/44"}) {
    const auto path = dir + "/tile/entries/" + name;
    const auto whole = *vfs.read_file(path, 1 << 20);
    std::string text(as_text(whole));
    const auto at = text.find("recorder");
    ASSERT_NE(at, std::string::npos);
    text[at] = 'R';
    ASSERT_TRUE(vfs.write_file_atomic(path, as_bytes(text)));
    const auto checked = check_rules(vfs, dir, key);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().code, Errc::kCorrupt);
    ASSERT_TRUE(vfs.write_file_atomic(path, whole));
  }
}

TEST_F(Logs, VerifiesWhileTheLogGrows) {
  auto log = open();
  add(*log, 100);
  ASSERT_TRUE(log->publish());
  // At each step of the check the log grows past the tile that is being read.
  int steps = 0;
  const auto report = *verify_log(vfs, dir, key, [&](std::uint64_t, std::uint64_t) {
    if (steps++ > 0) return;
    add(*log, 300);
    ASSERT_TRUE(log->publish());
    ASSERT_FALSE(vfs.exists(dir + "/tile/0/000.p"));
  });
  EXPECT_TRUE(report.good()) << report.findings.front();
  EXPECT_EQ(report.entries, 100u);
}

TEST_F(Logs, AnotherKeyDoesNotOpenIt) {
  {
    auto log = open();
    add(*log, 1);
    ASSERT_TRUE(log->publish());
  }
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", entropy.key()).error().code, Errc::kCorrupt);
}

TEST_F(Logs, AFailedWriteStopsTheLogUntilItIsOpenedAnew) {
  auto log = open();
  add(*log, 1);
  ASSERT_TRUE(log->publish());
  // A file where a folder must be: publishing fails, for root too.
  std::filesystem::remove_all(dir + "/tile/0");
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/tile/0", as_bytes("x")));
  add(*log, 1);
  EXPECT_FALSE(log->publish());
  EXPECT_TRUE(log->failed());
  EXPECT_EQ(log->stage({"call_missing", "recorder", "-", 1, {{"cause", "x"}, {"sip_status", 1}}})
                .error()
                .code,
            Errc::kUnavailable);
  EXPECT_EQ(log->commit().error().code, Errc::kUnavailable);
  EXPECT_EQ(log->publish().error().code, Errc::kUnavailable);
}

TEST(Tiles, NamesAreReadAsStrictlyAsTheyAreWritten) {
  for (const char* good : {"tile/0/000", "tile/1/x001/x234/067", "tile/0/x001/x234/067.p/8",
                           "tile/entries/255", "tile/entries/x001/000.p/255"}) {
    const auto name = parse_tile_name(good);
    ASSERT_TRUE(name) << good;
    EXPECT_EQ(name->bundle ? bundle_path(name->index, name->width)
                           : tile_path(name->level, name->index, name->width),
              good);
  }
  for (const char* bad :
       {"tile/0/00", "tile/0/0000", "tile/00/000", "tile/8/000", "tile/0/x000/001",
        "tile/0/001.p/0", "tile/0/001.p/256", "tile/0/001.p/08", "tile/0/001.p", "tile/0/001/002",
        "tile/data/000", "tile/entries", "checkpoint", "", "tile/0/-01",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999"})
    EXPECT_FALSE(parse_tile_name(bad)) << bad;
}

TEST(Tiles, PathsAreThoseOfTheSpecification) {
  EXPECT_EQ(tile_path(0, 0, 256), "tile/0/000");
  EXPECT_EQ(tile_path(1, 1234067, 256), "tile/1/x001/x234/067");
  EXPECT_EQ(tile_path(0, 1234067, 8), "tile/0/x001/x234/067.p/8");
  EXPECT_EQ(bundle_path(255, 256), "tile/entries/255");
}

}  // namespace
}  // namespace callward::audit
