#include "api/live_calls.hpp"

#include <utility>

#include "base/telephone.hpp"

namespace callward::api {

bool LiveCalls::knows(const CallId& call) const {
  const std::lock_guard lock(mutex_);
  return calls_.contains(call);
}

std::optional<LiveCalls::Live> LiveCalls::begin(const Live& live) {
  Known known{live, telephone_key(live.extension)};
  const std::lock_guard lock(mutex_);
  if (const auto at = calls_.find(live.call); at != calls_.end())
    return std::exchange(at->second, std::move(known)).live;
  if (calls_.size() < kCallsMax) calls_.emplace(live.call, std::move(known));
  return std::nullopt;
}

std::optional<LiveCalls::Live> LiveCalls::end(const CallId& call) {
  const std::lock_guard lock(mutex_);
  const auto known = calls_.extract(call);
  return known.empty() ? std::nullopt : std::optional(known.mapped().live);
}

std::vector<LiveCalls::Live> LiveCalls::keep(const std::set<CallId>& running) {
  std::vector<Live> over;
  const std::lock_guard lock(mutex_);
  std::erase_if(calls_, [&](const auto& item) {
    if (running.contains(item.first)) return false;
    over.push_back(item.second.live);
    return true;
  });
  return over;
}

std::optional<LiveCalls::Live> LiveCalls::find(const CallId& call) const {
  const std::lock_guard lock(mutex_);
  const auto at = calls_.find(call);
  return at == calls_.end() ? std::nullopt : std::optional(at->second.live);
}

std::optional<LiveCalls::Live> LiveCalls::at(const std::string& extension) const {
  const auto key = telephone_key(extension);
  if (key.empty()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const Live* newest = nullptr;
  for (const auto& [call, known] : calls_)
    if (known.key == key && (newest == nullptr || known.live.started_at > newest->started_at))
      newest = &known.live;
  return newest == nullptr ? std::nullopt : std::optional(*newest);
}

bool TryLimit::may(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto window = clock_.monotonic_ms() / window_ms_;
  if (window != window_) {
    window_ = window;
    count_ = 0;
    counts_.clear();
  }
  if (counts_.size() >= kKeysMax && !counts_.contains(key)) return false;
  return ++counts_[key] <= each_ && ++count_ <= all_;
}

}  // namespace callward::api
