// A clause and the talk around it, as features of the second of the talk models: what kind of
// content it has, what the first model says of it, of the clause before it and of what the other
// side said last, what was asked, what the grammar's rules would do; alone, by two and by three. No
// word of the call is among them: people say things in more words than can be learnt. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "listen/talk_model.hpp"

namespace callward::listen {

// Of a clause, or of a whole turn.
struct Said {
  About about;  // of a turn: of the clause that asks most, or else says most
  bool question = false;
  bool secret = false;  // some of it was erased
  std::uint32_t end_ms = 0;
};

inline constexpr std::string_view kNoRule = "none";

struct ClauseView {
  bool agent = false;        // who speaks
  std::string_view content;  // a word for the kind of content: content_of()
  const Said* own = nullptr;
  // Absent ones are null: the clause before it in the same turn, the other side's last two turns
  // that say more than "mm-hm", and the speaker's own last turn.
  const Said *before = nullptr, *other = nullptr, *earlier = nullptr, *last = nullptr;
  std::string_view topic;  // what the grammar takes for asked: "asked", "harmless", "none", ...
  std::string_view kind;   // and its kind, if it is a secret
  std::string_view rule;   // what the grammar's rules would erase of it: its kind, or kNoRule
  bool secret_cue = false, harmless_cue = false;
  std::uint8_t confidence = 0;  // mean of the clause's words
  std::uint32_t start_ms = 0;   // of the turn
  bool secret_known = false;    // a secret was found in the call before
};

// "d9": nine to twelve digits; "letters", "mixed", "amount", "no" (it declines), "small" (phrases
// alone), "rare", "rare2" (words that mean nothing to the model), "plain".
struct Content {
  std::uint32_t digits = 0, letters = 0, rare = 0;
  bool amount = false, declined = false, phrases = false;
};
std::string_view content_of(const Content& content);

std::vector<std::string> clause_features(const ClauseView& view);

}  // namespace callward::listen
