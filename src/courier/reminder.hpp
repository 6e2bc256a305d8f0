// Reminders for employees: the courier's own words, so that whoever asks for one can say nothing
// with it but which request, until when, to whom.
#pragma once

#include <deque>
#include <string>

#include "keys/courier_protocol.hpp"

namespace callward::courier {

// `console`: where it is opened, "https://host". kMalformed: no such template, a time that is none.
Result<keys::Deliver> letter_of(keys::Remind asked, const std::string& console);

// At most so many of the last hour (monotonic ms), whoever asks.
class HourLimit {
 public:
  explicit HourLimit(std::size_t most) : most_(most) {}
  bool may(std::int64_t now);

 private:
  std::size_t most_;
  std::deque<std::int64_t> lately_;  // at most most_
};

}  // namespace callward::courier
