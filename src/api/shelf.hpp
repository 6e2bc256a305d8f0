// What waits in memory for its second half: a bounded number, each for a while, some of each owner.
// A server that starts anew has forgotten them; whoever waited begins again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"

namespace callward::api {

template <class T>
class Shelf {
 public:
  struct Limits {
    std::size_t all = 0, of_owner = 0;
    std::int64_t keep_ms = 0;
  };
  explicit Shelf(Limits limits) : limits_(limits) {}

  // In place of what has the same id. Beyond an owner's share the owner's oldest goes; kBusy: full.
  Status put(const std::string& id, const std::string& owner, T thing, std::int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    std::erase_if(items_, [&](const auto& item) { return item.second.until_ms <= now_ms; });
    items_.erase(id);
    const auto own = [&](const auto& item) { return item.second.owner == owner; };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(items_, own));
    if (count >= limits_.of_owner) {
      auto oldest = std::ranges::find_if(items_, own);
      for (auto at = items_.begin(); at != items_.end(); ++at)
        if (own(*at) && at->second.until_ms < oldest->second.until_ms) oldest = at;
      items_.erase(oldest);
    }
    if (items_.size() >= limits_.all) return fail(Errc::kBusy, "too many at once; try again later");
    items_.emplace(id, Item{owner, std::move(thing), now_ms + limits_.keep_ms});
    return {};
  }
  std::optional<T> look(const std::string& id, std::int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const auto at = find(id, now_ms);
    return at == items_.end() ? std::nullopt : std::optional<T>(at->second.thing);
  }
  // Nobody else has it then.
  std::optional<T> take(const std::string& id, std::int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const auto at = find(id, now_ms);
    if (at == items_.end()) return std::nullopt;
    std::optional<T> thing(std::move(at->second.thing));
    items_.erase(at);
    return thing;
  }
  // All that is this owner's.
  void drop(const std::string& owner) {
    const std::lock_guard lock(mutex_);
    std::erase_if(items_, [&](const auto& item) { return item.second.owner == owner; });
  }
  // False: it is gone. Its time does not change.
  bool replace(const std::string& id, T thing, std::int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const auto at = find(id, now_ms);
    if (at == items_.end()) return false;
    at->second.thing = std::move(thing);
    return true;
  }
  std::vector<std::pair<std::string, T>> all(std::int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<std::string, T>> out;
    for (const auto& [id, item] : items_)
      if (item.until_ms > now_ms) out.emplace_back(id, item.thing);
    std::ranges::sort(out, {}, &std::pair<std::string, T>::first);
    return out;
  }
  [[nodiscard]] std::size_t size() {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }

 private:
  struct Item {
    std::string owner;
    T thing;
    std::int64_t until_ms = 0;  // monotonic
  };
  auto find(const std::string& id, std::int64_t now_ms) {
    const auto at = items_.find(id);
    return at != items_.end() && at->second.until_ms > now_ms ? at : items_.end();
  }
  Limits limits_;
  std::mutex mutex_;
  std::unordered_map<std::string, Item> items_;
};

}  // namespace callward::api
