// A log written by hand, with whatever in it: what a lying server or keeper would put together.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "audit/entry.hpp"
#include "base/entropy.hpp"
#include "crypto/curve25519.hpp"
#include "crypto/sha256.hpp"
#include "erase/call_keys.hpp"
#include "erase/proof.hpp"

namespace callward::erase {

inline constexpr const char* kForgedOrder = "11111111111111111111111111111111";

struct Forger {
  SeededEntropy entropy{3};
  Key32 seed = entropy.key();
  audit::NamedKey key{"test/log", *crypto::ed25519_public(seed)};
  CallId call = CallId::random(entropy);
  std::vector<std::string> texts;
  std::int64_t at = 1'000;

  std::uint64_t entry(const char* type, const std::string& subject, boost::json::object data) {
    texts.push_back(*audit::encode_entry(
        {type, "keeper", subject, at += 1'000, std::move(data), std::nullopt, std::nullopt}));
    return texts.size() - 1;
  }
  static boost::json::array ranges(const std::vector<keys::SegmentRange>& list) {
    boost::json::array out;
    for (const auto& one : list) out.push_back(boost::json::array{one.stream, one.first, one.end});
    return out;
  }
  void started(int streams = 3) {
    entry("call_started", call.hex(),
          {{"row", 0},
           {"source", "siprec"},
           {"direction", "incoming"},
           {"streams", streams},
           {"started_at", 1}});
  }
  void ended(std::uint32_t end = 100) {
    entry("call_ended", call.hex(),
          {{"ended_at", 2}, {"cause", "bye"}, {"ends", ranges({{0, 0, end}, {1, 0, end}})}});
  }
  void intended(const char* order, const std::vector<keys::SegmentRange>& list) {
    entry("erase_intended", call.hex(),
          {{"order", order},
           {"reason", "password"},
           {"source", "listener"},
           {"ranges", ranges(list)},
           {"epoch", 4}});
  }
  void over(const char* order, std::int64_t first_row, std::int64_t end_row) {
    entry("retention_intended", "-",
          {{"order", order},
           {"class", "incoming"},
           {"days", 30},
           {"calls", end_row - first_row},
           {"rows", boost::json::array(1, boost::json::array{first_row, end_row})},
           {"epoch", 4}});
  }
  void erased(const char* order, int epoch = 5) {
    entry("erased", "-",
          {{"orders", boost::json::array(1, boost::json::string(order))}, {"epoch", epoch}});
  }
  void unconfirmed(const char* order, int epoch = 5) {
    entry("erase_unconfirmed", "-",
          {{"orders", boost::json::array(1, boost::json::string(order))},
           {"epoch", epoch},
           {"unconfirmed_mirrors", 1}});
  }
  void lost(const std::vector<keys::SegmentRange>& list) {
    entry("keeper_adopted", call.hex(), {{"first", 0}, {"lost", ranges(list)}});
  }
  void held(const char* order, const std::vector<keys::SegmentRange>& list) {
    entry("order_held", call.hex(),
          {{"order", order}, {"reason", "pin"}, {"source", "listener"}, {"ranges", ranges(list)}});
  }
  void retired() {
    entry("mirror_retired", "-",
          {{"mirror", 2}, {"epoch", 4}, {"reason_hash", std::string(64, '0')}});
  }
  void returned() { entry("mirror_returned", "-", {{"mirror", 2}, {"epoch", 5}}); }
  void erased_but_for_retired(const char* order) {
    boost::json::array retired;
    retired.push_back(boost::json::array{2, 4});
    entry("erased", "-",
          {{"orders", boost::json::array(1, boost::json::string(order))},
           {"epoch", 5},
           {"retired", std::move(retired)}});
  }
  void held_whole(const char* order, const std::vector<keys::SegmentRange>& list) {
    entry("order_held", call.hex(),
          {{"order", order},
           {"reason", "customer_request"},
           {"source", "operator"},
           {"ranges", ranges(list)},
           {"whole", true}});
  }
  void decided(const char* order, const std::vector<keys::SegmentRange>& list,
               const char* decision = "keep", bool whole = false) {
    entry("held_decided", call.hex(),
          {{"order", order},
           {"decision", decision},
           {"reason", "pin"},
           {"ranges", ranges(list)},
           {"whole", whole},
           {"reason_hash", std::string(64, '0')}});
  }
  void stated(const KeyStatement& statement) {
    entry("key_statement", call.hex(),
          {{"hash", to_hex(crypto::sha256(as_bytes(encode_statement(statement))))}});
  }
  // The fewest nodes that open [first, end) of a stream, as the keeper's own cover has them.
  static void open(KeyStatement& said, std::uint8_t stream, std::uint32_t first,
                   std::uint32_t end) {
    while (first < end) {
      std::uint8_t up = 0;
      while (up < keys::kIndexBits && first % (2u << up) == 0 && first + (2u << up) <= end) ++up;
      said.nodes.push_back(
          {static_cast<std::uint8_t>(keys::kTreeLevels - up), keys::leaf_of(stream, first) >> up});
      first += 1u << up;
    }
  }
  static void sort(std::vector<NodePlace>& nodes) {
    std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) {
      return (std::uint64_t{a.index} << (keys::kTreeLevels - a.level)) <
             (std::uint64_t{b.index} << (keys::kTreeLevels - b.level));
    });
  }
  // A call of two streams of 100 segments, whose keys are there but for `gone`.
  KeyStatement statement(const std::vector<keys::SegmentRange>& gone = {},
                         std::uint32_t end = 100) const {
    KeyStatement said{};
    said.call = call;
    said.at = 50'000;
    said.epoch = 5;
    said.row = true;
    said.mirrors.push_back({"good", true, 5, "file"});
    said.streams = {{0, 100, 100}, {1, 100, 100}};
    said.erased = gone;
    for (std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}}) {
      std::uint32_t from = 0;
      for (const auto& range : gone) {
        if (range.stream != stream) continue;
        open(said, stream, from, range.first);
        from = range.end;
      }
      open(said, stream, from, end);
    }
    said.nodes.push_back({4, keys::kCallDataStream});
    return said;
  }
  ErasureProof proof(const KeyStatement& said,
                     const std::vector<std::uint64_t>& left_out = {}) const {
    std::vector<audit::Hash> leaves;
    for (const auto& text : texts) leaves.push_back(audit::leaf_hash(as_bytes(text)));
    const auto nodes = [&](std::uint32_t level, std::uint64_t index) -> Result<audit::Hash> {
      const auto first = leaves.begin() + static_cast<std::ptrdiff_t>(index << level);
      return audit::merkle_root({first, first + (std::ptrdiff_t{1} << level)});
    };
    ErasureProof proof{.statement = encode_statement(said),
                       .entries = {},
                       .checkpoint = *audit::sign_checkpoint(
                           {"test/log", leaves.size(), audit::merkle_root(leaves)}, seed),
                       .verifier_key = audit::verifier_key(key.name, key.key)};
    for (std::uint64_t i = 0; i < texts.size(); ++i)
      if (std::find(left_out.begin(), left_out.end(), i) == left_out.end())
        proof.entries.push_back({i, texts[i], *audit::inclusion_proof(i, texts.size(), nodes)});
    return proof;
  }
  ProofReport check(const KeyStatement& said,
                    const std::vector<std::uint64_t>& left_out = {}) const {
    auto report = check_proof(proof(said, left_out), key);
    EXPECT_TRUE(report);
    return std::move(*report);
  }
};

}  // namespace callward::erase
