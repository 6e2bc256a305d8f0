// What a call's listener hands out once its orders are out: clearance, then words and peaks.
#include <algorithm>

#include "base/check.hpp"
#include "listen/call_listener.hpp"
#include "listen/heard_words.hpp"

namespace callward::listen {

// ---- results ------------------------------------------------------------------------------------

std::vector<Order> CallListener::take_orders() { return std::exchange(orders_, {}); }

bool CallListener::all_over() const {
  return std::all_of(streams_.begin(), streams_.end(), [](const auto& item) {
    const auto& stream = item.second;
    return stream.end_index && stream.vad_over && !stream.vad_out && stream.pending.empty() &&
           stream.keyed_weighed == stream.keyed.size();
  });
}

Clearance CallListener::clearance() const {
  Clearance now{.marks = {}, .question_open = question_open_};
  for (const auto& [number, stream] : streams_) now.marks.emplace_back(number, stream.cleared);
  return now;
}

std::optional<Clearance> CallListener::take_clearance() {
  CHECK(orders_.empty());  // invariant (2): orders go first
  const auto open = conversation_.open_since_ms();
  Clearance clearance{.marks = {}, .question_open = open.has_value() && !all_over()};
  auto upto_ms = heard_ms_ > limits_.clear_behind_ms ? heard_ms_ - limits_.clear_behind_ms : 0;
  if (open) upto_ms = std::min(upto_ms, *open);
  if (const auto typed = typed_open_ms()) upto_ms = std::min(upto_ms, *typed);
  bool moved = clearance.question_open != question_open_;
  for (auto& [number, stream] : streams_) {
    auto mark = std::min(upto_ms / kListenSegmentMs, stream.next_index);
    if (all_over()) mark = *stream.end_index;
    if (mark > stream.cleared) stream.cleared = mark, moved = true;
    clearance.marks.emplace_back(number, stream.cleared);
  }
  if (!moved) return std::nullopt;
  question_open_ = clearance.question_open;
  return clearance;
}

void CallListener::derive_window(Stream& stream, std::uint32_t window, std::vector<Derived>& out) {
  const auto limit = stream.end_index.value_or(stream.next_index);
  const Interval second{std::max(window * kWindowSegments, stream.first_index),
                        std::min((window + 1) * kWindowSegments, limit)};
  if (second.first >= second.end) return;
  for (const auto& piece : stream.erased.missing(second)) {
    // A word may reach into the next second: its record lives under those keys too, as far as they
    // follow.
    const auto reach =
        stream.erased.missing({piece.first, std::min(piece.end + kWindowSegments, limit)}).front();
    std::vector<Word> words;
    for (const auto& word : stream.words) {
      const auto at = word.start_ms / kListenSegmentMs;
      if (at >= piece.first && at < piece.end && word.end_ms <= reach.end * kListenSegmentMs)
        words.push_back(word);
    }
    const auto base_ms = piece.first * kListenSegmentMs;
    const auto until = piece.end == second.end ? reach.end : piece.end;
    out.push_back({true, stream.number, piece.first, until, words_payload(base_ms, words)});
    const auto cell = base_ms / kPeakMs - stream.peaks_base;
    const auto cells = std::min<std::size_t>(
        (piece.end - piece.first) * (kListenSegmentMs / kPeakMs),
        stream.peaks.size() - std::min<std::size_t>(cell, stream.peaks.size()));
    out.push_back(
        {false, stream.number, piece.first, piece.end,
         peaks_payload(std::span(stream.peaks)
                           .subspan(std::min<std::size_t>(cell, stream.peaks.size()), cells))});
    for (auto& word : words) wipe_word(word);
  }
}

void CallListener::derive(Stream& stream, std::uint32_t upto, std::vector<Derived>& out) {
  const bool over = stream.end_index && upto >= *stream.end_index;
  while (over ? stream.window_next * kWindowSegments < *stream.end_index
              : (stream.window_next + 2) * kWindowSegments <= upto)
    derive_window(stream, stream.window_next++, out);
  const auto done_ms = stream.window_next * kWindowSegments * kListenSegmentMs;
  std::erase_if(stream.words, [&](Word& word) {
    const bool gone = word.start_ms < done_ms;
    if (gone) wipe_word(word);
    return gone;
  });
  const auto cells = std::min<std::size_t>(
      stream.peaks.size(), done_ms / kPeakMs - std::min(done_ms / kPeakMs, stream.peaks_base));
  stream.peaks.erase(stream.peaks.begin(),
                     stream.peaks.begin() + static_cast<std::ptrdiff_t>(cells));
  stream.peaks_base += static_cast<std::uint32_t>(cells);
}

std::vector<Derived> CallListener::take_derived() {
  CHECK(orders_.empty());
  std::vector<Derived> out;
  for (auto& [number, stream] : streams_) derive(stream, stream.cleared, out);
  return out;
}

bool CallListener::finished() const {
  return !streams_.empty() && orders_.empty() && all_over() &&
         std::all_of(streams_.begin(), streams_.end(), [](const auto& item) {
           const auto& stream = item.second;
           return stream.cleared == *stream.end_index &&
                  stream.window_next * kWindowSegments >= *stream.end_index;
         });
}

}  // namespace callward::listen
