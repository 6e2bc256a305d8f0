#include "vault/customer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>

#include "keys/page.hpp"

namespace callward::vault {
namespace {

constexpr std::int64_t kHour = 3'600'000, kDay = 24 * kHour;

Times both(std::int64_t at) { return {.secrets = at, .kept = at}; }

struct Vault {
  SeededEntropy entropy{5};
  Policy policy = *parse_policy(default_policy_text(), "policy.toml");
  CustomerId id = make_customer_id(keys::kCustomerRowsFrom + 7, entropy);
  Customer customer{id, entropy.key()};
  std::int64_t now = 1'000'000'000;

  [[nodiscard]] const FieldSpec& spec(const std::string& name) const { return *policy.find(name); }
  Leaf store(const std::string& field, CaseNumber of_case) {
    const bool word = spec(field).of_class == FieldClass::kServiceWord;
    return *customer.store(spec(field), of_case, policy, now,
                           word ? std::optional(CompareToken{}) : std::nullopt);
  }
  [[nodiscard]] bool opens(Leaf leaf) const {
    return customer.cover().opens(keys::leaf_of(0, leaf));
  }
  // As the keeper does it.
  std::vector<Leaf> settle() {
    for (const auto leaf : customer.to_compare()) customer.set_compare(leaf, {});
    auto leaves = customer.leaves_to_go();
    customer.puncture(leaves);
    return leaves;
  }
};

class Customers : public ::testing::Test, public Vault {};

TEST_F(Customers, AnIdSaysItsRowAndAGuessedOneIsNone) {
  EXPECT_EQ(*row_of(id), keys::kCustomerRowsFrom + 7);
  EXPECT_FALSE(row_of(CustomerId{}));
  EXPECT_TRUE(row_of(make_customer_id(keys::kCustomerRowsEnd - 1, entropy)));
  EXPECT_FALSE(row_of(make_customer_id(keys::kCustomerRowsEnd, entropy)));
  const auto row = customer.encode();
  EXPECT_TRUE(Customer::decode(*row_of(id), row.expose()));
  EXPECT_EQ(Customer::decode(*row_of(id) + 1, row.expose()).error().code, Errc::kCorrupt);
}

TEST_F(Customers, ASecretIsGoneAtItsFirstUseAtTheCasesEndOrAfterADay) {
  const auto one = *customer.open_case(policy.keep, now),
             two = *customer.open_case(policy.keep, now);
  const auto used = store("password", one), closed = store("password", two);
  EXPECT_TRUE(settle().empty()) << "another case's is no correction";
  customer.used(used);
  EXPECT_EQ(settle(), std::vector{used});
  EXPECT_FALSE(opens(used));
  ASSERT_TRUE(customer.close_case(two, policy.keep, now));
  EXPECT_EQ(settle(), std::vector{closed});
  const auto late = store("password", one);
  EXPECT_EQ(customer.next_pass(policy.keep), now + 24 * kHour);
  customer.pass(policy.keep, both(now + 24 * kHour - 1));
  EXPECT_TRUE(settle().empty());
  customer.hold(true);
  customer.pass(policy.keep, both(now + 24 * kHour));
  EXPECT_EQ(settle(), std::vector{late}) << "no hold keeps a secret";
  EXPECT_TRUE(customer.versions().empty());
}

TEST_F(Customers, AContactIsComparedOnlyWhenEveryCaseIsClosed) {
  const auto one = *customer.open_case(policy.keep, now),
             two = *customer.open_case(policy.keep, now);
  const auto mail = store("email", one);
  ASSERT_TRUE(customer.close_case(one, policy.keep, now));
  EXPECT_TRUE(customer.to_compare().empty());
  ASSERT_TRUE(customer.close_case(two, policy.keep, now + kDay));
  EXPECT_EQ(customer.to_compare(), std::vector{mail});
  EXPECT_EQ(settle(), std::vector{mail});
  EXPECT_FALSE(opens(mail));
  EXPECT_EQ(customer.find(mail)->state, FieldState::kCompareOnly);
  for (int i = 0; i < kMissesMax; ++i) EXPECT_FALSE(*customer.compared(mail, false));
  EXPECT_EQ(customer.compared(mail, true).error().code, Errc::kDenied) << "locked";
  // Opening a case again makes nothing readable.
  (void)*customer.open_case(policy.keep, now + 2 * kDay);
  EXPECT_EQ(customer.find(mail)->state, FieldState::kCompareOnly);
  EXPECT_EQ(customer.next_pass(policy.keep), 0) << "not while a case is open";
}

TEST_F(Customers, AMissIsForgottenByAHit) {
  const auto word = store("service_word", *customer.open_case(policy.keep, now));
  EXPECT_EQ(settle(), std::vector{word}) << "never readable";
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(*customer.compared(word, false));
    EXPECT_FALSE(*customer.compared(word, false));
    EXPECT_TRUE(*customer.compared(word, true));
  }
}

TEST_F(Customers, ReferencesGoWithRetentionOfTheLastCase) {
  const auto one = *customer.open_case(policy.keep, now);
  const auto name = store("name", one), wrong = store("phone", one);
  now += kHour;
  const auto phone = store("phone", one);
  EXPECT_EQ(settle(), std::vector{wrong}) << "corrected";
  EXPECT_EQ(customer.number_since(), now);
  EXPECT_EQ(customer.newest("phone")->leaf, phone);
  ASSERT_TRUE(customer.close_case(one, policy.keep, now));
  EXPECT_EQ(customer.next_pass(policy.keep), now + 365 * kDay);
  customer.pass(policy.keep, both(now + 365 * kDay - 1));
  EXPECT_TRUE(settle().empty());
  customer.hold(true);
  customer.pass(policy.keep, both(now + 366 * kDay));
  EXPECT_TRUE(settle().empty());
  EXPECT_EQ(customer.erase(std::nullopt).error().code, Errc::kDenied);
  EXPECT_EQ(customer.erase(name).error().code, Errc::kDenied);
  customer.hold(false);
  customer.pass(policy.keep, both(now + 366 * kDay));
  EXPECT_EQ(settle(), (std::vector{name, phone}));
}

TEST_F(Customers, APolicyThatCameLaterRelaxesNothingThatIsThere) {
  const auto one = *customer.open_case(policy.keep, now);
  const auto secret = store("password", one);
  policy.keep.secret_hours = 24 * 30;
  auto& spec = *std::ranges::find(policy.fields, "password", &FieldSpec::id);
  spec.of_class = FieldClass::kContact;
  customer.pass(policy.keep, both(now + 24 * kHour));
  EXPECT_EQ(settle(), std::vector{secret});
}

TEST_F(Customers, DaysThatCameLaterKeepNothingLongerThatIsThere) {
  const auto one = *customer.open_case(policy.keep, now);
  const auto name = store("name", one), mail = store("email", one);
  policy.keep = {.reference_days = 3'000, .contact_days = 300, .secret_hours = 24};
  ASSERT_TRUE(customer.close_case(one, policy.keep, now));
  EXPECT_EQ(settle(), std::vector{mail});
  EXPECT_EQ(customer.until(*customer.find(name), policy.keep), now + 365 * kDay);
  EXPECT_EQ(customer.until(*customer.find(mail), policy.keep), now + 30 * kDay);
  // Nor does a new case, which its own fields are kept by: what was there is kept for its own days
  // behind the new one's end.
  now += 10 * kDay;
  const auto two = *customer.open_case(policy.keep, now);
  const auto phone = store("phone", two);
  EXPECT_EQ(customer.until(*customer.find(name), policy.keep), 0);
  ASSERT_TRUE(customer.close_case(two, policy.keep, now));
  EXPECT_EQ(customer.until(*customer.find(name), policy.keep), now + 365 * kDay);
  EXPECT_EQ(customer.until(*customer.find(phone), policy.keep), now + 3'000 * kDay);
}

TEST_F(Customers, DaysThatBecomeFewerHoldForWhatIsThere) {
  const auto one = *customer.open_case(policy.keep, now);
  const auto name = store("name", one), secret = store("password", one);
  auto keep = policy.keep;
  keep.secret_hours = 2;
  EXPECT_EQ(customer.next_pass(keep), now + 2 * kHour);
  ASSERT_TRUE(customer.close_case(one, policy.keep, now));
  EXPECT_EQ(settle(), std::vector{secret});
  keep.reference_days = 90;
  customer.pass(keep, both(now + 90 * kDay - 1));
  EXPECT_EQ(customer.over(keep, both(now + 90 * kDay)), 1u);
  EXPECT_TRUE(settle().empty());
  customer.pass(keep, both(now + 90 * kDay));
  EXPECT_EQ(customer.passed(), 1u);
  EXPECT_EQ(settle(), std::vector{name});
  EXPECT_EQ(customer.passed(), 0u);
}

// A case that was closed while fewer days were in force goes by those, whatever the policy says
// now.
TEST_F(Customers, TheDaysThatAreToldAreThoseOfTheEnd) {
  Keep fewer = policy.keep;
  fewer.reference_days = 20;
  const auto of_case = *customer.open_case(policy.keep, now);
  const auto name = store("name", of_case);
  const auto told = [&](const Keep& keep) {
    return customer.days_told(*customer.find(name), keep);
  };
  EXPECT_EQ(told(policy.keep), policy.keep.reference_days);
  EXPECT_EQ(told(fewer), 20);
  ASSERT_TRUE(customer.close_case(of_case, fewer, now + kDay));
  EXPECT_EQ(told(policy.keep), 20);
  EXPECT_EQ(customer.until(*customer.find(name), policy.keep), now + 21 * kDay);
}

TEST_F(Customers, WhatCouldOnlyBeComparedIsErasedToo) {
  const auto one = *customer.open_case(policy.keep, now);
  const auto mail = store("email", one), word = store("service_word", one);
  customer.puncture({word});  // as the office does: nothing was sealed by it
  ASSERT_TRUE(customer.close_case(one, policy.keep, now));
  EXPECT_EQ(settle(), std::vector{mail});
  customer.pass(policy.keep, both(now + 30 * kDay));
  EXPECT_EQ(settle(), std::vector{mail}) << "its token is to go from the disk, too";
  customer.pass(policy.keep, both(now + 365 * kDay));
  EXPECT_EQ(settle(), std::vector{word});
  EXPECT_TRUE(customer.versions().empty());
}

TEST_F(Customers, ARowOfTheVersionBeforeIsReadAndWrittenAnew) {
  const auto one = *customer.open_case(policy.keep, now);
  store("name", one);
  auto row = to_bytes(customer.encode().expose());
  constexpr std::size_t kHead = 36, kCaseBefore = 52;
  row.erase(row.begin() + kHead + kCaseBefore, row.begin() + kHead + kCaseBefore + 4);
  row[0] = kCustomerRowVersionWithoutDays;
  auto read = Customer::decode(*row_of(id), row);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->cases()[0].reference_days, Case::kNotKnown);
  EXPECT_EQ(read->encode().expose()[0], kCustomerRowVersion);
  ASSERT_TRUE(read->close_case(one, policy.keep, now));
  EXPECT_EQ(read->next_pass(policy.keep), now + 365 * kDay) << "by the policy of then, as before";
  row.pop_back();
  EXPECT_FALSE(Customer::decode(*row_of(id), row));
}

TEST_F(Customers, WhatIsFullOrClosedTakesNothing) {
  EXPECT_EQ(customer.store(spec("name"), 1, policy, now).error().code, Errc::kNotFound);
  const auto one = *customer.open_case(policy.keep, now);
  ASSERT_TRUE(customer.close_case(one, policy.keep, now));
  EXPECT_EQ(customer.close_case(one, policy.keep, now).error().code, Errc::kNotFound);
  EXPECT_EQ(customer.store(spec("name"), one, policy, now).error().code, Errc::kNotFound);
  while (customer.cases().size() < Customer::kCasesMax)
    ASSERT_TRUE(customer.open_case(policy.keep, now));
  EXPECT_EQ(customer.open_case(policy.keep, now).error().code, Errc::kFull);
}

// What is typed leaves room for what has to be said of requests, in versions and in leaves.
TEST_F(Customers, WhatIsTypedLeavesRoomForWords) {
  const auto one = *customer.open_case(policy.keep, now);
  customer.hold(true);  // what is replaced is kept
  while (customer.versions().size() < Customer::kTypedMax)
    ASSERT_TRUE(customer.store(spec("name"), one, policy, now));
  EXPECT_EQ(customer.store(spec("name"), one, policy, now).error().code, Errc::kFull);
  const auto row = customer.encode();
  auto read = *Customer::decode(*row_of(id), row.expose());
  for (std::size_t i = 0; i < Customer::kWordsKept; ++i)
    ASSERT_TRUE(read.add_words(spec("name"), one, now));
  EXPECT_EQ(read.add_words(spec("name"), one, now).error().code, Errc::kFull);
  const auto full = read.encode();
  EXPECT_LE(full.size(), keys::kRowBytesMax);
  EXPECT_TRUE(Customer::decode(*row_of(id), full.expose()));
  customer = Customer(id, entropy.key());
  const auto other = *customer.open_case(policy.keep, now);
  customer.skip_leaves(Customer::kTypedLeavesMax);
  EXPECT_EQ(customer.store(spec("name"), other, policy, now).error().code, Errc::kFull);
  EXPECT_TRUE(customer.add_words(spec("name"), other, now));
}

// The longest names, the most cases, a hole beside each leaf: the key store takes it still.
TEST_F(Customers, ARowFitsWhateverIsTypedAndSaid) {
  customer.hold(true);
  const FieldSpec kept{
      .id = std::string(32, 'k'), .kind = FieldKind::kEmail, .of_class = FieldClass::kContact};
  const FieldSpec secret{
      .id = std::string(32, 's'), .kind = FieldKind::kPassword, .of_class = FieldClass::kSecret};
  const FieldSpec words{
      .id = std::string(32, 'w'), .kind = FieldKind::kText, .of_class = FieldClass::kReference};
  const auto one = *customer.open_case(policy.keep, now);
  while (customer.cases().size() < Customer::kCasesMax)
    ASSERT_TRUE(customer.open_case(policy.keep, now));
  Result<Leaf> last = Leaf{0};
  for (std::size_t n = 0; last; ++n) {
    last = customer.store(n % 2 == 0 ? kept : secret, one, policy, now);
    if (!last) break;
    if (n % 2 == 0) customer.set_found_by(*last, {});
    settle();
  }
  EXPECT_EQ(last.error().code, Errc::kFull);
  EXPECT_GT(customer.versions().size(), 500u) << "and much was typed";
  std::size_t said = 0;
  while (customer.add_words(words, one, now)) ++said;
  EXPECT_GE(said + 2, Customer::kWordsKept) << "the last that was typed is two of them long";
  customer.hold(false);
  for (const auto leaf : customer.to_compare()) customer.set_compare(leaf, {});
  const auto row = customer.encode();
  EXPECT_LE(row.size(), keys::kRowBytesMax);
  EXPECT_TRUE(Customer::decode(*row_of(id), row.expose()));
}

TEST_F(Customers, ARowCutOrFlippedIsRefusedOrSaysTheSameOfItself) {
  const auto one = *customer.open_case(policy.keep, now);
  store("name", one);
  store("service_word", one);
  store("password", one);
  customer.used(2);
  const auto row = customer.encode();
  const auto number = *row_of(id);
  for (std::size_t bytes = 0; bytes < row.size(); ++bytes)
    EXPECT_FALSE(Customer::decode(number, row.expose().first(bytes))) << bytes;
  auto longer = to_bytes(row.expose());
  longer.push_back(0);
  EXPECT_FALSE(Customer::decode(number, longer));
  for (std::size_t at = 0; at < row.size(); ++at) {
    auto flipped = to_bytes(row.expose());
    flipped[at] ^= 0x40;
    const auto read = Customer::decode(number, flipped);
    if (read) EXPECT_TRUE(equal(read->encode().expose(), flipped)) << at;
  }
}

// Policies that come and go: what is there is kept no longer than was promised when it was stored.
TEST(CustomerHistories, NoPolicyKeepsLongerThanWasPromised) {
  EXPECT_TRUE(rc::check("random policies", [] {
    Vault vault;
    std::map<Leaf, std::int64_t> promised;  // days after the last case's end; of secrets UTC ms
    std::int64_t closed = 0;
    for (int i = 0; i < 60; ++i) {
      auto& keep = vault.policy.keep;
      keep.reference_days = *rc::gen::inRange<std::int64_t>(1, 3'651);
      keep.contact_days = *rc::gen::inRange<std::int64_t>(0, keep.reference_days + 1);
      keep.secret_hours = *rc::gen::inRange<std::int64_t>(1, 25);
      const auto open = vault.customer.cases().empty() || vault.customer.cases().back().closed_at;
      if (open) (void)vault.customer.open_case(keep, vault.now);
      const auto in = vault.customer.cases().back().number;
      const auto by_opening = keep;
      for (const auto* field : {"name", "email", "password"}) {
        const bool secret = std::string(field) == "password";
        promised[vault.store(field, in)] =
            secret ? vault.now + keep.secret_hours * kHour
                   : (std::string(field) == "email" ? keep.contact_days : keep.reference_days);
      }
      keep.reference_days = *rc::gen::inRange<std::int64_t>(by_opening.reference_days, 3'651);
      vault.now += *rc::gen::inRange<std::int64_t>(0, 3 * kDay);
      (void)vault.customer.close_case(in, vault.policy.keep, vault.now);
      closed = vault.now;
      for (const auto& version : vault.customer.versions()) {
        const auto until = vault.customer.until(version, keep);
        const bool secret = version.of_class == FieldClass::kSecret;
        const auto most = promised.at(version.leaf);
        RC_ASSERT(until != 0 && until <= (secret ? most : closed + most * kDay));
      }
      vault.settle();
      vault.now += *rc::gen::elementOf(std::vector{kHour, 20 * kDay, 400 * kDay});
      vault.customer.pass(keep, both(vault.now));
      for (const auto& version : vault.customer.versions())
        RC_ASSERT(version.state == FieldState::kGone ||
                  vault.customer.until(version, keep) > vault.now);
      vault.settle();
    }
  }));
}

// Anything in any order: what is not readable does not open, a leaf is used once, the row says all.
TEST(CustomerHistories, NothingThatWentOpensAgain) {
  std::map<GoneBy, int> seen;
  EXPECT_TRUE(rc::check("random histories", [&] {
    Vault vault;
    std::vector<bool> went;  // by leaf
    constexpr int kSteps = 150;
    for (int i = 0; i < kSteps; ++i) {
      const auto some_case = *rc::gen::inRange<CaseNumber>(1, 5);
      // One that is there, mostly.
      const auto& there = vault.customer.versions();
      const auto some_leaf = there.empty()
                                 ? *rc::gen::inRange<Leaf>(0, 9)
                                 : there[*rc::gen::inRange<std::size_t>(0, there.size())].leaf;
      switch (*rc::gen::inRange(0, 10)) {
        case 0:
          if (vault.customer.cases().size() < 4)
            (void)vault.customer.open_case(vault.policy.keep, vault.now);
          break;
        case 1:
          for (CaseNumber n = 1; n <= 4; ++n)
            if (n == some_case || *rc::gen::inRange(0, 3) > 0)
              (void)vault.customer.close_case(n, vault.policy.keep, vault.now);
          break;
        case 2:
          vault.customer.used(some_leaf);
          break;
        case 3:
          (void)vault.customer.erase(some_leaf);
          break;
        case 4:
          vault.now += *rc::gen::elementOf(std::vector{kHour, 20 * kHour, 20 * kDay, 400 * kDay});
          vault.customer.pass(vault.policy.keep, both(vault.now));
          break;
        case 5:
          vault.customer.hold(*rc::gen::arbitrary<bool>());
          break;
        default: {
          const auto& spec = *rc::gen::elementOf(vault.policy.fields);
          const bool word = spec.of_class == FieldClass::kServiceWord;
          const auto leaf =
              vault.customer.store(spec, some_case, vault.policy, vault.now,
                                   word ? std::optional(CompareToken{}) : std::nullopt);
          if (!leaf) break;
          RC_ASSERT(*leaf == went.size());
          went.push_back(word);
        }
      }
      for (const auto& version : vault.customer.versions()) {
        if (version.state == FieldState::kGone) ++seen[version.gone_by];
        if (version.state != FieldState::kReadable) went[version.leaf] = true;
      }
      if (*rc::gen::arbitrary<bool>()) {
        for (const auto leaf : vault.settle()) went[leaf] = true;
        for (Leaf leaf = 0; leaf < went.size(); ++leaf) RC_ASSERT(vault.opens(leaf) != went[leaf]);
      }
      const auto row = vault.customer.encode();
      auto read = Customer::decode(*row_of(vault.id), row.expose());
      RC_ASSERT(read.has_value());
      RC_ASSERT(equal(read->encode().expose(), row.expose()));
      vault.customer = std::move(*read);
    }
  }));
  EXPECT_GE(seen.size(), 4u) << "histories in which little happens show little";
}

}  // namespace
}  // namespace callward::vault
