#include "app/dial_desk.hpp"

#include <algorithm>
#include <vector>

#include "base/event_log.hpp"

namespace callward::app {
namespace {

using keys::DialCause;
using keys::DialRefusal;
using keys::DialState;

bool valid(const keys::DialProgress& told) {
  return told.state >= DialState::kRingingExpert && told.state <= DialState::kEnded &&
         told.cause <= DialCause::kFailed &&
         (told.state == DialState::kEnded) == (told.cause != DialCause::kNone);
}

Status outcome_of(const keys::DialTaken& taken) {
  switch (taken.refusal) {
    case DialRefusal::kNone:
      return {};
    case DialRefusal::kNotConfigured:
      return fail(Errc::kConfig, "call-backs need the section [callback] of the configuration");
    case DialRefusal::kMalformed:
      return fail(Errc::kMalformed, "the expert's extension, the number on file, or a time");
    case DialRefusal::kRuns:
      return fail(Errc::kExists, "this call-back runs already");
    case DialRefusal::kFull:
      return fail(Errc::kFull, "too many call-backs at a time");
    case DialRefusal::kNotRecorded:
      return fail(Errc::kUnavailable, "the recorder is away: nobody talks unrecorded");
  }
  return fail(Errc::kMalformed, "an answer of no meaning");
}

}  // namespace

std::size_t DialDesk::running() const {
  return static_cast<std::size_t>(std::count_if(
      dials_.begin(), dials_.end(), [](const auto& item) { return !ended(item.second); }));
}

// The ended one that would be forgotten first goes.
bool DialDesk::make_room() {
  if (dials_.size() < kDialsKept) return true;
  auto oldest = dials_.end();
  for (auto at = dials_.begin(); at != dials_.end(); ++at)
    if (ended(at->second) &&
        (oldest == dials_.end() || at->second.until_ms < oldest->second.until_ms))
      oldest = at;
  if (oldest == dials_.end()) {
    ++refused_;
    return false;
  }
  dials_.erase(oldest);
  return true;
}

void DialDesk::dial(const keys::Dial& order, std::function<void(Status)> done) {
  if (order.dial.is_zero()) return done(fail(Errc::kMalformed, "a call-back without an id"));
  if (dials_.contains(order.dial)) return done(fail(Errc::kExists, "this call-back runs already"));
  if (running() >= keys::kDialsMax || !make_room())
    return done(fail(Errc::kFull, "too many call-backs at a time"));
  auto& entry = dials_[order.dial];
  entry.latest.dial = order.dial;
  entry.until_ms = clock_.monotonic_ms() + order.deadline_ms + kDialGraceMs;
  ways_.dial(order, [this, id = order.dial, done = std::move(done)](Result<keys::DialTaken> reply) {
    auto outcome = reply ? outcome_of(*reply) : Status(tl::unexpected<Error>(reply.error()));
    const auto at = dials_.find(id);
    if (outcome) {
      if (at != dials_.end()) at->second.taken = true;
      return done({});
    }
    // Nobody waits for it any more; if signal has taken it all the same, it ends there.
    if (!reply) ways_.hang_up({id});
    if (at != dials_.end() && !at->second.taken) dials_.erase(at);
    done(std::move(outcome));
  });
}

Status DialDesk::hang_up(const DialId& dial) {
  const auto at = dials_.find(dial);
  if (at == dials_.end() || ended(at->second))
    return fail(Errc::kNotFound, "no such call-back runs");
  ways_.hang_up({dial});
  return {};
}

DialDesk::Entry* DialDesk::find_or_adopt(const DialId& dial) {
  const auto at = dials_.find(dial);
  if (at != dials_.end()) return &at->second;
  if (dial.is_zero() || !make_room()) return nullptr;
  auto& entry = dials_[dial];
  entry.latest.dial = dial;
  entry.until_ms = clock_.monotonic_ms() + keys::kDialMsMax + kDialGraceMs;
  return &entry;
}

void DialDesk::tell(Entry& entry, DialState state, DialCause cause, std::uint32_t talked_ms) {
  entry.latest.state = state;
  entry.latest.cause = cause;
  entry.latest.talked_ms = talked_ms;
  if (state == DialState::kEnded) entry.until_ms = clock_.monotonic_ms() + kDialEndedKeptMs;
  const auto news = entry.latest;  // whoever hears it may dial again
  if (ways_.news) ways_.news(news);
}

void DialDesk::progress(const keys::DialProgress& told) {
  if (!valid(told)) return log_event("keeper.dial_malformed");
  auto* entry = find_or_adopt(told.dial);
  if (entry == nullptr) return log_event("keeper.dial_not_kept", {{"dial", told.dial.hex()}});
  entry->taken = true;
  if (told.state <= entry->latest.state) return;  // told again
  tell(*entry, told.state, told.cause, told.talked_ms);
}

void DialDesk::recorded(const keys::DialRecorded& told) {
  auto* entry = find_or_adopt(told.dial);
  if (entry == nullptr) return log_event("keeper.dial_not_kept", {{"dial", told.dial.hex()}});
  if (entry->latest.call == told.call) return;
  entry->latest.call = told.call;  // a second one goes on for the first (continuation)
  const auto news = entry->latest;
  if (ways_.news) ways_.news(news);
}

void DialDesk::tick() {
  const auto now = clock_.monotonic_ms();
  std::vector<DialId> due;
  for (const auto& [id, entry] : dials_)
    if (entry.until_ms <= now) due.push_back(id);
  for (const auto& id : due) {
    const auto at = dials_.find(id);
    if (at == dials_.end()) continue;
    if (ended(at->second)) {
      dials_.erase(at);
      continue;
    }
    log_event("keeper.dial_without_end", {{"dial", id.hex()}});
    ways_.hang_up({id});
    tell(at->second, DialState::kEnded, DialCause::kSignalLost, at->second.latest.talked_ms);
  }
}

}  // namespace callward::app
