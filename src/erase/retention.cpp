#include "erase/retention.hpp"

#include <algorithm>
#include <map>

namespace callward::erase {

CallClass class_of(keys::CallSource source, keys::Direction direction) {
  if (source == keys::CallSource::kImport) return CallClass::kImport;
  switch (direction) {
    case keys::Direction::kIncoming:
      return CallClass::kIncoming;
    case keys::Direction::kOutgoing:
      return CallClass::kOutgoing;
    case keys::Direction::kUnknown:
      break;
  }
  return CallClass::kUnknown;
}

std::int64_t usual_volume(const std::vector<std::int64_t>& started_at, std::int64_t now,
                          const std::vector<RetentionState::Day>& erased) {
  constexpr std::int64_t kUsualDays = 28;
  std::map<std::int64_t, std::int64_t> days;
  const auto today = keys::day_of(now);
  for (const auto at : started_at)
    if (const auto day = keys::day_of(at); day >= today - kUsualDays && day < today) ++days[day];
  std::vector<std::int64_t> calls;
  for (const auto& [day, count] : days) calls.push_back(count);
  return std::max(keys::median(std::move(calls)), keys::usual_erased(erased));
}

}  // namespace callward::erase
