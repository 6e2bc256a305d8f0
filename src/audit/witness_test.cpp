// The client of tlog-witness against a witness in memory that follows the protocol, and against
// some that do not. The real one stands in tests/interop.
#include "audit/witness.hpp"

#include <gtest/gtest.h>

#include <charconv>

namespace callward::audit {
namespace {

// A log in memory: roots and nodes of every size.
struct MemoryLog {
  explicit MemoryLog(std::string salt = "") : salt(std::move(salt)) {}
  void grow(std::uint64_t size) {
    while (range.size() < size)
      range.append(leaf_hash(as_bytes(salt + std::to_string(range.size()))),
                   [this](std::uint32_t level, std::uint64_t index, const Hash& hash) {
                     nodes[{level, index}] = hash;
                   });
  }
  NodeSource source() {
    return [this](std::uint32_t level, std::uint64_t index) -> Result<Hash> {
      return nodes.at({level, index});
    };
  }
  std::string salt;
  CompactRange range;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Hash> nodes;
};

class MemoryWitness {
 public:
  MemoryWitness(const Key32& seed, NamedKey log) : seed_(seed.clone()), log_(std::move(log)) {}
  WitnessClient::Answer post(const std::string& body) {
    ++asked;
    const auto request = parse_continuation(body);
    if (!request) return {400, ""};
    const auto checkpoint = open_checkpoint(request->note, log_);
    if (!checkpoint) return {403, ""};
    if (request->old_size > checkpoint->size) return {400, ""};
    if (request->old_size != size_) return {409, std::to_string(size_) + "\n"};
    if (size_ > 0 &&
        !check_consistency(size_, root_, checkpoint->size, checkpoint->root, request->proof))
      return {422, ""};
    size_ = checkpoint->size;
    root_ = checkpoint->root;
    return {200, *cosign(request->note, "witness.example/1", seed_, 1'700'000'000)};
  }
  int asked = 0;

 private:
  Key32 seed_;
  NamedKey log_;
  std::uint64_t size_ = 0;
  Hash root_{};
};

class Witnesses : public ::testing::Test {
 protected:
  std::string note_of(MemoryLog& log) {
    return *sign_checkpoint({key.name, log.range.size(), log.range.root()}, log_seed);
  }
  Result<Cosignature> ask(WitnessClient& client, MemoryLog& log) {
    return client.ask(note_of(log), {key.name, log.range.size(), log.range.root()}, log.source());
  }
  WitnessClient client(WitnessClient::Post post) {
    return {{witness.name, "http://127.0.0.1:1", witness}, std::move(post)};
  }
  WitnessClient::Post honest() {
    return
        [this](const std::string& url, const std::string& body) -> Result<WitnessClient::Answer> {
          EXPECT_EQ(url, "http://127.0.0.1:1/add-checkpoint");
          return server.post(body);
        };
  }

  SeededEntropy entropy{5};
  Key32 log_seed = entropy.key(), witness_seed = entropy.key();
  NamedKey key{"example.com/log", *crypto::ed25519_public(log_seed)};
  WitnessKey witness{"witness.example/1", *crypto::ed25519_public(witness_seed)};
  MemoryWitness server{witness_seed, key};
  MemoryLog log;
};

TEST_F(Witnesses, AGrowingLogIsSignedAtEachSize) {
  auto one = client(honest());
  for (const std::uint64_t size : {0, 1, 2, 255, 256, 257, 1'000, 1'000}) {
    log.grow(size);
    const auto signed_one = ask(one, log);
    ASSERT_TRUE(signed_one) << size << signed_one.error().message;
    const auto note = note_of(log) + signed_one->line;
    EXPECT_TRUE(open_checkpoint(note, key));
    EXPECT_EQ(find_cosignature(note, witness)->at_s, 1'700'000'000u);
    EXPECT_EQ(one.state(), WitnessState::kGood);
    EXPECT_EQ(one.signed_size(), size);
  }
  EXPECT_EQ(server.asked, 8);  // never a conflict: it remembers
}

TEST_F(Witnesses, AfterARestartTheConflictTellsTheSize) {
  auto first = client(honest());
  log.grow(300);
  ASSERT_TRUE(ask(first, log));
  log.grow(700);
  auto again = client(honest());  // knows nothing
  ASSERT_TRUE(ask(again, log));
  EXPECT_EQ(server.asked, 3);
  auto told = client(honest());
  told.set_known_size(700);
  ASSERT_TRUE(ask(told, log));
  EXPECT_EQ(server.asked, 4);
}

TEST_F(Witnesses, AForkIsAnAlarmThatStaysUntilItSignsAgain) {
  auto one = client(honest());
  log.grow(300);
  ASSERT_TRUE(ask(one, log));
  MemoryLog other("other");
  for (const std::uint64_t size : {300, 500}) {  // another root of the same size, and a longer one
    other.grow(size);
    EXPECT_FALSE(ask(one, other));
    EXPECT_EQ(one.state(), WitnessState::kFork);
  }
  bool away = true;
  auto flaky =
      client([&](const std::string& url, const std::string& body) -> Result<WitnessClient::Answer> {
        if (away) return fail(Errc::kTimeout, "no answer");
        return honest()(url, body);
      });
  away = false;
  EXPECT_FALSE(ask(flaky, other));
  EXPECT_EQ(flaky.state(), WitnessState::kFork);
  away = true;
  EXPECT_FALSE(ask(flaky, other));
  EXPECT_EQ(flaky.state(), WitnessState::kFork);  // silence does not clear it
  away = false;
  log.grow(600);
  EXPECT_TRUE(ask(flaky, log));
  EXPECT_EQ(flaky.state(), WitnessState::kGood);
  EXPECT_TRUE(flaky.why().empty());
}

TEST_F(Witnesses, ARollBackIsAnAlarm) {
  auto one = client(honest());
  log.grow(300);
  ASSERT_TRUE(ask(one, log));
  MemoryLog shorter;
  shorter.grow(299);
  EXPECT_EQ(ask(one, shorter).error().code, Errc::kCorrupt);
  EXPECT_EQ(one.state(), WitnessState::kRollback);
  EXPECT_NE(one.why().find("300"), std::string::npos);
}

TEST_F(Witnesses, OneThatIsAwayOrConfusedCostsItsCosignatureOnly) {
  log.grow(10);
  struct Case {
    WitnessClient::Answer answer;
    WitnessState state;
  };
  const auto good = *cosign(note_of(log), witness.name, witness_seed, 5);
  const auto by_another = *cosign(note_of(log), witness.name, entropy.key(), 5);
  auto flipped = good;
  flipped[flipped.size() - 20] = flipped[flipped.size() - 20] == 'A' ? 'B' : 'A';
  MemoryLog elsewhere("x");
  elsewhere.grow(10);
  const auto of_another = *cosign(note_of(elsewhere), witness.name, witness_seed, 5);
  for (const auto& [answer, state] : std::vector<Case>{
           {{200, good}, WitnessState::kGood},
           {{200, by_another + good}, WitnessState::kGood},  // others' lines are let be
           {{200, by_another}, WitnessState::kLies},
           {{200, flipped}, WitnessState::kLies},
           {{200, of_another}, WitnessState::kLies},
           {{200, *cosign(note_of(log), witness.name, witness_seed, 0)}, WitnessState::kLies},
           {{200, ""}, WitnessState::kLies},
           {{200, "ok\n"}, WitnessState::kLies},
           {{200, std::string(100'000, 'x')}, WitnessState::kLies},
           {{409, "three\n"}, WitnessState::kAway},
           {{409, "007\n"}, WitnessState::kAway},
           {{409, "5\n"}, WitnessState::kAway},  // and again, and again
           {{409, "11\n"}, WitnessState::kRollback},
           {{422, ""}, WitnessState::kFork},
           {{403, ""}, WitnessState::kUnknownLog},
           {{404, ""}, WitnessState::kUnknownLog},
           {{400, ""}, WitnessState::kAway},
           {{500, ""}, WitnessState::kAway},
           {{302, ""}, WitnessState::kAway}}) {
    int exchanges = 0;
    auto one = client([&](const auto&, const auto&) -> Result<WitnessClient::Answer> {
      ++exchanges;
      return answer;
    });
    const auto signed_one = ask(one, log);
    EXPECT_EQ(one.state(), state) << answer.status << " " << answer.body.substr(0, 40);
    EXPECT_EQ(signed_one.has_value(), state == WitnessState::kGood);
    if (signed_one) {
      EXPECT_EQ(signed_one->line, good);
    }
    EXPECT_LE(exchanges, 2);
    EXPECT_EQ(is_alarm(state), state == WitnessState::kLies || state == WitnessState::kFork ||
                                   state == WitnessState::kRollback);
  }
}

// One that signs another text, and answers so that the two together look like a note.
TEST_F(Witnesses, OneThatMovesTheNotesEndLies) {
  log.grow(10);
  const auto note = note_of(log);
  const auto text = note.substr(0, note.rfind("\n\n") + 1);
  for (const std::string put : {"\njunk\n", "\n"}) {
    const auto line =
        *cosign(text + put + "\n\xE2\x80\x94 x AA==\n", witness.name, witness_seed, 5);
    const auto body = put.substr(1) + "\n" + line;
    auto one = client([&](const auto&, const auto&) -> Result<WitnessClient::Answer> {
      return WitnessClient::Answer{200, body};
    });
    EXPECT_FALSE(ask(one, log)) << put;
    EXPECT_EQ(one.state(), WitnessState::kLies);
  }
  // A good line does not excuse what stands before it.
  auto late = client([&](const auto&, const auto&) -> Result<WitnessClient::Answer> {
    return WitnessClient::Answer{200, "junk\n\n" + *cosign(note, witness.name, witness_seed, 5)};
  });
  EXPECT_FALSE(ask(late, log));
  EXPECT_EQ(late.state(), WitnessState::kLies);
}

TEST_F(Witnesses, KeysOfLogsAndOfWitnessesAreNotTakenForEachOther) {
  const auto text = witness_verifier_key(witness);
  EXPECT_EQ(parse_witness_key(text + "\n")->key, witness.key);
  EXPECT_FALSE(parse_verifier_key(text));
  EXPECT_FALSE(parse_witness_key(verifier_key(key.name, key.key)));
  for (const char* bad : {"", "a", "a+b", "a+b+c", "two words+00000000+AAAA"})
    EXPECT_FALSE(parse_witness_key(bad)) << bad;
  // The example of tlog-cosignature: its key is not given, but its form is that of ours.
  const std::string note =
      "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
      "\xE2\x80\x94 example.com/behind-the-sofa "
      "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
      "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
  EXPECT_EQ(find_cosignature(note, witness).error().code, Errc::kNotFound);
}

TEST_F(Witnesses, AQuorumCountsEachWitnessOnce) {
  log.grow(3);
  const auto note = note_of(log);
  const auto line = *cosign(note, witness.name, witness_seed, 7);
  const auto second_seed = entropy.key();
  const WitnessKey second{"witness.example/2", *crypto::ed25519_public(second_seed)};
  EXPECT_TRUE(check_cosignatures(note + line, {{witness, second}, 1}));
  EXPECT_FALSE(check_cosignatures(note + line + line, {{witness, second}, 2}));
  // One key is one witness, however often and by whatever names it is listed.
  EXPECT_FALSE(check_cosignatures(note + line, {{witness, witness}, 2}));
  const WitnessKey renamed{"witness.example/x", witness.key};
  const auto as_renamed = *cosign(note, renamed.name, witness_seed, 7);
  EXPECT_FALSE(check_cosignatures(note + line + as_renamed, {{witness, renamed}, 2}));
  EXPECT_EQ(check_cosignatures(note + line + *cosign(note, second.name, second_seed, 7),
                               {{witness, second}, 2})
                ->size(),
            2u);
}

TEST(Continuation, IsWhatTheProtocolSays) {
  const Continuation one{3, {leaf_hash(as_bytes("a"))}, "o\n4\nAA==\n\n\xE2\x80\x94 o AA==\n"};
  const auto text = encode_continuation(one);
  EXPECT_TRUE(text.starts_with("old 3\n"));
  const auto again = *parse_continuation(text);
  EXPECT_EQ(again.old_size, 3u);
  EXPECT_EQ(again.proof, one.proof);
  EXPECT_EQ(again.note, one.note);
  EXPECT_TRUE(parse_continuation("old 0\n\nx\n"));
  for (const char* bad :
       {"", "old", "old \n\nx\n", "old 01\n\nx\n", "old -1\n\nx\n", "new 1\n\nx\n",
        "old 1\nAAAA\n\nx\n", "old 1\n=\n\nx\n", "old 99999999999999999999\n\nx\n"})
    EXPECT_FALSE(parse_continuation(bad)) << bad;
  std::string long_one = "old 1\n";
  for (std::size_t i = 0; i <= kContinuationProofMax; ++i)
    long_one += to_base64(leaf_hash(as_bytes("a"))) + "\n";
  EXPECT_FALSE(parse_continuation(long_one + "\nx\n"));
}

}  // namespace
}  // namespace callward::audit
