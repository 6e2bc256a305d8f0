// The page for callers: what it promises is what the policy says, and no text of the policy is ever
// markup.
#include "vault/policy_page.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace callward::vault {
namespace {

Policy policy_of(const std::string& text = default_policy_text()) {
  return *parse_policy(text, "policy.toml");
}
bool has(const std::string& page, const std::string& words) {
  return page.find(words) != std::string::npos;
}

TEST(PolicyPage, SaysWhatIsAskedAndHowLongItIsKept) {
  auto policy = policy_of();
  policy.keep.reference_days = 91;
  policy.keep.contact_days = 7;
  policy.keep.secret_hours = 1;
  const auto page = policy_page(policy);
  for (const auto& field : policy.fields) EXPECT_TRUE(has(page, field.label)) << field.id;
  EXPECT_TRUE(has(page, policy.company));
  EXPECT_TRUE(has(page, policy.contact));
  EXPECT_TRUE(has(page, "until 91 days after your case is closed"));
  EXPECT_TRUE(has(page, "for comparing 7 days longer"));
  EXPECT_TRUE(has(page, "for 1 hour at most"));
  // As customer.cpp does it: what can only be compared from the start lives as long as references.
  EXPECT_EQ(kept_for(FieldClass::kServiceWord, policy.keep),
            kept_for(FieldClass::kReference, policy.keep));
  EXPECT_NE(kept_for(FieldClass::kContact, policy.keep),
            kept_for(FieldClass::kReference, policy.keep));
}

TEST(PolicyPage, SaysWhatADisclosureTakes) {
  auto policy = policy_of();
  policy.limits.checks_min = 3;
  policy.limits.call_seconds_min = 45;
  policy.limits.window_ms = 10 * 60'000;
  policy.limits.window_ms_max = 60 * 60'000;
  policy.limits.number_days_young = 40;
  policy.limits.review_ms = 12 * 3'600'000;
  const auto page = policy_page(policy);
  for (const char* words : {"at least 3 further checks", "at least 45 seconds", "for 10 minutes",
                            "more than 1 hour", "last 40 days", "within 12 hours"})
    EXPECT_TRUE(has(page, words)) << words;
}

// What it says of recordings is what holds of them: recognising has gaps, and what was said can be
// heard by who may hear that.
TEST(PolicyPage, PromisesNoMoreThanHolds) {
  const auto page = policy_page(policy_of());
  for (const char* words :
       {"They do not recognise everything", "erased where they are recognised",
        "can hear it, unless it was recognised and erased", "If life or property is in danger",
        "destroyed when somebody has seen them once",
        "Recordings of calls are heard by our reviewers",
        "never by the employee who asked or the expert who called you",
        "The recordings of your calls are not part of it"})
    EXPECT_TRUE(has(page, words)) << words;
  for (const char* words : {"are found and erased", "If a life", "have been used once"})
    EXPECT_FALSE(has(page, words)) << words;
}

// A class that nothing is of has no heading: nothing is said of what does not happen.
TEST(PolicyPage, LeavesOutWhatIsNotAsked) {
  auto policy = policy_of();
  EXPECT_TRUE(has(policy_page(policy), "Never readable"));
  std::erase_if(policy.fields,
                [](const auto& f) { return f.of_class == FieldClass::kServiceWord; });
  EXPECT_FALSE(has(policy_page(policy), "Never readable"));
}

std::string tags_of(const std::string& page) {
  std::string tags;
  bool inside = false;
  for (const char c : page) {
    if (c == '<') inside = true;
    if (inside) tags += c;
    if (c == '>') inside = false;
  }
  return tags;
}

TEST(PolicyPage, HasNoScriptNoStyleAndNothingThatIsFetched) {
  const auto page = policy_page(policy_of());
  for (const char* word : {"<script", "<style", "style=", "<img", "<link", "src=", "href=", "<form",
                           "onclick", "javascript:"})
    EXPECT_FALSE(has(page, word)) << word;
}

TEST(PolicyPage, NoTextOfThePolicyBecomesMarkup) {
  EXPECT_TRUE(rc::check("markup in texts", [] {
    static const auto kMarks = std::string("<>&\"'/=! -`\\scriptxon\t\n\r\x01\x7f");
    const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(kMarks));
    auto plain = policy_of();
    auto policy = plain;
    policy.company = policy.contact = policy.fields[0].label = text;
    plain.company = plain.contact = plain.fields[0].label = "x";
    RC_ASSERT(tags_of(policy_page(policy)) == tags_of(policy_page(plain)));
  }));
}

TEST(PolicyPage, EscapesEachMarkAndDropsControls) {
  EXPECT_EQ(escape_html("a<b>\"c'&\x01\x1f\x7f\nd"), "a&lt;b&gt;&quot;c&#39;&amp;\nd");
  EXPECT_EQ(escape_html("ümlaut"), "ümlaut");
}

}  // namespace
}  // namespace callward::vault
