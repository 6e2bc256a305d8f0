#include "disclose/owners_word.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace callward::disclose {
namespace {

OwnersWord some() {
  OwnersWord word{.customers = 258,
                  .keep = {.reference_days = 365, .contact_days = 30, .secret_hours = 24},
                  .stop = "volume"};
  word.by.bytes.fill(1);
  word.nonce.fill(2);
  word.reason_hash.fill(3);
  return word;
}

// The same word stands in web/src/vault/owners_word.test.ts, with the same hash.
TEST(OwnersWords, WhatIsSignedIsWhatABrowserHashes) {
  EXPECT_EQ(to_hex(hash_of(some())),
            "97284d996f18626527032df93ed23a1c4fcdc96b19816df1e1c09599b10e80af");
}

TEST(OwnersWords, EachPartOfItIsSigned) {
  const auto other = [](auto change) {
    auto word = some();
    change(word);
    return hash_of(word) != hash_of(some());
  };
  EXPECT_TRUE(other([](auto& w) { w.by.bytes[0] = 9; }));
  EXPECT_TRUE(other([](auto& w) { w.nonce[0] = 9; }));
  EXPECT_TRUE(other([](auto& w) { w.customers = 9; }));
  EXPECT_TRUE(other([](auto& w) { w.keep.reference_days = 9; }));
  EXPECT_TRUE(other([](auto& w) { w.keep.contact_days = 9; }));
  EXPECT_TRUE(other([](auto& w) { w.keep.secret_hours = 9; }));
  EXPECT_TRUE(other([](auto& w) { w.reason_hash[0] = 9; }));
  EXPECT_TRUE(other([](auto& w) { w.stop = ""; }));
}

TEST(OwnersWords, AnEntrySaysAllOfItAndNothingElseIsOne) {
  const auto word = some();
  const auto json = boost::json::parse(boost::json::serialize(to_json(word))).as_object();
  const auto back = owners_word_from_json(word.by, json);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(hash_of(*back), hash_of(word));
  const auto refused = [&](const char* name, boost::json::value value) {
    auto other = json;
    other[name] = std::move(value);
    return !owners_word_from_json(word.by, other);
  };
  EXPECT_TRUE(refused("customers", -1));
  EXPECT_TRUE(refused("customers", "2"));
  EXPECT_TRUE(refused("keep", boost::json::array{365, 30}));
  EXPECT_TRUE(refused("keep", boost::json::array{30, 365, 24}));
  EXPECT_TRUE(refused("nonce", "02"));
  EXPECT_TRUE(refused("reason_hash", ""));
}

}  // namespace
}  // namespace callward::disclose
