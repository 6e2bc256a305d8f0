// Waiting longer after each failure: of an account, of an address, of a person's second factor.
//
// From the third failure on the next try must wait 2^n seconds, at most 5 minutes; a right one too
// soon is refused like a wrong one. Half an hour after the last wait failures are forgotten.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace callward::people {

class Throttle {
 public:
  explicit Throttle(Clock& clock) : clock_(clock) {}
  // kBusy with the seconds to wait in its words.
  Status may_try(const std::string& key);
  // The same, and counts it as failed until passed(): of many tries at once each is one.
  Status begin_try(const std::string& key);
  void failed(const std::string& key);
  void passed(const std::string& key);

  static constexpr std::size_t kKeysMax = 100'000;           // then all are forgotten
  static constexpr std::int64_t kForgottenMs = 30 * 60'000;  // after the last wait
  static constexpr std::int64_t kWaitMsMax = 300'000;

 private:
  struct Failures {
    std::uint32_t count = 0;
    std::int64_t not_before_ms = 0;  // monotonic
  };
  Status check(const std::string& key) const;  // with the lock
  void count(const std::string& key);
  Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Failures> failures_;
};

}  // namespace callward::people
