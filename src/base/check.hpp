// CHECK(condition): a broken invariant of ours ends the process, in release builds too.
// Never used on what a peer or a file sent: that is a Result.
#pragma once

namespace callward {
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;
}  // namespace callward

#define CHECK(condition)                             \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::callward::check_failed(#condition, __FILE__, __LINE__))
