// Messages to the keeper, continued: which calls run, and at whose telephones they are, from the
// recorder; what persons do about whole calls, legal holds and mirrors, from the server. The rules
// are those of keeper_protocol.hpp.
#pragma once

#include "keys/keeper_protocol.hpp"

namespace callward::keys {

// After a recorder's or a keeper's start: every call that the recorder has, those included that it
// has just asked for. What else began, and left no trace but that, ends (kNeverRecorded).
inline constexpr const char* kNeverRecorded = "never_recorded";
struct RunningCalls {  // -> Ack, after their ends are durable
  static constexpr std::uint16_t kType = 117;
  std::vector<CallId> calls;
  template <class V>
  void visit(V& v) {
    v(calls);
  }
};

// From the recorder: at whose telephone a call is, as signal knows it, its number or name, one of
// ours. Said when it is known, whenever it changes, and again to each keeper. kState: the call is
// over. kUnavailable, kBusy: later.
inline constexpr std::size_t kCallTelephoneBytesMax = 64;
struct CallAt {  // -> Ack, after call_at is durable, or was
  static constexpr std::uint16_t kType = 119;
  CallId call;
  std::string telephone;  // empty: nobody's, or several
  template <class V>
  void visit(V& v) {
    v(call, telephone);
  }
};
// Event to the recorder: a keeper that took over knows of no call at whose telephone it is.
struct CallsAtWanted {
  static constexpr std::uint16_t kType = 225;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};

// The owner's word about a mirror that cannot be reached: it is waited for no longer. Logged
// (mirror_retired). kState: it is good, or the last one.
struct RetireMirror {  // -> MirrorRetired
  static constexpr std::uint16_t kType = 145;
  std::uint32_t number = 0;  // 1 is the first
  std::string actor;
  std::string reason_hash;  // hex SHA-256(r || reason)
  template <class V>
  void visit(V& v) {
    v(number, actor, reason_hash);
  }
};
struct MirrorRetired {
  static constexpr std::uint16_t kType = 245;
  bool destroyed = false;   // it answered after all: no key lives there
  std::uint64_t epoch = 0;  // else the one that it was last seen in; 0: not known
  template <class V>
  void visit(V& v) {
    v(destroyed, epoch);
  }
};

// All of a call: its keys and its row. Ordered by one person, held until another confirms it
// (DecideHeld); the call opens to nobody meanwhile. kState: it runs, is not yet heard, or is under
// a legal hold.
struct EraseCall {  // -> OrderAccepted (kHeld)
  static constexpr std::uint16_t kType = 146;
  OrderId order;
  CallId call;
  std::string reason;  // a code of erase/reasons.hpp
  std::string actor;
  template <class V>
  void visit(V& v) {
    v(order, call, reason, actor);
  }
};
// A legal hold: the call is not erased as a whole, nor beyond one person's share of it.
struct SetHold {  // -> Ack, after hold_set or hold_lifted is durable
  static constexpr std::uint16_t kType = 147;
  CallId call;
  bool on = false;
  std::string actor;
  std::string reason_hash;  // as in Open
  template <class V>
  void visit(V& v) {
    v(call, on, actor, reason_hash);
  }
};
struct HoldsRequest {  // -> Holds
  static constexpr std::uint16_t kType = 148;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct Holds {
  static constexpr std::uint16_t kType = 248;
  std::uint64_t total = 0;
  std::vector<CallId> calls;  // at most Keeper::kHeldListMax of them
  template <class V>
  void visit(V& v) {
    v(total, calls);
  }
};

// The agent's button: from "on" to "off" what is recorded of a live call is ordered erased, with
// reason `private`, on every stream but those of `kept`: the agent's own, where only the customer
// is private. It names no range: a stretch begins now, and ends by itself at the keeper's bound or
// with the call. Repeats change nothing, but that one side becomes both from now on; both never
// become one. kState: no live call, or over a bound (private_refused); kDenied: another person's;
// kMalformed: `kept` has the customer's stream, or none that a call has.
struct PrivateMode {  // -> PrivateState, after private_on or private_off is durable
  static constexpr std::uint16_t kType = 160;
  CallId call;
  bool on = false;
  std::string actor;
  std::uint16_t kept = 0;  // bit mask of streams that stay recorded; 0: both sides are private
  template <class V>
  void visit(V& v) {
    v(call, on, actor, kept);
  }
};
struct
    PrivateLook {  // -> PrivateState; changes nothing, and is no entry. kState, kNotFound: as above
  static constexpr std::uint16_t kType = 165;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(call);
  }
};
struct PrivateState {
  static constexpr std::uint16_t kType = 260;
  bool on = false;
  std::uint16_t kept = 0;     // on: streams that are recorded all the same
  std::uint32_t left_ms = 0;  // on: until it ends by itself
  std::uint32_t wait_ms = 0;  // off: until it may be on again
  std::uint32_t times = 0;    // of this call, this one too
  std::uint32_t used_ms = 0;  // ... and how long: one that is on counts with its bound
  template <class V>
  void visit(V& v) {
    v(on, kept, left_ms, wait_ms, times, used_ms);
  }
};

}  // namespace callward::keys
