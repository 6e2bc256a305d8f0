// Speech probabilities of one stream -> turns: from onset to end with hysteresis, cut at pauses; a
// turn that grows too long is cut at its quietest place. Pure; time is the count of windows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace callward::listen {

inline constexpr std::uint32_t kVadWindowSamples = 256;  // 32 ms at 8 kHz
inline constexpr std::uint32_t kVadWindowMs = 32;

struct TurnLimits {
  std::uint8_t onset = 115;          // probability of 0..255 that begins a turn ...
  std::uint8_t release = 70;         // ... and below which it may end
  std::uint32_t pause_ms = 480;      // so long below `release` ends it
  std::uint32_t speech_ms_min = 64;  // shorter bursts are no turn
  std::uint32_t before_ms = 100;     // taken along before the onset and after the end
  std::uint32_t after_ms = 160;
  std::uint32_t turn_ms_max = 14'000;
  std::uint32_t cut_from_ms = 7'000;  // a long turn is cut at the quietest window behind this
};

struct Turn {
  std::uint32_t start_ms = 0, end_ms = 0;  // since the stream began
  bool cut = false;                        // goes on in the next one
  bool operator==(const Turn&) const = default;
};

class TurnFinder {
 public:
  explicit TurnFinder(TurnLimits limits = {}) : limits_(limits) {}
  // The next windows' probabilities; turns that ended within them.
  std::vector<Turn> push(std::span<const std::uint8_t> probabilities);
  std::optional<Turn> finish();
  // A jump: what follows begins at this time; an open turn ends.
  std::optional<Turn> skip_to(std::uint32_t at_ms);

  [[nodiscard]] std::uint32_t heard_ms() const { return now_ms_; }
  // No turn will ever begin before this.
  [[nodiscard]] std::uint32_t settled_ms() const;
  [[nodiscard]] bool in_turn() const { return in_turn_; }
  [[nodiscard]] std::uint32_t turn_start_ms() const { return start_ms_; }

 private:
  std::optional<Turn> close(std::uint32_t end_ms, bool cut);
  std::optional<Turn> cut_long();

  TurnLimits limits_;
  std::uint32_t origin_ms_ = 0;  // of window 0 since the last jump
  std::uint32_t windows_ = 0;
  std::uint32_t now_ms_ = 0;
  bool in_turn_ = false;
  std::uint32_t start_ms_ = 0;        // of the open turn, margin included
  std::uint32_t last_speech_ms_ = 0;  // end of the last window at or over `release`
  std::uint32_t speech_ms_ = 0;       // windows over `onset` in the open turn
  std::uint32_t floor_ms_ = 0;        // end of the turn before: margins never overlap
  std::vector<std::uint8_t> open_;    // probabilities of the open turn, for the cut
  std::uint32_t open_from_ms_ = 0;
};

}  // namespace callward::listen
