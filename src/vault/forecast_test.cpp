#include "vault/forecast.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace callward::vault {
namespace {

constexpr std::int64_t kDayMs = 24 * 3'600'000;

class Forecasts : public ::testing::Test {
 protected:
  Customer& fresh() {
    const auto row = keys::kCustomerRowsFrom + all.size();
    all.push_back(std::make_unique<Customer>(make_customer_id(row, entropy), entropy.key()));
    return *all.back();
  }
  Leaf store(Customer& customer, const std::string& field, CaseNumber of_case) {
    const auto& spec = *policy.find(field);
    const bool word = spec.of_class == FieldClass::kServiceWord;
    return *customer.store(spec, of_case, policy, now,
                           word ? std::optional(CompareToken{}) : std::nullopt);
  }
  Forecast forecast(const Keep& keep, std::int64_t at) const {
    Forecast result(keep, at);
    for (const auto& customer : all) result.add(*customer);
    return result;
  }
  static std::uint64_t goes(const Forecast& of, FieldClass c, FieldKind kind, GoesBy by) {
    const auto row = of.rows().find({c, kind});
    return row == of.rows().end() ? 0 : row->second.goes.at(static_cast<std::size_t>(by));
  }

  SeededEntropy entropy{5};
  Policy policy = *parse_policy(default_policy_text(), "policy.toml");
  std::int64_t now = 1'000'000'000'000;
  std::vector<std::unique_ptr<Customer>> all;
};

TEST_F(Forecasts, EachFieldStandsWhereItGoes) {
  using enum GoesBy;
  constexpr auto kThirtyDays = 30 * kDayMs;
  auto& open = fresh();
  const auto one = *open.open_case(policy.keep, now);
  for (const auto* field : {"name", "email", "password", "service_word"}) store(open, field, one);
  auto& closed = fresh();
  const auto two = *closed.open_case(policy.keep, now);
  store(closed, "name", two);
  store(closed, "email", two);
  ASSERT_TRUE(closed.close_case(two, policy.keep, now));
  for (const auto leaf : closed.to_compare()) closed.set_compare(leaf, {});
  fresh();  // nobody

  const auto by = forecast(policy.keep, now);
  EXPECT_EQ(by.customers(), 2u);
  EXPECT_EQ(goes(by, FieldClass::kReference, FieldKind::kName, kNoEnd), 1u);
  EXPECT_EQ(goes(by, FieldClass::kReference, FieldKind::kName, kYear), 1u);
  EXPECT_EQ(goes(by, FieldClass::kContact, FieldKind::kEmail, kMonth), 1u);
  EXPECT_EQ(goes(by, FieldClass::kSecret, FieldKind::kPassword, kDay), 1u);
  EXPECT_EQ(goes(by, FieldClass::kServiceWord, FieldKind::kServiceWord, kNoEnd), 1u);
  const auto& mail = by.rows().at({FieldClass::kContact, FieldKind::kEmail});
  EXPECT_EQ(mail.readable, 1u);
  EXPECT_EQ(mail.compare_only, 1u);
  EXPECT_EQ(mail.to_compare, 1u);

  const auto later = forecast(policy.keep, now + kThirtyDays);
  EXPECT_EQ(goes(later, FieldClass::kContact, FieldKind::kEmail, kDue), 1u);
  EXPECT_EQ(goes(later, FieldClass::kSecret, FieldKind::kPassword, kDue), 1u);
}

TEST_F(Forecasts, APolicyThatMayComeIsShownAndOneThatWouldRelaxChangesNothing) {
  auto& customer = fresh();
  const auto one = *customer.open_case(policy.keep, now);
  store(customer, "name", one);
  ASSERT_TRUE(customer.close_case(one, policy.keep, now));
  const auto row = to_bytes(customer.encode().expose());
  auto shorter = policy.keep, longer = policy.keep;
  shorter.reference_days = 6;
  longer.reference_days = 3'650;
  const auto by = [&](const Keep& keep, GoesBy when) {
    return goes(forecast(keep, now), FieldClass::kReference, FieldKind::kName, when);
  };
  EXPECT_EQ(by(policy.keep, GoesBy::kYear), 1u);
  EXPECT_EQ(by(shorter, GoesBy::kWeek), 1u);
  EXPECT_EQ(by(longer, GoesBy::kYear), 1u);
  EXPECT_TRUE(equal(customer.encode().expose(), row)) << "a dry run changes nothing";
}

TEST_F(Forecasts, WhatIsUnderAHoldStaysButForSecrets) {
  auto& customer = fresh();
  const auto one = *customer.open_case(policy.keep, now),
             two = *customer.open_case(policy.keep, now);
  store(customer, "name", one);
  ASSERT_TRUE(customer.close_case(one, policy.keep, now));
  ASSERT_TRUE(customer.close_case(two, policy.keep, now));
  const auto three = *customer.open_case(policy.keep, now);
  store(customer, "password", three);
  customer.hold(true);
  auto by = forecast(policy.keep, now);
  EXPECT_EQ(goes(by, FieldClass::kReference, FieldKind::kName, GoesBy::kHeld), 1u);
  EXPECT_EQ(goes(by, FieldClass::kSecret, FieldKind::kPassword, GoesBy::kDay), 1u);
  EXPECT_EQ(by.rows().at({FieldClass::kReference, FieldKind::kName}).held_due, 0u);
  ASSERT_TRUE(customer.close_case(three, policy.keep, now));
  by = forecast(policy.keep, now + 366 * kDayMs);
  EXPECT_EQ(by.rows().at({FieldClass::kReference, FieldKind::kName}).held_due, 1u);
}

TEST_F(Forecasts, ItsJsonCountsAndNamesNothing) {
  auto& customer = fresh();
  store(customer, "name", *customer.open_case(policy.keep, now));
  const auto json = forecast(policy.keep, now).to_json();
  EXPECT_EQ(json.at("keep").at("reference_days").as_int64(), 365);
  const auto& row = json.at("classes").as_array().at(0).as_object();
  EXPECT_EQ(row.at("class").as_string(), "reference");
  EXPECT_EQ(row.at("kind").as_string(), "name");
  EXPECT_EQ(row.at("goes").at("no_end").to_number<int>(), 1);
  EXPECT_EQ(row.at("goes").as_object().size(), kGoesBy);
  EXPECT_EQ(boost::json::serialize(json).find(customer.id().hex()), std::string::npos);
}

}  // namespace
}  // namespace callward::vault
