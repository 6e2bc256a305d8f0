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

| state | step | then | of | who | told by e-mail |
|---|---|---|---|---|---|
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

std::string_view words(Action action) {
  switch (action) {
    case Action::kTellExpert:
      return "the expert";
    case Action::kTellAuthorised:
      return "authorised persons who may";
    case Action::kTellRequester:
      return "the requester";
    case Action::kAlarmOwner:
      return "the owners, as an alarm";
    case Action::kTellManager:
      return "a superior of the requester, else the owners";
    case Action::kFindExpert:
    case Action::kDial:
    case Action::kWipeReaders:
      return "";
  }
  return "";
}

std::string told(const TableRow& row) {
  std::string out;
  for (const auto action : row.actions)
    if (const auto whom = words(action); !whom.empty())
      out += (out.empty() ? "" : "; ") + std::string(whom);
  return out;
}

}  // namespace

std::string table_markdown() {
  std::string out(kHead);
  for (const auto& row : table())
    out += std::string("| `") + to_text(row.from) + "` | `" + to_text(row.event) + "` | `" +
           to_text(row.to) + "` | " + std::string(words(row.asks)) + " | " +
           std::string(who_may(row.event)) + " | " + told(row) + " |\n";
  out +=
      "\nWhere two release (a number that was changed lately), the first `release` leads from "
      "`verified` to `half_released`, and the other authorised persons are told.\n\nWhat is asked "
      "and "
      "finds no expert on duty who may take it is told to the experts who are not, and where there "
      "is none to the owners. An expert to whom it is `assigned`, and who goes off duty, leaves or "
      "may not verify it any more before the customer is rung, loses it to another one, by the "
      "same "
      "step; while there is none on duty it is theirs still, and the same people are told. What "
      "waits for a release or for a second one, where no authorised person may give it, is told to "
      "the owners. "
      "Whoever could go on, and who asked, are told again some time before it lapses.\n\nOver, for "
      "everybody: ";
  std::string over;
  for (std::size_t i = 0; i < kStates; ++i)
    if (const auto state = static_cast<State>(i); is_over(state))
      over += std::string(over.empty() ? "`" : ", `") + to_text(state) + "`";
  return out + over + ".\n";
}

}  // namespace callward::disclose
