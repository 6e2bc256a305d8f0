// What calls that have returned leave on the stack.
#pragma once

#include <cstddef>

namespace callward {

// What lies below the caller's frame: libraries move what they are given through buffers and frames
// of their own, and wipe none of it.
inline constexpr std::size_t kLeftOnStackMax = 64 * 1'024;
void wipe_stack_below() noexcept;

// Where its scope ends. What left something must not be inlined into that scope.
struct WipesStackBelow {
  WipesStackBelow() = default;
  ~WipesStackBelow() { wipe_stack_below(); }
  WipesStackBelow(const WipesStackBelow&) = delete;
  WipesStackBelow& operator=(const WipesStackBelow&) = delete;
};

}  // namespace callward
