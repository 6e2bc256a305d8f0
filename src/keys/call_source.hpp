// How a call came to be, as every process and every format says it; the values are on disks.
#pragma once

#include <cstdint>
#include <string_view>

namespace callward::keys {

// How a call came to us. kCallBack: we dialled both sides ourselves.
enum class CallSource : std::uint8_t { kSiprec = 1, kImport = 2, kCallBack = 3 };
constexpr bool is_call_source(CallSource source) {
  return source >= CallSource::kSiprec && source <= CallSource::kCallBack;
}
enum class Direction : std::uint8_t { kUnknown = 0, kIncoming = 1, kOutgoing = 2 };
constexpr const char* to_text(CallSource source) {
  switch (source) {
    case CallSource::kImport:
      return "import";
    case CallSource::kCallBack:
      return "call_back";
    case CallSource::kSiprec:
      break;
  }
  return "siprec";
}
// What a log entry says; a word of nobody's is taken for the oldest.
constexpr CallSource source_of_text(std::string_view text) {
  for (const auto source : {CallSource::kImport, CallSource::kCallBack})
    if (text == to_text(source)) return source;
  return CallSource::kSiprec;
}
constexpr const char* to_text(Direction direction) {
  switch (direction) {
    case Direction::kIncoming:
      return "incoming";
    case Direction::kOutgoing:
      return "outgoing";
    case Direction::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace callward::keys
