// Whose calls run now: which call is at which agent's telephone, as the recorder says. In memory
// only. And how often an address may try what needs no sign-in.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"

namespace callward::api {

class LiveCalls {
 public:
  struct Live {
    CallId call;
    std::string extension;        // whatever its spelling
    std::int64_t started_at = 0;  // UTC ms
    std::string attestation;      // the call's flag that says it, or empty
    bool call_back = false;       // we rang: nothing is typed in it
  };
  static constexpr std::size_t kCallsMax = 20'000;  // beyond it one is not known: nobody's

  [[nodiscard]] bool knows(const CallId& call) const;
  // What was known of it before, if it was: it may have gone to another telephone.
  std::optional<Live> begin(const Live& live);
  // Whose it was, if it was somebody's.
  std::optional<Live> end(const CallId& call);
  // All but these end; which that are.
  std::vector<Live> keep(const std::set<CallId>& running);
  [[nodiscard]] std::optional<Live> find(const CallId& call) const;
  // The newest at this telephone; none for an empty one.
  [[nodiscard]] std::optional<Live> at(const std::string& extension) const;

 private:
  struct Known {
    Live live;
    std::string key;  // of its telephone (base/telephone.hpp)
  };
  mutable std::mutex mutex_;
  std::map<CallId, Known> calls_;
};

// So many tries a minute for each key (an address) and for all together.
class TryLimit {
 public:
  TryLimit(Clock& clock, std::size_t each, std::size_t all, std::int64_t window_ms = 60'000)
      : clock_(clock), each_(each), all_(all), window_ms_(window_ms) {}
  bool may(const std::string& key);
  static constexpr std::size_t kKeysMax = 10'000;  // of a window; beyond it nobody new may

 private:
  Clock& clock_;
  std::size_t each_, all_;
  std::int64_t window_ms_;
  std::mutex mutex_;
  std::int64_t window_ = -1;
  std::size_t count_ = 0;
  std::unordered_map<std::string, std::size_t> counts_;
};

}  // namespace callward::api
