#include "quality/leak_report.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "quality/marks.hpp"

namespace callward::quality {
namespace {

using Ranges = std::vector<keys::SegmentRange>;

std::string text_of(const audit::Entry& entry, const char* name) {
  const auto* value = entry.data.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// The table of types holds them to three numbers that are never negative.
Ranges ranges_of(const audit::Entry& entry, const char* name) {
  Ranges ranges;
  const auto* list = entry.data.if_contains(name);
  if (list == nullptr || !list->is_array()) return ranges;
  for (const auto& item : list->get_array()) {
    const auto* one = item.if_array();
    if (one == nullptr || one->size() != 3) continue;
    const auto number = [&](std::size_t i) {
      return (*one)[i].is_int64() ? (*one)[i].get_int64() : 0;
    };
    const keys::SegmentRange range{static_cast<std::uint8_t>(number(0)),
                                   static_cast<std::uint32_t>(number(1)),
                                   static_cast<std::uint32_t>(number(2))};
    if (range.first < range.end) ranges.push_back(range);
  }
  return ranges;
}

bool is_whole(const audit::Entry& entry) {
  const auto* value = entry.data.if_contains("whole");
  return value != nullptr && value->is_bool() && value->get_bool();
}
constexpr std::string_view kAllHeld = "all";  // instead of an order

// When, on whatever stream.
Ranges times_of(Ranges ranges) {
  for (auto& range : ranges) range.stream = 0;
  return keys::join(std::move(ranges));
}

void append(Ranges& to, const Ranges& more) { to.insert(to.end(), more.begin(), more.end()); }

bool near(const keys::SegmentRange& a, const keys::SegmentRange& b, std::uint32_t by) {
  return a.first <= b.end + by && b.first <= a.end + by;
}

}  // namespace

bool LeakCount::wants(std::string_view type, std::string_view subject) const {
  if (is_mark(type)) return true;
  constexpr std::array<std::string_view, 7> kFacts = {
      "call_started", "call_ended", "erase_intended", "order_held",
      "held_decided", "opened",     "exported"};
  if (!is_one_of(kFacts, type)) return false;
  const auto known = calls_.find(subject);
  return known != calls_.end() && !known->second.began;
}

void LeakCount::add(const audit::Entry& entry) {
  if (entry.type == kMissedEntry || entry.type == kNeedlessEntry) {
    auto& marks = marks_[entry.subject];
    auto& of = entry.type == kMissedEntry ? marks.missed : marks.needless;
    of.push_back({entry.at, text_of(entry, "kind"), text_of(entry, "cause"),
                  times_of(ranges_of(entry, "ranges"))});
    return;
  }
  if (entry.type == kReviewedEntry) {
    if (entry.at < window_.from || entry.at >= window_.to) return;
    auto& call = calls_[entry.subject];
    if (call.reviews.empty()) ++waiting_;
    call.reviews.push_back({entry.actor, text_of(entry, "chosen") == "random"});
    return;
  }
  if (const auto known = calls_.find(entry.subject); known != calls_.end() && !known->second.began)
    add_fact(known->second, entry);
}

void LeakCount::add_fact(Call& call, const audit::Entry& entry) {
  if (entry.type == "call_started") {
    call.began = true;
    --waiting_;
  } else if (entry.type == "call_ended") {
    append(call.ends, ranges_of(entry, "ends"));
  } else if (entry.type == "opened" || entry.type == "exported") {
    append(call.heard[entry.actor], ranges_of(entry, "sound"));
  } else if (entry.type == "held_decided") {
    if (text_of(entry, "decision") == "keep")
      call.kept.insert(is_whole(entry) ? std::string(kAllHeld) : text_of(entry, "order"));
  } else {
    add_closed(call, entry);
  }
}

// What was held and then kept is open, and was no secret that was found.
void LeakCount::add_closed(Call& call, const audit::Entry& entry) {
  if (entry.type == "order_held" &&
      (call.kept.contains(kAllHeld) || call.kept.contains(text_of(entry, "order"))))
    return;
  append(call.closed, ranges_of(entry, "ranges"));
  if (text_of(entry, "source") == "listener") append(call.found, ranges_of(entry, "ranges"));
}

// Somebody who says so had keys of enough of what opened.
bool LeakCount::counts(const Call& call) const {
  if (call.ends.empty()) return false;
  const auto open = keys::without(keys::join(call.ends), keys::join(call.closed));
  return std::ranges::any_of(call.reviews, [&](const Review& review) {
    const auto heard = call.heard.find(review.by);
    const auto had = heard == call.heard.end()
                         ? 0
                         : keys::segments_in(keys::both(open, keys::join(heard->second)));
    return had * 100 >= keys::segments_in(open) * kHeardPercent;
  });
}

// Marks that are of one stretch: the newest one's words, and all of their time.
std::vector<LeakCount::Mark> LeakCount::stretches(const std::vector<Mark>& marks,
                                                  bool joins_touching) {
  std::vector<Mark> sorted;
  for (const auto& mark : marks)
    for (const auto& range : mark.ranges)
      sorted.push_back({mark.at, mark.kind, mark.cause, {range}});
  std::ranges::stable_sort(sorted, {}, [](const Mark& mark) { return mark.ranges[0].first; });
  std::vector<Mark> out;
  for (auto& mark : sorted) {
    const auto& range = mark.ranges[0];
    if (out.empty() || range.first > out.back().ranges[0].end ||
        (!joins_touching && range.first == out.back().ranges[0].end)) {
      out.push_back(std::move(mark));
      continue;
    }
    auto& last = out.back();
    last.ranges[0].end = std::max(last.ranges[0].end, range.end);
    if (mark.at > last.at) {
      last.at = mark.at;
      last.kind = mark.kind;
      last.cause = mark.cause;
    }
  }
  return out;
}

void LeakCount::add_call(const Call& call, const Marks& marks, LeakReport& report) const {
  const auto listener = times_of(call.found);
  Ranges needless;
  for (const auto& mark : stretches(marks.needless, true)) {
    if (keys::both(listener, mark.ranges).empty()) continue;  // what a person had erased
    append(needless, mark.ranges);
    ++report.needless;
    ++report.needless_kinds[mark.kind];
    ++report.needless_causes[mark.cause];
  }
  const auto missed = stretches(marks.missed, false);
  for (const auto& mark : missed) {
    ++report.missed_kinds[mark.kind];
    ++report.missed_causes[mark.cause];
  }
  report.missed += missed.size();
  for (const auto& found : keys::without(listener, keys::join(std::move(needless))))
    report.found += std::ranges::none_of(missed, [&](const Mark& mark) {
      return mark.cause == "cut_edge" && near(found, mark.ranges[0], kEdgeSegments);
    });
  const bool leaked = !missed.empty();
  report.calls.count += leaked;
  ++report.calls.of;
  if (std::ranges::none_of(call.reviews, &Review::random)) return;
  report.random.count += leaked;
  ++report.random.of;
}

LeakReport LeakCount::report() const {
  LeakReport report;
  report.window = window_;
  static const Marks kNone;
  for (const auto& [id, call] : calls_) {
    const auto marks = marks_.find(id);
    if (counts(call))
      add_call(call, marks == marks_.end() ? kNone : marks->second, report);
    else
      ++report.not_heard;
  }
  for (const auto& [id, marks] : marks_) {
    const auto call = calls_.find(id);
    if (call != calls_.end() && counts(call->second)) continue;
    for (const auto& mark : marks.missed)
      report.missed_elsewhere += mark.at >= window_.from && mark.at < window_.to;
  }
  report.secrets = {report.missed, report.found + report.missed};
  return report;
}

}  // namespace callward::quality
