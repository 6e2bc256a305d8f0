// tests/vectors/receipt.json: receipts that hold and each kind of bad, for any reader.
// CALLWARD_WRITE_VECTORS=1 writes it anew from a seeded source.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "audit/receipt.hpp"

namespace callward::audit {
namespace {

using boost::json::array;
using boost::json::object;

std::string vectors_path() {
  return std::string(CALLWARD_SOURCE_DIR) + "/tests/vectors/receipt.json";
}

struct Case {
  std::string name, outcome, receipt, entry;  // an empty entry: the receipt's own
  std::size_t quorum = 0;                     // of the two witnesses
};

class Maker {
 public:
  Maker() {
    for (std::uint64_t i = 0; i < kLeaves; ++i) {
      entries_.push_back(R"({"n":)" + std::to_string(i) + "}");
      tree_.append(leaf_hash(as_bytes(entries_.back())),
                   [this](std::uint32_t level, std::uint64_t index, const Hash& hash) {
                     nodes_[{level, index}] = hash;
                   });
    }
    note_ = *sign_checkpoint({log.name, kLeaves, tree_.root()}, seed_);
  }
  Receipt of(std::uint64_t index) {
    Receipt receipt;
    receipt.extra = to_bytes(as_bytes(entries_[index]));
    receipt.index = index;
    receipt.proof = *inclusion_proof(index, kLeaves, [this](auto level, auto at) -> Result<Hash> {
      return nodes_.at({level, at});
    });
    receipt.note = note_;
    return receipt;
  }
  std::string cosigned(int which) {
    return *cosign(note_, witnesses[static_cast<std::size_t>(which)].name,
                   which == 0 ? first_ : second_, 1'700'000'000);
  }
  std::string another_log() {
    return *sign_checkpoint({"other.example/log", kLeaves, tree_.root()}, seed_);
  }
  std::string another_tree() {
    return *sign_checkpoint({log.name, kLeaves, leaf_hash(as_bytes("x"))}, seed_);
  }

  static constexpr std::uint64_t kLeaves = 11;

 private:
  SeededEntropy entropy_{23};
  Key32 seed_ = entropy_.key(), first_ = entropy_.key(), second_ = entropy_.key();
  std::vector<std::string> entries_;
  CompactRange tree_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Hash> nodes_;
  std::string note_;

 public:
  NamedKey log{"log.example/callward", *crypto::ed25519_public(seed_)};
  std::vector<WitnessKey> witnesses{{"witness.example/1", *crypto::ed25519_public(first_)},
                                    {"witness.example/2", *crypto::ed25519_public(second_)}};
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  return text;
}

std::vector<Case> cases(Maker& make) {
  std::vector<Case> out;
  for (const std::uint64_t index : {0, 4, 7, 10})
    out.push_back({"entry " + std::to_string(index), "ok", encode_receipt(make.of(index)), "", 0});
  auto bare = make.of(3);
  const auto own = std::string(as_text(*bare.extra));
  bare.extra.reset();
  out.push_back({"without the entry", "ok", encode_receipt(bare), own, 0});
  auto one = make.of(5);
  const auto text = encode_receipt(one);
  one.note += make.cosigned(0);
  out.push_back({"one witness of one", "ok", encode_receipt(one), "", 1});
  out.push_back({"one witness of two", "corrupt", encode_receipt(one), "", 2});
  out.push_back({"one witness twice", "corrupt", encode_receipt([&] {
                   auto twice = one;
                   twice.note += make.cosigned(0);
                   return twice;
                 }()),
                 "", 2});
  one.note += make.cosigned(1);
  out.push_back({"two witnesses of two", "ok", encode_receipt(one), "", 2});
  out.push_back({"no witness of one", "corrupt", text, "", 1});
  auto later = make.of(5);
  later.note += replaced(make.cosigned(0), "witness.example/1", "witness.example/2");
  out.push_back({"a cosignature under another name", "corrupt", encode_receipt(later), "", 1});

  out.push_back({"another entry", "corrupt", text, R"({"n":6})", 0});
  out.push_back({"another index", "corrupt", replaced(text, "index 5", "index 4"), "", 0});
  out.push_back(
      {"an index beyond the tree", "corrupt", replaced(text, "index 5", "index 11"), "", 0});
  auto changed = make.of(5);
  changed.proof.pop_back();
  out.push_back({"a hash less", "corrupt", encode_receipt(changed), "", 0});
  changed = make.of(5);
  changed.proof.push_back(changed.proof.back());
  out.push_back({"a hash more", "corrupt", encode_receipt(changed), "", 0});
  changed = make.of(5);
  std::swap(changed.proof[0], changed.proof[1]);
  out.push_back({"hashes in another order", "corrupt", encode_receipt(changed), "", 0});
  changed = make.of(5);
  changed.note = make.another_tree();
  out.push_back({"another tree of that size", "corrupt", encode_receipt(changed), "", 0});
  changed.note = make.another_log();
  out.push_back({"another log's checkpoint", "corrupt", encode_receipt(changed), "", 0});
  changed = make.of(5);
  changed.note = replaced(changed.note, "\n11\n", "\n12\n");
  out.push_back({"a size that was not signed", "corrupt", encode_receipt(changed), "", 0});

  out.push_back({"another version", "malformed", replaced(text, "proof@v1", "proof@v2"), "", 0});
  out.push_back({"no index", "malformed", replaced(text, "index 5\n", ""), "", 0});
  out.push_back(
      {"an index with a zero in front", "malformed", replaced(text, "index 5", "index 05"), "", 0});
  out.push_back(
      {"an index that is no number", "malformed", replaced(text, "index 5", "index -5"), "", 0});
  out.push_back({"a hash that is too short", "malformed",
                 replaced(text, "index 5\n", "index 5\nAAAA\n"), "", 0});
  out.push_back({"a line that is not base64", "malformed",
                 replaced(text, "index 5\n", "index 5\n!\n"), "", 0});
  out.push_back({"no empty line", "malformed", text.substr(0, text.find("\n\n") + 1), "", 0});
  out.push_back({"no signature", "malformed", text.substr(0, text.rfind("\n\n") + 1), "", 0});
  out.push_back({"nothing", "malformed", "", "", 0});
  return out;
}

std::string vectors_text() {
  Maker make;
  array list;
  for (const auto& one : cases(make)) {
    object item{{"name", one.name}, {"outcome", one.outcome}, {"receipt", one.receipt}};
    if (!one.entry.empty()) item["entry"] = one.entry;
    if (one.quorum > 0) item["quorum"] = one.quorum;
    list.push_back(std::move(item));
  }
  std::string out =
      R"({"format": "tlog-proof", "version": 1,)"
      "\n"
      R"( "log_key": )" +
      boost::json::serialize(boost::json::value(verifier_key(make.log.name, make.log.key))) +
      ",\n \"witness_keys\": [";
  for (const auto& key : make.witnesses)
    out += (out.back() == '[' ? "" : ", ") +
           boost::json::serialize(boost::json::value(witness_verifier_key(key)));
  out += "],\n \"cases\": [\n";
  for (std::size_t i = 0; i < list.size(); ++i)
    out += "  " + boost::json::serialize(list[i]) + (i + 1 < list.size() ? ",\n" : "\n");
  return out + " ]}\n";
}

std::string judge(const object& item, const NamedKey& key, std::vector<WitnessKey> witnesses) {
  const auto receipt = parse_receipt(std::string(item.at("receipt").as_string()));
  const auto word = [](const Error& error) {
    return std::string(error.code == Errc::kMalformed ? "malformed" : to_string(error.code));
  };
  if (!receipt) return word(receipt.error());
  const auto* quorum = item.if_contains("quorum");
  const auto* entry = item.if_contains("entry");
  WitnessPolicy policy;
  if (quorum != nullptr) policy = {std::move(witnesses), quorum->to_number<std::size_t>()};
  const auto text = entry == nullptr ? std::string() : std::string(entry->as_string());
  const auto checked = check_receipt(
      *receipt, entry == nullptr ? std::nullopt : std::optional<ByteView>(as_bytes(text)), key,
      policy);
  return checked ? "ok" : word(checked.error());
}

TEST(ReceiptVectors, AreReadAsTheySay) {
  RealVfs vfs;
  if (std::getenv("CALLWARD_WRITE_VECTORS") != nullptr)
    ASSERT_TRUE(vfs.write_file_atomic(vectors_path(), as_bytes(vectors_text())));
  const auto raw = vfs.read_file(vectors_path(), 1u << 20);
  ASSERT_TRUE(raw) << raw.error().message;
  EXPECT_EQ(as_text(*raw), vectors_text());  // a format does not change by accident
  const auto json = boost::json::parse(as_text(*raw)).as_object();
  const auto key = *parse_verifier_key(std::string(json.at("log_key").as_string()));
  std::vector<WitnessKey> witnesses;
  for (const auto& one : json.at("witness_keys").as_array())
    witnesses.push_back(*parse_witness_key(std::string(one.as_string())));
  int good = 0, bad = 0;
  for (const auto& item : json.at("cases").as_array()) {
    const std::string outcome(item.at("outcome").as_string());
    EXPECT_EQ(judge(item.as_object(), key, witnesses), outcome) << item.at("name");
    ++(outcome == "ok" ? good : bad);
  }
  EXPECT_GE(good, 7);
  EXPECT_GE(bad, 20);
}

}  // namespace
}  // namespace callward::audit
