#include "vault/policy.hpp"

#include <gtest/gtest.h>

namespace callward::vault {
namespace {

// The default one with some text exchanged for another.
Result<Policy> with(const std::string& what, const std::string& by) {
  auto text = default_policy_text();
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  text.replace(at, what.size(), by);
  return parse_policy(text, "policy.toml");
}
std::string refusal(const std::string& what, const std::string& by) {
  const auto policy = with(what, by);
  EXPECT_FALSE(policy) << by;
  return policy ? "" : policy.error().message;
}
bool says(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

TEST(Policies, TheDefaultOneIsGoodAndSaysWhatItDoesNotSay) {
  const auto policy = parse_policy(default_policy_text(), "policy.toml");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->fields.size(), 6u);
  EXPECT_EQ(policy->find("phone")->of_class, FieldClass::kReference);
  EXPECT_EQ(policy->find("email")->of_class, FieldClass::kContact);
  EXPECT_EQ(policy->find("password")->of_class, FieldClass::kSecret);
  EXPECT_EQ(policy->find("service_word")->of_class, FieldClass::kServiceWord);
  EXPECT_EQ(policy->find("nothing"), nullptr);
  // The commented lines are the defaults: what they say is what holds without them.
  std::string said;
  for (const auto& line : {default_policy_text()})
    for (std::size_t at = 0; at < line.size();) {
      const auto end = line.find('\n', at);
      const auto one = line.substr(at, end - at);
      said += (one.starts_with("# ") && says(one, " = ") ? one.substr(2) : one) + "\n";
      at = end + 1;
    }
  const auto spoken = parse_policy(said, "policy.toml");
  ASSERT_TRUE(spoken) << spoken.error().message;
  EXPECT_EQ(spoken->keep.reference_days, policy->keep.reference_days);
  EXPECT_EQ(spoken->keep.contact_days, policy->keep.contact_days);
  EXPECT_EQ(spoken->keep.secret_hours, policy->keep.secret_hours);
  const auto& a = spoken->limits;
  const auto& b = policy->limits;
  EXPECT_TRUE(a.assign_ms == b.assign_ms && a.ring_ms == b.ring_ms && a.call_ms == b.call_ms &&
              a.release_ms == b.release_ms && a.window_ms == b.window_ms &&
              a.window_ms_max == b.window_ms_max && a.review_ms == b.review_ms &&
              a.call_seconds_min == b.call_seconds_min && a.checks_min == b.checks_min &&
              a.rings_max == b.rings_max && a.number_days_young == b.number_days_young &&
              a.fields_max == b.fields_max);
}

TEST(Policies, NoPolicyWidensWhatIsPromised) {
  EXPECT_TRUE(says(refusal("# secret_hours = 24", "secret_hours = 25"), "1 to 24"));
  EXPECT_TRUE(says(refusal("# checks = 2", "checks = 1"), "2 to 5"));
  EXPECT_TRUE(says(refusal("# checks = 2", "checks = 0"), "2 to 5"));
  EXPECT_TRUE(says(refusal("# call_seconds = 30", "call_seconds = 5"), "30 to 600"));
  EXPECT_TRUE(says(refusal("# number_days = 30", "number_days = 0"), "30 to 365"));
  EXPECT_TRUE(says(refusal("# window_minutes_max = 60", "window_minutes_max = 600"), "1 to 60"));
  EXPECT_TRUE(says(refusal("# review_hours = 24", "review_hours = 48"), "1 to 24"));
  for (const auto* kind : {"password", "pin", "card", "code"})
    for (const auto* wide : {"reference", "contact", "service_word"})
      EXPECT_TRUE(says(refusal("kind = \"password\"",
                               std::string("kind = \"") + kind + "\"\nclass = \"" + wide + "\""),
                       "at most"))
          << kind << " " << wide;
  for (const auto* kind : {"email", "address", "text"})
    EXPECT_TRUE(says(
        refusal("kind = \"query\"", std::string("kind = \"") + kind + "\"\nclass = \"reference\""),
        "name, phone and query"))
        << kind;
  EXPECT_TRUE(
      says(refusal("kind = \"service_word\"", "kind = \"service_word\"\nclass = \"contact\""),
           "at most"));
  EXPECT_TRUE(says(refusal("kind = \"password\"", "kind = \"password\"\nsearch = true"), "search"));
}

TEST(Policies, StricterIsAllowed) {
  const auto policy = with("kind = \"query\"", "kind = \"query\"\nclass = \"secret\"");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->find("query")->of_class, FieldClass::kSecret);
}

TEST(Policies, WhatIsWrongIsNamed) {
  EXPECT_TRUE(says(refusal("[keep]", "[keeep]"), "[keep]"));
  EXPECT_TRUE(says(refusal("# contact_days = 30", "contact_day = 30"), "contact_days"));
  EXPECT_TRUE(says(refusal("label = \"Name\"", "lable = \"Name\""), "label"));
  EXPECT_TRUE(says(refusal("id = \"email\"", "id = \"phone\""), "two fields"));
  EXPECT_TRUE(says(refusal("id = \"email\"", "id = \"E-mail\""), "field 4.id"));
  EXPECT_TRUE(says(refusal("kind = \"email\"", "kind = \"fax\""), "fax"));
  EXPECT_TRUE(
      says(refusal("kind = \"phone\"", "kind = \"phone\"\nclass = \"contact\""), "rung back"));
  EXPECT_TRUE(says(refusal("name = \"Example Support\"", ""), "company.name"));
  EXPECT_TRUE(says(refusal("[[field]]", "[[field"), "line"));
  EXPECT_FALSE(parse_policy("", "policy.toml"));
  EXPECT_FALSE(parse_policy("field = 3", "policy.toml"));
}

TEST(Policies, WhatIsThereKeepsItsClass) {
  const auto now = *parse_policy(default_policy_text(), "policy.toml");
  EXPECT_TRUE(relaxes(now, now).empty());
  auto wanted = now;
  wanted.keep.secret_hours = 12;
  wanted.keep.reference_days = 30;
  EXPECT_TRUE(relaxes(now, wanted).empty()) << "shorter is no relaxing";
  wanted.keep.reference_days = 400;
  wanted.fields[3].of_class = FieldClass::kReference;
  wanted.fields[2].kind = FieldKind::kText;
  EXPECT_EQ(relaxes(now, wanted).size(), 3u);
}

}  // namespace
}  // namespace callward::vault
