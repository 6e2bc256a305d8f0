// What the log's rules say of agents that are private.
#include <algorithm>

#include "audit/rules.hpp"

namespace callward::audit {
namespace {

constexpr std::int64_t kPrivateSegmentsMax = 1'800;  // 3 minutes, whatever is configured

}  // namespace

void RuleChecker::private_on(const Entry& entry) {
  const auto id = text_of(entry, "order");
  auto& order = orders_[id];
  name_call(order, entry);
  order.private_on = {entry.index, entry.at, true};
  check_private(entry, order);
  close(call_of(entry), id, entry);
}

// What lies behind its end opens again, unless it was closed otherwise.
void RuleChecker::private_off(const Entry& entry) {
  const auto id = text_of(entry, "order");
  auto& order = orders_[id];
  name_call(order, entry);
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
    if (range.end - range.first > kPrivateSegmentsMax)
      return find("private-is-short", entry.index, entry.subject,
                  std::to_string(range.end - range.first) + " segments of 100 ms");
}

}  // namespace callward::audit
