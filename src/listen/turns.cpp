#include "listen/turns.hpp"

#include <algorithm>

namespace callward::listen {

std::uint32_t TurnFinder::settled_ms() const {
  if (in_turn_) return start_ms_;
  return std::max(floor_ms_, now_ms_ > limits_.before_ms + kVadWindowMs
                                 ? now_ms_ - limits_.before_ms - kVadWindowMs
                                 : 0);
}

std::optional<Turn> TurnFinder::close(std::uint32_t end_ms, bool cut) {
  in_turn_ = false;
  open_.clear();
  const Turn turn{start_ms_, std::min(end_ms, std::max(now_ms_, last_speech_ms_)), cut};
  if (speech_ms_ < limits_.speech_ms_min) return std::nullopt;
  floor_ms_ = turn.end_ms;
  return turn;
}

std::optional<Turn> TurnFinder::cut_long() {
  const auto first = limits_.cut_from_ms / kVadWindowMs;
  const auto quietest = std::min_element(open_.begin() + first, open_.end() - 1);
  const auto at = static_cast<std::uint32_t>(quietest - open_.begin());
  const auto cut_ms = open_from_ms_ + at * kVadWindowMs;
  const Turn turn{start_ms_, cut_ms, true};
  open_.erase(open_.begin(), quietest);
  open_from_ms_ = start_ms_ = floor_ms_ = cut_ms;
  return turn;
}

std::vector<Turn> TurnFinder::push(std::span<const std::uint8_t> probabilities) {
  std::vector<Turn> turns;
  for (const auto probability : probabilities) {
    const auto begin_ms = origin_ms_ + windows_ * kVadWindowMs;
    now_ms_ = origin_ms_ + ++windows_ * kVadWindowMs;
    if (!in_turn_) {
      if (probability < limits_.onset) continue;
      in_turn_ = true;
      start_ms_ =
          std::max(floor_ms_, begin_ms > limits_.before_ms ? begin_ms - limits_.before_ms : 0);
      speech_ms_ = 0;
      open_from_ms_ = begin_ms;
    }
    open_.push_back(probability);
    if (probability >= limits_.onset) speech_ms_ += kVadWindowMs;
    if (probability >= limits_.release) last_speech_ms_ = now_ms_;
    if (now_ms_ - last_speech_ms_ >= limits_.pause_ms) {
      if (const auto turn = close(last_speech_ms_ + limits_.after_ms, false))
        turns.push_back(*turn);
    } else if (now_ms_ - start_ms_ >= limits_.turn_ms_max &&
               open_.size() > limits_.cut_from_ms / kVadWindowMs + 2) {
      if (const auto turn = cut_long()) turns.push_back(*turn);
    }
  }
  return turns;
}

std::optional<Turn> TurnFinder::finish() {
  if (!in_turn_) return std::nullopt;
  return close(std::min(now_ms_, last_speech_ms_ + limits_.after_ms), false);
}

std::optional<Turn> TurnFinder::skip_to(std::uint32_t at_ms) {
  auto turn = finish();
  origin_ms_ = at_ms;
  windows_ = 0;
  now_ms_ = std::max(now_ms_, at_ms);
  return turn;
}

}  // namespace callward::listen
