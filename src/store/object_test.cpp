#include "store/object.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/fresh_dir_test.hpp"
#include "keys/tree.hpp"
#include "store/object_store.hpp"
#include "store/spool_call.hpp"

namespace callward::store {
namespace {

class MemoryFile final : public VfsFile {
 public:
  explicit MemoryFile(Bytes content = {}) : content(std::move(content)) {}
  Result<std::size_t> read_at(std::uint64_t offset, MutByteView out) override {
    if (offset >= content.size()) return std::size_t{0};
    const auto n = std::min<std::size_t>(out.size(), content.size() - offset);
    std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
    return n;
  }
  Status write_at(std::uint64_t offset, ByteView in) override {
    if (content.size() < offset + in.size()) content.resize(offset + in.size());
    std::copy(in.begin(), in.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Status sync_data() override { return {}; }
  Status preallocate(std::uint64_t) override { return {}; }
  Status truncate(std::uint64_t size) override {
    content.resize(size);
    return {};
  }
  Result<std::uint64_t> size() override { return content.size(); }
  Bytes content;
};

struct Sample {
  explicit Sample(std::uint32_t seed) : entropy(seed), tree(keys::Cover::whole(entropy.key())) {
    head.call = CallId::random(entropy);
    head.sequence = 42;
    head.source = keys::CallSource::kSiprec;
    head.direction = keys::Direction::kIncoming;
    head.started_at = 1'795'509'000'123;
    head.ended_at = head.started_at + 400;
    head.cause = "bye";
    head.streams = {{0, Party::kCustomer, 0, 4}, {1, Party::kAgent, 8, 4}};
    head.account = {{0, RecorderState::kSealed, 0, 400, ""},
                    {1, RecorderState::kLost, 0, 20, "network"},
                    {1, RecorderState::kSealed, 20, 400, ""}};
  }
  Bytes record(keys::RecordKind kind, std::uint8_t stream, std::uint32_t index,
               std::size_t bytes = 24) {
    keys::RecordHeader header;
    header.kind = kind;
    header.stream = stream;
    header.first = header.last = index;
    Bytes plain(bytes);
    entropy.fill(plain);
    const auto leaf = tree.leaf(keys::leaf_of(stream, index));
    return cipher.seal(entropy, header, head.call, plain, *leaf);
  }
  Bytes build(ObjectKind kind = ObjectKind::kRecording) {
    MemoryFile file;
    auto writer = ObjectWriter::begin(file, kind, head);
    EXPECT_TRUE(writer);
    for (const auto& record : records) EXPECT_TRUE(writer->add(record));
    EXPECT_TRUE(writer->finish());
    return file.content;
  }
  SeededEntropy entropy;
  keys::Cover tree;
  keys::RecordCipher cipher;
  ObjectHead head;
  std::vector<Bytes> records;
};

struct TwoStreams : Sample {
  explicit TwoStreams(std::uint32_t seed) : Sample(seed) {
    records.push_back(record(keys::RecordKind::kCallData, 15, 0));
    for (std::uint32_t index = 0; index < 4; ++index)
      for (std::uint8_t stream = 0; stream < 2; ++stream)
        records.push_back(record(keys::RecordKind::kAudio, stream, index));
  }
};

// What a reader says of some bytes: "ok" or the word of its error.
std::string judge(const Bytes& content) {
  auto reader = ObjectReader::open(std::make_shared<MemoryFile>(content));
  Status status = reader ? reader->verify() : Status(tl::unexpected(reader.error()));
  if (status) return "ok";
  return std::string(to_string(status.error().code));
}

TEST(Merkle, MatchesTheKnownRootsAndProofs) {
  // RFC 6962's own test data (certificate-transparency reference implementation): eight leaves.
  const std::vector<std::string> inputs{"",
                                        "00",
                                        "10",
                                        "2021",
                                        "3031",
                                        "40414243",
                                        "5051525354555657",
                                        "606162636465666768696a6b6c6d6e6f"};
  const std::vector<std::string> roots{
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  MerkleBuilder builder;
  std::vector<Digest> hashes;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto data = *from_hex(inputs[i]);
    builder.add(data);
    hashes.push_back(merkle_leaf(data));
    EXPECT_EQ(to_hex(builder.root()), roots[i]);
    for (std::size_t leaf = 0; leaf <= i; ++leaf) {
      const auto proof = merkle_inclusion(hashes, leaf);
      EXPECT_TRUE(merkle_included(hashes[leaf], leaf, hashes.size(), proof, builder.root()));
      EXPECT_FALSE(merkle_included(hashes[(leaf + 1) % hashes.size()], leaf, hashes.size(), proof,
                                   builder.root()) &&
                   i > 0);
      EXPECT_FALSE(merkle_included(hashes[leaf], leaf + 1, hashes.size(), proof, builder.root()) &&
                   i > 0);
    }
  }
}

TEST(Object, ReadsBackWhatWasWritten) {
  TwoStreams sample(1);
  auto reader = ObjectReader::open(std::make_shared<MemoryFile>(sample.build()));
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->verify());
  EXPECT_EQ(reader->head().call, sample.head.call);
  EXPECT_EQ(reader->head().account.size(), 3u);
  EXPECT_EQ(reader->summary().leaves, 10u);
  const auto some = reader->records(keys::RecordKind::kAudio, 1, 1, 3, 100);
  ASSERT_TRUE(some);
  ASSERT_EQ(some->size(), 2u);
  EXPECT_EQ((*some)[0], sample.records[4]);
  EXPECT_EQ((*some)[1], sample.records[6]);
  EXPECT_EQ(reader->records(keys::RecordKind::kAudio, 1, 0, 4, 3)->size(), 3u);
  EXPECT_TRUE(reader->records(keys::RecordKind::kWords, 1, 0, 4, 9)->empty());
  const auto proof = reader->prove(5);
  ASSERT_TRUE(proof);
  EXPECT_TRUE(
      merkle_included(merkle_leaf(sample.records[4]), 5, 10, *proof, reader->summary().root));
}

RC_GTEST_PROP(Object, AnyFlippedOrMissingByteIsFound, ()) {
  TwoStreams sample(*rc::gen::arbitrary<std::uint32_t>());
  auto content = sample.build();
  RC_ASSERT(judge(content) == "ok");
  if (*rc::gen::arbitrary<bool>()) {
    content[*rc::gen::inRange<std::size_t>(0, content.size())] ^=
        *rc::gen::inRange<std::uint8_t>(1, 255);
  } else {
    content.resize(*rc::gen::inRange<std::size_t>(0, content.size()));
  }
  RC_ASSERT(judge(content) != "ok");
}

// ---- vectors: written once by CALLWARD_WRITE_VECTORS=1, read ever after, here and by other
// readers ----

struct BadKind {
  std::string name;
  Bytes content;
};

std::vector<BadKind> bad_objects() {
  TwoStreams sample(7);
  const auto good = sample.build();
  const auto head_bytes = load_le<std::uint32_t>(good.data() + 8);
  std::vector<BadKind> out;
  const auto change = [&](std::string name, auto&& how) {
    auto content = good;
    how(content);
    out.push_back({std::move(name), std::move(content)});
  };
  const auto fix_head = [&](Bytes& c) {
    store_le(c.data() + head_bytes - 4, crc32c(ByteView(c).first(head_bytes - 4)));
  };
  const auto fix_footer = [&](Bytes& c) {
    const auto index_at = load_le<std::uint64_t>(c.data() + c.size() - kObjectFooterBytes + 8);
    store_le(c.data() + c.size() - 4,
             crc32c(ByteView(c).subspan(index_at, c.size() - 4 - index_at)));
  };
  change("magic", [](Bytes& c) { c[0] = 'X'; });
  change("version of a newer program", [&](Bytes& c) {
    c[4] = 2;
    fix_head(c);
  });
  change("unknown kind", [&](Bytes& c) {
    c[6] = 9;
    fix_head(c);
  });
  change("head: bit flip", [](Bytes& c) { c[30] ^= 1; });
  change("head: length beyond the file",
         [](Bytes& c) { store_le<std::uint32_t>(c.data() + 8, 1u << 22); });
  change("record: bit flip in the ciphertext", [&](Bytes& c) { c[head_bytes + 80] ^= 1; });
  change("record: bit flip in its header", [&](Bytes& c) { c[head_bytes + 8] ^= 1; });
  change("two records exchanged", [&](Bytes& c) {
    const auto size = sample.records[1].size();
    const auto a = c.begin() + static_cast<std::ptrdiff_t>(head_bytes + sample.records[0].size());
    std::swap_ranges(a, a + static_cast<std::ptrdiff_t>(size),
                     a + static_cast<std::ptrdiff_t>(size));
  });
  change("index: bit flip", [](Bytes& c) { c[c.size() - kObjectFooterBytes - 10] ^= 1; });
  change("index: an offset into another record, checksum right", [&](Bytes& c) {
    c[c.size() - kObjectFooterBytes - kObjectIndexEntryBytes] ^= 1;
    fix_footer(c);
  });
  change("footer: another root, checksum right", [&](Bytes& c) {
    c[c.size() - 20] ^= 1;
    fix_footer(c);
  });
  change("footer: another number of leaves, checksum right", [&](Bytes& c) {
    c[c.size() - kObjectFooterBytes + 24] ^= 1;
    fix_footer(c);
  });
  change("tail cut off", [](Bytes& c) { c.resize(c.size() - 1); });
  change("cut in the middle", [](Bytes& c) { c.resize(c.size() / 2); });
  change("bytes behind the end", [](Bytes& c) { c.push_back(0); });
  change("empty", [](Bytes& c) { c.clear(); });
  return out;
}

std::string vectors_path() {
  return std::string(CALLWARD_SOURCE_DIR) + "/tests/vectors/object.json";
}

std::string vectors_text() {
  TwoStreams sample(7);
  const auto good = sample.build();
  const auto reader = ObjectReader::open(std::make_shared<MemoryFile>(good));
  EXPECT_TRUE(reader);
  std::string out = "{\n  \"format\": \"callward object\",\n  \"version\": 1,\n  \"cases\": [\n";
  out += "    {\"name\": \"two streams of four segments\", \"outcome\": \"ok\", \"call\": \"" +
         sample.head.call.hex() + "\", \"root\": \"" + to_hex(reader->summary().root) +
         "\", \"leaves\": " + std::to_string(reader->summary().leaves) + ",\n     \"hex\": \"" +
         to_hex(good) + "\"}";
  for (const auto& bad : bad_objects())
    out += ",\n    {\"name\": \"" + bad.name + "\", \"outcome\": \"" + judge(bad.content) +
           "\",\n     \"hex\": \"" + to_hex(bad.content) + "\"}";
  return out + "\n  ]\n}\n";
}

TEST(ObjectVectors, AreReadAsTheySay) {
  RealVfs vfs;
  if (std::getenv("CALLWARD_WRITE_VECTORS") != nullptr) {
    std::filesystem::create_directories(parent_of(vectors_path()));
    ASSERT_TRUE(vfs.write_file_atomic(vectors_path(), as_bytes(vectors_text())));
  }
  const auto raw = vfs.read_file(vectors_path(), 16u << 20);
  ASSERT_TRUE(raw) << raw.error().message;
  const auto json = boost::json::parse(std::string(as_text(*raw)));
  int good = 0, bad = 0;
  for (const auto& item : json.at("cases").as_array()) {
    const auto content = from_hex(std::string(item.at("hex").as_string()));
    ASSERT_TRUE(content);
    const std::string outcome(item.at("outcome").as_string());
    EXPECT_EQ(judge(*content), outcome) << item.at("name");
    if (outcome != "ok") {
      ++bad;
      continue;
    }
    ++good;
    const auto reader = ObjectReader::open(std::make_shared<MemoryFile>(*content));
    ASSERT_TRUE(reader);
    EXPECT_EQ(to_hex(reader->summary().root), std::string(item.at("root").as_string()));
    EXPECT_EQ(reader->head().call.hex(), std::string(item.at("call").as_string()));
  }
  EXPECT_EQ(good, 1);
  EXPECT_GE(bad, 16);
}

// ---- the store's contract, and the way from spool to object -------------------------------------

struct Disk {
  explicit Disk(const std::string& name)
      : dir(test::fresh_dir("object-" + name)), store(vfs, dir + "/objects") {}
  std::unique_ptr<Spool> spool(const Spool::OnRecovered& on_frame = [](const FrameView&,
                                                                       const FrameRef&) {}) {
    SpoolOptions options;
    options.dir = dir + "/spool";
    options.file_bytes = 1u << 20;
    options.commit_ms = 1;
    auto opened = Spool::open(vfs, options, on_frame);
    EXPECT_TRUE(opened);
    return opened ? std::move(*opened) : nullptr;
  }
  std::string dir;
  RealVfs vfs;
  FileObjectStore store;
};

TEST(FileObjectStore, KeepsItsContract) {
  Disk disk("contract");
  TwoStreams sample(3);
  const auto name = object_name(sample.head.call, sample.head.started_at, ObjectKind::kRecording);
  EXPECT_EQ(name, "2026/11/24/" + sample.head.call.hex() + ".cwo");
  const RecordSource all = [&](const RecordSink& sink) -> Status {
    for (const auto& record : sample.records) TRY(sink(record));
    return {};
  };
  EXPECT_FALSE(disk.store.exists(name));
  EXPECT_EQ(disk.store.open(name).error().code, Errc::kNotFound);
  ASSERT_TRUE(write_object(disk.store, ObjectKind::kRecording, sample.head, all, false));
  EXPECT_TRUE(disk.store.exists(name));
  EXPECT_EQ(write_object(disk.store, ObjectKind::kRecording, sample.head, all, false).error().code,
            Errc::kExists);
  const auto permissions = std::filesystem::status(disk.dir + "/objects/" + name).permissions();
  EXPECT_EQ(permissions, std::filesystem::perms(0444));
  EXPECT_EQ(disk.store.list("2026/11/24")->size(), 1u);  // no draft is left
  auto reader = open_object(disk.store, name);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->verify());
  EXPECT_FALSE(disk.store.create("../outside"));
  EXPECT_FALSE(disk.store.create("/etc/x"));
  ASSERT_TRUE(disk.store.remove(name));
  EXPECT_FALSE(disk.store.exists(name));
}

TEST(DerivedObject, LaterRecordsReplaceEarlierOnesOfTheSameWindow) {
  Disk disk("derived");
  Sample sample(5);
  const auto words = [&](std::uint8_t stream, std::uint32_t first) {
    keys::RecordHeader header;
    header.kind = keys::RecordKind::kWords;
    header.stream = stream;
    header.first = first;
    header.last = first + 9;
    header.streams = 3;
    Bytes plain(1024);
    return *sample.cipher.seal_derived(
        sample.entropy, header, sample.head.call, plain,
        [&](std::uint8_t s, std::uint32_t i) { return sample.tree.leaf(keys::leaf_of(s, i)); });
  };
  const auto a = words(0, 0), b = words(0, 10), b_again = words(0, 10), c = words(1, 10);
  ASSERT_TRUE(extend_derived(disk.store, sample.head, {a, b}));
  ASSERT_TRUE(extend_derived(disk.store, sample.head, {b_again, c}));
  auto reader = open_object(
      disk.store, object_name(sample.head.call, sample.head.started_at, ObjectKind::kDerived));
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->verify());
  EXPECT_EQ(reader->kind(), ObjectKind::kDerived);
  EXPECT_EQ(reader->entries().size(), 3u);
  EXPECT_EQ(*reader->records(keys::RecordKind::kWords, 0, 5, 20, 9),
            (std::vector<Bytes>{a, b_again}));
}

struct Spooled {
  explicit Spooled(Spool& spool, const CallId& id) : spool(spool), call(id) {}
  void put(FrameType type, ByteView payload) {
    const auto ref = spool.append(type, call.id(), payload);
    ASSERT_TRUE(ref);
    call.appended(type, payload, *ref);
  }
  Spool& spool;
  SpoolCall call;
};

SpoolCallBegin begin_of(const Sample& sample) {
  SpoolCallBegin begin;
  begin.sequence = 42;
  begin.source = keys::CallSource::kSiprec;
  begin.direction = keys::Direction::kIncoming;
  begin.started_at = sample.head.started_at;
  begin.streams = {{0, Party::kCustomer, StreamMode::kActive},
                   {1, Party::kAgent, StreamMode::kActive}};
  return begin;
}

TEST(SpoolCall, LiveAndRecoveredItSealsTheSameObject) {
  Disk disk("same");
  TwoStreams sample(6);
  Digest live_root;
  {
    auto spool = disk.spool();
    Spooled live(*spool, sample.head.call);
    live.put(FrameType::kCallBegin, pack(begin_of(sample)));
    live.call.begin = begin_of(sample);
    live.call.streams = live.call.begin->streams;
    for (std::size_t i = 0; i < sample.records.size(); ++i) {
      live.put(i == 0 ? FrameType::kCallData : FrameType::kAudio, sample.records[i]);
      if (i == 5)
        live.put(FrameType::kAudio,
                 sample.record(keys::RecordKind::kAudio, 0, 1));  // an index written twice
    }
    const SpoolAccount gap{{{1, RecorderState::kLost, 20, 40, "network"}}};
    live.put(FrameType::kAccount, pack(gap));
    const SpoolCallEnded ended{sample.head.ended_at, "bye", {{0, 4}, {1, 4}}};
    live.put(FrameType::kCallEnded, pack(ended));
    live.call.ended = ended;
    for (std::uint8_t stream = 0; stream < 2; ++stream) {
      live.call.accounts[stream].assign(0, 400, AccountState::kSealed);
      live.call.end_index[stream] = 4;
    }
    live.call.accounts[1].assign(20, 40, AccountState::kLost, "network");
    const auto some = live.call.records(*spool, keys::RecordKind::kAudio, 0, 1, 3, 10);
    ASSERT_TRUE(some);
    EXPECT_EQ(*some, (std::vector<Bytes>{sample.records[3],
                                         sample.records[5]}));  // the first valid one wins
    const auto sealed = seal_call(*spool, live.call, disk.store);
    ASSERT_TRUE(sealed) << sealed.error().message;
    live_root = sealed->root;
    EXPECT_EQ(seal_call(*spool, live.call, disk.store)->root,
              live_root);  // once more: the same, and no harm
  }
  ASSERT_TRUE(disk.store.remove(
      object_name(sample.head.call, sample.head.started_at, ObjectKind::kRecording)));
  SpoolCall recovered(sample.head.call);
  auto spool = disk.spool(
      [&](const FrameView& frame, const FrameRef& ref) { recovered.recovered(frame, ref); });
  recovered.fill_holes();
  const auto sealed = seal_call(*spool, recovered, disk.store);
  ASSERT_TRUE(sealed) << sealed.error().message;
  EXPECT_EQ(sealed->root, live_root);
  EXPECT_EQ(sealed->leaves, 10u);
}

// Derived frames stand between the others; all are found, and an audio frame that is damaged
// meanwhile is not their business.
TEST(SpoolCall, FindsItsDerivedRecordsAndReadsOnlyThose) {
  Disk disk("only-derived");
  TwoStreams sample(9);
  const auto other = CallId::random(sample.entropy);
  const std::vector<Bytes> derived{Bytes(10, 1), Bytes(20, 2), Bytes(30, 3)};
  std::optional<FrameRef> audio;
  const auto check = [&](const Spool& spool, const SpoolCall& call) {
    const auto found = call.derived(spool);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, derived);
  };
  SpoolCall recovered(sample.head.call);
  {
    auto spool = disk.spool();
    Spooled live(*spool, sample.head.call);
    live.put(FrameType::kDerived, derived[0]);  // begins a run
    live.put(FrameType::kAudio, sample.records[1]);
    live.put(FrameType::kDerived, derived[1]);  // the same run once more
    ASSERT_TRUE(spool->append(FrameType::kAudio, other, sample.records[1]));
    live.put(FrameType::kAudio, sample.records[2]);
    audio = FrameRef{live.call.runs().back().file, live.call.runs().back().offset, 0};
    ASSERT_TRUE(spool->append(FrameType::kAudio, other, sample.records[2]));
    live.put(FrameType::kAudio, sample.records[3]);
    live.put(FrameType::kDerived, derived[2]);  // ends a run that began with audio
    ASSERT_EQ(live.call.runs().size(), 3u);
    check(*spool, live.call);
    live.call.forget_runs();
    EXPECT_TRUE(live.call.derived(*spool)->empty());
  }
  auto spool = disk.spool([&](const FrameView& frame, const FrameRef& ref) {
    if (frame.call == recovered.id()) recovered.recovered(frame, ref);
  });
  check(*spool, recovered);
  const auto names = *disk.vfs.list(disk.dir + "/spool");
  for (const auto& name : names) {
    auto file = disk.vfs.open(disk.dir + "/spool/" + name, OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->write_at(audio->offset + 100, Bytes(6, 0xD6)));
  }
  check(*spool, recovered);
}

TEST(SpoolCall, WhatIsDamagedInTheSpoolIsAccounted) {
  Disk disk("damage");
  TwoStreams sample(8);
  std::vector<FrameRef> refs;
  {
    auto spool = disk.spool();
    ASSERT_TRUE(spool->append(FrameType::kCallBegin, sample.head.call, pack(begin_of(sample))));
    for (std::size_t i = 1; i < sample.records.size(); ++i)
      refs.push_back(*spool->append(FrameType::kAudio, sample.head.call, sample.records[i]));
    ASSERT_TRUE(
        spool->append(FrameType::kCallEnded, sample.head.call, pack(SpoolCallEnded{1, "bye", {}})));
  }
  const auto names = *disk.vfs.list(disk.dir + "/spool");
  const auto hurt = [&](const FrameRef& ref) {
    for (const auto& name : names) {
      auto file = disk.vfs.open(disk.dir + "/spool/" + name, OpenMode::kReadWrite);
      Bytes raw(1);
      (void)(*file)->read_at(ref.offset + 100, raw);
      raw[0] ^= 1;
      (void)(*file)->write_at(ref.offset + 100, raw);
    }
  };
  hurt(refs[2]);  // stream 0, index 1: before recovery
  SpoolCall call(sample.head.call);
  auto spool =
      disk.spool([&](const FrameView& frame, const FrameRef& ref) { call.recovered(frame, ref); });
  call.fill_holes();
  EXPECT_EQ(call.accounts[0].intervals()[1],
            (AccountInterval{100, 200, AccountState::kLost, "damaged"}));
  hurt(refs[5]);  // stream 1, index 2: after it
  const auto sealed = seal_call(*spool, call, disk.store);
  ASSERT_TRUE(sealed) << sealed.error().message;
  EXPECT_EQ(sealed->leaves, 7u);
  auto reader = open_object(
      disk.store, object_name(sample.head.call, sample.head.started_at, ObjectKind::kRecording));
  ASSERT_TRUE(reader);
  const auto accounts = from_recorder_intervals(reader->head().account, 2);
  ASSERT_TRUE(accounts);
  EXPECT_EQ((*accounts)[1].intervals()[1],
            (AccountInterval{200, 300, AccountState::kLost, "damaged"}));
  EXPECT_EQ((*accounts)[0].total_ms(AccountState::kLost), 100u);
}

}  // namespace
}  // namespace callward::store
