// A call's listener and typed values: the words of the call are remembered, and searched, when a
// value comes and with every turn after it.
#include <algorithm>

#include "listen/call_listener.hpp"
#include "listen/heard_words.hpp"

namespace callward::listen {
namespace {

constexpr std::uint8_t kKeyedConfidence = 255;  // told by signal

std::size_t turn_at(const HeardTurns& turns, std::uint32_t from_ms) {
  const auto at = std::find_if(turns.begin(), turns.end(),
                               [&](const HeardTurn& turn) { return turn.end_ms >= from_ms; });
  return static_cast<std::size_t>(at - turns.begin());
}

}  // namespace

Status CallListener::search(const SearchId& id, ByteView value) {
  const auto known = [&](const TypedState& state) { return state.id == id; };
  if (std::any_of(searches_.begin(), searches_.end(), known)) return {};
  if (typed_.size() >= kTypedPerCallMax)
    return fail(Errc::kFull, "too many typed values in one call");
  typed_.push_back(TRY(TypedSecret::create(value)));
  searches_.push_back({.id = id});
  const auto search = searches_.size() - 1;
  for (auto& [number, stream] : streams_) {
    const auto finding = typed_.back().search(grammar_, stream.remembered, 0);
    std::vector<TypedFound> found;
    for (const auto& place : finding.places) found.push_back({search, place});
    order_typed(stream, found);
    if (finding.open &&
        (!stream.typed_open || finding.open->since_ms < stream.typed_open->since_ms))
      stream.typed_open = finding.open;
  }
  return {};
}

// ---- what is remembered -------------------------------------------------------------------------

std::vector<CallListener::TypedFound> CallListener::remember(Stream& stream, const Heard& heard) {
  HeardTurn turn{.start_ms = heard.start_ms,
                 .end_ms = heard.end_ms,
                 .believed = !heard.failed && heard.flags == 0,
                 .words = heard.words};
  return remember(stream, std::move(turn));
}

std::vector<CallListener::TypedFound> CallListener::remember(Stream& stream, const Keyed& key) {
  return remember(
      stream, {.start_ms = key.start_ms,
               .end_ms = key.end_ms,
               .keyed = true,
               .words = {{key.start_ms, key.end_ms, kKeyedConfidence, std::string(1, key.digit)}}});
}

// Places in the turn and those right before it: what was said half and half is one.
std::vector<CallListener::TypedFound> CallListener::remember(Stream& stream, HeardTurn turn) {
  const auto reach = turn.start_ms - std::min(turn.start_ms, limits_.typed_reach_ms);
  stream.remembered_words += turn.words.size();
  stream.remembered.push_back(std::move(turn));
  forget_oldest(stream, limits_.remembered_words_max);
  const auto from = turn_at(stream.remembered, reach);
  std::vector<TypedFound> found;
  stream.typed_open.reset();
  for (std::size_t search = 0; search < typed_.size(); ++search) {
    const auto finding = typed_[search].search(grammar_, stream.remembered, from);
    for (const auto& place : finding.places) found.push_back({search, place});
    if (finding.open &&
        (!stream.typed_open || finding.open->since_ms < stream.typed_open->since_ms))
      stream.typed_open = finding.open;
  }
  return found;
}

void CallListener::forget_oldest(Stream& stream, std::size_t words_max) {
  while (stream.remembered_words > words_max && !stream.remembered.empty()) {
    auto& oldest = stream.remembered.front();
    for (auto& word : oldest.words) wipe_word(word);
    stream.remembered_words -= oldest.words.size();
    stream.remembered.pop_front();
    stream.forgot = true;
  }
}

void CallListener::forget_older_words() {
  for (auto& [number, stream] : streams_) forget_oldest(stream, stream.remembered_words / 2);
}

void CallListener::forget_remembered(Stream& stream, const IntervalSet& gone) {
  for (auto& turn : stream.remembered) {
    const Interval all{turn.start_ms / kListenSegmentMs, turn.end_ms / kListenSegmentMs + 1};
    if (!gone.touches(all)) continue;
    turn.believed = true;  // what could not be recognised is gone with the rest
    const auto before = turn.words.size();
    std::erase_if(turn.words, [&](Word& word) {
      const bool touched = gone.touches(segments_of(word));
      if (touched) wipe_word(word);
      return touched;
    });
    stream.remembered_words -= before - turn.words.size();
  }
}

std::size_t CallListener::remembered_words() const {
  std::size_t words = 0;
  for (const auto& [number, stream] : streams_) words += stream.remembered_words;
  return words;
}

bool CallListener::began_late() const {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& item) {
    return item.second.first_index < item.second.cleared && item.second.first_index > 0;
  });
}

bool CallListener::remembers_all() const {
  return !began_late() && std::none_of(streams_.begin(), streams_.end(),
                                       [](const auto& item) { return item.second.forgot; });
}

// ---- what is found ------------------------------------------------------------------------------

void CallListener::order_typed(const Stream& stream, const std::vector<TypedFound>& found) {
  for (const auto& [search, place] : found) {
    ++searches_[search].places;
    order({stream.number, place.start_ms, place.end_ms, Secret::kTyped}, limits_.pad_before_ms,
          limits_.pad_after_ms);
  }
}

// Clearance does not pass what may be the beginning of a value, while it may go on.
std::optional<std::uint32_t> CallListener::typed_open_ms() const {
  constexpr TypedLimits kLimits;
  std::optional<std::uint32_t> since;
  for (const auto& [number, stream] : streams_) {
    const auto& open = stream.typed_open;
    if (!open || heard_ms_ > open->last_ms + kLimits.open_ms_max) continue;
    since = std::min(since.value_or(open->since_ms), open->since_ms);
  }
  return since;
}

void CallListener::take_over(CallListener& old) {
  typed_ = std::move(old.typed_);
  searches_ = std::move(old.searches_);
  for (const auto& [number, stream] : old.streams_)
    for (const auto& gone : stream.wiped.all()) wipe_range({number, gone.first, gone.end});
}

}  // namespace callward::listen
