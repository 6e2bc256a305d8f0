#include "api/live_calls.hpp"

namespace callward::api {

bool LiveCalls::knows(const CallId& call) const {
  const std::lock_guard lock(mutex_);
  return calls_.contains(call);
}

void LiveCalls::begin(const Live& live) {
  const std::lock_guard lock(mutex_);
  if (calls_.size() < kCallsMax) calls_[live.call] = live;
}

std::optional<LiveCalls::Live> LiveCalls::end(const CallId& call) {
  const std::lock_guard lock(mutex_);
  const auto at = calls_.find(call);
  if (at == calls_.end()) return std::nullopt;
  auto live = std::move(at->second);
  calls_.erase(at);
  return live;
}

std::optional<LiveCalls::Live> LiveCalls::at(const std::string& extension) const {
  if (extension.empty()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const Live* newest = nullptr;
  for (const auto& [call, live] : calls_)
    if (live.extension == extension && (newest == nullptr || live.started_at > newest->started_at))
      newest = &live;
  return newest == nullptr ? std::nullopt : std::optional(*newest);
}

bool TryLimit::may(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto minute = clock_.monotonic_ms() / 60'000;
  if (minute != minute_) {
    minute_ = minute;
    count_ = 0;
    counts_.clear();
  }
  if (counts_.size() >= kKeysMax && !counts_.contains(key)) return false;
  return ++counts_[key] <= each_ && ++count_ <= all_;
}

}  // namespace callward::api
