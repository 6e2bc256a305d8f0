// The report out of a log's published files.
#pragma once

#include "audit/note.hpp"
#include "base/vfs.hpp"
#include "quality/leak_report.hpp"

namespace callward::quality {

// Read backwards, as far as the window's reviews and their calls reach, and no further. Under the
// newest checkpoint, which must hold under `key`; whether the entries are those that it signs says
// `callward log verify`.
Result<LeakReport> leaks_in_log(Vfs& vfs, const std::string& dir, const audit::NamedKey& key,
                                const Window& window);

// From the beginning of one UTC day to the end of another; empty: from ever, until now. kMalformed:
// no such day, or none in between.
Result<Window> window_of(std::string_view from, std::string_view to);

}  // namespace callward::quality
