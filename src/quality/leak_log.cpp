#include "quality/leak_log.hpp"

#include <algorithm>

#include "audit/daily.hpp"
#include "audit/tiles.hpp"

namespace callward::quality {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
// By so much a wall clock may have been set back: entries behind the window's beginning are looked
// at that far.
constexpr std::int64_t kClockMs = kDayMs;

}  // namespace

Result<LeakReport> leaks_in_log(Vfs& vfs, const std::string& dir, const audit::NamedKey& key,
                                const Window& window) {
  LeakCount count(window);
  const auto size = TRY(audit::read_checkpoint(vfs, dir + "/checkpoint", key)).checkpoint.size;
  bool in_window = true;
  for (auto end = size; end > 0 && (in_window || count.waits());) {
    const auto begin = (end - 1) / audit::kTileWidth * audit::kTileWidth;
    const auto texts =
        TRY(audit::read_bundle(vfs, dir, begin / audit::kTileWidth,
                               std::min<std::uint64_t>(audit::kTileWidth, size - begin)));
    for (auto at = texts.rbegin(); at != texts.rend(); ++at)
      if (count.wants(audit::type_in(*at), audit::subject_in(*at)))
        count.add(TRY(audit::decode_entry(*at)));
    in_window = TRY(audit::decode_entry(texts.front())).at + kClockMs >= window.from;
    end = begin;
  }
  return count.report();
}

Result<Window> window_of(std::string_view from, std::string_view to) {
  Window window;
  const auto end = [](std::string_view day) -> Result<std::int64_t> {
    const auto at = audit::end_of_day(day);
    if (!at) return fail(Errc::kMalformed, "a day looks like 2026-11-24");
    return *at;
  };
  if (!from.empty()) window.from = TRY(end(from)) - kDayMs;
  if (!to.empty()) window.to = TRY(end(to));
  if (window.from >= window.to) return fail(Errc::kMalformed, "it ends before it begins");
  return window;
}

}  // namespace callward::quality
