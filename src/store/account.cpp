#include "store/account.hpp"

#include <algorithm>
#include <map>

#include "base/event_log.hpp"

namespace callward::store {
namespace {

constexpr std::uint32_t kSegmentMs = 100;
constexpr std::size_t kStreamsMax = 15;

bool same_fate(const AccountInterval& a, const AccountInterval& b) {
  return a.state == b.state && a.reason == b.reason;
}

AccountState to_account_state(RecorderState state) {
  switch (state) {
    case RecorderState::kSealed:
      return AccountState::kSealed;
    case RecorderState::kLost:
      return AccountState::kLost;
    case RecorderState::kOnHold:
      return AccountState::kOnHold;
    case RecorderState::kSilent:
      return AccountState::kSilent;
  }
  return AccountState::kLost;  // an unknown word of a newer recorder: claim nothing
}

RecorderState to_recorder_state(AccountState state) {
  switch (state) {
    case AccountState::kLost:
      return RecorderState::kLost;
    case AccountState::kOnHold:
      return RecorderState::kOnHold;
    case AccountState::kSilent:
      return RecorderState::kSilent;
    case AccountState::kSealed:
    case AccountState::kUnheard:
    case AccountState::kErased:
      return RecorderState::kSealed;
  }
  return RecorderState::kSealed;
}

std::uint32_t clip_ms(std::uint32_t index) {
  return index > 0xFFFF'FFFFu / kSegmentMs ? 0xFFFF'FFFFu : index * kSegmentMs;
}

}  // namespace

std::string_view to_string(AccountState state) noexcept {
  switch (state) {
    case AccountState::kSealed:
      return "sealed";
    case AccountState::kUnheard:
      return "unheard";
    case AccountState::kErased:
      return "erased";
    case AccountState::kLost:
      return "lost";
    case AccountState::kOnHold:
      return "on_hold";
    case AccountState::kSilent:
      return "silent";
  }
  return "lost";
}

void StreamAccount::assign(std::uint32_t start_ms, std::uint32_t end_ms, AccountState state,
                           std::string_view reason) {
  if (start_ms >= end_ms) return;
  AccountInterval fresh{start_ms, end_ms, state, std::string(reason)};
  if (start_ms >= this->end_ms()) {
    if (!intervals_.empty() && intervals_.back().end_ms == start_ms &&
        same_fate(intervals_.back(), fresh)) {
      intervals_.back().end_ms = end_ms;
      return;
    }
    intervals_.push_back(std::move(fresh));
    if (intervals_.size() > kIntervalsMax) coarsen();
    return;
  }
  // Replace all that touch [start, end) by what is left of the first, the new one, what is left of
  // the last.
  const auto first = static_cast<std::size_t>(
      std::partition_point(intervals_.begin(), intervals_.end(),
                           [&](const AccountInterval& i) { return i.end_ms <= start_ms; }) -
      intervals_.begin());
  auto last = first;
  while (last < intervals_.size() && intervals_[last].start_ms < end_ms) ++last;
  std::vector<AccountInterval> replacement;
  if (first < last && intervals_[first].start_ms < start_ms) {
    replacement.push_back(intervals_[first]);
    replacement.back().end_ms = start_ms;
  }
  replacement.push_back(std::move(fresh));
  if (first < last && intervals_[last - 1].end_ms > end_ms) {
    replacement.push_back(intervals_[last - 1]);
    replacement.back().start_ms = end_ms;
  }
  put(std::move(replacement), first, last);
}

// Puts `replacement` where [first, last) stood and joins neighbours of the same fate.
void StreamAccount::put(std::vector<AccountInterval> replacement, std::size_t first,
                        std::size_t last) {
  const auto count = replacement.size();
  const auto at = intervals_.erase(intervals_.begin() + static_cast<std::ptrdiff_t>(first),
                                   intervals_.begin() + static_cast<std::ptrdiff_t>(last));
  intervals_.insert(at, std::make_move_iterator(replacement.begin()),
                    std::make_move_iterator(replacement.end()));
  auto from = first > 0 ? first - 1 : 0;
  auto upto = std::min(first + count + 1, intervals_.size());
  while (from + 1 < upto) {
    auto& left = intervals_[from];
    const auto& right = intervals_[from + 1];
    if (left.end_ms == right.start_ms && same_fate(left, right)) {
      left.end_ms = right.end_ms;
      intervals_.erase(intervals_.begin() + static_cast<std::ptrdiff_t>(from + 1));
      --upto;
    } else {
      ++from;
    }
  }
  if (intervals_.size() > kIntervalsMax) coarsen();
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> StreamAccount::amend(
    std::uint32_t start_ms, std::uint32_t end_ms, AccountState from, std::string_view from_reason,
    AccountState to, std::string_view to_reason) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> hits;
  auto at = std::partition_point(intervals_.begin(), intervals_.end(),
                                 [&](const AccountInterval& i) { return i.end_ms <= start_ms; });
  for (; at != intervals_.end() && at->start_ms < end_ms; ++at)
    if (at->state == from && (from_reason.empty() || at->reason == from_reason))
      hits.emplace_back(std::max(start_ms, at->start_ms), std::min(end_ms, at->end_ms));
  for (const auto& [start, end] : hits) assign(start, end, to, to_reason);
  return hits;
}

void StreamAccount::finish(std::uint32_t end_ms, AccountState filler, std::string_view reason) {
  while (!intervals_.empty() && intervals_.back().start_ms >= end_ms) intervals_.pop_back();
  if (!intervals_.empty()) intervals_.back().end_ms = std::min(intervals_.back().end_ms, end_ms);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> holes;
  std::uint32_t at = 0;
  for (const auto& interval : intervals_) {
    if (interval.start_ms > at) holes.emplace_back(at, interval.start_ms);
    at = interval.end_ms;
  }
  if (at < end_ms) holes.emplace_back(at, end_ms);
  for (const auto& [start, end] : holes) assign(start, end, filler, reason);
}

std::uint64_t StreamAccount::total_ms(AccountState state) const {
  std::uint64_t total = 0;
  for (const auto& interval : intervals_)
    if (interval.state == state) total += interval.end_ms - interval.start_ms;
  return total;
}

void StreamAccount::coarsen() {
  for (std::uint32_t threshold_ms = 50; intervals_.size() > kIntervalsMax / 2; threshold_ms *= 2) {
    std::vector<AccountInterval> kept;
    for (std::size_t i = 0; i < intervals_.size(); ++i) {
      auto interval = std::move(intervals_[i]);
      const bool between_losses = !kept.empty() && kept.back().state == AccountState::kLost &&
                                  i + 1 < intervals_.size() &&
                                  intervals_[i + 1].state == AccountState::kLost;
      if (between_losses && interval.end_ms - interval.start_ms < threshold_ms) {
        interval.state = AccountState::kLost;
        interval.reason = kept.back().reason;
      }
      if (!kept.empty() && kept.back().end_ms == interval.start_ms &&
          same_fate(kept.back(), interval))
        kept.back().end_ms = interval.end_ms;
      else
        kept.push_back(std::move(interval));
    }
    intervals_ = std::move(kept);
    if (threshold_ms > 0x4000'0000u) return;
  }
}

std::vector<RecorderInterval> to_recorder_intervals(std::uint8_t stream,
                                                    const StreamAccount& account) {
  std::vector<RecorderInterval> out;
  out.reserve(account.intervals().size());
  for (const auto& i : account.intervals())
    out.push_back({stream, to_recorder_state(i.state), i.start_ms, i.end_ms, i.reason});
  return out;
}

Result<std::vector<StreamAccount>> from_recorder_intervals(
    const std::vector<RecorderInterval>& intervals, std::size_t streams_max) {
  std::vector<StreamAccount> out(streams_max);
  for (const auto& i : intervals) {
    if (i.stream >= streams_max) return fail(Errc::kMalformed, "account: a stream beyond the last");
    if (i.start_ms >= i.end_ms)
      return fail(Errc::kMalformed, "account: an interval without length");
    if (i.start_ms < out[i.stream].end_ms())
      return fail(Errc::kMalformed, "account: intervals overlap or run backwards");
    out[i.stream].assign(i.start_ms, i.end_ms, to_account_state(i.state), i.cause);
  }
  return out;
}

Result<std::vector<AccountedStream>> merge_account(const std::vector<RecorderInterval>& recorder,
                                                   const keys::CallState& state) {
  auto accounts = TRY(from_recorder_intervals(recorder, kStreamsMax));
  const auto over = [&](const keys::SegmentRange& range, auto&& apply) {
    if (range.stream >= accounts.size()) return;
    auto& account = accounts[range.stream];
    const auto end_ms = std::min(clip_ms(range.end), account.end_ms());
    if (clip_ms(range.first) < end_ms) apply(account, clip_ms(range.first), end_ms);
  };
  for (const auto& range : state.unheard)
    over(range, [](StreamAccount& a, std::uint32_t start, std::uint32_t end) {
      a.amend(start, end, AccountState::kSealed, {}, AccountState::kUnheard);
    });
  for (const auto& range : state.lost)
    over(range, [](StreamAccount& a, std::uint32_t start, std::uint32_t end) {
      a.amend(start, end, AccountState::kSealed, {}, AccountState::kLost, kLostKeeper);
      a.amend(start, end, AccountState::kUnheard, {}, AccountState::kLost, kLostKeeper);
    });
  // Held for a person, or ordered and not known to be gone from every mirror: closed to everybody,
  // but its keys are there. Nobody may call that erased.
  const auto lay = [&](auto&& which, auto&& apply) {
    for (const auto& erased : state.erased)
      if (which(erased.outcome))
        over(erased.range, [&](StreamAccount& a, std::uint32_t start, std::uint32_t end) {
          apply(a, start, end, erased.reason);
        });
  };
  using keys::OrderOutcome;
  lay([](OrderOutcome outcome) { return outcome == OrderOutcome::kHeld; },
      [](StreamAccount& a, std::uint32_t start, std::uint32_t end, const std::string&) {
        a.amend(start, end, AccountState::kSealed, {}, AccountState::kSealed, kSealedHeld);
      });
  lay(
      [](OrderOutcome outcome) {
        return outcome != OrderOutcome::kHeld && outcome != OrderOutcome::kErased;
      },
      [](StreamAccount& a, std::uint32_t start, std::uint32_t end, const std::string&) {
        a.amend(start, end, AccountState::kSealed, {}, AccountState::kSealed, kSealedIntended);
        a.amend(start, end, AccountState::kUnheard, {}, AccountState::kSealed, kSealedIntended);
      });
  lay([](OrderOutcome outcome) { return outcome == OrderOutcome::kErased; },
      [](StreamAccount& a, std::uint32_t start, std::uint32_t end, const std::string& reason) {
        a.assign(start, end, AccountState::kErased, reason);
      });
  std::vector<AccountedStream> out;
  for (std::size_t stream = 0; stream < accounts.size(); ++stream)
    if (!accounts[stream].intervals().empty())
      out.push_back({static_cast<std::uint8_t>(stream), accounts[stream].intervals()});
  return out;
}

std::string stream_name(std::uint8_t stream) {
  if (stream == 0) return "customer";
  if (stream == 1) return "agent";
  return "party" + std::to_string(stream);
}

std::string account_json(const CallId& call, const std::vector<AccountedStream>& streams) {
  std::string out = "{\"call\":\"" + call.hex() + "\",\"intervals\":[";
  bool first = true;
  for (const auto& stream : streams)
    for (const auto& interval : stream.intervals) {
      if (!first) out += ',';
      first = false;
      out += "{\"stream\":\"" + stream_name(stream.stream) +
             "\",\"start_ms\":" + std::to_string(interval.start_ms) +
             ",\"end_ms\":" + std::to_string(interval.end_ms) + ",\"state\":\"" +
             std::string(to_string(interval.state)) +
             "\",\"reason\":" + json_quote(interval.reason) + '}';
    }
  return out + "]}";
}

}  // namespace callward::store
