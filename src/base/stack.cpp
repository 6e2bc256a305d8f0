#include "base/stack.hpp"

#include <array>
#include <cstdint>

#include "base/secret.hpp"

namespace callward {

[[gnu::noinline]] void wipe_stack_below() noexcept {
  std::array<std::uint8_t, kLeftOnStackMax> room;  // as it was left, until it is wiped
  wipe(room.data(), room.size());
}

}  // namespace callward
