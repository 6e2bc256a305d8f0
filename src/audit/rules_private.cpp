// What the log's rules say of agents that are private.
#include <algorithm>

#include "audit/rules.hpp"

namespace callward::audit {
namespace {

// Whatever is configured: 3 minutes at a time, once at that length and else half of the call so
// far, a minute in between.
constexpr std::int64_t kPrivateSegmentsMax = 1'800;
constexpr std::int64_t kPrivatePercentMax = 50;
constexpr std::int64_t kPauseSegments = 600;
constexpr std::int64_t kAudioLast = 14;  // streams beneath the call's own data

}  // namespace

void RuleChecker::private_on(const Entry& entry) {
  const auto id = text_of(entry, "order");
  auto& order = orders_[id];
  name_call(order, entry);
  take_sides(entry, order);
  if (call_of(entry).call_back)
    find("private-not-in-call-backs", entry.index, entry.subject,
         "order " + id + ": a call-back is recorded whole");
  order.private_on = {entry.index, entry.at, true};
  check_private(entry, order);
  check_private_use(entry);
  close(call_of(entry), id, entry);
}

// Which streams stay recorded: the agent's own, and fewer of them as time goes on.
void RuleChecker::take_sides(const Entry& entry, Order& order) {
  std::set<std::int64_t> kept;
  bool sane = true;
  if (const auto* list = entry.data.if_contains("kept"); list != nullptr && list->is_array())
    for (const auto& item : list->get_array()) {
      sane = sane && item.is_int64() && item.get_int64() >= 1 && item.get_int64() <= kAudioLast;
      if (item.is_int64()) kept.insert(item.get_int64());
    }
  const auto sides = text_of(entry, "sides");  // nothing: before there was a choice
  sane = sane && (kept.empty() ? sides.empty() || sides == "both" : sides == "customer");
  // Said first it chooses; later it is the same or less, and its end says what was so at last.
  if (entry.type == "private_on" && order.private_on.set)
    sane = sane && std::ranges::includes(order.kept, kept);
  else if (entry.type == "private_off")
    sane = sane && order.kept == kept;
  if (!sane)
    find("private-keeps-the-agent", entry.index, entry.subject,
         "order " + text_of(entry, "order") + ": sides " + (sides.empty() ? "-" : sides) +
             ", and streams kept that do not go with it");
  order.kept = std::move(kept);
}

// A stretch begins: with those before it, is it within its bounds?
void RuleChecker::check_private_use(const Entry& entry) {
  const auto id = text_of(entry, "order");
  for (const auto& range : ranges_of(entry)) {
    std::int64_t used = 0, last_end = 0;
    for (const auto& [other, closed] : call_of(entry).closed) {
      if (other == id || !orders_[other].private_on.set) continue;
      for (const auto& before : closed) {
        if (before.stream != range.stream) continue;
        used += before.end - before.first;
        last_end = std::max(last_end, before.end);
      }
    }
    const auto most = std::max(kPrivateSegmentsMax, range.first * kPrivatePercentMax / 100);
    if (used > 0 && range.first < last_end + kPauseSegments)
      return find("private-is-short", entry.index, entry.subject,
                  std::to_string(std::max<std::int64_t>(0, range.first - last_end)) +
                      " segments after the last one");
    if (used + range.end - range.first > most)
      return find("private-is-short", entry.index, entry.subject,
                  std::to_string(used + range.end - range.first) + " segments in all, where " +
                      std::to_string(most) + " may be");
  }
}

// What lies behind its end opens again, unless it was closed otherwise.
void RuleChecker::private_off(const Entry& entry) {
  const auto id = text_of(entry, "order");
  auto& order = orders_[id];
  name_call(order, entry);
  take_sides(entry, order);
  order.private_off = {entry.index, entry.at, true};
  order.private_erases = !ranges_of(entry).empty();
  check_private(entry, order);
  auto& call = call_of(entry);
  call.closed.erase(id);
  close(call, id, entry);
}

void RuleChecker::check_private(const Entry& entry, const Order& order) {
  if (entry.type == "erase_intended" && text_of(entry, "reason") != "private") return;
  if (!order.private_on.set)
    return find("private-is-short", entry.index, entry.subject, "nobody was private");
  for (const auto& range : ranges_of(entry))
    if (order.kept.contains(range.stream))
      find("private-keeps-the-agent", entry.index, entry.subject,
           "stream " + std::to_string(range.stream) + " stays recorded, and is erased");
  for (const auto& range : ranges_of(entry))
    if (range.end - range.first > kPrivateSegmentsMax)
      return find("private-is-short", entry.index, entry.subject,
                  std::to_string(range.end - range.first) + " segments of 100 ms");
}

}  // namespace callward::audit
