// What a child's heartbeats say: whether it works now, and whether it has stopped to live.
#pragma once

#include <cstdint>

namespace callward::app {

class Pulse {
 public:
  static constexpr std::int64_t kFreshNs = 5'000'000'000;    // they come each second
  static constexpr std::int64_t kSilentNs = 30'000'000'000;  // then it hangs

  void beat(std::int64_t now_ns, bool ready) {
    last_ns_ = now_ns;
    ready_ = ready;
  }
  // A child ended, or one begins: nothing is known of it but that it is there.
  void reset(std::int64_t now_ns) { beat(now_ns, false); }
  // Whoever takes the beats slept (a stopped supervisor): silence meanwhile proves nothing.
  void excuse(std::int64_t now_ns) { last_ns_ = now_ns; }

  [[nodiscard]] bool said_ready() const { return ready_; }
  [[nodiscard]] bool ready(std::int64_t now_ns) const {
    return ready_ && age_ns(now_ns) < kFreshNs;
  }
  [[nodiscard]] bool silent(std::int64_t now_ns) const { return age_ns(now_ns) >= kSilentNs; }
  [[nodiscard]] std::int64_t age_ns(std::int64_t now_ns) const { return now_ns - last_ns_; }

 private:
  std::int64_t last_ns_ = 0;
  bool ready_ = false;
};

}  // namespace callward::app
