// The words of a reviewer's marks: the only ones there are, in entries, requests and on screens. A
// mark says what something was and why the listener got it wrong, never what was said.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace callward::quality {

// What was missed: reasons of erasing (erase/reasons.hpp), by which it is ordered erased.
inline constexpr std::array<std::string_view, 9> kMissedKinds = {
    "password",        "pin",        "card", "cvv", "otp", "national_id", "spelled_secret",
    "security_answer", "secret_like"};
inline constexpr std::array<std::string_view, 9> kMissedCauses = {
    "question_not_understood",  // it was asked for in words that were not known, or heard wrongly
    "answer_not_understood",    // the question was known, the answer was not taken for one
    "read_back",                // said again by who had asked
    "volunteered",              // nobody had asked
    "said_again",               // later, by who had said it
    "keyed",                    // by tones
    "other_side",               // spoken into by the far side, or its echo
    "cut_edge",                 // it was found, and begins or ends outside what was erased
    "other"};

// What was erased, and was no secret.
inline constexpr std::array<std::string_view, 9> kNeedlessKinds = {
    "phone", "order", "date", "name", "address", "amount", "product", "small_talk", "other"};
inline constexpr std::array<std::string_view, 5> kNeedlessCauses = {
    "harmless_question",  // what was asked for is no secret
    "no_question",        // digits or letters that nobody had asked for
    "not_understood",     // after a secret question, speech that was not recognised
    "too_late",           // the answer was over
    "other"};

// How a call came to be listened to.
inline constexpr std::array<std::string_view, 2> kChosen = {"random", "reason"};

inline constexpr std::string_view kMissedEntry = "secret_missed",
                                  kNeedlessEntry = "erasure_needless",
                                  kReviewedEntry = "call_reviewed";

constexpr bool is_one_of(const auto& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// Of the entries' types.
constexpr bool is_mark(std::string_view type) {
  return type == kMissedEntry || type == kNeedlessEntry || type == kReviewedEntry;
}

}  // namespace callward::quality
