// A proof of erasure: what holds, and each way to lie.
#include <unistd.h>

#include <filesystem>

#include "erase/keeper_rig_test.hpp"
#include "erase/proof.hpp"
#include "erase/proof_rig_test.hpp"

namespace callward::erase {
namespace {

class Proofs : public ::testing::Test, public KeeperRig {
 public:
  Proofs() : KeeperRig(disk(), folder()) {
    std::filesystem::remove_all(dir);
    EXPECT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    EXPECT_TRUE(vfs.make_dirs(dir + "/log"));
    boot();
    key = {"test/log", *crypto::ed25519_public(seed)};
  }
  ~Proofs() override { std::filesystem::remove_all(dir); }

  static Vfs& disk() {
    static RealVfs real;
    return real;
  }
  static std::string folder() {
    return std::filesystem::temp_directory_path() / ("cw-proof-" + std::to_string(::getpid()));
  }

  CallId heard_call(std::uint32_t segments = 100) {
    const auto call = begin();
    record(call, segments);
    Answer<keys::Ack> ended;
    keeper->call_end({call, clock.utc_ms(), "bye", {{0, segments}, {1, segments}}}, ended.reply());
    hear(call, segments);
    keeper->listen_done({call});
    keeper->end_round();
    return call;
  }
  // As the server does it: every entry about the call, and those that end its orders.
  ErasureProof prove(const CallId& call) {
    Answer<keys::Proved> answer;
    keeper->prove({call, "auditor"}, answer.reply());
    keeper->end_round();
    EXPECT_TRUE(answer.value);
    EXPECT_TRUE(log->publish());
    ErasureProof proof{.statement = answer.value->statement,
                       .entries = {},
                       .checkpoint = {},
                       .verifier_key = audit::verifier_key(key.name, key.key)};
    proof.checkpoint = std::string(as_text(*vfs.read_file(dir + "/log/checkpoint", 10'000)));
    const auto size = log->published_size();
    const auto nodes = audit::tile_nodes(vfs, dir + "/log", size);
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      if (index <= answer.value->index && (entry.subject == call.hex() || entry.type == "erased"))
        proof.entries.push_back(
            {index, *audit::encode_entry(entry), *audit::inclusion_proof(index, size, nodes)});
      return {};
    }));
    return proof;
  }
  ProofReport checked(const ErasureProof& proof) {
    const auto again = decode_proof(encode_proof(proof));
    EXPECT_TRUE(again) << again.error().message;
    auto report = check_proof(*again, key);
    EXPECT_TRUE(report) << report.error().message;
    return std::move(*report);
  }
  // The statement changed by hand, and the log made to agree: what a lying keeper would do.
  ErasureProof lie(const CallId& call, const std::function<void(KeyStatement&)>& change) {
    auto proof = prove(call);
    auto statement = *decode_statement(proof.statement);
    change(statement);
    const auto text = encode_statement(statement);
    EXPECT_TRUE(log->stage({"key_statement",
                            "auditor",
                            call.hex(),
                            clock.utc_ms(),
                            {{"hash", to_hex(crypto::sha256(as_bytes(text)))}}}));
    EXPECT_TRUE(log->commit());
    auto again = prove(call);
    std::erase_if(again.entries, [&](const auto& entry) {
      return entry.text.find("key_statement") != std::string::npos &&
             entry.text.find(to_hex(crypto::sha256(as_bytes(text)))) == std::string::npos;
    });
    again.statement = text;
    return again;
  }
  static bool says(const ProofReport& report, std::string_view words) {
    return std::any_of(report.findings.begin(), report.findings.end(),
                       [&](const auto& line) { return line.find(words) != std::string::npos; });
  }

  audit::NamedKey key;
};

TEST_F(Proofs, OfACallWithErasedRangesHolds) {
  const auto call = heard_call();
  order(call, {{0, 10, 20}, {1, 40, 41}}, false);
  order(call, {{0, 60, 64}}, false);
  const auto report = checked(prove(call));
  EXPECT_TRUE(report.holds()) << report.findings.front();
  ASSERT_EQ(report.erased.size(), 3u);
  EXPECT_EQ(report.erased[0].range, (SegmentRange{0, 10, 20}));
  EXPECT_EQ(report.erased[0].reason, "password");
  EXPECT_TRUE(report.erased[0].confirmed);
  EXPECT_NE(report.erased[0].erased_at, 0);
  EXPECT_EQ(report.kept, (std::vector<SegmentRange>{
                             {0, 0, 10}, {0, 20, 60}, {0, 64, 100}, {1, 0, 40}, {1, 41, 100}}));
  EXPECT_TRUE(report.call_data_open);
}

TEST_F(Proofs, OfACallThatTwoPersonsErasedWholeHolds) {
  const auto call = heard_call();
  const auto other = heard_call();
  const auto order = OrderId::random(entropy);
  Answer<keys::OrderAccepted> accepted;
  keeper->erase_call({order, call, "customer_request", "operator"}, accepted.reply());
  keeper->end_round();
  ASSERT_TRUE(accepted.value) << accepted.value.error().message;
  EXPECT_FALSE(checked(prove(call)).kept.empty()) << "one person alone has only closed it";
  Answer<keys::HeldDecided> decided;
  keeper->decide_held({call, order, keys::HeldDecision::kErase, PersonId::random(entropy).hex(),
                       std::string(64, 'a')},
                      decided.reply());
  keeper->end_round();
  ASSERT_TRUE(decided.value) << decided.value.error().message;
  const auto report = checked(prove(call));
  EXPECT_TRUE(report.holds()) << report.findings.front();
  EXPECT_FALSE(report.statement.row);
  EXPECT_TRUE(report.kept.empty());
  EXPECT_FALSE(report.call_data_open);
  EXPECT_EQ(report.erased.size(), 2u);
  // A row that went without an order is found.
  auto lost = lie(other, [](KeyStatement& statement) {
    statement.row = false;
    statement.streams.clear();
    statement.nodes.clear();
  });
  EXPECT_TRUE(says(checked(lost), "no entry says why: stream 0, 0 to 10000 ms"));
}

TEST_F(Proofs, OfARunningCallAndOfOneAfterARestartHolds) {
  const auto call = begin();
  record(call, 100);
  hear(call, 50);
  order(call, {{0, 10, 20}});
  const auto running = checked(prove(call));
  EXPECT_TRUE(running.holds()) << running.findings.front();
  EXPECT_TRUE(running.statement.live);
  const auto old = heard_call();
  order(old, {{1, 0, 3}}, false);
  boot();
  const auto report = checked(prove(old));
  EXPECT_TRUE(report.holds()) << report.findings.front();
}

TEST_F(Proofs, WhatDiedWithTheKeeperIsLostAndNotErased) {
  const auto call = begin();
  record(call, 100);
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "bye", {{0, 100}, {1, 100}}}, ended.reply());
  keeper->end_round();
  boot();
  const auto report = checked(prove(call));
  EXPECT_TRUE(report.holds()) << report.findings.front();
  EXPECT_EQ(report.lost, (std::vector<SegmentRange>{{0, 0, 100}, {1, 0, 100}}));
  EXPECT_TRUE(report.kept.empty());
}

TEST_F(Proofs, AKeyThatIsStillThereIsFound) {
  const auto call = heard_call();
  order(call, {{0, 10, 20}}, false);
  const auto report = checked(lie(call, [](KeyStatement& statement) {
    statement.nodes.push_back({24, 12});
    std::sort(statement.nodes.begin(), statement.nodes.end(), [](auto& a, auto& b) {
      return (std::uint64_t{a.index} << (24 - a.level)) <
             (std::uint64_t{b.index} << (24 - b.level));
    });
  }));
  EXPECT_TRUE(says(report, "a key is there: stream 0, 1200 to 1300 ms"));
}

TEST_F(Proofs, AKeyThatWentWithoutAnOrderIsFound) {
  const auto call = heard_call();
  order(call, {{0, 10, 20}}, false);
  const auto report = checked(
      lie(call, [](KeyStatement& statement) { statement.nodes.erase(statement.nodes.begin()); }));
  EXPECT_TRUE(says(report, "no entry says why: stream 0, 0 to "));
}

TEST_F(Proofs, EveryChangeByHandIsFound) {
  const auto call = heard_call();
  order(call, {{0, 10, 20}}, false);
  const auto good = prove(call);
  ASSERT_TRUE(checked(good).holds());
  for (std::size_t i = 0; i < good.entries.size(); ++i) {
    auto bad = good;
    const auto at = bad.entries[i].text.find("\"at\":") + 5;
    bad.entries[i].text[at] = bad.entries[i].text[at] == '1' ? '2' : '1';
    EXPECT_TRUE(says(checked(bad), "is not in the log")) << i;
    bad = good;
    bad.entries[i].path[0][5] ^= 1;
    EXPECT_TRUE(says(checked(bad), "is not in the log")) << i;
  }
  auto bad = good;
  bad.statement.replace(bad.statement.find("\"epoch\":") + 8, 1, "9");
  EXPECT_TRUE(says(checked(bad), "not the one that the log names"));
  bad = good;
  bad.checkpoint[bad.checkpoint.find('\n') + 1] ^= 1;
  EXPECT_TRUE(says(checked(bad), "checkpoint"));
  // An entry left out: the gap in the nodes shows it.
  bad = good;
  std::erase_if(bad.entries, [](const auto& entry) {
    return entry.text.find("erase_intended") != std::string::npos;
  });
  EXPECT_TRUE(says(checked(bad), "no entry says why"));
  // Another log's key.
  const audit::NamedKey other{"test/log", *crypto::ed25519_public(reader)};
  EXPECT_FALSE(check_proof(good, other)->holds());
}

TEST_F(Proofs, FormsThatAreNotOursAreRefused) {
  const auto good = encode_proof(prove(heard_call()));
  EXPECT_FALSE(decode_proof(good.substr(0, good.size() / 2)));
  EXPECT_FALSE(decode_proof("[]"));
  auto newer = good;
  newer.replace(newer.find("proof\":1") + 7, 1, "2");
  ASSERT_FALSE(decode_proof(newer));
  EXPECT_EQ(decode_proof(newer).error().code, Errc::kUnsupported);
  KeyStatement statement;
  statement.nodes = {{24, 5}, {24, 5}};
  EXPECT_FALSE(decode_statement(encode_statement(statement)));
  statement.nodes = {{3, 9}};
  EXPECT_FALSE(decode_statement(encode_statement(statement)));
}

const std::vector<SegmentRange> kHole{{0, 10, 20}};

struct ForgedProofs : ::testing::Test, Forger {
  ForgedProofs() {
    started();
    ended();
  }
  void holds(const ProofReport& report) { EXPECT_TRUE(report.holds()) << report.findings.front(); }
  void broken(const ProofReport& report, std::string_view words) {
    EXPECT_TRUE(
        std::any_of(report.findings.begin(), report.findings.end(),
                    [&](const auto& line) { return line.find(words) != std::string::npos; }))
        << words << (report.findings.empty() ? ": nothing found" : ": " + report.findings.front());
  }
};

TEST_F(ForgedProofs, AnHonestOneHolds) {
  intended(kForgedOrder, kHole);
  erased(kForgedOrder);
  stated(statement(kHole));
  const auto report = check(statement(kHole));
  holds(report);
  EXPECT_EQ(report.opens, report.kept);
}
TEST_F(ForgedProofs, EntriesLeftOutShowByTheKeepersOwnWords) {
  intended(kForgedOrder, kHole);
  erased(kForgedOrder);
  auto said = statement(kHole);
  open(said, 0, 10, 20);
  sort(said.nodes);
  stated(said);
  broken(check(said), "erased, and a key is there");
  broken(check(said, {2, 3}), "no entry is here that ordered it");
  broken(check(said, {3}), "calls it erased, and no entry here does");
}
TEST_F(ForgedProofs, WhatTheLogOrderedTheKeeperMustKnow) {
  intended(kForgedOrder, kHole);
  erased(kForgedOrder);
  stated(statement());
  broken(check(statement()), "and the keeper does not know");
}
TEST_F(ForgedProofs, NothingAfterTheStatementExplainsAnything) {
  auto said = statement(kHole);
  said.erased.clear();
  stated(said);
  intended(kForgedOrder, kHole);
  erased(kForgedOrder);
  const auto report = check(said);
  broken(report, "later than the statement");
  broken(report, "no entry says why");
  EXPECT_TRUE(report.erased.empty());
}
TEST_F(ForgedProofs, AnOldStatementIsNotTodays) {
  stated(statement());
  intended(kForgedOrder, kHole);
  broken(check(statement()), "later than the statement");
}
TEST_F(ForgedProofs, AnIntentionAfterItsErasureIsNotErased) {
  intended(kForgedOrder, {{1, 0, 1}});
  erased(kForgedOrder);
  intended(kForgedOrder, kHole);
  auto said = statement({{0, 10, 20}, {1, 0, 1}});
  stated(said);
  const auto report = check(said);
  broken(report, "calls it erased, and no entry here does");
  for (const auto& line : report.erased)
    if (line.range == kHole[0]) EXPECT_EQ(line.erased_at, 0);
}
TEST_F(ForgedProofs, ADecidedHoldExplainsNothing) {
  auto said = statement({{0, 0, 100}});
  said.erased.clear();
  held(kForgedOrder, {{0, 0, 100}});
  decided(kForgedOrder, {{0, 0, 100}});
  stated(said);
  broken(check(said), "no entry says why");
}
TEST_F(ForgedProofs, ARowThatIsGoneMustHaveBeenOrdered) {
  auto said = statement();
  said.row = false;
  said.streams.clear();
  said.nodes.clear();
  stated(said);
  broken(check(said), "no entry says why");
}
TEST_F(ForgedProofs, AStreamCannotBeHidden) {
  auto said = statement();
  said.streams.pop_back();
  stated(said);
  broken(check(said), "leaves out stream 1");
}
TEST_F(ForgedProofs, EpochsAndMirrorsMustFit) {
  intended(kForgedOrder, kHole);
  erased(kForgedOrder, 6);
  auto said = statement(kHole);
  said.mirrors.push_back({"good", true, 1, "file"});
  stated(said);
  const auto report = check(said);
  broken(report, "the key store went back");
  broken(report, "of another epoch");
  said.mirrors.clear();
  stated(said);
  broken(check(said, {4}), "names no mirror");
}
TEST_F(ForgedProofs, TheCallsOwnDataMustBeThere) {
  auto said = statement();
  said.nodes.pop_back();
  stated(said);
  broken(check(said), "the call's own data");
}
TEST_F(ForgedProofs, RangesOfNoStreamAndBeyondTheEndAreNotShownAsErased) {
  intended(kForgedOrder, {{7, 0, 50}, {0, 500, 900}});
  erased(kForgedOrder);
  stated(statement());
  EXPECT_TRUE(check(statement()).erased.empty());
}
TEST_F(ForgedProofs, TwoEndsThatDifferAreFound) {
  ended(90);
  stated(statement());
  broken(check(statement()), "two entries call_ended that differ");
}
TEST_F(ForgedProofs, AHundredThousandLeavesAreCheckedAtOnce) {
  auto said = statement();
  said.nodes.clear();
  for (std::uint32_t i = 0; i < 150'000; ++i) said.nodes.push_back({24, 2 * i});
  stated(said);
  EXPECT_FALSE(check(said).holds());
}

}  // namespace
}  // namespace callward::erase
