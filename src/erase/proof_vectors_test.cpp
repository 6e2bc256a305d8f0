// tests/vectors/proof.json: proofs of erasure that hold and each kind of bad, for any reader.
// CALLWARD_WRITE_VECTORS=1 writes it anew from a seeded source.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <set>

#include "base/vfs.hpp"
#include "erase/proof_judge_test.hpp"

namespace callward::erase {
namespace {

using keys::SegmentRange;

const std::vector<SegmentRange> kHole{{0, 10, 20}};

std::string vectors_path() {
  return std::string(CALLWARD_SOURCE_DIR) + "/tests/vectors/proof.json";
}

struct Case {
  std::string name, proof;
};
// A log of its own for each case.
struct Story : Forger {
  explicit Story(std::vector<Case>& all) : all_(all) {}
  void tell(const char* name, const KeyStatement& said,
            const std::vector<std::uint64_t>& left_out = {}) {
    all_.push_back({name, encode_proof(proof(said, left_out))});
  }

 private:
  std::vector<Case>& all_;
};

void erased_once(Story& story) {
  story.started();
  story.ended();
  story.intended(kForgedOrder, kHole);
  story.erased(kForgedOrder);
}

void good_ones(std::vector<Case>& all) {
  {
    Story story(all);
    erased_once(story);
    story.stated(story.statement(kHole));
    story.tell("an ended call with an erased range", story.statement(kHole));
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.stated(story.statement());
    story.tell("an ended call of which nothing was erased", story.statement());
  }
  {
    Story story(all);
    story.started();
    story.intended(kForgedOrder, kHole);
    story.erased(kForgedOrder);
    auto said = story.statement(kHole, keys::kIndexMax + 1);
    said.live = true;
    said.streams = {{0, 0, 50}, {1, 0, 60}};
    story.stated(said);
    story.tell("a running call", said);
  }
  {
    Story story(all);
    story.started();
    story.lost({{0, 0, 30}, {1, 0, 30}});
    story.ended();
    auto said = story.statement({{0, 0, 30}, {1, 0, 30}});
    said.erased.clear();
    story.stated(said);
    story.tell("keys that died with a keeper are lost and not erased", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.held(kForgedOrder, {{0, 40, 90}});
    auto said = story.statement();
    said.held = {{0, 40, 90}};
    story.stated(said);
    story.tell("a range that waits for a person", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.held(kForgedOrder, {{0, 40, 90}});
    auto said = story.statement({{0, 60, 90}});
    said.erased.clear();
    said.held = {{0, 40, 90}};
    story.stated(said);
    story.tell("a range that waits for a person and is half gone from memory", said);
  }
}

void good_mirrors(std::vector<Case>& all) {
  {
    Story story(all);
    story.started();
    story.ended();
    story.intended(kForgedOrder, kHole);
    story.unconfirmed(kForgedOrder);
    auto said = story.statement(kHole);
    said.ordered = std::move(said.erased);
    said.erased.clear();
    said.mirrors.push_back({"left_out", false, 4, "file"});
    story.stated(said);
    story.tell("a mirror that has not confirmed", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.intended(kForgedOrder, kHole);
    story.unconfirmed(kForgedOrder);
    story.erased(kForgedOrder, 6);
    auto said = story.statement(kHole);
    said.epoch = said.mirrors[0].epoch = 6;
    said.mirrors.push_back({"retired", false, 4, "file"});
    story.stated(said);
    story.tell("confirmed later, and a mirror is retired", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.intended(kForgedOrder, kHole);
    auto said = story.statement();
    said.ordered = kHole;
    story.stated(said);
    story.tell("ordered, and not gone yet", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.intended(kForgedOrder, {{0, 0, 100}, {1, 0, 100}});
    story.erased(kForgedOrder);
    auto said = story.statement();
    said.row = false;
    said.streams.clear();
    said.nodes.clear();
    story.stated(said);
    story.tell("the key store has nothing of the call any more", said);
  }
}

// A mirror that the owner gave up counts as unconfirmed until it is back.
void retired_mirrors(std::vector<Case>& all) {
  const auto tell = [&](const char* name, bool back, bool before) {
    Story story(all);
    story.started();
    story.ended();
    story.retired();
    if (back && before) story.returned();
    story.intended(kForgedOrder, kHole);
    story.erased_but_for_retired(kForgedOrder);
    if (back && !before) story.returned();
    auto said = story.statement(kHole);
    if (!back || before) said.mirrors.push_back({"retired", false, 4, "file"});
    story.stated(said);
    story.tell(name, said);
  };
  tell("a retired mirror may hold the key still", false, false);
  tell("a retired mirror came back, and was destroyed", true, false);
  tell("a retired mirror came back before the erasure, and went again", true, true);
}

void whole_calls(std::vector<Case>& all) {
  const std::vector<SegmentRange> everything{{0, 0, 100}, {1, 0, 100}};
  const auto tell = [&](const char* name, const char* decision, bool row) {
    Story story(all);
    story.started();
    story.ended();
    story.held_whole(kForgedOrder, everything);
    story.decided(kForgedOrder, everything, decision, true);
    story.intended(kForgedOrder, everything);
    story.unconfirmed(kForgedOrder);
    auto said = story.statement(everything);
    said.ordered = std::move(said.erased);
    said.erased.clear();
    said.nodes.clear();
    said.mirrors.push_back({"left_out", false, 4, "file"});
    said.row = row;
    if (!row) said.ordered.clear();
    if (!row) said.streams.clear();
    story.stated(said);
    story.tell(name, said);
  };
  tell("two persons had all of it erased, and its row stands yet", "erase", true);
  tell("two persons had all of it erased", "erase", false);
  tell("the call's own data is gone, and who decided wanted it kept", "keep", true);
}

// One entry takes many calls, by their rows; this call's is 0.
void retention_over(std::vector<Case>& all) {
  {
    Story story(all);
    story.started();
    story.ended();
    story.intended(kForgedOrder, kHole);
    story.erased(kForgedOrder);
    story.over("22222222222222222222222222222222", 0, 3);
    story.erased("22222222222222222222222222222222");
    auto said = story.statement();
    said.row = false;
    said.streams.clear();
    said.nodes.clear();
    story.stated(said);
    story.tell("a call whose retention is over", said);
    story.tell("the entry that took it is left out", said, {4});
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.over(kForgedOrder, 0, 1);
    story.erased(kForgedOrder);
    auto said = story.statement();
    said.nodes.clear();
    said.erased = {{0, 0, 100}, {1, 0, 100}};
    story.stated(said);
    story.tell("its keys went with its retention, and its row is still there", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.over(kForgedOrder, 1, 3);
    story.erased(kForgedOrder);
    auto said = story.statement();
    said.row = false;
    said.streams.clear();
    said.nodes.clear();
    story.stated(said);
    story.tell("retention of other rows explains nothing", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.over(kForgedOrder, 0, 1);
    auto said = story.statement();
    story.stated(said);
    story.tell("retention that the keeper does not know", said);
  }
}

void left_out(std::vector<Case>& all) {
  Story story(all);
  erased_once(story);
  story.stated(story.statement(kHole));
  story.tell("the order's entries are left out", story.statement(kHole), {2, 3});
  story.tell("the entry that ends the order is left out", story.statement(kHole), {3});
  story.tell("the statement's entry is left out", story.statement(kHole), {4});
  story.tell("the call's beginning is left out", story.statement(kHole), {0});
  story.tell("the call's end is left out", story.statement(kHole), {1});
  auto other = story.statement(kHole);
  other.at += 1;
  story.tell("a statement that the log does not name", other);
}

void lying_keepers(std::vector<Case>& all) {
  {
    Story story(all);
    erased_once(story);
    auto said = story.statement(kHole);
    Forger::open(said, 0, 10, 20);
    Forger::sort(said.nodes);
    story.stated(said);
    story.tell("a key of an erased segment is there", said);
    story.tell("a key is there, and the order is left out", said, {2, 3});
  }
  {
    Story story(all);
    erased_once(story);
    auto said = story.statement(kHole);
    said.nodes.erase(said.nodes.begin());
    story.stated(said);
    story.tell("a key went without an order", said);
  }
  {
    Story story(all);
    erased_once(story);
    story.stated(story.statement());
    story.tell("the keeper does not know what the log ordered", story.statement());
  }
  {
    Story story(all);
    story.started();
    story.ended();
    auto said = story.statement();
    said.row = false;
    said.streams.clear();
    said.nodes.clear();
    story.stated(said);
    story.tell("a row that is gone and was not ordered", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    auto said = story.statement();
    said.nodes.pop_back();
    story.stated(said);
    story.tell("the call's own data does not open", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    auto said = story.statement({}, 101);
    story.stated(said);
    story.tell("a key beyond the call's end", said);
  }
}

void contradictions(std::vector<Case>& all) {
  {
    Story story(all);
    story.started();
    story.ended();
    auto said = story.statement();
    said.streams.pop_back();
    story.stated(said);
    story.tell("a stream is left out", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    auto said = story.statement();
    said.streams[1].end = 99;
    story.stated(said);
    story.tell("a stream ends elsewhere", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    auto said = story.statement({}, keys::kIndexMax + 1);
    said.live = true;
    story.stated(said);
    story.tell("a call that ended and is said to run", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.ended(90);
    story.stated(story.statement());
    story.tell("two ends that differ", story.statement());
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.intended(kForgedOrder, {{3, 20, 10}});
    story.stated(story.statement());
    story.tell("a range that is none", story.statement());
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.entry("call_sealed", CallId{}.hex(),
                {{"root", std::string(64, '0')}, {"leaves", 1}, {"bytes", 1}});
    story.stated(story.statement());
    story.tell("an entry about another call", story.statement());
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.texts.push_back(R"({"v":1,"type":"call_sealed"})");
    story.stated(story.statement());
    story.tell("an entry of a form that is none", story.statement());
  }
}

void times(std::vector<Case>& all) {
  {
    Story story(all);
    story.started();
    story.ended();
    auto said = story.statement(kHole);
    said.erased.clear();
    story.stated(said);
    story.intended(kForgedOrder, kHole);
    story.erased(kForgedOrder);
    story.tell("an order after the statement explains nothing", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.stated(story.statement());
    story.intended(kForgedOrder, kHole);
    story.tell("an order behind an old statement", story.statement());
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.intended(kForgedOrder, {{1, 0, 1}});
    story.erased(kForgedOrder);
    story.intended(kForgedOrder, kHole);
    const auto said = story.statement({{0, 10, 20}, {1, 0, 1}});
    story.stated(said);
    story.tell("intended again behind its erasure is not erased", said);
  }
  {
    Story story(all);
    story.started();
    story.ended();
    story.held(kForgedOrder, {{0, 0, 100}});
    story.decided(kForgedOrder, {{0, 0, 100}});
    auto said = story.statement({{0, 0, 100}});
    said.erased.clear();
    story.stated(said);
    story.tell("a hold that was decided explains nothing", said);
  }
}

void epochs(std::vector<Case>& all) {
  {
    Story story(all);
    story.started();
    story.ended();
    story.intended(kForgedOrder, kHole);
    story.erased(kForgedOrder, 6);
    story.stated(story.statement(kHole));
    story.tell("an epoch before the erasure's", story.statement(kHole));
  }
  Story story(all);
  erased_once(story);
  auto old = story.statement(kHole);
  old.mirrors.push_back({"good", true, 1, "file"});
  auto none = story.statement(kHole);
  none.mirrors.clear();
  auto bad = story.statement(kHole);
  bad.mirrors[0].state = "retired";
  story.stated(old);
  story.stated(none);
  story.stated(bad);
  story.tell("a good mirror of another epoch", old, {5, 6});
  story.tell("no mirror", none, {4, 6});
  story.tell("no good mirror", bad, {4, 5});
}

// A good one, and bytes of it changed by hand.
void by_hand(std::vector<Case>& all) {
  std::vector<Case> own;
  Story story(own);
  erased_once(story);
  story.stated(story.statement(kHole));
  const auto good = story.proof(story.statement(kHole));
  const auto change = [&](const char* name, const std::function<void(ErasureProof&)>& how) {
    auto bad = good;
    how(bad);
    all.push_back({name, encode_proof(bad)});
  };
  change("an entry's byte",
         [](auto& p) { p.entries[2].text[p.entries[2].text.find("pass")] = 'P'; });
  change("a byte of a path", [](auto& p) { p.entries[1].path[0][5] ^= 1; });
  change("a path that is too short", [](auto& p) { p.entries[1].path.pop_back(); });
  change("another index", [](auto& p) { p.entries.back().index += 1; });
  change("a byte of the statement",
         [](auto& p) { p.statement.replace(p.statement.find("\"epoch\":") + 8, 1, "9"); });
  change("another size in the checkpoint",
         [](auto& p) { p.checkpoint.replace(p.checkpoint.find('\n') + 1, 1, "6"); });
  change("another log's name in the checkpoint", [](auto& p) { p.checkpoint[0] = 'T'; });
  change("a checkpoint without a signature",
         [](auto& p) { p.checkpoint = p.checkpoint.substr(0, p.checkpoint.find("\n\n") + 1); });
  change("a statement with a space", [](auto& p) { p.statement.insert(1, " "); });
  change("a statement with a field too many",
         [](auto& p) { p.statement.insert(p.statement.size() - 1, ",\"w\":1"); });
  change("a statement of version 2",
         [](auto& p) { p.statement.replace(p.statement.find("\"v\":1"), 5, "\"v\":2"); });
  change("entries in another order", [](auto& p) { std::swap(p.entries[0], p.entries[1]); });
  const auto text = encode_proof(good);
  const auto replaced = [&](const char* name, std::string_view from, std::string_view to) {
    auto bad = text;
    bad.replace(bad.find(from), from.size(), to);
    all.push_back({name, bad});
  };
  replaced("a proof of version 2", "proof\":1", "proof\":2");
  replaced("a proof of version 0", "proof\":1", "proof\":0");
  replaced("a proof without its key", ",\"verifier_key\"", ",\"another_key\"");
  replaced("a path that is not base64", "\"path\":[\"", "\"path\":[\"!");
  replaced("a hash that is too short", "\"path\":[\"", "\"path\":[\"AAAA\",\"");
  replaced("an index that is no number", "\"index\":0", "\"index\":\"0\"");
  all.push_back({"cut in half", text.substr(0, text.size() / 2)});
  all.push_back({"a list", "[]"});
  all.push_back({"nothing", ""});
}

void statements_of_another_form(std::vector<Case>& all) {
  Story story(all);
  story.started();
  story.ended();
  const auto with = [&](const char* name, const std::function<void(KeyStatement&)>& how) {
    auto said = story.statement();
    how(said);
    story.tell(name, said);
  };
  with("the same node twice", [](auto& said) { said.nodes = {{24, 5}, {24, 5}}; });
  with("nodes that descend", [](auto& said) { said.nodes = {{24, 6}, {24, 5}}; });
  with("a node that its level has not", [](auto& said) { said.nodes = {{3, 9}}; });
  with("a level that is none", [](auto& said) { said.nodes = {{25, 0}}; });
  with("a range of the call's own data", [](auto& said) { said.erased = {{15, 0, 1}}; });
  with("an empty range", [](auto& said) { said.held = {{0, 5, 5}}; });
  with("a mirror in no known state", [](auto& said) { said.mirrors[0].state = "well"; });
  with("a stream that is none", [](auto& said) { said.streams[0].stream = 15; });
}

std::vector<Case> cases() {
  std::vector<Case> all;
  good_ones(all);
  good_mirrors(all);
  retired_mirrors(all);
  whole_calls(all);
  retention_over(all);
  left_out(all);
  lying_keepers(all);
  contradictions(all);
  times(all);
  epochs(all);
  by_hand(all);
  statements_of_another_form(all);
  return all;
}

std::string vectors_text() {
  std::string out = R"({"format": "callward erasure proof", "version": 1,)"
                    "\n \"log_key\": ";
  const Forger forger;
  out += boost::json::serialize(
      boost::json::value(audit::verifier_key(forger.key.name, forger.key.key)));
  out += ",\n \"cases\": [\n";
  bool first = true;
  for (const auto& one : cases()) {
    object item{{"name", one.name}};
    for (const auto& field : judge(one.proof, forger.key)) item[field.key()] = field.value();
    item["proof"] = one.proof;
    out += (first ? "  " : ",\n  ") + boost::json::serialize(item);
    first = false;
  }
  return out + "\n ]}\n";
}

TEST(ProofVectors, AreReadAsTheySay) {
  RealVfs vfs;
  if (std::getenv("CALLWARD_WRITE_VECTORS") != nullptr)
    ASSERT_TRUE(vfs.write_file_atomic(vectors_path(), as_bytes(vectors_text())));
  const auto raw = vfs.read_file(vectors_path(), 1u << 20);
  ASSERT_TRUE(raw) << raw.error().message;
  EXPECT_EQ(as_text(*raw), vectors_text());  // a format does not change by accident
  const auto json = boost::json::parse(as_text(*raw)).as_object();
  const auto key = *audit::parse_verifier_key(std::string(json.at("log_key").as_string()));
  int good = 0, bad = 0;
  std::set<std::string> kinds;
  for (const auto& item : json.at("cases").as_array()) {
    const auto found = judge(std::string(item.at("proof").as_string()), key);
    for (const auto& field : found)
      EXPECT_EQ(item.at(field.key()), field.value()) << item.at("name");
    ++(item.at("outcome").as_string() == "ok" ? good : bad);
    if (const auto* list = item.as_object().if_contains("findings"))
      for (const auto& code : list->as_array()) kinds.emplace(code.as_string());
  }
  EXPECT_GE(good, 10);
  EXPECT_GE(bad, 45);
  std::set<std::string> all;
  for (const auto& kind : kFindings) all.emplace(kind.code);
  EXPECT_EQ(kinds, all);  // each way to lie is in the file
}

}  // namespace
}  // namespace callward::erase
