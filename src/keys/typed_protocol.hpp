// A secret, or a service word, that was typed into a field while a call ran: the keeper has the
// listener look for where it was spoken. Both messages are events; types 164 (to the keeper) and
// 264 (from it), by the rules of keeper_protocol.hpp.
//
//   keeper ── SearchTyped ──▶ listener    again to each listener that comes, until it is done
//   keeper ◀── TypedFound ── listener     when something was found, and at the end
//
// What is found comes as an EraseOrder like any other, with the reason `typed_secret`. The value
// stands in the memory of both processes until the call was listened to, and in no file: frames
// that carry it are packed without growing, and wiped.
#pragma once

#include "keys/keeper_protocol.hpp"

namespace callward::keys {

inline constexpr std::size_t kTypedValueBytesMax = 256;
// What the field held, for the operator's eyes alone: the search takes all alike. Every kind of
// field, since a policy may call any of them a secret; of those that are none no search is begun.
inline constexpr std::array<std::string_view, 11> kTypedKinds = {
    "password", "pin",   "card",  "code",    "service_word", "name",
    "phone",    "query", "email", "address", "text"};

struct SearchTyped {
  static constexpr std::uint16_t kType = 264;
  CallId call;
  SearchId search;    // repeats change nothing
  SecretBytes value;  // UTF-8 as typed, 1 to kTypedValueBytesMax bytes
  std::string kind;   // of kTypedKinds
  template <class V>
  void visit(V& v) {
    v(call, search, value, kind);
  }
};

struct TypedFound {
  static constexpr std::uint16_t kType = 164;
  CallId call;
  SearchId search;
  std::uint32_t places = 0;  // ordered by this listener so far; an earlier one's are not counted
  bool done = false;         // the call was searched to its end: nothing more will come
  bool missed = false;       // not all of it: words were no longer there, or nobody looks for this
  template <class V>
  void visit(V& v) {
    v(call, search, places, done, missed);
  }
};

}  // namespace callward::keys
