#include "courier/book.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace callward::courier {

using keys::DeliveryChannel;
using keys::DeliveryOutcome;

Result<std::optional<Book::End>> Book::add(Source source, keys::Deliver message, std::int64_t now,
                                           std::int64_t utc_ms) {
  const LetterKey key{source, message.id};
  const auto channel = message.channel;
  if (const auto ended = ends_.find(key); ended != ends_.end())
    return std::optional(End{key, channel, ended->second, 0});
  if (items_.contains(key)) return std::optional<End>();
  const auto at_once = [&](DeliveryOutcome outcome, const char* reason) {
    const keys::Delivered said{key.id, outcome, reason};
    remember(key, said);
    return std::optional(End{key, channel, said, 0});
  };
  if (const std::string why = refusal_of(message); !why.empty()) {
    ++counts_[index(channel)].refused;
    return at_once(DeliveryOutcome::kRefused, why.c_str());
  }
  if (!configured(channel)) return at_once(DeliveryOutcome::kNoChannel, "not_configured");
  auto& waiting = of_source_[static_cast<std::size_t>(source)];
  if (waiting >= kLettersMax) {
    ++full_[static_cast<std::size_t>(source)];
    return fail(Errc::kFull, "too many messages wait");
  }
  // A deadline may be any number.
  const auto left = message.deadline <= utc_ms                          ? 0
                    : message.deadline >= utc_ms + keys::kDeliveryMsMax ? keys::kDeliveryMsMax
                                                                        : message.deadline - utc_ms;
  Item item;
  item.letter = std::make_shared<const Letter>(Letter{std::move(message), utc_ms});
  item.due = now;
  item.deadline = now + left;
  items_.emplace(key, std::move(item));
  ++waiting;
  ++counts_[index(channel)].waiting;
  return std::optional<End>();
}

std::optional<Book::Try> Book::take(DeliveryChannel channel, std::int64_t now) {
  auto best = items_.end();
  for (auto item = items_.begin(); item != items_.end(); ++item) {
    const auto& [key, one] = *item;
    if (one.trying || one.due > now || one.deadline - now < kTryMsMin ||
        one.letter->message.channel != channel)
      continue;
    // The map is ordered by source: nothing of the server's while one of the keeper's is due.
    if (best != items_.end() && key.source != best->first.source) break;
    if (best == items_.end() || one.due < best->second.due) best = item;
  }
  if (best == items_.end()) return std::nullopt;
  auto& chosen = best->second;
  chosen.trying = true;
  ++chosen.tries;
  ++counts_[index(channel)].tries;
  return Try{best->first, chosen.letter, std::min(kTryMsMax, chosen.deadline - now)};
}

std::optional<Book::End> Book::tried(const LetterKey& key, const Attempt& attempt,
                                     std::int64_t now) {
  const auto item = items_.find(key);
  CHECK(item != items_.end() && item->second.trying);
  auto& one = item->second;
  auto& failing = counts_[index(one.letter->message.channel)].failing;
  one.trying = false;
  switch (attempt.verdict) {
    case Verdict::kTaken:
      failing.clear();
      return end(item, DeliveryOutcome::kTaken, attempt.reason);
    case Verdict::kRefused:
      failing.clear();
      return end(item, DeliveryOutcome::kRefused, attempt.reason);
    case Verdict::kLater:
      break;
  }
  failing = attempt.reason;
  one.last = attempt.reason;
  if (one.deadline - now < kTryMsMin) return end(item, DeliveryOutcome::kGivenUp, one.last);
  one.due = now + one.back_off;
  one.back_off = std::min(2 * one.back_off, kBackOffMaxMs);
  return std::nullopt;
}

std::vector<Book::End> Book::expire(std::int64_t now) {
  std::vector<End> ended;
  for (auto item = items_.begin(); item != items_.end();) {
    const auto here = item++;
    const auto& one = here->second;
    if (one.trying || one.deadline - now >= kTryMsMin) continue;
    ended.push_back(end(here, DeliveryOutcome::kGivenUp, one.last.empty() ? "deadline" : one.last));
  }
  return ended;
}

Book::End Book::end(Items::iterator item, DeliveryOutcome outcome, const std::string& reason) {
  const auto key = item->first;
  const auto channel = item->second.letter->message.channel;
  End done{key, channel, {key.id, outcome, reason}, item->second.tries};
  auto& counts = counts_[index(channel)];
  if (outcome == DeliveryOutcome::kTaken) ++counts.taken;
  if (outcome == DeliveryOutcome::kRefused) ++counts.refused;
  if (outcome == DeliveryOutcome::kGivenUp) ++counts.given_up;
  --counts.waiting;
  --of_source_[static_cast<std::size_t>(key.source)];
  items_.erase(item);
  remember(key, done.said);
  return done;
}

void Book::remember(const LetterKey& key, const keys::Delivered& said) {
  if (!ends_.emplace(key, said).second) return;
  oldest_ends_.push_back(key);
  if (oldest_ends_.size() <= kEndsKept) return;
  ends_.erase(oldest_ends_.front());
  oldest_ends_.pop_front();
}

Book::Counts Book::counts(DeliveryChannel channel) const { return counts_[index(channel)]; }

std::vector<QueueGauge> Book::gauges() const {
  return {{"courier.keeper", of_source_[0], kLettersMax, full_[0]},
          {"courier.server", of_source_[1], kLettersMax, full_[1]}};
}

}  // namespace callward::courier
