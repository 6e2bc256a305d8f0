// Who says Hello, on run/keeper.sock and on run/courier.sock; the numbers are never reused.
#pragma once

#include <cstdint>

namespace callward::keys {

enum class PeerRole : std::uint8_t {
  kRecorder = 1,
  kListener = 2,
  kServer = 3,
  kSupervisor = 4,
  kSignal = 5,
  kCourier = 6,
};
inline constexpr unsigned kPeerRoleMax = 6;

}  // namespace callward::keys
