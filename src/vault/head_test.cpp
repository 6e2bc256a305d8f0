#include "vault/head.hpp"

#include <gtest/gtest.h>

namespace callward::vault {
namespace {

Head some() {
  Head head;
  head.next_customer = keys::kCustomerRowsFrom + 3;
  head.spare_end = keys::kCustomerRowsFrom + 9;
  head.time = 1'700'000'000'000;
  head.line = {{1, 2, 3}, 1'700'000'000'000, 4'000};
  head.policy = {9};
  head.policy_entry = 12;
  head.running = {7, 8};
  head.owed = {OrderId{{5}}};
  head.search_key.expose_mut()[0] = 1;
  head.compare_key.expose_mut()[0] = 2;
  return head;
}

TEST(VaultHead, SaysAgainWhatItWasTold) {
  auto head = some();
  head.kept = {.reference_days = 365, .contact_days = 0, .since = 5};
  head.kept.retention = keys::RetentionState{.utc = 77,
                                             .mono = 8,
                                             .stop = keys::RetentionStop::kVolume,
                                             .stopped_at = 70,
                                             .by = 150,
                                             .spent_day = 3,
                                             .spent = 90,
                                             .days = {{2, 40}, {3, 90}}};
  const auto read = Head::decode(head.encode().expose());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->kept.reference_days, 365);
  EXPECT_EQ(read->kept.contact_days, 0);
  EXPECT_EQ(read->kept.since, 5);
  ASSERT_TRUE(read->kept.retention);
  EXPECT_EQ(keys::encode_retention(*read->kept.retention),
            keys::encode_retention(*head.kept.retention));
  EXPECT_EQ(read->policy_entry, 12u);
  EXPECT_EQ(read->running, head.running);
  EXPECT_EQ(read->owed, head.owed);
  EXPECT_TRUE(equal(read->search_key.expose(), head.search_key.expose()));
  EXPECT_TRUE(equal(read->compare_key.expose(), head.compare_key.expose()));
}

// Heads as the programs before this one wrote them: all but what they did not have.
TEST(VaultHead, OfTheVersionsBeforeIsReadAndSaysThatItDoesNotKnow) {
  constexpr std::size_t kPolicyEntry = 8, kKeptEmpty = 2 + 2 + 8 + 2, kTwoKeys = 64;
  const auto head = some();
  auto row = to_bytes(head.encode().expose());
  row.erase(row.end() - static_cast<std::ptrdiff_t>(kTwoKeys + kPolicyEntry),
            row.end() - static_cast<std::ptrdiff_t>(kTwoKeys));
  EXPECT_FALSE(Head::decode(row)) << "this version has it";
  row[0] = Head::kVersionWithoutPolicyEntry;
  const auto newer = Head::decode(row);
  ASSERT_TRUE(newer) << newer.error().message;
  EXPECT_EQ(newer->policy_entry, 0u);
  EXPECT_EQ(newer->owed, head.owed);
  row.erase(row.end() - static_cast<std::ptrdiff_t>(kTwoKeys + kKeptEmpty),
            row.end() - static_cast<std::ptrdiff_t>(kTwoKeys));
  EXPECT_FALSE(Head::decode(row)) << "that version has them";
  row[0] = Head::kVersionWithoutKept;
  const auto read = Head::decode(row);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_FALSE(read->kept.known());
  EXPECT_FALSE(read->kept.retention);
  EXPECT_EQ(read->next_customer, head.next_customer);
  EXPECT_EQ(read->policy, head.policy);
  EXPECT_EQ(read->owed, head.owed);
  EXPECT_TRUE(equal(read->compare_key.expose(), head.compare_key.expose()));
  EXPECT_EQ(read->encode().expose()[0], Head::kVersion) << "written anew as the newer one";
  row[0] = Head::kVersion + 1;
  EXPECT_EQ(Head::decode(row).error().code, Errc::kUnsupported);
}

TEST(VaultHead, DaysThatNoPolicyMayHaveAreMalformed) {
  const auto refused = [](const Kept& kept) {
    auto head = some();
    head.kept = kept;
    return !Head::decode(head.encode().expose());
  };
  EXPECT_FALSE(refused({}));
  EXPECT_FALSE(refused({.reference_days = 30, .contact_days = 30}));
  EXPECT_TRUE(refused({.reference_days = 30, .contact_days = 31}));
  EXPECT_TRUE(refused({.reference_days = 0, .contact_days = 1}));
  EXPECT_TRUE(refused({.reference_days = 5'000, .contact_days = 1}));
  EXPECT_TRUE(refused({.reference_days = 30, .contact_days = 1, .since = -1}));
}

}  // namespace
}  // namespace callward::vault
