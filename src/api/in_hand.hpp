// Whom an agent has at hand: customers that a look-up of theirs found, or that they typed in.
// In memory only: after a restart they look up again. Safe to be asked from several threads.
#pragma once

#include <deque>
#include <map>
#include <mutex>

#include "base/id.hpp"

namespace callward::api {

class InHand {
 public:
  static constexpr std::int64_t kKeptMs = 12 * 3'600'000;  // a shift
  static constexpr std::size_t kOfPersonMax = 200;         // then the oldest goes
  static constexpr std::size_t kPeopleMax = 5'000;         // then whoever was idle longest goes

  void note(const PersonId& person, const CustomerId& customer, std::int64_t now_ms);
  [[nodiscard]] bool has(const PersonId& person, const CustomerId& customer,
                         std::int64_t now_ms) const;

 private:
  struct Held {
    CustomerId customer;
    std::int64_t at = 0;  // monotonic
  };
  mutable std::mutex mutex_;
  std::map<PersonId, std::deque<Held>> people_;  // oldest first
};

}  // namespace callward::api
