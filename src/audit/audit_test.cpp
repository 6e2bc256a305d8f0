#include <gtest/gtest.h>

#include <filesystem>

#include "audit/log.hpp"
#include "audit/verify.hpp"

namespace callward::audit {
namespace {

Hash numbered(std::uint64_t n) { return leaf_hash(as_bytes(std::to_string(n))); }

Hash reference_root(const std::vector<Hash>& leaves, std::size_t begin, std::size_t end) {
  if (begin == end) return empty_root();
  if (end - begin == 1) return leaves[begin];
  std::size_t split = 1;
  while (split * 2 < end - begin) split *= 2;
  return node_hash(reference_root(leaves, begin, begin + split), reference_root(leaves, begin + split, end));
}

TEST(Merkle, RootsAndProofsOfEverySmallTree) {
  std::vector<Hash> leaves;
  CompactRange range;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Hash> nodes;
  const NodeSource source = [&](std::uint32_t level, std::uint64_t index) -> Result<Hash> { return nodes.at({level, index}); };
  std::vector<Hash> roots{empty_root()};
  for (std::uint64_t size = 1; size <= 70; ++size) {
    leaves.push_back(numbered(size - 1));
    range.append(leaves.back(), [&](std::uint32_t level, std::uint64_t index, const Hash& h) { nodes[{level, index}] = h; });
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
      ASSERT_TRUE(check_consistency(old, roots[old], size, range.root(), proof)) << old << " " << size;
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
  EXPECT_EQ(text, R"({"actor":"recorder","at":5,"data":{"cause":"no\"ports","sip_status":503},"subject":"-","type":"call_missing","v":1})");
  EXPECT_TRUE(decode_entry(text));
  EXPECT_FALSE(decode_entry(" " + text));
  entry.data["extra"] = 1;
  EXPECT_FALSE(encode_entry(entry));
  entry.data = {{"cause", "x"}, {"sip_status", 1.5}};
  EXPECT_FALSE(encode_entry(entry));
  entry.data = {{"cause", "x"}};
  EXPECT_FALSE(encode_entry(entry));
  entry.type = "unheard_of";
  EXPECT_FALSE(encode_entry(entry));
}

TEST(Entry, TheDocumentIsThatOfTheTable) {
  RealVfs vfs;
  const auto text = vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + "/docs/log-entries.md", 1 << 20);
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
      ASSERT_EQ(*log.stage({"call_missing", "recorder", "-", 1'000 + i, {{"cause", "test"}, {"sip_status", i}}}), log.size() + static_cast<std::uint64_t>(i));
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
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/public.key", as_bytes(verifier_key(key.name, key.key) + "\n")));
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
  std::string journal;
  {
    auto log = open();
    add(*log, 10);
    const auto names = *vfs.list(dir);
    for (const auto& name : names)
      if (name.rfind("journal-", 0) == 0) journal = dir + "/" + name;
  }
  const auto whole = *vfs.read_file(journal, 1 << 20);
  // A torn batch behind what was committed.
  auto torn = whole;
  const auto frame = journal_frame(10, "{\"half\":");
  torn.insert(torn.end(), frame.begin(), frame.end() - 3);
  ASSERT_TRUE(vfs.write_file_atomic(journal, torn));
  EXPECT_EQ(open()->size(), 10u);
  EXPECT_EQ(vfs.read_file(journal, 1 << 20)->size(), whole.size());
  // Damage in front of valid frames.
  auto damaged = whole;
  damaged[whole.size() / 2] ^= 1;
  ASSERT_TRUE(vfs.write_file_atomic(journal, damaged));
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", seed).error().code, Errc::kCorrupt);
}

TEST_F(Logs, AnotherKeyDoesNotOpenIt) {
  {
    auto log = open();
    add(*log, 1);
    ASSERT_TRUE(log->publish());
  }
  EXPECT_EQ(Log::open(vfs, dir, "example.com/log", entropy.key()).error().code, Errc::kCorrupt);
}

TEST(Tiles, PathsAreThoseOfTheSpecification) {
  EXPECT_EQ(tile_path(0, 0, 256), "tile/0/000");
  EXPECT_EQ(tile_path(1, 1234067, 256), "tile/1/x001/x234/067");
  EXPECT_EQ(tile_path(0, 1234067, 8), "tile/0/x001/x234/067.p/8");
  EXPECT_EQ(bundle_path(255, 256), "tile/entries/255");
}

}  // namespace
}  // namespace callward::audit
