// docs/disclosure.md: the table of what may happen to a request, as people read it.
#include <algorithm>

#include "disclose/request.hpp"

namespace callward::disclose {
namespace {

constexpr std::string_view kHead =
    R"(# What may happen to a request

Written by `callward log steps` from the table in `src/disclose/request.cpp`, by which the keeper
judges each step, the rule check judges the log, and a screen says who may go on. Do not edit.

A request for **fields** asks for some fields of a customer. One for **own data** (category
`own_data`) is asked when the customer rings and wants to know what is kept of them: it names no
field, and none of its states opens any.

| state | step | then | of | who |
|---|---|---|---|---|
)";

std::string_view words(Asks asks) {
  switch (asks) {
    case Asks::kAny:
      return "any";
    case Asks::kFields:
      return "fields";
    case Asks::kOwnData:
      return "own data";
  }
  return "";
}

}  // namespace

std::string table_markdown() {
  std::string out(kHead);
  for (const auto& row : table())
    out += std::string("| `") + to_text(row.from) + "` | `" + to_text(row.event) + "` | `" +
           to_text(row.to) + "` | " + std::string(words(row.asks)) + " | " +
           std::string(who_may(row.event)) + " |\n";
  out +=
      "\nWhere two release (a number that was changed lately), the first `release` leads from "
      "`verified` to `half_released`.\n\nOver, for everybody: ";
  std::string over;
  for (std::size_t i = 0; i < kStates; ++i)
    if (const auto state = static_cast<State>(i); is_over(state))
      over += std::string(over.empty() ? "`" : ", `") + to_text(state) + "`";
  return out + over + ".\n";
}

}  // namespace callward::disclose
