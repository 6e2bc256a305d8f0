// What the server refused, for whoever watches over it: counted by why, and told on standard error.
// Of each kind, operation and asker one line a minute, of all 60; what is beyond is told as a
// number once the minute is over. A line has ids and an address, never what was asked with: no
// token, no path, no name that somebody typed.
//
// A line that was told stands in the journal of the installation, not in the audit log, whose
// entries cost a write to the disk and stay for ever. Sign-ins are there, too.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_set>

#include "base/clock.hpp"

namespace callward::api {

enum class Refused : std::uint8_t {
  kSignIn,         // a passphrase, a passkey, a code
  kNoSession,      // none, or one that is over; counted only: each page that waits too long asks so
  kOperatorToken,  // another than the operator's
  kNoHeader,       // a write without the header that no foreign page can send
  kRole,           // a route is for others
  kCodeSession,    // came in by a code, which does nothing
  kDenied,         // a handler's, the keeper's
  kNotThere,       // or not this person's to see
  kNoRoute,        // no such address or method
  kMalformed,
  kTooMany,
  kTls,  // a connection that came to no agreement
};
inline constexpr std::size_t kRefusedKinds = 12;
const char* to_text(Refused why);

struct Refusal {
  Refused why{};
  std::string operation;  // of the specification, or "-"
  std::string actor;      // a person's id, "operator" or "-"
  std::string address;
};

class Refusals {
 public:
  using TellOne = std::function<void(const Refusal&)>;
  using TellMore = std::function<void(std::uint64_t untold)>;
  explicit Refusals(Clock& clock);  // tells by log_event
  Refusals(Clock& clock, TellOne one, TellMore more)
      : clock_(clock), tell_one_(std::move(one)), tell_more_(std::move(more)) {}

  void note(const Refusal& refusal);
  [[nodiscard]] std::array<std::uint64_t, kRefusedKinds> counts() const;

  static constexpr std::size_t kLinesMax = 60;  // a minute

 private:
  Clock& clock_;
  TellOne tell_one_;
  TellMore tell_more_;
  mutable std::mutex mutex_;
  std::array<std::uint64_t, kRefusedKinds> counts_{};
  std::int64_t minute_ = -1;
  std::uint64_t untold_ = 0;
  std::unordered_set<std::string> told_;  // of this minute; at most kLinesMax
};

}  // namespace callward::api
