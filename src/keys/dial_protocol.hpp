// Messages between the keeper and signal: the call-back (RFC 3725), which the keeper orders and
// signal dials. The rules are those of keeper_protocol.hpp.
//
// The customer's number goes from the keeper to signal and no further: it stands in signal's
// memory, in the requests of the customer's own leg, and sealed in the call's data.
#pragma once

#include "keys/keeper_protocol.hpp"

namespace callward::keys {

inline constexpr std::size_t kDialsMax = 64;             // that run at a time
inline constexpr std::size_t kDialExpertBytesMax = 128;  // extension or SIP URI
inline constexpr std::size_t kDialNumberBytesMax = 16;   // E.164: '+' and 15 digits
inline constexpr std::uint32_t kDialMsMax = 4 * 3'600'000;

// How far a call-back is. Each is told once, in this order; a call-back that fails goes to kEnded
// from wherever it is.
enum class DialState : std::uint8_t {
  kRingingExpert = 1,
  kExpertAnswered = 2,
  kRingingCustomer = 3,
  kConnected = 4,  // both talk, and are recorded
  kEnded = 5
};
// Why it ended.
enum class DialCause : std::uint8_t {
  kNone = 0,  // it has not
  kNoAnswerExpert = 1,
  kBusyExpert = 2,
  kRefusedExpert = 3,
  kNoAnswerCustomer = 4,
  kBusy = 5,     // the customer
  kRefused = 6,  // the customer, or whoever carries the call there
  kHungUpExpert = 7,
  kHungUpCustomer = 8,
  kByKeeper = 9,
  kDeadline = 10,
  kNotRecorded = 11,  // the recorder is away, full, or has lost the call
  kSignalLost = 12,   // signal was restarted in mid-call
  kFailed = 13        // no route, no codec in common, credentials refused, ...
};
constexpr const char* to_text(DialCause cause) {
  constexpr std::array kWords = {"none",
                                 "no_answer_expert",
                                 "busy_expert",
                                 "refused_expert",
                                 "no_answer_customer",
                                 "busy",
                                 "refused",
                                 "hung_up_expert",
                                 "hung_up_customer",
                                 "by_keeper",
                                 "deadline",
                                 "not_recorded",
                                 "signal_lost",
                                 "failed"};
  return static_cast<std::size_t>(cause) < kWords.size() ? kWords[static_cast<std::size_t>(cause)]
                                                         : "failed";
}
constexpr const char* to_text(DialState state) {
  constexpr std::array kWords = {"unknown",          "ringing_expert", "expert_answered",
                                 "ringing_customer", "connected",      "ended"};
  return static_cast<std::size_t>(state) < kWords.size() ? kWords[static_cast<std::size_t>(state)]
                                                         : "unknown";
}

// Request of the keeper to signal (the id is the keeper's).
struct Dial {  // -> DialTaken
  static constexpr std::uint16_t kType = 261;
  DialId dial;                    // fresh and random; one that runs already is refused
  std::string expert;             // an extension, or "sip:..."
  SecretBytes number;             // the customer's, E.164 with its '+'
  std::uint32_t deadline_ms = 0;  // from now on: then whatever is left of it is hung up
  std::uint32_t ring_expert_ms = 0, ring_customer_ms = 0;
  template <class V>
  void visit(V& v) {
    v(dial, expert, number, deadline_ms, ring_expert_ms, ring_customer_ms);
  }
};
enum class DialRefusal : std::uint8_t {
  kNone = 0,           // taken: DialProgress follows
  kNotConfigured = 1,  // no [callback]
  kMalformed = 2,      // expert, number or times
  kRuns = 3,           // that dial id
  kFull = 4,           // kDialsMax, or no ports
  kNotRecorded = 5     // the recorder is away
};
struct DialTaken {
  static constexpr std::uint16_t kType = 161;
  DialId dial;
  DialRefusal refusal{};
  template <class V>
  void visit(V& v) {
    v(dial, refusal);
  }
};

// Event from signal. After a broken connection the latest of each dial is told again, and the end
// of each that ended meanwhile.
struct DialProgress {
  static constexpr std::uint16_t kType = 163;
  DialId dial;
  DialState state{};
  DialCause cause{};  // of kEnded
  // What signal knows of the recording; zero: none yet. The recorder's word counts (DialRecorded).
  CallId call;
  std::uint32_t talked_ms = 0;  // since both were connected
  template <class V>
  void visit(V& v) {
    v(dial, state, cause, call, talked_ms);
  }
};

// Event to signal: end it, wherever it is. Of a dial that does not run: nothing to do.
struct HangUp {
  static constexpr std::uint16_t kType = 263;
  DialId dial;
  template <class V>
  void visit(V& v) {
    v(dial);
  }
};

// From the recorder, once CallStart was answered, and again to each later keeper: this call is the
// recording of that dial. Told before the call's end is. Its own message, so that the protocol's
// version stays what it is.
struct DialRecorded {  // -> Ack
  static constexpr std::uint16_t kType = 118;
  DialId dial;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(dial, call);
  }
};

}  // namespace callward::keys
