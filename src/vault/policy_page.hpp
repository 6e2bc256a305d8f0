// The page that tells callers what becomes of what they say and type: HTML, in plain words, made
// from the policy in force and nothing else. No script, no style, no picture, no address but the
// contact's.
//
// INVARIANT: of the policy's texts (company, contact, labels) none can become markup: whatever
// stands in them is shown as it stands there (policy_page_test.cpp tries).
#pragma once

#include <string>
#include <string_view>

#include "vault/policy.hpp"

namespace callward::vault {

std::string policy_page(const Policy& policy);

// How long an answer of this class is kept, as a sentence without its full stop: "until 365 days
// after your case is closed". The forms' chips say the same.
std::string kept_for(FieldClass of_class, const Keep& keep);

// `& < > " '` as character references; control characters are left out, but for line breaks.
std::string escape_html(std::string_view text);

}  // namespace callward::vault
