#include "disclose/reminder.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace callward::disclose {
namespace {

using people::Role;
using enum State;
using People = std::vector<PersonId>;

// Those of the chart of whom this is so; not more than are told of one step.
People all_who(const World& world, const std::function<bool(const PersonId&)>& are) {
  People found;
  for (const auto& [id, member] : world.chart.members()) {
    if (found.size() >= kRemindedMax) break;
    if (are(id)) found.push_back(id);
  }
  return found;
}

// Every authorised person whom the table would let do this now.
People who_may_do(const Request& r, Event event, const World& world) {
  return all_who(world, [&](const PersonId& id) {
    event.by = id;
    return world.chart.is(id, Role::kAuthorised) && step(r, event, world).has_value();
  });
}

People owners(const World& world) {
  return all_who(world, [&](const PersonId& id) { return world.chart.is(id, Role::kOwner); });
}

People the_requester(const Request& r, const World& world) {
  return world.chart.here(r.requester) != nullptr ? People{r.requester} : People{};
}

People the_authorised(const Request& r, const World& world) {
  if (r.state == kVerified)
    return who_may_do(r, {.kind = EventKind::kRelease, .fields = r.fields}, world);
  const auto kind = r.state == kHalfReleased ? EventKind::kRelease : EventKind::kBreak;
  return who_may_do(r, {.kind = kind, .fields = r.released, .window_ms = 1}, world);
}

// The nearest superior of the requester of whom this is so; else the owners of whom it is.
People superiors(const Request& r, const World& world, bool owners_too,
                 const std::function<bool(const PersonId&)>& may) {
  People found;
  const auto above = world.chart.superiors_of(r.requester);
  if (const auto nearest = std::ranges::find_if(above, may); nearest != above.end())
    found.push_back(*nearest);
  if (found.empty() || owners_too)
    for (const auto& owner : owners(world))
      if (may(owner) && std::ranges::find(found, owner) == found.end()) found.push_back(owner);
  return found;
}

People reviewers(const Request& r, const World& world, bool overdue) {
  return superiors(r, world, overdue, [&](const PersonId& id) {
    return step(r, {.kind = EventKind::kReview, .by = id}, world).has_value();
  });
}

// Who hears that an expert refused what their employee asked: not that expert.
People without_a_part(const Request& r, const World& world) {
  return superiors(r, world, false, [&](const PersonId& id) {
    return world.chart.here(id) != nullptr && !has_acted(r, id);
  });
}

bool awaits_review(State state) {
  return state == kClosed || state == kExpired || state == kRevoked;
}

// What a requester is told of: while it is so, or for a day.
Waits news_of(const Request& r) {
  switch (r.state) {
    case kOpen:
      return Waits::kOpened;
    case kConfirmed:
      return Waits::kConfirmed;
    case kRefused:
      return r.came_by == EventKind::kFail ? Waits::kNotVerified : Waits::kDeclined;
    case kLapsed:
      return Waits::kLapsed;
    case kRevoked:
      return Waits::kRevoked;
    default:
      return Waits{};
  }
}

class Due {
 public:
  Due(const Request& request, const World& world, const Rota& rota)
      : r_(request), world_(world), rota_(rota), end_(deadline(request, world.limits)) {}

  std::vector<Reminder> all() {
    // By when it was, not by the state: whatever came after, they hear of it.
    if (const auto broken = r_.broken_at; broken != 0 && world_.now < broken + kAlarmMs)
      remind(Waits::kBroken, owners(world_), broken, 0);
    for (const auto action : asked_for(r_)) tell(action);
    if (awaits_review(r_.state) && world_.now >= end_)
      remind(Waits::kReviewOverdue, reviewers(r_, world_, true), r_.since, end_);
    lapses();
    return std::move(due_);
  }

 private:
  void tell(Action action) {
    switch (action) {
      case Action::kFindExpert:
        return for_an_expert();
      case Action::kTellExpert:
        if (lacks_expert(r_, world_.chart, rota_.on_duty)) return for_an_expert();
        if (may_verify(r_, r_.expert, world_.chart)) wait_for(Waits::kCallBack, {r_.expert});
        return;
      case Action::kTellAuthorised:
        if (lacks_releaser(r_, world_))
          return remind(Waits::kNoReleaser, owners(world_), r_.since, end_);
        return wait_for(r_.state == kVerified ? Waits::kRelease : Waits::kSecond,
                        the_authorised(r_, world_));
      case Action::kTellRequester:
        return tell_requester();
      case Action::kTellManager:
        if (awaits_review(r_.state))
          return remind(Waits::kReview, reviewers(r_, world_, false), r_.since, end_);
        if (is_news()) remind(Waits::kReported, without_a_part(r_, world_), r_.since, 0);
        return;
      case Action::kAlarmOwner:  // above
      case Action::kDial:
      case Action::kWipeReaders:
        return;
    }
  }

  void for_an_expert() {
    if (world_.now >= end_ || !lacks_expert(r_, world_.chart, rota_.on_duty)) return;
    const auto may =
        all_who(world_, [this](const PersonId& id) { return may_verify(r_, id, world_.chart); });
    if (may.empty()) return remind(Waits::kNoExpert, owners(world_), r_.since, end_);
    remind(Waits::kOffDuty, may, r_.since, end_);
  }

  void tell_requester() {
    const bool stands = r_.state == kOpen || r_.state == kConfirmed;
    if (stands ? world_.now < end_ : is_news())
      remind(news_of(r_), the_requester(r_, world_), r_.since, stands ? end_ : 0);
  }

  // Whoever could go on is told again, and who asked. Never so early that it comes with the first.
  void lapses() {
    static constexpr std::array kCouldGoOn = {kRequested, kAssigned, kVerified, kHalfReleased,
                                              kHalfBroken};
    const auto before = std::min(rota_.lapse_before_ms, (end_ - r_.since) / 4);
    if (std::ranges::find(kCouldGoOn, r_.state) == kCouldGoOn.end() || world_.now < end_ - before ||
        world_.now >= end_)
      return;
    for (const auto& id : the_requester(r_, world_))
      if (std::ranges::find(awaited_, id) == awaited_.end()) awaited_.push_back(id);
    remind(Waits::kLapses, awaited_, r_.since, end_);
  }

  void wait_for(Waits waits, const People& people) {
    remind(waits, people, r_.since, end_);
    awaited_.insert(awaited_.end(), people.begin(), people.end());
  }
  void remind(Waits waits, const People& people, std::int64_t since, std::int64_t until) {
    for (const auto& id : people) due_.push_back({r_.id, waits, id, since, until});
  }
  [[nodiscard]] bool is_news() const { return world_.now < r_.since + kNewsMs; }

  const Request& r_;
  const World& world_;
  const Rota& rota_;
  std::int64_t end_;
  People awaited_;
  std::vector<Reminder> due_;
};

}  // namespace

const char* to_text(Waits waits) {
  static constexpr std::array kWords = {
      "",       "call_back", "release",  "second",    "review",    "review_overdue",
      "lapses", "broken",    "opened",   "confirmed", "declined",  "not_verified",
      "lapsed", "revoked",   "reported", "off_duty",  "no_expert", "no_releaser"};
  static_assert(kWords.size() == kWaitsMax + 1);
  return kWords.at(static_cast<std::size_t>(waits));
}

bool lacks_expert(const Request& request, const people::Chart& chart,
                  const std::vector<PersonId>& on_duty) {
  const bool waits = request.state == kRequested || request.state == kAssigned;
  return waits && std::ranges::none_of(
                      on_duty, [&](const PersonId& id) { return may_verify(request, id, chart); });
}

bool lacks_releaser(const Request& request, const World& world) {
  static constexpr std::array kWait = {kVerified, kHalfReleased, kHalfBroken};
  return std::ranges::find(kWait, request.state) != kWait.end() &&
         world.now < deadline(request, world.limits) && the_authorised(request, world).empty();
}

std::vector<Reminder> reminders_due(const Request& request, const World& world, const Rota& rota) {
  return Due(request, world, rota).all();
}

}  // namespace callward::disclose
