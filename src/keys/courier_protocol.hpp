// Messages that the courier brings to people outside: by e-mail, by text message. Two ask for them:
//   the keeper, over run/keeper.sock: the courier connects, says Hello as PeerRole::kCourier, and
//     gets Deliver as a request of the keeper (its frame id is the keeper's);
//   the server, over run/courier.sock: it says Hello as PeerRole::kServer, and sends Remind, which
//     has no text: the courier writes it, from a template of its own. Deliver is not the server's.
// Each request gets one reply with its frame id: Delivered once the outcome is known (at the
// deadline at the latest), or ErrorReply at once (kFull: too many wait; send it again later).
//
// Who asked repeats an unanswered Deliver after a broken connection, with the same id: the courier
// goes on with the one that it has, or says again how it ended. A courier that died between the
// other side's "taken" and its own reply sends a message twice, with the same Message-ID, the same
// id for the gateway.
#pragma once

#include "base/pack.hpp"

namespace callward::keys {

using DeliveryId = Id<struct DeliveryTag>;

inline constexpr std::size_t kCourierFrameBytesMax = 64u << 10;
// Beyond these a message is refused (`too_long`).
inline constexpr std::size_t kSubjectBytesMax = 200;
inline constexpr std::size_t kMailTextBytesMax = 8u << 10;
inline constexpr std::size_t kSmsTextBytesMax = 1'000;
// A deadline further away counts as this.
inline constexpr std::int64_t kDeliveryMsMax = 24 * 3'600'000;

enum class DeliveryChannel : std::uint8_t { kEmail = 1, kSms = 2 };
constexpr const char* to_text(DeliveryChannel channel) {
  return channel == DeliveryChannel::kSms ? "sms" : "email";
}

struct Deliver {  // -> Delivered
  static constexpr std::uint16_t kType = 262;
  DeliveryId id;  // random; whoever sees it learns nothing
  DeliveryChannel channel{};
  SecretBytes address;      // one: user@example.com, or E.164 with its plus
  std::string subject;      // e-mail only, UTF-8, nothing personal: else empty
  SecretBytes text;         // UTF-8, lines end with \n
  std::int64_t deadline{};  // UTC ms: not given to anybody after it
  template <class V>
  void visit(V& v) {
    v(id, channel, address, subject, text, deadline);
  }
};

enum class DeliveryOutcome : std::uint8_t {
  kTaken = 1,      // the mail server or the gateway has taken it; whether it arrives, it knows
  kRefused = 2,    // for good: no such mailbox, an address or a text that cannot be sent
  kGivenUp = 3,    // the deadline has passed
  kNoChannel = 4,  // the configuration names no server for this channel
};
constexpr const char* to_text(DeliveryOutcome outcome) {
  switch (outcome) {
    case DeliveryOutcome::kTaken:
      return "taken";
    case DeliveryOutcome::kRefused:
      return "refused";
    case DeliveryOutcome::kGivenUp:
      return "given_up";
    case DeliveryOutcome::kNoChannel:
      return "no_channel";
  }
  return "unknown";
}

// What an employee is reminded of. Each number is a template of the courier's, and no other's ever.
enum class Waits : std::uint8_t {
  kCallBack = 1,       // a request, for its expert
  kRelease = 2,        // for an authorised person
  kSecond = 3,         // for a second one
  kReview = 4,         // for a superior
  kReviewOverdue = 5,  // and its time is over
  kLapses = 6,         // it ends soon, undone
  kBroken = 7,         // break-glass: an alarm
  // What became of it, for who asked:
  kOpened = 8,
  kConfirmed = 9,
  kDeclined = 10,     // by an authorised person
  kNotVerified = 11,  // by its expert
  kLapsed = 12,
  kRevoked = 13,
  kReported = 14,    // its expert refused it, for a superior of who asked
  kOffDuty = 15,     // no expert is on duty who may take it, for those who are not
  kNoExpert = 16,    // ... and there is none, for the owners
  kNoReleaser = 17,  // no authorised person may release it, or be the second, for the owners
};
inline constexpr std::uint8_t kWaitsMax = 17;

// A reminder by e-mail. All that can differ: whose address, which template, which request, until
// when. Goes out at most kRemindersPerHourMax times an hour, those of break-glass kAlarmsPerHourMax
// times besides; beyond that: kFull.
inline constexpr std::size_t kRemindersPerHourMax = 2'000, kAlarmsPerHourMax = 500;
struct Remind {  // -> Delivered
  static constexpr std::uint16_t kType = 265;
  DeliveryId id;
  Waits waits{};
  SecretBytes address;
  RequestId request;
  std::int64_t until = 0;   // UTC ms; 0: it says none
  std::int64_t deadline{};  // as in Deliver
  template <class V>
  void visit(V& v) {
    v(id, waits, address, request, until, deadline);
  }
};

struct Delivered {
  static constexpr std::uint16_t kType = 162;
  DeliveryId id;
  DeliveryOutcome outcome{};
  std::string reason;  // a word for logs, of ours: "smtp_550", "deadline"; never what was sent
  template <class V>
  void visit(V& v) {
    v(id, outcome, reason);
  }
};

}  // namespace callward::keys
